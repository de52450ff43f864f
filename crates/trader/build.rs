//! Puts the commit into the binary, so that every log, metric and journal names its build.

use std::process::Command;

/// What the binary is made of; a change elsewhere does not make it another one.
const SOURCES: [&str; 4] = ["crates", "configs", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo::rustc-env=TRADER_COMMIT={}", commit().as_deref().unwrap_or("unknown"));
    // A commit or a switch of branch writes to the log of HEAD.
    for path in [".git/HEAD", ".git/logs/HEAD"].iter().chain(&SOURCES) {
        println!("cargo::rerun-if-changed=../../{path}");
    }
}

/// The commit, with `-dirty` when the sources are not quite it.
fn commit() -> Option<String> {
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let is_clean = git(&status)?.is_empty();
    Some(if is_clean { commit } else { format!("{commit}-dirty") })
}

fn git(arguments: &[&str]) -> Option<String> {
    // Build scripts run in the folder of their crate. A lock for this would only be in the way.
    let git =
        Command::new("git").args(["-C", "../..", "--no-optional-locks"]).args(arguments).output();
    let output = git.ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
