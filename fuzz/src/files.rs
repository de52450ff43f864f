//! Files that somebody gives us: captures, journals, configurations.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use binance::{CaptureInfo, CaptureReader, capture_symbol};
use engine::config::{BreakerConfig, EngineConfig, LossLimits};
use journal::{Durability, Entry, Header, Reader, Retention, Writer};
use market::{Rate, Usd};
use zstd::stream::raw::{CParameter, Encoder, InBuffer, Operation, OutBuffer};

use crate::market::{RECV, instrument};
use crate::{SECRET, hides_secret};

/// A file of this process, removed with its thread.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let thread = format!("{:?}", std::thread::current().id());
        let number: String = thread.chars().filter(char::is_ascii_digit).collect();
        let name = format!("fuzz-{}-{number}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn holds(&self, bytes: &[u8]) -> &PathBuf {
        let written = File::create(&self.0).and_then(|mut file| file.write_all(bytes));
        written.expect("the temporary directory can be written to");
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

thread_local! {
    static CAPTURE: RefCell<Scratch> = RefCell::new(Scratch::new("capture"));
    static JOURNAL: RefCell<Scratch> = RefCell::new(Scratch::new("journal.mmj"));
    static START: Vec<u8> = segment_start();
}

/// Captures: as many errors as bad lines, times that never go back, and an end.
pub fn capture(data: &[u8]) {
    CAPTURE.with_borrow(|scratch| {
        let path = scratch.holds(data);
        let eth = instrument(0, "ETHUSDC");
        let symbol = capture_symbol(path).ok();
        let info = CaptureInfo::scan(path);
        assert!(symbol.is_some() || info.is_err());
        for reader in [
            CaptureReader::open(&eth, &[path]),
            CaptureReader::open_shifted(&eth, &[path], -1),
            CaptureReader::open_shifted(&eth, &[path], 0).map(|r| r.resume_from(&eth, 10)),
        ] {
            let Ok(mut reader) = reader else { continue };
            let (mut last, mut bad) = (market::Nanos::ZERO, 0);
            for item in reader.by_ref() {
                match item {
                    Ok(event) => {
                        assert!(last <= event.ts_recv, "time goes back");
                        last = event.ts_recv;
                    }
                    Err(error) => {
                        bad += 1;
                        assert!(error.to_string().len() <= 2_000, "{error}");
                    }
                }
                assert!(bad <= 1_001, "too many errors");
            }
            assert!(reader.next().is_none(), "the end is the end");
        }
    });
}

/// The bytes a segment starts with: up to the header, and with it.
fn segment_start() -> Vec<u8> {
    let scratch = Scratch::new("session");
    let dir = &scratch.0;
    let header = Header {
        program: "fuzz".to_owned(),
        session: 7,
        created: RECV,
        note: String::new(),
        config: EngineConfig {
            session: 7,
            loss: LossLimits { daily_loss: Usd::new(100), drawdown: Rate::new(3) },
            breaker: BreakerConfig { threshold: 5, timeout: std::time::Duration::from_secs(300) },
            desks: Vec::new(),
        },
    };
    let keep = Retention { total_bytes: None, ..Retention::default() };
    let writer = Writer::create(dir, header, Durability::EachBatch, keep).expect("a new session");
    let bytes = fs::read(writer.dir().join("000001.mmj")).expect("its first segment");
    drop(writer);
    let _ = fs::remove_dir_all(dir);
    bytes
}

/// Journals. What is checked by sums would never be reached by chance, so the first byte says what
/// the rest is: 0 a whole file; 1 a header's body; else frames, each a kind, a length of two bytes
/// and a text: an even kind is a chunk, an odd one a record to be compressed first.
pub fn journal(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    let bytes = match kind {
        0 => rest.to_vec(),
        1 => START.with(|start| with_header(start, rest)),
        _ => START.with(|start| with_frames(start, rest)),
    };
    JOURNAL.with_borrow(|scratch| {
        let Ok(mut reader) = Reader::open(scratch.holds(&bytes)) else { return };
        let mut turn = 0;
        for item in reader.by_ref() {
            let Ok(record) = item else { break };
            assert!(turn <= record.turn, "turns never go back");
            turn = record.turn;
            check_round_trip(&record.entry);
        }
        assert!(reader.next().is_none(), "the end is the end");
    });
}

/// The start of a segment whose header's body is this.
fn with_header(start: &[u8], body: &[u8]) -> Vec<u8> {
    let author = usize::from(start[12]);
    let mut bytes = start[..13 + author + 4].to_vec();
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(crc32fast::hash(body).to_le_bytes());
    bytes.extend(body);
    bytes
}

/// A segment of frames with sums that are right.
fn with_frames(start: &[u8], mut rest: &[u8]) -> Vec<u8> {
    let mut bytes = start.to_vec();
    let mut zstd = Encoder::new(1).expect("a compressor");
    zstd.set_parameter(CParameter::WindowLog(19)).expect("a window");
    let mut number = 0_u64;
    while let [kind, low, high, tail @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(tail.len());
        let (text, after) = tail.split_at(length);
        rest = after;
        let chunk = if kind % 2 == 0 { text.to_vec() } else { compress(&mut zstd, text) };
        let mut prefix =
            [(chunk.len() as u32).to_le_bytes(), crc32fast::hash(&chunk).to_le_bytes()].concat();
        let check = [&number.to_le_bytes(), prefix.as_slice()].concat();
        prefix.extend(crc32fast::hash(&check).to_le_bytes());
        bytes.extend(prefix);
        bytes.extend(chunk);
        number += 1;
    }
    bytes
}

fn compress(zstd: &mut Encoder<'_>, record: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.len() + 1_024);
    let mut input = InBuffer::around(record);
    loop {
        out.reserve(1_024);
        let position = out.len();
        let mut room = OutBuffer::around_pos(&mut out, position);
        zstd.run(&mut input, &mut room).expect("compressed");
        let left = zstd.flush(&mut room).expect("flushed");
        if left == 0 && input.pos() == record.len() {
            return out;
        }
    }
}

/// What was read can be written, and reads back alike.
fn check_round_trip(entry: &Entry) {
    match entry {
        Entry::Inputs { now, inputs } => {
            let bytes = postcard::to_stdvec(&(now, inputs)).expect("written");
            let again: (market::Nanos, Vec<engine::input::Input>) =
                postcard::from_bytes(&bytes).expect("read back");
            // Compared as bytes: a float that is no number does not equal itself.
            assert_eq!(postcard::to_stdvec(&again).expect("written again"), bytes);
        }
        Entry::Outputs(outputs) => {
            let shown = format!("{outputs:?}");
            assert!(shown.len() >= 2);
        }
        Entry::Checkpoint(_) | Entry::End(_) => {}
    }
}

/// Configurations. What is accepted prints, reads back, and hides its secrets; faults hide them
/// too. `@@` is a secret where a secret belongs.
pub fn configuration(data: &[u8]) {
    let text = with_secrets(&String::from_utf8_lossy(data));
    match ops::config::parse("fuzz.yaml", &text, &|_| None) {
        Ok(config) => {
            let printed = config.canonical_yaml();
            let again = ops::config::parse_recorded("again.yaml", &printed);
            let again = again.unwrap_or_else(|faults| panic!("{faults}\n{printed}"));
            assert_eq!(again.canonical_yaml(), printed);
            assert_eq!(again.config_hash(), config.config_hash());
            assert!(config.changes(&again).is_empty());
            hides_secret(data, &printed);
            hides_secret(data, &format!("{config:?}"));
        }
        Err(faults) => {
            let shown = faults.to_string();
            assert!(shown.len() <= 100_000, "{} bytes of faults", shown.len());
            hides_secret(data, &shown);
        }
    }
    let _ = ops::config::parse_recorded("fuzz.yaml", data);
}

/// Fills secrets in behind the keys that take them.
fn with_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for line in text.split_inclusive('\n') {
        let key = line.trim_start();
        let takes = ["api_key:", "api_secret:", "token:"].iter().any(|name| key.starts_with(name));
        match line.split_once("@@").filter(|_| takes) {
            Some((before, after)) => out.extend([before, SECRET, after]),
            None => out.push_str(line),
        }
    }
    out
}
