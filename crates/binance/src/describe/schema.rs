//! Names and types of every field we know of every message we know.

/// What a field holds.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Anything.
    Any,
    /// A text.
    Text,
    /// A client order id.
    Client,
    /// Something never to be shown.
    Secret,
    /// True or false, also as a text.
    Flag,
    /// An integer, also as a text.
    Id,
    /// Milliseconds.
    Time,
    /// A decimal in quotes, or a number.
    Decimal,
    /// A list of price and quantity.
    Levels,
    /// An object.
    Object(&'static [Known]),
    /// A list of objects.
    List(&'static [Known]),
}

impl Shape {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Any | Self::Secret => "anything",
            Self::Text | Self::Client => "a text",
            Self::Flag => "true or false",
            Self::Id => "an integer",
            Self::Time => "milliseconds",
            Self::Decimal => "a decimal",
            Self::Levels => "a list of [price, quantity]",
            Self::Object(_) => "an object",
            Self::List(_) => "a list",
        }
    }
}

/// The wire's name, ours, and what it holds.
#[derive(Clone, Copy)]
pub(super) struct Known(pub(super) &'static str, pub(super) &'static str, pub(super) Shape);

/// A reply that is recognised by some of its fields. The first that fits counts.
pub(super) struct Reply {
    pub(super) keys: &'static [&'static str],
    pub(super) kind: &'static str,
    pub(super) fields: &'static [Known],
}

use Shape::{Any, Client, Decimal, Flag, Id, Levels, List, Object, Secret, Text, Time};

macro_rules! fields {
    ($($wire:literal $name:literal $shape:expr),* $(,)?) => {
        &[$(Known($wire, $name, $shape)),*]
    };
}

/// Events by name.
pub(super) const EVENTS: &[(&str, &str, &[Known])] = &[
    ("depthUpdate", "depth changes", DEPTH),
    ("bookTicker", "best bid and ask", BOOK_TICKER),
    ("aggTrade", "aggregated trade", AGG_TRADE),
    ("trade", "trade", TRADE),
    ("markPriceUpdate", "mark price", MARK),
    ("kline", "candle", KLINE),
    ("forceOrder", "liquidation", FORCE_ORDER),
    ("contractInfo", "contract information", CONTRACT),
    ("ORDER_TRADE_UPDATE", "order update", ORDER_UPDATE),
    ("TRADE_LITE", "fill, early", TRADE_LITE),
    ("ACCOUNT_UPDATE", "account update", ACCOUNT_UPDATE),
    ("MARGIN_CALL", "margin call", MARGIN_CALL),
    ("ACCOUNT_CONFIG_UPDATE", "account settings", CONFIG_UPDATE),
    ("ALGO_UPDATE", "conditional order update", ALGO_UPDATE),
    ("CONDITIONAL_ORDER_TRIGGER_REJECT", "trigger rejected", TRIGGER_REJECT),
    ("STRATEGY_UPDATE", "strategy update", STRATEGY),
    ("GRID_UPDATE", "grid update", GRID),
    ("listenKeyExpired", "listen key expired", LISTEN_KEY_EXPIRED),
];

const DEPTH: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time, "s" "symbol" Text, "ps" "pair" Text,
    "U" "first_id" Id, "u" "last_id" Id, "pu" "previous_id" Id, "b" "bids" Levels, "a" "asks" Levels,
    "st" "market" Id,
];
const BOOK_TICKER: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time, "s" "symbol" Text, "ps" "pair" Text,
    "u" "update_id" Id, "b" "bid" Decimal, "B" "bid_qty" Decimal, "a" "ask" Decimal,
    "A" "ask_qty" Decimal, "st" "market" Id,
];
const AGG_TRADE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "s" "symbol" Text, "a" "aggregate_id" Id,
    "p" "price" Decimal, "q" "qty" Decimal, "nq" "qty_without_rpi" Decimal, "f" "first_trade_id" Id,
    "l" "last_trade_id" Id, "T" "time" Time, "m" "buyer_is_maker" Flag, "st" "market" Id,
];
const TRADE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time, "s" "symbol" Text, "t" "trade_id" Id,
    "p" "price" Decimal, "q" "qty" Decimal, "X" "origin" Text, "m" "buyer_is_maker" Flag,
    "st" "market" Id,
];
const MARK: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "s" "symbol" Text, "p" "mark" Decimal,
    "ap" "mark_average" Decimal, "i" "index" Decimal, "P" "settle_estimate" Decimal,
    "r" "funding_rate" Decimal, "T" "next_funding" Time, "st" "market" Id,
];
const KLINE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "s" "symbol" Text, "ps" "pair" Text, "st" "market" Id,
    "k" "candle" Object(fields![
        "t" "opened" Time, "T" "closes" Time, "s" "symbol" Text, "i" "interval" Text,
        "f" "first_trade_id" Id, "L" "last_trade_id" Id, "o" "open" Decimal, "c" "close" Decimal,
        "h" "high" Decimal, "l" "low" Decimal, "v" "volume" Decimal, "n" "trades" Id,
        "x" "closed" Flag, "q" "quote_volume" Decimal, "V" "taker_buy_volume" Decimal,
        "Q" "taker_buy_quote_volume" Decimal, "B" "ignore" Any,
    ]),
];
const FORCE_ORDER: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "st" "market" Id,
    "o" "order" Object(fields![
        "s" "symbol" Text, "ps" "pair" Text, "S" "side" Text, "o" "type" Text,
        "f" "time_in_force" Text, "q" "qty" Decimal, "p" "price" Decimal,
        "ap" "average_price" Decimal, "X" "status" Text, "l" "last_qty" Decimal,
        "z" "filled" Decimal, "T" "time" Time,
    ]),
];
const CONTRACT: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "s" "symbol" Text, "ps" "pair" Text, "ct" "contract" Text,
    "dt" "delivery" Time, "ot" "onboarded" Time, "cs" "status" Text, "bks" "brackets" Any,
    "st" "market" Id,
];
const ORDER_UPDATE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time,
    "o" "order" Object(fields![
        "s" "symbol" Text, "c" "client_id" Client, "S" "side" Text, "o" "type" Text,
        "f" "time_in_force" Text, "q" "qty" Decimal, "p" "price" Decimal,
        "ap" "average_price" Decimal, "sp" "stop_price" Decimal, "x" "execution" Text,
        "X" "status" Text, "i" "order_id" Id, "l" "last_qty" Decimal, "z" "filled" Decimal,
        "L" "last_price" Decimal, "N" "fee_asset" Text, "n" "fee" Decimal, "T" "time" Time,
        "t" "trade_id" Id, "b" "bids_notional" Decimal, "a" "asks_notional" Decimal, "m" "maker" Flag,
        "R" "reduce_only" Flag, "wt" "working_type" Text, "ot" "original_type" Text,
        "ps" "position_side" Text, "cp" "close_all" Flag, "AP" "activation_price" Decimal,
        "cr" "callback_rate" Decimal, "pP" "price_protect" Flag, "si" "ignore_si" Any,
        "ss" "ignore_ss" Any, "rp" "realized" Decimal, "V" "self_trade_mode" Text,
        "pm" "price_match" Text, "gtd" "good_till" Time, "er" "expiry_reason" Id,
        "M" "modify_id" Id,
    ]),
];
const TRADE_LITE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time, "s" "symbol" Text, "q" "qty" Decimal,
    "p" "price" Decimal, "m" "maker" Flag, "c" "client_id" Client, "S" "side" Text,
    "L" "last_price" Decimal, "l" "last_qty" Decimal, "t" "trade_id" Id, "i" "order_id" Id,
];
const ACCOUNT_UPDATE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time,
    "a" "account" Object(fields![
        "m" "reason" Text, "S" "symbol" Text,
        "B" "balances" List(fields![
            "a" "asset" Text, "wb" "wallet" Decimal, "cw" "cross_wallet" Decimal,
            "bc" "change" Decimal,
        ]),
        "P" "positions" List(fields![
            "s" "symbol" Text, "pa" "amount" Decimal, "ep" "entry" Decimal,
            "bep" "break_even" Decimal, "cr" "realized" Decimal, "up" "unrealized" Decimal,
            "mt" "margin_type" Text, "iw" "isolated_wallet" Decimal, "ps" "position_side" Text,
            "ma" "margin_asset" Text,
        ]),
    ]),
];
const MARGIN_CALL: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "cw" "cross_wallet" Decimal,
    "p" "positions" List(fields![
        "s" "symbol" Text, "ps" "position_side" Text, "pa" "amount" Decimal, "mt" "margin_type" Text,
        "iw" "isolated_wallet" Decimal, "mp" "mark" Decimal, "up" "unrealized" Decimal,
        "mm" "maintenance_margin" Decimal,
    ]),
];
const CONFIG_UPDATE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time,
    "ac" "leverage" Object(fields!["s" "symbol" Text, "l" "leverage" Id]),
    "ai" "multi_assets" Object(fields!["j" "on" Flag]),
];
const ALGO_UPDATE: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time,
    "o" "order" Object(fields![
        "caid" "client_id" Client, "aid" "algo_id" Id, "at" "algo_type" Text, "o" "type" Text,
        "s" "symbol" Text, "S" "side" Text, "ps" "position_side" Text, "f" "time_in_force" Text,
        "q" "qty" Decimal, "X" "status" Text, "ai" "order_id" Id, "ap" "average_price" Decimal,
        "aq" "executed" Decimal, "act" "actual_type" Text, "tp" "trigger_price" Decimal,
        "p" "price" Decimal, "V" "self_trade_mode" Text, "wt" "working_type" Text,
        "pm" "price_match" Text, "cp" "close_all" Flag, "pP" "price_protect" Flag,
        "R" "reduce_only" Flag, "tt" "triggered" Time, "gtd" "good_till" Time, "rm" "reject" Text,
        "ia" "is_algo" Any,
    ]),
];
const TRIGGER_REJECT: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time,
    "or" "order" Object(fields!["s" "symbol" Text, "i" "order_id" Id, "r" "reason" Text]),
];
const STRATEGY: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time,
    "su" "strategy" Object(fields![
        "si" "strategy_id" Id, "st" "type" Text, "ss" "status" Text, "s" "symbol" Text,
        "ut" "updated" Time, "c" "opcode" Id,
    ]),
];
const GRID: &[Known] = fields![
    "e" "event" Text, "E" "event_time" Time, "T" "time" Time,
    "gu" "grid" Object(fields![
        "si" "strategy_id" Id, "st" "type" Text, "ss" "status" Text, "s" "symbol" Text,
        "r" "realized" Decimal, "up" "unmatched_price" Decimal, "uq" "unmatched_qty" Decimal,
        "uf" "unmatched_fee" Decimal, "mp" "matched_profit" Decimal, "ut" "updated" Time,
    ]),
];
const LISTEN_KEY_EXPIRED: &[Known] =
    fields!["e" "event" Text, "E" "event_time" Time, "listenKey" "listen_key" Secret];

pub(super) const CONTROL: &[Known] = fields![
    "id" "id" Any, "result" "result" Any,
    "error" "error" Object(fields!["code" "code" Id, "msg" "message" Text]),
];
pub(super) const REQUEST: &[Known] =
    fields!["id" "id" Any, "method" "method" Text, "params" "params" Any];
pub(super) const WS_REPLY: &[Known] = fields![
    "id" "id" Any, "status" "status" Id, "result" "result" Any, "error" "error" Any,
    "rateLimits" "limits" List(LIMIT),
];
pub(super) const CODE: &[Known] =
    fields!["code" "code" Id, "msg" "message" Text, "data" "data" Any];
const LIMIT: &[Known] = fields![
    "rateLimitType" "counts" Text, "interval" "interval" Text, "intervalNum" "intervals" Id,
    "limit" "limit" Id, "count" "used" Id,
];

const ORDER: &[Known] = fields![
    "clientOrderId" "client_id" Client, "orderId" "order_id" Id, "symbol" "symbol" Text,
    "pair" "pair" Text, "side" "side" Text, "positionSide" "position_side" Text,
    "status" "status" Text, "type" "type" Text, "origType" "original_type" Text,
    "timeInForce" "time_in_force" Text, "price" "price" Decimal, "avgPrice" "average_price" Decimal,
    "origQty" "qty" Decimal, "executedQty" "filled" Decimal, "cumQty" "filled_too" Decimal,
    "cumQuote" "filled_quote" Decimal, "cumBase" "filled_base" Decimal,
    "stopPrice" "stop_price" Decimal, "activatePrice" "activation_price" Decimal,
    "priceRate" "callback_rate" Decimal, "reduceOnly" "reduce_only" Flag,
    "closePosition" "close_all" Flag, "workingType" "working_type" Text,
    "priceProtect" "price_protect" Flag, "priceMatch" "price_match" Text,
    "selfTradePreventionMode" "self_trade_mode" Text, "goodTillDate" "good_till" Time,
    "modifyId" "modify_id" Id, "time" "created" Time, "updateTime" "updated" Time,
    "code" "code" Id, "msg" "message" Text,
];
const ALGO_ORDER: &[Known] = fields![
    "algoId" "algo_id" Id, "clientAlgoId" "client_id" Client, "algoType" "algo_type" Text,
    "orderType" "type" Text, "symbol" "symbol" Text, "side" "side" Text,
    "positionSide" "position_side" Text, "timeInForce" "time_in_force" Text, "quantity" "qty" Decimal,
    "algoStatus" "status" Text, "actualOrderId" "order_id" Id, "actualPrice" "actual_price" Decimal,
    "triggerPrice" "trigger_price" Decimal, "price" "price" Decimal, "icebergQuantity" "iceberg" Any,
    "tpTriggerPrice" "take_profit_trigger" Decimal, "tpPrice" "take_profit" Decimal,
    "slTriggerPrice" "stop_loss_trigger" Decimal, "slPrice" "stop_loss" Decimal,
    "tpOrderType" "take_profit_type" Text, "selfTradePreventionMode" "self_trade_mode" Text,
    "workingType" "working_type" Text, "priceMatch" "price_match" Text,
    "closePosition" "close_all" Flag, "priceProtect" "price_protect" Flag,
    "reduceOnly" "reduce_only" Flag, "activatePrice" "activation_price" Decimal,
    "callbackRate" "callback_rate" Decimal, "createTime" "created" Time, "updateTime" "updated" Time,
    "triggerTime" "triggered" Time, "goodTillDate" "good_till" Time, "code" "code" Id,
    "msg" "message" Text,
];
const USER_TRADE: &[Known] = fields![
    "symbol" "symbol" Text, "pair" "pair" Text, "id" "trade_id" Id, "orderId" "order_id" Id,
    "side" "side" Text, "positionSide" "position_side" Text, "price" "price" Decimal,
    "qty" "qty" Decimal, "baseQty" "base_qty" Decimal, "quoteQty" "quote_qty" Decimal,
    "realizedPnl" "realized" Decimal, "commission" "fee" Decimal, "commissionAsset" "fee_asset" Text,
    "marginAsset" "margin_asset" Text, "time" "time" Time, "buyer" "buyer" Flag, "maker" "maker" Flag,
];
const POSITION: &[Known] = fields![
    "symbol" "symbol" Text, "positionSide" "position_side" Text, "positionAmt" "amount" Decimal,
    "entryPrice" "entry" Decimal, "breakEvenPrice" "break_even" Decimal, "markPrice" "mark" Decimal,
    "unRealizedProfit" "unrealized" Decimal, "unrealizedProfit" "unrealized" Decimal,
    "liquidationPrice" "liquidation" Decimal, "isolatedMargin" "isolated_margin" Decimal,
    "notional" "notional" Decimal, "marginAsset" "margin_asset" Text,
    "isolatedWallet" "isolated_wallet" Decimal, "initialMargin" "initial_margin" Decimal,
    "maintMargin" "maintenance_margin" Decimal, "positionInitialMargin" "position_margin" Decimal,
    "openOrderInitialMargin" "order_margin" Decimal, "adl" "adl" Id,
    "bidNotional" "bids_notional" Decimal, "askNotional" "asks_notional" Decimal,
    "leverage" "leverage" Id, "marginType" "margin_type" Text, "isAutoAddMargin" "auto_margin" Flag,
    "maxNotionalValue" "max_notional" Any, "maxNotional" "max_notional" Any,
    "isolated" "isolated" Flag, "updateTime" "updated" Time,
];
const ASSET: &[Known] = fields![
    "accountAlias" "alias" Text, "asset" "asset" Text, "balance" "wallet" Decimal,
    "walletBalance" "wallet" Decimal, "unrealizedProfit" "unrealized" Decimal,
    "marginBalance" "margin_balance" Decimal, "maintMargin" "maintenance_margin" Decimal,
    "initialMargin" "initial_margin" Decimal, "positionInitialMargin" "position_margin" Decimal,
    "openOrderInitialMargin" "order_margin" Decimal, "crossWalletBalance" "cross_wallet" Decimal,
    "crossUnPnl" "cross_unrealized" Decimal, "availableBalance" "available" Decimal,
    "maxWithdrawAmount" "withdrawable" Decimal, "marginAvailable" "is_margin" Flag,
    "updateTime" "updated" Time,
];
const ACCOUNT: &[Known] = fields![
    "feeTier" "fee_tier" Id, "feeBurn" "fee_in_bnb" Flag, "canTrade" "can_trade" Flag,
    "canDeposit" "can_deposit" Flag, "canWithdraw" "can_withdraw" Flag, "updateTime" "updated" Time,
    "multiAssetsMargin" "multi_assets" Flag, "tradeGroupId" "trade_group" Id,
    "dualSidePosition" "hedge_mode" Flag,
    "totalInitialMargin" "usdt_initial_margin" Decimal,
    "totalMaintMargin" "usdt_maintenance_margin" Decimal,
    "totalWalletBalance" "usdt_wallet" Decimal, "totalUnrealizedProfit" "usdt_unrealized" Decimal,
    "totalMarginBalance" "usdt_margin_balance" Decimal,
    "totalPositionInitialMargin" "usdt_position_margin" Decimal,
    "totalOpenOrderInitialMargin" "usdt_order_margin" Decimal,
    "totalCrossWalletBalance" "usdt_cross_wallet" Decimal,
    "totalCrossUnPnl" "usdt_cross_unrealized" Decimal, "availableBalance" "usdt_available" Decimal,
    "maxWithdrawAmount" "usdt_withdrawable" Decimal, "assets" "assets" List(ASSET),
    "positions" "positions" List(POSITION),
];
const FILTER: &[Known] = fields![
    "filterType" "filter" Text, "minPrice" "min_price" Decimal, "maxPrice" "max_price" Decimal,
    "tickSize" "tick" Decimal, "minQty" "min_qty" Decimal, "maxQty" "max_qty" Decimal,
    "stepSize" "step" Decimal, "limit" "limit" Id, "notional" "min_notional" Decimal,
    "multiplierUp" "band_up" Decimal, "multiplierDown" "band_down" Decimal,
    "multiplierDecimal" "band_decimals" Id, "positionControlSide" "position_control" Text,
];
const SYMBOL: &[Known] = fields![
    "symbol" "symbol" Text, "pair" "pair" Text, "contractType" "contract" Text,
    "deliveryDate" "delivery" Time, "onboardDate" "onboarded" Time, "status" "status" Text,
    "maintMarginPercent" "maintenance_margin_percent" Decimal,
    "requiredMarginPercent" "required_margin_percent" Decimal, "baseAsset" "base" Text,
    "quoteAsset" "quote" Text, "marginAsset" "margin_asset" Text,
    "pricePrecision" "price_decimals" Id, "quantityPrecision" "qty_decimals" Id,
    "baseAssetPrecision" "base_decimals" Id, "quotePrecision" "quote_decimals" Id,
    "underlyingType" "underlying" Text, "underlyingSubType" "categories" Any,
    "settlePlan" "settle_plan" Any, "triggerProtect" "trigger_protect" Decimal,
    "liquidationFee" "liquidation_fee" Decimal, "marketTakeBound" "market_take_bound" Decimal,
    "maxMoveOrderLimit" "max_amendments" Id, "filters" "filters" List(FILTER),
    "orderTypes" "order_types" Any, "timeInForce" "times_in_force" Any,
    "permissionSets" "permissions" Any,
];

/// REST bodies and WS-API results, the most telling first.
pub(super) const REPLIES: &[Reply] = &[
    Reply {
        keys: &["symbols", "rateLimits"],
        kind: "exchange information",
        fields: fields![
            "timezone" "timezone" Text, "serverTime" "made" Time, "futuresType" "futures" Text,
            "rateLimits" "limits" List(LIMIT), "exchangeFilters" "exchange_filters" Any,
            "assets" "assets" List(fields!["asset" "asset" Text, "marginAvailable" "is_margin" Flag,
                "autoAssetExchange" "auto_exchange" Decimal]),
            "symbols" "symbols" List(SYMBOL),
        ],
    },
    Reply { keys: &["lastUpdateId", "bidPrice"], kind: "best bid and ask", fields: TICKER },
    Reply {
        keys: &["lastUpdateId"],
        kind: "depth snapshot",
        fields: fields![
            "lastUpdateId" "last_id" Id, "E" "event_time" Time, "T" "time" Time, "symbol" "symbol" Text,
            "pair" "pair" Text, "bids" "bids" Levels, "asks" "asks" Levels,
        ],
    },
    Reply { keys: &["assets", "positions"], kind: "account", fields: ACCOUNT },
    Reply { keys: &["algoId"], kind: "conditional order", fields: ALGO_ORDER },
    Reply {
        keys: &["amendmentId"],
        kind: "amendment",
        fields: fields![
            "amendmentId" "amendment_id" Id, "symbol" "symbol" Text, "pair" "pair" Text,
            "orderId" "order_id" Id, "clientOrderId" "client_id" Client, "time" "time" Time,
            "amendment" "amendment" Any,
        ],
    },
    Reply { keys: &["commission", "orderId"], kind: "fill", fields: USER_TRADE },
    Reply { keys: &["orderId", "status"], kind: "order", fields: ORDER },
    Reply { keys: &["positionAmt"], kind: "position", fields: POSITION },
    Reply {
        keys: &["incomeType"],
        kind: "income",
        fields: fields![
            "symbol" "symbol" Text, "incomeType" "type" Text, "income" "amount" Decimal,
            "asset" "asset" Text, "info" "info" Text, "time" "time" Time, "tranId" "id" Id,
            "tradeId" "trade_id" Id,
        ],
    },
    Reply { keys: &["asset", "balance"], kind: "balance", fields: ASSET },
    Reply { keys: &["canTrade"], kind: "account settings", fields: ACCOUNT },
    Reply {
        keys: &["makerCommissionRate"],
        kind: "commission rate",
        fields: fields![
            "symbol" "symbol" Text, "makerCommissionRate" "maker" Decimal,
            "takerCommissionRate" "taker" Decimal, "rpiCommissionRate" "rpi" Decimal,
        ],
    },
    Reply { keys: &["symbol", "marginType"], kind: "symbol settings", fields: POSITION },
    Reply { keys: &["leverage", "symbol"], kind: "leverage", fields: POSITION },
    Reply {
        keys: &["countdownTime"],
        kind: "dead-man's switch",
        fields: fields![
            "symbol" "symbol" Text, "countdownTime" "countdown_ms" Id,
        ],
    },
    Reply {
        keys: &["indicators"],
        kind: "trading status",
        fields: fields![
            "indicators" "indicators" Any, "updateTime" "updated" Time,
        ],
    },
    Reply { keys: &["rateLimitType"], kind: "rate limit", fields: LIMIT },
    Reply {
        keys: &["markPrice", "lastFundingRate"],
        kind: "mark price",
        fields: fields![
            "symbol" "symbol" Text, "markPrice" "mark" Decimal, "indexPrice" "index" Decimal,
            "estimatedSettlePrice" "settle_estimate" Decimal, "lastFundingRate" "funding_rate" Decimal,
            "interestRate" "interest_rate" Decimal, "nextFundingTime" "next_funding" Time,
            "time" "time" Time,
        ],
    },
    Reply { keys: &["bidPrice"], kind: "best bid and ask", fields: TICKER },
    Reply {
        keys: &["fundingRate"],
        kind: "funding rate",
        fields: fields![
            "symbol" "symbol" Text, "fundingTime" "time" Time, "fundingRate" "rate" Decimal,
            "markPrice" "mark" Decimal, "rateType" "type" Text,
        ],
    },
    Reply {
        keys: &["fundingIntervalHours"],
        kind: "funding rules",
        fields: fields![
            "symbol" "symbol" Text, "adjustedFundingRateCap" "cap" Decimal,
            "adjustedFundingRateFloor" "floor" Decimal, "fundingIntervalHours" "hours" Id,
            "disclaimer" "disclaimer" Flag, "updateTime" "updated" Time,
        ],
    },
    Reply {
        keys: &["notionalCoef"],
        kind: "leverage brackets",
        fields: fields![
            "symbol" "symbol" Text, "notionalCoef" "coefficient" Decimal, "brackets" "brackets" Any,
        ],
    },
    Reply {
        keys: &["adlQuantile"],
        kind: "auto-deleveraging queue",
        fields: fields![
            "symbol" "symbol" Text, "adlQuantile" "quantiles" Any,
        ],
    },
    Reply { keys: &["dualSidePosition"], kind: "position mode", fields: ACCOUNT },
    Reply { keys: &["multiAssetsMargin"], kind: "multi-assets mode", fields: ACCOUNT },
    Reply { keys: &["feeBurn"], kind: "fee in BNB", fields: ACCOUNT },
    Reply {
        keys: &["listenKey"],
        kind: "listen key",
        fields: fields!["listenKey" "listen_key" Secret],
    },
    Reply { keys: &["authorizedSince"], kind: "session", fields: SESSION },
    Reply { keys: &["connectedSince"], kind: "session", fields: SESSION },
    Reply { keys: &["a", "p", "q", "m"], kind: "aggregated trade", fields: AGG_TRADE },
    Reply { keys: &["serverTime"], kind: "server time", fields: fields!["serverTime" "time" Time] },
    Reply { keys: &["code", "msg"], kind: "error", fields: CODE },
];

const TICKER: &[Known] = fields![
    "symbol" "symbol" Text, "pair" "pair" Text, "bidPrice" "bid" Decimal, "bidQty" "bid_qty" Decimal,
    "askPrice" "ask" Decimal, "askQty" "ask_qty" Decimal, "time" "time" Time,
    "lastUpdateId" "update_id" Id,
];
const SESSION: &[Known] = fields![
    "apiKey" "api_key" Secret, "authorizedSince" "authorized" Time, "connectedSince" "connected" Time,
    "returnRateLimits" "counters" Flag, "serverTime" "server_time" Time,
];
