//! Deadlines, on a clock that only the test moves; and waking.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::support::*;
use crate::http::{BodyEnd, Client, Config, Done, ErrorKind, HttpError, Phase, Request, Timeouts};
use crate::time::{Clock, ManualClock, SystemClock};

fn request(url: &str, clock: &ManualClock, seconds: u64) -> Request {
    let deadline = clock.now().mono.after(Duration::from_secs(seconds));
    Request {
        deadline,
        ..post(url, body("x"))
    }
}

/// A few turns on a manual clock, enough for loopback.
fn turns(client: &mut Client, clock: &ManualClock, done: &mut Vec<Done>) {
    for _ in 0..3 {
        client
            .poll(Some(Duration::from_millis(1)), clock, done)
            .unwrap();
    }
}

/// Row 19: only a deadline for the whole ends an answer that always makes progress.
#[test]
fn a_receiver_that_drips_is_cut_off_at_the_deadline() {
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent", None),
        ("HTTP/1.1 200 OK\r\n\r\ndripdripdripdrip", Some(200)),
    ] {
        let (tick, ticks) = mpsc::channel::<()>();
        let (dripped, drips) = mpsc::channel::<()>();
        let both = Mutex::new((ticks, dripped));
        let receiver = Receiver::start(move |_, stream| {
            let mut stream = BufReader::new(stream);
            read_request(&mut stream).unwrap();
            let both = both.lock().unwrap();
            for byte in answer.as_bytes() {
                if both.0.recv().is_err() {
                    return;
                }
                stream.get_mut().write_all(&[*byte]).unwrap();
                both.1.send(()).unwrap();
            }
            drain(stream);
        });
        let clock = ManualClock::new(0);
        let mut client = client();
        let mut done = Vec::new();
        client.start(1, request(&receiver.url(), &clock, 20), clock.now().mono);
        for _ in 0..20 {
            assert!(done.is_empty());
            tick.send(()).unwrap();
            while drips.try_recv().is_err() {
                turns(&mut client, &clock, &mut done);
            }
            turns(&mut client, &clock, &mut done);
            clock.advance(Duration::from_secs(1));
        }
        turns(&mut client, &clock, &mut done);
        drop(tick);
        let over = done.pop().expect("the deadline has passed");
        assert_eq!(over.latency, Duration::from_secs(20));
        match (over.result, status) {
            (Err(e), None) => {
                assert_eq!((e.phase, e.kind), (Phase::Answer, ErrorKind::Timeout));
                assert_eq!(e.node_code, "ESOCKETTIMEDOUT");
            }
            (Ok(r), Some(status)) => {
                assert_eq!((r.status, r.end), (status, BodyEnd::TimedOut));
            }
            (other, _) => panic!("{other:?}"),
        }
        assert_eq!(client.connections(), 0);
    }
}

#[test]
fn a_request_that_never_gets_a_connection_times_out_in_the_queue() {
    let receiver = Receiver::start(|_, stream| drain(stream));
    let clock = ManualClock::new(0);
    let mut client = Client::new(Config {
        max_per_target: 1,
        ..config()
    })
    .unwrap();
    let mut done = Vec::new();
    client.start(1, request(&receiver.url(), &clock, 60), clock.now().mono);
    client.start(2, request(&receiver.url(), &clock, 5), clock.now().mono);
    clock.advance(Duration::from_secs(5));
    turns(&mut client, &clock, &mut done);
    assert_eq!((done.len(), done[0].id), (1, 2));
    assert_eq!(error(done.remove(0)).phase, Phase::Queue);
    assert_eq!(client.in_flight(), 1);
}

/// Timeouts of a second each.
fn impatient(ca_file: Option<PathBuf>) -> Config {
    let second = Duration::from_secs(1);
    Config {
        ca_file,
        timeouts: Timeouts {
            resolve: second,
            connect: second,
            tls: second,
            send: second,
            first_byte: second,
        },
        ..config()
    }
}

/// A listener whose queue is full drops what comes: connections to it hang. Holds them until dropped.
fn full_listener(addr: &str) -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind(addr).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let addr = listener.local_addr().unwrap();
    let timeout = Duration::from_millis(50);
    let connect = || TcpStream::connect_timeout(&addr, timeout).ok();
    let queued: Vec<TcpStream> = std::iter::from_fn(connect).collect();
    assert!(!queued.is_empty() && queued.len() < 16);
    (listener, queued)
}

/// Starts an exchange with a minute for the whole, moves the clock by a second behind every step
/// that takes place, and asserts which part was too slow.
#[track_caller]
fn is_too_slow(mut client: Client, url: &str, size: usize, phase: Phase) -> HttpError {
    let clock = ManualClock::new(0);
    let mut done = Vec::new();
    let deadline = clock.now().mono.after(Duration::from_secs(60));
    let request = Request {
        deadline,
        ..post(url, vec![b'x'; size])
    };
    client.start(1, request, clock.now().mono);
    let give_up = now().after(Duration::from_secs(30));
    while client.phase_of(1) != Some(phase) {
        assert!(now() < give_up, "it never came to {phase:?}: {done:?}");
        turns(&mut client, &clock, &mut done);
    }
    // What was sent in this phase may still be on its way into the kernel: time stands still.
    clock.advance(Duration::from_millis(999));
    turns(&mut client, &clock, &mut done);
    assert!(done.is_empty(), "{done:?}");
    clock.advance(Duration::from_millis(1));
    turns(&mut client, &clock, &mut done);
    let error = error(done.pop().expect("its time is over"));
    assert_eq!(
        (error.phase, error.kind),
        (phase, ErrorKind::Timeout),
        "{error}"
    );
    assert_eq!(client.connections(), 0);
    error
}

#[test]
fn a_name_that_is_not_found_in_time_is_cut_off() {
    let (stop, stopped) = mpsc::channel::<()>();
    let stopped = Mutex::new(stopped);
    let look_up = move |_: &str| {
        let _ = stopped.lock().unwrap().recv();
        Ok(Vec::new())
    };
    let client = Client::with_look_up(impatient(None), Arc::new(look_up)).unwrap();
    let error = is_too_slow(client, "http://hooks.test:8080/", 1, Phase::Resolve);
    assert_eq!(error.node_code, "ETIMEDOUT");
    drop(stop);
}

#[test]
fn an_address_that_swallows_packets_is_cut_off() {
    let (full, _queued) = full_listener("127.0.0.1:0");
    let url = format!("http://{}/", full.local_addr().unwrap());
    let client = Client::new(impatient(None)).unwrap();
    let error = is_too_slow(client, &url, 1, Phase::Connect);
    assert_eq!(error.node_code, "ETIMEDOUT");
}

#[test]
fn a_receiver_that_never_shakes_hands_is_cut_off() {
    let receiver = Receiver::start(|_, stream| drain(stream));
    let ca = super::tls::Ca::new();
    let url = receiver.url().replace("http:", "https:");
    let client = Client::new(impatient(Some(ca.file().to_owned()))).unwrap();
    let error = is_too_slow(client, &url, 1, Phase::Tls);
    assert_eq!(error.node_code, "ETIMEDOUT");
}

#[test]
fn a_receiver_that_does_not_read_is_cut_off() {
    let (stop, stopped) = mpsc::channel::<()>();
    let stopped = Mutex::new(stopped);
    let receiver = Receiver::start(move |_, mut stream| {
        let _ = stream.read(&mut [0]);
        let _ = stopped.lock().unwrap().recv();
    });
    let client = Client::new(impatient(None)).unwrap();
    let error = is_too_slow(client, &receiver.url(), 32 << 20, Phase::Send);
    assert_eq!(error.node_code, "ESOCKETTIMEDOUT");
    drop(stop);
}

#[test]
fn a_receiver_that_takes_the_request_and_says_nothing_is_cut_off() {
    let receiver = Receiver::start(|_, stream| drain(stream));
    let client = Client::new(impatient(None)).unwrap();
    let error = is_too_slow(client, &receiver.url(), 1, Phase::FirstByte);
    assert_eq!(error.node_code, "ESOCKETTIMEDOUT");
}

/// Row 22: an address that swallows packets does not hold up the next one (RFC 8305).
#[test]
fn an_address_that_does_not_answer_gives_way_to_the_next_one() {
    let receiver = Receiver::answering(OK);
    let port = receiver.addr.port();
    let (_full, _queued) = full_listener(&format!("127.0.0.2:{port}"));
    let clock = ManualClock::new(0);
    let mut client = client_where_names_are(&["127.0.0.2", "127.0.0.1"]);
    let mut done = Vec::new();
    let url = format!("http://hooks.test:{port}/");
    client.start(9, request(&url, &clock, 60), clock.now().mono);
    while client.phase_of(9) != Some(Phase::Connect) {
        turns(&mut client, &clock, &mut done);
    }
    clock.advance(Duration::from_millis(249));
    turns(&mut client, &clock, &mut done);
    assert_eq!(client.phase_of(9), Some(Phase::Connect));
    clock.advance(Duration::from_millis(1));
    poll_with(&mut client, &clock, &mut done);
    assert_eq!(done[0].id, 9);
    assert_eq!(answer(done.remove(0)).status, 200);
}

fn poll_with(client: &mut Client, clock: &ManualClock, done: &mut Vec<Done>) {
    for _ in 0..1000 {
        client
            .poll(Some(Duration::from_millis(10)), clock, done)
            .unwrap();
        if !done.is_empty() {
            return;
        }
    }
    panic!("nothing is done");
}

#[test]
fn a_wake_ends_a_poll_that_has_no_end_of_its_own() {
    let mut client = client();
    let waker = client.waker();
    let mut done = Vec::new();
    // Before the poll: it does not sleep.
    waker.wake();
    client.poll(None, &SystemClock, &mut done).unwrap();
    // From another thread, at any time: as often as it is asked for, the poll comes back.
    let (ask, asked) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        while asked.recv().is_ok() {
            waker.wake();
        }
    });
    for _ in 0..1000 {
        ask.send(()).unwrap();
        client.poll(None, &SystemClock, &mut done).unwrap();
    }
    drop(ask);
    thread.join().unwrap();
}
