//! What a session came to, for people and for programs.

use std::path::Path;

use binance::CaptureInfo;
use comfy_table::{Cell, CellAlignment, Table, presets};
use engine::Snapshot;
use engine::risk::Standstill;
use engine::snapshot::{DeskView, PnlView};
use market::{Instrument, Side, Usd};
use runtime::Summary;
use serde_json::{Value, json};

use crate::tally::Tally;

/// Venue and engine may differ by the venue's rounding to 1e-8 of each fill.
const ROUNDING: Usd = Usd::new(10_000_000_000);
/// Books that go back to earlier sessions carry the rounding of their fills too, which nobody counts;
/// up to here the engine takes a difference of the wallet for rounding.
const ROUNDING_CARRIED: Usd = Usd::new(100_000_000_000_000);

/// Quoting for less than this share of the time is worth a remark.
const QUOTED_MIN: f64 = 0.5;
/// Reasons for not quoting that are listed.
const REASONS_SHOWN: usize = 3;

/// A finished session and what it was made of.
pub(crate) struct Report<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) captures: &'a [CaptureInfo],
    pub(crate) journal: Option<&'a Path>,
    pub(crate) tally: &'a Tally,
    /// The books of an earlier session were taken over.
    pub(crate) resumed: bool,
}

impl Report<'_> {
    /// Whether our books equal the venue's: position exactly, wallet up to the venue's rounding.
    /// `None` when the venue has not told what the account holds.
    pub(crate) fn venue_agrees(&self) -> Option<bool> {
        let summary = self.summary;
        let truth = summary.truth.as_ref()?;
        let (pnl, desk) = (&summary.snapshot.pnl, &summary.snapshot.desks[0]);
        if !desk.position_known && pnl.initial.is_zero() && desk.counters.placed == 0 {
            return None;
        }
        let fills = desk.counters.fills.iter().sum::<u64>().max(1) as i64;
        let carried = if self.resumed { ROUNDING_CARRIED } else { Usd::ZERO };
        let off = (self.wallet() - truth.wallet).abs();
        Some(desk.position == truth.position && off <= ROUNDING * fills + carried)
    }

    /// The wallet by our books.
    fn wallet(&self) -> Usd {
        let pnl = &self.summary.snapshot.pnl;
        pnl.initial + pnl.realized - pnl.fees + pnl.funding + pnl.transfers
    }

    /// What makes the session a failure, whatever its figures say.
    pub(crate) fn failure(&self) -> Option<String> {
        match &self.summary.failure {
            Some(failure) => Some(failure.to_string()),
            None => self.unusable_data(),
        }
    }

    /// Recorded data on which nothing could be quoted.
    fn unusable_data(&self) -> Option<String> {
        let placed =
            self.summary.snapshot.desks.iter().map(|desk| desk.counters.placed).sum::<u64>();
        if self.captures.is_empty() || self.tally.synced || placed > 0 {
            return None;
        }
        let file = self.captures[0].file.display();
        let why = if self.headless(0) { "it begins without a snapshot" } else { "see its gaps" };
        Some(format!(
            "{file} never gave a complete book ({why}), so nothing was quoted; give the preceding \
             file first: --replay PRECEDING --replay {file}"
        ))
    }

    /// Whether a file's depth changes follow on nothing: no snapshot in it, and none before it that
    /// they continue.
    fn headless(&self, index: usize) -> bool {
        let info = &self.captures[index];
        let before = index.checked_sub(1).map(|before| &self.captures[before]);
        let follows = before.is_some_and(|before| {
            before.last_id.is_some() && before.last_id == info.first_previous_id
        });
        info.snapshots == 0 && info.diffs > 0 && !follows
    }

    /// The whole session in a table.
    pub(crate) fn text(&self) -> String {
        let summary = self.summary;
        let (start, end) = summary.span;
        let seconds = end.since(start).as_secs_f64();
        let mut table = sheet();
        row(&mut table, "session", format!("{start} to {end} ({seconds:.1} s)"));
        let took = summary.took.as_secs_f64();
        let per_second = summary.events as f64 / took.max(1e-9);
        row(
            &mut table,
            "turns",
            format!(
                "{} turns, {} market events in {took:.1} s ({per_second:.0}/s)",
                summary.turns, summary.events,
            ),
        );
        for index in 0..self.captures.len() {
            row(&mut table, "data", self.data(index));
        }
        row(&mut table, "quoted", self.quoted());
        body(&mut table, &summary.snapshot, self.tally);
        row(&mut table, "venue agrees", self.agreement());
        if let Some(path) = self.journal {
            row(&mut table, "journal", path.display().to_string());
        }
        row(&mut table, "state hash", format!("{:016x}", summary.state_hash));
        table.to_string()
    }

    fn data(&self, index: usize) -> String {
        let info = &self.captures[index];
        let mut text = format!(
            "{}: {} lines, {} depth changes, {} trades; {} gaps, {} bad lines",
            info.file.display(),
            info.lines,
            info.diffs,
            info.trades + info.agg_trades,
            info.gaps,
            info.bad_lines
        );
        if self.headless(index) {
            text += "; NO SNAPSHOT: give the preceding file first";
        }
        if info.gaps > 0 {
            text += "; GAPS: after each, nothing is quoted until the next snapshot";
        }
        text
    }

    fn quoted(&self) -> String {
        let Some(quoted) = self.tally.quoted() else { return String::from("no time passed") };
        let share = format!("{:.1} % of the time", quoted * 100.0);
        let why: Vec<String> = self
            .tally
            .idle()
            .iter()
            .take(REASONS_SHOWN)
            .map(|(why, share)| format!("{why} {:.1} %", share * 100.0))
            .collect();
        match (why.is_empty(), quoted < QUOTED_MIN) {
            (true, _) => share,
            (false, true) => format!("ONLY {share}; the rest: {}", why.join(", ")),
            (false, false) => format!("{share}; the rest: {}", why.join(", ")),
        }
    }

    fn agreement(&self) -> String {
        let Some(truth) = &self.summary.truth else {
            return String::from("NOT KNOWN: the venue did not answer");
        };
        let left = match truth.ours() {
            0 => String::from("no order left"),
            left => format!("{left} ORDERS LEFT"),
        };
        match self.venue_agrees() {
            Some(true) => return format!("yes: position and wallet equal, {left}"),
            None => return format!("over before the account was known, {left}"),
            Some(false) => {}
        }
        let desk = &self.summary.snapshot.desks[0];
        let (spec, base) = (&desk.instrument, &desk.instrument.rules().base);
        format!(
            "NO: position {} {base} and wallet {:.8} by our books, {} {base} and {:.8} at the venue, \
             {left}",
            spec.position_decimal(desk.position),
            self.wallet(),
            spec.position_decimal(truth.position),
            truth.wallet,
        )
    }

    /// The whole session as JSON; money as exact decimal strings.
    pub(crate) fn json(&self) -> Value {
        let (summary, tally) = (self.summary, self.tally);
        let (start, end) = summary.span;
        let data = |index: usize| {
            let info = &self.captures[index];
            json!({
                "file": info.file,
                "lines": info.lines,
                "snapshots": info.snapshots,
                "without_snapshot": self.headless(index),
                "gaps": info.gaps,
                "bad_lines": info.bad_lines,
            })
        };
        let idle: serde_json::Map<String, Value> =
            tally.idle().into_iter().map(|(why, share)| (why.to_owned(), share.into())).collect();
        json!({
            "start": start.to_string(),
            "end": end.to_string(),
            "turns": summary.turns,
            "events": summary.events,
            "wall_seconds": summary.took.as_secs_f64(),
            "state_hash": format!("{:016x}", summary.state_hash),
            "failure": self.failure(),
            "venue_agrees": self.venue_agrees(),
            "venue": {
                "open_orders": summary.truth.as_ref().map(|truth| truth.open_orders.len()),
                "fills": summary.truth.as_ref().and_then(|truth| truth.fills),
                "wallet": summary.truth.as_ref().map(|truth| truth.wallet.to_string()),
            },
            "data": (0..self.captures.len()).map(data).collect::<Vec<_>>(),
            "quoted": tally.quoted(),
            "not_quoted": idle,
            "amends_rejected": tally.amends_rejected,
            "cancels_rejected": tally.cancels_rejected,
            "journal": self.journal,
            "engine": snapshot_json(&summary.snapshot),
        })
    }
}

/// A table without rules between its rows.
pub(crate) fn sheet() -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table
}

/// Adds a line with its name.
pub(crate) fn row(table: &mut Table, name: &str, value: String) {
    table.add_row([Cell::new(name), Cell::new(value).set_alignment(CellAlignment::Left)]);
}

fn body(table: &mut Table, snapshot: &Snapshot, tally: &Tally) {
    let pnl = &snapshot.pnl;
    for desk in &snapshot.desks {
        of_desk(table, desk, pnl, tally);
    }
    of_money(table, pnl);
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

/// PnL, split in both ways.
pub(crate) fn of_money(table: &mut Table, pnl: &PnlView) {
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
}

fn of_desk(table: &mut Table, desk: &DeskView, pnl: &PnlView, tally: &Tally) {
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
    if tally.amends_rejected + tally.cancels_rejected > 0 {
        let (amends, cancels) = (tally.amends_rejected, tally.cancels_rejected);
        let text = format!("{amends} amends and {cancels} cancels rejected by the venue");
        row(table, "  in vain", format!("{text} (mostly because a fill was faster)"));
    }
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

fn fills(spec: &Instrument, desk: &DeskView) -> String {
    let counters = &desk.counters;
    let one = |side: Side| {
        let index = side.index();
        let qty = spec.qty_decimal(counters.filled_qty[index]);
        format!("{} {side} ({qty} {})", counters.fills[index], spec.rules().base)
    };
    let turnover = counters.filled_value[0] + counters.filled_value[1];
    format!("{}, {}; turnover {turnover:.2}", one(Side::Buy), one(Side::Sell))
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
