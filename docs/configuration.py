#!/usr/bin/env python3
"""Writes the tables of docs/CONFIGURATION.md and docs/zh/CONFIGURATION.md from the program's own schema.

Usage: target/release/trader check --schema | python3 docs/configuration.py

Only what stands between the two marker comments of each page is replaced. A key or section without
a Chinese text, and a Chinese text without a key, is an error.
"""
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"

SECTIONS_ZH = {
    "": "顶层",
    "exchange": "交易场所，以及怎样连上它。",
    "exchange.fees": "场所不报告费率时采用的费率。",
    "exchange.dead_man": "场所一侧的失联保护开关：我们一旦沉默，它撤掉全部订单。",
    "strategy": "报什么价。",
    "strategy.requote": "什么时候把活动订单移到目标上。",
    "strategy.volatility": "波动率怎样估计；都以每平方根秒计。",
    "strategy.dynamic_spread": "随波动率、库存和订单簿加宽价差。",
    "risk": "任何订单都不能越过的限制。",
    "risk.circuit_breaker": "连续失败或触及硬限制之后，由什么停止交易。",
    "risk.flatten": "怎样平掉仓位。",
    "monitoring": "指标。",
    "api": "HTTP API 与控制台。",
    "logging": "日志。",
    "data": "磁盘上保存什么。",
    "data.journal": "引擎每一个输入的记录，用于重放。",
    "store": "会话、订单、成交、盈亏、风控事件与资金的数据库。",
    "simulation": "模拟盘用的内嵌模拟交易所。",
    "simulation.latency": "模拟交易所的延迟。",
}
KEYS_ZH = {
    "mode": "paper 在内嵌模拟交易所上交易，live 用真钱。",
    "exchange.name": "交易场所。",
    "exchange.api_key": "API key；只有实盘需要。",
    "exchange.api_secret": "与 api_key 配对的密钥。",
    "exchange.api_key_file": "存放 API key 的文件，代替 api_key（systemd credentials）。",
    "exchange.api_secret_file": "存放密钥的文件，代替 api_secret（systemd credentials）。",
    "exchange.testnet": "等同于 network: testnet。",
    "exchange.network": "mainnet 是真钱，demo 和 testnet 是场所的模拟资金，custom 由 base_url 指定。",
    "exchange.base_url": "一个地址上提供一切的模拟交易所，例如 http://127.0.0.1:8080；用于 network: custom。",
    "exchange.paths": "routed 使用 /public、/market、/private 三个连接，legacy 如 2026-04 之前只用一个。",
    "exchange.arm": "只有它写作“合约 mainnet”（例如 ETHUSDC mainnet），或带 --arm-live 启动，才动用真钱。",
    "exchange.order_path": "ws_api 经 WebSocket API 发单，断线期间走 REST；rest 只走 REST。",
    "exchange.connections": "取 2 时，任一行情连接断开都不会有缺口。",
    "exchange.recv_window": "请求晚于它到达，场所就拒绝，这样过时的订单不会被执行。",
    "exchange.max_clock_offset": "我们与场所的时钟最多相差这么多；超过就不报价。",
    "exchange.leverage": "账户在这个合约上必须设成的杠杆。",
    "exchange.apply_settings": "没有仓位也没有订单时，启动时自行设置杠杆、全仓和单向持仓。",
    "exchange.allow_withdrawals": "API key 能提现也照样交易；key 一旦被盗，损失的是全部。",
    "exchange.proxy": "所有连接用的代理（http:// 或 socks5://），代替环境变量里的那些。",
    "exchange.ca_file": "除公共证书机构外，还信任的证书机构（PEM 文件）。",
    "exchange.ack_timeout": "请求超过这么久没有回答，就算存疑，转为查询。",
    "exchange.reconcile_interval": "即使没有疑点，也每隔这么久把订单、持仓和钱包与场所核对一次。",
    "exchange.fees.maker": "挂单成交的费率；负数是返佣。",
    "exchange.fees.taker": "吃单成交的费率。",
    "exchange.dead_man.countdown": "超过这么久没有续期，场所撤掉我们的全部订单。",
    "exchange.dead_man.refresh": "多久续期一次；小于倒计时的一半，这样丢一次也无妨。",
    "strategy.name": "运行的策略。",
    "strategy.symbol": "合约，按场所的写法。",
    "strategy.base_spread": "完整的报价价差；买卖两侧各离报价中心一半。",
    "strategy.base_size": "每一档的数量。",
    "strategy.max_inventory": "库存（多或空）超过它以后，只报减仓的一侧。",
    "strategy.skew_factor": "库存到 max_inventory 时，报价中心逆着库存移动多少。",
    "strategy.tick_interval": "两次决策之间的最长时间；有事件时可以更早。",
    "strategy.levels": "每侧报几档。",
    "strategy.level_spacing": "相邻两档的距离。",
    "strategy.min_spread": "完整价差的下限。",
    "strategy.max_spread": "完整价差的上限。",
    "strategy.fee_edge": "在 maker 费率之上，每侧还想要的利润。",
    "strategy.requote.on": "event：行情一动就决策；interval：只按 tick_interval。",
    "strategy.requote.min_interval": "同一档两次改动之间的最短时间。",
    "strategy.requote.price_tolerance": "离目标价这么近的订单不动。",
    "strategy.requote.size_tolerance": "离目标数量这么近的订单不动。",
    "strategy.requote.amend": "原地改单，而不是撤了再下。",
    "strategy.volatility.estimator": "用哪种方法估计波动率。",
    "strategy.volatility.grid": "ewma 对中间价取样的间隔。",
    "strategy.volatility.half_life": "ewma：样本过这么久，权重减半。",
    "strategy.volatility.bar": "用 K 线的估计方法：一根的长度。",
    "strategy.volatility.bars": "用 K 线的估计方法：窗口里有几根。",
    "strategy.volatility.warmup": "这段时间内的估计还不可信。",
    "strategy.volatility.floor": "估计值的下限。",
    "strategy.volatility.cap": "估计值的上限。",
    "strategy.dynamic_spread.enabled": "让价差随市场状态加宽。",
    "strategy.dynamic_spread.vol_multiplier": "在 horizon 上，每单位波动率加多少价差。",
    "strategy.dynamic_spread.horizon": "一个报价暴露在波动之下的时间。",
    "strategy.dynamic_spread.inventory_widen": "库存满时的相对加宽。",
    "strategy.dynamic_spread.imbalance_widen": "深度全在一侧时的相对加宽。",
    "strategy.dynamic_spread.depth_widen": "订单簿空时的相对加宽。",
    "strategy.dynamic_spread.depth_reference": "每侧达到这么多，就算订单簿够深。",
    "strategy.dynamic_spread.depth_levels": "每侧把几档加起来当作深度。",
    "risk.daily_loss_limit": "自 UTC 00:00 起亏到这么多就停止交易，直到下一个 UTC 00:00。",
    "risk.max_drawdown_limit": "从权益峰值跌这么多就停止交易。",
    "risk.max_position": "最大仓位（多或空），未成交订单计算在内。",
    "risk.max_order_value": "单个订单的最大价值。",
    "risk.max_order_qty": "单个订单的最大数量。",
    "risk.price_collar": "订单价离中间价最远多少。",
    "risk.max_orders_per_second": "每秒下单与改单请求数。",
    "risk.max_orders_per_minute": "每分钟下单与改单请求数。",
    "risk.max_open_orders": "同时未了结的订单数。",
    "risk.max_book_age": "订单簿这么久没更新，就不在上面报价。",
    "risk.circuit_breaker.threshold": "连续失败多少次熔断。",
    "risk.circuit_breaker.timeout": "熔断后过多久允许试运行。",
    "risk.flatten.patience": "平仓时先让 post-only 单挂这么久，然后才吃单。",
    "risk.flatten.slippage": "平仓时最多偏离中间价多少。",
    "monitoring.prometheus_port": "给 Prometheus 的 /metrics 端口；0 取任意空闲端口。",
    "monitoring.metrics_interval": "慢指标多久刷新一次。",
    "api.listen": "HTTP API 与控制台的地址；端口 0 取任意空闲端口。",
    "api.token": "控制请求，以及来自别处的读取，必须带的 bearer 令牌。",
    "api.token_file": "存放令牌的文件，代替 token（systemd credentials）。",
    "logging.level": "记录的最低级别。",
    "logging.format": "json 给机器，pretty 给人。",
    "logging.outputs": "日志写到哪里。",
    "logging.file_path": "日志文件；outputs 含 file 时必须给。",
    "logging.max_size": "日志文件到这么大就轮转。",
    "logging.max_backups": "保留几个轮转出来的文件。",
    "logging.max_age": "轮转出来的文件到这个年龄就删除，哪怕没剩几个。",
    "data.dir": "存储与日记（journal）的目录。",
    "data.journal.enabled": "记录引擎的每一个输入，使会话可以重放。",
    "data.journal.max_bytes": "全部会话的总大小；超过就删最旧的，正在写的从不删。",
    "data.journal.max_age": "结束超过这么久的会话会被删掉，不论多小。",
    "store.enabled": "保存这些记录；以最快速度运行（--speed max）时从不保存。",
    "store.url": "PostgreSQL 数据库，例如 postgres://user:password@host:5432/name，代替 data.dir 里的文件 store.sqlite。",
    "store.url_file": "存放该地址的文件，代替 url（systemd credentials）。",
    "store.ca_file": "PostgreSQL 走 TLS 时，除公共证书机构外还信任的证书机构（PEM 文件）。",
    "store.trader": "这个交易程序在数据库里的名字；共用一个数据库的必须各不相同。",
    "store.halt_after": "数据库故障超过这么久就停止交易；0s 表示从不停止。",
    "store.pnl_interval": "多久保存一次持仓与盈亏。",
    "simulation.seed": "模拟交易所里一切随机的种子。",
    "simulation.balance": "起始余额。",
    "simulation.latency.feed": "行情到我们这里的延迟。",
    "simulation.latency.entry": "请求到交易所的延迟。",
    "simulation.latency.response": "回答到我们这里的延迟。",
}
HEADS = {
    "en": ("| key | type | default | unit, range | live | meaning |", "top level"),
    "zh": ("| 键 | 类型 | 默认 | 单位与范围 | 可热改 | 含义 |", "顶层"),
}


def walk(schema, path=""):
    """Every section as (path, description, its own keys), outer before inner."""
    keys, inner = [], []
    for name, node in schema["properties"].items():
        where = f"{path}.{name}" if path else name
        if node.get("type") == "object":
            inner += walk(node, where)
        else:
            keys.append((where, node, name in schema.get("required", [])))
    return [(path, schema["description"], keys)] + inner


def kind(node):
    plain = node["anyOf"][0] if "anyOf" in node else node
    if "enum" in plain:
        return "one of " + ", ".join(f"`{word}`" for word in plain["enum"])
    if plain["type"] == "array":
        return "list of " + ", ".join(f"`{word}`" for word in plain["items"]["enum"])
    if "pattern" in plain and plain["pattern"].startswith("^[0-9]+("):
        return "duration"
    return "secret" if node.get("writeOnly") else plain["type"]


def default(node, required):
    if required:
        return "**required**"
    if "x-default-same-as" in node:
        return f"as `{node['x-default-same-as']}`"
    if "default" not in node:
        return "none"
    value = node["default"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def table(schema, language):
    head, top = HEADS[language]
    lines = []
    for path, description, keys in walk(schema):
        about = description if language == "en" else SECTIONS_ZH[path]
        lines += ["", f"### {f'`{path}`' if path else top}", "", about, "" ]
        if not path:
            lines[-2:] = []
        if keys:
            lines += ["", head, "|---|---|---|---|---|---|"] if not path else [head, "|---|---|---|---|---|---|"]
        for where, node, required in keys:
            limits = ", ".join(x for x in (node.get("x-unit", ""), node.get("x-range", "")) if x)
            meaning = node["description"] if language == "en" else KEYS_ZH[where]
            live = {"en": ("restart", "yes"), "zh": ("需重启", "是")}[language][node["x-reload"]]
            lines.append(
                f"| `{where}` | {kind(node)} | {default(node, required)} | {limits} | {live} | {meaning} |"
            )
    return "\n".join(lines).replace("\n\n\n", "\n\n").strip()


def main():
    schema = json.load(sys.stdin)
    known = {where for _, _, keys in walk(schema) for where, _, _ in keys}
    if stray := sorted(set(KEYS_ZH) - known):
        sys.exit(f"Chinese texts without a key: {', '.join(stray)}")
    if missing := sorted(known - set(KEYS_ZH)):
        sys.exit(f"keys without a Chinese text: {', '.join(missing)}")
    for page, language in [("CONFIGURATION.md", "en"), ("zh/CONFIGURATION.md", "zh")]:
        file = HERE / page
        before, rest = file.read_text().split(BEGIN)
        _, after = rest.split(END)
        file.write_text(f"{before}{BEGIN}\n{table(schema, language)}\n{END}{after}")
        print(f"{file}: {len(known)} keys")


main()
