//! Position and money, from fills and cash events only; order status never moves them.
//!
//! Everything is exact. The cost of the open position is kept instead of its average price, so
//! nothing is divided until a position is partly closed, and what that division rounds (1e-18) stays
//! in the cost: `realized + unrealized` is always the cash paid and received plus the value held.

use std::collections::VecDeque;

use market::venue::Fill;
use market::{FinePrice, Instrument, Position, Side, TradeId, Usd};

/// Trade ids remembered to count every fill once.
const TRADES_MAX: usize = 16_384;

/// The books of one instrument.
#[derive(Clone, Debug, Hash)]
pub struct Ledger {
    position: Position,
    /// Paid for the open position; negative when short.
    cost: Usd,
    realized: Usd,
    fees: Usd,
    funding: Usd,
    transfers: Usd,
    attribution: Attribution,
    worst_trade: Usd,
    seen: VecDeque<TradeId>,
    /// Ids at or below are known even though they are not in `seen`.
    floor: Option<TradeId>,
}

/// Where the PnL came from, with respect to the mid.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Attribution {
    mid: Option<FinePrice>,
    spread: Usd,
    inventory: Usd,
    /// Value at the first mid of a position that was brought into the session, less its cost.
    carried: Usd,
}

/// The attribution of PnL; `spread + inventory + basis + carried = realized + unrealized`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Earned against the mid at each fill.
    pub spread: Usd,
    /// Gained by holding while the mid moved.
    pub inventory: Usd,
    /// Value at mark beyond value at mid.
    pub basis: Usd,
    /// Unrealized PnL that was brought into the session.
    pub carried: Usd,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            position: Position::ZERO,
            cost: Usd::ZERO,
            realized: Usd::ZERO,
            fees: Usd::ZERO,
            funding: Usd::ZERO,
            transfers: Usd::ZERO,
            attribution: Attribution::default(),
            worst_trade: Usd::ZERO,
            seen: VecDeque::with_capacity(TRADES_MAX + 1),
            floor: None,
        }
    }
}

impl Ledger {
    /// Takes over a position that existed before the session, or one that no fill explains.
    pub fn open(
        &mut self,
        instrument: &Instrument,
        position: Position,
        entry: FinePrice,
        last_trade: Option<TradeId>,
    ) {
        let before = self.attribution.mid.map(|mid| self.unrealized(instrument, mid));
        (self.position, self.cost) = (position, instrument.value_at(entry, position));
        if let (Some(mid), Some(before)) = (self.attribution.mid, before) {
            self.attribution.carried += self.unrealized(instrument, mid) - before;
        }
        self.floor = self.floor.max(last_trade);
    }

    /// Goes on where an earlier session stood, to the last unit of the cost.
    /// Fills up to `agreed` and those in `booked` are in it already.
    pub fn resume(
        &mut self,
        position: Position,
        cost: Usd,
        agreed: Option<TradeId>,
        booked: &[TradeId],
    ) {
        (self.position, self.cost, self.floor) = (position, cost, agreed);
        self.seen.clear();
        for id in booked {
            self.is_new(*id);
        }
    }

    /// Fills booked after this one.
    pub fn booked_after(&self, agreed: Option<TradeId>) -> Vec<TradeId> {
        self.seen.iter().copied().filter(|id| agreed.is_none_or(|agreed| *id > agreed)).collect()
    }

    /// Books a fill at the mid of that moment. Returns false, and changes nothing, if it was booked
    /// before.
    pub fn fill(&mut self, instrument: &Instrument, fill: &Fill, mid: Option<FinePrice>) -> bool {
        if !self.is_new(fill.trade_id) {
            return false;
        }
        let value = instrument.notional(fill.price, fill.qty);
        let paid = value * fill.side.sign();
        let mid = mid.or(self.attribution.mid).unwrap_or(instrument.fine(fill.price));
        self.observe_mid(instrument, mid);
        self.attribution.spread += instrument.value_at(mid, fill.qty.signed(fill.side)) - paid;

        let closing = self.position.reducible_by(fill.side).min(fill.qty);
        let gained = if closing.is_zero() {
            self.cost += paid;
            Usd::ZERO
        } else {
            let held = i128::from(self.position.abs().raw());
            let released = Usd::new(self.cost.raw() * i128::from(closing.raw()) / held);
            let received = instrument.notional(fill.price, closing) * -fill.side.sign();
            self.cost = self.cost - released + paid + received;
            received - released
        };
        self.realized += gained;
        self.worst_trade = self.worst_trade.min(gained - fill.fee);
        self.fees += fill.fee;
        self.position += fill.qty.signed(fill.side);
        true
    }

    /// Books funding received (positive) or paid.
    pub fn funding(&mut self, amount: Usd) {
        self.funding += amount;
    }

    /// Books a deposit (positive) or withdrawal; not PnL.
    pub fn transfer(&mut self, amount: Usd) {
        self.transfers += amount;
    }

    /// Brings the attribution up to a mid. Optional between fills: the sum telescopes.
    pub fn observe_mid(&mut self, instrument: &Instrument, mid: FinePrice) {
        let attribution = &mut self.attribution;
        match attribution.mid {
            Some(last) => {
                attribution.inventory += instrument.value_at(mid - last, self.position);
            }
            None => attribution.carried = instrument.value_at(mid, self.position) - self.cost,
        }
        attribution.mid = Some(mid);
    }

    /// Signed holding.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Paid for the open position; negative when short, zero when flat.
    pub fn cost(&self) -> Usd {
        self.cost
    }

    /// Average entry price; zero when flat.
    pub fn entry(&self, instrument: &Instrument) -> FinePrice {
        instrument.average_price(self.cost, self.position)
    }

    /// Realized by closing, before fees and funding.
    pub fn realized(&self) -> Usd {
        self.realized
    }

    /// Paid in fees; negative is earned.
    pub fn fees(&self) -> Usd {
        self.fees
    }

    /// Received (positive) or paid in funding.
    pub fn funding_received(&self) -> Usd {
        self.funding
    }

    /// Deposits less withdrawals.
    pub fn transfers(&self) -> Usd {
        self.transfers
    }

    /// Worst result of a single fill, its fee included; zero or negative.
    pub fn worst_trade(&self) -> Usd {
        self.worst_trade
    }

    /// Value of the open position at a price, less its cost.
    pub fn unrealized(&self, instrument: &Instrument, price: FinePrice) -> Usd {
        instrument.value_at(price, self.position) - self.cost
    }

    /// Cash that moved the wallet since the session began.
    pub fn cash(&self) -> Usd {
        self.realized - self.fees + self.funding + self.transfers
    }

    /// Where the PnL came from, when the position is valued at `mark` and the mid is the last seen.
    pub fn split(&self, instrument: &Instrument, mark: FinePrice) -> Split {
        let attribution = &self.attribution;
        let mid = attribution.mid.unwrap_or(mark);
        let carried = match attribution.mid {
            Some(_) => attribution.carried,
            None => self.unrealized(instrument, mark),
        };
        Split {
            spread: attribution.spread,
            inventory: attribution.inventory,
            basis: instrument.value_at(mark - mid, self.position),
            carried,
        }
    }

    /// The newest trade id booked or taken over.
    pub fn last_trade(&self) -> Option<TradeId> {
        self.seen.back().copied().max(self.floor)
    }

    /// Ids arrive mostly in order, so the sorted queue is nearly always appended to.
    fn is_new(&mut self, id: TradeId) -> bool {
        if self.floor.is_some_and(|floor| id <= floor) {
            return false;
        }
        let Err(index) = self.seen.binary_search(&id) else { return false };
        self.seen.insert(index, id);
        if self.seen.len() > TRADES_MAX {
            self.floor = self.floor.max(self.seen.pop_front());
        }
        true
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When the books do not close: a bug of ours.
    pub fn assert_invariants(&self) {
        let short = self.position.side() == Some(Side::Sell);
        assert!(!self.position.is_zero() || self.cost.is_zero(), "flat, but cost {}", self.cost);
        assert!(!short || self.cost.raw() <= 0, "short at positive cost {}", self.cost);
        assert!(short || self.cost.raw() >= 0, "long at negative cost {}", self.cost);
    }
}
