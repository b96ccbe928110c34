//! Whole journals, cut off at any byte.

use super::*;
use crate::fs::{File, Fs, Open};
use crate::time::ManualClock;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use uuid::Uuid;

/// One change of the disk.
#[derive(Clone, Debug)]
enum Op {
    Create(PathBuf, usize),
    Resize(usize, u64),
    Write(usize, u64, Vec<u8>),
    Rename(PathBuf, PathBuf),
}

/// A disk in memory that remembers every change, so that a crash can be put at any byte of any of them.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    names: BTreeMap<PathBuf, usize>,
    files: Vec<Vec<u8>>,
    ops: Vec<Op>,
    /// Writes fail, having written this many bytes.
    full: Option<usize>,
    sync_fails: bool,
}

impl Inner {
    fn apply(&mut self, op: Op) {
        match op.clone() {
            Op::Create(path, file) => {
                self.files.resize(file + 1, Vec::new());
                self.names.insert(path, file);
            }
            Op::Resize(file, len) => self.files[file].resize(len as usize, 0),
            Op::Write(file, at, bytes) => {
                let (file, end) = (&mut self.files[file], at as usize + bytes.len());
                file.resize(file.len().max(end), 0);
                file[at as usize..end].copy_from_slice(&bytes);
            }
            Op::Rename(from, to) => {
                let file = self.names.remove(&from).expect("it was there");
                self.names.insert(to, file);
            }
        }
        self.ops.push(op);
    }
}

impl Disk {
    /// The disk as it was after `ops` changes and `bytes` bytes of the next.
    fn crashed(&self, ops: usize, bytes: usize) -> Disk {
        let before = self.0.lock().unwrap();
        let mut inner = Inner::default();
        for op in &before.ops[..ops] {
            inner.apply(op.clone());
        }
        if let Some(Op::Write(file, at, text)) = before.ops.get(ops) {
            inner.apply(Op::Write(
                *file,
                *at,
                text[..bytes.min(text.len())].to_vec(),
            ));
        }
        Disk(Arc::new(Mutex::new(inner)))
    }

    fn ops(&self) -> usize {
        self.0.lock().unwrap().ops.len()
    }

    fn open(&self) -> (Journal, Recovered) {
        self.try_open().expect("it opens")
    }

    fn try_open(&self) -> Result<(Journal, Recovered), JournalError> {
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        open(Path::new("/j"), Arc::new(self.clone()), clock)
    }

    fn with_journal(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut inner = self.0.lock().unwrap();
        let newest = inner
            .names
            .iter()
            .rfind(|(path, _)| path.extension().is_some());
        let file = *newest.expect("there is a journal").1;
        change(&mut inner.files[file]);
    }
}

struct DiskFile(Disk, usize);

impl File for DiskFile {
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let inner = self.0.0.lock().unwrap();
        let rest = inner.files[self.1].get(at as usize..).unwrap_or(&[]);
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, bufs: &[&[u8]], at: u64) -> io::Result<()> {
        let mut inner = self.0.0.lock().unwrap();
        let mut bytes = bufs.concat();
        let full = inner.full;
        bytes.truncate(full.unwrap_or(bytes.len()));
        inner.apply(Op::Write(self.1, at, bytes));
        full.map_or(Ok(()), |_| Err(io::ErrorKind::StorageFull.into()))
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.lock().unwrap().files[self.1].len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.0.lock().unwrap().apply(Op::Resize(self.1, len));
        Ok(())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        // Nothing that a recovery could see, and megabytes per test case.
        match self.0.0.lock().unwrap().full {
            Some(_) => Err(io::ErrorKind::StorageFull.into()),
            None => Ok(()),
        }
    }

    fn zero(&self, _: u64, _: u64) -> io::Result<()> {
        unreachable!("the journal zeroes nothing")
    }

    fn sync(&self) -> io::Result<()> {
        match self.0.0.lock().unwrap().sync_fails {
            true => Err(io::Error::other("broken disk")),
            false => Ok(()),
        }
    }
}

impl Fs for Disk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        let mut inner = self.0.lock().unwrap();
        let file = match (inner.names.get(path), how) {
            (None, Open::CreateNew) => {
                let file = inner.files.len();
                inner.apply(Op::Create(path.into(), file));
                file
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
            (Some(_), Open::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(&file), _) => file,
        };
        drop(inner);
        Ok(Arc::new(DiskFile(self.clone(), file)))
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(self.0.lock().unwrap().names.keys().cloned().collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.0.lock().unwrap();
        inner.apply(Op::Rename(from.into(), to.into()));
        Ok(())
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        unreachable!("the journal removes nothing")
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        match self.0.lock().unwrap().sync_fails {
            true => Err(io::Error::other("broken disk")),
            false => Ok(()),
        }
    }
}

fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(7, n)
}

fn span(first: u64, count: u32) -> Span {
    Span { first, count }
}

fn start(batch: u64, webhook: u64, spans: Vec<Span>) -> Record {
    Record::Start(BatchStart {
        batch: id(batch),
        webhook: id(webhook),
        revision: 3,
        scanned_to: spans.last().map_or(0, |s| s.end()),
        events: spans.iter().map(|s| s.count).sum(),
        bytes: 1000,
        last_written_ms: 50,
        formed_ms: 60,
        spans,
    })
}

fn outcome(batch: u64, at_ms: u64, result: Outcome) -> Record {
    Record::Outcome {
        batch: id(batch),
        at_ms,
        latency_ms: 12,
        result,
        next_at_ms: at_ms + 1000,
    }
}

fn failed(status: u16) -> Outcome {
    Outcome::Failed {
        status: Some(status).filter(|&s| s != 0),
        code: if status == 0 {
            "ECONNREFUSED".into()
        } else {
            "".into()
        },
    }
}

const OK: Outcome = Outcome::Delivered { status: 200 };

fn state_of(records: &[Record]) -> State {
    let mut state = State::default();
    records.iter().for_each(|record| state.apply(record));
    state
}

/// What a deliverer may do next; numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Form {
        webhook: u64,
        gap: u64,
        counts: Vec<u32>,
    },
    Attempt(usize),
    Deliver(usize),
    Fail(usize, u16),
    Split(usize),
    Die(usize),
    Replay(usize),
    Forget(usize),
    Close(usize),
    Drop {
        webhook: u64,
        events: u64,
    },
    Floor {
        webhook: u64,
    },
    Change {
        webhook: u64,
        change: Change,
    },
    Commit,
    Checkpoint,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let webhook = 0..3u64;
    let change = prop_oneof![
        (1..5u32).prop_map(Change::Revised),
        Just(Change::Deleted),
        Just(Change::Gone)
    ];
    let step = prop_oneof![
        4 => (webhook.clone(), 0..200u64, prop::collection::vec(1..5u32, 1..4))
            .prop_map(|(webhook, gap, counts)| Step::Form { webhook, gap, counts }),
        4 => any::<usize>().prop_map(Step::Attempt),
        3 => any::<usize>().prop_map(Step::Deliver),
        3 => (any::<usize>(), prop_oneof![Just(0), Just(400), Just(413), Just(503)])
            .prop_map(|(n, status)| Step::Fail(n, status)),
        1 => any::<usize>().prop_map(Step::Split),
        1 => any::<usize>().prop_map(Step::Die),
        1 => any::<usize>().prop_map(Step::Replay),
        1 => any::<usize>().prop_map(Step::Forget),
        1 => any::<usize>().prop_map(Step::Close),
        1 => (webhook.clone(), 1..9u64).prop_map(|(webhook, events)| Step::Drop { webhook, events }),
        1 => webhook.clone().prop_map(|webhook| Step::Floor { webhook }),
        1 => (webhook, change).prop_map(|(webhook, change)| Step::Change { webhook, change }),
        4 => Just(Step::Commit),
        1 => Just(Step::Checkpoint),
    ];
    prop::collection::vec(step, 1..60)
}

/// Turns a step into a record that makes sense in `state`; `n` numbers new batches and times.
fn record_of(step: &Step, state: &State, n: u64) -> Option<Record> {
    let open = |k: usize| {
        let count = state.batches().count();
        state.batches().nth(k.checked_rem(count)?)
    };
    let dead = |k: usize| {
        let count = state.dead_letters().count();
        state.dead_letters().nth(k.checked_rem(count)?)
    };
    Some(match step {
        Step::Form {
            webhook,
            gap,
            counts,
        } => {
            let mut at = state.next_offset();
            let place = |&count: &u32| {
                let span = span(at + gap, count);
                at = span.end();
                span
            };
            start(n, *webhook, counts.iter().map(place).collect())
        }
        Step::Attempt(k) => Record::Attempt {
            batch: open(*k)?.start.batch,
            number: open(*k)?.attempts + 1,
            at_ms: n,
        },
        Step::Deliver(k) => Record::Outcome {
            batch: open(*k)?.start.batch,
            at_ms: n,
            latency_ms: 1,
            result: OK,
            next_at_ms: 0,
        },
        Step::Fail(k, status) => Record::Outcome {
            batch: open(*k)?.start.batch,
            at_ms: n,
            latency_ms: 1,
            result: failed(*status),
            next_at_ms: n + 30,
        },
        Step::Split(k) => {
            let parent = &open(*k)?.start;
            let (first, rest) = parent.spans.split_first()?;
            if rest.is_empty() {
                return None;
            }
            let half = |k, spans: Vec<Span>| Half {
                batch: Uuid::new_v5(&parent.batch, &[k]),
                events: spans.iter().map(|s| s.count).sum(),
                bytes: 10,
                spans,
            };
            Record::Split {
                parent: parent.batch,
                at_ms: n,
                halves: [half(0, vec![*first]), half(1, rest.to_vec())],
            }
        }
        Step::Die(k) => Record::Dead {
            batch: open(*k)?.start.batch,
            reason: Reason::EXPIRED,
            at_ms: n,
        },
        Step::Replay(k) => Record::Replay {
            batch: dead(*k)?.start.batch,
            at_ms: n,
        },
        Step::Forget(k) => Record::Forget {
            batch: dead(*k)?.start.batch,
        },
        Step::Close(k) => Record::Close {
            batch: open(*k)?.start.batch,
            reason: Reason::named("filter:redact"),
            at_ms: n,
        },
        Step::Drop { webhook, events } => Record::Dropped {
            webhook: id(*webhook),
            reason: Reason::SPACE,
            events: *events,
            scanned_to: state.next_offset() + events,
        },
        Step::Floor { webhook } => Record::Floor {
            webhook: id(*webhook),
            scanned_to: state.next_offset() + 10,
        },
        Step::Change { webhook, change } => Record::Webhook {
            webhook: id(*webhook),
            change: *change,
            at_offset: state.next_offset(),
        },
        Step::Commit | Step::Checkpoint => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Wherever it stops, what is recovered is the state after some record: none of the committed ones
    /// is missing, and no half of a record counts. The books always balance.
    #[test]
    fn a_crash_at_any_byte_leaves_a_prefix(steps in steps(), at in any::<prop::sample::Index>()) {
        let disk = Disk::default();
        let (mut journal, recovered) = disk.open();
        let mut state = recovered.state;
        let mut states = vec![state.clone()];
        // After so many changes of the disk, at least so many records are there for good.
        let mut committed = vec![(disk.ops(), 0)];
        let first = disk.ops();
        for (n, step) in steps.iter().enumerate() {
            match step {
                Step::Commit => journal.commit().unwrap(),
                Step::Checkpoint => journal.checkpoint(&state).unwrap(),
                _ => {
                    let Some(record) = record_of(step, &state, n as u64 + 100) else { continue };
                    journal.append(&record);
                    state.apply(&record);
                    state.check().unwrap();
                    states.push(state.clone());
                    continue;
                }
            }
            committed.push((disk.ops(), states.len() - 1));
        }
        journal.commit().unwrap();
        committed.push((disk.ops(), states.len() - 1));
        prop_assert_eq!(state.strays(), 0);

        let ops = first + at.index(disk.ops() - first + 1);
        let length = match disk.0.lock().unwrap().ops.get(ops) {
            Some(Op::Write(_, _, bytes)) => bytes.len(),
            _ => 0,
        };
        let sure = committed.iter().filter(|(done, _)| *done <= ops).map(|(_, n)| *n).max().unwrap();
        for cut in 0..=length {
            let crashed = disk.crashed(ops, cut);
            let (mut journal, recovered) = crashed.open();
            prop_assert!(!recovered.checkpoint_damaged);
            prop_assert_eq!(recovered.holes, 0);
            let known = states[sure..].iter().position(|s| *s == recovered.state);
            prop_assert!(known.is_some(), "cut {} of {} at {}", cut, length, ops);
            // It goes on from there, and that is found again.
            let more = start(9_999, 1, vec![span(recovered.state.next_offset(), 1)]);
            let mut state = recovered.state;
            journal.append(&more);
            state.apply(&more);
            journal.commit().unwrap();
            prop_assert_eq!(&crashed.open().1.state, &state);
        }
    }
}

#[test]
fn a_batch_without_outcome_comes_back_as_it_was() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    let spans = vec![span(10, 3), span(20, 1), span(u64::MAX - 9, 4)];
    let records = [
        start(1, 1, spans.clone()),
        Record::Attempt {
            batch: id(1),
            number: 1,
            at_ms: 70,
        },
        outcome(1, 80, failed(503)),
        Record::Attempt {
            batch: id(1),
            number: 2,
            at_ms: 1080,
        },
    ];
    records.iter().for_each(|record| journal.append(record));
    journal.commit().unwrap();

    let (_, recovered) = disk.open();
    let batch = recovered.state.batch(id(1)).expect("it is open");
    assert_eq!(batch.start.spans, spans);
    assert_eq!((batch.start.events, batch.start.bytes), (8, 1000));
    assert_eq!(
        (batch.attempts, batch.failed, batch.in_flight),
        (2, 1, true)
    );
    assert_eq!(batch.next_at_ms, 1080);
    assert_eq!(batch.age_from_ms, 50);
    assert!(!batch.only_refused);
    assert_eq!(recovered.state.next_offset(), u64::MAX - 5);
    assert_eq!(recovered.state, state_of(&records));
}

#[test]
fn a_dead_letter_is_listed_with_its_reason_and_can_come_back() {
    let mut state = state_of(&[
        start(1, 1, vec![span(0, 5)]),
        outcome(1, 80, failed(500)),
        Record::Dead {
            batch: id(1),
            reason: Reason::EXPIRED,
            at_ms: 90,
        },
    ]);
    let letter = state.dead_letters().next().expect("it is listed");
    assert_eq!(letter.reason, Reason::EXPIRED);
    assert_eq!(letter.start.spans, [span(0, 5)]);
    assert_eq!(state.webhook(id(1)).unwrap().books.dead, 5);

    state.apply(&Record::Replay {
        batch: id(1),
        at_ms: 200,
    });
    let batch = state.batch(id(1)).expect("it is open again");
    assert_eq!((batch.age_from_ms, batch.attempts), (200, 0));
    state.apply(&outcome(1, 210, OK));
    let books = &state.webhook(id(1)).unwrap().books;
    assert_eq!((books.dead, books.delivered, books.open), (0, 5, 0));
    state.check().unwrap();
}

#[test]
fn only_complete_400_413_and_422_allow_a_split() {
    let mut state = state_of(&[start(1, 1, vec![span(0, 5)])]);
    for (status, refused, only_refused) in [
        (400, 1, true),
        (413, 1, true),
        (422, 2, true),
        (0, 2, false),
        (400, 3, false),
    ] {
        state.apply(&outcome(1, 80, failed(status)));
        let batch = state.batch(id(1)).unwrap();
        assert_eq!((batch.refused, batch.only_refused), (refused, only_refused));
    }
}

#[test]
fn history_lists_failing_failed_and_retried_batches_newest_first() {
    let state = state_of(&[
        start(1, 1, vec![span(0, 1)]),
        outcome(1, 10, OK),
        start(2, 1, vec![span(1, 1)]),
        outcome(2, 20, failed(503)),
        outcome(2, 21, OK),
        start(3, 1, vec![span(2, 1)]),
        outcome(3, 30, failed(0)),
        start(4, 1, vec![span(3, 1)]),
        outcome(4, 40, failed(500)),
        Record::Dead {
            batch: id(4),
            reason: Reason::EXPIRED,
            at_ms: 41,
        },
        start(5, 2, vec![span(4, 1)]),
        outcome(5, 50, failed(500)),
    ]);
    let lines = |first_tries| -> Vec<(Uuid, u32, Option<u16>, bool)> {
        let all = state.batch_status(id(1), 1000, first_tries);
        all.iter()
            .map(|s| (s.batch, s.failed, s.status, s.delivered))
            .collect()
    };
    let retried = [
        (id(4), 1, Some(500), false),
        (id(3), 1, None, false),
        (id(2), 1, Some(200), true),
    ];
    assert_eq!(lines(false), retried);
    assert_eq!(lines(true)[3], (id(1), 0, Some(200), true));
    assert_eq!(state.batch_status(id(1), 2, true).len(), 2);
    assert_eq!(state.batch_status(id(1), 9, false)[1].code, "ECONNREFUSED");
}

#[test]
fn history_is_bounded() {
    let mut state = State::default();
    for n in 0..1200 {
        state.apply(&start(n, 1, vec![span(n, 1)]));
        state.apply(&outcome(n, n, failed(500)));
        state.apply(&outcome(n, n, OK));
    }
    let all = state.batch_status(id(1), usize::MAX, true);
    assert_eq!((all.len(), all[0].batch), (1000, id(1199)));
    state.forget_history_before(1190);
    assert_eq!(state.batch_status(id(1), usize::MAX, true).len(), 10);
}

#[test]
fn a_damaged_record_costs_itself_alone() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    let records: Vec<Record> = (0..3).map(|n| start(n, n, vec![span(n, 1)])).collect();
    let mut middle = 0..0;
    for (n, record) in records.iter().enumerate() {
        let from = journal_len(&disk);
        journal.append(record);
        journal.commit().unwrap();
        if n == 1 {
            middle = from..journal_len(&disk);
        }
    }
    for at in middle {
        disk.with_journal(|bytes| bytes[at] ^= 0x40);
        let (_, recovered) = disk.open();
        // Padding is nobody's.
        if recovered.holes != 0 {
            let left = [records[0].clone(), records[2].clone()];
            assert_eq!(recovered.state, state_of(&left), "byte {at}");
        } else {
            assert_eq!(recovered.state, state_of(&records), "byte {at}");
        }
        disk.with_journal(|bytes| bytes[at] ^= 0x40);
    }
}

fn journal_len(disk: &Disk) -> usize {
    let mut len = 0;
    disk.with_journal(|bytes| len = bytes.len());
    len
}

#[test]
fn a_former_life_of_the_file_is_not_read() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    for n in 0..50 {
        journal.append(&start(n, 1, vec![span(n, 1)]));
    }
    journal.commit().unwrap();
    // Twice: the second one is written over the file that holds the 50 records.
    let state = state_of(&[start(77, 2, vec![span(100, 1)])]);
    journal.checkpoint(&state).unwrap();
    journal.checkpoint(&state).unwrap();
    let (_, recovered) = disk.open();
    assert_eq!((recovered.state, recovered.holes), (state, 0));
}

#[test]
fn a_checkpoint_that_lost_a_piece_says_so() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    let state = state_of(&[start(1, 1, vec![span(0, 1)]), start(2, 2, vec![span(1, 1)])]);
    journal.checkpoint(&state).unwrap();
    disk.with_journal(|bytes| bytes[frames::HEADER_BYTES + 60] ^= 1);
    assert!(disk.open().1.checkpoint_damaged);
}

#[test]
fn a_full_disk_loses_nothing_and_goes_on_when_there_is_space() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    let records = [start(1, 1, vec![span(0, 1)]), start(2, 1, vec![span(1, 1)])];
    journal.append(&records[0]);
    disk.0.lock().unwrap().full = Some(9);
    assert!(matches!(journal.commit(), Err(JournalError::Io { .. })));
    assert!(matches!(
        journal.checkpoint(&State::default()),
        Err(JournalError::Io { .. })
    ));
    assert_eq!(disk.open().1.state, State::default());
    disk.0.lock().unwrap().full = None;
    journal.append(&records[1]);
    journal.commit().unwrap();
    assert_eq!(disk.open().1.state, state_of(&records));
}

#[test]
fn after_a_failed_sync_nothing_is_recorded_until_it_is_reopened() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    disk.0.lock().unwrap().sync_fails = true;
    assert!(matches!(journal.sync(), Err(JournalError::Io { .. })));
    disk.0.lock().unwrap().sync_fails = false;
    journal.append(&start(1, 1, vec![span(0, 1)]));
    assert!(matches!(journal.commit(), Err(JournalError::Poisoned)));
    assert!(matches!(journal.sync(), Err(JournalError::Poisoned)));
    assert!(matches!(
        journal.checkpoint(&State::default()),
        Err(JournalError::Poisoned)
    ));
    let (mut journal, _) = disk.open();
    journal.append(&start(1, 1, vec![span(0, 1)]));
    journal.commit().unwrap();
}

#[test]
fn a_later_version_is_refused_by_name() {
    let disk = Disk::default();
    drop(disk.open());
    disk.with_journal(|bytes| bytes[8] = 2);
    let error = disk.try_open().unwrap_err();
    assert!(matches!(error, JournalError::NewerVersion { found: 2, .. }));
    assert!(
        error.to_string().contains("0000000000000001.jnl"),
        "{error}"
    );
}

#[test]
fn a_damaged_header_is_said_and_nothing_is_overwritten() {
    let disk = Disk::default();
    drop(disk.open());
    let before = disk.ops();
    disk.with_journal(|bytes| bytes[20] ^= 1);
    assert!(matches!(disk.try_open(), Err(JournalError::Damaged { .. })));
    assert_eq!(disk.ops(), before);
}

#[test]
fn a_checkpoint_is_wanted_when_records_outgrow_it() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    let mut state = State::default();
    let mut n = 0;
    while !journal.wants_checkpoint() {
        assert!(n < 100_000, "never wanted");
        for record in [start(n, 1, vec![span(n, 1)]), outcome(n, n, OK)] {
            journal.append(&record);
            state.apply(&record);
        }
        journal.commit().unwrap();
        n += 1;
    }
    journal.checkpoint(&state).unwrap();
    assert!(!journal.wants_checkpoint());
    assert_eq!(disk.open().1.state, state);
}

#[test]
fn a_record_about_an_unknown_batch_is_a_stray() {
    let state = state_of(&[outcome(1, 1, OK), Record::Forget { batch: id(1) }]);
    assert_eq!(state.strays(), 2);
    state.check().unwrap();
}

const FIXTURE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/journal-v1/0000000000000007.jnl"
);

/// The state at the fixture's checkpoint: one of everything.
fn fixture_checkpoint() -> State {
    state_of(&[
        Record::Webhook {
            webhook: id(1),
            change: Change::Created,
            at_offset: 10,
        },
        Record::Webhook {
            webhook: id(1),
            change: Change::Revised(3),
            at_offset: 12,
        },
        start(1, 1, vec![span(12, 1)]),
        outcome(1, 70, OK),
        start(2, 1, vec![span(13, 2), span(20, 300)]),
        outcome(2, 80, failed(0)),
        start(3, 1, vec![span(400, 5)]),
        outcome(3, 81, failed(503)),
        Record::Dead {
            batch: id(3),
            reason: Reason::EXPIRED,
            at_ms: 90,
        },
        Record::Dropped {
            webhook: id(1),
            reason: Reason::named("filter:redact"),
            events: 4,
            scanned_to: 500,
        },
    ])
}

/// The records behind it: one of each kind.
fn fixture_records() -> Vec<Record> {
    let half = |batch, first, count| Half {
        batch: id(batch),
        spans: vec![span(first, count)],
        events: count,
        bytes: 500,
    };
    vec![
        start(4, 1, vec![span(600, 2), span(700, 2)]),
        Record::Attempt {
            batch: id(4),
            number: 1,
            at_ms: 100,
        },
        outcome(4, 101, failed(413)),
        Record::Split {
            parent: id(4),
            at_ms: 102,
            halves: [half(5, 600, 2), half(6, 700, 2)],
        },
        outcome(5, 103, OK),
        Record::Close {
            batch: id(6),
            reason: Reason::LOST_UNSYNCED,
            at_ms: 104,
        },
        Record::Replay {
            batch: id(3),
            at_ms: 105,
        },
        Record::Dead {
            batch: id(3),
            reason: Reason::POISON,
            at_ms: 106,
        },
        Record::Forget { batch: id(3) },
        Record::Dropped {
            webhook: id(2),
            reason: Reason::INACTIVE,
            events: 9,
            scanned_to: 800,
        },
        Record::Floor {
            webhook: id(2),
            scanned_to: 900,
        },
        Record::Webhook {
            webhook: id(9),
            change: Change::Created,
            at_offset: 901,
        },
        Record::Webhook {
            webhook: id(2),
            change: Change::Deleted,
            at_offset: 902,
        },
        Record::Webhook {
            webhook: id(9),
            change: Change::Gone,
            at_offset: 903,
        },
    ]
}

/// A whole file, with a damaged place before the last record but one.
fn fixture() -> Vec<u8> {
    let header = frames::Header {
        generation: 0x0123_4567_89AB_CDEF,
        number: 7,
        created_ms: 1_700_000_000_000,
    };
    let mut frames = frames::Frames::new(header.generation);
    snapshot::write(&fixture_checkpoint(), &mut frames);
    let records = fixture_records();
    let (last, others) = records
        .split_last_chunk::<2>()
        .map(|(a, b)| (b, a))
        .unwrap();
    others
        .iter()
        .for_each(|r| frames.record(|out| out.record(r)));
    let mut bytes = [&header.to_bytes()[..], frames.bytes(), &[0xA5; 40]].concat();
    frames.clear();
    last.iter().for_each(|r| frames.record(|out| out.record(r)));
    bytes.extend_from_slice(frames.bytes());
    bytes.resize(bytes.len() + 128, 0);
    bytes
}

/// The bytes of version 1 never change.
#[test]
fn version_1_is_written_as_ever() {
    assert_eq!(std::fs::read(FIXTURE).unwrap(), fixture());
}

#[test]
fn version_1_is_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(FIXTURE, dir.path().join("0000000000000007.jnl")).unwrap();
    let fs = Arc::new(crate::fs::RealFs);
    let clock = Arc::new(ManualClock::new(0));
    let (mut journal, recovered) = open(dir.path(), fs.clone(), clock.clone()).unwrap();
    let mut wanted = fixture_checkpoint();
    fixture_records()
        .iter()
        .for_each(|record| wanted.apply(record));
    assert_eq!(recovered.state, wanted);
    assert_eq!((recovered.holes, recovered.checkpoint_damaged), (1, false));
    wanted.check().unwrap();
    // And through a checkpoint of this build, on a real disk.
    journal.checkpoint(&recovered.state).unwrap();
    journal.append(&Record::Forget { batch: id(77) });
    journal.commit().unwrap();
    journal.sync().unwrap();
    let (_, again) = open(dir.path(), fs, clock).unwrap();
    assert_eq!((again.holes, again.state.strays()), (0, 1));
    assert_eq!(again.state.batch(id(2)), wanted.batch(id(2)));
}

/// Run by hand when a new version needs fixtures of its own.
#[test]
#[ignore = "writes the fixture"]
fn write_the_fixture() {
    std::fs::write(FIXTURE, fixture()).unwrap();
}
