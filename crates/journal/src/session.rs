//! Directories of sessions, and how much of them is kept.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use market::Nanos;

/// Held locked in a session's directory while it is being written.
pub(crate) const LOCK: &str = "lock";
const EXTENSION: &str = "mmj";

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all sessions in a journal directory. When they are more, the oldest sessions are
    /// deleted, except the current one and any that another process is writing. `None` keeps all.
    pub total_bytes: Option<u64>,
    /// Sessions whose last record is older than this are deleted, with the same exceptions. `None`
    /// keeps them however old they are.
    pub max_age: Option<Duration>,
    /// Bytes of a segment after which the next one begins.
    pub segment_bytes: u64,
}

impl Default for Retention {
    /// 10 GiB in all, 30 days, 64 MiB a segment.
    fn default() -> Self {
        let max_age = Some(Duration::from_secs(30 * 86_400));
        Self { total_bytes: Some(10 << 30), max_age, segment_bytes: 64 << 20 }
    }
}

/// A session in a journal directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its directory.
    pub path: PathBuf,
    /// Its id.
    pub session: u32,
    /// When it began, as spelled in the name: `20261122T203600123Z`.
    pub created: String,
    /// Its segments, in order.
    pub segments: Vec<PathBuf>,
    /// Bytes of all segments.
    pub bytes: u64,
}

/// The sessions in a journal directory, oldest first. Anything else in it is passed over.
///
/// # Errors
/// When the directory cannot be read.
pub fn sessions(dir: &Path) -> io::Result<Vec<Session>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let name = entry.file_name();
        let Some((session, created)) = name.to_str().and_then(parse_name) else { continue };
        let segments = segments(&entry.path())?;
        let bytes = segments.iter().map(|path| path.metadata().map_or(0, |m| m.len())).sum();
        let created = created.to_owned();
        found.push(Session { path: entry.path(), session, created, segments, bytes });
    }
    found.sort_by(|a, b| (&a.created, a.session).cmp(&(&b.created, b.session)));
    Ok(found)
}

/// Name of a session's directory.
pub(crate) fn name(session: u32, created: Nanos) -> String {
    let instant: String =
        created.to_string().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    format!("{session:08x}-{instant}")
}

fn parse_name(name: &str) -> Option<(u32, &str)> {
    let (session, created) = name.split_once('-')?;
    let well_formed = session.len() == 8
        && created.len() == 19
        && created.ends_with('Z')
        && created.bytes().all(|byte| byte.is_ascii_alphanumeric());
    well_formed.then_some(())?;
    Some((u32::from_str_radix(session, 16).ok()?, created))
}

/// Path of a segment, counted from 1.
pub(crate) fn segment_path(session: &Path, number: u32) -> PathBuf {
    session.join(format!("{number:06}.{EXTENSION}"))
}

/// The segments of a session's directory, in order.
pub(crate) fn segments(session: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(session)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION)
            && let Some(number) = number(&path)
        {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The number of a segment, by its name.
fn number(path: &Path) -> Option<u32> {
    path.file_stem()?.to_str()?.parse().ok()
}

/// Files beside a segment that look like segments and are not named like one.
pub(crate) fn strays(segment: &Path) -> Vec<PathBuf> {
    let Some(Ok(entries)) = segment.parent().map(fs::read_dir) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
        .filter(|path| number(path).is_none())
        .collect();
    found.sort();
    found
}

/// Deletes sessions that are too old, then the oldest until all together are within the budget; never
/// `current`, which has just been written: its time is now.
pub(crate) fn enforce(dir: &Path, current: &Path, retention: Retention) -> io::Result<()> {
    let all = sessions(dir)?;
    let mut total: u64 = all.iter().map(|session| session.bytes).sum();
    let now = all.iter().find(|session| session.path == current).and_then(written);
    for session in all {
        let is_old = match (retention.max_age, now, written(&session)) {
            (Some(limit), Some(now), Some(then)) => {
                now.duration_since(then).is_ok_and(|age| age > limit)
            }
            _ => false,
        };
        let is_too_much = retention.total_bytes.is_some_and(|limit| total > limit);
        if !is_old && !is_too_much {
            continue;
        }
        if session.path == current || is_being_written(&session.path) {
            continue;
        }
        for segment in &session.segments {
            fs::remove_file(segment)?;
        }
        let _ = fs::remove_file(session.path.join(LOCK));
        // Files that are not ours keep the directory; the segments are gone all the same.
        let _ = fs::remove_dir(&session.path);
        total -= session.bytes;
    }
    Ok(())
}

/// When a session was last written.
fn written(session: &Session) -> Option<SystemTime> {
    let times = session.segments.iter().filter_map(|path| path.metadata().ok()?.modified().ok());
    times.max()
}

fn is_being_written(session: &Path) -> bool {
    match File::open(session.join(LOCK)) {
        Ok(file) => matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}
