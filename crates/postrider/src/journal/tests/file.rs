//! Files: damage, checkpoints, full and broken disks.

use super::disk::Disk;
use super::*;
use crate::fs::sim::SimFs;
use crate::time::ManualClock;
use std::path::Path;
use std::sync::Arc;

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
    // What comes behind says that all of it was synced once.
    journal.sync().unwrap();
    let records = [records, vec![start(3, 3, vec![span(3, 1)])]].concat();
    journal.append(&records[3]);
    journal.commit().unwrap();
    for at in middle {
        disk.with_journal(|bytes| bytes[at] ^= 0x40);
        let (_, recovered) = disk.open();
        // Padding is nobody's.
        if recovered.holes != 0 {
            let left = [&records[..1], &records[2..]].concat();
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
fn behind_a_hole_that_a_power_cut_left_nothing_counts_but_its_offsets() {
    let disk = Disk::default();
    let (mut journal, _) = disk.open();
    journal.append(&start(0, 1, vec![span(0, 1)]));
    journal.commit().unwrap();
    journal.sync().unwrap();
    let mut lost = 0..0;
    for n in 1..4 {
        let from = journal_len(&disk);
        journal.append(&start(n, 1, vec![span(n * 10, 1)]));
        journal.commit().unwrap();
        if n == 2 {
            lost = from..journal_len(&disk);
        }
    }
    // The second start never reached the disk, the third did.
    disk.with_journal(|bytes| bytes[lost].fill(0));
    let (mut journal, recovered) = disk.open();
    assert_eq!((recovered.holes, recovered.cut), (0, 1));
    let webhook = recovered.state.webhook(id(1)).unwrap();
    assert_eq!(
        webhook.scanned_to, 11,
        "what lies behind is looked at again"
    );
    assert_eq!(recovered.state.next_offset(), 31, "and never given again");
    // It goes on without meeting them again.
    journal.append(&start(9, 1, vec![span(40, 1)]));
    journal.commit().unwrap();
    let (_, again) = disk.open();
    assert_eq!((again.holes, again.cut), (0, 0));
    assert_eq!(again.state.batches().count(), 3);
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

/// A journal whose disk is full from its first day on.
fn on_a_full_disk() -> (SimFs, Journal) {
    let fs = SimFs::new(1);
    let (journal, _) = sim(&fs);
    fs.fill();
    (fs, journal)
}

fn sim(fs: &SimFs) -> (Journal, Recovered) {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    open(Path::new("/j"), Arc::new(fs.clone()), clock).unwrap()
}

#[test]
fn a_full_disk_stops_neither_records_nor_checkpoints() {
    let (fs, mut journal) = on_a_full_disk();
    let (mut state, mut checkpoints) = (State::default(), 0);
    for n in 0..60_000 {
        for record in [start(n, 1, vec![span(n, 1)]), outcome(n, n, OK)] {
            journal.append(&record);
            state.apply(&record);
        }
        journal.commit().unwrap();
        if journal.wants_checkpoint() {
            journal.checkpoint(&state).unwrap();
            checkpoints += 1;
        }
    }
    assert!(checkpoints > 2, "{checkpoints}");
    drop(journal);
    assert_eq!(sim(&fs).1.state, state, "and it opens on a full disk");
}

#[test]
fn a_state_that_grows_on_a_full_disk_is_still_checkpointed() {
    let (fs, mut journal) = on_a_full_disk();
    let (mut state, mut n) = (State::default(), 0);
    // Batches that all stay open, until the state itself fills more than half of the space.
    while n < 30_000 {
        let record = start(n, 1, vec![span(n, 1)]);
        journal.append(&record);
        state.apply(&record);
        journal.commit().unwrap();
        n += 1;
        if journal.wants_checkpoint() {
            journal.checkpoint(&state).unwrap();
        }
    }
    fs.set_capacity(usize::MAX);
    journal.checkpoint(&state).unwrap();
    assert_eq!(sim(&fs).1.state, state);
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
    disk.with_journal(|bytes| bytes[8] = 3);
    let error = disk.try_open().unwrap_err();
    assert!(matches!(error, JournalError::NewerVersion { found: 3, .. }));
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
