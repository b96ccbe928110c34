//! A webhook's OAuth 2 token as the scheduler sees it: what it is good for, never its text.
//!
//! ```text
//!            wanted              answer
//!   needed ─────────▶ fetching ─────────▶ good until ──renew_at──▶ good, fetching the next
//!      ▲                 │ failed             │
//!      │                 ▼                    │ expired, or refused by the receiver
//!      └────────── waits, then again ◀────────┘
//! ```
//!
//! One fetch at a time. A token is renewed only for a batch that is about to go out. A 401 says that
//! the token is no good; a 400 may say so too, as the contract has it, but it may also speak of the
//! batch. So a refusal is put down to the token once per token and batch: the batch goes out again
//! at once with the next token, and what the receiver says then is about the batch. And it is put
//! down only to a token that was good before: a fresh one can't have expired. A batch that was refused
//! with one token again and again doubts it once more: it may have ended since, and where nothing else
//! goes out nobody else would find out.

use std::time::Duration;

use crate::time::Instant;

/// How long before its end a token is renewed at most; a fifth of its life where that is less.
const AHEAD: Duration = Duration::from_secs(60);

/// After so many refusals with one token, each a retry apart, a batch doubts the token again.
const DOUBTED_AFTER: u32 = 3;

#[derive(Debug)]
pub(super) struct Token {
    /// What it is fetched with; changes with the webhook's OAuth 2 settings.
    source: u64,
    /// The exchange that brought the present token: tokens are told apart by it. 0: none.
    serial: u64,
    /// `None`: there is no token, or not a good one.
    good: Option<Good>,
    /// Whether a receiver has taken something with it.
    proved: bool,
    fetch: Fetch,
    /// While fetching fails: when to look for waiting events that are too old.
    pub(super) next_sweep: Instant,
    /// A failed fetch that the batch history does not show yet.
    pub(super) unreported: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct Good {
    until: Instant,
    renew_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetch {
    Idle,
    Flying {
        exchange: u64,
        tries: u32,
    },
    /// It failed so often in a row.
    Waits {
        until: Instant,
        tries: u32,
    },
}

/// What a batch's refusals have said of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Blame {
    /// The token of the attempt that is under way, or was last.
    pub(super) serial: u64,
    /// The last attempt's refusal was put down to its token.
    just_now: bool,
    /// The token with which the batch itself was refused, and how often it was.
    cleared: u64,
    refusals: u32,
    /// Attempts that don't count against the batch.
    pub(super) excused: u32,
}

impl Token {
    pub(super) fn new(source: u64) -> Token {
        Token {
            source,
            serial: 0,
            good: None,
            proved: false,
            fetch: Fetch::Idle,
            next_sweep: Instant(0),
            unreported: None,
        }
    }

    pub(super) fn source(&self) -> u64 {
        self.source
    }

    /// The token that an attempt takes now.
    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    pub(super) fn is_good(&self, now: Instant) -> bool {
        self.good.is_some_and(|good| now < good.until)
    }

    /// Whether a fetch should begin, now that something is about to go out.
    pub(super) fn wants_fetch(&self, now: Instant) -> bool {
        let free = match self.fetch {
            Fetch::Idle => true,
            Fetch::Flying { .. } => false,
            Fetch::Waits { until, .. } => now >= until,
        };
        free && self.good.is_none_or(|good| now >= good.renew_at)
    }

    pub(super) fn begin(&mut self, exchange: u64) {
        let tries = self.tries();
        self.fetch = Fetch::Flying { exchange, tries };
    }

    pub(super) fn is_fetched_by(&self, exchange: u64) -> bool {
        matches!(self.fetch, Fetch::Flying { exchange: own, .. } if own == exchange)
    }

    pub(super) fn arrived(&mut self, exchange: u64, lifetime: Option<Duration>, now: Instant) {
        let end = |life: Duration| Good {
            until: now.after(life),
            renew_at: now.after(life - AHEAD.min(life / 5)),
        };
        let never = Instant(u64::MAX);
        self.good = Some(lifetime.map_or(
            Good {
                until: never,
                renew_at: never,
            },
            end,
        ));
        self.serial = exchange;
        self.proved = false;
        self.fetch = Fetch::Idle;
        self.unreported = None;
    }

    /// Failed fetches in a row.
    pub(super) fn tries(&self) -> u32 {
        match self.fetch {
            Fetch::Idle => 0,
            Fetch::Flying { tries, .. } | Fetch::Waits { tries, .. } => tries,
        }
    }

    pub(super) fn failed(&mut self, code: String, pause: Duration, now: Instant) {
        let tries = self.tries() + 1;
        let until = now.after(pause);
        self.fetch = Fetch::Waits { until, tries };
        self.unreported = Some(code);
    }

    /// Whether nothing goes out because there is no token, and none to be had.
    pub(super) fn is_failing(&self, now: Instant) -> bool {
        self.tries() > 0 && !self.is_good(now)
    }

    /// When a failed fetch is due again.
    pub(super) fn next_look(&self) -> Option<Instant> {
        match self.fetch {
            Fetch::Waits { until, .. } => Some(until),
            _ => None,
        }
    }

    /// Takes a receiver's acceptance into account.
    pub(super) fn accepted(&mut self, serial: u64) {
        self.proved |= serial == self.serial;
    }

    /// Takes a receiver's refusal into account: whether its token is to blame, not the batch.
    pub(super) fn refused(&mut self, status: u16, blame: &mut Blame) -> bool {
        if !matches!(status, 400 | 401) {
            blame.just_now = false;
            return false;
        }
        let serial = blame.serial;
        let present = serial == self.serial && self.good.is_some();
        let may_have_ended = !present || self.proved;
        if blame.cleared != serial {
            blame.refusals = 0;
        }
        let is_doubted = blame.cleared != serial || blame.refusals >= DOUBTED_AFTER;
        let is_to_blame = may_have_ended && !blame.just_now && is_doubted;
        if present && (is_to_blame || status == 401) {
            self.good = None;
        }
        blame.just_now = is_to_blame;
        if is_to_blame {
            blame.excused += 1;
        } else {
            blame.cleared = serial;
            blame.refusals += 1;
        }
        is_to_blame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const NOW: Instant = Instant(1_000_000_000);

    fn fetched(lifetime: Option<Duration>) -> Token {
        let mut token = Token::new(1);
        assert!(token.wants_fetch(NOW) && !token.is_good(NOW));
        token.begin(7);
        assert!(!token.wants_fetch(NOW), "one at a time");
        assert!(token.is_fetched_by(7) && !token.is_fetched_by(8));
        token.arrived(7, lifetime, NOW);
        token
    }

    #[test]
    fn a_token_is_renewed_ahead_of_its_end_and_good_until_then() {
        for (life, renew) in [(3600, 3540), (100, 80), (5, 4)] {
            let token = fetched(Some(S(life)));
            let at = |s: u64| NOW.after(S(s));
            assert!(
                token.is_good(at(life - 1)) && !token.is_good(at(life)),
                "{life}"
            );
            assert!(
                !token.wants_fetch(at(renew - 1)) && token.wants_fetch(at(renew)),
                "{life}"
            );
        }
        let endless = fetched(None);
        assert!(endless.is_good(Instant(u64::MAX - 1)));
        assert!(!endless.wants_fetch(Instant(u64::MAX - 1)));
    }

    #[test]
    fn a_failed_fetch_waits_and_counts_until_one_succeeds() {
        let mut token = Token::new(1);
        for tries in 1..=3 {
            token.begin(tries);
            token.failed("401".into(), S(30), NOW);
            assert_eq!(u64::from(token.tries()), tries);
            assert!(token.is_failing(NOW));
            assert!(!token.wants_fetch(NOW.after(S(29))) && token.wants_fetch(NOW.after(S(30))));
            assert_eq!(token.next_look(), Some(NOW.after(S(30))));
        }
        token.begin(9);
        token.arrived(9, None, NOW);
        assert_eq!((token.tries(), token.is_failing(NOW)), (0, false));
    }

    #[test]
    fn a_renewal_that_fails_leaves_the_token_good() {
        let mut token = fetched(Some(S(100)));
        token.begin(8);
        token.failed("503".into(), S(30), NOW.after(S(80)));
        assert!(token.is_good(NOW.after(S(99))) && !token.is_failing(NOW.after(S(99))));
        assert!(token.is_failing(NOW.after(S(100))));
    }

    #[test]
    fn a_refusal_is_put_down_to_a_token_that_was_good_once_per_token_and_batch() {
        for status in [400, 401] {
            let mut token = fetched(None);
            let mut batch = Blame {
                serial: 7,
                ..Blame::default()
            };
            token.accepted(7);
            assert!(
                token.refused(status, &mut batch),
                "{status}: it may have expired"
            );
            assert!(!token.is_good(NOW) && token.wants_fetch(NOW));
            token.begin(8);
            token.arrived(8, None, NOW);
            token.accepted(8);
            batch.serial = 8;
            assert!(
                !token.refused(status, &mut batch),
                "{status}: just replaced"
            );
            assert_eq!(token.is_good(NOW), status == 400, "{status}");
            if status == 400 {
                assert!(
                    !token.refused(400, &mut batch),
                    "nor later with the same token"
                );
                token.begin(9);
                token.arrived(9, None, NOW);
                token.accepted(9);
                batch.serial = 9;
                assert!(
                    token.refused(400, &mut batch),
                    "a later token may expire too"
                );
            }
        }
    }

    /// As where other batches used up a token that ends after so many POSTs, and this one is the last.
    #[test]
    fn a_batch_that_was_refused_thrice_with_one_token_doubts_it_again() {
        let mut token = fetched(None);
        let mut batch = Blame {
            serial: 7,
            ..Blame::default()
        };
        token.accepted(7);
        assert!(token.refused(400, &mut batch));
        for serial in 8..12 {
            token.begin(serial);
            token.arrived(serial, None, NOW);
            token.accepted(serial);
            batch.serial = serial;
            for nth in 1..=DOUBTED_AFTER {
                assert!(!token.refused(400, &mut batch), "refusal {nth}");
                assert!(token.is_good(NOW));
            }
            assert!(token.refused(400, &mut batch));
            assert!(token.wants_fetch(NOW), "it is replaced");
        }
    }

    #[test]
    fn a_fresh_token_is_not_to_blame_but_does_not_outlive_a_401() {
        let mut batch = Blame {
            serial: 7,
            ..Blame::default()
        };
        let mut token = fetched(None);
        assert!(!token.refused(400, &mut batch));
        assert!(token.is_good(NOW));
        assert!(!token.refused(401, &mut batch));
        assert!(!token.is_good(NOW));
        assert_eq!(batch.excused, 0);
    }

    #[test]
    fn an_attempt_with_a_former_token_is_excused() {
        let mut token = fetched(None);
        token.begin(8);
        token.arrived(8, None, NOW);
        let mut batch = Blame {
            serial: 7,
            ..Blame::default()
        };
        assert!(token.refused(401, &mut batch));
        assert!(token.is_good(NOW), "the present one was not refused");
    }

    #[test]
    fn other_answers_say_nothing_of_the_token() {
        let mut token = fetched(None);
        token.accepted(7);
        let mut batch = Blame {
            serial: 7,
            ..Blame::default()
        };
        for status in [0, 302, 403, 404, 422, 503] {
            assert!(!token.refused(status, &mut batch));
        }
        assert!(token.is_good(NOW));
    }
}
