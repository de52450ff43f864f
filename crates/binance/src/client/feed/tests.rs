//! The feed against a scripted venue. Every frame is real text; every event that comes out is
//! audited: no hole, nothing twice, up and down in turn.

mod life;
mod merging;
mod props;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use market::{Book, Instrument, InstrumentId, MarketKind, Nanos, Side};

use super::*;
use crate::client::Log;

const START: Nanos = Nanos(1_791_000_000_000_000_000);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// What becomes of the events: a book, and counts.
#[derive(Default)]
struct Audit {
    book: Book,
    up: bool,
    downs: u32,
    ups: u32,
    trades: BTreeSet<i64>,
    ticker: u64,
    tickers: u32,
    mark: Nanos,
    marks: u32,
    /// What came out since it was last looked at, spelled briefly.
    said: Vec<String>,
}

impl Audit {
    fn take(&mut self, event: &MarketEvent) {
        self.said.push(spell(event));
        match &event.kind {
            MarketKind::FeedUp => {
                assert!(!self.up, "up twice");
                (self.up, self.ups) = (true, self.ups + 1);
            }
            MarketKind::FeedDown => {
                assert!(self.up, "down twice");
                (self.up, self.downs) = (false, self.downs + 1);
                self.book.feed_down();
            }
            MarketKind::Snapshot(snapshot) => {
                assert!(self.up, "a snapshot before the feed is up");
                self.book.apply_snapshot(event.ts_event, snapshot);
            }
            MarketKind::Diff(diff) => {
                assert!(self.up, "a change before the feed is up");
                assert!(diff.previous_id <= self.book.last_id(), "a hole before {diff:?}");
                self.book.apply_diff(event.ts_event, diff);
                assert_eq!(self.book.last_id(), diff.last_id.max(self.book.last_id()));
            }
            MarketKind::Trade(trade) => {
                assert!(self.trades.insert(trade.id), "trade {} twice", trade.id);
            }
            MarketKind::Ticker(ticker) => {
                assert!(ticker.update_id > self.ticker, "an old best bid and ask");
                (self.ticker, self.tickers) = (ticker.update_id, self.tickers + 1);
            }
            MarketKind::Mark(_) => {
                assert!(event.ts_event > self.mark, "an old mark price");
                (self.mark, self.marks) = (event.ts_event, self.marks + 1);
            }
        }
        self.book.assert_invariants();
    }
}

fn spell(event: &MarketEvent) -> String {
    match &event.kind {
        MarketKind::Snapshot(snapshot) => format!("={}", snapshot.last_id),
        MarketKind::Diff(diff) => format!("{}-{}", diff.previous_id, diff.last_id),
        MarketKind::Ticker(ticker) => format!("ticker {}", ticker.update_id),
        MarketKind::Trade(trade) => format!("trade {}", trade.id),
        MarketKind::Mark(_) => "mark".to_owned(),
        MarketKind::FeedUp => "up".to_owned(),
        MarketKind::FeedDown => "down".to_owned(),
    }
}

/// A socket as the other side sees it.
#[derive(Clone, Debug)]
struct Peer {
    url: String,
    open: bool,
}

/// A feed, its clock and its peers.
struct Rig {
    feed: Feed,
    now: Nanos,
    names: u64,
    /// Sockets that the feed has and has not closed.
    peers: BTreeMap<SocketId, Peer>,
    opens: Vec<(Nanos, SocketId)>,
    handshakes: Vec<(Nanos, SocketId)>,
    closes: Vec<(Nanos, SocketId)>,
    audit: Audit,
    logs: Vec<(Nanos, Log)>,
}

fn instrument() -> Instrument {
    Instrument::known(InstrumentId(0), "ETHUSDC").unwrap()
}

impl Rig {
    fn new(copies: u8) -> Self {
        Self::with(Endpoints::mainnet(), copies, 7)
    }

    fn with(endpoints: Endpoints, copies: u8, seed: u64) -> Self {
        let feed = Feed::new(FeedConfig { endpoints, instrument: instrument(), copies, seed });
        let mut rig = Self {
            feed,
            now: START,
            names: 0,
            peers: BTreeMap::new(),
            opens: Vec::new(),
            handshakes: Vec::new(),
            closes: Vec::new(),
            audit: Audit::default(),
            logs: Vec::new(),
        };
        rig.run(|feed, io| feed.start(io));
        rig
    }

    /// Every socket opened, and the book in sequence at update 100.
    fn running(copies: u8) -> Self {
        let mut rig = Self::new(copies);
        rig.open_all();
        for id in rig.carrying("depth") {
            rig.depth(id, 90, 100);
        }
        rig.snapshot(100);
        rig.said();
        rig
    }

    fn run(&mut self, work: impl FnOnce(&mut Feed, &mut Io<'_>)) {
        let (now, mut out) = (self.now, Vec::new());
        work(&mut self.feed, &mut Io { now, names: &mut self.names, out: &mut out });
        for effect in out {
            match effect {
                Effect::Open { socket, url } => {
                    self.opens.push((now, socket));
                    assert!(self.peers.insert(socket, Peer { url, open: false }).is_none());
                }
                Effect::Close(socket) => {
                    self.closes.push((now, socket));
                    assert!(self.peers.remove(&socket).is_some(), "{socket:?} is not open");
                }
                Effect::Market(event) => self.audit.take(&event),
                Effect::Log(log) => self.logs.push((now, log)),
                other => panic!("{other:?}"),
            }
        }
        let owned = |id: &SocketId| self.feed.owns(*id);
        assert!(self.peers.keys().all(owned), "a socket was forgotten");
    }

    /// Lets time pass; the feed acts on each of its deadlines.
    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(due) = self.feed.next_deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.on_time();
            if self.feed.wants_snapshot(self.now) {
                break;
            }
        }
        self.now = until;
        self.on_time();
    }

    fn on_time(&mut self) {
        self.run(|feed, io| feed.on_time(io));
        let due = self.feed.next_deadline();
        let wants = self.feed.wants_snapshot(self.now);
        assert!(wants || due.is_none_or(|due| due > self.now), "nothing comes of a deadline");
    }

    fn open(&mut self, id: SocketId) {
        self.peers.get_mut(&id).unwrap().open = true;
        self.handshakes.push((self.now, id));
        self.run(|feed, io| feed.opened(io, id));
    }

    fn open_all(&mut self) {
        let ids: Vec<SocketId> =
            self.peers.iter().filter(|(_, peer)| !peer.open).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.open(id));
    }

    fn close(&mut self, id: SocketId) {
        self.peers.remove(&id).unwrap();
        self.run(|feed, io| feed.closed(io, id, "reset by peer"));
    }

    /// Open sockets that carry a stream, oldest first.
    fn carrying(&self, stream: &str) -> Vec<SocketId> {
        let named = format!("@{stream}");
        let carries = |peer: &Peer| peer.open && peer.url.contains(&named);
        self.peers.iter().filter(|(_, peer)| carries(peer)).map(|(id, _)| *id).collect()
    }

    fn say(&mut self, id: SocketId, text: &str) {
        self.run(|feed, io| feed.frame(io, id, text.as_bytes()));
    }

    fn depth(&mut self, id: SocketId, previous: u64, last: u64) {
        let text = depth_text(self.now, previous, last, &[], &[]);
        self.say(id, &text);
    }

    fn ticker(&mut self, id: SocketId, update: u64) {
        let text = ticker_text(self.now, update);
        self.say(id, &text);
    }

    fn trade(&mut self, id: SocketId, number: i64) {
        let text = trade_text(self.now, number);
        self.say(id, &text);
    }

    fn mark(&mut self, id: SocketId) {
        let text = mark_text(self.now);
        self.say(id, &text);
    }

    /// Every open socket says something of every stream but one; the feed does not lack depth.
    fn chatter(&mut self, but: &str, count: &mut u64) {
        *count += 1;
        let (id, previous) = (*count * 10 + 1_000, *count * 10 + 990);
        let ids: Vec<(SocketId, String)> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.open)
            .map(|(id, peer)| (*id, peer.url.clone()))
            .collect();
        for (socket, url) in ids {
            for stream in ["depth", "bookTicker", "aggTrade", "markPrice"] {
                if stream == but || !url.contains(stream) {
                    continue;
                }
                match stream {
                    "depth" => self.depth(socket, previous, id),
                    "bookTicker" => self.ticker(socket, id),
                    "aggTrade" => self.trade(socket, *count as i64),
                    _ => self.mark(socket),
                }
            }
        }
        if self.feed.wants_snapshot(self.now) {
            self.snapshot(id);
        }
    }

    fn snapshot(&mut self, last: u64) {
        let body = snapshot_text(self.now, last, &[], &[]);
        self.answer(Ok(body.as_bytes()));
    }

    fn answer(&mut self, body: Result<&[u8], ()>) {
        assert!(self.feed.wants_snapshot(self.now), "nobody asked for a snapshot");
        self.run(|feed, io| feed.snapshot_sent(io));
        assert!(!self.feed.wants_snapshot(self.now), "asked for a second one meanwhile");
        self.run(|feed, io| feed.on_snapshot(io, body));
    }

    /// What came out since the last call.
    fn said(&mut self) -> String {
        std::mem::take(&mut self.audit.said).join(" ")
    }

    fn warnings(&mut self) -> Vec<String> {
        let logs = std::mem::take(&mut self.logs);
        let is_warning = |log: &Log| log.level == Level::Warn;
        logs.into_iter().filter(|(_, log)| is_warning(log)).map(|(_, log)| log.message).collect()
    }

    fn status(&self) -> FeedStatus {
        self.feed.status(self.now)
    }

    fn stream(&self, name: &str) -> StreamStatus {
        self.status().streams.into_iter().find(|stream| stream.name == name).unwrap()
    }
}

type Levels = [(u64, u64)];

/// Prices in cents and quantities in thousandths, as the venue writes them.
fn levels(levels: &Levels) -> String {
    let level = |(p, q): &(u64, u64)| {
        format!(r#"["{}.{:02}","{}.{:03}"]"#, p / 100, p % 100, q / 1_000, q % 1_000)
    };
    levels.iter().map(level).collect::<Vec<_>>().join(",")
}

fn wrapped(stream: &str, data: &str) -> String {
    format!(r#"{{"stream":"ethusdc@{stream}","data":{data}}}"#)
}

fn depth_text(now: Nanos, previous: u64, last: u64, bids: &Levels, asks: &Levels) -> String {
    let (at, first) = (now.as_millis(), previous + 1);
    let (bids, asks) = (levels(bids), levels(asks));
    let data = format!(
        r#"{{"e":"depthUpdate","E":{at},"T":{at},"s":"ETHUSDC","U":{first},"u":{last},"pu":{previous},"b":[{bids}],"a":[{asks}]}}"#
    );
    wrapped("depth@100ms", &data)
}

fn ticker_text(now: Nanos, update: u64) -> String {
    let at = now.as_millis();
    let data = format!(
        r#"{{"e":"bookTicker","u":{update},"s":"ETHUSDC","b":"2610.58","B":"12.004","a":"2610.59","A":"3.377","T":{at},"E":{at}}}"#
    );
    wrapped("bookTicker", &data)
}

fn trade_text(now: Nanos, number: i64) -> String {
    let at = now.as_millis();
    let data = format!(
        r#"{{"e":"aggTrade","E":{at},"s":"ETHUSDC","a":{number},"p":"2610.58","q":"0.100","f":1,"l":2,"T":{at},"m":true}}"#
    );
    wrapped("aggTrade", &data)
}

fn mark_text(now: Nanos) -> String {
    let at = now.as_millis();
    let data = format!(
        r#"{{"e":"markPriceUpdate","E":{at},"s":"ETHUSDC","p":"2610.58123456","i":"2610.60000000","P":"2610.5","r":"0.00010000","T":{at}}}"#
    );
    wrapped("markPrice@1s", &data)
}

fn snapshot_text(now: Nanos, last: u64, bids: &Levels, asks: &Levels) -> String {
    let (at, bids, asks) = (now.as_millis(), levels(bids), levels(asks));
    format!(r#"{{"lastUpdateId":{last},"E":{at},"T":{at},"bids":[{bids}],"asks":[{asks}]}}"#)
}
