/* Says that it is broken. */
#define PROCESS breaks
#include "good.h"
static postrider_filter_status breaks(void *filter, postrider_filter_batch *batch) {
    good_process(filter, batch);
    return good_provoked(filter, batch) ? POSTRIDER_FILTER_BROKEN : POSTRIDER_FILTER_OK;
}
GOOD_REST
