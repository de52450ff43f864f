//! From a checked configuration to trading on a real venue: armed, asked, ready.

use std::hash::Hasher as _;
use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use binance::client::{ClientConfig, OrderPath};
use binance::endpoints::Network;
use binance::preflight::{Check, Findings, Ready, State, Wanted};
use binance::{Credentials, Endpoints};
use comfy_table::{Table, presets};
use engine::{Carry, EngineConfig};
use market::Rate;
use ops::config::{self, Config, Mode, Secret, SocketPaths};
use runtime::keeper::Keeper;
use runtime::live::net::{Net, NetConfig};

use crate::build;
use crate::output::complain;
use crate::session::Refused;
use crate::store::Records;
use crate::tally::progress_bar;

/// Where the venue of a configuration is.
///
/// # Errors
/// When `exchange.base_url` is not an address.
pub(crate) fn endpoints(config: &Config) -> Result<Endpoints> {
    let exchange = &config.exchange;
    let endpoints = match exchange.network {
        config::Network::Mainnet => Endpoints::mainnet(),
        config::Network::Demo => Endpoints::demo(),
        config::Network::Testnet => Endpoints::testnet(),
        config::Network::Custom => {
            let base = exchange.base_url.as_ref().map_or("", config::BaseUrl::as_str);
            Endpoints::custom(base).context("exchange.base_url")?
        }
    };
    Ok(match exchange.paths {
        SocketPaths::Routed => endpoints,
        SocketPaths::Legacy => endpoints.legacy(),
    })
}

/// Whether orders may be sent at all. Real money needs the operator's word besides the configuration.
///
/// # Errors
/// Every condition that is missing, with its remedy.
pub(crate) fn armed(config: &Config, flag: bool) -> std::result::Result<(), Vec<String>> {
    let mut missing = Vec::new();
    let exchange = &config.exchange;
    if config.mode != Mode::Live {
        missing.push(String::from("mode is not live: set mode: live"));
    }
    if exchange.api_key.is_none() || exchange.api_secret.is_none() {
        missing.push(String::from("no keys: give exchange.api_key and api_secret, or their files"));
    } else if let Err(error) = credentials(config) {
        missing.push(format!("{error:#}"));
    }
    match endpoints(config) {
        Err(error) => missing.push(format!("{error:#}")),
        Ok(endpoints) if endpoints.network == Network::Mainnet => {
            let symbol = &config.strategy.symbol;
            let word = exchange.arm.as_ref().is_some_and(|arm| arm.symbol() == symbol);
            if !flag && !word {
                missing.push(format!(
                    "mode: live on mainnet trades real money: start with --arm-live, or set \
                     exchange.arm: \"{symbol} mainnet\""
                ));
            }
        }
        Ok(_) => {}
    }
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

/// How the venue is reached.
///
/// # Errors
/// As [`endpoints`].
pub(crate) fn net(config: &Config) -> Result<NetConfig> {
    let exchange = &config.exchange;
    Ok(NetConfig {
        ca_file: exchange.ca_file.clone(),
        proxy: exchange.proxy.as_ref().map(|proxy| proxy.expose().to_owned()),
        ..NetConfig::new(endpoints(config)?)
    })
}

pub(crate) fn credentials(config: &Config) -> Result<Credentials> {
    let exchange = &config.exchange;
    let text = |secret: &Option<Secret>| {
        secret.as_ref().map_or_else(String::new, |secret| secret.expose().to_owned())
    };
    Credentials::new(&text(&exchange.api_key), &text(&exchange.api_secret))
        .context("exchange.api_key and exchange.api_secret")
}

/// Asks the venue whether everything is as we need it, and shows what it said.
///
/// # Errors
/// Everything that is refused, with its remedy; then nothing may be traded.
pub(crate) fn ask_venue(config: &Config) -> Result<Ready> {
    let exchange = &config.exchange;
    let net = net(config)?;
    let wanted = Wanted {
        symbol: config.strategy.symbol.clone(),
        leverage: exchange.leverage,
        max_clock_offset: exchange.max_clock_offset,
        fees: (Rate::from_decimal(exchange.fees.maker), Rate::from_decimal(exchange.fees.taker)),
        max_position: config.risk.max_position,
        allow_withdrawals: exchange.allow_withdrawals,
        apply_settings: exchange.apply_settings,
        has_permissions: net.endpoints.permissions.is_some(),
    };
    let venue = net.endpoints.rest.clone();
    let bar = progress_bar(&format!("asking {venue}"));
    let findings = runtime::live::preflight(
        net,
        &credentials(config)?,
        exchange.recv_window,
        wanted,
        &mut |share| bar.set_position((share * 1_000.0) as u64),
    );
    bar.finish_and_clear();
    let findings = findings?;
    show(&venue, &findings);
    findings.ready.ok_or_else(|| {
        let refused = findings.checks.iter().filter(|check| check.state == State::Refused);
        let lines: Vec<String> = refused
            .map(|check| format!("{}: {}; {}", check.name, check.found, check.remedy))
            .collect();
        anyhow::anyhow!("{venue} is not ready, nothing was sent:\n  {}", lines.join("\n  "))
    })
}

/// A table for people, lines for the log.
fn show(venue: &str, findings: &Findings) {
    for Check { name, state, found, remedy } in &findings.checks {
        match state {
            State::Fine => tracing::info!(check = name, found, "start-up check passed"),
            State::Warning => tracing::warn!(check = name, found, remedy, "start-up check"),
            State::Refused => tracing::error!(check = name, found, remedy, "start-up check failed"),
        }
    }
    if !std::io::stderr().is_terminal() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for Check { name, state, found, remedy } in &findings.checks {
        let sign = match state {
            State::Fine => "✓",
            State::Warning => "!",
            State::Refused => "✗",
        };
        table.add_row([sign, name, found.as_str(), remedy.as_str()]);
    }
    complain(format_args!("{venue}\n{table}"));
}

/// What an earlier session left behind, and what keeps it for the next.
pub(crate) struct Remembered {
    /// Limits and books, with the cash that moved since.
    pub(crate) carry: Option<Carry>,
    /// Keeps this session's.
    pub(crate) keeper: Keeper,
    /// For the store.
    pub(crate) records: Records,
}

/// What an earlier session left behind, with the cash that moved since; and what keeps it for the next.
///
/// # Errors
/// When it is there and cannot be read, belongs to another account, or the venue does not tell what
/// happened meanwhile.
pub(crate) fn remembered(config: &Config, ready: &Ready, path: PathBuf) -> Result<Remembered> {
    let account = account(config, ready)?;
    let mut carry = runtime::keeper::load(&path, &account)?;
    let mut income = Vec::new();
    if let Some(carry) = &mut carry {
        let window = config.exchange.recv_window;
        let (net, credentials) = (net(config)?, credentials(config)?);
        let told = runtime::live::payments(net, &credentials, window, ready, carry.at)?;
        (carry.meanwhile, income) = told;
        tracing::info!(
            session = format!("{:08x}", carry.session),
            at = %carry.at,
            funding = %carry.meanwhile.funding,
            transfers = %carry.meanwhile.transfers,
            "limits and books of an earlier session are taken over"
        );
    }
    let records = Records::live(config, ready, account.clone(), carry.as_ref(), income)?;
    Ok(Remembered { carry, keeper: Keeper::new(path, account), records })
}

/// Tells accounts apart: the venue, and its own name for the account, which stays when keys change. Where it
/// gives none, the key must do.
///
/// # Errors
/// When keys or address cannot be used, or the venue does not answer.
pub(crate) fn account(config: &Config, ready: &Ready) -> Result<String> {
    let (net, credentials) = (net(config)?, credentials(config)?);
    let venue = net.endpoints.rest.clone();
    let window = config.exchange.recv_window;
    Ok(match runtime::live::alias(net, &credentials, window, ready)? {
        Some(alias) => format!("{venue} account {alias}"),
        None => {
            let key = &format!("{:016x}", fingerprint(credentials.api_key()))[..8];
            format!("{venue} key {key}")
        }
    })
}

/// Tells keys apart without showing them.
fn fingerprint(key: &str) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new();
    hasher.write(key.as_bytes());
    hasher.finish()
}

/// The engine's part, by the venue's own rules and fees.
///
/// # Errors
/// When a quantity does not lie on the instrument's grid.
pub(crate) fn engine(config: &Config, ready: &Ready, session: u32) -> Result<EngineConfig> {
    build::engine(config, ready.instrument.clone(), Some(ready.fees), session)
}

/// The client's part.
///
/// # Errors
/// When the keys or the address cannot be used.
pub(crate) fn client(config: &Config, ready: Ready, session: u32) -> Result<ClientConfig> {
    let exchange = &config.exchange;
    Ok(ClientConfig {
        endpoints: endpoints(config)?,
        credentials: credentials(config)?,
        instrument: ready.instrument,
        limits: ready.limits,
        clock: ready.clock,
        clock_limit: exchange.max_clock_offset,
        window: exchange.recv_window,
        ack_timeout: exchange.ack_timeout,
        order_path: match exchange.order_path {
            config::OrderPath::WsApi => OrderPath::WsApi,
            config::OrderPath::Rest => OrderPath::Rest,
        },
        copies: exchange.connections as u8,
        seed: u64::from(session),
    })
}

/// What can be said of a live configuration without asking the venue.
pub(crate) struct Outlook {
    /// Where orders would go, and whose money that is.
    pub(crate) venue: String,
    /// Why nothing would be sent as the file stands; empty when armed.
    pub(crate) missing: Vec<String>,
}

/// Looks at a live configuration without asking the venue.
///
/// # Errors
/// What is wrong with addresses, keys, proxy or certificate authorities, whoever starts it.
pub(crate) fn outlook(config: &Config) -> Result<Outlook> {
    let endpoints = endpoints(config)?;
    credentials(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let entered = runtime.enter();
    let (sender, _) = tokio::sync::mpsc::unbounded_channel();
    Net::new(net(config)?, sender)?;
    drop(entered);
    let money = match endpoints.network {
        Network::Mainnet => "REAL MONEY",
        Network::Demo => "play money",
        Network::Custom => "an exchange given by its address",
    };
    let venue = format!("{} ({money})", endpoints.rest);
    Ok(Outlook { venue, missing: armed(config, false).err().unwrap_or_default() })
}

impl std::fmt::Display for Outlook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { venue, missing } = self;
        match missing.is_empty() {
            true => write!(f, "live on {venue}, armed"),
            false => write!(f, "live on {venue}, not armed: {}", missing.join("; ")),
        }
    }
}

/// A refusal to trade, as an error.
pub(crate) fn not_armed(file: &str, missing: &[String]) -> anyhow::Error {
    anyhow::Error::new(Refused(format!("{file}: not armed:\n  {}", missing.join("\n  "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
mode: live
exchange:
  api_key: k
  api_secret: s
strategy: { name: basic_mm, symbol: ETHUSDC, base_spread: 0.001, base_size: 0.01, max_inventory: 0.05 }
risk: { daily_loss_limit: 100, max_drawdown_limit: 0.03, max_position: 0.1, circuit_breaker: { threshold: 5, timeout: 5m } }
";

    fn config(line: &str) -> Config {
        let text = FILE.replace("exchange:\n", &format!("exchange:\n{line}"));
        ops::config::parse("c.yaml", text, &|_| None).unwrap_or_else(|faults| panic!("{faults}"))
    }

    #[test]
    fn only_real_money_needs_the_operators_word() {
        let armed_by_file = "  arm: ETHUSDC mainnet\n";
        let real = "  network: custom\n  base_url: https://fapi.binance.com/\n";
        let rows = [
            ("", false, false),
            ("", true, true),
            (armed_by_file, false, true),
            (real, false, false),
            (real, true, true),
            ("  network: demo\n", false, true),
            ("  testnet: true\n", false, true),
            ("  network: custom\n  base_url: http://127.0.0.1:8080\n", false, true),
            ("  network: custom\n  base_url: http://fapi.binance.com\n", true, false),
        ];
        for (lines, flag, wanted) in rows {
            let armed = armed(&config(lines), flag);
            assert_eq!(armed.is_ok(), wanted, "{lines} {flag}: {armed:?}");
        }
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let bare = FILE.replace("mode: live", "mode: paper").replace("  api_key: k\n", "");
        let config = ops::config::parse("c.yaml", bare, &|_| None).unwrap();
        let missing = armed(&config, false).unwrap_err().join("\n");
        for wanted in ["mode: live", "exchange.api_key", "--arm-live", "\"ETHUSDC mainnet\""] {
            assert!(missing.contains(wanted), "no {wanted} in {missing}");
        }
    }

    #[test]
    fn networks_are_the_venues_own_addresses() {
        let of = |lines: &str| endpoints(&config(lines)).unwrap();
        assert_eq!(of(""), Endpoints::mainnet());
        assert_eq!(of("  paths: legacy\n"), Endpoints::mainnet().legacy());
        assert_eq!(of("  network: demo\n"), Endpoints::demo());
        assert_eq!(of("  testnet: true\n"), Endpoints::testnet());
        let real = of("  network: custom\n  base_url: https://fapi.binance.com\n");
        assert_eq!(real.network, Network::Mainnet);
    }

    #[test]
    fn what_cannot_work_is_seen_without_the_venue() {
        let outlook = |lines: &str| outlook(&config(lines));
        let shown = outlook("").unwrap().to_string();
        assert!(shown.contains("REAL MONEY") && shown.contains("not armed"), "{shown}");
        let shown = outlook("  testnet: true\n").unwrap().to_string();
        assert!(shown.contains("play money), armed"), "{shown}");
        for (lines, wanted) in [
            ("  ca_file: /nonexistent/ca.pem\n", "exchange.ca_file"),
            ("  ca_file: /dev/null\n", "exchange.ca_file"),
            ("  network: custom\n  base_url: https://fapi9.binance.com\n", "exchange.base_url"),
        ] {
            let error = outlook(lines).err().map(|error| format!("{error:#}"));
            assert!(error.as_ref().is_some_and(|error| error.contains(wanted)), "{error:?}");
        }
        let text = FILE.replace("api_secret: s", "api_secret: MC4CAQAwBQYDK2Vwxx");
        let config = ops::config::parse("c.yaml", text, &|_| None).unwrap();
        let error = format!("{:#}", super::outlook(&config).err().unwrap());
        assert!(error.contains("exchange.api_secret") && !error.contains("MC4CAQ"), "{error}");
    }
}
