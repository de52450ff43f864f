//! The wire between trader and venue: delays in both directions, and what gets lost on the way.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use market::venue::{VenueCommand, VenueReport};
use market::{MarketEvent, MarketKind, Nanos};

use crate::SimOutput;
use crate::config::Latency;
use crate::faults::{Faults, concerns_order, within};
use crate::rng::Dice;

/// How long a lost diff goes unnoticed by the venue's gateway.
const GAP_REPAIR: Duration = Duration::from_secs(1);

const STREAM_DELAYS: u64 = 1;
const STREAM_FAULTS: u64 = 2;

/// What is under way. Commands and market events keep their order, and so do reports that no fault
/// holds back.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    latency: Latency,
    faults: Faults,
    delays: Dice,
    luck: Dice,
    sent: u64,
    commands: BTreeMap<(Nanos, u64), VenueCommand>,
    feed: VecDeque<(Nanos, MarketEvent)>,
    reports: BTreeMap<(Nanos, u64), VenueReport>,
    last_command: Nanos,
    last_feed: Nanos,
    last_report: Nanos,
    repair: Option<Nanos>,
    /// Begin (false) and end (true) of the spans in which the user stream is down.
    stream_edges: VecDeque<(Nanos, bool)>,
}

/// What the faults decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Luck {
    /// As it should be.
    Fine,
    /// Executed, but the answer is doubt.
    DoubtExecuted,
    /// Not executed, and the answer is doubt.
    DoubtDropped,
    /// Not executed, no answer.
    Dropped,
    /// Answered by failure.
    Failed,
}

impl Wire {
    pub(crate) fn new(seed: u64, latency: Latency, faults: Faults) -> Self {
        let mut edges: Vec<_> = faults
            .stream_down
            .iter()
            .flat_map(|&(from, span)| [(from, false), (from + span, true)])
            .collect();
        edges.sort_unstable();
        Self {
            latency,
            faults,
            delays: Dice::new(seed, STREAM_DELAYS),
            luck: Dice::new(seed, STREAM_FAULTS),
            sent: 0,
            commands: BTreeMap::new(),
            feed: VecDeque::new(),
            reports: BTreeMap::new(),
            last_command: Nanos::ZERO,
            last_feed: Nanos::ZERO,
            last_report: Nanos::ZERO,
            repair: None,
            stream_edges: edges.into(),
        }
    }

    /// Replaces the faults from now on; spans of stream outage are fixed at birth.
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// A command leaves the trader.
    pub(crate) fn submit(&mut self, now: Nanos, command: &VenueCommand) {
        self.last_command = self.due(now, self.latency.entry).max(self.last_command);
        self.commands.insert((self.last_command, self.sent), command.clone());
    }

    /// When the next command reaches the venue.
    pub(crate) fn next_command(&self) -> Option<Nanos> {
        self.commands.first_key_value().map(|(&(due, _), _)| due)
    }

    /// The next command that reaches the venue.
    pub(crate) fn pop_command(&mut self) -> Option<VenueCommand> {
        self.commands.pop_first().map(|(_, command)| command)
    }

    /// What the faults do to a command that has just reached the venue.
    pub(crate) fn luck(&mut self, command: &VenueCommand) -> Luck {
        let request = matches!(
            command,
            VenueCommand::Place(_) | VenueCommand::Amend(_) | VenueCommand::Cancel { .. }
        );
        let (failure, failed) = match command {
            VenueCommand::QueryOrder { .. } | VenueCommand::QueryAccount { .. } => {
                (self.faults.fail_query, Luck::Failed)
            }
            VenueCommand::ArmDeadMan { .. } => (self.faults.fail_dead_man, Luck::Failed),
            _ => (0, Luck::Fine),
        };
        if self.luck.chance(self.faults.drop_command) {
            Luck::Dropped
        } else if request && self.luck.chance(self.faults.doubt_dropped) {
            Luck::DoubtDropped
        } else if request && self.luck.chance(self.faults.doubt_executed) {
            Luck::DoubtExecuted
        } else if self.luck.chance(failure) {
            failed
        } else {
            Luck::Fine
        }
    }

    /// A market event leaves the venue.
    pub(crate) fn publish(&mut self, now: Nanos, event: MarketEvent) {
        let depth = matches!(event.kind, MarketKind::Diff(_));
        if within(&self.faults.feed_silence, now) {
            let ends = self.faults.feed_silence.iter().filter(|&&(from, _)| from <= now);
            let end = ends.map(|&(from, span)| from + span).max().unwrap_or(now);
            self.repair = self.repair.max(Some(end));
            return;
        }
        if depth && self.luck.chance(self.faults.feed_gap) {
            self.repair = self.repair.or(Some(now + GAP_REPAIR));
            return;
        }
        self.last_feed = self.due(now, self.latency.feed).max(self.last_feed);
        self.feed.push_back((self.last_feed, event));
    }

    /// When the feed must go down and come back with a snapshot, because something was lost.
    pub(crate) fn repair_due(&self) -> Option<Nanos> {
        self.repair
    }

    /// The repair is under way.
    pub(crate) fn repaired(&mut self) {
        self.repair = None;
    }

    /// A report leaves the venue. `stream` says that it does not answer a request.
    pub(crate) fn report(&mut self, now: Nanos, report: VenueReport, stream: bool) {
        let order = concerns_order(&report);
        let loss = self.faults.loss(&report);
        if (stream && within(&self.faults.stream_down, now)) || self.luck.chance(loss) {
            return;
        }
        if order && self.luck.chance(self.faults.duplicate_report) {
            self.send(now, report.clone(), Duration::ZERO);
        }
        let held = order && self.luck.chance(self.faults.delay_report);
        self.send(now, report, if held { self.faults.delay } else { Duration::ZERO });
    }

    /// A report that nothing can stop.
    pub(crate) fn send(&mut self, now: Nanos, report: VenueReport, held: Duration) {
        let mut due = self.due(now, self.latency.response) + held;
        if held.is_zero() {
            due = due.max(self.last_report);
            self.last_report = due;
        }
        self.reports.insert((due, self.sent), report);
    }

    /// When the user stream goes down or comes back.
    pub(crate) fn next_stream_edge(&self) -> Option<Nanos> {
        self.stream_edges.front().map(|&(at, _)| at)
    }

    /// Says that the user stream went down or came back.
    pub(crate) fn pass_stream_edge(&mut self, now: Nanos) {
        if let Some((_, up)) = self.stream_edges.pop_front() {
            let report = if up { VenueReport::StreamUp } else { VenueReport::StreamDown };
            self.send(now, report, Duration::ZERO);
        }
    }

    /// When the next output reaches the trader.
    pub(crate) fn next_delivery(&self) -> Option<Nanos> {
        let feed = self.feed.front().map(|&(due, _)| due);
        let report = self.reports.first_key_value().map(|(&(due, _), _)| due);
        match (feed, report) {
            (Some(feed), Some(report)) => Some(feed.min(report)),
            (feed, report) => feed.or(report),
        }
    }

    /// Hands out everything that has arrived by `now`, in order of arrival, market events first.
    pub(crate) fn deliver(&mut self, now: Nanos, out: &mut Vec<SimOutput>) {
        while let Some(due) = self.next_delivery().filter(|&due| due <= now) {
            if self.feed.front().is_some_and(|&(at, _)| at <= due) {
                out.extend(self.feed.pop_front().map(|(_, event)| SimOutput::Market(event)));
            } else {
                out.extend(self.reports.pop_first().map(|(_, report)| SimOutput::Venue(report)));
            }
        }
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        self.delays.hash_into(hasher);
        self.luck.hash_into(hasher);
        (self.sent, self.last_command, self.last_feed, self.last_report).hash(hasher);
        (self.repair, &self.faults).hash(hasher);
        self.stream_edges.hash(hasher);
        // Messages carry no hash of their own; their debug text names every field.
        let mut text = HashText(hasher);
        let written = write!(text, "{:?}{:?}{:?}", self.commands, self.feed, self.reports);
        assert!(written.is_ok(), "hashing text cannot fail");
    }

    fn due(&mut self, now: Nanos, latency: Duration) -> Nanos {
        self.sent += 1;
        now + latency + self.delays.span(self.latency.jitter)
    }
}

/// Writes text into a hasher.
struct HashText<'a, H: Hasher>(&'a mut H);

impl<H: Hasher> Write for HashText<'_, H> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}
