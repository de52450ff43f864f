//! One WebSocket, from the opening to the end.

use std::sync::Arc;
use std::time::Duration;

use binance::client::SocketId;
use binance::redact::redact;
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use hyper::header::{HeaderValue, USER_AGENT};
use market::Nanos;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::arrived::{Arrived, What};
use super::dial::{Dialer, Place};
use super::wire::{LastRead, Wire};
use super::{AGENT, Limits};
use crate::clock;

/// Largest frame and message either way. Real ones have a few kilobytes.
const FRAME_MAX: usize = 16 * 1024 * 1024;
/// Commands that may wait for one socket. The venue takes fewer orders in a minute.
pub(super) const COMMANDS_MAX: usize = 4_096;
/// The end of a socket with more.
pub(super) const CROWDED: &str = "cut: too many frames wait to be sent";
/// What a waiting frame costs beside its bytes.
const FRAME_COST: usize = 256;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// How much is shown of an answer that refused a socket.
const REFUSAL_SHOWN: usize = 200;

type Stream = WebSocketStream<Wire>;

/// What a socket is told to do. When nobody can tell it anything any more, it closes.
pub(super) enum Command {
    Text(String),
    Ping,
}

/// What happens when frames arrive faster than they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overflow {
    /// The socket is cut: market data this late is worthless, and a new snapshot is the way on.
    Cut,
    /// The socket is left unread until there is room: what happened to our account is never lost.
    Wait,
}

/// All that a socket needs.
pub(super) struct Socket {
    pub(super) id: SocketId,
    pub(super) url: String,
    pub(super) overflow: Overflow,
    pub(super) dialer: Arc<Dialer>,
    pub(super) limits: Limits,
    pub(super) arrived: mpsc::UnboundedSender<Arrived>,
}

/// Why a socket ended.
enum End {
    /// We wanted it.
    Wanted,
    /// The other side said so.
    Told(String),
    /// It broke, or we cut it.
    Broken(String),
}

impl Socket {
    /// Lives until the socket is closed by either side.
    pub(super) async fn run(self, mut commands: mpsc::Receiver<Command>) {
        let mut early = Vec::new();
        let opened = {
            let opening = timeout(self.limits.connect, self.open());
            tokio::pin!(opening);
            loop {
                tokio::select! {
                    biased;
                    command = commands.recv() => match command {
                        Some(_) if early.len() == COMMANDS_MAX => return self.closed(CROWDED),
                        Some(command) => early.push(command),
                        None => return,
                    },
                    opened = &mut opening => break opened,
                }
            }
        };
        let (stream, last_read) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(reason)) => return self.closed(&reason),
            Err(_) => return self.closed("not open in time"),
        };
        self.tell(clock::now(), What::Opened(self.id));
        let (mut sink, source) = stream.split();
        let end = tokio::select! {
            biased;
            // What we send does not wait for a flood to be read.
            end = self.write(&mut sink, early, commands) => end,
            end = self.read(source, &last_read) => end,
        };
        let is_broken = match end {
            End::Wanted => false,
            End::Told(reason) => {
                self.closed(&reason);
                false
            }
            End::Broken(reason) => {
                self.closed(&reason);
                true
            }
        };
        if !is_broken {
            // A farewell that fails changes nothing: the connection is dropped either way.
            let _ = timeout(FAREWELL, sink.close()).await;
        }
    }

    async fn open(&self) -> Result<(Stream, LastRead), String> {
        let bad = || "not an address of a WebSocket".to_owned();
        let place = Place::of(&self.url).ok_or_else(bad)?;
        let mut request = self.url.as_str().into_client_request().map_err(|_| bad())?;
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let dialed = self.dialer.dial(&place).await;
        let (wire, last_read) = dialed.map_err(|error| error.to_string())?;
        let config = WebSocketConfig::default()
            .max_frame_size(Some(FRAME_MAX))
            .max_message_size(Some(FRAME_MAX))
            .max_write_buffer_size(FRAME_MAX);
        match client_async_with_config(request, wire, Some(config)).await {
            Ok((stream, _)) => Ok((stream, last_read)),
            Err(error) => Err(format!("{place}: {}", refusal(&error))),
        }
    }

    /// Hands over what comes. Reading on is what flushes the pongs, so they leave even if we send
    /// nothing.
    async fn read(&self, mut source: SplitStream<Stream>, last_read: &LastRead) -> End {
        let room = Arc::new(Semaphore::new(self.limits.waiting_bytes));
        loop {
            let frame: Bytes = match source.next().await {
                Some(Ok(Message::Text(text))) => text.into(),
                // Nothing the venue sends to us; the decoder says so.
                Some(Ok(Message::Binary(bytes))) => bytes,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    self.tell(last_read.at(), What::Heard(self.id));
                    continue;
                }
                Some(Ok(Message::Close(frame))) => return End::Told(farewell(frame)),
                Some(Ok(Message::Frame(_))) => continue, // never read, only written
                Some(Err(error)) => return End::Broken(error.to_string()),
                None => return End::Broken("the connection ended".to_owned()),
            };
            let at = last_read.at();
            let cost = (frame.len() + FRAME_COST).min(self.limits.waiting_bytes);
            let cost = u32::try_from(cost).unwrap_or(u32::MAX);
            let free = Arc::clone(&room);
            let room = match self.overflow {
                Overflow::Cut => free.try_acquire_many_owned(cost).ok(),
                Overflow::Wait => free.acquire_many_owned(cost).await.ok(),
            };
            let Some(room) = room else {
                let waiting = self.limits.waiting_bytes >> 20;
                return End::Broken(format!("cut: {waiting} MiB of frames wait to be taken"));
            };
            let frame = Arrived::new(at, What::Frame(self.id, frame)).holding(room);
            if self.arrived.send(frame).is_err() {
                return End::Wanted;
            }
        }
    }

    /// Sends what we are told to send, each at once and in order.
    async fn write(
        &self,
        sink: &mut SplitSink<Stream, Message>,
        early: Vec<Command>,
        mut commands: mpsc::Receiver<Command>,
    ) -> End {
        let mut early = early.into_iter();
        loop {
            let command = match early.next() {
                Some(command) => Some(command),
                None => commands.recv().await,
            };
            let message = match command {
                Some(Command::Text(text)) => Message::text(text),
                Some(Command::Ping) => Message::Ping(Bytes::new()),
                None => return End::Wanted,
            };
            match timeout(self.limits.blocked, sink.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return End::Broken(error.to_string()),
                Err(_) => {
                    let limit = self.limits.blocked;
                    return End::Broken(format!("the other side took nothing for {limit:?}"));
                }
            }
        }
    }

    fn closed(&self, reason: &str) {
        self.tell(clock::now(), What::Closed(self.id, redact(reason)));
    }

    fn tell(&self, at: Nanos, what: What) {
        // Nobody listens any more only when everything ends.
        let _ = self.arrived.send(Arrived::new(at, what));
    }
}

/// Why a handshake failed, with what the venue says to it: a ban says until when.
fn refusal(error: &Error) -> String {
    let Error::Http(response) = error else {
        return error.to_string();
    };
    let body = response.body().as_deref().unwrap_or_default();
    let body = String::from_utf8_lossy(&body[..body.len().min(REFUSAL_SHOWN)]);
    let retry = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
    let retry = retry.map(|seconds| format!(", retry after {seconds} s")).unwrap_or_default();
    format!("refused with HTTP {}{retry} {body}", response.status().as_u16()).trim_end().to_owned()
}

fn farewell(frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) => format!("closed by the venue: {} {}", u16::from(frame.code), frame.reason),
        None => "closed by the venue".to_owned(),
    }
}
