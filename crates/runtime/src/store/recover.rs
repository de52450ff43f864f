//! Completes sessions that did not end in good order, before anything new is written.
//!
//! What a kill cut off between the engine and the database is in the session's journal, which is written
//! first. Its outputs give the same rows again; those that are there already stay as they are.

use std::collections::BTreeSet;
use std::path::Path;

use engine::Carry;
use engine::carry::CarriedDesk;
use journal::{Entry, Reader};
use market::venue::Fill;
use market::{Instrument, Nanos, TradeId};

use super::database::{Database, Fault};
use super::news::News;
use super::record::{Record, is_kept};
use super::rows::{Row, Table, Value};
use super::translate::{Translator, fill_row};

/// Rows of one transaction.
const BATCH: usize = 500;

/// Asks the venue for our fills after a trade id.
pub type AskFills = Box<dyn Fn(Option<TradeId>) -> Result<Vec<Fill>, String> + Send>;

/// Fills that our books hold from earlier sessions, and whom to ask for those that the store lacks.
pub struct Booked {
    /// The instrument.
    pub instrument: Instrument,
    /// Fills that count already and that the engine will not be told of again.
    pub known: BTreeSet<TradeId>,
    /// Where they can be had.
    pub ask: AskFills,
}

impl std::fmt::Debug for Booked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Booked").field("known", &self.known).finish_non_exhaustive()
    }
}

impl Booked {
    /// The fills that are in the books that an earlier session left behind.
    pub fn new(instrument: Instrument, carry: &Carry, ask: AskFills) -> Self {
        let desk = carry.desks.iter().find(|desk| desk.symbol == instrument.symbol());
        let trades = |desk: &CarriedDesk| {
            let booked = desk.booked.iter().map(|fill| fill.trade_id);
            booked.chain(desk.agreed).collect::<Vec<_>>()
        };
        let known = desk.into_iter().flat_map(trades).collect();
        Self { instrument, known, ask }
    }
}

/// A session of this trader of which the store does not know how it ended.
struct Unfinished {
    row: Vec<Value>,
}

impl Unfinished {
    fn text(&self, column: &str) -> &str {
        let index = Table::Sessions.column(column);
        index.and_then(|index| self.row.get(index)).and_then(Value::as_text).unwrap_or("")
    }
}

/// Completes what earlier sessions of this trader left unfinished.
pub(super) fn complete(
    database: &mut dyn Database,
    trader: &str,
    current: &str,
    tell: &mut dyn FnMut(News),
) -> Result<(), Fault> {
    for session in unfinished(database, trader, current)? {
        let id = session.text("id").to_owned();
        let before = fills(database, &id)?;
        let journal = session.text("journal");
        let (found, ending) = match Path::new(journal).exists() && !journal.is_empty() {
            true => match read_journal(database, &session, Path::new(journal))? {
                None => (String::from("completed from its journal"), "completed"),
                Some(damage) => (format!("completed from its journal, up to: {damage}"), "damaged"),
            },
            false => (String::from("there is no journal of it"), "unknown"),
        };
        let mut row = session.row;
        if let Some(cell) = Table::Sessions.column("ending").and_then(|index| row.get_mut(index)) {
            *cell = Value::from(ending);
        }
        database.write(&[Row::new(Table::Sessions, row)])?;
        let fills = fills(database, &id)?.saturating_sub(before);
        tell(News::Completed { session: id, found, fills });
    }
    Ok(())
}

fn unfinished(
    database: &mut dyn Database,
    trader: &str,
    current: &str,
) -> Result<Vec<Unfinished>, Fault> {
    let columns: Vec<&str> = Table::Sessions.columns().iter().map(|column| column.name).collect();
    let query = format!(
        "SELECT {} FROM sessions WHERE trader = $1 AND id <> $2 AND ending IS NULL \
         ORDER BY started_ns",
        columns.join(", ")
    );
    let mut found = Vec::new();
    database.read(&query, &[Value::from(trader), Value::from(current)], &mut |row| {
        found.push(Unfinished { row: row.to_vec() });
        Ok(())
    })?;
    Ok(found)
}

fn fills(database: &mut dyn Database, session: &str) -> Result<u64, Fault> {
    let mut count = 0;
    let query = "SELECT count(*) FROM fills WHERE session = $1";
    database.read(query, &[Value::from(session)], &mut |row| {
        count = row.first().and_then(Value::as_int).unwrap_or(0);
        Ok(())
    })?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Writes what a journal tells. Returns what is wrong with it, if anything.
fn read_journal(
    database: &mut dyn Database,
    session: &Unfinished,
    path: &Path,
) -> Result<Option<String>, Fault> {
    let mut reader = match Reader::open(path) {
        Ok(reader) => reader,
        Err(error) => return Ok(Some(error.to_string())),
    };
    let desks = &reader.header().config.desks;
    let instruments = desks.iter().map(|desk| desk.instrument.clone()).collect();
    let mut translator = Translator::new(session.text("id"), session.text("account"), instruments);
    let (mut now, mut rows, mut damage) = (Nanos::ZERO, Vec::new(), None);
    for record in &mut reader {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                damage = Some(error.to_string());
                break;
            }
        };
        match record.entry {
            Entry::Inputs { now: at, .. } => now = at,
            Entry::Outputs(outputs) => {
                for (item, output) in (0_u32..).zip(outputs) {
                    if is_kept(&output) {
                        let turn = record.turn;
                        translator.take(Record::Output { at: now, turn, item, output });
                    }
                }
                rows.extend(translator.rows());
            }
            Entry::Checkpoint(_) | Entry::End(_) => {}
        }
        if rows.len() >= BATCH {
            database.write(&rows)?;
            rows.clear();
        }
    }
    database.write(&rows)?;
    Ok(damage)
}

/// Fetches fills that our books hold and the store does not.
pub(super) fn fetch(
    database: &mut dyn Database,
    booked: &Booked,
    session: &str,
    account: &str,
    tell: &mut dyn FnMut(News),
) -> Result<(), Fault> {
    let Some(oldest) = booked.known.first() else { return Ok(()) };
    let own = [Value::from(account), Value::from(booked.instrument.symbol())];
    let mut trades = |wanted: &str, than: TradeId| {
        let mut found = BTreeSet::new();
        let query = format!("SELECT {wanted} $3 AND account = $1 AND instrument = $2");
        let arguments = [own[0].clone(), own[1].clone(), Value::Int(than.0)];
        database.read(&query, &arguments, &mut |row| {
            found.extend(row.first().and_then(Value::as_int).map(TradeId));
            Ok(())
        })?;
        Ok::<_, Fault>(found)
    };
    let stored = trades("trade_id FROM fills WHERE trade_id >=", *oldest)?;
    let missing: BTreeSet<TradeId> = booked.known.difference(&stored).copied().collect();
    let Some(first) = missing.first() else { return Ok(()) };
    let since = match stored.range(..first).next_back() {
        Some(before) => Some(*before),
        None => trades("max(trade_id) FROM fills WHERE trade_id <", *first)?.first().copied(),
    };
    match (booked.ask)(since) {
        Ok(fills) => {
            let row = |fill: &Fill| {
                fill_row(session, account, &booked.instrument, fill.ts_event, fill, None)
            };
            let known = booked.known.last().copied();
            let ours = fills.iter().filter(|fill| known.is_some_and(|id| fill.trade_id <= id));
            let rows: Vec<Row> = ours.map(row).collect();
            for rows in rows.chunks(BATCH) {
                database.write(rows)?;
            }
            tell(News::Fetched { fills: rows.len() });
        }
        Err(why) => tell(News::Unfetched { count: missing.len(), why }),
    }
    Ok(())
}
