//! One side of a book: an array of prices around the best, and a sorted list of what lies beyond.
//!
//! Nearly all changes are near the touch, where a price is an index and nothing is moved to make
//! room. A sorted list alone would shift thousands of levels for each change far behind the touch,
//! and search through them for every other.

use crate::event::Level;
use crate::units::{Price, Qty, Side};

/// Prices in the array; a power of two. Of BTCUSDT at a tick of 0.1 they hold all within 2 %.
const SPAN: usize = 16_384;
/// Where the array is laid around the best: this many better prices fit before it must be moved.
const AHEAD: usize = SPAN / 4;
/// With fewer worse prices than this in the array, it is moved.
const BEHIND_MIN: usize = SPAN / 4;
const WORD: usize = u64::BITS as usize;

/// The levels of one side.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    side: Side,
    /// Price of the first slot.
    base: i64,
    /// Quantities by price; meaningless where the slot is not taken. Empty until first needed.
    slots: Vec<Qty>,
    /// A bit for every slot that holds a level.
    taken: Vec<u64>,
    /// Number of them.
    near: usize,
    /// Slot of the best level; `None` when the side is empty.
    best: Option<usize>,
    /// Levels worse than any slot, the worst first.
    far: Vec<Level>,
}

impl Ladder {
    /// An empty side.
    pub(super) const fn new(side: Side) -> Self {
        Self {
            side,
            base: 0,
            slots: Vec::new(),
            taken: Vec::new(),
            near: 0,
            best: None,
            far: Vec::new(),
        }
    }

    /// An empty side with room for `levels` before it allocates again.
    pub(super) fn with_capacity(side: Side, levels: usize) -> Self {
        let mut ladder = Self::new(side);
        ladder.far.reserve(levels);
        ladder.make_slots();
        ladder
    }

    fn make_slots(&mut self) {
        if self.slots.is_empty() {
            self.slots = vec![Qty::ZERO; SPAN];
            self.taken = vec![0; SPAN / WORD];
        }
    }

    /// Replaces everything. Levels without quantity are left out, and of a price that comes twice
    /// one stays.
    pub(super) fn replace(&mut self, levels: &[Level]) {
        self.make_slots();
        self.clear_slots();
        self.far.clear();
        self.far.extend(levels.iter().filter(|level| !level.qty.is_zero()));
        let side = self.side;
        self.far.sort_unstable_by(|a, b| worst_first(side, a.price, b.price));
        self.far.dedup_by_key(|level| level.price);
        self.fill_slots();
    }

    /// Sets the quantity at a price; zero takes the level away.
    pub(super) fn set(&mut self, level: Level) {
        match self.slot(level.price) {
            Some(slot) if !self.slots.is_empty() => self.set_near(slot, level.qty),
            Some(_) | None => self.set_elsewhere(level),
        }
    }

    /// The best level.
    pub(super) fn best(&self) -> Option<Level> {
        self.best.map(|slot| self.at(slot))
    }

    /// Number of levels.
    pub(super) fn len(&self) -> usize {
        self.near + self.far.len()
    }

    /// Quantity at a price, zero where there is no level.
    pub(super) fn qty_at(&self, price: Price) -> Qty {
        match self.slot(price) {
            Some(slot) if self.is_taken(slot) => self.slots[slot],
            Some(_) => Qty::ZERO,
            None => match self.position(price) {
                Ok(index) => self.far[index].qty,
                Err(_) => Qty::ZERO,
            },
        }
    }

    /// All levels, best first.
    pub(super) fn best_first(&self) -> impl Iterator<Item = Level> + '_ {
        let near = std::iter::successors(self.best, |&slot| self.worse(slot));
        near.map(|slot| self.at(slot)).chain(self.far.iter().rev().copied())
    }

    /// Feeds the levels into a hasher as a list, worst first.
    pub(super) fn hash_into(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        self.len().hash(hasher);
        self.far.iter().for_each(|level| level.hash(hasher));
        let mut worst_first = self.worst();
        while let Some(slot) = worst_first {
            self.at(slot).hash(hasher);
            worst_first = self.better(slot);
        }
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When it does not: a bug of ours.
    pub(super) fn assert_invariants(&self) {
        let side = self.side;
        assert!(self.far.is_sorted_by(|a, b| side.is_better(b.price, a.price)), "{side} unsorted");
        assert!(self.far.iter().all(|level| !level.qty.is_zero()), "{side} holds an empty level");
        if let (Some(far), Some(worst)) = (self.far.last(), self.worst()) {
            assert!(side.is_better(self.at(worst).price, far.price), "{side} is torn");
        }
        assert_eq!(self.best.is_none(), self.len() == 0, "{side} hides what it holds");
    }

    fn slot(&self, price: Price) -> Option<usize> {
        let offset = price.raw().wrapping_sub(self.base);
        usize::try_from(offset).ok().filter(|slot| *slot < SPAN)
    }

    fn at(&self, slot: usize) -> Level {
        Level { price: Price::new(self.base.wrapping_add(slot as i64)), qty: self.slots[slot] }
    }

    fn is_taken(&self, slot: usize) -> bool {
        self.taken.get(slot / WORD).is_some_and(|word| word >> (slot % WORD) & 1 == 1)
    }

    fn set_near(&mut self, slot: usize, qty: Qty) {
        let (word, bit) = (&mut self.taken[slot / WORD], 1 << (slot % WORD));
        let was_taken = *word & bit != 0;
        if !qty.is_zero() {
            self.slots[slot] = qty;
            if !was_taken {
                *word |= bit;
                self.near += 1;
                self.on_new(slot);
            }
        } else if was_taken {
            *word &= !bit;
            self.near -= 1;
            if self.best == Some(slot) {
                self.on_best_gone(slot);
            }
        }
    }

    fn on_new(&mut self, slot: usize) {
        let is_best = self.best.is_none_or(|best| match self.side {
            Side::Buy => slot > best,
            Side::Sell => slot < best,
        });
        if is_best {
            self.best = Some(slot);
        }
    }

    fn on_best_gone(&mut self, slot: usize) {
        self.best = self.worse(slot);
        let behind = |best: usize| match self.side {
            Side::Buy => best,
            Side::Sell => SPAN - 1 - best,
        };
        if self.best.is_none_or(|best| behind(best) < BEHIND_MIN) {
            self.empty_slots();
            self.fill_slots();
        }
    }

    /// Beyond the array, or before there is one.
    fn set_elsewhere(&mut self, level: Level) {
        let is_behind =
            self.best().is_some_and(|best| self.side.is_better(best.price, level.price));
        if is_behind {
            return self.set_far(level);
        }
        if level.qty.is_zero() {
            return;
        }
        // Better than all: the array moves there.
        self.make_slots();
        self.empty_slots();
        self.far.push(level);
        self.fill_slots();
    }

    fn set_far(&mut self, level: Level) {
        match (self.position(level.price), level.qty.is_zero()) {
            (Ok(index), true) => {
                self.far.remove(index);
            }
            (Ok(index), false) => self.far[index].qty = level.qty,
            (Err(index), false) => self.far.insert(index, level),
            (Err(_), true) => {}
        }
    }

    fn position(&self, price: Price) -> Result<usize, usize> {
        self.far.binary_search_by(|level| worst_first(self.side, level.price, price))
    }

    fn clear_slots(&mut self) {
        self.taken.fill(0);
        (self.near, self.best) = (0, None);
    }

    /// Moves what is in the array to the list.
    fn empty_slots(&mut self) {
        let mut next = self.worst();
        while let Some(slot) = next {
            self.far.push(self.at(slot));
            next = self.better(slot);
        }
        self.clear_slots();
    }

    /// Lays the array around the best level of the list, and moves what fits into it.
    fn fill_slots(&mut self) {
        let Some(best) = self.far.last().map(|level| level.price.raw()) else { return };
        let last_base = i64::MAX - (SPAN as i64 - 1);
        self.base = match self.side {
            Side::Buy => best.saturating_sub((SPAN - 1 - AHEAD) as i64),
            Side::Sell => best.saturating_sub(AHEAD as i64),
        }
        .min(last_base);
        while let Some(level) = self.far.last().copied() {
            let Some(slot) = self.slot(level.price) else { break };
            self.far.pop();
            self.taken[slot / WORD] |= 1 << (slot % WORD);
            self.slots[slot] = level.qty;
            self.near += 1;
            self.best.get_or_insert(slot);
        }
    }

    /// The next level behind a slot.
    fn worse(&self, slot: usize) -> Option<usize> {
        match self.side {
            Side::Buy => self.below(slot),
            Side::Sell => self.from(slot + 1),
        }
    }

    /// The next level in front of a slot.
    fn better(&self, slot: usize) -> Option<usize> {
        match self.side {
            Side::Buy => self.from(slot + 1),
            Side::Sell => self.below(slot),
        }
    }

    /// The worst level of the array.
    fn worst(&self) -> Option<usize> {
        match self.side {
            Side::Buy => self.from(0),
            Side::Sell => self.below(SPAN),
        }
    }

    /// The first slot taken at or after this one.
    fn from(&self, slot: usize) -> Option<usize> {
        let mut index = slot / WORD;
        let mut word = self.taken.get(index)? & (u64::MAX << (slot % WORD));
        while word == 0 {
            index += 1;
            word = *self.taken.get(index)?;
        }
        Some(index * WORD + word.trailing_zeros() as usize)
    }

    /// The last slot taken before this one.
    fn below(&self, slot: usize) -> Option<usize> {
        let mut index = slot / WORD;
        let mut word = self.taken.get(index).map_or(0, |word| word & ((1 << (slot % WORD)) - 1));
        while word == 0 {
            index = index.checked_sub(1)?;
            word = *self.taken.get(index)?;
        }
        Some(index * WORD + WORD - 1 - word.leading_zeros() as usize)
    }
}

fn worst_first(side: Side, a: Price, b: Price) -> std::cmp::Ordering {
    match side {
        Side::Buy => a.cmp(&b),
        Side::Sell => b.cmp(&a),
    }
}
