//! The trader's disk: what it keeps for its next life, and the journal of its turns.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Carry, EngineConfig};
use journal::{Durability, Header, Retention, Tail, Writer};
use market::Nanos;

use super::dice::Dice;
use crate::keeper::{self, KeeperError};
use crate::replay::replay;

const PURPOSE: u64 = 3;
const ACCOUNT: &str = "swarm";
/// A write that was cut off has lost at most so many bytes of the journal's end.
const TORN_MAX: u64 = 400;
/// Where memory can be used as a disk.
const MEMORY: &str = "/dev/shm";

static FOLDERS: AtomicU64 = AtomicU64::new(0);

/// What was checked about the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskChecks {
    /// Torn files that were noticed as such.
    pub torn: u64,
    /// Journals that were cut at a random byte, replayed and found identical up to there.
    pub replays: u64,
    /// Turns replayed.
    pub turns: u64,
}

/// A folder that goes away with its owner.
#[derive(Debug)]
pub(super) struct Disk {
    root: PathBuf,
    dice: Dice,
    /// The newest state whose write has been completed.
    safe: Option<Carry>,
    /// The one before it.
    before: Option<Carry>,
    journaled: bool,
    journal: Option<PathBuf>,
    pub(super) checks: DiskChecks,
}

impl Disk {
    pub(super) fn new(seed: u64, journaled: bool) -> io::Result<Self> {
        let memory = Path::new(MEMORY);
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let root = base.join(format!("trader-swarm-{}-{number}", std::process::id()));
        fs::create_dir_all(&root)?;
        Ok(Self {
            root,
            dice: Dice::new(seed, PURPOSE),
            safe: None,
            before: None,
            journaled,
            journal: None,
            checks: DiskChecks::default(),
        })
    }

    /// The state has been written: `at_once`, before anything else was done, or behind the trader's back.
    pub(super) fn keep(&mut self, carry: Carry, at_once: bool) {
        let before = self.safe.replace(carry);
        self.before = before.filter(|_| !at_once);
    }

    /// A journal for the next life, where this seed keeps one.
    pub(super) fn journal(
        &mut self,
        now: Nanos,
        config: &EngineConfig,
    ) -> Result<Option<Writer>, String> {
        if !self.journaled {
            return Ok(None);
        }
        let header = Header {
            program: "swarm".to_owned(),
            session: config.session,
            created: now,
            note: String::new(),
            config: config.clone(),
        };
        let folder = self.root.join("journal");
        let retention = Retention::default();
        let writer = Writer::create(folder, header, Durability::EachBatch, retention)
            .map_err(|error| error.to_string())?
            .checkpoint_every(50);
        self.journal = Some(writer.dir().to_owned());
        Ok(Some(writer))
    }

    /// The process died. What it was writing is cut off at some byte; what it had written is there.
    ///
    /// # Errors
    /// What was found to be wrong.
    pub(super) fn die(&mut self) -> Result<(), String> {
        self.tear_carry()?;
        let Some(journal) = self.journal.take() else { return Ok(()) };
        let newest = newest_segment(&journal).map_err(|e| e.to_string())?;
        let size = fs::metadata(&newest).map_err(|e| e.to_string())?.len();
        let cut = self.dice.below(TORN_MAX.min(size));
        let file = OpenOptions::new().write(true).open(&newest).map_err(|e| e.to_string())?;
        file.set_len(size - cut).map_err(|e| e.to_string())?;
        let found = self.verify(&journal, false);
        fs::remove_dir_all(&journal).map_err(|e| e.to_string())?;
        found
    }

    /// The process ended in good order.
    ///
    /// # Errors
    /// What was found to be wrong.
    pub(super) fn end(&mut self) -> Result<(), String> {
        let Some(journal) = self.journal.take() else { return Ok(()) };
        let found = self.verify(&journal, true);
        fs::remove_dir_all(&journal).map_err(|e| e.to_string())?;
        found
    }

    fn verify(&mut self, journal: &Path, ended: bool) -> Result<(), String> {
        // A segment without a whole header holds no turn.
        let newest = newest_segment(journal).map_err(|e| e.to_string())?;
        let replayed = match replay(journal, None, |_, _| ()) {
            Ok(replayed) => replayed,
            Err(error) => {
                let size = fs::metadata(&newest).map_or(0, |meta| meta.len());
                return match size < 4_096 && !ended {
                    true => Ok(()),
                    false => Err(format!("the journal cannot be read: {error}")),
                };
            }
        };
        self.checks.replays += 1;
        self.checks.turns += replayed.turns;
        if let Some(difference) = replayed.difference {
            return Err(format!(
                "replay differs in turn {} at {}: {:?}",
                difference.turn, difference.now, difference.what
            ));
        }
        match (ended, replayed.tail) {
            (true, Some(Tail::Ended)) | (false, Some(Tail::Open | Tail::Torn { .. })) => Ok(()),
            (false, Some(Tail::Ended)) => Ok(()),
            (_, tail) => Err(format!("the journal ends with {tail:?}")),
        }
    }

    /// Files that a crash has torn must be known as such, wherever they are cut.
    fn tear_carry(&mut self) -> Result<(), String> {
        let Some(carry) = &self.safe else { return Ok(()) };
        let path = self.root.join("torn");
        keeper::save(&path, ACCOUNT, carry).map_err(|e| e.to_string())?;
        let size = fs::metadata(&path).map_err(|e| e.to_string())?.len();
        let left = self.dice.below(size);
        let file = File::options().write(true).open(&path).map_err(|e| e.to_string())?;
        file.set_len(left).map_err(|e| e.to_string())?;
        self.checks.torn += 1;
        match keeper::load(&path, ACCOUNT) {
            Err(KeeperError::Damaged { .. }) => Ok(()),
            other => Err(format!("a file cut at byte {left} of {size} was taken for {other:?}")),
        }
    }

    /// What the next life finds, read back from bytes. A file is replaced as a whole, so after a crash in
    /// the middle of it the one before is there.
    ///
    /// # Errors
    /// When it cannot be read back as it was.
    pub(super) fn recall(&mut self, in_the_middle: bool) -> Result<Option<Carry>, String> {
        let lost = in_the_middle && self.before.is_some();
        let kept = if lost { self.before.take() } else { self.safe.clone() };
        self.safe.clone_from(&kept);
        let Some(kept) = kept else { return Ok(None) };
        let path = self.root.join("carry");
        keeper::save(&path, ACCOUNT, &kept).map_err(|e| e.to_string())?;
        let found = keeper::load(&path, ACCOUNT).map_err(|e| e.to_string())?;
        match found.as_ref() == Some(&kept) {
            true => Ok(found),
            false => Err("what was kept for the next session was read back differently".to_owned()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A folder in memory that stays behind does no harm.
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn newest_segment(journal: &Path) -> io::Result<PathBuf> {
    let mut newest = None;
    for entry in fs::read_dir(journal)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "mmj") {
            newest = newest.max(Some(path));
        }
    }
    newest.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no segment"))
}
