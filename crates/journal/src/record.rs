//! What a journal keeps.

use engine::input::Input;
use engine::output::RecordedOutput;
use market::Nanos;
use serde::{Deserialize, Serialize};

/// One record, and the turn it belongs to. Turns count from 1 in a session.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The turn: the number of input batches up to and including this record.
    pub turn: u64,
    /// What was recorded.
    pub entry: Entry,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq)]
pub enum Entry {
    /// A batch of inputs, written before the engine stepped on it.
    Inputs {
        /// Engine time of the step.
        now: Nanos,
        /// The batch; empty when only time had passed.
        inputs: Vec<Input>,
    },
    /// What the step answered. A turn without this record answered nothing, or is the last of a
    /// session that was killed.
    Outputs(Vec<RecordedOutput>),
    /// The engine's state hash after the turn.
    Checkpoint(u64),
    /// The session ended in good order with this state hash.
    End(u64),
}

/// Kind of a record on disk. The numbers are the format: never reuse one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Inputs = 1,
    Outputs = 2,
    Checkpoint = 3,
    End = 4,
}

/// Encodes a record onto the end of `buffer`.
pub(crate) fn encode<T: Serialize + ?Sized>(
    tag: Tag,
    turn: u64,
    body: &T,
    buffer: &mut Vec<u8>,
) -> Result<(), postcard::Error> {
    postcard::serialize_with_flavor(&(tag as u8, turn), Append(buffer))?;
    postcard::serialize_with_flavor(body, Append(buffer))
}

/// Decodes exactly one record.
pub(crate) fn decode(bytes: &[u8]) -> Result<Record, postcard::Error> {
    let ((tag, turn), body) = postcard::take_from_bytes::<(u8, u64)>(bytes)?;
    let entry = match tag {
        1 => {
            let (now, inputs) = whole(body)?;
            Entry::Inputs { now, inputs }
        }
        2 => Entry::Outputs(whole(body)?),
        3 => Entry::Checkpoint(whole(body)?),
        4 => Entry::End(whole(body)?),
        _ => return Err(postcard::Error::DeserializeBadEnum),
    };
    Ok(Record { turn, entry })
}

fn whole<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(bytes)? {
        (value, []) => Ok(value),
        _ => Err(postcard::Error::DeserializeUnexpectedEnd),
    }
}

/// Serialises onto the end of a buffer that is kept from record to record.
struct Append<'a>(&'a mut Vec<u8>);

impl postcard::ser_flavors::Flavor for Append<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
