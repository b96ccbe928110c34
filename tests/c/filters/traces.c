/* Adds the letter of its configuration, {"letter":"a"}, to x_trace: shows who came when. */
#define CREATE with_letter
#define PROCESS traces
#include "good.h"

struct tracer {
    struct good good;
    char letter;
    uint32_t trace;
};

static postrider_filter_status with_letter(const postrider_filter_host *host, const char *config, size_t length,
                                           void **filter, postrider_filter_buffer *error) {
    struct tracer *tracer = calloc(1, sizeof *tracer);
    static const char head[] = "{\"letter\":\"";
    if (tracer == NULL)
        return postrider_filter_error(error, "no memory");
    tracer->letter = (char)(length > sizeof head ? config[sizeof head - 1] : 0x3f);
    tracer->good.drop = host->field(host, "x_drop", 6);
    tracer->good.provoke = host->field(host, "x_provoke", 9);
    tracer->trace = host->field(host, "x_trace", 7);
    *filter = tracer;
    return POSTRIDER_FILTER_OK;
}

static postrider_filter_status traces(void *filter, postrider_filter_batch *batch) {
    struct tracer *tracer = filter;
    for (uint32_t i = 0; i < batch->count; i++) {
        char trace[64];
        postrider_filter_value value;
        uint32_t length = 0;
        if (batch->get(batch, i, tracer->trace, &value) == POSTRIDER_FILTER_OK && value.length < sizeof trace) {
            length = value.length;
            memcpy(trace, value.as.text, length);
        }
        trace[length] = tracer->letter;
        value = postrider_filter_strn(trace, length + 1);
        batch->set(batch, i, tracer->trace, &value);
    }
    return good_process(filter, batch);
}
GOOD_REST
