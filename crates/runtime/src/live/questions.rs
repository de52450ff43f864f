//! Asks the venue the questions before the first order.

use std::collections::BTreeSet;
use std::time::Duration;

use binance::client::{Event, RequestId};
use binance::preflight::{Findings, Host, Preflight, Ready, Wanted};
use binance::queries::{AccountQuery, Step};
use binance::replies::{Income, VenueError};
use binance::rest::OrderName;
use binance::{ClockSync, Credentials, DecodeError, Stamp, rest};
use engine::carry::Meanwhile;
use market::venue::{AccountState, VenueReport};
use market::{ClientOrderId, Instrument, Nanos, TradeId, Usd};
use tokio::sync::mpsc;

use super::net::{Arrived, Net, NetConfig};
use crate::clock;
use crate::session::SessionError;
use crate::store::Payment;

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
/// A question is asked so often in all, like those of [`preflight`].
const ATTEMPTS_MAX: u32 = 3;
/// After an answer that did not come.
const RETRY_AFTER: Duration = Duration::from_millis(500);

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
    Ok(payments(net, credentials, window, ready, since)?.0)
}

/// As [`income`], with every payment by itself.
///
/// # Errors
/// As [`income`].
pub fn payments(
    net: NetConfig,
    credentials: &Credentials,
    window: Duration,
    ready: &Ready,
    since: Nanos,
) -> Result<(Meanwhile, Vec<Payment>), SessionError> {
    let refused = |why: String| {
        SessionError::Network(format!(
            "the venue does not tell the income since {since}; nothing was sent: {why}"
        ))
    };
    super::runtime()?.block_on(async {
        let mut asker = Asker::new(net, credentials, window, &ready.clock)?;
        let mut sum = IncomeSum::new(&ready.instrument, since);
        for _ in 0..PAGES_MAX {
            let page = asker.ask(&rest::income_since(sum.from())).await;
            let page = page.map_err(|error| refused(error.message))?;
            if sum.take(&page).map_err(|error| refused(error.to_string()))? {
                return Ok((sum.meanwhile(), sum.payments));
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
    payments: Vec<Payment>,
}

impl<'a> IncomeSum<'a> {
    fn new(instrument: &'a Instrument, since: Nanos) -> Self {
        let (seen, sum, payments) = (BTreeSet::new(), Meanwhile::default(), Vec::new());
        Self { instrument, since, from: since, seen, sum, payments }
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
            let is_funding = ours && row.kind == "FUNDING_FEE";
            if is_funding {
                self.sum.funding += amount;
            } else {
                self.sum.transfers += amount;
            }
            self.payments.push(Payment {
                told_as: row.kind,
                id: row.id,
                at: row.time,
                symbol: row.symbol,
                kind: if is_funding { "funding" } else { "transfer" },
                amount,
            });
        }
        // A whole page within one millisecond would be asked for again for ever.
        Ok(last || self.from == from)
    }
}

/// One signed request after the other, outside a session. Blocks the thread.
struct Asker {
    net: Net,
    inbox: mpsc::UnboundedReceiver<Arrived>,
    base: String,
    credentials: Credentials,
    window: Duration,
    clock: ClockSync,
    asked: u64,
}

impl Asker {
    fn new(
        net: NetConfig,
        credentials: &Credentials,
        window: Duration,
        clock: &ClockSync,
    ) -> Result<Self, SessionError> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let base = net.endpoints.rest.clone();
        let net = Net::new(net, sender).map_err(|e| SessionError::Network(e.to_string()))?;
        let (credentials, clock) = (credentials.clone(), clock.clone());
        Ok(Self { net, inbox, base, credentials, window, clock, asked: 0 })
    }

    /// The body of the answer, or what the venue or the network says instead. What may pass is waited
    /// out a little, as with the questions of [`preflight`].
    async fn ask(&mut self, request: &rest::Request) -> Result<Vec<u8>, VenueError> {
        let mut tries = 1;
        loop {
            match self.ask_once(request).await {
                Err(untold) if untold.passes && request.idempotent && tries < ATTEMPTS_MAX => {
                    tries += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                told => return told.map_err(|untold| untold.error),
            }
        }
    }

    async fn ask_once(&mut self, request: &rest::Request) -> Result<Vec<u8>, Untold> {
        let stamp = Stamp { timestamp: self.clock.server_time(clock::now()), window: self.window };
        let request = request
            .http(Some(&self.credentials), stamp)
            .map_err(|error| Untold::new(error.to_string(), false))?;
        self.asked += 1;
        self.net.ask(&self.base, RequestId(self.asked), request, TIMEOUT);
        let arrived = self.inbox.recv().await;
        let told = arrived.and_then(|arrived| self.net.tell(arrived, body));
        told.unwrap_or_else(|| Err(Untold::new(String::from("no answer"), true)))
    }
}

/// A question without the answer wanted.
#[derive(Debug)]
struct Untold {
    error: VenueError,
    /// Asking again may help.
    passes: bool,
}

impl Untold {
    fn new(message: String, passes: bool) -> Self {
        Self { error: VenueError { code: None, message }, passes }
    }
}

/// The body of an answer that says yes.
fn body(event: Event<'_>) -> Result<Vec<u8>, Untold> {
    match event {
        Event::Answered(_, Ok(reply)) if (200..300).contains(&reply.status) => Ok(reply.body),
        Event::Answered(_, Ok(reply)) => {
            let mut error = VenueError::of_body(&reply.body);
            if error.message.is_empty() {
                error.message = format!("HTTP {}", reply.status);
            }
            Err(Untold { error, passes: reply.status >= 500 || reply.status == 408 })
        }
        Event::Answered(_, Err(error)) => Err(Untold::new(error.to_string(), true)),
        Event::Opened(_) | Event::Frame(..) | Event::Heard(_) | Event::Closed(..) => {
            Err(Untold::new(String::from("a socket spoke that nobody opened"), false))
        }
    }
}

/// The account as the venue has it: position, wallet, open orders, and our fills after `since`. Blocks
/// the thread.
///
/// # Errors
/// When the venue does not tell.
pub fn account(
    net: NetConfig,
    credentials: &Credentials,
    window: Duration,
    ready: &Ready,
    since: Option<TradeId>,
) -> Result<AccountState, SessionError> {
    super::runtime()?.block_on(async {
        let mut asker = Asker::new(net, credentials, window, &ready.clock)?;
        let mut query = AccountQuery::new(&ready.instrument, since, 0);
        let mut request = query.request();
        loop {
            let answer = asker.ask(&request).await;
            let failure = answer.as_ref().err().map(|error| error.message.clone());
            let step = query.on_answer(answer.as_deref());
            match step.map_err(|error| SessionError::Network(error.to_string()))? {
                Step::Ask(next) => request = next,
                Step::Done(VenueReport::Account(state)) => return Ok(state),
                Step::Done(_) => {
                    let why = failure.unwrap_or_else(|| String::from("it changes too fast"));
                    return Err(SessionError::Network(format!("the account is not told: {why}")));
                }
            }
        }
    })
}

/// The venue's own name for the account, if it gives one. Blocks the thread.
///
/// # Errors
/// When the venue does not tell.
pub fn alias(
    net: NetConfig,
    credentials: &Credentials,
    window: Duration,
    ready: &Ready,
) -> Result<Option<String>, SessionError> {
    super::runtime()?.block_on(async {
        let mut asker = Asker::new(net, credentials, window, &ready.clock)?;
        let body = asker.ask(&rest::balance()).await;
        let body = body.map_err(|error| {
            let why = error.message;
            SessionError::Network(format!(
                "the venue does not name the account; nothing was sent: {why}"
            ))
        })?;
        let rows: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let alias = rows.get(0).and_then(|row| row.get("accountAlias")).and_then(|a| a.as_str());
        // What becomes part of a file and of messages is short and plain.
        let plain = |alias: &&str| {
            (1..=32).contains(&alias.len())
                && alias.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        Ok(alias.filter(plain).map(str::to_owned))
    })
}

/// Cancels these orders of ours; returns those that could not be, with the reason. Blocks the thread.
///
/// # Errors
/// When the network cannot be used.
pub fn cancel(
    net: NetConfig,
    credentials: &Credentials,
    window: Duration,
    ready: &Ready,
    orders: &[ClientOrderId],
) -> Result<Vec<(ClientOrderId, String)>, SessionError> {
    super::runtime()?.block_on(async {
        let mut asker = Asker::new(net, credentials, window, &ready.clock)?;
        let mut left = Vec::new();
        for order in orders {
            let name = OrderName::Client(*order);
            let request = rest::cancel(ready.instrument.symbol(), name);
            match asker.ask(&request).await {
                Ok(_) => {}
                // Gone already: filled, or canceled by the dead-man's switch.
                Err(error) if error.code == Some(-2011) => {}
                Err(error) => left.push((*order, error.message)),
            }
        }
        Ok(left)
    })
}

#[cfg(test)]
mod tests {
    use binance::client::{HttpReply, NoAnswer};
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
        let ids: Vec<i64> = sum.payments.iter().map(|payment| payment.id).collect();
        assert_eq!(ids, [2, 3, 3], "one funding, two that are not");
        let counted: Usd = sum.payments.iter().map(|payment| payment.amount).sum();
        assert_eq!(counted, usd("96.75"));
        assert!(sum.take(b"<html>").is_err());
    }

    #[test]
    fn what_may_pass_is_asked_again_and_nothing_else() {
        let answer = |status: u16, text: &str| {
            let reply = HttpReply { status, headers: Vec::new(), body: text.into() };
            body(Event::Answered(RequestId(1), Ok(reply)))
        };
        assert_eq!(answer(200, "[]").unwrap(), b"[]");
        for (status, passes) in [(408, true), (500, true), (503, true), (400, false), (418, false)]
        {
            let untold = answer(status, "").unwrap_err();
            assert_eq!(untold.passes, passes, "{status}");
            assert!(!untold.error.message.is_empty(), "{status}");
        }
        let refused = answer(400, r#"{"code":-2011,"msg":"Unknown order sent."}"#).unwrap_err();
        assert_eq!(refused.error.code, Some(-2011));
        for lost in
            [NoAnswer::Lost(String::from("reset")), NoAnswer::NotSent(String::from("reset"))]
        {
            let untold = body(Event::Answered(RequestId(1), Err(lost))).unwrap_err();
            assert!(untold.passes && untold.error.message.contains("reset"));
        }
    }
}
