//! Live trading: the engine against the venue over the network.
//!
//! One thread, one loop: wait for whatever comes next (message, operator, deadline), take in all that
//! has arrived meanwhile, one turn, send what the engine wants. The sockets are tasks of the same
//! thread, so nothing is locked and nothing overtakes.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use binance::client::{Client, ClientConfig, Effect, Level, Log};
use engine::carry::CarriedLatches;
use engine::config::EngineConfig;
use engine::risk::BreakerState;
use engine::{Carry, Control, Input, Output};
use journal::Writer;
use market::venue::{AccountState, VenueCommand, VenueReport};
use market::{InstrumentId, Nanos};
use tokio::sync::mpsc;

use super::net::{Arrived, Net, NetConfig};
use crate::clock::{self, Stopwatch};
use crate::keeper::Keeper;
use crate::session::{Observer, SessionError, Summary, VenueRecord};
use crate::turn::Turn;

/// After an order to shut down, this much time is allowed for confirmations.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(15);
/// Then the venue is asked for its record of our account, which may take this long.
const RECORD_LIMIT: Duration = Duration::from_secs(5);
/// Saying goodbye may take this long.
const FAREWELL_LIMIT: Duration = Duration::from_secs(3);
/// Between two snapshots for displays.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);
/// Between two looks at the state of the link.
const LINK_EVERY: Duration = Duration::from_secs(1);
/// The shortest the loop sleeps when nothing has arrived.
const PAUSE: Duration = Duration::from_millis(1);
/// The longest the loop sleeps.
const NAP: Duration = Duration::from_millis(100);
/// Messages taken in before the engine decides: under load the market is conflated into one
/// decision, and no fact is lost.
const BATCH_MAX: usize = 256;
/// Number of the question about the account that is asked at the end; the engine counts from zero.
const LAST_QUERY: u32 = u32::MAX;
const INSTRUMENT: InstrumentId = InstrumentId(0);

/// What a live session is made of.
pub struct Live {
    /// Engine configuration, for one instrument.
    pub config: EngineConfig,
    /// The venue's protocol.
    pub client: ClientConfig,
    /// The way to the venue.
    pub net: NetConfig,
    /// Where turns are recorded.
    pub journal: Option<Writer>,
    /// Trade for this long; `None` until told to stop.
    pub duration: Option<Duration>,
    /// What operators want.
    pub controls: Receiver<Control>,
    /// What an earlier session left behind.
    pub carry: Option<Carry>,
    /// Keeps what the next one must know.
    pub keeper: Option<Keeper>,
}

impl Live {
    /// Runs the session to its end: cancels everything, waits for confirmation (bounded), asks the
    /// venue for its record, disarms the dead-man's switch if nothing of ours is left, closes the
    /// journal. Blocks the thread, which is the trading thread.
    ///
    /// # Errors
    /// When the network cannot be set up, or the journal's end cannot be written. Whatever else goes
    /// wrong is [`Summary::failure`].
    pub fn run(self, observer: &mut dyn Observer) -> Result<Summary, SessionError> {
        let watch = Stopwatch::start();
        let runtime = super::runtime()?;
        let ended = runtime.block_on(async {
            let mut session = Session::new(self)?;
            session.trade(observer).await;
            session.leave(observer).await;
            session.finish(observer, watch.elapsed())
        });
        // The thread that waits for operators is not waited for.
        runtime.shutdown_background();
        ended
    }
}

struct Session {
    turn: Turn,
    client: Client,
    net: Net,
    inbox: mpsc::UnboundedReceiver<Arrived>,
    controls: mpsc::UnboundedReceiver<Control>,
    /// Facts for the next turn.
    batch: Vec<Input>,
    effects: Vec<Effect>,
    commands: Vec<VenueCommand>,
    start: Nanos,
    now: Nanos,
    until: Option<Nanos>,
    /// When the wait for confirmations ends.
    stopping: Option<Nanos>,
    snapshot_due: Nanos,
    link_due: Nanos,
    keeper: Option<Keeper>,
    /// What is latched, as it was last written.
    kept: (CarriedLatches, BreakerState),
    events: u64,
    /// The venue's answer to the last question.
    record: Option<AccountState>,
}

impl Session {
    fn new(live: Live) -> Result<Self, SessionError> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let net = Net::new(live.net, sender).map_err(|e| SessionError::Network(e.to_string()))?;
        let start = clock::now();
        let mut batch = Vec::with_capacity(BATCH_MAX);
        batch.extend(live.carry.map(|carry| Input::Control(Control::Restore(Box::new(carry)))));
        let turn = Turn::new(live.config, live.journal);
        Ok(Self {
            kept: turn.engine().latched(),
            turn,
            keeper: live.keeper,
            client: Client::new(live.client),
            net,
            inbox,
            controls: forwarded(live.controls),
            batch,
            effects: Vec::with_capacity(BATCH_MAX),
            commands: Vec::with_capacity(64),
            start,
            now: start,
            until: live.duration.map(|duration| start + duration),
            stopping: None,
            snapshot_due: Nanos::ZERO,
            link_due: Nanos::ZERO,
            events: 0,
            record: None,
        })
    }

    async fn trade(&mut self, observer: &mut dyn Observer) {
        self.client.start(self.now, &mut self.effects);
        self.carry_out(observer);
        while !self.stopping.is_some_and(|limit| self.turn.engine().is_done() || self.now >= limit)
        {
            self.gather(observer).await;
            self.step(observer);
        }
    }

    /// Waits for whatever comes next, and takes in all that has come.
    async fn gather(&mut self, observer: &mut dyn Observer) {
        if self.batch.is_empty() {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                Some(control) = self.controls.recv() => self.batch.push(Input::Control(control)),
                Some(arrived) = self.inbox.recv() => self.take_in(arrived),
                () = tokio::time::sleep(deadline.since(clock::now())) => {}
            }
        } else {
            // Sockets are tasks of this thread: they get their turn too.
            tokio::task::yield_now().await;
        }
        while let Ok(control) = self.controls.try_recv() {
            self.batch.push(Input::Control(control));
        }
        for _ in 0..BATCH_MAX {
            let Ok(arrived) = self.inbox.try_recv() else { break };
            self.take_in(arrived);
        }
        self.now = clock::now();
        self.client.on_time(self.now, &mut self.effects);
        self.carry_out(observer);
    }

    /// When something is due although nothing arrives.
    fn deadline(&self) -> Nanos {
        [self.client.next_deadline(), self.turn.engine().next_deadline(), self.until, self.stopping]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.now + NAP)
            // What is due already is done at once, but never in a circle without a pause.
            .clamp(self.now + PAUSE, self.now + NAP)
    }

    fn take_in(&mut self, arrived: Arrived) {
        let (client, effects) = (&mut self.client, &mut self.effects);
        let at = arrived.at();
        self.net.tell(arrived, |event| client.on_event(at, event, effects));
    }

    /// Does what the client wants done; what it tells the engine waits for the next turn.
    fn carry_out(&mut self, observer: &mut dyn Observer) {
        for effect in self.effects.drain(..) {
            match self.net.carry_out(effect) {
                Some(Effect::Market(event)) => {
                    self.events += 1;
                    self.batch.push(Input::Market(event));
                }
                Some(Effect::Report(VenueReport::Account(state))) if state.query == LAST_QUERY => {
                    self.record = Some(state);
                }
                Some(Effect::Report(report)) => self.batch.push(Input::Venue(INSTRUMENT, report)),
                Some(Effect::Log(log)) => observer.log(&log),
                // The network took it.
                None => {}
                Some(
                    effect @ (Effect::Open { .. }
                    | Effect::Send { .. }
                    | Effect::Ping(_)
                    | Effect::Close(_)
                    | Effect::Http { .. }),
                ) => unreachable!("the network gave back {effect:?}"),
            }
        }
    }

    fn step(&mut self, observer: &mut dyn Observer) {
        if self.stopping.is_none() && self.until.is_some_and(|until| self.now >= until) {
            self.batch.push(Input::Control(Control::Shutdown));
        }
        let shutdown = Input::Control(Control::Shutdown);
        if self.stopping.is_none() && self.batch.contains(&shutdown) {
            self.stopping = Some(self.now + SHUTDOWN_LIMIT);
        }
        let due = self.turn.turns() == 0
            || self.turn.engine().next_deadline().is_some_and(|at| at <= self.now);
        if !self.batch.is_empty() || due {
            let watch = Stopwatch::start();
            let outputs = self.turn.run(self.now, &self.batch);
            let took = watch.elapsed();
            self.commands.extend(outputs.iter().filter_map(|output| match output {
                Output::Venue(approved) => Some(approved.command().clone()),
                Output::Alert(_) | Output::Note(_) => None,
            }));
            observer.turn(self.now, outputs, self.batch.len(), took);
            self.batch.clear();
            for command in self.commands.drain(..) {
                self.client.command(self.now, &command, &mut self.effects);
            }
            self.carry_out(observer);
            if self.turn.journal_failure().is_some() {
                self.stopping.get_or_insert(self.now + SHUTDOWN_LIMIT);
            }
        }
        self.keep(observer);
        self.show(observer);
    }

    /// What has been latched is on disk before anything else happens.
    fn keep(&mut self, observer: &mut dyn Observer) {
        let latched = self.turn.engine().latched();
        let Some(keeper) = &mut self.keeper else { return };
        let changed = latched != self.kept;
        if changed && let Some(carry) = self.turn.engine().carry() {
            self.kept = latched;
            if let Err(error) = keeper.keep_now(&carry) {
                complain(observer, &error.to_string());
            }
        } else if self.now >= self.link_due
            && let Some(carry) = self.turn.engine().carry()
        {
            keeper.keep(carry);
        }
        if let Some(failure) = keeper.take_failure() {
            complain(observer, &failure);
        }
    }

    fn show(&mut self, observer: &mut dyn Observer) {
        if self.now >= self.snapshot_due {
            self.snapshot_due = self.now + SNAPSHOT_EVERY;
            let journal_bytes = self.turn.journal_bytes();
            observer.snapshot(self.turn.snapshot(), journal_bytes);
        }
        if self.now >= self.link_due {
            self.link_due = self.now + LINK_EVERY;
            if let Some(ahead) = clock::follow() {
                let message = format!("our clock was {ahead:.1?} behind: it was set, or we slept");
                observer.log(&Log { level: Level::Warn, message });
            }
            observer.link(self.client.status(self.now));
        }
    }

    /// Asks the venue for its record of our account, then says goodbye.
    async fn leave(&mut self, observer: &mut dyn Observer) {
        let limit = self.now + RECORD_LIMIT;
        let mut asked = Nanos::ZERO;
        while self.record.is_none() && self.now < limit {
            if self.now >= asked + Duration::from_secs(1) {
                asked = self.now;
                let ask = VenueCommand::QueryAccount {
                    instrument: INSTRUMENT,
                    since: None,
                    query: LAST_QUERY,
                };
                self.client.command(self.now, &ask, &mut self.effects);
                self.carry_out(observer);
            }
            self.gather(observer).await;
            self.step(observer);
        }
        let flat = self.record.as_ref().is_some_and(|record| {
            !record.open_orders.iter().any(|order| order.client_id.is_some())
        });
        self.client.close(self.now, flat, &mut self.effects);
        self.carry_out(observer);
        let limit = self.now + FAREWELL_LIMIT;
        while !self.client.is_closed() && self.now < limit {
            self.gather(observer).await;
            self.batch.clear();
        }
    }

    fn finish(
        mut self,
        observer: &mut dyn Observer,
        took: Duration,
    ) -> Result<Summary, SessionError> {
        let snapshot = self.turn.snapshot();
        observer.snapshot(snapshot.clone(), self.turn.journal_bytes());
        if let (Some(keeper), Some(carry)) = (&mut self.keeper, self.turn.engine().carry())
            && let Err(error) = keeper.keep_now(&carry)
        {
            complain(observer, &error.to_string());
        }
        let truth = self.record.take().map(VenueRecord::from);
        let turns = self.turn.turns();
        let unrecorded = self.turn.journal_failure().cloned();
        let failure = match &truth {
            None => Some(SessionError::Unknown),
            Some(record) if record.ours() > 0 => Some(SessionError::OrdersLeft(record.ours())),
            Some(_) => unrecorded.map(SessionError::from),
        };
        let state_hash = self.turn.finish()?;
        let (span, events) = ((self.start, self.now), self.events);
        Ok(Summary { snapshot, truth, span, turns, events, took, state_hash, failure })
    }
}

fn complain(observer: &mut dyn Observer, why: &str) {
    let message = format!("a restart would forget limits and books: {why}");
    observer.log(&Log { level: Level::Error, message });
}

/// Operators' wishes come from other threads; here they can be waited for together with messages.
fn forwarded(controls: Receiver<Control>) -> mpsc::UnboundedReceiver<Control> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::task::spawn_blocking(move || {
        for control in controls {
            if sender.send(control).is_err() {
                return;
            }
        }
    });
    receiver
}
