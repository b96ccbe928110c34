/* Built for the next major version. */
#include "good.h"
GOOD_DESCRIPTOR
static const postrider_filter_entry entry = {
    POSTRIDER_FILTER_MAGIC, POSTRIDER_FILTER_ABI_MAJOR + 1, 0, sizeof(postrider_filter_entry), 0, &descriptor};
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
