//! Deadlines, on a clock that only the test moves; and waking.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::support::*;
use crate::http::{BodyEnd, Client, Config, Done, ErrorKind, Phase, Request};
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
fn a_receiver_that_does_not_read_is_cut_off_while_sending() {
    let (stop, stopped) = mpsc::channel::<()>();
    let stopped = Mutex::new(stopped);
    let receiver = Receiver::start(move |_, mut stream| {
        let _ = stream.read(&mut [0]);
        let _ = stopped.lock().unwrap().recv();
    });
    let clock = ManualClock::new(0);
    let mut client = client();
    let mut done = Vec::new();
    let deadline = clock.now().mono.after(Duration::from_secs(10));
    let huge = Request {
        deadline,
        ..post(&receiver.url(), vec![b'x'; 32 * 1024 * 1024])
    };
    client.start(1, huge, clock.now().mono);
    turns(&mut client, &clock, &mut done);
    clock.advance(Duration::from_secs(10));
    turns(&mut client, &clock, &mut done);
    drop(stop);
    let error = error(done.pop().expect("the deadline has passed"));
    assert_eq!((error.phase, error.kind), (Phase::Send, ErrorKind::Timeout));
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

/// The handshake belongs to the connect budget.
#[test]
fn a_receiver_that_never_shakes_hands_is_cut_off_at_the_connect_timeout() {
    let receiver = Receiver::start(|_, stream| drain(stream));
    let clock = ManualClock::new(0);
    let ca = super::tls::Ca::new();
    let ca_file = Some(ca.file().to_owned());
    let connect_timeout = Duration::from_secs(3);
    let mut client = Client::new(Config {
        ca_file,
        connect_timeout,
        ..config()
    })
    .unwrap();
    let mut done = Vec::new();
    let url = receiver.url().replace("http:", "https:");
    client.start(1, request(&url, &clock, 60), clock.now().mono);
    turns(&mut client, &clock, &mut done);
    clock.advance(Duration::from_secs(3));
    turns(&mut client, &clock, &mut done);
    let error = error(done.pop().expect("the connect timeout has passed"));
    assert_eq!((error.phase, error.kind), (Phase::Tls, ErrorKind::Timeout));
    assert_eq!(error.node_code, "ETIMEDOUT");
}

/// Row 22: an address that swallows packets gets its share of the budget, not all of it.
#[test]
fn an_address_that_does_not_answer_gives_way_to_the_next_one() {
    let receiver = Receiver::answering(OK);
    // A listener whose queue is full drops what comes: connections to it hang.
    let full = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let addr = full.local_addr().unwrap();
    let clock = ManualClock::new(0);
    let mut client = client();
    let mut done = Vec::new();
    let target = request(&format!("http://{addr}/"), &clock, 60);
    for id in 0..4 {
        client.start(id, target.clone(), clock.now().mono);
    }
    turns(&mut client, &clock, &mut done);

    let hanging = request(&receiver.url(), &clock, 60);
    client.start_at(9, hanging, vec![addr, receiver.addr], clock.now().mono);
    turns(&mut client, &clock, &mut done);
    assert!(done.is_empty());
    clock.advance(Duration::from_millis(1500));
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
