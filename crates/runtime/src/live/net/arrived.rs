//! What the network hands over.

use std::fmt;

use binance::client::{Event, HttpReply, NoAnswer, RequestId, SocketId};
use bytes::Bytes;
use market::Nanos;
use tokio::sync::OwnedSemaphorePermit;

/// Something that happened on the network, and when. [`Net::tell`](super::Net::tell) hands it over.
pub struct Arrived {
    at: Nanos,
    what: What,
    /// Its room in the queue, free again when it has been told.
    _room: Option<OwnedSemaphorePermit>,
}

/// An [`Event`] that owns its text.
#[derive(Debug)]
pub(super) enum What {
    Opened(SocketId),
    Frame(SocketId, Bytes),
    Heard(SocketId),
    Closed(SocketId, String),
    Answered(RequestId, Result<HttpReply, NoAnswer>),
}

impl Arrived {
    pub(super) fn new(at: Nanos, what: What) -> Self {
        Self { at, what, _room: None }
    }

    pub(super) fn holding(self, room: OwnedSemaphorePermit) -> Self {
        Self { _room: Some(room), ..self }
    }

    /// When the kernel gave us the bytes; for what is no message, when it was noticed.
    pub fn at(&self) -> Nanos {
        self.at
    }

    /// The socket it is about, and whether it is the last about it.
    pub(super) fn socket(&self) -> Option<(SocketId, bool)> {
        match &self.what {
            What::Opened(socket) | What::Frame(socket, _) | What::Heard(socket) => {
                Some((*socket, false))
            }
            What::Closed(socket, _) => Some((*socket, true)),
            What::Answered(..) => None,
        }
    }

    pub(super) fn hand_to<R>(self, take: impl FnOnce(Event<'_>) -> R) -> R {
        match self.what {
            What::Opened(socket) => take(Event::Opened(socket)),
            What::Frame(socket, text) => take(Event::Frame(socket, &text)),
            What::Heard(socket) => take(Event::Heard(socket)),
            What::Closed(socket, reason) => take(Event::Closed(socket, &reason)),
            What::Answered(request, answer) => take(Event::Answered(request, answer)),
        }
    }
}

impl fmt::Debug for Arrived {
    /// Without the texts: answers to a request for a listen key hold one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, id) = match &self.what {
            What::Opened(socket) => ("Opened", socket.0),
            What::Frame(socket, _) => ("Frame", socket.0),
            What::Heard(socket) => ("Heard", socket.0),
            What::Closed(socket, _) => ("Closed", socket.0),
            What::Answered(request, _) => ("Answered", request.0),
        };
        write!(f, "{name}({id}) at {}", self.at.0)
    }
}
