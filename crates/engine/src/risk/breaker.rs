//! The circuit breaker: closed, open, half-open.

use std::borrow::Cow;
use std::time::Duration;

use market::Nanos;
use serde::{Deserialize, Serialize};

use crate::carry::CarriedBreaker;
use crate::config::BreakerConfig;

/// Where the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BreakerState {
    /// Normal.
    Closed,
    /// Tripped: nothing rests until the time-out has passed.
    Open {
        /// When a trial starts.
        until: Nanos,
    },
    /// On trial: the first success closes it, the first failure opens it again.
    HalfOpen,
}

impl BreakerState {
    /// Lower-case name used in logs, metrics and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Counts failures in a row and decides when trading stops and when it is tried again.
#[derive(Clone, Debug, Hash)]
pub struct Breaker {
    state: BreakerState,
    failures: u32,
    opened: u64,
    reason: Cow<'static, str>,
    threshold: u32,
    timeout: Duration,
}

impl Breaker {
    /// Closed, no failures.
    pub fn new(config: &BreakerConfig) -> Self {
        Self {
            state: BreakerState::Closed,
            failures: 0,
            opened: 0,
            reason: Cow::Borrowed(""),
            threshold: config.threshold,
            timeout: config.timeout,
        }
    }

    /// New threshold and time-out; the state stays.
    pub fn configure(&mut self, config: &BreakerConfig) {
        (self.threshold, self.timeout) = (config.threshold, config.timeout);
    }

    /// What a restart must not forget.
    pub fn carry(&self) -> CarriedBreaker {
        CarriedBreaker {
            state: self.state,
            failures: self.failures,
            opened: self.opened,
            reason: self.reason.clone().into_owned(),
        }
    }

    /// Goes on where an earlier session stood.
    pub fn restore(&mut self, carried: &CarriedBreaker) {
        (self.state, self.failures, self.opened) =
            (carried.state, carried.failures, carried.opened);
        self.reason = Cow::Owned(carried.reason.clone());
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        self.state
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Failures in a row that open it.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Times it has opened.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Why it opened last; empty if never.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether trading must stop.
    pub fn is_open(&self) -> bool {
        matches!(self.state, BreakerState::Open { .. })
    }

    /// When [`Breaker::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        match self.state {
            BreakerState::Open { until } => Some(until),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        }
    }

    /// Something went wrong.
    pub fn failure(&mut self, now: Nanos, reason: &'static str) {
        match self.state {
            BreakerState::Closed => {
                self.failures += 1;
                if self.failures >= self.threshold {
                    self.trip(now, reason);
                }
            }
            BreakerState::HalfOpen => self.trip(now, reason),
            BreakerState::Open { .. } => {}
        }
    }

    /// A request went as intended.
    pub fn success(&mut self) {
        match self.state {
            BreakerState::Closed => self.failures = 0,
            BreakerState::HalfOpen => self.reset(),
            BreakerState::Open { .. } => {}
        }
    }

    /// A hard limit is breached: open at once, and put a trial off by a whole time-out.
    pub fn trip(&mut self, now: Nanos, reason: &'static str) {
        if !self.is_open() {
            self.opened += 1;
        }
        self.reason = Cow::Borrowed(reason);
        self.state = BreakerState::Open { until: now + self.timeout };
    }

    /// Starts the trial when the time-out has passed.
    pub fn expire(&mut self, now: Nanos) {
        if self.next_deadline().is_some_and(|until| until <= now) {
            self.state = BreakerState::HalfOpen;
        }
    }

    /// Closes it, by an operator or after a successful trial.
    pub fn reset(&mut self) {
        (self.state, self.failures) = (BreakerState::Closed, 0);
    }
}
