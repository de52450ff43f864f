//! Live trading as an operator does it: the real binary on both sides, real sockets between them.

mod faults;
mod kills;
mod misconfigured;
mod rig;
mod sessions;
