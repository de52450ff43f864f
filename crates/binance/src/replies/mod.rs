//! Bodies of replies to typed values. Decimals exact, ids of 64 bits, unknown fields ignored,
//! optional fields tolerated when absent, null or empty.

mod account;
mod exchange_info;
mod order;

use market::{Decimal, DecimalError, Nanos};
use serde_json::{Map, Value};

pub use account::*;
pub use exchange_info::*;
pub use order::*;

use crate::redact::redact_bytes;
use crate::wire::{DecodeError, Fault, excerpt};

/// What the venue says went wrong. Some 5xx bodies have no code, edge errors are HTML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VenueError {
    /// Negative code, if the body has one.
    pub code: Option<i64>,
    /// The message, or the beginning of a body that is not JSON.
    pub message: String,
}

impl VenueError {
    /// Reads the body of an HTTP reply. Never fails; anything is an error message.
    pub fn of_body(body: &[u8]) -> Self {
        let Ok(Value::Object(map)) = serde_json::from_slice::<Value>(body) else {
            return Self { code: None, message: redact_bytes(excerpt(body, 200).as_bytes()) };
        };
        Self::of(&Object { map: &map })
    }

    pub(crate) fn of(body: &Object<'_>) -> Self {
        let message = body.opt_text("msg").unwrap_or_default();
        let message = redact_bytes(excerpt(message.as_bytes(), 400).as_bytes());
        Self { code: body.opt_integer("code").ok().flatten(), message }
    }
}

/// Parses a body; the error quotes the text around the fault, secrets masked.
pub(crate) fn parse(body: &[u8]) -> Result<Value, DecodeError> {
    serde_json::from_slice(body).map_err(|error| {
        let offset = if error.line() == 1 { error.column() } else { 0 };
        let fault = Fault::Json(excerpt(error.to_string().as_bytes(), 120));
        DecodeError::at(fault, redact_bytes(body).as_bytes(), offset)
    })
}

/// A JSON object and how its fields are read.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    pub(crate) fn new(value: &'a Value) -> Result<Self, DecodeError> {
        match value {
            Value::Object(map) => Ok(Self { map }),
            other => Err(fault_in(Fault::NotAnObject, other)),
        }
    }

    /// The value, unless absent or null.
    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn object(&self, name: &'static str) -> Result<Self, DecodeError> {
        match self.value(name) {
            Some(Value::Object(map)) => Ok(Self { map }),
            _ => Err(self.wrong(name, "an object")),
        }
    }

    /// A list; empty when absent.
    pub(crate) fn list(&self, name: &'static str) -> Result<&'a [Value], DecodeError> {
        match self.value(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.wrong(name, "a list")),
        }
    }

    /// A text; `None` when absent, null, empty or of another type.
    pub(crate) fn opt_text(&self, name: &str) -> Option<&'a str> {
        self.value(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<&'a str, DecodeError> {
        self.value(name).and_then(Value::as_str).ok_or_else(|| self.wrong(name, "a text"))
    }

    /// An exact decimal, from a text or an integer.
    pub(crate) fn decimal(&self, name: &'static str) -> Result<Decimal, DecodeError> {
        self.opt_decimal(name)?.ok_or_else(|| self.wrong(name, "a decimal in quotes"))
    }

    /// An exact decimal; `None` when absent, null or empty.
    pub(crate) fn opt_decimal(&self, name: &'static str) -> Result<Option<Decimal>, DecodeError> {
        self.number(name, |text| Decimal::parse(text.as_bytes()))
    }

    /// A decimal that may have more than eight decimals (averages, liquidation prices), rounded.
    pub(crate) fn rounded(&self, name: &'static str) -> Result<Option<Decimal>, DecodeError> {
        self.number(name, parse_rounded)
    }

    fn number(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Result<Decimal, DecimalError>,
    ) -> Result<Option<Decimal>, DecodeError> {
        let text = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
            Some(_) => return Err(self.wrong(name, "a decimal in quotes")),
        };
        read(&text).map(Some).map_err(|error| {
            DecodeError::new(Fault::Decimal { field: name, error }, text.as_bytes())
        })
    }

    /// An integer of 64 bits, also when written as a text (`"leverage":"10"`).
    pub(crate) fn integer(&self, name: &'static str) -> Result<i64, DecodeError> {
        self.opt_integer(name)?.ok_or_else(|| self.wrong(name, "an integer of 64 bits"))
    }

    pub(crate) fn opt_integer(&self, name: &'static str) -> Result<Option<i64>, DecodeError> {
        let found = match self.value(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.is_empty() => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_i64(),
        };
        found.map(Some).ok_or_else(|| self.wrong(name, "an integer of 64 bits"))
    }

    /// A boolean, also when written as a text (`"isAutoAddMargin":"false"`).
    pub(crate) fn opt_bool(&self, name: &'static str) -> Result<Option<bool>, DecodeError> {
        match self.value(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    pub(crate) fn bool(&self, name: &'static str) -> Result<bool, DecodeError> {
        self.opt_bool(name)?.ok_or_else(|| self.wrong(name, "true or false"))
    }

    /// A time in milliseconds; the epoch when absent.
    pub(crate) fn millis(&self, name: &'static str) -> Result<Nanos, DecodeError> {
        let millis = self.opt_integer(name)?.unwrap_or(0);
        Ok(Nanos::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    /// The error for a field that is absent or not what it should be.
    pub(crate) fn wrong(&self, field: &'static str, wanted: &'static str) -> DecodeError {
        let fault = match self.value(field) {
            None => Fault::Missing(field),
            Some(_) => Fault::Wrong { field, wanted },
        };
        self.fault(fault)
    }

    /// An error about this object, quoting it.
    pub(crate) fn fault(&self, fault: Fault) -> DecodeError {
        fault_in(fault, &Value::Object(self.map.clone()))
    }
}

/// An error quoting a value, secrets masked.
fn fault_in(fault: Fault, value: &Value) -> DecodeError {
    DecodeError::new(fault, redact_bytes(value.to_string().as_bytes()).as_bytes())
}

/// Every item of a JSON array that is an object, read one by one.
pub(crate) fn rows<T>(
    body: &Value,
    read: impl Fn(Object<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    match body {
        Value::Array(items) => items.iter().map(|item| read(Object::new(item)?)).collect(),
        // Some calls answer with the bare row when there is one.
        single => Ok(vec![read(Object::new(single)?)?]),
    }
}

/// A decimal rounded half away from zero to eight decimals; zero in scientific notation too.
pub(crate) fn parse_rounded(text: &str) -> Result<Decimal, DecimalError> {
    let (mantissa, exponent) =
        text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    if exponent.is_some() {
        let value = parse_rounded(mantissa)?;
        return if value == Decimal::ZERO { Ok(value) } else { Err(DecimalError::Malformed) };
    }
    let Some(dot) = text.find('.').filter(|dot| text.len() > dot + 9 && text.is_ascii()) else {
        return Decimal::parse(text.as_bytes());
    };
    let (kept, rest) = text.split_at(dot + 9);
    if !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    let value = Decimal::parse(kept.as_bytes())?;
    let up = i64::from(rest.as_bytes()[0] >= b'5');
    let step = if text.starts_with('-') { -up } else { up };
    value.checked_add(Decimal::from_units(step)).ok_or(DecimalError::TooLarge)
}

/// What a rate limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LimitKind {
    /// Weight of requests, per IP.
    Weight,
    /// New orders and amendments, per account.
    Orders,
    /// Anything we do not know.
    Other,
}

/// A limit as `exchangeInfo` states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What it counts.
    pub kind: LimitKind,
    /// Over which span; windows begin at its multiples of UTC time.
    pub interval: std::time::Duration,
    /// How much.
    pub limit: u32,
}

/// A limit with its count, as the WS API states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitCount {
    /// The limit.
    pub limit: RateLimit,
    /// Used in the present window.
    pub count: u32,
}

impl RateLimit {
    pub(crate) fn read(row: &Object<'_>) -> Result<Self, DecodeError> {
        let kind = match row.text("rateLimitType")? {
            "REQUEST_WEIGHT" => LimitKind::Weight,
            "ORDERS" => LimitKind::Orders,
            _ => LimitKind::Other,
        };
        let unit = match row.text("interval")? {
            "SECOND" => 1,
            "MINUTE" => 60,
            "HOUR" => 3_600,
            "DAY" => 86_400,
            _ => return Err(row.wrong("interval", "SECOND, MINUTE, HOUR or DAY")),
        };
        let number = u64::try_from(row.opt_integer("intervalNum")?.unwrap_or(1)).unwrap_or(0);
        if !(1..=10_000).contains(&number) {
            return Err(row.wrong("intervalNum", "a positive number"));
        }
        let limit = u32::try_from(row.integer("limit")?)
            .map_err(|_| row.wrong("limit", "a non-negative number"))?;
        Ok(Self { kind, interval: std::time::Duration::from_secs(unit * number), limit })
    }
}

/// The counters of a WS-API reply; rows that mean nothing to us are left out.
pub(crate) fn limit_counts(rows: Option<&Value>) -> Vec<LimitCount> {
    let read = |row: &Value| {
        let row = Object::new(row).ok()?;
        let limit = RateLimit::read(&row).ok()?;
        let count = u32::try_from(row.opt_integer("count").ok()??).ok()?;
        Some(LimitCount { limit, count })
    };
    rows.and_then(Value::as_array).into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_round_and_prices_do_not() {
        for (text, units) in [
            ("2610.512345678901", 261_051_234_568),
            ("-0.000000005", -1),
            ("0.0000000049", 0),
            ("0E-10", 0),
            ("7", 700_000_000),
            ("1.50000000000", 150_000_000),
        ] {
            assert_eq!(parse_rounded(text).unwrap().units(), units, "{text}");
        }
        for text in ["", "1.000000000x", "1E5", "1.0.0000000000", "٣.000000000000"] {
            assert!(parse_rounded(text).is_err(), "{text}");
        }
    }

    #[test]
    fn any_body_is_an_error_message() {
        let error = VenueError::of_body(br#"{"code":-2011,"msg":"Unknown order sent."}"#);
        assert_eq!((error.code, error.message.as_str()), (Some(-2011), "Unknown order sent."));
        assert_eq!(VenueError::of_body(b"<html>403</html>").code, None);
        assert_eq!(VenueError::of_body(b"").message, "");
        assert_eq!(VenueError::of_body(br#"{"code":"200","msg":null}"#).code, Some(200));
    }
}
