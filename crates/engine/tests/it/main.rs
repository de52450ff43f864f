//! The engine through its public surface.

mod flow;
mod rig;
