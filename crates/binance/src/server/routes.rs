//! Which call is which: method, path, who may, what it costs, what does it.

use ::market::Nanos;
use serde_json::Value;

use super::error::ApiError;
use super::front::Front;
use super::params::Params;
use super::{Machine, holdings, place, public, settings, trade};

/// A call that was let in.
pub(super) struct Call<'a> {
    pub(super) machine: &'a mut dyn Machine,
    pub(super) now: Nanos,
    /// The account; 0 for calls that need none.
    pub(super) who: usize,
    pub(super) params: &'a Params,
}

pub(super) type Handler = fn(&mut Front, Call) -> Result<Value, ApiError>;

/// What a call must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Security {
    None,
    /// `X-MBX-APIKEY`.
    Key,
    /// Key, timestamp, signature.
    Signed,
}

/// What a call costs of the address's weight.
#[derive(Clone, Copy, Debug)]
pub(super) enum Weight {
    Fixed(u32),
    /// With `symbol`, and without.
    Symbol(u32, u32),
    Depth,
    Klines,
}

impl Weight {
    pub(super) fn of(self, params: &Params) -> u32 {
        let limit = params.integer("limit").ok().flatten().unwrap_or(500);
        match self {
            Self::Fixed(weight) => weight,
            Self::Symbol(one, all) => {
                if params.get("symbol").is_some() {
                    one
                } else {
                    all
                }
            }
            Self::Depth => match limit {
                ..=50 => 2,
                51..=100 => 5,
                101..=500 => 10,
                _ => 20,
            },
            Self::Klines => match limit {
                ..=100 => 1,
                101..=500 => 2,
                501..=1000 => 5,
                _ => 10,
            },
        }
    }
}

/// One call.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) security: Security,
    pub(super) weight: Weight,
    /// What it costs of the account's order counters: 10 s, minute.
    pub(super) orders: (u32, u32),
    pub(super) handler: Handler,
}

type Row = (&'static str, &'static str, Security, Weight, (u32, u32), Handler);

use Security::{Key, None as Open, Signed};
use Weight::{Depth, Fixed, Klines, Symbol};

const FREE: (u32, u32) = (0, 0);

#[rustfmt::skip]
const ROUTES: &[Row] = &[
    ("GET", "/fapi/v1/ping", Open, Fixed(1), FREE, public::ping),
    ("GET", "/fapi/v1/time", Open, Fixed(1), FREE, public::time),
    ("GET", "/fapi/v1/exchangeInfo", Open, Fixed(1), FREE, public::exchange_info),
    ("GET", "/fapi/v1/depth", Open, Depth, FREE, public::depth),
    ("GET", "/fapi/v1/rpiDepth", Open, Fixed(20), FREE, public::depth),
    ("GET", "/fapi/v1/trades", Open, Fixed(5), FREE, public::trades),
    ("GET", "/fapi/v1/historicalTrades", Key, Fixed(200), FREE, public::trades),
    ("GET", "/fapi/v1/aggTrades", Open, Fixed(20), FREE, public::agg_trades),
    ("GET", "/fapi/v1/klines", Open, Klines, FREE, public::klines),
    ("GET", "/fapi/v1/premiumIndex", Open, Symbol(1, 10), FREE, public::premium_index),
    ("GET", "/fapi/v1/ticker/bookTicker", Open, Symbol(2, 5), FREE, public::book_ticker),
    ("GET", "/fapi/v1/ticker/price", Open, Symbol(1, 2), FREE, public::ticker_price),
    ("GET", "/fapi/v2/ticker/price", Open, Symbol(1, 2), FREE, public::ticker_price),
    ("GET", "/fapi/v1/ticker/24hr", Open, Symbol(1, 40), FREE, public::ticker_day),
    ("GET", "/fapi/v1/fundingRate", Open, Fixed(0), FREE, public::funding_rate),
    ("GET", "/fapi/v1/fundingInfo", Open, Fixed(0), FREE, public::funding_info),
    ("GET", "/fapi/v1/openInterest", Open, Fixed(1), FREE, public::open_interest),
    ("POST", "/fapi/v1/order", Signed, Fixed(0), (1, 1), place::place),
    ("PUT", "/fapi/v1/order", Signed, Fixed(0), (1, 1), place::modify),
    ("GET", "/fapi/v1/order", Signed, Fixed(1), FREE, trade::order),
    ("DELETE", "/fapi/v1/order", Signed, Fixed(1), FREE, trade::cancel),
    ("POST", "/fapi/v1/order/test", Signed, Fixed(1), FREE, place::test),
    ("POST", "/fapi/v1/batchOrders", Signed, Fixed(5), (5, 1), place::place_batch),
    ("PUT", "/fapi/v1/batchOrders", Signed, Fixed(5), (5, 1), place::modify_batch),
    ("DELETE", "/fapi/v1/batchOrders", Signed, Fixed(1), FREE, trade::cancel_batch),
    ("GET", "/fapi/v1/openOrder", Signed, Fixed(1), FREE, trade::open_order),
    ("GET", "/fapi/v1/openOrders", Signed, Symbol(1, 40), FREE, trade::open_orders),
    ("GET", "/fapi/v1/allOrders", Signed, Fixed(5), FREE, trade::all_orders),
    ("DELETE", "/fapi/v1/allOpenOrders", Signed, Fixed(1), FREE, trade::cancel_all),
    ("POST", "/fapi/v1/countdownCancelAll", Signed, Fixed(10), FREE, trade::countdown),
    ("GET", "/fapi/v1/orderAmendment", Signed, Fixed(1), FREE, trade::amendments),
    ("GET", "/fapi/v1/userTrades", Signed, Fixed(5), FREE, trade::user_trades),
    ("GET", "/fapi/v1/forceOrders", Signed, Symbol(20, 50), FREE, trade::force_orders),
    ("GET", "/fapi/v2/positionRisk", Signed, Fixed(5), FREE, holdings::position_risk_v2),
    ("GET", "/fapi/v3/positionRisk", Signed, Fixed(5), FREE, holdings::position_risk_v3),
    ("GET", "/fapi/v2/account", Signed, Fixed(5), FREE, holdings::account_v2),
    ("GET", "/fapi/v3/account", Signed, Fixed(5), FREE, holdings::account_v3),
    ("GET", "/fapi/v2/balance", Signed, Fixed(5), FREE, holdings::balance),
    ("GET", "/fapi/v3/balance", Signed, Fixed(5), FREE, holdings::balance),
    ("GET", "/fapi/v1/adlQuantile", Signed, Fixed(5), FREE, holdings::adl_quantile),
    ("GET", "/fapi/v1/income", Signed, Fixed(30), FREE, holdings::income),
    ("GET", "/fapi/v1/accountConfig", Signed, Fixed(5), FREE, settings::account_config),
    ("GET", "/fapi/v1/symbolConfig", Signed, Fixed(5), FREE, settings::symbol_config),
    ("GET", "/fapi/v1/commissionRate", Signed, Fixed(20), FREE, settings::commission_rate),
    ("POST", "/fapi/v1/leverage", Signed, Fixed(1), FREE, settings::set_leverage),
    ("GET", "/fapi/v1/leverageBracket", Signed, Fixed(1), FREE, settings::leverage_bracket),
    ("POST", "/fapi/v1/marginType", Signed, Fixed(1), FREE, settings::set_margin_type),
    ("GET", "/fapi/v1/positionSide/dual", Signed, Fixed(30), FREE, settings::position_mode),
    ("POST", "/fapi/v1/positionSide/dual", Signed, Fixed(1), FREE, settings::set_position_mode),
    ("GET", "/fapi/v1/multiAssetsMargin", Signed, Fixed(30), FREE, settings::multi_assets),
    ("POST", "/fapi/v1/multiAssetsMargin", Signed, Fixed(1), FREE, settings::set_multi_assets),
    ("GET", "/fapi/v1/feeBurn", Signed, Fixed(30), FREE, settings::fee_burn),
    ("POST", "/fapi/v1/feeBurn", Signed, Fixed(1), FREE, settings::set_fee_burn),
    ("GET", "/fapi/v1/rateLimit/order", Signed, Fixed(1), FREE, settings::order_limits),
    ("GET", "/fapi/v1/apiTradingStatus", Signed, Symbol(1, 10), FREE, settings::trading_status),
    ("POST", "/fapi/v1/listenKey", Key, Fixed(1), FREE, settings::start_stream),
    ("PUT", "/fapi/v1/listenKey", Key, Fixed(1), FREE, settings::keep_stream),
    ("DELETE", "/fapi/v1/listenKey", Key, Fixed(1), FREE, settings::close_stream),
    ("GET", "/sapi/v1/account/apiRestrictions", Signed, Fixed(1), FREE, settings::key_rights),
];

#[rustfmt::skip]
const METHODS: &[Row] = &[
    ("", "order.place", Signed, Fixed(0), (1, 1), place::place),
    ("", "order.modify", Signed, Fixed(0), (1, 1), place::modify),
    ("", "order.cancel", Signed, Fixed(1), FREE, trade::cancel),
    ("", "order.status", Signed, Fixed(1), FREE, trade::order),
    ("", "account.status", Signed, Fixed(5), FREE, holdings::account_v2),
    ("", "v2/account.status", Signed, Fixed(5), FREE, holdings::account_v3),
    ("", "account.balance", Signed, Fixed(5), FREE, holdings::balance),
    ("", "v2/account.balance", Signed, Fixed(5), FREE, holdings::balance),
    ("", "account.position", Signed, Fixed(5), FREE, holdings::position_risk_v2),
    ("", "v2/account.position", Signed, Fixed(5), FREE, holdings::position_risk_v3),
    ("", "userDataStream.start", Key, Fixed(1), FREE, settings::start_stream),
    ("", "userDataStream.ping", Key, Fixed(1), FREE, settings::keep_stream),
    ("", "userDataStream.stop", Key, Fixed(1), FREE, settings::close_stream),
    ("", "depth", Open, Depth, FREE, public::depth),
    ("", "ticker.price", Open, Symbol(1, 2), FREE, public::ticker_price),
    ("", "ticker.book", Open, Symbol(2, 5), FREE, public::book_ticker),
    ("", "ping", Open, Fixed(1), FREE, public::ping),
    ("", "time", Open, Fixed(1), FREE, public::time),
];

fn route(row: &Row) -> Route {
    let (_, _, security, weight, orders, handler) = *row;
    Route { security, weight, orders, handler }
}

/// The REST call of a method and a path.
pub(super) fn find(method: &str, path: &str) -> Option<Route> {
    ROUTES.iter().find(|row| row.0 == method && row.1 == path).map(route)
}

/// Whether the path exists under another method.
pub(super) fn knows_path(path: &str) -> bool {
    ROUTES.iter().any(|row| row.1 == path)
}

/// The call of a WS API method.
pub(super) fn find_method(name: &str) -> Option<Route> {
    METHODS.iter().find(|row| row.1 == name).map(route)
}
