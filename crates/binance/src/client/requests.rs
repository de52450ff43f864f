//! Requests over REST: paid from the budget, stamped with the venue's time, judged when answered,
//! sent again where that is safe.
//!
//! What may be sent again is decided here and nowhere else: questions, and whatever does no harm
//! twice and is worth nothing late (cancels, the dead-man's switch). New orders and amendments never
//! are; their fate is told, and the engine decides anew.

use std::collections::BTreeMap;
use std::time::Duration;

use market::Nanos;

use super::mutants::{self, Mutant};
use super::{HttpReply, Io, Level, NoAnswer, RequestId};
use crate::clock_sync::ClockSync;
use crate::limits::{Budget, WaitUntil};
use crate::reaction::{self, Answer, Executed, Reaction, Verdict};
use crate::replies::VenueError;
use crate::rest::{Purpose, Request, Security, Stamp};
use crate::sign::Credentials;

/// A request is tried so often in all.
const ATTEMPTS_MAX: u32 = 4;
/// Cancels that wait for the venue to listen again are bounded by the orders that can be open; this
/// is a guard against a bug, beyond it the newest is dropped and told.
const QUEUE_MAX: usize = 1_024;
/// A request that waits for a sample of the venue's clock goes out without one after this long.
const CLOCK_PATIENCE: Duration = Duration::from_secs(1);
/// Between two questions for the time, whatever became of the first.
const TIME_APART: Duration = Duration::from_secs(1);

/// What is left to say of a request.
#[derive(Debug)]
pub(crate) struct Done<T> {
    /// What it was for.
    pub(crate) what: T,
    /// The body, or why there is none.
    pub(crate) result: Result<Vec<u8>, Failure>,
}

/// A request that came to nothing, or nobody knows.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    /// In the venue's words, or those of the network.
    pub(crate) error: VenueError,
    /// What it means.
    pub(crate) verdict: Verdict,
}

/// A request on its way, or waiting to go.
#[derive(Clone, Debug)]
struct Attempt<T> {
    request: Request,
    what: T,
    /// How often it has been sent before.
    tries: u32,
    /// An earlier try may have taken effect.
    resent: bool,
}

/// Counts for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestStats {
    /// Sent, every try counted.
    pub sent: u64,
    /// Answered with success.
    pub succeeded: u64,
    /// Refused by the venue.
    pub refused: u64,
    /// Without an answer, or with one that leaves the outcome open.
    pub unknown: u64,
    /// Sent again.
    pub retried: u64,
    /// Not sent because the budget or the venue forbade it.
    pub withheld: u64,
}

/// The requests of a client. `T` says what each is for.
pub(crate) struct Requests<T> {
    credentials: Credentials,
    window: Duration,
    timeout: Duration,
    pub(crate) clock: ClockSync,
    pub(crate) budget: Budget,
    sent: BTreeMap<RequestId, (Nanos, Attempt<T>)>,
    /// To be sent later, in the order of their time.
    queue: Vec<(Nanos, Attempt<T>)>,
    /// The venue said that our time was wrong: ask for it at once.
    clock_doubted: Option<Nanos>,
    /// When the time was asked for last.
    time_asked: Nanos,
    /// When it was told last, whether or not we learned from it.
    time_told: Nanos,
    /// No new exposure before: the venue is overloaded.
    ease_until: Nanos,
    stats: RequestStats,
}

impl<T: Clone> Requests<T> {
    /// `timeout` is how long an answer is waited for.
    pub(crate) fn new(
        credentials: Credentials,
        budget: Budget,
        clock: ClockSync,
        window: Duration,
        timeout: Duration,
    ) -> Self {
        Self {
            credentials,
            window,
            timeout,
            clock,
            budget,
            sent: BTreeMap::new(),
            queue: Vec::new(),
            clock_doubted: None,
            time_asked: Nanos::ZERO,
            time_told: Nanos::ZERO,
            ease_until: Nanos::ZERO,
            stats: RequestStats::default(),
        }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    pub(crate) fn stats(&self) -> RequestStats {
        self.stats
    }

    /// How a request made now is stamped.
    pub(crate) fn stamp(&self, now: Nanos) -> Stamp {
        Stamp { timestamp: self.clock.server_time(now), window: self.window }
    }

    /// Takes the cost of a request, also of one that goes over the WS API.
    ///
    /// # Errors
    /// [`WaitUntil`] on our clock.
    pub(crate) fn spend(&mut self, now: Nanos, request: &Request) -> Result<(), WaitUntil> {
        let server = self.clock.server_time(now);
        let paid = match request.purpose {
            Purpose::Trade if now < self.ease_until => {
                Err(WaitUntil { until: self.ease_until, why: crate::limits::Wait::Blocked })
            }
            _ => self
                .budget
                .try_spend(server, request)
                .map_err(|wait| WaitUntil { until: self.clock.local_time(wait.until), ..wait }),
        };
        if paid.is_err() {
            self.stats.withheld += 1;
        }
        paid
    }

    /// Sends a request now.
    ///
    /// # Errors
    /// [`WaitUntil`] when budget or venue forbid it; nothing was sent.
    pub(crate) fn send(
        &mut self,
        io: &mut Io<'_>,
        request: Request,
        what: T,
    ) -> Result<(), WaitUntil> {
        self.spend(io.now, &request)?;
        self.post(io, Attempt { request, what, tries: 0, resent: false });
        Ok(())
    }

    /// Sends a request as soon as it may be sent. For what must get out: cancels.
    pub(crate) fn insist(&mut self, io: &mut Io<'_>, request: Request, what: T) {
        let attempt = Attempt { request, what, tries: 0, resent: false };
        match self.spend(io.now, &attempt.request) {
            Ok(()) => self.post(io, attempt),
            Err(wait) => self.put_off(io, wait.until, attempt),
        }
    }

    /// Sends a request as soon as it may be sent, but not before `at`.
    pub(crate) fn insist_at(&mut self, io: &mut Io<'_>, at: Nanos, request: Request, what: T) {
        self.put_off(io, at, Attempt { request, what, tries: 0, resent: false });
    }

    /// What satisfies `is` is not sent again, and not at all if it still waits.
    pub(crate) fn abandon(&mut self, is: impl Fn(&T) -> bool) {
        self.queue.retain(|(_, attempt)| !is(&attempt.what));
        let sent = self.sent.values_mut().filter(|(_, attempt)| is(&attempt.what));
        sent.for_each(|(_, attempt)| attempt.tries = ATTEMPTS_MAX);
    }

    fn put_off(&mut self, io: &mut Io<'_>, at: Nanos, attempt: Attempt<T>) {
        if self.queue.len() >= QUEUE_MAX {
            io.log(Level::Error, "too many requests wait for the venue; the newest is dropped");
            return;
        }
        let place = self.queue.partition_point(|(due, _)| *due <= at);
        self.queue.insert(place, (at, attempt));
    }

    fn post(&mut self, io: &mut Io<'_>, mut attempt: Attempt<T>) {
        let stamp = self.stamp(io.now);
        let Ok(request) = attempt.request.http(Some(&self.credentials), stamp) else { return };
        attempt.tries += 1;
        self.stats.sent += 1;
        let timeout = match attempt.request.purpose {
            Purpose::Background => BACKGROUND_TIMEOUT.max(self.timeout),
            Purpose::Trade | Purpose::Query | Purpose::Close | Purpose::Cancel => self.timeout,
        };
        let id = io.http(request, timeout);
        self.sent.insert(id, (io.now, attempt));
    }

    /// Takes in an answer; `None` while the request is tried again.
    pub(crate) fn answered(
        &mut self,
        io: &mut Io<'_>,
        id: RequestId,
        reply: Result<HttpReply, NoAnswer>,
    ) -> Option<Done<T>> {
        let (sent, attempt) = self.sent.remove(&id)?;
        let reply = match reply {
            Ok(reply) => reply,
            Err(no_answer) => return self.unanswered(io, attempt, &no_answer),
        };
        let (from, to) = (self.clock.server_time(sent), self.clock.server_time(io.now));
        let headers = reply.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.budget.on_headers(from, to, headers);
        if (200..300).contains(&reply.status) && !has_error_code(&reply.body) {
            self.stats.succeeded += 1;
            return Some(Done { what: attempt.what, result: Ok(reply.body) });
        }
        let error = VenueError::of_body(&reply.body);
        let retry_after = reply
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
            .and_then(|(_, value)| reaction::retry_after(value));
        let answer = Answer {
            retry_after,
            resent: attempt.resent,
            attempt: attempt.tries - 1,
            ..Answer::new(reply.status, &error, attempt.request.mutates(), to)
        };
        let verdict = reaction::judge(&answer);
        if verdict.outcome == Executed::Yes {
            self.stats.succeeded += 1;
            return Some(Done { what: attempt.what, result: Ok(reply.body) });
        }
        self.count(verdict.outcome);
        self.failed(io, attempt, Failure { error, verdict })
    }

    /// Nothing came back.
    fn unanswered(
        &mut self,
        io: &mut Io<'_>,
        attempt: Attempt<T>,
        no_answer: &NoAnswer,
    ) -> Option<Done<T>> {
        let mut verdict = reaction::judge_silence(attempt.request.mutates());
        if let NoAnswer::NotSent(_) = no_answer {
            verdict.outcome = Executed::No;
            verdict.reject = Some(market::venue::RejectReason::Unavailable);
            verdict.reaction = Reaction::Retry { after: RETRY_AFTER_SILENCE };
        }
        self.count(verdict.outcome);
        let message = crate::redact::redact(&no_answer.to_string());
        self.failed(io, attempt, Failure { error: VenueError { code: None, message }, verdict })
    }

    fn failed(
        &mut self,
        io: &mut Io<'_>,
        attempt: Attempt<T>,
        failure: Failure,
    ) -> Option<Done<T>> {
        self.heed(io.now, &failure.verdict);
        if let Some(after) = self.again(&attempt, &failure.verdict) {
            self.stats.retried += 1;
            let unknown = failure.verdict.outcome == Executed::Unknown;
            let attempt = Attempt { resent: attempt.resent || unknown, ..attempt };
            self.put_off(io, io.now + after, attempt);
            return None;
        }
        let level = if failure.verdict.alarm { Level::Error } else { Level::Debug };
        let Failure { error, verdict } = &failure;
        let code = error.code.map(|code| format!(" ({code})")).unwrap_or_default();
        let (method, path) = (attempt.request.method.name(), attempt.request.path);
        io.log(level, format!("{method} {path}: {}{code}: {}", verdict.why, error.message));
        Some(Done { what: attempt.what, result: Err(failure) })
    }

    /// Whether and after how long a request that came to nothing is sent again.
    fn again(&self, attempt: &Attempt<T>, verdict: &Verdict) -> Option<Duration> {
        if mutants::is(Mutant::RetryBlindly) && verdict.outcome == Executed::Unknown {
            return Some(RETRY_AFTER_SILENCE);
        }
        let worthless_late = matches!(attempt.request.purpose, Purpose::Trade | Purpose::Close);
        if attempt.tries >= ATTEMPTS_MAX || worthless_late || !attempt.request.idempotent {
            return None;
        }
        match (verdict.outcome, verdict.reaction) {
            (_, Reaction::Retry { after }) => Some(after),
            (Executed::Unknown, _) => Some(RETRY_AFTER_SILENCE),
            (Executed::No, Reaction::ResyncClock) => Some(Duration::ZERO),
            // A cancel waits for the ban to end; a question is asked anew by whoever needs to know.
            (Executed::No, Reaction::SlowDown { .. } | Reaction::EaseOff { .. })
                if attempt.request.purpose == Purpose::Cancel =>
            {
                Some(RETRY_AFTER_SILENCE)
            }
            _ => None,
        }
    }

    /// Does what an answer asks of all requests, whichever way it came.
    pub(crate) fn heed(&mut self, now: Nanos, verdict: &Verdict) {
        match verdict.reaction {
            Reaction::SlowDown { until } => self.budget.block(until),
            Reaction::PauseOrders { until } => self.budget.block_orders(until),
            Reaction::EaseOff { until } => {
                self.ease_until = self.ease_until.max(self.clock.local_time(until));
            }
            Reaction::ResyncClock => {
                self.clock_doubted.get_or_insert(now);
            }
            Reaction::Proceed
            | Reaction::GiveUp
            | Reaction::Retry { .. }
            | Reaction::Query
            | Reaction::Resync
            | Reaction::RefreshRules
            | Reaction::NewListenKey
            | Reaction::OnlyReduce
            | Reaction::StopSymbol
            | Reaction::Halt => {}
        }
    }

    fn count(&mut self, outcome: Executed) {
        match outcome {
            Executed::Yes => self.stats.succeeded += 1,
            Executed::No => self.stats.refused += 1,
            Executed::Unknown => self.stats.unknown += 1,
        }
    }

    /// Sends what was put off and is due.
    pub(crate) fn on_time(&mut self, io: &mut Io<'_>) {
        let due = self.queue.partition_point(|(at, _)| *at <= io.now);
        for (_, attempt) in self.queue.drain(..due).collect::<Vec<_>>() {
            let signed = attempt.request.security == Security::Signed;
            if signed && self.clock_doubted.is_some_and(|since| io.now < since + CLOCK_PATIENCE) {
                self.put_off(io, io.now + CLOCK_RETRY, attempt);
                continue;
            }
            match self.spend(io.now, &attempt.request) {
                Ok(()) => self.post(io, attempt),
                Err(wait) => self.put_off(io, wait.until.max(io.now + CLOCK_RETRY), attempt),
            }
        }
    }

    /// When [`on_time`](Self::on_time) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Nanos> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// When the venue's time should be asked for. An answer that tells less than an earlier one, or
    /// none at all, is no reason to ask again at once.
    pub(crate) fn time_due(&self) -> Nanos {
        let soonest = self.time_asked + TIME_APART;
        match self.clock_doubted {
            Some(_) => soonest,
            None => soonest.max(self.clock.due()).max(self.time_told + ClockSync::REFRESH),
        }
    }

    /// The venue's time is being asked for.
    pub(crate) fn on_time_asked(&mut self, now: Nanos) {
        self.time_asked = now;
    }

    /// A sample of the venue's clock.
    pub(crate) fn on_server_time(&mut self, sent: Nanos, server: Nanos, received: Nanos) {
        self.clock.sample(sent, server, received);
        (self.clock_doubted, self.time_told) = (None, received);
    }

    /// Until when the venue wants to hear nothing, on our clock.
    pub(crate) fn blocked_until(&self, now: Nanos) -> Option<Nanos> {
        let until = self.budget.blocked_until(self.clock.server_time(now))?;
        Some(self.clock.local_time(until))
    }

    /// Requests waiting to be sent, of those that satisfy `is`.
    pub(crate) fn waits(&self, is: impl Fn(&T) -> bool) -> bool {
        self.queue.iter().any(|(_, attempt)| is(&attempt.what))
    }

    /// Whether a request of this kind is on its way or waiting.
    pub(crate) fn is_busy(&self, is: impl Fn(&T) -> bool) -> bool {
        self.sent.values().any(|(_, attempt)| is(&attempt.what)) || self.waits(is)
    }
}

/// Bodies of several megabytes come with these.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(15);
const RETRY_AFTER_SILENCE: Duration = Duration::from_millis(200);
const CLOCK_RETRY: Duration = Duration::from_millis(20);

/// Some refusals come with status 200; success may carry a `code` too, which is then positive.
fn has_error_code(body: &[u8]) -> bool {
    body.starts_with(b"{\"code\":-")
}
