//! The data folder: held by one trader at a time, and the token that lets its owner in.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ops::api::Token;
use ops::config::Secret;

const LOCK: &str = "lock";
const TOKEN: &str = "api.token";
const SESSION: &str = "session";
const CARRY: &str = "carry";

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
            .with_context(|| {
                format!("data.dir: cannot open {}; choose one that can be written", path.display())
            })?;
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
        let next = match last_session(&path)? {
            None => now,
            Some(last) => {
                let next = last.checked_add(1).with_context(|| unusable(&path))?;
                now.max(next)
            }
        };
        // Only a whole file ever has this name, whenever the power fails.
        let fresh = self.dir.join(format!("{SESSION}.new"));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o640);
        let written = options.open(&fresh).and_then(|mut file| {
            writeln!(file, "{next}")?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)?;
            File::open(&self.dir)?.sync_all()
        });
        written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(next)
    }

    /// Where what a session must not forget is kept for the next.
    pub(crate) fn carry_path(&self) -> PathBuf {
        self.dir.join(CARRY)
    }

    /// Where the token is.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.dir.join(TOKEN)
    }
}

/// The number of the last session that began here.
fn last_session(path: &Path) -> Result<Option<u32>> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_string(&mut text));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() != ErrorKind::InvalidData => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
        _ => {}
    }
    let digits = text.trim_end();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let last = digits.parse().ok().filter(|_| is_number);
    Ok(Some(last.with_context(|| unusable(path))?))
}

fn unusable(path: &Path) -> String {
    format!(
        "{} does not hold the number of the last session; make sure that no order of ours is open \
         at the venue, then remove the file",
        path.display()
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mm-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn no_session_number_is_used_twice() {
        let scratch = Scratch::new("sessions");
        let next = |now| Folder::claim(&scratch.0).unwrap().next_session(now).unwrap();
        assert_eq!(next(1_791_000_000), 1_791_000_000);
        assert_eq!(next(1_791_000_000), 1_791_000_001, "twice in a second");
        assert_eq!(next(1_000), 1_791_000_002, "the clock was set back");
        assert_eq!(next(1_791_000_500), 1_791_000_500);
        assert_eq!(std::fs::read_to_string(scratch.0.join(SESSION)).unwrap(), "1791000500\n");
        // What a crash between writing and renaming leaves behind.
        std::fs::write(scratch.0.join("session.new"), "17").unwrap();
        assert_eq!(next(0), 1_791_000_501);
    }

    #[test]
    fn a_damaged_number_stops_the_start_with_a_remedy() {
        let scratch = Scratch::new("damaged");
        let folder = Folder::claim(&scratch.0).unwrap();
        let path = scratch.0.join(SESSION);
        let damaged: [&[u8]; 7] =
            [b"", b"\n", b"-1\n", b"+1\n", b"4294967296\n", b"12 13\n", b"\xff\xfe"];
        for content in damaged.into_iter().chain([b"4294967295\n".as_slice()]) {
            std::fs::write(&path, content).unwrap();
            let error = format!("{:#}", folder.next_session(7).unwrap_err());
            assert!(error.contains("then remove the file"), "{content:?}: {error}");
            assert_eq!(std::fs::read(&path).unwrap(), content, "left as it was");
        }
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(folder.next_session(7).is_err());
    }
}
