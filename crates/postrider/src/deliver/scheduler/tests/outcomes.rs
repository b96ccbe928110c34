//! A webhook's own table of what answers mean, and its own time to give up.

use super::*;
use crate::deliver::settings::Terms;
use crate::webhook::WebhookSpec;
use serde_json::json;

/// A webhook with this table.
fn world(table: serde_json::Value) -> World {
    let body = json!({"name": "n", "target": "http://example.com/", "events": ["delivery"],
        "outcomes": table});
    let spec = WebhookSpec::from_json(&body, |_| true).unwrap();
    let mut world = World::new();
    let terms = Terms {
        pace: pace(),
        outcomes: spec.outcomes,
        filtered: false,
    };
    world
        .scheduler
        .put(hook(1), 1, terms, wants(&[1]), world.now);
    world.turn();
    world
}

#[test]
fn an_answer_can_be_a_success() {
    let mut world = world(json!({"409": "success"}));
    world.push(&[1; 10]);
    world.answer_all(409);
    assert_eq!(world.books(1).delivered, 10);
}

#[test]
fn an_answer_can_end_a_batch_at_once_and_that_puts_no_target_down() {
    let mut world = world(json!({"4xx": "dead", "429": "retry"}));
    for _ in 0..10 {
        world.push(&[1; 10]);
        world.answer_all(404);
    }
    assert_eq!(world.books(1).dead, 100);
    assert!(
        world
            .dead()
            .iter()
            .all(|letter| letter.reason == Reason::REJECTED)
    );
    assert_eq!(world.books(1).activity.condition, Condition::Up);
    world.push(&[1; 10]);
    world.answer_all(429);
    assert_eq!((world.books(1).dead, world.books(1).pending), (100, 10));
}

#[test]
fn an_answer_can_disable() {
    let mut world = world(json!({"404": "disable", "410": "retry"}));
    world.push(&[1; 10]);
    world.answer_all(410);
    assert_eq!(world.books(1).activity.condition, Condition::Up);
    world.pass(S(30));
    world.answer_all(404);
    let activity = world.books(1).activity;
    assert_eq!(activity.condition, Condition::Disabled);
    assert_eq!(activity.why.as_deref(), Some("404"));
}

#[test]
fn an_answer_that_is_retried_by_the_table_splits_nothing() {
    let mut world = world(json!({"413": "retry"}));
    world.push(&[1; 10]);
    let batch = world.single().batch;
    world.answer_all(413);
    assert!(world.flying.is_empty());
    world.pass(S(30));
    assert_eq!(world.single().batch, batch);
}

#[test]
fn a_webhook_can_give_up_sooner_than_the_others() {
    let own = Pace {
        give_up_after: Some(S(100)),
        ..pace()
    };
    let mut world = World::one(own);
    world.put(2, 1, pace(), wants(&[1]));
    world.push(&[1; 10]);
    world.answer_all(503);
    world.pass(S(30));
    world.answer_all(503);
    world.pass(S(70));
    world.answer_all(503);
    assert_eq!((world.books(1).dead, world.books(2).dead), (10, 0));
}

#[test]
fn a_backlog_gives_up_at_its_own_age_while_its_target_is_down() {
    let mut world = World::one(Pace {
        give_up_after: Some(S(3600)),
        ..pace()
    });
    for _ in 0..20 {
        world.push(&[1; 10]);
    }
    world.answer_all(503);
    while world.books(1).dead == 0 {
        world.pass(S(60));
        world.answer_all(503);
    }
    assert!(world.now.unix_ms - START_MS >= 3_600_000);
    world.pass(S(120));
    world.answer_all(503);
    world.pass(S(120));
    assert_eq!((world.books(1).dead, world.books(1).pending), (200, 0));
}
