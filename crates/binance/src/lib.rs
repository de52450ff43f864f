//! The wire: bytes to market types and back, depth synchronisation, and the pure half of a client.
//!
//! Modules in reading order: [`wire`] (one frame of text to one market fact), [`depth_sync`] (raw
//! depth in arrival order to a book's clean diet), [`capture`] (recorded streams as an iterator of
//! market events); then the client: [`endpoints`] (where everything lives), [`sign`] (keys),
//! [`rest`] and [`ws_api`] (requests), [`replies`] (their answers), [`reaction`] (what an error
//! means), [`user_stream`] (what happens to our account), [`witness`] (reply and stream as two
//! witnesses of one thing), [`queries`] (questions that take several requests), [`limits`],
//! [`clock_sync`], [`listen_key`], [`mod@describe`] (any message for human eyes), [`redact`].
//! Nothing here reads a clock or opens a socket; [`capture`] alone reads files.

pub mod capture;
pub mod client;
pub mod clock_sync;
pub mod depth_sync;
pub mod describe;
pub mod endpoints;
pub mod limits;
pub mod listen_key;
pub mod preflight;
pub mod queries;
pub mod reaction;
pub mod redact;
pub mod replies;
pub mod rest;
pub mod server;
pub mod sign;
pub mod user_stream;
pub mod wire;
pub mod witness;
pub mod ws_api;

pub use capture::{
    CaptureError, CaptureEvent, CaptureInfo, CaptureReader, CaptureStats, Problem, capture_symbol,
};
pub use clock_sync::ClockSync;
pub use depth_sync::{DepthSync, SyncStats};
pub use describe::describe;
pub use endpoints::{Endpoints, Route, Stream};
pub use limits::Budget;
pub use listen_key::ListenKey;
pub use rest::{HttpRequest, Method, Purpose, Request, Security, Stamp};
pub use sign::{Credentials, CredentialsError, KeyKind};
pub use user_stream::UserEvent;
pub use wire::{DecodeError, DecodeStats, Decoded, Decoder, Fault, Unknown};
pub use witness::Witnesses;
