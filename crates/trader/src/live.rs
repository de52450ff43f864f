//! From a checked configuration to trading on a real venue: armed, asked, ready.

use std::io::IsTerminal;

use anyhow::{Context as _, Result};
use binance::client::{ClientConfig, OrderPath};
use binance::endpoints::Network;
use binance::preflight::{Check, Findings, Ready, State, Wanted};
use binance::{Credentials, Endpoints};
use comfy_table::{Table, presets};
use engine::EngineConfig;
use market::Rate;
use ops::config::{self, Config, Mode, Secret, SocketPaths};
use runtime::live::net::NetConfig;

use crate::build;
use crate::output::complain;
use crate::session::Refused;
use crate::tally::progress_bar;

/// Where the venue of a configuration is.
///
/// # Errors
/// When `exchange.base_url` is not an address.
pub(crate) fn endpoints(config: &Config) -> Result<Endpoints> {
    let exchange = &config.exchange;
    let endpoints = match exchange.network() {
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
    }
    match endpoints(config) {
        Err(error) => missing.push(format!("{error:#}")),
        Ok(endpoints) if endpoints.network == Network::Mainnet => {
            let symbol = &config.strategy.symbol;
            let word = exchange.arm.as_ref().is_some_and(|arm| arm.symbol() == symbol);
            if !flag && !word {
                missing.push(format!(
                    "this is real money: start with --arm-live, or set exchange.arm: \"{symbol} \
                     mainnet\""
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

fn credentials(config: &Config) -> Result<Credentials> {
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
    )?;
    bar.finish_and_clear();
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

/// What may be said of a live configuration without asking the venue.
pub(crate) fn outlook(config: &Config) -> String {
    let venue = match endpoints(config) {
        Ok(endpoints) => {
            let money = match endpoints.network {
                Network::Mainnet => "REAL MONEY",
                Network::Demo => "play money",
                Network::Custom => "a simulated exchange",
            };
            format!("{} ({money})", endpoints.rest)
        }
        Err(error) => format!("{error:#}"),
    };
    match armed(config, false) {
        Ok(()) => format!("live on {venue}, armed"),
        Err(missing) => format!("live on {venue}, not armed: {}", missing.join("; ")),
    }
}

/// A refusal to trade, as an error.
pub(crate) fn not_armed(file: &str, missing: &[String]) -> anyhow::Error {
    anyhow::Error::new(Refused(format!("{file}: not armed:\n  {}", missing.join("\n  "))))
}
