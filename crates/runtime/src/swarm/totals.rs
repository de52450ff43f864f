//! What many seeds came to.

use std::time::Duration;

use super::auditor::RULES;
use super::disk::DiskChecks;
use super::kinds::KINDS;
use super::network::Traffic;
use super::run::Outcome;

/// Sums over seeds.
#[derive(Clone, Debug)]
pub struct Totals {
    /// Seeds run.
    pub seeds: u64,
    /// Simulated time.
    pub span: Duration,
    /// Troubles by kind, in the order of [`KINDS`].
    pub injected: Vec<u64>,
    /// Checks by rule, in the order of [`RULES`].
    pub checks: [u64; RULES.len()],
    /// What was checked on disk.
    pub disk: DiskChecks,
    /// Deaths of the trader, each at another moment.
    pub deaths: u64,
    /// Rounds of trouble and calm.
    pub rounds: u64,
    /// Executions.
    pub fills: u64,
    /// Messages.
    pub traffic: Traffic,
    /// The longest time from calm to quoting.
    pub recovery_max: Duration,
    /// Of the hashes of all seeds, whatever the order in which they ran.
    pub hash: u64,
    /// Outcomes with a broken rule, by seed.
    pub failures: Vec<Outcome>,
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            seeds: 0,
            span: Duration::ZERO,
            injected: vec![0; KINDS.len()],
            checks: [0; RULES.len()],
            disk: DiskChecks::default(),
            deaths: 0,
            rounds: 0,
            fills: 0,
            traffic: Traffic::default(),
            recovery_max: Duration::ZERO,
            hash: 0,
            failures: Vec::new(),
        }
    }
}

impl Totals {
    /// Adds what one seed came to.
    pub fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.span += outcome.span;
        let injected = self.injected.iter_mut().zip(&outcome.injected);
        injected.for_each(|(sum, count)| *sum += count);
        let checks = self.checks.iter_mut().zip(outcome.checks);
        checks.for_each(|(sum, count)| *sum += count);
        self.disk.torn += outcome.disk.torn;
        self.disk.replays += outcome.disk.replays;
        self.disk.turns += outcome.disk.turns;
        self.deaths += outcome.deaths;
        self.rounds += outcome.rounds;
        self.fills += outcome.fills;
        self.traffic.sent += outcome.traffic.sent;
        self.traffic.received += outcome.traffic.received;
        self.traffic.lost += outcome.traffic.lost;
        self.recovery_max = self.recovery_max.max(outcome.recovery_max);
        // Addition does not mind the order.
        self.hash = self.hash.wrapping_add(outcome.hash.rotate_left(outcome.seed as u32 % 64));
        if outcome.violation.is_some() {
            let place = self.failures.partition_point(|other| other.seed < outcome.seed);
            self.failures.insert(place, outcome);
        }
    }
}
