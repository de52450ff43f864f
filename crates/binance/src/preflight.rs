//! The questions before the first order: is the venue, the key and the account as we need them?
//!
//! A machine that names the next request and takes its answer. Every finding is kept, so that all
//! that is wrong is told at once, each with its remedy. Nothing is changed at the venue unless
//! [`Wanted::apply_settings`] says so, and then only while there is neither position nor order.

mod judge;
#[cfg(test)]
mod tests;

use std::time::Duration;

use market::{Instrument, InstrumentId, Nanos, Position, Rate};

use crate::client::{HttpReply, NoAnswer};
use crate::clock_sync::ClockSync;
use crate::replies::{RateLimit, VenueError, decode_server_time};
use crate::rest::{self, MarginType, Purpose, Request, Stamp};

/// Samples of the venue's clock.
const CLOCK_SAMPLES: u8 = 3;
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

/// The questions under way.
#[derive(Clone, Debug)]
pub struct Preflight {
    wanted: Wanted,
    question: Question,
    clock: ClockSync,
    checks: Vec<Check>,
    instrument: Option<Instrument>,
    limits: Vec<RateLimit>,
    fees: Option<(Rate, Rate)>,
    /// Open orders of anybody.
    orders: usize,
    position: Position,
    /// Settings that are not as wanted and were not set yet.
    wrong: Vec<Setting>,
    applied: bool,
}

impl Preflight {
    /// Begins with [`request`](Self::request).
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            question: Question::Time(0),
            clock: ClockSync::default(),
            checks: Vec::new(),
            instrument: None,
            limits: Vec::new(),
            fees: None,
            orders: 0,
            position: Position::ZERO,
            wrong: Vec::new(),
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

    /// How the request is to be stamped.
    pub fn stamp(&self, now: Nanos, window: Duration) -> Stamp {
        Stamp { timestamp: self.clock.server_time(now), window }
    }

    /// How far it has come, between 0 and 1.
    pub fn progress(&self) -> f64 {
        let step = match self.question {
            Question::Time(count) => f64::from(count) / f64::from(CLOCK_SAMPLES),
            Question::Rules => 1.0,
            Question::Account => 2.0,
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
        let answer = match answer {
            Ok(reply) if (200..300).contains(&reply.status) => Ok(reply.body),
            Ok(reply) => Err((reply.status, VenueError::of_body(&reply.body))),
            Err(no_answer) => {
                let message = crate::redact::redact(&no_answer.to_string());
                Err((0, VenueError { code: None, message }))
            }
        };
        if let Question::Time(count) = self.question {
            return self.on_time(count, sent, now, answer);
        }
        let question = self.question;
        let goes_on = self.judge(question, answer);
        self.question = if goes_on { self.after(question) } else { Question::Done };
    }

    fn on_time(
        &mut self,
        count: u8,
        sent: Nanos,
        now: Nanos,
        answer: Result<Vec<u8>, (u16, VenueError)>,
    ) {
        match answer.map(|body| decode_server_time(&body)) {
            Ok(Ok(server)) => {
                self.clock.sample(sent, server, now);
                self.question = Question::Time(count + 1);
                if count + 1 == CLOCK_SAMPLES {
                    self.judge_clock();
                    self.question = Question::Rules;
                }
            }
            Ok(Err(error)) => self.unreachable(&error.to_string()),
            Err((_, error)) => self.unreachable(&error.message),
        }
    }

    fn unreachable(&mut self, why: &str) {
        let remedy = "check network, proxy and exchange.network (or base_url)";
        self.note("venue", State::Refused, format!("no answer: {why}"), remedy);
        self.question = Question::Done;
    }

    fn after(&mut self, question: Question) -> Question {
        match question {
            Question::Time(_) => Question::Rules,
            Question::Rules => Question::Account,
            Question::Account if self.applied => Question::Symbol,
            Question::Account if self.wanted.has_permissions => Question::Key,
            Question::Account => {
                let remedy = "make sure by hand that the key may trade futures and not withdraw";
                let found = "this network does not tell".to_owned();
                self.note("key rights", State::Warning, found, remedy);
                Question::Symbol
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
        let untouched = self.orders == 0 && self.position == Position::ZERO;
        if !self.wanted.apply_settings || !untouched {
            return Question::Done;
        }
        match self.wrong.pop() {
            Some(setting) => {
                self.applied = true;
                Question::Apply(setting)
            }
            None if self.applied => Question::Account,
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

/// The one instrument of a session.
const INSTRUMENT: InstrumentId = InstrumentId(0);
