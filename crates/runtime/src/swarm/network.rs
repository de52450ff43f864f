//! The way between trader and venue: delays, order, losses, and connections that are not what they seem.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use binance::HttpRequest;
use binance::client::{HttpReply, NoAnswer, RequestId, SocketId};
use binance::server::{Session, Topic};
use market::Nanos;

use super::dice::Dice;

const PURPOSE: u64 = 2;
/// One way, when all is well.
const LATENCY: Duration = Duration::from_millis(2);

/// A socket of one life of the trader: names begin anew with each.
pub(super) type SocketKey = (u32, SocketId);
/// A request of one life of the trader.
pub(super) type RequestKey = (u32, RequestId);

/// What was known and done when a message left the trader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    /// The trader's life.
    pub(super) life: u32,
    /// When it left.
    pub(super) at: Nanos,
    /// What an order that leaves now must not do, as far as the network has told the trader.
    pub(super) forbids: Forbids,
}

/// Why an order should not have left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forbids {
    /// Nothing about the book had come for longer than allowed.
    pub(super) stale_book: bool,
    /// An update of the book was missing and no snapshot had come since.
    pub(super) gapped_book: bool,
    /// The user stream was known to be gone.
    pub(super) deaf: bool,
}

/// Something on its way.
#[derive(Debug)]
pub(super) enum Parcel {
    Open(SocketKey, String),
    Text(SocketKey, String, Made),
    Goodbye(SocketKey),
    Rest(RequestKey, Box<HttpRequest>, Made),
    Opened(SocketKey),
    Frame(SocketKey, String),
    /// The other side closed it, or it broke: the trader is told.
    Closed(SocketKey),
    Answered(RequestKey, Result<HttpReply, NoAnswer>),
    /// The trader has waited long enough.
    GivenUp(RequestKey),
}

impl Parcel {
    /// Whether it goes to the trader, and to which life of it.
    pub(super) fn life(&self) -> Option<u32> {
        match self {
            Self::Opened((life, _))
            | Self::Frame((life, _), _)
            | Self::Closed((life, _))
            | Self::Answered((life, _), _)
            | Self::GivenUp((life, _)) => Some(*life),
            Self::Open(..) | Self::Text(..) | Self::Goodbye(_) | Self::Rest(..) => None,
        }
    }
}

/// What a socket is used for, once the venue has heard of it.
#[derive(Debug)]
pub(super) enum Use {
    Streams { names: Vec<(String, Option<Topic>)>, combined: bool },
    Api(Session),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) used: Option<Use>,
    /// Whether it carries the user stream.
    pub(super) user: bool,
    pub(super) opened: Nanos,
    /// Messages of one connection do not overtake each other, either way.
    last: [Nanos; 2],
    /// Nothing passes, and nobody is told.
    pub(super) dead: bool,
    /// The trader has closed it and is told nothing of it any more.
    pub(super) closed: bool,
}

/// What the network does at present.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// Added each way.
    pub(super) slow: Duration,
    /// And up to so much more, for each message anew.
    pub(super) jitter: Duration,
    /// Requests over REST that do not arrive, in parts per million.
    pub(super) lost_requests: u64,
    /// Answers that do not arrive, likewise.
    pub(super) lost_answers: u64,
    /// No connection can be made.
    pub(super) unreachable: bool,
    /// Nothing arrives before.
    pub(super) stalled_until: Nanos,
}

/// The two directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Out,
    Back,
}

/// What the network did to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages and requests that the trader sent.
    pub sent: u64,
    /// Messages and answers that reached it.
    pub received: u64,
    /// Lost on the way, in either direction.
    pub lost: u64,
}

/// Everything on its way, and the connections.
#[derive(Debug)]
pub(super) struct Network {
    dice: Dice,
    pub(super) weather: Weather,
    queue: BTreeMap<(Nanos, u64), Parcel>,
    parcels: u64,
    pub(super) sockets: BTreeMap<SocketKey, Socket>,
    /// Requests that the trader still waits for.
    pub(super) waiting: BTreeSet<RequestKey>,
    pub(super) traffic: Traffic,
}

impl Network {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed, PURPOSE),
            weather: Weather::default(),
            queue: BTreeMap::new(),
            parcels: 0,
            sockets: BTreeMap::new(),
            waiting: BTreeSet::new(),
            traffic: Traffic::default(),
        }
    }

    pub(super) fn next_due(&self) -> Option<Nanos> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next message that has arrived by now.
    pub(super) fn arrived(&mut self, now: Nanos) -> Option<Parcel> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }

    /// When something that leaves now arrives.
    fn delay(&mut self, now: Nanos) -> Nanos {
        let weather = self.weather;
        let jitter = match weather.jitter.is_zero() {
            true => Duration::ZERO,
            false => self.dice.span(Duration::ZERO, weather.jitter),
        };
        (now + LATENCY + weather.slow + jitter).max(weather.stalled_until)
    }

    /// Puts something on a way of its own.
    pub(super) fn post(&mut self, now: Nanos, held: Duration, parcel: Parcel) {
        let at = self.delay(now + held);
        self.post_at(at, parcel);
    }

    pub(super) fn post_at(&mut self, at: Nanos, parcel: Parcel) {
        self.parcels += 1;
        self.queue.insert((at, self.parcels), parcel);
    }

    /// Puts something on a connection, behind what is on it already.
    pub(super) fn follow(
        &mut self,
        now: Nanos,
        held: Duration,
        key: SocketKey,
        way: Way,
        parcel: Parcel,
    ) {
        let at = self.delay(now + held);
        let Some(socket) = self.sockets.get_mut(&key) else { return };
        let last = &mut socket.last[way as usize];
        *last = at.max(*last);
        let at = *last;
        self.post_at(at, parcel);
    }

    pub(super) fn add(&mut self, now: Nanos, key: SocketKey, user: bool) {
        let socket =
            Socket { used: None, user, opened: now, last: [now; 2], dead: false, closed: false };
        self.sockets.insert(key, socket);
    }

    /// Whether a request or an answer of this chance is lost.
    pub(super) fn loses(&mut self, ppm: u64) -> bool {
        let lost = self.dice.chance(ppm);
        self.traffic.lost += u64::from(lost);
        lost
    }

    /// The trader's life has ended: nothing reaches it any more. What it sent is still on its way.
    pub(super) fn forget_life(&mut self) {
        self.queue.retain(|_, parcel| parcel.life().is_none());
        self.waiting.clear();
    }
}
