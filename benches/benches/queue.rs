//! The queue against what else there is, with the same payloads: 64 bytes, 790 as an event has, and 8 KiB.
//!
//! - `push`: what a producer pays, alone: claim, copy, commit. The records are taken out again off the
//!   clock, a few at a time, so the ring's memory is as cold as it is in use.
//! - `spaced`: the same between other work, as in a program that has more to do than push; subtract
//!   `spaced/work alone`.
//! - `copy`: the payload copied into as much memory: what no queue can beat.
//! - `through/N`: N producers and one consumer, from the first push to the last record taken. Every
//!   consumer copies the payload once more, into a buffer, as the writer does. Producers that find no
//!   space wait, each queue in its own way.
//!
//! `cargo bench -p postrider-bench --bench queue`; a name as argument picks, such as `-- push/790`.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use crossbeam_queue::ArrayQueue;
use postrider::event::Entry;
use postrider::queue::{Drain, FullPolicy, Queue, queue};

/// The default queue; the others get as many slots as it has records.
const CAPACITY: usize = 8 << 20;
/// Records pushed before the clock stops for taking them out.
const RUN: u64 = 64;

/// How many records of `N` bytes the queue holds: an entry beside each, in granules of 64 bytes.
const fn slots<const N: usize>() -> usize {
    CAPACITY / (N + 24).next_multiple_of(64)
}

/// One way to carry payloads of `N` bytes from many threads to one.
trait Carrier<const N: usize>: Sync {
    type Consumer: Send;
    fn push(&self, payload: &[u8; N]);
    /// Takes what there is, at least one unless it is empty, and answers how many.
    fn take(&self, consumer: &mut Self::Consumer, sink: &mut Sink) -> u64;
    /// Lets the consumer wait, as this queue does that.
    fn wait(&self, consumer: &mut Self::Consumer);
}

/// Where consumers copy to.
struct Sink {
    buffer: Vec<u8>,
    at: usize,
}

impl Sink {
    fn of(bytes: usize) -> Sink {
        Sink {
            buffer: vec![0; bytes],
            at: 0,
        }
    }

    fn put(&mut self, payload: &[u8]) {
        if self.at + payload.len() > self.buffer.len() {
            black_box(&self.buffer);
            self.at = 0;
        }
        self.buffer[self.at..][..payload.len()].copy_from_slice(payload);
        self.at += payload.len();
    }
}

impl<const N: usize> Carrier<N> for Queue {
    type Consumer = Drain;

    fn push(&self, payload: &[u8; N]) {
        let entry = Entry {
            len: N as u32,
            ..Entry::default()
        };
        let wait = FullPolicy::Wait(Duration::from_secs(60));
        self.push_by(&entry, payload, wait)
            .expect("space within a minute");
    }

    fn take(&self, drain: &mut Drain, sink: &mut Sink) -> u64 {
        let drained = drain.drain(1 << 20, |entry, text| {
            black_box(entry);
            sink.put(text);
            true
        });
        drained.records
    }

    fn wait(&self, drain: &mut Drain) {
        drain.sleep(Duration::from_secs(60), || false);
    }
}

impl<const N: usize> Carrier<N> for ArrayQueue<[u8; N]> {
    type Consumer = ();

    fn push(&self, payload: &[u8; N]) {
        let mut refused = ArrayQueue::push(self, *payload);
        while let Err(payload) = refused {
            thread::yield_now();
            refused = ArrayQueue::push(self, payload);
        }
    }

    fn take(&self, (): &mut (), sink: &mut Sink) -> u64 {
        let mut taken = 0;
        while let Some(payload) = self.pop() {
            sink.put(&payload);
            taken += 1;
        }
        taken
    }

    fn wait(&self, (): &mut ()) {
        thread::yield_now();
    }
}

impl<const N: usize> Carrier<N> for crossbeam_channel::Sender<[u8; N]> {
    type Consumer = crossbeam_channel::Receiver<[u8; N]>;

    fn push(&self, payload: &[u8; N]) {
        self.send(*payload).expect("connected");
    }

    fn take(&self, receiver: &mut Self::Consumer, sink: &mut Sink) -> u64 {
        // Blocking in the first, so `wait` has nothing to do.
        sink.put(&receiver.recv().expect("connected"));
        let mut taken = 1;
        while let Ok(payload) = receiver.try_recv() {
            sink.put(&payload);
            taken += 1;
        }
        taken
    }

    fn wait(&self, _: &mut Self::Consumer) {}
}

impl<const N: usize> Carrier<N> for mpsc::SyncSender<[u8; N]> {
    type Consumer = mpsc::Receiver<[u8; N]>;

    fn push(&self, payload: &[u8; N]) {
        self.send(*payload).expect("connected");
    }

    fn take(&self, receiver: &mut Self::Consumer, sink: &mut Sink) -> u64 {
        sink.put(&receiver.recv().expect("connected"));
        let mut taken = 1;
        while let Ok(payload) = receiver.try_recv() {
            sink.put(&payload);
            taken += 1;
        }
        taken
    }

    fn wait(&self, _: &mut Self::Consumer) {}
}

/// What one writes first: a ring under a lock, and two conditions, rung only where someone may wait.
struct Mutexed<const N: usize> {
    ring: Mutex<VecDeque<[u8; N]>>,
    filled: Condvar,
    emptied: Condvar,
}

impl<const N: usize> Mutexed<N> {
    fn new() -> Self {
        Mutexed {
            ring: Mutex::new(VecDeque::with_capacity(slots::<N>())),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }
}

impl<const N: usize> Carrier<N> for Mutexed<N> {
    type Consumer = ();

    fn push(&self, payload: &[u8; N]) {
        let ring = self.ring.lock().expect("whole");
        let full = |ring: &mut VecDeque<_>| ring.len() == slots::<N>();
        let mut ring = self.emptied.wait_while(ring, full).expect("whole");
        let was_empty = ring.is_empty();
        ring.push_back(*payload);
        drop(ring);
        if was_empty {
            self.filled.notify_one();
        }
    }

    fn take(&self, (): &mut (), sink: &mut Sink) -> u64 {
        let mut ring = self.ring.lock().expect("whole");
        let taken = ring.len() as u64;
        for payload in ring.drain(..) {
            sink.put(&payload);
        }
        drop(ring);
        if taken == slots::<N>() as u64 {
            self.emptied.notify_all();
        }
        taken
    }

    fn wait(&self, (): &mut ()) {
        let ring = self.ring.lock().expect("whole");
        drop(self.filled.wait_while(ring, |ring| ring.is_empty()));
    }
}

/// Work that touches no memory: about 160 ns.
fn work() {
    let mut x = black_box(1u64);
    for _ in 0..150 {
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7);
    }
    black_box(x);
}

/// The time of `records` pushes by this thread, each after `before`.
fn push_alone<const N: usize, C: Carrier<N>>(
    carrier: &C,
    consumer: &mut C::Consumer,
    records: u64,
    before: impl Fn(),
) -> Duration {
    let payload = black_box([b'x'; N]);
    let mut sink = Sink::of(1 << 20);
    let mut spent = Duration::ZERO;
    let mut left = records;
    while left > 0 {
        let run = left.min(RUN);
        let start = Instant::now();
        for _ in 0..run {
            before();
            carrier.push(&payload);
        }
        spent += start.elapsed();
        let mut taken = 0;
        while taken < run {
            taken += carrier.take(consumer, &mut sink);
        }
        left -= run;
    }
    spent
}

/// The time of `records` pushed by `producers` threads and taken by this one.
fn through<const N: usize, C: Carrier<N>>(
    carrier: &C,
    consumer: &mut C::Consumer,
    producers: u64,
    records: u64,
) -> Duration {
    let mut sink = Sink::of(1 << 20);
    thread::scope(|scope| {
        let start = Instant::now();
        for producer in 0..producers {
            let share = records / producers + u64::from(producer < records % producers);
            scope.spawn(move || {
                let payload = black_box([b'x'; N]);
                for _ in 0..share {
                    carrier.push(&payload);
                }
            });
        }
        let mut taken = 0;
        while taken < records {
            match carrier.take(consumer, &mut sink) {
                0 => carrier.wait(consumer),
                some => taken += some,
            }
        }
        start.elapsed()
    })
}

fn measure<const N: usize, C: Carrier<N>>(
    criterion: &mut Criterion,
    name: &str,
    carrier: &C,
    mut consumer: C::Consumer,
) {
    let mut alone = |group: &str, before: fn()| {
        let mut group = criterion.benchmark_group(format!("{group}/{N}"));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|records| push_alone(carrier, &mut consumer, records, before));
        });
        group.finish();
    };
    alone("push", || ());
    if N == EVENT {
        alone("spaced", work);
    }
    let mut group = criterion.benchmark_group(format!("through/{N}"));
    group.throughput(Throughput::Elements(1));
    for producers in [1, 2, 4, 8] {
        group.bench_function(BenchmarkId::new(name, producers), |bencher| {
            bencher.iter_custom(|records| through(carrier, &mut consumer, producers, records));
        });
    }
    group.finish();
}

fn measure_all<const N: usize>(criterion: &mut Criterion) {
    criterion.bench_function(&format!("copy/{N}"), |bencher| {
        let payload = black_box([b'x'; N]);
        let mut memory = Sink::of(CAPACITY);
        bencher.iter(|| memory.put(black_box(&payload)));
    });
    let (ours, drain) = queue(CAPACITY).expect("memory for a queue");
    measure::<N, _>(criterion, "postrider", &*ours, drain);
    let array = ArrayQueue::<[u8; N]>::new(slots::<N>());
    measure::<N, _>(criterion, "crossbeam-array", &array, ());
    let (sender, receiver) = crossbeam_channel::bounded::<[u8; N]>(slots::<N>());
    measure::<N, _>(criterion, "crossbeam-channel", &sender, receiver);
    let (sender, receiver) = mpsc::sync_channel::<[u8; N]>(slots::<N>());
    measure::<N, _>(criterion, "std-sync-channel", &sender, receiver);
    measure::<N, _>(criterion, "mutexed-ring", &Mutexed::<N>::new(), ());
}

/// As long as an event is.
const EVENT: usize = 790;

fn main() {
    // Short runs: there are many.
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    criterion.bench_function("spaced/work alone", |bencher| bencher.iter(work));
    measure_all::<64>(&mut criterion);
    measure_all::<EVENT>(&mut criterion);
    measure_all::<8192>(&mut criterion);
    criterion.final_summary();
}
