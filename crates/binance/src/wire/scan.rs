//! The scanner for frames that arrive by the thousand: `depthUpdate`, `bookTicker`, `trade`,
//! `aggTrade`.
//!
//! It answers `None` as soon as anything is unusual (escapes, white space inside level lists, other
//! types, numbers beyond 18 digits, off-grid values, repeated keys) and the general parser decides.
//! What it does accept it reads exactly as the general parser would.

use market::{
    BookTicker, DepthDiff, Level, MarketEvent, MarketKind, Nanos, Price, Qty, Side, Trade,
};

use super::cursor::{Cursor, Spelling};
use super::{Decoded, DepthStream, Listed, depth, depth_stream, ticker_event};

/// Buffers kept from frame to frame, so that an event allocates only what it carries away.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    bids: Vec<Level>,
    asks: Vec<Level>,
}

/// Reads a frame if it is a plain one of the frequent kinds.
pub(super) fn scan(
    frame: &[u8],
    ts_recv: Nanos,
    listed: &[Listed],
    scratch: &mut Scratch,
) -> Option<Decoded> {
    let mut cursor = Cursor::new(frame);
    let mut stream = None;
    if cursor.skip_literal(b"{\"stream\":\"") {
        stream = Some(cursor.text_body()?);
        cursor.skip_literal(b",\"data\":").then_some(())?;
    }
    let mut payload = Payload::default();
    let mut key = cursor.key_after(b'{')?;
    while let Some(name) = key {
        payload.field(name, &mut cursor, listed, scratch)?;
        key = cursor.key_after(b',')?;
    }
    if stream.is_some() {
        cursor.expect(b'}')?;
    }
    cursor.white_space();
    if !cursor.is_at_end() {
        return None;
    }
    payload.build(stream, ts_recv, scratch)
}

/// The fields of the frequent events; prices and quantities in units of 1e-8. What they mean depends on the type, which may come last.
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
    agg_id: u64,
    bid: u64,
    bid_qty: u64,
    ask: u64,
    ask_qty: u64,
    price: u64,
    qty: u64,
    executed: &'a [u8],
    buyer_is_maker: bool,
}

// One bit per field, for "was it there" and "was it there twice". `a` and `b` are several fields of
// one name.
const EVENT: u32 = 1;
const SYMBOL: u32 = 1 << 1;
const EVENT_TIME: u32 = 1 << 2;
const TRANSACTION_TIME: u32 = 1 << 3;
const FIRST_ID: u32 = 1 << 4;
const LAST_ID: u32 = 1 << 5;
const PREVIOUS_ID: u32 = 1 << 6;
const TRADE_ID: u32 = 1 << 7;
const BID_NAME: u32 = 1 << 8;
const BID: u32 = BID_NAME | 1 << 9;
const BID_LEVELS: u32 = BID_NAME | 1 << 10;
const BID_QTY: u32 = 1 << 11;
const ASK_NAME: u32 = 1 << 12;
const ASK: u32 = ASK_NAME | 1 << 13;
const ASK_LEVELS: u32 = ASK_NAME | 1 << 14;
const AGG_ID: u32 = ASK_NAME | 1 << 15;
const ASK_QTY: u32 = 1 << 16;
const PRICE: u32 = 1 << 17;
const QTY: u32 = 1 << 18;
const EXECUTED: u32 = 1 << 19;
const MAKER: u32 = 1 << 20;

impl<'a> Payload<'a> {
    #[inline(always)]
    fn field(
        &mut self,
        key: &[u8],
        cursor: &mut Cursor<'a>,
        listed: &'a [Listed],
        scratch: &mut Scratch,
    ) -> Option<()> {
        let bits = match *key {
            [b'e'] => (self.event = cursor.text()?, EVENT).1,
            [b's'] => {
                let symbol = cursor.text()?;
                self.listed =
                    Some(listed.iter().find(|l| l.instrument.symbol().as_bytes() == symbol)?);
                SYMBOL
            }
            [b'E'] => (self.event_time = cursor.integer()?, EVENT_TIME).1,
            [b'T'] => (self.transaction_time = cursor.integer()?, TRANSACTION_TIME).1,
            [b'U'] => (self.first_id = cursor.integer()?, FIRST_ID).1,
            [b'u'] => (self.last_id = cursor.integer()?, LAST_ID).1,
            [b'p', b'u'] => (self.previous_id = cursor.integer()?, PREVIOUS_ID).1,
            [b't'] => (self.trade_id = cursor.integer()?, TRADE_ID).1,
            [b'b'] => match cursor.peek()? {
                b'[' => (*cursor = levels(*cursor, self.listed?, &mut scratch.bids)?, BID_LEVELS).1,
                _ => (self.bid = cursor.quoted()?, BID).1,
            },
            [b'a'] => match cursor.peek()? {
                b'[' => (*cursor = levels(*cursor, self.listed?, &mut scratch.asks)?, ASK_LEVELS).1,
                b'"' => (self.ask = cursor.quoted()?, ASK).1,
                _ => (self.agg_id = cursor.integer()?, AGG_ID).1,
            },
            [b'B'] => (self.bid_qty = cursor.quoted()?, BID_QTY).1,
            [b'A'] => (self.ask_qty = cursor.quoted()?, ASK_QTY).1,
            [b'p'] => (self.price = cursor.quoted()?, PRICE).1,
            [b'q'] => (self.qty = cursor.quoted()?, QTY).1,
            [b'X'] => (self.executed = cursor.text()?, EXECUTED).1,
            [b'm'] => (self.buyer_is_maker = cursor.boolean()?, MAKER).1,
            // Fields of other messages, which the general parser checks for repetition.
            [b'i' | b'r'] => return None,
            _ => match key {
                b"symbol" | b"lastUpdateId" | b"bids" | b"asks" | b"stream" | b"data" => {
                    return None;
                }
                _ => return cursor.skip_scalar(),
            },
        };
        if self.seen & bits != 0 {
            return None;
        }
        self.seen |= bits;
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
                let level =
                    |price, qty| Some(Level { price: listed.price(price)?, qty: listed.qty(qty)? });
                let bid = level(self.bid, self.bid_qty)?;
                let ask = level(self.ask, self.ask_qty)?;
                let ticker = BookTicker { update_id: self.last_id, bid, ask };
                Some(ticker_event(instrument, ts_event, ticker))
            }
            b"trade" => {
                self.has(TRADE_ID)?;
                self.trade(listed, ts_event, self.trade_id, Decoded::Event)
            }
            b"aggTrade" => {
                self.has(AGG_ID)?;
                self.trade(listed, ts_event, self.agg_id, Decoded::AggTrade)
            }
            _ => None,
        }
    }

    fn trade(
        &self,
        listed: &Listed,
        ts_event: Nanos,
        id: u64,
        decoded: impl Fn(MarketEvent) -> Decoded,
    ) -> Option<Decoded> {
        self.has(PRICE | QTY | MAKER)?;
        if self.seen & EXECUTED != 0 && self.executed != b"MARKET" {
            return Some(Decoded::OffBook);
        }
        let trade = Trade {
            id: i64::try_from(id).ok()?,
            price: listed.price(self.price)?,
            qty: listed.qty(self.qty)?,
            aggressor: if self.buyer_is_maker { Side::Sell } else { Side::Buy },
        };
        let kind = MarketKind::Trade(trade);
        Some(decoded(MarketEvent { instrument: listed.instrument.id, ts_event, kind }))
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
    #[inline(always)]
    fn price(&self, units: u64) -> Option<Price> {
        let ticks = self.tick.count(units)?;
        (ticks > 0).then_some(Price::new(ticks as i64))
    }

    #[inline(always)]
    fn qty(&self, units: u64) -> Option<Qty> {
        self.step.count(units).map(Qty::new)
    }
}

/// A list of `["price","qty"]` without any white space; what follows it.
#[inline(never)]
fn levels<'a>(mut cursor: Cursor<'a>, listed: &Listed, out: &mut Vec<Level>) -> Option<Cursor<'a>> {
    out.clear();
    if cursor.skip_literal(b"[]") {
        return Some(cursor);
    }
    let (mut price_spelling, mut qty_spelling) = (Spelling::default(), Spelling::default());
    let mut price = cursor.number_after(b"[[\"", &mut price_spelling)?;
    loop {
        let qty = cursor.number_after(b",\"", &mut qty_spelling)?;
        out.push(Level { price: listed.price(price)?, qty: listed.qty(qty)? });
        match cursor.number_after(b"],[\"", &mut price_spelling) {
            Some(next) => price = next,
            None => return cursor.skip_literal(b"]]").then_some(cursor),
        }
    }
}

/// Multiples of a step, without dividing: the step's odd part has an inverse modulo 2^64, and a
/// product with it that stays below `limit` is an exact quotient.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    inverse: u64,
    twos: u32,
    /// The largest quotient that is believed.
    limit: u64,
}

impl Grid {
    /// Multiples of `step` up to `max`; both positive and in the same unit.
    pub(super) fn new(step: u64, max: u64) -> Self {
        let twos = step.trailing_zeros();
        let odd = step >> twos;
        // Newton's method: each round doubles the number of right digits, of which there are three.
        let mut inverse = odd;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        }
        Self { inverse, twos, limit: max / step }
    }

    /// How many steps these units are; `None` when they are no multiple or too many.
    #[inline(always)]
    fn count(self, units: u64) -> Option<u64> {
        let count = units.wrapping_mul(self.inverse).rotate_right(self.twos);
        (count <= self.limit).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::Grid;

    #[test]
    fn a_grid_divides_as_division_does() {
        let steps = [1, 2, 3, 7, 10, 1_000, 25_000_000, 100_000_000, 50_000_000, 123_456_789];
        let max = 100_000_000_000_000_000;
        for step in steps {
            let grid = Grid::new(step, max);
            for count in [0, 1, 2, 3, 999, 1_000_003, max / step] {
                assert_eq!(grid.count(count * step), Some(count), "{count} times {step}");
                for off in 1..step.min(50) {
                    assert_eq!(
                        grid.count(count * step + off),
                        None,
                        "{count} times {step} + {off}"
                    );
                }
            }
            assert_eq!(grid.count((max / step + 1) * step), None, "beyond {max}");
            assert_eq!(grid.count(u64::MAX - u64::MAX % step), None);
        }
    }
}
