//! The machine as the protocol in front of it wants it: the embedded market, or a recorded one.

use std::iter::Peekable;
use std::time::Duration;

use binance::CaptureReader;
use binance::server::{AccountEvent, Kept, KeptOrder, Machine, Standing};
use market::venue::VenueCommand;
use market::{
    FinePrice, Instrument, MarkUpdate, MarketEvent, MarketKind, Nanos, Position, Price, Qty, Rate,
    Side, Usd,
};
use sim_exchange::{
    AccountId, Holdings, Injection, RecordedMarket, Rested, SimExchange, SimOutput,
};

use super::{Account, ExchangeConfig, ExchangeError, recorded_config, sim_config};

/// Customers of one exchange: the machine keeps ledgers for this many.
pub(super) const ACCOUNTS_MAX: usize = 99;
/// Rate that is shown while a recording has no mark prices: 0.01 %.
const RATE: Rate = Rate::new(10_000);
const FUNDING: u64 = 8 * 3_600_000;

enum World {
    Simulated(Box<SimExchange>),
    Recorded(Box<Replay>),
}

/// A recording on today's clock.
struct Replay {
    market: RecordedMarket,
    source: Peekable<CaptureReader>,
    /// Added to every time of the recording, in nanoseconds.
    shift: i64,
    /// Whether it brings mark prices itself.
    has_marks: bool,
    mark_due: Nanos,
    /// The last time of the recording that has been played, on the recording's clock.
    played: Option<Nanos>,
}

/// Where an exchange was left that opens again.
#[derive(Clone, Debug, Default)]
pub(super) struct Left {
    /// What its accounts had.
    pub(super) kept: Vec<Kept>,
    /// The last price; `None` for an exchange that closed before it had one.
    pub(super) price: Option<FinePrice>,
    /// How far a recording had been played.
    pub(super) played: Option<Nanos>,
}

/// One matching machine and what came out of it.
pub struct Host {
    world: World,
    instrument: Instrument,
    market: Vec<MarketEvent>,
    outputs: Vec<SimOutput>,
    events: Vec<sim_exchange::AccountEvent>,
}

/// Calls the same method of whichever machine it is.
macro_rules! machine {
    ($world:expr, $machine:ident => $call:expr) => {
        match $world {
            World::Simulated($machine) => $call,
            World::Recorded(replay) => {
                let $machine = &mut replay.market;
                $call
            }
        }
    };
}

impl Host {
    /// An exchange that opens at `start`.
    ///
    /// # Errors
    /// [`ExchangeError::Replay`] when the captures cannot be read.
    pub fn new(config: &ExchangeConfig, start: Nanos) -> Result<Self, ExchangeError> {
        Self::reopen(config, start, &Left::default())
    }

    /// An exchange that opens again at `start` where it was left.
    ///
    /// # Errors
    /// [`ExchangeError::Replay`] when the captures cannot be read.
    pub(super) fn reopen(
        config: &ExchangeConfig,
        start: Nanos,
        left: &Left,
    ) -> Result<Self, ExchangeError> {
        let accounts = config.accounts.iter().enumerate();
        let holdings: Vec<_> = accounts
            .map(|(index, account)| {
                let kept = left.kept.iter().find(|kept| kept.account == index);
                kept.map_or_else(|| opening(index, account), |kept| holdings(index, kept))
            })
            .collect();
        let world = if config.replay.is_empty() {
            let sim = sim_config(config, start, left.price);
            World::Simulated(Box::new(SimExchange::reopen(sim, &holdings)))
        } else {
            World::Recorded(Box::new(Replay::open(config, start, left.played)?))
        };
        let mut host = Self {
            world,
            instrument: config.instrument.clone(),
            market: Vec::new(),
            outputs: Vec::new(),
            events: Vec::new(),
        };
        if let World::Recorded(replay) = &mut host.world {
            if left.played.is_some() {
                replay.step(start, &host.instrument, &mut host.outputs);
            }
            replay.market.bring_back(&holdings);
        }
        host.collect();
        host.forget_told();
        machine!(&mut host.world, machine => {
            machine.keep_all_reports();
            machine.take_events(&mut Vec::new());
        });
        Ok(host)
    }

    /// Leaves of a recording's past what a book is made of, and the last mark: the rest has been
    /// told in an earlier life.
    fn forget_told(&mut self) {
        let marks = |event: &MarketEvent| matches!(event.kind, MarketKind::Mark(_));
        let last = self.market.iter().rposition(marks);
        let mut index = 0;
        self.market.retain(|event| {
            index += 1;
            !matches!(event.kind, MarketKind::Trade(_))
                && (!marks(event) || Some(index - 1) == last)
        });
    }

    /// Lets everything happen that is due.
    pub fn step(&mut self, now: Nanos, maintenance: Rate) {
        match &mut self.world {
            World::Simulated(machine) => machine.step(now, &[], &mut self.outputs),
            World::Recorded(replay) => replay.step(now, &self.instrument, &mut self.outputs),
        }
        self.collect();
        if self.market.iter().any(|event| matches!(event.kind, MarketKind::Mark(_))) {
            machine!(&mut self.world, machine => machine.liquidate(maintenance));
        }
    }

    /// When to step even if nobody asks for anything.
    pub fn next_deadline(&mut self) -> Option<Nanos> {
        match &mut self.world {
            World::Simulated(machine) => machine.next_deadline(),
            World::Recorded(replay) => replay.next_deadline(),
        }
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

impl Replay {
    /// Begins at the beginning, or where the recording was left: then everything before that is
    /// due at `start`.
    fn open(
        config: &ExchangeConfig,
        start: Nanos,
        played: Option<Nanos>,
    ) -> Result<Self, ExchangeError> {
        let reader = CaptureReader::open(&config.instrument, &config.replay)?;
        let mut source = reader.peekable();
        let shift = match source.peek() {
            Some(Ok(first)) => {
                let from = played.unwrap_or(first.ts_recv).max(first.ts_recv);
                start.0.cast_signed() - from.0.cast_signed()
            }
            Some(Err(_)) | None => match source.next() {
                Some(Err(error)) => return Err(error.into()),
                _ => 0,
            },
        };
        let market = RecordedMarket::new(recorded_config(config, start));
        Ok(Self { market, source, shift, has_marks: false, mark_due: start, played })
    }

    /// Takes in what was recorded until now. Lines that cannot be read are passed over.
    fn step(&mut self, now: Nanos, instrument: &Instrument, out: &mut Vec<SimOutput>) {
        let mut events = Vec::new();
        while let Some(next) = self.source.peek() {
            match next {
                Ok(event) if moved(event.ts_recv, self.shift) > now => break,
                Err(error) if error.is_fatal() => break,
                Ok(_) | Err(_) => {}
            }
            if let Some(Ok(event)) = self.source.next() {
                self.played = self.played.max(Some(event.ts_recv));
                let mut event = event.event;
                event.ts_event = moved(event.ts_event, self.shift).min(now);
                if let MarketKind::Mark(update) = &mut event.kind {
                    update.next_funding = moved(update.next_funding, self.shift);
                    self.has_marks = true;
                }
                events.push(event);
            }
        }
        if !self.has_marks && now >= self.mark_due {
            self.mark_due = now + Duration::from_secs(1);
            events.extend(self.mid(instrument).map(|mark| MarketEvent {
                instrument: instrument.id,
                ts_event: now,
                kind: MarketKind::Mark(MarkUpdate {
                    mark,
                    index: mark,
                    funding_rate: RATE,
                    next_funding: Nanos::from_millis((now.as_millis() / FUNDING + 1) * FUNDING),
                }),
            }));
        }
        self.market.step(now, &events, &[], out);
    }

    fn next_deadline(&mut self) -> Option<Nanos> {
        let shift = self.shift;
        let data = match self.source.peek() {
            Some(Ok(event)) => Some(moved(event.ts_recv, shift)),
            Some(Err(_)) | None => None,
        };
        [self.market.next_deadline(), data].into_iter().flatten().min()
    }

    fn mid(&self, instrument: &Instrument) -> Option<FinePrice> {
        let (bid, ask) = (self.market.best(Side::Buy)?, self.market.best(Side::Sell)?);
        Some(instrument.mid(bid, ask))
    }
}

/// A time of the recording on today's clock.
fn moved(at: Nanos, shift: i64) -> Nanos {
    Nanos(at.0.saturating_add_signed(shift))
}

fn id(account: usize) -> AccountId {
    // At most `ACCOUNTS_MAX`, which was checked at birth.
    AccountId(account as u16)
}

/// What an account begins with.
fn opening(index: usize, account: &Account) -> Holdings {
    Holdings {
        account: id(index),
        position: Position::ZERO,
        cost: Usd::ZERO,
        wallet: Usd::from_decimal(account.balance),
        realized: Usd::ZERO,
        leverage: account.leverage,
        dead_man: None,
        orders: Vec::new(),
    }
}

/// What an account had.
fn holdings(index: usize, kept: &Kept) -> Holdings {
    let rested = |order: &KeptOrder| {
        let KeptOrder { client_id, venue_id, side, price, tif, qty, filled, reduce_only } = *order;
        Rested { client_id, venue_id, side, price, tif, qty, filled, reduce_only }
    };
    Holdings {
        account: id(index),
        position: kept.standing.position,
        cost: kept.standing.cost,
        wallet: kept.standing.wallet,
        realized: kept.standing.realized,
        leverage: kept.leverage,
        dead_man: kept.dead_man,
        orders: kept.orders.iter().map(rested).collect(),
    }
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
        let outputs = &mut self.outputs;
        machine!(&mut self.world, machine => machine.execute(id(account), now, command, outputs));
        self.collect();
    }

    fn take_events(&mut self, into: &mut Vec<AccountEvent>) {
        let events = &mut self.events;
        machine!(&mut self.world, machine => machine.take_events(events));
        into.extend(events.drain(..).map(|event| AccountEvent {
            account: usize::from(event.account.0),
            at: event.at,
            report: event.report,
            after: standing(event.after),
        }));
    }

    fn standing(&self, account: usize) -> Standing {
        standing(match &self.world {
            World::Simulated(machine) => machine.standing(id(account)),
            World::Recorded(replay) => replay.market.standing(id(account)),
        })
    }

    fn best(&self, side: Side) -> Option<Price> {
        match &self.world {
            World::Simulated(machine) => machine.book().best(side).map(|level| level.price),
            World::Recorded(replay) => replay.market.best(side),
        }
    }

    fn mark(&self) -> FinePrice {
        match &self.world {
            World::Simulated(machine) => machine.mark_price(),
            World::Recorded(replay) => replay.market.mark_price(),
        }
    }

    fn set_leverage(&mut self, account: usize, leverage: u32) {
        machine!(&mut self.world, machine => machine.set_leverage(id(account), leverage));
    }

    fn transfer(&mut self, account: usize, amount: Usd) {
        machine!(&mut self.world, machine => machine.transfer(id(account), amount));
    }

    fn trade_for(&mut self, account: usize, side: Side, price: Price, qty: Qty) {
        machine!(&mut self.world, machine => machine.trade_for(id(account), side, price, qty));
    }

    /// A recording has its own mark; it cannot be moved.
    fn set_mark(&mut self, price: FinePrice) {
        if let World::Simulated(machine) = &mut self.world {
            machine.inject(Injection::Mark(price));
        }
    }

    fn pay_funding(&mut self, rate: Rate) {
        machine!(&mut self.world, machine => machine.pay_funding(rate));
    }

    fn played(&self) -> Option<Nanos> {
        match &self.world {
            World::Simulated(_) => None,
            World::Recorded(replay) => replay.played,
        }
    }
}
