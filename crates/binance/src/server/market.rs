//! The public picture: a book that lags the machine by no more than one diff, best prices, mark,
//! history, and the messages about them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use ::market::{
    Book, BookTicker, DepthDiff, Instrument, Level, MarkUpdate, MarketEvent, MarketKind, Nanos,
    Price, Qty, Rate, Side, Trade,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::front::Push;
use super::history::{History, Print};
use super::streams::Topic;

/// The finest grid on which gathered messages go out.
const GRID: Duration = Duration::from_millis(50);
/// Update ids on the wire are this many times the machine's, so that ids lie between two events.
const ID_STRIDE: u64 = 3;
/// Funding payments kept.
const FUNDING_MAX: usize = 1_000;

/// Depth changes on their way into one message.
#[derive(Clone, Debug, Default)]
struct Gather {
    every: u16,
    due: Nanos,
    /// First, last and previous id on the wire.
    ids: Option<(u64, u64, u64)>,
    at: Nanos,
    sides: [BTreeMap<Price, Qty>; 2],
}

/// A funding payment as `fundingRate` lists it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Funded {
    pub(super) at: Nanos,
    pub(super) rate: Rate,
    pub(super) mark: ::market::FinePrice,
}

/// What everybody may see.
#[derive(Clone, Debug)]
pub(super) struct Market {
    instrument: Instrument,
    id_base: u64,
    pub(super) trade_base: i64,
    pub(super) book: Book,
    pub(super) book_at: Nanos,
    pub(super) ticker: Option<(BookTicker, Nanos)>,
    pub(super) mark: Option<(MarkUpdate, Nanos)>,
    pub(super) funded: Vec<Funded>,
    pub(super) history: History,
    gathers: [Gather; 3],
    joined_next: i64,
    minute: u64,
    candle_due: Nanos,
    candle_dirty: bool,
    slow_due: Nanos,
    due: Nanos,
}

impl Market {
    pub(super) fn new(instrument: &Instrument, start: Nanos) -> Self {
        let seconds = start.as_millis() / 1_000;
        let trade_base = i64::try_from(seconds).unwrap_or(0) * 1_000;
        let gather = |every| Gather { every, ..Gather::default() };
        Self {
            instrument: instrument.clone(),
            id_base: seconds * 10_000,
            trade_base,
            book: Book::with_capacity(1_024),
            book_at: start,
            ticker: None,
            mark: None,
            funded: Vec::new(),
            history: History::new(trade_base / 2),
            gathers: [gather(100), gather(250), gather(500)],
            joined_next: trade_base / 2,
            minute: 0,
            candle_due: Nanos::ZERO,
            candle_dirty: false,
            slow_due: Nanos::ZERO,
            due: Nanos::ZERO,
        }
    }

    /// A machine's update id on the wire.
    pub(super) fn wire_id(&self, id: u64) -> u64 {
        self.id_base + id * ID_STRIDE
    }

    pub(super) fn absorb(
        &mut self,
        event: &MarketEvent,
        wanted: &BTreeMap<Topic, usize>,
        out: &mut Vec<Push>,
        silent: bool,
    ) {
        let at = event.ts_event;
        let mut push = |topic: Topic, event: &'static str, text: String| {
            if !silent {
                out.push(Push { topic, event, text });
            }
        };
        match &event.kind {
            MarketKind::Snapshot(snapshot) => {
                self.book.apply_snapshot(at, snapshot);
                self.book_at = at;
            }
            MarketKind::Diff(diff) => {
                self.book.apply_diff(at, diff);
                self.book_at = at;
                self.gather(at, diff);
            }
            MarketKind::Ticker(ticker) => {
                self.ticker = Some((*ticker, at));
                if wanted.contains_key(&Topic::BookTicker) {
                    push(Topic::BookTicker, "bookTicker", self.ticker_text(ticker, at));
                }
            }
            MarketKind::Trade(trade) => {
                let print = self.print(trade, at);
                self.history.note(&self.instrument, print);
                self.candle_dirty = true;
                if wanted.contains_key(&Topic::Trade) {
                    push(Topic::Trade, "trade", self.trade_text(&print));
                }
            }
            MarketKind::Mark(update) => {
                self.note_mark(update, at);
                let second = at.as_millis() / 1_000;
                for every in [1, 3] {
                    let due = second.is_multiple_of(u64::from(every));
                    if due && wanted.contains_key(&Topic::Mark(every)) {
                        push(Topic::Mark(every), "markPriceUpdate", self.mark_text(update, at));
                    }
                    if due && wanted.contains_key(&Topic::AllMark(every)) {
                        let text = format!("[{}]", self.mark_text(update, at));
                        push(Topic::AllMark(every), "markPriceUpdate", text);
                    }
                }
            }
            MarketKind::FeedUp | MarketKind::FeedDown => {}
        }
    }

    fn print(&self, trade: &Trade, at: Nanos) -> Print {
        let id = self.trade_base + trade.id;
        let at = Nanos::from_millis(at.as_millis());
        Print { id, price: trade.price, qty: trade.qty, aggressor: trade.aggressor, at }
    }

    fn note_mark(&mut self, update: &MarkUpdate, at: Nanos) {
        if let Some((before, _)) = self.mark
            && before.next_funding != update.next_funding
        {
            let (at, rate) = (before.next_funding, before.funding_rate);
            self.note_funding(Funded { at, rate, mark: update.mark });
        }
        self.mark = Some((*update, at));
    }

    pub(super) fn note_funding(&mut self, funded: Funded) {
        if self.funded.len() >= FUNDING_MAX {
            self.funded.remove(0);
        }
        self.funded.push(funded);
    }

    /// What is added to the machine's numbers of trades and updates.
    pub(super) fn bases(&self) -> (i64, u64) {
        (self.trade_base, self.id_base)
    }

    /// Numbers on the wire go on where an earlier life of the exchange left off.
    pub(super) fn number_from(&mut self, bases: (i64, u64), joined: i64) {
        (self.trade_base, self.id_base) = bases;
        self.joined_next = self.joined_next.max(joined);
        self.history.next_joined = self.joined_next;
    }

    fn gather(&mut self, at: Nanos, diff: &DepthDiff) {
        let first = self.id_base + (diff.previous_id + 1) * ID_STRIDE;
        let (last, previous) = (self.wire_id(diff.last_id), self.wire_id(diff.previous_id));
        for gather in &mut self.gathers {
            gather.ids = match gather.ids {
                Some((first, _, previous)) => Some((first, last, previous)),
                None => Some((first, last, previous)),
            };
            gather.at = at;
            for (side, levels) in gather.sides.iter_mut().zip([&diff.bids, &diff.asks]) {
                side.extend(levels.iter().map(|level| (level.price, level.qty)));
            }
        }
    }

    /// Sends out what has been gathered until `now`.
    pub(super) fn tick(
        &mut self,
        now: Nanos,
        wanted: &BTreeMap<Topic, usize>,
        out: &mut Vec<Push>,
        silent: bool,
    ) {
        if now < self.due {
            return;
        }
        self.due = grid_after(now, GRID);
        let first = out.len();
        self.send_depth(now, wanted, out);
        self.send_joined(now, wanted, out);
        self.send_candles(now, wanted, out);
        if now >= self.slow_due {
            self.slow_due = grid_after(now, Duration::from_secs(1));
            self.send_slow(now, wanted, out);
        }
        if silent {
            out.truncate(first);
        }
    }

    /// When the next tick is due.
    pub(super) fn next_tick(&self) -> Nanos {
        self.due
    }

    fn send_depth(&mut self, now: Nanos, wanted: &BTreeMap<Topic, usize>, out: &mut Vec<Push>) {
        let mut gathers = std::mem::take(&mut self.gathers);
        for gather in gathers.iter_mut().filter(|gather| gather.due <= now) {
            let every = gather.every;
            gather.due = grid_after(now, Duration::from_millis(u64::from(every)));
            let sides = std::mem::take(&mut gather.sides);
            let Some(ids) = gather.ids.take() else {
                continue;
            };
            if wanted.contains_key(&Topic::Depth(every)) {
                let [bids, asks] = sides.map(|side| {
                    let level = |(price, qty)| Level { price, qty };
                    side.into_iter().map(level).collect::<Vec<_>>()
                });
                let text = self.depth_text(now, gather.at, ids, &bids, &asks);
                out.push(Push { topic: Topic::Depth(every), event: "depthUpdate", text });
            }
            for levels in [5, 10, 20] {
                let topic = Topic::Partial { levels, every };
                if wanted.contains_key(&topic) {
                    let side = |side| -> Vec<Level> {
                        self.book.levels(side).take(usize::from(levels)).collect()
                    };
                    let (bids, asks) = (side(Side::Buy), side(Side::Sell));
                    let text = self.depth_text(now, gather.at, ids, &bids, &asks);
                    out.push(Push { topic, event: "depthUpdate", text });
                }
            }
        }
        self.gathers = gathers;
    }

    fn depth_text(
        &self,
        now: Nanos,
        at: Nanos,
        (first, last, previous): (u64, u64, u64),
        bids: &[Level],
        asks: &[Level],
    ) -> String {
        let symbol = self.instrument.symbol();
        let mut text = String::with_capacity(200 + 24 * (bids.len() + asks.len()));
        let (event, at) = (now.as_millis(), at.as_millis());
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            r#"{{"e":"depthUpdate","E":{event},"T":{at},"s":"{symbol}","ps":"{symbol}","U":{first},"u":{last},"pu":{previous},"b":"#
        );
        self.write_levels(&mut text, bids);
        text.push_str(",\"a\":");
        self.write_levels(&mut text, asks);
        text.push_str(",\"st\":1}");
        text
    }

    /// `[["price","qty"],…]`.
    fn write_levels(&self, text: &mut String, levels: &[Level]) {
        text.push('[');
        for (index, level) in levels.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            let price = self.instrument.price_text(level.price);
            let qty = self.instrument.qty_text(level.qty);
            let _ = write!(text, "[\"{price}\",\"{qty}\"]");
        }
        text.push(']');
    }

    fn send_joined(&mut self, now: Nanos, wanted: &BTreeMap<Topic, usize>, out: &mut Vec<Push>) {
        let from = self.history.joined.partition_point(|joined| joined.id < self.joined_next);
        let symbol = self.instrument.symbol();
        for joined in self.history.joined.range(from..) {
            // A millisecond that is not over may bring more of the same order.
            if joined.first.at.as_millis() >= now.as_millis() {
                break;
            }
            self.joined_next = joined.id + 1;
            if wanted.contains_key(&Topic::AggTrade) {
                let qty = self.instrument.qty_text(joined.qty);
                let text = format!(
                    r#"{{"e":"aggTrade","E":{},"a":{},"s":"{symbol}","p":"{}","q":"{qty}","nq":"{qty}","f":{},"l":{},"T":{},"m":{},"st":1}}"#,
                    now.as_millis(),
                    joined.id,
                    self.instrument.price_text(joined.first.price),
                    joined.first.id,
                    joined.last,
                    joined.first.at.as_millis(),
                    joined.first.aggressor == Side::Sell,
                );
                out.push(Push { topic: Topic::AggTrade, event: "aggTrade", text });
            }
        }
    }

    fn send_candles(&mut self, now: Nanos, wanted: &BTreeMap<Topic, usize>, out: &mut Vec<Push>) {
        let minute = now.as_millis() / 60_000;
        let turned = std::mem::replace(&mut self.minute, minute) != minute;
        if turned && let Some(price) = self.history.last_price() {
            self.history.roll(now, price);
        }
        let due = self.candle_dirty && now >= self.candle_due;
        if !turned && !due {
            return;
        }
        self.candle_due = grid_after(now, Duration::from_millis(250));
        self.candle_dirty = false;
        for &topic in wanted.keys() {
            let Topic::Kline(interval) = topic else {
                continue;
            };
            for closed in [true, false] {
                if closed && !(turned && History::begins(interval, now)) {
                    continue;
                }
                let event = self.history.kline_event(&self.instrument, interval, now, closed);
                out.extend(event.map(|text| Push { topic, event: "kline", text }));
            }
        }
    }

    fn send_slow(&self, now: Nanos, wanted: &BTreeMap<Topic, usize>, out: &mut Vec<Push>) {
        if wanted.contains_key(&Topic::Ticker) {
            let text = self.day_event(now).to_string();
            out.push(Push { topic: Topic::Ticker, event: "24hrTicker", text });
        }
        let five = (now.as_millis() / 1_000).is_multiple_of(5);
        if five
            && wanted.contains_key(&Topic::AllBookTicker)
            && let Some((ticker, at)) = self.ticker
        {
            let text = self.ticker_text(&ticker, at);
            out.push(Push { topic: Topic::AllBookTicker, event: "bookTicker", text });
        }
    }

    fn day_event(&self, now: Nanos) -> Value {
        let day = self.history.day(&self.instrument, now);
        json!({
            "e": "24hrTicker", "E": now.as_millis(), "s": day["symbol"], "p": day["priceChange"],
            "P": day["priceChangePercent"], "w": day["weightedAvgPrice"], "c": day["lastPrice"],
            "Q": day["lastQty"], "o": day["openPrice"], "h": day["highPrice"], "l": day["lowPrice"],
            "v": day["volume"], "q": day["quoteVolume"], "O": day["openTime"],
            "C": day["closeTime"], "F": day["firstId"], "L": day["lastId"], "n": day["count"],
        })
    }

    fn ticker_text(&self, ticker: &BookTicker, at: Nanos) -> String {
        let (symbol, millis) = (self.instrument.symbol(), at.as_millis());
        let price = |level: Level| self.instrument.price_text(level.price);
        let qty = |level: Level| self.instrument.qty_text(level.qty);
        format!(
            r#"{{"e":"bookTicker","u":{},"s":"{symbol}","ps":"{symbol}","b":"{}","B":"{}","a":"{}","A":"{}","T":{millis},"E":{millis},"st":1}}"#,
            self.wire_id(ticker.update_id),
            price(ticker.bid),
            qty(ticker.bid),
            price(ticker.ask),
            qty(ticker.ask),
        )
    }

    fn trade_text(&self, print: &Print) -> String {
        let millis = print.at.as_millis();
        format!(
            r#"{{"e":"trade","E":{millis},"T":{millis},"s":"{}","t":{},"p":"{}","q":"{}","X":"MARKET","m":{},"st":1}}"#,
            self.instrument.symbol(),
            print.id,
            self.instrument.price_text(print.price),
            self.instrument.qty_text(print.qty),
            print.aggressor == Side::Sell,
        )
    }

    fn mark_text(&self, update: &MarkUpdate, at: Nanos) -> String {
        let mark = update.mark.decimal().padded(8);
        let index = update.index.decimal().padded(8);
        format!(
            r#"{{"e":"markPriceUpdate","E":{},"s":"{}","p":"{mark}","ap":"{mark}","P":"{index}","i":"{index}","r":"{}","T":{},"st":1}}"#,
            at.as_millis(),
            self.instrument.symbol(),
            update.funding_rate.decimal().padded(8),
            update.next_funding.as_millis(),
        )
    }
}

/// The next multiple of `interval` strictly after `now`.
fn grid_after(now: Nanos, interval: Duration) -> Nanos {
    let step = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX).max(1);
    Nanos((now.0 / step).saturating_add(1).saturating_mul(step))
}
