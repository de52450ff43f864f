//! The binary as a user runs it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
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
            .command(&["--set", "api.listen=127.0.0.1:0", "--set", "monitoring.prometheus_port=0"])
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
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let desk = Desk::new("pipe");
    let mut child = desk.command(&["check", "--schema"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    std::io::stderr().flush().unwrap();
}
