use std::fs;
use std::os::unix::fs::PermissionsExt;

use tracing::subscriber::with_default;
use tracing::{debug, error, info, trace, warn};

use super::*;
use crate::config::Secret;

/// A directory of its own for one test.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ops-logging-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn config(path: PathBuf, level: Level, format: LogFormat) -> LoggingConfig {
    let mut config = LoggingConfig::default();
    (config.level, config.format) = (level, format);
    (config.outputs, config.file_path) = (vec![LogOutput::File], Some(path));
    (config.max_size, config.max_backups, config.max_age) = (1, 3, 30);
    config
}

/// Runs `body` under a log file of its own and gives what was written.
fn logged(name: &str, level: Level, format: LogFormat, body: impl FnOnce(&LogHandle)) -> String {
    let scratch = Scratch::new(name);
    let path = scratch.0.join("new/app.log");
    let (subscriber, log) = build(&config(path.clone(), level, format), Console::Stdout).unwrap();
    // Others may look at the log for longer than it runs: the last line is written all the same.
    let _onlooker = Arc::clone(&log.handle);
    with_default(subscriber, || body(&log.handle));
    drop(log);
    fs::read_to_string(path).unwrap()
}

#[test]
fn json_lines_are_json_with_their_fields() {
    let text = logged("json", Level::Info, LogFormat::Json, |_| {
        info!(symbol = "ETHUSDC", qty = 3, "RISK position near its \"limit\"\nsecond line");
        error!("boom");
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["level"], "INFO");
    assert_eq!(lines[0]["symbol"], "ETHUSDC");
    assert_eq!(lines[0]["qty"], 3);
    assert!(lines[0]["message"].as_str().unwrap().contains("RISK"));
    assert_eq!(lines[0]["target"], "ops::logging::tests");
    assert!(lines[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(lines[1]["level"], "ERROR");
}

#[test]
fn pretty_lines_are_plain_text_in_a_file() {
    let text = logged("pretty", Level::Info, LogFormat::Pretty, |_| warn!(qty = 3, "careful"));
    assert!(text.ends_with("  WARN ops::logging::tests: careful qty=3\n"), "{text}");
}

#[test]
fn the_level_changes_at_run_time_and_lines_are_counted() {
    let text = logged("level", Level::Warn, LogFormat::Json, |handle| {
        info!("one");
        warn!("two");
        handle.set_level(Level::Trace);
        trace!("three");
        debug!("four");
        handle.set_level(Level::Error);
        warn!("five");
        error!("six");
        let counts = [("error", 1), ("warn", 1), ("info", 0), ("debug", 1), ("trace", 1)];
        assert_eq!(handle.counts(), counts);
        assert_eq!((handle.dropped_lines(), handle.write_failures()), (0, 0));
    });
    let words: Vec<bool> = ["one", "two", "three", "four", "five", "six"]
        .iter()
        .map(|word| text.contains(&format!("\"{word}\"")))
        .collect();
    assert_eq!(words, [false, true, true, true, false, true]);
}

#[test]
fn libraries_are_heard_from_warn_up_only() {
    let text = logged("libraries", Level::Trace, LogFormat::Json, |_| {
        debug!(target: "ureq::run", "GET /?signature=sesame");
        warn!(target: "ureq::run", "slow");
    });
    assert!(!text.contains("sesame") && text.contains("slow"), "{text}");
}

#[test]
fn every_target_of_ours_is_heard() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = vec![crates.to_owned()];
    let mut found = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs")
            {
                let text = fs::read_to_string(&path).unwrap();
                let targets = text.split("target: \"").skip(1);
                found.extend(targets.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    assert!(found.contains("risk") && found.contains("order"), "{found:?}");
    for target in found {
        assert!(
            OWN_TARGETS.contains(&target.as_str()),
            "{target} would be heard from warn up only"
        );
    }
}

#[test]
fn a_secret_is_masked_however_it_is_logged() {
    let text = logged("secret", Level::Trace, LogFormat::Json, |_| {
        let secret = Secret::new("sesame");
        let inside = Some((&secret, 1));
        info!(%secret, ?secret, ?inside, "key {secret} {secret:?} {inside:?}");
    });
    assert!(!text.contains("sesame") && text.contains("***"), "{text}");
}

#[test]
fn the_file_is_not_for_everyone() {
    let scratch = Scratch::new("mode");
    let path = scratch.0.join("dir/app.log");
    let config = config(path.clone(), Level::Info, LogFormat::Json);
    let built = build(&config, Console::Stdout).unwrap();
    drop(built);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path) & 0o137, 0);
    assert_eq!(mode(path.parent().unwrap()) & 0o027, 0);
}

#[test]
fn a_file_that_cannot_be_opened_says_which_and_why() {
    let path = PathBuf::from("/dev/null/app.log");
    let Err(error) = build(&config(path, Level::Info, LogFormat::Json), Console::Stdout) else {
        panic!("opened")
    };
    let text = error.to_string();
    assert!(text.contains("/dev/null/app.log") && text.contains("logging.file_path"), "{text}");
}

#[test]
fn a_full_disk_is_counted_and_survived() {
    let path = PathBuf::from("/dev/full");
    let failures = Arc::new(Failures::default());
    let limits = Limits { size: 10, backups: 1, age: std::time::Duration::from_secs(1) };
    let mut file = RotatingFile::open(path, limits, Arc::clone(&failures)).unwrap();
    for _ in 0..3 {
        file.write_all(b"a line\n").unwrap();
    }
    assert_eq!(failures.count(), 3);
}

#[test]
fn journald_sees_a_priority_on_every_line() {
    let text = with_priority(priority(tracing::Level::ERROR), b"one\ntwo\n");
    assert_eq!(text, b"<3>one\n<3>two\n");
    assert_eq!(priority(tracing::Level::WARN), 4);
    assert_eq!(priority(tracing::Level::INFO), 6);
    assert_eq!(priority(tracing::Level::TRACE), 7);
}

#[test]
fn journald_is_recognised_by_the_device_of_standard_output() {
    assert!(is_journal(Some("8:123"), Some((8, 123))));
    assert!(!is_journal(Some("8:123"), Some((8, 124))));
    assert!(!is_journal(Some("nonsense"), Some((8, 123))));
    assert!(!is_journal(Some("nonsense"), None));
    assert!(!is_journal(None, Some((8, 123))));
}

#[test]
fn a_level_has_a_word() {
    assert_eq!("warn".parse(), Ok(Level::Warn));
    assert_eq!("loud".parse::<Level>(), Err("trace, debug, info, warn or error".into()));
}

#[test]
fn a_process_has_one_log() {
    let scratch = Scratch::new("init");
    let path = scratch.0.join("app.log");
    let mut config = config(path.clone(), Level::Info, LogFormat::Json);
    config.outputs.push(LogOutput::Stdout);
    config.level = Level::Error;
    let handle = init(&config, Console::Stderr).unwrap();
    error!("from the process");
    assert!(matches!(init(&config, Console::Stderr), Err(LogError::Twice)));
    drop(handle);
    assert!(fs::read_to_string(path).unwrap().contains("from the process"));
}
