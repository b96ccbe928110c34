/* Children of a host whose other threads push: each uses the handle it inherited.  usage: fork DATA_DIR TARGET */
#include "host.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 2, CHILDREN = 8, EACH = 50 };

static postrider *engine;
static atomic_int stop;
static atomic_long by_threads;

static void *push_on(void *name)
{
    for (long i = 0; !atomic_load(&stop) || i < EACH; i++) {
        postrider_status status = host_push(engine, name, i);
        CHECK(status == POSTRIDER_OK || status == POSTRIDER_E_FULL);
        if (status == POSTRIDER_OK)
            atomic_fetch_add(&by_threads, 1);
        if (i >= 20000)
            break;
    }
    return NULL;
}

static void child(int number)
{
    char name[32];
    char id[POSTRIDER_EVENT_ID_BYTES] = "";
    postrider_push_options options = { sizeof options, POSTRIDER_LEVEL_WRITTEN, 0 };
    postrider_field field;
    snprintf(name, sizeof name, "child %d", number);
    field = postrider_named_str("x_who", name);
    for (long i = 0; i < EACH; i++)
        OK(host_push(engine, name, i));
    OK(postrider_push_opts(engine, POSTRIDER_TYPE_BOUNCE, &field, 1, &options, id));
    CHECK(id[0] != '\0');
    OK(postrider_flush(engine, POSTRIDER_LEVEL_SYNCED, 1000));
    CHECK(host_stats(engine).push_inbox == EACH + 1);
    OK(postrider_close(engine, 1000));
    CHECK(host_push(engine, name, 0) == POSTRIDER_E_CLOSED);
    _exit(0);
}

int main(int argc, char *argv[])
{
    pthread_t threads[THREADS];
    pid_t children[CHILDREN];
    static char names[THREADS][32];
    CHECK(argc == 3);
    engine = host_open(argv[1]);
    host_webhook(engine, argv[2]);
    for (int i = 0; i < THREADS; i++) {
        snprintf(names[i], sizeof names[i], "thread %d", i);
        CHECK(pthread_create(&threads[i], NULL, push_on, names[i]) == 0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0)
            child(i);
    }
    for (int i = 0; i < CHILDREN; i++)
        host_wait_child(children[i]);
    atomic_store(&stop, 1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    host_wait_delivered(engine, (uint64_t)atomic_load(&by_threads) + CHILDREN * EACH);
    printf("%ld\n", atomic_load(&by_threads));
    OK(postrider_close(engine, 10000));
    return 0;
}
