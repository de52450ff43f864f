//! One order and everything that can happen to it: a total transition table.

use market::venue::{Outcome, RejectReason, RequestKind};
use market::{ClientOrderId, Nanos, Price, Qty, Side, VenueOrderId};

/// Where an order stands, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Sent; the venue may or may not have it.
    PendingNew {
        /// When it was sent.
        sent_at: Nanos,
    },
    /// Rests in the book.
    Live,
    /// An amendment is under way; old or new terms may be in force.
    PendingAmend {
        /// When it was sent.
        sent_at: Nanos,
    },
    /// A cancel is under way; it can still fill.
    PendingCancel {
        /// When it was sent.
        sent_at: Nanos,
    },
    /// Fate unknown: ask before acting, and count it as if it lived.
    InDoubt {
        /// Since when.
        since: Nanos,
        /// Answers of "not found" so far.
        not_found: u8,
    },
    /// Over.
    Done(Outcome),
}

/// What can happen to an order. Fills are reported apart from their effect on the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The venue has it.
    Ack,
    /// A request about it was refused.
    Reject(RequestKind, RejectReason),
    /// It traded, and something is left.
    PartlyFilled,
    /// It traded, and nothing is left.
    Filled,
    /// An amendment took effect.
    Amended,
    /// It is canceled, and all its fills are known.
    Canceled,
    /// The venue ended it, and all its fills are known.
    Expired,
    /// It is over, but a fill is missing: ask.
    EndedShort,
    /// A request got no answer, or one that says nothing.
    Doubt,
    /// We asked to cancel it.
    CancelSent,
    /// We asked to amend it.
    AmendSent,
    /// Asked for, the venue says it rests.
    FoundOpen,
    /// Asked for, the venue says it ended so, and all its fills are known.
    FoundClosed(Outcome),
    /// Asked for, the venue does not know it.
    NotFound,
}

/// The effect of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A new state.
    To(State),
    /// Nothing changes: a duplicate, or news we had.
    Stay,
    /// The venue contradicts itself or us: go there, count an anomaly, reconcile.
    Anomaly(State),
}

/// "Not found" this many times means it never arrived; the query path of the venue may lag.
pub const NOT_FOUND_MAX: u8 = 3;

impl State {
    /// Whether the order might still trade.
    pub const fn is_exposed(self) -> bool {
        !matches!(self, Self::Done(_))
    }

    /// One word for displays.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingNew { .. } => "pending_new",
            Self::Live => "live",
            Self::PendingAmend { .. } => "pending_amend",
            Self::PendingCancel { .. } => "pending_cancel",
            Self::InDoubt { .. } => "in_doubt",
            Self::Done(_) => "done",
        }
    }

    /// The next state: a total match over states and events.
    #[must_use]
    pub fn on(self, now: Nanos, event: Event) -> Next {
        match self {
            Self::PendingNew { .. } => Self::on_pending_new(now, event),
            Self::Live => Self::on_live(now, event),
            Self::PendingAmend { .. } => Self::on_pending_amend(now, event),
            Self::PendingCancel { .. } => Self::on_pending_cancel(now, event),
            Self::InDoubt { since, not_found } => Self::on_in_doubt(now, since, not_found, event),
            Self::Done(outcome) => Self::on_done(now, outcome, event),
        }
    }

    const fn doubt(now: Nanos) -> Self {
        Self::InDoubt { since: now, not_found: 0 }
    }

    fn on_pending_new(now: Nanos, event: Event) -> Next {
        match event {
            Event::Ack | Event::PartlyFilled | Event::FoundOpen => Next::To(Self::Live),
            Event::Reject(RequestKind::Place, RejectReason::DuplicateId) | Event::Doubt => {
                Next::To(Self::doubt(now))
            }
            Event::Reject(RequestKind::Place, _) => Next::To(Self::Done(Outcome::Rejected)),
            Event::Reject(RequestKind::Amend | RequestKind::Cancel, _) => Next::Stay,
            Event::Filled => Next::To(Self::Done(Outcome::Filled)),
            Event::Amended => Next::Anomaly(Self::Live),
            Event::Canceled => Next::To(Self::Done(Outcome::Canceled)),
            Event::Expired => Next::To(Self::Done(Outcome::Expired)),
            Event::EndedShort => Next::To(Self::doubt(now)),
            Event::CancelSent => Next::To(Self::PendingCancel { sent_at: now }),
            Event::AmendSent => Next::To(Self::PendingAmend { sent_at: now }),
            Event::FoundClosed(outcome) => Next::To(Self::Done(outcome)),
            Event::NotFound => Next::Stay,
        }
    }

    fn on_live(now: Nanos, event: Event) -> Next {
        match event {
            Event::Ack | Event::PartlyFilled | Event::FoundOpen | Event::Amended => Next::Stay,
            Event::Reject(RequestKind::Place, _) => Next::Anomaly(Self::doubt(now)),
            Event::Reject(RequestKind::Amend | RequestKind::Cancel, _) => Next::Stay,
            Event::Filled => Next::To(Self::Done(Outcome::Filled)),
            Event::Canceled => Next::To(Self::Done(Outcome::Canceled)),
            Event::Expired => Next::To(Self::Done(Outcome::Expired)),
            Event::EndedShort | Event::Doubt | Event::NotFound => Next::To(Self::doubt(now)),
            Event::CancelSent => Next::To(Self::PendingCancel { sent_at: now }),
            Event::AmendSent => Next::To(Self::PendingAmend { sent_at: now }),
            Event::FoundClosed(outcome) => Next::To(Self::Done(outcome)),
        }
    }

    fn on_pending_amend(now: Nanos, event: Event) -> Next {
        match event {
            Event::Ack | Event::PartlyFilled | Event::AmendSent => Next::Stay,
            Event::Amended | Event::FoundOpen => Next::To(Self::Live),
            Event::Reject(RequestKind::Amend, RejectReason::UnknownOrder) => {
                Next::To(Self::doubt(now))
            }
            Event::Reject(RequestKind::Amend, _) => Next::To(Self::Live),
            Event::Reject(RequestKind::Place, _) => Next::Anomaly(Self::doubt(now)),
            Event::Reject(RequestKind::Cancel, _) => Next::Stay,
            Event::Filled => Next::To(Self::Done(Outcome::Filled)),
            Event::Canceled => Next::To(Self::Done(Outcome::Canceled)),
            Event::Expired => Next::To(Self::Done(Outcome::Expired)),
            Event::EndedShort | Event::Doubt | Event::NotFound => Next::To(Self::doubt(now)),
            Event::CancelSent => Next::To(Self::PendingCancel { sent_at: now }),
            Event::FoundClosed(outcome) => Next::To(Self::Done(outcome)),
        }
    }

    fn on_pending_cancel(now: Nanos, event: Event) -> Next {
        match event {
            Event::Ack | Event::PartlyFilled | Event::Amended | Event::CancelSent => Next::Stay,
            Event::Reject(RequestKind::Cancel, RejectReason::UnknownOrder) => {
                Next::To(Self::doubt(now))
            }
            // The cancel did not work: alive again, so that the next turn cancels again.
            Event::Reject(RequestKind::Cancel, _) | Event::FoundOpen => Next::To(Self::Live),
            // An order of that name exists; only asking tells whether it is this one.
            Event::Reject(RequestKind::Place, RejectReason::DuplicateId) => {
                Next::To(Self::doubt(now))
            }
            Event::Reject(RequestKind::Place, _) => Next::To(Self::Done(Outcome::Rejected)),
            Event::Reject(RequestKind::Amend, _) | Event::AmendSent => Next::Stay,
            Event::Filled => Next::To(Self::Done(Outcome::Filled)),
            Event::Canceled => Next::To(Self::Done(Outcome::Canceled)),
            Event::Expired => Next::To(Self::Done(Outcome::Expired)),
            Event::EndedShort | Event::Doubt | Event::NotFound => Next::To(Self::doubt(now)),
            Event::FoundClosed(outcome) => Next::To(Self::Done(outcome)),
        }
    }

    fn on_in_doubt(now: Nanos, since: Nanos, not_found: u8, event: Event) -> Next {
        match event {
            Event::Ack | Event::FoundOpen | Event::Amended => Next::To(Self::Live),
            Event::Reject(RequestKind::Place, RejectReason::DuplicateId) => Next::Stay,
            Event::Reject(RequestKind::Place, _) => Next::To(Self::Done(Outcome::Rejected)),
            Event::Reject(RequestKind::Amend | RequestKind::Cancel, _) => Next::Stay,
            Event::PartlyFilled | Event::Doubt | Event::EndedShort | Event::AmendSent => Next::Stay,
            Event::Filled => Next::To(Self::Done(Outcome::Filled)),
            Event::Canceled => Next::To(Self::Done(Outcome::Canceled)),
            Event::Expired => Next::To(Self::Done(Outcome::Expired)),
            Event::CancelSent => Next::To(Self::PendingCancel { sent_at: now }),
            Event::FoundClosed(outcome) => Next::To(Self::Done(outcome)),
            Event::NotFound if not_found + 1 >= NOT_FOUND_MAX => {
                Next::To(Self::Done(Outcome::Rejected))
            }
            Event::NotFound => Next::To(Self::InDoubt { since, not_found: not_found + 1 }),
        }
    }

    fn on_done(now: Nanos, outcome: Outcome, event: Event) -> Next {
        let done = Self::Done(outcome);
        match event {
            // We gave it up for dead and it lives: ask what it is.
            Event::Ack | Event::PartlyFilled | Event::Amended | Event::FoundOpen => match outcome {
                Outcome::Rejected => Next::Anomaly(Self::doubt(now)),
                Outcome::Filled | Outcome::Canceled | Outcome::Expired => Next::Stay,
            },
            Event::Filled => match outcome {
                Outcome::Rejected => Next::Anomaly(Self::Done(Outcome::Filled)),
                Outcome::Filled | Outcome::Canceled | Outcome::Expired => {
                    Next::To(Self::Done(Outcome::Filled))
                }
            },
            Event::Canceled | Event::Expired => match outcome {
                Outcome::Filled => Next::Anomaly(done),
                Outcome::Rejected | Outcome::Canceled | Outcome::Expired => Next::Stay,
            },
            Event::EndedShort => Next::To(Self::doubt(now)),
            Event::Reject(RequestKind::Place, _) => match outcome {
                Outcome::Rejected => Next::Stay,
                Outcome::Filled | Outcome::Canceled | Outcome::Expired => Next::Anomaly(done),
            },
            Event::Reject(RequestKind::Amend | RequestKind::Cancel, _)
            | Event::Doubt
            | Event::CancelSent
            | Event::AmendSent
            | Event::FoundClosed(_)
            | Event::NotFound => Next::Stay,
        }
    }
}

/// An order we sent (or found at the venue under one of our names).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Order {
    /// Our name for it.
    pub client_id: ClientOrderId,
    /// The venue's name, once known.
    pub venue_id: Option<VenueOrderId>,
    /// Side.
    pub side: Side,
    /// Limit in force, as far as we know.
    pub price: Price,
    /// Total quantity in force, as far as we know.
    pub qty: Qty,
    /// Terms of an amendment whose fate is open; either these or the ones above are in force.
    pub amending: Option<(Price, Qty)>,
    /// Filled according to the venue (largest cumulative quantity seen).
    pub filled: Qty,
    /// Sum of the fills we have booked; less than `filled` while a fill report is missing.
    pub booked: Qty,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// Where it stands.
    pub state: State,
    /// When it was sent.
    pub created: Nanos,
    /// When its terms were last changed by us.
    pub changed: Nanos,
    /// When something was last asked of it or heard of it: answers to older questions are old news.
    pub heard: Nanos,
    /// When the venue was last asked about it.
    pub asked: Nanos,
    /// It never rests (IOC): while flattening it is left to end by itself.
    pub fleeting: bool,
    /// The venue has said that it has it.
    pub acked: bool,
    /// The venue refused to amend it, or left us in doubt about it: it can only be canceled.
    pub fixed: bool,
    /// When to ask the venue about it, if nothing is heard until then.
    pub ask_at: Option<Nanos>,
}

impl Order {
    /// Lots that might still trade: the larger of the terms that may be in force, less the booked.
    pub fn exposed(&self) -> Qty {
        if !self.state.is_exposed() {
            return Qty::ZERO;
        }
        let qty = self.amending.map_or(self.qty, |(_, qty)| qty.max(self.qty));
        qty.saturating_sub(self.booked)
    }

    /// Lots left according to the terms in force.
    pub fn remaining(&self) -> Qty {
        self.qty.saturating_sub(self.filled)
    }

    /// The most aggressive price that may be in force.
    pub fn keenest_price(&self) -> Price {
        match self.amending {
            Some((price, _)) if self.side.is_better(price, self.price) => price,
            _ => self.price,
        }
    }

    /// The price it will have once everything under way has worked.
    pub fn intended_price(&self) -> Price {
        self.amending.map_or(self.price, |(price, _)| price)
    }
}
