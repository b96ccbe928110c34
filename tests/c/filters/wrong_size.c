/* An entry that is too small. */
#include "good.h"
GOOD_DESCRIPTOR
static const postrider_filter_entry entry = {
    POSTRIDER_FILTER_MAGIC, POSTRIDER_FILTER_ABI_MAJOR, POSTRIDER_FILTER_ABI_MINOR, 8, 0, &descriptor};
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
