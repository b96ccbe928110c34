/* What one writes first: a POST an event with libcurl, over one kept connection.
 *
 *   curl URL EVENTS
 *
 * The event's text is read from standard input. Prints events a second. */
#define _POSIX_C_SOURCE 200809L
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  static char text[1 << 16];
  size_t len = fread(text, 1, sizeof text, stdin);
  long events = argc == 3 ? atol(argv[2]) : 0;
  struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
  CURL *curl = curl_easy_init();
  double start;
  if (events <= 0 || len == 0 || curl == NULL)
    return 2;
  curl_easy_setopt(curl, CURLOPT_URL, argv[1]);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)len);
  start = now();
  for (long i = 0; i < events; i++) {
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
      fprintf(stderr, "curl: %s\n", curl_easy_strerror(code));
      return 1;
    }
  }
  printf("%f\n", (double)events / (now() - start));
  curl_easy_cleanup(curl);
  curl_slist_free_all(headers);
  return 0;
}
