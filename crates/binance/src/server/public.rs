//! Calls about the market: no key needed.

use ::market::{Decimal, Level, Nanos, Side};
use serde_json::{Value, json};

use super::error::ApiError;
use super::front::Front;
use super::history::Interval;
use super::limits;
use super::record::quote_text;
use super::routes::Call;

pub(super) fn ping(_: &mut Front, _: Call) -> Result<Value, ApiError> {
    Ok(json!({}))
}

pub(super) fn time(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    Ok(json!({"serverTime": front.faults.skewed(call.now).as_millis()}))
}

pub(super) fn exchange_info(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let instrument = &front.config.instrument;
    let [per_10s, per_minute] = limits::order_rows(&front.config.limits, None);
    let asset = |name: &str, exchange: &str| json!({"asset": name, "marginAvailable": true, "autoAssetExchange": exchange});
    let rules = instrument.rules();
    Ok(json!({
        "timezone": "UTC",
        "serverTime": front.faults.skewed(call.now).as_millis(),
        "futuresType": "U_MARGINED",
        "rateLimits": [limits::weight_row(&front.config.limits, None), per_minute, per_10s],
        "exchangeFilters": [],
        "assets": [asset(&rules.quote, "-10000"), asset(&rules.base, "-0.10000000")],
        "symbols": [symbol_info(front)],
    }))
}

fn symbol_info(front: &Front) -> Value {
    let instrument = &front.config.instrument;
    let rules = instrument.rules();
    let tick = Decimal::from_units(rules.tick.units());
    let least = Decimal::from_units(rules.tick.units().saturating_mul(1_000));
    let text = |value: Decimal| value.to_string();
    json!({
        "symbol": rules.symbol, "pair": rules.symbol, "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000_u64, "onboardDate": 1_704_270_600_000_u64,
        "status": if front.faults.closed { "SETTLING" } else { "TRADING" },
        "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base, "quoteAsset": rules.quote, "marginAsset": rules.quote,
        "pricePrecision": price_precision(front), "quantityPrecision": rules.step.decimals(),
        "baseAssetPrecision": 8, "quotePrecision": 8, "underlyingType": "COIN",
        "underlyingSubType": [], "triggerProtect": "0.0500", "liquidationFee": "0.012500",
        "marketTakeBound": "0.05", "maxMoveOrderLimit": 10_000,
        "filters": [
            {"maxPrice": MAX_PRICE, "tickSize": text(tick), "filterType": "PRICE_FILTER",
             "minPrice": text(least)},
            {"stepSize": text(rules.step), "minQty": text(rules.min_qty),
             "maxQty": text(rules.max_qty), "filterType": "LOT_SIZE"},
            {"stepSize": text(rules.step), "minQty": text(rules.min_qty),
             "maxQty": text(rules.market_max_qty), "filterType": "MARKET_LOT_SIZE"},
            {"limit": rules.max_orders, "filterType": "MAX_NUM_ORDERS"},
            {"notional": text(rules.min_notional), "filterType": "MIN_NOTIONAL"},
            {"multiplierDown": rules.band_down.padded(4).to_string(),
             "multiplierUp": rules.band_up.padded(4).to_string(), "multiplierDecimal": "4",
             "filterType": "PERCENT_PRICE"},
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT",
            "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
        "permissionSets": ["GRID", "COPY"],
    })
}

/// `maxPrice` of every symbol here.
pub(super) const MAX_PRICE: &str = "306177";

/// Decimals a price may have, which is not the tick.
pub(super) fn price_precision(front: &Front) -> u8 {
    front.config.instrument.rules().tick.decimals().max(2)
}

/// Refuses symbols other than ours, and none at all.
pub(super) fn need_symbol(front: &Front, call: &Call) -> Result<(), ApiError> {
    match call.params.required("symbol")? {
        symbol if symbol == front.config.instrument.symbol() => Ok(()),
        _ => Err(ApiError::bad_symbol()),
    }
}

/// Refuses symbols other than ours; none is fine.
pub(super) fn maybe_symbol(front: &Front, call: &Call) -> Result<bool, ApiError> {
    if call.params.get("symbol").is_none() {
        return Ok(false);
    }
    need_symbol(front, call).map(|()| true)
}

/// A list, or its one element when a symbol was asked for.
fn one_or_all(front: &Front, call: &Call, row: Value) -> Result<Value, ApiError> {
    Ok(if maybe_symbol(front, call)? { row } else { Value::Array(vec![row]) })
}

pub(super) fn depth(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let limit = call.params.integer("limit")?.unwrap_or(500);
    if ![5, 10, 20, 50, 100, 500, 1_000].contains(&limit) {
        let text = format!("{limit} is not valid depth limit.");
        return Err(ApiError::new(-4021, text));
    }
    let limit = usize::try_from(limit).unwrap_or(5);
    let (market, instrument) = (&front.market, &front.config.instrument);
    let level =
        |level: Level| json!([instrument.price_text(level.price), instrument.qty_text(level.qty)]);
    let side = |side| market.book.levels(side).take(limit).map(level).collect::<Vec<_>>();
    Ok(json!({
        "lastUpdateId": market.wire_id(market.book.last_id()), "E": call.now.as_millis(),
        "T": market.book_at.as_millis(), "bids": side(Side::Buy), "asks": side(Side::Sell),
    }))
}

pub(super) fn trades(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let limit = call.params.limit(500, 1_000)?;
    let instrument = &front.config.instrument;
    let trades = &front.market.history.trades;
    let from = match call.params.integer("fromId")? {
        Some(id) => trades.partition_point(|print| print.id < id),
        None => trades.len().saturating_sub(limit),
    };
    let rows = trades.range(from..).take(limit).map(|print| {
        json!({
            "id": print.id, "price": instrument.price_text(print.price),
            "qty": instrument.qty_text(print.qty),
            "quoteQty": quote_text(instrument.notional(print.price, print.qty)),
            "time": print.at.as_millis(), "isBuyerMaker": print.aggressor == Side::Sell,
        })
    });
    Ok(rows.collect())
}

pub(super) fn agg_trades(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let limit = call.params.limit(500, 1_000)?;
    let (start, end) = (call.params.integer("startTime")?, call.params.integer("endTime")?);
    let from_id = call.params.integer("fromId")?;
    if from_id.is_some() && (start.is_some() || end.is_some()) {
        return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
    }
    if let (Some(start), Some(end)) = (start, end)
        && end - start > 3_600_000
    {
        return Err(ApiError::new(-1127, "More than 1 hour between startTime and endTime."));
    }
    let joined = &front.market.history.joined;
    let millis = |at: Nanos| i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let from = match (from_id, start) {
        (Some(id), _) => joined.partition_point(|j| j.id < id),
        (None, Some(start)) => joined.partition_point(|j| millis(j.first.at) < start),
        (None, None) => {
            let end = end.unwrap_or(i64::MAX);
            joined.partition_point(|j| millis(j.first.at) <= end).saturating_sub(limit)
        }
    };
    let instrument = &front.config.instrument;
    let rows = joined
        .range(from..)
        .take_while(|j| end.is_none_or(|end| millis(j.first.at) <= end))
        .take(limit)
        .map(|j| {
            let qty = instrument.qty_text(j.qty);
            json!({
                "a": j.id, "p": instrument.price_text(j.first.price), "q": qty, "nq": qty,
                "f": j.first.id, "l": j.last, "T": j.first.at.as_millis(),
                "m": j.first.aggressor == Side::Sell,
            })
        });
    Ok(rows.collect())
}

pub(super) fn klines(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let interval = Interval::parse(call.params.required("interval")?)
        .ok_or_else(|| ApiError::new(-1120, "Invalid interval."))?;
    let limit = call.params.limit(500, 1_500)?;
    let time = |name| -> Result<Option<u64>, ApiError> {
        Ok(call.params.integer(name)?.map(|value| u64::try_from(value).unwrap_or(0)))
    };
    let span = (time("startTime")?, time("endTime")?);
    Ok(front.market.history.klines(&front.config.instrument, interval, span, limit).into())
}

pub(super) fn premium_index(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let Some((mark, at)) = front.market.mark else {
        return Ok(json!([]));
    };
    let row = json!({
        "symbol": front.config.instrument.symbol(),
        "markPrice": mark.mark.decimal().padded(8).to_string(),
        "indexPrice": mark.index.decimal().padded(8).to_string(),
        "estimatedSettlePrice": mark.index.decimal().padded(8).to_string(),
        "lastFundingRate": mark.funding_rate.decimal().padded(8).to_string(),
        "interestRate": "0.00010000", "nextFundingTime": mark.next_funding.as_millis(),
        "time": at.as_millis(),
    });
    one_or_all(front, &call, row)
}

pub(super) fn book_ticker(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let instrument = &front.config.instrument;
    let Some((ticker, at)) = front.market.ticker else {
        maybe_symbol(front, &call)?;
        return Ok(json!([]));
    };
    let row = json!({
        "symbol": instrument.symbol(), "bidPrice": instrument.price_text(ticker.bid.price),
        "bidQty": instrument.qty_text(ticker.bid.qty),
        "askPrice": instrument.price_text(ticker.ask.price),
        "askQty": instrument.qty_text(ticker.ask.qty), "time": at.as_millis(),
        "lastUpdateId": front.market.wire_id(ticker.update_id),
    });
    one_or_all(front, &call, row)
}

pub(super) fn ticker_price(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let instrument = &front.config.instrument;
    let last = front.market.history.trades.back();
    let row = json!({
        "symbol": instrument.symbol(),
        "price": last.map_or("0".to_owned(), |print| instrument.price_text(print.price)),
        "time": last.map_or(0, |print| print.at.as_millis()),
    });
    one_or_all(front, &call, row)
}

pub(super) fn ticker_day(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let row = front.market.history.day(&front.config.instrument, call.now);
    one_or_all(front, &call, row)
}

pub(super) fn funding_rate(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let limit = call.params.limit(100, 1_000)?;
    let start = call.params.integer("startTime")?.unwrap_or(0);
    let end = call.params.integer("endTime")?.unwrap_or(i64::MAX);
    let symbol = front.config.instrument.symbol();
    let within = |at: Nanos| {
        let at = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
        (start..=end).contains(&at)
    };
    let rows: Vec<_> = front.market.funded.iter().filter(|f| within(f.at)).collect();
    let rows = rows[rows.len().saturating_sub(limit)..].iter().map(|funded| {
        json!({
            "symbol": symbol, "fundingTime": funded.at.as_millis(),
            "fundingRate": funded.rate.decimal().padded(8).to_string(),
            "markPrice": funded.mark.decimal().padded(8).to_string(), "rateType": "Regular",
        })
    });
    Ok(rows.collect())
}

pub(super) fn funding_info(front: &mut Front, _: Call) -> Result<Value, ApiError> {
    Ok(json!([{
        "symbol": front.config.instrument.symbol(), "adjustedFundingRateCap": "0.00300",
        "adjustedFundingRateFloor": "-0.00300", "fundingIntervalHours": 8, "disclaimer": false,
        "updateTime": null,
    }]))
}

pub(super) fn open_interest(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let instrument = &front.config.instrument;
    let long = |position: ::market::Position| position.raw().max(0).unsigned_abs();
    let held: u64 = front.accounts.iter().map(|account| long(account.standing.position)).sum();
    Ok(json!({
        "openInterest": instrument.qty_text(::market::Qty::new(held)),
        "symbol": instrument.symbol(), "time": call.now.as_millis(),
    }))
}
