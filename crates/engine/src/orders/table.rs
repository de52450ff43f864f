//! All orders of one desk.

use std::collections::VecDeque;

use market::{ClientOrderId, Nanos, Price, Qty, Side};

use crate::orders::order::Order;

/// Ended orders remembered, so that late reports find their order.
const DONE_MAX: usize = 256;
/// Live orders expected at most; more work, but allocate.
const LIVE_EXPECTED: usize = 64;

/// The orders of one desk: those that may still trade, and a memory of those that ended.
#[derive(Clone, Debug)]
pub struct Orders {
    live: Vec<Order>,
    done: VecDeque<Order>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            live: Vec::with_capacity(LIVE_EXPECTED),
            done: VecDeque::with_capacity(DONE_MAX + 1),
        }
    }
}

impl Orders {
    /// Orders that are not done.
    pub fn live(&self) -> &[Order] {
        &self.live
    }

    /// Adds an order.
    pub fn insert(&mut self, order: Order) {
        debug_assert!(self.get_mut(order.client_id).is_none(), "{} twice", order.client_id);
        self.live.push(order);
    }

    /// An order by our name, ended ones included as far as they are remembered.
    pub fn get_mut(&mut self, client_id: ClientOrderId) -> Option<&mut Order> {
        let live = self.live.iter_mut().find(|order| order.client_id == client_id);
        live.or_else(|| self.done.iter_mut().rev().find(|order| order.client_id == client_id))
    }

    /// Moves orders between the two lists after their states changed.
    pub fn settle(&mut self, client_id: ClientOrderId) {
        if let Some(index) = self.live.iter().position(|order| order.client_id == client_id) {
            if !self.live[index].state.is_exposed() {
                self.done.push_back(self.live.remove(index));
                if self.done.len() > DONE_MAX {
                    self.done.pop_front();
                }
            }
        } else if let Some(index) = self
            .done
            .iter()
            .position(|order| order.client_id == client_id && order.state.is_exposed())
        {
            self.live.extend(self.done.remove(index));
        }
    }

    /// Whether nothing can trade any more.
    pub fn is_flat(&self) -> bool {
        self.live.is_empty()
    }

    /// Number of orders that are not done.
    pub fn count(&self) -> u32 {
        self.live.len() as u32
    }

    /// Lots on a side that might still trade, leaving out one order.
    pub fn exposed(&self, side: Side, except: Option<ClientOrderId>) -> Qty {
        self.live
            .iter()
            .filter(|order| order.side == side && Some(order.client_id) != except)
            .map(Order::exposed)
            .sum()
    }

    /// The most aggressive of our own prices on a side that might still trade.
    pub fn best(&self, side: Side) -> Option<Price> {
        let prices = self.live.iter().filter(|order| order.side == side).map(Order::keenest_price);
        prices.reduce(|best, price| if side.is_better(price, best) { price } else { best })
    }

    /// The next time an order wants to be asked about.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.live.iter().filter_map(|order| order.ask_at).min()
    }

    /// Feeds everything that decides future behaviour into a hasher.
    pub fn hash_into(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        self.live.hash(hasher);
        self.done.hash(hasher);
    }
}
