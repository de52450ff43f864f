//! The simulated exchange through its public surface.

#[path = "it/support.rs"]
mod support;

#[path = "it/book.rs"]
mod book;

#[path = "it/rules.rs"]
mod rules;

#[path = "it/accounts.rs"]
mod accounts;

#[path = "it/twin.rs"]
mod twin;

#[path = "it/determinism.rs"]
mod determinism;

#[path = "it/faults.rs"]
mod faults;

#[path = "it/recorded.rs"]
mod recorded;

#[path = "it/economics.rs"]
mod economics;

#[path = "it/crowd.rs"]
mod crowd;

#[path = "it/reopen.rs"]
mod reopen;
