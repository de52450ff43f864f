//! Account, positions, balances, settings (facts, section 5).

use std::time::Duration;

use market::venue::AccountState;
use market::{
    Decimal, FinePrice, Instrument, MarkUpdate, Nanos, Position, Rate, TradeId, Usd, VenueOrderId,
};
use serde_json::Value;

use super::{Object, RateLimit, lots, parse, rows};
use crate::rest::MarginType;
use crate::wire::DecodeError;

/// A row of `positionRisk`, of either version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionRow {
    /// Which contract.
    pub symbol: String,
    /// `BOTH` in one-way mode, `LONG` or `SHORT` in hedge mode.
    pub side: String,
    /// Signed holding.
    pub amount: Decimal,
    /// Average entry price, rounded to 1e-8; zero when flat.
    pub entry: Decimal,
    /// Mark price.
    pub mark: Option<Decimal>,
    /// Where it is liquidated; zero for never.
    pub liquidation: Option<Decimal>,
    /// Unrealized profit.
    pub unrealized: Option<Decimal>,
    /// Leverage (version 2 only).
    pub leverage: Option<u32>,
    /// Margin type (version 2 only).
    pub margin: Option<MarginType>,
    /// Time of the last change.
    pub updated: Nanos,
}

impl PositionRow {
    /// Reads `GET /fapi/v3/positionRisk` or version 2.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_list(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        Self::list_of(&parse(body)?)
    }

    /// Reads the `result` of a WS-API reply.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn list_of(body: &Value) -> Result<Vec<Self>, DecodeError> {
        rows(body, |row| {
            Ok(Self {
                symbol: row.text("symbol")?.to_owned(),
                side: row.opt_text("positionSide").unwrap_or("BOTH").to_owned(),
                amount: row.decimal("positionAmt")?,
                entry: row.rounded("entryPrice")?.unwrap_or(Decimal::ZERO),
                mark: row.rounded("markPrice")?,
                liquidation: row.rounded("liquidationPrice").ok().flatten(),
                unrealized: row.rounded("unRealizedProfit")?,
                leverage: leverage(&row)?,
                margin: row.opt_text("marginType").and_then(margin_type),
                updated: row.millis("updateTime")?,
            })
        })
    }

    /// The holding in lots.
    ///
    /// # Errors
    /// [`DecodeError`] when it is off the step.
    pub fn position(&self, instrument: &Instrument) -> Result<Position, DecodeError> {
        let size = Decimal::from_units(self.amount.units().saturating_abs());
        let size = lots(instrument, "positionAmt", size)?;
        let lots = i64::try_from(size.raw()).unwrap_or(i64::MAX);
        Ok(Position::new(if self.amount.units() < 0 { -lots } else { lots }))
    }
}

/// The one-way position of a symbol: version 3 lists nothing when there is nothing.
///
/// `None` when the account holds hedge-mode positions of the symbol, which have no one sign.
pub fn one_way<'a>(rows: &'a [PositionRow], symbol: &str) -> Option<Option<&'a PositionRow>> {
    let mut of_symbol = rows.iter().filter(|row| row.symbol == symbol);
    if of_symbol.clone().any(|row| row.side != "BOTH" && row.amount != Decimal::ZERO) {
        return None;
    }
    Some(of_symbol.find(|row| row.side == "BOTH"))
}

/// One asset of the futures wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetRow {
    /// Which.
    pub asset: String,
    /// Wallet balance, unrealized profit not included.
    pub wallet: Decimal,
    /// What can be used for new positions.
    pub available: Decimal,
    /// Margin balance: wallet and unrealized profit.
    pub margin_balance: Option<Decimal>,
    /// Whether it counts as margin in multi-assets mode.
    pub margin_available: Option<bool>,
    /// Time of the last change.
    pub updated: Nanos,
}

/// `GET /fapi/v3/account` or version 2, as far as it can be trusted.
///
/// The totals of the reply cover USDT alone in single-asset mode, so they are not read: a USDC
/// strategy must look at its own row (facts, section 5, "Trap").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountReply {
    /// The assets.
    pub assets: Vec<AssetRow>,
    /// Version 2 only.
    pub can_trade: Option<bool>,
    /// Version 2 only.
    pub can_withdraw: Option<bool>,
    /// Version 2 only.
    pub multi_assets: Option<bool>,
}

impl AccountReply {
    /// Reads the body.
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
        let root = Object::new(body)?;
        let Some(assets) = root.value("assets") else {
            return Err(root.wrong("assets", "a list"));
        };
        Ok(Self {
            assets: rows(assets, |row| AssetRow::read(&row, "walletBalance"))?,
            can_trade: root.opt_bool("canTrade")?,
            can_withdraw: root.opt_bool("canWithdraw")?,
            multi_assets: root.opt_bool("multiAssetsMargin")?,
        })
    }

    /// The row of an asset. None means no such asset was ever held.
    pub fn asset(&self, asset: &str) -> Option<&AssetRow> {
        self.assets.iter().find(|row| row.asset == asset)
    }

    /// Whether the account books into credits (`BNFCR`), as EU accounts do.
    pub fn in_credits_mode(&self) -> bool {
        self.asset("BNFCR").is_some_and(|row| row.wallet != Decimal::ZERO)
    }
}

impl AssetRow {
    /// Reads `GET /fapi/v3/balance`.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_balance(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        Self::balance_of(&parse(body)?)
    }

    /// Reads the `result` of a WS-API reply.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn balance_of(body: &Value) -> Result<Vec<Self>, DecodeError> {
        rows(body, |row| Self::read(&row, "balance"))
    }

    fn read(row: &Object<'_>, wallet: &'static str) -> Result<Self, DecodeError> {
        Ok(Self {
            asset: row.text("asset")?.to_owned(),
            wallet: row.decimal(wallet)?,
            available: row.rounded("availableBalance")?.unwrap_or(Decimal::ZERO),
            margin_balance: row.rounded("marginBalance")?,
            margin_available: row.opt_bool("marginAvailable")?,
            updated: row.millis("updateTime")?,
        })
    }

    /// The wallet as money.
    pub fn wallet(&self) -> Usd {
        Usd::from_decimal(self.wallet)
    }
}

/// `GET /fapi/v1/accountConfig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// The account may trade.
    pub can_trade: bool,
    /// The account may withdraw. Whether the *key* may is not told by this API.
    pub can_withdraw: Option<bool>,
    /// Hedge mode.
    pub dual_side: Option<bool>,
    /// Multi-assets mode.
    pub multi_assets: Option<bool>,
    /// Fee tier.
    pub fee_tier: Option<i64>,
}

impl AccountConfig {
    /// Reads the body.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let root = parse(body)?;
        let root = Object::new(&root)?;
        Ok(Self {
            can_trade: root.bool("canTrade")?,
            can_withdraw: root.opt_bool("canWithdraw")?,
            dual_side: root.opt_bool("dualSidePosition")?,
            multi_assets: root.opt_bool("multiAssetsMargin")?,
            fee_tier: root.opt_integer("feeTier")?,
        })
    }
}

/// A row of `GET /fapi/v1/symbolConfig`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolConfig {
    /// Which contract.
    pub symbol: String,
    /// Cross or isolated; `None` for a name we do not know.
    pub margin: Option<MarginType>,
    /// Leverage.
    pub leverage: Option<u32>,
}

impl SymbolConfig {
    /// Reads the body.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_list(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        rows(&parse(body)?, |row| {
            Ok(Self {
                symbol: row.text("symbol")?.to_owned(),
                margin: margin_type(row.text("marginType")?),
                leverage: leverage(&row)?,
            })
        })
    }
}

/// `GET /fapi/v1/commissionRate`: fractions of the notional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommissionRate {
    /// Which contract.
    pub symbol: String,
    /// Of the maker; negative is a rebate.
    pub maker: Rate,
    /// Of the taker.
    pub taker: Rate,
}

impl CommissionRate {
    /// Reads the body.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let root = parse(body)?;
        let root = Object::new(&root)?;
        Ok(Self {
            symbol: root.text("symbol")?.to_owned(),
            maker: Rate::from_decimal(root.decimal("makerCommissionRate")?),
            taker: Rate::from_decimal(root.decimal("takerCommissionRate")?),
        })
    }
}

/// A row of `GET /fapi/v1/income`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Income {
    /// Which contract; empty for transfers.
    pub symbol: String,
    /// `FUNDING_FEE`, `COMMISSION`, `REALIZED_PNL`, `TRANSFER`, …
    pub kind: String,
    /// Signed.
    pub amount: Decimal,
    /// In which asset.
    pub asset: String,
    /// When.
    pub time: Nanos,
    /// Unique per user and kind only.
    pub id: i64,
    /// The execution it belongs to.
    pub trade_id: Option<TradeId>,
}

impl Income {
    /// Reads the body.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_list(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        rows(&parse(body)?, |row| {
            Ok(Self {
                symbol: row.opt_text("symbol").unwrap_or_default().to_owned(),
                kind: row.text("incomeType")?.to_owned(),
                amount: row.decimal("income")?,
                asset: row.text("asset")?.to_owned(),
                time: row.millis("time")?,
                id: row.integer("tranId")?,
                trade_id: row.opt_integer("tradeId")?.map(TradeId),
            })
        })
    }
}

/// One quantitative rule that an account or symbol breaks or not (`apiTradingStatus`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradingRule {
    /// The symbol, or `ACCOUNT`.
    pub about: String,
    /// `UFR`, `IFER`, `GCR`, `DR`, `TMV`.
    pub name: String,
    /// Broken: only reduce-only orders are taken.
    pub locked: bool,
    /// Until then.
    pub recovers: Nanos,
}

impl TradingRule {
    /// Reads `GET /fapi/v1/apiTradingStatus`.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode_list(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let root = parse(body)?;
        let root = Object::new(&root)?;
        let mut rules = Vec::new();
        let Some(Value::Object(groups)) = root.value("indicators") else {
            return Err(root.wrong("indicators", "an object"));
        };
        for (about, group) in groups {
            rules.extend(rows(group, |row| {
                Ok(Self {
                    about: about.clone(),
                    name: row.text("indicator")?.to_owned(),
                    locked: row.bool("isLocked")?,
                    recovers: row.millis("plannedRecoverTime")?,
                })
            })?);
        }
        Ok(rules)
    }
}

/// What an API key may do: `GET /sapi/v1/account/apiRestrictions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRights {
    /// It may withdraw.
    pub withdrawals: bool,
    /// It may trade futures.
    pub futures: Option<bool>,
    /// It works from listed addresses only.
    pub ip_restricted: Option<bool>,
    /// It may move money between wallets or accounts.
    pub transfers: bool,
}

impl KeyRights {
    /// Reads the body.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let root = parse(body)?;
        let root = Object::new(&root)?;
        Ok(Self {
            withdrawals: root.bool("enableWithdrawals")?,
            futures: root.opt_bool("enableFutures")?,
            ip_restricted: root.opt_bool("ipRestrict")?,
            transfers: root.opt_bool("enableInternalTransfer")?.unwrap_or(false)
                || root.opt_bool("permitsUniversalTransfer")?.unwrap_or(false),
        })
    }
}

/// Reads `GET /fapi/v1/feeBurn`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_fee_burn(body: &[u8]) -> Result<bool, DecodeError> {
    Object::new(&parse(body)?)?.bool("feeBurn")
}

/// Reads `GET /fapi/v1/rateLimit/order`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_order_limits(body: &[u8]) -> Result<Vec<RateLimit>, DecodeError> {
    rows(&parse(body)?, |row| RateLimit::read(&row))
}

/// Reads `GET /fapi/v1/time`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_server_time(body: &[u8]) -> Result<Nanos, DecodeError> {
    let root = parse(body)?;
    let root = Object::new(&root)?;
    root.integer("serverTime")?;
    root.millis("serverTime")
}

/// Reads the reply to a listen-key call: from REST the body, from the WS API its `result`.
///
/// # Errors
/// [`DecodeError`].
pub fn listen_key_of(body: &Value) -> Result<String, DecodeError> {
    Object::new(body)?.text("listenKey").map(str::to_owned)
}

/// Reads the body of `POST` or `PUT /fapi/v1/listenKey`. The key may be missing from `PUT`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_listen_key(body: &[u8]) -> Result<String, DecodeError> {
    listen_key_of(&parse(body)?)
}

/// Reads `GET /fapi/v1/positionSide/dual`: whether hedge mode is on.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_position_mode(body: &[u8]) -> Result<bool, DecodeError> {
    Object::new(&parse(body)?)?.bool("dualSidePosition")
}

/// Reads `GET /fapi/v1/multiAssetsMargin`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_multi_assets(body: &[u8]) -> Result<bool, DecodeError> {
    Object::new(&parse(body)?)?.bool("multiAssetsMargin")
}

/// Reads the reply to setting leverage: what it is now.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_leverage(body: &[u8]) -> Result<u32, DecodeError> {
    let root = parse(body)?;
    let root = Object::new(&root)?;
    leverage(&root)?.ok_or_else(|| root.wrong("leverage", "a positive number"))
}

/// Reads the reply to arming the dead-man's switch: the countdown it accepted.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_dead_man(body: &[u8]) -> Result<Duration, DecodeError> {
    let root = parse(body)?;
    let root = Object::new(&root)?;
    let millis = root.integer("countdownTime")?;
    let millis = u64::try_from(millis).map_err(|_| root.wrong("countdownTime", "not negative"))?;
    Ok(Duration::from_millis(millis))
}

/// Reads one row or all of `GET /fapi/v1/premiumIndex`.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_premium_index(body: &[u8]) -> Result<Vec<(String, Nanos, MarkUpdate)>, DecodeError> {
    rows(&parse(body)?, |row| {
        let mark = FinePrice::from_decimal(row.decimal("markPrice")?);
        let update = MarkUpdate {
            mark,
            index: row.opt_decimal("indexPrice")?.map_or(mark, FinePrice::from_decimal),
            funding_rate: row
                .opt_decimal("lastFundingRate")?
                .map_or(Rate::ZERO, Rate::from_decimal),
            next_funding: row.millis("nextFundingTime")?,
        };
        Ok((row.text("symbol")?.to_owned(), row.millis("time")?, update))
    })
}

/// Everything an account query found, put together. The caller vouches that it belongs together:
/// [`AccountQuery`](crate::queries::AccountQuery) makes sure.
pub(crate) fn account_state(
    instrument: &Instrument,
    query: u32,
    positions: &[PositionRow],
    assets: &[AssetRow],
) -> Result<AccountState, DecodeError> {
    let symbol = instrument.symbol();
    let row = one_way(positions, symbol).flatten();
    let quote = assets.iter().find(|row| row.asset == instrument.rules().quote);
    Ok(AccountState {
        query,
        position: row.map_or(Ok(Position::ZERO), |row| row.position(instrument))?,
        entry: row.map_or(FinePrice::ZERO, |row| FinePrice::from_decimal(row.entry)),
        wallet: quote.map_or(Usd::ZERO, AssetRow::wallet),
        open_orders: Vec::new(),
        fills: Vec::new(),
        last_trade: None,
    })
}

fn leverage(row: &Object<'_>) -> Result<Option<u32>, DecodeError> {
    Ok(row.opt_integer("leverage")?.and_then(|leverage| u32::try_from(leverage).ok()))
}

fn margin_type(name: &str) -> Option<MarginType> {
    match name {
        "cross" | "CROSSED" | "CROSS" => Some(MarginType::Cross),
        "isolated" | "ISOLATED" => Some(MarginType::Isolated),
        _ => None,
    }
}

/// The orders that executions belong to, in the order of first appearance.
pub(crate) fn orders_of(trades: &[super::UserTrade]) -> Vec<VenueOrderId> {
    let mut ids: Vec<VenueOrderId> = Vec::new();
    for trade in trades {
        if !ids.contains(&trade.order_id) {
            ids.push(trade.order_id);
        }
    }
    ids
}
