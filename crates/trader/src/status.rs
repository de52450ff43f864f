//! `trader status` for people: what a trader on duty wants to know first, a line each.

use comfy_table::{Cell, Table, presets};
use serde_json::Value;

/// Limits shown, the nearest first.
const LIMITS_SHOWN: usize = 3;
/// A picture older than this is not the present.
const AGE_MAX_MS: u64 = 3_000;

/// The answer of `/api/status` in about a dozen lines.
pub(crate) fn table(status: &Value) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let mut row = |name: &str, text: String| {
        table.add_row([Cell::new(name), Cell::new(text)]);
    };
    let age = status["age_ms"].as_u64().unwrap_or(0);
    if age > AGE_MAX_MS {
        row("NOT LIVE", format!("the last snapshot is {} old; see /health", span(age)));
    }
    row("mode", mode(status));
    for desk in status["desks"].as_array().into_iter().flatten() {
        of_desk(&mut row, desk, status["now_ms"].as_u64().unwrap_or(0));
    }
    row("PnL", pnl(status));
    row("risk", format!("level {}, {}", text(&status["risk"]["level_name"]), limits(status)));
    row("breaker", breaker(status));
    row("running", running(status));
    table
}

fn of_desk(row: &mut impl FnMut(&str, String), desk: &Value, now: u64) {
    let (position, book, base) = (&desk["position"], &desk["book"], text(&desk["base"]));
    row(
        &text(&desk["symbol"]),
        format!(
            "bid {} ask {}, {}, changed {} ago",
            or_none(&book["best_bid"]),
            or_none(&book["best_ask"]),
            text(&book["status"]),
            span(now.saturating_sub(book["updated_ms"].as_u64().unwrap_or(0))),
        ),
    );
    let known = if position["known"] == true { "" } else { "; NOT CONFIRMED by the venue" };
    row(
        "position",
        format!(
            "{} {base} at {} (mark {}){known}",
            text(&position["position"]),
            text(&position["entry"]),
            or_none(&position["mark"]),
        ),
    );
    row(
        "exposure",
        format!(
            "{} to {} {base} if every order filled; limits {} inventory, {} position",
            text(&position["exposure_short"]),
            text(&position["exposure_long"]),
            text(&position["max_inventory"]),
            text(&position["max_position"]),
        ),
    );
    row("quotes", quotes(&desk["quotes"]));
    row("orders", orders(desk));
    row(
        "dead-man",
        match desk["dead_man_until_ms"].as_u64() {
            Some(until) => format!(
                "armed: cancels all in {} unless refreshed",
                span(until.saturating_sub(now))
            ),
            None => String::from("not armed"),
        },
    );
    if desk["user_stream_up"] != true {
        row("user stream", String::from("DOWN: fills may be missing"));
    }
}

fn mode(status: &Value) -> String {
    let reasons: Vec<String> =
        status["reasons"].as_array().into_iter().flatten().map(text).collect();
    let mode = text(&status["mode"]);
    if reasons.is_empty() { mode } else { format!("{mode}: {}", reasons.join(", ")) }
}

fn quotes(quotes: &Value) -> String {
    let side = |name: &str| {
        let rungs = quotes[name].as_array().map(Vec::as_slice).unwrap_or_default();
        rungs.first().map(|best| (format!("{} @ {}", text(&best[1]), text(&best[0])), rungs.len()))
    };
    match (side("bids"), side("asks")) {
        (None, None) => String::from("none"),
        (bid, ask) => {
            let shown = |side: Option<(String, usize)>| match side {
                Some((best, 1)) => best,
                Some((best, rungs)) => format!("{best} (and {} more)", rungs - 1),
                None => String::from("none"),
            };
            format!("bid {}, ask {}", shown(bid), shown(ask))
        }
    }
}

fn orders(desk: &Value) -> String {
    let open = desk["orders"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |side: &str| open.iter().filter(|order| order["side"] == side).count();
    let counters = &desk["counters"];
    let fills =
        counters["fills_buy"].as_u64().unwrap_or(0) + counters["fills_sell"].as_u64().unwrap_or(0);
    format!(
        "{} buy, {} sell open; {} placed, {fills} fills, {} rejected, {} in doubt",
        of("buy"),
        of("sell"),
        counters["placed"],
        counters["rejected"],
        counters["in_doubt"],
    )
}

fn pnl(status: &Value) -> String {
    let (pnl, desk) = (&status["pnl"], &status["desks"][0]);
    format!(
        "{} {} ({} realized, {} unrealized); today {}, drawdown {} (largest {:.3} %)",
        money(&pnl["total"]),
        text(&desk["quote"]),
        money(&pnl["realized"]),
        money(&pnl["unrealized"]),
        money(&pnl["day"]),
        money(&pnl["drawdown"]),
        pnl["max_drawdown_ratio"].as_f64().unwrap_or(0.0) * 100.0,
    )
}

fn limits(status: &Value) -> String {
    let all = status["risk"]["limits"].as_array().into_iter().flatten();
    let mut used: Vec<(f64, String)> =
        all.map(|limit| (limit["ratio"].as_f64().unwrap_or(0.0), text(&limit["limit"]))).collect();
    used.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let shown = used.iter().take(LIMITS_SHOWN);
    let shown: Vec<String> =
        shown.map(|(used, name)| format!("{name} {:.0} %", used * 100.0)).collect();
    format!("nearest limits: {}", shown.join(", "))
}

fn breaker(status: &Value) -> String {
    let breaker = &status["risk"]["breaker"];
    let state = text(&breaker["state"]);
    match (state.as_str(), breaker["retry_at_ms"].as_u64()) {
        ("open", Some(at)) => {
            let wait = at.saturating_sub(status["now_ms"].as_u64().unwrap_or(0));
            format!("OPEN: {}; trial in {}", text(&breaker["reason"]), span(wait))
        }
        _ => format!(
            "{state}; {} of {} failures in a row, opened {} times",
            breaker["failures"], breaker["threshold"], breaker["opened"]
        ),
    }
}

fn running(status: &Value) -> String {
    format!(
        "for {}; version {} ({}), configuration {}, session {}",
        span(status["uptime_ms"].as_u64().unwrap_or(0)),
        text(&status["version"]),
        text(&status["commit"]),
        text(&status["config_hash"]),
        text(&status["session"]),
    )
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn or_none(value: &Value) -> String {
    value.as_str().map_or_else(|| String::from("none"), str::to_owned)
}

/// Money to four decimals.
fn money(value: &Value) -> String {
    let amount = value.as_str().and_then(|text| text.parse::<f64>().ok());
    amount.map_or_else(|| text(value), |amount| format!("{amount:.4}"))
}

fn span(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{:.1} s", ms as f64 / 1e3),
        60_000..3_600_000 => format!("{} m {} s", ms / 60_000, ms / 1_000 % 60),
        3_600_000..86_400_000 => format!("{} h {} m", ms / 3_600_000, ms / 60_000 % 60),
        _ => format!("{} d {} h", ms / 86_400_000, ms / 3_600_000 % 24),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn spans_have_a_unit() {
        let shown = [7, 1_500, 61_000, 3_660_000, 90_000_000].map(span);
        assert_eq!(shown, ["7 ms", "1.5 s", "1 m 1 s", "1 h 1 m", "1 d 1 h"]);
    }

    #[test]
    fn what_is_wrong_stands_out() {
        let status = json!({
            "age_ms": 9_000,
            "mode": "halted",
            "reasons": ["breaker_open", "book_stale"],
            "desks": [{ "symbol": "ETHUSDC", "user_stream_up": false, "position": { "known": false } }],
            "risk": { "breaker": { "state": "open", "retry_at_ms": 5_000, "reason": "5 failures" } },
        });
        let shown = table(&status).to_string();
        for wanted in [
            "NOT LIVE",
            "halted: breaker_open, book_stale",
            "NOT CONFIRMED",
            "DOWN",
            "trial in 5.0 s",
        ] {
            assert!(shown.contains(wanted), "no {wanted:?} in\n{shown}");
        }
    }
}
