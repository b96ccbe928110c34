//! The classifier over labelled replies: prints a confusion table for each part, and holds the share that is right.
//!
//! `replies.tsv` was written from memory, by the hand that wrote the rules. `published.tsv` was read on public pages afterwards;
//! a third of it, chosen by a hash of the text, is held out: no rule was made or changed by looking at that.

use postrider_filter_bounce_classify::Classifier;
use std::collections::{BTreeMap, BTreeSet};

struct Reply {
    class: u8,
    /// Whose it is, or the page where it was read.
    source: &'static str,
    text: &'static str,
}

fn replies(file: &'static str) -> Vec<Reply> {
    let mut seen = BTreeSet::new();
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [class, source, text] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            assert!(seen.insert(text), "twice: {text}");
            Reply {
                class: class.parse().unwrap(),
                source,
                text,
            }
        })
        .collect()
}

/// FNV-1a, a third of it.
fn held_out(reply: &Reply) -> bool {
    let hash = reply
        .text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash ^ hash >> 32) % 3 == 0
}

/// Of a hundred replies, so many get the class that a person gave them. Those that do not are listed where `listed`.
fn right_percent(what: &str, replies: &[Reply], listed: bool) -> usize {
    let classifier = Classifier::with(&[]).unwrap();
    let mut table: BTreeMap<(u8, u8), usize> = BTreeMap::new();
    let mut right = 0;
    println!("\n{what}");
    for reply in replies {
        let got = classifier.judge(reply.text, None).class;
        *table.entry((reply.class, got)).or_default() += 1;
        right += usize::from(got == reply.class);
        if listed && got != reply.class {
            println!("{} as {got}: {}: {}", reply.class, reply.source, reply.text);
        }
    }
    println!("{}", confusion(&table));
    println!("{right} of {} right", replies.len());
    right * 100 / replies.len()
}

#[test]
fn replies_get_the_class_that_a_person_gave_them() {
    let remembered = replies(include_str!("replies.tsv"));
    let published = replies(include_str!("published.tsv"));
    let in_both = |r: &&Reply| remembered.iter().any(|known| known.text == r.text);
    assert_eq!(published.iter().filter(in_both).count(), 0);
    let (held, seen): (Vec<Reply>, Vec<Reply>) = published.into_iter().partition(held_out);
    assert!(seen.len() + held.len() >= 300);
    let remembered = right_percent("from memory", &remembered, true);
    let seen = right_percent("published", &seen, true);
    // Not listed, so that nobody makes a rule by looking.
    let held = right_percent("published, held out", &held, false);
    assert!(
        remembered >= 95 && seen >= 95 && held >= 65,
        "{remembered} {seen} {held}"
    );
}

/// A row for each class that a person gave, a column for each that was found.
fn confusion(table: &BTreeMap<(u8, u8), usize>) -> String {
    let classes: BTreeSet<u8> = table.keys().flat_map(|&(e, g)| [e, g]).collect();
    let mut out = String::from("     ");
    for class in &classes {
        out += &format!("{class:>4}");
    }
    for expected in &classes {
        out += &format!("\n{expected:>4} ");
        for got in &classes {
            match table.get(&(*expected, *got)) {
                Some(n) => out += &format!("{n:>4}"),
                None => out += "   .",
            }
        }
    }
    out
}
