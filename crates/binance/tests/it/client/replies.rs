//! Recorded bodies, and small ones of every kind.

use binance::replies::{
    AccountReply, AssetRow, ExchangeInfo, LimitKind, OrderReply, OrderStatus, PositionRow,
    SymbolStatus, UserTrade, decode_batch, decode_premium_index, one_way,
};
use market::{Decimal, InstrumentId, Nanos, Position, Price};

use super::{ID, eth};
use crate::shared;

fn recorded(name: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(shared(&format!("payloads/recorded/{name}"))?).unwrap())
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[test]
fn rules_and_limits_are_read_and_not_assumed() {
    let Some(body) = recorded("real_exchangeInfo_mainnet_subset.json") else { return };
    let info = ExchangeInfo::decode(&body).unwrap();
    assert_eq!(info.unreadable, []);
    let limit = |info: &ExchangeInfo, kind, seconds| {
        let found =
            info.rate_limits.iter().find(|l| l.kind == kind && l.interval.as_secs() == seconds);
        found.unwrap().limit
    };
    assert_eq!(limit(&info, LimitKind::Weight, 60), 2_400);
    assert_eq!(limit(&info, LimitKind::Orders, 60), 1_200);
    assert_eq!(limit(&info, LimitKind::Orders, 10), 300);

    let btc = info.symbol("BTCUSDT").unwrap();
    assert_eq!((btc.rules.tick, btc.min_price), (decimal("0.1"), decimal("556.8")));
    assert_eq!((btc.rules.step, btc.rules.min_notional), (decimal("0.001"), decimal("50")));
    assert_eq!((btc.rules.max_qty, btc.rules.market_max_qty), (decimal("1000"), decimal("120")));
    assert_eq!((btc.rules.band_up, btc.rules.band_down), (decimal("1.05"), decimal("0.95")));
    assert_eq!((btc.rules.max_orders, btc.max_amends), (200, Some(10_000)));
    assert_eq!(btc.unknown_filters, ["POSITION_RISK_CONTROL"]);
    assert!(btc.is_trading() && btc.times_in_force.iter().any(|tif| tif == "GTX"));
    let instrument = btc.instrument(InstrumentId(3)).unwrap();
    assert_eq!(instrument.price_text(Price::new(830_917)), "83091.7");
    assert!(info.symbols.iter().any(|s| !s.rules.symbol.is_ascii()));
    assert_eq!(info.symbol("OMGUSDT").unwrap().status, SymbolStatus::Not("SETTLING".to_owned()));
    for contract in ["TRADIFI_PERPETUAL", "CURRENT_QUARTER"] {
        assert!(info.symbols.iter().any(|s| s.contract == contract), "{contract}");
    }

    let demo =
        ExchangeInfo::decode(&recorded("real_exchangeInfo_demo_subset.json").unwrap()).unwrap();
    assert_eq!(limit(&demo, LimitKind::Weight, 60), 6_000);
    let btc = demo.symbol("BTCUSDT").unwrap();
    assert_eq!((btc.rules.step, btc.rules.max_orders), (decimal("0.0001"), 10_000));
}

#[test]
fn one_bad_symbol_does_not_spoil_the_others() {
    let text = r#"{"rateLimits":[],"symbols":[{"symbol":"A","quoteAsset":"USDC","baseAsset":"A","filters":[]},5]}"#;
    let info = ExchangeInfo::decode(text.as_bytes()).unwrap();
    assert_eq!((info.symbols.len(), info.unreadable.len()), (0, 2));
    assert!(info.unreadable[0].1.to_string().contains("PRICE_FILTER"));
    for bad in ["{}", "[]", "{\"symbols\":{}}", r#"{"symbols":[],"rateLimits":[{"limit":1}]}"#] {
        assert!(ExchangeInfo::decode(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn the_usdc_row_and_not_the_totals() {
    let Some(body) = recorded("real_demo_account_v3.json") else { return };
    let account = AccountReply::decode(&body).unwrap();
    let usdc = account.asset("USDC").unwrap();
    assert_eq!((usdc.wallet, usdc.available), (decimal("5000"), decimal("5000")));
    assert_eq!(usdc.updated, Nanos::from_millis(1_790_670_705_294));
    assert_eq!(account.asset("USDT").unwrap().wallet, decimal("4976.05154461"));
    assert!(!account.in_credits_mode());
    let eu = r#"{"assets":[{"asset":"BNFCR","walletBalance":"12.5"}],"positions":[]}"#;
    assert!(AccountReply::decode(eu.as_bytes()).unwrap().in_credits_mode());
    assert!(AccountReply::decode(b"{}").is_err());
    assert!(AssetRow::decode_balance(br#"[{"asset":"USDC"}]"#).is_err());
}

#[test]
fn recorded_mark_prices() {
    let Some(body) = recorded("real_premiumIndex_subset.json") else { return };
    let marks = decode_premium_index(&body).unwrap();
    assert_eq!(marks.len(), 2);
    let (symbol, at, mark) = &marks[0];
    assert_eq!((symbol.as_str(), at.as_millis()), ("BTCUSDT", 1_791_382_985_000));
    assert_eq!((mark.mark.to_string(), mark.funding_rate.raw()), ("83067.3".to_owned(), 78));
}

#[test]
fn positions_in_both_modes() {
    let rows = PositionRow::decode_list(
        br#"[{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"-0.030","entryPrice":"2610.5123456789","leverage":"10","marginType":"cross","maxNotionalValue":"9223372036854775807"}]"#,
    )
    .unwrap();
    let row = one_way(&rows, "ETHUSDC").unwrap().unwrap();
    assert_eq!(row.position(&eth()).unwrap(), Position::new(-30));
    assert_eq!((row.leverage, row.entry), (Some(10), decimal("2610.51234568")));
    assert_eq!(one_way(&rows, "BTCUSDC"), Some(None));
    let hedge = PositionRow::decode_list(
        br#"[{"symbol":"ETHUSDC","positionSide":"LONG","positionAmt":"1"}]"#,
    );
    assert_eq!(one_way(&hedge.unwrap(), "ETHUSDC"), None);
    let off = br#"{"symbol":"ETHUSDC","positionAmt":"0.0005"}"#;
    assert!(PositionRow::decode_list(off).unwrap()[0].position(&eth()).is_err());
}

#[test]
fn orders_with_and_without_what_left_the_wire() {
    let old = format!(
        r#"{{"avgPrice":"0.00000","clientOrderId":"{ID}","cumQuote":"0","executedQty":"0.01","orderId":9007199254740993,"origQty":"0.40","price":"2610.5","side":"SELL","status":"NEW_ADL","symbol":"ETHUSDC","updateTime":5,"newField":{{}}}}"#
    );
    let order = OrderReply::decode(old.as_bytes()).unwrap();
    assert_eq!((order.venue_id.0, order.status), (9_007_199_254_740_993, OrderStatus::New));
    assert_eq!(order.open_order(&eth()).unwrap().filled.raw(), 10);
    let stop = old.replace(&ID.to_string(), "abc").replace("2610.5", "0").replace("0.40", "0");
    let stop = OrderReply::decode(stop.as_bytes()).unwrap().open_order(&eth()).unwrap();
    assert_eq!((stop.client_id, stop.price), (None, Price::ZERO));
    let off = OrderReply::decode(old.replace("2610.5", "2610.505").as_bytes()).unwrap();
    assert!(off.open_order(&eth()).is_err());
    for field in ["orderId", "side", "status", "symbol", "executedQty"] {
        let without = old.replace(&format!("\"{field}\""), "\"gone\"");
        let error = OrderReply::decode(without.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn batches_slot_by_slot() {
    let order = format!(
        r#"{{"clientOrderId":"{ID}","cumQty":"0","executedQty":"0","orderId":1,"origQty":"0.1","price":"2610.5","side":"BUY","status":"NEW","symbol":"ETHUSDC"}}"#
    );
    let body = format!(
        r#"[{order},{{"code":-5022,"msg":"Due to the order could not be executed as maker"}},{order}]"#
    );
    let slots = decode_batch(body.as_bytes()).unwrap();
    assert_eq!(slots.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(slots[1].as_ref().unwrap_err().code, Some(-5022));
    assert!(decode_batch(br#"{"code":-1102,"msg":"x"}"#).is_err(), "the whole batch refused");
}

#[test]
fn trades_that_overflow_nothing() {
    let body = br#"[{"symbol":"ETHUSDC","id":1,"orderId":2,"side":"BUY","price":"92233720368","qty":"92233720368","maker":true}]"#;
    let trade = &UserTrade::decode_list(body).unwrap()[0];
    let error = trade.fill(&eth(), None, market::Qty::ZERO).unwrap_err();
    assert!(error.to_string().contains("larger"), "{error}");
}
