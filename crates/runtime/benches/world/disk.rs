//! Journals in a directory that goes away.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use engine::config::EngineConfig;
use journal::{Durability, Header, Retention, Writer};

use super::config::START;

/// A directory under the build's own temporary one, deleted when dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// A new, empty directory.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Of the same length for every process, so that instruction counts do not depend on it.
        let name = format!("bench-{:010}-{number:03}", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }

    /// A journal in it.
    pub(crate) fn journal(&self, config: &EngineConfig, durability: Durability) -> Writer {
        let header = Header {
            program: "bench".to_owned(),
            session: config.session,
            created: START,
            note: String::new(),
            config: config.clone(),
        };
        Writer::create(&self.0, header, durability, Retention::default()).expect("a journal")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
