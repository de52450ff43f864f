//! A failure made small: the same broken rule with as few troubles as a bounded search finds.

use super::plan::Plan;
use super::run::{self, Outcome};

/// Runs that a search may take.
const RUNS_MAX: u32 = 400;

/// A failing run with fewer troubles.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What is left of the plan.
    pub plan: Plan,
    /// What it comes to.
    pub outcome: Outcome,
    /// Runs that the search took.
    pub runs: u32,
}

/// Makes a failing plan smaller; `None` when it does not fail at all. `goes_on` may end the search.
///
/// # Errors
/// When runs cannot be set up on this machine.
pub(super) fn shrink(
    plan: &Plan,
    journaled: bool,
    mut goes_on: impl FnMut(u32) -> bool,
) -> Result<Option<Shrunk>, String> {
    let outcome = run::run(plan, journaled)?;
    let Some(violation) = &outcome.violation else { return Ok(None) };
    let rule = violation.rule;
    let mut search = Search { rule, journaled, best: plan.clone(), outcome, runs: 1 };
    search.cut_off()?;
    let mut size = search.best.troubles.len().div_ceil(2);
    while size > 0 && search.runs < RUNS_MAX && goes_on(search.runs) {
        let mut from = 0;
        let mut found = false;
        while from < search.best.troubles.len() && search.runs < RUNS_MAX && goes_on(search.runs) {
            let without: Vec<bool> = (0..search.best.troubles.len())
                .map(|index| !(from..from + size).contains(&index))
                .collect();
            if search.keeps_failing(search.best.keeping(&without))? {
                found = true;
            } else {
                from += size;
            }
        }
        // Once single ones have gone, others may be able to go.
        if size > 1 || !found {
            size /= 2;
        }
    }
    let mut index = 0;
    while index < search.best.troubles.len() && search.runs < RUNS_MAX && goes_on(search.runs) {
        let mut shorter = search.best.clone();
        let lasts = &mut shorter.troubles[index].lasts;
        *lasts /= 2;
        if lasts.as_millis() < 10 || !search.keeps_failing(shorter)? {
            index += 1;
        }
    }
    let Search { best, outcome, runs, .. } = search;
    Ok(Some(Shrunk { plan: best, outcome, runs }))
}

struct Search {
    rule: &'static str,
    journaled: bool,
    best: Plan,
    outcome: Outcome,
    runs: u32,
}

impl Search {
    /// What was planned for later than the failure has nothing to do with it.
    fn cut_off(&mut self) -> Result<(), String> {
        let failed = self.outcome.span;
        let keep: Vec<bool> =
            self.best.troubles.iter().map(|planned| planned.at <= failed).collect();
        self.keeps_failing(self.best.keeping(&keep)).map(|_| ())
    }

    fn keeps_failing(&mut self, plan: Plan) -> Result<bool, String> {
        self.runs += 1;
        let outcome = run::run(&plan, self.journaled)?;
        let same = outcome.violation.as_ref().is_some_and(|found| found.rule == self.rule);
        if same {
            (self.best, self.outcome) = (plan, outcome);
        }
        Ok(same)
    }
}
