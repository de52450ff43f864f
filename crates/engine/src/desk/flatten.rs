//! Working a position down by command: passively at first, then by taking.

use std::time::Duration;

use market::venue::TimeInForce;
use market::{BookStatus, FinePrice, Nanos, Side};
use quoting::{Quote, Quotes};

use super::{Context, Desk, Flattening};
use crate::orders::State;
use crate::output::{AlertKind, AlertLevel};

/// Between two attempts to take.
const TAKE_INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks while something is in the way.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// A person is told, again and again, when taking has not worked for this long.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

impl Desk {
    /// Starts to work the position down; it goes on, reduce-only, while everything else is halted.
    pub(crate) fn flatten(&mut self, now: Nanos) {
        let take_at = now + self.config.flatten.patience;
        self.flattening =
            Some(Flattening { since: now, tell_at: take_at + TELL_INTERVAL, take_at });
    }

    /// Stops working the position down.
    pub(crate) fn stop_flattening(&mut self) {
        self.flattening = None;
    }

    /// The patient phase: one order at our side of the touch. Ends flattening when nothing is left:
    /// flat, nothing that could still fill, and the venue agrees.
    pub(super) fn flatten_passively(&mut self, ctx: &mut Context<'_>) -> Quotes {
        let Some(flattening) = self.flattening else { return Quotes::NONE };
        let position = self.ledger.position();
        let spec = &self.config.instrument;
        let over = self.orders.is_flat() && self.account.known;
        let Some(held) = position.side() else {
            if over {
                self.flattening = None;
                let message = format!("{}: position is flat", spec.symbol());
                ctx.alert(AlertLevel::Info, AlertKind::Flattened, message);
            }
            return Quotes::NONE;
        };
        if over && spec.qty_decimal(position.abs()) < spec.rules().min_qty {
            self.flattening = None;
            let left = spec.position_decimal(position);
            let message = format!("{}: {left} is left, too small for an order", spec.symbol());
            ctx.alert(AlertLevel::Warning, AlertKind::Flattened, message);
            return Quotes::NONE;
        }
        let mut quotes = Quotes::NONE;
        let patient = ctx.now < flattening.since + self.config.flatten.patience;
        if patient
            && self.book_status(ctx.now) == BookStatus::Synced
            && let Some(touch) = self.book.best(held.opposite())
        {
            let qty = position.abs().min(self.order_most(touch.price));
            quotes.push(held.opposite(), Quote { price: touch.price, qty });
        }
        quotes
    }

    /// The impatient phase: an IOC within the allowed slippage, one at a time. Orders whose fate is
    /// unknown do not stand in the way: the venue itself keeps a reduce-only order from opening.
    pub(super) fn take(&mut self, ctx: &mut Context<'_>) {
        let Some(flattening) = self.flattening else { return };
        let position = self.ledger.position();
        let Some(held) = position.side() else { return };
        if ctx.now < flattening.take_at {
            return;
        }
        let mut flattening = Flattening { take_at: ctx.now + LOOK_INTERVAL, ..flattening };
        if ctx.now >= flattening.tell_at {
            flattening.tell_at = ctx.now + TELL_INTERVAL;
            let spec = &self.config.instrument;
            let left = spec.position_decimal(position);
            let message = format!("{}: still holding {left}; close it by hand", spec.symbol());
            ctx.alert(AlertLevel::Critical, AlertKind::Flattened, message);
        }
        let busy = |state: State| !matches!(state, State::InDoubt { .. });
        let waits = self.orders.live().iter().any(|order| busy(order.state));
        if !waits && self.book_status(ctx.now) == BookStatus::Synced {
            flattening.take_at = ctx.now + TAKE_INTERVAL;
            self.take_now(ctx, held.opposite());
        }
        self.flattening = Some(flattening);
    }

    fn take_now(&mut self, ctx: &mut Context<'_>, side: Side) {
        let Some(mid) = self.mid() else { return };
        let spec = &self.config.instrument;
        // Never beyond the collar, which would only refuse it.
        let rate = self.config.flatten.slippage.min(self.config.limits.price_collar);
        let slip =
            i128::from(mid.raw()) * i128::from(rate.raw()) / i128::from(market::Decimal::SCALE);
        let slip = FinePrice::new(slip as i64);
        let price = match side {
            Side::Buy => spec.price_at_or_below(mid + slip),
            Side::Sell => spec.price_at_or_above(mid - slip),
        };
        let qty = self.ledger.position().abs().min(self.order_most(price));
        self.place(ctx, side, Quote { price, qty }, TimeInForce::Ioc, true);
    }
}
