//! Full inboxes, full disks, limits of the process, events that are too long.

use super::*;
use crate::processes::fork;
use std::io::Write;

#[test]
fn a_full_inbox_says_so_and_takes_again_when_emptied() {
    let data = Data::new();
    let config = TakerConfig {
        max_bytes: 64 * 1024,
        ..TakerConfig::default()
    };
    let mut taker = data.taker(config);
    let mut writer = Writer::open(&data.inbox).unwrap();
    let text = "z".repeat(10_000);
    let mut written = 0;
    let full = loop {
        match append(&mut writer, &text) {
            Ok(()) => written += 1,
            Err(error) => break error.problem,
        }
        assert!(written < 100, "no limit");
    };
    assert_eq!(written, 6);
    assert!(
        matches!(full, Problem::Full { limit: 65_536, .. }),
        "{full}"
    );
    assert!(data.newest().metadata().unwrap().len() <= 64 * 1024);
    assert_eq!(texts(&mut taker).len(), 6);
    taker.rotate().unwrap();
    take(&mut taker, &mut Vec::new());
    taker.committed(&taker.positions()).unwrap();
    append(&mut writer, &text).unwrap();
}

#[test]
fn a_full_disk_tells_the_caller_and_costs_nobody_else() {
    let data = Data::new();
    let inbox = data.inbox.clone();
    // In a mount namespace of its own, on a file system of 256 KiB.
    let child = fork(move |out| {
        let target = std::ffi::CString::new(inbox.to_str().unwrap()).unwrap();
        let (root, tmpfs) = (c"/".as_ptr(), c"tmpfs".as_ptr());
        let options = c"size=256k,mode=2770".as_ptr().cast();
        // SAFETY: plain system calls on C strings that outlive them.
        let mounted = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(
                    root,
                    root,
                    std::ptr::null(),
                    libc::MS_REC | libc::MS_PRIVATE,
                    std::ptr::null(),
                ) == 0
                && libc::mount(tmpfs, target.as_ptr(), tmpfs, 0, options) == 0
        };
        if !mounted {
            out.write_all(b"-").unwrap();
            return;
        }
        let clock = Arc::new(SystemClock);
        let mut taker = Taker::open(&inbox, &[], clock, TakerConfig::default()).unwrap();
        let mut writer = Writer::open(&inbox).unwrap();
        let mut wanted = Vec::new();
        let mut short = 0;
        // Longer than what is left: a part gets in. Then shorter ones until nothing does.
        for size in [30_000, 9000, 2000, 100, 1] {
            loop {
                let text = format!("{} {}", wanted.len(), "q".repeat(size));
                match append(&mut writer, &text) {
                    Ok(()) => wanted.push(text),
                    Err(error) => match error.problem {
                        Problem::Short { .. } => {
                            short += 1;
                            break;
                        }
                        Problem::Os { .. } => break,
                        other => panic!("{other}"),
                    },
                }
            }
        }
        assert!(short > 0, "no append was cut off");
        let mut all = Vec::new();
        take(&mut taker, &mut all);
        assert_eq!(all, wanted);
        out.write_all(b"+").unwrap();
    });
    let mut child = child;
    if child.expect_byte() == b'-' {
        eprintln!("needs the right to mount");
    }
    child.wait();
}

#[test]
fn a_limit_on_file_sizes_raises_no_signal() {
    let data = Data::new();
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "before").unwrap();
    let inbox = data.inbox.clone();
    fork(move |_| {
        // The default would end the child.
        let limit = libc::rlimit {
            rlim_cur: 100_000,
            rlim_max: 100_000,
        };
        // SAFETY: plain system calls; the structure outlives the call.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_DFL);
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
        }
        let error = problem(Writer::open(&inbox));
        assert_eq!(error, Problem::FileSizeLimit { limit: 100_000 });
        assert!(matches!(
            problem(append(&mut writer, "x")),
            Problem::FileSizeLimit { .. }
        ));
    })
    .wait();
}

#[test]
fn an_event_beyond_the_limit_is_refused() {
    let data = Data::new();
    let mut writer = Writer::open(&data.inbox).unwrap();
    let text = "x".repeat(postrider::event::MAX_TEXT + 1);
    assert!(matches!(
        problem(append(&mut writer, &text)),
        Problem::TooLong { .. }
    ));
    append(&mut writer, &text[1..]).unwrap();
    let mut taker = data.taker(TakerConfig::default());
    assert_eq!(texts(&mut taker), [&text[1..]]);
}
