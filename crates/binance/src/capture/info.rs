//! What a capture holds, found by reading it once.

use std::path::{Path, PathBuf};

use market::{Decimal, Instrument, InstrumentId, MarketEvent, MarketKind, Nanos, Rules};

use super::error::{CaptureError, Problem};
use super::lines::{Lines, TimeUnit};
use crate::depth_sync::DepthSync;
use crate::wire::{Decoded, Decoder, Unknown};

/// Lines looked at for the symbol.
const SYMBOL_LINES: u64 = 1_000;
/// Bad lines after which a file is given up.
pub(super) const BAD_LINES_MAX: u64 = 1_000;

/// What a capture holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureInfo {
    /// The file.
    pub file: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// The symbol of its first event.
    pub symbol: String,
    /// Unit of its receive times.
    pub unit: TimeUnit,
    /// Lines read.
    pub lines: u64,
    /// First receive time, as recorded.
    pub recv_first: Nanos,
    /// Last receive time, as recorded.
    pub recv_last: Nanos,
    /// Smallest difference of receive time and event time in nanoseconds: how far the recorder's
    /// clock was off, plus the shortest way from the venue. Zero when no event has a time.
    pub offset_min: i64,
    /// Depth changes.
    pub diffs: u64,
    /// Levels in them.
    pub levels: u64,
    /// REST snapshots.
    pub snapshots: u64,
    /// Partial books.
    pub partials: u64,
    /// Best bid and ask.
    pub tickers: u64,
    /// Trades.
    pub trades: u64,
    /// Aggregated trades.
    pub agg_trades: u64,
    /// Prints that were no book executions.
    pub off_book: u64,
    /// Mark prices.
    pub marks: u64,
    /// Frames about nothing we know.
    pub unknown: u64,
    /// Holes in the chain of depth ids.
    pub gaps: u64,
    /// Depth changes that follow on a snapshot without a hole.
    pub diffs_in_sequence: u64,
    /// `previous_id` of the first depth change.
    pub first_previous_id: Option<u64>,
    /// Id of the last depth change.
    pub last_id: Option<u64>,
    /// Receive times that went back by less than a second.
    pub backwards: u64,
    /// Lines that could not be read.
    pub bad_lines: u64,
    /// The first fault found; reading stopped there if it is fatal.
    pub fault: Option<CaptureError>,
}

impl CaptureInfo {
    /// Reads a file once.
    ///
    /// # Errors
    /// When it cannot be opened, is empty, or is no capture. A fault further in, such as a cut-off
    /// end, is reported in [`fault`](Self::fault) with everything before it counted.
    pub fn scan(path: &Path) -> Result<Self, CaptureError> {
        Self::scan_with_progress(path, |_, _| {})
    }

    /// As [`scan`](Self::scan); calls `progress(bytes_read, bytes)` now and then.
    ///
    /// # Errors
    /// As [`scan`](Self::scan).
    pub fn scan_with_progress(
        path: &Path,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<Self, CaptureError> {
        let symbol = capture_symbol(path)?;
        let mut lines = Lines::open(path)?;
        let mut scan = Scan::new(Self::empty(path, symbol, lines.size()));
        loop {
            match lines.next() {
                None => break,
                Some(Err(error)) => {
                    if scan.fault(error) {
                        break;
                    }
                }
                Some(Ok(line)) => {
                    let (number, ts_recv) = (line.number, line.ts_recv);
                    scan.time(number, ts_recv);
                    match scan.decoder.decode(line.frame, ts_recv) {
                        Ok(decoded) => scan.count(ts_recv, decoded),
                        Err(error) => {
                            let problem = Problem::Frame(error);
                            if scan.fault(CaptureError::new(path, number, problem)) {
                                break;
                            }
                        }
                    }
                    if number % 1_024 == 0 {
                        progress(lines.consumed(), lines.size());
                    }
                }
            }
        }
        progress(lines.size(), lines.size());
        let mut info = scan.finish();
        info.lines = lines.number();
        info.unit = lines.unit().unwrap_or(info.unit);
        Ok(info)
    }

    fn empty(path: &Path, symbol: String, bytes: u64) -> Self {
        Self {
            file: path.to_owned(),
            bytes,
            symbol,
            unit: TimeUnit::Nanos,
            lines: 0,
            recv_first: Nanos::MAX,
            recv_last: Nanos::ZERO,
            offset_min: i64::MAX,
            diffs: 0,
            levels: 0,
            snapshots: 0,
            partials: 0,
            tickers: 0,
            trades: 0,
            agg_trades: 0,
            off_book: 0,
            marks: 0,
            unknown: 0,
            gaps: 0,
            diffs_in_sequence: 0,
            first_previous_id: None,
            last_id: None,
            backwards: 0,
            bad_lines: 0,
            fault: None,
        }
    }
}

/// The symbol a capture is about.
///
/// # Errors
/// When it cannot be opened, is empty, is no capture, or no event among its first lines names one.
pub fn capture_symbol(path: &Path) -> Result<String, CaptureError> {
    let mut lines = Lines::open(path)?;
    let mut decoder = Decoder::new(&[]);
    while let Some(line) = lines.next() {
        let line = match line {
            Ok(line) => line,
            Err(error) if error.is_fatal() => return Err(error),
            Err(_) => continue,
        };
        let (number, decoded) = (line.number, decoder.decode(line.frame, line.ts_recv));
        match decoded {
            Ok(Decoded::Unknown { what: Unknown::Symbol, name }) if !name.is_empty() => {
                return Ok(name);
            }
            _ if number >= SYMBOL_LINES => break,
            _ => {}
        }
    }
    Err(CaptureError::new(path, 0, Problem::NoSymbol(SYMBOL_LINES)))
}

/// A scan under way.
struct Scan {
    info: CaptureInfo,
    decoder: Decoder,
    sync: DepthSync,
    events: Vec<MarketEvent>,
}

impl Scan {
    fn new(info: CaptureInfo) -> Self {
        let decoder = Decoder::new(&fine_instrument(&info.symbol).into_iter().collect::<Vec<_>>());
        Self { info, decoder, sync: DepthSync::new(InstrumentId(0)), events: Vec::new() }
    }

    fn time(&mut self, line: u64, ts_recv: Nanos) {
        let info = &mut self.info;
        info.recv_first = info.recv_first.min(ts_recv);
        if ts_recv < info.recv_last {
            info.backwards += 1;
            let back = info.recv_last.since(ts_recv);
            if back > super::BACK_MAX && info.fault.is_none() {
                info.fault = Some(CaptureError::new(&info.file, line, Problem::TimeGoesBack(back)));
            }
        }
        info.recv_last = info.recv_last.max(ts_recv);
    }

    fn count(&mut self, ts_recv: Nanos, decoded: Decoded) {
        let info = &mut self.info;
        match decoded {
            Decoded::Event(event) => self.event(ts_recv, &event),
            Decoded::Events(events) => {
                for event in &events {
                    self.event(ts_recv, event);
                }
            }
            Decoded::AggTrade(event) => {
                info.agg_trades += 1;
                self.offset(ts_recv, event.ts_event);
            }
            Decoded::Diff { ts_event, diff, .. } => {
                info.diffs += 1;
                info.levels += (diff.bids.len() + diff.asks.len()) as u64;
                info.first_previous_id.get_or_insert(diff.previous_id);
                info.last_id = Some(diff.last_id);
                self.offset(ts_recv, ts_event);
                self.sync.on_diff(ts_event, diff, &mut self.events);
            }
            Decoded::Partial { ts_event, .. } => {
                info.partials += 1;
                self.offset(ts_recv, ts_event);
            }
            Decoded::Snapshot { ts_event, snapshot, .. } => {
                info.snapshots += 1;
                self.offset(ts_recv, ts_event);
                self.sync.on_snapshot(ts_event, snapshot, &mut self.events);
            }
            Decoded::OffBook => info.off_book += 1,
            Decoded::Unknown { .. } => info.unknown += 1,
        }
        self.events.clear();
    }

    fn event(&mut self, ts_recv: Nanos, event: &MarketEvent) {
        match event.kind {
            MarketKind::Ticker(_) => self.info.tickers += 1,
            MarketKind::Trade(_) => self.info.trades += 1,
            MarketKind::Mark(_) => self.info.marks += 1,
            _ => {}
        }
        self.offset(ts_recv, event.ts_event);
    }

    fn offset(&mut self, ts_recv: Nanos, ts_event: Nanos) {
        // The decoder puts the receive time where a message has none of its own.
        if ts_event != ts_recv {
            let offset = i128::from(ts_recv.0) - i128::from(ts_event.0);
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            self.info.offset_min = self.info.offset_min.min(offset);
        }
    }

    /// Notes a fault; whether reading must stop.
    fn fault(&mut self, error: CaptureError) -> bool {
        let fatal = error.is_fatal();
        self.info.bad_lines += u64::from(!fatal);
        if fatal || self.info.fault.is_none() {
            self.info.fault = Some(error);
        }
        fatal || self.info.bad_lines > BAD_LINES_MAX
    }

    fn finish(mut self) -> CaptureInfo {
        let stats = self.sync.stats();
        self.info.gaps = stats.gaps;
        self.info.diffs_in_sequence = stats.applied;
        if self.info.offset_min == i64::MAX {
            self.info.offset_min = 0;
        }
        self.info
    }
}

/// An instrument with so fine a grid that any contract's numbers fit: counting needs no more.
fn fine_instrument(symbol: &str) -> Option<Instrument> {
    let finest = Decimal::from_units(2);
    let rules = Rules {
        symbol: symbol.to_owned(),
        quote: String::new(),
        base: String::new(),
        tick: finest,
        step: finest,
        min_qty: finest,
        max_qty: Decimal::ONE,
        market_max_qty: Decimal::ONE,
        min_notional: Decimal::ZERO,
        band_up: Decimal::ONE,
        band_down: Decimal::ZERO,
        multiplier: Decimal::ONE,
        max_orders: 0,
    };
    Instrument::new(InstrumentId(0), rules).ok()
}
