//! Placing and modifying orders: parameters, then filters, then the machine.

use std::collections::VecDeque;

use ::market::venue::{Amend, NewOrder, OrderKind, TimeInForce, VenueCommand};
use ::market::{ClientOrderId, Decimal, Instrument, Price, Qty, Side, Usd};
use serde_json::{Value, json};

use super::error::ApiError;
use super::front::Front;
use super::params::{Params, too_precise};
use super::public::{MAX_PRICE, need_symbol, price_precision};
use super::record::OrderRecord;
use super::routes::Call;

/// Orders in one batch.
const BATCH_MAX: usize = 5;
/// Modifications of one order (`maxMoveOrderLimit`).
const MOVES_MAX: u32 = 10_000;
/// A good-till-date order must live at least this long, in milliseconds.
const GOOD_TILL_MIN: u64 = 600_000;

pub(super) fn place(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    place_one(front, call)
}

pub(super) fn test(front: &mut Front, mut call: Call) -> Result<Value, ApiError> {
    let record = read_order(front, &mut call)?;
    let instrument = &front.config.instrument;
    let mut reply = record.reply(instrument, true);
    reply["orderId"] = 0.into();
    reply["avgPrice"] = "0.00000".into();
    reply["cumQuote"] = "0".into();
    Ok(reply)
}

pub(super) fn place_batch(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    batch(front, call, place_one)
}

pub(super) fn modify(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    modify_one(front, call)
}

pub(super) fn modify_batch(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    batch(front, call, modify_one)
}

/// One slot per element, each an order or an error.
fn batch(
    front: &mut Front,
    call: Call,
    one: fn(&mut Front, Call) -> Result<Value, ApiError>,
) -> Result<Value, ApiError> {
    let orders =
        call.params.list("batchOrders")?.ok_or_else(|| ApiError::missing("batchOrders"))?;
    if orders.is_empty() || orders.len() > BATCH_MAX {
        return Err(ApiError::new(-4082, "Invalid number of batch place orders."));
    }
    let mut slots = Vec::new();
    for order in orders {
        let params = Params::from_json(&order);
        let part = Call { machine: call.machine, now: call.now, who: call.who, params: &params };
        slots.push(one(front, part).unwrap_or_else(|error| error.body()));
    }
    Ok(slots.into())
}

fn place_one(front: &mut Front, mut call: Call) -> Result<Value, ApiError> {
    let record = read_order(front, &mut call)?;
    let shows_result = match call.params.get("newOrderRespType") {
        None | Some("ACK") => false,
        Some("RESULT") => record.kind == "MARKET" || record.tif != "GTC",
        Some(_) => return Err(ApiError::new(-1102, "Invalid newOrderRespType.")),
    };
    let client_id = front.next_client_id(call.who);
    let order = NewOrder {
        instrument: front.config.instrument.id,
        client_id,
        side: record.side,
        qty: record.qty,
        kind: if record.kind == "MARKET" {
            OrderKind::Market
        } else {
            OrderKind::Limit { price: record.price, tif: machine_tif(record.tif) }
        },
        reduce_only: record.reduce_only,
    };
    let text = record.text.clone();
    let draft = OrderRecord { client: Some(client_id), ..record };
    front.accounts[call.who].drafts.insert(client_id, draft);
    let done = front.execute(call.machine, call.now, call.who, &VenueCommand::Place(order));
    front.accounts[call.who].drafts.remove(&client_id);
    done?;
    let account = &front.accounts[call.who];
    let placed = account.find(call.now, None, Some(&text)).ok_or_else(ApiError::no_such_order)?;
    Ok(placed.reply(&front.config.instrument, !shows_result))
}

pub(super) fn machine_tif(text: &str) -> TimeInForce {
    match text {
        "IOC" => TimeInForce::Ioc,
        "FOK" => TimeInForce::Fok,
        "GTX" => TimeInForce::PostOnly,
        _ => TimeInForce::Gtc,
    }
}

/// Everything that can be said about an order before it reaches the machine.
fn read_order(front: &Front, call: &mut Call) -> Result<OrderRecord, ApiError> {
    need_symbol(front, call)?;
    let params = call.params;
    let side = read_side(params.required("side")?)?;
    let (kind, tif) = read_kind(params)?;
    let account = &front.accounts[call.who];
    check_position_side(params, account.hedge)?;
    let reduce_only = params.boolean("reduceOnly")?.unwrap_or(false);
    let qty = params.decimal("quantity")?.ok_or_else(|| ApiError::missing("quantity"))?;
    let price_match = one_of(params, "priceMatch", "NONE", &PRICE_MATCHES)?;
    let price = params.decimal("price")?;
    let stp = one_of(params, "selfTradePreventionMode", "EXPIRE_MAKER", &STP_MODES)?;
    let good_till = read_good_till(params, tif, call.now.as_millis())?;
    let text = match params.get("newClientOrderId") {
        Some(text) => check_text(text)?.to_owned(),
        None => format!("x{:016x}{:06x}", call.now.0, account.named.wrapping_add(1)),
    };
    if front.faults.closed {
        return Err(ApiError::new(-4141, "Symbol is closed."));
    }
    let qty = read_qty(front, qty, kind == "MARKET")?;
    let price = match (kind, price, price_match) {
        ("MARKET", None, "NONE") => Price::ZERO,
        ("MARKET", _, _) => {
            return Err(ApiError::new(-1106, "Parameter 'price' sent when not required."));
        }
        (_, Some(_), name) if name != "NONE" => {
            return Err(ApiError::new(-1106, "Parameter 'price' sent when not required."));
        }
        (_, Some(price), _) => read_price(front, price)?,
        (_, None, "NONE") => return Err(ApiError::missing("price")),
        (_, None, name) => matched_price(front, side, name)?,
    };
    check_band(front, call, side, price)?;
    check_notional(front, call, price, qty, reduce_only, -4164)?;
    account.check_unlocked(side)?;
    if account.uses_text(&text) {
        return Err(ApiError::new(-4116, "ClientOrderId is duplicated."));
    }
    Ok(OrderRecord {
        id: 0,
        client: None,
        text,
        side,
        kind,
        tif,
        price,
        qty,
        filled: Qty::ZERO,
        quote: Usd::ZERO,
        status: "NEW",
        reduce_only,
        stp,
        price_match,
        good_till,
        time: call.now,
        updated: call.now,
        modify_id: None,
        moves: 0,
        amendments: VecDeque::new(),
    })
}

const PRICE_MATCHES: [&str; 7] =
    ["NONE", "OPPONENT", "OPPONENT_5", "QUEUE", "QUEUE_5", "QUEUE_10", "QUEUE_20"];
const STP_MODES: [&str; 4] = ["EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "NONE"];

fn one_of(
    params: &Params,
    name: &str,
    default: &'static str,
    known: &[&'static str],
) -> Result<&'static str, ApiError> {
    match params.get(name) {
        None => Ok(default),
        Some(text) => {
            let found = known.iter().copied().find(|own| *own == text);
            found.ok_or_else(|| {
                ApiError::new(-1130, format!("Data sent for parameter '{name}' is not valid."))
            })
        }
    }
}

fn read_side(text: &str) -> Result<Side, ApiError> {
    match text {
        "BUY" => Ok(Side::Buy),
        "SELL" => Ok(Side::Sell),
        _ => Err(ApiError::new(-1117, "Invalid side.")),
    }
}

fn read_kind(params: &Params) -> Result<(&'static str, &'static str), ApiError> {
    match params.required("type")? {
        "LIMIT" => {}
        "MARKET" if params.get("timeInForce").is_some() => {
            return Err(ApiError::new(-1106, "Parameter 'timeInForce' sent when not required."));
        }
        "MARKET" => return Ok(("MARKET", "GTC")),
        "STOP" | "STOP_MARKET" | "TAKE_PROFIT" | "TAKE_PROFIT_MARKET" | "TRAILING_STOP_MARKET" => {
            return Err(ApiError::new(
                -4120,
                "Order type not supported for this endpoint. Please use the Algo Order API \
                 endpoints instead.",
            ));
        }
        _ => return Err(ApiError::new(-1116, "Invalid orderType.")),
    }
    let tif = params.required("timeInForce")?;
    let known = ["GTC", "IOC", "FOK", "GTX", "GTD"].into_iter().find(|own| *own == tif);
    known.map(|tif| ("LIMIT", tif)).ok_or_else(|| ApiError::new(-1115, "Invalid timeInForce."))
}

fn check_position_side(params: &Params, hedge: bool) -> Result<(), ApiError> {
    match params.get("positionSide") {
        None | Some("BOTH") if !hedge => Ok(()),
        None | Some("BOTH" | "LONG" | "SHORT") => {
            Err(ApiError::new(-4061, "Order's position side does not match user's setting."))
        }
        Some(_) => Err(ApiError::new(-4060, "Invalid position side.")),
    }
}

fn read_good_till(params: &Params, tif: &str, now: u64) -> Result<u64, ApiError> {
    if tif != "GTD" {
        return Ok(0);
    }
    let wanted =
        params.integer("goodTillDate")?.ok_or_else(|| ApiError::missing("goodTillDate"))?;
    let wanted = u64::try_from(wanted).unwrap_or(0) / 1_000 * 1_000;
    if wanted <= now + GOOD_TILL_MIN {
        return Err(ApiError::new(
            -5040,
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds \
             and smaller than 253402300799000",
        ));
    }
    Ok(wanted)
}

fn check_text(text: &str) -> Result<&str, ApiError> {
    if text.len() > 36 {
        return Err(ApiError::new(
            -4015,
            "Client order id length should not be more than 36 chars",
        ));
    }
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b".:/_-".contains(&byte);
    if !text.bytes().all(legal) {
        return Err(ApiError::illegal("newClientOrderId", "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"));
    }
    Ok(text)
}

fn read_qty(front: &Front, qty: Decimal, market: bool) -> Result<Qty, ApiError> {
    let instrument = &front.config.instrument;
    let rules = instrument.rules();
    let max = if market { rules.market_max_qty } else { rules.max_qty };
    if qty.decimals() > rules.step.decimals() {
        return Err(too_precise());
    }
    if qty <= Decimal::ZERO {
        return Err(ApiError::new(-4003, "Quantity less than or equal to zero."));
    }
    if qty < rules.min_qty {
        return Err(ApiError::new(-4004, "Quantity less than min quantity."));
    }
    if qty > max {
        return Err(ApiError::new(-4005, "Quantity greater than max quantity."));
    }
    let off_step = |_| ApiError::new(-4023, "Qty not increased by step size.");
    instrument.qty(qty).map_err(off_step)
}

fn read_price(front: &Front, price: Decimal) -> Result<Price, ApiError> {
    let instrument = &front.config.instrument;
    let tick = instrument.rules().tick;
    if price.decimals() > price_precision(front) {
        return Err(too_precise());
    }
    if price < Decimal::ZERO {
        return Err(ApiError::new(-4001, "Price less than 0."));
    }
    if price.units() < tick.units().saturating_mul(1_000) {
        return Err(ApiError::new(-4013, "Price less than min price."));
    }
    if MAX_PRICE.parse().is_ok_and(|max: Decimal| price > max) {
        return Err(ApiError::new(-4002, "Price greater than max price."));
    }
    instrument.price(price).map_err(|_| ApiError::new(-4014, "Price not increased by tick size."))
}

/// The price that `priceMatch` stands for.
fn matched_price(front: &Front, side: Side, name: &str) -> Result<Price, ApiError> {
    let (kind, level) = name.split_once('_').unwrap_or((name, "1"));
    let side = if kind == "QUEUE" { side } else { side.opposite() };
    let level = level.parse().unwrap_or(1_usize);
    let found = front.market.book.levels(side).nth(level - 1).map(|level| level.price);
    found.ok_or_else(|| ApiError::new(-5041, "No depth matches this BBO order"))
}

/// -4164 for new orders, -5029 for what is left of modified ones.
fn check_notional(
    front: &Front,
    call: &Call,
    price: Price,
    qty: Qty,
    exempt: bool,
    code: i32,
) -> Result<(), ApiError> {
    let instrument = &front.config.instrument;
    let least = instrument.rules().min_notional;
    let notional = if price == Price::ZERO {
        instrument.value_at(call.machine.mark(), qty.signed(Side::Buy))
    } else {
        instrument.notional(price, qty)
    };
    if exempt || notional >= Usd::from_decimal(least) {
        return Ok(());
    }
    let text = format!(
        "Order's notional must be no smaller than {least} (unless you choose reduce only)."
    );
    Err(ApiError::new(code, text))
}

/// `PERCENT_PRICE`: a buy has a ceiling, a sell has a floor.
fn check_band(front: &Front, call: &Call, side: Side, price: Price) -> Result<(), ApiError> {
    let instrument = &front.config.instrument;
    let mark = call.machine.mark();
    if price == Price::ZERO || mark.is_zero() {
        return Ok(());
    }
    let edge = |factor: Decimal| {
        let units = i128::from(mark.raw()) * i128::from(factor.units());
        Decimal::from_units(i64::try_from(units / i128::from(Decimal::SCALE)).unwrap_or(i64::MAX))
    };
    let decimals = instrument.rules().tick.decimals();
    let price = instrument.price_decimal(price);
    let (high, low) = (edge(instrument.rules().band_up), edge(instrument.rules().band_down));
    match side {
        Side::Buy if price > high => {
            let text = format!("Limit price can't be higher than {}.", high.padded(decimals));
            Err(ApiError::new(-4016, text))
        }
        Side::Sell if price < low => {
            let text = format!("Limit price can't be lower than {}.", low.padded(decimals));
            Err(ApiError::new(-4024, text))
        }
        Side::Buy | Side::Sell => Ok(()),
    }
}

fn modify_one(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let (id, client_id, amend) = read_amend(front, &call)?;
    let modify_id = call.params.integer("modifyId")?;
    if let Some(order) = front.accounts[call.who].order_mut(id) {
        order.modify_id = modify_id;
    }
    let done = front.execute(call.machine, call.now, call.who, &VenueCommand::Amend(amend));
    if let Err(error) = done {
        return Err(match error.code {
            -2011 => ApiError::no_such_order(),
            _ => error,
        });
    }
    let order = front.accounts[call.who].orders.get(&id).filter(|o| o.client == Some(client_id));
    let order = order.ok_or_else(ApiError::no_such_order)?;
    Ok(order.modified(&front.config.instrument))
}

fn read_amend(front: &Front, call: &Call) -> Result<(i64, ClientOrderId, Amend), ApiError> {
    need_symbol(front, call)?;
    let params = call.params;
    let side = read_side(params.required("side")?)?;
    let qty = params.decimal("quantity")?.ok_or_else(|| ApiError::missing("quantity"))?;
    let price_match = one_of(params, "priceMatch", "NONE", &PRICE_MATCHES)?;
    let price = params.decimal("price")?;
    let order = named_order(front, call)?;
    let client_id = order.client.filter(|_| order.is_open()).ok_or_else(ApiError::no_such_order)?;
    if order.kind != "LIMIT" {
        return Err(ApiError::new(-5025, "Only limit order is supported."));
    }
    if order.side != side {
        return Err(ApiError::new(-1117, "Invalid side."));
    }
    if params.boolean("reduceOnly")? == Some(true) && !order.reduce_only {
        return Err(ApiError::new(-5047, "ReduceOnly is not allowed for this order."));
    }
    if order.moves >= MOVES_MAX {
        return Err(ApiError::new(-5026, "Exceed maximum modify order limit."));
    }
    if front.faults.closed {
        return Err(ApiError::new(
            -5024,
            "Symbol is not in trading status. Order amendment is not permitted.",
        ));
    }
    let qty = read_qty(front, qty, false)?;
    let price = match price {
        Some(price) => read_price(front, price)?,
        None if price_match != "NONE" => matched_price(front, side, price_match)?,
        None => return Err(ApiError::missing("price")),
    };
    let left = qty.saturating_sub(order.filled);
    if !left.is_zero() {
        check_band(front, call, side, price)?;
        check_notional(front, call, price, left, order.reduce_only, -5029)?;
    }
    let instrument = front.config.instrument.id;
    Ok((order.id, client_id, Amend { instrument, client_id, side, price, qty }))
}

/// The order that a call names.
pub(super) fn named_order<'a>(front: &'a Front, call: &Call) -> Result<&'a OrderRecord, ApiError> {
    let (id, text) = (call.params.integer("orderId")?, call.params.get("origClientOrderId"));
    if id.is_none() && text.is_none() {
        return Err(ApiError::new(
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        ));
    }
    front.accounts[call.who].find(call.now, id, text).ok_or_else(ApiError::no_such_order)
}

/// The change of an order as `orderAmendment` lists it.
pub(super) fn amendment_rows(order: &OrderRecord, instrument: &Instrument) -> Vec<Value> {
    let forgotten = order.moves as usize - order.amendments.len().min(order.moves as usize);
    let rows = order.amendments.iter().zip(forgotten..).map(|(change, index)| {
        let symbol = instrument.symbol();
        let mut row = json!({
            "amendmentId": change.at.as_millis() * 1_000 + index as u64,
            "symbol": symbol, "pair": symbol,
            "orderId": order.id, "clientOrderId": order.text, "time": change.at.as_millis(),
            "amendment": {
                "price": {"before": instrument.price_text(change.price.0),
                          "after": instrument.price_text(change.price.1)},
                "origQty": {"before": instrument.qty_text(change.qty.0),
                            "after": instrument.qty_text(change.qty.1)},
                "count": index + 1,
            },
        });
        if let Some(id) = change.modify_id {
            row["amendment"]["modifyId"] = id.into();
        }
        row
    });
    rows.collect()
}
