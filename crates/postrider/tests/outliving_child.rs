//! A forked child that outlives the engine that its parent had.

mod processes;

use postrider::engine::{Engine, Level};
use postrider::event::{Event, fields, types};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

fn open(dir: &std::path::Path) -> Engine {
    let builder = Engine::builder().data_dir(dir);
    let all = builder.set("log.keep", "all").unwrap();
    all.start().expect("nobody holds the directory")
}

#[test]
fn it_does_not_hold_the_directory_and_what_it_pushes_reaches_the_next_engine() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let (mut go, mut wait) = std::io::pipe().map(|(wait, go)| (go, wait)).unwrap();
    let mut child = processes::fork(|out| {
        out.write_all(b"1").unwrap();
        wait.read_exact(&mut [0]).unwrap();
        let event = Event::new(types::DELIVERY).str(fields::RCPT_TO, "late@example.com");
        engine.push(&event).unwrap();
        engine.flush(Level::Written, MINUTE).unwrap();
        engine.close(MINUTE).unwrap();
    });
    child.expect_byte();
    engine.close(MINUTE).unwrap();
    drop(engine);

    // The child is alive, with every descriptor that it inherited.
    let next = open(dir.path());
    let before = next.stats().log.next_offset;
    go.write_all(b"1").unwrap();
    child.wait();
    let deadline = Instant::now() + MINUTE;
    while next.stats().log.next_offset == before {
        assert!(Instant::now() < deadline, "{:?}", next.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(next.stats().inbox.events, 1);
    next.close(MINUTE).unwrap();
}
