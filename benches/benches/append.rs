//! What it costs to get an event into the log: `cargo bench -p postrider-bench --bench append`.
//!
//! Frames of 1,000 events of 790 bytes are filled and appended, in memory, to segments that were just
//! allocated and to recycled ones, with the log's housekeeping on its own thread as in an engine. Each
//! figure is the median of the rounds, and the best one in brackets:
//!
//! - fill, append: CPU of the writing thread;
//! - GB/s: of appending, by the clock on the wall;
//! - CPU: of the whole process, so with allocating and zeroing.
//!
//! `ROUNDS` (7) and `MIB` (512, written per round) can be set in the environment.

use postrider::event::{Entry, SEPARATOR};
use postrider::log::{FrameBuilder, Log, LogConfig, LogWriter, open};
use rustix::time::ClockId;
use std::sync::Arc;
use std::time::{Duration, Instant};

const EVENT_BYTES: usize = 790;
const FRAME_EVENTS: u64 = 1000;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Memory,
    Fresh,
    Recycled,
}

#[derive(Clone, Copy)]
struct Round {
    fill_ns: f64,
    append_ns: f64,
    append_wall_ns: f64,
    cpu_s_per_million: f64,
    unprepared: u64,
}

fn main() {
    let setting = |name, default| {
        let set = std::env::var(name).ok().and_then(|v| v.parse().ok());
        set.unwrap_or(default)
    };
    let (rounds, mib): (usize, u64) = (setting("ROUNDS", 7) as usize, setting("MIB", 512));
    let frames = mib * 1024 * 1024 / (FRAME_EVENTS * EVENT_BYTES as u64);
    println!("{FRAME_EVENTS} events of {EVENT_BYTES} bytes a frame, {frames} frames a round");
    println!(
        "{:<15} {:>15} {:>17} {:>15} {:>18} {:>6}",
        "", "fill ns/event", "append ns/event", "append GB/s", "CPU s/M events", "waits"
    );
    for (name, mode) in [
        ("memory", Mode::Memory),
        ("disk, fresh", Mode::Fresh),
        ("disk, recycled", Mode::Recycled),
    ] {
        let all: Vec<Round> = (0..rounds).map(|_| round(mode, frames)).collect();
        let pair = |f: fn(&Round) -> f64| {
            let mut values: Vec<f64> = all.iter().map(f).collect();
            values.sort_by(f64::total_cmp);
            (values[values.len() / 2], values[0])
        };
        let (fill, append, wall, cpu) = (
            pair(|r| r.fill_ns),
            pair(|r| r.append_ns),
            pair(|r| r.append_wall_ns),
            pair(|r| r.cpu_s_per_million),
        );
        let gigabytes = |ns: f64| EVENT_BYTES as f64 / ns;
        let waits: u64 = all.iter().map(|r| r.unprepared).sum();
        println!(
            "{name:<15} {:>8.0} ({:>4.0}) {:>10.0} ({:>4.0}) {:>8.1} ({:>4.1}) {:>10.3} ({:.3}) {waits:>6}",
            fill.0,
            fill.1,
            append.0,
            append.1,
            gigabytes(wall.0),
            gigabytes(wall.1),
            cpu.0,
            cpu.1,
        );
    }
}

fn round(mode: Mode, frames: u64) -> Round {
    let dir = tempfile::Builder::new()
        .tempdir_in(std::env::current_dir().expect("a directory"))
        .expect("a directory of our own");
    let config = match mode {
        Mode::Memory => LogConfig::in_memory(),
        _ => LogConfig::on_disk(dir.path().join("log")),
    };
    let config = LogConfig {
        full_wait: Duration::from_secs(10),
        ..config
    };
    // 8 MiB, as a queue has: the copy reads memory that is not in the first caches.
    let text = [&vec![b'x'; EVENT_BYTES - SEPARATOR.len()][..], SEPARATOR].concat();
    let texts = text.repeat((8 << 20) / EVENT_BYTES);
    let (mut writer, log, _) = open(config, 0).expect("the log opens");
    std::thread::scope(|scope| {
        let keeper = log.clone();
        scope.spawn(move || keeper.keep_house(|e| panic!("{e}")));
        let mut frame = writer.frame();
        if mode != Mode::Fresh {
            // Until what comes is used a second time: slabs, segments.
            let least = if mode == Mode::Recycled { 4 } else { 0 };
            let mut warm = 0;
            while log.stats().recycled < least || warm < 400 {
                run(&mut writer, &log, &mut frame, &texts, 1, mode);
                warm += 1;
            }
        }
        let unprepared = log.stats().unprepared;
        let cpu = cpu_ns(ClockId::ProcessCPUTime);
        let took = run(&mut writer, &log, &mut frame, &texts, frames, mode);
        let cpu = cpu_ns(ClockId::ProcessCPUTime) - cpu;
        let events = (frames * FRAME_EVENTS) as f64;
        drop(writer);
        Round {
            fill_ns: took.fill / events,
            append_ns: took.append / events,
            append_wall_ns: took.append_wall / events,
            cpu_s_per_million: cpu / events / 1e3,
            unprepared: log.stats().unprepared - unprepared,
        }
    })
}

/// Nanoseconds.
#[derive(Default)]
struct Took {
    fill: f64,
    append: f64,
    append_wall: f64,
}

/// Appends so many frames.
fn run(
    writer: &mut LogWriter,
    log: &Arc<Log>,
    frame: &mut FrameBuilder,
    texts: &[u8],
    frames: u64,
    mode: Mode,
) -> Took {
    let entry = Entry {
        len: (EVENT_BYTES - SEPARATOR.len()) as u32,
        crc: 1,
        ..Entry::default()
    };
    let mut took = Took::default();
    let mut n = 0;
    let mut left = 0;
    for _ in 0..frames {
        left += FRAME_EVENTS;
        while left > 0 {
            let start = cpu_ns(ClockId::ThreadCPUTime);
            while left > 0 {
                let at = n % (texts.len() / EVENT_BYTES) * EVENT_BYTES;
                if !frame.push(&entry, &texts[at..at + EVENT_BYTES]) {
                    // The end of a slab. As the writer thread does: append, and go on.
                    break;
                }
                (n, left) = (n + 1, left - 1);
            }
            let filled = cpu_ns(ClockId::ThreadCPUTime);
            let wall = Instant::now();
            let end = writer.append(frame).expect("appended").written_end;
            took.append_wall += wall.elapsed().as_nanos() as f64;
            took.append += cpu_ns(ClockId::ThreadCPUTime) - filled;
            took.fill += filled - start;
            if mode != Mode::Fresh {
                log.release(end, &[]);
            }
        }
    }
    took
}

fn cpu_ns(clock: ClockId) -> f64 {
    let t = rustix::time::clock_gettime(clock);
    t.tv_sec as f64 * 1e9 + t.tv_nsec as f64
}
