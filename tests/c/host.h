/* What the C tests share: a host with an engine or a client, that ends the process when a check fails. */
#ifndef POSTRIDER_TEST_HOST_H
#define POSTRIDER_TEST_HOST_H

#include <postrider.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* _exit: the test of a forked child must not run the parent's exit handlers. */
#define CHECK(what) \
    do { \
        if (!(what)) { \
            fprintf(stderr, "%s:%d: %s; last error: %s\n", __FILE__, __LINE__, #what, postrider_last_error()); \
            fflush(NULL); \
            _exit(1); \
        } \
    } while (0)

#define OK(call) CHECK((call) == POSTRIDER_OK)

/* An engine that may POST to this machine, and does so at once. */
static inline postrider *host_open(const char *data_dir)
{
    postrider *engine = NULL;
    postrider_config *config = postrider_config_new();
    CHECK(config != NULL);
    OK(postrider_config_set(config, "http.allow_target", "127.0.0.0/8"));
    OK(postrider_config_set(config, "batch.linger_ms", "10"));
    OK(postrider_config_set(config, "retry.schedule", "1,1,1,1,1,1,1,1,1,1,1,1"));
    OK(postrider_open(data_dir, config, &engine));
    postrider_config_free(config);
    CHECK(engine != NULL);
    return engine;
}

/* Makes a webhook for deliveries. */
static inline void host_webhook(postrider *engine, const char *target)
{
    char body[512];
    postrider_api_request request = { 0 };
    postrider_buffer answer = { 0 };
    uint32_t http_status = 0;
    request.size = sizeof request;
    request.method = "POST";
    request.path = "/api/v1/webhooks";
    request.headers = "Content-Type: application/json\r\n";
    request.body = body;
    request.body_length = (size_t)snprintf(
        body, sizeof body, "{\"name\":\"test\",\"target\":\"%s\",\"events\":[\"delivery\"]}", target);
    request.flags = POSTRIDER_API_ALL_GRANTS;
    OK(postrider_api(engine, &request, &http_status, &answer));
    if (http_status != 200)
        fprintf(stderr, "%u %s\n", http_status, answer.data);
    CHECK(http_status == 200);
    postrider_free(&answer);
    CHECK(answer.data == NULL && answer.length == 0);
}

/* Pushes a delivery that can be told from every other. */
static inline postrider_status host_push(postrider *handle, const char *who, long number)
{
    postrider_field fields[] = {
        postrider_str(POSTRIDER_FIELD_RCPT_TO, "alice@example.com"),
        postrider_named_str("x_who", who),
        postrider_named_int("x_number", number),
    };
    return postrider_push(handle, POSTRIDER_TYPE_DELIVERY, fields, 3);
}

static inline postrider_statistics host_stats(postrider *handle)
{
    postrider_statistics stats = { 0 };
    stats.size = sizeof stats;
    OK(postrider_stats(handle, &stats));
    CHECK(stats.webhook_accepted ==
          stats.webhook_delivered + stats.webhook_dead + stats.webhook_dropped + stats.webhook_pending);
    return stats;
}

/* Waits until the webhook has been given this many events. */
static inline void host_wait_delivered(postrider *engine, uint64_t events)
{
    struct timespec pause = { 0, 10 * 1000 * 1000 };
    for (int tries = 0; tries < 60 * 100; tries++) {
        if (host_stats(engine).webhook_delivered >= events)
            return;
        nanosleep(&pause, NULL);
    }
    CHECK(!"delivered within a minute");
}

/* Waits for a child, which must have succeeded. */
static inline void host_wait_child(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        CHECK(errno == EINTR);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
