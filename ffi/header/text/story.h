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
