//! Every configuration key, once: the file, `postrider_config_set`, the command line and
//! `docs/configuration.md` all read this table.

use super::value::{Kind, Unit};

/// Who reads a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An engine, embedded or served.
    Engine,
    /// An engine and the processes that append to its inbox.
    Client,
    /// `postrider serve` alone.
    Serve,
}

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its dotted name; the part before the dot is the TOML table.
    pub name: &'static str,
    /// Type and allowed values.
    pub kind: Kind,
    /// The default, as it would be written in a call.
    pub default: &'static str,
    /// Who reads it.
    pub scope: Scope,
    /// Whether a running engine takes another value; where not, it holds from the next start on.
    pub live: bool,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

const fn number(unit: Unit, min: u64, max: u64) -> Kind {
    Kind::Number { unit, min, max }
}

const fn engine(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        scope: Scope::Engine,
        live: true,
        doc,
    }
}

const fn client(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        scope: Scope::Client,
        live: true,
        doc,
    }
}

const fn serve(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        scope: Scope::Serve,
        live: true,
        doc,
    }
}

impl Key {
    /// The same key, read when an engine starts and not again.
    const fn at_start(mut self) -> Key {
        self.live = false;
        self
    }
}

/// The table, in the order of the documentation.
pub static TABLE: &[Key] = &[
    engine(
        "queue.bytes",
        number(Unit::Bytes, MIB, GIB),
        "8388608",
        "Size of the in-memory queue between the threads that push and the writer. Rounded up to a power of two.",
    )
    .at_start(),
    client(
        "queue.policy",
        Kind::Choice(&["fail", "wait", "drop"]),
        "fail",
        "What a push does when the queue or the inbox is full: fail at once, wait up to queue.wait_ms, or drop the event. Each is counted.",
    ),
    client(
        "queue.wait_ms",
        number(Unit::Millis, 1, 3_600_000),
        "100",
        "How long a push waits for room under queue.policy = wait.",
    ),
    engine(
        "log.segment_bytes",
        number(Unit::Bytes, 4 * MIB, GIB),
        "67108864",
        "Size of one segment file of the event log. Segments are allocated ahead and recycled.",
    )
    .at_start(),
    engine(
        "log.max_bytes",
        number(Unit::Bytes, 16 * MIB, 1024 * TIB),
        "10737418240",
        "Space that the event log may take on disk. Past it, what is kept for search goes first, then dead letters, then the largest backlog.",
    ),
    engine(
        "log.memory_bytes",
        number(Unit::Bytes, 4 * MIB, 64 * GIB),
        "67108864",
        "Space that the event log may take in memory mode. Pushes are held up when it is full.",
    )
    .at_start(),
    engine(
        "log.keep",
        Kind::Choice(&["wanted", "all"]),
        "wanted",
        "Which events the log takes: those that a webhook wants, or all, kept for search. `postrider serve` sets all.",
    ),
    engine(
        "log.keep_days",
        number(Unit::Days, 0, 3650),
        "10",
        "How long events stay searchable under log.keep = all, within log.max_bytes.",
    ),
    client(
        "events.custom",
        Kind::CustomTypes,
        "",
        "Event types beside those of the catalogue, each written category/type.",
    ),
    client(
        "events.unknown_fields",
        Kind::Bool,
        "false",
        "Whether an event may carry fields that the catalogue does not give its type. Names that begin with x_ are always allowed.",
    ),
    engine(
        "inbox.enabled",
        Kind::Bool,
        "true",
        "Whether the engine takes events that other processes append to the inbox directory.",
    )
    .at_start(),
    engine(
        "inbox.group",
        Kind::Text,
        "",
        "Group that owns the inbox directory, so that processes of other users may append. Empty: the engine's own group.",
    )
    .at_start(),
    client(
        "inbox.max_bytes",
        number(Unit::Bytes, MIB, TIB),
        "1073741824",
        "Space that untaken events may take in the inbox. When it is full, queue.policy decides.",
    )
    .at_start(),
    engine(
        "batch.max_events",
        number(Unit::Count, 1, 8192),
        "350",
        "Most events of one batch. A webhook may have its own.",
    ),
    engine(
        "batch.max_bytes",
        number(Unit::Bytes, KIB, 64 * MIB),
        "1000000",
        "Most bytes of one batch's body, unless one event alone is bigger. A webhook may have its own.",
    ),
    engine(
        "batch.linger_ms",
        number(Unit::Millis, 0, 3_600_000),
        "1000",
        "How long a batch waits to fill up. 0: an idle receiver gets its events at once. A webhook may have its own.",
    ),
    engine(
        "batch.in_flight",
        number(Unit::Count, 1, 256),
        "4",
        "Most batches under way at once to one webhook. A webhook may have its own.",
    ),
    engine(
        "rate.requests_per_s",
        number(Unit::Count, 0, 1_000_000),
        "0",
        "Most POSTs a second to one webhook, retries included. 0: no limit. A webhook may have its own.",
    ),
    engine(
        "rate.events_per_s",
        number(Unit::Count, 0, 100_000_000),
        "0",
        "Most events a second to one webhook, over time; its batches hold no more than a second's worth. 0: no limit. A webhook may have its own.",
    ),
    engine(
        "backlog.max_events",
        number(Unit::Count, 0, TIB),
        "0",
        "Where log.max_bytes is reached, a webhook with more events than this waiting gives up its oldest first. 0: no limit. A webhook may have its own.",
    ),
    engine(
        "backlog.max_bytes",
        number(Unit::Bytes, 0, 64 * TIB),
        "0",
        "The same by bytes.",
    ),
    engine(
        "filter.rendered_bytes",
        number(Unit::Bytes, MIB, 64 * TIB),
        "268435456",
        "What filters of webhooks made of batches may take on disk (in memory mode: in memory). Where it is full, dead letters among it go first, then such webhooks wait.",
    ),
    engine(
        "retry.schedule",
        Kind::Seconds,
        "30,60,120,300,600,1200,2400,3600,5400,7200,7800",
        "Seconds between one attempt and the next. The last one repeats until the batch is too old.",
    ),
    engine(
        "retry.jitter",
        Kind::Fraction,
        "0.2",
        "Each spacing is varied at random by up to this fraction, so that webhooks do not retry in step.",
    ),
    engine(
        "retry.give_up_after_s",
        number(Unit::Seconds, 1, 365 * 86_400),
        "28800",
        "A batch is given up this long after its last event was written, whatever the attempts, and becomes a dead letter.",
    ),
    engine(
        "retry.after_max_s",
        number(Unit::Seconds, 0, 86_400),
        "3600",
        "The most that a receiver's Retry-After can postpone the next attempt.",
    ),
    engine(
        "http.timeout_ms",
        number(Unit::Millis, 1, 3_600_000),
        "10000",
        "Deadline of one attempt, from connecting to the end of the answer.",
    ),
    engine(
        "http.resolve_timeout_ms",
        number(Unit::Millis, 1, 3_600_000),
        "3000",
        "Deadline for looking the name up, within http.timeout_ms.",
    ),
    engine(
        "http.connect_timeout_ms",
        number(Unit::Millis, 1, 3_600_000),
        "3000",
        "Deadline for connecting, over all addresses of the name, within http.timeout_ms.",
    ),
    engine(
        "http.tls_timeout_ms",
        number(Unit::Millis, 1, 3_600_000),
        "3000",
        "Deadline for the TLS handshake, within http.timeout_ms.",
    ),
    engine(
        "http.send_timeout_ms",
        number(Unit::Millis, 1, 3_600_000),
        "10000",
        "Deadline for sending the request, within http.timeout_ms.",
    ),
    engine(
        "http.first_byte_timeout_ms",
        number(Unit::Millis, 1, 3_600_000),
        "10000",
        "Deadline for the first byte of the answer once the request is sent, within http.timeout_ms.",
    ),
    engine(
        "http.idle_ms",
        number(Unit::Millis, 0, 3_600_000),
        "4000",
        "How long a connection is kept for the next request. A receiver that says less, or closes earlier, is given less.",
    ),
    engine(
        "http.max_requests",
        number(Unit::Count, 1, 4_294_967_295),
        "1000",
        "Most requests over one connection; then a new one is made, to wherever the name points by then.",
    ),
    engine(
        "http.user_agent",
        Kind::HeaderText,
        concat!("Postrider/", env!("CARGO_PKG_VERSION")),
        "User-Agent header of every POST.",
    ),
    engine(
        "http.allow_target",
        Kind::AllowTargets,
        "",
        "Networks that targets may be in although they are private, loopback or link-local, each CIDR[:PORT] ([CIDR]:PORT for IPv6). Also lifts the limit to ports 80 and 443 for them.",
    ),
    engine(
        "http.proxy",
        Kind::Text,
        "",
        "Proxy that targets are reached through, http://[USER:PASSWORD@]HOST[:PORT]: a tunnel for https, absolute form for http. It looks their names up, so keeping them off inner networks is up to its rules. Empty: none; the environment is not read.",
    ),
    engine(
        "http.no_proxy",
        Kind::Text,
        "",
        "Targets that are reached without the proxy, with commas between: *, names (each with all below it), addresses and networks, each with or without :PORT.",
    ),
    engine(
        "http.ca_file",
        Kind::Text,
        "",
        "PEM file of certificate authorities to trust for targets. Empty: the system's.",
    ),
    engine(
        "http.certificate_file",
        Kind::Text,
        "",
        "PEM file of the client certificate, its chain behind it, for receivers that ask for one. Empty: none. A webhook may have its own.",
    ),
    engine(
        "http.key_file",
        Kind::Text,
        "",
        "PEM file of the client certificate's private key. Empty: it is in http.certificate_file.",
    ),
    engine(
        "http.max_connections",
        number(Unit::Count, 1, 65_535),
        "1000",
        "Most connections open at once to all targets.",
    ),
    engine(
        "http.max_per_target",
        number(Unit::Count, 1, 65_535),
        "16",
        "Most connections open at once to one target; a webhook's batches in flight beyond it wait for one.",
    ),
    engine(
        "log.sync_ms",
        number(Unit::Millis, 1, 60_000),
        "1000",
        "What was written is on stable storage after this long, even when nobody waits for it.",
    ),
    engine(
        "history.keep_hours",
        number(Unit::Hours, 1, 8760),
        "24",
        "How long the batch history of a webhook is kept.",
    ),
    engine(
        "dead.keep_days",
        number(Unit::Days, 0, 3650),
        "7",
        "How long dead letters are kept, within log.max_bytes.",
    ),
    engine(
        "api.echo_secrets",
        Kind::Bool,
        "false",
        "Show passwords, tokens and custom header values in API answers, as the original API did, instead of a mask.",
    ),
    engine(
        "api.requests_per_second",
        number(Unit::Count, 0, 1_000_000),
        "100",
        "Requests a second that each API key may send, with bursts of twice as many; what is above gets 429. Keys that do not exist share one such allowance. 0: any number.",
    ),
    engine(
        "api.audit",
        Kind::Bool,
        "true",
        "Whether audit.log in the data directory gets a line for every request to the API that would change something.",
    ),
    engine(
        "admin.socket",
        Kind::Bool,
        "true",
        "Whether the data directory has a Unix socket (admin.sock, 0600) through which the command line reaches the running engine.",
    )
    .at_start(),
    serve(
        "serve.listen",
        Kind::Listen,
        "127.0.0.1:8025",
        "Address and port of the REST API. Port 0 takes a free one. One that other machines reach needs TLS, or serve.insecure.",
    )
    .at_start(),
    serve(
        "serve.tls_cert",
        Kind::Text,
        "",
        "PEM file of the listener's certificate, with those that vouch for it behind it. Empty: no TLS.",
    ),
    serve(
        "serve.tls_key",
        Kind::Text,
        "",
        "PEM file of the certificate's private key.",
    ),
    serve(
        "serve.insecure",
        Kind::Bool,
        "false",
        "Lets serve.listen be reached from other machines without TLS: keys then travel in the clear, unless a proxy before it does TLS.",
    ),
    serve(
        "serve.max_connections",
        number(Unit::Count, 1, 65_535),
        "256",
        "Most connections open at once to each of its sockets; further ones wait to be accepted.",
    ),
    serve(
        "serve.ingest_socket",
        Kind::Text,
        "",
        "Path of a Unix socket that takes POST /api/v1/ingest/events without a key, from whoever may open it: its mode is 0660, its group inbox.group. Empty: none.",
    )
    .at_start(),
    serve(
        "serve.log_level",
        Kind::Choice(&["error", "warning", "info"]),
        "info",
        "The least serious lines that serve writes to standard error.",
    ),
    serve(
        "serve.log_format",
        Kind::Choice(&["text", "json"]),
        "text",
        "What serve writes to standard error: lines of text, or of JSON with time, level and message.",
    ),
];

/// The key of that name.
pub fn key(name: &str) -> Option<&'static Key> {
    TABLE.iter().find(|k| k.name == name)
}
