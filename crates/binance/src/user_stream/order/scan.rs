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
    let mut fields = Fields::default();
    let event_time = envelope(&mut cursor, &mut fields)?;
    if wrapped {
        cursor.expect(b'}')?;
    }
    cursor.white_space();
    if !cursor.is_at_end() {
        return None;
    }
    fields.build(event_time)
}

/// The event: reads the order, and tells when it was sent if the event says so.
#[inline(always)]
fn envelope<'a>(cursor: &mut Cursor<'a>, order: &mut Fields<'a>) -> Option<Option<u64>> {
    let (mut named, mut ordered, mut event_time) = (false, false, None);
    let mut key = cursor.key_after(b'{')?;
    while let Some(name) = key {
        let again = match name {
            [b'e'] => {
                cursor.skip_literal(b"\"ORDER_TRADE_UPDATE\"").then_some(())?;
                std::mem::replace(&mut named, true)
            }
            [b'E'] => event_time.replace(cursor.integer()?).is_some(),
            [b'o'] => {
                *cursor = order.read(*cursor)?;
                std::mem::replace(&mut ordered, true)
            }
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
    (named && ordered).then_some(event_time)
}

/// The fields of `o` that are read, by the kind of their values.
#[derive(Default)]
struct Fields<'a> {
    /// One bit per field: was it there? Twice is for the general parser.
    seen: u32,
    texts: [&'a str; 9],
    decimals: [Decimal; 7],
    integers: [u64; 3],
    booleans: [bool; 2],
}

/// Prices of one order are spelled alike, and so are quantities.
#[derive(Default)]
struct Spellings {
    price: Spelling,
    qty: Spelling,
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
    /// Reads the order; what follows it.
    #[inline(never)]
    fn read(&mut self, mut here: Cursor<'a>) -> Option<Cursor<'a>> {
        let mut key = here.key_after(b'{')?;
        while let Some(name) = key {
            self.take(Place::of(name), None, &mut here, &mut Spellings::default())?;
            here = self.read_usual(here)?;
            key = here.key_after(b',')?;
        }
        Some(here)
    }

    /// Reads on as long as members come in the order that the venue sends today, words being those
    /// it mostly says. All of that is only expected, never relied upon: what is not there is passed
    /// over, and the rest is found by its name.
    #[inline(always)]
    fn read_usual(&mut self, mut here: Cursor<'a>) -> Option<Cursor<'a>> {
        let mut spellings = Spellings::default();
        macro_rules! expect {
            ($($key:literal: $kind:ident $(($at:ident))? $($word:literal)*;)*) => {$(
                if here.skip_text(concat!(",\"", $key, "\":")) {
                    let word: Option<&'static str> = match () {
                        $(() if here.skip_text(concat!("\"", $word, "\"")) => Some($word),)*
                        () => None,
                    };
                    self.take(Place::$kind $(($at))?, word, &mut here, &mut spellings)?;
                }
            )*};
        }
        expect! {
            "c": Text(CLIENT_ID);
            "S": Text(SIDE) "BUY" "SELL";
            "o": Text(KIND) "LIMIT" "MARKET";
            "f": Text(TIF) "GTX" "GTC" "IOC";
            "q": Decimal(QTY);
            "p": Decimal(PRICE);
            "ap": Unread "0";
            "sp": Unread "0";
            "x": Text(EXECUTION) "TRADE" "NEW" "CANCELED" "AMENDMENT";
            "X": Text(STATUS) "NEW" "FILLED" "PARTIALLY_FILLED" "CANCELED";
            "i": Integer(ID);
            "l": Decimal(LAST_QTY);
            "z": Decimal(FILLED);
            "L": Decimal(LAST_PRICE);
            "n": Decimal(FEE) "0";
            "N": Text(FEE_ASSET) "USDC" "USDT";
            "T": Integer(TIME);
            "t": Integer(TRADE_ID);
            "b": Unread "0";
            "a": Unread "0";
            "m": Boolean(MAKER);
            "R": Boolean(REDUCE_ONLY);
            "wt": Unread "CONTRACT_PRICE";
            "ot": Unread "LIMIT";
            "ps": Unread "BOTH";
        }
        here.skip_text(",\"cp\":false");
        expect! { "rp": Decimal(REALIZED) "0"; }
        here.skip_text(",\"pP\":false,\"si\":0,\"ss\":0");
        expect! { "V": Unread "EXPIRE_MAKER" "NONE"; "pm": Unread "NONE"; }
        here.skip_text(",\"gtd\":0");
        expect! { "er": Text(EXPIRY) "0"; }
        Some(here)
    }

    /// Takes a value to its place; `word` is what it says if it has been read already: a text, or
    /// the decimal zero.
    #[inline(always)]
    fn take(
        &mut self,
        place: Place,
        word: Option<&'static str>,
        here: &mut Cursor<'a>,
        spellings: &mut Spellings,
    ) -> Option<()> {
        match (place, word) {
            (Place::Text(at), Some(word)) => self.texts[usize::from(at)] = word,
            (Place::Text(at), None) => {
                self.texts[usize::from(at)] = str::from_utf8(here.text()?).ok()?;
            }
            (Place::Decimal(at), None) => {
                let is_qty = matches!(at, QTY | LAST_QTY | FILLED);
                let spelling = if is_qty { &mut spellings.qty } else { &mut spellings.price };
                self.decimals[usize::from(at)] = decimal(here, at, spelling)?;
            }
            (Place::Integer(at), _) => self.integers[usize::from(at)] = here.integer()?,
            (Place::Boolean(at), _) => self.booleans[usize::from(at)] = here.boolean()?,
            (Place::Unread, None) => here.skip_scalar()?,
            (Place::Decimal(_) | Place::Unread, Some(_)) => {}
        }
        self.see(place)
    }

    /// Notes that a field was there; `None` when it was there before.
    #[inline(always)]
    fn see(&mut self, place: Place) -> Option<()> {
        let again = self.seen & place.bit() != 0;
        self.seen |= place.bit();
        (!again).then_some(())
    }

    fn build(&self, event_time: Option<u64>) -> Option<OrderUpdate> {
        if self.seen & NEEDED != NEEDED {
            return None;
        }
        let text = |at: u8| self.texts[usize::from(at)];
        let decimal = |at: u8| self.decimals[usize::from(at)];
        let integer = |at: u8| self.integers[usize::from(at)];
        let id = |at| i64::try_from(integer(at)).ok();
        let amount = Some(decimal(FEE)).filter(|amount| *amount != Decimal::ZERO);
        let fee = |amount| Fee { asset: text(FEE_ASSET).to_owned(), amount };
        let told_profit = self.seen & Place::Decimal(REALIZED).bit() != 0;
        Some(OrderUpdate {
            symbol: text(SYMBOL).to_owned(),
            owner: Owner::of(text(CLIENT_ID)),
            venue_id: VenueOrderId(id(ID)?),
            side: side_of(text(SIDE))?,
            execution: Execution::of(text(EXECUTION)),
            status: OrderStatus::of(text(STATUS)),
            kind: name(text(KIND)),
            tif: name(text(TIF)),
            price: decimal(PRICE),
            qty: decimal(QTY),
            filled: decimal(FILLED),
            last_price: decimal(LAST_PRICE),
            last_qty: decimal(LAST_QTY),
            trade_id: Some(TradeId(id(TRADE_ID)?)).filter(|id| id.0 > 0),
            fee: amount.map(fee),
            realized: told_profit.then(|| decimal(REALIZED)),
            maker: self.booleans[usize::from(MAKER)],
            reduce_only: self.booleans[usize::from(REDUCE_ONLY)],
            expiry: text(EXPIRY).parse().ok(),
            time: Nanos::from_millis(integer(TIME)),
            ts_event: Nanos::from_millis(event_time.unwrap_or(integer(TIME))),
        })
    }
}

/// A decimal; fee and profit may be negative.
#[inline(always)]
fn decimal(cursor: &mut Cursor<'_>, at: u8, spelling: &mut Spelling) -> Option<Decimal> {
    let is_negative = matches!(at, FEE | REALIZED) && cursor.peek_at(1)? == b'-';
    let units = if is_negative {
        cursor.number_after(b"\"-", spelling)?
    } else {
        cursor.number_after(b"\"", spelling)?
    };
    let units = i64::try_from(units).ok()?;
    Some(Decimal::from_units(if is_negative { -units } else { units }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = r#"{"e":"ORDER_TRADE_UPDATE","T":1791000000200,"E":1791000000201,"o":"#;
    const ORDER: [&str; 36] = [
        r#""s":"ETHUSDC""#,
        r#""c":"mm-0012abcd-00000007""#,
        r#""S":"BUY""#,
        r#""o":"LIMIT""#,
        r#""f":"GTX""#,
        r#""q":"0.100""#,
        r#""p":"2610.50""#,
        r#""ap":"2610.50""#,
        r#""sp":"0""#,
        r#""x":"TRADE""#,
        r#""X":"PARTIALLY_FILLED""#,
        r#""i":4611686018427387905"#,
        r#""l":"0.030""#,
        r#""z":"0.030""#,
        r#""L":"2610.50""#,
        r#""n":"-0.00156630""#,
        r#""N":"USDC""#,
        r#""T":1791000000200"#,
        r#""t":700123"#,
        r#""b":"182.735""#,
        r#""a":"0""#,
        r#""m":true"#,
        r#""R":false"#,
        r#""wt":"CONTRACT_PRICE""#,
        r#""ot":"LIMIT""#,
        r#""ps":"BOTH""#,
        r#""cp":false"#,
        r#""rp":"-12.5""#,
        r#""pP":false"#,
        r#""si":0"#,
        r#""ss":0"#,
        r#""V":"EXPIRE_MAKER""#,
        r#""pm":"NONE""#,
        r#""gtd":0"#,
        r#""er":"0""#,
        r#""newField":"tomorrow""#,
    ];

    fn event(order: &[&str]) -> String {
        format!("{HEAD}{{{}}}}}", order.join(","))
    }

    /// Whether the scanner takes a frame; what it takes it reads as the general parser does.
    fn takes(frame: &[u8]) -> bool {
        let Some(update) = OrderUpdate::decode_by_scanner(frame) else { return false };
        let text = String::from_utf8_lossy(frame);
        assert_eq!(OrderUpdate::decode_by_serde(frame), Ok(Some(update)), "{text}");
        true
    }

    #[test]
    fn members_in_any_order_bare_or_wrapped() {
        for shift in 0..ORDER.len() {
            let mut order = ORDER;
            order.rotate_left(shift);
            for order in [order, {
                order.reverse();
                order
            }] {
                let frame = event(&order);
                assert!(takes(frame.as_bytes()), "{frame}");
                assert!(takes(format!(r#"{{"stream":"key","data":{frame}}}"#).as_bytes()));
                assert!(takes(frame.replace("\":", "\" : ").as_bytes()));
            }
            let missing = [&ORDER[..shift], &ORDER[shift + 1..]].concat();
            takes(event(&missing).as_bytes());
            let twice = [&ORDER[..], &ORDER[shift..=shift]].concat();
            takes(event(&twice).as_bytes());
        }
    }

    #[test]
    fn every_single_byte_changed_dropped_or_doubled() {
        let frame = event(&ORDER).into_bytes();
        let (mut taken, mut all) = (0, 0);
        for at in 0..frame.len() {
            let flips = (0..8).map(|bit| frame[at] ^ (1 << bit));
            for byte in flips.chain(*b"\"\\{}[]:,. 0129eE+-nt\n\x00\x7f\xff") {
                let (mut changed, mut longer) = (frame.clone(), frame.clone());
                changed[at] = byte;
                longer.insert(at, byte);
                taken += usize::from(takes(&changed)) + usize::from(takes(&longer));
                all += 2;
            }
            let mut shorter = frame.clone();
            shorter.remove(at);
            taken += usize::from(takes(&shorter)) + usize::from(takes(&frame[..at]));
        }
        assert!(taken > 5_000 && taken < all / 2, "{taken} of {all}");
    }

    #[test]
    fn values_that_nobody_should_send() {
        let values = [
            "null",
            "-1",
            "1e400",
            "\"\"",
            "{}",
            "[]",
            "true",
            "0",
            "9223372036854775807",
            "9223372036854775808",
            "99999999999999999999",
            "\"92233720368.54775807\"",
            "\"92233720368.54775808\"",
            "\"-92233720368.54775808\"",
            "\"0.000000001\"",
            "\"-0\"",
            "\"00012.50\"",
            "\"5.\"",
            "\".5\"",
            "\"1234567.12345678\"",
            "\"12345678.12345678\"",
            "\"+7\"",
            "\"\\u0041\"",
            "\"\u{e9}\"",
            "01",
            "1.5",
            "\"NEW\"",
            "\"SELL\"",
            "\"255\"",
        ];
        for at in 0..ORDER.len() {
            let (name, _) = ORDER[at].split_once(':').unwrap();
            for value in values {
                let mut order = ORDER;
                let member = format!("{name}:{value}");
                order[at] = &member;
                takes(event(&order).as_bytes());
            }
        }
    }
}
