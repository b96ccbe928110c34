//! A request's body as slices of memory that others own: nothing is copied before the kernel does.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Weak};

/// Bytes that stay where they are until the exchange is over.
#[derive(Clone)]
pub struct Slice {
    source: Source,
    range: Range<usize>,
}

#[derive(Clone)]
enum Source {
    Shared(Arc<dyn AsRef<[u8]> + Send + Sync>),
    Static(&'static [u8]),
}

impl Slice {
    /// The bytes `range` of `owner`, whose `as_ref` must give the same bytes each time.
    ///
    /// # Panics
    /// When `range` is outside the owner's bytes.
    pub fn shared(owner: Arc<dyn AsRef<[u8]> + Send + Sync>, range: Range<usize>) -> Self {
        let len = (*owner).as_ref().len();
        assert!(
            range.start <= range.end && range.end <= len,
            "slice {range:?} of {len} bytes"
        );
        Slice {
            source: Source::Shared(owner),
            range,
        }
    }

    /// The whole of something owned.
    pub fn owned(bytes: Vec<u8>) -> Self {
        let range = 0..bytes.len();
        Slice {
            source: Source::Shared(Arc::new(bytes)),
            range,
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        let all: &[u8] = match &self.source {
            Source::Shared(owner) => (**owner).as_ref(),
            Source::Static(bytes) => bytes,
        };
        &all[self.range.clone()]
    }

    /// Bytes in it.
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }
}

impl From<&'static [u8]> for Slice {
    fn from(bytes: &'static [u8]) -> Self {
        Slice {
            source: Source::Static(bytes),
            range: 0..bytes.len(),
        }
    }
}

impl From<&'static str> for Slice {
    fn from(text: &'static str) -> Self {
        Slice::from(text.as_bytes())
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.len())
    }
}

/// A body: slices in the order they go out. Cloning it copies no bytes.
#[derive(Clone, Debug, Default)]
pub struct Body {
    slices: Vec<Slice>,
    len: u64,
}

impl Body {
    /// An empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a slice; an empty one is left out.
    pub fn push(&mut self, slice: impl Into<Slice>) {
        let slice = slice.into();
        if !slice.is_empty() {
            self.len += slice.len() as u64;
            self.slices.push(slice);
        }
    }

    /// Total bytes: the Content-Length.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slices.
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }
}

/// A body that is there as long as someone sends it.
pub struct WeakBody {
    slices: Vec<WeakSlice>,
    len: u64,
}

struct WeakSlice {
    source: WeakSource,
    range: Range<usize>,
}

enum WeakSource {
    Shared(Weak<dyn AsRef<[u8]> + Send + Sync>),
    Static(&'static [u8]),
}

impl Body {
    /// A look at it that does not keep it.
    pub fn downgrade(&self) -> WeakBody {
        let weak = |slice: &Slice| WeakSlice {
            source: match &slice.source {
                Source::Shared(owner) => WeakSource::Shared(Arc::downgrade(owner)),
                Source::Static(bytes) => WeakSource::Static(bytes),
            },
            range: slice.range.clone(),
        };
        WeakBody {
            slices: self.slices.iter().map(weak).collect(),
            len: self.len,
        }
    }
}

impl WeakBody {
    /// The body, if all of it is still there.
    pub fn upgrade(&self) -> Option<Body> {
        let strong = |slice: &WeakSlice| {
            let source = match &slice.source {
                WeakSource::Shared(owner) => Source::Shared(owner.upgrade()?),
                WeakSource::Static(bytes) => Source::Static(bytes),
            };
            let range = slice.range.clone();
            Some(Slice { source, range })
        };
        Some(Body {
            slices: self.slices.iter().map(strong).collect::<Option<_>>()?,
            len: self.len,
        })
    }
}

impl fmt::Debug for WeakBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WeakBody({} bytes)", self.len)
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Slice::owned(bytes).into()
    }
}

impl From<Slice> for Body {
    fn from(slice: Slice) -> Self {
        let mut body = Body::new();
        body.push(slice);
        body
    }
}
