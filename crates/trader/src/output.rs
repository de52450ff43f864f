//! Standard output and error: a reader that goes away early (`trader … | head`), or a terminal that
//! is closed, must not end trading.

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

/// Prints a line for people on standard error, if anybody is there to read it.
pub(crate) fn complain(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}
