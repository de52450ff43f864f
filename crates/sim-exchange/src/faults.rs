//! What can go wrong between a trader and a venue, as data.

use std::time::Duration;

use market::Nanos;
use market::venue::{RequestKind, VenueReport};

/// A probability in parts per million; 1 000 000 is always.
pub type Ppm = u32;

/// Faults of one run. All chances are per message and drawn from the run's seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// An ack or amendment report, or the refusal of a placement or amendment, is lost.
    pub lose_ack: Ppm,
    /// A fill report is lost.
    pub lose_fill: Ppm,
    /// A canceled or expired report, or the refusal of a cancel, is lost.
    pub lose_cancel: Ppm,
    /// A report about an order arrives twice.
    pub duplicate_report: Ppm,
    /// A report about an order is held back by [`Faults::delay`], so that later ones overtake it.
    pub delay_report: Ppm,
    /// How long a held-back report is held.
    pub delay: Duration,
    /// A place, amend or cancel is executed, but its answer is replaced by
    /// [`VenueReport::InDoubt`]: only a query or later reports tell.
    pub doubt_executed: Ppm,
    /// A place, amend or cancel is not executed and answered by [`VenueReport::InDoubt`].
    pub doubt_dropped: Ppm,
    /// A command vanishes without any answer.
    pub drop_command: Ppm,
    /// A query is answered by [`VenueReport::QueryFailed`].
    pub fail_query: Ppm,
    /// The dead-man's switch cannot be armed.
    pub fail_dead_man: Ppm,
    /// A depth diff is lost; one second later the feed goes down and comes back with a snapshot.
    pub feed_gap: Ppm,
    /// Spans without any market data. The connection looks alive; when a span ends and something
    /// was lost in it, the feed goes down and comes back with a snapshot.
    pub feed_silence: Vec<(Nanos, Duration)>,
    /// Spans in which the user stream is down: begins with [`VenueReport::StreamDown`], loses
    /// whatever is not the answer to a request, ends with [`VenueReport::StreamUp`].
    pub stream_down: Vec<(Nanos, Duration)>,
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// Chance that this report is lost.
    pub(crate) fn loss(&self, report: &VenueReport) -> Ppm {
        match report {
            VenueReport::Ack { .. }
            | VenueReport::Amended { .. }
            | VenueReport::Reject { request: RequestKind::Place | RequestKind::Amend, .. } => {
                self.lose_ack
            }
            VenueReport::Fill(_) => self.lose_fill,
            VenueReport::Canceled { .. }
            | VenueReport::Expired { .. }
            | VenueReport::Reject { request: RequestKind::Cancel, .. } => self.lose_cancel,
            VenueReport::InDoubt { .. }
            | VenueReport::Order { .. }
            | VenueReport::Account(_)
            | VenueReport::QueryFailed
            | VenueReport::Funding { .. }
            | VenueReport::Transfer { .. }
            | VenueReport::DeadManArmed { .. }
            | VenueReport::DeadManFailed
            | VenueReport::StreamUp
            | VenueReport::StreamDown
            | VenueReport::Resync
            | VenueReport::Obstacle { .. }
            | VenueReport::Forced { .. } => 0,
        }
    }
}

/// Whether a report speaks of one order, so that losing, doubling or holding it makes sense.
pub(crate) fn concerns_order(report: &VenueReport) -> bool {
    matches!(
        report,
        VenueReport::Ack { .. }
            | VenueReport::Reject { .. }
            | VenueReport::Amended { .. }
            | VenueReport::Fill(_)
            | VenueReport::Canceled { .. }
            | VenueReport::Expired { .. }
    )
}

/// Whether an instant lies in one of the spans.
pub(crate) fn within(spans: &[(Nanos, Duration)], now: Nanos) -> bool {
    spans.iter().any(|&(from, span)| from <= now && now < from + span)
}
