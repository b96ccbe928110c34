use crate::postrider_filter;
use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use postrider::filter::{Trial, Verdict};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A few patterns in the form of uap-core's file.
const PATTERNS: &str = r#"
user_agent_parsers:
  - regex: '(GoogleImageProxy)'
    family_replacement: 'GmailImageProxy'
  - regex: '(CriOS)/(\d+)\.(\d+)'
    family_replacement: 'Chrome Mobile iOS'
  - regex: '(Firefox)/(\d+)\.(\d+)'
os_parsers:
  - regex: '(?:iPhone|CPU) OS (\d+)_(\d+)'
    os_replacement: 'iOS'
    os_v1_replacement: '$1'
    os_v2_replacement: '$2'
  - regex: '(Linux)'
device_parsers:
  - regex: '(iPhone)'
    device_replacement: '$1'
    brand_replacement: 'Apple'
    model_replacement: '$1'
"#;

const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.35 Mobile/15E148 Safari/604.1";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";

fn patterns(dir: &TempDir) -> PathBuf {
    let path = dir.path().join("regexes.yaml");
    std::fs::write(&path, PATTERNS).unwrap();
    path
}

/// A database with these records for these networks.
fn database(path: &Path, version: IpVersion, records: &[(&str, Value)]) {
    let mut database = Database::default();
    let metadata = &mut database.metadata;
    metadata.ip_version = version;
    metadata.database_type = "Test-City".into();
    metadata.binary_format_major_version = 2;
    metadata.languages = vec!["en".into()];
    for (network, record) in records {
        let record = database.insert_value(record).unwrap();
        database.insert_node(network.parse::<IpAddrWithMask>().unwrap(), record);
    }
    let file = std::fs::File::create(path).unwrap();
    database.write_to(std::io::BufWriter::new(file)).unwrap();
}

fn columbia() -> Value {
    json!({
        "continent": { "code": "NA", "names": { "en": "North America" } },
        "country": { "iso_code": "US", "names": { "en": "United States" } },
        "subdivisions": [{ "iso_code": "MD", "names": { "en": "Maryland" } }],
        "city": { "names": { "en": "Columbia", "de": "Kolumbien" } },
        "location": { "latitude": 39.1749, "longitude": -76.8375 },
        "postal": { "code": "21046" },
    })
}

fn trial(config: &Value) -> Trial {
    Trial::of(postrider_filter, &config.to_string()).unwrap()
}

fn refusal(config: &Value) -> String {
    let refused = Trial::of(postrider_filter, &config.to_string());
    refused.err().unwrap().to_string()
}

/// The event as the filter leaves it.
fn enriched(trial: &mut Trial, event: &Value) -> Value {
    match trial.one(&event.to_string()) {
        Verdict::Passed(text) => {
            let event: Value = serde_json::from_str(&text).unwrap();
            event["msys"].as_object().unwrap()["track_event"].clone()
        }
        other => panic!("{other:?}"),
    }
}

fn parsed(trial: &mut Trial, agent: &str) -> Value {
    enriched(trial, &json!({ "type": "open", "user_agent": agent }))["user_agent_parsed"].clone()
}

fn place(trial: &mut Trial, address: &str) -> Value {
    enriched(trial, &json!({ "type": "click", "ip_address": address }))["geo_ip"].clone()
}

#[test]
fn a_user_agent_is_told_in_the_contracts_words() {
    let dir = TempDir::new().unwrap();
    let mut trial = trial(&json!({ "user_agents": patterns(&dir) }));
    let known = json!({
        "agent_family": "Chrome Mobile iOS",
        "device_brand": "Apple",
        "device_family": "iPhone",
        "os_family": "iOS",
        "os_version": "17.5",
        "is_mobile": true,
        "is_proxy": false,
        "is_prefetched": false,
    });
    assert_eq!(parsed(&mut trial, IPHONE), known);
    assert_eq!(
        parsed(&mut trial, IPHONE),
        known,
        "from what is kept, the same"
    );
    let in_part = parsed(&mut trial, "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0");
    assert_eq!(in_part["agent_family"], "Firefox");
    assert_eq!(in_part["device_family"], "Other");
    assert_eq!(in_part["os_version"], "");
    assert_eq!(in_part["is_mobile"], false);
}

#[test]
fn machines_that_fetch_for_a_reader_or_before_one_are_told() {
    let dir = TempDir::new().unwrap();
    let mut trial = trial(&json!({ "user_agents": patterns(&dir) }));
    let prefetch = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";
    for (agent, is_proxy, is_prefetched) in [
        (GMAIL, true, false),
        ("YahooMailProxy; https://help.yahoo.com", true, false),
        ("Mozilla/5.0", true, true),
        (prefetch, true, true),
    ] {
        let parsed = parsed(&mut trial, agent);
        assert_eq!(parsed["is_proxy"], is_proxy, "{agent}");
        assert_eq!(parsed["is_prefetched"], is_prefetched, "{agent}");
    }
}

#[test]
fn an_address_is_told_its_place() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("city.mmdb");
    let rome = json!({ "country": { "iso_code": "IT" }, "postal": { "code": "00151" } });
    let london = json!({ "country": { "iso_code": "GB" }, "postal": { "code": "SW1A 1AA" } });
    database(
        &path,
        IpVersion::V4,
        &[
            ("203.0.113.0/24", columbia()),
            ("198.51.100.0/25", rome),
            ("198.51.100.128/25", london),
        ],
    );
    let mut trial = trial(&json!({ "geo_ip": path }));
    assert_eq!(
        place(&mut trial, "203.0.113.7"),
        json!({
            "continent": "NA",
            "country": "US",
            "region": "MD",
            "city": "Columbia",
            "latitude": 39.1749,
            "longitude": -76.8375,
            "zip": 21046,
            "postal_code": "21046",
        })
    );
    assert_eq!(
        place(&mut trial, "198.51.100.1"),
        json!({ "country": "IT", "zip": 151, "postal_code": "00151" })
    );
    assert_eq!(
        place(&mut trial, "198.51.100.200"),
        json!({ "country": "GB", "postal_code": "SW1A 1AA" })
    );
    assert_eq!(
        place(&mut trial, "2001:db8::1"),
        Value::Null,
        "no place in a database of version 4"
    );
}

#[test]
fn addresses_of_version_6_have_places_too() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("city.mmdb");
    database(&path, IpVersion::V6, &[("2001:db8::/32", columbia())]);
    let mut trial = trial(&json!({ "geo_ip": path }));
    assert_eq!(place(&mut trial, "2001:db8::1")["city"], "Columbia");
    assert_eq!(place(&mut trial, "2001:db9::1"), Value::Null);
}

/// As it came, to the last byte.
#[test]
fn what_nothing_is_known_of_leaves_the_event_unchanged() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("city.mmdb");
    let nowhere = json!({ "country": {} });
    database(
        &path,
        IpVersion::V4,
        &[("203.0.113.0/24", columbia()), ("192.0.2.0/24", nowhere)],
    );
    let mut trial = trial(&json!({ "user_agents": patterns(&dir), "geo_ip": path }));
    for (agent, address) in [
        ("something else", "198.51.100.1"),
        ("", ""),
        ("curl/8", "192.0.2.1"),
        ("\u{e9}".repeat(600).as_str(), "not an address"),
    ] {
        let event = json!({
            "type": "open", "event_id": "1", "timestamp": "1", "user_agent": agent, "ip_address": address,
        });
        let report = trial.run(&[event.to_string()]);
        assert_eq!(report.changed, 0, "{report:?}");
        assert_eq!(report.failures().count(), 0);
    }
    let report = trial.run(&[r#"{"type":"open"}"#]);
    assert_eq!(report.changed, 0);
}

#[test]
fn what_is_there_stays_unless_told_otherwise_and_other_types_are_left_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("city.mmdb");
    database(&path, IpVersion::V4, &[("203.0.113.0/24", columbia())]);
    let config = |more: Value| {
        let mut config = json!({ "user_agents": patterns(&dir), "geo_ip": path });
        let config_map = config.as_object_mut().unwrap();
        config_map.extend(more.as_object().unwrap().clone());
        config
    };
    let given = json!({
        "type": "open", "user_agent": IPHONE, "ip_address": "203.0.113.7",
        "user_agent_parsed": { "agent_family": "Lynx" }, "geo_ip": { "country": "AQ" },
    });
    let kept = enriched(&mut trial(&config(json!({}))), &given);
    assert_eq!(kept["user_agent_parsed"], given["user_agent_parsed"]);
    assert_eq!(kept["geo_ip"], given["geo_ip"]);
    let over = enriched(&mut trial(&config(json!({ "overwrite": true }))), &given);
    assert_eq!(over["user_agent_parsed"]["os_family"], "iOS");
    assert_eq!(over["geo_ip"]["country"], "US");

    let only_clicks = config(json!({ "events": ["click"] }));
    let open = json!({ "type": "open", "user_agent": IPHONE, "ip_address": "203.0.113.7" });
    let report = trial(&only_clicks).run(&[open.to_string()]);
    assert_eq!(report.changed, 0);
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused_when_loading() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let networks = dir.path().join("asn.mmdb");
    let asn = json!({ "autonomous_system_number": 64496 });
    database(&networks, IpVersion::V4, &[("203.0.113.0/24", asn)]);
    for (config, why) in [
        (json!({}), "name a file: "),
        (json!({ "geo_ip": "/none.mmdb" }), "geo_ip /none.mmdb: "),
        (
            json!({ "user_agents": "/none.yaml" }),
            "user_agents /none.yaml: ",
        ),
        (
            json!({ "geo_ip": file("text.mmdb", "not a database") }),
            "text.mmdb: ",
        ),
        (
            json!({ "geo_ip": networks }),
            "is a Test-City and has no places",
        ),
        (
            json!({ "user_agents": file("list.yaml", "- a\n- b\n") }),
            "list.yaml: ",
        ),
        (
            json!({ "user_agents": file("empty.yaml", "user_agent_parsers: []\nos_parsers: []\ndevice_parsers: []\n") }),
            "has no user_agent_parsers",
        ),
        (
            json!({ "user_agents": file("bad.yaml", "user_agent_parsers: [{regex: '(a'}]\nos_parsers: []\ndevice_parsers: []\n") }),
            "bad.yaml: ",
        ),
        (
            json!({ "geo_ip": networks, "events": ["opened"] }),
            "'opened', which is not an event type",
        ),
        (json!({ "geoip": networks }), "unknown field `geoip`"),
    ] {
        let refusal = refusal(&config);
        assert!(refusal.contains(why), "{config}: {refusal}");
    }
}

/// A reload makes another instance of the same configuration: it finds the files as they are then.
#[test]
fn another_instance_reads_the_files_again() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("city.mmdb");
    database(&path, IpVersion::V4, &[("203.0.113.0/24", columbia())]);
    let mut before = trial(&json!({ "geo_ip": path }));
    let moved = dir.path().join("new.mmdb");
    let paris = json!({ "country": { "iso_code": "FR" } });
    database(&moved, IpVersion::V4, &[("203.0.113.0/24", paris)]);
    std::fs::rename(moved, &path).unwrap();
    let mut after = before.again().unwrap();
    assert_eq!(place(&mut before, "203.0.113.7")["country"], "US");
    assert_eq!(place(&mut after, "203.0.113.7")["country"], "FR");
}

/// Where Debian's package uap-core puts its patterns.
const UAP_CORE: &str = "/usr/share/uap-core/regexes.yaml";

#[test]
fn the_real_patterns_know_real_agents() {
    if !Path::new(UAP_CORE).exists() {
        assert!(std::env::var_os("CI").is_none(), "{UAP_CORE} is missing");
        eprintln!("skipped: no {UAP_CORE} (Debian: apt-get install uap-core)");
        return;
    }
    let mut trial = trial(&json!({ "user_agents": UAP_CORE }));
    for (agent, expected) in [
        (
            IPHONE,
            ["Chrome Mobile iOS", "Apple", "iPhone", "iOS", "17.5"],
        ),
        (
            GMAIL,
            ["GmailImageProxy", "Other", "Other", "Windows", "XP"],
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile Safari/537.36",
            [
                "Chrome Mobile",
                "Samsung",
                "Samsung SM-S901B",
                "Android",
                "13",
            ],
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
            ["Safari", "Apple", "Mac", "Mac OS X", "10.15.7"],
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Thunderbird/115.10.1",
            ["Thunderbird", "Other", "Other", "Windows", "10"],
        ),
    ] {
        let parsed = parsed(&mut trial, agent);
        let found = [
            "agent_family",
            "device_brand",
            "device_family",
            "os_family",
            "os_version",
        ];
        assert_eq!(found.map(|name| &parsed[name]), expected, "{agent}");
    }
}
