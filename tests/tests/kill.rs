//! The engine's process killed with SIGKILL, again and again, while four threads push and the receiver
//! fails at random. What was acknowledged as written arrives, under one batch id with one body.
//!
//! `POSTRIDER_KILL_ROUNDS` sets the number of rounds; with `--nocapture` the sums are printed.

use postrider::engine::{Engine, Level, PushOptions};
use postrider::event::{Event, types};
use postrider::webhook::WebhookSpec;
use postrider_tests::books;
use postrider_tests::receiver::{Post, Receiver, Reply};
use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use uuid::Uuid;

const THREADS: u64 = 4;
/// Events between two acknowledgements of a thread.
const STEP: u64 = 50;
/// When to give up waiting: far beyond what a loaded machine needs.
const LONG: Duration = Duration::from_secs(300);

/// One thread of one process.
type Source = (u64, u64);

fn engine(dir: &Path) -> Engine {
    [
        ("http.allow_target", "127.0.0.0/8"),
        ("queue.policy", "wait"),
        ("queue.wait_ms", "60000"),
        ("batch.linger_ms", "10"),
        ("retry.schedule", "1"),
    ]
    .iter()
    .try_fold(Engine::builder().data_dir(dir), |builder, (key, value)| {
        builder.set(key, value)
    })
    .unwrap()
    .start()
    .unwrap()
}

#[test]
#[ignore = "the process that `what_was_acknowledged…` starts and kills"]
fn four_threads_push_until_killed() {
    let dir = std::env::var("POSTRIDER_KILL_DIR").unwrap();
    let round = std::env::var("POSTRIDER_KILL_ROUND").unwrap();
    let engine = engine(Path::new(&dir));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (engine, round) = (&engine, &round);
            scope.spawn(move || {
                for number in 0.. {
                    let id = format!("{round}.{thread}.{number}");
                    let event = Event::new(types::DELIVERY).str("x_number", &id);
                    engine.push(&event).unwrap();
                    if (number + 1) % STEP == 0 {
                        engine.flush(Level::Written, LONG).unwrap();
                        let line = format!("written {thread} {}\n", number + 1);
                        std::io::stdout().write_all(line.as_bytes()).unwrap();
                    }
                }
            });
        }
    });
}

/// What the receiver has seen.
#[derive(Default)]
struct Seen {
    /// Batch id to a hash of its body, and whether it was answered with 200.
    batches: HashMap<Uuid, (u64, bool)>,
    /// Numbers of accepted events.
    events: HashMap<Source, Vec<bool>>,
    accepted: u64,
    repeats: u64,
    faults: Vec<String>,
    random: u64,
}

impl Seen {
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn answer(&mut self, post: &Post) -> Reply {
        if post.body == br#"[{"msys":{}}]"# {
            return Reply::Status(200);
        }
        let id = Uuid::parse_str(post.batch_id()).expect("a batch id");
        let mut hasher = DefaultHasher::new();
        post.body.hash(&mut hasher);
        let hash = hasher.finish();
        let reply = match self.random(100) {
            0..10 => Reply::Status(503),
            10..15 => Reply::Reset,
            _ => Reply::Status(200),
        };
        let accepts = matches!(reply, Reply::Status(200));
        let before = match self.batches.entry(id) {
            Entry::Vacant(new) => {
                new.insert((hash, accepts));
                false
            }
            Entry::Occupied(mut known) => {
                let (first, accepted) = *known.get();
                known.get_mut().1 |= accepts;
                self.repeats += 1;
                if first != hash {
                    self.faults.push(format!("batch {id} came with two bodies"));
                }
                accepted
            }
        };
        if accepts && !before {
            self.take(&post.body);
        }
        reply
    }

    fn take(&mut self, body: &[u8]) {
        const KEY: &[u8] = br#""x_number":""#;
        for at in memchr::memmem::find_iter(body, KEY) {
            let text = body[at + KEY.len()..].split(|b| *b == b'"').next();
            let text = str::from_utf8(text.expect("a closing quote")).expect("digits");
            let mut numbers = text.split('.').map(|n| n.parse::<u64>().expect("a number"));
            let mut next = || numbers.next().expect("three numbers");
            let (source, number) = ((next(), next()), next() as usize);
            let taken = self.events.entry(source).or_default();
            taken.resize(taken.len().max(number + 1), false);
            if std::mem::replace(&mut taken[number], true) {
                self.faults.push(format!("{text} came in two batches"));
            }
            self.accepted += 1;
        }
    }
}

/// Starts the producers; collects what they say was written until they are killed.
fn start(dir: &Path, round: u64, written: &Arc<Mutex<HashMap<Source, u64>>>) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("four_threads_push_until_killed")
        .env("POSTRIDER_KILL_DIR", dir)
        .env("POSTRIDER_KILL_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    let written = written.clone();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let line = String::from_utf8(line).unwrap();
            // The last line may be cut: it has no third word, or a number that is too small.
            let Some(("written", rest)) = line.split_once(' ') else {
                continue;
            };
            if let Some((thread, number)) = rest.split_once(' ') {
                let source = (round, thread.parse().unwrap());
                let number = number.parse().unwrap_or(0);
                let mut written = written.lock().unwrap();
                let highest = written.entry(source).or_default();
                *highest = number.max(*highest);
            }
        }
    });
    child
}

#[test]
fn what_was_acknowledged_as_written_arrives_whenever_the_process_is_killed() {
    let rounds = std::env::var("POSTRIDER_KILL_ROUNDS");
    let rounds: u64 = rounds.map_or(10, |n| n.parse().expect("a number of rounds"));
    let seed = std::process::id().into();
    let seen = Arc::new(Mutex::new(Seen {
        random: seed,
        ..Seen::default()
    }));
    let receiver = {
        let seen = seen.clone();
        Receiver::discarding(move |post| seen.lock().unwrap().answer(post))
    };
    let dir = tempfile::tempdir().unwrap();
    let first = engine(dir.path());
    let spec = WebhookSpec::new("kill", &receiver.url("/"), ["delivery"]);
    let webhook = first.create_webhook(spec).unwrap().id;
    first.close(LONG).unwrap();

    let written = Arc::new(Mutex::new(HashMap::new()));
    for round in 0..rounds {
        let mut child = start(dir.path(), round, &written);
        // Some are killed while they recover what the one before left, most while they push.
        let recovers = seen.lock().unwrap().random(4) == 0;
        let deadline = Instant::now() + LONG;
        while !recovers && !written.lock().unwrap().keys().any(|(r, _)| *r == round) {
            assert!(child.try_wait().unwrap().is_none(), "the producers ended");
            assert!(Instant::now() < deadline, "nothing was written in time");
            std::thread::sleep(Duration::from_millis(1));
        }
        let more = seen.lock().unwrap().random(if recovers { 40 } else { 400 });
        std::thread::sleep(Duration::from_millis(more));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    // What is pushed after the last kill arrives too.
    let last = engine(dir.path());
    for number in 0..STEP {
        let id = format!("{rounds}.0.{number}");
        let event = Event::new(types::DELIVERY).str("x_number", &id);
        let options = PushOptions {
            level: Level::Written,
            deadline: Some(LONG),
        };
        let fields = event.fields();
        last.push_fields(event.ty(), fields, options).unwrap();
    }
    written.lock().unwrap().insert((rounds, 0), STEP);
    books::wait(&last, webhook, "delivered", |b| b.pending == 0);
    let books = books::of(&last, webhook);
    books::close(&last);

    let seen = seen.lock().unwrap();
    let written = written.lock().unwrap();
    let acknowledged: u64 = written.values().sum();
    let lost = written.iter().map(|(source, &count)| {
        let taken = seen.events.get(source).map_or(&[][..], Vec::as_slice);
        (0..count as usize)
            .filter(|&n| !taken.get(n).is_some_and(|t| *t))
            .count()
    });
    let lost: usize = lost.sum();
    println!(
        "seed {seed}: {rounds} kills, {acknowledged} events acknowledged, {lost} lost, {} received, \
         {} batches, {} attempts beyond the first under the same batch id",
        seen.accepted,
        seen.batches.len(),
        seen.repeats,
    );
    assert!(
        seen.faults.is_empty(),
        "{:?}",
        &seen.faults[..seen.faults.len().min(10)]
    );
    assert_eq!(lost, 0, "acknowledged as written and never received");
    assert_eq!(books.dead, 0, "{books:?}");
    assert_eq!(books.dropped.values().sum::<u64>(), 0, "{books:?}");
    assert_eq!(
        books.delivered, seen.accepted,
        "the books say what the receiver saw"
    );
}
