/* create() refuses every configuration but {}. */
#define CREATE picky
#include "good.h"
static postrider_filter_status picky(const postrider_filter_host *host, const char *config, size_t length,
                                     void **filter, postrider_filter_buffer *error) {
    if (length != 2 || memcmp(config, "{}", 2) != 0)
        return postrider_filter_error(error, "there is nothing to set: must be {}");
    return good_create(host, config, length, filter, error);
}
GOOD_REST
