//! Our records beside the venue's: two decision tables, total over everything that can meet.
//!
//! [`order_row`] compares one order, [`account_row`] position and wallet. They decide and do nothing;
//! the desk carries out what they say. `docs/RECONCILIATION.md` shows both tables.

use market::ClientOrderId;
use market::venue::OpenOrder;

use super::{Order, State};

/// What we know of an order that one side or the other has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ours {
    /// It does not carry one of our names.
    Stranger,
    /// One of our names, given by an earlier session.
    Earlier,
    /// One of our names, given by a session that began after ours: somebody else trades under our
    /// names.
    Later,
    /// A name of this session that we have no record of.
    Forgotten,
    /// We asked something of it, or heard of it, after the venue was asked: the answer may be older.
    Fresh,
    /// Sent, no answer yet.
    PendingNew,
    /// Rests in the book.
    Live,
    /// An amendment is under way.
    PendingAmend,
    /// A cancel is under way.
    PendingCancel,
    /// Its fate is unknown and asked for.
    InDoubt,
    /// Over.
    Ended,
}

impl Ours {
    /// Every kind, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::Stranger,
        Self::Earlier,
        Self::Later,
        Self::Forgotten,
        Self::Fresh,
        Self::PendingNew,
        Self::Live,
        Self::PendingAmend,
        Self::PendingCancel,
        Self::InDoubt,
        Self::Ended,
    ];

    /// What an order on record is, for an answer to a question asked at a time.
    pub fn known(order: &Order, asked: market::Nanos) -> Self {
        if order.heard >= asked {
            return Self::Fresh;
        }
        match order.state {
            State::PendingNew { .. } => Self::PendingNew,
            State::Live => Self::Live,
            State::PendingAmend { .. } => Self::PendingAmend,
            State::PendingCancel { .. } => Self::PendingCancel,
            State::InDoubt { .. } => Self::InDoubt,
            State::Done(_) => Self::Ended,
        }
    }

    /// What an order is that only the venue has.
    pub fn unknown(name: Option<ClientOrderId>, session: u32) -> Self {
        match name {
            None => Self::Stranger,
            Some(id) if id.session < session => Self::Earlier,
            Some(id) if id.session > session => Self::Later,
            Some(_) => Self::Forgotten,
        }
    }
}

/// What the venue's list of open orders says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theirs {
    /// It is not listed.
    Absent,
    /// Listed as we know it, or we know nothing to compare.
    Same,
    /// Listed with another price or quantity.
    Terms,
    /// Listed with more filled than we have booked.
    More,
    /// Listed with less filled than we have booked.
    Less,
}

impl Theirs {
    /// Every kind, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Absent, Self::Same, Self::Terms, Self::More, Self::Less];

    /// Compares a listed order with our record of it. What is filled comes before what is agreed.
    pub fn listed(order: &Order, open: &OpenOrder) -> Self {
        if open.filled > order.booked {
            Self::More
        } else if open.filled < order.booked {
            Self::Less
        } else if (open.price, open.qty) != (order.price, order.qty) {
            Self::Terms
        } else {
            Self::Same
        }
    }
}

/// What to do about one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderRow {
    /// Both sides agree.
    Agree,
    /// Something is under way that will tell by itself.
    Wait,
    /// It lives; that is its acknowledgement.
    Found,
    /// Ask the venue about this order alone, with its fills.
    Ask,
    /// Take it over: it is ours to cancel or to keep.
    Adopt,
    /// Leave it alone and tell.
    Leave,
    /// Halt: another trader uses our names on this account.
    Intruder,
}

impl OrderRow {
    /// Whether the sides differ in a way that nothing under way explains.
    pub const fn differs(self) -> bool {
        match self {
            Self::Agree | Self::Wait | Self::Found => false,
            Self::Ask | Self::Adopt | Self::Leave | Self::Intruder => true,
        }
    }
}

/// The row of the table for an order.
pub const fn order_row(ours: Ours, theirs: Theirs) -> OrderRow {
    use Theirs::{Absent, Less, More, Same, Terms};
    match (ours, theirs) {
        (Ours::Stranger | Ours::Earlier | Ours::Later | Ours::Forgotten, Absent) => OrderRow::Agree,
        (Ours::Stranger, Same | Terms | More | Less) => OrderRow::Leave,
        (Ours::Earlier | Ours::Forgotten, Same | Terms | More | Less) => OrderRow::Adopt,
        (Ours::Later, Same | Terms | More | Less) => OrderRow::Intruder,
        (Ours::Fresh, Absent | Same | Terms | More | Less) => OrderRow::Wait,
        // Its time-out asks; until then it may not have arrived.
        (Ours::PendingNew, Absent) => OrderRow::Wait,
        (Ours::PendingNew, Same | Terms | More | Less) => OrderRow::Found,
        (Ours::Live, Absent | Terms | More) => OrderRow::Ask,
        (Ours::Live, Same) => OrderRow::Agree,
        // The venue's parts lag behind each other; a fill that we have booked happened.
        (Ours::Live, Less) => OrderRow::Agree,
        (
            Ours::PendingAmend | Ours::PendingCancel | Ours::InDoubt,
            Absent | Same | Terms | More | Less,
        ) => OrderRow::Wait,
        (Ours::Ended, Absent) => OrderRow::Agree,
        (Ours::Ended, Same | Terms | More | Less) => OrderRow::Ask,
    }
}

/// How a number of ours stands beside the venue's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Equal.
    Equal,
    /// Differs for the first time, or otherwise than the last time.
    Once,
    /// Differs as at the last comparison, and neither side has moved.
    Again,
}

impl Seen {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Equal, Self::Once, Self::Again];
}

/// What to do about position and wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountRow {
    /// Both sides agree.
    Agree,
    /// Says nothing: ask again; what was known stays known.
    Retry,
    /// Quote nothing and ask again: the venue's parts may lag behind each other.
    AskAgain,
    /// Go on, and look again at the next comparison.
    Watch,
    /// Cash moved that no report told of: book it and tell.
    BookCash,
    /// Halt: the position cannot be explained.
    Drift,
}

/// The row of the table for position and wallet. `outdated` says that the answer is older than a fill
/// that we have booked.
pub const fn account_row(outdated: bool, position: Seen, wallet: Seen) -> AccountRow {
    match (outdated, position, wallet) {
        (true, Seen::Equal | Seen::Once | Seen::Again, Seen::Equal | Seen::Once | Seen::Again) => {
            AccountRow::Retry
        }
        (false, Seen::Once, Seen::Equal | Seen::Once | Seen::Again) => AccountRow::AskAgain,
        (false, Seen::Again, Seen::Equal | Seen::Once | Seen::Again) => AccountRow::Drift,
        (false, Seen::Equal, Seen::Equal) => AccountRow::Agree,
        (false, Seen::Equal, Seen::Once) => AccountRow::Watch,
        (false, Seen::Equal, Seen::Again) => AccountRow::BookCash,
    }
}
