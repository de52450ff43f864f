//! What it costs to read an order event and to write a signed order.
//!
//! `cargo bench -p binance --bench client`

use std::borrow::Cow;
use std::time::Duration;

use binance::replies::{OrderStatus, Owner};
use binance::rest::{self, Stamp};
use binance::user_stream::{Execution, Fee, OrderUpdate};
use binance::ws_api::Auth;
use binance::{Credentials, UserEvent};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use market::venue::{NewOrder, OrderKind, TimeInForce};
use market::{
    ClientOrderId, Decimal, Instrument, InstrumentId, Nanos, Price, Qty, Side, TradeId,
    VenueOrderId,
};
use serde::Deserialize;

fn main() {
    divan::main();
}

const EVENT: &str = r#"{"e":"ORDER_TRADE_UPDATE","T":1791000000200,"E":1791000000201,"o":{"s":"ETHUSDC","c":"mm-0012abcd-00000007","S":"BUY","o":"LIMIT","f":"GTX","q":"0.100","p":"2610.50","ap":"2610.50","sp":"0","x":"TRADE","X":"PARTIALLY_FILLED","i":4611686018427387905,"l":"0.030","z":"0.030","L":"2610.50","n":"0","N":"USDC","T":1791000000200,"t":700123,"b":"182.735","a":"0","m":true,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,"V":"EXPIRE_MAKER","pm":"NONE","gtd":0,"er":"0"}}"#;

fn eth() -> Instrument {
    Instrument::known(InstrumentId(0), "ETHUSDC").unwrap()
}

fn order() -> NewOrder {
    NewOrder {
        instrument: InstrumentId(0),
        client_id: ClientOrderId { session: 0x0012_abcd, sequence: 7 },
        side: Side::Buy,
        qty: Qty::new(10),
        kind: OrderKind::Limit { price: Price::new(261_050), tif: TimeInForce::PostOnly },
        reduce_only: false,
    }
}

fn stamp() -> Stamp {
    let timestamp = Nanos::from_millis(1_791_000_000_000);
    Stamp { timestamp, window: Duration::from_millis(3_000) }
}

fn hmac() -> Credentials {
    Credentials::hmac(&"k".repeat(64), &"s".repeat(64)).unwrap()
}

fn ed25519() -> Credentials {
    let key = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    Credentials::ed25519(&"k".repeat(64), key).unwrap()
}

/// An order event to what it says: the scanner, our general parser, and what one would write by hand.
mod order_event {
    use super::*;

    #[divan::bench]
    fn scanner(bencher: Bencher<'_, '_>) {
        bencher
            .counter(BytesCount::of_str(EVENT))
            .bench(|| OrderUpdate::decode_by_scanner(black_box(EVENT.as_bytes())).unwrap());
    }

    #[divan::bench]
    fn serde_general(bencher: Bencher<'_, '_>) {
        bencher
            .counter(BytesCount::of_str(EVENT))
            .bench(|| OrderUpdate::decode_by_serde(black_box(EVENT.as_bytes())).unwrap());
    }

    #[divan::bench]
    fn serde_typed(bencher: Bencher<'_, '_>) {
        assert_eq!(typed(EVENT), OrderUpdate::decode_by_scanner(EVENT.as_bytes()).unwrap());
        bencher.counter(BytesCount::of_str(EVENT)).bench(|| typed(black_box(EVENT)));
    }

    #[divan::bench]
    fn serde_typed_texts_only(bencher: Bencher<'_, '_>) {
        bencher.counter(BytesCount::of_str(EVENT)).bench(|| {
            let parsed: TypedEvent<'_> = serde_json::from_str(black_box(EVENT)).unwrap();
            black_box(&parsed);
        });
    }

    #[divan::bench]
    fn frame_to_reports(bencher: Bencher<'_, '_>) {
        let eth = eth();
        bencher.counter(BytesCount::of_str(EVENT)).bench(|| {
            let event = UserEvent::decode(black_box(EVENT.as_bytes())).unwrap();
            event.reports(&eth).unwrap()
        });
    }
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, not read")]
struct TypedEvent<'a> {
    e: &'a str,
    #[serde(rename = "T")]
    transaction_time: u64,
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(borrow)]
    o: TypedOrder<'a>,
}

/// Only what is used: the other fields of an order are passed over.
#[derive(Deserialize)]
struct TypedOrder<'a> {
    s: &'a str,
    c: &'a str,
    #[serde(rename = "S")]
    side: &'a str,
    o: &'a str,
    f: &'a str,
    q: &'a str,
    p: &'a str,
    x: &'a str,
    #[serde(rename = "X")]
    status: &'a str,
    i: i64,
    l: &'a str,
    z: &'a str,
    #[serde(rename = "L")]
    last_price: &'a str,
    n: &'a str,
    #[serde(rename = "N")]
    fee_asset: &'a str,
    #[serde(rename = "T")]
    time: u64,
    t: i64,
    m: bool,
    #[serde(rename = "R")]
    reduce_only: bool,
    rp: &'a str,
    er: &'a str,
}

fn typed(frame: &str) -> OrderUpdate {
    let event: TypedEvent<'_> = serde_json::from_str(frame).unwrap();
    let order = &event.o;
    let decimal = |text: &str| -> Decimal { text.parse().unwrap() };
    let amount = decimal(order.n);
    OrderUpdate {
        symbol: order.s.to_owned(),
        owner: Owner::of(order.c),
        venue_id: VenueOrderId(order.i),
        side: if order.side == "BUY" { Side::Buy } else { Side::Sell },
        execution: match order.x {
            "TRADE" => Execution::Trade,
            "NEW" => Execution::New,
            "CANCELED" => Execution::Canceled,
            other => Execution::Unknown(other.to_owned()),
        },
        status: OrderStatus::of(order.status),
        kind: Cow::Owned(order.o.to_owned()),
        tif: Cow::Owned(order.f.to_owned()),
        price: decimal(order.p),
        qty: decimal(order.q),
        filled: decimal(order.z),
        last_price: decimal(order.last_price),
        last_qty: decimal(order.l),
        trade_id: (order.t > 0).then_some(TradeId(order.t)),
        fee: (amount != Decimal::ZERO).then(|| Fee { asset: order.fee_asset.to_owned(), amount }),
        realized: Some(decimal(order.rp)),
        maker: order.m,
        reduce_only: order.reduce_only,
        expiry: order.er.parse().ok(),
        time: Nanos::from_millis(order.time),
        ts_event: Nanos::from_millis(event.event_time),
    }
}

#[divan::bench]
fn order_to_ws_frame_hmac(bencher: Bencher<'_, '_>) {
    let (eth, key, mut frame) = (eth(), hmac(), String::with_capacity(1_024));
    bencher.bench_local(|| {
        let request = rest::place(&eth, black_box(&order()));
        request.frame(17, Auth::Signed(&key), stamp(), &mut frame).unwrap();
        frame.len()
    });
}

#[divan::bench]
fn order_to_ws_frame_logged_on(bencher: Bencher<'_, '_>) {
    let (eth, key, mut frame) = (eth(), hmac(), String::with_capacity(1_024));
    bencher.bench_local(|| {
        let request = rest::place(&eth, black_box(&order()));
        request.frame(17, Auth::Session(&key), stamp(), &mut frame).unwrap();
        frame.len()
    });
}

#[divan::bench]
fn order_to_rest_hmac(bencher: Bencher<'_, '_>) {
    let (eth, key) = (eth(), hmac());
    bencher.bench(|| rest::place(&eth, black_box(&order())).http(Some(&key), stamp()).unwrap());
}

#[divan::bench]
fn signature_hmac(bencher: Bencher<'_, '_>) {
    let (key, text) = (hmac(), "x".repeat(280));
    bencher.bench(|| key.sign(black_box(text.as_bytes())));
}

#[divan::bench]
fn signature_ed25519(bencher: Bencher<'_, '_>) {
    let (key, text) = (ed25519(), "x".repeat(280));
    bencher.bench(|| key.sign(black_box(text.as_bytes())));
}
