//! What can be read.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Api;
use super::error::ApiError;
use super::guard::Reader;
use super::health::Health;
use crate::recorder::{ALERTS_KEPT, FILLS_KEPT, HISTORY_KEPT};
use crate::view::{
    AlertJson, FillJson, OrderJson, PnlJson, PointJson, PositionJson, QuotesJson, RiskView,
    StatusView,
};
use crate::{console, metrics};

type Typed = ([(HeaderName, &'static str); 1], String);

const OPENAPI: &str = include_str!("openapi.json");
const POINTS_DEFAULT: usize = 600;

pub(super) async fn console(_: Reader) -> Typed {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], console::page())
}

pub(super) async fn openapi(_: Reader) -> Typed {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI.to_owned())
}

pub(super) async fn metrics(_: Reader, State(api): State<Api>) -> Typed {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], api.inner.metrics.render())
}

pub(super) async fn config(_: Reader, State(api): State<Api>) -> Typed {
    ([(header::CONTENT_TYPE, "application/yaml; charset=utf-8")], (api.inner.config.config_text)())
}

pub(super) async fn health(_: Reader, State(api): State<Api>) -> Response {
    answer(Health::new(&api.inner.shared, &api.inner.config.health))
}

pub(super) async fn ready(_: Reader, State(api): State<Api>) -> Response {
    answer(Health::ready(&api.inner.shared, &api.inner.config.health))
}

fn answer(health: Health) -> Response {
    let status = if health.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

pub(super) async fn status(
    _: Reader,
    State(api): State<Api>,
) -> Result<Json<StatusView>, ApiError> {
    StatusView::new(&api.inner.shared).map(Json).ok_or_else(ApiError::not_yet)
}

pub(super) async fn risk(_: Reader, State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let shared = &api.inner.shared;
    let published = shared.published().ok_or_else(ApiError::not_yet)?;
    let refusals: serde_json::Map<String, Value> =
        shared.meters().refusals().map(|(rule, count)| (rule.to_owned(), count.into())).collect();
    let mut view = json!(RiskView::new(&published.snapshot));
    view["refusals"] = Value::Object(refusals);
    view["now_ms"] = published.snapshot.now.as_millis().into();
    Ok(Json(view))
}

pub(super) async fn orders(_: Reader, State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let published = api.inner.shared.published().ok_or_else(ApiError::not_yet)?;
    let desks = published.snapshot.desks.iter();
    let orders: Vec<_> = desks
        .flat_map(|desk| desk.orders.iter().map(|order| OrderJson::new(&desk.instrument, order)))
        .collect();
    Ok(Json(json!({ "orders": orders })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
}

type PageQuery = Result<Query<Page>, QueryRejection>;

fn limit(page: PageQuery, most: usize) -> Result<usize, ApiError> {
    let Query(page) = page.map_err(|rejection| bad_query(&rejection))?;
    Ok(page.limit.unwrap_or(most).min(most))
}

fn bad_query(rejection: &QueryRejection) -> ApiError {
    ApiError::bad_request(rejection.body_text(), "see /api/openapi.json for what this route takes")
}

pub(super) async fn fills(
    _: Reader,
    State(api): State<Api>,
    page: PageQuery,
) -> Result<Json<Value>, ApiError> {
    let shared = &api.inner.shared;
    let records = shared.fills().newest(limit(page, FILLS_KEPT)?);
    let fills: Vec<_> = records.iter().filter_map(|fill| FillJson::new(shared, fill)).collect();
    Ok(Json(json!({ "fills": fills, "total": shared.fills().written() })))
}

pub(super) async fn alerts(
    _: Reader,
    State(api): State<Api>,
    page: PageQuery,
) -> Result<Json<Value>, ApiError> {
    let shared = &api.inner.shared;
    let records = shared.alerts().newest(limit(page, ALERTS_KEPT)?);
    let alerts: Vec<_> = records.iter().map(AlertJson::new).collect();
    Ok(Json(json!({ "alerts": alerts, "total": shared.alerts().written() })))
}

pub(super) async fn position(_: Reader, State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let published = api.inner.shared.published().ok_or_else(ApiError::not_yet)?;
    let positions: Vec<_> = published.snapshot.desks.iter().map(PositionJson::new).collect();
    Ok(Json(json!({ "positions": positions })))
}

pub(super) async fn quotes(_: Reader, State(api): State<Api>) -> Result<Json<Value>, ApiError> {
    let published = api.inner.shared.published().ok_or_else(ApiError::not_yet)?;
    let quotes: Vec<_> = published.snapshot.desks.iter().map(QuotesJson::new).collect();
    Ok(Json(json!({ "quotes": quotes })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    points: Option<usize>,
    minutes: Option<u32>,
}

pub(super) async fn pnl(
    _: Reader,
    State(api): State<Api>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let Query(HistoryQuery { points, minutes }) = query.map_err(|why| bad_query(&why))?;
    let shared = &api.inner.shared;
    let published = shared.published().ok_or_else(ApiError::not_yet)?;
    let snapshot = &published.snapshot;
    let most = points.unwrap_or(POINTS_DEFAULT).min(HISTORY_KEPT);
    let span = minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    let from = span.map_or(market::Nanos::ZERO, |span| snapshot.now - span);
    let history = shared.history().sampled(most, |point| point.at >= from);
    let desks: serde_json::Map<String, Value> = snapshot
        .desks
        .iter()
        .map(|desk| (desk.instrument.symbol().to_owned(), json!(PnlJson::new(&desk.pnl))))
        .collect();
    Ok(Json(json!({
        "now_ms": snapshot.now.as_millis(),
        "account": PnlJson::new(&snapshot.pnl),
        "desks": desks,
        "history": history.iter().map(PointJson::new).collect::<Vec<_>>(),
    })))
}
