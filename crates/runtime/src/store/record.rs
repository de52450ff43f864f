//! What the trading thread hands over: small, and nothing is computed for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::Thread;
use std::time::Duration;

use engine::snapshot::PnlView;
use engine::{Note, Output, RecordedOutput, Snapshot};
use market::venue::VenueCommand;
use market::{FinePrice, InstrumentId, Nanos, Position, Usd};

/// Records that may wait for the thread that takes them in, which looks a hundred times a second.
pub(super) const RECORDS_MAX: usize = 16_384;
/// Records held back on the trading thread when that thread does not run at all; later ones are lost.
const HELD_MAX: usize = 1_000_000;
/// The place of cash flows in a turn that are seen in the books and not among its outputs.
const BOOKED: u32 = 1 << 19;

/// One fact on its way.
#[derive(Clone, Debug)]
pub(super) enum Record {
    /// An output of the engine that is kept.
    Output {
        at: Nanos,
        /// Counts turns from 1, as the journal does.
        turn: u64,
        /// The place among the turn's outputs.
        item: u32,
        output: RecordedOutput,
    },
    /// Deposits less withdrawals that the books have seen.
    Transfer { at: Nanos, turn: u64, item: u32, amount: Usd },
    /// Position and PnL.
    Pnl(Box<PnlRecord>),
}

/// Position and PnL at one moment.
#[derive(Clone, Debug)]
pub(super) struct PnlRecord {
    pub(super) at: Nanos,
    /// The last of the session.
    pub(super) last: bool,
    pub(super) mode: &'static str,
    pub(super) account: PnlView,
    pub(super) desks: Vec<DeskRecord>,
}

#[derive(Clone, Debug)]
pub(super) struct DeskRecord {
    pub(super) instrument: InstrumentId,
    pub(super) position: Position,
    pub(super) entry: FinePrice,
    pub(super) mark: Option<FinePrice>,
    pub(super) pnl: PnlView,
    pub(super) fills: u64,
    pub(super) turnover: Usd,
}

impl PnlRecord {
    pub(super) fn new(snapshot: &Snapshot, last: bool) -> Self {
        let desk = |desk: &engine::snapshot::DeskView| DeskRecord {
            instrument: desk.instrument.id,
            position: desk.position,
            entry: desk.entry,
            mark: desk.mark,
            pnl: desk.pnl,
            fills: desk.counters.fills.iter().sum(),
            turnover: desk.counters.filled_value.into_iter().sum(),
        };
        Self {
            at: snapshot.now,
            last,
            mode: snapshot.mode.name(),
            account: snapshot.pnl,
            desks: snapshot.desks.iter().map(desk).collect(),
        }
    }
}

/// Whether the store keeps an output. Most say only what the next ones say in detail.
pub(super) fn is_kept(output: &RecordedOutput) -> bool {
    match output {
        Output::Venue(command) => is_command_kept(command),
        Output::Alert(_) => true,
        Output::Note(note) => is_note_kept(note),
    }
}

fn is_command_kept(command: &VenueCommand) -> bool {
    match command {
        VenueCommand::Place(_)
        | VenueCommand::Amend(_)
        | VenueCommand::Cancel { .. }
        | VenueCommand::CancelAll { .. }
        | VenueCommand::QueryOrder { .. } => true,
        VenueCommand::ArmDeadMan { .. } | VenueCommand::QueryAccount { .. } => false,
    }
}

fn is_note_kept(note: &Note) -> bool {
    !matches!(note, Note::Sent { .. } | Note::Quoted { .. })
}

/// A copy of an output, if it is kept.
fn kept(output: &Output) -> Option<RecordedOutput> {
    match output {
        Output::Venue(approved) => {
            let command = approved.command();
            is_command_kept(command).then(|| Output::Venue(command.clone()))
        }
        Output::Alert(alert) => Some(Output::Alert(alert.clone())),
        Output::Note(note) => is_note_kept(note).then(|| Output::Note(note.clone())),
    }
}

/// The trading thread's end. It never waits.
#[derive(Debug)]
pub struct Sink {
    sender: SyncSender<Record>,
    /// Woken only when there is more to take than usual.
    intake: Thread,
    held: VecDeque<Record>,
    turn: u64,
    pnl_every: Duration,
    pnl_due: Nanos,
    transfers: Usd,
    counts: Arc<SinkCounts>,
}

/// What the trading thread could not hand over.
#[derive(Debug, Default)]
pub(super) struct SinkCounts {
    /// Snapshots left out.
    pub(super) thinned: AtomicU64,
    /// Records for which there was no room anywhere.
    pub(super) lost: AtomicU64,
    /// Records held back on the trading thread.
    pub(super) held: AtomicU64,
}

impl Sink {
    pub(super) fn new(
        sender: SyncSender<Record>,
        intake: Thread,
        pnl_every: Duration,
        counts: Arc<SinkCounts>,
    ) -> Self {
        Self {
            sender,
            intake,
            held: VecDeque::new(),
            turn: 0,
            pnl_every,
            pnl_due: Nanos::ZERO,
            transfers: Usd::ZERO,
            counts,
        }
    }

    /// Takes the effects of a turn. Every turn must be told, those without effects too.
    pub fn turn(&mut self, now: Nanos, outputs: &[Output]) {
        self.turn += 1;
        if !self.held.is_empty() {
            self.retry();
        }
        for (item, output) in (0_u32..).zip(outputs) {
            if let Some(output) = kept(output) {
                self.send(Record::Output { at: now, turn: self.turn, item, output });
            }
        }
    }

    /// Takes a look at position and money; most looks are passed over.
    pub fn snapshot(&mut self, snapshot: &Snapshot) {
        let moved = snapshot.pnl.transfers - self.transfers;
        if !moved.is_zero() {
            self.transfers = snapshot.pnl.transfers;
            let (at, turn) = (snapshot.now, self.turn);
            self.send(Record::Transfer { at, turn, item: BOOKED, amount: moved });
        }
        if snapshot.now < self.pnl_due {
            return;
        }
        self.pnl_due = snapshot.now + self.pnl_every;
        self.send(Record::Pnl(Box::new(PnlRecord::new(snapshot, false))));
    }

    fn send(&mut self, record: Record) {
        if !self.held.is_empty() {
            return self.hold(record);
        }
        match self.sender.try_send(record) {
            Ok(()) => {}
            Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) => {
                self.hold(record);
            }
        }
    }

    /// Keeps for later what finds no room; of snapshots there will be others.
    fn hold(&mut self, record: Record) {
        self.intake.unpark();
        let spare = matches!(record, Record::Pnl(_));
        if spare {
            self.counts.thinned.fetch_add(1, Ordering::Relaxed);
        } else if self.held.len() >= HELD_MAX {
            self.counts.lost.fetch_add(1, Ordering::Relaxed);
        } else {
            self.held.push_back(record);
            self.counts.held.store(self.held.len() as u64, Ordering::Relaxed);
        }
    }

    fn retry(&mut self) {
        while let Some(record) = self.held.pop_front() {
            if let Err(TrySendError::Full(record) | TrySendError::Disconnected(record)) =
                self.sender.try_send(record)
            {
                self.held.push_front(record);
                self.intake.unpark();
                break;
            }
        }
        self.counts.held.store(self.held.len() as u64, Ordering::Relaxed);
    }

    /// What is still held back, and the way that others took. While that is open, more may come.
    pub(super) fn end(self) -> (VecDeque<Record>, SyncSender<Record>) {
        (self.held, self.sender)
    }
}
