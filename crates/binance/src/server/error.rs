//! What the venue says when it says no: HTTP status, code, message.

use std::fmt;

use market::venue::RejectReason;
use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status; the WS API repeats it in `status`.
    pub status: u16,
    /// The venue's code.
    pub code: i32,
    /// For people.
    pub msg: String,
}

impl ApiError {
    /// A refusal with status 400.
    pub fn new(code: i32, msg: impl Into<String>) -> Self {
        Self { status: 400, code, msg: msg.into() }
    }

    /// The same with another status.
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// A parameter that must be there is not, or makes no sense.
    pub(crate) fn missing(name: &str) -> Self {
        let text =
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed.");
        Self::new(-1102, text)
    }

    /// A parameter with characters it may not have.
    pub(crate) fn illegal(name: &str, range: &str) -> Self {
        let text =
            format!("Illegal characters found in parameter '{name}'; legal range is '{range}'.");
        Self::new(-1100, text)
    }

    pub(crate) fn bad_symbol() -> Self {
        Self::new(-1121, "Invalid symbol.")
    }

    pub(crate) fn no_such_order() -> Self {
        Self::new(-2013, "Order does not exist.")
    }

    pub(crate) fn unknown_order() -> Self {
        Self::new(-2011, "Unknown order sent.")
    }

    /// What a refusal of the matching machine reads like on the wire.
    pub(crate) fn from_machine(reason: RejectReason) -> Self {
        match reason {
            RejectReason::WouldTake => Self::new(
                -5022,
                "Due to the order could not be executed as maker, the Post Only order will be \
                 rejected. The order will not be recorded in the order history",
            ),
            RejectReason::WouldNotFill => Self::new(
                -5021,
                "Due to the order could not be filled immediately, the FOK order has been rejected.",
            ),
            RejectReason::ReduceOnly => Self::new(-2022, "ReduceOnly Order is rejected."),
            RejectReason::Margin => Self::new(-2019, "Margin is insufficient."),
            RejectReason::Filter => Self::new(-1013, "Filter failure."),
            RejectReason::PriceBand => Self::new(
                -4131,
                "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
            ),
            RejectReason::TooManyOrders => Self::new(-2025, "Reach max open order limit."),
            RejectReason::RateLimit => Self::too_many_orders_per("1 MINUTE", 0),
            RejectReason::DuplicateId => Self::new(-4116, "ClientOrderId is duplicated."),
            RejectReason::UnknownOrder => Self::unknown_order(),
            RejectReason::NoChange => Self::new(-5027, "No need to modify the order."),
            RejectReason::Unavailable => {
                Self { status: 503, code: -1001, msg: "Service Unavailable.".to_owned() }
            }
            RejectReason::Other => Self::new(-2010, "NEW_ORDER_REJECTED"),
        }
    }

    /// The account's order counter is full.
    pub(crate) fn too_many_orders_per(window: &str, limit: u32) -> Self {
        let text = format!("Too many new orders; current limit is {limit} orders per {window}.");
        Self::new(-1015, text).with_status(429)
    }

    /// As the body of a reply.
    pub fn body(&self) -> Value {
        json!({"code": self.code, "msg": self.msg})
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.msg)
    }
}
