//! The binary as a user runs it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

const TRADER: &str = env!("CARGO_BIN_EXE_trader");

/// A scratch folder, and the trader run in it.
struct Desk(PathBuf);

impl Desk {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mm-cli-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(TRADER);
        command.args(arguments).current_dir(&self.0);
        command.env_remove("BINANCE_API_KEY").env_remove("BINANCE_API_SECRET");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs with `--json`, expects success, returns the document.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn journal(&self) -> PathBuf {
        let folder = fs::read_dir(self.0.join("data/journal")).unwrap();
        folder.map(|entry| entry.unwrap().path()).max().unwrap()
    }

    /// Starts the demo in real time on free ports and waits for its address.
    fn start(&self) -> (Child, String) {
        let mut child = self
            .command(&FREE_PORTS)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
        (child, address.to_owned())
    }

    /// Waits until the running trader has orders in the book.
    fn until_quoting(&self, address: &str) {
        loop {
            let output = self.run(&["status", "--api", address, "--json"]);
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if status.to_string().contains("\"live\"") {
                return;
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// The configuration of the design, one key a line.
const VALID: &str = "\
strategy:
  name: basic_mm
  symbol: ETHUSDC
  base_spread: 0.001
  base_size: 0.01
  max_inventory: 0.05
  skew_factor: 0.3
  tick_interval: 5s
risk:
  daily_loss_limit: 100.0
  max_drawdown_limit: 0.03
  max_position: 0.1
  circuit_breaker: { threshold: 5, timeout: 5m }
logging: { level: info }
";

/// What is replaced, by what, and what the message must contain: line and key.
const BROKEN: [(&str, &str, &[&str]); 32] = [
    ("base_spread", "base_sprad", &[":4", "base_sprad", "base_spread"]),
    ("  name: basic_mm\n", "", &["strategy.name"]),
    ("basic_mm", "basicmm", &[":2", "strategy.name", "basic_mm"]),
    ("ETHUSDC", "DOGEUSDC", &["DOGEUSDC"]),
    ("ETHUSDC", "[ETHUSDC]", &[":3", "strategy.symbol"]),
    ("base_spread: 0.001", "base_spread: wide", &[":4", "base_spread", "wide"]),
    ("base_spread: 0.001", "base_spread: -0.001", &[":4", "base_spread", "-0.001"]),
    ("base_spread: 0.001", "base_spread: .nan", &[":4", "base_spread"]),
    ("base_spread: 0.001", "base_spread: 7", &[":4", "base_spread"]),
    ("base_size: 0.01", "base_size: -0.01", &[":5", "base_size", "-0.01"]),
    ("base_size: 0.01", "base_size: 0", &[":5", "base_size"]),
    ("base_size: 0.01", "base_size: 0.123456789", &[":5", "base_size"]),
    ("base_size: 0.01", "base_size: 0.0105", &["base_size", "0.0105", "0.001"]),
    ("base_size: 0.01", "base_size: 0.06", &[":5", "base_size", "max_inventory"]),
    ("base_size: 0.01", "base_size: ${SIZE_OF_NOTHING}", &[":5", "SIZE_OF_NOTHING"]),
    ("base_size: 0.01", "base_size: 0.01\n  base_size: 0.02", &["base_size", "twice"]),
    ("tick_interval: 5s", "tick_interval: 5", &[":8", "tick_interval", "5s"]),
    ("tick_interval: 5s", "tick_interval: soon", &[":8", "tick_interval"]),
    ("tick_interval: 5s", "\ttick_interval: 5s", &[":8", "tab"]),
    ("daily_loss_limit: 100.0", "daily_loss_limit: 0", &[":10", "daily_loss_limit"]),
    ("daily_loss_limit: 100.0", "daily_loss_limit: 1e99", &[":10", "daily_loss_limit"]),
    ("max_drawdown_limit: 0.03", "max_drawdown_limit: 3", &[":11", "max_drawdown_limit"]),
    ("max_position: 0.1", "max_position: 0.04", &["max_position", "max_inventory"]),
    ("max_position: 0.1", "max_position: ''", &[":12", "max_position"]),
    ("threshold: 5", "threshold: 0", &[":13", "threshold"]),
    ("threshold: 5", "threshold: many", &[":13", "threshold", "many"]),
    ("timeout: 5m }", "timeout: 5m", &[":1"]),
    ("level: info", "level: loud", &[":14", "level", "loud"]),
    ("level: info", "outputs: [file]", &["file_path"]),
    ("logging: { level: info }", "logging: verbose", &[":14", "logging"]),
    ("strategy:", "mode: both\nstrategy:", &[":1", "mode", "both"]),
    ("strategy:", "--- a\n--- b\nstrategy:", &["2"]),
];

fn refused(desk: &Desk, name: &str, content: &[u8], wanted: &[&str]) {
    fs::write(desk.0.join(name), content).unwrap();
    let output = desk.run(&["check", "--config", name]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{name}: {errors}");
    assert!(errors.contains(name), "{name}: {errors}");
    assert!(!errors.contains("panicked"), "{name}: {errors}");
    for wanted in wanted {
        assert!(errors.contains(wanted), "{name}: no {wanted:?} in {errors}");
    }
}

#[test]
fn every_broken_configuration_is_refused_with_exit_code_2() {
    let desk = Desk::new("broken");
    fs::write(desk.0.join("valid.yaml"), VALID).unwrap();
    let valid = desk.run(&["check", "--config", "valid.yaml"]);
    assert!(valid.status.success(), "{}", text(&valid.stderr));
    for (index, (from, to, wanted)) in BROKEN.iter().enumerate() {
        assert!(VALID.contains(from), "{from} is not in the valid file");
        let content = VALID.replacen(from, to, 1);
        refused(&desk, &format!("broken-{index}.yaml"), content.as_bytes(), wanted);
    }
    refused(&desk, "empty.yaml", b"", &["no configuration"]);
    refused(&desk, "comments.yaml", b"# nothing\n", &["no configuration"]);
    refused(&desk, "binary.yaml", &[0, 159, 146, 150, 255, 10, 0], &[]);
    refused(&desk, "huge.yaml", &b"# 0123456789\n".repeat(200_000), &["too large"]);
    refused(&desk, "deep.yaml", "[".repeat(10_000).as_bytes(), &[]);
    let missing = desk.run(&["check", "--config", "missing.yaml"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn all_faults_are_reported_at_once() {
    let desk = Desk::new("both");
    let content =
        VALID.replace("skew_factor", "skew_facter").replace("threshold: 5", "threshold: x");
    refused(&desk, "two.yaml", content.as_bytes(), &["skew_facter", "threshold", ":7", ":13"]);
}

#[test]
fn the_shipped_configurations_are_valid_in_both_spellings() {
    let desk = Desk::new("valid");
    for name in ["configs/config.yaml", "configs/demo.yaml"] {
        let path = project(name);
        let path = path.to_str().unwrap();
        for arguments in [["check", "--config", path], ["-config", path, "-check"]] {
            let output = desk.run(&arguments);
            assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        }
    }
    let schema = desk.run(&["check", "--schema"]);
    assert!(serde_json::from_slice::<Value>(&schema.stdout).unwrap().is_object());
}

#[test]
fn live_trading_is_refused_before_anything_happens() {
    let desk = Desk::new("live");
    let config = fs::read_to_string(project("configs/config.yaml")).unwrap();
    let config = config
        .replace("mode: paper", "mode: live")
        .replace("outputs: [\"stdout\", \"file\"]", "outputs: [stdout]");
    fs::write(desk.0.join("live.yaml"), config).unwrap();
    let output = desk
        .command(&["run", "--config", "live.yaml"])
        .envs([("BINANCE_API_KEY", "key"), ("BINANCE_API_SECRET", "very-secret")])
        .output()
        .unwrap();
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("mode: live"), "{errors}");
    assert!(!errors.contains("very-secret"), "{errors}");
    assert!(!desk.0.join("data").exists());
}

#[test]
fn a_seed_decides_a_run_and_its_journal_replays() {
    let desk = Desk::new("seed");
    let run = |seed: &str| desk.json(&["--seed", seed, "--speed", "max", "--for", "3m", "--json"]);
    let (first, second, other) = (run("5"), run("5"), run("6"));
    assert_eq!(first["state_hash"], second["state_hash"]);
    assert_ne!(first["state_hash"], other["state_hash"]);
    assert_eq!(first["venue_agrees"], true);
    assert!(first["venue"]["fills"].as_u64().unwrap() > 0);
    assert_eq!(first["venue"]["open_orders"], 0);

    let journal = desk.journal();
    let journal = journal.to_str().unwrap();
    let replayed = desk.json(&["replay", journal, "--verify", "--json"]);
    assert_eq!(replayed["same"], true);

    let segment = Path::new(journal).join("000001.mmj");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x20;
    fs::write(&segment, bytes).unwrap();
    let damaged = desk.run(&["replay", journal, "--verify"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(text(&damaged.stderr).contains("damaged at byte"), "{}", text(&damaged.stderr));
}

#[test]
fn recorded_data_gives_fills_a_split_and_the_same_hash_each_time() {
    let capture = project("../shared/data/binance-usdm/ethusdt_20240808.gz");
    if !capture.exists() {
        eprintln!("SKIPPED: {} is not there", capture.display());
        return;
    }
    let desk = Desk::new("capture");
    let capture = capture.to_str().unwrap();
    let run = || desk.json(&["--replay", capture, "--speed", "max", "--json"]);
    let (first, second) = (run(), run());
    assert_eq!(first["state_hash"], second["state_hash"]);
    assert_eq!(first["venue_agrees"], true);
    let fills = &first["engine"]["fills"];
    assert!(fills["buy"].as_u64().unwrap() + fills["sell"].as_u64().unwrap() > 0);
    assert_eq!(first["engine"]["orders"]["anomalies"], 0);
    assert_eq!(first["data"][0]["gaps"], 0);
    let replayed = desk.json(&["replay", desk.journal().to_str().unwrap(), "--verify", "--json"]);
    assert_eq!(replayed["state_hash"], second["state_hash"]);
}

#[test]
fn captures_that_are_none_are_named() {
    let desk = Desk::new("junk");
    fs::write(desk.0.join("empty"), "").unwrap();
    fs::write(desk.0.join("junk"), [0x1f, 0x8b, 1, 2, 3, 255, 0]).unwrap();
    fs::write(desk.0.join("prose"), "this is not a capture\nat all\n").unwrap();
    for name in ["empty", "junk", "prose", "missing"] {
        let output = desk.run(&["--replay", name, "--speed", "max"]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {errors}");
        assert!(errors.contains(name) && !errors.contains("panicked"), "{name}: {errors}");
    }
}

#[test]
fn a_terminated_demo_leaves_nothing_and_exits_0() {
    let desk = Desk::new("term");
    let (child, address) = desk.start();
    desk.until_quoting(&address);
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("no order left"), "{}", text(&output.stdout));
    let journal = desk.journal();
    let replayed = desk.json(&["replay", journal.to_str().unwrap(), "--verify", "--json"]);
    assert_eq!(replayed["same"], true);
}

#[test]
fn a_killed_demo_leaves_a_journal_that_replays() {
    let desk = Desk::new("kill");
    let (mut child, address) = desk.start();
    desk.until_quoting(&address);
    child.kill().unwrap();
    child.wait().unwrap();
    let journal = desk.journal();
    let replayed = desk.json(&["replay", journal.to_str().unwrap(), "--verify", "--json"]);
    assert_eq!(replayed["same"], true);
    assert!(replayed["turns"].as_u64().unwrap() > 0);
}

#[test]
fn operators_pause_resume_halt_and_flatten_from_the_command_line() {
    let desk = Desk::new("control");
    let (mut child, address) = desk.start();
    desk.until_quoting(&address);
    let status = || desk.json(&["status", "--api", &address, "--json"]);
    let act = |arguments: &[&str]| {
        let mut arguments = arguments.to_vec();
        arguments.extend(["--api", &address]);
        let output = desk.run(&arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    };
    let until = |what: &str, key: &str, wanted: Value| loop {
        if status()[key] == wanted {
            break;
        }
        assert!(!what.is_empty());
    };
    act(&["pause"]);
    until("paused", "paused", Value::Bool(true));
    act(&["resume"]);
    until("resumed", "paused", Value::Bool(false));
    act(&["breaker", "reset"]);
    act(&["halt"]);
    until("halted", "halted", Value::Bool(true));
    act(&["flatten"]);
    act(&["resume", "--clear-halt"]);
    until("not halted", "halted", Value::Bool(false));
    let refused = desk.run(&["reload", "--api", &address]);
    assert_eq!(refused.status.code(), Some(1), "the demo has no file to read again");

    let without = Desk::new("no-token");
    let refused = without.run(&["pause", "--api", &address]);
    assert!(text(&refused.stderr).contains("token"), "{}", text(&refused.stderr));
    signal(&child, "INT");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_configuration_is_reloaded_all_or_nothing() {
    let desk = Desk::new("reload");
    let config = fs::read_to_string(project("configs/demo.yaml")).unwrap();
    let config =
        format!("{config}\napi:\n  listen: \"127.0.0.1:0\"\nmonitoring:\n  prometheus_port: 0\n");
    let path = desk.0.join("config.yaml");
    fs::write(&path, &config).unwrap();
    let mut child =
        desk.command(&["run", "--config", "config.yaml"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let reload = || desk.run(&["reload", "--api", &address]);

    fs::write(&path, config.replace("max_inventory: 0.5", "max_inventory: 0.4")).unwrap();
    let accepted = reload();
    assert!(accepted.status.success(), "{}", text(&accepted.stderr));

    fs::write(&path, config.replace("max_inventory: 0.5", "max_inventory: -1")).unwrap();
    let refused = reload();
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("max_inventory"), "{}", text(&refused.stderr));

    fs::write(&path, config.replace("symbol: ETHUSDC", "symbol: BTCUSDC")).unwrap();
    let refused = reload();
    assert!(
        text(&refused.stderr).contains("cannot change while running"),
        "{}",
        text(&refused.stderr)
    );
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?} {}", output.status, text(&output.stderr));
    let journal = desk.journal();
    let replayed = desk.json(&["replay", journal.to_str().unwrap(), "--verify", "--json"]);
    assert_eq!(replayed["same"], true, "reloads are replayed too");
}

#[test]
fn a_port_in_use_is_named() {
    let desk = Desk::new("port");
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    let output = desk.run(&["--set", &format!("api.listen={address}")]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&address) && errors.contains("api.listen"), "{errors}");
    assert_eq!(fs::read_dir(&desk.0).unwrap().count(), 0, "a failed start leaves nothing");
}

const FREE_PORTS: [&str; 4] =
    ["--set", "api.listen=127.0.0.1:0", "--set", "monitoring.prometheus_port=0"];

#[test]
fn a_second_trader_in_a_folder_disturbs_nobody() {
    let desk = Desk::new("second");
    let (child, address) = desk.start();
    desk.until_quoting(&address);
    let token = fs::read(desk.0.join("data/api.token")).unwrap();
    let sessions = || fs::read_dir(desk.0.join("data/journal")).unwrap().count();

    let second = desk.run(&FREE_PORTS);
    let errors = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{errors}");
    assert!(errors.contains(&format!("process {}", child.id())), "{errors}");
    assert!(errors.contains("data.dir"), "{errors}");
    assert_eq!(fs::read(desk.0.join("data/api.token")).unwrap(), token);
    assert_eq!(sessions(), 1, "a refused start leaves no journal");

    let batch = desk.json(&["--speed", "max", "--for", "10s", "--json"]);
    assert_eq!(batch["venue_agrees"], true, "a batch run may share the folder");
    assert_eq!(fs::read(desk.0.join("data/api.token")).unwrap(), token);
    let halted = desk.run(&["halt", "--api", &address]);
    assert!(halted.status.success(), "{}", text(&halted.stderr));
    signal(&child, "TERM");
    assert!(child.wait_with_output().unwrap().status.success());

    let (child, _) = desk.start();
    assert_eq!(fs::read(desk.0.join("data/api.token")).unwrap(), token, "kept for the next one");
    signal(&child, "TERM");
    child.wait_with_output().unwrap();
}

#[test]
fn a_token_that_others_could_read_is_replaced() {
    let desk = Desk::new("token");
    let path = desk.0.join("data/api.token");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    fs::create_dir(desk.0.join("data")).unwrap();
    for (content, readable) in [("0123456789abcdef", 0o644), ("short", 0o600)] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(readable)).unwrap();
        let (child, _) = desk.start();
        assert_ne!(fs::read_to_string(&path).unwrap().trim(), content);
        assert_eq!(mode(&path), 0o600);
        signal(&child, "TERM");
        child.wait_with_output().unwrap();
    }
    assert_eq!(mode(&desk.0.join("data/lock")) & 0o137, 0);
}

#[test]
fn a_hangup_stops_the_demo() {
    let desk = Desk::new("hup");
    let (child, address) = desk.start();
    desk.until_quoting(&address);
    signal(&child, "HUP");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("no order left"), "{}", text(&output.stdout));
}

#[test]
fn a_hangup_reloads_the_configuration_of_a_run() {
    let desk = Desk::new("hup-run");
    let config = fs::read_to_string(project("configs/demo.yaml")).unwrap();
    let config = config.replace("level: error", "level: info")
        + "\napi:\n  listen: \"127.0.0.1:0\"\nmonitoring:\n  prometheus_port: 0\n";
    let path = desk.0.join("config.yaml");
    fs::write(&path, &config).unwrap();
    let mut child = desk
        .command(&["run", "--config", "config.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    let status = || desk.json(&["status", "--api", &address, "--json"]);
    desk.until_quoting(&address);
    let before = status()["config_hash"].clone();
    fs::write(&path, config.replace("max_inventory: 0.5", "max_inventory: 0.4")).unwrap();
    signal(&child, "HUP");
    while status()["desks"][0]["position"]["max_inventory"] != "0.4" {}
    assert_ne!(status()["config_hash"], before, "the active one is shown");
    fs::write(&path, config.replace("max_inventory: 0.5", "max_inventory: -1")).unwrap();
    signal(&child, "HUP");
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = text(&output.stdout);
    for wanted in ["session started", "(SIGHUP)", "max_inventory from 0.5 to 0.4", "session ended"]
    {
        assert!(log.contains(wanted), "no {wanted:?} in {log}");
    }
}

#[test]
fn with_json_standard_output_is_one_document_and_the_log_tells_the_story() {
    let desk = Desk::new("log");
    let output = desk.run(&[
        "--speed",
        "max",
        "--for",
        "2m",
        "--json",
        "--set",
        "logging.level=debug",
        "--set",
        "logging.format=json",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let summary: Value = serde_json::from_slice(&output.stdout).expect("one document");
    let lines: Vec<Value> = text(&output.stderr)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let of = |message: &str| lines.iter().filter(|line| line["message"] == message).count() as u64;
    let count = |key: &str| summary["engine"]["orders"][key].as_u64().unwrap();
    assert_eq!((of("place"), of("amend")), (count("placed"), count("amended")));
    let fills = &summary["engine"]["fills"];
    assert_eq!(of("fill"), fills["buy"].as_u64().unwrap() + fills["sell"].as_u64().unwrap());
    let started = lines.iter().find(|line| line["message"] == "session started").unwrap();
    for key in ["version", "commit", "config_hash", "session", "symbol", "mode", "journal"] {
        assert!(started[key].is_string(), "no {key} in {started}");
    }
    let ended = lines.last().unwrap();
    assert_eq!(ended["message"], "session ended");
    assert_eq!(ended["state_hash"], summary["state_hash"]);
    assert_eq!(
        lines.iter().filter(|line| line["level"] == "WARN" && line["target"] == "order").count(),
        0
    );
}

#[test]
fn a_log_that_cannot_be_written_is_complained_of_once() {
    let desk = Desk::new("full");
    let output = desk.run(&[
        "--speed",
        "max",
        "--for",
        "1m",
        "--json",
        "--set",
        "logging.level=debug",
        "--set",
        "logging.outputs=file",
        "--set",
        "logging.file_path=/dev/full",
    ]);
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors.matches("the log cannot be written: /dev/full").count(), 1, "{errors}");
}

/// A capture of so many depth changes without a snapshot before them.
fn headless_capture() -> String {
    let mut capture = String::new();
    for index in 0..400_u64 {
        let (recv, event) =
            (1_723_161_255_000_000_000 + index * 100_000_000, 1_723_161_255_000 + index * 100);
        let (first, last, previous) = (index * 10 + 1, index * 10 + 10, index * 10);
        capture += &format!(
            "{recv} {{\"stream\":\"ethusdt@depth@0ms\",\"data\":{{\"e\":\"depthUpdate\",\"E\":{event},\
             \"T\":{event},\"s\":\"ETHUSDT\",\"U\":{first},\"u\":{last},\"pu\":{previous},\
             \"b\":[[\"2600.00\",\"1.000\"]],\"a\":[[\"2600.10\",\"1.000\"]]}}}}\n"
        );
    }
    capture
}

#[test]
fn data_without_a_book_is_a_failure_and_says_what_is_missing() {
    let desk = Desk::new("headless");
    fs::write(desk.0.join("day2"), headless_capture()).unwrap();
    let output = desk.run(&["--replay", "day2", "--speed", "max"]);
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{shown}{errors}");
    assert!(shown.contains("NO SNAPSHOT"), "{shown}");
    assert!(errors.contains("give the preceding file first"), "{errors}");
    let output = desk.run(&["--replay", "day2", "--speed", "max", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["data"][0]["without_snapshot"], true);
    assert!(summary["failure"].as_str().unwrap().contains("day2"), "{summary}");
    assert_eq!(summary["engine"]["orders"]["placed"], 0);
}

#[test]
fn a_capture_that_breaks_off_is_summed_up_before_the_error() {
    let capture = project("../shared/data/binance-usdm/ethusdt_20240808.gz");
    if !capture.exists() {
        eprintln!("SKIPPED: {} is not there", capture.display());
        return;
    }
    let desk = Desk::new("cut");
    let whole = fs::read(capture).unwrap();
    fs::write(desk.0.join("cut.gz"), &whole[..whole.len() / 2]).unwrap();
    let output = desk.run(&["--replay", "cut.gz", "--speed", "max"]);
    let (shown, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(shown.contains("venue agrees") && shown.contains("no order left"), "{shown}");
    assert_eq!(errors.matches("cut.gz").count(), 1, "said once: {errors}");
}

#[test]
fn the_status_is_short_for_people_and_whole_for_programs() {
    let desk = Desk::new("status");
    let (child, address) = desk.start();
    desk.until_quoting(&address);
    let output = desk.run(&["status", "--api", &address]);
    let shown = text(&output.stdout);
    for wanted in ["mode", "ETHUSDC", "bid ", "position", "exposure", "PnL", "breaker", "dead-man"]
    {
        assert!(shown.contains(wanted), "no {wanted:?} in\n{shown}");
    }
    assert!((10..=16).contains(&shown.lines().count()), "{shown}");
    signal(&child, "TERM");
    child.wait_with_output().unwrap();
}

#[test]
fn somebody_else_on_the_port_is_no_trader() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let served = std::thread::Builder::new().spawn(move || {
        for body in ["<html>hello</html>", "{}"] {
            let (mut stream, _) = server.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    let desk = Desk::new("foreign");
    for _ in 0..2 {
        let output = desk.run(&["status", "--api", &address]);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        assert!(errors.contains("is this a trader?"), "{errors}");
    }
    served.unwrap().join().unwrap();
}

#[test]
fn usage_that_makes_no_sense_is_answered_with_sense() {
    let desk = Desk::new("usage");
    let cases: [(&[&str], i32, &str); 5] = [
        (&["--for", "-1s"], 2, "a number and a unit"),
        (&["--speed", "-1"], 2, "a number from 0.01 to 1000"),
        (&["--set", "mode=live"], 2, "trades on paper only"),
        (&["breaker", "reset", "--help"], 0, "Example: trader breaker reset"),
        (&["--set", "data.dir=/dev/null/x", "--speed", "max", "--for", "1s"], 1, "data.dir"),
    ];
    for (arguments, code, wanted) in cases {
        let output = desk.run(arguments);
        let shown = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {shown}");
        assert!(shown.contains(wanted), "{arguments:?}: {shown}");
        assert!(!shown.contains("demo.yaml"), "{arguments:?}: {shown}");
    }
}

#[test]
fn a_size_that_the_venue_would_not_take_is_a_warning() {
    let desk = Desk::new("small");
    let small = VALID.replace("base_size: 0.01", "base_size: 0.007");
    fs::write(desk.0.join("small.yaml"), small).unwrap();
    let output = desk.run(&["check", "--config", "small.yaml"]);
    assert!(output.status.success());
    let errors = text(&output.stderr);
    assert!(
        errors.contains("warning: strategy.base_size") && errors.contains("20 USDC"),
        "{errors}"
    );
    let json = desk.json(&["check", "--config", "small.yaml", "--json"]);
    assert_eq!(json["warnings"].as_array().unwrap().len(), 1);
    fs::write(desk.0.join("valid.yaml"), VALID).unwrap();
    let json = desk.json(&["check", "--config", "valid.yaml", "--json"]);
    assert_eq!(json["warnings"].as_array().unwrap().len(), 0);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new("pipe");
    let mut child = desk.command(&["check", "--schema"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    std::io::stderr().flush().unwrap();
}

#[test]
fn the_exchange_serves_binances_protocol_and_stops_clean() {
    let desk = Desk::new("exchange");
    let mut child = desk
        .command(&["exchange", "--listen", "127.0.0.1:0", "--api-key", "k", "--api-secret", "s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().split(' ').next().unwrap();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let request = "GET /fapi/v1/depth?symbol=ETHUSDC&limit=5 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).unwrap();
    let answer: Vec<String> = BufReader::new(socket).lines().map_while(Result::ok).collect();
    let answer = answer.join("\n");
    assert!(answer.contains("lastUpdateId") && answer.contains("bids"), "{answer}");
    signal(&child, "TERM");
    assert!(child.wait().unwrap().success());
}

#[test]
fn captured_messages_are_explained_one_document_a_line() {
    let desk = Desk::new("decode");
    let lines = "1723161255088165267 {\"stream\":\"ethusdt@bookTicker\",\"data\":{\"e\":\"bookTicker\",\
                 \"u\":1,\"s\":\"ETHUSDT\",\"b\":\"2681.62\",\"B\":\"1.165\",\"a\":\"2681.63\",\
                 \"A\":\"73.077\",\"T\":1,\"E\":2}}\n{\"code\":-2011,\"msg\":\"Unknown order sent.\"}\nnonsense\n";
    fs::write(desk.0.join("messages"), lines).unwrap();
    let output = desk.run(&["data", "decode", "messages"]);
    assert!(output.status.success());
    let shown = text(&output.stdout);
    let documents: Vec<Value> =
        shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents.len(), 3);
    assert_eq!(documents[0]["understood"]["bid"], "2681.62");
    assert_eq!(documents[2]["kind"], "malformed");
}
