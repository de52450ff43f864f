//! User events: their order, their shape, and the streams of the book.

use std::time::Duration;

use binance::server::{Action, Topic};
use market::{Book, BookStatus, DepthDiff, Level, Nanos, Side};
use serde_json::Value;

use crate::world::{KEYS, World};

const ORDER: &str = "/fapi/v1/order";

fn names(events: &[Value]) -> Vec<String> {
    let name = |event: &Value| match event["o"]["x"].as_str() {
        Some(what) => format!("{} {what}", event["e"].as_str().unwrap()),
        None => event["e"].as_str().unwrap().to_owned(),
    };
    events.iter().map(name).collect()
}

#[test]
fn an_order_that_fills_at_once_speaks_in_the_documented_order() {
    let mut world = World::new();
    world.good(0, "POST", ORDER, "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.01");
    let events = world.events(0);
    assert_eq!(
        names(&events),
        ["TRADE_LITE", "ORDER_TRADE_UPDATE NEW", "ACCOUNT_UPDATE", "ORDER_TRADE_UPDATE TRADE"]
    );
    assert!(
        events.iter().all(|event| event["T"] == events[0]["T"] && event["E"] == events[0]["E"])
    );
    let (lite, fill) = (&events[0], &events[3]["o"]);
    assert_eq!((&lite["t"], &lite["i"]), (&fill["t"], &fill["i"]));
    assert_eq!(
        (&fill["X"], &fill["z"], &fill["ps"]),
        (&"FILLED".into(), &"0.010".into(), &"BOTH".into())
    );
    let account = &events[2]["a"];
    assert_eq!((&account["m"], &account["P"][0]["pa"]), (&"ORDER".into(), &"0.010".into()));
    assert_eq!(account["P"][0]["ep"], fill["ap"].as_str().unwrap().trim_end_matches('0'));
}

#[test]
fn the_life_of_a_resting_order_on_the_stream() {
    let mut world = World::new();
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC&newClientOrderId=rest");
    world.good(0, "POST", ORDER, &query);
    let change = world.limit("BUY", 0.011, "&origClientOrderId=rest&modifyId=12");
    world.good(0, "PUT", ORDER, &change);
    world.good(0, "DELETE", ORDER, "symbol=ETHUSDC&origClientOrderId=rest");
    let events = world.events(0);
    assert_eq!(
        names(&events),
        ["ORDER_TRADE_UPDATE NEW", "ORDER_TRADE_UPDATE AMENDMENT", "ORDER_TRADE_UPDATE CANCELED"]
    );
    assert_eq!(events[1]["o"]["M"], "12");
    assert!(events[0]["o"].get("M").is_none());
    assert!(world.events(1).is_empty(), "nobody else hears of it");
}

#[test]
fn a_part_of_an_ioc_order_expires_with_a_reason() {
    let mut world = World::new();
    let (_, ask) = world.touch();
    let query = format!(
        "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=IOC&quantity=70&price={ask:.2}&newOrderRespType=RESULT"
    );
    let reply = world.good(0, "POST", ORDER, &query);
    assert_eq!(reply["status"], "EXPIRED");
    let events = world.events(0);
    let last = &events.last().unwrap()["o"];
    assert_eq!(
        (&last["x"], &last["X"], &last["er"]),
        (&"EXPIRED".into(), &"EXPIRED".into(), &"2".into())
    );
    assert_eq!(last["z"], reply["executedQty"]);
}

#[test]
fn a_liquidation_is_an_order_of_the_venue() {
    let mut world = World::new();
    world.good(0, "POST", ORDER, "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=50");
    world.events(0);
    let drop = Action::Mark { price: "2000".to_owned() };
    world.front.act(&mut world.host, world.now, &drop).unwrap();
    world.wait(Duration::from_millis(1_100));
    let events = world.events(0);
    let fill = events.iter().find(|event| event["o"]["x"] == "TRADE").unwrap();
    assert!(fill["o"]["c"].as_str().unwrap().starts_with("autoclose-"), "{fill}");
    let forced = world.good(0, "GET", "/fapi/v1/forceOrders", "");
    assert_eq!(forced[0]["orderId"], fill["o"]["i"]);
    assert_eq!(world.good(0, "GET", "/fapi/v3/positionRisk", ""), Value::Array(vec![]));
}

#[test]
fn an_expired_listen_key_says_so_and_falls_silent() {
    let mut world = World::new();
    let path = "/fapi/v1/listenKey";
    let key = |world: &mut World, method: &str| {
        let reply = world.raw(method, path, "", Some(KEYS[0].0));
        serde_json::from_str::<Value>(&reply.body).unwrap()
    };
    assert_eq!(key(&mut world, "PUT")["code"], -1125);
    let first = key(&mut world, "POST");
    assert_eq!(key(&mut world, "POST"), first, "one key per account");
    assert_eq!(key(&mut world, "PUT"), first);
    let text = first["listenKey"].as_str().unwrap().to_owned();
    assert_eq!(world.front.listener(&text, world.now), Some(0));
    let expire = Action::ExpireListenKey { api_key: KEYS[0].0.to_owned() };
    world.front.act(&mut world.host, world.now, &expire).unwrap();
    let events = world.events(0);
    assert_eq!(
        (&events[0]["e"], &events[0]["listenKey"]),
        (&"listenKeyExpired".into(), &text.as_str().into())
    );
    assert_eq!(world.front.listener(&text, world.now), None);
    assert_ne!(key(&mut world, "POST"), first);
}

fn levels(list: &Value, world: &World) -> Vec<Level> {
    let instrument = world.front.instrument();
    let decimal = |value: &Value| value.as_str().unwrap().parse().unwrap();
    let level = |row: &Value| Level {
        price: instrument.price(decimal(&row[0])).unwrap(),
        qty: instrument.qty(decimal(&row[1])).unwrap(),
    };
    list.as_array().unwrap().iter().map(level).collect()
}

/// A book kept by the documented rule from each of the three diff streams equals every later
/// snapshot, and a best-price message equals the book's top.
#[test]
fn a_book_kept_from_the_stream_equals_every_later_snapshot() {
    for every in [100, 250, 500] {
        let mut world = World::new();
        world.front.listen(Topic::Depth(every), true);
        world.front.listen(Topic::Partial { levels: 20, every }, true);
        let mut book = Book::default();
        let mut started = false;
        let mut compared = 0;
        for _ in 0..200 {
            world.wait(Duration::from_millis(50));
            let reply = world.raw("GET", "/fapi/v1/depth", "symbol=ETHUSDC&limit=1000", None);
            let snapshot: Value = serde_json::from_str(&reply.body).unwrap();
            for push in world.pushes() {
                let event: Value = serde_json::from_str(&push.text).unwrap();
                let diff = DepthDiff {
                    first_id: event["U"].as_u64().unwrap(),
                    last_id: event["u"].as_u64().unwrap(),
                    previous_id: event["pu"].as_u64().unwrap(),
                    bids: levels(&event["b"], &world),
                    asks: levels(&event["a"], &world),
                };
                if matches!(push.topic, Topic::Partial { .. }) {
                    let top: Vec<_> = book.levels(Side::Buy).take(20).collect();
                    assert!(!started || top == diff.bids, "the best 20 replace");
                    continue;
                }
                assert!(diff.first_id > diff.previous_id + 1, "ids have holes");
                book.apply_diff(Nanos::ZERO, &diff);
            }
            if !started {
                started = true;
                book.apply_snapshot(
                    Nanos::ZERO,
                    &market::DepthSnapshot {
                        last_id: snapshot["lastUpdateId"].as_u64().unwrap(),
                        bids: levels(&snapshot["bids"], &world),
                        asks: levels(&snapshot["asks"], &world),
                    },
                );
            }
            assert_eq!(book.status(Nanos::ZERO, Duration::MAX), BookStatus::Synced);
            if Some(book.last_id()) == snapshot["lastUpdateId"].as_u64() {
                let own: Vec<_> = book.levels(Side::Buy).take(500).collect();
                let theirs: Vec<_> =
                    levels(&snapshot["bids"], &world).into_iter().take(500).collect();
                assert_eq!(own, theirs);
                compared += 1;
            }
        }
        assert!(compared > 10, "{every} ms: compared only {compared} times");
    }
}
