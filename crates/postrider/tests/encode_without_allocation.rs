//! An encoder allocates when it is made, never again: a push must not meet the allocator's lock.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use postrider::event::{Encoder, Event, Schema, fields, types};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does the work; counting touches a plain thread-local.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn encoding_allocates_nothing() {
    let schema = Schema::new(true);
    let mut encoder = Encoder::new();
    let names: Vec<String> = (0..200).map(|i| format!("x_{i}")).collect();
    let mut event = Event::new(types::DELIVERY)
        .str(fields::SUBJECT, "tab\tand \"quotes\"")
        .int(fields::MSG_SIZE, 1337)
        .double(fields::QUEUE_TIME, 0.5)
        .json(fields::RCPT_META, r#"{"a":{"b":[1,"\u00e9",null]}}"#);
    for name in &names {
        event = event.str(name.as_str(), "own");
    }
    let json = br#"{"rcpt\u005fto":"a@b","x_\n":1,"rcpt_tags":["a","b"],"type":"delivery"}"#;
    let line = br#"{"msys":{"message_event":{"rcpt_to":"a@b","type":"delivery"}}}"#;

    let before = ALLOCATIONS.get();
    for _ in 0..10 {
        encoder
            .typed(&schema, event.ty(), event.fields(), 1)
            .unwrap();
        encoder.json(&schema, types::DELIVERY, json, 1).unwrap();
        encoder.line(&schema, line, 1).unwrap();
    }
    assert_eq!(ALLOCATIONS.get(), before);
    std::hint::black_box(Box::new(1));
    assert_eq!(ALLOCATIONS.get(), before + 1, "the count counts");
}
