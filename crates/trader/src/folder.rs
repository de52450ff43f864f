//! The data folder: held by one trader at a time, and the token that lets its owner in.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ops::api::Token;
use ops::config::Secret;

const LOCK: &str = "lock";
const TOKEN: &str = "api.token";
const SESSION: &str = "session";

/// The right to write in a data folder, for as long as it lives.
pub(crate) struct Folder {
    dir: PathBuf,
    _lock: File,
}

impl Folder {
    /// Takes the folder for this process.
    pub(crate) fn claim(dir: &Path) -> Result<Self> {
        let made = DirBuilder::new().recursive(true).mode(0o750).create(dir);
        made.with_context(|| format!("data.dir: cannot create {}", dir.display()))?;
        let path = dir.join(LOCK);
        // Not emptied on opening: it may name the process that holds it.
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)
            .with_context(|| format!("data.dir: cannot open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("{}", in_use(dir, &mut lock)),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        let named = lock
            .set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        named.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { dir: dir.to_owned(), _lock: lock })
    }

    /// The configured token, or the one of the last session, or a fresh one. However it is, the
    /// command line finds it in the folder. Also says whether the file is new.
    pub(crate) fn token(&self, configured: Option<&Secret>) -> Result<(Token, bool)> {
        let path = self.token_path();
        let kept = kept_token(&path);
        let token = match (configured, kept) {
            (None, Some(kept)) => return Ok((kept, false)),
            (Some(secret), Some(kept)) if kept.expose() == secret.expose() => {
                return Ok((kept, false));
            }
            (Some(secret), _) => Token::new(secret.expose()).context("api.token")?,
            (None, None) => Token::random().context("cannot make a token")?,
        };
        // A new file, so that its permissions are ours from the start.
        let _ = std::fs::remove_file(&path);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| writeln!(file, "{}", token.expose()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok((token, true))
    }

    /// A number for a session that none before it in this folder had, and later than theirs: client
    /// order ids carry it, and must never come again. Usually the seconds since 1970.
    ///
    /// # Errors
    /// When the last number cannot be read or the new one not be written: two sessions with the same
    /// number would take each other's orders for their own.
    pub(crate) fn next_session(&self, now: u32) -> Result<u32> {
        let path = self.dir.join(SESSION);
        let last: Option<u32> = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text.trim().parse().with_context(|| {
                format!(
                    "{} does not hold the number of the last session; remove it if no order of an \
                     earlier session is open",
                    path.display()
                )
            })?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let next = now.max(last.map_or(0, |last| last.saturating_add(1)));
        let fresh = self.dir.join(format!("{SESSION}.new"));
        let written = File::create(&fresh).and_then(|mut file| {
            writeln!(file, "{next}")?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)
        });
        written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(next)
    }

    /// Where the token is.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.dir.join(TOKEN)
    }
}

/// What is wrong when somebody else has the lock.
fn in_use(dir: &Path, lock: &mut File) -> String {
    let mut text = String::new();
    let pid =
        lock.take(32).read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    let (holder, remedy) = match pid {
        Some(pid) => (format!("process {pid}"), format!("stop it (kill {pid})")),
        None => (String::from("another process"), String::from("stop it")),
    };
    format!(
        "data.dir: {} is in use by a trader, {holder}; {remedy}, or choose another data.dir",
        dir.display()
    )
}

/// A token that only its owner could read.
fn kept_token(path: &Path) -> Option<Token> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o077 != 0 {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(4096).read_to_string(&mut text).ok()?;
    Token::new(text.trim()).ok()
}
