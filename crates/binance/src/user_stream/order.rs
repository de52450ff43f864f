//! `ORDER_TRADE_UPDATE` and `TRADE_LITE`.

mod scan;

use std::borrow::Cow;

use market::venue::{ExpireReason, Fill, RejectReason, RequestKind, VenueReport};
use market::{ClientOrderId, Decimal, Instrument, Nanos, Side, TradeId, Usd, VenueOrderId};
use serde::Deserialize;

use super::{Note, Reports};
use crate::redact::redact_bytes;
use crate::replies::{
    Object, OrderStatus, Owner, fee_in_quote, level, lots, parse_rounded, side, side_of,
};
use crate::wire::fields::Field;
use crate::wire::{DecodeError, Fault, excerpt};

/// What made the venue tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Execution {
    /// The order rests.
    New,
    /// It traded.
    Trade,
    /// It traded as liquidation or auto-deleveraging.
    Calculated,
    /// It was amended.
    Amendment,
    /// It was canceled.
    Canceled,
    /// The venue ended it.
    Expired,
    /// It never lived.
    Rejected,
    /// Something new, by its name.
    Unknown(String),
}

/// What an execution cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// Paid in.
    pub asset: String,
    /// Negative is a rebate.
    pub amount: Decimal,
}

/// `ORDER_TRADE_UPDATE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderUpdate {
    /// Which contract.
    pub symbol: String,
    /// Whose order.
    pub owner: Owner,
    /// The venue's name.
    pub venue_id: VenueOrderId,
    /// Side.
    pub side: Side,
    /// Why we hear of it.
    pub execution: Execution,
    /// State of the order.
    pub status: OrderStatus,
    /// Wire's name of the type.
    pub kind: Cow<'static, str>,
    /// Wire's name of the time in force.
    pub tif: Cow<'static, str>,
    /// Limit.
    pub price: Decimal,
    /// Total quantity.
    pub qty: Decimal,
    /// Filled so far.
    pub filled: Decimal,
    /// Price of this execution.
    pub last_price: Decimal,
    /// Quantity of this execution.
    pub last_qty: Decimal,
    /// Name of this execution.
    pub trade_id: Option<TradeId>,
    /// Cost of this execution.
    pub fee: Option<Fee>,
    /// Realized profit of this execution, before fees.
    pub realized: Option<Decimal>,
    /// Whether we were the maker.
    pub maker: bool,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// Why it expired (`er`, since 2025-10).
    pub expiry: Option<u32>,
    /// When the order changed (`o.T`).
    pub time: Nanos,
    /// When the venue told (`E`).
    pub ts_event: Nanos,
}

/// `TRADE_LITE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeLite {
    /// Which contract.
    pub symbol: String,
    /// Whose order.
    pub owner: Owner,
    /// The venue's name of the order.
    pub venue_id: VenueOrderId,
    /// Side.
    pub side: Side,
    /// Price of the execution.
    pub price: Decimal,
    /// Its quantity.
    pub qty: Decimal,
    /// Its name, the same as in the order update to come.
    pub trade_id: TradeId,
    /// Whether we were the maker.
    pub maker: bool,
    /// When the venue told.
    pub ts_event: Nanos,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    e: Field<'a>,
    #[serde(borrow, rename = "E")]
    event_time: Field<'a>,
    #[serde(borrow)]
    o: Option<Fields<'a>>,
    #[serde(borrow)]
    data: Option<Box<Envelope<'a>>>,
}

/// The fields we read of `o`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    s: Field<'a>,
    #[serde(borrow)]
    c: Field<'a>,
    #[serde(borrow, rename = "S")]
    side: Field<'a>,
    #[serde(borrow)]
    o: Field<'a>,
    #[serde(borrow)]
    f: Field<'a>,
    #[serde(borrow)]
    q: Field<'a>,
    #[serde(borrow)]
    p: Field<'a>,
    #[serde(borrow)]
    x: Field<'a>,
    #[serde(borrow, rename = "X")]
    status: Field<'a>,
    #[serde(borrow)]
    i: Field<'a>,
    #[serde(borrow)]
    l: Field<'a>,
    #[serde(borrow)]
    z: Field<'a>,
    #[serde(borrow, rename = "L")]
    last_price: Field<'a>,
    #[serde(borrow, rename = "N")]
    fee_asset: Field<'a>,
    #[serde(borrow)]
    n: Field<'a>,
    #[serde(borrow, rename = "T")]
    time: Field<'a>,
    #[serde(borrow)]
    t: Field<'a>,
    #[serde(borrow)]
    m: Field<'a>,
    #[serde(borrow, rename = "R")]
    reduce_only: Field<'a>,
    #[serde(borrow)]
    rp: Field<'a>,
    #[serde(borrow)]
    er: Field<'a>,
}

/// Whether the beginning of a frame names the event, so that the general parser can be skipped.
pub(super) fn looks_like_one(frame: &[u8]) -> bool {
    const NAME: &[u8] = b"ORDER_TRADE_UPDATE";
    let head = &frame[..frame.len().min(256)];
    head.windows(NAME.len()).any(|window| window == NAME)
}

impl OrderUpdate {
    /// Reads a frame; `None` when it is another event.
    pub(super) fn decode(frame: &[u8]) -> Result<Option<Self>, DecodeError> {
        match Self::decode_by_scanner(frame) {
            Some(update) => Ok(Some(update)),
            None => Self::decode_by_serde(frame),
        }
    }

    /// The scanner alone: `None` when it leaves the frame to the general parser.
    pub fn decode_by_scanner(frame: &[u8]) -> Option<Self> {
        scan::scan(frame)
    }

    /// The general parser alone, the scanner's oracle; `None` when it is another event.
    ///
    /// # Errors
    /// As [`UserEvent::decode`](super::UserEvent::decode).
    pub fn decode_by_serde(frame: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut envelope: Envelope<'_> = serde_json::from_slice(frame).map_err(|error| {
            let fault = Fault::Json(excerpt(error.to_string().as_bytes(), 120));
            DecodeError::at(fault, redact_bytes(frame).as_bytes(), error.column())
        })?;
        if let Some(data) = envelope.data.take() {
            envelope = *data;
        }
        match (envelope.e.text(), &envelope.o) {
            (Some("ORDER_TRADE_UPDATE"), Some(order)) => {
                let event_time = &envelope.event_time;
                // A wrapped frame begins with the listen key: errors quote it masked.
                let masked = |_| order.read(event_time, redact_bytes(frame).as_bytes());
                order.read(event_time, frame).or_else(masked).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// What it means for an instrument.
    pub(super) fn reports(&self, instrument: &Instrument) -> Result<Reports, DecodeError> {
        let mut out = Reports::default();
        if self.symbol != instrument.symbol() {
            return Ok(out);
        }
        let (ours, venue_id) = (self.owner.ours(), self.venue_id);
        if ours.is_none() {
            out.notes.push(Note::ForeignOrder { owner: self.owner.clone(), venue_id });
        }
        if let Some(what) = self.owner.forced()
            && matches!(self.execution, Execution::New | Execution::Calculated)
        {
            out.reports.push(VenueReport::Forced { what });
        }
        if matches!(self.execution, Execution::Trade | Execution::Calculated) {
            self.fill(instrument, &mut out)?;
        }
        if let Some(client_id) = ours {
            self.change(instrument, client_id, &mut out)?;
        }
        Ok(out)
    }

    /// The execution, ours or not: it moved our position.
    fn fill(&self, instrument: &Instrument, out: &mut Reports) -> Result<(), DecodeError> {
        if self.last_qty == Decimal::ZERO {
            return Ok(());
        }
        let Some(trade_id) = self.trade_id else {
            let (venue_id, qty) = (self.venue_id, self.last_qty);
            out.notes.push(Note::FillWithoutId { venue_id, qty });
            return Ok(());
        };
        let fee = match &self.fee {
            None => Usd::ZERO,
            Some(Fee { asset, amount }) => match fee_in_quote(instrument, *amount, asset) {
                Some(fee) => fee,
                None => {
                    let (asset, amount) = (asset.clone(), *amount);
                    out.notes.push(Note::FeeNotInQuote { trade_id, asset, amount });
                    Usd::ZERO
                }
            },
        };
        out.reports.push(VenueReport::Fill(Fill {
            trade_id,
            client_id: self.owner.ours(),
            venue_id: self.venue_id,
            side: self.side,
            price: level(instrument, "L", self.last_price)?,
            qty: lots(instrument, "l", self.last_qty)?,
            cumulative: lots(instrument, "z", self.filled)?,
            maker: self.maker,
            fee,
            ts_event: self.time,
        }));
        Ok(())
    }

    /// What became of an order of ours. Fills end an order by themselves.
    fn change(
        &self,
        instrument: &Instrument,
        client_id: ClientOrderId,
        out: &mut Reports,
    ) -> Result<(), DecodeError> {
        let filled = || lots(instrument, "z", self.filled);
        let venue_id = self.venue_id;
        match (&self.execution, self.status) {
            (Execution::New, _) => out.reports.push(VenueReport::Ack { client_id, venue_id }),
            (Execution::Trade | Execution::Calculated, _) => {}
            (Execution::Amendment, _) => {
                let price = level(instrument, "p", self.price)?;
                let qty = lots(instrument, "q", self.qty)?;
                out.reports.push(VenueReport::Amended { client_id, price, qty });
            }
            (Execution::Rejected, _) | (_, OrderStatus::Rejected) => {
                let (request, reason) = (RequestKind::Place, RejectReason::Other);
                out.reports.push(VenueReport::Reject { client_id, request, reason });
            }
            (Execution::Canceled, _) | (_, OrderStatus::Canceled) => {
                out.reports.push(VenueReport::Canceled { client_id, filled: filled()? });
            }
            (Execution::Expired, _) | (_, OrderStatus::Expired | OrderStatus::ExpiredInMatch) => {
                let reason = expire_reason(self.status, self.expiry, &self.tif, &self.kind);
                out.reports.push(VenueReport::Expired { client_id, filled: filled()?, reason });
            }
            (Execution::Unknown(name), status) => {
                let what = format!("{name}/{status:?}");
                out.notes.push(Note::UnknownState { venue_id, what });
            }
        }
        Ok(())
    }
}

/// Why an order expired: from the venue's number where there is one (facts, section 9, `er`), else
/// from what orders of its kind expire of.
pub(crate) fn expire_reason(
    status: OrderStatus,
    expiry: Option<u32>,
    tif: &str,
    kind: &str,
) -> ExpireReason {
    match expiry {
        Some(1 | 3) => ExpireReason::SelfTrade,
        Some(2 | 9) => ExpireReason::Unfilled,
        Some(4) => ExpireReason::ReduceOnly,
        Some(5..) => ExpireReason::Venue,
        None | Some(0) => match (status, tif, kind) {
            (OrderStatus::ExpiredInMatch, ..) => ExpireReason::SelfTrade,
            // A post-only order that would have traded, as it was before 2023.
            (_, "IOC" | "FOK" | "GTX", _) | (_, _, "MARKET") => ExpireReason::Unfilled,
            _ => ExpireReason::Venue,
        },
    }
}

impl Fields<'_> {
    fn read(&self, event_time: &Field<'_>, frame: &[u8]) -> Result<OrderUpdate, DecodeError> {
        let side = self.side.need_text("S", frame)?;
        let side = side_of(side).ok_or_else(|| self.side.wrong("S", "BUY or SELL", frame))?;
        let last_qty = decimal(&self.l, "l")?.unwrap_or(Decimal::ZERO);
        let time = self.time.need_id("T", frame)?;
        let ts_event = if event_time.is_present() { event_time.need_id("E", frame)? } else { time };
        let trade_id = match &self.t {
            Field::Absent => 0,
            field => field.need_signed("t", frame)?,
        };
        Ok(OrderUpdate {
            symbol: self.s.need_text("s", frame)?.to_owned(),
            owner: Owner::of(self.c.text().unwrap_or_default()),
            venue_id: VenueOrderId(self.i.need_signed("i", frame)?),
            side,
            execution: Execution::of(self.x.need_text("x", frame)?),
            status: OrderStatus::of(self.status.need_text("X", frame)?),
            kind: name(self.o.text().unwrap_or_default()),
            tif: name(self.f.text().unwrap_or_default()),
            price: decimal(&self.p, "p")?.unwrap_or(Decimal::ZERO),
            qty: decimal(&self.q, "q")?.unwrap_or(Decimal::ZERO),
            filled: self.z.need_decimal("z", frame)?,
            last_price: decimal(&self.last_price, "L")?.unwrap_or(Decimal::ZERO),
            last_qty,
            trade_id: (trade_id > 0).then_some(TradeId(trade_id)),
            fee: self.fee()?,
            realized: rounded(&self.rp, "rp")?,
            maker: matches!(self.m, Field::Bool(true)),
            reduce_only: matches!(self.reduce_only, Field::Bool(true)),
            expiry: match self.er {
                Field::Text(ref text) => text.parse().ok(),
                Field::Unsigned(number) => u32::try_from(number).ok(),
                _ => None,
            },
            time: Nanos::from_millis(time),
            ts_event: Nanos::from_millis(ts_event),
        })
    }

    /// The fee, if the execution had one: absent, null or `"0"` where it had not.
    fn fee(&self) -> Result<Option<Fee>, DecodeError> {
        let amount = rounded(&self.n, "n")?.filter(|amount| *amount != Decimal::ZERO);
        let asset = self.fee_asset.text().unwrap_or_default();
        Ok(amount.map(|amount| Fee { asset: asset.to_owned(), amount }))
    }
}

impl Execution {
    fn of(name: &str) -> Self {
        match name {
            "NEW" => Self::New,
            "TRADE" => Self::Trade,
            "CALCULATED" => Self::Calculated,
            "AMENDMENT" => Self::Amendment,
            "CANCELED" => Self::Canceled,
            "EXPIRED" => Self::Expired,
            "REJECTED" => Self::Rejected,
            other => Self::Unknown(excerpt(other.as_bytes(), 32)),
        }
    }
}

impl TradeLite {
    pub(super) fn read(event: &Object<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            symbol: event.text("s")?.to_owned(),
            owner: Owner::of(event.opt_text("c").unwrap_or_default()),
            venue_id: VenueOrderId(event.integer("i")?),
            side: side(event, "S")?,
            price: event.decimal("L")?,
            qty: event.decimal("l")?,
            trade_id: TradeId(event.integer("t")?),
            maker: event.opt_bool("m")?.unwrap_or(false),
            ts_event: event.millis("E")?,
        })
    }
}

/// A name of the wire; the usual ones cost no allocation.
fn name(text: &str) -> Cow<'static, str> {
    Cow::Borrowed(match text {
        "LIMIT" => "LIMIT",
        "MARKET" => "MARKET",
        "GTC" => "GTC",
        "GTX" => "GTX",
        "IOC" => "IOC",
        other => return Cow::Owned(other.to_owned()),
    })
}

fn decimal(field: &Field<'_>, name: &'static str) -> Result<Option<Decimal>, DecodeError> {
    match field.text() {
        None | Some("") => Ok(None),
        Some(_) => field.need_decimal(name, b"").map(Some),
    }
}

fn rounded(field: &Field<'_>, name: &'static str) -> Result<Option<Decimal>, DecodeError> {
    let Some(text) = field.text().filter(|text| !text.is_empty()) else { return Ok(None) };
    parse_rounded(text)
        .map(Some)
        .map_err(|error| DecodeError::new(Fault::Decimal { field: name, error }, text.as_bytes()))
}
