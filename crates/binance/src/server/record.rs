//! Orders, trades and income as the wire shows them.

use std::collections::VecDeque;

use ::market::{ClientOrderId, Instrument, Nanos, Price, Qty, Side, Usd};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Client order ids of orders that the venue places for an account begin with this.
pub(super) const LIQUIDATION_PREFIX: &str = "autoclose-";

/// Words of the wire as their place in a list: what is written to disk. New ones go to the end.
mod word {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    const WORDS: [&str; 27] = [
        "LIMIT",
        "MARKET",
        "GTC",
        "IOC",
        "FOK",
        "GTX",
        "GTD",
        "NEW",
        "PARTIALLY_FILLED",
        "FILLED",
        "CANCELED",
        "EXPIRED",
        "EXPIRED_IN_MATCH",
        "NONE",
        "EXPIRE_MAKER",
        "EXPIRE_TAKER",
        "EXPIRE_BOTH",
        "OPPONENT",
        "OPPONENT_5",
        "QUEUE",
        "QUEUE_5",
        "QUEUE_10",
        "QUEUE_20",
        "TRANSFER",
        "COMMISSION",
        "REALIZED_PNL",
        "FUNDING_FEE",
    ];

    pub(super) fn serialize<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
        let place = WORDS.iter().position(|word| *word == text);
        match place.and_then(|place| u8::try_from(place).ok()) {
            Some(place) => to.serialize_u8(place),
            None => Err(serde::ser::Error::custom(format!("`{text}` is not in the list"))),
        }
    }

    pub(super) fn deserialize<'de, D>(from: D) -> Result<&'static str, D::Error>
    where
        D: Deserializer<'de>,
    {
        let place = u8::deserialize(from)?;
        let word = WORDS.get(usize::from(place)).copied();
        word.ok_or_else(|| D::Error::custom(format!("there is no word {place}")))
    }
}

/// A word of the wire.
type Word = &'static str;

/// An order as its owner sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OrderRecord {
    /// The venue's number for it on the wire.
    pub(super) id: i64,
    /// The machine's name for it; `None` for orders placed by the venue.
    pub(super) client: Option<ClientOrderId>,
    /// The owner's name for it.
    pub(super) text: String,
    pub(super) side: Side,
    /// `LIMIT` or `MARKET`.
    #[serde(with = "word")]
    pub(super) kind: Word,
    /// `GTC`, `IOC`, `FOK`, `GTX`, `GTD`.
    #[serde(with = "word")]
    pub(super) tif: Word,
    /// Zero for market orders.
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) filled: Qty,
    pub(super) quote: Usd,
    #[serde(with = "word")]
    pub(super) status: Word,
    pub(super) reduce_only: bool,
    #[serde(with = "word")]
    pub(super) stp: Word,
    #[serde(with = "word")]
    pub(super) price_match: Word,
    /// Milliseconds; 0 for none.
    pub(super) good_till: u64,
    pub(super) time: Nanos,
    pub(super) updated: Nanos,
    pub(super) modify_id: Option<i64>,
    /// How often it was modified.
    pub(super) moves: u32,
    /// The last of these changes. Written to disk one by one, not with the order.
    #[serde(skip)]
    pub(super) amendments: VecDeque<Amendment>,
}

/// Changes of an order that are kept: as many as a query shows.
const AMENDMENTS_MAX: usize = 100;

/// One change of an order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Amendment {
    pub(super) at: Nanos,
    pub(super) price: (Price, Price),
    pub(super) qty: (Qty, Qty),
    pub(super) modify_id: Option<i64>,
}

impl OrderRecord {
    pub(super) fn note_amendment(&mut self, change: Amendment) {
        if self.amendments.len() >= AMENDMENTS_MAX {
            self.amendments.pop_front();
        }
        self.amendments.push_back(change);
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.status, "NEW" | "PARTIALLY_FILLED")
    }

    pub(super) fn left(&self) -> Qty {
        self.qty.saturating_sub(self.filled)
    }

    pub(super) fn price_text(&self, instrument: &Instrument) -> String {
        if self.price <= Price::ZERO { "0".to_owned() } else { instrument.price_text(self.price) }
    }

    /// Average price of the fills so far.
    pub(super) fn average_text(&self, instrument: &Instrument) -> String {
        let average = instrument.average_price(self.quote, self.filled.signed(Side::Buy));
        let decimals = instrument.rules().tick.decimals().max(2) + 3;
        average.decimal().padded(decimals.min(8)).to_string()
    }

    /// The reply to placing and canceling; `fresh` shows it as it was when it was accepted.
    pub(super) fn reply(&self, instrument: &Instrument, fresh: bool) -> Value {
        let filled = if fresh { Qty::ZERO } else { self.filled };
        let filled = instrument.qty_text(filled);
        json!({
            "orderId": self.id, "symbol": instrument.symbol(),
            "status": if fresh { "NEW" } else { self.status },
            "clientOrderId": self.text, "price": self.price_text(instrument),
            "origQty": instrument.qty_text(self.qty), "executedQty": filled, "cumQty": filled,
            "timeInForce": self.tif, "type": self.kind, "reduceOnly": self.reduce_only,
            "closePosition": false, "side": side_text(self.side), "positionSide": "BOTH",
            "stopPrice": "0.00", "workingType": "CONTRACT_PRICE", "priceProtect": false,
            "origType": self.kind, "priceMatch": self.price_match,
            "selfTradePreventionMode": self.stp, "goodTillDate": self.good_till,
            "updateTime": self.updated.as_millis(),
        })
    }

    /// The reply to modifying.
    pub(super) fn modified(&self, instrument: &Instrument) -> Value {
        let mut reply = self.reply(instrument, false);
        reply["pair"] = instrument.symbol().into();
        if let Some(id) = self.modify_id {
            reply["modifyId"] = id.into();
        }
        reply
    }

    /// The reply to queries.
    pub(super) fn query(&self, instrument: &Instrument) -> Value {
        json!({
            "orderId": self.id, "symbol": instrument.symbol(), "status": self.status,
            "clientOrderId": self.text, "price": self.price_text(instrument),
            "avgPrice": self.average_text(instrument),
            "origQty": instrument.qty_text(self.qty),
            "executedQty": instrument.qty_text(self.filled),
            "cumQuote": quote_text(self.quote), "timeInForce": self.tif, "type": self.kind,
            "reduceOnly": self.reduce_only, "closePosition": false,
            "side": side_text(self.side), "positionSide": "BOTH", "stopPrice": "0",
            "workingType": "CONTRACT_PRICE", "priceProtect": false, "origType": self.kind,
            "priceMatch": self.price_match, "selfTradePreventionMode": self.stp,
            "goodTillDate": self.good_till, "time": self.time.as_millis(),
            "updateTime": self.updated.as_millis(),
        })
    }
}

/// An execution as `userTrades` lists it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct TradeRecord {
    /// On the wire.
    pub(super) id: i64,
    /// On the wire.
    pub(super) order: i64,
    pub(super) side: Side,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) maker: bool,
    pub(super) fee: Usd,
    pub(super) realized: Usd,
    pub(super) at: Nanos,
}

impl TradeRecord {
    pub(super) fn row(&self, instrument: &Instrument) -> Value {
        let rules = instrument.rules();
        let qty = instrument.qty_text(self.qty);
        json!({
            "symbol": rules.symbol, "id": self.id, "orderId": self.order,
            "side": side_text(self.side), "price": instrument.price_text(self.price),
            "qty": qty, "realizedPnl": money(self.realized),
            "quoteQty": quote_text(instrument.notional(self.price, self.qty)),
            "commission": money(self.fee), "commissionAsset": rules.quote,
            "time": self.at.as_millis(), "positionSide": "BOTH",
            "buyer": self.side == Side::Buy, "maker": self.maker,
            "marginAsset": rules.quote, "pair": rules.symbol, "baseQty": qty,
        })
    }
}

/// A line of the ledger as `income` lists it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct IncomeRecord {
    #[serde(with = "word")]
    pub(super) kind: Word,
    pub(super) amount: Usd,
    pub(super) at: Nanos,
    pub(super) id: i64,
    /// On the wire; `None` when no trade caused it.
    pub(super) trade: Option<i64>,
}

impl IncomeRecord {
    pub(super) fn row(&self, instrument: &Instrument) -> Value {
        let rules = instrument.rules();
        let transfer = self.kind == "TRANSFER";
        let trade = self.trade.map(|id| id.to_string()).unwrap_or_default();
        json!({
            "symbol": if transfer { "" } else { rules.symbol.as_str() },
            "incomeType": self.kind, "income": money(self.amount), "asset": rules.quote,
            "info": if trade.is_empty() { self.kind } else { trade.as_str() },
            "time": self.at.as_millis(), "tranId": self.id, "tradeId": trade,
        })
    }
}

/// `BUY` or `SELL`.
pub(super) fn side_text(side: Side) -> &'static str {
    match side {
        Side::Buy => "BUY",
        Side::Sell => "SELL",
    }
}

/// Money with eight decimals.
pub(super) fn money(amount: Usd) -> String {
    format!("{:.8}", amount.round_e8())
}

/// A traded value, without padding.
pub(super) fn quote_text(amount: Usd) -> String {
    amount.round_e8().to_string()
}
