//! Log lines for what the engine tells. Those about risk carry the word `RISK` and target `risk`.

use std::time::Duration;

use engine::output::{Alert, AlertLevel, Note};
use engine::risk::{BreakerState, Mode, Refusal};
use market::Nanos;
use market::venue::{Fill, RejectReason};

use super::Shared;
use crate::view;

/// A rule that keeps refusing is logged this often.
const REFUSAL_PAUSE: Duration = Duration::from_secs(10);

pub(super) fn alert(alert: &Alert) {
    let (kind, message) = (view::alert_kind(alert.kind), alert.message.as_str());
    match alert.level {
        AlertLevel::Info => tracing::info!(target: "risk", kind, "RISK {message}"),
        AlertLevel::Warning => tracing::warn!(target: "risk", kind, "RISK {message}"),
        AlertLevel::Error => tracing::error!(target: "risk", kind, "RISK {message}"),
        AlertLevel::Critical => {
            tracing::error!(target: "risk", kind, critical = true, "RISK {message}");
        }
    }
}

/// Remembers when each refusal was logged last, so that a stuck rule cannot flood the log.
#[derive(Debug, Default)]
pub(super) struct RiskLog {
    refused: [(Option<Nanos>, u64); Refusal::ALL.len()],
}

impl RiskLog {
    pub(super) fn note(&mut self, shared: &Shared, now: Nanos, note: &Note) {
        match note {
            Note::Filled { instrument, fill, position, edge } => {
                let Some(instrument) = shared.instruments().get(usize::from(instrument.0)) else {
                    return;
                };
                filled(instrument, fill, &instrument.position_decimal(*position).to_string(), edge);
            }
            Note::Rejected { instrument, client_id, request, reason } => {
                let symbol = shared.symbol(*instrument);
                let (request, reason_name) = (view::request(*request), view::reject(*reason));
                if *reason == RejectReason::WouldTake {
                    tracing::debug!(symbol, %client_id, request, reason = reason_name, "rejected");
                } else {
                    tracing::warn!(symbol, %client_id, request, reason = reason_name, "rejected");
                }
            }
            Note::Refused { instrument, refusal } => {
                self.refused(now, shared.symbol(*instrument), *refusal);
            }
            Note::InDoubt { instrument, client_id } => {
                let symbol = shared.symbol(*instrument);
                tracing::warn!(target: "risk", symbol, %client_id, "RISK order in doubt");
            }
            Note::Anomaly { instrument } => {
                let symbol = shared.symbol(*instrument);
                tracing::warn!(target: "risk", symbol, "RISK anomaly in a venue report");
            }
            Note::Mode { instrument, from, to, because } => {
                let because = because.map_or("", |reason| reason.name());
                mode(shared.symbol(*instrument), *from, *to, because);
            }
            Note::Breaker { from, to } => breaker(*from, *to),
            Note::RiskLevel { from, to } => {
                let (from, to) = (from.name(), to.name());
                tracing::warn!(target: "risk", from, to, "RISK level {from} -> {to}");
            }
            Note::DayClosed { day_pnl } => {
                tracing::info!(target: "risk", %day_pnl, "RISK day closed, loss limit starts anew");
            }
            Note::Funding { instrument, amount } => {
                tracing::info!(symbol = shared.symbol(*instrument), %amount, "funding");
            }
            Note::Configured => tracing::info!("new configuration in force"),
            Note::Sent { .. } | Note::Acked { .. } | Note::Ended { .. } | Note::Quoted { .. } => {}
        }
    }

    fn refused(&mut self, now: Nanos, symbol: &str, refusal: Refusal) {
        let Some(slot) = Refusal::ALL.iter().position(|&rule| rule == refusal) else { return };
        let (last, quiet) = &mut self.refused[slot];
        if last.is_some_and(|last| now.since(last) < REFUSAL_PAUSE) {
            *quiet += 1;
            return;
        }
        let (rule, not_logged) = (refusal.name(), std::mem::take(quiet));
        *last = Some(now);
        tracing::warn!(target: "risk", symbol, rule, not_logged, "RISK order refused by {rule}");
    }
}

fn filled(instrument: &market::Instrument, fill: &Fill, position: &str, edge: &market::Usd) {
    tracing::info!(
        target: "fill",
        symbol = instrument.symbol(),
        side = %fill.side,
        price = instrument.price_text(fill.price),
        qty = instrument.qty_text(fill.qty),
        fee = %fill.fee.round_e8(),
        maker = fill.maker,
        trade_id = fill.trade_id.0,
        position,
        edge = %edge.round_e8(),
        "fill"
    );
}

fn mode(symbol: &str, from: Mode, to: Mode, because: &str) {
    let (from_name, to_name) = (from.name(), to.name());
    if to > from {
        tracing::warn!(target: "risk", symbol, because, "RISK mode {from_name} -> {to_name}");
    } else {
        tracing::info!(target: "risk", symbol, because, "RISK mode {from_name} -> {to_name}");
    }
}

fn breaker(from: BreakerState, to: BreakerState) {
    let (from, name) = (from.name(), to.name());
    match to {
        BreakerState::Open { until } => {
            tracing::error!(target: "risk", from, %until, "RISK breaker {name}");
        }
        BreakerState::HalfOpen => tracing::warn!(target: "risk", from, "RISK breaker {name}"),
        BreakerState::Closed => tracing::info!(target: "risk", from, "RISK breaker {name}"),
    }
}
