/*
 * Postrider: what happens to each message of a mail server, pushed to webhooks.
 *
 * A mail server opens an engine, or connects to a data directory that an engine owns, and pushes an event for
 * each thing that happens to a message. Events are batched as JSON and POSTed to every webhook that asked for
 * them until the batch is accepted or given up for a counted reason. A push copies the event and returns; it
 * never waits on a network.
 *
 *
 * Simple use
 *
 *     #include <postrider.h>                        cc host.c $(pkg-config --cflags --libs postrider)
 *
 *     postrider *h;
 *     if (postrider_open("/var/lib/postrider", NULL, &h) < 0)
 *         die(postrider_last_error());
 *
 *     postrider_field f[] = {
 *         postrider_str(POSTRIDER_FIELD_RCPT_TO, "alice@example.com"),
 *         postrider_strn(POSTRIDER_FIELD_SUBJECT, subject, subject_length),
 *         postrider_int(POSTRIDER_FIELD_MSG_SIZE, 1337),
 *         postrider_named_str("x_tenant", tenant),
 *     };
 *     postrider_push(h, POSTRIDER_TYPE_DELIVERY, f, sizeof f / sizeof *f);
 *
 *     postrider_close(h, 5000);
 *
 * A whole program is in examples/c/emit.c. Webhooks are made through postrider_api(), or by whoever runs
 * the `postrider` command on the data directory.
 *
 *
 * Which library
 *
 * libpostrider has everything. libpostrider-client has this same header without threads, sockets or TLS: it appends
 * events to the data directory's inbox, whether or not an engine is up, and is what a short-lived process
 * should load. In it, the calls that need an engine answer POSTRIDER_E_UNSUPPORTED. Link one of them, not both.
 *
 *
 * Errors
 *
 * Every call that can fail returns a status: 0 and above is success, below is an error, and then nothing was done
 * (POSTRIDER_E_TIMEOUT: not yet).
 * POSTRIDER_CLASS(status) says what to do about it: try again later, fix the call, call the operator, or close the
 * handle. postrider_last_error() has the text, for this thread: what was wrong, where, and what would be right.
 * Results are written through pointers only on success.
 *
 * Text that carries data (values, JSON, bodies) is pointer and length, UTF-8. Names, keys and paths are C strings.
 * Structs that may grow start with their size. What the library allocates is a postrider_buffer, freed by
 * postrider_free().
 *
 *
 * How safe an event is
 *
 * postrider_push() returns at level QUEUED: a killed process loses what its queue holds, a few milliseconds' worth.
 * postrider_flush() and postrider_push_opts() wait for WRITTEN (in the log: survives a killed process) or SYNCED
 * (on stable storage: survives a power cut); their return is the acknowledgement. On a client handle every push is
 * WRITTEN. An event that was acknowledged as WRITTEN ends delivered, as a listed dead letter, or dropped for a reason
 * that is counted.
 *
 *
 * Threads
 *
 * Any thread may call anything on a handle at any time, except that postrider_close() must be the last: no other
 * thread may be in a call with that handle, or begin one, while it closes. A call that comes after is answered
 * POSTRIDER_E_CLOSED. A configuration is used by one thread at a time.
 *
 * An engine starts a handful of threads, named postrider-…, that block all signals. libpostrider-client starts none.
 *
 *
 * Fork
 *
 * The threads of an engine do not survive fork(). In a forked child an engine's handle therefore turns by itself into
 * a client of the same data directory: pushes go through the inbox to the parent's engine, once. The child may
 * push, flush and close; it needs no lock that another thread of the parent may have held. postrider_close() in the
 * child leaves the parent's engine alone. A host that opens its engine and then daemonises calls
 * postrider_restart_after_fork() in the child, once the parent is gone, and has a whole engine again. A child of an
 * engine in memory mode has no inbox: its pushes fail.
 *
 * A client handle works on in children as it is.
 *
 *
 * A guest in your process
 *
 * The library writes to sockets without raising SIGPIPE, maps no data file, keeps descriptors 0 to 2 free, respects
 * RLIMIT_FSIZE without dying of SIGXFSZ on its own threads, prints nothing, reads no environment, registers no
 * exit handler and is never unloaded. Bugs are caught at the boundary of each call: it answers
 * POSTRIDER_E_PANIC and the handle is poisoned.
 *
 * What remains uncontained: an allocation that fails aborts the process; so does a crash in a native filter;
 * a client's write past RLIMIT_FSIZE raises SIGXFSZ on the calling thread unless the host ignores that signal; pointers
 * and lengths that lie do what they do in C.
 *
 *
 * Stability
 *
 * Numbers in this file never change their meaning; structs grow at their end and say so by their size;
 * postrider_field stays 32 bytes. While the version is 0.x, functions may still change, and the soname with them.
 */

#ifndef POSTRIDER_H
#define POSTRIDER_H

/* Written by `cargo run -p postrider-header -- write`. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** The version of this header; the library's own is `postrider_version()`. */
#define POSTRIDER_VERSION "0.1.0"
#define POSTRIDER_VERSION_MAJOR 0
#define POSTRIDER_VERSION_MINOR 1
#define POSTRIDER_VERSION_PATCH 0
/** The header's version as a number, for comparisons: major × 65536 + minor × 256 + patch. */
#define POSTRIDER_VERSION_NUMBER \
    (POSTRIDER_VERSION_MAJOR * 65536u + POSTRIDER_VERSION_MINOR * 256u + POSTRIDER_VERSION_PATCH)

/** What to do about a status: a POSTRIDER_CLASS_…. */
#define POSTRIDER_CLASS(status) ((status) < 0 ? -(status) / 100 : POSTRIDER_CLASS_OK)

/** An engine, or a client of one. */
typedef struct postrider postrider;
/** Settings for an engine. */
typedef struct postrider_config postrider_config;
/** A request to the REST API on its way. */
typedef struct postrider_api_call postrider_api_call;

#ifdef __cplusplus
extern "C" {
#endif


/* -------------------------------------------------------------------------------------------------------------- */
/* Status: what a call answers                                                                                    */
/* -------------------------------------------------------------------------------------------------------------- */

/**
 * What a call answers: 0 and above, done; below 0, an error.
 *
 * The group, `POSTRIDER_CLASS(status)`, says what to do about it; `postrider_last_error()` says
 * what was wrong.
 */
typedef int32_t postrider_status;

/** Done. */
#define POSTRIDER_OK 0

/** Taken and dropped: no webhook, filter or search wants this event type. Counted as `unwanted`. */
#define POSTRIDER_OK_UNWANTED 1

/** Not done yet: poll again. From `postrider_api_poll()` alone. */
#define POSTRIDER_OK_PENDING 2

/** The queue was full and its policy is `drop`: the event is gone, and counted as dropped. */
#define POSTRIDER_OK_DROPPED 3

/** The queue or the inbox has no room; the event was not taken. Room comes as the engine drains. */
#define POSTRIDER_E_FULL (-100)

/** The deadline passed first. What was pushed stays pushed. */
#define POSTRIDER_E_TIMEOUT (-101)

/** A pointer that must not be NULL is NULL. */
#define POSTRIDER_E_NULL (-200)

/** Not a handle of this library, or of another kind, or one that was closed. */
#define POSTRIDER_E_HANDLE (-201)

/**
 * A parameter outside its range: a level, a flag, a struct's size, a reserved word that is not
 * zero.
 */
#define POSTRIDER_E_ARGUMENT (-202)

/** The event type is neither in the catalogue nor declared. */
#define POSTRIDER_E_TYPE (-203)

/** A field is unknown, given twice, or of a kind that its contract does not allow. */
#define POSTRIDER_E_FIELD (-204)

/** The JSON cannot be read, or is not an object of fields. */
#define POSTRIDER_E_JSON (-205)

/** Text that is not UTF-8. */
#define POSTRIDER_E_UTF8 (-206)

/** Past a limit: 128 KiB encoded, 256 fields, 16 levels of JSON. */
#define POSTRIDER_E_LIMIT (-207)

/** A configuration key is unknown, or its value is not one it takes. */
#define POSTRIDER_E_CONFIG (-208)

/**
 * This library or mode cannot do it: an engine call in libpostrider-client or on a client handle,
 * or durability in memory mode.
 */
#define POSTRIDER_E_UNSUPPORTED (-209)

/** Another engine holds the data directory. */
#define POSTRIDER_E_LOCKED (-300)

/** The data directory is missing, unsafe (owner, mode, a link) or may not be written. */
#define POSTRIDER_E_DATA_DIR (-301)

/** The system refused a call: disk, memory, descriptors, threads. The text has its reason. */
#define POSTRIDER_E_SYSTEM (-302)

/** Files of a newer version of Postrider, or damaged beyond what recovery may decide. */
#define POSTRIDER_E_FORMAT (-303)

/** The handle is closed or closing. */
#define POSTRIDER_E_CLOSED (-400)

/**
 * The engine stopped itself: its log can no longer be written. Close, look at the disk, open
 * again.
 */
#define POSTRIDER_E_STOPPED (-401)

/**
 * A bug in Postrider was caught in this call; the text has its message and place. The handle is
 * poisoned.
 */
#define POSTRIDER_E_PANIC (-402)

/** A bug was caught in an earlier call with this handle. Close it. */
#define POSTRIDER_E_POISONED (-403)

/** `POSTRIDER_CLASS` of success. */
#define POSTRIDER_CLASS_OK 0

/** `POSTRIDER_CLASS` of statuses that the same call may not meet again later: try again. */
#define POSTRIDER_CLASS_RETRY 1

/** `POSTRIDER_CLASS` of statuses that the same call will always meet: fix the call. */
#define POSTRIDER_CLASS_CALL 2

/** `POSTRIDER_CLASS` of statuses that an operator must lift: disk, permissions, another engine. */
#define POSTRIDER_CLASS_SYSTEM 3

/** `POSTRIDER_CLASS` of statuses that no call with this handle gets past: close it. */
#define POSTRIDER_CLASS_CLOSE 4

/**
 * The text of the last call that failed on this thread: UTF-8, closed by a NUL, at most 1,023
 * bytes.
 *
 * Empty before the first failure; a call that succeeds leaves it alone. Valid until the thread's
 * next failure or end. Any thread.
 */
const char *postrider_last_error(void);

/**
 * The name of a status, such as `POSTRIDER_E_FULL`; `POSTRIDER_E_?` for a number this library
 * doesn't know.
 *
 * Closed by a NUL, valid for ever. Any thread.
 */
const char *postrider_status_name(postrider_status status);


/* -------------------------------------------------------------------------------------------------------------- */
/* Settings, for an engine                                                                                        */
/* -------------------------------------------------------------------------------------------------------------- */

/**
 * A configuration with the default of every key; NULL only where the library is
 * libpostrider-client, which has no use for one.
 */
postrider_config *postrider_config_new(void);

/**
 * Sets one key, such as `batch.max_events` to `1000`. All keys: docs/configuration.md.
 *
 * POSTRIDER_E_CONFIG names the key, the value and what is allowed; the configuration is as before.
 *
 * Requires: `config` NULL or live, `key` and `value` NULL or C strings.
 */
postrider_status postrider_config_set(postrider_config *config, const char *key, const char *value);

/**
 * Sets every key that a TOML file has, as the `postrider` command reads it. If one is refused,
 * none is set.
 *
 * Requires: `config` NULL or live, `path` NULL or a C string.
 */
postrider_status postrider_config_load(postrider_config *config, const char *path);

/**
 * Frees a configuration; engines opened with it keep their settings. NULL is a no-op.
 *
 * Requires: `config` NULL or live.
 */
void postrider_config_free(postrider_config *config);

/** A log level: something is wrong and needs somebody. */
#define POSTRIDER_LOG_ERROR 1

/** A log level: something went wrong and Postrider copes. */
#define POSTRIDER_LOG_WARNING 2

/** A log level: worth a line in the mail log. */
#define POSTRIDER_LOG_INFO 3

/**
 * Takes one message: a POSTRIDER_LOG_… and `length` bytes of UTF-8, without a line end, good for
 * the call alone.
 */
typedef void (*postrider_log_fn)(void *user, uint32_t level, const char *text, size_t length);

/**
 * Has engines opened with this configuration pass what they have to say to `log`, with `user` as
 * its first argument.
 *
 * It is called from the engine's threads and from threads that call Postrider, several at a time,
 * while `postrider_open()` runs and until `postrider_close()` returns; it must not call Postrider.
 * `log` NULL: silence, the default.
 *
 * Requires: `config` NULL or live; `log` and `user` good from any thread as long as an engine opened with
 * them is.
 */
postrider_status postrider_set_logger(postrider_config *config, postrider_log_fn log, void *user);


/* -------------------------------------------------------------------------------------------------------------- */
/* Opening, flushing, closing                                                                                     */
/* -------------------------------------------------------------------------------------------------------------- */

/** A level: in the queue. Lost if the process is killed. */
#define POSTRIDER_LEVEL_QUEUED 0

/** A level: in the log, or in the inbox. Survives a killed process. */
#define POSTRIDER_LEVEL_WRITTEN 1

/** A level: on stable storage. Survives a power cut. */
#define POSTRIDER_LEVEL_SYNCED 2

/**
 * Opens an engine on a data directory, which is made if its parent is there, and starts its
 * threads.
 *
 * `data_dir` NULL keeps everything in memory: nothing survives the process, and levels above
 * QUEUED are refused. `config` NULL means defaults; it may be freed afterwards. One engine per
 * data directory: a second open, of this process or another, gets POSTRIDER_E_LOCKED. Any thread.
 *
 * Requires: `data_dir` NULL or a C string, `config` NULL or live, `out` NULL or writable.
 */
postrider_status postrider_open(const char *data_dir, const postrider_config *config, postrider **out);

/**
 * Connects to the inbox of a data directory, whether or not its engine is up.
 *
 * Starts no thread and opens no socket; each push is one append to a file, and so at level
 * WRITTEN. The directory must be there (the engine makes it at its first start) and this process's
 * user in the inbox's group. Any thread.
 *
 * Requires: `data_dir` NULL or a C string, `out` NULL or writable.
 */
postrider_status postrider_connect(const char *data_dir, postrider **out);

/**
 * Waits until everything that was pushed before this call has reached `level`.
 *
 * On an engine's handle that means by all threads, and in a forked child or on a client handle by
 * this process. `timeout_ms` 0 only looks. POSTRIDER_E_TIMEOUT loses nothing; ask again. Any
 * thread.
 *
 * Requires: `handle` NULL or from this library.
 */
postrider_status postrider_flush(postrider *handle, uint32_t level, uint32_t timeout_ms);

/**
 * Closes a handle: stops taking events, writes and syncs what was taken, lets POSTs in flight end,
 * stops the threads.
 *
 * What is undelivered by then stays in the data directory and goes out after the next open.
 * `timeout_ms` bounds the wait; POSTRIDER_E_TIMEOUT means that some thread did not end in time.
 * The handle is gone whatever is returned. NULL is a no-op. In a forked child the parent's engine
 * is left alone. No other thread may be using the handle.
 *
 * Requires: `handle` NULL or from this library; no other thread in a call with it.
 */
postrider_status postrider_close(postrider *handle, uint32_t timeout_ms);

/**
 * Gives a daemon's child a whole engine again: opens the data directory anew with the first open's
 * settings.
 *
 * For hosts that open, fork and let the parent exit. It waits up to `timeout_ms` for the parent to
 * be gone; POSTRIDER_E_LOCKED: it still holds the directory, try again. Until then the handle is a
 * client, and what is pushed goes to the inbox, from where the new engine takes it.
 *
 * Requires: `handle` NULL or from this library.
 */
postrider_status postrider_restart_after_fork(postrider *handle, uint32_t timeout_ms);

/**
 * Declares an event type of your own, as category and name, and gives its number for pushes with
 * this handle.
 *
 * The same pair gets the same number again, also after a restart of the engine. Names are `a` to
 * `z`, `0` to `9` and `_`, at most 64 bytes; names of the catalogue are taken. Such a type takes
 * fields of any name. Any thread.
 *
 * Requires: `handle` NULL or from this library, `category` and `name` NULL or C strings, `type_id` NULL or
 * writable.
 */
postrider_status postrider_declare_type(postrider *handle,
                                        const char *category,
                                        const char *name,
                                        uint32_t *type_id);


/* -------------------------------------------------------------------------------------------------------------- */
/* Fields of an event                                                                                             */
/* -------------------------------------------------------------------------------------------------------------- */

/** `postrider_field.kind`: text, UTF-8. */
#define POSTRIDER_KIND_STRING 1

/** `postrider_field.kind`: a whole number. */
#define POSTRIDER_KIND_INT 2

/** `postrider_field.kind`: a finite number. */
#define POSTRIDER_KIND_DOUBLE 3

/** `postrider_field.kind`: true or false, from `integer`. */
#define POSTRIDER_KIND_BOOL 4

/** `postrider_field.kind`: one JSON value as text, for the fields that are arrays or objects. */
#define POSTRIDER_KIND_JSON 5

/** The value of a field; `kind` says which member counts. */
typedef union postrider_value {
    /** STRING and JSON: `length` bytes; may be NULL where `length` is 0. */
    const char *text;
    /** INT and BOOL. */
    int64_t integer;
    /** DOUBLE. */
    double number;
} postrider_value;

/**
 * One field of an event. Made by `postrider_str()` and its sisters, below; borrowed until the push
 * returns.
 *
 * A number in a field that the contract sends as text goes out as text.
 */
typedef struct postrider_field {
    /** A `POSTRIDER_FIELD_…`; 0 where the field goes by `name`. */
    uint16_t id;
    /** A `POSTRIDER_KIND_…`. */
    uint16_t kind;
    /** Bytes of `name`; 0 where `id` says which field it is. */
    uint16_t name_length;
    /** Must be 0. */
    uint16_t reserved;
    /** The name, UTF-8; NULL where `id` says which field it is. */
    const char *name;
    /** The value. */
    union postrider_value value;
    /** Bytes of `value.text`; 0 for the other kinds. */
    size_t length;
} postrider_field;


/* -------------------------------------------------------------------------------------------------------------- */
/* Pushing                                                                                                        */
/* -------------------------------------------------------------------------------------------------------------- */

/** Bytes that an event id with its closing NUL may take. */
#define POSTRIDER_EVENT_ID_BYTES 40

/** A type for `postrider_push_json()`: the JSON says it itself. */
#define POSTRIDER_TYPE_IN_JSON 0

/** How one push differs from `postrider_push()`. All zero but the size: not at all. */
typedef struct postrider_push_options {
    /** `sizeof(postrider_push_options)`. */
    size_t size;
    /** Return only when the event has reached this POSTRIDER_LEVEL_…. */
    uint32_t level;
    /**
     * How long to wait for room and for the level; 0 as configured (`queue.policy`,
     * `queue.wait_ms`; 10 s for a level above QUEUED).
     */
    uint32_t timeout_ms;
} postrider_push_options;

/**
 * Pushes an event made of fields: the fast way.
 *
 * `event_id` and `timestamp` are filled in where the fields have none. Returns at level QUEUED (a
 * client handle: WRITTEN), POSTRIDER_OK_UNWANTED where nobody wants the type, or an error, and
 * then nothing was taken. Neither locks nor allocates after a thread's first call. Any thread.
 *
 * Requires: `handle` NULL or from this library, `fields` good for `count` fields and their pointers for
 * their lengths.
 */
postrider_status postrider_push(postrider *handle,
                                uint32_t event_type,
                                const postrider_field *fields,
                                size_t count);

/**
 * Pushes an event given as JSON: an object of fields, checked before it is taken.
 *
 * With POSTRIDER_TYPE_IN_JSON the text says its type itself:
 * `{"msys":{"message_event":{"type":"delivery",…}}}`, or the inner object alone. Otherwise as
 * `postrider_push()`.
 *
 * Requires: `handle` NULL or from this library, `json` good for `length` bytes.
 */
postrider_status postrider_push_json(postrider *handle, uint32_t event_type, const char *json, size_t length);

/**
 * As `postrider_push()`, with a level and a deadline, and tells the event's id.
 *
 * `options` NULL: as `postrider_push()`. `event_id` NULL or room for POSTRIDER_EVENT_ID_BYTES,
 * where the id goes as a C string; empty for an event that was not kept (POSTRIDER_OK_UNWANTED,
 * POSTRIDER_OK_DROPPED). POSTRIDER_E_TIMEOUT: the event is queued, and may still reach the level.
 * Any thread.
 *
 * Requires: As `postrider_push()`; `options` NULL or a struct of the size it starts with, `event_id` NULL or
 * writable.
 */
postrider_status postrider_push_opts(postrider *handle,
                                     uint32_t event_type,
                                     const postrider_field *fields,
                                     size_t count,
                                     const struct postrider_push_options *options,
                                     char *event_id);

/**
 * As `postrider_push_json()`, with the options and the id of `postrider_push_opts()`.
 *
 * Requires: As `postrider_push_json()` and `postrider_push_opts()`.
 */
postrider_status postrider_push_json_opts(postrider *handle,
                                          uint32_t event_type,
                                          const char *json,
                                          size_t length,
                                          const struct postrider_push_options *options,
                                          char *event_id);


/* -------------------------------------------------------------------------------------------------------------- */
/* What the library allocates                                                                                     */
/* -------------------------------------------------------------------------------------------------------------- */

/**
 * Text that the library made; give it back with `postrider_free()`.
 *
 * Start it as `{ 0 }`. A call that fails leaves it alone.
 */
typedef struct postrider_buffer {
    /** The text; a NUL follows it, which `length` does not count. NULL where there is none. */
    char *data;
    /** Its bytes. */
    size_t length;
} postrider_buffer;

/**
 * Frees what a buffer holds and empties it. NULL and an empty buffer are no-ops. Any thread.
 *
 * Requires: NULL, or a buffer that is empty or as the library filled it.
 */
void postrider_free(struct postrider_buffer *buffer);


/* -------------------------------------------------------------------------------------------------------------- */
/* The REST API as a call                                                                                         */
/* -------------------------------------------------------------------------------------------------------------- */

/**
 * A flag: the host itself asks, with all grants and no key. Without it the request's headers carry
 * a key, as `Authorization: KEY`.
 */
#define POSTRIDER_API_ALL_GRANTS 1

/** A request to the REST API. */
typedef struct postrider_api_request {
    /** `sizeof(postrider_api_request)`. */
    size_t size;
    /** Such as `POST`. */
    const char *method;
    /** Path and query, such as `/api/v1/webhooks?timezone=UTC`. */
    const char *path;
    /** Lines of `Name: value`, each closed by a line end; NULL for none. */
    const char *headers;
    /** The body; NULL for none. */
    const void *body;
    /** Bytes of `body`. */
    size_t body_length;
    /** POSTRIDER_API_…. */
    uint32_t flags;
    /**
     * How long `postrider_api()` waits; 0 for as long as it takes, which the engine's own network
     * timeouts bound.
     */
    uint32_t timeout_ms;
} postrider_api_request;

/**
 * Asks the REST API and waits for the answer, at most the request's `timeout_ms`.
 *
 * POSTRIDER_OK means that there is an answer: look at `http_status`, which is 200 where the
 * request was granted. `body` gets its JSON; free it with `postrider_free()`. After
 * POSTRIDER_E_TIMEOUT the request may still take effect. Any thread.
 *
 * Requires: `handle` NULL or from this library, `request` NULL or a struct of the size it starts with, its
 * pointers good; `http_status` and `body` NULL or writable.
 */
postrider_status postrider_api(postrider *handle,
                               const struct postrider_api_request *request,
                               uint32_t *http_status,
                               postrider_buffer *body);

/**
 * Sends a request and returns at once; `postrider_api_poll()` has the answer,
 * `postrider_api_free()` ends it. Any thread.
 *
 * Requires: As `postrider_api()`; `out` NULL or writable. What the request points to is copied.
 */
postrider_status postrider_api_start(postrider *handle,
                                     const struct postrider_api_request *request,
                                     postrider_api_call **out);

/**
 * Fetches the answer of a request, waiting for it up to `timeout_ms`; 0 only looks.
 *
 * POSTRIDER_OK_PENDING: not yet. POSTRIDER_OK: as `postrider_api()`; an answer is given once.
 *
 * Requires: `call` NULL or live; `http_status` and `body` NULL or writable.
 */
postrider_status postrider_api_poll(postrider_api_call *call,
                                    uint32_t timeout_ms,
                                    uint32_t *http_status,
                                    postrider_buffer *body);

/**
 * Frees a request, answered or not; it is not taken back. NULL is a no-op.
 *
 * Requires: `call` NULL or live.
 */
void postrider_api_free(postrider_api_call *call);


/* -------------------------------------------------------------------------------------------------------------- */
/* Figures                                                                                                        */
/* -------------------------------------------------------------------------------------------------------------- */

/**
 * Figures of one handle. All in it are of one moment; the `webhook_…` are of one log offset, and
 * balance: accepted = delivered + dead + dropped + pending.
 */
typedef struct postrider_statistics {
    /** `sizeof(postrider_statistics)`, set by the caller. */
    size_t size;
    /** Events taken by pushes with this handle in this process. */
    uint64_t push_taken;
    /** Pushes that nobody wanted. */
    uint64_t push_unwanted;
    /** Pushes refused because the event was wrong. */
    uint64_t push_invalid;
    /** Pushes refused for want of room. */
    uint64_t push_full;
    /** Events dropped by pushes under the policy `drop`. */
    uint64_t push_dropped;
    /** Pushes that waited for room. */
    uint64_t push_waited;
    /** Events that went to the inbox: all of a client handle's, and those of a forked child. */
    uint64_t push_inbox;
    /** Events that the engine took from the inbox. From here on 0 on a client handle. */
    uint64_t inbox_taken;
    /** Bytes in the queue. */
    uint64_t queue_bytes;
    /** Bytes that the queue holds at most. */
    uint64_t queue_capacity;
    /** Events in the log so far: the next offset. */
    uint64_t log_written;
    /** Of those, on stable storage. */
    uint64_t log_synced;
    /** The offset up to which the figures below count. */
    uint64_t webhook_offset;
    /** Webhooks there are. */
    uint64_t webhooks;
    /** Events that webhooks wanted, each counted once per webhook. */
    uint64_t webhook_accepted;
    /** Of those, accepted by the receiver. */
    uint64_t webhook_delivered;
    /** Of those, given up and listed as dead letters. */
    uint64_t webhook_dead;
    /** Of those, dropped for a reason that the metrics name. */
    uint64_t webhook_dropped;
    /** Of those, still to be delivered. */
    uint64_t webhook_pending;
} postrider_statistics;

/**
 * Fills `stats`, as far as its `size` says. Any thread.
 *
 * Requires: `handle` NULL or from this library, `stats` NULL or a writable struct of the size it starts
 * with.
 */
postrider_status postrider_stats(postrider *handle, struct postrider_statistics *stats);

/**
 * Gives all figures, by webhook and reason, in Prometheus' text format; free it with
 * `postrider_free()`. Any thread.
 *
 * Requires: `handle` NULL or from this library, `text` NULL or writable.
 */
postrider_status postrider_metrics(postrider *handle, postrider_buffer *text);


/* -------------------------------------------------------------------------------------------------------------- */
/* Version of the library                                                                                         */
/* -------------------------------------------------------------------------------------------------------------- */

/**
 * The library's version at run time, such as `0.1.0`; compare with `POSTRIDER_VERSION`.
 *
 * Closed by a NUL, valid for ever. Any thread.
 */
const char *postrider_version(void);

/**
 * The library's version at run time as a number: major × 65536 + minor × 256 + patch; compare with
 * `POSTRIDER_VERSION_NUMBER`. Any thread.
 */
uint32_t postrider_version_number(void);

#ifdef __cplusplus
} /* extern "C" */
#endif


/* -------------------------------------------------------------------------------------------------------------- */
/* Making fields                                                                                                  */
/* -------------------------------------------------------------------------------------------------------------- */

/*
 * Making fields. The text is borrowed until the push returns. A NULL text is refused by the push, which names the
 * field; say postrider_strn(id, "", 0) for an empty one.
 */

/* Not for direct use: a field without its value. */
static inline postrider_field postrider_field_start(uint32_t id, const char *name, uint16_t kind)
{
    postrider_field field;
    size_t length = name ? strlen(name) : 0;
    field.id = (uint16_t)(id > UINT16_MAX ? UINT16_MAX : id);
    field.kind = kind;
    field.name_length = (uint16_t)(length > UINT16_MAX ? UINT16_MAX : length);
    field.reserved = 0;
    field.name = name;
    field.value.integer = 0;
    field.length = 0;
    return field;
}

/* Not for direct use: NULL gets a length so that it is told from an empty text. */
static inline postrider_field postrider_field_text(postrider_field field, const char *text, size_t length)
{
    field.value.text = text;
    field.length = text || !length ? length : 1;
    return field;
}

/* Text of a given length. */
static inline postrider_field postrider_strn(uint32_t id, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(id, NULL, POSTRIDER_KIND_STRING), text, length);
}

/* Text closed by a NUL. */
static inline postrider_field postrider_str(uint32_t id, const char *text)
{
    return postrider_strn(id, text, text ? strlen(text) : 1);
}

/* A whole number. */
static inline postrider_field postrider_int(uint32_t id, int64_t value)
{
    postrider_field field = postrider_field_start(id, NULL, POSTRIDER_KIND_INT);
    field.value.integer = value;
    return field;
}

/* A finite number. */
static inline postrider_field postrider_double(uint32_t id, double value)
{
    postrider_field field = postrider_field_start(id, NULL, POSTRIDER_KIND_DOUBLE);
    field.value.number = value;
    return field;
}

/* True (not 0) or false. */
static inline postrider_field postrider_bool(uint32_t id, int value)
{
    postrider_field field = postrider_field_start(id, NULL, POSTRIDER_KIND_BOOL);
    field.value.integer = value != 0;
    return field;
}

/* A JSON value as text, for arrays and objects: "[\"male\",\"US\"]" for POSTRIDER_FIELD_RCPT_TAGS. */
static inline postrider_field postrider_json(uint32_t id, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(id, NULL, POSTRIDER_KIND_JSON), text, length);
}

/* The same by name, for fields that the catalogue does not have. */
static inline postrider_field postrider_named_strn(const char *name, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(0, name, POSTRIDER_KIND_STRING), text, length);
}

static inline postrider_field postrider_named_str(const char *name, const char *text)
{
    return postrider_named_strn(name, text, text ? strlen(text) : 1);
}

static inline postrider_field postrider_named_int(const char *name, int64_t value)
{
    postrider_field field = postrider_field_start(0, name, POSTRIDER_KIND_INT);
    field.value.integer = value;
    return field;
}

static inline postrider_field postrider_named_double(const char *name, double value)
{
    postrider_field field = postrider_field_start(0, name, POSTRIDER_KIND_DOUBLE);
    field.value.number = value;
    return field;
}

static inline postrider_field postrider_named_bool(const char *name, int value)
{
    postrider_field field = postrider_field_start(0, name, POSTRIDER_KIND_BOOL);
    field.value.integer = value != 0;
    return field;
}

static inline postrider_field postrider_named_json(const char *name, const char *text, size_t length)
{
    return postrider_field_text(postrider_field_start(0, name, POSTRIDER_KIND_JSON), text, length);
}


/* -------------------------------------------------------------------------------------------------------------- */
/* The event catalogue: numbers never change                                                                      */
/* -------------------------------------------------------------------------------------------------------------- */

/* message_event: What happens to a message, from injection to its end */
#define POSTRIDER_TYPE_BOUNCE                              1u /**< The receiving server refused the message for good */
#define POSTRIDER_TYPE_DELIVERY                            2u /**< The receiving server accepted the message */
#define POSTRIDER_TYPE_INJECTION                           3u /**< The message was taken in or generated */
#define POSTRIDER_TYPE_SMS_STATUS                          4u /**< The text message gateway reported a status */
#define POSTRIDER_TYPE_SPAM_COMPLAINT                      5u /**< The recipient called the message spam, and a feedback loop said so */
#define POSTRIDER_TYPE_OUT_OF_BAND                         6u /**< A bounce arrived after the receiving server had accepted the message */
#define POSTRIDER_TYPE_POLICY_REJECTION                    7u /**< The mail server itself refused the message by a rule */
#define POSTRIDER_TYPE_DELAY                               8u /**< The receiving server refused the message for now; it will be tried again */

/* track_event: What recipients do with a message */
#define POSTRIDER_TYPE_CLICK                               9u /**< The recipient followed a tracked link */
#define POSTRIDER_TYPE_OPEN                               10u /**< The recipient opened the message: the pixel near its end was loaded */
#define POSTRIDER_TYPE_INITIAL_OPEN                       11u /**< The recipient began to read the message: the pixel at its top was loaded */
#define POSTRIDER_TYPE_AMP_CLICK                          12u /**< The recipient followed a tracked link in the AMP part */
#define POSTRIDER_TYPE_AMP_OPEN                           13u /**< The recipient opened the AMP part: the pixel near its end was loaded */
#define POSTRIDER_TYPE_AMP_INITIAL_OPEN                   14u /**< The recipient began to read the AMP part: the pixel at its top was loaded */

/* gen_event: Messages that could not be made */
#define POSTRIDER_TYPE_GENERATION_FAILURE                 15u /**< The message could not be made: a fault in the template or its values */
#define POSTRIDER_TYPE_GENERATION_REJECTION               16u /**< A rule stopped the message from being made */

/* unsubscribe_event: Recipients who opt out */
#define POSTRIDER_TYPE_LIST_UNSUBSCRIBE                   17u /**< The recipient opted out through the List-Unsubscribe header */
#define POSTRIDER_TYPE_LINK_UNSUBSCRIBE                   18u /**< The recipient opted out through a link in the message */

/* relay_event: Inbound messages on their way to a relay endpoint */
#define POSTRIDER_TYPE_RELAY_INJECTION                    19u /**< An inbound message was taken in for a relay endpoint */
#define POSTRIDER_TYPE_RELAY_REJECTION                    20u /**< An inbound message for a relay endpoint was refused */
#define POSTRIDER_TYPE_RELAY_DELIVERY                     21u /**< The relay endpoint took the message */
#define POSTRIDER_TYPE_RELAY_TEMPFAIL                     22u /**< The relay endpoint did not take the message; it will be tried again */
#define POSTRIDER_TYPE_RELAY_PERMFAIL                     23u /**< The relay endpoint did not take the message, and it will not be tried again */

/* ab_test_event: How A/B tests end */
#define POSTRIDER_TYPE_AB_TEST_COMPLETED                  24u /**< The A/B test ended and has a winner */
#define POSTRIDER_TYPE_AB_TEST_CANCELLED                  25u /**< The A/B test was called off */

/* ingest_event: What became of uploaded event batches */
#define POSTRIDER_TYPE_SUCCESS                            26u /**< The uploaded batch was stored */
#define POSTRIDER_TYPE_ERROR                              27u /**< The uploaded batch was refused, wholly or in part */

/* Fields, of all types; docs/events.md tells which type has which. */
#define POSTRIDER_FIELD_TYPE                               1u /**< Name of the event's type */
#define POSTRIDER_FIELD_EVENT_ID                           2u /**< Id of this event, never used twice; what receivers deduplicate by */
#define POSTRIDER_FIELD_TIMESTAMP                          3u /**< When it happened, in Unix seconds; a fraction is allowed */
#define POSTRIDER_FIELD_CUSTOMER_ID                        4u /**< Number of the sending account */
#define POSTRIDER_FIELD_SUBACCOUNT_ID                      5u /**< Number of the subaccount; left out for the primary account */
#define POSTRIDER_FIELD_MESSAGE_ID                         6u /**< Id of one recipient's copy of a message */
#define POSTRIDER_FIELD_TRANSMISSION_ID                    7u /**< Id of the send request that produced the message */
#define POSTRIDER_FIELD_CAMPAIGN_ID                        8u /**< Campaign that the sender filed the message under */
#define POSTRIDER_FIELD_TEMPLATE_ID                        9u /**< Stored template that the message was made from */
#define POSTRIDER_FIELD_TEMPLATE_VERSION                  10u /**< Version of that template */
#define POSTRIDER_FIELD_AB_TEST                           11u /**< The A/B test's set-up, counts and, once completed, its winner */
#define POSTRIDER_FIELD_AB_TEST_ID                        12u /**< A/B test that the message took part in */
#define POSTRIDER_FIELD_AB_TEST_VERSION                   13u /**< Version of that A/B test */
#define POSTRIDER_FIELD_RCPT_TO                           14u /**< Recipient in the envelope, in lower case */
#define POSTRIDER_FIELD_RAW_RCPT_TO                       15u /**< Recipient in the envelope, letter case as given */
#define POSTRIDER_FIELD_RCPT_HASH                         16u /**< Stand-in for the recipient's address: 40 hexadecimal digits */
#define POSTRIDER_FIELD_RCPT_TYPE                         17u /**< `cc`, `bcc` or `archive` where the recipient was one of these */
#define POSTRIDER_FIELD_RCPT_META                         18u /**< The sender's own keys and values for this recipient */
#define POSTRIDER_FIELD_RCPT_SUBS                         19u /**< Values that the template was filled in with */
#define POSTRIDER_FIELD_RCPT_TAGS                         20u /**< The sender's tags for this recipient, as text */
#define POSTRIDER_FIELD_RECIPIENT_DOMAIN                  21u /**< Domain of the recipient's address */
#define POSTRIDER_FIELD_ROUTING_DOMAIN                    22u /**< Domain that the message was routed to */
#define POSTRIDER_FIELD_FRIENDLY_FROM                     23u /**< Address in the From header */
#define POSTRIDER_FIELD_MSG_FROM                          24u /**< Sender in the envelope: the return path */
#define POSTRIDER_FIELD_MAILFROM                          25u /**< Envelope sender of the mail that asked to unsubscribe */
#define POSTRIDER_FIELD_SUBJECT                           26u /**< Subject header */
#define POSTRIDER_FIELD_MSG_SIZE                          27u /**< Size of the message in bytes */
#define POSTRIDER_FIELD_INJECTION_TIME                    28u /**< When the message was taken in: ISO 8601, UTC, milliseconds */
#define POSTRIDER_FIELD_SCHEDULED_TIME                    29u /**< When the message was scheduled for, in Unix seconds */
#define POSTRIDER_FIELD_RECV_METHOD                       30u /**< How the message came in: `esmtp`, `rest`, … */
#define POSTRIDER_FIELD_DELV_METHOD                       31u /**< How the message went out: `esmtp`, `sms`, … */
#define POSTRIDER_FIELD_REMOTE_ADDR                       32u /**< Address of the host that the message came from */
#define POSTRIDER_FIELD_IP_ADDRESS                        33u /**< Address of the receiving host; for opens and clicks, of the reader */
#define POSTRIDER_FIELD_SENDING_IP                        34u /**< Local address that the message was sent from */
#define POSTRIDER_FIELD_IP_POOL                           35u /**< Pool that the sending address was taken from */
#define POSTRIDER_FIELD_MAILBOX_PROVIDER                  36u /**< Who runs the recipient's mailbox */
#define POSTRIDER_FIELD_MAILBOX_PROVIDER_REGION           37u /**< Region of that provider */
#define POSTRIDER_FIELD_OUTBOUND_TLS                      38u /**< Code for TLS on the way out */
#define POSTRIDER_FIELD_NUM_RETRIES                       39u /**< Failed attempts before this one */
#define POSTRIDER_FIELD_QUEUE_TIME                        40u /**< Milliseconds from injection to this attempt */
#define POSTRIDER_FIELD_DEVICE_TOKEN                      41u /**< Token of the device or app, for push messages */
#define POSTRIDER_FIELD_TRANSACTIONAL                     42u /**< `1` for a transactional message */
#define POSTRIDER_FIELD_BOUNCE_CLASS                      43u /**< Bounce classification code, as text */
#define POSTRIDER_FIELD_ERROR_CODE                        44u /**< Reply code of the failed attempt, as text */
#define POSTRIDER_FIELD_REASON                            45u /**< Reply of the other side, with addresses masked */
#define POSTRIDER_FIELD_RAW_REASON                        46u /**< Reply of the other side, word for word */
#define POSTRIDER_FIELD_AMP_ENABLED                       47u /**< The message had an AMP part */
#define POSTRIDER_FIELD_CLICK_TRACKING                    48u /**< The message's links were tracked */
#define POSTRIDER_FIELD_OPEN_TRACKING                     49u /**< The message had an open pixel near its end */
#define POSTRIDER_FIELD_INITIAL_PIXEL                     50u /**< The message had an open pixel at its top */
#define POSTRIDER_FIELD_TARGET_LINK_NAME                  51u /**< Name of the link */
#define POSTRIDER_FIELD_TARGET_LINK_URL                   52u /**< Where the link leads */
#define POSTRIDER_FIELD_USER_AGENT                        53u /**< User-Agent header of the request */
#define POSTRIDER_FIELD_USER_AGENT_PARSED                 54u /**< What the User-Agent header says, taken apart */
#define POSTRIDER_FIELD_GEO_IP                            55u /**< Where `ip_address` is thought to be */
#define POSTRIDER_FIELD_FBTYPE                            56u /**< Feedback-Type of the complaint report (RFC 5965) */
#define POSTRIDER_FIELD_REPORT_BY                         57u /**< Host that sent the complaint report */
#define POSTRIDER_FIELD_REPORT_TO                         58u /**< Address that the complaint report went to */
#define POSTRIDER_FIELD_ORIGINATION                       59u /**< Direction of a relayed message */
#define POSTRIDER_FIELD_RELAY_ID                          60u /**< Id shared by all events of one relayed message */
#define POSTRIDER_FIELD_SMS_CODING                        61u /**< Character coding of the text message */
#define POSTRIDER_FIELD_SMS_DST                           62u /**< Number that the text message goes to */
#define POSTRIDER_FIELD_SMS_DST_NPI                       63u /**< Numbering plan of that number */
#define POSTRIDER_FIELD_SMS_DST_TON                       64u /**< Kind of that number */
#define POSTRIDER_FIELD_SMS_SRC                           65u /**< Number that the text message comes from */
#define POSTRIDER_FIELD_SMS_SRC_NPI                       66u /**< Numbering plan of that number */
#define POSTRIDER_FIELD_SMS_SRC_TON                       67u /**< Kind of that number */
#define POSTRIDER_FIELD_SMS_TEXT                          68u /**< Text of the message */
#define POSTRIDER_FIELD_SMS_SEGMENTS                      69u /**< Segments that the text message was cut into */
#define POSTRIDER_FIELD_SMS_REMOTEIDS                     70u /**< Ids that the gateway gave the segments, as text */
#define POSTRIDER_FIELD_DR_LATENCY                        71u /**< Seconds from submission to the delivery report */
#define POSTRIDER_FIELD_STAT_TYPE                         72u /**< Kind of status report */
#define POSTRIDER_FIELD_STAT_STATE                        73u /**< State that the report gives */
#define POSTRIDER_FIELD_BATCH_ID                          74u /**< Id of the uploaded batch */
#define POSTRIDER_FIELD_EXPIRATION_TIMESTAMP              75u /**< Until when the upload's result is kept: ISO 8601, UTC */
#define POSTRIDER_FIELD_NUMBER_SUCCEEDED                  76u /**< Rows that were taken */
#define POSTRIDER_FIELD_NUMBER_FAILED                     77u /**< Rows that were refused */
#define POSTRIDER_FIELD_NUMBER_DUPLICATES                 78u /**< Rows left out because they were known */
#define POSTRIDER_FIELD_ERROR_TYPE                        79u /**< Why the upload failed: `validation`, `system`, `decompress`, `duplicate_batch`, `empty_batch` */
#define POSTRIDER_FIELD_RETRYABLE                         80u /**< Uploading the batch again may help */
#define POSTRIDER_FIELD_HREF                              81u /**< Where the refused rows can be read */

#endif /* POSTRIDER_H */
