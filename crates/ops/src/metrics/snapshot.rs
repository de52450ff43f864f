//! Gauges and counters read from the latest snapshot at scrape time.

use std::collections::BTreeMap;

use engine::risk::{BreakerState, Mode, Standstill};
use engine::snapshot::{DeskView, PnlView, Snapshot};
use market::venue::Obstacle;
use market::{BookStatus, Nanos, Side};
use prometheus::proto::MetricFamily;

use super::samples::{Labels, counter, gauge};
use crate::recorder::Shared;
use crate::view;

const MODES: [Mode; 3] = [Mode::Quoting, Mode::ReduceOnly, Mode::Halted];

const BREAKER_STATES: [BreakerState; 3] =
    [BreakerState::Closed, BreakerState::Open { until: Nanos::ZERO }, BreakerState::HalfOpen];

const STANDSTILLS: [Standstill; 23] = [
    Standstill::Shutdown,
    Standstill::OperatorHalt,
    Standstill::Drawdown,
    Standstill::DailyLoss,
    Standstill::BreakerOpen,
    Standstill::Drift,
    Standstill::Venue(Obstacle::Account),
    Standstill::Venue(Obstacle::Contract),
    Standstill::Venue(Obstacle::OnlyReduce),
    Standstill::Venue(Obstacle::Banned),
    Standstill::Venue(Obstacle::Clock),
    Standstill::StreamDown,
    Standstill::PositionUnknown,
    Standstill::Book(BookStatus::Empty),
    Standstill::Book(BookStatus::Gapped),
    Standstill::Book(BookStatus::Stale),
    Standstill::Book(BookStatus::OneSided),
    Standstill::Book(BookStatus::Crossed),
    Standstill::DeadManUnarmed,
    Standstill::Paused,
    Standstill::PositionLimit,
    Standstill::Warmup,
    Standstill::BelowMinimum,
];

/// Limits that are there before the first snapshot.
const LIMITS: [&str; 6] = [
    "daily_loss_limit",
    "max_drawdown_limit",
    "max_position",
    "max_open_orders",
    "max_orders_per_second",
    "max_orders_per_minute",
];

pub(super) fn families(shared: &Shared) -> Vec<MetricFamily> {
    let published = shared.published();
    let snapshot = published.as_ref().map(|published| &published.snapshot);
    let scrape = Scrape {
        symbols: shared.instruments().iter().map(|instrument| instrument.symbol()).collect(),
        snapshot,
    };
    let mut families = scrape.contract();
    families.extend(scrape.account());
    families.extend(scrape.risk());
    families.extend(scrape.states());
    families.extend(scrape.orders());
    families.extend(scrape.fills());
    families.extend(scrape.market());
    families.extend(scrape.quotes());
    families
}

struct Scrape<'a> {
    symbols: Vec<&'a str>,
    snapshot: Option<&'a Snapshot>,
}

impl<'a> Scrape<'a> {
    fn desk(&self, index: usize) -> Option<&'a DeskView> {
        self.snapshot?.desks.iter().find(|desk| usize::from(desk.instrument.id.0) == index)
    }

    /// One value per symbol.
    fn each(&self, value: impl Fn(&DeskView) -> f64) -> Vec<(Labels<'a>, f64)> {
        let symbols = self.symbols.iter().enumerate();
        symbols
            .map(|(i, &symbol)| (vec![("symbol", symbol)], self.desk(i).map_or(0.0, &value)))
            .collect()
    }

    /// One value per symbol and value of a second label.
    fn each_by<K: Copy>(
        &self,
        label: &'static str,
        keys: &[(&'static str, K)],
        value: impl Fn(&DeskView, K) -> f64,
    ) -> Vec<(Labels<'a>, f64)> {
        let symbols = self.symbols.iter().enumerate();
        let pairs = symbols.flat_map(|(i, &symbol)| keys.iter().map(move |&key| (i, symbol, key)));
        pairs
            .map(|(i, symbol, (name, key))| {
                let labels = vec![("symbol", symbol), (label, name)];
                (labels, self.desk(i).map_or(0.0, |desk| value(desk, key)))
            })
            .collect()
    }

    fn sides(&self, value: impl Fn(&DeskView, Side) -> f64) -> Vec<(Labels<'a>, f64)> {
        self.each_by("side", &Side::BOTH.map(|side| (view::side(side), side)), value)
    }

    /// One value for the account.
    fn one(&self, value: impl Fn(&Snapshot) -> f64) -> [(Labels<'a>, f64); 1] {
        [(vec![], self.snapshot.map_or(0.0, value))]
    }

    /// The names others rely on. `trading_pnl_total` is the float sum of the two parts, so that the
    /// identity holds to the last bit for whoever adds them again.
    fn contract(&self) -> Vec<MetricFamily> {
        let level = self.snapshot.map_or(0.0, |s| f64::from(view::level_number(s.risk_level)));
        vec![
            gauge(
                "trading_pnl_total",
                "Realized plus unrealized PnL in quote currency, after fees and funding.",
                self.each(|desk| realized(&desk.pnl) + desk.pnl.unrealized.to_f64()),
            ),
            gauge(
                "realized_pnl",
                "PnL of closed positions in quote currency, after fees and funding.",
                self.each(|desk| realized(&desk.pnl)),
            ),
            gauge(
                "unrealized_pnl",
                "Open position at mark price against its cost, in quote currency.",
                self.each(|desk| desk.pnl.unrealized.to_f64()),
            ),
            gauge(
                "current_position",
                "Signed position in base asset.",
                self.each(|desk| desk.instrument.position_f64(desk.position)),
            ),
            gauge(
                "max_inventory",
                "The strategy's inventory limit in base asset.",
                self.each(|desk| desk.instrument.qty_f64(desk.max_inventory)),
            ),
            gauge(
                "risk_level",
                "How close the limits are: 1 low, 2 medium, 3 high, 4 critical; 0 not known yet.",
                self.each(|_| level),
            ),
        ]
    }

    fn account(&self) -> Vec<MetricFamily> {
        vec![
            gauge("mm_equity", "Wallet plus unrealized PnL.", self.one(|s| s.pnl.equity.to_f64())),
            gauge("mm_equity_peak", "Highest equity so far.", self.one(|s| s.pnl.peak.to_f64())),
            gauge(
                "mm_day_pnl",
                "Change of equity since 00:00 UTC, transfers excluded.",
                self.one(|s| s.pnl.day.to_f64()),
            ),
            gauge(
                "mm_drawdown_ratio",
                "Current fall from the equity peak as a fraction of it.",
                self.one(|s| s.pnl.drawdown.ratio(s.pnl.peak)),
            ),
            gauge(
                "mm_max_drawdown_ratio",
                "Largest fall from an equity peak as a fraction of it.",
                self.one(|s| s.pnl.max_drawdown),
            ),
            gauge(
                "mm_fees_paid",
                "Fees paid in this session, in quote currency; negative is earned.",
                self.each(|desk| desk.pnl.fees.to_f64()),
            ),
            gauge(
                "mm_funding_received",
                "Funding received in this session, in quote currency; negative is paid.",
                self.each(|desk| desk.pnl.funding.to_f64()),
            ),
            gauge(
                "mm_gross_realized_pnl",
                "PnL of closed positions before fees and funding.",
                self.each(|desk| desk.pnl.realized.to_f64()),
            ),
            gauge(
                "mm_spread_capture_pnl",
                "Attribution: earned against the mid at each fill.",
                self.each(|desk| desk.pnl.spread_capture.to_f64()),
            ),
            gauge(
                "mm_inventory_pnl",
                "Attribution: gained by holding while the mid moved.",
                self.each(|desk| desk.pnl.inventory.to_f64()),
            ),
            gauge(
                "mm_basis_pnl",
                "Attribution: unrealized PnL at mark price beyond what it is at mid.",
                self.each(|desk| desk.pnl.basis.to_f64()),
            ),
            gauge(
                "mm_carried_pnl",
                "Attribution: unrealized PnL brought into the session by an open position.",
                self.each(|desk| desk.pnl.carried.to_f64()),
            ),
            gauge(
                "mm_worst_trade_pnl",
                "Worst result of a single fill, its fee included; zero or negative.",
                self.each(|desk| desk.pnl.worst_trade.to_f64()),
            ),
        ]
    }

    fn risk(&self) -> Vec<MetricFamily> {
        let limits = self.limits();
        let by_limit = |pick: fn((f64, f64)) -> f64| {
            let sample = |(&limit, &pair): (&&'static str, &(f64, f64))| {
                (vec![("limit", limit)], pick(pair))
            };
            limits.iter().map(sample).collect::<Vec<_>>()
        };
        vec![
            gauge(
                "mm_limit_used",
                "How much of a limit is used, in the limit's own unit.",
                by_limit(|(used, _)| used),
            ),
            gauge(
                "mm_limit_allowed",
                "How much a limit allows, in its own unit.",
                by_limit(|(_, allowed)| allowed),
            ),
            gauge(
                "mm_breaker_failures",
                "Failures in a row that the circuit breaker has counted.",
                self.one(|s| f64::from(s.breaker.failures)),
            ),
            counter(
                "mm_breaker_opened_total",
                "Times the circuit breaker has opened.",
                self.one(|s| s.breaker.opened as f64),
            ),
            gauge(
                "mm_max_position",
                "The risk limit on position in base asset.",
                self.each(|desk| desk.instrument.qty_f64(desk.max_position)),
            ),
            gauge(
                "mm_exposure",
                "Signed position in base asset if every order of that side filled.",
                self.sides(|desk, side| {
                    desk.instrument.position_f64(match side {
                        Side::Buy => desk.exposure_long,
                        Side::Sell => desk.exposure_short,
                    })
                }),
            ),
        ]
    }

    /// Used and allowed per limit; of several desks the one that has used most.
    fn limits(&self) -> BTreeMap<&'static str, (f64, f64)> {
        let mut limits = BTreeMap::from(LIMITS.map(|limit| (limit, (0.0, 0.0))));
        for item in self.snapshot.iter().flat_map(|snapshot| &snapshot.utilisation) {
            let slot = limits.entry(item.limit).or_default();
            let (used, allowed) = *slot;
            if allowed == 0.0 || item.used * allowed > used * item.allowed {
                *slot = (item.used, item.allowed);
            }
        }
        limits
    }

    fn states(&self) -> Vec<MetricFamily> {
        let modes = MODES.map(|mode| (mode.name(), mode));
        let reasons = STANDSTILLS.map(|reason| (reason.name(), reason));
        let breaker = self.snapshot.map(|snapshot| snapshot.breaker.state.name());
        let breaker = BREAKER_STATES
            .map(|state| (vec![("state", state.name())], flag(breaker == Some(state.name()))));
        vec![
            gauge(
                "mm_mode",
                "1 for the mode a desk is in.",
                self.each_by("mode", &modes, |desk, mode| flag(desk.mode == mode)),
            ),
            gauge(
                "mm_standstill",
                "1 for every reason that keeps a desk from quoting normally.",
                self.each_by("reason", &reasons, |desk, why| flag(desk.standstill.contains(&why))),
            ),
            gauge("mm_breaker_state", "1 for the circuit breaker's state.", breaker),
            gauge("mm_paused", "1 while paused by an operator.", self.one(|s| flag(s.paused))),
            gauge(
                "mm_halted",
                "1 while halted by an operator or a loss limit.",
                self.one(|s| flag(s.halted)),
            ),
            gauge(
                "mm_user_stream_up",
                "1 while order and fill reports flow.",
                self.each(|desk| flag(desk.stream_up)),
            ),
            gauge(
                "mm_position_known",
                "1 when the venue has confirmed the position in this session.",
                self.each(|desk| flag(desk.position_known)),
            ),
            gauge(
                "mm_dead_man_expires_timestamp_seconds",
                "When the venue cancels everything unless re-armed; 0 when not armed.",
                self.each(|desk| desk.dead_man_until.map_or(0.0, Nanos::as_secs_f64)),
            ),
        ]
    }

    fn orders(&self) -> Vec<MetricFamily> {
        type Count = fn(&DeskView) -> u64;
        let outcomes: [(&str, Count); 10] = [
            ("placed", |desk| desk.counters.placed),
            ("accepted", |desk| desk.counters.accepted),
            ("rejected", |desk| desk.counters.rejected),
            ("post_only_rejected", |desk| desk.counters.post_only_rejected),
            ("with_fill", |desk| desk.counters.orders_filled),
            ("filled", |desk| desk.counters.ended[0]),
            ("canceled", |desk| desk.counters.ended[1]),
            ("expired", |desk| desk.counters.ended[2]),
            ("amend_sent", |desk| desk.counters.amended),
            ("cancel_sent", |desk| desk.counters.canceled),
        ];
        let total = |count: Count| self.each(move |desk| count(desk) as f64);
        vec![
            counter(
                "mm_orders_total",
                "Orders by outcome; success rate is accepted / (accepted + rejected), fill ratio \
                 with_fill / accepted.",
                self.each_by("outcome", &outcomes, |desk, count| count(desk) as f64),
            ),
            gauge(
                "mm_open_orders",
                "Orders that are not done.",
                self.sides(|desk, side| {
                    desk.orders.iter().filter(|order| order.side == side).count() as f64
                }),
            ),
            counter(
                "mm_in_doubt_total",
                "Requests whose fate became unknown.",
                total(|desk| desk.counters.in_doubt),
            ),
            counter(
                "mm_anomalies_total",
                "Impossible or contradictory reports from the venue.",
                total(|desk| desk.counters.anomalies),
            ),
            counter(
                "mm_quotes_total",
                "Decisions in which the target changed.",
                total(|desk| desk.counters.quotes),
            ),
        ]
    }

    fn fills(&self) -> Vec<MetricFamily> {
        vec![
            counter(
                "mm_fills_total",
                "Executions.",
                self.sides(|desk, side| desk.counters.fills[side.index()] as f64),
            ),
            counter(
                "mm_filled_base_total",
                "Executed quantity in base asset.",
                self.sides(|desk, side| {
                    desk.instrument.qty_f64(desk.counters.filled_qty[side.index()])
                }),
            ),
            counter(
                "mm_filled_quote_total",
                "Executed value in quote currency.",
                self.sides(|desk, side| desk.counters.filled_value[side.index()].to_f64()),
            ),
        ]
    }

    fn market(&self) -> Vec<MetricFamily> {
        vec![
            gauge(
                "mm_book_update_timestamp_seconds",
                "When the book changed last; 0 before the first update.",
                self.each(|desk| desk.book_updated.as_secs_f64()),
            ),
            gauge(
                "mm_book_synced",
                "1 when the book may be used.",
                self.each(|desk| flag(desk.book_status == BookStatus::Synced)),
            ),
            gauge(
                "mm_best_bid",
                "Best bid; 0 when there is none.",
                self.each(|desk| best(desk, Side::Buy)),
            ),
            gauge(
                "mm_best_ask",
                "Best ask; 0 when there is none.",
                self.each(|desk| best(desk, Side::Sell)),
            ),
            gauge(
                "mm_spread_ratio",
                "Spread of the book as a fraction of the mid; 0 when there is none.",
                self.each(|desk| spread_ratio(best(desk, Side::Buy), best(desk, Side::Sell))),
            ),
            gauge(
                "mm_mark_price",
                "The venue's mark price; 0 before it is known.",
                self.each(|desk| desk.mark.map_or(0.0, |mark| mark.to_f64())),
            ),
            gauge(
                "mm_funding_rate_ratio",
                "Running funding rate as a fraction; longs pay when positive.",
                self.each(|desk| desk.funding_rate.decimal().to_f64()),
            ),
        ]
    }

    fn quotes(&self) -> Vec<MetricFamily> {
        vec![
            gauge(
                "mm_quote_price",
                "Price of our best quote; 0 when there is none.",
                self.sides(quote_price),
            ),
            gauge(
                "mm_quote_size",
                "Quantity of our best quote in base asset; 0 when there is none.",
                self.sides(|desk, side| {
                    let best = desk.target.side(side).first();
                    best.map_or(0.0, |quote| desk.instrument.qty_f64(quote.qty))
                }),
            ),
            gauge(
                "mm_quote_spread_ratio",
                "Spread between our best quotes as a fraction of their middle; 0 unless two-sided.",
                self.each(|desk| {
                    spread_ratio(quote_price(desk, Side::Buy), quote_price(desk, Side::Sell))
                }),
            ),
            gauge(
                "mm_mid_price",
                "Middle of best bid and ask, as the strategy sees it.",
                self.each(|desk| desk.diagnostics.mid),
            ),
            gauge(
                "mm_reservation_price",
                "Centre of our quotes.",
                self.each(|desk| desk.diagnostics.reservation),
            ),
            gauge(
                "mm_volatility_ratio",
                "Volatility of returns per square root of a second (0.0001 is 1 bp).",
                self.each(|desk| desk.diagnostics.sigma),
            ),
            gauge(
                "mm_book_imbalance_ratio",
                "Depth imbalance, -1 (only asks) to 1 (only bids).",
                self.each(|desk| desk.diagnostics.imbalance),
            ),
        ]
    }
}

/// After fees and funding.
fn realized(pnl: &PnlView) -> f64 {
    (pnl.realized - pnl.fees + pnl.funding).to_f64()
}

fn best(desk: &DeskView, side: Side) -> f64 {
    let levels = match side {
        Side::Buy => &desk.bids,
        Side::Sell => &desk.asks,
    };
    levels.first().map_or(0.0, |level| desk.instrument.price_f64(level.price))
}

fn quote_price(desk: &DeskView, side: Side) -> f64 {
    let best = desk.target.side(side).first();
    best.map_or(0.0, |quote| desk.instrument.price_f64(quote.price))
}

fn spread_ratio(bid: f64, ask: f64) -> f64 {
    if bid > 0.0 && ask > 0.0 { (ask - bid) / ((ask + bid) / 2.0) } else { 0.0 }
}

fn flag(set: bool) -> f64 {
    f64::from(u8::from(set))
}
