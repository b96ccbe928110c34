/*
 * A filter to start from: passes every event. Copy it, give it a name, and fill process().
 *
 *     cc -O2 -shared -fPIC -o template.so template.c
 *     postrider filter check "$PWD/template.so"
 */
#include <postrider_filter.h>

#include <stdlib.h>

/* What belongs to one instance. There may be several at once: keep nothing of this in statics. */
struct template_filter {
    const postrider_filter_host *host;
    uint32_t rcpt_to;
};

static postrider_filter_status create(const postrider_filter_host *host, const char *config, size_t length,
                                      void **filter, postrider_filter_buffer *error) {
    struct template_filter *self = calloc(1, sizeof *self);
    if (self == NULL)
        return postrider_filter_error(error, "no memory");
    /* Read the JSON object `config` here, with the library that you like; refuse what is not understood. */
    if (length != 2 || memcmp(config, "{}", 2) != 0) {
        free(self);
        return postrider_filter_error(error, "there is nothing to configure: must be {}");
    }
    self->host = host;
    self->rcpt_to = host->field(host, "rcpt_to", 7);
    *filter = self;
    return POSTRIDER_FILTER_OK;
}

static postrider_filter_status process(void *filter, postrider_filter_batch *batch) {
    struct template_filter *self = filter;
    for (uint32_t i = 0; i < batch->count; i++) {
        postrider_filter_value value;
        if (batch->get(batch, i, self->rcpt_to, &value) != POSTRIDER_FILTER_OK)
            continue;
        /* value.as.text and value.length are the recipient. Then perhaps one of:
         *     batch->set(batch, i, field, &value);
         *     batch->remove(batch, i, field);
         *     batch->tag(batch, i, "vip", 3);
         *     batch->drop(batch, i, "reason", 6);
         *     batch->fail(batch, i, "why", 3);
         */
    }
    return POSTRIDER_FILTER_OK;
}

static void destroy(void *filter) { free(filter); }

static const postrider_filter_descriptor descriptor = {
    sizeof descriptor,
    /* What becomes of events that this fails: _OPEN for filters that add, _CLOSED for filters that protect. */
    POSTRIDER_FILTER_OPEN,
    "template",
    "1.0",
    "Passes every event",
    create,
    process,
    destroy,
    NULL,
};
static const postrider_filter_entry entry = POSTRIDER_FILTER_ENTRY(&descriptor);
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
