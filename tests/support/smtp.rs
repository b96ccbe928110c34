//! SMTP (RFC 5321) as far as tests need it: a sink that answers by the recipient's name, and a
//! client.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// No answer takes longer than this, or the test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A mail server that takes or refuses mail by the recipient's local part, until dropped.
///
/// | starts with | answer |
/// |---|---|
/// | `bounce` | 550 to RCPT |
/// | `defer` | 451 to RCPT |
/// | `databounce` | 554 to the message |
/// | `datadefer` | 452 to the message |
/// | anything else | accepted |
pub struct Sink {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Vec<String>>>>,
    stop: Arc<AtomicBool>,
}

impl Sink {
    /// On a free port of 127.0.0.1.
    pub fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let taken = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (into, stopped) = (taken.clone(), stop.clone());
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let into = into.clone();
                thread::spawn(move || {
                    Session {
                        into,
                        recipients: Vec::new(),
                    }
                    .serve(&stream)
                });
            }
        });
        Sink {
            address,
            taken,
            stop,
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The recipients of each message taken so far.
    pub fn taken(&self) -> Vec<Vec<String>> {
        self.taken.lock().expect("not poisoned").clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

struct Session {
    into: Arc<Mutex<Vec<Vec<String>>>>,
    recipients: Vec<String>,
}

impl Session {
    fn serve(&mut self, stream: &TcpStream) {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let say = |reply: &str| write!(&*stream, "{reply}\r\n").is_ok();
        say("220 sink.test ESMTP");
        while let Some(line) = lines.next() {
            let verb = line
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            let going = match verb.as_str() {
                "EHLO" => say("250-sink.test\r\n250 8BITMIME"),
                "HELO" | "NOOP" => say("250 sink.test"),
                "MAIL" | "RSET" => {
                    self.recipients.clear();
                    say("250 2.1.0 OK")
                }
                "RCPT" => say(&self.recipient(&line)),
                "DATA" if self.recipients.is_empty() => say("503 5.5.1 no recipients"),
                "DATA" => {
                    say("354 go on");
                    for line in lines.by_ref() {
                        if line == "." {
                            break;
                        }
                    }
                    say(self.message())
                }
                "QUIT" => {
                    say("221 2.0.0 bye");
                    false
                }
                _ => say("500 5.5.2 what?"),
            };
            if !going {
                return;
            }
        }
    }

    fn recipient(&mut self, line: &str) -> String {
        let address = line
            .split_once('<')
            .and_then(|(_, rest)| rest.split_once('>'))
            .map_or("", |(a, _)| a);
        if address.starts_with("bounce") {
            format!("550 5.1.1 <{address}>: no such user at 192.0.2.7")
        } else if address.starts_with("defer") {
            format!("451 4.3.0 <{address}>: try again later")
        } else {
            self.recipients.push(address.to_owned());
            "250 2.1.5 OK".to_owned()
        }
    }

    fn message(&mut self) -> &'static str {
        let recipients = std::mem::take(&mut self.recipients);
        let any = |start: &str| recipients.iter().any(|r| r.starts_with(start));
        if any("databounce") {
            "554 5.7.1 content refused"
        } else if any("datadefer") {
            "452 4.3.1 disk full"
        } else {
            self.into.lock().expect("not poisoned").push(recipients);
            "250 2.0.0 OK queued as SINK1"
        }
    }
}

/// A connection to a mail server.
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and says hello.
    pub fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the mail server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut client = Client {
            stream: BufReader::new(stream),
        };
        let banner = client.reply();
        assert!(banner.starts_with("220"), "{banner}");
        let hello = client.say("EHLO client.test");
        assert!(hello.starts_with("250"), "{hello}");
        client
    }

    /// Sends a line and gives the last line of the reply.
    pub fn say(&mut self, line: &str) -> String {
        write!(self.stream.get_mut(), "{line}\r\n").expect("sent");
        self.reply()
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            let bytes = self.stream.read_line(&mut line).expect("a reply");
            assert_ne!(bytes, 0, "the mail server closed the connection");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Sends a message, whose header lines and body are `text`. Gives the replies to each RCPT, and
    /// the last one.
    pub fn send(&mut self, from: &str, to: &[&str], text: &str) -> (Vec<String>, String) {
        let reply = self.say(&format!("MAIL FROM:<{from}>"));
        assert!(reply.starts_with("250"), "{reply}");
        let replies: Vec<_> = to
            .iter()
            .map(|to| self.say(&format!("RCPT TO:<{to}>")))
            .collect();
        if !replies.iter().any(|reply| reply.starts_with("250")) {
            let reply = self.say("RSET");
            return (replies, reply);
        }
        let reply = self.say("DATA");
        assert!(reply.starts_with("354"), "{reply}");
        let end = self.say(&format!("{}\r\n.", text.trim_end().replace('\n', "\r\n")));
        (replies, end)
    }
}
