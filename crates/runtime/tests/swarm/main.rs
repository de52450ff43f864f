//! The swarm: the healthy trader survives it, and every broken one is caught.

#[cfg(feature = "mutants")]
mod mutants;

use std::time::Duration;

use runtime::swarm::{KINDS, Mutant, Options, Outcome, Profile, RULES, Totals};

pub(crate) fn options(profile: &str, minutes: u64, mutant: Option<Mutant>) -> Options {
    let profile = Profile::find(profile).unwrap();
    Options { span: Duration::from_secs(minutes * 60), profile, mutant }
}

/// Fails with everything that somebody needs to look into it.
#[track_caller]
pub(crate) fn assert_sound(options: &Options, outcome: &Outcome) {
    let Some(found) = &outcome.violation else { return };
    panic!(
        "{} at {}: {}\n{:#?}\nrepeat: trader simulate --seeds {}..{} --hours {} --faults {}",
        found.rule,
        found.at,
        found.what,
        outcome.story,
        outcome.seed,
        outcome.seed + 1,
        options.span.as_secs_f64() / 3_600.0,
        options.profile.name,
    );
}

#[test]
fn a_healthy_trader_survives_everything() {
    let mut totals = Totals::default();
    for profile in Profile::ALL {
        let options = options(profile.name, 20, None);
        let seeds = if profile.name == "default" { 0..16 } else { 0..4 };
        for seed in seeds {
            let outcome = options.run(seed).unwrap();
            assert_sound(&options, &outcome);
            totals.add(outcome);
        }
    }
    for ((rule, _), count) in RULES.iter().zip(totals.checks) {
        assert!(count > 0, "{rule} was never checked");
    }
    let injected = totals.injected.iter().filter(|count| **count > 0).count();
    assert!(injected * 10 >= KINDS.len() * 9, "{injected} of {} kinds happened", KINDS.len());
    assert!(totals.deaths > 100 && totals.fills > 500, "{totals:#?}");
    assert!(totals.disk.replays > 10 && totals.disk.torn > 50, "{:?}", totals.disk);
}

#[test]
fn a_seed_does_the_same_on_every_thread() {
    let options = options("harsh", 10, None);
    let hashes = |from: u64| -> Vec<u64> {
        (from..from + 4).map(|seed| options.run(seed).unwrap().hash).collect()
    };
    let other = std::thread::scope(|scope| scope.spawn(|| hashes(40)).join().unwrap());
    let here = hashes(40);
    assert_eq!(here, other);
    let mut distinct = here;
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 4, "seeds differ");
}

#[test]
fn a_healthy_seed_cannot_be_made_smaller() {
    let options = options("calm", 5, None);
    assert!(options.shrink(1, |_| true).unwrap().is_none());
}

#[test]
fn the_document_names_everything() {
    let text = include_str!("../../../../docs/RELIABILITY.md");
    let rules = RULES.iter().map(|(name, _)| *name);
    let names = rules.chain(KINDS.iter().map(|kind| kind.name));
    let names = names.chain(Profile::ALL.iter().map(|profile| profile.name));
    let mutants: Vec<&str> = Mutant::all().map(Mutant::name).collect();
    for name in names.chain(mutants) {
        assert!(text.contains(&format!("`{name}`")), "docs/RELIABILITY.md does not name `{name}`");
    }
}
