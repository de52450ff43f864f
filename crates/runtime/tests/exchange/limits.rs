//! Rate limits: headers, 429, 418, order counters.

use std::time::Duration;

use binance::server::{LimitRules, Reply};

use crate::world::{World, config};

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.iter().find(|(own, _)| *own == name).map(|(_, value)| value.as_str())
}

#[test]
fn weight_is_counted_by_the_minute_of_the_clock_then_429_then_418() {
    let mut config = config();
    config.limits = LimitRules { weight_per_minute: 100, ..LimitRules::default() };
    let mut world = World::with(&config);
    // To the first second of a minute.
    let into = world.now.as_millis() % 60_000;
    world.wait(Duration::from_millis(60_000 - into));
    let depth =
        |world: &mut World| world.raw("GET", "/fapi/v1/depth", "symbol=ETHUSDC&limit=1000", None);
    for used in 1..=5 {
        let reply = depth(&mut world);
        assert_eq!(reply.status, 200);
        assert_eq!(header(&reply, "x-mbx-used-weight-1m"), Some((used * 20).to_string().as_str()));
    }
    let reply = depth(&mut world);
    assert_eq!((reply.status, header(&reply, "retry-after")), (429, Some("60")));
    assert!(reply.body.contains("-1003"));
    world.wait(Duration::from_secs(60));
    assert_eq!(depth(&mut world).status, 200, "a new minute");
    let statuses: Vec<_> = (0..40).map(|_| depth(&mut world).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 4);
    assert_eq!(statuses.last(), Some(&418), "who goes on is banned");
    let reply = depth(&mut world);
    assert!(reply.body.contains("banned until"), "{}", reply.body);
    world.wait(Duration::from_secs(60));
    assert_eq!(depth(&mut world).status, 418, "still banned in the next minute");
    world.wait(Duration::from_secs(61));
    assert_eq!(depth(&mut world).status, 200);
}

#[test]
fn orders_are_counted_per_account_and_cancels_are_free() {
    let mut world = World::new();
    let into = world.now.as_millis() % 10_000;
    world.wait(Duration::from_millis(10_000 - into));
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC&newClientOrderId=n");
    for count in 1..=300 {
        let reply = world.signed_reply(0, "POST", "/fapi/v1/order", &query);
        assert_eq!(header(&reply, "x-mbx-order-count-10s"), Some(count.to_string().as_str()));
        let cancel = "symbol=ETHUSDC&origClientOrderId=n";
        let reply = world.signed_reply(0, "DELETE", "/fapi/v1/order", cancel);
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(header(&reply, "x-mbx-order-count-10s"), None);
    }
    let (status, body) = world.signed(0, "POST", "/fapi/v1/order", &query);
    assert_eq!((status, &body["code"]), (429, &(-1015).into()));
    world.good(1, "POST", "/fapi/v1/order", &query);
    world.wait(Duration::from_secs(10));
    world.good(0, "POST", "/fapi/v1/order", &query);
}
