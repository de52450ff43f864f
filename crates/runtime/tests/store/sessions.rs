//! What is in the store is what the engine did, to the last unit.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ledger::Ledger;
use market::venue::Fill;
use market::{Nanos, Side, TradeId, Usd, VenueOrderId};
use runtime::store::{Payment, Table, Value};

use crate::databases::Base;
use crate::world::{Outcome, Plan, START, Session, decimal, instrument, run, usd};

fn sum(texts: &[String]) -> Usd {
    texts.iter().map(|text| usd(text)).sum()
}

/// Rows as cells by name.
fn named(base: &Base, table: Table, session: &str) -> Vec<BTreeMap<&'static str, Value>> {
    let columns = table.columns();
    let rows = base.rows(table).into_iter();
    let rows = rows.map(|row| columns.iter().map(|column| column.name).zip(row).collect());
    rows.filter(|row: &BTreeMap<_, Value>| row["session"] == Value::from(session)).collect()
}

/// Everything that can be compared without looking at the store's own figures.
pub(crate) fn agrees(base: &Base, session: &str, outcome: &Outcome) {
    let Outcome { summary, said, .. } = outcome;
    let (snapshot, desk) = (&summary.snapshot, &summary.snapshot.desks[0]);
    let name = base.name;
    let fills = named(base, Table::Fills, session);
    let counted = desk.counters.fills.iter().sum::<u64>();
    assert!(counted > 10, "{name}: nothing traded, nothing proved");
    assert_eq!(fills.len() as u64, counted, "{name}: fills");
    let ids: Vec<i64> = fills.iter().filter_map(|fill| fill["trade_id"].as_int()).collect();
    let mut told = said.fills.clone();
    told.sort_unstable();
    assert_eq!(ids, told, "{name}: trade ids");

    // The books rebuilt from the rows alone.
    let (instrument, mut ledger) = (instrument(), Ledger::default());
    let mut in_time = fills.clone();
    in_time.sort_by_key(|fill| (fill["at_ns"].clone(), fill["trade_id"].clone()));
    let mut turnover = Usd::ZERO;
    for row in &in_time {
        let text = |column: &str| row[column].as_text().unwrap().to_owned();
        let qty = |column: &str| instrument.qty(decimal(&text(column))).unwrap();
        let fill = Fill {
            trade_id: TradeId(row["trade_id"].as_int().unwrap()),
            client_id: None,
            venue_id: VenueOrderId(row["venue_order_id"].as_int().unwrap()),
            side: if text("side") == "buy" { Side::Buy } else { Side::Sell },
            price: instrument.price(decimal(&text("price"))).unwrap(),
            qty: qty("qty"),
            cumulative: qty("cumulative"),
            maker: row["maker"] == Value::Int(1),
            fee: usd(&text("fee")),
            ts_event: Nanos::ZERO,
        };
        assert!(ledger.fill(&instrument, &fill, None), "{name}: counted twice");
        let position = instrument.position_decimal(ledger.position()).to_string();
        assert_eq!(text("position"), position, "{name}: position after a fill");
        turnover += usd(&text("value"));
    }
    assert_eq!(ledger.position(), desk.position, "{name}: position");
    assert_eq!(ledger.realized(), snapshot.pnl.realized, "{name}: realized");
    assert_eq!(ledger.fees(), snapshot.pnl.fees, "{name}: fees");
    let expected: Usd = desk.counters.filled_value.into_iter().sum();
    assert_eq!(turnover, expected, "{name}: turnover");

    let cash: Vec<_> = named(base, Table::CashFlows, session);
    let funding: Vec<String> = cash
        .iter()
        .filter(|row| row["kind"] == Value::from("funding"))
        .map(|row| row["amount"].to_string())
        .collect();
    assert_eq!(funding.len(), said.funding.len(), "{name}: fundings");
    assert_eq!(sum(&funding), snapshot.pnl.funding, "{name}: funding");

    let last = named(base, Table::PnlSnapshots, session);
    let last: Vec<_> = last.iter().filter(|row| row["last"] == Value::Int(1)).collect();
    assert_eq!(last.len(), 1, "{name}: one last snapshot");
    for (column, wanted) in [
        ("realized", snapshot.pnl.realized),
        ("unrealized", snapshot.pnl.unrealized),
        ("fees", snapshot.pnl.fees),
        ("funding", snapshot.pnl.funding),
        ("pnl", snapshot.pnl.total),
        ("equity", snapshot.pnl.equity),
        ("turnover", expected),
    ] {
        assert_eq!(usd(&last[0][column].to_string()), wanted, "{name}: {column}");
    }
    histories(base, session, outcome);
}

/// Orders, their events, alerts and risk events.
fn histories(base: &Base, session: &str, outcome: &Outcome) {
    let (name, said) = (base.name, &outcome.said);
    let (instrument, desk) = (instrument(), &outcome.summary.snapshot.desks[0]);
    let orders = named(base, Table::Orders, session);
    assert_eq!(orders.len(), said.placed, "{name}: orders");
    for order in &orders {
        assert_eq!(order["state"], Value::from("done"), "{name}: {order:?}");
        assert!(order["outcome"] != Value::Null && order["ended_ns"] != Value::Null);
    }
    let filled = orders.iter().map(|order| usd(&order["filled"].to_string())).sum::<Usd>();
    let counted: u64 = desk.counters.filled_qty.iter().map(|qty| qty.raw()).sum();
    let counted = usd(&instrument.qty_decimal(market::Qty::new(counted)).to_string());
    assert_eq!(filled, counted, "{name}: quantity filled, by orders");
    for (outcome, count) in
        ["filled", "canceled", "expired", "rejected"].iter().zip(desk.counters.ended)
    {
        let found = orders.iter().filter(|order| order["outcome"] == Value::from(*outcome)).count();
        assert_eq!(found as u64, count, "{name}: orders {outcome}");
    }
    let events = named(base, Table::OrderEvents, session);
    let count = |names: &[&str]| {
        let known = |row: &&BTreeMap<_, Value>| names.contains(&row["event"].as_text().unwrap());
        events.iter().filter(known).count()
    };
    assert_eq!(count(&["place"]), said.placed, "{name}");
    assert_eq!(count(&["place", "amend", "cancel", "cancel_all"]), said.requests, "{name}");
    assert_eq!(count(&["fill"]), said.fills.len(), "{name}");
    assert_eq!(count(&["end"]), said.placed, "{name}");
    let alerts = named(base, Table::Alerts, session);
    let engine = alerts.iter().filter(|row| row["turn"] != Value::Int(0));
    let messages: Vec<String> = engine.map(|row| row["message"].to_string()).collect();
    assert_eq!(messages, said.alerts, "{name}: alerts");
    assert_eq!(named(base, Table::RiskEvents, session).len(), said.risk, "{name}: risk events");
    assert!(said.risk > 0);
}

#[test]
fn every_table_agrees_with_the_engine() {
    Base::each(|base| {
        let plan = Plan { income: vec![payment(6), payment(7)], ..Plan::new(7) };
        let session = Session::open(&base.target, &base.spill(), plan).unwrap();
        let handle = session.handle.clone();
        let outcome = session.run(|second| {
            if second == 30 {
                handle.configured(Nanos(5), "beef", "mode: paper # ünïcode, \"quoted\"\n");
            }
        });
        agrees(base, "test-00000007", &outcome);
        assert_eq!(outcome.heard.kinds(), [""; 0], "{}", base.name);
        assert_eq!(base.texts(Table::Sessions, "ending"), ["ended"]);
        let pnl = base.texts(Table::Sessions, "pnl");
        assert_eq!(usd(&pnl[0]), outcome.summary.snapshot.pnl.total);
        assert_eq!(base.texts(Table::ConfigVersions, "hash"), ["5eed", "beef"]);
        assert!(base.texts(Table::ConfigVersions, "text")[1].contains("ünïcode"));
        let amount = payment(6).amount.to_string();
        assert_eq!(base.texts(Table::Income, "amount"), [amount.as_str(); 2]);
        let causes = base.texts(Table::Reconciliations, "cause");
        assert_eq!((&*causes[0], &*causes[causes.len() - 1]), ("session start", "session end"));
        assert!(causes[1..causes.len() - 1].iter().all(|cause| cause == "running"));
        let agrees = base.texts(Table::Reconciliations, "agrees");
        assert_eq!(agrees.last().map(String::as_str), Some("1"));
        assert!(base.rows(Table::PnlSnapshots).len() >= 12, "one every five seconds");
        let spill = std::fs::metadata(base.spill()).unwrap().len();
        assert_eq!(spill, 8, "nothing had to wait in the file");
    });
}

fn payment(id: i64) -> Payment {
    Payment {
        told_as: String::from("FUNDING_FEE"),
        id,
        at: Nanos(START.0 - 5_000_000_000),
        symbol: String::from("ETHUSDC"),
        kind: "funding",
        amount: usd("-12.000000000000000001"),
    }
}

/// All that moved, each payment once.
fn cash(base: &Base) -> Vec<Usd> {
    let mut found = Vec::new();
    let query = "SELECT amount FROM cash ORDER BY at_ns";
    let take = &mut |row: &[Value]| {
        found.push(usd(&row[0].to_string()));
        Ok(())
    };
    base.reader().query(query, &[], take).unwrap();
    found
}

#[test]
fn a_payment_counts_once_whoever_tells_of_it() {
    Base::each(|base| {
        let outcome = run(&base.target, &base.spill(), Plan::new(7));
        let funding = outcome.said.funding.clone();
        assert!(funding.len() > 2 && cash(base) == funding, "{}: {funding:?}", base.name);
        // A kill in the second after it: the next start hears of it from the venue, and one more.
        let last = base.column(Table::CashFlows, "at_ns").pop().unwrap();
        let last = Nanos(u64::try_from(last.as_int().unwrap()).unwrap());
        let again = Payment { at: last, amount: funding[funding.len() - 1], ..payment(1) };
        let new = Payment { at: Nanos(last.0 + 9), ..payment(2) };
        let next = |number| Plan {
            number,
            account: Some(Plan::new(7).account()),
            income: vec![again.clone(), new.clone()],
            span: Duration::from_secs(1),
            ..Plan::new(7)
        };
        run(&base.target, &base.spill(), next(8));
        // And so does the one after, when that was killed at once.
        run(&base.target, &base.spill(), next(9));
        let wanted: Vec<Usd> = funding.into_iter().chain([payment(2).amount]).collect();
        assert_eq!(cash(base), wanted, "{}", base.name);
    });
}

#[test]
fn both_databases_hold_the_same() {
    let Some(postgres) = Base::postgres() else { return };
    let sqlite = Base::sqlite();
    for base in [&sqlite, &postgres] {
        run(&base.target, &base.spill(), Plan::new(3));
    }
    for table in Table::ALL {
        if table != Table::Sessions {
            assert_eq!(sqlite.rows(table), postgres.rows(table), "{}", table.name());
        }
    }
    let utc = |base: &Base| {
        let mut cells = Vec::new();
        let query = "SELECT at_utc, happened_utc, at_ns FROM fills_utc ORDER BY trade_id";
        base.reader()
            .query(query, &[], &mut |row| {
                cells.push(row.to_vec());
                Ok(())
            })
            .unwrap();
        cells
    };
    let (one, other) = (utc(&sqlite), utc(&postgres));
    assert_eq!(one, other);
    let at = Nanos(u64::try_from(one[0][2].as_int().unwrap()).unwrap());
    let millis = at.to_string();
    assert!(one[0][0].to_string().starts_with(millis.trim_end_matches('Z')), "{:?}", one[0]);
}

#[test]
fn several_traders_share_one_store() {
    let Some(base) = Base::postgres() else { return };
    let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
        let (base, target) = (&base, &base.target);
        let run = |trader: &'static str, number: u32| {
            let spill = base.folder.0.join(trader);
            move || run(target, &spill, Plan { trader, ..Plan::new(number) })
        };
        let (one, other) = (scope.spawn(run("one", 1)), scope.spawn(run("other", 2)));
        vec![one.join().unwrap(), other.join().unwrap()]
    });
    agrees(&base, "one-00000001", &outcomes[0]);
    agrees(&base, "other-00000002", &outcomes[1]);
}
