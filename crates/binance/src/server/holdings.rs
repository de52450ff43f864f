//! What an account has: balances, positions, margins, income.

use ::market::{FinePrice, Instrument, Position, Rate, Side, Usd};
use serde_json::{Value, json};

use super::error::ApiError;
use super::front::Front;
use super::public::maybe_symbol;
use super::record::money;
use super::routes::Call;
use super::settings::max_notional;
use super::trade::{millis, span};

/// Share of a position's value that its margin balance must cover.
pub(super) const MAINTENANCE: Rate = Rate::new(500_000);

/// Everything about an account at one mark price.
pub(super) struct Picture<'a> {
    instrument: &'a Instrument,
    position: Position,
    entry: FinePrice,
    break_even: FinePrice,
    mark: FinePrice,
    wallet: Usd,
    unrealized: Usd,
    notional: Usd,
    liquidation: FinePrice,
    bids: Usd,
    asks: Usd,
    position_margin: Usd,
    order_margin: Usd,
    maintenance: Usd,
    available: Usd,
    leverage: u32,
    isolated: bool,
    updated: u64,
}

impl<'a> Picture<'a> {
    pub(super) fn new(front: &'a Front, who: usize, mark: FinePrice) -> Self {
        let (instrument, account) = (&front.config.instrument, &front.accounts[who]);
        let standing = account.standing;
        let notional = instrument.value_at(mark, standing.position);
        let unrealized =
            if standing.position.is_zero() { Usd::ZERO } else { notional - standing.cost };
        let side = |side: Side| -> Usd {
            let orders = account.open_orders().filter(|o| o.side == side && !o.reduce_only);
            orders.map(|order| instrument.notional(order.price, order.left())).sum()
        };
        let (bids, asks) = (side(Side::Buy), side(Side::Sell));
        let leverage = i128::from(account.leverage.max(1));
        let share = |value: Usd| Usd::new(value.raw() / leverage);
        let position_margin = share(notional.abs());
        let worst = (notional + bids).abs().max((notional - asks).abs()).max(notional.abs());
        let order_margin = share(worst) - position_margin;
        let free = standing.wallet + unrealized - position_margin - order_margin;
        Self {
            instrument,
            position: standing.position,
            entry: standing.entry,
            break_even: account.break_even(instrument),
            mark,
            wallet: standing.wallet,
            unrealized,
            notional,
            liquidation: liquidation_price(
                instrument,
                standing.wallet - standing.cost,
                standing.position,
            ),
            bids,
            asks,
            position_margin,
            order_margin,
            maintenance: notional.abs().times(MAINTENANCE),
            available: free.max(Usd::ZERO),
            leverage: account.leverage,
            isolated: account.isolated,
            updated: account.updated.as_millis(),
        }
    }

    fn is_active(&self) -> bool {
        !self.position.is_zero() || self.bids != Usd::ZERO || self.asks != Usd::ZERO
    }

    fn margin(&self) -> Usd {
        self.position_margin + self.order_margin
    }

    fn amount(&self) -> String {
        let decimals = self.instrument.rules().step.decimals();
        self.instrument.position_decimal(self.position).padded(decimals).to_string()
    }

    fn risk_v3(&self) -> Value {
        let rules = self.instrument.rules();
        let isolated = if self.isolated { money(self.position_margin) } else { "0".to_owned() };
        json!({
            "symbol": rules.symbol, "positionSide": "BOTH", "positionAmt": self.amount(),
            "entryPrice": price(self.entry), "breakEvenPrice": price(self.break_even),
            "markPrice": self.mark.decimal().padded(8).to_string(),
            "unRealizedProfit": money(self.unrealized), "liquidationPrice": price(self.liquidation),
            "isolatedMargin": isolated, "notional": money(self.notional),
            "marginAsset": rules.quote, "isolatedWallet": "0",
            "initialMargin": money(self.margin()), "maintMargin": money(self.maintenance),
            "positionInitialMargin": money(self.position_margin),
            "openOrderInitialMargin": money(self.order_margin), "adl": 1,
            "bidNotional": money(self.bids), "askNotional": money(self.asks),
            "updateTime": self.updated,
        })
    }

    fn risk_v2(&self) -> Value {
        json!({
            "symbol": self.instrument.symbol(), "positionAmt": self.amount(),
            "entryPrice": price(self.entry), "breakEvenPrice": price(self.break_even),
            "markPrice": self.mark.decimal().padded(8).to_string(),
            "unRealizedProfit": money(self.unrealized), "liquidationPrice": price(self.liquidation),
            "leverage": self.leverage.to_string(),
            "maxNotionalValue": max_notional(self.leverage).to_string(),
            "marginType": if self.isolated { "isolated" } else { "cross" },
            "isolatedMargin": "0.00000000", "isAutoAddMargin": "false", "positionSide": "BOTH",
            "notional": money(self.notional), "isolatedWallet": "0", "updateTime": self.updated,
        })
    }

    /// The margin asset's row; version 2 says more.
    fn asset(&self, v2: bool) -> Value {
        let mut row = json!({
            "asset": self.instrument.rules().quote, "walletBalance": money(self.wallet),
            "unrealizedProfit": money(self.unrealized),
            "marginBalance": money(self.wallet + self.unrealized),
            "maintMargin": money(self.maintenance), "initialMargin": money(self.margin()),
            "positionInitialMargin": money(self.position_margin),
            "openOrderInitialMargin": money(self.order_margin),
            "crossWalletBalance": money(self.wallet), "crossUnPnl": money(self.unrealized),
            "availableBalance": money(self.available),
            "maxWithdrawAmount": money(self.available.min(self.wallet)),
        });
        if v2 {
            row["marginAvailable"] = true.into();
        }
        row["updateTime"] = self.updated.into();
        row
    }

    fn position(&self, v2: bool) -> Value {
        let margin = |value: Usd| if value == Usd::ZERO { "0".to_owned() } else { money(value) };
        if v2 {
            return json!({
                "symbol": self.instrument.symbol(), "initialMargin": margin(self.margin()),
                "maintMargin": margin(self.maintenance),
                "unrealizedProfit": money(self.unrealized),
                "positionInitialMargin": margin(self.position_margin),
                "openOrderInitialMargin": margin(self.order_margin),
                "leverage": self.leverage.to_string(), "isolated": self.isolated,
                "entryPrice": price(self.entry), "breakEvenPrice": price(self.break_even),
                "maxNotional": max_notional(self.leverage).to_string(),
                "bidNotional": margin(self.bids), "askNotional": margin(self.asks),
                "positionSide": "BOTH", "positionAmt": self.amount(),
                "notional": margin(self.notional), "isolatedWallet": "0",
                "updateTime": self.updated,
            });
        }
        json!({
            "symbol": self.instrument.symbol(), "positionSide": "BOTH",
            "positionAmt": self.amount(), "unrealizedProfit": money(self.unrealized),
            "isolatedMargin": "0.00000000", "notional": margin(self.notional),
            "isolatedWallet": "0", "initialMargin": margin(self.margin()),
            "maintMargin": margin(self.maintenance), "updateTime": self.updated,
        })
    }
}

/// Where the margin balance of a cross position meets its maintenance margin; zero when never.
fn liquidation_price(instrument: &Instrument, cushion: Usd, position: Position) -> FinePrice {
    // wallet - cost + v p = |v| p m, with v the value of the position per unit of price.
    let value = instrument.value_at(FinePrice::new(1), position).raw();
    let needed = Usd::new(value.abs()).times(MAINTENANCE).raw() - value;
    if needed == 0 {
        return FinePrice::ZERO;
    }
    FinePrice::new(i64::try_from(cushion.raw() / needed).unwrap_or(0).max(0))
}

/// Without padding beyond what the venue shows for nothing.
fn price(price: FinePrice) -> String {
    if price.is_zero() { "0.0".to_owned() } else { price.to_string() }
}

fn picture<'a>(front: &'a Front, call: &Call) -> Picture<'a> {
    Picture::new(front, call.who, call.machine.mark())
}

pub(super) fn position_risk_v3(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let picture = picture(front, &call);
    Ok(if picture.is_active() { json!([picture.risk_v3()]) } else { json!([]) })
}

pub(super) fn position_risk_v2(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    Ok(json!([picture(front, &call).risk_v2()]))
}

pub(super) fn balance(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let picture = picture(front, &call);
    let row = |asset: &str, picture: Option<&Picture>| {
        let text = |value: fn(&Picture) -> Usd| money(picture.map_or(Usd::ZERO, value));
        json!({
            "accountAlias": "SgsR", "asset": asset, "balance": text(|p| p.wallet),
            "crossWalletBalance": text(|p| p.wallet), "crossUnPnl": text(|p| p.unrealized),
            "availableBalance": text(|p| p.available),
            "maxWithdrawAmount": text(|p| p.available.min(p.wallet)), "marginAvailable": true,
            "updateTime": picture.map_or(0, |p| p.updated),
        })
    };
    let own = front.config.instrument.rules().quote.as_str();
    let rows = ASSETS.iter().map(|asset| row(asset, (*asset == own).then_some(&picture)));
    Ok(rows.collect())
}

/// Assets an account lists, whether it has them or not.
const ASSETS: [&str; 3] = ["BNB", "USDT", "USDC"];

pub(super) fn account_v3(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    account(front, &call, false)
}

pub(super) fn account_v2(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    account(front, &call, true)
}

fn account(front: &Front, call: &Call, v2: bool) -> Result<Value, ApiError> {
    let (picture, own) = (picture(front, call), &front.accounts[call.who]);
    let quote = front.config.instrument.rules().quote.as_str();
    // In single-asset mode the totals cover USDT alone, a trap that strategies on USDC must see.
    let counted = quote == "USDT" || own.multi_assets;
    let total = |value: Usd| money(if counted { value } else { Usd::ZERO });
    let mut reply = json!({});
    if v2 {
        reply = json!({
            "feeTier": 0, "feeBurn": own.fee_burn, "canTrade": true, "canDeposit": true,
            "canWithdraw": own.config.can_withdraw, "updateTime": 0,
            "multiAssetsMargin": own.multi_assets, "tradeGroupId": -1,
        });
    }
    let totals = [
        ("totalInitialMargin", picture.margin()),
        ("totalMaintMargin", picture.maintenance),
        ("totalWalletBalance", picture.wallet),
        ("totalUnrealizedProfit", picture.unrealized),
        ("totalMarginBalance", picture.wallet + picture.unrealized),
        ("totalPositionInitialMargin", picture.position_margin),
        ("totalOpenOrderInitialMargin", picture.order_margin),
        ("totalCrossWalletBalance", picture.wallet),
        ("totalCrossUnPnl", picture.unrealized),
        ("availableBalance", picture.available),
        ("maxWithdrawAmount", picture.available.min(picture.wallet)),
    ];
    for (name, value) in totals {
        reply[name] = total(value).into();
    }
    let asset = |name: &&str| {
        let mut row = picture.asset(v2);
        if *name != quote {
            let Value::Object(fields) = &mut row else { return row };
            for (field, value) in fields.iter_mut().filter(|(_, value)| value.is_string()) {
                *value = if field == "asset" { (*name).into() } else { "0.00000000".into() };
            }
            row["updateTime"] = 0.into();
        }
        row
    };
    reply["assets"] = ASSETS.iter().map(asset).collect();
    let listed = v2 || picture.is_active();
    reply["positions"] = if listed { json!([picture.position(v2)]) } else { json!([]) };
    Ok(reply)
}

pub(super) fn adl_quantile(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let symbol = front.config.instrument.symbol();
    Ok(json!([{"symbol": symbol, "adlQuantile": {"LONG": 0, "SHORT": 0, "BOTH": 0}}]))
}

pub(super) fn income(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let with_symbol = maybe_symbol(front, &call)?;
    let limit = call.params.limit(100, 1_000)?;
    let (start, end) = span(&call)?;
    let kind = call.params.get("incomeType");
    let instrument = &front.config.instrument;
    let matching = front.accounts[call.who].income.iter().filter(|line| {
        kind.is_none_or(|kind| kind == line.kind)
            && (!with_symbol || line.kind != "TRANSFER")
            && (start..=end).contains(&millis(line.at))
    });
    if call.params.get("startTime").is_some() {
        return Ok(matching.take(limit).map(|line| line.row(instrument)).collect());
    }
    let mut rows: Vec<_> = matching.rev().take(limit).map(|line| line.row(instrument)).collect();
    rows.reverse();
    Ok(rows.into())
}
