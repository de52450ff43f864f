//! What several sockets tell becomes one story.

use super::*;

#[test]
fn the_book_begins_with_a_snapshot_that_meets_the_changes() {
    let mut rig = Rig::new(1);
    rig.open_all();
    let id = rig.carrying("depth")[0];
    assert!(!rig.feed.wants_snapshot(rig.now), "it would be older than the first change");
    rig.depth(id, 10, 20);
    rig.depth(id, 20, 31);
    rig.snapshot(25);
    rig.depth(id, 31, 35);
    assert_eq!(rig.said(), "up =25 20-31 31-35");
    let remainder =
        depth_text(rig.now, 35, 40, &[(261_000, 1_000)], &[]).replace("1.000", "0.0005");
    rig.say(id, &remainder);
    assert_eq!(rig.said(), "35-40", "finer than the contract allows now, but real");
    assert!(rig.status().in_sequence);
    assert_eq!(rig.status().sync.applied, 3);
}

#[test]
fn a_snapshot_of_no_use_is_asked_for_again_later_and_later() {
    let mut rig = Rig::new(1);
    rig.open_all();
    let (public, market) = (rig.carrying("depth")[0], rig.carrying("markPrice")[0]);
    let mut last = 100;
    let mut until_wanted = |rig: &mut Rig| {
        while !rig.feed.wants_snapshot(rig.now) {
            rig.now = rig.now + ms(10);
            rig.depth(public, last, last + 1);
            rig.ticker(public, last);
            rig.mark(market);
            rig.on_time();
            last += 1;
        }
        last
    };
    let mut waits = Vec::new();
    for turn in 0..10 {
        until_wanted(&mut rig);
        waits.push(rig.now);
        match turn % 3 {
            0 => rig.answer(Err(())),
            1 => rig.answer(Ok(br#"{"code":-1003,"msg":"Too many requests"}"#)),
            _ => rig.snapshot(50),
        }
    }
    let waits: Vec<u64> =
        waits.windows(2).map(|pair| pair[1].since(pair[0]).as_millis() as u64).collect();
    for (wait, whole) in waits.iter().zip([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
        assert!((whole * 3 / 4..=whole * 5 / 4 + 10).contains(wait), "{waits:?}");
    }
    assert_eq!(rig.warnings().len(), 3, "what cannot be read is told");
    assert!(!rig.said().contains('='), "nothing of the book comes out");
    let last = until_wanted(&mut rig);
    rig.said();
    rig.snapshot(last);
    assert!(rig.said().starts_with(&format!("up ={last} ")), "nothing was forgotten meanwhile");
}

#[test]
fn a_chain_that_breaks_at_once_again_is_not_mended_at_once() {
    let mut rig = Rig::running(1);
    let id = rig.carrying("depth")[0];
    rig.depth(id, 110, 120);
    assert_eq!(rig.said(), "down");
    assert!(!rig.feed.wants_snapshot(rig.now));
    rig.wait(ms(400));
    rig.snapshot(120);
    assert_eq!(rig.said(), "up =120 110-120");
    for turn in 12..=150 {
        rig.wait(ms(100));
        rig.depth(id, turn * 10, turn * 10 + 10);
        rig.mark(rig.carrying("markPrice")[0]);
    }
    rig.said();
    rig.depth(id, 1_600, 1_610);
    assert_eq!(rig.said(), "down");
    assert!(rig.feed.wants_snapshot(rig.now), "it held for a while, so it is mended at once");
}

#[test]
fn what_two_sockets_tell_is_told_once() {
    let mut rig = Rig::running(2);
    let (public, market) = (rig.carrying("depth"), rig.carrying("aggTrade"));
    for id in &public {
        rig.depth(*id, 100, 110);
        rig.ticker(*id, 111);
    }
    rig.ticker(public[1], 113);
    rig.ticker(public[0], 112);
    rig.depth(public[1], 110, 120);
    rig.depth(public[0], 110, 120);
    assert_eq!(rig.said(), "100-110 ticker 111 ticker 113 110-120");
    for id in &market {
        rig.trade(*id, 5);
        rig.mark(*id);
    }
    rig.trade(market[0], 7);
    rig.trade(market[0], 9);
    rig.trade(market[1], 6);
    rig.trade(market[1], 7);
    rig.trade(market[1], 8);
    rig.trade(market[1], 8);
    rig.trade(market[1], 9);
    assert_eq!(rig.said(), "trade 5 mark trade 7 trade 9 trade 6 trade 8");
    let counts = |name| (rig.stream(name).messages, rig.stream(name).repeated);
    assert_eq!(counts("book_ticker"), (4, 2));
    assert_eq!(counts("agg_trade"), (9, 4));
    assert_eq!(counts("mark_price"), (2, 1));
    assert_eq!(rig.status().sync.dropped_old, 3);
}

#[test]
fn a_venue_that_counts_anew_is_followed() {
    let mut rig = Rig::running(2);
    let (public, market) = (rig.carrying("depth"), rig.carrying("aggTrade"));
    rig.ticker(public[0], 5_000);
    rig.trade(market[0], 100_000);
    rig.now = rig.now + secs(4);
    rig.ticker(public[1], 3);
    rig.trade(market[1], 3);
    assert_eq!(rig.said(), "ticker 5000 trade 100000", "repeats, for all we know");
    rig.audit.ticker = 0;
    rig.now = rig.now + secs(7);
    rig.ticker(public[1], 4);
    rig.trade(market[1], 4);
    rig.ticker(public[0], 4);
    rig.trade(market[0], 4);
    rig.trade(market[0], 5);
    assert_eq!(rig.said(), "ticker 4 trade 4 trade 5");
}

#[test]
fn trades_far_apart_are_no_repeats() {
    let mut rig = Rig::running(2);
    let market = rig.carrying("aggTrade");
    let span = once::Each::SPAN as i64;
    for number in [10, 10 + span - 1, 11, 10 + 3 * span, 11 + 2 * span, 10 + 2 * span, 12] {
        rig.trade(market[0], number);
    }
    for number in [10, 11, 12, 10 + 3 * span] {
        rig.trade(market[1], number);
    }
    let wanted = [10, 9 + span, 11, 10 + 3 * span, 11 + 2 * span];
    assert_eq!(rig.audit.trades, wanted.into_iter().collect());
    for number in [i64::MIN, -1, 0, i64::MAX, i64::MAX - 1, i64::MAX] {
        rig.trade(market[0], number);
    }
    assert!(rig.audit.trades.contains(&i64::MAX) && rig.audit.trades.contains(&(i64::MAX - 1)));
}

#[test]
fn a_hole_of_one_socket_is_filled_from_the_other() {
    let mut rig = Rig::running(2);
    let [a, b] = rig.carrying("depth")[..] else { panic!() };
    rig.depth(a, 100, 110);
    rig.depth(a, 120, 130);
    rig.wait(ms(100));
    rig.depth(a, 140, 150);
    rig.depth(a, 150, 160);
    assert_eq!(rig.said(), "100-110", "120-130 waits for its forerunner");
    rig.depth(b, 110, 120);
    assert_eq!(rig.said(), "110-120 120-130");
    rig.wait(ms(150));
    rig.depth(b, 125, 145);
    assert_eq!(rig.said(), "125-145 140-150 150-160", "sockets may cut the changes differently");
    assert_eq!((rig.status().holes_filled, rig.status().sync.gaps, rig.audit.downs), (2, 0, 0));
    rig.wait(secs(1));
    assert_eq!(rig.said(), "");
}

#[test]
fn of_two_cuts_the_one_that_reaches_back_further_counts() {
    for order in [[0, 1], [1, 0]] {
        let mut rig = Rig::running(2);
        let sockets = rig.carrying("depth");
        for place in order {
            rig.depth(sockets[place], [120, 130][place], 140);
        }
        rig.depth(sockets[0], 100, 120);
        assert_eq!(rig.said(), "100-120 120-140");
    }
}

#[test]
fn holes_are_filled_also_after_the_venue_has_begun_to_count_anew() {
    let mut rig = Rig::running(2);
    let [a, b] = rig.carrying("depth")[..] else { panic!() };
    for _ in 0..1_000 {
        rig.depth(a, 10, 20);
    }
    assert_eq!(rig.said(), "down");
    rig.wait(ms(400));
    rig.snapshot(20);
    rig.depth(a, 30, 40);
    rig.depth(b, 20, 30);
    assert_eq!(rig.said(), "up =20 10-20 20-30 30-40");
}

#[test]
fn a_hole_that_nobody_fills_is_one_after_a_while() {
    let mut rig = Rig::running(2);
    let [a, b] = rig.carrying("depth")[..] else { panic!() };
    rig.depth(a, 110, 120);
    rig.depth(b, 110, 120);
    rig.wait(ms(199));
    assert_eq!(rig.said(), "");
    rig.wait(ms(1));
    assert_eq!((rig.said().as_str(), rig.status().sync.gaps), ("down", 1));
    rig.depth(b, 120, 130);
    rig.wait(ms(400));
    rig.snapshot(125);
    assert_eq!(rig.said(), "up =125 120-130");
}

#[test]
fn a_hole_is_one_at_once_when_there_is_nobody_to_fill_it() {
    let mut rig = Rig::running(1);
    let id = rig.carrying("depth")[0];
    rig.depth(id, 110, 120);
    assert_eq!(rig.said(), "down");

    let mut rig = Rig::running(2);
    let [a, b] = rig.carrying("depth")[..] else { panic!() };
    rig.depth(a, 110, 120);
    assert_eq!(rig.said(), "");
    rig.close(b);
    assert_eq!(rig.said(), "down", "the other one is gone");
    assert_eq!(rig.status().sync.buffered, 1, "but this one goes on");
}

#[test]
fn what_is_held_back_is_bounded() {
    let mut rig = Rig::running(2);
    let a = rig.carrying("depth")[0];
    for turn in 20..100 {
        rig.depth(a, turn * 10, turn * 10 + 5);
    }
    assert!(rig.said().starts_with("down"));
}

#[test]
fn the_feed_is_down_when_the_last_socket_with_depth_is_gone() {
    let mut rig = Rig::running(2);
    let [a, b] = rig.carrying("depth")[..] else { panic!() };
    rig.close(a);
    rig.depth(b, 100, 110);
    assert_eq!((rig.said().as_str(), rig.stream("depth").up), ("100-110", true));
    for id in rig.carrying("aggTrade") {
        rig.close(id);
    }
    assert_eq!(rig.said(), "", "trades have nothing to do with it");
    rig.close(b);
    assert_eq!((rig.said().as_str(), rig.stream("depth").up), ("down", false));
    rig.wait(secs(1));
    rig.open_all();
    let [a, b] = rig.carrying("depth")[..] else { panic!() };
    rig.depth(b, 200, 210);
    rig.wait(ms(400));
    rig.snapshot(205);
    rig.depth(a, 210, 220);
    assert_eq!(rig.said(), "up =205 200-210 210-220");
    assert_eq!(rig.stream("depth").losses, 2);
}

#[test]
fn what_never_meets_is_begun_anew() {
    let mut rig = Rig::new(1);
    rig.open_all();
    let (public, market) = (rig.carrying("depth")[0], rig.carrying("markPrice")[0]);
    rig.depth(public, 9_000, 9_010);
    let mut last = 100;
    let mut turns = 0;
    while !rig.status().in_sequence {
        rig.wait(ms(500));
        rig.depth(public, last, last + 1);
        rig.ticker(public, last);
        rig.mark(market);
        last += 1;
        if rig.feed.wants_snapshot(rig.now) {
            rig.snapshot(last);
        }
        turns += 1;
        assert!(turns < 200, "never");
    }
    assert!((120..160).contains(&turns), "{turns}");
    assert_eq!(rig.status().streams[0].losses, 0);
}

#[test]
fn what_means_nothing_is_counted_and_not_told() {
    let mut rig = Rig::running(1);
    rig.logs.clear();
    let id = rig.carrying("depth")[0];
    let other = trade_text(rig.now, 1).replace("ETHUSDC", "BTCUSDT");
    let single = trade_text(rig.now, 1).replace("aggTrade", "trade").replace("\"a\"", "\"t\"");
    let partial = depth_text(rig.now, 1, 2, &[], &[]).replace("@depth@", "@depth5@");
    for text in [
        r#"{"result":null,"id":1}"#,
        r#"{"e":"somethingNew","E":1}"#,
        other.as_str(),
        single.as_str(),
        partial.as_str(),
        r#"{"lastUpdateId":1,"bids":[],"asks":[]}"#,
    ] {
        rig.say(id, text);
    }
    assert_eq!((rig.said().as_str(), rig.logs.len()), ("", 0));
    assert_eq!((rig.status().decode.unknown, rig.status().unasked), (3, 3));
    rig.say(id, r#"{"error":{"code":4,"msg":"Too many subscriptions"}}"#);
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].contains("Too many"), "{warnings:?}");
}
