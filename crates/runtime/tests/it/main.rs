//! Engine and simulated exchange together, through the surfaces a driver uses.

mod faults;
mod flow;
mod market;
mod sessions;
