//! Ours against hyper's client: what we take as an answer, hyper takes for the same answer.
//!
//! Not the other way round: where a choice is left we refuse what two readers could read differently.

#![no_main]

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use libfuzzer_sys::fuzz_target;
use postrider::http::proto::{Answer, BodyEnd, Exchange, Limits, Method};

/// Keep and read everything: only the reading is compared.
const LIMITS: Limits = Limits {
    body_kept: 1 << 20,
    body_read: 1 << 20,
    head_bytes: 64 * 1024,
    headers: 100,
    interim: 16,
    extension_bytes: 16 * 1024,
    trailer_bytes: 16 * 1024,
};

/// A receiver that answers once it has been written to, then ends.
struct Wire<'a> {
    answer: &'a [u8],
    written: bool,
}

impl Read for Wire<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.written {
            return Poll::Pending;
        }
        let n = buf.remaining().min(self.answer.len());
        let (now, later) = self.answer.split_at(n);
        buf.put_slice(now);
        self.answer = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written = true;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Empty;

impl Body for Empty {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// What hyper makes of it: status, body, and whether that ended as announced.
fn theirs(answer: &[u8]) -> Option<(u16, Vec<u8>, bool)> {
    let mut cx = Context::from_waker(Waker::noop());
    let wire = Wire {
        answer,
        written: false,
    };
    let handshake = hyper::client::conn::http1::handshake::<_, Empty>(wire);
    let Poll::Ready(Ok((mut sender, connection))) = pin!(handshake).poll(&mut cx) else {
        return None;
    };
    let mut connection = pin!(connection);
    let request = hyper::Request::post("/")
        .header("host", "a")
        .body(Empty)
        .ok()?;
    let mut response = pin!(sender.send_request(request));
    let response = loop {
        let over = connection.as_mut().poll(&mut cx).is_ready();
        match response.as_mut().poll(&mut cx) {
            Poll::Ready(response) => break response.ok()?,
            Poll::Pending if over => return None,
            Poll::Pending => {}
        }
    };
    let status = response.status().as_u16();
    let mut incoming: Pin<&mut Incoming> = pin!(response.into_body());
    let mut body = Vec::new();
    let mut idle = 0;
    loop {
        let over = connection.as_mut().poll(&mut cx).is_ready();
        match incoming.as_mut().poll_frame(&mut cx) {
            Poll::Ready(None) => return Some((status, body, true)),
            Poll::Ready(Some(Err(_))) => return Some((status, body, false)),
            Poll::Ready(Some(Ok(frame))) => {
                idle = 0;
                body.extend_from_slice(&frame.into_data().unwrap_or_default());
            }
            // An end that the connection has seen reaches the body at its next turn.
            Poll::Pending => {
                idle += 1;
                assert!(!over || idle < 10, "hyper's body never ends");
            }
        }
    }
}

/// What we make of it.
fn ours(answer: &[u8]) -> Option<Answer> {
    let mut exchange = Exchange::new(Method::Post, LIMITS);
    exchange.sent();
    match exchange.received(answer) {
        Ok(Some(answer)) => Some(answer),
        Ok(None) => exchange.closed(true),
        Err(_) => None,
    }
}

fuzz_target!(|data: &[u8]| {
    let Some(answer) = ours(data) else {
        return;
    };
    let (status, body, whole) = theirs(data).expect("hyper takes it for an answer too");
    assert_eq!(status, answer.head.status);
    match answer.end {
        // hyper reads trailers as headers, and may refuse those that we forget.
        BodyEnd::Complete => assert_eq!(body, answer.body),
        BodyEnd::Truncated => assert!(!whole && body == answer.body),
        // What we refuse, hyper may read on: to the same point it is the same.
        _ => assert!(body.starts_with(&answer.body)),
    }
});
