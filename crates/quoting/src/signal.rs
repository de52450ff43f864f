//! What the depth of a book says.

use market::{Book, Instrument, Side};

/// Base asset resting on the first levels of each side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Depth {
    /// On the bid side.
    pub bid: f64,
    /// On the ask side.
    pub ask: f64,
}

impl Depth {
    /// Sums the first `levels` levels of each side, fewer where there are fewer.
    pub fn of(book: &Book, instrument: &Instrument, levels: u8) -> Self {
        let sum = |side| {
            let lots = book.levels(side).take(usize::from(levels)).map(|level| level.qty);
            lots.fold(0.0, |total, qty| total + instrument.qty_f64(qty))
        };
        Self { bid: sum(Side::Buy), ask: sum(Side::Sell) }
    }

    /// `(bid - ask) / (bid + ask)`: from -1, only asks, to 1, only bids. NaN when there is nothing.
    ///
    /// Cao, Hansch & Wang, "The information content of an open limit-order book", Journal of Futures
    /// Markets 29(1), 2009.
    pub fn imbalance(self) -> f64 {
        (self.bid - self.ask) / (self.bid + self.ask)
    }

    /// The thinner side.
    pub fn thinner(self) -> f64 {
        self.bid.min(self.ask)
    }
}
