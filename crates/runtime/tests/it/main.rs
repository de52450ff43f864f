//! Engine and simulated exchange together, through the surfaces a driver uses.

mod faults;
mod flow;
mod loopback;
mod market;
mod sessions;
mod venue_faults;
