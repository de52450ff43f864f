//! Lines of `<receive time> <json>`, plain or gzip, in constant memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use market::Nanos;

use super::error::{CaptureError, Problem};
use crate::wire::excerpt;

/// Longest line that is believed; the largest frames are some 100 kB.
pub(super) const LINE_MAX: usize = 16 << 20;

/// Unit of the receive times of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Milliseconds.
    Millis,
    /// Microseconds.
    Micros,
    /// Nanoseconds.
    Nanos,
}

impl TimeUnit {
    /// Tells the unit by magnitude, for instants between 1973 and 2286.
    fn of(raw: u64) -> Option<Self> {
        match raw {
            100_000_000_000..10_000_000_000_000 => Some(Self::Millis),
            100_000_000_000_000..10_000_000_000_000_000 => Some(Self::Micros),
            100_000_000_000_000_000..10_000_000_000_000_000_000 => Some(Self::Nanos),
            _ => None,
        }
    }

    fn nanos(self, raw: u64) -> Nanos {
        Nanos(match self {
            Self::Millis => raw * 1_000_000,
            Self::Micros => raw * 1_000,
            Self::Nanos => raw,
        })
    }
}

/// One line.
pub(super) struct Line<'a> {
    pub(super) number: u64,
    pub(super) ts_recv: Nanos,
    pub(super) frame: &'a [u8],
}

/// An open file.
pub(super) struct Lines {
    file: PathBuf,
    input: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    number: u64,
    unit: Option<TimeUnit>,
    size: u64,
    consumed: Arc<AtomicU64>,
    ended: bool,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let whole = |error: io::Error| CaptureError::new(path, 0, Problem::Io(error.to_string()));
        let file = File::open(path).map_err(whole)?;
        let about = file.metadata().map_err(whole)?;
        if about.is_dir() {
            let problem = Problem::NotACapture("it is a directory".to_owned());
            return Err(CaptureError::new(path, 0, problem));
        }
        let consumed = Arc::new(AtomicU64::new(0));
        let counted = Counted { file, consumed: Arc::clone(&consumed) };
        let mut raw = BufReader::with_capacity(128 << 10, counted);
        let start = raw.fill_buf().map_err(whole)?;
        if start.is_empty() {
            return Err(CaptureError::new(path, 0, Problem::Empty));
        }
        if let Some(kind) = foreign_format(start) {
            return Err(CaptureError::new(path, 0, Problem::NotACapture(kind.to_owned())));
        }
        let input: Box<dyn BufRead + Send> = if start.starts_with(&[0x1f, 0x8b]) {
            Box::new(BufReader::with_capacity(128 << 10, MultiGzDecoder::new(raw)))
        } else {
            Box::new(raw)
        };
        Ok(Self {
            file: path.to_owned(),
            input,
            line: Vec::with_capacity(32 << 10),
            number: 0,
            unit: None,
            size: about.len(),
            consumed,
            ended: false,
        })
    }

    /// Bytes of the file (compressed, if it is) read so far.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// Size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn unit(&self) -> Option<TimeUnit> {
        self.unit
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// An error about the line read last.
    pub(super) fn error(&self, problem: Problem) -> CaptureError {
        CaptureError::new(&self.file, self.number, problem)
    }

    /// The next line; `None` at the end of the file or after a fatal error.
    pub(super) fn next(&mut self) -> Option<Result<Line<'_>, CaptureError>> {
        if self.ended {
            return None;
        }
        loop {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => {
                    self.ended = true;
                    if self.number == 0 {
                        return Some(Err(CaptureError::new(&self.file, 0, Problem::Empty)));
                    }
                    return None;
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
            if !self.line.is_empty() {
                break;
            }
        }
        match self.parse() {
            Ok((ts_recv, start)) => {
                Some(Ok(Line { number: self.number, ts_recv, frame: &self.line[start..] }))
            }
            Err(problem) => {
                let first = self.unit.is_none();
                self.ended |= first;
                let problem = match problem {
                    Problem::BadLine(text) if first => {
                        Problem::NotACapture(format!("line {} is `{text}`", self.number))
                    }
                    other => other,
                };
                Some(Err(self.error(problem)))
            }
        }
    }

    /// Reads one line without its end into the buffer; false at the end of the file.
    fn fill(&mut self) -> Result<bool, CaptureError> {
        self.line.clear();
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(CaptureError::io(&self.file, self.number + 1, &error)),
            };
            if available.is_empty() {
                self.number += u64::from(!self.line.is_empty());
                return Ok(!self.line.is_empty());
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let taken = end.unwrap_or(available.len());
            self.line.extend_from_slice(&available[..taken]);
            self.input.consume(taken + usize::from(end.is_some()));
            if self.line.len() > LINE_MAX {
                self.number += 1;
                return Err(self.error(Problem::LineTooLong));
            }
            if end.is_some() {
                self.number += 1;
                if self.line.last() == Some(&b'\r') {
                    self.line.pop();
                }
                return Ok(true);
            }
        }
    }

    /// Receive time, and where the frame starts.
    fn parse(&mut self) -> Result<(Nanos, usize), Problem> {
        let bad = || Problem::BadLine(excerpt(&self.line, 60));
        let digits = self.line.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = str::from_utf8(&self.line[..digits]).map_err(|_| bad())?;
        let raw: u64 = text.parse().map_err(|_| bad())?;
        if self.line.get(digits) != Some(&b' ') {
            return Err(bad());
        }
        let unit = match (TimeUnit::of(raw), self.unit) {
            (Some(unit), None) => unit,
            (Some(unit), Some(known)) if unit == known => unit,
            (None, None) => return Err(bad()),
            (_, Some(_)) => return Err(Problem::TimeUnit(raw)),
        };
        self.unit = Some(unit);
        Ok((unit.nanos(raw), digits + 1))
    }
}

/// Names what a file is by its first bytes, when it is something well known but no capture.
fn foreign_format(start: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 9] = [
        (b"PK\x03\x04", "it is a zip archive"),
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd; recompress it with gzip"),
        (b"\xfd7zXZ\0", "it is compressed with xz; recompress it with gzip"),
        (b"BZh", "it is compressed with bzip2; recompress it with gzip"),
        (b"PAR1", "it is a Parquet file"),
        (b"SQLite format 3\0", "it is an SQLite database"),
        (b"\x7fELF", "it is a program"),
        (b"\x93NUMPY", "it is a NumPy array"),
        (b"MMJRNL", "it is a journal of this program; `trader replay` reads it"),
    ];
    known.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, kind)| *kind)
}

/// A file that counts what is read from it, for progress bars.
struct Counted {
    file: File,
    consumed: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.consumed.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
