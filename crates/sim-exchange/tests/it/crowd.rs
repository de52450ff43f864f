//! Is the market a market? Statistics of ten minutes, seen from outside.

use std::time::Duration;

use market::{Book, BookStatus, MarketKind, Nanos, Side};
use sim_exchange::{SimExchange, SimOutput};

use crate::support::{at, busy, instrument, ms, run};

/// What a stretch of market data looks like. Rates are per second.
#[derive(Debug)]
struct Statistics {
    diffs: f64,
    tickers: f64,
    trades: f64,
    marks: f64,
    spread_median: i64,
    /// Share of tickers with a spread of at most five ticks.
    spread_narrow: f64,
    levels_min: usize,
    /// Of mids one second apart, in basis points.
    vol_bps: f64,
    /// The same minute by minute.
    vol_minutes: Vec<f64>,
    /// Mean quantity on the bid within five basis points, in ETH.
    depth_5bps: f64,
}

/// Counts and samples while it watches.
#[derive(Default)]
struct Observer {
    book: Book,
    /// Diffs, tickers, trades, marks.
    counts: [u32; 4],
    spreads: Vec<i64>,
    mids: Vec<f64>,
    levels: Vec<usize>,
    depth: f64,
}

impl Observer {
    fn hear(&mut self, now: Nanos, output: SimOutput) {
        let SimOutput::Market(event) = output else { return };
        match event.kind {
            MarketKind::Snapshot(snapshot) => self.book.apply_snapshot(now, &snapshot),
            MarketKind::Diff(diff) => {
                self.counts[0] += 1;
                self.book.apply_diff(now, &diff);
            }
            MarketKind::Ticker(ticker) => {
                assert!(ticker.bid.price < ticker.ask.price, "crossed: {ticker:?}");
                self.counts[1] += 1;
                self.spreads.push((ticker.ask.price - ticker.bid.price).raw());
                self.book.apply_ticker(now, ticker);
            }
            MarketKind::Trade(_) => self.counts[2] += 1,
            MarketKind::Mark(_) => self.counts[3] += 1,
            MarketKind::FeedUp => {}
            MarketKind::FeedDown => panic!("no faults here"),
        }
    }

    /// Once a second.
    fn sample(&mut self, now: Nanos) {
        let status = self.book.status(now, Duration::from_secs(1));
        assert_eq!(status, BookStatus::Synced, "at {now}");
        self.book.assert_invariants();
        let (bid, ask) = self.book.touch().unwrap();
        let instrument = instrument();
        self.mids.push(instrument.mid(bid.price, ask.price).to_f64());
        self.levels.extend(Side::BOTH.map(|side| self.book.depth(side)));
        let near = self.book.levels(Side::Buy).take_while(|l| (bid.price - l.price).raw() < 130);
        self.depth += near.map(|level| instrument.qty_f64(level.qty)).sum::<f64>();
    }

    fn conclude(mut self) -> Statistics {
        let seconds = self.mids.len() as f64;
        let rate = |count: u32| f64::from(count) / seconds;
        self.spreads.sort_unstable();
        let narrow = self.spreads.iter().filter(|&&ticks| ticks <= 5).count();
        let returns = self.mids.windows(2).map(|pair| ((pair[1] / pair[0]).ln() * 1e4).powi(2));
        let squares: Vec<f64> = returns.collect();
        let vol = |part: &[f64]| (part.iter().sum::<f64>() / part.len() as f64).sqrt();
        Statistics {
            diffs: rate(self.counts[0]),
            tickers: rate(self.counts[1]),
            trades: rate(self.counts[2]),
            marks: rate(self.counts[3]),
            spread_median: self.spreads[self.spreads.len() / 2],
            spread_narrow: narrow as f64 / self.spreads.len() as f64,
            levels_min: self.levels.into_iter().min().unwrap(),
            vol_bps: vol(&squares),
            vol_minutes: squares.chunks(60).map(vol).collect(),
            depth_5bps: self.depth / seconds,
        }
    }
}

fn observe(seed: u64, minutes: u64) -> Statistics {
    let mut sim = SimExchange::new(busy(seed));
    let (mut observer, mut out) = (Observer::default(), Vec::new());
    for second in 1..=minutes * 60 {
        for tick in 0..20 {
            let now = at((second - 1) * 1_000 + (tick + 1) * 50);
            sim.step(now, &[], &mut out);
            out.drain(..).for_each(|output| observer.hear(now, output));
        }
        sim.assert_invariants();
        observer.sample(at(second * 1_000));
    }
    observer.conclude()
}

#[test]
fn ten_minutes_look_like_a_market() {
    for seed in 1..=3 {
        let stats = observe(seed, 10);
        println!("seed {seed}: {stats:.2?}");
        assert!((18.0..=20.1).contains(&stats.diffs), "diffs {}", stats.diffs);
        assert!((30.0..=300.0).contains(&stats.tickers), "tickers {}", stats.tickers);
        assert!((5.0..=40.0).contains(&stats.trades), "trades {}", stats.trades);
        assert!((0.99..=1.01).contains(&stats.marks), "marks {}", stats.marks);
        assert!(stats.spread_median <= 3, "median spread {}", stats.spread_median);
        assert!(stats.spread_narrow > 0.9, "narrow {}", stats.spread_narrow);
        assert!(stats.levels_min >= 20, "levels {}", stats.levels_min);
        assert!((0.4..=3.0).contains(&stats.vol_bps), "volatility {}", stats.vol_bps);
        assert!((50.0..=3_000.0).contains(&stats.depth_5bps), "depth {}", stats.depth_5bps);
        let mut minutes = stats.vol_minutes;
        minutes.sort_by(f64::total_cmp);
        let (calmest, busiest) = (minutes[0], minutes[minutes.len() - 1]);
        assert!(busiest > 1.5 * calmest, "phases differ: {minutes:?}");
    }
}

/// Run with `cargo test -p sim-exchange --release -- --ignored --nocapture how_fast`.
#[test]
#[ignore = "a measurement, not a check"]
fn how_fast() {
    let begin = at(0);
    let mut out = Vec::new();
    let (mut events, mut outputs) = (0, 0);
    for seed in 1..=20 {
        let mut sim = SimExchange::new(busy(seed));
        let mut now = begin;
        while now < begin + ms(600_000) {
            now = now + ms(100);
            run(&mut sim, now, &mut out);
            outputs += out.len();
            out.clear();
        }
        events += sim.events();
    }
    println!("20 x 10 simulated minutes: {events} book updates; {outputs} outputs");
}
