//! How the time of a step is distributed when the demo trades, how often a step allocates, and, for
//! callgrind, the same steps over and over.
//!
//! ```text
//! cargo bench -p runtime --bench latency -- [--minutes N] [--seed N]
//! valgrind --tool=callgrind latency --instructions SCENARIO --steps N
//! ```
//!
//! The first form runs the embedded market twice, with the engine alone and with whole turns that
//! are journaled as in live trading, and fails when a step allocates in which the engine had
//! nothing to do. The second only works; `scripts/bench.sh --instructions` makes figures of it.

#![expect(clippy::print_stdout, reason = "a report is what this program is for")]

mod world;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::config::EngineConfig;
use engine::{Input, Output};
use journal::{Durability, Writer};
use market::venue::VenueCommand;
use market::{InstrumentId, MarketKind, Nanos};
use runtime::Turn;
use sim_exchange::{Fees, Latency, SimConfig, SimExchange, SimOutput};

use world::config::{START, demo, instrument, restless, usd};
use world::disk::Disk;
use world::scene::{Scenario, Scene};

/// Scenarios of [`repeat`], with whether the turns are journaled.
const REPEATED: [(&str, Scenario, bool); 6] = [
    ("diff", Scenario::Diff, false),
    ("ticker", Scenario::Ticker, false),
    ("trade", Scenario::Trade, false),
    ("timer", Scenario::Timer, false),
    ("amend", Scenario::Amend, false),
    ("journaled-diff", Scenario::Diff, true),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let option = |name: &str| {
        let index = arguments.iter().position(|argument| argument == name)?;
        arguments.get(index + 1).map(String::as_str)
    };
    let number = |name, default| match option(name) {
        Some(text) => text.parse::<u64>().unwrap_or_else(|_| panic!("{name} wants a number")),
        None => default,
    };
    if let Some(name) = option("--instructions") {
        repeat(name, number("--steps", 1_000));
        return ExitCode::SUCCESS;
    }
    let (minutes, seed) = (number("--minutes", 10), number("--seed", 1));
    println!("demo market, seed {seed}, {minutes} simulated minutes; times in ns");
    println!(
        "reading the clock takes {} ns (median), which every time below contains",
        clock_cost()
    );
    let steady = distribution("engine step", minutes, seed, None);
    let disk = Disk::new();
    let journal = |config: &EngineConfig| disk.journal(config, Durability::EachBatch);
    distribution("turn with journal, one write per record", minutes, seed, Some(&journal));
    match steady {
        0 => ExitCode::SUCCESS,
        steps => {
            println!("FAILED: {steps} steps allocated although there was nothing to do");
            ExitCode::FAILURE
        }
    }
}

/// Takes the same step again and again.
fn repeat(name: &str, steps: u64) {
    let Some((_, scenario, journaled)) = REPEATED.into_iter().find(|(known, ..)| *known == name)
    else {
        panic!("unknown scenario {name}; known: {:?}", REPEATED.map(|(known, ..)| known));
    };
    let config = if scenario == Scenario::Amend { restless() } else { demo() };
    let disk = Disk::new();
    let journal = journaled.then(|| disk.journal(&config, Durability::EachBatch));
    let mut scene = Scene::new(config, journal);
    for _ in 0..steps {
        scene.run(scenario);
    }
    assert_eq!(scene.moved() > 0, scenario == Scenario::Amend, "quotes move in one scenario only");
    println!("state after {steps} steps: {:016x}", scene.turn().engine().state_hash());
}

/// Runs the market and prints what its steps took; returns how many idle ones allocated.
fn distribution(
    title: &str,
    minutes: u64,
    seed: u64,
    journal: Option<&dyn Fn(&EngineConfig) -> Writer>,
) -> usize {
    let mut market = Market::new(seed, journal);
    let end = START + Duration::from_secs(60 * minutes);
    let (wall, before) = (stopwatch(), ALLOCATIONS.get());
    let mut samples = Vec::with_capacity(1 << 20);
    while let Some(sample) = market.turn(end) {
        samples.push(sample);
    }
    let took = wall.elapsed();
    println!("\n{title}: {} steps in {took:.2?}, market included", samples.len());
    let inside: u64 = samples.iter().map(|sample| sample.allocations).sum();
    println!("allocations: {inside} in steps, {} around them", ALLOCATIONS.get() - before - inside);
    println!(
        "{:<9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>12} {:>12}",
        "input", "steps", "p50", "p90", "p99", "p99.9", "max", "allocating", "allocs/step"
    );
    for kind in Kind::ALL {
        row(kind.name(), samples.iter().filter(|sample| sample.kind == kind));
    }
    row("all", samples.iter());
    let idle: Vec<&Sample> = samples.iter().filter(|sample| sample.is_idle).collect();
    row("idle", idle.iter().copied());
    idle.iter().filter(|sample| sample.allocations > 0).count()
}

fn row<'a>(name: &str, samples: impl Iterator<Item = &'a Sample>) {
    let (mut times, mut allocating, mut allocations) = (Vec::new(), 0, 0);
    for sample in samples {
        times.push(sample.nanos);
        allocating += u64::from(sample.allocations > 0);
        allocations += sample.allocations;
    }
    if times.is_empty() {
        return;
    }
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() * per_mille / 1_000).min(times.len() - 1)];
    println!(
        "{name:<9} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {allocating:>12} {:>12.3}",
        times.len(),
        at(500),
        at(900),
        at(990),
        at(999),
        times[times.len() - 1],
        allocations as f64 / times.len() as f64,
    );
}

/// What a step was about: the first of these that its batch contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Report,
    Snapshot,
    Diff,
    Trade,
    Ticker,
    Mark,
    Timer,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::Report,
        Self::Snapshot,
        Self::Diff,
        Self::Trade,
        Self::Ticker,
        Self::Mark,
        Self::Timer,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Snapshot => "snapshot",
            Self::Diff => "diff",
            Self::Trade => "trade",
            Self::Ticker => "ticker",
            Self::Mark => "mark",
            Self::Timer => "timer",
        }
    }

    fn of(batch: &[Input]) -> Self {
        let kind = |input: &Input| match input {
            Input::Venue(..) | Input::Control(_) => Self::Report,
            Input::Market(event) => match event.kind {
                MarketKind::Snapshot(_) | MarketKind::FeedUp | MarketKind::FeedDown => {
                    Self::Snapshot
                }
                MarketKind::Diff(_) => Self::Diff,
                MarketKind::Trade(_) => Self::Trade,
                MarketKind::Ticker(_) => Self::Ticker,
                MarketKind::Mark(_) => Self::Mark,
            },
        };
        batch.iter().map(kind).min().unwrap_or(Self::Timer)
    }
}

struct Sample {
    kind: Kind,
    nanos: u64,
    allocations: u64,
    /// Nothing but market events in, nothing out, and the engine warm.
    is_idle: bool,
}

/// The embedded market with the engine in it, as fast as it goes.
struct Market {
    turn: Turn,
    exchange: SimExchange,
    now: Nanos,
    batch: Vec<Input>,
    arrived: Vec<SimOutput>,
    commands: Vec<VenueCommand>,
}

impl Market {
    fn new(seed: u64, journal: Option<&dyn Fn(&EngineConfig) -> Writer>) -> Self {
        let config = demo();
        let millis = Duration::from_millis;
        let market = SimConfig {
            balance: usd("5000"),
            fees: Fees::default(),
            latency: Latency::constant(millis(2), millis(5), millis(5)),
            ..SimConfig::new(instrument(), seed, START)
        };
        let journal = journal.map(|journal| journal(&config));
        Self {
            turn: Turn::new(config, journal),
            exchange: SimExchange::new(market),
            now: START,
            batch: Vec::with_capacity(256),
            arrived: Vec::with_capacity(256),
            commands: Vec::with_capacity(64),
        }
    }

    /// Goes to the next moment at which anything reaches the engine, and measures that step.
    fn turn(&mut self, end: Nanos) -> Option<Sample> {
        loop {
            let due = [self.exchange.next_deadline(), self.turn.engine().next_deadline()];
            let at = due.into_iter().flatten().min()?.max(self.now);
            if at > end {
                return None;
            }
            self.now = at;
            self.exchange.step(at, &self.commands, &mut self.arrived);
            self.commands.clear();
            self.batch.clear();
            self.batch.extend(self.arrived.drain(..).map(|output| match output {
                SimOutput::Market(event) => Input::Market(event),
                SimOutput::Venue(report) => Input::Venue(InstrumentId(0), report),
            }));
            let is_due = due[1].is_some_and(|deadline| deadline <= at);
            if !self.batch.is_empty() || is_due {
                return Some(self.measure());
            }
        }
    }

    fn measure(&mut self) -> Sample {
        let before = ALLOCATIONS.get();
        let watch = stopwatch();
        let outputs = self.turn.run(self.now, &self.batch);
        let nanos = watch.elapsed().as_nanos() as u64;
        let allocations = ALLOCATIONS.get() - before;
        let warm = self.now.since(START) > Duration::from_secs(60);
        let only_market = self.batch.iter().all(|input| matches!(input, Input::Market(_)));
        let is_idle = warm && only_market && outputs.is_empty();
        self.commands.extend(outputs.iter().filter_map(|output| match output {
            Output::Venue(approved) => Some(approved.command().clone()),
            Output::Alert(_) | Output::Note(_) => None,
        }));
        Sample { kind: Kind::of(&self.batch), nanos, allocations, is_idle }
    }
}

#[expect(clippy::disallowed_methods, reason = "measuring the time of steps is the point")]
fn stopwatch() -> Instant {
    Instant::now()
}

fn clock_cost() -> u128 {
    let mut costs: Vec<u128> = (0..10_001).map(|_| stopwatch().elapsed().as_nanos()).collect();
    costs.sort_unstable();
    costs[costs.len() / 2]
}

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; this one only counts")]
// SAFETY: every call is handed on unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the pointer came from here, hence from the system allocator, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from here, hence from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
