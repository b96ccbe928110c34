//! Whole journals on a disk that can be cut off at any byte.

mod crash;
mod disk;
mod file;
mod fixture;
mod rendering;
mod state;

use super::*;
use uuid::Uuid;

fn id(n: u64) -> Uuid {
    Uuid::from_u64_pair(7, n)
}

fn span(first: u64, count: u32) -> Span {
    Span { first, count }
}

fn start(batch: u64, webhook: u64, spans: Vec<Span>) -> Record {
    Record::Start(BatchStart {
        batch: id(batch),
        webhook: id(webhook),
        revision: 3,
        scanned_to: spans.last().map_or(0, |s| s.end()),
        events: spans.iter().map(|s| s.count).sum(),
        bytes: 1000,
        last_written_ms: 50,
        formed_ms: 60,
        spans,
    })
}

fn outcome(batch: u64, at_ms: u64, result: Outcome) -> Record {
    Record::Outcome {
        batch: id(batch),
        at_ms,
        latency_ms: 12,
        result,
        next_at_ms: at_ms + 1000,
    }
}

fn failed(status: u16) -> Outcome {
    Outcome::Failed {
        status: Some(status).filter(|&s| s != 0),
        code: if status == 0 {
            "ECONNREFUSED".into()
        } else {
            "".into()
        },
    }
}

const OK: Outcome = Outcome::Delivered { status: 200 };

fn state_of(records: &[Record]) -> State {
    let mut state = State::default();
    records.iter().for_each(|record| state.apply(record));
    state
}
