//! A log file bounded by size, number of old files and age, whichever is stricter.
//!
//! Written here because neither `file-rotate` (count or age, not both) nor `logroller` (size or age,
//! and a count) enforces all three.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Failures;
use crate::config::LoggingConfig;

const DAY: Duration = Duration::from_secs(86_400);
/// How often old files are looked for when nothing rotates.
const PRUNE_INTERVAL: Duration = Duration::from_secs(3600);
/// How long a failed rotation waits for its next try; the log grows meanwhile.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);

/// What bounds a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Bytes of one file.
    pub(super) size: u64,
    /// Rotated files that are kept.
    pub(super) backups: usize,
    /// Age at which a rotated file is deleted.
    pub(super) age: Duration,
}

impl Limits {
    pub(super) fn of(config: &LoggingConfig) -> Self {
        Self {
            size: u64::from(config.max_size) * 1_000_000,
            backups: config.max_backups as usize,
            age: DAY * config.max_age,
        }
    }

    /// Time one file covers at most. Then all the files together reach back as far as `age` allows
    /// even when little is logged, and the oldest line is not much older than that.
    fn span(&self) -> Duration {
        self.age / u32::try_from(self.backups.max(1)).unwrap_or(u32::MAX)
    }
}

/// Reads the wall clock.
type Clock = Box<dyn Fn() -> SystemTime + Send>;

/// The file being written, and its predecessors `NAME.<time of rotation>` beside it.
///
/// Writing never fails: what cannot be written is counted in `failures` and dropped.
pub(super) struct RotatingFile {
    path: PathBuf,
    limits: Limits,
    clock: Clock,
    file: File,
    size: u64,
    /// When the first line of the file was written.
    started: SystemTime,
    /// A failed write may have left half a line.
    torn: bool,
    next_prune: SystemTime,
    /// No rotation or reopening before this time.
    retry_at: SystemTime,
    failures: Arc<Failures>,
}

impl RotatingFile {
    /// Opens the file to append, creating it and its directory where needed.
    pub(super) fn open(path: PathBuf, limits: Limits, failures: Arc<Failures>) -> io::Result<Self> {
        Self::open_at(path, limits, failures, Box::new(wall_clock))
    }

    fn open_at(
        path: PathBuf,
        limits: Limits,
        failures: Arc<Failures>,
        clock: Clock,
    ) -> io::Result<Self> {
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o750).create(parent)?;
        }
        let file = append(&path)?;
        let metadata = file.metadata()?;
        let now = clock();
        let started = match metadata.len() {
            0 => now,
            _ => metadata.created().or_else(|_| metadata.modified()).unwrap_or(now),
        };
        Ok(Self {
            path,
            limits,
            clock,
            file,
            size: metadata.len(),
            started,
            torn: false,
            next_prune: UNIX_EPOCH,
            retry_at: UNIX_EPOCH,
            failures,
        })
    }

    /// Whether a line of `len` bytes belongs into a new file.
    fn is_full(&self, now: SystemTime, len: usize) -> bool {
        let age = now.duration_since(self.started).unwrap_or_default();
        self.size > 0
            && (self.size + len as u64 > self.limits.size || age >= self.limits.span())
            && now >= self.retry_at
    }

    fn rotate(&mut self, now: SystemTime) -> io::Result<()> {
        fs::rename(&self.path, self.free_name(now))?;
        self.reopen(now)
    }

    fn reopen(&mut self, now: SystemTime) -> io::Result<()> {
        self.file = append(&self.path)?;
        self.size = self.file.metadata()?.len();
        self.started = now;
        self.torn = false;
        Ok(())
    }

    /// A name that no rotated file has; two rotations may fall into one millisecond.
    fn free_name(&self, now: SystemTime) -> PathBuf {
        let mut time = now;
        loop {
            let name = self.backup(&stamp(time));
            if !name.exists() {
                return name;
            }
            time += Duration::from_millis(1);
        }
    }

    fn backup(&self, stamp: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{stamp}"));
        PathBuf::from(name)
    }

    /// Deletes rotated files beyond the count or the age allowed.
    fn prune(&self, now: SystemTime) -> io::Result<()> {
        let mut stamps = self.stamps()?;
        stamps.sort_unstable_by(|a, b| b.cmp(a));
        let oldest = now.checked_sub(self.limits.age).map(stamp).unwrap_or_default();
        for (index, stamp) in stamps.iter().enumerate() {
            if index >= self.limits.backups || *stamp < oldest {
                fs::remove_file(self.backup(stamp))?;
            }
        }
        Ok(())
    }

    /// The times in the names of the rotated files; other files are none of our business.
    fn stamps(&self) -> io::Result<Vec<String>> {
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut stamps = Vec::new();
        for entry in fs::read_dir(parent.unwrap_or(Path::new(".")))? {
            let entry = entry?.file_name();
            let rest =
                entry.to_str().and_then(|entry| entry.strip_prefix(&*name)?.strip_prefix('.'));
            if let Some(rest) = rest.filter(|rest| is_stamp(rest)) {
                stamps.push(rest.to_owned());
            }
        }
        Ok(stamps)
    }

    /// Rotates and prunes when due.
    fn maintain(&mut self, now: SystemTime, len: usize) {
        let rotates = self.is_full(now, len);
        if rotates && let Err(error) = self.rotate(now) {
            self.fail(&error);
            self.retry_at = now + RETRY_INTERVAL;
        }
        if (rotates || now >= self.next_prune)
            && let Err(error) = self.prune(now)
        {
            self.fail(&error);
        }
        if rotates || now >= self.next_prune {
            self.next_prune = now + PRUNE_INTERVAL;
        }
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        self.file.write_all(line)
    }

    fn fail(&self, error: &io::Error) {
        self.failures.add(&self.path.display().to_string(), error);
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let now = (self.clock)();
        self.maintain(now, line.len());
        match self.put(line) {
            Ok(()) => self.size += line.len() as u64,
            Err(error) => {
                self.torn = true;
                // The file system may have been mounted anew: another handle may do.
                if now >= self.retry_at {
                    let _ = self.reopen(now);
                    self.retry_at = now + RETRY_INTERVAL;
                }
                self.fail(&error);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "files on disk have wall-clock ages")]
fn wall_clock() -> SystemTime {
    SystemTime::now()
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// `20260131T235959.123Z`: sorts as time does.
fn stamp(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let millisecond = since.subsec_millis();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}.{millisecond:03}Z")
}

fn is_stamp(text: &str) -> bool {
    let shape = b"00000000T000000.000Z";
    text.len() == shape.len()
        && text.bytes().zip(shape).all(|(byte, &wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            _ => byte == wanted,
        })
}

/// The Gregorian date of a day counted from 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut rest = days;
    let mut year = 1970;
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests;
