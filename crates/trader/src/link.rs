//! The venue link's state as operators see it, and its words in the log.

use binance::client::{Level, Log, Status};
use binance::limits::Remaining;
use binance::replies::LimitKind;
use market::venue::Obstacle;
use ops::link::{LinkView, RateLimitView, RequestCounts, StreamView};

/// What the client says of itself, in the words of metrics and API.
pub(crate) fn view(status: &Status) -> LinkView {
    let mut streams: Vec<StreamView> = status
        .feed
        .streams
        .iter()
        .map(|stream| StreamView {
            name: stream.name,
            up: stream.up,
            age_seconds: stream.age.map(|age| age.as_secs_f64()),
            messages: stream.messages,
            reconnects: stream.losses,
        })
        .collect();
    streams.push(StreamView {
        name: "user",
        up: status.user_up,
        age_seconds: status.user_age.map(|age| age.as_secs_f64()),
        messages: status.user.messages,
        reconnects: status.user.lost,
    });
    let seconds = |nanos: i64| nanos as f64 / 1e9;
    LinkView {
        streams,
        book_gaps: status.feed.sync.gaps,
        book_snapshots: status.feed.sync.snapshots,
        malformed: status.feed.decode.malformed + status.user.malformed,
        ws_api_up: status.ws_api_up,
        ws_api_reconnects: status.ws_api_reconnects,
        in_flight: status.ws_api_in_flight as u64,
        requests: RequestCounts {
            succeeded: status.requests.succeeded,
            refused: status.requests.refused,
            unknown: status.requests.unknown,
            retried: status.requests.retried,
            withheld: status.requests.withheld,
        },
        limits: status.budget.iter().map(limit).collect(),
        blocked_seconds: status.blocked.map_or(0.0, |span| span.as_secs_f64()),
        clock_offset_seconds: status.clock_offset.map(seconds),
        clock_uncertainty_seconds: status.clock_uncertainty.map(|span| span.as_secs_f64()),
        round_trip_seconds: status.round_trip.map(|span| span.as_secs_f64()),
        obstacles: status.obstacles.iter().map(|what: &Obstacle| what.name()).collect(),
    }
}

fn limit(remaining: &Remaining) -> RateLimitView {
    let kind = match remaining.limit.kind {
        LimitKind::Weight => "weight",
        LimitKind::Orders => "orders",
        LimitKind::Other => "other",
    };
    let seconds = remaining.limit.interval.as_secs();
    let span = match seconds {
        60.. if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    };
    RateLimitView {
        name: format!("{kind}_{span}"),
        limit: remaining.limit.limit,
        left: remaining.left,
    }
}

/// Writes a line of the client to the log.
pub(crate) fn log(log: &Log) {
    let message = &log.message;
    match log.level {
        Level::Debug => tracing::debug!(part = "venue", "{message}"),
        Level::Info => tracing::info!(part = "venue", "{message}"),
        Level::Warn => tracing::warn!(part = "venue", "{message}"),
        Level::Error => tracing::error!(part = "venue", "{message}"),
    }
}
