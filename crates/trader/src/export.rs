//! `trader export`: the store as files for other programs.

use std::path::PathBuf;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use runtime::store::{Format, Target};
use serde_json::{Map, Value, json};

use crate::cli::Export;
use crate::output::say;
use crate::tally::progress_bar;
use crate::{FINE, store};

/// Writes every table into a folder.
pub(crate) fn export(options: &Export) -> Result<u8> {
    let Export { format, out, config, store, json } = options;
    let target = match (config, store) {
        (Some(path), _) => {
            let config = ops::config::load(path, &ops::config::process_env)?;
            store::target(&config)
        }
        (None, Some(place)) if place.contains("://") => {
            Target::Postgres { url: place.clone(), ca_file: None }
        }
        (None, Some(place)) => Target::Sqlite(PathBuf::from(place)),
        (None, None) => store::default_target(),
    };
    let tables = runtime::store::Table::ALL.len() as u64;
    let bar = progress_bar(&format!("exporting {target}"));
    let mut finished = 0;
    let done = &mut |_| {
        finished += 1;
        bar.set_position(finished * 1_000 / tables);
    };
    let written = runtime::store::export(&target, *format, out, done);
    bar.finish_and_clear();
    let written = written?;
    let file = |table: runtime::store::Table| {
        out.join(format!("{}.{}", table.name(), format.extension())).display().to_string()
    };
    if *json {
        let rows: Map<String, Value> = written
            .iter()
            .map(|&(table, rows)| {
                (table.name().to_owned(), json!({ "rows": rows, "file": file(table) }))
            })
            .collect();
        say(format_args!("{:#}", json!({ "store": target.to_string(), "tables": rows })))?;
        return Ok(FINE);
    }
    let mut shown = Table::new();
    shown.load_style(presets::NOTHING);
    for (table, rows) in written {
        shown.add_row([table.name().to_owned(), rows.to_string(), file(table)]);
    }
    if let Some(column) = shown.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    say(format_args!("{shown}"))?;
    Ok(FINE)
}

/// The format by its name.
pub(crate) fn format(text: &str) -> Result<Format, String> {
    match text {
        "csv" => Ok(Format::Csv),
        "parquet" => Ok(Format::Parquet),
        _ => Err(String::from("csv or parquet")),
    }
}
