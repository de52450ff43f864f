//! Engine, client and exchange in one process on simulated time, with a network between them that
//! delays, loses and cuts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use binance::client::{
    Client, ClientConfig, Effect, Event, HttpReply, Log, NoAnswer, OrderPath, RequestId, SocketId,
    Status,
};
use binance::replies::{LimitKind, OrderReply, RateLimit};
use binance::server::{Action, Fate, Faults, Front, LimitRules, Request, Route, Session, Topic};
use binance::{ClockSync, Credentials, Endpoints, HttpRequest, Method, Stamp, rest};
use engine::snapshot::DeskView;
use engine::{Alert, Carry, Control, EngineConfig, Input, Output};
use market::venue::{OpenOrder, VenueCommand};
use market::{Decimal, InstrumentId, Nanos, Position, Usd};
use runtime::Turn;
use runtime::exchange::{self, Account, ExchangeConfig, Host};
use sim_exchange::SimConfig;

use crate::market::{START, engine_config, instrument, millis};

const KEY: (&str, &str) = ("key", "secret");
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Something on its way.
enum Parcel {
    Open(SocketId, String),
    Text(SocketId, String),
    Goodbye(SocketId),
    Rest(RequestId, HttpRequest),
    /// For the client; owned, so that it can wait.
    Opened(SocketId),
    Frame(SocketId, String),
    Closed(SocketId),
    Answered(RequestId, Result<HttpReply, NoAnswer>),
}

enum Use {
    Streams { names: Vec<(String, Option<Topic>)>, combined: bool },
    Api(Session),
}

struct Socket {
    /// `None` until the venue has heard of it.
    used: Option<Use>,
    /// Messages of one socket do not overtake each other.
    last: Nanos,
    /// Nothing passes, and nobody is told.
    dead: bool,
}

/// What the network does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Each way.
    pub(crate) latency: Duration,
    /// No connection can be made.
    pub(crate) refuses: bool,
    /// Requests are carried out and their answers lost.
    pub(crate) loses_answers: bool,
}

impl Default for Weather {
    fn default() -> Self {
        Self { latency: millis(3), refuses: false, loses_answers: false }
    }
}

pub(crate) struct World {
    pub(crate) front: Front,
    pub(crate) host: Host,
    pub(crate) client: Client,
    pub(crate) turn: Turn,
    pub(crate) now: Nanos,
    pub(crate) weather: Weather,
    pub(crate) alerts: Vec<(Nanos, Alert)>,
    pub(crate) logs: Vec<Log>,
    pub(crate) commands: Vec<(Nanos, VenueCommand)>,
    /// HTTP requests as they left, without their signatures.
    pub(crate) asked: Vec<(Nanos, &'static str, String)>,
    /// Times at which frames left on the WS API.
    pub(crate) framed: Vec<Nanos>,
    /// Sockets that were wanted.
    pub(crate) opened: Vec<(Nanos, String)>,
    seed: u64,
    session: u32,
    /// Our clock minus the venue's.
    skew: i64,
    queue: BTreeMap<(Nanos, u64), Parcel>,
    parcels: u64,
    sockets: BTreeMap<SocketId, Socket>,
    batch: Vec<Input>,
    effects: Vec<Effect>,
    /// What is on disk for the next session, as the live driver keeps it.
    pub(crate) kept: Option<Carry>,
    kept_at: Nanos,
}

pub(crate) fn client_config(seed: u64, clock: ClockSync, path: OrderPath) -> ClientConfig {
    let limit =
        |kind, seconds, limit| RateLimit { kind, interval: Duration::from_secs(seconds), limit };
    ClientConfig {
        endpoints: Endpoints::custom("http://venue").unwrap(),
        credentials: Credentials::hmac(KEY.0, KEY.1).unwrap(),
        instrument: instrument(),
        limits: vec![
            limit(LimitKind::Weight, 60, 2_400),
            limit(LimitKind::Orders, 60, 1_200),
            limit(LimitKind::Orders, 10, 300),
        ],
        clock,
        clock_limit: Duration::from_secs(1),
        window: millis(1_500),
        ack_timeout: Duration::from_secs(2),
        order_path: path,
        copies: 1,
        seed,
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, OrderPath::WsApi, engine_config(), None)
    }

    pub(crate) fn with(
        seed: u64,
        path: OrderPath,
        engine: EngineConfig,
        market: Option<SimConfig>,
    ) -> Self {
        let balance = Decimal::from_units(10_000 * Decimal::SCALE);
        let config = ExchangeConfig {
            seed,
            market,
            limits: LimitRules::default(),
            ..ExchangeConfig::new(instrument(), vec![Account::new(KEY.0, KEY.1, balance)])
        };
        let front = Front::new(exchange::front_config(&config, START).unwrap());
        let host = Host::new(&config, START).unwrap();
        let session = engine.session;
        let mut world = Self {
            front,
            host,
            client: Client::new(client_config(seed, ClockSync::default(), path)),
            turn: Turn::new(engine, None),
            now: START,
            weather: Weather::default(),
            alerts: Vec::new(),
            logs: Vec::new(),
            commands: Vec::new(),
            asked: Vec::new(),
            framed: Vec::new(),
            opened: Vec::new(),
            seed,
            session,
            skew: 0,
            queue: BTreeMap::new(),
            parcels: 0,
            sockets: BTreeMap::new(),
            batch: Vec::new(),
            effects: Vec::new(),
            kept: None,
            kept_at: Nanos::ZERO,
        };
        world.client.start(world.ours(), &mut world.effects);
        world.carry_out();
        world
    }

    /// Our clock.
    fn ours(&self) -> Nanos {
        Nanos(self.now.0.saturating_add_signed(self.skew))
    }

    /// From now on our clock is ahead of the venue's by this much.
    pub(crate) fn set_clock(&mut self, ahead: i64) {
        self.skew = ahead;
    }

    /// The process is killed and another one started: nothing but the venue remembers.
    pub(crate) fn restart(&mut self) {
        self.cut();
        self.queue.clear();
        self.sockets.clear();
        self.batch.clear();
        self.effects.clear();
        self.session += 1;
        let mut engine = engine_config();
        engine.session = self.session;
        self.turn = Turn::new(engine, None);
        let kept = self.kept.clone();
        self.batch.extend(kept.map(|carry| Input::Control(Control::Restore(Box::new(carry)))));
        let config = client_config(self.seed, ClockSync::default(), OrderPath::WsApi);
        self.client = Client::new(config);
        self.client.start(self.ours(), &mut self.effects);
        self.carry_out();
    }

    pub(crate) fn control(&mut self, control: Control) {
        self.batch.push(Input::Control(control));
        self.step();
    }

    pub(crate) fn act(&mut self, action: &Action) {
        self.front.act(&mut self.host, self.now, action).unwrap();
        self.venue_speaks();
    }

    pub(crate) fn faults(&mut self, faults: Faults) {
        self.front.set_faults(faults);
    }

    /// Every connection breaks, and both sides notice.
    pub(crate) fn cut(&mut self) {
        for id in self.sockets.keys().copied().collect::<Vec<_>>() {
            self.forget(id);
            self.send(Parcel::Closed(id), self.now);
        }
    }

    /// Every open connection goes dead, and nobody notices.
    pub(crate) fn deaden(&mut self) {
        self.sockets.values_mut().for_each(|socket| socket.dead = true);
    }

    /// Time passes.
    pub(crate) fn run(&mut self, span: Duration) {
        let until = self.now + span;
        while self.now < until {
            self.advance(until);
        }
    }

    /// Until something holds; panics when it does not within the span.
    #[track_caller]
    pub(crate) fn run_until(
        &mut self,
        span: Duration,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) {
        let until = self.now + span;
        while !holds(self) {
            assert!(self.now < until, "{what}: not within {span:?}; {}", self.story());
            self.advance(self.now + millis(20));
        }
    }

    fn advance(&mut self, until: Nanos) {
        let skew = self.skew;
        let theirs = |at: Nanos| Nanos(at.0.saturating_add_signed(-skew));
        let next = [
            self.queue.keys().next().map(|(at, _)| *at),
            self.client.next_deadline().map(theirs),
            self.turn.engine().next_deadline().map(theirs),
            Some(self.front.next_tick()),
            self.host.next_deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(until)
        .clamp(self.now + Duration::from_micros(50), until.max(self.now + millis(1)));
        self.now = next.min(until.max(self.now));
        self.host.step(self.now, self.front.maintenance());
        self.venue_speaks();
        while let Some(entry) = self.queue.first_entry() {
            if entry.key().0 > self.now {
                break;
            }
            let parcel = entry.remove();
            self.arrive(parcel);
        }
        self.client.on_time(self.ours(), &mut self.effects);
        self.carry_out();
        self.step();
    }

    /// The client says goodbye, with nothing of ours left.
    pub(crate) fn close(&mut self) {
        self.client.close(self.ours(), true, &mut self.effects);
        self.carry_out();
    }

    /// One turn of the engine, if there is a reason.
    fn step(&mut self) {
        let now = self.ours();
        let due = self.turn.turns() == 0
            || self.turn.engine().next_deadline().is_some_and(|at| at <= now);
        if self.batch.is_empty() && !due {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let mut commands = Vec::new();
        for output in self.turn.run(now, &batch) {
            match output {
                Output::Venue(approved) => commands.push(approved.command().clone()),
                Output::Alert(alert) => self.alerts.push((now, alert.clone())),
                Output::Note(_) => {}
            }
        }
        let latched = self.kept.as_ref().map(|kept| (kept.latches, kept.breaker.state));
        let changed = latched != Some(self.turn.engine().latched());
        if changed || self.now >= self.kept_at + Duration::from_secs(1) {
            self.kept_at = self.now;
            self.kept = self.turn.engine().carry().or(self.kept.take());
        }
        for command in commands {
            self.client.command(now, &command, &mut self.effects);
            self.commands.push((now, command));
        }
        self.carry_out();
    }

    fn send(&mut self, parcel: Parcel, at: Nanos) {
        self.parcels += 1;
        self.queue.insert((at.max(self.now), self.parcels), parcel);
    }

    fn carry_out(&mut self) {
        let there = self.now + self.weather.latency;
        for effect in std::mem::take(&mut self.effects) {
            match effect {
                Effect::Open { socket, url } => {
                    self.opened.push((self.now, url.clone()));
                    let (last, used) = (there, None);
                    self.sockets.insert(socket, Socket { used, last, dead: false });
                    let refused = self.weather.refuses || self.front.faults().refuse_sockets;
                    if refused {
                        self.sockets.remove(&socket);
                        self.send(Parcel::Closed(socket), there);
                    } else {
                        self.send(Parcel::Open(socket, url), there);
                    }
                }
                Effect::Send { socket, text } => {
                    self.framed.push(self.now);
                    self.send(Parcel::Text(socket, text), there);
                }
                // The other side answers pings as long as it lives.
                Effect::Ping(socket) => {
                    if self.sockets.get(&socket).is_some_and(|socket| !socket.dead) {
                        let now = self.ours();
                        self.client.on_event(now, Event::Heard(socket), &mut self.effects);
                    }
                }
                Effect::Close(socket) => self.send(Parcel::Goodbye(socket), there),
                Effect::Http { id, request, .. } => {
                    let query = request.target.split_once('?').map_or("", |(_, query)| query);
                    let text = [query, &request.body].concat();
                    let text = text.split("&signature").next().unwrap_or_default().to_owned();
                    let path = request.target.split('?').next().unwrap_or_default().to_owned();
                    self.asked.push((self.now, request.method.name(), format!("{path} {text}")));
                    if self.weather.refuses {
                        let refused = Err(NoAnswer::NotSent("refused".to_owned()));
                        self.send(Parcel::Answered(id, refused), there);
                    } else {
                        self.send(Parcel::Rest(id, request), there);
                    }
                }
                Effect::Market(event) => self.batch.push(Input::Market(event)),
                Effect::Report(report) => self.batch.push(Input::Venue(InstrumentId(0), report)),
                Effect::Log(log) => self.logs.push(log),
            }
        }
    }

    fn arrive(&mut self, parcel: Parcel) {
        let now = self.ours();
        let dead = |world: &Self, id: &SocketId| world.sockets.get(id).is_none_or(|s| s.dead);
        match parcel {
            Parcel::Open(id, url) => self.open(id, &url),
            Parcel::Text(id, text) => {
                if !dead(self, &id) {
                    self.api(id, &text);
                }
            }
            Parcel::Goodbye(id) => self.forget(id),
            Parcel::Rest(id, request) => self.rest(id, &request),
            Parcel::Opened(id) => {
                if self.sockets.contains_key(&id) {
                    self.client.on_event(now, Event::Opened(id), &mut self.effects);
                }
            }
            Parcel::Frame(id, text) => {
                if !dead(self, &id) {
                    let event = Event::Frame(id, text.as_bytes());
                    self.client.on_event(now, event, &mut self.effects);
                }
            }
            Parcel::Closed(id) => {
                self.client.on_event(now, Event::Closed(id, "cut"), &mut self.effects);
            }
            Parcel::Answered(id, reply) => {
                self.client.on_event(now, Event::Answered(id, reply), &mut self.effects);
            }
        }
        self.carry_out();
    }

    fn open(&mut self, id: SocketId, url: &str) {
        let Some(path) = url.strip_prefix("ws://venue") else { panic!("foreign host: {url}") };
        let used = if path.starts_with("/ws-fapi/v1") {
            Use::Api(Session::new(self.now, path.ends_with("returnRateLimits=true")))
        } else {
            let (route, rest) = [
                ("/public", Route::Public),
                ("/market", Route::Market),
                ("/private", Route::Private),
            ]
            .into_iter()
            .find_map(|(prefix, route)| path.strip_prefix(prefix).map(|rest| (route, rest)))
            .unwrap_or((Route::Legacy, path));
            let combined = rest.starts_with("/stream");
            let list = rest.trim_start_matches("/stream?streams=").trim_start_matches("/ws/");
            let names = list.split('/').map(|name| {
                let topic = match name.contains('@') {
                    true => Topic::parse(name, "ETHUSDC"),
                    false => self.front.listener(name, self.now).map(Topic::User),
                };
                (name.to_owned(), topic.filter(|topic| topic.travels(route)))
            });
            Use::Streams { names: names.collect(), combined }
        };
        if let Use::Streams { names, .. } = &used {
            for topic in names.iter().filter_map(|(_, topic)| *topic) {
                self.front.listen(topic, true);
            }
        }
        let Some(socket) = self.sockets.get_mut(&id) else { return };
        socket.used = Some(used);
        let back = self.now + self.weather.latency;
        self.send(Parcel::Opened(id), back);
    }

    fn forget(&mut self, id: SocketId) {
        if let Some(Socket { used: Some(Use::Streams { names, .. }), .. }) =
            self.sockets.remove(&id)
        {
            for topic in names.into_iter().filter_map(|(_, topic)| topic) {
                self.front.listen(topic, false);
            }
        }
    }

    fn api(&mut self, id: SocketId, text: &str) {
        let Some(Socket { used: Some(Use::Api(session)), .. }) = self.sockets.get_mut(&id) else {
            return;
        };
        let mut session = *session;
        let answer = self.front.ws_api(&mut self.host, self.now, &mut session, HERE, text);
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.used = Some(Use::Api(session));
        }
        let delay = Duration::from_millis(self.front.faults().reply_delay_ms);
        let back = self.now + self.weather.latency + delay;
        match answer {
            Some(_) if self.weather.loses_answers => {}
            Some(answer) => self.send(Parcel::Frame(id, answer), back),
            None => {
                self.forget(id);
                self.send(Parcel::Closed(id), back);
            }
        }
        self.venue_speaks();
    }

    fn rest(&mut self, id: RequestId, request: &HttpRequest) {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let asked = Request {
            method: request.method.name(),
            path,
            query,
            body: &request.body,
            api_key: request.api_key.as_deref(),
            ip: HERE,
        };
        let reply = self.front.rest(&mut self.host, self.now, &asked);
        self.venue_speaks();
        let back = self.now + self.weather.latency;
        let lost = || Err(NoAnswer::Lost("no answer".to_owned()));
        let (at, answer) = match reply.fate {
            Fate::Send(delay) if !self.weather.loses_answers => {
                let headers = reply.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone()));
                let (status, body) = (reply.status, reply.body.into_bytes());
                (back + delay, Ok(HttpReply { status, headers: headers.collect(), body }))
            }
            Fate::Send(_) => (back + Duration::from_secs(2), lost()),
            Fate::Drop => (back, lost()),
        };
        self.send(Parcel::Answered(id, answer), at);
    }

    /// What the venue has to say goes out to whoever listens.
    fn venue_speaks(&mut self) {
        let mut market = Vec::new();
        self.host.take_market(&mut market);
        market.iter().for_each(|event| self.front.market_event(event));
        self.front.tick(&mut self.host, self.now);
        let mut pushes = Vec::new();
        self.front.drain(&mut pushes);
        for push in pushes {
            let mut frames = Vec::new();
            for (id, socket) in &mut self.sockets {
                let Some(Use::Streams { names, combined }) = &socket.used else { continue };
                for (name, topic) in names {
                    if *topic != Some(push.topic) {
                        continue;
                    }
                    let user = matches!(push.topic, Topic::User(_));
                    let lives = !user
                        || push.event == "listenKeyExpired"
                        || self.front.listener(name, self.now).is_some();
                    if !lives {
                        continue;
                    }
                    let text = match combined {
                        true => format!(r#"{{"stream":"{name}","data":{}}}"#, push.text),
                        false => push.text.clone(),
                    };
                    socket.last = socket.last.max(self.now + self.weather.latency);
                    frames.push((socket.last, *id, text));
                }
            }
            for (at, id, text) in frames {
                self.send(Parcel::Frame(id, text), at);
            }
        }
        if self.front.take_cut() {
            self.cut();
        }
    }

    pub(crate) fn desk(&mut self) -> DeskView {
        self.turn.snapshot().desks.remove(0)
    }

    pub(crate) fn status(&self) -> Status {
        self.client.status(self.ours())
    }

    /// What the venue holds, asked outside the network and whatever its faults.
    pub(crate) fn open_orders(&mut self) -> Vec<OpenOrder> {
        let faults = std::mem::take(&mut self.front.faults().clone());
        self.front.set_faults(Faults::default());
        let credentials = Credentials::hmac(KEY.0, KEY.1).unwrap();
        let stamp = Stamp { timestamp: self.now, window: Duration::from_secs(5) };
        let request = rest::open_orders(Some("ETHUSDC")).http(Some(&credentials), stamp).unwrap();
        assert_eq!(request.method, Method::Get);
        let (path, query) = request.target.split_once('?').unwrap();
        let asked = Request {
            method: "GET",
            path,
            query,
            body: "",
            api_key: Some(KEY.0),
            ip: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)),
        };
        let reply = self.front.rest(&mut self.host, self.now, &asked);
        self.front.set_faults(faults);
        assert_eq!(reply.status, 200, "{}", reply.body);
        let orders = OrderReply::decode_list(reply.body.as_bytes()).unwrap();
        orders.iter().map(|order| order.open_order(&instrument()).unwrap()).collect()
    }

    pub(crate) fn position(&self) -> Position {
        use binance::server::Machine as _;
        self.host.standing(0).position
    }

    pub(crate) fn wallet(&self) -> Usd {
        use binance::server::Machine as _;
        self.host.standing(0).wallet
    }

    /// Whether quotes rest at the venue on both sides, and the engine knows it.
    pub(crate) fn is_quoting(&mut self) -> bool {
        let desk = self.desk();
        desk.standstill.is_empty() && !self.open_orders().is_empty() && desk.position_known
    }

    /// Both sides agree: orders, position, wallet.
    #[track_caller]
    pub(crate) fn assert_agreement(&mut self, context: &str) {
        let desk = self.desk();
        assert_eq!(desk.position, self.position(), "{context}: position; {}", self.story());
        let mut theirs: Vec<_> =
            self.open_orders().iter().filter_map(|order| order.client_id).collect();
        let mut ours: Vec<_> = desk.orders.iter().map(|order| order.client_id).collect();
        theirs.sort_unstable();
        ours.sort_unstable();
        assert_eq!(ours, theirs, "{context}: orders; {}", self.story());
        let snapshot = self.turn.snapshot();
        let pnl = &snapshot.pnl;
        let wallet = pnl.initial + pnl.realized - pnl.fees + pnl.funding + pnl.transfers;
        let off = (wallet - self.wallet()).abs();
        let rounding =
            Usd::new(10_000_000_000) * (desk.counters.fills.iter().sum::<u64>() + 1) as i64;
        assert!(off <= rounding, "{context}: wallet {wallet}, venue {}", self.wallet());
    }

    /// For messages of failed tests.
    pub(crate) fn story(&mut self) -> String {
        let desk = self.desk();
        let tail = |lines: Vec<String>| lines.into_iter().rev().take(12).rev().collect::<Vec<_>>();
        let alerts = self.alerts.iter().map(|(at, a)| format!("{at} {}", a.message)).collect();
        let logs = self.logs.iter().map(|log| format!("{:?} {}", log.level, log.message)).collect();
        let commands = self.commands.iter().map(|(at, c)| format!("{at} {c:?}")).collect();
        let asked = self.asked.iter().map(|(at, m, p)| format!("{at} {m} {p}")).collect();
        format!(
            "at {} standstill {:?} orders {:?}\nalerts {:#?}\nlogs {:#?}\ncommands {:#?}\nasked {:#?}",
            self.now,
            desk.standstill,
            desk.orders,
            tail(alerts),
            tail(logs),
            tail(commands),
            tail(asked)
        )
    }

    /// Reports that were sent to the engine but are not to be: none of ours.
    pub(crate) fn anomalies(&mut self) -> u64 {
        self.desk().counters.anomalies
    }
}
