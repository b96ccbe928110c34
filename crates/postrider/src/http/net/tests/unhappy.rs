//! Receivers that hang up, answer early, or never heard of HTTP.

use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::{Mutex, mpsc};

use super::support::*;
use crate::http::{BodyEnd, ErrorKind, NoReuse, Phase, Reuse};
use crate::time::SystemClock;

/// Larger than all socket buffers on the way, so that sending it takes a reader.
const HUGE: usize = 32 * 1024 * 1024;

#[test]
fn a_port_that_nobody_listens_on_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let error = error(exchange(
        &mut client(),
        post(&format!("http://127.0.0.1:{port}/"), body("x")),
    ));
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Connect, ErrorKind::Connect)
    );
    assert_eq!(error.node_code, "ECONNREFUSED");
    assert!(
        error.message.contains(&format!("127.0.0.1:{port}")),
        "{error}"
    );
}

/// Row 14: the receiver closed a kept connection as the request was on its way.
#[test]
fn a_request_lost_on_a_reused_connection_is_sent_again_once() {
    let receiver = Receiver::start(|number, stream| {
        let mut stream = BufReader::new(stream);
        while read_request(&mut stream).is_some() {
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
            if number == 0 {
                // Takes the second request, or its beginning, and hangs up.
                read_head(&mut stream).unwrap();
                return;
            }
        }
    });
    let mut client = client();
    answer(exchange(&mut client, post(&receiver.url(), body("first"))));
    let done = exchange(&mut client, post(&receiver.url(), body("second")));
    assert!(!done.reused);
    assert_eq!(answer(done).status, 200);
    assert_eq!(
        (client.counters().retried, client.counters().opened),
        (1, 2)
    );
}

/// Row 14.
#[test]
fn a_request_lost_on_a_fresh_connection_is_an_error() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        if read_request(&mut stream).is_some() {
            reset(stream.into_inner());
        }
    });
    let mut client = client();
    let error = error(exchange(&mut client, post(&receiver.url(), body("x"))));
    assert_eq!(
        (error.phase, error.kind),
        (Phase::FirstByte, ErrorKind::Closed)
    );
    assert_eq!(error.node_code, "ECONNRESET");
    assert_eq!(
        (client.counters().retried, client.counters().opened),
        (0, 1)
    );
}

/// Row 14.
#[test]
fn a_request_is_not_sent_again_once_a_byte_of_answer_came() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        read_request(&mut stream).unwrap();
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
        read_request(&mut stream).unwrap();
        stream.get_mut().write_all(b"H").unwrap();
    });
    let mut client = client();
    answer(exchange(&mut client, post(&receiver.url(), body("first"))));
    let done = exchange(&mut client, post(&receiver.url(), body("second")));
    assert!(done.reused);
    assert_eq!(error(done).kind, ErrorKind::Closed);
    assert_eq!(
        (client.counters().retried, client.counters().opened),
        (0, 1)
    );
}

/// Row 13: wherever the reset falls, what was answered before it counts.
#[test]
fn a_reset_at_any_byte_of_the_answer_is_told_apart() {
    let whole = "HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nfine";
    let head = whole.len() - 4;
    let receiver = Receiver::start(move |at, stream| {
        let mut stream = BufReader::new(stream);
        if read_request(&mut stream).is_some() {
            stream.get_mut().write_all(&whole.as_bytes()[..at]).unwrap();
            reset(stream.into_inner());
        }
    });
    for at in 0..=whole.len() {
        // A client of its own each: nothing is reused.
        let done = exchange(&mut client(), post(&receiver.url(), body("x")));
        if at < head {
            assert_eq!(error(done).kind, ErrorKind::Closed, "reset at {at}");
        } else {
            let response = answer(done);
            let end = if at < whole.len() {
                BodyEnd::Truncated
            } else {
                BodyEnd::Complete
            };
            assert_eq!((response.status, response.end), (202, end), "reset at {at}");
        }
    }
}

/// Rows 12 and 13: nginx answers 413 to a body that it has not read, and closes.
#[test]
fn an_early_refusal_of_a_body_that_is_not_read_is_the_answer() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        read_head(&mut stream).unwrap();
        let refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n";
        stream.get_mut().write_all(refusal).unwrap();
    });
    let response = answer(exchange(
        &mut client(),
        post(&receiver.url(), vec![b'x'; HUGE]),
    ));
    assert_eq!((response.status, response.end), (413, BodyEnd::Complete));
    assert_eq!(response.reuse, Reuse::No(NoReuse::EarlyAnswer));
}

/// Rows 12 and 13: HAProxy's `http-request return` accepts before the body is read, then cuts.
#[test]
fn an_early_acceptance_followed_by_a_reset_is_delivered_once() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        read_head(&mut stream).unwrap();
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
        reset(stream.into_inner());
    });
    let mut client = client();
    let response = answer(exchange(
        &mut client,
        post(&receiver.url(), vec![b'x'; HUGE]),
    ));
    assert_eq!(response.status, 200);
    assert_eq!(
        (client.counters().opened, client.counters().retried),
        (1, 0)
    );
}

/// Row 12.
#[test]
fn a_reset_before_the_body_is_sent_is_an_error_of_sending() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        if read_head(&mut stream).is_some() {
            reset(stream.into_inner());
        }
    });
    let error = error(exchange(
        &mut client(),
        post(&receiver.url(), vec![b'x'; HUGE]),
    ));
    assert_eq!((error.phase, error.kind), (Phase::Send, ErrorKind::Closed));
    assert!(
        ["ECONNRESET", "EPIPE"].contains(&error.node_code),
        "{error}"
    );
}

/// Row 1.
#[test]
fn interim_answers_are_skipped() {
    let receiver = Receiver::answering(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
         HTTP/1.1 204 No Content\r\n\r\n",
    );
    let mut client = client();
    answer(exchange(&mut client, post(&receiver.url(), body("x"))));
    let done = exchange(&mut client, post(&receiver.url(), body("x")));
    assert!(done.reused);
    assert_eq!(answer(done).status, 204);
}

/// Row 11.
#[test]
fn a_body_until_close_is_complete_when_the_connection_ends() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        if read_request(&mut stream).is_some() {
            stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\n\r\nall of it")
                .unwrap();
        }
    });
    let response = answer(exchange(&mut client(), post(&receiver.url(), body("x"))));
    assert_eq!(
        (response.body.as_slice(), response.end),
        (&b"all of it"[..], BodyEnd::Complete)
    );
    assert_eq!(response.reuse, Reuse::No(NoReuse::UntilClose));
}

/// Row 20.
#[test]
fn an_endless_body_is_cut_and_its_status_stands() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        if read_request(&mut stream).is_some() {
            let mut stream = stream.into_inner();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            while stream.write_all(&[b'x'; 65536]).is_ok() {}
        }
    });
    let response = answer(exchange(&mut client(), post(&receiver.url(), body("x"))));
    assert_eq!((response.status, response.end), (200, BodyEnd::TooLong));
    assert_eq!(response.body.len(), 64 * 1024);
}

/// An answer that has more than its share to read lets the others go on before it does.
#[test]
fn an_endless_body_is_read_a_share_a_turn() {
    let (all_there, wait) = mpsc::channel();
    let all_there = Mutex::new(all_there);
    let receiver = Receiver::start(move |_, stream| {
        let mut stream = BufReader::new(stream);
        if read_request(&mut stream).is_some() {
            let mut stream = stream.into_inner();
            // More than a share, less than the socket's buffers.
            let length = 80 * 1024;
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
            )
            .unwrap();
            stream.write_all(&vec![b'x'; length]).unwrap();
            all_there.lock().unwrap().send(()).unwrap();
            drain(stream);
        }
    });
    let mut client = client();
    client.start(1, post(&receiver.url(), body("x")), now());
    let mut done = Vec::new();
    poll_until(&mut client, &mut done, |client, _| {
        client.phase_of(1) == Some(Phase::FirstByte)
    });
    wait.recv().unwrap();
    client.poll(None, &SystemClock, &mut done).unwrap();
    assert_eq!(client.ready.later(), 1);
    client.poll(None, &SystemClock, &mut done).unwrap();
    assert_eq!(
        answer(done.pop().expect("the rest of it")).end,
        BodyEnd::Complete
    );
}

#[test]
fn what_is_not_http_is_named() {
    let receiver = Receiver::start(|_, mut stream| {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
        drain(stream);
    });
    let error = error(exchange(&mut client(), post(&receiver.url(), body("x"))));
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Answer, ErrorKind::Protocol)
    );
    assert!(
        error.message.contains(&receiver.addr.to_string()),
        "{error}"
    );
}

/// Row 24.
#[test]
fn a_redirect_is_not_followed() {
    let receiver = Receiver::answering(
        "HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    );
    let mut client = client();
    let response = answer(exchange(&mut client, post(&receiver.url(), body("x"))));
    assert_eq!(response.status, 307);
    assert_eq!(
        response.headers.get("location"),
        Some("http://127.0.0.1:1/")
    );
    assert_eq!(client.counters().opened, 1);
}

#[test]
fn a_name_that_does_not_exist_is_said_so() {
    // `.invalid` never resolves (RFC 6761); without a name server it fails in another way.
    let error = error(exchange(
        &mut client(),
        post("http://nowhere.invalid/", body("x")),
    ));
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Resolve, ErrorKind::Resolve)
    );
    assert!(
        ["ENOTFOUND", "EAI_AGAIN"].contains(&error.node_code),
        "{error}"
    );
    assert!(error.message.contains("nowhere.invalid"), "{error}");
}
