use super::*;
use crate::event::{Encoder, Schema, types};
use crate::log::{Key, LogConfig, LogWriter};
use std::sync::Arc;

const NOW: u64 = 1_700_000_000_000;

/// A log in memory, an event of each line in it, a frame for each slice.
fn log_of(frames: &[&[(u64, &str)]]) -> (LogWriter, Arc<Log>) {
    let (mut writer, log, _) = crate::log::open(LogConfig::in_memory(), 0).unwrap();
    for events in frames {
        append(&mut writer, events);
    }
    (writer, log)
}

fn append(writer: &mut LogWriter, events: &[(u64, &str)]) {
    let mut frame = writer.frame();
    let (mut encoder, schema) = (Encoder::new(), Schema::new(true));
    for (seconds, fields) in events {
        let line = format!("{{\"timestamp\":\"{seconds}\",{fields}}}");
        let encoded = encoder.line(&schema, line.as_bytes(), NOW).unwrap();
        assert!(frame.push(&encoded.entry, encoded.text_and_separator()));
    }
    writer.append(&mut frame).unwrap();
}

fn query() -> Query {
    Query {
        times_ms: 0..u64::MAX,
        types: vec![types::DELIVERY, types::BOUNCE],
        subaccounts: None,
        filters: Vec::new(),
        below: u64::MAX,
        skip: 0,
        limit: 100,
        count: true,
    }
}

fn offsets(log: &Log, query: &Query) -> Vec<u64> {
    let page = search(log, query).unwrap();
    page.hits.iter().map(|hit| hit.offset).collect()
}

const DELIVERY: &str = r#""type":"delivery","rcpt_to":"a@example.com","subaccount_id":7"#;
const BOUNCE: &str = r#""type":"bounce","rcpt_to":"b@example.com""#;

#[test]
fn what_fits_is_found_newest_first() {
    let (_writer, log) = log_of(&[&[(1, DELIVERY), (2, BOUNCE)], &[(3, DELIVERY)]]);
    assert_eq!(offsets(&log, &query()), [2, 1, 0]);
    let only = |change: &dyn Fn(&mut Query)| {
        let mut query = query();
        change(&mut query);
        offsets(&log, &query)
    };
    assert_eq!(only(&|q| q.types = vec![types::BOUNCE]), [1]);
    assert_eq!(only(&|q| q.times_ms = 1_000..3_000), [1, 0]);
    assert_eq!(only(&|q| q.times_ms = 1_001..u64::MAX), [2, 1]);
    assert_eq!(only(&|q| q.subaccounts = Some(vec![7])), [2, 0]);
    assert_eq!(only(&|q| q.subaccounts = Some(vec![0])), [1]);
    let to_b = || Filter::new(&["rcpt_to"], Match::Whole, ["B@example.com".to_owned()]);
    assert_eq!(only(&|q| q.filters = vec![to_b()]), [1]);
    let page = search(&log, &query()).unwrap();
    assert_eq!((page.found, page.complete, page.more), (3, true, false));
    assert!(page.hits[1].text.starts_with(b"{\"msys\":"));
}

#[test]
fn a_filter_asks_the_index_for_all_that_it_knows() {
    let keys = |fields: &'static [&'static str], how, values: &[&str]| {
        Filter::new(fields, how, values.iter().map(|v| (*v).to_owned())).keys()
    };
    let word = |field, word| Key::word(field, word).unwrap();
    // Of one value every word, of several a word each: the longest.
    let campaign: &[&str] = &["campaign_id"];
    let both = vec![
        vec![word("campaign_id", "summer")],
        vec![word("campaign_id", "of")],
    ];
    assert_eq!(keys(campaign, Match::Words, &["of Summer"]), both);
    assert_eq!(keys(campaign, Match::Whole, &["of-summer"]), both);
    let either = vec![vec![
        word("campaign_id", "summer"),
        word("campaign_id", "winter"),
    ]];
    assert_eq!(
        keys(campaign, Match::Words, &["of summer", "winter"]),
        either
    );
    // Of an address its domain.
    let domains = keys(
        &["recipient_domain", "rcpt_to"],
        Match::Domain,
        &["example.com"],
    );
    let of = |field| word(field, "example");
    assert_eq!(domains, [vec![of("recipient_domain"), of("rcpt_to")]]);
    // What the index does not know narrows nothing.
    assert!(keys(&["reason"], Match::Pattern, &["%x%"]).is_empty());
    assert!(keys(&["rcpt_to", "x_own"], Match::Whole, &["a"]).is_empty());
    assert!(keys(campaign, Match::Words, &["-"]).is_empty());
}

#[test]
fn pages_by_offset_show_each_event_once_though_others_arrive() {
    let frame: Vec<(u64, &str)> = (0..10).map(|n| (n, DELIVERY)).collect();
    let (mut writer, log) = log_of(&[&frame, &frame, &frame]);
    let mut query = query();
    query.limit = 7;
    let mut seen = Vec::new();
    loop {
        let page = search(&log, &query).unwrap();
        seen.extend(page.hits.iter().map(|hit| hit.offset));
        append(&mut writer, &frame);
        if !page.more {
            break;
        }
        query.below = page.next_below;
        query.count = false;
    }
    assert_eq!(seen, (0..30).rev().collect::<Vec<u64>>());
}

#[test]
fn pages_by_number_pass_over_the_ones_before() {
    let frame: Vec<(u64, &str)> = (0..10).map(|n| (n, DELIVERY)).collect();
    let (_writer, log) = log_of(&[&frame, &frame]);
    let mut query = query();
    query.limit = 6;
    let pages: Vec<Vec<u64>> = (0..5)
        .map(|n| {
            query.skip = n * 6;
            offsets(&log, &query)
        })
        .collect();
    assert_eq!(pages.concat(), (0..20).rev().collect::<Vec<u64>>());
    assert_eq!(
        pages.iter().map(Vec::len).collect::<Vec<_>>(),
        [6, 6, 6, 2, 0]
    );
    query.skip = 12;
    let page = search(&log, &query).unwrap();
    assert_eq!((page.found, page.complete, page.more), (20, true, true));
    assert!(page.hits.iter().all(Hit::is_fetched));
}

#[test]
fn more_is_told_exactly() {
    let (_writer, log) = log_of(&[&[(1, DELIVERY)], &[(1, BOUNCE)], &[(1, DELIVERY)]]);
    let mut query = query();
    query.limit = 2;
    query.types = vec![types::DELIVERY];
    assert!(!search(&log, &query).unwrap().more);
    query.limit = 1;
    assert!(search(&log, &query).unwrap().more);
}

#[test]
fn sealed_segments_are_searched_by_their_index_and_nothing_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig {
        dir: Some(dir.path().to_owned()),
        segment_bytes: 4 << 20,
        max_bytes: 1 << 30,
        keep: std::time::Duration::from_secs(1 << 30),
        ..LogConfig::in_memory()
    };
    let (mut writer, log, _) = crate::log::open(config, 0).unwrap();
    let filler = "x".repeat(4000);
    for n in 0..60_u64 {
        let line = |i: u64| {
            let n = n * 50 + i;
            format!(
                r#""type":"delivery","rcpt_to":"R{n}@example.com","campaign_id":"c-{n}","x_filler":"{filler}""#
            )
        };
        let lines: Vec<String> = (0..50).map(line).collect();
        let events: Vec<(u64, &str)> = lines.iter().map(|l| (n, l.as_str())).collect();
        append(&mut writer, &events);
        log.sync().unwrap();
        log.maintain().unwrap();
    }
    let indexed = log
        .segments()
        .iter()
        .filter(|s| s.contents.is_some())
        .count();
    assert!(indexed >= 2, "{indexed} segments have an index");
    for n in (0..3000_u64).step_by(97) {
        for (fields, how, value) in [
            (
                &["rcpt_to", "raw_rcpt_to"][..],
                Match::Whole,
                format!("r{n}@example.com"),
            ),
            (&["campaign_id"][..], Match::Words, format!("{n}")),
        ] {
            let mut query = query();
            query.filters = vec![Filter::new(fields, how, [value.clone()])];
            assert_eq!(offsets(&log, &query), [n], "{value}");
            let read: u64 = units(&log, &query, 3000)
                .iter()
                .map(|u| u.end - u.start)
                .sum();
            assert!(read < 3000, "{value}: every event would be read");
        }
    }
}
