//! Who earns in this market? Joining the touch loses, patience does not; both gross of fees.

use std::time::Duration;

use market::venue::{TimeInForce, VenueCommand, VenueReport};
use market::{Book, MarketKind, Nanos, Position, Price, Side};
use sim_exchange::{SimExchange, SimOutput};

use crate::support::{at, busy, cancel, instrument, ms, name, place};

/// Quotes one order a side, `distance` ticks from mid (0: joins the touch), moves its centre by
/// `skew` ticks per order held, and holds at most `limit` orders of inventory.
#[derive(Clone, Copy, Debug)]
struct Script {
    distance: i64,
    skew: i64,
    limit: i64,
    pace: Duration,
}

/// Lots per order.
const QTY: u64 = 100;

const TOUCH: Script = Script { distance: 0, skew: 0, limit: 3, pace: Duration::from_millis(250) };
const WIDE: Script = Script { distance: 65, skew: 15, limit: 4, pace: Duration::from_millis(250) };

/// A scripted maker and what it knows.
struct Player {
    script: Script,
    book: Book,
    live: [Option<(u32, Price)>; 2],
    next: u32,
    position: Position,
    /// Fills to be judged later: when, side, price.
    watched: Vec<(Nanos, Side, f64)>,
    markouts: Vec<f64>,
}

impl Player {
    fn new(script: Script) -> Self {
        Self {
            script,
            book: Book::default(),
            live: [None; 2],
            next: 1,
            position: Position::ZERO,
            watched: Vec::new(),
            markouts: Vec::new(),
        }
    }

    fn hear(&mut self, now: Nanos, output: SimOutput) {
        match output {
            SimOutput::Market(event) => match event.kind {
                MarketKind::Snapshot(snapshot) => self.book.apply_snapshot(now, &snapshot),
                MarketKind::Diff(diff) => self.book.apply_diff(now, &diff),
                MarketKind::Ticker(ticker) => self.book.apply_ticker(now, ticker),
                _ => {}
            },
            SimOutput::Venue(VenueReport::Fill(fill)) => {
                self.position += fill.qty.signed(fill.side);
                let price = instrument().price_f64(fill.price);
                self.watched.push((fill.ts_event + ms(1_000), fill.side, price));
                if fill.cumulative.raw() == QTY {
                    self.gone(fill.client_id);
                }
            }
            SimOutput::Venue(
                VenueReport::Canceled { client_id, .. } | VenueReport::Reject { client_id, .. },
            ) => self.gone(Some(client_id)),
            SimOutput::Venue(_) => {}
        }
    }

    fn gone(&mut self, id: Option<market::ClientOrderId>) {
        for slot in &mut self.live {
            if slot.is_some_and(|(n, _)| Some(name(n)) == id) {
                *slot = None;
            }
        }
    }

    fn judge(&mut self, now: Nanos, fair: f64) {
        let markouts = &mut self.markouts;
        self.watched.retain(|&(due, side, price)| {
            if due <= now {
                markouts.push(side.sign() as f64 * (fair / price - 1.0) * 1e4);
            }
            due > now
        });
    }

    fn decide(&mut self) -> Vec<VenueCommand> {
        let mut commands = Vec::new();
        let Some((bid, ask)) = self.book.touch() else { return commands };
        let Script { distance, skew, limit, .. } = self.script;
        let held = self.position.raw() / QTY as i64;
        let middle = (bid.price.raw() + ask.price.raw()) / 2;
        for side in Side::BOTH {
            let touch = if side == Side::Buy { bid.price } else { ask.price };
            let away = Price::new(middle - side.sign() * distance - held * skew);
            let price = if distance == 0 { touch } else { away };
            let wanted = held * side.sign() < limit;
            let slot = &mut self.live[side.index()];
            if let Some((n, old)) = *slot {
                if wanted && (old - price).raw().abs() <= distance / 10 {
                    continue;
                }
                commands.push(cancel(n));
                *slot = None;
            }
            if wanted {
                let tif = TimeInForce::PostOnly;
                commands.push(place(self.next, side, price.raw(), QTY, tif));
                *slot = Some((self.next, price));
                self.next += 1;
            }
        }
        commands
    }
}

/// What a script earned, before fees.
#[derive(Debug)]
struct Earned {
    pnl: f64,
    fills: u64,
    turnover: f64,
    /// Mean of fair value one second after a fill against its price, in our favour, in bps.
    markout_bps: f64,
}

fn play(seed: u64, minutes: u64, script: Script) -> Earned {
    let mut sim = SimExchange::new(busy(seed));
    let (mut player, mut out) = (Player::new(script), Vec::new());
    let (mut now, mut decide) = (at(0), at(0));
    while now < at(minutes * 60_000) {
        decide = decide + script.pace;
        while now < decide {
            now = sim.next_deadline().unwrap().min(decide);
            sim.step(now, &[], &mut out);
            out.drain(..).for_each(|output| player.hear(now, output));
            player.judge(now, sim.fair_value().to_f64());
        }
        sim.step(now, &player.decide(), &mut out);
    }
    let truth = sim.truth();
    let instrument = instrument();
    let value = |price| instrument.value_at(price, truth.position).to_f64();
    Earned {
        pnl: truth.realized.to_f64() + value(sim.fair_value()) - value(truth.entry),
        fills: truth.fills,
        turnover: truth.turnover.to_f64(),
        markout_bps: player.markouts.iter().sum::<f64>() / player.markouts.len().max(1) as f64,
    }
}

fn season(title: &str, script: Script, seeds: std::ops::RangeInclusive<u64>) -> Vec<Earned> {
    let results: Vec<_> = seeds.map(|seed| play(seed, 10, script)).collect();
    for (index, earned) in results.iter().enumerate() {
        eprintln!("{title} {}: {earned:.3?}", index + 1);
    }
    let (pnl, turnover): (f64, f64) =
        results.iter().fold((0.0, 0.0), |(p, t), e| (p + e.pnl, t + e.turnover));
    eprintln!("{title}: {pnl:.2} on {turnover:.0}, {:.3} bps", pnl / turnover * 1e4);
    results
}

#[test]
fn joining_the_touch_loses_to_the_informed() {
    let results = season("touch", TOUCH, 1..=4);
    for earned in &results {
        assert!(earned.fills > 200, "{earned:?}");
        assert!(earned.markout_bps < -0.1, "{earned:?}");
    }
    assert!(results.iter().map(|e| e.pnl).sum::<f64>() < 0.0);
}

#[test]
fn quoting_two_and_a_half_basis_points_away_does_not_lose() {
    let results = season("wide", WIDE, 1..=8);
    for earned in &results {
        assert!(earned.fills > 5, "{earned:?}");
        assert!(earned.markout_bps > 0.0, "{earned:?}");
    }
    assert!(results.iter().map(|e| e.pnl).sum::<f64>() >= 0.0);
}

#[test]
#[ignore = "a measurement, not a check"]
fn how_distance_pays() {
    for (title, distance) in [("1 bp", 26), ("2.5 bps", 65), ("4 bps", 104), ("5 bps", 130)] {
        for pace in [100, 1_000, 5_000] {
            let skew = distance / 4;
            let script = Script { distance, skew, limit: 4, pace: ms(pace) };
            season(&format!("{title} every {pace} ms"), script, 1..=8);
        }
    }
}
