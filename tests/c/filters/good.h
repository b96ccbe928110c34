/*
 * A filter without fault, in parts: each module of this folder includes it and replaces one part by a violation. It drops
 * events with x_drop. A module that misbehaves in process() does so only when an event has x_provoke, so that
 * it passes its dry run.
 */
#include <postrider_filter.h>

#include <stdlib.h>

struct good {
    uint32_t drop, provoke;
};

static inline int good_has(postrider_filter_batch *batch, uint32_t field) {
    postrider_filter_value value;
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->get(batch, i, field, &value) == POSTRIDER_FILTER_OK)
            return 1;
    return 0;
}

static inline int good_provoked(void *filter, postrider_filter_batch *batch) {
    return good_has(batch, ((struct good *)filter)->provoke);
}

static inline postrider_filter_status good_create(const postrider_filter_host *host, const char *config, size_t length,
                                                  void **filter, postrider_filter_buffer *error) {
    struct good *good = malloc(sizeof *good);
    if (good == NULL)
        return postrider_filter_error(error, "no memory");
    (void)config, (void)length;
    good->drop = host->field(host, "x_drop", 6);
    good->provoke = host->field(host, "x_provoke", 9);
    *filter = good;
    return POSTRIDER_FILTER_OK;
}

static inline postrider_filter_status good_process(void *filter, postrider_filter_batch *batch) {
    struct good *good = filter;
    postrider_filter_value value;
    for (uint32_t i = 0; i < batch->count; i++)
        if (batch->get(batch, i, good->drop, &value) == POSTRIDER_FILTER_OK)
            batch->drop(batch, i, "told to", 7);
    return POSTRIDER_FILTER_OK;
}

static inline void good_destroy(void *filter) { free(filter); }

#ifndef ID
#define ID "good"
#endif
#ifndef POLICY
#define POLICY POSTRIDER_FILTER_CLOSED
#endif
#ifndef CREATE
#define CREATE good_create
#endif
#ifndef PROCESS
#define PROCESS good_process
#endif
#ifndef DESTROY
#define DESTROY good_destroy
#endif
#ifndef DESCRIPTOR_SIZE
#define DESCRIPTOR_SIZE sizeof(postrider_filter_descriptor)
#endif

#define GOOD_DESCRIPTOR                                                                                                \
    static const postrider_filter_descriptor descriptor = {                                                            \
        DESCRIPTOR_SIZE, POLICY, ID, "1.0", "Drops events with x_drop", CREATE, PROCESS, DESTROY, NULL};
#define GOOD_ENTRY                                                                                                     \
    static const postrider_filter_entry entry = POSTRIDER_FILTER_ENTRY(&descriptor);                                   \
    POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
#define GOOD_REST GOOD_DESCRIPTOR GOOD_ENTRY
