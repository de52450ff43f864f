//! Position and money, from fills and cash events only; order status never moves them.
//!
//! Everything is exact. The cost of the open position is kept instead of its average price, so
//! nothing is divided until a position is partly closed, and what that division rounds (1e-18) stays
//! in the cost: `realized + unrealized` is always the cash paid and received plus the value held.
//!
//! What is realized and what is still open depends on the order of fills, and reports overtake each
//! other. So the books of the last agreement with the venue are kept, with every fill since: one that
//! comes late is put where it belongs, and everything after it is booked again. That way our realized
//! PnL is the venue's, whatever the network did.

use std::collections::VecDeque;

use market::venue::Fill;
use market::{FinePrice, Instrument, Position, Price, Qty, Side, TradeId, Usd};
use serde::{Deserialize, Serialize};

use crate::mutants::{self, Mutant};

/// Trade ids remembered to count every fill once.
const TRADES_MAX: usize = 16_384;
/// Fills kept since the last agreement. Later than this many fills after its turn, a late one is booked
/// as if it had happened then.
const UNSETTLED_MAX: usize = 16_384;
/// Fills expected between two agreements; more work, but allocate.
const UNSETTLED_EXPECTED: usize = 1_024;

/// A fill as far as the books need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Booked {
    /// Which.
    pub trade_id: TradeId,
    /// Our side.
    pub side: Side,
    /// Price.
    pub price: Price,
    /// Quantity.
    pub qty: Qty,
    /// Fee paid; negative is earned.
    pub fee: Usd,
}

impl From<&Fill> for Booked {
    fn from(fill: &Fill) -> Self {
        let Fill { trade_id, side, price, qty, fee, .. } = *fill;
        Self { trade_id, side, price, qty, fee }
    }
}

/// What depends on the order of fills.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Books {
    position: Position,
    /// Paid for the open position; negative when short.
    cost: Usd,
    realized: Usd,
    worst_trade: Usd,
}

impl Books {
    fn book(&mut self, instrument: &Instrument, fill: &Booked) {
        let paid = instrument.notional(fill.price, fill.qty) * fill.side.sign();
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
        self.position += fill.qty.signed(fill.side);
    }
}

/// The books of one instrument.
#[derive(Clone, Debug, Hash)]
pub struct Ledger {
    now: Books,
    /// At the last agreement, or before the oldest fill in `unsettled`.
    settled: Books,
    /// The last fill in it.
    settled_to: Option<TradeId>,
    /// Fills since, in the order of their ids.
    unsettled: VecDeque<Booked>,
    fees: Usd,
    funding: Usd,
    transfers: Usd,
    attribution: Attribution,
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
            now: Books::default(),
            settled: Books::default(),
            settled_to: None,
            unsettled: VecDeque::with_capacity(UNSETTLED_EXPECTED),
            fees: Usd::ZERO,
            funding: Usd::ZERO,
            transfers: Usd::ZERO,
            attribution: Attribution::default(),
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
        (self.now.position, self.now.cost) = (position, instrument.value_at(entry, position));
        (self.settled, self.floor) = (self.now, self.floor.max(last_trade));
        self.settled_to = self.floor;
        self.unsettled.clear();
        if let (Some(mid), Some(before)) = (self.attribution.mid, before) {
            self.attribution.carried += self.unrealized(instrument, mid) - before;
        }
    }

    /// Goes on where an earlier session stood, to the last unit of the cost: with the books of its last
    /// agreement, which contain every fill up to `agreed`, and the fills booked since.
    pub fn resume(
        &mut self,
        instrument: &Instrument,
        (position, cost): (Position, Usd),
        agreed: Option<TradeId>,
        booked: &[Booked],
    ) {
        self.settled = Books { position, cost, ..Books::default() };
        (self.now, self.floor, self.settled_to) = (self.settled, agreed, agreed);
        self.seen.clear();
        self.unsettled.clear();
        for fill in booked {
            if self.is_new(fill.trade_id) {
                self.enter(instrument, *fill);
            }
        }
        // Realized by the session before.
        self.settled.realized -= self.now.realized;
        (self.now.realized, self.now.worst_trade) = (Usd::ZERO, Usd::ZERO);
    }

    /// Both sides agree on every fill up to this one.
    pub fn settle(&mut self, instrument: &Instrument, agreed: Option<TradeId>) {
        while let Some(fill) = self.unsettled.front().filter(|fill| Some(fill.trade_id) <= agreed) {
            self.settled.book(instrument, fill);
            self.unsettled.pop_front();
        }
        self.settled_to = self.settled_to.max(agreed);
    }

    /// Position and cost at the last agreement, which fill it was, and the fills booked since.
    pub fn settled(&self) -> (Position, Usd, Option<TradeId>, Vec<Booked>) {
        let Books { position, cost, .. } = self.settled;
        (position, cost, self.settled_to, self.unsettled.iter().copied().collect())
    }

    /// Puts a fill where it belongs, and books again what came after it.
    fn enter(&mut self, instrument: &Instrument, fill: Booked) {
        if self.unsettled.back().is_none_or(|last| last.trade_id < fill.trade_id) {
            self.now.book(instrument, &fill);
            self.unsettled.push_back(fill);
        } else {
            let index = self.unsettled.partition_point(|other| other.trade_id < fill.trade_id);
            self.unsettled.insert(index, fill);
            self.now = self.settled;
            self.unsettled.iter().for_each(|fill| self.now.book(instrument, fill));
        }
        if self.unsettled.len() > UNSETTLED_MAX
            && let Some(oldest) = self.unsettled.pop_front()
        {
            self.settled.book(instrument, &oldest);
            self.settled_to = self.settled_to.max(Some(oldest.trade_id));
        }
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

        self.enter(instrument, Booked::from(fill));
        self.fees += fill.fee;
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
                attribution.inventory += instrument.value_at(mid - last, self.now.position);
            }
            None => {
                attribution.carried = instrument.value_at(mid, self.now.position) - self.now.cost
            }
        }
        attribution.mid = Some(mid);
    }

    /// Signed holding.
    pub fn position(&self) -> Position {
        self.now.position
    }

    /// Paid for the open position; negative when short, zero when flat.
    pub fn cost(&self) -> Usd {
        self.now.cost
    }

    /// Average entry price; zero when flat.
    pub fn entry(&self, instrument: &Instrument) -> FinePrice {
        instrument.average_price(self.now.cost, self.now.position)
    }

    /// Realized by closing, before fees and funding.
    pub fn realized(&self) -> Usd {
        self.now.realized
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
        self.now.worst_trade
    }

    /// Value of the open position at a price, less its cost.
    pub fn unrealized(&self, instrument: &Instrument, price: FinePrice) -> Usd {
        instrument.value_at(price, self.now.position) - self.now.cost
    }

    /// Cash that moved the wallet since the session began.
    pub fn cash(&self) -> Usd {
        self.now.realized - self.fees + self.funding + self.transfers
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
            basis: instrument.value_at(mark - mid, self.now.position),
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
        let Err(index) = self.seen.binary_search(&id) else {
            return mutants::is(Mutant::CountTwice);
        };
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
        let short = self.now.position.side() == Some(Side::Sell);
        assert!(
            !self.now.position.is_zero() || self.now.cost.is_zero(),
            "flat, but cost {}",
            self.now.cost
        );
        assert!(!short || self.now.cost.raw() <= 0, "short at positive cost {}", self.now.cost);
        assert!(short || self.now.cost.raw() >= 0, "long at negative cost {}", self.now.cost);
    }
}
