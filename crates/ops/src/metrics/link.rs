//! The link to a real venue; nothing in paper trading.

use prometheus::proto::MetricFamily;

use super::samples::{Labels, counter, gauge};
use crate::link::{LinkView, StreamView};
use crate::recorder::Shared;

pub(super) fn families(shared: &Shared) -> Vec<MetricFamily> {
    let Some(link) = shared.link() else { return Vec::new() };
    let mut families = streams(&link);
    families.extend(requests(&link));
    families.extend(clock(&link));
    families
}

fn streams(link: &LinkView) -> Vec<MetricFamily> {
    let each = |value: fn(&StreamView) -> f64| -> Vec<(Labels<'_>, f64)> {
        let streams = link.streams.iter();
        streams.map(|stream| (vec![("stream", stream.name)], value(stream))).collect()
    };
    vec![
        gauge(
            "mm_stream_up",
            "Whether a stream has proved that it lives: 1 or 0.",
            each(|stream| f64::from(u8::from(stream.up))),
        ),
        gauge(
            "mm_stream_age_seconds",
            "Time since a stream's last message; 0 before the first.",
            each(|stream| stream.age_seconds.unwrap_or(0.0)),
        ),
        counter(
            "mm_stream_messages_total",
            "Messages of a stream.",
            each(|stream| stream.messages as f64),
        ),
        counter(
            "mm_stream_reconnects_total",
            "Times a stream was lost.",
            each(|stream| stream.reconnects as f64),
        ),
        one_counter("mm_book_gaps_total", "Holes in the book's chain of updates.", link.book_gaps),
        one_counter(
            "mm_book_snapshots_total",
            "Snapshots of the book taken over.",
            link.book_snapshots,
        ),
        one_counter(
            "mm_stream_malformed_total",
            "Messages that could not be read.",
            link.malformed,
        ),
    ]
}

fn requests(link: &LinkView) -> Vec<MetricFamily> {
    let limits = |value: fn(&crate::link::RateLimitView) -> u32| -> Vec<(Labels<'_>, f64)> {
        let limits = link.limits.iter();
        limits.map(|limit| (vec![("limit", &*limit.name)], f64::from(value(limit)))).collect()
    };
    let counts = link.requests;
    let outcomes = [
        ("succeeded", counts.succeeded),
        ("refused", counts.refused),
        ("unknown", counts.unknown),
        ("retried", counts.retried),
        ("withheld", counts.withheld),
    ];
    vec![
        counter(
            "mm_requests_total",
            "REST requests by what became of them.",
            outcomes.map(|(outcome, count)| (vec![("outcome", outcome)], count as f64)),
        ),
        gauge("mm_rate_limit", "A rate limit of the venue, per window.", limits(|l| l.limit)),
        gauge(
            "mm_rate_limit_left",
            "What is left of a rate limit in the present window.",
            limits(|limit| limit.left),
        ),
        gauge(
            "mm_venue_blocked_seconds",
            "For how long the venue wants to hear nothing (429, 418, 403).",
            [(vec![], link.blocked_seconds)],
        ),
        gauge(
            "mm_ws_api_up",
            "Whether orders go over the WS API (1) or over REST (0).",
            [(vec![], f64::from(u8::from(link.ws_api_up)))],
        ),
        one_counter(
            "mm_ws_api_reconnects_total",
            "Times the WS API was lost.",
            link.ws_api_reconnects,
        ),
        gauge(
            "mm_ws_api_in_flight",
            "Requests on the WS API without an answer.",
            [(vec![], link.in_flight as f64)],
        ),
    ]
}

fn clock(link: &LinkView) -> Vec<MetricFamily> {
    let gauge_of = |name, help, value: Option<f64>| {
        gauge(name, help, value.map(|value| (Labels::new(), value)))
    };
    vec![
        gauge_of(
            "mm_clock_offset_seconds",
            "The venue's clock minus ours.",
            link.clock_offset_seconds,
        ),
        gauge_of(
            "mm_clock_uncertainty_seconds",
            "How far off the offset may be.",
            link.clock_uncertainty_seconds,
        ),
        gauge_of(
            "mm_venue_round_trip_seconds",
            "Round trip of the last question for the venue's time.",
            link.round_trip_seconds,
        ),
    ]
}

fn one_counter(name: &str, help: &str, value: u64) -> MetricFamily {
    counter(name, help, [(vec![], value as f64)])
}
