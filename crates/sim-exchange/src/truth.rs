//! The venue's own view of an account, for auditors and session summaries.

use market::venue::{OpenOrder, VenueReport};
use market::{FinePrice, Nanos, Position, TradeId, Usd};

use crate::config::AccountId;
use crate::venue::Venue;

/// What the venue knows about an account at this instant, without any delay: for auditors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Signed holding.
    pub position: Position,
    /// Average entry price; zero when flat.
    pub entry: FinePrice,
    /// Wallet balance, unrealized PnL not included.
    pub wallet: Usd,
    /// What the position would realize at mark.
    pub unrealized: Usd,
    /// Realized PnL so far, fees and funding not included.
    pub realized: Usd,
    /// Fees paid so far.
    pub fees: Usd,
    /// Funding received so far.
    pub funding: Usd,
    /// Sum of the notionals of all fills.
    pub turnover: Usd,
    /// Number of fills.
    pub fills: u64,
    /// The account's last trade.
    pub last_trade: Option<TradeId>,
    /// Every open order.
    pub open_orders: Vec<OpenOrder>,
    /// When the dead-man's switch goes off; `None` when not armed.
    pub dead_man: Option<Nanos>,
    /// The venue's margin price.
    pub mark: FinePrice,
}

/// An account's holding and cash right after a report about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Signed holding.
    pub position: Position,
    /// Average entry price; zero when flat.
    pub entry: FinePrice,
    /// What the holding cost; negative for shorts.
    pub cost: Usd,
    /// Wallet balance, unrealized PnL not included.
    pub wallet: Usd,
    /// Realized PnL so far, fees and funding not included.
    pub realized: Usd,
}

/// A report to one account, in the order in which the venue made them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountEvent {
    /// To whom.
    pub account: AccountId,
    /// When.
    pub at: Nanos,
    /// What.
    pub report: VenueReport,
    /// The account right after it.
    pub after: Standing,
}

impl Venue {
    /// Holding and cash of an account.
    pub(crate) fn standing(&self, id: AccountId) -> Standing {
        let ledger = &self.account(id).ledger;
        Standing {
            position: ledger.position,
            entry: ledger.entry(&self.terms.instrument),
            cost: ledger.cost,
            wallet: ledger.wallet,
            realized: ledger.realized,
        }
    }

    /// The truth about an account.
    pub(crate) fn truth(&self, id: AccountId) -> Truth {
        let account = self.account(id);
        let ledger = &account.ledger;
        Truth {
            position: ledger.position,
            entry: ledger.entry(&self.terms.instrument),
            wallet: ledger.wallet,
            unrealized: ledger.unrealized(&self.terms.instrument, self.mark),
            realized: ledger.realized,
            fees: ledger.fees,
            funding: ledger.funding,
            turnover: ledger.turnover,
            fills: ledger.fills,
            last_trade: account.last_trade(),
            open_orders: account.open_list(),
            dead_man: account.dead_man,
            mark: self.mark,
        }
    }
}
