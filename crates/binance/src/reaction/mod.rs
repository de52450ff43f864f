//! What an answer means and what to do about it: one table (facts, section 11).
//!
//! Decided by HTTP status, code if any, and message. Whoever cannot be sure that a request was
//! refused must take it as in doubt: [`Executed::Unknown`] means query by client id, never resend
//! under a new id, and count it as live meanwhile.

mod table;

use std::time::Duration;

use market::Nanos;
use market::venue::RejectReason;

pub use table::{Act, Row, row};

use crate::replies::VenueError;

/// Whether the request took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executed {
    /// It did, or was so already.
    Yes,
    /// It did not.
    No,
    /// Nobody knows.
    Unknown,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing.
    Proceed,
    /// Drop it; a later decision makes a new one.
    GiveUp,
    /// Send the same again after this long.
    Retry {
        /// How long.
        after: Duration,
    },
    /// Find out by client id before anything else.
    Query,
    /// Ask for the time, then send anew with a new timestamp.
    ResyncClock,
    /// Compare orders and position: the two sides disagree.
    Resync,
    /// Read `exchangeInfo` again: the contract's rules are not what we think.
    RefreshRules,
    /// Make a listen key, reconnect, compare the account.
    NewListenKey,
    /// Send nothing until then.
    SlowDown {
        /// When sending may begin again.
        until: Nanos,
    },
    /// Send no new orders or amendments until then; cancels are fine.
    PauseOrders {
        /// When ordering may begin again.
        until: Nanos,
    },
    /// Fewer requests for a while: the venue is overloaded; cancels and reduce-only are exempt.
    EaseOff {
        /// When the load may rise again.
        until: Nanos,
    },
    /// Only orders that shrink the position are taken.
    OnlyReduce,
    /// Stop trading this contract and look at its state.
    StopSymbol,
    /// Stop altogether: an operator is needed.
    Halt,
}

/// The judgement of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it took effect.
    pub outcome: Executed,
    /// Why not, in the engine's words.
    pub reject: Option<RejectReason>,
    /// What to do next.
    pub reaction: Reaction,
    /// A person should know: our own bug, our configuration, or the account's state.
    pub alarm: bool,
    /// What it is, for the log.
    pub why: &'static str,
}

/// An answer to a request, or what came in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// HTTP status, or `status` of the WS API.
    pub status: u16,
    /// Code of the body, if it has one.
    pub code: Option<i64>,
    /// Message of the body, or the beginning of a body that is not JSON.
    pub message: &'a str,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// The request changes something (everything but GET).
    pub mutates: bool,
    /// The request had been sent before and its fate was unknown.
    pub resent: bool,
    /// How often it has been retried already.
    pub attempt: u32,
    /// When the answer came, on the venue's clock.
    pub now: Nanos,
}

/// Codeless `Service Unavailable.` is retried so often, then the venue gets a rest.
const RETRIES_MAX: u32 = 3;
const RETRY_FIRST: Duration = Duration::from_millis(200);
/// A firewall's no is final for a while; asking on makes it longer.
const FIREWALL_REST: Duration = Duration::from_secs(300);
/// An IP ban begins at two minutes.
const BAN_MIN: Duration = Duration::from_secs(120);
const OVERLOAD_REST: Duration = Duration::from_secs(2);
const MINUTE: u64 = 60_000;

/// Judges an answer.
pub fn judge(answer: &Answer<'_>) -> Verdict {
    let verdict = match (answer.status, answer.code) {
        (200..=299, None | Some(0..)) => {
            table::verdict(Executed::Yes, None, Reaction::Proceed, "done")
        }
        (403, _) => {
            refused(Reaction::SlowDown { until: answer.rest(FIREWALL_REST) }, "firewall").alarming()
        }
        (418, _) => {
            refused(Reaction::SlowDown { until: answer.ban(BAN_MIN) }, "IP banned").alarming()
        }
        (429, Some(-1015)) => by_code(answer, -1015),
        (429, _) => refused(Reaction::SlowDown { until: answer.ban_or_minute() }, "weight limit"),
        (451, _) => refused(Reaction::Halt, "refused for legal reasons of location").alarming(),
        (408, _) => in_doubt("backend time-out"),
        (500..=599, None) => codeless_5xx(answer),
        (500..=599, Some(code)) => match row(code) {
            Some(_) => by_code(answer, code),
            None => in_doubt("server error of unknown kind"),
        },
        (401, None) => refused(Reaction::Halt, "key refused").alarming(),
        (400..=499, None) => refused(Reaction::GiveUp, "refused without a code").alarming(),
        (_, Some(code)) if code < 0 => by_code(answer, code),
        _ => in_doubt("not an answer we understand"),
    };
    verdict.for_kind(answer)
}

/// Judges silence: a time-out, a dropped connection, a reset after sending.
pub fn judge_silence(mutates: bool) -> Verdict {
    let verdict = in_doubt("no answer");
    if mutates { verdict } else { verdict.retried(RETRY_FIRST) }
}

/// Judges one code of the table.
fn by_code(answer: &Answer<'_>, code: i64) -> Verdict {
    let Some(row) = row(code) else {
        return refused(Reaction::GiveUp, "refused with an unknown code").alarming();
    };
    let reaction = match row.act {
        Act::Proceed => Reaction::Proceed,
        Act::GiveUp => Reaction::GiveUp,
        Act::Retry(after) => Reaction::Retry { after },
        Act::Query => Reaction::Query,
        Act::ResyncClock => Reaction::ResyncClock,
        Act::Resync => Reaction::Resync,
        Act::RefreshRules => Reaction::RefreshRules,
        Act::NewListenKey => Reaction::NewListenKey,
        Act::SlowDown => Reaction::SlowDown { until: answer.ban_or_minute() },
        Act::PauseOrders => Reaction::PauseOrders { until: answer.order_window() },
        Act::EaseOff => Reaction::EaseOff { until: answer.rest(OVERLOAD_REST) },
        Act::OnlyReduce => Reaction::OnlyReduce,
        Act::StopSymbol => Reaction::StopSymbol,
        Act::Halt => Reaction::Halt,
    };
    let verdict = Verdict {
        outcome: row.outcome,
        reject: row.reject,
        reaction,
        alarm: row.alarm,
        why: row.why,
    };
    match code {
        // Our own first try took the id: the order may live.
        -4116 if answer.resent => in_doubt("duplicate of our own first try"),
        -2010 if says(answer, "immediately") => {
            Verdict { reject: Some(RejectReason::WouldTake), ..verdict }
        }
        _ => verdict,
    }
}

/// 5xx without a code: the venue's own two sentences, or the edge's HTML.
fn codeless_5xx(answer: &Answer<'_>) -> Verdict {
    let message = answer.message.trim().trim_end_matches('.');
    if answer.status == 503 && message.eq_ignore_ascii_case("Service Unavailable") {
        let why = "service unavailable, not executed";
        return if answer.attempt < RETRIES_MAX {
            refused(Reaction::Retry { after: RETRY_FIRST * 2_u32.pow(answer.attempt) }, why)
        } else {
            refused(Reaction::EaseOff { until: answer.rest(OVERLOAD_REST * 2) }, why)
        };
    }
    if answer.status == 503 && says(answer, "system is currently overloaded") {
        return by_code(answer, -1008);
    }
    if says(answer, "unknown error, please check your request") {
        return in_doubt("unknown error, may have executed");
    }
    in_doubt("server error without a code")
}

fn says(answer: &Answer<'_>, words: &str) -> bool {
    answer.message.to_ascii_lowercase().contains(words)
}

fn refused(reaction: Reaction, why: &'static str) -> Verdict {
    let reject = match reaction {
        Reaction::SlowDown { .. } | Reaction::PauseOrders { .. } => RejectReason::RateLimit,
        Reaction::EaseOff { .. } | Reaction::Retry { .. } => RejectReason::Unavailable,
        _ => RejectReason::Other,
    };
    table::verdict(Executed::No, Some(reject), reaction, why)
}

fn in_doubt(why: &'static str) -> Verdict {
    table::verdict(Executed::Unknown, None, Reaction::Query, why)
}

impl Verdict {
    fn alarming(self) -> Self {
        Self { alarm: true, ..self }
    }

    fn retried(self, after: Duration) -> Self {
        Self { outcome: Executed::No, reaction: Reaction::Retry { after }, ..self }
    }

    /// A read has no effect to be in doubt about: it is asked again.
    fn for_kind(self, answer: &Answer<'_>) -> Self {
        if answer.mutates || self.outcome != Executed::Unknown {
            return self;
        }
        self.retried(RETRY_FIRST * 2_u32.pow(answer.attempt.min(6)))
    }
}

impl<'a> Answer<'a> {
    /// A first answer with this error in its body.
    pub fn new(status: u16, error: &'a VenueError, mutates: bool, now: Nanos) -> Self {
        let VenueError { code, message } = error;
        let (retry_after, resent, attempt) = (None, false, 0);
        Self { status, code: *code, message, retry_after, mutates, resent, attempt, now }
    }
}

/// Reads the `Retry-After` header, which the venue gives in seconds.
pub fn retry_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(Duration::from_secs)
}

impl Answer<'_> {
    fn rest(&self, at_least: Duration) -> Nanos {
        self.now + self.retry_after.unwrap_or(Duration::ZERO).max(at_least)
    }

    /// Until when the IP is banned: the latest of what header and message say.
    fn ban(&self, at_least: Duration) -> Nanos {
        let told = self.banned_until();
        match (self.retry_after, told) {
            (None, None) => self.now + at_least,
            (after, told) => {
                let after = self.now + after.unwrap_or(Duration::ZERO);
                after.max(told.unwrap_or(Nanos::ZERO))
            }
        }
    }

    fn ban_or_minute(&self) -> Nanos {
        let rest_of_minute = MINUTE - self.now.as_millis() % MINUTE;
        self.ban(Duration::from_millis(rest_of_minute))
    }

    /// The end of the order window that is full: the minute if the message names it, else ten
    /// seconds.
    fn order_window(&self) -> Nanos {
        if self.retry_after.is_some() {
            return self.ban(Duration::ZERO);
        }
        let span = if says(self, "minute") { MINUTE } else { 10_000 };
        self.now + Duration::from_millis(span - self.now.as_millis() % span)
    }

    /// The epoch milliseconds in "…banned until 1791000000000…".
    fn banned_until(&self) -> Option<Nanos> {
        let lower = self.message.to_ascii_lowercase();
        let (_, rest) = lower.split_once("until")?;
        let digits: String = rest
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        let millis: u64 = digits.parse().ok()?;
        // Thirteen digits are milliseconds of this century; anything else is not a time.
        (digits.len() == 13).then_some(Nanos::from_millis(millis))
    }
}

#[cfg(test)]
mod tests;
