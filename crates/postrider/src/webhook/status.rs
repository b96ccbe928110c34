//! What is known of a webhook's POSTs.

use crate::time::UnixMillis;
use thiserror::Error;
use uuid::Uuid;

/// How a webhook fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Batches go out.
    #[default]
    Up,
    /// The target is down: one batch probes it.
    Down,
    /// Held by the operator.
    Paused,
    /// Held because of an answer, such as 410.
    Disabled,
    /// It can't be delivered to as it is: an event type that is not declared, or a target that the
    /// policy refuses.
    Unfit,
    /// Deleted: what has a batch id still goes out.
    Deleted,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Condition; 6] = [
        Condition::Up,
        Condition::Down,
        Condition::Paused,
        Condition::Disabled,
        Condition::Unfit,
        Condition::Deleted,
    ];

    /// Its name in the API and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Condition::Up => "up",
            Condition::Down => "down",
            Condition::Paused => "paused",
            Condition::Disabled => "disabled",
            Condition::Unfit => "unfit",
            Condition::Deleted => "deleted",
        }
    }
}

/// How a webhook's batches fare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// The last attempt that was accepted.
    pub last_successful_ms: Option<UnixMillis>,
    /// The last attempt that was not.
    pub last_failure_ms: Option<UnixMillis>,
    /// Whether they go out.
    pub condition: Condition,
    /// Why not, where there is more to say: the answer that disabled it, the last failure of a target
    /// that is down, what makes it unfit.
    pub why: Option<String>,
}

/// One batch of a webhook's recent history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchStatus {
    /// The batch.
    pub batch_id: Uuid,
    /// The webhook that it was formed for.
    pub webhook_id: Uuid,
    /// When its last attempt ended.
    pub ts_ms: UnixMillis,
    /// Failed attempts; 0 when the first one was accepted.
    pub attempts: u32,
    /// The status of the last answer; `None` when there was none.
    pub response_code: Option<u16>,
    /// Why the last attempt failed: a status, or an error name such as `ECONNREFUSED`.
    /// `None` for a batch that was delivered.
    pub failure_code: Option<String>,
    /// The last attempt's duration in milliseconds.
    pub latency_ms: u32,
    /// Its events.
    pub batch_size: u32,
}

/// A batch that was given up and is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The batch.
    pub batch_id: Uuid,
    /// When it was given up.
    pub dead_ms: UnixMillis,
    /// Why: `expired`, `too_big`, `poison` or `rejected`.
    pub reason: String,
    /// Its events.
    pub events: u32,
    /// Bytes of its body.
    pub bytes: u32,
    /// When its youngest event was written to the log.
    pub last_written_ms: UnixMillis,
    /// Attempts made.
    pub attempts: u32,
    /// The status of the last answer; `None` when there was none.
    pub response_code: Option<u16>,
    /// Why the last attempt failed: a status, or an error name such as `ECONNREFUSED`.
    pub failure_code: Option<String>,
}

/// What a webhook is to be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replay {
    /// These of its dead letters, or all: same ids, same bytes.
    Letters(Option<Vec<Uuid>>),
    /// What was written to the log in this time, is still there, and is wanted by the webhook as it is
    /// now: in new batches, whether or not it was delivered before.
    Written(std::ops::Range<UnixMillis>),
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Batches that go out again.
    pub batches: u64,
    /// Their events.
    pub events: u64,
    /// Ids that are no dead letter of this webhook.
    pub unknown: Vec<Uuid>,
    /// A stretch of time that was too long for one call goes on here.
    pub next_ms: Option<UnixMillis>,
}

/// A receiver's answer to a test POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestPost {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, bounded by the HTTP client.
    pub body: Vec<u8>,
}

impl TestPost {
    /// Any 2xx is a success, all else a failure that carries the answer.
    pub fn judge(self) -> Result<TestPost, TestFailure> {
        if (200..=299).contains(&self.status) {
            Ok(self)
        } else {
            Err(TestFailure::Status(self))
        }
    }
}

/// Why a test POST failed. The texts are the contract's: existing clients show and match them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestFailure {
    /// The receiver answered something else than 2xx; redirects are not followed.
    #[error("POST to webhook target URL failed with non-2xx response code {}", .0.status)]
    Status(TestPost),
    /// There was no answer.
    #[error("POST to webhook target URL failed with error code {code}")]
    NoAnswer {
        /// The error's name as Node.js and OpenSSL know it, such as `ECONNREFUSED`.
        code: String,
        /// What happened, in words.
        detail: String,
    },
    /// The token URL gave no token, so nothing was POSTed to the target.
    #[error("POST to webhook tokens URL failed")]
    NoToken {
        /// What happened, in words.
        detail: String,
        /// The token endpoint's answer, where there was one and it can hold no token.
        response: Option<TestPost>,
    },
}

impl TestFailure {
    /// What was answered in place of a success, where anything was.
    pub fn response(&self) -> Option<&TestPost> {
        match self {
            TestFailure::Status(answer) => Some(answer),
            TestFailure::NoToken { response, .. } => response.as_ref(),
            TestFailure::NoAnswer { .. } => None,
        }
    }
}
