//! One turn: journal the facts, step the engine, journal the effects.

use engine::config::EngineConfig;
use engine::{Control, Engine, Input, Output};
use journal::{JournalError, Writer};
use market::Nanos;

/// Turns between two state hashes in the journal.
const CHECKPOINT_EVERY: u64 = 1_000;

/// Owns the engine: nobody else holds it mutably.
#[derive(Debug)]
pub struct Turn {
    engine: Engine,
    journal: Option<Writer>,
    outputs: Vec<Output>,
    turns: u64,
    failure: Option<JournalError>,
}

impl Turn {
    /// A new engine; with a journal, every turn is written to it.
    pub fn new(config: EngineConfig, journal: Option<Writer>) -> Self {
        Self {
            engine: Engine::new(config),
            journal,
            outputs: Vec::with_capacity(256),
            turns: 0,
            failure: None,
        }
    }

    /// Runs one turn and returns its effects.
    ///
    /// A batch that cannot be journaled is stepped all the same, together with an order to shut
    /// down: what was not recorded cannot be replayed, and without a record we do not trade.
    /// [`Turn::journal_failure`] tells why.
    pub fn run(&mut self, now: Nanos, batch: &[Input]) -> &[Output] {
        self.outputs.clear();
        let written = match &mut self.journal {
            Some(journal) => journal.inputs(now, batch),
            None => Ok(()),
        };
        self.engine.step(now, batch, &mut self.outputs);
        self.turns += 1;
        if let Err(error) = written.and_then(|()| self.record_effects()) {
            self.failure = Some(error);
            self.journal = None;
            self.engine.step(now, &[Input::Control(Control::Shutdown)], &mut self.outputs);
        }
        &self.outputs
    }

    fn record_effects(&mut self) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.outputs(&self.outputs)?;
        if self.turns.is_multiple_of(CHECKPOINT_EVERY) {
            journal.checkpoint(self.engine.state_hash())?;
        }
        Ok(())
    }

    /// Why the journal is no longer written, if it is not.
    pub fn journal_failure(&self) -> Option<&JournalError> {
        self.failure.as_ref()
    }

    /// Bytes journaled so far.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.as_ref().map_or(0, Writer::bytes_written)
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine's state for displays.
    pub fn snapshot(&mut self) -> engine::Snapshot {
        self.engine.snapshot()
    }

    /// Turns so far.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Closes the journal and returns the final state hash.
    ///
    /// # Errors
    /// When the last frames cannot be written.
    pub fn finish(self) -> Result<u64, JournalError> {
        let hash = self.engine.state_hash();
        if let Some(mut journal) = self.journal {
            journal.end(hash)?;
        }
        Ok(hash)
    }
}
