//! Opening a venue again with what its accounts had when it closed.
//!
//! The market is a new one that begins where the old one was left. Orders that rested rest again:
//! they are in the book before the crowd puts up its first quote, so that a crowd which was born a
//! little elsewhere quotes around them instead of trading through them.

use market::venue::TimeInForce;
use market::{ClientOrderId, Nanos, Position, Price, Qty, Side, Usd, VenueOrderId};

use crate::config::{AccountId, SimConfig};
use crate::exchange::SimExchange;
use crate::orders::{Order, State};
use crate::recorded::RecordedMarket;
use crate::venue::{Liquidity, Venue};

/// An order that rested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rested {
    /// Its owner's name for it, unique within the account.
    pub client_id: ClientOrderId,
    /// The venue's number for it: below one, where no order of the new market is.
    pub venue_id: VenueOrderId,
    /// Side.
    pub side: Side,
    /// Limit.
    pub price: Price,
    /// How long it stays.
    pub tif: TimeInForce,
    /// All of it.
    pub qty: Qty,
    /// How much of that has traded.
    pub filled: Qty,
    /// May only shrink the position.
    pub reduce_only: bool,
}

/// What an account had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Whose.
    pub account: AccountId,
    /// Signed holding.
    pub position: Position,
    /// What the holding cost; negative for shorts.
    pub cost: Usd,
    /// Wallet balance, unrealized PnL not included.
    pub wallet: Usd,
    /// Realized PnL so far, fees and funding not included.
    pub realized: Usd,
    /// Initial margin is notional divided by this.
    pub leverage: u32,
    /// When the dead-man's switch goes off. One whose time has passed goes off at once.
    pub dead_man: Option<Nanos>,
    /// Orders in the book, those that arrived first before the others.
    pub orders: Vec<Rested>,
}

impl SimExchange {
    /// A simulated market that opens at `config.start` with these accounts and their orders.
    ///
    /// # Panics
    /// When an account belongs to the crowd.
    pub fn reopen(config: SimConfig, accounts: &[Holdings]) -> Self {
        Self::with(config, |venue, book| venue.bring_back(book, accounts))
    }
}

impl RecordedMarket {
    /// Gives accounts what they had, their orders at the tail of their queues. What was recorded
    /// until the venue closed must have been handed over before: it built the book, and concerns
    /// nobody's orders and holdings a second time.
    ///
    /// # Panics
    /// When an account belongs to the crowd.
    pub fn bring_back(&mut self, accounts: &[Holdings]) {
        self.venue.bring_back(&mut self.book, accounts);
    }
}

impl Venue {
    fn bring_back<L: Liquidity>(&mut self, book: &mut L, accounts: &[Holdings]) {
        for account in accounts {
            let id = account.account;
            assert!(id.has_ledger(), "{id:?} belongs to the crowd");
            self.open_account(id, account.wallet);
            let own = self.account_mut(id);
            own.ledger.wallet = account.wallet;
            own.ledger.position = account.position;
            own.ledger.cost = account.cost;
            own.ledger.realized = account.realized;
            own.leverage = account.leverage.max(1);
            own.dead_man = account.dead_man;
            self.crowd += -account.position;
            self.rest_again(book, id, &account.orders);
        }
    }

    fn rest_again<L: Liquidity>(&mut self, book: &mut L, id: AccountId, orders: &[Rested]) {
        for rested in orders.iter().filter(|rested| rested.filled < rested.qty) {
            let mut order = Order::again(rested);
            order.state = State::Resting(book.rest(id, &order));
            self.account_mut(id).insert(order);
        }
    }
}
