//! Damaged messages: an error at worst, never a panic, never a secret.

use binance::queries::{AccountQuery, OrderQuery};
use binance::reaction::{Answer, judge};
use binance::replies::{
    AccountReply, AssetRow, ExchangeInfo, Income, OrderReply, PositionRow, UserTrade, VenueError,
    decode_batch, decode_premium_index,
};
use binance::ws_api::WsReply;
use binance::{UserEvent, describe};
use market::Nanos;
use proptest::prelude::*;
use proptest::sample::Index;

use super::user_stream::update;
use super::{ID, eth};

/// Whole messages of every kind, to be damaged.
fn seeds() -> Vec<Vec<u8>> {
    let order = format!(
        r#"{{"clientOrderId":"{ID}","cumQty":"0","executedQty":"0.010","orderId":1,"origQty":"0.1","price":"2610.5","side":"BUY","status":"NEW","symbol":"ETHUSDC","updateTime":1}}"#
    );
    let texts = [
        update(&[]),
        format!(r#"{{"stream":"k","data":{}}}"#, update(&[("x", "\"AMENDMENT\"")])),
        r#"{"e":"ACCOUNT_UPDATE","T":1,"E":1,"a":{"B":[{"a":"USDC","wb":"5000.00","cw":"5000.00","bc":"-7.5"}],"P":[{"s":"ETHUSDC","pa":"0.030","ep":"2610.5"}],"m":"FUNDING_FEE"}}"#.to_owned(),
        format!(r#"{{"id":"7","status":200,"result":{order},"rateLimits":[{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,"count":4}}]}}"#),
        format!("[{order},{{\"code\":-5022,\"msg\":\"x\"}}]"),
        r#"[{"symbol":"ETHUSDC","id":1,"orderId":1,"side":"BUY","price":"2610.5","qty":"0.010","commission":"0","commissionAsset":"USDC","time":1,"maker":true}]"#.to_owned(),
        r#"[{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"-1.5","entryPrice":"2610.5123456789","markPrice":"1"}]"#.to_owned(),
        r#"{"assets":[{"asset":"USDC","walletBalance":"5000","availableBalance":"5000"}],"positions":[]}"#.to_owned(),
        r#"{"code":-1003,"msg":"Way too many requests; IP banned until 1791009700000."}"#.to_owned(),
        r#"{"rateLimits":[{"rateLimitType":"ORDERS","interval":"MINUTE","intervalNum":1,"limit":1200}],"serverTime":1,"symbols":[{"symbol":"ETHUSDC","status":"TRADING","baseAsset":"ETH","quoteAsset":"USDC","filters":[{"filterType":"PRICE_FILTER","tickSize":"0.01"},{"filterType":"LOT_SIZE","stepSize":"0.001","minQty":"0.001","maxQty":"8000"},{"filterType":"MARKET_LOT_SIZE","maxQty":"700"},{"filterType":"MAX_NUM_ORDERS","limit":200},{"filterType":"MIN_NOTIONAL","notional":"20"},{"filterType":"PERCENT_PRICE","multiplierUp":"1.05","multiplierDown":"0.95"}]}]}"#.to_owned(),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// Everything that reads, reads it.
fn read_by_all(body: &[u8]) {
    let eth = eth();
    if let Ok(event) = UserEvent::decode(body) {
        let _ = event.reports(&eth);
    }
    if let Ok(reply) = WsReply::decode(body)
        && let Ok(result) = &reply.result
    {
        let _ = OrderReply::of(result).map(|order| order.fate(&eth));
    }
    let _ = OrderReply::decode(body).map(|order| order.open_order(&eth));
    let _ = decode_batch(body);
    let _ = UserTrade::decode_list(body);
    let _ = PositionRow::decode_list(body)
        .map(|rows| rows.iter().map(|row| row.position(&eth)).collect::<Vec<_>>());
    let _ = AccountReply::decode(body);
    let _ = AssetRow::decode_balance(body);
    let _ = Income::decode_list(body);
    let _ = decode_premium_index(body);
    if let Ok(info) = ExchangeInfo::decode(body) {
        for symbol in &info.symbols {
            let _ = symbol.instrument(market::InstrumentId(0));
        }
        let _ = binance::Budget::new(&info.rate_limits).remaining(Nanos::MAX);
    }
    let error = VenueError::of_body(body);
    for status in [200, 400, 418, 503] {
        let _ = judge(&Answer::new(status, &error, true, Nanos::from_millis(1_791_000_000_000)));
    }
    let _ = OrderQuery::new(&eth, ID).on_answer(Ok(body));
    let mut query = AccountQuery::new(&eth, Some(market::TradeId(0)), 1);
    for _ in 0..8 {
        let _ = query.on_answer(Ok(body));
    }
    let described = describe(&String::from_utf8_lossy(body));
    assert!(described["kind"].is_string(), "{described}");
}

#[test]
fn whole_ones_read() {
    seeds().iter().for_each(|seed| read_by_all(seed));
}

const NASTY: [&str; 12] = [
    "null",
    "-1",
    "1e400",
    "\"\"",
    "{}",
    "[]",
    "9223372036854775808",
    "\"92233720368.54775807\"",
    "\"-92233720368.54775807\"",
    "\"\\u0000\"",
    "true",
    "\"0.000000001\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn damaged_bytes_never_panic(
        seed in any::<Index>(),
        cuts in prop::collection::vec((any::<Index>(), 0..6_usize, prop::collection::vec(any::<u8>(), 0..5)), 0..4),
    ) {
        let seeds = seeds();
        let mut body = seed.get(&seeds).clone();
        for (at, remove, insert) in cuts {
            let start = at.index(body.len() + 1);
            let end = (start + remove).min(body.len());
            body.splice(start..end, insert);
        }
        read_by_all(&body);
    }

    /// Well-formed, but with values that nobody should send.
    #[test]
    fn nasty_values_never_panic(seed in any::<Index>(), at in any::<Index>(), nasty in any::<Index>()) {
        let seeds = seeds();
        let text = String::from_utf8(seed.get(&seeds).clone()).unwrap();
        let starts: Vec<usize> = text.match_indices("\":").map(|(at, _)| at + 2).collect();
        let start = *at.get(&starts);
        let mut rest = serde_json::Deserializer::from_str(&text[start..]).into_iter::<serde_json::Value>();
        rest.next();
        let end = start + rest.byte_offset();
        let body = format!("{}{}{}", &text[..start], nasty.get(&NASTY), &text[end..]);
        read_by_all(body.as_bytes());
    }
}
