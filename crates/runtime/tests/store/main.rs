//! The store: the same sessions, the same faults, on both databases.

mod databases;
mod exports;
mod faults;
mod figures;
mod killed;
mod refused;
mod sessions;
mod world;
