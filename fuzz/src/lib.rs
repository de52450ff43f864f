//! Everything that reads bytes of strangers, as functions to be fuzzed.
//!
//! A target takes any bytes and returns, or panics when a promise is broken: a fast reader and a
//! slow one disagree, what was written does not read back, a secret shows, an answer is larger than
//! its question explains. [`TARGETS`] lists them; `scripts/fuzz.sh` runs them under the fuzzer and
//! `tests/corpus.rs` on every input that was kept.

mod client;
mod files;
mod market;
mod server;

pub use client::{describe, questions, reaction, redact, rest_reply, user_event, ws_reply};
pub use files::{capture, configuration, journal};
pub use market::{depth_stream, market_frame};
pub use server::{server, server_text};

/// A target: panics when a promise is broken.
pub type Target = fn(&[u8]);

/// All targets by name; the corpus of each is `corpus/<name>/`.
pub const TARGETS: [(&str, Target); 14] = [
    ("market_frame", market_frame),
    ("depth_stream", depth_stream),
    ("user_event", user_event),
    ("ws_reply", ws_reply),
    ("rest_reply", rest_reply),
    ("questions", questions),
    ("reaction", reaction),
    ("describe", describe),
    ("redact", redact),
    ("server", server),
    ("server_text", server_text),
    ("capture", capture),
    ("journal", journal),
    ("configuration", configuration),
];

/// A key as long as real ones, put where keys stand.
pub(crate) const SECRET: &str = "uV7qPz3KxW9dLr2TnB8yHs5GmC1fJe6AoQ4iXvRk0ZtUbNwEhYSaDlMpcgOFjIq7";

/// Panics when a readable piece of [`SECRET`] is in `shown`. Inputs that bring it themselves prove
/// nothing and are left alone.
#[track_caller]
pub(crate) fn hides_secret(data: &[u8], shown: &str) {
    let pieces = (0..=SECRET.len() - 12).step_by(4).map(|at| &SECRET[at..at + 12]);
    for piece in pieces.filter(|piece| shown.contains(piece)) {
        let brought = data.windows(piece.len()).any(|window| window == piece.as_bytes());
        assert!(brought, "a secret shows in {shown}");
    }
}
