//! One turn: journal the facts, step the engine, journal the effects.

use engine::config::EngineConfig;
use engine::{Control, Engine, Input, Output};
use journal::{WriteError, Writer};
use market::Nanos;
use market::venue::VenueCommand;

/// Owns the engine: nobody else holds it mutably.
pub struct Turn {
    engine: Engine,
    journal: Option<Writer>,
    outputs: Vec<Output>,
    turns: u64,
    failure: Option<WriteError>,
    /// Bytes of journal segments: all before the current one, and the current one when last seen.
    finished_bytes: u64,
    segment_bytes: u64,
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
            finished_bytes: 0,
            segment_bytes: 0,
        }
    }

    /// Runs one turn and returns its effects.
    ///
    /// Without a record we do not trade: a batch that cannot be journaled is stepped together with an
    /// order to shut down, and when its effects cannot be journaled the shut-down follows at once and
    /// only what withdraws orders is let through. [`Turn::journal_failure`] tells why.
    pub fn run(&mut self, now: Nanos, batch: &[Input]) -> &[Output] {
        self.outputs.clear();
        self.turns += 1;
        let written = match &mut self.journal {
            Some(journal) => journal.inputs(now, batch).map(|_| ()),
            None => Ok(()),
        };
        if let Err(error) = written {
            self.give_up(error);
            let mut last = batch.to_vec();
            last.push(Input::Control(Control::Shutdown));
            self.engine.step(now, &last, &mut self.outputs);
            return &self.outputs;
        }
        self.engine.step(now, batch, &mut self.outputs);
        if let Err(error) = self.record_effects() {
            self.give_up(error);
            self.engine.step(now, &[Input::Control(Control::Shutdown)], &mut self.outputs);
            // The engine asks about what it believes was sent, and finds that it never arrived.
            self.outputs.retain(|output| !opens(output));
        }
        &self.outputs
    }

    fn give_up(&mut self, error: WriteError) {
        self.failure = Some(error);
        self.journal = None;
    }

    fn record_effects(&mut self) -> Result<(), WriteError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        journal.outputs(&self.outputs)?;
        if journal.wants_checkpoint() {
            journal.checkpoint(self.engine.state_hash())?;
        }
        Ok(())
    }

    /// Why the journal is no longer written, if it is not.
    pub fn journal_failure(&self) -> Option<&WriteError> {
        self.failure.as_ref()
    }

    /// Bytes journaled so far.
    pub fn journal_bytes(&mut self) -> u64 {
        let bytes = self.journal.as_ref().map_or(0, Writer::segment_bytes);
        if bytes < self.segment_bytes {
            self.finished_bytes += self.segment_bytes;
        }
        self.segment_bytes = bytes;
        self.finished_bytes + bytes
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
    pub fn finish(self) -> Result<u64, WriteError> {
        let hash = self.engine.state_hash();
        if let Some(mut journal) = self.journal {
            journal.end(hash)?;
        }
        Ok(hash)
    }
}

/// Whether an effect would put something into the book.
fn opens(output: &Output) -> bool {
    match output {
        Output::Venue(approved) => {
            matches!(approved.command(), VenueCommand::Place(_) | VenueCommand::Amend(_))
        }
        Output::Alert(_) | Output::Note(_) => false,
    }
}
