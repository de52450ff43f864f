"""Binance's own Python SDK, unchanged but for the base URLs."""

import asyncio
import sys

from binance_common.configuration import (
    ConfigurationRestAPI,
    ConfigurationWebSocketAPI,
    ConfigurationWebSocketStreams,
)
from binance_sdk_derivatives_trading_usds_futures import derivatives_trading_usds_futures as sdk
from binance_sdk_derivatives_trading_usds_futures.rest_api.models import enums

from steps import SYMBOL, Steps, away, expect, refused

EVENTS = []


def client(address, key, secret):
    return sdk.DerivativesTradingUsdsFutures(
        config_rest_api=ConfigurationRestAPI(key, secret, f"http://{address}", timeout=10_000),
        config_ws_api=ConfigurationWebSocketAPI(
            key, secret, stream_url=f"ws://{address}/ws-fapi/v1", timeout=10_000
        ),
        config_ws_streams=ConfigurationWebSocketStreams(stream_url=f"ws://{address}/stream"),
    )


def plain(data):
    """A reply as it was on the wire."""
    if isinstance(data, list):
        return [plain(item) for item in data]
    for name in ("actual_instance",):
        data = getattr(data, name, None) or data
    return data.to_dict() if hasattr(data, "to_dict") else data


def rest(api, steps):
    expect(api.check_server_time().data().server_time > 0, "time")
    info = plain(api.exchange_information().data())
    expect(info["symbols"][0]["symbol"] == SYMBOL, info)
    book = plain(api.order_book(SYMBOL, 5).data())
    expect(len(book["bids"]) == 5, book)
    bid = float(book["bids"][0][0])
    expect(len(api.kline_candlestick_data(SYMBOL, enums.KlineCandlestickDataIntervalEnum.INTERVAL_1m, limit=3).data()) == 3, "klines")
    expect(len(plain(api.compressed_aggregate_trades_list(SYMBOL, limit=10).data())) == 10, "agg")
    expect(plain(api.mark_price(SYMBOL).data())["symbol"] == SYMBOL, "mark")
    steps.done("market data")
    reply = api.futures_account_balance_v3()
    rows = {row["asset"]: row for row in plain(reply.data())}
    expect(float(rows["USDC"]["balance"]) == 10_000, rows)
    expect(reply.rate_limits, "rate limit headers are understood")
    account = plain(api.account_information_v3().data())
    expect(account["totalWalletBalance"] == "0.00000000", "totals cover USDT alone")
    expect(plain(api.futures_account_configuration().data())["canTrade"], "may trade")
    expect(plain(api.symbol_configuration(SYMBOL).data())[0]["marginType"] == "CROSSED", "cross")
    expect(plain(api.user_commission_rate(SYMBOL).data())["symbol"] == SYMBOL, "fees")
    expect(api.query_user_rate_limit().data(), "limits")
    api.notional_and_leverage_brackets(SYMBOL).data()
    api.futures_trading_quantitative_rules_indicators(SYMBOL).data()
    steps.done("balances, account, configuration")
    side, gtc = enums.NewOrderSideEnum.BUY, enums.NewOrderTimeInForceEnum.GTC
    low = away(bid, -0.01)
    order = plain(
        api.new_order(
            SYMBOL, side, "LIMIT", time_in_force=gtc, quantity=0.05, price=low,
            new_client_order_id="sdk-1",
        ).data()
    )
    expect(order["status"] == "NEW" and order["clientOrderId"] == "sdk-1", order)
    found = plain(api.query_order(SYMBOL, orig_client_order_id="sdk-1").data())
    expect(found["orderId"] == order["orderId"] and found["avgPrice"] == "0.00000", found)
    changed = plain(
        api.modify_order(
            SYMBOL, enums.ModifyOrderSideEnum.BUY, 0.06, away(bid, -0.012),
            order_id=order["orderId"],
        ).data()
    )
    expect(changed["origQty"] == "0.060" and changed["pair"] == SYMBOL, changed)
    expect(len(plain(api.get_order_modify_history(SYMBOL, order["orderId"]).data())) == 1, "moves")
    gone = plain(api.cancel_order(SYMBOL, order_id=order["orderId"]).data())
    expect(gone["status"] == "CANCELED", gone)
    armed = plain(api.auto_cancel_all_open_orders(SYMBOL, 30_000).data())
    expect(armed == {"symbol": SYMBOL, "countdownTime": "30000"}, armed)
    api.auto_cancel_all_open_orders(SYMBOL, 0)
    said = plain(api.cancel_all_open_orders(SYMBOL).data())
    expect(str(said["code"]) == "200", said)
    refused(-1102, lambda: api.new_order(SYMBOL, side, "LIMIT", quantity=0.05, price=low))
    refused(-2013, lambda: api.query_order(SYMBOL, order_id=1))
    steps.done("place, query, modify, cancel, countdown, errors")
    return bid


def note(event):
    # The SDK turns the event's name into a class.
    EVENTS.append({"class": type(event.actual_instance).__name__, **plain(event)})


async def streams(whole, steps, bid):
    ws = whole.websocket_streams
    await ws.create_connection()
    seen = {}
    feeds = {
        "depth": ws.diff_book_depth_streams(SYMBOL.lower(), update_speed="100ms"),
        "depth20": ws.partial_book_depth_streams(SYMBOL.lower(), 20, update_speed="100ms"),
        "bookTicker": ws.individual_symbol_book_ticker_streams(SYMBOL.lower()),
        "aggTrade": ws.aggregate_trade_streams(SYMBOL.lower()),
        "markPrice": ws.mark_price_stream(SYMBOL.lower(), update_speed="1s"),
        "kline": ws.kline_candlestick_streams(SYMBOL.lower(), "1m"),
    }
    for name, feed in feeds.items():
        handle = await feed
        handle.on("message", lambda data, name=name: seen.setdefault(name, []).append(plain(data)))
    for _ in range(100):
        await asyncio.sleep(0.1)
        if len(seen) == len(feeds) and len(seen["depth"]) > 20:
            break
    expect(set(seen) == set(feeds), sorted(seen))
    previous = None
    for update in seen["depth"]:
        expect(previous is None or update["pu"] == previous, "broken chain")
        expect(update["U"] > update["pu"] and update["u"] >= update["U"], update)
        previous = update["u"]
    expect(len(seen["depth20"][-1]["b"]) == 20, seen["depth20"][-1])
    steps.done("routed streams: depth, partial depth, tickers, trades, mark, candles")
    await user_events(whole, steps, ws, bid)
    await ws.close_connection(close_session=True)


async def user_events(whole, steps, ws, bid):
    api = whole.rest_api
    key = api.start_user_data_stream().data().listen_key
    expect(api.keepalive_user_data_stream().data().listen_key == key, "one key per account")
    (await ws.user_data(key)).on("message", note)
    await asyncio.sleep(0.5)
    api.new_order(SYMBOL, enums.NewOrderSideEnum.BUY, "MARKET", quantity=0.01)
    for _ in range(50):
        await asyncio.sleep(0.1)
        if any("o" in event and event["o"]["X"] == "FILLED" for event in EVENTS):
            break
    names = [(e["class"], e["o"]["x"]) if "o" in e else e["class"] for e in EVENTS]
    order = "OrderTradeUpdate"
    wanted = ["TradeLite", (order, "NEW"), "AccountUpdate", (order, "TRADE")]
    expect(names == wanted, names)
    fill = EVENTS[-1]["o"]
    expect(fill["X"] == "FILLED" and fill["l"] == "0.010" and fill["t"] == EVENTS[0]["t"], EVENTS)
    expect(float(fill["n"]) > 0 and fill["N"] == "USDC" and fill["m"] is False, fill)
    held = EVENTS[2]["a"]
    expect(held["m"] == "ORDER" and held["P"][0]["pa"] == "0.010", held)
    api.new_order(SYMBOL, enums.NewOrderSideEnum.SELL, "MARKET", quantity=0.01,
                  reduce_only="true")
    steps.done("user events: order and fields")


async def ws_api(whole, steps, bid):
    api = whole.websocket_api
    await api.create_connection()
    low = away(bid, -0.01)
    placed = await api.new_order(
        SYMBOL, "BUY", "LIMIT", time_in_force="GTC", quantity=0.05, price=low
    )
    order = plain(placed.data())["result"]
    expect(order["status"] == "NEW", order)
    found = plain((await api.query_order(SYMBOL, order_id=order["orderId"])).data())["result"]
    expect(found["executedQty"] == "0.000", found)
    moved = await api.modify_order(SYMBOL, "BUY", 0.06, low, order_id=order["orderId"])
    expect(plain(moved.data())["result"]["origQty"] == "0.060", "modified")
    gone = plain((await api.cancel_order(SYMBOL, order_id=order["orderId"])).data())["result"]
    expect(gone["status"] == "CANCELED", gone)
    rows = plain((await api.futures_account_balance_v2()).data())["result"]
    expect(any(row["asset"] == "USDC" for row in rows), rows)
    book = plain((await api.symbol_order_book_ticker(symbol=SYMBOL)).data())["result"]
    expect(book["symbol"] == SYMBOL, book)
    steps.done("WS API: place, query, modify, cancel, balance, ticker")
    await api.close_connection()


async def main():
    address, key, secret = sys.argv[1:4]
    steps = Steps("official SDK")
    whole = client(address, key, secret)
    bid = rest(whole.rest_api, steps)
    await streams(whole, steps, bid)
    await ws_api(whole, steps, bid)


asyncio.run(main())
