//! Sessions in a directory: names, retention, what may be opened.

use std::fs::{self, File};
use std::time::Duration;

use journal::{Durability, Reader, Retention, Session, WriteError, Writer, sessions};
use market::Nanos;

use crate::{CREATED, Scratch, diff, header, read, record};

fn names(all: &[Session]) -> Vec<u32> {
    all.iter().map(|session| session.session).collect()
}

#[test]
fn sessions_are_named_by_id_and_time() {
    let scratch = Scratch::new();
    let session = record(&scratch.0, 0xab, 3, Retention::default());
    assert_eq!(session.file_name().unwrap(), "000000ab-20261122T203600123Z");
    let again =
        Writer::create(&scratch.0, header(0xab), Durability::EachBatch, Retention::default());
    let Err(error @ WriteError::Io { .. }) = again.map(drop) else { panic!("written over") };
    assert!(error.to_string().contains("cannot create: File exists"), "{error}");

    let found = sessions(&scratch.0).unwrap();
    assert_eq!(names(&found), [0xab]);
    assert_eq!((found[0].created.as_str(), found[0].segments.len()), ("20261122T203600123Z", 1));
    assert_eq!(found[0].bytes, fs::metadata(session.join("000001.mmj")).unwrap().len());
}

/// A session that began so many minutes after the first.
fn later(journal: &std::path::Path, session: u32, minutes: u64, retention: Retention) -> Writer {
    let mut header = header(session);
    header.created = Nanos(CREATED.0 + minutes * 60_000_000_000);
    Writer::create(journal, header, Durability::EachBatch, retention).unwrap()
}

#[test]
fn the_oldest_sessions_go_first_and_never_one_that_is_being_written() {
    let scratch = Scratch::new();
    let keep_all = Retention { total_bytes: None, max_age: None, segment_bytes: 1 << 20 };
    // Ids are in no order: time decides. Session 9 is still being written.
    let mut oldest = later(&scratch.0, 9, 0, keep_all);
    for (session, minutes) in [(7, 1), (8, 2), (2, 3)] {
        let mut writer = later(&scratch.0, session, minutes, keep_all);
        for turn in 1..200 {
            writer.inputs(CREATED, &[diff(turn)]).unwrap();
        }
        writer.end(0).unwrap();
    }
    fs::create_dir(scratch.0.join("not-ours")).unwrap();
    fs::write(scratch.0.join("not-ours/000001.mmj"), "x").unwrap();
    let each = sessions(&scratch.0).unwrap()[1].bytes;
    let retention =
        Retention { total_bytes: Some(each * 2), max_age: None, segment_bytes: each / 2 };
    let mut current = later(&scratch.0, 5, 4, retention);
    assert_eq!(names(&sessions(&scratch.0).unwrap()), [9, 2, 5]);
    assert_eq!(current.retention_failure(), None);
    oldest.inputs(CREATED, &[diff(1)]).unwrap();

    // The current session grows beyond the budget by itself: the others go, it stays whole.
    drop(oldest);
    for turn in 1..2_000 {
        current.inputs(CREATED, &[diff(turn)]).unwrap();
    }
    current.end(0).unwrap();
    assert_eq!(names(&sessions(&scratch.0).unwrap()), [5]);
    assert!(scratch.0.join("not-ours/000001.mmj").exists());
    assert_eq!(read(current.dir()).0.len(), 2_000);
}

#[test]
fn sessions_go_by_age_and_by_size_whichever_is_stricter() {
    const SESSIONS: u32 = 40;
    let day = Duration::from_secs(86_400);
    // How old and how many bytes are kept, and which sessions that leaves: number n ended n days ago.
    let none: &[u32] = &[];
    let cases: [(Option<u32>, Option<u64>, &[u32]); 5] = [
        (None, None, none),
        (Some(3), None, &[3, 2, 1]),
        (None, Some(4), &[3, 2, 1]),
        (Some(2), Some(6), &[2, 1]),
        (Some(30), Some(3), &[2, 1]),
    ];
    for (days, sizes, wanted) in cases {
        let scratch = Scratch::new();
        let keep_all = Retention { total_bytes: None, max_age: None, segment_bytes: 1 << 20 };
        let mut held = Vec::new();
        for session in (1..=SESSIONS).rev() {
            let minutes = u64::from(SESSIONS - session);
            let mut writer = later(&scratch.0, session, minutes, keep_all);
            for turn in 1..50 {
                writer.inputs(CREATED, &[diff(turn)]).unwrap();
            }
            writer.flush().unwrap();
            let segment = writer.dir().join("000001.mmj");
            let segment = File::options().append(true).open(segment).unwrap();
            let now = segment.metadata().unwrap().modified().unwrap();
            segment.set_modified(now - day * session + Duration::from_secs(3_600)).unwrap();
            // One of the old ones is still open in another process.
            held.extend((session == 35).then_some(writer));
        }
        let each = sessions(&scratch.0).unwrap()[0].bytes;
        let retention = Retention {
            // The one that is held counts as well, and the header of the current one.
            total_bytes: sizes.map(|count| each * count + each / 2),
            max_age: days.map(|days| day * days),
            segment_bytes: 1 << 20,
        };
        let current = later(&scratch.0, 99, u64::from(SESSIONS), retention);
        assert_eq!(current.retention_failure(), None);
        let left = names(&sessions(&scratch.0).unwrap());
        let mut expected: Vec<u32> = match (days, sizes) {
            (None, None) => (1..=SESSIONS).rev().collect(),
            _ => [&[35], wanted].concat(),
        };
        expected.push(99);
        assert_eq!(left, expected, "{days:?} days, {sizes:?} sizes");
    }
}

#[test]
fn segments_rotate_by_size() {
    let scratch = Scratch::new();
    let retention = Retention { total_bytes: None, max_age: None, segment_bytes: 5_000 };
    let session = record(&scratch.0, 1, 1_000, retention);
    let all = sessions(&scratch.0).unwrap();
    let segments = &all[0].segments;
    assert!(segments.len() > 3);
    for segment in &segments[..segments.len() - 1] {
        let size = fs::metadata(segment).unwrap().len();
        assert!((5_000..5_400).contains(&size), "{size}");
    }
    assert_eq!(Reader::open(&session).unwrap().progress().2, segments.len() - 1);
}

#[test]
fn what_is_no_journal_or_not_clear_is_refused() {
    let scratch = Scratch::new();
    let error = |path: &std::path::Path| Reader::open(path).err().unwrap().to_string();
    assert!(error(&scratch.0.join("no")).contains("cannot read: No such file"));
    assert!(error(&scratch.0).contains("it holds no session"));
    let text = scratch.0.join("notes.txt");
    fs::write(&text, "dear diary, today").unwrap();
    assert!(error(&text).contains("does not begin as a journal segment does"));

    record(&scratch.0, 1, 1, Retention::default());
    assert_eq!(read(&scratch.0).0.len(), 4, "the only session");
    later(&scratch.0, 2, 5, Retention::default());
    let said = error(&scratch.0);
    assert!(said.contains("holds 2 sessions; name one, the newest is"), "{said}");
    assert!(said.ends_with("00000002-20261122T204100123Z"), "{said}");
    let empty = scratch.0.join("00000003-20261122T204100123Z");
    fs::create_dir(&empty).unwrap();
    assert!(error(&empty).contains("it holds no session"));

    let file = scratch.0.join("notes.txt/sub");
    let refused = Writer::create(&file, header(1), Durability::EachBatch, Retention::default());
    assert!(refused.err().unwrap().to_string().contains("cannot create: Not a directory"));
}
