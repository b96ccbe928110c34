//! Ids of a forked child and of its parent: a real fork.

use std::collections::HashSet;
use std::io::{Read, Write, pipe};

use super::NOW;
use crate::event::{Encoder, EventId, Schema, types};

const EACH: usize = 200;

#[test]
fn a_forked_child_never_repeats_its_parents_ids() {
    let schema = Schema::new(false);
    let mut encoder = Encoder::new();
    let before = encoder
        .typed(&schema, types::DELIVERY, &[], NOW)
        .unwrap()
        .event_id;
    let mut ids = HashSet::from([digits(before)]);
    for _ in 0..2 {
        let (mut read, mut write) = pipe().unwrap();
        // SAFETY: the child allocates nothing and takes no lock before it leaves by `_exit`.
        let child = unsafe { libc::fork() };
        assert!(child >= 0, "fork");
        if child == 0 {
            for _ in 0..EACH {
                let sent = match encoder.typed(&schema, types::DELIVERY, &[], NOW) {
                    Ok(encoded) => write.write_all(encoded.event_id.as_str().as_bytes()),
                    Err(_) => break,
                };
                if sent.is_err() {
                    break;
                }
            }
            // SAFETY: ends this process at once, without handlers of the test program.
            unsafe { libc::_exit(0) };
        }
        drop(write);
        let mut sent = Vec::new();
        read.read_to_end(&mut sent).unwrap();
        // SAFETY: waits for the child made above.
        unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
        let (sent, rest) = sent.as_chunks::<19>();
        assert_eq!((sent.len(), rest.len()), (EACH, 0));
        for id in sent {
            assert!(ids.insert(*id), "the child repeats an id");
        }
        for _ in 0..EACH {
            let id = encoder
                .typed(&schema, types::DELIVERY, &[], NOW)
                .unwrap()
                .event_id;
            assert!(ids.insert(digits(id)), "the parent repeats an id");
        }
    }
}

fn digits(id: &EventId) -> [u8; 19] {
    *id.as_str().as_bytes().first_chunk().unwrap()
}
