//! Whose files and directories are touched, and whose are not.

use super::*;
use crate::processes::{become_user, fork, is_root};
use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

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
