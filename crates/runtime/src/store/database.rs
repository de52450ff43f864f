//! The database behind the store: one trait, two of them, one schema.

use std::fmt;
use std::path::PathBuf;

use super::postgres::Postgres;
use super::rows::{Column, Kind, Row, Table, Value};
use super::sqlite::Sqlite;

/// The schema, step by step. A step that was released is never changed; a new one is added.
pub(super) const MIGRATIONS: [&str; 1] = [include_str!("migrations/0001.sql")];

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// A file of our own.
    Sqlite(PathBuf),
    /// A PostgreSQL server; the address may hold a password.
    Postgres {
        /// `postgres://user:password@host/database`.
        url: String,
        /// Certificate authorities trusted besides the public ones.
        ca_file: Option<PathBuf>,
    },
}

impl fmt::Display for Target {
    /// Without password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres { url, .. } => f.write_str(&super::postgres::shown(url)),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be used now: gone, locked, full, slow. It is tried again.
    #[error("{0}")]
    Unavailable(String),
    /// It can never be used as it is; somebody has to act.
    #[error("{0}")]
    Unusable(String),
    /// Its file is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// One of the rows does not fit; the others do.
    #[error("{0}")]
    Row(String),
}

/// What takes a row of a query.
pub(super) type Take<'a> = &'a mut dyn FnMut(&[Value]) -> Result<(), Fault>;

/// A connection.
pub(super) trait Database: Send {
    /// Writes all rows or none; writing a row again changes nothing.
    fn write(&mut self, rows: &[Row]) -> Result<(), Fault>;
    /// Passes over the rows of a query.
    fn read(&mut self, query: &str, arguments: &[Value], take: Take<'_>) -> Result<(), Fault>;
}

/// Connects, and brings the schema up to date.
pub(super) fn connect(target: &Target) -> Result<Box<dyn Database>, Fault> {
    Ok(match target {
        Target::Sqlite(path) => Box::new(Sqlite::open(path)?),
        Target::Postgres { url, ca_file } => {
            Box::new(Postgres::connect(url, ca_file.as_deref(), true)?)
        }
    })
}

/// Connects to look; changes nothing.
pub(super) fn look(target: &Target) -> Result<Box<dyn Database>, Fault> {
    Ok(match target {
        Target::Sqlite(path) => Box::new(Sqlite::look(path)?),
        Target::Postgres { url, ca_file } => {
            Box::new(Postgres::connect(url, ca_file.as_deref(), false)?)
        }
    })
}

/// The steps that a database lacks.
pub(super) fn missing(version: i64) -> Result<&'static [&'static str], Fault> {
    let known = MIGRATIONS.len();
    usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)).ok_or_else(|| {
        Fault::Unusable(format!(
            "its schema has version {version}, this program knows versions up to {known}; use the \
             newer program"
        ))
    })
}

/// The statements that make the readable views; `instant` spells nanoseconds as a UTC time.
pub(super) fn views(instant: impl Fn(&str) -> String) -> String {
    let mut statements = String::new();
    for table in Table::ALL {
        let columns = table.columns();
        let cell = |column: &Column| match column.kind {
            Kind::Instant => {
                let name = column.name.strip_suffix("_ns").unwrap_or(column.name);
                format!("{} AS {name}_utc, {}", instant(column.name), column.name)
            }
            Kind::Int | Kind::Text => String::from(column.name),
        };
        let cells: Vec<String> = columns.iter().map(cell).collect();
        let (name, cells) = (table.name(), cells.join(", "));
        statements.push_str(&format!(
            "DROP VIEW IF EXISTS {name}_utc; CREATE VIEW {name}_utc AS SELECT {cells} FROM {name};\n"
        ));
    }
    statements
}
