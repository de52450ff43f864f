//! What can be wrong with a capture, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::wire::DecodeError;

/// A fault of a capture: file, line and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureError {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1; 0 when the file as a whole is meant.
    pub line: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The operating system says no.
    #[error("cannot read: {0}")]
    Io(String),
    /// Nothing in it.
    #[error("is empty")]
    Empty,
    /// Something else than lines of `<receive time> <json>`.
    #[error("is not a capture of `<receive time> <json>` lines: {0}")]
    NotACapture(String),
    /// Ends in the middle of the compressed data: recording or copying was cut off.
    #[error("ends too early: the gzip data is cut off; everything before was read")]
    Truncated,
    /// The compressed data is damaged.
    #[error("is damaged: {0}; everything before was read")]
    Damaged(String),
    /// A line without a receive time, a space and a frame.
    #[error("expected `<receive time> <json>`, found `{0}`")]
    BadLine(String),
    /// A line longer than any frame.
    #[error("line is longer than {} MiB", super::lines::LINE_MAX >> 20)]
    LineTooLong,
    /// A receive time of another magnitude than those before.
    #[error("receive time `{0}` is not in the unit of the lines before")]
    TimeUnit(u64),
    /// Receive times go back by more than a clock adjustment.
    #[error("receive time goes back by {0:?}")]
    TimeGoesBack(Duration),
    /// The file begins before the one read before it ended.
    #[error("begins before {} ends; give files in the order of their recording", .0.display())]
    OutOfOrder(PathBuf),
    /// A frame that cannot be decoded.
    #[error("{0}")]
    Frame(DecodeError),
    /// No event tells the symbol.
    #[error("names no symbol in its first {0} lines")]
    NoSymbol(u64),
    /// The capture is about something else.
    #[error("records {found}, wanted {wanted}")]
    OtherSymbol {
        /// What it records.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// So many bad lines that it is no use.
    #[error("more than {0} bad lines; giving up")]
    TooManyBadLines(u64),
}

impl CaptureError {
    pub(crate) fn new(file: &Path, line: u64, problem: Problem) -> Self {
        Self { file: file.to_owned(), line, problem }
    }

    pub(crate) fn io(file: &Path, line: u64, error: &io::Error) -> Self {
        let problem = match error.kind() {
            io::ErrorKind::UnexpectedEof => Problem::Truncated,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                Problem::Damaged(error.to_string())
            }
            _ => Problem::Io(error.to_string()),
        };
        Self::new(file, line, problem)
    }

    /// Whether nothing more can come after it. Other errors concern one line, and the reader goes
    /// on with the next.
    pub fn is_fatal(&self) -> bool {
        !matches!(self.problem, Problem::BadLine(_) | Problem::Frame(_) | Problem::TimeUnit(_))
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for CaptureError {}
