//! Exact decimals at the doors of the system: wire messages and configuration.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A decimal number held as an integer count of 1e-8, the finest unit Binance uses.
///
/// Range ±92,233,720,368.54775807. Parsed from text straight to an integer; no float is involved.
/// A number with more than eight significant decimals is refused, not rounded.
///
/// ```
/// use market::Decimal;
/// let price: Decimal = "2610.50".parse().unwrap();
/// assert_eq!(price.units(), 261_050_000_000);
/// assert_eq!(price.to_string(), "2610.5");
/// assert!("0.123456789".parse::<Decimal>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Decimal(i64);

/// Why a text is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Nothing to parse.
    #[error("empty text is not a number")]
    Empty,
    /// A character that is neither a digit, a leading sign nor the one decimal point.
    #[error("not a plain decimal number (digits, one point, optional leading minus)")]
    Malformed,
    /// Digits beyond the eighth decimal that are not zero.
    #[error("more than 8 decimals")]
    TooPrecise,
    /// Outside ±92,233,720,368.
    #[error("number too large (at most 92,233,720,368)")]
    TooLarge,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(Self::SCALE);
    /// Units in one.
    pub const SCALE: i64 = 100_000_000;
    const DECIMALS: usize = 8;

    /// From a count of 1e-8.
    pub const fn from_units(units: i64) -> Self {
        Self(units)
    }

    /// The count of 1e-8.
    pub const fn units(self) -> i64 {
        self.0
    }

    /// Parses ASCII bytes as they come off the wire.
    pub fn parse(text: &[u8]) -> Result<Self, DecimalError> {
        let (negative, digits) = match text {
            [] => return Err(DecimalError::Empty),
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let mut units: i64 = 0;
        let mut decimals: Option<usize> = None;
        let mut seen = false;
        for &byte in digits {
            match byte {
                b'.' if decimals.is_none() => decimals = Some(0),
                b'0'..=b'9' => {
                    seen = true;
                    let digit = i64::from(byte - b'0');
                    match &mut decimals {
                        Some(n) if *n == Self::DECIMALS => {
                            if digit != 0 {
                                return Err(DecimalError::TooPrecise);
                            }
                            continue;
                        }
                        Some(n) => *n += 1,
                        None => {}
                    }
                    units = units
                        .checked_mul(10)
                        .and_then(|u| u.checked_add(digit))
                        .ok_or(DecimalError::TooLarge)?;
                }
                _ => return Err(DecimalError::Malformed),
            }
        }
        if !seen {
            return Err(DecimalError::Malformed);
        }
        let missing = Self::DECIMALS - decimals.unwrap_or(0);
        let units = units.checked_mul(10_i64.pow(missing as u32)).ok_or(DecimalError::TooLarge)?;
        Ok(Self(if negative { -units } else { units }))
    }

    /// The nearest float, for strategies, charts and metrics. Never parsed back into money.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e8
    }

    /// Decimals needed to print it exactly, 0 to 8.
    pub fn decimals(self) -> u8 {
        let mut rest = self.0;
        let mut decimals = Self::DECIMALS as u8;
        while decimals > 0 && rest % 10 == 0 {
            rest /= 10;
            decimals -= 1;
        }
        decimals
    }

    /// Checked sum.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Text with exactly `decimals` decimals, as venues print them (`2610.50`).
    ///
    /// Digits beyond are cut towards zero; callers print values that lie on the grid.
    pub fn padded(self, decimals: u8) -> impl fmt::Display {
        Padded { value: i128::from(self.0), scale: 8, decimals, trim: false }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Padded { value: i128::from(self.0), scale: 8, decimals: 8, trim: true };
        f.pad(&text.to_string())
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An integer count of `10^-scale`, printed with `decimals` decimals, trailing zeros optional.
pub(crate) struct Padded {
    pub(crate) value: i128,
    pub(crate) scale: u8,
    pub(crate) decimals: u8,
    pub(crate) trim: bool,
}

impl fmt::Display for Padded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = self.decimals.min(self.scale);
        let magnitude = self.value.unsigned_abs() / 10_u128.pow(u32::from(self.scale - decimals));
        let unit = 10_u128.pow(u32::from(decimals));
        let (whole, mut fraction) = (magnitude / unit, magnitude % unit);
        let mut width = usize::from(decimals);
        if self.trim {
            while width > 0 && fraction % 10 == 0 {
                fraction /= 10;
                width -= 1;
            }
        }
        if self.value < 0 && magnitude != 0 {
            f.write_str("-")?;
        }
        write!(f, "{whole}")?;
        if width > 0 {
            write!(f, ".{fraction:0width$}")?;
        }
        Ok(())
    }
}
