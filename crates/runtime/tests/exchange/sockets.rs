//! Real sockets: connections that end, routes that stay silent, the control port, the WS API.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

use crate::world::{KEYS, Served, config, sign};

type Socket = WebSocket<MaybeTlsStream<TcpStream>>;

fn open(served: &Served, path: &str) -> Socket {
    let (socket, _) = tungstenite::connect(format!("ws://{}{path}", served.address)).unwrap();
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    }
    socket
}

/// The next text message; `None` when nothing comes for a while or the socket ends.
fn next(socket: &mut Socket) -> Option<Value> {
    loop {
        match socket.read().ok()? {
            Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into()
}

fn now_ms() -> u64 {
    runtime::clock::now().as_millis()
}

pub(crate) fn post(served: &Served, path: &str, query: &str) -> Result<(u16, Value), ureq::Error> {
    let text = format!("{query}&timestamp={}", now_ms());
    let url = format!("http://{}{path}?{text}&signature={}", served.address, sign(0, &text));
    let mut reply = agent().post(&url).header("X-MBX-APIKEY", KEYS[0].0).send_empty()?;
    Ok((reply.status().as_u16(), reply.body_mut().read_json()?))
}

pub(crate) fn get(served: &Served, path: &str, query: &str) -> Result<(u16, Value), ureq::Error> {
    let text = format!("{query}&timestamp={}", now_ms());
    let url = format!("http://{}{path}?{text}&signature={}", served.address, sign(0, &text));
    let mut reply = agent().get(&url).header("X-MBX-APIKEY", KEYS[0].0).call()?;
    Ok((reply.status().as_u16(), reply.body_mut().read_json()?))
}

pub(crate) fn control(served: &Served, path: &str, body: &Value) -> u16 {
    let url = format!("http://{}{path}", served.control);
    agent().post(&url).send_json(body).unwrap().status().as_u16()
}

#[test]
fn streams_travel_by_their_own_route_and_stay_silent_on_others() {
    let served = Served::new(config());
    let mut public = open(&served, "/public/ws/ethusdc@bookTicker");
    assert_eq!(next(&mut public).unwrap()["e"], "bookTicker");
    let mut legacy = open(&served, "/stream?streams=ethusdc@depth@100ms/ethusdc@markPrice@1s");
    let mut names = Vec::new();
    while names.len() < 2 {
        let message = next(&mut legacy).unwrap();
        let name = message["stream"].as_str().unwrap().to_owned();
        assert!(message["data"]["e"].is_string());
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut wrong = open(&served, "/market/ws");
    let ask = json!({"method": "SUBSCRIBE", "params": ["ethusdc@bookTicker"], "id": 3});
    wrong.send(Message::text(ask.to_string())).unwrap();
    assert_eq!(next(&mut wrong).unwrap(), json!({"result": null, "id": 3}));
    let list = json!({"method": "LIST_SUBSCRIPTIONS", "id": 4});
    wrong.send(Message::text(list.to_string())).unwrap();
    let listed = next(&mut wrong).unwrap();
    assert_eq!(listed["result"], json!(["ethusdc@bookTicker"]), "acknowledged, yet silent");
    wrong.send(Message::text("nonsense")).unwrap();
    assert!(next(&mut wrong).unwrap()["error"]["code"].is_number());
}

#[test]
fn user_events_arrive_on_every_kind_of_private_socket() {
    let served = Served::new(config());
    let url = format!("http://{}/fapi/v1/listenKey", served.address);
    let mut reply = agent().post(&url).header("X-MBX-APIKEY", KEYS[0].0).send_empty().unwrap();
    let reply: Value = reply.body_mut().read_json().unwrap();
    let key = reply["listenKey"].as_str().unwrap();
    let mut sockets = [
        open(&served, &format!("/private/ws/{key}")),
        open(&served, &format!("/private/ws?listenKey={key}&events=ACCOUNT_UPDATE")),
        open(&served, &format!("/ws/{key}")),
        open(&served, &format!("/private/stream?listenKey={key}")),
    ];
    let mut bogus = open(&served, "/private/ws/no-such-key");
    std::thread::sleep(Duration::from_millis(100));
    let (status, _) =
        post(&served, "/fapi/v1/order", "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.01")
            .unwrap();
    assert_eq!(status, 200);
    assert_eq!(next(&mut sockets[0]).unwrap()["e"], "TRADE_LITE");
    assert_eq!(next(&mut sockets[1]).unwrap()["e"], "ACCOUNT_UPDATE");
    assert_eq!(next(&mut sockets[2]).unwrap()["e"], "TRADE_LITE");
    let wrapped = next(&mut sockets[3]).unwrap();
    assert_eq!((&wrapped["stream"], &wrapped["data"]["e"]), (&key.into(), &"TRADE_LITE".into()));
    if let MaybeTlsStream::Plain(stream) = bogus.get_ref() {
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    }
    assert_eq!(next(&mut bogus), None, "opens and stays silent");
}

#[test]
fn the_ws_api_answers_signed_requests_and_refuses_hmac_logons() {
    let served = Served::new(config());
    let mut socket = open(&served, "/ws-fapi/v1");
    let mut ask = |method: &str, params: Value| {
        let request = json!({"id": "p-1", "method": method, "params": params});
        socket.send(Message::text(request.to_string())).unwrap();
        next(&mut socket).unwrap()
    };
    let reply = ask("ticker.book", json!({"symbol": "ETHUSDC"}));
    assert_eq!((&reply["id"], &reply["status"]), (&"p-1".into(), &200.into()));
    let bid: f64 = reply["result"]["bidPrice"].as_str().unwrap().parse().unwrap();
    let price = format!("{:.2}", bid * 0.99);
    let now = now_ms();
    let text = format!(
        "apiKey={}&price={price}&quantity=0.05&side=BUY&symbol=ETHUSDC&timeInForce=GTX&timestamp={now}&type=LIMIT",
        KEYS[0].0
    );
    let mut params = json!({
        "apiKey": KEYS[0].0, "price": price, "quantity": "0.05", "side": "BUY",
        "symbol": "ETHUSDC", "timeInForce": "GTX", "timestamp": now, "type": "LIMIT",
        "signature": sign(0, &text),
    });
    let reply = ask("order.place", params.clone());
    assert_eq!(reply["result"]["status"], "NEW", "{reply}");
    assert_eq!(reply["rateLimits"][0]["count"], 1);
    params["signature"] = "00".into();
    let reply = ask("order.place", params);
    assert_eq!((&reply["status"], &reply["error"]["code"]), (&400.into(), &(-1022).into()));
    let now = now_ms();
    let text = format!("apiKey={}&timestamp={now}", KEYS[0].0);
    let logon = json!({"apiKey": KEYS[0].0, "timestamp": now, "signature": sign(0, &text)});
    assert_eq!(ask("session.logon", logon)["error"]["code"], -4056);
    assert!(ask("dance", json!({}))["error"]["code"].is_number());
}

#[test]
fn the_control_port_drops_connections_and_answers() {
    let served = Served::new(config());
    let mut stream = open(&served, "/public/ws/ethusdc@bookTicker");
    assert!(next(&mut stream).is_some());
    assert_eq!(control(&served, "/actions", &json!("drop_connections")), 200);
    while next(&mut stream).is_some() {}
    let order = "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.01";
    assert_eq!(control(&served, "/faults", &json!({"drop_after": 1_000_000})), 200);
    assert!(post(&served, "/fapi/v1/order", order).is_err(), "the connection ends unanswered");
    assert_eq!(control(&served, "/faults", &json!({"silent_market": true})), 200);
    let trades = {
        let text = format!("symbol=ETHUSDC&timestamp={}", now_ms());
        let url = format!(
            "http://{}/fapi/v1/userTrades?{text}&signature={}",
            served.address,
            sign(0, &text)
        );
        let mut reply = agent().get(&url).header("X-MBX-APIKEY", KEYS[0].0).call().unwrap();
        reply.body_mut().read_json::<Value>().unwrap()
    };
    assert!(!trades.as_array().unwrap().is_empty(), "it was carried out all the same");
    let mut silent = open(&served, "/public/ws/ethusdc@bookTicker");
    if let MaybeTlsStream::Plain(stream) = silent.get_ref() {
        stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    }
    assert_eq!(next(&mut silent), None);
    assert_eq!(control(&served, "/faults", &json!({"no_such_fault": 1})), 422);
    assert_eq!(control(&served, "/faults", &json!({"refuse_sockets": true})), 200);
    let url = format!("ws://{}/ws/ethusdc@bookTicker", served.address);
    assert!(tungstenite::connect(url).is_err());
}

/// Nothing comes, and yet the connection has not ended.
fn is_dead(socket: &mut Socket) -> bool {
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    }
    let ping = socket.send(Message::Ping("still there?".into()));
    loop {
        match socket.read() {
            // What was under way before.
            Ok(Message::Text(_)) => {}
            Ok(_) => return false,
            Err(tungstenite::Error::Io(error)) => {
                let waits = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                return ping.is_ok() && waits;
            }
            Err(_) => return false,
        }
    }
}

#[test]
fn half_open_sockets_neither_speak_nor_end() {
    let served = Served::new(config());
    let mut market = open(&served, "/public/ws/ethusdc@bookTicker");
    let mut api = open(&served, "/ws-fapi/v1");
    assert!(next(&mut market).is_some());
    assert_eq!(control(&served, "/faults", &json!({"half_open": true})), 200);
    assert!(is_dead(&mut market) && is_dead(&mut api));
    let mut late = open(&served, "/public/ws/ethusdc@bookTicker");
    assert!(is_dead(&mut late), "also those that are opened now");
    assert_eq!(control(&served, "/faults", &json!({})), 200);
    assert!(is_dead(&mut market), "they do not come back to life");
    let mut fresh = open(&served, "/public/ws/ethusdc@bookTicker");
    assert!(next(&mut fresh).is_some());
    assert_eq!(control(&served, "/actions", &json!("drop_connections")), 200);
    assert!(!is_dead(&mut market), "cut at last");
}

#[test]
fn connections_end_when_they_get_too_old() {
    let served = Served::new(config());
    let mut old = open(&served, "/public/ws/ethusdc@bookTicker");
    assert!(next(&mut old).is_some());
    assert_eq!(control(&served, "/faults", &json!({"connection_life_ms": 50})), 200);
    loop {
        match old.read() {
            Ok(Message::Close(frame)) => {
                assert_eq!(u16::from(frame.unwrap().code), 1_001);
                break;
            }
            Ok(_) => {}
            Err(error) => panic!("no farewell: {error}"),
        }
    }
    let mut young = open(&served, "/ws-fapi/v1");
    assert_eq!(next(&mut young), None, "closed as well");
}

#[test]
fn the_ws_api_answers_late_too() {
    let served = Served::new(config());
    let mut socket = open(&served, "/ws-fapi/v1");
    let faults = json!({"reply_delay_ms": 250, "reply_jitter_ms": 10});
    assert_eq!(control(&served, "/faults", &faults), 200);
    let asked = now_ms();
    for id in 0..3 {
        let ask = json!({"id": id, "method": "time", "params": {}});
        socket.send(Message::text(ask.to_string())).unwrap();
    }
    let mut ids: Vec<_> = (0..3).map(|_| next(&mut socket).unwrap()["id"].as_u64()).collect();
    ids.sort();
    assert_eq!(ids, [Some(0), Some(1), Some(2)]);
    assert!(now_ms() - asked >= 250);
}
