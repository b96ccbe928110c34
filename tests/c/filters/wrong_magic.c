/* An entry of something else. */
#include "good.h"
GOOD_DESCRIPTOR
static const postrider_filter_entry entry = {
    0xdeadbeefu, POSTRIDER_FILTER_ABI_MAJOR, POSTRIDER_FILTER_ABI_MINOR, sizeof(postrider_filter_entry), 0, &descriptor};
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
