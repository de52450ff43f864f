//! What several sockets tell, told once.

use std::time::Duration;

use market::Nanos;

/// An old number with a time that is so much newer is no repeat: the venue counts anew.
const RENUMBERED: Duration = Duration::from_secs(10);

/// Lets only ever newer ones pass: of best bids and asks and of mark prices the latest is all that
/// matters.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest {
    last: Option<(u64, Nanos)>,
}

impl Newest {
    pub(super) fn admit(&mut self, number: u64, ts_event: Nanos) -> bool {
        let newer = self.last.is_none_or(|(last, at)| number > last || ts_event > at + RENUMBERED);
        if newer {
            self.last = Some((number, ts_event));
        }
        newer
    }
}

/// Lets each one pass once, also one that another socket has overtaken: no trade is dropped because
/// the next one was faster.
#[derive(Clone, Debug)]
pub(super) struct Each {
    newest: Option<(i64, Nanos)>,
    /// Which of the last [`Self::SPAN`] numbers have passed; a number's place is its remainder.
    passed: [u64; Self::WORDS],
}

impl Default for Each {
    fn default() -> Self {
        Self { newest: None, passed: [u64::MAX; Self::WORDS] }
    }
}

impl Each {
    const WORDS: usize = 64;
    /// One that is so far behind counts as a repeat. Thousands of trades a second happen, and
    /// sockets are a fraction of a second apart.
    pub(super) const SPAN: u64 = 64 * Self::WORDS as u64;

    pub(super) fn admit(&mut self, number: i64, ts_event: Nanos) -> bool {
        match self.newest {
            None => self.begin(number, ts_event),
            Some((newest, at)) if number > newest => {
                let ahead = number.abs_diff(newest);
                if ahead >= Self::SPAN {
                    self.passed.fill(0);
                } else {
                    (1..ahead)
                        .for_each(|step| self.mark(newest.wrapping_add_unsigned(step), false));
                }
                self.mark(number, true);
                self.newest = Some((number, at.max(ts_event)));
            }
            Some((newest, _)) if number.abs_diff(newest) < Self::SPAN && !self.has(number) => {
                self.mark(number, true);
            }
            Some((_, at)) if ts_event > at + RENUMBERED => self.begin(number, ts_event),
            Some(_) => return false,
        }
        true
    }

    /// Begins with this one: whatever came before it is the past.
    fn begin(&mut self, number: i64, ts_event: Nanos) {
        self.passed.fill(u64::MAX);
        self.newest = Some((number, ts_event));
    }

    fn place(number: i64) -> (usize, u64) {
        let place = number.cast_unsigned() % Self::SPAN;
        ((place / 64) as usize, 1 << (place % 64))
    }

    fn has(&self, number: i64) -> bool {
        let (word, bit) = Self::place(number);
        self.passed[word] & bit != 0
    }

    fn mark(&mut self, number: i64, passed: bool) {
        let (word, bit) = Self::place(number);
        if passed {
            self.passed[word] |= bit;
        } else {
            self.passed[word] &= !bit;
        }
    }
}
