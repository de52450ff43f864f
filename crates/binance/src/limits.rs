//! The rate limits: what is left, for whom, and how long to wait (facts, section 3).
//!
//! Limits come from `exchangeInfo`, counts from the venue's own headers. Windows are those of the
//! UTC clock, so all times here are the venue's. Requests reserve their cost before they are sent;
//! part of every window is kept for cancels, closing orders and queries, so that quoting can never
//! spend what getting out needs.

use std::time::Duration;

use market::Nanos;

use crate::replies::{LimitCount, LimitKind, RateLimit};
use crate::rest::{Purpose, Request};

/// The budget of requests. Pure: time is an argument.
#[derive(Clone, Debug)]
pub struct Budget {
    windows: Vec<Window>,
    /// Nothing may be sent before (429, 418, 403).
    blocked: Nanos,
    /// No orders may be sent before (-1015).
    orders_blocked: Nanos,
}

#[derive(Clone, Debug)]
struct Window {
    limit: RateLimit,
    /// Which window the count is of.
    index: u64,
    used: u32,
}

/// Why a request must wait, and until when (the venue's time).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} until {until}")]
pub struct WaitUntil {
    /// When to try again.
    pub until: Nanos,
    /// What stands in the way.
    pub why: Wait,
}

/// What stands in a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    /// The venue said stop.
    #[error("blocked by the venue")]
    Blocked,
    /// The venue said no more orders.
    #[error("orders blocked by the venue")]
    OrdersBlocked,
    /// The share of this purpose is used up.
    #[error("budget of request weight used up")]
    Weight,
    /// The share of this purpose is used up.
    #[error("budget of orders used up")]
    Orders,
}

/// What is left of a limit, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The limit.
    pub limit: RateLimit,
    /// Used in the present window.
    pub used: u32,
    /// Left of it.
    pub left: u32,
}

impl Budget {
    /// A budget for these limits. Limits of another kind are ignored.
    pub fn new(limits: &[RateLimit]) -> Self {
        let mut budget =
            Self { windows: Vec::new(), blocked: Nanos::ZERO, orders_blocked: Nanos::ZERO };
        budget.set_limits(limits);
        budget
    }

    /// Enough for the first questions, before the venue has told its limits.
    pub fn before_exchange_info() -> Self {
        let minute = Duration::from_secs(60);
        let rows = [(LimitKind::Weight, minute, 200), (LimitKind::Orders, minute, 0)];
        Self::new(&rows.map(|(kind, interval, limit)| RateLimit { kind, interval, limit }))
    }

    /// Takes over the venue's limits; counts of windows that stay are kept.
    pub fn set_limits(&mut self, limits: &[RateLimit]) {
        let known = !self.windows.is_empty();
        let counts = |limit: &&RateLimit| limit.kind != LimitKind::Other;
        // A venue that allows nothing, or anything, is a mistake of somebody's.
        if known && !limits.iter().filter(counts).any(|limit| limit.limit > 0) {
            return;
        }
        let old = std::mem::take(&mut self.windows);
        for &limit in limits.iter().filter(counts).filter(|limit| !known || limit.limit > 0) {
            let same =
                |w: &&Window| w.limit.kind == limit.kind && w.limit.interval == limit.interval;
            let (index, used) = old.iter().find(same).map_or((0, 0), |w| (w.index, w.used));
            self.windows.push(Window { limit, index, used });
        }
    }

    /// Takes the cost of a request off the budget.
    ///
    /// # Errors
    /// [`WaitUntil`] when its purpose has no share left, or the venue said stop; nothing is taken.
    pub fn try_spend(&mut self, now: Nanos, request: &Request) -> Result<(), WaitUntil> {
        if now < self.blocked {
            return Err(WaitUntil { until: self.blocked, why: Wait::Blocked });
        }
        let orders = request.order_cost.ten_seconds > 0;
        if orders && now < self.orders_blocked {
            return Err(WaitUntil { until: self.orders_blocked, why: Wait::OrdersBlocked });
        }
        let mut refusal: Option<WaitUntil> = None;
        for window in &mut self.windows {
            window.turn(now);
            let cost = window.cost(request);
            if cost > 0 && window.used.saturating_add(cost) > window.share(request.purpose) {
                let until = window.end();
                let why = match window.limit.kind {
                    LimitKind::Orders => Wait::Orders,
                    LimitKind::Weight | LimitKind::Other => Wait::Weight,
                };
                if refusal.is_none_or(|known| known.until < until) {
                    refusal = Some(WaitUntil { until, why });
                }
            }
        }
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        for window in &mut self.windows {
            window.used = window.used.saturating_add(window.cost(request));
        }
        Ok(())
    }

    /// Takes in the headers of a reply (`X-MBX-USED-WEIGHT-1M`, `X-MBX-ORDER-COUNT-10S`, …, in any
    /// case). `sent` and `now` are the venue's time of request and reply.
    ///
    /// A reply whose request belongs to another window is not heeded: nobody knows which of the two
    /// it counts.
    pub fn on_headers<'a>(
        &mut self,
        sent: Nanos,
        now: Nanos,
        headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        for (name, value) in headers {
            let Some((kind, interval)) = counter(name) else { continue };
            let Ok(count) = value.trim().parse() else { continue };
            self.count(sent, now, kind, interval, count);
        }
    }

    /// Takes in the counters of a WS-API reply, and their limits.
    pub fn on_counts(&mut self, sent: Nanos, now: Nanos, counts: &[LimitCount]) {
        for LimitCount { limit, count } in counts {
            let same =
                |w: &&mut Window| w.limit.kind == limit.kind && w.limit.interval == limit.interval;
            if let Some(window) = self.windows.iter_mut().find(same).filter(|_| limit.limit > 0) {
                window.limit.limit = limit.limit;
            }
            self.count(sent, now, limit.kind, limit.interval, *count);
        }
    }

    fn count(&mut self, sent: Nanos, now: Nanos, kind: LimitKind, interval: Duration, count: u32) {
        let same = |w: &&mut Window| w.limit.kind == kind && w.limit.interval == interval;
        let Some(window) = self.windows.iter_mut().find(same) else { return };
        if window.index_of(sent) != window.index_of(now) {
            return;
        }
        window.turn(now);
        // Others behind the same address count too; requests in flight are in ours only.
        window.used = window.used.max(count);
    }

    /// The venue said stop: 429, 418, 403.
    pub fn block(&mut self, until: Nanos) {
        self.blocked = self.blocked.max(until);
    }

    /// The venue said no more orders: -1015.
    pub fn block_orders(&mut self, until: Nanos) {
        self.orders_blocked = self.orders_blocked.max(until);
    }

    /// Until when the venue wants to hear nothing; `None` when it listens.
    pub fn blocked_until(&self, now: Nanos) -> Option<Nanos> {
        (now < self.blocked).then_some(self.blocked)
    }

    /// What is left of every limit.
    pub fn remaining(&self, now: Nanos) -> Vec<Remaining> {
        let left = |window: &Window| {
            let used = if window.index == window.index_of(now) { window.used } else { 0 };
            let left = window.limit.limit.saturating_sub(used);
            Remaining { limit: window.limit, used, left }
        };
        self.windows.iter().map(left).collect()
    }
}

impl Window {
    fn index_of(&self, at: Nanos) -> u64 {
        at.0 / u64::try_from(self.limit.interval.as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    fn end(&self) -> Nanos {
        let span = u64::try_from(self.limit.interval.as_nanos()).unwrap_or(u64::MAX);
        Nanos(self.index.saturating_add(1).saturating_mul(span))
    }

    /// Begins a new window if it is time. Time that goes back stays in the present one.
    fn turn(&mut self, now: Nanos) {
        let index = self.index_of(now);
        if index > self.index {
            (self.index, self.used) = (index, 0);
        }
    }

    fn cost(&self, request: &Request) -> u32 {
        match self.limit.kind {
            LimitKind::Weight => request.weight,
            LimitKind::Orders if self.limit.interval < Duration::from_secs(60) => {
                request.order_cost.ten_seconds
            }
            LimitKind::Orders => request.order_cost.minute,
            LimitKind::Other => 0,
        }
    }

    /// How far a purpose may fill the window: background half of it, new exposure 75 %, queries
    /// 90 %, getting out all of it.
    fn share(&self, purpose: Purpose) -> u32 {
        let percent = match purpose {
            Purpose::Background => 50,
            Purpose::Trade => 75,
            Purpose::Query => 90,
            Purpose::Close | Purpose::Cancel => 100,
        };
        u32::try_from(u64::from(self.limit.limit) * percent / 100).unwrap_or(u32::MAX)
    }
}

/// What a header counts: `x-mbx-used-weight-1m`, `x-mbx-order-count-10s`.
fn counter(name: &str) -> Option<(LimitKind, Duration)> {
    let name = name.to_ascii_lowercase();
    let (kind, span) = match name.strip_prefix("x-mbx-used-weight-") {
        Some(span) => (LimitKind::Weight, span),
        None => (LimitKind::Orders, name.strip_prefix("x-mbx-order-count-")?),
    };
    let (number, unit) = span.split_at_checked(span.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok()?;
    Some((kind, Duration::from_secs(number.checked_mul(unit)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest;

    /// The beginning of a minute.
    const START: Nanos = Nanos::from_millis(1_791_009_600_000);

    fn at(millis: u64) -> Nanos {
        START + Duration::from_millis(millis)
    }

    fn limits() -> [RateLimit; 3] {
        [(LimitKind::Weight, 60, 100), (LimitKind::Orders, 60, 40), (LimitKind::Orders, 10, 20)]
            .map(|(kind, seconds, limit)| RateLimit {
                kind,
                interval: Duration::from_secs(seconds),
                limit,
            })
    }

    fn order(purpose: Purpose) -> Request {
        let order_cost = rest::OrderCost { ten_seconds: 1, minute: 1 };
        Request { weight: 0, order_cost, purpose, ..rest::server_time() }
    }

    fn query(weight: u32, purpose: Purpose) -> Request {
        Request { weight, purpose, ..rest::server_time() }
    }

    #[test]
    fn getting_out_has_what_quoting_may_not_spend() {
        let mut budget = Budget::new(&limits());
        let spent = (0..).take_while(|_| budget.try_spend(at(0), &order(Purpose::Trade)).is_ok());
        assert_eq!(spent.count(), 15, "three quarters of 20 in ten seconds");
        let refused = budget.try_spend(at(500), &order(Purpose::Trade)).unwrap_err();
        assert_eq!(refused, WaitUntil { until: at(10_000), why: Wait::Orders });
        for _ in 0..5 {
            budget.try_spend(at(600), &order(Purpose::Close)).unwrap();
        }
        assert!(budget.try_spend(at(700), &order(Purpose::Close)).is_err(), "the hard cap");
        // Cancels cost weight, not orders.
        assert!(budget.try_spend(at(800), &query(1, Purpose::Cancel)).is_ok());
        assert!(budget.try_spend(at(10_000), &order(Purpose::Trade)).is_ok(), "the window turned");
    }

    #[test]
    fn weight_is_shared_by_purpose() {
        let mut budget = Budget::new(&limits());
        budget.try_spend(at(0), &query(70, Purpose::Trade)).unwrap();
        assert!(budget.try_spend(at(1), &query(1, Purpose::Background)).is_err());
        assert!(budget.try_spend(at(1), &query(6, Purpose::Trade)).is_err());
        budget.try_spend(at(1), &query(20, Purpose::Query)).unwrap();
        assert!(budget.try_spend(at(1), &query(1, Purpose::Query)).is_err());
        budget.try_spend(at(1), &query(10, Purpose::Cancel)).unwrap();
        let refused = budget.try_spend(at(1), &query(1, Purpose::Cancel)).unwrap_err();
        assert_eq!(refused.until, at(60_000));
        let left: Vec<u32> = budget.remaining(at(2)).iter().map(|row| row.left).collect();
        assert_eq!(left, [0, 40, 20]);
        assert_eq!(budget.remaining(at(60_000))[0].left, 100);
    }

    #[test]
    fn the_venue_counts_too() {
        let mut budget = Budget::new(&limits());
        let headers =
            [("X-MBX-USED-WEIGHT-1M", "73"), ("x-mbx-order-count-10s", " 14 "), ("a", "b")];
        budget.on_headers(at(100), at(200), headers);
        assert!(budget.try_spend(at(300), &query(3, Purpose::Trade)).is_err());
        budget.try_spend(at(300), &order(Purpose::Trade)).unwrap();
        assert!(budget.try_spend(at(300), &order(Purpose::Trade)).is_err());
        // Sent in the window before: it counts the old one or the new one, nobody knows.
        budget.on_headers(at(59_900), at(60_050), [("x-mbx-used-weight-1m", "99")]);
        assert!(budget.try_spend(at(60_100), &query(70, Purpose::Trade)).is_ok());
        let count = LimitCount { limit: RateLimit { limit: 500, ..limits()[0] }, count: 80 };
        budget.on_counts(at(60_100), at(60_200), &[count]);
        assert!(budget.try_spend(at(60_300), &query(100, Purpose::Trade)).is_ok());
        assert_eq!(budget.remaining(at(60_300))[0].used, 180);
    }

    #[test]
    fn stop_means_stop() {
        let mut budget = Budget::new(&limits());
        budget.block_orders(at(5_000));
        assert!(budget.try_spend(at(0), &order(Purpose::Close)).is_err());
        assert!(budget.try_spend(at(0), &query(1, Purpose::Cancel)).is_ok());
        budget.block(at(9_000));
        budget.block(at(1_000));
        let refused = budget.try_spend(at(8_999), &query(1, Purpose::Cancel)).unwrap_err();
        assert_eq!(refused, WaitUntil { until: at(9_000), why: Wait::Blocked });
        assert!(budget.try_spend(at(9_000), &order(Purpose::Trade)).is_ok());
    }

    #[test]
    fn headers_of_all_kinds_are_read_or_passed_over() {
        for name in ["x-mbx-used-weight-", "x-mbx-used-weight-é", "x-mbx-order-count-s", "", "é"]
        {
            assert_eq!(counter(name), None, "{name}");
        }
        let day = Duration::from_secs(86_400);
        assert_eq!(counter("X-Mbx-Order-Count-1D"), Some((LimitKind::Orders, day)));
        let mut start = Budget::before_exchange_info();
        assert!(start.try_spend(at(0), &rest::exchange_info()).is_ok());
        assert!(
            start.try_spend(at(0), &order(Purpose::Close)).is_err(),
            "limits are not known yet"
        );
    }
}
