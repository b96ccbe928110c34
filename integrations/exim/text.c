#include "text.h"

#include <ctype.h>
#include <string.h>

struct text text_of(const unsigned char *argument)
{
    struct text text = { (const char *)argument, argument ? strlen((const char *)argument) : 0 };
    return text;
}

int text_is(struct text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.at, word, text.length) == 0;
}

int text_starts_with(struct text text, const char *start)
{
    size_t length = strlen(start);
    return text.length >= length && memcmp(text.at, start, length) == 0;
}

int text_contains(struct text text, const char *word)
{
    size_t length = strlen(word);
    for (size_t at = 0; at + length <= text.length; at++)
        if (memcmp(text.at + at, word, length) == 0)
            return 1;
    return 0;
}

long long text_number(struct text digits)
{
    long long number = 0;
    if (digits.length == 0 || digits.length > 12)
        return -1;
    for (size_t i = 0; i < digits.length; i++) {
        if (!isdigit((unsigned char)digits.at[i]))
            return -1;
        number = number * 10 + (digits.at[i] - '0');
    }
    return number;
}

struct text text_value(struct text lines, const char *name)
{
    struct text none = { "", 0 };
    size_t length = strlen(name);
    for (size_t at = 0; at + length < lines.length; at++)
        if ((at == 0 || lines.at[at - 1] == '\n') && memcmp(lines.at + at, name, length) == 0 &&
            lines.at[at + length] == '=') {
            const char *value = lines.at + at + length + 1;
            const char *end = memchr(value, '\n', lines.length - at - length - 1);
            struct text found = { value, end ? (size_t)(end - value) : lines.length - at - length - 1 };
            return found;
        }
    return none;
}

struct text text_next_address(struct text *list)
{
    struct text address;
    size_t end = 0;
    int quoted = 0;
    while (list->length && (list->at[0] == ' ' || list->at[0] == ','))
        list->at++, list->length--;
    for (; end < list->length && (quoted || list->at[end] != ','); end++) {
        if (list->at[end] == '\\' && end + 1 < list->length)
            end++;
        else if (list->at[end] == '"')
            quoted = !quoted;
    }
    address.at = list->at;
    address.length = end < list->length ? end : list->length;
    list->at += address.length;
    list->length -= address.length;
    return address;
}

struct text text_reply(struct text told)
{
    struct text reply = { told.at, 0 };
    for (size_t at = 0; at + 3 <= told.length; at++) {
        const char *code = told.at + at;
        int follows = at == 0 || (at >= 2 && code[-1] == ' ' && code[-2] == ':');
        int ends = at + 3 == told.length || code[3] == ' ' || code[3] == '-';
        if (follows && ends && code[0] >= '2' && code[0] <= '5' && isdigit((unsigned char)code[1]) &&
            isdigit((unsigned char)code[2])) {
            reply.at = code;
            reply.length = told.length - at;
            break;
        }
    }
    return reply;
}

/* The subject and detail of an enhanced status code (RFC 3463), as subject × 1000 + detail; 0 where there is none. */
static int enhanced_status(struct text reply)
{
    size_t at = 4;
    int subject = 0, detail = 0;
    if (reply.length < 9 || reply.at[4] < '2' || reply.at[4] > '5' || reply.at[5] != '.')
        return 0;
    for (at = 6; at < reply.length && isdigit((unsigned char)reply.at[at]) && subject < 1000; at++)
        subject = subject * 10 + (reply.at[at] - '0');
    if (at >= reply.length || reply.at[at] != '.')
        return 0;
    for (at++; at < reply.length && isdigit((unsigned char)reply.at[at]) && detail < 1000; at++)
        detail = detail * 10 + (reply.at[at] - '0');
    return subject * 1000 + detail;
}

int text_bounce_class(struct text told, struct text reply, int temporary)
{
    switch (enhanced_status(reply)) {
    case 1001: case 1003: case 1006: case 1010:
        return 10; /* invalid recipient */
    case 1002: case 4003: case 4004:
        return 21; /* DNS failure */
    case 2002:
        return 22; /* mailbox full */
    case 2003: case 3004:
        return 23; /* too large */
    case 4007:
        return 24; /* timeout */
    case 7000: case 7001:
        return 50; /* mail block */
    default:
        break;
    }
    if (reply.length == 0 && text_contains(told, "retry timeout exceeded"))
        return 24;
    if (reply.length == 0 && text_starts_with(told, "message removed"))
        return 25; /* admin failure: by `exim -Mrm` */
    if (temporary)
        return reply.length ? 20 : 70; /* soft bounce; transient failure */
    return reply.length ? 1 : 10;      /* undetermined; a router's refusal is about the address */
}

struct text text_mask_addresses(struct text from, char *to, size_t room)
{
    struct text masked = { to, 0 };
    for (size_t at = 0; at < from.length && masked.length + 8 < room;) {
        size_t end = at;
        int dots = 0, digits = 0;
        int starts = at == 0 || !(isalnum((unsigned char)from.at[at - 1]) || from.at[at - 1] == '.');
        while (starts && end < from.length && dots < 4) {
            if (isdigit((unsigned char)from.at[end]) && digits < 3)
                digits++;
            else if (from.at[end] == '.' && digits > 0 && dots < 3)
                dots++, digits = 0;
            else
                break;
            end++;
        }
        if (dots == 3 && digits > 0 && (end == from.length || !isalnum((unsigned char)from.at[end]))) {
            memcpy(to + masked.length, "a.b.c.d", 7);
            masked.length += 7;
            at = end;
        } else {
            to[masked.length++] = from.at[at++];
        }
    }
    return masked;
}
