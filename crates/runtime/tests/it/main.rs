//! Engine and simulated exchange together, through the surfaces a driver uses.

mod faults;
mod flow;
mod loopback;
mod market;
mod review_live;
mod sessions;
mod venue_faults;
