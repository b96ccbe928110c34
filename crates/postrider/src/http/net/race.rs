//! Several addresses of one target, raced (RFC 8305 §5): the next one is tried when one fails, or
//! after a short while without waiting for it to fail; the first to connect wins.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::socket::Socket;
use super::{HttpError, Policy, Target};
use crate::time::Instant;

/// The connection attempt delay (RFC 8305 §8); shorter where it would not fit all addresses into
/// the time there is.
const DELAY: Duration = Duration::from_millis(250);

/// Attempts to connect to one target.
#[derive(Debug)]
pub(super) struct Race {
    /// Not tried yet, the next one last.
    rest: Vec<SocketAddr>,
    running: Vec<(Socket, SocketAddr)>,
    delay: Duration,
    /// When the next one starts, whatever the others do.
    next_at: Instant,
    failed: Option<HttpError>,
}

/// How a race stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// Nobody has won yet.
    Running,
    /// The connected socket.
    Won(Socket),
    /// No address is left.
    Lost(HttpError),
}

impl Race {
    /// Lines up addresses that must be connected to within `budget`.
    pub(super) fn new(addresses: impl IntoIterator<Item = SocketAddr>, budget: Duration) -> Race {
        let mut rest: Vec<SocketAddr> = addresses.into_iter().collect();
        rest.reverse();
        let share = budget / u32::try_from(rest.len()).unwrap_or(u32::MAX).max(1);
        Race {
            rest,
            running: Vec::new(),
            delay: DELAY.min(share),
            next_at: Instant::default(),
            failed: None,
        }
    }

    /// When it has to go on even if nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.rest.is_empty()).then_some(self.next_at)
    }

    /// Looks how the attempts went, and starts the next one if it is its turn. `policy` is asked
    /// about every address before it is connected to; none for a proxy, which the operator named.
    pub(super) fn go_on(
        &mut self,
        (registry, token): (&Registry, Token),
        policy: Option<&Policy>,
        target: &Target,
        now: Instant,
    ) -> Standing {
        let mut i = 0;
        while i < self.running.len() {
            match self.running[i].0.connected() {
                Ok(()) => {
                    let (winner, _) = self.running.swap_remove(i);
                    return Standing::Won(winner);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => i += 1,
                Err(e) => {
                    let (_, address) = self.running.swap_remove(i);
                    self.failed = Some(HttpError::connect(target, address, &e));
                    self.next_at = now;
                }
            }
        }
        while (self.running.is_empty() || now >= self.next_at)
            && let Some(address) = self.rest.pop()
        {
            if let Some(Err(e)) = policy.map(|p| p.check(address)) {
                // What a connection failed with says more than a refusal.
                self.failed
                    .get_or_insert_with(|| HttpError::policy(target, &e));
                continue;
            }
            match begin(address, registry, token) {
                Ok(socket) => {
                    self.running.push((socket, address));
                    self.next_at = now.after(self.delay);
                }
                Err(e) => self.failed = Some(HttpError::connect(target, address, &e)),
            }
        }
        if self.running.is_empty() {
            let failed = self.failed.take();
            return Standing::Lost(failed.unwrap_or_else(|| HttpError::no_address(target)));
        }
        Standing::Running
    }
}

fn begin(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Socket> {
    let socket = Socket::connect(address)?;
    let both = Interest::READABLE | Interest::WRITABLE;
    registry.register(&mut SourceFd(&socket.as_raw_fd()), token, both)?;
    Ok(socket)
}
