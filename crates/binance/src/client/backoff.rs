//! When to try again: later and later, up to a cap, never all at once.

use std::time::Duration;

use market::Nanos;

/// Capped exponential back-off with jitter. Equal seeds wait equally long.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
    due: Nanos,
    dice: u64,
}

impl Backoff {
    /// For connections: a quarter of a second, doubling up to half a minute.
    pub(crate) fn new(seed: u64) -> Self {
        Self::between(seed, Duration::from_millis(250), Duration::from_secs(30))
    }

    /// From `first`, doubling up to `cap`; a quarter more or less each time.
    pub(crate) fn between(seed: u64, first: Duration, cap: Duration) -> Self {
        Self { first, cap, failures: 0, due: Nanos::ZERO, dice: seed }
    }

    /// It failed: wait longer than last time.
    pub(crate) fn fail(&mut self, now: Nanos) {
        let wait = self.first.saturating_mul(1 << self.failures.min(16)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        // SplitMix64: one addition and a few shifts, good enough to keep clients apart.
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let per_mille = 750 + u32::try_from((z >> 33) % 501).unwrap_or(250);
        self.due = now + wait * per_mille / 1_000;
    }

    /// It works: the next failure is the first again.
    pub(crate) fn succeed(&mut self) {
        self.failures = 0;
    }

    /// When to try.
    pub(crate) fn due(&self) -> Nanos {
        self.due
    }

    /// Whether it is time to try.
    pub(crate) fn is_due(&self, now: Nanos) -> bool {
        now >= self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_differ() {
        let waits = |seed: u64| -> Vec<u128> {
            let mut backoff = Backoff::new(seed);
            let wait = |_| {
                backoff.fail(Nanos::ZERO);
                u128::from(backoff.due().0) / 1_000_000
            };
            (0..12).map(wait).collect()
        };
        let (one, two) = (waits(1), waits(2));
        assert_eq!(one, waits(1));
        assert_ne!(one, two);
        for (turn, wait) in one.iter().enumerate() {
            let whole = (250_u128 << turn.min(16)).min(30_000);
            assert!((whole * 3 / 4..=whole * 5 / 4).contains(wait), "{turn}: {wait} ms");
        }
    }
}
