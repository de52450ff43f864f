//! The wire: bytes to market types and back, depth synchronisation.
//!
//! Modules in reading order: [`wire`] (one frame of text to one market fact), [`depth_sync`] (raw
//! depth in arrival order to a book's clean diet), [`capture`] (recorded streams as an iterator of
//! market events). Nothing here reads a clock; [`capture`] alone reads files.

pub mod capture;
pub mod depth_sync;
pub mod wire;

pub use capture::{
    CaptureError, CaptureEvent, CaptureInfo, CaptureReader, CaptureStats, Problem, capture_symbol,
};
pub use depth_sync::{DepthSync, SyncStats};
pub use wire::{DecodeError, DecodeStats, Decoded, Decoder, Fault, Unknown};
