/* What a call through the C ABI costs, from C.
 *
 *   abi CALLS
 *
 * Prints nanoseconds a call, the least of ten runs: postrider_version(), a push of a type that nobody wants, and a typed
 * push of 4 fields into an engine that keeps all, its queue large enough for the run. */
#define _POSIX_C_SOURCE 200809L
#include <postrider.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static postrider *open_engine(const char *keep) {
  postrider *engine = NULL;
  postrider_config *config = postrider_config_new();
  const char *settings[][2] = {
    { "log.keep", keep }, { "queue.bytes", "268435456" }, { "queue.policy", "wait" }, { "queue.wait_ms", "60000" },
    { "log.memory_bytes", "1073741824" },
  };
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (postrider_config_set(config, settings[i][0], settings[i][1]) < 0)
      goto failed;
  if (postrider_open(NULL, config, &engine) < 0)
    goto failed;
  postrider_config_free(config);
  return engine;
failed:
  fprintf(stderr, "%s\n", postrider_last_error());
  exit(1);
}

static long calls;

static double version(postrider *unused) {
  double start = now();
  (void)unused;
  for (long i = 0; i < calls; i++)
    if (postrider_version() == NULL)
      exit(1);
  return now() - start;
}

static double push(postrider *engine) {
  postrider_field f[] = {
    postrider_str(POSTRIDER_FIELD_RCPT_TO, "alice@example.com"),
    postrider_str(POSTRIDER_FIELD_SUBJECT, "Summer deals are here!"),
    postrider_int(POSTRIDER_FIELD_MSG_SIZE, 1337),
    postrider_str(POSTRIDER_FIELD_MESSAGE_ID, "000443ee14578172be22"),
  };
  double start = now();
  for (long i = 0; i < calls; i++)
    if (postrider_push(engine, POSTRIDER_TYPE_DELIVERY, f, sizeof f / sizeof *f) < 0) {
      fprintf(stderr, "%s\n", postrider_last_error());
      exit(1);
    }
  return now() - start;
}

static void report(const char *what, double (*run)(postrider *), postrider *engine) {
  double least = 1e300;
  for (int i = 0; i < 10; i++) {
    double took = run(engine);
    if (took < least)
      least = took;
  }
  printf("| %s | %.1f ns |\n", what, least / (double)calls);
}

int main(int argc, char **argv) {
  postrider *wanting_nothing = open_engine("wanted"), *keeping_all = open_engine("all");
  calls = argc == 2 ? atol(argv[1]) : 0;
  if (calls <= 0)
    return 2;
  printf("| Call from C | each |\n|---|---|\n");
  report("postrider_version", version, NULL);
  report("postrider_push, a type that nobody wants", push, wanting_nothing);
  report("postrider_push, 4 fields", push, keeping_all);
  postrider_close(wanting_nothing, 1000);
  postrider_close(keeping_all, 1000);
  return 0;
}
