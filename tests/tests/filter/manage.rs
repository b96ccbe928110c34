//! Filters of a running engine, managed from the command line and refused to API keys.

use postrider_tests::binary::{Served, run, told};
use postrider_tests::filters::Modules;

#[test]
fn a_chain_is_managed_from_the_command_line_and_survives_a_restart() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let served = Served::start(dir.path(), &[]);
    let data = served.data_arg().to_owned();
    let filter = |args: &[&str]| {
        let mut all = vec!["filter"];
        all.extend(args);
        all.extend(["--data", &data]);
        run(&all)
    };
    let ok = |args: &[&str]| {
        let output = filter(args);
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        told(&output)
    };
    // Name and state of each, in order.
    let listed = || -> Vec<(String, String)> {
        let words = |line: &str| {
            let mut words = line.split_whitespace().skip(1).map(str::to_owned);
            (words.next().unwrap(), words.next().unwrap())
        };
        ok(&["list"]).lines().map(words).collect()
    };
    let of = |names: &[(&str, &str)]| -> Vec<(String, String)> {
        names
            .iter()
            .map(|(n, s)| ((*n).to_owned(), (*s).to_owned()))
            .collect()
    };
    let path = |name: &str| modules.path(name).to_str().unwrap().to_owned();

    assert!(listed().is_empty());
    ok(&[
        "add",
        "good",
        &path("good"),
        "--events",
        "delivery,bounce",
        "--on-failure",
        "open",
    ]);
    ok(&[
        "add",
        "trace",
        &path("traces"),
        "--config",
        r#"{"letter":"a"}"#,
    ]);
    ok(&["add", "closed", &path("closed")]);
    assert_eq!(
        listed(),
        of(&[
            ("good", "running"),
            ("trace", "running"),
            ("closed", "running")
        ])
    );
    ok(&["order", "closed", "good"]);
    ok(&["disable", "good"]);
    assert_eq!(
        listed(),
        of(&[("closed", "running"), ("good", "off"), ("trace", "running")])
    );
    ok(&["remove", "closed"]);
    ok(&["reload", "trace"]);

    // Refusals say what is wrong, and change nothing.
    for (args, why) in [
        (
            vec!["add", "bad", &path("wrong_magic")],
            "has magic 0xdeadbeef",
        ),
        (
            vec!["add", "bad", &path("good"), "--events", "delivry"],
            "'delivry', which is not an event type",
        ),
        (
            vec!["add", "bad", &path("good"), "--on-failure", "shut"],
            "unknown variant `shut`",
        ),
        (vec!["enable", "none"], "no filter is named none"),
    ] {
        let args: Vec<&str> = args.iter().map(|a| &**a).collect();
        let output = filter(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(told(&output).contains(why), "{args:?}: {}", told(&output));
    }
    served.process.terminate();

    let served = Served::start(dir.path(), &[]);
    assert_eq!(listed(), of(&[("good", "off"), ("trace", "running")]));
    ok(&["enable", "good"]);
    assert_eq!(listed(), of(&[("good", "running"), ("trace", "running")]));

    // A filter is code: no API key may load one, whatever its grants.
    let output = run(&["filter", "list", "--url", &served.url, "--key", &served.key]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("admin socket"), "{}", told(&output));
}
