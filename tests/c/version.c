/* The header's version is the library's, and every status has its name. */
#include <postrider.h>

#include <stdio.h>
#include <stdlib.h>

#define NAMED(status) \
    do { \
        if (strcmp(postrider_status_name(status), #status) != 0) { \
            fprintf(stderr, "%d: %s\n", status, postrider_status_name(status)); \
            return 1; \
        } \
    } while (0)

int main(void)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", POSTRIDER_VERSION_MAJOR, POSTRIDER_VERSION_MINOR, POSTRIDER_VERSION_PATCH);
    if (strcmp(text, POSTRIDER_VERSION) != 0 || strcmp(postrider_version(), POSTRIDER_VERSION) != 0)
        return 1;
    if (postrider_version_number() != POSTRIDER_VERSION_NUMBER)
        return 1;
    if (strcmp(postrider_last_error(), "") != 0 || strcmp(postrider_status_name(-99), "POSTRIDER_E_?") != 0)
        return 1;
    NAMED(POSTRIDER_OK);
    NAMED(POSTRIDER_OK_UNWANTED);
    NAMED(POSTRIDER_OK_PENDING);
    NAMED(POSTRIDER_OK_DROPPED);
    NAMED(POSTRIDER_E_FULL);
    NAMED(POSTRIDER_E_TIMEOUT);
    NAMED(POSTRIDER_E_NULL);
    NAMED(POSTRIDER_E_HANDLE);
    NAMED(POSTRIDER_E_ARGUMENT);
    NAMED(POSTRIDER_E_TYPE);
    NAMED(POSTRIDER_E_FIELD);
    NAMED(POSTRIDER_E_JSON);
    NAMED(POSTRIDER_E_UTF8);
    NAMED(POSTRIDER_E_LIMIT);
    NAMED(POSTRIDER_E_CONFIG);
    NAMED(POSTRIDER_E_UNSUPPORTED);
    NAMED(POSTRIDER_E_LOCKED);
    NAMED(POSTRIDER_E_DATA_DIR);
    NAMED(POSTRIDER_E_SYSTEM);
    NAMED(POSTRIDER_E_FORMAT);
    NAMED(POSTRIDER_E_CLOSED);
    NAMED(POSTRIDER_E_STOPPED);
    NAMED(POSTRIDER_E_PANIC);
    NAMED(POSTRIDER_E_POISONED);
    return 0;
}
