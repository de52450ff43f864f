//! Reads a session's records back.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::error::ReadError;
use crate::format::{Header, HeaderFault, Place, decode_header};
use crate::frame::{FrameDecoder, PREFIX};
use crate::record::{Entry, Record, decode};
use crate::session::{segments, sessions, strays};

/// What a disk writes at once, in bytes.
const SECTOR: u64 = 512;

/// How a journal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// In good order, with [`Entry::End`].
    Ended,
    /// After a complete record, but without an end: killed, or still running.
    Open,
    /// Within a record, which is cut away; killed while writing, or the power failed.
    Torn {
        /// The segment.
        segment: PathBuf,
        /// Where the unfinished frame begins, in bytes.
        offset: u64,
        /// Bytes from there to the end of the file.
        bytes_cut: u64,
    },
}

/// Reads a session's records, or a single segment's, in constant memory. Ends after the last
/// complete record or with an error that says where the damage is; [`tail`](Self::tail) then tells
/// which.
pub struct Reader {
    header: Header,
    segment: Source,
    /// Segments still to come.
    rest: VecDeque<PathBuf>,
    decoder: FrameDecoder,
    chunk: Vec<u8>,
    record: Vec<u8>,
    turn: u64,
    /// Number of the first segment, and of the current one.
    segments: (u32, u32),
    ended: bool,
    tail: Option<Tail>,
    failed: bool,
}

/// An open segment.
struct Source {
    path: PathBuf,
    input: BufReader<File>,
    offset: u64,
    size: u64,
}

/// What a look at the next frame found.
enum Frame {
    Complete,
    /// Nothing more in this segment.
    End,
    /// It ends within a frame.
    Torn,
}

impl Reader {
    /// Opens a journal: a session's directory, one segment of it, or a directory with one session.
    ///
    /// # Errors
    /// When there is no such thing, more than one, or its header cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let mut rest: VecDeque<PathBuf> = find_segments(path.as_ref())?.into();
        let Some(first) = rest.pop_front() else {
            return Err(not_a_journal(path.as_ref(), "it holds no segments (*.mmj)"));
        };
        let is_session = path.as_ref() != first;
        let mut segment = Source::open(&first)?;
        let (header, place) =
            segment.header()?.map_err(|fault| ReadError::header(&first, 0, fault))?;
        if is_session && place.segment != 1 {
            let reason = format!(
                "this is segment {}, but segment 1 was expected: the session's beginning is missing \
                 or renamed, and nothing can be replayed without it",
                place.segment
            );
            return Err(ReadError::Corrupt { segment: first, offset: 0, turn: 0, reason });
        }
        let decoder = FrameDecoder::new().map_err(|e| ReadError::io(&first, &e))?;
        Ok(Self {
            header,
            segment,
            rest,
            decoder,
            chunk: Vec::new(),
            record: Vec::new(),
            turn: place.turns_before,
            segments: (place.segment, place.segment),
            ended: false,
            tail: None,
            failed: false,
        })
    }

    /// What the session was.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the journal ends; known once the records have run out without an error.
    pub fn tail(&self) -> Option<&Tail> {
        self.tail.as_ref()
    }

    /// Number of the segment that reading began with: 1 unless a later one was opened by itself.
    pub fn first_segment(&self) -> u32 {
        self.segments.0
    }

    /// Bytes of the current segment read so far, its size, and segments to come: for progress.
    pub fn progress(&self) -> (u64, u64, usize) {
        (self.segment.offset, self.segment.size, self.rest.len())
    }

    fn advance(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            let start = self.segment.offset;
            match self.frame()? {
                Frame::Complete => return self.decode(start).map(Some),
                Frame::Torn if self.rest.is_empty() => {
                    self.tail = Some(Tail::Torn {
                        segment: self.segment.path.clone(),
                        offset: start,
                        bytes_cut: self.segment.size - start,
                    });
                    return Ok(None);
                }
                Frame::Torn => {
                    return Err(self.corrupt(start, "ends within a frame, yet another follows"));
                }
                Frame::End => match self.rest.pop_front() {
                    Some(next) => {
                        if !self.next_segment(&next)? {
                            return Ok(None);
                        }
                    }
                    None => return self.run_out().map(|()| None),
                },
            }
        }
    }

    /// The segments have run out: in order, unless one more lies beside them under another name.
    fn run_out(&mut self) -> Result<(), ReadError> {
        if !self.ended
            && self.segments.0 == 1
            && let Some(stray) = strays(&self.segment.path).into_iter().next()
        {
            let reason = format!(
                "the session goes on after segment {}, and {} beside it is no segment's name",
                self.segments.1,
                stray.display()
            );
            return Err(self.corrupt(self.segment.offset, &reason));
        }
        self.tail = Some(if self.ended { Tail::Ended } else { Tail::Open });
        Ok(())
    }

    /// Reads the next frame's chunk, checked.
    fn frame(&mut self) -> Result<Frame, ReadError> {
        let start = self.segment.offset;
        let left = self.segment.size - start;
        if left == 0 {
            return Ok(Frame::End);
        }
        let mut bytes = [0; PREFIX];
        if left < PREFIX as u64 || !self.segment.fill(&mut bytes)? {
            return Ok(Frame::Torn);
        }
        let Some(prefix) = self.decoder.prefix(&bytes) else {
            // After a power failure a file may end in zeros that were never written.
            if bytes == [0; PREFIX] && self.segment.only_zeros_left()? {
                return Ok(Frame::Torn);
            }
            return Err(self.corrupt(start, "the checksum of a frame's prefix does not match"));
        };
        let left = left - PREFIX as u64;
        if u64::from(prefix.length) > left {
            return Ok(Frame::Torn);
        }
        self.chunk.resize(prefix.length as usize, 0);
        if !self.segment.fill(&mut self.chunk)? {
            return Ok(Frame::Torn);
        }
        if FrameDecoder::is_intact(prefix, &self.chunk) {
            return Ok(Frame::Complete);
        }
        if u64::from(prefix.length) == left && self.rest.is_empty() && self.is_unwritten(start) {
            return Ok(Frame::Torn);
        }
        Err(self.corrupt(start, "the checksum of a frame does not match"))
    }

    /// Whether the end of the last chunk was never written: after a power failure a file may have its
    /// size and not yet its contents, which then read as zeros, by whole sectors. Anything else is
    /// damage.
    fn is_unwritten(&self, start: u64) -> bool {
        let last_sector = (self.segment.size - 1) / SECTOR * SECTOR;
        let from = last_sector.saturating_sub(start + PREFIX as u64);
        self.chunk[from as usize..].iter().all(|&byte| byte == 0)
    }

    fn decode(&mut self, start: u64) -> Result<Record, ReadError> {
        if let Err(error) = self.decoder.record(&self.chunk, &mut self.record) {
            return Err(self.corrupt(start, &format!("cannot decompress: {error}")));
        }
        let record = decode(&self.record).map_err(|_| ReadError::Incompatible {
            path: self.segment.path.clone(),
            what: format!("the record at byte {start}, after turn {}", self.turn),
            program: self.header.program.clone(),
        })?;
        let expected = match record.entry {
            Entry::Inputs { .. } => self.turn + 1,
            _ => self.turn,
        };
        if record.turn != expected || self.ended {
            let reason = format!("expected turn {expected}, found turn {}", record.turn);
            return Err(self.corrupt(start, &reason));
        }
        self.turn = record.turn;
        self.ended = matches!(record.entry, Entry::End(_));
        Ok(record)
    }

    /// Goes on with the next segment; false if the journal ends within its header.
    fn next_segment(&mut self, path: &Path) -> Result<bool, ReadError> {
        let frames = self.decoder.frames();
        self.segment = Source::open(path)?;
        let (header, place) = match self.segment.header()? {
            Ok(found) => found,
            Err(HeaderFault::Short) if self.rest.is_empty() => {
                self.tail = Some(Tail::Torn {
                    segment: path.to_owned(),
                    offset: 0,
                    bytes_cut: self.segment.size,
                });
                return Ok(false);
            }
            Err(fault) => return Err(ReadError::header(path, self.turn, fault)),
        };
        if header.session != self.header.session || header.created != self.header.created {
            return Err(self.corrupt(0, "belongs to another session"));
        }
        let Place { turns_before, previous_frames, segment } = place;
        let wanted = self.segments.1 + 1;
        if segment != wanted {
            let reason = format!(
                "this is segment {segment}, but segment {wanted} was expected: one is missing, twice \
                 or renamed"
            );
            return Err(self.corrupt(0, &reason));
        }
        self.segments.1 = segment;
        if turns_before != self.turn || previous_frames != frames {
            let reason = format!(
                "segment {segment} follows on {previous_frames} frames and turn {turns_before}, but \
                 {frames} frames up to turn {} were found before it",
                self.turn
            );
            return Err(self.corrupt(0, &reason));
        }
        self.decoder.restart().map_err(|e| ReadError::io(path, &e))?;
        Ok(true)
    }

    fn corrupt(&self, offset: u64, reason: &str) -> ReadError {
        ReadError::Corrupt {
            segment: self.segment.path.clone(),
            offset,
            turn: self.turn,
            reason: reason.to_owned(),
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Record, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.tail.is_some() {
            return None;
        }
        match self.advance() {
            Ok(record) => record.map(Ok),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

impl Source {
    fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|e| ReadError::io(path, &e))?;
        let size = file.metadata().map_err(|e| ReadError::io(path, &e))?.len();
        let input = BufReader::with_capacity(128 << 10, file);
        Ok(Self { path: path.to_owned(), input, offset: 0, size })
    }

    fn header(&mut self) -> Result<Result<(Header, Place), HeaderFault>, ReadError> {
        decode_header(|buffer| self.fill(buffer))
    }

    /// Fills a buffer; false if the file is too short for that.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, ReadError> {
        match self.input.read_exact(buffer) {
            Ok(()) => {
                self.offset += buffer.len() as u64;
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(ReadError::io(&self.path, &error)),
        }
    }

    fn only_zeros_left(&mut self) -> Result<bool, ReadError> {
        let mut block = [0; 4_096];
        loop {
            match self.input.read(&mut block).map_err(|e| ReadError::io(&self.path, &e))? {
                0 => return Ok(true),
                count if block[..count].iter().all(|&byte| byte == 0) => {}
                _ => return Ok(false),
            }
        }
    }
}

/// The segments meant by a path: a segment, a session, or a directory with one session.
fn find_segments(path: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let about = fs::metadata(path).map_err(|e| ReadError::io(path, &e))?;
    if !about.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let own = segments(path).map_err(|e| ReadError::io(path, &e))?;
    if !own.is_empty() {
        return Ok(own);
    }
    let mut all = sessions(path).map_err(|e| ReadError::io(path, &e))?;
    match (all.pop(), all.len()) {
        (None, _) => Err(not_a_journal(path, "it holds no session")),
        (Some(only), 0) => Ok(only.segments),
        (Some(newest), others) => Err(ReadError::SeveralSessions {
            path: path.to_owned(),
            count: others + 1,
            newest: newest.path,
        }),
    }
}

fn not_a_journal(path: &Path, reason: &str) -> ReadError {
    ReadError::NotAJournal { path: path.to_owned(), reason: reason.to_owned() }
}
