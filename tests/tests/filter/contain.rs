//! Filters that misbehave in a call: what becomes of the events, and of the filter.

use postrider::filter::{Fate, FilterSpec, OnFailure, State};
use postrider_tests::filters::{Host, Modules, event};

/// Calls in a row that trip a breaker.
const TRIPS: usize = 5;

/// With `x_provoke`, as it was given.
fn provoke(value: &str) -> String {
    event("x_provoke", value)
}

fn assert_goes_on(host: &Host, name: &str) {
    assert_eq!(host.one(&event("x_drop", "1")).0, Fate::Dropped);
    assert_eq!(host.one(&event("x_any", "1")).0, Fate::Live);
    assert_eq!(host.status(name).state, State::Running);
}

#[test]
fn the_policy_decides_what_becomes_of_failed_events() {
    let Some(modules) = Modules::new() else {
        return;
    };
    for (module, policy, fate) in [
        ("open", OnFailure::Open, Fate::Live),
        ("closed", OnFailure::Closed, Fate::Held),
        ("disable", OnFailure::Disable, Fate::Live),
    ] {
        let host = Host::with(vec![modules.spec(module)]);
        // What the filter did to other events of a batch that failed does not stay either.
        let lines = [provoke("1"), event("x_drop", "1")];
        let after = host.run(&lines);
        for (line, (got, text)) in lines.iter().zip(&after) {
            assert_eq!(*got, fate, "{module}");
            assert!(
                text.contains(&line[line.find("\"event_id\"").unwrap()..]),
                "{text}"
            );
        }
        let status = host.status(module);
        assert_eq!(status.policy, Some(policy));
        let (passed, held) = if fate == Fate::Held { (0, 2) } else { (2, 0) };
        assert_eq!(
            (status.stats.passed, status.stats.held),
            (passed, held),
            "{module}"
        );
        assert_eq!(status.stats.dropped.len(), 0);
        assert_eq!(status.stats.failed_calls, 1);

        // The operator's word counts more than the filter's.
        let spec = FilterSpec {
            on_failure: Some(OnFailure::Closed),
            ..modules.spec(module)
        };
        assert_eq!(Host::with(vec![spec]).one(&provoke("1")).0, Fate::Held);
    }
}

#[test]
fn strange_verdicts_and_refused_changes_are_failures() {
    let Some(modules) = Modules::new() else {
        return;
    };
    for (module, value, why) in [
        (
            "bad_verdict",
            "",
            "process() answered 7, which is no verdict",
        ),
        ("emits_too_many", "", "the host refused it with status -15"),
        ("oversized", "large", "a change was refused with status -15"),
        ("oversized", "utf8", "a change was refused with status -14"),
        ("oversized", "kind", "a change was refused with status -12"),
        ("oversized", "null", "a change was refused with status -12"),
        ("oversized", "tag", "a change was refused with status -15"),
        (
            "oversized",
            "negative tag",
            "a change was refused with status -15",
        ),
        (
            "oversized",
            "negative drop",
            "a change was refused with status -15",
        ),
        (
            "oversized",
            "negative fail",
            "a change was refused with status -15",
        ),
        (
            "oversized",
            "negative emit",
            "the host refused it with status -15",
        ),
        (
            "oversized",
            "no value",
            "a change was refused with status -12",
        ),
    ] {
        let host = Host::with(vec![modules.spec(module)]);
        let (fate, text) = host.one(&provoke(value));
        assert_eq!(fate, Fate::Held, "{module} {value}");
        assert!(
            text.contains(&format!(r#""x_provoke":"{value}""#)),
            "{text}"
        );
        let last = host.status(&module.replace('_', "-")).stats.last_failure;
        assert_eq!(last.as_deref(), Some(why), "{module} {value}");
        assert_goes_on(&host, &module.replace('_', "-"));
    }
}

/// Every other call fails, so it never trips; the operator's log must not fill with it.
#[test]
fn what_is_said_of_failures_has_a_limit() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let host = Host::with(vec![modules.spec("bad_verdict")]);
    for _ in 0..400 {
        host.one(&provoke("1"));
        host.one(&event("x_any", "1"));
    }
    let status = host.status("bad-verdict");
    assert_eq!(status.stats.failed_calls, 400);
    assert_eq!(status.state, State::Running);
    // Should a minute end meanwhile, a hundred more may be said.
    assert!(
        (100..400).contains(&host.said().len()),
        "{}",
        host.said().len()
    );
}

#[test]
fn one_that_says_it_is_broken_is_not_called_again() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let host = Host::with(vec![modules.spec("breaks")]);
    assert_eq!(host.one(&provoke("1")).0, Fate::Held);
    assert_eq!(host.one(&event("x_drop", "1")).0, Fate::Held);
    let status = host.status("breaks");
    assert_eq!((status.state, status.stats.calls), (State::Broken, 1));
    host.filters
        .set(host.filters.specs(), Some("breaks"))
        .unwrap();
    assert_goes_on(&host, "breaks");
}

#[test]
fn calls_out_of_turn_do_nothing_and_are_counted() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let host = Host::with(vec![modules.spec("out_of_turn")]);
    let (fate, _) = host.one(&provoke("now"));
    assert_eq!(fate, Fate::Live, "another thread dropped it");
    let stats = host.status("out-of-turn").stats;
    assert_eq!((stats.out_of_turn, stats.failed_calls), (1, 1));
    let said = host.said();
    assert!(
        said.iter()
            .any(|l| l.ends_with("called the host 1 times out of turn")),
        "{said:?}"
    );

    // One that keeps the batch for later finds its turn over, or that of another thread.
    assert_eq!(host.one(&provoke("later")).0, Fate::Live);
    while host.status("out-of-turn").stats.out_of_turn < 2 {
        assert_eq!(host.one(&event("x_any", "1")).0, Fate::Live);
    }
}

#[test]
fn one_that_is_slow_trips_and_its_policy_speaks_for_it() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let spec = FilterSpec {
        budget_us: 1,
        ..modules.spec("sleeps")
    };
    let host = Host::with(vec![spec.clone()]);
    for _ in 0..TRIPS {
        assert_eq!(host.one(&provoke("1")).0, Fate::Live, "slow, but done");
    }
    let status = host.status("sleeps");
    assert_eq!(status.state, State::Tripped);
    assert_eq!((status.stats.slow_calls, status.stats.calls), (5, 5));
    assert!(status.stats.time_ns > 5 * 50_000_000, "{status:?}");
    assert_eq!(
        host.one(&event("x_drop", "1")).0,
        Fate::Held,
        "tripped: not called"
    );
    assert_eq!(host.status("sleeps").stats.calls, 5);

    let spec = FilterSpec {
        on_failure: Some(OnFailure::Disable),
        ..spec
    };
    let host = Host::with(vec![spec]);
    for _ in 0..TRIPS {
        host.one(&provoke("1"));
    }
    assert_eq!(host.status("sleeps").state, State::Disabled);
    assert_eq!(host.one(&event("x_drop", "1")).0, Fate::Live);
}

#[test]
fn a_call_that_never_returns_is_given_up_with_its_thread() {
    let Some(modules) = Modules::new() else {
        return;
    };
    for module in ["never_returns", "emits_endlessly"] {
        let lost = FilterSpec {
            timeout_ms: 100,
            ..modules.spec(module)
        };
        let host = Host::with(vec![modules.spec("good"), lost, modules.spec("traces")]);
        let lines = [provoke("1"), event("x_drop", "1")];
        let fates: Vec<Fate> = host.run(&lines).into_iter().map(|(fate, _)| fate).collect();
        assert_eq!(fates, [Fate::Held, Fate::Dropped], "{module}");
        let name = module.replace('_', "-");
        let status = host.status(&name);
        assert_eq!((status.state, status.stats.calls), (State::Lost, 1));
        // The filters before it and behind it go on.
        assert_eq!(host.one(&event("x_drop", "1")).0, Fate::Dropped);
        assert_eq!(host.one(&event("x_any", "1")).0, Fate::Held);
        assert_eq!(host.status("traces").state, State::Running);
        host.filters.set(host.filters.specs(), Some(&name)).unwrap();
        assert_eq!(
            host.one(&event("x_any", "1")).0,
            Fate::Live,
            "{module} was reloaded"
        );
    }
}

#[test]
fn with_an_open_policy_events_go_on_past_one_that_is_lost() {
    let Some(modules) = Modules::new() else {
        return;
    };
    let lost = FilterSpec {
        timeout_ms: 100,
        on_failure: Some(OnFailure::Open),
        ..modules.spec("never_returns")
    };
    let host = Host::with(vec![lost, modules.spec("traces")]);
    let (fate, text) = host.one(&provoke("1"));
    assert_eq!(fate, Fate::Live);
    assert!(text.contains(r#""x_trace":"?""#), "{text}");
    assert_eq!(host.status("never-returns").stats.passed, 1);
}
