//! Orders over the WS API, and over REST while that is down.
//!
//! Both ways end in the same reports. A socket that drops leaves whatever was sent on it in doubt;
//! nothing is ever sent twice.

use std::collections::BTreeMap;
use std::time::Duration;

use market::venue::RequestKind;
use market::{ClientOrderId, Nanos};

use super::backoff::Backoff;
use super::requests::{Failure, Requests};
use super::{Effect, Io, Level, OrderPath, SocketId, Ticket};
use crate::endpoints::{Endpoints, replace_at};
use crate::reaction::{self, Answer};
use crate::rest::{Purpose, Request};
use crate::sign::KeyKind;
use crate::ws_api::{Auth, InFlight, WsReply, logon_frame};
use serde_json::Value;

/// A socket on which nothing was heard for this long is asked for a sign of life.
const QUIET_MAX: Duration = Duration::from_secs(30);
/// A handshake or logon that takes longer has failed.
const OPENING_MAX: Duration = Duration::from_secs(15);
/// A socket that has held for this long was no failure.
const STEADY: Duration = Duration::from_secs(60);
/// A request without an answer for this many times the engine's patience condemns its socket.
const PATIENCE: u32 = 3;
/// Room for the frame of an order, so that it is not moved while it is written.
const FRAME_ROOM: usize = 640;

/// After a refused cancel the next one of that order waits so long, twice as long after each further
/// one: the venue would run out of patience, and our budget with it, which getting out needs.
const CANCEL_AGAIN: (Duration, u32) = (Duration::from_millis(100), 4);
/// A refusal this long ago does not count any more.
const REFUSAL_LASTS: Duration = Duration::from_secs(60);

/// Refusals to cancel an order.
#[derive(Clone, Copy, Debug)]
struct Refusals {
    last: Nanos,
    count: u32,
}

/// The socket of the WS API.
#[derive(Clone, Copy, Debug)]
struct Api {
    id: SocketId,
    since: Nanos,
    heard: Nanos,
    pinged: bool,
    state: ApiState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ApiState {
    Opening,
    LoggingOn,
    Ready,
}

/// What was sent on the socket.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flying {
    /// `session.logon`.
    Logon,
    /// A request about an order.
    Order {
        /// Which.
        client_id: ClientOrderId,
        /// What was asked.
        request: RequestKind,
        /// When.
        sent: Nanos,
    },
}

impl Flying {
    fn order(self) -> Option<(ClientOrderId, RequestKind)> {
        match self {
            Self::Order { client_id, request, .. } => Some((client_id, request)),
            Self::Logon => None,
        }
    }
}

/// An order request that has come to its end, one way or the other.
pub(crate) struct Settled {
    pub(crate) client_id: ClientOrderId,
    pub(crate) request: RequestKind,
    pub(crate) result: Result<Value, Failure>,
}

/// The way of orders to the venue.
pub(crate) struct Orders {
    endpoints: Endpoints,
    path: OrderPath,
    patience: Duration,
    api: Option<Api>,
    /// The socket before this one, for the answers that are still to come on it.
    old: Option<SocketId>,
    in_flight: InFlight<(SocketId, Flying)>,
    /// Orders that the venue would not cancel lately.
    refused: BTreeMap<ClientOrderId, Refusals>,
    backoff: Backoff,
    /// The venue wants to hear nothing before: no socket is opened.
    silent_until: Nanos,
    reconnects: u64,
}

impl Orders {
    pub(crate) fn new(endpoints: Endpoints, path: OrderPath, ack: Duration, seed: u64) -> Self {
        Self {
            endpoints,
            path,
            patience: ack * PATIENCE,
            api: None,
            old: None,
            in_flight: InFlight::default(),
            refused: BTreeMap::new(),
            backoff: Backoff::new(seed),
            silent_until: Nanos::ZERO,
            reconnects: 0,
        }
    }

    /// Whether orders go over the WS API now.
    pub(crate) fn is_up(&self) -> bool {
        self.ready().is_some()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn reconnects(&self) -> u64 {
        self.reconnects
    }

    pub(crate) fn owns(&self, socket: SocketId) -> bool {
        self.api.is_some_and(|api| api.id == socket) || self.old == Some(socket)
    }

    fn ready(&self) -> Option<SocketId> {
        self.api.filter(|api| api.state == ApiState::Ready).map(|api| api.id)
    }

    /// Sends a request about an order, by whichever way is open. Returns false when it was not sent:
    /// the budget or the venue forbids it. A cancel is always taken, if need be for later.
    pub(crate) fn send(
        &mut self,
        io: &mut Io<'_>,
        requests: &mut Requests<Ticket>,
        request: Request,
        client_id: ClientOrderId,
        kind: RequestKind,
    ) -> bool {
        let ticket = Ticket::Order { client_id, request: kind };
        if let Some(at) = self.cancel_due(client_id, kind).filter(|at| *at > io.now) {
            requests.insist_at(io, at, request, ticket);
            return true;
        }
        let Some(socket) = self.ready() else {
            if request.purpose == Purpose::Cancel {
                requests.insist(io, request, ticket);
                return true;
            }
            return requests.send(io, request, ticket).is_ok();
        };
        if requests.spend(io.now, &request).is_err() {
            if request.purpose == Purpose::Cancel {
                requests.insist(io, request, ticket);
                return true;
            }
            return false;
        }
        let stamp = requests.stamp(io.now);
        let credentials = requests.credentials();
        let auth = match credentials.kind() {
            KeyKind::Ed25519 => Auth::Session(credentials),
            KeyKind::Hmac => Auth::Signed(credentials),
        };
        let flying = Flying::Order { client_id, request: kind, sent: io.now };
        let id = self.in_flight.send(io.now, self.patience, (socket, flying));
        let mut text = String::with_capacity(FRAME_ROOM);
        match request.frame(id, auth, stamp, &mut text) {
            Ok(()) => {
                io.out.push(Effect::Send { socket, text });
                true
            }
            Err(_) => {
                // Not a call of the WS API; its cost has been taken already, once is enough.
                self.in_flight.answered(id);
                requests.insist(io, request, ticket);
                true
            }
        }
    }

    /// When an order that the venue would not cancel may be canceled again.
    fn cancel_due(&self, client_id: ClientOrderId, kind: RequestKind) -> Option<Nanos> {
        if kind != RequestKind::Cancel {
            return None;
        }
        let refusals = self.refused.get(&client_id)?;
        let (first, doublings) = CANCEL_AGAIN;
        Some(refusals.last + first * 2_u32.pow(refusals.count.saturating_sub(1).min(doublings)))
    }

    /// The venue refused to cancel an order.
    pub(crate) fn cancel_refused(&mut self, now: Nanos, client_id: ClientOrderId) {
        self.refused.retain(|_, refusals| now.since(refusals.last) < REFUSAL_LASTS);
        let refusals = self.refused.entry(client_id).or_insert(Refusals { last: now, count: 0 });
        *refusals = Refusals { last: now, count: refusals.count.saturating_add(1) };
    }

    /// No socket is opened before: the venue wants to hear nothing.
    pub(crate) fn keep_silent(&mut self, until: Nanos) {
        self.silent_until = until;
    }

    pub(crate) fn opened(
        &mut self,
        io: &mut Io<'_>,
        requests: &mut Requests<Ticket>,
        id: SocketId,
    ) {
        let Some(api) = self.api.as_mut().filter(|api| api.id == id) else { return };
        (api.heard, api.since) = (io.now, io.now);
        if requests.credentials().kind() == KeyKind::Hmac {
            return self.become_ready(io);
        }
        api.state = ApiState::LoggingOn;
        let number = self.in_flight.send(io.now, OPENING_MAX, (id, Flying::Logon));
        let stamp = requests.stamp(io.now);
        let mut text = String::with_capacity(FRAME_ROOM);
        if logon_frame(number, requests.credentials(), stamp, &mut text).is_ok() {
            io.out.push(Effect::Send { socket: id, text });
        }
    }

    fn become_ready(&mut self, io: &mut Io<'_>) {
        if let Some(api) = &mut self.api {
            api.state = ApiState::Ready;
            io.log(Level::Info, "orders go over the WS API");
        }
    }

    pub(crate) fn heard(&mut self, now: Nanos, id: SocketId) {
        if let Some(api) = self.api.as_mut().filter(|api| api.id == id) {
            (api.heard, api.pinged) = (now, false);
        }
    }

    /// Takes in a frame; returns the request that it settles.
    pub(crate) fn frame(
        &mut self,
        io: &mut Io<'_>,
        requests: &mut Requests<Ticket>,
        id: SocketId,
        frame: &[u8],
    ) -> Option<Settled> {
        self.heard(io.now, id);
        let reply = match WsReply::decode(frame) {
            Ok(reply) => reply,
            Err(error) => {
                io.log(Level::Warn, format!("WS API: {error}"));
                return None;
            }
        };
        let flying = reply.id.and_then(|id| self.in_flight.answered(id)).map(|(_, what)| what);
        let (from, to) = match flying {
            Some(Flying::Order { sent, .. }) => (sent, io.now),
            Some(Flying::Logon) | None => (io.now, io.now),
        };
        let server = |at: Nanos| requests.clock.server_time(at);
        let (from, to) = (server(from), server(to));
        requests.budget.on_counts(from, to, &reply.limits);
        let result = match reply.result {
            Ok(value) => Ok(value),
            Err(error) => {
                let answer = Answer::new(reply.status, &error, true, to);
                let verdict = reaction::judge(&answer);
                requests.heed(io.now, &verdict);
                let level = if verdict.alarm { Level::Error } else { Level::Debug };
                let code = error.code.map(|code| format!(" ({code})")).unwrap_or_default();
                io.log(level, format!("WS API: {}{code}: {}", verdict.why, error.message));
                Err(Failure { error, verdict })
            }
        };
        match flying {
            Some(Flying::Order { client_id, request, .. }) => {
                Some(Settled { client_id, request, result })
            }
            Some(Flying::Logon) if result.is_ok() => {
                self.become_ready(io);
                None
            }
            Some(Flying::Logon) => {
                self.drop_socket(io, id, "logon refused; orders go over REST");
                None
            }
            // Unasked: a key that was revoked, or the answer to a request given up long ago.
            None => None,
        }
    }

    /// Takes in that a socket is gone; returns the orders whose requests nobody knows the fate of.
    pub(crate) fn closed(
        &mut self,
        io: &mut Io<'_>,
        id: SocketId,
        why: &str,
    ) -> Vec<(ClientOrderId, RequestKind)> {
        if self.old == Some(id) {
            self.old = None;
        } else if self.api.is_some_and(|api| api.id == id) {
            self.api = None;
            self.backoff.fail(io.now);
            self.reconnects += 1;
            let why = crate::redact::redact(why);
            io.log(Level::Warn, format!("WS API lost: {why}; orders go over REST"));
        }
        let gone = self.in_flight.take(|(socket, _)| *socket == id);
        gone.into_iter().filter_map(|(_, what)| what.order()).collect()
    }

    fn drop_socket(&mut self, io: &mut Io<'_>, id: SocketId, why: &str) {
        io.out.push(Effect::Close(id));
        if self.api.is_some_and(|api| api.id == id) {
            self.api = None;
            self.backoff.fail(io.now);
            self.reconnects += 1;
        }
        io.log(Level::Warn, format!("WS API closed: {why}"));
    }

    /// Acts on deadlines; returns the orders whose requests were given up.
    pub(crate) fn on_time(&mut self, io: &mut Io<'_>) -> Vec<(ClientOrderId, RequestKind)> {
        if self.path == OrderPath::Rest {
            return Vec::new();
        }
        let now = io.now;
        let overdue = self.in_flight.overdue(now);
        let condemned = overdue.iter().any(|(id, _)| self.api.is_some_and(|api| api.id == *id));
        let mut lost: Vec<_> = overdue.into_iter().filter_map(|(_, what)| what.order()).collect();
        let Some(api) = &mut self.api else {
            if now >= self.backoff.due().max(self.silent_until) {
                self.open(io);
            }
            return lost;
        };
        let quiet = now.since(api.heard);
        let id = api.id;
        let failed = if condemned {
            Some("a request was not answered")
        } else if api.state != ApiState::Ready && now.since(api.since) >= OPENING_MAX {
            Some("the handshake took too long")
        } else if quiet >= QUIET_MAX * 2 {
            Some("nothing was heard, not even an answer to a ping")
        } else {
            None
        };
        if let Some(why) = failed {
            self.drop_socket(io, id, why);
            lost.extend(self.closed(io, id, why));
            return lost;
        }
        if quiet >= QUIET_MAX && !api.pinged {
            api.pinged = true;
            io.out.push(Effect::Ping(id));
        }
        if api.state == ApiState::Ready && now >= api.since + STEADY {
            self.backoff.succeed();
        }
        if now >= replace_at(api.since).max(self.silent_until) {
            // Orders go over REST for the moment of the handshake; answers still come on the old one.
            if let Some(older) = self.old.replace(id) {
                io.out.push(Effect::Close(older));
            }
            self.open(io);
        } else if let Some(old) = self.old
            && now >= api.since + self.patience
        {
            self.old = None;
            io.out.push(Effect::Close(old));
        }
        lost
    }

    fn open(&mut self, io: &mut Io<'_>) {
        let id = io.open(self.endpoints.ws_api_url(true));
        let (since, heard) = (io.now, io.now);
        self.api = Some(Api { id, since, heard, pinged: false, state: ApiState::Opening });
    }

    pub(crate) fn next_deadline(&self) -> Option<Nanos> {
        if self.path == OrderPath::Rest {
            return None;
        }
        let api = match &self.api {
            None => self.backoff.due().max(self.silent_until),
            Some(api) if api.state != ApiState::Ready => api.since + OPENING_MAX,
            Some(api) => {
                let wait = if api.pinged { QUIET_MAX * 2 } else { QUIET_MAX };
                let old = self.old.map(|_| api.since + self.patience);
                let replaced = replace_at(api.since).max(self.silent_until);
                let quiet = (api.heard + wait).min(replaced);
                old.map_or(quiet, |old| old.min(quiet))
            }
        };
        [Some(api), self.in_flight.deadline()].into_iter().flatten().min()
    }
}
