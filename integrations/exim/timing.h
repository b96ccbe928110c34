/*
 * How long a call takes, for measurements alone: built with -DPOSTRIDER_EXIM_TIMING='"FILE"', each call appends a line
 * to FILE: `first` or `later` (in its process) and nanoseconds. Otherwise nothing.
 */
#ifndef POSTRIDER_EXIM_TIMING_H
#define POSTRIDER_EXIM_TIMING_H

#ifdef POSTRIDER_EXIM_TIMING
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct timespec timing_started;

static void timing_start(void)
{
    clock_gettime(CLOCK_MONOTONIC, &timing_started);
}

static void timing_end(void)
{
    static pid_t process;
    struct timespec now;
    char line[64];
    int length, file;
    clock_gettime(CLOCK_MONOTONIC, &now);
    length = snprintf(line, sizeof line, "%s %lld\n", process == getpid() ? "later" : "first",
                      (now.tv_sec - timing_started.tv_sec) * 1000000000LL + now.tv_nsec - timing_started.tv_nsec);
    process = getpid();
    file = open(POSTRIDER_EXIM_TIMING, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
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

static void timing_end(void)
{
}
#endif

#endif
