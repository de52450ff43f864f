//! `trader replay`: differences, damage, other parameters, the state at a moment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use engine::RecordedOutput;
use journal::{Durability, Entry, Header, Reader, Retention, Writer};
use market::venue::VenueCommand;
use market::{Nanos, Ticks};
use serde_json::Value;

const TRADER: &str = env!("CARGO_BIN_EXE_trader");
/// Larger than any segment here.
const WHOLE: u64 = 64 << 20;

/// A scratch folder, and the trader run in it.
struct Desk(PathBuf);

impl Desk {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mm-replay-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A folder with a simulated session in it.
    fn traded(name: &str, span: &str) -> (Self, PathBuf) {
        let desk = Self::new(name);
        let ran = desk.run(&["--seed", "7", "--speed", "max", "--for", span]);
        assert!(ran.status.success(), "{}", errors(&ran));
        let journal = desk.newest("data/journal");
        (desk, journal)
    }

    fn newest(&self, folder: &str) -> PathBuf {
        let entries = fs::read_dir(self.0.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path()).max().unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(TRADER).args(arguments).current_dir(&self.0).output().unwrap()
    }

    fn replay(&self, journal: &Path, arguments: &[&str]) -> Output {
        self.run(&[&["replay", journal.to_str().unwrap()], arguments].concat())
    }

    /// Replays with `--json`, expects success, returns the document.
    fn json(&self, journal: &Path, arguments: &[&str]) -> Value {
        let output = self.replay(journal, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", errors(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a session anew, under another header and with each turn's outputs passed through `change`.
fn rewrite(
    from: &Path,
    to: &Path,
    segment_bytes: u64,
    header: impl FnOnce(Header) -> Header,
    mut change: impl FnMut(u64, &mut Vec<RecordedOutput>),
) -> PathBuf {
    let reader = Reader::open(from).unwrap();
    let header = header(reader.header().clone());
    let retention = Retention { segment_bytes, ..Retention::default() };
    let mut writer = Writer::create(to, header, Durability::Buffered, retention).unwrap();
    for record in reader {
        let record = record.unwrap();
        match record.entry {
            Entry::Inputs { now, inputs } => drop(writer.inputs(now, &inputs).unwrap()),
            Entry::Outputs(mut outputs) => {
                change(record.turn, &mut outputs);
                writer.outputs(&outputs).unwrap();
            }
            Entry::Checkpoint(hash) => writer.checkpoint(hash).unwrap(),
            Entry::End(hash) => writer.end(hash).unwrap(),
        }
    }
    writer.dir().to_owned()
}

#[test]
fn the_first_difference_is_shown_with_what_led_to_it() {
    let (desk, journal) = Desk::traded("difference", "1m");
    let mut changed = None;
    let other = rewrite(
        &journal,
        &desk.0.join("other"),
        WHOLE,
        |header| header,
        |turn, outputs| {
            if turn < 2_000 || changed.is_some() {
                return;
            }
            for output in outputs {
                if let RecordedOutput::Venue(VenueCommand::Amend(amend)) = output {
                    amend.price = amend.price + Ticks::new(1);
                    changed = Some(turn);
                    return;
                }
            }
        },
    );
    let turn = changed.unwrap();
    // Without --verify it is shown all the same.
    for (arguments, code) in [(&["--verify"][..], 1), (&[], 0)] {
        let output = desk.replay(&other, arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        let wanted = [
            &*format!("DIFFERENCE in turn {turn} at 2026-01-05T00:00:"),
            "recorded: Venue(Amend(",
            "replayed: Venue(",
            "before the turn\n  mode: quoting\n  position: ",
            " ETH at ",
            "  order: mm-00000001-",
            "live",
            "inputs: ",
            "outputs as replayed",
        ];
        for wanted in wanted {
            assert!(text.contains(wanted), "no {wanted:?} in\n{text}");
        }
    }
    let document = desk.replay(&other, &["--verify", "--json"]);
    let document: Value = serde_json::from_slice(&document.stdout).unwrap();
    assert_eq!((&document["same"], &document["turns"]), (&Value::Bool(false), &turn.into()));
    assert_eq!(desk.json(&journal, &["--verify"])["same"], true);
}

#[test]
fn another_configuration_in_the_header_shows_in_the_first_state_hash() {
    let (desk, journal) = Desk::traded("hash", "10s");
    let header = |mut header: Header| {
        header.config.breaker.threshold += 1;
        header
    };
    let other = rewrite(&journal, &desk.0.join("other"), WHOLE, header, |_, _| {});
    let output = desk.replay(&other, &["--verify"]);
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    assert!(text.contains("DIFFERENCE in turn 1 at "), "{text}");
    assert!(text.contains("state hash: recorded "), "{text}");
    assert!(text.contains("order: none"), "{text}");
}

#[test]
fn damage_is_named_and_everything_before_it_is_replayed() {
    let (desk, journal) = Desk::traded("damage", "20s");
    let segment = journal.join("000001.mmj");
    let whole = fs::read(&segment).unwrap();
    let header = u64::try_from(whole.len()).unwrap().min(6_000);
    let turns_of = |document: &Value| document["turns"].as_u64().unwrap();
    let all = turns_of(&desk.json(&journal, &["--verify"]));
    let mut before = 0;
    for part in 1..=16 {
        let at = header as usize + (whole.len() - 1 - header as usize) * part / 16;
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&segment, bytes).unwrap();
        let output = desk.replay(&journal, &["--json"]);
        assert_eq!(output.status.code(), Some(1), "byte {at}: {}", errors(&output));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["same"], true, "byte {at}");
        let turns = turns_of(&document);
        assert!((before..=all).contains(&turns) && turns > 0, "byte {at}: {turns} turns");
        before = turns;
        for text in [errors(&output), document["damage"].to_string()] {
            let wanted = format!("after turn {turns}: ");
            assert!(text.contains("000001.mmj: damaged at byte "), "byte {at}: {text}");
            assert!(text.contains(&wanted), "byte {at}: no {wanted:?} in {text}");
        }
        let asked = desk.replay(&journal, &["--what-if", "strategy.base_spread=0.0004"]);
        assert_eq!(asked.status.code(), Some(1));
        assert!(said(&asked).contains("SIMULATED"), "{}", said(&asked));
    }
    // In the header there is nothing before.
    for at in [20, 200] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x40;
        fs::write(&segment, bytes).unwrap();
        let output = desk.replay(&journal, &[]);
        assert_eq!((output.status.code(), said(&output)), (Some(1), String::new()));
        assert!(errors(&output).contains("checksum of its header"), "{}", errors(&output));
    }
}

#[test]
fn a_part_of_a_session_is_not_taken_for_the_whole() {
    let (desk, journal) = Desk::traded("part", "20s");
    let many = rewrite(&journal, &desk.0.join("cut"), 50_000, |header| header, |_, _| {});
    assert!(many.join("000003.mmj").exists());
    assert_eq!(desk.json(&many, &["--verify"])["same"], true);
    let output = desk.replay(&many.join("000002.mmj"), &["--verify"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("is segment 2 of a session"), "{}", errors(&output));
    fs::remove_file(many.join("000002.mmj")).unwrap();
    let output = desk.replay(&many, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors(&output).contains("segment 2 was expected"), "{}", errors(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(document["turns"].as_u64().unwrap() > 100, "{document}");
}

#[test]
fn the_state_at_a_moment_is_whole() {
    let (desk, journal) = Desk::traded("until", "2m");
    let until = ["--until", "2026-01-05T00:01:30Z"];
    let text = said(&desk.replay(&journal, &until));
    let wanted = [
        "time ",
        "mode ",
        "book ",
        "asks ",
        "bids ",
        "position ",
        "exposure ",
        "account ",
        "quotes ",
        "order ",
        "dead-man ",
        "PnL ",
        "as cash ",
        "by source ",
        "max_position ",
        "breaker ",
        "daily_loss_limit ",
        "position confirmed by the venue, user stream up",
        "armed, fires at",
    ];
    for wanted in wanted {
        assert!(text.contains(wanted), "no {wanted:?} in\n{text}");
    }
    let state = &desk.json(&journal, &until)["state"];
    let until = Nanos::from_millis(1_767_571_290_000);
    assert!(state["now_ms"].as_u64().unwrap() <= until.as_millis());
    let view = &state["desks"][0];
    assert_eq!(view["position"]["known"], true);
    assert!(view["book"]["best_bid"].is_string() && view["dead_man_until_ms"].is_u64());
    assert_eq!(view["orders"].as_array().unwrap().len(), 6);
    assert!(state["risk"]["limits"].as_array().unwrap().len() >= 5);
}

#[test]
fn the_recorded_parameters_on_the_simulated_venue_are_the_session_itself() {
    // The crowd does not react to us, so the simulated venue must give what really happened. Where it
    // does not, neither would the comparison be one.
    let (desk, journal) = Desk::traded("same", "10m");
    let answer = desk.json(&journal, &["--what-if", "strategy.base_spread=0.0004"]);
    let parts = |name: &str| (answer[name]["decisions"].clone(), answer[name]["engine"].clone());
    assert_eq!(parts("real"), parts("recorded"));
    assert_ne!(parts("recorded"), parts("changed"));
    let simulated = ["real", "recorded", "changed"].map(|name| answer[name]["simulated"].clone());
    assert_eq!(simulated, [false, true, true]);
    assert!(answer["simulation"]["decisions_differing"]["amend"].as_u64().unwrap() > 0);

    let exact = &answer["exact"];
    assert_eq!(exact["first"][0]["inputs"], "depth");
    let side = |name: &str| exact["first"][0][name][0].as_str().unwrap().to_owned();
    assert!(side("recorded").starts_with("place buy 0.050 @ "), "{}", side("recorded"));
    assert_ne!(side("recorded"), side("changed"));
    assert!(exact["first"][0]["turn"].as_u64() < exact["parting"]["turn"].as_u64());
}

#[test]
fn several_keys_count_together() {
    let (desk, journal) = Desk::traded("together", "1m");
    // More than the position limit allows, unless that is raised as well.
    let more = ["--what-if", "strategy.max_inventory=3"];
    let refused = desk.replay(&journal, &more);
    assert_eq!(refused.status.code(), Some(2), "{}", errors(&refused));
    let both = [&more[..], &["--what-if", "risk.max_position=4"]].concat();
    let answer = desk.json(&journal, &both);
    assert_eq!(answer["what_if"].as_array().unwrap().len(), 2);
    // Nothing is decided otherwise where a limit is never met: the answers fit to the end.
    let unmet = desk.json(&journal, &["--what-if", "risk.daily_loss_limit=90"]);
    assert_eq!(
        (&unmet["exact"]["turns_changed"], &unmet["exact"]["parting"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(unmet["recorded"]["engine"]["pnl"], unmet["changed"]["engine"]["pnl"]);
}

#[test]
fn keys_that_change_nothing_are_refused() {
    let (desk, journal) = Desk::traded("refused", "10s");
    let cases = [
        ("strategy.base_sprad=0.0004", "did you mean base_spread"),
        ("strategy.base_spread=0.0003", "was 0.0003 in the session already"),
        ("strategy.base_spread=wide", "strategy.base_spread"),
        ("strategy.base_spread=9", "out of range"),
        ("strategy.symbol=BTCUSDC", "needs another market"),
        ("risk.max_position=0.01", "less than strategy.max_inventory"),
        ("simulation.seed=4", "does not change what the engine does"),
        ("logging.level=debug", "does not change what the engine does"),
        ("data.dir=/elsewhere", "does not change what the engine does"),
        ("exchange.leverage=7", "does not change what the engine does"),
        ("strategy", "KEY=VALUE"),
        ("=1", "KEY=VALUE"),
    ];
    for (set, wanted) in cases {
        let output = desk.replay(&journal, &["--what-if", set]);
        let text = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{set}: {text}");
        assert!(text.contains(wanted), "{set}: no {wanted:?} in {text}");
        assert!(said(&output).is_empty(), "{set}");
    }
}

#[test]
fn a_full_disk_ends_the_session_and_leaves_a_journal() {
    let desk = Desk::new("full");
    // The limit on the size of a file stands for a full disk; its signal is left out.
    let script = r#"trap '' XFSZ; ulimit -f 400; exec "$0" --seed 7 --speed max --for 10m"#;
    let output =
        Command::new("sh").args(["-c", script, TRADER]).current_dir(&desk.0).output().unwrap();
    let text = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot write: File too large"), "{text}");
    assert!(text.contains("trading was stopped because it could not be recorded"), "{text}");
    assert!(said(&output).contains("no order left"), "{}", said(&output));
    let replayed = desk.json(&desk.newest("data/journal"), &["--verify"]);
    assert_eq!(replayed["same"], true);
    assert!(replayed["tail"].as_str().unwrap().contains("was cut off"), "{replayed}");
}

#[test]
fn a_journal_that_cannot_begin_is_refused_with_a_remedy() {
    let desk = Desk::new("blocked");
    fs::create_dir(desk.0.join("data")).unwrap();
    fs::write(desk.0.join("data/journal"), "").unwrap();
    let output = desk.run(&["--speed", "max", "--for", "1m"]);
    assert_eq!(output.status.code(), Some(1));
    let text = errors(&output);
    assert!(
        text.contains("cannot start a journal") && text.contains("choose a data.dir"),
        "{text}"
    );
}
