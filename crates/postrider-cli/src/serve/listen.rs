//! The API's listeners: how many may connect, and how long they may stay silent.

use super::http::Mount;
use super::tls::Tls;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use postrider_api::Caller;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// From connecting, or from the answer before, to the end of a request's head; also of a TLS handshake.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// Bytes of a request's head.
const HEAD_BYTES: usize = 64 * 1024;
/// Header lines of a request.
const HEADERS: usize = 100;

/// How many connections may be open at once to a listener; it may change while that listens.
#[derive(Clone)]
pub(super) struct Limit(watch::Sender<usize>);

impl Limit {
    pub(super) fn new(connections: usize) -> Limit {
        Limit(watch::Sender::new(connections))
    }

    /// Who is connected stays.
    pub(super) fn set(&self, connections: usize) {
        self.0.send_replace(connections);
    }
}

/// Where connections come from.
pub(super) enum Listener {
    Tcp(TcpListener, Arc<Tls>),
    Unix(UnixListener),
}

/// Serves until `stop` says so, then ends with the requests under way.
pub(super) async fn serve(
    listener: Listener,
    mount: Arc<Mount>,
    caller: Caller,
    connections: Limit,
    mut stop: watch::Receiver<bool>,
) {
    let mut limit = connections.0.subscribe();
    let mut open = JoinSet::new();
    loop {
        let room = open.len() < *limit.borrow_and_update();
        let accepted = tokio::select! {
            accepted = accept(&listener), if room => accepted,
            Some(_) = open.join_next() => continue,
            _ = limit.changed() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            // Out of descriptors, for one: it is not the caller's fault, and passes.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (mount, stop) = (mount.clone(), stop.clone());
        open.spawn(async move {
            match stream {
                Stream::Plain(stream) => converse(stream, mount, caller, stop).await,
                Stream::Unix(stream) => converse(stream, mount, caller, stop).await,
                Stream::Tls(stream, tls) => {
                    let shaken = tokio::time::timeout(HEAD_TIME, tls.accept(stream)).await;
                    if let Ok(Ok(stream)) = shaken {
                        converse(stream, mount, caller, stop).await;
                    }
                }
            }
        });
    }
    while open.join_next().await.is_some() {}
}

enum Stream {
    Plain(tokio::net::TcpStream),
    Tls(tokio::net::TcpStream, tokio_rustls::TlsAcceptor),
    Unix(tokio::net::UnixStream),
}

async fn accept(listener: &Listener) -> io::Result<Stream> {
    Ok(match listener {
        Listener::Tcp(listener, tls) => {
            let (stream, _) = listener.accept().await?;
            // Answers are small, and each is one write.
            stream.set_nodelay(true)?;
            match tls.acceptor() {
                None => Stream::Plain(stream),
                Some(tls) => Stream::Tls(stream, tls),
            }
        }
        Listener::Unix(listener) => Stream::Unix(listener.accept().await?.0),
    })
}

/// One connection, request by request. What goes wrong on it is its peer's to notice.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    mount: Arc<Mount>,
    caller: Caller,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request| mount.clone().answer(request, caller));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.wait_for(|stop| *stop) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
