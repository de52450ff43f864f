//! Every example of the vendor's documentation reads, and nothing in it is unknown to us.

use binance::replies::{
    AccountConfig, AccountReply, AssetRow, CommissionRate, ExchangeInfo, Income, OrderReply,
    PositionRow, SymbolConfig, TradingRule, UserTrade, decode_batch, decode_dead_man,
    decode_leverage, decode_listen_key, decode_multi_assets, decode_order_limits,
    decode_position_mode, decode_premium_index, decode_server_time, listen_key_of,
};
use binance::ws_api::WsReply;
use binance::{DecodeError, describe};
use serde_json::Value;

use crate::shared;

/// Reads a sample; whether it is understood as it should be.
fn reads(name: &str, body: &[u8]) -> Option<Result<(), DecodeError>> {
    let (api, call) = name.strip_suffix(".json")?.split_once("__")?;
    if api.ends_with("_ws_api") {
        return Some(WsReply::decode(body).and_then(|reply| ws_result(call, &reply)));
    }
    Some(match call {
        "new_order"
        | "cancel_order"
        | "modify_order"
        | "query_order"
        | "test_order"
        | "query_current_open_order" => OrderReply::decode(body).map(drop),
        "all_orders" | "current_all_open_orders" | "users_force_orders" => {
            OrderReply::decode_list(body).map(drop)
        }
        "place_multiple_orders" | "cancel_multiple_orders" | "modify_multiple_orders" => {
            decode_batch(body).map(drop)
        }
        "account_trade_list" => UserTrade::decode_list(body).map(drop),
        "account_information_v2" | "account_information_v3" => AccountReply::decode(body).map(drop),
        "futures_account_balance_v3" => AssetRow::decode_balance(body).map(drop),
        "futures_account_configuration" => AccountConfig::decode(body).map(drop),
        "symbol_configuration" => SymbolConfig::decode_list(body).map(drop),
        "user_commission_rate" => CommissionRate::decode(body).map(drop),
        "get_income_history" => Income::decode_list(body).map(drop),
        "futures_trading_quantitative_rules_indicators" => TradingRule::decode_list(body).map(drop),
        "query_user_rate_limit" => decode_order_limits(body).map(drop),
        "position_information_v2" | "position_information_v3" => {
            PositionRow::decode_list(body).map(drop)
        }
        "auto_cancel_all_open_orders" => decode_dead_man(body).map(drop),
        "change_initial_leverage" => decode_leverage(body).map(drop),
        "get_current_position_mode" => decode_position_mode(body).map(drop),
        "get_current_multi_assets_mode" => decode_multi_assets(body).map(drop),
        "start_user_data_stream" => decode_listen_key(body).map(drop),
        "check_server_time" => decode_server_time(body).map(drop),
        "mark_price" => decode_premium_index(body).map(drop),
        "exchange_information" => ExchangeInfo::decode(body).map(drop),
        _ => return None,
    })
}

fn ws_result(call: &str, reply: &WsReply) -> Result<(), DecodeError> {
    let result = reply.result.as_ref().unwrap();
    match call {
        "new_order" | "cancel_order" | "modify_order" | "query_order" => {
            OrderReply::of(result).map(drop)
        }
        "account_information_v2" => AccountReply::of(result).map(drop),
        "futures_account_balance_v2" => AssetRow::balance_of(result).map(drop),
        "position_information_v2" => PositionRow::list_of(result).map(drop),
        "start_user_data_stream" | "keepalive_user_data_stream" => listen_key_of(result).map(drop),
        _ => Ok(()),
    }
}

/// Fields that no table names, anywhere in a description.
fn unknown(found: &Value, names: &mut Vec<String>) {
    match found {
        Value::Object(map) => {
            for (name, value) in map {
                match (name.as_str(), value) {
                    ("unknown_fields" | "problems", Value::Array(items)) => {
                        names.extend(items.iter().map(Value::to_string));
                    }
                    _ => unknown(value, names),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| unknown(item, names)),
        _ => {}
    }
}

fn samples(folder: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(shared(&format!("payloads/{folder}"))?).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.push((name, std::fs::read(path).unwrap()));
    }
    found.sort();
    Some(found)
}

#[test]
fn every_documented_reply_reads() {
    let Some(samples) = samples("documented") else { return };
    assert!(samples.len() >= 65, "{}", samples.len());
    let mut read = 0;
    for (name, body) in &samples {
        if let Some(result) = reads(name, body) {
            result.unwrap_or_else(|error| panic!("{name}: {error}"));
            read += 1;
        }
    }
    assert!(read >= 45, "{read}");
}

/// README: the documented batches merge `code` and `msg` into the order, and `exchangeInfo` all
/// filters into one; neither occurs on the wire, and neither is mistaken for something good.
#[test]
fn what_is_not_wire_shaped_is_not_taken_for_an_order() {
    let Some(samples) = samples("documented") else { return };
    let body = |name: &str| &samples.iter().find(|(found, _)| found == name).unwrap().1;
    for name in ["place", "cancel", "modify"] {
        let name = format!("trade_api__{name}_multiple_orders.json");
        let slots = decode_batch(body(&name)).unwrap();
        assert!(slots[0].as_ref().is_err_and(|error| error.code.is_some()), "{name}");
    }
    let info = ExchangeInfo::decode(body("market_data_api__exchange_information.json")).unwrap();
    assert_eq!((info.symbols.len(), info.unreadable.len()), (0, 1));
}

#[test]
fn every_sample_is_described_to_the_last_field() {
    let mut described = 0;
    for folder in ["documented", "recorded"] {
        let Some(samples) = samples(folder) else { return };
        for (name, body) in samples {
            let text = String::from_utf8(body).unwrap();
            let lines: Vec<&str> =
                if name.ends_with(".jsonl") { text.lines().collect() } else { vec![&text] };
            for line in lines {
                let found = describe(line);
                let kind = found["kind"].as_str().unwrap();
                assert!(!kind.contains("unknown") && kind != "malformed", "{name}: {found:#}");
                let mut names = Vec::new();
                unknown(&found, &mut names);
                // Two documented WS-API books have their levels outside of `result`.
                let misplaced = name == "market_data_api_ws_api__order_book.json";
                let wanted: &[&str] = if misplaced { &["\"bids\"", "\"asks\""] } else { &[] };
                assert_eq!(names, wanted, "{name}: {found:#}");
                described += 1;
            }
        }
    }
    assert!(described > 80, "{described}");
}
