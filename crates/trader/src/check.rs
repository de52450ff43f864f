//! `trader check`: everything that can be validated without trading.

use std::path::Path;

use anyhow::Result;
use ops::config::{Config, Mode};
use serde_json::json;

use crate::output::{complain, say};
use crate::{FINE, USAGE, build, explain, live};

/// Validates a configuration, or prints the schema of configurations.
pub(crate) fn check(path: Option<&Path>, schema: bool, as_json: bool) -> Result<u8> {
    if schema {
        say(format_args!("{:#}", ops::config::json_schema()))?;
        return Ok(FINE);
    }
    let Some(path) = path else { return Ok(USAGE) };
    let config = match ops::config::load(path, &ops::config::process_env) {
        Ok(config) => config,
        Err(faults) => {
            if as_json {
                say(format_args!(
                    "{:#}",
                    json!({ "ok": false, "faults": serde_json::to_value(&faults)? })
                ))?;
            } else {
                complain(format_args!("{faults}"));
            }
            return Ok(USAGE);
        }
    };
    let built = match (config.mode, build::instrument(&config.strategy.symbol)) {
        // The venue knows the rules of contracts that we have never heard of.
        (Mode::Live, Err(_)) => Ok(()),
        (_, instrument) => instrument
            .and_then(|instrument| build::engine(&config, instrument, None, 0))
            .map(|_| ()),
    };
    let outlook = (config.mode == Mode::Live).then(|| live::outlook(&config)).transpose();
    let outlook = match (built, outlook) {
        (Ok(()), Ok(outlook)) => outlook,
        (built, outlook) => {
            let errors = [built.err(), outlook.err()];
            return refuse(path, errors.into_iter().flatten(), as_json);
        }
    };
    let warnings = warnings(&config);
    let (mode, symbol) = (config.mode.as_str(), &config.strategy.symbol);
    let hash = format!("{:016x}", config.config_hash());
    if as_json {
        say(format_args!(
            "{:#}",
            json!({
                "ok": true,
                "mode": mode,
                "symbol": symbol,
                "config_hash": hash,
                "warnings": warnings,
                "live": outlook.map(|outlook| json!({
                    "venue": outlook.venue,
                    "armed": outlook.missing.is_empty(),
                    "missing": outlook.missing,
                })),
            })
        ))?;
    } else {
        for warning in warnings {
            complain(format_args!("{}: warning: {warning}", path.display()));
        }
        say(format_args!("{}: ok (mode {mode}, {symbol}, hash {hash})", path.display()))?;
        if let Some(outlook) = outlook {
            say(format_args!("{}: {outlook}", path.display()))?;
        }
    }
    Ok(FINE)
}

/// Tells everything that is wrong beyond the form of the file.
fn refuse(path: &Path, errors: impl Iterator<Item = anyhow::Error>, as_json: bool) -> Result<u8> {
    let problems: Vec<String> = errors.map(|error| explain(&error)).collect();
    if as_json {
        let faults: Vec<_> =
            problems.iter().map(|problem| json!({ "file": path, "problem": problem })).collect();
        say(format_args!("{:#}", json!({ "ok": false, "faults": faults })))?;
    } else {
        for problem in problems {
            complain(format_args!("{}: {problem}", path.display()));
        }
    }
    Ok(USAGE)
}

/// What is allowed and most likely not meant.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Ok(instrument) = build::instrument(&config.strategy.symbol) {
        let rules = instrument.rules();
        let price = build::start_price(&instrument);
        let (size, least) = (config.strategy.base_size.to_f64(), rules.min_notional.to_f64());
        let value = size * price.to_f64();
        if value < least {
            let needed = least / price.to_f64();
            warnings.push(format!(
                "strategy.base_size: {} {} is worth about {value:.2} {quote} (at {price}), less than \
                 the {least} {quote} that the venue takes for an order of {}: nothing would be \
                 quoted; use more than {needed:.4}",
                config.strategy.base_size,
                rules.base,
                rules.symbol,
                quote = rules.quote,
            ));
        }
    }
    warnings
}
