/* Adds a click for every event with x_provoke. */
#define PROCESS emits
#include "good.h"
static postrider_filter_status emits(void *filter, postrider_filter_batch *batch) {
    struct good *good = filter;
    postrider_filter_value value;
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->get(batch, i, good->provoke, &value) == POSTRIDER_FILTER_OK) {
            const char *json = "{\"x_added\":true,\"subaccount_id\":\"7\"}";
            batch->emit(batch, batch->events[i].type, json, strlen(json));
        }
    return good_process(filter, batch);
}
GOOD_REST
