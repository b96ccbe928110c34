/* Sets a text that is larger than an event may be, one that is not UTF-8, and a tag that is too long, or as long as a
   negative number; and does not look at the answers. */
#define PROCESS oversized
#include "good.h"
static char large[200 * 1024];
static postrider_filter_status oversized(void *filter, postrider_filter_batch *batch) {
    struct good *good = filter;
    postrider_filter_value found;
    memset(large, 0x78, sizeof large);
    for (uint32_t i = 0; i < batch->count; i++) {
        postrider_filter_value value = postrider_filter_strn(large, sizeof large);
        if (batch->get(batch, i, good->provoke, &found) != POSTRIDER_FILTER_OK)
            continue;
        if (postrider_filter_is(&found, "utf8"))
            value = postrider_filter_str("\xff");
        if (postrider_filter_is(&found, "kind"))
            value.kind = 99;
        if (postrider_filter_is(&found, "null"))
            value.as.text = NULL;
        if (postrider_filter_is(&found, "tag"))
            batch->tag(batch, i, large, 65);
        else if (postrider_filter_is(&found, "negative tag"))
            batch->tag(batch, i, large, (size_t)-1);
        else if (postrider_filter_is(&found, "negative drop"))
            batch->drop(batch, i, large, (size_t)-1);
        else if (postrider_filter_is(&found, "negative fail"))
            batch->fail(batch, i, large, (size_t)-1);
        else if (postrider_filter_is(&found, "negative emit"))
            batch->emit(batch, batch->events[i].type, large, (size_t)-1);
        else if (postrider_filter_is(&found, "no value"))
            batch->set(batch, i, good->provoke, NULL);
        else
            batch->set(batch, i, good->provoke, &value);
        batch->set(batch, 4000000000u, good->provoke, &value);
    }
    return good_process(filter, batch);
}
GOOD_REST
