//! Orders: what one order can go through ([`order`]), all of them together ([`table`]), how they are
//! made equal to the target ([`converge`]) and compared with the venue's ([`reconcile`]).

pub mod converge;
pub mod order;
pub mod reconcile;
pub mod table;

pub use order::{Event, Next, Order, State};
pub use table::Orders;
