//! Is it all right? One check per way of not being so, each with its reason.

use std::time::Duration;

use engine::risk::Standstill;
use engine::snapshot::{DeskView, Snapshot};
use serde::Serialize;

use crate::recorder::Shared;
use crate::view;

/// When the process counts as unhealthy.
#[derive(Clone, Copy, Debug)]
pub struct HealthRules {
    /// The engine loop must have turned within this time.
    pub max_turn_age: Duration,
    /// A snapshot must have been published within this time.
    pub max_snapshot_age: Duration,
}

impl Default for HealthRules {
    fn default() -> Self {
        Self { max_turn_age: Duration::from_secs(10), max_snapshot_age: Duration::from_secs(10) }
    }
}

/// One question and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was asked.
    pub check: &'static str,
    /// Whether all is well.
    pub ok: bool,
    /// Why not; empty when all is well.
    pub reason: String,
}

/// Answer of `/health` and `/ready`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `ok` or `unhealthy` (`ready` or `not_ready`).
    pub status: &'static str,
    /// One per failed check.
    pub reasons: Vec<String>,
    /// Every check.
    pub checks: Vec<Check>,
    /// How much the engine may do; `unknown` before the first snapshot.
    pub mode: &'static str,
    /// Paused by an operator, which is no fault.
    pub paused: bool,
    /// Version of the binary.
    pub version: String,
}

impl Health {
    /// Whether every check passed.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }

    /// Whether the process does what it should. A deliberate pause or halt by an operator is no
    /// fault; a limit or breaker that stopped trading is one.
    pub fn new(shared: &Shared, rules: &HealthRules) -> Self {
        let mut checks = vec![turning(shared, rules)];
        let published = shared.published();
        let snapshot = published.as_ref().map(|published| &published.snapshot);
        checks.push(match &published {
            None => failed("snapshot", "the engine has not published a snapshot yet"),
            Some(published) => {
                let age = shared.now().since(published.at);
                let reason = format!("the last snapshot is {:.1} s old", age.as_secs_f64());
                check("snapshot", age <= rules.max_snapshot_age, reason)
            }
        });
        if let Some(snapshot) = snapshot {
            checks.extend(connections(snapshot));
            checks.extend(stops(snapshot));
        }
        Self::judge(shared, snapshot, checks, ["ok", "unhealthy"])
    }

    /// Whether start-up is over: the loop turns, the book is synced, the account is reconciled.
    pub fn ready(shared: &Shared, rules: &HealthRules) -> Self {
        let mut checks = vec![turning(shared, rules)];
        let published = shared.published();
        let snapshot = published.as_ref().map(|published| &published.snapshot);
        match snapshot {
            None => checks.push(failed("snapshot", "the engine has not published a snapshot yet")),
            Some(snapshot) => {
                checks.extend(connections(snapshot));
                checks.push(absent(snapshot, "running", Standstill::Shutdown, "stopping"));
            }
        }
        Self::judge(shared, snapshot, checks, ["ready", "not_ready"])
    }

    fn judge(
        shared: &Shared,
        snapshot: Option<&Snapshot>,
        checks: Vec<Check>,
        [good, bad]: [&'static str; 2],
    ) -> Self {
        let bad_checks = checks.iter().filter(|check| !check.ok);
        let reasons: Vec<_> =
            bad_checks.map(|check| format!("{}: {}", check.check, check.reason)).collect();
        Self {
            status: if reasons.is_empty() { good } else { bad },
            reasons,
            checks,
            mode: snapshot.map_or("unknown", |snapshot| snapshot.mode.name()),
            paused: snapshot.is_some_and(|snapshot| snapshot.paused),
            version: shared.build().version.clone(),
        }
    }
}

fn turning(shared: &Shared, rules: &HealthRules) -> Check {
    match shared.last_turn() {
        None => failed("engine", "the engine loop has not turned yet"),
        Some(last) => {
            let age = shared.now().since(last);
            let (age_s, max_s) = (age.as_secs_f64(), rules.max_turn_age.as_secs_f64());
            let reason = format!("the engine loop turned {age_s:.1} s ago, allowed {max_s:.1} s");
            check("engine", age <= rules.max_turn_age, reason)
        }
    }
}

/// What we must see to trade.
fn connections(snapshot: &Snapshot) -> [Check; 3] {
    let all = |name, good: fn(&DeskView) -> bool, reason: fn(&DeskView) -> String| {
        let bad: Vec<_> = snapshot.desks.iter().filter(|desk| !good(desk)).map(reason).collect();
        let reason =
            if snapshot.desks.is_empty() { "no instrument".into() } else { bad.join("; ") };
        check(name, bad.is_empty() && !snapshot.desks.is_empty(), reason)
    };
    [
        all(
            "book",
            |desk| desk.book_status == market::BookStatus::Synced,
            |desk| {
                let status = view::book_status(desk.book_status);
                let last = desk.book_updated;
                format!("{} is {status}, last update {last}", desk.instrument.symbol())
            },
        ),
        all(
            "user_stream",
            |desk| desk.stream_up,
            |desk| format!("{}: down, fills may be missing", desk.instrument.symbol()),
        ),
        all(
            "position",
            |desk| desk.position_known,
            |desk| format!("{}: not confirmed by the venue", desk.instrument.symbol()),
        ),
    ]
}

/// What must not have stopped trading.
fn stops(snapshot: &Snapshot) -> [Check; 6] {
    let breaker = format!("open: {}", snapshot.breaker.reason);
    [
        absent(snapshot, "breaker", Standstill::BreakerOpen, &breaker),
        absent(snapshot, "daily_loss", Standstill::DailyLoss, "daily_loss_limit reached"),
        absent(snapshot, "drawdown", Standstill::Drawdown, "max_drawdown_limit reached"),
        absent(snapshot, "drift", Standstill::Drift, "local and venue state differ"),
        absent(snapshot, "dead_man", Standstill::DeadManUnarmed, "dead-man's switch not armed"),
        absent(snapshot, "running", Standstill::Shutdown, "stopping"),
    ]
}

fn absent(snapshot: &Snapshot, name: &'static str, stop: Standstill, reason: &str) -> Check {
    check(name, !view::standstills(snapshot).contains(&stop), reason.to_owned())
}

fn check(check: &'static str, ok: bool, reason: String) -> Check {
    Check { check, ok, reason: if ok { String::new() } else { reason } }
}

fn failed(name: &'static str, reason: &str) -> Check {
    check(name, false, reason.to_owned())
}
