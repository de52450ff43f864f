//! Connections and the requests on them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use binance::server::{Fate, Reply};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio_rustls::TlsAcceptor;

use super::handle::{Handle, Job, Owned};
use super::socket;

/// Largest request body.
const BODY_MAX: usize = 256 * 1024;
/// Connections at a time.
const CONNECTIONS_MAX: usize = 4_096;
/// A client has this long to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// The connection is to end without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was dropped on purpose")]
struct Dropped;

/// Accepts until told to stop; gives the error that made accepting impossible.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    handle: Arc<Handle>,
    stopping: watch::Receiver<bool>,
) -> io::Error {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            unreachable!("the semaphore is never closed");
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            // A connection that died in the queue, or no file descriptors left for now.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        // Without it an answer may wait for the peer's delayed acknowledgement; nothing else breaks.
        let _ = stream.set_nodelay(true);
        let (handle, tls, stopping) = (Arc::clone(&handle), tls.clone(), stopping.clone());
        tokio::spawn(async move {
            match tls {
                // A failed handshake concerns nobody but the client, who knows.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        connection(stream, address, handle, stopping).await;
                    }
                }
                None => connection(stream, address, handle, stopping).await,
            }
            drop(slot);
        });
    }
}

async fn connection<S>(
    stream: S,
    address: SocketAddr,
    handle: Arc<Handle>,
    mut stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut cut = handle.cut.clone();
    cut.mark_unchanged();
    let service = service_fn(move |request| answer(request, address.ip(), Arc::clone(&handle)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let served = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::select! {
        biased;
        // An error is the client's or our own `Dropped`; either way the connection is over.
        _ = served => {}
        _ = cut.changed() => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

async fn answer(
    request: Request<Incoming>,
    ip: IpAddr,
    handle: Arc<Handle>,
) -> Result<Response<Body>, Dropped> {
    let (parts, body) = request.into_parts();
    if is_upgrade(&parts) {
        return Ok(upgrade(parts, ip, handle).await);
    }
    let Ok(body) = to_bytes(Body::new(body), BODY_MAX).await else {
        return Ok(StatusCode::PAYLOAD_TOO_LARGE.into_response());
    };
    let owned = Box::new(Owned {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        api_key: parts
            .headers
            .get("x-mbx-apikey")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        ip,
    });
    let (sender, receiver) = oneshot::channel();
    if handle.send(Job::Rest(owned, sender)).is_err() {
        return Ok(overloaded());
    }
    let Ok(reply) = receiver.await else {
        return Err(Dropped);
    };
    match reply.fate {
        Fate::Drop => Err(Dropped),
        Fate::Send(delay) => {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            Ok(response(reply))
        }
    }
}

fn overloaded() -> Response<Body> {
    let body = r#"{"code":-1008,"msg":"Server is currently overloaded with other requests. Please try again in a few minutes."}"#;
    (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, "application/json")], body)
        .into_response()
}

fn response(reply: Reply) -> Response<Body> {
    let kind = if reply.body.starts_with('<') { "text/html" } else { "application/json" };
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

fn is_upgrade(parts: &Parts) -> bool {
    let value = parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

async fn upgrade(mut parts: Parts, ip: IpAddr, handle: Arc<Handle>) -> Response<Body> {
    if handle.edge.borrow().refuse_sockets {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let Some(purpose) = socket::purpose(parts.uri.path(), &query) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let upgrade: Result<WebSocketUpgrade, _> =
        WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    match upgrade {
        Ok(upgrade) => upgrade.on_upgrade(move |socket| socket::serve(socket, ip, purpose, handle)),
        Err(rejection) => rejection.into_response(),
    }
}

/// Serves a plain router on a listener, for the control port.
pub(super) async fn run_router(
    listener: TcpListener,
    router: axum::Router,
    mut stopping: watch::Receiver<bool>,
) -> io::Error {
    let stopped = async move {
        // An error means that the sender is gone, which is the end as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let served: Result<(), io::Error> =
        axum::serve(listener, router).with_graceful_shutdown(stopped).await;
    match served {
        Ok(()) => std::future::pending().await,
        Err(error) => error,
    }
}
