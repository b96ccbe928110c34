//! Time as data: what decides takes the time as an argument, what measures asks a [`Clock`].
//!
//! Two clocks, never mixed: [`Instant`] only goes forward and orders everything inside one
//! process; [`UnixMillis`] is the wall clock, goes into files and onto the wire, and may step.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type UnixMillis = u64;

/// A point on the monotonic clock, in nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This point plus `d`, held at the end of time instead of wrapping.
    pub fn after(self, d: Duration) -> Instant {
        let nanos = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        Instant(self.0.saturating_add(nanos))
    }
}

/// Both clocks, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: for deadlines and spacing.
    pub mono: Instant,
    /// The wall clock: for files, ages across restarts and the wire.
    pub unix_ms: UnixMillis,
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;

    /// The wall clock alone, as cheaply as it comes: a few milliseconds late at most. For the time
    /// that an event is stamped with.
    fn stamp(&self) -> UnixMillis {
        self.now().unix_ms
    }
}

/// The system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        use rustix::time::{ClockId, clock_gettime};
        let nanos = |t: rustix::time::Timespec| t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64;
        Now {
            mono: Instant(nanos(clock_gettime(ClockId::Monotonic))),
            unix_ms: nanos(clock_gettime(ClockId::Realtime)) / 1_000_000,
        }
    }

    fn stamp(&self) -> UnixMillis {
        use rustix::time::{ClockId, clock_gettime};
        let t = clock_gettime(ClockId::RealtimeCoarse);
        t.tv_sec as u64 * 1000 + t.tv_nsec as u64 / 1_000_000
    }
}

/// A clock that only moves when a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    mono_ns: AtomicU64,
    unix_ms: AtomicU64,
}

impl ManualClock {
    /// Starts at `unix_ms`, monotonic zero plus one second.
    pub fn new(unix_ms: UnixMillis) -> Self {
        ManualClock {
            mono_ns: AtomicU64::new(1_000_000_000),
            unix_ms: AtomicU64::new(unix_ms),
        }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, d: Duration) {
        let nanos = u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        self.mono_ns.fetch_add(nanos, Ordering::SeqCst);
        self.unix_ms.fetch_add(nanos / 1_000_000, Ordering::SeqCst);
    }

    /// Steps the wall clock alone, as an operator or NTP does.
    pub fn set_unix_ms(&self, unix_ms: UnixMillis) {
        self.unix_ms.store(unix_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Now {
        Now {
            mono: Instant(self.mono_ns.load(Ordering::SeqCst)),
            unix_ms: self.unix_ms.load(Ordering::SeqCst),
        }
    }
}
