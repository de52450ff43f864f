//! One life of the trader: engine, client and clock, from its start to its death.

use std::collections::VecDeque;
use std::time::Duration;

use binance::client::{Client, Effect, Event};
use engine::carry::CarriedLatches;
use engine::risk::BreakerState;
use engine::{Alert, Carry, Control, EngineConfig, Input, Output};
use market::venue::VenueCommand;
use market::{InstrumentId, Nanos};

use super::disk::Disk;
use crate::turn::Turn;

/// How often what must outlive the process is written.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// Lines of its log that are remembered for whoever looks into a failure.
const STORY: usize = 60;

/// A running trader.
pub(super) struct Process {
    pub(super) life: u32,
    pub(super) turn: Turn,
    pub(super) client: Client,
    /// Its clock is ahead of the venue's by so much.
    pub(super) ahead: Duration,
    /// It does nothing before.
    pub(super) asleep_until: Nanos,
    batch: Vec<Input>,
    pub(super) effects: Vec<Effect>,
    commands: Vec<VenueCommand>,
    latched: Option<(CarriedLatches, BreakerState)>,
    keep_due: Nanos,
    /// What it said lately.
    pub(super) story: VecDeque<String>,
}

impl Process {
    /// Starts; what the last life left is the first fact.
    ///
    /// # Errors
    /// When its disk does not do what a disk should.
    pub(super) fn start(
        now: Nanos,
        config: &EngineConfig,
        client: Client,
        disk: &mut Disk,
        kept: Option<Carry>,
    ) -> Result<Self, String> {
        let journal = disk.journal(now, config)?;
        let restore = kept.map(|carry| Input::Control(Control::Restore(Box::new(carry))));
        let mut process = Self {
            life: config.session,
            turn: Turn::new(config.clone(), journal),
            client,
            ahead: Duration::ZERO,
            asleep_until: Nanos::ZERO,
            batch: restore.into_iter().collect(),
            effects: Vec::new(),
            commands: Vec::new(),
            latched: None,
            keep_due: now,
            story: VecDeque::new(),
        };
        process.client.start(now, &mut process.effects);
        Ok(process)
    }

    /// What its clock says.
    pub(super) fn clock(&self, now: Nanos) -> Nanos {
        now + self.ahead
    }

    /// When it does something by itself, in true time.
    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        let deadlines = [self.client.next_deadline(), self.turn.engine().next_deadline()];
        let next = deadlines.into_iter().flatten().min()?;
        Some(Nanos(next.0.saturating_sub(self.ahead.as_nanos() as u64)).max(self.asleep_until))
    }

    pub(super) fn hears(&mut self, now: Nanos, event: Event<'_>) {
        self.client.on_event(self.clock(now), event, &mut self.effects);
    }

    pub(super) fn control(&mut self, control: Control) {
        self.batch.push(Input::Control(control));
    }

    /// Lets the client act on what time has brought.
    pub(super) fn on_time(&mut self, now: Nanos) {
        self.client.on_time(self.clock(now), &mut self.effects);
    }

    /// A fact for the engine, or something for the network, which is given back.
    pub(super) fn absorb(&mut self, now: Nanos, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Market(event) => self.batch.push(Input::Market(event)),
            Effect::Report(report) => self.batch.push(Input::Venue(InstrumentId(0), report)),
            Effect::Log(log) => self.tell(now, &format!("{:?} {}", log.level, log.message)),
            Effect::Open { .. }
            | Effect::Send { .. }
            | Effect::Ping(_)
            | Effect::Close(_)
            | Effect::Http { .. } => return Some(effect),
        }
        None
    }

    fn tell(&mut self, now: Nanos, line: &str) {
        if self.story.len() >= STORY {
            self.story.pop_front();
        }
        self.story.push_back(format!("{now} {line}"));
    }

    /// One turn, if there is a reason; then what must outlive us is written.
    pub(super) fn step(&mut self, now: Nanos, disk: &mut Disk) {
        let clock = self.clock(now);
        let due = self.turn.turns() == 0
            || self.turn.engine().next_deadline().is_some_and(|at| at <= clock);
        if self.batch.is_empty() && !due {
            return;
        }
        let mut told: Vec<Alert> = Vec::new();
        for output in self.turn.run(clock, &self.batch) {
            match output {
                Output::Venue(approved) => self.commands.push(approved.command().clone()),
                Output::Alert(alert) => told.push(alert.clone()),
                Output::Note(_) => {}
            }
        }
        self.batch.clear();
        for alert in told {
            self.tell(now, &format!("{:?} {}", alert.level, alert.message));
        }
        for command in std::mem::take(&mut self.commands) {
            self.client.command(clock, &command, &mut self.effects);
        }
        self.keep(now, disk);
    }

    /// What is latched is on disk before the next turn; the rest may be a second old.
    fn keep(&mut self, now: Nanos, disk: &mut Disk) {
        let latched = self.turn.engine().latched();
        let changed = self.latched != Some(latched);
        if !changed && now < self.keep_due {
            return;
        }
        self.keep_due = now + KEEP_EVERY;
        if let Some(carry) = self.turn.engine().carry() {
            self.latched = Some(latched);
            disk.keep(carry, changed);
        }
    }
}
