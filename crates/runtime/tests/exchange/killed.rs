//! An exchange that is killed at any moment: what it told is what it has when it is back.
//!
//! The child process is this test binary itself, asked to run [`serve_until_killed`].

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use binance::server::LimitRules;
use market::Decimal;
use runtime::exchange::{self, ExchangeConfig, Listeners};
use serde_json::Value;
use tungstenite::Message;
use tungstenite::stream::MaybeTlsStream;

use crate::world::{KEYS, config, sign};

const FOLDER: &str = "EXCHANGE_STATE";
const ORDER: &str = "/fapi/v1/order";

/// A folder of its own for each test.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mm-exchange-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Not a test: the exchange that the tests below kill.
#[test]
#[ignore = "runs only as the child of other tests"]
fn serve_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let most = 1_000_000_000;
    let config = ExchangeConfig {
        state: Some(folder.into()),
        limits: LimitRules {
            weight_per_minute: most,
            orders_per_10s: most,
            orders_per_minute: most,
        },
        warm_up: Duration::from_secs(1),
        ..config()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listeners = Listeners::bind(&config).await.unwrap();
        println!("\naddress {}", listeners.address().unwrap());
        exchange::serve(config, listeners, std::future::pending()).await.unwrap();
    });
}

/// An exchange in a process of its own.
struct Victim {
    child: Child,
    address: SocketAddr,
}

impl Victim {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::serve_until_killed", "--ignored", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("the exchange did not start").unwrap();
            if let Some(address) = line.strip_prefix("address ") {
                break address.parse().unwrap();
            }
        };
        Self { child, address }
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One keep-alive connection of one account.
struct Line {
    stream: BufReader<TcpStream>,
    who: usize,
}

impl Line {
    fn open(address: SocketAddr, who: usize) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), who }
    }

    /// A signed request; an error when the exchange is gone.
    fn ask(&mut self, method: &str, path: &str, query: &str) -> io::Result<(u16, Value)> {
        let separator = if query.is_empty() { "" } else { "&" };
        let now = runtime::clock::now().as_millis();
        let text = format!("{query}{separator}timestamp={now}&recvWindow=60000");
        let (key, signature) = (KEYS[self.who].0, sign(self.who, &text));
        let head = format!(
            "{method} {path}?{text}&signature={signature} HTTP/1.1\r\nHost: x\r\n\
             X-MBX-APIKEY: {key}\r\nContent-Length: 0\r\n\r\n"
        );
        self.stream.get_mut().write_all(head.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<(u16, Value)> {
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, serde_json::from_slice(&body).unwrap()))
    }

    fn good(&mut self, method: &str, path: &str, query: &str) -> Value {
        let (status, body) = self.ask(method, path, query).unwrap();
        assert_eq!(status, 200, "{method} {path} {query}: {body}");
        body
    }

    /// Every trade of the account.
    fn trades(&mut self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let from = all.last().map_or(0, |trade| trade["id"].as_i64().unwrap() + 1);
            let query = format!("symbol=ETHUSDC&fromId={from}&limit=1000");
            let page = self.good("GET", "/fapi/v1/userTrades", &query);
            let page = page.as_array().unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page.iter().cloned());
        }
    }
}

/// What one order was last said to be.
#[derive(Clone, Debug)]
struct Told {
    reply: Value,
    /// A request about it was under way when the exchange died.
    unsure: bool,
}

/// What the exchange told one client.
#[derive(Default)]
struct Record {
    orders: BTreeMap<i64, Told>,
    leverage: Option<u64>,
    leverage_unsure: bool,
}

struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Trades until the exchange is gone; says what it was told.
fn trade(mut line: Line, seed: u64, told: &AtomicU64) -> Record {
    let (mut dice, mut record) = (Dice(seed), Record::default());
    let mut open: Vec<i64> = Vec::new();
    let (bid, ask) = loop {
        let Ok((_, body)) = line.ask("GET", "/fapi/v1/ticker/bookTicker", "symbol=ETHUSDC") else {
            return record;
        };
        let price = |name: &str| body[name].as_str().and_then(|text| text.parse::<f64>().ok());
        if let (Some(bid), Some(ask)) = (price("bidPrice"), price("askPrice")) {
            break (bid, ask);
        }
    };
    loop {
        let side = if dice.below(2) == 0 { "BUY" } else { "SELL" };
        let away = dice.below(40) as f64 / 20_000.0;
        let price = if side == "BUY" { bid * (1.0 - away) } else { ask * (1.0 + away) };
        let chosen = (!open.is_empty()).then(|| open[dice.below(open.len() as u64) as usize]);
        let limit = format!("symbol=ETHUSDC&side={side}&quantity=0.01&price={price:.2}");
        let (method, path, query, about) = match (dice.below(20), chosen) {
            (0..8, _) => ("POST", ORDER, format!("{limit}&type=LIMIT&timeInForce=GTC"), None),
            (8..10, _) => {
                let query = format!(
                    "symbol=ETHUSDC&side={side}&quantity=0.01&type=MARKET&newOrderRespType=RESULT"
                );
                ("POST", ORDER, query, None)
            }
            (10..12, Some(id)) => {
                let own = record.orders[&id].reply["side"].as_str().unwrap();
                let price = if own == "BUY" { bid * (1.0 - away) } else { ask * (1.0 + away) };
                let query = format!(
                    "symbol=ETHUSDC&side={own}&quantity=0.011&price={price:.2}&orderId={id}"
                );
                ("PUT", ORDER, query, Some(id))
            }
            (12, _) => {
                let leverage = 5 + dice.below(20);
                record.leverage_unsure = true;
                ("POST", "/fapi/v1/leverage", format!("symbol=ETHUSDC&leverage={leverage}"), None)
            }
            (_, Some(id)) => ("DELETE", ORDER, format!("symbol=ETHUSDC&orderId={id}"), Some(id)),
            (_, None) => continue,
        };
        if let Some(order) = about.and_then(|id| record.orders.get_mut(&id)) {
            order.unsure = true;
        }
        let Ok((status, body)) = line.ask(method, path, &query) else {
            return record;
        };
        told.fetch_add(1, Ordering::Relaxed);
        record.leverage_unsure = false;
        if let Some(order) = about.and_then(|id| record.orders.get_mut(&id)) {
            order.unsure = false;
        }
        if status != 200 {
            // It traded or was never taken; whatever is true of it shows later.
            open.retain(|id| Some(*id) != about);
            continue;
        }
        if let Some(leverage) = body["leverage"].as_u64() {
            record.leverage = Some(leverage);
            continue;
        }
        let id = body["orderId"].as_i64().unwrap();
        open.retain(|own| *own != id);
        if matches!(body["status"].as_str(), Some("NEW" | "PARTIALLY_FILLED")) {
            open.push(id);
        }
        record.orders.insert(id, Told { reply: body, unsure: false });
    }
}

/// Listens to an account until the exchange is gone; gives its events.
fn listen(address: SocketAddr, key: &str) -> JoinHandle<Vec<Value>> {
    let (mut socket, _) = tungstenite::connect(format!("ws://{address}/private/ws/{key}")).unwrap();
    if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    let run = move || {
        let mut events = Vec::new();
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                events.push(serde_json::from_str(&text).unwrap());
            }
        }
        events
    };
    std::thread::Builder::new().spawn(run).unwrap()
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

fn sum(values: impl Iterator<Item = Decimal>) -> i64 {
    values.map(Decimal::units).sum()
}

/// Compares what one client was told with what the exchange says now.
fn compare(line: &mut Line, record: &Record) {
    for (id, told) in &record.orders {
        let now = line.good("GET", ORDER, &format!("symbol=ETHUSDC&orderId={id}"));
        let before = &told.reply;
        assert_eq!(now["clientOrderId"], before["clientOrderId"]);
        assert!(decimal(&now["executedQty"]) >= decimal(&before["executedQty"]), "{before} {now}");
        if told.unsure {
            continue;
        }
        for field in ["price", "origQty", "side", "type", "timeInForce", "reduceOnly"] {
            assert_eq!(now[field], before[field], "{field}: {before} {now}");
        }
        let status = before["status"].as_str().unwrap();
        if !matches!(status, "NEW" | "PARTIALLY_FILLED") {
            assert_eq!(now["status"], status, "{before} {now}");
            assert_eq!(now["executedQty"], before["executedQty"]);
            assert_eq!(now["updateTime"], before["updateTime"]);
        }
    }
}

/// The account's books close: position and wallet follow from trades and income.
fn audit(line: &mut Line, events: &[Value]) {
    let trades = line.trades();
    let ids: Vec<_> = trades.iter().map(|trade| trade["id"].as_i64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "a trade twice");
    let signed = |trade: &Value| {
        let qty = decimal(&trade["qty"]).units();
        if trade["side"] == "BUY" { qty } else { -qty }
    };
    let held: i64 = trades.iter().map(signed).sum();
    let risk = line.good("GET", "/fapi/v2/positionRisk", "symbol=ETHUSDC");
    assert_eq!(decimal(&risk[0]["positionAmt"]).units(), held);
    let balance = line.good("GET", "/fapi/v3/balance", "");
    let row = balance.as_array().unwrap().iter().find(|row| row["asset"] == "USDC").unwrap();
    let first = 10_000 * Decimal::SCALE;
    let realized = sum(trades.iter().map(|trade| decimal(&trade["realizedPnl"])));
    let fees = sum(trades.iter().map(|trade| decimal(&trade["commission"])));
    assert_eq!(decimal(&row["balance"]).units(), first + realized - fees);
    let total = |line: &mut Line, kind: &str| {
        let query = format!("incomeType={kind}&limit=1000");
        let rows = line.good("GET", "/fapi/v1/income", &query);
        let rows = rows.as_array().unwrap().clone();
        (rows.len() < 1_000).then(|| sum(rows.iter().map(|row| decimal(&row["income"]))))
    };
    assert_eq!(total(line, "TRANSFER"), Some(first), "one first deposit");
    assert!(total(line, "COMMISSION").is_none_or(|paid| paid == -fees));
    assert!(total(line, "REALIZED_PNL").is_none_or(|made| made == realized));
    for event in events.iter().filter(|event| event["o"]["x"] == "TRADE") {
        let told = &event["o"];
        let found = trades.iter().find(|trade| trade["id"] == told["t"]);
        let found = found.unwrap_or_else(|| panic!("a trade that was told is gone: {event}"));
        assert_eq!((&found["orderId"], &found["qty"]), (&told["i"], &told["l"]));
        assert_eq!(decimal(&found["price"]), decimal(&told["L"]));
        assert_eq!(decimal(&found["commission"]), decimal(&told["n"]));
    }
}

#[test]
fn nothing_that_was_told_is_lost_when_it_is_killed_under_load() {
    let scratch = Scratch::new("killed");
    let mut dice = Dice(7);
    let mut victim = Victim::start(&scratch.0);
    let mut newest = 0;
    let mut all_events: [Vec<Value>; 2] = Default::default();
    let mut records: Vec<(usize, Record)> = Vec::new();
    for round in 0..6 {
        let keys = [0, 1].map(|who| {
            let reply = Line::open(victim.address, who).good("POST", "/fapi/v1/listenKey", "");
            reply["listenKey"].as_str().unwrap().to_owned()
        });
        let streams = [0, 1].map(|who| listen(victim.address, &keys[who]));
        let told = Arc::new(AtomicU64::new(0));
        let clients: Vec<_> = [0, 0, 1]
            .into_iter()
            .zip(1..)
            .map(|(who, number)| {
                let (line, told) = (Line::open(victim.address, who), Arc::clone(&told));
                let seed = round * 1_000 + number;
                let run = move || (who, trade(line, seed, &told));
                std::thread::Builder::new().spawn(run).unwrap()
            })
            .collect();
        let fatal = 50 + dice.below(1_500);
        while told.load(Ordering::Relaxed) < fatal {
            std::thread::yield_now();
        }
        victim.kill();
        records.extend(clients.into_iter().map(|client| client.join().unwrap()));
        for (who, stream) in streams.into_iter().enumerate() {
            all_events[who].extend(stream.join().unwrap());
        }
        victim = Victim::start(&scratch.0);
        for who in [0, 1] {
            let mut line = Line::open(victim.address, who);
            audit(&mut line, &all_events[who]);
            let key = line.good("PUT", "/fapi/v1/listenKey", "");
            assert_eq!(key["listenKey"], keys[who], "the listen key lives on");
        }
        for (who, record) in &records[records.len() - 3..] {
            let mut line = Line::open(victim.address, *who);
            compare(&mut line, record);
            newest = newest.max(record.orders.keys().next_back().copied().unwrap_or(0));
        }
        let second = &records[records.len() - 1].1;
        if let (Some(leverage), false) = (second.leverage, second.leverage_unsure) {
            let risk = Line::open(victim.address, 1).good("GET", "/fapi/v2/positionRisk", "");
            assert_eq!(risk[0]["leverage"], leverage.to_string());
        }
        let query = "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.01&price=2300";
        let fresh = Line::open(victim.address, 0).good("POST", ORDER, query);
        assert!(fresh["orderId"].as_i64().unwrap() > newest, "numbers go on");
        Line::open(victim.address, 0).good("DELETE", "/fapi/v1/allOpenOrders", "symbol=ETHUSDC");
        Line::open(victim.address, 1).good("DELETE", "/fapi/v1/allOpenOrders", "symbol=ETHUSDC");
    }
    // Orders of all rounds are still what they were last said to be.
    for (who, record) in &records {
        let mut line = Line::open(victim.address, *who);
        for (id, told) in &record.orders {
            let now = line.good("GET", ORDER, &format!("symbol=ETHUSDC&orderId={id}"));
            assert_eq!(now["clientOrderId"], told.reply["clientOrderId"]);
        }
    }
}

#[test]
fn a_countdown_that_ran_down_while_the_exchange_was_dead_fires_once() {
    let scratch = Scratch::new("countdown");
    let mut victim = Victim::start(&scratch.0);
    let resting = "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.01&price=2300";
    let mut line = Line::open(victim.address, 0);
    let order = line.good("POST", ORDER, resting);
    let other = Line::open(victim.address, 1).good("POST", ORDER, resting);
    line.good("POST", "/fapi/v1/countdownCancelAll", "symbol=ETHUSDC&countdownTime=1");
    victim.kill();
    // It needs far longer than a millisecond to come back.
    victim = Victim::start(&scratch.0);
    let mut line = Line::open(victim.address, 0);
    let query = format!("symbol=ETHUSDC&orderId={}", order["orderId"]);
    assert_eq!(line.good("GET", ORDER, &query)["status"], "CANCELED");
    let query = format!("symbol=ETHUSDC&orderId={}", other["orderId"]);
    let still = Line::open(victim.address, 1).good("GET", ORDER, &query);
    assert_eq!(still["status"], "NEW", "the other account's order rests");
    let order = line.good("POST", ORDER, resting);
    line.good("POST", "/fapi/v1/countdownCancelAll", "symbol=ETHUSDC&countdownTime=600000");
    victim.kill();
    victim = Victim::start(&scratch.0);
    let mut line = Line::open(victim.address, 0);
    let query = format!("symbol=ETHUSDC&orderId={}", order["orderId"]);
    assert_eq!(line.good("GET", ORDER, &query)["status"], "NEW", "a countdown fires once");
}

#[test]
fn the_market_goes_on_near_its_last_price_and_orders_at_it_rest() {
    let scratch = Scratch::new("price");
    let mut victim = Victim::start(&scratch.0);
    let touch = |address| {
        let body =
            Line::open(address, 0).good("GET", "/fapi/v1/ticker/bookTicker", "symbol=ETHUSDC");
        let price = |name: &str| body[name].as_str().unwrap().parse::<f64>().unwrap();
        (price("bidPrice"), price("askPrice"))
    };
    for _ in 0..4 {
        let (bid, _) = touch(victim.address);
        let query = format!(
            "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={:.2}",
            bid - 0.05
        );
        let order = Line::open(victim.address, 0).good("POST", ORDER, &query);
        victim.kill();
        victim = Victim::start(&scratch.0);
        let (after, _) = touch(victim.address);
        assert!((after / bid - 1.0).abs() < 0.002, "from {bid} to {after}");
        let query = format!("symbol=ETHUSDC&orderId={}", order["orderId"]);
        let now = Line::open(victim.address, 0).good("GET", ORDER, &query);
        assert!(
            matches!(now["status"].as_str(), Some("NEW" | "PARTIALLY_FILLED" | "FILLED")),
            "{now}"
        );
        assert!(
            now["avgPrice"] == "0.00000" || decimal(&now["avgPrice"]) == decimal(&now["price"])
        );
    }
}
