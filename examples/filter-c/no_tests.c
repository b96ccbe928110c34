/* Drops the events of campaign "test".    cc -shared -fPIC -o no_tests.so no_tests.c */
#include <postrider_filter.h>

static uint32_t campaign;

static postrider_filter_status create(const postrider_filter_host *host, const char *config, size_t length,
                                      void **filter, postrider_filter_buffer *error) {
    (void)config, (void)length, (void)error;
    campaign = host->field(host, "campaign_id", 11);
    *filter = &campaign;
    return POSTRIDER_FILTER_OK;
}

static postrider_filter_status process(void *filter, postrider_filter_batch *batch) {
    (void)filter;
    for (uint32_t i = 0; i < batch->count; i++) {
        postrider_filter_value value;
        if (batch->get(batch, i, campaign, &value) == POSTRIDER_FILTER_OK && postrider_filter_is(&value, "test"))
            batch->drop(batch, i, "a test", 6);
    }
    return POSTRIDER_FILTER_OK;
}

static void destroy(void *filter) { (void)filter; }

static const postrider_filter_descriptor no_tests = {
    sizeof no_tests, POSTRIDER_FILTER_OPEN, "no-tests", "1.0", "Drops the events of campaign test",
    create, process, destroy, NULL};
static const postrider_filter_entry entry = POSTRIDER_FILTER_ENTRY(&no_tests);
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
