//! What the host's process must not notice: signals, its descriptors, its children.
//!
//! Each case changes the whole process, so it runs in one of its own: an ignored test that its
//! neighbour starts by name.

use std::io::{BufReader, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Output};

use super::support::*;
use crate::http::Slice;

/// Where the other process finds the receiver of its test.
const RECEIVER: &str = "POSTRIDER_TEST_RECEIVER";

/// Runs an ignored test of this module in a process of its own.
fn alone(test: &str, receiver: Option<SocketAddr>) -> Output {
    let path = module_path!().split_once("::").unwrap().1;
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1"])
        .arg(format!("{path}::{test}"))
        .env(
            RECEIVER,
            receiver.map_or(String::new(), |addr| addr.to_string()),
        )
        .output()
        .unwrap()
}

/// Asserts that an ignored test passes in a process of its own.
#[track_caller]
fn passes_alone(test: &str, receiver: Option<SocketAddr>) {
    let output = alone(test, receiver);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}: {text}",
        output.status
    );
}

/// Whether this process was made for one test, which may then change it.
fn is_alone() -> bool {
    std::env::var_os(RECEIVER).is_some()
}

#[test]
fn a_reset_connection_raises_no_sigpipe() {
    passes_alone("reset_under_default_sigpipe", None);
}

#[test]
#[ignore = "changes its process; run by a_reset_connection_raises_no_sigpipe"]
fn reset_under_default_sigpipe() {
    if !is_alone() {
        return;
    }
    // SAFETY: no handler is installed, and this process has no other test running.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    write_to_reset_connections();
}

#[test]
fn a_plain_write_would_raise_sigpipe() {
    use std::os::unix::process::ExitStatusExt;
    let output = alone("plain_write_under_default_sigpipe", None);
    assert_eq!(output.status.signal(), Some(libc::SIGPIPE));
}

#[test]
#[ignore = "ends its process; run by a_plain_write_would_raise_sigpipe"]
fn plain_write_under_default_sigpipe() {
    if !is_alone() {
        return;
    }
    // SAFETY: as above.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let (reader, mut writer) = std::io::pipe().unwrap();
    drop(reader);
    let _ = writer.write(b"x");
}

/// Requests whose connection is reset before, while and after they are sent, over TCP and TLS.
fn write_to_reset_connections() {
    let receiver = Receiver::start(|number, stream| {
        let mut stream = BufReader::new(stream);
        match number % 3 {
            0 => {}
            1 => drop(read_head(&mut stream)),
            _ => drop(read_request(&mut stream)),
        }
        reset(stream.into_inner());
    });
    let ca = super::tls::Ca::new();
    let mut client = ca.client();
    for url in [receiver.url(), receiver.url().replace("http:", "https:")] {
        for _ in 0..30 {
            let huge = Slice::owned(vec![b'x'; 4 * 1024 * 1024]);
            error(exchange(&mut client, post(&url, huge)));
        }
    }
    let receiver = super::tls::resetting(&ca);
    let url = receiver.url().replace("http:", "https:");
    for _ in 0..10 {
        let huge = Slice::owned(vec![b'x'; 4 * 1024 * 1024]);
        error(exchange(&mut client, post(&url, huge)));
    }
}

#[test]
fn descriptors_are_above_stdio_and_close_on_exec() {
    let receiver = Receiver::answering(OK);
    passes_alone("exchange_with_closed_stdio", Some(receiver.addr));
}

#[test]
#[ignore = "changes its process; run by descriptors_are_above_stdio_and_close_on_exec"]
fn exchange_with_closed_stdio() {
    if !is_alone() {
        return;
    }
    // In the other process: what this one accepts would take the free numbers.
    let receiver: SocketAddr = std::env::var(RECEIVER).unwrap().parse().unwrap();
    // Kept aside, so that the outcome of the test can be told.
    let kept: Vec<OwnedFd> = (0..3)
        .map(|fd| rustix::io::fcntl_dupfd_cloexec(stdio(fd), 10).unwrap())
        .collect();
    let before = descriptors();
    for fd in 0..3 {
        // SAFETY: nothing else in this process uses stdio meanwhile; it is restored below.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
    }
    let outcome = std::panic::catch_unwind(|| {
        let mut client = client();
        let done = exchange(&mut client, post(&format!("http://{receiver}/"), body("x")));
        let named = format!("http://localhost:{}/", receiver.port());
        let by_name = exchange(&mut client, post(&named, body("x")));
        (done, by_name, descriptors())
    });
    for (fd, kept) in kept.iter().enumerate() {
        // SAFETY: `dup2` makes the number fd a copy of a descriptor that is open.
        assert!(unsafe { libc::dup2(kept.as_raw_fd(), fd as i32) } >= 0);
    }
    let (done, by_name, after) = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let taken: Vec<_> = after.iter().filter(|(fd, _)| *fd < 3).collect();
    assert!(taken.is_empty(), "{taken:?}");
    let ours = after.iter().filter(|fd| !before.contains(fd));
    let inherited: Vec<_> = ours.filter(|(_, cloexec)| !cloexec).collect();
    assert!(inherited.is_empty(), "{inherited:?}");
    assert_eq!(answer(done).status, 200);
    assert_eq!(answer(by_name).status, 200);
}

fn stdio(fd: i32) -> std::os::fd::BorrowedFd<'static> {
    // SAFETY: 0, 1 and 2 are open here.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) }
}

/// Open descriptors, and whether they are close-on-exec.
fn descriptors() -> Vec<(i32, bool)> {
    (0..200)
        .filter_map(|fd| {
            // SAFETY: F_GETFD only asks; a number that is not open is an error.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            (flags >= 0).then_some((fd, flags & libc::FD_CLOEXEC != 0))
        })
        .collect()
}

/// A child that drops what it inherited must not end the parent's connections.
#[test]
fn a_forked_child_that_drops_the_client_leaves_its_connections_alone() {
    passes_alone("drop_in_a_child", None);
}

#[test]
#[ignore = "forks; run by a_forked_child_that_drops_the_client_leaves_its_connections_alone"]
fn drop_in_a_child() {
    if !is_alone() {
        return;
    }
    let ca = super::tls::Ca::new();
    let (plain, tls) = (Receiver::answering(OK), super::tls::answering(&ca));
    let urls = [plain.url(), tls.url().replace("http:", "https:")];
    let mut client = ca.client();
    for url in &urls {
        answer(exchange(&mut client, post(url, body("x"))));
    }
    // SAFETY: the child only drops the client, which frees memory and closes descriptors; no other
    // thread of this process is in the allocator, they all wait in reads.
    match unsafe { libc::fork() } {
        0 => {
            drop(client);
            // SAFETY: ends the child at once, without the test harness's own end.
            unsafe { libc::_exit(0) }
        }
        child => {
            let mut status = 0;
            // SAFETY: waits for the child just forked.
            assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
            assert_eq!(status, 0);
        }
    }
    for url in &urls {
        let done = exchange(&mut client, post(url, body("x")));
        assert!(done.reused);
        assert_eq!(answer(done).status, 200);
    }
    assert_eq!(client.counters().retried, 0);
}
