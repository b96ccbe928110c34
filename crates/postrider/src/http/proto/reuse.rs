//! How an answer ended, and whether its connection may carry another request.

/// How the body of an answer ended. The status stands in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyEnd {
    /// As its framing announced.
    Complete,
    /// Given up at [`Limits::body_read`](super::Limits::body_read).
    TooLong,
    /// The connection ended first.
    Truncated,
    /// Its chunks are malformed.
    Malformed,
    /// The deadline passed first.
    TimedOut,
}

/// Whether a connection may carry another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reuse {
    /// It may.
    Yes,
    /// It may not, because …
    No(NoReuse),
}

/// Why a connection can't carry another request. Counted, so that an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NoReuse {
    /// The answer says `Connection: close`.
    ServerAsked,
    /// The connection ended with the answer, though it did not say so.
    ServerClosed,
    /// HTTP/1.0 without `Connection: keep-alive`.
    Http10,
    /// The body ends where the connection ends.
    UntilClose,
    /// Both Content-Length and Transfer-Encoding: a proxy on the way may see another end.
    BothFramings,
    /// The answer came before the request was sent whole.
    EarlyAnswer,
    /// Bytes behind the end of the answer.
    Unsolicited,
    /// The body did not end as announced: see [`BodyEnd`].
    BodyCut,
    /// It has carried as many requests as one connection may.
    RequestLimit,
    /// While idle, the receiver closed it or sent what nobody asked for.
    IdleClosed,
    /// Idle for as long as a connection may be.
    IdleAge,
    /// Idle, closed to make room for another target's.
    Evicted,
    /// It was made with settings that hold no longer.
    Settings,
}

impl NoReuse {
    /// Every reason, in the order of [`NoReuse::index`].
    pub const ALL: [NoReuse; 13] = [
        NoReuse::ServerAsked,
        NoReuse::ServerClosed,
        NoReuse::Http10,
        NoReuse::UntilClose,
        NoReuse::BothFramings,
        NoReuse::EarlyAnswer,
        NoReuse::Unsolicited,
        NoReuse::BodyCut,
        NoReuse::RequestLimit,
        NoReuse::IdleClosed,
        NoReuse::IdleAge,
        NoReuse::Evicted,
        NoReuse::Settings,
    ];

    /// A place in an array of counters, below `ALL.len()`.
    pub fn index(self) -> usize {
        self as usize
    }

    /// A word for metrics.
    pub fn name(self) -> &'static str {
        match self {
            NoReuse::ServerAsked => "server_asked",
            NoReuse::ServerClosed => "server_closed",
            NoReuse::Http10 => "http_1_0",
            NoReuse::UntilClose => "until_close",
            NoReuse::BothFramings => "both_framings",
            NoReuse::EarlyAnswer => "early_answer",
            NoReuse::Unsolicited => "unsolicited",
            NoReuse::BodyCut => "body_cut",
            NoReuse::RequestLimit => "request_limit",
            NoReuse::IdleClosed => "idle_closed",
            NoReuse::IdleAge => "idle_age",
            NoReuse::Evicted => "evicted",
            NoReuse::Settings => "settings",
        }
    }
}
