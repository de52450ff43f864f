//! A limit order book with every order in it: price first, then time.
//!
//! Levels are found by price, orders within a level are a linked queue through a slab, so that
//! joining, leaving and filling cost the same however long the queue is.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use market::{Level, Price, Qty, Side, VenueOrderId};

use crate::config::AccountId;
use crate::orders::Order;
use crate::venue::{Liquidity, Match};

const NIL: u32 = u32::MAX;

/// Where an order rests. Stays valid as a name after the order is gone: it then finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    slot: u32,
    id: i64,
}

/// An order in the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resting {
    /// The venue's number for it, unique.
    pub id: i64,
    /// Whose.
    pub owner: AccountId,
    /// Side.
    pub side: Side,
    /// Limit.
    pub price: Price,
    /// What is left of it, in lots.
    pub qty: Qty,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    order: Resting,
    previous: u32,
    next: u32,
}

#[derive(Clone, Copy, Debug)]
struct Queue {
    head: u32,
    tail: u32,
    total: Qty,
}

/// The book of one instrument.
#[derive(Clone, Debug, Default)]
pub struct OrderBook {
    levels: [BTreeMap<Price, Queue>; 2],
    nodes: Vec<Node>,
    free: Vec<u32>,
    changed: Vec<(Side, Price)>,
    changes: u64,
}

impl OrderBook {
    /// Puts an order at the tail of its level. The caller has matched it before: the book does not.
    ///
    /// # Panics
    /// When the quantity is zero: a bug of the caller.
    pub fn insert(&mut self, order: Resting) -> Handle {
        assert!(!order.qty.is_zero(), "an order of nothing");
        let node = Node { order, previous: NIL, next: NIL };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot as usize] = node;
                slot
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).expect("fewer than 2^32 orders")
            }
        };
        let queue = self.levels[order.side.index()].entry(order.price).or_insert(Queue {
            head: slot,
            tail: NIL,
            total: Qty::ZERO,
        });
        queue.total += order.qty;
        let tail = std::mem::replace(&mut queue.tail, slot);
        if tail != NIL {
            self.nodes[tail as usize].next = slot;
            self.nodes[slot as usize].previous = tail;
        }
        self.note(order.side, order.price);
        Handle { slot, id: order.id }
    }

    /// The order, if it still rests.
    pub fn get(&self, handle: Handle) -> Option<&Resting> {
        self.nodes.get(handle.slot as usize).map(|n| &n.order).filter(|order| {
            // A freed slot keeps its old id but no quantity.
            order.id == handle.id && !order.qty.is_zero()
        })
    }

    /// Takes an order out; says what was left of it.
    pub fn remove(&mut self, handle: Handle) -> Option<Qty> {
        let left = self.get(handle)?.qty;
        self.shrink(handle, left);
        Some(left)
    }

    /// Takes a quantity off an order without moving it in its queue; it leaves when nothing is left.
    ///
    /// # Panics
    /// When the order is gone or smaller: a bug of the caller.
    pub fn shrink(&mut self, handle: Handle, by: Qty) {
        let node = &mut self.nodes[handle.slot as usize];
        assert!(node.order.id == handle.id, "order {} is gone", handle.id);
        node.order.qty -= by;
        let node = *node;
        let levels = &mut self.levels[node.order.side.index()];
        let queue = levels.get_mut(&node.order.price).expect("a resting order has a level");
        queue.total -= by;
        if node.order.qty.is_zero() {
            match node.previous {
                NIL => queue.head = node.next,
                previous => self.nodes[previous as usize].next = node.next,
            }
            match node.next {
                NIL => queue.tail = node.previous,
                next => self.nodes[next as usize].previous = node.previous,
            }
            if queue.head == NIL {
                levels.remove(&node.order.price);
            }
            self.free.push(handle.slot);
        }
        self.note(node.order.side, node.order.price);
    }

    /// First in the queue of the best level of a side.
    pub fn front(&self, side: Side) -> Option<(Handle, Resting)> {
        let (_, queue) = self.best_queue(side)?;
        let order = self.nodes[queue.head as usize].order;
        Some((Handle { slot: queue.head, id: order.id }, order))
    }

    /// Best level of a side.
    pub fn best(&self, side: Side) -> Option<Level> {
        self.best_queue(side).map(|(price, queue)| Level { price, qty: queue.total })
    }

    /// Quantity resting at a price.
    pub fn qty_at(&self, side: Side, price: Price) -> Qty {
        self.levels[side.index()].get(&price).map_or(Qty::ZERO, |queue| queue.total)
    }

    /// Levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        let level = |(price, queue): (&Price, &Queue)| Level { price: *price, qty: queue.total };
        let (bids, asks) = match side {
            Side::Buy => (Some(self.levels[0].iter().rev().map(level)), None),
            Side::Sell => (None, Some(self.levels[1].iter().map(level))),
        };
        bids.into_iter().flatten().chain(asks.into_iter().flatten())
    }

    /// Orders of a side in the order in which they would trade.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = Resting> + '_ {
        self.levels(side).flat_map(move |level| {
            let mut slot = self.levels[side.index()][&level.price].head;
            std::iter::from_fn(move || {
                let node = self.nodes.get(slot as usize)?;
                slot = node.next;
                Some(node.order)
            })
        })
    }

    /// Number of resting orders.
    pub fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// Whether nothing rests.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes so far; the id of the newest book update.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether anything changed since [`OrderBook::take_changed`].
    pub fn is_dirty(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Levels touched since the last call, with their present quantities (zero when gone).
    pub fn take_changed(&mut self, side: Side, into: &mut Vec<Level>) {
        let touched = self.changed.extract_if(.., |(changed, _)| *changed == side);
        into.extend(touched.map(|(_, price)| Level { price, qty: Qty::ZERO }));
        into.sort_unstable_by_key(|level| level.price);
        into.dedup_by_key(|level| level.price);
        for level in into {
            level.qty = self.qty_at(side, level.price);
        }
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub fn hash_into(&self, hasher: &mut impl Hasher) {
        self.changes.hash(hasher);
        self.changed.hash(hasher);
        for order in Side::BOTH.into_iter().flat_map(|side| self.orders(side)) {
            order.hash(hasher);
        }
    }

    /// Checks what must always hold.
    ///
    /// # Panics
    /// When the book is crossed or a level's total is wrong: a bug of ours.
    pub fn assert_invariants(&self) {
        if let (Some(bid), Some(ask)) = (self.best(Side::Buy), self.best(Side::Sell)) {
            assert!(bid.price < ask.price, "crossed: {bid:?} {ask:?}");
        }
        for side in Side::BOTH {
            let sum: Qty = self.orders(side).map(|order| order.qty).sum();
            let total: Qty = self.levels(side).map(|level| level.qty).sum();
            assert!(sum == total, "{side}: orders {sum:?}, levels {total:?}");
        }
    }

    fn best_queue(&self, side: Side) -> Option<(Price, Queue)> {
        let levels = &self.levels[side.index()];
        let best = match side {
            Side::Buy => levels.last_key_value(),
            Side::Sell => levels.first_key_value(),
        };
        best.map(|(price, queue)| (*price, *queue))
    }

    fn note(&mut self, side: Side, price: Price) {
        self.changes += 1;
        if self.changed.last() != Some(&(side, price)) {
            self.changed.push((side, price));
        }
    }
}

impl Liquidity for OrderBook {
    fn is_open(&self) -> bool {
        true
    }

    fn best(&self, side: Side) -> Option<Price> {
        self.best_queue(side).map(|(price, _)| price)
    }

    fn takeable(&self, taker: AccountId, side: Side, limit: Price, want: Qty) -> Qty {
        let mut sum = Qty::ZERO;
        for order in self.orders(side.opposite()) {
            if sum >= want || !side.crosses(limit, order.price) {
                break;
            }
            if order.owner != taker {
                sum += order.qty;
            }
        }
        sum.min(want)
    }

    fn take(&mut self, taker: AccountId, side: Side, limit: Price, want: Qty) -> Option<Match> {
        let (handle, order) = self.front(side.opposite())?;
        if !side.crosses(limit, order.price) {
            return None;
        }
        let id = VenueOrderId(order.id);
        if order.owner == taker {
            self.remove(handle);
            return Some(Match::Own(id));
        }
        let qty = want.min(order.qty);
        self.shrink(handle, qty);
        Some(Match::Trade { maker: Some((order.owner, id)), price: order.price, qty })
    }

    fn rest(&mut self, owner: AccountId, order: &Order) -> u64 {
        let resting = Resting {
            id: order.venue_id.0,
            owner,
            side: order.side,
            price: order.price,
            qty: order.left(),
        };
        u64::from(self.insert(resting).slot)
    }

    fn shrink(&mut self, place: u64, id: VenueOrderId, by: Qty) {
        let slot = u32::try_from(place).expect("a slot of this book");
        OrderBook::shrink(self, Handle { slot, id: id.0 }, by);
    }
}
