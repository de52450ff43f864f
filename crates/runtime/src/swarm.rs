//! The swarm: whole trading days of trouble in seconds, by seed.
//!
//! Trader (engine, turn, journal, client with its codecs), network, clock and venue (protocol and
//! matching machine) run on one thread on simulated time. Bytes flow both ways, as over sockets. A seed
//! decides everything beforehand, as data: set-up and troubles ([`Plan`]). An auditor that knows only the
//! venue's truth judges every step against [`RULES`]; from time to time the troubles end, and both sides
//! must agree to the last unit. The same seed does the same on every machine.
//!
//! Modules in reading order: [`kinds`] (what goes wrong), `plan` (when), `setup` (with whom), `world`
//! (trader, network and venue put together), `network`, `process` and `disk` (one life of the trader
//! and what outlives it), `troubles` (how it goes wrong), `witness`, `senses` and `auditor` (who looks),
//! `run` (one seed), `shrink` (a failure made small), `totals` (many seeds), `mutants` (traders that are
//! broken on purpose, to prove that the auditor sees it).

mod auditor;
mod dice;
mod disk;
pub mod kinds;
mod mutants;
mod network;
mod plan;
mod process;
mod run;
mod senses;
mod setup;
mod shrink;
mod totals;
mod troubles;
mod witness;
mod world;

use std::thread::JoinHandle;
use std::time::Duration;

pub use auditor::{RULES, Violation};
pub use disk::DiskChecks;
pub use kinds::{Class, KINDS, Kind};
pub use mutants::Mutant;
pub use network::Traffic;
pub use plan::{Plan, Planned, Profile};
pub use run::Outcome;
pub use shrink::Shrunk;
pub use totals::Totals;

/// Journals are kept for one seed in so many: they cost more time than all the rest.
const JOURNALED: u64 = 8;

/// What to run besides the seed.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Simulated time until the last trouble.
    pub span: Duration,
    /// Which troubles.
    pub profile: Profile,
    /// What is broken on purpose; only where [`Mutant::BUILT`].
    pub mutant: Option<Mutant>,
}

impl Options {
    /// What a seed decides.
    pub fn plan(&self, seed: u64) -> Plan {
        Plan::draw(seed, self.span, self.profile)
    }

    /// Runs one seed.
    ///
    /// # Errors
    /// When the run cannot be set up on this machine.
    pub fn run(&self, seed: u64) -> Result<Outcome, String> {
        mutants::choose(self.mutant);
        let outcome = run::run(&self.plan(seed), is_journaled(seed));
        mutants::choose(None);
        outcome
    }

    /// Looks for fewer troubles that break the same rule; `None` when the seed breaks none. The search
    /// is bounded, and ended by `goes_on`, which is told how many runs it has taken.
    ///
    /// # Errors
    /// When runs cannot be set up on this machine.
    pub fn shrink(
        &self,
        seed: u64,
        goes_on: impl FnMut(u32) -> bool,
    ) -> Result<Option<Shrunk>, String> {
        mutants::choose(self.mutant);
        let shrunk = shrink::shrink(&self.plan(seed), is_journaled(seed), goes_on);
        mutants::choose(None);
        shrunk
    }
}

fn is_journaled(seed: u64) -> bool {
    seed.is_multiple_of(JOURNALED)
}

/// A thread for seeds: each runs on one.
///
/// # Errors
/// When the system has no room for another thread.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    crate::clock::spawn(name, work)
}
