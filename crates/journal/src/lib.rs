//! Versioned, checksummed, compressed frames of engine inputs and outputs.
//!
//! Every batch of inputs is appended before the engine steps on it, and what the engine answered
//! after it, so that any session can be run again and compared. A journal directory holds one
//! directory per session, `<session>-<created>/`, with segments `000001.mmj`, `000002.mmj`, …
//!
//! Modules in reading order: [`record`] (what is kept), [`format`](mod@format) (segment headers and
//! versions), [`frame`] (records to checked bytes and back), [`session`] (directories and
//! retention), [`writer`], [`reader`], [`error`].

pub mod error;
pub mod format;
pub mod frame;
pub mod reader;
pub mod record;
pub mod session;
pub mod writer;

pub use error::{ReadError, WriteError};
pub use format::{FORMAT, Header};
pub use reader::{Reader, Tail};
pub use record::{Entry, Record};
pub use session::{Retention, Session, sessions};
pub use writer::{Durability, Writer};
