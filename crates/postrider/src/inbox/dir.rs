//! The inbox directory: who may own it, and which of its files may be opened.
//!
//! A process that appends may be root, and everybody in the group may put names into the directory.
//! So no name is followed, no file of another group touched, and none that somebody linked in from
//! elsewhere. Nothing here allocates after [`Place::new`].

use super::format::{BadHeader, HEADER_BYTES, Header, SEALED_AT};
use super::{InboxError, Problem};
use crate::fs::above_stdio;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, RawDir, RenameFlags, Stat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The directory's name inside the data directory.
pub const DIR_NAME: &str = "inbox";

const DIR_MODE: Mode = Mode::from_raw_mode(0o2770);
const FILE_MODE: Mode = Mode::from_raw_mode(0o660);
const SUFFIX: &[u8] = b".inbox";
/// Bytes of a file's name, zero included: 16 hexadecimal digits and the suffix.
const NAME_BYTES: usize = 16 + SUFFIX.len() + 1;

/// Where an inbox is, ready to be opened without allocating.
#[derive(Debug)]
pub(super) struct Place {
    path: Arc<Path>,
    c_path: CString,
}

impl Place {
    pub(super) fn new(path: &Path) -> Place {
        // A path with a zero byte names nothing; the empty one is refused as missing.
        let c_path = CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
        Place {
            path: path.into(),
            c_path,
        }
    }

    pub(super) fn error(&self, problem: Problem) -> InboxError {
        InboxError {
            dir: self.path.clone(),
            problem,
        }
    }

    /// Opens the directory and checks that it is one that events may be entrusted to.
    pub(super) fn open(&self) -> Result<Dir, Problem> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(CWD, &*self.c_path, flags, Mode::empty());
        let fd = ours(opened.map_err(|errno| match errno {
            Errno::NOENT => Problem::Missing,
            Errno::NOTDIR | Errno::LOOP => Problem::NotADirectory,
            Errno::ACCESS => Problem::Denied {
                group: rustix::fs::lstat(&*self.c_path).ok().map(|s| s.st_gid),
            },
            errno => Problem::os("opening the directory")(errno),
        })?)?;
        let own = rustix::fs::fstat(&fd).map_err(Problem::os("reading the directory's owner"))?;
        // The directory is no link, so its parent is the data directory.
        let data = rustix::fs::statat(&fd, c"..", AtFlags::empty())
            .map_err(Problem::os("reading the data directory's owner"))?;
        if own.st_uid != 0 && own.st_uid != data.st_uid {
            return Err(Problem::DirectoryOwner {
                owner: own.st_uid,
                expected: data.st_uid,
            });
        }
        if own.st_mode & 0o002 != 0 {
            return Err(Problem::DirectoryMode {
                mode: own.st_mode & 0o7777,
            });
        }
        Ok(Dir {
            fd,
            gid: own.st_gid,
        })
    }
}

/// An open, checked inbox directory.
#[derive(Debug)]
pub(super) struct Dir {
    fd: OwnedFd,
    gid: u32,
}

/// An open, checked inbox file.
#[derive(Debug)]
pub(super) struct InboxFile {
    pub(super) fd: OwnedFd,
    pub(super) header: Header,
}

impl InboxFile {
    /// Whether the sealed flag is set by now.
    pub(super) fn is_sealed(&self) -> Result<bool, Problem> {
        let mut flag = [0];
        match rustix::io::pread(&self.fd, &mut flag[..], SEALED_AT) {
            Ok(1) => Ok(flag[0] != 0),
            Ok(_) => Err(Problem::Refused {
                file: self.header.id,
                why: "it was cut",
            }),
            Err(errno) => Err(Problem::os("reading the sealed flag")(errno)),
        }
    }

    pub(super) fn stat(&self) -> Result<Stat, Problem> {
        rustix::fs::fstat(&self.fd).map_err(Problem::os("reading a file's size"))
    }
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Appending,
    /// Reading, and setting the sealed flag.
    Taking,
}

impl Dir {
    /// Calls `f` with the id of every file, in no order.
    pub(super) fn each(&self, mut f: impl FnMut(u64)) -> Result<(), Problem> {
        self.each_name(|name| {
            if let Some(id) = id_of(name) {
                f(id);
            }
        })
    }

    fn each_name(&self, mut f: impl FnMut(&CStr)) -> Result<(), Problem> {
        let problem = || Problem::os("listing the directory");
        // A description of its own: the read position is not shared.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, c".", flags, Mode::empty()).map_err(problem())?;
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&fd, &mut buffer);
        while let Some(entry) = entries.next() {
            f(entry.map_err(problem())?.file_name());
        }
        Ok(())
    }

    /// Opens file `id`. Nothing if it isn't there (any more).
    pub(super) fn open(&self, id: u64, purpose: For) -> Result<Option<InboxFile>, Problem> {
        let refused = |why| Problem::Refused { file: id, why };
        let flags = OFlags::RDWR
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            // A pipe put in a file's place must not hold us up.
            | OFlags::NONBLOCK
            | match purpose {
                For::Appending => OFlags::APPEND,
                For::Taking => OFlags::empty(),
            };
        let fd = match rustix::fs::openat(&self.fd, name_of(id).as_c_str(), flags, Mode::empty()) {
            Ok(fd) => ours(fd)?,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(refused("it is a symbolic link")),
            Err(Errno::ISDIR) => return Err(refused("it is a directory")),
            Err(Errno::NXIO) => return Err(refused("it is a socket")),
            Err(Errno::ACCESS) => return Err(refused("this user may not write it")),
            Err(errno) => return Err(Problem::os("opening a file")(errno)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(Problem::os("reading a file's owner"))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(refused("it is not a regular file"));
        }
        if stat.st_gid != self.gid {
            return Err(refused("its group is not the directory's"));
        }
        if stat.st_mode & 0o007 != 0 {
            return Err(refused("its mode lets everybody in"));
        }
        // None: deleted meanwhile, which the caller notices.
        if stat.st_nlink > 1 {
            return Err(refused("it has a second name"));
        }
        let mut bytes = [0; HEADER_BYTES];
        let n =
            rustix::io::pread(&fd, &mut bytes[..], 0).map_err(Problem::os("reading a header"))?;
        if n < HEADER_BYTES {
            return Err(refused("its header is cut"));
        }
        match Header::from_bytes(&bytes) {
            Ok(header) if header.id == id => Ok(Some(InboxFile { fd, header })),
            Ok(_) => Err(refused("its header is another file's")),
            Err(BadHeader::Newer(found)) => Err(Problem::NewerVersion { file: id, found }),
            Err(BadHeader::Damaged) => Err(refused("its header is damaged")),
        }
    }

    /// Makes a file. It appears with its header, group and mode, or not at all; `false` if another
    /// process was first.
    pub(super) fn create(&self, header: Header) -> Result<bool, Problem> {
        /// Tells threads of one process apart; the number of the process tells forked ones.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let pid = rustix::process::getpid().as_raw_nonzero();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (temporary, fd) = loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = Name::of(format_args!(".{:016x}-{pid}-{n}", header.id));
            match rustix::fs::openat(&self.fd, name.as_c_str(), flags, Mode::RUSR | Mode::WUSR) {
                Ok(fd) => break (name, ours(fd)?),
                // Left by a killed process of our number.
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(Problem::os("making a file")(errno)),
            }
        };
        let made = self.finish(fd, temporary.as_c_str(), header);
        if !matches!(made, Ok(true)) {
            let _ = rustix::fs::unlinkat(&self.fd, temporary.as_c_str(), AtFlags::empty());
        }
        made
    }

    fn finish(&self, fd: OwnedFd, temporary: &CStr, header: Header) -> Result<bool, Problem> {
        let stat = rustix::fs::fstat(&fd).map_err(Problem::os("reading a file's owner"))?;
        if stat.st_gid != self.gid {
            rustix::fs::fchown(&fd, None, Some(Gid::from_raw(self.gid))).map_err(|_| {
                Problem::Denied {
                    group: Some(self.gid),
                }
            })?;
        }
        rustix::fs::fchmod(&fd, FILE_MODE).map_err(Problem::os("setting a file's mode"))?;
        let bytes = header.to_bytes();
        let n = rustix::io::write(&fd, &bytes).map_err(Problem::os("writing a header"))?;
        if n < bytes.len() {
            return Err(Problem::Short {
                written: n,
                wanted: bytes.len(),
            });
        }
        let name = name_of(header.id);
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.fd, temporary, &self.fd, name.as_c_str(), flags) {
            Ok(()) => Ok(true),
            // Swept away by an engine that just started, or another process was first.
            Err(Errno::NOENT | Errno::EXIST) => Ok(false),
            Err(errno) => Err(Problem::os("naming a file")(errno)),
        }
    }

    /// Sets the sealed flag of file `id`: writers go on in the next one.
    pub(super) fn set_sealed(&self, id: u64) -> Result<(), Problem> {
        // Through a description of its own: on one with O_APPEND a positioned write appends.
        let Some(file) = self.open(id, For::Taking)? else {
            return Ok(());
        };
        rustix::io::pwrite(&file.fd, &[1], SEALED_AT).map_err(Problem::os("sealing a file"))?;
        Ok(())
    }

    /// The bytes of all files but `id`.
    pub(super) fn bytes_without(&self, id: u64) -> Result<u64, Problem> {
        let size = |id| {
            rustix::fs::statat(&self.fd, name_of(id).as_c_str(), AtFlags::SYMLINK_NOFOLLOW)
                .map_or(0, |s| s.st_size as u64)
        };
        let mut bytes = 0;
        self.each(|other| {
            if other != id {
                bytes += size(other);
            }
        })?;
        Ok(bytes)
    }

    /// Makes creations and deletions durable.
    pub(super) fn sync(&self) -> Result<(), Problem> {
        rustix::fs::fsync(&self.fd).map_err(Problem::os("syncing the directory"))
    }

    #[cfg(feature = "engine")]
    pub(super) fn remove(&self, id: u64) -> Result<(), Problem> {
        match rustix::fs::unlinkat(&self.fd, name_of(id).as_c_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(Problem::os("deleting a file")(errno)),
        }
    }

    /// Removes what creators left that were killed; one that is at work tries again.
    #[cfg(feature = "engine")]
    pub(super) fn sweep(&self) -> Result<(), Problem> {
        self.each_name(|name| {
            let bytes = name.to_bytes();
            if bytes.len() > 17 && bytes[0] == b'.' && bytes[17] == b'-' {
                let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
            }
        })
    }
}

fn ours(fd: OwnedFd) -> Result<OwnedFd, Problem> {
    above_stdio(fd).map_err(|e| {
        Problem::os("moving a descriptor above 2")(Errno::from_io_error(&e).unwrap_or(Errno::IO))
    })
}

/// A short name on the stack.
struct Name([u8; 48]);

impl Name {
    fn of(text: std::fmt::Arguments<'_>) -> Name {
        let mut bytes = [0; 48];
        let mut rest = &mut bytes[..47];
        rest.write_fmt(text).expect("three numbers fit 47 bytes");
        Name(bytes)
    }

    fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).expect("the last byte is zero")
    }
}

fn name_of(id: u64) -> Name {
    Name::of(format_args!("{id:016x}.inbox"))
}

fn id_of(name: &CStr) -> Option<u64> {
    let digits = name.to_bytes().strip_suffix(SUFFIX)?;
    let ours = digits.len() == NAME_BYTES - SUFFIX.len() - 1
        && digits
            .iter()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !ours {
        return None;
    }
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// Makes `<data_dir>/inbox` with mode 2770 and, where `group` is given (a name from `/etc/group` or a
/// number), that group, and lets others search the data directory (not list it). One that exists
/// is checked, and given group and mode. For the engine and `postrider init`; writers never make it.
///
/// # Errors
/// The directory is a link, belongs to someone else, or the group is unknown or can't be set.
pub fn init(data_dir: &Path, group: Option<&str>) -> Result<PathBuf, InboxError> {
    let path = data_dir.join(DIR_NAME);
    let place = Place::new(&path);
    make(data_dir, &place, group).map_err(|problem| place.error(problem))?;
    Ok(path)
}

fn make(data_dir: &Path, place: &Place, group: Option<&str>) -> Result<(), Problem> {
    let gid = group.map(gid_of).transpose()?;
    match rustix::fs::mkdir(&*place.c_path, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(Problem::os("making the directory")(errno)),
    }
    let dir = place.open()?;
    if let Some(gid) = gid.filter(|&gid| gid != dir.gid) {
        rustix::fs::fchown(&dir.fd, None, Some(Gid::from_raw(gid)))
            .map_err(|_| Problem::Denied { group: Some(gid) })?;
    }
    // After the group: changing it may clear the set-group bit.
    set_mode(&dir.fd, |_| DIR_MODE.as_raw_mode())?;
    if gid.is_some() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let data = rustix::fs::open(data_dir, flags, Mode::empty())
            .map_err(Problem::os("opening the data directory"))?;
        set_mode(data, |mode| mode | 0o011)?;
    }
    Ok(())
}

fn set_mode(fd: impl AsFd, change: impl FnOnce(u32) -> u32) -> Result<(), Problem> {
    let problem = || Problem::os("setting a directory's mode");
    let before = rustix::fs::fstat(&fd).map_err(problem())?.st_mode & 0o7777;
    let after = change(before);
    if after == before {
        return Ok(());
    }
    rustix::fs::fchmod(&fd, Mode::from_raw_mode(after)).map_err(problem())
}

/// A group's number. Only `/etc/group` is asked: other name services load foreign code.
fn gid_of(group: &str) -> Result<u32, Problem> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let groups = std::fs::read_to_string("/etc/group").map_err(|_| Problem::UnknownGroup)?;
    groups
        .lines()
        .map(|line| line.split(':'))
        .filter_map(|mut fields| Some((fields.next()?, fields.nth(1)?.parse().ok()?)))
        .find_map(|(name, gid)| (name == group).then_some(gid))
        .ok_or(Problem::UnknownGroup)
}

/// The boot's id, zero where the system doesn't tell. Nobody appends to a file of a former boot:
/// a power cut may have shortened it below the position that the log remembers.
pub(super) fn boot_id() -> [u8; 16] {
    let mut text = [0; 36];
    let mut id = [0; 16];
    let read = rustix::fs::open(
        c"/proc/sys/kernel/random/boot_id",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .and_then(|fd| rustix::io::read(fd, &mut text[..]));
    if read == Ok(36)
        && let Some(parsed) = str::from_utf8(&text)
            .ok()
            .and_then(|t| uuid::Uuid::try_parse(t).ok())
    {
        id = parsed.into_bytes();
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sixteen_digits() {
        assert_eq!(name_of(0x1f).as_c_str(), c"000000000000001f.inbox");
        assert_eq!(id_of(c"000000000000001f.inbox"), Some(0x1f));
        for other in [
            c"1f.inbox",
            c"000000000000001F.inbox",
            c".000000000000001f-7-0",
            c"x",
        ] {
            assert_eq!(id_of(other), None, "{other:?}");
        }
    }

    #[test]
    fn groups_are_found_by_name_and_number() {
        assert_eq!(gid_of("root"), Ok(0));
        assert_eq!(gid_of("1234"), Ok(1234));
        assert_eq!(gid_of("no such group"), Err(Problem::UnknownGroup));
    }

    #[test]
    fn the_boot_has_an_id() {
        assert_ne!(boot_id(), [0; 16]);
        assert_eq!(boot_id(), boot_id());
    }
}
