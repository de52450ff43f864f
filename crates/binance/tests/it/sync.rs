//! Depth synchronisation: cases as scripts, and a random venue with a naive twin.

use std::collections::BTreeMap;

use binance::DepthSync;
use market::{
    Book, DepthDiff, DepthSnapshot, InstrumentId, Level, MarketEvent, MarketKind, Nanos, Price,
    Qty, Side,
};
use proptest::prelude::*;

fn diff(previous_id: u64, last_id: u64) -> DepthDiff {
    DepthDiff { first_id: previous_id + 1, last_id, previous_id, bids: vec![], asks: vec![] }
}

fn snapshot(last_id: u64) -> DepthSnapshot {
    DepthSnapshot { last_id, bids: vec![], asks: vec![] }
}

/// Runs `12-15` (a change from previous id 12 to last id 15), `=14` (a snapshot), `~14` (a partial
/// book), `lost` (a disconnect); returns what came out after each, `?` where a snapshot is wanted.
fn run(sync: &mut DepthSync, script: &str) -> String {
    let mut said = Vec::new();
    for word in script.split_whitespace() {
        let mut out = Vec::new();
        if let Some(id) = word.strip_prefix('=') {
            sync.on_snapshot(Nanos(1), snapshot(id.parse().unwrap()), &mut out);
        } else if let Some(id) = word.strip_prefix('~') {
            sync.on_partial(Nanos(1), snapshot(id.parse().unwrap()), &mut out);
        } else if word == "lost" {
            sync.on_disconnect(Nanos(1), &mut out);
        } else {
            let (from, to) = word.split_once('-').unwrap();
            sync.on_diff(Nanos(1), diff(from.parse().unwrap(), to.parse().unwrap()), &mut out);
        }
        let mut line: Vec<String> = out.iter().map(spell).collect();
        if sync.needs_snapshot() {
            line.push("?".to_owned());
        }
        said.push(if line.is_empty() { ".".to_owned() } else { line.join(" ") });
    }
    said.join(" | ")
}

fn spell(event: &MarketEvent) -> String {
    match &event.kind {
        MarketKind::Snapshot(snapshot) => format!("={}", snapshot.last_id),
        MarketKind::Diff(diff) => format!("{}-{}", diff.previous_id, diff.last_id),
        MarketKind::FeedUp => "up".to_owned(),
        MarketKind::FeedDown => "down".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn snapshot_and_changes_meet_in_every_order() {
    for (script, wanted) in [
        // The snapshot comes late and is older than what is here.
        ("10-12 12-15 15-19 =13 19-20", "? | ? | ? | up =13 12-15 15-19 | 19-20"),
        // It comes first.
        ("=13 10-12 12-15", ". | . | up =13 12-15"),
        // Its id falls between two changes (ids are shared by all symbols).
        ("10-12 15-19 =13", "? | ? | ?"),
        ("10-12 12-15 =17 15-19", "? | ? | . | up =17 15-19"),
        // It ends exactly where a change ends.
        ("10-12 12-15 =12 15-19", "? | ? | up =12 10-12 12-15 | 15-19"),
        // It is too old; the next one is not.
        ("10-12 12-15 =9 =11", "? | ? | ? | up =11 10-12 12-15"),
        // A newer one replaces one that is still waiting.
        ("=13 =30 12-15 15-32", ". | . | . | up =30 15-32"),
        // A hole while waiting makes what came before it useless.
        ("10-12 14-15 15-18 =11 =15", "? | ? | ? | ? | up =15 14-15 15-18"),
        // Repeated changes are dropped, in sequence and before.
        ("10-12 10-12 =11 12-13 12-13 10-12", "? | ? | up =11 10-12 | 12-13 | . | ."),
        // Overlap (two connections): absolute quantities may be repeated.
        ("=11 10-12 12-15 13-17 17-18", ". | up =11 10-12 | 12-15 | 13-17 | 17-18"),
    ] {
        assert_eq!(run(&mut DepthSync::new(InstrumentId(0)), script), wanted, "{script}");
    }
}

#[test]
fn gaps_take_the_feed_down_until_the_next_snapshot() {
    for (script, wanted) in [
        (
            "=11 10-12 14-15 15-16 =15 16-17",
            ". | up =11 10-12 | down ? | ? | up =15 14-15 15-16 | 16-17",
        ),
        // A snapshot ahead of the changes is kept and used when the hole shows.
        ("=11 10-12 =20 19-22 22-23", ". | up =11 10-12 | . | down up =20 19-22 | 22-23"),
        // Unneeded snapshots do nothing.
        ("=11 10-12 =12 =5 12-14", ". | up =11 10-12 | . | . | 12-14"),
        // After a disconnect nothing before it counts.
        ("=11 10-12 lost =12 12-14", ". | up =11 10-12 | down ? | . | up =12 12-14"),
        ("10-12 lost 12-14 =12", "? | ? | ? | up =12 12-14"),
        ("lost lost", "? | ?"),
    ] {
        assert_eq!(run(&mut DepthSync::new(InstrumentId(0)), script), wanted, "{script}");
    }
    let mut sync = DepthSync::new(InstrumentId(0));
    run(&mut sync, "=11 10-12 14-15 lost");
    assert_eq!((sync.stats().gaps, sync.stats().applied, sync.stats().dropped_unused), (1, 1, 1));
}

#[test]
fn a_book_from_elsewhere_is_continued() {
    let mut sync = DepthSync::starting_at(InstrumentId(0), 12);
    assert_eq!(
        run(&mut sync, "10-12 12-15 15-16 18-19 =18"),
        ". | 12-15 | 15-16 | down ? | up =18 18-19"
    );
    let mut sync = DepthSync::starting_at(InstrumentId(0), 12);
    assert_eq!(run(&mut sync, "13-15"), "down ?");
}

#[test]
fn partial_books_count_only_where_no_changes_are_followed() {
    let mut sync = DepthSync::new(InstrumentId(0));
    assert_eq!(run(&mut sync, "~5 ~6 lost ~7"), "up =5 ? | =6 ? | down ? | up =7 ?");
    let mut sync = DepthSync::new(InstrumentId(0));
    assert_eq!(run(&mut sync, "10-12 ~12 =11 ~13"), "? | ? | up =11 10-12 | .");
    assert_eq!(sync.stats().partials_unused, 2);
}

#[test]
fn ids_that_went_back_are_noticed() {
    let mut sync = DepthSync::starting_at(InstrumentId(0), 1_000_000);
    let mut out = Vec::new();
    let mut id = 10;
    while out.is_empty() {
        sync.on_diff(Nanos(1), diff(id, id + 1), &mut out);
        id += 1;
        assert!(id < 20 + u64::from(DepthSync::STALE_RUN_MAX));
    }
    assert_eq!(run(&mut sync, "1009-1010 =1009"), "? | up =1009 1009-1010");
}

#[test]
fn the_buffer_is_bounded_and_keeps_the_newest() {
    let mut sync = DepthSync::new(InstrumentId(0));
    let mut out = Vec::new();
    for id in 0..10_000 {
        sync.on_diff(Nanos(1), diff(id, id + 1), &mut out);
    }
    assert_eq!(sync.stats().buffered, DepthSync::PENDING_MAX as u64);
    sync.on_snapshot(Nanos(1), snapshot(100), &mut out);
    assert!(out.is_empty() && sync.needs_snapshot(), "too old for what is left");
    sync.on_snapshot(Nanos(1), snapshot(9_000), &mut out);
    assert_eq!(sync.last_id(), Some(10_000));

    let mut sync = DepthSync::new(InstrumentId(0));
    let wide = vec![Level { price: Price::new(1), qty: Qty::new(1) }; 300_000];
    for id in 0..10 {
        sync.on_diff(Nanos(1), DepthDiff { bids: wide.clone(), ..diff(id, id + 1) }, &mut out);
    }
    assert_eq!(sync.stats().buffered, 3);
}

/// What a venue's feed does next.
#[derive(Clone, Debug)]
enum Step {
    /// Levels change (price, quantity), ids advance by a hole and by the change's own width.
    Change { levels: Vec<(i64, u64)>, hole: u64, width: u64, lost: bool, twice: bool },
    /// A REST answer about the book as it was some changes ago.
    Snapshot { ago: usize },
    /// The connection is lost.
    Disconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let level = (1_i64..30, 0_u64..4);
    let change = (prop::collection::vec(level, 0..5), 0_u64..4, 1_u64..9, 0..40, 0..10).prop_map(
        |(levels, hole, width, lost, twice)| Step::Change {
            levels,
            hole,
            width,
            lost: lost == 0,
            twice: twice == 0,
        },
    );
    prop_oneof![
        12 => change,
        3 => (0_usize..6).prop_map(|ago| Step::Snapshot { ago }),
        1 => Just(Step::Disconnect),
    ]
}

fn levels_of(book: &BTreeMap<i64, u64>) -> Vec<Level> {
    book.iter()
        .map(|(&price, &qty)| Level { price: Price::new(price), qty: Qty::new(qty) })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..Default::default() })]

    /// Whatever is lost or repeated: whenever a book fed by it is in sequence, it is the venue's
    /// book at that id.
    #[test]
    fn a_book_in_sequence_is_the_venues_book(steps in prop::collection::vec(step(), 1..120)) {
        let mut sync = DepthSync::new(InstrumentId(0));
        let mut book = Book::default();
        let mut fed = false;
        // The venue's bids after each change, by id; the twin.
        let mut history = vec![(5_u64, BTreeMap::new())];
        let mut out = Vec::new();
        for step in steps {
            let (last_id, bids) = history.last().unwrap().clone();
            match step {
                Step::Change { levels, hole, width, lost, twice } => {
                    let mut bids = bids;
                    for &(price, qty) in &levels {
                        if qty == 0 { bids.remove(&price); } else { bids.insert(price, qty); }
                    }
                    let (first_id, id) = (last_id + hole + 1, last_id + hole + width);
                    let changed: BTreeMap<i64, u64> = levels.into_iter().collect();
                    let diff = DepthDiff {
                        first_id, last_id: id, previous_id: last_id,
                        bids: levels_of(&changed), asks: vec![],
                    };
                    history.push((id, bids));
                    if !lost { sync.on_diff(Nanos(id), diff.clone(), &mut out); }
                    if twice && !lost { sync.on_diff(Nanos(id), diff, &mut out); }
                }
                Step::Snapshot { ago } => {
                    let (id, bids) = &history[history.len().saturating_sub(1 + ago)];
                    let snapshot =
                        DepthSnapshot { last_id: *id, bids: levels_of(bids), asks: vec![] };
                    sync.on_snapshot(Nanos(*id), snapshot, &mut out);
                }
                Step::Disconnect => sync.on_disconnect(Nanos(last_id), &mut out),
            }
            for event in out.drain(..) {
                match event.kind {
                    MarketKind::Snapshot(snapshot) => {
                        book.apply_snapshot(Nanos(1), &snapshot);
                        fed = true;
                    }
                    MarketKind::Diff(diff) => book.apply_diff(Nanos(1), &diff),
                    MarketKind::FeedDown => { book.feed_down(); fed = false; }
                    _ => {}
                }
            }
            prop_assert_eq!(fed, sync.last_id().is_some());
            if let Some(id) = sync.last_id() {
                prop_assert_eq!(book.last_id(), id);
                let (_, wanted) = history.iter().find(|(at, _)| *at == id).unwrap();
                let held: BTreeMap<i64, u64> =
                    book.levels(Side::Buy).map(|l| (l.price.raw(), l.qty.raw())).collect();
                prop_assert_eq!(&held, wanted);
            }
        }
    }
}
