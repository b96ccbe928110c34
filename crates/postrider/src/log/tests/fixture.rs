//! A log of version 1, committed: every later build reads it.
//!
//! `UPDATE_FIXTURES=1 cargo test -p postrider --lib log::tests::fixture` writes it anew, which is right
//! only before version 1 was published.

use super::*;

fn stored() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/log-v1")
}

/// The used parts of the files, so that 4 MiB of zeros need not be committed.
fn write_fixture() {
    let rig = Rig::new();
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    for n in 0..3 {
        push(&mut frame, n, &text(n));
    }
    frame.inbox_position(0x1122_3344_5566_7788, 4096);
    writer.append(&mut frame).unwrap();
    append(&mut writer, 3..10);
    drop((writer, log));
    let segment = rig.segment();
    let bytes = std::fs::read(&segment).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    std::fs::create_dir_all(stored()).unwrap();
    std::fs::write(
        stored().join(segment.file_name().unwrap()),
        &bytes[..used.next_multiple_of(8)],
    )
    .unwrap();
}

#[test]
fn a_log_of_version_1_is_read() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        write_fixture();
    }
    let rig = Rig::uncached();
    std::fs::create_dir(rig.path()).unwrap();
    for file in std::fs::read_dir(stored()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), rig.path().join(file.file_name())).unwrap();
    }
    let (mut writer, log, report) = rig.open();
    assert_eq!(
        (report.frames, report.events, report.next_offset),
        (2, 10, 10)
    );
    assert!(!report.is_damaged());
    assert_eq!(report.inbox_positions, [(0x1122_3344_5566_7788, 4096)]);
    assert_eq!(events(&log, 0), expected(0..10));
    assert_eq!(log.read(0, 0).unwrap()[0].written_ms(), START_MS);
    append(&mut writer, 10..12);
    assert_eq!(events(&log, 0), expected(0..12));
}
