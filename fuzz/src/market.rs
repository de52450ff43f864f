//! Market data: frames, and what becomes of depth in sequence.

use std::time::Duration;

use binance::{Decoded, Decoder, DepthSync};
use market::{Book, Instrument, InstrumentId, MarketEvent, MarketKind, Nanos};

pub(crate) const RECV: Nanos = Nanos(1_791_000_000_000_000_000);

pub(crate) fn instrument(id: u16, symbol: &str) -> Instrument {
    Instrument::known(InstrumentId(id), symbol).expect("a known symbol")
}

fn decoder() -> Decoder {
    Decoder::new(&[instrument(0, "ETHUSDC"), instrument(1, "BTCUSDT")])
}

/// Market-stream frames: the scanner takes nothing that the general parser would refuse, and reads
/// nothing differently.
pub fn market_frame(data: &[u8]) {
    for mut decoder in [decoder(), decoder().rounding_quantities()] {
        let oracle = decoder.decode_by_serde(data, RECV);
        if let Some(scanned) = decoder.decode_by_scanner(data, RECV) {
            assert_eq!(Ok(&scanned), oracle.as_ref(), "scanner and general parser differ");
        }
        assert_eq!(decoder.decode(data, RECV), oracle);
        match oracle {
            Err(error) => assert!(error.text.len() <= 2 * binance::DecodeError::TEXT_MAX),
            Ok(Decoded::Unknown { name, .. }) => assert!(name.len() <= 128),
            Ok(_) => {}
        }
    }
}

/// Depth frames and snapshots, one a line, through synchronisation into a book.
pub fn depth_stream(data: &[u8]) {
    let instrument = instrument(0, "ETHUSDC");
    let mut decoder = Decoder::new(std::slice::from_ref(&instrument));
    let (mut sync, mut book) = (DepthSync::new(instrument.id), Book::default());
    let mut events = Vec::new();
    for (line, at) in data.split(|&byte| byte == b'\n').zip(1_u64..) {
        let now = Nanos(RECV.0 + at * 1_000_000);
        let whole = decoder.decode_snapshot(instrument.id, line, now);
        let decoded = decoder.decode(line, now);
        if let (Ok(Decoded::Snapshot { ts_event, snapshot, .. }), Ok(whole)) = (&decoded, &whole) {
            assert_eq!(&(*ts_event, snapshot.clone()), whole);
        }
        match (decoded, whole) {
            (Ok(Decoded::Diff { ts_event, diff, .. }), _) => {
                sync.on_diff(ts_event, diff, &mut events);
            }
            (Ok(Decoded::Partial { ts_event, snapshot, .. }), _) => {
                sync.on_partial(ts_event, snapshot, &mut events);
            }
            (_, Ok((ts_event, snapshot))) => sync.on_snapshot(ts_event, snapshot, &mut events),
            (Ok(Decoded::Event(event)), _) => events.push(event),
            (_, Err(_)) => {}
        }
        events.drain(..).for_each(|event| keep(&mut book, &event));
        let _ = book.status(now, Duration::from_secs(1));
    }
}

fn keep(book: &mut Book, event: &MarketEvent) {
    match &event.kind {
        MarketKind::Snapshot(snapshot) => book.apply_snapshot(event.ts_event, snapshot),
        MarketKind::Diff(diff) => {
            book.apply_diff(event.ts_event, diff);
        }
        MarketKind::Ticker(ticker) => {
            book.apply_ticker(event.ts_event, *ticker);
        }
        MarketKind::Trade(_) | MarketKind::Mark(_) | MarketKind::FeedUp | MarketKind::FeedDown => {}
    }
}
