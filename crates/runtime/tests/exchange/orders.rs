//! Orders through the protocol: replies, refusals, and what the account has afterwards.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use binance::Credentials;
use binance::server::Session;
use runtime::exchange::Signer;
use serde_json::{Value, json};

use crate::world::{KEYS, World, config, sign};

const ORDER: &str = "/fapi/v1/order";

#[test]
fn an_order_lives_and_dies() {
    let mut world = World::new();
    let query = world.limit("BUY", 0.01, "&timeInForce=GTX&newClientOrderId=a:1/x");
    let placed = world.good(0, "POST", ORDER, &query);
    assert_eq!((&placed["status"], &placed["clientOrderId"]), (&"NEW".into(), &"a:1/x".into()));
    let id = placed["orderId"].as_i64().unwrap();
    assert!(id > 1 << 53, "no client may read ids as doubles");
    let by_name = "symbol=ETHUSDC&origClientOrderId=a%3A1%2Fx";
    assert_eq!(world.good(0, "GET", ORDER, by_name)["orderId"], id);
    assert_eq!(world.bad(1, "GET", ORDER, by_name), -2013, "another account's order");
    let change = world.limit("BUY", 0.02, &format!("&orderId={id}&modifyId=7"));
    let changed = world.good(0, "PUT", ORDER, &change);
    assert_eq!((&changed["orderId"], &changed["modifyId"]), (&id.into(), &7.into()));
    assert_eq!(world.bad(0, "PUT", ORDER, &change), -5027);
    let history = world.good(0, "GET", "/fapi/v1/orderAmendment", by_name);
    assert_eq!(history.as_array().unwrap().len(), 1);
    assert_eq!(world.good(0, "DELETE", ORDER, by_name)["status"], "CANCELED");
    assert_eq!(world.bad(0, "DELETE", ORDER, by_name), -2011);
    assert_eq!(world.good(0, "GET", ORDER, by_name)["status"], "CANCELED");
    assert_eq!(world.bad(0, "GET", "/fapi/v1/openOrder", by_name), -2013);
    assert_eq!(world.good(0, "GET", "/fapi/v1/openOrders", ""), Value::Array(vec![]));
    assert_eq!(world.good(0, "GET", "/fapi/v1/allOrders", "symbol=ETHUSDC")[0]["orderId"], id);
    // The name is free again; the older order stays known by number.
    world.good(0, "POST", ORDER, &query);
    assert_eq!(world.good(0, "GET", ORDER, by_name)["status"], "NEW");
    let by_id = format!("symbol=ETHUSDC&orderId={id}");
    assert_eq!(world.good(0, "GET", ORDER, &by_id)["status"], "CANCELED");
}

#[test]
fn the_order_of_checks() {
    let mut world = World::new();
    let old = format!("timestamp={}&signature=00", world.now.as_millis() - 60_000);
    let fresh = format!("timestamp={}&signature=00", world.now.as_millis());
    let code = |world: &mut World, query: &str, key| {
        let reply = world.raw("POST", ORDER, query, key);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        (reply.status, body["code"].as_i64().unwrap())
    };
    assert_eq!(code(&mut world, &old, None), (401, -2014));
    assert_eq!(code(&mut world, &old, Some("nobody")), (401, -2015));
    assert_eq!(code(&mut world, &old, Some(KEYS[0].0)), (400, -1021));
    assert_eq!(code(&mut world, "signature=00", Some(KEYS[0].0)), (400, -1102));
    assert_eq!(code(&mut world, &fresh, Some(KEYS[0].0)), (400, -1022));
    assert_eq!(world.bad(0, "POST", ORDER, ""), -1102, "then parameters");
    let early = format!("timestamp={}", world.now.as_millis() + 1_000);
    let signed = format!("{early}&signature={}", sign(0, &early));
    assert_eq!(code(&mut world, &signed, Some(KEYS[0].0)), (400, -1021));
    let wide = format!("recvWindow=60001&timestamp={}", world.now.as_millis());
    let signed = format!("{wide}&signature={}", sign(0, &wide));
    assert_eq!(code(&mut world, &signed, Some(KEYS[0].0)), (400, -1131));
    assert_eq!(world.raw("GET", "/fapi/v1/nothing", "", None).status, 404);
    assert_eq!(world.raw("PATCH", ORDER, "", None).status, 405);
}

#[test]
fn every_refusal_has_its_code() {
    let mut world = World::new();
    let (bid, ask) = world.touch();
    let good = format!(
        "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.05&price={:.2}",
        bid * 0.99
    );
    let with = |name: &str, value: &str| {
        let keep = |part: &&str| !part.starts_with(&format!("{name}="));
        let rest: Vec<_> = good.split('&').filter(keep).collect();
        format!("{}&{name}={value}", rest.join("&"))
    };
    let cases = [
        (with("symbol", "BTCUSDT"), -1121),
        (with("symbol", ""), -1102),
        (with("side", "LEFT"), -1117),
        (with("type", "FANCY"), -1116),
        (with("type", "STOP"), -4120),
        (with("timeInForce", "LATER"), -1115),
        (with("timeInForce", "GTD"), -1102),
        (with("quantity", "0.05x"), -1100),
        (with("quantity", "0.0501"), -1111),
        (with("quantity", "0"), -4003),
        (with("quantity", "-1"), -4003),
        (with("quantity", "8000.001"), -4005),
        (with("quantity", "0.001"), -4164),
        (with("quantity", "1000"), -2019),
        (with("price", "2500.001"), -1111),
        (with("price", "1"), -4013),
        (with("price", "999999"), -4002),
        (with("price", &format!("{:.2}", ask * 1.06)), -4016),
        (with("newClientOrderId", &"x".repeat(37)), -4015),
        (with("newClientOrderId", "a%20b"), -1100),
        (with("positionSide", "LONG"), -4061),
        (with("reduceOnly", "true"), -2022),
        (with("selfTradePreventionMode", "MAYBE"), -1130),
        (with("priceMatch", "QUEUE"), -1106),
        (format!("{}&timeInForce=FOK", with("timeInForce", "FOK")), -5021),
    ];
    for (query, code) in cases {
        assert_eq!(world.bad(0, "POST", ORDER, &query), code, "{query}");
    }
    let taking = format!(
        "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.05&price={:.2}",
        ask * 1.001
    );
    assert_eq!(world.bad(0, "POST", ORDER, &taking), -5022);
    assert!(world.events(0).is_empty(), "a refusal leaves no trace");
    let open = world.good(0, "GET", "/fapi/v1/allOrders", "symbol=ETHUSDC");
    assert_eq!(open, Value::Array(vec![]));
}

#[test]
fn a_batch_has_one_slot_per_order() {
    let mut world = World::new();
    let (bid, _) = world.touch();
    let order = |qty: &str, name: &str| {
        format!(
            r#"{{"symbol":"ETHUSDC","side":"BUY","type":"LIMIT","timeInForce":"GTC","quantity":"{qty}","price":"{:.2}","newClientOrderId":"{name}"}}"#,
            bid * 0.99
        )
    };
    let list = format!("[{},{},{}]", order("0.05", "a"), order("0.001", "b"), order("0.05", "a"));
    let query = format!("batchOrders={}", escape(&list));
    let slots = world.good(0, "POST", "/fapi/v1/batchOrders", &query);
    assert_eq!(slots[0]["status"], "NEW");
    assert_eq!(slots[1]["code"], -4164);
    assert_eq!(slots[2]["code"], -4116);
    let names = escape(r#"["a","b"]"#);
    let query = format!("symbol=ETHUSDC&origClientOrderIdList={names}");
    let slots = world.good(0, "DELETE", "/fapi/v1/batchOrders", &query);
    assert_eq!((&slots[0]["status"], &slots[1]["code"]), (&"CANCELED".into(), &(-2011).into()));
    let six = format!("[{}]", vec![order("0.05", "z"); 6].join(","));
    let query = format!("batchOrders={}", escape(&six));
    assert_eq!(world.bad(0, "POST", "/fapi/v1/batchOrders", &query), -4082);
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn two_accounts_trade_with_each_other_and_the_books_balance() {
    let mut world = World::new();
    // Inside the spread there is nobody but us.
    let (bid, ask) = world.touch();
    let price = format!("{:.2}", (bid + ask) / 2.0);
    let sell =
        format!("symbol=ETHUSDC&side=SELL&type=LIMIT&timeInForce=GTC&quantity=0.5&price={price}");
    world.good(1, "POST", ORDER, &sell);
    world.good(0, "POST", ORDER, "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.2");
    world.wait(Duration::from_secs(1));
    let market = "symbol=ETHUSDC&side=SELL&type=MARKET&quantity=0.2&reduceOnly=true";
    world.good(0, "POST", ORDER, market);
    for who in [0, 1] {
        let trades = world.good(who, "GET", "/fapi/v1/userTrades", "symbol=ETHUSDC");
        let income = world.good(who, "GET", "/fapi/v1/income", "limit=1000");
        let sum = |rows: &Value, field: &str| -> f64 {
            rows.as_array().unwrap().iter().map(|row| number(&row[field])).sum()
        };
        let gains = sum(&trades, "realizedPnl") - sum(&trades, "commission");
        let booked = sum(&income, "income");
        assert!((booked - 10_000.0 - gains).abs() < 1e-8, "{who}: {booked} {gains}");
        let rows = world.good(who, "GET", "/fapi/v3/balance", "");
        let own = rows.as_array().unwrap().iter().find(|row| row["asset"] == "USDC").unwrap();
        assert!((number(&own["balance"]) - booked).abs() < 1e-8, "{who}: {own}");
    }
}

fn number(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn the_dead_mans_switch_cancels_once() {
    let mut world = World::new();
    let query = world.limit("BUY", 0.02, "&timeInForce=GTC");
    world.good(0, "POST", ORDER, &query);
    let path = "/fapi/v1/countdownCancelAll";
    let armed = world.good(0, "POST", path, "symbol=ETHUSDC&countdownTime=1000");
    assert_eq!(armed["countdownTime"], "1000");
    world.wait(Duration::from_millis(900));
    assert_eq!(world.good(0, "GET", "/fapi/v1/openOrders", "").as_array().unwrap().len(), 1);
    world.wait(Duration::from_millis(200));
    assert_eq!(world.good(0, "GET", "/fapi/v1/openOrders", "").as_array().unwrap().len(), 0);
    world.good(0, "POST", ORDER, &query);
    world.wait(Duration::from_secs(3));
    assert_eq!(world.good(0, "GET", "/fapi/v1/openOrders", "").as_array().unwrap().len(), 1);
}

#[test]
fn settings_and_their_refusals() {
    let mut world = World::new();
    let dual = "/fapi/v1/positionSide/dual";
    assert_eq!(world.bad(0, "POST", dual, "dualSidePosition=false"), -4059);
    world.good(0, "POST", dual, "dualSidePosition=true");
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC");
    assert_eq!(world.bad(0, "POST", ORDER, &query), -4061);
    world.good(0, "POST", dual, "dualSidePosition=false");
    let margin = "/fapi/v1/marginType";
    assert_eq!(world.bad(0, "POST", margin, "symbol=ETHUSDC&marginType=CROSSED"), -4046);
    world.good(0, "POST", ORDER, &query);
    assert_eq!(world.bad(0, "POST", margin, "symbol=ETHUSDC&marginType=ISOLATED"), -4047);
    let leverage = world.good(0, "POST", "/fapi/v1/leverage", "symbol=ETHUSDC&leverage=2");
    assert_eq!(leverage["leverage"], 2);
    let big = query.replace("quantity=0.05", "quantity=20");
    assert_eq!(world.bad(0, "POST", ORDER, &big), -2019, "10 000 at leverage 2 is not enough");
    world.good(1, "POST", ORDER, &big);
}

#[test]
fn a_session_with_an_ed25519_key_needs_no_further_signatures() {
    const PRIVATE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    const PUBLIC: &str = "MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let mut config = config();
    config.accounts[0].secret = Signer::Ed25519(PUBLIC.to_owned());
    let mut world = World::with(&config);
    let key = Credentials::ed25519(KEYS[0].0, PRIVATE).unwrap();
    let now = world.now.as_millis();
    let signature = key.sign(format!("apiKey={}&timestamp={now}", KEYS[0].0).as_bytes());
    let mut session = Session::new(world.now, true);
    let mut ask = |method: &str, params: Value| -> Value {
        let text = json!({"id": 1, "method": method, "params": params}).to_string();
        let (ip, now) = (IpAddr::V4(Ipv4Addr::LOCALHOST), world.now);
        let reply = world.front.ws_api(&mut world.host, now, &mut session, ip, &text);
        serde_json::from_str(&reply.unwrap()).unwrap()
    };
    let order = json!({
        "symbol": "ETHUSDC", "side": "BUY", "type": "MARKET", "quantity": "0.01",
        "timestamp": now,
    });
    assert_eq!(ask("order.place", order.clone())["error"]["code"], -2014, "nobody yet");
    let logon = json!({"apiKey": KEYS[0].0, "timestamp": now, "signature": signature});
    assert_eq!(ask("session.logon", logon)["result"]["apiKey"], KEYS[0].0);
    let placed = ask("order.place", order.clone());
    assert_eq!(placed["status"], 200, "{placed}");
    assert_eq!(placed["rateLimits"][0]["count"], 1);
    assert_eq!(ask("v2/account.balance", json!({"timestamp": now}))["status"], 200);
    assert_eq!(ask("session.logout", json!({}))["result"]["apiKey"], Value::Null);
    assert_eq!(ask("order.place", order)["error"]["code"], -2014);
}
