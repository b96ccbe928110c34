/* Returns no entry. */
#include <postrider_filter.h>
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return NULL; }
