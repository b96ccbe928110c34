//! What filters of a webhook made of its batches: one file for each, written once and durable before the journal
//! names it, so that every attempt sends the same bytes. In memory where there is no directory.
//!
//! ```text
//! 0   magic "PRRENDR1"     16  id, as in the name     48  length of each event, u32
//! 8   version u32: 1       32  events u32             ..  the events' text, separators included
//! 12  CRC of all the rest  36  bytes of text u32
//! ```
//!
//! A file that the journal does not name is what a crash left, and goes when the journal is opened.

use super::JournalError;
use crate::crc;
use crate::fs::{Fs, Open};
use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

const MAGIC: &[u8; 8] = b"PRRENDR1";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 48;

/// A rendered batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendering {
    text: Vec<u8>,
    /// Behind each event's text.
    ends: Vec<u32>,
}

impl Rendering {
    /// Adds an event: its text and the separator behind it.
    pub fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
        self.ends.push(self.text.len() as u32);
    }

    /// How many events.
    pub fn events(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Bytes of all texts.
    pub fn bytes(&self) -> u32 {
        self.text.len() as u32
    }

    /// Where the texts of these events are, if they are there.
    pub fn range(&self, events: Range<u32>) -> Option<Range<usize>> {
        let end = |behind: u32| match behind {
            0 => Some(0),
            _ => self.ends.get(behind as usize - 1).copied(),
        };
        let (from, to) = (end(events.start)?, end(events.end)?);
        (from <= to).then_some(from as usize..to as usize)
    }

    fn to_bytes(&self, id: Uuid) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(id.as_bytes());
        bytes[32..36].copy_from_slice(&self.events().to_le_bytes());
        bytes[36..40].copy_from_slice(&(self.text.len() as u32).to_le_bytes());
        let mut before = 0;
        for end in &self.ends {
            bytes.extend_from_slice(&(end - before).to_le_bytes());
            before = *end;
        }
        bytes.extend_from_slice(&self.text);
        let crc = crc(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Believes nothing: what does not fit to the last byte is no rendering.
    fn from_bytes(id: Uuid, bytes: &[u8]) -> Option<Rendering> {
        let header = bytes.first_chunk::<HEADER_BYTES>()?;
        let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let ours =
            header[0..8] == *MAGIC && word(8)? == VERSION && header[16..32] == *id.as_bytes();
        if !ours || word(12)? != crc(bytes) {
            return None;
        }
        let (events, len) = (word(32)? as usize, word(36)? as usize);
        let text_at = HEADER_BYTES.checked_add(events.checked_mul(4)?)?;
        let text = bytes.get(text_at..).filter(|text| text.len() == len)?;
        let (mut ends, mut end) = (Vec::with_capacity(events), 0u32);
        for length in bytes[HEADER_BYTES..text_at].chunks_exact(4) {
            end = end.checked_add(u32::from_le_bytes(*length.first_chunk()?))?;
            ends.push(end);
        }
        (end as usize == len).then(|| Rendering {
            text: text.to_vec(),
            ends,
        })
    }
}

impl AsRef<[u8]> for Rendering {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

fn crc(bytes: &[u8]) -> u32 {
    crc::append(crc::of(&bytes[0..12]), &bytes[16..])
}

/// Writes renderings, from any thread.
#[derive(Clone)]
pub struct RenderingWriter(Option<(PathBuf, Arc<dyn Fs>)>);

impl RenderingWriter {
    /// Writes a rendering under a fresh id; when this returns, a power cut does not take it.
    ///
    /// # Errors
    /// Of the disk; nothing is left there then.
    pub fn write(&self, id: Uuid, rendering: Rendering) -> io::Result<Written> {
        let mut bytes = rendering.text.len() as u64;
        if let Some((dir, fs)) = &self.0 {
            let path = path_of(dir, id);
            let content = rendering.to_bytes(id);
            bytes = content.len() as u64;
            let written = fs.open(&path, Open::CreateNew).and_then(|file| {
                file.write_at(&[&content], 0)?;
                file.sync()?;
                fs.sync_dir(dir)
            });
            if let Err(e) = written {
                let _ = fs.remove(&path);
                return Err(e);
            }
        }
        let rendering = Arc::new(rendering);
        Ok(Written {
            id,
            bytes,
            rendering,
        })
    }
}

/// A rendering that was written and that the journal does not name yet.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its id.
    pub id: Uuid,
    bytes: u64,
    rendering: Arc<Rendering>,
}

/// The renderings that the journal names, or is about to; who owns the journal owns them.
pub struct Renderings {
    place: Option<(PathBuf, Arc<dyn Fs>)>,
    known: HashMap<Uuid, Known>,
    bytes: u64,
}

struct Known {
    bytes: u64,
    /// In memory alone; or just written, and not read yet.
    kept: Option<Arc<Rendering>>,
}

impl Renderings {
    /// Renderings that end with the process.
    pub fn in_memory() -> Renderings {
        Renderings {
            place: None,
            known: HashMap::new(),
            bytes: 0,
        }
    }

    /// Those in `dir`, which is made if missing. What `needed` does not name is removed.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn open(
        dir: &Path,
        fs: Arc<dyn Fs>,
        needed: impl Iterator<Item = Uuid>,
    ) -> Result<Renderings, JournalError> {
        let mut all = Renderings {
            place: Some((dir.to_owned(), fs.clone())),
            ..Renderings::in_memory()
        };
        let io_error = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io {
                doing,
                path,
                source,
            }
        };
        fs.create_dir(dir).map_err(io_error("making it", dir))?;
        let needed: HashSet<Uuid> = needed.collect();
        for path in fs.list(dir).map_err(io_error("listing", dir))? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(id) = name.and_then(|name| Uuid::parse_str(name).ok()) else {
                continue;
            };
            if needed.contains(&id) {
                let len = fs.open(&path, Open::Read).and_then(|file| file.len());
                let bytes = len.map_err(io_error("reading the size of", &path))?;
                all.bytes += bytes;
                all.known.insert(id, Known { bytes, kept: None });
            } else {
                fs.remove(&path).map_err(io_error("removing", &path))?;
            }
        }
        Ok(all)
    }

    /// What writes them.
    pub fn writer(&self) -> RenderingWriter {
        RenderingWriter(self.place.clone())
    }

    /// Takes charge of one that was written.
    pub fn adopt(&mut self, written: &Written) {
        let (bytes, kept) = (written.bytes, Some(written.rendering.clone()));
        self.bytes += bytes;
        self.known.insert(written.id, Known { bytes, kept });
    }

    /// A rendering; `None` where it is damaged or gone.
    ///
    /// # Errors
    /// Of the disk: nothing is known of what it holds.
    pub fn read(&mut self, id: Uuid) -> io::Result<Option<Arc<Rendering>>> {
        let known = self.known.get_mut(&id);
        let Some((dir, fs)) = &self.place else {
            return Ok(known.and_then(|known| known.kept.clone()));
        };
        if let Some(fresh) = known.and_then(|known| known.kept.take()) {
            return Ok(Some(fresh));
        }
        let file = match fs.open(&path_of(dir, id), Open::Read) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = vec![0; file.len()? as usize];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(Rendering::from_bytes(id, &bytes).map(Arc::new))
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Removes those that `needed` does not hold. One that cannot be removed now is tried again by the next call.
    pub fn retain(&mut self, needed: impl Fn(Uuid) -> bool) {
        let Renderings {
            place,
            known,
            bytes,
        } = self;
        known.retain(|id, one| {
            if needed(*id) {
                return true;
            }
            let removed = match place {
                Some((dir, fs)) => fs.remove(&path_of(dir, *id)),
                None => Ok(()),
            };
            let stays = removed.is_err_and(|e| e.kind() != io::ErrorKind::NotFound);
            if !stays {
                *bytes -= one.bytes;
            }
            stays
        });
    }
}

fn path_of(dir: &Path, id: Uuid) -> PathBuf {
    dir.join(id.as_hyphenated().to_string())
}
