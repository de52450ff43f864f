//! `trader data`: looking at market data and captured messages.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result};
use binance::describe::describe;

use crate::FINE;
use crate::output::say;

/// Prints what we understand of captured messages, one line in, one JSON document out. Lines may begin
/// with a receive time, as in raw captures.
pub(crate) fn decode(path: Option<&Path>) -> Result<u8> {
    let input: Box<dyn BufRead> = match path.filter(|path| path.as_os_str() != "-") {
        Some(path) => Box::new(BufReader::new(
            File::open(path).with_context(|| format!("cannot open {}", path.display()))?,
        )),
        None => Box::new(io::stdin().lock()),
    };
    for line in input.split(b'\n') {
        let line = line.context("cannot read the messages")?;
        let line = String::from_utf8_lossy(&line);
        let message = match line.trim().split_once(' ') {
            Some((time, rest)) if time.bytes().all(|byte| byte.is_ascii_digit()) => rest,
            _ => line.trim(),
        };
        if !message.is_empty() {
            say(format_args!("{}", describe(message)))?;
        }
    }
    Ok(FINE)
}
