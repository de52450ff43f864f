//! The two threads behind the trading thread: one takes records in, the other writes rows.
//!
//! They share a queue. The one that takes in never touches the database, so that nothing piles up in
//! front of it while the database is slow; it moves rows to the spill file when they have to wait.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::Control;
use market::Nanos;

use super::database::{Database, Fault, Target, connect};
use super::news::News;
use super::queue::Queue;
use super::record::{Record, SinkCounts};
use super::recover::{self, Booked};
use super::rows::{Row, Table, Value};
use super::sqlite;
use super::translate::Translator;

/// How often records are taken in.
const TAKE_EVERY: Duration = Duration::from_millis(10);
/// Rows of one transaction.
const BATCH: usize = 500;
/// Fewer rows are written together when this much time has passed.
const WRITE_EVERY: Duration = Duration::from_millis(200);
/// A write that takes longer may never end: from here on everything goes to the spill file too.
const PATIENCE: Duration = Duration::from_secs(1);
/// A write that takes longer counts as a failure.
const SLOW: Duration = Duration::from_secs(5);
/// Rows in memory beyond this go to the spill file.
const WAITING_MAX: usize = 20_000;
/// The spill file is safe from a power failure after this much.
const SYNC_EVERY: Duration = Duration::from_millis(200);
/// Between two attempts at a disk that is full.
const SPILL_PAUSE: Duration = Duration::from_secs(1);
/// Between two attempts at a database that fails: the first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// What both threads and everybody else share. The trading thread never takes the lock.
pub(super) struct Shared {
    pub(super) inner: Mutex<Inner>,
    wake: Condvar,
    pub(super) sink: Arc<SinkCounts>,
    rule: Rule,
}

/// What follows from failures, and who is told.
pub(super) struct Rule {
    /// A failure that lasts longer halts trading.
    pub(super) halt_after: Option<Duration>,
    pub(super) controls: SyncSender<Control>,
    pub(super) tell: Box<dyn Fn(&News) + Send + Sync>,
    pub(super) spill: PathBuf,
    /// The session's name in the store.
    pub(super) session: String,
}

/// Behind the lock.
pub(super) struct Inner {
    pub(super) queue: Queue,
    /// Since when the database fails.
    pub(super) failing: Option<Nanos>,
    /// When the write that is under way began.
    flight_since: Option<Nanos>,
    halted: bool,
    lost_told: u64,
    told: u32,
    spill_retry: Option<Nanos>,
    synced: Nanos,
    /// Records that came after all others.
    pub(super) leftover: VecDeque<Record>,
    /// Every record has become rows.
    pub(super) drained: bool,
    /// Nothing more will come: the writer ends by then.
    pub(super) closing: Option<Nanos>,
    /// The writer has ended.
    finished: bool,
    pub(super) counts: Counts,
}

/// What was written so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) rows: [u64; Table::ALL.len()],
    pub(super) failures: u64,
    pub(super) worst_lag: Duration,
    pub(super) transactions: u64,
}

impl Shared {
    pub(super) fn new(queue: Queue, sink: Arc<SinkCounts>, rule: Rule) -> Self {
        let inner = Inner {
            queue,
            failing: None,
            flight_since: None,
            halted: false,
            lost_told: 0,
            told: 0,
            spill_retry: None,
            synced: Nanos::ZERO,
            leftover: VecDeque::new(),
            drained: false,
            closing: None,
            finished: false,
            counts: Counts::default(),
        };
        Self { inner: Mutex::new(inner), wake: Condvar::new(), sink, rule }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds rows that do not come from the trading thread.
    pub(super) fn push(&self, rows: impl IntoIterator<Item = Row>) {
        self.lock().queue.push(rows);
    }

    /// Nothing more will come; what the trading thread still held is handed over.
    pub(super) fn hand_over(&self, leftover: impl IntoIterator<Item = Record>) {
        self.lock().leftover.extend(leftover);
    }

    /// Waits until every record has become rows, but not for ever.
    pub(super) fn wait_drained(&self, limit: Duration) {
        let waiting = |inner: &mut Inner| !inner.drained && !inner.finished;
        drop(self.wake.wait_timeout_while(self.lock(), limit, waiting));
    }

    /// Lets the writer end.
    pub(super) fn close(&self, until: Nanos) {
        self.lock().closing = Some(until);
        self.wake.notify_all();
    }

    /// Tells the log, and the store itself.
    pub(super) fn tell(&self, inner: &mut Inner, news: &News) {
        (self.rule.tell)(news);
        inner.told += 1;
        let level = if news.is_bad() { "error" } else { "info" };
        let values = vec![
            Value::from(self.rule.session.as_str()),
            // The engine counts its turns from 1.
            Value::Int(0),
            Value::from(inner.told),
            Value::from(crate::clock::now()),
            Value::from(level),
            Value::from(news.kind()),
            Value::from(news.to_string()),
        ];
        inner.queue.push([Row::new(Table::Alerts, values)]);
    }

    /// The database failed before there was anything to write.
    pub(super) fn begin_failing(&self, inner: &mut Inner, why: &str) {
        self.failed(inner, why, crate::clock::now());
        self.look(inner, crate::clock::now());
    }

    fn halt(&self, inner: &mut Inner) -> bool {
        // A full channel is tried again at the next look.
        let sent = self.rule.controls.try_send(Control::Halt);
        inner.halted = !matches!(sent, Err(TrySendError::Full(_)));
        inner.halted
    }

    /// Notes a failure of the database; tells of the first in a row.
    fn failed(&self, inner: &mut Inner, why: &str, since: Nanos) {
        inner.counts.failures += 1;
        if inner.failing.is_none() {
            inner.failing = Some(since);
            let news = News::Failing { why: why.to_owned(), spill: self.rule.spill.clone() };
            self.tell(inner, &news);
        }
    }

    /// Looks at what is waiting: whether it must go to the file, whether trading must halt.
    fn look(&self, inner: &mut Inner, now: Nanos) {
        let flying = inner.flight_since.map(|since| now.since(since));
        if flying.is_some_and(|flying| flying > PATIENCE)
            || inner.failing.is_some()
            || inner.queue.in_memory() > WAITING_MAX
        {
            inner.queue.begin_spilling();
        }
        if let Some(since) = inner.flight_since
            && flying.is_some_and(|flying| flying > SLOW)
            && inner.failing.is_none()
        {
            let why = format!("a write takes longer than {} s", SLOW.as_secs());
            self.failed(inner, &why, since);
        }
        self.spill(inner, now);
        self.apply_rule(inner, now);
    }

    fn spill(&self, inner: &mut Inner, now: Nanos) {
        if inner.spill_retry.is_some_and(|at| now < at) {
            return;
        }
        let mut result = inner.queue.spill();
        if result.is_ok() && now.since(inner.synced) >= SYNC_EVERY {
            inner.synced = now;
            result = inner.queue.sync();
        }
        match result {
            Ok(()) => inner.spill_retry = None,
            Err(error) => {
                let first = inner.spill_retry.is_none();
                inner.spill_retry = Some(now + SPILL_PAUSE);
                if first {
                    let (path, why) = (self.rule.spill.clone(), error.to_string());
                    self.tell(inner, &News::SpillFailing { path, why });
                }
            }
        }
    }

    fn apply_rule(&self, inner: &mut Inner, now: Nanos) {
        let lost = inner.queue.losses().lost + self.sink.lost.load(Ordering::Relaxed);
        if lost > inner.lost_told {
            // What cannot be recorded must not be traded.
            if inner.lost_told == 0 {
                self.tell(inner, &News::Lost { rows: lost });
            }
            inner.lost_told = lost;
            if !inner.halted {
                self.halt(inner);
            }
        }
        let (Some(since), Some(after)) = (inner.failing, self.rule.halt_after) else { return };
        if !inner.halted && now.since(since) > after && self.halt(inner) {
            self.tell(inner, &News::Halted { after });
        }
    }
}

/// Takes records in until there are no more senders; then keeps watch until the writer has ended.
pub(super) fn intake(shared: &Shared, records: &Receiver<Record>, mut translator: Translator) {
    let mut open = true;
    loop {
        std::thread::park_timeout(TAKE_EVERY);
        while open {
            match records.try_recv() {
                Ok(record) => translator.take(record),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => open = false,
            }
        }
        let mut inner = shared.lock();
        if !open && !inner.drained {
            for record in std::mem::take(&mut inner.leftover) {
                translator.take(record);
            }
            inner.drained = true;
            shared.wake.notify_all();
        }
        inner.queue.push(translator.rows());
        if inner.finished {
            return;
        }
        shared.look(&mut inner, crate::clock::now());
    }
}

/// Writes rows, and what it takes to do so.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) target: Target,
    pub(super) database: Option<Box<dyn Database>>,
    /// The session's first rows, for a database that was begun meanwhile.
    pub(super) first: Vec<Row>,
    /// Sessions of this trader are completed before the first row is written.
    pub(super) completed: bool,
    pub(super) trader: String,
    pub(super) account: String,
    pub(super) booked: Option<Booked>,
}

impl Writer {
    /// Writes until told to end, and everything is written or the time is up.
    pub(super) fn run(mut self) {
        let mut pause = Duration::ZERO;
        let mut written = Nanos::ZERO;
        while let Some(rows) = self.wait(written, pause) {
            match self.write(&rows) {
                Ok(()) => {
                    pause = Duration::ZERO;
                    self.done(&rows);
                }
                Err(fault) => {
                    pause = (pause * 2).clamp(RETRY.0, RETRY.1);
                    self.failed(&fault);
                    self.put_aside(&fault);
                }
            }
            written = crate::clock::now();
        }
        self.end();
    }

    /// The next rows; `None` when it is time to end.
    fn wait(&self, written: Nanos, pause: Duration) -> Option<Arc<Vec<Row>>> {
        let mut inner = self.shared.lock();
        loop {
            let now = crate::clock::now();
            let since = now.since(written);
            if let Some(until) = inner.closing
                && (now >= until || inner.queue.is_empty())
            {
                return None;
            }
            let many = inner.queue.in_memory() >= BATCH || inner.queue.in_file() > 0;
            let due = many || since >= WRITE_EVERY || inner.closing.is_some();
            if due && since >= pause {
                match inner.queue.take(BATCH) {
                    Ok(Some(rows)) => {
                        inner.flight_since = Some(now);
                        return Some(rows);
                    }
                    Ok(None) => {}
                    Err(error) => self.shared.failed(&mut inner, &error.to_string(), now),
                }
            }
            let nap = WRITE_EVERY / 4;
            inner = match self.shared.wake.wait_timeout(inner, nap) {
                Ok((inner, _)) => inner,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
    }

    fn write(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let database = match &mut self.database {
            Some(database) => database,
            none => {
                let mut database = connect(&self.target)?;
                database.write(&self.first)?;
                none.insert(database)
            }
        };
        if !self.completed {
            let (shared, session) = (&self.shared, self.shared.rule.session.clone());
            let tell = &mut |news: News| shared.tell(&mut shared.lock(), &news);
            recover::complete(database.as_mut(), &self.trader, &session, tell)?;
            if let Some(booked) = &self.booked {
                recover::fetch(database.as_mut(), booked, &session, &self.account, tell)?;
            }
            self.completed = true;
        }
        match database.write(rows) {
            Err(Fault::Row(_)) => self.write_each(rows),
            result => result,
        }
    }

    /// One row does not fit: all others are written, and it is kept beside the spill file.
    fn write_each(&mut self, rows: &[Row]) -> Result<(), Fault> {
        let Some(database) = &mut self.database else { return Ok(()) };
        for row in rows {
            let Err(fault) = database.write(std::slice::from_ref(row)) else { continue };
            let Fault::Row(why) = fault else { return Err(fault) };
            let kept = self.shared.rule.spill.with_extension("refused");
            keep_refused(&kept, row)?;
            let table = row.table.name();
            self.shared.tell(&mut self.shared.lock(), &News::Refused { table, why, kept });
        }
        Ok(())
    }

    fn done(&self, rows: &[Row]) {
        let mut inner = self.shared.lock();
        let now = crate::clock::now();
        inner.flight_since = None;
        inner.counts.transactions += 1;
        for row in rows {
            if let Some(slot) = Table::ALL.iter().position(|&table| table == row.table) {
                inner.counts.rows[slot] += 1;
            }
            let lag = now.since(Nanos(row.queued));
            inner.counts.worst_lag = inner.counts.worst_lag.max(lag);
        }
        if let Err(error) = inner.queue.done() {
            // Rows that are in the database already will be written again, which changes nothing.
            self.shared.failed(&mut inner, &error.to_string(), now);
            return;
        }
        if inner.queue.in_file() == 0
            && let Some(since) = inner.failing.take()
        {
            inner.halted = false;
            let news = News::Recovered { after: now.since(since), rows: rows.len() as u64 };
            self.shared.tell(&mut inner, &news);
        }
    }

    fn failed(&mut self, fault: &Fault) {
        // A connection that has failed once may be half dead.
        self.database = None;
        let mut inner = self.shared.lock();
        let since = inner.flight_since.take().unwrap_or_else(crate::clock::now);
        inner.queue.failed();
        self.shared.failed(&mut inner, &fault.to_string(), since);
    }

    /// A damaged file makes way for a new one.
    fn put_aside(&self, fault: &Fault) {
        let (Fault::Damaged(why), Target::Sqlite(path)) = (fault, &self.target) else { return };
        // Where it cannot be moved, the next attempt fails as this one did.
        if let Ok(aside) = sqlite::put_aside(path) {
            let news = News::Aside { why: why.clone(), aside };
            self.shared.tell(&mut self.shared.lock(), &news);
        }
    }

    /// What could not be written stays in the file for the next start.
    fn end(&mut self) {
        self.database = None;
        let mut inner = self.shared.lock();
        inner.flight_since = None;
        inner.queue.failed();
        if !inner.queue.is_empty() {
            let spill = self.shared.rule.spill.clone();
            let kept = inner.queue.spill().and_then(|()| inner.queue.sync());
            let news = match kept {
                Ok(()) => News::Kept { rows: inner.queue.in_file(), spill },
                Err(_) => News::Lost { rows: inner.queue.in_memory() as u64 },
            };
            (self.shared.rule.tell)(&news);
        }
        inner.finished = true;
        self.shared.wake.notify_all();
    }
}

/// A row that no database takes is for people to look at.
fn keep_refused(path: &std::path::Path, row: &Row) -> Result<(), Fault> {
    let wrong = |error: std::io::Error| Fault::Unavailable(format!("{}: {error}", path.display()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).map_err(wrong)?;
    writeln!(file, "{} {:?}", row.table.name(), row.values).map_err(wrong)?;
    file.sync_data().map_err(wrong)
}
