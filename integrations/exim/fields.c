#include "fields.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

enum { MOST_FIELDS = 96, TEXT_BYTES = 64 * 1024, LONGEST_VALUE = 8 * 1024, LONGEST_ADDRESS = 1024 };

static struct {
    postrider_field fields[MOST_FIELDS];
    size_t count;
    char text[TEXT_BYTES];
    size_t used;
} event;

/* The bytes of the UTF-8 character at `at`; 0 if it is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *at, size_t room)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t length;
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        length = 2;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        length = 3;
        low = at[0] == 0xe0 ? 0xa0 : 0x80;
        high = at[0] == 0xed ? 0x9f : 0xbf;
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        length = 4;
        low = at[0] == 0xf0 ? 0x90 : 0x80;
        high = at[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (length > room || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return length;
}

/* Copies a value; what is not UTF-8 (mail has any bytes) becomes U+FFFD, and what is too long is cut. */
static struct text keep(struct text value)
{
    static const char replacement[] = "\xef\xbf\xbd";
    struct text kept = { event.text + event.used, 0 };
    size_t room = TEXT_BYTES - event.used;
    if (room > LONGEST_VALUE)
        room = LONGEST_VALUE;
    for (size_t at = 0; at < value.length;) {
        size_t length = utf8_length((const unsigned char *)value.at + at, value.length - at);
        const char *from = length ? value.at + at : replacement;
        size_t bytes = length ? length : sizeof replacement - 1;
        if (kept.length + bytes > room)
            break;
        memcpy(event.text + event.used + kept.length, from, bytes);
        kept.length += bytes;
        at += length ? length : 1;
    }
    event.used += kept.length;
    return kept;
}

/* Adds a field, unless it is empty or there already; `name` outlives the push. */
static void put_named(struct text name, struct text value)
{
    postrider_field *field = &event.fields[event.count];
    struct text kept;
    if (value.length == 0 || name.length == 0 || name.length > UINT16_MAX || event.count == MOST_FIELDS)
        return;
    for (size_t i = 0; i < event.count; i++)
        if (event.fields[i].name_length == name.length && memcmp(event.fields[i].name, name.at, name.length) == 0)
            return;
    kept = keep(value);
    *field = postrider_named_strn("", kept.at, kept.length);
    field->name = name.at;
    field->name_length = (uint16_t)name.length;
    event.count++;
}

void fields_put(const char *name, struct text value)
{
    struct text text = { name, strlen(name) };
    put_named(text, value);
}

void fields_put_number(const char *name, long long number)
{
    char digits[24];
    size_t at = sizeof digits;
    struct text text;
    if (number < 0)
        return;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    text.at = digits + at;
    text.length = sizeof digits - at;
    fields_put(name, text);
}

struct facts fields_read(struct text lines, int put_them)
{
    struct facts facts = { { "", 0 }, { "", 0 }, { "", 0 } };
    while (lines.length > 0) {
        const char *end = memchr(lines.at, '\n', lines.length);
        struct text line = { lines.at, end ? (size_t)(end - lines.at) : lines.length };
        const char *equals = memchr(line.at, '=', line.length);
        size_t step = line.length + (end != NULL);
        if (equals) {
            struct text name = { line.at, (size_t)(equals - line.at) };
            struct text value = { equals + 1, line.length - name.length - 1 };
            struct text *ours = text_is(name, "exim_local_part") ? &facts.local_part
                                : text_is(name, "exim_domain")   ? &facts.domain
                                : text_is(name, "exim_received") ? &facts.received
                                                                 : NULL;
            if (ours && ours->length == 0)
                *ours = value;
            else if (put_them && !text_starts_with(name, "exim_"))
                put_named(name, value);
        }
        lines.at += step;
        lines.length -= step;
    }
    return facts;
}

void fields_put_recipient(struct text address)
{
    char lower[LONGEST_ADDRESS];
    struct text rcpt_to = { lower, address.length < sizeof lower ? address.length : sizeof lower };
    const char *sign = address.at + address.length;
    for (size_t i = 0; i < rcpt_to.length; i++)
        lower[i] = (char)tolower((unsigned char)address.at[i]);
    fields_put("rcpt_to", rcpt_to);
    fields_put("raw_rcpt_to", address);
    while (sign > address.at && sign[-1] != '@')
        sign--;
    if (sign > address.at) {
        struct text domain = { lower + (sign - address.at), 0 };
        if ((size_t)(sign - address.at) < rcpt_to.length)
            domain.length = rcpt_to.length - (size_t)(sign - address.at);
        fields_put("recipient_domain", domain);
    }
}

void fields_put_times(struct text received, int queued)
{
    long long seconds = text_number(received);
    time_t when = (time_t)seconds;
    struct tm utc;
    char iso[40];
    struct timespec now;
    struct text text = { iso, 0 };
    if (seconds < 0 || !gmtime_r(&when, &utc))
        return;
    text.length = strftime(iso, sizeof iso, "%Y-%m-%dT%H:%M:%S.000Z", &utc);
    fields_put("injection_time", text);
    if (queued && clock_gettime(CLOCK_REALTIME, &now) == 0) {
        long long waited = (now.tv_sec - seconds) * 1000LL + now.tv_nsec / 1000000;
        fields_put_number("queue_time", waited > 0 ? waited : 0);
    }
}

void fields_put_failure(struct text told, int bounce_class)
{
    char masked[LONGEST_VALUE];
    struct text reply = text_reply(told);
    struct text words = reply.length ? reply : told;
    struct text code = { reply.at, 3 };
    if (reply.length)
        fields_put("error_code", code);
    fields_put_number("bounce_class", bounce_class);
    fields_put("raw_reason", words);
    fields_put("reason", text_mask_addresses(words, masked, sizeof masked));
}

void fields_put_recipient_of(const struct facts *facts)
{
    char address[LONGEST_ADDRESS];
    struct text whole = { address, facts->local_part.length + 1 + facts->domain.length };
    if (facts->domain.length == 0 || whole.length > sizeof address)
        return;
    memcpy(address, facts->local_part.at, facts->local_part.length);
    address[facts->local_part.length] = '@';
    memcpy(address + facts->local_part.length + 1, facts->domain.at, facts->domain.length);
    fields_put_recipient(whole);
}

void fields_clear(void)
{
    event.count = 0;
    event.used = 0;
}

const postrider_field *fields_all(size_t *count)
{
    *count = event.count;
    return event.fields;
}
