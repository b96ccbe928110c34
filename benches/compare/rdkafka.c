/* The price of librdkafka's produce call: a ready text, copied, to the library's own mock broker.
 *
 *   rdkafka EVENTS
 *
 * The text is read from standard input. Each call is timed by itself, the clock's cost taken off; bursts of 1,000,
 * then a pause, as `--bench push` does. Prints median, p99 and p99.9 in nanoseconds, and how many were refused. */
#define _POSIX_C_SOURCE 200809L
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return x < y ? -1 : x > y;
}

static uint64_t at(const uint64_t *sorted, size_t n, double p) {
  return n == 0 ? 0 : sorted[(size_t)((double)(n - 1) * p)];
}

int main(int argc, char **argv) {
  static char text[1 << 16];
  size_t len = fread(text, 1, sizeof text, stdin), events = argc == 2 ? (size_t)atol(argv[1]) : 0, taken = 0;
  uint64_t *times = calloc(events + 1, sizeof *times), clock[1001];
  char error[512];
  rd_kafka_conf_t *conf = rd_kafka_conf_new();
  const char *settings[][2] = {
    { "test.mock.num.brokers", "1" }, { "linger.ms", "5" },
    { "queue.buffering.max.messages", "1000000" }, { "queue.buffering.max.kbytes", "1048576" },
  };
  rd_kafka_t *producer;
  rd_kafka_topic_t *topic;
  if (events == 0 || len == 0 || times == NULL)
    return 2;
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], error, sizeof error) != RD_KAFKA_CONF_OK) {
      fprintf(stderr, "rdkafka: %s\n", error);
      return 1;
    }
  producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
  if (producer == NULL) {
    fprintf(stderr, "rdkafka: %s\n", error);
    return 1;
  }
  topic = rd_kafka_topic_new(producer, "events", NULL);
  for (size_t i = 0; i < 1001; i++) {
    uint64_t start = now();
    clock[i] = now() - start;
  }
  qsort(clock, 1001, sizeof *clock, compare);
  for (size_t i = 0; i < events; i++) {
    uint64_t start = now(), took;
    int failed = rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, text, len, NULL, 0, NULL);
    took = now() - start;
    if (!failed)
      times[taken++] = took > clock[500] ? took - clock[500] : 0;
    if (i % 1000 == 999) {
      struct timespec pause = { 0, 300000 };
      nanosleep(&pause, NULL);
      rd_kafka_poll(producer, 0);
    }
  }
  qsort(times, taken, sizeof *times, compare);
  printf("%llu %llu %llu %zu\n", (unsigned long long)at(times, taken, 0.5), (unsigned long long)at(times, taken, 0.99),
         (unsigned long long)at(times, taken, 0.999), events - taken);
  rd_kafka_flush(producer, 10000);
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
  free(times);
  return 0;
}
