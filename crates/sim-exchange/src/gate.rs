//! What the venue accepts: one guard, one reason, in a fixed order.

use market::venue::{Amend, NewOrder, OrderKind, RejectReason, TimeInForce};
use market::{Decimal, FinePrice, Nanos, Price, Qty, Side, Usd};

use crate::config::AccountId;
use crate::orders::Order;
use crate::venue::{Liquidity, Venue};

/// An order that passed the gate.
pub(crate) struct Admitted {
    /// Worst price it may trade at.
    pub(crate) limit: Price,
    /// How much of it may trade: less than asked only for reduce-only market orders.
    pub(crate) qty: Qty,
}

impl Venue {
    /// The gate for new orders. Binance's codes stand beside the reasons.
    pub(crate) fn admit<L: Liquidity>(
        &mut self,
        book: &L,
        now: Nanos,
        id: AccountId,
        order: &NewOrder,
    ) -> Result<Admitted, RejectReason> {
        let limits = self.terms.rate_limits;
        if !self.account_mut(id).count_order(now, &limits) {
            return Err(RejectReason::RateLimit); // -1015
        }
        let account = self.account(id);
        let rules = self.terms.instrument.rules();
        if account.open_order(order.client_id).is_some() {
            return Err(RejectReason::DuplicateId); // -4116
        }
        if !book.is_open() {
            return Err(RejectReason::Unavailable); // 503
        }
        let market = matches!(order.kind, OrderKind::Market);
        let limit = match order.kind {
            OrderKind::Limit { price, .. } => price,
            OrderKind::Market => self.worst_price(book, order.side),
        };
        self.check_filters(order.side, limit, order.qty, order.reduce_only, market)?;
        let mut qty = order.qty;
        if order.reduce_only {
            let free = self.reducible(id, order.side, Qty::ZERO);
            if free.is_zero() || (!market && qty > free) {
                return Err(RejectReason::ReduceOnly); // -2022
            }
            qty = qty.min(free);
        }
        if account.open_count() >= rules.max_orders as usize {
            return Err(RejectReason::TooManyOrders); // -4045 MAX_NUM_ORDERS
        }
        if !order.reduce_only && !self.has_margin(id, order.side, limit, order.qty, market) {
            return Err(RejectReason::Margin); // -2019
        }
        let tif = match order.kind {
            OrderKind::Limit { tif, .. } => tif,
            OrderKind::Market => TimeInForce::Ioc,
        };
        if tif == TimeInForce::PostOnly && would_take(book, order.side, limit) {
            return Err(RejectReason::WouldTake); // -5022
        }
        if tif == TimeInForce::Fok && book.takeable(id, order.side, limit, qty) < qty {
            return Err(RejectReason::WouldNotFill); // -5021
        }
        Ok(Admitted { limit, qty })
    }

    /// Price, quantity and notional filters (-1111, -4003, -4005, -4164, -4016, -4024).
    fn check_filters(
        &self,
        side: Side,
        limit: Price,
        qty: Qty,
        reduce_only: bool,
        market: bool,
    ) -> Result<(), RejectReason> {
        let instrument = &self.terms.instrument;
        let rules = instrument.rules();
        let lots = |value: Decimal| instrument.qty_at_most(value);
        let max = if market { rules.market_max_qty } else { rules.max_qty };
        if limit <= Price::ZERO || qty.is_zero() {
            return Err(RejectReason::Filter);
        }
        if qty < lots(rules.min_qty) || qty > lots(max) {
            return Err(RejectReason::Filter);
        }
        let min_notional = Usd::from_decimal(rules.min_notional);
        let notional = if market && !self.mark.is_zero() {
            instrument.value_at(self.mark, qty.signed(Side::Buy))
        } else {
            instrument.notional(limit, qty)
        };
        if !reduce_only && notional < min_notional {
            return Err(RejectReason::Filter);
        }
        if !market && self.band(side).is_some_and(|edge| side.is_better(limit, edge)) {
            return Err(RejectReason::PriceBand);
        }
        Ok(())
    }

    /// The most aggressive limit a side may have: `PERCENT_PRICE` around mark.
    fn band(&self, side: Side) -> Option<Price> {
        let instrument = &self.terms.instrument;
        let rules = instrument.rules();
        let share = |factor: Decimal| {
            let edge = i128::from(self.mark.raw()) * i128::from(factor.units());
            FinePrice::new(i64::try_from(edge / i128::from(Decimal::SCALE)).unwrap_or(i64::MAX))
        };
        (!self.mark.is_zero()).then(|| match side {
            Side::Buy => instrument.price_at_or_below(share(rules.band_up)),
            Side::Sell => instrument.price_at_or_above(share(rules.band_down)),
        })
    }

    /// How far a market order may walk: to the price band, or anywhere while mark is unknown.
    fn worst_price<L: Liquidity>(&self, book: &L, side: Side) -> Price {
        let anywhere = book.best(side.opposite()).map_or(Price::new(1), |best| match side {
            Side::Buy => Price::new(best.raw().saturating_mul(2)),
            Side::Sell => Price::new(1),
        });
        self.band(side).unwrap_or(anywhere)
    }

    /// What a further reduce-only order of a side may have: the position less what rests already.
    fn reducible(&self, id: AccountId, side: Side, besides: Qty) -> Qty {
        let account = self.account(id);
        let resting = account.resting(side, true).saturating_sub(besides);
        account.ledger.position.reducible_by(side).saturating_sub(resting)
    }

    /// Whether initial margin suffices if everything on this side filled.
    fn has_margin(
        &self,
        id: AccountId,
        side: Side,
        limit: Price,
        extra: Qty,
        market: bool,
    ) -> bool {
        let instrument = &self.terms.instrument;
        let account = self.account(id);
        let worst = account.worst(side, extra);
        if worst.abs() <= account.ledger.position.abs() {
            return true;
        }
        let fine = instrument.fine(limit);
        let price = if market && !self.mark.is_zero() { self.mark } else { fine.max(self.mark) };
        let equity =
            account.ledger.wallet + account.ledger.unrealized(instrument, self.mark_or(fine));
        instrument.value_at(price, worst).abs() <= equity * i64::from(account.leverage)
    }

    fn mark_or(&self, fallback: FinePrice) -> FinePrice {
        if self.mark.is_zero() { fallback } else { self.mark }
    }

    /// The gate for amendments; returns the order as it is.
    pub(crate) fn check_amend<L: Liquidity>(
        &mut self,
        book: &L,
        now: Nanos,
        id: AccountId,
        amend: &Amend,
    ) -> Result<Order, RejectReason> {
        let limits = self.terms.rate_limits;
        if !self.account_mut(id).count_order(now, &limits) {
            return Err(RejectReason::RateLimit); // -1015
        }
        let Some(order) = self.account(id).open_order(amend.client_id) else {
            return Err(RejectReason::UnknownOrder); // -2013
        };
        if !book.is_open() {
            return Err(RejectReason::Unavailable); // 503
        }
        if order.side != amend.side {
            return Err(RejectReason::Other); // -1102 and the like
        }
        if order.price == amend.price && order.qty == amend.qty {
            return Err(RejectReason::NoChange); // -5027
        }
        if amend.qty <= order.filled && !amend.qty.is_zero() {
            return Ok(order.clone()); // ends the order, whatever the filters say
        }
        let left = amend.qty.saturating_sub(order.filled);
        self.check_filters(order.side, amend.price, left, order.reduce_only, false)?;
        if order.reduce_only && left > self.reducible(id, order.side, order.left()) {
            return Err(RejectReason::ReduceOnly); // -2022
        }
        let more = left.saturating_sub(order.left());
        let grows = !order.reduce_only && (left > order.left() || amend.price > order.price);
        if grows && !self.has_margin(id, order.side, amend.price, more, false) {
            return Err(RejectReason::Margin); // -2019
        }
        Ok(order.clone())
    }
}

/// Whether a post-only order at this limit would trade at once.
pub(crate) fn would_take<L: Liquidity>(book: &L, side: Side, limit: Price) -> bool {
    book.best(side.opposite()).is_some_and(|best| side.crosses(limit, best))
}
