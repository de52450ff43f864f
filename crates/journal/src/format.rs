//! Segment headers and versions.
//!
//! A segment starts with a prefix whose layout never changes, so that any program, however old, can
//! say who wrote a file it cannot read:
//!
//! ```text
//! magic        8 bytes   "MMJRNL\r\n"
//! format       u32 LE    version of everything after the prefix
//! author       u8 + n    program version that wrote it, UTF-8
//! check        u32 LE    CRC-32 of all of the above
//! ```
//!
//! Then comes the header: length (u32 LE), CRC-32 (u32 LE) and a postcard body; then frames, see
//! [`frame`](crate::frame).

use engine::config::EngineConfig;
use market::Nanos;
use serde::{Deserialize, Serialize};

/// Version of the format that this program writes, and the newest it reads.
pub const FORMAT: u32 = 3;

pub(crate) const MAGIC: &[u8; 8] = b"MMJRNL\r\n";
/// Largest header that is believed, in bytes.
pub(crate) const HEADER_MAX: u32 = 16 << 20;

/// What a session was: enough to run it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// Version of the program that recorded it, as it calls itself; cut to 255 bytes.
    pub program: String,
    /// The session's id, part of every client order id.
    pub session: u32,
    /// When the session began.
    pub created: Nanos,
    /// The configuration as text, secrets redacted; for humans.
    pub note: String,
    /// The configuration the engine started with.
    pub config: EngineConfig,
}

/// The place of one segment in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Number of the segment, from 1.
    pub(crate) segment: u32,
    /// Turns in the segments before.
    pub(crate) turns_before: u64,
    /// Frames in the segment before this one, so that a shortened one is noticed.
    pub(crate) previous_frames: u64,
}

/// Why the start of a file is no header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// Not one of our files.
    Foreign,
    /// The file ends before the header does.
    Short,
    /// Checksums do not match.
    Corrupt,
    /// Written in a format we do not know.
    Version { format: u32, program: String },
    /// Intact and of our format, but the configuration is not of this program's shape.
    Incompatible { program: String },
}

/// The bytes a segment starts with.
pub(crate) fn encode_header(header: &Header, place: Place) -> Result<Vec<u8>, postcard::Error> {
    let mut bytes = Vec::with_capacity(4_096);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    let author = cut(&header.program, 255);
    bytes.push(author.len() as u8);
    bytes.extend_from_slice(author.as_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let body = (place, header.session, header.created, header.note.as_str(), &header.config);
    let body = postcard::to_stdvec(&body)?;
    if body.len() > HEADER_MAX as usize {
        return Err(postcard::Error::SerializeBufferFull);
    }
    bytes.extend_from_slice(&(body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads a header through `read`, which fills a buffer completely or says that the file is too
/// short.
pub(crate) fn decode_header<E>(
    mut read: impl FnMut(&mut [u8]) -> Result<bool, E>,
) -> Result<Result<(Header, Place), HeaderFault>, E> {
    let mut fixed = [0; 13];
    if !read(&mut fixed[..8])? {
        return Ok(Err(HeaderFault::Short));
    }
    if &fixed[..8] != MAGIC {
        return Ok(Err(HeaderFault::Foreign));
    }
    let mut author = vec![0; 255];
    if !read(&mut fixed[8..])? {
        return Ok(Err(HeaderFault::Short));
    }
    author.truncate(usize::from(fixed[12]));
    let mut check = [0; 4];
    if !read(&mut author)? || !read(&mut check)? {
        return Ok(Err(HeaderFault::Short));
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&fixed);
    hasher.update(&author);
    if hasher.finalize() != u32::from_le_bytes(check) {
        return Ok(Err(HeaderFault::Corrupt));
    }
    let program = String::from_utf8_lossy(&author).into_owned();
    let format = u32_at(&fixed, 8);
    if format != FORMAT {
        return Ok(Err(HeaderFault::Version { format, program }));
    }
    let mut sizes = [0; 8];
    if !read(&mut sizes)? {
        return Ok(Err(HeaderFault::Short));
    }
    let length = u32_at(&sizes, 0);
    if length > HEADER_MAX {
        return Ok(Err(HeaderFault::Corrupt));
    }
    let mut body = vec![0; length as usize];
    if !read(&mut body)? {
        return Ok(Err(HeaderFault::Short));
    }
    if crc32fast::hash(&body) != u32_at(&sizes, 4) {
        return Ok(Err(HeaderFault::Corrupt));
    }
    let Ok((place, session, created, note, config)) = postcard::from_bytes(&body) else {
        return Ok(Err(HeaderFault::Incompatible { program }));
    };
    Ok(Ok((Header { program, session, created, note, config }, place)))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

/// The longest start of a text within `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
