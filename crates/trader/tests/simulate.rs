//! `trader simulate`, as somebody types it.

use std::process::{Command, Output};

fn simulate(arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trader"))
        .arg("simulate")
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn document(arguments: &str) -> serde_json::Value {
    let output = simulate(arguments);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "no progress in a pipe: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_same_seeds_have_the_same_hash_however_many_threads_run_them() {
    let one = document("--seeds 3..7 --hours 0.1 --threads 1 --json");
    let two = document("--seeds 3..7 --hours 0.1 --threads 3 --json");
    for key in ["seeds", "failed", "hash", "injected", "checked", "deaths", "messages"] {
        assert!(!one[key].is_null(), "{key}");
        assert_eq!(one[key], two[key], "{key}");
    }
    assert_eq!((one["seeds"].as_u64(), one["failed"].as_u64()), (Some(4), Some(0)));
    let other = document("--seeds 4..8 --hours 0.1 --threads 1 --json");
    assert_ne!(one["hash"], other["hash"]);
}

#[test]
fn a_table_says_what_was_injected_and_checked() {
    let output = simulate("--seeds 0..2 --hours 0.1 --faults crash");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    for wanted in ["INJECTED", "CHECKED", "crash_at_once", "exposure", "no rule was broken"] {
        assert!(text.contains(wanted), "`{wanted}` in:\n{text}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for wrong in ["--seeds 5..5", "--seeds 7", "--hours 0", "--hours many", "--faults mild"] {
        let output = simulate(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong}: {output:?}");
        assert!(!output.stderr.is_empty(), "{wrong}");
    }
}

#[test]
#[cfg(not(feature = "mutants"))]
fn a_program_that_trades_contains_nothing_broken() {
    let output = simulate("--seeds 0..1 --hours 0.1 --mutant doubt-is-no");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("--features mutants"), "{text}");
    let listed = stdout(&simulate("--mutants"));
    assert!(listed.lines().any(|line| line == "doubt-is-no"), "{listed}");
}

#[test]
#[cfg(feature = "mutants")]
fn a_broken_trader_fails_with_the_command_that_repeats_it() {
    let output = simulate("--seeds 0..4 --hours 0.4 --mutant drop-cancel");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stdout(&output);
    let repeat = text.lines().find_map(|line| line.trim().strip_prefix("repeat: trader simulate "));
    let again = simulate(repeat.expect("the command"));
    assert_eq!(again.status.code(), Some(1), "{again:?}");
}
