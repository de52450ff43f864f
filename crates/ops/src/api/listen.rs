//! Sockets: bound before anything else starts, and bounded in number and idleness.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// A connection on which nothing moves for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(75);

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

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(SocketAddr);

impl Peer {
    pub(super) fn ip(self) -> IpAddr {
        self.0.ip()
    }
}

impl Connected<IncomingStream<'_, Bounded>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Bounded>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A listener with a limit on connections. Beyond it new ones wait in the system's queue.
pub(super) struct Bounded {
    listener: TcpListener,
    slots: Arc<Semaphore>,
}

impl Bounded {
    pub(super) fn new(listener: TcpListener, most: usize) -> Self {
        Self { listener, slots: Arc::new(Semaphore::new(most)) }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let permit = match Arc::clone(&self.slots).acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => unreachable!("the semaphore is never closed"),
        };
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Without it an answer may wait for the peer's delayed acknowledgement; nothing else breaks.
        let _ = stream.set_nodelay(true);
        (
            Connection { stream, idle: Box::pin(tokio::time::sleep(IDLE_MAX)), _permit: permit },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that holds its slot and ends when nothing moves.
pub(super) struct Connection {
    stream: TcpStream,
    idle: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    /// Starts the idle time anew on progress, and ends the wait when it is over.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.idle.as_mut().reset(Instant::now() + IDLE_MAX);
            return progress;
        }
        match self.idle.as_mut().poll(context) {
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
        let progress = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.watch(context, progress)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, progress)
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
