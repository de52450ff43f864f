use std::cell::Cell;
use std::sync::Mutex;

use super::super::tests::Scratch;
use super::*;

/// A file under a clock that the test moves.
struct Bench {
    scratch: Scratch,
    now: Arc<Mutex<SystemTime>>,
    failures: Arc<Failures>,
    lines: Cell<u32>,
}

impl Bench {
    fn new(name: &str) -> Self {
        let now = UNIX_EPOCH + DAY * 20_000;
        Self {
            scratch: Scratch::new(name),
            now: Arc::new(Mutex::new(now)),
            failures: Arc::default(),
            lines: Cell::new(0),
        }
    }

    fn path(&self) -> PathBuf {
        self.scratch.0.join("app.log")
    }

    fn open(&self, size: u64, backups: usize, days: u32) -> RotatingFile {
        let limits = Limits { size, backups, age: DAY * days };
        let now = Arc::clone(&self.now);
        let clock = Box::new(move || *now.lock().unwrap());
        RotatingFile::open_at(self.path(), limits, Arc::clone(&self.failures), clock).unwrap()
    }

    fn wait(&self, time: Duration) {
        *self.now.lock().unwrap() += time;
    }

    /// Writes lines of ten bytes, `line 0001`, `line 0002`, …, a second apart.
    fn write(&self, file: &mut RotatingFile, lines: u32) {
        for _ in 0..lines {
            self.lines.set(self.lines.get() + 1);
            file.write_all(format!("line {:04}\n", self.lines.get()).as_bytes()).unwrap();
            self.wait(Duration::from_secs(1));
        }
    }

    /// The files, oldest first, each with its first and last line.
    fn files(&self) -> Vec<String> {
        let mut names: Vec<PathBuf> =
            fs::read_dir(&self.scratch.0).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        // The file being written has the shortest name and sorts first, but is the youngest.
        names.rotate_left(1);
        let content = |path: &PathBuf| {
            let text = fs::read_to_string(path).unwrap();
            let number = |line: Option<&str>| line.map_or("", |line| &line[5..]).to_owned();
            format!("{}-{}", number(text.lines().next()), number(text.lines().last()))
        };
        names.iter().map(content).collect()
    }
}

#[test]
fn a_full_file_gives_way_and_the_oldest_goes() {
    let bench = Bench::new("size");
    let mut file = bench.open(100, 2, 30);
    bench.write(&mut file, 10);
    assert_eq!(bench.files(), ["0001-0010"]);
    bench.write(&mut file, 15);
    assert_eq!(bench.files(), ["0001-0010", "0011-0020", "0021-0025"]);
    bench.write(&mut file, 30);
    assert_eq!(bench.files(), ["0031-0040", "0041-0050", "0051-0055"]);
    assert_eq!(bench.failures.count(), 0);
}

#[test]
fn no_backups_means_one_file() {
    let bench = Bench::new("none");
    let mut file = bench.open(100, 0, 30);
    bench.write(&mut file, 25);
    assert_eq!(bench.files(), ["0021-0025"]);
}

#[test]
fn age_wins_over_count() {
    let bench = Bench::new("age");
    let mut file = bench.open(100, 10, 30);
    bench.write(&mut file, 25);
    assert_eq!(bench.files().len(), 3);
    bench.wait(DAY * 29);
    bench.write(&mut file, 1);
    assert_eq!(bench.files(), ["0001-0010", "0011-0020", "0021-0025", "0026-0026"]);
    bench.wait(DAY * 2);
    bench.write(&mut file, 1);
    assert_eq!(bench.files(), ["0021-0025", "0026-0027"]);
}

#[test]
fn a_quiet_log_rotates_so_that_its_lines_can_age() {
    let bench = Bench::new("quiet");
    let mut file = bench.open(1_000_000, 10, 30);
    for _ in 0..100 {
        bench.write(&mut file, 1);
        bench.wait(DAY);
    }
    let files = bench.files();
    let days: u32 = 100 - files[0][..4].parse::<u32>().unwrap();
    assert!((27..=34).contains(&days), "{files:?}");
}

#[test]
fn a_restart_continues_the_file_and_counts_the_old_ones() {
    let bench = Bench::new("restart");
    let mut file = bench.open(100, 2, 30);
    bench.write(&mut file, 25);
    drop(file);
    let mut file = bench.open(100, 1, 30);
    bench.write(&mut file, 3);
    assert_eq!(bench.files(), ["0011-0020", "0021-0028"]);
}

#[test]
fn other_files_are_left_alone() {
    let bench = Bench::new("others");
    for name in ["app.log.1", "app.log.20000101T000000.000Z.gz", "other.20000101T000000.000Z"] {
        fs::write(bench.scratch.0.join(name), "line 0000\n").unwrap();
    }
    let mut file = bench.open(20, 0, 1);
    bench.write(&mut file, 9);
    assert_eq!(fs::read_dir(&bench.scratch.0).unwrap().count(), 4);
}

#[test]
fn two_rotations_in_one_millisecond_lose_nothing() {
    let bench = Bench::new("burst");
    let mut file = bench.open(10, 50, 30);
    for _ in 0..20 {
        file.write_all(b"line 0001\n").unwrap();
    }
    assert_eq!(bench.files().len(), 20);
}

#[test]
fn a_failed_rotation_keeps_writing_and_is_tried_again() {
    let bench = Bench::new("failed");
    let mut file = bench.open(100, 5, 30);
    bench.write(&mut file, 10);
    // Renaming fails for root too when the directory has moved away.
    let moved = bench.scratch.0.with_extension("moved");
    fs::rename(&bench.scratch.0, &moved).unwrap();
    bench.write(&mut file, 5);
    assert!(bench.failures.count() > 0);
    fs::rename(&moved, &bench.scratch.0).unwrap();
    assert_eq!(bench.files(), ["0001-0015"]);
    bench.wait(RETRY_INTERVAL);
    bench.write(&mut file, 1);
    assert_eq!(bench.files(), ["0001-0015", "0016-0016"]);
}

#[test]
fn stamps_are_dates() {
    let stamp_of = |seconds: u64| stamp(UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!(stamp_of(0), "19700101T000000.000Z");
    assert_eq!(stamp_of(951_868_799), "20000229T235959.000Z");
    assert_eq!(stamp_of(1_767_225_600), "20260101T000000.000Z");
    assert_eq!(stamp_of(4_107_542_400), "21000301T000000.000Z");
    assert!(is_stamp(&stamp_of(1)) && !is_stamp("1") && !is_stamp("2026-101T000000.000Z"));
}
