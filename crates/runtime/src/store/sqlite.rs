//! SQLite: the embedded default.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior, params_from_iter};

use super::database::{Database, Fault, Take, missing, views};
use super::rows::{Row, Value};

/// A file locked by another connection is waited for this long; then rows go to the spill file.
const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Tells our files from others: "MMST".
const APPLICATION: i32 = 0x4d4d_5354;
/// Statements kept compiled: one per table.
const STATEMENTS: usize = 16;

/// An open file.
pub(super) struct Sqlite {
    path: PathBuf,
    connection: Connection,
    /// The file that was opened; somebody may have moved it away since.
    file: (u64, u64),
}

impl Sqlite {
    /// Opens the file, or begins it; brings the schema up to date.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // Others may not read what we trade. What is wrong with the path is told by the next line.
        let mut begin = std::fs::OpenOptions::new();
        let _ = begin.write(true).create_new(true).mode(0o640).open(path);
        let mut sqlite = Self::with(path, flags)?;
        sqlite.prepare().map_err(|error| fault(path, &error))??;
        Ok(sqlite)
    }

    /// Opens a file that is there, to read.
    pub(super) fn look(path: &Path) -> Result<Self, Fault> {
        // Reading beside a writer needs the right to write the lock file, not the data.
        Self::with(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
    }

    fn with(path: &Path, flags: OpenFlags) -> Result<Self, Fault> {
        let connection =
            Connection::open_with_flags(path, flags).map_err(|error| fault(path, &error))?;
        connection.busy_timeout(LOCK_WAIT).map_err(|error| fault(path, &error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let file = path.metadata().map(|metadata| identity(&metadata)).unwrap_or_default();
        Ok(Self { path: path.to_owned(), connection, file })
    }

    fn prepare(&mut self) -> rusqlite::Result<Result<(), Fault>> {
        let connection = &mut self.connection;
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let application: i32 =
            connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        if tables > 0 && application != APPLICATION {
            let text = format!("{}: a database of another program", self.path.display());
            return Ok(Err(Fault::Unusable(text)));
        }
        // Readers do not hold up the writer; a commit is on disk before it is called one.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")?;
        let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let steps = match missing(version) {
            Ok(steps) => steps,
            Err(fault) => {
                return Ok(Err(Fault::Unusable(format!("{}: {fault}", self.path.display()))));
            }
        };
        if steps.is_empty() {
            return Ok(Ok(()));
        }
        for step in steps {
            change.execute_batch(step)?;
        }
        change.execute_batch(&views(instant))?;
        let version = super::database::MIGRATIONS.len();
        change.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {version}"
        ))?;
        change.commit()?;
        Ok(Ok(()))
    }

    fn insert(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        let change = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for row in rows {
            change.prepare_cached(row.table.statement())?.execute(params_from_iter(&row.values))?;
        }
        change.commit()
    }
}

impl Database for Sqlite {
    fn write(&mut self, rows: &[Row]) -> Result<(), Fault> {
        // Writing into a file that nobody finds any more would be losing rows without a word.
        if self.path.metadata().map(|metadata| identity(&metadata)).ok() != Some(self.file) {
            return Err(Fault::Unavailable(format!(
                "{}: the file was moved away or deleted",
                self.path.display()
            )));
        }
        self.insert(rows).map_err(|error| fault(&self.path, &error))
    }

    fn read(&mut self, query: &str, arguments: &[Value], take: Take<'_>) -> Result<(), Fault> {
        let path = &self.path;
        let wrong = |error: rusqlite::Error| fault(path, &error);
        let mut statement = self.connection.prepare(query).map_err(wrong)?;
        let count = statement.column_count();
        // By name: a query may use its arguments in any order.
        for (number, argument) in (1..).zip(arguments) {
            if let Some(index) = statement.parameter_index(&format!("${number}")).map_err(wrong)? {
                statement.raw_bind_parameter(index, argument).map_err(wrong)?;
            }
        }
        let mut rows = statement.raw_query();
        let mut values = Vec::with_capacity(count);
        while let Some(row) = rows.next().map_err(wrong)? {
            values.clear();
            for index in 0..count {
                values.push(match row.get_ref(index).map_err(wrong)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Int(number),
                    ValueRef::Text(text) => Value::text(String::from_utf8_lossy(text)),
                    ValueRef::Real(_) | ValueRef::Blob(_) => {
                        return Err(Fault::Unusable(format!(
                            "{}: a cell that we never write (column {index} of {query})",
                            path.display()
                        )));
                    }
                });
            }
            take(&values)?;
        }
        Ok(())
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn fault(path: &Path, error: &rusqlite::Error) -> Fault {
    let text = format!("{}: {error}", path.display());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Fault::Damaged(text),
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            Fault::Row(text)
        }
        _ => Fault::Unavailable(text),
    }
}

/// Puts a damaged file and what belongs to it under another name. Nothing is deleted: what can be read
/// of it can be had later.
pub(super) fn put_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = super::spill::aside(path)?;
    for end in ["-wal", "-shm", ""] {
        let with = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        match std::fs::rename(with(path), with(&aside)) {
            Err(error) if end.is_empty() => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

/// Nanoseconds as `2026-11-22T20:36:00.123456789Z`.
fn instant(column: &str) -> String {
    format!(
        "strftime('%Y-%m-%dT%H:%M:%S', {column} / 1000000000, 'unixepoch') || \
         printf('.%09dZ', {column} % 1000000000)"
    )
}
