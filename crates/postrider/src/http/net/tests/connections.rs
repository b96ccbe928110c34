//! Keeping, reusing, limiting and closing connections; what goes over them.

use std::io::{BufReader, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::support::*;
use crate::http::{
    Body, BodyEnd, Client, Config, ErrorKind, HeaderLines, NoReuse, Phase, Request, Reuse, Setup,
    Slice,
};
use crate::time::{Clock, ManualClock, SystemClock};

#[test]
fn a_request_arrives_as_it_was_given() {
    let (sender, seen) = mpsc::channel();
    let receiver = Receiver::start(move |_, stream| {
        let mut stream = BufReader::new(stream);
        sender.send(read_request(&mut stream).unwrap()).unwrap();
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
        // Open until the client closes: an end that comes with the answer would be seen.
        let _ = stream.read(&mut [0; 1]);
    });
    let mut request = post(&receiver.url(), body("[1,2]"));
    let mut headers = HeaderLines::new();
    headers.push("X-MessageSystems-Batch-ID", "b").unwrap();
    request.headers = headers;
    let response = answer(exchange(&mut client(), request));
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, b"ok".as_slice())
    );
    assert_eq!(
        (response.end, response.reuse),
        (BodyEnd::Complete, Reuse::Yes)
    );
    let (head, body) = seen.recv().unwrap();
    assert_eq!(
        head,
        format!(
            "POST /hook HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nContent-Length: 5\r\n\
             X-MessageSystems-Batch-ID: b\r\n\r\n",
            receiver.addr,
            Config::default().user_agent,
        )
    );
    assert_eq!(body, b"[1,2]");
}

#[test]
fn a_kept_connection_carries_the_next_request() {
    let receiver = Receiver::answering(OK);
    let mut client = client();
    for round in 0..10 {
        let done = exchange(&mut client, post(&receiver.url(), body("x")));
        assert_eq!(done.reused, round > 0);
        assert_eq!(answer(done).status, 200);
    }
    assert_eq!((client.counters().opened, client.counters().reused), (1, 9));
}

#[test]
fn a_connection_that_says_close_is_not_kept() {
    let receiver =
        Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let mut client = client();
    for _ in 0..2 {
        let response = answer(exchange(&mut client, post(&receiver.url(), body("x"))));
        assert_eq!(response.reuse, Reuse::No(NoReuse::ServerAsked));
    }
    let counters = client.counters();
    assert_eq!((counters.opened, counters.reused), (2, 0));
    assert_eq!(counters.not_reused[NoReuse::ServerAsked.index()], 2);
}

#[test]
fn no_connection_outlives_the_settings_that_it_was_made_with() {
    let receiver = Receiver::answering(OK);
    let mut client = client();
    let request = || post(&receiver.url(), body("x"));
    answer(exchange(&mut client, request()));
    let refused = Setup::new(Config {
        ca_file: Some("/nowhere.pem".into()),
        ..config()
    });
    assert!(refused.err().unwrap().to_string().contains("/nowhere.pem"));

    // One idle, one under way: neither carries another request.
    let now = SystemClock.now().mono;
    client.start(1, request(), now);
    let user_agent = "another".to_owned();
    let other = Config {
        user_agent,
        ..config()
    };
    client.reconfigure(Setup::new(other).unwrap(), now);
    let mut done = Vec::new();
    while done.is_empty() {
        client.poll(None, &SystemClock, &mut done).unwrap();
    }
    assert_eq!(
        answer(done.remove(0)).reuse,
        Reuse::No(NoReuse::Settings),
        "it ends as it began"
    );
    assert!(!exchange(&mut client, request()).reused);
    assert!(exchange(&mut client, request()).reused);

    // What is not allowed any more is not reached by a connection from before.
    let none = Config::default();
    client.reconfigure(Setup::new(none).unwrap(), SystemClock.now().mono);
    let error = error(exchange(&mut client, request()));
    assert_eq!(error.kind, ErrorKind::Policy);
}

/// Row 26: servers close idle connections after a time of their own.
#[test]
fn a_connection_closed_while_idle_is_dropped() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        read_request(&mut stream).unwrap();
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
    });
    let mut client = client();
    for _ in 0..2 {
        let done = exchange(&mut client, post(&receiver.url(), body("x")));
        assert!(!done.reused);
        assert_eq!(answer(done).status, 200);
        poll_until(&mut client, &mut Vec::new(), |client, _| {
            client.connections() == 0
        });
    }
    assert_eq!(client.counters().retried, 0);
}

/// Row 15.
#[test]
fn a_connection_with_unsolicited_bytes_is_never_reused() {
    let receiver = Receiver::start(|_, stream| {
        let mut stream = BufReader::new(stream);
        while read_request(&mut stream).is_some() {
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
            // Answers a request that nobody has made yet.
            let _ = stream
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad");
        }
    });
    let mut client = client();
    for _ in 0..3 {
        let done = exchange(&mut client, post(&receiver.url(), body("x")));
        assert!(!done.reused);
        assert_eq!(answer(done).body, b"ok");
        poll_until(&mut client, &mut Vec::new(), |client, _| {
            client.connections() == 0
        });
    }
}

#[test]
fn an_idle_connection_is_closed_at_its_age() {
    let receiver = Receiver::answering(OK);
    let idle_age = Duration::from_millis(20);
    let mut client = Client::new(Config {
        idle_age,
        ..config()
    })
    .unwrap();
    answer(exchange(&mut client, post(&receiver.url(), body("x"))));
    assert_eq!(client.connections(), 1);
    // The loop wakes by itself: no timeout of ours, and nothing else happens.
    while client.connections() > 0 {
        client.poll(None, &SystemClock, &mut Vec::new()).unwrap();
    }
}

#[test]
fn close_idle_ends_idle_connections_only() {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let receiver = Receiver::start(move |number, stream| {
        let mut stream = BufReader::new(stream);
        while read_request(&mut stream).is_some() {
            if number == 0 {
                held.lock().unwrap().recv().unwrap();
            }
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        }
    });
    let mut client = client();
    client.start(1, post(&receiver.url(), body("held")), now());
    poll_until(&mut client, &mut Vec::new(), |client, _| {
        client.connections() == 1
    });
    client.start(2, post(&receiver.url(), body("quick")), now());
    assert_eq!(finish(&mut client, 1)[0].id, 2);
    assert_eq!(client.connections(), 2);
    client.close_idle();
    assert_eq!((client.connections(), client.in_flight()), (1, 1));
    release.send(()).unwrap();
    assert_eq!(finish(&mut client, 1)[0].id, 1);
}

/// Row 21: partial writes, more slices than one call takes.
#[test]
fn a_large_body_of_many_slices_arrives_whole() {
    let received = Arc::new(Mutex::new(Vec::new()));
    let copy = Arc::clone(&received);
    let receiver = Receiver::start(move |_, stream| {
        let mut stream = BufReader::new(stream);
        while let Some((_, body)) = read_request(&mut stream) {
            *copy.lock().unwrap() = body;
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        }
    });
    let memory: Arc<Vec<u8>> = Arc::new(
        (0..9_000_000u32)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect(),
    );
    let mut body = Body::new();
    body.push("[");
    for piece in 0..3000 {
        body.push(Slice::shared(
            memory.clone(),
            piece * 3000..(piece + 1) * 3000,
        ));
    }
    body.push("]");
    assert_eq!(body.len(), 9_000_002);
    let mut client = client();
    for _ in 0..2 {
        answer(exchange(&mut client, post(&receiver.url(), body.clone())));
        let received = std::mem::take(&mut *received.lock().unwrap());
        assert_eq!((received[0], received[9_000_001]), (b'[', b']'));
        assert!(
            received[1..9_000_001] == memory[..],
            "the body changed on its way"
        );
    }
}

#[test]
fn requests_beyond_the_limit_of_a_target_wait_for_their_turn() {
    let receiver = Receiver::answering(OK);
    let mut client = Client::new(Config {
        max_per_target: 2,
        ..config()
    })
    .unwrap();
    for id in 0..20 {
        client.start(id, post(&receiver.url(), body("x")), now());
    }
    assert_eq!((client.in_flight(), client.connections()), (20, 2));
    let mut ids: Vec<u64> = finish(&mut client, 20)
        .into_iter()
        .map(|done| done.id)
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<u64>>());
    assert_eq!((client.in_flight(), client.counters().opened), (0, 2));
}

/// Nor do those that come behind them wait longer for it.
#[test]
fn requests_that_wait_for_a_full_target_hold_up_no_other() {
    let silent = Receiver::start(|_, stream| drain(stream));
    let receiver = Receiver::answering(OK);
    let mut client = Client::new(Config {
        max_per_target: 1,
        ..config()
    })
    .unwrap();
    for id in 0..10 {
        let to = if id % 2 == 0 { &silent } else { &receiver };
        client.start(id, post(&to.url(), body("x")), now());
    }
    let mut ids: Vec<u64> = finish(&mut client, 5).iter().map(|d| d.id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [1, 3, 5, 7, 9]);
    assert_eq!(client.in_flight(), 5);
}

#[test]
fn no_more_of_an_answer_is_kept_than_is_wanted() {
    let receiver = Receiver::answering("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnine bits");
    for (answer_kept, kept) in [(0, ""), (4, "nine"), (usize::MAX, "nine bits")] {
        let request = Request {
            answer_kept,
            ..post(&receiver.url(), body("x"))
        };
        let response = answer(exchange(&mut client(), request));
        assert_eq!(response.body, kept.as_bytes());
        assert_eq!(
            (response.end, response.reuse),
            (BodyEnd::Complete, Reuse::Yes)
        );
    }
}

/// Receivers that take batches and never answer would hold their memory until the deadline. Over a kept connection it
/// may have to be sent again.
#[test]
fn a_body_is_let_go_of_once_it_was_sent_over_a_fresh_connection() {
    let (answer_now, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let receiver = Receiver::start(move |_, stream| {
        let mut stream = BufReader::new(stream);
        while read_request(&mut stream).is_some() {
            told.lock().unwrap().recv().unwrap();
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        }
    });
    let mut client = client();
    let memory: Arc<Vec<u8>> = Arc::new(vec![b'x'; 1000]);
    for (id, held) in [(1, 1), (2, 2)] {
        let slice = Slice::shared(memory.clone(), 0..memory.len());
        client.start(id, post(&receiver.url(), slice), now());
        let mut done = Vec::new();
        poll_until(&mut client, &mut done, |client, _| {
            client.phase_of(id) == Some(Phase::FirstByte)
        });
        assert_eq!(Arc::strong_count(&memory), held);
        answer_now.send(()).unwrap();
        let done = finish(&mut client, 1).pop().unwrap();
        assert_eq!(done.reused, id == 2);
        assert_eq!(answer(done).status, 200);
    }
}

#[test]
fn at_the_limit_of_all_connections_the_longest_idle_one_gives_way() {
    let receivers: Vec<Receiver> = (0..3).map(|_| Receiver::answering(OK)).collect();
    let mut client = Client::new(Config {
        max_connections: 2,
        ..config()
    })
    .unwrap();
    for receiver in &receivers {
        answer(exchange(&mut client, post(&receiver.url(), body("x"))));
    }
    assert_eq!(client.connections(), 2);
    // The first one's connection is gone, the second's is not.
    assert!(exchange(&mut client, post(&receivers[1].url(), body("x"))).reused);
    assert!(!exchange(&mut client, post(&receivers[0].url(), body("x"))).reused);
}

#[test]
fn a_cancelled_exchange_never_comes_back() {
    let receiver = Receiver::start(|_, stream| drain(stream));
    let mut client = Client::new(Config {
        max_per_target: 1,
        ..config()
    })
    .unwrap();
    client.start(1, post(&receiver.url(), body("x")), now());
    client.start(2, post(&receiver.url(), body("waits")), now());
    assert!(client.cancel(2) && !client.cancel(2));
    assert_eq!((client.in_flight(), client.connections()), (1, 1));
    assert!(client.cancel(1) && !client.cancel(1));
    assert_eq!((client.in_flight(), client.connections()), (0, 0));
    let mut done = Vec::new();
    client
        .poll(Some(Duration::ZERO), &SystemClock, &mut done)
        .unwrap();
    assert!(done.is_empty());
}

/// Row 22.
#[test]
fn a_dead_address_gives_way_to_the_next_one() {
    let receiver = Receiver::answering(OK);
    let port = receiver.addr.port();
    let url = format!("http://hooks.test:{port}/");
    let mut client = client_where_names_are(&["127.0.0.2", "::1", "127.0.0.1"]);
    let done = exchange(&mut client, post(&url, body("x")));
    assert_eq!(answer(done).status, 200);

    let mut client = client_where_names_are(&["127.0.0.2", "127.0.0.3"]);
    let error = error(exchange(&mut client, post(&url, body("x"))));
    assert_eq!(error.node_code, "ECONNREFUSED");
    assert!(
        error.message.contains(&format!("127.0.0.3:{port}")),
        "{error}"
    );
}

#[test]
fn a_receiver_on_ipv6_is_reached_by_address_and_by_name() {
    let receiver = Receiver::start_on("[::1]:0", |_, stream| {
        let mut stream = BufReader::new(stream);
        while read_request(&mut stream).is_some() {
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        }
    });
    let port = receiver.addr.port();
    assert_eq!(receiver.url(), format!("http://[::1]:{port}/hook"));
    let mut client = client_where_names_are(&["127.0.0.1", "::1"]);
    for url in [receiver.url(), format!("http://hooks.test:{port}/")] {
        let done = exchange(&mut client, post(&url, body("x")));
        assert_eq!(answer(done).status, 200);
    }
}

#[test]
fn a_name_is_looked_up() {
    let receiver = Receiver::answering(OK);
    let url = format!("http://localhost:{}/", receiver.addr.port());
    let mut client = client();
    assert_eq!(
        answer(exchange(&mut client, post(&url, body("x")))).status,
        200
    );
    assert!(exchange(&mut client, post(&url, body("x"))).reused);
}

/// What a name means is remembered; once nobody answers there any more, it is asked again.
#[test]
fn a_name_is_looked_up_again_when_none_of_its_addresses_answers() {
    let receiver = Receiver::answering(OK);
    let url = format!("http://hooks.test:{}/", receiver.addr.port());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // It moves after the first look-up.
    let look_up = move |_: &str| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Ok(vec!["127.0.0.2".parse().unwrap()]),
        _ => Ok(vec!["127.0.0.1".parse().unwrap()]),
    };
    let mut client = Client::with_look_up(config(), Arc::new(look_up)).unwrap();
    assert_eq!(
        error(exchange(&mut client, post(&url, body("x")))).node_code,
        "ECONNREFUSED"
    );
    for _ in 0..3 {
        let done = exchange(&mut client, post(&url, body("x")));
        assert_eq!(answer(done).status, 200);
        client.close_idle();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn a_name_without_an_address_is_an_error_of_resolving() {
    let mut client = client_where_names_are(&[]);
    let error = error(exchange(&mut client, post("http://hooks.test/", body("x"))));
    assert_eq!(
        (error.phase, error.kind),
        (Phase::Resolve, ErrorKind::Resolve)
    );
    assert_eq!(error.node_code, "ENOTFOUND");
}

#[test]
fn a_connection_carries_so_many_requests_and_no_more() {
    let receiver = Receiver::answering(OK);
    let max_requests = 3;
    let mut client = Client::new(Config {
        max_requests,
        ..config()
    })
    .unwrap();
    let reused: Vec<bool> = (0..7)
        .map(|_| exchange(&mut client, post(&receiver.url(), body("x"))).reused)
        .collect();
    assert_eq!(reused, [false, true, true, false, true, true, false]);
    let not_reused = client.counters().not_reused;
    assert_eq!(not_reused[NoReuse::RequestLimit.index()], 2);
}

/// Row 26: a receiver that says how long it keeps idle connections is believed.
#[test]
fn a_connection_is_kept_for_less_than_the_receiver_says() {
    let receiver = Receiver::answering(
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=2, max=100\r\n\r\n",
    );
    let clock = ManualClock::new(0);
    let mut client = client();
    for (wait_ms, reused) in [(0, false), (1499, true), (1500, false)] {
        clock.advance(Duration::from_millis(wait_ms));
        let mut done = Vec::new();
        // Whatever is due comes before the next request.
        client
            .poll(Some(Duration::ZERO), &clock, &mut done)
            .unwrap();
        let deadline = clock.now().mono.after(Duration::from_secs(10));
        let request = Request {
            deadline,
            ..post(&receiver.url(), body("x"))
        };
        client.start(1, request, clock.now().mono);
        while done.is_empty() {
            client
                .poll(Some(Duration::from_millis(10)), &clock, &mut done)
                .unwrap();
        }
        assert_eq!(done[0].reused, reused, "after {wait_ms} ms");
    }
    let not_reused = client.counters().not_reused;
    assert_eq!(not_reused[NoReuse::IdleAge.index()], 1);
}

/// Row 26: where it does not say, a lost request teaches.
#[test]
fn a_request_lost_on_an_idle_connection_shortens_how_long_they_are_kept() {
    let receiver = Receiver::start(|number, stream| {
        let mut stream = BufReader::new(stream);
        read_request(&mut stream).unwrap();
        stream.get_mut().write_all(OK.as_bytes()).unwrap();
        while read_head(&mut stream).is_some() && number > 0 {
            stream.get_mut().write_all(OK.as_bytes()).unwrap();
        }
    });
    let clock = ManualClock::new(0);
    let mut client = client();
    let send = |client: &mut Client| {
        let request = Request {
            deadline: clock.now().mono.after(Duration::from_secs(10)),
            ..post(&receiver.url(), Body::new())
        };
        let mut done = Vec::new();
        client.start(1, request, clock.now().mono);
        while done.is_empty() {
            client
                .poll(Some(Duration::from_millis(10)), &clock, &mut done)
                .unwrap();
        }
        assert_eq!(done[0].result.as_ref().unwrap().status, 200);
    };
    send(&mut client);
    // Kept for two seconds, and closed as the next request arrives.
    clock.advance(Duration::from_secs(2));
    send(&mut client);
    assert_eq!(client.counters().retried, 1);
    assert_eq!(client.connections(), 1);
    clock.advance(Duration::from_millis(1499));
    client
        .poll(Some(Duration::ZERO), &clock, &mut Vec::new())
        .unwrap();
    assert_eq!(client.connections(), 1);
    clock.advance(Duration::from_millis(1));
    client
        .poll(Some(Duration::ZERO), &clock, &mut Vec::new())
        .unwrap();
    assert_eq!(client.connections(), 0);
}
