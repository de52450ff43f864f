//! What is set up wrong is told with its remedy, and nothing is sent.

use std::io::ErrorKind;
use std::net::TcpListener;

use binance::rest;
use market::Decimal;

use crate::rig::{Desk, Exchange, PATIENCE, Process, SECRET, SYMBOL, Trader, free_port, until};

/// A venue or a configuration that is not as it should be.
struct Wrong {
    what: &'static str,
    /// Options of the exchange.
    exchange: &'static [&'static str],
    /// Replaced in the configuration.
    changes: &'static [(&'static str, &'static str)],
    /// What the message must name: what is wrong, and what to do.
    wanted: &'static [&'static str],
}

const WRONG: [Wrong; 9] = [
    Wrong {
        what: "the key may withdraw",
        exchange: &["--withdraw-enabled"],
        changes: &[],
        wanted: &["withdrawals: the key may withdraw", "exchange.allow_withdrawals: true"],
    },
    Wrong {
        what: "hedge mode",
        exchange: &["--hedge"],
        changes: &[],
        wanted: &["position mode: hedge mode", "one-way", "exchange.apply_settings: true"],
    },
    Wrong {
        what: "isolated margin",
        exchange: &["--isolated"],
        changes: &[],
        wanted: &["margin type: isolated", "cross margin", "exchange.apply_settings: true"],
    },
    Wrong {
        what: "multi-assets mode",
        exchange: &["--multi-assets"],
        changes: &[],
        wanted: &["margin assets: multi-assets mode", "single-asset mode"],
    },
    Wrong {
        what: "another leverage",
        exchange: &["--leverage", "20"],
        changes: &[],
        wanted: &["leverage: 20x, configured is 5x", "exchange.apply_settings: true"],
    },
    Wrong {
        what: "the venue's clock is ahead",
        exchange: &["--clock-skew", "5s"],
        changes: &[],
        wanted: &["clock: 5.0s behind the venue's", "timedatectl"],
    },
    Wrong {
        what: "the venue's clock is behind",
        exchange: &["--clock-skew", "-5s"],
        changes: &[],
        wanted: &["clock: 5.0s ahead of the venue's", "timedatectl"],
    },
    Wrong {
        what: "another secret",
        exchange: &[],
        changes: &[(SECRET, "another-secret")],
        wanted: &["API key: ", "the secret does not belong to the key"],
    },
    Wrong {
        what: "another key",
        exchange: &[],
        changes: &[("key-of-the-test", "key-of-nobody")],
        wanted: &["API key: ", "the key is not accepted"],
    },
];

/// Nothing has ever been placed.
fn untouched(exchange: &Exchange, what: &str) {
    assert_eq!(exchange.all_orders(), Vec::<serde_json::Value>::new(), "{what}");
    assert_eq!(exchange.open_orders(), Vec::new(), "{what}");
    assert_eq!(exchange.position(), Decimal::ZERO, "{what}");
}

#[test]
fn a_venue_that_is_set_up_wrong_is_refused_with_its_remedy() {
    for Wrong { what, exchange, changes, wanted } in WRONG {
        let desk = Desk::new("wrong");
        let exchange = Exchange::start(&desk, exchange);
        desk.configure(&exchange.base, changes);
        let mut trader = Trader::spawn(&desk);
        let status = trader.wait(PATIENCE);
        let said = trader.said();
        assert_eq!(status.code(), Some(1), "{what}: {said}");
        for wanted in wanted.iter().chain(&["is not ready, nothing was sent"]) {
            assert!(said.contains(wanted), "{what}: no {wanted:?} in {said}");
        }
        for unwanted in [SECRET, "another-secret", "panicked"] {
            assert!(!said.contains(unwanted), "{what}: {unwanted:?} in {said}");
        }
        assert!(!desk.path.join("data/journal").exists(), "{what}: nothing was traded");
        untouched(&exchange, what);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let desk = Desk::new("all-wrong");
    let wrong = ["--withdraw-enabled", "--hedge", "--isolated", "--leverage", "20"];
    let exchange = Exchange::start(&desk, &wrong);
    desk.configure(&exchange.base, &[]);
    let mut trader = Trader::spawn(&desk);
    assert_eq!(trader.wait(PATIENCE).code(), Some(1));
    let said = trader.said();
    for wanted in ["may withdraw", "hedge mode", "isolated", "20x"] {
        assert!(said.contains(wanted), "no {wanted:?} in {said}");
    }
    untouched(&exchange, "all wrong");
}

#[test]
fn nobody_at_the_address_is_told_with_the_address() {
    let desk = Desk::new("nobody");
    let address = free_port().to_string();
    desk.configure(&format!("http://{address}"), &[]);
    let mut trader = Trader::spawn(&desk);
    let status = trader.wait(PATIENCE);
    let said = trader.said();
    assert_eq!(status.code(), Some(1), "{said}");
    for wanted in [&*address, "base_url", "refused"] {
        assert!(said.contains(wanted), "no {wanted:?} in {said}");
    }
}

#[test]
fn withdrawals_that_are_allowed_are_a_warning() {
    let desk = Desk::new("withdraw");
    let exchange = Exchange::start(&desk, &["--withdraw-enabled"]);
    desk.configure(&exchange.base, &[("leverage: 5", "leverage: 5\n  allow_withdrawals: true")]);
    let mut trader = Trader::start(&desk);
    trader.until_quoting();
    trader.stop();
    let said = trader.process.said();
    assert!(said.contains("the key may withdraw"), "{said}");
    assert_eq!(exchange.open_orders(), Vec::new());
}

#[test]
fn settings_are_made_when_that_is_wanted() {
    let desk = Desk::new("settings");
    let exchange = Exchange::start(&desk, &["--leverage", "20", "--isolated", "--hedge"]);
    desk.configure(&exchange.base, &[("apply_settings: false", "apply_settings: true")]);
    let mut trader = Trader::start(&desk);
    trader.until_quoting();
    let symbol = exchange.ask(&rest::symbol_config(SYMBOL))[0].clone();
    assert_eq!((&symbol["leverage"], &symbol["marginType"]), (&5.into(), &"CROSSED".into()));
    assert_eq!(exchange.ask(&rest::position_mode())["dualSidePosition"], false);
    trader.stop();
    assert_eq!(exchange.open_orders(), Vec::new());
}

/// A proxy that turns everybody away, and remembers whether anybody came.
struct Proxy(TcpListener);

impl Proxy {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    /// Waits until a process has ended; returns its exit code and whether anybody came meanwhile.
    fn watch(&self, process: &mut Process) -> (Option<i32>, bool) {
        let mut came = false;
        let status = until("the trader gives up", PATIENCE, || {
            // What a process began before it ended has arrived when its end is seen.
            let ended = process.ended();
            loop {
                match self.0.accept() {
                    Ok(_) => came = true,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            ended
        });
        (status.code(), came)
    }
}

/// Ways to mainnet, and the command line. All of them are told to use our proxy, which says whether
/// anybody wanted to leave.
#[test]
fn real_money_needs_a_word_of_its_own_before_anybody_is_contacted() {
    let proxy = Proxy::new();
    let way = format!("  proxy: http://{}\n", proxy.0.local_addr().unwrap());
    let desk = Desk::new("arm");
    let run = |network: &str, flags: &[&str]| {
        let base = "  network: custom\n  base_url: http://127.0.0.1:8080\n";
        desk.configure("http://127.0.0.1:8080", &[(base, &format!("{way}{network}"))]);
        let mut arguments = vec!["run", "--config", "config.yaml"];
        arguments.extend(flags);
        let mut trader = desk.start(&arguments);
        let (code, came) = proxy.watch(&mut trader);
        (code, came, trader.said())
    };
    let unarmed = [
        ("  network: mainnet\n", "--arm-live"),
        ("", "--arm-live"),
        ("  network: custom\n  base_url: https://fapi.binance.com\n", "--arm-live"),
        ("  network: custom\n  base_url: https://fapi.binance.com/\n", "--arm-live"),
        ("  network: mainnet\n  arm: BTCUSDC mainnet\n", "exchange.arm"),
        ("  network: mainnet\n  arm: ETHUSDC demo\n", "exchange.arm"),
        ("  network: mainnet\n  arm: true\n", "exchange.arm"),
    ];
    for (network, wanted) in unarmed {
        let (code, came, said) = run(network, &[]);
        assert_eq!(code, Some(2), "{network:?}: {said}");
        assert!(said.contains(wanted), "{network:?}: no {wanted:?} in {said}");
        assert!(!came, "{network:?}: {said}");
        assert!(!said.contains(SECRET), "{network:?}: {said}");
        assert!(!desk.path.join("data").exists(), "{network:?} leaves nothing");
    }
    // Spelled differently, it is still the venue's own host; neither armed nor unarmed.
    for host in [
        "https://FAPI.Binance.com",
        "https://fapi.binance.com:443",
        "https://fapi.binance.com.",
        "http://fapi.binance.com",
        "https://fapi1.binance.com",
        "https://binance.com",
    ] {
        for flags in [&[][..], &["--arm-live"][..]] {
            let network = format!("  network: custom\n  base_url: {host}\n");
            let (code, came, said) = run(&network, flags);
            assert_eq!(code, Some(2), "{host} {flags:?}: {said}");
            assert!(said.contains("base_url"), "{host} {flags:?}: {said}");
            assert!(!came, "{host} {flags:?}: {said}");
        }
    }
    // Armed, they do set out: the proxy would have noticed the others.
    for (network, flags) in [
        ("  network: mainnet\n", &["--arm-live"][..]),
        ("  network: mainnet\n  arm: ETHUSDC mainnet\n", &[]),
        ("  network: custom\n  base_url: https://fapi.binance.com\n", &["--arm-live"]),
    ] {
        let (code, came, said) = run(network, flags);
        assert_eq!(code, Some(1), "{network:?}: {said}");
        assert!(came, "{network:?}: {said}");
    }
}
