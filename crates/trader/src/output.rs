//! Standard output: a reader that goes away early (`trader … | head`) is no error.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints a line.
///
/// # Errors
/// When standard output cannot be written, except that nobody reads it any more.
pub(crate) fn say(text: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
