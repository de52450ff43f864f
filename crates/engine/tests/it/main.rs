//! The engine through its public surface.

mod flow;
mod ledger;
mod rig;
