//! One order as far as the store knows it.

use market::venue::{NewOrder, OrderKind, Outcome, RequestKind};
use market::{Instrument, Nanos, Price};

use super::rows::Value;

/// Places of one turn.
const ITEMS: u64 = 1 << 20;

/// Where in a session something happened.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) at: Nanos,
    pub(super) turn: u64,
    pub(super) item: u32,
}

/// What we know of an order.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) order: NewOrder,
    pub(super) price: Option<Price>,
    pub(super) qty: market::Qty,
    /// Price and quantity before an amendment that has not been refused.
    pub(super) before: Option<(Option<Price>, market::Qty)>,
    pub(super) filled: market::Qty,
    pub(super) state: &'static str,
    pub(super) outcome: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) amends: u64,
    pub(super) ack_latency: Option<u64>,
    pub(super) placed: Nanos,
    pub(super) acked: Option<Nanos>,
    pub(super) ended: Option<Nanos>,
}

impl Order {
    pub(super) fn rejected(&mut self, request: RequestKind, reason: String) {
        self.reason = Some(reason);
        match request {
            RequestKind::Place => {}
            RequestKind::Amend => {
                if let Some((price, qty)) = self.before.take() {
                    (self.price, self.qty) = (price, qty);
                }
                self.state = "live";
            }
            RequestKind::Cancel => self.state = "live",
        }
    }

    pub(super) fn values(
        &self,
        session: &str,
        account: &str,
        instrument: &Instrument,
        place: Place,
    ) -> Vec<Value> {
        let new = &self.order;
        let kind = match new.kind {
            OrderKind::Limit { tif, .. } => snake(&tif),
            OrderKind::Market => String::from("market"),
        };
        vec![
            Value::from(account),
            Value::from(new.client_id.to_string()),
            Value::from(session),
            Value::from(instrument.symbol()),
            Value::from(new.side.to_string()),
            Value::from(kind),
            self.price.map(|price| instrument.price_decimal(price)).into(),
            Value::from(instrument.qty_decimal(self.qty)),
            Value::from(instrument.qty_decimal(self.filled)),
            Value::from(new.reduce_only),
            Value::from(self.state),
            self.outcome.into(),
            self.reason.clone().into(),
            Value::from(self.amends),
            self.ack_latency.into(),
            Value::from(self.placed),
            self.acked.into(),
            self.ended.into(),
            Value::from(place.at),
            Value::from(place.turn * ITEMS + u64::from(place.item)),
        ]
    }
}

pub(super) fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Filled => "filled",
        Outcome::Canceled => "canceled",
        Outcome::Expired => "expired",
        Outcome::Rejected => "rejected",
    }
}

/// The name of a variant as metrics and the API spell it: `WouldTake` is `would_take`.
pub(super) fn snake(variant: &dyn std::fmt::Debug) -> String {
    let mut name = String::new();
    for (index, letter) in format!("{variant:?}").chars().enumerate() {
        if letter.is_ascii_uppercase() && index > 0 {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}
