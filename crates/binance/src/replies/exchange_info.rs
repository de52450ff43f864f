//! `exchangeInfo`: rules of the contracts, limits of the venue (facts, section 4).
//!
//! One symbol that cannot be read does not spoil the others: it is listed with its fault.

use market::{Decimal, Instrument, InstrumentError, InstrumentId, Nanos, Rules};
use serde_json::Value;

use super::{Object, RateLimit, parse};
use crate::wire::{DecodeError, Fault};

/// The reply to `GET /fapi/v1/exchangeInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeInfo {
    /// Limits of requests and orders.
    pub rate_limits: Vec<RateLimit>,
    /// Contracts that could be read.
    pub symbols: Vec<SymbolInfo>,
    /// Contracts that could not, and why.
    pub unreadable: Vec<(String, DecodeError)>,
    /// When the reply was made. Cached: never a clock.
    pub made: Nanos,
}

/// State of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SymbolStatus {
    /// Can be traded.
    Trading,
    /// Anything else (`PENDING_TRADING`, `SETTLING`, `CLOSE`, …), by its name.
    Not(String),
}

/// One contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolInfo {
    /// Its rules.
    pub rules: Rules,
    /// State.
    pub status: SymbolStatus,
    /// `PERPETUAL`, `TRADIFI_PERPETUAL`, `CURRENT_QUARTER`, …
    pub contract: String,
    /// Margin and PnL currency.
    pub margin_asset: String,
    /// Lowest price; zero for none.
    pub min_price: Decimal,
    /// Highest price; zero for none.
    pub max_price: Decimal,
    /// Amendments one order bears.
    pub max_amends: Option<u32>,
    /// How far from mark a market order may sweep, as a fraction.
    pub market_take_bound: Option<Decimal>,
    /// Order types allowed.
    pub order_types: Vec<String>,
    /// Times in force allowed.
    pub times_in_force: Vec<String>,
    /// Filters we do not know.
    pub unknown_filters: Vec<String>,
}

impl ExchangeInfo {
    /// Reads the body.
    ///
    /// # Errors
    /// [`DecodeError`] when it is not the body of such a reply.
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let root = parse(body)?;
        let root = Object::new(&root)?;
        let Some(Value::Array(symbols)) = root.value("symbols") else {
            return Err(root.wrong("symbols", "a list"));
        };
        let limits = root.list("rateLimits")?;
        let rate_limits = limits
            .iter()
            .map(|row| RateLimit::read(&Object::new(row)?))
            .collect::<Result<_, _>>()?;
        let mut info =
            Self { rate_limits, symbols: Vec::new(), unreadable: Vec::new(), made: Nanos::ZERO };
        info.made = root.millis("serverTime")?;
        for symbol in symbols {
            match Object::new(symbol).and_then(|row| SymbolInfo::read(&row)) {
                Ok(found) => info.symbols.push(found),
                Err(error) => {
                    let name = symbol.get("symbol").and_then(Value::as_str).unwrap_or("?");
                    info.unreadable.push((name.to_owned(), error));
                }
            }
        }
        Ok(info)
    }

    /// The contract of that name.
    pub fn symbol(&self, symbol: &str) -> Option<&SymbolInfo> {
        self.symbols.iter().find(|info| info.rules.symbol == symbol)
    }
}

impl SymbolInfo {
    /// Whether orders can be placed now.
    pub fn is_trading(&self) -> bool {
        self.status == SymbolStatus::Trading
    }

    /// As an instrument.
    ///
    /// # Errors
    /// [`InstrumentError`] when a rule is zero where it must not be.
    pub fn instrument(&self, id: InstrumentId) -> Result<Instrument, InstrumentError> {
        Instrument::new(id, self.rules.clone())
    }

    fn read(row: &Object<'_>) -> Result<Self, DecodeError> {
        let filters = Filters::read(row)?;
        let price = filters.get("PRICE_FILTER")?;
        let lot = filters.get("LOT_SIZE")?;
        let market_lot = filters.get("MARKET_LOT_SIZE")?;
        let band = filters.get("PERCENT_PRICE")?;
        let max_orders = filters.get("MAX_NUM_ORDERS")?.integer("limit")?;
        let rules = Rules {
            symbol: row.text("symbol")?.to_owned(),
            quote: row.text("quoteAsset")?.to_owned(),
            base: row.text("baseAsset")?.to_owned(),
            tick: price.decimal("tickSize")?,
            step: lot.decimal("stepSize")?,
            min_qty: lot.decimal("minQty")?,
            max_qty: lot.decimal("maxQty")?,
            market_max_qty: market_lot.decimal("maxQty")?,
            min_notional: filters.get("MIN_NOTIONAL")?.decimal("notional")?,
            band_up: band.decimal("multiplierUp")?,
            band_down: band.decimal("multiplierDown")?,
            multiplier: Decimal::ONE,
            max_orders: u32::try_from(max_orders).unwrap_or(0),
        };
        let status = match row.text("status")? {
            "TRADING" => SymbolStatus::Trading,
            other => SymbolStatus::Not(other.to_owned()),
        };
        let max_amends = row.opt_integer("maxMoveOrderLimit")?;
        Ok(Self {
            status,
            contract: row.opt_text("contractType").unwrap_or_default().to_owned(),
            margin_asset: row.opt_text("marginAsset").unwrap_or(&rules.quote).to_owned(),
            min_price: price.opt_decimal("minPrice")?.unwrap_or(Decimal::ZERO),
            max_price: price.opt_decimal("maxPrice")?.unwrap_or(Decimal::ZERO),
            max_amends: max_amends.and_then(|limit| u32::try_from(limit).ok()),
            market_take_bound: row.opt_decimal("marketTakeBound")?,
            order_types: names(row, "orderTypes")?,
            times_in_force: names(row, "timeInForce")?,
            unknown_filters: filters.unknown(),
            rules,
        })
    }
}

/// The filters of a symbol by type. The order of keys varies; `filterType` may come last.
struct Filters<'a> {
    symbol: Object<'a>,
    items: Vec<(&'a str, Object<'a>)>,
}

impl<'a> Filters<'a> {
    const KNOWN: [&'static str; 6] = [
        "PRICE_FILTER",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "MAX_NUM_ORDERS",
        "MIN_NOTIONAL",
        "PERCENT_PRICE",
    ];

    fn read(symbol: &Object<'a>) -> Result<Self, DecodeError> {
        let mut items = Vec::new();
        for filter in symbol.list("filters")? {
            let filter = Object::new(filter)?;
            items.push((filter.text("filterType")?, filter));
        }
        Ok(Self { symbol: *symbol, items })
    }

    fn get(&self, name: &'static str) -> Result<Object<'a>, DecodeError> {
        let found = self.items.iter().find(|(kind, _)| *kind == name);
        found.map(|(_, filter)| *filter).ok_or_else(|| self.symbol.fault(Fault::Missing(name)))
    }

    /// Names of filters that mean nothing to us, including those no market maker meets.
    fn unknown(&self) -> Vec<String> {
        let strange = self.items.iter().filter(|(kind, _)| !Self::KNOWN.contains(kind));
        strange.map(|(kind, _)| (*kind).to_owned()).collect()
    }
}

fn names(row: &Object<'_>, name: &'static str) -> Result<Vec<String>, DecodeError> {
    let items = row.list(name)?;
    Ok(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}
