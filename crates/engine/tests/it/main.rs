//! The engine through its public surface.

mod breaker;
mod carry;
mod converge;
mod edges;
mod flow;
mod gate;
mod honest;
mod ledger;
mod pnl;
mod props;
mod reconcile;
mod review;
mod rig;
mod states;
