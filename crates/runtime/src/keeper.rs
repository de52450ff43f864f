//! Keeps on disk what a restart must not forget.
//!
//! A file that is replaced as a whole, so that it is never half written: limits and books are in it,
//! and the account they belong to. What is a second old does no harm (fills since are asked for, and
//! counted once), but a halt must not be lost: when something is latched, it is on disk before the next
//! turn.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use engine::Carry;

/// First bytes of the file; the last is the version of its form.
const MAGIC: &[u8; 8] = b"MMCARRY\x02";
/// Larger files are not ours.
const BYTES_MAX: u64 = 16 << 20;

/// Why what was kept cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file is not what was written.
    #[error(
        "{path} is damaged: what was lost today and which halts hold is not known. Look at the journal \
         and the venue; to begin anew from the account as it is, move the file away"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file belongs to another account.
    #[error(
        "{path} belongs to another account or network ({found}, not {wanted}); choose another data.dir"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose it should be.
        wanted: String,
    },
}

/// Writes what must be kept, mostly behind the back of the trading thread.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    account: String,
    /// To the thread that writes; `None` when it has ended.
    lazy: Option<SyncSender<Carry>>,
    thread: Option<JoinHandle<()>>,
    /// The last failure that nobody has been told of.
    failure: Arc<Mutex<Option<String>>>,
}

impl Keeper {
    /// Keeps in this file what belongs to this account. Starts a thread.
    pub fn new(path: PathBuf, account: String) -> Self {
        let (lazy, inbox) = sync_channel::<Carry>(1);
        let failure = Arc::new(Mutex::new(None));
        let (file, owner, told) = (path.clone(), account.clone(), Arc::clone(&failure));
        let thread = crate::clock::spawn("keeper", move || {
            for carry in inbox {
                if let Err(error) = save(&file, &owner, &carry) {
                    *lock(&told) = Some(error.to_string());
                }
            }
        });
        Self { path, account, lazy: Some(lazy), thread: thread.ok(), failure }
    }

    /// Writes soon. While the disk is slow the newest that finds room is written.
    pub fn keep(&mut self, carry: Carry) {
        if let Some(lazy) = &self.lazy
            && let Err(TrySendError::Disconnected(_)) = lazy.try_send(carry)
        {
            self.lazy = None;
            *lock(&self.failure) = Some(String::from("the thread that writes has ended"));
        }
    }

    /// Writes now; back when it is on disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn keep_now(&mut self, carry: &Carry) -> Result<(), KeeperError> {
        // What the thread is writing is older; it must not come after this.
        self.stop();
        let saved = save(&self.path, &self.account, carry);
        *self = Self::new(self.path.clone(), self.account.clone());
        saved
    }

    /// What went wrong since the last call.
    pub fn take_failure(&mut self) -> Option<String> {
        lock(&self.failure).take()
    }

    fn stop(&mut self) {
        self.lazy = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has written nothing that matters.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock(failure: &Mutex<Option<String>>) -> std::sync::MutexGuard<'_, Option<String>> {
    failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Replaces the file.
///
/// # Errors
/// [`KeeperError::Io`].
pub fn save(path: &Path, account: &str, carry: &Carry) -> Result<(), KeeperError> {
    let io = |error| KeeperError::Io { path: path.to_owned(), error };
    let body = postcard::to_stdvec(&(account, carry)).map_err(|e| io(io::Error::other(e)))?;
    let mut bytes = Vec::with_capacity(body.len() + 12);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    let fresh = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        // The rename itself must outlive a power cut.
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(io)
}

/// What was kept; `None` when nothing was.
///
/// # Errors
/// [`KeeperError`].
pub fn load(path: &Path, account: &str) -> Result<Option<Carry>, KeeperError> {
    let io = |error| KeeperError::Io { path: path.to_owned(), error };
    let damaged = || KeeperError::Damaged { path: path.to_owned() };
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    if size > BYTES_MAX {
        return Err(damaged());
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let rest = bytes.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let (check, body) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
    if crc32fast::hash(body) != u32::from_le_bytes(*check) {
        return Err(damaged());
    }
    let (found, carry): (String, Carry) = postcard::from_bytes(body).map_err(|_| damaged())?;
    if found != account {
        let (path, wanted) = (path.to_owned(), account.to_owned());
        return Err(KeeperError::Foreign { path, found, wanted });
    }
    Ok(Some(carry))
}
