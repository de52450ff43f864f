//! Cut-off ends are cut away; damage is named; nothing wrong is ever read.

use std::fs;
use std::path::{Path, PathBuf};

use journal::{Entry, ReadError, Reader, Record, Retention, Tail};

use crate::{Scratch, header, read, record};

/// A journal of one segment: its directory, the segment, its bytes, its records.
fn one_segment(turns: u64) -> (Scratch, PathBuf, Vec<u8>, Vec<Record>) {
    let scratch = Scratch::new();
    let session = record(&scratch.0, 1, turns, Retention::default());
    let segment = session.join("000001.mmj");
    let bytes = fs::read(&segment).unwrap();
    let (records, tail) = read(&session);
    assert_eq!(tail, Ok(Tail::Ended));
    (scratch, segment, bytes, records)
}

/// Where the header ends.
fn header_len(bytes: &[u8]) -> usize {
    let author = 13 + usize::from(bytes[12]) + 4;
    let length = u32::from_le_bytes(bytes[author..author + 4].try_into().unwrap());
    author + 8 + length as usize
}

/// Where each frame ends.
fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let mut at = header_len(bytes);
    let mut ends = vec![at];
    while at < bytes.len() {
        at += 12 + u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        ends.push(at);
    }
    ends
}

#[test]
fn cut_at_every_byte() {
    let (_scratch, segment, bytes, all) = one_segment(12);
    let ends = boundaries(&bytes);
    for cut in 0..bytes.len() {
        fs::write(&segment, &bytes[..cut]).unwrap();
        let (records, tail) = read(&segment);
        let complete = ends.iter().filter(|&&end| end <= cut).count();
        if complete == 0 {
            let error = tail.unwrap_err().to_string();
            assert!(error.contains("it ends within its header"), "{cut}: {error}");
            continue;
        }
        assert_eq!(records[..], all[..complete - 1], "cut at {cut}");
        let offset = ends[complete - 1];
        let wanted = if offset == cut {
            Tail::Open
        } else {
            let segment = segment.clone();
            Tail::Torn { segment, offset: offset as u64, bytes_cut: (cut - offset) as u64 }
        };
        assert_eq!(tail, Ok(wanted), "cut at {cut}");
    }
}

#[test]
fn every_bit_flipped() {
    let (_scratch, segment, bytes, all) = one_segment(6);
    let ends = boundaries(&bytes);
    let last_frame = ends[ends.len() - 2];
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            fs::write(&segment, &damaged).unwrap();
            let (records, tail) = read(&segment);
            // The frames before the damage are read, none after it.
            let before = ends.iter().filter(|&&end| end <= at).count();
            let wanted = before.saturating_sub(1);
            assert_eq!(records[..], all[..wanted], "byte {at}");
            match tail {
                Ok(Tail::Torn { offset, .. }) => {
                    assert!(at >= last_frame && offset == last_frame as u64, "byte {at} is torn?");
                }
                Ok(tail) => panic!("byte {at}: {tail:?}"),
                Err(ReadError::Corrupt { offset, turn, .. }) if before > 0 => {
                    assert_eq!(offset, ends[before - 1] as u64, "byte {at}");
                    assert_eq!(turn, records.last().map_or(0, |record| record.turn));
                }
                Err(ReadError::Corrupt { .. } | ReadError::NotAJournal { .. }) => {}
                Err(error) => panic!("byte {at}: {error}"),
            }
        }
    }
}

#[test]
fn frames_missing_twice_or_exchanged_are_noticed() {
    let (_scratch, segment, bytes, all) = one_segment(12);
    let ends = boundaries(&bytes);
    let piece = |from: usize, to: usize| &bytes[ends[from]..ends[to]];
    let start = &bytes[..ends[0]];
    let count = ends.len() - 1;
    for pieces in [
        vec![piece(0, 3), piece(4, count)],
        vec![piece(0, 3), piece(2, 3), piece(3, count)],
        vec![piece(0, 3), piece(4, 5), piece(3, 4), piece(5, count)],
    ] {
        fs::write(&segment, [start, &pieces.concat()].concat()).unwrap();
        let (records, tail) = read(&segment);
        assert_eq!(records[..], all[..3]);
        let error = tail.unwrap_err().to_string();
        assert!(error.contains(&format!("damaged at byte {}", ends[3])), "{error}");
    }
    // The beginning of another session's frames.
    fs::write(&segment, start).unwrap();
    assert_eq!(read(&segment), (vec![], Ok(Tail::Open)));
}

#[test]
fn zeros_after_a_power_failure_are_a_torn_tail() {
    let (_scratch, segment, bytes, all) = one_segment(12);
    for zeros in [1, 12, 13, 10_000] {
        let mut longer = bytes.clone();
        longer.resize(bytes.len() + zeros, 0);
        fs::write(&segment, &longer).unwrap();
        let (records, tail) = read(&segment);
        assert_eq!(records, all);
        let (offset, bytes_cut) = (bytes.len() as u64, zeros as u64);
        assert_eq!(tail, Ok(Tail::Torn { segment: segment.clone(), offset, bytes_cut }));
    }
    let mut longer = bytes.clone();
    longer.extend([&[0; 50][..], b"x"].concat());
    fs::write(&segment, &longer).unwrap();
    assert!(matches!(read(&segment).1, Err(ReadError::Corrupt { .. })));
}

#[test]
fn another_format_is_refused_by_name() {
    let (_scratch, segment, mut bytes, _) = one_segment(2);
    bytes[8..12].copy_from_slice(&7_u32.to_le_bytes());
    let author = 13 + usize::from(bytes[12]);
    let check = crc32fast::hash(&bytes[..author]);
    bytes[author..author + 4].copy_from_slice(&check.to_le_bytes());
    // Whatever a later format puts there is not looked at.
    bytes.truncate(author + 4);
    fs::write(&segment, &bytes).unwrap();
    let error = Reader::open(&segment).err().unwrap().to_string();
    let reads = format!(
        "written by trader 0.1.0-test, format 7; this build reads {}. Read it with trader 0.1.0-test",
        journal::FORMAT
    );
    assert!(error.contains(&reads), "{error}");
}

#[test]
fn a_configuration_of_another_shape_is_told_apart_from_damage() {
    let (_scratch, segment, bytes, _) = one_segment(2);
    let author = 13 + usize::from(bytes[12]) + 4;
    let body = &bytes[author + 8..header_len(&bytes)];
    let shorter = &body[..body.len() - 1];
    let mut other = bytes[..author].to_vec();
    other.extend_from_slice(&(shorter.len() as u32).to_le_bytes());
    other.extend_from_slice(&crc32fast::hash(shorter).to_le_bytes());
    other.extend_from_slice(shorter);
    fs::write(&segment, &other).unwrap();
    let error = Reader::open(&segment).err().unwrap().to_string();
    assert!(error.contains("does not fit this build"), "{error}");
    assert!(error.contains("Read it with trader 0.1.0-test"), "{error}");
}

#[test]
fn absurd_lengths_allocate_nothing() {
    let (_scratch, segment, bytes, _) = one_segment(2);
    // A well-formed prefix that promises more than a chunk may hold, and one that promises more
    // than there is.
    for length in [u32::MAX, 60 << 20] {
        let mut frame = length.to_le_bytes().to_vec();
        frame.extend_from_slice(&[1, 2, 3, 4]);
        let mut checked = 0_u64.to_le_bytes().to_vec();
        checked.extend_from_slice(&frame);
        frame.extend_from_slice(&crc32fast::hash(&checked).to_le_bytes());
        let file = [&bytes[..header_len(&bytes)], &frame, b"some"].concat();
        fs::write(&segment, &file).unwrap();
        let (records, tail) = read(&segment);
        assert!(records.is_empty());
        match tail {
            Ok(Tail::Torn { bytes_cut: 16, .. }) => assert_eq!(length, 60 << 20),
            Err(ReadError::Corrupt { .. }) => assert_eq!(length, u32::MAX),
            other => panic!("{other:?}"),
        }
    }
}

fn small_segments() -> Retention {
    Retention { total_bytes: None, max_age: None, segment_bytes: 700 }
}

#[test]
fn segments_cut_missing_or_exchanged_are_noticed() {
    let check = |damage: &dyn Fn(&Path)| {
        let scratch = Scratch::new();
        let session = record(&scratch.0, 1, 60, small_segments());
        assert!(session.join("000004.mmj").exists());
        let (all, _) = read(&session);
        damage(&session);
        let (records, tail) = read(&session);
        assert!(records.len() < all.len());
        assert_eq!(records[..], all[..records.len()]);
        tail.unwrap_err().to_string()
    };
    let second = |session: &Path| session.join("000002.mmj");
    let error = check(&|session| fs::remove_file(second(session)).unwrap());
    assert!(
        error.contains("000003.mmj: damaged at byte 0")
            && error.contains("this is segment 3, but segment 2 was expected"),
        "{error}"
    );
    let error = check(&|session| {
        let bytes = fs::read(second(session)).unwrap();
        fs::write(second(session), &bytes[..bytes.len() - 3]).unwrap();
    });
    assert!(error.contains("000002.mmj: damaged") && error.contains("another follows"), "{error}");
    let error = check(&|session| {
        let bytes = fs::read(second(session)).unwrap();
        let ends = boundaries(&bytes);
        fs::write(second(session), &bytes[..ends[ends.len() - 2]]).unwrap();
    });
    assert!(error.contains("000003.mmj: damaged at byte 0"), "{error}");
    let error = check(&|session| {
        fs::copy(session.join("000003.mmj"), second(session)).map(drop).unwrap();
    });
    assert!(error.contains("000002.mmj: damaged at byte 0"), "{error}");
    let error = check(&|session| {
        let other = Scratch::new();
        let foreign = record(&other.0, 2, 60, small_segments());
        fs::copy(foreign.join("000002.mmj"), second(session)).map(drop).unwrap();
    });
    assert!(error.contains("belongs to another session"), "{error}");
    let error = check(&|session| {
        fs::rename(second(session), session.join("000009.mmj")).unwrap();
    });
    assert!(error.contains("000003.mmj") && error.contains("segment 2 was expected"), "{error}");
    let error = check(&|session| {
        let last = journal::sessions(session.parent().unwrap()).unwrap()[0].segments.pop().unwrap();
        fs::rename(last, session.join("last.mmj")).unwrap();
    });
    assert!(error.contains("last.mmj beside it is no segment's name"), "{error}");
    let error = check(&|session| fs::write(second(session), "hello, world").unwrap());
    assert!(error.contains("000002.mmj is not a journal"), "{error}");
}

#[test]
fn a_session_without_its_beginning_is_refused() {
    let scratch = Scratch::new();
    let session = record(&scratch.0, 1, 60, small_segments());
    fs::remove_file(session.join("000001.mmj")).unwrap();
    for path in [&session, &scratch.0] {
        let error = Reader::open(path).err().unwrap().to_string();
        assert!(error.contains("000002.mmj: damaged at byte 0"), "{error}");
        assert!(error.contains("this is segment 2, but segment 1 was expected"), "{error}");
    }
    // By itself it can be looked at all the same.
    assert_eq!(Reader::open(session.join("000002.mmj")).unwrap().first_segment(), 2);
}

#[test]
fn an_end_that_was_never_written_is_torn_and_one_that_was_changed_is_damage() {
    let (_scratch, segment, bytes, all) = one_segment(400);
    let ends = boundaries(&bytes);
    let last = ends[ends.len() - 2];
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 0x10;
    fs::write(&segment, &changed).unwrap();
    let (records, tail) = read(&segment);
    assert_eq!(records[..], all[..all.len() - 1]);
    let error = tail.unwrap_err().to_string();
    assert!(error.contains(&format!("damaged at byte {last}")), "{error}");

    let mut unwritten = bytes.clone();
    unwritten[last + 12..].fill(0);
    fs::write(&segment, &unwritten).unwrap();
    assert!(matches!(read(&segment).1, Ok(Tail::Torn { offset, .. }) if offset == last as u64));
}

#[test]
fn the_last_segment_may_be_torn_within_its_header() {
    let scratch = Scratch::new();
    let session = record(&scratch.0, 1, 20, small_segments());
    let segments = fs::read_dir(&session).unwrap().count() - 1;
    let last = session.join(format!("{segments:06}.mmj"));
    let bytes = fs::read(&last).unwrap();
    for cut in [0, 5, 40] {
        fs::write(&last, &bytes[..cut]).unwrap();
        let (records, tail) = read(&session);
        assert!(matches!(records.last().unwrap().entry, Entry::Inputs { .. } | Entry::Outputs(_)));
        let (segment, bytes_cut) = (last.clone(), cut as u64);
        assert_eq!(tail, Ok(Tail::Torn { segment, offset: 0, bytes_cut }));
    }
}

#[test]
fn each_segment_can_be_read_on_its_own() {
    let scratch = Scratch::new();
    let session = record(&scratch.0, 1, 60, small_segments());
    let (all, _) = read(&session);
    let mut joined = Vec::new();
    let mut number = 1;
    while session.join(format!("{number:06}.mmj")).exists() {
        let segment = session.join(format!("{number:06}.mmj"));
        assert_eq!(Reader::open(&segment).unwrap().header(), &header(1));
        let (records, tail) = read(&segment);
        assert!(tail.is_ok());
        if number > 1 {
            assert!(matches!(records[0].entry, Entry::Checkpoint(_)), "it starts with a hash");
        }
        joined.extend(records);
        number += 1;
    }
    assert_eq!(joined, all);
}
