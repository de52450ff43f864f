//! Make live orders equal the target with the fewest requests.
//!
//! A pure function from (target, orders) to actions. What is close enough is left alone, so that
//! noise does not churn quotes and lose queue position; what must move is amended where allowed (one
//! request, never unquoted in between), else canceled and placed anew. Moving away from the market
//! is never delayed; moving towards it waits until the order has rested `min_interval`.

use arrayvec::ArrayVec;
use market::{ClientOrderId, Nanos, Price, Qty, Side, Ticks};
use quoting::{MAX_RUNGS, Quote};

use crate::config::Requote;
use crate::orders::order::{Order, State};

/// Actions per side and turn: at most one per rung and one per order; the rest waits a turn.
pub const ACTIONS_MAX: usize = 2 * MAX_RUNGS;

/// One request that brings orders closer to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Cancel this order.
    Cancel(ClientOrderId),
    /// Give this order a new price and total quantity.
    Amend {
        /// The order.
        client_id: ClientOrderId,
        /// New limit.
        price: Price,
        /// New total quantity, filled part included.
        qty: Qty,
        /// Whether it moves away from the market or shrinks: never to be put off.
        away: bool,
    },
    /// A new order.
    Place(Quote),
}

/// What one side should look like.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Which side.
    pub side: Side,
    /// Wanted quotes, best first.
    pub quotes: &'a [Quote],
    /// Whether they may only shrink the position.
    pub reduce_only: bool,
    /// An order nearer to the market than wanted by up to this is left alone.
    pub tolerance: Ticks,
    /// An order farther from the market than wanted by up to this is left alone.
    pub slack: Ticks,
}

/// Actions for one side, and when to look again if something was put off.
pub type Plan = (ArrayVec<Action, ACTIONS_MAX>, Option<Nanos>);

/// Plans one side.
pub fn plan(now: Nanos, target: &Target<'_>, orders: &[Order], rules: &Requote) -> Plan {
    let mut actions = ArrayVec::new();
    let mut later = None;
    let mut wanted: ArrayVec<Quote, MAX_RUNGS> = target.quotes.iter().copied().collect();
    let mut spare: ArrayVec<&Order, ACTIONS_MAX> = ArrayVec::new();

    for order in orders.iter().filter(|order| order.side == target.side) {
        match order.state {
            State::Live => {
                let _ = spare.try_push(order);
            }
            State::PendingNew { .. } | State::PendingAmend { .. } | State::InDoubt { .. } => {
                // Under way or unknown: it takes the place of the rung it is nearest to.
                if target.quotes.is_empty() && !matches!(order.state, State::InDoubt { .. }) {
                    let _ = actions.try_push(Action::Cancel(order.client_id));
                } else if let Some(index) = nearest(&wanted, order.intended_price()) {
                    wanted.remove(index);
                }
            }
            State::PendingCancel { .. } | State::Done(_) => {}
        }
    }
    keep_what_is_close(target, &mut wanted, &mut spare, rules);
    move_what_is_left(now, target, &mut wanted, &mut spare, rules, &mut actions, &mut later);
    for order in spare {
        let _ = actions.try_push(Action::Cancel(order.client_id));
    }
    for quote in wanted {
        let _ = actions.try_push(Action::Place(quote));
    }
    (actions, later)
}

fn keep_what_is_close(
    target: &Target<'_>,
    wanted: &mut ArrayVec<Quote, MAX_RUNGS>,
    spare: &mut ArrayVec<&Order, ACTIONS_MAX>,
    rules: &Requote,
) {
    wanted.retain(|quote| {
        let close = |order: &&Order| {
            let too_near = target.side.is_better(order.price, quote.price);
            let noise = if too_near { target.tolerance } else { target.slack };
            order.reduce_only == target.reduce_only
                && distance(order.price, quote.price) <= noise
                && is_close(order, quote.qty, rules.size_tolerance)
        };
        let best = spare
            .iter()
            .enumerate()
            .filter(|(_, order)| close(order))
            .min_by_key(|(_, order)| distance(order.price, quote.price))
            .map(|(index, _)| index);
        match best {
            Some(index) => {
                spare.remove(index);
                false
            }
            None => true,
        }
    });
}

fn move_what_is_left(
    now: Nanos,
    target: &Target<'_>,
    wanted: &mut ArrayVec<Quote, MAX_RUNGS>,
    spare: &mut ArrayVec<&Order, ACTIONS_MAX>,
    rules: &Requote,
    actions: &mut ArrayVec<Action, ACTIONS_MAX>,
    later: &mut Option<Nanos>,
) {
    wanted.retain(|quote| {
        let candidates = spare.iter().enumerate();
        let nearest = candidates
            .filter(|(_, order)| order.reduce_only == target.reduce_only)
            .min_by_key(|(_, order)| distance(order.price, quote.price))
            .map(|(index, _)| index);
        let Some(index) = nearest else { return true };
        let order = spare.remove(index);
        let ready = order.changed + rules.min_interval;
        let away = target.side.is_better(order.price, quote.price) || order.remaining() > quote.qty;
        if now < ready && !away {
            *later = Some(later.map_or(ready, |at: Nanos| at.min(ready)));
            return false;
        }
        let (client_id, price) = (order.client_id, quote.price);
        let amend = rules.amend && !order.fixed;
        let _ = match amend {
            true => actions.try_push(Action::Amend {
                client_id,
                price,
                qty: order.filled + quote.qty,
                away,
            }),
            false => actions.try_push(Action::Cancel(client_id)),
        };
        !amend
    });
}

fn nearest(wanted: &[Quote], price: Price) -> Option<usize> {
    let distances = wanted.iter().enumerate();
    distances.min_by_key(|(_, quote)| distance(quote.price, price)).map(|(index, _)| index)
}

fn distance(a: Price, b: Price) -> Ticks {
    if a > b { a - b } else { b - a }
}

/// Whether an order's size differs from the wanted one by at most `tolerance` of it.
///
/// A partly filled order may be smaller: what is left of it keeps its place in the queue, which an
/// amendment would lose.
#[expect(clippy::float_arithmetic, reason = "displays and tolerances; no money")]
fn is_close(order: &Order, want: Qty, tolerance: f64) -> bool {
    let have = order.remaining();
    if have <= want && !order.filled.is_zero() {
        return !have.is_zero();
    }
    // Parts per thousand, so that no float touches a quantity.
    let allowed = u128::from(want.raw()) * (tolerance * 1000.0) as u128;
    u128::from(have.raw().abs_diff(want.raw())) * 1000 <= allowed
}
