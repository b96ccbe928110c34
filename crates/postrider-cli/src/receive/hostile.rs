//! Answers that no sender should have to bear.

use std::io::{self, Write};
use std::time::Duration;

/// One way to answer badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hostile {
    /// A body that never ends.
    EndlessBody,
    /// Headers that never end.
    EndlessHead,
    /// A good answer, a byte each so often.
    Drip(Duration),
    /// So many bytes of a good answer, then a reset.
    ResetAfter(usize),
    /// No HTTP at all.
    Garbage,
    /// A body shorter than it says.
    Short,
    /// A body longer than it says.
    Long,
    /// A body until close, and no proper end: under TLS without close_notify.
    Cut,
}

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nOK";

impl Hostile {
    /// The word for it in rules.
    pub(crate) fn parse(words: &[&str]) -> Option<Hostile> {
        Some(match *words {
            ["endless-body"] => Hostile::EndlessBody,
            ["endless-head"] => Hostile::EndlessHead,
            ["drip", ms] => Hostile::Drip(Duration::from_millis(ms.parse().ok()?)),
            ["reset", bytes] => Hostile::ResetAfter(bytes.parse().ok()?),
            ["garbage"] => Hostile::Garbage,
            ["short"] => Hostile::Short,
            ["long"] => Hostile::Long,
            ["cut"] => Hostile::Cut,
            _ => return None,
        })
    }

    /// Whether the connection is to end with a reset.
    pub(super) fn resets(self) -> bool {
        matches!(self, Hostile::ResetAfter(_))
    }

    /// Whether the connection ends without a proper goodbye.
    pub(super) fn cuts(self) -> bool {
        matches!(self, Hostile::Cut | Hostile::Short)
    }

    /// Answers, until it is over or the sender has had enough.
    pub(super) fn answer(self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Hostile::EndlessBody => {
                out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                let chunk = [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat();
                loop {
                    out.write_all(&chunk)?;
                }
            }
            Hostile::EndlessHead => {
                out.write_all(b"HTTP/1.1 200 OK\r\n")?;
                loop {
                    out.write_all(b"X-More: and more and more\r\n")?;
                }
            }
            Hostile::Drip(pause) => {
                for byte in GOOD {
                    out.write_all(&[*byte])?;
                    out.flush()?;
                    std::thread::sleep(pause);
                }
                Ok(())
            }
            Hostile::ResetAfter(bytes) => out.write_all(&GOOD[..bytes.min(GOOD.len())]),
            Hostile::Garbage => {
                out.write_all(b"\x00\xff\x16\x03\r\r\n\n this is no HTTP \x7f\r\n\r\n")
            }
            Hostile::Short => {
                out.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort")
            }
            Hostile::Long => out.write_all(&[GOOD, b" and more than was said"].concat()),
            Hostile::Cut => out.write_all(b"HTTP/1.1 200 OK\r\n\r\ncut o"),
        }?;
        out.flush()
    }
}
