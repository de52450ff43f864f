//! Reply and stream as two unordered witnesses of the same thing.
//!
//! Either may come first, either may be missing. Both are turned into the same [`VenueReport`]s,
//! and [`Witnesses`] lets each fact through once: what is filled never shrinks, what has ended never
//! opens again, and news of an amendment older than what is known is dropped (facts, 6.3).

use std::collections::{BTreeMap, BTreeSet};

use market::venue::{OrderFate, RequestKind, VenueReport};
use market::{ClientOrderId, Instrument, Nanos, Price, Qty, TradeId};

use crate::reaction::{Executed, Verdict};
use crate::replies::{OrderReply, OrderStatus, level, lots};
use crate::user_stream::expire_reason;
use crate::wire::DecodeError;

/// What a reply to place, amend or cancel says of an order of ours; nothing for foreign ones.
///
/// Fills are left to the stream, which alone names executions.
///
/// # Errors
/// [`DecodeError`] when a price or quantity is off the grid.
pub fn reports_of(
    request: RequestKind,
    reply: &OrderReply,
    instrument: &Instrument,
) -> Result<Vec<VenueReport>, DecodeError> {
    let Some(client_id) = reply.owner.ours() else { return Ok(Vec::new()) };
    let mut reports = Vec::with_capacity(2);
    let venue_id = reply.venue_id;
    if request == RequestKind::Place && reply.status != OrderStatus::Rejected {
        reports.push(VenueReport::Ack { client_id, venue_id });
    }
    let filled = || lots(instrument, "executedQty", reply.filled);
    match reply.status {
        OrderStatus::New | OrderStatus::PartiallyFilled | OrderStatus::Filled => {
            if request == RequestKind::Amend {
                let price = level(instrument, "price", reply.price)?;
                let qty = lots(instrument, "origQty", reply.qty)?;
                reports.push(VenueReport::Amended { client_id, price, qty });
            }
        }
        OrderStatus::Canceled => {
            reports.push(VenueReport::Canceled { client_id, filled: filled()? });
        }
        OrderStatus::Expired | OrderStatus::ExpiredInMatch => {
            let reason = expire_reason(reply.status, None, &reply.tif, &reply.kind);
            reports.push(VenueReport::Expired { client_id, filled: filled()?, reason });
        }
        OrderStatus::Rejected => {
            let reason = market::venue::RejectReason::Other;
            reports.push(VenueReport::Reject { client_id, request, reason });
        }
        OrderStatus::Unknown => {}
    }
    Ok(reports)
}

/// What an error says of an order of ours.
pub fn report_of_error(
    request: RequestKind,
    client_id: ClientOrderId,
    verdict: &Verdict,
) -> Option<VenueReport> {
    match (verdict.outcome, verdict.reject) {
        (Executed::Yes, _) => None,
        (Executed::Unknown, _) => Some(VenueReport::InDoubt { client_id, request }),
        (Executed::No, reason) => {
            let reason = reason.unwrap_or(market::venue::RejectReason::Other);
            Some(VenueReport::Reject { client_id, request, reason })
        }
    }
}

/// What has been said about orders, so that it is not said twice.
#[derive(Clone, Debug, Default)]
pub struct Witnesses {
    orders: BTreeMap<ClientOrderId, Known>,
    trades: BTreeSet<TradeId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Known {
    acked: bool,
    /// The venue said no to placing it; it may have been wrong.
    refused: bool,
    ended: bool,
    amended: Option<(Nanos, Price, Qty)>,
}

impl Witnesses {
    /// Orders remembered at most; beyond, the oldest that have ended go first.
    pub const ORDERS_MAX: usize = 4_096;
    /// Executions remembered at most. Older ones are let through: the ledger counts by id too.
    pub const TRADES_MAX: usize = 16_384;

    /// The report, unless the other witness has said it already. `at` is the venue's time of it
    /// ([`OrderReply::updated`] or [`OrderUpdate::time`](crate::user_stream::OrderUpdate::time)).
    pub fn admit(&mut self, at: Nanos, report: VenueReport) -> Option<VenueReport> {
        let news = match &report {
            VenueReport::Ack { client_id, .. } => {
                let known = self.order(*client_id);
                !known.ended && !std::mem::replace(&mut known.acked, true)
            }
            VenueReport::Fill(fill) => self.trades.insert(fill.trade_id),
            VenueReport::Amended { client_id, price, qty } => {
                let known = self.order(*client_id);
                let terms = (at, *price, *qty);
                let fresh = known.amended.is_none_or(|old| old.0 <= at && old != terms);
                let news = !known.ended && fresh;
                if news {
                    known.amended = Some(terms);
                }
                news
            }
            VenueReport::Canceled { client_id, .. } | VenueReport::Expired { client_id, .. } => {
                !std::mem::replace(&mut self.order(*client_id).ended, true)
            }
            VenueReport::Reject { client_id, request: RequestKind::Place, .. } => {
                let known = self.order(*client_id);
                // An order that has been acknowledged was not refused; one that was refused may yet
                // turn out to live.
                !known.acked && !known.ended && !std::mem::replace(&mut known.refused, true)
            }
            VenueReport::Order { client_id, fate, .. } => {
                if let OrderFate::Closed { .. } = fate {
                    self.order(*client_id).ended = true;
                }
                true
            }
            _ => true,
        };
        self.forget();
        news.then_some(report)
    }

    /// Forgets everything: after a reconnect the account tells.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn order(&mut self, client_id: ClientOrderId) -> &mut Known {
        self.orders.entry(client_id).or_default()
    }

    fn forget(&mut self) {
        while self.orders.len() > Self::ORDERS_MAX {
            let ended = self.orders.iter().find(|(_, known)| known.ended).map(|(id, _)| *id);
            match ended {
                Some(id) => self.orders.remove(&id),
                None => self.orders.pop_first().map(|(_, known)| known),
            };
        }
        while self.trades.len() > Self::TRADES_MAX {
            self.trades.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use market::VenueOrderId;
    use market::venue::RejectReason;

    use super::*;

    #[test]
    fn an_order_that_was_refused_by_mistake_may_still_come_alive() {
        let client_id = ClientOrderId { session: 1, sequence: 1 };
        let (request, reason) = (RequestKind::Place, RejectReason::Unavailable);
        let refused = VenueReport::Reject { client_id, request, reason };
        let lives = VenueReport::Ack { client_id, venue_id: VenueOrderId(7) };
        let mut witnesses = Witnesses::default();
        assert_eq!(witnesses.admit(Nanos::ZERO, refused.clone()), Some(refused.clone()));
        assert_eq!(witnesses.admit(Nanos::ZERO, refused.clone()), None, "told once");
        assert_eq!(witnesses.admit(Nanos::ZERO, lives.clone()), Some(lives.clone()));
        assert_eq!(witnesses.admit(Nanos::ZERO, lives), None);
        assert_eq!(witnesses.admit(Nanos::ZERO, refused), None, "it lives");
    }
}
