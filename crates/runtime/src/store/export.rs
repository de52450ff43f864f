//! A store as files that other programs read: one per table, CSV or Parquet.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::Reader;
use super::database::{Fault, Target};
use super::rows::{Column, Kind, Table, Value};

/// Rows of one row group: enough to compress, little enough to hold.
const GROUP: usize = 65_536;

/// What files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with a line of names first; an empty cell holds nothing.
    Csv,
    /// Columns, for analysis; numbers are 64-bit integers, decimals text.
    Parquet,
}

impl Format {
    /// The end of a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }
}

/// Why an export failed. Files that were finished before stay.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(#[from] Fault),
    /// A file cannot be written.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Writes every table of a store into a folder. Returns the tables with their rows; `done` is told of each
/// when it is whole.
///
/// # Errors
/// [`ExportError`].
pub fn export(
    target: &Target,
    format: Format,
    folder: &Path,
    done: &mut dyn FnMut(Table),
) -> Result<Vec<(Table, u64)>, ExportError> {
    let mut reader = Reader::open(target)?;
    std::fs::create_dir_all(folder)
        .map_err(|error| ExportError::File { path: folder.to_owned(), why: error.to_string() })?;
    let mut tables = Vec::new();
    for table in Table::ALL {
        let path = folder.join(format!("{}.{}", table.name(), format.extension()));
        // Under another name until it is whole, so that nobody reads half a table.
        let part = path.with_extension("part");
        let mut failure = None;
        let rows = write(&mut reader, table, format, &part, &mut failure);
        let wrong = |why: String| ExportError::File { path: path.clone(), why };
        if let Some(why) = failure {
            return Err(wrong(why));
        }
        tables.push((table, rows?));
        std::fs::rename(&part, &path).map_err(|error| wrong(error.to_string()))?;
        done(table);
    }
    Ok(tables)
}

/// Writes one table. What is wrong with the file comes back in `failure`.
fn write(
    reader: &mut Reader,
    table: Table,
    format: Format,
    path: &Path,
    failure: &mut Option<String>,
) -> Result<u64, Fault> {
    let stop = || Fault::Unavailable(String::new());
    let columns = table.columns();
    let mut sheet = match Sheet::create(path, format, table, &columns) {
        Ok(sheet) => sheet,
        Err(why) => {
            *failure = Some(why.to_string());
            return Err(stop());
        }
    };
    let mut rows = 0;
    reader.rows(table, &mut |values| {
        rows += 1;
        sheet.add(values).map_err(|why| {
            *failure = Some(why.to_string());
            stop()
        })
    })?;
    sheet.finish().map_err(|why| {
        *failure = Some(why.to_string());
        stop()
    })?;
    Ok(rows)
}

/// A file being written.
enum Sheet {
    Csv(Box<csv::Writer<File>>),
    Parquet(Box<Columns>),
}

struct Columns {
    writer: SerializedFileWriter<BufWriter<File>>,
    kinds: Vec<Kind>,
    /// One list per column.
    cells: Vec<Vec<Value>>,
}

impl Sheet {
    fn create(path: &Path, format: Format, table: Table, columns: &[Column]) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(match format {
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(file);
                writer.write_record(columns.iter().map(|column| column.name))?;
                Self::Csv(Box::new(writer))
            }
            Format::Parquet => {
                let schema = Arc::new(schema(table, columns).map_err(io::Error::other)?);
                let properties = Arc::new(WriterProperties::builder().build());
                let file = BufWriter::new(file);
                let writer = SerializedFileWriter::new(file, schema, properties);
                Self::Parquet(Box::new(Columns {
                    writer: writer.map_err(io::Error::other)?,
                    kinds: columns.iter().map(|column| column.kind).collect(),
                    cells: vec![Vec::new(); columns.len()],
                }))
            }
        })
    }

    fn add(&mut self, values: &[Value]) -> io::Result<()> {
        match self {
            Self::Csv(writer) => {
                writer.write_record(values.iter().map(ToString::to_string))?;
                Ok(())
            }
            Self::Parquet(columns) => columns.add(values).map_err(io::Error::other),
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut writer) => {
                writer.flush()?;
                let file =
                    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
                file.sync_all()
            }
            Self::Parquet(mut columns) => {
                columns.flush().map_err(io::Error::other)?;
                let mut file = columns.writer.into_inner().map_err(io::Error::other)?;
                file.flush()?;
                file.get_ref().sync_all()
            }
        }
    }
}

impl Columns {
    fn add(&mut self, values: &[Value]) -> Result<(), ParquetError> {
        for (cells, value) in self.cells.iter_mut().zip(values) {
            cells.push(value.clone());
        }
        if self.cells.first().is_some_and(|cells| cells.len() >= GROUP) {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Writes what has been collected as one row group.
    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.cells.first().is_none_or(Vec::is_empty) {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (cells, kind) in self.cells.iter_mut().zip(&self.kinds) {
            let Some(mut column) = group.next_column()? else { break };
            let there: Vec<i16> =
                cells.iter().map(|cell| i16::from(*cell != Value::Null)).collect();
            match kind {
                Kind::Int | Kind::Instant => {
                    let numbers: Vec<i64> = cells.iter().filter_map(Value::as_int).collect();
                    column.typed::<Int64Type>().write_batch(&numbers, Some(&there), None)?;
                }
                Kind::Text => {
                    let texts = cells.iter().filter_map(Value::as_text);
                    let texts: Vec<ByteArray> = texts.map(ByteArray::from).collect();
                    column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None)?;
                }
            }
            column.close()?;
            cells.clear();
        }
        group.close()?;
        Ok(())
    }
}

fn schema(table: Table, columns: &[Column]) -> Result<Type, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = match column.kind {
            Kind::Int | Kind::Instant => (Physical::INT64, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let field = Type::primitive_type_builder(column.name, physical)
            .with_logical_type(logical)
            .with_repetition(Repetition::OPTIONAL)
            .build()?;
        Ok(Arc::new(field))
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, ParquetError>>()?;
    Type::group_type_builder(table.name()).with_fields(fields).build()
}
