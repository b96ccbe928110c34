//! `Retry-After`: digits are seconds, anything else a date or nothing; a date that has passed is now.

#![no_main]

use libfuzzer_sys::fuzz_target;
use postrider::deliver::fuzzing::retry_after;
use std::time::Duration;

fuzz_target!(|input: (&str, u64)| {
    let (value, now_ms) = input;
    let read = retry_after(value, now_ms);
    if let Ok(seconds) = value.parse::<u32>()
        && value.bytes().all(|b| b.is_ascii_digit())
    {
        assert_eq!(read, Some(Duration::from_secs(seconds.into())));
    } else if let Some(wait) = read
        && value.contains(':')
    {
        // A date: as far away as it is, seen from any moment.
        let at = Duration::from_millis(now_ms) + wait;
        let earlier = now_ms / 2;
        let from_earlier = retry_after(value, earlier).expect("still a date");
        assert!(wait.is_zero() || Duration::from_millis(earlier) + from_earlier == at);
    }
});
