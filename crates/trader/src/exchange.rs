//! `trader exchange`: the simulated exchange, serving Binance's own protocol.

use std::fs;

use anyhow::{Context as _, Result};
use market::Decimal;
use runtime::exchange::{Account, ExchangeConfig, Listeners, serve};

use crate::cli::Exchange;
use crate::output::say;
use crate::{FINE, build};

/// Serves until SIGINT or SIGTERM.
pub(crate) fn exchange(options: &Exchange) -> Result<u8> {
    let instrument = build::instrument(&options.symbol)?;
    let secret = match (&options.api_secret, &options.api_secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(path)) => fs::read_to_string(path)
            .with_context(|| format!("--api-secret-file: cannot read {}", path.display()))?
            .trim()
            .to_owned(),
        (None, None) => String::from("secret"),
    };
    let balance: Decimal = options.balance;
    let account = Account {
        leverage: options.leverage,
        can_withdraw: options.withdraw_enabled,
        hedge: options.hedge,
        isolated: options.isolated,
        multi_assets: options.multi_assets,
        ..Account::new(&options.api_key, &secret, balance)
    };
    let faults = match &options.faults {
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("--faults: cannot read {}", path.display()))?;
            serde_json::from_str(&text)
                .with_context(|| format!("--faults: {} is not a list of faults", path.display()))?
        }
        None => binance::server::Faults::default(),
    };
    let config = ExchangeConfig {
        listen: options.listen,
        control: options.control,
        tls: options.tls_cert.clone().zip(options.tls_key.clone()),
        seed: options.seed,
        replay: options.replay.clone(),
        faults,
        state: options.state.clone(),
        clock_skew_ms: options.clock_skew.unwrap_or(0),
        ..ExchangeConfig::new(instrument, vec![account])
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listeners = Listeners::bind(&config).await?;
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let address = listeners.address()?;
        say(format_args!(
            "exchange: {scheme}://{address} serves {} (REST, /ws, /stream, /public, /market, /private, \
             /ws-fapi/v1)",
            options.symbol
        ))?;
        if let Some(control) = listeners.control_address() {
            say(format_args!("faults:   http://{control}"))?;
        }
        serve(config, listeners, stopped()).await?;
        Ok(FINE)
    })
}

async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
