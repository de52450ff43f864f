//! Depth of several sockets to one chain without a hole, and when a snapshot is to be fetched.
//!
//! With two sockets a change that one lacks is usually on its way on the other. So a change that
//! does not follow is held back for a moment, and only when nobody has brought what is missing does
//! [`DepthSync`] see the hole.

use std::collections::VecDeque;
use std::time::Duration;

use market::{DepthDiff, DepthSnapshot, InstrumentId, MarketEvent, Nanos};

use super::super::backoff::Backoff;
use super::super::{Effect, Io};
use crate::depth_sync::{DepthSync, SyncStats};

/// A change is held back for this long: two of the venue's intervals. What is later than that will
/// not come, and a book that stands still for longer is worse than one that is fetched anew.
const HOLD: Duration = Duration::from_millis(200);
/// Changes held back at most. Two sockets bring a handful in [`HOLD`].
const HELD_MAX: usize = 64;
/// First wait after a snapshot that was of no use, and the longest. A snapshot costs weight 20 of
/// 2400 a minute.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));
/// A chain that broke sooner than this after it was made counts as a snapshot wasted.
const STEADY: Duration = Duration::from_secs(10);
/// After so long out of sequence everything is begun anew: changes and snapshots that do not meet
/// by then never will, as when the venue counts anew.
const STUCK: Duration = Duration::from_secs(60);

/// A change held back.
#[derive(Clone, Debug)]
struct Held {
    since: Nanos,
    ts_event: Nanos,
    diff: DepthDiff,
}

/// Whether the book follows.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Since then.
    InSequence(Nanos),
    /// Since then, or since the first change after it.
    OutOfSequence(Nanos),
}

/// The depth of one instrument, out of all sockets that carry it.
#[derive(Clone, Debug)]
pub(super) struct Depth {
    sync: DepthSync,
    /// Where the changes end that `sync` was given.
    tail: Option<u64>,
    /// By their end, all beyond `tail` with a hole before the first.
    held: VecDeque<Held>,
    phase: Phase,
    snapshots: Backoff,
    /// A snapshot is on its way.
    asked: bool,
    /// Holes of one socket that another has filled.
    filled: u64,
    /// Empty between calls.
    events: Vec<MarketEvent>,
}

impl Depth {
    pub(super) fn new(instrument: InstrumentId, seed: u64) -> Self {
        Self {
            sync: DepthSync::new(instrument),
            tail: None,
            held: VecDeque::new(),
            phase: Phase::OutOfSequence(Nanos::ZERO),
            snapshots: Backoff::between(seed, RETRY.0, RETRY.1),
            asked: false,
            filled: 0,
            events: Vec::new(),
        }
    }

    pub(super) fn stats(&self) -> SyncStats {
        self.sync.stats()
    }

    pub(super) fn filled(&self) -> u64 {
        self.filled
    }

    pub(super) fn is_in_sequence(&self) -> bool {
        self.sync.last_id().is_some()
    }

    /// Whether a change follows what is known, or repeats it.
    pub(super) fn follows(&self, diff: &DepthDiff) -> bool {
        self.tail.is_none_or(|tail| diff.previous_id <= tail)
    }

    /// Takes in a change that follows.
    pub(super) fn pass(&mut self, io: &mut Io<'_>, ts_event: Nanos, diff: DepthDiff) {
        if self.tail.is_none() {
            self.phase = Phase::OutOfSequence(io.now);
        }
        self.give(ts_event, diff);
        self.release();
        self.deliver(io);
    }

    /// Keeps a change that does not follow until what is missing has come, or [`HOLD`] is over.
    pub(super) fn hold(&mut self, io: &mut Io<'_>, ts_event: Nanos, diff: DepthDiff) {
        let place = self.held.partition_point(|held| held.diff.last_id < diff.last_id);
        match self.held.get_mut(place).filter(|held| held.diff.last_id == diff.last_id) {
            // Sockets may cut the same changes differently; the one that reaches back further says
            // more.
            Some(held) if diff.previous_id < held.diff.previous_id => held.diff = diff,
            Some(_) => {}
            None => self.held.insert(place, Held { since: io.now, ts_event, diff }),
        }
        if self.held.len() > HELD_MAX {
            self.give_up_hole(io);
        }
    }

    /// Nobody will bring what is missing.
    pub(super) fn give_up_hole(&mut self, io: &mut Io<'_>) {
        while let Some(held) = self.held.pop_front() {
            self.give(held.ts_event, held.diff);
        }
        self.deliver(io);
    }

    /// The last socket is gone.
    pub(super) fn disconnect(&mut self, io: &mut Io<'_>) {
        self.held.clear();
        self.tail = None;
        self.sync.on_disconnect(io.now, &mut self.events);
        self.deliver(io);
    }

    /// Whether a snapshot should be fetched now. Not before there is a change: the answer would be
    /// older than the first one.
    pub(super) fn wants_snapshot(&self, now: Nanos) -> bool {
        self.lacks_snapshot() && self.snapshots.is_due(now)
    }

    fn lacks_snapshot(&self) -> bool {
        !self.asked && self.sync.needs_snapshot() && self.tail.is_some()
    }

    pub(super) fn snapshot_sent(&mut self) {
        self.asked = true;
    }

    /// A snapshot came.
    pub(super) fn on_snapshot(&mut self, io: &mut Io<'_>, at: Nanos, snapshot: DepthSnapshot) {
        self.asked = false;
        self.sync.on_snapshot(at, snapshot, &mut self.events);
        if self.sync.needs_snapshot() {
            self.snapshots.fail(io.now);
        }
        self.deliver(io);
    }

    /// None came, or one that cannot be read.
    pub(super) fn on_no_snapshot(&mut self, now: Nanos) {
        self.asked = false;
        self.snapshots.fail(now);
    }

    pub(super) fn on_time(&mut self, io: &mut Io<'_>) {
        if self.hold_ends().is_some_and(|due| io.now >= due) {
            self.give_up_hole(io);
        }
        if self.stuck_at().is_some_and(|due| io.now >= due) {
            self.disconnect(io);
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Nanos> {
        let snapshot = self.lacks_snapshot().then(|| self.snapshots.due());
        [self.hold_ends(), self.stuck_at(), snapshot].into_iter().flatten().min()
    }

    fn hold_ends(&self) -> Option<Nanos> {
        self.held.iter().map(|held| held.since).min().map(|since| since + HOLD)
    }

    fn stuck_at(&self) -> Option<Nanos> {
        match self.phase {
            Phase::OutOfSequence(since) if self.tail.is_some() => Some(since + STUCK),
            Phase::OutOfSequence(_) | Phase::InSequence(_) => None,
        }
    }

    fn give(&mut self, ts_event: Nanos, diff: DepthDiff) {
        let (known, last_id) = (self.sync.last_id(), diff.last_id);
        let is_new = self.tail.is_none_or(|tail| last_id > tail);
        self.sync.on_diff(ts_event, diff, &mut self.events);
        // An old change that matters: the venue counts anew.
        if is_new || self.sync.last_id() != known {
            self.tail = Some(last_id);
        }
    }

    /// Passes on what was held back and follows now.
    fn release(&mut self) {
        let mut filled = false;
        while self.held.front().is_some_and(|held| self.follows(&held.diff)) {
            let Some(held) = self.held.pop_front() else { break };
            self.give(held.ts_event, held.diff);
            filled = true;
        }
        self.filled += u64::from(filled);
    }

    /// Hands out what has come of it, and notes whether the book follows now.
    fn deliver(&mut self, io: &mut Io<'_>) {
        io.out.extend(self.events.drain(..).map(Effect::Market));
        match (self.phase, self.is_in_sequence()) {
            (Phase::OutOfSequence(_), true) => self.phase = Phase::InSequence(io.now),
            (Phase::InSequence(since), false) => {
                self.phase = Phase::OutOfSequence(io.now);
                if io.now.since(since) < STEADY {
                    self.snapshots.fail(io.now);
                } else {
                    self.snapshots.succeed();
                }
            }
            (Phase::OutOfSequence(_), false) | (Phase::InSequence(_), true) => {}
        }
    }
}
