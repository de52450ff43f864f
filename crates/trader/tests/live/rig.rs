//! Processes, their addresses, and questions to both sides.

use std::cell::Cell;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use binance::rest::{self, Params, Request, Security, Stamp, TradesFrom};
use binance::{Credentials, Method};
use market::{ClientOrderId, Decimal, Nanos};
use runtime::clock::Stopwatch;
use serde_json::Value;

pub(crate) const TRADER: &str = env!("CARGO_BIN_EXE_trader");
pub(crate) const SYMBOL: &str = "ETHUSDC";
pub(crate) const KEY: &str = "key-of-the-test";
pub(crate) const SECRET: &str = "secret-of-the-test";

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For whatever takes a second when nothing is wrong; the machine may be busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a condition and returns what it found. A condition that is not met in time is a failure
/// with `what` in it.
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(watch.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A port that is free now. Not one of those that the system gives to outgoing connections, so that
/// it is still free when a killed process wants it back.
pub(crate) fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = std::process::id() % 10_000;
    loop {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 12_000 + u16::try_from((start * 7 + step) % 20_000).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// A scratch folder. It stays when its test fails, with the logs of every process in it.
pub(crate) struct Desk {
    pub(crate) path: PathBuf,
    started: Cell<u32>,
}

impl Desk {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mm-live-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self { path, started: Cell::new(0) }
    }

    /// Starts the binary; what it says goes to files of the folder.
    pub(crate) fn start(&self, arguments: &[&str]) -> Process {
        self.start_with(arguments, &[])
    }

    pub(crate) fn start_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Process {
        let number = self.started.replace(self.started.get() + 1);
        let name = format!("{number:03}-{}", arguments[0]);
        let (out, err) =
            (self.path.join(format!("{name}.out")), self.path.join(format!("{name}.err")));
        let mut command = Command::new(TRADER);
        command.args(arguments).current_dir(&self.path).stdin(Stdio::null());
        for name in ["BINANCE_API_KEY", "BINANCE_API_SECRET", "HTTPS_PROXY", "https_proxy"] {
            command.env_remove(name);
        }
        for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Process { child: command.spawn().unwrap(), out, err }
    }

    /// Runs the binary to its end, which must be a good one, and reads the document it prints.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut process = self.start(arguments);
        let status = process.wait(PATIENCE);
        assert!(status.success(), "{arguments:?}: {}", process.said());
        serde_json::from_str(&fs::read_to_string(&process.out).unwrap()).unwrap()
    }

    /// Writes the configuration of the folder's trader.
    pub(crate) fn configure(&self, exchange: &str, changes: &[(&str, &str)]) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/simulated.yaml");
        let mut text = fs::read_to_string(shipped).unwrap();
        let always = [
            ("http://127.0.0.1:8080", exchange),
            ("api_key: k", &*format!("api_key: {KEY}")),
            ("api_secret: s", &*format!("api_secret: {SECRET}")),
            ("apply_settings: true", "apply_settings: false"),
            ("warmup: 2s", "warmup: 0s"),
            // Close to the market, so that the crowd trades with us within seconds.
            ("base_spread: 0.0006", "base_spread: 0.00002"),
            ("min_spread: 0.0004", "min_spread: 0.00002"),
            ("./data-simulated", "./data"),
        ];
        // What is quoted in a comment is not what counts.
        text = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        for (from, to) in always.iter().chain(changes) {
            assert!(text.contains(from), "{from:?} is not in the configuration:\n{text}");
            text = text.replacen(from, to, 1);
        }
        text += "\napi:\n  listen: 127.0.0.1:0\nmonitoring:\n  prometheus_port: 0\n";
        fs::write(self.path.join("config.yaml"), text).unwrap();
    }

    /// No process of the folder has failed an assertion of its own.
    pub(crate) fn assert_no_panic(&self) {
        for file in fs::read_dir(&self.path).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|kind| kind == "err") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(!text.contains("panicked"), "{}: {text}", path.display());
            }
        }
    }

    /// The newest journal.
    pub(crate) fn journal(&self) -> PathBuf {
        let folder = fs::read_dir(self.path.join("data/journal")).unwrap();
        folder.map(|entry| entry.unwrap().path()).max().unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the logs are in {}", self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A process of ours; killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Everything it has said so far.
    pub(crate) fn said(&self) -> String {
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        read(&self.out) + &read(&self.err)
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// SIGKILL, and it is gone on return.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        until("the process ends", limit, || self.ended())
    }

    /// Waits until it has said something, and returns what stands between two texts there; or how it
    /// ended without.
    fn told(&mut self, before: &str, after: &str) -> Result<String, ExitStatus> {
        until(before, PATIENCE, || {
            let ended = self.ended();
            let said = self.said();
            let rest = said.split_once(before).and_then(|(_, rest)| rest.split_once(after));
            rest.map(|(found, _)| Ok(found.to_owned())).or(ended.map(Err))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The simulated exchange.
pub(crate) struct Exchange {
    pub(crate) process: Process,
    /// `http://HOST:PORT`, or `https://`.
    pub(crate) base: String,
    control: Option<String>,
    credentials: Credentials,
    agent: ureq::Agent,
}

impl Exchange {
    pub(crate) fn start(desk: &Desk, options: &[&str]) -> Self {
        Self::at(desk, "127.0.0.1:0", options)
    }

    pub(crate) fn at(desk: &Desk, listen: &str, options: &[&str]) -> Self {
        Self::of(Self::spawn(desk, listen, options), options.contains(&"--control"))
    }

    pub(crate) fn spawn(desk: &Desk, listen: &str, options: &[&str]) -> Process {
        let mut arguments = vec!["exchange", "--listen", listen];
        arguments.extend(["--api-key", KEY, "--api-secret", SECRET]);
        if !options.contains(&"--leverage") {
            arguments.extend(["--leverage", "5"]);
        }
        arguments.extend(options);
        desk.start(&arguments)
    }

    /// Waits until it serves.
    pub(crate) fn of(mut process: Process, controlled: bool) -> Self {
        let mut told = |before: &str, after: &str| {
            let told = process.told(before, after);
            told.unwrap_or_else(|status| panic!("{status}: {}", process.said()))
        };
        let base = told("exchange: ", " serves");
        let control = controlled.then(|| told("faults:   ", "\n"));
        let credentials = Credentials::new(KEY, SECRET).unwrap();
        Self { process, base, control, credentials, agent: agent() }
    }

    /// A question or order of somebody who has the key.
    pub(crate) fn ask(&self, request: &Request) -> Value {
        self.try_ask(request).unwrap_or_else(|why| {
            let id = self.process.child.id();
            let state = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let state: String = state.lines().take(3).collect();
            panic!("{why}: process {id} is {state:?}: {}", self.process.said())
        })
    }

    fn try_ask(&self, request: &Request) -> Result<Value, String> {
        let window = Duration::from_secs(30);
        let stamp = Stamp { timestamp: self.time()?, window };
        let request = request.http(Some(&self.credentials), stamp).unwrap();
        let (url, key) = (format!("{}{}", self.base, request.target), "X-MBX-APIKEY");
        let name = request.api_key.unwrap_or_default();
        let answer = match request.method {
            Method::Get => self.agent.get(&url).header(key, name).call(),
            Method::Delete => self.agent.delete(&url).header(key, name).call(),
            Method::Post | Method::Put => {
                let form = "application/x-www-form-urlencoded";
                let call = self.agent.post(&url).header(key, name).content_type(form);
                call.send(&request.body)
            }
        };
        read(answer, &url)
    }

    /// The venue's clock.
    pub(crate) fn time(&self) -> Result<Nanos, String> {
        let url = format!("{}/fapi/v1/time", self.base);
        let answer = read(self.agent.get(&url).call(), &url)?;
        Ok(Nanos::from_millis(answer["serverTime"].as_u64().ok_or("no time")?))
    }

    /// Our open orders.
    pub(crate) fn open_orders(&self) -> Vec<ClientOrderId> {
        let orders = self.ask(&rest::open_orders(Some(SYMBOL)));
        let ids = orders.as_array().unwrap().iter();
        ids.filter_map(|order| order["clientOrderId"].as_str().unwrap().parse().ok()).collect()
    }

    pub(crate) fn position(&self) -> Decimal {
        let rows = self.ask(&rest::position_risk(SYMBOL));
        let rows = rows.as_array().unwrap();
        Decimal::from_units(rows.iter().map(|row| decimal(&row["positionAmt"]).units()).sum())
    }

    /// How many trades the account ever had, and what they come to.
    pub(crate) fn traded(&self) -> (usize, Decimal) {
        let (mut count, mut sum, mut from) = (0, 0, 0);
        loop {
            let page = self.ask(&rest::user_trades(SYMBOL, TradesFrom::Id(market::TradeId(from))));
            let page = page.as_array().unwrap();
            for trade in page {
                let qty = decimal(&trade["qty"]).units();
                sum += if trade["buyer"] == true { qty } else { -qty };
                from = from.max(trade["id"].as_i64().unwrap() + 1);
            }
            count += page.len();
            if page.is_empty() {
                return (count, Decimal::from_units(sum));
            }
        }
    }

    /// Every order there ever was.
    pub(crate) fn all_orders(&self) -> Vec<Value> {
        let params = Params::new().text("symbol", SYMBOL).integer("limit", 1_000);
        let request = Request::new(Method::Get, "/fapi/v1/allOrders", params);
        let request = Request { security: Security::Signed, ..request };
        self.ask(&request).as_array().unwrap().clone()
    }

    /// Replaces all faults.
    pub(crate) fn set_faults(&self, faults: &Value) {
        self.command("faults", faults);
    }

    pub(crate) fn act(&self, action: &Value) {
        self.command("actions", action);
    }

    fn command(&self, path: &str, body: &Value) {
        let url = format!("{}/{path}", self.control.as_ref().unwrap());
        if let Err(error) = read(self.agent.post(&url).send_json(body), &url) {
            panic!("{body}: {error}");
        }
    }
}

/// The market maker.
pub(crate) struct Trader {
    pub(crate) process: Process,
    base: String,
    agent: ureq::Agent,
}

impl Trader {
    /// Starts it with the folder's configuration, and waits for its console.
    pub(crate) fn start(desk: &Desk) -> Self {
        Self::of(Self::spawn(desk))
    }

    pub(crate) fn spawn(desk: &Desk) -> Process {
        desk.start(&["run", "--config", "config.yaml"])
    }

    pub(crate) fn of(process: Process) -> Self {
        Self::try_of(process).unwrap_or_else(|(status, said)| panic!("{status}: {said}"))
    }

    /// Waits for its console, or how it ended and what it said instead.
    pub(crate) fn try_of(mut process: Process) -> Result<Self, (ExitStatus, String)> {
        let told = process.told("console: http://", "/").map_err(|status| (status, process.said()));
        Ok(Self { base: format!("http://{}", told?), process, agent: agent() })
    }

    /// What a path of its API answers; `None` while it does not.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let url = format!("{}{path}", self.base);
        read(self.agent.get(&url).call(), &url).ok()
    }

    pub(crate) fn metrics(&self) -> String {
        let url = format!("{}/metrics", self.base);
        self.agent.get(&url).call().unwrap().body_mut().read_to_string().unwrap()
    }

    /// Waits until its status is as wanted, and returns it.
    pub(crate) fn until(&mut self, what: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        let (mut last, watch) = (Value::Null, Stopwatch::start());
        loop {
            if let Some(ended) = self.process.ended() {
                panic!("{ended} while waiting until it {what}: {}", self.process.said());
            }
            if let Some(status) = self.get("/api/status") {
                if is(&status) {
                    return status;
                }
                last = status;
            }
            if watch.elapsed() >= PATIENCE {
                let brief = (&last["reasons"], &last["desks"][0]["orders"], &last["link"]);
                panic!("not within {PATIENCE:?}: {what}; {brief:?}\n{}", self.process.said());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until it quotes both sides with everything in order.
    pub(crate) fn until_quoting(&mut self) -> Value {
        self.until("quotes", quotes)
    }

    /// Ctrl-C: a clean end that both sides agree on.
    pub(crate) fn stop(&mut self) {
        self.process.signal("INT");
        let status = self.process.wait(PATIENCE);
        let said = self.process.said();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("yes: position and wallet equal, no order left"), "{said}");
    }
}

/// Whether a status tells of a trader that quotes, with live orders and every stream up.
pub(crate) fn quotes(status: &Value) -> bool {
    let orders = status["desks"][0]["orders"].as_array();
    let has_live = orders.is_some_and(|orders| orders.iter().any(|o| o["state"] == "live"));
    status["mode"] == "quoting" && has_live && all_up(status)
}

pub(crate) fn all_up(status: &Value) -> bool {
    let streams = status["link"]["streams"].as_array();
    streams.is_some_and(|streams| {
        streams.len() == 5 && streams.iter().all(|stream| stream["up"] == true)
    })
}

/// Times a stream was lost.
pub(crate) fn losses(status: &Value, stream: &str) -> u64 {
    let streams = status["link"]["streams"].as_array().unwrap();
    let stream = streams.iter().find(|row| row["name"] == stream).unwrap();
    stream["reconnects"].as_u64().unwrap()
}

/// Executions of the session.
pub(crate) fn fills(status: &Value) -> u64 {
    let counters = &status["desks"][0]["counters"];
    counters["fills_buy"].as_u64().unwrap() + counters["fills_sell"].as_u64().unwrap()
}

pub(crate) fn decimal(value: &Value) -> Decimal {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a decimal"));
    Decimal::from_str(text).unwrap()
}

/// Both sides have the same position, and the trader knows every open order. They are asked one after
/// the other while trading goes on, so they are asked until they agree.
pub(crate) fn until_agreed(exchange: &Exchange, trader: &Trader) {
    let mut seen = String::new();
    let watch = Stopwatch::start();
    loop {
        let open = exchange.open_orders();
        let (position, orders) = (trader.get("/api/position"), trader.get("/api/orders"));
        if let (Some(position), Some(orders)) = (position, orders) {
            let (known, position) = (
                &position["positions"][0]["known"] == true,
                decimal(&position["positions"][0]["position"]),
            );
            let orders = orders["orders"].as_array().unwrap().iter();
            let ids: Vec<ClientOrderId> =
                orders.map(|order| order["client_id"].as_str().unwrap().parse().unwrap()).collect();
            let venue = exchange.position();
            if known && position == venue && open.iter().all(|id| ids.contains(id)) {
                return;
            }
            seen = format!("position {position} and {venue}, orders {ids:?} and {open:?}");
        }
        assert!(watch.elapsed() < PATIENCE, "no agreement: {seen}\n{}", trader.process.said());
        std::thread::sleep(LOOK_EVERY);
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(10)))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent()
}

type Answered = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn read(answer: Answered, url: &str) -> Result<Value, String> {
    let path = url.split('?').next().unwrap_or_default();
    let mut response = answer.map_err(|error| format!("{path}: {error}"))?;
    let text = response.body_mut().read_to_string().map_err(|e| format!("{path}: {e}"))?;
    if !response.status().is_success() {
        return Err(format!("{path}: {} {text}", response.status()));
    }
    serde_json::from_str(&text).map_err(|error| format!("{path}: {error}: {text}"))
}
