/* create() says that it went well, and gives no instance. */
#define CREATE no_instance
#include "good.h"
static postrider_filter_status no_instance(const postrider_filter_host *host, const char *config, size_t length,
                                           void **filter, postrider_filter_buffer *error) {
    (void)host, (void)config, (void)length, (void)error;
    *filter = NULL;
    return POSTRIDER_FILTER_OK;
}
GOOD_REST
