//! Whole sessions of the paper driver, their journals, and their replays.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use engine::config::EngineConfig;
use engine::{Output, Snapshot};
use journal::{Durability, Header, Retention, Tail, Writer};
use market::Nanos;
use runtime::replay::replay;
use runtime::{Observer, Pace, Paper, Summary, Venue};
use sim_exchange::{Faults, SimConfig, SimExchange};

use crate::market::{START, engine_config, lively, strategy};

struct Nobody;

impl Observer for Nobody {
    fn turn(&mut self, _now: Nanos, _outputs: &[Output], _batch: usize, _took: Duration) {}
    fn snapshot(&mut self, _snapshot: Snapshot, _journal_bytes: u64) {}
}

/// A folder that is removed when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mm-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config() -> EngineConfig {
    let mut config = engine_config();
    strategy(&mut config).base_spread = 0.0002;
    config
}

fn session(seed: u64, faults: Faults, folder: Option<&Folder>) -> (Summary, PathBuf) {
    let exchange = SimExchange::new(SimConfig { faults, ..lively(seed) });
    let journal = folder.map(|folder| {
        let header = Header {
            program: String::from("test"),
            session: 1,
            created: START,
            note: String::new(),
            config: config(),
        };
        let durability = Durability::EachBatch;
        Writer::create(&folder.0, header, durability, Retention::default()).unwrap()
    });
    let path = journal.as_ref().map(|writer| writer.dir().to_owned()).unwrap_or_default();
    let (_controls, receiver) = sync_channel(1);
    let paper = Paper {
        config: config(),
        venue: Venue::Simulated(Box::new(exchange)),
        journal,
        pace: Pace::Max,
        start: START,
        until: Some(START + Duration::from_secs(120)),
        controls: receiver,
    };
    (paper.run(&mut Nobody).expect("a clean end"), path)
}

fn stormy() -> Faults {
    Faults {
        lose_ack: 50_000,
        lose_fill: 20_000,
        delay_report: 50_000,
        delay: Duration::from_millis(900),
        doubt_executed: 20_000,
        ..Faults::none()
    }
}

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    let (first, _) = session(1, Faults::none(), None);
    let (second, _) = session(1, Faults::none(), None);
    let (other, _) = session(2, Faults::none(), None);
    assert_eq!(first.state_hash, second.state_hash);
    assert_ne!(first.state_hash, other.state_hash);
    let truth = first.truth.as_ref().unwrap();
    assert!(truth.fills.unwrap() > 0, "nothing traded, nothing proved");
    assert!(truth.open_orders.is_empty());
}

#[test]
fn a_replay_of_a_session_is_identical() {
    for (name, faults) in [("calm", Faults::none()), ("storm", stormy())] {
        let folder = Folder::new(&format!("replay-{name}"));
        let (summary, path) = session(7, faults, Some(&folder));
        let replayed = replay(&path, None, |_, _| {}).unwrap();
        assert!(replayed.difference.is_none(), "{name}: {:?}", replayed.difference);
        assert_eq!(replayed.state_hash, summary.state_hash, "{name}");
        assert_eq!(replayed.tail, Some(Tail::Ended), "{name}");
        assert!(replayed.hashes >= 2 && replayed.outputs > 0, "{name}");
    }
}

/// The last segment of a session, cut to `keep` bytes, as a kill would leave it.
fn cut(path: &Path, keep: u64) {
    let segment = path.join("000001.mmj");
    let file = fs::OpenOptions::new().write(true).open(segment).unwrap();
    file.set_len(keep).unwrap();
}

#[test]
fn a_killed_session_replays_up_to_its_unfinished_frame() {
    let folder = Folder::new("killed");
    let (summary, path) = session(7, Faults::none(), Some(&folder));
    let size = fs::metadata(path.join("000001.mmj")).unwrap().len();
    for keep in [size - 1, size * 2 / 3, size / 2 + 1] {
        cut(&path, keep);
        let replayed = replay(&path, None, |_, _| {}).unwrap();
        assert!(replayed.difference.is_none(), "{:?}", replayed.difference);
        assert!(matches!(replayed.tail, Some(Tail::Torn { .. } | Tail::Open)));
        assert!(replayed.turns > 0 && replayed.turns <= summary.turns);
    }
}

#[test]
fn damage_is_named_and_what_comes_before_it_replays() {
    let folder = Folder::new("damaged");
    let (_, path) = session(7, Faults::none(), Some(&folder));
    let segment = path.join("000001.mmj");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let replayed = replay(&path, None, |_, _| {}).unwrap();
    assert!(replayed.turns > 100 && replayed.difference.is_none());
    assert_eq!(replayed.tail, None);
    let error = replayed.damage.unwrap().to_string();
    let after = format!("after turn {}: ", replayed.turns);
    assert!(error.contains("damaged at byte") && error.contains(&after), "{error}");
}

#[test]
fn a_replay_can_stop_in_the_middle() {
    let folder = Folder::new("until");
    let (_, path) = session(7, Faults::none(), Some(&folder));
    let until = START + Duration::from_secs(60);
    let replayed = replay(&path, Some(until), |_, _| {}).unwrap();
    assert!(replayed.difference.is_none());
    assert!(replayed.span.1 <= until && replayed.snapshot.now <= until);
}
