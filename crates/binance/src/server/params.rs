//! Request parameters: split, percent-decoded, typed, with the venue's own complaints.

use market::{Decimal, DecimalError};
use serde_json::Value;

use super::error::ApiError;

/// Parameters by name; of a name sent twice the first wins, which is the one in the query.
#[derive(Clone, Debug, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
}

impl Params {
    /// From the raw query and a form body.
    pub fn from_http(query: &str, body: &str) -> Self {
        let mut pairs = Vec::new();
        for part in query.split('&').chain(body.split('&')).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            pairs.push((decode(name), decode(value)));
        }
        Self { pairs }
    }

    /// From the `params` object of the WS API, or one element of a batch.
    pub fn from_json(object: &Value) -> Self {
        let mut pairs = Vec::new();
        if let Value::Object(map) = object {
            for (name, value) in map {
                let text = match value {
                    Value::Null => continue,
                    Value::String(text) => text.clone(),
                    Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                        value.to_string()
                    }
                };
                pairs.push((name.clone(), text));
            }
        }
        Self { pairs }
    }

    /// The value, unless it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Sets or replaces a value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.pairs.retain(|(own, _)| own != name);
        self.pairs.push((name.to_owned(), value.to_owned()));
    }

    /// `name=value` of everything but the signature, sorted by name: what the WS API signs.
    pub fn signed_text(&self) -> String {
        let mut pairs: Vec<_> = self.pairs.iter().filter(|(name, _)| name != "signature").collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let texts: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        texts.join("&")
    }

    /// A value that must be there.
    ///
    /// # Errors
    /// -1102.
    pub fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::missing(name))
    }

    /// A whole number, if sent.
    ///
    /// # Errors
    /// -1102 when it is none.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text: &str| text.parse().map_err(|_| ApiError::missing(name));
        self.get(name).map(parse).transpose()
    }

    /// A row count within bounds.
    ///
    /// # Errors
    /// -1102, or -1130 when not positive.
    pub fn limit(&self, default: usize, most: usize) -> Result<usize, ApiError> {
        match self.integer("limit")? {
            None => Ok(default),
            Some(count @ 1..) => Ok(usize::try_from(count).unwrap_or(most).min(most)),
            Some(_) => Err(ApiError::new(-1130, "Data sent for parameter 'limit' is not valid.")),
        }
    }

    /// A decimal number, if sent.
    ///
    /// # Errors
    /// -1100 when it is none, -1111 when it is too precise for any instrument.
    pub fn decimal(&self, name: &str) -> Result<Option<Decimal>, ApiError> {
        const RANGE: &str = "^([0-9]{1,20})(\\.[0-9]{1,20})?$";
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(DecimalError::TooPrecise) => Err(too_precise()),
            Err(DecimalError::TooLarge) if name == "quantity" => {
                Err(ApiError::new(-4005, "Quantity greater than max quantity."))
            }
            Err(DecimalError::TooLarge) => {
                Err(ApiError::new(-4002, "Price greater than max price."))
            }
            Err(DecimalError::Empty | DecimalError::Malformed) => {
                Err(ApiError::illegal(name, RANGE))
            }
        }
    }

    /// `true` or `false`, if sent.
    ///
    /// # Errors
    /// -1102.
    pub fn boolean(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some("true" | "TRUE" | "True") => Ok(Some(true)),
            Some("false" | "FALSE" | "False") => Ok(Some(false)),
            Some(_) => Err(ApiError::missing(name)),
        }
    }

    /// A JSON list, if sent.
    ///
    /// # Errors
    /// -1102 when it is none.
    pub fn list(&self, name: &str) -> Result<Option<Vec<Value>>, ApiError> {
        let parse = |text: &str| serde_json::from_str(text).map_err(|_| ApiError::missing(name));
        self.get(name).map(parse).transpose()
    }
}

/// More decimals than the instrument has.
pub(crate) fn too_precise() -> ApiError {
    ApiError::new(-1111, "Precision is over the maximum defined for this asset.")
}

/// Percent-decoding; what is no valid escape stays as it is.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        let escaped = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match (byte, escaped) {
            (b'%', Some(value)) => {
                out.push(value);
                at += 3;
                continue;
            }
            (b'+', _) => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}
