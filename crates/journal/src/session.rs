//! Directories of sessions, and how much of them is kept.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

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
    /// Bytes of a segment after which the next one begins.
    pub segment_bytes: u64,
}

impl Default for Retention {
    /// 10 GiB in all, 64 MiB a segment.
    fn default() -> Self {
        Self { total_bytes: Some(10 << 30), segment_bytes: 64 << 20 }
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
        let numbered = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .and_then(|stem| stem.parse::<u32>().ok());
        if let (Some(number), Some(EXTENSION)) =
            (numbered, path.extension().and_then(|extension| extension.to_str()))
        {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Deletes the oldest sessions until all together are within the budget; never `current`.
pub(crate) fn enforce(dir: &Path, current: &Path, total_bytes: u64) -> io::Result<()> {
    let all = sessions(dir)?;
    let mut total: u64 = all.iter().map(|session| session.bytes).sum();
    for session in all {
        if total <= total_bytes {
            break;
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

fn is_being_written(session: &Path) -> bool {
    match File::open(session.join(LOCK)) {
        Ok(file) => matches!(file.try_lock(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    }
}
