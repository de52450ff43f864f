//! The decision tables of reconciliation: every pair has its row, and the document shows them.

use std::time::Duration;

use engine::Output;
use engine::orders::reconcile::{AccountRow, OrderRow, Ours, Seen, Theirs, account_row, order_row};
use engine::output::{AlertKind, AlertLevel};
use expect_test::expect;
use market::venue::{AccountState, ForcedClose, OpenOrder, OrderFate, VenueCommand, VenueReport};
use market::{ClientOrderId, FinePrice, Price, Qty, Side, VenueOrderId};

use crate::rig::{Rig, config, limit, usd};

/// The tables as the documents show them.
fn order_table() -> String {
    let mut text = String::from("|  |");
    Theirs::ALL.iter().for_each(|theirs| text += &format!(" {theirs:?} |"));
    text += "\n|---|---|---|---|---|---|\n";
    for ours in Ours::ALL {
        text += &format!("| {ours:?} |");
        for theirs in Theirs::ALL {
            text += &format!(" {:?} |", order_row(ours, theirs));
        }
        text += "\n";
    }
    text
}

fn account_table() -> String {
    let mut text = String::from("| answer | position | wallet | row |\n|---|---|---|---|\n");
    for outdated in [false, true] {
        for position in Seen::ALL {
            for wallet in Seen::ALL {
                let row = account_row(outdated, position, wallet);
                let age = if outdated { "outdated" } else { "timely" };
                text += &format!("| {age} | {position:?} | {wallet:?} | {row:?} |\n");
            }
        }
    }
    text
}

#[test]
fn every_pair_of_orders_has_its_row() {
    expect![[r#"
        |  | Absent | Same | Terms | More | Less |
        |---|---|---|---|---|---|
        | Stranger | Agree | Leave | Leave | Leave | Leave |
        | Earlier | Agree | Adopt | Adopt | Adopt | Adopt |
        | Later | Agree | Intruder | Intruder | Intruder | Intruder |
        | Forgotten | Agree | Adopt | Adopt | Adopt | Adopt |
        | Fresh | Wait | Wait | Wait | Wait | Wait |
        | PendingNew | Wait | Found | Found | Found | Found |
        | Live | Ask | Agree | Ask | Ask | Agree |
        | PendingAmend | Wait | Wait | Wait | Wait | Wait |
        | PendingCancel | Wait | Wait | Wait | Wait | Wait |
        | InDoubt | Wait | Wait | Wait | Wait | Wait |
        | Ended | Agree | Ask | Ask | Ask | Ask |
    "#]]
    .assert_eq(&order_table());
}

#[test]
fn every_state_of_the_account_has_its_row() {
    expect![[r#"
        | answer | position | wallet | row |
        |---|---|---|---|
        | timely | Equal | Equal | Agree |
        | timely | Equal | Once | Watch |
        | timely | Equal | Again | BookCash |
        | timely | Once | Equal | AskAgain |
        | timely | Once | Once | AskAgain |
        | timely | Once | Again | AskAgain |
        | timely | Again | Equal | Drift |
        | timely | Again | Once | Drift |
        | timely | Again | Again | Drift |
        | outdated | Equal | Equal | Retry |
        | outdated | Equal | Once | Retry |
        | outdated | Equal | Again | Retry |
        | outdated | Once | Equal | Retry |
        | outdated | Once | Once | Retry |
        | outdated | Once | Again | Retry |
        | outdated | Again | Equal | Retry |
        | outdated | Again | Once | Retry |
        | outdated | Again | Again | Retry |
    "#]]
    .assert_eq(&account_table());
}

/// What no entry of the tables may ever say, whatever else changes.
#[test]
fn the_tables_keep_their_promises() {
    for ours in Ours::ALL {
        let unknown =
            matches!(ours, Ours::Stranger | Ours::Earlier | Ours::Later | Ours::Forgotten);
        for theirs in Theirs::ALL {
            let row = order_row(ours, theirs);
            let here = theirs != Theirs::Absent;
            assert_eq!(
                row == OrderRow::Leave,
                ours == Ours::Stranger && here,
                "{ours:?} {theirs:?}"
            );
            assert_eq!(row == OrderRow::Intruder, ours == Ours::Later && here);
            let adopted = matches!(ours, Ours::Earlier | Ours::Forgotten) && here;
            assert_eq!(row == OrderRow::Adopt, adopted, "{ours:?} {theirs:?}");
            assert!(!unknown || row != OrderRow::Wait, "nothing is under way: {ours:?}");
            // What is under way or newer than the answer is never judged by the answer.
            let settled = matches!(ours, Ours::Live | Ours::Ended | Ours::PendingNew) || unknown;
            assert!(settled || row == OrderRow::Wait, "{ours:?} {theirs:?}");
        }
    }
    for position in Seen::ALL {
        for wallet in Seen::ALL {
            assert_eq!(account_row(true, position, wallet), AccountRow::Retry);
            let row = account_row(false, position, wallet);
            assert_eq!(row == AccountRow::Drift, position == Seen::Again);
            assert!(row != AccountRow::BookCash || position == Seen::Equal);
        }
    }
}

#[test]
fn the_documents_show_the_tables() {
    for name in ["RECONCILIATION.md", "zh/RECONCILIATION.md"] {
        let path = format!("{}/../../docs/{name}", env!("CARGO_MANIFEST_DIR"));
        let document = std::fs::read_to_string(&path).unwrap();
        for table in [order_table(), account_table()] {
            assert!(document.contains(&table), "{name} does not show\n{table}");
        }
    }
}

fn open(client_id: ClientOrderId, price: i64, filled: u64) -> OpenOrder {
    OpenOrder {
        client_id: Some(client_id),
        venue_id: VenueOrderId(1),
        side: Side::Buy,
        price: Price::new(price),
        qty: Qty::new(10),
        filled: Qty::new(filled),
        reduce_only: false,
    }
}

/// The account as it stands, with our ask and this in the book, once the routine question is out.
fn compare(rig: &mut Rig, bids: Vec<OpenOrder>) {
    let ask = rig.sent.iter().find(|sent| sent.order.side == Side::Sell).unwrap().order;
    let ask =
        OpenOrder { side: Side::Sell, ..open(ask.client_id, (limit(&ask) - Price::ZERO).raw(), 0) };
    let open_orders = bids.into_iter().chain([ask]).collect();
    let before = rig.query;
    while rig.query == before {
        rig.now = rig.now + Duration::from_millis(250);
        rig.script("book 2599.99 2600.01");
    }
    let position = rig.engine.snapshot().desks[0].position;
    let (entry, fills, last_trade) = (FinePrice::ZERO, Vec::new(), None);
    let (query, wallet) = (rig.query, usd("5000"));
    rig.report(VenueReport::Account(AccountState {
        query,
        position,
        entry,
        wallet,
        open_orders,
        fills,
        last_trade,
    }));
}

fn asked(rig: &Rig) -> Vec<ClientOrderId> {
    let query = |output: &Output| match output {
        Output::Venue(approved) => match approved.command() {
            VenueCommand::QueryOrder { client_id, .. } => Some(*client_id),
            _ => None,
        },
        Output::Alert(_) | Output::Note(_) => None,
    };
    rig.last.iter().filter_map(query).collect()
}

fn told(rig: &Rig, kind: AlertKind) -> Vec<AlertLevel> {
    let alert = |output: &Output| match output {
        Output::Alert(alert) if alert.kind == kind => Some(alert.level),
        Output::Alert(_) | Output::Venue(_) | Output::Note(_) => None,
    };
    rig.last.iter().filter_map(alert).collect()
}

/// One bid of ten lots that nobody answers questions about.
fn resting() -> (Rig, ClientOrderId, i64) {
    let mut config = config();
    config.desks[0].reconcile_interval = Duration::from_secs(1);
    let rig = Rig::quoting(config);
    let bid = rig.named("bid");
    let price = rig.sent.iter().find(|sent| sent.order.client_id == bid).unwrap();
    let price = limit(&price.order).raw();
    (rig, bid, price)
}

#[test]
fn a_live_order_that_differs_is_asked_about_alone() {
    for (what, listed) in [("absent", None), ("more filled", Some(3)), ("same", Some(0))] {
        let (mut rig, bid, price) = resting();
        compare(&mut rig, listed.map(|filled| open(bid, price, filled)).into_iter().collect());
        assert_eq!(asked(&rig).contains(&bid), listed != Some(0), "{what}: {:?}", rig.last);
    }
}

#[test]
fn terms_changed_by_somebody_else_are_taken_over_and_told() {
    let (mut rig, bid, price) = resting();
    compare(&mut rig, vec![open(bid, price - 500, 0)]);
    assert_eq!(asked(&rig), [bid]);
    let fate = OrderFate::Open(open(bid, price - 500, 0));
    rig.report(VenueReport::Order { client_id: bid, fate, fills: Vec::new() });
    assert_eq!(told(&rig, AlertKind::ForeignOrder), [AlertLevel::Warning]);
    let desk = &rig.engine.snapshot().desks[0];
    let order = desk.orders.iter().find(|order| order.client_id == bid).unwrap();
    assert_eq!((order.price, order.state), (Price::new(price - 500), "pending_amend"));
}

#[test]
fn an_answer_older_than_an_amendment_does_not_undo_it() {
    let (mut rig, bid, price) = resting();
    compare(&mut rig, vec![open(bid, price - 500, 0)]);
    // While the question flies, the market moves and the order with it.
    rig.script("book 2596.99 2597.01\namended bid");
    let snapshot = rig.engine.snapshot();
    let moved = |snapshot: &engine::Snapshot| {
        snapshot.desks[0].orders.iter().find(|order| order.client_id == bid).unwrap().price
    };
    let newest = moved(&snapshot);
    assert_ne!(newest, Price::new(price));
    let fate = OrderFate::Open(open(bid, price - 500, 0));
    rig.report(VenueReport::Order { client_id: bid, fate, fills: Vec::new() });
    assert_eq!(moved(&rig.engine.snapshot()), newest);
}

#[test]
fn another_trader_under_our_names_halts_until_an_operator_decides() {
    let (mut rig, bid, price) = resting();
    let other = ClientOrderId { session: 2, sequence: 7 };
    let listed = vec![open(bid, price, 0), open(other, price - 900, 0)];
    compare(&mut rig, listed.clone());
    assert_eq!(told(&rig, AlertKind::ForeignOrder), [AlertLevel::Critical]);
    assert!(rig.engine.snapshot().halted);
    rig.script("resume clear");
    compare(&mut rig, listed);
    assert!(!rig.engine.snapshot().halted, "the operator has said that they are ours");
}

#[test]
fn what_the_venue_does_in_our_place_has_its_alert_and_its_halt() {
    let expected = [
        (ForcedClose::Liquidation, AlertLevel::Critical, true),
        (ForcedClose::Deleverage, AlertLevel::Error, false),
        (ForcedClose::Settlement, AlertLevel::Critical, true),
    ];
    for (what, level, halts) in expected {
        let mut rig = Rig::quoting(config());
        rig.report(VenueReport::Forced { what });
        assert_eq!(told(&rig, AlertKind::ForcedClose), [level], "{what:?}");
        assert_eq!(rig.engine.snapshot().halted, halts, "{what:?}");
        assert_eq!(rig.engine.latched().0.halted, halts, "a restart does not forget it");
    }
}
