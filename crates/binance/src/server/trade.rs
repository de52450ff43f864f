//! Canceling and looking up orders and trades.

use std::time::Duration;

use ::market::Nanos;
use ::market::venue::VenueCommand;
use serde_json::{Value, json};

use super::error::ApiError;
use super::front::Front;
use super::params::Params;
use super::place::{amendment_rows, named_order};
use super::public::{maybe_symbol, need_symbol};
use super::record::LIQUIDATION_PREFIX;
use super::routes::Call;

/// Cancels in one batch.
const BATCH_MAX: usize = 10;
const WEEK_MS: i64 = 7 * 86_400_000;

pub(super) fn order(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    Ok(named_order(front, &call)?.query(&front.config.instrument))
}

pub(super) fn open_order(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let order = named_order(front, &call)?;
    if !order.is_open() {
        return Err(ApiError::no_such_order());
    }
    Ok(order.query(&front.config.instrument))
}

pub(super) fn open_orders(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let instrument = &front.config.instrument;
    Ok(front.accounts[call.who].open_orders().map(|order| order.query(instrument)).collect())
}

pub(super) fn all_orders(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let limit = call.params.limit(500, 1_000)?;
    let (start, end) = span(&call)?;
    let instrument = &front.config.instrument;
    let orders = &front.accounts[call.who].orders;
    let within = |at: Nanos| (start..=end).contains(&millis(at));
    if let Some(id) = call.params.integer("orderId")? {
        let rows = orders.range(id..).take(limit).map(|(_, order)| order.query(instrument));
        return Ok(rows.collect());
    }
    let newest = orders.values().rev().filter(|order| within(order.time)).take(limit);
    let mut rows: Vec<_> = newest.map(|order| order.query(instrument)).collect();
    rows.reverse();
    Ok(rows.into())
}

pub(super) fn cancel(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    cancel_one(front, call)
}

fn cancel_one(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let order = named_order(front, &call).map_err(|error| match error.code {
        -2013 => ApiError::unknown_order(),
        _ => error,
    })?;
    let id = order.id;
    let client_id = order.client.filter(|_| order.is_open()).ok_or_else(ApiError::unknown_order)?;
    let instrument = front.config.instrument.id;
    let command = VenueCommand::Cancel { instrument, client_id };
    front.execute(call.machine, call.now, call.who, &command)?;
    let order = front.accounts[call.who].orders.get(&id).ok_or_else(ApiError::unknown_order)?;
    Ok(order.reply(&front.config.instrument, false))
}

pub(super) fn cancel_batch(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    // Clients in the wild send these names in lower case, and the real venue takes them.
    let list = |name: &str| match call.params.get(name) {
        Some(_) => call.params.list(name),
        None => call.params.list(&name.to_lowercase()),
    };
    let (ids, texts) = (list("orderIdList")?, list("origClientOrderIdList")?);
    let (name, list) = match (ids, texts) {
        (Some(ids), _) => ("orderId", ids),
        (None, Some(texts)) => ("origClientOrderId", texts),
        (None, None) => return Err(ApiError::missing("orderIdList")),
    };
    if list.is_empty() || list.len() > BATCH_MAX {
        return Err(ApiError::new(-4082, "Invalid number of batch cancel orders."));
    }
    let mut slots = Vec::new();
    for item in list {
        let params = Params::from_json(&json!({name: item}));
        let part = Call { machine: call.machine, now: call.now, who: call.who, params: &params };
        slots.push(cancel_one(front, part).unwrap_or_else(|error| error.body()));
    }
    Ok(slots.into())
}

pub(super) fn cancel_all(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let command = VenueCommand::CancelAll { instrument: front.config.instrument.id };
    front.execute(call.machine, call.now, call.who, &command)?;
    Ok(json!({"code": 200, "msg": "The operation of cancel all open order is done."}))
}

pub(super) fn countdown(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let time =
        call.params.integer("countdownTime")?.ok_or_else(|| ApiError::missing("countdownTime"))?;
    let span = u64::try_from(time).map_err(|_| ApiError::missing("countdownTime"))?;
    let instrument = front.config.instrument.id;
    let command = VenueCommand::ArmDeadMan { instrument, countdown: Duration::from_millis(span) };
    front.execute(call.machine, call.now, call.who, &command)?;
    Ok(json!({
        "symbol": front.config.instrument.symbol(), "countdownTime": time.to_string(),
    }))
}

pub(super) fn amendments(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let limit = call.params.limit(50, 100)?;
    let mut rows = amendment_rows(named_order(front, &call)?, &front.config.instrument);
    rows.reverse();
    rows.truncate(limit);
    Ok(rows.into())
}

pub(super) fn user_trades(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let limit = call.params.limit(500, 1_000)?;
    let timed = call.params.get("startTime").is_some() || call.params.get("endTime").is_some();
    let (start, end) = span(&call)?;
    let from_id = call.params.integer("fromId")?;
    if from_id.is_some() && timed {
        return Err(ApiError::new(-1128, "Combination of optional parameters invalid."));
    }
    let order = call.params.integer("orderId")?;
    let instrument = &front.config.instrument;
    let trades = &front.accounts[call.who].trades;
    let matching = trades.iter().filter(|trade| {
        order.is_none_or(|id| trade.order == id)
            && match from_id {
                Some(id) => trade.id >= id,
                None => (start..=end).contains(&millis(trade.at)),
            }
    });
    if from_id.is_some() || call.params.get("startTime").is_some() {
        return Ok(matching.take(limit).map(|trade| trade.row(instrument)).collect());
    }
    let mut rows: Vec<_> = matching.rev().take(limit).map(|trade| trade.row(instrument)).collect();
    rows.reverse();
    Ok(rows.into())
}

pub(super) fn force_orders(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let limit = call.params.limit(50, 100)?;
    let instrument = &front.config.instrument;
    let forced = front.accounts[call.who].orders.values().rev();
    let forced = forced.filter(|order| order.text.starts_with(LIQUIDATION_PREFIX)).take(limit);
    Ok(forced.map(|order| order.query(instrument)).collect())
}

/// `startTime` and `endTime`, by default everything; at most a week apart.
pub(super) fn span(call: &Call) -> Result<(i64, i64), ApiError> {
    let (start, end) = (call.params.integer("startTime")?, call.params.integer("endTime")?);
    if let (Some(start), Some(end)) = (start, end) {
        if end < start {
            return Err(ApiError::new(-1023, "Start time is greater than end time."));
        }
        if end - start > WEEK_MS {
            return Err(ApiError::new(-4165, "Maximum time interval is 7 days"));
        }
    }
    Ok((start.unwrap_or(0), end.unwrap_or(i64::MAX)))
}

pub(super) fn millis(at: Nanos) -> i64 {
    i64::try_from(at.as_millis()).unwrap_or(i64::MAX)
}
