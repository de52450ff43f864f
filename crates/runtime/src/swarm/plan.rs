//! What a seed decides before anything happens: the set-up, and every trouble with its time.
//!
//! All of it is data, so that a failing run can be repeated with parts left out.

use std::fmt;
use std::time::Duration;

use super::dice::Dice;
use super::kinds::{Class, KINDS, Kind};

const PURPOSE: u64 = 1;
/// The longest calm that ends a round: see [`Round`].
pub(super) const CALM: Duration = Duration::from_secs(360);

/// A fault profile: how often what kind of trouble happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Mean time between two troubles while they last.
    every: Duration,
    /// Weight of each class, in the order of [`Class::ALL`].
    weights: [u64; 7],
}

impl Profile {
    /// All profiles.
    pub const ALL: [Self; 9] = [
        Self {
            name: "calm",
            about: "nothing but the market's own troubles",
            every: Duration::from_secs(40),
            weights: [0, 0, 0, 0, 0, 0, 1],
        },
        Self {
            name: "default",
            about: "everything, one trouble in ten seconds",
            every: Duration::from_secs(10),
            weights: [6, 5, 5, 2, 2, 2, 3],
        },
        Self {
            name: "harsh",
            about: "everything, one trouble in two and a half seconds",
            every: Duration::from_millis(2_500),
            weights: [6, 5, 5, 2, 2, 2, 3],
        },
        Self {
            name: "network",
            about: "delays, losses, cuts and dead connections",
            every: Duration::from_secs(5),
            weights: [0, 1, 6, 0, 0, 0, 1],
        },
        Self {
            name: "venue",
            about: "wrong, late, missing and doubled answers and messages",
            every: Duration::from_secs(5),
            weights: [4, 4, 0, 0, 0, 0, 1],
        },
        Self {
            name: "crash",
            about: "our process dies, sleeps and comes back, on a bad line",
            every: Duration::from_secs(8),
            weights: [1, 1, 1, 8, 0, 0, 1],
        },
        Self {
            name: "market",
            about: "sweeps, crashes, empty books, mark jumps, funding, others on the account",
            every: Duration::from_secs(5),
            weights: [0, 0, 0, 0, 0, 3, 8],
        },
        Self {
            name: "account",
            about: "others trade, order and pay on the same account, and not all of it is told",
            every: Duration::from_secs(4),
            weights: [1, 4, 1, 1, 0, 6, 2],
        },
        Self {
            name: "operator",
            about: "halts, flattening, new limits, on a bad line",
            every: Duration::from_secs(6),
            weights: [2, 1, 1, 1, 8, 1, 2],
        },
    ];

    /// The profile of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name == name)
    }
}

/// One trouble.
#[derive(Clone, Copy, Debug)]
pub struct Planned {
    /// When it begins, since the start.
    pub at: Duration,
    /// How long it lasts; zero for what happens once.
    pub lasts: Duration,
    /// What.
    pub kind: &'static Kind,
    /// How strong.
    pub level: u64,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.at.as_millis();
        let (seconds, rest) = (millis / 1_000, millis % 1_000);
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
        write!(f, "{hours:02}:{minutes:02}:{:02}.{rest:03} ", seconds % 60)?;
        match self.lasts.is_zero() {
            true => write!(f, "{:>9}", "once")?,
            false => write!(f, "{:>8.3}s", self.lasts.as_secs_f64())?,
        }
        write!(f, "  {:<9} {} {}", self.kind.class.name(), self.kind.name, self.level)
    }
}

/// Troubles until `storm`, then calm in which both sides must agree again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// When the calm begins at the latest; troubles end by then.
    pub(super) storm: Duration,
}

/// Everything that a seed decides beforehand.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How long it runs.
    pub span: Duration,
    /// In order of time.
    pub troubles: Vec<Planned>,
    pub(super) rounds: Vec<Round>,
}

impl Plan {
    /// What the seed decides.
    pub fn draw(seed: u64, span: Duration, profile: Profile) -> Self {
        let mut dice = Dice::new(seed, PURPOSE);
        let mut plan = Self { seed, span, troubles: Vec::new(), rounds: Vec::new() };
        // The first minute is quiet, so that there is something to disturb.
        let mut from = Duration::from_secs(60);
        loop {
            let storm = dice.span(Duration::from_secs(120), Duration::from_secs(720));
            let until = (from + storm).min(span);
            plan.storm(&mut dice, profile, from, until);
            plan.rounds.push(Round { storm: until });
            from = until + CALM;
            if from + Duration::from_secs(60) >= span {
                break;
            }
        }
        plan.troubles.sort_by_key(|planned| planned.at);
        plan
    }

    fn storm(&mut self, dice: &mut Dice, profile: Profile, from: Duration, until: Duration) {
        let mut at = from;
        loop {
            at += dice.span(Duration::from_millis(10), profile.every * 2);
            if at >= until {
                return;
            }
            let planned = draw_one(dice, profile, at);
            // All of it ends with the storm.
            let lasts = planned.lasts.min(until - at);
            self.troubles.push(Planned { lasts, ..planned });
        }
    }

    /// The same without some of its troubles.
    pub(super) fn keeping(&self, keep: &[bool]) -> Self {
        let kept = self.troubles.iter().zip(keep).filter(|(_, keep)| **keep);
        Self { troubles: kept.map(|(planned, _)| *planned).collect(), ..self.clone() }
    }
}

fn draw_one(dice: &mut Dice, profile: Profile, at: Duration) -> Planned {
    let class = Class::ALL[weighted(dice, &profile.weights)];
    let kinds: Vec<&'static Kind> = KINDS.iter().filter(|kind| kind.class == class).collect();
    let weights: Vec<u64> = kinds.iter().map(|kind| kind.weight).collect();
    let kind = kinds[weighted(dice, &weights)];
    let (shortest, longest) = kind.lasts;
    let lasts = match longest {
        0 => Duration::ZERO,
        _ => Duration::from_millis(dice.scaled(shortest.max(100), longest)),
    };
    let level = dice.scaled(kind.level.0, kind.level.1);
    Planned { at, lasts, kind, level }
}

/// An index, as likely as its weight.
fn weighted(dice: &mut Dice, weights: &[u64]) -> usize {
    let mut left = dice.below(weights.iter().sum());
    let found = weights.iter().position(|weight| {
        let found = left < *weight;
        left = left.saturating_sub(*weight);
        found
    });
    found.unwrap_or(0)
}
