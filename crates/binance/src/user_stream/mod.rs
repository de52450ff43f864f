//! What happens to our account, as the user-data stream tells it (facts, section 9).
//!
//! [`UserEvent::decode`] reads a frame; [`UserEvent::reports`] says what it means for one
//! instrument. There is no replay: after a disconnect, and after any frame that could not be read,
//! ask with [`queries`](crate::queries).

mod account;
mod order;

use market::venue::VenueReport;
use market::{Decimal, Instrument, Nanos, TradeId, VenueOrderId};
use serde_json::Value;

pub use account::{AccountUpdate, BalanceChange, MarginCall, PositionChange};
pub(crate) use order::expire_reason;
pub use order::{Execution, Fee, OrderUpdate, TradeLite};

use crate::replies::{Object, Owner, parse};
use crate::wire::{DecodeError, excerpt};

/// An event of the user-data stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserEvent {
    /// `ORDER_TRADE_UPDATE`.
    Order(Box<OrderUpdate>),
    /// `TRADE_LITE`: a fill, earlier but without fee and total. The same execution arrives again
    /// as an order update, which is the one that counts.
    TradeLite(Box<TradeLite>),
    /// `ACCOUNT_UPDATE`.
    Account(Box<AccountUpdate>),
    /// `MARGIN_CALL`: liquidation is near.
    MarginCall(MarginCall),
    /// `ACCOUNT_CONFIG_UPDATE`: somebody changed the leverage of a symbol.
    Leverage {
        /// Which contract.
        symbol: String,
        /// What it is now.
        leverage: i64,
    },
    /// `ACCOUNT_CONFIG_UPDATE`: somebody changed the multi-assets mode.
    MultiAssets {
        /// Whether it is on now.
        on: bool,
    },
    /// `ALGO_UPDATE`: a conditional order, never one of ours.
    Algo(AlgoUpdate),
    /// `listenKeyExpired`: the socket stays open and silent from here on.
    ListenKeyExpired {
        /// When.
        ts_event: Nanos,
    },
    /// `CONDITIONAL_ORDER_TRIGGER_REJECT`.
    TriggerReject {
        /// Which contract.
        symbol: String,
        /// The order.
        venue_id: VenueOrderId,
        /// Why.
        reason: String,
    },
    /// `STRATEGY_UPDATE` or `GRID_UPDATE`: the venue's own robots trade on this account.
    Robot {
        /// The event's name.
        event: String,
        /// Which contract.
        symbol: String,
        /// The robot's status.
        status: String,
    },
    /// Nothing we know. Count it.
    Unknown {
        /// The event's name, or the beginning of the frame.
        name: String,
    },
}

/// A conditional order's news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlgoUpdate {
    /// Which contract.
    pub symbol: String,
    /// The venue's name in the space of conditional orders.
    pub algo_id: i64,
    /// Its client id.
    pub client_id: String,
    /// `NEW`, `TRIGGERED`, `FINISHED`, …
    pub status: String,
    /// The order it has become.
    pub order_id: Option<VenueOrderId>,
}

/// What an event means for an instrument, and what else somebody should know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// For the engine.
    pub reports: Vec<VenueReport>,
    /// For the log, metrics and alerts.
    pub notes: Vec<Note>,
}

/// Something that no report can say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// An order that is not ours changed.
    ForeignOrder {
        /// Whose.
        owner: Owner,
        /// The order.
        venue_id: VenueOrderId,
    },
    /// A fee was paid in another asset (BNB): the report's fee is zero and the wallet of that asset
    /// shrank. Turn `feeBurn` off, or convert.
    FeeNotInQuote {
        /// Which execution.
        trade_id: TradeId,
        /// Paid in.
        asset: String,
        /// How much of it.
        amount: Decimal,
    },
    /// An execution without an id, which cannot be counted once: compare the account.
    FillWithoutId {
        /// The order.
        venue_id: VenueOrderId,
        /// Its quantity.
        qty: Decimal,
    },
    /// An execution type or status we do not know: compare the account.
    UnknownState {
        /// The order.
        venue_id: VenueOrderId,
        /// Execution type and status as found.
        what: String,
    },
    /// Funding of another contract.
    OtherFunding {
        /// Which.
        symbol: String,
        /// Signed, in our quote asset.
        amount: Decimal,
    },
    /// Money moved within the account (isolated margin, margin type).
    InnerTransfer {
        /// The venue's word for it.
        reason: String,
    },
}

impl UserEvent {
    /// Reads a frame, bare or wrapped in a stream's name.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not JSON, or a known event lacks what it needs. An order event
    /// that cannot be read may have been a fill: compare the account.
    pub fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        if order::looks_like_one(frame)
            && let Some(update) = OrderUpdate::decode(frame)?
        {
            return Ok(Self::Order(Box::new(update)));
        }
        let root = parse(frame)?;
        let root = root.get("data").filter(|data| data.is_object()).unwrap_or(&root);
        let event = Object::new(root)?;
        match event.opt_text("e") {
            Some(name) => Self::named(name, &event, frame),
            None => Ok(Self::Unknown { name: shorten(&root.to_string()) }),
        }
    }

    fn named(name: &str, event: &Object<'_>, frame: &[u8]) -> Result<Self, DecodeError> {
        match name {
            "ORDER_TRADE_UPDATE" => match OrderUpdate::decode(frame)? {
                Some(update) => Ok(Self::Order(Box::new(update))),
                None => Err(event.wrong("o", "an order")),
            },
            "TRADE_LITE" => TradeLite::read(event).map(Box::new).map(Self::TradeLite),
            "ACCOUNT_UPDATE" => AccountUpdate::read(event).map(Box::new).map(Self::Account),
            "MARGIN_CALL" => MarginCall::read(event).map(Self::MarginCall),
            "ACCOUNT_CONFIG_UPDATE" => config(event),
            "ALGO_UPDATE" => AlgoUpdate::read(event).map(Self::Algo),
            "listenKeyExpired" => {
                Ok(Self::ListenKeyExpired { ts_event: event.millis("E").unwrap_or_default() })
            }
            "CONDITIONAL_ORDER_TRIGGER_REJECT" => {
                let order = event.object("or")?;
                Ok(Self::TriggerReject {
                    symbol: order.text("s")?.to_owned(),
                    venue_id: VenueOrderId(order.integer("i")?),
                    reason: shorten(order.opt_text("r").unwrap_or_default()),
                })
            }
            "STRATEGY_UPDATE" => robot(name, event, "su"),
            "GRID_UPDATE" => robot(name, event, "gu"),
            other => Ok(Self::Unknown { name: shorten(other) }),
        }
    }

    /// What it means for an instrument; nothing when it is about another.
    ///
    /// # Errors
    /// [`DecodeError`] when a price or quantity of ours is off the instrument's grid.
    pub fn reports(&self, instrument: &Instrument) -> Result<Reports, DecodeError> {
        match self {
            Self::Order(update) => update.reports(instrument),
            Self::Account(update) => Ok(update.reports(instrument)),
            Self::TradeLite(_)
            | Self::MarginCall(_)
            | Self::Leverage { .. }
            | Self::MultiAssets { .. }
            | Self::Algo(_)
            | Self::ListenKeyExpired { .. }
            | Self::TriggerReject { .. }
            | Self::Robot { .. }
            | Self::Unknown { .. } => Ok(Reports::default()),
        }
    }
}

fn config(event: &Object<'_>) -> Result<UserEvent, DecodeError> {
    if event.value("ac").is_some() {
        let change = event.object("ac")?;
        let (symbol, leverage) = (change.text("s")?.to_owned(), change.integer("l")?);
        return Ok(UserEvent::Leverage { symbol, leverage });
    }
    if event.value("ai").is_some() {
        return Ok(UserEvent::MultiAssets { on: event.object("ai")?.bool("j")? });
    }
    Ok(UserEvent::Unknown { name: "ACCOUNT_CONFIG_UPDATE".to_owned() })
}

fn robot(name: &str, event: &Object<'_>, field: &'static str) -> Result<UserEvent, DecodeError> {
    let robot = event.object(field)?;
    let text = |name| robot.opt_text(name).unwrap_or_default().to_owned();
    Ok(UserEvent::Robot { event: name.to_owned(), symbol: text("s"), status: text("ss") })
}

impl AlgoUpdate {
    fn read(event: &Object<'_>) -> Result<Self, DecodeError> {
        let order = event.object("o")?;
        Ok(Self {
            symbol: order.text("s")?.to_owned(),
            algo_id: order.integer("aid")?,
            client_id: order.opt_text("caid").unwrap_or_default().to_owned(),
            status: order.text("X")?.to_owned(),
            order_id: order
                .opt_integer("ai")
                .ok()
                .flatten()
                .filter(|id| *id != 0)
                .map(VenueOrderId),
        })
    }
}

/// Text of the venue for a log, bounded, secrets masked.
fn shorten(text: &str) -> String {
    excerpt(crate::redact::redact(text).as_bytes(), 64)
}

/// Items of a list that are objects.
fn items<T>(
    list: &[Value],
    read: impl Fn(&Object<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    list.iter().map(|item| read(&Object::new(item)?)).collect()
}
