//! Orders: what one order can go through ([`order`]), all of them together ([`table`]), and how they
//! are made equal to the target ([`converge`]).

pub mod converge;
pub mod order;
pub mod table;

pub use order::{Event, Next, Order, State};
pub use table::Orders;
