//! The way from the sockets to the thread of the exchange.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use binance::server::{Action, Faults, Reply, Route};
use tokio::sync::{mpsc, oneshot, watch};

/// Messages that may wait for a slow reader before its connection is cut.
const SLOW_READER: usize = 4_096;

/// A request that owns its text.
pub(super) struct Owned {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: String,
    pub(super) api_key: Option<String>,
    pub(super) ip: IpAddr,
}

/// What a WebSocket is for.
pub(super) enum Purpose {
    /// Streams.
    Streams {
        route: Route,
        combined: bool,
        /// Stream names and listen keys, with the events wanted of the latter.
        names: Vec<(String, Option<Vec<String>>)>,
    },
    /// The WS API.
    Api { shows_limits: bool },
}

/// What goes out on a WebSocket.
pub(super) type Outbox = mpsc::Sender<Utf8Bytes>;
/// The other end of an [`Outbox`].
pub(super) type Inbox = mpsc::Receiver<Utf8Bytes>;

/// What the thread is asked to do.
pub(super) enum Job {
    Rest(Box<Owned>, oneshot::Sender<Reply>),
    Open { id: u64, ip: IpAddr, purpose: Purpose, outbox: Outbox },
    Text { id: u64, text: String },
    Close { id: u64 },
    Faults(Option<Box<Faults>>, oneshot::Sender<Faults>),
    Act(Action, oneshot::Sender<Result<(), String>>),
    Stop,
}

/// The way to the thread.
pub(super) struct Handle {
    pub(super) jobs: SyncSender<Job>,
    pub(super) ids: AtomicU64,
    pub(super) alive: watch::Receiver<bool>,
    /// Counts up when every connection is to be cut.
    pub(super) cut: watch::Receiver<u64>,
    pub(super) edge: watch::Receiver<Edge>,
    pub(super) ping_every: Duration,
}

/// What goes wrong where sockets are, not behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) refuse_sockets: bool,
    pub(super) half_open: bool,
    /// WebSockets are closed when they get this old.
    pub(super) life: Duration,
}

impl Edge {
    pub(super) fn new(faults: &Faults) -> Self {
        Self {
            refuse_sockets: faults.refuse_sockets,
            half_open: faults.half_open,
            life: faults.connection_life(),
        }
    }
}

impl Handle {
    /// Sends a job; gives it back when the queue is full or the thread is gone.
    pub(super) fn send(&self, job: Job) -> Result<(), Job> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }

    /// Sends a job that must not be lost; waits while the queue is full.
    pub(super) async fn insist(&self, mut job: Job) {
        while let Err(back) = self.send(job) {
            if !*self.alive.borrow() {
                return;
            }
            job = back;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A name for a connection.
    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// Done when the thread has ended.
    pub(super) async fn stopped(&self) {
        let mut alive = self.alive.clone();
        // An error means that the thread is gone.
        let _ = alive.wait_for(|alive| !alive).await;
    }

    /// Tells the thread to end.
    pub(super) fn stop(&self) {
        // A thread that is gone needs not be told; a full queue is drained within the grace time.
        let _ = self.jobs.send(Job::Stop);
    }
}

/// A queue for one connection's messages.
pub(super) fn outbox() -> (Outbox, Inbox) {
    mpsc::channel(SLOW_READER)
}
