/*
 * The event in the making. Exim is single-threaded, so there is one. Values are copied and made UTF-8; of two fields with
 * one name the first counts, and an empty value is none.
 */
#ifndef POSTRIDER_EXIM_FIELDS_H
#define POSTRIDER_EXIM_FIELDS_H

#include <postrider.h>

#include "text.h"

/* What the configuration tells beside fields. */
struct facts {
    struct text local_part; /* exim_local_part: with exim_domain, the recipient */
    struct text domain;     /* exim_domain */
    struct text received;   /* exim_received: $received_time, Unix seconds */
};

/* Starts anew. */
void fields_clear(void);

/* The fields so far; `count` gets how many. */
const postrider_field *fields_all(size_t *count);

/* Adds one. */
void fields_put(const char *name, struct text value);
void fields_put_number(const char *name, long long number);

/* Reads lines of `name=value`: what is for this integration is returned, the rest is added if `put_them`. */
struct facts fields_read(struct text lines, int put_them);

/* A recipient, as one address: lower-cased, as it was, and its domain. */
void fields_put_recipient(struct text address);

/* The recipient whose parts the facts have. */
void fields_put_recipient_of(const struct facts *facts);

/* When the message came in, and if `queued`, how many milliseconds it has waited since. Exim tells seconds. */
void fields_put_times(struct text received, int queued);

/* A failure: its code, class and reason, from Exim's words for it. */
void fields_put_failure(struct text told, int bounce_class);

#endif
