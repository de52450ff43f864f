//! Sockets: opened, believed, doubted, replaced.

use super::*;

#[test]
fn every_stream_is_asked_for_where_it_is_sent() {
    for (endpoints, copies, wanted) in [
        (Endpoints::mainnet(), 1, 2),
        (Endpoints::mainnet(), 2, 4),
        (Endpoints::testnet(), 1, 1),
        (Endpoints::testnet(), 2, 2),
        (Endpoints::mainnet(), 0, 2),
        (Endpoints::mainnet(), 9, 4),
    ] {
        let mut rig = Rig::with(endpoints, copies, 1);
        rig.run(|feed, io| feed.start(io));
        assert_eq!(rig.peers.len(), wanted);
        rig.open_all();
        for stream in ["depth@100ms", "bookTicker", "aggTrade", "markPrice@1s"] {
            assert_eq!(rig.carrying(stream).len(), usize::from(copies.clamp(1, 2)), "{stream}");
        }
        assert_eq!(rig.status().sockets_open, wanted);
    }
    let rig = Rig::with(Endpoints::testnet(), 1, 1);
    let url = &rig.peers.values().next().unwrap().url;
    assert_eq!(
        url,
        "wss://fstream.binancefuture.com/stream?streams=ethusdc@depth@100ms/ethusdc@bookTicker/\
         ethusdc@aggTrade/ethusdc@markPrice@1s"
    );
}

#[test]
fn a_silent_stream_costs_the_socket_that_carries_it() {
    for (stream, limit) in [("depth", 5), ("bookTicker", 20), ("aggTrade", 600), ("markPrice", 5)] {
        // Never a word, as on the wrong route; or a few, and then no more.
        for spoke in [false, true] {
            let mut rig = Rig::new(1);
            rig.open_all();
            let mut count = 0;
            if spoke {
                rig.chatter("", &mut count);
            }
            let id = rig.carrying(stream)[0];
            for _ in 0..limit * 2 - 1 {
                rig.wait(ms(500));
                rig.chatter(stream, &mut count);
            }
            assert!(rig.closes.is_empty(), "{stream}");
            rig.wait(ms(500));
            assert_eq!(rig.closes, [(START + secs(limit), id)], "{stream}");
            let warnings = rig.warnings();
            let name = format!("@{stream}");
            assert!(warnings.len() == 1 && warnings[0].contains(&name), "{warnings:?}");
            let down = u32::from(stream == "depth" && spoke);
            let down = down.max(u32::from(stream == "bookTicker"));
            assert_eq!(rig.audit.downs, down, "{stream}: depth is lost with its socket");
            rig.wait(secs(1));
            assert_eq!(rig.opens.len(), 3, "another one is opened");
        }
    }
}

#[test]
fn a_half_open_socket_is_found_out() {
    let mut rig = Rig::running(2);
    rig.wait(secs(5));
    assert_eq!(rig.closes.len(), 4);
    assert_eq!((rig.said().as_str(), rig.status().sockets_open), ("down", 0));
    let mut rig = Rig::running(1);
    let id = rig.carrying("depth")[0];
    rig.wait(secs(4));
    rig.run(|feed, io| feed.heard(io, id));
    rig.wait(secs(1));
    let warnings = rig.warnings();
    assert!(warnings.iter().any(|line| line.contains("of anything for 1 s")), "{warnings:?}");
    assert!(warnings.iter().any(|line| line.contains("of anything for 5 s")), "{warnings:?}");
}

#[test]
fn whoever_has_slept_himself_does_not_blame_the_sockets() {
    let mut rig = Rig::running(1);
    rig.now = rig.now + secs(60);
    rig.on_time();
    assert_eq!(rig.closes, [], "what they said is still to be read");
    let (public, market) = (rig.carrying("depth")[0], rig.carrying("markPrice")[0]);
    rig.depth(public, 100, 110);
    rig.mark(market);
    rig.ticker(public, 111);
    rig.wait(secs(4));
    assert_eq!((rig.closes.len(), rig.audit.downs), (0, 0));
    rig.now = rig.now + secs(60);
    rig.on_time();
    rig.wait(secs(1));
    assert_eq!(rig.closes.len(), 2, "and then there was nothing");
}

#[test]
fn a_handshake_that_does_not_end_has_failed() {
    let mut rig = Rig::new(1);
    rig.wait(secs(10));
    rig.open_all();
    rig.wait(ms(4_999));
    assert_eq!(rig.closes.len(), 0, "its silence counts from its opening");
    rig.wait(ms(1));
    assert_eq!(rig.closes.len(), 2);

    let mut rig = Rig::new(1);
    rig.wait(ms(14_999));
    assert_eq!(rig.closes.len(), 0);
    rig.wait(ms(1));
    assert_eq!(rig.closes.len(), 2);
    rig.wait(secs(1));
    assert_eq!(rig.peers.len(), 2);
    let warnings = rig.warnings();
    assert!(warnings[0].ends_with("could not be opened: the handshake took too long"));
}

/// Waits between failed attempts of the first socket, in milliseconds.
fn waits(rig: &mut Rig, count: usize) -> Vec<u64> {
    let mut waits = Vec::new();
    let mut since = rig.now;
    while waits.len() < count {
        let (&id, peer) = rig.peers.iter().next().unwrap();
        assert!(!peer.open);
        rig.close(id);
        while rig.peers.is_empty() {
            rig.now = rig.feed.next_deadline().unwrap();
            rig.on_time();
        }
        waits.push(rig.now.since(since).as_millis() as u64);
        since = rig.now;
    }
    waits
}

#[test]
fn attempts_come_later_and_later_and_differ_between_clients() {
    let of_seed = |seed| waits(&mut Rig::with(Endpoints::testnet(), 1, seed), 10);
    let one = of_seed(1);
    assert_eq!(one, of_seed(1));
    assert_ne!(one, of_seed(2));
    for (turn, wait) in one.iter().enumerate() {
        let whole = (250_u64 << turn).min(30_000);
        assert!((whole * 3 / 4..=whole * 5 / 4).contains(wait), "{one:?}");
    }
}

#[test]
fn a_socket_that_has_delivered_for_a_minute_was_no_failure() {
    for (minute, wanted) in [(62, 250), (50, 2_000)] {
        let mut rig = Rig::with(Endpoints::testnet(), 1, 1);
        waits(&mut rig, 3);
        rig.open_all();
        let mut count = 0;
        for _ in 0..minute {
            rig.wait(secs(1));
            rig.chatter("", &mut count);
        }
        let id = *rig.peers.keys().next().unwrap();
        rig.close(id);
        let wait = rig.feed.next_deadline().unwrap().since(rig.now).as_millis() as u64;
        assert!((wanted * 3 / 4..=wanted * 5 / 4).contains(&wait), "{minute}: {wait}");
    }
}

#[test]
fn the_venue_is_not_stormed() {
    let mut rig = Rig::new(2);
    let mut count = 0;
    for _ in 0..3 {
        for _ in 0..6_000 {
            let ids: Vec<SocketId> = rig.peers.keys().copied().collect();
            ids.into_iter().for_each(|id| rig.close(id));
            rig.now = rig.now + ms(100);
            rig.on_time();
        }
        for _ in 0..120 {
            rig.wait(secs(1));
            rig.open_all();
            rig.chatter("", &mut count);
        }
    }
    let most = rig.opens.iter().enumerate().map(|(index, (at, _))| {
        rig.opens[index..].iter().take_while(|(later, _)| later.since(*at) < secs(300)).count()
    });
    assert_eq!(most.max(), Some(CONNECTS_MAX), "the limit is reached and kept");
    assert_eq!(rig.status().connects, rig.opens.len() as u64);
}

#[test]
fn unreadable_frames_are_told_now_and_then_and_cost_the_socket_in_the_end() {
    let mut rig = Rig::running(1);
    let id = rig.carrying("depth")[0];
    rig.logs.clear();
    for turn in 0..40_u64 {
        rig.say(id, r#"{"stream":"ethusdc@depth@100ms","data":{"e":"depthUp"#);
        if turn % 10 == 0 {
            rig.depth(id, 100 + turn * 10, 200 + turn * 10);
        }
    }
    let warnings = rig.warnings();
    assert_eq!((warnings.len(), rig.closes.len()), (1, 0), "{warnings:?}");
    assert!(warnings[0].starts_with("market socket public-1: not valid JSON"), "{warnings:?}");
    rig.depth(id, 500, 510);
    for _ in 0..10 {
        rig.wait(secs(1));
        rig.depth(id, 500, 510);
        rig.mark(rig.carrying("markPrice")[0]);
    }
    rig.say(id, "{");
    let warnings = rig.warnings();
    assert!(warnings[0].ends_with("(and 39 more before it)"), "{warnings:?}");
    for _ in 0..18 {
        rig.say(id, "{");
    }
    assert_eq!(rig.closes.len(), 0);
    rig.say(id, "{");
    assert_eq!(rig.closes, [(rig.now, id)]);
    assert_eq!(
        rig.warnings(),
        ["market socket public-1 lost after 10 s: 20 unreadable frames in a row"]
    );
    rig.say(id, "{");
    rig.run(|feed, io| feed.closed(io, id, "twice"));
    rig.run(|feed, io| feed.opened(io, SocketId(999)));
    rig.run(|feed, io| feed.heard(io, id));
    assert_eq!((rig.status().decode.malformed, rig.logs.len()), (60, 0), "not ours any more");
}

#[test]
fn secrets_and_novels_stay_out_of_the_log() {
    let mut rig = Rig::running(1);
    let [public, market] = [rig.carrying("depth")[0], rig.carrying("markPrice")[0]];
    rig.say(public, r#"{"listenKey":"abcdefgh12345678" oops"#);
    let why = format!("signature=abcdefgh12345678 {}", "x ".repeat(10_000));
    rig.peers.remove(&market);
    rig.run(|feed, io| feed.closed(io, market, &why));
    let warnings = rig.warnings();
    assert_eq!(warnings.len(), 2);
    assert!(warnings.iter().all(|line| !line.contains("12345678") && line.len() < 400));
}

/// Runs past the age of replacement, while a stream says nothing on a successor in its first
/// seconds; returns when the first sockets were closed.
fn run_days(rig: &mut Rig, days: u64, quiet: &str, span: u64) -> Vec<(Nanos, SocketId)> {
    let mut count = 0;
    let first: BTreeSet<SocketId> = rig.peers.keys().copied().collect();
    rig.open_all();
    for _ in 0..(days * 86_400 - 600) / 2 {
        rig.wait(secs(2));
        rig.open_all();
        count += 1;
        let ids: Vec<(Nanos, SocketId)> = rig.opens.clone();
        for (opened, id) in ids {
            let Some(Peer { url, .. }) = rig.peers.get(&id).cloned() else { continue };
            let is_new = !first.contains(&id) && rig.now.since(opened) < secs(span);
            for stream in ["depth", "bookTicker", "aggTrade", "markPrice"] {
                if !url.contains(stream) || (is_new && quiet == stream) {
                    continue;
                }
                match stream {
                    "depth" => rig.depth(id, count * 10, count * 10 + 10),
                    "bookTicker" => rig.ticker(id, count * 10 + 10),
                    "aggTrade" => rig.trade(id, count as i64),
                    _ => rig.mark(id),
                }
            }
        }
        if rig.feed.wants_snapshot(rig.now) {
            rig.snapshot(count * 10 + 10);
        }
    }
    assert_eq!((rig.audit.downs, rig.audit.ups), (0, 1), "the feed stays up");
    assert_eq!(rig.audit.trades.len() as u64, count);
    rig.closes.iter().filter(|(_, id)| first.contains(id)).copied().collect()
}

#[test]
fn sockets_are_replaced_within_the_day_and_nobody_notices() {
    for (endpoints, copies, days) in [(Endpoints::mainnet(), 2, 1), (Endpoints::testnet(), 1, 2)] {
        let mut rig = Rig::with(endpoints, copies, 3);
        let sockets = rig.peers.len();
        let closes = run_days(&mut rig, days, "", 0);
        let replaced = sockets * days as usize;
        assert_eq!((closes.len(), rig.opens.len()), (sockets, sockets + replaced));
        assert_eq!(rig.status().replaced, replaced as u64);
        assert!(closes.iter().all(|(at, _)| at.since(START) > secs(23 * 3_600)));
        let apart = |pair: &[(Nanos, SocketId)]| pair[1].0.since(pair[0].0) > secs(5);
        assert!(closes.windows(2).all(apart), "not together: {closes:?}");
        assert_eq!(rig.closes.len(), replaced);
        for ((opened, _), (closed, _)) in rig.handshakes[sockets..].iter().zip(&rig.closes) {
            let overlap = closed.since(*opened);
            assert!((secs(1)..secs(10)).contains(&overlap), "{overlap:?}");
        }
        assert_eq!(rig.warnings(), [""; 0]);
    }
}

#[test]
fn a_successor_must_show_itself_whatever_another_one_has_shown() {
    let (mut rig, old, next) = overlapping();
    let mut count = 1_000_000;
    rig.chatter("", &mut count);
    rig.close(next);
    rig.wait(secs(1));
    rig.open_all();
    let last = rig.audit.book.last_id();
    for turn in 0..3 {
        rig.wait(secs(1));
        rig.depth(old, last + turn * 10, last + turn * 10 + 10);
        rig.mark(old);
    }
    assert_eq!((rig.opens.len(), rig.closes.len()), (3, 0));
}

/// Lets the one socket for everything reach the age of replacement, and opens its successor.
fn overlapping() -> (Rig, SocketId, SocketId) {
    let mut rig = Rig::with(Endpoints::testnet(), 1, 3);
    rig.open_all();
    let mut count = 0;
    while rig.opens.len() == 1 {
        rig.wait(secs(2));
        rig.chatter("", &mut count);
    }
    rig.open_all();
    let [old, next] = rig.carrying("depth")[..] else { panic!() };
    (rig, old, next)
}

#[test]
fn a_successor_that_lacks_a_quiet_stream_takes_over_after_a_minute() {
    for trades_meanwhile in [false, true] {
        let (mut rig, old, next) = overlapping();
        let mut count = 1_000_000;
        for second in 1..60 {
            rig.wait(secs(1));
            rig.chatter("aggTrade", &mut count);
            if trades_meanwhile && second % 10 == 0 {
                rig.trade(old, 1_000_000 + second);
            }
        }
        assert_eq!(rig.closes, []);
        rig.wait(secs(1));
        let worse = if trades_meanwhile { next } else { old };
        assert_eq!(rig.closes, [(rig.now, worse)], "trades meanwhile: {trades_meanwhile}");
        assert_eq!(rig.warnings().len(), usize::from(trades_meanwhile));
        rig.wait(secs(1));
        assert_eq!(rig.opens.len(), if trades_meanwhile { 3 } else { 2 }, "another is tried");
    }
}

#[test]
fn a_successor_that_fails_leaves_the_old_one_alone() {
    let mut rig = Rig::with(Endpoints::testnet(), 1, 3);
    let closes = run_days(&mut rig, 1, "markPrice", 86_400);
    assert_eq!(closes, [], "the old one is read to its end");
    assert_eq!(rig.status().replaced, 0);
    assert!((20..120).contains(&rig.opens.len()), "it is tried again, now and then");
    let old = *rig.peers.keys().next().unwrap();
    while rig.carrying("depth").len() < 2 {
        rig.wait(secs(1));
        rig.open_all();
        let last = rig.audit.book.last_id();
        rig.depth(old, last, last + 10);
        rig.mark(old);
    }
    let next = rig.carrying("depth")[1];
    let last = rig.audit.book.last_id();
    rig.depth(next, last, last + 10);
    rig.close(old);
    rig.depth(next, last + 10, last + 20);
    assert_eq!(rig.audit.downs, 0, "its successor goes on where it ended");
    let opens = rig.opens.len();
    for turn in 2..60 {
        rig.wait(secs(1));
        rig.depth(next, last + turn * 10, last + turn * 10 + 10);
        rig.ticker(next, last + turn * 10);
        rig.mark(next);
    }
    assert_eq!(rig.opens.len(), opens, "and is the only one");
}

#[test]
fn a_successor_that_is_faster_waits_for_the_old_one() {
    let mut rig = Rig::running(1);
    let (old, market) = (rig.carrying("depth")[0], rig.carrying("markPrice")[0]);
    let mut last = 100;
    while rig.opens.len() == 2 {
        rig.wait(secs(2));
        rig.depth(old, last, last + 10);
        rig.ticker(old, last + 10);
        rig.mark(market);
        rig.trade(market, last as i64);
        rig.open_all();
        last += 10;
    }
    while rig.carrying("depth").len() < 2 {
        rig.open_all();
        rig.depth(old, last, last + 10);
        rig.mark(market);
        last += 10;
        rig.wait(secs(2));
    }
    rig.said();
    let next = rig.carrying("depth")[1];
    rig.depth(next, last + 10, last + 20);
    rig.ticker(next, last + 20);
    rig.wait(ms(100));
    rig.depth(old, last, last + 10);
    let wanted = format!("ticker {} {last}-{} {}-{}", last + 20, last + 10, last + 10, last + 20);
    assert_eq!(rig.said(), wanted);
    rig.wait(ms(900));
    assert!(rig.closes.iter().any(|(_, id)| *id == old));
    assert_eq!(rig.audit.downs, 0);
}
