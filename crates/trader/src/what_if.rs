//! `trader replay --what-if`: a recorded session with other parameters.

use std::path::Path;

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Table, presets};
use engine::config::EngineConfig;
use journal::{Header, Reader};
use market::{Instrument, Nanos};
use ops::config::{self, Config, Mode};
use runtime::replay::decision::{Decision, Kind};
use runtime::replay::what_if::{Outcome, Question, WhatIf, what_if};
use serde_json::{Value, json};

use crate::output::{complain, say};
use crate::session::Refused;
use crate::{FAILED, FINE, build, replay, summary};

/// Turns and moments shown in full.
const SHOWN: usize = 5;
/// Decisions of one turn shown at most.
const DECISIONS_SHOWN: usize = 8;

/// Runs a journal again with keys replaced.
pub(crate) fn ask(
    path: &Path,
    set: &[(String, String)],
    until: Option<Nanos>,
    as_json: bool,
) -> Result<u8> {
    let (changed, instrument) = changed(Reader::open(path)?.header(), set)?;
    let bar = replay::bar();
    let question = Question { path, changed, shown: SHOWN, until };
    let answer = what_if(question, |read, size| {
        bar.set_length(size);
        bar.set_position(read);
    });
    bar.finish_and_clear();
    let answer = answer?;
    if as_json {
        say(format_args!("{:#}", as_document(&answer, set, &instrument)))?;
    } else {
        print(&answer, set, &instrument)?;
    }
    if let Some(damage) = &answer.damage {
        complain(format_args!("error: {damage}"));
        return Ok(FAILED);
    }
    Ok(FINE)
}

/// The engine's configuration with keys replaced, from the recorded text, so that every key and every
/// check applies.
fn changed(header: &Header, set: &[(String, String)]) -> Result<(EngineConfig, Instrument)> {
    let desk = header.config.desks.first();
    let desk = desk.ok_or_else(|| refused(String::from("the journal has no instrument")))?;
    let instrument = desk.instrument.clone();
    let fees = (desk.maker_fee, desk.taker_fee);
    let parse = |set: &[(&str, &str)]| {
        config::parse_recorded_with("the recorded configuration", &header.note, set)
    };
    let engine = |config: &Config| {
        let fees = (config.mode == Mode::Live).then_some(fees);
        build::engine(config, instrument.clone(), fees, header.config.session)
    };
    let recorded = parse(&[])?;
    if engine(&recorded)? != header.config {
        anyhow::bail!(
            "the recorded configuration means something else to this build, so that nothing can be \
             compared; use trader {}, which wrote the journal",
            header.program
        );
    }
    let set: Vec<(&str, &str)> = set.iter().map(|(key, value)| (&**key, &**value)).collect();
    if let Some((key, _)) = set.iter().find(|(key, _)| config::keys::find(key).is_none()) {
        // The reader knows what was meant.
        parse(&[(key, "0")])?;
        return Err(refused(format!("{key} is no key of a configuration")));
    }
    let wanted = parse(&set)?;
    if wanted.strategy.symbol != recorded.strategy.symbol {
        return Err(refused(String::from("another strategy.symbol needs another market")));
    }
    let changed = engine(&wanted)?;
    for (index, (key, value)) in set.iter().enumerate() {
        if !recorded.changes(&wanted).iter().any(|change| change.key.path == *key) {
            return Err(refused(format!("{key} was {value} in the session already")));
        }
        let mut others = set.clone();
        others.remove(index);
        // Where the others are refused without it, it matters.
        let Ok(without) = parse(&others) else { continue };
        if engine(&without).is_ok_and(|without| without == changed) {
            return Err(refused(format!(
                "{key} does not change what the engine does in this session, so that there is nothing \
                 to compare; strategy.*, risk.* and some of exchange.* do"
            )));
        }
    }
    Ok((changed, instrument))
}

fn refused(why: String) -> anyhow::Error {
    anyhow::Error::new(Refused(format!("--what-if: {why}")))
}

fn print(answer: &WhatIf, set: &[(String, String)], instrument: &Instrument) -> Result<()> {
    let (first, last) = answer.span;
    let keys: Vec<String> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
    say(format_args!("what if    {}", keys.join(", ")))?;
    say(format_args!("recording  {} turns from {first} to {last}", answer.turns))?;
    if let Some(at) = answer.reconfigured {
        let why = "from there on the session had another configuration";
        say(format_args!("ends       with the reload at {at}: {why}"))?;
    }
    first_changes(answer, instrument)?;
    say(format_args!("\nSIMULATED on the recorded market, both ways"))?;
    say(format_args!("  {}", basis(answer, instrument)))?;
    say(format_args!("  moments that differ: {}", answer.moments_differing))?;
    for moment in &answer.moments {
        say(format_args!("  {}", moment.now))?;
        sides(&moment.recorded, &moment.changed, instrument)?;
    }
    say(format_args!("{}", decisions(answer)))?;
    say(format_args!("{}", outcomes(answer, instrument)))?;
    Ok(())
}

/// What changes on the recorded inputs, for as long as these fit.
fn first_changes(answer: &WhatIf, instrument: &Instrument) -> Result<()> {
    say(format_args!("\nEXACT, on the recorded inputs"))?;
    match &answer.parting {
        Some(parting) => say(format_args!(
            "  up to turn {} at {}, where the venue answered order {}, which the changed engine would \
             not have sent so:",
            parting.turn, parting.now, parting.order
        ))?,
        None => say(format_args!("  to the end: every recorded answer fits"))?,
    }
    say(format_args!("  turns that decide otherwise: {}", answer.turns_changed))?;
    for change in &answer.changes {
        let inputs = replay::short(&change.inputs);
        say(format_args!("  turn {} at {} on {inputs}", change.turn, change.now))?;
        sides(&change.recorded, &change.changed, instrument)?;
    }
    Ok(())
}

fn sides(recorded: &[Decision], changed: &[Decision], instrument: &Instrument) -> Result<()> {
    for (name, decisions) in [("recorded", recorded), ("changed ", changed)] {
        say(format_args!("    {name}: {}", texts(decisions, instrument).join("; ")))?;
    }
    Ok(())
}

fn texts(decisions: &[Decision], instrument: &Instrument) -> Vec<String> {
    let mut texts: Vec<String> =
        decisions.iter().take(DECISIONS_SHOWN).map(|decision| decision.text(instrument)).collect();
    if decisions.is_empty() {
        texts.push(String::from("nothing"));
    }
    if decisions.len() > DECISIONS_SHOWN {
        texts.push(format!("and {} more", decisions.len() - DECISIONS_SHOWN));
    }
    texts
}

/// What the simulation assumes.
fn basis(answer: &WhatIf, instrument: &Instrument) -> String {
    let (latency, ms) =
        (answer.terms.latency, |span: std::time::Duration| span.as_secs_f64() * 1e3);
    format!(
        "an account that begins flat with {:.2} {}; delays as the recording's medians: market data \
         {:.1} ms, requests {:.1} ms, answers {:.1} ms; our orders queue behind what was displayed, \
         the recorded orders included",
        answer.terms.wallet,
        instrument.rules().quote,
        ms(latency.feed),
        ms(latency.entry),
        ms(latency.response)
    )
}

fn sheet(header: [&str; 5]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// How many decisions there were, and how many differ.
fn decisions(answer: &WhatIf) -> Table {
    let mut table =
        sheet(["decisions", "really", "simulated: recorded", "simulated: changed", "differ"]);
    let all = [
        &answer.real.decisions,
        &answer.recorded.decisions,
        &answer.changed.decisions,
        &answer.differing,
    ];
    for kind in Kind::ALL {
        let counts = all.map(|counts| Cell::new(counts.of(kind)));
        table.add_row([Cell::new(kind.name())].into_iter().chain(counts));
    }
    table.add_row([Cell::new("all")].into_iter().chain(all.map(|counts| Cell::new(counts.sum()))));
    table
}

/// What came of it, in all three cases.
fn outcomes(answer: &WhatIf, instrument: &Instrument) -> Table {
    let mut table =
        sheet(["outcome", "really", "simulated: recorded", "simulated: changed", "difference"]);
    let all = [&answer.real, &answer.recorded, &answer.changed].map(figures);
    for (index, (name, _, digits)) in all[0].iter().enumerate() {
        let values = all.each_ref().map(|figures| figures[index].1);
        let shown = values.map(|value| Cell::new(format!("{value:.digits$}")));
        let difference = Cell::new(format!("{:+.digits$}", values[2] - values[1]));
        table.add_row([Cell::new(name)].into_iter().chain(shown).chain([difference]));
    }
    let position = |outcome: &Outcome| match outcome.snapshot.desks.first() {
        Some(desk) => Cell::new(instrument.position_decimal(desk.position)),
        None => Cell::new("none"),
    };
    let row = [Cell::new("position"), position(&answer.real), position(&answer.recorded)];
    table.add_row(row.into_iter().chain([position(&answer.changed), Cell::new("")]));
    table
}

/// Figures with their digits.
fn figures(outcome: &Outcome) -> Vec<(&'static str, f64, usize)> {
    let pnl = &outcome.snapshot.pnl;
    let counters = outcome.snapshot.desks.first().map(|desk| desk.counters).unwrap_or_default();
    let turnover = counters.filled_value[0] + counters.filled_value[1];
    vec![
        ("PnL", pnl.total.to_f64(), 4),
        ("  realized", pnl.realized.to_f64(), 4),
        ("  unrealized", pnl.unrealized.to_f64(), 4),
        ("  fees", (-pnl.fees).to_f64(), 4),
        ("  funding", pnl.funding.to_f64(), 4),
        ("by source: spread", pnl.spread_capture.to_f64(), 4),
        ("  inventory", pnl.inventory.to_f64(), 4),
        ("  basis", pnl.basis.to_f64(), 4),
        ("  carried", pnl.carried.to_f64(), 4),
        ("buys", counters.fills[0] as f64, 0),
        ("sells", counters.fills[1] as f64, 0),
        ("turnover", turnover.to_f64(), 2),
        ("largest drawdown, %", pnl.max_drawdown * 100.0, 4),
    ]
}

fn as_document(answer: &WhatIf, set: &[(String, String)], instrument: &Instrument) -> Value {
    let texts = |decisions: &[Decision]| -> Vec<String> {
        decisions.iter().map(|decision| decision.text(instrument)).collect()
    };
    let outcome = |outcome: &Outcome, simulated: bool| {
        let counts = Kind::ALL.map(|kind| (kind.name(), outcome.decisions.of(kind)));
        let turnover = outcome.snapshot.desks.first().map(|desk| {
            (desk.counters.filled_value[0] + desk.counters.filled_value[1]).to_string()
        });
        json!({
            "simulated": simulated,
            "decisions": counts.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "turnover": turnover,
            "engine": summary::snapshot_json(&outcome.snapshot),
        })
    };
    let keys: Vec<Value> =
        set.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
    let latency = answer.terms.latency;
    let latency = [latency.feed, latency.entry, latency.response];
    let latency = latency.map(|span| span.as_secs_f64() * 1e3);
    json!({
        "what_if": keys,
        "turns": answer.turns,
        "from": answer.span.0.to_string(),
        "to": answer.span.1.to_string(),
        "reconfigured": answer.reconfigured.map(|at| at.to_string()),
        "damage": answer.damage.as_ref().map(ToString::to_string),
        "exact": {
            "turns_changed": answer.turns_changed,
            "parting": answer.parting.map(|parting| json!({
                "turn": parting.turn,
                "time": parting.now.to_string(),
                "order": parting.order.to_string(),
            })),
            "first": answer.changes.iter().map(|change| json!({
                "turn": change.turn,
                "time": change.now.to_string(),
                "inputs": replay::short(&change.inputs),
                "recorded": texts(&change.recorded),
                "changed": texts(&change.changed),
            })).collect::<Vec<_>>(),
        },
        "simulation": {
            "wallet": answer.terms.wallet.to_string(),
            "latency_ms": latency,
            "moments_differing": answer.moments_differing,
            "decisions_differing": Kind::ALL
                .map(|kind| (kind.name(), answer.differing.of(kind)))
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>(),
            "first": answer.moments.iter().map(|moment| json!({
                "time": moment.now.to_string(),
                "recorded": texts(&moment.recorded),
                "changed": texts(&moment.changed),
            })).collect::<Vec<_>>(),
        },
        "real": outcome(&answer.real, false),
        "recorded": outcome(&answer.recorded, true),
        "changed": outcome(&answer.changed, true),
    })
}
