//! A desk as the outside may see it.

use market::{Nanos, Side};
use quoting::Strategy;

use super::Desk;
use crate::snapshot::{BOOK_LEVELS, DeskView, OrderView, PnlView};

impl Desk {
    /// Everything a display needs.
    pub(crate) fn view(&self, now: Nanos) -> DeskView {
        let spec = &self.config.instrument;
        let position = self.ledger.position();
        let levels = |side| self.book.levels(side).take(BOOK_LEVELS).collect();
        let exposed = |side| self.orders.exposed(side, None).signed(side);
        DeskView {
            instrument: spec.clone(),
            mode: self.mode,
            standstill: self.standstill.to_vec(),
            book_status: self.book_status(now),
            book_updated: self.book.updated(),
            bids: levels(Side::Buy),
            asks: levels(Side::Sell),
            mark: self.mark.map(|(mark, _)| mark),
            funding_rate: self.funding_rate,
            next_funding: self.next_funding,
            position,
            position_known: self.account.known,
            max_inventory: self.max_inventory(),
            max_position: self.config.limits.max_position,
            entry: self.ledger.entry(spec),
            exposure_long: position + exposed(Side::Buy),
            exposure_short: position + exposed(Side::Sell),
            pnl: self.pnl_view(now),
            target: self.target.clone(),
            diagnostics: self.strategy.diagnostics(),
            orders: self.order_views(),
            dead_man_until: self.dead_man.until,
            stream_up: self.stream_up,
            counters: self.counters,
        }
    }

    /// This desk's share of the money; account-wide figures stay zero.
    pub(crate) fn pnl_view(&self, now: Nanos) -> PnlView {
        let spec = &self.config.instrument;
        let mut ledger = self.ledger.clone();
        if let Some(mid) = self.mid() {
            ledger.observe_mid(spec, mid);
        }
        let split = ledger.split(spec, self.valuation(now));
        let unrealized = self.unrealized(now);
        PnlView {
            realized: ledger.realized(),
            unrealized,
            fees: ledger.fees(),
            funding: ledger.funding_received(),
            transfers: ledger.transfers(),
            total: ledger.realized() + unrealized - ledger.fees() + ledger.funding_received(),
            spread_capture: split.spread,
            inventory: split.inventory,
            basis: split.basis,
            carried: split.carried,
            worst_trade: ledger.worst_trade(),
            ..PnlView::default()
        }
    }

    fn max_inventory(&self) -> market::Qty {
        match &self.config.strategy {
            quoting::StrategyConfig::BasicMm(config) => config.max_inventory,
        }
    }

    fn order_views(&self) -> Vec<OrderView> {
        let view = |order: &crate::orders::Order| OrderView {
            client_id: order.client_id,
            state: order.state.name(),
            side: order.side,
            price: order.price,
            qty: order.qty,
            filled: order.filled,
            reduce_only: order.reduce_only,
            created: order.created,
        };
        self.orders.live().iter().map(view).collect()
    }

    /// How much of the tightest limit of this desk is used: the position held, or the orders of the
    /// last minute. Those of the last second come in bursts by design.
    #[expect(clippy::float_arithmetic, reason = "displays and tolerances; no money")]
    pub(crate) fn pressure(&mut self, now: Nanos) -> f64 {
        let (_, minute) = self.gate.rates(now);
        let limits = self.gate.limits();
        let share = |used: f64, allowed: f64| if allowed > 0.0 { used / allowed } else { 0.0 };
        let position = self.ledger.position().abs();
        share(position.raw() as f64, limits.max_position.raw() as f64)
            .max(share(f64::from(minute), f64::from(limits.max_orders_per_minute)))
    }

    /// Used and allowed for the limits of this desk.
    pub(crate) fn utilisation(&mut self, now: Nanos) -> [crate::snapshot::Utilisation; 4] {
        let (second, minute) = self.gate.rates(now);
        let limits = self.gate.limits();
        let spec = &self.config.instrument;
        let worst = Side::BOTH
            .map(|side| {
                (self.ledger.position() + self.orders.exposed(side, None).signed(side)).abs()
            })
            .into_iter()
            .max()
            .unwrap_or_default();
        let entry = |limit, used, allowed| crate::snapshot::Utilisation { limit, used, allowed };
        [
            entry("max_position", spec.qty_f64(worst), spec.qty_f64(limits.max_position)),
            entry(
                "max_open_orders",
                f64::from(self.orders.count()),
                f64::from(limits.max_open_orders),
            ),
            entry(
                "max_orders_per_second",
                f64::from(second),
                f64::from(limits.max_orders_per_second),
            ),
            entry(
                "max_orders_per_minute",
                f64::from(minute),
                f64::from(limits.max_orders_per_minute),
            ),
        ]
    }
}
