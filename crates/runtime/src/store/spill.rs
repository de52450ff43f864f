//! A file for rows that the database does not take now. Appended to, checked, read back in order.
//!
//! It begins with [`MAGIC`]; then come frames: length, CRC-32 of the body, body (one row). What a kill
//! cut off at the end is cut away when it is opened; damage before the end is put aside, never deleted.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::rows::Row;

/// First bytes of the file; the last is the version of its form.
const MAGIC: &[u8; 8] = b"MMSPILL\x01";
const PREFIX: usize = 8;
/// Longer rows are not ours.
const ROW_BYTES_MAX: usize = 1 << 20;
/// Read ahead of the rows.
const CHUNK: usize = 256 << 10;

/// The open file.
#[derive(Debug)]
pub(super) struct Spill {
    path: PathBuf,
    file: File,
    /// Rows before this byte are in the database.
    head: u64,
    /// The next row goes here.
    end: u64,
    /// Rows between the two.
    rows: u64,
    /// Written since the last sync.
    dirty: bool,
}

/// What was found when a file was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Rows of an earlier run.
    pub(super) rows: u64,
    /// Where a damaged file was put.
    pub(super) damaged: Option<PathBuf>,
}

impl Spill {
    /// Opens the file, or begins it.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Found)> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o640);
        let file = options.open(path)?;
        let mut spill = Self {
            path: path.to_owned(),
            file,
            head: MAGIC.len() as u64,
            end: MAGIC.len() as u64,
            rows: 0,
            dirty: false,
        };
        let size = spill.file.metadata()?.len();
        let mut found = Found::default();
        let mut begun = [0; 8];
        let whole = size >= 8 && spill.file.read_exact_at(&mut begun, 0).is_ok();
        if whole && &begun == MAGIC {
            let torn = spill.scan(size)?;
            if !torn && spill.end < size {
                found.damaged = Some(spill.put_aside()?);
            }
            spill.file.set_len(spill.end)?;
        } else {
            if size > 0 && !MAGIC.starts_with(&begun[..size.min(8) as usize]) {
                found.damaged = Some(spill.put_aside()?);
            }
            spill.file.set_len(0)?;
            spill.file.write_all_at(MAGIC, 0)?;
        }
        found.rows = spill.rows;
        Ok((spill, found))
    }

    /// Finds the end of the sound rows. True if nothing but an unfinished frame follows.
    fn scan(&mut self, size: u64) -> io::Result<bool> {
        let mut reader =
            Frames { file: &self.file, at: self.head, limit: size, chunk: Vec::new(), used: 0 };
        loop {
            match reader.next()? {
                Frame::Row(_) => self.rows += 1,
                Frame::End => return Ok(true),
                Frame::Torn => return Ok(true),
                Frame::Damaged => return Ok(false),
            }
            self.end = reader.at;
        }
    }

    /// Keeps a copy of what cannot be read in full.
    fn put_aside(&self) -> io::Result<PathBuf> {
        let aside = aside(&self.path)?;
        std::fs::copy(&self.path, &aside)?;
        Ok(aside)
    }

    /// Appends rows: all of them, or none and an error.
    pub(super) fn append<'a>(&mut self, rows: impl Iterator<Item = &'a Row>) -> io::Result<()> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for row in rows {
            encode(row, &mut bytes)?;
            count += 1;
        }
        if count == 0 {
            return Ok(());
        }
        if let Err(error) = self.file.write_all_at(&bytes, self.end) {
            // Half a frame would hide what is appended behind it later.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += bytes.len() as u64;
        self.rows += count;
        self.dirty = true;
        Ok(())
    }

    /// Makes what was appended survive a power failure.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if self.dirty {
            self.file.sync_data()?;
            self.dirty = false;
        }
        Ok(())
    }

    /// The next rows that are not in the database, and where they end.
    pub(super) fn peek(&self, most: usize) -> io::Result<(Vec<Row>, u64)> {
        let mut reader =
            Frames { file: &self.file, at: self.head, limit: self.end, chunk: Vec::new(), used: 0 };
        let mut rows = Vec::new();
        while rows.len() < most {
            match reader.next()? {
                Frame::Row(row) => rows.push(row),
                Frame::End => break,
                Frame::Torn | Frame::Damaged => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("{}: damaged at byte {}", self.path.display(), reader.at),
                    ));
                }
            }
        }
        Ok((rows, reader.at))
    }

    /// Rows up to `end` are in the database. An emptied file begins anew.
    pub(super) fn advance(&mut self, end: u64, rows: u64) -> io::Result<()> {
        (self.head, self.rows) = (end, self.rows.saturating_sub(rows));
        if self.head >= self.end {
            self.file.set_len(MAGIC.len() as u64)?;
            (self.head, self.end, self.rows) = (MAGIC.len() as u64, MAGIC.len() as u64, 0);
            self.dirty = true;
        }
        Ok(())
    }

    /// Rows that are not in the database.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Bytes of these rows.
    pub(super) fn bytes(&self) -> u64 {
        self.end - self.head
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A free name for a damaged file.
pub(super) fn aside(path: &Path) -> io::Result<PathBuf> {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        PathBuf::from(name)
    };
    let free = (1..1_000).map(name).find(|path| !path.exists());
    free.ok_or_else(|| io::Error::other("a thousand damaged files lie here"))
}

fn encode(row: &Row, bytes: &mut Vec<u8>) -> io::Result<()> {
    let body = postcard::to_stdvec(row).map_err(io::Error::other)?;
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(())
}

enum Frame {
    Row(Row),
    End,
    Torn,
    Damaged,
}

struct Frames<'a> {
    file: &'a File,
    at: u64,
    limit: u64,
    chunk: Vec<u8>,
    /// Bytes of the chunk that belong to rows before `at`.
    used: usize,
}

impl Frames<'_> {
    fn next(&mut self) -> io::Result<Frame> {
        if self.at == self.limit {
            return Ok(Frame::End);
        }
        let Some(prefix) = self.bytes(PREFIX)? else { return Ok(Frame::Torn) };
        let (length, check) = prefix.split_at(4);
        let number =
            |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |n, byte| n << 8 | u32::from(*byte));
        let (length, check) = (number(length) as usize, number(check));
        if length > ROW_BYTES_MAX {
            return Ok(Frame::Damaged);
        }
        let Some(frame) = self.bytes(PREFIX + length)? else { return Ok(Frame::Torn) };
        let body = &frame[PREFIX..];
        let row = match crc32fast::hash(body) == check {
            true => postcard::from_bytes::<Row>(body).ok().filter(Row::is_sound),
            false => None,
        };
        let Some(row) = row else { return Ok(Frame::Damaged) };
        self.used += PREFIX + length;
        self.at += (PREFIX + length) as u64;
        Ok(Frame::Row(row))
    }

    /// The next bytes, not yet used up; `None` if the file ends before.
    fn bytes(&mut self, wanted: usize) -> io::Result<Option<&[u8]>> {
        if self.chunk.len() - self.used < wanted {
            let left = self.limit - self.at;
            if left < wanted as u64 {
                return Ok(None);
            }
            self.used = 0;
            self.chunk.resize(left.min(CHUNK.max(wanted) as u64) as usize, 0);
            self.file.read_exact_at(&mut self.chunk, self.at)?;
        }
        Ok(Some(&self.chunk[self.used..self.used + wanted]))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rows::{Table, Value};
    use super::*;

    fn row(number: i64) -> Row {
        let values =
            vec![Value::Null, Value::Int(number), Value::text("x".repeat(number as usize % 50))];
        let mut values = values.into_iter().cycle();
        let cells = Table::ConfigVersions.columns().len();
        Row::new(Table::ConfigVersions, (0..cells).filter_map(|_| values.next()).collect())
    }

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("mm-spill-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn rows_come_back_in_order_and_an_emptied_file_is_small() {
        let folder = scratch("order");
        let path = folder.join("spill.log");
        let rows: Vec<Row> = (0..1_000).map(row).collect();
        let (mut spill, found) = Spill::open(&path).unwrap();
        assert_eq!(found, Found::default());
        for part in rows.chunks(7) {
            spill.append(part.iter()).unwrap();
        }
        drop(spill);
        let (mut spill, found) = Spill::open(&path).unwrap();
        assert_eq!(found, Found { rows: 1_000, damaged: None });
        let mut back = Vec::new();
        while spill.rows() > 0 {
            let (part, end) = spill.peek(300).unwrap();
            spill.advance(end, part.len() as u64).unwrap();
            back.extend(part);
        }
        assert_eq!(back, rows);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 8);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn foreign_and_damaged_files_are_kept_aside() {
        let folder = scratch("aside");
        let path = folder.join("spill.log");
        std::fs::write(&path, "something of somebody else").unwrap();
        let (mut spill, found) = Spill::open(&path).unwrap();
        let aside = found.damaged.unwrap();
        assert_eq!(std::fs::read(aside).unwrap(), b"something of somebody else");
        let rows: Vec<Row> = (0..10).map(row).collect();
        spill.append(rows.iter()).unwrap();
        drop(spill);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        let (spill, found) = Spill::open(&path).unwrap();
        assert_eq!(std::fs::read(found.damaged.unwrap()).unwrap(), bytes, "nothing is deleted");
        let (left, _) = spill.peek(100).unwrap();
        assert!(!left.is_empty() && left[..] == rows[..left.len()]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn cut_anywhere_the_rest_is_whole_and_can_be_added_to(cut in 0_u64..100) {
            let folder = scratch(&format!("cut-{cut}"));
            let path = folder.join("spill.log");
            let rows: Vec<Row> = (0..40).map(row).collect();
            let (mut spill, _) = Spill::open(&path).unwrap();
            spill.append(rows.iter()).unwrap();
            let size = std::fs::metadata(&path).unwrap().len();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(size * cut / 100).unwrap();
            drop(spill);
            let (mut spill, found) = Spill::open(&path).unwrap();
            prop_assert_eq!(found.damaged, None);
            spill.append([row(77)].iter()).unwrap();
            let (back, _) = spill.peek(100).unwrap();
            let (last, before) = back.split_last().unwrap();
            prop_assert_eq!(last.values[1].clone(), row(77).values[1].clone());
            prop_assert_eq!(before, &rows[..before.len()]);
            prop_assert_eq!(before.len() as u64, found.rows);
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}
