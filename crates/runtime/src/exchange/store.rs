//! Accounts on disk: what outlives a process that is killed.
//!
//! One file: a whole exchange, then one record per batch of changes, each written before anything
//! in the batch is told to anybody. `write(2)` hands the bytes to the kernel, which keeps them when
//! the process dies; power failures are out of scope. From time to time the file is written anew
//! and takes the place of the old one in one rename.
//!
//! ```text
//! magic    8 bytes
//! records  length u32 LE · CRC-32 of the text u32 LE · CRC-32 of these eight bytes u32 LE · text
//! ```
//!
//! A length is trusted only with its own check, so that an end that was cut off while it was being
//! written (left out) is told apart from damage in the middle (refused).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use binance::server::{Changes, Front, FrontConfig, Kept, Revival, SavedError};
use market::{FinePrice, Nanos};

const MAGIC: &[u8; 8] = b"mm-exch1";
const PREFIX: usize = 12;
const NAME: &str = "exchange.state";
/// The file is written anew when the changes in it take more than this, and more than the whole
/// exchange they begin with.
const CHANGES_MAX: u64 = 64 << 20;

/// Why there is no state to go on with.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder could not be read or written.
    #[error("--state: cannot {what} {path}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process writes there.
    #[error("--state: another exchange uses {0}; stop it or choose another folder")]
    InUse(PathBuf),
    /// It is not a file of ours, or of another version.
    #[error(
        "--state: {0} was not written by this version of the exchange; move it away to begin anew"
    )]
    Foreign(PathBuf),
    /// Something in the middle is not as it was written.
    #[error("--state: {path} is damaged at byte {offset}: {what}; {}", remedy(path, *offset))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the record begins that cannot be read.
        offset: usize,
        /// What is wrong with it.
        what: String,
    },
    /// It holds something else than what was asked for.
    #[error("--state: {path}: {source}; give the options it was made with, or another folder")]
    Other {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        source: SavedError,
    },
}

/// What to do about damage. There is nothing to go back to before the first record.
fn remedy(path: &Path, offset: usize) -> String {
    let path = path.display();
    if offset <= MAGIC.len() {
        return format!("move {path} away to begin anew");
    }
    format!(
        "move {path} away to begin anew, or go back to the moment before the damage with \
         `truncate -s {offset} {path}`"
    )
}

/// The file that changes go to.
pub(super) struct Store {
    file: File,
    path: PathBuf,
    /// Held until the process ends, however it does.
    _lock: File,
    buffer: Vec<u8>,
    whole: u64,
    changes: u64,
}

/// An exchange as it was left.
pub(super) struct Revived {
    pub(super) front: Front,
    pub(super) kept: Vec<Kept>,
    /// Price of the market, and how far a recording had been played.
    pub(super) left_at: Option<(FinePrice, Option<Nanos>)>,
}

/// What a folder holds, and the right to write there.
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
    text: Vec<u8>,
}

impl Folder {
    /// Makes the folder if there is none, locks it, and reads what is in it.
    pub(super) fn open(folder: &Path) -> Result<Self, StateError> {
        let failed = |what, path: &Path| {
            let path = path.to_owned();
            move |source| StateError::Io { what, path, source }
        };
        fs::create_dir_all(folder).map_err(failed("make", folder))?;
        let lock_path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(folder.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &lock_path)(source)),
        }
        let path = folder.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(failed("read", &path)(source)),
        };
        Ok(Self { path, lock, text })
    }

    /// The exchange in the file; `None` when there is none yet.
    pub(super) fn revive(
        &self,
        config: FrontConfig,
        recorded: bool,
    ) -> Result<Option<Revived>, StateError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        let Some(records) = self.text.strip_prefix(MAGIC) else {
            return Err(StateError::Foreign(self.path.clone()));
        };
        let mut revival = Revival::new(config);
        let mut at = 0;
        while let Some(end) = self.record_end(records, at)? {
            let changes = postcard::from_bytes::<Changes>(&records[at + PREFIX..end]);
            let changes = changes.map_err(|error| self.damaged(at, error.to_string()))?;
            revival.apply(changes).map_err(|source| match source {
                SavedError::Order(what) => self.damaged(at, what.to_owned()),
                SavedError::Symbol { .. } | SavedError::Accounts(_) => {
                    StateError::Other { path: self.path.clone(), source }
                }
            })?;
            at = end;
        }
        if at == 0 {
            return Err(self.damaged(0, "there is nothing in it".to_owned()));
        }
        let left_at = revival.left_at();
        let (front, kept) = revival.finish(recorded);
        Ok(Some(Revived { front, kept, left_at }))
    }

    /// Where the record at `at` ends; `None` at the end, or before a record that was cut off there.
    fn record_end(&self, records: &[u8], at: usize) -> Result<Option<usize>, StateError> {
        let Some(prefix) = records.get(at..at + PREFIX) else {
            return Ok(None);
        };
        if crc32fast::hash(&prefix[..8]) != u32_at(prefix, 8) {
            return Err(self.damaged(at, "not the beginning of a record".to_owned()));
        }
        let end = at + PREFIX + u32_at(prefix, 0) as usize;
        let Some(text) = records.get(at + PREFIX..end) else {
            return Ok(None);
        };
        if crc32fast::hash(text) != u32_at(prefix, 4) {
            return Err(self.damaged(at, "a record with the wrong checksum".to_owned()));
        }
        Ok(Some(end))
    }

    fn damaged(&self, at: usize, what: String) -> StateError {
        StateError::Damaged { path: self.path.clone(), offset: MAGIC.len() + at, what }
    }

    /// Begins a new file with this exchange.
    pub(super) fn begin(self, whole: &Changes) -> Result<Store, StateError> {
        let (file, length) = write_whole(&self.path, whole)?;
        Ok(Store {
            file,
            path: self.path,
            _lock: self.lock,
            buffer: Vec::new(),
            whole: length,
            changes: 0,
        })
    }
}

impl Store {
    /// Hands changes to the kernel. After an error nothing in them may be told to anybody.
    pub(super) fn append(&mut self, changes: &Changes) -> Result<(), StateError> {
        let failed = |source| StateError::Io { what: "write", path: self.path.clone(), source };
        encode(changes, &mut self.buffer).map_err(failed)?;
        self.file.write_all(&self.buffer).map_err(failed)?;
        self.changes += self.buffer.len() as u64;
        Ok(())
    }

    /// Whether the file should be written anew.
    pub(super) fn is_long(&self) -> bool {
        self.changes > CHANGES_MAX.max(self.whole)
    }

    /// Writes the file anew.
    pub(super) fn renew(&mut self, whole: &Changes) -> Result<(), StateError> {
        (self.file, self.whole) = write_whole(&self.path, whole)?;
        self.changes = 0;
        Ok(())
    }
}

/// Writes a file beside the old one and puts it in its place.
fn write_whole(path: &Path, whole: &Changes) -> Result<(File, u64), StateError> {
    let new = path.with_extension("state.new");
    let write = || -> io::Result<(File, u64)> {
        // What clients have is nobody else's business.
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        let mut buffer = Vec::new();
        encode(whole, &mut buffer)?;
        file.write_all(MAGIC)?;
        file.write_all(&buffer)?;
        fs::rename(&new, path)?;
        Ok((file, (MAGIC.len() + buffer.len()) as u64))
    };
    write().map_err(|source| StateError::Io { what: "write", path: path.to_owned(), source })
}

/// One record, in place of what was in the buffer.
fn encode(changes: &Changes, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    buffer.resize(PREFIX, 0);
    let whole = postcard::to_extend(changes, std::mem::take(buffer)).map_err(io::Error::other)?;
    *buffer = whole;
    let (prefix, text) = buffer.split_at_mut(PREFIX);
    let length = u32::try_from(text.len()).map_err(io::Error::other)?;
    prefix[..4].copy_from_slice(&length.to_le_bytes());
    prefix[4..8].copy_from_slice(&crc32fast::hash(text).to_le_bytes());
    let check = crc32fast::hash(&prefix[..8]);
    prefix[8..].copy_from_slice(&check.to_le_bytes());
    Ok(())
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_le_bytes(four.unwrap_or_default())
}
