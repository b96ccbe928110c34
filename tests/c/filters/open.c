/* Without fault but for x_provoke, which fails the batch; its policy is open. */
#define PROCESS provoked
#define POLICY POSTRIDER_FILTER_OPEN
#include "good.h"
static postrider_filter_status provoked(void *filter, postrider_filter_batch *batch) {
    good_process(filter, batch);
    return good_provoked(filter, batch) ? POSTRIDER_FILTER_FAILED : POSTRIDER_FILTER_OK;
}
GOOD_REST
