//! The machine as the protocol in front of it wants it.

use binance::server::{AccountEvent, Machine, Standing};
use market::venue::VenueCommand;
use market::{FinePrice, Instrument, MarketEvent, MarketKind, Nanos, Price, Qty, Rate, Side, Usd};
use sim_exchange::{AccountId, Injection, SimExchange, SimOutput};

use super::{ExchangeConfig, ExchangeError, sim_config};

/// Customers of one exchange: the machine keeps ledgers for this many.
pub(super) const ACCOUNTS_MAX: usize = 99;

/// One matching machine and what came out of it.
pub struct Host {
    sim: SimExchange,
    instrument: Instrument,
    market: Vec<MarketEvent>,
    outputs: Vec<SimOutput>,
    events: Vec<sim_exchange::AccountEvent>,
}

impl Host {
    /// An exchange that opens at `start`.
    ///
    /// # Errors
    /// [`ExchangeError`] when the configuration cannot be served.
    pub fn new(config: &ExchangeConfig, start: Nanos) -> Result<Self, ExchangeError> {
        if config.replay.is_some() {
            return Err(ExchangeError::Replay("not served yet".to_owned()));
        }
        let mut sim = SimExchange::new(sim_config(config, start));
        sim.keep_all_reports();
        for (index, account) in config.accounts.iter().enumerate() {
            sim.open_account(id(index), Usd::from_decimal(account.balance));
            sim.set_leverage(id(index), account.leverage);
        }
        Ok(Self {
            sim,
            instrument: config.instrument.clone(),
            market: Vec::new(),
            outputs: Vec::new(),
            events: Vec::new(),
        })
    }

    /// Lets everything happen that is due.
    pub fn step(&mut self, now: Nanos, maintenance: Rate) {
        self.sim.step(now, &[], &mut self.outputs);
        self.collect();
        if self.market.iter().any(|event| matches!(event.kind, MarketKind::Mark(_))) {
            self.sim.liquidate(maintenance);
        }
    }

    /// When to step even if nobody asks for anything.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.sim.next_deadline()
    }

    /// Market events since the last call.
    pub fn take_market(&mut self, into: &mut Vec<MarketEvent>) {
        into.append(&mut self.market);
    }

    fn collect(&mut self) {
        self.market.extend(self.outputs.drain(..).filter_map(|output| match output {
            SimOutput::Market(event) => Some(event),
            SimOutput::Venue(_) => None,
        }));
    }
}

fn id(account: usize) -> AccountId {
    // At most `ACCOUNTS_MAX`, which was checked at birth.
    AccountId(account as u16)
}

fn standing(from: sim_exchange::Standing) -> Standing {
    let sim_exchange::Standing { position, entry, cost, wallet, realized } = from;
    Standing { position, entry, cost, wallet, realized }
}

impl Machine for Host {
    fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    fn execute(&mut self, account: usize, now: Nanos, command: &VenueCommand) {
        self.sim.execute(id(account), now, command, &mut self.outputs);
        self.collect();
    }

    fn take_events(&mut self, into: &mut Vec<AccountEvent>) {
        self.sim.take_events(&mut self.events);
        into.extend(self.events.drain(..).map(|event| AccountEvent {
            account: usize::from(event.account.0),
            at: event.at,
            report: event.report,
            after: standing(event.after),
        }));
    }

    fn standing(&self, account: usize) -> Standing {
        standing(self.sim.standing(id(account)))
    }

    fn best(&self, side: Side) -> Option<Price> {
        self.sim.book().best(side).map(|level| level.price)
    }

    fn mark(&self) -> FinePrice {
        self.sim.mark_price()
    }

    fn set_leverage(&mut self, account: usize, leverage: u32) {
        self.sim.set_leverage(id(account), leverage);
    }

    fn transfer(&mut self, account: usize, amount: Usd) {
        self.sim.transfer(id(account), amount);
    }

    fn trade_for(&mut self, account: usize, side: Side, price: Price, qty: Qty) {
        self.sim.trade_for(id(account), side, price, qty);
    }

    fn set_mark(&mut self, price: FinePrice) {
        self.sim.inject(Injection::Mark(price));
    }
}
