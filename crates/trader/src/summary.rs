//! What a session came to, for people and for programs.

use std::path::Path;

use binance::CaptureInfo;
use comfy_table::{Cell, CellAlignment, Table, presets};
use engine::Snapshot;
use engine::risk::Standstill;
use market::{Instrument, Side, Usd};
use runtime::Summary;
use serde_json::{Value, json};

/// Venue and engine may differ by the venue's rounding to 1e-8 of each fill.
const ROUNDING: Usd = Usd::new(10_000_000_000);

/// Whether our books equal the venue's: position exactly, wallet up to the venue's rounding.
pub(crate) fn venue_agrees(summary: &Summary) -> bool {
    let (pnl, desk) = (&summary.snapshot.pnl, &summary.snapshot.desks[0]);
    let wallet = pnl.initial + pnl.realized - pnl.fees + pnl.funding + pnl.transfers;
    let fills = desk.counters.fills.iter().sum::<u64>().max(1) as i64;
    let off = (wallet - summary.truth.wallet).abs();
    desk.position == summary.truth.position && off <= ROUNDING * fills
}

/// The whole session in a table.
pub(crate) fn text(summary: &Summary, captures: &[CaptureInfo], journal: Option<&Path>) -> String {
    let (start, end) = summary.span;
    let seconds = end.since(start).as_secs_f64();
    let mut table = sheet();
    row(&mut table, "session", format!("{start} to {end} ({seconds:.1} s)"));
    let per_second = summary.events as f64 / summary.took.as_secs_f64().max(1e-9);
    row(
        &mut table,
        "turns",
        format!(
            "{} turns, {} market events in {:.1} s ({per_second:.0}/s)",
            summary.turns,
            summary.events,
            summary.took.as_secs_f64()
        ),
    );
    for capture in captures {
        row(
            &mut table,
            "data",
            format!(
                "{}: {} lines, {} depth changes, {} trades; {} gaps, {} bad lines",
                capture.file.display(),
                capture.lines,
                capture.diffs,
                capture.trades + capture.agg_trades,
                capture.gaps,
                capture.bad_lines
            ),
        );
    }
    body(&mut table, &summary.snapshot);
    let agrees = match venue_agrees(summary) {
        true => String::from("yes: position and wallet equal, no order left"),
        false => format!(
            "NO: the venue has position {:?} lots and wallet {}",
            summary.truth.position, summary.truth.wallet
        ),
    };
    row(&mut table, "venue agrees", agrees);
    if let Some(path) = journal {
        row(&mut table, "journal", path.display().to_string());
    }
    row(&mut table, "state hash", format!("{:016x}", summary.state_hash));
    table.to_string()
}

/// The state of an engine in a table.
pub(crate) fn snapshot_text(snapshot: &Snapshot) -> String {
    let mut table = sheet();
    row(&mut table, "time", snapshot.now.to_string());
    body(&mut table, snapshot);
    for desk in &snapshot.desks {
        for order in &desk.orders {
            let spec = &desk.instrument;
            let (qty, price) = (spec.qty_text(order.qty), spec.price_text(order.price));
            let line = format!("{} {qty} @ {price} {}", order.side, order.state);
            row(&mut table, "order", line);
        }
    }
    table.to_string()
}

fn sheet() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table
}

fn row(table: &mut Table, name: &str, value: String) {
    table.add_row([Cell::new(name), Cell::new(value).set_alignment(CellAlignment::Left)]);
}

fn body(table: &mut Table, snapshot: &Snapshot) {
    let pnl = &snapshot.pnl;
    for desk in &snapshot.desks {
        of_desk(table, desk, pnl);
    }
    row(
        table,
        "  as cash",
        format!(
            "{:.4} realized {:+.4} unrealized {:+.4} fees {:+.4} funding",
            pnl.realized.to_f64(),
            pnl.unrealized.to_f64(),
            (-pnl.fees).to_f64(),
            pnl.funding.to_f64()
        ),
    );
    row(
        table,
        "  by source",
        format!(
            "{:.4} spread {:+.4} inventory {:+.4} basis {:+.4} carried {:+.4} fees {:+.4} funding",
            pnl.spread_capture.to_f64(),
            pnl.inventory.to_f64(),
            pnl.basis.to_f64(),
            pnl.carried.to_f64(),
            (-pnl.fees).to_f64(),
            pnl.funding.to_f64()
        ),
    );
    row(
        table,
        "risk",
        format!(
            "level {}, breaker {} (opened {} times), largest drawdown {:.3} %",
            snapshot.risk_level.name(),
            snapshot.breaker.state.name(),
            snapshot.breaker.opened,
            pnl.max_drawdown * 100.0
        ),
    );
}

fn of_desk(table: &mut Table, desk: &engine::snapshot::DeskView, pnl: &engine::snapshot::PnlView) {
    let (spec, counters) = (&desk.instrument, &desk.counters);
    let quote = &spec.rules().quote;
    row(
        table,
        spec.symbol(),
        format!(
            "{} placed, {} amended, {} canceled; {} rejected, {} post-only rejected, {} refused, \
             {} in doubt, {} anomalies",
            counters.placed,
            counters.amended,
            counters.canceled,
            counters.rejected,
            counters.post_only_rejected,
            counters.refused,
            counters.in_doubt,
            counters.anomalies,
        ),
    );
    let missing: Vec<_> = desk
        .standstill
        .iter()
        .filter(|why| **why != Standstill::Shutdown)
        .map(|why| why.name())
        .collect();
    if counters.placed == 0 && !missing.is_empty() {
        row(table, "not quoted", format!("because of {}", missing.join(", ")));
    }
    row(table, "fills", fills(spec, desk));
    row(
        table,
        "position",
        format!(
            "{} {} at {} (mark {})",
            spec.position_decimal(desk.position),
            spec.rules().base,
            desk.entry,
            desk.mark.map_or_else(|| String::from("unknown"), |mark| mark.to_string()),
        ),
    );
    row(table, "PnL", format!("{:.4} {quote}", pnl.total));
}

fn fills(spec: &Instrument, desk: &engine::snapshot::DeskView) -> String {
    let counters = &desk.counters;
    let one = |side: Side| {
        let index = side.index();
        let qty = spec.qty_decimal(counters.filled_qty[index]);
        format!("{} {side} ({qty} {})", counters.fills[index], spec.rules().base)
    };
    let turnover = counters.filled_value[0] + counters.filled_value[1];
    format!("{}, {}; turnover {turnover:.2}", one(Side::Buy), one(Side::Sell))
}

/// The whole session as JSON; money as exact decimal strings.
pub(crate) fn json(summary: &Summary, captures: &[CaptureInfo], journal: Option<&Path>) -> Value {
    let (start, end) = summary.span;
    let data = |capture: &CaptureInfo| {
        json!({
            "file": capture.file,
            "lines": capture.lines,
            "gaps": capture.gaps,
            "bad_lines": capture.bad_lines,
        })
    };
    json!({
        "start": start.to_string(),
        "end": end.to_string(),
        "turns": summary.turns,
        "events": summary.events,
        "wall_seconds": summary.took.as_secs_f64(),
        "state_hash": format!("{:016x}", summary.state_hash),
        "venue_agrees": venue_agrees(summary),
        "venue": {
            "open_orders": summary.truth.open_orders.len(),
            "fills": summary.truth.fills,
            "wallet": summary.truth.wallet.to_string(),
        },
        "data": captures.iter().map(data).collect::<Vec<_>>(),
        "journal": journal,
        "engine": snapshot_json(&summary.snapshot),
    })
}

/// An engine's state as JSON.
pub(crate) fn snapshot_json(snapshot: &Snapshot) -> Value {
    let (pnl, desk) = (&snapshot.pnl, &snapshot.desks[0]);
    let spec = &desk.instrument;
    let counters = &desk.counters;
    json!({
        "time": snapshot.now.to_string(),
        "symbol": spec.symbol(),
        "mode": snapshot.mode.name(),
        "risk_level": snapshot.risk_level.name(),
        "breaker": snapshot.breaker.state.name(),
        "position": spec.position_decimal(desk.position).to_string(),
        "pnl": {
            "total": pnl.total.to_string(),
            "realized": pnl.realized.to_string(),
            "unrealized": pnl.unrealized.to_string(),
            "fees": pnl.fees.to_string(),
            "funding": pnl.funding.to_string(),
            "spread_capture": pnl.spread_capture.to_string(),
            "inventory": pnl.inventory.to_string(),
            "basis": pnl.basis.to_string(),
            "carried": pnl.carried.to_string(),
            "max_drawdown": pnl.max_drawdown,
        },
        "orders": {
            "placed": counters.placed,
            "amended": counters.amended,
            "canceled": counters.canceled,
            "accepted": counters.accepted,
            "rejected": counters.rejected,
            "post_only_rejected": counters.post_only_rejected,
            "refused": counters.refused,
            "in_doubt": counters.in_doubt,
            "anomalies": counters.anomalies,
            "filled": counters.orders_filled,
        },
        "fills": { "buy": counters.fills[0], "sell": counters.fills[1] },
    })
}
