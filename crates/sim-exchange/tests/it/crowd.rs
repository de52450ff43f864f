//! Is the market a market? Statistics of ten minutes, and who earns in it.

use std::time::Duration;

use market::venue::{OrderFate, TimeInForce, VenueCommand, VenueReport};
use market::{Book, MarketKind, Nanos, Position, Price, Side};
use sim_exchange::{SimExchange, SimOutput};

use crate::support::{START, at, busy, cancel, instrument, name, place};

/// What ten minutes of market data look like from outside.
#[derive(Debug, Default)]
struct Statistics {
    diffs: f64,
    tickers: f64,
    trades: f64,
    marks: f64,
    spread_median: i64,
    spread_narrow: f64,
    spread_mean: f64,
    levels_min: usize,
    vol_bps: f64,
    vol_first: f64,
    vol_parts: Vec<f64>,
    depth_5bps: f64,
    events_per_s: f64,
}

fn observe(seed: u64, minutes: u64) -> Statistics {
    let mut sim = SimExchange::new(busy(seed));
    let mut book = Book::default();
    let mut stats = Statistics { levels_min: usize::MAX, ..Statistics::default() };
    let (mut out, mut spreads, mut mids, mut depth) = (Vec::new(), Vec::new(), Vec::new(), 0.0);
    let instrument = instrument();
    for tick in 1..=minutes * 60 * 20 {
        let now = at(tick * 50);
        sim.step(now, &[], &mut out);
        for output in out.drain(..) {
            let SimOutput::Market(event) = output else { continue };
            match event.kind {
                MarketKind::Snapshot(snapshot) => book.apply_snapshot(now, &snapshot),
                MarketKind::Diff(diff) => {
                    book.apply_diff(now, &diff);
                    stats.diffs += 1.0;
                }
                MarketKind::Ticker(ticker) => {
                    assert!(ticker.bid.price < ticker.ask.price, "crossed: {ticker:?}");
                    book.apply_ticker(now, ticker);
                    spreads.push((ticker.ask.price - ticker.bid.price).raw());
                    stats.tickers += 1.0;
                }
                MarketKind::Trade(_) => stats.trades += 1.0,
                MarketKind::Mark(_) => stats.marks += 1.0,
                MarketKind::FeedUp => {}
                MarketKind::FeedDown => panic!("no faults here"),
            }
        }
        let status = book.status(now, Duration::from_secs(1));
        assert_eq!(status, market::BookStatus::Synced, "at {tick}");
        book.assert_invariants();
        if tick % 20 == 0 {
            sim.assert_invariants();
            let (bid, ask) = book.touch().unwrap();
            mids.push(instrument.mid(bid.price, ask.price).to_f64());
            stats.levels_min =
                stats.levels_min.min(book.depth(Side::Buy)).min(book.depth(Side::Sell));
            let near = |level: &market::Level| (level.price - bid.price).raw().abs() < 130;
            let qty = book.levels(Side::Buy).filter(near).map(|l| instrument.qty_f64(l.qty));
            depth += qty.sum::<f64>();
        }
    }
    let seconds = (minutes * 60) as f64;
    for rate in [&mut stats.diffs, &mut stats.tickers, &mut stats.trades, &mut stats.marks] {
        *rate /= seconds;
    }
    spreads.sort_unstable();
    stats.spread_median = spreads[spreads.len() / 2];
    stats.spread_mean = spreads.iter().sum::<i64>() as f64 / spreads.len() as f64;
    let narrow = spreads.iter().filter(|&&ticks| ticks <= 5).count();
    stats.spread_narrow = narrow as f64 / spreads.len() as f64;
    let squares: Vec<f64> =
        mids.windows(2).map(|pair| ((pair[1] / pair[0]).ln() * 1e4).powi(2)).collect();
    stats.vol_bps = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
    stats.vol_parts = squares
        .chunks(60)
        .map(|part| (part.iter().sum::<f64>() / part.len() as f64).sqrt())
        .collect();
    stats.vol_first = stats.vol_parts[0];
    stats.depth_5bps = depth / mids.len() as f64;
    stats.events_per_s = sim.events() as f64 / seconds;
    stats
}

#[test]
fn ten_minutes_look_like_a_market() {
    for seed in 1..=3 {
        let stats = observe(seed, 10);
        println!("seed {seed}: {stats:?}");
    }
}

/// Quotes one order a side, `distance` ticks from mid (0: joins the touch), moves its centre by
/// `skew` ticks per order held, and keeps at most `limit` orders of inventory.
#[derive(Clone, Copy, Debug)]
struct Script {
    distance: i64,
    skew: i64,
    limit: i64,
    pace: Duration,
    qty: u64,
}

/// What a script earned, gross of fees.
#[derive(Debug, Default)]
struct Result {
    pnl: f64,
    fills: u64,
    turnover: f64,
    /// Mean fair value move after the fill in our favour, including the distance, in bps of price.
    markout_bps: f64,
}

fn trade(seed: u64, minutes: u64, script: Script) -> Result {
    let mut sim = SimExchange::new(busy(seed));
    let instrument = instrument();
    let mut book = Book::default();
    let mut out = Vec::new();
    let mut live: [Option<(u32, Price)>; 2] = [None, None];
    let (mut next, mut position) = (1, Position::ZERO);
    let mut watching: Vec<(Nanos, Side, f64)> = Vec::new();
    let (mut marks, mut marked) = (0.0, 0_u64);
    let mut now = START;
    while now < at(minutes * 60_000) {
        let decide = now + script.pace;
        while now < decide {
            now = sim.next_deadline().unwrap().min(decide);
            sim.step(now, &[], &mut out);
            for output in out.drain(..) {
                match output {
                    SimOutput::Market(event) => match event.kind {
                        MarketKind::Snapshot(snapshot) => book.apply_snapshot(now, &snapshot),
                        MarketKind::Diff(diff) => book.apply_diff(now, &diff),
                        MarketKind::Ticker(ticker) => book.apply_ticker(now, ticker),
                        _ => {}
                    },
                    SimOutput::Venue(VenueReport::Fill(fill)) => {
                        position += fill.qty.signed(fill.side);
                        let price = instrument.price_f64(fill.price);
                        watching.push((fill.ts_event + Duration::from_secs(1), fill.side, price));
                    }
                    SimOutput::Venue(
                        VenueReport::Canceled { client_id, .. }
                        | VenueReport::Reject { client_id, .. },
                    ) => {
                        for slot in &mut live {
                            if slot.is_some_and(|(n, _)| name(n) == client_id) {
                                *slot = None;
                            }
                        }
                    }
                    SimOutput::Venue(_) => {}
                }
            }
            let fair = sim.fair_value().to_f64();
            watching.retain(|&(due, side, price)| {
                if due <= now {
                    marks += side.sign() as f64 * (fair / price - 1.0) * 1e4;
                    marked += 1;
                }
                due > now
            });
        }
        let Some((bid, ask)) = book.touch() else { continue };
        let held = position.raw() / script.qty as i64;
        let mut commands = Vec::new();
        for side in Side::BOTH {
            let truth = sim.truth();
            let touch = if side == Side::Buy { bid.price } else { ask.price };
            let middle = (bid.price.raw() + ask.price.raw()) / 2;
            let price = if script.distance == 0 {
                touch.raw()
            } else {
                middle - side.sign() * script.distance - held * script.skew
            };
            let price = Price::new(price);
            let wanted = held * side.sign() < script.limit;
            let slot = &mut live[side.index()];
            if let Some((n, _)) = *slot
                && !truth.open_orders.iter().any(|o| o.client_id == Some(name(n)))
            {
                *slot = None;
            }
            match *slot {
                Some((_, old)) if wanted && (old - price).raw().abs() <= script.distance / 10 => {}
                Some((n, _)) => {
                    commands.push(cancel(n));
                    *slot = None;
                }
                None => {}
            }
            if wanted && slot.is_none() {
                commands.push(place(next, side, price.raw(), script.qty, TimeInForce::PostOnly));
                *slot = Some((next, price));
                next += 1;
            }
        }
        sim.step(now, &commands, &mut out);
    }
    let truth = sim.truth();
    let fair = sim.fair_value();
    let open = instrument.value_at(fair, truth.position).to_f64()
        - instrument.value_at(truth.entry, truth.position).to_f64();
    Result {
        pnl: truth.realized.to_f64() + open,
        fills: truth.fills,
        turnover: truth.turnover.to_f64(),
        markout_bps: marks / marked.max(1) as f64,
    }
}

#[test]
fn the_touch_loses_and_patience_does_not() {
    let touch =
        Script { distance: 0, skew: 0, limit: 3, pace: Duration::from_millis(250), qty: 100 };
    let wide =
        Script { distance: 65, skew: 15, limit: 4, pace: Duration::from_millis(250), qty: 100 };
    for (name, script) in [
        ("touch", touch),
        ("wide", wide),
        ("wide2", Script { pace: Duration::from_millis(1000), ..wide }),
        ("far", Script { distance: 130, skew: 30, ..wide }),
    ] {
        let mut total = 0.0;
        for seed in 1..=6 {
            let result = trade(seed, 10, script);
            total += result.pnl;
            println!(
                "{name} seed {seed}: {result:?} per turnover {:.3} bps",
                result.pnl / result.turnover * 1e4
            );
        }
        println!("{name}: total {total}");
    }
    let _ = OrderFate::NotFound;
    let _ = |c: VenueCommand| c;
}
