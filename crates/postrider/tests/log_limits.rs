//! The log under a limit on the size of files: a full disk, and no signal.

mod processes;

use postrider::event::{Entry, SEPARATOR};
use postrider::log::{self, FrameBuilder, LogConfig};
use processes::fork;
use std::time::Duration;

fn push(frame: &mut FrameBuilder, text: &str) {
    let entry = Entry {
        len: text.len() as u32,
        crc: crc32c::crc32c(text.as_bytes()),
        ..Entry::default()
    };
    assert!(frame.push(&entry, &[text.as_bytes(), SEPARATOR].concat()));
}

fn limit_files_to(bytes: libc::rlim_t) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: a plain system call; the structure outlives it.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_FSIZE, &limit) }, 0);
}

#[test]
fn a_limit_on_file_sizes_is_a_full_disk_until_it_is_lifted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let child = fork(move |_| {
        // As in the engine's threads: the signal that comes with the error is blocked. Its default
        // would end the child.
        // SAFETY: plain system calls on a set of our own.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGXFSZ);
            assert_eq!(
                libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()),
                0
            );
        }
        limit_files_to(1 << 20);
        let config = LogConfig {
            segment_bytes: 2 << 20,
            full_wait: Duration::ZERO,
            ..LogConfig::on_disk(&path)
        };
        let (mut writer, log, _) = log::open(config.clone(), 0).expect("it opens all the same");
        let mut frame = writer.frame();
        push(&mut frame, "first");
        let error = writer
            .append(&mut frame)
            .expect_err("no segment can be made");
        assert!(error.is_no_space(), "{error}");
        limit_files_to(libc::RLIM_INFINITY);
        assert_eq!(writer.append(&mut frame).unwrap().base_offset, 0);

        // A write that the limit cuts short: what got in is overwritten by the next try.
        limit_files_to(4096);
        push(&mut frame, &"x".repeat(10_000));
        let error = writer
            .append(&mut frame)
            .expect_err("it ends beyond the limit");
        assert!(error.is_no_space(), "{error}");
        limit_files_to(libc::RLIM_INFINITY);
        assert_eq!(writer.append(&mut frame).unwrap().base_offset, 1);
        drop((writer, log));
        let (_writer, log, report) = log::open(config, 0).unwrap();
        assert_eq!((report.events, report.is_damaged()), (2, false));
        assert_eq!(log.read(0, 0).unwrap()[0].text(0), b"first");
    });
    child.wait();
}
