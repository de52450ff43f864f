//! What a turn costs to append and to read back.
//!
//! `cargo bench -p journal --bench append`

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use engine::config::{BreakerConfig, EngineConfig, LossLimits};
use engine::input::Input;
use journal::{Durability, Header, Reader, Retention, Writer};
use market::{
    BookTicker, DepthDiff, InstrumentId, Level, MarketEvent, MarketKind, Nanos, Price, Qty, Rate,
    Usd,
};

const TURNS: u64 = 20_000;

fn main() {
    let dir = scratch();
    for (name, every) in [("one ticker a turn", 0), ("one ticker a turn, 68 levels each tenth", 10)]
    {
        let bytes = write(&dir, Durability::Buffered, every);
        eprintln!("{name}: {:.1} bytes a turn on disk", bytes as f64 / TURNS as f64);
    }
    divan::main();
    let _ = fs::remove_dir_all(dir);
}

fn scratch() -> PathBuf {
    std::env::temp_dir().join(format!("journal-bench-{}", std::process::id()))
}

/// A market in motion: numbers that differ from turn to turn as a real one's do.
fn batches(depth_every: u64) -> Vec<(Nanos, Vec<Input>)> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let (mut now, mut mid, mut id) =
        (1_795_379_760_123_000_000_u64, 617_000_i64, 5_123_107_837_557);
    let batch = |turn| {
        now += random(8_000_000);
        mid += random(3) as i64 - 1;
        let before = id;
        id += random(4_000) + 1;
        let mut level = |price| Level { price: Price::new(price), qty: Qty::new(random(20_000)) };
        let kind = if depth_every > 0 && turn % depth_every == 0 {
            let bids = (0..34).map(|i| level(mid - i * 7 % 400)).collect();
            let asks = (0..34).map(|i| level(mid + i * 7 % 400)).collect();
            MarketKind::Diff(DepthDiff {
                first_id: before + 1,
                last_id: id,
                previous_id: before,
                bids,
                asks,
            })
        } else {
            let (bid, ask) = (level(mid), level(mid + 1));
            MarketKind::Ticker(BookTicker { update_id: id, bid, ask })
        };
        let ts_event = Nanos(now / 1_000_000 * 1_000_000);
        let event = MarketEvent { instrument: InstrumentId(0), ts_event, kind };
        (Nanos(now), vec![Input::Market(event)])
    };
    (0..TURNS).map(batch).collect()
}

fn header() -> Header {
    let loss = LossLimits { daily_loss: Usd::ZERO, drawdown: Rate::ZERO };
    let breaker = BreakerConfig { threshold: 1, timeout: Duration::ZERO };
    Header {
        program: "bench".to_owned(),
        session: 1,
        created: Nanos(1),
        note: String::new(),
        config: EngineConfig { session: 1, loss, breaker, desks: Vec::new() },
    }
}

fn writer(dir: &PathBuf, durability: Durability) -> Writer {
    let _ = fs::remove_dir_all(dir);
    Writer::create(dir, header(), durability, Retention::default()).unwrap()
}

fn write(dir: &PathBuf, durability: Durability, depth_every: u64) -> u64 {
    let mut writer = writer(dir, durability);
    for (now, inputs) in batches(depth_every) {
        writer.inputs(now, &inputs).unwrap();
    }
    writer.end(0).unwrap();
    writer.segment_bytes()
}

#[divan::bench(args = [(Durability::EachBatch, 0), (Durability::Buffered, 0), (Durability::EachBatch, 10)])]
fn append(bencher: Bencher<'_, '_>, (durability, depth_every): (Durability, u64)) {
    let batches = batches(depth_every);
    let dir = scratch();
    bencher
        .counter(ItemsCount::new(TURNS))
        .with_inputs(|| writer(&dir, durability))
        .bench_local_refs(|writer| {
            for (now, inputs) in &batches {
                writer.inputs(*now, inputs).unwrap();
            }
        });
}

#[divan::bench(args = [0, 10])]
fn read(bencher: Bencher<'_, '_>, depth_every: u64) {
    let dir = scratch();
    write(&dir, Durability::Buffered, depth_every);
    bencher
        .counter(ItemsCount::new(TURNS))
        .bench_local(|| Reader::open(&dir).unwrap().map(Result::unwrap).count());
}
