//! A message as serde sees it: every field of every message we read, borrowed where possible.

use std::borrow::Cow;
use std::fmt;

use market::Decimal;
use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{DecodeError, Fault};

/// A JSON document: an object, an array of them, or something else.
pub(crate) enum Body<'a> {
    One(Box<Payload<'a>>),
    Many(Vec<Body<'a>>),
    Other,
}

/// Every field of every message we read; what is not there stays [`Field::Absent`].
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload<'a> {
    #[serde(borrow)]
    pub(crate) stream: Field<'a>,
    #[serde(borrow)]
    pub(crate) data: Option<Box<Body<'a>>>,
    #[serde(borrow)]
    pub(crate) e: Field<'a>,
    #[serde(borrow)]
    pub(crate) s: Field<'a>,
    #[serde(borrow)]
    pub(crate) symbol: Field<'a>,
    #[serde(borrow, rename = "E")]
    pub(crate) event_time: Field<'a>,
    #[serde(borrow, rename = "T")]
    pub(crate) transaction_time: Field<'a>,
    #[serde(borrow, rename = "U")]
    pub(crate) first_id: Field<'a>,
    #[serde(borrow, rename = "u")]
    pub(crate) last_id: Field<'a>,
    #[serde(borrow, rename = "pu")]
    pub(crate) previous_id: Field<'a>,
    #[serde(borrow)]
    pub(crate) t: Field<'a>,
    #[serde(borrow)]
    pub(crate) b: Field<'a>,
    #[serde(borrow, rename = "B")]
    pub(crate) bid_qty: Field<'a>,
    #[serde(borrow)]
    pub(crate) a: Field<'a>,
    #[serde(borrow, rename = "A")]
    pub(crate) ask_qty: Field<'a>,
    #[serde(borrow)]
    pub(crate) p: Field<'a>,
    #[serde(borrow)]
    pub(crate) q: Field<'a>,
    #[serde(borrow, rename = "X")]
    pub(crate) executed: Field<'a>,
    #[serde(borrow)]
    pub(crate) m: Field<'a>,
    #[serde(borrow)]
    pub(crate) i: Field<'a>,
    #[serde(borrow)]
    pub(crate) r: Field<'a>,
    #[serde(borrow, rename = "lastUpdateId")]
    pub(crate) last_update_id: Field<'a>,
    #[serde(borrow)]
    pub(crate) bids: Field<'a>,
    #[serde(borrow)]
    pub(crate) asks: Field<'a>,
}

/// A value as far as we read values.
#[derive(Default)]
pub(crate) enum Field<'a> {
    #[default]
    Absent,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(Cow<'a, str>),
    List(Vec<Pair<'a>>),
    /// A float, an object: nothing any message of ours holds there.
    Other,
}

/// One item of a level list; anything after price and quantity is ignored.
pub(crate) enum Pair<'a> {
    Level(Field<'a>, Field<'a>),
    Other,
}

impl Field<'_> {
    pub(crate) fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What to show of this field in an error.
    pub(crate) fn quoted<'b>(&'b self, frame: &'b [u8]) -> &'b [u8] {
        self.text().map_or(frame, str::as_bytes)
    }

    pub(crate) fn wrong(
        &self,
        field: &'static str,
        wanted: &'static str,
        frame: &[u8],
    ) -> DecodeError {
        let fault = match self {
            Self::Absent => Fault::Missing(field),
            _ => Fault::Wrong { field, wanted },
        };
        DecodeError::new(fault, self.quoted(frame))
    }

    pub(crate) fn need_text(&self, name: &'static str, frame: &[u8]) -> Result<&str, DecodeError> {
        self.text().ok_or_else(|| self.wrong(name, "a text", frame))
    }

    pub(crate) fn need_id(&self, name: &'static str, frame: &[u8]) -> Result<u64, DecodeError> {
        match *self {
            Self::Unsigned(id) => Ok(id),
            _ => Err(self.wrong(name, "a non-negative integer", frame)),
        }
    }

    pub(crate) fn need_signed(&self, name: &'static str, frame: &[u8]) -> Result<i64, DecodeError> {
        match *self {
            Self::Signed(id) => Some(id),
            Self::Unsigned(id) => i64::try_from(id).ok(),
            _ => None,
        }
        .ok_or_else(|| self.wrong(name, "an integer of 64 bits", frame))
    }

    pub(crate) fn need_decimal(
        &self,
        name: &'static str,
        frame: &[u8],
    ) -> Result<Decimal, DecodeError> {
        let text = self.text().ok_or_else(|| self.wrong(name, "a decimal in quotes", frame))?;
        Decimal::parse(text.as_bytes()).map_err(|error| {
            DecodeError::new(Fault::Decimal { field: name, error }, text.as_bytes())
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Body<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BodyVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Field<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Pair<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PairVisitor)
    }
}

/// The visitor methods for scalars that carry no meaning at this place.
macro_rules! scalars_are {
    ($other:expr) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON value")
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
            Ok($other)
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok($other)
        }
    };
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body<'de>;

    scalars_are!(Body::Other);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Body<'de>, A::Error> {
        let mut bodies = Vec::new();
        while let Some(body) = items.next_element()? {
            bodies.push(body);
        }
        Ok(Body::Many(bodies))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Body<'de>, A::Error> {
        let fields = serde::de::value::MapAccessDeserializer::new(fields);
        Payload::deserialize(fields).map(|payload| Body::One(Box::new(payload)))
    }
}

struct PairVisitor;

impl<'de> Visitor<'de> for PairVisitor {
    type Value = Pair<'de>;

    scalars_are!(Pair::Other);

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Pair<'de>, A::Error> {
        let (price, qty) = (items.next_element()?, items.next_element()?);
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(match (price, qty) {
            (Some(price), Some(qty)) => Pair::Level(price, qty),
            _ => Pair::Other,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Pair<'de>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Pair::Other)
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<Field<'de>, E> {
        Ok(Field::Absent)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Field<'de>, E> {
        Ok(Field::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Field<'de>, E> {
        Ok(Field::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Field<'de>, E> {
        Ok(Field::Unsigned(value))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Field<'de>, E> {
        Ok(Field::Other)
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Field<'de>, E> {
        Ok(Field::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Field<'de>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = items.next_element()? {
            pairs.push(pair);
        }
        Ok(Field::List(pairs))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Field<'de>, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Field::Other)
    }
}
