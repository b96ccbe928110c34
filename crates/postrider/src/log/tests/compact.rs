//! Segments of which little is needed shrink to that.

use super::*;
use crate::fs::sim::SimFs;
use crate::fs::{Fs, Open};

/// One event of the first segment.
const PIN: std::ops::Range<u64> = 5..6;

#[test]
fn a_segment_that_little_pins_shrinks_to_what_is_pinned() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 4);
    log.maintain().unwrap();
    let before = log.stats();
    let second = log.segments()[1].base_offset;
    let pins = [5..6, 1500..1510, second + 7..second + 9];
    log.release(next, &pins);
    log.maintain().unwrap();

    let wanted: Vec<_> = pins.iter().flat_map(|p| expected(p.clone())).collect();
    let active = log.segments().last().unwrap().base_offset;
    let pinned = |log: &Log| -> Vec<_> {
        let all = events(log, 0).into_iter();
        all.filter(|e| e.0 < active).collect()
    };
    assert_eq!(
        pinned(&log),
        wanted,
        "same offsets, same bytes, nothing else"
    );
    assert_eq!(log.stats().compacted, 2);
    assert!(log.stats().used_bytes + SEGMENT < before.used_bytes);
    let files = rig.files("seg");
    assert!(files[0].metadata().unwrap().len() < 4096);
    assert_eq!(
        log.segments()[0]
            .contents
            .as_ref()
            .unwrap()
            .counts
            .values()
            .map(|count| count.events)
            .sum::<u32>(),
        11
    );
    assert!(!log.maintain().unwrap(), "then it rests");

    // As good after a restart, and gone when nobody needs it.
    drop((writer, log));
    let (_writer, log, report) = rig.open();
    assert!(!report.is_damaged());
    assert_eq!((pinned(&log), report.next_offset), (wanted, next));
    log.release(next, &[]);
    log.maintain().unwrap();
    assert_eq!(rig.files("seg").len(), 1);
}

#[test]
fn what_is_needed_or_kept_for_search_is_not_compacted() {
    let mut rig = Rig::uncached();
    rig.config.keep = Duration::from_secs(3600);
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 3);
    log.release(1000, &[PIN]);
    rig.clock.advance(Duration::from_secs(3600));
    log.maintain().unwrap();
    assert_eq!(log.stats().compacted, 0, "a webhook has not got so far");
    rig.clock.set_unix_ms(START_MS);
    log.release(next, &[PIN]);
    log.maintain().unwrap();
    assert_eq!(log.stats().compacted, 0, "search wants it");
    rig.clock.advance(Duration::from_secs(3600));
    log.maintain().unwrap();
    assert_eq!(log.stats().compacted, 1);
    assert_eq!(events(&log, 0)[0], (5, text(5)));
}

#[test]
fn a_reader_of_the_old_file_reads_on() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 3);
    let mut seen = 0;
    log.tables(0, |table| {
        if seen == 0 {
            log.release(next, &[PIN]);
            log.maintain().unwrap();
            assert_eq!(log.stats().compacted, 1);
        }
        assert_eq!(table.base_offset(), seen);
        seen += u64::from(table.count());
        seen < 10_000
    })
    .unwrap();
    assert_eq!(seen, 10_000, "to the end of what it began to read");
}

#[test]
fn a_released_segment_that_was_compacted_leaves_no_text() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let next = fill(&mut writer, &log, 0, 3);
    log.release(next, &[PIN]);
    log.maintain().unwrap();
    log.release(next, &[]);
    log.maintain().unwrap();
    for entry in std::fs::read_dir(rig.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(memchr::memmem::find(&bytes, text(5).as_bytes()), None);
    }
}

#[test]
fn inbox_positions_survive_compaction() {
    let rig = Rig::uncached();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    push(&mut frame, 0, &text(0));
    frame.inbox_position(7, 4096);
    writer.append(&mut frame).unwrap();
    let next = fill(&mut writer, &log, 1, 3);
    log.release(next, &[PIN]);
    log.maintain().unwrap();
    assert_eq!(log.stats().compacted, 1);
    drop((writer, log));
    // Only the compacted segment is left.
    let files = rig.files("seg");
    files[1..]
        .iter()
        .for_each(|p| std::fs::remove_file(p).unwrap());
    assert_eq!(rig.open().2.inbox_positions, [(7, 4096)]);
}

#[test]
fn a_crash_at_any_moment_of_it_loses_nothing_pinned() {
    for seed in 0..60 {
        let fs = SimFs::new(seed);
        let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
        let next = fill(&mut writer, &log, 0, 3);
        log.maintain().unwrap();
        log.sync().unwrap();
        // Fails at the n-th change of the disk, or not at all.
        let ops = [
            crate::fs::sim::Op::Open,
            crate::fs::sim::Op::Write,
            crate::fs::sim::Op::Sync,
            crate::fs::sim::Op::Remove,
            crate::fs::sim::Op::Rename,
            crate::fs::sim::Op::SyncDir,
        ];
        let fault = ops[seed as usize % ops.len()];
        fs.fail(
            fault,
            seed as usize / ops.len() % 4,
            std::io::ErrorKind::Other,
        );
        log.release(next, &[5..8, 2000..2002]);
        let _ = log.maintain();
        drop((writer, log));
        fs.power_cut();
        let (_writer, log, _) = open(simulated(&fs), 0).unwrap();
        let found: Vec<_> = events(&log, 0)
            .into_iter()
            .filter(|e| (5..8).contains(&e.0))
            .collect();
        assert_eq!(found, expected(5..8), "seed {seed}");
        assert_eq!(events(&log, 2000)[..2], expected(2000..2002), "seed {seed}");
        let leftover = |p: &PathBuf| p.extension().is_some_and(|e| e == "compact");
        assert!(!fs.list(Path::new("/log")).unwrap().iter().any(leftover));
    }
}

#[test]
fn a_disk_without_room_for_it_stays_as_it_was() {
    let fs = SimFs::new(1);
    let (mut writer, log, _) = open(simulated(&fs), 0).unwrap();
    let next = fill(&mut writer, &log, 0, 3);
    log.maintain().unwrap();
    // Both sealed segments are pinned, so none makes room for the other.
    let second = log.segments()[1].base_offset;
    fs.fill();
    log.release(next, &[5..6, second..second + 1]);
    assert!(log.maintain().is_err());
    assert_eq!(events(&log, 5)[0], (5, text(5)));
    fs.set_capacity(usize::MAX);
    log.maintain().unwrap();
    assert_eq!(log.stats().compacted, 2);
    assert_eq!(events(&log, 5)[0], (5, text(5)));
    let old = fs
        .open(Path::new("/log/00000000000000000000.seg"), Open::Read)
        .unwrap();
    assert!(old.len().unwrap() < 4096);
}
