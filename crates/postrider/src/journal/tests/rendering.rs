//! Batches that filters rendered: in the books, through checkpoints, on disk.

use super::*;
use crate::fs::RealFs;
use crate::time::ManualClock;
use std::path::Path;
use std::sync::Arc;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/journal-v2/");
const JOURNAL: &str = "0000000000000003.jnl";

fn rendered(batch: u64, events: u32, held: Option<Half>) -> Record {
    Record::Rendered {
        batch: id(batch),
        at_ms: 65,
        file: id(100 + batch),
        events,
        bytes: events * 7,
        added: 1,
        dropped: vec![(Reason::named("filter:sample"), 2)],
        held,
    }
}

fn half(batch: u64, spans: Vec<Span>, events: u32) -> Half {
    Half {
        batch: id(batch),
        spans,
        events,
        bytes: 50,
    }
}

fn dead(batch: u64, reason: Reason) -> Record {
    Record::Dead {
        batch: id(batch),
        reason,
        at_ms: 90,
    }
}

/// An open rendered batch and what was held of it; a rendered dead letter; and a batch that goes out again as it did.
fn before() -> Vec<Record> {
    let attempt = |batch| Record::Attempt {
        batch: id(batch),
        number: 1,
        at_ms: 70,
    };
    vec![
        start(1, 1, vec![span(10, 5)]),
        rendered(1, 3, Some(half(2, vec![span(13, 1)], 1))),
        dead(2, Reason::HELD),
        start(3, 1, vec![span(15, 5)]),
        rendered(3, 4, None),
        attempt(3),
        dead(3, Reason::EXPIRED),
        start(4, 1, vec![span(20, 2)]),
        attempt(4),
        dead(4, Reason::EXPIRED),
        Record::Replay {
            batch: id(4),
            at_ms: 91,
        },
    ]
}

/// What happens to them then.
fn behind() -> Vec<Record> {
    vec![
        Record::Split {
            parent: id(1),
            at_ms: 92,
            halves: [half(5, Vec::new(), 2), half(6, Vec::new(), 1)],
        },
        outcome(5, 93, OK),
        Record::Replay {
            batch: id(3),
            at_ms: 94,
        },
        start(7, 1, vec![span(30, 1)]),
        Record::Rendered {
            batch: id(7),
            at_ms: 95,
            file: Uuid::nil(),
            events: 0,
            bytes: 0,
            added: 0,
            dropped: vec![(Reason::named("filter:redact"), 1)],
            held: None,
        },
    ]
}

#[test]
fn the_books_know_what_was_dropped_added_and_held() {
    let mut state = state_of(&before());
    state.check().unwrap();
    assert_eq!(state.strays(), 0);
    let open = state.batch(id(1)).unwrap();
    assert_eq!((open.start.events, open.start.bytes), (3, 21));
    assert!(open.is_settled());
    assert!(state.batch(id(4)).unwrap().as_logged, "it went out before");
    let books = &state.webhook(id(1)).unwrap().books;
    assert_eq!((books.accepted, books.open, books.dead), (14, 5, 5));
    assert_eq!(books.dropped[&Reason::named("filter:sample")], 4);
    behind().iter().for_each(|record| state.apply(record));
    state.check().unwrap();
    assert_eq!(state.strays(), 0);
    let right = state.batch(id(6)).unwrap();
    let part = right.rendered.unwrap();
    assert_eq!((part.file, part.first, right.start.events), (id(101), 2, 1));
    assert!(state.batch(id(7)).is_none(), "nothing is left of it");
    let files: Vec<Uuid> = state.rendered_files().collect();
    assert_eq!(files, [id(101), id(103)]);
}

#[test]
fn a_rendering_that_does_not_account_for_every_event_changes_nothing() {
    let mut state = state_of(&[start(1, 1, vec![span(10, 5)])]);
    let before = state.clone();
    state.apply(&rendered(1, 5, None));
    assert_eq!(state.strays(), 1);
    assert_eq!(state.batch(id(1)), before.batch(id(1)));
}

#[test]
fn a_checkpoint_keeps_what_goes_out() {
    let state = state_of(&before());
    let dir = tempfile::tempdir().unwrap();
    let (fs, clock) = (Arc::new(RealFs), Arc::new(ManualClock::new(0)));
    let (mut journal, _) = open(dir.path(), fs.clone(), clock.clone()).unwrap();
    journal.checkpoint(&state).unwrap();
    drop(journal);
    let (_, recovered) = open(dir.path(), fs, clock).unwrap();
    assert_eq!(recovered.state, state);
}

fn fixture() -> Vec<u8> {
    let header = frames::Header {
        version: 2,
        generation: 0x0123_4567_89AB_CDEF,
        number: 3,
        created_ms: 1_700_000_000_000,
    };
    let mut frames = frames::Frames::new(header.generation);
    snapshot::write(&state_of(&before()), &mut frames);
    for record in behind() {
        frames.record(|out| out.record(&record));
    }
    [&header.to_bytes()[..], frames.bytes(), &[0; 64]].concat()
}

fn a_rendering() -> Rendering {
    let mut rendering = Rendering::default();
    for text in ["{\"n\":1},\n", "{},\n", "{\"n\":\"three\"},\n"] {
        rendering.push(text.as_bytes());
    }
    rendering
}

/// The bytes of version 2 never change.
/// `UPDATE_FIXTURES=1` writes them anew, which is right only before version 2 was published.
#[test]
fn version_2_is_written_as_ever() {
    let path = Path::new(FIXTURES);
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("rendered");
    let all = Renderings::open(&place, Arc::new(RealFs), std::iter::empty()).unwrap();
    all.writer().write(id(101), a_rendering()).unwrap();
    let name = id(101).to_string();
    let written = std::fs::read(place.join(&name)).unwrap();
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        std::fs::create_dir_all(path.join("rendered")).unwrap();
        std::fs::write(path.join(JOURNAL), fixture()).unwrap();
        std::fs::write(path.join("rendered").join(&name), &written).unwrap();
    }
    assert_eq!(std::fs::read(path.join(JOURNAL)).unwrap(), fixture());
    let kept = std::fs::read(path.join("rendered").join(&name)).unwrap();
    assert_eq!(kept, written);
}

#[test]
fn version_2_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("rendered");
    std::fs::create_dir(&place).unwrap();
    for name in [JOURNAL, &format!("rendered/{}", id(101))] {
        std::fs::copy(Path::new(FIXTURES).join(name), dir.path().join(name)).unwrap();
    }
    std::fs::write(place.join(id(999).to_string()), "of a crash").unwrap();
    let (fs, clock) = (Arc::new(RealFs), Arc::new(ManualClock::new(0)));
    let (_, recovered) = open(dir.path(), fs.clone(), clock).unwrap();
    let mut wanted = state_of(&before());
    behind().iter().for_each(|record| wanted.apply(record));
    assert_eq!((recovered.state.clone(), recovered.holes), (wanted, 0));
    let mut all = Renderings::open(&place, fs, recovered.state.rendered_files()).unwrap();
    let read = all.read(id(101)).unwrap().expect("it is there");
    assert_eq!(*read, a_rendering());
    assert_eq!(read.range(1..3), Some(9..28));
    assert_eq!(read.range(2..4), None);
    assert!(!place.join(id(999).to_string()).exists(), "nobody needs it");
    assert!(all.read(id(103)).unwrap().is_none(), "it is gone");
}

#[test]
fn a_journal_of_version_1_is_turned_into_one_that_old_builds_refuse() {
    let dir = tempfile::tempdir().unwrap();
    let old = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/journal-v1/0000000000000007.jnl"
    );
    std::fs::copy(old, dir.path().join("0000000000000007.jnl")).unwrap();
    let (fs, clock) = (Arc::new(RealFs), Arc::new(ManualClock::new(0)));
    let (_, recovered) = open(dir.path(), fs.clone(), clock.clone()).unwrap();
    let now = std::fs::read(dir.path().join("0000000000000008.jnl")).unwrap();
    assert_eq!(now[8..12], 2u32.to_le_bytes());
    assert!(!dir.path().join("0000000000000007.jnl").exists());
    let (_, again) = open(dir.path(), fs, clock).unwrap();
    assert_eq!(again.state, recovered.state);
}

#[test]
fn a_damaged_file_is_no_rendering_and_one_that_nobody_needs_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let fs: Arc<RealFs> = Arc::new(RealFs);
    let mut all = Renderings::open(dir.path(), fs.clone(), std::iter::empty()).unwrap();
    let written = all.writer().write(id(1), a_rendering()).unwrap();
    all.adopt(&written);
    let path = dir.path().join(id(1).to_string());
    let whole = std::fs::read(&path).unwrap();
    assert_eq!(all.bytes(), whole.len() as u64);
    assert!(all.read(id(1)).unwrap().is_some());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        assert!(all.read(id(1)).unwrap().is_none(), "byte {at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(all.read(id(1)).unwrap().is_none(), "cut at {at}");
    }
    std::fs::write(&path, &whole).unwrap();
    assert!(all.read(id(1)).unwrap().is_some());
    all.retain(|needed| needed == id(1));
    assert!(path.exists());
    all.retain(|_| false);
    assert!(!path.exists() && all.is_empty());
    assert_eq!(all.bytes(), 0);
}

#[test]
fn in_memory_renderings_stay_until_nobody_needs_them() {
    let mut all = Renderings::in_memory();
    let written = all.writer().write(id(1), a_rendering()).unwrap();
    all.adopt(&written);
    for _ in 0..2 {
        assert_eq!(*all.read(id(1)).unwrap().unwrap(), a_rendering());
    }
    all.retain(|_| false);
    assert!(all.read(id(1)).unwrap().is_none());
}
