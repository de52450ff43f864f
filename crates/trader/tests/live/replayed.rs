//! Journals of live sessions, ended and killed, run again.

use std::path::Path;

use serde_json::Value;

use crate::rig::{Desk, Exchange, Trader, fills, quotes};

/// What holds for the journal of any live session.
fn judge(desk: &Desk, journal: &Path) -> Value {
    let path = journal.to_str().unwrap();
    let replayed = desk.json(&["replay", path, "--verify", "--json"]);
    assert_eq!(replayed["same"], true);
    assert!(replayed["state"]["desks"][0]["orders"].is_array());
    let set = "strategy.base_spread=0.0004";
    let answer = desk.json(&["replay", path, "--what-if", set, "--json"]);
    assert_eq!(answer["turns"], replayed["turns"]);
    assert_eq!(answer["real"]["engine"], replayed["snapshot"]);
    assert!(answer["exact"]["turns_changed"].as_u64().unwrap() > 0, "{answer}");
    let placed = |name: &str| answer[name]["decisions"]["place"].as_u64().unwrap();
    assert!(placed("recorded") > 0 && placed("changed") > 0, "{answer}");
    for name in ["recorded", "changed"] {
        assert_eq!(answer[name]["engine"]["orders"]["anomalies"], 0, "{answer}");
        assert_eq!(answer[name]["engine"]["orders"]["in_doubt"], 0, "{answer}");
    }
    answer
}

#[test]
fn live_journals_replay_and_answer_what_if() {
    let desk = Desk::new("replayed");
    let exchange = Exchange::start(&desk, &[]);
    desk.configure(&exchange.base, &[]);
    let mut trader = Trader::start(&desk);
    trader.until("has a fill and quotes", |status| fills(status) > 0 && quotes(status));
    trader.stop();
    let first = desk.journal();
    judge(&desk, &first);

    // The next session takes a position over, and is killed.
    let mut trader = Trader::start(&desk);
    trader.until("has a fill and quotes", |status| fills(status) > 0 && quotes(status));
    trader.process.kill();
    let second = desk.journal();
    assert_ne!(first, second);
    let answer = judge(&desk, &second);
    assert_eq!(answer["damage"], Value::Null);
    desk.assert_no_panic();
}
