//! The scanner for frames that arrive by the thousand: `depthUpdate`, `bookTicker`, `trade`.
//!
//! It answers `None` as soon as anything is unusual (escapes, white space inside level lists, other
//! types, numbers beyond 18 digits, off-grid values, repeated keys) and the general parser decides.
//! What it does accept it reads exactly as the general parser would.

use market::{
    BookTicker, DepthDiff, Level, MarketEvent, MarketKind, Nanos, Price, Qty, Side, Trade,
};

use super::{Decoded, DepthStream, Listed, PRICE_MAX, QTY_MAX, depth, depth_stream, ticker_event};

/// Buffers kept from frame to frame, so that an event allocates only what it carries away.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// Longest run of digits that cannot overflow.
const DIGITS_MAX: usize = 18;

/// Reads a frame if it is a plain one of the frequent kinds.
pub(super) fn scan(
    frame: &[u8],
    ts_recv: Nanos,
    listed: &[Listed],
    scratch: &mut Scratch,
) -> Option<Decoded> {
    let mut cursor = Cursor { bytes: frame, at: 0 };
    let mut stream = None;
    if cursor.skip_literal(b"{\"stream\":\"") {
        stream = Some(cursor.text_body()?);
        cursor.skip_literal(b",\"data\":").then_some(())?;
    }
    let payload = Payload::read(&mut cursor, listed, scratch)?;
    if stream.is_some() {
        cursor.expect(b'}')?;
    }
    cursor.white_space();
    if cursor.at != frame.len() {
        return None;
    }
    payload.build(stream, ts_recv, scratch)
}

/// The fields of the frequent events. Texts are kept as they are until the type is known.
#[derive(Default)]
struct Payload<'a> {
    seen: u32,
    event: &'a [u8],
    listed: Option<&'a Listed>,
    event_time: u64,
    transaction_time: u64,
    first_id: u64,
    last_id: u64,
    previous_id: u64,
    trade_id: u64,
    bid_price: &'a [u8],
    bid_qty: &'a [u8],
    ask_price: &'a [u8],
    ask_qty: &'a [u8],
    price: &'a [u8],
    qty: &'a [u8],
    executed: &'a [u8],
    buyer_is_maker: bool,
}

// One bit per field, for "was it there" and "was it there twice".
const EVENT: u32 = 1;
const SYMBOL: u32 = 1 << 1;
const EVENT_TIME: u32 = 1 << 2;
const TRANSACTION_TIME: u32 = 1 << 3;
const FIRST_ID: u32 = 1 << 4;
const LAST_ID: u32 = 1 << 5;
const PREVIOUS_ID: u32 = 1 << 6;
const TRADE_ID: u32 = 1 << 7;
const BID: u32 = 1 << 8;
const BID_QTY: u32 = 1 << 9;
const ASK: u32 = 1 << 10;
const ASK_QTY: u32 = 1 << 11;
const PRICE: u32 = 1 << 12;
const QTY: u32 = 1 << 13;
const EXECUTED: u32 = 1 << 14;
const MAKER: u32 = 1 << 15;
const BID_LEVELS: u32 = 1 << 16;
const ASK_LEVELS: u32 = 1 << 17;

impl<'a> Payload<'a> {
    fn read(cursor: &mut Cursor<'a>, listed: &'a [Listed], scratch: &mut Scratch) -> Option<Self> {
        let mut payload = Self::default();
        cursor.expect(b'{')?;
        loop {
            cursor.expect(b'"')?;
            let key = cursor.text_body()?;
            cursor.expect(b':')?;
            cursor.white_space();
            payload.field(key, cursor, listed, scratch)?;
            cursor.white_space();
            match cursor.next()? {
                b',' => {}
                b'}' => return Some(payload),
                _ => return None,
            }
        }
    }

    fn field(
        &mut self,
        key: &[u8],
        cursor: &mut Cursor<'a>,
        listed: &'a [Listed],
        scratch: &mut Scratch,
    ) -> Option<()> {
        let bit = match key {
            b"e" => (self.event = cursor.text()?, EVENT).1,
            b"s" => {
                let symbol = cursor.text()?;
                self.listed =
                    Some(listed.iter().find(|l| l.instrument.symbol().as_bytes() == symbol)?);
                SYMBOL
            }
            b"E" => (self.event_time = cursor.integer()?, EVENT_TIME).1,
            b"T" => (self.transaction_time = cursor.integer()?, TRANSACTION_TIME).1,
            b"U" => (self.first_id = cursor.integer()?, FIRST_ID).1,
            b"u" => (self.last_id = cursor.integer()?, LAST_ID).1,
            b"pu" => (self.previous_id = cursor.integer()?, PREVIOUS_ID).1,
            b"t" => (self.trade_id = cursor.integer()?, TRADE_ID).1,
            b"b" if cursor.peek()? == b'[' => {
                cursor.levels(self.listed?, &mut scratch.bids)?;
                BID | BID_LEVELS
            }
            b"a" if cursor.peek()? == b'[' => {
                cursor.levels(self.listed?, &mut scratch.asks)?;
                ASK | ASK_LEVELS
            }
            b"b" => (self.bid_price = cursor.text()?, BID).1,
            b"B" => (self.bid_qty = cursor.text()?, BID_QTY).1,
            b"a" => (self.ask_price = cursor.text()?, ASK).1,
            b"A" => (self.ask_qty = cursor.text()?, ASK_QTY).1,
            b"p" => (self.price = cursor.text()?, PRICE).1,
            b"q" => (self.qty = cursor.text()?, QTY).1,
            b"X" => (self.executed = cursor.text()?, EXECUTED).1,
            b"m" => (self.buyer_is_maker = cursor.boolean()?, MAKER).1,
            // Fields of other messages, which the general parser checks for repetition.
            b"i" | b"r" | b"symbol" | b"lastUpdateId" | b"bids" | b"asks" | b"stream" | b"data" => {
                return None;
            }
            _ => return cursor.skip_scalar(),
        };
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        Some(())
    }

    fn build(&self, stream: Option<&[u8]>, ts_recv: Nanos, scratch: &Scratch) -> Option<Decoded> {
        let listed = self.listed?;
        let instrument = listed.instrument.id;
        let ts_event = self.ts_event(ts_recv);
        match self.event {
            b"depthUpdate" => {
                self.has(FIRST_ID | LAST_ID | PREVIOUS_ID | BID_LEVELS | ASK_LEVELS)?;
                let kind = depth_stream(stream);
                if kind == DepthStream::Other {
                    return None;
                }
                let diff = DepthDiff {
                    first_id: self.first_id,
                    last_id: self.last_id,
                    previous_id: self.previous_id,
                    bids: scratch.bids.clone(),
                    asks: scratch.asks.clone(),
                };
                depth(kind, instrument, ts_event, diff)
            }
            b"bookTicker" => {
                self.has(LAST_ID | BID | BID_QTY | ASK | ASK_QTY)?;
                let level = |price: &'a [u8], qty: &'a [u8]| {
                    Some(Level { price: listed.price(price)?, qty: listed.qty(qty)? })
                };
                let bid = level(self.bid_price, self.bid_qty)?;
                let ask = level(self.ask_price, self.ask_qty)?;
                let ticker = BookTicker { update_id: self.last_id, bid, ask };
                Some(ticker_event(instrument, ts_event, ticker))
            }
            b"trade" => {
                self.has(TRADE_ID | PRICE | QTY | MAKER)?;
                if self.seen & EXECUTED != 0 && self.executed != b"MARKET" {
                    return Some(Decoded::OffBook);
                }
                let trade = Trade {
                    id: i64::try_from(self.trade_id).ok()?,
                    price: listed.price(self.price)?,
                    qty: listed.qty(self.qty)?,
                    aggressor: if self.buyer_is_maker { Side::Sell } else { Side::Buy },
                };
                let kind = MarketKind::Trade(trade);
                Some(Decoded::Event(MarketEvent { instrument, ts_event, kind }))
            }
            _ => None,
        }
    }

    fn has(&self, bits: u32) -> Option<()> {
        (self.seen & bits == bits).then_some(())
    }

    fn ts_event(&self, ts_recv: Nanos) -> Nanos {
        if self.seen & EVENT_TIME != 0 {
            Nanos::from_millis(self.event_time)
        } else if self.seen & TRANSACTION_TIME != 0 {
            Nanos::from_millis(self.transaction_time)
        } else {
            ts_recv
        }
    }
}

impl Listed {
    fn price(&self, text: &[u8]) -> Option<Price> {
        let mut cursor = Cursor { bytes: text, at: 0 };
        let price = cursor.price(self)?;
        (cursor.at == text.len()).then_some(price)
    }

    fn qty(&self, text: &[u8]) -> Option<Qty> {
        let mut cursor = Cursor { bytes: text, at: 0 };
        let qty = cursor.qty(self)?;
        (cursor.at == text.len()).then_some(qty)
    }
}

/// Powers of ten by the number of decimals a text lacks to eight.
const SCALE: [u64; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn white_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// White space, then exactly this byte.
    fn expect(&mut self, byte: u8) -> Option<()> {
        self.white_space();
        (self.next()? == byte).then_some(())
    }

    fn skip_literal(&mut self, literal: &[u8]) -> bool {
        let found = self.bytes[self.at..].starts_with(literal);
        if found {
            self.at += literal.len();
        }
        found
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        (self.next()? == b'"').then_some(())?;
        self.text_body()
    }

    /// The rest of a string after its opening quote: printable ASCII without escapes.
    fn text_body(&mut self) -> Option<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let end =
            rest.iter().position(|&b| b == b'"' || b == b'\\' || !(0x20..0x7f).contains(&b))?;
        (rest[end] == b'"').then_some(())?;
        self.at += end + 1;
        Some(&rest[..end])
    }

    /// A plain non-negative integer of at most 18 digits.
    fn integer(&mut self) -> Option<u64> {
        let start = self.at;
        let value = self.digits();
        let count = self.at - start;
        let leading_zero = count > 1 && self.bytes[start] == b'0';
        if count == 0 || count > DIGITS_MAX || leading_zero {
            return None;
        }
        (!matches!(self.peek(), Some(b'.' | b'e' | b'E'))).then_some(value)
    }

    /// Digits from here on; the value is right when there were at most 18.
    // Forced: left to itself the compiler calls it, which costs half as much again a frame.
    // Forced here and below: left to itself the compiler makes calls of these, and a depth frame
    // takes half as long again.
    #[inline(always)]
    fn digits(&mut self) -> u64 {
        let mut value = 0_u64;
        for &byte in &self.bytes[self.at..] {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
        value
    }

    /// A plain unsigned decimal as a count of steps; `step` and `max` are in 1e-8.
    #[inline(always)]
    fn on_grid(&mut self, step: u64, max: u64) -> Option<u64> {
        let start = self.at;
        let mut value = self.digits();
        let whole = self.at - start;
        if whole == 0 || whole > DIGITS_MAX {
            return None;
        }
        let mut decimals = 0;
        if self.peek() == Some(b'.') {
            self.at += 1;
            let point = self.at;
            let fraction = self.digits();
            decimals = self.at - point;
            if decimals > 8 || whole + decimals > DIGITS_MAX {
                return None;
            }
            value = value * SCALE[8 - decimals] + fraction;
        }
        let units = value.checked_mul(SCALE[decimals])?;
        if units > max {
            return None;
        }
        let count = units / step;
        (count * step == units).then_some(count)
    }

    #[inline(always)]
    fn price(&mut self, listed: &Listed) -> Option<Price> {
        let ticks = self.on_grid(listed.tick, PRICE_MAX)?;
        (ticks > 0).then_some(Price::new(ticks as i64))
    }

    #[inline(always)]
    fn qty(&mut self, listed: &Listed) -> Option<Qty> {
        self.on_grid(listed.step, QTY_MAX).map(Qty::new)
    }

    /// A list of `["price","qty"]` without any white space.
    fn levels(&mut self, listed: &Listed, out: &mut Vec<Level>) -> Option<()> {
        out.clear();
        self.next()?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.skip_literal(b"[\"").then_some(())?;
            let price = self.price(listed)?;
            self.skip_literal(b"\",\"").then_some(())?;
            let qty = self.qty(listed)?;
            self.skip_literal(b"\"]").then_some(())?;
            out.push(Level { price, qty });
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn boolean(&mut self) -> Option<bool> {
        if self.skip_literal(b"true") {
            Some(true)
        } else {
            self.skip_literal(b"false").then_some(false)
        }
    }

    /// Passes over a string, an integer, a boolean or null.
    fn skip_scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'0'..=b'9' => self.integer().map(drop),
            b'n' => self.skip_literal(b"null").then_some(()),
            _ => self.boolean().map(drop),
        }
    }
}
