//! `trader replay`: re-run a recorded session.

use std::path::Path;

use anyhow::Result;
use engine::{Control, Input};
use indicatif::ProgressBar;
use journal::Tail;
use market::venue::VenueReport;
use market::{MarketKind, Nanos};
use runtime::replay::{Difference, Replayed, What};
use serde_json::json;

use crate::output::{complain, say};
use crate::{FAILED, FINE, state, summary};

/// Inputs and outputs of the differing turn shown at most.
const INPUTS_SHOWN: usize = 20;

/// Re-runs a journal; damage is a failure, and with `verify` a difference too.
pub(crate) fn replay(path: &Path, verify: bool, until: Option<Nanos>, as_json: bool) -> Result<u8> {
    let bar = bar();
    let replayed = runtime::replay::replay(path, until, |bytes, size| {
        bar.set_length(size);
        bar.set_position(bytes);
    })?;
    bar.finish_and_clear();
    let same = replayed.difference.is_none();
    if as_json {
        say(format_args!(
            "{:#}",
            json!({
                "same": same,
                "turns": replayed.turns,
                "outputs": replayed.outputs,
                "hashes": replayed.hashes,
                "state_hash": format!("{:016x}", replayed.state_hash),
                "tail": tail(&replayed),
                "damage": replayed.damage.as_ref().map(ToString::to_string),
                "difference": replayed.difference.as_ref().map(difference),
                "snapshot": summary::snapshot_json(&replayed.snapshot),
                "state": state::as_json(&replayed.snapshot),
            })
        ))?;
    } else {
        print(&replayed, until.is_some())?;
    }
    if let Some(damage) = &replayed.damage {
        complain(format_args!("error: {damage}"));
        return Ok(FAILED);
    }
    Ok(if same || !verify { FINE } else { FAILED })
}

/// Shows how far the current segment has been read.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_message("replaying");
    bar
}

fn print(replayed: &Replayed, with_state: bool) -> Result<()> {
    let (first, last) = replayed.span;
    say(format_args!("replayed   {} turns from {first} to {last}", replayed.turns))?;
    say(format_args!(
        "compared   {} outputs and {} state hashes",
        replayed.outputs, replayed.hashes
    ))?;
    say(format_args!("journal    {}", tail(replayed)))?;
    say(format_args!("state hash {:016x}", replayed.state_hash))?;
    if with_state {
        say(format_args!("{}", state::text(&replayed.snapshot)))?;
    }
    match &replayed.difference {
        None if replayed.damage.is_some() => say(format_args!("identical up to the damage"))?,
        None => say(format_args!("identical"))?,
        Some(found) => say(format_args!("{}", difference(found)))?,
    }
    Ok(())
}

fn tail(replayed: &Replayed) -> String {
    if replayed.damage.is_some() {
        return String::from("DAMAGED: what comes after the last turn cannot be read");
    }
    match &replayed.tail {
        Some(Tail::Ended) => String::from("ended in good order"),
        Some(Tail::Open) => String::from("ends without an end mark: killed, or still running"),
        Some(Tail::Torn { segment, offset, bytes_cut }) => format!(
            "{}: the unfinished frame at byte {offset} was cut off ({bytes_cut} bytes)",
            segment.display()
        ),
        None => String::from("not read to its end"),
    }
}

fn difference(found: &Difference) -> String {
    let mut text = format!("DIFFERENCE in turn {} at {}\n", found.turn, found.now);
    match &found.what {
        What::Output { index, recorded, replayed } => {
            text += &format!(
                "output {index}\n  recorded: {}\n  replayed: {}\n",
                (**recorded).as_ref().map_or_else(|| String::from("nothing"), |o| format!("{o:?}")),
                (**replayed).as_ref().map_or_else(|| String::from("nothing"), |o| format!("{o:?}")),
            );
        }
        What::State { recorded, replayed } => {
            text += &format!("state hash: recorded {recorded:016x}, replayed {replayed:016x}\n");
        }
    }
    text += "before the turn\n";
    text += &state::brief(&found.before);
    text += &format!("inputs: {}\n", short(&found.inputs));
    for input in found.inputs.iter().take(INPUTS_SHOWN) {
        text += &format!("  {input:?}\n");
    }
    if found.inputs.len() > INPUTS_SHOWN {
        text += &format!("  … {} more inputs\n", found.inputs.len() - INPUTS_SHOWN);
    }
    text += "outputs as replayed\n";
    for output in found.outputs.iter().take(INPUTS_SHOWN) {
        text += &format!("  {output:?}\n");
    }
    if found.outputs.len() > INPUTS_SHOWN {
        text += &format!("  … {} more outputs\n", found.outputs.len() - INPUTS_SHOWN);
    }
    text
}

/// A batch of inputs in a few words, such as `depth, 3 trade, ack`.
pub(crate) fn short(inputs: &[Input]) -> String {
    let mut names: Vec<(&str, usize)> = Vec::new();
    for input in inputs {
        let name = name(input);
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => names.push((name, 1)),
        }
    }
    let words: Vec<String> = names
        .into_iter()
        .map(|(name, count)| if count == 1 { name.to_owned() } else { format!("{count} {name}") })
        .collect();
    if words.is_empty() { String::from("time passing") } else { words.join(", ") }
}

fn name(input: &Input) -> &'static str {
    match input {
        Input::Market(event) => match event.kind {
            MarketKind::Snapshot(_) => "snapshot",
            MarketKind::Diff(_) => "depth",
            MarketKind::Ticker(_) => "ticker",
            MarketKind::Trade(_) => "trade",
            MarketKind::Mark(_) => "mark",
            MarketKind::FeedUp => "feed up",
            MarketKind::FeedDown => "feed down",
        },
        Input::Venue(_, report) => of_venue(report),
        Input::Control(control) => match control {
            Control::Pause => "pause",
            Control::Resume { .. } => "resume",
            Control::Halt => "halt",
            Control::Flatten => "flatten",
            Control::ResetBreaker => "breaker reset",
            Control::Configure(_) => "reload",
            Control::Shutdown => "shutdown",
            Control::Restore(_) => "restore",
        },
    }
}

fn of_venue(report: &VenueReport) -> &'static str {
    match report {
        VenueReport::Ack { .. } => "ack",
        VenueReport::Reject { .. } => "reject",
        VenueReport::Fill(_) => "fill",
        VenueReport::Amended { .. } => "amended",
        VenueReport::Canceled { .. } => "canceled",
        VenueReport::Expired { .. } => "expired",
        VenueReport::InDoubt { .. } => "in doubt",
        VenueReport::Order { .. } => "order",
        VenueReport::Account(_) => "account",
        VenueReport::QueryFailed => "query failed",
        VenueReport::Funding { .. } => "funding",
        VenueReport::Transfer { .. } => "transfer",
        VenueReport::DeadManArmed { .. } => "dead-man armed",
        VenueReport::DeadManFailed => "dead-man failed",
        VenueReport::StreamUp => "user stream up",
        VenueReport::StreamDown => "user stream down",
        VenueReport::Resync => "resync",
        VenueReport::Obstacle { .. } => "obstacle",
        VenueReport::Forced { .. } => "forced close",
    }
}
