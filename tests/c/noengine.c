/* What libpostrider-client answers to the calls that need an engine. */
#include "host.h"

int main(void)
{
    postrider *handle = NULL;
    CHECK(postrider_config_new() == NULL);
    CHECK(strstr(postrider_last_error(), "link libpostrider") != NULL);
    CHECK(postrider_open("/tmp", NULL, &handle) == POSTRIDER_E_UNSUPPORTED);
    CHECK(strstr(postrider_last_error(), "postrider_open() needs an engine: link libpostrider") != NULL);
    CHECK(handle == NULL);
    CHECK(postrider_config_set(NULL, "batch.max_events", "1") == POSTRIDER_E_NULL);
    postrider_config_free(NULL);
    return 0;
}
