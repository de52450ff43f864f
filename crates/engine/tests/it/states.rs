//! The life of one order: the whole transition table, and what must hold however it is walked.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use engine::orders::{Event, Next, State, order::NOT_FOUND_MAX};
use expect_test::expect;
use market::Nanos;
use market::venue::{Outcome, RejectReason, RequestKind};
use proptest::prelude::*;

use crate::rig::cases;

/// When every event of this file happens; states of before were entered at zero.
const NOW: Nanos = Nanos(5);
const OUTCOMES: [Outcome; 4] =
    [Outcome::Filled, Outcome::Canceled, Outcome::Expired, Outcome::Rejected];
const REQUESTS: [RequestKind; 3] = [RequestKind::Place, RequestKind::Amend, RequestKind::Cancel];
const REASONS: [RejectReason; 13] = [
    RejectReason::WouldTake,
    RejectReason::WouldNotFill,
    RejectReason::ReduceOnly,
    RejectReason::Margin,
    RejectReason::Filter,
    RejectReason::PriceBand,
    RejectReason::TooManyOrders,
    RejectReason::RateLimit,
    RejectReason::DuplicateId,
    RejectReason::UnknownOrder,
    RejectReason::NoChange,
    RejectReason::Unavailable,
    RejectReason::Other,
];

fn states() -> Vec<State> {
    let sent_at = Nanos::ZERO;
    let doubt = |not_found| State::InDoubt { since: Nanos::ZERO, not_found };
    let pending = [
        State::PendingNew { sent_at },
        State::Live,
        State::PendingAmend { sent_at },
        State::PendingCancel { sent_at },
    ];
    let doubts = (0..NOT_FOUND_MAX).map(doubt);
    pending.into_iter().chain(doubts).chain(OUTCOMES.map(State::Done)).collect()
}

/// Everything a venue can say.
fn answers() -> Vec<Event> {
    let plain = [
        Event::Ack,
        Event::PartlyFilled,
        Event::Filled,
        Event::Amended,
        Event::Canceled,
        Event::Expired,
        Event::EndedShort,
        Event::FoundOpen,
        Event::NotFound,
    ];
    let rejects = REQUESTS
        .into_iter()
        .flat_map(|request| REASONS.map(|reason| Event::Reject(request, reason)));
    plain.into_iter().chain(OUTCOMES.map(Event::FoundClosed)).chain(rejects).collect()
}

/// Everything that can happen.
fn events() -> Vec<Event> {
    let ours = [Event::Doubt, Event::CancelSent, Event::AmendSent];
    answers().into_iter().chain(ours).collect()
}

fn word(state: State) -> String {
    match state {
        State::PendingNew { .. } => "new".to_owned(),
        State::Live => "live".to_owned(),
        State::PendingAmend { .. } => "amend".to_owned(),
        State::PendingCancel { .. } => "cancel".to_owned(),
        State::InDoubt { not_found, .. } => format!("doubt{not_found}"),
        State::Done(outcome) => format!("{outcome:?}").to_lowercase(),
    }
}

fn row(event: Event) -> String {
    let mut row = String::new();
    for state in states() {
        let cell = match state.on(NOW, event) {
            Next::To(next) => word(next),
            Next::Stay => ".".to_owned(),
            Next::Anomaly(next) => format!("!{}", word(next)),
        };
        write!(row, " {cell:<9}").unwrap();
    }
    row.trim_end().to_owned()
}

/// Refusals of one kind of request, reasons of equal effect in one row.
fn rejects(request: RequestKind) -> Vec<(String, String)> {
    let mut rows: Vec<(Vec<RejectReason>, String)> = Vec::new();
    for reason in REASONS {
        let effect = row(Event::Reject(request, reason));
        match rows.iter_mut().find(|(_, other)| *other == effect) {
            Some((reasons, _)) => reasons.push(reason),
            None => rows.push((vec![reason], effect)),
        }
    }
    let name = |reasons: &[RejectReason]| match reasons {
        [one] => format!("{one:?}"),
        many if many.len() == REASONS.len() => "any reason".to_owned(),
        many => format!("{} others", many.len()),
    };
    rows.into_iter()
        .map(|(reasons, effect)| (format!("Reject {request:?}, {}", name(&reasons)), effect))
        .collect()
}

#[test]
fn the_whole_table() {
    let mut table = format!("{:<28}", "");
    for state in states() {
        write!(table, " {:<9}", word(state)).unwrap();
    }
    table = format!("{}\n", table.trim_end());
    let plain = events().into_iter().filter(|event| !matches!(event, Event::Reject(..)));
    let plain = plain.map(|event| (format!("{event:?}"), row(event)));
    for (name, effect) in plain.chain(REQUESTS.into_iter().flat_map(rejects)) {
        writeln!(table, "{name:<28}{effect}").unwrap();
    }
    expect![[r#"
                                     new       live      amend     cancel    doubt0    doubt1    doubt2    filled    canceled  expired   rejected
        Ack                          live      .         .         .         live      live      live      .         .         .         !doubt0
        PartlyFilled                 live      .         .         .         .         .         .         .         .         .         !doubt0
        Filled                       filled    filled    filled    filled    filled    filled    filled    filled    filled    filled    !filled
        Amended                      !live     .         live      .         live      live      live      .         .         .         !doubt0
        Canceled                     canceled  canceled  canceled  canceled  canceled  canceled  canceled  !filled   .         .         .
        Expired                      expired   expired   expired   expired   expired   expired   expired   !filled   .         .         .
        EndedShort                   doubt0    doubt0    doubt0    doubt0    .         .         .         doubt0    doubt0    doubt0    doubt0
        FoundOpen                    live      .         live      live      live      live      live      .         .         .         !doubt0
        NotFound                     .         doubt0    doubt0    doubt0    doubt1    doubt2    rejected  .         .         .         .
        FoundClosed(Filled)          filled    filled    filled    filled    filled    filled    filled    .         .         .         .
        FoundClosed(Canceled)        canceled  canceled  canceled  canceled  canceled  canceled  canceled  .         .         .         .
        FoundClosed(Expired)         expired   expired   expired   expired   expired   expired   expired   .         .         .         .
        FoundClosed(Rejected)        rejected  rejected  rejected  rejected  rejected  rejected  rejected  .         .         .         .
        Doubt                        doubt0    doubt0    doubt0    doubt0    .         .         .         .         .         .         .
        CancelSent                   cancel    cancel    cancel    .         cancel    cancel    cancel    .         .         .         .
        AmendSent                    amend     amend     .         .         .         .         .         .         .         .         .
        Reject Place, 12 others      rejected  !doubt0   !doubt0   rejected  rejected  rejected  rejected  !filled   !canceled !expired  .
        Reject Place, DuplicateId    doubt0    !doubt0   !doubt0   doubt0    .         .         .         !filled   !canceled !expired  .
        Reject Amend, 12 others      .         .         live      .         .         .         .         .         .         .         .
        Reject Amend, UnknownOrder   .         .         doubt0    .         .         .         .         .         .         .         .
        Reject Cancel, 12 others     .         .         .         live      .         .         .         .         .         .         .
        Reject Cancel, UnknownOrder  .         .         .         doubt0    .         .         .         .         .         .         .
    "#]].assert_eq(&table);
}

/// What an event leads to, and whether it was nonsense.
fn after(state: State, event: Event) -> (State, bool) {
    match state.on(NOW, event) {
        Next::To(next) => (next, false),
        Next::Stay => (state, false),
        Next::Anomaly(next) => (next, true),
    }
}

#[test]
fn only_nonsense_or_a_missing_fill_revives_an_order() {
    for outcome in OUTCOMES {
        for event in events() {
            let (next, anomaly) = after(State::Done(outcome), event);
            if next.is_exposed() {
                assert!(anomaly || event == Event::EndedShort, "{outcome:?} {event:?}");
                assert!(matches!(next, State::InDoubt { .. }), "revived, so its fate is unknown");
            }
        }
    }
}

#[test]
fn a_cancel_can_be_sent_from_every_exposed_state() {
    for state in states().into_iter().filter(|state| state.is_exposed()) {
        let (next, anomaly) = after(state, Event::CancelSent);
        assert!(matches!(next, State::PendingCancel { .. }) && !anomaly, "{state:?}");
    }
}

#[test]
fn what_the_venue_says_at_last_is_the_end() {
    let ends = [Event::Filled, Event::Canceled, Event::Expired];
    for state in states().into_iter().filter(|state| state.is_exposed()) {
        for end in ends.into_iter().chain(OUTCOMES.map(Event::FoundClosed)) {
            let (next, anomaly) = after(state, end);
            assert!(!next.is_exposed() && !anomaly, "{state:?} {end:?}");
        }
    }
}

/// A refused amendment or cancel, a time-out and a lagging query prove nothing about the order.
#[test]
fn no_single_unclear_answer_ends_an_order() {
    for state in states().into_iter().filter(|state| state.is_exposed()) {
        let last = state == State::InDoubt { since: Nanos::ZERO, not_found: NOT_FOUND_MAX - 1 };
        let unclear = events().into_iter().filter(|event| match event {
            Event::Reject(RequestKind::Amend | RequestKind::Cancel, _)
            | Event::Reject(RequestKind::Place, RejectReason::DuplicateId)
            | Event::EndedShort
            | Event::Doubt => true,
            Event::NotFound => !last,
            _ => false,
        });
        for event in unclear {
            let (next, _) = after(state, event);
            assert!(next.is_exposed(), "{state:?} {event:?}");
        }
    }
}

/// States apart from the times in them.
fn reachable(from: State, events: &[Event]) -> BTreeSet<String> {
    let (mut seen, mut open) = (BTreeSet::from([word(from)]), vec![from]);
    while let Some(state) = open.pop() {
        for event in events {
            let (next, _) = after(state, *event);
            if seen.insert(word(next)) {
                open.push(next);
            }
        }
    }
    seen
}

#[test]
fn every_state_is_reachable_and_none_is_a_trap() {
    let all: BTreeSet<String> = states().into_iter().map(word).collect();
    assert_eq!(reachable(State::PendingNew { sent_at: NOW }, &events()), all);
    for state in states().into_iter().filter(|state| state.is_exposed()) {
        let ends = OUTCOMES.map(|outcome| word(State::Done(outcome)));
        let reached = reachable(state, &answers());
        assert!(ends.iter().all(|end| reached.contains(end)), "{state:?} reaches {reached:?}");
    }
}

/// An order that nobody knows is given up, but only after it has been asked about often enough.
#[test]
fn not_found_ends_doubt_after_so_many_times() {
    let mut state = State::InDoubt { since: Nanos::ZERO, not_found: 0 };
    for _ in 1..NOT_FOUND_MAX {
        state = after(state, Event::NotFound).0;
        assert!(matches!(state, State::InDoubt { .. }));
    }
    assert_eq!(after(state, Event::NotFound).0, State::Done(Outcome::Rejected));
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn any_walk_stays_within_the_rules(
        walk in prop::collection::vec(prop::sample::select(events()), 1..60),
    ) {
        let mut state = State::PendingNew { sent_at: Nanos(0) };
        for (step, event) in walk.into_iter().enumerate() {
            let now = Nanos(step as u64 + 1);
            let (next, anomaly) = match state.on(now, event) {
                Next::To(next) => (next, false),
                Next::Stay => (state, false),
                Next::Anomaly(next) => (next, true),
            };
            if !state.is_exposed() && next.is_exposed() {
                prop_assert!(anomaly || event == Event::EndedShort);
            }
            if next != state {
                // A new state was entered now, whatever time it remembers.
                match next {
                    State::PendingNew { .. } => prop_assert!(false, "nothing becomes new again"),
                    State::PendingAmend { sent_at } | State::PendingCancel { sent_at } => {
                        prop_assert_eq!(sent_at, now);
                    }
                    State::InDoubt { since, not_found: 0 } => prop_assert_eq!(since, now),
                    State::InDoubt { since, .. } => prop_assert!(since < now),
                    State::Live | State::Done(_) => {}
                }
            }
            // A fill report never makes an order look more alive than before it was sent.
            if event == Event::Filled {
                prop_assert!(!next.is_exposed());
            }
            state = next;
        }
    }
}
