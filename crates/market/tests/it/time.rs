//! Instants: the calendar and the ends of the range.

use std::time::Duration;

use market::Nanos;
use proptest::prelude::*;

use crate::config;

/// Calendar date by counting the years and months.
fn naive_date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(if year.is_multiple_of(100) { 400 } else { 4 });
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
        if days < length {
            return (year, month, days + 1);
        }
        days -= length;
    }
    unreachable!("a year has twelve months")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn time_prints_as_utc(nanos in any::<u64>()) {
        let now = Nanos(nanos);
        let (year, month, day) = naive_date(now.utc_day());
        let millis = now.as_millis() % 86_400_000;
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1_000 % 60);
        let wanted = format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", millis % 1_000,
        );
        prop_assert_eq!(now.to_string(), wanted);
    }

    #[test]
    fn time_arithmetic_saturates(a in any::<u64>(), b in any::<u64>()) {
        let span = Duration::from_nanos(b);
        prop_assert_eq!(Nanos(a) + span, Nanos(a.saturating_add(b)));
        prop_assert_eq!(Nanos(a) - span, Nanos(a.saturating_sub(b)));
        prop_assert_eq!(Nanos(a).since(Nanos(b)), Duration::from_nanos(a.saturating_sub(b)));
        prop_assert_eq!(Nanos(a) + Duration::MAX, Nanos::MAX);
        let midnight = Nanos(a).next_utc_midnight();
        prop_assert!(midnight > Nanos(a) || midnight == Nanos::MAX);
    }
}
