//! Random networks against one law: what comes out has no hole, and ends at the truth.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;

/// Random numbers of one seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = mix(self.0);
        self.0 % bound
    }

    fn per_cent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// The venue's truth.
struct Venue {
    dice: Dice,
    last: u64,
    previous: u64,
    trade: i64,
    sides: [BTreeMap<u64, u64>; 2],
}

impl Venue {
    fn new(seed: u64) -> Self {
        let side = |from: u64| (0..10).map(|step| (from + step, 1_000 + step)).collect();
        let sides = [side(261_000), side(261_020)];
        Self { dice: Dice(seed), last: 100, previous: 90, trade: 0, sides }
    }

    /// What it says about the last tenth of a second.
    fn step(&mut self, now: Nanos) -> Vec<(&'static str, String)> {
        self.previous = self.last;
        self.last += 1 + self.dice.below(20);
        let mut changed: [Vec<(u64, u64)>; 2] = Default::default();
        for (side, own) in self.sides.iter_mut().enumerate() {
            for _ in 0..self.dice.below(4) {
                let price = 261_000 + 20 * side as u64 + self.dice.below(20);
                let qty = if self.dice.per_cent(40) { 0 } else { 1 + self.dice.below(9_000) };
                match qty {
                    0 => own.remove(&price),
                    _ => own.insert(price, qty),
                };
                changed[side].retain(|(known, _)| *known != price);
                changed[side].push((price, qty));
            }
        }
        let depth = depth_text(now, self.previous, self.last, &changed[0], &changed[1]);
        let mut said = vec![("depth", depth), ("bookTicker", ticker_text(now, self.last))];
        for _ in 0..self.dice.below(3) {
            self.trade += 1;
            said.push(("aggTrade", trade_text(now, self.trade)));
        }
        said.push(("markPrice", mark_text(now)));
        said
    }

    fn snapshot(&self, now: Nanos) -> String {
        let side =
            |index: usize| self.sides[index].iter().map(|(p, q)| (*p, *q)).collect::<Vec<_>>();
        snapshot_text(now, self.last, &side(0), &side(1))
    }
}

/// How bad a network is, in per cent of the messages of each socket.
#[derive(Clone, Copy, Debug)]
struct Weather {
    lost: u64,
    /// At most one socket loses the same message.
    spares_one: bool,
    doubled: u64,
    /// Up to so many milliseconds late, each on its own.
    late: u64,
    /// Sockets cut, per cent of the tenths of a second.
    cut: u64,
    /// Requests for snapshots that fail.
    unanswered: u64,
}

/// Venue, network and feed.
struct World {
    rig: Rig,
    venue: Venue,
    dice: Dice,
    /// On its way, by arrival.
    wire: BinaryHeap<Reverse<(Nanos, u64, SocketId, String)>>,
    sent: u64,
    snapshot: Option<(Nanos, Option<String>)>,
}

impl World {
    fn new(seed: u64, copies: u8) -> Self {
        let mut rig = Rig::with(Endpoints::mainnet(), copies, seed);
        rig.open_all();
        Self {
            rig,
            venue: Venue::new(mix(seed ^ 1)),
            dice: Dice(mix(seed ^ 2)),
            wire: BinaryHeap::new(),
            sent: 0,
            snapshot: None,
        }
    }

    /// A tenth of a second.
    fn step(&mut self, weather: &Weather) {
        let now = self.rig.now;
        if self.dice.per_cent(weather.cut) && !self.rig.peers.is_empty() {
            let place = self.dice.below(self.rig.peers.len() as u64) as usize;
            let id = *self.rig.peers.keys().nth(place).unwrap();
            self.rig.close(id);
        }
        for (stream, text) in self.venue.step(now) {
            let mut spared = false;
            let carriers = self.rig.carrying(stream);
            for (index, id) in carriers.iter().enumerate() {
                let is_last = index + 1 == carriers.len();
                let must = weather.spares_one && is_last && !spared;
                if self.dice.per_cent(weather.lost) && !must {
                    continue;
                }
                spared = true;
                for _ in 0..1 + u64::from(self.dice.per_cent(weather.doubled)) {
                    let at = now + ms(self.dice.below(weather.late + 1));
                    self.sent += 1;
                    self.wire.push(Reverse((at, self.sent, *id, text.clone())));
                }
            }
        }
        let end = now + ms(100);
        while self.rig.now < end {
            self.look(weather);
            let arrival = self.wire.peek().map(|Reverse((at, ..))| *at);
            let answer = self.snapshot.as_ref().map(|(at, _)| *at);
            let next = [arrival, answer, self.rig.feed.next_deadline()].into_iter().flatten().min();
            self.rig.now = next.unwrap_or(end).clamp(self.rig.now, end);
            self.arrive();
            self.rig.on_time();
            self.rig.open_all();
        }
    }

    /// Asks for a snapshot if one is wanted.
    fn look(&mut self, weather: &Weather) {
        let now = self.rig.now;
        if self.rig.feed.wants_snapshot(now) {
            self.rig.run(|feed, io| feed.snapshot_sent(io));
            let fails = self.dice.per_cent(weather.unanswered);
            let body = (!fails).then(|| self.venue.snapshot(now));
            self.snapshot = Some((now + ms(1 + self.dice.below(150)), body));
        }
    }

    fn arrive(&mut self) {
        let now = self.rig.now;
        while let Some(Reverse((at, ..))) = self.wire.peek()
            && *at <= now
        {
            let Some(Reverse((_, _, id, text))) = self.wire.pop() else { break };
            if self.rig.peers.contains_key(&id) {
                self.rig.say(id, &text);
            }
        }
        if let Some((_, body)) = self.snapshot.take_if(|(at, _)| *at <= now) {
            let body = body.as_ref().map(|text| text.as_bytes()).ok_or(());
            self.rig.run(|feed, io| feed.on_snapshot(io, body));
        }
    }

    /// Everything arrives, until the book follows and nothing is on its way.
    fn settle(&mut self) {
        let calm =
            Weather { lost: 0, spares_one: true, doubled: 0, late: 0, cut: 0, unanswered: 0 };
        let recovered = (0..900).any(|_| {
            self.step(&calm);
            let book_follows =
                self.rig.audit.up && self.rig.audit.book.last_id() == self.venue.last;
            book_follows && self.wire.is_empty() && self.venue.trade > 0
        });
        assert!(recovered, "never recovers");
    }

    fn assert_book_is_true(&self) {
        let book = &self.rig.audit.book;
        assert_eq!(book.last_id(), self.venue.last);
        for (side, truth) in [(Side::Buy, &self.venue.sides[0]), (Side::Sell, &self.venue.sides[1])]
        {
            let mut held: Vec<(u64, u64)> = book
                .levels(side)
                .map(|level| (level.price.raw() as u64, level.qty.raw()))
                .collect();
            held.sort_unstable();
            let truth: Vec<(u64, u64)> = truth.iter().map(|(p, q)| (*p, *q)).collect();
            assert_eq!(held, truth, "{side}");
        }
    }
}

fn weather() -> impl Strategy<Value = Weather> {
    (0..40_u64, any::<bool>(), 0..30_u64, 0..400_u64, 0..6_u64, 0..50_u64).prop_map(
        |(lost, spares_one, doubled, late, cut, unanswered)| Weather {
            lost,
            spares_one,
            doubled,
            late,
            cut,
            unanswered,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..Default::default()
    })]

    #[test]
    fn no_hole_comes_out_and_the_book_ends_true(
        seed: u64, copies in 1..=2_u8, weather in weather(), tenths in 20..200_u32,
    ) {
        let mut world = World::new(seed, copies);
        for _ in 0..tenths {
            world.step(&weather);
        }
        world.settle();
        world.assert_book_is_true();
    }

    #[test]
    fn what_one_socket_brings_is_not_missed(
        seed: u64, lost in 0..60_u64, doubled in 0..30_u64, late in 0..=99_u64,
    ) {
        let mut world = World::new(seed, 2);
        world.settle();
        let before = world.venue.trade;
        let weather = Weather { lost, spares_one: true, doubled, late, cut: 0, unanswered: 0 };
        for _ in 0..100 {
            world.step(&weather);
        }
        world.settle();
        let audit = &world.rig.audit;
        prop_assert_eq!((audit.downs, world.rig.status().sync.gaps), (0, 0));
        for number in before + 1..=world.venue.trade {
            prop_assert!(audit.trades.contains(&number), "trade {}", number);
        }
        world.assert_book_is_true();
    }

    #[test]
    fn nothing_upsets_it(seed: u64, steps in 50..400_u32) {
        let mut dice = Dice(seed);
        let mut rig = Rig::with(Endpoints::mainnet(), 1 + dice.below(2) as u8, seed);
        for _ in 0..steps {
            let ids: Vec<SocketId> = rig.peers.keys().copied().collect();
            let id = match ids.len() as u64 {
                0 => SocketId(dice.below(50)),
                count => ids[dice.below(count) as usize],
            };
            disturb(&mut rig, &mut dice, id);
            prop_assert!(rig.peers.len() <= 8);
            rig.status();
        }
        let crowded = rig.opens.iter().enumerate().any(|(index, (at, _))| {
            let after = rig.opens.get(index + CONNECTS_MAX);
            after.is_some_and(|(later, _)| later.since(*at) < secs(300))
        });
        prop_assert!(!crowded, "too many connections");
    }
}

/// One thing happens, likely or not.
fn disturb(rig: &mut Rig, dice: &mut Dice, id: SocketId) {
    match dice.below(14) {
        0 if rig.peers.contains_key(&id) => rig.open(id),
        1 if rig.peers.contains_key(&id) => rig.close(id),
        2 => rig.now = rig.now + ms(dice.below(100_000)),
        3 => rig.on_time(),
        4 => rig.wait(ms(dice.below(3_000))),
        5 if rig.feed.wants_snapshot(rig.now) => rig.snapshot(dice.below(400)),
        6 if rig.feed.wants_snapshot(rig.now) => rig.answer(Err(())),
        7 => {
            let body = snapshot_text(rig.now, dice.below(400), &[], &[]);
            rig.run(|feed, io| feed.on_snapshot(io, Ok(body.as_bytes())));
        }
        8 => {
            let text = depth_text(rig.now, 1, 2, &[], &[]);
            let cut = dice.below(text.len() as u64) as usize;
            rig.say(id, &text[..cut]);
        }
        9 => rig.trade(id, dice.below(20) as i64 + rig.now.0 as i64 / 1_000_000),
        10 => rig.mark(id),
        11 => rig.run(|feed, io| feed.heard(io, id)),
        _ => {
            let previous = dice.below(400);
            let last = previous.saturating_add(dice.below(40)).saturating_sub(3);
            rig.depth(id, previous, last);
        }
    }
}
