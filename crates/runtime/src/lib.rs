//! One turn, and the drivers around it.
//!
//! The engine and the simulated exchange are pure; everything that waits, reads a clock or touches a
//! file is here. The drivers differ only in where time, market data and venue come from:
//!
//! | driver | time | market data | venue | journal |
//! |---|---|---|---|---|
//! | [`live`] | clock | Binance | Binance | written |
//! | [`paper`] | clock or simulated | crowd or capture | `sim-exchange` | written |
//! | [`replay`] | frame time | journal | recorded reports; outputs compared | read |
//! | [`swarm`] | simulated | crowd, over a simulated network | `sim-exchange` behind its protocol | written, torn, read |
//!
//! [`exchange`] is no driver of ours but the other side: the simulated exchange on real sockets.
//!
//! Modules in reading order: [`turn`], [`session`], [`paper`], [`live`], [`replay`], [`store`] (what is
//! kept of sessions in a database), [`exchange`], [`swarm`], [`clock`].

pub mod clock;
pub mod exchange;
pub mod keeper;
pub mod live;
pub mod paper;
pub mod replay;
pub mod session;
pub mod store;
pub mod swarm;
pub mod turn;

pub use clock::Pace;
pub use live::Live;
pub use paper::{Paper, Venue};
pub use replay::{Difference, ReplayError, Replayed};
pub use session::{Observer, SessionError, Summary, VenueRecord};
pub use turn::Turn;
