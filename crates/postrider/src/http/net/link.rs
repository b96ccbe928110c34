//! A connection that bytes go through, with or without TLS.

use std::io::{self, Read, Write};

use rustls::ClientConnection;

use super::outgoing::Outgoing;
use super::socket::{Peek, Socket};

/// Ciphertext in which there is nothing for the reader (tickets) that is taken in one turn: a receiver
/// may send more of it as fast as we read, and others must come between.
const IDLE_TALK: usize = 32 * 1024;

/// So much of it without a byte for the reader ends the connection. A certificate chain takes a tenth at most.
const MAX_IDLE_TALK: usize = 512 * 1024;

/// A connected socket, and its TLS session if it has one.
#[derive(Debug)]
pub(super) struct Link {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    /// Ciphertext taken since the last byte for the reader.
    idle_talk: usize,
    /// Requests that it has been given.
    carried: u32,
    /// Bytes sent and received since [`take_moved`](Link::take_moved), without what TLS adds.
    moved: usize,
}

/// How far a send got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Everything has left for the kernel.
    All,
    /// The socket takes no more for now.
    Blocked,
}

/// What a receive brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Blocked,
    /// Nothing yet, though TLS goes on talking: to be called again once others had their turn.
    IdleTalk,
    /// The end; under TLS `clean` only after close_notify.
    End { clean: bool },
}

/// Why a connection can't go on.
#[derive(Debug)]
pub(super) enum LinkError {
    Io(io::Error),
    Tls(rustls::Error),
}

impl Link {
    pub(super) fn new(socket: Socket) -> Self {
        Link {
            socket,
            tls: None,
            idle_talk: 0,
            carried: 0,
            moved: 0,
        }
    }

    /// Begins TLS on a connection that is a tunnel by now.
    pub(super) fn start_tls(&mut self, session: Box<ClientConnection>) {
        self.tls = Some(session);
    }

    /// Gives it one more request.
    pub(super) fn carry(&mut self) {
        self.carried += 1;
    }

    /// Requests that it has been given.
    pub(super) fn carried(&self) -> u32 {
        self.carried
    }

    /// Bytes sent and received since this was asked last.
    pub(super) fn take_moved(&mut self) -> usize {
        std::mem::take(&mut self.moved)
    }

    /// Whether this is TLS and its handshake is not over.
    pub(super) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    /// Sends as much as the socket takes.
    pub(super) fn send(&mut self, out: &mut Outgoing) -> io::Result<Sent> {
        let Some(tls) = &mut self.tls else {
            while !out.is_done() {
                let parts = out.parts();
                let all = parts.iter().map(|part| part.len()).sum::<usize>();
                match self.socket.send(&parts) {
                    Ok(n) => {
                        out.advance(n);
                        self.moved += n;
                        // Asking again would only bring WouldBlock: a short send has already told
                        // the kernel to report when there is space.
                        if n < all {
                            return Ok(Sent::Blocked);
                        }
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Sent::Blocked),
                    Err(e) => return Err(e),
                }
            }
            return Ok(Sent::All);
        };
        loop {
            if !flush(tls, &self.socket)? || tls.is_handshaking() {
                return Ok(Sent::Blocked);
            }
            if out.is_done() {
                return Ok(Sent::All);
            }
            // Takes what fits rustls' buffer, which is empty now.
            let n = tls.writer().write_vectored(&out.parts())?;
            out.advance(n);
            self.moved += n;
        }
    }

    /// Receives what there is.
    pub(super) fn receive(&mut self, buf: &mut [u8]) -> Result<Received, LinkError> {
        let Some(tls) = &mut self.tls else {
            return match self.socket.recv(buf) {
                Ok(0) => Ok(Received::End { clean: true }),
                Ok(n) => {
                    self.moved += n;
                    Ok(Received::Bytes(n))
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Received::Blocked),
                Err(e) => Err(LinkError::Io(e)),
            };
        };
        let before = self.idle_talk;
        loop {
            match tls.reader().read(buf) {
                Ok(0) => return Ok(Received::End { clean: true }),
                Ok(n) => {
                    self.idle_talk = 0;
                    return Ok(Received::Bytes(n));
                }
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(Received::End { clean: false });
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(LinkError::Io(e)),
            }
            if self.idle_talk > MAX_IDLE_TALK {
                return Err(LinkError::Tls(rustls::Error::General(format!(
                    "more than {MAX_IDLE_TALK} bytes and nothing but messages of TLS itself"
                ))));
            }
            if self.idle_talk - before > IDLE_TALK {
                return Ok(Received::IdleTalk);
            }
            match tls.read_tls(&mut &self.socket) {
                // rustls tells the reader about the end, except before there is one.
                Ok(0) if tls.is_handshaking() => return Ok(Received::End { clean: false }),
                Ok(n) => {
                    self.idle_talk += n;
                    self.moved += n;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Blocked),
                Err(e) => return Err(LinkError::Io(e)),
            }
            let processed = tls.process_new_packets();
            // Answers of the session itself, an alert among them; what it can't send now goes out
            // with the next send.
            let _ = flush(tls, &self.socket);
            processed.map_err(LinkError::Tls)?;
        }
    }

    /// Looks whether an idle connection can carry another request. Only TLS's own messages, such
    /// as session tickets, may have come meanwhile.
    pub(super) fn probe(&mut self) -> Peek {
        if self.tls.is_none() {
            return self.socket.peek();
        }
        match self.receive(&mut [0; 64]) {
            Ok(Received::Blocked) => Peek::Quiet,
            _ => Peek::Unusable,
        }
    }

    /// Whether there is input that nobody has read yet.
    #[cfg(test)]
    pub(super) fn has_input(&self) -> bool {
        self.socket.peek() == Peek::Unusable
    }

    /// Ends the connection; under TLS says so first, as far as that goes without waiting.
    ///
    /// Shut down and not only closed: a child that the host forked may hold a copy of the
    /// descriptor. Dropping a link only closes, so that such a child leaves the parent's alone.
    pub(super) fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = flush(tls, &self.socket);
        }
        self.socket.shutdown();
    }
}

/// Sends what the session has ready; false if the socket takes no more for now.
fn flush(tls: &mut ClientConnection, mut socket: &Socket) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(&mut socket) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(e) => return Err(e),
        }
    }
    Ok(true)
}
