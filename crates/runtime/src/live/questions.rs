//! Asks the venue the questions before the first order.

use std::time::Duration;

use binance::Credentials;
use binance::client::{Event, RequestId};
use binance::preflight::{Findings, Host, Preflight, Wanted};
use tokio::sync::mpsc;

use super::net::{Net, NetConfig};
use crate::clock;
use crate::session::SessionError;

/// For one answer; the rules of all contracts are several megabytes.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Asks one question after the other; `progress` is told how far it has come, between 0 and 1. Blocks
/// the thread.
///
/// # Errors
/// When the network cannot be set up. What the venue refuses is in the findings.
pub fn preflight(
    net: NetConfig,
    credentials: &Credentials,
    window: Duration,
    wanted: Wanted,
    progress: &mut dyn FnMut(f64),
) -> Result<Findings, SessionError> {
    let endpoints = net.endpoints.clone();
    super::runtime()?.block_on(async {
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let mut net = Net::new(net, sender).map_err(|e| SessionError::Network(e.to_string()))?;
        let mut preflight = Preflight::new(wanted);
        let mut id = 0;
        while let Some((host, request)) = preflight.request() {
            let base = match host {
                Host::Rest => &endpoints.rest,
                Host::Permissions => endpoints.permissions.as_ref().unwrap_or(&endpoints.rest),
            };
            tokio::time::sleep(preflight.pause()).await;
            let sent = clock::now();
            let request = request
                .http(Some(credentials), preflight.stamp(sent, window))
                .map_err(|error| SessionError::Network(error.to_string()))?;
            id += 1;
            net.ask(base, RequestId(id), request, TIMEOUT);
            let Some(arrived) = inbox.recv().await else { break };
            let at = arrived.at();
            net.tell(arrived, |event| {
                if let Event::Answered(_, answer) = event {
                    preflight.on_answer(sent, at, answer);
                }
            });
            progress(preflight.progress());
        }
        Ok(preflight.findings())
    })
}
