//! The simulated exchange as its clients see it: the protocol on simulated time, then real sockets,
//! then clients that nobody here wrote.

mod clients;
mod events;
mod faults;
mod killed;
mod limits;
mod orders;
mod payloads;
mod replay;
mod sockets;
mod state;
mod world;
