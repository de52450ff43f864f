use std::collections::BTreeMap;

use super::table::ROWS;
use super::*;

/// 2026-10-03T06:40:25.500Z.
const NOW: Nanos = Nanos::from_millis(1_791_009_625_500);

fn answer(status: u16, code: Option<i64>, message: &str) -> Answer<'_> {
    Answer {
        status,
        code,
        message,
        retry_after: None,
        mutates: true,
        resent: false,
        attempt: 0,
        now: NOW,
    }
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

/// Outcome, rejection and reaction in one line.
fn check(answer: &Answer<'_>, expected: &str) {
    let verdict = judge(answer);
    let reject = verdict.reject.map_or("-".to_owned(), |reason| format!("{reason:?}"));
    let reaction = match verdict.reaction {
        Reaction::SlowDown { until } => format!("SlowDown+{}", until.since(NOW).as_millis()),
        Reaction::PauseOrders { until } => format!("PauseOrders+{}", until.since(NOW).as_millis()),
        Reaction::EaseOff { until } => format!("EaseOff+{}", until.since(NOW).as_millis()),
        Reaction::Retry { after } => format!("Retry+{}", after.as_millis()),
        other => format!("{other:?}"),
    };
    let found = format!("{:?} {reject} {reaction}", verdict.outcome);
    assert_eq!(found, expected, "{answer:?}");
}

#[test]
fn every_code_has_one_row() {
    let mut seen = BTreeMap::new();
    for row in ROWS {
        for code in row.codes {
            assert!(*code < 0);
            assert_eq!(seen.insert(*code, row.why), None, "{code} stands in two rows");
        }
        assert_eq!(row.outcome == Executed::No, row.reject.is_some(), "{}", row.why);
    }
    assert!(seen.len() >= 100, "{}", seen.len());
}

/// Every code of the facts, section 11, with what it must lead to at status 400.
#[test]
fn every_code_of_the_facts_is_judged() {
    let table: &[(&[i64], &str)] = &[
        (&[-1000, -1001, -1006, -1007], "Unknown - Query"),
        (&[-1003], "No RateLimit SlowDown+34500"),
        (&[-1008], "No Unavailable EaseOff+2000"),
        (&[-1013, -1100, -1101, -1102, -1103, -1104, -1105, -1106], "No Other GiveUp"),
        (&[-1115, -1116, -1117, -1130], "No Other GiveUp"),
        (&[-1111], "No Filter RefreshRules"),
        (&[-1015], "No RateLimit PauseOrders+4500"),
        (&[-1021, -5028], "No Unavailable ResyncClock"),
        (&[-1022, -2014, -2015, -2017, -1002, -2023, -4061, -4062, -4109], "No Other Halt"),
        (&[-1121, -1122, -4141, -4140, -5024], "No Unavailable StopSymbol"),
        (&[-1125], "No Other NewListenKey"),
        (&[-2010], "No Other GiveUp"),
        (&[-2011, -2013], "No UnknownOrder Query"),
        (&[-2012], "No Other Query"),
        (&[-2018, -2019, -4050], "No Margin Resync"),
        (&[-2020, -5021], "No WouldNotFill GiveUp"),
        (&[-2021, -4015, -4044, -4120], "No Other GiveUp"),
        (&[-2022, -4118], "No ReduceOnly Resync"),
        (&[-2025, -4045], "No TooManyOrders Resync"),
        (&[-2027, -2028], "No Margin GiveUp"),
        (&[-4002, -4003, -4004, -4005, -4013, -4014, -4023, -4164], "No Filter RefreshRules"),
        (&[-4016, -4024, -4131], "No PriceBand RefreshRules"),
        (&[-4116], "No DuplicateId Query"),
        (&[-4046, -4059, -4171], "Yes - Proceed"),
        (&[-4047, -4048, -4067, -4068, -4168], "No Other GiveUp"),
        (&[-4087, -4088, -4105, -4106, -4107, -4189, -4192, -4400, -4401], "No Other OnlyReduce"),
        (&[-4531], "No Unavailable Retry+500"),
        (&[-5022], "No WouldTake GiveUp"),
        (&[-5025, -5026, -5043, -5037, -5038, -5039, -5040, -5041, -5047], "No Other GiveUp"),
        (&[-5027], "No NoChange GiveUp"),
        (&[-5029], "No Filter GiveUp"),
        (&[-4021, -4166], "No Other GiveUp"),
        (&[-9999], "No Other GiveUp"),
    ];
    let mut judged = 0;
    for (codes, expected) in table {
        for code in *codes {
            check(&answer(400, Some(*code), "…"), expected);
            judged += 1;
        }
    }
    let rows: usize = ROWS.iter().map(|row| row.codes.len()).sum();
    assert_eq!(judged, rows + 1, "each code of the table is named here, and one that is not");
}

#[test]
fn statuses_without_a_code() {
    for (status, message, expected) in [
        (200, "", "Yes - Proceed"),
        (403, "<html>Request blocked</html>", "No RateLimit SlowDown+300000"),
        (408, "", "Unknown - Query"),
        (418, "", "No RateLimit SlowDown+120000"),
        (429, "", "No RateLimit SlowDown+34500"),
        (451, "", "No Other Halt"),
        (401, "", "No Other Halt"),
        (404, "<html>not found</html>", "No Other GiveUp"),
        (500, "", "Unknown - Query"),
        (502, "<html>Bad Gateway</html>", "Unknown - Query"),
        (503, "<html><h1>503 Service Unavailable</h1></html>", "Unknown - Query"),
        (503, "Service Unavailable.", "No Unavailable Retry+200"),
        (503, "Unknown error, please check your request or try again later.", "Unknown - Query"),
        (503, "The system is currently overloaded with requests.", "No Unavailable EaseOff+2000"),
        (503, "Request occur unknown error.", "Unknown - Query"),
        (504, "", "Unknown - Query"),
        (302, "", "Unknown - Query"),
        (0, "", "Unknown - Query"),
    ] {
        check(&answer(status, None, message), expected);
    }
}

#[test]
fn statuses_with_a_code() {
    for (status, code, expected) in [
        (200, 200, "Yes - Proceed"),
        // An element of a batch.
        (200, -5022, "No WouldTake GiveUp"),
        (401, -2015, "No Other Halt"),
        (503, -1008, "No Unavailable EaseOff+2000"),
        (503, -1001, "Unknown - Query"),
        (500, -1007, "Unknown - Query"),
        (503, -31_337, "Unknown - Query"),
        (429, -1015, "No RateLimit PauseOrders+4500"),
        (429, -1003, "No RateLimit SlowDown+34500"),
        (418, -1003, "No RateLimit SlowDown+120000"),
        (408, -1007, "Unknown - Query"),
        (400, 5, "Unknown - Query"),
    ] {
        check(&answer(status, Some(code), ""), expected);
    }
}

#[test]
fn waits_are_what_the_venue_says() {
    let header = |status, seconds_| Answer {
        retry_after: seconds(seconds_),
        ..answer(status, Some(-1003), "Too many requests")
    };
    check(&header(429, 7), "No RateLimit SlowDown+7000");
    check(&header(418, 7), "No RateLimit SlowDown+7000");
    let banned = "Way too many requests; IP(1.2.3.4) banned until 1791009700000. Please use the \
                  websocket.";
    check(&answer(418, Some(-1003), banned), "No RateLimit SlowDown+74500");
    check(&answer(400, Some(-1003), banned), "No RateLimit SlowDown+74500");
    let both = Answer { retry_after: seconds(90), ..answer(418, Some(-1003), banned) };
    check(&both, "No RateLimit SlowDown+90000");
    check(&answer(429, None, "until tomorrow 12"), "No RateLimit SlowDown+34500");
    let minute = "Too many new orders; current limit is 1200 orders per MINUTE.";
    check(&answer(400, Some(-1015), minute), "No RateLimit PauseOrders+34500");
    let firewall = Answer { retry_after: seconds(900), ..answer(403, None, "") };
    check(&firewall, "No RateLimit SlowDown+900000");
}

#[test]
fn retries_are_few_and_slower_each_time() {
    for (attempt, expected) in [
        (0, "No Unavailable Retry+200"),
        (1, "No Unavailable Retry+400"),
        (2, "No Unavailable Retry+800"),
        (3, "No Unavailable EaseOff+4000"),
        (u32::MAX, "No Unavailable EaseOff+4000"),
    ] {
        check(&Answer { attempt, ..answer(503, None, "Service Unavailable.") }, expected);
    }
}

#[test]
fn a_resend_that_meets_its_own_first_try_is_in_doubt() {
    let resent = Answer { resent: true, ..answer(400, Some(-4116), "duplicated") };
    check(&resent, "Unknown - Query");
    let take = "Order would immediately match and take.";
    check(&answer(400, Some(-2010), take), "No WouldTake GiveUp");
}

#[test]
fn reads_are_asked_again_instead_of_doubted() {
    let read = |status, code| Answer { mutates: false, ..answer(status, code, "") };
    check(&read(502, None), "No - Retry+200");
    check(&read(400, Some(-1007)), "No - Retry+200");
    check(&Answer { attempt: 40, ..read(504, None) }, "No - Retry+12800");
    check(&read(400, Some(-2013)), "No UnknownOrder Query");
    assert_eq!(judge_silence(true).outcome, Executed::Unknown);
    assert!(matches!(judge_silence(false).reaction, Reaction::Retry { .. }));
}

/// Whatever comes, a change is never called refused on less than the venue's word.
#[test]
fn nothing_is_refused_by_guess() {
    for status in 0..=999 {
        for message in ["", "x", "<html>", "Service Unavailable"] {
            let verdict = judge(&answer(status, None, message));
            let said_no = (400..500).contains(&status) && status != 408;
            let said_unavailable = status == 503 && message == "Service Unavailable";
            if verdict.outcome == Executed::No {
                assert!(said_no || said_unavailable, "{status} {message}");
            }
            assert_eq!(verdict.outcome == Executed::Yes, (200..300).contains(&status));
        }
    }
}
