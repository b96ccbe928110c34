//! Memory for frames: large slabs, filled from the front, given back whole.
//!
//! A frame's bytes are written once and then read by many, while the next frame is
//! written right behind them. So a slab has one filler, who alone touches what lies behind the
//! fill mark, and any number of [`Piece`]s, who only read what lies before it. The last of them
//! to go hands the slab back to its pool, whose pages are already there: on the machine that this
//! was measured on, touching a fresh page costs more than copying into it.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// A slab holds the largest frame there can be, and many of the usual size.
pub(super) const SLAB_BYTES: usize = 2 << 20;

/// So many slabs that were begun last may be held by a piece of them: what is on its way now will soon be gone, and
/// copying it would cost more than holding its neighbours for a moment.
const RECENT: u64 = 4;

/// Keeps slabs that nobody uses, up to a number.
pub(super) struct Pool {
    free: Mutex<Vec<Box<[u8]>>>,
    keep: usize,
    /// Slabs that were begun.
    begun: AtomicU64,
}

impl Pool {
    pub(super) fn new(keep: usize) -> Arc<Pool> {
        Arc::new(Pool {
            free: Mutex::new(Vec::new()),
            keep,
            begun: AtomicU64::new(0),
        })
    }

    /// A slab to fill, which may hold an earlier user's bytes.
    pub(super) fn slab(self: &Arc<Self>) -> Filler {
        let pooled = self.free.lock().expect("no panic under this lock").pop();
        let bytes = pooled.unwrap_or_else(|| vec![0; SLAB_BYTES].into_boxed_slice());
        Filler {
            slab: Slab::new(
                bytes,
                Some(self.clone()),
                self.begun.fetch_add(1, Relaxed) + 1,
            ),
            at: 0,
        }
    }
}

struct Slab {
    /// A leaked box; owned.
    bytes: *mut [u8],
    pool: Option<Arc<Pool>>,
    /// Counted from 1 in its pool.
    number: u64,
}

// SAFETY: the slab owns its bytes, and which thread touches which of them follows the rule of this
// module: behind the mark the one `Filler` (not `Clone`, and it writes only through `&mut`), before
// it only readers.
unsafe impl Send for Slab {}
// SAFETY: as above.
unsafe impl Sync for Slab {}

impl Slab {
    fn new(bytes: Box<[u8]>, pool: Option<Arc<Pool>>, number: u64) -> Arc<Slab> {
        Arc::new(Slab {
            bytes: Box::into_raw(bytes),
            pool,
            number,
        })
    }

    fn start(&self) -> *mut u8 {
        self.bytes.cast()
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw` in `new`, and this is the last who knows it.
        let bytes = unsafe { Box::from_raw(self.bytes) };
        if let Some(pool) = &self.pool {
            let mut free = pool.free.lock().expect("no panic under this lock");
            if free.len() < pool.keep {
                free.push(bytes);
            }
        }
    }
}

/// The one who fills a slab.
pub(super) struct Filler {
    slab: Arc<Slab>,
    /// The mark: below it are pieces, from it on is ours.
    at: usize,
}

impl Filler {
    /// What is left to fill.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let len = self.slab.bytes.len() - self.at;
        // SAFETY: `at <= len` (kept by `freeze`), the bytes are initialised, and nobody else reads or writes
        // behind the mark: pieces end at or before it, and `&mut self` is the only filler.
        unsafe { std::slice::from_raw_parts_mut(self.slab.start().add(self.at), len) }
    }

    pub(super) fn room_len(&self) -> usize {
        self.slab.bytes.len() - self.at
    }

    /// Lends the first `len` bytes of the room; what is left of it is behind them.
    ///
    /// # Panics
    /// When there is less room.
    pub(super) fn lend(&mut self, len: usize) -> Lent {
        Lent(self.freeze(len))
    }

    /// Has what was lent back as the start of the room.
    ///
    /// # Panics
    /// It was not the last that was taken from this room.
    pub(super) fn take_back(&mut self, Lent(piece): Lent) {
        assert!(Arc::ptr_eq(&piece.slab, &self.slab) && piece.at + piece.len == self.at);
        self.at = piece.at;
    }

    /// Makes the first `len` bytes of the room a piece.
    ///
    /// # Panics
    /// When there is less room.
    pub(super) fn freeze(&mut self, len: usize) -> Piece {
        assert!(len <= self.room_len());
        let at = self.at;
        self.at += len;
        Piece {
            slab: self.slab.clone(),
            at,
            len,
        }
    }
}

/// The first part of a room, lent to readers. There is one of it, and it is not copied: who has it back knows that nobody reads.
pub struct Lent(Piece);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A part of a slab that won't change any more.
#[derive(Clone)]
pub(super) struct Piece {
    slab: Arc<Slab>,
    at: usize,
    len: usize,
}

impl Piece {
    /// A copy in memory of its own, so that it holds no more than itself.
    pub(super) fn copied(&self) -> Piece {
        let bytes: Box<[u8]> = Box::from(&self[..]);
        Piece {
            at: 0,
            len: bytes.len(),
            slab: Slab::new(bytes, None, 0),
        }
    }

    /// Whether it holds a slab of which others have been done with for a while: then a copy is better.
    pub(super) fn is_left_behind(&self) -> bool {
        let pool = self.slab.pool.as_ref();
        pool.is_some_and(|pool| pool.begun.load(Relaxed) > self.slab.number + RECENT)
    }

    /// The part `[at, at + len)` of this piece.
    ///
    /// # Panics
    /// When it reaches beyond.
    pub(super) fn part(&self, at: usize, len: usize) -> Piece {
        assert!(at <= self.len && len <= self.len - at);
        Piece {
            slab: self.slab.clone(),
            at: self.at + at,
            len,
        }
    }
}

impl Deref for Piece {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: `freeze` put the mark behind this range, so nobody writes to it while the slab lives, which
        // our `Arc` sees to; its bytes are initialised.
        unsafe { std::slice::from_raw_parts(self.slab.start().add(self.at), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_bytes_while_the_rest_is_filled() {
        let pool = Pool::new(1);
        let mut filler = pool.slab();
        filler.room()[..3].copy_from_slice(b"abc");
        let first = filler.freeze(3);
        let rest = filler.room_len();
        filler.room().fill(b'x');
        let second = filler.freeze(rest);
        assert_eq!(&first[..], b"abc");
        assert!(second.iter().all(|b| *b == b'x'));
        assert_eq!(&first.part(1, 2)[..], b"bc");
        assert_eq!(filler.room_len(), 0);
    }

    #[test]
    fn a_piece_is_left_behind_once_enough_slabs_were_begun_after_its_own() {
        let pool = Pool::new(1);
        let mut filler = pool.slab();
        let piece = filler.freeze(10);
        for _ in 0..RECENT {
            drop(pool.slab());
            assert!(!piece.is_left_behind());
        }
        filler = pool.slab();
        assert!(piece.is_left_behind());
        assert!(!filler.freeze(1).is_left_behind());
        assert!(!piece.copied().is_left_behind(), "it holds itself alone");
    }

    #[test]
    fn what_was_lent_is_room_again_once_nobody_reads_it() {
        let pool = Pool::new(1);
        let mut filler = pool.slab();
        drop(filler.freeze(5));
        filler.room()[..3].copy_from_slice(b"abc");
        let lent = filler.lend(3);
        assert_eq!(filler.room_len(), SLAB_BYTES - 8);
        assert_eq!(lent.as_ref(), b"abc");
        filler.take_back(lent);
        assert_eq!(filler.room_len(), SLAB_BYTES - 5);
        assert_eq!(&filler.room()[..3], b"abc");
    }

    #[test]
    fn a_slab_returns_when_its_last_piece_is_gone() {
        let pool = Pool::new(1);
        let mut filler = pool.slab();
        let piece = filler.freeze(10);
        let copy = piece.copied();
        drop(filler);
        assert_eq!(pool.free.lock().unwrap().len(), 0);
        drop(piece);
        assert_eq!(pool.free.lock().unwrap().len(), 1);
        drop(copy);
        assert_eq!(pool.free.lock().unwrap().len(), 1, "the copy was its own");
        drop(pool.slab());
        drop((pool.slab(), pool.slab()));
        assert_eq!(
            pool.free.lock().unwrap().len(),
            1,
            "no more than `keep` wait"
        );
    }
}
