/* Answers a verdict that there is not, always. */
#define PROCESS strange
#include "good.h"
static postrider_filter_status strange(void *filter, postrider_filter_batch *batch) {
    (void)filter, (void)batch;
    return 7;
}
GOOD_REST
