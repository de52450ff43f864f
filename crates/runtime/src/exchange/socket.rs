//! WebSockets: what they are for, and the task that serves one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use binance::server::Route;
use binance::server::params::decode;
use futures_util::SinkExt;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};

use super::handle::{self, Edge, Handle, Inbox, Job, Purpose};

/// Messages a client may send per second, control frames included.
const INCOMING_MAX: u32 = 10;
/// Policy violation.
const CODE_POLICY: u16 = 1_008;
/// Going away.
const CODE_AWAY: u16 = 1_001;
/// Messages that leave together when they wait together.
const BATCH: usize = 64;
/// A peer that takes nothing for this long is cut off.
const STUCK_MAX: Duration = Duration::from_secs(30);
/// A half-open socket is held open this long at most.
const HALF_OPEN_MAX: Duration = Duration::from_secs(3_600);

/// What the path of a WebSocket asks for; `None` for paths that do not exist.
pub(super) fn purpose(path: &str, query: &str) -> Option<Purpose> {
    let pairs: Vec<(&str, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name, decode(value)))
        .collect();
    if path == "/ws-fapi/v1" {
        let hidden =
            pairs.iter().any(|(name, value)| *name == "returnRateLimits" && value == "false");
        return Some(Purpose::Api { shows_limits: !hidden });
    }
    let (route, rest) =
        [("/public", Route::Public), ("/market", Route::Market), ("/private", Route::Private)]
            .into_iter()
            .find_map(|(prefix, route)| path.strip_prefix(prefix).map(|rest| (route, rest)))
            .unwrap_or((Route::Legacy, path));
    let mut names: Vec<(String, Option<Vec<String>>)> = Vec::new();
    let combined = match rest.trim_end_matches('/') {
        "/stream" => true,
        "/ws" => false,
        _ => {
            let list = rest.strip_prefix("/ws/")?;
            names.extend(list.split('/').filter(|n| !n.is_empty()).map(|n| (decode(n), None)));
            false
        }
    };
    for (name, value) in pairs {
        match name {
            "streams" => names.extend(value.split('/').map(|name| (name.to_owned(), None))),
            "listenKey" => names.push((value, None)),
            "events" => {
                if let Some((_, events)) = names.last_mut() {
                    *events = Some(value.split('/').map(str::to_owned).collect());
                }
            }
            _ => {}
        }
    }
    names.retain(|(name, _)| !name.is_empty());
    Some(Purpose::Streams { route, combined, names })
}

/// Serves one socket to its end.
pub(super) async fn serve(
    mut socket: WebSocket,
    ip: IpAddr,
    purpose: Purpose,
    handle: Arc<Handle>,
) {
    let id = handle.next_id();
    let (outbox, mut messages) = handle::outbox();
    let streams = matches!(purpose, Purpose::Streams { .. });
    let mut cut = handle.cut.clone();
    cut.mark_unchanged();
    handle.insist(Job::Open { id, ip, purpose, outbox }).await;
    let mut ping = tokio::time::interval_at(Instant::now() + handle.ping_every, handle.ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut window = (Instant::now(), 0_u32);
    let mut batch = Vec::with_capacity(BATCH);
    let (opened, mut edge) = (Instant::now(), handle.edge.clone());
    loop {
        let Edge { half_open, life, .. } = *edge.borrow_and_update();
        if half_open {
            break lie_dead(socket, messages, cut).await;
        }
        tokio::select! {
            biased;
            _ = cut.changed() => break,
            Ok(()) = edge.changed() => {}
            () = tokio::time::sleep_until(opened + life) => {
                close(&mut socket, CODE_AWAY, "Connection lifetime reached").await;
                break;
            }
            count = messages.recv_many(&mut batch, BATCH) => {
                // None: the hub has dropped us, as a slow reader or for a fault.
                if count == 0 || !send_all(&mut socket, &mut batch).await {
                    break;
                }
            }
            _ = ping.tick() => {
                let stamp = crate::clock::now().as_millis().to_string();
                if socket.send(Message::Ping(stamp.into())).await.is_err() {
                    break;
                }
            }
            incoming = socket.recv() => match incoming {
                Some(Ok(Message::Text(text))) => {
                    if streams && is_flood(&mut window) {
                        close(&mut socket, CODE_POLICY, "Too many requests").await;
                        break;
                    }
                    handle.insist(Job::Text { id, text: text.as_str().to_owned() }).await;
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
            },
        }
    }
    handle.insist(Job::Close { id }).await;
}

/// Sends messages with as few writes as possible; false when the connection is over, or the peer
/// has not read for long.
async fn send_all(socket: &mut WebSocket, batch: &mut Vec<Utf8Bytes>) -> bool {
    let sending = async {
        for text in batch.drain(..) {
            socket.feed(Message::Text(text)).await?;
        }
        socket.flush().await
    };
    matches!(tokio::time::timeout(STUCK_MAX, sending).await, Ok(Ok(())))
}

async fn close(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: reason.into() };
    // The connection ends either way.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

/// Holds a socket as a network does that has lost its other end: nothing is sent, nothing is read,
/// pings included, and there is no end to it until connections are cut.
async fn lie_dead(socket: WebSocket, messages: Inbox, mut cut: watch::Receiver<u64>) {
    drop(messages);
    tokio::select! {
        biased;
        _ = cut.changed() => {}
        () = tokio::time::sleep(HALF_OPEN_MAX) => {}
    }
    drop(socket);
}

fn is_flood((since, count): &mut (Instant, u32)) -> bool {
    if since.elapsed() >= Duration::from_secs(1) {
        (*since, *count) = (Instant::now(), 0);
    }
    *count += 1;
    *count > INCOMING_MAX
}
