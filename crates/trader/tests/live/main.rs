//! Live trading as an operator does it: the real binary on both sides, real sockets between them.

mod books;
mod faults;
mod kept;
mod kills;
mod misconfigured;
mod replayed;
mod rig;
mod sessions;
