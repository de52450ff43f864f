//! Faults: what a client sees, and what was really done.

use std::time::Duration;

use binance::server::{Action, Faults, Hand, Topic, front::Fate};
use serde_json::Value;

use crate::world::{KEYS, World, config};

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
            by: Hand::default(),
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

fn trade(world: &mut World) -> Vec<Value> {
    world.good(0, "POST", ORDER, "symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.01");
    world.events(0)
}

#[test]
fn a_hanging_request_is_answered_never_or_after_it_was_done() {
    for (faults, done) in [
        (Faults { hang_before: ALWAYS, ..Faults::default() }, false),
        (Faults { hang_after: ALWAYS, ..Faults::default() }, true),
    ] {
        let mut world = World::new();
        world.front.set_faults(faults);
        let query = world.limit("BUY", 0.01, "&timeInForce=GTC");
        let reply = world.signed_reply(0, "POST", ORDER, &query);
        assert!(matches!(reply.fate, Fate::Send(delay) if delay >= Duration::from_secs(600)));
        let open = world.good(0, "GET", "/fapi/v1/openOrders", "");
        assert_eq!(open.as_array().unwrap().len(), usize::from(done));
    }
}

#[test]
fn user_events_come_later_than_the_reply_and_in_order() {
    let mut world = World::new();
    world.front.set_faults(Faults { user_delay_ms: 300, user_jitter_ms: 200, ..Faults::default() });
    assert!(trade(&mut world).is_empty(), "the reply is first");
    assert!(trade(&mut world).is_empty());
    world.wait(Duration::from_millis(250));
    assert!(world.events(0).is_empty());
    world.wait(Duration::from_millis(300));
    let names: Vec<_> =
        world.events(0).iter().map(|e| e["e"].as_str().unwrap().to_owned()).collect();
    assert_eq!(names.len(), 8, "none is lost: {names:?}");
    assert_eq!((&*names[0], &*names[4]), ("TRADE_LITE", "TRADE_LITE"), "their order stays");
    // Those that are held go out in order even when the fault is over.
    let held = Faults { user_delay_ms: 300, ..Faults::default() };
    world.front.set_faults(held);
    assert!(trade(&mut world).is_empty());
    world.front.set_faults(Faults::default());
    assert!(trade(&mut world).is_empty());
    world.wait(Duration::from_millis(300));
    assert_eq!(world.events(0).len(), 8);
}

#[test]
fn slow_replies_vary_within_their_bounds() {
    let mut world = World::new();
    world.front.set_faults(Faults {
        reply_delay_ms: 100,
        reply_jitter_ms: 50,
        ..Faults::default()
    });
    let mut delays = Vec::new();
    for _ in 0..50 {
        let reply = world.raw("GET", "/fapi/v1/time", "", None);
        let Fate::Send(delay) = reply.fate else { panic!("dropped") };
        assert!((100..=150).contains(&delay.as_millis()));
        delays.push(delay);
    }
    delays.sort();
    delays.dedup();
    assert!(delays.len() > 10, "they are not all the same");
}

/// Every number and text of a value, numbers by what they are worth.
fn meaning(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            into.push(name.clone());
            meaning(field, into);
        }),
        Value::Array(items) => items.iter().for_each(|item| meaning(item, into)),
        Value::String(text) => match text.parse::<market::Decimal>() {
            Ok(number) => into.push(number.to_string()),
            Err(_) => into.push(text.clone()),
        },
        other => into.push(other.to_string()),
    }
}

#[test]
fn numbers_are_spelled_in_other_ways_and_mean_the_same() {
    let run = |faults: Faults| {
        let mut world = World::new();
        world.front.set_faults(faults);
        world.front.listen(Topic::BookTicker, true);
        let order = world.limit("BUY", 0.01, "&timeInForce=GTC&newClientOrderId=12.50");
        let reply = world.good(0, "POST", ORDER, &order);
        let events = trade(&mut world);
        world.wait(Duration::from_millis(100));
        let market = world.pushes().into_iter().map(|push| push.text).collect::<Vec<_>>();
        let risk = world.good(0, "GET", "/fapi/v3/positionRisk", "");
        (Value::Array(vec![reply, events.into(), risk]), market)
    };
    let (plain, plain_market) = run(Faults::default());
    let (varied, varied_market) = run(Faults { vary_numbers: ALWAYS, ..Faults::default() });
    assert_ne!(plain, varied);
    assert_ne!(plain_market, varied_market);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    meaning(&plain, &mut first);
    meaning(&varied, &mut second);
    assert_eq!(first, second);
    assert_eq!(varied[0]["clientOrderId"], "12.50", "names are no numbers");
    let spelled = varied.to_string();
    assert!(spelled.contains("\"0.05\"") || spelled.contains("\"0.05000\""), "{spelled}");
}

#[test]
fn fields_come_and_go() {
    let mut world = World::new();
    world.front.set_faults(Faults { drop_fields: ALWAYS, ..Faults::default() });
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC");
    let reply = world.good(0, "POST", ORDER, &query);
    assert!(reply.get("priceProtect").is_none() && reply.get("goodTillDate").is_none());
    assert!(reply["orderId"].is_number() && reply["status"] == "NEW");
    let event = world.events(0).remove(0);
    assert!(event["o"].get("wt").is_none() && event["o"]["i"] == reply["orderId"]);
    world.front.set_faults(Faults { unknown_fields: ALWAYS, ..Faults::default() });
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC");
    let reply = world.good(0, "POST", ORDER, &query);
    assert!(reply["newList"].is_array() && reply["status"] == "NEW");
    let event = world.events(0).remove(0);
    assert!(event["newText"].is_string() && event["o"]["newNumber"] == -1.5, "{event}");
}

#[test]
fn events_that_nobody_knows_come_between() {
    let mut world = World::new();
    world.front.set_faults(Faults { unknown_events: ALWAYS, ..Faults::default() });
    let events = trade(&mut world);
    assert_eq!(events.len(), 8);
    assert!(events.iter().step_by(2).all(|event| event["e"] == "NEW_KIND_OF_EVENT"));
    world.front.listen(Topic::Depth(100), true);
    world.wait(Duration::from_millis(500));
    let market: Vec<Value> = world
        .pushes()
        .into_iter()
        .filter(|push| push.topic == Topic::Depth(100))
        .map(|push| serde_json::from_str(&push.text).unwrap())
        .collect();
    let (known, unknown): (Vec<_>, Vec<_>) =
        market.iter().partition(|event| event["e"] == "depthUpdate");
    assert!(!known.is_empty() && known.len() == unknown.len());
}

#[test]
fn old_executions_are_told_again_word_for_word() {
    let mut world = World::new();
    let fills = |events: &[Value]| -> Vec<String> {
        let fill = |event: &&Value| event["o"]["x"] == "TRADE";
        events.iter().filter(fill).map(Value::to_string).collect()
    };
    let mut told: Vec<String> = Vec::new();
    for _ in 0..3 {
        told.extend(fills(&trade(&mut world)));
    }
    let again = Action::ReplayFills { api_key: KEYS[0].0.to_owned(), count: 2 };
    world.front.act(&mut world.host, world.now, &again).unwrap();
    assert_eq!(fills(&world.events(0)), told[1..]);
    assert!(world.events(1).is_empty(), "nobody else's");
    world.front.set_faults(Faults { replay_fills: ALWAYS, ..Faults::default() });
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC");
    world.good(0, "POST", ORDER, &query);
    let replayed = fills(&world.events(0));
    assert!(replayed.len() == 1 && told.contains(&replayed[0]));
    let trades = world.good(0, "GET", "/fapi/v1/userTrades", "symbol=ETHUSDC");
    assert_eq!(trades.as_array().unwrap().len(), 3, "told twice, done once");
}

#[test]
fn funding_on_demand_is_paid_and_told() {
    let mut world = World::new();
    trade(&mut world);
    let fund = |rate: Option<&str>| Action::Funding { rate: rate.map(str::to_owned) };
    world.front.act(&mut world.host, world.now, &fund(Some("0.0100"))).unwrap();
    let events = world.events(0);
    let body = &events[0]["a"];
    assert_eq!((&body["m"], &body["S"]), (&"FUNDING_FEE".into(), &"ETHUSDC".into()));
    let paid: f64 = body["B"][0]["bc"].as_str().unwrap().parse().unwrap();
    assert!((-0.28..-0.24).contains(&paid), "1 % of 26 USDC: {paid}");
    assert!(world.events(1).is_empty(), "who holds nothing pays nothing");
    let income = world.good(0, "GET", "/fapi/v1/income", "incomeType=FUNDING_FEE");
    assert_eq!(income.as_array().unwrap().len(), 1);
    world.front.act(&mut world.host, world.now, &fund(None)).unwrap();
    assert_eq!(world.events(0).len(), 1);
    let reply = world.raw("GET", "/fapi/v1/fundingRate", "symbol=ETHUSDC", None);
    assert!(reply.body.contains("\"fundingRate\":\"0.01000000\""), "{}", reply.body);
    for bad in ["much", "0.5", "1e9"] {
        assert!(world.front.act(&mut world.host, world.now, &fund(Some(bad))).is_err(), "{bad}");
    }
}

#[test]
fn another_actor_changes_modes() {
    let mut world = World::new();
    let api_key = KEYS[0].0.to_owned();
    let actions = [
        Action::MarginType { api_key: api_key.clone(), isolated: true },
        Action::MultiAssets { api_key: api_key.clone(), multi_assets: true },
        Action::Hedge { api_key, hedge: true },
    ];
    for action in &actions {
        world.front.act(&mut world.host, world.now, action).unwrap();
    }
    let events = world.events(0);
    assert_eq!(events.len(), 2, "the venue says nothing about the position mode");
    assert_eq!(events[0]["a"]["m"], "MARGIN_TYPE_CHANGE");
    assert_eq!(events[0]["a"]["P"][0]["mt"], "isolated");
    assert_eq!(
        (&events[1]["e"], &events[1]["ai"]["j"]),
        (&"ACCOUNT_CONFIG_UPDATE".into(), &true.into())
    );
    let config = world.good(0, "GET", "/fapi/v1/accountConfig", "");
    assert_eq!(
        (&config["dualSidePosition"], &config["multiAssetsMargin"]),
        (&true.into(), &true.into())
    );
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC");
    assert_eq!(world.bad(0, "POST", ORDER, &query), -4061);
}

#[test]
fn a_misconfigured_account_shows_it() {
    let mut config = config();
    let account = &mut config.accounts[0];
    (account.can_withdraw, account.hedge, account.isolated) = (true, true, true);
    account.leverage = 3;
    config.accounts[1].multi_assets = true;
    let mut world = World::with(&config);
    let rights = world.good(0, "GET", "/sapi/v1/account/apiRestrictions", "");
    assert_eq!(rights["enableWithdrawals"], true);
    let symbol = world.good(0, "GET", "/fapi/v1/symbolConfig", "");
    assert_eq!((&symbol[0]["marginType"], &symbol[0]["leverage"]), (&"ISOLATED".into(), &3.into()));
    let hedge = world.good(0, "GET", "/fapi/v1/positionSide/dual", "");
    assert_eq!(hedge["dualSidePosition"], true);
    let multi = world.good(1, "GET", "/fapi/v1/multiAssetsMargin", "");
    assert_eq!(multi["multiAssetsMargin"], true);
    let rights = world.good(1, "GET", "/sapi/v1/account/apiRestrictions", "");
    assert_eq!(rights["enableWithdrawals"], false);
}

/// A client that has measured the exchange's clock goes on trading, and the market with it.
#[test]
fn a_skewed_clock_is_only_a_clock() {
    for skew in [60_000, -60_000] {
        let mut world = World::new();
        world.front.set_faults(Faults { clock_skew_ms: skew, ..Faults::default() });
        let reply = world.raw("GET", "/fapi/v1/time", "", None);
        let time: Value = serde_json::from_str(&reply.body).unwrap();
        let theirs = time["serverTime"].as_i64().unwrap();
        assert_eq!(theirs - world.now.as_millis() as i64, skew);
        let query = world.limit("BUY", 0.01, "&timeInForce=GTC");
        let text = format!("{query}&timestamp={theirs}");
        let signature = crate::world::sign(0, &text);
        let query = format!("{text}&signature={signature}");
        let reply = world.raw("POST", ORDER, &query, Some(KEYS[0].0));
        assert_eq!(reply.status, 200, "{}", reply.body);
        world.wait(Duration::from_secs(1));
    }
}

/// The one page that names them all knows them all, and its examples are accepted.
#[test]
fn every_fault_and_action_is_documented_with_an_example_that_works() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/FAULTS.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<(&str, &str)> = rows
        .map(|row| {
            let name = row.split('`').nth(1).unwrap();
            let example = row.rsplit('`').nth(1).unwrap();
            (name, example)
        })
        .collect();
    let Value::Object(known) = serde_json::to_value(Faults::default()).unwrap() else { panic!() };
    let mut actions = Vec::new();
    for (name, example) in &rows {
        if let Ok(faults) = serde_json::from_str::<Faults>(example) {
            assert!(known.contains_key(*name));
            assert_ne!(faults, Faults::default(), "{example}");
            assert!(example.contains(name), "{name}: {example}");
        } else {
            let action: Action = serde_json::from_str(example).expect(example);
            let mut world = World::new();
            trade(&mut world);
            world.front.act(&mut world.host, world.now, &action).expect(example);
            assert!(example.contains(name), "{name}: {example}");
            actions.push(std::mem::discriminant(&action));
        }
    }
    for name in known.keys() {
        assert!(rows.iter().any(|(own, _)| own == name), "`{name}` is not documented");
    }
    let unknown = serde_json::from_str::<Action>(r#"{"nonsense": {}}"#).unwrap_err().to_string();
    let names = unknown.split("expected one of").nth(1).unwrap();
    for name in names.split('`').skip(1).step_by(2) {
        assert!(rows.iter().any(|(own, _)| *own == name), "`{name}` is not documented");
    }
    assert!(actions.len() >= 13);
}
