//! What a hostile reading of the engine found; each stays mended.

use std::time::Duration;

use engine::{Control, Output};
use market::venue::{AccountState, Fill, OrderFate, VenueCommand, VenueReport};
use market::{FinePrice, Position, Price, Qty, Side, TradeId, Usd, VenueOrderId};

use crate::rig::{Rig, config, limit, usd};

fn basic(config: &mut engine::EngineConfig) -> &mut quoting::BasicMmConfig {
    match &mut config.desks[0].strategy {
        quoting::StrategyConfig::BasicMm(basic) => basic,
    }
}

fn commands(rig: &Rig) -> Vec<VenueCommand> {
    let venue = |output: &Output| match output {
        Output::Venue(approved) => Some(approved.command().clone()),
        Output::Alert(_) | Output::Note(_) => None,
    };
    rig.last.iter().filter_map(venue).collect()
}

fn account(query: u32, position: i64, wallet: &str, last_trade: Option<TradeId>) -> VenueReport {
    VenueReport::Account(AccountState {
        query,
        position: Position::new(position),
        entry: FinePrice::ZERO,
        wallet: usd(wallet),
        open_orders: Vec::new(),
        fills: Vec::new(),
        last_trade,
    })
}

#[test]
fn a_side_that_is_refused_does_not_silence_the_other() {
    let mut config = config();
    // The second rung lies beyond the collar and is refused again and again.
    let own = basic(&mut config);
    (own.levels, own.level_spacing) = (2, 0.05);
    let mut rig = Rig::new(config);
    let said = rig.script("start\nbook 2599.99 2600.01\nack all\nadvance 1s");
    assert!(said.contains("place    buy 0.010 @ 2598.70"), "{said}");
    assert!(said.contains("place    sell 0.010 @ 2601.30"), "{said}");
    assert!(said.contains("refused  price_collar"), "{said}");
}

#[test]
fn lost_cancels_are_repeated_in_every_halt_and_the_dead_man_is_left_to_run_down() {
    let mut rig = Rig::quoting(config());
    rig.script("advance 1s\nbook 2599.99 2600.01\nstream down");
    let (mut cancels, mut arms) = (0, 0);
    for _ in 0..60 {
        // Neither cancels nor questions are answered.
        rig.now = rig.now + Duration::from_secs(1);
        rig.step(&[]);
        cancels += commands(&rig)
            .iter()
            .filter(|command| matches!(command, VenueCommand::Cancel { .. }))
            .count();
        arms += commands(&rig)
            .iter()
            .filter(|command| matches!(command, VenueCommand::ArmDeadMan { .. }))
            .count();
    }
    assert!(cancels >= 20, "{cancels} cancels in a minute");
    assert_eq!(arms, 0, "what we cannot cancel the switch must");
}

#[test]
fn while_the_venue_refuses_to_cancel_in_a_halt_the_dead_man_is_left_to_run_down() {
    let mut rig = Rig::quoting(config());
    rig.script("advance 1s\nbook 2599.99 2600.01\nhalt");
    let arms = |rig: &Rig| {
        let arm = |command: &VenueCommand| matches!(command, VenueCommand::ArmDeadMan { .. });
        commands(rig).iter().any(arm)
    };
    let (halted, mut armed_last) = (rig.now, rig.now);
    for _ in 0..60 {
        // The venue knows of no such order, and lists it all the same.
        for side in ["bid", "ask"] {
            rig.script(&format!("reject cancel {side} unknown\nfound {side} open"));
        }
        rig.now = rig.now + Duration::from_secs(1);
        rig.step(&[]);
        if arms(&rig) {
            armed_last = rig.now;
        }
    }
    assert!(armed_last.since(halted) <= Duration::from_secs(15), "{:?}", armed_last.since(halted));
    rig.script("canceled bid\ncanceled ask");
    rig.now = rig.now + Duration::from_secs(1);
    rig.step(&[]);
    assert!(arms(&rig), "nothing is left that it should remove");
}

#[test]
fn flattening_is_over_only_when_nothing_can_fill_any_more() {
    let mut rig = Rig::quoting(config());
    let said = rig.script("flatten\nstate");
    assert!(!said.contains("position is flat"), "quotes are still out: {said}");
    let said = rig.script("fill no1 0.010\ncanceled no2\nbook 2599.99 2600.01");
    assert!(said.contains("reduce-only"), "the fill that beat the cancel is worked off: {said}");
}

#[test]
fn a_mark_price_that_no_longer_comes_is_not_believed() {
    let mut config = config();
    config.loss.daily_loss = usd("5");
    let mut rig = Rig::new(config);
    rig.script("start 0.010\nbook 2599.99 2600.01\nmark 2600\nack all\nbook 1999.99 2000.01");
    let said = rig.script("advance 1s\nbook 1999.99 2000.01");
    let halted = said.contains("daily loss") || rig.engine.snapshot().halted;
    assert!(halted, "600 USDC an ether are lost: {said}");
}

#[test]
fn a_mark_of_nothing_is_ignored() {
    let mut rig = Rig::quoting(config());
    let before = rig.engine.snapshot().pnl.equity;
    let nothing = market::MarkUpdate {
        mark: FinePrice::ZERO,
        index: FinePrice::ZERO,
        funding_rate: market::Rate::ZERO,
        next_funding: rig.now,
    };
    let kind = market::MarketKind::Mark(nothing);
    let instrument = market::InstrumentId(0);
    let event = market::MarketEvent { instrument, ts_event: rig.now, kind };
    rig.input(engine::Input::Market(event));
    assert_eq!(rig.engine.snapshot().pnl.equity, before);
    assert_eq!(rig.engine.snapshot().desks[0].mark, None);
}

#[test]
fn an_amendment_in_doubt_counts_until_it_is_too_old_to_happen() {
    let mut rig = Rig::quoting(config());
    rig.script("advance 300ms\nbook 2596.99 2597.01"); // the bid is amended
    let bid = rig.named("no1");
    let request = market::venue::RequestKind::Amend;
    rig.report(VenueReport::InDoubt { client_id: bid, request });
    let old = market::venue::OpenOrder {
        client_id: Some(bid),
        venue_id: VenueOrderId(1),
        side: Side::Buy,
        price: Price::new(259_870),
        qty: Qty::new(10),
        filled: Qty::ZERO,
        reduce_only: false,
    };
    // Asked in the same millisecond, the venue still shows the old terms.
    let fate = OrderFate::Open(old);
    rig.report(VenueReport::Order { client_id: bid, fate, fills: Vec::new() });
    let said = rig.script("state");
    assert!(said.contains("in_doubt"), "{said}");
    rig.script("advance 3s");
    rig.report(VenueReport::Order { client_id: bid, fate, fills: Vec::new() });
    assert!(!rig.script("state").contains("in_doubt"));
}

#[test]
fn a_fill_is_a_reason_to_decide_even_between_two_intervals() {
    let mut config = config();
    config.desks[0].requote.on_event = false;
    let mut rig = Rig::new(config);
    rig.script("start\nbook 2599.99 2600.01\nack all");
    for _ in 0..9 {
        let bids = rig.sent.iter().filter(|sent| sent.open && sent.order.side == Side::Buy);
        if bids.count() == 0 {
            break;
        }
        rig.script("fill bid 0.010");
    }
    assert!(rig.engine.snapshot().desks[0].position <= Position::new(50), "max_inventory holds");
}

#[test]
fn a_lowered_position_limit_pulls_what_no_longer_fits() {
    let mut rig = Rig::new(config());
    rig.script("start 0.042\nbook 2599.99 2600.01\nack all");
    let mut lower = config();
    lower.desks[0].limits.max_position = Qty::new(50);
    basic(&mut lower).max_inventory = Qty::new(50);
    rig.control(Control::Configure(Box::new(lower)));
    rig.script("canceled bid\nadvance 300ms\nbook 2599.99 2600.01");
    let desk = rig.engine.snapshot().desks.remove(0);
    assert!(desk.exposure_long <= Position::new(50), "{:?}", desk.exposure_long);
}

#[test]
fn an_answer_from_before_an_outage_confirms_nothing() {
    let mut rig = Rig::quoting(config());
    rig.script("advance 31s"); // routine question, answered
    let old = rig.query;
    rig.script("stream down\ncanceled bid\ncanceled ask\nstream up");
    assert_ne!(rig.query, old);
    rig.report(account(old, 0, "5000", None));
    assert!(
        !rig.engine.snapshot().desks[0].position_known,
        "that was the answer to another question"
    );
}

#[test]
fn a_fill_that_overtakes_the_first_account_report_is_not_drift() {
    let mut rig = Rig::new(config());
    rig.script("stream up");
    let fill = Fill {
        trade_id: TradeId(101),
        client_id: None,
        venue_id: VenueOrderId(9),
        side: Side::Buy,
        price: Price::new(260_000),
        qty: Qty::new(10),
        cumulative: Qty::new(10),
        maker: true,
        fee: Usd::ZERO,
        ts_event: rig.now,
    };
    rig.report(VenueReport::Fill(fill));
    rig.report(account(rig.query, 0, "5000", Some(TradeId(100))));
    rig.now = rig.now + Duration::from_secs(1);
    rig.step(&[]);
    rig.report(account(rig.query, 10, "5000", Some(TradeId(101))));
    let desk = rig.engine.snapshot().desks.remove(0);
    assert_eq!(desk.position, Position::new(10));
    assert!(desk.position_known);
    assert!(!rig.script("state").contains("drift"));
}

#[test]
fn cash_that_no_report_told_of_is_found_and_counted() {
    let mut rig = Rig::quoting(config());
    for _ in 0..3 {
        rig.now = rig.now + Duration::from_secs(31);
        rig.step(&[]);
        // Funding of 50 was paid while nobody listened.
        rig.report(account(rig.query, 0, "4950", None));
    }
    let pnl = rig.engine.snapshot().pnl;
    assert_eq!((pnl.funding, pnl.equity), (usd("-50"), usd("4950")));
}

#[test]
fn nothing_revives_a_process_that_is_stopping() {
    let mut rig = Rig::quoting(config());
    let said = rig.script("shutdown\nresume clear\nflatten\nadvance 5s");
    assert!(said.contains("cancel   all"), "{said}");
    assert!(!said.contains("place"), "{said}");
}

#[test]
fn a_withdrawal_does_not_turn_a_small_drawdown_into_a_large_one() {
    let mut rig = Rig::new(config());
    rig.script(
        "start 0.050\nbook 2599.99 2600.01\nmark 2600\nack all\nbook 1599.99 1600.01\nmark 1600",
    );
    let before = rig.engine.snapshot();
    assert!(!before.halted, "50 of 5000");
    rig.report(VenueReport::Transfer { amount: usd("-4000") });
    assert!(!rig.engine.snapshot().halted, "the same share of what is left");
}

#[test]
fn a_dead_man_is_not_believed_longer_than_asked_for() {
    let mut rig = Rig::quoting(config());
    rig.report(VenueReport::DeadManArmed { until: market::Nanos::MAX });
    let until = rig.engine.snapshot().desks[0].dead_man_until.unwrap();
    assert!(until <= rig.now + Duration::from_secs(30), "{until}");
}

#[test]
fn every_order_that_lives_is_counted_as_accepted_once() {
    let mut rig = Rig::new(config());
    rig.script("start\nbook 2599.99 2600.01");
    // The fill comes before the acknowledgement, which then comes twice.
    rig.script("fill bid 0.004\nack no1\nack no1\nack no2");
    assert_eq!(rig.engine.snapshot().desks[0].counters.accepted, 2);
}

#[test]
fn strange_acknowledgements_make_no_storm_of_questions() {
    let mut rig = Rig::quoting(config());
    let mut asked = 0;
    for sequence in 1_000..1_100 {
        let client_id = market::ClientOrderId { session: 1, sequence };
        rig.report(VenueReport::Ack { client_id, venue_id: VenueOrderId(1) });
        asked += commands(&rig)
            .iter()
            .filter(|command| matches!(command, VenueCommand::QueryAccount { .. }))
            .count();
    }
    assert!(asked <= 1, "{asked} questions in one instant");
}

#[test]
fn a_crowded_minute_delays_no_move_away() {
    let mut config = config();
    config.desks[0].requote.price_tolerance = 0.5;
    config.desks[0].limits.max_orders_per_minute = 4;
    let mut rig = Rig::new(config);
    rig.script("start\nbook 2599.99 2600.01\nack all\nadvance 300ms");
    // Half of the minute's messages are used; the market falls by half of the half-spread.
    let said = rig.script("book 2598.99 2599.01");
    let bid = rig.sent.iter().find(|sent| sent.order.side == Side::Buy).unwrap();
    assert!(said.contains("buy"), "the bid moves or goes: {said} {}", limit(&bid.order).raw());
}

#[test]
fn a_size_below_the_venues_minimum_is_named_and_told_once() {
    let mut config = config();
    basic(&mut config).base_size = Qty::new(1); // 2.60 USDC; the venue takes 20 and more
    let mut rig = Rig::new(config);
    let said = rig.script("start\nbook 2599.99 2600.01\nbook 2599.98 2600.00\nstate");
    assert!(said.contains("quoting below_minimum"), "{said}");
    assert_eq!(said.matches("nothing can be quoted").count(), 1, "{said}");
}
