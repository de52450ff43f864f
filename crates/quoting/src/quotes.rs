//! The target ladder: sorted and uncrossed by construction.

use arrayvec::ArrayVec;
use market::{Price, Qty, Side};
use serde::{Deserialize, Serialize};

/// Most rungs a ladder has on one side.
pub const MAX_RUNGS: usize = 16;

/// One rung: how much we want to rest at a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quote {
    /// Limit.
    pub price: Price,
    /// Quantity; never zero inside [`Quotes`].
    pub qty: Qty,
}

/// What should rest in the book: at most [`MAX_RUNGS`] rungs per side, best first.
///
/// Prices of a side are positive and strictly worsening, every bid is below every ask, no quantity is
/// zero. [`Quotes::push`] refuses whatever would break that, so no check is needed downstream.
///
/// ```
/// use market::{Price, Qty, Side};
/// use quoting::{Quote, Quotes};
/// let quote = |price| Quote { price: Price::new(price), qty: Qty::new(1) };
/// let mut quotes = Quotes::NONE;
/// assert!(quotes.push(Side::Sell, quote(101)));
/// assert!(quotes.push(Side::Buy, quote(100)));
/// assert!(!quotes.push(Side::Buy, quote(100)), "not worse than the rung before");
/// assert!(!quotes.push(Side::Sell, quote(100)), "crosses the bid");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quotes {
    sides: [ArrayVec<Quote, MAX_RUNGS>; 2],
}

impl Quotes {
    /// Nothing should rest.
    pub const NONE: Self = Self { sides: [ArrayVec::new_const(), ArrayVec::new_const()] };

    /// Nothing should rest.
    pub const fn none() -> Self {
        Self::NONE
    }

    /// Rungs of a side, best first.
    pub fn side(&self, side: Side) -> &[Quote] {
        &self.sides[side.index()]
    }

    /// Adds the next rung of a side; `false`, and no change, when it does not belong there.
    ///
    /// Refused are a price or quantity of zero, a price not strictly worse than the rung before, a
    /// price that meets the best quote of the other side, and a rung beyond [`MAX_RUNGS`].
    pub fn push(&mut self, side: Side, quote: Quote) -> bool {
        let follows = match self.side(side).last() {
            Some(last) => side.is_better(last.price, quote.price),
            None => true,
        };
        let crosses = match self.side(side.opposite()).first() {
            Some(best) => side.crosses(quote.price, best.price),
            None => false,
        };
        let real = quote.price > Price::ZERO && !quote.qty.is_zero();
        real && follows && !crosses && self.sides[side.index()].try_push(quote).is_ok()
    }

    /// Whether nothing is quoted on either side.
    pub fn is_empty(&self) -> bool {
        self.sides.iter().all(|side| side.is_empty())
    }

    /// The rungs of one side alone; the other side is left empty.
    #[must_use]
    pub fn only(mut self, side: Side) -> Self {
        self.sides[side.opposite().index()].clear();
        self
    }
}

impl Default for Quotes {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(price: i64, qty: u64) -> Quote {
        Quote { price: Price::new(price), qty: Qty::new(qty) }
    }

    #[test]
    fn refuses_what_does_not_belong() {
        let mut quotes = Quotes::none();
        for (side, price, qty, taken) in [
            (Side::Buy, 100, 0, false),
            (Side::Buy, 0, 1, false),
            (Side::Buy, 100, 1, true),
            (Side::Buy, 101, 1, false),
            (Side::Buy, 99, 1, true),
            (Side::Sell, 100, 1, false),
            (Side::Sell, 101, 2, true),
            (Side::Sell, 101, 2, false),
            (Side::Sell, 102, 2, true),
        ] {
            assert_eq!(quotes.push(side, quote(price, qty)), taken, "{side} {qty} @ {price}");
        }
        assert_eq!(quotes.side(Side::Buy), [quote(100, 1), quote(99, 1)]);
        let asks = quotes.clone().only(Side::Sell);
        assert!(asks.side(Side::Buy).is_empty() && !asks.is_empty());
        assert_eq!(quotes.only(Side::Sell), asks);
    }

    #[test]
    fn holds_so_many_rungs_and_no_more() {
        let mut quotes = Quotes::NONE;
        for rung in 0..MAX_RUNGS as i64 {
            assert!(quotes.push(Side::Sell, quote(10 + rung, 1)));
        }
        assert!(!quotes.push(Side::Sell, quote(1_000, 1)));
        assert_eq!(quotes.side(Side::Sell).len(), MAX_RUNGS);
    }
}
