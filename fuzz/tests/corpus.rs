//! Every input that was kept, through its target: what the fuzzer once found stays found.

use std::fs;
use std::path::Path;

#[test]
fn every_kept_input_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in fuzz::TARGETS {
        let dir = corpus.join(name);
        let entries = fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{} is empty", dir.display());
        for path in &paths {
            let input = fs::read(path).unwrap();
            let passed = std::panic::catch_unwind(|| target(&input));
            assert!(passed.is_ok(), "{name} fails on {}", path.display());
        }
    }
    let listed = fs::read_dir(&corpus).unwrap().count();
    assert_eq!(listed, fuzz::TARGETS.len(), "a corpus without a target");
}
