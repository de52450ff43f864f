//! The whole state of an engine at one moment, for people and for programs.

use comfy_table::Table;
use engine::Snapshot;
use engine::snapshot::{DeskView, OrderView};
use market::{Level, Nanos, Side};
use ops::view::{self, DeskJson, PnlJson, RiskView};
use serde_json::{Value, json};

use crate::summary::{of_money, row, sheet};

/// Book levels a side.
const LEVELS_SHOWN: usize = 3;

/// Everything in a table.
pub(crate) fn text(snapshot: &Snapshot) -> String {
    let mut table = sheet();
    row(&mut table, "time", snapshot.now.to_string());
    row(&mut table, "mode", mode(snapshot));
    for desk in &snapshot.desks {
        of_desk(&mut table, desk, snapshot.now);
    }
    let pnl = &snapshot.pnl;
    row(
        &mut table,
        "PnL",
        format!(
            "{:.4}; today {:.4}; equity {:.4}, began with {:.4}, peak {:.4}",
            pnl.total, pnl.day, pnl.equity, pnl.initial, pnl.peak
        ),
    );
    of_money(&mut table, pnl);
    row(
        &mut table,
        "risk",
        format!(
            "level {}; drawdown {:.4}, largest {:.3} %",
            snapshot.risk_level.name(),
            pnl.drawdown,
            pnl.max_drawdown * 100.0
        ),
    );
    for limit in &snapshot.utilisation {
        let used = 100.0 * limit.used / limit.allowed.max(f64::MIN_POSITIVE);
        let value = format!("{} of {} used ({used:.1} %)", limit.used, limit.allowed);
        row(&mut table, &format!("  {}", limit.limit), value);
    }
    row(&mut table, "breaker", breaker(snapshot));
    table.to_string()
}

/// Everything as JSON; the parts are those of `/api/status`.
pub(crate) fn as_json(snapshot: &Snapshot) -> Value {
    json!({
        "now": snapshot.now.to_string(),
        "now_ms": snapshot.now.as_millis(),
        "session": format!("{:08x}", snapshot.session),
        "mode": snapshot.mode.name(),
        "paused": snapshot.paused,
        "halted": snapshot.halted,
        "reasons": view::standstills(snapshot).iter().map(|why| why.name()).collect::<Vec<_>>(),
        "risk": RiskView::new(snapshot),
        "pnl": PnlJson::new(&snapshot.pnl),
        "desks": snapshot.desks.iter().map(DeskJson::new).collect::<Vec<_>>(),
    })
}

/// Mode, position and orders in a few lines: the context of a difference.
pub(crate) fn brief(snapshot: &Snapshot) -> String {
    let mut lines = format!("  mode: {}\n", mode(snapshot));
    for desk in &snapshot.desks {
        lines += &format!("  position: {}\n", position(desk));
        for order in &desk.orders {
            lines += &format!("  order: {}\n", self::order(desk, order, snapshot.now));
        }
        if desk.orders.is_empty() {
            lines += "  order: none\n";
        }
    }
    lines
}

fn mode(snapshot: &Snapshot) -> String {
    let reasons: Vec<&str> = view::standstills(snapshot).iter().map(|why| why.name()).collect();
    let mut text = String::from(snapshot.mode.name());
    if !reasons.is_empty() {
        text += &format!(", because of {}", reasons.join(", "));
    }
    for (holds, what) in [(snapshot.paused, "paused"), (snapshot.halted, "halted")] {
        if holds {
            text += &format!("; {what} by hand or limit");
        }
    }
    text
}

fn of_desk(table: &mut Table, desk: &DeskView, now: Nanos) {
    let spec = &desk.instrument;
    let quote = &spec.rules().quote;
    row(table, spec.symbol(), format!("mode {}", desk.mode.name()));
    let age = now.since(desk.book_updated).as_secs_f64();
    row(table, "book", format!("{}, changed {age:.3} s before", DeskJson::new(desk).book.status));
    for (name, levels) in [("  asks", &desk.asks), ("  bids", &desk.bids)] {
        row(table, name, book(desk, levels));
    }
    row(table, "position", position(desk));
    row(
        table,
        "exposure",
        format!(
            "{} to {} if every order filled; limits {} inventory, {} position",
            spec.position_decimal(desk.exposure_short),
            spec.position_decimal(desk.exposure_long),
            spec.qty_text(desk.max_inventory),
            spec.qty_text(desk.max_position),
        ),
    );
    let known = match (desk.position_known, desk.stream_up) {
        (true, true) => "position confirmed by the venue, user stream up",
        (true, false) => "position confirmed once; USER STREAM DOWN: fills may be missing",
        (false, true) => "position NOT CONFIRMED by the venue, user stream up",
        (false, false) => "position NOT CONFIRMED by the venue, USER STREAM DOWN",
    };
    row(table, "account", String::from(known));
    row(table, "funding", format!("rate {}, next at {}", desk.funding_rate, desk.next_funding));
    row(table, "quotes", quotes(desk));
    for order in &desk.orders {
        row(table, "order", self::order(desk, order, now));
    }
    if desk.orders.is_empty() {
        row(table, "order", String::from("none"));
    }
    row(
        table,
        "dead-man",
        match desk.dead_man_until {
            Some(until) => format!("armed, fires at {until} unless refreshed"),
            None => String::from("not armed"),
        },
    );
    counters(table, desk);
    row(table, "PnL here", format!("{:.4} {quote}", desk.pnl.total));
}

fn counters(table: &mut Table, desk: &DeskView) {
    let counters = &desk.counters;
    let value = counters.filled_value[0] + counters.filled_value[1];
    row(
        table,
        "so far",
        format!(
            "{} placed, {} amended, {} canceled; {} rejected, {} refused, {} in doubt, {} anomalies; {} \
             buys and {} sells, turnover {value:.2}",
            counters.placed,
            counters.amended,
            counters.canceled,
            counters.rejected + counters.post_only_rejected,
            counters.refused,
            counters.in_doubt,
            counters.anomalies,
            counters.fills[0],
            counters.fills[1],
        ),
    );
}

fn position(desk: &DeskView) -> String {
    let spec = &desk.instrument;
    let mark = desk.mark.map_or_else(|| String::from("unknown"), |mark| mark.to_string());
    let (held, base) = (spec.position_decimal(desk.position), &spec.rules().base);
    format!("{held} {base} at {} (mark {mark})", desk.entry)
}

fn book(desk: &DeskView, levels: &[Level]) -> String {
    let spec = &desk.instrument;
    let shown: Vec<String> = levels
        .iter()
        .take(LEVELS_SHOWN)
        .map(|level| format!("{} @ {}", spec.qty_text(level.qty), spec.price_text(level.price)))
        .collect();
    if shown.is_empty() { String::from("none") } else { shown.join(", ") }
}

fn quotes(desk: &DeskView) -> String {
    let side = |side: Side| {
        let rungs = desk.target.side(side).iter();
        let levels: Vec<Level> =
            rungs.map(|quote| Level { price: quote.price, qty: quote.qty }).collect();
        book(desk, &levels)
    };
    format!("bid {}; ask {}", side(Side::Buy), side(Side::Sell))
}

fn order(desk: &DeskView, order: &OrderView, now: Nanos) -> String {
    let spec = &desk.instrument;
    let reduce = if order.reduce_only { ", reduce-only" } else { "" };
    format!(
        "{} {} {} @ {}, {} filled, {}, {:.3} s old{reduce}",
        order.client_id,
        order.side,
        spec.qty_text(order.qty),
        spec.price_text(order.price),
        spec.qty_text(order.filled),
        order.state,
        now.since(order.created).as_secs_f64(),
    )
}

fn breaker(snapshot: &Snapshot) -> String {
    let breaker = &snapshot.breaker;
    let mut text = format!(
        "{}; {} of {} failures in a row, opened {} times",
        breaker.state.name(),
        breaker.failures,
        breaker.threshold,
        breaker.opened
    );
    if let Some(at) = breaker.retry_at {
        text += &format!("; trial at {at}");
    }
    if !breaker.reason.is_empty() {
        text += &format!("; last because of {}", breaker.reason);
    }
    text
}
