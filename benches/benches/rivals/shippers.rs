//! Programs that carry the lines of a file to the receiver, Postrider among them.

use crate::feed;
use crate::watch::{EVERY, Watch, Watched};
use postrider_bench::compare::folder;
use postrider_bench::process::{SinkProcess, Wants};
use postrider_bench::sink::Count;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A program, and how it is started.
pub(crate) struct Shipper {
    pub(crate) name: &'static str,
    /// Its program and Debian's package; none: this one.
    pub(crate) program: Option<(&'static str, &'static str)>,
    /// Whether it may lose nothing that it has acknowledged.
    pub(crate) acknowledges: bool,
    start: fn(&Run) -> Command,
}

/// What one run of a shipper is given.
pub(crate) struct Run<'a> {
    /// For its own files; a second start finds what the first one left.
    pub(crate) dir: &'a Path,
    pub(crate) file: &'a Path,
    pub(crate) sink: &'a SinkProcess,
}

const SYSLOG_NG: Option<(&str, &str)> = Some(("syslog-ng", "syslog-ng-core, syslog-ng-mod-http"));
const FLUENT_BIT: Option<(&str, &str)> = Some(("fluent-bit", "not in Debian 12: fluentbit.io"));

pub(crate) const SHIPPERS: &[Shipper] = &[
    Shipper {
        name: "Postrider, in memory",
        program: None,
        acknowledges: false,
        start: |run| feed::command(run, true),
    },
    Shipper {
        name: "Postrider, written",
        program: None,
        acknowledges: true,
        start: |run| feed::command(run, false),
    },
    Shipper {
        name: "syslog-ng, in memory",
        program: SYSLOG_NG,
        acknowledges: false,
        start: |run| syslog_ng(run, ""),
    },
    Shipper {
        name: "syslog-ng, reliable disk buffer",
        program: SYSLOG_NG,
        acknowledges: false,
        start: |run| {
            let buffer = "disk-buffer(disk-buf-size(1073741824) mem-buf-size(67108864) reliable(yes) dir(\"@DIR@\"))";
            syslog_ng(run, buffer)
        },
    },
    Shipper {
        name: "Fluent Bit, in memory",
        program: FLUENT_BIT,
        acknowledges: false,
        start: |run| fluent_bit(run, "memory"),
    },
    Shipper {
        name: "Fluent Bit, filesystem",
        program: FLUENT_BIT,
        acknowledges: false,
        start: |run| fluent_bit(run, "filesystem"),
    },
];

/// Writes a configuration of `compare/` into the run's directory, its gaps filled.
fn configure(run: &Run, name: &str, keep: &str) -> String {
    let text = std::fs::read_to_string(folder().join(name)).expect("a configuration");
    let text = text
        .replace("@KEEP@", keep)
        .replace("@DIR@", run.dir.to_str().expect("text"))
        .replace("@FILE@", run.file.to_str().expect("text"))
        .replace("@URL@", &run.sink.url())
        .replace("@PORT@", &run.sink.addr.port().to_string());
    let path = run.dir.join(name);
    std::fs::write(&path, text).expect("written");
    path.to_str().expect("text").to_owned()
}

fn syslog_ng(run: &Run, keep: &str) -> Command {
    let mut command = Command::new("syslog-ng");
    let own = |name| run.dir.join(name);
    command.args(["-F", "-f", &configure(run, "syslog-ng.conf", keep)]);
    command.arg("-R").arg(own("persist"));
    command.arg("-p").arg(own("pid"));
    command.arg("-c").arg(own("ctl"));
    command
}

fn fluent_bit(run: &Run, keep: &str) -> Command {
    let parsers = "[PARSER]\n    Name   json\n    Format json\n";
    std::fs::write(run.dir.join("parsers.conf"), parsers).expect("written");
    let mut command = Command::new("fluent-bit");
    command.args(["-c", &configure(run, "fluent-bit.conf", keep)]);
    command
}

fn start(shipper: &Shipper, run: &Run) -> Child {
    let mut command = (shipper.start)(run);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("it is installed")
}

fn receiver() -> SinkProcess {
    let wants = Wants {
        count: Count::Numbers,
        ..Wants::default()
    };
    SinkProcess::start(wants).expect("a receiver")
}

/// How long nothing may come before no more is expected.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets a shipper carry all events.
pub(crate) fn carry(shipper: &Shipper, file: &Path, events: u64) -> Watched {
    let (dir, mut sink) = (tempfile::tempdir().expect("a directory"), receiver());
    let run = Run {
        dir: dir.path(),
        file,
        sink: &sink,
    };
    let mut child = start(shipper, &run);
    let mut watch = Watch::of(&child);
    let first = until(&mut sink, 1, &mut watch);
    let began = Instant::now();
    let last = until(&mut sink, events, &mut watch);
    let took = began.elapsed();
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    assert_eq!(last, events, "{} stopped", shipper.name);
    watch.over(events, last - first, took)
}

/// Kills a shipper half-way and starts it again; how many events never come.
pub(crate) fn kill(shipper: &Shipper, file: &Path, events: u64) -> u64 {
    let (dir, mut sink) = (tempfile::tempdir().expect("a directory"), receiver());
    let mut came = 0;
    for goal in [events / 2, events] {
        let run = Run {
            dir: dir.path(),
            file,
            sink: &sink,
        };
        let mut child = start(shipper, &run);
        came = until(&mut sink, goal, &mut Watch::of(&child));
        child.kill().expect("it is ours");
        child.wait().expect("it ends");
    }
    events - came
}

/// Returns once the receiver has so many events, or nothing has come for long; how many it has.
fn until(sink: &mut SinkProcess, events: u64, watch: &mut Watch) -> u64 {
    let (mut came, mut since) = (0, Instant::now());
    loop {
        watch.look();
        let now = sink.counts().events;
        if now >= events || since.elapsed() > PATIENCE {
            return now;
        }
        if now > came {
            (came, since) = (now, Instant::now());
        }
        std::thread::sleep(EVERY);
    }
}
