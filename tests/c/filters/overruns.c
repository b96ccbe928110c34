/* Writes behind the end of its own memory. */
#define PROCESS overruns
#include "good.h"
static postrider_filter_status overruns(void *filter, postrider_filter_batch *batch) {
    if (good_provoked(filter, batch))
        ((volatile char *)filter)[sizeof(struct good)] = 1;
    return good_process(filter, batch);
}
GOOD_REST
