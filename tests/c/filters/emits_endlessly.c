/* Adds events for ever. */
#define PROCESS endless
#include "good.h"
static postrider_filter_status endless(void *filter, postrider_filter_batch *batch) {
    while (good_provoked(filter, batch))
        batch->emit(batch, 1, "{}", 2);
    return good_process(filter, batch);
}
GOOD_REST
