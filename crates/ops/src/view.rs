//! What the outside reads, as JSON: money, prices and quantities as exact decimal strings, times in
//! milliseconds since 1970, every state by its lower-case name.

use engine::output::{AlertKind, AlertLevel};
use engine::risk::{RiskLevel, Standstill};
use engine::snapshot::{BreakerView, Counters, DeskView, OrderView, PnlView, Snapshot};
use market::venue::{RejectReason, RequestKind};
use market::{BookStatus, Instrument, Level, Nanos, Side, Usd};
use quoting::Quotes;
use serde::Serialize;

use crate::link::LinkView;
use crate::recorder::{AlertRecord, FillRecord, PnlPoint, Shared};
use crate::store::StoreView;

/// The whole picture: answer of `/api/status` and of every `status` event of the stream.
#[derive(Clone, Debug, Serialize)]
pub struct StatusView {
    /// Version of the binary.
    pub version: String,
    /// Commit it was built from.
    pub commit: String,
    /// Hash of the active configuration.
    pub config_hash: String,
    /// Names this run.
    pub session: String,
    /// Engine time.
    pub now_ms: u64,
    /// Engine time as text.
    pub now: String,
    /// Wall clock since this snapshot was published.
    pub age_ms: u64,
    /// Wall clock at the start.
    pub started_ms: u64,
    /// Wall clock since the start.
    pub uptime_ms: u64,
    /// How much the engine may do: `quoting`, `reduce_only` or `halted`.
    pub mode: &'static str,
    /// Whether an operator has paused quoting.
    pub paused: bool,
    /// Whether an operator or a loss limit has halted trading.
    pub halted: bool,
    /// Why not more, over all desks, most important first.
    pub reasons: Vec<&'static str>,
    /// Limits and breaker.
    pub risk: RiskView,
    /// Money over all desks.
    pub pnl: PnlJson,
    /// One per instrument.
    pub desks: Vec<DeskJson>,
    /// The link to a real venue; null in paper trading.
    pub link: Option<LinkView>,
    /// The database; null when nothing is kept.
    pub store: Option<StoreView>,
}

/// Answer of `/api/risk/status`, and part of the status.
#[derive(Clone, Debug, Serialize)]
pub struct RiskView {
    /// 1 (low) to 4 (critical).
    pub level: u8,
    /// `low`, `medium`, `high`, `critical`.
    pub level_name: &'static str,
    /// How much the engine may do.
    pub mode: &'static str,
    /// Whether an operator has paused quoting.
    pub paused: bool,
    /// Whether an operator or a loss limit has halted trading.
    pub halted: bool,
    /// Why not more, most important first.
    pub reasons: Vec<&'static str>,
    /// Used and allowed per limit.
    pub limits: Vec<LimitView>,
    /// Circuit breaker.
    pub breaker: BreakerJson,
    /// Change of equity since 00:00 UTC.
    pub day_pnl: String,
    /// Current fall from the equity peak, in money.
    pub drawdown: String,
    /// Current fall as a fraction of the peak.
    pub drawdown_ratio: f64,
    /// Largest fall as a fraction of the peak then.
    pub max_drawdown_ratio: f64,
}

/// One limit.
#[derive(Clone, Debug, Serialize)]
pub struct LimitView {
    /// The configuration key.
    pub limit: &'static str,
    /// In use, in the limit's own unit.
    pub used: f64,
    /// Allowed.
    pub allowed: f64,
    /// `used / allowed`; 0 when nothing is allowed.
    pub ratio: f64,
}

/// The circuit breaker.
#[derive(Clone, Debug, Serialize)]
pub struct BreakerJson {
    /// `closed`, `open` or `half_open`.
    pub state: &'static str,
    /// Failures in a row.
    pub failures: u32,
    /// Failures in a row that open it.
    pub threshold: u32,
    /// Times it has opened in this session.
    pub opened: u64,
    /// Why it opened last; empty if never.
    pub reason: String,
    /// When a half-open trial starts.
    pub retry_at_ms: Option<u64>,
}

/// Money. `total = realized + unrealized`, to the last printed digit.
#[derive(Clone, Debug, Serialize)]
pub struct PnlJson {
    /// Everything: after fees and funding.
    pub total: String,
    /// By closing positions, after fees and funding.
    pub realized: String,
    /// Open positions against their cost.
    pub unrealized: String,
    /// By closing positions, before fees and funding.
    pub gross_realized: String,
    /// Paid in fees; negative is earned.
    pub fees: String,
    /// Received (positive) or paid in funding.
    pub funding: String,
    /// Wallet plus unrealized.
    pub equity: String,
    /// Equity at the first account report.
    pub initial: String,
    /// Highest equity so far.
    pub peak: String,
    /// Change of equity since 00:00 UTC.
    pub day: String,
    /// Current fall from the peak.
    pub drawdown: String,
    /// Largest fall as a fraction of the peak then.
    pub max_drawdown_ratio: f64,
    /// Attribution: earned against the mid at each fill.
    pub spread_capture: String,
    /// Attribution: gained by holding.
    pub inventory: String,
    /// Attribution: mark price against mid.
    pub basis: String,
    /// Attribution: unrealized PnL brought into the session.
    pub carried: String,
    /// Worst result of a single fill.
    pub worst_trade: String,
}

/// One instrument.
#[derive(Clone, Debug, Serialize)]
pub struct DeskJson {
    /// Spelling on the wire.
    pub symbol: String,
    /// Currency of quantities.
    pub base: String,
    /// Currency of money.
    pub quote: String,
    /// Price step.
    pub tick: String,
    /// Quantity step.
    pub step: String,
    /// How much this desk may do.
    pub mode: &'static str,
    /// Why not more, most important first.
    pub reasons: Vec<&'static str>,
    /// Market data.
    pub book: BookJson,
    /// Holding.
    pub position: PositionJson,
    /// This desk's money.
    pub pnl: PnlJson,
    /// What we want to rest, and why.
    pub quotes: QuotesJson,
    /// Orders that are not done.
    pub orders: Vec<OrderJson>,
    /// When the dead-man's switch fires unless re-armed.
    pub dead_man_until_ms: Option<u64>,
    /// Whether the user stream is up.
    pub user_stream_up: bool,
    /// Counts since the session began.
    pub counters: CountersJson,
}

/// Market data of one instrument.
#[derive(Clone, Debug, Serialize)]
pub struct BookJson {
    /// `synced`, or why the book may not be used.
    pub status: &'static str,
    /// When it changed last.
    pub updated_ms: u64,
    /// Best bid.
    pub best_bid: Option<String>,
    /// Best ask.
    pub best_ask: Option<String>,
    /// Best ask minus best bid.
    pub spread: Option<String>,
    /// The same in 1e-4 of the mid.
    pub spread_bps: Option<f64>,
    /// The venue's mark price.
    pub mark: Option<String>,
    /// Running funding rate.
    pub funding_rate: String,
    /// When funding is due.
    pub next_funding_ms: u64,
    /// Price and quantity, best first.
    pub bids: Vec<[String; 2]>,
    /// Price and quantity, best first.
    pub asks: Vec<[String; 2]>,
}

/// A holding.
#[derive(Clone, Debug, Serialize)]
pub struct PositionJson {
    /// Spelling on the wire.
    pub symbol: String,
    /// Signed holding in base asset.
    pub position: String,
    /// Whether the venue has confirmed it in this session.
    pub known: bool,
    /// Average entry price; 0 when flat.
    pub entry: String,
    /// The venue's mark price.
    pub mark: Option<String>,
    /// Signed value at mark price.
    pub value: Option<String>,
    /// Open PnL.
    pub unrealized: String,
    /// If every buy filled.
    pub exposure_long: String,
    /// If every sell filled.
    pub exposure_short: String,
    /// The strategy's limit.
    pub max_inventory: String,
    /// The risk limit.
    pub max_position: String,
}

/// What we want to rest.
#[derive(Clone, Debug, Serialize)]
pub struct QuotesJson {
    /// Spelling on the wire.
    pub symbol: String,
    /// Price and quantity, best first.
    pub bids: Vec<[String; 2]>,
    /// Price and quantity, best first.
    pub asks: Vec<[String; 2]>,
    /// Quoted spread between the best two.
    pub spread: Option<String>,
    /// Middle of best bid and ask, as the strategy sees it.
    pub mid: f64,
    /// Centre of our quotes.
    pub reservation: f64,
    /// Distance of the first rung from the centre.
    pub half_spread: f64,
    /// Volatility of returns per square root of a second.
    pub sigma: f64,
    /// Depth imbalance, -1 to 1.
    pub imbalance: f64,
    /// Whether every signal has warmed up.
    pub warm: bool,
}

/// A live order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderJson {
    /// Spelling on the wire.
    pub symbol: String,
    /// Our name for it.
    pub client_id: String,
    /// `pending_new`, `live`, `pending_amend`, `pending_cancel`, `in_doubt`.
    pub state: &'static str,
    /// `buy` or `sell`.
    pub side: &'static str,
    /// Limit.
    pub price: String,
    /// Total quantity.
    pub qty: String,
    /// Of it filled.
    pub filled: String,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// When we sent it.
    pub created_ms: u64,
}

/// An execution.
#[derive(Clone, Debug, Serialize)]
pub struct FillJson {
    /// The venue's number, unique per symbol.
    pub trade_id: i64,
    /// Spelling on the wire.
    pub symbol: String,
    /// When the venue says it happened.
    pub time_ms: u64,
    /// The same as text.
    pub time: String,
    /// `buy` or `sell`.
    pub side: &'static str,
    /// Price.
    pub price: String,
    /// Quantity.
    pub qty: String,
    /// Value.
    pub value: String,
    /// Fee; negative is a rebate.
    pub fee: String,
    /// Whether we were the maker.
    pub maker: bool,
    /// Distance to the mid then, positive when earned.
    pub edge: String,
    /// Position after it.
    pub position: String,
    /// Our name for the order; `null` if it was not ours.
    pub client_id: Option<String>,
}

/// An alert.
#[derive(Clone, Debug, Serialize)]
pub struct AlertJson {
    /// Engine time.
    pub time_ms: u64,
    /// The same as text.
    pub time: String,
    /// `info`, `warning`, `error`, `critical`.
    pub level: &'static str,
    /// Subject.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
}

/// One point of the PnL chart.
#[derive(Clone, Debug, Serialize)]
pub struct PointJson {
    /// Engine time.
    pub ms: u64,
    /// Everything.
    pub total: String,
    /// After fees and funding.
    pub realized: String,
    /// Open positions.
    pub unrealized: String,
}

/// Counts since the session began.
#[derive(Clone, Debug, Serialize)]
pub struct CountersJson {
    /// New orders sent.
    pub placed: u64,
    /// Amendments sent.
    pub amended: u64,
    /// Cancels sent.
    pub canceled: u64,
    /// New orders the venue accepted.
    pub accepted: u64,
    /// New orders it rejected, post-only ones not counted.
    pub rejected: u64,
    /// New orders that would have taken.
    pub post_only_rejected: u64,
    /// Requests our own gate refused.
    pub refused: u64,
    /// Requests whose fate became unknown.
    pub in_doubt: u64,
    /// Impossible reports.
    pub anomalies: u64,
    /// Orders with a fill.
    pub orders_filled: u64,
    /// Executions.
    pub fills_buy: u64,
    /// Executions.
    pub fills_sell: u64,
    /// Quantity executed.
    pub base_buy: String,
    /// Quantity executed.
    pub base_sell: String,
    /// Value executed.
    pub quote_buy: String,
    /// Value executed.
    pub quote_sell: String,
    /// Changes of the target.
    pub quotes: u64,
}

impl StatusView {
    /// The latest snapshot; `None` before the first.
    pub fn new(shared: &Shared) -> Option<Self> {
        let published = shared.published()?;
        let (snapshot, now) = (&published.snapshot, shared.now());
        let build = shared.build();
        Some(Self {
            version: build.version.clone(),
            commit: build.commit.clone(),
            config_hash: build.config_hash.clone(),
            session: format!("{:08x}", snapshot.session),
            now_ms: snapshot.now.as_millis(),
            now: snapshot.now.to_string(),
            age_ms: now.as_millis().saturating_sub(published.at.as_millis()),
            started_ms: shared.started().as_millis(),
            uptime_ms: now.as_millis().saturating_sub(shared.started().as_millis()),
            mode: snapshot.mode.name(),
            paused: snapshot.paused,
            halted: snapshot.halted,
            reasons: reasons(snapshot),
            risk: RiskView::new(snapshot),
            pnl: PnlJson::new(&snapshot.pnl),
            desks: snapshot.desks.iter().map(DeskJson::new).collect(),
            link: shared.link().map(|link| (*link).clone()),
            store: shared.store(),
        })
    }
}

impl RiskView {
    /// The account's risk.
    pub fn new(snapshot: &Snapshot) -> Self {
        let limit = |u: &engine::snapshot::Utilisation| LimitView {
            limit: u.limit,
            used: u.used,
            allowed: u.allowed,
            ratio: if u.allowed > 0.0 { u.used / u.allowed } else { 0.0 },
        };
        let pnl = &snapshot.pnl;
        Self {
            level: level_number(snapshot.risk_level),
            level_name: snapshot.risk_level.name(),
            mode: snapshot.mode.name(),
            paused: snapshot.paused,
            halted: snapshot.halted,
            reasons: reasons(snapshot),
            limits: snapshot.utilisation.iter().map(limit).collect(),
            breaker: BreakerJson::new(&snapshot.breaker),
            day_pnl: money(pnl.day),
            drawdown: money(pnl.drawdown),
            drawdown_ratio: pnl.drawdown.ratio(pnl.peak),
            max_drawdown_ratio: pnl.max_drawdown,
        }
    }
}

impl BreakerJson {
    fn new(breaker: &BreakerView) -> Self {
        Self {
            state: breaker.state.name(),
            failures: breaker.failures,
            threshold: breaker.threshold,
            opened: breaker.opened,
            reason: breaker.reason.clone(),
            retry_at_ms: breaker.retry_at.map(Nanos::as_millis),
        }
    }
}

impl PnlJson {
    /// Rounds so that the printed parts add up.
    pub fn new(pnl: &PnlView) -> Self {
        let (total, unrealized) = (pnl.total.round_e8(), pnl.unrealized.round_e8());
        Self {
            total: money(total),
            realized: money(total - unrealized),
            unrealized: money(unrealized),
            gross_realized: money(pnl.realized),
            fees: money(pnl.fees),
            funding: money(pnl.funding),
            equity: money(pnl.equity),
            initial: money(pnl.initial),
            peak: money(pnl.peak),
            day: money(pnl.day),
            drawdown: money(pnl.drawdown),
            max_drawdown_ratio: pnl.max_drawdown,
            spread_capture: money(pnl.spread_capture),
            inventory: money(pnl.inventory),
            basis: money(pnl.basis),
            carried: money(pnl.carried),
            worst_trade: money(pnl.worst_trade),
        }
    }
}

impl DeskJson {
    /// One desk.
    pub fn new(desk: &DeskView) -> Self {
        let rules = desk.instrument.rules();
        let order = |order: &OrderView| OrderJson::new(&desk.instrument, order);
        Self {
            symbol: rules.symbol.clone(),
            base: rules.base.clone(),
            quote: rules.quote.clone(),
            tick: rules.tick.to_string(),
            step: rules.step.to_string(),
            mode: desk.mode.name(),
            reasons: desk.standstill.iter().map(|reason| reason.name()).collect(),
            book: BookJson::new(desk),
            position: PositionJson::new(desk),
            pnl: PnlJson::new(&desk.pnl),
            quotes: QuotesJson::new(desk),
            orders: desk.orders.iter().map(order).collect(),
            dead_man_until_ms: desk.dead_man_until.map(Nanos::as_millis),
            user_stream_up: desk.stream_up,
            counters: CountersJson::new(&desk.instrument, &desk.counters),
        }
    }
}

impl BookJson {
    fn new(desk: &DeskView) -> Self {
        let instrument = &desk.instrument;
        let best = |levels: &[Level]| levels.first().map(|level| level.price);
        let (bid, ask) = (best(&desk.bids), best(&desk.asks));
        let gap = bid.zip(ask).map(|(bid, ask)| {
            let spread = instrument.fine(ask) - instrument.fine(bid);
            (spread, spread.to_f64() / instrument.mid(bid, ask).to_f64() * 1e4)
        });
        Self {
            status: book_status(desk.book_status),
            updated_ms: desk.book_updated.as_millis(),
            best_bid: bid.map(|price| instrument.price_text(price)),
            best_ask: ask.map(|price| instrument.price_text(price)),
            spread: gap.map(|(spread, _)| spread.to_string()),
            spread_bps: gap.map(|(_, bps)| bps),
            mark: desk.mark.map(|mark| mark.to_string()),
            funding_rate: desk.funding_rate.to_string(),
            next_funding_ms: desk.next_funding.as_millis(),
            bids: ladder(instrument, desk.bids.iter().map(|l| (l.price, l.qty))),
            asks: ladder(instrument, desk.asks.iter().map(|l| (l.price, l.qty))),
        }
    }
}

impl PositionJson {
    /// One desk's holding.
    pub fn new(desk: &DeskView) -> Self {
        let instrument = &desk.instrument;
        let holding = |position| instrument.position_decimal(position).to_string();
        Self {
            symbol: instrument.symbol().to_owned(),
            position: holding(desk.position),
            known: desk.position_known,
            entry: desk.entry.to_string(),
            mark: desk.mark.map(|mark| mark.to_string()),
            value: desk.mark.map(|mark| money(instrument.value_at(mark, desk.position))),
            unrealized: money(desk.pnl.unrealized),
            exposure_long: holding(desk.exposure_long),
            exposure_short: holding(desk.exposure_short),
            max_inventory: instrument.qty_decimal(desk.max_inventory).to_string(),
            max_position: instrument.qty_decimal(desk.max_position).to_string(),
        }
    }
}

impl QuotesJson {
    /// One desk's quotes.
    pub fn new(desk: &DeskView) -> Self {
        let (instrument, thoughts) = (&desk.instrument, &desk.diagnostics);
        let side = |side| ladder(instrument, rungs(&desk.target, side));
        let best = |side| desk.target.side(side).first().map(|quote| instrument.fine(quote.price));
        let spread = best(Side::Sell).zip(best(Side::Buy)).map(|(ask, bid)| ask - bid);
        Self {
            symbol: instrument.symbol().to_owned(),
            bids: side(Side::Buy),
            asks: side(Side::Sell),
            spread: spread.map(|spread| spread.to_string()),
            mid: thoughts.mid,
            reservation: thoughts.reservation,
            half_spread: thoughts.half_spread,
            sigma: thoughts.sigma,
            imbalance: thoughts.imbalance,
            warm: thoughts.warm,
        }
    }
}

impl OrderJson {
    /// One live order.
    pub fn new(instrument: &Instrument, order: &OrderView) -> Self {
        Self {
            symbol: instrument.symbol().to_owned(),
            client_id: order.client_id.to_string(),
            state: order.state,
            side: side(order.side),
            price: instrument.price_text(order.price),
            qty: instrument.qty_text(order.qty),
            filled: instrument.qty_text(order.filled),
            reduce_only: order.reduce_only,
            created_ms: order.created.as_millis(),
        }
    }
}

impl FillJson {
    /// One execution; `None` for an instrument that is not ours.
    pub fn new(shared: &Shared, record: &FillRecord) -> Option<Self> {
        let instrument = shared.instruments().get(usize::from(record.instrument.0))?;
        let fill = &record.fill;
        Some(Self {
            trade_id: fill.trade_id.0,
            symbol: instrument.symbol().to_owned(),
            time_ms: fill.ts_event.as_millis(),
            time: fill.ts_event.to_string(),
            side: side(fill.side),
            price: instrument.price_text(fill.price),
            qty: instrument.qty_text(fill.qty),
            value: money(instrument.notional(fill.price, fill.qty)),
            fee: money(fill.fee),
            maker: fill.maker,
            edge: money(record.edge),
            position: instrument.position_decimal(record.position).to_string(),
            client_id: fill.client_id.map(|id| id.to_string()),
        })
    }
}

impl AlertJson {
    /// One alert.
    pub fn new(record: &AlertRecord) -> Self {
        Self {
            time_ms: record.at.as_millis(),
            time: record.at.to_string(),
            level: alert_level(record.level),
            kind: record.kind,
            message: record.message.to_string(),
        }
    }
}

impl PointJson {
    /// One point, rounded so that the printed parts add up.
    pub fn new(point: &PnlPoint) -> Self {
        let (total, unrealized) = (point.total().round_e8(), point.unrealized.round_e8());
        Self {
            ms: point.at.as_millis(),
            total: money(total),
            realized: money(total - unrealized),
            unrealized: money(unrealized),
        }
    }
}

impl CountersJson {
    fn new(instrument: &Instrument, counters: &Counters) -> Self {
        let [base_buy, base_sell] =
            counters.filled_qty.map(|qty| instrument.qty_decimal(qty).to_string());
        let [quote_buy, quote_sell] = counters.filled_value.map(money);
        let [fills_buy, fills_sell] = counters.fills;
        Self {
            placed: counters.placed,
            amended: counters.amended,
            canceled: counters.canceled,
            accepted: counters.accepted,
            rejected: counters.rejected,
            post_only_rejected: counters.post_only_rejected,
            refused: counters.refused,
            in_doubt: counters.in_doubt,
            anomalies: counters.anomalies,
            orders_filled: counters.orders_filled,
            fills_buy,
            fills_sell,
            base_buy,
            base_sell,
            quote_buy,
            quote_sell,
            quotes: counters.quotes,
        }
    }
}

/// Every reason for not quoting, over all desks, most important first, each once.
pub fn standstills(snapshot: &Snapshot) -> Vec<Standstill> {
    let mut reasons: Vec<Standstill> =
        snapshot.desks.iter().flat_map(|desk| desk.standstill.iter().copied()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

fn reasons(snapshot: &Snapshot) -> Vec<&'static str> {
    standstills(snapshot).into_iter().map(Standstill::name).collect()
}

fn rungs(quotes: &Quotes, side: Side) -> impl Iterator<Item = (market::Price, market::Qty)> + '_ {
    quotes.side(side).iter().map(|quote| (quote.price, quote.qty))
}

fn ladder(
    instrument: &Instrument,
    levels: impl Iterator<Item = (market::Price, market::Qty)>,
) -> Vec<[String; 2]> {
    levels.map(|(price, qty)| [instrument.price_text(price), instrument.qty_text(qty)]).collect()
}

/// Money as text, to eight decimals.
pub fn money(amount: Usd) -> String {
    amount.round_e8().to_string()
}

/// 1 (low) to 4 (critical).
pub const fn level_number(level: RiskLevel) -> u8 {
    level as u8
}

/// `buy` or `sell`.
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// `synced`, or why the book may not be used.
pub const fn book_status(status: BookStatus) -> &'static str {
    match status {
        BookStatus::Synced => "synced",
        BookStatus::Empty => "empty",
        BookStatus::Gapped => "gapped",
        BookStatus::Stale => "stale",
        BookStatus::OneSided => "one_sided",
        BookStatus::Crossed => "crossed",
    }
}

/// Lower-case name of an alert level.
pub const fn alert_level(level: AlertLevel) -> &'static str {
    match level {
        AlertLevel::Info => "info",
        AlertLevel::Warning => "warning",
        AlertLevel::Error => "error",
        AlertLevel::Critical => "critical",
    }
}

/// Lower-case name of an alert's subject.
pub const fn alert_kind(kind: AlertKind) -> &'static str {
    match kind {
        AlertKind::BreakerOpen => "breaker_open",
        AlertKind::DailyLoss => "daily_loss",
        AlertKind::Drawdown => "drawdown",
        AlertKind::PositionLimit => "position_limit",
        AlertKind::InDoubt => "in_doubt",
        AlertKind::Anomaly => "anomaly",
        AlertKind::Drift => "drift",
        AlertKind::MarketData => "market_data",
        AlertKind::UserStream => "user_stream",
        AlertKind::Venue => "venue",
        AlertKind::DeadMan => "dead_man",
        AlertKind::Configuration => "configuration",
        AlertKind::ForeignOrder => "foreign_order",
        AlertKind::Operator => "operator",
        AlertKind::Flattened => "flattened",
        AlertKind::ForcedClose => "forced_close",
    }
}

/// Lower-case name of a request.
pub const fn request(kind: RequestKind) -> &'static str {
    match kind {
        RequestKind::Place => "place",
        RequestKind::Amend => "amend",
        RequestKind::Cancel => "cancel",
    }
}

/// Lower-case name of a venue's reason for saying no.
pub const fn reject(reason: RejectReason) -> &'static str {
    match reason {
        RejectReason::WouldTake => "would_take",
        RejectReason::WouldNotFill => "would_not_fill",
        RejectReason::ReduceOnly => "reduce_only",
        RejectReason::Margin => "margin",
        RejectReason::Filter => "filter",
        RejectReason::PriceBand => "price_band",
        RejectReason::TooManyOrders => "too_many_orders",
        RejectReason::RateLimit => "rate_limit",
        RejectReason::DuplicateId => "duplicate_id",
        RejectReason::UnknownOrder => "unknown_order",
        RejectReason::NoChange => "no_change",
        RejectReason::Unavailable => "unavailable",
        RejectReason::Other => "other",
    }
}
