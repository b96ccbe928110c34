/* A short-lived process that appends to the inbox.  usage: client DATA_DIR NAME EVENTS */
#include "host.h"

int main(int argc, char *argv[])
{
    postrider *client = NULL;
    uint32_t type = 0, again = 0;
    long events;
    char id[POSTRIDER_EVENT_ID_BYTES] = "";
    postrider_push_options options = { sizeof options, POSTRIDER_LEVEL_SYNCED, 1000 };
    postrider_buffer text = { 0 };
    postrider_api_request request = { 0 };
    uint32_t http_status = 0;
    CHECK(argc == 4);
    events = strtol(argv[3], NULL, 10);
    OK(postrider_connect(argv[1], &client));
    for (long i = 0; i < events - 1; i++)
        OK(host_push(client, argv[2], i));
    {
        char json[128];
        int length = snprintf(json, sizeof json, "{\"x_who\":\"%s\",\"x_number\":%ld}", argv[2], events - 1);
        OK(postrider_push_json_opts(client, POSTRIDER_TYPE_DELIVERY, json, (size_t)length, &options, id));
        CHECK(strlen(id) >= 19);
    }
    OK(postrider_declare_type(client, "message_event", "greylisted", &type));
    OK(postrider_declare_type(client, "message_event", "greylisted", &again));
    CHECK(type == again && type > 255);
    OK(postrider_flush(client, POSTRIDER_LEVEL_WRITTEN, 0));
    OK(postrider_flush(client, POSTRIDER_LEVEL_SYNCED, 1000));
    CHECK(host_stats(client).push_inbox == (uint64_t)events);

    CHECK(postrider_metrics(client, &text) == POSTRIDER_E_UNSUPPORTED);
    request.size = sizeof request;
    request.method = "GET";
    request.path = "/api/v1/webhooks";
    CHECK(postrider_api(client, &request, &http_status, &text) == POSTRIDER_E_UNSUPPORTED);
    CHECK(postrider_restart_after_fork(client, 0) == POSTRIDER_E_UNSUPPORTED);
    OK(postrider_close(client, 0));
    CHECK(postrider_flush(client, POSTRIDER_LEVEL_WRITTEN, 0) == POSTRIDER_E_CLOSED);
    return 0;
}
