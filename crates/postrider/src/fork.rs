//! Fork detection for the price of a load.
//!
//! One page of the process is marked wipe-on-fork: a child finds zeros where its parent had put a
//! generation. Who meets the zero draws the next generation and puts it there, so the next fork is
//! seen too. Reading it costs about a nanosecond; `getpid` costs 150, more than a whole push.
//!
//! `vfork`, and `clone` that shares memory, are not seen: such a child shares everything here with its
//! parent, and may do nothing but exec.
//!
//! Where the kernel refuses such a page (before Linux 4.14), the process id is asked each time.

mod lock;
#[cfg(test)]
mod tests;

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

pub use lock::{ChildGuard, ChildLock};

/// The generation's word in its page; null until first asked for.
static WORD: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
/// The last generation drawn. Not wiped: a child counts on from its parent.
static DRAWN: AtomicU32 = AtomicU32::new(0);
/// Used where the kernel has no such page: the process id above, its generation below.
static BY_PID: AtomicU64 = AtomicU64::new(0);

/// A number, never 0, that is the same in all threads of a process and differs from that of every
/// process it was forked from.
///
/// The first call maps a page; make it before the fork that matters.
#[inline]
pub fn generation() -> u32 {
    let word = WORD.load(Ordering::Acquire);
    if word.is_null() {
        return first();
    }
    // SAFETY: a pointer in WORD is to an aligned word of a page that is never unmapped.
    let word = unsafe { &*word };
    match word.load(Ordering::Relaxed) {
        0 => renew(word),
        generation => generation,
    }
}

/// True in a process forked, directly or not, from the one whose [`generation`] was `of`.
#[inline]
pub fn is_child(of: u32) -> bool {
    generation() != of
}

/// Puts the next generation into a wiped word.
#[cold]
fn renew(word: &AtomicU32) -> u32 {
    // Drawn before it is stored: a fork in between wipes the word but keeps the draw, so no child can
    // draw its parent's number. Of several threads one store wins, and all answer that.
    let mine = draw();
    match word.compare_exchange(0, mine, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => mine,
        Err(theirs) => theirs,
    }
}

fn draw() -> u32 {
    // 31 bits: a lock's word has a mark above them.
    match DRAWN.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & i32::MAX as u32 {
        0 => draw(),
        drawn => drawn,
    }
}

#[cold]
fn first() -> u32 {
    let Some(page) = map_page() else {
        return by_pid(
            &BY_PID,
            rustix::process::getpid().as_raw_nonzero().get() as u32,
        );
    };
    // SAFETY: the page is fresh, zeroed, large enough and ours.
    renew(unsafe { &*page });
    let none = ptr::null_mut();
    if WORD
        .compare_exchange(none, page, Ordering::Release, Ordering::Relaxed)
        .is_err()
    {
        // SAFETY: another thread published its own page; nobody else has seen this one.
        let _ = unsafe { munmap(page.cast(), PAGE_BYTES) };
    }
    generation()
}

/// The kernel rounds it up to its own page size.
const PAGE_BYTES: usize = 4096;

/// A page that a fork wipes, or nothing where there is no such thing.
fn map_page() -> Option<*mut AtomicU32> {
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new anonymous mapping touches no memory of anyone's.
    let page =
        unsafe { mmap_anonymous(ptr::null_mut(), PAGE_BYTES, access, MapFlags::PRIVATE) }.ok()?;
    // SAFETY: the advice is for the mapping just made, which holds nothing yet.
    if unsafe { madvise(page, PAGE_BYTES, Advice::LinuxWipeOnFork) }.is_err() {
        // SAFETY: as above, and nobody has seen it.
        let _ = unsafe { munmap(page, PAGE_BYTES) };
        return None;
    }
    Some(page.cast())
}

/// The generation kept in `seen` for `pid`, drawn anew when the process id is another.
fn by_pid(seen: &AtomicU64, pid: u32) -> u32 {
    let of = |word: u64| ((word >> 32) as u32, word as u32);
    let before = seen.load(Ordering::Relaxed);
    if of(before).0 == pid {
        return of(before).1;
    }
    let mine = u64::from(pid) << 32 | u64::from(draw());
    match seen.compare_exchange(before, mine, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => of(mine).1,
        Err(theirs) => of(theirs).1,
    }
}
