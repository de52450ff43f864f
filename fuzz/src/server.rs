//! What strangers say to the exchange that we serve.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use binance::rest;
use binance::server::params::{Params, decode};
use binance::server::verify::Secret;
use binance::server::{Action, Fate, Faults, Front, Request, Route, Session, Topic, streams};
use binance::{Credentials, describe};
use market::{Decimal, Nanos};
use runtime::exchange::{self, Account, ExchangeConfig, Host};

use crate::market::{RECV, instrument};
use crate::{SECRET, hides_secret};

const IP: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const KEY: &str = "key-one";

/// An exchange with a customer, and its clock.
struct World {
    front: Front,
    host: Host,
    session: Session,
    now: Nanos,
    signer: Credentials,
}

impl World {
    fn new() -> Self {
        let balance = Decimal::from_units(10_000 * Decimal::SCALE);
        let accounts = vec![Account::new(KEY, SECRET, balance), Account::new("k2", "s2", balance)];
        let config = ExchangeConfig {
            warm_up: Duration::ZERO,
            ..ExchangeConfig::new(instrument(0, "ETHUSDC"), accounts)
        };
        let front = exchange::front_config(&config, RECV).map(Front::new);
        let host = Host::new(&config, RECV);
        let (Ok(mut front), Ok(host)) = (front, host) else { unreachable!("a good exchange") };
        front.listen(Topic::User(0), true);
        front.listen(Topic::Depth(100), true);
        let session = Session::new(RECV, true);
        let Ok(signer) = Credentials::hmac(KEY, SECRET) else { unreachable!("a good key") };
        Self { front, host, session, now: RECV, signer }
    }

    fn step(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.host.step(self.now, self.front.maintenance());
        let mut market = Vec::new();
        self.host.take_market(&mut market);
        market.iter().for_each(|event| self.front.market_event(event));
        self.front.tick(&mut self.host, self.now);
    }

    /// One message; what was said to it.
    fn message(&mut self, line: &str) -> String {
        let (kind, rest) = line.split_at_checked(1).unwrap_or_default();
        match kind {
            "w" => self.ws(rest.trim_start()),
            "s" => {
                let signed = self.signed_frame(rest.trim_start());
                self.ws(&signed)
            }
            "." => {
                self.step(u64::from(rest.len() as u8) * 10);
                String::new()
            }
            "a" => match serde_json::from_str::<Action>(rest) {
                Ok(action) => {
                    let result = self.front.act(&mut self.host, self.now, &action);
                    format!("{result:?}")
                }
                Err(_) => String::new(),
            },
            "f" => {
                let faults: Result<Faults, _> = serde_json::from_str(rest);
                faults.into_iter().for_each(|faults| self.front.set_faults(faults));
                String::new()
            }
            _ => self.http(kind, rest),
        }
    }

    fn ws(&mut self, text: &str) -> String {
        let Self { front, host, session, now, .. } = self;
        front.ws_api(host, *now, session, IP, text).unwrap_or_default()
    }

    /// A request of the WS API as a customer would send it: with key, time and signature.
    fn signed_frame(&self, text: &str) -> String {
        let Ok(mut message) = serde_json::from_str::<serde_json::Value>(text) else {
            return text.to_owned();
        };
        let Some(params) = message.get_mut("params").filter(|params| params.is_object()) else {
            return text.to_owned();
        };
        params["apiKey"] = KEY.into();
        params["timestamp"] = self.now.as_millis().into();
        let signature = self.signer.sign(Params::from_json(params).signed_text().as_bytes());
        params["signature"] = signature.into();
        message.to_string()
    }

    /// `METHOD PATH?QUERY BODY`: after `k` with a key, after `r` signed too.
    fn http(&mut self, kind: &str, line: &str) -> String {
        let mut words = line.splitn(3, ' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let body = words.next().unwrap_or("");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut query = query.to_owned();
        if kind == "r" {
            let glue = if query.is_empty() { "" } else { "&" };
            query = format!("{query}{glue}timestamp={}", self.now.as_millis());
            let signature = self.signer.sign(format!("{query}{body}").as_bytes());
            query = format!("{query}&signature={signature}");
        }
        let api_key = matches!(kind, "k" | "r").then_some(KEY);
        let request = Request { method, path, query: &query, body, api_key, ip: IP };
        let reply = self.front.rest(&mut self.host, self.now, &request);
        let is_json = serde_json::from_str::<serde_json::Value>(&reply.body).is_ok();
        let is_page = reply.body.starts_with('<');
        let is_lost = reply.fate == Fate::Drop;
        assert!(is_json || is_page || is_lost, "neither JSON nor a page: {}", reply.body);
        assert!(is_lost || (100..600).contains(&reply.status), "status {}", reply.status);
        format!("{reply:?}")
    }
}

/// Requests over HTTP and the WS API, one a line, to a whole exchange: an answer to each, none
/// with the customer's secret, and every message to a customer is one that we understand.
pub fn server(data: &[u8]) {
    let mut world = World::new();
    world.step(100);
    let text = String::from_utf8_lossy(data);
    for line in text.lines().take(24) {
        let said = world.message(line);
        assert!(said.len() <= 4_000_000 + 16 * line.len(), "{} bytes", said.len());
        hides_secret(data, &said);
    }
    world.step(1_000);
    let mut pushes = Vec::new();
    world.front.drain(&mut pushes);
    for push in pushes {
        let described = describe(&push.text);
        assert!(described.get("problems").is_none(), "{described} of {}", push.text);
        if push.topic == Topic::User(0) {
            let event = binance::UserEvent::decode(push.text.as_bytes());
            let known = event.map(|event| event.reports(&instrument(0, "ETHUSDC")));
            assert!(matches!(known, Ok(Ok(_))), "{known:?} of {}", push.text);
        }
    }
}

/// The texts of requests: escapes, parameters, signatures, subscriptions. What our client encodes
/// the exchange decodes.
pub fn server_text(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, second) = text.split_once('\n').unwrap_or((&*text, ""));
    let encoded = {
        let mut out = String::new();
        rest::Params::new().text("a", first).text("b", second).encode_into(&mut out);
        out
    };
    let read = Params::from_http(&encoded, "");
    assert_eq!(read.get("a").unwrap_or_default(), first, "{encoded}");
    assert_eq!(read.get("b").unwrap_or_default(), second, "{encoded}");
    assert!(decode(&text).len() <= 3 * text.len());
    let object = serde_json::from_str(first).unwrap_or_default();
    for params in [Params::from_http(first, second), Params::from_json(&object)] {
        for name in ["quantity", "price", "limit", "orderId", "reduceOnly", "orderIdList"] {
            let _ = params.integer(name);
            let _ = params.decimal(name);
            let _ = params.boolean(name);
            let _ = params.list(name);
            let _ = params.limit(500, 1_000);
        }
        let _ = params.signed_text();
    }
    verify(first, second);
    let (id, wanted) = streams::control(&text);
    let _ = streams::answer(&id, wanted.map(|control| format!("{control:?}").into()));
    for name in text.split('/') {
        if let Some(route) = [Route::Public, Route::Market, Route::Private].first() {
            let _ = Topic::parse(name, "ETHUSDC").map(|topic| topic.travels(*route));
        }
    }
}

/// No text is signed by another, and a key that parses verifies without a panic.
fn verify(text: &str, signature: &str) {
    let hmac = Secret::hmac(SECRET);
    assert!(!hmac.verify(&[text.as_bytes()], signature), "a forged signature");
    if let Ok(signer) = Credentials::hmac(KEY, SECRET) {
        assert!(hmac.verify(&[text.as_bytes()], &signer.sign(text.as_bytes())));
    }
    if let Some(key) = Secret::ed25519(text) {
        let _ = key.verify(&[text.as_bytes()], signature);
    }
}
