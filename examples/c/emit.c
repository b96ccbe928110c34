/*
 * A whole host: opens an engine, makes a webhook, pushes events from four threads, waits for them to arrive, closes.
 *
 *     cc -pthread emit.c $(pkg-config --cflags --libs postrider) -o emit
 *     postrider receive --listen 127.0.0.1:9000 &
 *     ./emit /tmp/postrider-data http://127.0.0.1:9000/events
 */
#include <postrider.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 4 };

static postrider *engine;
static long events_per_thread = 1000;

static void must(postrider_status status, const char *what)
{
    if (status < 0) {
        fprintf(stderr, "%s: %s: %s\n", what, postrider_status_name(status), postrider_last_error());
        exit(1);
    }
}

/* One connection's worth of deliveries: mostly typed, the fast way; every tenth as JSON. */
static void *deliver(void *argument)
{
    long thread = *(const long *)argument;
    for (long i = 0; i < events_per_thread; i++) {
        char recipient[64];
        snprintf(recipient, sizeof recipient, "user%ld.%ld@example.com", thread, i);
        if (i % 10 == 9) {
            char json[160];
            int length = snprintf(json, sizeof json, "{\"rcpt_to\":\"%s\",\"msg_size\":\"%ld\",\"rcpt_tags\":[\"json\"]}",
                                  recipient, i);
            must(postrider_push_json(engine, POSTRIDER_TYPE_DELIVERY, json, (size_t)length), "push_json");
        } else {
            postrider_field fields[] = {
                postrider_str(POSTRIDER_FIELD_RCPT_TO, recipient),
                postrider_strn(POSTRIDER_FIELD_SUBJECT, "Hello, world", 5),
                postrider_int(POSTRIDER_FIELD_MSG_SIZE, i),
                postrider_json(POSTRIDER_FIELD_RCPT_TAGS, "[\"typed\"]", 9),
                postrider_named_int("x_thread", thread),
            };
            must(postrider_push(engine, POSTRIDER_TYPE_DELIVERY, fields, sizeof fields / sizeof *fields), "push");
        }
    }
    return NULL;
}

static void make_webhook(const char *target)
{
    char body[1024];
    postrider_api_request request = { 0 };
    postrider_buffer answer = { 0 };
    uint32_t http_status = 0;
    request.size = sizeof request;
    request.method = "POST";
    request.path = "/api/v1/webhooks";
    request.headers = "Content-Type: application/json\n";
    request.body = body;
    request.body_length = (size_t)snprintf(
        body, sizeof body, "{\"name\":\"emit.c\",\"target\":\"%s\",\"events\":[\"delivery\"]}", target);
    request.flags = POSTRIDER_API_ALL_GRANTS;
    must(postrider_api(engine, &request, &http_status, &answer), "api");
    printf("webhook: %" PRIu32 " %.*s\n", http_status, (int)answer.length, answer.data);
    postrider_free(&answer);
    if (http_status != 200)
        exit(1);
}

static postrider_statistics stats(void)
{
    postrider_statistics now = { 0 };
    now.size = sizeof now;
    must(postrider_stats(engine, &now), "stats");
    return now;
}

int main(int argc, char *argv[])
{
    postrider_config *config = postrider_config_new();
    pthread_t threads[THREADS];
    long numbers[THREADS];
    postrider_statistics now;
    struct timespec pause = { 0, 10 * 1000 * 1000 };
    if (argc < 3) {
        fprintf(stderr, "usage: emit DATA_DIR TARGET_URL [EVENTS_PER_THREAD]\n");
        return 2;
    }
    if (argc > 3)
        events_per_thread = strtol(argv[3], NULL, 10);

    /* Receivers on private addresses are refused unless allowed. */
    must(postrider_config_set(config, "http.allow_target", "127.0.0.0/8"), "config");
    must(postrider_open(argv[1], config, &engine), "open");
    postrider_config_free(config);
    make_webhook(argv[2]);

    for (long i = 0; i < THREADS; i++) {
        numbers[i] = i;
        if (pthread_create(&threads[i], NULL, deliver, &numbers[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);

    /* From here on no event can be lost, whatever happens to this machine. */
    must(postrider_flush(engine, POSTRIDER_LEVEL_SYNCED, 10000), "flush");
    do {
        nanosleep(&pause, NULL);
        now = stats();
    } while (now.webhook_pending > 0 || now.webhook_offset < now.log_written);
    printf("accepted %" PRIu64 " = delivered %" PRIu64 " + dead %" PRIu64 " + dropped %" PRIu64 " + pending %" PRIu64 "\n",
           now.webhook_accepted, now.webhook_delivered, now.webhook_dead, now.webhook_dropped, now.webhook_pending);
    must(postrider_close(engine, 10000), "close");
    return 0;
}
