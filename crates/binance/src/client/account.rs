//! The user stream: listen key, socket, and what the events mean for the engine.
//!
//! A socket that is open proves nothing: a listen key that has expired leaves it open and silent. So
//! the stream is believed only as long as it tells of the orders that the venue has accepted; after
//! every new beginning the engine is told, and compares the account.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hasher as _;
use std::time::Duration;

use market::venue::{RequestKind, VenueReport};
use market::{ClientOrderId, Instrument, Nanos};

use super::backoff::Backoff;
use super::{Effect, Io, Level, SocketId};
use crate::endpoints::{Endpoints, replace_at};
use crate::listen_key::{KeyAction, KeyNews, ListenKey};
use crate::replies::decode_listen_key;
use crate::user_stream::{Note, UserEvent};
use crate::witness::Witnesses;

use super::requests::Failure;

/// An order that the venue has accepted shows on the stream within this time; it takes a few
/// milliseconds when all is well.
const EXPECTED_WITHIN: Duration = Duration::from_secs(5);
/// A socket on which nothing was heard for this long is asked for a sign of life.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// A handshake that takes longer has failed.
const OPENING_MAX: Duration = Duration::from_secs(15);
/// Messages remembered, so that one that comes twice counts once.
const SEEN_MAX: usize = 512;
/// Accepted orders watched for at once.
const EXPECTED_MAX: usize = 256;
/// The predecessor of a socket is read on for this long.
const OVERLAP: Duration = Duration::from_secs(5);

/// A socket of the user stream.
#[derive(Clone, Copy, Debug)]
struct Socket {
    id: SocketId,
    since: Nanos,
    open: bool,
    heard: Nanos,
    pinged: bool,
}

/// Counts for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserStats {
    /// Messages, repeats included.
    pub messages: u64,
    /// Messages that came a second time.
    pub repeated: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// Messages that mean nothing to us.
    pub unknown: u64,
    /// Times the stream was lost.
    pub lost: u64,
}

/// Our account, as the venue tells of it.
pub(crate) struct Account {
    endpoints: Endpoints,
    instrument: Instrument,
    key: ListenKey,
    socket: Option<Socket>,
    /// The socket before this one, read on for a while.
    old: Option<(SocketId, Nanos)>,
    /// The engine was told that the stream is up.
    up: bool,
    backoff: Backoff,
    /// The venue wants to hear nothing before: no socket is opened.
    silent_until: Nanos,
    /// Orders accepted in replies that the stream has not told of yet.
    expected: BTreeMap<ClientOrderId, Nanos>,
    seen: VecDeque<u64>,
    /// Contradictions that only a comparison of the account resolves.
    resync: bool,
    last_message: Option<Nanos>,
    stats: UserStats,
}

impl Account {
    pub(crate) fn new(endpoints: Endpoints, instrument: Instrument, seed: u64) -> Self {
        Self {
            endpoints,
            instrument,
            key: ListenKey::default(),
            socket: None,
            old: None,
            up: false,
            backoff: Backoff::new(seed),
            silent_until: Nanos::ZERO,
            expected: BTreeMap::new(),
            seen: VecDeque::with_capacity(SEEN_MAX + 1),
            resync: false,
            last_message: None,
            stats: UserStats::default(),
        }
    }

    /// Whether the stream tells.
    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    pub(crate) fn stats(&self) -> UserStats {
        self.stats
    }

    /// When it told something last.
    pub(crate) fn last_message(&self) -> Option<Nanos> {
        self.last_message
    }

    /// Whether the account must be compared; asked once.
    pub(crate) fn take_resync(&mut self) -> bool {
        std::mem::take(&mut self.resync)
    }

    pub(crate) fn owns(&self, socket: SocketId) -> bool {
        self.socket.is_some_and(|own| own.id == socket)
            || self.old.is_some_and(|(id, _)| id == socket)
    }

    /// No socket is opened before: the venue wants to hear nothing.
    pub(crate) fn keep_silent(&mut self, until: Nanos) {
        self.silent_until = until;
    }

    /// When a socket may be opened where there is none.
    fn connect_due(&self) -> Nanos {
        self.backoff.due().max(self.silent_until)
    }

    /// What to ask about the listen key now, once.
    pub(crate) fn key_action(&mut self, now: Nanos) -> Option<KeyAction> {
        self.key.act(now)
    }

    /// The listen key was made or renewed.
    pub(crate) fn on_key(&mut self, io: &mut Io<'_>, body: &[u8]) {
        match decode_listen_key(body) {
            Ok(key) => {
                if self.key.on_key(io.now, &key) == KeyNews::Reconnect {
                    // Nobody knows since when the old one was dead, and the new one tells nothing
                    // before its socket is open.
                    self.fall_silent(io);
                    // A stream that was lost again and again is not begun anew at once.
                    if self.socket.is_some() || io.now >= self.connect_due() {
                        self.connect(io);
                    }
                }
            }
            // An older form of the answer to a renewal names no key.
            Err(_) if self.key.key().is_some() => self.key.on_kept(io.now),
            Err(error) => {
                io.log(Level::Error, format!("listen key: {error}"));
                self.key.on_failed(io.now, None);
            }
        }
    }

    /// The listen key could not be made or renewed.
    pub(crate) fn on_key_failed(&mut self, io: &mut Io<'_>, failure: Option<&Failure>) {
        let code = failure.and_then(|failure| failure.error.code);
        self.key.on_failed(io.now, code);
        // Where there is no socket, nothing is lost by it.
        if self.key.key().is_none() && self.socket.is_some() {
            self.lose(io, "the listen key is gone");
        }
    }

    fn connect(&mut self, io: &mut Io<'_>) {
        let Some(key) = self.key.key() else { return };
        let url = self.endpoints.user_url(key);
        if let Some((old, _)) = self.old.take() {
            io.out.push(Effect::Close(old));
        }
        if let Some(socket) = self.socket.take() {
            if socket.open {
                self.old = Some((socket.id, io.now + OPENING_MAX + OVERLAP));
            } else {
                io.out.push(Effect::Close(socket.id));
            }
        }
        let id = io.open(url);
        self.socket = Some(Socket { id, since: io.now, open: false, heard: io.now, pinged: false });
    }

    pub(crate) fn opened(&mut self, io: &mut Io<'_>, id: SocketId) {
        let Some(socket) = self.socket.as_mut().filter(|socket| socket.id == id) else { return };
        (socket.open, socket.heard, socket.since) = (true, io.now, io.now);
        if let Some((_, until)) = &mut self.old {
            *until = io.now + OVERLAP;
        }
        if !self.up {
            self.up = true;
            io.out.push(Effect::Report(VenueReport::StreamUp));
            io.log(Level::Info, "user stream up");
        }
    }

    pub(crate) fn heard(&mut self, io: &mut Io<'_>, id: SocketId) {
        if let Some(socket) = self.socket.as_mut().filter(|socket| socket.id == id) {
            (socket.heard, socket.pinged) = (io.now, false);
        }
    }

    pub(crate) fn closed(&mut self, io: &mut Io<'_>, id: SocketId, why: &str) {
        if self.old.is_some_and(|(old, _)| old == id) {
            self.old = None;
            return;
        }
        if self.socket.is_some_and(|socket| socket.id == id) {
            self.socket = None;
            self.lose(io, why);
        }
    }

    /// The stream cannot be relied on any more: tell, and begin anew after a while.
    fn lose(&mut self, io: &mut Io<'_>, why: &str) {
        for socket in [self.socket.take().map(|socket| socket.id), self.old.take().map(|old| old.0)]
            .into_iter()
            .flatten()
        {
            io.out.push(Effect::Close(socket));
        }
        self.backoff.fail(io.now);
        let why = crate::redact::redact(why);
        io.log(Level::Warn, format!("user stream lost: {why}"));
        self.stats.lost += 1;
        self.fall_silent(io);
    }

    /// Tells that the stream does not tell any more.
    fn fall_silent(&mut self, io: &mut Io<'_>) {
        self.expected.clear();
        if self.up {
            self.up = false;
            io.out.push(Effect::Report(VenueReport::StreamDown));
        }
    }

    /// A reply says that the venue has the order, before the stream did.
    pub(crate) fn expect(&mut self, now: Nanos, client_id: ClientOrderId) {
        if self.up && self.expected.len() < EXPECTED_MAX {
            self.expected.entry(client_id).or_insert(now + EXPECTED_WITHIN);
        }
    }

    /// Takes in a frame.
    pub(crate) fn frame(
        &mut self,
        io: &mut Io<'_>,
        id: SocketId,
        frame: &[u8],
        witnesses: &mut Witnesses,
    ) {
        self.heard(io, id);
        self.stats.messages += 1;
        self.last_message = Some(io.now);
        if self.is_repeated(frame) {
            self.stats.repeated += 1;
            return;
        }
        match UserEvent::decode(frame) {
            Ok(event) => self.event(io, &event, witnesses),
            Err(error) => {
                // It may have been a fill.
                self.stats.malformed += 1;
                self.resync = true;
                io.log(Level::Warn, format!("user stream: {error}"));
            }
        }
    }

    fn is_repeated(&mut self, frame: &[u8]) -> bool {
        let mut hasher = siphasher::sip::SipHasher13::new();
        hasher.write(frame);
        let hash = hasher.finish();
        if self.seen.contains(&hash) {
            return true;
        }
        self.seen.push_back(hash);
        if self.seen.len() > SEEN_MAX {
            self.seen.pop_front();
        }
        false
    }

    fn event(&mut self, io: &mut Io<'_>, event: &UserEvent, witnesses: &mut Witnesses) {
        let mut at = io.now;
        match event {
            UserEvent::Order(update) => {
                at = update.time;
                if let Some(client_id) = update.owner.ours() {
                    self.expected.remove(&client_id);
                }
            }
            UserEvent::ListenKeyExpired { .. } => {
                self.key.on_expired(io.now);
                return self.lose(io, "the listen key has expired");
            }
            UserEvent::MarginCall(_) => {
                io.log(Level::Error, "margin call: liquidation is near");
                self.resync = true;
            }
            UserEvent::Leverage { symbol, leverage } => {
                let message = format!("somebody set the leverage of {symbol} to {leverage}");
                io.log(Level::Warn, message);
            }
            UserEvent::MultiAssets { on: true } => {
                let what = market::venue::Obstacle::Account;
                io.out.push(Effect::Report(VenueReport::Obstacle { what, holds: true }));
                io.log(
                    Level::Error,
                    "somebody turned multi-assets mode on; turn it off and restart",
                );
            }
            UserEvent::TriggerReject { symbol, reason, .. } => {
                io.log(Level::Warn, format!("{symbol}: a conditional order failed: {reason}"));
            }
            UserEvent::Robot { event, symbol, status } => {
                io.log(Level::Warn, format!("{event}: a robot of the venue: {symbol} {status}"));
            }
            UserEvent::Unknown { name } => {
                self.stats.unknown += 1;
                io.log(Level::Debug, format!("user stream: unknown event {name}"));
            }
            UserEvent::Account(_)
            | UserEvent::TradeLite(_)
            | UserEvent::MultiAssets { on: false }
            | UserEvent::Algo(_) => {}
        }
        match event.reports(&self.instrument) {
            Ok(reports) => {
                for report in reports.reports {
                    if let Some(report) = witnesses.admit(at, report) {
                        io.out.push(Effect::Report(report));
                    }
                }
                reports.notes.iter().for_each(|note| self.note(io, note));
            }
            Err(error) => {
                self.resync = true;
                self.stats.malformed += 1;
                io.log(Level::Warn, format!("user stream: {error}"));
            }
        }
    }

    fn note(&mut self, io: &mut Io<'_>, note: &Note) {
        match note {
            Note::ForeignOrder { owner, venue_id } => {
                io.log(Level::Info, format!("order {} is not ours: {owner:?}", venue_id.0));
            }
            Note::FeeNotInQuote { trade_id, asset, amount } => {
                let message = format!(
                    "fill {}: fee of {amount} {asset} is not in the quote currency and not in our \
                     PnL; turn off paying fees in {asset}",
                    trade_id.0
                );
                io.log(Level::Error, message);
            }
            Note::FillWithoutId { venue_id, qty } => {
                self.resync = true;
                io.log(Level::Warn, format!("order {}: fill of {qty} without an id", venue_id.0));
            }
            Note::UnknownState { venue_id, what } => {
                self.resync = true;
                io.log(Level::Warn, format!("order {}: unknown state {what}", venue_id.0));
            }
            Note::OtherFunding { symbol, amount } => {
                io.log(Level::Info, format!("funding of {symbol}: {amount}"));
            }
            Note::InnerTransfer { reason } => {
                self.resync = true;
                io.log(Level::Info, format!("money moved within the account: {reason}"));
            }
        }
    }

    pub(crate) fn on_time(&mut self, io: &mut Io<'_>) {
        let now = io.now;
        if let Some((old, _)) = self.old.filter(|(_, until)| *until <= now) {
            self.old = None;
            io.out.push(Effect::Close(old));
        }
        let Some(socket) = &mut self.socket else {
            if self.key.key().is_some() && now >= self.connect_due() {
                self.connect(io);
            }
            return;
        };
        let quiet = now.since(socket.heard);
        let overdue = self.expected.iter().find(|(_, due)| **due <= now).map(|(id, _)| *id);
        if !socket.open {
            if quiet >= OPENING_MAX {
                self.lose(io, "the handshake took too long");
            }
        } else if let Some(client_id) = overdue {
            self.stale(io, client_id);
        } else if quiet >= QUIET_MAX * 2 {
            self.lose(io, "nothing was heard, not even an answer to a ping");
        } else if quiet >= QUIET_MAX && !socket.pinged {
            socket.pinged = true;
            io.out.push(Effect::Ping(socket.id));
        } else if now >= replace_at(socket.since).max(self.silent_until) {
            self.connect(io);
        } else if now >= socket.since + STEADY {
            self.backoff.succeed();
        }
    }

    /// The venue has accepted an order that the stream never told of: the stream is dead.
    fn stale(&mut self, io: &mut Io<'_>, client_id: ClientOrderId) {
        self.key.on_expired(io.now);
        self.lose(io, &format!("silent although {client_id} was accepted"));
    }

    pub(crate) fn next_deadline(&self) -> Option<Nanos> {
        let socket = match &self.socket {
            None => self.key.key().map(|_| self.connect_due()),
            Some(socket) if !socket.open => Some(socket.heard + OPENING_MAX),
            Some(socket) => {
                let wait = if socket.pinged { QUIET_MAX * 2 } else { QUIET_MAX };
                let replaced = replace_at(socket.since).max(self.silent_until);
                Some((socket.heard + wait).min(replaced))
            }
        };
        let expected = self.expected.values().min().copied();
        let old = self.old.map(|(_, until)| until);
        [socket, expected, old, self.key.deadline()].into_iter().flatten().min()
    }
}

/// A socket that has held for this long was no failure.
const STEADY: Duration = Duration::from_secs(60);

/// Which request a report of an accepted order answers, if it is one that the stream tells too.
pub(crate) fn is_told_by_stream(request: RequestKind, report: &VenueReport) -> bool {
    match report {
        VenueReport::Ack { .. } => request == RequestKind::Place,
        VenueReport::Canceled { .. } | VenueReport::Amended { .. } => true,
        _ => false,
    }
}
