//! A whole engine on a disk that is full: a file system of a few megabytes, in a mount namespace of its own.

use postrider::deliver::WebhookBooks;
use postrider::engine::{Engine, Level, PushError};
use postrider::event::{Event, fields, types};
use postrider::journal::Reason;
use postrider::webhook::{WebhookPatch, WebhookSpec};
use postrider_tests::binary::until;
use postrider_tests::books::{self, MINUTE, engine, webhook};
use postrider_tests::cc::{need_program, output, skip};
use postrider_tests::receiver::{Receiver, Reply};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Where the small file system is, in the environment of the process that has it.
const DISK: &str = "POSTRIDER_FULL_DISK";
const MEGABYTES: u32 = 64;

/// Pushes fail at once where there is no room, or wait.
fn settings(policy: &'static str) -> [(&'static str, &'static str); 7] {
    [
        ("log.segment_bytes", "4194304"),
        ("queue.bytes", "1048576"),
        ("queue.policy", policy),
        ("queue.wait_ms", "60000"),
        ("batch.linger_ms", "0"),
        ("retry.schedule", "1"),
        ("http.timeout_ms", "60000"),
    ]
}

/// Runs a test of this file in a process that has a small file system.
fn on_a_small_disk(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mount = format!(
        "mount -t tmpfs -o size={MEGABYTES}m small '{}'",
        dir.path().display()
    );
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", script]);
        command
    };
    let can = need_program("unshare")
        && (output(&mut unshare(&mount)).status.success()
            || skip("a file system of its own needs root, and a mount namespace"));
    if !can {
        return;
    }
    let mut inside = unshare(&format!("{mount} && exec \"$0\" --ignored --exact {test}"));
    inside.arg(std::env::current_exe().unwrap());
    let done = output(inside.env(DISK, dir.path()));
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

fn disk() -> PathBuf {
    std::env::var_os(DISK)
        .expect("started by `on_a_small_disk`")
        .into()
}

/// Takes all the space that is left, until it is removed.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        let error = loop {
            match file.write_all(&vec![b'x'; size]) {
                Ok(()) => {}
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
    path
}

fn push(engine: &Engine) -> Result<(), PushError> {
    let subject = "s".repeat(2000);
    let event = Event::new(types::DELIVERY).str(fields::SUBJECT, &subject);
    engine.push(&event).map(drop)
}

/// Pushes until the disk has refused an append and a push has no room any more; answers how many had.
fn push_until_refused(engine: &Engine) -> u64 {
    let refused_before = engine.stats().append_failures;
    let deadline = Instant::now() + MINUTE;
    let mut taken = 0;
    loop {
        assert!(Instant::now() < deadline, "the disk never was full");
        match push(engine) {
            Ok(()) => taken += 1,
            Err(PushError::Full { .. }) if engine.stats().append_failures > refused_before => {
                return taken;
            }
            Err(PushError::Full { .. }) => std::thread::yield_now(),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Pushes until it succeeds.
fn push_again(engine: &Engine) {
    let deadline = Instant::now() + MINUTE;
    while let Err(e) = push(engine) {
        assert!(matches!(e, PushError::Full { .. }), "{e}");
        assert!(Instant::now() < deadline, "writing does not go on: {e}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_disk_refuses_pushes_and_nothing_else_and_writing_goes_on_by_itself() {
    on_a_small_disk("refused_on_a_full_disk");
}

#[test]
#[ignore = "run by `a_full_disk_refuses…`"]
fn refused_on_a_full_disk() {
    let disk = disk();
    let data = disk.join("data");
    let (receiver, other) = (Receiver::ok(), Receiver::ok());
    let first = engine(Some(&data), &settings("fail"));
    let id = webhook(&first, &receiver.url("/"), &["delivery"]);
    // A receiver that answers when it is told to: until then nothing that it wants can go.
    let hold = |receiver: &Receiver| {
        let (go, told) = std::sync::mpsc::channel::<()>();
        receiver.answer(move |_| {
            let _ = told.recv();
            Reply::Status(200)
        });
        go
    };
    // The next segment exists before the current one is full: the disk fills up after that.
    push(&first).unwrap();
    until("a spare segment", || {
        let mut names = std::fs::read_dir(data.join("log")).unwrap();
        let spare = |name: std::ffi::OsString| name.to_string_lossy().starts_with("spare-");
        let found = names.any(|entry| spare(entry.unwrap().file_name()));
        (found && first.stats().log.segments > 0).then_some(())
    });
    let go = hold(&receiver);
    let filler = fill(&disk);
    let mut pushed = 1 + push_until_refused(&first);

    // On the full disk webhooks come, change and go, and batches arrive.
    for n in 0..20 {
        let spec = WebhookSpec::new("more", &other.url("/"), ["bounce"]);
        let more = first.create_webhook(spec).unwrap().id;
        let name = Some(format!("number {n}"));
        let patch = WebhookPatch {
            name,
            ..WebhookPatch::default()
        };
        first.update_webhook(more, patch).unwrap();
        first.pause_webhook(more).unwrap();
        first.resume_webhook(more).unwrap();
        first.delete_webhook(more, n % 2 == 0).unwrap();
    }
    assert!(matches!(push(&first), Err(PushError::Full { .. })));
    drop(go);
    books::wait(&first, id, "delivered", |b| b.delivered == pushed);
    // What was delivered is space again.
    push_again(&first);
    pushed += 1;
    books::wait(&first, id, "delivered", |b| b.delivered == pushed);

    // Space that somebody else gives back.
    let go = hold(&receiver);
    pushed += push_until_refused(&first);
    std::fs::remove_file(&filler).unwrap();
    push_again(&first);
    pushed += 1;
    first.flush(Level::Written, MINUTE).unwrap();

    // A restart on the full disk goes on where it was.
    fill(&disk);
    drop(go);
    books::close(&first);
    let second = engine(Some(&data), &settings("fail"));
    books::wait(&second, id, "delivered", |b| b.delivered == pushed);
    let end = books::of(&second, id);
    assert_eq!((end.accepted, end.dead, end.pending), (pushed, 0, 0));
    assert_eq!(end.dropped.values().sum::<u64>(), 0, "{end:?}");
    let mut bodies = std::collections::BTreeMap::new();
    for post in receiver.posts() {
        bodies.insert(post.batch_id().to_owned(), post.events().len() as u64);
    }
    assert_eq!(
        bodies.values().sum::<u64>(),
        pushed,
        "what the receiver saw"
    );
    books::close(&second);
}

#[test]
fn on_a_full_disk_the_oldest_of_a_failing_webhook_makes_way_and_is_counted() {
    on_a_small_disk("makes_way_on_a_full_disk");
}

#[test]
#[ignore = "run by `on_a_full_disk_the_oldest…`"]
fn makes_way_on_a_full_disk() {
    let ok = || Receiver::discarding(|_| Reply::Status(200));
    let (healthy, failing) = (ok(), ok());
    let engine = engine(Some(&disk().join("data")), &settings("wait"));
    let good = webhook(&engine, &healthy.url("/"), &["delivery"]);
    let bad = webhook(&engine, &failing.url("/"), &["delivery"]);
    failing.answer(|_| Reply::Status(503));
    // More than the disk can hold.
    let events = u64::from(MEGABYTES) * 600;
    for _ in 0..events {
        push(&engine).unwrap();
    }
    books::wait(&engine, good, "delivered", |b| b.delivered == events);
    let dropped = |b: &WebhookBooks| b.dropped.get(&Reason::SPACE).copied().unwrap_or(0);
    let held = books::of(&engine, bad);
    assert!(dropped(&held) > 0 && held.pending > 0, "{held:?}");
    assert_eq!(dropped(&books::of(&engine, good)), 0);

    // What it still has arrives when it is well again.
    failing.answer(|_| Reply::Status(200));
    books::wait(&engine, bad, "nothing pending", |b| b.pending == 0);
    let end = books::of(&engine, bad);
    assert_eq!(end.delivered + dropped(&end), events, "{end:?}");
    books::close(&engine);
}
