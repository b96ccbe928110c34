//! The configuration as the parts want it.

use super::OpenError;
use crate::config::{Config, Keep};
use crate::deliver::{Pace, Retry, Settings};
use crate::http::{self, NoProxyError, ProxyError};
use std::time::Duration;

pub(super) fn deliver(config: &Config) -> Settings {
    Settings {
        pace: Pace {
            max_events: config.batch_max_events(),
            max_bytes: config.batch_max_bytes(),
            linger: config.batch_linger(),
            in_flight: config.batch_in_flight(),
            requests_per_s: config.rate_requests_per_s(),
            events_per_s: config.rate_events_per_s(),
            backlog_events: config.backlog_max_events(),
            backlog_bytes: config.backlog_max_bytes(),
            ..Pace::default()
        },
        retry: Retry {
            schedule: config.retry_schedule(),
            jitter: config.retry_jitter(),
            give_up_after: config.retry_give_up_after(),
            retry_after_max: config.retry_after_max(),
        },
        dead_keep: config.dead_keep(),
        history_keep: config.history_keep(),
        attempt_timeout: config.http_timeout(),
        attempts: config.http_max_connections() as usize,
        rendered_bytes: config.filter_rendered_bytes(),
        ..Settings::default()
    }
}

/// How long events stay in the log for search.
pub(super) fn search(config: &Config) -> Duration {
    match config.log_keep() {
        Keep::All => config.log_keep_for(),
        Keep::Wanted => Duration::ZERO,
    }
}

/// The HTTP client's part. Fails where `http.proxy` or `http.no_proxy` can't be read.
pub(super) fn http(config: &Config) -> Result<http::Config, OpenError> {
    let wrong = |key: &str, why: String| OpenError::Http(format!("{key}: {why}"));
    let (proxy, no_proxy) = (config.http_proxy(), config.http_no_proxy());
    let proxy = (!proxy.is_empty()).then(|| {
        proxy
            .parse()
            .map_err(|e: ProxyError| wrong("http.proxy", e.to_string()))
    });
    let no_proxy = no_proxy
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty());
    let no_proxy = no_proxy.map(|item| {
        item.parse()
            .map_err(|e: NoProxyError| wrong("http.no_proxy", e.to_string()))
    });
    let file = |path: &str| (!path.is_empty()).then(|| path.into());
    let mut out = http::Config {
        timeouts: http::Timeouts {
            resolve: config.http_resolve_timeout(),
            connect: config.http_connect_timeout(),
            tls: config.http_tls_timeout(),
            send: config.http_send_timeout(),
            first_byte: config.http_first_byte_timeout(),
        },
        idle_age: config.http_idle(),
        max_requests: config.http_max_requests(),
        max_per_target: config.http_max_per_target() as usize,
        max_connections: config.http_max_connections() as usize,
        policy: http::Policy {
            allow: config.http_allow_target().to_vec(),
        },
        proxy: proxy.transpose()?,
        no_proxy: no_proxy.collect::<Result<_, _>>()?,
        ca_file: file(config.http_ca_file()),
        certificate_file: file(config.http_certificate_file()),
        key_file: file(config.http_key_file()),
        ..http::Config::default()
    };
    if !config.http_user_agent().is_empty() {
        out.user_agent = config.http_user_agent().to_owned();
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the table calls a default is what the client does without a table.
    #[test]
    fn the_http_clients_defaults_are_those_of_the_configuration() {
        let (ours, theirs) = (http(&Config::default()).unwrap(), http::Config::default());
        assert_eq!(ours.timeouts, theirs.timeouts);
        assert_eq!(ours.idle_age, theirs.idle_age);
        assert_eq!(ours.max_requests, theirs.max_requests);
        assert_eq!(ours.max_per_target, theirs.max_per_target);
        assert_eq!(ours.max_connections, theirs.max_connections);
        assert_eq!(ours.user_agent, theirs.user_agent);
        assert_eq!((ours.policy, ours.proxy), (theirs.policy, theirs.proxy));
        assert_eq!(ours.no_proxy, theirs.no_proxy);
        assert_eq!(ours.ca_file, theirs.ca_file);
        assert_eq!(ours.certificate_file, theirs.certificate_file);
        assert_eq!(ours.key_file, theirs.key_file);
    }

    #[test]
    fn a_proxy_that_cannot_be_read_is_refused_by_its_key_and_without_its_password() {
        for (key, value) in [
            ("http.proxy", "https://user:secret@proxy"),
            ("http.no_proxy", "fine.example, not fine"),
        ] {
            let mut config = Config::default();
            config.set(key, value).unwrap();
            let error = http(&config).unwrap_err().to_string();
            assert!(error.contains(key) && !error.contains("secret"), "{error}");
        }
        let mut config = Config::default();
        config
            .set("http.proxy", "http://user:secret@proxy:3128")
            .unwrap();
        config
            .set("http.no_proxy", "a.example, 10.0.0.0/8,")
            .unwrap();
        let read = http(&config).unwrap();
        assert_eq!(read.proxy.unwrap().authority(), "proxy:3128");
        assert_eq!(read.no_proxy.len(), 2);
    }
}
