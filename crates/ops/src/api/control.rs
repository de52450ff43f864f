//! What an operator can make the process do.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use engine::input::Control;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Api;
use super::error::ApiError;
use super::guard::Operator;

/// One request of an operator.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlRequest {
    /// For the engine.
    Engine(Control),
    /// Read the configuration again and apply it, all or nothing.
    Reload,
    /// Change how much is logged: `error`, `warn`, `info`, `debug` or `trace`.
    LogLevel(String),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Nobody is there to carry it out.
    #[error("the engine is not running")]
    Unavailable,
    /// Too many requests wait already.
    #[error("too many control requests are waiting")]
    Busy,
    /// It makes no sense; the text says why and what would.
    #[error("{0}")]
    Invalid(String),
}

/// Where control requests go. It may block for as long as reading a file takes.
pub type ControlSink =
    Arc<dyn Fn(ControlRequest) -> Result<(), ControlError> + Send + Sync + 'static>;

type Body = Result<Bytes, BytesRejection>;
type Answer = Result<(StatusCode, Json<Value>), ApiError>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Resume {
    clear_halt: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogLevel {
    level: String,
}

pub(super) async fn pause(operator: Operator, State(api): State<Api>, body: Body) -> Answer {
    optional::<Nothing>(body)?;
    carry_out(operator, api, "pause", ControlRequest::Engine(Control::Pause)).await
}

pub(super) async fn resume(operator: Operator, State(api): State<Api>, body: Body) -> Answer {
    let Resume { clear_halt } = optional(body)?;
    carry_out(operator, api, "resume", ControlRequest::Engine(Control::Resume { clear_halt })).await
}

pub(super) async fn halt(operator: Operator, State(api): State<Api>, body: Body) -> Answer {
    optional::<Nothing>(body)?;
    carry_out(operator, api, "halt", ControlRequest::Engine(Control::Halt)).await
}

pub(super) async fn flatten(operator: Operator, State(api): State<Api>, body: Body) -> Answer {
    optional::<Nothing>(body)?;
    carry_out(operator, api, "flatten", ControlRequest::Engine(Control::Flatten)).await
}

pub(super) async fn reset_breaker(
    operator: Operator,
    State(api): State<Api>,
    body: Body,
) -> Answer {
    optional::<Nothing>(body)?;
    carry_out(operator, api, "breaker reset", ControlRequest::Engine(Control::ResetBreaker)).await
}

pub(super) async fn reload(operator: Operator, State(api): State<Api>, body: Body) -> Answer {
    optional::<Nothing>(body)?;
    carry_out(operator, api, "reload", ControlRequest::Reload).await
}

pub(super) async fn log_level(operator: Operator, State(api): State<Api>, body: Body) -> Answer {
    let LogLevel { level } = parse(&received(body)?)?;
    carry_out(operator, api, "log-level", ControlRequest::LogLevel(level)).await
}

fn received(body: Body) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        let limit = super::BODY_LIMIT / 1024;
        let remedy = format!("a body here is a few bytes of JSON; {limit} KiB are the limit");
        ApiError::new(rejection.status(), rejection.body_text(), remedy)
    })
}

/// A body that may be left out.
fn optional<T: Default + DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = received(body)?;
    if bytes.trim_ascii().is_empty() { Ok(T::default()) } else { parse(&bytes) }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let remedy = "see /api/openapi.json for what this route takes";
    // A list would fill in the fields one after the other.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(ApiError::bad_request("the body is not a JSON object", remedy));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        ApiError::bad_request(format!("the body is not what is wanted: {error}"), remedy)
    })
}

async fn carry_out(
    operator: Operator,
    api: Api,
    action: &'static str,
    request: ControlRequest,
) -> Answer {
    let peer = operator.peer();
    let sink = Arc::clone(&api.inner.config.control);
    let done = tokio::task::spawn_blocking(move || sink(request)).await;
    // The sink panicked: to the operator that is the same as nobody being there.
    let outcome = done.unwrap_or(Err(ControlError::Unavailable));
    match outcome {
        Ok(()) => {
            tracing::warn!(target: "risk", %peer, action, "RISK operator: {action}");
            Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": action }))))
        }
        Err(error) => {
            tracing::warn!(target: "risk", %peer, action, %error, "RISK operator: {action} failed");
            Err(refusal(action, &error))
        }
    }
}

fn refusal(action: impl fmt::Display, error: &ControlError) -> ApiError {
    let (status, remedy) = match error {
        ControlError::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "see /health; if the process hangs, stop it: the dead-man's switch cancels what rests",
        ),
        ControlError::Busy => (StatusCode::TOO_MANY_REQUESTS, "wait a second and send it again"),
        ControlError::Invalid(_) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "nothing was changed; correct it and send it again")
        }
    };
    ApiError::new(status, format!("{action}: {error}"), remedy)
}
