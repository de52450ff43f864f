//! Bounded lists that a writer never waits for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

/// The last so many items, oldest first, each with a number that counts up from zero.
#[derive(Debug)]
pub struct Ring<T> {
    capacity: usize,
    items: Mutex<VecDeque<T>>,
    written: AtomicU64,
}

impl<T: Clone> Ring<T> {
    /// Holds `capacity` items; all the memory it will ever use is taken here.
    pub fn with_capacity(capacity: usize) -> Self {
        let items = Mutex::new(VecDeque::with_capacity(capacity));
        Self { capacity, items, written: AtomicU64::new(0) }
    }

    /// Items ever written; the number of the next one.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    /// The newest `most` items, newest first.
    pub fn newest(&self, most: usize) -> Vec<T> {
        self.read(|items| items.iter().rev().take(most).cloned().collect())
    }

    /// Items numbered `from` and later that are still held, oldest first, and the number after the
    /// last of them.
    pub fn since(&self, from: u64) -> (Vec<T>, u64) {
        self.read(|items| {
            let written = self.written();
            let wanted = usize::try_from(written.saturating_sub(from)).unwrap_or(usize::MAX);
            let skip = items.len().saturating_sub(wanted);
            (items.iter().skip(skip).cloned().collect(), written)
        })
    }

    /// At most about `most` items spread evenly over those that pass `keep`, oldest first. The
    /// newest is always among them.
    pub fn sampled(&self, most: usize, keep: impl Fn(&T) -> bool) -> Vec<T> {
        self.read(|items| {
            let kept: Vec<&T> = items.iter().filter(|item| keep(item)).collect();
            let stride = kept.len().div_ceil(most.max(1)).max(1);
            let first = kept.len().saturating_sub(1) % stride;
            kept.into_iter().skip(first).step_by(stride).cloned().collect()
        })
    }

    /// Adds an item beside the one writer; waits for readers.
    pub(super) fn push(&self, item: T) {
        let mut items = self.items.lock().unwrap_or_else(PoisonError::into_inner);
        if items.len() == self.capacity {
            items.pop_front();
        }
        items.push_back(item);
        self.written.fetch_add(1, Ordering::Release);
    }

    fn read<R>(&self, look: impl FnOnce(&VecDeque<T>) -> R) -> R {
        look(&self.items.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The one writer of a [`Ring`]: what cannot be written while a reader copies waits here.
#[derive(Debug)]
pub(super) struct Writer<T> {
    pending: VecDeque<T>,
}

impl<T> Default for Writer<T> {
    fn default() -> Self {
        Self { pending: VecDeque::new() }
    }
}

impl<T> Writer<T> {
    pub(super) fn push(&mut self, ring: &Ring<T>, item: T) {
        if self.pending.len() == ring.capacity {
            self.pending.pop_front();
        }
        self.pending.push_back(item);
        self.flush(ring);
    }

    /// Writes what waits, unless a reader is copying right now.
    pub(super) fn flush(&mut self, ring: &Ring<T>) {
        if self.pending.is_empty() {
            return;
        }
        let mut items = match ring.items.try_lock() {
            Ok(items) => items,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let count = self.pending.len() as u64;
        for item in self.pending.drain(..) {
            if items.len() == ring.capacity {
                items.pop_front();
            }
            items.push_back(item);
        }
        ring.written.fetch_add(count, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(capacity: usize, count: u32) -> Ring<u32> {
        let ring = Ring::with_capacity(capacity);
        let mut writer = Writer::default();
        (0..count).for_each(|item| writer.push(&ring, item));
        ring
    }

    #[test]
    fn keeps_the_newest() {
        let ring = ring(3, 5);
        assert_eq!(ring.written(), 5);
        assert_eq!(ring.newest(2), [4, 3]);
        assert_eq!(ring.since(0), (vec![2, 3, 4], 5));
        assert_eq!(ring.since(4), (vec![4], 5));
        assert_eq!(ring.since(9), (vec![], 5));
    }

    #[test]
    fn samples_end_with_the_newest() {
        let ring = ring(100, 100);
        assert_eq!(ring.sampled(4, |_| true), [24, 49, 74, 99]);
        assert_eq!(ring.sampled(1000, |&item| item > 97), [98, 99]);
        assert!(ring.sampled(0, |_| true).ends_with(&[99]));
    }

    #[test]
    fn a_writer_does_not_wait_for_a_reader() {
        let ring = Ring::with_capacity(10);
        let mut writer = Writer::default();
        ring.read(|_| writer.push(&ring, 1));
        assert_eq!(ring.written(), 0, "it was busy");
        writer.push(&ring, 2);
        assert_eq!(ring.since(0), (vec![1, 2], 2));
    }
}
