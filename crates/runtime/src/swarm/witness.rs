//! The exchange's machine with the auditor looking over its shoulder.

use binance::server::{AccountEvent, Machine, Standing};
use market::venue::VenueCommand;
use market::{FinePrice, Instrument, Nanos, Position, Price, Qty, Rate, Side, Usd};

use super::auditor::Auditor;
use crate::exchange::Host;

/// The account under audit.
pub(super) const TRADER: usize = 0;

/// Passes everything on, and shows it to the auditor.
pub(super) struct Witness {
    pub(super) host: Host,
    pub(super) auditor: Auditor,
    /// Seen and not yet passed on.
    pending: Vec<AccountEvent>,
    now: Nanos,
}

impl Witness {
    pub(super) fn new(host: Host, auditor: Auditor) -> Self {
        Self { host, auditor, pending: Vec::new(), now: Nanos::ZERO }
    }

    /// Lets everything happen that is due.
    pub(super) fn step(&mut self, now: Nanos, maintenance: Rate) {
        self.now = now;
        self.host.step(now, maintenance);
        self.look();
    }

    fn look(&mut self) {
        let from = self.pending.len();
        self.host.take_events(&mut self.pending);
        let news = &self.pending[from..];
        let mut touched = false;
        for event in news.iter().filter(|event| event.account == TRADER) {
            self.auditor.on_event(event);
            touched = true;
        }
        if touched {
            self.auditor.settled(self.now);
        }
    }

    /// What the account is worth, at the venue's mark.
    pub(super) fn equity(&self) -> Option<Usd> {
        let (standing, mark) = (self.host.standing(TRADER), self.host.mark());
        if mark <= FinePrice::ZERO && standing.position != Position::ZERO {
            return None;
        }
        let value = self.host.instrument().value_at(mark, standing.position);
        Some(standing.wallet + value - standing.cost)
    }
}

impl Machine for Witness {
    fn instrument(&self) -> &Instrument {
        self.host.instrument()
    }

    fn execute(&mut self, account: usize, now: Nanos, command: &VenueCommand) {
        self.now = now;
        if account == TRADER {
            self.look();
            self.auditor.on_command(now, command);
        }
        self.host.execute(account, now, command);
        self.look();
        if account == TRADER {
            self.auditor.settled(now);
        }
    }

    fn take_events(&mut self, into: &mut Vec<AccountEvent>) {
        self.look();
        into.append(&mut self.pending);
    }

    fn standing(&self, account: usize) -> Standing {
        self.host.standing(account)
    }

    fn best(&self, side: Side) -> Option<Price> {
        self.host.best(side)
    }

    fn mark(&self) -> FinePrice {
        self.host.mark()
    }

    fn set_leverage(&mut self, account: usize, leverage: u32) {
        self.host.set_leverage(account, leverage);
    }

    fn transfer(&mut self, account: usize, amount: Usd) {
        self.host.transfer(account, amount);
    }

    fn trade_for(&mut self, account: usize, side: Side, price: Price, qty: Qty) {
        self.host.trade_for(account, side, price, qty);
    }

    fn set_mark(&mut self, price: FinePrice) {
        self.host.set_mark(price);
    }

    fn pay_funding(&mut self, rate: Rate) {
        self.host.pay_funding(rate);
    }

    fn played(&self) -> Option<Nanos> {
        self.host.played()
    }
}
