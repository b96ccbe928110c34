/* An entry without a descriptor. */
#include <postrider_filter.h>
static const postrider_filter_entry entry = POSTRIDER_FILTER_ENTRY(NULL);
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
