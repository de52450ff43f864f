//! `trader check`: everything that can be validated without trading.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::output::say;
use crate::{FINE, USAGE, build};

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
                eprintln!("{faults}");
            }
            return Ok(USAGE);
        }
    };
    let built = build::instrument(&config.strategy.symbol)
        .and_then(|instrument| build::engine(&config, instrument, 0));
    if let Err(error) = built {
        if as_json {
            let fault = json!({ "file": path, "problem": format!("{error:#}") });
            say(format_args!("{:#}", json!({ "ok": false, "faults": [fault] })))?;
        } else {
            eprintln!("{}: {error:#}", path.display());
        }
        return Ok(USAGE);
    }
    let (mode, symbol) = (config.mode.as_str(), &config.strategy.symbol);
    let hash = format!("{:016x}", config.config_hash());
    if as_json {
        say(format_args!(
            "{:#}",
            json!({ "ok": true, "mode": mode, "symbol": symbol, "config_hash": hash })
        ))?;
    } else {
        say(format_args!("{}: ok (mode {mode}, {symbol}, hash {hash})", path.display()))?;
    }
    Ok(FINE)
}
