"""ccxt over REST, unchanged but for the base URL."""

import sys

import ccxt

from steps import Steps, away, expect, refused

MARKET = "ETH/USDC:USDC"


def exchange(address, key, secret):
    """ccxt's own class for USD-M futures with its URLs pointed at the exchange under test."""
    client = ccxt.binanceusdm({"apiKey": key, "secret": secret, "enableRateLimit": False})
    client.options["fetchMarkets"] = {"types": ["linear"]}
    client.options["fetchCurrencies"] = False
    client.options["fetchMargins"] = False
    for name, url in client.urls["api"].items():
        if name.startswith("fapi"):
            client.urls["api"][name] = url.replace("https://fapi.binance.com", f"http://{address}")
    return client


def market_data(client, steps):
    markets = client.load_markets()
    market = markets[MARKET]
    expect(market["id"] == "ETHUSDC" and market["swap"] and market["linear"], market)
    expect(market["precision"]["price"] == 0.01 and market["precision"]["amount"] == 0.001, market)
    expect(market["limits"]["cost"]["min"] == 20, market["limits"])
    steps.done("load markets")
    expect(abs(client.fetch_time() - client.milliseconds()) < 2_000, "clock")
    book = client.fetch_order_book(MARKET, 20)
    expect(len(book["bids"]) == 20 and len(book["asks"]) == 20, book)
    expect(book["bids"][0][0] < book["asks"][0][0], "crossed")
    steps.done("order book")
    candles = client.fetch_ohlcv(MARKET, "1m", limit=5)
    expect(3 <= len(candles) <= 5, candles)
    expect(all(low <= o <= high for _, o, high, low, _, _ in candles), candles)
    trades = client.fetch_trades(MARKET, limit=50)
    expect(len(trades) == 50 and trades[0]["side"] in ("buy", "sell"), trades[0])
    ticker = client.fetch_ticker(MARKET)
    expect(ticker["last"] > 0 and ticker["baseVolume"] > 0, ticker)
    expect(client.fetch_bids_asks([MARKET])[MARKET]["bid"] > 0, "book ticker")
    expect(client.fetch_mark_price(MARKET)["markPrice"] > 0, "mark price")
    funding = client.fetch_funding_rate(MARKET)
    expect(funding["fundingRate"] is not None and funding["fundingTimestamp"] > 0, funding)
    expect(client.fetch_open_interest(MARKET) is not None, "open interest")
    steps.done("candles, trades, tickers, mark, funding")


def account(client, steps):
    balance = client.fetch_balance()
    expect(balance["USDC"]["total"] == 10_000 and balance["USDC"]["free"] == 10_000, balance)
    steps.done("balance")
    client.set_leverage(10, MARKET)
    fee = client.fetch_trading_fee(MARKET)
    expect(fee["maker"] == 0 and fee["taker"] == 0.0004, fee)
    tiers = client.fetch_leverage_tiers([MARKET])
    expect(len(tiers[MARKET]) > 3, tiers)
    mode = client.fetch_position_mode(MARKET)
    expect(mode["hedged"] is False, mode)
    refused(-4059, lambda: client.set_position_mode(False, MARKET))
    client.set_margin_mode("isolated", MARKET)
    client.set_margin_mode("cross", MARKET)
    refused(-4046, lambda: client.fapiPrivatePostMarginType({"symbol": "ETHUSDC", "marginType": "CROSSED"}))
    client.set_leverage(20, MARKET)
    steps.done("leverage, margin type, position mode, fees, brackets")


def orders(client, steps):
    bid = client.fetch_order_book(MARKET, 5)["bids"][0][0]
    low = away(bid, -0.01)
    order = client.create_order(
        MARKET, "limit", "buy", 0.05, low, {"clientOrderId": "cc-1", "timeInForce": "GTC"}
    )
    expect(order["status"] == "open" and order["clientOrderId"] == "cc-1", order)
    expect(int(order["id"]) > 2**53, "order ids beyond doubles")
    found = client.fetch_order(order["id"], MARKET)
    expect(found["price"] == low and found["amount"] == 0.05 and found["filled"] == 0, found)
    expect(len(client.fetch_open_orders(MARKET)) == 1, "open orders")
    steps.done("place and query")
    client.edit_order(order["id"], MARKET, "limit", "buy", 0.06, away(bid, -0.012))
    found = client.fetch_order(order["id"], MARKET)
    expect(found["amount"] == 0.06 and found["price"] == away(bid, -0.012), found)
    steps.done("amend")
    gone = client.cancel_order(order["id"], MARKET)
    expect(gone["status"] == "canceled", gone)
    refused(-2011, lambda: client.cancel_order(order["id"], MARKET))
    steps.done("cancel")
    batch = client.create_orders(
        [
            {"symbol": MARKET, "type": "limit", "side": "buy", "amount": 0.02, "price": low},
            {"symbol": MARKET, "type": "limit", "side": "buy", "amount": 0.001, "price": low},
            {"symbol": MARKET, "type": "limit", "side": "buy", "amount": 0.03, "price": low},
        ]
    )
    states = sorted(part["status"] for part in batch)  # ccxt sorts the parts
    expect(states == ["open", "open", "rejected"], batch)
    client.cancel_orders([part["id"] for part in batch if part["id"]], MARKET)
    expect(client.fetch_open_orders(MARKET) == [], "all canceled")
    steps.done("batch with a bad part")
    client.create_order(MARKET, "limit", "buy", 0.02, low)
    client.cancel_all_orders(MARKET)
    expect(client.fetch_open_orders(MARKET) == [], "all canceled")
    steps.done("cancel all")
    ask = client.fetch_order_book(MARKET, 5)["asks"][0][0]
    refused(
        -5022,
        lambda: client.create_order(
            MARKET, "limit", "buy", 0.02, away(ask, 0.003), {"timeInForce": "GTX"}
        ),
    )
    steps.done("post-only refused")


def position(client, steps):
    refused(
        -2022,
        lambda: client.create_order(MARKET, "market", "sell", 0.1, None, {"reduceOnly": True}),
    )
    order = client.create_order(MARKET, "market", "buy", 0.1)
    held = client.fetch_positions([MARKET])
    expect(len(held) == 1 and held[0]["contracts"] == 0.1 and held[0]["side"] == "long", held)
    risk = client.fapiPrivateV3GetPositionRisk({"symbol": "ETHUSDC"})[0]
    expect(risk["positionAmt"] == "0.100" and float(risk["liquidationPrice"]) >= 0, risk)
    trades = client.fetch_my_trades(MARKET)
    expect(sum(t["amount"] for t in trades) == 0.1 and trades[0]["takerOrMaker"] == "taker", trades)
    expect(trades[0]["order"] == order["id"], trades)
    client.create_order(MARKET, "market", "sell", 0.5, None, {"reduceOnly": True})
    expect(client.fapiPrivateV3GetPositionRisk({"symbol": "ETHUSDC"}) == [], "flat again")
    steps.done("market order, position, reduce-only")
    income = client.fapiPrivateGetIncome({"limit": 1000})
    by_kind = {}
    for line in income:
        by_kind[line["incomeType"]] = by_kind.get(line["incomeType"], 0) + float(line["income"])
    rows = client.fapiPrivateGetUserTrades({"symbol": "ETHUSDC"})
    fees = sum(float(row["commission"]) for row in rows)
    gains = sum(float(row["realizedPnl"]) for row in rows)
    expect(abs(by_kind["COMMISSION"] + fees) < 1e-8, (by_kind, fees))
    expect(abs(by_kind["REALIZED_PNL"] - gains) < 1e-8, (by_kind, gains))
    wallet = client.fetch_balance()["USDC"]["total"]
    expect(abs(wallet - sum(by_kind.values())) < 1e-8, (wallet, by_kind))
    steps.done("income, trades and balance agree to the eighth decimal")


def errors(client, address, key, steps):
    def place(**changes):
        bid = client.fetch_order_book(MARKET, 5)["bids"][0][0]
        request = {"symbol": "ETHUSDC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
                   "quantity": "0.020", "price": f"{away(bid, -0.01):.2f}", **changes}
        return client.fapiPrivatePostOrder({k: v for k, v in request.items() if v is not None})

    wrong = exchange(address, key, "wrong")
    refused(-1022, lambda: wrong.fapiPrivateV3GetBalance())
    nobody = exchange(address, "nobody", "wrong")
    refused(-2015, lambda: nobody.fapiPrivateV3GetBalance())
    late = exchange(address, client.apiKey, client.secret)
    late.nonce = lambda: late.milliseconds() - 20_000
    refused(-1021, lambda: late.fapiPrivateV3GetBalance())
    late.nonce = lambda: late.milliseconds() + 5_000
    refused(-1021, lambda: late.fapiPrivateV3GetBalance())
    steps.done("wrong signature, unknown key, stale and early timestamps")
    refused(-1102, lambda: place(quantity=None))
    refused(-1102, lambda: place(price=None))
    refused(-1121, lambda: place(symbol="NOPE"))
    refused(-1117, lambda: place(side="HOLD"))
    refused(-1116, lambda: place(type="MAGIC"))
    refused(-1115, lambda: place(timeInForce="NOW"))
    refused(-4120, lambda: place(type="STOP_MARKET", timeInForce=None))
    steps.done("missing and wrong parameters")
    refused(-1111, lambda: place(quantity="0.0205"))
    refused(-1111, lambda: place(price="2500.001"))
    refused(-4003, lambda: place(quantity="0"))
    refused(-4005, lambda: place(quantity="9000"))
    refused(-4164, lambda: place(quantity="0.001"))
    refused(-4016, lambda: place(price="9999.00"))
    refused(-4024, lambda: place(side="SELL", price="100.00"))
    refused(-2019, lambda: place(quantity="900"))
    refused(-4015, lambda: place(newClientOrderId="x" * 37))
    steps.done("precision, filters, margin")
    place(newClientOrderId="twice")
    refused(-4116, lambda: place(newClientOrderId="twice"))
    client.cancel_all_orders(MARKET)
    refused(-2013, lambda: client.fetch_order("12345", MARKET))
    steps.done("duplicate client id, unknown order")


def main():
    address, key, secret = sys.argv[1:4]
    steps = Steps("ccxt")
    client = exchange(address, key, secret)
    market_data(client, steps)
    account(client, steps)
    orders(client, steps)
    position(client, steps)
    errors(client, address, key, steps)
    headers = {name.lower() for name in client.last_response_headers}
    expect("x-mbx-used-weight-1m" in headers, headers)
    steps.done("headers")


main()
