//! The network under the client: carries out its effects on real sockets and hands over what
//! happens there.
//!
//! Everything runs as tasks of the runtime in which [`Net`] was made, meant to be one of a single
//! thread, the trading thread. The tasks are `Send` and therefore plain ones: nothing in them needs
//! a `LocalSet`, and the locks that `Send` costs are never contended on one thread.
//!
//! Nothing here blocks or waits. What is carried out leaves as soon as the thread awaits something,
//! each frame with a system call of its own, in order.
//!
//! ```no_run
//! # use binance::client::{Effect, Event};
//! # use runtime::live::net::{Net, NetConfig};
//! # fn client(_: market::Nanos, _: Event<'_>) -> Vec<Effect> { Vec::new() }
//! # async fn run(config: NetConfig) -> Result<(), Box<dyn std::error::Error>> {
//! let (sender, mut inbox) = tokio::sync::mpsc::unbounded_channel();
//! let mut net = Net::new(config, sender)?;
//! while let Some(arrived) = inbox.recv().await {
//!     let at = arrived.at();
//!     for effect in net.tell(arrived, |event| client(at, event)).unwrap_or_default() {
//!         if let Some(other) = net.carry_out(effect) {
//!             // a market fact, a report or a line for the log
//! #           drop(other);
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Parts in reading order: this one, `arrived` (what is handed over), `socket` (WebSockets), `http`
//! (requests), `dial` (from a host to a connection), `proxy` (which way), `tls`, `wire`.

mod arrived;
mod dial;
mod http;
mod proxy;
mod socket;
mod tls;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use binance::client::{Effect, Event, NoAnswer, RequestId, SocketId};
use binance::{Endpoints, HttpRequest};
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};

pub use self::arrived::Arrived;
use self::arrived::What;
use self::dial::{Dialer, Place};
use self::http::Http;
use self::socket::{COMMANDS_MAX, CROWDED, Command, Overflow, Socket};
use crate::clock;

/// How we introduce ourselves.
const AGENT: &str = concat!("trader/", env!("CARGO_PKG_VERSION"));
/// Requests at a time. The venue's budget ends long before.
const REQUESTS_MAX: usize = 256;

/// What the network is told at birth.
#[derive(Clone)]
pub struct NetConfig {
    /// The only hosts that are ever contacted.
    pub endpoints: Endpoints,
    /// PEM file of certificate authorities to be trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// `http://` or `socks5://` proxy for everything, in place of those that the environment
    /// (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) names.
    pub proxy: Option<String>,
    /// How long and how much.
    pub limits: Limits,
}

/// How long things may take and how much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For a connection: name, proxy, TLS and handshake together.
    pub connect: Duration,
    /// For each address of a host.
    pub each_address: Duration,
    /// A socket that takes nothing for this long is closed.
    pub blocked: Duration,
    /// Bytes of frames of one socket that may wait to be told. A market socket beyond is cut; one
    /// of the account or the WS API is not read until there is room.
    pub waiting_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            each_address: Duration::from_secs(3),
            blocked: Duration::from_secs(5),
            // About 65,536 frames of depth.
            waiting_bytes: 64 << 20,
        }
    }
}

impl NetConfig {
    /// The hosts of a venue, with proxies as the environment has them.
    pub fn new(endpoints: Endpoints) -> Self {
        Self { endpoints, ca_file: None, proxy: None, limits: Limits::default() }
    }

    /// Addresses of the hosts that may be contacted.
    fn bases(&self) -> impl Iterator<Item = &str> {
        let Endpoints { rest, streams, ws_api, permissions, .. } = &self.endpoints;
        [rest, streams, ws_api].into_iter().chain(permissions).map(String::as_str)
    }
}

impl fmt::Debug for NetConfig {
    /// The proxy's address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetConfig")
            .field("endpoints", &self.endpoints)
            .field("ca_file", &self.ca_file)
            .field("proxy", &self.proxy.as_ref().map(|_| "set"))
            .field("limits", &self.limits)
            .finish()
    }
}

/// Why there is no network.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A base address leads nowhere.
    #[error("`{0}` is not an address that can be connected to: wanted SCHEME://HOST[:PORT]")]
    Address(String),
    /// A proxy is set and cannot be used.
    #[error("the proxy in {setting}: {reason}; correct it, or remove it to connect directly")]
    Proxy {
        /// Where it is set.
        setting: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file of certificate authorities cannot be used.
    #[error("{path}: {reason}; exchange.ca_file needs a PEM file with certificates")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// There is no async runtime to run in.
    #[error("the network needs an async runtime to run in")]
    NoRuntime,
}

/// The network: carries out effects, and knows which sockets the client still cares for.
pub struct Net {
    endpoints: Endpoints,
    dialer: Arc<Dialer>,
    http: Arc<Http>,
    requests: Arc<Semaphore>,
    /// Sockets that were opened and not yet reported as closed. `None` for one that was cut.
    sockets: BTreeMap<SocketId, Option<mpsc::Sender<Command>>>,
    arrived: mpsc::UnboundedSender<Arrived>,
    limits: Limits,
    runtime: Handle,
}

impl Net {
    /// Everything that happens goes to `arrived`.
    ///
    /// # Errors
    /// [`NetError`]: what is wrong with the configuration, or that no runtime runs here.
    pub fn new(
        config: NetConfig,
        arrived: mpsc::UnboundedSender<Arrived>,
    ) -> Result<Self, NetError> {
        let runtime = Handle::try_current().map_err(|_| NetError::NoRuntime)?;
        let dialer = Arc::new(Dialer::new(&config)?);
        Ok(Self {
            http: Arc::new(Http::new(Arc::clone(&dialer), config.limits)),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            sockets: BTreeMap::new(),
            endpoints: config.endpoints,
            limits: config.limits,
            dialer,
            arrived,
            runtime,
        })
    }

    /// Carries out what concerns the network; gives back what does not.
    pub fn carry_out(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Open { socket, url } => self.open(socket, url),
            Effect::Send { socket, text } => self.command(socket, Command::Text(text)),
            Effect::Ping(socket) => self.command(socket, Command::Ping),
            // Its task notices that nobody can tell it anything any more, sends what was asked for
            // before, and says goodbye.
            Effect::Close(socket) => drop(self.sockets.remove(&socket)),
            Effect::Http { id, request, timeout } => {
                let base = self.endpoints.rest.clone();
                self.ask(&base, id, request, timeout);
            }
            other @ (Effect::Market(_) | Effect::Report(_) | Effect::Log(_)) => return Some(other),
        }
        None
    }

    /// Sends a request to one of the configured hosts, which [`Effect::Http`] sends to the one for
    /// REST.
    pub fn ask(&self, base: &str, id: RequestId, request: HttpRequest, timeout: Duration) {
        let arrived = self.arrived.clone();
        // Nobody listens any more only when everything ends.
        let tell =
            move |at, answer| drop(arrived.send(Arrived::new(at, What::Answered(id, answer))));
        let refuse = |reason: &str| Err(NoAnswer::NotSent(reason.to_owned()));
        let Some(place) = Place::of(base) else {
            return tell(clock::now(), refuse("not an address that can be connected to"));
        };
        let Ok(slot) = Arc::clone(&self.requests).try_acquire_owned() else {
            return tell(clock::now(), refuse("too many requests wait for an answer"));
        };
        let http = Arc::clone(&self.http);
        self.runtime.spawn(async move {
            http.ask(&place, &request, timeout, tell).await;
            drop(slot);
        });
    }

    /// Hands over what arrived, unless it is about a socket that the client has closed meanwhile.
    pub fn tell<R>(&mut self, arrived: Arrived, take: impl FnOnce(Event<'_>) -> R) -> Option<R> {
        let is_wanted = match arrived.socket() {
            Some((socket, true)) => self.sockets.remove(&socket).is_some(),
            Some((socket, false)) => self.sockets.contains_key(&socket),
            None => true,
        };
        is_wanted.then(|| arrived.hand_to(take))
    }

    fn open(&mut self, id: SocketId, url: String) {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let before = self.sockets.insert(id, Some(sender));
        assert!(before.is_none(), "{id:?} is opened a second time");
        let socket = Socket {
            id,
            overflow: self.overflow(&url),
            url,
            dialer: Arc::clone(&self.dialer),
            limits: self.limits,
            arrived: self.arrived.clone(),
        };
        self.runtime.spawn(socket.run(commands));
    }

    /// Market sockets name their streams in the query; whatever else there is, is not to be lost.
    fn overflow(&self, url: &str) -> Overflow {
        let path = url.strip_prefix(self.endpoints.streams.as_str());
        match path.and_then(|path| path.split_once("/stream?streams=")) {
            Some(("" | "/public" | "/market", _)) => Overflow::Cut,
            Some(_) | None => Overflow::Wait,
        }
    }

    /// A socket that has ended is told nothing: word of its end is on its way.
    fn command(&mut self, socket: SocketId, command: Command) {
        let Some(sender) = self.sockets.get_mut(&socket) else {
            return;
        };
        let full = match sender {
            Some(sender) => matches!(sender.try_send(command), Err(TrySendError::Full(_))),
            None => false,
        };
        if full {
            *sender = None;
            let closed = Arrived::new(clock::now(), What::Closed(socket, CROWDED.to_owned()));
            // Nobody listens any more only when everything ends.
            let _ = self.arrived.send(closed);
        }
    }
}
