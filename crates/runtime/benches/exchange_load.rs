//! What `trader exchange` sustains over real sockets: orders placed and canceled, over REST and the
//! WS API, with the processor time and memory of the exchange's own process.
//!
//! `cargo bench -p runtime --bench exchange_load -- [--orders N] [--connections N] [--depth N]
//! [--protocol rest|ws] [--state DIR] [--quiet-market] [--resting N] [--listen]
//! [--core N]`
//!
//! The exchange runs as a child process: this binary again, with `--serve`. The client is one
//! thread. An order counts twice, placed and canceled; `depth` of them are under way on each
//! connection. `--resting` orders of the account stay in the book all the time, and with `--listen`
//! a second thread reads its user events. `--core` pins the exchange to one core (`taskset`).

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use binance::Credentials;
use binance::server::LimitRules;
use market::{Decimal, Instrument, InstrumentId};
use runtime::clock::{self, Stopwatch};
use runtime::exchange::{self, Account, ExchangeConfig, Listeners};
use sim_exchange::{CrowdConfig, SimConfig};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket};

const KEY: &str = "load";
const SECRET: &str = "a-secret-for-the-load";

struct Options {
    orders: usize,
    connections: usize,
    depth: usize,
    websocket: bool,
    state: Option<String>,
    quiet: bool,
    resting: usize,
    listen: bool,
    core: Option<String>,
    serve: bool,
}

fn options() -> Options {
    let mut options = Options {
        orders: 100_000,
        connections: 8,
        depth: 1,
        websocket: false,
        state: None,
        quiet: false,
        resting: 0,
        listen: false,
        core: None,
        serve: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} wants a value"));
        match argument.as_str() {
            "--orders" => options.orders = value().parse().expect("a number"),
            "--connections" => options.connections = value().parse().expect("a number"),
            "--depth" => options.depth = value().parse().expect("a number"),
            "--protocol" => options.websocket = value() == "ws",
            "--state" => options.state = Some(value()),
            "--quiet-market" => options.quiet = true,
            "--resting" => options.resting = value().parse().expect("a number"),
            "--listen" => options.listen = true,
            "--core" => options.core = Some(value()),
            "--serve" => options.serve = true,
            _ => {} // what `cargo bench` adds
        }
    }
    options
}

fn main() {
    let options = options();
    if options.serve { serve(&options) } else { load(&options) }
}

fn serve(options: &Options) {
    let instrument = Instrument::known(InstrumentId(0), "ETHUSDC").expect("a known symbol");
    let balance = Decimal::from_units(1_000_000 * Decimal::SCALE);
    let accounts = vec![Account::new(KEY, SECRET, balance)];
    let most = 1_000_000_000;
    let mut config = ExchangeConfig {
        state: options.state.as_ref().map(Into::into),
        limits: LimitRules {
            weight_per_minute: most,
            orders_per_10s: most,
            orders_per_minute: most,
        },
        warm_up: Duration::from_secs(5),
        ..ExchangeConfig::new(instrument.clone(), accounts)
    };
    if options.quiet {
        let sim = SimConfig::new(instrument, 1, clock::now());
        let crowd = CrowdConfig { makers: 2, ..CrowdConfig::none() };
        config.market = Some(SimConfig { crowd, ..sim });
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let listeners = Listeners::bind(&config).await.expect("a port");
        println!("{}", listeners.address().expect("an address"));
        let served = exchange::serve(config, listeners, std::future::pending()).await;
        served.expect("the exchange serves");
    });
}

/// The exchange's process.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(options: &Options) -> Self {
        let own = std::env::current_exe().expect("our own path");
        let mut command = match &options.core {
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", core]).arg(own);
                command
            }
            None => Command::new(own),
        };
        command.arg("--serve").stdout(Stdio::piped());
        if let Some(folder) = &options.state {
            command.args(["--state", folder]);
        }
        if options.quiet {
            command.arg("--quiet-market");
        }
        let mut child = command.spawn().expect("a child");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        output.read_line(&mut line).expect("its address");
        Self { address: line.trim().parse().expect("an address"), child }
    }

    /// Processor time so far, in microseconds.
    fn cpu_us(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("/proc");
        let fields: Vec<_> = text.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<u64>().expect("a number");
        (ticks(11) + ticks(12)) * 10_000
    }

    fn memory_mb(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(path).expect("/proc");
        let line = text.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
        line.split_whitespace().nth(1).expect("a value").parse::<f64>().expect("a number") / 1_024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection, whichever protocol it speaks.
enum Line {
    Rest(BufReader<TcpStream>, String),
    Socket(Box<WebSocket<MaybeTlsStream<TcpStream>>>),
}

impl Line {
    fn open(options: &Options, address: SocketAddr) -> Self {
        if options.websocket {
            let url = format!("ws://{address}/ws-fapi/v1");
            let (mut socket, _) = tungstenite::connect(url).expect("a WebSocket");
            if let MaybeTlsStream::Plain(stream) = socket.get_mut() {
                stream.set_nodelay(true).expect("no delay");
            }
            return Self::Socket(Box::new(socket));
        }
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self::Rest(BufReader::with_capacity(64 * 1_024, stream), String::new())
    }

    fn queue(&mut self, key: &Credentials, places: bool, name: &str, now: u64) {
        match self {
            Self::Rest(_, out) => {
                let (method, text) = if places {
                    (
                        "POST",
                        format!(
                            "symbol=ETHUSDC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=2300.00&newClientOrderId={name}&recvWindow=60000&timestamp={now}"
                        ),
                    )
                } else {
                    (
                        "DELETE",
                        format!(
                            "symbol=ETHUSDC&origClientOrderId={name}&recvWindow=60000&timestamp={now}"
                        ),
                    )
                };
                let signature = key.sign(text.as_bytes());
                out.push_str(&format!("{method} /fapi/v1/order?{text}&signature={signature} HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {KEY}\r\n\r\n"));
            }
            Self::Socket(socket) => {
                let text = if places {
                    format!(
                        "apiKey={KEY}&newClientOrderId={name}&price=2300.00&quantity=0.01&recvWindow=60000&side=BUY&symbol=ETHUSDC&timeInForce=GTC&timestamp={now}&type=LIMIT"
                    )
                } else {
                    format!(
                        "apiKey={KEY}&origClientOrderId={name}&recvWindow=60000&symbol=ETHUSDC&timestamp={now}"
                    )
                };
                let signature = key.sign(text.as_bytes());
                let fields = text.replace('=', "\":\"").replace('&', "\",\"");
                let method = if places { "order.place" } else { "order.cancel" };
                let frame = format!(
                    r#"{{"id":"{name}","method":"{method}","params":{{"{fields}","signature":"{signature}"}}}}"#
                );
                socket.write(Message::text(frame)).expect("a frame");
            }
        }
    }

    fn flush(&mut self) {
        match self {
            Self::Rest(stream, out) => {
                stream.get_mut().write_all(out.as_bytes()).expect("written");
                out.clear();
            }
            Self::Socket(socket) => socket.flush().expect("written"),
        }
    }

    /// The next answer; it must be a good one.
    fn answer(&mut self) {
        match self {
            Self::Rest(stream, _) => {
                let (mut line, mut length, mut good) = (String::new(), 0, false);
                loop {
                    line.clear();
                    stream.read_line(&mut line).expect("a head");
                    if line == "\r\n" {
                        break;
                    }
                    good |= line.starts_with("HTTP/1.1 200");
                    if let Some(value) = line.strip_prefix("content-length: ") {
                        length = value.trim().parse().expect("a length");
                    }
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).expect("a body");
                assert!(good, "{}", String::from_utf8_lossy(&body));
            }
            Self::Socket(socket) => loop {
                if let Message::Text(text) = socket.read().expect("an answer") {
                    assert!(text.contains("\"status\":200"), "{text}");
                    return;
                }
            },
        }
    }
}

fn load(options: &Options) {
    let server = Server::start(options);
    let key = Credentials::hmac(KEY, SECRET).expect("a key");
    let open = |_| Line::open(options, server.address);
    let mut lines: Vec<Line> = (0..options.connections).map(open).collect();
    if options.listen {
        listen(server.address);
    }
    for number in 0..options.resting {
        let name = format!("resting-{number}");
        lines[0].queue(&key, true, &name, clock::now().as_millis());
        lines[0].flush();
        lines[0].answer();
    }
    round(options, &mut lines, &key, &mut Vec::new(), 0);
    let (memory, cpu, watch) = (server.memory_mb(), server.cpu_us(), Stopwatch::start());
    let mut latencies = Vec::new();
    let mut rounds = 0;
    let per_round = options.connections * options.depth;
    while rounds * per_round < options.orders {
        rounds += 1;
        round(options, &mut lines, &key, &mut latencies, rounds);
    }
    let (elapsed, cpu) = (watch.elapsed(), server.cpu_us() - cpu);
    let requests = rounds * per_round * 2;
    latencies.sort_unstable();
    let share = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize].as_micros();
    println!(
        "{} requests in {:.2} s: {:.0}/s; latency p50 {} p99 {} p99.9 {} max {} us; server {:.1} us \
         of processor time each; memory {:.1} -> {:.1} MB",
        requests,
        elapsed.as_secs_f64(),
        requests as f64 / elapsed.as_secs_f64(),
        share(0.5),
        share(0.99),
        share(0.999),
        share(1.0),
        cpu as f64 / requests as f64,
        memory,
        server.memory_mb(),
    );
}

/// Reads the user events of the account from now on.
fn listen(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let ask = format!(
        "POST /fapi/v1/listenKey HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: {KEY}\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let key = answer.split("\"listenKey\":\"").nth(1).and_then(|rest| rest.split('"').next());
    let url = format!("ws://{address}/private/ws/{}", key.expect("a listen key"));
    let (mut socket, _) = tungstenite::connect(url).expect("a WebSocket");
    let read = move || while socket.read().is_ok() {};
    std::thread::Builder::new().spawn(read).expect("a thread");
}

/// Places `depth` orders on each connection, then cancels them.
fn round(
    options: &Options,
    lines: &mut [Line],
    key: &Credentials,
    latencies: &mut Vec<Duration>,
    number: usize,
) {
    for places in [true, false] {
        let now = clock::now().as_millis();
        let mut watches = Vec::new();
        for (index, line) in lines.iter_mut().enumerate() {
            for slot in 0..options.depth {
                let name = format!("{number}-{index}-{slot}");
                line.queue(key, places, &name, now);
            }
            watches.push(Stopwatch::start());
            line.flush();
        }
        for (line, watch) in lines.iter_mut().zip(watches) {
            for _ in 0..options.depth {
                line.answer();
                latencies.push(watch.elapsed());
            }
        }
    }
}
