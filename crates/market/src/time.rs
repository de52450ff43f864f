//! Instants as numbers. No clock inside: time is always an argument.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant: nanoseconds since 1970-01-01 00:00:00 UTC. Good until the year 2554.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Nanos(pub u64);

impl Nanos {
    /// The epoch.
    pub const ZERO: Self = Self(0);
    /// Later than any instant in use.
    pub const MAX: Self = Self(u64::MAX);

    /// From milliseconds since the epoch, the unit of Binance's event times.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Whole milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Seconds since the epoch as a float, for charts and metrics.
    #[expect(clippy::float_arithmetic, reason = "a door for strategies and displays; no money")]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// Time from `earlier` to here; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Number of whole UTC days since the epoch.
    pub const fn utc_day(self) -> u64 {
        self.0 / DAY
    }

    /// The next 00:00:00 UTC strictly after this instant.
    pub const fn next_utc_midnight(self) -> Self {
        Self((self.0 / DAY).saturating_add(1).saturating_mul(DAY))
    }
}

const DAY: u64 = 86_400_000_000_000;

impl Add<Duration> for Nanos {
    type Output = Self;

    /// Saturates at [`Nanos::MAX`].
    fn add(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Nanos {
    type Output = Self;

    /// Saturates at the epoch.
    fn sub(self, span: Duration) -> Self {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

impl fmt::Display for Nanos {
    /// ISO 8601 in UTC with milliseconds: `2026-11-22T20:36:00.123Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days((self.0 / DAY) as i64);
        let millis = (self.0 % DAY) / 1_000_000;
        let (hour, minute) = (millis / 3_600_000, millis / 60_000 % 60);
        let (second, milli) = (millis / 1_000 % 60, millis % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Proleptic Gregorian date of a day number counted from 1970-01-01.
///
/// Works in 400-year eras that begin on 1 March, so that the leap day is the last of its year.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u32;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month as u32, day)
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar; `None` for a date that does
/// not exist or lies before 1970.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> Option<u64> {
    if !(1970..=2500).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let shifted = if month > 2 { year } else { year - 1 };
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let leap_days = shifted / 4 - shifted / 100 + shifted / 400;
    let days = shifted * 365 + leap_days + day_of_year - 719_468;
    (civil_from_days(days) == (year, month, day)).then(|| u64::try_from(days).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_723_161_600, "2024-08-09T00:00:00.000Z"),
            (4_102_444_799, "2099-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Nanos(seconds * 1_000_000_000).to_string(), text);
        }
    }

    #[test]
    fn dates_and_day_numbers_are_inverse() {
        for days in 0..150_000 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), Some(days as u64));
        }
        for (year, month, day) in [(2026, 2, 29), (2026, 4, 31), (2026, 13, 1), (1969, 12, 31)] {
            assert_eq!(days_from_civil(year, month, day), None);
        }
    }

    #[test]
    fn midnight_is_strictly_later() {
        let midnight = Nanos(DAY * 20_000);
        assert_eq!(midnight.next_utc_midnight(), Nanos(DAY * 20_001));
        assert_eq!((midnight - Duration::from_nanos(1)).next_utc_midnight(), midnight);
    }
}
