//! Records to checked bytes and back.
//!
//! ```text
//! length   u32 LE    of the chunk
//! crc      u32 LE    CRC-32 of the chunk
//! check    u32 LE    CRC-32 of the frame's number in its segment (u64 LE), length and crc
//! chunk    length bytes
//! ```
//!
//! The chunks of a segment are one zstd stream, flushed after each record: small records compress
//! well because they share the history, and yet each can be read as soon as it is written. The
//! frame's own check makes a length trustworthy before it is used, so an end that was cut off is
//! told apart from damage in the middle; the number in it notices frames that are missing or twice.

use std::io;

use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use crate::format::u32_at;

/// Bytes before a chunk.
pub(crate) const PREFIX: usize = 12;
/// Longest chunk, in bytes.
pub const CHUNK_MAX: u32 = 64 << 20;
/// Longest record, decompressed, in bytes.
pub const RECORD_MAX: usize = 256 << 20;

/// Records are small and flushed one by one: entropy tables (levels from 1 up) would be built anew for
/// each, at three times the time and no gain in size.
const LEVEL: i32 = -1;
/// 2^19 bytes of history: some seconds of a busy market.
const WINDOW_LOG: u32 = 19;

/// Compresses records of one segment into frames.
pub(crate) struct FrameEncoder {
    zstd: Encoder<'static>,
    number: u64,
}

impl FrameEncoder {
    pub(crate) fn new() -> io::Result<Self> {
        let mut zstd = Encoder::new(LEVEL)?;
        zstd.set_parameter(CParameter::WindowLog(WINDOW_LOG))?;
        Ok(Self { zstd, number: 0 })
    }

    /// Starts a new segment.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.number = 0;
        self.zstd.reinit()
    }

    /// Frames made since the segment began.
    pub(crate) fn frames(&self) -> u64 {
        self.number
    }

    /// Appends a record as one frame. On an error the encoder must not be used again.
    pub(crate) fn append(&mut self, record: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let start = out.len();
        out.extend_from_slice(&[0; PREFIX]);
        let mut input = InBuffer::around(record);
        while input.pos() < record.len() {
            with_room(out, record.len() - input.pos(), |room| self.zstd.run(&mut input, room))?;
        }
        while with_room(out, 64, |room| self.zstd.flush(room))? > 0 {}
        let chunk = out.len() - start - PREFIX;
        if chunk > CHUNK_MAX as usize {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "record too large"));
        }
        let crc = crc32fast::hash(&out[start + PREFIX..]);
        let prefix = prefix(self.number, chunk as u32, crc);
        out[start..start + PREFIX].copy_from_slice(&prefix);
        self.number += 1;
        Ok(())
    }
}

/// Runs a zstd step with at least `wanted` bytes of room at the end of `out`.
fn with_room<'a>(
    out: &'a mut Vec<u8>,
    wanted: usize,
    step: impl FnOnce(&mut OutBuffer<'a, Vec<u8>>) -> io::Result<usize>,
) -> io::Result<usize> {
    out.reserve(wanted.clamp(256, 1 << 20));
    let position = out.len();
    step(&mut OutBuffer::around_pos(out, position))
}

fn prefix(number: u64, length: u32, crc: u32) -> [u8; PREFIX] {
    let mut bytes = [0; PREFIX];
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    let check = check(number, &bytes[..8]);
    bytes[8..].copy_from_slice(&check.to_le_bytes());
    bytes
}

fn check(number: u64, length_and_crc: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(length_and_crc);
    hasher.finalize()
}

/// What a prefix promises.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefix {
    pub(crate) length: u32,
    crc: u32,
}

/// Turns frames of one segment back into records.
pub(crate) struct FrameDecoder {
    zstd: Decoder<'static>,
    number: u64,
}

impl FrameDecoder {
    pub(crate) fn new() -> io::Result<Self> {
        let mut zstd = Decoder::new()?;
        zstd.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { zstd, number: 0 })
    }

    /// Starts a new segment.
    pub(crate) fn restart(&mut self) -> io::Result<()> {
        self.number = 0;
        self.zstd.reinit()
    }

    /// Frames read since the segment began.
    pub(crate) fn frames(&self) -> u64 {
        self.number
    }

    /// Checks a prefix; `None` when it is damaged.
    pub(crate) fn prefix(&self, bytes: &[u8; PREFIX]) -> Option<Prefix> {
        let prefix = Prefix { length: u32_at(bytes, 0), crc: u32_at(bytes, 4) };
        let intact = check(self.number, &bytes[..8]) == u32_at(bytes, 8);
        (intact && prefix.length <= CHUNK_MAX).then_some(prefix)
    }

    /// Whether a chunk is what its prefix promises.
    pub(crate) fn is_intact(prefix: Prefix, chunk: &[u8]) -> bool {
        crc32fast::hash(chunk) == prefix.crc
    }

    /// Decompresses an intact chunk into `record`, replacing what is there.
    pub(crate) fn record(&mut self, chunk: &[u8], record: &mut Vec<u8>) -> io::Result<()> {
        record.clear();
        let mut input = InBuffer::around(chunk);
        loop {
            with_room(record, chunk.len() * 4, |room| self.zstd.run(&mut input, room))?;
            if record.len() > RECORD_MAX {
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, "record too large"));
            }
            if input.pos() == chunk.len() && record.len() < record.capacity() {
                self.number += 1;
                return Ok(());
            }
        }
    }
}
