//! What has reached the trader by now, as somebody sees who sits at its network card.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use market::Nanos;

use super::network::{Forbids, SocketKey};

/// What a trader could know of the state of its streams.
#[derive(Debug)]
pub(super) struct Senses {
    pub(super) max_book_age: Duration,
    /// Chains of updates can be followed only where one socket brings them.
    follows_chain: bool,
    book_heard: Nanos,
    /// Last update id of each socket that brings depth.
    chains: BTreeMap<SocketKey, u64>,
    /// Last update in the newest snapshot.
    snapshot: u64,
    gapped: bool,
    /// Sockets of the user stream that are open.
    user: BTreeSet<SocketKey>,
}

impl Senses {
    pub(super) fn new(max_book_age: Duration, follows_chain: bool) -> Self {
        Self {
            max_book_age,
            follows_chain,
            book_heard: Nanos::ZERO,
            chains: BTreeMap::new(),
            snapshot: 0,
            gapped: true,
            user: BTreeSet::new(),
        }
    }

    pub(super) fn is_user_stream(url: &str) -> bool {
        !url.contains("/ws-fapi") && !url.contains('@')
    }

    /// A trader begins and has heard nothing.
    pub(super) fn born(&mut self, now: Nanos) {
        self.book_heard = Nanos(now.0.saturating_sub(self.max_book_age.as_nanos() as u64 + 1));
        self.chains.clear();
        self.user.clear();
        (self.snapshot, self.gapped) = (0, true);
    }

    pub(super) fn opened(&mut self, key: SocketKey, user: bool) {
        if user {
            self.user.insert(key);
        }
    }

    pub(super) fn closed(&mut self, key: SocketKey) {
        self.user.remove(&key);
        if self.chains.remove(&key).is_some() && self.chains.is_empty() {
            self.gapped = true;
        }
    }

    pub(super) fn frame(&mut self, now: Nanos, key: SocketKey, text: &str) {
        if self.user.contains(&key) {
            if text.contains("listenKeyExpired") {
                self.user.remove(&key);
            }
            return;
        }
        if text.contains(r#""e":"depthUpdate""#) {
            self.book_heard = now;
            let ids = (number(text, r#""u":"#), number(text, r#""pu":"#));
            if let (Some(last), Some(previous)) = ids {
                let before = self.chains.insert(key, last);
                let known = before.map(|before| before.max(self.snapshot));
                self.gapped |= known.is_some_and(|known| previous > known);
            }
        } else if text.contains(r#""e":"bookTicker""#) {
            self.book_heard = now;
        }
    }

    /// An answer over REST: a snapshot of the book mends a gap, and what it contains is not missed.
    pub(super) fn answer(&mut self, now: Nanos, status: u16, body: &[u8]) {
        let name = r#""lastUpdateId":"#;
        if status != 200 || !body.windows(name.len()).any(|part| part == name.as_bytes()) {
            return;
        }
        let text = std::str::from_utf8(body).unwrap_or_default();
        if let Some(last) = number(text, name) {
            (self.snapshot, self.book_heard) = (last, now);
            self.gapped = false;
        }
    }

    /// What an order that leaves now must not have been made from.
    pub(super) fn forbids(&self, now: Nanos) -> Forbids {
        Forbids {
            stale_book: now.since(self.book_heard) > self.max_book_age,
            gapped_book: self.gapped && self.follows_chain,
            deaf: self.user.is_empty(),
        }
    }
}

/// The number behind a name.
fn number(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
