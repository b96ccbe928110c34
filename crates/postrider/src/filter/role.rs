//! A thread's role, and how it goes on without a thread that a filter keeps.
//!
//! Filters run on the thread that has the batch: nothing is handed over, and nobody waits. So what that thread may lose in
//! a call is more than the batch. It is its *role*: all that it works with. Before each call the role is laid on a desk; after
//! it the thread takes it back and goes on.
//!
//! ```text
//!  role's thread   lays it down ▶ [ call ] ▶ takes it back ▶ …
//!  watcher           … looks ……… looks … too long: takes the role, and is its thread from now on
//!  lost thread                    [ call ………………………………………▶ ] finds the desk closed, and ends
//! ```
//!
//! The watcher sleeps while no call is made. While calls are made it looks a few times in the time that the most impatient of them may
//! take. One that has become the role's thread needs another one to watch it, with a desk of their own, at its next call.
//!
//! Time counts as far as the watcher has seen it go by, in short rests. A process that stood still meanwhile (SIGSTOP, a frozen
//! container, a debugger) wakes to a clock that has run on, and must not lose a filter to that.

use super::batch::Batch;
use super::chain::Chain;
use super::filters::{Filters, lock};
use crate::thread;
use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a watcher rests that has nothing to watch: as good as for ever.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// What a thread works with, and can be gone on with by another.
pub trait Role: Send + Sized + 'static {
    /// Its seat.
    fn seat(&mut self) -> &mut Seat<Self>;

    /// Goes on, on another thread, with what became of the batch that a lost thread had begun with.
    fn go_on(self: Box<Self>, batch: Batch);
}

/// What a role is before the filters: the one who calls them, and the thread that it has now. See [`Filters::seat`].
pub struct Seat<R: Role> {
    filters: Arc<Filters>,
    name: &'static str,
    thread: RoleThread,
    watch: Option<Watch<R>>,
    /// While it lives there is no other seat.
    _only: Arc<()>,
}

impl<R: Role> Seat<R> {
    pub(super) fn new(filters: Arc<Filters>, name: &'static str, only: Arc<()>) -> Seat<R> {
        Seat {
            filters,
            name,
            thread: RoleThread::default(),
            watch: None,
            _only: only,
        }
    }

    /// Starts a role's first thread, named as its seat.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        mut role: Box<R>,
        body: impl FnOnce(Box<R>) + Send + 'static,
    ) -> io::Result<RoleThread> {
        let seat = role.seat();
        let (name, thread) = (seat.name, seat.thread.clone());
        // Locked, so that it is noted before the next one's.
        let mut now = lock(&thread.0);
        *now = Some(thread::spawn(name, move || body(role))?);
        drop(now);
        Ok(thread)
    }

    /// The filters that this is a seat of.
    pub fn filters(&self) -> &Arc<Filters> {
        &self.filters
    }

    /// The desk for the next call, with a watcher.
    pub(super) fn desk(&mut self) -> io::Result<Arc<Desk<R>>> {
        let watch = match self.watch.take() {
            Some(watch) => watch,
            None => Watch::start()?,
        };
        Ok(self.watch.insert(watch).desk.clone())
    }
}

/// The thread that has a role, whichever that is.
#[derive(Clone, Default)]
pub struct RoleThread(Arc<Mutex<Option<JoinHandle<()>>>>);

impl RoleThread {
    /// Waits for the end of the thread that has the role, which has come to its end.
    pub fn join(&self) {
        let thread = lock(&self.0).take();
        if let Some(thread) = thread {
            // One that panicked has nothing left to say.
            drop(thread.join());
        }
    }
}

/// A role during a call, and what is to be known of the call.
pub(super) struct Call<R: Role> {
    pub(super) role: Box<R>,
    pub(super) chain: Arc<Chain>,
    /// The filter's place in the chain.
    pub(super) at: usize,
    pub(super) hand: Arc<Hand>,
}

impl<R: Role> Call<R> {
    fn patience(&self) -> Duration {
        self.chain.stages[self.at].spec.timeout()
    }
}

/// What a filter sees during a call. Shared, for a call that is given up goes on seeing it.
#[derive(Clone, Default)]
pub(super) struct Hand {
    pub(super) batch: Batch,
    /// Which of its events.
    pub(super) picked: Vec<u32>,
}

/// Where a role lies while its thread is in a call.
pub(super) struct Desk<R: Role> {
    state: Mutex<State<R>>,
    for_watcher: Condvar,
}

struct State<R: Role> {
    call: Option<Call<R>>,
    /// Calls begun.
    begun: u64,
    /// How long the watcher rests.
    rest: Duration,
    /// The role is elsewhere for good.
    closed: bool,
}

impl<R: Role> Desk<R> {
    fn new() -> Desk<R> {
        Desk {
            state: Mutex::new(State {
                call: None,
                begun: 0,
                rest: FOREVER,
                closed: false,
            }),
            for_watcher: Condvar::new(),
        }
    }

    /// A call begins.
    pub(super) fn lay(&self, call: Call<R>) {
        let mut state = lock(&self.state);
        let rest = look_every(call.patience());
        let rests_too_long = rest < state.rest;
        state.rest = state.rest.min(rest);
        state.begun += 1;
        state.call = Some(call);
        drop(state);
        if rests_too_long {
            self.for_watcher.notify_one();
        }
    }

    /// The call is back; `None` when that was too late.
    pub(super) fn take(&self) -> Option<Call<R>> {
        lock(&self.state).call.take()
    }

    /// Waits for a call to be overdue, and takes what lies here. `None` when there is nothing more to watch.
    fn overdue(&self) -> Option<Call<R>> {
        let mut watched = Watched::default();
        let mut state = lock(&self.state);
        while !state.closed {
            let none_since = watched.call == state.begun;
            match &state.call {
                Some(call) => {
                    let rest = look_every(call.patience());
                    let seen = watched.look(state.begun, Instant::now(), rest);
                    if seen >= call.patience() {
                        state.closed = true;
                        return state.call.take();
                    }
                    state.rest = rest;
                }
                None if none_since => state.rest = FOREVER,
                None => watched.call = state.begun,
            }
            let rest = state.rest;
            let rested = self.for_watcher.wait_timeout(state, rest);
            state = rested.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn close(&self) {
        lock(&self.state).closed = true;
        self.for_watcher.notify_one();
    }
}

/// How long a watcher rests at most between two looks at a call.
fn look_every(patience: Duration) -> Duration {
    (patience / 8).max(Duration::from_millis(1))
}

/// How long a call was watched.
#[derive(Default)]
struct Watched {
    /// Which, by the number of calls begun.
    call: u64,
    /// When it was last looked at.
    last: Option<Instant>,
    seen: Duration,
}

impl Watched {
    /// Looks at a call at `now`, after a `rest`: for how long it was watched.
    fn look(&mut self, call: u64, now: Instant, rest: Duration) -> Duration {
        let last = self.last.filter(|_| call == self.call);
        // A rest lasts a little longer than it was to.
        let more = last.map(|last| now.saturating_duration_since(last).min(rest * 2));
        self.seen = more.map_or(Duration::ZERO, |more| self.seen + more);
        (self.call, self.last) = (call, Some(now));
        self.seen
    }
}

/// A desk and its watcher.
struct Watch<R: Role> {
    desk: Arc<Desk<R>>,
    watcher: Option<JoinHandle<()>>,
}

impl<R: Role> Watch<R> {
    fn start() -> io::Result<Watch<R>> {
        let desk = Arc::new(Desk::new());
        let watched = desk.clone();
        let watcher = thread::spawn("postrider-filter", move || {
            if let Some(call) = watched.overdue() {
                drop(watched);
                take_over(call);
            }
        })?;
        Ok(Watch {
            desk,
            watcher: Some(watcher),
        })
    }
}

impl<R: Role> Drop for Watch<R> {
    fn drop(&mut self) {
        self.desk.close();
        if let Some(watcher) = self.watcher.take() {
            drop(watcher.join());
        }
    }
}

/// The watcher becomes the role's thread, and goes on behind the filter that is lost.
fn take_over<R: Role>(call: Call<R>) {
    let Call {
        mut role,
        chain,
        at,
        hand,
    } = call;
    let seat = role.seat();
    thread::rename(seat.name);
    if let Some(mut watch) = seat.watch.take() {
        // In the lost one's place, for which nobody waits any more.
        *lock(&seat.thread.0) = watch.watcher.take();
    }
    let left = chain.lose(at, &hand, &**seat.filters.clock());
    drop(hand);
    if let Some((role, batch)) = chain.run(role, left, at + 1) {
        role.go_on(batch);
    }
}

#[cfg(test)]
mod tests;
