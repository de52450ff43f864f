//! The scanner for `ORDER_TRADE_UPDATE`.
//!
//! It answers `None` as soon as anything is unusual (escapes, nulls, floats, nested objects, numbers
//! beyond 18 digits, repeated keys) and the general parser decides. What it does accept it reads
//! exactly as the general parser would.

use market::{Decimal, Nanos, Side, TradeId, VenueOrderId};

use super::{Execution, Fee, OrderUpdate};
use crate::replies::{OrderStatus, Owner};
use crate::wire::cursor::Cursor;

/// Reads a frame if it is a plain one.
pub(super) fn scan(frame: &[u8]) -> Option<OrderUpdate> {
    let mut cursor = Cursor::new(frame);
    let wrapped = cursor.skip_literal(b"{\"stream\":\"");
    if wrapped {
        cursor.text_body()?;
        cursor.skip_literal(b",\"data\":").then_some(())?;
    }
    let (event_time, fields) = envelope(&mut cursor)?;
    if wrapped {
        cursor.expect(b'}')?;
    }
    cursor.white_space();
    if !cursor.is_at_end() {
        return None;
    }
    fields.build(event_time)
}

/// The event: when it was sent, if it says so, and the order.
fn envelope<'a>(cursor: &mut Cursor<'a>) -> Option<(Option<u64>, Fields<'a>)> {
    let (mut named, mut event_time, mut order) = (false, None, None);
    cursor.expect(b'{')?;
    loop {
        let again = match cursor.key()? {
            [b'e'] => {
                (cursor.text()? == b"ORDER_TRADE_UPDATE").then_some(())?;
                std::mem::replace(&mut named, true)
            }
            [b'E'] => event_time.replace(cursor.integer()?).is_some(),
            [b'o'] => order.replace(Fields::read(cursor)?).is_some(),
            b"data" => true,
            _ => {
                cursor.skip_scalar()?;
                false
            }
        };
        if again {
            return None;
        }
        if !cursor.goes_on()? {
            return named.then_some((event_time, order?));
        }
    }
}

/// The fields of `o` that are read, as they are spelled; numbers are read already.
#[derive(Default)]
struct Fields<'a> {
    seen: u32,
    symbol: &'a [u8],
    client_id: &'a [u8],
    side: &'a [u8],
    kind: &'a [u8],
    tif: &'a [u8],
    execution: &'a [u8],
    status: &'a [u8],
    fee_asset: &'a [u8],
    expiry: Option<u32>,
    qty: Decimal,
    price: Decimal,
    last_qty: Decimal,
    filled: Decimal,
    last_price: Decimal,
    fee: Decimal,
    realized: Option<Decimal>,
    id: u64,
    trade_id: u64,
    time: u64,
    maker: bool,
    reduce_only: bool,
}

// One bit per field, for "was it there" and "was it there twice".
const SYMBOL: u32 = 1;
const CLIENT_ID: u32 = 1 << 1;
const SIDE: u32 = 1 << 2;
const KIND: u32 = 1 << 3;
const TIF: u32 = 1 << 4;
const QTY: u32 = 1 << 5;
const PRICE: u32 = 1 << 6;
const EXECUTION: u32 = 1 << 7;
const STATUS: u32 = 1 << 8;
const ID: u32 = 1 << 9;
const LAST_QTY: u32 = 1 << 10;
const FILLED: u32 = 1 << 11;
const LAST_PRICE: u32 = 1 << 12;
const FEE_ASSET: u32 = 1 << 13;
const FEE: u32 = 1 << 14;
const TIME: u32 = 1 << 15;
const TRADE_ID: u32 = 1 << 16;
const MAKER: u32 = 1 << 17;
const REDUCE_ONLY: u32 = 1 << 18;
const REALIZED: u32 = 1 << 19;
const EXPIRY: u32 = 1 << 20;
/// Without these it is no order event.
const NEEDED: u32 = SYMBOL | SIDE | EXECUTION | STATUS | ID | FILLED | TIME;

impl<'a> Fields<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut fields = Self::default();
        cursor.expect(b'{')?;
        loop {
            let key = cursor.key()?;
            fields.field(key, cursor)?;
            if !cursor.goes_on()? {
                return Some(fields);
            }
        }
    }

    #[inline(always)]
    fn field(&mut self, key: &[u8], cursor: &mut Cursor<'a>) -> Option<()> {
        let bit = match *key {
            [b's'] => (self.symbol = cursor.text()?, SYMBOL).1,
            [b'c'] => (self.client_id = cursor.text()?, CLIENT_ID).1,
            [b'S'] => (self.side = cursor.text()?, SIDE).1,
            [b'o'] => (self.kind = cursor.text()?, KIND).1,
            [b'f'] => (self.tif = cursor.text()?, TIF).1,
            [b'x'] => (self.execution = cursor.text()?, EXECUTION).1,
            [b'X'] => (self.status = cursor.text()?, STATUS).1,
            [b'N'] => (self.fee_asset = cursor.text()?, FEE_ASSET).1,
            [b'q'] => (self.qty = cursor.quoted()?.decimal()?, QTY).1,
            [b'p'] => (self.price = cursor.quoted()?.decimal()?, PRICE).1,
            [b'l'] => (self.last_qty = cursor.quoted()?.decimal()?, LAST_QTY).1,
            [b'z'] => (self.filled = cursor.quoted()?.decimal()?, FILLED).1,
            [b'L'] => (self.last_price = cursor.quoted()?.decimal()?, LAST_PRICE).1,
            [b'n'] => (self.fee = signed(cursor)?, FEE).1,
            [b'i'] => (self.id = cursor.integer()?, ID).1,
            [b't'] => (self.trade_id = cursor.integer()?, TRADE_ID).1,
            [b'T'] => (self.time = cursor.integer()?, TIME).1,
            [b'm'] => (self.maker = cursor.boolean()?, MAKER).1,
            [b'R'] => (self.reduce_only = cursor.boolean()?, REDUCE_ONLY).1,
            [b'r', b'p'] => (self.realized = Some(signed(cursor)?), REALIZED).1,
            [b'e', b'r'] => (self.expiry = Some(small(cursor.text()?)?), EXPIRY).1,
            _ => return cursor.skip_scalar(),
        };
        if self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        Some(())
    }

    fn build(&self, event_time: Option<u64>) -> Option<OrderUpdate> {
        if self.seen & NEEDED != NEEDED {
            return None;
        }
        let id = |id| i64::try_from(id).ok();
        let asset = text(self.fee_asset)?;
        let fee = Some(self.fee).filter(|amount| *amount != Decimal::ZERO);
        Some(OrderUpdate {
            symbol: text(self.symbol)?.to_owned(),
            owner: Owner::of(text(self.client_id)?),
            venue_id: VenueOrderId(id(self.id)?),
            side: match self.side {
                b"BUY" => Side::Buy,
                b"SELL" => Side::Sell,
                _ => return None,
            },
            execution: Execution::of(text(self.execution)?),
            status: OrderStatus::of(text(self.status)?),
            kind: text(self.kind)?.to_owned(),
            tif: text(self.tif)?.to_owned(),
            price: self.price,
            qty: self.qty,
            filled: self.filled,
            last_price: self.last_price,
            last_qty: self.last_qty,
            trade_id: Some(TradeId(id(self.trade_id)?)).filter(|id| id.0 > 0),
            fee: fee.map(|amount| Fee { asset: asset.to_owned(), amount }),
            realized: self.realized,
            maker: self.maker,
            reduce_only: self.reduce_only,
            expiry: self.expiry,
            time: Nanos::from_millis(self.time),
            ts_event: Nanos::from_millis(event_time.unwrap_or(self.time)),
        })
    }
}

/// A decimal that may be negative.
fn signed(cursor: &mut Cursor<'_>) -> Option<Decimal> {
    if cursor.skip_literal(b"\"-") {
        let value = cursor.number()?.decimal()?;
        return Some(Decimal::from_units(-value.units()));
    }
    cursor.quoted()?.decimal()
}

/// One or two digits, as reasons are.
fn small(text: &[u8]) -> Option<u32> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    match *text {
        [one] => digit(one),
        [ten, one] => Some(digit(ten)? * 10 + digit(one)?),
        _ => None,
    }
}

fn text(ascii: &[u8]) -> Option<&str> {
    str::from_utf8(ascii).ok()
}
