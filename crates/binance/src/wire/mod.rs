//! One frame of Binance text to one market fact.
//!
//! [`Decoder::decode`] takes a market-stream frame, combined (`{"stream":…,"data":…}`) or bare, or
//! the body of `GET /fapi/v1/depth`. Frames that arrive by the thousand go through a purpose-made
//! scanner; whatever it does not recognise at once is decided by the general parser on serde_json,
//! which is also its oracle in tests: the scanner accepts nothing the general parser would refuse,
//! and reads nothing differently.
//!
//! Prices and quantities go from text straight to ticks and lots. Key order does not matter,
//! unknown fields are ignored, missing or null optional fields are tolerated, unknown events are
//! named and left alone.

pub(crate) mod cursor;
mod error;
pub(crate) mod fields;
mod json;
mod scan;

use market::{BookTicker, DepthDiff, DepthSnapshot, Instrument, InstrumentId, MarketEvent, Nanos};

pub(crate) use error::excerpt;
pub use error::{DecodeError, Fault};

/// Largest price that is believed, in 1e-8 of the quote currency. Together with [`QTY_MAX`] it
/// keeps the value of any level within [`market::Usd`].
const PRICE_MAX: u64 = 100_000_000_000_000_000;
/// Largest quantity that is believed, in 1e-8 of the base asset.
const QTY_MAX: u64 = 1_000_000_000_000_000_000;

/// What a frame says.
///
/// Depth comes apart from finished events because it means nothing before
/// [`DepthSync`](crate::DepthSync) has put it in sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A finished event: best bid and ask, a trade, or a mark price.
    Event(MarketEvent),
    /// A finished trade of the aggregated stream; its id counts aggregates, not executions. Whoever
    /// also follows single trades must drop it.
    AggTrade(MarketEvent),
    /// Several finished events of one frame (`!markPrice@arr`); unknown symbols are left out.
    Events(Vec<MarketEvent>),
    /// Raw depth changes.
    Diff {
        /// Which instrument.
        instrument: InstrumentId,
        /// The venue's time of the event.
        ts_event: Nanos,
        /// The changes.
        diff: DepthDiff,
    },
    /// A partial book (`depth5`, `depth10`, `depth20`): the full top, not changes.
    Partial {
        /// Which instrument.
        instrument: InstrumentId,
        /// The venue's time of the event.
        ts_event: Nanos,
        /// The top of the book.
        snapshot: DepthSnapshot,
    },
    /// The body of a REST depth request.
    Snapshot {
        /// Which instrument.
        instrument: InstrumentId,
        /// The venue's time of the answer.
        ts_event: Nanos,
        /// The book.
        snapshot: DepthSnapshot,
    },
    /// A print that did not trade against the book (`X` is not `MARKET`: insurance fund, ADL).
    OffBook,
    /// Well-formed, but nothing we know.
    Unknown {
        /// In which respect.
        what: Unknown,
        /// The name found, cut to a bounded length; empty when there is none.
        name: String,
    },
}

/// Why a well-formed frame means nothing to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// The event type is not one we read.
    EventType,
    /// The symbol is not one of our instruments.
    Symbol,
    /// The stream carries depth of another kind (`rpiDepth`).
    Stream,
    /// No event at all: an answer to a request, an error body.
    NotAnEvent,
}

/// Counts of what a decoder has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeStats {
    /// Frames given to [`Decoder::decode`].
    pub frames: u64,
    /// Of them taken by the scanner.
    pub scanned: u64,
    /// Prints that were not book executions.
    pub off_book: u64,
    /// Frames that were [`Decoded::Unknown`].
    pub unknown: u64,
    /// Frames that were errors.
    pub malformed: u64,
}

/// Turns frames into market facts for a set of instruments.
#[derive(Clone, Debug)]
pub struct Decoder {
    listed: Vec<Listed>,
    scratch: scan::Scratch,
    stats: DecodeStats,
}

/// An instrument with what the scanner needs at hand.
#[derive(Clone, Debug)]
struct Listed {
    instrument: Instrument,
    /// Prices in units of 1e-8.
    tick: scan::Grid,
    /// Quantities in units of 1e-8.
    step: scan::Grid,
    /// Quantities finer than the step are rounded up instead of refused.
    rounding: bool,
}

impl Decoder {
    /// A decoder for these instruments; frames about others are [`Decoded::Unknown`].
    pub fn new(instruments: &[Instrument]) -> Self {
        let listed = instruments.iter().map(|instrument| Listed {
            tick: scan::Grid::new(instrument.rules().tick.units().unsigned_abs(), PRICE_MAX),
            step: scan::Grid::new(instrument.rules().step.units().unsigned_abs(), QTY_MAX),
            instrument: instrument.clone(),
            rounding: false,
        });
        Self {
            listed: listed.collect(),
            scratch: scan::Scratch::default(),
            stats: DecodeStats::default(),
        }
    }

    /// Rounds quantities finer than the instrument's step up to whole lots instead of refusing
    /// them.
    ///
    /// After a venue has made a step coarser, remainders of older orders stay in the book for as
    /// long as they live, and a feed that refused them would be down for as long.
    #[must_use]
    pub fn rounding_quantities(mut self) -> Self {
        for listed in &mut self.listed {
            listed.rounding = true;
        }
        self
    }

    /// Reads one frame. `ts_recv` stands in where a message has no time of its own (spot).
    ///
    /// # Errors
    /// [`DecodeError`] when the text is not JSON, or a field of a known event is missing, of the
    /// wrong type, or a price or quantity off the instrument's grid.
    pub fn decode(&mut self, frame: &[u8], ts_recv: Nanos) -> Result<Decoded, DecodeError> {
        self.stats.frames += 1;
        let result = match scan::scan(frame, ts_recv, &self.listed, &mut self.scratch) {
            Some(decoded) => {
                self.stats.scanned += 1;
                Ok(decoded)
            }
            None => json::decode(frame, ts_recv, &self.listed, None),
        };
        match &result {
            Ok(Decoded::OffBook) => self.stats.off_book += 1,
            Ok(Decoded::Unknown { .. }) => self.stats.unknown += 1,
            Ok(_) => {}
            Err(_) => self.stats.malformed += 1,
        }
        result
    }

    /// Reads the body of a REST depth request for `instrument`; the body itself may not say which.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); also when `instrument` is not one of this decoder's, or the
    /// body is something else.
    pub fn decode_snapshot(
        &self,
        instrument: InstrumentId,
        body: &[u8],
        ts_recv: Nanos,
    ) -> Result<(Nanos, DepthSnapshot), DecodeError> {
        match json::decode(body, ts_recv, &self.listed, Some(instrument))? {
            Decoded::Snapshot { ts_event, snapshot, .. } => Ok((ts_event, snapshot)),
            _ => Err(DecodeError::new(Fault::NotASnapshot, body)),
        }
    }

    /// The scanner alone: `None` when it leaves the frame to the general parser.
    pub fn decode_by_scanner(&mut self, frame: &[u8], ts_recv: Nanos) -> Option<Decoded> {
        scan::scan(frame, ts_recv, &self.listed, &mut self.scratch)
    }

    /// The general parser alone, the scanner's oracle.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_by_serde(&self, frame: &[u8], ts_recv: Nanos) -> Result<Decoded, DecodeError> {
        json::decode(frame, ts_recv, &self.listed, None)
    }

    /// Counts so far.
    pub fn stats(&self) -> DecodeStats {
        self.stats
    }
}

/// How to read `depthUpdate` on a stream of this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DepthStream {
    Diff,
    Partial,
    Other,
}

/// Judges a stream name (`ethusdc@depth@100ms`); a bare payload has none and counts as changes.
fn depth_stream(name: Option<&[u8]>) -> DepthStream {
    let Some(name) = name else { return DepthStream::Diff };
    match name.split(|&byte| byte == b'@').nth(1) {
        Some(b"depth") => DepthStream::Diff,
        Some(b"depth5" | b"depth10" | b"depth20") => DepthStream::Partial,
        _ => DepthStream::Other,
    }
}

/// The depth variant for a stream of this kind.
fn depth(
    kind: DepthStream,
    instrument: InstrumentId,
    ts_event: Nanos,
    diff: DepthDiff,
) -> Option<Decoded> {
    match kind {
        DepthStream::Diff => Some(Decoded::Diff { instrument, ts_event, diff }),
        DepthStream::Partial => {
            let DepthDiff { last_id, bids, asks, .. } = diff;
            let snapshot = DepthSnapshot { last_id, bids, asks };
            Some(Decoded::Partial { instrument, ts_event, snapshot })
        }
        DepthStream::Other => None,
    }
}

fn ticker_event(instrument: InstrumentId, ts_event: Nanos, ticker: BookTicker) -> Decoded {
    let kind = market::MarketKind::Ticker(ticker);
    Decoded::Event(MarketEvent { instrument, ts_event, kind })
}
