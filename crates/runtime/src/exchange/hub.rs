//! The thread on which the exchange lives: requests in, replies and messages out, on the clock.
//!
//! Requests that wait are worked off together. What they changed is written to disk, if there is a
//! store, and only then do their replies and messages leave: nobody is ever told what a kill could
//! undo.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use binance::server::streams::{self, check_count};
use binance::server::{Control, Faults, Front, Push, Reply, Request, Route, Session, Topic};
use market::{MarketEvent, Nanos};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::ExchangeConfig;
use super::handle::{Edge, Handle, Job, Outbox, Purpose};
use super::host::Host;
use super::store::{Folder, StateError, Store};
use crate::clock;

/// Requests that may wait for the machine.
const QUEUE: usize = 8_192;
/// Requests worked off together: enough to share one write, few enough that the first does not wait
/// long for its answer.
const BATCH: usize = 128;
/// The longest the thread sleeps.
const NAP: Duration = Duration::from_millis(20);
/// Simulated time per step while history is made up.
const WARM_STEP: Duration = Duration::from_millis(50);

/// An exchange that is about to open.
pub(super) struct Opening {
    pub(super) front: Front,
    pub(super) host: Host,
    /// When its market begins: in the past, if history is to be made up.
    pub(super) begin: Nanos,
    /// Where to keep it.
    pub(super) folder: Option<Folder>,
}

/// Starts the thread, which makes up history before it listens.
pub(super) fn start(
    opening: Opening,
    config: &ExchangeConfig,
) -> std::io::Result<(Handle, JoinHandle<Result<(), StateError>>)> {
    let Opening { front, host, begin, folder } = opening;
    let (jobs, inbox) = sync_channel(QUEUE);
    let (alive, watching) = watch::channel(true);
    let (cut, cutting) = watch::channel(0);
    let (edge, edges) = watch::channel(Edge::new(&config.faults));
    let handle = Handle {
        jobs,
        ids: AtomicU64::new(1),
        alive: watching,
        cut: cutting,
        edge: edges,
        ping_every: config.ping_every,
    };
    let mut hub = Hub {
        front,
        host,
        now: begin,
        skew_ms: config.clock_skew_ms,
        peers: BTreeMap::new(),
        listeners: BTreeMap::new(),
        market: Vec::new(),
        pushes: Vec::new(),
        out: Vec::new(),
        held: BTreeMap::new(),
        held_count: 0,
        store: None,
        cut,
        edge,
    };
    let thread = std::thread::Builder::new().name("exchange".to_owned()).spawn(move || {
        let _end = End(alive);
        hub.open_doors(folder)?;
        hub.run(&inbox)
    })?;
    Ok((handle, thread))
}

/// Tells everybody when the thread ends, however it does.
struct End(watch::Sender<bool>);

impl Drop for End {
    fn drop(&mut self) {
        // Nobody watching is fine.
        let _ = self.0.send(false);
    }
}

/// A WebSocket as the thread knows it.
struct Peer {
    ip: IpAddr,
    outbox: Outbox,
    kind: Kind,
}

enum Kind {
    Streams { route: Route, combined: bool, names: Vec<String> },
    Api(Session),
}

/// Somebody who listens to a topic.
struct Listener {
    peer: u64,
    name: String,
    events: Option<Vec<String>>,
}

/// What leaves once it is certain to last.
enum Out {
    Reply(oneshot::Sender<Reply>, Reply),
    Message(u64, Utf8Bytes),
    Faults(oneshot::Sender<Faults>, Faults),
    Acted(oneshot::Sender<Result<(), String>>, Result<(), String>),
    Close(u64),
    Cut,
}

struct Hub {
    front: Front,
    host: Host,
    now: Nanos,
    skew_ms: i64,
    peers: BTreeMap<u64, Peer>,
    listeners: BTreeMap<Topic, Vec<Listener>>,
    market: Vec<MarketEvent>,
    pushes: Vec<Push>,
    out: Vec<Out>,
    /// Answers of the WS API that are held back, by when they are due.
    held: BTreeMap<(Nanos, u64), (u64, Utf8Bytes)>,
    held_count: u64,
    store: Option<Store>,
    cut: watch::Sender<u64>,
    edge: watch::Sender<Edge>,
}

impl Hub {
    /// Lives up to the present, then begins to keep what happens.
    fn open_doors(&mut self, folder: Option<Folder>) -> Result<(), StateError> {
        let until = self.clock();
        while self.now < until {
            self.advance((self.now + WARM_STEP).min(until));
        }
        self.advance(until);
        if let Some(folder) = folder {
            self.store = Some(folder.begin(&self.front.whole(&self.host, self.now))?);
            self.front.keep_changes();
        }
        self.settle()
    }

    fn run(&mut self, inbox: &Receiver<Job>) -> Result<(), StateError> {
        loop {
            let now = self.clock();
            self.advance(now);
            self.settle()?;
            match inbox.recv_timeout(self.due().since(self.now).min(NAP)) {
                Ok(job) => {
                    if !self.work_off(job, inbox) {
                        return self.settle();
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Works on a job and on those that wait behind it; false when told to stop.
    fn work_off(&mut self, first: Job, inbox: &Receiver<Job>) -> bool {
        let waiting = std::iter::from_fn(|| inbox.try_recv().ok()).take(BATCH - 1);
        for job in std::iter::once(first).chain(waiting) {
            if matches!(job, Job::Stop) {
                return false;
            }
            let now = self.clock();
            self.advance(now);
            self.work(job);
        }
        true
    }

    /// The exchange's own time.
    fn clock(&self) -> Nanos {
        skewed(clock::now(), self.skew_ms)
    }

    /// When something happens even if nobody asks for anything.
    fn due(&mut self) -> Nanos {
        let machine = self.host.next_deadline().unwrap_or(Nanos::MAX);
        let held = self.held.first_key_value().map_or(Nanos::MAX, |(&(due, _), _)| due);
        self.front.next_tick().min(machine).min(held)
    }

    /// Lets the exchange live up to now; time never goes back.
    fn advance(&mut self, now: Nanos) {
        self.now = self.now.max(now);
        self.host.step(self.now, self.front.maintenance());
        self.pump();
    }

    /// Writes down what has changed, then lets out what there is to say about it.
    fn settle(&mut self) -> Result<(), StateError> {
        while let Some(entry) = self.held.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (id, text) = entry.remove();
            self.out.push(Out::Message(id, text));
        }
        if let Some(store) = &mut self.store {
            if let Some(changes) = self.front.take_changes(&self.host, self.now) {
                store.append(&changes)?;
            }
            if store.is_long() {
                store.renew(&self.front.whole(&self.host, self.now))?;
            }
        }
        let mut out = std::mem::take(&mut self.out);
        for leaving in out.drain(..) {
            self.let_out(leaving);
        }
        self.out = out;
        Ok(())
    }

    fn let_out(&mut self, leaving: Out) {
        match leaving {
            // Whoever has gone away does not hear the answer.
            Out::Reply(answer, reply) => drop(answer.send(reply)),
            Out::Faults(answer, faults) => drop(answer.send(faults)),
            Out::Acted(answer, result) => drop(answer.send(result)),
            Out::Message(id, text) => {
                let peer = self.peers.get(&id);
                if peer.is_some_and(|peer| peer.outbox.try_send(text).is_err()) {
                    self.close(id);
                }
            }
            Out::Close(id) => self.close(id),
            Out::Cut => self.cut.send_modify(|count| *count += 1),
        }
    }

    /// Hands what the machine said to the protocol, and its messages to whoever listens.
    fn pump(&mut self) {
        let mut market = std::mem::take(&mut self.market);
        self.host.take_market(&mut market);
        for event in market.drain(..) {
            self.front.market_event(&event);
        }
        self.market = market;
        self.front.tick(&mut self.host, self.now);
        let mut pushes = std::mem::take(&mut self.pushes);
        self.front.drain(&mut pushes);
        for push in pushes.drain(..) {
            self.deliver(&push);
        }
        self.pushes = pushes;
        if self.front.take_cut() {
            self.out.push(Out::Cut);
        }
    }

    fn work(&mut self, job: Job) {
        let now = self.now;
        match job {
            Job::Rest(owned, answer) => {
                let request = Request {
                    method: &owned.method,
                    path: &owned.path,
                    query: &owned.query,
                    body: &owned.body,
                    api_key: owned.api_key.as_deref(),
                    ip: owned.ip,
                };
                let reply = self.front.rest(&mut self.host, now, &request);
                self.out.push(Out::Reply(answer, reply));
            }
            Job::Open { id, ip, purpose, outbox } => self.open(id, ip, purpose, outbox),
            Job::Text { id, text } => self.text(id, &text),
            Job::Close { id } => self.close(id),
            Job::Faults(faults, answer) => {
                if let Some(faults) = faults {
                    self.edge.send_replace(Edge::new(&faults));
                    self.front.set_faults(*faults);
                }
                self.out.push(Out::Faults(answer, self.front.faults().clone()));
            }
            Job::Act(action, answer) => {
                let result = self.front.act(&mut self.host, now, &action);
                self.out.push(Out::Acted(answer, result));
            }
            Job::Stop => {}
        }
    }

    fn open(&mut self, id: u64, ip: IpAddr, purpose: Purpose, outbox: Outbox) {
        match purpose {
            Purpose::Api { shows_limits } => {
                let kind = Kind::Api(Session::new(self.now, shows_limits));
                self.peers.insert(id, Peer { ip, outbox, kind });
            }
            Purpose::Streams { route, combined, names } => {
                let kind = Kind::Streams { route, combined, names: Vec::new() };
                self.peers.insert(id, Peer { ip, outbox, kind });
                for (name, events) in names {
                    self.subscribe(id, name, events);
                }
            }
        }
    }

    fn close(&mut self, id: u64) {
        self.peers.remove(&id);
        for (topic, listeners) in &mut self.listeners {
            listeners.retain(|listener| {
                let stays = listener.peer != id;
                if !stays {
                    self.front.listen(*topic, false);
                }
                stays
            });
        }
    }

    /// Adds a stream or a listen key to a connection. What does not travel there stays silent.
    fn subscribe(&mut self, id: u64, name: String, events: Option<Vec<String>>) {
        let Some(Peer { kind: Kind::Streams { route, names, .. }, .. }) = self.peers.get_mut(&id)
        else {
            return;
        };
        if names.contains(&name) {
            return;
        }
        names.push(name.clone());
        let route = *route;
        let topic = match name.contains(['@', '!']) {
            true => Topic::parse(&name, self.front.instrument().symbol()),
            false => self.front.listener(&name, self.now).map(Topic::User),
        };
        if let Some(topic) = topic.filter(|topic| topic.travels(route)) {
            self.front.listen(topic, true);
            self.listeners.entry(topic).or_default().push(Listener { peer: id, name, events });
        }
    }

    fn unsubscribe(&mut self, id: u64, name: &str) {
        for (topic, listeners) in &mut self.listeners {
            listeners.retain(|listener| {
                let stays = listener.peer != id || listener.name != name;
                if !stays {
                    self.front.listen(*topic, false);
                }
                stays
            });
        }
    }

    fn text(&mut self, id: u64, text: &str) {
        let Some(peer) = self.peers.get_mut(&id) else {
            return;
        };
        match &mut peer.kind {
            Kind::Api(session) => {
                let ip = peer.ip;
                let answer = self.front.ws_api(&mut self.host, self.now, session, ip, text);
                let delay = self.front.reply_delay();
                match answer {
                    Some(answer) if delay.is_zero() => self.send(id, answer.into()),
                    Some(answer) => {
                        self.held_count += 1;
                        let due = (self.now + delay, self.held_count);
                        self.held.insert(due, (id, answer.into()));
                    }
                    None => self.out.push(Out::Close(id)),
                }
            }
            Kind::Streams { .. } => self.control(id, text),
        }
    }

    fn control(&mut self, id: u64, text: &str) {
        let (number, wanted) = streams::control(text);
        let answer = match wanted {
            Ok(Control::Subscribe(list)) => {
                let have = self.names(id).map_or(0, |names| names.len());
                if let Err(last_words) = check_count(have + list.len()) {
                    self.send(id, last_words.into());
                    return self.out.push(Out::Close(id));
                }
                for name in list {
                    self.subscribe(id, name, None);
                }
                Ok(Value::Null)
            }
            Ok(Control::Unsubscribe(list)) => {
                for name in list {
                    self.unsubscribe(id, &name);
                    if let Some(names) = self.names(id) {
                        names.retain(|own| *own != name);
                    }
                }
                Ok(Value::Null)
            }
            Ok(Control::List) => {
                Ok(self.names(id).map_or(Value::Null, |names| names.clone().into()))
            }
            Ok(Control::Combined(on)) => {
                if let Some(combined) = self.combined(id) {
                    *combined = on;
                }
                Ok(Value::Null)
            }
            Ok(Control::GetCombined) => {
                Ok(self.combined(id).map_or(Value::Null, |combined| (*combined).into()))
            }
            Err(problem) => Err(problem),
        };
        self.send(id, streams::answer(&number, answer).into());
    }

    fn names(&mut self, id: u64) -> Option<&mut Vec<String>> {
        match &mut self.peers.get_mut(&id)?.kind {
            Kind::Streams { names, .. } => Some(names),
            Kind::Api(_) => None,
        }
    }

    fn combined(&mut self, id: u64) -> Option<&mut bool> {
        match &mut self.peers.get_mut(&id)?.kind {
            Kind::Streams { combined, .. } => Some(combined),
            Kind::Api(_) => None,
        }
    }

    fn deliver(&mut self, push: &Push) {
        let Some(listeners) = self.listeners.get(&push.topic) else {
            return;
        };
        let bare = Utf8Bytes::from(push.text.as_str());
        for listener in listeners {
            let wants = listener
                .events
                .as_ref()
                .is_none_or(|events| events.iter().any(|event| event == push.event));
            let lives = match push.topic {
                Topic::User(who) if push.event != "listenKeyExpired" => {
                    self.front.listener(&listener.name, self.now) == Some(who)
                }
                _ => true,
            };
            let Some(peer) = self.peers.get(&listener.peer).filter(|_| wants && lives) else {
                continue;
            };
            let text = match peer.kind {
                Kind::Streams { combined: true, .. } => {
                    format!(r#"{{"stream":"{}","data":{}}}"#, listener.name, push.text).into()
                }
                Kind::Streams { .. } | Kind::Api(_) => bare.clone(),
            };
            self.out.push(Out::Message(listener.peer, text));
        }
    }

    fn send(&mut self, id: u64, text: Utf8Bytes) {
        self.out.push(Out::Message(id, text));
    }
}

/// A time on a clock that is off by this much.
pub(super) fn skewed(now: Nanos, skew_ms: i64) -> Nanos {
    let span = Duration::from_millis(skew_ms.unsigned_abs());
    if skew_ms < 0 { now - span } else { now + span }
}
