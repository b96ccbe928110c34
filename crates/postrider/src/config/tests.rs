use super::*;
use std::collections::HashSet;
use std::fmt::Write;

#[test]
fn every_key_once_with_a_default_that_it_allows() {
    let names: HashSet<_> = TABLE.iter().map(|k| k.name).collect();
    assert_eq!(names.len(), TABLE.len());
    let config = Config::default();
    for key in TABLE {
        assert!(config.get(key.name).is_some(), "{}", key.name);
        assert!(key.doc.ends_with('.'), "{}: {}", key.name, key.doc);
    }
}

#[test]
fn defaults_reach_their_getters() {
    let c = Config::default();
    assert_eq!(c.queue_bytes(), 8 << 20);
    assert_eq!(c.queue_policy(), Policy::Fail);
    assert_eq!(c.queue_wait(), Duration::from_millis(100));
    assert_eq!(c.log_segment_bytes(), 64 << 20);
    assert_eq!(c.log_max_bytes(), 10 << 30);
    assert_eq!(c.log_memory_bytes(), 64 << 20);
    assert_eq!(c.log_keep(), Keep::Wanted);
    assert_eq!(c.log_keep_for(), Duration::from_secs(10 * 86_400));
    assert!(c.events_custom().is_empty());
    assert!(!c.events_unknown_fields());
    assert!(c.inbox_enabled());
    assert_eq!(c.inbox_group(), "");
    assert_eq!(c.inbox_max_bytes(), 1 << 30);
    assert_eq!(c.batch_max_events(), 350);
    assert_eq!(c.batch_max_bytes(), 1_000_000);
    assert_eq!(c.batch_linger(), Duration::from_secs(1));
    assert_eq!(c.batch_in_flight(), 4);
    assert_eq!(c.retry_jitter(), 0.2);
    assert_eq!(c.retry_give_up_after(), Duration::from_secs(8 * 3600));
    assert_eq!(c.retry_after_max(), Duration::from_secs(3600));
    assert_eq!(c.http_timeout(), Duration::from_secs(10));
    assert_eq!(c.http_connect_timeout(), Duration::from_secs(3));
    assert!(c.http_user_agent().starts_with("Postrider/"));
    assert!(c.http_allow_target().is_empty());
    assert_eq!(c.http_ca_file(), "");
    assert_eq!(c.http_max_connections(), 1000);
    assert_eq!(c.history_keep(), Duration::from_secs(86_400));
    assert_eq!(c.dead_keep(), Duration::from_secs(7 * 86_400));
    assert!(!c.api_echo_secrets());
    assert_eq!(c.serve_listen().to_string(), "127.0.0.1:8025");
    assert!(c.admin_socket());
}

#[test]
fn twelve_attempts_fit_the_time_to_give_up() {
    let config = Config::default();
    let schedule = config.retry_schedule();
    assert_eq!(schedule.len() + 1, 12);
    assert!(schedule.is_sorted());
    assert!(schedule.iter().sum::<Duration>() <= config.retry_give_up_after());
}

#[test]
fn an_allowed_value_is_taken() {
    let mut c = Config::default();
    for (key, value) in [
        ("queue.policy", "wait"),
        ("queue.bytes", "1 GiB"),
        ("log.max_bytes", "500GiB"),
        ("log.keep", "all"),
        ("events.custom", "message_event/greylisted, x_event/seen"),
        ("batch.linger_ms", "0"),
        ("retry.schedule", "1, 2,3"),
        ("http.allow_target", "127.0.0.0/8:8080,10.0.0.0/8"),
        ("serve.listen", "[::1]:0"),
    ] {
        c.set(key, value).unwrap_or_else(|e| panic!("{e}"));
    }
    assert_eq!(c.queue_policy(), Policy::Wait);
    assert_eq!(c.queue_bytes(), 1 << 30);
    assert_eq!(c.log_max_bytes(), 500 << 30);
    assert_eq!(c.log_keep(), Keep::All);
    assert_eq!(c.events_custom()[1], ("x_event".into(), "seen".into()));
    assert_eq!(c.batch_linger(), Duration::ZERO);
    assert_eq!(c.retry_schedule(), [1, 2, 3].map(Duration::from_secs));
    assert_eq!(c.http_allow_target().len(), 2);
    c.set("http.allow_target", "").unwrap();
    assert!(c.http_allow_target().is_empty());
}

#[test]
fn an_error_names_key_value_and_what_is_allowed() {
    let mut c = Config::default();
    for (key, value, message) in [
        (
            "queue.bytes",
            "5",
            "queue.bytes = \"5\": must be a size from 1 MiB to 1 GiB",
        ),
        (
            "queue.bytes",
            "9 PiB",
            "queue.bytes = \"9 PiB\": must be a size from 1 MiB to 1 GiB",
        ),
        (
            "queue.policy",
            "block",
            "queue.policy = \"block\": must be one of fail, wait, drop",
        ),
        (
            "retry.jitter",
            "NaN",
            "retry.jitter = \"NaN\": must be a number from 0 to 1",
        ),
        (
            "inbox.enabled",
            "yes",
            "inbox.enabled = \"yes\": must be true or false",
        ),
        (
            "serve.listen",
            "8025",
            "serve.listen = \"8025\": must be an address and a port, such as 127.0.0.1:8025 or [::1]:8025",
        ),
        (
            "events.custom",
            "bounce",
            "events.custom = \"bounce\": must be a list of category/type, both of a-z, 0-9 and _, beginning with a letter",
        ),
        (
            "http.user_agent",
            "a\r\nb",
            "http.user_agent = \"a\\r\\nb\": must be printable ASCII text",
        ),
        (
            "batch.linger_ms",
            "-1",
            "batch.linger_ms = \"-1\": must be whole milliseconds from 0 to 3600000",
        ),
        ("batch.size", "1", "unknown key batch.size"),
        (
            "batch.in-flight",
            "1",
            "unknown key batch.in-flight: did you mean batch.in_flight?",
        ),
    ] {
        assert_eq!(c.set(key, value).unwrap_err().to_string(), message);
    }
    assert!(c.set("retry.schedule", "").is_err());
    assert_eq!(c, Config::default());
}

#[test]
fn changes_are_named_in_the_order_of_the_table() {
    let (old, mut new) = (Config::default(), Config::default());
    assert_eq!(old.changes(&new).count(), 0);
    new.set("serve.listen", "127.0.0.1:1").unwrap();
    new.set("batch.max_events", "7").unwrap();
    new.set("retry.jitter", "0.20").unwrap();
    let changes: Vec<_> = old.changes(&new).map(|key| (key.name, key.live)).collect();
    assert_eq!(
        changes,
        [("batch.max_events", true), ("serve.listen", false)]
    );
    #[cfg(feature = "engine")]
    {
        new.take_back("serve.listen", &old);
        assert_eq!(old.changes(&new).count(), 1);
    }
}

/// `docs/configuration.md` ends with the table; `BLESS=1` writes it anew.
#[test]
fn the_documentation_holds_the_table() {
    const MARK: &str =
        "<!-- Below: written by `BLESS=1 cargo test -p postrider --lib config::`. -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (prose, table) = page.split_once(MARK).expect("the page has its mark");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, format!("{prose}{MARK}{}", tables())).unwrap();
    } else {
        assert_eq!(
            table,
            tables(),
            "run BLESS=1 cargo test -p postrider --lib config::"
        );
    }
}

fn tables() -> String {
    let mut page = String::new();
    let mut part = "";
    for key in TABLE {
        let (table, _) = key.name.split_once('.').unwrap();
        if table != part {
            part = table;
            write!(page, "\n## `{part}`\n\n").unwrap();
            page.push_str("| Key | Value | Default | Read by | A change holds | |\n|---|---|---|---|---|---|\n");
        }
        let default = match (key.kind, key.default) {
            (_, "") => "empty".to_owned(),
            (Kind::HeaderText, _) => "`Postrider/VERSION`".to_owned(),
            (Kind::Number { unit, .. }, n) => format!("`{}`", unit.show(n.parse().unwrap())),
            (_, text) => format!("`{}`", text.replace(',', ", ")),
        };
        let scope = match key.scope {
            Scope::Engine => "engine",
            Scope::Client => "engine, client",
            Scope::Serve => "`serve`",
        };
        let allowed = key.kind.allowed();
        let holds = if key.live {
            "at once"
        } else {
            "from a restart on"
        };
        writeln!(
            page,
            "| `{}` | {allowed} | {default} | {scope} | {holds} | {} |",
            key.name, key.doc
        )
        .unwrap();
    }
    page
}
