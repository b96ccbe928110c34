/*
 * How long a call takes, for measurements alone: built with -DPOSTRIDER_EXIM_TIMING='"FILE"', each call appends a line
 * to FILE: what it did (`nothing`; `append`ed events; or did so as the first of its process, and so had to `connect`),
 * nanoseconds by the clock, nanoseconds of CPU, and how often it waited and was preempted. Otherwise nothing.
 */
#ifndef POSTRIDER_EXIM_TIMING_H
#define POSTRIDER_EXIM_TIMING_H

#ifdef POSTRIDER_EXIM_TIMING
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct timing {
    struct timespec wall, cpu;
    struct rusage usage;
};

static struct timing timing_started;
static const char *timing_did;

static struct timing timing_now(void)
{
    struct timing now;
    getrusage(RUSAGE_THREAD, &now.usage);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now.cpu);
    clock_gettime(CLOCK_MONOTONIC, &now.wall);
    return now;
}

static long long timing_between(struct timespec from, struct timespec to)
{
    return (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec;
}

static void timing_start(void)
{
    timing_did = "nothing";
    timing_started = timing_now();
}

/* An event was handed over; `connected` if not for the first time. */
static void timing_event(int connected)
{
    if (strcmp(timing_did, "connect") != 0)
        timing_did = connected ? "append" : "connect";
}

static void timing_end(void)
{
    struct timing now = timing_now();
    char line[128];
    int length = snprintf(line, sizeof line, "%s %lld %lld %ld %ld\n", timing_did,
                          timing_between(timing_started.wall, now.wall), timing_between(timing_started.cpu, now.cpu),
                          now.usage.ru_nvcsw - timing_started.usage.ru_nvcsw,
                          now.usage.ru_nivcsw - timing_started.usage.ru_nivcsw);
    int file = open(POSTRIDER_EXIM_TIMING, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file >= 0) {
        if (write(file, line, (size_t)length) != length)
            timing_started = now; /* A lost line only thins the sample. */
        close(file);
    }
}
#else
static void timing_start(void)
{
}

static void timing_event(int connected)
{
    (void)connected;
}

static void timing_end(void)
{
}
#endif

#endif
