/* Adds events until it is refused, and says that all is well. */
#define PROCESS many
#include "good.h"
static postrider_filter_status many(void *filter, postrider_filter_batch *batch) {
    if (good_provoked(filter, batch))
        while (batch->emit(batch, 1, "{}", 2) == POSTRIDER_FILTER_OK)
            ;
    return good_process(filter, batch);
}
GOOD_REST
