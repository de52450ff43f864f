//! Raw depth in arrival order to what a book can be fed: a snapshot, then changes without a hole.
//!
//! The venue's rule: changes are buffered while a snapshot is fetched; of them, those that end
//! before the snapshot's id `L` are dropped; the first one kept must begin at or before it. The
//! venue says `U <= L <= u`, but ids are shared by all symbols and `L` may fall between two
//! changes, so the test here is `previous_id <= L`, which says exactly that nothing lies between.
//! From then on every change must name its forerunner; if one does not, the book is wrong until the
//! next snapshot.
//!
//! A change that reaches back before the forerunner but also beyond it is taken: quantities are
//! absolute, so it only repeats what is known. That happens when two connections overlap.

use std::collections::VecDeque;

use market::{DepthDiff, DepthSnapshot, InstrumentId, MarketEvent, MarketKind, Nanos};

/// Puts the depth of one instrument in sequence. Pure: everything arrives as an argument.
#[derive(Clone, Debug)]
pub struct DepthSync {
    instrument: InstrumentId,
    /// Id of the last change passed on; `None` while out of sequence.
    last_id: Option<u64>,
    /// Changes without a hole among them, waiting for a snapshot. Empty while in sequence.
    pending: VecDeque<(Nanos, DepthDiff)>,
    pending_levels: usize,
    /// A snapshot ahead of every change so far.
    ahead: Option<(Nanos, DepthSnapshot)>,
    /// Old changes since the last good one; many in a row mean that the venue's ids went back.
    stale_run: u32,
    /// Changes have been seen, so partial books are not the source of depth.
    has_diffs: bool,
    /// `FeedUp` was the last thing said about the feed.
    up: bool,
    stats: SyncStats,
}

/// Counts of what has happened in a [`DepthSync`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncStats {
    /// Changes passed on.
    pub applied: u64,
    /// Changes dropped because the snapshot or an earlier change contained them.
    pub dropped_old: u64,
    /// Changes dropped because the buffer was full or a hole in it made them useless.
    pub dropped_unused: u64,
    /// Holes in the chain of ids.
    pub gaps: u64,
    /// Snapshots passed on.
    pub snapshots: u64,
    /// Snapshots that could not be used: too old, or not needed.
    pub snapshots_unused: u64,
    /// Partial books ignored because changes are followed.
    pub partials_unused: u64,
    /// Changes waiting for a snapshot now.
    pub buffered: u64,
}

impl DepthSync {
    /// Changes buffered at most; at 100 ms each this is seven minutes.
    pub const PENDING_MAX: usize = 4_096;
    /// Levels buffered at most, in all buffered changes.
    pub const PENDING_LEVELS_MAX: usize = 1_000_000;
    /// Old changes in a row after which the venue's ids are taken to have gone back.
    pub const STALE_RUN_MAX: u32 = 1_000;

    /// Out of sequence, waiting for changes and a snapshot.
    pub fn new(instrument: InstrumentId) -> Self {
        Self {
            instrument,
            last_id: None,
            pending: VecDeque::new(),
            pending_levels: 0,
            ahead: None,
            stale_run: 0,
            has_diffs: false,
            up: false,
            stats: SyncStats::default(),
        }
    }

    /// In sequence already: the book is known from elsewhere and ends with update `last_id`, so no
    /// snapshot will be passed on unless a gap makes one necessary.
    pub fn starting_at(instrument: InstrumentId, last_id: u64) -> Self {
        Self { last_id: Some(last_id), up: true, ..Self::new(instrument) }
    }

    /// Whether only a new snapshot helps. Ask again after every call; fetch with back-off.
    pub fn needs_snapshot(&self) -> bool {
        self.last_id.is_none() && self.ahead.is_none()
    }

    /// Id of the last change passed on, while in sequence.
    pub fn last_id(&self) -> Option<u64> {
        self.last_id
    }

    /// Counts so far.
    pub fn stats(&self) -> SyncStats {
        SyncStats { buffered: self.pending.len() as u64, ..self.stats }
    }

    /// Takes in a change; pushes what the book may now be fed.
    pub fn on_diff(&mut self, ts_event: Nanos, diff: DepthDiff, out: &mut Vec<MarketEvent>) {
        self.has_diffs = true;
        let Some(last_id) = self.last_id else {
            self.buffer(ts_event, diff);
            self.bridge(out);
            return;
        };
        if diff.last_id <= last_id {
            self.stats.dropped_old += 1;
            self.stale_run += 1;
            if self.stale_run < Self::STALE_RUN_MAX {
                return;
            }
            // Every snapshot held from the old numbering would be wrong too.
            self.ahead = None;
        } else if diff.previous_id <= last_id {
            self.stale_run = 0;
            self.pass(ts_event, diff, out);
            return;
        }
        self.stats.gaps += 1;
        self.down(ts_event, out);
        self.buffer(ts_event, diff);
        self.bridge(out);
    }

    /// Takes in the body of a REST depth request, which may be older than changes already here.
    pub fn on_snapshot(
        &mut self,
        ts_event: Nanos,
        snapshot: DepthSnapshot,
        out: &mut Vec<MarketEvent>,
    ) {
        let newer = self.ahead.as_ref().is_none_or(|(_, held)| held.last_id < snapshot.last_id);
        let useful = self.last_id.is_none_or(|last_id| last_id < snapshot.last_id);
        if !newer || !useful {
            self.stats.snapshots_unused += 1;
            return;
        }
        if self.ahead.replace((ts_event, snapshot)).is_some() {
            self.stats.snapshots_unused += 1;
        }
        if self.last_id.is_none() {
            self.bridge(out);
        }
    }

    /// Takes in a partial book (`depth5`, `depth10`, `depth20`), which is passed on as a snapshot
    /// as long as no changes have been seen: they know the whole book and their chain must not be
    /// cut.
    pub fn on_partial(
        &mut self,
        ts_event: Nanos,
        snapshot: DepthSnapshot,
        out: &mut Vec<MarketEvent>,
    ) {
        if self.has_diffs || self.last_id.is_some() {
            self.stats.partials_unused += 1;
            return;
        }
        self.say_up(ts_event, out);
        self.push(ts_event, MarketKind::Snapshot(snapshot), out);
        self.stats.snapshots += 1;
    }

    /// The connection is gone: whatever comes next has no known forerunner.
    pub fn on_disconnect(&mut self, ts_event: Nanos, out: &mut Vec<MarketEvent>) {
        self.down(ts_event, out);
        self.ahead = None;
        self.clear_pending();
    }

    /// Passes on snapshot and buffered changes if they meet.
    fn bridge(&mut self, out: &mut Vec<MarketEvent>) {
        let Some((ts_event, snapshot)) = self.ahead.take() else { return };
        while let Some((_, first)) = self.pending.front() {
            if first.last_id >= snapshot.last_id {
                break;
            }
            self.stats.dropped_old += 1;
            self.take_pending();
        }
        match self.pending.front() {
            None => self.ahead = Some((ts_event, snapshot)),
            Some((_, first)) if first.previous_id > snapshot.last_id => {
                self.stats.snapshots_unused += 1;
            }
            Some(_) => {
                self.say_up(ts_event, out);
                self.push(ts_event, MarketKind::Snapshot(snapshot), out);
                self.stats.snapshots += 1;
                self.stale_run = 0;
                while let Some((ts_event, diff)) = self.take_pending() {
                    self.pass(ts_event, diff, out);
                }
            }
        }
    }

    /// Keeps a change for later, as a chain without holes and of bounded size.
    fn buffer(&mut self, ts_event: Nanos, diff: DepthDiff) {
        if let Some((_, last)) = self.pending.back() {
            if diff.last_id <= last.last_id {
                self.stats.dropped_old += 1;
                return;
            }
            if diff.previous_id > last.last_id {
                self.stats.gaps += 1;
                self.clear_pending();
            }
        }
        self.pending_levels += levels(&diff);
        self.pending.push_back((ts_event, diff));
        while self.pending.len() > Self::PENDING_MAX
            || (self.pending_levels > Self::PENDING_LEVELS_MAX && self.pending.len() > 1)
        {
            self.take_pending();
            self.stats.dropped_unused += 1;
        }
    }

    fn take_pending(&mut self) -> Option<(Nanos, DepthDiff)> {
        let first = self.pending.pop_front()?;
        self.pending_levels -= levels(&first.1);
        Some(first)
    }

    fn clear_pending(&mut self) {
        self.stats.dropped_unused += self.pending.len() as u64;
        self.pending.clear();
        self.pending_levels = 0;
    }

    fn pass(&mut self, ts_event: Nanos, diff: DepthDiff, out: &mut Vec<MarketEvent>) {
        self.last_id = Some(diff.last_id);
        self.stats.applied += 1;
        self.push(ts_event, MarketKind::Diff(diff), out);
    }

    fn down(&mut self, ts_event: Nanos, out: &mut Vec<MarketEvent>) {
        self.last_id = None;
        self.stale_run = 0;
        if self.up {
            self.up = false;
            self.push(ts_event, MarketKind::FeedDown, out);
        }
    }

    fn say_up(&mut self, ts_event: Nanos, out: &mut Vec<MarketEvent>) {
        if !self.up {
            self.up = true;
            self.push(ts_event, MarketKind::FeedUp, out);
        }
    }

    fn push(&self, ts_event: Nanos, kind: MarketKind, out: &mut Vec<MarketEvent>) {
        out.push(MarketEvent { instrument: self.instrument, ts_event, kind });
    }
}

fn levels(diff: &DepthDiff) -> usize {
    diff.bids.len() + diff.asks.len()
}
