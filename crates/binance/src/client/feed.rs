//! The market half of the client: sockets that come and go, one steady stream of events.
//!
//! Every group of streams that shares a socket is followed on one or two of them. What both tell is
//! told once; a hole in the depth of one is filled from the other. A stream must speak within its
//! own time, or its socket is replaced, however open it is; so no ping is needed here: on every
//! socket there is a stream that speaks within seconds. Before the venue's 24 hours are over a
//! successor is opened, and the old socket closed when the new one has shown that it delivers.

mod depth;
mod lane;
mod once;
mod socket;
mod status;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use market::{Instrument, MarketEvent, MarketKind, Nanos};

use super::{Effect, Io, Level, SocketId};
use crate::endpoints::Endpoints;
use crate::wire::{DecodeError, Decoded, Decoder, Unknown};
use depth::Depth;
use lane::{Lane, Place, lanes, mix};
use once::{Each, Newest};
use socket::{Death, Kind, Socket};
pub use status::{FeedStatus, StreamStatus};

/// Connections opened at most within [`CONNECTS_WINDOW`]. The venue allows 300 per address, and the
/// user stream, the WS API and other programs behind the same address want some too.
const CONNECTS_MAX: usize = 60;
/// The venue's window for counting connections.
const CONNECTS_WINDOW: Duration = Duration::from_secs(300);
/// Unreadable frames in a row after which a socket is given up.
const UNREAD_MAX: u32 = 20;
/// A line about unreadable frames is written at most so often.
const COMPLAINT_EVERY: Duration = Duration::from_secs(10);
/// Sockets opened together are replaced this far apart, plus up to as much again at random.
const STAGGER: Duration = Duration::from_secs(600);
/// Longest reason for a closed socket that is repeated in the log.
const REASON_MAX: usize = 200;

/// What the feed needs to know.
#[derive(Clone, Debug)]
pub(crate) struct FeedConfig {
    /// Where the venue is.
    pub(crate) endpoints: Endpoints,
    /// What is followed.
    pub(crate) instrument: Instrument,
    /// Sockets per group of streams: 1, or 2 against the failure of one.
    pub(crate) copies: u8,
    /// Keeps the waits of different clients apart.
    pub(crate) seed: u64,
}

/// Counts of one stream.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    last_message: Option<Nanos>,
    messages: u64,
    repeated: u64,
    losses: u64,
}

/// The market data of one instrument.
pub(crate) struct Feed {
    config: FeedConfig,
    lanes: Vec<Lane>,
    decoder: Decoder,
    depth: Depth,
    tickers: Newest,
    trades: Each,
    marks: Newest,
    counts: [Count; Kind::ALL.len()],
    /// When the last [`CONNECTS_MAX`] sockets were opened.
    connected: VecDeque<Nanos>,
    connects: u64,
    replaced: u64,
    unasked: u64,
}

impl Feed {
    pub(crate) fn new(config: FeedConfig) -> Self {
        let instrument = config.instrument.clone();
        Self {
            lanes: Vec::new(),
            depth: Depth::new(instrument.id, mix(config.seed)),
            decoder: Decoder::new(&[instrument]).rounding_quantities(),
            tickers: Newest::default(),
            trades: Each::default(),
            marks: Newest::default(),
            counts: [Count::default(); Kind::ALL.len()],
            connected: VecDeque::with_capacity(CONNECTS_MAX),
            connects: 0,
            replaced: 0,
            unasked: 0,
            config,
        }
    }

    /// Opens the sockets.
    pub(crate) fn start(&mut self, io: &mut Io<'_>) {
        if self.lanes.is_empty() {
            self.lanes = lanes(&self.config);
            self.on_time(io);
        }
    }

    /// Whether a socket is one of these.
    pub(crate) fn owns(&self, id: SocketId) -> bool {
        self.find(id).is_some()
    }

    fn find(&self, id: SocketId) -> Option<(usize, Place)> {
        let is = |socket: &Option<Socket>| socket.as_ref().is_some_and(|socket| socket.id == id);
        self.lanes.iter().enumerate().find_map(|(index, lane)| {
            if is(&lane.socket) {
                return Some((index, Place::Current));
            }
            is(&lane.next).then_some((index, Place::Next))
        })
    }

    fn socket(&mut self, id: SocketId) -> Option<&mut Socket> {
        let (index, place) = self.find(id)?;
        self.lanes[index].at(place).as_mut()
    }

    /// A handshake is done.
    pub(crate) fn opened(&mut self, io: &mut Io<'_>, id: SocketId) {
        let Some((index, place)) = self.find(id) else { return };
        let lane = &mut self.lanes[index];
        if let Some(socket) = lane.at(place) {
            socket.opened(io.now);
        }
        io.log(Level::Info, format!("{} open", lane.name));
    }

    /// A ping or pong came.
    pub(crate) fn heard(&mut self, io: &mut Io<'_>, id: SocketId) {
        if let Some(socket) = self.socket(id) {
            socket.heard(io.now);
        }
    }

    /// A socket is gone, or never was there.
    pub(crate) fn closed(&mut self, io: &mut Io<'_>, id: SocketId, why: &str) {
        if let Some((index, place)) = self.find(id) {
            let why = crate::wire::excerpt(why.as_bytes(), REASON_MAX);
            self.lose(io, index, place, &why);
        }
    }

    /// A frame came.
    pub(crate) fn frame(&mut self, io: &mut Io<'_>, id: SocketId, frame: &[u8]) {
        let Some((index, place)) = self.find(id) else { return };
        match self.decoder.decode(frame, io.now) {
            Ok(decoded) => {
                let kind = kind_of(&decoded);
                self.spoke(io.now, index, place, kind);
                self.merge(io, id, decoded, frame);
                if place == Place::Next {
                    self.lanes[index].compare(io.now);
                }
            }
            Err(error) => self.unreadable(io, index, place, &error),
        }
    }

    /// Notes that a socket has delivered something, of a stream if it is one of ours.
    fn spoke(&mut self, now: Nanos, index: usize, place: Place, kind: Option<Kind>) {
        let lane = &mut self.lanes[index];
        let Some(socket) = lane.at(place) else { return };
        socket.heard(now);
        socket.unread_run = 0;
        let Some(kind) = kind else { return };
        socket.spoke(kind, now);
        if socket.proves_itself(now) {
            lane.backoff.succeed();
        }
        let count = &mut self.counts[kind as usize];
        count.messages += 1;
        count.last_message = Some(now);
    }

    /// Passes on what no other socket has told yet.
    fn merge(&mut self, io: &mut Io<'_>, id: SocketId, decoded: Decoded, frame: &[u8]) {
        match decoded {
            Decoded::Diff { ts_event, diff, .. } => {
                if self.depth.follows(&diff) {
                    return self.depth.pass(io, ts_event, diff);
                }
                self.depth.hold(io, ts_event, diff);
                if !self.depth_lives(io.now, Some(id)) {
                    self.depth.give_up_hole(io);
                }
            }
            Decoded::AggTrade(event) => {
                let new = match &event.kind {
                    MarketKind::Trade(trade) => self.trades.admit(trade.id, event.ts_event),
                    _ => false,
                };
                self.tell(io, Kind::AggTrade, new, event);
            }
            Decoded::Event(event) => match &event.kind {
                MarketKind::Ticker(ticker) => {
                    let new = self.tickers.admit(ticker.update_id, event.ts_event);
                    self.tell(io, Kind::BookTicker, new, event);
                }
                MarketKind::Mark(_) => {
                    let new = self.marks.admit(event.ts_event.0, event.ts_event);
                    self.tell(io, Kind::MarkPrice, new, event);
                }
                MarketKind::Snapshot(_)
                | MarketKind::Diff(_)
                | MarketKind::Trade(_)
                | MarketKind::FeedUp
                | MarketKind::FeedDown => self.unasked += 1,
            },
            Decoded::Events(_) | Decoded::Partial { .. } | Decoded::Snapshot { .. } => {
                self.unasked += 1;
            }
            Decoded::Unknown { what: Unknown::NotAnEvent, .. }
                if frame.starts_with(b"{\"error") =>
            {
                self.refused(io, id, frame);
            }
            // Counted by the decoder.
            Decoded::OffBook | Decoded::Unknown { .. } => {}
        }
    }

    fn tell(&mut self, io: &mut Io<'_>, kind: Kind, new: bool, event: MarketEvent) {
        if new {
            io.out.push(Effect::Market(event));
        } else {
            self.counts[kind as usize].repeated += 1;
        }
    }

    /// Whether depth lives on any socket, `besides` one.
    fn depth_lives(&self, now: Nanos, besides: Option<SocketId>) -> bool {
        let mut sockets = self.lanes.iter().flat_map(Lane::sockets);
        sockets.any(|socket| Some(socket.id) != besides && socket.is_alive(Kind::Depth, now))
    }

    /// The venue said no to something.
    fn refused(&mut self, io: &mut Io<'_>, id: SocketId, frame: &[u8]) {
        if let Some((index, _)) = self.find(id) {
            let text = crate::wire::excerpt(frame, DecodeError::TEXT_MAX);
            self.complain(io, index, &text);
        }
    }

    fn unreadable(&mut self, io: &mut Io<'_>, index: usize, place: Place, error: &DecodeError) {
        let Some(socket) = self.lanes[index].at(place) else { return };
        socket.heard(io.now);
        socket.unread_run += 1;
        let given_up = socket.unread_run >= UNREAD_MAX;
        let id = socket.id;
        self.complain(io, index, error);
        if given_up {
            io.out.push(Effect::Close(id));
            self.lose(io, index, place, &format!("{UNREAD_MAX} unreadable frames in a row"));
        }
    }

    /// Writes what is wrong with a frame, unless it has just written something like it.
    fn complain(&mut self, io: &mut Io<'_>, index: usize, what: &dyn std::fmt::Display) {
        let lane = &mut self.lanes[index];
        if io.now < lane.complaint_due {
            lane.unwritten += 1;
            return;
        }
        lane.complaint_due = io.now + COMPLAINT_EVERY;
        let what = crate::redact::redact(&what.to_string());
        let more = match std::mem::take(&mut lane.unwritten) {
            0 => String::new(),
            count => format!(" (and {count} more before it)"),
        };
        io.log(Level::Warn, format!("{}: {what}{more}", lane.name));
    }

    /// A socket is gone: tell, and have another one after a while.
    fn lose(&mut self, io: &mut Io<'_>, index: usize, place: Place, why: &str) {
        let lane = &mut self.lanes[index];
        let Some(lost) = lane.at(place).take() else { return };
        if place == Place::Current {
            lane.socket = lane.next.take();
        }
        lane.ready = None;
        lane.backoff.fail(io.now);
        for kind in Kind::ALL.into_iter().filter(|kind| lane.carries[*kind as usize]) {
            self.counts[kind as usize].losses += 1;
        }
        let (name, why) = (&lane.name, crate::redact::redact(why));
        let after = match lost.age(io.now) {
            Some(age) => format!("lost after {} s", age.as_secs()),
            None => "could not be opened".to_owned(),
        };
        io.log(Level::Warn, format!("{name} {after}: {why}"));
        self.depth_sockets_changed(io);
    }

    /// What nobody can bring any more is not waited for.
    fn depth_sockets_changed(&mut self, io: &mut Io<'_>) {
        let alive = |socket: &&Socket| socket.is_alive(Kind::Depth, io.now);
        match self.lanes.iter().flat_map(Lane::sockets).filter(alive).count() {
            0 => self.depth.disconnect(io),
            1 => self.depth.give_up_hole(io),
            _ => {}
        }
    }

    /// Closes the old socket, or a successor that is worse.
    fn end_overlap(&mut self, io: &mut Io<'_>, index: usize) {
        let lane = &mut self.lanes[index];
        let Some(next) = &lane.next else { return };
        if let Some(kind) = lane.socket.as_ref().and_then(|old| next.misses(old)) {
            io.out.push(Effect::Close(next.id));
            let name = kind.stream().name(self.config.instrument.symbol());
            let why = format!("nothing of {name}, unlike on the one to be replaced");
            return self.lose(io, index, Place::Next, &why);
        }
        let Some(next) = lane.next.take() else { return };
        lane.ready = None;
        if let Some(old) = lane.socket.replace(next) {
            io.out.push(Effect::Close(old.id));
        }
        self.replaced += 1;
        io.log(Level::Info, format!("{} replaced in time", lane.name));
        self.depth_sockets_changed(io);
    }

    /// Acts on what has become due.
    pub(crate) fn on_time(&mut self, io: &mut Io<'_>) {
        for index in 0..self.lanes.len() {
            for place in [Place::Next, Place::Current] {
                self.judge(io, index, place);
            }
            if self.lanes[index].overlap_ends().is_some_and(|due| io.now >= due) {
                self.end_overlap(io, index);
            }
            let open_due = self.lanes[index].open_due();
            if open_due.is_some_and(|due| io.now >= due.max(self.connect_allowed())) {
                self.connect(io, index);
            }
        }
        self.depth.on_time(io);
    }

    /// When [`on_time`](Self::on_time) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Nanos> {
        let allowed = self.connect_allowed();
        let of_lane = |lane: &Lane| {
            let open = lane.open_due().map(|due| due.max(allowed));
            let silence = lane.sockets().map(Socket::deadline).min();
            [open, silence, lane.overlap_ends()].into_iter().flatten().min()
        };
        self.lanes.iter().filter_map(of_lane).chain(self.depth.next_deadline()).min()
    }

    /// Gives a socket up that has been silent for too long.
    fn judge(&mut self, io: &mut Io<'_>, index: usize, place: Place) {
        let Some(socket) = self.lanes[index].at(place) else { return };
        let Some(death) = socket.judge(io.now) else { return };
        let (id, quiet) = (socket.id, socket.quiet(io.now).as_secs());
        let why = match death {
            Death::Handshake => "the handshake took too long".to_owned(),
            Death::Silence(kind) => format!(
                "nothing of {} for {} s, of anything for {quiet} s",
                kind.stream().name(self.config.instrument.symbol()),
                kind.silence_max().as_secs()
            ),
        };
        io.out.push(Effect::Close(id));
        self.lose(io, index, place, &why);
    }

    /// From when on another socket may be opened.
    fn connect_allowed(&self) -> Nanos {
        match self.connected.front() {
            Some(first) if self.connected.len() >= CONNECTS_MAX => *first + CONNECTS_WINDOW,
            Some(_) | None => Nanos::ZERO,
        }
    }

    fn connect(&mut self, io: &mut Io<'_>, index: usize) {
        if self.connected.len() >= CONNECTS_MAX {
            self.connected.pop_front();
        }
        self.connected.push_back(io.now);
        self.connects += 1;
        let lane = &mut self.lanes[index];
        let id = io.open(lane.url.clone());
        let dice = mix(self.config.seed ^ mix(id.0)) % STAGGER.as_secs();
        let stagger = STAGGER * index as u32 + Duration::from_secs(dice);
        let socket = Socket::new(id, io.now, lane.carries, stagger);
        let place = if lane.socket.is_none() { Place::Current } else { Place::Next };
        *lane.at(place) = Some(socket);
    }

    /// Whether a snapshot should be fetched now.
    pub(crate) fn wants_snapshot(&self, now: Nanos) -> bool {
        self.depth.wants_snapshot(now)
    }

    /// It is being fetched.
    pub(crate) fn snapshot_sent(&mut self, _: &mut Io<'_>) {
        self.depth.snapshot_sent();
    }

    /// It came, or did not.
    pub(crate) fn on_snapshot(&mut self, io: &mut Io<'_>, body: Result<&[u8], ()>) {
        let Ok(body) = body else { return self.depth.on_no_snapshot(io.now) };
        match self.decoder.decode_snapshot(self.config.instrument.id, body, io.now) {
            Ok((at, snapshot)) => self.depth.on_snapshot(io, at, snapshot),
            Err(error) => {
                self.depth.on_no_snapshot(io.now);
                let error = crate::redact::redact(&error.to_string());
                io.log(Level::Warn, format!("depth snapshot: {error}"));
            }
        }
    }

    /// The state, for metrics.
    pub(crate) fn status(&self, now: Nanos) -> FeedStatus {
        let sockets = || self.lanes.iter().flat_map(Lane::sockets);
        let stream = |kind: Kind| {
            let count = &self.counts[kind as usize];
            StreamStatus {
                stream: kind.stream(),
                name: kind.name(),
                up: sockets().any(|socket| socket.is_alive(kind, now)),
                age: count.last_message.map(|at| now.since(at)),
                messages: count.messages,
                repeated: count.repeated,
                losses: count.losses,
            }
        };
        FeedStatus {
            streams: Kind::ALL.map(stream).to_vec(),
            in_sequence: self.depth.is_in_sequence(),
            sync: self.depth.stats(),
            holes_filled: self.depth.filled(),
            decode: self.decoder.stats(),
            unasked: self.unasked,
            sockets_open: sockets().filter(|socket| socket.is_open()).count(),
            connects: self.connects,
            replaced: self.replaced,
        }
    }
}

/// Which of our streams a message belongs to.
fn kind_of(decoded: &Decoded) -> Option<Kind> {
    match decoded {
        Decoded::Diff { .. } => Some(Kind::Depth),
        Decoded::AggTrade(_) | Decoded::OffBook => Some(Kind::AggTrade),
        Decoded::Event(event) => match event.kind {
            MarketKind::Ticker(_) => Some(Kind::BookTicker),
            MarketKind::Mark(_) => Some(Kind::MarkPrice),
            MarketKind::Snapshot(_)
            | MarketKind::Diff(_)
            | MarketKind::Trade(_)
            | MarketKind::FeedUp
            | MarketKind::FeedDown => None,
        },
        Decoded::Events(_)
        | Decoded::Partial { .. }
        | Decoded::Snapshot { .. }
        | Decoded::Unknown { .. } => None,
    }
}
