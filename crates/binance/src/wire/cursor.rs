//! Reading plain JSON from its bytes, sixteen at a time: what the purpose-made scanners share.
//!
//! Every method answers `None` where the text is not as plain as it expects, and a scanner then
//! leaves the whole frame to the general parser. What is accepted means what JSON means by it.

use market::Decimal;

/// What is left of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

/// An unsigned decimal as it is written: its digits without the point, and how many follow it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Number {
    digits: u64,
    decimals: usize,
}

/// Most decimals of a [`Number`].
const DECIMALS_MAX: usize = 8;
/// Longest run of digits that cannot overflow.
const DIGITS_MAX: usize = 19;
/// Most digits of a [`Number`], so that neither its digits nor a sum of two overflow.
const NUMBER_DIGITS_MAX: usize = 18;
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
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        if self.peek()? != byte {
            self.white_space();
        }
        (self.next()? == byte).then_some(())
    }

    #[inline]
    pub(crate) fn skip_literal<const N: usize>(&mut self, literal: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((start, rest)) if start == literal => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// A member's key and its colon.
    #[inline]
    pub(crate) fn key(&mut self) -> Option<&'a [u8]> {
        if let Some(([b'"', key, b'"', b':'], rest)) = self.rest.split_first_chunk::<4>()
            && is_plain(*key)
        {
            self.rest = rest;
            return Some(std::slice::from_ref(key));
        }
        self.expect(b'"')?;
        let key = self.text_body()?;
        self.expect(b':')?;
        self.white_space();
        Some(key)
    }

    /// What follows a member: true for another one, false for the end of the object.
    #[inline]
    pub(crate) fn goes_on(&mut self) -> Option<bool> {
        if !matches!(self.peek()?, b',' | b'}') {
            self.white_space();
        }
        match self.next()? {
            b',' => Some(true),
            b'}' => Some(false),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        (self.next()? == b'"').then_some(())?;
        self.text_body()
    }

    /// The rest of a string after its opening quote: printable ASCII without escapes.
    #[inline]
    pub(crate) fn text_body(&mut self) -> Option<&'a [u8]> {
        let whole = self.rest;
        let mut end = 0;
        while let Some(block) = whole.get(end..)?.first_chunk::<16>() {
            match special(block) {
                16 => end += 16,
                at => {
                    end += at;
                    break;
                }
            }
        }
        while is_plain(*whole.get(end)?) {
            end += 1;
        }
        (whole[end] == b'"').then_some(())?;
        self.rest = &whole[end + 1..];
        Some(&whole[..end])
    }

    /// A plain non-negative integer of at most 19 digits.
    #[inline]
    pub(crate) fn integer(&mut self) -> Option<u64> {
        let (value, count) = match self.rest.first_chunk::<16>() {
            Some(block) => match leading_digits(block) {
                (_, 16) => self.digits(),
                (value, count) => {
                    self.skip(count)?;
                    (value, count)
                }
            },
            None => self.digits(),
        };
        // No number has a leading zero but zero itself.
        let shortest = count == 1 || value >= LEAST[count.min(DIGITS_MAX)];
        if count == 0 || count > DIGITS_MAX || !shortest {
            return None;
        }
        (!matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(value)
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

    /// A plain unsigned decimal in quotes.
    #[inline]
    pub(crate) fn quoted(&mut self) -> Option<Number> {
        (self.next()? == b'"').then_some(())?;
        self.number()
    }

    /// A plain unsigned decimal up to and including its closing quote.
    #[inline(always)]
    pub(crate) fn number(&mut self) -> Option<Number> {
        let Some(block) = self.rest.first_chunk::<16>() else { return self.number_slowly() };
        let Block { values, others } = Block::of(block);
        // The first two bytes that are no digits: the point, if there is one, and the quote.
        let first = (others.trailing_zeros() / 8) as usize;
        let second = ((others & others.wrapping_sub(1)).trailing_zeros() / 8) as usize;
        if first == 0 || first > 15 {
            return self.number_slowly();
        }
        if block[first] == b'"' {
            self.skip(first + 1)?;
            return Some(Number { digits: aligned(values, first), decimals: 0 });
        }
        if block[first] != b'.' || second > 15 || block[second] != b'"' {
            return self.number_slowly();
        }
        self.skip(second + 1)?;
        // Close the gap that the point leaves.
        let before = (1_u128 << (8 * first)) - 1;
        let values = (values & before) | ((values >> 8) & !before);
        let decimals = second - first - 1;
        if decimals > DECIMALS_MAX {
            return None;
        }
        Some(Number { digits: aligned(values, second - 1), decimals })
    }

    /// The same one by one: near the end of a frame, or longer than a block.
    #[inline(never)]
    fn number_slowly(&mut self) -> Option<Number> {
        let (whole, count) = self.digits();
        if count == 0 || count > NUMBER_DIGITS_MAX {
            return None;
        }
        let mut number = Number { digits: whole, decimals: 0 };
        if self.peek()? == b'.' {
            self.next();
            let (fraction, decimals) = self.digits();
            if decimals > DECIMALS_MAX || count + decimals > NUMBER_DIGITS_MAX {
                return None;
            }
            let digits = whole * SCALE[DECIMALS_MAX - decimals] + fraction;
            number = Number { digits, decimals };
        }
        (self.next()? == b'"').then_some(number)
    }

    #[inline]
    pub(crate) fn boolean(&mut self) -> Option<bool> {
        if self.skip_literal(b"true") {
            Some(true)
        } else {
            self.skip_literal(b"false").then_some(false)
        }
    }

    /// Passes over a string, an integer, a boolean or null.
    #[inline]
    pub(crate) fn skip_scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'0'..=b'9' => self.integer().map(drop),
            b'n' => self.skip_literal(b"null").then_some(()),
            _ => self.boolean().map(drop),
        }
    }
}

impl Number {
    /// In units of 1e-8, if that is not beyond 64 bits.
    #[inline(always)]
    pub(crate) fn units(self) -> Option<u64> {
        self.digits.checked_mul(SCALE[self.decimals])
    }

    /// As a decimal, if it is not too large for one.
    #[inline]
    pub(crate) fn decimal(self) -> Option<Decimal> {
        i64::try_from(self.units()?).ok().map(Decimal::from_units)
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
    byte >= 0x20 && byte < 0x7f && byte != b'"' && byte != b'\\'
}

/// The same byte sixteen times.
const fn all(byte: u8) -> u128 {
    u128::from_le_bytes([byte; 16])
}

/// Sixteen bytes as digits.
struct Block {
    /// The value of each byte that is a digit; nonsense for the others.
    values: u128,
    /// The highest bit of each byte that is no digit.
    others: u128,
}

impl Block {
    #[inline(always)]
    fn of(bytes: &[u8; 16]) -> Self {
        let values = u128::from_le_bytes(*bytes) ^ all(b'0');
        // Nine and less do not reach the highest bit by adding 0x76; the others do or have it.
        let others = (((values & all(0x7f)) + all(0x76)) | values) & all(0x80);
        Self { values, others }
    }
}

/// The number that a block begins with, and its digits; 16 when it is digits throughout.
#[inline(always)]
fn leading_digits(bytes: &[u8; 16]) -> (u64, usize) {
    let Block { values, others } = Block::of(bytes);
    match (others.trailing_zeros() / 8) as usize {
        0 => (0, 0),
        count => (aligned(values, count), count),
    }
}

/// The value of the first `count` digits of a block, 1 to 16.
#[inline(always)]
fn aligned(values: u128, count: usize) -> u64 {
    if count <= 8 {
        return eight((values as u64) << (64 - 8 * count));
    }
    let values = values << (128 - 8 * count);
    eight(values as u64) * 100_000_000 + eight((values >> 64) as u64)
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

/// Where the first byte is that is not plain; 16 when all are.
#[inline(always)]
fn special(bytes: &[u8; 16]) -> usize {
    let text = u128::from_le_bytes(*bytes);
    // Borrows only ever spoil what comes after a hit, and the first hit is all that is asked for.
    let zero = |x: u128| x.wrapping_sub(all(1)) & !x;
    let quotes = zero(text ^ all(b'"')) | zero(text ^ all(b'\\')) | zero(text ^ all(0x7f));
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
            for shift in (0..10).filter(|_| whole + decimals <= NUMBER_DIGITS_MAX) {
                let digit = |at: usize| char::from(b'0' + ((at * 7 + shift) % 10) as u8);
                let mut text: String = (0..whole).map(digit).collect();
                if decimals > 0 {
                    text.push('.');
                    text.extend((whole..whole + decimals).map(digit));
                }
                let read = both(&format!("\"{text}\""), |c| c.quoted()?.decimal());
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
            assert_eq!(both(&format!("\"{text}\""), |c| c.quoted()?.units()), None, "{text}");
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
