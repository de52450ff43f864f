//! Public calls, and calls about the account, its settings and its streams (facts, 4 and 5).

use market::{Nanos, TradeId, VenueOrderId};

use super::{Method, Params, Purpose, Request, Security};

/// Rows of one page of trades.
pub const TRADES_PAGE: usize = 1_000;

/// Rows of one page of income.
pub const INCOME_PAGE: usize = 1_000;

/// Which of our trades to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TradesFrom {
    /// The newest so many.
    Newest(u32),
    /// From this id on (it included), a page at a time.
    Id(TradeId),
    /// Of one order.
    Order(VenueOrderId),
}

/// Cross or isolated margin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarginType {
    /// The whole wallet stands behind the position.
    Cross,
    /// Only what was put aside for it.
    Isolated,
}

/// `GET /fapi/v1/exchangeInfo`: rules of every symbol, limits of the venue. Several MB.
pub fn exchange_info() -> Request {
    Request::new(Method::Get, "/fapi/v1/exchangeInfo", Params::default())
}

/// `GET /fapi/v1/time`.
pub fn server_time() -> Request {
    Request::new(Method::Get, "/fapi/v1/time", Params::default())
}

/// `GET /fapi/v1/depth`. The venue takes 5, 10, 20, 50, 100, 500 or 1000 levels; others are
/// rounded up.
pub fn depth(symbol: &str, levels: u32) -> Request {
    let (limit, weight) = match levels {
        0..=5 => (5, 2),
        6..=10 => (10, 2),
        11..=20 => (20, 2),
        21..=50 => (50, 2),
        51..=100 => (100, 5),
        101..=500 => (500, 10),
        501.. => (1_000, 20),
    };
    let params = Params::new().text("symbol", symbol).integer("limit", limit);
    Request::new(Method::Get, "/fapi/v1/depth", params).weighing(weight).on_ws("depth")
}

/// `GET /fapi/v1/premiumIndex`: mark, index, funding.
pub fn premium_index(symbol: &str) -> Request {
    Request::new(Method::Get, "/fapi/v1/premiumIndex", Params::new().text("symbol", symbol))
}

/// `GET /fapi/v1/ticker/bookTicker`.
pub fn book_ticker(symbol: &str) -> Request {
    let params = Params::new().text("symbol", symbol);
    Request::new(Method::Get, "/fapi/v1/ticker/bookTicker", params).weighing(2).on_ws("ticker.book")
}

/// `GET /fapi/v3/positionRisk`: positions and symbols with open orders; neither leverage nor
/// margin type.
pub fn position_risk(symbol: &str) -> Request {
    let params = Params::new().text("symbol", symbol);
    Request::signed(Method::Get, "/fapi/v3/positionRisk", params)
        .weighing(5)
        .on_ws("v2/account.position")
}

/// `GET /fapi/v2/positionRisk`: also leverage and margin type, every symbol listed.
pub fn position_risk_v2(symbol: &str) -> Request {
    let params = Params::new().text("symbol", symbol);
    Request::signed(Method::Get, "/fapi/v2/positionRisk", params)
        .weighing(5)
        .on_ws("account.position")
}

/// `GET /fapi/v3/account`.
pub fn account() -> Request {
    Request::signed(Method::Get, "/fapi/v3/account", Params::default())
        .weighing(5)
        .on_ws("v2/account.status")
}

/// `GET /fapi/v3/balance`.
pub fn balance() -> Request {
    Request::signed(Method::Get, "/fapi/v3/balance", Params::default())
        .weighing(5)
        .on_ws("v2/account.balance")
}

/// `GET /fapi/v1/accountConfig`: permissions, position mode, multi-assets mode.
pub fn account_config() -> Request {
    Request::signed(Method::Get, "/fapi/v1/accountConfig", Params::default()).weighing(5)
}

/// `GET /fapi/v1/symbolConfig`: margin type and leverage.
pub fn symbol_config(symbol: &str) -> Request {
    let params = Params::new().text("symbol", symbol);
    Request::signed(Method::Get, "/fapi/v1/symbolConfig", params).weighing(5)
}

/// `GET /fapi/v1/commissionRate`.
pub fn commission_rate(symbol: &str) -> Request {
    let params = Params::new().text("symbol", symbol);
    Request::signed(Method::Get, "/fapi/v1/commissionRate", params).weighing(20)
}

/// `GET /fapi/v1/userTrades`: our fills, the authority after a reconnect.
pub fn user_trades(symbol: &str, from: TradesFrom) -> Request {
    let params = Params::new().text("symbol", symbol);
    let params = match from {
        TradesFrom::Newest(count) => params.integer("limit", i64::from(count.clamp(1, 1_000))),
        TradesFrom::Id(id) => params.integer("fromId", id.0).integer("limit", TRADES_PAGE as i64),
        TradesFrom::Order(id) => {
            params.integer("orderId", id.0).integer("limit", TRADES_PAGE as i64)
        }
    };
    Request::signed(Method::Get, "/fapi/v1/userTrades", params).weighing(5)
}

/// `GET /fapi/v1/income` of one type (`FUNDING_FEE`, `COMMISSION`, …) in a span of time.
pub fn income(symbol: &str, kind: &str, from: Nanos, to: Nanos) -> Request {
    let millis = |at: Nanos| i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    let params = Params::new()
        .text("symbol", symbol)
        .text("incomeType", kind)
        .integer("startTime", millis(from))
        .integer("endTime", millis(to))
        .integer("limit", 1_000);
    Request::signed(Method::Get, "/fapi/v1/income", params)
        .weighing(30)
        .purpose(Purpose::Background)
}

/// `GET /fapi/v1/income` of every kind and contract from a moment on, oldest first.
pub fn income_since(from: Nanos) -> Request {
    let from = i64::try_from(from.as_millis()).unwrap_or(i64::MAX);
    let params = Params::new()
        .integer("startTime", from)
        .integer("limit", i64::try_from(INCOME_PAGE).unwrap_or(i64::MAX));
    Request::signed(Method::Get, "/fapi/v1/income", params).weighing(30)
}

/// `POST /fapi/v1/leverage`.
pub fn set_leverage(symbol: &str, leverage: u32) -> Request {
    let params = Params::new().text("symbol", symbol).integer("leverage", i64::from(leverage));
    setting("/fapi/v1/leverage", params)
}

/// `POST /fapi/v1/marginType`. Already set is -4046, a success.
pub fn set_margin_type(symbol: &str, margin: MarginType) -> Request {
    let name = match margin {
        MarginType::Cross => "CROSSED",
        MarginType::Isolated => "ISOLATED",
    };
    setting("/fapi/v1/marginType", Params::new().text("symbol", symbol).text("marginType", name))
}

/// `GET /fapi/v1/positionSide/dual`: hedge mode or one-way mode.
pub fn position_mode() -> Request {
    Request::signed(Method::Get, "/fapi/v1/positionSide/dual", Params::default()).weighing(30)
}

/// `POST /fapi/v1/positionSide/dual`. Already set is -4059, a success.
pub fn set_position_mode(dual: bool) -> Request {
    setting("/fapi/v1/positionSide/dual", Params::new().display("dualSidePosition", dual))
}

/// `GET /fapi/v1/multiAssetsMargin`.
pub fn multi_assets() -> Request {
    Request::signed(Method::Get, "/fapi/v1/multiAssetsMargin", Params::default()).weighing(30)
}

/// `POST /fapi/v1/multiAssetsMargin`. Already set is -4171, a success.
pub fn set_multi_assets(on: bool) -> Request {
    setting("/fapi/v1/multiAssetsMargin", Params::new().display("multiAssetsMargin", on))
}

/// `GET /fapi/v1/feeBurn`: whether fees are paid in BNB.
pub fn fee_burn() -> Request {
    Request::signed(Method::Get, "/fapi/v1/feeBurn", Params::default()).weighing(30)
}

/// `GET /sapi/v1/account/apiRestrictions`: what the key may do. Lives on another host than the rest
/// ([`Endpoints::permissions`](crate::Endpoints::permissions)).
pub fn key_rights() -> Request {
    Request::signed(Method::Get, "/sapi/v1/account/apiRestrictions", Params::default())
}

/// `GET /fapi/v1/rateLimit/order`: the account's own order limits.
pub fn order_rate_limit() -> Request {
    Request::signed(Method::Get, "/fapi/v1/rateLimit/order", Params::default())
}

/// `GET /fapi/v1/apiTradingStatus`: whether quantitative rules have locked the account or symbol.
pub fn trading_status(symbol: Option<&str>) -> Request {
    let (params, weight) = match symbol {
        Some(symbol) => (Params::new().text("symbol", symbol), 1),
        None => (Params::default(), 10),
    };
    Request::signed(Method::Get, "/fapi/v1/apiTradingStatus", params).weighing(weight)
}

/// `POST /fapi/v1/listenKey`: the current key, or a new one, good for another hour.
pub fn create_listen_key() -> Request {
    listen_key(Method::Post).on_ws("userDataStream.start")
}

/// `PUT /fapi/v1/listenKey`: good for another hour; -1125 when it is gone.
pub fn keep_listen_key() -> Request {
    listen_key(Method::Put).on_ws("userDataStream.ping")
}

/// `DELETE /fapi/v1/listenKey`.
pub fn close_listen_key() -> Request {
    listen_key(Method::Delete).on_ws("userDataStream.stop")
}

fn listen_key(method: Method) -> Request {
    let request = Request::new(method, "/fapi/v1/listenKey", Params::default());
    Request { security: Security::Key, idempotent: true, ..request }
}

fn setting(path: &'static str, params: Params) -> Request {
    Request { idempotent: true, ..Request::signed(Method::Post, path, params) }
}
