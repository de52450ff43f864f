//! Standard output and error: a reader that goes away early (`trader … | head`), or a terminal that
//! is closed, must not end trading.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// What a terminal that is gone answers (EIO).
const GONE: i32 = 5;

/// Prints a line.
///
/// # Errors
/// When standard output cannot be written, except that nobody reads it any more.
pub(crate) fn say(text: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) if error.raw_os_error() == Some(GONE) => Ok(()),
        result => result,
    }
}

/// Prints a line for people on standard error, if anybody is there to read it.
pub(crate) fn complain(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}
