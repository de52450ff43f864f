//! Replay: the same inputs through the same engine must give the same outputs, bit for bit.
//!
//! [`what_if`] asks what another configuration would have made of them.

pub mod decision;
mod simulate;
pub mod what_if;

use std::path::{Path, PathBuf};

use engine::{Engine, Input, Output, RecordedOutput, Snapshot};
use journal::{Entry, ReadError, Reader, Record, Tail};
use market::Nanos;

/// Why a replay could not be done.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The journal cannot be opened.
    #[error(transparent)]
    Journal(#[from] ReadError),
    /// Only a part of a session was given.
    #[error(
        "{} is segment {segment} of a session, and what came before it is needed to replay it; give the \
         session's folder", .path.display()
    )]
    NotFromTheStart {
        /// The segment's file.
        path: PathBuf,
        /// Its number.
        segment: u32,
    },
}

/// The first place where a replay and its record differ.
#[derive(Debug)]
pub struct Difference {
    /// Turn, counted from 1.
    pub turn: u64,
    /// Engine time of the turn.
    pub now: Nanos,
    /// What differs.
    pub what: What,
    /// The inputs of the turn.
    pub inputs: Vec<Input>,
    /// The outputs of the turn, as replayed.
    pub outputs: Vec<RecordedOutput>,
    /// The engine's state before the turn.
    pub before: Box<Snapshot>,
}

/// What differs.
#[derive(Debug)]
pub enum What {
    /// One output, by its place in the turn; `None` where one side has fewer.
    Output {
        /// Which one, counted from 0.
        index: usize,
        /// What the journal has.
        recorded: Box<Option<RecordedOutput>>,
        /// What the engine said now.
        replayed: Box<Option<RecordedOutput>>,
    },
    /// The outputs agree and the state does not.
    State {
        /// What the journal has.
        recorded: u64,
        /// What the engine has now.
        replayed: u64,
    },
}

/// A replayed session.
#[derive(Debug)]
pub struct Replayed {
    /// Turns replayed.
    pub turns: u64,
    /// Outputs compared.
    pub outputs: u64,
    /// State hashes compared.
    pub hashes: u64,
    /// Time of the first and last turn.
    pub span: (Nanos, Nanos),
    /// Hash of the final state.
    pub state_hash: u64,
    /// How the journal ends: cleanly, or cut by a crash; `None` when it was not read to its end.
    pub tail: Option<Tail>,
    /// Why it could not be read to its end; what came before is replayed.
    pub damage: Option<ReadError>,
    /// The first difference, if any; replay stops there.
    pub difference: Option<Difference>,
    /// The engine's state at the end.
    pub snapshot: Snapshot,
}

/// Replays a journal and compares every output and every recorded state hash. With `until`, stops
/// before the first turn after it. Damage ends it too ([`Replayed::damage`]).
///
/// # Errors
/// [`ReplayError`] when the journal is missing, of another version, or begins in the middle.
pub fn replay(
    path: &Path,
    until: Option<Nanos>,
    mut progress: impl FnMut(u64, u64),
) -> Result<Replayed, ReplayError> {
    let mut reader = open(path)?;
    let mut replay = Replay::new(Engine::new(reader.header().config.clone()));
    let mut damage = None;
    while replay.found.is_none()
        && let Some(record) = reader.next()
    {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                damage = Some(error);
                break;
            }
        };
        if let Entry::Inputs { now, .. } = &record.entry
            && until.is_some_and(|until| *now > until)
        {
            break;
        }
        replay.take(record);
        let (bytes, size, _) = reader.progress();
        progress(bytes, size);
    }
    let before = match &replay.found {
        Some(_) => Some(Box::new(state_after(path, replay.turns - 1)?)),
        None => None,
    };
    Ok(replay.finish(reader.tail().cloned(), damage, before))
}

/// A journal from its first turn on.
fn open(path: &Path) -> Result<Reader, ReplayError> {
    let reader = Reader::open(path)?;
    match reader.first_segment() {
        1 => Ok(reader),
        segment => Err(ReplayError::NotFromTheStart { path: path.to_owned(), segment }),
    }
}

/// The engine's state after so many turns.
fn state_after(path: &Path, turns: u64) -> Result<Snapshot, ReplayError> {
    let reader = open(path)?;
    let mut engine = Engine::new(reader.header().config.clone());
    let mut outputs = Vec::new();
    for record in reader {
        let record = record?;
        if record.turn > turns {
            break;
        }
        if let Entry::Inputs { now, inputs } = record.entry {
            outputs.clear();
            engine.step(now, &inputs, &mut outputs);
        }
    }
    Ok(engine.snapshot())
}

/// One engine, fed from a journal and compared with it.
struct Replay {
    engine: Engine,
    now: Nanos,
    first: Option<Nanos>,
    inputs: Vec<Input>,
    outputs: Vec<Output>,
    /// The outputs of the last turn have not been compared yet; the journal leaves out empty ones.
    pending: bool,
    turns: u64,
    compared: u64,
    hashes: u64,
    found: Option<What>,
}

impl Replay {
    fn new(engine: Engine) -> Self {
        Self {
            engine,
            now: Nanos::ZERO,
            first: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            pending: false,
            turns: 0,
            compared: 0,
            hashes: 0,
            found: None,
        }
    }

    fn take(&mut self, record: Record) {
        if self.pending && !matches!(record.entry, Entry::Outputs(_)) {
            self.compare(&[]);
            if self.found.is_some() {
                return;
            }
        }
        match record.entry {
            Entry::Inputs { now, inputs } => {
                self.outputs.clear();
                self.engine.step(now, &inputs, &mut self.outputs);
                self.pending = true;
                self.first.get_or_insert(now);
                (self.now, self.inputs, self.turns) = (now, inputs, self.turns + 1);
            }
            Entry::Outputs(recorded) => self.compare(&recorded),
            Entry::Checkpoint(recorded) | Entry::End(recorded) => {
                let replayed = self.engine.state_hash();
                self.hashes += 1;
                if recorded != replayed {
                    self.found = Some(What::State { recorded, replayed });
                }
            }
        }
    }

    fn compare(&mut self, recorded: &[RecordedOutput]) {
        self.pending = false;
        for index in 0..recorded.len().max(self.outputs.len()) {
            let theirs = recorded.get(index);
            let ours = self.outputs.get(index).map(plain);
            if theirs != ours.as_ref() {
                let (recorded, replayed) = (Box::new(theirs.cloned()), Box::new(ours));
                self.found = Some(What::Output { index, recorded, replayed });
                return;
            }
            self.compared += 1;
        }
    }

    fn finish(
        mut self,
        tail: Option<Tail>,
        damage: Option<ReadError>,
        before: Option<Box<Snapshot>>,
    ) -> Replayed {
        let (turn, now, inputs) = (self.turns, self.now, self.inputs);
        let outputs = self.outputs.iter().map(plain).collect();
        let difference = self.found.zip(before);
        let difference = difference.map(|(what, before)| Difference {
            turn,
            now,
            what,
            inputs,
            outputs,
            before,
        });
        Replayed {
            turns: self.turns,
            outputs: self.compared,
            hashes: self.hashes,
            span: (self.first.unwrap_or(self.now), self.now),
            state_hash: self.engine.state_hash(),
            tail,
            damage,
            difference,
            snapshot: self.engine.snapshot(),
        }
    }
}

/// An output as a journal holds it.
fn plain(output: &Output) -> RecordedOutput {
    match output {
        Output::Venue(approved) => Output::Venue(approved.command().clone()),
        Output::Alert(alert) => Output::Alert(alert.clone()),
        Output::Note(note) => Output::Note(note.clone()),
    }
}
