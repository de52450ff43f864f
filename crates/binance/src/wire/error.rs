//! What can be wrong with a frame.

use std::fmt;

use market::{DecimalError, InstrumentError};

/// A frame that cannot be read: what is wrong, and the text it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub fault: Fault,
    /// The offending text, at most [`DecodeError::TEXT_MAX`] bytes of it.
    pub text: String,
}

/// What is wrong with a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not JSON; the parser's own words.
    #[error("not valid JSON ({0})")]
    Json(String),
    /// JSON, but neither an object nor an array of objects.
    #[error("neither a JSON object nor an array of objects")]
    NotAnObject,
    /// A field that the event needs is absent or null.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
    /// A field has another type than it should.
    #[error("field `{field}` should be {wanted}")]
    Wrong {
        /// The wire's name of the field.
        field: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A price, quantity or rate that is no decimal.
    #[error("field `{field}`: {error}")]
    Decimal {
        /// The wire's name of the field.
        field: &'static str,
        /// Why.
        error: DecimalError,
    },
    /// A price or quantity off the instrument's grid: its rules are not what we think.
    #[error("field `{field}`: {error}")]
    OffGrid {
        /// The wire's name of the field.
        field: &'static str,
        /// Why.
        error: InstrumentError,
    },
    /// A price above 1e9 or a quantity above 1e10: beyond any contract, and beyond what sums of
    /// money are sure to hold.
    #[error("field `{0}` is larger than anything traded")]
    TooLarge(&'static str),
    /// A depth snapshot was expected and this is something else.
    #[error("not the body of a depth request")]
    NotASnapshot,
}

impl DecodeError {
    /// Longest text that is kept.
    pub const TEXT_MAX: usize = 160;

    pub(crate) fn new(fault: Fault, text: &[u8]) -> Self {
        Self { fault, text: excerpt(text, Self::TEXT_MAX) }
    }

    /// An error at a byte offset of a longer text: keeps what surrounds it.
    pub(crate) fn at(fault: Fault, text: &[u8], offset: usize) -> Self {
        let start = offset.saturating_sub(Self::TEXT_MAX / 2).min(text.len());
        Self::new(fault, &text[start..])
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in `{}`", self.fault, self.text)
    }
}

impl std::error::Error for DecodeError {}

/// At most `max` bytes of a text, made printable, with an ellipsis where it was cut.
pub(crate) fn excerpt(text: &[u8], max: usize) -> String {
    let cut = text.len() > max;
    let kept = if cut { &text[..max.saturating_sub(3)] } else { text };
    let mut shown = String::with_capacity(max);
    for c in String::from_utf8_lossy(kept).chars() {
        let c = if c.is_control() { '\u{fffd}' } else { c };
        if shown.len() + c.len_utf8() + 3 > max && (cut || shown.len() + c.len_utf8() > max) {
            break;
        }
        shown.push(c);
    }
    if cut {
        shown.push('…');
    }
    shown
}
