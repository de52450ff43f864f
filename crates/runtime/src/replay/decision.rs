//! Decisions, told apart by what they want and not by the names of orders: two runs number their
//! orders differently as soon as one of them places one more.

use engine::output::Note;
use engine::risk::{Mode, Refusal, Standstill};
use engine::{Output, RecordedOutput};
use market::venue::{OrderKind, TimeInForce, VenueCommand};
use market::{Instrument, Price, Qty, Side};

/// What sort of decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A new order.
    Place,
    /// Another price or size for an order.
    Amend,
    /// An order withdrawn.
    Cancel,
    /// Our own gate said no.
    Refusal,
    /// How much may be done has changed.
    Mode,
}

impl Kind {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Place, Self::Amend, Self::Cancel, Self::Refusal, Self::Mode];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Amend => "amend",
            Self::Cancel => "cancel",
            Self::Refusal => "refusal",
            Self::Mode => "mode",
        }
    }
}

/// How many decisions, by [`Kind`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Kind::ALL.len()]);

impl Counts {
    /// Of one kind.
    pub const fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    /// Of all kinds.
    pub fn sum(&self) -> u64 {
        self.0.iter().sum()
    }

    fn add(&mut self, kind: Kind, count: u64) {
        self.0[kind as usize] += count;
    }

    /// Counts decisions one by one.
    pub(super) fn count(&mut self, decisions: &[Decision]) {
        for decision in decisions {
            self.add(decision.kind(), 1);
        }
    }

    /// Counts the decisions of one moment that have no equal on the other side; two that stand
    /// against each other count once. True when there were any.
    pub(super) fn differences(&mut self, ours: &[Decision], theirs: &[Decision]) -> bool {
        let mut any = false;
        for kind in Kind::ALL {
            let of_kind = |side: &[Decision]| -> Vec<Decision> {
                side.iter().filter(|decision| decision.kind() == kind).copied().collect()
            };
            let (ours, mut theirs) = (of_kind(ours), of_kind(theirs));
            let mut alone = 0;
            for decision in &ours {
                match theirs.iter().position(|other| other == decision) {
                    Some(index) => drop(theirs.swap_remove(index)),
                    None => alone += 1,
                }
            }
            let differing = theirs.len().max(alone) as u64;
            self.add(kind, differing);
            any |= differing > 0;
        }
        any
    }
}

/// One decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A new order.
    Place {
        /// Side.
        side: Side,
        /// Quantity.
        qty: Qty,
        /// Limit or market.
        kind: OrderKind,
        /// May only shrink the position.
        reduce_only: bool,
    },
    /// An order moved.
    Amend {
        /// Side.
        side: Side,
        /// New limit.
        price: Price,
        /// New quantity.
        qty: Qty,
    },
    /// An order withdrawn.
    Cancel,
    /// All orders withdrawn at once.
    CancelAll,
    /// Our gate said no.
    Refusal(Refusal),
    /// The mode changed.
    Mode {
        /// To this.
        to: Mode,
        /// For this reason.
        because: Option<Standstill>,
    },
}

impl Decision {
    /// What sort it is.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Place { .. } => Kind::Place,
            Self::Amend { .. } => Kind::Amend,
            Self::Cancel | Self::CancelAll => Kind::Cancel,
            Self::Refusal(_) => Kind::Refusal,
            Self::Mode { .. } => Kind::Mode,
        }
    }

    /// The decision in an output, if it is one.
    pub(super) fn of(output: &RecordedOutput) -> Option<Self> {
        match output {
            Output::Venue(command) => Self::of_command(command),
            Output::Note(Note::Refused { refusal, .. }) => Some(Self::Refusal(*refusal)),
            Output::Note(Note::Mode { to, because, .. }) => {
                Some(Self::Mode { to: *to, because: *because })
            }
            Output::Alert(_) | Output::Note(_) => None,
        }
    }

    fn of_command(command: &VenueCommand) -> Option<Self> {
        match command {
            VenueCommand::Place(order) => Some(Self::Place {
                side: order.side,
                qty: order.qty,
                kind: order.kind,
                reduce_only: order.reduce_only,
            }),
            VenueCommand::Amend(amend) => {
                Some(Self::Amend { side: amend.side, price: amend.price, qty: amend.qty })
            }
            VenueCommand::Cancel { .. } => Some(Self::Cancel),
            VenueCommand::CancelAll { .. } => Some(Self::CancelAll),
            VenueCommand::ArmDeadMan { .. }
            | VenueCommand::QueryOrder { .. }
            | VenueCommand::QueryAccount { .. } => None,
        }
    }

    /// In words, such as `place buy 0.010 @ 2610.25`.
    pub fn text(&self, instrument: &Instrument) -> String {
        match self {
            Self::Place { side, qty, kind, reduce_only } => {
                let qty = instrument.qty_text(*qty);
                let reduce = if *reduce_only { " reduce-only" } else { "" };
                format!("place {side} {qty} {}{reduce}", limit(*kind, instrument))
            }
            Self::Amend { side, price, qty } => {
                let (qty, price) = (instrument.qty_text(*qty), instrument.price_text(*price));
                format!("amend {side} {qty} @ {price}")
            }
            Self::Cancel => String::from("cancel"),
            Self::CancelAll => String::from("cancel all"),
            Self::Refusal(refusal) => format!("refused: {}", refusal.name()),
            Self::Mode { to, because } => match because {
                Some(why) => format!("mode {} ({})", to.name(), why.name()),
                None => format!("mode {}", to.name()),
            },
        }
    }
}

fn limit(kind: OrderKind, instrument: &Instrument) -> String {
    let OrderKind::Limit { price, tif } = kind else { return String::from("at market") };
    let tif = match tif {
        TimeInForce::PostOnly => "",
        TimeInForce::Gtc => " gtc",
        TimeInForce::Ioc => " ioc",
        TimeInForce::Fok => " fok",
    };
    format!("@ {}{tif}", instrument.price_text(price))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amend(side: Side, price: i64) -> Decision {
        Decision::Amend { side, price: Price::new(price), qty: Qty::new(5) }
    }

    #[test]
    fn decisions_are_matched_whatever_their_order() {
        let (a, b, c) = (amend(Side::Buy, 1), amend(Side::Buy, 2), amend(Side::Sell, 1));
        let cancel = Decision::Cancel;
        // What one side decides, what the other decides, how many amends and cancels differ.
        let cases: [(&[Decision], &[Decision], u64, u64); 8] = [
            (&[], &[], 0, 0),
            (&[a, b, cancel], &[cancel, b, a], 0, 0),
            (&[a], &[b], 1, 0),
            (&[a], &[], 1, 0),
            (&[], &[a, c], 2, 0),
            (&[a, a], &[a], 1, 0),
            (&[a, b], &[b, c, c], 2, 0),
            (&[a, cancel], &[cancel, cancel, cancel], 1, 2),
        ];
        for (ours, theirs, amends, cancels) in cases {
            for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
                let mut counts = Counts::default();
                let any = counts.differences(ours, theirs);
                let found = (counts.of(Kind::Amend), counts.of(Kind::Cancel), counts.sum());
                assert_eq!(found, (amends, cancels, amends + cancels), "{ours:?} {theirs:?}");
                assert_eq!(any, amends + cancels > 0);
            }
        }
    }
}
