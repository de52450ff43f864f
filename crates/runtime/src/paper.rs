//! Paper trading: the engine against a simulated venue, on the clock or as fast as possible.
//!
//! One thread, one loop: find out what happens next (venue, capture, engine deadline, operator), wait
//! for it, hand the facts to the engine, hand its commands to the venue.

use std::iter::Peekable;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use binance::{CaptureError, CaptureEvent};
use engine::config::EngineConfig;
use engine::{Control, Input, Output};
use journal::Writer;
use market::venue::VenueCommand;
use market::{InstrumentId, MarketEvent, Nanos};
use sim_exchange::{RecordedMarket, SimExchange, SimOutput, Truth};

use crate::clock::{Pace, Stopwatch, Timeline, Woken};
use crate::session::{Observer, SessionError, Summary, VenueRecord};
use crate::turn::Turn;

/// After an order to shut down, this much simulated time is allowed for confirmations.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);
/// Between two snapshots for displays, in simulated time.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);
/// The longest the loop sleeps, so that displays and operators are served.
const NAP: Duration = Duration::from_millis(100);

/// Recorded market data in the order it was received.
pub type Source = Box<dyn Iterator<Item = Result<CaptureEvent, CaptureError>> + Send>;

/// What is traded against.
pub enum Venue {
    /// The embedded market with its crowd.
    Simulated(Box<SimExchange>),
    /// Recorded data; our orders rest in the recorded book.
    Recorded {
        /// The venue over the data.
        market: Box<RecordedMarket>,
        /// The data.
        source: Box<Peekable<Source>>,
    },
}

/// What a session is made of.
pub struct Paper {
    /// Engine configuration.
    pub config: EngineConfig,
    /// What is traded against.
    pub venue: Venue,
    /// Where turns are recorded.
    pub journal: Option<Writer>,
    /// How fast time passes.
    pub pace: Pace,
    /// Simulated time of the beginning.
    pub start: Nanos,
    /// Simulated time of the end; `None` runs until told to stop or the data ends.
    pub until: Option<Nanos>,
    /// What operators want.
    pub controls: Receiver<Control>,
}

impl Paper {
    /// Runs the session to its end: cancels everything, waits for confirmation (bounded), closes the
    /// journal.
    ///
    /// Whatever goes wrong on the way ([`Summary::failure`]), the orders are withdrawn first.
    ///
    /// # Errors
    /// When the journal's end cannot be written.
    pub fn run(self, observer: &mut dyn Observer) -> Result<Summary, SessionError> {
        let watch = Stopwatch::start();
        let mut session = Session {
            turn: Turn::new(self.config, self.journal),
            venue: self.venue,
            timeline: Timeline::new(self.pace, self.start),
            controls: self.controls,
            start: self.start,
            now: self.start,
            until: self.until,
            batch: Vec::with_capacity(256),
            market: Vec::with_capacity(64),
            arrived: Vec::with_capacity(256),
            commands: Vec::with_capacity(64),
            stopping: None,
            snapshot_due: Nanos::ZERO,
            events: 0,
            failure: None,
        };
        while !session.is_over() {
            session.advance(observer);
        }
        session.finish(observer, watch.elapsed())
    }
}

struct Session {
    turn: Turn,
    venue: Venue,
    timeline: Timeline,
    controls: Receiver<Control>,
    start: Nanos,
    now: Nanos,
    until: Option<Nanos>,
    /// Facts for the next turn.
    batch: Vec<Input>,
    /// Recorded events due now.
    market: Vec<MarketEvent>,
    /// What the venue said.
    arrived: Vec<SimOutput>,
    commands: Vec<VenueCommand>,
    /// When the wait for confirmations ends.
    stopping: Option<Nanos>,
    snapshot_due: Nanos,
    events: u64,
    failure: Option<CaptureError>,
}

impl Session {
    fn is_over(&self) -> bool {
        self.stopping.is_some_and(|limit| self.turn.engine().is_done() || self.now >= limit)
    }

    /// Waits for whatever comes next and takes one turn.
    fn advance(&mut self, observer: &mut dyn Observer) {
        self.wait();
        if self.stopping.is_none() && self.until.is_some_and(|until| self.now >= until) {
            self.batch.push(Input::Control(Control::Shutdown));
        }
        self.step_venue();
        let shutdown = Input::Control(Control::Shutdown);
        if self.stopping.is_none() && self.batch.contains(&shutdown) {
            self.stopping = Some(self.now + SHUTDOWN_LIMIT);
        }
        let due = self.turn.turns() == 0
            || self.turn.engine().next_deadline().is_some_and(|at| at <= self.now);
        if self.batch.is_empty() && !due {
            return;
        }
        let watch = Stopwatch::start();
        let outputs = self.turn.run(self.now, &self.batch);
        let took = watch.elapsed();
        observer.turn(self.now, outputs, self.batch.len(), took);
        self.commands.clear();
        self.commands.extend(outputs.iter().filter_map(|output| match output {
            Output::Venue(approved) => Some(approved.command().clone()),
            Output::Alert(_) | Output::Note(_) => None,
        }));
        self.batch.clear();
        if self.turn.journal_failure().is_some() {
            self.stopping.get_or_insert(self.now + SHUTDOWN_LIMIT);
        }
        self.step_venue();
        if self.now >= self.snapshot_due {
            self.snapshot_due = self.now + SNAPSHOT_EVERY;
            let journal_bytes = self.turn.journal_bytes();
            observer.snapshot(self.turn.snapshot(), journal_bytes);
            if let Some(until) = self.until {
                let whole = until.since(self.start).as_secs_f64();
                observer.progress(self.now.since(self.start).as_secs_f64() / whole.max(1e-9));
            }
        }
    }

    /// Sets `now` to the next moment at which anything happens.
    fn wait(&mut self) {
        if !self.batch.is_empty() {
            return;
        }
        let deadline = [self.venue.next_deadline(), self.turn.engine().next_deadline(), self.until]
            .into_iter()
            .flatten()
            .filter(|&at| at > self.now || self.stopping.is_none())
            .min()
            .unwrap_or(self.now + NAP)
            .max(self.now);
        let until = match self.timeline.now() {
            Some(_) => deadline.min(self.now + NAP),
            None => deadline,
        };
        match self.timeline.wait(until, &self.controls) {
            Woken::Due | Woken::Disconnected => {}
            Woken::Message(control) => self.batch.push(Input::Control(control)),
        }
        self.batch.extend(self.controls.try_iter().map(Input::Control));
        // Simulated time is the clock's, or jumps to the event; it never goes back.
        self.now = self.timeline.now().unwrap_or(until).max(self.now);
    }

    /// Lets the venue live up to `now`, with the commands of the last turn.
    fn step_venue(&mut self) {
        self.arrived.clear();
        match &mut self.venue {
            Venue::Simulated(exchange) => {
                exchange.step(self.now, &self.commands, &mut self.arrived);
            }
            Venue::Recorded { market, source } => {
                self.market.clear();
                loop {
                    match source.peek() {
                        Some(Ok(event)) if event.ts_recv <= self.now => {}
                        Some(Ok(_)) => break,
                        Some(Err(_)) | None => {
                            if let Some(Err(error)) = source.next() {
                                self.failure = Some(error);
                            }
                            // The data is over, and so is the session.
                            let until = self.until.map_or(self.now, |until| until.min(self.now));
                            self.until = Some(until);
                            break;
                        }
                    }
                    if let Some(Ok(event)) = source.next() {
                        self.market.push(event.event);
                    }
                }
                market.step(self.now, &self.market, &self.commands, &mut self.arrived);
            }
        }
        self.commands.clear();
        for output in self.arrived.drain(..) {
            self.batch.push(match output {
                SimOutput::Market(event) => {
                    self.events += 1;
                    Input::Market(event)
                }
                SimOutput::Venue(report) => Input::Venue(InstrumentId(0), report),
            });
        }
    }

    fn finish(
        mut self,
        observer: &mut dyn Observer,
        took: Duration,
    ) -> Result<Summary, SessionError> {
        let snapshot = self.turn.snapshot();
        observer.snapshot(snapshot.clone(), self.turn.journal_bytes());
        let truth = VenueRecord::from(self.venue.truth());
        let turns = self.turn.turns();
        let unrecorded = self.turn.journal_failure().cloned();
        let left = truth.open_orders.len();
        let failure = (left > 0)
            .then_some(SessionError::OrdersLeft(left))
            .or(unrecorded.map(SessionError::from))
            .or(self.failure.map(SessionError::from));
        let state_hash = self.turn.finish()?;
        let (span, events) = ((self.start, self.now), self.events);
        Ok(Summary { snapshot, truth: Some(truth), span, turns, events, took, state_hash, failure })
    }
}

impl Venue {
    fn next_deadline(&mut self) -> Option<Nanos> {
        match self {
            Self::Simulated(exchange) => exchange.next_deadline(),
            Self::Recorded { market, source } => {
                let data = match source.peek() {
                    Some(Ok(event)) => Some(event.ts_recv),
                    // An error is dealt with at once; an end was, or will be at the next step.
                    Some(Err(_)) => Some(Nanos::ZERO),
                    None => None,
                };
                [market.next_deadline(), data].into_iter().flatten().min()
            }
        }
    }

    fn truth(&self) -> Truth {
        match self {
            Self::Simulated(exchange) => exchange.truth(),
            Self::Recorded { market, .. } => market.truth(),
        }
    }
}
