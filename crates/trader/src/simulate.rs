//! `trader simulate`: the swarm test from the command line.

use std::cell::Cell;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use anyhow::{Result, anyhow};
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use runtime::clock::Stopwatch;
use runtime::swarm::{Class, KINDS, Mutant, Options, Outcome, Profile, RULES, Shrunk, Totals};
use serde_json::{Value, json};

use crate::cli::Simulate;
use crate::output::{complain, say};
use crate::{FAILED, FINE, USAGE, on_thread};

/// Failing seeds that are shown and made small.
const SHOWN: usize = 3;
/// Making one small may take this long.
const SHRINK_MAX: Duration = Duration::from_secs(120);
/// Lines of a failing trader's log that are shown.
const STORY: usize = 15;

std::thread_local! {
    /// The seed that this thread runs, for whoever hears it panic.
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs the seeds, says what was injected and checked, and how to repeat what failed.
pub(crate) fn simulate(asked: &Simulate) -> Result<u8> {
    if asked.mutants {
        return list();
    }
    let (options, threads) = match understood(asked) {
        Ok(understood) => understood,
        Err(problem) => {
            complain(format_args!("error: {problem}"));
            return Ok(USAGE);
        }
    };
    tell_seed_of_panics(asked.clone());
    let watch = Stopwatch::start();
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_interrupt(&stop)?;
    let (totals, fault) = run_all(asked, options, threads, &stop);
    let took = watch.elapsed();
    if let Some(fault) = fault {
        return Err(anyhow!(fault));
    }
    let shrunk: Vec<_> =
        totals.failures.iter().take(SHOWN).map(|failed| shrink(options, failed)).collect();
    if asked.json {
        say(format_args!("{:#}", document(asked, &totals, took, &shrunk)))?;
    } else {
        print(asked, &totals, took, &shrunk)?;
    }
    Ok(if totals.failures.is_empty() { FINE } else { FAILED })
}

/// The names of what can be broken on purpose.
fn list() -> Result<u8> {
    for mutant in Mutant::all() {
        say(format_args!("{}", mutant.name()))?;
    }
    if !Mutant::BUILT {
        complain(format_args!("{HOW_TO_BUILD}"));
    }
    Ok(FINE)
}

const HOW_TO_BUILD: &str = "this program contains none of them; build one that does with \
                            `cargo build --release -p trader --features mutants`";

fn understood(asked: &Simulate) -> Result<(Options, usize), String> {
    let profile = Profile::find(&asked.faults).ok_or_else(|| {
        let names: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name).collect();
        format!("no fault profile `{}`: one of {}", asked.faults, names.join(", "))
    })?;
    let mutant = match &asked.mutant {
        None => None,
        Some(_) if !Mutant::BUILT => return Err(format!("--mutant: {HOW_TO_BUILD}")),
        Some(name) => Some(Mutant::find(name).ok_or_else(|| {
            format!("no mutant `{name}`: `trader simulate --mutants` lists them")
        })?),
    };
    let span = Duration::from_secs_f64(asked.hours * 3_600.0);
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = asked.threads.map_or(cores, usize::from).max(1);
    Ok((Options { span, profile, mutant }, threads))
}

/// Where a panic ends the process, it says at least how to come back to it.
fn tell_seed_of_panics(asked: Simulate) {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        if let Some(seed) = SEED.get() {
            complain(format_args!("repeat with: {}", command(&asked, seed)));
        }
    }));
}

fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = Arc::clone(stop);
    on_thread(move || {
        runtime.block_on(async {
            // The second one ends it at once.
            if tokio::signal::ctrl_c().await.is_ok() {
                stop.store(true, Ordering::Relaxed);
            }
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        });
    });
    Ok(())
}

/// Runs seeds on several threads, each on one; also what kept them from being run.
fn run_all(
    asked: &Simulate,
    options: Options,
    threads: usize,
    stop: &Arc<AtomicBool>,
) -> (Totals, Option<String>) {
    let bar = progress(asked);
    let next = Arc::new(AtomicU64::new(asked.seeds.start));
    let (sender, outcomes) = channel();
    for _ in 0..threads {
        let (next, stop, sender) = (Arc::clone(&next), Arc::clone(stop), sender.clone());
        let end = asked.seeds.end;
        on_thread(move || work(options, &next, end, &stop, &sender));
    }
    drop(sender);
    let gathered = gather(&outcomes, &bar, stop);
    bar.finish_and_clear();
    gathered
}

fn work(
    options: Options,
    next: &AtomicU64,
    end: u64,
    stop: &AtomicBool,
    sender: &Sender<Result<Outcome, String>>,
) {
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        SEED.set(Some(seed));
        let outcome = options.run(seed);
        SEED.set(None);
        if sender.send(outcome).is_err() {
            return;
        }
    }
}

fn gather(
    outcomes: &Receiver<Result<Outcome, String>>,
    bar: &ProgressBar,
    stop: &AtomicBool,
) -> (Totals, Option<String>) {
    let (mut totals, mut fault) = (Totals::default(), None);
    for outcome in outcomes {
        match outcome {
            Ok(outcome) => totals.add(outcome),
            Err(error) => {
                stop.store(true, Ordering::Relaxed);
                fault = Some(error);
            }
        }
        bar.inc(1);
        if !totals.failures.is_empty() {
            bar.set_message(format!("{} failed", totals.failures.len()));
        }
    }
    (totals, fault)
}

fn progress(asked: &Simulate) -> ProgressBar {
    if asked.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(asked.seeds.end - asked.seeds.start);
    let style = "{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left {msg}";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// The one command that repeats a seed.
fn command(asked: &Simulate, seed: u64) -> String {
    let mut text = format!("trader simulate --seeds {seed}..{} --hours {}", seed + 1, asked.hours);
    text += &format!(" --faults {}", asked.faults);
    if let Some(mutant) = &asked.mutant {
        text += &format!(" --mutant {mutant}");
    }
    text
}

fn shrink(options: Options, failed: &Outcome) -> Option<Shrunk> {
    let watch = Stopwatch::start();
    let bar = match std::io::stderr().is_terminal() {
        true => ProgressBar::new_spinner(),
        false => ProgressBar::hidden(),
    };
    bar.set_message(format!("making seed {} smaller", failed.seed));
    SEED.set(Some(failed.seed));
    let shrunk = options.shrink(failed.seed, |_| {
        bar.tick();
        watch.elapsed() < SHRINK_MAX
    });
    SEED.set(None);
    bar.finish_and_clear();
    shrunk.ok().flatten()
}

fn print(
    asked: &Simulate,
    totals: &Totals,
    took: Duration,
    shrunk: &[Option<Shrunk>],
) -> Result<()> {
    say(format_args!("{}", injected(totals)))?;
    say(format_args!("{}", checked(totals)))?;
    say(format_args!("{}", figures(totals, took)))?;
    for (failed, shrunk) in totals.failures.iter().zip(shrunk) {
        print_failure(asked, failed, shrunk.as_ref())?;
    }
    let failed = totals.failures.len();
    match failed {
        0 => say(format_args!("no rule was broken"))?,
        _ => {
            let seeds: Vec<String> =
                totals.failures.iter().map(|failed| failed.seed.to_string()).collect();
            say(format_args!("{failed} of {} seeds FAILED: {}", totals.seeds, seeds.join(", ")))?;
        }
    }
    Ok(())
}

fn table(header: [&str; 3], rows: impl Iterator<Item = [String; 3]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn injected(totals: &Totals) -> Table {
    let rows = Class::ALL.into_iter().flat_map(|class| {
        let of_class = KINDS.iter().zip(&totals.injected).filter(move |(k, _)| k.class == class);
        of_class.map(move |(kind, count)| {
            [kind.name.to_owned(), count.to_string(), class.name().to_owned()]
        })
    });
    table(["INJECTED", "times", "by"], rows)
}

fn checked(totals: &Totals) -> Table {
    let rows = RULES.iter().zip(totals.checks);
    let rows = rows
        .map(|((name, rule), count)| [(*name).to_owned(), count.to_string(), (*rule).to_owned()]);
    table(["CHECKED", "times", "rule"], rows)
}

fn figures(totals: &Totals, took: Duration) -> Table {
    let seconds = took.as_secs_f64().max(1e-9);
    let simulated = totals.span.as_secs_f64();
    let rows = [
        [
            "seeds",
            &totals.seeds.to_string(),
            &format!("{:.1} a second", totals.seeds as f64 / seconds),
        ],
        [
            "simulated hours",
            &format!("{:.1}", simulated / 3_600.0),
            &format!("{:.0} simulated seconds a second", simulated / seconds),
        ],
        ["troubles", &totals.injected.iter().sum::<u64>().to_string(), ""],
        ["checks", &totals.checks.iter().sum::<u64>().to_string(), ""],
        ["rounds", &totals.rounds.to_string(), "of trouble and calm, both sides equal after each"],
        ["deaths", &totals.deaths.to_string(), "of the trader, each at another moment"],
        ["executions", &totals.fills.to_string(), ""],
        [
            "messages",
            &(totals.traffic.sent + totals.traffic.received).to_string(),
            "encoded and decoded",
        ],
        ["torn files", &totals.disk.torn.to_string(), "known as such"],
        [
            "replays",
            &totals.disk.replays.to_string(),
            &format!("of {} turns, identical up to a torn end", totals.disk.turns),
        ],
        [
            "recovery",
            &format!("{} s", totals.recovery_max.as_secs()),
            "the longest from calm to quoting",
        ],
        ["hash", &format!("{:016x}", totals.hash), "the same on every machine"],
    ];
    table(["FIGURES", "", ""], rows.into_iter().map(|row| row.map(str::to_owned)))
}

fn print_failure(asked: &Simulate, failed: &Outcome, shrunk: Option<&Shrunk>) -> Result<()> {
    let best = shrunk.map_or(failed, |shrunk| &shrunk.outcome);
    say(format_args!("\nseed {} FAILED", failed.seed))?;
    for (name, outcome) in [("found", failed), ("least", best)] {
        if let Some(found) = &outcome.violation {
            say(format_args!("  {name}   {} at {}: {}", found.rule, found.at, found.what))?;
        }
    }
    if let Some(Shrunk { plan, runs, .. }) = shrunk {
        say(format_args!("  troubles that suffice, after {runs} runs:"))?;
        for planned in &plan.troubles {
            say(format_args!("    {planned}"))?;
        }
    }
    say(format_args!("  what the trader said last:"))?;
    let skip = best.story.len().saturating_sub(STORY);
    for line in best.story.iter().skip(skip) {
        say(format_args!("    {line}"))?;
    }
    say(format_args!("  repeat: {}", command(asked, failed.seed)))?;
    Ok(())
}

fn document(asked: &Simulate, totals: &Totals, took: Duration, shrunk: &[Option<Shrunk>]) -> Value {
    let counts = KINDS.iter().zip(&totals.injected);
    let injected: serde_json::Map<String, Value> =
        counts.map(|(kind, count)| (kind.name.to_owned(), json!(count))).collect();
    let checks = RULES.iter().zip(totals.checks);
    let checked: serde_json::Map<String, Value> =
        checks.map(|((name, _), count)| ((*name).to_owned(), json!(count))).collect();
    let failures: Vec<Value> = totals
        .failures
        .iter()
        .enumerate()
        .map(|(index, failed)| failure(asked, failed, shrunk.get(index).and_then(Option::as_ref)))
        .collect();
    json!({
        "seeds": totals.seeds,
        "failed": totals.failures.len(),
        "hash": format!("{:016x}", totals.hash),
        "simulated_seconds": totals.span.as_secs_f64(),
        "seconds": took.as_secs_f64(),
        "injected": injected,
        "checked": checked,
        "rounds": totals.rounds,
        "deaths": totals.deaths,
        "executions": totals.fills,
        "messages": totals.traffic.sent + totals.traffic.received,
        "torn_files": totals.disk.torn,
        "replays": totals.disk.replays,
        "turns_replayed": totals.disk.turns,
        "recovery_seconds_max": totals.recovery_max.as_secs_f64(),
        "failures": failures,
    })
}

fn failure(asked: &Simulate, failed: &Outcome, shrunk: Option<&Shrunk>) -> Value {
    let found = failed.violation.as_ref();
    json!({
        "seed": failed.seed,
        "rule": found.map(|found| found.rule),
        "at": found.map(|found| found.at.to_string()),
        "what": found.map(|found| &found.what),
        "troubles": shrunk.map(|shrunk| {
            shrunk.plan.troubles.iter().map(ToString::to_string).collect::<Vec<_>>()
        }),
        "repeat": command(asked, failed.seed),
    })
}
