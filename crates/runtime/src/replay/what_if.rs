//! What another configuration would have decided, and what would have come of it.
//!
//! Two questions, because a recording can answer only one of them exactly. *Which decisions change
//! first* is exact: the changed engine is given the recorded inputs, up to the first answer of the venue
//! to an order that it would not have sent so. *What would have come of it* needs a venue that answers:
//! the recorded market is played to the simulated one, once for the recorded configuration and once for
//! the changed one, so that the two can be compared with each other.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use engine::config::EngineConfig;
use engine::output::Note;
use engine::{Control, Engine, Input, Output, Snapshot};
use journal::{Entry, ReadError, Tail};
use market::venue::{VenueCommand, VenueReport};
use market::{ClientOrderId, MarketEvent, Nanos, Usd};
use sim_exchange::Latency;

use super::decision::{Counts, Decision};
use super::simulate::Simulated;
pub use super::simulate::Terms;
use super::{Replay, ReplayError, open, plain};

/// Delays of the recording that are enough for a median.
const FEED_SAMPLES: usize = 20_000;
/// Acknowledgements that are.
const ACK_SAMPLES: usize = 500;

/// What is asked.
#[derive(Debug)]
pub struct Question<'a> {
    /// The journal.
    pub path: &'a Path,
    /// The engine's configuration instead of the recorded one.
    pub changed: EngineConfig,
    /// Turns and moments shown in full at most, of each sort.
    pub shown: usize,
    /// Stop before the first turn after it.
    pub until: Option<Nanos>,
}

/// A turn of the recording in which the changed engine decides otherwise.
#[derive(Debug)]
pub struct Change {
    /// Turn, counted from 1.
    pub turn: u64,
    /// Engine time of the turn.
    pub now: Nanos,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// What was decided.
    pub recorded: Vec<Decision>,
    /// What would have been.
    pub changed: Vec<Decision>,
}

/// A moment at which the two simulated runs decide differently.
#[derive(Clone, Debug)]
pub struct Moment {
    /// When.
    pub now: Nanos,
    /// With the recorded configuration.
    pub recorded: Vec<Decision>,
    /// With the changed one.
    pub changed: Vec<Decision>,
}

/// Where the recorded inputs stopped telling what the changed engine would have seen.
#[derive(Clone, Copy, Debug)]
pub struct Parting {
    /// Turn, counted from 1.
    pub turn: u64,
    /// Engine time of the turn.
    pub now: Nanos,
    /// The order that the venue spoke about.
    pub order: ClientOrderId,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// The engine's last state.
    pub snapshot: Snapshot,
    /// Its decisions.
    pub decisions: Counts,
}

/// Answers.
#[derive(Debug)]
pub struct WhatIf {
    /// Turns of the recording.
    pub turns: u64,
    /// Time of the first and last turn.
    pub span: (Nanos, Nanos),
    /// On the recorded inputs: the first turns with other decisions.
    pub changes: Vec<Change>,
    /// Turns with other decisions, up to the parting.
    pub turns_changed: u64,
    /// Where the recorded answers stopped fitting; `None` when they fit to the end.
    pub parting: Option<Parting>,
    /// What the simulated venue was made of.
    pub terms: Terms,
    /// The first moments at which the simulated runs differ.
    pub moments: Vec<Moment>,
    /// Moments at which they differ.
    pub moments_differing: u64,
    /// Decisions in which they differ.
    pub differing: Counts,
    /// What really happened, as far as the comparison goes.
    pub real: Outcome,
    /// The recorded configuration on the simulated venue.
    pub recorded: Outcome,
    /// The changed configuration there.
    pub changed: Outcome,
    /// The configuration was replaced then, which ends the comparison.
    pub reconfigured: Option<Nanos>,
    /// How the journal ends, if it was read to there.
    pub tail: Option<Tail>,
    /// Why it could not be read to its end; what came before is compared.
    pub damage: Option<ReadError>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WhatIfError {
    /// The journal cannot be replayed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The recorded configuration itself decides otherwise today.
    #[error(
        "turn {turn} at {now} does not replay as recorded, so that a comparison would show the \
         difference between two programs; see --verify"
    )]
    NotTheSame {
        /// Turn, counted from 1.
        turn: u64,
        /// Engine time of the turn.
        now: Nanos,
    },
    /// There is nothing to compare.
    #[error("the journal has no turn with an instrument and market data")]
    Empty,
}

/// Asks what a session would have been with another configuration.
///
/// # Errors
/// [`WhatIfError`] when the journal cannot be replayed, or does not replay as recorded.
pub fn what_if(
    question: Question<'_>,
    mut progress: impl FnMut(u64, u64),
) -> Result<WhatIf, WhatIfError> {
    let terms = survey(question.path)?;
    let mut reader = open(question.path)?;
    let config = reader.header().config.clone();
    let mut run = Run::new(config, &question, terms).ok_or(WhatIfError::Empty)?;
    let (mut reconfigured, mut damage) = (None, None);
    while let Some(record) = reader.next() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                damage = Some(error);
                break;
            }
        };
        if let Entry::Inputs { now, inputs } = &record.entry {
            if question.until.is_some_and(|until| *now > until) {
                break;
            }
            if inputs.iter().any(|i| matches!(i, Input::Control(Control::Configure(_)))) {
                reconfigured = Some(*now);
                break;
            }
            run.settle();
            run.simulate(*now, inputs);
        }
        run.real.take(record);
        if run.real.found.is_some() {
            return Err(WhatIfError::NotTheSame { turn: run.real.turns, now: run.real.now });
        }
        let (read, size, _) = reader.progress();
        progress(read, size);
    }
    run.settle();
    Ok(run.finish(reconfigured, reader.tail().cloned(), damage))
}

/// The delays and the wallet of a recording.
fn survey(path: &Path) -> Result<Terms, WhatIfError> {
    let (mut feed, mut acks, mut wallet, mut start) = (Vec::new(), Vec::new(), None, None);
    for record in open(path)? {
        // What damage there is will be met again.
        let Ok(record) = record else { break };
        match record.entry {
            Entry::Inputs { now, inputs } => {
                start.get_or_insert(now);
                for input in inputs {
                    match input {
                        Input::Market(event) => feed.push(now.since(event.ts_event.min(now))),
                        Input::Venue(_, VenueReport::Account(account)) => {
                            wallet.get_or_insert(account.wallet);
                        }
                        Input::Venue(..) | Input::Control(_) => {}
                    }
                }
            }
            Entry::Outputs(outputs) => acks.extend(outputs.iter().filter_map(|o| match o {
                Output::Note(Note::Acked { latency, .. }) => Some(*latency),
                _ => None,
            })),
            Entry::Checkpoint(_) | Entry::End(_) => {}
        }
        if feed.len() >= FEED_SAMPLES && acks.len() >= ACK_SAMPLES && wallet.is_some() {
            break;
        }
    }
    let (Some(start), false) = (start, feed.is_empty()) else { return Err(WhatIfError::Empty) };
    let way = median(&mut acks) / 2;
    let latency = Latency::constant(median(&mut feed), way, way);
    Ok(Terms { start, wallet: wallet.unwrap_or(Usd::ZERO), latency })
}

fn median(values: &mut [Duration]) -> Duration {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

struct Run {
    real: Replay,
    shown: usize,
    /// Decisions of the recording.
    counts: Counts,
    shadow: Shadow,
    turns_compared: u64,
    simulated: [Simulated; 2],
    happened: Nanos,
    moments: Vec<Moment>,
    moments_differing: u64,
    differing: Counts,
    terms: Terms,
}

/// The changed engine on the recorded inputs.
struct Shadow {
    engine: Engine,
    outputs: Vec<Output>,
    /// What was last wanted of each order, recorded and changed.
    wanted: [BTreeMap<ClientOrderId, Decision>; 2],
    changes: Vec<Change>,
    turns_changed: u64,
    parting: Option<Parting>,
}

impl Run {
    fn new(recorded: EngineConfig, question: &Question<'_>, terms: Terms) -> Option<Self> {
        Some(Self {
            simulated: [
                Simulated::new(recorded.clone(), terms)?,
                Simulated::new(question.changed.clone(), terms)?,
            ],
            real: Replay::new(Engine::new(recorded)),
            shown: question.shown,
            counts: Counts::default(),
            shadow: Shadow {
                engine: Engine::new(question.changed.clone()),
                outputs: Vec::new(),
                wanted: [BTreeMap::new(), BTreeMap::new()],
                changes: Vec::new(),
                turns_changed: 0,
                parting: None,
            },
            turns_compared: 0,
            happened: Nanos::ZERO,
            moments: Vec::new(),
            moments_differing: 0,
            differing: Counts::default(),
            terms,
        })
    }

    /// Compares the last turn of the recording, whose outputs have been replayed by now.
    fn settle(&mut self) {
        if self.turns_compared == self.real.turns {
            return;
        }
        self.turns_compared = self.real.turns;
        let recorded = decisions(&self.real.outputs);
        self.counts.count(&recorded);
        self.shadow.turn(&self.real, recorded, self.shown);
    }

    /// Plays the market and the operators of a turn to the simulated venues.
    fn simulate(&mut self, now: Nanos, inputs: &[Input]) {
        for input in inputs {
            match input {
                Input::Market(event) => {
                    // At the venue it happened before we saw it, and not before its predecessor.
                    self.happened = self.happened.max(event.ts_event.min(now));
                    let event = MarketEvent { ts_event: self.happened, ..event.clone() };
                    for simulated in &mut self.simulated {
                        simulated.advance(event.ts_event);
                        simulated.hand_over(&event);
                    }
                }
                // An account that begins flat has nothing to remember.
                Input::Control(Control::Restore(_)) => {}
                Input::Control(control) => {
                    for simulated in &mut self.simulated {
                        simulated.control(now, control.clone());
                    }
                }
                Input::Venue(..) => {}
            }
        }
        self.compare(self.happened);
    }

    /// Compares what the simulated runs decided before `horizon`.
    fn compare(&mut self, horizon: Nanos) {
        let [a, b] = &mut self.simulated;
        loop {
            let next = [&*a, &*b].into_iter().filter_map(|run| run.decided.front());
            let Some(now) = next.map(|(at, _)| *at).min().filter(|at| *at < horizon) else {
                return;
            };
            let (recorded, changed) = (take(a, now), take(b, now));
            if self.differing.differences(&recorded, &changed) {
                self.moments_differing += 1;
                if self.moments.len() < self.shown {
                    self.moments.push(Moment { now, recorded, changed });
                }
            }
        }
    }

    fn finish(
        mut self,
        reconfigured: Option<Nanos>,
        tail: Option<Tail>,
        damage: Option<ReadError>,
    ) -> WhatIf {
        let end = self.real.now;
        let [recorded, changed] = self.simulated.each_mut().map(|simulated| {
            let (snapshot, decisions) = simulated.finish(end);
            Outcome { snapshot, decisions }
        });
        self.compare(Nanos(u64::MAX));
        let real = Outcome { snapshot: self.real.engine.snapshot(), decisions: self.counts };
        WhatIf {
            turns: self.real.turns,
            span: (self.real.first.unwrap_or(end), end),
            changes: self.shadow.changes,
            turns_changed: self.shadow.turns_changed,
            parting: self.shadow.parting,
            terms: self.terms,
            moments: self.moments,
            moments_differing: self.moments_differing,
            differing: self.differing,
            real,
            recorded,
            changed,
            reconfigured,
            tail,
            damage,
        }
    }
}

impl Shadow {
    /// Takes the turn that `real` has just taken, unless the ways have parted.
    fn turn(&mut self, real: &Replay, recorded: Vec<Decision>, shown: usize) {
        if self.parting.is_some() {
            return;
        }
        if let Some(order) = real.inputs.iter().filter_map(subject).find(|id| self.is_other(*id)) {
            self.parting = Some(Parting { turn: real.turns, now: real.now, order });
            return;
        }
        self.outputs.clear();
        self.engine.step(real.now, &real.inputs, &mut self.outputs);
        let [before, after] = &mut self.wanted;
        want(before, &real.outputs);
        want(after, &self.outputs);
        let changed = decisions(&self.outputs);
        if Counts::default().differences(&recorded, &changed) {
            self.turns_changed += 1;
            if self.changes.len() < shown {
                let (turn, now, inputs) = (real.turns, real.now, real.inputs.clone());
                self.changes.push(Change { turn, now, inputs, recorded, changed });
            }
        }
    }

    /// Whether an order is not the one that the venue knew.
    fn is_other(&self, id: ClientOrderId) -> bool {
        self.wanted[0].get(&id) != self.wanted[1].get(&id)
    }
}

/// The order that a report is about.
fn subject(input: &Input) -> Option<ClientOrderId> {
    let Input::Venue(_, report) = input else { return None };
    match report {
        VenueReport::Ack { client_id, .. }
        | VenueReport::Reject { client_id, .. }
        | VenueReport::Amended { client_id, .. }
        | VenueReport::Canceled { client_id, .. }
        | VenueReport::Expired { client_id, .. }
        | VenueReport::InDoubt { client_id, .. }
        | VenueReport::Order { client_id, .. } => Some(*client_id),
        VenueReport::Fill(fill) => fill.client_id,
        VenueReport::Account(_)
        | VenueReport::QueryFailed
        | VenueReport::Funding { .. }
        | VenueReport::Transfer { .. }
        | VenueReport::DeadManArmed { .. }
        | VenueReport::DeadManFailed
        | VenueReport::StreamUp
        | VenueReport::StreamDown
        | VenueReport::Resync
        | VenueReport::Obstacle { .. }
        | VenueReport::Forced { .. } => None,
    }
}

/// Remembers what was last wanted of each order; one that was canceled is remembered as that.
fn want(orders: &mut BTreeMap<ClientOrderId, Decision>, outputs: &[Output]) {
    for output in outputs {
        let plain = plain(output);
        let id = match &plain {
            Output::Venue(VenueCommand::Place(order)) => order.client_id,
            Output::Venue(VenueCommand::Amend(amend)) => amend.client_id,
            Output::Venue(VenueCommand::Cancel { client_id, .. }) => *client_id,
            Output::Note(Note::Ended { client_id, .. }) => {
                orders.remove(client_id);
                continue;
            }
            Output::Venue(_) | Output::Alert(_) | Output::Note(_) => continue,
        };
        if let Some(decision) = Decision::of(&plain) {
            orders.insert(id, decision);
        }
    }
}

fn decisions(outputs: &[Output]) -> Vec<Decision> {
    outputs.iter().filter_map(|output| Decision::of(&plain(output))).collect()
}

fn take(run: &mut Simulated, now: Nanos) -> Vec<Decision> {
    let mut taken = Vec::new();
    while let Some((_, decision)) = run.decided.pop_front_if(|(at, _)| *at == now) {
        taken.push(decision);
    }
    taken
}
