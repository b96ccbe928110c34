/* destroy() forgets what create() made. */
#define CREATE forgetful
#include "good.h"
static void *forgotten;
static postrider_filter_status forgetful(const postrider_filter_host *host, const char *config, size_t length,
                                         void **filter, postrider_filter_buffer *error) {
    forgotten = malloc(100 * 1024);
    if (forgotten != NULL)
        memset(forgotten, 1, 100 * 1024);
    return good_create(host, config, length, filter, error);
}
GOOD_REST
