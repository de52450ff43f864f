//! Commands to a running trader, through its API.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;

use crate::cli::Remote;
use crate::output::say;
use crate::{FINE, status};

/// What to do when something else answers.
const FOREIGN: &str = "is this a trader? --api names another address";

/// Prints what a running trader does.
pub(crate) fn show(at: &Remote) -> Result<u8> {
    let url = format!("http://{}/api/status", at.api);
    let mut request = agent().get(&url);
    if let Some(token) = token(at)? {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let status = answer(at, request.call())?;
    if !status["desks"].is_array() {
        bail!("{} answers, but not with a trader's status; {FOREIGN}", at.api);
    }
    if at.json {
        say(format_args!("{status:#}"))?;
    } else {
        say(format_args!("{}", status::table(&status)))?;
    }
    Ok(FINE)
}

/// Lifts a pause and says so if a halt is still in the way.
pub(crate) fn resume(at: &Remote, clear_halt: bool) -> Result<u8> {
    let code = control(at, "resume", &serde_json::json!({ "clear_halt": clear_halt }))?;
    let url = format!("http://{}/api/risk/status", at.api);
    let token = token(at)?.unwrap_or_default();
    let request = agent().get(&url).header("Authorization", format!("Bearer {token}"));
    let risk = answer(at, request.call())?;
    if !clear_halt && risk["halted"] == Value::Bool(true) {
        bail!("trading is still halted: `trader resume --clear-halt` lifts a halt deliberately");
    }
    Ok(code)
}

/// Sends a control request.
pub(crate) fn control(at: &Remote, action: &str, body: &Value) -> Result<u8> {
    let token = token(at)?.ok_or_else(|| {
        anyhow!("no API token: give --token-file, set TRADER_TOKEN, or run where data/api.token is")
    })?;
    let url = format!("http://{}/api/control/{action}", at.api);
    let request = agent().post(&url).header("Authorization", format!("Bearer {token}"));
    let answer = answer(at, request.send_json(body))?;
    if at.json {
        say(format_args!("{answer:#}"))?;
    } else {
        say(format_args!("{action}: accepted"))?;
    }
    Ok(FINE)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(std::time::Duration::from_secs(10)))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}

fn answer(
    at: &Remote,
    response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value> {
    let mut response = response
        .with_context(|| format!("no answer from {}; is a trader running there?", at.api))?;
    let status = response.status();
    let body: Value = response.body_mut().read_json().unwrap_or(Value::Null);
    if status.is_success() && body.is_object() {
        return Ok(body);
    }
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    match (text("error"), text("remedy")) {
        (Some(error), Some(remedy)) => bail!("{status}: {error}; {remedy}"),
        _ => bail!("{} answers {status}, and not as a trader does; {FOREIGN}", at.api),
    }
}

fn token(at: &Remote) -> Result<Option<String>> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .with_context(|| format!("cannot read the token file {}", path.display()))
    };
    if let Some(path) = &at.token_file {
        return read(path).map(Some);
    }
    if let Ok(token) = std::env::var("TRADER_TOKEN") {
        return Ok(Some(token));
    }
    let default = Path::new("data/api.token");
    if default.exists() { read(default).map(Some) } else { Ok(None) }
}
