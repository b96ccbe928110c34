//! The inbox between real processes: nothing lost, nothing twice, nobody else's files touched.

mod processes;

use postrider::event::{Entry, SEPARATOR};
use postrider::inbox::{
    self, InboxError, Problem, Taken, Taker, TakerConfig, Watch, Woken, Writer,
};
use postrider::time::{ManualClock, SystemClock};
use processes::{become_user, fork, is_root};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
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
    let sink = |entry: &Entry, text: &[u8]| {
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

#[test]
fn several_processes_write_while_files_are_taken_rotated_and_deleted() {
    const WRITERS: usize = 6;
    const EVENTS: usize = 3000;
    let data = Data::new();
    let config = TakerConfig {
        file_bytes: 64 * 1024,
        ..TakerConfig::default()
    };
    let mut taker = data.taker(config);
    let watch = Watch::open(&data.inbox).unwrap();
    let children: Vec<_> = (0..WRITERS)
        .map(|k| {
            let inbox = data.inbox.clone();
            fork(move |_| {
                let mut writer = Writer::open(&inbox).unwrap();
                for n in 0..EVENTS {
                    append(&mut writer, &format!("{k} {n} {}", "x".repeat(n % 700))).unwrap();
                }
            })
        })
        .collect();

    let mut all = Vec::new();
    let mut files = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            children.into_iter().for_each(|child| child.wait());
            watch.stop();
        });
        while watch.wait().unwrap() == Woken::Written {
            let taken = take(&mut taker, &mut all);
            assert_eq!(taken.damaged, 0);
            assert!(taken.problems.is_empty(), "{:?}", taken.problems);
            files = files.max(taker.stats().files);
            taker.committed(&taken.positions).unwrap();
        }
    });
    take(&mut taker, &mut all);

    assert_eq!(all.len(), WRITERS * EVENTS);
    let mut next = [0; WRITERS];
    for text in &all {
        let numbers: Vec<usize> = text
            .split(' ')
            .take(2)
            .map(|n| n.parse().unwrap())
            .collect();
        assert_eq!(numbers[1], next[numbers[0]], "writer {}", numbers[0]);
        next[numbers[0]] += 1;
    }
    assert!(files > 1, "never rotated");
    taker.rotate().unwrap();
    take(&mut taker, &mut all);
    taker.committed(&taker.positions()).unwrap();
    assert_eq!(data.files().len(), 1, "what was taken is deleted");
}

#[test]
fn what_a_killed_process_recorded_is_there() {
    let data = Data::new();
    for round in 0..20 {
        let mut taker = data.taker(TakerConfig::default());
        let inbox = data.inbox.clone();
        let mut child = fork(move |out| {
            let mut writer = Writer::open(&inbox).unwrap();
            for n in 0u64.. {
                append(&mut writer, &format!("{n} {}", "y".repeat(5000))).unwrap();
                out.write_all(b"+").unwrap();
            }
        });
        for _ in 0..round * 7 + 1 {
            child.expect_byte();
        }
        child.signal(libc::SIGKILL);
        child.wait_status();
        let mut acknowledged = round * 7 + 1;
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut child.out, &mut rest).unwrap();
        acknowledged += rest.len();

        let mut got = Vec::new();
        let taken = take(&mut taker, &mut got);
        let extra = got.len() - acknowledged;
        assert!(
            extra <= 1,
            "{acknowledged} acknowledged, {} taken",
            got.len()
        );
        taker.rotate().unwrap();
        let after = take(&mut taker, &mut got);
        assert!(taken.damaged + after.damaged <= 1);
        taker.committed(&taker.positions()).unwrap();
    }
}

#[test]
fn stumps_between_good_records_are_skipped_and_counted() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    let file = data.newest();
    let record = fs::read(&file).unwrap()[64..].to_vec();
    let mut raw = OpenOptions::new().append(true).open(&file).unwrap();
    for cut in [1, 5, 20, 32, 34] {
        raw.write_all(&record[..cut]).unwrap();
        append(&mut writer, &format!("after {cut}")).unwrap();
    }
    raw.write_all(&record[..33]).unwrap();

    let mut all = Vec::new();
    let taken = take(&mut taker, &mut all);
    assert_eq!(
        all,
        [
            "one", "after 1", "after 5", "after 20", "after 32", "after 34"
        ]
    );
    assert_eq!(taken.damaged, 5, "the last may still be in the making");
    taker.rotate().unwrap();
    let taken = take(&mut taker, &mut all);
    assert_eq!((taken.damaged, all.len()), (1, 6));
    taker.committed(&taker.positions()).unwrap();
    assert!(!file.exists());
}

#[test]
fn recovered_positions_are_not_taken_twice() {
    let data = Data::new();
    let mut writer = Writer::open(&data.inbox).unwrap();
    let mut all = Vec::new();
    let mut positions = Vec::new();
    for round in 0..5 {
        // A new engine each time: it knows what the log remembers, and no more.
        let mut taker = data.taker_from(&positions, TakerConfig::default());
        for n in 0..10 {
            append(&mut writer, &format!("{round} {n}")).unwrap();
        }
        take(&mut taker, &mut all);
        if round == 2 {
            taker.rotate().unwrap();
        }
        positions = taker.positions();
    }
    let wanted: Vec<String> = (0..5)
        .flat_map(|round| (0..10).map(move |n| format!("{round} {n}")))
        .collect();
    assert_eq!(all, wanted);
}

#[test]
fn a_file_is_deleted_only_when_the_position_behind_it_is_durable() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    let file = data.newest();
    let mut all = Vec::new();
    let early = take(&mut taker, &mut all);
    append(&mut writer, "two").unwrap();
    let late = take(&mut taker, &mut all);
    taker.rotate().unwrap();
    take(&mut taker, &mut all);
    taker.committed(&[]).unwrap();
    taker.committed(&early.positions).unwrap();
    assert!(file.exists());
    assert!(taker.deleted().is_empty());
    taker.committed(&late.positions).unwrap();
    assert!(!file.exists());
    let gone = late.positions[0].0;
    assert_eq!(taker.deleted(), [gone]);
    // A restart before the log could forget it says so again.
    let mut again = data.taker_from(&late.positions, TakerConfig::default());
    assert_eq!(again.deleted(), [gone]);
    // A writer that had it open goes on.
    append(&mut writer, "three").unwrap();
    assert_eq!(texts(&mut taker), ["three"]);
}

#[test]
fn what_the_sink_refuses_comes_again() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    for n in 0..5 {
        append(&mut writer, &n.to_string()).unwrap();
    }
    let mut seen = 0;
    let taken = taker
        .take(usize::MAX, |_, _| {
            seen += 1;
            seen < 3
        })
        .unwrap();
    assert_eq!((taken.events, taken.more), (2, true));
    let again = data.taker_from(&taken.positions, TakerConfig::default());
    assert_eq!(texts(&mut { again }), ["2", "3", "4"]);
    let taken = taker.take(1, |_, _| true).unwrap();
    assert_eq!((taken.events, taken.more), (1, true));
    assert_eq!(texts(&mut taker), ["3", "4"]);
}

#[test]
fn a_writer_that_hangs_keeps_its_file_and_nothing_else() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let file = data.newest();
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "before").unwrap();
    let path = file.clone();
    let mut hanging = fork(move |out| {
        let file = File::open(path).unwrap();
        file.lock_shared().unwrap();
        out.write_all(b"+").unwrap();
        loop {
            std::thread::park();
        }
    });
    hanging.expect_byte();
    taker.rotate().unwrap();
    append(&mut writer, "after").unwrap();
    assert_eq!(texts(&mut taker), ["before", "after"]);
    taker.committed(&taker.positions()).unwrap();
    assert!(file.exists());
    hanging.signal(libc::SIGKILL);
    hanging.wait_status();
    assert!(texts(&mut taker).is_empty());
    taker.committed(&taker.positions()).unwrap();
    assert!(!file.exists());
}

#[test]
fn a_file_at_rest_is_sealed_after_its_time() {
    let data = Data::new();
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let config = TakerConfig::default();
    let idle = config.idle_age;
    let mut taker = Taker::open(&data.inbox, &[], clock.clone(), config).unwrap();
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    let file = data.newest();
    assert_eq!(texts(&mut taker), ["one"]);
    clock.advance(idle);
    take(&mut taker, &mut Vec::new());
    take(&mut taker, &mut Vec::new());
    taker.committed(&taker.positions()).unwrap();
    assert!(!file.exists());
    let left = data.files();
    clock.advance(idle * 2);
    take(&mut taker, &mut Vec::new());
    assert_eq!(data.files(), left, "an empty file stays");
}

#[test]
fn links_and_foreign_files_are_refused_and_left_alone() {
    type Plant = fn(&Path, &Path);
    let plants: [(&str, Plant); 6] = [
        ("symbolic link", |victim, at| symlink(victim, at).unwrap()),
        ("second name", |victim, at| {
            fs::hard_link(victim, at).unwrap()
        }),
        ("directory", |_, at| fs::create_dir(at).unwrap()),
        ("regular", |_, at| {
            let name = std::ffi::CString::new(at.to_str().unwrap()).unwrap();
            // SAFETY: the name is a C string.
            assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o660) }, 0);
        }),
        ("everybody", |victim, at| {
            fs::copy(victim, at).unwrap();
            fs::set_permissions(at, Permissions::from_mode(0o666)).unwrap();
        }),
        ("group", |victim, at| {
            fs::copy(victim, at).unwrap();
            if is_root() {
                chown(at, Some(4242), Some(4242)).unwrap();
            } else {
                // Without root nothing foreign can be made; a cut header is refused as well.
                File::create(at).unwrap();
            }
        }),
    ];
    for (why, plant) in plants {
        let data = Data::new();
        let mut taker = data.taker(TakerConfig::default());
        let victim = data.dir.path().join("victim");
        fs::copy(data.newest(), &victim).unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o660)).unwrap();
        let before = fs::read(&victim).unwrap();
        let planted = data.inbox.join("00ffffffffffffff.inbox");
        plant(&victim, &planted);

        // Writers pass it by.
        let mut writer = Writer::open(&data.inbox).unwrap();
        append(&mut writer, "safe").unwrap();
        assert_eq!(fs::read(&victim).unwrap(), before, "{why}");
        // The taker says what it found, once.
        let mut all = Vec::new();
        let taken = take(&mut taker, &mut all);
        assert_eq!(all, ["safe"]);
        let [error] = &taken.problems[..] else {
            panic!("{why}: {:?}", taken.problems)
        };
        assert!(matches!(error.problem, Problem::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("00ffffffffffffff.inbox"), "{text}");
        assert!(!is_root() || text.contains(why), "{why}: {text}");
        assert!(take(&mut taker, &mut all).problems.is_empty());
        assert!(fs::symlink_metadata(&planted).is_ok(), "left alone");
    }
}

#[test]
fn a_directory_that_is_not_ours_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let inbox = data.path().join(inbox::DIR_NAME);
    assert_eq!(problem(Writer::open(&inbox)), Problem::Missing);

    fs::write(&inbox, "").unwrap();
    assert_eq!(problem(Writer::open(&inbox)), Problem::NotADirectory);
    assert_eq!(
        problem(inbox::init(data.path(), None)),
        Problem::NotADirectory
    );
    fs::remove_file(&inbox).unwrap();

    let real = data.path().join("real");
    fs::create_dir(&real).unwrap();
    symlink(&real, &inbox).unwrap();
    assert_eq!(problem(Writer::open(&inbox)), Problem::NotADirectory);
    assert_eq!(
        problem(inbox::init(data.path(), None)),
        Problem::NotADirectory
    );
    fs::remove_file(&inbox).unwrap();

    inbox::init(data.path(), None).unwrap();
    fs::set_permissions(&inbox, Permissions::from_mode(0o2772)).unwrap();
    let error = problem(Writer::open(&inbox));
    assert_eq!(error, Problem::DirectoryMode { mode: 0o2772 });

    if is_root() {
        fs::set_permissions(&inbox, Permissions::from_mode(0o2770)).unwrap();
        chown(&inbox, Some(4242), None).unwrap();
        let expected = Problem::DirectoryOwner {
            owner: 4242,
            expected: 0,
        };
        assert_eq!(problem(Writer::open(&inbox)), expected);
        assert_eq!(problem(inbox::init(data.path(), None)), expected);
    }
}

#[test]
fn root_and_a_service_user_write_into_one_inbox() {
    if !is_root() {
        eprintln!("needs root to become other users");
        return;
    }
    const SERVICE: u32 = 4343;
    const GROUP: u32 = 4344;
    let dir = tempfile::tempdir().unwrap();
    let inbox = inbox::init(dir.path(), Some(&GROUP.to_string())).unwrap();
    let meta = fs::metadata(&inbox).unwrap();
    assert_eq!((meta.gid(), meta.mode() & 0o7777), (GROUP, 0o2770));
    let push = |text: &'static str| {
        let inbox = inbox.clone();
        move || append(&mut Writer::open(&inbox).unwrap(), text).unwrap()
    };

    // The service user makes the first file, root appends to it, and the other way round.
    let first = push("by the service");
    fork(move |_| {
        become_user(SERVICE, SERVICE, &[GROUP]);
        // SAFETY: takes a number and can't fail. The mode of files must not hang on it.
        unsafe { libc::umask(0o077) };
        first();
    })
    .wait();
    push("by root")();
    let config = TakerConfig::default();
    let mut taker = Taker::open(&inbox, &[], Arc::new(SystemClock), config).unwrap();
    taker.rotate().unwrap();
    push("by root again")();
    let again = push("by the service again");
    fork(move |_| {
        become_user(SERVICE, SERVICE, &[GROUP]);
        again();
    })
    .wait();
    for entry in fs::read_dir(&inbox).unwrap() {
        let meta = entry.unwrap().metadata().unwrap();
        assert_eq!((meta.gid(), meta.mode() & 0o7777), (GROUP, 0o660));
    }
    assert_eq!(
        texts(&mut taker),
        [
            "by the service",
            "by root",
            "by root again",
            "by the service again"
        ]
    );

    // Who isn't in the group gets a clear answer.
    let path = inbox.clone();
    fork(move |_| {
        become_user(SERVICE + 9, SERVICE + 9, &[]);
        let denied = Problem::Denied { group: Some(GROUP) };
        assert_eq!(problem(Writer::open(&path)), denied);
    })
    .wait();

    // An engine that is not root takes what root wrote.
    let path = dir.path().to_owned();
    chown(&path, Some(SERVICE), Some(SERVICE)).unwrap();
    chown(&inbox, Some(SERVICE), Some(GROUP)).unwrap();
    fs::set_permissions(&inbox, Permissions::from_mode(0o2770)).unwrap();
    push("for the service")();
    let positions = taker.positions();
    fork(move |_| {
        become_user(SERVICE, SERVICE, &[GROUP]);
        let clock = Arc::new(SystemClock);
        let mut taker = Taker::open(&inbox, &positions, clock, TakerConfig::default()).unwrap();
        assert_eq!(texts(&mut taker), ["for the service"]);
        taker.rotate().unwrap();
        texts(&mut taker);
        taker.committed(&taker.positions()).unwrap();
        assert_eq!(taker.stats().files, 1);
    })
    .wait();
}

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

#[test]
fn the_watch_wakes_for_writers_and_stops() {
    let data = Data::new();
    let mut writer = Writer::open(&data.inbox).unwrap();
    let watch = Watch::open(&data.inbox).unwrap();
    append(&mut writer, "one").unwrap();
    assert_eq!(watch.wait().unwrap(), Woken::Written);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.wait().unwrap());
        append(&mut writer, "two").unwrap();
        assert_eq!(waiting.join().unwrap(), Woken::Written);
        let waiting = scope.spawn(|| watch.wait().unwrap());
        watch.stop();
        assert_eq!(waiting.join().unwrap(), Woken::Stopped);
    });
    assert_eq!(watch.wait().unwrap(), Woken::Stopped);
}

#[test]
fn files_of_version_1_are_read() {
    let data = Data::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inbox-v1");
    for entry in fs::read_dir(fixtures).unwrap() {
        let path = entry.unwrap().path();
        let copy = data.inbox.join(path.file_name().unwrap());
        fs::copy(&path, &copy).unwrap();
        fs::set_permissions(&copy, Permissions::from_mode(0o660)).unwrap();
    }
    let mut taker = data.taker(TakerConfig::default());
    let mut all = Vec::new();
    let taken = take(&mut taker, &mut all);
    assert_eq!(taken.damaged, 1);
    assert!(taken.problems.is_empty(), "{:?}", taken.problems);
    let types: Vec<&str> = all
        .iter()
        .filter_map(|text| text.split('"').nth(7))
        .collect();
    assert_eq!(types, ["injection", "delivery", "bounce"]);
}

#[test]
fn a_later_version_is_named_and_passed_by() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let newer = data.inbox.join("00ffffffffffffff.inbox");
    let mut bytes = fs::read(data.newest()).unwrap();
    bytes[8] = 2;
    fs::write(&newer, bytes).unwrap();
    fs::set_permissions(&newer, Permissions::from_mode(0o660)).unwrap();
    let mut writer = Writer::open(&data.inbox).unwrap();
    append(&mut writer, "old library").unwrap();
    let mut all = Vec::new();
    let taken = take(&mut taker, &mut all);
    assert_eq!(all, ["old library"]);
    let found = Problem::NewerVersion {
        file: 0x00ff_ffff_ffff_ffff,
        found: 2,
    };
    assert_eq!(taken.problems[0].problem, found);
}

#[test]
fn a_synced_append_is_synced_across_files() {
    let data = Data::new();
    let mut taker = data.taker(TakerConfig::default());
    let mut writer = Writer::open(&data.inbox).unwrap();
    for n in 0..5 {
        append(&mut writer, &n.to_string()).unwrap();
        taker.rotate().unwrap();
    }
    writer.sync().unwrap();
    assert_eq!(texts(&mut taker).len(), 5);
}
