//! From a path to a filter that may be called: what is checked is what is loaded.
//!
//! The file is opened once, looked at, and read whole; those bytes go into a file of the engine's own under a name never
//! used before, and that is what the dynamic loader gets. So nobody can change a filter between check and load, a file
//! that is replaced in place does not change under a running filter, and a new version is never taken for the old one.
//! The copy's name is removed at once; its memory stays for ever, because nothing is unloaded: a thread-local of the
//! filter's may outlive every call.

use super::error::{LoadError, Problem};
use super::spec::{OnFailure, is_name};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use postrider_filter::abi;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::ffi::{CStr, c_char};
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// How the names of copies begin.
const COPY: &str = "postrider-filter-";

/// The largest file that is loaded: it is read into memory.
const MOST_BYTES: u64 = 256 << 20;

/// The functions of a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hooks {
    pub(super) create: abi::CreateFn,
    pub(super) process: abi::ProcessFn,
    pub(super) destroy: abi::DestroyFn,
}

/// A filter that was checked; its code stays for ever.
#[derive(Clone, Debug)]
pub(super) struct Module {
    pub(super) hooks: Hooks,
    pub(super) on_failure: OnFailure,
    pub(super) id: String,
    pub(super) version: String,
    pub(super) summary: String,
    /// Of the file, in hexadecimal.
    pub(super) sha256: String,
}

/// Loads a shared object by way of a copy in `dir`.
pub(super) fn load(path: &Path, sha256: Option<&str>, dir: &Path) -> Result<Module, Problem> {
    if !path.is_absolute() {
        return Err(Problem::NotAbsolute);
    }
    let bytes = read_checked(path)?;
    let sum = Sha256::digest(&bytes);
    let sum = sum
        .iter()
        .fold(String::new(), |text, b| text + &format!("{b:02x}"));
    if let Some(expected) = sha256.filter(|e| !e.eq_ignore_ascii_case(&sum)) {
        return Err(Problem::Hash {
            found: sum,
            expected: expected.to_owned(),
        });
    }
    let copy = write_copy(&bytes, dir).map_err(|source| Problem::Copy {
        dir: dir.to_owned(),
        source,
    })?;
    // SAFETY: runs the object's initialisers: it is trusted code, which the checks above are about.
    let library = unsafe { Library::open(Some(&copy), RTLD_NOW | RTLD_LOCAL) };
    let _ = fs::remove_file(&copy);
    let library = library.map_err(|e| Problem::Loader(without(&e.to_string(), &copy)))?;
    // SAFETY: the type is the contract of the symbol's name.
    let entry = unsafe { library.get::<abi::EntryFn>(abi::SYMBOL.as_bytes()) };
    let entry = entry.map(|symbol| *symbol).map_err(|_| Problem::NoEntry);
    std::mem::forget(library);
    // SAFETY: just found in the object, which stays.
    Ok(Module {
        sha256: sum,
        ..unsafe { check_entry(entry?)? }
    })
}

/// The file's bytes, if nobody but root and the engine's user can have written them.
fn read_checked(path: &Path) -> Result<Vec<u8>, Problem> {
    // Looked at before it is opened, because to open a device does something to it; and opened without waiting, because
    // a FIFO, should one stand there by then, waits for a writer.
    regular(&fs::metadata(path).map_err(Problem::Unreadable)?)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    let options = options.read(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path).map_err(Problem::Unreadable)?;
    let meta = file.metadata().map_err(Problem::Unreadable)?;
    regular(&meta)?;
    only_ours("the file", &meta)?;
    // Who can write its directory can put another file there. Where the path is a link, that of its target counts.
    let target = fs::canonicalize(path).map_err(Problem::Unreadable)?;
    for dir in [path.parent(), target.parent()].into_iter().flatten() {
        only_ours(
            "its directory",
            &fs::metadata(dir).map_err(Problem::Unreadable)?,
        )?;
    }
    let mut bytes = Vec::new();
    // Not every file says how long it is.
    if meta.len() <= MOST_BYTES {
        let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
        let read = read.map_err(Problem::Unreadable)? as u64;
        if read <= MOST_BYTES {
            return Ok(bytes);
        }
    }
    Err(Problem::TooLarge { most: MOST_BYTES })
}

/// Only what is read to an end of its own is loaded.
fn regular(meta: &Metadata) -> Result<(), Problem> {
    let kind = meta.file_type();
    let found = match () {
        () if kind.is_file() => return Ok(()),
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    Err(Problem::NotAFile { found })
}

fn only_ours(what: &'static str, meta: &Metadata) -> Result<(), Problem> {
    let expected = rustix::process::geteuid().as_raw();
    let (found, mode) = (meta.uid(), meta.mode() & 0o7777);
    if found != 0 && found != expected {
        return Err(Problem::Owner {
            what,
            found,
            expected,
        });
    }
    match mode & 0o022 {
        0 => Ok(()),
        _ => Err(Problem::Mode { what, found: mode }),
    }
}

/// A new file in `dir` with these bytes.
fn write_copy(bytes: &[u8], dir: &Path) -> io::Result<PathBuf> {
    static COPIES: AtomicU64 = AtomicU64::new(0);
    fs::create_dir_all(dir)?;
    let (pid, n) = (std::process::id(), COPIES.fetch_add(1, Ordering::Relaxed));
    let random = getrandom::u64().map_err(io::Error::other)?;
    let path = dir.join(format!("{COPY}{pid}-{n}-{random:016x}.so"));
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(&path)?;
    match file.write_all(bytes) {
        Ok(()) => Ok(path),
        Err(e) => {
            let _ = fs::remove_file(&path);
            Err(e)
        }
    }
}

/// Removes the copies that a process which ended in the middle of loading has left in `dir`, where nobody else loads.
pub(crate) fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(COPY) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The loader's words, without the name of the copy.
fn without(text: &str, copy: &Path) -> String {
    text.replace(&format!("{}: ", copy.display()), "")
}

/// Checks what an entry function returns.
///
/// # Safety
/// `entry` is the entry function of an object that stays loaded.
pub(super) unsafe fn check_entry(entry: abi::EntryFn) -> Result<Module, Problem> {
    // SAFETY: as the caller says. The first four members are the same in every version.
    let entry = unsafe { entry() };
    if entry.is_null() {
        return Err(Problem::NullEntry);
    }
    // SAFETY: not NULL, so it is what the filter calls its entry. The magic number is looked at first.
    let (magic, major, minor, size) = unsafe {
        (
            (*entry).magic,
            (*entry).abi_major,
            (*entry).abi_minor,
            (*entry).size,
        )
    };
    if magic != abi::MAGIC {
        return Err(Problem::Magic {
            found: magic,
            expected: abi::MAGIC,
        });
    }
    if major != abi::MAJOR {
        return Err(Problem::Major {
            found: major,
            expected: abi::MAJOR,
        });
    }
    if minor > abi::MINOR {
        return Err(Problem::Minor {
            major,
            found: minor,
            newest: abi::MINOR,
        });
    }
    // Version 1.0 has one size; later minor versions may add to it, each by its own.
    check_size("the entry", size, size_of::<abi::Entry>())?;
    // SAFETY: the version and the size say that it is there.
    let descriptor = unsafe { (*entry).descriptor };
    if descriptor.is_null() {
        return Err(Problem::NoDescriptor);
    }
    // SAFETY: the size is the first member of every descriptor.
    let size = unsafe { (*descriptor).size };
    check_size("the descriptor", size, size_of::<abi::Descriptor>())?;
    // SAFETY: all of it is there.
    let descriptor = unsafe { descriptor.read() };
    let on_failure = match descriptor.on_failure {
        abi::OPEN => OnFailure::Open,
        abi::CLOSED => OnFailure::Closed,
        abi::DISABLE => OnFailure::Disable,
        found => {
            return Err(Problem::Descriptor {
                member: "on_failure",
                reason: format!("is {found}: must be OPEN (1), CLOSED (2) or DISABLE (3)"),
            });
        }
    };
    // SAFETY: C strings or NULL, as the header says.
    let (id, version, summary) = unsafe {
        (
            c_string("id", descriptor.id)?,
            c_string("version", descriptor.version)?,
            c_string("summary", descriptor.summary)?,
        )
    };
    if !is_name(&id) {
        return Err(Problem::Descriptor {
            member: "id",
            reason: format!("is {id:?}: must be 1 to 64 of a-z, 0-9 and -"),
        });
    }
    Ok(Module {
        hooks: Hooks {
            create: descriptor.create.ok_or(Problem::Hook("create"))?,
            process: descriptor.process.ok_or(Problem::Hook("process"))?,
            destroy: descriptor.destroy.ok_or(Problem::Hook("destroy"))?,
        },
        on_failure,
        id,
        version,
        summary,
        sha256: String::new(),
    })
}

fn check_size(what: &'static str, found: u32, expected: usize) -> Result<(), Problem> {
    let expected = expected as u32;
    match found == expected {
        true => Ok(()),
        false => Err(Problem::Size {
            what,
            found,
            expected,
        }),
    }
}

/// # Safety
/// NULL or a C string that stays.
unsafe fn c_string(member: &'static str, text: *const c_char) -> Result<String, Problem> {
    let refuse = |reason: &str| Problem::Descriptor {
        member,
        reason: reason.into(),
    };
    if text.is_null() {
        return Err(refuse("is NULL: must be a C string"));
    }
    // SAFETY: as the caller says.
    let text = unsafe { CStr::from_ptr(text) };
    match text.to_str() {
        Ok(text) if text.len() <= 256 => Ok(text.to_owned()),
        Ok(_) => Err(refuse("is longer than 256 bytes")),
        Err(_) => Err(refuse("is not UTF-8")),
    }
}

/// A refusal, with the path that it is about.
pub(super) fn refusal(path: &Path, problem: Problem) -> LoadError {
    LoadError {
        path: path.to_owned(),
        problem,
    }
}
