/* Never comes back. */
#define _POSIX_C_SOURCE 199309L
#define PROCESS never
#include "good.h"

#include <unistd.h>

static postrider_filter_status never(void *filter, postrider_filter_batch *batch) {
    good_process(filter, batch);
    while (good_provoked(filter, batch))
        pause();
    return POSTRIDER_FILTER_OK;
}
GOOD_REST
