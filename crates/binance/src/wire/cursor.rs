//! Reading plain JSON from its bytes, eight at a time: what the purpose-made scanners share.
//!
//! Every method answers `None` where the text is not as plain as it expects, and a scanner then
//! leaves the whole frame to the general parser. What is accepted means what JSON means by it.

use market::Decimal;

/// What is left of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// How a decimal is spelled: so many digits, and so many after the point.
///
/// Numbers in a row are mostly spelled alike. Expecting the spelling of the one before takes the
/// search for the end of a number out of the way of what follows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spelling {
    whole: usize,
    /// `None` without a point.
    decimals: Option<usize>,
}

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

    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.rest = self.rest.get(count..)?;
        Some(())
    }

    #[inline]
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

    /// The key of the next member and its colon, after `mark`: the opening brace, or the comma that
    /// follows a member. `Some(None)` at the closing brace.
    #[inline(always)]
    pub(crate) fn key_after(&mut self, mark: u8) -> Option<Option<&'a [u8]>> {
        let (length, end) = match self.rest {
            [first, b'"', _, b'"', b':', ..] if *first == mark => (1, 5),
            [first, b'"', _, _, b'"', b':', ..] if *first == mark => (2, 6),
            _ => return self.key_slowly(mark),
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
            b'}' => return Some(None),
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
            None => self.digits(),
        };
        // No number has a leading zero but zero itself.
        let is_shortest = count == 1 || value >= *LEAST.get(count)?;
        if count == 0 || !is_shortest {
            return None;
        }
        (!matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(value)
    }

    /// Up to 15 digits by two blocks, and how many; `None` when there may be more.
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
        if count == 8 {
            return None;
        }
        self.rest = rest.get(count..)?;
        Some((start.value(8) * SCALE[8 - count] + more.value(count), 8 + count))
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
        (self.next()? == b'"').then_some(())?;
        let units = self.number(&mut Spelling::default())?;
        (self.next()? == b'"').then_some(units)
    }

    /// The same as a decimal, if it is not too large for one.
    #[inline(always)]
    pub(crate) fn decimal(&mut self) -> Option<Decimal> {
        i64::try_from(self.quoted()?).ok().map(Decimal::from_units)
    }

    /// A plain unsigned decimal in units of 1e-8, up to its closing quote, which stays.
    #[inline(always)]
    pub(crate) fn number(&mut self, expected: &mut Spelling) -> Option<u64> {
        // Eight digits, the point, eight decimals and the quote: all there is to look at.
        let Some(text) = self.rest.first_chunk::<18>() else { return self.number_slowly() };
        if !expected.fits(text) {
            match Spelling::of(text) {
                Some(spelling) => *expected = spelling,
                None => return self.number_slowly(),
            }
        }
        let Spelling { whole, decimals } = *expected;
        let units = Block::at(text, 0)?.value(whole) * SCALE[0];
        let Some(decimals) = decimals else {
            self.rest = self.rest.get(whole..)?;
            return Some(units);
        };
        self.rest = self.rest.get(whole + 1 + decimals..)?;
        Some(units + Block::at(text, whole + 1)?.fraction(decimals))
    }

    /// The same one by one: near the end of a frame, or longer.
    #[inline(never)]
    fn number_slowly(&mut self) -> Option<u64> {
        let (whole, count) = self.digits();
        if count == 0 || count > DIGITS_MAX {
            return None;
        }
        let units = whole.checked_mul(SCALE[0])?;
        if self.peek()? != b'.' {
            return Some(units);
        }
        self.next();
        let (fraction, decimals) = self.digits();
        units.checked_add(fraction * SCALE.get(decimals)?)
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
    /// Whether a text that begins with digits goes on like this up to its quote.
    #[inline(always)]
    fn fits(self, text: &[u8; 18]) -> bool {
        let is = |at: usize, byte: u8| text.get(at) == Some(&byte);
        let digits_at = |at: usize, count| Block::at(text, at).is_some_and(|b| b.begins_with(count));
        let Some(decimals) = self.decimals else {
            return is(self.whole, b'"') && digits_at(0, self.whole) && self.whole > 0;
        };
        is(self.whole, b'.')
            && is(self.whole + 1 + decimals, b'"')
            && digits_at(0, self.whole)
            && digits_at(self.whole + 1, decimals)
    }

    /// How a text is spelled: up to eight digits on both sides of the point.
    #[inline(always)]
    fn of(text: &[u8; 18]) -> Option<Self> {
        let whole = Block::at(text, 0)?.digits();
        if whole == 0 {
            return None;
        }
        match *text.get(whole)? {
            b'"' => Some(Self { whole, decimals: None }),
            b'.' => {
                let decimals = Block::at(text, whole + 1)?.digits();
                let is_all = *text.get(whole + 1 + decimals)? == b'"';
                is_all.then_some(Self { whole, decimals: Some(decimals) })
            }
            _ => None,
        }
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
    byte >= 0x20 && byte < 0x80 && byte != b'"' && byte != b'\\'
}

/// The same byte eight times.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// Eight bytes as digits.
#[derive(Clone, Copy)]
struct Block {
    /// The value of each byte that is a digit; nonsense for the others.
    values: u64,
}

impl Block {
    #[inline(always)]
    fn of(bytes: &[u8; 8]) -> Self {
        Self { values: u64::from_le_bytes(*bytes) ^ all(b'0') }
    }

    #[inline(always)]
    fn at(text: &[u8; 18], at: usize) -> Option<Self> {
        text.get(at..)?.first_chunk::<8>().map(Self::of)
    }

    /// The highest bit of each byte that is no digit.
    #[inline(always)]
    fn others(self) -> u64 {
        // Nine and less do not reach the highest bit by adding 0x76; the others do or have it.
        (((self.values & all(0x7f)) + all(0x76)) | self.values) & all(0x80)
    }

    /// Digits at the beginning.
    #[inline(always)]
    fn digits(self) -> usize {
        (self.others().trailing_zeros() / 8) as usize
    }

    #[inline(always)]
    fn begins_with(self, digits: usize) -> bool {
        self.others() & first(digits) == 0
    }

    /// The number that the first digits make.
    #[inline(always)]
    fn value(self, digits: usize) -> u64 {
        eight(self.values.unbounded_shl(64 - 8 * digits as u32))
    }

    /// The first digits as those behind a point, in units of 1e-8.
    #[inline(always)]
    fn fraction(self, digits: usize) -> u64 {
        eight(self.values & first(digits))
    }
}

/// The first bytes of a block, 0 to 8.
#[inline(always)]
fn first(bytes: usize) -> u64 {
    !u64::MAX.unbounded_shl(8 * bytes as u32)
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
                let read = both(&format!("\"{text}\""), |c| c.decimal());
                let exact = Decimal::parse(text.as_bytes()).ok();
                assert_eq!(read, exact.map(|decimal| (decimal, text.len() + 2)), "{text}");
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
