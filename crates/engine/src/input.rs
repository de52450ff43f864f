//! Everything that can wake the engine. Read these enums and you know every cause.

use market::{MarketEvent, venue::VenueReport};
use serde::{Deserialize, Serialize};

use crate::carry::Carry;
use crate::config::EngineConfig;

/// One fact. A batch of them is journaled, then absorbed, then one decision follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// The market moved.
    Market(MarketEvent),
    /// The venue spoke about our orders or account. Reports carry our own order ids; the instrument
    /// is named because some reports (account, funding) belong to one instrument's slice.
    Venue(market::InstrumentId, VenueReport),
    /// An operator or supervisor wants something.
    Control(Control),
}

/// What an operator can ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Control {
    /// Withdraw all quotes until resumed.
    Pause,
    /// Lift a pause; with `clear_halt`, deliberately lift a halt, a latched drawdown or a
    /// position difference too. The daily loss limit is not lifted by hand.
    Resume {
        /// Whether a halt is lifted as well.
        clear_halt: bool,
    },
    /// Cancel everything and stay halted until deliberately resumed.
    Halt,
    /// Cancel everything, close the position with reduce-only orders, stay halted.
    Flatten,
    /// Close the circuit breaker now.
    ResetBreaker,
    /// Replace limits, timing and strategy parameters; instruments and session cannot change.
    Configure(Box<EngineConfig>),
    /// The process is stopping: withdraw everything; no quote ever again.
    Shutdown,
    /// What an earlier session left behind. Heeded only before the account is known.
    Restore(Box<Carry>),
}
