//! The records: one per thing that happens to a batch.

use crate::time::UnixMillis;
use std::borrow::Cow;
use uuid::Uuid;

/// A run of neighbouring offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first offset.
    pub first: u64,
    /// How many.
    pub count: u32,
}

impl Span {
    /// The offset behind the last.
    pub fn end(self) -> u64 {
        self.first + u64::from(self.count)
    }
}

/// A batch as it was formed; never changes afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchStart {
    /// The batch's id: the same at every attempt, also after a restart.
    pub batch: Uuid,
    /// Whose batch it is.
    pub webhook: Uuid,
    /// The webhook's revision that it was formed for.
    pub revision: u32,
    /// Its events, ascending and disjoint.
    pub spans: Vec<Span>,
    /// The webhook has looked at every offset below this one.
    pub scanned_to: u64,
    /// How many events go out: the sum of the spans' counts, unless it was rendered.
    pub events: u32,
    /// Bytes of the body.
    pub bytes: u32,
    /// When the youngest event was written to the log: the clock that gives up.
    pub last_written_ms: UnixMillis,
    /// When the batch was formed.
    pub formed_ms: UnixMillis,
}

/// One half of a split batch, or what was held of one. Webhook, revision and age are its parent's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Half {
    /// The half's own batch id: UUIDv5 of parent and half.
    pub batch: Uuid,
    /// Its part of the parent's events; empty where the parent is rendered.
    pub spans: Vec<Span>,
    /// How many events.
    pub events: u32,
    /// Bytes of the body.
    pub bytes: u32,
}

/// Why events were dropped or a batch given up: a short name, as in metrics. Filters use
/// `filter:NAME`. At most 255 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(Cow<'static, str>);

impl Reason {
    /// Not yet in a batch when its webhook was deleted.
    pub const DELETED: Reason = Reason::of("deleted");
    /// Deleted with everything it had.
    pub const PURGED: Reason = Reason::of("purged");
    /// The webhook was not active.
    pub const INACTIVE: Reason = Reason::of("inactive");
    /// A power cut took the events before they were synced.
    pub const LOST_UNSYNCED: Reason = Reason::of("lost_unsynced");
    /// The log has the event, but its checksum fails.
    pub const DAMAGED: Reason = Reason::of("damaged");
    /// The log does not have the event any more, asked twice.
    pub const MISSING: Reason = Reason::of("missing");
    /// Space was needed.
    pub const SPACE: Reason = Reason::of("space");
    /// Given up: too old.
    pub const EXPIRED: Reason = Reason::of("expired");
    /// Given up: one event larger than the receiver takes.
    pub const TOO_BIG: Reason = Reason::of("too_big");
    /// Given up: the webhook's table says so of the answer.
    pub const REJECTED: Reason = Reason::of("rejected");
    /// Given up: one event that the receiver refuses.
    pub const POISON: Reason = Reason::of("poison");
    /// Given up until it is replayed: a filter of the webhook failed, and its policy is to hold.
    pub const HELD: Reason = Reason::of("held");

    /// A reason known while compiling.
    pub const fn of(name: &'static str) -> Reason {
        Reason(Cow::Borrowed(name))
    }

    /// Any other reason; cut to 255 bytes at a character.
    pub fn named(name: &str) -> Reason {
        Reason(Cow::Owned(clip(name).to_owned()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 255 bytes, ending at a character.
pub(super) fn clip(name: &str) -> &str {
    let mut end = name.len().min(255);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

/// How the codes of failures begin that are put down to a webhook's OAuth 2 token: alone, the receiver
/// refused the token; with `_` and a status or an error's name, none was to be had.
pub const TOKEN_CODE: &str = "ERR_TOKEN";

/// A failure's short code, such as `ECONNREFUSED`. At most 255 bytes.
pub type Code = Cow<'static, str>;

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it: the batch is closed.
    Delivered {
        /// The HTTP status.
        status: u16,
    },
    /// It didn't: the batch stays open.
    Failed {
        /// The HTTP status, when a complete answer came.
        status: Option<u16>,
        /// The error's code, empty when the status says it all.
        code: Code,
    },
}

/// What happened to a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It exists from `at_offset` on; offsets below are none of its business.
    Created,
    /// Offsets from `at_offset` on are selected by this revision.
    Revised(u32),
    /// It forms no more batches; what is open goes on.
    Deleted,
    /// Nothing of it is left to remember: books, history and dead letters go.
    Gone,
}

/// Why nothing of a webhook goes out although it is there. Its events are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The operator said so.
    Paused,
    /// The receiver said so.
    Disabled {
        /// The answer that did it, such as `410`.
        why: Code,
    },
}

/// What a webhook asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Ids of event types.
    pub types: Vec<u16>,
    /// Whose events.
    pub accounts: Accounts,
}

/// Whose events a webhook asks for. Subaccount 0 is the primary account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accounts {
    /// All but these subaccounts.
    AllBut(Vec<u32>),
    /// The primary account alone.
    Primary,
    /// One subaccount alone.
    One(u32),
}

/// What the journal records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A batch was formed; its events count as accepted and open.
    Start(BatchStart),
    /// The webhook's own filters have made of a batch what goes out, at every attempt. What they held
    /// is an open batch from here on.
    Rendered {
        /// The batch.
        batch: Uuid,
        /// When.
        at_ms: UnixMillis,
        /// Where its bytes are; nil where nothing is left of it.
        file: Uuid,
        /// Events that are left, those added included; with none the batch has ended.
        events: u32,
        /// Bytes of the body.
        bytes: u32,
        /// Events that filters added; they count as accepted.
        added: u32,
        /// Events that filters dropped.
        dropped: Vec<(Reason, u32)>,
        /// What they held.
        held: Option<Half>,
    },
    /// An attempt is about to leave.
    Attempt {
        /// The batch.
        batch: Uuid,
        /// 1 for the first.
        number: u32,
        /// When.
        at_ms: UnixMillis,
    },
    /// An attempt ended.
    Outcome {
        /// The batch.
        batch: Uuid,
        /// When.
        at_ms: UnixMillis,
        /// From the first byte out to the answer's end, milliseconds.
        latency_ms: u32,
        /// How.
        result: Outcome,
        /// When the next attempt is due; 0 after a delivery.
        next_at_ms: UnixMillis,
    },
    /// A batch went in two; the halves are open, with no attempt yet.
    Split {
        /// The batch that is no more.
        parent: Uuid,
        /// When.
        at_ms: UnixMillis,
        /// Its events in order.
        halves: [Half; 2],
    },
    /// A batch was given up: a dead letter.
    Dead {
        /// The batch.
        batch: Uuid,
        /// Why.
        reason: Reason,
        /// When.
        at_ms: UnixMillis,
    },
    /// A dead letter is open again, under its id, due at once.
    Replay {
        /// The batch.
        batch: Uuid,
        /// When; it is also where its age begins anew.
        at_ms: UnixMillis,
    },
    /// A dead letter's events are not kept any more; it stays counted as dead.
    Forget {
        /// The batch.
        batch: Uuid,
    },
    /// An open batch was dropped, events and all.
    Close {
        /// The batch.
        batch: Uuid,
        /// Why.
        reason: Reason,
        /// When.
        at_ms: UnixMillis,
    },
    /// Events that the webhook wanted were dropped before they were in a batch; they count as
    /// accepted and dropped.
    Dropped {
        /// The webhook.
        webhook: Uuid,
        /// Why.
        reason: Reason,
        /// How many.
        events: u64,
        /// It has looked at every offset below this one.
        scanned_to: u64,
    },
    /// The webhook looked further and wanted nothing.
    Floor {
        /// The webhook.
        webhook: Uuid,
        /// It has looked at every offset below this one.
        scanned_to: u64,
    },
    /// A webhook asks for something else. Events are selected by what was asked for at their
    /// offset, however late they are looked at.
    Selected {
        /// The webhook.
        webhook: Uuid,
        /// From which offset on.
        at_offset: u64,
        /// What.
        asked: Asked,
    },
    /// A webhook is held, or goes on.
    Held {
        /// The webhook.
        webhook: Uuid,
        /// When; where it goes on, the age of what waited begins anew here.
        at_ms: UnixMillis,
        /// Why; `None`: it goes on.
        hold: Option<Hold>,
    },
    /// A webhook changed.
    Webhook {
        /// The webhook.
        webhook: Uuid,
        /// How.
        change: Change,
        /// From which offset on.
        at_offset: u64,
    },
}
