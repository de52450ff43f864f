//! Recorded raw streams as an iterator of market events, ready for the engine.
//!
//! A capture is a file, plain or gzip, of lines `<receive time> <frame>`; receive times are in
//! milli-, micro- or nanoseconds, told apart by magnitude. Several files are read as one stream.
//! Depth goes through [`DepthSync`], so what comes out is a snapshot and changes without a hole.
//!
//! **Time.** A recorder's clock is often off. When the smallest difference of receive and event
//! time over all files is negative, or more than a second, all receive times are shifted by it, so
//! that no event is received before it happened and the fastest one takes no time at all. Otherwise
//! they stay as recorded.

mod error;
mod info;
mod lines;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use market::{Instrument, MarketEvent, Nanos};

pub use error::{CaptureError, Problem};
pub use info::{CaptureInfo, capture_symbol};
pub use lines::TimeUnit;

use crate::depth_sync::{DepthSync, SyncStats};
use crate::wire::{DecodeStats, Decoded, Decoder};
use lines::Lines;

/// Receive times may go back by this much (a clock adjustment) and are then held still; more is an
/// error.
const BACK_MAX: Duration = Duration::from_secs(1);

/// A market event and when it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureEvent {
    /// Receive time, corrected by the capture's shift; never goes back.
    pub ts_recv: Nanos,
    /// The event.
    pub event: MarketEvent,
}

/// Counts of a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaptureStats {
    /// Lines read.
    pub lines: u64,
    /// Events handed out.
    pub events: u64,
    /// Lines reported as errors.
    pub bad_lines: u64,
    /// Receive times that went back a little and were held still.
    pub backwards: u64,
    /// What the decoder saw.
    pub decode: DecodeStats,
    /// What happened to depth.
    pub sync: SyncStats,
}

/// Reads captures of one instrument, one file after the other, in constant memory.
///
/// After an error that is not [fatal](CaptureError::is_fatal) the next line follows; after a fatal
/// one nothing does.
pub struct CaptureReader {
    current: Option<Lines>,
    rest: VecDeque<PathBuf>,
    decoder: Decoder,
    sync: DepthSync,
    shift: i64,
    ts_recv: Nanos,
    /// Files finished: their bytes, for progress.
    bytes_before: u64,
    bytes_total: u64,
    synced: Vec<MarketEvent>,
    ready: VecDeque<MarketEvent>,
    has_trades: bool,
    stats: CaptureStats,
}

impl CaptureReader {
    /// Opens the files, in the order of their recording, after a first pass over all of them that
    /// finds the shift of receive times.
    ///
    /// # Errors
    /// When a file cannot be opened, is empty or no capture, records another symbol, or begins
    /// before the file before it ends.
    pub fn open<P: AsRef<Path>>(
        instrument: &Instrument,
        paths: &[P],
    ) -> Result<Self, CaptureError> {
        let infos = paths.iter().map(|path| CaptureInfo::scan(path.as_ref()));
        let infos = infos.collect::<Result<Vec<_>, _>>()?;
        Self::open_scanned(instrument, &infos)
    }

    /// Opens files that have been scanned already (to show progress meanwhile, say).
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_scanned(
        instrument: &Instrument,
        infos: &[CaptureInfo],
    ) -> Result<Self, CaptureError> {
        for info in infos {
            if info.symbol != instrument.symbol() {
                let problem = Problem::OtherSymbol {
                    found: info.symbol.clone(),
                    wanted: instrument.symbol().to_owned(),
                };
                return Err(CaptureError::new(&info.file, 0, problem));
            }
        }
        for pair in infos.windows(2) {
            if pair[0].recv_last.since(pair[1].recv_first) > BACK_MAX {
                let problem = Problem::OutOfOrder(pair[0].file.clone());
                return Err(CaptureError::new(&pair[1].file, 0, problem));
            }
        }
        let offset = infos.iter().map(|info| info.offset_min).min().unwrap_or(0);
        let plausible = 0..=1_000_000_000;
        let shift = if plausible.contains(&offset) { 0 } else { offset.saturating_neg() };
        let paths: Vec<&Path> = infos.iter().map(|info| info.file.as_path()).collect();
        Self::open_shifted(instrument, &paths, shift)
    }

    /// Opens files without a first pass, adding `shift` nanoseconds to every receive time.
    ///
    /// # Errors
    /// When the first file cannot be opened. Later files are opened when their turn comes; lines
    /// about other symbols are passed over.
    pub fn open_shifted<P: AsRef<Path>>(
        instrument: &Instrument,
        paths: &[P],
        shift: i64,
    ) -> Result<Self, CaptureError> {
        let mut rest: VecDeque<PathBuf> = paths.iter().map(|p| p.as_ref().to_owned()).collect();
        let current = rest.pop_front().map(|path| Lines::open(&path)).transpose()?;
        let size = |path: &PathBuf| path.metadata().map_or(0, |about| about.len());
        Ok(Self {
            bytes_total: current.as_ref().map_or(0, Lines::size)
                + rest.iter().map(size).sum::<u64>(),
            current,
            rest,
            decoder: Decoder::new(std::slice::from_ref(instrument)),
            sync: DepthSync::new(instrument.id),
            shift,
            ts_recv: Nanos::ZERO,
            bytes_before: 0,
            synced: Vec::new(),
            ready: VecDeque::new(),
            has_trades: false,
            stats: CaptureStats::default(),
        })
    }

    /// The book is known from elsewhere and ends with update `last_id`; the capture continues it.
    /// For a file without a snapshot whose first change names `last_id` as its forerunner.
    #[must_use]
    pub fn resume_from(mut self, instrument: &Instrument, last_id: u64) -> Self {
        self.sync = DepthSync::starting_at(instrument.id, last_id);
        self
    }

    /// Rounds quantities finer than the instrument's step instead of refusing their lines, see
    /// [`Decoder::rounding_quantities`].
    #[must_use]
    pub fn rounding_quantities(mut self) -> Self {
        self.decoder = self.decoder.rounding_quantities();
        self
    }

    /// Nanoseconds added to every receive time.
    pub fn shift(&self) -> i64 {
        self.shift
    }

    /// Bytes read and bytes in all, compressed as they lie on disk.
    pub fn progress(&self) -> (u64, u64) {
        let current = self.current.as_ref().map_or(0, Lines::consumed);
        (self.bytes_before + current, self.bytes_total)
    }

    /// Counts so far.
    pub fn stats(&self) -> CaptureStats {
        CaptureStats { decode: self.decoder.stats(), sync: self.sync.stats(), ..self.stats }
    }

    /// Reads one line into `ready`; false when there are no more.
    fn advance(&mut self) -> Result<bool, CaptureError> {
        let Some(lines) = &mut self.current else { return Ok(false) };
        let (number, raw, decoded) = match lines.next() {
            Some(Ok(line)) => {
                let raw = line.ts_recv;
                let shifted = raw.0.saturating_add_signed(self.shift);
                (line.number, Nanos(shifted), self.decoder.decode(line.frame, Nanos(shifted)))
            }
            Some(Err(error)) => return Err(error),
            None => {
                self.bytes_before += lines.size();
                self.current = None;
                let Some(path) = self.rest.pop_front() else { return Ok(false) };
                self.current = Some(Lines::open(&path)?);
                return Ok(true);
            }
        };
        self.stats.lines += 1;
        if raw < self.ts_recv {
            let back = self.ts_recv.since(raw);
            if back > BACK_MAX {
                return Err(lines.error(Problem::TimeGoesBack(back)));
            }
            self.stats.backwards += 1;
        }
        self.ts_recv = self.ts_recv.max(raw);
        let decoded = decoded
            .map_err(|error| CaptureError::new(lines.file(), number, Problem::Frame(error)))?;
        self.take_in(decoded);
        Ok(true)
    }

    fn take_in(&mut self, decoded: Decoded) {
        match decoded {
            Decoded::Event(event) => {
                self.has_trades |= matches!(event.kind, market::MarketKind::Trade(_));
                self.ready.push_back(event);
            }
            // Single trades say the same and more.
            Decoded::AggTrade(_) if self.has_trades => {}
            Decoded::AggTrade(event) => self.ready.push_back(event),
            Decoded::Events(events) => self.ready.extend(events),
            Decoded::Diff { ts_event, diff, .. } => {
                self.sync.on_diff(ts_event, diff, &mut self.synced);
            }
            Decoded::Snapshot { ts_event, snapshot, .. } => {
                self.sync.on_snapshot(ts_event, snapshot, &mut self.synced);
            }
            Decoded::Partial { ts_event, snapshot, .. } => {
                self.sync.on_partial(ts_event, snapshot, &mut self.synced);
            }
            Decoded::OffBook | Decoded::Unknown { .. } => {}
        }
        self.ready.extend(self.synced.drain(..));
    }

    /// Ends the stream if the error leaves nothing to read.
    fn note(&mut self, error: CaptureError) -> CaptureError {
        let mut error = error;
        if !error.is_fatal() {
            self.stats.bad_lines += 1;
            if self.stats.bad_lines > info::BAD_LINES_MAX {
                error.problem = Problem::TooManyBadLines(info::BAD_LINES_MAX);
            }
        }
        if error.is_fatal() {
            self.current = None;
            self.rest.clear();
        }
        error
    }
}

impl Iterator for CaptureReader {
    type Item = Result<CaptureEvent, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.stats.events += 1;
                return Some(Ok(CaptureEvent { ts_recv: self.ts_recv, event }));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(self.note(error))),
            }
        }
    }
}
