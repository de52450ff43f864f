//! Identifiers. Each is its own type so that no two can be confused.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Index of an instrument within one process; the desks of an engine are numbered by it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct InstrumentId(pub u16);

/// Our own name for an order: the session that sent it and its number within that session.
///
/// On the wire it is `mm-<session, 8 hex digits>-<number, 8 hex digits>`, which obeys Binance's
/// rule `^[\.A-Z\:/a-z0-9_-]{1,36}$`, sorts by time, is never reused, and tells whose an orphan is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientOrderId {
    /// Names the process run; unique per start.
    pub session: u32,
    /// Counts up from 1 within the session.
    pub sequence: u32,
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mm-{:08x}-{:08x}", self.session, self.sequence)
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not one of our client order ids; the order belongs to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of our client order ids (mm-xxxxxxxx-xxxxxxxx)")]
pub struct ForeignId;

impl FromStr for ClientOrderId {
    type Err = ForeignId;

    fn from_str(text: &str) -> Result<Self, ForeignId> {
        let number = |part: &str| {
            let digits = part.len() == 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
            digits.then(|| u32::from_str_radix(part, 16).ok()).flatten().ok_or(ForeignId)
        };
        let (session, sequence) =
            text.strip_prefix("mm-").and_then(|rest| rest.split_once('-')).ok_or(ForeignId)?;
        Ok(Self { session: number(session)?, sequence: number(sequence)? })
    }
}

/// The venue's name for an order. Values above 2^53 occur: never pass it through a float.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VenueOrderId(pub i64);

/// The venue's name for one execution, unique per instrument: the key that makes fills count once.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct TradeId(pub i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_survive_the_wire_and_foreign_ones_are_told_apart() {
        let id = ClientOrderId { session: 0x0012_abcd, sequence: u32::MAX };
        let text = id.to_string();
        assert_eq!(text, "mm-0012abcd-ffffffff");
        assert_eq!(text.parse(), Ok(id));
        for foreign in
            ["", "web_1", "mm-1-2", "mm-0012abcd", "mm-0012abcd-ffffffff-", "mm-+012abcd-ffffffff"]
        {
            assert_eq!(foreign.parse::<ClientOrderId>(), Err(ForeignId), "{foreign}");
        }
    }
}
