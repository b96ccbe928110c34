//! What an attempt's end means, and how long to wait for the next.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::settings::Retry;
use super::window::Sign;
use crate::http::{BodyEnd, Done, ErrorKind, Phase};
use crate::time::UnixMillis;
use crate::webhook::{Meaning, Outcomes};

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// What came back.
    pub(crate) answer: Answer,
    /// From start to end, milliseconds.
    pub(crate) latency_ms: u32,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// An answer. Its status stands whatever became of its body.
    Status {
        status: u16,
        /// The body came whole: only then does a refusal speak of the batch itself.
        complete: bool,
        retry_after: Option<Duration>,
    },
    /// None: the error's name as Node.js has it, and what happened in words.
    None {
        code: &'static str,
        words: String,
        /// No part of the batch reached the target, and the fault is not ours: it can't be the batch.
        unreached: bool,
    },
}

/// What an answer means for its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Delivered,
    /// Try again later.
    Retry,
    /// The batch is larger than the receiver takes.
    TooBig,
    /// The receiver refuses the batch for what is in it.
    Refused,
    /// The receiver will never take the batch: the webhook's table says so.
    Dead,
    /// The receiver wants no more batches.
    Disable,
}

impl Ended {
    /// Reads an exchange's end. `now_ms` is what a date in `Retry-After` is compared with.
    pub(crate) fn of(done: &Done, now_ms: UnixMillis) -> Ended {
        let answer = match &done.result {
            Ok(response) => Answer::Status {
                status: response.status,
                complete: response.end == BodyEnd::Complete,
                retry_after: response
                    .headers
                    .get("retry-after")
                    .and_then(|value| retry_after(value, now_ms)),
            },
            Err(error) => Answer::None {
                code: error.node_code,
                words: error.message.clone(),
                unreached: error.kind != ErrorKind::Local && error.phase < Phase::Send,
            },
        };
        let latency_ms = u32::try_from(done.latency.as_millis()).unwrap_or(u32::MAX);
        Ended { answer, latency_ms }
    }

    /// What it means by the webhook's own table, else by the contract.
    pub(crate) fn verdict(&self, table: &Outcomes) -> Verdict {
        let own = match self.answer {
            Answer::Status { status, .. } => table.of(status),
            Answer::None { .. } => None,
        };
        match own {
            Some(Meaning::Success) => Verdict::Delivered,
            Some(Meaning::Retry) => Verdict::Retry,
            Some(Meaning::Dead) => Verdict::Dead,
            Some(Meaning::Disable) => Verdict::Disable,
            None => self.verdict_of_contract(),
        }
    }

    fn verdict_of_contract(&self) -> Verdict {
        match self.answer {
            Answer::Status {
                status: 200..=299, ..
            } => Verdict::Delivered,
            Answer::Status { status: 410, .. } => Verdict::Disable,
            Answer::Status {
                status: 413,
                complete: true,
                ..
            } => Verdict::TooBig,
            Answer::Status {
                status: 400 | 422,
                complete: true,
                ..
            } => Verdict::Refused,
            Answer::Status { .. } | Answer::None { .. } => Verdict::Retry,
        }
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self.answer {
            Answer::Status { retry_after, .. } => retry_after,
            Answer::None { .. } => None,
        }
    }

    /// What it says about how much the receiver bears; none where the fault is ours.
    pub(super) fn sign(&self) -> Option<Sign> {
        let latency = Duration::from_millis(u64::from(self.latency_ms));
        match self.answer {
            Answer::Status {
                status: 429 | 503, ..
            } => Some(Sign::Overload),
            Answer::Status { .. } => Some(Sign::Answer(latency)),
            Answer::None {
                code: "EIO" | "EMFILE" | "ENFILE" | "ENOBUFS" | "ENOMEM" | "EADDRNOTAVAIL",
                ..
            } => None,
            Answer::None { .. } => Some(Sign::Overload),
        }
    }

    /// The status of a complete answer, as the journal wants it.
    pub(crate) fn status(&self) -> Option<u16> {
        match self.answer {
            Answer::Status {
                status,
                complete: true,
                ..
            } => Some(status),
            _ => None,
        }
    }

    /// Whether it can't be the batch that failed, only the way to the target.
    pub(crate) fn unreached(&self) -> bool {
        matches!(
            self.answer,
            Answer::None {
                unreached: true,
                ..
            }
        )
    }

    /// The status of any answer.
    pub(crate) fn any_status(&self) -> u16 {
        match self.answer {
            Answer::Status { status, .. } => status,
            Answer::None { .. } => 0,
        }
    }

    /// The failure's short name: empty when the status says it all.
    pub(crate) fn code(&self) -> Cow<'static, str> {
        match self.answer {
            Answer::Status { complete: true, .. } => Cow::Borrowed(""),
            Answer::Status { status, .. } => Cow::Owned(status.to_string()),
            Answer::None { code, .. } => Cow::Borrowed(code),
        }
    }

    /// The failure for people: its name, and what happened.
    pub(crate) fn label(&self) -> String {
        match &self.answer {
            Answer::Status { status, .. } => status.to_string(),
            Answer::None { code, words, .. } => format!("{code}: {words}"),
        }
    }
}

impl Retry {
    /// The pause after the `attempts`-th failed attempt (1 is the first): the schedule's entry,
    /// jittered, or what the receiver asked for where that is longer and not too long.
    pub(crate) fn pause(&self, attempts: u32, asked: Option<Duration>, rng: &mut Rng) -> Duration {
        let last = self.schedule.len().saturating_sub(1);
        let at = (attempts.saturating_sub(1) as usize).min(last);
        let spacing = self
            .schedule
            .get(at)
            .copied()
            .unwrap_or(Duration::from_secs(30));
        let stray = self.jitter.clamp(0.0, 0.9) * (2.0 * rng.unit() - 1.0);
        let spacing = spacing.mul_f64(1.0 + stray);
        match asked {
            Some(asked) => spacing.max(asked.min(self.retry_after_max)),
            None => spacing,
        }
    }
}

/// Reads `Retry-After` (RFC 9110 §10.2.3): seconds, or a date in any of the three forms of §5.6.7.
pub(super) fn retry_after(value: &str, now_ms: UnixMillis) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(
            value.parse().unwrap_or(u64::MAX / 1000),
        ));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    let at = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(at.saturating_sub(Duration::from_millis(now_ms)))
}

/// SplitMix64: spreads retries. Nothing secret hangs on it.
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// A number in `[0, 1)`.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn answer(status: u16, complete: bool) -> Ended {
        Ended {
            answer: Answer::Status {
                status,
                complete,
                retry_after: None,
            },
            latency_ms: 0,
        }
    }

    #[test]
    fn statuses_mean_what_the_contract_says() {
        for (status, verdict) in [
            (200, Verdict::Delivered),
            (202, Verdict::Delivered),
            (299, Verdict::Delivered),
            (301, Verdict::Retry),
            (304, Verdict::Retry),
            (400, Verdict::Refused),
            (401, Verdict::Retry),
            (404, Verdict::Retry),
            (410, Verdict::Disable),
            (413, Verdict::TooBig),
            (422, Verdict::Refused),
            (429, Verdict::Retry),
            (500, Verdict::Retry),
            (503, Verdict::Retry),
        ] {
            assert_eq!(
                answer(status, true).verdict(&Outcomes::default()),
                verdict,
                "{status}"
            );
        }
    }

    #[test]
    fn an_incomplete_answer_delivers_but_never_splits() {
        assert_eq!(
            answer(200, false).verdict(&Outcomes::default()),
            Verdict::Delivered
        );
        assert_eq!(
            answer(413, false).verdict(&Outcomes::default()),
            Verdict::Retry
        );
        assert_eq!(
            answer(422, false).verdict(&Outcomes::default()),
            Verdict::Retry
        );
    }

    #[test]
    fn the_default_schedule_spreads_twelve_attempts_over_eight_hours() {
        let retry = Retry::default();
        assert_eq!(retry.schedule.len(), 11);
        let total: Duration = retry.schedule.iter().sum();
        assert!(
            total <= retry.give_up_after && total > retry.give_up_after - S(120),
            "{total:?}"
        );
    }

    #[test]
    fn a_pause_is_within_the_jitter_and_the_last_entry_repeats() {
        let retry = Retry::default();
        let mut rng = Rng::new(1);
        let mut seen = Vec::new();
        for _ in 0..200 {
            let pause = retry.pause(1, None, &mut rng);
            assert!(pause >= S(24) && pause <= S(36), "{pause:?}");
            seen.push(pause);
        }
        seen.sort();
        assert!(
            seen[0] < S(26) && seen[199] > S(34),
            "the jitter is not used"
        );
        let late = retry.pause(500, None, &mut rng);
        assert!(late >= S(130 * 48) && late <= S(130 * 72));
    }

    #[test]
    fn retry_after_is_clamped_between_the_next_spacing_and_the_longest_pause() {
        let retry = Retry {
            jitter: 0.0,
            ..Retry::default()
        };
        let mut rng = Rng::new(1);
        assert_eq!(retry.pause(1, Some(S(1)), &mut rng), S(30));
        assert_eq!(retry.pause(1, Some(S(120)), &mut rng), S(120));
        assert_eq!(retry.pause(1, Some(S(86_400)), &mut rng), S(3600));
        assert_eq!(retry.pause(11, Some(S(60)), &mut rng), S(130 * 60));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        let now = 784_111_777_000;
        assert_eq!(retry_after("120", now), Some(S(120)));
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(S(0))
        );
        assert_eq!(
            retry_after("Sun, 06 Nov 1994 08:50:37 GMT", now),
            Some(S(60))
        );
        for obsolete in ["Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994"] {
            assert_eq!(retry_after(obsolete, now), Some(S(60)), "{obsolete}");
        }
        assert_eq!(
            retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800_000),
            Some(S(0))
        );
        assert_eq!(
            retry_after("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_164_800_000),
            Some(S(86_400))
        );
        for bad in [
            "",
            "-1",
            "1.5",
            "soon",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(retry_after(bad, now), None, "{bad}");
        }
        assert!(retry_after("99999999999999999999", now) > Some(S(86_400)));
    }
}
