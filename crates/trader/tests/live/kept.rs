//! What the store keeps of live trading, whatever happens to the trader and to the database.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use crate::books::{agree, query};
use crate::rig::{Desk, Exchange, PATIENCE, Trader, fills, until};

fn start(name: &str, store: &str) -> (Desk, Exchange, Trader) {
    let desk = Desk::new(name);
    let exchange = Exchange::start(&desk, &[]);
    desk.configure(&exchange.base, &[]);
    let file = desk.path.join("config.yaml");
    let text = std::fs::read_to_string(&file).unwrap() + store;
    std::fs::write(file, text).unwrap();
    let mut trader = Trader::start(&desk);
    trader.until_quoting();
    (desk, exchange, trader)
}

fn texts(desk: &Desk, sql: &str) -> Vec<String> {
    query(desk, sql).unwrap().iter().map(|row| row[0].to_string()).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn after_every_kill_the_store_has_every_fill_of_the_venue() {
    const KILLS: u32 = 10;
    let (desk, exchange, mut trader) = start("kept", "");
    for kill in 0..KILLS {
        // From right after the first quote to in the midst of trading.
        let wanted = u64::from(kill % 4);
        trader.until("has traded", |status| fills(status) >= wanted);
        trader.process.kill();
        if kill == 0 {
            desk.json(&["reconcile", "--config", "config.yaml", "--json"]);
        }
        trader = Trader::start(&desk);
        trader.until_quoting();
        agree(&desk, &exchange);
    }
    trader.until("has traded", |status| fills(status) > 2);
    trader.stop();
    let agreed = agree(&desk, &exchange);
    assert!(agreed.fills > 10, "{agreed:?} proves little");
    let endings = texts(&desk, "SELECT ending FROM sessions ORDER BY started_ns");
    assert_eq!(endings.len(), 1 + KILLS as usize);
    assert!(endings[..KILLS as usize].iter().all(|ending| ending == "completed"), "{endings:?}");
    assert_eq!(endings.last().map(String::as_str), Some("ended"));
    let open = texts(&desk, "SELECT client_id FROM orders WHERE state NOT IN ('done', 'gone')");
    assert_eq!(open, [""; 0], "what became of every order is known");
    let starts = texts(&desk, "SELECT agrees FROM reconciliations WHERE cause = 'session start'");
    assert_eq!(starts.len(), 1 + KILLS as usize);
    let asked = texts(&desk, "SELECT agrees FROM reconciliations WHERE cause = 'asked'");
    assert_eq!(asked, ["1"]);
    let ends = texts(&desk, "SELECT agrees FROM reconciliations WHERE cause = 'session end'");
    assert_eq!(ends, ["1"]);

    for format in ["csv", "parquet"] {
        let arguments = ["export", "--format", format, "--out", format, "--json"];
        let config = ["--config", "config.yaml"];
        let document = desk.json(&[&arguments[..], &config[..]].concat());
        assert_eq!(document["tables"]["fills"]["rows"], Value::from(agreed.fills));
        assert_eq!(files(&desk.path.join(format)).len(), runtime::store::Table::ALL.len());
    }
    let csv = std::fs::read_to_string(desk.path.join("csv/fills.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + agreed.fills);
    desk.assert_no_panic();
}

#[test]
fn a_locked_store_is_told_of_and_halts_trading_when_asked_to() {
    let (desk, exchange, mut trader) = start("locked", "store: { halt_after: 1s }\n");
    let before =
        trader.until("keeps", |status| status["store"]["rows"]["orders"].as_u64() > Some(0));
    assert_eq!(before["store"]["up"], true);
    let lock = Connection::open(desk.path.join("data/store.sqlite")).unwrap();
    lock.busy_timeout(Duration::from_secs(10)).unwrap();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    trader.until("misses its store", |status| status["store"]["up"] == false);
    trader.until("halts", |status| status["halted"] == true);
    let metrics = trader.metrics();
    assert!(metrics.lines().any(|line| line == "mm_store_up 0"), "{metrics}");
    let alerts = trader.get("/api/alerts").unwrap();
    let kinds: Vec<&str> =
        alerts["alerts"].as_array().unwrap().iter().filter_map(|a| a["kind"].as_str()).collect();
    assert!(kinds.contains(&"store_failing") && kinds.contains(&"store_halt"), "{kinds:?}");
    assert!(trader.process.said().contains("RISK the store cannot be written"));
    lock.execute_batch("COMMIT").unwrap();
    drop(lock);
    trader.until("keeps again", |status| {
        status["store"]["up"] == true && status["store"]["spilled"] == 0
    });
    agree(&desk, &exchange);
    let halted = trader.get("/api/status").unwrap();
    assert_eq!(halted["halted"], true, "an operator decides when it goes on");
    trader.stop();
    agree(&desk, &exchange);
    let told = texts(&desk, "SELECT kind FROM alerts WHERE kind LIKE 'store_%' ORDER BY at_ns");
    assert_eq!(told, ["store_failing", "store_halt", "store_recovered"]);
    desk.assert_no_panic();
}

#[test]
fn a_database_that_is_away_does_not_hold_up_the_start_and_is_not_named_with_its_password() {
    let (desk, exchange, mut trader) =
        start("away", "store: { url: 'postgres://me:hunter2@127.0.0.1:1/mm' }\n");
    trader.until("has traded", |status| fills(status) > 0);
    let status = trader.get("/api/status").unwrap();
    assert_eq!(status["store"]["up"], false);
    assert_eq!(status["store"]["database"], "postgres 127.0.0.1:1/mm");
    let waits = until("rows are safe in the file", PATIENCE, || {
        let spilled = trader.get("/api/status")?["store"]["spilled"].as_u64()?;
        (spilled > 10).then_some(spilled)
    });
    assert!(waits > 10);
    let shown = trader.get("/api/status").unwrap().to_string() + &trader.process.said();
    assert!(!shown.contains("hunter2"));
    trader.process.signal("INT");
    trader.process.wait(PATIENCE);
    assert!(!trader.process.said().contains("hunter2"));
    // The same folder with the embedded database takes what waited.
    let file = desk.path.join("config.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.split("\nstore:").next().unwrap()).unwrap();
    let mut trader = Trader::start(&desk);
    trader.until_quoting();
    trader.stop();
    agree(&desk, &exchange);
    desk.assert_no_panic();
}
