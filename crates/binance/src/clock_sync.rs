//! The venue's clock, estimated from questions and answers.
//!
//! The venue refuses what is stamped more than a second ahead of it or older than the window
//! (-1021), so the offset must be known before the first signed request (facts, section 2).

use std::time::Duration;

use market::Nanos;

/// Estimates the offset between our clock and the venue's, and how far off the estimate may be.
///
/// The sample with the shortest round trip wins: half of it bounds the error whatever the paths.
/// Clocks drift apart, so a sample loses worth with age until a younger one beats it.
#[derive(Clone, Debug, Default)]
pub struct ClockSync {
    best: Option<Sample>,
    round_trip: Option<Duration>,
    samples: u64,
    steps: u64,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Venue minus us, in nanoseconds.
    offset: i64,
    /// Half the round trip, and half the venue's unit of time.
    bound: Duration,
    taken: Nanos,
}

/// The venue tells milliseconds; the instant lies half of one later on average.
const HALF_UNIT: Duration = Duration::from_micros(500);
/// What two decent clocks drift apart at most, in parts per million.
const DRIFT_PPM: u32 = 50;

impl ClockSync {
    /// Ask again after this long, and at once on -1021.
    pub const REFRESH: Duration = Duration::from_secs(60);

    /// Takes in one question: when it was sent, what the venue said, when the answer came.
    ///
    /// Returns whether the estimate changed. A sample that took no time or negative time (our clock
    /// was set back meanwhile) is dropped.
    pub fn sample(&mut self, sent: Nanos, server: Nanos, received: Nanos) -> bool {
        if received < sent {
            return false;
        }
        self.samples += 1;
        let trip = received.since(sent);
        self.round_trip = Some(trip);
        let middle = sent + trip / 2;
        let offset = i128::from((server + HALF_UNIT).0) - i128::from(middle.0);
        let offset = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
        let sample = Sample { offset, bound: trip / 2 + HALF_UNIT, taken: received };
        let better = match &self.best {
            None => true,
            Some(best) => {
                let doubt = best.doubt(received);
                let apart = best.offset.abs_diff(offset);
                let stepped = Duration::from_nanos(apart) > doubt + sample.bound;
                self.steps += u64::from(stepped);
                // Two samples that exclude each other mean that a clock was set: the younger holds.
                stepped || sample.bound <= doubt
            }
        };
        if better {
            self.best = Some(sample);
        }
        better
    }

    /// Forgets the estimate: the venue said -1021, so it is wrong.
    pub fn invalidate(&mut self) {
        self.best = None;
    }

    /// Venue's clock minus ours in nanoseconds; `None` before the first answer.
    pub fn offset(&self) -> Option<i64> {
        self.best.map(|best| best.offset)
    }

    /// How far off the estimate may be by now.
    pub fn uncertainty(&self, now: Nanos) -> Option<Duration> {
        self.best.map(|best| best.doubt(now))
    }

    /// The last round trip, whether it served the estimate or not.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The venue's time at our `now`; our own before the first answer.
    pub fn server_time(&self, now: Nanos) -> Nanos {
        Nanos(now.0.saturating_add_signed(self.offset().unwrap_or(0)))
    }

    /// Our time at which the venue's clock shows `server`.
    pub fn local_time(&self, server: Nanos) -> Nanos {
        Nanos(server.0.saturating_add_signed(self.offset().unwrap_or(0).saturating_neg()))
    }

    /// When to ask next.
    pub fn due(&self) -> Nanos {
        self.best.map_or(Nanos::ZERO, |best| best.taken + Self::REFRESH)
    }

    /// Answers taken in, and how often a clock was found to have been set.
    pub fn counts(&self) -> (u64, u64) {
        (self.samples, self.steps)
    }
}

impl Sample {
    fn doubt(&self, now: Nanos) -> Duration {
        let age = now.since(self.taken);
        self.bound.saturating_add(age / (1_000_000 / DRIFT_PPM))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_791_000_000_000;

    fn at(millis: i64) -> Nanos {
        Nanos::from_millis(START.saturating_add_signed(millis))
    }

    fn millis(offset: Option<i64>) -> i64 {
        offset.unwrap() / 1_000_000
    }

    #[test]
    fn the_shortest_round_trip_wins_until_it_is_old() {
        let mut clock = ClockSync::default();
        assert_eq!(clock.server_time(at(0)), at(0));
        // The venue is 1270 ms ahead; the way there takes 90 of 100 ms.
        assert!(clock.sample(at(0), at(1_360), at(100)));
        assert_eq!(millis(clock.offset()), 1_310);
        assert!(clock.uncertainty(at(100)).unwrap() >= Duration::from_millis(50));
        assert!(clock.sample(at(200), at(1_472), at(204)));
        assert_eq!(millis(clock.offset()), 1_270);
        assert!(!clock.sample(at(300), at(1_620), at(400)), "slower and not excluded");
        assert_eq!(clock.server_time(at(1_000)).as_millis(), START + 2_270);
        assert_eq!(clock.local_time(clock.server_time(at(7))), at(7));
        // After 20 minutes a 100 ms trip knows more than a 4 ms one.
        assert!(clock.sample(at(1_200_000), at(1_201_320), at(1_200_100)));
        assert_eq!(clock.counts(), (4, 0));
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_at_once() {
        let mut clock = ClockSync::default();
        clock.sample(at(0), at(2), at(4));
        assert!(clock.sample(at(1_000), at(-3_950), at(1_100)), "5 s back, and a slower trip");
        assert_eq!(millis(clock.offset()), -4_999);
        assert_eq!(clock.counts().1, 1);
        assert!(!clock.sample(at(100), at(2), at(50)), "answered before it was asked");
        clock.invalidate();
        assert_eq!((clock.offset(), clock.due()), (None, Nanos::ZERO));
    }
}
