/* As open.c, with policy closed. */
#define PROCESS provoked
#include "good.h"
static postrider_filter_status provoked(void *filter, postrider_filter_batch *batch) {
    good_process(filter, batch);
    return good_provoked(filter, batch) ? POSTRIDER_FILTER_FAILED : POSTRIDER_FILTER_OK;
}
GOOD_REST
