//! What a frame costs: the scanner against serde_json (typed, as one would write it by hand, and
//! our general parser), on recorded frames where they are, on made-up ones elsewhere.
//!
//! `cargo bench -p binance --bench decode`

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::LazyLock;

use binance::{CaptureReader, Decoded, Decoder, DepthSync};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use market::{
    Book, BookTicker, DepthDiff, Instrument, InstrumentId, Level, MarketKind, Nanos, Side, Trade,
};
use serde::Deserialize;

fn main() {
    divan::main();
}

/// Frames of each kind, and the snapshot that depth starts from.
#[derive(Default)]
struct Frames {
    depth: Vec<Vec<u8>>,
    ticker: Vec<Vec<u8>>,
    trade: Vec<Vec<u8>>,
    agg_trade: Vec<Vec<u8>>,
    snapshot: Option<Vec<u8>>,
}

static FRAMES: LazyLock<Frames> = LazyLock::new(|| {
    let path = capture();
    match File::open(&path) {
        Ok(file) => recorded(file),
        Err(_) => {
            eprintln!("SKIPPED: {} is not here; made-up frames instead", path.display());
            made_up()
        }
    }
});

fn capture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/binance-usdm/btcusdt_20240808.gz")
}

fn recorded(file: File) -> Frames {
    let mut frames = Frames::default();
    for line in BufReader::new(flate2::read::MultiGzDecoder::new(file)).lines() {
        let line = line.unwrap();
        let frame = line.split_once(' ').unwrap().1;
        let kind = match () {
            () if frame.contains("@depth") => &mut frames.depth,
            () if frame.contains("@bookTicker") => &mut frames.ticker,
            () if frame.contains("@trade") => &mut frames.trade,
            () => {
                frames.snapshot = Some(frame.as_bytes().to_vec());
                continue;
            }
        };
        kind.push(frame.as_bytes().to_vec());
    }
    frames.agg_trade = frames.trade.iter().map(|trade| aggregated(trade)).collect();
    frames
}

/// A recorded trade as the aggregate stream tells it today; that stream was not recorded.
fn aggregated(trade: &[u8]) -> Vec<u8> {
    let trade: Combined<'_, TypedTrade<'_>> = serde_json::from_slice(trade).unwrap();
    let TypedTrade { event_time, transaction_time, t, p, q, m, .. } = trade.data;
    format!(
        r#"{{"stream":"btcusdt@aggTrade","data":{{"e":"aggTrade","E":{event_time},"a":{},"s":"BTCUSDT","p":"{p}","q":"{q}","nq":"{q}","f":{t},"l":{t},"T":{transaction_time},"m":{m},"st":1}}}}"#,
        t / 2
    )
    .into_bytes()
}

fn made_up() -> Frames {
    let levels = |from: u64, side: i64| {
        let level = |i: u64| {
            let tenths = 617_000_i64 + side * ((from * 7 + i * 13) % 400) as i64;
            format!(r#"["{}.{}0","{}.{:03}"]"#, tenths / 10, tenths % 10, i % 9, from % 1_000)
        };
        (0..34).map(level).collect::<Vec<_>>().join(",")
    };
    let depth = |i: u64| {
        format!(
            r#"{{"stream":"btcusdt@depth@0ms","data":{{"e":"depthUpdate","E":1723161256299,"T":1723161256298,"s":"BTCUSDT","U":{},"u":{},"pu":{},"b":[{}],"a":[{}]}}}}"#,
            i * 10 + 1,
            i * 10 + 10,
            i * 10,
            levels(i, -1),
            levels(i, 1)
        )
    };
    let ticker = |i: u64| {
        format!(
            r#"{{"stream":"btcusdt@bookTicker","data":{{"e":"bookTicker","u":{i},"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}}}"#
        )
    };
    let trade = |i: u64| {
        format!(
            r#"{{"stream":"btcusdt@trade","data":{{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":{i},"p":"61800.30","q":"0.006","X":"MARKET","m":false}}}}"#
        )
    };
    let trades: Vec<_> = (0..2_000).map(|i| trade(i).into_bytes()).collect();
    let many = |frame: &dyn Fn(u64) -> String| (0..2_000).map(|i| frame(i).into_bytes()).collect();
    Frames {
        depth: many(&depth),
        ticker: many(&ticker),
        agg_trade: trades.iter().map(|trade| aggregated(trade)).collect(),
        trade: trades,
        snapshot: Some(
            br#"{"lastUpdateId":5,"bids":[["61700.00","1"]],"asks":[["61700.10","1"]]}"#.to_vec(),
        ),
    }
}

fn decoder() -> Decoder {
    Decoder::new(&[Instrument::known(InstrumentId(0), "BTCUSDT").unwrap()])
}

/// Runs over all frames, reporting frames and bytes per second.
fn over<T>(bencher: Bencher<'_, '_>, frames: &[Vec<u8>], mut decode: impl FnMut(&[u8]) -> T) {
    let bytes: usize = frames.iter().map(Vec::len).sum();
    bencher.counter(ItemsCount::new(frames.len())).counter(BytesCount::new(bytes)).bench_local(
        || {
            for frame in frames {
                divan::black_box(decode(divan::black_box(frame)));
            }
        },
    );
}

macro_rules! scenarios {
    ($kind:ident, $typed:ty) => {
        mod $kind {
            use super::*;

            #[divan::bench]
            fn scanner(bencher: Bencher<'_, '_>) {
                let mut decoder = decoder();
                over(bencher, &FRAMES.$kind, |frame| {
                    decoder.decode_by_scanner(frame, Nanos::ZERO).unwrap()
                });
            }

            #[divan::bench]
            fn serde_general(bencher: Bencher<'_, '_>) {
                let decoder = decoder();
                over(bencher, &FRAMES.$kind, |frame| {
                    decoder.decode_by_serde(frame, Nanos::ZERO).unwrap()
                });
            }

            /// What one would write by hand: borrowed texts, then decimals to ticks and lots.
            #[divan::bench]
            fn serde_typed(bencher: Bencher<'_, '_>) {
                let instrument = Instrument::known(InstrumentId(0), "BTCUSDT").unwrap();
                over(bencher, &FRAMES.$kind, |frame| {
                    let parsed: Combined<'_, $typed> = serde_json::from_slice(frame).unwrap();
                    let kind = parsed.data.convert(&instrument);
                    divan::black_box(&parsed);
                    kind
                });
            }

            /// Only the parse into borrowed texts: no decimals, no event.
            #[divan::bench]
            fn serde_typed_texts_only(bencher: Bencher<'_, '_>) {
                over(bencher, &FRAMES.$kind, |frame| {
                    let parsed: Combined<'_, $typed> = serde_json::from_slice(frame).unwrap();
                    divan::black_box(&parsed);
                });
            }
        }
    };
}

scenarios!(depth, TypedDepth<'_>);
scenarios!(ticker, TypedTicker<'_>);
scenarios!(trade, TypedTrade<'_>);
scenarios!(agg_trade, TypedAggTrade<'_>);

/// Decoding, synchronising and applying every change: what a depth frame costs until the book holds
/// it.
#[divan::bench]
fn depth_frame_to_book(bencher: Bencher<'_, '_>) {
    let decoder = RefCell::new(decoder());
    let snapshot = FRAMES.snapshot.as_deref().unwrap();
    let (_, snapshot) =
        decoder.borrow().decode_snapshot(InstrumentId(0), snapshot, Nanos::ZERO).unwrap();
    bencher
        .counter(ItemsCount::new(FRAMES.depth.len()))
        .with_inputs(|| {
            let mut sync = DepthSync::new(InstrumentId(0));
            sync.on_snapshot(Nanos::ZERO, snapshot.clone(), &mut Vec::new());
            (sync, Book::with_capacity(8_192))
        })
        .bench_local_refs(|(sync, book)| {
            let mut events = Vec::new();
            for frame in &FRAMES.depth {
                if let Ok(Decoded::Diff { ts_event, diff, .. }) =
                    decoder.borrow_mut().decode(frame, Nanos::ZERO)
                {
                    sync.on_diff(ts_event, diff, &mut events);
                }
                for event in events.drain(..) {
                    match event.kind {
                        MarketKind::Snapshot(snapshot) => {
                            book.apply_snapshot(event.ts_event, &snapshot);
                        }
                        MarketKind::Diff(diff) => book.apply_diff(event.ts_event, &diff),
                        _ => {}
                    }
                }
            }
            divan::black_box(book.depth_touch().map(|(bid, ask): (Level, Level)| (bid, ask)))
        });
}

/// A whole recorded file, from gzip to events: items are lines.
#[divan::bench(sample_count = 10)]
fn capture_file_to_events(bencher: Bencher<'_, '_>) {
    let path = capture();
    if !path.exists() {
        return;
    }
    let btc = Instrument::known(InstrumentId(0), "BTCUSDT").unwrap();
    bencher.counter(ItemsCount::new(93_954_u64)).bench_local(|| {
        let reader = CaptureReader::open_shifted(&btc, &[&path], 0).unwrap();
        reader.map(|item| item.map(|event| event.ts_recv.0)).fold(0, |n, ts| n ^ ts.unwrap())
    });
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, not read")]
struct Combined<'a, T> {
    stream: &'a str,
    data: T,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, not read")]
struct TypedDepth<'a> {
    e: &'a str,
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "T")]
    transaction_time: u64,
    s: &'a str,
    #[serde(rename = "U")]
    first_id: u64,
    u: u64,
    pu: u64,
    #[serde(borrow)]
    b: Vec<[&'a str; 2]>,
    #[serde(borrow)]
    a: Vec<[&'a str; 2]>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, not read")]
struct TypedTicker<'a> {
    e: &'a str,
    u: u64,
    s: &'a str,
    b: &'a str,
    #[serde(rename = "B")]
    bid_qty: &'a str,
    a: &'a str,
    #[serde(rename = "A")]
    ask_qty: &'a str,
    #[serde(rename = "T")]
    transaction_time: u64,
    #[serde(rename = "E")]
    event_time: u64,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, not read")]
struct TypedTrade<'a> {
    e: &'a str,
    #[serde(rename = "E")]
    event_time: u64,
    #[serde(rename = "T")]
    transaction_time: u64,
    s: &'a str,
    t: i64,
    p: &'a str,
    q: &'a str,
    #[serde(rename = "X")]
    executed: &'a str,
    m: bool,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, not read")]
struct TypedAggTrade<'a> {
    e: &'a str,
    #[serde(rename = "E")]
    event_time: u64,
    a: i64,
    s: &'a str,
    p: &'a str,
    q: &'a str,
    nq: &'a str,
    f: i64,
    l: i64,
    #[serde(rename = "T")]
    transaction_time: u64,
    m: bool,
}

fn level(instrument: &Instrument, price: &str, qty: &str) -> Level {
    let price = instrument.price(price.parse().unwrap()).unwrap();
    Level { price, qty: instrument.qty(qty.parse().unwrap()).unwrap() }
}

impl TypedDepth<'_> {
    fn convert(&self, instrument: &Instrument) -> MarketKind {
        let levels = |side: &[[&str; 2]]| {
            side.iter().map(|[price, qty]| level(instrument, price, qty)).collect()
        };
        MarketKind::Diff(DepthDiff {
            first_id: self.first_id,
            last_id: self.u,
            previous_id: self.pu,
            bids: levels(&self.b),
            asks: levels(&self.a),
        })
    }
}

impl TypedTicker<'_> {
    fn convert(&self, instrument: &Instrument) -> MarketKind {
        MarketKind::Ticker(BookTicker {
            update_id: self.u,
            bid: level(instrument, self.b, self.bid_qty),
            ask: level(instrument, self.a, self.ask_qty),
        })
    }
}

impl TypedTrade<'_> {
    fn convert(&self, instrument: &Instrument) -> MarketKind {
        let Level { price, qty } = level(instrument, self.p, self.q);
        let aggressor = if self.m { Side::Sell } else { Side::Buy };
        MarketKind::Trade(Trade { id: self.t, price, qty, aggressor })
    }
}

impl TypedAggTrade<'_> {
    fn convert(&self, instrument: &Instrument) -> MarketKind {
        let Level { price, qty } = level(instrument, self.p, self.q);
        let aggressor = if self.m { Side::Sell } else { Side::Buy };
        MarketKind::Trade(Trade { id: self.a, price, qty, aggressor })
    }
}
