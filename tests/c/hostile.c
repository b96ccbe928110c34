/*
 * A host that does nothing for its guest: signals at their defaults, descriptors 0 to 2 closed, a receiver that resets
 * connections.  usage: hostile DATA_DIR TARGET
 */
#include "host.h"

#include <fcntl.h>
#include <signal.h>

static int is_closed(int descriptor)
{
    return fcntl(descriptor, F_GETFD) < 0 && errno == EBADF;
}

int main(int argc, char *argv[])
{
    postrider *engine;
    if (argc != 3)
        return 2;
    for (int signal_number = 1; signal_number < 32; signal_number++)
        signal(signal_number, SIG_DFL);
    for (int descriptor = 0; descriptor < 3; descriptor++)
        close(descriptor);
    engine = host_open(argv[1]);
    host_webhook(engine, argv[2]);
    for (long i = 0; i < 2000; i++)
        OK(host_push(engine, "hostile", i));
    OK(postrider_flush(engine, POSTRIDER_LEVEL_SYNCED, 10000));
    host_wait_delivered(engine, 2000);
    CHECK(is_closed(0) && is_closed(1) && is_closed(2));
    OK(postrider_close(engine, 10000));
    CHECK(is_closed(0) && is_closed(1) && is_closed(2));
    return 0;
}
