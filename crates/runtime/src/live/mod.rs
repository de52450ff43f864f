//! Live trading: sockets, and the loop that joins them to the client and the engine.

mod driver;
pub mod net;
mod questions;

pub use driver::Live;
pub use questions::{account, alias, cancel, income, payments, preflight};

use crate::session::SessionError;

/// The runtime of one thread on which everything about the venue runs.
fn runtime() -> Result<tokio::runtime::Runtime, SessionError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| SessionError::Network(error.to_string()))
}
