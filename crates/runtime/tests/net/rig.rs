//! The network on a thread of one runtime, as the driver has it.

use std::net::SocketAddr;
use std::time::Duration;

use binance::client::{Effect, Event, HttpReply, NoAnswer, RequestId, SocketId};
use binance::{Credentials, Endpoints, HttpRequest, Method, Request, Stamp};
use runtime::live::net::{Arrived, Net, NetConfig, NetError};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedReceiver;

/// Ends a test that would wait for ever; no test depends on its length.
const PATIENCE: Duration = Duration::from_secs(30);

/// An event that owns its text.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Opened(u64),
    Frame(u64, String),
    Heard(u64),
    Closed(u64, String),
    Answered(u64, Result<HttpReply, NoAnswer>),
}

impl Seen {
    fn of(event: Event<'_>) -> Self {
        match event {
            Event::Opened(socket) => Self::Opened(socket.0),
            Event::Frame(socket, text) => {
                Self::Frame(socket.0, String::from_utf8(text.to_vec()).unwrap())
            }
            Event::Heard(socket) => Self::Heard(socket.0),
            Event::Closed(socket, reason) => Self::Closed(socket.0, reason.to_owned()),
            Event::Answered(request, answer) => Self::Answered(request.0, answer),
        }
    }
}

pub(crate) struct Rig {
    pub(crate) net: Net,
    pub(crate) runtime: Runtime,
    pub(crate) inbox: UnboundedReceiver<Arrived>,
}

/// A configuration for one address.
pub(crate) fn config(scheme: &str, address: impl std::fmt::Display) -> NetConfig {
    NetConfig::new(Endpoints::custom(&format!("{scheme}://{address}")).unwrap())
}

pub(crate) fn request(method: Method, target: &str) -> HttpRequest {
    HttpRequest { method, target: target.to_owned(), body: String::new(), api_key: None }
}

impl Rig {
    pub(crate) fn new(config: NetConfig) -> Self {
        Self::build(config).unwrap()
    }

    pub(crate) fn build(config: NetConfig) -> Result<Self, NetError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (sender, inbox) = tokio::sync::mpsc::unbounded_channel();
        let net = {
            let _inside = runtime.enter();
            Net::new(config, sender)?
        };
        Ok(Self { net, runtime, inbox })
    }

    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::new(config("http", address))
    }

    pub(crate) fn open(&mut self, socket: u64, url: &str) {
        let url = url.to_owned();
        assert_eq!(self.net.carry_out(Effect::Open { socket: SocketId(socket), url }), None);
    }

    pub(crate) fn send(&mut self, socket: u64, text: &str) {
        let text = text.to_owned();
        assert_eq!(self.net.carry_out(Effect::Send { socket: SocketId(socket), text }), None);
    }

    pub(crate) fn close(&mut self, socket: u64) {
        assert_eq!(self.net.carry_out(Effect::Close(SocketId(socket))), None);
    }

    pub(crate) fn http(&mut self, id: u64, request: HttpRequest) {
        self.http_within(id, request, PATIENCE);
    }

    pub(crate) fn http_within(&mut self, id: u64, request: HttpRequest, timeout: Duration) {
        let effect = Effect::Http { id: RequestId(id), request, timeout };
        assert_eq!(self.net.carry_out(effect), None);
    }

    /// A request of the client with its signature.
    pub(crate) fn signed(&mut self, id: u64, request: &Request, keys: &Credentials) {
        let timestamp = runtime::clock::now();
        let stamp = Stamp { timestamp, window: Duration::from_secs(60) };
        self.http(id, request.http(Some(keys), stamp).unwrap());
    }

    /// What arrives next, told or not.
    pub(crate) fn arrived(&mut self) -> Arrived {
        let inbox = &mut self.inbox;
        let next = async { tokio::time::timeout(PATIENCE, inbox.recv()).await };
        self.runtime.block_on(next).expect("something must happen").unwrap()
    }

    /// What is told next.
    pub(crate) fn next(&mut self) -> Seen {
        loop {
            let arrived = self.arrived();
            assert!(arrived.at() <= runtime::clock::now() && arrived.at().0 > 0);
            if let Some(seen) = self.net.tell(arrived, Seen::of) {
                return seen;
            }
        }
    }

    /// The next answer must be an HTTP one.
    pub(crate) fn answer(&mut self) -> (u64, Result<HttpReply, NoAnswer>) {
        match self.next() {
            Seen::Answered(id, answer) => (id, answer),
            other => panic!("{other:?} is no answer"),
        }
    }

    /// The answer to a request that must be answered.
    pub(crate) fn reply(&mut self) -> HttpReply {
        self.answer().1.unwrap()
    }

    /// Opens a socket that must open.
    pub(crate) fn opened(&mut self, socket: u64, url: &str) {
        self.open(socket, url);
        assert_eq!(self.next(), Seen::Opened(socket));
    }

    /// The next frame, whatever else is heard.
    pub(crate) fn frame(&mut self) -> (u64, String) {
        loop {
            match self.next() {
                Seen::Frame(socket, text) => return (socket, text),
                Seen::Heard(_) => {}
                other => panic!("{other:?} is no frame"),
            }
        }
    }

    /// The next end of a socket, whatever comes before.
    pub(crate) fn end(&mut self, socket: u64) -> String {
        loop {
            match self.next() {
                Seen::Closed(ended, reason) if ended == socket => return reason,
                Seen::Frame(..) | Seen::Heard(_) | Seen::Opened(_) => {}
                other => panic!("{other:?} instead of the end"),
            }
        }
    }

    /// Lets the tasks run, without taking anything, until that many things have arrived.
    pub(crate) fn let_arrive(&mut self, count: usize) {
        let inbox = &self.inbox;
        let arrive = async {
            while inbox.len() < count {
                tokio::task::yield_now().await;
            }
        };
        let waited = async { tokio::time::timeout(PATIENCE, arrive).await };
        self.runtime.block_on(waited).expect("so much must arrive");
    }
}
