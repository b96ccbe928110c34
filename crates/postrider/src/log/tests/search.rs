//! What a search must look at: never too little, and not much too much.

use super::*;
use crate::log::index::index_path;
use std::ops::Range;

/// An event as a search meets it: a recipient of its own, one of some campaigns, at its own second.
fn letter(n: u64) -> (Entry, String) {
    let text = format!(
        r#"{{"msys":{{"message_event":{{"type":"delivery","rcpt_to":"User{n}@example.com","campaign_id":"spring sale-{}","message_id":"m{n}","raw":"{}"}}}}}}"#,
        n / 10_000,
        "x".repeat((n % 50) as usize),
    );
    let entry = Entry {
        time_ms: START_MS + n * 1000,
        type_id: if n < 10_000 { 2 } else { 1 },
        ..entry(0, text.as_bytes())
    };
    (entry, text)
}

/// A log kept for search: three segments, of which two are indexed.
fn written() -> (Rig, LogWriter, Arc<Log>, u64) {
    let mut rig = Rig::uncached();
    rig.config.segment_bytes = 2 * SEGMENT;
    rig.config.max_bytes = 64 * SEGMENT;
    rig.config.keep = Duration::from_secs(864_000);
    let (mut writer, log, _) = rig.open();
    let mut n = 0;
    while log.stats().segments < 3 {
        let mut frame = writer.frame();
        for _ in 0..500 {
            let (entry, text) = letter(n);
            assert!(frame.push(&entry, &[text.as_bytes(), SEPARATOR].concat()));
            n += 1;
        }
        writer.append(&mut frame).unwrap();
    }
    log.maintain().unwrap();
    (rig, writer, log, n)
}

fn size(found: &[Range<u64>]) -> u64 {
    found.iter().map(|r| r.end - r.start).sum()
}

fn only(mut found: Vec<Range<u64>>) -> Range<u64> {
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn key(field: &str, value: &str) -> Search {
    let key = Key::whole(field, value).or_else(|| Key::word(field, value));
    Search {
        keys: vec![vec![key.unwrap()]],
        ..Search::default()
    }
}

#[test]
fn a_value_is_looked_for_only_where_it_can_be() {
    let (_rig, _writer, log, end) = written();
    let active = end - log.segments()[2].base_offset;
    let mut looked_at = 0;
    for n in (0..end).step_by(397) {
        let found = log.candidates(&key("rcpt_to", &format!("user{n}@EXAMPLE.com")), 0);
        assert!(found.iter().any(|r| r.contains(&n)), "{n} is in {found:?}");
        assert!(found.is_sorted_by_key(|r| r.start));
        looked_at += size(&found) - active;
    }
    let searches = (0..end).step_by(397).count() as u64;
    let mean = looked_at / searches;
    assert!(mean < end / 4, "{mean} of {end} events are looked at");
    let nobody = log.candidates(&key("message_id", "nobody"), 0);
    assert!(size(&nobody) - active < end / 4);
}

#[test]
fn words_times_types_and_subaccounts_narrow_it() {
    let (_rig, _writer, log, end) = written();
    let active = log.segments()[2].base_offset;
    let sale = log.candidates(&key("campaign_id", "SALE"), 0);
    assert_eq!(only(sale), 0..end, "every campaign has this word");
    let by = |search: Search| {
        let found = log.candidates(&search, 0);
        let (last, others) = found.split_last().unwrap();
        assert_eq!(last.end, end, "what is not indexed is always looked at");
        (others.to_vec(), last.start)
    };
    let types = Search {
        types: vec![5],
        ..Search::default()
    };
    assert_eq!(by(types), (vec![], active));
    let subaccounts = Search {
        subaccounts: vec![4],
        ..Search::default()
    };
    assert_eq!(by(subaccounts), (vec![], active));
    let early = Search {
        times_ms: Some(START_MS..START_MS + 10_000),
        ..Search::default()
    };
    let (found, last) = by(early);
    assert_eq!((found.len(), found[0].start, last), (1, 0, active));
    assert!(found[0].end < active, "not even the whole first segment");
    assert_eq!(only(log.candidates(&Search::default(), 77)), 77..end);
}

#[test]
fn every_filter_of_a_search_has_its_summary() {
    let mut rig = Rig::uncached();
    rig.config.keep = Duration::from_secs(864_000);
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    let rare = r#""bounce_class":"10","ab_test_version":"3","batch_id":"b1","error_type":"schema","reason":"550 no such user","mailbox_provider":"Small Mail","mailbox_provider_region":"Europe - UK","rcpt_to":"a@rare.example","friendly_from":"S <s@news.shop.example>","sending_ip":7"#;
    push(
        &mut frame,
        0,
        &format!(r#"{{"msys":{{"message_event":{{{rare}}}}}}}"#),
    );
    writer.append(&mut frame).unwrap();
    let mut next = 1;
    while log.stats().segments < 3 {
        append(&mut writer, next..next + 1000);
        next += 1000;
    }
    log.maintain().unwrap();
    let active = log.segments()[2].base_offset;
    let searched = |key: Option<Key>| {
        let keys = vec![vec![key.expect("one that summaries know")]];
        let search = Search {
            keys,
            ..Search::default()
        };
        let found = log.candidates(&search, 0);
        let found = found.into_iter().filter(|range| range.start < active);
        found.collect::<Vec<_>>()
    };
    let (mut looked_at, mut searches) = (0, 0);
    for key in [
        Key::whole("bounce_class", "10"),
        Key::whole("ab_test_version", "3"),
        Key::whole("batch_id", "B1"),
        Key::whole("error_type", "schema"),
        Key::word("reason", "user"),
        Key::word("mailbox_provider", "small"),
        Key::word("mailbox_provider_region", "UK"),
        Key::word("rcpt_to", "rare"),
        Key::word("friendly_from", "shop"),
        // A number: its text is not looked at, and so it may be anything.
        Key::whole("sending_ip", "7"),
    ] {
        let found = searched(key);
        assert!(found.first().is_some_and(|r| r.contains(&0)), "{key:?}");
        looked_at += size(&found);
        searches += 1;
    }
    // The rare event's own stretch, and now and then one that only might have it.
    assert!(
        looked_at < searches * active / 2,
        "{looked_at} in {searches} searches"
    );
}

#[test]
fn a_summary_that_does_not_check_out_rules_nothing_out() {
    let (rig, _writer, log, _) = written();
    let search = key("rcpt_to", "user10@example.com");
    let good = log.candidates(&search, 0);
    let index = index_path(&rig.files("seg")[0]);
    let whole = std::fs::read(&index).unwrap();
    rig.edit(&index, |b| {
        let half = b.len() / 2;
        b[half..].iter_mut().for_each(|b| *b = !*b);
    });
    let found = log.candidates(&search, 0);
    assert!(found[0].contains(&10) && size(&found) >= size(&good));
    std::fs::write(&index, &whole[..whole.len() / 2]).unwrap();
    assert!(log.candidates(&search, 0)[0].contains(&10));
    std::fs::remove_file(&index).unwrap();
    let found = log.candidates(&search, 0);
    assert!(found[0].contains(&10) && found[0].end >= log.segments()[0].end_offset);
}

#[test]
fn an_escaped_value_is_not_missed() {
    let mut rig = Rig::uncached();
    rig.config.keep = Duration::from_secs(864_000);
    let (mut writer, log, _) = rig.open();
    let mut frame = writer.frame();
    push(
        &mut frame,
        0,
        r#"{"msys":{"message_event":{"rcpt_to":"\u0061@b.example"}}}"#,
    );
    writer.append(&mut frame).unwrap();
    let mut next = 1;
    while log.stats().segments < 2 {
        append(&mut writer, next..next + 1000);
        next += 1000;
    }
    log.maintain().unwrap();
    let found = log.candidates(&key("rcpt_to", "a@b.example"), 0);
    assert!(found[0].contains(&0));
}

#[test]
fn a_log_in_memory_names_all_it_has() {
    let (mut writer, log, _) = open(LogConfig::in_memory(), 0).unwrap();
    append(&mut writer, 0..10);
    assert_eq!(only(log.candidates(&Search::default(), 3)), 3..10);
}
