//! The link to a real venue, as the outside sees it. There is none in paper trading.

use serde::Serialize;

/// The state of the link at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LinkView {
    /// One per stream: market data, and the account's own.
    pub streams: Vec<StreamView>,
    /// Holes found in the book's chain of updates.
    pub book_gaps: u64,
    /// Snapshots of the book taken over.
    pub book_snapshots: u64,
    /// Messages that could not be read, over all streams.
    pub malformed: u64,
    /// Orders go over the WS API; otherwise over REST.
    pub ws_api_up: bool,
    /// Times the WS API was lost.
    pub ws_api_reconnects: u64,
    /// Requests on the WS API without an answer.
    pub in_flight: u64,
    /// REST requests by what became of them.
    pub requests: RequestCounts,
    /// The venue's rate limits and what is left of them.
    pub limits: Vec<RateLimitView>,
    /// For how long the venue wants to hear nothing; zero when it listens.
    pub blocked_seconds: f64,
    /// The venue's clock minus ours, and how far off that may be.
    pub clock_offset_seconds: Option<f64>,
    /// Largest error of the offset.
    pub clock_uncertainty_seconds: Option<f64>,
    /// Round trip of the last question for the time.
    pub round_trip_seconds: Option<f64>,
    /// What forbids trading as usual.
    pub obstacles: Vec<&'static str>,
}

/// REST requests by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// Done.
    pub succeeded: u64,
    /// Refused by the venue.
    pub refused: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Sent again.
    pub retried: u64,
    /// Not sent: the budget or the venue forbade it.
    pub withheld: u64,
}

/// One stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StreamView {
    /// `depth`, `book_ticker`, `agg_trade`, `mark_price`, `user`.
    pub name: &'static str,
    /// It has proved that it lives.
    pub up: bool,
    /// Since its last message; `None` before the first.
    pub age_seconds: Option<f64>,
    /// Messages so far.
    pub messages: u64,
    /// Times it was lost.
    pub reconnects: u64,
}

/// One rate limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RateLimitView {
    /// `weight_1m`, `orders_10s`, `orders_1m`.
    pub name: String,
    /// How much it allows.
    pub limit: u32,
    /// How much is left in the present window.
    pub left: u32,
}
