//! Asks the venue the questions before the first order.

use std::collections::BTreeSet;
use std::time::Duration;

use binance::client::{Event, RequestId};
use binance::preflight::{Findings, Host, Preflight, Ready, Wanted};
use binance::replies::{Income, VenueError};
use binance::{Credentials, DecodeError, Stamp, rest};
use engine::carry::Meanwhile;
use market::{Instrument, Nanos, Usd};
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

/// Pages of income that are read; more happened than anybody should trade on without looking.
const PAGES_MAX: usize = 50;

/// Cash that moved on the account since a moment, besides fills of this instrument: for what happened
/// while nobody watched. Blocks the thread.
///
/// # Errors
/// When the venue does not tell; then nothing may be assumed.
pub fn income(
    net: NetConfig,
    credentials: &Credentials,
    window: Duration,
    ready: &Ready,
    since: Nanos,
) -> Result<Meanwhile, SessionError> {
    let refused = |why: String| SessionError::Network(format!("income since {since}: {why}"));
    super::runtime()?.block_on(async {
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let base = net.endpoints.rest.clone();
        let mut net = Net::new(net, sender).map_err(|e| SessionError::Network(e.to_string()))?;
        let mut sum = IncomeSum::new(&ready.instrument, since);
        for page in 0..PAGES_MAX {
            let now = clock::now();
            let stamp = Stamp { timestamp: ready.clock.server_time(now), window };
            let request = rest::income_since(sum.from())
                .http(Some(credentials), stamp)
                .map_err(|error| refused(error.to_string()))?;
            net.ask(&base, RequestId(page as u64), request, TIMEOUT);
            let Some(arrived) = inbox.recv().await else { break };
            let taken = net.tell(arrived, |event| match event {
                Event::Answered(_, Ok(reply)) if reply.status == 200 => {
                    sum.take(&reply.body).map_err(|error| error.to_string())
                }
                Event::Answered(_, Ok(reply)) => Err(VenueError::of_body(&reply.body).message),
                Event::Answered(_, Err(error)) => Err(error.to_string()),
                _ => Err(String::from("no answer")),
            });
            if taken.unwrap_or(Ok(true)).map_err(refused)? {
                return Ok(sum.meanwhile());
            }
        }
        Err(refused(String::from("too much of it; move the file `carry` away to begin anew")))
    })
}

/// Adds up rows of income.
struct IncomeSum<'a> {
    instrument: &'a Instrument,
    since: Nanos,
    from: Nanos,
    /// Rows of one millisecond may come on two pages.
    seen: BTreeSet<(String, i64)>,
    sum: Meanwhile,
}

impl<'a> IncomeSum<'a> {
    fn new(instrument: &'a Instrument, since: Nanos) -> Self {
        Self { instrument, since, from: since, seen: BTreeSet::new(), sum: Meanwhile::default() }
    }

    fn from(&self) -> Nanos {
        self.from
    }

    fn meanwhile(&self) -> Meanwhile {
        self.sum
    }

    /// Takes in a page; returns whether it was the last.
    fn take(&mut self, body: &[u8]) -> Result<bool, DecodeError> {
        let rows = Income::decode_list(body)?;
        let last = rows.len() < rest::INCOME_PAGE;
        let from = self.from;
        for row in rows {
            self.from = self.from.max(row.time);
            let ours = row.symbol == self.instrument.symbol();
            let of_fills = ours && matches!(row.kind.as_str(), "COMMISSION" | "REALIZED_PNL");
            let counts = row.time > self.since && row.asset == self.instrument.rules().quote;
            if !counts || of_fills || !self.seen.insert((row.kind.clone(), row.id)) {
                continue;
            }
            let amount = Usd::from_decimal(row.amount);
            if ours && row.kind == "FUNDING_FEE" {
                self.sum.funding += amount;
            } else {
                self.sum.transfers += amount;
            }
        }
        // A whole page within one millisecond would be asked for again for ever.
        Ok(last || self.from == from)
    }
}

#[cfg(test)]
mod tests {
    use market::InstrumentId;

    use super::*;

    #[test]
    fn what_moved_meanwhile_is_told_apart_and_counted_once() {
        let instrument = Instrument::known(InstrumentId(0), "ETHUSDC").unwrap();
        let mut sum = IncomeSum::new(&instrument, Nanos::from_millis(1_000));
        let row = |kind: &str, symbol: &str, income: &str, asset: &str, time: u64, id: i64| {
            format!(
                r#"{{"symbol":"{symbol}","incomeType":"{kind}","income":"{income}","asset":"{asset}","time":{time},"tranId":{id}}}"#
            )
        };
        let rows = [
            row("FUNDING_FEE", "ETHUSDC", "-0.50", "USDC", 1_000, 1),
            row("FUNDING_FEE", "ETHUSDC", "-0.25", "USDC", 2_000, 2),
            row("FUNDING_FEE", "BTCUSDC", "-3", "USDC", 2_000, 3),
            row("TRANSFER", "", "100", "USDC", 2_000, 3),
            row("TRANSFER", "", "7", "USDT", 2_000, 4),
            row("COMMISSION", "ETHUSDC", "-0.01", "USDC", 2_000, 5),
            row("REALIZED_PNL", "ETHUSDC", "5", "USDC", 2_000, 6),
            row("TRANSFER", "", "100", "USDC", 2_000, 3),
        ];
        let body = format!("[{}]", rows.join(","));
        assert!(sum.take(body.as_bytes()).unwrap());
        let usd = |text: &str| Usd::from_decimal(text.parse().unwrap());
        assert_eq!(sum.meanwhile(), Meanwhile { funding: usd("-0.25"), transfers: usd("97") });
        assert_eq!(sum.from(), Nanos::from_millis(2_000));
        assert!(sum.take(b"<html>").is_err());
    }
}
