//! Messages as a venue may write them tomorrow: other spellings of numbers, fields that are gone,
//! fields and events that nobody has heard of. What they say stays the same.

use ::market::Nanos;
use serde_json::{Map, Value, json};

use super::faults::{Dice, Faults};

/// Names that are text whatever they look like.
const TEXTS: [&str; 8] =
    ["c", "C", "clientOrderId", "origClientOrderId", "id", "listenKey", "apiKey", "tradeId"];

/// Fields without which every message can still be understood.
const OPTIONAL: [&str; 33] = [
    "adl",
    "askNotional",
    "baseQty",
    "bep",
    "bidNotional",
    "breakEvenPrice",
    "closePosition",
    "cumQty",
    "er",
    "gtd",
    "goodTillDate",
    "isAutoAddMargin",
    "iw",
    "isolatedWallet",
    "marginAsset",
    "marginAvailable",
    "origType",
    "ot",
    "pP",
    "pair",
    "pm",
    "priceMatch",
    "priceProtect",
    "rpiCommissionRate",
    "selfTradePreventionMode",
    "si",
    "ss",
    "st",
    "stopPrice",
    "tradeGroupId",
    "V",
    "workingType",
    "wt",
];

impl Faults {
    pub(super) fn disguises(&self) -> bool {
        self.vary_numbers > 0 || self.drop_fields > 0 || self.unknown_fields > 0
    }
}

impl Dice {
    /// Rewrites a message as the faults want it.
    pub(super) fn disguise(&mut self, faults: &Faults, message: &mut Value) {
        if self.chance(faults.vary_numbers) {
            self.respell("", message);
        }
        if self.chance(faults.drop_fields) {
            drop_fields(message);
        }
        if self.chance(faults.unknown_fields) {
            add_fields(message);
        }
    }

    /// Writes every decimal number without trailing zeros, or with more of them.
    fn respell(&mut self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) if !TEXTS.contains(&name) && is_decimal(text) => {
                let bare = text.trim_end_matches('0').trim_end_matches('.');
                *text = if self.chance(500_000) { bare.to_owned() } else { format!("{text}00") };
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.respell(name, item)),
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(name, field)| self.respell(name, field));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Digits, a point, digits; a sign before them.
fn is_decimal(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    text.split_once('.').is_some_and(|(whole, rest)| digits(whole) && digits(rest))
}

fn drop_fields(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_fields),
        Value::Object(fields) => {
            fields.retain(|name, _| !OPTIONAL.contains(&name.as_str()));
            fields.values_mut().for_each(drop_fields);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Adds a field of every kind to each object.
fn add_fields(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(add_fields),
        Value::Object(fields) => {
            fields.values_mut().for_each(add_fields);
            let old = std::mem::take(fields);
            let new = [
                ("newNumber", json!(-1.5)),
                ("newText", json!("a \"quoted\" \\ text")),
                ("newList", json!([1, [2, {"x": null}]])),
            ];
            let new = new.map(|(name, value)| (name.to_owned(), value));
            *fields = Map::from_iter(new.into_iter().chain(old));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// An event that no documentation knows.
pub(super) fn unknown_event(now: Nanos) -> Value {
    json!({
        "e": "NEW_KIND_OF_EVENT", "E": now.as_millis(), "T": now.as_millis(),
        "d": {"x": "1.0", "o": [{"i": 1}]},
    })
}
