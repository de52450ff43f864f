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
/// A page is asked for so often in all, like the questions before it.
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
    let refused = |why: String| {
        SessionError::Network(format!(
            "the venue does not tell the income since {since}; nothing was sent: {why}"
        ))
    };
    super::runtime()?.block_on(async {
        let (sender, mut inbox) = mpsc::unbounded_channel();
        let base = net.endpoints.rest.clone();
        let mut net = Net::new(net, sender).map_err(|e| SessionError::Network(e.to_string()))?;
        let mut sum = IncomeSum::new(&ready.instrument, since);
        let (mut asked, mut pages, mut tries) = (0, 0, 0);
        while pages < PAGES_MAX {
            let stamp = Stamp { timestamp: ready.clock.server_time(clock::now()), window };
            let request = rest::income_since(sum.from())
                .http(Some(credentials), stamp)
                .map_err(|error| refused(error.to_string()))?;
            asked += 1;
            net.ask(&base, RequestId(asked), request, TIMEOUT);
            let arrived = inbox.recv().await;
            let told = arrived.and_then(|arrived| net.tell(arrived, |event| sum.hear(event)));
            match told.unwrap_or_else(|| Err(Untold::passing("no answer"))) {
                Ok(true) => return Ok(sum.meanwhile()),
                Ok(false) => (pages, tries) = (pages + 1, 0),
                Err(untold) if untold.passes && tries + 1 < ATTEMPTS_MAX => {
                    tries += 1;
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(untold) => return Err(refused(untold.why)),
            }
        }
        Err(refused(String::from("too much of it; move the file `carry` away to begin anew")))
    })
}

/// Why a page of income was not told.
struct Untold {
    why: String,
    /// Asking again may help.
    passes: bool,
}

impl Untold {
    fn passing(why: impl ToString) -> Self {
        Self { why: why.to_string(), passes: true }
    }

    fn lasting(why: impl ToString) -> Self {
        Self { why: why.to_string(), passes: false }
    }
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

    /// Takes in an answer; returns whether it was the last page.
    fn hear(&mut self, event: Event<'_>) -> Result<bool, Untold> {
        match event {
            Event::Answered(_, Ok(reply)) if reply.status == 200 => {
                self.take(&reply.body).map_err(Untold::lasting)
            }
            Event::Answered(_, Ok(reply)) => {
                let error = VenueError::of_body(&reply.body).message;
                let passes = reply.status >= 500 || reply.status == 408;
                Err(Untold { why: format!("HTTP {}: {error}", reply.status), passes })
            }
            Event::Answered(_, Err(error)) => Err(Untold::passing(error)),
            _ => Err(Untold::lasting("no answer to the question")),
        }
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

    /// The body of the answer, or what the venue or the network says instead.
    async fn ask(&mut self, request: &rest::Request) -> Result<Vec<u8>, VenueError> {
        let failed = |message: String| VenueError { code: None, message };
        let stamp = Stamp { timestamp: self.clock.server_time(clock::now()), window: self.window };
        let request =
            request.http(Some(&self.credentials), stamp).map_err(|e| failed(e.to_string()))?;
        self.asked += 1;
        self.net.ask(&self.base, RequestId(self.asked), request, TIMEOUT);
        let arrived = self.inbox.recv().await.ok_or_else(|| failed(String::from("no network")))?;
        let answer = self.net.tell(arrived, |event| match event {
            Event::Answered(_, Ok(reply)) if (200..300).contains(&reply.status) => Ok(reply.body),
            Event::Answered(_, Ok(reply)) => Err(VenueError::of_body(&reply.body)),
            Event::Answered(_, Err(error)) => Err(failed(error.to_string())),
            _ => Err(failed(String::from("no answer"))),
        });
        answer.unwrap_or_else(|| Err(failed(String::from("no answer"))))
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
        let body = body.map_err(|error| SessionError::Network(error.message))?;
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
        assert!(sum.take(b"<html>").is_err());
    }

    #[test]
    fn what_may_pass_is_asked_again_and_nothing_else() {
        let instrument = Instrument::known(InstrumentId(0), "ETHUSDC").unwrap();
        let hear = |status: u16, body: &str| {
            let reply = HttpReply { status, headers: Vec::new(), body: body.into() };
            let mut sum = IncomeSum::new(&instrument, Nanos::ZERO);
            sum.hear(Event::Answered(RequestId(1), Ok(reply))).map_err(|untold| untold.passes)
        };
        assert_eq!(hear(200, "[]"), Ok(true));
        assert_eq!(hear(200, "<html>"), Err(false), "it would say the same again");
        for (status, passes) in [(408, true), (500, true), (503, true), (400, false), (418, false)]
        {
            assert_eq!(hear(status, "{}"), Err(passes), "{status}");
        }
        let lost = Err(NoAnswer::Lost(String::from("reset")));
        let mut sum = IncomeSum::new(&instrument, Nanos::ZERO);
        let untold = sum.hear(Event::Answered(RequestId(1), lost)).unwrap_err();
        assert!(untold.passes && untold.why.contains("reset"));
    }
}
