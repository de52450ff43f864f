//! A configuration on the recorded market: recorded answers are of no use to other orders, so that a
//! simulated venue gives new ones.

use std::collections::VecDeque;
use std::time::Duration;

use engine::config::EngineConfig;
use engine::{Control, Engine, Input, Output, Snapshot};
use market::venue::VenueCommand;
use market::{InstrumentId, MarketEvent, Nanos, Usd};
use sim_exchange::{Fees, Latency, RecordedConfig, RecordedMarket, SimOutput};

use super::decision::{Counts, Decision};
use super::plain;

/// At the end so long is waited until the orders are withdrawn.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// What the simulated venue takes from the recording besides the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When it opens.
    pub start: Nanos,
    /// Wallet to begin with: that of the first account report.
    pub wallet: Usd,
    /// Delays.
    pub latency: Latency,
}

/// An engine and its venue, at most as far as the recording.
pub(super) struct Simulated {
    engine: Engine,
    market: RecordedMarket,
    now: Nanos,
    /// What operators did and when.
    controls: VecDeque<(Nanos, Control)>,
    is_stopping: bool,
    batch: Vec<Input>,
    arrived: Vec<SimOutput>,
    commands: Vec<VenueCommand>,
    outputs: Vec<Output>,
    /// Decisions that nobody has taken yet.
    pub(super) decided: VecDeque<(Nanos, Decision)>,
    counts: Counts,
}

impl Simulated {
    /// `None` for a configuration without an instrument.
    pub(super) fn new(config: EngineConfig, terms: Terms) -> Option<Self> {
        let desk = config.desks.first()?;
        let market = RecordedMarket::new(RecordedConfig {
            balance: terms.wallet,
            fees: Fees { maker: desk.maker_fee, taker: desk.taker_fee },
            latency: terms.latency,
            ..RecordedConfig::new(desk.instrument.clone(), 1, terms.start)
        });
        Some(Self {
            engine: Engine::new(config),
            market,
            now: Nanos::ZERO,
            controls: VecDeque::new(),
            is_stopping: false,
            batch: Vec::new(),
            arrived: Vec::new(),
            commands: Vec::new(),
            outputs: Vec::new(),
            decided: VecDeque::new(),
            counts: Counts::default(),
        })
    }

    /// A recorded event that will happen at its `ts_event`; call [`advance`](Self::advance) up to
    /// there first.
    pub(super) fn hand_over(&mut self, event: &MarketEvent) {
        self.market.step(self.now, std::slice::from_ref(event), &[], &mut self.arrived);
        self.collect();
    }

    /// What an operator did at that time.
    pub(super) fn control(&mut self, at: Nanos, control: Control) {
        self.is_stopping |= control == Control::Shutdown;
        self.controls.push_back((at, control));
    }

    /// Lets everything happen that is due before `horizon`.
    pub(super) fn advance(&mut self, horizon: Nanos) {
        while let Some(at) = self.next().filter(|at| *at < horizon) {
            self.turn(at);
        }
    }

    /// Withdraws the orders and tells the result.
    pub(super) fn finish(&mut self, end: Nanos) -> (Snapshot, Counts) {
        self.advance(end);
        if !self.is_stopping {
            self.control(end, Control::Shutdown);
        }
        let limit = end + SHUTDOWN_LIMIT;
        while !self.engine.is_done()
            && let Some(at) = self.next().filter(|at| *at <= limit)
        {
            self.turn(at);
        }
        (self.engine.snapshot(), self.counts)
    }

    fn next(&self) -> Option<Nanos> {
        if !self.batch.is_empty() {
            return Some(self.now);
        }
        let control = self.controls.front().map(|(at, _)| *at);
        let due = [self.market.next_deadline(), self.engine.next_deadline(), control];
        due.into_iter().flatten().min().map(|at| at.max(self.now))
    }

    fn turn(&mut self, now: Nanos) {
        self.now = now;
        self.step_venue();
        while let Some((_, control)) = self.controls.pop_front_if(|(at, _)| *at <= now) {
            self.batch.push(Input::Control(control));
        }
        let is_due = self.engine.next_deadline().is_some_and(|at| at <= now);
        if self.batch.is_empty() && !is_due {
            return;
        }
        self.outputs.clear();
        self.engine.step(now, &self.batch, &mut self.outputs);
        self.batch.clear();
        for output in &self.outputs {
            if let Output::Venue(approved) = output {
                self.commands.push(approved.command().clone());
            }
            if let Some(decision) = Decision::of(&plain(output)) {
                self.counts.count(&[decision]);
                self.decided.push_back((now, decision));
            }
        }
        self.step_venue();
    }

    fn step_venue(&mut self) {
        self.market.step(self.now, &[], &self.commands, &mut self.arrived);
        self.commands.clear();
        self.collect();
    }

    fn collect(&mut self) {
        for output in self.arrived.drain(..) {
            self.batch.push(match output {
                SimOutput::Market(event) => Input::Market(event),
                SimOutput::Venue(report) => Input::Venue(InstrumentId(0), report),
            });
        }
    }
}
