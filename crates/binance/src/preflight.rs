//! The questions before the first order: is the venue, the key and the account as we need them?
//!
//! A machine that names the next request and takes its answer. Every finding is kept, so that all
//! that is wrong is told at once, each with its remedy. A question is asked again when the network
//! or the venue falters, and the clock is looked at anew when the venue does not believe our time.
//! Nothing is changed at the venue unless [`Wanted::apply_settings`] says so, and then only when it
//! is known that there is neither position nor order.

mod judge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use market::{Instrument, InstrumentId, Nanos, Position, Rate};

use crate::client::{HttpReply, NoAnswer};
use crate::clock_sync::ClockSync;
use crate::reaction::{self, Answer, Executed, Reaction, Verdict};
use crate::replies::{RateLimit, VenueError, decode_server_time};
use crate::rest::{self, MarginType, Purpose, Request, Stamp};

/// Samples of the venue's clock.
const CLOCK_SAMPLES: u8 = 3;
/// A question that the venue cannot answer now is asked so often in all.
const ATTEMPTS_MAX: u32 = 3;
/// One that nobody answers is asked so often: each time may take as long as a connection may.
const ATTEMPTS_MAX_SILENT: u32 = 2;
/// The clock is looked at anew so often in all.
const CLOCK_RETRIES_MAX: u32 = 2;
/// After no answer.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The longest that is waited before a question is asked again.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How far beyond the configured fees the venue's may be before trading by them makes no sense.
const FEES_FAR_OFF: Rate = Rate::new(50_000);

/// What we need.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The contract.
    pub symbol: String,
    /// Its leverage.
    pub leverage: u32,
    /// The clocks may differ by this much.
    pub max_clock_offset: Duration,
    /// Fees that the strategy was configured for: maker and taker.
    pub fees: (Rate, Rate),
    /// Largest position, base asset.
    pub max_position: market::Decimal,
    /// A key that may withdraw is accepted.
    pub allow_withdrawals: bool,
    /// Leverage, margin type and position mode may be set.
    pub apply_settings: bool,
    /// Where the rights of the key can be asked for.
    pub has_permissions: bool,
}

/// Which host a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// [`Endpoints::rest`](crate::Endpoints::rest).
    Rest,
    /// [`Endpoints::permissions`](crate::Endpoints::permissions).
    Permissions,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// As it should be.
    Fine,
    /// An operator should know.
    Warning,
    /// Nothing may be traded.
    Refused,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when fine.
    pub remedy: String,
}

/// What trading can begin with.
#[derive(Clone, Debug)]
pub struct Ready {
    /// The contract by the venue's own rules.
    pub instrument: Instrument,
    /// The venue's rate limits.
    pub limits: Vec<RateLimit>,
    /// The account's fees: maker and taker.
    pub fees: (Rate, Rate),
    /// What is known of the venue's clock.
    pub clock: ClockSync,
}

/// What the questions came to.
#[derive(Clone, Debug)]
pub struct Findings {
    /// Everything that was looked at.
    pub checks: Vec<Check>,
    /// `None` when something was refused.
    pub ready: Option<Ready>,
}

/// What is asked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Time(u8),
    Rules,
    Account,
    /// Where the answer to [`Self::Account`] did not tell.
    PositionMode,
    /// Likewise.
    AssetMode,
    Key,
    Symbol,
    Fees,
    FeeBurn,
    Restrictions,
    Assets,
    Orders,
    Position,
    /// Something is set, then looked at again.
    Apply(Setting),
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Mode,
    Margin,
    Leverage,
}

/// A question without the answer wanted.
#[derive(Clone, Debug)]
struct Failure {
    status: u16,
    error: VenueError,
    verdict: Verdict,
}

/// The questions under way.
#[derive(Clone, Debug)]
pub struct Preflight {
    wanted: Wanted,
    question: Question,
    /// How often it was asked before.
    tries: u32,
    /// To be waited before it is asked.
    pause: Duration,
    /// What was asked when the clock came to be doubted.
    interrupted: Option<Question>,
    clock_retries: u32,
    clock: ClockSync,
    checks: Vec<Check>,
    instrument: Option<Instrument>,
    limits: Vec<RateLimit>,
    fees: Option<(Rate, Rate)>,
    /// Hedge mode, where known.
    hedge: Option<bool>,
    /// Multi-assets mode, where known.
    multi_assets: Option<bool>,
    /// Open orders of anybody, where known.
    orders: Option<usize>,
    /// Where known.
    position: Option<Position>,
    /// Settings that are not as wanted and were not set yet.
    wrong: Vec<Setting>,
    /// Settings that the venue did not let us make, and why.
    denied: Vec<(Setting, String)>,
    applied: bool,
}

impl Preflight {
    /// Begins with [`request`](Self::request).
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            question: Question::Time(0),
            tries: 0,
            pause: Duration::ZERO,
            interrupted: None,
            clock_retries: 0,
            clock: ClockSync::default(),
            checks: Vec::new(),
            instrument: None,
            limits: Vec::new(),
            fees: None,
            hedge: None,
            multi_assets: None,
            orders: None,
            position: None,
            wrong: Vec::new(),
            denied: Vec::new(),
            applied: false,
        }
    }

    /// The request to send now; `None` when all is asked.
    pub fn request(&self) -> Option<(Host, Request)> {
        let symbol = &self.wanted.symbol;
        let request = match self.question {
            Question::Time(_) => rest::server_time(),
            Question::Rules => rest::exchange_info().purpose(Purpose::Background),
            Question::Account => rest::account_config(),
            Question::PositionMode => rest::position_mode(),
            Question::AssetMode => rest::multi_assets(),
            Question::Key => return Some((Host::Permissions, rest::key_rights())),
            Question::Symbol => rest::symbol_config(symbol),
            Question::Fees => rest::commission_rate(symbol),
            Question::FeeBurn => rest::fee_burn(),
            Question::Restrictions => rest::trading_status(Some(symbol)),
            Question::Assets => rest::account(),
            Question::Orders => rest::open_orders(Some(symbol)),
            Question::Position => rest::position_risk(symbol),
            Question::Apply(Setting::Mode) => rest::set_position_mode(false),
            Question::Apply(Setting::Margin) => rest::set_margin_type(symbol, MarginType::Cross),
            Question::Apply(Setting::Leverage) => rest::set_leverage(symbol, self.wanted.leverage),
            Question::Done => return None,
        };
        Some((Host::Rest, request))
    }

    /// Wait this long before sending it.
    pub fn pause(&self) -> Duration {
        self.pause
    }

    /// How the request is to be stamped.
    pub fn stamp(&self, now: Nanos, window: Duration) -> Stamp {
        Stamp { timestamp: self.clock.server_time(now), window }
    }

    /// How far it has come, between 0 and 1.
    pub fn progress(&self) -> f64 {
        let step = match self.question {
            Question::Time(count) => f64::from(count) / f64::from(CLOCK_SAMPLES),
            Question::Rules => 1.0,
            Question::Account | Question::PositionMode | Question::AssetMode => 2.0,
            Question::Key => 3.0,
            Question::Symbol => 4.0,
            Question::Fees => 5.0,
            Question::FeeBurn => 6.0,
            Question::Restrictions => 7.0,
            Question::Assets => 8.0,
            Question::Orders => 9.0,
            Question::Position | Question::Apply(_) => 10.0,
            Question::Done => 11.0,
        };
        step / 11.0
    }

    /// Takes in the answer to the request: when that was sent, when the answer came.
    pub fn on_answer(&mut self, sent: Nanos, now: Nanos, answer: Result<HttpReply, NoAnswer>) {
        self.pause = Duration::ZERO;
        let failure = match self.read(now, answer) {
            Ok(body) => {
                self.tries = 0;
                return self.take_in(sent, now, &body);
            }
            Err(failure) => failure,
        };
        if let Some(after) = self.again(now, &failure) {
            self.tries += 1;
            self.pause = after.min(PAUSE_MAX);
            return;
        }
        self.tries = 0;
        if failure.verdict.reaction == Reaction::ResyncClock
            && self.clock_retries < CLOCK_RETRIES_MAX
        {
            self.clock_retries += 1;
            self.clock.invalidate();
            self.interrupted = Some(self.question);
            self.question = Question::Time(0);
            return;
        }
        let question = self.question;
        let goes_on = self.judge_failure(question, &failure);
        self.question = if goes_on { self.after(question) } else { Question::Done };
    }

    /// The body, or why there is none.
    fn read(&self, now: Nanos, answer: Result<HttpReply, NoAnswer>) -> Result<Vec<u8>, Failure> {
        let mutates = self.request().is_some_and(|(_, request)| request.mutates());
        let reply = match answer {
            Ok(reply) => reply,
            Err(no_answer) => {
                let message = crate::redact::redact(&no_answer.to_string());
                let error = VenueError { code: None, message };
                return Err(Failure {
                    status: 0,
                    error,
                    verdict: reaction::judge_silence(mutates),
                });
            }
        };
        // Only an error has a negative code, whatever its status.
        if (200..300).contains(&reply.status) && !reply.body.starts_with(b"{\"code\":-") {
            return Ok(reply.body);
        }
        let error = VenueError::of_body(&reply.body);
        let mut headers = reply.headers.iter();
        let after = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
        let retry_after = after.and_then(|(_, value)| reaction::retry_after(value));
        let server = self.clock.server_time(now);
        let answer = Answer {
            retry_after,
            attempt: self.tries,
            ..Answer::new(reply.status, &error, mutates, server)
        };
        let verdict = reaction::judge(&answer);
        // A setting that is as wanted already.
        if verdict.outcome == Executed::Yes {
            return Ok(reply.body);
        }
        Err(Failure { status: reply.status, error, verdict })
    }

    /// After how long the same is asked again, if it is. Nothing that we set does harm twice.
    fn again(&self, now: Nanos, failure: &Failure) -> Option<Duration> {
        let attempts = if failure.status == 0 { ATTEMPTS_MAX_SILENT } else { ATTEMPTS_MAX };
        if self.tries + 1 >= attempts {
            return None;
        }
        match (failure.verdict.outcome, failure.verdict.reaction) {
            (_, Reaction::Retry { after }) => Some(after.max(RETRY_AFTER)),
            (Executed::Unknown, _) => Some(RETRY_AFTER),
            (_, Reaction::EaseOff { until }) => Some(until.since(self.clock.server_time(now))),
            _ => None,
        }
    }

    fn take_in(&mut self, sent: Nanos, now: Nanos, body: &[u8]) {
        let question = self.question;
        let Question::Time(count) = question else {
            self.judge(question, body);
            self.question = self.after(question);
            return;
        };
        match decode_server_time(body) {
            Ok(server) if count + 1 < CLOCK_SAMPLES => {
                self.clock.sample(sent, server, now);
                self.question = Question::Time(count + 1);
            }
            Ok(server) => {
                self.clock.sample(sent, server, now);
                self.judge_clock(now);
                self.question = self.interrupted.take().unwrap_or(Question::Rules);
            }
            Err(error) => {
                let remedy = "check exchange.network or base_url: this is not a venue of ours";
                self.note("venue", State::Refused, error.to_string(), remedy);
                self.question = Question::Done;
            }
        }
    }

    /// What is asked after a question, as far as it can be answered.
    fn after(&mut self, question: Question) -> Question {
        let mut next = self.successor(question);
        while self.instrument.is_none() && is_about_contract(next) {
            next = self.successor(next);
        }
        next
    }

    fn successor(&mut self, question: Question) -> Question {
        match question {
            Question::Time(_) => Question::Rules,
            Question::Rules => Question::Account,
            Question::Account if self.hedge.is_none() => Question::PositionMode,
            Question::Account | Question::PositionMode if self.multi_assets.is_none() => {
                Question::AssetMode
            }
            Question::Account | Question::PositionMode | Question::AssetMode => {
                if self.applied {
                    Question::Symbol
                } else if self.wanted.has_permissions {
                    Question::Key
                } else {
                    let remedy = "make sure by hand that the key may not withdraw";
                    let found = "this network does not tell".to_owned();
                    self.note("key rights", State::Warning, found, remedy);
                    Question::Symbol
                }
            }
            Question::Key => Question::Symbol,
            Question::Symbol if self.applied => Question::Done,
            Question::Symbol => Question::Fees,
            Question::Fees => Question::FeeBurn,
            Question::FeeBurn => Question::Restrictions,
            Question::Restrictions => Question::Assets,
            Question::Assets => Question::Orders,
            Question::Orders => Question::Position,
            Question::Position | Question::Apply(_) => self.apply(),
            Question::Done => Question::Done,
        }
    }

    /// What is set next; when all is set, the settings are looked at again.
    fn apply(&mut self) -> Question {
        let untouched = self.orders == Some(0) && self.position == Some(Position::ZERO);
        if !self.wanted.apply_settings || !untouched {
            return Question::Done;
        }
        match self.wrong.pop() {
            Some(setting) => {
                self.applied = true;
                Question::Apply(setting)
            }
            None if self.applied => {
                (self.hedge, self.multi_assets) = (None, None);
                Question::Account
            }
            None => Question::Done,
        }
    }

    /// Notes a check; what was noted of the same before is replaced.
    fn note(&mut self, name: &'static str, state: State, found: String, remedy: &str) {
        let remedy = if state == State::Fine { String::new() } else { remedy.to_owned() };
        let check = Check { name, state, found, remedy };
        match self.checks.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = check,
            None => self.checks.push(check),
        }
    }

    /// What it came to, once [`request`](Self::request) is `None`.
    pub fn findings(self) -> Findings {
        let refused = self.checks.iter().any(|check| check.state == State::Refused);
        let ready = match (self.instrument, self.fees) {
            (Some(instrument), Some(fees)) if !refused => {
                Some(Ready { instrument, limits: self.limits, fees, clock: self.clock })
            }
            _ => None,
        };
        Findings { checks: self.checks, ready }
    }
}

/// Whether a question makes no sense of a contract that nobody knows.
fn is_about_contract(question: Question) -> bool {
    match question {
        Question::Symbol
        | Question::Fees
        | Question::Restrictions
        | Question::Orders
        | Question::Position => true,
        Question::Time(_)
        | Question::Rules
        | Question::Account
        | Question::PositionMode
        | Question::AssetMode
        | Question::Key
        | Question::FeeBurn
        | Question::Assets
        | Question::Apply(_)
        | Question::Done => false,
    }
}

/// The one instrument of a session.
const INSTRUMENT: InstrumentId = InstrumentId(0);
