//! Where the members of the header's structs are. The same numbers stand in `tests/c/header.c`,
//! which a C and a C++ compiler check.

use std::mem::{offset_of, size_of};

use crate::api::ApiRequest;
use crate::buffer::Buffer;
use crate::field::{Field, FieldValue};
use crate::push::PushWish;
use crate::stats::Stats;

const _: () = {
    assert!(size_of::<Field>() == 32);
    assert!(offset_of!(Field, id) == 0);
    assert!(offset_of!(Field, kind) == 2);
    assert!(offset_of!(Field, name_length) == 4);
    assert!(offset_of!(Field, reserved) == 6);
    assert!(offset_of!(Field, name) == 8);
    assert!(offset_of!(Field, value) == 16);
    assert!(offset_of!(Field, length) == 24);
    assert!(size_of::<FieldValue>() == 8);

    assert!(size_of::<PushWish>() == 16);
    assert!(offset_of!(PushWish, level) == 8);
    assert!(offset_of!(PushWish, timeout_ms) == 12);

    assert!(size_of::<ApiRequest>() == 56);
    assert!(offset_of!(ApiRequest, method) == 8);
    assert!(offset_of!(ApiRequest, path) == 16);
    assert!(offset_of!(ApiRequest, headers) == 24);
    assert!(offset_of!(ApiRequest, body) == 32);
    assert!(offset_of!(ApiRequest, body_length) == 40);
    assert!(offset_of!(ApiRequest, flags) == 48);
    assert!(offset_of!(ApiRequest, timeout_ms) == 52);

    assert!(size_of::<Buffer>() == 16);
    assert!(offset_of!(Buffer, length) == 8);

    assert!(offset_of!(Stats, push_taken) == 8);
    assert!(offset_of!(Stats, queue_bytes) == 72);
    assert!(offset_of!(Stats, webhook_offset) == 104);
    assert!(offset_of!(Stats, webhook_pending) == 152);
    assert!(size_of::<Stats>() == 160);
};
