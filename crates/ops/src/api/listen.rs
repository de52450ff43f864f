//! Sockets: bound before anything else starts, and bounded in number and idleness.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// The head of a request must have arrived within this time.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// A connection is closed when nothing moves for this long, between two requests or in an answer.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// The same for a live stream, whose reader may be slow.
const STREAM_IDLE_MAX: Duration = Duration::from_secs(75);

/// The sockets of the API and, if wanted, of the metrics alone.
#[derive(Debug)]
pub struct Listeners {
    api: TcpListener,
    metrics: Option<TcpListener>,
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {address} for {purpose}: {source}{}; stop what holds it or change `{key}`",
    owner.as_deref().map(|owner| format!(" (held by {owner})")).unwrap_or_default()
)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// What for.
    pub purpose: &'static str,
    /// The configuration key that says where.
    pub key: &'static str,
    /// The process that holds the port, when it can be seen.
    pub owner: Option<String>,
    /// What the system said.
    pub source: io::Error,
}

impl Listeners {
    /// Binds both; port 0 takes any free one.
    ///
    /// # Errors
    /// [`BindError`] names the address, the configuration key and, if visible, who holds the port.
    pub async fn bind(api: SocketAddr, metrics: Option<SocketAddr>) -> Result<Self, BindError> {
        let api = bind(api, "the API", "api.listen").await?;
        let metrics = match metrics {
            Some(address) => Some(bind(address, "metrics", "monitoring.prometheus_port").await?),
            None => None,
        };
        Ok(Self { api, metrics })
    }

    /// Where the API listens.
    pub fn api_address(&self) -> io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Where the metrics listener listens.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    pub(super) fn into_parts(self) -> (TcpListener, Option<TcpListener>) {
        (self.api, self.metrics)
    }
}

async fn bind(
    address: SocketAddr,
    purpose: &'static str,
    key: &'static str,
) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| {
        let owner = (source.kind() == io::ErrorKind::AddrInUse)
            .then(|| port_owner(address.port()))
            .flatten();
        BindError { address, purpose, key, owner, source }
    })
}

/// Name and id of the process that listens on a port, as far as `/proc` shows it to us.
fn port_owner(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        table.lines().skip(1).find_map(|line| listening_inode(line, port).map(str::to_owned))
    })?;
    let wanted = format!("socket:[{inode}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let id = process.file_name().to_string_lossy().into_owned();
        if !id.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = |file: std::fs::DirEntry| {
            std::fs::read_link(file.path())
                .is_ok_and(|target| target.as_os_str() == wanted.as_str())
        };
        if files.flatten().any(holds) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("{}, process {id}", name.trim()));
        }
    }
    None
}

/// The inode of a line of `/proc/net/tcp`, if that socket listens on the port.
fn listening_inode(line: &str, port: u16) -> Option<&str> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let listening = fields.nth(1)? == "0A";
    let (_, digits) = local.rsplit_once(':')?;
    let own = u16::from_str_radix(digits, 16).ok()?;
    (listening && own == port).then(|| fields.nth(5)).flatten()
}

/// Where a connection is in the life of its requests. Each place has a limit of its own, so that
/// nobody holds a slot for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request's head is awaited since then: the whole of it, not a byte now and then.
    Head(Instant),
    /// A request is being carried out; [`super::guard`] limits how long that takes.
    Request,
    /// The answer is being sent, or has been and the next request has not begun. Something moved
    /// then.
    Answer(Instant),
    /// A live stream is being sent. Something moved then.
    Stream(Instant),
}

impl Phase {
    /// When the connection is closed unless something happens.
    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Head(since) => Some(since + HEAD_MAX),
            Self::Request => None,
            Self::Answer(moved) => Some(moved + IDLE_MAX),
            Self::Stream(moved) => Some(moved + STREAM_IDLE_MAX),
        }
    }

    /// Since when it has done nothing that anybody waits for.
    fn spare_since(self) -> Option<Instant> {
        match self {
            Self::Head(since) | Self::Answer(since) => Some(since),
            Self::Request | Self::Stream(_) => None,
        }
    }
}

/// What is known about a connection, for its socket, its requests and the listener.
#[derive(Debug)]
struct Line {
    phase: Phase,
    /// The listener has given its slot to another.
    evicted: bool,
    waker: Option<Waker>,
}

type SharedLine = Arc<Mutex<Line>>;

fn locked(line: &SharedLine) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    address: SocketAddr,
    line: SharedLine,
}

impl Peer {
    pub(super) fn ip(&self) -> IpAddr {
        self.address.ip()
    }

    /// A request has arrived and is being carried out.
    pub(super) fn requested(&self) {
        locked(&self.line).phase = Phase::Request;
    }

    /// There is an answer: a stream without an end, or one that is over soon.
    pub(super) fn answered(&self, streaming: bool) {
        let now = Instant::now();
        locked(&self.line).phase = if streaming { Phase::Stream(now) } else { Phase::Answer(now) };
    }
}

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self { address: *stream.remote_addr(), line: Arc::clone(&stream.io().line) }
    }
}

/// A listener with a limit on connections. Beyond it a new one takes the slot of the one that has
/// been idle longest, so that an operator always gets in.
pub(super) struct Bounded {
    listener: TcpListener,
    slots: Arc<Semaphore>,
    lines: Vec<Weak<Mutex<Line>>>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener, most: usize) -> Self {
        Self { listener, slots: Arc::new(Semaphore::new(most)), lines: Vec::new() }
    }

    /// Ends the connection that has been idle longest, if any is.
    fn evict(&self) {
        let spare = self.lines.iter().filter_map(Weak::upgrade).filter_map(|line| {
            let since = {
                let line = locked(&line);
                line.phase.spare_since().filter(|_| !line.evicted)
            };
            since.map(|since| (since, line))
        });
        if let Some((_, line)) = spare.min_by_key(|(since, _)| *since) {
            let mut line = locked(&line);
            line.evicted = true;
            if let Some(waker) = line.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        self.lines.retain(|line| line.strong_count() > 0);
        let permit = match Arc::clone(&self.slots).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.evict();
                match Arc::clone(&self.slots).acquire_owned().await {
                    Ok(permit) => permit,
                    Err(_) => unreachable!("the semaphore is never closed"),
                }
            }
        };
        // Without it an answer may wait for the peer's delayed acknowledgement; nothing else breaks.
        let _ = stream.set_nodelay(true);
        let line = Line { phase: Phase::Head(Instant::now()), evicted: false, waker: None };
        let line = Arc::new(Mutex::new(line));
        self.lines.push(Arc::downgrade(&line));
        let timer = Box::pin(tokio::time::sleep(HEAD_MAX));
        (Connection { stream, timer, line, _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that holds its slot, and ends when its time is up or its slot is needed.
pub(super) struct Connection {
    stream: TcpStream,
    timer: Pin<Box<Sleep>>,
    line: SharedLine,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Notes that bytes moved.
    fn moved(&mut self, incoming: bool) {
        let mut line = locked(&self.line);
        let now = Instant::now();
        line.phase = match line.phase {
            // The first bytes of the next request.
            Phase::Answer(_) if incoming => Phase::Head(now),
            Phase::Answer(_) => Phase::Answer(now),
            Phase::Stream(_) => Phase::Stream(now),
            same @ (Phase::Head(_) | Phase::Request) => same,
        };
    }

    /// Ends a wait whose time is up.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let deadline = {
            let mut line = locked(&self.line);
            if line.evicted {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            line.waker = Some(context.waker().clone());
            line.phase.deadline()
        };
        let Some(deadline) = deadline else { return Poll::Pending };
        if self.timer.deadline() != deadline {
            self.timer.as_mut().reset(deadline);
        }
        match self.timer.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.wait(context),
            Poll::Ready(result) => {
                if buffer.filled().len() > before {
                    self.moved(true);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Pending => self.wait(context),
            Poll::Ready(result) => {
                self.moved(false);
                Poll::Ready(result)
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_socket_in_the_kernels_table() {
        let line = "   1: 0100007F:238C 00000000:0000 0A 00000000:00000000 00:00000000 00000000 \
                    1000        0 4242 1 0000000000000000 100 0 0 10 0";
        assert_eq!(listening_inode(line, 9100), Some("4242"));
        assert_eq!(listening_inode(line, 9101), None);
        assert_eq!(listening_inode(&line.replace(" 0A ", " 01 "), 9100), None);
        assert_eq!(listening_inode("", 9100), None);
    }
}
