//! A connection that is always to be there, and how one socket follows another on it.

use std::time::Duration;

use market::Nanos;

use super::super::backoff::Backoff;
use super::FeedConfig;
use super::socket::{Kind, Socket};
use crate::endpoints::Paths;

/// A successor that has not delivered every stream by then is judged: a stream may be quiet because
/// nothing happens, but not if the old socket has had something to tell meanwhile.
const OVERLAP_MAX: Duration = Duration::from_secs(60);
/// The old socket is read on for so long after its successor has delivered: what was sent before
/// the successor listened may still be on its way here.
const LINGER: Duration = Duration::from_secs(1);

/// A connection that is to be there: its socket, the successor, and what happens between them.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// For the log.
    pub(super) name: String,
    pub(super) url: String,
    pub(super) carries: [bool; Kind::ALL.len()],
    pub(super) socket: Option<Socket>,
    /// Takes over as soon as it delivers.
    pub(super) next: Option<Socket>,
    /// Since when the successor has delivered whatever the old socket does.
    pub(super) ready: Option<Nanos>,
    pub(super) backoff: Backoff,
    /// When a complaint about unreadable frames may be written again, and how many there were since
    /// the last.
    pub(super) complaint_due: Nanos,
    pub(super) unwritten: u64,
}

/// Which socket of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Current,
    Next,
}

impl Lane {
    pub(super) fn at(&mut self, place: Place) -> &mut Option<Socket> {
        match place {
            Place::Current => &mut self.socket,
            Place::Next => &mut self.next,
        }
    }

    pub(super) fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.socket.iter().chain(&self.next)
    }

    /// When the next socket is to be opened.
    pub(super) fn open_due(&self) -> Option<Nanos> {
        match (&self.socket, &self.next) {
            (None, _) => Some(self.backoff.due()),
            (Some(socket), None) => socket.replacement_due().map(|due| due.max(self.backoff.due())),
            (Some(_), Some(_)) => None,
        }
    }

    /// When the successor takes over, or is given up.
    pub(super) fn overlap_ends(&self) -> Option<Nanos> {
        let at_latest = self.next.as_ref()?.opened_at()? + OVERLAP_MAX;
        Some(self.ready.map_or(at_latest, |since| at_latest.min(since + LINGER)))
    }

    /// Notes whether the successor has delivered whatever the old socket does.
    pub(super) fn compare(&mut self, now: Nanos) {
        if let (Some(old), Some(next), None) = (&self.socket, &self.next, self.ready)
            && next.covers(old, now)
        {
            self.ready = Some(now);
        }
    }
}

/// The connections to have: every group of streams, in as many copies as wanted.
pub(super) fn lanes(config: &FeedConfig) -> Vec<Lane> {
    let symbol = config.instrument.symbol();
    let wanted = Kind::ALL.map(|kind| (kind.stream(), symbol));
    let mut lanes = Vec::new();
    for copy in 1..=config.copies.clamp(1, 2) {
        for (route, names) in config.endpoints.sockets(&wanted) {
            let group = match config.endpoints.paths {
                Paths::Routed => route.name(),
                Paths::Legacy => "undivided",
            };
            let carried = |kind: Kind| names.contains(&kind.stream().name(symbol));
            let url = config.endpoints.market_url(route, names.iter().map(String::as_str));
            lanes.push(Lane {
                name: format!("market socket {group}-{copy}"),
                url,
                carries: Kind::ALL.map(carried),
                socket: None,
                next: None,
                ready: None,
                backoff: Backoff::new(mix(config.seed ^ mix(1 + lanes.len() as u64))),
                complaint_due: Nanos::ZERO,
                unwritten: 0,
            });
        }
    }
    lanes
}

/// Scatters a number over all others (the last step of SplitMix64).
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
