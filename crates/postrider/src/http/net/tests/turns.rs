//! What one turn of the loop may do, so that others come between.

use std::io::{BufReader, Write};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use super::support::*;
use crate::http::net::carry::EXPIRED_PER_TURN;
use crate::http::net::client::LATER_PER_TURN;
use crate::http::{Client, Config, Phase, Request};
use crate::time::{Clock, ManualClock, SystemClock};

/// As many connections to one receiver as it takes.
fn many() -> Client {
    Client::new(Config {
        max_per_target: 1000,
        ..config()
    })
    .unwrap()
}

/// Reads requests and answers each when it is told to; says when it has.
fn answering_when_told() -> (Receiver, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (tell, told) = mpsc::channel::<()>();
    let (said, answered) = mpsc::channel();
    let both = Mutex::new((told, said));
    let receiver = Receiver::start(move |_, stream| {
        let mut stream = BufReader::new(stream);
        while read_request(&mut stream).is_some() {
            let both = both.lock().unwrap();
            if both.0.recv().is_err() {
                return;
            }
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
            both.1.send(()).unwrap();
        }
    });
    (receiver, tell, answered)
}

fn wait_for_answer(client: &mut Client, ids: std::ops::Range<u64>) {
    poll_until(client, &mut Vec::new(), |client, done| {
        assert!(done.is_empty());
        let mut phases = ids.clone().map(|id| client.phase_of(id));
        phases.all(|phase| phase == Some(Phase::FirstByte))
    });
}

/// Hundreds of receivers that nothing good is known of may answer in one moment.
#[test]
fn the_unproven_are_looked_at_a_few_a_turn_and_behind_the_others() {
    const UNPROVEN: u64 = 4 * LATER_PER_TURN as u64;
    let (receiver, tell, answered) = answering_when_told();
    let mut client = many();
    for id in 0..=UNPROVEN {
        let request = Request {
            unproven: id < UNPROVEN,
            ..post(&receiver.url(), body("x"))
        };
        client.start(id, request, now());
    }
    wait_for_answer(&mut client, 0..UNPROVEN + 1);
    for _ in 0..=UNPROVEN {
        tell.send(()).unwrap();
    }
    for _ in 0..=UNPROVEN {
        answered.recv().unwrap();
    }
    while client.with_input() as u64 <= UNPROVEN {
        std::thread::yield_now();
    }
    let (mut all, mut turns) = (Vec::new(), 0);
    while all.len() as u64 <= UNPROVEN {
        let mut done = Vec::new();
        client.poll(None, &SystemClock, &mut done).unwrap();
        let unproven = done.iter().filter(|done| done.id < UNPROVEN).count();
        assert!(unproven <= LATER_PER_TURN, "{unproven} in one turn");
        turns += 1;
        all.append(&mut done);
    }
    assert!(turns >= 4, "{turns}");
    let proven = all.iter().position(|done| done.id == UNPROVEN);
    assert_eq!(proven, Some(0), "it comes before all others");
}

/// Hundreds of attempts that began together and hang end together.
#[test]
fn what_is_due_together_ends_a_few_a_turn() {
    const ALL: u64 = 3 * EXPIRED_PER_TURN as u64;
    let (receiver, tell, _answered) = answering_when_told();
    let clock = ManualClock::new(0);
    // Half of them wait for a connection.
    let mut client = Client::new(Config {
        max_per_target: ALL as usize / 2,
        ..config()
    })
    .unwrap();
    for id in 0..ALL {
        let request = Request {
            deadline: clock.now().mono.after(Duration::from_secs(5)),
            ..post(&receiver.url(), body("x"))
        };
        client.start(id, request, clock.now().mono);
    }
    clock.advance(Duration::from_secs(5));
    let (mut ended, mut turns) = (0, 0);
    while client.in_flight() > 0 {
        let mut done = Vec::new();
        // Who has not ended is due: the turn does not wait.
        client.poll(None, &clock, &mut done).unwrap();
        assert!(done.len() <= 2 * EXPIRED_PER_TURN, "{}", done.len());
        assert!(done.iter().all(|done| done.result.is_err()));
        ended += done.len() as u64;
        turns += 1;
    }
    assert_eq!(ended, ALL);
    assert!(turns >= 2, "{turns}");
    drop((client, tell));
}
