//! The scanner for `ORDER_TRADE_UPDATE`.
//!
//! It answers `None` as soon as anything is unusual (escapes, nulls, floats, nested objects, numbers
//! beyond 18 digits, repeated keys) and the general parser decides. What it does accept it reads
//! exactly as the general parser would.

use market::{Decimal, Nanos, TradeId, VenueOrderId};

use super::{Execution, Fee, OrderUpdate, name};
use crate::replies::{OrderStatus, Owner, side_of};
use crate::wire::cursor::{Cursor, Spelling};

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
    let mut key = cursor.key_after(b'{')?;
    while let Some(name) = key {
        let again = match name {
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
        key = cursor.key_after(b',')?;
    }
    named.then_some((event_time, order?))
}

/// The fields of `o` that are read, by the kind of their values.
#[derive(Default)]
struct Fields<'a> {
    /// One bit per field: was it there? Twice is for the general parser.
    seen: u32,
    texts: [&'a [u8]; 16],
    decimals: [Decimal; 8],
    integers: [u64; 4],
    booleans: [bool; 2],
}

/// What a field holds, and its place among those of its kind.
#[derive(Clone, Copy)]
enum Place {
    Text(u8),
    Decimal(u8),
    Integer(u8),
    Boolean(u8),
    Unread,
}

// Texts.
const SYMBOL: u8 = 0;
const CLIENT_ID: u8 = 1;
const SIDE: u8 = 2;
const KIND: u8 = 3;
const TIF: u8 = 4;
const EXECUTION: u8 = 5;
const STATUS: u8 = 6;
const FEE_ASSET: u8 = 7;
const EXPIRY: u8 = 8;
// Decimals.
const QTY: u8 = 0;
const PRICE: u8 = 1;
const LAST_QTY: u8 = 2;
const FILLED: u8 = 3;
const LAST_PRICE: u8 = 4;
const FEE: u8 = 5;
const REALIZED: u8 = 6;
// Integers.
const ID: u8 = 0;
const TRADE_ID: u8 = 1;
const TIME: u8 = 2;
// Booleans.
const MAKER: u8 = 0;
const REDUCE_ONLY: u8 = 1;

impl Place {
    #[inline(always)]
    fn of(key: &[u8]) -> Self {
        match *key {
            [b's'] => Self::Text(SYMBOL),
            [b'c'] => Self::Text(CLIENT_ID),
            [b'S'] => Self::Text(SIDE),
            [b'o'] => Self::Text(KIND),
            [b'f'] => Self::Text(TIF),
            [b'x'] => Self::Text(EXECUTION),
            [b'X'] => Self::Text(STATUS),
            [b'N'] => Self::Text(FEE_ASSET),
            [b'q'] => Self::Decimal(QTY),
            [b'p'] => Self::Decimal(PRICE),
            [b'l'] => Self::Decimal(LAST_QTY),
            [b'z'] => Self::Decimal(FILLED),
            [b'L'] => Self::Decimal(LAST_PRICE),
            [b'n'] => Self::Decimal(FEE),
            [b'i'] => Self::Integer(ID),
            [b't'] => Self::Integer(TRADE_ID),
            [b'T'] => Self::Integer(TIME),
            [b'm'] => Self::Boolean(MAKER),
            [b'R'] => Self::Boolean(REDUCE_ONLY),
            [b'r', b'p'] => Self::Decimal(REALIZED),
            [b'e', b'r'] => Self::Text(EXPIRY),
            _ => Self::Unread,
        }
    }

    /// Its bit among those of all fields.
    const fn bit(self) -> u32 {
        match self {
            Self::Text(at) => 1 << at,
            Self::Decimal(at) => 1 << (16 + at),
            Self::Integer(at) => 1 << (24 + at),
            Self::Boolean(at) => 1 << (28 + at),
            Self::Unread => 0,
        }
    }
}

/// Without these it is no order event.
const NEEDED: u32 = Place::Text(SYMBOL).bit()
    | Place::Text(SIDE).bit()
    | Place::Text(EXECUTION).bit()
    | Place::Text(STATUS).bit()
    | Place::Decimal(FILLED).bit()
    | Place::Integer(ID).bit()
    | Place::Integer(TIME).bit();

impl<'a> Fields<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut fields = Self::default();
        // A copy of its own stays in registers.
        let mut here = *cursor;
        let mut key = here.key_after(b'{')?;
        while let Some(name) = key {
            let place = Place::of(name);
            match place {
                Place::Text(at) => fields.texts[usize::from(at)] = here.text()?,
                Place::Decimal(at) => fields.decimals[usize::from(at)] = decimal(&mut here, at)?,
                Place::Integer(at) => fields.integers[usize::from(at)] = here.integer()?,
                Place::Boolean(at) => fields.booleans[usize::from(at)] = here.boolean()?,
                Place::Unread => here.skip_scalar()?,
            }
            if fields.seen & place.bit() != 0 {
                return None;
            }
            fields.seen |= place.bit();
            key = here.key_after(b',')?;
        }
        *cursor = here;
        Some(fields)
    }

    fn build(&self, event_time: Option<u64>) -> Option<OrderUpdate> {
        if self.seen & NEEDED != NEEDED {
            return None;
        }
        let text = |at: u8| str::from_utf8(self.texts[usize::from(at)]).ok();
        let decimal = |at: u8| self.decimals[usize::from(at)];
        let integer = |at: u8| self.integers[usize::from(at)];
        let id = |at| i64::try_from(integer(at)).ok();
        let amount = Some(decimal(FEE)).filter(|amount| *amount != Decimal::ZERO);
        let fee = |amount| Some(Fee { asset: text(FEE_ASSET)?.to_owned(), amount });
        let told_profit = self.seen & Place::Decimal(REALIZED).bit() != 0;
        Some(OrderUpdate {
            symbol: text(SYMBOL)?.to_owned(),
            owner: Owner::of(text(CLIENT_ID)?),
            venue_id: VenueOrderId(id(ID)?),
            side: side_of(text(SIDE)?)?,
            execution: Execution::of(text(EXECUTION)?),
            status: OrderStatus::of(text(STATUS)?),
            kind: name(text(KIND)?),
            tif: name(text(TIF)?),
            price: decimal(PRICE),
            qty: decimal(QTY),
            filled: decimal(FILLED),
            last_price: decimal(LAST_PRICE),
            last_qty: decimal(LAST_QTY),
            trade_id: Some(TradeId(id(TRADE_ID)?)).filter(|id| id.0 > 0),
            fee: amount.and_then(fee),
            realized: told_profit.then(|| decimal(REALIZED)),
            maker: self.booleans[usize::from(MAKER)],
            reduce_only: self.booleans[usize::from(REDUCE_ONLY)],
            expiry: match self.texts[usize::from(EXPIRY)] {
                [] => None,
                [digit @ b'0'..=b'9'] => Some(u32::from(digit - b'0')),
                _ => text(EXPIRY)?.parse().ok(),
            },
            time: Nanos::from_millis(integer(TIME)),
            ts_event: Nanos::from_millis(event_time.unwrap_or(integer(TIME))),
        })
    }
}

/// A decimal; fee and profit may be negative.
#[inline(always)]
fn decimal(cursor: &mut Cursor<'_>, at: u8) -> Option<Decimal> {
    if matches!(at, FEE | REALIZED) && cursor.skip_literal(b"\"-") {
        let units = i64::try_from(cursor.number(&mut Spelling::default())?).ok()?;
        return cursor.skip_literal(b"\"").then_some(Decimal::from_units(-units));
    }
    cursor.decimal()
}
