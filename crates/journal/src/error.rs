//! What can go wrong with a journal.

use std::path::{Path, PathBuf};

use crate::format::{FORMAT, HeaderFault};

/// Why a journal could not be written. The writer stays failed: a journal with a hole is worse than
/// one that ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The operating system says no: disk full, no permission, not a directory.
    #[error("journal {}: cannot {doing}: {reason}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why not, in the system's words.
        reason: String,
    },
    /// A record that cannot be encoded, or is larger than a frame may be.
    #[error("journal: a record of turn {turn} cannot be encoded: {reason}")]
    Encode {
        /// The turn.
        turn: u64,
        /// Why not.
        reason: String,
    },
    /// Nothing may follow the end of a session.
    #[error("journal: the session has ended")]
    Ended,
}

impl WriteError {
    pub(crate) fn io(path: &Path, doing: &'static str, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), doing, reason: error.to_string() }
    }
}

/// Why a journal could not be read, or not further. Everything before the place named is good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The operating system says no.
    #[error("journal {}: cannot read: {reason}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why not, in the system's words.
        reason: String,
    },
    /// Neither a segment, nor a session, nor a directory with sessions.
    #[error("{} is not a journal: {reason}", .path.display())]
    NotAJournal {
        /// The file or directory.
        path: PathBuf,
        /// What it is instead.
        reason: String,
    },
    /// The directory holds several sessions and it is not clear which is meant.
    #[error("{} holds {count} sessions; name one, the newest is {}", .path.display(), .newest.display())]
    SeveralSessions {
        /// The directory.
        path: PathBuf,
        /// How many.
        count: usize,
        /// The newest of them.
        newest: PathBuf,
    },
    /// Written in another format.
    #[error(
        "journal {}: written by trader {program}, format {format}; this build reads {FORMAT}. Read it \
         with trader {program}, or any that reads format {format}", .path.display()
    )]
    Version {
        /// The segment.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The program version that wrote it and can read it.
        program: String,
    },
    /// Intact, but its contents are not of the shape this build knows.
    #[error(
        "journal {}: {what} is intact but does not fit this build; it was written by trader {program}, \
         format {FORMAT}. Read it with trader {program}", .path.display()
    )]
    Incompatible {
        /// The segment.
        path: PathBuf,
        /// The part in question.
        what: String,
        /// The program version that wrote it and can read it.
        program: String,
    },
    /// Damage: checksums do not match or something is missing, and it is not just a cut-off end.
    #[error("journal {}: damaged at byte {offset}, after turn {turn}: {reason}", .segment.display())]
    Corrupt {
        /// The segment.
        segment: PathBuf,
        /// Where in the segment the damaged part begins, in bytes.
        offset: u64,
        /// The last turn read in full before it.
        turn: u64,
        /// What is wrong.
        reason: String,
    },
}

impl ReadError {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn header(path: &Path, turn: u64, fault: HeaderFault) -> Self {
        let path = path.to_owned();
        let corrupt = |reason: &str| Self::Corrupt {
            segment: path.clone(),
            offset: 0,
            turn,
            reason: reason.to_owned(),
        };
        match fault {
            HeaderFault::Foreign => Self::NotAJournal {
                path,
                reason: "it does not begin as a journal segment does".to_owned(),
            },
            HeaderFault::Short => corrupt("it ends within its header"),
            HeaderFault::Corrupt => corrupt("the checksum of its header does not match"),
            HeaderFault::Version { format, program } => Self::Version { path, format, program },
            HeaderFault::Incompatible { program } => {
                Self::Incompatible { path, what: "the header".to_owned(), program }
            }
        }
    }
}
