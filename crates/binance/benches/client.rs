//! What it costs to read an order event and to write a signed order.
//!
//! `cargo bench -p binance --bench client`

use std::time::Duration;

use binance::rest::{self, Stamp};
use binance::ws_api::Auth;
use binance::{Credentials, UserEvent};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use market::venue::{NewOrder, OrderKind, TimeInForce};
use market::{ClientOrderId, Instrument, InstrumentId, Nanos, Price, Qty, Side};

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

#[divan::bench]
fn order_event_to_reports(bencher: Bencher<'_, '_>) {
    let eth = eth();
    bencher.counter(BytesCount::of_str(EVENT)).bench(|| {
        let event = UserEvent::decode(black_box(EVENT.as_bytes())).unwrap();
        event.reports(&eth).unwrap()
    });
}

#[divan::bench]
fn order_event_by_serde_value(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::of_str(EVENT))
        .bench(|| serde_json::from_str::<serde_json::Value>(black_box(EVENT)).unwrap());
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
