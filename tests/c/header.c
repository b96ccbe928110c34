/* The header alone: nothing before it, twice, as C and as C++; every inline function called. */
#include <postrider.h>
#include <postrider.h>

#include <stdio.h>

#ifdef __cplusplus
#define ASSERT_STATIC(what) static_assert(what, #what)
#elif __STDC_VERSION__ >= 201112L
#define ASSERT_STATIC(what) _Static_assert(what, #what)
#else
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#define ASSERT_STATIC(what) typedef char JOIN(assert_, __LINE__)[(what) ? 1 : -1]
#endif

/* The same numbers stand in ffi/src/layout.rs. */
ASSERT_STATIC(sizeof(postrider_field) == 32);
ASSERT_STATIC(offsetof(postrider_field, id) == 0);
ASSERT_STATIC(offsetof(postrider_field, kind) == 2);
ASSERT_STATIC(offsetof(postrider_field, name_length) == 4);
ASSERT_STATIC(offsetof(postrider_field, reserved) == 6);
ASSERT_STATIC(offsetof(postrider_field, name) == 8);
ASSERT_STATIC(offsetof(postrider_field, value) == 16);
ASSERT_STATIC(offsetof(postrider_field, length) == 24);
ASSERT_STATIC(sizeof(postrider_value) == 8);
ASSERT_STATIC(sizeof(postrider_push_options) == 16);
ASSERT_STATIC(offsetof(postrider_push_options, level) == 8);
ASSERT_STATIC(offsetof(postrider_push_options, timeout_ms) == 12);
ASSERT_STATIC(sizeof(postrider_api_request) == 56);
ASSERT_STATIC(offsetof(postrider_api_request, method) == 8);
ASSERT_STATIC(offsetof(postrider_api_request, path) == 16);
ASSERT_STATIC(offsetof(postrider_api_request, headers) == 24);
ASSERT_STATIC(offsetof(postrider_api_request, body) == 32);
ASSERT_STATIC(offsetof(postrider_api_request, body_length) == 40);
ASSERT_STATIC(offsetof(postrider_api_request, flags) == 48);
ASSERT_STATIC(offsetof(postrider_api_request, timeout_ms) == 52);
ASSERT_STATIC(sizeof(postrider_buffer) == 16);
ASSERT_STATIC(offsetof(postrider_buffer, length) == 8);
ASSERT_STATIC(offsetof(postrider_statistics, push_taken) == 8);
ASSERT_STATIC(offsetof(postrider_statistics, queue_bytes) == 72);
ASSERT_STATIC(offsetof(postrider_statistics, webhook_offset) == 104);
ASSERT_STATIC(offsetof(postrider_statistics, webhook_pending) == 152);
ASSERT_STATIC(sizeof(postrider_statistics) == 160);

ASSERT_STATIC(POSTRIDER_CLASS(POSTRIDER_OK_DROPPED) == POSTRIDER_CLASS_OK);
ASSERT_STATIC(POSTRIDER_CLASS(POSTRIDER_E_TIMEOUT) == POSTRIDER_CLASS_RETRY);
ASSERT_STATIC(POSTRIDER_CLASS(POSTRIDER_E_UNSUPPORTED) == POSTRIDER_CLASS_CALL);
ASSERT_STATIC(POSTRIDER_CLASS(POSTRIDER_E_LOCKED) == POSTRIDER_CLASS_SYSTEM);
ASSERT_STATIC(POSTRIDER_CLASS(POSTRIDER_E_POISONED) == POSTRIDER_CLASS_CLOSE);

#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "line %d: %s\n", __LINE__, #what); \
            return 1; \
        } \
    } while (0)

int main(void)
{
    static const char text[] = "alice@example.com";
    postrider_field f;

    f = postrider_str(POSTRIDER_FIELD_RCPT_TO, text);
    CHECK(f.id == POSTRIDER_FIELD_RCPT_TO && f.kind == POSTRIDER_KIND_STRING && f.reserved == 0);
    CHECK(f.name == NULL && f.name_length == 0 && f.value.text == text && f.length == strlen(text));
    f = postrider_strn(POSTRIDER_FIELD_SUBJECT, text, 5);
    CHECK(f.id == POSTRIDER_FIELD_SUBJECT && f.value.text == text && f.length == 5);
    f = postrider_strn(POSTRIDER_FIELD_SUBJECT, NULL, 0);
    CHECK(f.value.text == NULL && f.length == 0);
    f = postrider_str(POSTRIDER_FIELD_SUBJECT, NULL);
    CHECK(f.value.text == NULL && f.length != 0);
    f = postrider_int(POSTRIDER_FIELD_MSG_SIZE, -1337);
    CHECK(f.id == POSTRIDER_FIELD_MSG_SIZE && f.kind == POSTRIDER_KIND_INT && f.value.integer == -1337 && f.length == 0);
    f = postrider_double(POSTRIDER_FIELD_MSG_SIZE, 1.5);
    CHECK(f.kind == POSTRIDER_KIND_DOUBLE && f.value.number > 1.4 && f.value.number < 1.6);
    f = postrider_bool(POSTRIDER_FIELD_OPEN_TRACKING, 17);
    CHECK(f.kind == POSTRIDER_KIND_BOOL && f.value.integer == 1);
    f = postrider_bool(POSTRIDER_FIELD_OPEN_TRACKING, 0);
    CHECK(f.value.integer == 0);
    f = postrider_json(POSTRIDER_FIELD_RCPT_TAGS, "[]", 2);
    CHECK(f.kind == POSTRIDER_KIND_JSON && f.length == 2);
    f = postrider_str(0x10000u + POSTRIDER_FIELD_RCPT_TO, text);
    CHECK(f.id == UINT16_MAX);

    f = postrider_named_str("x_tenant", text);
    CHECK(f.id == 0 && strcmp(f.name, "x_tenant") == 0 && f.name_length == 8 && f.length == strlen(text));
    f = postrider_named_strn("x_tenant", text, 3);
    CHECK(f.kind == POSTRIDER_KIND_STRING && f.length == 3);
    f = postrider_named_int("x_n", 7);
    CHECK(f.kind == POSTRIDER_KIND_INT && f.value.integer == 7 && f.name_length == 3);
    f = postrider_named_double("x_n", 2.5);
    CHECK(f.kind == POSTRIDER_KIND_DOUBLE && f.value.number > 2.4);
    f = postrider_named_bool("x_b", 1);
    CHECK(f.kind == POSTRIDER_KIND_BOOL && f.value.integer == 1);
    f = postrider_named_json("x_j", "{}", 2);
    CHECK(f.kind == POSTRIDER_KIND_JSON && f.length == 2 && strcmp(f.name, "x_j") == 0);
    return 0;
}
