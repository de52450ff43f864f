//! The simulated exchange, and hosts that are none of it.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use binance::client::{NoAnswer, RequestId};
use binance::ws_api::{Auth, WsReply};
use binance::{Credentials, Method, Stamp, rest};
use market::venue::{NewOrder, OrderKind};
use market::{ClientOrderId, Decimal, Instrument, InstrumentId, Qty, Side};
use runtime::exchange::{self, Account, ExchangeConfig, Listeners};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::rig::{Rig, Seen, request};

/// An exchange that serves until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(crate) fn new(tls: Option<(PathBuf, PathBuf)>) -> Self {
        let instrument = Instrument::known(InstrumentId(0), "ETHUSDC").unwrap();
        let balance = Decimal::from_units(10_000 * Decimal::SCALE);
        let account = Account::new("key", "secret", balance);
        let warm_up = Duration::from_secs(20);
        let config =
            ExchangeConfig { tls, warm_up, ..ExchangeConfig::new(instrument, vec![account]) };
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listeners = Listeners::bind(&config).await.unwrap();
                tell.send(listeners.address().unwrap()).unwrap();
                let shutdown = async { drop(stopped.await) };
                exchange::serve(config, listeners, shutdown).await.unwrap();
            });
        };
        let thread = std::thread::Builder::new().spawn(serve).unwrap();
        Self { address: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
    }

    /// Ends every connection and the exchange.
    pub(crate) fn kill(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.kill();
        }
    }
}

fn keys() -> Credentials {
    Credentials::hmac("key", "secret").unwrap()
}

fn instrument() -> Instrument {
    Instrument::known(InstrumentId(0), "ETHUSDC").unwrap()
}

/// A market order of a hundredth.
fn order(sequence: u32) -> NewOrder {
    NewOrder {
        instrument: InstrumentId(0),
        client_id: ClientOrderId { session: 1, sequence },
        side: Side::Buy,
        qty: Qty::new(10),
        kind: OrderKind::Market,
        reduce_only: false,
    }
}

fn json(text: impl AsRef<[u8]>) -> Value {
    serde_json::from_slice(text.as_ref()).unwrap()
}

/// Opens the user stream; its address.
pub(crate) fn open_user_stream(rig: &mut Rig, socket: u64, base: &str) -> String {
    rig.signed(900, &rest::create_listen_key(), &keys());
    let key = json(rig.reply().body)["listenKey"].as_str().unwrap().to_owned();
    let url = format!("{base}/private/ws/{key}");
    rig.opened(socket, &url);
    url
}

#[test]
fn requests_are_answered_over_one_connection() {
    let served = Served::new(None);
    let mut rig = Rig::at(served.address);
    rig.http(1, request(Method::Get, "/fapi/v1/time"));
    let reply = rig.reply();
    assert!(json(&reply.body)["serverTime"].is_number());
    assert!(reply.headers.iter().any(|(name, _)| name == "x-mbx-used-weight-1m"));
    rig.signed(2, &rest::place(&instrument(), &order(1)), &keys());
    let reply = rig.reply();
    assert_eq!(json(&reply.body)["clientOrderId"], "mm-00000001-00000001");
    rig.signed(3, &rest::account(), &Credentials::hmac("key", "wrong").unwrap());
    let reply = rig.reply();
    assert_eq!((reply.status, &json(&reply.body)["code"]), (400, &Value::from(-1022)));
    rig.http(4, request(Method::Get, "/nothing"));
    assert_eq!(rig.reply().status, 404);
    rig.http(5, request(Method::Get, "/fapi/v1/depth?symbol=ETHUSDC&limit=1000"));
    assert!(json(&rig.reply().body)["bids"].as_array().is_some_and(|bids| bids.len() > 10));
}

#[test]
fn market_account_and_orders_have_their_sockets() {
    let served = Served::new(None);
    let mut rig = Rig::at(served.address);
    let base = format!("ws://{}", served.address);
    rig.opened(1, &format!("{base}/public/stream?streams=ethusdc@bookTicker"));
    for _ in 0..3 {
        let (socket, text) = rig.frame();
        assert_eq!((socket, &json(text)["stream"]), (1, &Value::from("ethusdc@bookTicker")));
    }
    rig.close(1);
    open_user_stream(&mut rig, 2, &base);
    rig.opened(3, &format!("{base}/ws-fapi/v1?returnRateLimits=true"));
    let stamp = Stamp { timestamp: runtime::clock::now(), window: Duration::from_secs(60) };
    let mut text = String::new();
    let place = rest::place(&instrument(), &order(7));
    place.frame(11, Auth::Signed(&keys()), stamp, &mut text).unwrap();
    rig.send(3, &text);
    let (mut replied, mut filled) = (false, false);
    while !(replied && filled) {
        let (socket, text) = rig.frame();
        match socket {
            2 => filled |= json(&text)["o"]["x"] == "TRADE",
            3 => {
                let reply = WsReply::decode(text.as_bytes()).unwrap();
                assert_eq!((reply.id, reply.status), (Some(11), 200), "{text}");
                replied = true;
            }
            other => panic!("{other} is closed: {text}"),
        }
    }
}

#[test]
fn an_exchange_that_dies_takes_its_sockets_along() {
    let mut served = Served::new(None);
    let mut rig = Rig::at(served.address);
    let base = format!("ws://{}", served.address);
    let url = open_user_stream(&mut rig, 1, &base);
    rig.opened(2, &format!("{base}/market/stream?streams=ethusdc@markPrice@1s"));
    served.kill();
    let (mut ended, key) = (Vec::new(), url.rsplit('/').next().unwrap());
    while ended.len() < 2 {
        if let Seen::Closed(socket, reason) = rig.next() {
            assert!(!reason.contains(key));
            ended.push(socket);
        }
    }
    ended.sort_unstable();
    assert_eq!(ended, [1, 2]);
    rig.http(3, request(Method::Get, "/fapi/v1/time"));
    assert!(matches!(rig.answer().1, Err(NoAnswer::NotSent(_))));
    rig.open(4, &url);
    assert!(!rig.end(4).contains(key));
}

#[test]
fn no_other_host_is_contacted() {
    let served = Served::new(None);
    let mut rig = Rig::at(served.address);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let (other_at, port) = (other.local_addr().unwrap(), served.address.port());
    let foreign = [
        format!("ws://{other_at}/private/ws/secretlistenkey"),
        format!("ws://{}@{other_at}/ws/secretlistenkey", served.address),
        format!("ws://localhost:{port}/ws/secretlistenkey"),
        format!("wss://{}/ws/secretlistenkey", served.address),
        format!("http://{other_at}/secretlistenkey"),
        "wss://fstream.binance.com/private/ws/secretlistenkey".to_owned(),
        "secretlistenkey".to_owned(),
        String::new(),
    ];
    for (socket, url) in (1..).zip(&foreign) {
        rig.open(socket, url);
        let reason = rig.end(socket);
        let is_named = reason.contains("none of the configured hosts");
        assert!(is_named || reason.contains("not an address"), "{url}: {reason}");
        assert!(!reason.contains("secretlistenkey"), "{reason}");
    }
    for base in [format!("http://{other_at}"), "https://api.binance.com".to_owned()] {
        let time = request(Method::Get, "/fapi/v1/time");
        rig.net.ask(&base, RequestId(99), time, Duration::from_secs(5));
        assert!(matches!(rig.answer(), (99, Err(NoAnswer::NotSent(_)))), "{base}");
    }
    assert!(other.accept().is_err(), "nobody came");
    let time = request(Method::Get, "/fapi/v1/time");
    rig.net.ask(
        &format!("http://{}", served.address),
        RequestId(100),
        time,
        Duration::from_secs(5),
    );
    assert_eq!(rig.reply().status, 200);
}
