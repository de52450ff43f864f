//! Errors as JSON: what is wrong and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    pub(super) error: String,
    pub(super) remedy: String,
}

impl ApiError {
    pub(super) fn new(
        status: StatusCode,
        error: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { status, error: error.into(), remedy: remedy.into() }
    }

    pub(super) fn bad_request(error: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, remedy)
    }

    pub(super) fn not_yet() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the engine has not published a snapshot yet",
            "try again in a second; if it lasts, see /health and the log",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "remedy": self.remedy }));
        let mut response = (self.status, body).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"market-maker\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

pub(super) async fn unknown_route(uri: Uri) -> ApiError {
    let error = format!("there is nothing at {}", uri.path());
    ApiError::new(StatusCode::NOT_FOUND, error, "see /api/openapi.json for everything there is")
}

pub(super) async fn wrong_method(uri: Uri) -> ApiError {
    let error = format!("{} does not know this method", uri.path());
    let remedy = "reads are GET, /api/control/... is POST; see /api/openapi.json";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, error, remedy)
}
