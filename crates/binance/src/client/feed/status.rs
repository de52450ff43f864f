//! What the feed tells of itself.

use std::time::Duration;

use crate::depth_sync::SyncStats;
use crate::endpoints::Stream;
use crate::wire::DecodeStats;

/// The state of the feed, for metrics and displays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedStatus {
    /// Each stream.
    pub streams: Vec<StreamStatus>,
    /// The book has a snapshot and every change since.
    pub in_sequence: bool,
    /// Depth, after the sockets were merged.
    pub sync: SyncStats,
    /// Holes in the depth of one socket that another has filled.
    pub holes_filled: u64,
    /// Frames, of all sockets.
    pub decode: DecodeStats,
    /// Well-formed messages of streams that were not asked for.
    pub unasked: u64,
    /// Sockets open now.
    pub sockets_open: usize,
    /// Sockets opened so far, failed attempts included.
    pub connects: u64,
    /// Sockets replaced before the venue would have closed them.
    pub replaced: u64,
}

/// The state of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamStatus {
    /// Which.
    pub stream: Stream,
    /// Its name in metrics.
    pub name: &'static str,
    /// It speaks on one socket at least.
    pub up: bool,
    /// Since its last message.
    pub age: Option<Duration>,
    /// Messages on all sockets.
    pub messages: u64,
    /// Of them those that another socket had told already; for depth see [`FeedStatus::sync`].
    pub repeated: u64,
    /// Times a socket that carries it was lost or could not be opened.
    pub losses: u64,
}
