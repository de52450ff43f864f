//! What an account has chosen, and its listen key.

use serde_json::{Value, json};

use super::error::ApiError;
use super::front::Front;
use super::limits;
use super::public::{maybe_symbol, need_symbol};
use super::routes::Call;

/// Leverage brackets: most leverage, notional from, notional to, maintenance ratio in 1e-4, `cum`.
const BRACKETS: [(u32, u64, u64, u32, u64); 7] = [
    (125, 0, 50_000, 50, 0),
    (100, 50_000, 600_000, 65, 75),
    (75, 600_000, 3_000_000, 100, 2_175),
    (50, 3_000_000, 12_000_000, 200, 32_175),
    (25, 12_000_000, 50_000_000, 250, 92_175),
    (10, 50_000_000, 100_000_000, 500, 1_342_175),
    (5, 100_000_000, 200_000_000, 1_000, 6_342_175),
];

/// The largest position value at a leverage.
pub(super) fn max_notional(leverage: u32) -> u64 {
    let fitting = BRACKETS.iter().filter(|(most, ..)| *most >= leverage);
    fitting.map(|&(_, _, cap, ..)| cap).max().unwrap_or(50_000)
}

fn success() -> Value {
    json!({"code": 200, "msg": "success"})
}

pub(super) fn account_config(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let account = &front.accounts[call.who];
    Ok(json!({
        "feeTier": 0, "canTrade": true, "canDeposit": true,
        "canWithdraw": account.config.can_withdraw, "dualSidePosition": account.hedge,
        "updateTime": 0, "multiAssetsMargin": account.multi_assets, "tradeGroupId": -1,
    }))
}

/// The rights of the key, as the wallet API tells them.
pub(super) fn key_rights(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let withdraw = front.accounts[call.who].config.can_withdraw;
    Ok(json!({
        "ipRestrict": false, "createTime": front.config.start.as_millis(),
        "enableReading": true, "enableWithdrawals": withdraw, "enableInternalTransfer": false,
        "enableMargin": false, "enableFutures": true, "permitsUniversalTransfer": false,
        "enableVanillaOptions": false, "enableSpotAndMarginTrading": false,
    }))
}

pub(super) fn symbol_config(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let account = &front.accounts[call.who];
    Ok(json!([{
        "symbol": front.config.instrument.symbol(),
        "marginType": if account.isolated { "ISOLATED" } else { "CROSSED" },
        "isAutoAddMargin": false, "leverage": account.leverage,
        "maxNotionalValue": max_notional(account.leverage).to_string(),
    }]))
}

pub(super) fn commission_rate(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let config = &front.config;
    Ok(json!({
        "symbol": config.instrument.symbol(),
        "makerCommissionRate": config.maker_fee.to_string(),
        "takerCommissionRate": config.taker_fee.to_string(),
        "rpiCommissionRate": config.maker_fee.to_string(),
    }))
}

pub(super) fn set_leverage(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let wanted = call.params.integer("leverage")?.ok_or_else(|| ApiError::missing("leverage"))?;
    let leverage = match u32::try_from(wanted) {
        Ok(leverage @ 1..=125) => leverage,
        _ => return Err(ApiError::new(-4028, format!("Leverage {wanted} is not valid"))),
    };
    call.machine.set_leverage(call.who, leverage);
    front.change_leverage(call.who, leverage, call.now);
    Ok(json!({
        "leverage": leverage, "maxNotionalValue": max_notional(leverage).to_string(),
        "symbol": front.config.instrument.symbol(),
    }))
}

pub(super) fn leverage_bracket(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let brackets = BRACKETS.iter().enumerate().map(|(index, bracket)| {
        let &(leverage, floor, cap, ratio, cum) = bracket;
        let ratio: serde_json::Number =
            format!("0.{ratio:04}").parse().unwrap_or_else(|_| 0.into());
        json!({
            "bracket": index + 1, "initialLeverage": leverage, "notionalCap": cap,
            "notionalFloor": floor, "maintMarginRatio": ratio, "cum": cum,
        })
    });
    let brackets: Vec<_> = brackets.collect();
    Ok(json!([{
        "symbol": front.config.instrument.symbol(), "notionalCoef": 1.0, "brackets": brackets,
    }]))
}

pub(super) fn set_margin_type(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    need_symbol(front, &call)?;
    let isolated = match call.params.required("marginType")? {
        "ISOLATED" => true,
        "CROSSED" => false,
        _ => return Err(ApiError::missing("marginType")),
    };
    let account = &mut front.accounts[call.who];
    if account.isolated == isolated {
        return Err(ApiError::new(-4046, "No need to change margin type."));
    }
    if isolated && account.multi_assets {
        return Err(ApiError::new(
            -4168,
            "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
        ));
    }
    if !account.open.is_empty() {
        return Err(ApiError::new(
            -4047,
            "Margin type cannot be changed if there exists open orders.",
        ));
    }
    if !account.standing.position.is_zero() {
        return Err(ApiError::new(
            -4048,
            "Margin type cannot be changed if there exists position.",
        ));
    }
    account.isolated = isolated;
    Ok(success())
}

pub(super) fn position_mode(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    Ok(json!({"dualSidePosition": front.accounts[call.who].hedge}))
}

pub(super) fn set_position_mode(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let wanted = call.params.boolean("dualSidePosition")?;
    let wanted = wanted.ok_or_else(|| ApiError::missing("dualSidePosition"))?;
    let account = &mut front.accounts[call.who];
    if account.hedge == wanted {
        return Err(ApiError::new(-4059, "No need to change position side."));
    }
    if !account.open.is_empty() {
        return Err(ApiError::new(
            -4067,
            "Position side cannot be changed if there exists open orders.",
        ));
    }
    if !account.standing.position.is_zero() {
        return Err(ApiError::new(
            -4068,
            "Position side cannot be changed if there exists position.",
        ));
    }
    account.hedge = wanted;
    Ok(success())
}

pub(super) fn multi_assets(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    Ok(json!({"multiAssetsMargin": front.accounts[call.who].multi_assets}))
}

pub(super) fn set_multi_assets(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let wanted = call.params.boolean("multiAssetsMargin")?;
    let wanted = wanted.ok_or_else(|| ApiError::missing("multiAssetsMargin"))?;
    if front.accounts[call.who].multi_assets == wanted {
        return Err(ApiError::new(-4171, "No need to change asset mode."));
    }
    front.change_asset_mode(call.who, wanted, call.now);
    Ok(success())
}

pub(super) fn fee_burn(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    Ok(json!({"feeBurn": front.accounts[call.who].fee_burn}))
}

pub(super) fn set_fee_burn(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let wanted = call.params.boolean("feeBurn")?.ok_or_else(|| ApiError::missing("feeBurn"))?;
    front.accounts[call.who].fee_burn = wanted;
    Ok(success())
}

pub(super) fn order_limits(front: &mut Front, _: Call) -> Result<Value, ApiError> {
    Ok(limits::order_rows(&front.config.limits, None).into_iter().collect())
}

pub(super) fn trading_status(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    maybe_symbol(front, &call)?;
    let (symbol, locked) = (front.config.instrument.symbol(), front.accounts[call.who].locked);
    let recover = if locked { call.now.as_millis() + 300_000 } else { 0 };
    let rows: Vec<_> = [("UFR", 0.995), ("IFER", 0.99), ("GCR", 0.99), ("DR", 0.99)]
        .iter()
        .map(|(name, trigger)| {
            json!({"isLocked": locked, "plannedRecoverTime": recover, "indicator": name,
                "value": 0.05, "triggerValue": trigger})
        })
        .collect();
    let mut indicators = json!({});
    indicators[symbol] = rows.into();
    Ok(json!({"indicators": indicators, "updateTime": call.now.as_millis()}))
}

pub(super) fn start_stream(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    Ok(json!({"listenKey": front.start_listen_key(call.who, call.now)}))
}

pub(super) fn keep_stream(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    let account = &mut front.accounts[call.who];
    match &mut account.listen_key {
        Some((key, until)) if call.now < *until => {
            *until = call.now + super::front::LISTEN_KEY_LIFE;
            Ok(json!({"listenKey": key.clone()}))
        }
        _ => Err(ApiError::new(-1125, "This listenKey does not exist.")),
    }
}

pub(super) fn close_stream(front: &mut Front, call: Call) -> Result<Value, ApiError> {
    front.accounts[call.who].listen_key = None;
    Ok(json!({}))
}
