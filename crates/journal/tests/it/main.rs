//! Journals written and read back, whole, cut off, damaged, foreign.

mod damage;
mod directories;
mod round_trip;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use engine::config::{BreakerConfig, EngineConfig, LossLimits};
use engine::input::Input;
use engine::output::RecordedOutput;
use journal::{Durability, Header, ReadError, Reader, Record, Retention, Tail, Writer};
use market::venue::VenueCommand;
use market::{
    ClientOrderId, DepthDiff, InstrumentId, Level, MarketEvent, MarketKind, Nanos, Price, Qty,
    Rate, Usd,
};

/// A directory that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("journal-it-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const CREATED: Nanos = Nanos(1_795_379_760_123_000_000);

fn header(session: u32) -> Header {
    Header {
        program: "0.1.0-test".to_owned(),
        session,
        created: CREATED,
        note: "exchange: { name: binance, api_key: \"***\" }\n".to_owned(),
        config: EngineConfig {
            session,
            loss: LossLimits { daily_loss: Usd::new(100), drawdown: Rate::new(3) },
            breaker: BreakerConfig { threshold: 5, timeout: Duration::from_secs(300) },
            desks: Vec::new(),
        },
    }
}

fn diff(id: u64) -> Input {
    let level =
        |n: u64| Level { price: Price::new(261_000 + n as i64), qty: Qty::new(id * 7 % 99) };
    Input::Market(MarketEvent {
        instrument: InstrumentId(0),
        ts_event: Nanos(CREATED.0 + id * 1_000_000),
        kind: MarketKind::Diff(DepthDiff {
            first_id: id * 10,
            last_id: id * 10 + 9,
            previous_id: id * 10 - 1,
            bids: (0..id % 5).map(level).collect(),
            asks: (5..8).map(level).collect(),
        }),
    })
}

fn cancel(sequence: u32) -> RecordedOutput {
    RecordedOutput::Venue(VenueCommand::Cancel {
        instrument: InstrumentId(0),
        client_id: ClientOrderId { session: 1, sequence },
    })
}

/// Records some turns and returns the session's directory.
fn record(journal: &Path, session: u32, turns: u64, retention: Retention) -> PathBuf {
    let mut writer =
        Writer::create(journal, header(session), Durability::EachBatch, retention).unwrap();
    for turn in 1..=turns {
        let now = Nanos(CREATED.0 + turn * 1_000_000);
        assert_eq!(writer.inputs(now, &[diff(turn), diff(turn + 1)]), Ok(turn));
        let outputs: Vec<_> = (0..turn as u32 % 3).map(cancel).collect();
        writer.outputs(&outputs).unwrap();
        if writer.wants_checkpoint() {
            writer.checkpoint(turn * 31).unwrap();
        }
    }
    writer.end(4_711).unwrap();
    writer.dir().to_owned()
}

/// Everything that can be read, and how it ended.
fn read(path: &Path) -> (Vec<Record>, Result<Tail, ReadError>) {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut records = Vec::new();
    for record in reader.by_ref() {
        match record {
            Ok(record) => records.push(record),
            Err(error) => return (records, Err(error)),
        }
    }
    assert!(reader.next().is_none(), "it stays at its end");
    (records, Ok(reader.tail().unwrap().clone()))
}
