//! Orders, trades and income as the wire shows them.

use ::market::{ClientOrderId, Instrument, Nanos, Price, Qty, Side, Usd};
use serde_json::{Value, json};

/// Client order ids of orders that the venue places for an account begin with this.
pub(super) const LIQUIDATION_PREFIX: &str = "autoclose-";

/// An order as its owner sees it.
#[derive(Clone, Debug)]
pub(super) struct OrderRecord {
    /// The venue's number for it on the wire.
    pub(super) id: i64,
    /// The machine's name for it; `None` for orders placed by the venue.
    pub(super) client: Option<ClientOrderId>,
    /// The owner's name for it.
    pub(super) text: String,
    pub(super) side: Side,
    /// `LIMIT` or `MARKET`.
    pub(super) kind: &'static str,
    /// `GTC`, `IOC`, `FOK`, `GTX`, `GTD`.
    pub(super) tif: &'static str,
    /// Zero for market orders.
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) filled: Qty,
    pub(super) quote: Usd,
    pub(super) status: &'static str,
    pub(super) reduce_only: bool,
    pub(super) stp: &'static str,
    pub(super) price_match: &'static str,
    /// Milliseconds; 0 for none.
    pub(super) good_till: u64,
    pub(super) time: Nanos,
    pub(super) updated: Nanos,
    pub(super) modify_id: Option<i64>,
    pub(super) amendments: Vec<Amendment>,
}

/// One change of an order.
#[derive(Clone, Debug)]
pub(super) struct Amendment {
    pub(super) at: Nanos,
    pub(super) price: (Price, Price),
    pub(super) qty: (Qty, Qty),
    pub(super) modify_id: Option<i64>,
}

impl OrderRecord {
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
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
pub(super) struct IncomeRecord {
    pub(super) kind: &'static str,
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
