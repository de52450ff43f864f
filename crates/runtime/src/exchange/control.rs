//! The control port: what goes wrong, told from outside.
//!
//! `GET /faults` shows, `POST /faults` replaces, `POST /actions` does something once. All JSON.

use std::io;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use binance::server::{Action, Faults};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use super::handle::{Handle, Job};
use super::http;

pub(super) async fn run(
    listener: TcpListener,
    handle: Arc<Handle>,
    stopping: watch::Receiver<bool>,
) -> io::Error {
    let router = Router::new()
        .route("/faults", get(show).post(replace))
        .route("/actions", post(act))
        .with_state(handle);
    http::run_router(listener, router, stopping).await
}

async fn show(State(handle): State<Arc<Handle>>) -> Response {
    faults(&handle, None).await
}

async fn replace(State(handle): State<Arc<Handle>>, Json(wanted): Json<Faults>) -> Response {
    faults(&handle, Some(Box::new(wanted))).await
}

async fn faults(handle: &Handle, wanted: Option<Box<Faults>>) -> Response {
    let (sender, receiver) = oneshot::channel();
    handle.insist(Job::Faults(wanted, sender)).await;
    match receiver.await {
        Ok(faults) => Json(faults).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn act(State(handle): State<Arc<Handle>>, Json(action): Json<Action>) -> Response {
    let (sender, receiver) = oneshot::channel();
    handle.insist(Job::Act(action, sender)).await;
    match receiver.await {
        Ok(Ok(())) => Json(json!({"done": true})).into_response(),
        Ok(Err(error)) => (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
