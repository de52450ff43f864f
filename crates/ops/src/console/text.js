"use strict";
// Every word the console shows, in both languages. `data-t` attributes and t() look them up here.
const TEXT = {
  en: {
    pause: "Pause", resume: "Resume", halt: "HALT", flatten: "Flatten", resetBreaker: "Reset breaker", cancel: "Cancel", close: "Close",
    health: "health", healthy: "healthy", unhealthy: "unhealthy", unknown: "unknown", byOperator: "halted by operator", byPause: "paused by operator",
    totalPnl: "Total PnL", dayPnl: "Today (UTC)", realized: "Realized", unrealized: "Unrealized", realizedLow: "realized", unrealizedLow: "unrealized", total: "total", fees: "Fees", equity: "Equity",
    marketSpread: "Market spread", ourSpread: "Our spread", volatility: "Volatility", fillRatio: "Fill ratio", successRate: "Order success",
    depth: "Depth", ours: "Ours", ownLive: "ours, live", ownWanted: "wanted", price: "Price", size: "Size", sum: "Sum", mark: "Mark", funding: "Funding", imbalance: "Imbalance",
    pnl: "PnL", position: "Position", notConfirmed: "not confirmed", fills: "Fills", time: "Time", side: "Side", qty: "Qty", value: "Value", fee: "Fee", edge: "Edge", posAfter: "Position", noFills: "No fills yet",
    risk: "Risk", breaker: "Circuit breaker", deadMan: "Dead-man's switch", userStream: "User stream", drawdown: "Drawdown (max)", orders: "Open orders", filled: "Filled", state: "State", age: "Age", noOrders: "No open orders", alerts: "Alerts", noAlerts: "No alerts",
    live: "live", connecting: "connecting", disconnected: "disconnected", entry: "entry", volume: "volume", failures: "failures", opened: "opened", retry: "trial in", armed: "armed", notArmed: "not armed", up: "up", down: "down", buy: "Buy", sell: "Sell", noData: "waiting for the first snapshot", silent: "engine silent",
    staleBanner: s => `DISCONNECTED — what you see is ${s} s old and not live`, waitingBanner: "Connecting… nothing shown is live",
    frozenBanner: s => `The engine has published nothing for ${s} s — what you see is not live`,
    tokenNeeded: "A token is needed", tokenWrong: "That token was wrong", tokenTitle: "API token", tokenText: "Actions need the operator's token (api.token, or the link that `trader` printed at start). It stays in this browser tab only.", save: "Use token", forget: "Forget",
    haltTitle: "Halt trading?", haltText: "Cancels every order and stays halted until deliberately resumed. The position stays open.", haltOk: "Halt now",
    flattenTitle: "Flatten the position?", flattenText: "Cancels every order, closes the position with reduce-only orders and stays halted. This can cost the spread and fees.", flattenOk: "Flatten now",
    resumeTitle: "Trading is halted", resumeText: "A pause alone can be lifted without touching the halt. Lift the halt only when its cause is understood:", clearHalt: "Resume and clear the halt", keepHalt: "Lift the pause only",
    resetTitle: "Reset the circuit breaker?", resetText: "Closes the breaker now instead of waiting for its trial.", resetOk: "Reset", done: "sent: ", failed: "failed: ",
    sent: "placed", accepted: "accepted", rejected: "rejected", canceled: "canceled", postOnly: "post-only rejected", refused: "refused", inDoubt: "in doubt", anomalies: "anomalies", uptime: "up",
  },
  zh: {
    pause: "暂停", resume: "恢复", halt: "停机", flatten: "平仓", resetBreaker: "复位熔断", cancel: "取消", close: "关闭",
    health: "健康", healthy: "健康", unhealthy: "异常", unknown: "未知", byOperator: "操作员已停机", byPause: "操作员已暂停",
    totalPnl: "总盈亏", dayPnl: "今日 (UTC)", realized: "已实现", unrealized: "未实现", realizedLow: "已实现", unrealizedLow: "未实现", total: "总计", fees: "手续费", equity: "权益",
    marketSpread: "市场价差", ourSpread: "我方价差", volatility: "波动率", fillRatio: "成交率", successRate: "下单成功率",
    depth: "盘口深度", ours: "我方", ownLive: "我方在册", ownWanted: "想挂", price: "价格", size: "数量", sum: "累计", mark: "标记价", funding: "资金费率", imbalance: "失衡度",
    pnl: "盈亏", position: "持仓", notConfirmed: "未确认", fills: "成交", time: "时间", side: "方向", qty: "数量", value: "金额", fee: "费用", edge: "边际", posAfter: "持仓", noFills: "暂无成交",
    risk: "风控", breaker: "熔断器", deadMan: "失联保护", userStream: "用户数据流", drawdown: "回撤 (最大)", orders: "当前挂单", filled: "已成交", state: "状态", age: "时长", noOrders: "无挂单", alerts: "告警", noAlerts: "无告警",
    live: "实时", connecting: "连接中", disconnected: "已断开", entry: "均价", volume: "成交额", failures: "连续失败", opened: "触发", retry: "试探倒计时", armed: "已启用", notArmed: "未启用", up: "正常", down: "断开", buy: "买", sell: "卖", noData: "等待首个快照", silent: "引擎无响应",
    staleBanner: s => `连接已断开 — 当前数据是 ${s} 秒前的，并非实时`, waitingBanner: "连接中… 当前显示并非实时",
    frozenBanner: s => `引擎已 ${s} 秒未发布数据 — 当前显示并非实时`,
    tokenNeeded: "需要令牌", tokenWrong: "令牌不对", tokenTitle: "API 令牌", tokenText: "操作需要操作员令牌（api.token，或 `trader` 启动时打印的链接）。令牌只保存在此浏览器标签页中。", save: "使用令牌", forget: "清除",
    haltTitle: "确认停机？", haltText: "撤销全部挂单并保持停机，直到人工恢复。持仓保留。", haltOk: "立即停机",
    flattenTitle: "确认平仓？", flattenText: "撤销全部挂单，以只减仓订单平掉持仓，并保持停机。可能付出价差与手续费。", flattenOk: "立即平仓",
    resumeTitle: "交易已停机", resumeText: "可以只解除暂停而保留停机。查明原因后才应解除停机：", clearHalt: "恢复并解除停机", keepHalt: "只解除暂停",
    resetTitle: "复位熔断器？", resetText: "立即闭合熔断器，不等待半开试探。", resetOk: "复位", done: "已发送：", failed: "失败：",
    sent: "下单", accepted: "接受", rejected: "拒绝", canceled: "撤单", postOnly: "只挂单拒绝", refused: "风控拒绝", inDoubt: "存疑", anomalies: "异常", uptime: "运行",
  },
};
// Names that come from the engine. What is not listed is shown as it came.
const NAMES = {
  zh: {
    quoting: "报价中", reduce_only: "只减仓", halted: "已停机", paused: "已暂停", low: "低", medium: "中", high: "高", critical: "严重", closed: "正常", open: "熔断", half_open: "半开",
    synced: "已同步", empty: "空", gapped: "缺口", stale: "过期", one_sided: "单边", crossed: "交叉", live: "在册", pending_new: "待确认", pending_amend: "改单中", pending_cancel: "撤单中", in_doubt: "存疑",
    shutdown: "正在停止", operator_halt: "人工停机", drawdown: "回撤超限", daily_loss: "日亏损超限", breaker_open: "熔断", drift: "与交易所不一致", user_stream_down: "用户流断开", position_unknown: "持仓未确认", book_empty: "盘口为空", book_gapped: "盘口缺口", book_stale: "盘口过期", book_one_sided: "盘口单边", book_crossed: "盘口交叉", dead_man_unarmed: "失联保护未启用", position_limit: "持仓超限", warmup: "预热中", below_minimum: "低于最小下单量", below_minimum: "低于最小下单量",
    daily_loss_limit: "日亏损限额", max_drawdown_limit: "最大回撤", max_position: "最大持仓", max_orders_per_second: "每秒下单", max_orders_per_minute: "每分钟下单", max_open_orders: "挂单数", max_inventory: "最大库存",
    market_data: "行情", user_stream: "用户流", dead_man: "失联保护", foreign_order: "外部订单", operator: "操作员", flattened: "已平仓", anomaly: "异常", info: "信息", warning: "警告", error: "错误",
  },
  en: {
    daily_loss_limit: "Daily loss", max_drawdown_limit: "Drawdown", max_position: "Position", max_orders_per_second: "Orders / second", max_orders_per_minute: "Orders / minute", max_open_orders: "Open orders", max_inventory: "Inventory",
  },
};
