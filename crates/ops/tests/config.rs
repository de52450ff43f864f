//! Configuration through its public surface: what loads, and how everything else is refused.

mod broken;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use expect_test::{Expect, expect};
use market::Decimal;
use ops::config::keys::{self, Reload};
use ops::config::{
    Config, Faults, LogOutput, Mode, Secret, documented, json_schema, load, load_with, parse,
    parse_recorded, parse_with,
};
use proptest::prelude::*;

/// A valid configuration of one line per key, so that tests can name lines.
const BASE: &str = "\
mode: paper
exchange:
  name: binance
  api_key: kkk
  api_secret: sss
strategy:
  name: basic_mm
  symbol: ETHUSDC
  base_spread: 0.001
  base_size: 0.01
  max_inventory: 0.05
risk:
  daily_loss_limit: 100.0
  max_drawdown_limit: 0.03
  max_position: 0.1
  circuit_breaker:
    threshold: 5
    timeout: 5m
";

/// The file of design.md, section 4, as it stands there.
const DESIGN: &str = r#"exchange:   { name: "binance", api_key: "${BINANCE_API_KEY}", api_secret: "${BINANCE_API_SECRET}", testnet: false }
strategy:   { name: "basic_mm", symbol: "ETHUSDC", base_spread: 0.001, base_size: 0.01, max_inventory: 0.05, skew_factor: 0.3, tick_interval: 5s }
risk:       { daily_loss_limit: 100.0, max_drawdown_limit: 0.03, max_position: 0.1, circuit_breaker: { threshold: 5, timeout: 5m } }
monitoring: { prometheus_port: 9090, metrics_interval: 5s }
logging:    { level: "info", format: "json", outputs: ["stdout", "file"], file_path: "/var/log/market-maker/app.log", max_size: 100, max_backups: 10, max_age: 30 }
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "BINANCE_API_KEY" => Some("key-of-the-environment".into()),
        "BINANCE_API_SECRET" => Some("secret-of-the-environment".into()),
        "WORD" => Some("abc".into()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(text: impl AsRef<[u8]>) -> Result<Config, Faults> {
    parse("c.yaml", text, &environment)
}

fn good(text: &str) -> Config {
    read(text).unwrap_or_else(|faults| panic!("refused:\n{faults}"))
}

/// The faults of `text`, one a line.
fn faults(text: impl AsRef<[u8]>, expected: Expect) {
    let faults = read(text).expect_err("must be refused");
    expected.assert_eq(&format!("{faults}\n"));
}

/// The faults of the valid file with `line` replaced (or, with an empty replacement, removed).
fn broken(line: &str, replacement: &str, expected: Expect) {
    let found = BASE.lines().filter(|l| l.trim() == line).count();
    assert_eq!(found, 1, "the valid file has one line '{line}'");
    let changed = BASE.replacen(line, replacement, 1);
    faults(changed, expected);
}

/// The faults of the valid file with `section` added at its end, from line 19.
fn added(section: &str, expected: Expect) {
    faults(format!("{BASE}{section}"), expected);
}

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ops-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

// What loads.

#[test]
fn the_file_of_the_design_loads_with_and_without_keys() {
    let config = good(DESIGN);
    assert_eq!(config.mode, Mode::Paper);
    assert_eq!(config.exchange.api_key.as_ref().unwrap().expose(), "key-of-the-environment");
    assert_eq!(config.risk.daily_loss_limit, "100".parse().unwrap());
    assert_eq!(config.logging.outputs, [LogOutput::Stdout, LogOutput::File]);
    let config = parse("c.yaml", DESIGN, &|_| None).unwrap();
    assert_eq!(config.exchange.api_key, None);
}

#[test]
fn the_shipped_files_load() {
    let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");
    for entry in fs::read_dir(configs).unwrap() {
        let path = entry.unwrap().path();
        load(&path, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot of every key")]
fn defaults_are_complete_and_printed() {
    expect![[r#"
        mode: paper
        exchange:
          name: binance
          api_key: "***"
          api_secret: "***"
          testnet: false
          network: mainnet
          paths: routed
          order_path: ws_api
          connections: 1
          recv_window: 1500ms
          max_clock_offset: 1s
          leverage: 5
          apply_settings: false
          allow_withdrawals: false
          ack_timeout: 2s
          reconcile_interval: 30s
          fees:
            maker: 0
            taker: 0.0004
          dead_man:
            countdown: 30s
            refresh: 10s
        strategy:
          name: basic_mm
          symbol: "ETHUSDC"
          base_spread: 0.001
          base_size: 0.01
          max_inventory: 0.05
          skew_factor: 0
          tick_interval: 5s
          levels: 1
          level_spacing: 0.0005
          min_spread: 0
          max_spread: 0.05
          fee_edge: 0
          requote:
            on: event
            min_interval: 250ms
            price_tolerance: 0.1
            size_tolerance: 0.25
            amend: true
          volatility:
            estimator: ewma
            grid: 1s
            half_life: 30s
            bar: 10s
            bars: 30
            warmup: 10s
            floor: 0.00001
            cap: 0.001
          dynamic_spread:
            enabled: false
            vol_multiplier: 1
            horizon: 10s
            inventory_widen: 0
            imbalance_widen: 0
            depth_widen: 0
            depth_reference: 10
            depth_levels: 5
        risk:
          daily_loss_limit: 100
          max_drawdown_limit: 0.03
          max_position: 0.1
          max_order_value: 1000
          max_order_qty: 0.1
          price_collar: 0.02
          max_orders_per_second: 20
          max_orders_per_minute: 600
          max_open_orders: 40
          max_book_age: 2s
          circuit_breaker:
            threshold: 5
            timeout: 5m
          flatten:
            patience: 5s
            slippage: 0.002
        monitoring:
          prometheus_port: 9090
          metrics_interval: 5s
        api:
          listen: "127.0.0.1:9100"
        logging:
          level: info
          format: json
          outputs: [stdout]
          max_size: 100
          max_backups: 10
          max_age: 30
        data:
          dir: "./data"
          journal:
            enabled: true
            max_bytes: 10737418240
            max_age: 30d
        store:
          enabled: true
          trader: "trader"
          halt_after: 0ms
          pnl_interval: 10s
        simulation:
          seed: 1
          balance: 5000
          latency:
            feed: 2ms
            entry: 5ms
            response: 5ms
    "#]]
    .assert_eq(&good(BASE).canonical_yaml());
}

#[test]
fn the_printed_configuration_reads_back_equal() {
    for text in [BASE.to_owned(), DESIGN.to_owned(), every_key()] {
        let config = good(&text);
        let printed = config.canonical_yaml();
        let again = good(&printed);
        assert_eq!(again.canonical_yaml(), printed);
        assert_eq!(again.config_hash(), config.config_hash());
        let masked = |config: &Config| {
            let mut config = config.clone();
            (config.exchange.api_key, config.exchange.api_secret) = (None, None);
            (config.exchange.proxy, config.api.token) = (None, None);
            config.store.url = None;
            config
        };
        assert_eq!(masked(&again), masked(&config));
    }
}

/// A file that gives every key, each a value other than its default.
fn every_key() -> String {
    String::from(
        r#"
mode: paper
exchange:
  name: binance
  api_key: a
  api_secret: b
  testnet: false
  network: custom
  base_url: "http://localhost:8080"
  paths: legacy
  arm: "BTCUSDT mainnet"
  order_path: rest
  connections: 2
  recv_window: 1s
  max_clock_offset: 500ms
  leverage: 20
  apply_settings: true
  allow_withdrawals: true
  proxy: "socks5://me:word@proxy:1080"
  ca_file: /tmp/ca.pem
  ack_timeout: 1500ms
  reconcile_interval: 15s
  fees: { maker: -0.00005, taker: 0.00045 }
  dead_man: { countdown: 60s, refresh: 20s }
strategy:
  name: basic_mm
  symbol: BTCUSDT
  base_spread: 2e-3
  base_size: "0.02"
  max_inventory: 0.07
  skew_factor: 1
  tick_interval: 1m
  levels: 3
  level_spacing: 0.001
  min_spread: 0.0001
  max_spread: 0.03
  fee_edge: 0.0001
  requote: { on: interval, min_interval: 0ms, price_tolerance: 0.3, size_tolerance: 1, amend: false }
  volatility: { estimator: yang_zhang, grid: 500ms, half_life: 1m, bar: 30s, bars: 20, warmup: 0s, floor: 0.00002, cap: 0.002 }
  dynamic_spread: { enabled: true, vol_multiplier: 2.5, horizon: 5s, inventory_widen: 0.5, imbalance_widen: 0.25, depth_widen: 0.125, depth_reference: 33.5, depth_levels: 7 }
risk:
  daily_loss_limit: 12.34567891
  max_drawdown_limit: 0.5
  max_position: 0.2
  max_order_value: 2000
  max_order_qty: 0.15
  price_collar: 0.03
  max_orders_per_second: 10
  max_orders_per_minute: 300
  max_open_orders: 20
  max_book_age: 5s
  circuit_breaker: { threshold: 3, timeout: 1d }
  flatten: { patience: 0s, slippage: 0.01 }
monitoring: { prometheus_port: 0, metrics_interval: 1s }
api: { listen: "0.0.0.0:8080", token: "t$${WORD}" }
logging: { level: debug, format: pretty, outputs: [file], file_path: "/tmp/ö \"quoted\" ${WORD}/$${NOT}.log", max_size: 1, max_backups: 0, max_age: 1 }
data: { dir: /tmp/x, journal: { enabled: false, max_bytes: 1048576, max_age: 2d } }
store: { enabled: false, url: "postgres://me:hunter2@db/mm", ca_file: /tmp/pg.pem, trader: desk-1, halt_after: 5m, pnl_interval: 1m }
simulation: { seed: 18446744073709551615, balance: 1, latency: { feed: 0ms, entry: 1ms, response: 2ms } }
"#,
    )
}

#[test]
fn every_key_is_read_into_its_own_field() {
    let config = good(&every_key());
    let base = good(BASE);
    let changed: Vec<&str> = base.changes(&config).iter().map(|c| c.key.path).collect();
    let unchanged: Vec<&str> =
        keys::all().iter().map(|key| key.path).filter(|path| !changed.contains(path)).collect();
    // The words with one value only, the mode, the files that exclude what is given inline, and
    // the test network, which excludes an address.
    expect![[r#"
        mode
        exchange.name
        exchange.api_key_file
        exchange.api_secret_file
        exchange.testnet
        strategy.name
        api.token_file
        store.url_file
    "#]]
    .assert_eq(&format!("{}\n", unchanged.join("\n")));
    assert_eq!(
        config.logging.file_path.unwrap(),
        PathBuf::from("/tmp/ö \"quoted\" abc/${NOT}.log")
    );
    assert_eq!(config.simulation.seed, u64::MAX);
    assert_eq!(config.exchange.fees.maker, Decimal::from_units(-5000));
    assert_eq!(config.api.token.unwrap().expose(), "t${WORD}");
}

/// The valid file with a line added to its section `exchange`.
fn with_exchange(line: &str) -> String {
    BASE.replacen("name: binance", &format!("name: binance\n  {line}"), 1)
}

#[test]
fn the_test_network_has_two_spellings() {
    use ops::config::Network;
    let network = |line: &str| good(&with_exchange(line)).exchange.network;
    assert_eq!(network("testnet: false"), Network::Mainnet);
    assert_eq!(network("testnet: true"), Network::Testnet);
    assert_eq!(network("network: testnet"), Network::Testnet);
    assert_eq!(network("testnet: true\n  network: testnet"), Network::Testnet);
    assert_eq!(network("testnet: false\n  network: demo"), Network::Demo);
    let printed = good(&with_exchange("testnet: true")).canonical_yaml();
    assert_eq!(good(&printed).exchange.network, Network::Testnet);
    let set = [("exchange.testnet", "true")];
    let config = parse_with("c.yaml", BASE, &environment, &set).unwrap();
    assert_eq!(config.exchange.network, Network::Testnet);
}

#[test]
fn addresses_of_an_exchange() {
    let url = |url: &str| read(with_exchange(&format!("network: custom\n  base_url: '{url}'")));
    for good in [
        "http://127.0.0.1:8080",
        "https://exchange.example",
        "http://localhost/",
        "http://[::1]:8080",
        "https://[fe80::1]",
    ] {
        let config = url(good).unwrap_or_else(|faults| panic!("{good}: {faults}"));
        let bare = good.trim_end_matches('/');
        assert_eq!(config.exchange.base_url.unwrap().as_str(), bare);
    }
    for bad in [
        "127.0.0.1:8080",
        "ws://h",
        "http://",
        "http:///",
        "http://h/fapi",
        "http://h:0x50",
        "http://h:99999",
        "http://h:",
        "http://:80",
        "http://u:p@h",
        "http://h?x",
        "http://h h",
        "http://[::1",
        "http://[x]:1",
        "http://[::1]80",
        "HTTP://h",
    ] {
        let faults = url(bad).expect_err(bad).to_string();
        assert!(faults.contains("exchange.base_url: invalid value"), "{bad}: {faults}");
    }
}

#[test]
fn the_address_of_a_store_is_not_shown() {
    let store = |line: &str| read(format!("{BASE}\nstore:\n  {line}\n"));
    for good in ["postgres://me:hunter2@db:5432/mm", "postgresql://db/mm?sslmode=require"] {
        let config = store(&format!("url: '{good}'")).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(config.store.url.as_ref().map(|url| url.expose()), Some(good));
        assert!(config.canonical_yaml().contains("url: \"***\""));
        assert!(!format!("{config:?}{}", config.canonical_yaml()).contains("hunter2"));
    }
    for bad in ["mysql://me:hunter2@db/mm", "hunter2", "/var/lib/hunter2.sqlite"] {
        let faults = store(&format!("url: '{bad}'")).expect_err(bad).to_string();
        assert!(faults.contains("store.url: invalid value; found ***"), "{faults}");
        assert!(!faults.contains("hunter2"), "{faults}");
    }
    let other = store("url: 'postgres://me:other@db/mm'").unwrap();
    let changes = other.changes(&store("url: 'postgres://me:hunter2@db/mm'").unwrap());
    assert_eq!((changes[0].key.path, changes[0].to.as_str()), ("store.url", "***"));
    for bad in ["Desk", "desk 1", "a-name-that-is-too-long", "''"] {
        let faults = store(&format!("trader: {bad}")).expect_err(bad).to_string();
        assert!(faults.contains("store.trader: invalid value"), "{bad}: {faults}");
    }
}

#[test]
fn proxies_are_addresses_and_not_shown() {
    let proxy = |proxy: &str| read(with_exchange(&format!("proxy: '{proxy}'")));
    for good in ["http://p:3128", "socks5://p", "socks5h://me:w%40rd@10.0.0.1:9", "http://p/"] {
        let config = proxy(good).unwrap_or_else(|faults| panic!("{good}: {faults}"));
        assert!(config.canonical_yaml().contains("proxy: \"***\""));
        assert!(!format!("{config:?}").contains(good));
    }
    for bad in ["p:3128", "https://p", "socks4://p", "http://", "http://hunter2@", "http://p:x"] {
        let faults = proxy(bad).expect_err(bad).to_string();
        assert!(faults.starts_with("c.yaml:4: exchange.proxy: invalid value; found ***"));
        assert!(!faults.contains("hunter2"), "{faults}");
    }
    let live = with_exchange("proxy: '***'").replace("paper", "live");
    assert!(read(live).unwrap_err().to_string().contains("exchange.proxy: the mask"));
}

#[test]
fn a_private_key_may_be_a_pem_file() {
    let scratch = Scratch::new("pem");
    let live = |file: &PathBuf| {
        let file = format!("api_secret_file: {}", file.display());
        read(BASE.replace("paper", "live").replace("api_secret: sss", &file))
    };
    let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\nBQYDK2Vw\n-----END PRIVATE KEY-----\n";
    let config = live(&scratch.file("good", pem)).unwrap();
    assert_eq!(config.exchange.api_secret.unwrap().expose(), "MC4CAQAwBQYDK2Vw");
    for bad in ["-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", "two\nlines"] {
        let faults = live(&scratch.file("bad", bad)).unwrap_err().to_string();
        assert!(faults.contains("printable ASCII without spaces"), "{faults}");
    }
}

#[test]
fn an_order_may_be_as_large_as_the_position_unless_said_otherwise() {
    assert_eq!(good(BASE).risk.max_order_qty, "0.1".parse().unwrap());
}

#[test]
fn changes_say_what_a_running_trader_takes() {
    let old = good(BASE);
    let text = BASE.replace("0.001", "0.002").replace("ETHUSDC", "BTCUSDC").replace("kkk", "new");
    let changes = old.changes(&good(&text));
    let shown: Vec<String> = changes
        .iter()
        .map(|c| format!("{} {} -> {} {:?}", c.key.path, c.from, c.to, c.key.reload))
        .collect();
    expect![[r#"
        exchange.api_key *** -> *** Restart
        strategy.symbol ETHUSDC -> BTCUSDC Restart
        strategy.base_spread 0.001 -> 0.002 Live
    "#]]
    .assert_eq(&format!("{}\n", shown.join("\n")));
    assert!(old.changes(&old).is_empty());
    let proxy = |port| good(&with_exchange(&format!("proxy: http://p:{port}")));
    let changes = proxy(1).changes(&proxy(2));
    assert_eq!(changes.len(), 1, "two secrets print alike and differ all the same");
    assert_eq!((changes[0].key.path, changes[0].from.as_str()), ("exchange.proxy", "***"));
}

#[test]
fn the_hash_is_the_same_on_every_machine() {
    expect!["17799372337536455078"].assert_eq(&good(BASE).config_hash().to_string());
    assert_eq!(good(BASE).config_hash(), good(&BASE.replace("kkk", "other")).config_hash());
    assert_ne!(good(BASE).config_hash(), good(&BASE.replace("0.03", "0.04")).config_hash());
}

#[test]
fn the_command_line_replaces_keys_and_is_checked_too() {
    let set = [("strategy.levels", "2"), ("logging.outputs", "stdout"), ("simulation.seed", "7")];
    let config = parse_with("c.yaml", BASE, &environment, &set).unwrap();
    assert_eq!((config.strategy.levels, config.simulation.seed), (2, 7));
    let set = [
        ("strategy.base_spread", "wide"),
        ("risk.max_position", "0.01"),
        ("risk", "x"),
        ("a.b", ""),
    ];
    let faults = parse_with("c.yaml", BASE, &environment, &set).unwrap_err();
    expect![[r#"
        --set: risk: wrong type; found a single value; wanted keys such as daily_loss_limit, max_drawdown_limit, max_position; indent the keys of the section below it
        --set: a: unknown key; remove it; 'trader check --schema' lists every key
        --set: strategy.base_spread: invalid value; found 'wide'; wanted a number, more than 0 and at most 0.1 (fraction of mid); write it plainly, such as 0.001
    "#]].assert_eq(&format!("{faults}\n"));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_fine() {
    good(&format!("\u{feff}{}", BASE.replace('\n', "\r\n")));
}

#[test]
fn the_environment_fills_in_any_scalar() {
    let text =
        BASE.replace("0.001", "${SPREAD:-0.003}").replace("kkk", "a${WORD}-${EMPTY:-d}${EMPTY}");
    let config = good(&text);
    assert_eq!(config.strategy.base_spread, 0.003);
    assert_eq!(config.exchange.api_key.unwrap().expose(), "aabc-d");
}

// Secrets.

#[test]
fn secrets_come_from_files_and_print_masked() {
    let scratch = Scratch::new("secrets");
    let key = scratch.file("key", "the-key\n");
    let secret = scratch.file("secret", "  the-secret\r\n");
    let text = BASE
        .replace("paper", "live")
        .replace("api_key: kkk", &format!("api_key_file: {}", key.display()))
        .replace("api_secret: sss", &format!("api_secret_file: {}", secret.display()));
    let config = good(&text);
    assert_eq!(config.exchange.api_key.as_ref().unwrap().expose(), "the-key");
    assert_eq!(config.exchange.api_secret.as_ref().unwrap().expose(), "the-secret");
    let shown = format!("{config:?} {} {}", config.canonical_yaml(), Secret::new("the-key"));
    assert!(!shown.contains("the-key") && !shown.contains("the-secret"), "{shown}");
    let again = parse_recorded("journal", config.canonical_yaml()).unwrap();
    assert_eq!(again.canonical_yaml(), config.canonical_yaml());
    assert_eq!(again.mode, Mode::Live);
}

#[test]
fn a_secret_file_that_cannot_be_used_is_a_fault() {
    let scratch = Scratch::new("unusable");
    let empty = scratch.file("empty", " \n");
    let text = BASE
        .replace("paper", "live")
        .replace("api_key: kkk", &format!("api_key_file: {}", empty.display()))
        .replace("api_secret: sss", &format!("api_secret_file: {}/none", scratch.0.display()));
    let shown = read(text).unwrap_err().to_string().replace(scratch.0.to_str().unwrap(), "DIR");
    expect![[r#"
        c.yaml:4: exchange.api_key_file: cannot use 'DIR/empty': it is empty; check the path and its permissions; the file holds the secret only
        c.yaml:5: exchange.api_secret_file: cannot use 'DIR/none': No such file or directory (os error 2); check the path and its permissions; the file holds the secret only
    "#]].assert_eq(&format!("{shown}\n"));
}

#[test]
fn a_secret_inline_and_in_a_file_is_ambiguous() {
    broken(
        "api_key: kkk",
        "api_key: kkk\n  api_key_file: /dev/null",
        expect![[r#"
        c.yaml:5: exchange.api_key_file: both exchange.api_key (line 4) and a file are given; remove one of them
    "#]],
    );
}

#[test]
fn live_trading_needs_keys() {
    let live = BASE.replace("paper", "live");
    faults(
        live.replace("  api_key: kkk\n", "").replace("sss", ""),
        expect![[r#"
        c.yaml:2: exchange.api_key: missing; live trading needs it; give exchange.api_key or exchange.api_key_file, or set mode: paper
        c.yaml:4: exchange.api_secret: missing; live trading needs it; give exchange.api_secret or exchange.api_secret_file, or set mode: paper
    "#]],
    );
    faults(
        live.replace("kkk", "${NO_SUCH_KEY}").replace("sss", "'***'"),
        expect![[r#"
        c.yaml:4: exchange.api_key: environment variable NO_SUCH_KEY is not set; set NO_SUCH_KEY, or use exchange.api_key_file instead
        c.yaml:5: exchange.api_secret: the mask of a printed configuration, not a secret; fill it in from the environment or a file
    "#]],
    );
}

#[test]
fn a_secret_of_the_wrong_type_is_not_echoed() {
    for wrong in [
        "[hunter2, x]",
        "{ hunter2: x }",
        "hunter2 x",
        "'hunter2\tx'",
        "{ hunter2: 1, hunter2: 2 }",
    ] {
        let text = BASE.replace("kkk", wrong);
        let shown = read(&text).expect_err(wrong).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.starts_with("c.yaml:4: exchange.api_key: "), "{shown}");
    }
    broken(
        "api_key: kkk",
        "api_key: hunter2 x",
        expect![[r#"
        c.yaml:4: exchange.api_key: invalid value; found ***; wanted printable ASCII without spaces; look for spaces, quotes or line breaks that do not belong to it
    "#]],
    );
}

#[test]
fn what_the_environment_gave_is_not_echoed() {
    let text = BASE.replace("0.001", "${BINANCE_API_SECRET}");
    faults(
        text,
        expect![[r#"
            c.yaml:9: strategy.base_spread: invalid value; found '${BINANCE_API_SECRET}'; wanted a number, more than 0 and at most 0.1 (fraction of mid); check the variable
        "#]],
    );
}

// The report as a whole.

#[test]
fn all_faults_are_reported_in_one_run() {
    let text = BASE
        .replace("base_size: 0.01", "base_size: zero")
        .replace("timeout: 5m", "timeout: 5")
        .replace("name: binance", "name: binance\n  tesnet: true")
        .replace("max_position: 0.1", "max_position: 0.01")
        .replace("  daily_loss_limit: 100.0\n", "");
    faults(
        &text,
        expect![[r#"
        c.yaml:4: exchange.tesnet: unknown key; did you mean testnet?
        c.yaml:11: strategy.base_size: invalid value; found 'zero'; wanted a number with at most 8 decimals, more than 0 (base asset); not a plain decimal number (digits, one point, optional leading minus)
        c.yaml:13: risk.daily_loss_limit: missing; wanted a number with at most 8 decimals, more than 0 (quote currency); add it: loss since 00:00 UTC at which trading halts until the next 00:00 UTC
        c.yaml:15: risk.max_position: 0.01 is less than strategy.max_inventory 0.05 (line 12); raise max_position, or lower max_inventory, which risk control would never let be reached
        c.yaml:18: risk.circuit_breaker.timeout: invalid value; found '5'; wanted a whole number with ms, s, m, h or d, from 1s to 1d; add the unit, such as 5s
    "#]],
    );
    let list = read(&text).unwrap_err();
    assert!(list.iter().map(|f| f.line).is_sorted());
    let json = serde_json::to_value(&list).unwrap();
    expect![[r#"
        {
          "file": "c.yaml",
          "line": 4,
          "column": 3,
          "key": "exchange.tesnet",
          "problem": "unknown key",
          "remedy": "did you mean testnet?"
        }
    "#]]
    .assert_eq(&format!("{:#}\n", json[0]));
}

#[test]
fn a_flood_of_faults_is_cut() {
    let text: String = (0..50_000).map(|i| format!("k{i}: 1\n")).collect();
    let list = read(text).unwrap_err();
    assert_eq!(list.count(), 101);
    assert!(list.to_string().ends_with("more faults are not shown; correct these first"));
}

// The table.

#[test]
fn the_table_binds_every_key_once_in_order() {
    let bound: Vec<&str> = documented().iter().map(|d| d.key.path).collect();
    let listed: Vec<&str> = keys::all().iter().map(|key| key.path).collect();
    assert_eq!(bound, listed);
    for key in keys::all() {
        assert!(key.doc.ends_with('.') && key.doc.len() > 8, "{}", key.path);
        assert!(key.section().is_empty() || keys::section_doc(key.section()).is_some());
    }
    let live = keys::all().iter().filter(|key| key.reload == Reload::Live).count();
    assert!(live > 30);
}

#[test]
fn the_schema_says_what_the_reader_does() {
    let schema = json_schema();
    let spread = &schema["properties"]["strategy"]["properties"]["base_spread"];
    expect![[r##"
        {
          "description": "Full quoted spread; each side stands half of it from the quote centre.",
          "anyOf": [
            {
              "type": "number",
              "exclusiveMinimum": 0,
              "maximum": 0.1
            },
            {
              "$ref": "#/$defs/environment"
            }
          ],
          "x-range": "more than 0 and at most 0.1",
          "x-unit": "fraction of mid",
          "x-reload": true
        }
    "##]]
    .assert_eq(&format!("{spread:#}\n"));
    assert_eq!(schema["required"], serde_json::json!(["strategy", "risk"]));
    let mut leaves = BTreeMap::new();
    count_leaves(&schema, String::new(), &mut leaves);
    assert_eq!(leaves.len(), keys::all().len());
    for key in keys::all() {
        assert!(leaves.contains_key(key.path), "{}", key.path);
    }
}

fn count_leaves(node: &serde_json::Value, path: String, leaves: &mut BTreeMap<String, ()>) {
    match node["properties"].as_object() {
        Some(properties) => {
            for (name, child) in properties {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                count_leaves(child, path, leaves);
            }
        }
        None => {
            leaves.insert(path, ());
        }
    }
}

// Anything at all.

/// Edits of a valid file: (position, what to do there).
fn mutated(edits: &[(usize, u8, usize)]) -> Vec<u8> {
    const PIECES: [&[u8]; 16] = [
        b"\n",
        b": ",
        b"- ",
        b"{",
        b"}",
        b"[",
        b"]",
        b"'",
        b"\"",
        b"${",
        b"&a ",
        b"*a",
        b"\t",
        b"---\n",
        b"\xff",
        b"9999999999",
    ];
    let mut text = every_key().into_bytes();
    for &(position, kind, length) in edits {
        let at = position % (text.len() + 1);
        let end = (at + length).min(text.len());
        match kind % 3 {
            0 => drop(text.splice(at..at, PIECES[length % PIECES.len()].iter().copied())),
            1 => drop(text.drain(at..end)),
            _ => {
                let piece = text[at..end].to_vec();
                let to = (position / 7) % (text.len() + 1);
                text.splice(to..to, piece);
            }
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(bytes);
    }

    #[test]
    fn arbitrary_yaml_never_panics(text in "[\\[\\]{}:,&*!|>'\"%@`#?\\- \\n\\ta-c0-9.$~<]{0,200}") {
        let _ = read(text);
    }

    #[test]
    fn a_mutated_file_is_refused_with_a_place_or_reads_back(
        edits in proptest::collection::vec((any::<usize>(), any::<u8>(), 0..40_usize), 1..12),
    ) {
        match read(mutated(&edits)) {
            Ok(config) => {
                let printed = config.canonical_yaml();
                prop_assert_eq!(good(&printed).canonical_yaml(), printed);
            }
            Err(faults) => {
                for fault in &faults {
                    prop_assert!(!fault.problem.is_empty());
                    prop_assert!(fault.found.is_some() || fault.wanted.is_some() || !fault.remedy.is_empty());
                }
            }
        }
    }

    #[test]
    fn an_unread_override_never_panics(path in "[a-z_.]{0,20}", value in ".{0,20}") {
        let _ = parse_with("c.yaml", BASE, &environment, &[(&path, &value)]);
    }
}

#[test]
fn files_take_overrides_as_texts_do() {
    let scratch = Scratch::new("overrides");
    let path = scratch.file("c.yaml", BASE);
    let config = load_with(&path, &environment, &[("strategy.levels", "4")]).unwrap();
    assert_eq!(config.strategy.levels, 4);
}
