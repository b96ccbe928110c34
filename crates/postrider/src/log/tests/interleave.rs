//! Interleavings, scripted: the writer appends at the very moments at which a reader looks.

use super::*;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

thread_local! {
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

/// What happens at this thread's moments.
struct Script {
    /// So many moments pass first.
    skip: u32,
    act: Box<dyn FnMut()>,
}

/// A moment at which another thread may come between: a look at a segment's state, a read of its file.
pub(in crate::log) fn moment() {
    // Taken while it acts: what it does has moments too, which are not the reader's.
    let Some(mut script) = SCRIPT.take() else {
        return;
    };
    match script.skip {
        0 => (script.act)(),
        _ => script.skip -= 1,
    }
    SCRIPT.set(Some(script));
}

/// Calls `read` on a log of three segments' worth of frames that only the disk has, with a frame
/// appended at each of its moments from the first, second, … on, until it has none so late.
fn at_every_moment(read: impl Fn(&Log, &Cell<u64>)) {
    for skip in 0.. {
        let rig = Rig::uncached();
        let (mut writer, log, _) = rig.open();
        for n in 0..3 {
            append(&mut writer, n * 10..n * 10 + 10);
        }
        // How many events there are.
        let written = Rc::new(Cell::new(30));
        let act = {
            let (log, written) = (log.clone(), written.clone());
            let mut left = 20;
            Box::new(move || {
                // Where the reader holds the log's lock no append could come between.
                if left > 0 && log.state.try_lock().is_ok() {
                    left -= 1;
                    let next = written.get();
                    append(&mut writer, next..next + 10);
                    written.set(next + 10);
                }
            })
        };
        SCRIPT.set(Some(Script { skip, act }));
        read(&log, &written);
        SCRIPT.take();
        if written.get() == 30 {
            assert!(skip > 0, "a reader has moments");
            return;
        }
    }
}

/// What is read once must be there when it is read again.
#[test]
fn nothing_is_read_before_it_is_said_to_be_written() {
    let rigs = [Rig::new(), Rig::uncached()];
    let configs = [
        LogConfig::in_memory(),
        rigs[0].config.clone(),
        rigs[1].config.clone(),
    ];
    for config in configs {
        let (mut writer, log, _) = open(config, 0).unwrap();
        append(&mut writer, 0..10);
        let looks = Rc::new(Cell::new(0));
        let act = {
            let (log, looks) = (log.clone(), looks.clone());
            Box::new(move || {
                looks.set(looks.get() + 1);
                let frames = log.read(0, usize::MAX).unwrap();
                assert_eq!(frames.last().unwrap().end_offset(), log.next_offset());
                let mut tables = Vec::new();
                let read = log.tables(0, |table| {
                    tables.push(table.base_offset());
                    true
                });
                assert!(read.is_ok() && tables == [0], "{tables:?}");
            })
        };
        SCRIPT.set(Some(Script { skip: 0, act }));
        append(&mut writer, 10..20);
        SCRIPT.take();
        assert!(looks.get() > 0, "the writer has moments");
        assert_eq!(events(&log, 0), expected(0..20));
    }
}

#[test]
fn a_reader_skips_nothing_that_is_appended_while_it_reads() {
    at_every_moment(|log, written| {
        for budget in [0, usize::MAX] {
            let mut next = 0;
            while next < written.get() {
                for frame in log.read(next, budget).unwrap() {
                    assert_eq!(frame.base_offset(), next, "a frame was skipped");
                    next = frame.end_offset();
                }
            }
        }
    });
}

#[test]
fn tables_show_every_frame_once_while_frames_are_appended() {
    at_every_moment(|log, written| {
        let mut next = 0;
        while next < written.get() {
            log.tables(next, |table| {
                assert_eq!(table.base_offset(), next, "skipped or shown twice");
                next = table.end_offset();
                true
            })
            .unwrap();
        }
    });
}
