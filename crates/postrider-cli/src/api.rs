//! The REST API as the other commands call it: through the admin socket of a data directory, where
//! the caller has all grants, or by URL and key.

use crate::cli::Reach;
use crate::error::CliError;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Creating a webhook waits for the receiver, which has 10 s by default.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How to call a running engine.
pub(crate) struct Client {
    way: Way,
    /// Print the API's JSON as it is.
    pub(crate) json: bool,
}

enum Way {
    Socket(PathBuf),
    Url {
        authority: String,
        key: String,
        tls: Option<Box<(Arc<ClientConfig>, ServerName<'static>)>>,
    },
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Client {
    pub(crate) fn of(reach: &Reach) -> Result<Client, CliError> {
        let way = match (&reach.url, &reach.key) {
            (Some(url), Some(key)) => {
                let (tls, authority) = authority(url)?;
                let tls = match tls {
                    true => Some(Box::new(tls_to(&authority, reach.ca.as_deref())?)),
                    false => None,
                };
                Way::Url {
                    authority,
                    key: key.clone(),
                    tls,
                }
            }
            _ => Way::Socket(reach.data.join(postrider_api::SOCKET_NAME)),
        };
        Ok(Client {
            way,
            json: reach.json,
        })
    }

    /// Calls and answers with the `results`; an error of the API becomes one of ours.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let answer = self.request(method, path, text.as_bytes())?;
        let value: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if (200..300).contains(&answer.status) {
            return Ok(value.get("results").cloned().unwrap_or(value));
        }
        Err(CliError::Refused(refusal(answer.status, &value)))
    }

    /// Calls and prints the body.
    pub(crate) fn print_text(&self, method: &str, path: &str) -> Result<(), CliError> {
        let answer = self.request(method, path, b"")?;
        if answer.status != 200 {
            return Err(CliError::Refused(format!(
                "the engine answered {}",
                answer.status
            )));
        }
        io::stdout()
            .write_all(&answer.body)
            .map_err(CliError::environment)
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, CliError> {
        let stream = self.connect()?;
        let (host, key) = match &self.way {
            Way::Socket(_) => ("localhost", None),
            Way::Url { authority, key, .. } => (authority.as_str(), Some(key.as_str())),
        };
        exchange(stream, method, path, host, key, body)
            .map_err(|e| CliError::Unreachable(format!("{}: no complete answer: {e}", self.name())))
    }

    fn connect(&self) -> Result<Box<dyn Stream>, CliError> {
        match &self.way {
            Way::Socket(path) => {
                let stream = UnixStream::connect(path).map_err(|e| no_engine(path, &e))?;
                let _ = stream.set_read_timeout(Some(TIMEOUT));
                Ok(Box::new(stream))
            }
            Way::Url { authority, tls, .. } => {
                let failed = |e: &dyn std::fmt::Display| {
                    CliError::Unreachable(format!("{}: {e}", self.name()))
                };
                let stream = TcpStream::connect(authority).map_err(|e| failed(&e))?;
                let _ = stream.set_read_timeout(Some(TIMEOUT));
                let Some(tls) = tls else {
                    return Ok(Box::new(stream));
                };
                let (config, name) = &**tls;
                let session = ClientConnection::new(config.clone(), name.clone());
                let session = session.map_err(|e| failed(&e))?;
                Ok(Box::new(StreamOwned::new(session, stream)))
            }
        }
    }

    fn name(&self) -> String {
        match &self.way {
            Way::Socket(path) => path.display().to_string(),
            Way::Url { authority, tls, .. } => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                format!("{scheme}://{authority}")
            }
        }
    }
}

fn no_engine(socket: &Path, e: &io::Error) -> CliError {
    let why = match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            "no engine runs there; start one with `postrider serve`, or name its directory with --data"
                .to_owned()
        }
        _ => e.to_string(),
    };
    CliError::Unreachable(format!("{}: {why}", socket.display()))
}

/// Whether a URL wants TLS, and its host and port.
fn authority(url: &str) -> Result<(bool, String), CliError> {
    let wrong = |why: &str| CliError::Usage(format!("--url {url}: {why}"));
    let (tls, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(wrong("write http://HOST:PORT or https://HOST:PORT")),
    };
    let authority = rest.trim_end_matches('/');
    if authority.is_empty() || authority.contains(['/', '@', '?']) {
        return Err(wrong("write http://HOST:PORT, without a path"));
    }
    let has_port = authority
        .rsplit(':')
        .next()
        .is_some_and(|p| p.parse::<u16>().is_ok());
    let port = if tls { 443 } else { 80 };
    Ok(if has_port {
        (tls, authority.to_owned())
    } else {
        (tls, format!("{authority}:{port}"))
    })
}

/// Whom to trust, and the name that the server's certificate must have.
fn tls_to(
    authority: &str,
    ca: Option<&Path>,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), CliError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let wrong = |e: &dyn std::fmt::Display| {
                CliError::Usage(format!("--ca {}: {e}", file.display()))
            };
            let found = CertificateDer::pem_file_iter(file).map_err(|e| wrong(&e))?;
            roots.add_parsable_certificates(found.filter_map(Result::ok));
            if roots.is_empty() {
                return Err(wrong(&"no PEM certificate in it"));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| CliError::Environment(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|e| CliError::Usage(format!("--url: {host}: {e}")))?;
    Ok((Arc::new(config), name))
}

/// One request on a connection of its own.
fn exchange(
    mut stream: Box<dyn Stream>,
    method: &str,
    path: &str,
    host: &str,
    key: Option<&str>,
    body: &[u8],
) -> io::Result<Answer> {
    let key = key.map_or(String::new(), |key| format!("Authorization: {key}\r\n"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{key}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A server that closes without saying so in TLS: the length tells whether all is there.
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {}
        read => drop(read?),
    }
    parse(&answer).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The server is ours: it sends a length, and closes as asked.
fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let body = &answer[end + 4..];
    if length.is_some_and(|length| length != body.len()) {
        return None;
    }
    Some(Answer {
        status,
        body: body.to_vec(),
    })
}

/// The API's errors in one text; with the receiver's answer where there is one.
fn refusal(status: u16, body: &Value) -> String {
    let errors = body["errors"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if errors.is_empty() {
        return format!("the engine answered {status}");
    }
    let texts = errors.iter().map(|error| {
        let message = error["message"].as_str().unwrap_or("no message");
        let answer = error["response"]["body"].as_str().filter(|b| !b.is_empty());
        match (answer, error["description"].as_str()) {
            (Some(answer), _) => format!("{message} (the receiver said: {answer})"),
            (None, Some(more)) => format!("{message}: {more}"),
            (None, None) => message.to_owned(),
        }
    });
    texts.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_short_is_none() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(parse(whole).unwrap().body, b"{}");
        assert!(parse(&whole[..whole.len() - 1]).is_none());
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }

    #[test]
    fn a_url_is_a_scheme_a_host_and_a_port() {
        let of = |url| authority(url).map_err(|e| e.to_string());
        let plain = |text: &str| Ok((false, text.to_owned()));
        assert_eq!(of("http://127.0.0.1:8025/"), plain("127.0.0.1:8025"));
        assert_eq!(of("http://mail"), plain("mail:80"));
        assert_eq!(of("https://mail"), Ok((true, "mail:443".to_owned())));
        assert!(of("mail:8025").unwrap_err().contains("write http://"));
        assert!(
            of("http://mail/api")
                .unwrap_err()
                .contains("without a path")
        );
    }
}
