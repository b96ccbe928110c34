//! The classifier over the labelled replies: prints the confusion table, and holds the share that is right.

use postrider_filter_bounce_classify::Classifier;
use std::collections::{BTreeMap, BTreeSet};

/// Of a hundred replies, so many get the class that a person gave them.
const RIGHT_PERCENT: usize = 95;

#[test]
fn most_replies_get_the_class_that_a_person_gave_them() {
    let text = include_str!("replies.tsv");
    let classifier = Classifier::with(&[]).unwrap();
    let mut table: BTreeMap<(u8, u8), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [class, who, reply]: [&str; 3] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        assert!(seen.insert(reply), "twice: {reply}");
        let expected: u8 = class.parse().unwrap();
        let got = classifier.judge(reply, None).class;
        *table.entry((expected, got)).or_default() += 1;
        if got != expected {
            wrong.push(format!("{expected} as {got}: {who}: {reply}"));
        }
    }
    let total: usize = table.values().sum();
    let right: usize = table
        .iter()
        .filter(|((e, g), _)| e == g)
        .map(|(_, n)| n)
        .sum();
    println!("{}", confusion(&table));
    println!("{right} of {total} right; wrong:\n{}", wrong.join("\n"));
    assert!(total >= 300, "{total} replies");
    assert!(
        right * 100 >= total * RIGHT_PERCENT,
        "{right} of {total} right:\n{}",
        wrong.join("\n")
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
