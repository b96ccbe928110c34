/* Uses the batch from another thread, and, with x_provoke = "later", after process() has returned. */
#define PROCESS out_of_turn
#define DESTROY joins
#include "good.h"

#include <pthread.h>
#include <stdatomic.h>

static _Atomic(postrider_filter_batch *) kept;
static atomic_int returned, stop;
static pthread_t keeper;
static int keeps;

static void *drops(void *batch) {
    postrider_filter_batch *all = batch;
    all->drop(all, 0, "stolen", 6);
    return NULL;
}

static void *drops_later(void *none) {
    (void)none;
    while (!atomic_load(&stop)) {
        postrider_filter_batch *all = atomic_load(&kept);
        if (all != NULL && atomic_load(&returned)) {
            all->drop(all, 0, "stolen", 6);
            break;
        }
    }
    return NULL;
}

static postrider_filter_status out_of_turn(void *filter, postrider_filter_batch *batch) {
    struct good *good = filter;
    postrider_filter_value value;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (batch->get(batch, i, good->provoke, &value) != POSTRIDER_FILTER_OK)
            continue;
        if (postrider_filter_is(&value, "later")) {
            atomic_store(&kept, batch);
            keeps = pthread_create(&keeper, NULL, drops_later, NULL) == 0;
            atomic_store(&returned, 1);
        } else {
            pthread_t thread;
            if (pthread_create(&thread, NULL, drops, batch) == 0)
                pthread_join(thread, NULL);
        }
    }
    return good_process(filter, batch);
}

static void joins(void *filter) {
    if (keeps) {
        atomic_store(&stop, 1);
        pthread_join(keeper, NULL);
        keeps = 0;
    }
    good_destroy(filter);
}
GOOD_REST
