//! The engine through its public surface.

mod flow;
mod gate;
mod ledger;
mod rig;
mod states;
