//! The store: what we did and why, in a database behind the trading loop.
//!
//! The trading thread hands small records to a bounded channel and never waits. One thread makes rows of
//! them, another writes these in transactions. What the database does not take goes to a spill file and
//! is written later; every row has a natural key, so writing it twice changes nothing. A session that was
//! killed is completed from its journal when the next one begins.
//!
//! Modules in reading order: `record` (what the trading thread hands over), `translate` and `order`
//! (records to rows), `rows` (tables), `queue` and `spill` (rows that wait), `worker` (the threads),
//! `database`, `sqlite`, `postgres`, `recover`, `session`, `news`, `export`.

mod database;
mod export;
mod news;
mod order;
mod postgres;
mod queue;
mod record;
mod recover;
mod rows;
mod session;
mod spill;
mod sqlite;
mod translate;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use engine::Control;
use market::{Instrument, Nanos};

pub use database::{Fault, Target};
pub use export::{ExportError, Format, export};
pub use news::News;
pub use record::Sink;
pub use recover::{AskFills, Booked};
pub use rows::{Column, Kind, Row, Table, Value};
pub use session::{Cause, Comparison, Ending, Payment, SessionRecord};

use database::{Database, connect, look};
use queue::{MEMORY_MAX, Queue};
use record::{PnlRecord, RECORDS_MAX, Record, SinkCounts};
use spill::Spill;
use translate::Translator;
use worker::{Rule, Shared, Writer};

/// What a store has to know.
pub struct StoreConfig {
    /// The database.
    pub target: Target,
    /// The file for rows that it does not take.
    pub spill: PathBuf,
    /// Trading is halted when the database fails for longer; `None` never halts.
    pub halt_after: Option<Duration>,
    /// Between two snapshots of position and PnL.
    pub pnl_every: Duration,
    /// The writer has this long to finish at the end; what is left stays in the spill file.
    pub close_limit: Duration,
    /// The session that begins.
    pub session: SessionRecord,
    /// Its instruments, indexed by their id.
    pub instruments: Vec<Instrument>,
    /// Where a halt is asked for.
    pub controls: SyncSender<Control>,
    /// Cash that moved since an earlier session ended.
    pub income: Vec<Payment>,
    /// Fills that the books of an earlier session hold.
    pub booked: Option<Booked>,
    /// Who is told when something goes wrong; called on the store's threads.
    pub tell: Box<dyn Fn(&News) + Send + Sync>,
}

impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { target, spill, halt_after, pnl_every, session, .. } = self;
        f.debug_struct("StoreConfig")
            .field("target", target)
            .field("spill", spill)
            .field("halt_after", halt_after)
            .field("pnl_every", pnl_every)
            .field("session", session)
            .finish_non_exhaustive()
    }
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database can never be used as it is.
    #[error("the store cannot be used: {0}")]
    Database(#[from] Fault),
    /// The spill file cannot be used.
    #[error("{path}: {error}; the store needs to write beside the data")]
    Spill {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The session is there already.
    #[error(
        "session {0} is in the store already and began at another time: two traders that share a store \
         need different names (store.trader)"
    )]
    Taken(String),
    /// The system has no room for another thread.
    #[error("the store's threads: {0}")]
    Thread(std::io::Error),
}

/// How the store fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// For how long the database has failed; `None` while it takes what it is given.
    pub failing: Option<Duration>,
    /// Rows and records that wait in memory.
    pub queue: u64,
    /// Rows that wait in the spill file.
    pub spilled: u64,
    /// Age of the oldest row that is not in the database.
    pub lag: Duration,
    /// The longest that a row has waited so far.
    pub worst_lag: Duration,
    /// Rows written, by table; a row written twice counts twice.
    pub rows: Vec<(&'static str, u64)>,
    /// Transactions committed.
    pub transactions: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Snapshots left out for want of room.
    pub thinned: u64,
    /// Rows for which there was no room anywhere.
    pub lost: u64,
}

/// An open store. Dropping it without [`Store::close`] is what a crash does.
pub struct Store {
    handle: Handle,
    threads: Vec<JoinHandle<()>>,
    close_limit: Duration,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("session", &self.handle.session.id()).finish_non_exhaustive()
    }
}

/// What other threads may do with a store, and see of it.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    session: Arc<SessionRecord>,
    instruments: Arc<[Instrument]>,
    /// Numbers configurations.
    numbers: Arc<AtomicU64>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("session", &self.session.id()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database and begins a session in it. A database that cannot be reached now is no
    /// error: rows wait in the spill file. One that can never be used is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(config: StoreConfig) -> Result<(Self, Sink), StoreError> {
        let StoreConfig {
            target, spill: path, halt_after, pnl_every, close_limit, session, ..
        } = config;
        let id = session.id();
        let (spill, found) =
            Spill::open(&path).map_err(|error| StoreError::Spill { path: path.clone(), error })?;
        let (mut database, mut fault, mut aside) = (None, None, None);
        match ready(&target, &session) {
            Ok(ready) => database = Some(ready),
            Err(StoreError::Database(unavailable @ Fault::Unavailable(_))) => {
                fault = Some(unavailable);
            }
            Err(StoreError::Database(Fault::Damaged(why))) => {
                let Target::Sqlite(path) = &target else { return Err(Fault::Damaged(why).into()) };
                let moved = sqlite::put_aside(path);
                let moved =
                    moved.map_err(|error| StoreError::Spill { path: path.clone(), error })?;
                aside = Some(News::Aside { why, aside: moved });
                database = Some(ready(&target, &session)?);
            }
            Err(other) => return Err(other),
        }
        let counts = Arc::new(SinkCounts::default());
        let rule = Rule {
            halt_after,
            controls: config.controls,
            tell: config.tell,
            spill: path.clone(),
            session: id.clone(),
        };
        let queue = Queue::new(Some(spill), MEMORY_MAX);
        let shared = Arc::new(Shared::new(queue, Arc::clone(&counts), rule));
        let mut first = vec![
            session.begin(&config.instruments),
            session.config(1, session.started, &session.config_hash, &session.config_text),
        ];
        first.extend(config.income.iter().map(|payment| session.income(payment)));
        let writer = Writer {
            shared: Arc::clone(&shared),
            target,
            database,
            first,
            completed: false,
            trader: session.trader.clone(),
            account: session.account.clone(),
            booked: config.booked,
        };
        if let Some(news) = aside {
            shared.tell(&mut shared.lock(), &news);
        }
        let writer = begin(&shared, writer, fault, found, path);
        let translator = Translator::new(&id, &session.account, config.instruments.clone());
        let (sender, records) = sync_channel::<Record>(RECORDS_MAX);
        let inbox = Arc::clone(&shared);
        let intake = move || worker::intake(&inbox, &records, translator);
        let intake = crate::clock::spawn("store-intake", intake).map_err(StoreError::Thread)?;
        let waker = intake.thread().clone();
        let writer = crate::clock::spawn("store-writer", move || writer.run());
        let writer = writer.map_err(StoreError::Thread)?;
        let handle = Handle {
            shared,
            session: Arc::new(session),
            instruments: config.instruments.into(),
            numbers: Arc::new(AtomicU64::new(1)),
        };
        let sink = Sink::new(sender, waker, pnl_every, counts);
        Ok((Self { handle, threads: vec![intake, writer], close_limit }, sink))
    }

    /// For other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends the session. Comes back when everything is written, or when what could not be is in the
    /// spill file.
    pub fn close(self, sink: Sink, ending: Ending<'_>) {
        let Handle { shared, session, instruments, .. } = &self.handle;
        let last = match ending {
            Ending::Summary { summary, .. } => {
                Some(Record::Pnl(Box::new(PnlRecord::new(&summary.snapshot, true))))
            }
            Ending::Failure { .. } => None,
        };
        let (held, open) = sink.end();
        shared.hand_over(held.into_iter().chain(last));
        // Once it is closed, what was handed over is taken in, and nothing after it.
        drop(open);
        self.wake();
        shared.wait_drained(self.close_limit);
        shared.push(ending.compared(&session.id()));
        shared.push(ending.gone(&session.id(), &session.account));
        shared.push([ending.complete(session.begin(instruments))]);
        shared.close(crate::clock::now() + self.close_limit);
        for thread in self.threads {
            thread.thread().unpark();
            // A thread that panicked has told so; what it held is in the journal.
            let _ = thread.join();
        }
    }

    fn wake(&self) {
        for thread in &self.threads {
            thread.thread().unpark();
        }
    }
}

impl Handle {
    /// Another configuration is in force from now on.
    pub fn configured(&self, at: Nanos, hash: &str, text: &str) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.push([self.session.config(number, at, hash, text)]);
    }

    /// How the store fares.
    pub fn stats(&self) -> StoreStats {
        let (sink, inner) = (&self.shared.sink, self.shared.lock());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let now = crate::clock::now();
        let losses = inner.queue.losses();
        let names = Table::ALL.iter().map(|table| table.name());
        StoreStats {
            failing: inner.failing.map(|since| now.since(since)),
            queue: inner.queue.in_memory() as u64 + count(&sink.held),
            spilled: inner.queue.in_file(),
            lag: inner.queue.oldest().map_or(Duration::ZERO, |at| now.since(Nanos(at))),
            worst_lag: inner.counts.worst_lag,
            rows: names.zip(inner.counts.rows).collect(),
            transactions: inner.counts.transactions,
            failures: inner.counts.failures,
            thinned: losses.thinned + count(&sink.thinned),
            lost: losses.lost + count(&sink.lost),
        }
    }
}

/// Puts the first rows where they are safe: the database, or else the spill file.
fn begin(
    shared: &Shared,
    mut writer: Writer,
    mut fault: Option<Fault>,
    found: spill::Found,
    path: PathBuf,
) -> Writer {
    if let Some(database) = &mut writer.database
        && let Err(error) = database.write(&writer.first)
    {
        (writer.database, fault) = (None, Some(error));
    }
    let mut inner = shared.lock();
    if let Some(path) = found.damaged {
        shared.tell(&mut inner, &News::Damaged { path });
    }
    if found.rows > 0 {
        shared.tell(&mut inner, &News::Leftover { rows: found.rows, spill: path });
    }
    if let Some(fault) = fault {
        inner.queue.push(writer.first.iter().cloned());
        shared.begin_failing(&mut inner, &fault.to_string());
    }
    drop(inner);
    writer
}

/// A database in which this session can begin.
fn ready(target: &Target, session: &SessionRecord) -> Result<Box<dyn Database>, StoreError> {
    let mut database = connect(target)?;
    is_free(database.as_mut(), session)?;
    Ok(database)
}

/// Whether nobody else has begun a session of this name.
fn is_free(database: &mut dyn Database, session: &SessionRecord) -> Result<(), StoreError> {
    let mut taken = false;
    let query = "SELECT started_ns FROM sessions WHERE id = $1 AND started_ns <> $2";
    let arguments = [Value::from(session.id()), Value::from(session.started)];
    database.read(query, &arguments, &mut |_| {
        taken = true;
        Ok(())
    })?;
    if taken { Err(StoreError::Taken(session.id())) } else { Ok(()) }
}

/// Keeps a comparison that was made while no trader ran; `session` is the one whose records were compared.
/// When the database is away it goes to the spill file, for the next start.
///
/// # Errors
/// [`StoreError`].
pub fn keep_comparison(
    target: &Target,
    spill: &Path,
    session: &str,
    symbol: &str,
    cause: Cause,
    comparison: Comparison,
) -> Result<(), StoreError> {
    let row = comparison.row(session, crate::clock::now(), symbol, cause);
    let written =
        connect(target).and_then(|mut database| database.write(std::slice::from_ref(&row)));
    match written {
        Ok(()) => Ok(()),
        Err(Fault::Unavailable(_) | Fault::Damaged(_)) => {
            let append = |(mut file, _): (Spill, _)| {
                file.append(std::iter::once(&row))?;
                file.sync()
            };
            let kept = Spill::open(spill).and_then(append);
            kept.map_err(|error| StoreError::Spill { path: spill.to_owned(), error })
        }
        Err(fault) => Err(fault.into()),
    }
}

/// A look into a store, beside its trader or without one.
pub struct Reader {
    database: Box<dyn Database>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Opens a store that is there.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub fn open(target: &Target) -> Result<Self, Fault> {
        Ok(Self { database: look(target)? })
    }

    /// Passes over all rows of a table, in the order of its key.
    ///
    /// # Errors
    /// When it cannot be read to its end, or `take` fails.
    pub fn rows(
        &mut self,
        table: Table,
        take: &mut dyn FnMut(&[Value]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.database.read(&table.select(), &[], take)
    }

    /// Passes over the rows of a query; arguments are `$1`, `$2`, …
    ///
    /// # Errors
    /// When the database refuses it, or `take` fails.
    pub fn query(
        &mut self,
        query: &str,
        arguments: &[Value],
        take: &mut dyn FnMut(&[Value]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.database.read(query, arguments, take)
    }
}
