//! What the store has to tell: to the log, and to itself when it can write again.

use std::path::PathBuf;
use std::time::Duration;

/// Something that somebody should know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum News {
    /// The database fails; rows go to the spill file.
    #[error(
        "the store cannot be written: {why}; trading goes on, what belongs into it is kept in {spill} \
         and written later"
    )]
    Failing {
        /// What the database says.
        why: String,
        /// Where rows go meanwhile.
        spill: PathBuf,
    },
    /// It works again and has everything.
    #[error("the store is written again after {} s; {rows} rows were added that had waited", .after.as_secs())]
    Recovered {
        /// For how long it had failed.
        after: Duration,
        /// Rows that had waited.
        rows: u64,
    },
    /// It has failed for longer than allowed.
    #[error("the store has failed for longer than {} s (store.halt_after): trading is halted", .after.as_secs_f64())]
    Halted {
        /// The limit.
        after: Duration,
    },
    /// The spill file cannot be written either.
    #[error("{path}: {why}; rows for the store are in memory alone: free the disk")]
    SpillFailing {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: String,
    },
    /// There was no room for rows anywhere.
    #[error(
        "{rows} rows for the store are lost: neither database nor disk took them; trading is halted"
    )]
    Lost {
        /// How many so far.
        rows: u64,
    },
    /// A row that the database refuses.
    #[error("the store refuses a row of {table}: {why}; it is kept in {kept}")]
    Refused {
        /// The table.
        table: &'static str,
        /// What the database says.
        why: String,
        /// Where the row is.
        kept: PathBuf,
    },
    /// The spill file of an earlier run was damaged.
    #[error("{path} was damaged; what can be read of it is written, the whole is kept")]
    Damaged {
        /// The copy.
        path: PathBuf,
    },
    /// The database's file was damaged.
    #[error(
        "{why}: the store's file was damaged; it is kept as {aside} and a new one is begun, without what \
         was before"
    )]
    Aside {
        /// What the database says.
        why: String,
        /// Where the damaged file is.
        aside: PathBuf,
    },
    /// An earlier run left rows behind.
    #[error("{rows} rows of an earlier run are added to the store from {spill}")]
    Leftover {
        /// How many.
        rows: u64,
        /// From where.
        spill: PathBuf,
    },
    /// Rows stay in the file at the end.
    #[error(
        "{rows} rows could not be written to the store; they are in {spill}, and the next start writes them"
    )]
    Kept {
        /// How many.
        rows: u64,
        /// Where.
        spill: PathBuf,
    },
    /// A session that did not end in good order was completed.
    #[error(
        "session {session} had not ended in good order: {found}; {fills} fills were missing in the store and are there now"
    )]
    Completed {
        /// The session.
        session: String,
        /// Where it was completed from.
        found: String,
        /// Fills that the store did not have.
        fills: u64,
    },
    /// Fills that were in our books and not in the store came from the venue.
    #[error(
        "{fills} fills that our books hold were missing in the store; the venue has told them again"
    )]
    Fetched {
        /// How many.
        fills: usize,
    },
    /// Fills that are in our books and not in the store could not be fetched.
    #[error(
        "{count} fills are in our books and not in the store, and the venue does not tell them now: {why}"
    )]
    Unfetched {
        /// How many are known to miss.
        count: usize,
        /// What the venue says.
        why: String,
    },
}

impl News {
    /// Whether somebody should look: all but good news.
    pub fn is_bad(&self) -> bool {
        match self {
            Self::Recovered { .. }
            | Self::Leftover { .. }
            | Self::Completed { .. }
            | Self::Fetched { .. } => false,
            Self::Failing { .. }
            | Self::Halted { .. }
            | Self::SpillFailing { .. }
            | Self::Lost { .. }
            | Self::Refused { .. }
            | Self::Damaged { .. }
            | Self::Aside { .. }
            | Self::Kept { .. }
            | Self::Unfetched { .. } => true,
        }
    }

    /// One word for each kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Failing { .. } => "store_failing",
            Self::Recovered { .. } => "store_recovered",
            Self::Halted { .. } => "store_halt",
            Self::SpillFailing { .. } => "store_spill_failing",
            Self::Lost { .. } => "store_lost",
            Self::Refused { .. } => "store_refused",
            Self::Damaged { .. } => "store_spill_damaged",
            Self::Aside { .. } => "store_damaged",
            Self::Leftover { .. } => "store_leftover",
            Self::Kept { .. } => "store_kept",
            Self::Completed { .. } => "store_completed",
            Self::Fetched { .. } => "store_fetched",
            Self::Unfetched { .. } => "store_unfetched",
        }
    }
}
