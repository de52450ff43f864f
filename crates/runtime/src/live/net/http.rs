//! Requests: one connection each at a time, kept for the next.
//!
//! The pool is ours because one thing must be certain of a request without an answer: whether it
//! left. `hyper` gives a request back when it did not begin to write it, and only then it counts as
//! not sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use binance::client::{HttpReply, NoAnswer};
use binance::redact::redact;
use binance::{HttpRequest, Method};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use market::Nanos;
use tokio::time::timeout;

use super::dial::{Dialer, Place};
use super::wire::LastRead;
use super::{AGENT, Limits};
use crate::clock::{self, Stopwatch};

/// Largest body of an answer; the longest one, the list of all instruments, has a few megabytes.
const BODY_MAX: usize = 32 * 1024 * 1024;
/// A connection is not used again after this long: servers close idle ones after a minute or more,
/// and a request that crosses the closing is in doubt.
const IDLE_MAX: Duration = Duration::from_secs(45);
/// Idle connections kept per place; there are rarely more than two requests at a time.
const IDLE_KEPT: usize = 8;
/// A connection has this long to become ready for the next request.
const SETTLE: Duration = Duration::from_secs(1);

/// The client's side of HTTP.
pub(super) struct Http {
    dialer: Arc<Dialer>,
    limits: Limits,
    idle: Mutex<BTreeMap<Place, Vec<Connection>>>,
}

/// A connection without a request on it.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    last_read: LastRead,
    idle_since: Stopwatch,
}

/// What became of one attempt.
enum Attempt {
    Answered(Nanos, HttpReply),
    Lost(String),
    /// The connection had ended before; nothing was written.
    Unsent(Box<Request<Full<Bytes>>>, String),
}

impl Http {
    pub(super) fn new(dialer: Arc<Dialer>, limits: Limits) -> Self {
        Self { dialer, limits, idle: Mutex::default() }
    }

    /// Asks, and hands over the answer or why there is none, with its time.
    pub(super) async fn ask(
        &self,
        place: &Place,
        request: &HttpRequest,
        limit: Duration,
        tell: impl FnOnce(Nanos, Result<HttpReply, NoAnswer>),
    ) {
        let watch = Stopwatch::start();
        let mut request = match write_out(place, request) {
            Ok(request) => request,
            Err(reason) => return tell(clock::now(), Err(not_sent(place, reason))),
        };
        loop {
            let left = limit.saturating_sub(watch.elapsed());
            // Lets the runtime notice which idle connections the servers have closed: a request on
            // one of those would be in doubt.
            tokio::task::yield_now().await;
            let (mut connection, used) = match self.idle(place) {
                Some(connection) => (connection, true),
                None => match self.connect(place, left).await {
                    Ok(connection) => (connection, false),
                    Err(refused) => return tell(clock::now(), Err(refused)),
                },
            };
            let left = limit.saturating_sub(watch.elapsed());
            if left.is_zero() {
                return tell(clock::now(), Err(not_sent(place, "no time was left")));
            }
            match timeout(left, attempt(&mut connection, request)).await {
                Ok(Attempt::Answered(at, reply)) => {
                    tell(at, Ok(reply));
                    return self.keep(place, connection).await;
                }
                // Nothing left this machine, so another connection is no second attempt.
                Ok(Attempt::Unsent(back, _)) if used => request = *back,
                Ok(Attempt::Unsent(_, reason)) => {
                    return tell(clock::now(), Err(not_sent(place, reason)));
                }
                Ok(Attempt::Lost(reason)) => {
                    return tell(clock::now(), Err(lost(place, &reason)));
                }
                Err(_) => {
                    let reason = format!("no answer within {limit:?}");
                    return tell(clock::now(), Err(lost(place, &reason)));
                }
            }
        }
    }

    /// The connection used last, so that the others age and go.
    fn idle(&self, place: &Place) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(place)?;
        kept.retain(|connection| connection.is_usable());
        kept.pop()
    }

    async fn connect(&self, place: &Place, left: Duration) -> Result<Connection, NoAnswer> {
        let connecting = async {
            let dialed = self.dialer.dial(place).await;
            let (wire, last_read) = dialed.map_err(|error| error.to_string())?;
            let begun = Builder::new().handshake(TokioIo::new(wire)).await;
            let (sender, driver) = begun.map_err(|error| error.to_string())?;
            // What ends the connection is told to its request; without one nobody needs to know.
            tokio::spawn(async move { drop(driver.await) });
            Ok(Connection { sender, last_read, idle_since: Stopwatch::start() })
        };
        match timeout(left.min(self.limits.connect), connecting).await {
            Ok(connected) => connected.map_err(|reason: String| NoAnswer::NotSent(redact(&reason))),
            Err(_) => Err(not_sent(place, "no connection in time")),
        }
    }

    /// Keeps a connection for the next request once its answer has been read to the end.
    async fn keep(&self, place: &Place, mut connection: Connection) {
        if !matches!(timeout(SETTLE, connection.sender.ready()).await, Ok(Ok(()))) {
            return;
        }
        connection.idle_since = Stopwatch::start();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(place.clone()).or_default();
        if kept.len() < IDLE_KEPT {
            kept.push(connection);
        }
    }
}

impl Connection {
    fn is_usable(&self) -> bool {
        self.sender.is_ready() && self.idle_since.elapsed() < IDLE_MAX
    }
}

async fn attempt(connection: &mut Connection, request: Request<Full<Bytes>>) -> Attempt {
    let response = match connection.sender.try_send_request(request).await {
        Ok(response) => response,
        Err(mut error) => {
            return match error.take_message() {
                Some(request) => Attempt::Unsent(Box::new(request), error.into_error().to_string()),
                None => Attempt::Lost(error.into_error().to_string()),
            };
        }
    };
    match read(response).await {
        Ok(reply) => Attempt::Answered(connection.last_read.at(), reply),
        Err(reason) => Attempt::Lost(reason),
    }
}

async fn read(response: Response<hyper::body::Incoming>) -> Result<HttpReply, String> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, BODY_MAX).collect().await;
    let body = body.map_err(|error| format!("the answer broke off: {error}"))?.to_bytes();
    let headers = of_interest(&head.headers);
    Ok(HttpReply { status: head.status.as_u16(), headers, body: body.into() })
}

/// Counters, how long to wait, the venue's clock, and what the body is.
fn of_interest(headers: &HeaderMap) -> Vec<(String, String)> {
    let wanted = |name: &HeaderName| {
        let name = name.as_str();
        name.starts_with("x-mbx-") || matches!(name, "retry-after" | "date" | "content-type")
    };
    let text = |(name, value): (&HeaderName, &HeaderValue)| {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    };
    headers.iter().filter(|(name, _)| wanted(name)).filter_map(text).collect()
}

fn write_out(place: &Place, from: &HttpRequest) -> Result<Request<Full<Bytes>>, &'static str> {
    // In origin form, the target cannot name another host.
    let target: Uri = from.target.parse().map_err(|_| "the target is not a path")?;
    if target.authority().is_some() || !from.target.starts_with('/') {
        return Err("the target is not a path");
    }
    let mut request = Request::new(Full::new(Bytes::from(from.body.clone())));
    *request.method_mut() = match from.method {
        Method::Get => hyper::Method::GET,
        Method::Post => hyper::Method::POST,
        Method::Put => hyper::Method::PUT,
        Method::Delete => hyper::Method::DELETE,
    };
    *request.uri_mut() = target;
    let headers = request.headers_mut();
    let is_usual = place.port == if place.tls { 443 } else { 80 };
    let authority = place.authority();
    let host =
        if is_usual { authority.rsplit_once(':').map_or("", |(host, _)| host) } else { &authority };
    headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| "the host is not text")?);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if matches!(from.method, Method::Post | Method::Put) {
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        // Said of an empty body too: there are servers that refuse one without.
        headers.insert(CONTENT_LENGTH, HeaderValue::from(from.body.len()));
    }
    if let Some(key) = &from.api_key {
        let mut key = HeaderValue::from_str(key).map_err(|_| "the API key is not plain text")?;
        key.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-mbx-apikey"), key);
    }
    Ok(request)
}

fn not_sent(place: &Place, reason: impl AsRef<str>) -> NoAnswer {
    NoAnswer::NotSent(redact(&format!("{place}: {}", reason.as_ref())))
}

fn lost(place: &Place, reason: &str) -> NoAnswer {
    NoAnswer::Lost(redact(&format!("{place}: {reason}")))
}
