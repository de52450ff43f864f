//! Prices, quantities and money as integers. Only arithmetic that makes sense compiles.
//!
//! A [`Price`] is a level and a [`Ticks`] a distance: `Price - Price = Ticks`, and `Price + Price`
//! does not exist. [`Qty`] is never negative; [`Position`] is the only type that knows long from
//! short. Overflow is a bug of ours, never silent: the operators panic, the `checked_` forms return
//! `None`, and wire values are bounded by [`Instrument`](crate::Instrument) before they get here.
//!
//! ```compile_fail
//! use market::Price;
//! let nonsense = Price::new(1) + Price::new(2);
//! ```
//! ```compile_fail
//! use market::{Qty, Usd};
//! let nonsense = Usd::ZERO + Qty::new(2);
//! ```

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Mul, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

use crate::decimal::{Decimal, Padded};

/// Which side of the book an order is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Bids.
    Buy,
    /// Asks.
    Sell,
}

impl Side {
    /// Both, bids first.
    pub const BOTH: [Self; 2] = [Self::Buy, Self::Sell];

    /// The other one.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for buy, -1 for sell.
    pub const fn sign(self) -> i64 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }

    /// 0 for buy, 1 for sell.
    pub const fn index(self) -> usize {
        match self {
            Self::Buy => 0,
            Self::Sell => 1,
        }
    }

    /// Whether `a` is strictly more aggressive than `b` on this side (a higher bid, a lower ask).
    pub fn is_better(self, a: Price, b: Price) -> bool {
        match self {
            Self::Buy => a > b,
            Self::Sell => a < b,
        }
    }

    /// `price` moved `distance` away from the other side (bids down, asks up).
    pub fn away(self, price: Price, distance: Ticks) -> Price {
        match self {
            Self::Buy => price - distance,
            Self::Sell => price + distance,
        }
    }

    /// Whether an order of this side at `price` would trade with an opposite order at `other`.
    pub fn crosses(self, price: Price, other: Price) -> bool {
        match self {
            Self::Buy => price >= other,
            Self::Sell => price <= other,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Buy => "buy",
            Self::Sell => "sell",
        })
    }
}

macro_rules! integer {
    ($(#[$doc:meta])* $name:ident($repr:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        pub struct $name($repr);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);

            /// From the raw count.
            pub const fn new(raw: $repr) -> Self {
                Self(raw)
            }

            /// The raw count.
            pub const fn raw(self) -> $repr {
                self.0
            }

            /// Whether the count is zero.
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

macro_rules! additive {
    ($name:ident) => {
        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                match self.checked_add(other) {
                    Some(sum) => sum,
                    None => {
                        panic!(concat!(stringify!($name), " overflow in {:?} + {:?}"), self, other)
                    }
                }
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                match self.checked_sub(other) {
                    Some(difference) => difference,
                    None => {
                        panic!(concat!(stringify!($name), " overflow in {:?} - {:?}"), self, other)
                    }
                }
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
                items.fold(Self::ZERO, |total, item| total + item)
            }
        }
        impl $name {
            /// Sum, or `None` on overflow.
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }
            /// Difference, or `None` on overflow.
            pub const fn checked_sub(self, other: Self) -> Option<Self> {
                match self.0.checked_sub(other.0) {
                    Some(difference) => Some(Self(difference)),
                    None => None,
                }
            }
        }
    };
}

macro_rules! signed {
    ($name:ident) => {
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self::ZERO - self
            }
        }
    };
}

integer! {
    /// A price level, counted in ticks of its instrument.
    Price(i64)
}
integer! {
    /// A distance between prices, in ticks.
    Ticks(i64)
}
integer! {
    /// A quantity in lots (steps of its instrument). Never negative.
    Qty(u64)
}
integer! {
    /// A signed holding in lots: long above zero, short below.
    Position(i64)
}
integer! {
    /// A price off the tick grid (mark, index, mid), in 1e-8 of the quote currency.
    FinePrice(i64)
}
integer! {
    /// A fraction in units of 1e-8: fee and funding rates.
    Rate(i64)
}
integer! {
    /// Money in the quote currency, in units of 1e-18.
    ///
    /// Fine enough that price times quantity times any venue rate is exact, wide enough (1.7e20)
    /// that no account reaches the end. Balances on Binance have eight decimals; what is finer
    /// occurs only in unrealized PnL.
    Usd(i128)
}

additive!(Ticks);
signed!(Ticks);
additive!(Qty);
additive!(Position);
signed!(Position);
additive!(FinePrice);
additive!(Usd);
signed!(Usd);

impl Sub for Price {
    type Output = Ticks;

    fn sub(self, other: Self) -> Ticks {
        Ticks::new(self.0) - Ticks::new(other.0)
    }
}

impl Add<Ticks> for Price {
    type Output = Self;

    fn add(self, distance: Ticks) -> Self {
        Self((Ticks::new(self.0) + distance).raw())
    }
}

impl Sub<Ticks> for Price {
    type Output = Self;

    fn sub(self, distance: Ticks) -> Self {
        Self((Ticks::new(self.0) - distance).raw())
    }
}

impl Qty {
    /// Difference, or zero where it would be negative.
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// What a fill of this quantity on `side` adds to a position.
    pub fn signed(self, side: Side) -> Position {
        match i64::try_from(self.0) {
            Ok(lots) => Position(lots * side.sign()),
            Err(_) => panic!("quantity of {} lots does not fit a position", self.0),
        }
    }
}

impl Position {
    /// Size without direction.
    pub const fn abs(self) -> Qty {
        Qty(self.0.unsigned_abs())
    }

    /// The side one holds: buy when long, sell when short, `None` when flat.
    pub const fn side(self) -> Option<Side> {
        match self.0 {
            0 => None,
            1.. => Some(Side::Buy),
            _ => Some(Side::Sell),
        }
    }

    /// How much a fill on `side` could reduce this position: its size when opposite, else zero.
    pub fn reducible_by(self, side: Side) -> Qty {
        if self.side() == Some(side.opposite()) { self.abs() } else { Qty::ZERO }
    }
}

impl FinePrice {
    /// From a wire decimal.
    pub const fn from_decimal(value: Decimal) -> Self {
        Self(value.units())
    }

    /// As an exact decimal.
    pub const fn decimal(self) -> Decimal {
        Decimal::from_units(self.0)
    }

    /// The nearest float, for strategies and charts.
    pub fn to_f64(self) -> f64 {
        self.decimal().to_f64()
    }
}

impl fmt::Display for FinePrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.decimal(), f)
    }
}

impl Rate {
    /// From a wire decimal (`0.0002` is 2 basis points).
    pub const fn from_decimal(value: Decimal) -> Self {
        Self(value.units())
    }

    /// As an exact decimal.
    pub const fn decimal(self) -> Decimal {
        Decimal::from_units(self.0)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.decimal(), f)
    }
}

impl Usd {
    /// Units in one unit of the quote currency.
    pub const SCALE: i128 = 1_000_000_000_000_000_000;
    const PER_E8: i128 = 10_000_000_000;

    /// From an exact decimal.
    pub const fn from_decimal(value: Decimal) -> Self {
        Self(value.units() as i128 * Self::PER_E8)
    }

    /// Rounded half away from zero to eight decimals, as a venue books it.
    ///
    /// `None` beyond ±92 billion, where no account is.
    pub fn to_decimal(self) -> Option<Decimal> {
        i64::try_from(self.round_e8().0 / Self::PER_E8).ok().map(Decimal::from_units)
    }

    /// Rounded half away from zero to eight decimals, as a venue books it.
    pub const fn round_e8(self) -> Self {
        let half = Self::PER_E8 / 2 * self.0.signum();
        Self((self.0 + half) / Self::PER_E8 * Self::PER_E8)
    }

    /// Size without sign.
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// The nearest float, for charts and metrics. Never turned back into money.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / 1e18
    }

    /// This share of the amount, cut towards zero to 1e-18.
    ///
    /// # Panics
    /// Beyond 1.7e12 units of currency times a rate of 1, where the product leaves 128 bits.
    pub fn times(self, rate: Rate) -> Self {
        match self.0.checked_mul(i128::from(rate.0)) {
            Some(product) => Self(product / i128::from(Decimal::SCALE)),
            None => panic!("Usd overflow in {self} times rate {rate}"),
        }
    }

    /// The fraction `self / whole` as a float for utilisation displays; zero when `whole` is zero.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn ratio(self, whole: Self) -> f64 {
        if whole.0 == 0 { 0.0 } else { self.0 as f64 / whole.0 as f64 }
    }
}

impl Mul<i64> for Usd {
    type Output = Self;

    fn mul(self, factor: i64) -> Self {
        match self.0.checked_mul(i128::from(factor)) {
            Some(product) => Self(product),
            None => panic!("Usd overflow in {self} * {factor}"),
        }
    }
}

impl fmt::Display for Usd {
    /// Exact, without trailing zeros; a precision (`{:.2}`) cuts towards zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().map_or(18, |p| p.min(18) as u8);
        let text = Padded { value: self.0, scale: 18, decimals, trim: f.precision().is_none() }
            .to_string();
        match f.width() {
            Some(width) => write!(f, "{text:>width$}"),
            None => f.write_str(&text),
        }
    }
}
