//! The swarm has teeth: every behaviour that is broken on purpose is caught.

use std::sync::Mutex;

use runtime::swarm::Mutant;

use crate::{assert_sound, options};

/// Simulated minutes for each seed.
const MINUTES: u64 = 30;
/// Seeds after which a mutant counts as not caught.
const SEEDS_MAX: u64 = 120;

/// Where each is looked for first: a profile that provokes it, and a seed that has caught it.
const HUNTS: [(&str, &str, u64); 20] = [
    ("forget-late-fill", "default", 0),
    ("count-twice", "venue", 0),
    ("ungated-amend", "default", 0),
    ("drop-cancel", "default", 0),
    ("ignore-in-flight", "default", 3),
    ("position-from-status", "default", 1),
    ("quote-gapped-book", "default", 0),
    ("quote-stale-book", "default", 0),
    ("rearm-in-doubt", "operator", 17),
    ("assume-armed", "default", 6),
    ("ignore-stream-down", "default", 0),
    ("cancel-granted", "default", 5),
    ("doubt-is-no", "default", 1),
    ("forget-daily-loss", "account", 6),
    ("forget-halt", "default", 11),
    ("loss-recovers", "account", 84),
    ("ask-since-newest", "account", 0),
    ("cross-itself", "default", 6),
    ("halt-keeps-quotes", "operator", 2),
    ("retry-blindly", "venue", 0),
];

/// The seed that catches it, and the rule.
fn hunt(name: &str, profile: &str, first: u64) -> Option<(u64, &'static str)> {
    let options = options(profile, MINUTES, Mutant::find(name));
    assert!(options.mutant.is_some(), "{name}");
    (first..first + SEEDS_MAX).find_map(|seed| {
        let outcome = options.run(seed).unwrap();
        outcome.violation.map(|found| (seed, found.rule))
    })
}

#[test]
fn every_mutant_is_caught_and_the_healthy_trader_is_not() {
    let names: Vec<&str> = Mutant::all().map(Mutant::name).collect();
    let hunted: Vec<&str> = HUNTS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, hunted, "a hunt for each");
    let caught = Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    let work = || {
        while let Some((name, profile, first)) =
            HUNTS.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        {
            let found = hunt(name, profile, *first);
            if let Some((seed, _)) = found {
                let options = options(profile, MINUTES, None);
                assert_sound(&options, &options.run(seed).unwrap());
            }
            caught.lock().unwrap().push((*name, *profile, *first, found));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let caught = caught.into_inner().unwrap();
    assert_eq!(caught.len(), HUNTS.len());
    for (name, profile, first, found) in &caught {
        eprintln!("{name} with {profile} from seed {first}: {found:?}");
    }
    let escaped: Vec<_> = caught.iter().filter(|(.., found)| found.is_none()).collect();
    assert!(escaped.is_empty(), "not caught within {SEEDS_MAX} seeds: {escaped:?}");
}

#[test]
fn a_failing_seed_is_made_small() {
    let options = options("default", MINUTES, Mutant::find("doubt-is-no"));
    let failing = (0..20).find(|seed| options.run(*seed).unwrap().violation.is_some()).unwrap();
    let whole = options.plan(failing).troubles.len();
    let shrunk = options.shrink(failing, |runs| runs < 60).unwrap().unwrap();
    assert!(shrunk.outcome.violation.is_some());
    assert!(shrunk.plan.troubles.len() * 4 < whole, "{} of {whole}", shrunk.plan.troubles.len());
}
