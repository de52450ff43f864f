//! One account's ledger on one linear contract, booked as the venue books it.
//!
//! Wallet changes are fee, realized PnL and funding, each rounded to eight decimals. Released cost
//! is rounded too and the remainder stays with the position, so that nothing is lost on the way:
//! wallet plus position value always equals all cash that ever moved.

use market::{FinePrice, Instrument, Position, Price, Qty, Rate, Side, Usd};

/// Position and cash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// Signed holding in lots.
    pub position: Position,
    /// What the holding cost; negative for shorts.
    pub cost: Usd,
    /// Balance in the quote currency, unrealized PnL not included.
    pub wallet: Usd,
    /// Realized PnL so far, fees and funding not included.
    pub realized: Usd,
    /// Fees paid so far; negative when rebates prevail.
    pub fees: Usd,
    /// Funding received (positive) or paid so far.
    pub funding: Usd,
    /// Sum of the notionals of all fills.
    pub turnover: Usd,
    /// Number of fills.
    pub fills: u64,
}

impl Ledger {
    /// A flat account with this much in its wallet.
    pub fn new(wallet: Usd) -> Self {
        Self {
            position: Position::ZERO,
            cost: Usd::ZERO,
            wallet,
            realized: Usd::ZERO,
            fees: Usd::ZERO,
            funding: Usd::ZERO,
            turnover: Usd::ZERO,
            fills: 0,
        }
    }

    /// Books a fill; returns its fee.
    pub fn fill(
        &mut self,
        instrument: &Instrument,
        side: Side,
        price: Price,
        qty: Qty,
        rate: Rate,
    ) -> Usd {
        let notional = instrument.notional(price, qty);
        let fee = notional.times(rate).round_e8();
        let closed = qty.min(self.position.reducible_by(side));
        let realized = self.close(instrument, side, price, closed);
        let opened = (qty - closed).signed(side);
        self.position += opened;
        self.cost += instrument.position_value(price, opened);
        self.realized += realized;
        self.fees += fee;
        self.wallet += realized - fee;
        self.turnover += notional;
        self.fills += 1;
        fee
    }

    /// Books a funding payment at this mark and rate (longs pay when positive); returns the cash
    /// flow.
    pub fn pay_funding(&mut self, instrument: &Instrument, mark: FinePrice, rate: Rate) -> Usd {
        let amount = -instrument.value_at(mark, self.position).times(rate).round_e8();
        self.funding += amount;
        self.wallet += amount;
        amount
    }

    /// Average entry price; zero when flat.
    pub fn entry(&self, instrument: &Instrument) -> FinePrice {
        instrument.average_price(self.cost, self.position)
    }

    /// Profit the position would realize at `mark`.
    pub fn unrealized(&self, instrument: &Instrument, mark: FinePrice) -> Usd {
        instrument.value_at(mark, self.position) - self.cost
    }

    fn close(&mut self, instrument: &Instrument, side: Side, price: Price, closed: Qty) -> Usd {
        if closed.is_zero() {
            return Usd::ZERO;
        }
        let share = self.cost.raw() * i128::from(closed.raw());
        let all = closed == self.position.abs();
        let released = if all {
            self.cost
        } else {
            Usd::new(share / i128::from(self.position.abs().raw())).round_e8()
        };
        // Closing a long sells: cash in is -(signed value); cost released goes out, mirrored short.
        let proceeds = -instrument.position_value(price, closed.signed(side));
        self.cost -= released;
        self.position += closed.signed(side);
        proceeds - released
    }
}
