/* Pieces of text, and what is read out of them. */
#ifndef POSTRIDER_EXIM_TEXT_H
#define POSTRIDER_EXIM_TEXT_H

#include <stddef.h>

/* A piece of text that somebody else owns. */
struct text {
    const char *at;
    size_t length;
};

/* An argument of Exim's as a piece of text; NULL is empty. */
struct text text_of(const unsigned char *argument);
int text_is(struct text text, const char *word);
int text_starts_with(struct text text, const char *start);
int text_contains(struct text text, const char *word);

/* The number that the digits say; -1 if they are none. */
long long text_number(struct text digits);

/* The value of the first line `name=value`; empty if there is none. */
struct text text_value(struct text lines, const char *name);

/* The next of addresses parted by commas, taken off the list; a quoted local part may hold a comma. Empty at the end. */
struct text text_next_address(struct text *list);

/*
 * The remote host's own words in what Exim tells of an attempt: from a reply code on that starts the text or follows a
 * colon, as in `SMTP error from remote mail server after RCPT TO:<a@b>: 550 5.1.1 unknown`. Otherwise empty.
 */
struct text text_reply(struct text told);

/*
 * The class of a failure in the numbers of the events contract. From codes alone, where there are any: words are too
 * many to know.
 */
int text_bounce_class(struct text told, struct text reply, int temporary);

/* Copies text with IPv4 addresses masked, so that one reason is one text; cut to `room`. */
struct text text_mask_addresses(struct text from, char *to, size_t room);

#endif
