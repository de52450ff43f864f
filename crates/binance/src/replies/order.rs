//! Orders and fills as REST and the WS API answer them.

use market::venue::{Fill, ForcedClose, OpenOrder, OrderFate, Outcome};
use market::{ClientOrderId, Decimal, Instrument, Nanos, Price, Side, TradeId, Usd, VenueOrderId};
use serde_json::Value;

use super::{Object, VenueError, parse, rows};
use crate::wire::{DecodeError, Fault};

/// Whose order it is, told by its client id (facts, 6.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Ours, of this or an earlier session.
    Ours(ClientOrderId),
    /// The venue's liquidation engine.
    Liquidation(String),
    /// Auto-deleveraging.
    Adl(String),
    /// Settlement or delivery of the contract.
    Settlement(String),
    /// By hand, in the venue's apps.
    Manual(String),
    /// Some other program.
    Foreign(String),
}

impl Owner {
    /// Reads a client order id.
    pub fn of(client_id: &str) -> Self {
        if let Ok(id) = client_id.parse() {
            return Self::Ours(id);
        }
        let owned = client_id.to_owned();
        let begins = |prefixes: &[&str]| prefixes.iter().any(|p| client_id.starts_with(p));
        if begins(&["adl_autoclose"]) {
            Self::Adl(owned)
        } else if begins(&["settlement_autoclose", "delivery_autoclose"]) {
            Self::Settlement(owned)
        } else if begins(&["autoclose-"]) {
            Self::Liquidation(owned)
        } else if begins(&["web_", "ios_", "android_", "electron_"]) {
            Self::Manual(owned)
        } else {
            Self::Foreign(owned)
        }
    }

    /// Why the venue trades in our place, if it does.
    pub fn forced(&self) -> Option<ForcedClose> {
        match self {
            Self::Liquidation(_) => Some(ForcedClose::Liquidation),
            Self::Adl(_) => Some(ForcedClose::Deleverage),
            Self::Settlement(_) => Some(ForcedClose::Settlement),
            Self::Ours(_) | Self::Manual(_) | Self::Foreign(_) => None,
        }
    }

    /// Our id, if it is ours.
    pub fn ours(&self) -> Option<ClientOrderId> {
        match self {
            Self::Ours(id) => Some(*id),
            _ => None,
        }
    }
}

/// State of an order at the venue (facts, 6.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    /// Rests, nothing filled. Liquidation's own states (`NEW_INSURANCE`, `NEW_ADL`) count as new.
    New,
    /// Rests, partly filled.
    PartiallyFilled,
    /// Filled completely.
    Filled,
    /// Canceled.
    Canceled,
    /// Ended by the venue.
    Expired,
    /// Ended by self-trade prevention.
    ExpiredInMatch,
    /// Never lived.
    Rejected,
    /// Something new.
    Unknown,
}

impl OrderStatus {
    /// Reads the wire's name.
    pub fn of(name: &str) -> Self {
        match name {
            "NEW" | "NEW_INSURANCE" | "NEW_ADL" => Self::New,
            "PARTIALLY_FILLED" => Self::PartiallyFilled,
            "FILLED" => Self::Filled,
            "CANCELED" => Self::Canceled,
            "EXPIRED" => Self::Expired,
            "EXPIRED_IN_MATCH" => Self::ExpiredInMatch,
            "REJECTED" => Self::Rejected,
            _ => Self::Unknown,
        }
    }

    /// How it ended, if it has.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Filled => Some(Outcome::Filled),
            Self::Canceled => Some(Outcome::Canceled),
            Self::Expired | Self::ExpiredInMatch => Some(Outcome::Expired),
            Self::Rejected => Some(Outcome::Rejected),
            Self::New | Self::PartiallyFilled | Self::Unknown => None,
        }
    }
}

/// An order in a reply. `avgPrice` and `cumQuote` left some replies in 2026 and are not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderReply {
    /// Which contract.
    pub symbol: String,
    /// Whose it is.
    pub owner: Owner,
    /// The venue's name.
    pub venue_id: VenueOrderId,
    /// Side.
    pub side: Side,
    /// State.
    pub status: OrderStatus,
    /// Limit; zero for market and some conditional orders.
    pub price: Decimal,
    /// Total quantity; zero for orders that close the whole position.
    pub qty: Decimal,
    /// Filled so far.
    pub filled: Decimal,
    /// May only shrink the position.
    pub reduce_only: bool,
    /// Wire's name of the time in force.
    pub tif: String,
    /// Wire's name of the type.
    pub kind: String,
    /// Time of the last change; the epoch when absent.
    pub updated: Nanos,
}

impl OrderReply {
    /// Reads the body of place, amend, cancel, query.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        Self::of(&parse(body)?)
    }

    /// Reads the `result` of a WS-API reply.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn of(body: &Value) -> Result<Self, DecodeError> {
        Self::read(&Object::new(body)?)
    }

    /// Reads a list of orders.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_list(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        rows(&parse(body)?, |row| Self::read(&row))
    }

    fn read(row: &Object<'_>) -> Result<Self, DecodeError> {
        let filled = match row.opt_decimal("executedQty")? {
            Some(filled) => Some(filled),
            None => row.opt_decimal("cumQty")?,
        };
        Ok(Self {
            symbol: row.text("symbol")?.to_owned(),
            owner: Owner::of(row.opt_text("clientOrderId").unwrap_or_default()),
            venue_id: VenueOrderId(row.integer("orderId")?),
            side: side(row, "side")?,
            status: OrderStatus::of(row.text("status")?),
            price: row.rounded("price")?.unwrap_or(Decimal::ZERO),
            qty: row.opt_decimal("origQty")?.unwrap_or(Decimal::ZERO),
            filled: filled.ok_or_else(|| row.wrong("executedQty", "a decimal in quotes"))?,
            reduce_only: row.opt_bool("reduceOnly")?.unwrap_or(false),
            tif: row.opt_text("timeInForce").unwrap_or_default().to_owned(),
            kind: row.opt_text("type").unwrap_or_default().to_owned(),
            updated: row.millis("updateTime")?,
        })
    }

    /// As an open order. The price of a foreign order may lie off the grid (a changed tick) or be
    /// none at all; it is rounded down then, since nothing is decided by it.
    ///
    /// # Errors
    /// [`DecodeError`] when a quantity, or the price of an order of ours, is off the grid.
    pub fn open_order(&self, instrument: &Instrument) -> Result<OpenOrder, DecodeError> {
        let client_id = self.owner.ours();
        let price = match instrument.price(self.price) {
            Ok(price) => price,
            Err(_) if client_id.is_none() && self.price >= Decimal::ZERO => {
                instrument.price_at_or_below(market::FinePrice::from_decimal(self.price))
            }
            Err(_) if self.price == Decimal::ZERO => Price::ZERO,
            Err(error) => return Err(off_grid("price", error, self.price)),
        };
        Ok(OpenOrder {
            client_id,
            venue_id: self.venue_id,
            side: self.side,
            price,
            qty: lots(instrument, "origQty", self.qty)?,
            filled: lots(instrument, "executedQty", self.filled)?,
            reduce_only: self.reduce_only,
        })
    }

    /// What became of it, for a query about one order.
    ///
    /// # Errors
    /// As [`open_order`](Self::open_order).
    pub fn fate(&self, instrument: &Instrument) -> Result<OrderFate, DecodeError> {
        match self.status.outcome() {
            Some(outcome) => {
                let filled = lots(instrument, "executedQty", self.filled)?;
                Ok(OrderFate::Closed { filled, outcome })
            }
            None => self.open_order(instrument).map(OrderFate::Open),
        }
    }
}

/// One slot of a batch reply: an order, or why there is none.
pub type BatchSlot = Result<OrderReply, VenueError>;

/// Reads the reply to a batch: one slot per request, in its order.
///
/// # Errors
/// [`DecodeError`] when the body is no list of objects, or an order in it cannot be read.
pub fn decode_batch(body: &[u8]) -> Result<Vec<BatchSlot>, DecodeError> {
    let root = parse(body)?;
    if !root.is_array() {
        return Err(super::fault_in(Fault::NotAnObject, &root));
    }
    rows(&root, |row| match row.opt_integer("code") {
        Ok(Some(code)) if code < 0 => Ok(Err(VenueError::of(&row))),
        _ => OrderReply::read(&row).map(Ok),
    })
}

/// One of our executions, as `userTrades` lists it. It knows neither our name for the order nor how
/// much of it was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserTrade {
    /// Which contract.
    pub symbol: String,
    /// Unique per symbol.
    pub trade_id: TradeId,
    /// The order.
    pub order_id: VenueOrderId,
    /// Our side.
    pub side: Side,
    /// Price.
    pub price: Decimal,
    /// Quantity.
    pub qty: Decimal,
    /// Whether we were the maker.
    pub maker: bool,
    /// Fee; negative is a rebate.
    pub fee: Decimal,
    /// What the fee was paid in.
    pub fee_asset: String,
    /// Realised profit before fees.
    pub realized: Decimal,
    /// When.
    pub time: Nanos,
}

impl UserTrade {
    /// Reads `GET /fapi/v1/userTrades`.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_list(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        rows(&parse(body)?, |row| Self::read(&row))
    }

    fn read(row: &Object<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            symbol: row.text("symbol")?.to_owned(),
            trade_id: TradeId(row.integer("id")?),
            order_id: VenueOrderId(row.integer("orderId")?),
            side: side(row, "side")?,
            price: row.decimal("price")?,
            qty: row.decimal("qty")?,
            maker: row.bool("maker")?,
            fee: row.rounded("commission")?.unwrap_or(Decimal::ZERO),
            fee_asset: row.opt_text("commissionAsset").unwrap_or_default().to_owned(),
            realized: row.rounded("realizedPnl")?.unwrap_or(Decimal::ZERO),
            time: row.millis("time")?,
        })
    }

    /// As a fill, with what the row itself does not know.
    ///
    /// # Errors
    /// [`DecodeError`] when price or quantity are off the grid.
    pub fn fill(
        &self,
        instrument: &Instrument,
        client_id: Option<ClientOrderId>,
        cumulative: market::Qty,
    ) -> Result<Fill, DecodeError> {
        Ok(Fill {
            trade_id: self.trade_id,
            client_id,
            venue_id: self.order_id,
            side: self.side,
            price: level(instrument, "price", self.price)?,
            qty: lots(instrument, "qty", self.qty)?,
            cumulative,
            maker: self.maker,
            fee: fee_in_quote(instrument, self.fee, &self.fee_asset).unwrap_or(Usd::ZERO),
            ts_event: self.time,
        })
    }
}

/// A fee in the quote currency; `None` when it was paid in something else (BNB).
pub(crate) fn fee_in_quote(instrument: &Instrument, fee: Decimal, asset: &str) -> Option<Usd> {
    let quote = instrument.rules().quote.as_str();
    (fee == Decimal::ZERO || asset == quote).then(|| Usd::from_decimal(fee))
}

pub(crate) fn side(row: &Object<'_>, name: &'static str) -> Result<Side, DecodeError> {
    side_of(row.text(name)?).ok_or_else(|| row.wrong(name, "BUY or SELL"))
}

pub(crate) fn side_of(name: &str) -> Option<Side> {
    match name {
        "BUY" => Some(Side::Buy),
        "SELL" => Some(Side::Sell),
        _ => None,
    }
}

/// Beyond any contract; keeps every product of price and quantity within money.
const PRICE_MAX: i64 = 100_000_000_000_000_000;
const QTY_MAX: i64 = 1_000_000_000_000_000_000;

pub(crate) fn level(
    instrument: &Instrument,
    field: &'static str,
    value: Decimal,
) -> Result<Price, DecodeError> {
    if value.units() > PRICE_MAX {
        return Err(DecodeError::new(Fault::TooLarge(field), value.to_string().as_bytes()));
    }
    instrument.price(value).map_err(|error| off_grid(field, error, value))
}

pub(crate) fn lots(
    instrument: &Instrument,
    field: &'static str,
    value: Decimal,
) -> Result<market::Qty, DecodeError> {
    if value.units() > QTY_MAX {
        return Err(DecodeError::new(Fault::TooLarge(field), value.to_string().as_bytes()));
    }
    instrument.qty(value).map_err(|error| off_grid(field, error, value))
}

fn off_grid(field: &'static str, error: market::InstrumentError, value: Decimal) -> DecodeError {
    DecodeError::new(Fault::OffGrid { field, error }, value.to_string().as_bytes())
}
