//! The client as a machine: what happens on sockets goes in, what to do on them comes out.
//!
//! Nothing here opens a socket or reads a clock. Whoever drives it carries out every [`Effect`] and
//! reports every [`Event`], so that the same client runs over the network, against the simulated
//! exchange in one process, and in a test that loses every third message.
//!
//! Parts in reading order: `requests` (REST: budget, clock, retries), `feed` (market sockets and the
//! book), `account` (the user stream), `orders` (commands to requests to reports); [`mutants`] (what is
//! broken on purpose, in no build that trades).

mod account;
mod backoff;
mod feed;
mod machine;
pub mod mutants;
mod orders;
mod requests;

use std::time::Duration;

use market::venue::{RequestKind, VenueReport};
use market::{ClientOrderId, Instrument, MarketEvent, Nanos};

pub use account::UserStats;
pub use feed::{FeedStatus, StreamStatus};
pub use machine::{Client, Status};
pub use requests::RequestStats;

use crate::clock_sync::ClockSync;
use crate::endpoints::Endpoints;
use crate::queries::{AccountQuery, OrderQuery};
use crate::replies::RateLimit;
use crate::rest::HttpRequest;
use crate::sign::Credentials;

/// The way of orders to the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderPath {
    /// Over the WS API; over REST while that is down.
    WsApi,
    /// Over REST alone.
    Rest,
}

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Where the venue is.
    pub endpoints: Endpoints,
    /// Who we are.
    pub credentials: Credentials,
    /// What is traded, by the venue's own rules.
    pub instrument: Instrument,
    /// The venue's rate limits, as `exchangeInfo` states them.
    pub limits: Vec<RateLimit>,
    /// What is known of the venue's clock.
    pub clock: ClockSync,
    /// The clocks may differ by this much; beyond, nothing is quoted.
    pub clock_limit: Duration,
    /// `recvWindow`: a request that arrives later is refused instead of executed stale.
    pub window: Duration,
    /// A request without an answer for this long is in doubt.
    pub ack_timeout: Duration,
    /// The way of orders.
    pub order_path: OrderPath,
    /// Market data connections, 1 or 2; with 2, either may fail without a gap.
    pub copies: u8,
    /// Seeds the jitter of reconnections.
    pub seed: u64,
}

/// What an HTTP request is for.
#[derive(Clone, Debug)]
pub(crate) enum Ticket {
    /// The venue's time; sent then.
    Time(Nanos),
    /// A snapshot of the book.
    Depth,
    /// The listen key.
    Key,
    /// The contract's rules.
    Rules,
    /// One order.
    Order {
        /// Which.
        client_id: ClientOrderId,
        /// What was asked.
        request: RequestKind,
    },
    /// All orders.
    CancelAll,
    /// The dead-man's switch.
    DeadMan {
        /// Asked for then.
        asked: Nanos,
        /// To run this long.
        countdown: Duration,
    },
    /// What became of an order.
    Fate(Box<OrderQuery>),
    /// Our account; the number tells runs apart.
    Account(Box<AccountQuery>, u64),
    /// Something on the way out.
    Farewell,
}

/// Names one opening of a socket; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// Names one HTTP request; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// An HTTP answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in any case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What happened on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A socket is open: its handshake is done.
    Opened(SocketId),
    /// A text frame came.
    Frame(SocketId, &'a [u8]),
    /// A ping or pong came: the other side lives, whatever its streams do.
    Heard(SocketId),
    /// A socket could not be opened, was closed by the other side, or broke. Told once, and not for
    /// one that the client itself has closed.
    Closed(SocketId, &'a str),
    /// A request was answered, or what became of it instead: time-out, connection refused, reset.
    Answered(RequestId, Result<HttpReply, NoAnswer>),
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// It never left: no connection could be made.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have arrived: time-out or a broken connection after sending began.
    #[error("sent, but not answered: {0}")]
    Lost(String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Open a WebSocket. The address may hold a listen key: print it redacted.
    Open {
        /// Its name.
        socket: SocketId,
        /// `ws://` or `wss://`.
        url: String,
    },
    /// Send a text frame.
    Send {
        /// On this socket.
        socket: SocketId,
        /// The frame.
        text: String,
    },
    /// Send a ping frame.
    Ping(SocketId),
    /// Close a socket; nothing more is told of it.
    Close(SocketId),
    /// Send an HTTP request to the host of [`Endpoints::rest`](crate::Endpoints::rest).
    Http {
        /// Its name.
        id: RequestId,
        /// Signed and written out.
        request: HttpRequest,
        /// Without an answer for this long it is [`NoAnswer::Lost`].
        timeout: Duration,
    },
    /// A market fact for the engine.
    Market(MarketEvent),
    /// A report for the engine.
    Report(VenueReport),
    /// Something for the log.
    Log(Log),
}

/// How urgent a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks into a problem.
    Debug,
    /// The normal course of things.
    Info,
    /// Look when there is time.
    Warn,
    /// Look now.
    Error,
}

/// A line for the log; secrets are masked already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Urgency.
    pub level: Level,
    /// What happened.
    pub message: String,
}

/// What every part of the client works with: the time, names for what it starts, and where its
/// effects go.
pub(crate) struct Io<'a> {
    /// Our clock.
    pub(crate) now: Nanos,
    /// Last name given.
    pub(crate) names: &'a mut u64,
    /// Where effects go.
    pub(crate) out: &'a mut Vec<Effect>,
}

impl Io<'_> {
    /// Opens a socket.
    pub(crate) fn open(&mut self, url: String) -> SocketId {
        *self.names += 1;
        let socket = SocketId(*self.names);
        self.out.push(Effect::Open { socket, url });
        socket
    }

    /// Sends a request.
    pub(crate) fn http(&mut self, request: HttpRequest, timeout: Duration) -> RequestId {
        *self.names += 1;
        let id = RequestId(*self.names);
        self.out.push(Effect::Http { id, request, timeout });
        id
    }

    /// Writes to the log.
    pub(crate) fn log(&mut self, level: Level, message: impl Into<String>) {
        self.out.push(Effect::Log(Log { level, message: message.into() }));
    }
}
