"""ccxt's WebSocket part, unchanged but for the base URLs."""

import asyncio
import sys

import ccxt.pro

from steps import Steps, away, expect

MARKET = "ETH/USDC:USDC"


def exchange(address, key, secret):
    client = ccxt.pro.binanceusdm({"apiKey": key, "secret": secret, "enableRateLimit": False})
    client.options["fetchMarkets"] = {"types": ["linear"]}
    client.options["fetchCurrencies"] = False
    client.options["fetchMargins"] = False
    for name, url in client.urls["api"].items():
        if name.startswith("fapi"):
            client.urls["api"][name] = url.replace("https://fapi.binance.com", f"http://{address}")
    client.urls["api"]["ws"]["linear"] = f"ws://{address}/ws"
    client.urls["api"]["ws"]["ws-api"]["linear"] = f"ws://{address}/ws-fapi/v1"
    return client


async def soon(what, awaitable, seconds=15):
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        sys.exit(f"FAILED: nothing from {what} within {seconds} s")


async def books(client, steps):
    """The local book that ccxt keeps must equal a later snapshot, level for level."""
    for _ in range(10):
        book = await soon("watch_order_book", client.watch_order_book(MARKET, 1000))
    for _ in range(20):
        snapshot = await client.fetch_order_book(MARKET, 1000)
        while book["nonce"] < snapshot["nonce"]:
            book = await soon("watch_order_book", client.watch_order_book(MARKET, 1000))
        if book["nonce"] == snapshot["nonce"]:
            for side in ("bids", "asks"):
                count = min(len(book[side]), len(snapshot[side]), 200)
                mine = [level[:2] for level in book[side][:count]]
                expect(count > 20 and mine == snapshot[side][:count], (side, count))
            steps.done("local book equals a later snapshot")
            return
    sys.exit("FAILED: no snapshot fell on an update")


async def public(client, steps):
    trades = await soon("watch_trades", client.watch_trades(MARKET))
    expect(trades[-1]["price"] > 0, trades)
    ticker = await soon("watch_bids_asks", client.watch_bids_asks([MARKET]))
    expect(ticker[MARKET]["bid"] < ticker[MARKET]["ask"], ticker)
    mark = await soon("watch_mark_price", client.watch_mark_price(MARKET))
    expect(mark["markPrice"] > 0, mark)
    candles = await soon("watch_ohlcv", client.watch_ohlcv(MARKET, "1m"))
    expect(candles[-1][4] > 0, candles)
    steps.done("trades, best prices, mark price, candles")


async def private(client, steps):
    watching = asyncio.ensure_future(client.watch_orders(MARKET))
    await asyncio.sleep(1)
    bid = (await client.fetch_order_book(MARKET, 5))["bids"][0][0]
    placed = await client.create_order(
        MARKET, "limit", "buy", 0.05, away(bid, -0.01), {"clientOrderId": "pro-1"}
    )
    seen = await soon("watch_orders", watching)
    expect(seen[-1]["id"] == placed["id"] and seen[-1]["status"] == "open", seen)
    expect(seen[-1]["clientOrderId"] == "pro-1", seen)
    watching = asyncio.ensure_future(client.watch_orders(MARKET))
    await client.cancel_order(placed["id"], MARKET)
    seen = await soon("watch_orders", watching)
    expect(seen[-1]["status"] == "canceled", seen)
    steps.done("own orders: placed and canceled")
    fills = asyncio.ensure_future(client.watch_my_trades(MARKET))
    positions = asyncio.ensure_future(client.watch_positions([MARKET]))
    balance = asyncio.ensure_future(client.watch_balance())
    await asyncio.sleep(1)
    await client.create_order(MARKET, "market", "buy", 0.1)
    fill = (await soon("watch_my_trades", fills))[-1]
    expect(fill["amount"] > 0 and fill["takerOrMaker"] == "taker", fill)
    held = (await soon("watch_positions", positions))[-1]
    expect(held["symbol"] == MARKET, held)
    await soon("watch_balance", balance)
    await client.create_order(MARKET, "market", "sell", 0.1, None, {"reduceOnly": True})
    steps.done("own trades, positions, balance")


async def ws_orders(client, steps):
    bid = (await client.fetch_order_book(MARKET, 5))["bids"][0][0]
    order = await soon(
        "create_order_ws",
        client.create_order_ws(MARKET, "limit", "buy", 0.03, away(bid, -0.01)),
    )
    found = await soon("fetch_order_ws", client.fetch_order_ws(order["id"], MARKET))
    expect(found["status"] == "open" and found["amount"] == 0.03, found)
    edited = await soon(
        "edit_order_ws",
        client.edit_order_ws(order["id"], MARKET, "limit", "buy", 0.04, away(bid, -0.01)),
    )
    expect(edited["amount"] == 0.04, edited)
    gone = await soon("cancel_order_ws", client.cancel_order_ws(order["id"], MARKET))
    expect(gone["status"] == "canceled", gone)
    balance = await soon("fetch_balance_ws", client.fetch_balance_ws())
    expect(balance["USDC"]["total"] > 0, balance)
    steps.done("orders and balance over the WS API")


async def main():
    address, key, secret = sys.argv[1:4]
    steps = Steps("ccxt.pro")
    client = exchange(address, key, secret)
    try:
        await client.load_markets()
        await books(client, steps)
        await public(client, steps)
        await private(client, steps)
        await ws_orders(client, steps)
    finally:
        await client.close()


asyncio.run(main())
