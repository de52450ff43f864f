//! Decimals: text to integers and back.

use market::{Decimal, DecimalError};
use proptest::prelude::*;

use crate::{config, decimal};

/// A decimal read the slow way: `None` unless it is a plain number that fits.
fn naive_units(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (kept, beyond) = fraction.split_at_checked(8).unwrap_or((fraction, ""));
    if !plain(whole) || !plain(fraction) || whole.len() + fraction.len() == 0 {
        return None;
    }
    if beyond.bytes().any(|byte| byte != b'0') {
        return None;
    }
    let units: i128 = format!("0{whole}{kept:0<8}").parse().ok()?;
    let units = i64::try_from(units).ok()?;
    Some(if text.starts_with('-') { -units } else { units })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn decimal_text_survives(
        negative in any::<bool>(),
        units in 1_i64..=i64::MAX,
        decimals in 0_u8..=8,
    ) {
        let grid = 10_i64.pow(u32::from(8 - decimals));
        let units = (units / grid * grid).max(grid);
        let (whole, fraction) = (units / Decimal::SCALE, units % Decimal::SCALE / grid);
        let sign = if negative { "-" } else { "" };
        let text = match usize::from(decimals) {
            0 => format!("{sign}{whole}"),
            width => format!("{sign}{whole}.{fraction:0width$}"),
        };
        let value = decimal(&text);
        prop_assert_eq!(value.units(), if negative { -units } else { units });
        prop_assert_eq!(value.padded(decimals).to_string(), text.as_str());
        prop_assert!(value.decimals() <= decimals);
        prop_assert_eq!(decimal(&value.to_string()), value, "shortest text {}", value);
        prop_assert_eq!(decimal(&format!("{}000", value.padded(8))), value, "more zeros");
    }

    #[test]
    fn decimal_reads_what_is_a_number_and_nothing_else(text in "[-+]?[0-9.]{0,24}|[-+.0-9eE_ ]{0,12}") {
        prop_assert_eq!(text.parse::<Decimal>().ok().map(Decimal::units), naive_units(&text));
    }

    #[test]
    fn decimal_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let _ = Decimal::parse(&bytes);
    }
}

#[test]
fn decimal_says_what_is_wrong() {
    use DecimalError::{Empty, Malformed, TooLarge, TooPrecise};
    for (text, wanted) in [
        ("", Empty),
        ("-", Malformed),
        (".", Malformed),
        ("-.", Malformed),
        ("--1", Malformed),
        ("1-", Malformed),
        ("1.2.3", Malformed),
        ("1,5", Malformed),
        (" 1", Malformed),
        ("1 ", Malformed),
        ("1e5", Malformed),
        ("0x10", Malformed),
        ("NaN", Malformed),
        ("inf", Malformed),
        ("１", Malformed),
        ("0.000000001", TooPrecise),
        ("1.123456789", TooPrecise),
        ("92233720368.54775808", TooLarge),
        ("92233720369", TooLarge),
        ("99999999999999999999999999", TooLarge),
    ] {
        assert_eq!(text.parse::<Decimal>(), Err(wanted), "{text:?}");
    }
    assert_eq!(decimal("92233720368.54775807").units(), i64::MAX);
    assert_eq!(decimal("0.10000000000").units(), 10_000_000);
    assert_eq!(decimal("-0.00").to_string(), "0");
    assert_eq!(decimal("-0.05").padded(1).to_string(), "0.0", "no minus before zero");
    assert_eq!(Decimal::from_units(i64::MIN).to_string(), "-92233720368.54775808");
}
