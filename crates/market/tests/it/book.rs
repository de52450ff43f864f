//! The book beside a naive twin, on random streams with gaps, stale updates and outages.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::time::Duration;

use market::{
    Book, BookStatus, BookTicker, DepthDiff, DepthSnapshot, Level, Nanos, Price, Qty, Side,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::config;

/// What happens to a book. Ids count from the last one the book took in.
#[derive(Clone, Debug)]
enum Event {
    Snapshot { ahead: i64, sides: [BTreeMap<i64, u64>; 2] },
    Diff { previous: i64, length: u64, sides: [Vec<(i64, u64)>; 2] },
    Ticker { ahead: i64, bid: (i64, u64), ask: (i64, u64) },
    FeedDown,
    Wait,
}

fn level(&(price, qty): &(i64, u64)) -> Level {
    Level { price: Price::new(price), qty: Qty::new(qty) }
}

/// The book as its documentation puts it, with maps and no cleverness.
#[derive(Default)]
struct Twin {
    sides: [BTreeMap<Price, Qty>; 2],
    ticker: Option<BookTicker>,
    last_id: u64,
    updated: Nanos,
    /// `None` is empty, `Some(false)` gapped.
    intact: Option<bool>,
}

impl Twin {
    fn snapshot(&mut self, now: Nanos, snapshot: &DepthSnapshot) {
        for (side, levels) in [(Side::Buy, &snapshot.bids), (Side::Sell, &snapshot.asks)] {
            self.sides[side.index()].clear();
            self.change(side, levels);
        }
        self.ticker = self.ticker.filter(|ticker| ticker.update_id > snapshot.last_id);
        (self.last_id, self.updated, self.intact) = (snapshot.last_id, now, Some(true));
    }

    fn change(&mut self, side: Side, levels: &[Level]) {
        for level in levels {
            if level.qty.is_zero() {
                self.sides[side.index()].remove(&level.price);
            } else {
                self.sides[side.index()].insert(level.price, level.qty);
            }
        }
    }

    fn diff(&mut self, now: Nanos, diff: &DepthDiff) {
        if self.intact != Some(true) || diff.last_id <= self.last_id {
            return;
        }
        if diff.previous_id > self.last_id {
            self.intact = Some(false);
            return;
        }
        self.change(Side::Buy, &diff.bids);
        self.change(Side::Sell, &diff.asks);
        (self.last_id, self.updated) = (diff.last_id, now);
    }

    fn ticker(&mut self, now: Nanos, ticker: BookTicker) {
        let known = self.ticker.map_or(0, |ticker| ticker.update_id).max(self.last_id);
        if self.intact == Some(true) && ticker.update_id > known {
            (self.ticker, self.updated) = (Some(ticker), now);
        }
    }

    fn down(&mut self) {
        (self.intact, self.ticker) = (None, None);
    }

    fn levels(&self, side: Side) -> Vec<Level> {
        let depth = self.sides[side.index()].iter().map(|(&price, &qty)| Level { price, qty });
        let depth: Vec<Level> = match side {
            Side::Buy => depth.rev().collect(),
            Side::Sell => depth.collect(),
        };
        let Some(ticker) = self.ticker.filter(|ticker| ticker.update_id > self.last_id) else {
            return depth;
        };
        let top = if side == Side::Buy { ticker.bid } else { ticker.ask };
        if top.qty.is_zero() {
            return Vec::new();
        }
        let behind = depth.into_iter().filter(|level| side.is_better(top.price, level.price));
        std::iter::once(top).chain(behind).collect()
    }

    fn status(&self, now: Nanos, max_age: Duration) -> BookStatus {
        let best = |side| self.levels(side).first().map(|level| level.price);
        match (self.intact, best(Side::Buy), best(Side::Sell)) {
            (None, ..) => BookStatus::Empty,
            (Some(false), ..) => BookStatus::Gapped,
            _ if now.0 - self.updated.0 > max_age.as_nanos() as u64 => BookStatus::Stale,
            (_, Some(bid), Some(ask)) if bid < ask => BookStatus::Synced,
            (_, Some(_), Some(_)) => BookStatus::Crossed,
            _ => BookStatus::OneSided,
        }
    }
}

/// Gives the same event to both.
fn apply(event: &Event, now: Nanos, book: &mut Book, twin: &mut Twin) {
    let last_id = book.last_id();
    match event {
        Event::Snapshot { ahead, sides } => {
            let side = |side: &BTreeMap<i64, u64>| -> Vec<Level> {
                side.iter().map(|(&price, &qty)| level(&(price, qty))).collect()
            };
            let snapshot = DepthSnapshot {
                last_id: last_id.saturating_add_signed(*ahead),
                bids: side(&sides[0]),
                asks: side(&sides[1]),
            };
            book.apply_snapshot(now, &snapshot);
            twin.snapshot(now, &snapshot);
        }
        Event::Diff { previous, length, sides } => {
            let previous_id = last_id.saturating_add_signed(*previous);
            let diff = DepthDiff {
                first_id: previous_id + 1,
                last_id: previous_id + length,
                previous_id,
                bids: sides[0].iter().map(level).collect(),
                asks: sides[1].iter().map(level).collect(),
            };
            book.apply_diff(now, &diff);
            twin.diff(now, &diff);
        }
        Event::Ticker { ahead, bid, ask } => {
            let update_id = last_id.saturating_add_signed(*ahead);
            let ticker = BookTicker { update_id, bid: level(bid), ask: level(ask) };
            book.apply_ticker(now, ticker);
            twin.ticker(now, ticker);
        }
        Event::FeedDown => {
            book.feed_down();
            twin.down();
        }
        Event::Wait => {}
    }
}

/// `step` lies between the prices that occur.
fn compare(now: Nanos, book: &Book, twin: &Twin, step: i64) {
    book.assert_invariants();
    for age in [0, 1_000, 5_000].map(Duration::from_millis) {
        assert_eq!(book.status(now, age), twin.status(now, age));
    }
    assert_eq!((book.last_id(), book.updated()), (twin.last_id, twin.updated));
    for side in Side::BOTH {
        let wanted = twin.levels(side);
        assert_eq!(book.levels(side).collect::<Vec<_>>(), wanted);
        assert!(wanted.is_sorted_by(|a, b| side.is_better(a.price, b.price)));
        assert_eq!(book.best(side), wanted.first().copied());
        assert_eq!(book.depth(side), twin.sides[side.index()].len());
        for price in (0..=32).map(|count| Price::new(count * step)) {
            let resting = wanted.iter().find(|level| level.price == price);
            let qty = resting.map_or(Qty::ZERO, |level| level.qty);
            assert_eq!(book.qty_at(side, price), qty, "{side} at {price:?}");
        }
    }
    let ends = |side: usize| &twin.sides[side];
    let wanted = ends(0).last_key_value().zip(ends(1).first_key_value());
    let got = book.depth_touch().map(|(bid, ask)| ((bid.price, bid.qty), (ask.price, ask.qty)));
    assert_eq!(got, wanted.map(|((p, q), (r, s))| ((*p, *q), (*r, *s))));
    assert_eq!(book.touch(), book.best(Side::Buy).zip(book.best(Side::Sell)));
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let bid = || (1_i64..20, 0_u64..5);
    let ask = || (12_i64..32, 0_u64..5);
    let full = (
        prop::collection::btree_map(1_i64..20, 0_u64..5, 0..12),
        prop::collection::btree_map(12_i64..32, 0_u64..5, 0..12),
    );
    let changes = (prop::collection::vec(bid(), 0..5), prop::collection::vec(ask(), 0..5));
    let event = prop_oneof![
        2 => (-6_i64..6, full)
            .prop_map(|(ahead, (bids, asks))| Event::Snapshot { ahead, sides: [bids, asks] }),
        8 => (-3_i64..=0, 0_u64..5, changes.clone()).prop_map(|(previous, length, (bids, asks))| {
            Event::Diff { previous, length, sides: [bids, asks] }
        }),
        1 => (1_i64..3, 1_u64..3, changes).prop_map(|(previous, length, (bids, asks))| {
            Event::Diff { previous, length, sides: [bids, asks] }
        }),
        5 => (-2_i64..6, bid(), ask())
            .prop_map(|(ahead, bid, ask)| Event::Ticker { ahead, bid, ask }),
        1 => Just(Event::FeedDown),
        1 => Just(Event::Wait),
    ];
    prop::collection::vec((0_u64..2_000, event), 1..60)
}

/// Distances between neighbouring prices: from a book within a few ticks to one that spans far more
/// than any array of prices could hold.
const STEPS: &[i64] = &[1, 300, 1_500, 9_000, 40_000, i64::MAX / 32];

/// The same event with prices this far apart.
fn stretched(mut event: Event, step: i64) -> Event {
    match &mut event {
        Event::Snapshot { sides, .. } => {
            for side in sides {
                *side = side.iter().map(|(price, qty)| (price * step, *qty)).collect();
            }
        }
        Event::Diff { sides, .. } => {
            sides.iter_mut().flatten().for_each(|(price, _)| *price *= step);
        }
        Event::Ticker { bid, ask, .. } => {
            [bid, ask].into_iter().for_each(|(price, _)| *price *= step)
        }
        Event::FeedDown | Event::Wait => {}
    }
    event
}

fn hash(book: &Book) -> u64 {
    let mut hasher = DefaultHasher::new();
    book.hash_into(&mut hasher);
    hasher.finish()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_book_and_its_twin_agree(events in events(), step in select(STEPS)) {
        let (mut book, mut twin) = (Book::with_capacity(4), Twin::default());
        let (mut again, mut unused) = (Book::default(), Twin::default());
        let mut now = Nanos::from_millis(1);
        compare(now, &book, &twin, step);
        for (millis, event) in events {
            let event = stretched(event, step);
            now = now + Duration::from_millis(millis);
            apply(&event, now, &mut book, &mut twin);
            compare(now, &book, &twin, step);
            apply(&event, now, &mut again, &mut unused);
            prop_assert_eq!(hash(&book), hash(&again));
        }
    }
}

fn snapshot(last_id: u64) -> DepthSnapshot {
    let bids = [(9, 3), (10, 2)].iter().map(level).collect();
    DepthSnapshot { last_id, bids, asks: [(12, 1), (11, 4)].iter().map(level).collect() }
}

#[test]
fn the_ticker_leads_until_depth_catches_up() {
    let mut book = Book::default();
    let now = Nanos(1);
    book.apply_snapshot(now, &snapshot(10));
    let (bid, ask) = (level(&(9, 7)), level(&(12, 0)));
    book.apply_ticker(now, BookTicker { update_id: 12, bid, ask });
    assert_eq!(book.levels(Side::Buy).collect::<Vec<_>>(), [bid], "10 is gone, 9 holds 7");
    assert_eq!(book.qty_at(Side::Buy, Price::new(10)), Qty::ZERO);
    assert_eq!(book.best(Side::Sell), None, "the ticker says that nobody sells");
    assert_eq!(book.qty_at(Side::Sell, Price::new(12)), Qty::ZERO);
    assert_eq!(book.status(now, Duration::MAX), BookStatus::OneSided);
    let nothing = DepthDiff {
        first_id: 11,
        last_id: 12,
        previous_id: 10,
        bids: Vec::new(),
        asks: Vec::new(),
    };
    book.apply_diff(now, &nothing);
    assert_eq!(book.best(Side::Buy), Some(level(&(10, 2))));
    assert_eq!(book.best(Side::Sell), Some(level(&(11, 4))));
}

#[test]
fn equal_hashes_mean_equal_futures() {
    let now = Nanos(1);
    let diff = DepthDiff {
        first_id: 11,
        last_id: 20,
        previous_id: 10,
        bids: Vec::new(),
        asks: Vec::new(),
    };
    let mut books = [Book::default(), Book::default()];
    for book in &mut books {
        book.apply_snapshot(now, &snapshot(10));
    }
    let (bid, ask) = (level(&(9, 7)), level(&(12, 5)));
    books[0].apply_ticker(now, BookTicker { update_id: 15, bid, ask });
    let mut futures = Vec::new();
    for book in &mut books {
        book.apply_diff(now, &diff);
        let before = hash(book);
        // Depth starts over from before the ticker that it had overtaken.
        book.apply_snapshot(now, &snapshot(12));
        futures.push((before, book.best(Side::Buy)));
    }
    assert!(futures[0].0 != futures[1].0 || futures[0].1 == futures[1].1, "{futures:?}");
}
