/* The filter header alone: nothing before it, twice, as C and as C++; every inline function called. Prints the layout of
   the ABI, one number a line, for the comparison with crates/postrider-filter/src/abi.rs. */
#include <postrider_filter.h>
#include <postrider_filter.h>

#include <stdio.h>

#define SIZE(type) printf("size %s %zu\n", #type, sizeof(postrider_filter_##type))
#define AT(type, member) printf("at %s.%s %zu\n", #type, #member, offsetof(postrider_filter_##type, member))
#define NUMBER(name) printf("number %s %lld\n", #name, (long long)POSTRIDER_FILTER_##name)

static int failures = 0;
static void check(int truth, const char *what) {
    if (!truth) {
        fprintf(stderr, "not: %s\n", what);
        failures++;
    }
}
#define CHECK(truth) check((truth), #truth)

static void inline_functions(void) {
    char text[4];
    postrider_filter_buffer buffer = {text, sizeof text, 0};
    postrider_filter_value value = postrider_filter_str("abc");
    CHECK(value.kind == POSTRIDER_FILTER_STRING && value.length == 3);
    CHECK(postrider_filter_is(&value, "abc") && !postrider_filter_is(&value, "abd") && !postrider_filter_is(&value, "ab"));
    value = postrider_filter_str(NULL);
    CHECK(value.length == 0 && postrider_filter_is(&value, ""));
    value = postrider_filter_strn("abc", 2);
    CHECK(postrider_filter_is(&value, "ab"));
    value = postrider_filter_strn("abc", (size_t)UINT32_MAX + 7);
    CHECK(value.length == UINT32_MAX);
    value = postrider_filter_json("[1]", 3);
    CHECK(value.kind == POSTRIDER_FILTER_JSON && value.length == 3 && !postrider_filter_is(&value, "[1]"));
    value = postrider_filter_int(-5);
    CHECK(value.kind == POSTRIDER_FILTER_INT && value.as.integer == -5 && value.length == 0);
    value = postrider_filter_double(0.5);
    CHECK(value.kind == POSTRIDER_FILTER_DOUBLE && value.as.number > 0.4 && value.as.number < 0.6);
    value = postrider_filter_bool(7);
    CHECK(value.kind == POSTRIDER_FILTER_BOOL && value.as.integer == 1);
    CHECK(postrider_filter_error(&buffer, "too long") == POSTRIDER_FILTER_FAILED && buffer.length == 4);
    CHECK(memcmp(text, "too ", 4) == 0);
}

int main(void) {
    inline_functions();
    SIZE(value), SIZE(buffer), SIZE(host), SIZE(event), SIZE(batch), SIZE(descriptor), SIZE(entry);
    AT(value, as), AT(value, kind), AT(value, length);
    AT(buffer, text), AT(buffer, size), AT(buffer, length);
    AT(host, size), AT(host, abi_major), AT(host, abi_minor), AT(host, name), AT(host, version), AT(host, field);
    AT(host, type), AT(host, type_name), AT(host, log), AT(host, get_extension);
    AT(event, json), AT(event, time_ms), AT(event, length), AT(event, type), AT(event, subaccount), AT(event, reserved);
    AT(batch, size), AT(batch, count), AT(batch, events), AT(batch, get), AT(batch, set), AT(batch, remove);
    AT(batch, tag), AT(batch, drop), AT(batch, fail), AT(batch, emit);
    AT(descriptor, size), AT(descriptor, on_failure), AT(descriptor, id), AT(descriptor, version);
    AT(descriptor, summary), AT(descriptor, create), AT(descriptor, process), AT(descriptor, destroy);
    AT(descriptor, get_extension);
    AT(entry, magic), AT(entry, abi_major), AT(entry, abi_minor), AT(entry, size), AT(entry, reserved);
    AT(entry, descriptor);
    NUMBER(MAGIC), NUMBER(ABI_MAJOR), NUMBER(ABI_MINOR);
    NUMBER(OK), NUMBER(ABSENT), NUMBER(FAILED), NUMBER(BROKEN);
    NUMBER(E_TURN), NUMBER(E_INDEX), NUMBER(E_ARGUMENT), NUMBER(E_FIELD), NUMBER(E_VALUE), NUMBER(E_LIMIT);
    NUMBER(E_TYPE), NUMBER(E_EVENT);
    NUMBER(STRING), NUMBER(INT), NUMBER(DOUBLE), NUMBER(BOOL), NUMBER(JSON);
    NUMBER(OPEN), NUMBER(CLOSED), NUMBER(DISABLE);
    NUMBER(LOG_ERROR), NUMBER(LOG_WARNING), NUMBER(LOG_INFO);
    return failures != 0;
}
