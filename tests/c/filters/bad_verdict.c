/* Answers a verdict that there is not. */
#define PROCESS strange
#include "good.h"
static postrider_filter_status strange(void *filter, postrider_filter_batch *batch) {
    good_process(filter, batch);
    return good_provoked(filter, batch) ? 7 : POSTRIDER_FILTER_OK;
}
GOOD_REST
