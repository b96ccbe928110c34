//! The inbox between real processes: nothing lost, nothing twice, nobody else's files touched.

mod kills;
mod limits;
#[path = "../processes/mod.rs"]
mod processes;
mod taking;
mod trust;
mod versions;

use postrider::event::{Entry, SEPARATOR};
use postrider::inbox::{
    self, InboxError, Problem, Taken, Taker, TakerConfig, Watch, Woken, Writer,
};
use postrider::time::{ManualClock, SystemClock};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A data directory with an inbox.
struct Data {
    dir: TempDir,
    inbox: PathBuf,
}

impl Data {
    fn new() -> Data {
        let dir = tempfile::tempdir().unwrap();
        let inbox = inbox::init(dir.path(), None).unwrap();
        Data { dir, inbox }
    }

    fn taker(&self, config: TakerConfig) -> Taker {
        self.taker_from(&[], config)
    }

    fn taker_from(&self, recovered: &[(u64, u64)], config: TakerConfig) -> Taker {
        Taker::open(&self.inbox, recovered, Arc::new(SystemClock), config).unwrap()
    }

    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.inbox)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    fn newest(&self) -> PathBuf {
        self.files().pop().expect("there is a file")
    }
}

fn append(writer: &mut Writer, text: &str) -> Result<(), InboxError> {
    let entry = Entry {
        len: text.len() as u32,
        crc: crc32c::crc32c(text.as_bytes()),
        ..Entry::default()
    };
    writer.append(&entry, &[text.as_bytes(), SEPARATOR].concat())
}

/// Takes everything there is; texts go to `texts`.
fn take(taker: &mut Taker, texts: &mut Vec<String>) -> Taken {
    let sink = |entry: &Entry, text: &[u8], _| {
        assert_eq!(entry.len as usize + SEPARATOR.len(), text.len());
        texts.push(String::from_utf8(text[..entry.len as usize].to_vec()).unwrap());
        true
    };
    let taken = taker.take(usize::MAX, sink).unwrap();
    assert!(!taken.more);
    taken
}

fn texts(taker: &mut Taker) -> Vec<String> {
    let mut texts = Vec::new();
    take(taker, &mut texts);
    texts
}

fn problem<T: std::fmt::Debug>(result: Result<T, InboxError>) -> Problem {
    result.unwrap_err().problem
}
