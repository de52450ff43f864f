//! Whole sessions: quotes, fills, a clean end, on every way to the venue.

use std::fs;
use std::time::Duration;

use binance::rest;
use market::venue::{NewOrder, OrderKind, TimeInForce};
use market::{ClientOrderId, Instrument, InstrumentId, Side};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::Value;

use crate::rig::{Desk, Exchange, PATIENCE, SYMBOL, Trader, decimal, fills, quotes, until};

/// Trades until something has filled, looks at what operators look at, and ends.
fn trade(desk: &Desk) -> Value {
    let mut trader = Trader::start(desk);
    let status =
        trader.until("has a fill and quotes", |status| fills(status) > 0 && quotes(status));
    let desk_view = &status["desks"][0];
    assert!(desk_view["dead_man_until_ms"].is_u64(), "the dead-man's switch is armed: {status}");
    assert_eq!(desk_view["counters"]["anomalies"], 0);
    assert_eq!(status["link"]["malformed"], 0);
    looks_well(&trader.metrics());
    trader.stop();
    let replayed = desk.json(&["replay", desk.journal().to_str().unwrap(), "--verify", "--json"]);
    assert_eq!(replayed["same"], true);
    status
}

fn looks_well(metrics: &str) {
    let of = |name: &str| -> Vec<f64> {
        let lines = metrics.lines().filter(|line| line.starts_with(name));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect()
    };
    assert_eq!(of("mm_stream_up{"), [1.0; 5], "{metrics}");
    assert!(of("mm_rate_limit_left{").iter().all(|left| *left > 0.0), "{metrics}");
    assert_eq!(of("mm_rate_limit_left{").len(), 3, "{metrics}");
    let offset = of("mm_clock_offset_seconds");
    assert!(offset.len() == 1 && offset[0].abs() < 1.0, "{offset:?}");
    for name in ["trading_pnl_total", "current_position", "risk_level"] {
        assert_eq!(of(name).len(), 1, "{name}: {metrics}");
    }
}

#[test]
fn a_session_quotes_fills_and_stops_clean() {
    let desk = Desk::new("plain");
    let exchange = Exchange::start(&desk, &[]);
    let dead_man = "leverage: 5\n  dead_man: { countdown: 3s, refresh: 1s }";
    desk.configure(&exchange.base, &[("leverage: 5", dead_man)]);
    let status = trade(&desk);
    assert_eq!(status["link"]["ws_api_up"], true);
    assert_eq!(exchange.open_orders(), Vec::new());

    // Had the switch stayed armed, it would cancel what somebody else places now.
    let bystander = place_far_away(&exchange);
    let armed_until = exchange.time().unwrap() + Duration::from_secs(3);
    until("the countdown would be over", PATIENCE, || {
        (exchange.time().unwrap() > armed_until + Duration::from_secs(1)).then_some(())
    });
    assert_eq!(exchange.open_orders(), [bystander]);
}

#[test]
fn a_killed_trader_leaves_its_orders_no_longer_than_the_countdown() {
    let desk = Desk::new("dead-man");
    let exchange = Exchange::start(&desk, &[]);
    let dead_man = "leverage: 5\n  dead_man: { countdown: 3s, refresh: 1s }";
    desk.configure(&exchange.base, &[("leverage: 5", dead_man)]);
    let mut trader = Trader::start(&desk);
    trader.until_quoting();
    trader.process.kill();
    let bystander = place_far_away(&exchange);
    // The switch knows no owner.
    until("the switch cancels", PATIENCE, || exchange.open_orders().is_empty().then_some(()));
    let state = |order: &&Value| order["clientOrderId"] == bystander.to_string().as_str();
    let orders = exchange.all_orders();
    assert_eq!(orders.iter().find(state).unwrap()["status"], "CANCELED");
}

/// An order of somebody who uses the same account, where nobody trades with it.
fn place_far_away(exchange: &Exchange) -> ClientOrderId {
    let instrument = Instrument::known(InstrumentId(0), SYMBOL).unwrap();
    let bid = decimal(&exchange.ask(&rest::book_ticker(SYMBOL))["bidPrice"]).to_f64();
    let price = instrument.float_at_or_below(bid * 0.98).unwrap();
    let order = NewOrder {
        instrument: InstrumentId(0),
        client_id: ClientOrderId { session: 1, sequence: 1 },
        side: Side::Buy,
        qty: instrument.float_qty_at_most(0.05).unwrap(),
        kind: OrderKind::Limit { price, tif: TimeInForce::PostOnly },
        reduce_only: false,
    };
    exchange.ask(&rest::place(&instrument, &order));
    assert!(exchange.open_orders().contains(&order.client_id));
    order.client_id
}

#[test]
fn orders_go_over_rest_when_that_is_wanted() {
    let desk = Desk::new("rest");
    let exchange = Exchange::start(&desk, &[]);
    desk.configure(&exchange.base, &[("leverage: 5", "leverage: 5\n  order_path: rest")]);
    let status = trade(&desk);
    assert_eq!(status["link"]["ws_api_up"], false);
    assert_eq!(exchange.open_orders(), Vec::new());
}

#[test]
fn the_paths_of_before_work_too() {
    let desk = Desk::new("legacy");
    let exchange = Exchange::start(&desk, &[]);
    desk.configure(&exchange.base, &[("leverage: 5", "leverage: 5\n  paths: legacy")]);
    trade(&desk);
    assert_eq!(exchange.open_orders(), Vec::new());
}

#[test]
fn every_stream_can_be_followed_twice() {
    let desk = Desk::new("twice");
    let exchange = Exchange::start(&desk, &[]);
    desk.configure(&exchange.base, &[("leverage: 5", "leverage: 5\n  connections: 2")]);
    trade(&desk);
    assert_eq!(exchange.open_orders(), Vec::new());
}

#[test]
fn a_session_over_tls_with_an_authority_of_our_own() {
    let desk = Desk::new("tls");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new([String::from("127.0.0.1")]).unwrap();
    let leaf = leaf.signed_by(&key, &authority).unwrap();
    for (name, text) in
        [("ca.pem", authority.pem()), ("cert.pem", leaf.pem()), ("key.pem", key.serialize_pem())]
    {
        fs::write(desk.path.join(name), text).unwrap();
    }
    let served = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--state", "venue"];
    let mut exchange = Exchange::start(&desk, &served);
    assert!(exchange.base.starts_with("https://"), "{}", exchange.base);

    desk.configure(&exchange.base, &[]);
    let mut distrustful = Trader::spawn(&desk);
    assert_eq!(distrustful.wait(PATIENCE).code(), Some(1), "nobody vouches for this authority");
    let said = distrustful.said();
    assert!(said.contains("certificate") || said.contains("UnknownIssuer"), "{said}");

    desk.configure(&exchange.base, &[("leverage: 5", "leverage: 5\n  ca_file: ca.pem")]);
    trade(&desk);
    // Asked without TLS, after a restart on the same accounts.
    exchange.process.signal("TERM");
    assert!(exchange.process.wait(PATIENCE).success());
    let exchange = Exchange::start(&desk, &["--state", "venue"]);
    assert_eq!(exchange.open_orders(), Vec::new());
    assert_ne!(exchange.all_orders(), Vec::<Value>::new());
    assert_eq!(exchange.traded().1, exchange.position());
}
