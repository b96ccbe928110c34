/* Reads READS fields of each event, of which the event has the first, and does nothing. With 0 the least a filter can be. */
#include <postrider_filter.h>

static uint32_t field[2];

static postrider_filter_status create(const postrider_filter_host *host, const char *config, size_t length, void **filter,
                                      postrider_filter_buffer *error) {
    (void)config, (void)length, (void)error;
    field[0] = host->field(host, "rcpt_to", 7);
    field[1] = host->field(host, "dr_latency", 10);
    *filter = field;
    return POSTRIDER_FILTER_OK;
}

static postrider_filter_status process(void *filter, postrider_filter_batch *batch) {
    postrider_filter_value value;
    (void)filter;
    for (uint32_t i = 0; i < batch->count; i++)
        for (int read = 0; read < READS; read++)
            (void)batch->get(batch, i, field[read], &value);
    return POSTRIDER_FILTER_OK;
}

static void destroy(void *filter) {
    (void)filter;
}

static const postrider_filter_descriptor fields = {sizeof fields, POSTRIDER_FILTER_OPEN, "fields", "1.0",
                                                   "Reads fields and does nothing", create, process, destroy, NULL};
static const postrider_filter_entry entry = POSTRIDER_FILTER_ENTRY(&fields);
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) {
    return &entry;
}
