/* A host that opens its engine, then becomes a daemon.  usage: daemonise DATA_DIR TARGET */
#include "host.h"

static void daemon_of(postrider *engine, int report)
{
    setsid();
    OK(host_push(engine, "daemon", 1)); /* By way of the inbox: the engine's threads stayed behind. */
    OK(postrider_restart_after_fork(engine, 30000));
    OK(host_push(engine, "daemon", 2));
    OK(postrider_flush(engine, POSTRIDER_LEVEL_SYNCED, 10000));
    CHECK(postrider_restart_after_fork(engine, 0) == POSTRIDER_E_ARGUMENT);
    host_wait_delivered(engine, 3);
    OK(postrider_close(engine, 10000));
    CHECK(write(report, "done", 4) == 4);
    _exit(0);
}

int main(int argc, char *argv[])
{
    int report[2];
    char done[8] = "";
    pid_t launcher;
    CHECK(argc == 3);
    CHECK(pipe(report) == 0);
    launcher = fork();
    CHECK(launcher >= 0);
    if (launcher == 0) {
        postrider *engine = host_open(argv[1]);
        pid_t daemon;
        host_webhook(engine, argv[2]);
        OK(host_push(engine, "launcher", 0));
        OK(postrider_flush(engine, POSTRIDER_LEVEL_WRITTEN, 10000));
        daemon = fork();
        CHECK(daemon >= 0);
        if (daemon == 0)
            daemon_of(engine, report[1]);
        _exit(0); /* As daemons' parents do: nothing is closed. */
    }
    close(report[1]);
    host_wait_child(launcher);
    CHECK(read(report[0], done, sizeof done) == 4 && memcmp(done, "done", 4) == 0);
    return 0;
}
