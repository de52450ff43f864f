//! Appends a session's records, segment after segment.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::input::Input;
use market::Nanos;
use serde::Serialize;

use crate::error::WriteError;
use crate::format::{Header, Place, encode_header};
use crate::frame::FrameEncoder;
use crate::record::{Tag, encode};
use crate::session::{self, Retention};

/// When records reach the operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Each record at once, one write each: a killed process loses nothing but an unfinished frame.
    EachBatch,
    /// In blocks of 64 KiB: for backtests, where a lost end does not matter.
    Buffered,
}

/// Bytes collected before a write when [`Durability::Buffered`].
const BLOCK: usize = 64 << 10;
/// Turns between checkpoints unless told otherwise.
const CHECKPOINT_TURNS: u64 = 1_000;

/// Appends a session's records. After an error it stays failed: every later call returns that
/// error.
pub struct Writer {
    journal: PathBuf,
    dir: PathBuf,
    header: Header,
    durability: Durability,
    retention: Retention,
    sync_every: Option<Duration>,
    checkpoint_every: u64,
    opener: Opener,
    segment: Segment,
    /// Held for as long as the session is written, so that nobody deletes it.
    _lock: File,
    encoder: FrameEncoder,
    /// The record being encoded.
    record: Vec<u8>,
    /// Frames not yet written.
    pending: Vec<u8>,
    turn: u64,
    checkpoint_turn: Option<u64>,
    synced: Nanos,
    now: Nanos,
    state: State,
    retention_fault: Option<String>,
}

enum State {
    Open,
    Ended,
    Failed(WriteError),
}

/// The segment being written.
struct Segment {
    path: PathBuf,
    number: u32,
    sink: Box<dyn Sink>,
    bytes: u64,
}

/// Where a segment's bytes go: a file, or something that fails on purpose in tests.
pub(crate) trait Sink: Write + Send {
    /// Makes what was written survive a power failure.
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

type Opener = Box<dyn FnMut(&Path) -> io::Result<Box<dyn Sink>> + Send>;

impl Writer {
    /// Begins a session in a journal directory, which is created if need be, and applies retention
    /// to the sessions before it.
    ///
    /// # Errors
    /// When a directory or file cannot be created or written, or the session exists already.
    pub fn create(
        journal: impl AsRef<Path>,
        header: Header,
        durability: Durability,
        retention: Retention,
    ) -> Result<Self, WriteError> {
        let opener = |path: &Path| -> io::Result<Box<dyn Sink>> {
            Ok(Box::new(private().create_new(true).open(path)?))
        };
        Self::create_with(journal.as_ref(), header, durability, retention, Box::new(opener))
    }

    pub(crate) fn create_with(
        journal: &Path,
        header: Header,
        durability: Durability,
        retention: Retention,
        mut opener: Opener,
    ) -> Result<Self, WriteError> {
        let mut folders = DirBuilder::new();
        folders.mode(0o750);
        let created = folders.recursive(true).create(journal);
        created.map_err(|e| WriteError::io(journal, "create", &e))?;
        let dir = journal.join(session::name(header.session, header.created));
        let created = folders.recursive(false).create(&dir);
        created.map_err(|e| WriteError::io(&dir, "create", &e))?;
        let lock_path = dir.join(session::LOCK);
        let lock = private()
            .create(true)
            .truncate(true)
            .open(&lock_path)
            .and_then(|lock| lock.try_lock().map(|()| lock).map_err(io::Error::from))
            .map_err(|e| WriteError::io(&lock_path, "lock", &e))?;
        let encoder = FrameEncoder::new().map_err(|e| WriteError::io(&dir, "compress", &e))?;
        let place = Place { segment: 1, turns_before: 0, previous_frames: 0 };
        let segment = open_segment(&mut opener, &dir, &header, place)?;
        let created = header.created;
        let mut writer = Self {
            journal: journal.to_owned(),
            dir,
            header,
            durability,
            retention,
            sync_every: None,
            checkpoint_every: CHECKPOINT_TURNS,
            opener,
            segment,
            _lock: lock,
            encoder,
            record: Vec::with_capacity(BLOCK),
            pending: Vec::with_capacity(2 * BLOCK),
            turn: 0,
            checkpoint_turn: None,
            synced: created,
            now: created,
            state: State::Open,
            retention_fault: None,
        };
        writer.sync_directory();
        writer.retain();
        Ok(writer)
    }

    /// Also makes records survive a power failure, at most this long after they were written. The
    /// call that does it takes as long as the disk does. Without it that happens when a segment is
    /// finished and at the end of the session.
    #[must_use]
    pub fn sync_every(mut self, interval: Duration) -> Self {
        self.sync_every = Some(interval);
        self
    }

    /// Turns between checkpoints, 1,000 unless told otherwise.
    #[must_use]
    pub fn checkpoint_every(mut self, turns: u64) -> Self {
        self.checkpoint_every = turns.max(1);
        self
    }

    /// Appends a batch of inputs, before the engine steps on it at `now`; returns the turn's
    /// number.
    ///
    /// # Errors
    /// When it could not be written. The engine must not step on the batch then.
    pub fn inputs(&mut self, now: Nanos, inputs: &[Input]) -> Result<u64, WriteError> {
        self.check()?;
        self.rotate_if_full()?;
        self.turn += 1;
        self.now = self.now.max(now);
        self.append(Tag::Inputs, &(now, inputs))?;
        if let Some(interval) = self.sync_every
            && self.now.since(self.synced) >= interval
        {
            self.sync()?;
        }
        Ok(self.turn)
    }

    /// Appends what the step on the last batch answered; an empty answer takes no space.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn outputs<T: Serialize>(&mut self, outputs: &[T]) -> Result<(), WriteError> {
        self.check()?;
        if !outputs.is_empty() {
            self.append(Tag::Outputs, outputs)?;
        }
        self.rotate_if_full()
    }

    /// Whether a checkpoint is due: at the start, at the start of each segment, and every so many
    /// turns. Ask after [`outputs`](Self::outputs), and only then compute the hash.
    pub fn wants_checkpoint(&self) -> bool {
        self.checkpoint_turn.is_none_or(|turn| self.turn - turn >= self.checkpoint_every)
    }

    /// Appends the engine's state hash after the last turn.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn checkpoint(&mut self, state_hash: u64) -> Result<(), WriteError> {
        self.check()?;
        self.append(Tag::Checkpoint, &state_hash)?;
        self.checkpoint_turn = Some(self.turn);
        Ok(())
    }

    /// Ends the session in good order. Nothing can be appended afterwards.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn end(&mut self, state_hash: u64) -> Result<(), WriteError> {
        self.check()?;
        self.append(Tag::End, &state_hash)?;
        self.flush()?;
        self.sync()?;
        self.state = State::Ended;
        Ok(())
    }

    /// Hands everything to the operating system now.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        self.check()?;
        let written = self.segment.sink.write_all(&self.pending);
        self.segment.bytes += self.pending.len() as u64;
        self.pending.clear();
        written.map_err(|e| self.fail(WriteError::io(&self.segment.path, "write", &e)))
    }

    /// Why the writer has failed, if it has.
    pub fn failure(&self) -> Option<&WriteError> {
        match &self.state {
            State::Failed(error) => Some(error),
            State::Open | State::Ended => None,
        }
    }

    /// Why old sessions could not be deleted, if so; writing goes on regardless.
    pub fn retention_failure(&self) -> Option<&str> {
        self.retention_fault.as_deref()
    }

    /// Turns appended so far.
    pub fn turn(&self) -> u64 {
        self.turn
    }

    /// The session's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes of the current segment so far, buffered ones included.
    pub fn segment_bytes(&self) -> u64 {
        self.segment.bytes + self.pending.len() as u64
    }

    fn check(&self) -> Result<(), WriteError> {
        match &self.state {
            State::Open => Ok(()),
            State::Ended => Err(WriteError::Ended),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn fail(&mut self, error: WriteError) -> WriteError {
        self.state = State::Failed(error.clone());
        error
    }

    fn append<T: Serialize + ?Sized>(&mut self, tag: Tag, body: &T) -> Result<(), WriteError> {
        self.record.clear();
        let encoded = encode(tag, self.turn, body, &mut self.record).map_err(|e| e.to_string());
        let framed = encoded.and_then(|()| {
            if self.record.len() > crate::frame::RECORD_MAX {
                return Err(format!("{} bytes are too many", self.record.len()));
            }
            self.encoder.append(&self.record, &mut self.pending).map_err(|e| e.to_string())
        });
        framed.map_err(|reason| self.fail(WriteError::Encode { turn: self.turn, reason }))?;
        let due = match self.durability {
            Durability::EachBatch => true,
            Durability::Buffered => self.pending.len() >= BLOCK,
        };
        if due { self.flush() } else { Ok(()) }
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        self.flush()?;
        self.synced = self.now;
        let synced = self.segment.sink.sync();
        synced.map_err(|e| self.fail(WriteError::io(&self.segment.path, "sync", &e)))
    }

    fn rotate_if_full(&mut self) -> Result<(), WriteError> {
        if self.segment_bytes() < self.retention.segment_bytes || self.encoder.frames() == 0 {
            return Ok(());
        }
        self.sync()?;
        let place = Place {
            segment: self.segment.number + 1,
            turns_before: self.turn,
            previous_frames: self.encoder.frames(),
        };
        let opened = open_segment(&mut self.opener, &self.dir, &self.header, place);
        self.segment = opened.map_err(|error| self.fail(error))?;
        let restarted = self.encoder.restart();
        restarted.map_err(|e| self.fail(WriteError::io(&self.segment.path, "compress", &e)))?;
        self.checkpoint_turn = None;
        self.sync_directory();
        self.retain();
        Ok(())
    }

    fn retain(&mut self) {
        let result = session::enforce(&self.journal, &self.dir, self.retention);
        self.retention_fault = result.err().map(|error| error.to_string());
    }

    /// Makes a new segment's name survive a power failure; where directories cannot be synced the
    /// file's contents are as safe as they can be.
    fn sync_directory(&self) {
        if let Ok(dir) = File::open(&self.dir) {
            let _ = dir.sync_all();
        }
    }
}

impl Drop for Writer {
    /// Writes what is buffered; an error here has nobody left to be told.
    fn drop(&mut self) {
        if matches!(self.state, State::Open) {
            let _ = self.flush();
        }
    }
}

/// How files are made: positions and orders are not for everyone.
fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true).mode(0o640);
    options
}

fn open_segment(
    opener: &mut Opener,
    dir: &Path,
    header: &Header,
    place: Place,
) -> Result<Segment, WriteError> {
    let path = session::segment_path(dir, place.segment);
    let start = encode_header(header, place)
        .map_err(|e| WriteError::Encode { turn: place.turns_before, reason: e.to_string() })?;
    let mut sink = opener(&path).map_err(|e| WriteError::io(&path, "create", &e))?;
    sink.write_all(&start).map_err(|e| WriteError::io(&path, "write", &e))?;
    Ok(Segment { path, number: place.segment, sink, bytes: start.len() as u64 })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use engine::config::{BreakerConfig, EngineConfig, LossLimits};
    use market::{Rate, Usd};

    fn header() -> Header {
        let loss = LossLimits { daily_loss: Usd::ZERO, drawdown: Rate::ZERO };
        let breaker = BreakerConfig { threshold: 1, timeout: Duration::ZERO };
        Header {
            program: "test".to_owned(),
            session: 1,
            created: Nanos(1),
            note: String::new(),
            config: EngineConfig { session: 1, loss, breaker, desks: Vec::new() },
        }
    }

    /// A file on a disk that is full after so many bytes, or cannot sync.
    struct Full {
        file: File,
        room: usize,
        syncs: bool,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let written = self.file.write(&bytes[..bytes.len().min(self.room)])?;
            self.room -= written;
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Full {
        fn sync(&mut self) -> io::Result<()> {
            if self.syncs { Ok(()) } else { Err(io::Error::other("input/output error")) }
        }
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("journal-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn writer(journal: &Path, room: usize, syncs: bool) -> Writer {
        let opener = move |path: &Path| -> io::Result<Box<dyn Sink>> {
            Ok(Box::new(Full { file: File::create(path)?, room, syncs }))
        };
        let retention = Retention::default();
        Writer::create_with(journal, header(), Durability::EachBatch, retention, Box::new(opener))
            .unwrap()
    }

    #[test]
    fn a_full_disk_fails_the_writer_for_good_and_leaves_a_readable_journal() {
        let journal = scratch("full");
        let mut writer = writer(&journal, 700, true);
        let mut appended = 0;
        let error = loop {
            match writer.inputs(Nanos(appended), &[]) {
                Ok(turn) => appended = turn,
                Err(error) => break error,
            }
        };
        assert!(appended > 5);
        assert!(error.to_string().contains("000001.mmj: cannot write: "), "{error}");
        assert_eq!(writer.failure(), Some(&error));
        assert_eq!(writer.inputs(Nanos(0), &[]), Err(error.clone()));
        assert_eq!(writer.outputs(&[1_u8]), Err(error.clone()));
        assert_eq!(writer.checkpoint(0), Err(error.clone()));
        assert_eq!(writer.end(0), Err(error));
        drop(writer);

        let mut reader = crate::Reader::open(&journal).unwrap();
        assert_eq!(reader.by_ref().map(Result::unwrap).count() as u64, appended);
        assert!(matches!(reader.tail(), Some(crate::Tail::Torn { .. } | crate::Tail::Open)));
        fs::remove_dir_all(&journal).unwrap();
    }

    #[test]
    fn a_journal_is_not_for_everyone() {
        let journal = scratch("mode");
        let (durability, retention) = (Durability::EachBatch, Retention::default());
        let writer = Writer::create(&journal, header(), durability, retention).unwrap();
        let dir = writer.dir().to_owned();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        for folder in [&journal, &dir] {
            assert_eq!(mode(folder) & 0o027, 0, "{}", folder.display());
        }
        for file in [session::segment_path(&dir, 1), dir.join(session::LOCK)] {
            assert_eq!(mode(&file) & 0o137, 0, "{}", file.display());
        }
        fs::remove_dir_all(&journal).unwrap();
    }

    #[test]
    fn a_failed_sync_is_a_failure() {
        let journal = scratch("sync");
        let mut writer = writer(&journal, usize::MAX, false).sync_every(Duration::from_secs(1));
        assert_eq!(writer.inputs(Nanos(2), &[]), Ok(1));
        let error = writer.inputs(Nanos(1_000_000_001), &[]).unwrap_err();
        assert!(error.to_string().contains("cannot sync: input/output error"), "{error}");
        assert!(writer.failure().is_some());
        fs::remove_dir_all(&journal).unwrap();
    }

    #[test]
    fn dev_full_is_reported_at_once() {
        if !Path::new("/dev/full").exists() {
            eprintln!("SKIPPED: no /dev/full here");
            return;
        }
        let journal = scratch("dev-full");
        let opener = |_: &Path| -> io::Result<Box<dyn Sink>> {
            Ok(Box::new(File::options().write(true).open("/dev/full")?))
        };
        let result = Writer::create_with(
            &journal,
            header(),
            Durability::EachBatch,
            Retention::default(),
            Box::new(opener),
        );
        let error = result.err().unwrap().to_string();
        assert!(error.contains("cannot write: No space left on device"), "{error}");
        fs::remove_dir_all(&journal).unwrap();
    }
}
