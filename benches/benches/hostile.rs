//! Ten good receivers alone, then the same beside a thousand hostile ones: what the good ones' latency
//! and the engine's memory make of it.
//!
//! `cargo bench -p postrider-bench --bench hostile`; `SECONDS` (20), `HOSTILE` (1000), `RATE` (500
//! events a second) and `PORTS` (1) change it: hostile receivers on one port share the connections that one
//! target may have; on a port each, they have as many as all targets may. `IDLE=1` gives their process only the time that
//! nobody else wants (`chrt --idle`), as if they were on another machine: what is left is the engine's own. With `BURN=1` there is a
//! third run: the good receivers beside a process that is no receiver at all and burns as much CPU as the hostile ones did, in as
//! many threads. It is the yardstick: what a machine of so few cores costs, whoever takes them.
//!
//! Every event goes to every webhook. Latency is from the push to the last byte of the POST that holds the event; figures of
//! a run of more than a minute are those of what was pushed after the first. Alone is measured for 20 s at most. The hostile
//! receivers are a process of their own, so that memory is that of the engine, the producer and the good receivers.

use postrider::engine::{Engine, PushOptions};
use postrider::event::{Field, FieldName, Value, types};
use postrider::webhook::WebhookSpec;
use postrider_bench::event;
use postrider_bench::figures::{
    children_cpu_time, cpu_time, machine, percentile, ran_and_waited, resident_kib,
};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// In the environment of the process that plays the hostile receivers.
const ROLE: &str = "POSTRIDER_BENCH_HOSTILE";
/// The same, of the process that burns CPU: how many thousandths of a core, in how many threads.
const BURN: &str = "POSTRIDER_BENCH_BURN";
const GOOD: usize = 10;
/// The name of the good receivers' threads.
const GOOD_THREAD: &str = "good";
/// What is pushed in a run's first so many seconds does not count, if it goes on for longer.
const SETTLED: u64 = 60;
/// The batch id of test POSTs: even a hostile receiver passes these.
const TEST_BATCH: &str = "77c2b630-d712-11e4-9642-efc2723b99c1";

fn main() {
    raise_descriptor_limit();
    if let Some(ports) = std::env::var(ROLE).ok().and_then(|v| v.parse().ok()) {
        return hostile::serve(ports);
    }
    if let Ok(how) = std::env::var(BURN) {
        return burn(&how);
    }
    let test = std::env::args().any(|arg| arg == "--test");
    let number = |name, or, quick| {
        let set = std::env::var(name).ok().and_then(|v| v.parse().ok());
        if test { quick } else { set.unwrap_or(or) }
    };
    let (seconds, count) = (number("SECONDS", 20, 1), number("HOSTILE", 1000, 9));
    let rate = number("RATE", 500, 100);
    let ports = number("PORTS", 1, 1).max(1);
    println!("{}", machine());
    println!("{GOOD} good webhooks, {rate} events/s to each, {seconds} s");
    let alone = measure(seconds.min(20), rate, Beside::Nobody);
    alone.report("alone");
    let beside = measure(seconds, rate, Beside::Hostile { count, ports });
    beside.report(&format!("beside {count} hostile"));
    if std::env::var_os("BURN").is_some() {
        let thousandths = beside.others.as_millis() as u64 / seconds;
        let burn = Beside::Burning {
            thousandths,
            threads: count,
        };
        let what = format!("beside {:.2} cores burnt", thousandths as f64 / 1000.0);
        measure(seconds.min(20), rate, burn).report(&what);
    }
    let ratio = |a: u64, b: u64| a as f64 / b.max(1) as f64;
    println!(
        "p50 {:.2} times, p99 {:.2} times as long; memory grew by {:.1} MB while they were served, alone by {:.1}",
        ratio(beside.p50, alone.p50),
        ratio(beside.p99, alone.p99),
        beside.grown_kib as f64 / 1024.0,
        alone.grown_kib as f64 / 1024.0,
    );
}

struct Figures {
    p50: u64,
    p99: u64,
    max: u64,
    memory_kib: u64,
    /// From a quarter of the time, or the end of the first minute, to the end.
    grown_kib: i64,
    cpu: Duration,
    /// Of the deliver thread: ran, and waited for a core.
    deliver: (Duration, Duration),
    /// Of all good receivers together: waited for a core.
    good_waited: Duration,
    /// CPU time of the other process.
    others: Duration,
}

/// What there is beside the good receivers.
enum Beside {
    Nobody,
    Hostile { count: u64, ports: u64 },
    Burning { thousandths: u64, threads: u64 },
}

impl Figures {
    fn report(&self, what: &str) {
        println!(
            "{what:24} p50 {:8.2} ms  p99 {:8.2} ms  max {:8.2} ms  memory {:6.1} MB  CPU {:5.2} s, deliver thread {:.2} s; waited for a core: deliver thread {:.2} s, good receivers {:.2} s; others' CPU {:.2} s",
            self.p50 as f64 / 1e6,
            self.p99 as f64 / 1e6,
            self.max as f64 / 1e6,
            self.memory_kib as f64 / 1024.0,
            self.cpu.as_secs_f64(),
            self.deliver.0.as_secs_f64(),
            self.deliver.1.as_secs_f64(),
            self.good_waited.as_secs_f64(),
            self.others.as_secs_f64(),
        );
    }
}

fn measure(seconds: u64, rate: u64, others: Beside) -> Figures {
    let events = seconds * rate;
    let pushed: Arc<Vec<AtomicU64>> = Arc::new((0..events).map(|_| AtomicU64::new(0)).collect());
    let began = Instant::now();
    let latencies = Arc::new(Mutex::new(Vec::with_capacity(events as usize * GOOD)));
    let dir = tempfile::tempdir().expect("a directory");
    let engine = Engine::builder()
        .data_dir(dir.path())
        .set("http.allow_target", "127.0.0.0/8")
        .and_then(|b| b.set("events.unknown_fields", "true"))
        // All of it is in use after a moment: the first round through it is no growth.
        .and_then(|b| b.set("queue.bytes", "1 MiB"))
        .expect("settings")
        .start()
        .expect("an engine");
    let create = |name: String, target: String, linger: u32| {
        let mut spec = WebhookSpec::new(&name, &target, ["delivery"]);
        spec.limits.linger_ms = Some(linger);
        engine.create_webhook(spec).expect("passes its test")
    };
    for n in 0..GOOD {
        let port = good_receiver(began, &pushed, &latencies);
        create(format!("good {n}"), format!("http://127.0.0.1:{port}/"), 0);
    }
    let others_cpu = children_cpu_time();
    let process = match others {
        Beside::Nobody => None,
        Beside::Hostile { count, ports } => {
            let (child, ports) = hostile::start(ports);
            for (n, port) in (0..count).zip(ports.iter().cycle()) {
                let target = format!("http://127.0.0.1:{port}/{n}");
                create(format!("hostile {n}"), target, 1000);
            }
            Some(child)
        }
        Beside::Burning {
            thousandths,
            threads,
        } => Some(start_burning(thousandths, threads)),
    };

    let fields = event::fields();
    let (cpu, start) = (cpu_time(), Instant::now());
    let deliver = ran_and_waited("postrider-deliv");
    let good = ran_and_waited(GOOD_THREAD);
    let settled = if seconds > SETTLED { SETTLED * rate } else { 0 };
    let mut memory_then = 0;
    for n in 0..events {
        let due = start + Duration::from_nanos(n * 1_000_000_000 / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if n == settled.max(events / 4) {
            memory_then = resident_kib();
        }
        let mut fields = fields.clone();
        fields.push(Field {
            name: FieldName::Name("x_seq"),
            value: Value::Int(n as i64),
        });
        pushed[n as usize].store(began.elapsed().as_nanos() as u64, Ordering::Release);
        engine
            .push_fields(types::DELIVERY, &fields, PushOptions::default())
            .expect("push");
    }
    let give_up = Instant::now() + Duration::from_secs(60);
    while latencies.lock().expect("whole").len() < events as usize * GOOD {
        assert!(
            Instant::now() < give_up,
            "the good receivers did not get everything"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    let (cpu, memory) = (cpu_time() - cpu, resident_kib());
    let deliver_now = ran_and_waited("postrider-deliv");
    let good_now = ran_and_waited(GOOD_THREAD);
    let stats = engine.stats();
    assert!(stats.balanced(), "{stats:?}");
    drop(engine.close(Duration::ZERO));
    if let Some(mut child) = process {
        let _ = child.kill();
        let _ = child.wait();
    }
    let all = std::mem::take(&mut *latencies.lock().expect("whole"));
    let counts = all.into_iter().filter(|(n, _)| *n as u64 >= settled);
    let mut all: Vec<u64> = counts.map(|(_, latency)| latency).collect();
    all.sort_unstable();
    Figures {
        p50: percentile(&all, 0.5),
        p99: percentile(&all, 0.99),
        max: all.last().copied().unwrap_or(0),
        memory_kib: memory,
        grown_kib: memory as i64 - memory_then as i64,
        cpu,
        deliver: (deliver_now.0 - deliver.0, deliver_now.1 - deliver.1),
        good_waited: good_now.1.saturating_sub(good.1),
        others: children_cpu_time() - others_cpu,
    }
}

/// Answers 200 to everything and notes when each event arrived. Ends with the process.
fn good_receiver(
    began: Instant,
    pushed: &Arc<Vec<AtomicU64>>,
    latencies: &Arc<Mutex<Vec<(u32, u64)>>>,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let (pushed, latencies) = (Arc::clone(pushed), Arc::clone(latencies));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (pushed, latencies) = (Arc::clone(&pushed), Arc::clone(&latencies));
            let each = move || {
                let mut stream = BufReader::new(stream);
                let (mut body, mut mine) = (Vec::new(), Vec::new());
                while let Some(head) = read_head(&mut stream) {
                    body.resize(head.length, 0);
                    if stream.read_exact(&mut body).is_err() {
                        return;
                    }
                    let now = began.elapsed().as_nanos() as u64;
                    let text = std::str::from_utf8(&body).expect("JSON");
                    for rest in text.split("\"x_seq\":").skip(1) {
                        let end = rest.find(|c: char| !c.is_ascii_digit()).expect("more");
                        let n: usize = rest[..end].parse().expect("a number");
                        mine.push((n as u32, now - pushed[n].load(Ordering::Acquire)));
                    }
                    latencies.lock().expect("whole").append(&mut mine);
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    if stream.get_mut().write_all(answer).is_err() {
                        return;
                    }
                }
            };
            let thread = std::thread::Builder::new().name(GOOD_THREAD.to_owned());
            thread.spawn(each).expect("a thread");
        }
    });
    port
}

/// Starts the process that burns CPU.
fn start_burning(thousandths: u64, threads: u64) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.env(BURN, format!("{thousandths} {threads}"));
    command.stdin(Stdio::piped()).spawn().expect("it starts")
}

/// Burns so much in so many threads, each a little in every tenth of a second.
fn burn(how: &str) {
    const PERIOD: Duration = Duration::from_millis(100);
    let mut numbers = how
        .split(' ')
        .map_while(|number| number.parse::<u32>().ok());
    let (thousandths, threads) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(1));
    let busy = PERIOD * thousandths / 1000 / threads;
    for n in 0..threads {
        let phase = PERIOD * n / threads;
        let each = move || {
            std::thread::sleep(phase);
            loop {
                let began = Instant::now();
                while began.elapsed() < busy {}
                std::thread::sleep(PERIOD.saturating_sub(busy));
            }
        };
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        thread.spawn(each).expect("a thread");
    }
    // Ends with whoever started it.
    let _ = std::io::stdin().read(&mut [0]);
}

struct Head {
    path: String,
    length: usize,
    is_test: bool,
}

fn read_head(stream: &mut impl BufRead) -> Option<Head> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut head = Head {
        path: line.split(' ').nth(1)?.to_owned(),
        length: 0,
        is_test: false,
    };
    loop {
        line.clear();
        stream.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line == "\r\n" {
            return Some(head);
        }
        head.is_test |= line.contains(TEST_BATCH);
        if let Some(length) = line.strip_prefix("Content-Length: ") {
            head.length = length.trim().parse().ok()?;
        }
    }
}

fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

mod hostile {
    use super::*;

    /// Starts the process; its ports.
    pub(super) fn start(ports: u64) -> (Child, Vec<u16>) {
        let program = std::env::current_exe().expect("this program");
        let mut command = match std::env::var_os("IDLE") {
            Some(_) => Command::new("chrt"),
            None => Command::new(&program),
        };
        if command.get_program() == "chrt" {
            command.args(["--idle", "0"]).arg(program);
        }
        let mut child = command
            .env(ROLE, ports.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its ports");
        let ports = line.split_whitespace().map(|port| port.parse());
        (child, ports.collect::<Result<_, _>>().expect("ports"))
    }

    /// Listens on so many ports, and says which.
    pub(super) fn serve(ports: u64) {
        let bind = |_| TcpListener::bind("127.0.0.1:0").expect("a free port");
        let listeners: Vec<TcpListener> = (0..ports).map(bind).collect();
        let port = |l: &TcpListener| l.local_addr().expect("bound").port().to_string();
        println!(
            "{}",
            listeners.iter().map(port).collect::<Vec<_>>().join(" ")
        );
        // Ends with whoever started it.
        std::thread::spawn(|| {
            let _ = std::io::stdin().read(&mut [0]);
            std::process::exit(0);
        });
        let thread = || std::thread::Builder::new().stack_size(64 << 10);
        let accept = |listener: TcpListener| {
            let each = move || {
                for stream in listener.incoming().flatten() {
                    let _ = thread().spawn(move || answer(stream));
                }
            };
            thread().spawn(each).expect("a thread")
        };
        let all: Vec<_> = listeners.into_iter().map(accept).collect();
        all.into_iter().for_each(|thread| drop(thread.join()));
    }

    /// Each path has its own way to misbehave.
    fn answer(stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(head) = read_head(&mut stream) {
            let way = head.path[1..].parse::<u64>().unwrap_or(0) % 9;
            if head.is_test {
                let _ = stream.read_exact(&mut vec![0; head.length]);
                let fine = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                if stream.get_mut().write_all(fine).is_err() {
                    return;
                }
                continue;
            }
            // Way 7 never reads, way 6 answers without having read.
            if way < 6 || way == 8 {
                let mut body = std::io::Read::by_ref(&mut stream).take(head.length as u64);
                let _ = std::io::copy(&mut body, &mut std::io::sink());
            }
            let _ = misbehave(way, stream.get_mut());
            return;
        }
    }

    fn misbehave(way: u64, out: &mut TcpStream) -> std::io::Result<()> {
        let reset =
            |out: &TcpStream| rustix::net::sockopt::set_socket_linger(out, Some(Duration::ZERO));
        match way {
            0 => {
                out.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    out.write_all(&[b'x'; 4096])?;
                }
            }
            1 => {
                out.write_all(b"HTTP/1.1 200 OK\r\n")?;
                loop {
                    out.write_all(b"X-More: and more and more\r\n")?;
                }
            }
            2 => loop {
                out.write_all(b"H")?;
                std::thread::sleep(Duration::from_secs(1));
            },
            3 => {
                out.write_all(b"HTTP/1.1 20")?;
                Ok(reset(out)?)
            }
            4 | 7 => {
                std::thread::sleep(Duration::from_secs(3600));
                Ok(())
            }
            5 => out.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n"),
            6 => {
                out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
                Ok(reset(out)?)
            }
            _ => out.write_all(
                b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            ),
        }
    }
}
