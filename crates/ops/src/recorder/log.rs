//! Log lines for what the engine tells. Those about risk carry the word `RISK` and target `risk`.

use std::time::Duration;

use engine::output::{Alert, AlertLevel, Note};
use engine::risk::{BreakerState, Mode, Refusal};
use market::venue::{Amend, Fill, NewOrder, OrderKind, RejectReason, RequestKind, VenueCommand};
use market::{Decimal, Instrument, InstrumentId, Nanos, Position, Usd};

use super::Shared;
use crate::view;

/// A rule that keeps refusing is logged this often.
const REFUSAL_PAUSE: Duration = Duration::from_secs(10);

/// What leaves for the venue, in detail.
pub(super) fn command(shared: &Shared, command: &VenueCommand) {
    let id = command.instrument();
    let (symbol, instrument) = (shared.symbol(id), shared.instruments().get(usize::from(id.0)));
    match command {
        VenueCommand::Place(order) => placed(instrument, order),
        VenueCommand::Amend(amend) => amended(instrument, amend),
        VenueCommand::Cancel { client_id, .. } => {
            tracing::debug!(target: "order", symbol, %client_id, "cancel");
        }
        VenueCommand::CancelAll { .. } => tracing::info!(target: "order", symbol, "cancel all"),
        VenueCommand::QueryOrder { client_id, .. } => {
            tracing::debug!(target: "order", symbol, %client_id, "query order");
        }
        VenueCommand::QueryAccount { .. } => {
            tracing::debug!(target: "order", symbol, "query account");
        }
        VenueCommand::ArmDeadMan { countdown, .. } => {
            tracing::trace!(target: "order", symbol, ?countdown, "arm dead-man's switch");
        }
    }
}

fn placed(instrument: Option<&Instrument>, order: &NewOrder) {
    let Some(instrument) = instrument else { return };
    let price = match order.kind {
        OrderKind::Limit { price, .. } => Some(instrument.price_text(price)),
        OrderKind::Market => None,
    };
    tracing::debug!(
        target: "order",
        symbol = instrument.symbol(),
        client_id = %order.client_id,
        side = %order.side,
        price,
        qty = instrument.qty_text(order.qty),
        reduce_only = order.reduce_only,
        "place"
    );
}

fn amended(instrument: Option<&Instrument>, amend: &Amend) {
    let Some(instrument) = instrument else { return };
    tracing::debug!(
        target: "order",
        symbol = instrument.symbol(),
        client_id = %amend.client_id,
        side = %amend.side,
        price = instrument.price_text(amend.price),
        qty = instrument.qty_text(amend.qty),
        "amend"
    );
}

/// Whether a rejection is the ordinary course of things: a post-only order would have taken, or a
/// fill beat the request.
fn is_ordinary(request: RequestKind, reason: RejectReason) -> bool {
    match reason {
        RejectReason::WouldTake => true,
        RejectReason::UnknownOrder => request != RequestKind::Place,
        _ => false,
    }
}

pub(super) fn alert(alert: &Alert) {
    say(alert.level, view::alert_kind(alert.kind), &alert.message);
}

pub(super) fn say(level: AlertLevel, kind: &str, message: &str) {
    match level {
        AlertLevel::Info => tracing::info!(target: "risk", kind, "RISK {message}"),
        AlertLevel::Warning => tracing::warn!(target: "risk", kind, "RISK {message}"),
        AlertLevel::Error => tracing::error!(target: "risk", kind, "RISK {message}"),
        AlertLevel::Critical => {
            tracing::error!(target: "risk", kind, critical = true, "RISK {message}");
        }
    }
}

fn compared(
    shared: &Shared,
    instrument: InstrumentId,
    orders: u32,
    position_off: Position,
    wallet_off: &Usd,
) {
    let Some(instrument) = shared.instruments().get(usize::from(instrument.0)) else { return };
    let (symbol, position_off) = (instrument.symbol(), instrument.position_decimal(position_off));
    if orders == 0 && position_off == Decimal::ZERO && wallet_off.is_zero() {
        tracing::debug!(target: "risk", symbol, "account compared: no difference");
    } else {
        tracing::warn!(
            target: "risk", symbol, orders, %position_off, %wallet_off,
            "RISK account differs from our records"
        );
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
                let (name, why) = (view::request(*request), view::reject(*reason));
                if is_ordinary(*request, *reason) {
                    tracing::debug!(
                        target: "order", symbol, %client_id, request = name, reason = why, "rejected"
                    );
                } else {
                    tracing::warn!(
                        target: "order", symbol, %client_id, request = name, reason = why, "rejected"
                    );
                }
            }
            Note::Acked { instrument, client_id, latency } => {
                let symbol = shared.symbol(*instrument);
                let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                tracing::debug!(target: "order", symbol, %client_id, latency_us, "accepted");
            }
            Note::Ended { instrument, client_id, outcome } => {
                let symbol = shared.symbol(*instrument);
                tracing::debug!(target: "order", symbol, %client_id, ?outcome, "ended");
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
            Note::Compared { instrument, orders, position_off, wallet_off } => {
                compared(shared, *instrument, *orders, *position_off, wallet_off);
            }
            Note::Configured => tracing::info!("new configuration in force"),
            // What was sent is logged in detail as it leaves.
            Note::Sent { .. } | Note::Quoted { .. } => {}
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

fn filled(instrument: &Instrument, fill: &Fill, position: &str, edge: &market::Usd) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_that_beat_the_request_is_no_warning() {
        let ordinary = |request| is_ordinary(request, RejectReason::UnknownOrder);
        assert!(ordinary(RequestKind::Amend) && ordinary(RequestKind::Cancel));
        assert!(!ordinary(RequestKind::Place));
        assert!(is_ordinary(RequestKind::Place, RejectReason::WouldTake));
        assert!(!is_ordinary(RequestKind::Amend, RejectReason::Margin));
    }
}
