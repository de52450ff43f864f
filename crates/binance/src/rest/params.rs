//! Named parameters in the order given, as text, in one allocation each for names and values.

use std::fmt::{self, Write as _};

use market::Decimal;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What need not be percent-encoded (RFC 3986, unreserved).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Parameters of a request, before encoding.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params {
    text: String,
    items: Vec<Item>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Item {
    name: &'static str,
    end: usize,
    kind: ParamKind,
}

/// How a value is written in a WS-API frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A JSON string; decimals too.
    Text,
    /// A JSON integer.
    Integer,
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// The wire's name.
    pub name: &'static str,
    /// The plain value.
    pub value: &'a str,
    /// How JSON writes it.
    pub kind: ParamKind,
}

impl Params {
    /// None yet, with room for an order.
    pub fn new() -> Self {
        Self { text: String::with_capacity(192), items: Vec::with_capacity(14) }
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, name: &'static str, value: &str) -> Self {
        self.text.push_str(value);
        self.close(name, ParamKind::Text)
    }

    /// Adds anything that prints itself as a text.
    #[must_use]
    pub fn display(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{value}");
        self.close(name, ParamKind::Text)
    }

    /// Adds an integer.
    #[must_use]
    pub fn integer(mut self, name: &'static str, value: i64) -> Self {
        if value < 0 {
            self.text.push('-');
        }
        push_digits(&mut self.text, value.unsigned_abs(), 0);
        self.close(name, ParamKind::Integer)
    }

    /// Adds a decimal with exactly `decimals` decimals; the value must lie on that grid.
    #[must_use]
    pub fn decimal(mut self, name: &'static str, value: Decimal, decimals: u8) -> Self {
        push_decimal(&mut self.text, value, decimals);
        self.close(name, ParamKind::Text)
    }

    fn close(mut self, name: &'static str, kind: ParamKind) -> Self {
        self.items.push(Item { name, end: self.text.len(), kind });
        self
    }

    /// In the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = Param<'_>> {
        (0..self.items.len()).map(|index| self.at(index))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|param| param.name == name).map(|param| param.value)
    }

    fn at(&self, index: usize) -> Param<'_> {
        let start = index.checked_sub(1).map_or(0, |before| self.items[before].end);
        let Item { name, end, kind } = self.items[index];
        Param { name, value: &self.text[start..end], kind }
    }

    /// Appends them percent-encoded as `a=1&b=2`, to sign and to send.
    pub fn encode_into(&self, out: &mut String) {
        for param in self.iter() {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(param.name);
            out.push('=');
            encode_into(param.value, out);
        }
    }

    /// Sorted by name, as the WS API wants them signed.
    pub fn sorted(&self) -> Vec<Param<'_>> {
        let mut sorted: Vec<_> = self.iter().collect();
        sorted.sort_unstable_by_key(|param| param.name);
        sorted
    }
}

impl fmt::Debug for Params {
    /// As a query, secrets masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.encode_into(&mut text);
        f.write_str(&crate::redact::redact(&text))
    }
}

/// Appends a text percent-encoded.
pub(crate) fn encode_into(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)) {
        out.push_str(text);
        return;
    }
    out.extend(utf8_percent_encode(text, ENCODED));
}

/// Appends a decimal with a fixed number of decimals (0 to 8), digits beyond cut.
pub(crate) fn push_decimal(out: &mut String, value: Decimal, decimals: u8) {
    let decimals = u32::from(decimals.min(8));
    let (units, unit) = (value.units().unsigned_abs(), 10_u64.pow(8 - decimals));
    let (count, whole) = (units / unit, 10_u64.pow(decimals));
    if value.units() < 0 && count > 0 {
        out.push('-');
    }
    push_digits(out, count / whole, 0);
    if decimals > 0 {
        out.push('.');
        push_digits(out, count % whole, decimals as usize);
    }
}

/// Appends digits, zeros in front up to `width`.
pub(crate) fn push_digits(out: &mut String, value: u64, width: usize) {
    let Digits { bytes, from } = Digits::padded(value, width);
    out.extend(bytes[from..].iter().map(|&digit| char::from(digit)));
}

/// A number written out, on the stack.
pub(crate) struct Digits {
    bytes: [u8; 20],
    from: usize,
}

impl Digits {
    /// Without zeros in front.
    pub(crate) fn new(value: u64) -> Self {
        Self::padded(value, 0)
    }

    fn padded(mut value: u64, width: usize) -> Self {
        let mut bytes = [b'0'; 20];
        let mut from = bytes.len();
        while value > 0 || from == bytes.len() {
            from -= 1;
            bytes[from] = b'0' + (value % 10) as u8;
            value /= 10;
        }
        from = from.min(bytes.len() - width.min(bytes.len()));
        Self { bytes, from }
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        // Digits are ASCII.
        std::str::from_utf8(&self.bytes[self.from..]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_print_as_the_venue_prints_them() {
        for (value, decimals, text) in [
            ("2610.5", 2, "2610.50"),
            ("0.01", 3, "0.010"),
            ("20", 0, "20"),
            ("0.00000001", 8, "0.00000001"),
            ("-3.25", 2, "-3.25"),
            ("0", 3, "0.000"),
            ("92233720368.54775807", 8, "92233720368.54775807"),
        ] {
            let mut out = String::new();
            push_decimal(&mut out, value.parse().unwrap(), decimals);
            assert_eq!(out, text);
        }
    }

    #[test]
    fn text_is_encoded_as_utf8() {
        let params =
            Params::new().text("symbol", "币安人生USDT").integer("n", -7).text("a", "x y&z");
        let mut out = String::new();
        params.encode_into(&mut out);
        assert_eq!(out, "symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT&n=-7&a=x%20y%26z");
        assert_eq!(params.get("n"), Some("-7"));
        assert_eq!(params.sorted()[0].name, "a");
    }
}
