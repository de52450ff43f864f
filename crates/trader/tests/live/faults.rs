//! The venue misbehaves, and behaves again: whatever it was, quotes come back and both sides agree.

use serde_json::{Value, json};

use crate::rig::{
    Desk, Exchange, KEY, PATIENCE, Trader, fills, losses, quotes, until, until_agreed,
};

/// What is done to a session, and how it shows.
struct Fault<'a> {
    name: &'a str,
    /// Replaced in the configuration.
    changes: &'a [(&'a str, &'a str)],
    faults: Value,
    action: Option<Value>,
    /// Whether it has had its effect, seen from the status before and now.
    felt: fn(&Value, &Value) -> bool,
    /// While it lasts, nothing of ours may stay in the venue's book.
    withdraws: bool,
    /// Done after the faults have ended.
    cure: Option<Value>,
}

impl Default for Fault<'_> {
    fn default() -> Self {
        Self {
            name: "",
            changes: &[],
            faults: json!({}),
            action: None,
            felt: |_, _| true,
            withdraws: false,
            cure: None,
        }
    }
}

fn survives(fault: &Fault<'_>) {
    let desk = Desk::new(&format!("fault-{}", fault.name));
    let exchange = Exchange::start(&desk, &["--control", "127.0.0.1:0"]);
    desk.configure(&exchange.base, fault.changes);
    let mut trader = Trader::start(&desk);
    let before = trader.until_quoting();
    exchange.set_faults(&fault.faults);
    if let Some(action) = &fault.action {
        exchange.act(action);
    }
    trader.until(&format!("feels {}", fault.name), |status| (fault.felt)(&before, status));
    if fault.withdraws {
        let what = format!("nothing is left in the book: {}", fault.name);
        until(&what, PATIENCE, || exchange.open_orders().is_empty().then_some(()));
    }
    exchange.set_faults(&json!({}));
    if let Some(cure) = &fault.cure {
        exchange.act(cure);
    }
    let placed = |status: &Value| {
        let counters = &status["desks"][0]["counters"];
        counters["placed"].as_u64().unwrap() + counters["amended"].as_u64().unwrap()
    };
    let status = trader.until_quoting();
    let then = placed(&status);
    trader.until("moves its quotes again", |status| quotes(status) && placed(status) > then);
    until_agreed(&exchange, &trader);
    trader.stop();
    assert_eq!(exchange.open_orders(), Vec::new());
    desk.assert_no_panic();
}

fn is_down(status: &Value, stream: &str) -> bool {
    let streams = status["link"]["streams"].as_array().unwrap();
    streams.iter().any(|row| row["name"] == stream && row["up"] == false)
}

fn counter(status: &Value, name: &str) -> u64 {
    status["desks"][0]["counters"][name].as_u64().unwrap()
}

fn has_reason(status: &Value, name: &str) -> bool {
    status["reasons"].as_array().unwrap().iter().any(|reason| reason == name)
}

#[test]
fn every_connection_is_cut() {
    survives(&Fault {
        name: "drop-connections",
        action: Some(json!("drop_connections")),
        felt: |before, now| {
            ["depth", "mark_price", "user"].iter().all(|s| losses(now, s) > losses(before, s))
                && now["link"]["ws_api_reconnects"] != before["link"]["ws_api_reconnects"]
        },
        ..Fault::default()
    });
}

#[test]
fn the_user_stream_falls_silent() {
    survives(&Fault {
        name: "silent-user",
        faults: json!({ "silent_user": true }),
        felt: |before, now| losses(now, "user") > losses(before, "user"),
        ..Fault::default()
    });
}

#[test]
fn the_market_falls_silent() {
    survives(&Fault {
        name: "silent-market",
        faults: json!({ "silent_market": true }),
        felt: |_, now| is_down(now, "depth") && now["mode"] == "halted",
        withdraws: true,
        ..Fault::default()
    });
}

#[test]
fn the_listen_key_expires() {
    survives(&Fault {
        name: "expired-key",
        action: Some(json!({ "expire_listen_key": { "api_key": KEY } })),
        felt: |before, now| losses(now, "user") > losses(before, "user"),
        ..Fault::default()
    });
}

#[test]
fn depth_is_lost() {
    survives(&Fault {
        name: "lost-depth",
        faults: json!({ "lose_depth": 200_000 }),
        felt: |before, now| now["link"]["book_gaps"] != before["link"]["book_gaps"],
        ..Fault::default()
    });
}

#[test]
fn requests_time_out_although_they_were_carried_out() {
    for (name, changes) in [
        ("timeout-ws", &[][..]),
        ("timeout-rest", &[("leverage: 5", "leverage: 5\n  order_path: rest")][..]),
    ] {
        survives(&Fault {
            name,
            changes,
            faults: json!({ "timeout_after": 200_000 }),
            felt: |before, now| counter(now, "in_doubt") > counter(before, "in_doubt") + 1,
            ..Fault::default()
        });
    }
}

#[test]
fn requests_are_never_answered() {
    survives(&Fault {
        name: "hanging",
        changes: &[("leverage: 5", "leverage: 5\n  order_path: rest\n  ack_timeout: 1600ms")],
        faults: json!({ "hang_after": 150_000, "hang_before": 150_000 }),
        felt: |before, now| counter(now, "in_doubt") > counter(before, "in_doubt"),
        ..Fault::default()
    });
}

#[test]
fn sockets_die_without_being_closed() {
    survives(&Fault {
        name: "half-open",
        faults: json!({ "half_open": true }),
        felt: |_, now| is_down(now, "depth") && now["mode"] == "halted",
        withdraws: true,
        cure: Some(json!("drop_connections")),
        ..Fault::default()
    });
}

#[test]
fn the_venue_wants_silence() {
    survives(&Fault {
        name: "too-many",
        faults: json!({ "too_many_requests": true }),
        felt: |_, now| has_reason(now, "venue_banned"),
        ..Fault::default()
    });
}

#[test]
fn the_venues_clock_jumps() {
    survives(&Fault {
        name: "clock",
        faults: json!({ "clock_skew_ms": 5_000 }),
        felt: |_, now| has_reason(now, "clock_off"),
        withdraws: true,
        ..Fault::default()
    });
}

#[test]
fn the_venue_is_in_maintenance() {
    survives(&Fault {
        name: "maintenance",
        faults: json!({ "maintenance": true }),
        felt: |_, now| now["mode"] == "halted",
        ..Fault::default()
    });
}

#[test]
fn a_little_of_everything_goes_wrong_at_once() {
    survives(&Fault {
        name: "storm",
        faults: json!({
            "drop_before": 20_000, "drop_after": 20_000, "timeout_before": 20_000,
            "timeout_after": 20_000, "unknown_after": 20_000, "overload": 20_000,
            "bad_gateway": 10_000, "fail_query": 50_000, "refuse_cancel": 50_000,
            "lose_user": 30_000, "duplicate_user": 50_000, "reorder_user": 50_000,
            "replay_fills": 50_000, "lose_depth": 10_000, "reply_delay_ms": 20,
            "reply_jitter_ms": 100, "user_delay_ms": 20, "user_jitter_ms": 100,
            "vary_numbers": 300_000, "unknown_fields": 300_000, "unknown_events": 50_000,
        }),
        felt: |before, now| {
            fills(now) >= fills(before) + 3
                && counter(now, "in_doubt") > counter(before, "in_doubt")
        },
        ..Fault::default()
    });
}
