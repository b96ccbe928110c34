/*
 * Postrider filters: shared objects that see every batch of events before it is logged, and may change, drop or
 * add to it.
 *
 * This file is the whole contract, written by hand. It needs nothing else, not even postrider.h, and says the same
 * in C99, C11, C17 and C++17. How to write, build and load a filter: docs/filters.md. What may change in later
 * versions and what never does: docs/filter-abi.md.
 *
 *
 * A filter
 *
 *     #include <postrider_filter.h>                           cc -shared -fPIC -o no_tests.so no_tests.c
 *
 *     static uint32_t campaign;
 *
 *     static postrider_filter_status create(const postrider_filter_host *host, const char *config, size_t length,
 *                                           void **filter, postrider_filter_buffer *error) {
 *         campaign = host->field(host, "campaign_id", 11);
 *         *filter = &campaign;
 *         return POSTRIDER_FILTER_OK;
 *     }
 *
 *     static postrider_filter_status process(void *filter, postrider_filter_batch *batch) {
 *         for (uint32_t i = 0; i < batch->count; i++) {
 *             postrider_filter_value value;
 *             if (batch->get(batch, i, campaign, &value) == POSTRIDER_FILTER_OK &&
 *                 postrider_filter_is(&value, "test"))
 *                 batch->drop(batch, i, "a test", 6);
 *         }
 *         return POSTRIDER_FILTER_OK;
 *     }
 *
 *     static void destroy(void *filter) {}
 *
 *     static const postrider_filter_descriptor no_tests = {
 *         sizeof no_tests, POSTRIDER_FILTER_OPEN, "no-tests", "1.0", "Drops the events of campaign test",
 *         create, process, destroy, NULL };
 *     static const postrider_filter_entry entry = POSTRIDER_FILTER_ENTRY(&no_tests);
 *     POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void) { return &entry; }
 *
 *
 * Life
 *
 *     postrider_filter() ─▶ create() ─▶ process() … process() ─▶ destroy()
 *                           for each instance, and there may be several at once
 *
 * A filter in force has one instance. Loading makes another for a dry run over one sample of each event type, and a
 * reload makes the new one before the old one ends. Instances share nothing unless the filter lets them; keep what
 * belongs to one behind the pointer that create() gives. The object is never unloaded, so statics stay.
 *
 *
 * Threads and states
 *
 * Each function below says where it may be called:
 *
 *     [any-thread]      any thread, at any time
 *     [filter-thread]   one thread at a time for each instance, not always the same one
 *     [create]          only until create() has returned, from its thread
 *     [process]         only until process() has returned, from its thread
 *
 * A call of the host's that comes out of turn is answered POSTRIDER_FILTER_E_TURN, does nothing, and counts as a
 * failure of the filter.
 *
 *
 * Failure
 *
 * What a filter must not do is answer for an event that it did not treat. So: a change that the host refuses fails
 * that event, a verdict that is not POSTRIDER_FILTER_OK fails the batch, and what becomes of failed events is the
 * filter's failure policy, POSTRIDER_FILTER_OPEN, _CLOSED or _DISABLE. Of an event that failed, nothing that the filter
 * did to it stays. A filter that fails, or is slower than its budget, several times in a row is not called for a while;
 * its policy goes for the events that it would have got. A call that does not return within the filter's deadline is
 * given up together with its thread, and the filter is not called again until it is reloaded.
 *
 * A filter is trusted code in the engine's process: a crash in it ends that process.
 *
 *
 * Text
 *
 * Pointer and length, UTF-8, not NUL-terminated unless it says C string. What the host hands to create() or process() is
 * borrowed until that call returns; what the filter hands over, until the host's function returns.
 */

#ifndef POSTRIDER_FILTER_H
#define POSTRIDER_FILTER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** First word of the entry. */
#define POSTRIDER_FILTER_MAGIC 0x54465250u
/** The host takes filters of its own major version only. */
#define POSTRIDER_FILTER_ABI_MAJOR 1
/** The host takes filters of its own minor version and all before. */
#define POSTRIDER_FILTER_ABI_MINOR 0

#if defined(__GNUC__)
#define POSTRIDER_FILTER_VISIBLE __attribute__((visibility("default")))
#else
#define POSTRIDER_FILTER_VISIBLE
#endif
#ifdef __cplusplus
/** Stands before the one function that a filter exports. */
#define POSTRIDER_FILTER_EXPORT extern "C" POSTRIDER_FILTER_VISIBLE
extern "C" {
#else
/** Stands before the one function that a filter exports. */
#define POSTRIDER_FILTER_EXPORT extern POSTRIDER_FILTER_VISIBLE
#endif


/* -------------------------------------------------------------------------------------------------------------- */
/* What calls answer                                                                                              */
/* -------------------------------------------------------------------------------------------------------------- */

/** 0 and above: done. Below: not done. As the verdict of a filter's call, a number not listed for it is a failure. */
typedef int32_t postrider_filter_status;

/** Done. */
#define POSTRIDER_FILTER_OK 0
/** The event has no such field. From get() alone. */
#define POSTRIDER_FILTER_ABSENT 1

/** From the filter: not done. create() did not make an instance; process() fails the batch. */
#define POSTRIDER_FILTER_FAILED (-1)
/** From process(): the batch fails, and this instance is not to be called again. */
#define POSTRIDER_FILTER_BROKEN (-2)

/** From the host: called out of turn; see Threads and states. */
#define POSTRIDER_FILTER_E_TURN (-10)
/** From the host: no event has this index. */
#define POSTRIDER_FILTER_E_INDEX (-11)
/** From the host: a pointer is NULL, or a value has no kind that there is. */
#define POSTRIDER_FILTER_E_ARGUMENT (-12)
/** From the host: no field has this number, or it is not a filter's to change. */
#define POSTRIDER_FILTER_E_FIELD (-13)
/** From the host: the field does not take this value: its kind, not UTF-8, not JSON. */
#define POSTRIDER_FILTER_E_VALUE (-14)
/**
 * From the host: past a limit. An event has at most 128 KiB and 256 fields, a reason or tag 64 bytes; a call of process()
 * may add 64 events and 2 more for each one of its batch.
 */
#define POSTRIDER_FILTER_E_LIMIT (-15)
/** From the host: no event type has this number. */
#define POSTRIDER_FILTER_E_TYPE (-16)
/** From the host: the event's text cannot be read; the event has failed, whatever the call was. */
#define POSTRIDER_FILTER_E_EVENT (-17)


/* -------------------------------------------------------------------------------------------------------------- */
/* Values                                                                                                         */
/* -------------------------------------------------------------------------------------------------------------- */

/** `text`, unescaped. */
#define POSTRIDER_FILTER_STRING 1
/** `integer`. */
#define POSTRIDER_FILTER_INT 2
/** `number`, finite. A whole number past 64 bits is one too. */
#define POSTRIDER_FILTER_DOUBLE 3
/** `integer`: 0 or 1. */
#define POSTRIDER_FILTER_BOOL 4
/** `text` is one JSON value: an object, an array or null. */
#define POSTRIDER_FILTER_JSON 5

/** The value of a field. 16 bytes for ever; `kind` says which member counts. */
typedef struct postrider_filter_value {
    union {
        /** STRING and JSON: `length` bytes; may be NULL where that is 0. */
        const char *text;
        /** INT and BOOL. */
        int64_t integer;
        /** DOUBLE. */
        double number;
    } as;
    /** POSTRIDER_FILTER_STRING, … */
    uint32_t kind;
    /** Bytes of `as.text`; 0 for the other kinds. */
    uint32_t length;
} postrider_filter_value;

/** A place for one line of text that goes to the operator. */
typedef struct postrider_filter_buffer {
    /** Room for `size` bytes. */
    char *text;
    /** How many. */
    size_t size;
    /** How many were written; 0 at first. */
    size_t length;
} postrider_filter_buffer;


/* -------------------------------------------------------------------------------------------------------------- */
/* The host                                                                                                       */
/* -------------------------------------------------------------------------------------------------------------- */

/** `log()`: something fails; an operator should look. */
#define POSTRIDER_FILTER_LOG_ERROR 1
/** `log()`: something is odd, or will fail. */
#define POSTRIDER_FILTER_LOG_WARNING 2
/** `log()`: what happens. */
#define POSTRIDER_FILTER_LOG_INFO 3

/** What the host offers an instance. Valid from its create() to its destroy(). */
typedef struct postrider_filter_host postrider_filter_host;
struct postrider_filter_host {
    /** Bytes of this struct as the host has it: what lies behind is not there. */
    uint32_t size;
    /** The host's POSTRIDER_FILTER_ABI_MAJOR and _MINOR. */
    uint16_t abi_major;
    uint16_t abi_minor;
    /** What the host is, and its version: C strings for the log. */
    const char *name;
    const char *version;

    /**
     * The number of a field, for get(), set() and remove(). Any name of 1 to 128 bytes has one, and keeps it for the
     * life of the instance; those of the catalogue are postrider.h's POSTRIDER_FIELD_…. 0 for no name, and for the
     * 4,097th that is not in the catalogue.
     * [create] [process] [filter-thread]
     */
    uint32_t (*field)(const postrider_filter_host *host, const char *name, size_t length);

    /**
     * The number of an event type, as in an event's `type`; 0 if there is none of this name. Those of the catalogue are
     * postrider.h's POSTRIDER_TYPE_….
     * [create] [process] [filter-thread]
     */
    uint32_t (*type)(const postrider_filter_host *host, const char *name, size_t length);

    /**
     * The name of an event type: a C string, valid for ever; NULL if no type has this number.
     * [create] [process] [filter-thread]
     */
    const char *(*type_name)(const postrider_filter_host *host, uint32_t type);

    /**
     * One line for the operator, with the filter's name before it. `severity`: POSTRIDER_FILTER_LOG_…. Cut at 512 bytes;
     * past 100 lines in a minute, lines are counted instead.
     * [any-thread]
     */
    void (*log)(const postrider_filter_host *host, uint32_t severity, const char *text, size_t length);

    /**
     * A table of functions beyond this file, by its id (a C string); NULL if this host has none. There is none in
     * version 1.0.
     * [any-thread]
     */
    const void *(*get_extension)(const postrider_filter_host *host, const char *id);
};


/* -------------------------------------------------------------------------------------------------------------- */
/* Events                                                                                                         */
/* -------------------------------------------------------------------------------------------------------------- */

/** One event, before anyone reads its text. 40 bytes for ever. */
typedef struct postrider_filter_event {
    /** As it goes out: {"msys":{"message_event":{"type":"delivery",…}}}. As it was when process() was called. */
    const char *json;
    /** When it happened, in Unix milliseconds. */
    int64_t time_ms;
    /** Bytes of `json`. */
    uint32_t length;
    /** The event's type; see `type()` of the host. */
    uint32_t type;
    /** The event's subaccount; 0 is the primary account. */
    uint32_t subaccount;
    /** 0. */
    uint32_t reserved[3];
} postrider_filter_event;

/**
 * The events of one call of process(), oldest first: those that the operator's selection lets the filter see.
 *
 * All functions: [process]. An index counts from 0. Later calls see what earlier ones did: get() answers what was set. A
 * call below 0 changed nothing; one that was to change an event fails it, see Failure.
 */
typedef struct postrider_filter_batch postrider_filter_batch;
struct postrider_filter_batch {
    /** Bytes of this struct as the host has it. */
    uint32_t size;
    /** How many events. */
    uint32_t count;
    /** The events. */
    const postrider_filter_event *events;

    /** The value of a field, in the kind in which it stands in the JSON. POSTRIDER_FILTER_ABSENT, and kind 0, without one. */
    postrider_filter_status (*get)(postrider_filter_batch *batch, uint32_t index, uint32_t field,
                                   postrider_filter_value *value);

    /**
     * Gives a field a value, whether or not it has one. Checked as a push checks it: a field that the catalogue does
     * not have must be named x_… or be allowed by `events.unknown_fields`, and a number goes out as text where the
     * contract sends text. Not to be changed: type, event_id, timestamp.
     */
    postrider_filter_status (*set)(postrider_filter_batch *batch, uint32_t index, uint32_t field,
                                   const postrider_filter_value *value);

    /** Takes a field away; done as well where there is none. Not to be removed: type, event_id, timestamp. */
    postrider_filter_status (*remove)(postrider_filter_batch *batch, uint32_t index, uint32_t field);

    /** Adds a text of 1 to 64 bytes to the array x_tags, once. */
    postrider_filter_status (*tag)(postrider_filter_batch *batch, uint32_t index, const char *text, size_t length);

    /** Lets the event go no further. `reason` has 1 to 64 bytes and is counted: keep the number of different ones small. */
    postrider_filter_status (*drop)(postrider_filter_batch *batch, uint32_t index, const char *reason, size_t length);

    /** Fails the event: it could not be treated. `why` is for the operator's log; may be empty. */
    postrider_filter_status (*fail)(postrider_filter_batch *batch, uint32_t index, const char *why, size_t length);

    /**
     * Adds an event behind those of the batch. `json` is an object of its fields, as for postrider_push_json();
     * `event_id` and `timestamp` are filled in. Later filters see it, this one does not. A refusal fails the batch.
     */
    postrider_filter_status (*emit)(postrider_filter_batch *batch, uint32_t type, const char *json, size_t length);
};


/* -------------------------------------------------------------------------------------------------------------- */
/* The filter                                                                                                     */
/* -------------------------------------------------------------------------------------------------------------- */

/** A failed event goes on as it was. For filters that add. */
#define POSTRIDER_FILTER_OPEN 1
/** A failed event is kept, not delivered, until an operator releases it. For filters that protect. */
#define POSTRIDER_FILTER_CLOSED 2
/** As OPEN; a filter that has tripped stays out until an operator enables it again. */
#define POSTRIDER_FILTER_DISABLE 3

/** What the filter is. Static. */
typedef struct postrider_filter_descriptor {
    /** sizeof(postrider_filter_descriptor) */
    uint32_t size;
    /** POSTRIDER_FILTER_OPEN, _CLOSED or _DISABLE, unless the operator says otherwise. */
    uint32_t on_failure;
    /** A C string of a-z, 0-9 and -, 1 to 64 bytes. */
    const char *id;
    /** A C string, the filter's own version. */
    const char *version;
    /** A C string, one line on what it does. */
    const char *summary;

    /**
     * Makes an instance. `config` is a JSON object, "{}" by default: check it whole here, and refuse what is not
     * understood. Answers POSTRIDER_FILTER_OK with *filter not NULL, or POSTRIDER_FILTER_FAILED with a line in `error`
     * that names what was wrong and what would be right. May take seconds, and read files.
     * [filter-thread]
     */
    postrider_filter_status (*create)(const postrider_filter_host *host, const char *config, size_t length,
                                      void **filter, postrider_filter_buffer *error);

    /**
     * Treats a batch. Answers POSTRIDER_FILTER_OK, _FAILED or _BROKEN. Must not block: everyone's events wait behind it.
     * [filter-thread]
     */
    postrider_filter_status (*process)(void *filter, postrider_filter_batch *batch);

    /**
     * Ends an instance, also one that answered POSTRIDER_FILTER_BROKEN. Threads that it started must have ended when this
     * returns. Not called for one whose process() never returned.
     * [filter-thread]
     */
    void (*destroy)(void *filter);

    /**
     * A table of functions beyond this file, by its id (a C string); NULL if there is none. May itself be NULL.
     * [any-thread]
     */
    const void *(*get_extension)(const char *id);
} postrider_filter_descriptor;

/** What postrider_filter() returns. Static; its first four members are the same in every version. */
typedef struct postrider_filter_entry {
    /** POSTRIDER_FILTER_MAGIC */
    uint32_t magic;
    /** POSTRIDER_FILTER_ABI_MAJOR and _MINOR that the filter was built with. */
    uint16_t abi_major;
    uint16_t abi_minor;
    /** sizeof(postrider_filter_entry) */
    uint32_t size;
    /** 0. */
    uint32_t reserved;
    /** What the filter is. */
    const postrider_filter_descriptor *descriptor;
} postrider_filter_entry;

/** An entry that names a descriptor. */
#define POSTRIDER_FILTER_ENTRY(descriptor)                                                                 \
    {                                                                                                      \
        POSTRIDER_FILTER_MAGIC, POSTRIDER_FILTER_ABI_MAJOR, POSTRIDER_FILTER_ABI_MINOR,                    \
            (uint32_t)sizeof(postrider_filter_entry), 0, (descriptor)                                      \
    }

/**
 * The one function that a filter exports. Must be quick and do nothing but return: it is called to look at the filter, too.
 * [any-thread]
 */
POSTRIDER_FILTER_EXPORT const postrider_filter_entry *postrider_filter(void);


/* -------------------------------------------------------------------------------------------------------------- */
/* Conveniences                                                                                                   */
/* -------------------------------------------------------------------------------------------------------------- */

/** Text of `length` bytes, borrowed. */
static inline postrider_filter_value postrider_filter_strn(const char *text, size_t length) {
    postrider_filter_value value;
    value.as.text = text;
    value.kind = POSTRIDER_FILTER_STRING;
    value.length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
    return value;
}

/** A C string, borrowed. */
static inline postrider_filter_value postrider_filter_str(const char *text) {
    return postrider_filter_strn(text, text == NULL ? 0 : strlen(text));
}

/** One JSON value as text, borrowed. */
static inline postrider_filter_value postrider_filter_json(const char *json, size_t length) {
    postrider_filter_value value = postrider_filter_strn(json, length);
    value.kind = POSTRIDER_FILTER_JSON;
    return value;
}

/** A whole number. */
static inline postrider_filter_value postrider_filter_int(int64_t integer) {
    postrider_filter_value value;
    value.as.integer = integer;
    value.kind = POSTRIDER_FILTER_INT;
    value.length = 0;
    return value;
}

/** A finite number. */
static inline postrider_filter_value postrider_filter_double(double number) {
    postrider_filter_value value;
    value.as.number = number;
    value.kind = POSTRIDER_FILTER_DOUBLE;
    value.length = 0;
    return value;
}

/** True, unless `truth` is 0. */
static inline postrider_filter_value postrider_filter_bool(int truth) {
    postrider_filter_value value = postrider_filter_int(truth != 0);
    value.kind = POSTRIDER_FILTER_BOOL;
    return value;
}

/** Whether a value is this text. */
static inline int postrider_filter_is(const postrider_filter_value *value, const char *text) {
    size_t length = strlen(text);
    return value->kind == POSTRIDER_FILTER_STRING && value->length == length &&
           (length == 0 || memcmp(value->as.text, text, length) == 0);
}

/** Writes a C string into `error`, cut where that is full. Gives POSTRIDER_FILTER_FAILED, for create() to return. */
static inline postrider_filter_status postrider_filter_error(postrider_filter_buffer *error, const char *text) {
    size_t length = strlen(text);
    if (length > error->size)
        length = error->size;
    memcpy(error->text, text, length);
    error->length = length;
    return POSTRIDER_FILTER_FAILED;
}

#ifdef __cplusplus
}
#endif

#endif
