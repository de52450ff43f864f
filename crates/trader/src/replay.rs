//! `trader replay`: re-run a recorded session.

use std::path::Path;

use anyhow::Result;
use journal::Tail;
use market::Nanos;
use runtime::replay::{Difference, Replayed, What};
use serde_json::json;

use crate::output::say;
use crate::{FAILED, FINE, summary};

/// Inputs of the differing turn shown at most.
const INPUTS_SHOWN: usize = 20;

/// Re-runs a journal; with `verify` a difference is a failure.
pub(crate) fn replay(path: &Path, verify: bool, until: Option<Nanos>, as_json: bool) -> Result<u8> {
    let bar = indicatif::ProgressBar::new_spinner();
    bar.set_message("replaying");
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
                "difference": replayed.difference.as_ref().map(difference),
                "snapshot": summary::snapshot_json(&replayed.snapshot),
            })
        ))?;
    } else {
        print(&replayed, until.is_some())?;
    }
    Ok(if same || !verify { FINE } else { FAILED })
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
        say(format_args!("{}", summary::snapshot_text(&replayed.snapshot)))?;
    }
    match &replayed.difference {
        None => say(format_args!("identical"))?,
        Some(found) => say(format_args!("{}", difference(found)))?,
    }
    Ok(())
}

fn tail(replayed: &Replayed) -> String {
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
            text +=
                &format!("output {index}\n  recorded: {recorded:?}\n  replayed: {replayed:?}\n");
        }
        What::State { recorded, replayed } => {
            text += &format!("state hash: recorded {recorded:016x}, replayed {replayed:016x}\n");
        }
    }
    for input in found.inputs.iter().take(INPUTS_SHOWN) {
        text += &format!("  input: {input:?}\n");
    }
    if found.inputs.len() > INPUTS_SHOWN {
        text += &format!("  … {} more inputs\n", found.inputs.len() - INPUTS_SHOWN);
    }
    text
}
