/* The yardstick of `--bench acknowledged`: threads that insert rows into one SQLite database in WAL
 * mode, one row a transaction, each through a connection of its own.
 *
 *   sqlite FILE THREADS SECONDS SYNCHRONOUS
 *
 * The row's text is read from standard input. Prints rows a second.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *file, *synchronous;
static char row[1 << 16];
static size_t row_len;
static atomic_bool stop;
static atomic_ullong rows;

static void check(int rc, sqlite3 *db) {
  if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) {
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
  }
}

static sqlite3 *connection(void) {
  sqlite3 *db;
  char pragma[64];
  check(sqlite3_open(file, &db), db);
  sqlite3_busy_timeout(db, 60000);
  check(sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL), db);
  snprintf(pragma, sizeof pragma, "PRAGMA synchronous=%s", synchronous);
  check(sqlite3_exec(db, pragma, NULL, NULL, NULL), db);
  return db;
}

static void *insert(void *unused) {
  sqlite3 *db = connection();
  sqlite3_stmt *statement;
  (void)unused;
  check(sqlite3_prepare_v2(db, "INSERT INTO event(json) VALUES(?)", -1, &statement, NULL), db);
  while (!atomic_load(&stop)) {
    check(sqlite3_bind_text(statement, 1, row, (int)row_len, SQLITE_STATIC), db);
    check(sqlite3_step(statement), db);
    check(sqlite3_reset(statement), db);
    atomic_fetch_add(&rows, 1);
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return NULL;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  file = argv[1];
  int threads = atoi(argv[2]);
  double seconds = atof(argv[3]);
  synchronous = argv[4];
  row_len = fread(row, 1, sizeof row, stdin);
  sqlite3 *db = connection();
  check(sqlite3_exec(db, "CREATE TABLE event(id INTEGER PRIMARY KEY, json TEXT)", NULL, NULL, NULL), db);
  sqlite3_close(db);
  pthread_t *ids = calloc((size_t)threads, sizeof *ids);
  struct timespec nap = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  double begun = now();
  for (int i = 0; i < threads; i++) pthread_create(&ids[i], NULL, insert, NULL);
  nanosleep(&nap, NULL);
  atomic_store(&stop, 1);
  for (int i = 0; i < threads; i++) pthread_join(ids[i], NULL);
  printf("%.0f\n", (double)atomic_load(&rows) / (now() - begun));
  free(ids);
  return 0;
}
