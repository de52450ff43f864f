//! The HTTP API, the metrics listener and the console: read what a [`Shared`] shows, send what an
//! operator wants.
//!
//! Who may do what is decided in `guard`, once: a read takes a `Reader`, an action an `Operator`,
//! and neither can be made anywhere else. Nothing here can hold the engine up.

mod control;
mod error;
mod guard;
mod health;
mod listen;
mod reads;
mod stream;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodRouter, get, post};
use axum::{Router, middleware};
use tokio::sync::{Semaphore, watch};

use crate::metrics::Metrics;
use crate::recorder::Shared;

pub use control::{ControlError, ControlRequest, ControlSink};
pub use guard::{Token, TokenError};
pub use health::{Check, Health, HealthRules};
pub use listen::{BindError, Listeners};

use guard::Site;
use listen::{Bounded, Peer};

/// Largest request body.
pub const BODY_LIMIT: usize = 64 * 1024;
/// Connections at a time, per listener.
pub const CONNECTIONS_MAX: usize = 64;
/// Live streams at a time; a console uses one.
pub const STREAMS_MAX: usize = 16;
/// How long open connections may take to end at shutdown.
const GRACE: Duration = Duration::from_secs(2);

const _: () = assert!(STREAMS_MAX < CONNECTIONS_MAX, "streams must leave room for control");

/// What the API has to know besides what it shows.
pub struct ApiConfig {
    /// Proves an operator.
    pub token: Token,
    /// Host names under which the API may be addressed, besides loopback and its own address.
    pub hosts: Vec<String>,
    /// When the process counts as unhealthy.
    pub health: HealthRules,
    /// The active configuration with secrets masked, as YAML.
    pub config_text: Arc<dyn Fn() -> String + Send + Sync>,
    /// Where control requests go.
    pub control: ControlSink,
}

impl fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiConfig").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

struct Inner {
    shared: Arc<Shared>,
    metrics: Metrics,
    config: ApiConfig,
    streams: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// What every handler sees.
#[derive(Clone)]
struct Api {
    inner: Arc<Inner>,
    site: Site,
}

struct Route {
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<Api>,
}

fn read<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: "get", path, handler: get(handler) }
}

fn act<H: Handler<T, Api>, T: 'static>(path: &'static str, handler: H) -> Route {
    Route { method: "post", path, handler: post(handler) }
}

fn table() -> Vec<Route> {
    vec![
        read("/", reads::console),
        read("/health", reads::health),
        read("/ready", reads::ready),
        read("/metrics", reads::metrics),
        read("/api/status", reads::status),
        read("/api/risk/status", reads::risk),
        read("/api/orders", reads::orders),
        read("/api/fills", reads::fills),
        read("/api/position", reads::position),
        read("/api/pnl", reads::pnl),
        read("/api/quotes", reads::quotes),
        read("/api/alerts", reads::alerts),
        read("/api/config", reads::config),
        read("/api/openapi.json", reads::openapi),
        read("/api/stream", stream::stream),
        act("/api/control/pause", control::pause),
        act("/api/control/resume", control::resume),
        act("/api/control/halt", control::halt),
        act("/api/control/flatten", control::flatten),
        act("/api/control/reload", control::reload),
        act("/api/control/breaker/reset", control::reset_breaker),
        act("/api/control/log-level", control::log_level),
    ]
}

/// Method (lower case) and path of every route, in the order of the documentation.
pub fn routes() -> Vec<(&'static str, &'static str)> {
    table().iter().map(|route| (route.method, route.path)).collect()
}

fn router(api: Api, routes: Vec<Route>) -> Router {
    let mut router = Router::new();
    for route in routes {
        router = router.route(route.path, route.handler);
    }
    router
        .method_not_allowed_fallback(error::wrong_method)
        .fallback(error::unknown_route)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(api.clone(), guard::guard))
        .with_state(api)
}

/// Serves until `shutdown` is done, then lets open requests finish for a moment.
///
/// The listeners are bound by the caller, so that a port in use is found before trading starts.
///
/// # Errors
/// When a listener cannot tell its own address.
pub async fn serve(
    config: ApiConfig,
    shared: Arc<Shared>,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let inner = Arc::new(Inner {
        metrics: Metrics::new(Arc::clone(&shared)),
        shared,
        config,
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        stopping: stopping.clone(),
    });
    let api = |address: SocketAddr| Api { inner: Arc::clone(&inner), site: Site::new(address) };
    let (listener, metrics) = listeners.into_parts();
    let main = run(router(api(listener.local_addr()?), table()), listener, stopping.clone());
    let metrics = match metrics {
        Some(listener) => {
            let routes = vec![read("/metrics", reads::metrics)];
            Some(run(router(api(listener.local_addr()?), routes), listener, stopping))
        }
        None => None,
    };
    let both = async {
        match metrics {
            Some(metrics) => tokio::try_join!(main, metrics).map(|_| ()),
            None => main.await,
        }
    };
    let ended = async {
        shutdown.await;
        // Nobody listening any more is as good as told.
        let _ = stop.send(true);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        result = both => result,
        () = ended => Ok(()),
    }
}

async fn run(
    router: Router,
    listener: tokio::net::TcpListener,
    mut stopping: watch::Receiver<bool>,
) -> io::Result<()> {
    let service = router.into_make_service_with_connect_info::<Peer>();
    let stopped = async move {
        // An error means that the sender is gone, which is the end as well.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    axum::serve(Bounded::new(listener, CONNECTIONS_MAX), service)
        .with_graceful_shutdown(stopped)
        .await
}
