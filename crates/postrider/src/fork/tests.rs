use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

/// Forks, and answers what `look` found in the child. It may not panic: the harness's locks may be
/// held there for ever.
fn in_child(look: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child calls only `look`, which the tests keep to this module, and ends without
    // running anything of the parent's.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            let code = if look() { 0 } else { 1 };
            // SAFETY: ends the child.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = -1;
            // SAFETY: `status` is writable; the child is ours.
            let waited = unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(waited, child);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

#[test]
fn a_generation_stays_in_its_process() {
    let here = generation();
    assert_ne!(here, 0);
    assert!(!is_child(here));
    assert_eq!(thread::spawn(generation).join().unwrap(), here);
    assert!(in_child(|| generation() != here));
    assert_eq!(generation(), here);
}

#[test]
fn every_process_of_a_line_has_its_own() {
    let parent = generation();
    assert!(in_child(|| {
        let child = generation();
        let again = generation();
        is_child(parent)
            && child == again
            && in_child(|| is_child(child) && is_child(parent) && !is_child(generation()))
            // The grandchild's draw is not its parent's concern.
            && !is_child(child)
    }));
}

#[test]
fn a_grandchild_is_known_though_its_parent_never_asked() {
    let here = generation();
    assert!(in_child(|| in_child(|| is_child(here))));
}

#[test]
fn threads_of_a_child_agree() {
    let here = generation();
    assert!(in_child(|| {
        let asked: Vec<_> = (0..4).map(|_| thread::spawn(generation)).collect();
        let ours = generation();
        ours != here
            && asked
                .into_iter()
                .all(|thread| thread.join().is_ok_and(|g| g == ours))
    }));
}

#[test]
fn a_fork_is_seen_while_other_threads_ask() {
    let here = generation();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(generation(), here);
                }
            });
        }
        let seen = (0..50).all(|_| in_child(|| is_child(here)));
        stop.store(true, Ordering::Relaxed);
        assert!(seen);
    });
}

#[test]
fn without_the_page_the_process_id_tells() {
    let seen = AtomicU64::new(0);
    let parent = by_pid(&seen, 100);
    assert_ne!(parent, 0);
    assert_eq!(by_pid(&seen, 100), parent);
    let child = by_pid(&seen, 101);
    assert_ne!(child, parent);
    assert_eq!(by_pid(&seen, 101), child);
}

#[test]
fn one_thread_at_a_time_holds_a_lock() {
    let counted = ChildLock::new(0u64);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10_000 {
                    *counted.lock(|| unreachable!("no fork here")) += 1;
                }
            });
        }
    });
    assert_eq!(*counted.lock(|| 0), 40_000);
}

#[test]
fn a_free_lock_keeps_its_value_over_a_fork() {
    let lock = ChildLock::new(7);
    assert!(in_child(|| *lock.lock(|| 0) == 7));
}

#[test]
fn a_lock_held_elsewhere_is_free_and_its_value_new_in_a_child() {
    let lock = ChildLock::new(String::from("half-"));
    let held = AtomicBool::new(false);
    let release = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut text = lock.lock(String::new);
            held.store(true, Ordering::Release);
            while !release.load(Ordering::Acquire) {
                thread::yield_now();
            }
            text.push_str("whole");
        });
        while !held.load(Ordering::Acquire) {
            thread::yield_now();
        }
        let taken = in_child(|| {
            let first = *lock.lock(|| "new".into()) == "new";
            // Held and given back by the child itself, it is an ordinary lock again.
            first && *lock.lock(|| "newer".into()) == "new"
        });
        release.store(true, Ordering::Release);
        assert!(taken);
    });
    assert_eq!(*lock.lock(String::new), "half-whole");
}

#[test]
fn a_panic_in_renew_leaves_the_lock_to_be_renewed() {
    let lock = ChildLock::new(1);
    // As a fork leaves it when another thread holds it.
    let _held = ManuallyDrop::new(lock.lock(|| 0));
    assert!(in_child(|| {
        // Without the panic hook, whose lock may be held for ever here.
        let fail = || resume_unwind(Box::new("no memory"));
        let panicked = catch_unwind(AssertUnwindSafe(|| drop(lock.lock(fail))));
        panicked.is_err() && *lock.lock(|| 2) == 2
    }));
}
