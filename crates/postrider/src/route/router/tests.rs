use super::*;
use proptest::prelude::*;

fn event(type_id: u16, subaccount: u32) -> Entry {
    Entry {
        len: 8,
        type_id,
        subaccount,
        ..Entry::default()
    }
}

fn selection(types: &[u16], scope: Scope) -> Arc<Selection> {
    Arc::new(Selection {
        types: types.iter().copied().collect(),
        scope,
    })
}

fn route(router: &mut Router, base: u64, events: &[Entry]) -> Vec<(u32, u64, u32)> {
    let mut runs = Vec::new();
    router.route(
        Run::empty(base, Instant(0), 0),
        events.iter().copied(),
        |slot, run| {
            assert_eq!(run.bytes, run.count * 10);
            runs.push((slot, run.first, run.count));
        },
    );
    runs.sort_unstable();
    runs
}

#[test]
fn a_frame_that_is_wanted_whole_is_one_run() {
    let mut router = Router::new([(3, selection(&[1, 2, 5], Scope::all()))]);
    let events = [event(1, 0), event(2, 9), event(1, 4)];
    assert_eq!(route(&mut router, 100, &events), [(3, 100, 3)]);
}

#[test]
fn a_part_is_as_many_runs_as_it_has_gaps() {
    let mut router = Router::new([(0, selection(&[1], Scope::all()))]);
    let events = [1, 1, 2, 1, 2, 2, 1, 1].map(|t| event(t, 0));
    assert_eq!(
        route(&mut router, 10, &events),
        [(0, 10, 2), (0, 13, 1), (0, 16, 2)]
    );
}

#[test]
fn runs_do_not_leak_into_the_next_frame() {
    let mut router = Router::new([(0, selection(&[1], Scope::all()))]);
    assert_eq!(
        route(&mut router, 0, &[event(2, 0), event(1, 0)]),
        [(0, 1, 1)]
    );
    assert_eq!(route(&mut router, 2, &[event(2, 0)]), []);
    assert_eq!(
        route(&mut router, 3, &[event(1, 0), event(2, 0)]),
        [(0, 3, 1)]
    );
}

#[test]
fn a_type_beyond_the_limit_is_wanted_by_nobody() {
    let mut router = Router::new([
        (0, selection(&[1], Scope::all())),
        (1, selection(&[1], Scope::One(0))),
    ]);
    let events = [event(0xFFFF, 0), event(1, 0)];
    assert_eq!(route(&mut router, 0, &events), [(0, 1, 1), (1, 1, 1)]);
}

#[test]
fn a_webhook_that_selects_nothing_gets_nothing() {
    let mut router = Router::new([(0, Arc::new(Selection::nothing()))]);
    assert!(router.wanted().is_empty());
    assert_eq!(route(&mut router, 0, &[event(1, 0)]), []);
}

fn any_scope() -> impl Strategy<Value = Scope> {
    prop_oneof![
        Just(Scope::all()),
        Just(Scope::Primary),
        prop::collection::vec(0u32..4, 1..3).prop_map(|except| Scope::All {
            except: except.into()
        }),
        (0u32..4).prop_map(Scope::One),
    ]
}

proptest! {
    /// Each webhook gets just the events that its selection wants, each once, in order.
    #[test]
    fn routing_agrees_with_asking_event_by_event(
        webhooks in prop::collection::vec(
            (prop::collection::vec(1u16..6, 0..5), any_scope()), 0..6),
        frames in prop::collection::vec(
            prop::collection::vec((1u16..6, 0u32..4), 0..20), 0..5),
    ) {
        let selections: Vec<_> =
            webhooks.into_iter().map(|(types, scope)| selection(&types, scope)).collect();
        let mut router = Router::new((0..).zip(selections.iter().cloned()));
        let (mut base, mut got) = (0, vec![Vec::new(); selections.len()]);
        let mut expected = got.clone();
        for frame in frames {
            let events: Vec<_> = frame.into_iter().map(|(t, sub)| event(t, sub)).collect();
            for (offset, entry) in (base..).zip(&events) {
                for (want, selection) in expected.iter_mut().zip(&selections) {
                    if selection.wants(entry.type_id, entry.subaccount) {
                        want.push(offset);
                    }
                }
            }
            router.route(Run::empty(base, Instant(0), 0), events.iter().copied(), |slot, run| {
                got[slot as usize].extend(run.first..run.end());
            });
            base += events.len() as u64;
        }
        prop_assert_eq!(got, expected);
    }
}
