//! One seed from beginning to end, and what it came to.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use engine::Control;
use engine::risk::Standstill;
use market::Nanos;
use siphasher::sip::SipHasher13;

use super::auditor::{RULES, Rule, Violation};
use super::disk::DiskChecks;
use super::kinds::KINDS;
use super::network::Traffic;
use super::plan::Plan;
use super::troubles::{Troubles, control, resume};
use super::world::World;

/// After the troubles: a ban lasts two minutes, connections are made in growing intervals.
const RECOVERY_MAX: Duration = Duration::from_secs(330);
/// From a pause until nothing rests any more.
const WITHDRAWAL_MAX: Duration = Duration::from_secs(45);
/// From there until position and money agree: a cash flow that was told twice, or never, is put right
/// when two comparisons have seen it.
const AGREEMENT_MAX: Duration = Duration::from_secs(100);
/// What the venue rounds at each fill.
const ROUNDING: i64 = 10_000_000_000;
/// A cash flow that nobody told us of is booked when it is more than this: the engine takes smaller
/// differences for rounding.
const WALLET_NOISE: i128 = 100_000_000_000_000;
const SECOND: Duration = Duration::from_secs(1);

/// What one seed came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The first broken rule, if any.
    pub violation: Option<Violation>,
    /// Simulated time.
    pub span: Duration,
    /// Equal on every machine.
    pub hash: u64,
    /// Troubles that happened, by kind, in the order of [`KINDS`].
    pub injected: Vec<u64>,
    /// Checks made, by rule, in the order of [`RULES`].
    pub checks: [u64; RULES.len()],
    /// What was checked on disk.
    pub disk: DiskChecks,
    /// Deaths of the trader.
    pub deaths: u64,
    /// Rounds of trouble and calm.
    pub rounds: u64,
    /// Executions of the account.
    pub fills: u64,
    /// Messages.
    pub traffic: Traffic,
    /// The longest time from calm to quoting.
    pub recovery_max: Duration,
    /// What the trader said last.
    pub story: Vec<String>,
}

/// Runs a plan to its end, or to the first broken rule.
///
/// # Errors
/// When the run cannot be set up on this machine.
pub(super) fn run(plan: &Plan, journaled: bool) -> Result<Outcome, String> {
    let world = World::new(plan.seed, journaled)?;
    let mut run = Run {
        start: world.now,
        world,
        troubles: Troubles::default(),
        next: 0,
        injected: vec![0; KINDS.len()],
        rounds: 0,
        recovery_max: Duration::ZERO,
        hasher: SipHasher13::new(),
    };
    let rounds = || {
        for round in &plan.rounds {
            run.storm(plan, round.storm);
            run.calm();
            if run.is_over() {
                break;
            }
        }
    };
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(rounds)).map_err(said);
    run.world.venue.auditor.judge(Rule::Sound, run.world.now, found);
    Ok(run.outcome(plan))
}

/// The words of a failed assertion. Where a panic ends the process, nobody comes to hear them here.
fn said(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

struct Run {
    world: World,
    start: Nanos,
    troubles: Troubles,
    /// The next trouble of the plan.
    next: usize,
    injected: Vec<u64>,
    rounds: u64,
    recovery_max: Duration,
    hasher: SipHasher13,
}

impl Run {
    fn is_over(&self) -> bool {
        self.world.venue.auditor.violation.is_some()
    }

    /// Troubles begin and end until then.
    fn storm(&mut self, plan: &Plan, until: Duration) {
        let until = self.start + until;
        while self.world.now < until && !self.is_over() {
            while let Some(planned) = plan.troubles.get(self.next)
                && self.start + planned.at <= self.world.now
            {
                self.next += 1;
                let kind = KINDS.iter().position(|kind| kind.name == planned.kind.name);
                self.injected[kind.unwrap_or(0)] += 1;
                self.troubles.begin(&mut self.world, *planned);
            }
            self.troubles.on_time(&mut self.world);
            let due = plan.troubles.get(self.next).map(|planned| self.start + planned.at);
            let due = [due, self.troubles.next_due(), Some(until)].into_iter().flatten().min();
            let due = due.unwrap_or(until).max(self.world.now + Duration::from_micros(1));
            if self.troubles.is_ending() {
                self.world.advance(due);
            } else {
                self.world.run(due);
            }
        }
    }

    /// No more troubles: both sides must agree again.
    fn calm(&mut self) {
        if self.is_over() {
            return;
        }
        self.troubles.calm_down(&mut self.world);
        self.rounds += 1;
        let began = self.world.now;
        if !self.await_quotes(RECOVERY_MAX) {
            return;
        }
        self.recovery_max = self.recovery_max.max(self.world.now.since(began));
        self.world.venue.auditor.stopped(self.world.now, false);
        control(&mut self.world, Control::Pause);
        self.agree();
        self.note();
        if !self.is_over() {
            resume(&mut self.world, false);
            self.await_quotes(Duration::from_secs(90));
        }
    }

    /// Until something of ours rests at the venue, or there is a good reason for nothing.
    fn await_quotes(&mut self, span: Duration) -> bool {
        let until = self.world.now + span;
        loop {
            let verdict = self.quotes();
            self.troubles.after_a_forced_close(&mut self.world);
            if verdict == Ok(true) || self.is_over() {
                self.world.venue.auditor.judge(Rule::Recovery, self.world.now, Ok(()));
                return !self.is_over();
            }
            if self.world.now >= until {
                let why = verdict.err().unwrap_or_else(|| String::from("nothing rests"));
                let found = Err(format!("not quoting {span:?} after calm: {why}"));
                self.world.venue.auditor.judge(Rule::Recovery, self.world.now, found);
                return false;
            }
            self.world.run(self.world.now + SECOND);
        }
    }

    /// Whether it quotes, or stands still with good reason; else why not.
    fn quotes(&mut self) -> Result<bool, String> {
        let halted = self.world.venue.auditor.is_halted();
        let lost = self.world.venue.auditor.may_have_lost();
        let resting = self.world.venue.auditor.resting();
        let Some(process) = &mut self.world.process else { return Err("no trader".to_owned()) };
        let snapshot = process.turn.snapshot();
        let desk = &snapshot.desks[0];
        let may_stand = |why: &Standstill| match why {
            Standstill::OperatorHalt => halted,
            Standstill::DailyLoss => lost,
            _ => false,
        };
        let stands_well = desk.standstill.iter().any(may_stand);
        let stands: Vec<&str> = desk.standstill.iter().map(|why| why.name()).collect();
        // A limit on losses is no reason not to be connected.
        let linked = desk.standstill.iter().all(|why| {
            let limited = *why == Standstill::PositionLimit;
            limited || stands_well && (may_stand(why) || *why == Standstill::BreakerOpen)
        });
        match (resting > 0 || stands_well) && linked && desk.position_known {
            true => Ok(true),
            false => Err(format!(
                "{stands:?}, {resting} rest, position {:?} of {:?}, wanted {:?}, orders {:?}, {:?}",
                desk.position, desk.max_position, desk.target, desk.orders, desk.counters
            )),
        }
    }

    /// Nothing rests, and position and money are the same on both sides.
    fn agree(&mut self) {
        let until = self.world.now + WITHDRAWAL_MAX;
        while self.orders() != (0, 0) && self.world.now < until && !self.is_over() {
            self.world.run(self.world.now + SECOND);
        }
        let left = self.orders();
        let found = match left {
            (0, 0) => Ok(()),
            (ours, theirs) => Err(format!("paused: {ours} orders by our books, {theirs} there")),
        };
        self.world.venue.auditor.judge(Rule::Agreement, self.world.now, found);
        let until = self.world.now + AGREEMENT_MAX;
        let mut found = self.compare();
        while found.is_err() && self.world.now < until && !self.is_over() {
            self.world.run(self.world.now + SECOND);
            found = self.compare();
        }
        self.world.venue.auditor.judge(Rule::Agreement, self.world.now, found);
    }

    /// Orders that may still trade: by the trader's books, and at the venue.
    fn orders(&mut self) -> (usize, usize) {
        let ours = self.world.process.as_mut().map_or(0, |process| {
            process.turn.snapshot().desks.iter().map(|desk| desk.orders.len()).sum()
        });
        (ours, self.world.venue.auditor.resting())
    }

    fn compare(&mut self) -> Result<(), String> {
        let (position, wallet) =
            (self.world.venue.auditor.position, self.world.venue.auditor.wallet);
        let fills = self.world.venue.auditor.fills.cast_signed();
        let Some(process) = &mut self.world.process else { return Err("no trader".to_owned()) };
        let snapshot = process.turn.snapshot();
        let desk = &snapshot.desks[0];
        if !desk.orders.is_empty() {
            return Err(format!("orders that the venue does not have: {:?}", desk.orders));
        }
        if desk.position != position {
            return Err(format!("position {:?}, at the venue {position:?}", desk.position));
        }
        let pnl = &snapshot.pnl;
        let ours = pnl.initial + pnl.realized - pnl.fees + pnl.funding + pnl.transfers;
        let off = (ours - wallet).abs();
        if off.raw() > WALLET_NOISE + i128::from(ROUNDING) * i128::from(fills + 1) {
            return Err(format!("wallet {ours}, at the venue {wallet}"));
        }
        let sources = pnl.spread_capture + pnl.inventory + pnl.basis + pnl.carried;
        match sources == pnl.realized + pnl.unrealized {
            true => Ok(()),
            false => {
                Err(format!("PnL by source {sources}, in all {}", pnl.realized + pnl.unrealized))
            }
        }
    }

    /// What the run has come to so far goes into its hash.
    fn note(&mut self) {
        let auditor = &self.world.venue.auditor;
        (self.world.now, auditor.position, auditor.wallet, auditor.fills).hash(&mut self.hasher);
        let traffic = self.world.net.traffic;
        (traffic.sent, traffic.received, traffic.lost).hash(&mut self.hasher);
        if let Some(process) = &self.world.process {
            process.turn.engine().state_hash().hash(&mut self.hasher);
        }
    }

    fn outcome(mut self, plan: &Plan) -> Outcome {
        self.note();
        let auditor = &mut self.world.venue.auditor;
        let violation = auditor.violation.take();
        let process = self.world.process.as_ref();
        Outcome {
            seed: plan.seed,
            violation,
            span: self.world.now.since(self.start),
            hash: self.hasher.finish(),
            injected: self.injected,
            checks: auditor.checks,
            disk: self.world.disk.checks,
            deaths: self.troubles.deaths,
            rounds: self.rounds,
            fills: auditor.fills,
            traffic: self.world.net.traffic,
            recovery_max: self.recovery_max,
            story: process.map(|p| p.story.iter().cloned().collect()).unwrap_or_default(),
        }
    }
}
