//! The live stream: server-sent events `status` (four a second), `fills` and `alerts` (as they
//! happen; the recent ones first).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, KeepAliveStream, Sse};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;

use super::Api;
use super::error::ApiError;
use super::guard::Reader;
use crate::view::{AlertJson, FillJson, StatusView};

/// How soon a fill is seen.
const TICK: Duration = Duration::from_millis(50);
/// A status goes out every so many ticks.
const STATUS_EVERY: u64 = 5;
/// Fills and alerts sent at the start.
const BACKLOG: u64 = 100;

type Events = ReceiverStream<Result<Event, Infallible>>;
type Sender = mpsc::Sender<Result<Event, Infallible>>;

/// A refusal that also ends the connection, so that it holds no slot.
type Refusal = ([(HeaderName, &'static str); 1], ApiError);

pub(super) async fn stream(
    _: Reader,
    State(api): State<Api>,
) -> Result<Sse<KeepAliveStream<Events>>, Refusal> {
    let permit = api.inner.streams.clone().try_acquire_owned().map_err(|_| {
        let error = format!("{} live streams are open already", super::STREAMS_MAX);
        let remedy = "close a console that is not used";
        let refusal = ApiError::new(StatusCode::TOO_MANY_REQUESTS, error, remedy);
        ([(header::CONNECTION, "close")], refusal)
    })?;
    let (sender, receiver) = mpsc::channel(4);
    tokio::spawn(feed(api, sender, permit));
    Ok(Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::default()))
}

/// Sends until the reader is gone or the process stops. A slow reader only slows itself: it gets the
/// newest status when it is ready for one, and every fill that is still kept.
async fn feed(api: Api, sender: Sender, _permit: OwnedSemaphorePermit) {
    let mut stopping = api.inner.stopping.clone();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let shared = &api.inner.shared;
    let mut next_fill = shared.fills().written().saturating_sub(BACKLOG);
    let mut next_alert = shared.alerts().written().saturating_sub(BACKLOG);
    let mut count: u64 = 0;
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = sender.closed() => return,
            _ = ticks.tick() => {}
        }
        let mut events = Vec::new();
        if shared.fills().written() > next_fill {
            let (records, next) = shared.fills().since(next_fill);
            next_fill = next;
            let fills: Vec<_> = records.iter().filter_map(|r| FillJson::new(shared, r)).collect();
            events.push(event("fills", &fills));
        }
        if shared.alerts().written() > next_alert {
            let (records, next) = shared.alerts().since(next_alert);
            next_alert = next;
            let alerts: Vec<_> = records.iter().map(AlertJson::new).collect();
            events.push(event("alerts", &alerts));
        }
        if count.is_multiple_of(STATUS_EVERY) {
            events.push(event("status", &StatusView::new(shared)));
        }
        count += 1;
        for event in events {
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(name);
    match serde_json::to_string(data) {
        Ok(text) => event.data(text),
        Err(error) => unreachable!("views have string keys only: {error}"),
    }
}
