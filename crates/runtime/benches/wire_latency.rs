//! From socket to socket: a depth frame is written to the market socket, and the signed order that
//! it leads to is read from the socket of the WS API, by a venue in the same process.
//!
//! `cargo bench -p runtime --bench wire_latency -- [FILE] [--frames N] [--pause MICROS]`
//!
//! Three sides answer the same venue over the same kind of loopback sockets, one after the other:
//! `bare` only reads from the one socket and writes to the other (tokio and tungstenite, one
//! thread), `sockets` does so through the sockets of live trading, and `live` is the whole live
//! driver. What `live` takes beyond `sockets` is client, engine and loop; what `bare` takes is the
//! kernel, the runtime and the venue's own reading and writing.

#![expect(clippy::print_stdout, reason = "a report is what this program is for")]

mod rig;
#[path = "rig/sites.rs"]
mod sites;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;
use std::time::Duration;

use binance::client::{Effect, Event, Level, Log, SocketId};
use engine::{Control, Output, Snapshot};
use futures_util::{SinkExt, StreamExt};
use market::Nanos;
use market::venue::VenueCommand;
use runtime::live::net::{Net, NetConfig};
use runtime::{Live, Observer};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use rig::recording::{self, Recording};
use sites::{Figures, Plan, Sites};

/// An order as long as those of the desk.
const ORDER_LENGTH: usize = 430;
const MARKET: SocketId = SocketId(1);
const ORDERS: SocketId = SocketId(2);

struct Options {
    file: PathBuf,
    plan: Plan,
}

fn options() -> Options {
    let plan = Plan { frames: 3_000, warm_up: 300, pause: Duration::from_millis(3) };
    let mut options = Options { file: recording::default_path(), plan };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let mut number = || {
            let text = arguments.next().unwrap_or_default();
            text.parse::<u32>().unwrap_or_else(|_| panic!("{argument} wants a number"))
        };
        match argument.as_str() {
            "--frames" => options.plan.frames = number() as usize,
            "--pause" => options.plan.pause = Duration::from_micros(number().into()),
            _ => options.file = argument.into(),
        }
    }
    options
}

fn main() -> ExitCode {
    let Options { file, plan } = options();
    let recording = match Recording::read(&file) {
        Ok(recording) => recording,
        Err(problem) => {
            println!("NOT MEASURED: there is no recording: {problem}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "{} recorded depth frames, {:?} apart, after {} to warm up; times in us\n{:<20} {:>7} \
         {:>8} {:>8} {:>8} {:>8} {:>9}",
        plan.frames, plan.pause, plan.warm_up, "", "n", "p50", "p90", "p99", "p99.9", "max"
    );
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime")
    };
    let sites = Sites::start(recording, plan);
    let figures = sites.measure_echo();
    runtime().block_on(echo_bare(&sites));
    row("bare", &figures.recv().expect("figures").first);
    let figures = sites.measure_echo();
    runtime().block_on(echo_through_net(&sites));
    row("sockets", &figures.recv().expect("figures").first);
    let figures = trade(&sites);
    row("live, first order", &figures.first);
    row("  last order", &figures.last);
    row("  frame to batch", &figures.inward);
    row("  engine", &figures.decision);
    row("  decision to order", &figures.outward);
    println!("frames without an order: {}", figures.silent);
    if figures.first.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The least that can be done: one task that reads here and writes there.
async fn echo_bare(sites: &Sites) {
    let open = async |address, url: String| -> WebSocketStream<TcpStream> {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        client_async(url, stream).await.expect("a WebSocket").0
    };
    let endpoints = sites.endpoints();
    let mut market = open(sites.streams(), format!("{}/public/stream", endpoints.streams)).await;
    let mut orders = open(sites.ws_api(), endpoints.ws_api).await;
    let order = "x".repeat(ORDER_LENGTH);
    while let Some(Ok(message)) = market.next().await {
        if message.is_text() && orders.send(Message::text(order.clone())).await.is_err() {
            return;
        }
    }
}

/// The same through the sockets of live trading.
async fn echo_through_net(sites: &Sites) {
    let (sender, mut inbox) = tokio::sync::mpsc::unbounded_channel();
    let endpoints = sites.endpoints();
    let streams = format!("{}/public/stream?streams=x", endpoints.streams);
    let opened = [(MARKET, streams), (ORDERS, endpoints.ws_api.clone())];
    let mut net = Net::new(NetConfig::new(endpoints), sender).expect("a network");
    for (socket, url) in opened {
        net.carry_out(Effect::Open { socket, url });
    }
    let order = "x".repeat(ORDER_LENGTH);
    while let Some(arrived) = inbox.recv().await {
        match net.tell(arrived, |event| match event {
            Event::Frame(socket, _) => Some(socket == MARKET),
            Event::Closed(..) => None,
            Event::Opened(_) | Event::Heard(_) | Event::Answered(..) => Some(false),
        }) {
            Some(Some(true)) => {
                net.carry_out(Effect::Send { socket: ORDERS, text: order.clone() });
            }
            Some(None) => return,
            Some(Some(false)) | None => {}
        }
    }
}

/// The live driver, until the venue has seen enough.
fn trade(sites: &Sites) -> Figures {
    let (stop, controls) = mpsc::channel();
    let figures = sites.measure_orders(move || {
        // It may have ended by itself, which shows below.
        let _ = stop.send(Control::Shutdown);
    });
    let live = Live {
        config: rig::config::engine(),
        client: rig::config::client(sites.endpoints()),
        net: NetConfig::new(sites.endpoints()),
        journal: None,
        duration: None,
        controls,
        carry: None,
        keeper: None,
    };
    let mut watcher = Watcher { sites, troubles: Vec::new() };
    let summary = live.run(&mut watcher).expect("a session");
    assert!(summary.failure.is_none(), "{:?}", summary.failure);
    assert_eq!(watcher.troubles, Vec::<String>::new(), "a session without a hitch");
    figures.recv().expect("figures")
}

/// Collects what would make the figures mean something else.
struct Watcher<'a> {
    sites: &'a Sites,
    troubles: Vec<String>,
}

impl Observer for Watcher<'_> {
    fn turn(&mut self, now: Nanos, outputs: &[Output], _: usize, _: Duration) {
        let is_order = |output: &Output| match output {
            Output::Venue(approved) => {
                matches!(approved.command(), VenueCommand::Place(_) | VenueCommand::Amend(_))
            }
            Output::Alert(_) | Output::Note(_) => false,
        };
        if outputs.iter().any(is_order) {
            self.sites.decided(now);
        }
    }

    fn snapshot(&mut self, _: Snapshot, _: u64) {}

    fn log(&mut self, log: &Log) {
        if log.level >= Level::Warn {
            self.troubles.push(log.message.clone());
        }
    }
}

fn row(name: &str, times: &[Duration]) {
    if times.is_empty() {
        return println!("{name:<20} nothing measured");
    }
    let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e6).collect();
    times.sort_unstable_by(f64::total_cmp);
    let at = |per_mille: usize| times[(times.len() * per_mille / 1_000).min(times.len() - 1)];
    println!(
        "{name:<20} {:>7} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>9.1}",
        times.len(),
        at(500),
        at(900),
        at(990),
        at(999),
        times[times.len() - 1],
    );
}
