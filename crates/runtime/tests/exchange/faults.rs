//! Faults: what a client sees, and what was really done.

use binance::server::{Action, Faults, front::Fate};
use serde_json::Value;

use crate::world::{KEYS, World};

const ORDER: &str = "/fapi/v1/order";
const ALWAYS: u32 = 1_000_000;

/// Places an order under faults; says what came back and whether the order is open.
fn place(faults: Faults) -> (u16, String, bool) {
    let mut world = World::new();
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC&newClientOrderId=f");
    world.front.set_faults(faults);
    let reply = world.signed_reply(0, "POST", ORDER, &query);
    world.front.set_faults(Faults::default());
    let status = if reply.fate == Fate::Drop { 0 } else { reply.status };
    let open = world.good(0, "GET", "/fapi/v1/openOrders", "");
    (status, reply.body, open.as_array().unwrap().len() == 1)
}

#[test]
fn answers_that_hide_what_was_done() {
    let with = |set: fn(&mut Faults)| {
        let mut faults = Faults::default();
        set(&mut faults);
        place(faults)
    };
    let (status, _, open) = with(|f| f.drop_before = ALWAYS);
    assert_eq!((status, open), (0, false));
    let (status, _, open) = with(|f| f.drop_after = ALWAYS);
    assert_eq!((status, open), (0, true));
    let (status, body, open) = with(|f| f.unknown_after = ALWAYS);
    assert_eq!((status, open), (503, true));
    assert!(body.contains("Unknown error") && !body.contains("code"), "{body}");
    let (status, _, open) = with(|f| f.unknown_before = ALWAYS);
    assert_eq!((status, open), (503, false));
    let (status, body, open) = with(|f| f.timeout_after = ALWAYS);
    assert_eq!((status, open, body.contains("-1007")), (408, true, true));
    let (_, body, open) = with(|f| f.unexpected_after = ALWAYS);
    assert_eq!((open, body.contains("-1006")), (true, true));
    let (status, body, open) = with(|f| f.overload = ALWAYS);
    assert_eq!((status, open, body.contains("-1008")), (503, false, true));
    let (status, body, open) = with(|f| f.bad_gateway = ALWAYS);
    assert_eq!((status, open, body.starts_with('<')), (502, false, true));
    let (status, _, open) = with(|f| f.too_many_requests = true);
    assert_eq!((status, open), (429, false));
    let (status, body, open) = with(|f| f.ban = true);
    assert_eq!((status, open, body.contains("banned until")), (418, false, true));
    let (status, _, open) = with(|f| f.maintenance = true);
    assert_eq!((status, open), (503, false));
    let (_, body, open) = with(|f| f.clock_skew_ms = 6_000);
    assert_eq!((open, body.contains("-1021")), (false, true));
    let (_, body, open) = with(|f| f.clock_skew_ms = -5_000);
    assert_eq!((open, body.contains("-1021")), (false, true));
    let (_, body, open) = with(|f| f.closed = true);
    assert_eq!((open, body.contains("-4141")), (false, true));
}

#[test]
fn the_user_stream_loses_doubles_and_swaps() {
    let run = |faults: Faults| {
        let mut world = World::new();
        world.front.set_faults(faults);
        world.good(0, "POST", ORDER, "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.01");
        let name = |event: &Value| event["e"].as_str().unwrap().to_owned();
        world.events(0).iter().map(name).collect::<Vec<_>>()
    };
    assert!(run(Faults { lose_user: ALWAYS, ..Faults::default() }).is_empty());
    assert!(run(Faults { silent_user: true, ..Faults::default() }).is_empty());
    assert_eq!(run(Faults { duplicate_user: ALWAYS, ..Faults::default() }).len(), 8);
    let swapped = run(Faults { reorder_user: ALWAYS, ..Faults::default() });
    assert_eq!(swapped.len(), 4);
    assert_eq!(swapped.last().unwrap(), "TRADE_LITE");
}

#[test]
fn other_hands_on_the_account() {
    let mut world = World::new();
    let api_key = KEYS[0].0.to_owned();
    let actions = [
        Action::Transfer { api_key: api_key.clone(), amount: "-100.5".to_owned() },
        Action::Trade {
            api_key: api_key.clone(),
            side: "SELL".to_owned(),
            price: "2600.00".to_owned(),
            quantity: "0.5".to_owned(),
        },
        Action::Leverage { api_key: api_key.clone(), leverage: 3 },
        Action::Lock { api_key: api_key.clone(), locked: true },
    ];
    for action in &actions {
        world.front.act(&mut world.host, world.now, action).unwrap();
    }
    let names: Vec<_> =
        world.events(0).iter().map(|e| e["e"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.first().unwrap(), "ACCOUNT_UPDATE");
    assert_eq!(names.last().unwrap(), "ACCOUNT_CONFIG_UPDATE");
    let risk = world.good(0, "GET", "/fapi/v2/positionRisk", "");
    assert_eq!((&risk[0]["positionAmt"], &risk[0]["leverage"]), (&"-0.500".into(), &"3".into()));
    let query = world.limit("SELL", 0.01, "&timeInForce=GTC");
    assert_eq!(world.bad(0, "POST", ORDER, &query), -4400);
    let unknown = Action::Lock { api_key: "nobody".to_owned(), locked: true };
    assert!(world.front.act(&mut world.host, world.now, &unknown).is_err());
}
