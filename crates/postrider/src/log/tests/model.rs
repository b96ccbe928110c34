//! Random appends, releases and reopenings against a list.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;

#[derive(Clone, Debug)]
enum Step {
    /// So many events, each of so many bytes.
    Append(u64, usize),
    Reopen {
        above: u64,
    },
    Sync,
    Maintain,
    /// A floor and a pin, in thousandths of what was written.
    Release(u64, u64),
    Read {
        from: u64,
        budget: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u64..600, 1usize..3000).prop_map(|(n, len)| Step::Append(n, len)),
        1 => (0u64..50).prop_map(|above| Step::Reopen { above }),
        1 => Just(Step::Sync),
        1 => Just(Step::Maintain),
        1 => (0u64..1000, 0u64..1000).prop_map(|(floor, pin)| Step::Release(floor, pin)),
        3 => (0u64..1000, 0usize..4_000_000).prop_map(|(from, budget)| Step::Read { from, budget }),
    ]
}

fn body(offset: u64, len: usize) -> String {
    let mut text = format!("{offset}:");
    while text.len() < len {
        text.push((b'a' + (text.len() % 26) as u8) as char);
    }
    text
}

/// What webhooks need of all that was written. What they don't may be there or not.
fn needed(model: &BTreeMap<u64, usize>, floor: u64, pin: &Range<u64>) -> Vec<u64> {
    let all = model.keys().copied();
    all.filter(|o| *o >= floor || pin.contains(o)).collect()
}

proptest! {
    #![proptest_config(crate::cases(24))]

    #[test]
    fn the_log_is_a_list_of_events(steps in prop::collection::vec(step(), 1..60), cached in any::<bool>()) {
        let mut rig = Rig::new();
        if !cached {
            rig.config.tail_bytes = 0;
        }
        rig.config.max_bytes = 1 << 30;
        // Offset and length of each event ever; the text follows from both.
        let mut model = BTreeMap::new();
        let (mut floor, mut pin) = (0, 0..0);
        let (mut writer, mut log, _) = rig.open();
        for step in steps {
            let next = log.next_offset();
            match step {
                Step::Append(n, len) => {
                    let mut frame = writer.frame();
                    let mut left = n;
                    while left > 0 {
                        let base = log.next_offset();
                        while left > 0 {
                            let text = body(base + u64::from(frame.len()), len);
                            let bytes = [text.as_bytes(), SEPARATOR].concat();
                            if !frame.push(&entry(left, text.as_bytes()), &bytes) {
                                break;
                            }
                            left -= 1;
                        }
                        let appended = writer.append(&mut frame).unwrap();
                        prop_assert_eq!(appended.base_offset, base);
                        prop_assert!(appended.count > 0);
                        model.extend((base..appended.written_end).map(|o| (o, len)));
                    }
                }
                Step::Reopen { above } => {
                    drop((writer, log));
                    let report;
                    (writer, log, report) = open(rig.config.clone(), next + above).unwrap();
                    prop_assert!(!report.is_damaged());
                    prop_assert_eq!(report.next_offset, next + above);
                }
                Step::Sync => prop_assert_eq!(log.sync().unwrap(), next),
                Step::Maintain => {
                    log.maintain().unwrap();
                }
                Step::Release(to, pinned) => {
                    floor = floor.max(next * to / 1000);
                    // Only what is still there can be pinned.
                    let first = floor.min(next * pinned / 1000);
                    pin = if needed(&model, floor, &pin).contains(&first) { first..first + 1 } else { 0..0 };
                    log.release(floor, std::slice::from_ref(&pin));
                }
                Step::Read { from, budget } => {
                    let from = next * from / 1000;
                    let read = log.read(from, budget).unwrap();
                    let text: usize = read.iter().map(|f| f.bytes().len()).sum();
                    prop_assert!(read.len() <= 1 || text <= budget);
                    let mut seen = Vec::new();
                    for frame in &read {
                        for i in 0..frame.count() {
                            let offset = frame.base_offset() + u64::from(i);
                            let expected = body(offset, model[&offset]);
                            prop_assert_eq!(frame.text(i), expected.as_bytes());
                            seen.push(offset);
                        }
                    }
                    prop_assert!(seen.is_sorted());
                    // All that is needed is there, up to where the budget ended.
                    let end = read.last().map_or(u64::MAX, |f| f.end_offset());
                    let missing = needed(&model, floor, &pin).into_iter()
                        .find(|o| (from..end).contains(o) && seen.binary_search(o).is_err());
                    prop_assert_eq!(missing, None);
                }
            }
            let mut tables = Vec::new();
            log.tables(0, |t| {
                tables.extend(t.base_offset()..t.end_offset());
                true
            }).unwrap();
            prop_assert!(tables.is_sorted() && tables.iter().all(|o| model.contains_key(o)));
            let missing = needed(&model, floor, &pin).into_iter().find(|o| tables.binary_search(o).is_err());
            prop_assert_eq!(missing, None);
        }
    }
}
