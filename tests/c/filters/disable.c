/* As open.c, with policy disable. */
#define PROCESS provoked
#define POLICY POSTRIDER_FILTER_DISABLE
#include "good.h"
static postrider_filter_status provoked(void *filter, postrider_filter_batch *batch) {
    return good_provoked(filter, batch) ? POSTRIDER_FILTER_FAILED : POSTRIDER_FILTER_OK;
}
GOOD_REST
