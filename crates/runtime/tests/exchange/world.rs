//! An exchange on simulated time, and one on real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;
use std::time::Duration;

use binance::Credentials;
use binance::server::{Front, Push, Reply, Request, Topic};
use market::{Decimal, Instrument, InstrumentId, Nanos};
use runtime::exchange::{self, Account, ExchangeConfig, Host, Listeners};
use serde_json::Value;
use tokio::sync::oneshot;

pub(crate) const KEYS: [(&str, &str); 2] = [("key-one", "secret-one"), ("key-two", "secret-two")];
const START: Nanos = Nanos(1_790_000_000_000_000_000);

pub(crate) fn config() -> ExchangeConfig {
    let instrument = Instrument::known(InstrumentId(0), "ETHUSDC").unwrap();
    let balance = Decimal::from_units(10_000 * Decimal::SCALE);
    let accounts = KEYS.iter().map(|(key, secret)| Account::new(key, secret, balance));
    ExchangeConfig {
        warm_up: Duration::from_secs(20),
        ..ExchangeConfig::new(instrument, accounts.collect())
    }
}

/// What `text` is signed to by an account.
pub(crate) fn sign(who: usize, text: &str) -> String {
    let (key, secret) = KEYS[who];
    Credentials::hmac(key, secret).unwrap().sign(text.as_bytes())
}

/// The protocol over the machine, without sockets.
pub(crate) struct World {
    pub(crate) front: Front,
    pub(crate) host: Host,
    pub(crate) now: Nanos,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&config())
    }

    pub(crate) fn with(config: &ExchangeConfig) -> Self {
        let front = Front::new(exchange::front_config(config, START).unwrap());
        let host = Host::new(config, START).unwrap();
        let mut world = Self { front, host, now: START };
        world.front.listen(Topic::User(0), true);
        world.front.listen(Topic::User(1), true);
        world.wait(Duration::from_secs(2));
        world.pushes();
        world
    }

    /// Time passes.
    pub(crate) fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            self.now = (self.now + Duration::from_millis(10)).min(until);
            self.host.step(self.now, self.front.maintenance());
            self.pump();
        }
    }

    fn pump(&mut self) {
        let mut market = Vec::new();
        self.host.take_market(&mut market);
        market.iter().for_each(|event| self.front.market_event(event));
        self.front.tick(&mut self.host, self.now);
    }

    /// Messages since the last call.
    pub(crate) fn pushes(&mut self) -> Vec<Push> {
        let mut pushes = Vec::new();
        self.front.drain(&mut pushes);
        pushes
    }

    /// User events of an account since the last call.
    pub(crate) fn events(&mut self, who: usize) -> Vec<Value> {
        let mine = |push: &Push| push.topic == Topic::User(who);
        let parse = |push: Push| serde_json::from_str(&push.text).unwrap();
        self.pushes().into_iter().filter(mine).map(parse).collect()
    }

    /// A request as it is.
    pub(crate) fn raw(
        &mut self,
        method: &str,
        path: &str,
        query: &str,
        key: Option<&str>,
    ) -> Reply {
        let request = Request {
            method,
            path,
            query,
            body: "",
            api_key: key,
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let reply = self.front.rest(&mut self.host, self.now, &request);
        self.pump();
        reply
    }

    /// A signed request; status and body.
    pub(crate) fn signed(
        &mut self,
        who: usize,
        method: &str,
        path: &str,
        query: &str,
    ) -> (u16, Value) {
        let reply = self.signed_reply(who, method, path, query);
        (reply.status, serde_json::from_str(&reply.body).unwrap())
    }

    /// A signed request with its headers.
    pub(crate) fn signed_reply(
        &mut self,
        who: usize,
        method: &str,
        path: &str,
        query: &str,
    ) -> Reply {
        let separator = if query.is_empty() { "" } else { "&" };
        let text = format!("{query}{separator}timestamp={}", self.now.as_millis());
        let signature = sign(who, &text);
        self.raw(method, path, &format!("{text}&signature={signature}"), Some(KEYS[who].0))
    }

    /// A signed request that must succeed.
    pub(crate) fn good(&mut self, who: usize, method: &str, path: &str, query: &str) -> Value {
        let (status, body) = self.signed(who, method, path, query);
        assert_eq!(status, 200, "{method} {path} {query}: {body}");
        body
    }

    /// A signed request that must be refused; its code.
    pub(crate) fn bad(&mut self, who: usize, method: &str, path: &str, query: &str) -> i64 {
        let (status, body) = self.signed(who, method, path, query);
        assert!(status >= 400, "{method} {path} {query}: {body}");
        body["code"].as_i64().unwrap()
    }

    /// Best bid and ask.
    pub(crate) fn touch(&mut self) -> (f64, f64) {
        let reply = self.raw("GET", "/fapi/v1/ticker/bookTicker", "symbol=ETHUSDC", None);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let price = |name: &str| body[name].as_str().unwrap().parse().unwrap();
        (price("bidPrice"), price("askPrice"))
    }

    /// A limit order this share below the best bid (buy) or above the best ask (sell).
    pub(crate) fn limit(&mut self, side: &str, away: f64, more: &str) -> String {
        let (bid, ask) = self.touch();
        let price = if side == "BUY" { bid * (1.0 - away) } else { ask * (1.0 + away) };
        format!("symbol=ETHUSDC&side={side}&type=LIMIT&quantity=0.05&price={price:.2}{more}")
    }
}

/// An exchange that serves sockets until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) control: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    pub(crate) fn new(mut config: ExchangeConfig) -> Self {
        config.control = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listeners = Listeners::bind(&config).await.unwrap();
                tell.send((listeners.address().unwrap(), listeners.control_address().unwrap()))
                    .unwrap();
                let shutdown = async {
                    let _ = stopped.await;
                };
                exchange::serve(config, listeners, shutdown).await.unwrap();
            });
        };
        let thread = std::thread::Builder::new().spawn(serve).unwrap();
        let (address, control) = told.recv().unwrap();
        Self { address, control, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.stop.take().map(|stop| stop.send(()));
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert!(ended.is_some_and(|ended| ended.is_ok()), "the exchange ended badly");
        }
    }
}
