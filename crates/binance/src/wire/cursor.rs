//! Reading plain JSON from its bytes, eight at a time: what the purpose-made scanners share.
//!
//! Every method answers `None` where the text is not as plain as it expects, and a scanner then
//! leaves the whole frame to the general parser. What is accepted means what JSON means by it.

/// What is left of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// How a decimal in quotes is spelled: where its point is, where it ends.
///
/// Numbers in a row are mostly spelled alike. Expecting the spelling of the one before takes the
/// search for the end of a number out of the way of what follows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spelling {
    /// Digits before the point, 1 to 7 once it is known.
    whole: usize,
    /// What follows them: the point, or the quote if there is none.
    mark: u8,
    /// Where the closing quote is.
    end: usize,
    /// Covers the digits before the point in the first block.
    before: u64,
    /// Covers the decimals in the block behind the point.
    behind: u64,
    /// What the first block of a short number is shifted by, so that its digits end where it does.
    shift: u32,
    /// What the digits of a short number are multiples of.
    scale: u64,
}

/// What is looked at of a number at once: seven digits, the point, eight decimals, the quote, and a
/// round number of bytes.
const TEXT: usize = 32;
/// Most decimals of a number: the units are 1e-8.
const DECIMALS_MAX: usize = 8;
/// Longest run of digits that cannot overflow.
const DIGITS_MAX: usize = 19;
/// Powers of ten by the number of decimals a text lacks to eight.
const SCALE: [u64; DECIMALS_MAX + 1] =
    [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

impl<'a> Cursor<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn peek_at(&self, at: usize) -> Option<u8> {
        self.rest.get(at).copied()
    }

    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Does something rare on a copy, so that the cursor itself can stay in registers.
    #[inline(always)]
    fn aside<T>(&mut self, rare: impl FnOnce(&mut Self) -> T) -> T {
        let mut copy = *self;
        let value = rare(&mut copy);
        *self = copy;
        value
    }

    #[inline(always)]
    pub(crate) fn white_space(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// White space, then exactly this byte.
    #[inline(always)]
    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            self.white_space();
        }
        (self.next()? == byte).then_some(())
    }

    #[inline(always)]
    pub(crate) fn skip_literal<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((start, rest)) if start == literal => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    pub(crate) fn skip_text(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text.as_bytes()) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The key of the next member and its colon, after `mark`: the opening brace, or the comma that
    /// follows a member. `Some(None)` at the closing brace.
    #[inline(always)]
    pub(crate) fn key_after(&mut self, mark: u8) -> Option<Option<&'a [u8]>> {
        let (length, end) = match self.rest {
            [first, b'"', _, b'"', b':', ..] if *first == mark => (1, 5),
            [first, b'"', _, _, b'"', b':', ..] if *first == mark => (2, 6),
            _ => return self.aside(|cursor| cursor.key_slowly(mark)),
        };
        let key = &self.rest[2..2 + length];
        if !key.iter().all(|byte| is_plain(*byte)) {
            return None;
        }
        self.rest = &self.rest[end..];
        Some(Some(key))
    }

    /// The same with white space, other lengths, and the end.
    #[inline(never)]
    fn key_slowly(&mut self, mark: u8) -> Option<Option<&'a [u8]>> {
        self.white_space();
        match self.next()? {
            byte if byte == mark => {}
            b'}' if mark == b',' => return Some(None),
            _ => return None,
        }
        self.expect(b'"')?;
        let key = self.text_body()?;
        self.expect(b':')?;
        self.white_space();
        Some(Some(key))
    }

    #[inline(always)]
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        (self.next()? == b'"').then_some(())?;
        self.text_body()
    }

    /// The rest of a string after its opening quote: ASCII without escapes and controls.
    #[inline(always)]
    pub(crate) fn text_body(&mut self) -> Option<&'a [u8]> {
        let mut rest = self.rest;
        while let Some((block, after)) = rest.split_first_chunk::<8>() {
            match special(block) {
                8 => rest = after,
                at => {
                    rest = &rest[at..];
                    break;
                }
            }
        }
        let end = loop {
            match rest {
                [b'"', after @ ..] => break after,
                [byte, after @ ..] if is_plain(*byte) => rest = after,
                _ => return None,
            }
        };
        let text = self.rest.get(..self.rest.len() - end.len() - 1)?;
        self.rest = end;
        Some(text)
    }

    /// A plain non-negative integer of at most 19 digits.
    #[inline(always)]
    pub(crate) fn integer(&mut self) -> Option<u64> {
        let (value, count) = match self.leading() {
            Some(found) => found,
            None => self.aside(Self::digits),
        };
        // No number has a leading zero but zero itself.
        let is_shortest = count == 1 || value >= *LEAST.get(count)?;
        if count == 0 || !is_shortest {
            return None;
        }
        (!matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(value)
    }

    /// Digits by two blocks and what little may follow, and how many; `None` near the end.
    #[inline(always)]
    fn leading(&mut self) -> Option<(u64, usize)> {
        let (start, rest) = self.rest.split_first_chunk::<8>()?;
        let start = Block::of(start);
        let count = start.digits();
        if count < 8 {
            self.rest = self.rest.get(count..)?;
            return Some((start.value(count), count));
        }
        let more = Block::of(rest.first_chunk::<8>()?);
        let count = more.digits();
        self.rest = rest.get(count..)?;
        let (mut value, mut count) =
            (start.value(8) * SCALE[8 - count] + more.value(count), 8 + count);
        while (16..=DIGITS_MAX).contains(&count) {
            let [byte @ b'0'..=b'9', rest @ ..] = self.rest else { break };
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            count += 1;
            self.rest = rest;
        }
        Some((value, count))
    }

    /// Digits one by one, and how many; the value is right when there are at most 19.
    #[inline(never)]
    fn digits(&mut self) -> (u64, usize) {
        let (mut value, mut count) = (0_u64, 0);
        while let [byte @ b'0'..=b'9', rest @ ..] = self.rest {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            count += 1;
            self.rest = rest;
        }
        (value, count)
    }

    /// A plain unsigned decimal in quotes, in units of 1e-8.
    #[inline(always)]
    pub(crate) fn quoted(&mut self) -> Option<u64> {
        self.number_after(b"\"", &mut Spelling::default())
    }

    /// A plain unsigned decimal with its closing quote, behind a literal of up to four bytes that ends
    /// with the opening one; in units of 1e-8. Takes nothing when it is something else.
    #[inline(always)]
    pub(crate) fn number_after<const N: usize>(
        &mut self,
        literal: &[u8; N],
        expected: &mut Spelling,
    ) -> Option<u64> {
        let found = match self.rest.first_chunk::<{ TEXT + 4 }>() {
            Some(block) if !block.starts_with(literal) => return None,
            Some(block) => block[N..].first_chunk().and_then(|text| expected.find(text)),
            None => None,
        };
        match found {
            Some(units) => {
                self.rest = self.rest.get(N + expected.end + 1..)?;
                Some(units)
            }
            None => {
                let mut rare = *self;
                let units = rare.skip_literal(literal).then(|| rare.number_slowly())??;
                *self = rare;
                Some(units)
            }
        }
    }

    /// The same one by one: near the end of a frame, or longer.
    #[inline(never)]
    fn number_slowly(&mut self) -> Option<u64> {
        let (whole, count) = self.digits();
        if count == 0 || count > DIGITS_MAX {
            return None;
        }
        let mut units = whole.checked_mul(SCALE[0])?;
        if self.peek()? == b'.' {
            self.next();
            let (fraction, decimals) = self.digits();
            units = units.checked_add(fraction * SCALE.get(decimals)?)?;
        }
        (self.next()? == b'"').then_some(units)
    }

    #[inline(always)]
    pub(crate) fn boolean(&mut self) -> Option<bool> {
        if self.skip_literal(b"true") {
            Some(true)
        } else {
            self.skip_literal(b"false").then_some(false)
        }
    }

    /// Passes over a string, an integer, a boolean or null.
    #[inline(always)]
    pub(crate) fn skip_scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'0'..=b'9' => self.integer().map(drop),
            b'n' => self.skip_literal(b"null").then_some(()),
            _ => self.boolean().map(drop),
        }
    }
}

impl Spelling {
    /// The number that a text begins with, in units of 1e-8; learns how it is spelled.
    #[inline(always)]
    fn find(&mut self, text: &[u8; TEXT]) -> Option<u64> {
        let units = self.read(text);
        if units.is_some() {
            return units;
        }
        *self = Self::of(text)?;
        self.read(text)
    }

    /// The number that a text begins with, in units of 1e-8, if it is spelled like this.
    #[inline(always)]
    fn read(&self, text: &[u8; TEXT]) -> Option<u64> {
        if text[self.whole % 8] != self.mark || text[self.end % TEXT] != b'"' {
            return None;
        }
        // What is not a digit of this part becomes zero, which is one.
        let whole = Block::at(text, 0).0 & self.before;
        if self.end <= 8 {
            // All in one block: close the gap that the point leaves.
            let decimals = (Block::at(text, 0).0 >> 8) & !self.before;
            let digits = (whole | decimals) << self.shift;
            return (others(digits) == 0).then(|| eight(digits) * self.scale);
        }
        let decimals = Block::at(text, self.whole + 1).0 & self.behind;
        let whole = whole << (64 - 8 * self.whole as u32);
        let units = || eight(whole) * SCALE[0] + eight(decimals);
        ((others(whole) | others(decimals)) == 0).then(units)
    }

    /// How a text is spelled: up to seven digits before the point, up to eight behind it.
    #[inline(always)]
    fn of(text: &[u8; TEXT]) -> Option<Self> {
        let whole = Block::at(text, 0).digits();
        if whole == 0 || whole > 7 {
            return None;
        }
        let mark = text[whole];
        let decimals = if mark == b'.' { Block::at(text, whole + 1).digits() } else { 0 };
        let end = whole + usize::from(mark == b'.') + decimals;
        let first = |bytes: usize| !u64::MAX.unbounded_shl(8 * bytes as u32);
        let shift = 64 - 8 * (whole + decimals).min(8) as u32;
        let (before, behind) = (first(whole), first(decimals));
        Some(Self { whole, mark, end, before, behind, shift, scale: SCALE[decimals] })
    }
}

/// Smallest numbers of so many digits.
const LEAST: [u64; DIGITS_MAX + 1] = {
    let mut least = [0; DIGITS_MAX + 1];
    let (mut count, mut power) = (2, 10_u64);
    while count <= DIGITS_MAX {
        least[count] = power;
        (count, power) = (count + 1, power.wrapping_mul(10));
    }
    least
};

/// Whether a byte stands for itself within a JSON string.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7f) && byte != b'"' && byte != b'\\'
}

/// The same byte eight times.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Eight bytes as digits: the value of each byte that is one, nonsense for the others.
#[derive(Clone, Copy)]
struct Block(u64);

impl Block {
    #[inline(always)]
    fn of(bytes: &[u8; 8]) -> Self {
        Self(u64::from_le_bytes(*bytes) ^ all(b'0'))
    }

    /// The block at one of the first nine places of a text.
    #[inline(always)]
    fn at(text: &[u8; TEXT], at: usize) -> Self {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&text[at % 16..at % 16 + 8]);
        Self::of(&bytes)
    }

    /// Digits at the beginning.
    #[inline(always)]
    fn digits(self) -> usize {
        (others(self.0).trailing_zeros() / 8) as usize
    }

    /// The number that the first digits make.
    #[inline(always)]
    fn value(self, digits: usize) -> u64 {
        eight(self.0.unbounded_shl(64 - 8 * digits as u32))
    }
}

/// The highest bit of each byte that is not the value of a digit.
#[inline(always)]
fn others(values: u64) -> u64 {
    // Nine and less do not reach the highest bit by adding 0x76; the others do or have it.
    (((values & all(0x7f)) + all(0x76)) | values) & all(0x80)
}

/// The value of eight digits, the most significant in the lowest byte: pairs, then fours, then all,
/// each step for all of them at once.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let even = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let odd = ((pairs >> 16) & PAIRS).wrapping_mul(1 + (10_000 << 32));
    even.wrapping_add(odd) >> 32
}

/// Where the first byte is that is not plain; 8 when all are.
#[inline(always)]
fn special(bytes: &[u8; 8]) -> usize {
    let text = u64::from_le_bytes(*bytes);
    // Borrows only ever spoil what comes after a hit, and the first hit is all that is asked for.
    let zero = |x: u64| x.wrapping_sub(all(1)) & !x;
    let quotes = zero(text ^ all(b'"')) | zero(text ^ all(b'\\'));
    let controls = text.wrapping_sub(all(0x20)) & !text;
    let hits = (quotes | controls | text) & all(0x80);
    (hits.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use market::Decimal;

    use super::*;

    /// What is read, and the bytes that took: the same near the end of a frame and far from it.
    fn both<T: PartialEq + std::fmt::Debug>(
        text: &str,
        read: impl Fn(&mut Cursor<'_>) -> Option<T>,
    ) -> Option<(T, usize)> {
        let long = format!("{text},\"x\":\"0123456789abcdef\"");
        let [short, long] = [text, &long].map(|text| {
            let mut cursor = Cursor::new(text.as_bytes());
            read(&mut cursor).map(|value| (value, text.len() - cursor.rest.len()))
        });
        assert_eq!(short, long, "{text}");
        short
    }

    #[test]
    fn numbers_of_every_length() {
        let lengths = (1..=12).flat_map(|whole| (0..=DECIMALS_MAX).map(move |d| (whole, d)));
        for (whole, decimals) in lengths {
            for shift in 0..10 {
                let digit = |at: usize| char::from(b'0' + ((at * 7 + shift) % 10) as u8);
                let mut text: String = (0..whole).map(digit).collect();
                if decimals > 0 {
                    text.push('.');
                    text.extend((whole..whole + decimals).map(digit));
                }
                let read = both(&format!("\"{text}\""), |c| c.quoted());
                let wanted = |exact: Decimal| (exact.units().cast_unsigned(), text.len() + 2);
                if let Ok(exact) = Decimal::parse(text.as_bytes()) {
                    assert_eq!(read, Some(wanted(exact)), "{text}");
                }
            }
        }
    }

    #[test]
    fn integers_of_every_length() {
        for value in (0..=19).map(|n| 10_u64.pow(n)).flat_map(|p| [p - 1, p, p + 7]) {
            let text = value.to_string();
            let wanted = (text.len() <= DIGITS_MAX).then_some((value, text.len()));
            assert_eq!(both(&text, |c| c.integer()), wanted, "{text}");
            assert_eq!(both(&format!("0{text}"), |c| c.integer()), None, "0{text}");
        }
        for text in ["", "-1", "1.0", "1e3", "12345678901234567e1", "x"] {
            assert_eq!(both(text, |c| c.integer()), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_plain_number_is_left_alone() {
        for text in ["", ".5", "-1", "+1", "1.2.3", "1e5", " 1", "1 ", "0.123456789", "1/2", "1:"] {
            assert_eq!(both(&format!("\"{text}\""), |c| c.quoted()), None, "{text}");
        }
    }

    #[test]
    fn texts_end_at_the_quote_and_refuse_what_is_not_plain() {
        for length in 0..40 {
            let text = "a".repeat(length);
            let quoted = format!("\"{text}\"");
            let wanted = Some((length, quoted.len()));
            assert_eq!(both(&quoted, |c| c.text().map(<[u8]>::len)), wanted);
            for byte in (0_u8..=255).filter(|byte| !is_plain(*byte) && *byte != b'"') {
                for at in 0..length {
                    let mut bytes = quoted.clone().into_bytes();
                    bytes[at + 1] = byte;
                    assert!(Cursor::new(&bytes).text().is_none(), "{byte} at {at}");
                }
            }
        }
    }
}
