//! Clients that nobody here wrote, unchanged but for the base URL: `ccxt` and Binance's own SDK.
//!
//! They need `python3` with `pip install ccxt binance-sdk-derivatives-trading-usds-futures`; another
//! interpreter is named by `CLIENTS_PYTHON`. Without them the tests say loudly that they were
//! skipped.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use runtime::exchange::ExchangeConfig;

use crate::world::{KEYS, Served, config};

fn python() -> String {
    std::env::var("CLIENTS_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn run(script: &str, module: &str) {
    let probe = Command::new(python()).args(["-c", &format!("import {module}")]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("SKIPPED: {script} needs a Python with the module `{module}`");
        return;
    }
    let warm_up = Duration::from_secs(300); // some candles to fetch
    let served = Served::new(ExchangeConfig { warm_up, ..config() });
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/exchange/clients");
    let output = Command::new(python())
        .arg(folder.join(script))
        .args([&served.address.to_string(), KEYS[0].0, KEYS[0].1, &served.control.to_string()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let (said, complaints) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    eprintln!("{said}");
    assert!(output.status.success(), "{script} failed:\n{said}\n{complaints}");
}

#[test]
fn ccxt_over_rest() {
    run("ccxt_rest.py", "ccxt");
}

#[test]
fn ccxt_over_websockets() {
    run("ccxt_ws.py", "ccxt.pro");
}

#[test]
fn the_official_sdk() {
    run("official_sdk.py", "binance_sdk_derivatives_trading_usds_futures");
}
