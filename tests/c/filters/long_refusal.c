/* create() says that its refusal is longer than the room for it. */
#define CREATE wordy
#include "good.h"
static postrider_filter_status wordy(const postrider_filter_host *host, const char *config, size_t length,
                                     void **filter, postrider_filter_buffer *error) {
    (void)host, (void)config, (void)length, (void)filter;
    memset(error->text, 0x78, error->size);
    error->length = (size_t)-1;
    return POSTRIDER_FILTER_FAILED;
}
GOOD_REST
