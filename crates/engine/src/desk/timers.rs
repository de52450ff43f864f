//! What happens because time has passed.

use market::venue::RequestKind;
use market::{BookStatus, Nanos};

use super::{Context, DeadMan, Desk, MARK_AGE_MAX};
use crate::mutants::{self, Mutant};
use crate::orders::State;
use crate::output::Output;

impl Desk {
    /// Acts on every deadline that has passed.
    pub(crate) fn expire(&mut self, ctx: &mut Context<'_>) {
        self.ask_about_account(ctx);
        self.ask_about_orders(ctx);
        self.refresh_dead_man(ctx);
        if self.later.is_some_and(|at| at <= ctx.now) {
            self.later = None;
        }
    }

    /// When [`Desk::expire`] or a decision is due even if nothing arrives.
    pub(crate) fn next_deadline(&self, now: Nanos) -> Option<Nanos> {
        let config = &self.config;
        let decide = self.decided.map(|at| at + config.requote.interval);
        let stale = (self.book_status(now) == BookStatus::Synced)
            .then(|| self.book.updated() + config.limits.max_book_age + NANO);
        let account = match self.account.asked {
            Some(at) => Some(at + config.ack_timeout),
            None => self.stream_up.then_some(self.account.due),
        };
        let mark = self.mark.map(|(_, at)| at + MARK_AGE_MAX + NANO).filter(|at| *at > now);
        let hold = self.hold_until.into_iter().filter(|at| *at > now).min();
        let flatten = self.flattening.map(|flattening| flattening.take_at);
        [
            decide,
            stale,
            account,
            hold,
            mark,
            flatten,
            self.later,
            self.escalate_at.filter(|_| !self.orders.is_flat()),
            self.orders.next_deadline(),
            self.dead_man.until,
            self.may_rearm(now).then(|| self.next_arming()),
        ]
        .into_iter()
        .flatten()
        // A deadline that has passed and is still listed was put off on purpose: look again shortly.
        .map(|at| if at <= now { now + RETRY } else { at })
        .min()
    }

    fn next_arming(&self) -> Nanos {
        self.dead_man.asked.map_or(Nanos::ZERO, |at| at + self.config.dead_man_refresh)
    }

    fn ask_about_account(&mut self, ctx: &mut Context<'_>) {
        let account = &self.account;
        let due = match account.asked {
            Some(at) => ctx.now.since(at) >= self.config.ack_timeout,
            None => self.stream_up && ctx.now >= account.due,
        };
        if due {
            let known = match mutants::is(Mutant::AskSinceNewest) {
                true => self.ledger.last_trade(),
                false => account.agreed,
            };
            let since = self.opened.then(|| known.unwrap_or_default());
            let number = account.query.wrapping_add(1);
            let query = self.gate.query_account(self.config.instrument.id, since, number);
            ctx.out.push(Output::Venue(query));
            self.account.query = number;
            (self.account.asked, self.account.last_asked) = (Some(ctx.now), Some(ctx.now));
        }
    }

    fn ask_about_orders(&mut self, ctx: &mut Context<'_>) {
        while let Some(order) =
            self.orders.live().iter().find(|order| order.ask_at.is_some_and(|at| at <= ctx.now))
        {
            let client_id = order.client_id;
            match order.state {
                State::PendingNew { .. } => self.timed_out(ctx, client_id, RequestKind::Place),
                State::PendingAmend { .. } => self.timed_out(ctx, client_id, RequestKind::Amend),
                State::PendingCancel { .. } => self.timed_out(ctx, client_id, RequestKind::Cancel),
                State::Live | State::InDoubt { .. } | State::Done(_) => {
                    let query = self.gate.query_order(self.config.instrument.id, client_id);
                    ctx.out.push(Output::Venue(query));
                    if let Some(order) = self.orders.get_mut(client_id) {
                        order.asked = ctx.now;
                        order.ask_at = Some(ctx.now + self.config.ack_timeout);
                    }
                }
            }
        }
    }

    /// No answer within the time allowed: the request is in doubt, whichever it was.
    fn timed_out(
        &mut self,
        ctx: &mut Context<'_>,
        client_id: market::ClientOrderId,
        request: RequestKind,
    ) {
        let symbol = self.config.instrument.symbol();
        let message = format!(
            "{symbol}: no answer to {request:?} of {client_id} within {:?}; asking the venue",
            self.config.ack_timeout,
        );
        ctx.alert(crate::output::AlertLevel::Warning, crate::output::AlertKind::InDoubt, message);
        self.doubt(ctx, client_id);
    }

    /// While we do not know our account, or what became of an order, or while orders that must go do not,
    /// the switch is left to run down: it would remove what we cannot.
    fn may_rearm(&self, now: Nanos) -> bool {
        let patience = self.config.dead_man_countdown / 2;
        let lost = |state: State| match state {
            State::InDoubt { since, .. } => now.since(since) > patience,
            State::PendingNew { .. }
            | State::Live
            | State::PendingAmend { .. }
            | State::PendingCancel { .. }
            | State::Done(_) => false,
        };
        if mutants::is(Mutant::RearmInDoubt) {
            return true;
        }
        let stuck = self.withdrawing.is_some_and(|since| now.since(since) > patience);
        self.account.known && !stuck && !self.orders.live().iter().any(|order| lost(order.state))
    }

    fn refresh_dead_man(&mut self, ctx: &mut Context<'_>) {
        if self.may_rearm(ctx.now) && ctx.now >= self.next_arming() {
            let countdown = self.config.dead_man_countdown;
            let arm = self.gate.arm_dead_man(self.config.instrument.id, countdown);
            ctx.out.push(Output::Venue(arm));
            self.dead_man = DeadMan { asked: Some(ctx.now), ..self.dead_man };
        }
    }
}

const NANO: std::time::Duration = std::time::Duration::from_nanos(1);
const RETRY: std::time::Duration = std::time::Duration::from_millis(100);
