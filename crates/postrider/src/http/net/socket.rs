//! TCP sockets for a guest in someone's process.
//!
//! Every write goes through `sendmsg` with `MSG_NOSIGNAL`: a plain `write` on a connection that
//! the receiver has reset raises SIGPIPE, which kills a host that never asked for it. Descriptors
//! are close-on-exec and never 0, 1 or 2, even where the host has closed those: its next `printf`
//! must not end up in a request.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketFlags, SocketType,
    connect, getpeername, ipproto, recv, sendmsg, shutdown, socket_with, sockopt,
};

/// First descriptor that is not stdin, stdout or stderr.
const FIRST_FD: RawFd = 3;

/// A non-blocking TCP socket.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

/// What a look at an idle connection shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peek {
    /// Nothing: it is alive as far as anyone can tell.
    Quiet,
    /// Its end, or bytes that nobody asked for.
    Unusable,
}

impl Socket {
    /// Starts to connect. Writable once it is over; then ask [`Socket::connected`].
    pub(super) fn connect(addr: SocketAddr) -> io::Result<Socket> {
        let family = if addr.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let mut fd = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
        if fd.as_raw_fd() < FIRST_FD {
            fd = fcntl_dupfd_cloexec(&fd, FIRST_FD)?;
        }
        // Head and body leave in one call, and the last short segment must not wait for an ACK.
        sockopt::set_tcp_nodelay(&fd, true)?;
        match connect(&fd, &addr) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(Socket(fd)),
            Err(e) => Err(e.into()),
        }
    }

    /// How the connecting ended; `WouldBlock` while it has not.
    pub(super) fn connected(&self) -> io::Result<()> {
        sockopt::socket_error(&self.0)??;
        match getpeername(&self.0) {
            Err(Errno::NOTCONN) => Err(io::ErrorKind::WouldBlock.into()),
            other => Ok(other.map(drop)?),
        }
    }

    /// Ends the connection for every holder of a copy of the descriptor.
    pub(super) fn shutdown(&self) {
        // Fails only where the connection is gone already.
        let _ = shutdown(&self.0, Shutdown::Both);
    }

    /// Sends what the kernel takes of `parts`; never raises SIGPIPE.
    pub(super) fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        loop {
            let mut none = SendAncillaryBuffer::default();
            match sendmsg(&self.0, parts, &mut none, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
    }

    /// Receives; 0 is the end.
    pub(super) fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv_with(buf, RecvFlags::empty())
    }

    /// Looks at an idle connection without taking anything from it.
    pub(super) fn peek(&self) -> Peek {
        match self.recv_with(&mut [0], RecvFlags::PEEK) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Peek::Quiet,
            _ => Peek::Unusable,
        }
    }

    fn recv_with(&self, buf: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
        loop {
            match recv(&self.0, &mut *buf, flags) {
                Err(Errno::INTR) => {}
                other => return Ok(other?.1),
            }
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// For rustls, which reads and writes through these traits.
impl Read for &Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        bufs.iter_mut()
            .find(|b| !b.is_empty())
            .map_or(Ok(0), |b| self.recv(b))
    }
}

impl Write for &Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.send(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `make` while 0, 1 and 2 are taken, so that what it opens lies above them.
///
/// For descriptors that a library opens for us and that can't be moved afterwards.
pub(super) fn above_stdio<T>(make: impl FnOnce() -> T) -> io::Result<T> {
    let mut placeholders = Vec::new();
    loop {
        let fd = eventfd(0, EventfdFlags::CLOEXEC)?;
        if fd.as_raw_fd() >= FIRST_FD {
            break;
        }
        placeholders.push(fd);
    }
    Ok(make())
}
