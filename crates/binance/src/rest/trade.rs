//! Calls that place, change, end and list orders (facts, section 6).

use std::time::Duration;

use market::venue::{Amend, NewOrder, OrderKind, TimeInForce};
use market::{ClientOrderId, Decimal, Instrument, Side, VenueOrderId};

use super::params::push_decimal;
use super::{Method, OrderCost, Params, Purpose, Request};

/// Orders in one batch of new orders or amendments.
pub const BATCH_MAX: usize = 5;
/// Orders in one batch of cancels.
pub const BATCH_CANCEL_MAX: usize = 10;

/// A batch the venue would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a batch holds 1 to {max} orders, not {found}")]
pub struct BatchSize {
    /// Orders given.
    pub found: usize,
    /// Orders allowed.
    pub max: usize,
}

/// Which order is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderName {
    /// By our name, which also finds an order whose acknowledgement was lost.
    Client(ClientOrderId),
    /// By the venue's name.
    Venue(VenueOrderId),
}

/// `POST /fapi/v1/order`, or `order.place`.
pub fn place(instrument: &Instrument, order: &NewOrder) -> Request {
    let request = Request::signed(Method::Post, "/fapi/v1/order", place_params(instrument, order));
    Request { order_cost: OrderCost { ten_seconds: 1, minute: 1 }, ..request }
        .weighing(0)
        .on_ws("order.place")
        .purpose(if order.reduce_only { Purpose::Close } else { Purpose::Trade })
}

/// `PUT /fapi/v1/order`, or `order.modify`. The quantity is the new total.
pub fn amend(instrument: &Instrument, amend: &Amend) -> Request {
    let request = Request::signed(Method::Put, "/fapi/v1/order", amend_params(instrument, amend));
    Request { order_cost: OrderCost { ten_seconds: 1, minute: 1 }, ..request }
        .weighing(0)
        .on_ws("order.modify")
        .purpose(Purpose::Trade)
}

/// `DELETE /fapi/v1/order`, or `order.cancel`.
pub fn cancel(symbol: &str, order: OrderName) -> Request {
    Request::signed(Method::Delete, "/fapi/v1/order", named(symbol, order))
        .on_ws("order.cancel")
        .purpose(Purpose::Cancel)
}

/// `GET /fapi/v1/order`, or `order.status`.
pub fn query_order(symbol: &str, order: OrderName) -> Request {
    Request::signed(Method::Get, "/fapi/v1/order", named(symbol, order)).on_ws("order.status")
}

/// `POST /fapi/v1/batchOrders`: up to five new orders. They execute concurrently.
///
/// # Errors
/// [`BatchSize`].
pub fn place_batch(instrument: &Instrument, orders: &[NewOrder]) -> Result<Request, BatchSize> {
    let reduces = orders.iter().all(|order| order.reduce_only);
    let items = orders.iter().map(|order| place_params(instrument, order));
    let request = batch(Method::Post, items, orders.len())?;
    Ok(request.purpose(if reduces { Purpose::Close } else { Purpose::Trade }))
}

/// `PUT /fapi/v1/batchOrders`: up to five amendments.
///
/// # Errors
/// [`BatchSize`].
pub fn amend_batch(instrument: &Instrument, amends: &[Amend]) -> Result<Request, BatchSize> {
    let items = amends.iter().map(|amend| amend_params(instrument, amend));
    Ok(batch(Method::Put, items, amends.len())?.purpose(Purpose::Trade))
}

/// `DELETE /fapi/v1/batchOrders`: up to ten cancels by our names.
///
/// # Errors
/// [`BatchSize`].
pub fn cancel_batch(symbol: &str, orders: &[ClientOrderId]) -> Result<Request, BatchSize> {
    check(orders.len(), BATCH_CANCEL_MAX)?;
    let names: Vec<String> = orders.iter().map(|id| format!("\"{id}\"")).collect();
    let params = Params::new()
        .text("symbol", symbol)
        .text("origClientOrderIdList", &format!("[{}]", names.join(",")));
    let request = Request::signed(Method::Delete, "/fapi/v1/batchOrders", params);
    Ok(request.purpose(Purpose::Cancel))
}

/// `DELETE /fapi/v1/allOpenOrders`: every order of the account on the symbol, foreign ones too.
pub fn cancel_all(symbol: &str) -> Request {
    let params = Params::new().text("symbol", symbol);
    Request::signed(Method::Delete, "/fapi/v1/allOpenOrders", params).purpose(Purpose::Cancel)
}

/// `POST /fapi/v1/countdownCancelAll`: (re)starts the dead-man's switch; zero disarms it.
///
/// Fractions of a millisecond are rounded up, so that only a true zero disarms.
pub fn arm_dead_man(symbol: &str, countdown: Duration) -> Request {
    let millis = countdown.as_nanos().div_ceil(1_000_000);
    let millis = i64::try_from(millis).unwrap_or(i64::MAX);
    let params = Params::new().text("symbol", symbol).integer("countdownTime", millis);
    let request = Request::signed(Method::Post, "/fapi/v1/countdownCancelAll", params);
    Request { idempotent: true, ..request }.weighing(10).purpose(Purpose::Cancel)
}

/// `GET /fapi/v1/openOrders` of a symbol, or of the whole account at forty times the weight.
pub fn open_orders(symbol: Option<&str>) -> Request {
    let (params, weight) = match symbol {
        Some(symbol) => (Params::new().text("symbol", symbol), 1),
        None => (Params::new(), 40),
    };
    Request::signed(Method::Get, "/fapi/v1/openOrders", params).weighing(weight)
}

fn place_params(instrument: &Instrument, order: &NewOrder) -> Params {
    let rules = instrument.rules();
    let params = Params::new()
        .text("symbol", instrument.symbol())
        .text("side", side_name(order.side))
        .text("type", if matches!(order.kind, OrderKind::Market) { "MARKET" } else { "LIMIT" });
    let quantity = instrument.qty_decimal(order.qty);
    let params = match order.kind {
        OrderKind::Market => params.decimal("quantity", quantity, decimals(rules.step)),
        OrderKind::Limit { price, tif } => params
            .text("timeInForce", tif_name(tif))
            .decimal("quantity", quantity, decimals(rules.step))
            .decimal("price", instrument.price_decimal(price), decimals(rules.tick)),
    };
    let params = if order.reduce_only { params.text("reduceOnly", "true") } else { params };
    let params = params.display("newClientOrderId", order.client_id);
    match order.kind {
        // Without RESULT the reply to an order that trades at once says NEW.
        OrderKind::Market | OrderKind::Limit { tif: TimeInForce::Fok, .. } => {
            params.text("newOrderRespType", "RESULT")
        }
        OrderKind::Limit { tif: TimeInForce::Ioc, .. } => params
            .text("newOrderRespType", "RESULT")
            .text("selfTradePreventionMode", "EXPIRE_MAKER"),
        OrderKind::Limit { tif: TimeInForce::Gtc, .. } => {
            params.text("selfTradePreventionMode", "EXPIRE_MAKER")
        }
        // A post-only order takes nothing, so nothing of ours.
        OrderKind::Limit { tif: TimeInForce::PostOnly, .. } => params,
    }
}

fn amend_params(instrument: &Instrument, amend: &Amend) -> Params {
    let rules = instrument.rules();
    Params::new()
        .text("symbol", instrument.symbol())
        .text("side", side_name(amend.side))
        .display("origClientOrderId", amend.client_id)
        .decimal("quantity", instrument.qty_decimal(amend.qty), decimals(rules.step))
        .decimal("price", instrument.price_decimal(amend.price), decimals(rules.tick))
}

fn named(symbol: &str, order: OrderName) -> Params {
    let params = Params::new().text("symbol", symbol);
    match order {
        OrderName::Client(id) => params.display("origClientOrderId", id),
        OrderName::Venue(id) => params.integer("orderId", id.0),
    }
}

/// An array of objects whose values are all texts, as one parameter.
fn batch(
    method: Method,
    items: impl Iterator<Item = Params>,
    count: usize,
) -> Result<Request, BatchSize> {
    check(count, BATCH_MAX)?;
    let mut text = String::from("[");
    for params in items {
        text.push_str(if text.len() > 1 { ",{" } else { "{" });
        for (index, param) in params.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            text.push_str(comma);
            crate::ws_api::push_json_text(param.name, &mut text);
            text.push(':');
            crate::ws_api::push_json_text(param.value, &mut text);
        }
        text.push('}');
    }
    text.push(']');
    let params = Params::new().text("batchOrders", &text);
    let request = Request::signed(method, "/fapi/v1/batchOrders", params).weighing(5);
    Ok(Request { order_cost: OrderCost { ten_seconds: 5, minute: 1 }, ..request })
}

fn check(found: usize, max: usize) -> Result<(), BatchSize> {
    if (1..=max).contains(&found) { Ok(()) } else { Err(BatchSize { found, max }) }
}

/// `BUY` or `SELL`.
pub fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// The venue's name of a time in force.
pub fn tif_name(tif: TimeInForce) -> &'static str {
    match tif {
        TimeInForce::Gtc => "GTC",
        TimeInForce::Ioc => "IOC",
        TimeInForce::Fok => "FOK",
        TimeInForce::PostOnly => "GTX",
    }
}

fn decimals(step: Decimal) -> u8 {
    step.decimals()
}

/// A decimal with the decimals of a step, as the venue prints it.
pub fn decimal_text(value: Decimal, step: Decimal) -> String {
    let mut out = String::new();
    push_decimal(&mut out, value, decimals(step));
    out
}
