//! The rows: one for every code that a maker can meet.

use std::time::Duration;

use market::venue::RejectReason as R;

use super::{Executed, Reaction, Verdict};

/// What a code asks for; the times come from the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// [`Reaction::Proceed`].
    Proceed,
    /// [`Reaction::GiveUp`].
    GiveUp,
    /// [`Reaction::Retry`].
    Retry(Duration),
    /// [`Reaction::Query`].
    Query,
    /// [`Reaction::ResyncClock`].
    ResyncClock,
    /// [`Reaction::Resync`].
    Resync,
    /// [`Reaction::RefreshRules`].
    RefreshRules,
    /// [`Reaction::NewListenKey`].
    NewListenKey,
    /// [`Reaction::SlowDown`].
    SlowDown,
    /// [`Reaction::PauseOrders`].
    PauseOrders,
    /// [`Reaction::EaseOff`].
    EaseOff,
    /// [`Reaction::OnlyReduce`].
    OnlyReduce,
    /// [`Reaction::StopSymbol`].
    StopSymbol,
    /// [`Reaction::Halt`].
    Halt,
}

/// A row: codes that mean the same.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The codes.
    pub codes: &'static [i64],
    /// Whether the request took effect.
    pub outcome: Executed,
    /// Why not.
    pub reject: Option<R>,
    /// What to do.
    pub act: Act,
    /// A person should know.
    pub alarm: bool,
    /// What it is.
    pub why: &'static str,
}

/// The row of a code.
pub fn row(code: i64) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.codes.contains(&code))
}

pub(super) const fn verdict(
    outcome: Executed,
    reject: Option<R>,
    reaction: Reaction,
    why: &'static str,
) -> Verdict {
    Verdict { outcome, reject, reaction, alarm: false, why }
}

/// Nobody knows what became of it.
const fn doubt(codes: &'static [i64], why: &'static str) -> Row {
    Row { codes, outcome: Executed::Unknown, reject: None, act: Act::Query, alarm: false, why }
}

/// Refused in the normal course of trading.
const fn no(codes: &'static [i64], reject: R, act: Act, why: &'static str) -> Row {
    Row { codes, outcome: Executed::No, reject: Some(reject), act, alarm: false, why }
}

/// Refused, and somebody should know.
const fn alarm(codes: &'static [i64], reject: R, act: Act, why: &'static str) -> Row {
    Row { codes, outcome: Executed::No, reject: Some(reject), act, alarm: true, why }
}

/// Was so already.
const fn already(codes: &'static [i64], why: &'static str) -> Row {
    let (outcome, act) = (Executed::Yes, Act::Proceed);
    Row { codes, outcome, reject: None, act, alarm: false, why }
}

const SOON: Act = Act::Retry(Duration::from_millis(500));

pub(super) const ROWS: &[Row] = &[
    // The venue's own trouble.
    doubt(&[-1000], "unknown error"),
    doubt(&[-1001], "internal error; said to have failed, verified before it is believed"),
    doubt(&[-1006], "unexpected reply of the backend"),
    doubt(&[-1007], "time-out of the backend"),
    no(&[-1008], R::Unavailable, Act::EaseOff, "overloaded, not executed"),
    no(&[-4531], R::Unavailable, SOON, "accounts are being synchronised"),
    // Limits.
    no(&[-1003], R::RateLimit, Act::SlowDown, "weight limit or IP ban"),
    no(&[-1015], R::RateLimit, Act::PauseOrders, "order limit"),
    // Time.
    no(&[-1021], R::Unavailable, Act::ResyncClock, "timestamp outside the window"),
    no(&[-5028], R::Unavailable, Act::ResyncClock, "too late at the matching engine"),
    // Keys.
    alarm(&[-1022], R::Other, Act::Halt, "signature wrong: secret and key do not belong together"),
    alarm(
        &[-1002, -2014, -2015, -2017],
        R::Other,
        Act::Halt,
        "key unknown, locked, or not allowed from this address or for this call",
    ),
    no(&[-1125], R::Other, Act::NewListenKey, "listen key gone"),
    // Our own bugs.
    alarm(
        &[-1013, -1100, -1101, -1102, -1103, -1104, -1105, -1106, -1115, -1116, -1117, -1130],
        R::Other,
        Act::GiveUp,
        "malformed request: a bug of ours",
    ),
    alarm(&[-1111], R::Filter, Act::RefreshRules, "too many decimals for this contract"),
    alarm(&[-4015], R::Other, Act::GiveUp, "client order id not allowed: a bug of ours"),
    alarm(&[-4044], R::Other, Act::GiveUp, "balance type wrong: a bug of ours"),
    alarm(&[-4120], R::Other, Act::GiveUp, "conditional orders live at another endpoint"),
    alarm(&[-2021], R::Other, Act::GiveUp, "would trigger at once"),
    alarm(
        &[-5037, -5038, -5039, -5040, -5041, -5047],
        R::Other,
        Act::GiveUp,
        "price match, self-trade, good-till or modify flag not allowed here",
    ),
    // Contract not tradable.
    alarm(
        &[-1121, -1122, -4140, -4141, -5024],
        R::Unavailable,
        Act::StopSymbol,
        "contract unknown or not trading",
    ),
    // Orders.
    no(&[-2010], R::Other, Act::GiveUp, "new order refused"),
    no(&[-2011], R::UnknownOrder, Act::Query, "no such open order: filled, gone or not yet there"),
    no(&[-2012], R::Other, Act::Query, "batch cancel failed: cancel one by one"),
    no(&[-2013], R::UnknownOrder, Act::Query, "no such order, or the query path lags"),
    no(&[-2018, -2019, -4050], R::Margin, Act::Resync, "not enough margin"),
    no(&[-2020], R::WouldNotFill, Act::GiveUp, "cannot be filled"),
    no(&[-2022, -4118], R::ReduceOnly, Act::Resync, "reduce-only, and nothing left to reduce"),
    alarm(&[-2023], R::Other, Act::Halt, "account is being liquidated"),
    alarm(&[-2025, -4045], R::TooManyOrders, Act::Resync, "too many open orders"),
    alarm(&[-2027, -2028], R::Margin, Act::GiveUp, "position or leverage cap"),
    no(&[-4116], R::DuplicateId, Act::Query, "client order id in use"),
    // Filters: our copy of the rules is old, or our idea of the price is.
    alarm(
        &[-4002, -4003, -4004, -4005, -4013, -4014, -4023, -4164],
        R::Filter,
        Act::RefreshRules,
        "price, quantity or notional off the contract's rules",
    ),
    no(&[-4016, -4024, -4131], R::PriceBand, Act::RefreshRules, "price too far from mark"),
    // Flow control.
    no(&[-5021], R::WouldNotFill, Act::GiveUp, "fill-or-kill not filled"),
    no(&[-5022], R::WouldTake, Act::GiveUp, "post-only would have traded"),
    // Amendments: the order is as it was.
    alarm(&[-5025], R::Other, Act::GiveUp, "only limit orders can be amended: a bug of ours"),
    no(&[-5026], R::Other, Act::GiveUp, "amended too often: cancel and place anew"),
    no(&[-5027], R::NoChange, Act::GiveUp, "amendment changes nothing"),
    no(&[-5029], R::Filter, Act::GiveUp, "what would remain is too small"),
    no(&[-5043], R::Other, Act::GiveUp, "another amendment of this order is under way"),
    // Settings.
    already(&[-4046, -4059, -4171], "already set so"),
    alarm(
        &[-4047, -4048, -4067, -4068, -4168],
        R::Other,
        Act::GiveUp,
        "open orders, positions or the margin mode forbid the change: flatten first",
    ),
    alarm(&[-4061, -4062], R::Other, Act::Halt, "position mode is not one-way"),
    // Restrictions.
    alarm(
        &[-4087, -4088, -4105, -4106, -4107, -4189, -4192, -4400, -4401],
        R::Other,
        Act::OnlyReduce,
        "account or contract restricted to shrinking positions; see apiTradingStatus",
    ),
    alarm(&[-4109], R::Other, Act::Halt, "account inactive: transfer something in"),
    // Requests about data.
    alarm(&[-4021, -4166], R::Other, Act::GiveUp, "parameter outside what the call allows"),
];
