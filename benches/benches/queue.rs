//! The queue against what else there is, with the same 790-byte payload.
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
//! `cargo bench -p postrider-bench --bench queue`

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use crossbeam_queue::ArrayQueue;
use postrider::event::Entry;
use postrider::queue::{Drain, FullPolicy, Queue, queue};

const PAYLOAD: usize = 790;
type Payload = [u8; PAYLOAD];

/// The default queue; the others get as many slots as it has records.
const CAPACITY: usize = 8 << 20;
const SLOTS: usize = CAPACITY / 832;
/// Records pushed before the clock stops for taking them out.
const RUN: u64 = 64;

/// One way to carry payloads from many threads to one.
trait Carrier: Sync {
    type Consumer: Send;
    fn push(&self, payload: &Payload);
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

impl Carrier for Queue {
    type Consumer = Drain;

    fn push(&self, payload: &Payload) {
        let entry = Entry {
            len: PAYLOAD as u32,
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

impl Carrier for ArrayQueue<Payload> {
    type Consumer = ();

    fn push(&self, payload: &Payload) {
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

impl Carrier for crossbeam_channel::Sender<Payload> {
    type Consumer = crossbeam_channel::Receiver<Payload>;

    fn push(&self, payload: &Payload) {
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

impl Carrier for mpsc::SyncSender<Payload> {
    type Consumer = mpsc::Receiver<Payload>;

    fn push(&self, payload: &Payload) {
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

/// Work that touches no memory: about 160 ns.
fn work() {
    let mut x = black_box(1u64);
    for _ in 0..150 {
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7);
    }
    black_box(x);
}

/// The time of `records` pushes by this thread, each after `before`.
fn push_alone<C: Carrier>(
    carrier: &C,
    consumer: &mut C::Consumer,
    records: u64,
    before: impl Fn(),
) -> Duration {
    let payload = black_box([b'x'; PAYLOAD]);
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
fn through<C: Carrier>(
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
                let payload = black_box([b'x'; PAYLOAD]);
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

fn measure<C: Carrier>(
    criterion: &mut Criterion,
    name: &str,
    carrier: &C,
    mut consumer: C::Consumer,
) {
    let mut group = criterion.benchmark_group("push");
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|records| push_alone(carrier, &mut consumer, records, || ()));
    });
    group.finish();
    let mut group = criterion.benchmark_group("spaced");
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|records| push_alone(carrier, &mut consumer, records, work));
    });
    group.finish();
    let mut group = criterion.benchmark_group("through");
    group.throughput(Throughput::Elements(1));
    for producers in [1, 2, 4] {
        group.bench_function(BenchmarkId::new(name, producers), |bencher| {
            bencher.iter_custom(|records| through(carrier, &mut consumer, producers, records));
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("spaced/work alone", |bencher| bencher.iter(work));
    criterion.bench_function("copy", |bencher| {
        let payload = black_box([b'x'; PAYLOAD]);
        let mut memory = Sink::of(CAPACITY);
        bencher.iter(|| memory.put(black_box(&payload)));
    });
    let (ours, drain) = queue(CAPACITY).expect("memory for a queue");
    measure(&mut criterion, "postrider", &*ours, drain);
    let array = ArrayQueue::<Payload>::new(SLOTS);
    measure(&mut criterion, "crossbeam-array", &array, ());
    let (sender, receiver) = crossbeam_channel::bounded::<Payload>(SLOTS);
    measure(&mut criterion, "crossbeam-channel", &sender, receiver);
    let (sender, receiver) = mpsc::sync_channel::<Payload>(SLOTS);
    measure(&mut criterion, "std-sync-channel", &sender, receiver);
    criterion.final_summary();
}
