//! A real Exim, a real sink, real mail: what a webhook hears of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use postrider::engine::Engine;
use postrider::event::Catalogue;
use postrider::webhook::WebhookSpec;
use postrider_tests::cc::{installed, need_program, workspace};
use postrider_tests::exim::{self, Exim, USER, open_dir};
use postrider_tests::receiver::Receiver;
use postrider_tests::smtp::{Client, Sink};
use serde_json::{Value, json};

/// The lines of `integrations/exim/postrider.conf` that belong to the main section, with our paths
/// in place of its.
fn shipped_main_section(library: &Path, data: &Path) -> String {
    let shipped = fs::read_to_string(workspace().join("integrations/exim/postrider.conf")).unwrap();
    let (main, _) = shipped
        .split_once("# ---- ACL section")
        .expect("it has a main section");
    let library = format!("PR_LIBRARY = {}", library.display());
    let data = format!("PR_DATA = {}", data.display());
    let changed = main
        .replace(
            "PR_LIBRARY = /usr/local/lib/exim/postrider_exim.so",
            &library,
        )
        .replace("PR_DATA = /var/lib/postrider", &data);
    assert!(
        changed.contains(&library) && changed.contains(&data),
        "{main}"
    );
    changed
}

/// The part of the shipped file between two of its lines.
fn shipped(from: &str, to: &str) -> String {
    let shipped = fs::read_to_string(workspace().join("integrations/exim/postrider.conf")).unwrap();
    let part = shipped
        .split_once(from)
        .and_then(|(_, rest)| rest.split_once(to));
    format!(
        "{from}{}",
        part.expect("the shipped configuration has this part").0
    )
}

fn config(library: &Path, data: &Path, sink: u16) -> String {
    let main = shipped_main_section(library, data);
    let rejection = shipped("acl_check_rcpt:\n", "# ----");
    let injection = shipped("acl_check_data:\n", "# Policy");
    format!(
        "{main}
keep_environment =
primary_hostname = mta.test
spool_directory = @DIR@/spool
log_file_path = @DIR@/log/%slog
pid_file_path = @DIR@/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = @PORT@
tls_advertise_hosts =
never_users =
smtp_accept_queue_per_connection = 0
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data
domainlist local_domains = *.test
domainlist relay_to_domains =
begin acl
{rejection}
  accept
{injection}
begin routers
unknown:
  driver = redirect
  domains = fail.test
  allow_fail
  data = :fail: no such domain here
twohosts:
  driver = manualroute
  domains = two.test
  route_list = * \"<+ 127.0.0.1:1 + 127.0.0.1:{sink}\"
  self = send
  transport = remote_smtp
down:
  driver = manualroute
  domains = down.test
  route_list = * 127.0.0.2::1
  self = send
  transport = remote_smtp
sink:
  driver = manualroute
  route_list = * 127.0.0.1::{sink}
  self = send
  transport = remote_smtp
begin transports
remote_smtp:
  driver = smtp
  hosts_try_fastopen =
  event_action = PR_EVENT
begin retry
* * F,2h,1h
"
    )
}

struct Setting {
    engine: Engine,
    receiver: Receiver,
    exim: Exim,
    _sink: Sink,
    _dirs: [tempfile::TempDir; 2],
}

/// An engine whose inbox Exim's user may write to, a webhook for everything of a message, and an
/// Exim that tells.
fn set_up(timing: Option<&Path>) -> Option<Setting> {
    if !(exim::can_run() && need_program("make") && need_program("pkg-config")) {
        return None;
    }
    let (home, data) = (open_dir(), open_dir());
    let library = exim::build(installed(), home.path(), timing);
    let engine = Engine::builder()
        .data_dir(data.path())
        .set("http.allow_target", "127.0.0.0/8")
        .and_then(|b| b.set("batch.linger_ms", "10"))
        .and_then(|b| b.set("inbox.group", USER))
        .unwrap()
        .start()
        .unwrap();
    let receiver = Receiver::ok();
    let events: Vec<_> = Catalogue::types().iter().map(|t| t.name).collect();
    let body = json!({"name": "exim", "target": receiver.url("/"), "events": events});
    let spec =
        WebhookSpec::from_json(&body, |name| engine.schema().lookup(name).is_some()).unwrap();
    engine.create_webhook(spec).unwrap();
    let sink = Sink::start();
    let exim = Exim::start(&config(&library, data.path(), sink.port()));
    Some(Setting {
        engine,
        receiver,
        exim,
        _sink: sink,
        _dirs: [home, data],
    })
}

/// Type and recipient of an event, and its fields.
type Heard = BTreeMap<(String, String), Value>;

fn heard(events: &[Value]) -> Heard {
    let mut heard = Heard::new();
    for event in events {
        let fields = event["msys"]["message_event"].clone();
        let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
        // Bounce messages that Exim sends to the sender have events of their own.
        if text("msg_from").is_empty() && text("type") != "policy_rejection" {
            continue;
        }
        let key = (text("type"), text("rcpt_to"));
        assert!(
            heard.insert(key.clone(), fields.clone()).is_none(),
            "{key:?} came twice: {fields}"
        );
    }
    heard
}

#[test]
fn a_webhook_hears_of_each_message_once() {
    let Some(setting) = set_up(None) else { return };
    let Setting {
        engine,
        receiver,
        exim,
        ..
    } = &setting;
    let recipients = [
        "Ok@a.test",
        "second@b.test",
        "bounce@a.test",
        "defer@a.test",
        "databounce@a.test",
        "datadefer@a.test",
        "x@fail.test",
        "x@down.test",
        "x@two.test",
    ];
    let text =
        "From: Sender <sender@src.test>\nSubject: Grüße, =?utf-8?Q?n=C3=A4chste=0AZeile?=\n\nhello";
    let mut client = Client::connect(exim.port());
    // One message to two, then one to each.
    let (replies, end) = client.send("sender@src.test", &recipients[..2], text);
    assert!(
        replies.iter().all(|r| r.starts_with("250")) && end.starts_with("250"),
        "{replies:?} {end}"
    );
    for recipient in &recipients[2..] {
        let (replies, end) = client.send("sender@src.test", &[recipient], text);
        assert!(
            replies[0].starts_with("250") && end.starts_with("250"),
            "{replies:?} {end}"
        );
    }
    let (replies, _) = client.send("sender@src.test", &["nobody@elsewhere.example"], text);
    assert_eq!(replies, ["550 relay not permitted"]);

    let key = |kind: &str, recipient: &str| (kind.to_owned(), recipient.to_ascii_lowercase());
    let mut expected: Vec<_> = recipients.iter().map(|r| key("injection", r)).collect();
    expected.extend(["ok@a.test", "second@b.test", "x@two.test"].map(|r| key("delivery", r)));
    expected
        .extend(["bounce@a.test", "databounce@a.test", "x@fail.test"].map(|r| key("bounce", r)));
    expected.extend(["defer@a.test", "datadefer@a.test", "x@down.test"].map(|r| key("delay", r)));
    expected.push(key("policy_rejection", "nobody@elsewhere.example"));
    expected.sort();
    exim.wait("the webhook has heard", || {
        heard(&events(receiver)).len() >= expected.len()
    });
    // Everything that is still to come would be one too many.
    engine
        .flush(postrider::engine::Level::Written, Duration::from_secs(60))
        .unwrap();
    let heard = heard(&events(receiver));
    assert_eq!(
        heard.keys().cloned().collect::<Vec<_>>(),
        expected,
        "{:#?}",
        exim.logged("")
    );
    assert_eq!(exim.panics(), Vec::<String>::new());

    let of = |kind: &str, recipient: &str| &heard[&key(kind, recipient)];
    let delivery = of("delivery", "ok@a.test");
    // Exim lower-cases local parts before it delivers.
    assert_eq!(delivery["raw_rcpt_to"], "ok@a.test");
    assert_eq!(delivery["recipient_domain"], "a.test");
    assert_eq!(delivery["routing_domain"], "a.test");
    assert_eq!(delivery["msg_from"], "sender@src.test");
    assert_eq!(delivery["friendly_from"], "sender@src.test");
    assert_eq!(
        delivery["subject"]
            .as_str()
            .map(|s| s.starts_with("Grüße, nächste")),
        Some(true),
        "{delivery}"
    );
    assert_eq!(delivery["ip_address"], "127.0.0.1");
    assert_eq!(delivery["sending_ip"], "127.0.0.1");
    assert_eq!(delivery["recv_method"], "esmtp");
    assert_eq!(delivery["delv_method"], "esmtp");
    assert_eq!(delivery["num_retries"], "0");
    let number = |field: &Value| field.as_str().and_then(|text| text.parse::<u64>().ok());
    assert!(
        number(&delivery["msg_size"]).is_some_and(|size| size > 50),
        "{delivery}"
    );
    assert!(
        number(&delivery["queue_time"]).is_some_and(|ms| ms < 60_000),
        "{delivery}"
    );
    assert!(
        delivery["injection_time"]
            .as_str()
            .is_some_and(|t| t.ends_with(".000Z")),
        "{delivery}"
    );
    let injection = of("injection", "ok@a.test");
    assert_eq!(injection["raw_rcpt_to"], "Ok@a.test");
    assert_eq!(injection["message_id"], delivery["message_id"]);
    assert_eq!(
        injection["message_id"],
        of("injection", "second@b.test")["message_id"]
    );
    assert_ne!(injection["event_id"], delivery["event_id"]);

    let bounce = of("bounce", "bounce@a.test");
    assert_eq!(bounce["error_code"], "550");
    assert_eq!(bounce["bounce_class"], "10");
    assert_eq!(
        bounce["raw_reason"],
        "550 5.1.1 <bounce@a.test>: no such user at 192.0.2.7"
    );
    assert_eq!(
        bounce["reason"],
        "550 5.1.1 <bounce@a.test>: no such user at a.b.c.d"
    );
    assert_eq!(of("bounce", "databounce@a.test")["error_code"], "554");
    assert_eq!(of("bounce", "databounce@a.test")["bounce_class"], "50");
    assert_eq!(
        of("bounce", "x@fail.test")["raw_reason"],
        "no such domain here"
    );
    let delay = of("delay", "defer@a.test");
    assert_eq!(
        (&delay["error_code"], &delay["bounce_class"]),
        (&json!("451"), &json!("20"))
    );
    assert_eq!(of("delay", "datadefer@a.test")["error_code"], "452");
    assert_eq!(
        of("delay", "x@down.test")["raw_reason"],
        "Connection refused"
    );
    assert_eq!(of("delay", "x@down.test")["bounce_class"], "70");
    let rejection = of("policy_rejection", "nobody@elsewhere.example");
    assert_eq!(rejection["error_code"], "550");
    assert_eq!(rejection["raw_reason"], "550 relay not permitted");
    assert_eq!(rejection["remote_addr"], "127.0.0.1");
}

fn events(receiver: &Receiver) -> Vec<Value> {
    receiver
        .posts()
        .iter()
        .flat_map(|post| post.events())
        .filter(|e| e["msys"] != json!({}))
        .collect()
}

#[test]
fn mail_flows_though_the_data_directory_is_gone() {
    let Some(setting) = set_up(None) else { return };
    let Setting {
        engine,
        exim,
        _dirs: [_, data],
        ..
    } = setting;
    engine.close(Duration::from_secs(60)).unwrap();
    fs::remove_dir_all(data.path().join("inbox")).unwrap();
    let mut client = Client::connect(exim.port());
    let (_, end) = client.send("sender@src.test", &["ok@a.test"], "Subject: x\n\nhello");
    assert!(end.starts_with("250"), "{end}");
    exim.wait("it is delivered", || !exim.logged("Completed").is_empty());
    assert_eq!(exim.panics(), Vec::<String>::new());
}

/// Figures, on demand: `cargo test -p postrider-tests --test exim -- --ignored --nocapture`.
#[test]
#[ignore = "measures; prints what integrations/exim/README.md quotes"]
fn how_long_a_call_takes() {
    const MESSAGES: usize = 300;
    let log = open_dir();
    fs::set_permissions(log.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let timing = log.path().join("calls");
    let Some(setting) = set_up(Some(&timing)) else {
        return;
    };
    let mut client = Client::connect(setting.exim.port());
    for sent in 1..=MESSAGES {
        let (_, end) = client.send("sender@src.test", &["ok@a.test"], "Subject: x\n\nhello");
        assert!(end.starts_with("250"), "{end}");
        // One at a time: with more, the figures would be those of the machine's run queue.
        let exim = &setting.exim;
        exim.wait("it is delivered", || exim.logged("Completed").len() >= sent);
    }
    let calls = fs::read_to_string(&timing).unwrap();
    for (did, what) in [
        ("connect", "the first event of a process"),
        ("append", "a later event"),
        ("nothing", "a call without an event"),
    ] {
        let lines = calls.lines().filter_map(|line| line.strip_prefix(did));
        let numbers = |line: &str| {
            line.split_whitespace()
                .map(|n| n.parse().unwrap())
                .collect()
        };
        let lines: Vec<Vec<u64>> = lines.map(numbers).collect();
        let column = |at: usize| lines.iter().map(|line| line[at]).collect::<Vec<_>>();
        println!(
            "{what}: {} calls; by the clock {}; of CPU {}; waited in {}, preempted in {}",
            lines.len(),
            spread(column(0)),
            spread(column(1)),
            column(2).iter().filter(|n| **n > 0).count(),
            column(3).iter().filter(|n| **n > 0).count(),
        );
    }
    println!("loading the library: {}", loading_time());
}

/// Median and the like of nanoseconds.
fn spread(mut times: Vec<u64>) -> String {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] / 1000;
    format!(
        "p50 {} µs, p99 {} µs, max {} µs",
        at(0.5),
        at(0.99),
        at(1.0)
    )
}

/// dlopen, measured in fresh processes.
fn loading_time() -> String {
    let library = postrider_tests::cc::Library::Client.shared_object();
    let program = "import ctypes,sys,time\nt=time.perf_counter_ns()\nctypes.CDLL(sys.argv[1])\nprint(time.perf_counter_ns()-t)";
    let load = |_| {
        let python = Command::new("python3")
            .args(["-c", program])
            .arg(&library)
            .output()
            .unwrap();
        String::from_utf8_lossy(&python.stdout)
            .trim()
            .parse()
            .unwrap()
    };
    spread((0..100).map(load).collect())
}
