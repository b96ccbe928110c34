//! Tokens: fetched when needed, renewed ahead of time, waited for, and blamed once.

use super::*;

const SOURCE: u64 = 77;

/// A world with one webhook that needs a token.
fn world() -> World {
    let mut world = World::one(pace());
    world.scheduler.authenticate(hook(1), Some(SOURCE));
    world.turn();
    world
}

/// The same with a token that is good for an hour and has been accepted.
fn proved() -> World {
    let mut world = world();
    world.push(&[1]);
    world.token(Fetched::Token(Some(S(3600))));
    world.answer_all(200);
    world
}

impl World {
    /// Ends the only token request under way.
    fn token(&mut self, fetched: Fetched) -> bool {
        assert_eq!(self.fetching.len(), 1, "{:?}", self.fetching);
        let fetch = self.fetching.remove(0);
        let taken = self.scheduler.fetched(fetch, fetched, self.now);
        self.turn();
        taken
    }

    fn attempts(&self, batch: Uuid) -> u32 {
        self.scheduler
            .state()
            .batch(batch)
            .map_or(0, |open| open.attempts)
    }
}

fn no_token(code: &str) -> Fetched {
    Fetched::Failed {
        code: code.into(),
        words: "it did not work".into(),
        retry_after: None,
    }
}

#[test]
fn nothing_goes_out_before_there_is_a_token_and_one_is_fetched_for_all() {
    let mut world = world();
    assert!(world.fetching.is_empty(), "an idle webhook needs none");
    world.push(&[1; 30]);
    assert_eq!((world.fetching.len(), world.flying.len()), (1, 0));
    world.push(&[1; 30]);
    assert_eq!((world.fetching.len(), world.flying.len()), (1, 0));
    assert_eq!(
        world.books(1).open_batches,
        0,
        "nothing is formed meanwhile"
    );
    assert!(world.token(Fetched::Token(None)));
    assert_eq!(world.flying.len(), 4);
}

#[test]
fn a_token_is_renewed_ahead_of_its_end_while_the_old_one_serves() {
    let mut world = proved();
    world.pass(S(3500));
    assert!(world.fetching.is_empty(), "an idle webhook renews nothing");
    world.push(&[1]);
    assert!(world.fetching.is_empty());
    world.answer_all(200);
    world.pass(S(50));
    world.push(&[1]);
    assert_eq!((world.fetching.len(), world.flying.len()), (1, 1));
    world.answer_all(200);
    // The renewal fails: the old token still serves, to its end.
    world.token(no_token("503"));
    world.push(&[1]);
    assert_eq!(world.flying.len(), 1);
    world.answer_all(200);
    world.pass(S(50));
    world.push(&[1]);
    assert_eq!((world.fetching.len(), world.flying.len()), (1, 0));
}

#[test]
fn a_refused_token_is_replaced_and_the_batch_goes_out_again_at_once() {
    for status in [400, 401] {
        let mut world = proved();
        world.push(&[1; 3]);
        let first = world.single();
        world.answer(&first, status);
        assert_eq!(
            (world.fetching.len(), world.flying.len()),
            (1, 0),
            "{status}"
        );
        world.token(Fetched::Token(Some(S(3600))));
        let again = world.single();
        assert_eq!((again.batch, &again.spans), (first.batch, &first.spans));
        world.answer(&again, 200);
        assert_eq!(world.books(1).delivered, 4);
        let history = world.scheduler.state().batch_status(hook(1), 10, false);
        assert_eq!((history[0].failed, history[0].delivered), (1, true));
    }
}

#[test]
fn all_batches_in_the_air_are_excused_by_one_renewal() {
    let mut world = proved();
    world.push(&[1; 40]);
    assert_eq!(world.flying.len(), 4);
    world.answer_all(401);
    assert_eq!((world.fetching.len(), world.flying.len()), (1, 0));
    assert_eq!(world.books(1).activity.condition, Condition::Up);
    world.token(Fetched::Token(None));
    while !world.flying.is_empty() {
        world.answer_all(200);
    }
    assert!(world.fetching.is_empty());
    assert_eq!(world.books(1).delivered, 41);
}

#[test]
fn a_refusal_with_a_fresh_token_is_a_failure_and_asks_for_no_other_at_once() {
    let mut world = world();
    world.push(&[1]);
    world.token(Fetched::Token(None));
    world.answer_all(401);
    assert!(world.fetching.is_empty() && world.flying.is_empty());
    world.pass(S(29));
    assert!(world.fetching.is_empty());
    world.pass(S(1));
    assert_eq!(
        (world.fetching.len(), world.flying.len()),
        (1, 0),
        "a 401 ends the token"
    );
    world.token(Fetched::Token(None));
    world.answer_all(401);
    world.pass(S(60));
    world.token(Fetched::Token(None));
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 1);
}

/// What is put down to the token neither counts towards bisection nor speeds up the schedule.
#[test]
fn a_poisonous_batch_is_found_by_its_refusals_alone() {
    let mut world = proved();
    world.push(&[1]);
    let poison = world.single().batch;
    world.answer_all(400);
    world.token(Fetched::Token(None));
    for pause in [30, 60] {
        world.answer_all(400);
        assert!(world.fetching.is_empty(), "once per token and batch");
        // Another batch proves the token, and that the receiver is well.
        world.push(&[1]);
        world.answer_all(200);
        world.pass(S(pause - 1));
        assert!(world.flying.is_empty(), "{pause}");
        world.pass(S(1));
        assert_eq!(world.single().batch, poison);
    }
    assert!(world.dead().is_empty());
    world.answer_all(400);
    let dead = world.dead();
    assert_eq!((dead.len(), dead[0].reason.clone()), (1, Reason::POISON));
    assert_eq!(dead[0].attempts, 4, "three refusals, and the excused one");
}

#[test]
fn a_token_endpoint_that_fails_is_tried_on_the_schedule_and_seen() {
    let mut world = world();
    world.push(&[1; 3]);
    for (spacing, code) in [(30, "401"), (60, "ECONNREFUSED"), (120, "503")] {
        world.token(no_token(code));
        let history = world.scheduler.state().batch_status(hook(1), 10, false);
        assert_eq!(history.len(), 1, "one batch stands for all that wait");
        assert_eq!(history[0].code, format!("ERR_TOKEN_{code}"));
        assert_eq!(world.attempts(history[0].batch), 0);
        world.pass(S(spacing - 1));
        assert!(world.fetching.is_empty(), "before {spacing} s");
        world.pass(S(1));
        assert_eq!((world.fetching.len(), world.flying.len()), (1, 0));
    }
    let told = world
        .notices
        .iter()
        .filter(|n| matches!(n, Notice::NoToken { .. }));
    assert_eq!(told.count(), 1, "once per outage");
    world.token(Fetched::Token(None));
    assert_eq!(world.attempts(world.single().batch), 1);
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 3);
}

#[test]
fn without_a_token_age_runs_and_what_is_too_old_is_given_up() {
    let mut world = world();
    world.push(&[1; 25]);
    for _ in 0..8 * 60 + 2 {
        if !world.fetching.is_empty() {
            world.token(no_token("500"));
        }
        world.pass(S(60));
    }
    assert!(world.flying.is_empty());
    let books = world.books(1);
    assert_eq!((books.dead, books.pending), (25, 0), "{books:?}");
    assert!(world.dead().iter().all(|letter| letter.attempts == 0));
}

#[test]
fn what_the_token_endpoint_asks_for_is_waited() {
    let mut world = world();
    world.push(&[1]);
    world.token(Fetched::Failed {
        code: "429".into(),
        words: "slowly".into(),
        retry_after: Some(S(600)),
    });
    world.pass(S(599));
    assert!(world.fetching.is_empty());
    world.pass(S(1));
    assert_eq!(world.fetching.len(), 1);
}

#[test]
fn changed_settings_want_a_new_token_and_unchanged_ones_keep_it() {
    let mut world = proved();
    world.scheduler.authenticate(hook(1), Some(SOURCE));
    world.push(&[1]);
    assert_eq!((world.fetching.len(), world.flying.len()), (0, 1));
    world.answer_all(200);

    world.scheduler.authenticate(hook(1), Some(SOURCE + 1));
    world.push(&[1]);
    assert_eq!((world.fetching.len(), world.flying.len()), (1, 0));
    world.scheduler.authenticate(hook(1), Some(SOURCE + 2));
    assert!(
        !world.token(Fetched::Token(None)),
        "from a source that is no more"
    );
    assert_eq!((world.fetching.len(), world.flying.len()), (1, 0));
    world.scheduler.authenticate(hook(1), None);
    world.turn();
    assert_eq!(world.flying.len(), 1, "none is needed any more");
}

#[test]
fn a_webhook_that_is_held_or_gone_fetches_nothing() {
    let mut world = world();
    world.scheduler.pause(hook(1), world.now);
    world.push(&[1]);
    world.pass(S(3600));
    assert!(world.fetching.is_empty());
    world.scheduler.resume(hook(1), world.now);
    world.turn();
    assert_eq!(world.fetching.len(), 1);
    world.scheduler.delete(hook(1), true, world.now);
    world.turn();
    assert!(!world.token(Fetched::Token(None)));
}
