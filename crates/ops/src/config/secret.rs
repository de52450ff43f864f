//! Text that must never be shown.

use std::fmt;

use zeroize::Zeroizing;

/// What stands in place of a secret wherever one would be shown.
pub const MASK: &str = "***";

/// A key or token: not printable, not serializable, wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    text: Zeroizing<String>,
    from_file: bool,
}

impl Secret {
    /// Takes `text` as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: Zeroizing::new(text.into()), from_file: false }
    }

    pub(super) fn from_file(text: &str) -> Self {
        Self { text: Zeroizing::new(text.to_owned()), from_file: true }
    }

    /// The secret itself, for signing and comparing; never for a log or a message.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Whether it came from a `*_file` key instead of the configuration itself.
    pub(super) fn is_from_file(&self) -> bool {
        self.from_file
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
