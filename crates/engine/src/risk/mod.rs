//! Risk: what may be sent ([`gate`]), how much may be done ([`mode`]), and when to stop
//! ([`breaker`], [`pnl`]).

pub mod breaker;
pub mod gate;
pub mod mode;
pub mod pnl;

pub use breaker::{Breaker, BreakerState};
pub use gate::{Approved, Gate, Refusal};
pub use mode::{Mode, RiskLevel, Standstill};
pub use pnl::PnlMonitor;
