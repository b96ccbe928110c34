/* Every mistake a host can make is answered with its number and a text that names it.  usage: badinput SCRATCH_DIR */
#include "host.h"

/* The call must answer `status`, with `words` in the text. */
#define REFUSED(call, status, words) \
    do { \
        CHECK((call) == (status)); \
        CHECK(strstr(postrider_last_error(), words) != NULL); \
    } while (0)

static postrider *engine;

static postrider_status push_one(postrider_field field)
{
    return postrider_push(engine, POSTRIDER_TYPE_DELIVERY, &field, 1);
}

static postrider_status push_json(const char *json)
{
    return postrider_push_json(engine, POSTRIDER_TYPE_DELIVERY, json, strlen(json));
}

static void fields(void)
{
    postrider_field field, many[257], twice[2];
    for (int i = 0; i < 257; i++)
        many[i] = postrider_named_int("x_n", i);
    REFUSED(postrider_push(engine, 0, NULL, 0), POSTRIDER_E_TYPE, "type 0");
    REFUSED(postrider_push(engine, 200, NULL, 0), POSTRIDER_E_TYPE, "type 200");
    REFUSED(postrider_push(engine, 0x10000u + POSTRIDER_TYPE_DELIVERY, NULL, 0), POSTRIDER_E_TYPE, "65538");
    REFUSED(postrider_push(engine, POSTRIDER_TYPE_DELIVERY, NULL, 1), POSTRIDER_E_NULL, "fields is NULL");
    REFUSED(postrider_push(engine, POSTRIDER_TYPE_DELIVERY, many, 257), POSTRIDER_E_LIMIT, "257 fields");
    twice[0] = twice[1] = postrider_str(POSTRIDER_FIELD_RCPT_TO, "a@b");
    REFUSED(postrider_push(engine, POSTRIDER_TYPE_DELIVERY, twice, 2), POSTRIDER_E_FIELD, "rcpt_to");
    REFUSED(push_one(postrider_str(POSTRIDER_FIELD_SUBJECT, NULL)), POSTRIDER_E_NULL, "subject");
    REFUSED(push_one(postrider_str(POSTRIDER_FIELD_SUBJECT, "\xff")), POSTRIDER_E_UTF8, "subject");
    REFUSED(push_one(postrider_str(65000, "x")), POSTRIDER_E_FIELD, "65000");
    REFUSED(push_one(postrider_named_str("tenant", "x")), POSTRIDER_E_FIELD, "tenant");
    REFUSED(push_one(postrider_named_str("", "x")), POSTRIDER_E_FIELD, "1 to 128 bytes");
    REFUSED(push_one(postrider_named_str("x_\xff", "x")), POSTRIDER_E_UTF8, "name of field 0");
    REFUSED(push_one(postrider_str(POSTRIDER_FIELD_RCPT_TAGS, "male")), POSTRIDER_E_FIELD, "rcpt_tags");
    REFUSED(push_one(postrider_json(POSTRIDER_FIELD_RCPT_TAGS, "[1,", 3)), POSTRIDER_E_JSON, "rcpt_tags");
    REFUSED(push_one(postrider_json(POSTRIDER_FIELD_RCPT_TAGS, "[\"\xff\"]", 5)), POSTRIDER_E_UTF8, "rcpt_tags");
    REFUSED(push_one(postrider_double(POSTRIDER_FIELD_MSG_SIZE, 1e308 * 10)), POSTRIDER_E_FIELD, "msg_size");
    field = postrider_str(POSTRIDER_FIELD_SUBJECT, "x");
    field.reserved = 1;
    REFUSED(push_one(field), POSTRIDER_E_ARGUMENT, "reserved");
    field = postrider_str(POSTRIDER_FIELD_SUBJECT, "x");
    field.kind = 77;
    REFUSED(push_one(field), POSTRIDER_E_ARGUMENT, "kind 77");
    field = postrider_str(POSTRIDER_FIELD_SUBJECT, "x");
    field.name = "subject";
    REFUSED(push_one(field), POSTRIDER_E_ARGUMENT, "both");
    field.id = 0;
    field.name = NULL;
    REFUSED(push_one(field), POSTRIDER_E_ARGUMENT, "neither");
}

static void texts(void)
{
    size_t length = 10 * 1024 * 1024;
    char *large = malloc(length);
    char deep[80] = "{\"rcpt_meta\":{\"a\":";
    CHECK(large != NULL);
    memset(large, 'x', length);
    REFUSED(push_one(postrider_strn(POSTRIDER_FIELD_SUBJECT, large, length)), POSTRIDER_E_LIMIT, "subject");
    memcpy(large, "{\"subject\":\"", 12);
    memcpy(large + length - 2, "\"}", 2);
    REFUSED(postrider_push_json(engine, POSTRIDER_TYPE_DELIVERY, large, length), POSTRIDER_E_LIMIT, "131072");
    free(large);
    memset(deep + strlen(deep), '[', 20);
    REFUSED(push_json(deep), POSTRIDER_E_LIMIT, "rcpt_meta");
    REFUSED(push_json("{\"rcpt_to\":"), POSTRIDER_E_JSON, "the end");
    REFUSED(push_json("[]"), POSTRIDER_E_JSON, "byte 0");
    REFUSED(push_json(""), POSTRIDER_E_JSON, "byte 0");
    REFUSED(push_json("{\"subject\":\"\xc3\"}"), POSTRIDER_E_UTF8, "byte 12");
    REFUSED(push_json("{\"type\":\"bounce\"}"), POSTRIDER_E_TYPE, "bounce");
    REFUSED(push_json("{\"tenant\":\"x\"}"), POSTRIDER_E_FIELD, "tenant");
    REFUSED(postrider_push_json(engine, POSTRIDER_TYPE_DELIVERY, NULL, 3), POSTRIDER_E_NULL, "json is NULL");
    REFUSED(postrider_push_json(engine, POSTRIDER_TYPE_IN_JSON, "{\"type\":\"deliver\"}", 18), POSTRIDER_E_TYPE, "deliver");
    REFUSED(postrider_push_json(engine, POSTRIDER_TYPE_IN_JSON, "{}", 2), POSTRIDER_E_TYPE, "type");
}

static void structs(void)
{
    struct {
        postrider_push_options options;
        uint64_t later;
    } newer = { { sizeof newer, POSTRIDER_LEVEL_QUEUED, 0 }, 1 };
    postrider_push_options options = { 3, 0, 0 };
    postrider_field field = postrider_str(POSTRIDER_FIELD_RCPT_TO, "a@b");
    postrider_statistics stats;
    uint32_t type = 7;
    REFUSED(postrider_push_opts(engine, POSTRIDER_TYPE_DELIVERY, &field, 1, &options, NULL), POSTRIDER_E_ARGUMENT,
            "postrider_push_options.size is 3");
    options.size = sizeof options;
    options.level = 9;
    REFUSED(postrider_push_opts(engine, POSTRIDER_TYPE_DELIVERY, &field, 1, &options, NULL), POSTRIDER_E_ARGUMENT,
            "level 9");
    REFUSED(postrider_push_opts(engine, POSTRIDER_TYPE_DELIVERY, &field, 1, &newer.options, NULL), POSTRIDER_E_ARGUMENT,
            "does not know");
    newer.later = 0; /* A newer host that doesn't use what this library lacks. */
    CHECK(postrider_push_opts(engine, POSTRIDER_TYPE_DELIVERY, &field, 1, &newer.options, NULL) >= 0);
    REFUSED(postrider_flush(engine, 9, 0), POSTRIDER_E_ARGUMENT, "level 9");
    REFUSED(postrider_stats(engine, NULL), POSTRIDER_E_NULL, "postrider_statistics");
    stats.size = sizeof(size_t) * 2; /* An older host: its struct ends after push_taken. */
    stats.push_unwanted = 42;
    OK(postrider_stats(engine, &stats));
    CHECK(stats.push_unwanted == 42);
    REFUSED(postrider_declare_type(engine, "message_event", "Bad Name", &type), POSTRIDER_E_ARGUMENT, "Bad Name");
    REFUSED(postrider_declare_type(engine, NULL, "x", &type), POSTRIDER_E_NULL, "category");
    REFUSED(postrider_declare_type(engine, "x", "y", NULL), POSTRIDER_E_NULL, "type_id");
    CHECK(type == 7);
}

static void requests(void)
{
    postrider_api_request request = { 0 };
    postrider_buffer body = { 0 };
    postrider_api_call *call = NULL;
    uint32_t http_status = 7;
    REFUSED(postrider_api(engine, &request, &http_status, &body), POSTRIDER_E_ARGUMENT, "postrider_api_request.size");
    request.size = sizeof request;
    REFUSED(postrider_api(engine, &request, &http_status, &body), POSTRIDER_E_NULL, "request.method");
    request.method = "GET";
    request.path = "/api/v1/webhooks";
    request.flags = 6;
    REFUSED(postrider_api(engine, &request, &http_status, &body), POSTRIDER_E_ARGUMENT, "flags");
    request.flags = POSTRIDER_API_ALL_GRANTS;
    request.headers = "nonsense";
    REFUSED(postrider_api(engine, &request, &http_status, &body), POSTRIDER_E_ARGUMENT, "nonsense");
    request.headers = NULL;
    REFUSED(postrider_api(engine, &request, NULL, &body), POSTRIDER_E_NULL, "http_status");
    REFUSED(postrider_api(engine, &request, &http_status, NULL), POSTRIDER_E_NULL, "body");
    CHECK(http_status == 7 && body.data == NULL);

    request.flags = 0; /* Without a key. */
    OK(postrider_api(engine, &request, &http_status, &body));
    CHECK(http_status == 401 && body.length > 0);
    postrider_free(&body);
    request.flags = POSTRIDER_API_ALL_GRANTS;
    OK(postrider_api_start(engine, &request, &call));
    OK(postrider_api_poll(call, 10000, &http_status, &body));
    CHECK(http_status == 200);
    postrider_free(&body);
    postrider_free(&body);
    postrider_free(NULL);
    REFUSED(postrider_api_poll(call, 0, &http_status, &body), POSTRIDER_E_ARGUMENT, "given once");
    postrider_api_free(call);
    postrider_api_free(NULL);
    REFUSED(postrider_api_poll(NULL, 0, &http_status, &body), POSTRIDER_E_NULL, "call");

    request.method = "POST"; /* A webhook to nowhere: the API's own errors are answers. */
    request.body = "{\"name\":\"x\",\"target\":\"ftp://x\",\"events\":[\"delivery\"]}";
    request.body_length = strlen(request.body);
    OK(postrider_api(engine, &request, &http_status, &body));
    CHECK(http_status >= 400 && http_status < 500 && strstr(body.data, "target") != NULL);
    postrider_free(&body);
}

static void settings(const char *dir)
{
    postrider_config *config = postrider_config_new();
    postrider *other = (postrider *)&config;
    REFUSED(postrider_config_set(config, "batch.max_event", "5"), POSTRIDER_E_CONFIG, "batch.max_events");
    REFUSED(postrider_config_set(config, "batch.max_events", "many"), POSTRIDER_E_CONFIG, "many");
    REFUSED(postrider_config_set(config, NULL, "x"), POSTRIDER_E_NULL, "key");
    REFUSED(postrider_config_set(NULL, "x", "x"), POSTRIDER_E_NULL, "config");
    REFUSED(postrider_config_load(config, "/nowhere/at/all.toml"), POSTRIDER_E_SYSTEM, "/nowhere/at/all.toml");
    REFUSED(postrider_set_logger(NULL, NULL, NULL), POSTRIDER_E_NULL, "config");
    REFUSED(postrider_open(dir, config, NULL), POSTRIDER_E_NULL, "out");
    REFUSED(postrider_open(dir, config, &other), POSTRIDER_E_LOCKED, dir);
    REFUSED(postrider_open("/proc/nowhere", NULL, &other), POSTRIDER_E_DATA_DIR, "/proc/nowhere");
    REFUSED(postrider_connect("/nowhere/at/all", &other), POSTRIDER_E_DATA_DIR, "/nowhere/at/all");
    REFUSED(postrider_connect(NULL, &other), POSTRIDER_E_NULL, "data_dir");
    CHECK(other == (postrider *)&config);
    postrider_config_free(config);
    postrider_config_free(NULL);
}

static void handles(void)
{
    uint64_t stranger[8] = { 0 };
    postrider *memory = NULL;
    REFUSED(postrider_flush(NULL, 0, 0), POSTRIDER_E_NULL, "handle is NULL");
    REFUSED(postrider_flush((postrider *)stranger, 0, 0), POSTRIDER_E_HANDLE, "not a handle");
    REFUSED(postrider_flush((postrider *)((char *)stranger + 1), 0, 0), POSTRIDER_E_HANDLE, "not a pointer");
    REFUSED(postrider_restart_after_fork(engine, 0), POSTRIDER_E_ARGUMENT, "forked child");
    OK(postrider_close(NULL, 0));
    OK(postrider_open(NULL, NULL, &memory));
    REFUSED(postrider_flush(memory, POSTRIDER_LEVEL_SYNCED, 0), POSTRIDER_E_UNSUPPORTED, "memory");
    OK(postrider_close(memory, 1000));
    REFUSED(postrider_flush(memory, 0, 0), POSTRIDER_E_CLOSED, "closed");
    REFUSED(postrider_close(memory, 0), POSTRIDER_E_CLOSED, "closed");
}

int main(int argc, char *argv[])
{
    postrider_field field = postrider_str(POSTRIDER_FIELD_RCPT_TO, "a@b");
    postrider_config *config = postrider_config_new();
    uint64_t before;
    CHECK(argc == 2);
    /* Everything is wanted, so that nothing is passed over unread. */
    OK(postrider_config_set(config, "log.keep", "all"));
    OK(postrider_open(argv[1], config, &engine));
    postrider_config_free(config);
    before = host_stats(engine).log_written;
    fields();
    texts();
    OK(postrider_flush(engine, POSTRIDER_LEVEL_WRITTEN, 10000));
    CHECK(host_stats(engine).log_written == before); /* Nothing of all that was taken. */
    CHECK(host_stats(engine).push_invalid > 0);
    structs();
    requests();
    settings(argv[1]);
    handles();
    OK(postrider_push(engine, POSTRIDER_TYPE_DELIVERY, &field, 1));
    OK(postrider_close(engine, 10000));
    return 0;
}
