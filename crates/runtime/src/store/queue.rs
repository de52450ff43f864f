//! Rows on their way to the database: in memory, and in the spill file when it does not take them.
//!
//! The order is always the same: the rows that are just being written, then the spill file, then memory.
//! Rows leave memory for the file when the database fails or is slow, so that a crash then loses none.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::rows::Row;
use super::spill::Spill;

/// Rows kept in memory, where neither the database nor the file takes them.
pub(super) const MEMORY_MAX: usize = 200_000;
/// Bytes of the spill file: hundreds of hours of an ordinary session.
pub(super) const SPILL_BYTES_MAX: u64 = 4 << 30;

/// Where rows that are being written came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Memory; `secured` when the file holds a copy.
    Memory { secured: bool },
    /// The file, up to this byte.
    File { end: u64 },
}

/// What may have been lost, and what was left out on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Snapshots left out because there was no room.
    pub(super) thinned: u64,
    /// Rows for which there was no room anywhere.
    pub(super) lost: u64,
}

/// Rows that are not in the database yet.
#[derive(Debug)]
pub(super) struct Queue {
    memory: VecDeque<Row>,
    spill: Option<Spill>,
    /// Rows go to the file.
    spilling: bool,
    flight: Option<(Arc<Vec<Row>>, Source)>,
    losses: Losses,
    memory_max: usize,
}

impl Queue {
    /// Goes on with what a file holds. Without a file, memory is all there is.
    pub(super) fn new(spill: Option<Spill>, memory_max: usize) -> Self {
        let spilling = spill.as_ref().is_some_and(|spill| spill.rows() > 0);
        Self {
            memory: VecDeque::new(),
            spill,
            spilling,
            flight: None,
            losses: Losses::default(),
            memory_max,
        }
    }

    /// Takes rows.
    pub(super) fn push(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            if self.memory.len() >= self.memory_max && !self.make_room() {
                match row.spare {
                    true => self.losses.thinned += 1,
                    false => self.losses.lost += 1,
                }
                continue;
            }
            self.memory.push_back(row);
        }
    }

    /// Leaves out the oldest snapshots, half of what there are at least.
    fn make_room(&mut self) -> bool {
        let spare = self.memory.iter().filter(|row| row.spare).count();
        let mut left = spare.div_ceil(2);
        self.losses.thinned += left as u64;
        self.memory.retain(|row| {
            let out = row.spare && left > 0;
            left -= usize::from(out);
            !out
        });
        spare > 0
    }

    /// The next rows to be written; they stay until [`done`](Self::done) or
    /// [`failed`](Self::failed).
    pub(super) fn take(&mut self, most: usize) -> io::Result<Option<Arc<Vec<Row>>>> {
        if let Some((rows, _)) = &self.flight {
            return Ok(Some(Arc::clone(rows)));
        }
        let (rows, source) = match &self.spill {
            Some(spill) if spill.rows() > 0 => {
                let (rows, end) = spill.peek(most)?;
                (rows, Source::File { end })
            }
            _ => {
                let count = self.memory.len().min(most);
                (self.memory.drain(..count).collect(), Source::Memory { secured: false })
            }
        };
        if rows.is_empty() {
            return Ok(None);
        }
        let rows = Arc::new(rows);
        self.flight = Some((Arc::clone(&rows), source));
        Ok(Some(rows))
    }

    /// The rows that were taken are in the database. When nothing is left in the file, memory is enough.
    pub(super) fn done(&mut self) -> io::Result<()> {
        let Some((rows, source)) = self.flight.take() else { return Ok(()) };
        let Some(spill) = &mut self.spill else { return Ok(()) };
        if let Source::File { end } = source {
            spill.advance(end, rows.len() as u64)?;
        }
        self.spilling = spill.rows() > 0;
        Ok(())
    }

    /// The rows that were taken are not in the database; they will be taken again.
    pub(super) fn failed(&mut self) {
        let Some((rows, source)) = self.flight.take() else { return };
        if source == (Source::Memory { secured: false }) {
            for row in rows.iter().rev() {
                self.memory.push_front(row.clone());
            }
        }
        self.spilling = true;
    }

    /// From now on rows go to the file, until the database has taken all of them.
    pub(super) fn begin_spilling(&mut self) {
        self.spilling = true;
    }

    /// Moves to the file what should be there. On an error everything stays in memory.
    pub(super) fn spill(&mut self) -> io::Result<()> {
        let Some(spill) = &mut self.spill else { return Ok(()) };
        if !self.spilling {
            return Ok(());
        }
        if let Some((rows, source @ Source::Memory { secured: false })) = &mut self.flight {
            // They were taken while the file was empty: their copies come first.
            spill.append(rows.iter())?;
            *source = Source::Memory { secured: true };
        }
        if !self.memory.is_empty() {
            if spill.bytes() > SPILL_BYTES_MAX {
                return Err(io::Error::other(format!(
                    "{} has reached {SPILL_BYTES_MAX} bytes",
                    spill.path().display()
                )));
            }
            spill.append(self.memory.iter())?;
            self.memory.clear();
        }
        Ok(())
    }

    /// Makes the file survive a power failure.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.spill.as_mut().map_or(Ok(()), Spill::sync)
    }

    /// Rows in memory, those being written included.
    pub(super) fn in_memory(&self) -> usize {
        let flying = match &self.flight {
            Some((rows, Source::Memory { secured: false })) => rows.len(),
            _ => 0,
        };
        self.memory.len() + flying
    }

    /// Rows in the file.
    pub(super) fn in_file(&self) -> u64 {
        self.spill.as_ref().map_or(0, Spill::rows)
    }

    /// Whether everything is in the database.
    pub(super) fn is_empty(&self) -> bool {
        self.in_memory() == 0 && self.in_file() == 0 && self.flight.is_none()
    }

    /// When the oldest row came to be.
    pub(super) fn oldest(&self) -> Option<u64> {
        let flying = self.flight.as_ref().and_then(|(rows, _)| rows.first());
        if let Some(row) = flying {
            return Some(row.queued);
        }
        if self.in_file() > 0
            && let Some(Ok((rows, _))) = self.spill.as_ref().map(|spill| spill.peek(1))
        {
            return rows.first().map(|row| row.queued);
        }
        self.memory.front().map(|row| row.queued)
    }

    /// What may have been lost.
    pub(super) fn losses(&self) -> Losses {
        self.losses
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::super::rows::{Table, Value};
    use super::*;

    fn row(number: i64) -> Row {
        let cells = Table::ConfigVersions.columns().len();
        Row::new(Table::ConfigVersions, vec![Value::Int(number); cells])
    }

    fn number(row: &Row) -> i64 {
        row.values[0].as_int().unwrap()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Push(u8),
        Take,
        Done,
        Failed,
        Slow,
        Spill,
        /// Killed and started again: memory is gone.
        Crash,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1_u8..9).prop_map(Step::Push),
            4 => Just(Step::Take),
            3 => Just(Step::Done),
            2 => Just(Step::Failed),
            1 => Just(Step::Slow),
            3 => Just(Step::Spill),
            1 => Just(Step::Crash),
        ];
        prop::collection::vec(step, 1..80)
    }

    /// A database that remembers the last it was told of each row, and in which order.
    #[derive(Default)]
    struct Naive {
        seen: BTreeSet<i64>,
        /// What a last-state table would hold.
        last: i64,
    }

    impl Naive {
        fn write(&mut self, rows: &[Row]) {
            self.seen.extend(rows.iter().map(number));
            self.last = rows.last().map_or(self.last, number);
        }
    }

    fn run(steps: &[Step], path: PathBuf) {
        let open = || Queue::new(Some(Spill::open(&path).unwrap().0), MEMORY_MAX);
        let (mut queue, mut naive) = (open(), Naive::default());
        let (mut pushed, mut volatile) = (0, BTreeSet::new());
        let mut taken: Option<Arc<Vec<Row>>> = None;
        let mut gone = BTreeSet::new();
        for step in steps {
            match step {
                Step::Push(count) => {
                    for _ in 0..*count {
                        pushed += 1;
                        volatile.insert(pushed);
                        queue.push([row(pushed)]);
                    }
                }
                Step::Take => taken = queue.take(5).unwrap(),
                Step::Done => {
                    if let Some(rows) = taken.take() {
                        naive.write(&rows);
                        for row in rows.iter() {
                            volatile.remove(&number(row));
                        }
                        queue.done().unwrap();
                    }
                }
                Step::Failed => {
                    taken = None;
                    queue.failed();
                }
                Step::Slow => queue.begin_spilling(),
                Step::Spill => {
                    queue.spill().unwrap();
                    if queue.spilling {
                        volatile.clear();
                    }
                }
                Step::Crash => {
                    // Only what was in memory alone may be gone.
                    gone.append(&mut volatile);
                    taken = None;
                    drop(queue);
                    queue = open();
                }
            }
        }
        queue.failed();
        while let Some(rows) = queue.take(5).unwrap() {
            naive.write(&rows);
            queue.done().unwrap();
        }
        assert!(queue.is_empty());
        assert_eq!(queue.losses(), Losses::default());
        for number in 1..=pushed {
            assert!(naive.seen.contains(&number) || gone.contains(&number), "{number} is lost");
        }
        let newest = naive.seen.iter().last().copied().unwrap_or(0);
        assert_eq!(naive.last, newest, "the last state is not the newest");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn nothing_is_lost_and_the_newest_comes_last(steps in steps(), seed in any::<u64>()) {
            let name = format!("mm-queue-{}-{seed:016x}", std::process::id());
            let path = std::env::temp_dir().join(name);
            run(&steps, path.clone());
            let _ = std::fs::remove_file(path);
        }
    }

    #[test]
    fn without_room_snapshots_go_first_and_losses_are_counted() {
        let mut queue = Queue::new(None, 10);
        let spare = |number| Row { spare: true, ..row(number) };
        queue.push((0..4).map(spare));
        queue.push((4..10).map(row));
        queue.push((10..12).map(row));
        assert_eq!(queue.losses(), Losses { thinned: 2, lost: 0 });
        queue.push((12..16).map(row));
        assert_eq!(queue.losses(), Losses { thinned: 4, lost: 2 });
        queue.push([spare(16)]);
        assert_eq!(queue.losses(), Losses { thinned: 5, lost: 2 });
    }
}
