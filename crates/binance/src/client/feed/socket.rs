//! One socket of the feed, and when its silence means that it is dead.

use std::time::Duration;

use market::Nanos;

use super::super::SocketId;
use crate::endpoints::{Stream, replace_at};

/// What the feed follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Depth,
    BookTicker,
    AggTrade,
    MarkPrice,
}

impl Kind {
    pub(super) const ALL: [Self; 4] =
        [Self::Depth, Self::BookTicker, Self::AggTrade, Self::MarkPrice];

    pub(super) const fn stream(self) -> Stream {
        match self {
            Self::Depth => Stream::Depth,
            Self::BookTicker => Stream::BookTicker,
            Self::AggTrade => Stream::AggTrade,
            Self::MarkPrice => Stream::MarkPrice,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Depth => "depth",
            Self::BookTicker => "book_ticker",
            Self::AggTrade => "agg_trade",
            Self::MarkPrice => "mark_price",
        }
    }

    /// After this long without a message the stream is dead, whatever the socket says. A stream on
    /// the wrong route, or with a name that the venue does not know, is acknowledged and silent.
    pub(super) const fn silence_max(self) -> Duration {
        match self {
            // Ten messages a second while anything changes; a book that we price from and that has
            // not changed for fifty of them is not worth pricing from.
            Self::Depth => Duration::from_secs(5),
            // Only when the touch changes, and a book may change below it for a while.
            Self::BookTicker => Duration::from_secs(20),
            // Only when somebody trades, which at night may take minutes.
            Self::AggTrade => Duration::from_secs(600),
            // One each second, whether anything happens or not.
            Self::MarkPrice => Duration::from_secs(5),
        }
    }
}

/// A handshake that takes longer has failed.
const OPENING_MAX: Duration = Duration::from_secs(15);
/// Somebody who looks at a deadline so much too late has been asleep himself, and what the streams
/// said meanwhile is still on its way to him.
const LATE: Duration = Duration::from_secs(1);
/// What is sent within so long of its opening may not be sent here yet.
const SETTLING: Duration = Duration::from_secs(1);
/// A socket that has delivered for this long was no failure.
const STEADY: Duration = Duration::from_secs(60);

/// A connection, from the wish to have it to its end.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) id: SocketId,
    carries: [bool; Kind::ALL.len()],
    asked: Nanos,
    opened: Option<Nanos>,
    /// Last sign of life of any sort.
    heard: Nanos,
    first_message: Option<Nanos>,
    proven: bool,
    last_messages: [Option<Nanos>; Kind::ALL.len()],
    /// Frames in a row that could not be read.
    pub(super) unread_run: u32,
    /// Its silence is not judged before.
    pardon: Nanos,
    /// Added to its age when it is replaced, so that not all are replaced together.
    stagger: Duration,
}

/// Why a socket counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Death {
    /// The handshake did not end.
    Handshake,
    /// A stream said nothing.
    Silence(Kind),
}

impl Socket {
    pub(super) fn new(
        id: SocketId,
        now: Nanos,
        carries: [bool; Kind::ALL.len()],
        stagger: Duration,
    ) -> Self {
        Self {
            id,
            carries,
            asked: now,
            opened: None,
            heard: now,
            first_message: None,
            proven: false,
            last_messages: [None; Kind::ALL.len()],
            unread_run: 0,
            pardon: Nanos::ZERO,
            stagger,
        }
    }

    pub(super) fn opened(&mut self, now: Nanos) {
        self.opened = Some(now);
        self.heard = now;
    }

    pub(super) fn is_open(&self) -> bool {
        self.opened.is_some()
    }

    pub(super) fn heard(&mut self, now: Nanos) {
        self.heard = now;
    }

    /// For how long nothing at all was heard.
    pub(super) fn quiet(&self, now: Nanos) -> Duration {
        now.since(self.heard)
    }

    /// A message of a stream came.
    pub(super) fn spoke(&mut self, kind: Kind, now: Nanos) {
        self.first_message.get_or_insert(now);
        self.last_messages[kind as usize] = Some(now);
    }

    /// Whether a stream has said something here, and lately.
    pub(super) fn is_alive(&self, kind: Kind, now: Nanos) -> bool {
        self.last_messages[kind as usize].is_some_and(|at| now.since(at) < kind.silence_max())
    }

    /// Whether every stream that lives on `old` has spoken here too.
    pub(super) fn covers(&self, old: &Self, now: Nanos) -> bool {
        let covered =
            |kind| !old.is_alive(kind, now) || self.last_messages[kind as usize].is_some();
        Kind::ALL.into_iter().all(covered)
    }

    /// A stream that has spoken on `old` since some time after this one was open, and never here.
    pub(super) fn misses(&self, old: &Self) -> Option<Kind> {
        let since = self.opened? + SETTLING;
        Kind::ALL.into_iter().find(|kind| {
            let (own, other) =
                (self.last_messages[*kind as usize], old.last_messages[*kind as usize]);
            own.is_none() && other.is_some_and(|at| at > since)
        })
    }

    /// Whether it has delivered for a while now; said once, so that an old socket does not vouch
    /// for attempts to replace it.
    pub(super) fn proves_itself(&mut self, now: Nanos) -> bool {
        let proves = !self.proven && self.first_message.is_some_and(|at| now.since(at) >= STEADY);
        self.proven |= proves;
        proves
    }

    /// When it is to be replaced; the venue closes it a day after its opening.
    pub(super) fn replacement_due(&self) -> Option<Nanos> {
        self.opened.map(|at| replace_at(at) + self.stagger)
    }

    pub(super) fn opened_at(&self) -> Option<Nanos> {
        self.opened
    }

    /// How long it has been open.
    pub(super) fn age(&self, now: Nanos) -> Option<Duration> {
        self.opened.map(|at| now.since(at))
    }

    /// When it will have been silent for too long, and in which respect.
    fn silence(&self) -> (Nanos, Death) {
        let Some(opened) = self.opened else {
            return (self.asked + OPENING_MAX, Death::Handshake);
        };
        let limit = |kind: Kind| {
            let last = self.last_messages[kind as usize].unwrap_or(opened);
            (last + kind.silence_max(), Death::Silence(kind))
        };
        let carried = Kind::ALL.into_iter().filter(|kind| self.carries[*kind as usize]);
        let first = carried.map(limit).min_by_key(|(due, _)| *due);
        first.unwrap_or((Nanos::MAX, Death::Handshake))
    }

    /// When to [`judge`](Self::judge) it.
    pub(super) fn deadline(&self) -> Nanos {
        self.silence().0.max(self.pardon)
    }

    /// Whether it is dead, and of what.
    pub(super) fn judge(&mut self, now: Nanos) -> Option<Death> {
        let due = self.deadline();
        if now < due {
            return None;
        }
        if now > due + LATE {
            self.pardon = now + LATE;
            return None;
        }
        Some(self.silence().1)
    }
}
