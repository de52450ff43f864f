//! What is exported reads back equal.

use std::fs::File;
use std::path::Path;

use market::Usd;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use runtime::store::{Format, Table, Value, export};

use crate::databases::{Base, Folder};
use crate::world::{Plan, run, usd};

fn csv(path: &Path) -> Vec<Vec<Value>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let cell = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    reader.records().map(|record| record.unwrap().iter().map(cell).collect()).collect()
}

fn parquet(path: &Path) -> Vec<Vec<Value>> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    let cell = |field: &Field| match field {
        Field::Null => Value::Null,
        Field::Long(number) => Value::Int(*number),
        Field::Str(text) => Value::from(text.as_str()),
        other => panic!("{other:?}"),
    };
    rows.map(|row| row.unwrap().get_column_iter().map(|(_, field)| cell(field)).collect()).collect()
}

/// Cells as text, where a file does not tell numbers from text.
fn plain(rows: &[Vec<Value>]) -> Vec<Vec<String>> {
    rows.iter().map(|row| row.iter().map(ToString::to_string).collect()).collect()
}

#[test]
fn files_hold_what_the_store_holds() {
    Base::each(|base| {
        run(&base.target, &base.spill(), Plan::new(5));
        for format in [Format::Csv, Format::Parquet] {
            let folder = Folder::new("export");
            let counts = export(&base.target, format, &folder.0, &mut |_| {}).unwrap();
            assert_eq!(counts.len(), Table::ALL.len());
            for (table, count) in counts {
                let name = format!("{}.{}", table.name(), format.extension());
                let path = folder.0.join(&name);
                let stored = base.rows(table);
                assert_eq!(stored.len() as u64, count, "{name}");
                let read = match format {
                    Format::Csv => {
                        let read = csv(&path);
                        assert_eq!(plain(&read), plain(&stored), "{name}");
                        read
                    }
                    Format::Parquet => {
                        let read = parquet(&path);
                        assert_eq!(read, stored, "{name}");
                        read
                    }
                };
                if table == Table::Fills {
                    let value = table.column("value").unwrap();
                    let sum = |rows: &[Vec<Value>]| -> Usd {
                        rows.iter().map(|row| usd(&row[value].to_string())).sum()
                    };
                    assert!(read.len() > 10 && sum(&read) == sum(&stored) && !sum(&read).is_zero());
                }
            }
            let left = std::fs::read_dir(&folder.0).unwrap().count();
            assert_eq!(left, Table::ALL.len(), "nothing else is left behind");
        }
    });
}

#[test]
fn what_cannot_be_exported_says_why() {
    let base = Base::sqlite();
    let folder = Folder::new("nowhere");
    let error = export(&base.target, Format::Csv, &folder.0, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("store.sqlite"), "{error}");
    run(&base.target, &base.spill(), Plan::new(1));
    let file = folder.0.join("a-file");
    std::fs::write(&file, "x").unwrap();
    let error = export(&base.target, Format::Csv, &file, &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("a-file"), "{error}");
}
