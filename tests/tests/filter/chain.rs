//! Several filters: their order, what each sees, and a change while events pass.

use postrider::filter::{Fate, FilterSpec};
use postrider_tests::filters::{Host, Modules, event};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};

fn tracer(modules: &Modules, letter: &str) -> FilterSpec {
    let mut spec = modules.spec("traces");
    spec.config.insert("letter".into(), json!(letter));
    FilterSpec {
        name: format!("trace-{letter}"),
        ..spec
    }
}

/// Who has seen the event, in order.
fn trace(text: &str) -> String {
    let event: serde_json::Value = serde_json::from_str(text).unwrap();
    let fields = event["msys"].as_object().unwrap().values().next().unwrap();
    fields["x_trace"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn filters_run_in_their_order_and_see_what_the_ones_before_did() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (a, b) = (tracer(&modules, "a"), tracer(&modules, "b"));
    let host = Host::with(vec![a.clone(), b.clone()]);
    assert_eq!(trace(&host.one(&event("x_any", "1")).1), "ab");
    host.filters
        .set(vec![b.clone(), modules.spec("good"), a.clone()], None)
        .unwrap();
    assert_eq!(trace(&host.one(&event("x_any", "1")).1), "ba");
    assert_eq!(host.one(&event("x_drop", "1")).0, Fate::Dropped);
    assert_eq!(
        host.status("trace-a").stats.events,
        2,
        "a did not see what was dropped before it"
    );
    host.filters
        .set(
            vec![
                FilterSpec {
                    enabled: false,
                    ..b
                },
                a,
            ],
            None,
        )
        .unwrap();
    assert_eq!(trace(&host.one(&event("x_any", "1")).1), "a");
}

#[test]
fn a_filter_sees_what_was_selected_for_it() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let a = FilterSpec {
        events: vec!["click".into()],
        ..tracer(&modules, "a")
    };
    let b = FilterSpec {
        subaccounts: vec![7],
        ..tracer(&modules, "b")
    };
    let host = Host::with(vec![a, b]);
    let seen = |ty: &str, subaccount: u32| {
        let line = format!(r#"{{"type":"{ty}","subaccount_id":"{subaccount}"}}"#);
        trace(&host.one(&line).1)
    };
    assert_eq!(seen("click", 7), "ab");
    assert_eq!(seen("click", 1), "a");
    assert_eq!(seen("bounce", 7), "b");
    assert_eq!(seen("bounce", 0), "");
    let all = host.run(&[
        r#"{"type":"bounce"}"#,
        r#"{"type":"click"}"#,
        r#"{"type":"bounce"}"#,
    ]);
    let traces: Vec<String> = all.iter().map(|(_, text)| trace(text)).collect();
    assert_eq!(traces, ["", "a", ""], "the order stays");
}

#[test]
fn an_added_event_is_seen_by_later_filters_alone() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let host = Host::with(vec![
        tracer(&modules, "a"),
        modules.spec("emits"),
        tracer(&modules, "b"),
    ]);
    let all = host.run(&[event("x_provoke", "1"), event("x_any", "1")]);
    let traces: Vec<String> = all.iter().map(|(_, text)| trace(text)).collect();
    assert_eq!(traces, ["ab", "ab", "b"]);
    assert!(all[2].1.contains(r#""x_added":true"#), "{}", all[2].1);
    let stats = host.status("emits").stats;
    assert_eq!((stats.emitted, stats.events), (1, 2));
}

#[test]
fn a_held_event_is_as_it_came_and_no_later_filter_sees_it() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let host = Host::with(vec![
        tracer(&modules, "a"),
        modules.spec("closed"),
        tracer(&modules, "b"),
    ]);
    let (fate, text) = host.one(&event("x_provoke", "1"));
    assert_eq!((fate, trace(&text).as_str()), (Fate::Held, ""));
    assert_eq!(host.status("trace-b").stats.events, 0);
}

#[test]
fn a_file_that_is_replaced_counts_when_it_is_reloaded() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let path = modules.dir().join("current.so");
    std::fs::copy(modules.path("good"), &path).unwrap();
    let host = Host::with(vec![FilterSpec::new("current", &path)]);
    assert_eq!(host.one(&event("x_drop", "1")).0, Fate::Dropped);
    // In place: the same file, other bytes.
    std::fs::copy(modules.path("emits"), &path).unwrap();
    assert_eq!(
        host.run(&[event("x_provoke", "1")]).len(),
        1,
        "the old one is in force"
    );
    host.filters
        .set(host.filters.specs(), Some("current"))
        .unwrap();
    assert_eq!(
        host.run(&[event("x_provoke", "1")]).len(),
        2,
        "the new one is in force"
    );
}

/// Every event is seen once, by one of the two chains, and the order stays.
#[test]
fn no_event_is_lost_doubled_or_overtaken_while_filters_are_reloaded() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let (a, b) = (tracer(&modules, "a"), tracer(&modules, "b"));
    let host = Host::with(vec![a.clone()]);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..30 {
                let spec = if i % 2 == 0 { b.clone() } else { a.clone() };
                let name = spec.name.clone();
                host.filters.set(vec![spec], Some(&name)).unwrap();
            }
            stop.store(true, Ordering::Release);
        });
        let mut next = 0_u64;
        let mut seen = [0, 0];
        while !stop.load(Ordering::Acquire) {
            let lines: Vec<String> = (next..next + 50)
                .map(|n| event("x_n", &n.to_string()))
                .collect();
            let all = host.run(&lines);
            assert_eq!(all.len(), 50);
            let first = trace(&all[0].1);
            seen[usize::from(first == "b")] += 1;
            for (n, (fate, text)) in (next..).zip(&all) {
                assert_eq!(*fate, Fate::Live);
                assert!(text.contains(&format!(r#""x_n":"{n}""#)), "{n}: {text}");
                assert_eq!(trace(text), first, "one chain for a batch");
            }
            next += 50;
        }
        assert!(seen[0] > 0 && seen[1] > 0, "{seen:?}");
    });
}
