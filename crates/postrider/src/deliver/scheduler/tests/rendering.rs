//! Batches that go through filters of their webhook before the first attempt.

use super::*;

/// A world whose webhook 1 has filters of its own.
fn filtered(pace: Pace) -> World {
    let mut world = World::new();
    world.filtered = true;
    world.put(1, 1, pace, wants(&[1]));
    world
}

fn puts() -> [(u8, u32, Pace, Selection); 1] {
    [(1, 1, pace(), wants(&[1]))]
}

const FILE: Uuid = Uuid::from_bytes([7; 16]);

/// All events of the batch, as a filter changed them.
fn changed(events: u32) -> Made {
    Made {
        file: FILE,
        events,
        bytes: events * 20,
        ..Made::default()
    }
}

fn redact() -> Reason {
    Reason::named("filter:redact")
}

impl World {
    /// The only batch with filters comes back from them.
    fn made(&mut self, made: impl Into<Option<Made>>) -> Uuid {
        assert_eq!(self.rendering.len(), 1, "{:?}", self.rendering);
        let batch = self.rendering.remove(0).batch;
        self.scheduler.rendered(batch, made.into(), self.now);
        self.turn();
        batch
    }
}

#[test]
fn a_batch_is_rendered_before_its_first_attempt_and_every_attempt_sends_that() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    assert!(
        world.flying.is_empty(),
        "nothing goes out as the log has it"
    );
    let batch = world.made(changed(5));
    let rendered = Some((FILE, 0..5));
    assert_eq!(world.single().rendered, rendered);
    let at = |wanted: fn(&Record) -> bool| world.journal.iter().position(wanted).unwrap();
    let before = at(|r| matches!(r, Record::Rendered { .. }));
    assert!(before < at(|r| matches!(r, Record::Attempt { .. })));

    world.answer_all(503);
    world.pass(S(30));
    let again = world.single();
    assert_eq!((again.batch, again.rendered), (batch, rendered.clone()));
    assert!(world.rendering.is_empty(), "once");

    let mut world = world.restart(settings(), &puts());
    let again = world.single();
    assert_eq!((again.batch, again.rendered), (batch, rendered));
    world.answer_all(200);
    let books = world.books(1);
    assert_eq!((books.accepted, books.delivered), (5, 5));
    assert_eq!(world.scheduler.state().rendered_files().count(), 0);
}

#[test]
fn what_filters_leave_alone_goes_out_as_the_log_has_it() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    world.made(None);
    assert_eq!(world.single().rendered, None);
    world.answer_all(503);
    world.pass(S(30));
    assert_eq!(world.single().rendered, None);
    assert!(world.rendering.is_empty(), "what has gone out is settled");
}

#[test]
fn dropped_and_added_events_are_in_the_books() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    let dropped = vec![(redact(), 3), (Reason::named("filter:sample"), 1)];
    world.made(Made {
        added: 2,
        dropped,
        ..changed(3)
    });
    let books = world.books(1);
    assert_eq!((books.accepted, books.pending), (7, 3));
    assert_eq!(world.dropped(1, redact()), 3);
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 3);

    world.push(&[1; 2]);
    world.made(Made {
        dropped: vec![(redact(), 2)],
        ..Made::default()
    });
    assert!(world.flying.is_empty(), "nothing is left to send");
    let books = world.books(1);
    assert_eq!(
        (books.open_batches, books.pending, books.in_flight),
        (0, 0, 0)
    );
    assert_eq!(world.dropped(1, redact()), 5);
}

#[test]
fn held_events_are_a_dead_letter_that_goes_through_the_filters_when_it_is_replayed() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    let batch = world.made(Made {
        held: vec![Span { first: 1, count: 2 }],
        held_bytes: 20,
        ..changed(3)
    });
    assert_eq!(world.books(1).dead, 2);
    let letter = world.dead().remove(0);
    assert_eq!(letter.reason, Reason::HELD);
    assert_eq!(letter.start.spans, [Span { first: 1, count: 2 }]);
    assert_eq!(letter.start.batch, Uuid::new_v5(&batch, b"held"));
    world.answer_all(200);
    let (_, pins) = world.scheduler.needs();
    let held = 1..3;
    assert_eq!(pins, [held], "the log keeps what is held, and nothing else");

    let mut world = world.restart(settings(), &puts());
    assert_eq!(replay(&mut world, letter.start.batch), 1);
    assert_eq!(world.rendering[0].spans, letter.start.spans);
    world.made(changed(2));
    world.answer_all(200);
    let books = world.books(1);
    assert_eq!((books.accepted, books.delivered, books.dead), (5, 5, 0));
}

#[test]
fn a_crash_while_a_batch_is_with_the_filters_renders_it_anew_under_its_id() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    let before = world.rendering[0].clone();
    let world = world.restart(settings(), &puts());
    assert_eq!(world.rendering, [before]);
    assert!(world.flying.is_empty());
}

#[test]
fn a_webhook_whose_batch_is_with_the_filters_delays_no_other() {
    let mut world = filtered(Pace {
        in_flight: 1,
        ..pace()
    });
    world.filtered = false;
    world.put(2, 1, pace(), wants(&[1]));
    world.push(&[1; 5]);
    assert_eq!(world.single().webhook, hook(2));
    world.answer_all(200);
    world.push(&[1; 5]);
    assert_eq!(world.single().webhook, hook(2));
    assert_eq!(world.rendering.len(), 1, "its own next batch waits");
    assert_eq!(world.books(1).pending, 10);
}

#[test]
fn a_rendered_batch_that_is_too_big_is_split_between_rendered_events() {
    let mut world = filtered(pace());
    world.push(&[1; 6]);
    let parent = world.made(Made {
        added: 1,
        ..changed(7)
    });
    world.answer_all(413);
    let mut world = world.restart(settings(), &puts());
    let parts: Vec<_> = world.flying.iter().map(|a| a.rendered.clone()).collect();
    assert_eq!(parts, [Some((FILE, 0..4)), Some((FILE, 4..7))]);
    assert_eq!(world.flying[0].batch, Uuid::new_v5(&parent, b"0"));
    let right = world.flying[1].clone();
    world.answer(&right, 413);
    let parts: Vec<_> = world.flying.iter().map(|a| a.rendered.clone()).collect();
    let quarters = [(FILE, 0..4), (FILE, 4..6), (FILE, 6..7)];
    assert_eq!(parts, quarters.map(Some));
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 7);
}

#[test]
fn halves_of_a_rendered_batch_keep_their_order() {
    let mut world = filtered(Pace {
        ordered: true,
        ..pace()
    });
    world.push(&[1; 4]);
    world.made(changed(4));
    world.push(&[1; 4]);
    world.answer_all(413);
    let mut sent = Vec::new();
    for _ in 0..2 {
        let attempt = world.single();
        sent.push(attempt.rendered.clone());
        world.answer(&attempt, 200);
    }
    assert_eq!(sent, [Some((FILE, 0..2)), Some((FILE, 2..4))]);
    world.made(changed(4));
    assert_eq!(offsets(&world.single()), [4, 5, 6, 7]);
}

#[test]
fn a_replayed_letter_sends_the_bytes_that_it_sent_whatever_filters_there_are_by_now() {
    let dead = |world: &mut World| {
        world.answer_all(503);
        world.pass(S(24 * 3600));
        world.answer_all(503);
        world.dead().remove(0)
    };
    // Rendered, and without filters now.
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    world.made(changed(5));
    let letter = dead(&mut world);
    world.filtered = false;
    let mut world = world.restart(settings(), &puts());
    replay(&mut world, letter.start.batch);
    assert_eq!(world.single().rendered, Some((FILE, 0..5)));
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 5);
    // As the log has it, and with filters now.
    world.push(&[1; 5]);
    let letter = dead(&mut world);
    world.filtered = true;
    let mut world = world.restart(settings(), &puts());
    replay(&mut world, letter.start.batch);
    let world = world.restart(settings(), &puts());
    assert_eq!(world.single().rendered, None);
}

#[test]
fn a_rendered_batch_holds_nothing_in_the_log() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    let unread = 0..5;
    assert_eq!(
        world.scheduler.needs().1,
        [unread],
        "its events are to be read yet"
    );
    world.made(changed(5));
    let (floor, pins) = world.scheduler.needs();
    assert_eq!((floor, pins.len()), (5, 0));
    assert!(
        !world.scheduler.relieve(5, world.now),
        "nothing is in the way"
    );
}

#[test]
fn without_space_for_renderings_a_webhook_waits_and_dead_letters_make_room() {
    let mut world = filtered(Pace {
        give_up_after: Some(S(60)),
        ..pace()
    });
    world.push(&[1; 5]);
    world.made(changed(5));
    world.answer_all(503);
    world.pass(S(120));
    world.answer_all(503);
    assert_eq!(world.dead().len(), 1);
    world.scheduler.may_render(false);
    world.push(&[1; 5]);
    assert!(world.rendering.is_empty());
    assert!(world.scheduler.forget_rendered(1));
    assert!(!world.scheduler.forget_rendered(1), "there is no other");
    world.collect();
    assert_eq!((world.dead().len(), world.books(1).dead), (0, 5));
    world.scheduler.may_render(true);
    world.pass(S(120));
    assert_eq!(world.rendering.len(), 1);
}

#[test]
fn what_can_not_be_rendered_is_tried_again_and_what_the_log_lost_is_left_out() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    let batch = world.rendering.remove(0).batch;
    world
        .scheduler
        .not_rendered(batch, "the disk is full".into(), world.now);
    world.turn();
    assert!(matches!(world.notices.last(), Some(Notice::Held { .. })));
    assert!(world.rendering.is_empty());
    world.pass(S(1));
    assert_eq!(world.rendering[0].batch, batch);

    world.rendering.clear();
    let lost = [Span { first: 2, count: 1 }];
    let (now, events) = (world.now, &mut world.events);
    world
        .scheduler
        .unrenderable(batch, &lost, Reason::MISSING, events, now);
    world.turn();
    assert_eq!(world.dropped(1, Reason::MISSING), 1);
    world.made(changed(4));
    world.answer_all(200);
    assert_eq!(world.books(1).delivered, 4);
}

#[test]
fn a_batch_that_ends_while_it_is_with_the_filters_is_forgotten() {
    let mut world = filtered(pace());
    world.push(&[1; 5]);
    world.scheduler.delete(hook(1), true, world.now);
    world.turn();
    assert_eq!(world.dropped(1, Reason::PURGED), 5);
    world.made(changed(5));
    assert!(world.flying.is_empty());
    assert_eq!(world.books(1).pending, 0);
}
