//! What needs files that no writer makes.

use super::dir::{Place, boot_id};
use super::format::Header;
use super::*;
use crate::event::{Entry, SEPARATOR};
use crate::time::ManualClock;
use std::path::Path;
use std::sync::Arc;

fn taker(inbox: &Path, recovered: &[(u64, u64)]) -> Taker {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    Taker::open(inbox, recovered, clock, TakerConfig::default()).unwrap()
}

fn append(writer: &mut Writer, text: &str) {
    let entry = Entry {
        len: text.len() as u32,
        crc: crc32c::crc32c(text.as_bytes()),
        ..Entry::default()
    };
    let text = [text.as_bytes(), SEPARATOR].concat();
    writer.append(&entry, &text).unwrap();
}

fn texts(taker: &mut Taker) -> Vec<String> {
    let mut texts = Vec::new();
    let sink = |entry: &Entry, text: &[u8], _| {
        texts.push(String::from_utf8(text[..entry.len as usize].to_vec()).unwrap());
        true
    };
    taker.take(usize::MAX, sink).unwrap();
    texts
}

fn create(inbox: &Path, id: u64, boot: [u8; 16]) {
    let header = Header {
        id,
        created_ms: 0,
        max_bytes: DEFAULT_MAX_BYTES,
        boot,
        sealed: false,
    };
    assert!(Place::new(inbox).open().unwrap().create(header).unwrap());
}

fn ids(inbox: &Path) -> Vec<u64> {
    let mut ids = Vec::new();
    let dir = Place::new(inbox).open().unwrap();
    dir.each(|id| ids.push(id)).unwrap();
    ids.sort();
    ids
}

/// A power cut may leave a file shorter than the position that the log remembers. If writers went on
/// in it, what they append below that position would be passed over.
#[test]
fn nobody_appends_to_a_file_of_a_former_boot() {
    let data = tempfile::tempdir().unwrap();
    let inbox = init(data.path(), None).unwrap();
    create(&inbox, 5, [9; 16]);
    let mut writer = Writer::open(&inbox).unwrap();
    append(&mut writer, "after the cut");
    assert_eq!(ids(&inbox), [5, 6]);
    let mut taker = taker(&inbox, &[(5, 100_000)]);
    assert_eq!(texts(&mut taker), ["after the cut"]);
    // The old one had nothing left to take, so it is gone.
    assert_eq!(ids(&inbox), [6]);
}

#[test]
fn an_engine_seals_files_of_a_former_boot() {
    let data = tempfile::tempdir().unwrap();
    let inbox = init(data.path(), None).unwrap();
    create(&inbox, 5, [9; 16]);
    drop(taker(&inbox, &[]));
    let dir = Place::new(&inbox).open().unwrap();
    let sealed = |id| dir.open(id, dir::For::Taking).unwrap().unwrap().is_sealed();
    assert_eq!((sealed(5), sealed(6)), (Ok(true), Ok(false)));
}

#[test]
fn of_two_files_begun_at_once_both_are_taken_and_one_is_closed() {
    let data = tempfile::tempdir().unwrap();
    let inbox = init(data.path(), None).unwrap();
    create(&inbox, 5, boot_id());
    let mut early = Writer::open(&inbox).unwrap();
    append(&mut early, "early 1");
    create(&inbox, 6, boot_id());
    let mut late = Writer::open(&inbox).unwrap();
    append(&mut late, "late 1");
    append(&mut early, "early 2");
    let mut taker = taker(&inbox, &[]);
    assert_eq!(texts(&mut taker), ["early 1", "early 2", "late 1"]);
    append(&mut early, "early 3");
    assert_eq!(texts(&mut taker), ["early 3"]);
    taker.committed(&taker.positions()).unwrap();
    assert_eq!(ids(&inbox), [6]);
}

#[test]
fn only_one_of_several_makers_of_a_file_wins() {
    let data = tempfile::tempdir().unwrap();
    let inbox = init(data.path(), None).unwrap();
    let dir = Place::new(&inbox).open().unwrap();
    let header = Header {
        id: 5,
        created_ms: 0,
        max_bytes: 1,
        boot: boot_id(),
        sealed: false,
    };
    assert_eq!(
        (dir.create(header), dir.create(header)),
        (Ok(true), Ok(false))
    );
    let names = std::fs::read_dir(&inbox).unwrap();
    assert_eq!(names.count(), 1, "the loser leaves nothing");
}

#[test]
fn what_killed_makers_left_is_swept_away() {
    let data = tempfile::tempdir().unwrap();
    let inbox = init(data.path(), None).unwrap();
    std::fs::write(inbox.join(".0000000000000005-77-0"), "").unwrap();
    std::fs::write(inbox.join("README"), "the operator's").unwrap();
    drop(taker(&inbox, &[]));
    let mut names: Vec<_> = std::fs::read_dir(&inbox)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2);
    assert_eq!(names[1], "README");
}
