//! The PnL monitor: daily loss with a reset at 00:00 UTC, drawdown from the equity peak.

use market::{Nanos, Rate, Usd};

use crate::carry::Baselines;
use crate::config::LossLimits;

/// Which loss limit is breached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Breach {
    /// `daily_loss_limit`.
    DailyLoss,
    /// `max_drawdown_limit`.
    Drawdown,
}

/// Watches equity against the account-wide loss limits.
///
/// Transfers move the baselines with the equity, so that a withdrawal is not a loss.
#[derive(Clone, Debug, Hash)]
pub struct PnlMonitor {
    limits: LossLimits,
    started: bool,
    day: u64,
    day_start: Usd,
    equity: Usd,
    peak: Usd,
    /// Largest drawdown so far, as a fraction of its peak in units of 1e-8.
    worst: Rate,
}

impl PnlMonitor {
    /// Nothing observed yet.
    pub fn new(limits: &LossLimits) -> Self {
        Self {
            limits: limits.clone(),
            started: false,
            day: 0,
            day_start: Usd::ZERO,
            equity: Usd::ZERO,
            peak: Usd::ZERO,
            worst: Rate::ZERO,
        }
    }

    /// What a restart must not forget; `None` before anything was observed.
    pub fn baselines(&self) -> Option<Baselines> {
        let Self { day, day_start, equity, peak, worst, .. } = *self;
        self.started.then_some(Baselines { day, day_start, equity, peak, worst })
    }

    /// Goes on where an earlier session stood: what has been lost stays lost.
    pub fn restore(&mut self, baselines: &Baselines) {
        let Baselines { day, day_start, equity, peak, worst } = *baselines;
        (self.started, self.day, self.day_start) = (true, day, day_start);
        (self.equity, self.peak, self.worst) = (equity, peak, worst);
    }

    /// New limits; what has been lost stays lost.
    pub fn configure(&mut self, limits: &LossLimits) {
        self.limits = limits.clone();
    }

    /// The limits in force.
    pub fn limits(&self) -> &LossLimits {
        &self.limits
    }

    /// Takes in the equity of this moment. Returns the PnL of the day that ended, when one did.
    pub fn observe(&mut self, now: Nanos, equity: Usd) -> Option<Usd> {
        let day = now.utc_day();
        let mut closed = None;
        if !self.started {
            (self.started, self.day, self.day_start, self.peak) = (true, day, equity, equity);
        } else if day > self.day {
            closed = Some(self.equity - self.day_start);
            (self.day, self.day_start) = (day, self.equity);
        }
        self.equity = equity;
        self.peak = self.peak.max(equity);
        self.worst = self.worst.max(self.drawdown_rate());
        closed
    }

    /// A deposit or withdrawal shifts the baselines; the drawdown stays the same share of the peak.
    pub fn transfer(&mut self, amount: Usd) {
        if !self.started {
            return;
        }
        // 1e-8 units keep the product within 128 bits.
        let e8 = |amount: Usd| amount.raw() / 10_000_000_000;
        let (before, after) = (e8(self.equity), e8(self.equity + amount));
        self.peak = match (before, after) {
            (1.., 1..) => Usd::new(e8(self.peak) * after / before * 10_000_000_000),
            _ => self.peak + amount,
        };
        self.day_start += amount;
        self.equity += amount;
        self.peak = self.peak.max(self.equity);
    }

    /// Starts the drawdown anew from here; a deliberate act of an operator.
    pub fn reset_peak(&mut self) {
        self.peak = self.equity;
    }

    /// Change of equity since 00:00 UTC.
    pub fn day_pnl(&self) -> Usd {
        self.equity - self.day_start
    }

    /// Latest equity.
    pub fn equity(&self) -> Usd {
        self.equity
    }

    /// Highest equity so far.
    pub fn peak(&self) -> Usd {
        self.peak
    }

    /// Current fall from the peak.
    pub fn drawdown(&self) -> Usd {
        self.peak - self.equity
    }

    /// Current fall as a fraction of the peak, cut to 1e-8.
    pub fn drawdown_rate(&self) -> Rate {
        // 1e-8 units on both sides keep the product far from the end of 128 bits.
        let e8 = |amount: Usd| amount.raw() / 10_000_000_000;
        match e8(self.peak) {
            ..=0 => Rate::ZERO,
            peak => Rate::new((e8(self.drawdown()) * 100_000_000 / peak) as i64),
        }
    }

    /// Largest fall as a fraction of the peak it fell from.
    pub fn max_drawdown(&self) -> f64 {
        self.worst.decimal().to_f64()
    }

    /// What the drawdown may be at most, in money.
    pub fn drawdown_allowed(&self) -> Usd {
        self.peak.times(self.limits.drawdown)
    }

    /// The limits that are breached now; a limit counts as breached when it is reached.
    pub fn breaches(&self) -> impl Iterator<Item = Breach> {
        let daily = self.started && -self.day_pnl() >= self.limits.daily_loss;
        let drawdown = self.started && self.drawdown() >= self.drawdown_allowed();
        [(daily, Breach::DailyLoss), (drawdown, Breach::Drawdown)]
            .into_iter()
            .filter_map(|(breached, breach)| breached.then_some(breach))
    }
}
