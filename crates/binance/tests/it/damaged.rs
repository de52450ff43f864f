//! Captures that are cut off, damaged, or no captures at all.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use binance::{CaptureError, CaptureEvent, CaptureInfo, CaptureReader, Problem, capture_symbol};
use flate2::Compression;
use flate2::write::GzEncoder;
use market::{MarketKind, Nanos};

use crate::known;

/// A file that is gone when the test is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        // A directory each: tests run side by side, and one that ends removes its own.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name_of_dir = format!("binance-it-{}-{number}", std::process::id());
        let dir = std::env::temp_dir().join(name_of_dir);
        fs::create_dir_all(&dir).unwrap();
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

const BASE: u64 = 1_791_000_000_000;

fn depth(previous: u64, last: u64, at: u64) -> String {
    format!(
        r#"{{"stream":"ethusdc@depth@100ms","data":{{"e":"depthUpdate","E":{at},"T":{at},"s":"ETHUSDC","U":{},"u":{last},"pu":{previous},"b":[["2610.58","{last}"]],"a":[["2610.60","0.{last}"]]}}}}"#,
        previous + 1
    )
}

fn trade(id: u64, at: u64) -> String {
    format!(
        r#"{{"stream":"ethusdc@trade","data":{{"e":"trade","E":{at},"T":{at},"s":"ETHUSDC","t":{id},"p":"2610.59","q":"0.010","X":"MARKET","m":false}}}}"#
    )
}

const SNAPSHOT: &str = r#"{"lastUpdateId":11,"bids":[["2610.50","1.5"]],"asks":[["2610.60","2"]]}"#;

/// A small capture; the recorder's clock is 500 ms behind the venue's.
fn lines(count: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for i in 0..count {
        let at = BASE + i * 100;
        let recv = |late: u64| (at - 500 + late) * 1_000_000;
        lines.push(format!("{} {}", recv(3), depth(10 + i, 11 + i, at)));
        if i == 2 {
            lines.push(format!("{} {SNAPSHOT}", recv(5)));
        }
        lines.push(format!("{} {}", recv(7 + i % 3), trade(i, at)));
    }
    lines
}

fn plain(lines: &[String]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(paths: &[&PathBuf]) -> (Vec<CaptureEvent>, Vec<CaptureError>) {
    let reader = match CaptureReader::open(&known("ETHUSDC"), paths) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    for item in reader {
        match item {
            Ok(event) => events.push(event),
            Err(error) => errors.push(error),
        }
    }
    (events, errors)
}

#[test]
fn plain_and_compressed_in_any_unit_read_alike() {
    let whole = lines(20);
    let file = Scratch::new("plain", &plain(&whole));
    let (events, errors) = read(&[&file.0]);
    assert!(errors.is_empty());
    // 20 changes, 20 trades, and FeedUp and Snapshot.
    assert_eq!(events.len(), 42);
    let up = events.iter().position(|e| e.event.kind == MarketKind::FeedUp).unwrap();
    assert!(matches!(&events[up + 1].event.kind, MarketKind::Snapshot(s) if s.last_id == 11));
    assert!(matches!(&events[up + 2].event.kind, MarketKind::Diff(d) if d.previous_id == 10));
    assert_eq!(events[0].ts_recv, Nanos((BASE + 4) * 1_000_000), "the fastest takes no time");

    let packed = Scratch::new("packed.gz", &gzip(&plain(&whole)));
    assert_eq!(read(&[&packed.0]), (events.clone(), vec![]));
    // Two gzip members in one file, as `cat a.gz b.gz` makes them; no newline at the end.
    let bytes = plain(&whole);
    let members = [gzip(&bytes[..777]), gzip(&bytes[777..bytes.len() - 1])].concat();
    let packed = Scratch::new("members.gz", &members);
    assert_eq!(read(&[&packed.0]), (events.clone(), vec![]));
    for (name, divisor) in [("micros", 1_000), ("millis", 1_000_000)] {
        let coarse: Vec<String> = whole
            .iter()
            .map(|line| {
                let (time, frame) = line.split_once(' ').unwrap();
                format!("{} {frame}\r", time.parse::<u64>().unwrap() / divisor)
            })
            .collect();
        let file = Scratch::new(name, &plain(&coarse));
        assert_eq!(read(&[&file.0]), (events.clone(), vec![]), "{name}");
    }
    // As two files.
    let (one, two) =
        (Scratch::new("1", &plain(&whole[..9])), Scratch::new("2", &plain(&whole[9..])));
    assert_eq!(read(&[&one.0, &two.0]), (events, vec![]));
}

#[test]
fn a_clock_that_is_plausible_is_left_alone() {
    let line = format!("{} {}", (BASE + 40) * 1_000_000, trade(1, BASE));
    let file = Scratch::new("plausible", &plain(&[line]));
    assert_eq!(read(&[&file.0]).0[0].ts_recv, Nanos((BASE + 40) * 1_000_000));
    let line = format!("{} {}", (BASE + 3_600_000) * 1_000_000, trade(1, BASE));
    let file = Scratch::new("hour", &plain(&[line]));
    assert_eq!(read(&[&file.0]).0[0].ts_recv, Nanos(BASE * 1_000_000));
}

#[test]
fn a_cut_off_file_yields_what_is_before_the_cut() {
    let whole = gzip(&plain(&lines(200)));
    let file = Scratch::new("whole.gz", &whole);
    let (all, _) = read(&[&file.0]);
    let mut longest = 0;
    for cut in [20, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
        let file = Scratch::new("cut.gz", &whole[..cut]);
        let (events, errors) = read(&[&file.0]);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].problem, Problem::Truncated);
        assert_eq!(events[..], all[..events.len()]);
        longest = longest.max(events.len());
    }
    assert_eq!(longest, all.len());
    let info = CaptureInfo::scan(&Scratch::new("cut2.gz", &whole[..whole.len() / 2]).0).unwrap();
    assert!(info.fault.unwrap().to_string().contains("cut off"));

    // A plain file that ends within a line.
    let bytes = plain(&lines(5));
    let file = Scratch::new("cut.txt", &bytes[..bytes.len() - 30]);
    let (events, errors) = read(&[&file.0]);
    assert_eq!((events.len(), errors.len()), (11, 1));
    assert!(errors[0].to_string().contains("cut.txt:11: not valid JSON (EOF"), "{}", errors[0]);
}

#[test]
fn damage_in_the_compressed_data_never_panics_and_is_named() {
    let whole = gzip(&plain(&lines(60)));
    let mut undamaged = 0;
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let file = Scratch::new("damaged.gz", &bytes);
        let (_, errors) = read(&[&file.0]);
        undamaged += usize::from(errors.is_empty());
    }
    assert!(undamaged <= 2, "only unused bytes of the gzip header may go unnoticed: {undamaged}");
}

#[test]
fn what_is_no_capture_is_refused_with_the_reason() {
    let zip = b"PK\x03\x04rest".as_slice();
    let many = "hello\n".repeat(9);
    for (name, bytes, wanted) in [
        ("empty", b"".as_slice(), "is empty"),
        ("empty.gz", &gzip(b""), "is empty"),
        ("blank", b"\n\n\n", "names no symbol"),
        ("zip", zip, "it is a zip archive"),
        ("text", many.as_bytes(), "line 1 is `hello`"),
        ("json", br#"{"e":"trade"}"#, "line 1 is `{\"e\":\"trade\"}`"),
        ("binary", &[0xfe, 0xed, 0, 1, 2, 3, 255, 254], "line 1 is"),
        ("year9", b"17 {}\n", "line 1 is `17 {}`"),
        ("huge", b"99999999999999999999999 {}\n", "line 1 is"),
        ("mute", b"1791000000000 {}\n1791000000001 {}\n", "names no symbol"),
    ] {
        let file = Scratch::new(name, bytes);
        let error = capture_symbol(&file.0).unwrap_err();
        assert!(error.to_string().contains(wanted), "{name}: {error}");
        assert!(error.is_fatal());
        let (events, errors) = read(&[&file.0]);
        assert_eq!((events.len(), errors.len()), (0, 1));
    }
    let missing = PathBuf::from("/nowhere/at/all.gz");
    let error = capture_symbol(&missing).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/at/all.gz: cannot read: No such file"), "{error}");
    let error = capture_symbol(&std::env::temp_dir()).unwrap_err().to_string();
    assert!(error.contains("it is a directory"), "{error}");
}

#[test]
fn bad_lines_are_named_and_passed_over() {
    let mut text = lines(10);
    text[4] = "what is this".to_owned();
    text[6] = format!("{} {}", (BASE - 190) * 1_000_000, r#"{"e":"trade","s":"ETHUSDC""#);
    text[8] = format!("{} {}", BASE - 90, trade(77, BASE));
    let file = Scratch::new("bad", &plain(&text));
    let (events, errors) = read(&[&file.0]);
    let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].ends_with("bad:5: expected `<receive time> <json>`, found `what is this`"));
    assert!(said[1].contains("bad:7: not valid JSON (EOF"), "{}", said[1]);
    assert!(said[2].contains("bad:9: receive time `"), "{}", said[2]);
    assert!(errors.iter().all(|error| !error.is_fatal()));
    // The lost lines held changes, so the rest has no book.
    assert!(events.len() < 21 && !events.is_empty());

    let mut many = plain(&lines(1));
    many.extend(b"junk\n".repeat(2_000));
    let file = Scratch::new("junk", &many);
    let (_, errors) = read(&[&file.0]);
    assert_eq!(errors.len(), 1_001);
    assert!(errors[1_000].to_string().contains("more than 1000 bad lines"));
}

#[test]
fn receive_times_may_go_back_a_little_and_not_much() {
    let mut text = lines(3);
    text.push(format!("{} {}", (BASE - 700) * 1_000_000, trade(90, BASE + 300)));
    let file = Scratch::new("back", &plain(&text));
    let mut reader = CaptureReader::open(&known("ETHUSDC"), &[&file.0]).unwrap();
    let times: Vec<Nanos> = reader.by_ref().map(|item| item.unwrap().ts_recv).collect();
    assert!(times.is_sorted());
    assert_eq!(reader.stats().backwards, 1);

    text.push(format!("{} {}", (BASE - 5_000) * 1_000_000, trade(91, BASE + 300)));
    let file = Scratch::new("far-back", &plain(&text));
    let (events, errors) = read(&[&file.0]);
    assert_eq!(events.len(), times.len());
    assert!(matches!(
        errors[..],
        [CaptureError { line: 9, problem: Problem::TimeGoesBack(_), .. }]
    ));
    assert!(errors[0].is_fatal());
}
