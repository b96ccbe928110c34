//! Signatures on what really goes out.

use super::*;
use crate::auth::{self, Verifier};
use crate::time::Clock as _;
use crate::webhook::SigningKey;
use receiver::Post;

const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";

fn signed(url: &str, revision: u32, keys: &[&str]) -> Webhook {
    let keys = keys
        .iter()
        .map(|text| SigningKey::given(text).expect("a key"));
    Webhook {
        revision,
        signing_keys: keys.collect(),
        ..webhook(1, url)
    }
}

fn is_signed(post: &Post, key: &str) -> bool {
    let header = |name| post.header(name).unwrap_or_default();
    assert_eq!(header(auth::ID), post.batch());
    let verifier = Verifier::parse(key).expect("a key");
    let (id, time, signatures) = (
        header(auth::ID),
        header(auth::TIMESTAMP),
        header(auth::SIGNATURE),
    );
    let now_ms = SystemClock.now().unix_ms;
    let verified = verifier.verify(id, time, signatures, post.body.as_bytes(), now_ms);
    verified.is_ok()
}

#[test]
fn a_batch_of_many_slices_is_signed_as_it_goes_out_and_so_is_the_test_post() {
    let receiver = Receiver::start(Some(200));
    let hook = signed(&receiver.url(), 1, &[OLD, NEW]);
    let mut half = Half::in_memory(std::slice::from_ref(&hook));
    half.deliverer
        .test_post(&hook, b"[{\"msys\":{}}]".to_vec())
        .expect("200");
    for _ in 0..5 {
        half.push(40);
    }
    let events = |posts: &[Post]| {
        posts
            .iter()
            .skip(1)
            .map(|post| post.events().len())
            .sum::<usize>()
    };
    for post in receiver.wait(|posts| events(posts) == 200) {
        assert!(
            is_signed(&post, OLD) && is_signed(&post, NEW),
            "{}",
            post.head
        );
    }
}

/// What was formed before a key was replaced is tried again with the keys that are good now.
#[test]
fn a_retry_is_signed_anew_with_the_present_keys() {
    let receiver = Receiver::start(Some(503));
    let mut half = Half::in_memory(&[signed(&receiver.url(), 1, &[OLD])]);
    half.push(1);
    let first = receiver.wait(|posts| !posts.is_empty())[0].clone();
    assert!(is_signed(&first, OLD) && !is_signed(&first, NEW));
    half.deliverer
        .put_webhook(signed(&receiver.url(), 2, &[NEW]))
        .expect("put");
    let seen = receiver.wait(|_| true).len();
    // The one behind the next left after the change for certain.
    let posts = receiver.wait(|posts| posts.len() > seen + 1);
    let last = posts.last().expect("posts");
    assert_eq!((last.batch(), &last.body), (first.batch(), &first.body));
    assert!(is_signed(last, NEW) && !is_signed(last, OLD));
    receiver.answer(Some(200));
    receiver.wait_for(1);
}
