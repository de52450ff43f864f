//! Every recorded capture, against what is known about it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use binance::{CaptureInfo, CaptureReader, Decoded, Decoder};
use market::{Book, BookTicker, Decimal, Instrument, Level, MarketKind, Nanos, Side};
use serde_json::Value;

use crate::{instrument, known, shared};

/// What reading a capture to its end has shown.
struct Played {
    book: Book,
    tickers: Vec<BookTicker>,
    /// Update id and best levels by depth after each change.
    touches: Vec<(u64, Level, Level)>,
    reader: CaptureReader,
}

fn play(mut reader: CaptureReader, mut book: Book) -> Played {
    let (mut tickers, mut touches) = (Vec::new(), Vec::new());
    let mut last = Nanos::ZERO;
    for item in reader.by_ref() {
        let item = item.unwrap();
        assert!(item.ts_recv >= last, "receive time goes back");
        assert!(item.ts_recv >= item.event.ts_event, "received before it happened");
        last = item.ts_recv;
        match item.event.kind {
            MarketKind::Snapshot(snapshot) => book.apply_snapshot(last, &snapshot),
            MarketKind::Diff(diff) => {
                book.apply_diff(last, &diff);
                assert_eq!(book.last_id(), diff.last_id, "the book took the change");
                let (bid, ask) = book.depth_touch().unwrap();
                assert!(bid.price < ask.price, "crossed after {}", diff.last_id);
                touches.push((diff.last_id, bid, ask));
            }
            MarketKind::Ticker(ticker) => tickers.push(ticker),
            MarketKind::FeedDown => panic!("a gap in a capture without gaps"),
            MarketKind::FeedUp | MarketKind::Trade(_) | MarketKind::Mark(_) => {}
        }
    }
    book.assert_invariants();
    Played { book, tickers, touches, reader }
}

/// How many changes left the book's best levels equal to the last ticker at or before them.
fn agreeing(played: &Played) -> usize {
    let mut tickers = played.tickers.clone();
    tickers.sort_by_key(|ticker| ticker.update_id);
    let mut agree = 0;
    for &(id, bid, ask) in &played.touches {
        let after = tickers.partition_point(|ticker| ticker.update_id <= id);
        let Some(before) = after.checked_sub(1) else { continue };
        let ticker = tickers[before];
        assert_eq!((ticker.bid, ticker.ask), (bid, ask), "best levels after change {id}");
        agree += 1;
    }
    agree
}

/// The manifest's entry whose first file this is.
fn manifest(file: &str) -> Value {
    let text = std::fs::read_to_string(shared("manifest.json").unwrap()).unwrap();
    let Value::Array(entries) = serde_json::from_str(&text).unwrap() else { panic!("no array") };
    entries.into_iter().find(|entry| entry["files"][0]["file"] == file).unwrap()
}

fn check(instrument: &Instrument, files: &[&str]) {
    let Some(paths) = files.iter().map(|file| shared(file)).collect::<Option<Vec<PathBuf>>>()
    else {
        return;
    };
    let manifest = manifest(files[0]);
    let figure = |name: &str| manifest[name].as_u64().unwrap();
    let played = play(CaptureReader::open(instrument, &paths).unwrap(), Book::default());
    let stats = played.reader.stats();

    let lines: u64 =
        (0..files.len()).map(|i| manifest["files"][i]["lines"].as_u64().unwrap()).sum();
    assert_eq!(stats.lines, lines);
    assert_eq!((stats.sync.gaps, stats.bad_lines, stats.backwards), (0, 0, 0));
    assert_eq!(stats.decode.unknown, 0);
    assert_eq!(stats.sync.snapshots, 1);
    assert_eq!(stats.sync.applied, figure("depth_events_applied_after_bridging"));
    assert_eq!(agreeing(&played) as u64, figure("book_best_equals_bookTicker"));

    assert_eq!(played.book.last_id(), figure("final_u"));
    let (bid, ask) = played.book.depth_touch().unwrap();
    for (name, level) in [("final_best_bid", bid), ("final_best_ask", ask)] {
        let wanted = |value: &Value| -> Decimal {
            value.as_str().map_or_else(|| value.to_string(), str::to_owned).parse().unwrap()
        };
        assert_eq!(instrument.price_decimal(level.price), wanted(&manifest[name][0]));
        assert_eq!(instrument.qty_decimal(level.qty), wanted(&manifest[name][1]));
    }
    let depth = Side::BOTH.map(|side| played.book.depth(side) as u64);
    assert_eq!(Value::from(depth.to_vec()), manifest["final_levels"]);
    assert_eq!(played.reader.progress().0, played.reader.progress().1, "all bytes read");
}

#[test]
fn btcusdt_2024_is_what_the_manifest_says() {
    check(&known("BTCUSDT"), &["binance-usdm/btcusdt_20240808.gz"]);
}

#[test]
fn ethusdt_2024_is_what_the_manifest_says() {
    check(&known("ETHUSDT"), &["binance-usdm/ethusdt_20240808.gz"]);
}

#[test]
fn btcusdt_2023_goes_on_over_midnight() {
    let files = ["binance-usdm/btcusdt_20230404.gz", "binance-usdm/btcusdt_20230405.gz"];
    check(&known("BTCUSDT"), &files);
}

#[test]
fn spot_and_coin_margined_captures_read_with_their_own_rules() {
    for (symbol, tick, step, file) in [
        // Remainders finer than the steps of the time (0.00001 and 0.0001) rest in these books.
        ("BTCUSDT", "0.01", "0.00000001", "binance-spot/btcusdt_20240808.gz"),
        ("ETHUSDT", "0.01", "0.00000001", "binance-spot/ethusdt_20240808.gz"),
        ("BTCUSD_PERP", "0.1", "1", "binance-coinm/btcusd_perp_20240808.gz"),
        ("ETHUSD_PERP", "0.01", "1", "binance-coinm/ethusd_perp_20240808.gz"),
    ] {
        check(&instrument(0, symbol, tick, step), &[file]);
    }
}

#[test]
fn the_second_file_alone_continues_a_book_from_elsewhere() {
    let (Some(first), Some(second)) =
        (shared("binance-usdm/btcusdt_20230404.gz"), shared("binance-usdm/btcusdt_20230405.gz"))
    else {
        return;
    };
    let btc = known("BTCUSDT");
    let before = play(CaptureReader::open(&btc, &[first]).unwrap(), Book::default());
    let last_id = before.book.last_id();
    let reader = CaptureReader::open(&btc, &[&second]).unwrap().resume_from(&btc, last_id);
    let after = play(reader, before.book);
    assert_eq!(after.book.last_id(), 2_710_266_851_462);
    assert_eq!(after.reader.stats().sync.snapshots, 0);

    // Without the book of the day before there is nothing to apply changes to.
    let alone = play(CaptureReader::open(&btc, &[&second]).unwrap(), Book::default());
    assert!(alone.touches.is_empty());
    assert!(alone.reader.stats().sync.buffered > 1_000);
}

#[test]
fn a_scan_counts_what_the_manifest_counts() {
    let Some(path) = shared("binance-usdm/btcusdt_20240808.gz") else { return };
    let mut calls = 0;
    let info = CaptureInfo::scan_with_progress(&path, |done, all| {
        calls += 1;
        assert!(done <= all);
    })
    .unwrap();
    assert!(calls > 50);
    assert_eq!(info.fault, None);
    assert_eq!(info.symbol, "BTCUSDT");
    assert_eq!((info.lines, info.diffs, info.levels), (93_954, 6_551, 443_521));
    assert_eq!((info.trades, info.tickers, info.snapshots), (21_313, 66_089, 1));
    assert_eq!((info.off_book, info.unknown, info.bad_lines, info.gaps), (0, 0, 0, 0));
    assert_eq!(info.diffs_in_sequence, 6_547);
    assert_eq!(info.recv_first, Nanos(1_723_161_255_030_314_667));
    assert_eq!(info.recv_last, Nanos(1_723_161_599_833_492_584));
    assert_eq!(info.offset_min / 100_000, -12_725, "-1272.5 ms");
    assert_eq!(info.last_id, Some(5_123_135_475_514));

    let Some(path) = shared("binance-usdm/btcusdt_20230405.gz") else { return };
    let info = CaptureInfo::scan(&path).unwrap();
    assert_eq!((info.off_book, info.snapshots, info.diffs_in_sequence), (1, 0, 0));
    assert_eq!(info.first_previous_id, Some(2_710_249_412_032));
}

#[test]
fn captures_of_something_else_or_in_the_wrong_order_are_refused() {
    let (Some(first), Some(second)) =
        (shared("binance-usdm/btcusdt_20230404.gz"), shared("binance-usdm/btcusdt_20230405.gz"))
    else {
        return;
    };
    let error = CaptureReader::open(&known("ETHUSDC"), &[&first]).err().unwrap().to_string();
    assert!(error.ends_with("records BTCUSDT, wanted ETHUSDC"), "{error}");
    let error = CaptureReader::open(&known("BTCUSDT"), &[&second, &first]).err().unwrap();
    assert!(error.to_string().contains("order of their recording"), "{error}");
}

#[test]
fn scanner_and_general_parser_agree_on_every_recorded_frame() {
    for (symbol, tick, step, file) in [
        ("BTCUSDT", "0.1", "0.001", "binance-usdm/btcusdt_20230404.gz"),
        ("BTCUSDT", "0.1", "0.001", "binance-usdm/btcusdt_20230405.gz"),
        ("BTCUSDT", "0.1", "0.001", "binance-usdm/btcusdt_20240808.gz"),
        ("ETHUSDT", "0.01", "0.001", "binance-usdm/ethusdt_20240808.gz"),
    ] {
        let Some(path) = shared(file) else { return };
        let mut decoder = Decoder::new(&[instrument(7, symbol, tick, step)]);
        let input = BufReader::new(flate2::read::MultiGzDecoder::new(File::open(path).unwrap()));
        let (mut scanned, mut general) = (0, 0);
        for line in input.lines() {
            let line = line.unwrap();
            let frame = line.split_once(' ').unwrap().1.as_bytes();
            let oracle = decoder.decode_by_serde(frame, Nanos(5)).unwrap();
            match decoder.decode_by_scanner(frame, Nanos(5)) {
                Some(decoded) => {
                    assert_eq!(decoded, oracle, "{line}");
                    scanned += 1;
                }
                None => {
                    let frequent = matches!(&oracle, Decoded::Diff { .. })
                        || matches!(&oracle, Decoded::Event(e) if !matches!(e.kind, MarketKind::Mark(_)));
                    assert!(!frequent, "left to the general parser: {line}");
                    general += 1;
                }
            }
        }
        assert!(scanned > 10_000 && general < 600, "{file}: {scanned} scanned, {general} not");
    }
}
