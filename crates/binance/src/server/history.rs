//! What has traded: prints, prints joined by order, candles, the rolling day. All bounded.

use std::collections::VecDeque;

use ::market::{Instrument, Nanos, Price, Qty, Side, Usd};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::quote_text;

/// Prints kept.
const TRADES_MAX: usize = 50_000;
/// Minutes kept: five days.
const MINUTES_MAX: usize = 7_200;
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// Length of a candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    minutes: u64,
    name: &'static str,
}

impl Interval {
    /// By its name on the wire; those of a week and more are not kept.
    pub fn parse(text: &str) -> Option<Self> {
        const ALL: [(u64, &str); 12] = [
            (1, "1m"),
            (3, "3m"),
            (5, "5m"),
            (15, "15m"),
            (30, "30m"),
            (60, "1h"),
            (120, "2h"),
            (240, "4h"),
            (360, "6h"),
            (480, "8h"),
            (720, "12h"),
            (1_440, "1d"),
        ];
        let found = ALL.iter().find(|(_, name)| *name == text);
        found.map(|&(minutes, name)| Self { minutes, name })
    }

    fn millis(self) -> u64 {
        self.minutes * MINUTE_MS
    }
}

/// A print, numbered as on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    pub(super) id: i64,
    pub(super) price: Price,
    pub(super) qty: Qty,
    pub(super) aggressor: Side,
    pub(super) at: Nanos,
}

/// Prints of one order at one price.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    pub(super) id: i64,
    pub(super) first: Print,
    pub(super) last: i64,
    pub(super) qty: Qty,
}

/// A candle.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Bar {
    pub(super) start: u64,
    open: Price,
    high: Price,
    low: Price,
    close: Price,
    qty: Qty,
    quote: Usd,
    taker_qty: Qty,
    taker_quote: Usd,
    first: i64,
    last: i64,
    count: u64,
}

impl Bar {
    fn flat(start: u64, price: Price) -> Self {
        Self {
            start,
            open: price,
            high: price,
            low: price,
            close: price,
            qty: Qty::ZERO,
            quote: Usd::ZERO,
            taker_qty: Qty::ZERO,
            taker_quote: Usd::ZERO,
            first: -1,
            last: -1,
            count: 0,
        }
    }

    fn merge(&mut self, next: &Self) {
        if self.count == 0 {
            (self.open, self.first) = (next.open, next.first);
            (self.high, self.low) = (next.high, next.low);
        }
        if next.count > 0 {
            (self.high, self.low) = (self.high.max(next.high), self.low.min(next.low));
            self.last = next.last;
        }
        self.close = next.close;
        self.qty += next.qty;
        self.quote += next.quote;
        self.taker_qty += next.taker_qty;
        self.taker_quote += next.taker_quote;
        self.count += next.count;
    }

    fn add(&mut self, print: &Print, value: Usd) {
        let taker = print.aggressor == Side::Buy;
        self.merge(&Self {
            qty: print.qty,
            quote: value,
            taker_qty: if taker { print.qty } else { Qty::ZERO },
            taker_quote: if taker { value } else { Usd::ZERO },
            first: print.id,
            last: print.id,
            count: 1,
            ..Self::flat(self.start, print.price)
        });
    }
}

/// Everything that traded lately.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    pub(super) trades: VecDeque<Print>,
    pub(super) joined: VecDeque<Joined>,
    bars: VecDeque<Bar>,
    pub(super) next_joined: i64,
}

impl History {
    pub(super) fn new(first_id: i64) -> Self {
        Self { next_joined: first_id, ..Self::default() }
    }

    pub(super) fn last_price(&self) -> Option<Price> {
        self.trades.back().map(|print| print.price)
    }

    /// Takes in a print. Prints of the same instant, side and price belong to one order.
    pub(super) fn note(&mut self, instrument: &Instrument, print: Print) {
        if self.trades.len() >= TRADES_MAX {
            self.trades.pop_front();
        }
        self.trades.push_back(print);
        let same = |j: &&mut Joined| {
            (j.first.at, j.first.price, j.first.aggressor)
                == (print.at, print.price, print.aggressor)
        };
        match self.joined.back_mut().filter(same) {
            Some(joined) => {
                joined.last = print.id;
                joined.qty += print.qty;
            }
            None => {
                if self.joined.len() >= TRADES_MAX {
                    self.joined.pop_front();
                }
                let (id, last, qty) = (self.next_joined, print.id, print.qty);
                self.next_joined += 1;
                self.joined.push_back(Joined { id, first: print, last, qty });
            }
        }
        self.roll(print.at, print.price);
        if let Some(bar) = self.bars.back_mut() {
            bar.add(&print, instrument.notional(print.price, print.qty));
        }
    }

    /// Begins the candle of `now`; minutes without a trade are flat.
    pub(super) fn roll(&mut self, now: Nanos, price: Price) {
        let minute = now.as_millis() / MINUTE_MS * MINUTE_MS;
        let (mut next, close) = match self.bars.back() {
            Some(bar) => (bar.start + MINUTE_MS, bar.close),
            None => (minute, price),
        };
        while next <= minute {
            if self.bars.len() >= MINUTES_MAX {
                self.bars.pop_front();
            }
            self.bars.push_back(Bar::flat(next, close));
            next += MINUTE_MS;
        }
    }

    /// The minutes after this one; the last of them is not over.
    pub(super) fn minutes_after(&self, start: u64) -> impl Iterator<Item = &Bar> {
        self.bars.range(self.bars.partition_point(|bar| bar.start <= start)..)
    }

    /// A minute of an earlier life of the exchange.
    pub(super) fn bring_back(&mut self, bar: Bar) {
        match self.bars.back_mut() {
            Some(last) if last.start == bar.start => *last = bar,
            Some(last) if last.start > bar.start => {}
            _ => {
                if self.bars.len() >= MINUTES_MAX {
                    self.bars.pop_front();
                }
                self.bars.push_back(bar);
            }
        }
    }

    fn candles(&self, interval: Interval, from: u64) -> Vec<Bar> {
        let mut candles: Vec<Bar> = Vec::new();
        for bar in
            self.bars.iter().filter(|bar| bar.start >= from / interval.millis() * interval.millis())
        {
            let start = bar.start / interval.millis() * interval.millis();
            match candles.last_mut().filter(|candle| candle.start == start) {
                Some(candle) => candle.merge(bar),
                None => candles.push(Bar { start, ..*bar }),
            }
        }
        candles
    }

    /// Rows of `klines`: the newest, or those from `start` on; never after `end`.
    pub(super) fn klines(
        &self,
        instrument: &Instrument,
        interval: Interval,
        (start, end): (Option<u64>, Option<u64>),
        limit: usize,
    ) -> Vec<Value> {
        let mut candles = self.candles(interval, start.unwrap_or(0));
        candles.retain(|bar| {
            start.is_none_or(|start| bar.start >= start) && end.is_none_or(|end| bar.start <= end)
        });
        if start.is_some() {
            candles.truncate(limit);
        } else {
            candles.drain(..candles.len().saturating_sub(limit));
        }
        let price = |price| instrument.price_text(price);
        let row = |bar: &Bar| {
            json!([
                bar.start,
                price(bar.open),
                price(bar.high),
                price(bar.low),
                price(bar.close),
                instrument.qty_text(bar.qty),
                bar.start + interval.millis() - 1,
                quote_text(bar.quote),
                bar.count,
                instrument.qty_text(bar.taker_qty),
                quote_text(bar.taker_quote),
                "0"
            ])
        };
        candles.iter().map(row).collect()
    }

    /// The event of the candle that is open at `now`, or the one that closed just before it.
    pub(super) fn kline_event(
        &self,
        instrument: &Instrument,
        interval: Interval,
        now: Nanos,
        closed: bool,
    ) -> Option<String> {
        let length = interval.millis();
        let current = now.as_millis() / length * length;
        let start = if closed { current.checked_sub(length)? } else { current };
        let candles = self.candles(interval, start);
        let bar = candles.iter().find(|bar| bar.start == start)?;
        let price = |price| instrument.price_text(price);
        let symbol = instrument.symbol();
        let body = json!({
            "e": "kline", "E": now.as_millis(), "s": symbol,
            "k": {
                "t": bar.start, "T": bar.start + length - 1, "s": symbol, "i": interval.name,
                "f": bar.first, "L": bar.last, "o": price(bar.open), "c": price(bar.close),
                "h": price(bar.high), "l": price(bar.low), "v": instrument.qty_text(bar.qty),
                "n": bar.count, "x": closed, "q": quote_text(bar.quote),
                "V": instrument.qty_text(bar.taker_qty), "Q": quote_text(bar.taker_quote),
                "B": "0",
            },
        });
        Some(body.to_string())
    }

    /// Whether a candle of this interval begins at the minute of `now`.
    pub(super) fn begins(interval: Interval, now: Nanos) -> bool {
        (now.as_millis() / MINUTE_MS).is_multiple_of(interval.minutes)
    }

    /// The rolling day as `ticker/24hr` shows it.
    pub(super) fn day(&self, instrument: &Instrument, now: Nanos) -> Value {
        let from = now.as_millis().saturating_sub(DAY_MS);
        let mut bars = self.bars.iter().filter(|bar| bar.start >= from);
        let mut day = bars.next().copied().unwrap_or_else(|| Bar::flat(from, Price::ZERO));
        bars.for_each(|bar| day.merge(bar));
        let price = |price| instrument.price_text(price);
        let change = day.close.raw() - day.open.raw();
        let percent = change * 100_000 / day.open.raw().max(1);
        let sign = if change < 0 { "-" } else { "" };
        let average = instrument.average_price(day.quote, day.qty.signed(Side::Buy));
        json!({
            "symbol": instrument.symbol(),
            "priceChange": format!("{sign}{}", price(Price::new(change.abs()))),
            "priceChangePercent":
                format!("{sign}{}.{:03}", percent.abs() / 1_000, percent.abs() % 1_000),
            "weightedAvgPrice": average.decimal().padded(4).to_string(),
            "lastPrice": price(day.close),
            "lastQty": self.trades.back().map_or("0".to_owned(), |t| instrument.qty_text(t.qty)),
            "openPrice": price(day.open), "highPrice": price(day.high), "lowPrice": price(day.low),
            "volume": instrument.qty_text(day.qty), "quoteVolume": quote_text(day.quote),
            "openTime": day.start, "closeTime": now.as_millis(), "firstId": day.first,
            "lastId": day.last, "count": day.count,
        })
    }
}
