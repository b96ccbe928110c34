/*
 * Exim's side of Postrider: functions for ${dlfunc{…}} that turn what Exim tells of a message into events.
 *
 * Exim forks a process for each reception and each delivery attempt, some as root, some as its own user, most a few
 * milliseconds long. So nothing is kept running here: a call reads its arguments, appends one event to the data
 * directory's inbox and returns. An engine elsewhere takes it from there.
 *
 *     ${dlfunc{FILE}{postrider_exim_event}{DATA_DIR}{$event_name}{$event_data}{FACTS}{SUBJECT}}    event_action
 *     ${dlfunc{FILE}{postrider_exim_injection}{DATA_DIR}{$recipients}{FACTS}{SUBJECT}}             acl_smtp_data
 *     ${dlfunc{FILE}{postrider_exim_rejection}{DATA_DIR}{REPLY}{FACTS}}                            a deny in an ACL
 *
 * FACTS are lines of `name=value`. A name that starts with `exim_` is for this code (see `struct facts`), any other is the
 * name of a field and goes into the event as it is, unless the value is empty. Of two with one name the first counts, so
 * put what strangers can influence last. The subject is an argument of its own because its decoded form may hold line
 * ends.
 *
 * Three rules keep Exim safe: at most 7 arguments (with 8, Exim 4.96 crashes); the answer is always OK with an empty
 * yield (in tcp:connect any other yield defers the message, and in an ACL a failure rejects it); and no thread. What
 * goes wrong is told to syslog, once per process.
 */
#include <postrider.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "fields.h"
#include "text.h"
#include "timing.h"

/* Exim's `OK`, and its type for text. */
enum { EXIM_OK = 0 };
typedef unsigned char uschar;

#define EXPORT __attribute__((visibility("default")))

/* Exported: what Exim looks up by name. */
int postrider_exim_event(uschar **yield, int argc, uschar *argv[]);
int postrider_exim_injection(uschar **yield, int argc, uschar *argv[]);
int postrider_exim_rejection(uschar **yield, int argc, uschar *argv[]);

static void complain(const char *what, const char *why)
{
    static int told;
    if (!told++)
        syslog(LOG_MAIL | LOG_WARNING, "postrider: %s: %s", what, why);
}

/* The client of this process, for one data directory; forked children go on with it. */
static postrider *client_of(const char *data_dir)
{
    static postrider *client;
    static char *connected;
    int same = client && strcmp(connected, data_dir) == 0;
    timing_event(same);
    if (same)
        return client;
    postrider_close(client, 0);
    client = NULL;
    free(connected);
    connected = strdup(data_dir);
    if (!connected || postrider_connect(data_dir, &client) < 0)
        complain("events are lost", connected ? postrider_last_error() : "no memory");
    return client;
}

/* Hands the event in the making over. */
static void push(const char *data_dir, uint32_t type)
{
    size_t count;
    const postrider_field *fields = fields_all(&count);
    postrider *client = client_of(data_dir);
    if (client && postrider_push(client, type, fields, count) < 0)
        complain("an event was lost", postrider_last_error());
}

/*
 * Whether this process told of this recipient's delay before: Exim raises msg:rcpt:defer for each recipient that the last
 * host put off, and msg:defer for the first recipient if the message as a whole was; one may have both.
 */
static int delayed_before(struct text message, const struct facts *facts)
{
    enum { REMEMBERED = 64 };
    static uint64_t seen[REMEMBERED];
    static size_t next;
    struct text parts[3];
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    parts[0] = message;
    parts[1] = facts->local_part;
    parts[2] = facts->domain;
    for (size_t part = 0; part < 3; part++)
        for (size_t i = 0; i <= parts[part].length; i++)
            hash = (hash ^ (i < parts[part].length ? (unsigned char)parts[part].at[i] : 0xffu)) * 1099511628211u;
    for (size_t i = 0; i < REMEMBERED; i++)
        if (seen[i] == hash)
            return 1;
    seen[next++ % REMEMBERED] = hash;
    return 0;
}

/*
 * The event type for one of Exim's events; 0 for none. msg:host:defer and msg:rcpt:host:defer are none: the next host may
 * take the message at once. msg:complete, tcp:… and smtp:… are not about a recipient.
 */
static uint32_t type_of(struct text name)
{
    if (text_is(name, "msg:delivery"))
        return POSTRIDER_TYPE_DELIVERY;
    if (text_is(name, "msg:fail:delivery") || text_is(name, "msg:fail:internal"))
        return POSTRIDER_TYPE_BOUNCE;
    if (text_is(name, "msg:rcpt:defer") || text_is(name, "msg:defer"))
        return POSTRIDER_TYPE_DELAY;
    return 0;
}

static void on_event(const char *data_dir, struct text name, struct text told, struct text lines, struct text subject)
{
    struct facts facts = fields_read(lines, 0);
    uint32_t type = type_of(name);
    if (type == 0 || (type == POSTRIDER_TYPE_DELAY && delayed_before(text_value(lines, "message_id"), &facts)))
        return;
    fields_clear();
    fields_put_recipient_of(&facts);
    fields_put("routing_domain", facts.domain);
    fields_put_times(facts.received, 1);
    if (type != POSTRIDER_TYPE_DELIVERY)
        fields_put_failure(told, text_bounce_class(told, text_reply(told), type == POSTRIDER_TYPE_DELAY));
    fields_read(lines, 1);
    fields_put("subject", subject);
    push(data_dir, type);
}

static void on_injection(const char *data_dir, struct text recipients, struct text lines, struct text subject)
{
    struct facts facts = fields_read(lines, 0);
    struct text address;
    while ((address = text_next_address(&recipients)).length > 0) {
        fields_clear();
        fields_put_recipient(address);
        fields_put_times(facts.received, 0);
        fields_read(lines, 1);
        fields_put("subject", subject);
        push(data_dir, POSTRIDER_TYPE_INJECTION);
    }
}

static void on_rejection(const char *data_dir, struct text reply, struct text lines)
{
    enum { ADMIN_FAILURE = 25 };
    struct facts facts = fields_read(lines, 0);
    fields_clear();
    fields_put_recipient_of(&facts);
    fields_put_failure(reply, ADMIN_FAILURE);
    fields_read(lines, 1);
    push(data_dir, POSTRIDER_TYPE_POLICY_REJECTION);
}

/* An argument that may not be there. */
static struct text argument(int argc, uschar *argv[], int at)
{
    return text_of(at < argc ? argv[at] : NULL);
}

/* The frame of each call: whatever happens inside, Exim hears OK and an empty text. */
#define CALL(body) \
    do { \
        static uschar nothing[1]; \
        timing_start(); \
        if (argc > 0 && argv[0]) { \
            const char *data_dir = (const char *)argv[0]; \
            body; \
        } else { \
            complain("dlfunc", "the data directory is missing from its arguments"); \
        } \
        timing_end(); \
        *yield = nothing; \
        return EXIM_OK; \
    } while (0)

EXPORT int postrider_exim_event(uschar **yield, int argc, uschar *argv[])
{
    CALL(on_event(data_dir, argument(argc, argv, 1), argument(argc, argv, 2), argument(argc, argv, 3),
                  argument(argc, argv, 4)));
}

EXPORT int postrider_exim_injection(uschar **yield, int argc, uschar *argv[])
{
    CALL(on_injection(data_dir, argument(argc, argv, 1), argument(argc, argv, 2), argument(argc, argv, 3)));
}

EXPORT int postrider_exim_rejection(uschar **yield, int argc, uschar *argv[])
{
    CALL(on_rejection(data_dir, argument(argc, argv, 1), argument(argc, argv, 2)));
}
