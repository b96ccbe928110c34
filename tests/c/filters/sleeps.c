/* Takes 60 ms for a batch: more than its budget, less than its deadline. */
#define _POSIX_C_SOURCE 199309L
#define PROCESS slow
#include "good.h"

#include <time.h>

static postrider_filter_status slow(void *filter, postrider_filter_batch *batch) {
    struct timespec pause = {0, 60 * 1000 * 1000};
    if (good_provoked(filter, batch))
        nanosleep(&pause, NULL);
    return good_process(filter, batch);
}
GOOD_REST
