//! Replies have the fields of the vendor's own documentation, with the same JSON types.

use std::path::PathBuf;

use serde_json::Value;

use crate::world::{KEYS, World};

fn documented(name: &str) -> Option<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("../../../shared/data/payloads/documented").join(format!("{name}.json"));
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: {} is not on this machine", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Every documented field is there with its type; `but` names those that only other orders have.
fn check(name: &str, ours: &Value, but: &[&str]) {
    if let Some(theirs) = documented(name) {
        compare(name, "", ours, &theirs, but);
    }
}

fn compare(name: &str, at: &str, ours: &Value, theirs: &Value, but: &[&str]) {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            for (field, wanted) in theirs.iter().filter(|(field, _)| !but.contains(&field.as_str()))
            {
                let found = ours.get(field);
                let found = found.unwrap_or_else(|| panic!("{name}{at}: `{field}` is missing"));
                compare(name, &format!("{at}.{field}"), found, wanted, but);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) => {
            if let (Some(ours), Some(theirs)) = (ours.first(), theirs.first()) {
                compare(name, &format!("{at}[]"), ours, theirs, but);
            }
        }
        _ => assert_eq!(kind(ours), kind(theirs), "{name}{at}: {ours} instead of {theirs}"),
    }
}

const TRAILING: [&str; 4] = ["activatePrice", "priceRate", "cumBase", "pair"];

#[test]
fn orders_and_trades() {
    let mut world = World::new();
    let query = world.limit("BUY", 0.01, "&timeInForce=GTC&newClientOrderId=a");
    let order = "/fapi/v1/order";
    check("trade_api__new_order", &world.good(0, "POST", order, &query), &[]);
    check(
        "trade_api__test_order",
        &world.good(0, "POST", "/fapi/v1/order/test", &query.replace("=a", "=b")),
        &TRAILING,
    );
    let name = "symbol=ETHUSDC&origClientOrderId=a";
    check("trade_api__query_order", &world.good(0, "GET", order, name), &TRAILING);
    check(
        "trade_api__query_current_open_order",
        &world.good(0, "GET", "/fapi/v1/openOrder", name),
        &TRAILING,
    );
    check(
        "trade_api__current_all_open_orders",
        &world.good(0, "GET", "/fapi/v1/openOrders", ""),
        &TRAILING,
    );
    check(
        "trade_api__all_orders",
        &world.good(0, "GET", "/fapi/v1/allOrders", "symbol=ETHUSDC"),
        &TRAILING,
    );
    let change = world.limit("BUY", 0.02, "&origClientOrderId=a&modifyId=1");
    check("trade_api__modify_order", &world.good(0, "PUT", order, &change), &[]);
    check(
        "trade_api__get_order_modify_history",
        &world.good(0, "GET", "/fapi/v1/orderAmendment", name),
        &[],
    );
    check("trade_api__cancel_order", &world.good(0, "DELETE", order, name), &TRAILING);
    let all = world.good(0, "DELETE", "/fapi/v1/allOpenOrders", "symbol=ETHUSDC");
    check("trade_api__cancel_all_open_orders", &all, &[]);
    let armed =
        world.good(0, "POST", "/fapi/v1/countdownCancelAll", "symbol=ETHUSDC&countdownTime=0");
    check("trade_api__auto_cancel_all_open_orders", &armed, &[]);
    world.good(0, "POST", order, "symbol=ETHUSDC&side=SELL&type=MARKET&quantity=0.1");
    let trades = world.good(0, "GET", "/fapi/v1/userTrades", "symbol=ETHUSDC");
    check("trade_api__account_trade_list", &trades, &[]);
    check(
        "trade_api__position_information_v2",
        &world.good(0, "GET", "/fapi/v2/positionRisk", ""),
        &[],
    );
    check(
        "trade_api__position_information_v3",
        &world.good(0, "GET", "/fapi/v3/positionRisk", ""),
        &[],
    );
    check(
        "trade_api__position_adl_quantile_estimation",
        &world.good(0, "GET", "/fapi/v1/adlQuantile", ""),
        &[],
    );
}

#[test]
fn accounts_and_settings() {
    let mut world = World::new();
    world.good(0, "POST", "/fapi/v1/order", "symbol=ETHUSDC&side=SELL&type=MARKET&quantity=0.1");
    let symbol = "symbol=ETHUSDC";
    let calls = [
        ("GET", "/fapi/v2/account", "", "account_api__account_information_v2"),
        ("GET", "/fapi/v3/account", "", "account_api__account_information_v3"),
        ("GET", "/fapi/v3/balance", "", "account_api__futures_account_balance_v3"),
        ("GET", "/fapi/v1/accountConfig", "", "account_api__futures_account_configuration"),
        ("GET", "/fapi/v1/feeBurn", "", "account_api__get_bnb_burn_status"),
        ("GET", "/fapi/v1/multiAssetsMargin", "", "account_api__get_current_multi_assets_mode"),
        ("GET", "/fapi/v1/positionSide/dual", "", "account_api__get_current_position_mode"),
        ("GET", "/fapi/v1/income", "", "account_api__get_income_history"),
        ("GET", "/fapi/v1/leverageBracket", symbol, "account_api__notional_and_leverage_brackets"),
        ("GET", "/fapi/v1/rateLimit/order", "", "account_api__query_user_rate_limit"),
        ("GET", "/fapi/v1/symbolConfig", symbol, "account_api__symbol_configuration"),
        ("GET", "/fapi/v1/commissionRate", symbol, "account_api__user_commission_rate"),
        (
            "POST",
            "/fapi/v1/leverage",
            "symbol=ETHUSDC&leverage=5",
            "trade_api__change_initial_leverage",
        ),
    ];
    for (method, path, query, name) in calls {
        let reply = world.good(0, method, path, query);
        check(name, &reply, &[]);
    }
    let reply = world.raw("POST", "/fapi/v1/listenKey", "", Some(KEYS[0].0));
    let reply: Value = serde_json::from_str(&reply.body).unwrap();
    check("user_data_streams_api__start_user_data_stream", &reply, &[]);
}

#[test]
fn market_data() {
    let mut world = World::new();
    let calls = [
        ("/fapi/v1/time", "", "market_data_api__check_server_time"),
        ("/fapi/v1/depth", "symbol=ETHUSDC", "market_data_api__order_book"),
        (
            "/fapi/v1/aggTrades",
            "symbol=ETHUSDC",
            "market_data_api__compressed_aggregate_trades_list",
        ),
        ("/fapi/v1/premiumIndex", "symbol=ETHUSDC", "market_data_api__mark_price"),
        ("/fapi/v1/fundingInfo", "", "market_data_api__get_funding_rate_info"),
        (
            "/fapi/v1/ticker/bookTicker",
            "symbol=ETHUSDC",
            "market_data_api__symbol_order_book_ticker",
        ),
        ("/fapi/v1/exchangeInfo", "", "market_data_api__exchange_information"),
    ];
    for (path, query, name) in calls {
        let reply = world.raw("GET", path, query, None);
        let reply: Value = serde_json::from_str(&reply.body).unwrap();
        // The documentation merges all filters into one.
        check(name, &reply, &["filters", "settlePlan"]);
    }
}
