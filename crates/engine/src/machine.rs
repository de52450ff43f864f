//! [`Engine`]: absorb every fact, then decide once.

use std::hash::Hasher;
use std::time::Duration;

use market::{Nanos, Usd};
use siphasher::sip::SipHasher13;

use crate::carry::{CarriedLatches, Carry, Meanwhile};
use crate::config::EngineConfig;
use crate::desk::{Context, Desk, Standstills};
use crate::input::{Control, Input};
use crate::mutants::{self, Mutant};
use crate::output::{Alert, AlertKind, AlertLevel, Note, Output};
use crate::risk::pnl::Breach;
use crate::risk::{Breaker, BreakerState, Mode, PnlMonitor, RiskLevel, Standstill};
use crate::snapshot::{BreakerView, PnlView, Snapshot, Utilisation};

/// A risk level stays this long after its cause has gone, so that it does not flicker.
const LEVEL_HOLD: Duration = Duration::from_secs(10);

/// The whole machine: one account, one desk per instrument.
#[derive(Clone, Debug)]
pub struct Engine {
    now: Nanos,
    session: u32,
    /// Fingerprint of the configuration in force.
    config: u64,
    sequence: u32,
    desks: Vec<Desk>,
    monitor: PnlMonitor,
    breaker: Breaker,
    breaker_told: BreakerState,
    /// Wallet of the account at the first report, before anything of this session.
    initial: Option<Usd>,
    latches: Latches,
    level: RiskLevel,
    /// When the risk level was last seen to be as high as it stands.
    level_held: Nanos,
}

/// What stands until somebody or something lifts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Latches {
    paused: bool,
    halted: bool,
    shutdown: bool,
    /// Until 00:00 UTC.
    daily_loss: bool,
    drawdown: bool,
    /// The position limit has tripped the breaker once for the present excess.
    position: bool,
}

impl Engine {
    /// A machine that knows nothing yet; it quotes once the venue has confirmed everything.
    ///
    /// # Panics
    /// When a desk's instrument id is not its index.
    pub fn new(config: EngineConfig) -> Self {
        for (index, desk) in config.desks.iter().enumerate() {
            assert_eq!(usize::from(desk.instrument.id.0), index, "instrument ids number the desks");
        }
        let (fingerprint, sole) = (fingerprint(&config), config.desks.len() == 1);
        let desks = config.desks.into_iter();
        Self {
            now: Nanos::ZERO,
            session: config.session,
            config: fingerprint,
            sequence: 0,
            monitor: PnlMonitor::new(&config.loss),
            breaker: Breaker::new(&config.breaker),
            breaker_told: BreakerState::Closed,
            desks: desks.map(|desk| Desk::new(desk, sole)).collect(),
            initial: None,
            latches: Latches::default(),
            level: RiskLevel::Low,
            level_held: Nanos::ZERO,
        }
    }

    /// Absorbs every fact in `batch`, then decides once; effects are appended to `out`.
    ///
    /// An empty batch means only time has passed.
    ///
    /// # Panics
    /// When `now` is earlier than in the step before, or on a bug of ours (a failed invariant).
    pub fn step(&mut self, now: Nanos, batch: &[Input], out: &mut Vec<Output>) {
        assert!(self.now <= now, "time ran backwards: {} after {}", now, self.now);
        self.now = now;
        for input in batch {
            self.absorb(input, out);
        }
        self.expire(out);
        self.assess(out);
        for index in 0..self.desks.len() {
            self.with_desk(index, out, Desk::decide);
        }
        self.desks.iter().for_each(Desk::assert_invariants);
    }

    /// When to step even if nothing arrives.
    pub fn next_deadline(&self) -> Option<Nanos> {
        let desks = self.desks.iter().filter_map(|desk| desk.next_deadline(self.now));
        let midnight = Some(self.now.next_utc_midnight());
        desks.chain(self.breaker.next_deadline()).chain(midnight).min()
    }

    /// Equal hashes mean equal futures.
    pub fn state_hash(&self) -> u64 {
        use std::hash::Hash;
        let mut hasher = SipHasher13::new();
        (self.level, self.level_held).hash(&mut hasher);
        (self.now, self.session, self.config, self.sequence).hash(&mut hasher);
        (self.initial, self.latches).hash(&mut hasher);
        self.monitor.hash(&mut hasher);
        self.breaker.hash(&mut hasher);
        self.desks.iter().for_each(|desk| desk.hash_into(&mut hasher));
        hasher.finish()
    }

    /// Whether the machine is shutting down and nothing of ours can trade any more.
    pub fn is_done(&self) -> bool {
        self.latches.shutdown && self.desks.iter().all(Desk::is_flat)
    }

    fn with_desk<R>(
        &mut self,
        index: usize,
        out: &mut Vec<Output>,
        work: impl FnOnce(&mut Desk, &mut Context<'_>) -> R,
    ) -> R {
        let mut context = Context {
            now: self.now,
            session: self.session,
            sequence: &mut self.sequence,
            breaker: &mut self.breaker,
            out,
        };
        work(&mut self.desks[index], &mut context)
    }

    fn absorb(&mut self, input: &Input, out: &mut Vec<Output>) {
        match input {
            Input::Market(event) => {
                if let Some(desk) = self.desks.get_mut(usize::from(event.instrument.0)) {
                    desk.market(self.now, event);
                }
            }
            Input::Venue(instrument, report) => {
                let index = usize::from(instrument.0);
                if index < self.desks.len() {
                    self.with_desk(index, out, |desk, ctx| desk.report(ctx, report));
                    self.monitor.transfer(self.desks[index].take_transfers());
                    self.latches.halted |= self.desks[index].take_halt();
                }
            }
            Input::Control(control) => self.control(control, out),
        }
    }

    fn control(&mut self, control: &Control, out: &mut Vec<Output>) {
        let now = self.now;
        let revives = matches!(control, Control::Resume { .. } | Control::Flatten);
        if self.latches.shutdown && revives {
            let message = String::from("operator: too late, the process is stopping");
            return alert(out, AlertLevel::Warning, AlertKind::Operator, message);
        }
        let said = match control {
            Control::Pause => {
                self.latches.paused = true;
                "paused"
            }
            Control::Resume { clear_halt: false } => {
                self.latches.paused = false;
                "resumed"
            }
            Control::Resume { clear_halt: true } => {
                let shutdown = self.latches.shutdown;
                let daily_loss = self.latches.daily_loss;
                self.latches = Latches { shutdown, daily_loss, ..Latches::default() };
                self.monitor.reset_peak();
                self.initial = None;
                self.desks.iter_mut().for_each(|desk| {
                    desk.accept_drift();
                    desk.stop_flattening();
                });
                "resumed, halts cleared"
            }
            Control::Halt => {
                self.latches.halted = true;
                self.desks.iter_mut().for_each(Desk::stop_flattening);
                "halted"
            }
            Control::Flatten => {
                self.latches.halted = true;
                self.desks.iter_mut().for_each(|desk| desk.flatten(now));
                "halted and flattening"
            }
            Control::ResetBreaker => {
                self.breaker.reset();
                "circuit breaker reset"
            }
            Control::Configure(config) => {
                self.configure(config);
                out.push(Output::Note(Note::Configured));
                "configuration replaced"
            }
            Control::Shutdown => {
                self.latches.shutdown = true;
                self.desks.iter_mut().for_each(Desk::stop_flattening);
                "shutting down"
            }
            Control::Restore(carry) => return self.restore(carry, out),
        };
        alert(out, AlertLevel::Info, AlertKind::Operator, format!("operator: {said}"));
    }

    /// Goes on where an earlier session stood, before anything of the account is known.
    fn restore(&mut self, carry: &Carry, out: &mut Vec<Output>) {
        if self.initial.is_some() || self.monitor.baselines().is_some() {
            let message = String::from("too late to restore: the account is known already");
            return alert(out, AlertLevel::Warning, AlertKind::Operator, message);
        }
        let kept = carry.latches;
        self.latches.paused |= kept.paused;
        self.latches.halted |= kept.halted && !mutants::is(Mutant::ForgetHalt);
        let remembers = !mutants::is(Mutant::ForgetDailyLoss);
        self.latches.daily_loss |= kept.daily_loss && remembers;
        self.latches.drawdown |= kept.drawdown;
        self.breaker.restore(&carry.breaker);
        if let Some(baselines) = carry.baselines.as_ref().filter(|_| remembers) {
            self.monitor.restore(baselines);
        }
        let mut books = 0;
        for (index, desk) in self.desks.iter_mut().enumerate() {
            // Cash belongs to the account: it is booked once, on the first desk.
            let meanwhile = if index == 0 { carry.meanwhile } else { Meanwhile::default() };
            let symbol = desk.instrument().symbol().to_owned();
            let carried = carry.desks.iter().find(|carried| carried.symbol == symbol);
            books += usize::from(carried.is_some_and(|carried| desk.restore(carried, meanwhile)));
            self.monitor.transfer(desk.take_transfers());
        }
        let message = format!(
            "restored from session {:08x} of {}: {books} of {} books, breaker {}{}",
            carry.session,
            carry.at,
            self.desks.len(),
            carry.breaker.state.name(),
            if kept == CarriedLatches::default() { "" } else { ", and what was latched" },
        );
        alert(out, AlertLevel::Info, AlertKind::Operator, message);
    }

    /// What a restart must not forget at any price: when it changes, it must be on disk.
    pub fn latched(&self) -> (CarriedLatches, BreakerState) {
        let Latches { paused, halted, daily_loss, drawdown, .. } = self.latches;
        (CarriedLatches { paused, halted, daily_loss, drawdown }, self.breaker.state())
    }

    /// What a restart must not forget, as of the last step. Allocates; call it when something may have
    /// changed, not every step.
    pub fn carry(&self) -> Option<Carry> {
        let desks: Vec<_> = self.desks.iter().filter_map(Desk::carry).collect();
        let (latches, _) = self.latched();
        // Without the account there are no books newer than what the session began with; but a halt must
        // not be lost, and books that an operator has given up for the venue's are of no use.
        if desks.len() != self.desks.len() && latches == CarriedLatches::default() {
            return None;
        }
        Some(Carry {
            at: self.now,
            session: self.session,
            latches,
            baselines: self.monitor.baselines(),
            breaker: self.breaker.carry(),
            desks,
            meanwhile: Meanwhile::default(),
        })
    }

    fn configure(&mut self, config: &EngineConfig) {
        assert_eq!(config.desks.len(), self.desks.len(), "the set of instruments cannot change");
        self.config = fingerprint(config);
        self.monitor.configure(&config.loss);
        self.breaker.configure(&config.breaker);
        for (desk, config) in self.desks.iter_mut().zip(&config.desks) {
            desk.configure(config.clone());
        }
    }

    fn expire(&mut self, out: &mut Vec<Output>) {
        self.breaker.expire(self.now);
        for index in 0..self.desks.len() {
            self.with_desk(index, out, Desk::expire);
        }
    }

    /// Judges losses, breaker and readiness, and sets every desk's mode.
    fn assess(&mut self, out: &mut Vec<Output>) {
        self.watch_losses(out);
        self.watch_position(out);
        self.tell_breaker(out);
        let latches = self.latches;
        let account_wide = [
            (latches.shutdown, Standstill::Shutdown),
            (latches.halted, Standstill::OperatorHalt),
            (latches.drawdown, Standstill::Drawdown),
            (latches.daily_loss, Standstill::DailyLoss),
            (self.breaker.is_open(), Standstill::BreakerOpen),
            (latches.paused, Standstill::Paused),
        ];
        for index in 0..self.desks.len() {
            let mut reasons = Standstills::new();
            reasons.extend(account_wide.iter().filter(|(holds, _)| *holds).map(|(_, why)| *why));
            self.desks[index].standstills(self.now, &mut reasons);
            let mode = reasons.iter().map(|why| why.mode()).max().unwrap_or(Mode::Quoting);
            self.with_desk(index, out, |desk, ctx| desk.set_mode(ctx, mode, reasons));
        }
        self.judge(out);
    }

    fn watch_losses(&mut self, out: &mut Vec<Output>) {
        if self.initial.is_none() {
            // One account: every desk reports the same wallet, so the first one serves.
            self.initial = self.desks.iter().find_map(Desk::wallet);
        }
        let known = self.desks.iter().all(|desk| desk.wallet().is_some());
        let (Some(equity), true) = (self.equity(), known) else { return };
        if let Some(day_pnl) = self.monitor.observe(self.now, equity) {
            out.push(Output::Note(Note::DayClosed { day_pnl }));
            self.latches.daily_loss = false;
        }
        if mutants::is(Mutant::LossRecovers) {
            self.latches.daily_loss = false;
        }
        for breach in self.monitor.breaches() {
            let (latch, kind, reason, lasts) = match breach {
                Breach::DailyLoss => (
                    &mut self.latches.daily_loss,
                    AlertKind::DailyLoss,
                    "daily loss limit",
                    "trading stops until 00:00 UTC",
                ),
                Breach::Drawdown => (
                    &mut self.latches.drawdown,
                    AlertKind::Drawdown,
                    "drawdown limit",
                    "trading stops until `trader resume --clear-halt`",
                ),
            };
            if !*latch {
                *latch = true;
                self.breaker.trip(self.now, reason);
                let message = format!(
                    "{reason} reached: day {:.2}, drawdown {:.2} from {:.2}; {lasts}",
                    self.monitor.day_pnl(),
                    self.monitor.drawdown(),
                    self.monitor.peak(),
                );
                alert(out, AlertLevel::Critical, kind, message);
            }
        }
    }

    fn watch_position(&mut self, out: &mut Vec<Output>) {
        let over = self.desks.iter().find(|desk| desk.is_over_limit());
        if let Some(desk) = over
            && !self.latches.position
        {
            self.breaker.trip(self.now, "position limit");
            let message = format!("{}: position is beyond its limit", desk.instrument().symbol());
            alert(out, AlertLevel::Critical, AlertKind::PositionLimit, message);
        }
        self.latches.position = over.is_some();
    }

    fn tell_breaker(&mut self, out: &mut Vec<Output>) {
        let (from, to) = (self.breaker_told, self.breaker.state());
        if from != to {
            out.push(Output::Note(Note::Breaker { from, to }));
            if self.breaker.is_open() && !matches!(from, BreakerState::Open { .. }) {
                let message = format!("circuit breaker opened: {}", self.breaker.reason());
                alert(out, AlertLevel::Critical, AlertKind::BreakerOpen, message);
            }
            self.breaker_told = to;
        }
    }

    /// Raises the risk level at once and lowers it when it has been lower for a while.
    fn judge(&mut self, out: &mut Vec<Output>) {
        let level = self.judge_level();
        if level >= self.level {
            self.level_held = self.now;
        }
        let lower = level < self.level && self.now.since(self.level_held) >= LEVEL_HOLD;
        if level > self.level || lower {
            out.push(Output::Note(Note::RiskLevel { from: self.level, to: level }));
            (self.level, self.level_held) = (level, self.now);
        }
    }

    fn judge_level(&mut self) -> RiskLevel {
        let latches = self.latches;
        if latches.daily_loss || latches.drawdown || latches.position || self.breaker.is_open() {
            return RiskLevel::Critical;
        }
        let monitor = &self.monitor;
        let mut used = [
            (-monitor.day_pnl()).ratio(monitor.limits().daily_loss),
            monitor.drawdown().ratio(monitor.drawdown_allowed()),
        ]
        .into_iter()
        .fold(0.0, f64::max);
        for desk in &mut self.desks {
            used = f64::max(used, desk.pressure(self.now));
        }
        match used {
            1.0.. => RiskLevel::Critical,
            0.8.. => RiskLevel::High,
            0.5.. => RiskLevel::Medium,
            _ => RiskLevel::Low,
        }
    }

    /// Wallet at the start, plus all cash since, plus open positions at mark.
    fn equity(&self) -> Option<Usd> {
        let moved = |desk: &Desk| desk.ledger().cash() + desk.unrealized(self.now);
        Some(self.initial? + self.desks.iter().map(moved).sum())
    }

    /// The state for displays. Allocates; call it a few times a second, not every step.
    pub fn snapshot(&mut self) -> Snapshot {
        let utilisation = self.utilisation();
        let now = self.now;
        let desks: Vec<_> = self.desks.iter().map(|desk| desk.view(now)).collect();
        let retry_at = self.breaker.next_deadline();
        Snapshot {
            now,
            session: self.session,
            mode: desks.iter().map(|desk| desk.mode).max().unwrap_or(Mode::Halted),
            paused: self.latches.paused,
            halted: self.latches.halted || self.latches.drawdown || self.latches.daily_loss,
            risk_level: self.level,
            breaker: BreakerView {
                state: self.breaker.state(),
                failures: self.breaker.failures(),
                threshold: self.breaker.threshold(),
                opened: self.breaker.opened(),
                reason: self.breaker.reason().to_owned(),
                retry_at,
            },
            utilisation,
            pnl: self.pnl(desks.iter().map(|desk| &desk.pnl)),
            desks,
        }
    }

    fn pnl<'a>(&self, desks: impl Iterator<Item = &'a PnlView>) -> PnlView {
        let mut sum = PnlView::default();
        for desk in desks {
            sum.realized += desk.realized;
            sum.unrealized += desk.unrealized;
            sum.fees += desk.fees;
            sum.funding += desk.funding;
            sum.transfers += desk.transfers;
            sum.total += desk.total;
            sum.spread_capture += desk.spread_capture;
            sum.inventory += desk.inventory;
            sum.basis += desk.basis;
            sum.carried += desk.carried;
            sum.worst_trade = sum.worst_trade.min(desk.worst_trade);
        }
        PnlView {
            equity: self.monitor.equity(),
            initial: self.initial.unwrap_or_default(),
            peak: self.monitor.peak(),
            day: self.monitor.day_pnl(),
            drawdown: self.monitor.drawdown(),
            max_drawdown: self.monitor.max_drawdown(),
            ..sum
        }
    }

    fn utilisation(&mut self) -> Vec<Utilisation> {
        let monitor = &self.monitor;
        let mut all = vec![
            Utilisation {
                limit: "daily_loss_limit",
                used: (-monitor.day_pnl()).max(Usd::ZERO).to_f64(),
                allowed: monitor.limits().daily_loss.to_f64(),
            },
            Utilisation {
                limit: "max_drawdown_limit",
                used: monitor.drawdown_rate().decimal().to_f64(),
                allowed: monitor.limits().drawdown.decimal().to_f64(),
            },
        ];
        let now = self.now;
        all.extend(self.desks.iter_mut().flat_map(|desk| desk.utilisation(now)));
        all
    }
}

/// Equal for equal configurations; floats count by their shortest exact spelling.
fn fingerprint(config: &EngineConfig) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(format!("{config:?}").as_bytes());
    hasher.finish()
}

fn alert(out: &mut Vec<Output>, level: AlertLevel, kind: AlertKind, message: String) {
    out.push(Output::Alert(Alert { level, kind, message }));
}
