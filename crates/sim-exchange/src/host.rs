//! The exchange as a host of several accounts, all alike: commands act at once, and every report to
//! every account is kept with the account's standing right after it.
//!
//! This is what a server that speaks a real venue's protocol needs; drivers of one trader use
//! [`SimExchange::step`] with its delays and faults instead. Recorded markets host accounts alike.

use market::venue::VenueCommand;
use market::{FinePrice, Nanos, Price, Qty, Rate, Side, Usd};

use crate::SimOutput;
use crate::config::AccountId;
use crate::exchange::SimExchange;
use crate::recorded::RecordedMarket;
use crate::truth::{AccountEvent, Standing};
use crate::venue::Venue;

/// What both machines do for several accounts in the same words.
macro_rules! host {
    ($machine:ident) => {
        impl $machine {
            /// From now on every report to every account is kept for
            #[doc = concat!("[`", stringify!($machine), "::take_events`],")]
            /// and nothing is sent to a trader over the delayed wire.
            /// Orders and fills that are over are not kept any more: whoever reads the reports
            /// knows them.
            pub fn keep_all_reports(&mut self) {
                self.venue.keep_all();
            }

            /// Opens an account with this much in its wallet, unless it exists.
            ///
            /// # Panics
            /// When the account belongs to the crowd.
            pub fn open_account(&mut self, account: AccountId, balance: Usd) {
                assert!(account.has_ledger(), "{account:?} belongs to the crowd");
                self.venue.open_account(account, balance);
            }

            /// The reports since the last call, in the order in which the venue made them.
            pub fn take_events(&mut self, into: &mut Vec<AccountEvent>) {
                into.append(&mut self.events);
            }

            /// Holding and cash of an account.
            ///
            /// # Panics
            /// When the account was not opened.
            pub fn standing(&self, account: AccountId) -> Standing {
                self.venue.standing(account)
            }

            /// From now on the account's initial margin is notional divided by this.
            pub fn set_leverage(&mut self, account: AccountId, leverage: u32) {
                self.venue.account_mut(account).leverage = leverage.max(1);
            }

            /// Deposits to or withdraws from an account.
            pub fn transfer(&mut self, account: AccountId, amount: Usd) {
                self.venue.transfer(account, amount);
                self.settle(self.now);
            }

            /// The account trades by an order that is not its own: liquidation, ADL, by hand.
            pub fn trade_for(&mut self, account: AccountId, side: Side, price: Price, qty: Qty) {
                self.venue.foreign_fill(&mut self.book, self.now, account, side, price, qty);
                self.settle(self.now);
            }

            /// The venue's margin price; zero until known.
            pub fn mark_price(&self) -> FinePrice {
                self.venue.mark
            }

            /// Pays funding at this rate now, in addition to what is due anyway.
            pub fn pay_funding(&mut self, rate: Rate) {
                self.venue.pay_funding(rate);
                self.settle(self.now);
            }

            /// The number of the last trade.
            pub fn last_trade(&self) -> i64 {
                self.venue.next_trade - 1
            }

            /// Takes over every account whose margin balance no longer covers this share of its
            /// position's value: cancels its orders and trades the position away at mark. Says
            /// whose.
            pub fn liquidate(&mut self, maintenance: Rate) -> Vec<AccountId> {
                let due = due_for_liquidation(&self.venue, maintenance);
                for &id in &due {
                    self.venue.cancel_all(&mut self.book, self.now, id, true);
                    let position = self.venue.account(id).ledger.position;
                    let price = self.venue.terms.instrument.price_at_or_below(self.venue.mark);
                    if let Some(held) = position.side() {
                        let (side, qty) = (held.opposite(), position.abs());
                        let price = price.max(Price::new(1));
                        self.venue.foreign_fill(&mut self.book, self.now, id, side, price, qty);
                    }
                    self.settle(self.now);
                }
                due
            }
        }
    };
}

host!(SimExchange);
host!(RecordedMarket);

impl SimExchange {
    /// A command that acts at once. What it causes is kept for [`SimExchange::take_events`].
    ///
    /// # Panics
    /// When the account was not opened or time runs backwards.
    pub fn execute(
        &mut self,
        account: AccountId,
        now: Nanos,
        command: &VenueCommand,
        out: &mut Vec<SimOutput>,
    ) {
        self.step(now, &[], out);
        self.venue.execute(&mut self.book, now, account, command);
        self.settle(now);
        self.run(now, out);
    }
}

impl RecordedMarket {
    /// A command that acts at once. What it causes is kept for [`RecordedMarket::take_events`].
    ///
    /// # Panics
    /// When the account was not opened or time runs backwards.
    pub fn execute(
        &mut self,
        account: AccountId,
        now: Nanos,
        command: &VenueCommand,
        out: &mut Vec<SimOutput>,
    ) {
        self.step(now, &[], &[], out);
        self.act(account, now, command);
    }
}

/// Accounts whose margin balance no longer covers this share of their position's value.
fn due_for_liquidation(venue: &Venue, maintenance: Rate) -> Vec<AccountId> {
    let instrument = &venue.terms.instrument;
    let is_due = |id: &AccountId| {
        let ledger = &venue.account(*id).ledger;
        let value = instrument.value_at(venue.mark, ledger.position).abs();
        let equity = ledger.wallet + ledger.unrealized(instrument, venue.mark);
        !ledger.position.is_zero() && equity < value.times(maintenance)
    };
    venue.accounts().map(|(id, _)| id).filter(is_due).collect()
}
