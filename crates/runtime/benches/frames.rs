//! From frame to order: a recorded depth frame in hand, the signed orders it leads to ready to be
//! sent. Everything that live trading does in between, without sockets.
//!
//! ```text
//! cargo bench -p runtime --bench frames -- [FILE] [--rounds N] [--only PASS] [--cold]
//! ```
//!
//! With `--cold` caches are emptied before every frame, as other work on the same core does while
//! the market is quiet.
//!
//! Passes: `depth` (the book follows depth alone, so depth frames tell of every move), `journal`
//! (the same with every turn journaled), `recorded` (tickers and trades in between, as they came),
//! `ordinary` (serde_json and two `BTreeMap`s on the same frames, no order). FILE is a capture of
//! BTCUSDT, see docs/PERFORMANCE.md.

#![expect(clippy::print_stdout, reason = "a report is what this program is for")]

#[path = "rig/ordinary.rs"]
mod ordinary;
mod rig;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use binance::Endpoints;
use binance::client::{Client, Effect, Event, HttpReply, SocketId};
use engine::{Input, Output};
use journal::{Durability, Header, Retention, Writer};
use market::venue::VenueCommand;
use market::{InstrumentId, Nanos};
use runtime::Turn;

use rig::recording::{Frame, Kind, Recording, best_bid, mark_price};
use rig::venue::Venue;

/// Frames at the beginning that are not counted: caches, buffers and the book itself fill.
const WARM_UP: Duration = Duration::from_secs(10);
/// With depth alone a ticker is shown this often, so that its stream does not count as dead.
const TICKER_EVERY: Duration = Duration::from_secs(10);
const MARK_EVERY: Duration = Duration::from_secs(1);
/// More than all caches of a core hold.
const DIRT: usize = 64 << 20;
/// No socket has this name.
const NONE: SocketId = SocketId(0);

struct Options {
    file: PathBuf,
    rounds: u32,
    only: Option<String>,
    cold: bool,
}

fn options() -> Options {
    let file = rig::recording::default_path();
    let mut options = Options { file, rounds: 5, only: None, cold: false };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
        match argument.as_str() {
            "--rounds" => options.rounds = value().parse().expect("--rounds wants a number"),
            "--cold" => options.cold = true,
            "--only" => options.only = Some(value()),
            _ => options.file = argument.into(),
        }
    }
    options
}

fn main() -> ExitCode {
    let options = options();
    let recording = match Recording::read(&options.file) {
        Ok(recording) => recording,
        Err(problem) => {
            println!("NOT MEASURED: there is no recording: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let depth = recording.frames.iter().filter(|frame| frame.kind == Kind::Depth);
    let mut sizes: Vec<usize> = depth.map(|frame| frame.text.len()).collect();
    sizes.sort_unstable();
    println!(
        "{} depth frames, median {} bytes, largest {}; {} rounds; times in ns, of which reading \
         the clock takes {}",
        sizes.len(),
        sizes[sizes.len() / 2],
        sizes[sizes.len() - 1],
        options.rounds,
        clock_cost(),
    );
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    let mut good = true;
    for (name, title, journaled, all) in [
        ("depth", "frame to order", false, false),
        ("journal", "frame to order, every turn journaled", true, false),
        ("recorded", "frame to order, tickers and trades in between as recorded", false, true),
    ] {
        if wanted(name) {
            let pass = Pass { journaled, all, cold: options.cold };
            good &= live(title, &recording, options.rounds, pass);
        }
    }
    if wanted("ordinary") {
        heading("serde_json, typed, and a BTreeMap a side; no order");
        let rounds = (0..options.rounds).flat_map(|_| ordinary(&recording));
        row("depth", &rounds.collect::<Vec<_>>());
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a pass is like.
#[derive(Clone, Copy)]
struct Pass {
    journaled: bool,
    /// Tickers and trades come in between.
    all: bool,
    cold: bool,
}

/// Runs a pass and prints its rows; whether it measured what it says.
fn live(title: &str, recording: &Recording, rounds: u32, pass: Pass) -> bool {
    let mut samples = Vec::new();
    let disk = Disk::new();
    for round in 0..rounds {
        let journal = pass.journaled.then(|| disk.journal(round));
        let mut desk = Live::new(recording, journal);
        desk.play(recording, pass, &mut samples);
        assert_eq!(desk.trouble(), None, "the desk quotes to the end");
    }
    heading(title);
    for (kind, name) in [(Kind::Depth, "depth"), (Kind::Ticker, "ticker")] {
        let of_kind = |least: usize, most: usize| -> Vec<Sample> {
            let fits =
                |sample: &&Sample| sample.kind == kind && (least..=most).contains(&sample.orders);
            samples.iter().filter(fits).copied().collect()
        };
        row(name, &of_kind(0, usize::MAX));
        row(&format!("{name}, no order"), &of_kind(0, 0));
        row(&format!("{name} to order"), &of_kind(1, usize::MAX));
        row("  one order", &of_kind(1, 1));
        row("  two orders", &of_kind(2, usize::MAX));
    }
    let led = samples.iter().any(|sample| sample.kind == Kind::Depth && sample.orders > 0);
    if !led {
        println!("FAILED: no depth frame led to an order");
    }
    led
}

#[derive(Clone, Copy)]
struct Sample {
    kind: Kind,
    nanos: u64,
    allocations: u64,
    orders: usize,
}

/// The pieces of the live driver, with a venue in place of the network.
struct Live {
    venue: Venue,
    client: Client,
    turn: Turn,
    now: Nanos,
    sockets: Sockets,
    effects: Vec<Effect>,
    /// What the network would be told.
    sent: Vec<Effect>,
    batch: Vec<Input>,
    commands: Vec<VenueCommand>,
    errors: Vec<String>,
}

struct Sockets {
    /// Book.
    public: SocketId,
    /// The rest of the market.
    market: SocketId,
    user: SocketId,
    api: SocketId,
}

impl Live {
    fn new(recording: &Recording, journal: Option<Writer>) -> Self {
        let start = recording.frames[0].at - Duration::from_secs(1);
        let endpoints = Endpoints::custom("http://venue").expect("an address");
        let mut live = Self {
            venue: Venue::new(start, &recording.snapshot),
            client: Client::new(rig::config::client(endpoints)),
            turn: Turn::new(rig::config::engine(), journal),
            now: start,
            sockets: Sockets { public: NONE, market: NONE, user: NONE, api: NONE },
            effects: Vec::with_capacity(256),
            sent: Vec::with_capacity(256),
            batch: Vec::with_capacity(256),
            commands: Vec::with_capacity(64),
            errors: Vec::new(),
        };
        live.client.start(start, &mut live.effects);
        live.settle();
        live
    }

    /// Plays the recording.
    fn play(&mut self, recording: &Recording, pass: Pass, samples: &mut Vec<Sample>) {
        let measured_from = recording.frames[0].at + WARM_UP;
        let (mut mark_due, mut ticker_due, mut depth_id) = (Nanos::ZERO, Nanos::ZERO, 0);
        let mut price = "60000.00";
        let mut dirt = vec![0; if pass.cold { DIRT } else { 0 }];
        for frame in &recording.frames {
            self.pass_time(frame.at);
            if frame.at >= mark_due {
                mark_due = frame.at + MARK_EVERY;
                self.tell(self.sockets.market, &mark_price(frame.at, price));
            }
            let shown = match frame.kind {
                Kind::Depth => true,
                Kind::Ticker => {
                    price = best_bid(&frame.text).unwrap_or(price);
                    // Alone, depth must not be overtaken: a ticker that it knows already.
                    pass.all || (frame.at >= ticker_due && frame.update_id <= depth_id)
                }
                Kind::Trade => pass.all,
            };
            match frame.kind {
                Kind::Depth => depth_id = frame.update_id,
                Kind::Ticker if shown => ticker_due = frame.at + TICKER_EVERY,
                Kind::Ticker | Kind::Trade => {}
            }
            if shown {
                if pass.cold {
                    wash(&mut dirt);
                }
                let sample = self.measure(frame);
                if frame.at >= measured_from {
                    samples.push(sample);
                }
                self.settle();
            }
        }
    }

    /// Everything that is due before the next frame.
    fn pass_time(&mut self, until: Nanos) {
        loop {
            let due = [self.client.next_deadline(), self.turn.engine().next_deadline()];
            match due.into_iter().flatten().min() {
                Some(at) if at <= until => {
                    self.now = at.max(self.now + Duration::from_micros(1)).min(until);
                    self.client.on_time(self.now, &mut self.effects);
                    self.settle();
                    if self.now == until {
                        return;
                    }
                }
                Some(_) | None => break,
            }
        }
        self.now = until;
    }

    /// The way of a frame, in the steps of the live driver. A profiler finds it by its name.
    #[inline(never)]
    fn measure(&mut self, frame: &Frame) -> Sample {
        let socket = match frame.kind {
            Kind::Depth | Kind::Ticker => self.sockets.public,
            Kind::Trade => self.sockets.market,
        };
        let (now, before) = (self.now, ALLOCATIONS.get());
        let watch = stopwatch();
        let event = Event::Frame(socket, black_box(frame.text.as_bytes()));
        self.client.on_event(now, event, &mut self.effects);
        self.client.on_time(now, &mut self.effects);
        self.sort();
        let orders = if self.batch.is_empty() { 0 } else { self.step() };
        let nanos = watch.elapsed().as_nanos() as u64;
        let allocations = ALLOCATIONS.get() - before;
        Sample { kind: frame.kind, nanos, allocations, orders }
    }

    /// One turn, and the requests that it wants; how many of them go over the WS API.
    fn step(&mut self) -> usize {
        let outputs = self.turn.run(self.now, &self.batch);
        self.commands.extend(outputs.iter().filter_map(|output| match output {
            Output::Venue(approved) => Some(approved.command().clone()),
            Output::Alert(_) | Output::Note(_) => None,
        }));
        self.batch.clear();
        for command in self.commands.drain(..) {
            self.client.command(self.now, &command, &mut self.effects);
        }
        let before = self.sent.len();
        self.sort();
        self.sent[before..].iter().filter(|effect| matches!(effect, Effect::Send { .. })).count()
    }

    /// Facts for the engine to the next batch, the rest to the network.
    fn sort(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Market(event) => self.batch.push(Input::Market(event)),
                Effect::Report(report) => {
                    self.batch.push(Input::Venue(InstrumentId(0), report));
                }
                Effect::Log(log) if log.level >= binance::client::Level::Warn => {
                    self.errors.push(log.message);
                }
                Effect::Log(_) => {}
                other => self.sent.push(other),
            }
        }
    }

    fn tell(&mut self, socket: SocketId, text: &str) {
        self.client.on_event(self.now, Event::Frame(socket, text.as_bytes()), &mut self.effects);
        self.settle();
    }

    /// Lets the venue answer until nobody has anything to say any more.
    fn settle(&mut self) {
        loop {
            self.sort();
            let due = self.turn.turns() == 0
                || self.turn.engine().next_deadline().is_some_and(|at| at <= self.now);
            if !self.batch.is_empty() || due {
                self.step();
            }
            let sent = std::mem::take(&mut self.sent);
            for effect in sent {
                self.carry_out(effect);
            }
            let told: Vec<String> = self.venue.user_events(self.now).collect();
            for text in told {
                let event = Event::Frame(self.sockets.user, text.as_bytes());
                self.client.on_event(self.now, event, &mut self.effects);
            }
            self.sort();
            if self.batch.is_empty() && self.sent.is_empty() {
                return;
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        let now = self.now;
        match effect {
            Effect::Open { socket, url } => {
                let place = match () {
                    () if url.contains("/public/") => &mut self.sockets.public,
                    () if url.contains("/market/") => &mut self.sockets.market,
                    () if url.contains("/private/") => &mut self.sockets.user,
                    () => &mut self.sockets.api,
                };
                *place = socket;
                self.client.on_event(now, Event::Opened(socket), &mut self.effects);
            }
            Effect::Http { id, request, .. } => {
                let (method, target) = (request.method.name(), &request.target);
                let key = request.api_key.as_deref();
                let (status, body) = self.venue.rest(now, method, target, &request.body, key);
                let body = body.into_bytes();
                let reply = Ok(HttpReply { status, headers: Vec::new(), body });
                self.client.on_event(now, Event::Answered(id, reply), &mut self.effects);
            }
            Effect::Send { socket, text } => {
                let answer = self.venue.ws_api(now, &text);
                let event = Event::Frame(socket, answer.as_bytes());
                self.client.on_event(now, event, &mut self.effects);
            }
            Effect::Ping(socket) => {
                self.client.on_event(now, Event::Heard(socket), &mut self.effects);
            }
            Effect::Close(socket) => self.errors.push(format!("{socket:?} was closed")),
            Effect::Market(_) | Effect::Report(_) | Effect::Log(_) => {
                unreachable!("sorted out before")
            }
        }
    }

    /// What makes the figures mean something else than they say.
    fn trouble(&mut self) -> Option<String> {
        let desk = self.turn.snapshot().desks.remove(0);
        let quiet = desk.standstill.is_empty() && desk.orders.len() == 2 && self.errors.is_empty();
        (!quiet).then(|| {
            format!("standstill {:?}, orders {:?}, {:?}", desk.standstill, desk.orders, self.errors)
        })
    }
}

/// The same frames the ordinary way.
fn ordinary(recording: &Recording) -> Vec<Sample> {
    let mut maps = ordinary::Maps::new(&recording.snapshot);
    let measured_from = recording.frames[0].at + WARM_UP;
    let mut samples = Vec::new();
    for frame in recording.frames.iter().filter(|frame| frame.kind == Kind::Depth) {
        let before = ALLOCATIONS.get();
        let watch = stopwatch();
        maps.take(black_box(frame.text.as_bytes()));
        let nanos = watch.elapsed().as_nanos() as u64;
        let allocations = ALLOCATIONS.get() - before;
        if frame.at >= measured_from {
            samples.push(Sample { kind: frame.kind, nanos, allocations, orders: 0 });
        }
    }
    samples
}

/// Drives everything else out of the caches.
fn wash(dirt: &mut [u8]) {
    dirt.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
    black_box(dirt);
}

fn heading(title: &str) {
    println!(
        "\n{title}\n{:<18} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>12}",
        "frames", "count", "p50", "p90", "p99", "p99.9", "max", "allocs/frame"
    );
}

fn row(name: &str, samples: &[Sample]) {
    if samples.is_empty() {
        return;
    }
    let mut times: Vec<u64> = samples.iter().map(|sample| sample.nanos).collect();
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() * per_mille / 1_000).min(times.len() - 1)];
    let allocations: u64 = samples.iter().map(|sample| sample.allocations).sum();
    println!(
        "{name:<18} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9} {:>12.2}",
        times.len(),
        at(500),
        at(900),
        at(990),
        at(999),
        times[times.len() - 1],
        allocations as f64 / times.len() as f64,
    );
}

/// A place for journals that goes away.
struct Disk(PathBuf);

impl Disk {
    fn new() -> Self {
        let name = format!("frames-{}", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    /// As live trading writes it.
    fn journal(&self, round: u32) -> Writer {
        let header = Header {
            program: "bench".to_owned(),
            session: round,
            created: Nanos::ZERO,
            note: String::new(),
            config: rig::config::engine(),
        };
        let folder = self.0.join(round.to_string());
        Writer::create(&folder, header, Durability::EachBatch, Retention::default())
            .expect("a journal")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[expect(clippy::disallowed_methods, reason = "measuring the time of frames is the point")]
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
