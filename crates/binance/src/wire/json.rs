//! The general parser: any key order, any spelling JSON allows, every message we know.

use market::{
    BookTicker, Decimal, DepthDiff, DepthSnapshot, FinePrice, Instrument, InstrumentId, Level,
    MarkUpdate, MarketEvent, MarketKind, Nanos, Price, Qty, Rate, Side, Trade,
};

use super::error::excerpt;
use super::fields::{Body, Field, Pair, Payload};
use super::{DecodeError, Decoded, DepthStream, Fault, Listed, Unknown};
use super::{PRICE_MAX, QTY_MAX, depth, depth_stream, ticker_event};

/// Reads any frame. `about` names the instrument of a REST body that may not name it itself.
pub(super) fn decode(
    frame: &[u8],
    ts_recv: Nanos,
    listed: &[Listed],
    about: Option<InstrumentId>,
) -> Result<Decoded, DecodeError> {
    let body: Body<'_> = serde_json::from_slice(frame).map_err(|error| {
        let offset = if error.line() == 1 { error.column() } else { 0 };
        DecodeError::at(Fault::Json(excerpt(error.to_string().as_bytes(), 120)), frame, offset)
    })?;
    let context = Context { frame, ts_recv, listed, about };
    match body {
        Body::One(mut payload) => match payload.data.take() {
            Some(data) => {
                let stream = payload.stream.text().map(str::to_owned);
                context.body(*data, stream.as_deref())
            }
            None => context.message(&payload, None),
        },
        other => context.body(other, None),
    }
}

struct Context<'a> {
    frame: &'a [u8],
    ts_recv: Nanos,
    listed: &'a [Listed],
    about: Option<InstrumentId>,
}

impl Context<'_> {
    fn body(&self, body: Body<'_>, stream: Option<&str>) -> Result<Decoded, DecodeError> {
        let items = match body {
            Body::One(payload) => return self.message(&payload, stream),
            Body::Other => return Err(DecodeError::new(Fault::NotAnObject, self.frame)),
            Body::Many(items) => items,
        };
        let mut events = Vec::new();
        for item in items {
            let Body::One(payload) = item else {
                return Err(DecodeError::new(Fault::NotAnObject, self.frame));
            };
            match self.message(&payload, stream)? {
                Decoded::Event(event) => events.push(event),
                Decoded::Unknown { what: Unknown::Symbol, .. } => {}
                _ => return Ok(unknown(Unknown::NotAnEvent, "array")),
            }
        }
        Ok(Decoded::Events(events))
    }

    fn message(&self, payload: &Payload<'_>, stream: Option<&str>) -> Result<Decoded, DecodeError> {
        let event = match (payload.e.text(), stream) {
            (Some(event), _) => event,
            (None, _) if payload.last_update_id.is_present() => return self.snapshot(payload),
            // Spot leaves the type out of its ticker; only the stream's name tells.
            (None, Some(stream)) if stream.ends_with("@bookTicker") => "bookTicker",
            (None, _) => return Ok(unknown(Unknown::NotAnEvent, "")),
        };
        if !matches!(event, "depthUpdate" | "bookTicker" | "trade" | "aggTrade" | "markPriceUpdate")
        {
            return Ok(unknown(Unknown::EventType, event));
        }
        let symbol = payload.s.need_text("s", self.frame)?;
        let Some(listed) = self.listed.iter().find(|l| l.instrument.symbol() == symbol) else {
            return Ok(unknown(Unknown::Symbol, symbol));
        };
        let about =
            About { instrument: &listed.instrument, rounding: listed.rounding, frame: self.frame };
        let ts_event = self.ts_event(payload)?;
        match event {
            "depthUpdate" => about.depth_update(payload, ts_event, stream),
            "bookTicker" => about.book_ticker(payload, ts_event),
            "trade" => about.trade(payload, ts_event, &payload.t, "t"),
            "aggTrade" => {
                about.trade(payload, ts_event, &payload.a, "a").map(|decoded| match decoded {
                    Decoded::Event(event) => Decoded::AggTrade(event),
                    other => other,
                })
            }
            _ => about.mark(payload, ts_event),
        }
    }

    fn snapshot(&self, payload: &Payload<'_>) -> Result<Decoded, DecodeError> {
        let named = payload.symbol.text();
        let found = match (self.about, named, self.listed) {
            (Some(id), _, listed) => listed.iter().find(|l| l.instrument.id == id),
            (None, Some(symbol), listed) => listed.iter().find(|l| l.instrument.symbol() == symbol),
            (None, None, [only]) => Some(only),
            (None, None, _) => None,
        };
        let Some(Listed { instrument, rounding, .. }) = found else {
            return Ok(unknown(Unknown::Symbol, named.unwrap_or("")));
        };
        let about = About { instrument, rounding: *rounding, frame: self.frame };
        let ts_event = self.ts_event(payload)?;
        let snapshot = DepthSnapshot {
            last_id: payload.last_update_id.need_id("lastUpdateId", self.frame)?,
            bids: about.levels(&payload.bids, "bids")?,
            asks: about.levels(&payload.asks, "asks")?,
        };
        Ok(Decoded::Snapshot { instrument: instrument.id, ts_event, snapshot })
    }

    fn ts_event(&self, payload: &Payload<'_>) -> Result<Nanos, DecodeError> {
        for (field, name) in [(&payload.event_time, "E"), (&payload.transaction_time, "T")] {
            if field.is_present() {
                return field.need_id(name, self.frame).map(Nanos::from_millis);
            }
        }
        Ok(self.ts_recv)
    }
}

/// An instrument, and the frame to quote in errors.
struct About<'a> {
    instrument: &'a Instrument,
    rounding: bool,
    frame: &'a [u8],
}

impl About<'_> {
    fn depth_update(
        &self,
        payload: &Payload<'_>,
        ts_event: Nanos,
        stream: Option<&str>,
    ) -> Result<Decoded, DecodeError> {
        let kind = depth_stream(stream.map(str::as_bytes));
        if kind == DepthStream::Other {
            return Ok(unknown(Unknown::Stream, stream.unwrap_or("")));
        }
        let first_id = payload.first_id.need_id("U", self.frame)?;
        let previous_id = match payload.previous_id {
            // Spot: ids of one symbol have no holes.
            Field::Absent => first_id.saturating_sub(1),
            ref field => field.need_id("pu", self.frame)?,
        };
        let diff = DepthDiff {
            first_id,
            last_id: payload.last_id.need_id("u", self.frame)?,
            previous_id,
            bids: self.levels(&payload.b, "b")?,
            asks: self.levels(&payload.a, "a")?,
        };
        depth(kind, self.instrument.id, ts_event, diff)
            .ok_or_else(|| DecodeError::new(Fault::NotASnapshot, self.frame))
    }

    fn book_ticker(&self, payload: &Payload<'_>, ts_event: Nanos) -> Result<Decoded, DecodeError> {
        let ticker = BookTicker {
            update_id: payload.last_id.need_id("u", self.frame)?,
            bid: self.best((&payload.b, "b"), (&payload.bid_qty, "B"))?,
            ask: self.best((&payload.a, "a"), (&payload.ask_qty, "A"))?,
        };
        Ok(ticker_event(self.instrument.id, ts_event, ticker))
    }

    fn trade(
        &self,
        payload: &Payload<'_>,
        ts_event: Nanos,
        id: &Field<'_>,
        id_name: &'static str,
    ) -> Result<Decoded, DecodeError> {
        if payload.executed.is_present() && payload.executed.need_text("X", self.frame)? != "MARKET"
        {
            return Ok(Decoded::OffBook);
        }
        let trade = Trade {
            id: id.need_signed(id_name, self.frame)?,
            price: self.price(&payload.p, "p")?,
            qty: self.qty(&payload.q, "q")?,
            aggressor: match payload.m {
                Field::Bool(true) => Side::Sell,
                Field::Bool(false) => Side::Buy,
                ref field => return Err(field.wrong("m", "true or false", self.frame)),
            },
        };
        let kind = MarketKind::Trade(trade);
        Ok(Decoded::Event(MarketEvent { instrument: self.instrument.id, ts_event, kind }))
    }

    fn mark(&self, payload: &Payload<'_>, ts_event: Nanos) -> Result<Decoded, DecodeError> {
        let mark = FinePrice::from_decimal(payload.p.need_decimal("p", self.frame)?);
        let optional = |field: &Field<'_>, name| match field {
            Field::Absent => Ok(None),
            // Contracts that pay no funding have an empty rate.
            Field::Text(text) if text.is_empty() => Ok(None),
            field => field.need_decimal(name, self.frame).map(Some),
        };
        let update = MarkUpdate {
            mark,
            index: optional(&payload.i, "i")?.map_or(mark, FinePrice::from_decimal),
            funding_rate: optional(&payload.r, "r")?.map_or(Rate::ZERO, Rate::from_decimal),
            next_funding: match payload.transaction_time {
                Field::Absent => Nanos::ZERO,
                ref field => Nanos::from_millis(field.need_id("T", self.frame)?),
            },
        };
        let kind = MarketKind::Mark(update);
        Ok(Decoded::Event(MarketEvent { instrument: self.instrument.id, ts_event, kind }))
    }

    fn levels(&self, field: &Field<'_>, name: &'static str) -> Result<Vec<Level>, DecodeError> {
        let Field::List(items) = field else {
            return Err(field.wrong(name, "a list of [price, quantity]", self.frame));
        };
        let mut levels = Vec::with_capacity(items.len());
        for item in items {
            let Pair::Level(price, qty) = item else {
                return Err(field.wrong(name, "a list of [price, quantity]", self.frame));
            };
            levels.push(Level { price: self.price(price, name)?, qty: self.qty(qty, name)? });
        }
        Ok(levels)
    }

    /// A best level; an empty side is written as zero price and zero quantity.
    fn best(
        &self,
        price: (&Field<'_>, &'static str),
        qty: (&Field<'_>, &'static str),
    ) -> Result<Level, DecodeError> {
        let qty = self.qty(qty.0, qty.1)?;
        if qty.is_zero() && price.0.need_decimal(price.1, self.frame)? == Decimal::ZERO {
            return Ok(Level { price: Price::ZERO, qty });
        }
        Ok(Level { price: self.price(price.0, price.1)?, qty })
    }

    fn bounded(
        &self,
        field: &Field<'_>,
        name: &'static str,
        max: u64,
    ) -> Result<Decimal, DecodeError> {
        let value = field.need_decimal(name, self.frame)?;
        if value.units().unsigned_abs() > max {
            return Err(DecodeError::new(Fault::TooLarge(name), field.quoted(self.frame)));
        }
        Ok(value)
    }

    fn price(&self, field: &Field<'_>, name: &'static str) -> Result<Price, DecodeError> {
        let value = self.bounded(field, name, PRICE_MAX)?;
        self.instrument.price(value).map_err(|error| {
            DecodeError::new(Fault::OffGrid { field: name, error }, field.quoted(self.frame))
        })
    }

    fn qty(&self, field: &Field<'_>, name: &'static str) -> Result<Qty, DecodeError> {
        let value = self.bounded(field, name, QTY_MAX)?;
        match self.instrument.qty(value) {
            Ok(qty) => Ok(qty),
            Err(_) if self.rounding && value > Decimal::ZERO => {
                Ok(Qty::new(self.instrument.qty_at_most(value).raw() + 1))
            }
            Err(error) => {
                let fault = Fault::OffGrid { field: name, error };
                Err(DecodeError::new(fault, field.quoted(self.frame)))
            }
        }
    }
}

fn unknown(what: Unknown, name: &str) -> Decoded {
    Decoded::Unknown { what, name: excerpt(name.as_bytes(), 64) }
}
