/* Starts a thread that nobody ends. */
#define _POSIX_C_SOURCE 199309L
#define CREATE starts
#include "good.h"

#include <pthread.h>
#include <unistd.h>

static void *stays(void *none) {
    for (;;)
        pause();
    return none;
}

static postrider_filter_status starts(const postrider_filter_host *host, const char *config, size_t length,
                                      void **filter, postrider_filter_buffer *error) {
    pthread_t thread;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 64 * 1024);
    pthread_create(&thread, &small, stays, NULL);
    pthread_attr_destroy(&small);
    return good_create(host, config, length, filter, error);
}
GOOD_REST
