//! Target against live orders: the fewest requests, and nothing for nothing.

use std::fmt::Write as _;
use std::time::Duration;

use engine::config::Requote;
use engine::orders::converge::{Action, Target, plan};
use engine::orders::{Order, State};
use expect_test::{Expect, expect};
use market::venue::Outcome;
use market::{ClientOrderId, Nanos, Price, Qty, Side, Ticks};
use proptest::prelude::*;
use quoting::Quote;

use crate::rig::{Rig, START, cases, config};

/// Orders were changed so long before now that they may move again.
const RESTED: Duration = Duration::from_secs(10);

fn rules() -> Requote {
    config().desks.remove(0).requote
}

fn order(sequence: u32, side: Side, price: i64, qty: u64, state: State) -> Order {
    Order {
        client_id: ClientOrderId { session: 1, sequence },
        venue_id: None,
        side,
        price: Price::new(price),
        qty: Qty::new(qty),
        amending: None,
        filled: Qty::ZERO,
        booked: Qty::ZERO,
        reduce_only: false,
        state,
        created: START - RESTED,
        changed: START - RESTED,
        heard: START - RESTED,
        asked: START - RESTED,
        fleeting: false,
        acked: true,
        fixed: false,
        ask_at: None,
    }
}

fn quote(text: &str) -> Quote {
    let (qty, price) = text.split_once('@').unwrap();
    Quote { price: Price::new(price.parse().unwrap()), qty: Qty::new(qty.parse().unwrap()) }
}

/// `live 10@100 filled 4`, `amend 10@100 to 10@99`, `live 10@100 young`; `s` for an ask.
fn parse_order(sequence: u32, text: &str) -> Order {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (side, words) = match words.as_slice() {
        ["s", rest @ ..] => (Side::Sell, rest),
        rest => (Side::Buy, rest),
    };
    let sent_at = START;
    let state = match words[0] {
        "new" => State::PendingNew { sent_at },
        "live" => State::Live,
        "amend" => State::PendingAmend { sent_at },
        "cancel" => State::PendingCancel { sent_at },
        "doubt" => State::InDoubt { since: START, not_found: 0 },
        "done" => State::Done(Outcome::Canceled),
        other => panic!("no state {other}"),
    };
    let terms = quote(words[1]);
    let mut order = order(sequence, side, terms.price.raw(), terms.qty.raw(), state);
    let mut rest = words[2..].iter();
    while let Some(word) = rest.next() {
        match *word {
            "filled" => order.filled = Qty::new(rest.next().unwrap().parse().unwrap()),
            "to" => {
                let terms = quote(rest.next().unwrap());
                order.amending = Some((terms.price, terms.qty));
            }
            "young" => order.changed = START,
            "fixed" => order.fixed = true,
            "reduce" => order.reduce_only = true,
            other => panic!("unknown word {other}"),
        }
    }
    order.booked = order.filled;
    order
}

fn show(action: &Action) -> String {
    match action {
        Action::Cancel(id) => format!("cancel #{}", id.sequence),
        Action::Amend { client_id, price, qty, away } => {
            let how = if *away { "away" } else { "closer" };
            format!("amend #{} to {qty:?}@{price:?} ({how})", client_id.sequence)
        }
        Action::Place(quote) => format!("place {:?}@{:?}", quote.qty, quote.price),
    }
}

/// What is planned for one side: wanted quotes, then orders, both separated by commas.
fn planned(target: &Target<'_>, orders: &str, rules: &Requote) -> String {
    let pieces = orders.split(',').map(str::trim).filter(|text| !text.is_empty());
    let orders: Vec<Order> = (1..).zip(pieces).map(|(n, text)| parse_order(n, text)).collect();
    let (actions, later) = plan(START, target, &orders, rules);
    let mut shown: Vec<String> = actions.iter().map(show).collect();
    if let Some(at) = later {
        shown.push(format!("again in {:?}", at.since(START)));
    }
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

/// Rows of `side | wanted | orders` with what is planned, at a tolerance of two ticks.
fn check(rules: &Requote, rows: &str, expected: Expect) {
    let mut table = String::new();
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let parts: Vec<&str> = row.split('|').map(str::trim).collect();
        let side = if parts[0].starts_with("bid") { Side::Buy } else { Side::Sell };
        let wanted = parts[1].split(',').map(str::trim).filter(|text| !text.is_empty());
        let quotes: Vec<Quote> = wanted.map(quote).collect();
        let reduce_only = parts[0].ends_with("reduce");
        let tolerance = Ticks::new(2);
        let target = Target { side, quotes: &quotes, reduce_only, tolerance, slack: tolerance };
        let plan = planned(&target, parts[2], rules);
        writeln!(table, "{row}\n    -> {plan}").unwrap();
    }
    expected.assert_eq(&table);
}

#[test]
fn close_enough_is_left_alone() {
    check(
        &rules(),
        "bid | 10@100 | live 10@100
         bid | 10@100 | live 10@98
         bid | 10@100 | live 10@97
         bid | 10@100 | live 10@102
         bid | 10@100 | live 10@103
         ask | 10@100 | s live 10@103
         ask | 10@100 | s live 10@97
         bid | 10@100 | live 8@100
         bid | 10@100 | live 7@100
         bid | 10@100 | live 12@100
         bid | 10@100 | live 13@100
         bid | 10@100 | live 7@101, live 10@99
         bid | 10@100, 10@99 | live 10@99, live 10@100
         bid | 10@100, 10@90, 10@80 | live 10@100, live 10@91, live 10@79",
        expect![[r#"
            bid | 10@100 | live 10@100
                -> nothing
            bid | 10@100 | live 10@98
                -> nothing
            bid | 10@100 | live 10@97
                -> amend #1 to 10@100 (closer)
            bid | 10@100 | live 10@102
                -> nothing
            bid | 10@100 | live 10@103
                -> amend #1 to 10@100 (away)
            ask | 10@100 | s live 10@103
                -> amend #1 to 10@100 (closer)
            ask | 10@100 | s live 10@97
                -> amend #1 to 10@100 (away)
            bid | 10@100 | live 8@100
                -> nothing
            bid | 10@100 | live 7@100
                -> amend #1 to 10@100 (closer)
            bid | 10@100 | live 12@100
                -> nothing
            bid | 10@100 | live 13@100
                -> amend #1 to 10@100 (away)
            bid | 10@100 | live 7@101, live 10@99
                -> cancel #1
            bid | 10@100, 10@99 | live 10@99, live 10@100
                -> nothing
            bid | 10@100, 10@90, 10@80 | live 10@100, live 10@91, live 10@79
                -> nothing
        "#]],
    );
}

#[test]
fn a_partly_filled_order_keeps_its_place() {
    check(
        &rules(),
        "bid | 10@100 | live 10@100 filled 9
         bid | 10@100 | live 10@103 filled 9
         bid | 10@100 | live 30@100 filled 10
         bid | 5@100  | live 10@100 filled 5
         bid | 4@100  | live 10@100 filled 5",
        expect![[r#"
            bid | 10@100 | live 10@100 filled 9
                -> nothing
            bid | 10@100 | live 10@103 filled 9
                -> amend #1 to 19@100 (away)
            bid | 10@100 | live 30@100 filled 10
                -> amend #1 to 20@100 (away)
            bid | 5@100  | live 10@100 filled 5
                -> nothing
            bid | 4@100  | live 10@100 filled 5
                -> nothing
        "#]],
    );
}

#[test]
fn moving_closer_waits_and_moving_away_does_not() {
    check(
        &rules(),
        "bid | 10@110 | live 10@100 young
         bid | 10@90  | live 10@100 young
         ask | 10@90  | s live 10@100 young
         ask | 10@110 | s live 10@100 young
         bid | 20@100 | live 10@100 young
         bid | 5@100  | live 10@100 young
         bid | 5@110  | live 10@100 young
         bid | 10@110, 10@90 | live 10@100 young, live 10@60 young",
        expect![[r#"
            bid | 10@110 | live 10@100 young
                -> again in 250ms
            bid | 10@90  | live 10@100 young
                -> amend #1 to 10@90 (away)
            ask | 10@90  | s live 10@100 young
                -> again in 250ms
            ask | 10@110 | s live 10@100 young
                -> amend #1 to 10@110 (away)
            bid | 20@100 | live 10@100 young
                -> again in 250ms
            bid | 5@100  | live 10@100 young
                -> amend #1 to 5@100 (away)
            bid | 5@110  | live 10@100 young
                -> amend #1 to 5@110 (away)
            bid | 10@110, 10@90 | live 10@100 young, live 10@60 young
                -> again in 250ms
        "#]],
    );
}

#[test]
fn what_is_too_many_or_too_few() {
    check(
        &rules(),
        "bid | 10@100 |
         bid | 10@100, 10@90 | live 10@100
         bid | 10@100 | live 10@100, live 10@100
         bid | 10@100 | live 10@90, live 10@80
         bid | 10@100 | s live 10@100
         bid | | live 10@100, live 10@90
         bid | | ",
        expect![[r#"
            bid | 10@100 |
                -> place 10@100
            bid | 10@100, 10@90 | live 10@100
                -> place 10@90
            bid | 10@100 | live 10@100, live 10@100
                -> cancel #2
            bid | 10@100 | live 10@90, live 10@80
                -> amend #1 to 10@100 (closer), cancel #2
            bid | 10@100 | s live 10@100
                -> place 10@100
            bid | | live 10@100, live 10@90
                -> cancel #1, cancel #2
            bid | |
                -> nothing
        "#]],
    );
}

#[test]
fn what_is_under_way_takes_the_place_of_a_rung() {
    check(
        &rules(),
        "bid | 10@100, 10@90 | new 10@91
         bid | 10@100, 10@90 | amend 10@50 to 10@99
         bid | 10@100, 10@90 | doubt 10@300
         bid | 10@100 | new 10@100, live 10@100
         bid | 10@100 | cancel 10@100
         bid | 10@100 | done 10@100
         bid | 10@100 | new 10@100, new 10@90, doubt 10@80",
        expect![[r#"
            bid | 10@100, 10@90 | new 10@91
                -> place 10@100
            bid | 10@100, 10@90 | amend 10@50 to 10@99
                -> place 10@90
            bid | 10@100, 10@90 | doubt 10@300
                -> place 10@90
            bid | 10@100 | new 10@100, live 10@100
                -> cancel #2
            bid | 10@100 | cancel 10@100
                -> place 10@100
            bid | 10@100 | done 10@100
                -> place 10@100
            bid | 10@100 | new 10@100, new 10@90, doubt 10@80
                -> nothing
        "#]],
    );
}

#[test]
fn an_empty_target_withdraws_everything_that_may_be_canceled() {
    check(
        &rules(),
        "bid | | new 10@100, live 10@99, amend 10@98 to 10@97
         bid | | cancel 10@100, done 10@99
         bid | | doubt 10@100
         ask | | s new 10@100, new 10@90, s live 10@110",
        expect![[r#"
            bid | | new 10@100, live 10@99, amend 10@98 to 10@97
                -> cancel #1, cancel #3, cancel #2
            bid | | cancel 10@100, done 10@99
                -> nothing
            bid | | doubt 10@100
                -> nothing
            ask | | s new 10@100, new 10@90, s live 10@110
                -> cancel #1, cancel #3
        "#]],
    );
}

#[test]
fn without_amendments_orders_are_canceled_and_placed() {
    check(
        &Requote { amend: false, ..rules() },
        "bid | 10@110 | live 10@100
         bid | 10@110 | live 10@100 young
         bid | 10@90  | live 10@100 young
         bid | 10@100 | live 10@99",
        expect![[r#"
            bid | 10@110 | live 10@100
                -> cancel #1, place 10@110
            bid | 10@110 | live 10@100 young
                -> again in 250ms
            bid | 10@90  | live 10@100 young
                -> cancel #1, place 10@90
            bid | 10@100 | live 10@99
                -> nothing
        "#]],
    );
    check(
        &rules(),
        "bid | 10@110 | live 10@100 fixed
         bid | 10@90  | live 10@100 fixed",
        expect![[r#"
            bid | 10@110 | live 10@100 fixed
                -> cancel #1, place 10@110
            bid | 10@90  | live 10@100 fixed
                -> cancel #1, place 10@90
        "#]],
    );
}

#[test]
fn reduce_only_orders_and_others_do_not_stand_in_for_each_other() {
    check(
        &rules(),
        "bid reduce | 10@100 | live 10@100
         bid reduce | 10@100 | live 10@100 reduce
         bid        | 10@100 | live 10@100 reduce
         bid reduce | 10@100 | new 10@100",
        expect![[r#"
            bid reduce | 10@100 | live 10@100
                -> cancel #1, place 10@100
            bid reduce | 10@100 | live 10@100 reduce
                -> nothing
            bid        | 10@100 | live 10@100 reduce
                -> cancel #1, place 10@100
            bid reduce | 10@100 | new 10@100
                -> nothing
        "#]],
    );
}

/// A plan holds so many requests; what does not fit is planned the next time.
#[test]
fn too_many_orders_are_withdrawn_in_turns() {
    let target = Target {
        side: Side::Buy,
        quotes: &[],
        reduce_only: false,
        tolerance: Ticks::ZERO,
        slack: Ticks::ZERO,
    };
    let mut orders: Vec<Order> = (1..=80).map(|n| order_of(n, Side::Buy, 1_000, 10)).collect();
    for round in [32, 32, 16, 0] {
        let (actions, _) = plan(START, &target, &orders, &rules());
        assert_eq!(actions.len(), round);
        for action in actions {
            let Action::Cancel(id) = action else { panic!("{action:?}") };
            orders.retain(|order| order.client_id != id);
        }
    }
}

#[test]
fn through_the_engine_moves_away_leave_first() {
    let mut rig = Rig::quoting(config());
    expect![[r#"
        amend    sell to 0.010 @ 2602.31
        amend    buy to 0.010 @ 2599.69
        amend    buy to 0.010 @ 2598.70
        amend    sell to 0.010 @ 2601.30
    "#]]
    .assert_eq(&rig.script(
        "advance 1s
         book 2600.99 2601.01  # up by one: the ask moves away, then the bid closer
         amended bid
         amended ask
         advance 1s
         book 2599.99 2600.01  # and down again",
    ));
}

#[test]
fn through_the_engine_without_amendments() {
    let mut config = config();
    config.desks[0].requote.amend = false;
    let mut rig = Rig::quoting(config);
    expect![[r#"
        cancel   buy @ 2598.70
        cancel   sell @ 2601.30
        place    buy 0.010 @ 2599.69
        place    sell 0.010 @ 2602.31
        mode     quoting 
        position 0
        order    buy 0.010 @ 2599.69 live filled 0.000
        order    sell 0.010 @ 2602.31 live filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "advance 1s
         book 2600.99 2601.01
         canceled no1
         canceled no2
         ack all
         state",
    ));
}

#[test]
fn through_the_engine_what_cannot_be_amended_is_canceled_and_placed() {
    let mut rig = Rig::quoting(config());
    expect![[r#"
        amend    sell to 0.010 @ 2602.31
        amend    buy to 0.010 @ 2599.69
        cancel   sell @ 2602.31
        place    sell 0.010 @ 2602.31
        mode     quoting 
        position 0
        order    buy 0.010 @ 2599.69 live filled 0.000
        order    sell 0.010 @ 2601.30 pending_cancel filled 0.000
        order    sell 0.010 @ 2602.31 pending_new filled 0.000
    "#]]
    .assert_eq(&rig.script(
        "advance 1s
         book 2600.99 2601.01
         reject amend ask margin
         amended bid
         advance 1s
         book 2600.99 2601.01
         state",
    ));
}

/// A target and orders that rest, on one side, by chance.
#[derive(Clone, Debug)]
struct Scene {
    side: Side,
    quotes: Vec<Quote>,
    orders: Vec<Order>,
    tolerance: i64,
    rules: Requote,
}

fn some_quotes(side: Side, gap: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Quote>> {
    prop::collection::vec((gap, 5_u64..20), 0..6).prop_map(move |rungs| {
        let mut price = Price::new(1_000);
        let rung = |(gap, qty)| {
            price = side.away(price, Ticks::new(gap));
            Quote { price, qty: Qty::new(qty) }
        };
        rungs.into_iter().map(rung).collect()
    })
}

fn scenes(
    gap: std::ops::Range<i64>,
    tolerance: std::ops::Range<i64>,
) -> impl Strategy<Value = Scene> {
    let side = prop_oneof![Just(Side::Buy), Just(Side::Sell)];
    let order = (950_i64..1_050, 1_u64..20, 0_u64..19, any::<bool>());
    let orders = prop::collection::vec(order, 0..8);
    (side, orders, tolerance, any::<bool>()).prop_flat_map(
        move |(side, orders, tolerance, amend)| {
            let live = |(n, (price, qty, filled, fixed)): (u32, (i64, u64, u64, bool))| {
                let mut order = order_of(n, side, price, qty);
                order.filled = Qty::new(filled.min(qty - 1));
                (order.booked, order.fixed) = (order.filled, fixed && n.is_multiple_of(3));
                order
            };
            let orders: Vec<Order> = (1..).zip(orders).map(live).collect();
            let rules = Requote { amend, ..rules() };
            some_quotes(side, gap.clone()).prop_map(move |quotes| Scene {
                side,
                quotes,
                orders: orders.clone(),
                tolerance,
                rules: rules.clone(),
            })
        },
    )
}

fn order_of(sequence: u32, side: Side, price: i64, qty: u64) -> Order {
    order(sequence, side, price, qty, State::Live)
}

impl Scene {
    fn plan(&self) -> Vec<Action> {
        let (side, tolerance) = (self.side, Ticks::new(self.tolerance));
        let target =
            Target { side, quotes: &self.quotes, reduce_only: false, tolerance, slack: tolerance };
        let (actions, later) = plan(START, &target, &self.orders, &self.rules);
        assert_eq!(later, None, "everything has rested long enough");
        actions.into_iter().collect()
    }

    /// As if the venue had confirmed all of it.
    fn apply(&mut self, actions: &[Action]) {
        for action in actions {
            match *action {
                Action::Cancel(id) => self.orders.retain(|order| order.client_id != id),
                Action::Amend { client_id, price, qty, .. } => {
                    let order = self.orders.iter_mut().find(|o| o.client_id == client_id).unwrap();
                    (order.price, order.qty) = (price, qty);
                }
                Action::Place(quote) => {
                    let sequence = 1_000 + self.orders.len() as u32;
                    let (price, qty) = (quote.price.raw(), quote.qty.raw());
                    self.orders.push(order_of(sequence, self.side, price, qty));
                }
            }
        }
    }

    /// Orders that are what some quote wants, to the unit.
    fn exact(&self) -> usize {
        let fits = |order: &&Order| {
            let terms = Quote { price: order.price, qty: order.remaining() };
            self.quotes.contains(&terms)
        };
        let mut prices: Vec<Price> = self.orders.iter().filter(fits).map(|o| o.price).collect();
        prices.sort_unstable();
        prices.dedup();
        prices.len()
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// Rungs further apart than the tolerance reaches: one plan, carried out, leaves nothing to do.
    #[test]
    fn a_plan_carried_out_leaves_nothing_to_do(scene in scenes(9..30, 0..5)) {
        let mut scene = scene;
        let actions = scene.plan();
        scene.apply(&actions);
        prop_assert_eq!(scene.plan(), []);
        prop_assert_eq!(scene.orders.len(), scene.quotes.len());
    }

    /// Rungs so close that one order could serve two of them: settled all the same.
    #[test]
    fn plans_settle_even_when_rungs_are_close(scene in scenes(1..6, 0..5)) {
        let mut scene = scene;
        for _ in 0..3 {
            let actions = scene.plan();
            scene.apply(&actions);
        }
        prop_assert_eq!(scene.plan(), []);
        prop_assert_eq!(scene.orders.len(), scene.quotes.len());
    }

    #[test]
    fn never_more_requests_than_starting_over(scene in scenes(1..30, 0..5)) {
        let naive = scene.orders.len() + scene.quotes.len();
        let actions = scene.plan();
        prop_assert!(actions.len() <= naive, "{actions:?}");
        let mut named: Vec<ClientOrderId> = actions.iter().filter_map(|action| match action {
            Action::Cancel(id) | Action::Amend { client_id: id, .. } => Some(*id),
            Action::Place(_) => None,
        }).collect();
        named.sort_unstable();
        let count = named.len();
        named.dedup();
        prop_assert_eq!(named.len(), count, "one request an order");
    }

    /// Whole orders, no tolerance: every order that fits stays, every other is used before one is
    /// placed. Fewer requests cannot do it.
    #[test]
    fn the_fewest_requests(scene in scenes(1..30, 0..1)) {
        let mut scene = scene;
        scene.rules = Requote { amend: true, size_tolerance: 0.0, ..scene.rules };
        for order in &mut scene.orders {
            (order.filled, order.booked, order.fixed) = (Qty::ZERO, Qty::ZERO, false);
        }
        let kept = scene.exact();
        let wanted = scene.orders.len().max(scene.quotes.len()) - kept;
        prop_assert_eq!(scene.plan().len(), wanted);
    }

    /// Whatever the states, nobody speaks to an order that is over, in doubt or being canceled.
    #[test]
    fn only_orders_that_can_be_changed_are(
        scene in scenes(1..30, 0..5),
        states in prop::collection::vec(0_usize..6, 8),
        young in any::<bool>(),
    ) {
        let mut scene = scene;
        let (sent_at, since) = (Nanos(1), Nanos(1));
        let all = [
            State::Live,
            State::PendingNew { sent_at },
            State::PendingAmend { sent_at },
            State::PendingCancel { sent_at },
            State::InDoubt { since, not_found: 0 },
            State::Done(Outcome::Filled),
        ];
        for (order, state) in scene.orders.iter_mut().zip(states) {
            order.state = all[state];
            order.changed = if young { START } else { order.changed };
        }
        let (side, tolerance) = (scene.side, Ticks::new(scene.tolerance));
        let target = Target { side, quotes: &scene.quotes, reduce_only: false, tolerance, slack: tolerance };
        let (actions, _) = plan(START, &target, &scene.orders, &scene.rules);
        let state = |id: ClientOrderId| {
            scene.orders.iter().find(|order| order.client_id == id).unwrap().state
        };
        let mut places = 0;
        for action in &actions {
            match action {
                Action::Amend { client_id, .. } => prop_assert_eq!(state(*client_id), State::Live),
                Action::Cancel(id) => {
                    let pending = matches!(
                        state(*id),
                        State::PendingNew { .. } | State::PendingAmend { .. }
                    );
                    prop_assert!(state(*id) == State::Live || pending && scene.quotes.is_empty());
                }
                Action::Place(_) => places += 1,
            }
        }
        let under_way = scene.orders.iter().filter(|order| matches!(
            order.state,
            State::PendingNew { .. } | State::PendingAmend { .. } | State::InDoubt { .. }
        )).count();
        prop_assert!(places + under_way <= scene.quotes.len().max(under_way));
    }
}
