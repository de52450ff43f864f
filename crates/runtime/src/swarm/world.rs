//! Trader, network and venue on one thread and one clock.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use binance::client::{Client, Effect, Event, HttpReply, NoAnswer};
use binance::server::{Action, Fate, Front, Push, Request, Route, Session, Topic};
use engine::{Carry, EngineConfig};
use market::{ClientOrderId, MarketEvent, Nanos};

use super::auditor::{Auditor, Origin, Rule};
use super::disk::Disk;
use super::network::{Made, Network, Parcel, RequestKey, Socket, SocketKey, Use, Way};
use super::process::Process;
use super::senses::Senses;
use super::setup::Setup;
use super::witness::Witness;
use crate::exchange::{self, Host};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Time moves at least so far: what is due already is done at once, but never in a circle.
const MOMENT: Duration = Duration::from_micros(50);
/// How often what changes by time alone is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Everything there is.
pub(super) struct World {
    pub(super) now: Nanos,
    pub(super) setup: Setup,
    /// What the operator has configured.
    pub(super) config: EngineConfig,
    pub(super) front: Front,
    pub(super) venue: Witness,
    pub(super) net: Network,
    pub(super) senses: Senses,
    pub(super) process: Option<Process>,
    pub(super) lives: u32,
    pub(super) disk: Disk,
    look_due: Nanos,
    market: Vec<MarketEvent>,
    pushes: Vec<Push>,
    effects: Vec<Effect>,
}

impl World {
    /// A venue that has just opened and a trader that starts.
    ///
    /// # Errors
    /// When it cannot be set up: no disk, or a configuration that the exchange refuses.
    pub(super) fn new(seed: u64, journaled: bool) -> Result<Self, String> {
        let setup = Setup::draw(seed);
        let start = setup.start;
        let front = exchange::front_config(&setup.exchange, start).map_err(|e| e.to_string())?;
        let host = Host::new(&setup.exchange, start).map_err(|e| e.to_string())?;
        let config = setup.engine.clone();
        let auditor = Auditor::new(&config, setup.wallet());
        let max_book_age = config.desks[0].limits.max_book_age;
        let mut world = Self {
            now: start,
            config,
            front: Front::new(front),
            venue: Witness::new(host, auditor),
            net: Network::new(seed),
            senses: Senses::new(max_book_age, setup.copies == 1),
            process: None,
            lives: 0,
            disk: Disk::new(seed, journaled).map_err(|e| format!("no disk: {e}"))?,
            look_due: start,
            market: Vec::new(),
            pushes: Vec::new(),
            effects: Vec::new(),
            setup,
        };
        world.start(false);
        Ok(world)
    }

    /// A new life of the trader.
    pub(super) fn start(&mut self, in_the_middle: bool) {
        self.lives += 1;
        self.config.session = self.lives;
        let client = Client::new(self.setup.client(self.lives));
        self.senses.born(self.now);
        self.venue.auditor.born(self.lives);
        self.venue.auditor.configured(self.now, &self.config);
        let auditor = &self.venue.auditor;
        let kept = self.disk.recall(in_the_middle).map(|kept| {
            // Asked of the venue before anything else.
            kept.map(|carry| Carry { meanwhile: auditor.meanwhile(carry.at), ..carry })
        });
        let started = kept
            .and_then(|kept| Process::start(self.now, &self.config, client, &mut self.disk, kept));
        match started {
            Ok(process) => self.process = Some(process),
            Err(error) => self.venue.auditor.judge(Rule::Disk, self.now, Err(error)),
        }
        self.carry_out();
    }

    /// The trader is gone; what it sent is still on its way, and the venue learns of closed connections.
    pub(super) fn end_life(&mut self) -> Option<Process> {
        let process = self.process.take()?;
        self.venue.auditor.died(self.now);
        self.net.forget_life();
        for key in self.net.sockets.keys().copied().collect::<Vec<_>>() {
            self.net.follow(self.now, Duration::ZERO, key, Way::Out, Parcel::Goodbye(key));
        }
        Some(process)
    }

    /// Lets time pass until then, whatever happens.
    pub(super) fn run(&mut self, until: Nanos) {
        while self.now < until && self.venue.auditor.violation.is_none() {
            self.advance(until);
        }
    }

    /// Up to whatever happens next, but not beyond `until`.
    pub(super) fn advance(&mut self, until: Nanos) {
        let host = self.venue.host.next_deadline();
        let process = self.process.as_ref().and_then(Process::next_deadline);
        let next = [host, process, self.net.next_due(), Some(self.front.next_tick())];
        let next = next.into_iter().flatten().min().unwrap_or(until);
        self.now = next.max(self.now + MOMENT).min(until.max(self.now));
        if host.is_some_and(|at| at <= self.now) || self.front.next_tick() <= self.now {
            self.venue.step(self.now, self.front.maintenance());
            self.venue_speaks();
        }
        while let Some(parcel) = self.net.arrived(self.now) {
            self.arrive(parcel);
        }
        self.think();
        if self.now >= self.look_due {
            self.look();
        }
    }

    fn look(&mut self) {
        self.look_due = self.now + LOOK_EVERY;
        let equity = self.venue.equity();
        self.venue.auditor.on_time(self.now, equity);
        let life = self.front.faults().connection_life();
        let now = self.now;
        let old = self.net.sockets.iter().filter(|(_, s)| now.since(s.opened) >= life && !s.dead);
        for key in old.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.close_from_venue(key);
        }
        if self.front.faults().half_open {
            self.net.sockets.values_mut().for_each(|socket| socket.dead = true);
        }
    }

    /// Client and engine take in what has come.
    pub(super) fn think(&mut self) {
        let Some(process) = self.process.as_mut() else { return };
        if self.now < process.asleep_until {
            return;
        }
        process.on_time(self.now);
        self.carry_out();
        if let Some(process) = self.process.as_mut() {
            process.step(self.now, &mut self.disk);
        }
        self.carry_out();
    }

    /// Does on the network what the client wants done.
    pub(super) fn carry_out(&mut self) {
        let Some(process) = self.process.as_mut() else { return };
        std::mem::swap(&mut self.effects, &mut process.effects);
        let mut effects = std::mem::take(&mut self.effects);
        for effect in effects.drain(..) {
            let now = self.now;
            let wish = self.process.as_mut().and_then(|process| process.absorb(now, effect));
            if let Some(effect) = wish {
                self.send(effect);
            }
        }
        self.effects = effects;
    }

    fn send(&mut self, effect: Effect) {
        let Some(process) = self.process.as_mut() else { return };
        let (now, life) = (self.now, process.life);
        match effect {
            Effect::Open { socket, url } => {
                let key = (life, socket);
                self.net.add(now, key, Senses::is_user_stream(&url));
                let refused = self.net.weather.unreachable || self.front.faults().refuse_sockets;
                let parcel = if refused { Parcel::Closed(key) } else { Parcel::Open(key, url) };
                self.net.follow(now, Duration::ZERO, key, Way::Out, parcel);
            }
            Effect::Send { socket, text } => {
                self.net.traffic.sent += 1;
                let made = Made { life, at: now, forbids: self.senses.forbids(now) };
                if let Some(name) = order_frame(&text) {
                    self.venue.auditor.leaves(now, name);
                }
                let (key, none) = ((life, socket), Duration::ZERO);
                self.net.follow(now, none, key, Way::Out, Parcel::Text(key, text, made));
            }
            Effect::Ping(socket) => {
                let lives = self.net.sockets.get(&(life, socket)).is_some_and(|s| !s.dead);
                if lives && !self.net.weather.unreachable {
                    process.hears(now, Event::Heard(socket));
                }
            }
            Effect::Close(socket) => {
                let key = (life, socket);
                self.senses.closed(key);
                if let Some(socket) = self.net.sockets.get_mut(&key) {
                    socket.closed = true;
                }
                self.net.follow(now, Duration::ZERO, key, Way::Out, Parcel::Goodbye(key));
            }
            Effect::Http { id, request, timeout } => {
                self.net.traffic.sent += 1;
                let key = (life, id);
                self.net.waiting.insert(key);
                if self.net.weather.unreachable {
                    let refused = Err(NoAnswer::NotSent("no route".to_owned()));
                    return self.net.post(now, Duration::ZERO, Parcel::Answered(key, refused));
                }
                self.net.post_at(now + timeout, Parcel::GivenUp(key));
                if let Some(name) =
                    order_request(request.method.name(), &request.target, &request.body)
                {
                    self.venue.auditor.leaves(now, name);
                }
                if !self.net.loses(self.net.weather.lost_requests) {
                    let made = Made { life, at: now, forbids: self.senses.forbids(now) };
                    let parcel = Parcel::Rest(key, Box::new(request), made);
                    self.net.post(now, Duration::ZERO, parcel);
                }
            }
            Effect::Market(_) | Effect::Report(_) | Effect::Log(_) => {}
        }
    }

    fn arrive(&mut self, parcel: Parcel) {
        if let Some(life) = parcel.life() {
            let Some(process) = self.process.as_ref().filter(|process| process.life == life) else {
                return;
            };
            if self.now < process.asleep_until {
                // It lies in the system's buffers.
                return self.net.post_at(process.asleep_until, parcel);
            }
        }
        match parcel {
            Parcel::Open(key, url) => self.open(key, &url),
            Parcel::Text(key, text, made) => self.api(key, &text, made),
            Parcel::Goodbye(key) => self.forget(key),
            Parcel::Rest(key, request, made) => self.rest(key, &request, made),
            back => self.hand_over(back),
        }
    }

    /// Something reaches the trader.
    fn hand_over(&mut self, parcel: Parcel) {
        let Some(process) = self.process.as_mut() else { return };
        let now = self.now;
        match parcel {
            Parcel::Opened(key) => {
                let open = |socket: &&Socket| !socket.dead && !socket.closed;
                if let Some(socket) = self.net.sockets.get(&key).filter(open) {
                    self.senses.opened(key, socket.user);
                    process.hears(now, Event::Opened(key.1));
                }
            }
            Parcel::Frame(key, text) => {
                let open = |socket: &Socket| !socket.dead && !socket.closed;
                if self.net.sockets.get(&key).is_some_and(open) {
                    self.net.traffic.received += 1;
                    self.senses.frame(now, key, &text);
                    process.hears(now, Event::Frame(key.1, text.as_bytes()));
                }
            }
            Parcel::Closed(key) => {
                if self.net.sockets.get(&key).is_some_and(|socket| !socket.closed) {
                    self.senses.closed(key);
                    process.hears(now, Event::Closed(key.1, "closed"));
                }
                self.forget(key);
            }
            Parcel::Answered(key, reply) => {
                if self.net.waiting.remove(&key) {
                    self.net.traffic.received += 1;
                    if let Ok(reply) = &reply {
                        self.senses.answer(now, reply.status, &reply.body);
                    }
                    process.hears(now, Event::Answered(key.1, reply));
                }
            }
            Parcel::GivenUp(key) => {
                if self.net.waiting.remove(&key) {
                    let lost = Err(NoAnswer::Lost("no answer in time".to_owned()));
                    process.hears(now, Event::Answered(key.1, lost));
                }
            }
            Parcel::Open(..) | Parcel::Text(..) | Parcel::Goodbye(_) | Parcel::Rest(..) => {}
        }
        self.carry_out();
    }

    fn open(&mut self, key: SocketKey, url: &str) {
        let Some(path) = url.strip_prefix("ws://venue") else { return };
        let used = if path.starts_with("/ws-fapi/v1") {
            Use::Api(Session::new(self.now, path.ends_with("returnRateLimits=true")))
        } else {
            self.streams(path)
        };
        let Some(socket) = self.net.sockets.get_mut(&key).filter(|socket| !socket.dead) else {
            return;
        };
        if let Use::Streams { names, .. } = &used {
            for topic in names.iter().filter_map(|(_, topic)| *topic) {
                self.front.listen(topic, true);
            }
        }
        socket.used = Some(used);
        self.net.follow(self.now, Duration::ZERO, key, Way::Back, Parcel::Opened(key));
    }

    fn streams(&self, path: &str) -> Use {
        let routes =
            [("/public", Route::Public), ("/market", Route::Market), ("/private", Route::Private)];
        let (route, rest) = routes
            .into_iter()
            .find_map(|(prefix, route)| path.strip_prefix(prefix).map(|rest| (route, rest)))
            .unwrap_or((Route::Legacy, path));
        let combined = rest.starts_with("/stream");
        let list = rest.trim_start_matches("/stream?streams=").trim_start_matches("/ws/");
        let names = list.split('/').map(|name| {
            let topic = match name.contains('@') {
                true => Topic::parse(name, self.setup.instrument().symbol()).map(calmer),
                false => self.front.listener(name, self.now).map(Topic::User),
            };
            (name.to_owned(), topic.filter(|topic| topic.travels(route)))
        });
        Use::Streams { names: names.collect(), combined }
    }

    /// A connection is gone at the venue.
    pub(super) fn forget(&mut self, key: SocketKey) {
        let Some(socket) = self.net.sockets.remove(&key) else { return };
        if let Some(Use::Streams { names, .. }) = socket.used {
            for topic in names.into_iter().filter_map(|(_, topic)| topic) {
                self.front.listen(topic, false);
            }
        }
    }

    /// The venue closes a connection, and the trader hears of it.
    pub(super) fn close_from_venue(&mut self, key: SocketKey) {
        self.net.follow(self.now, Duration::ZERO, key, Way::Back, Parcel::Closed(key));
        if let Some(socket) = self.net.sockets.get_mut(&key) {
            socket.dead = true;
        }
    }

    /// Every connection breaks, and both sides notice.
    pub(super) fn cut(&mut self) {
        for key in self.net.sockets.keys().copied().collect::<Vec<_>>() {
            self.close_from_venue(key);
        }
    }

    fn api(&mut self, key: SocketKey, text: &str, made: Made) {
        let Some(socket) = self.net.sockets.get_mut(&key).filter(|socket| !socket.dead) else {
            return;
        };
        let Some(Use::Api(session)) = &mut socket.used else { return };
        let mut session = *session;
        self.venue.auditor.origin = Origin::Trader(made);
        let answer = self.front.ws_api(&mut self.venue, self.now, &mut session, HERE, text);
        self.venue.auditor.origin = Origin::Hand;
        if let Some(socket) = self.net.sockets.get_mut(&key) {
            socket.used = Some(Use::Api(session));
        }
        let held = self.front.reply_delay();
        match answer {
            // On a connection nothing is lost by itself: the venue does not answer.
            Some(_) if self.net.loses(self.net.weather.lost_answers) => {}
            // Held back answers overtake each other.
            Some(answer) if !held.is_zero() => {
                self.net.post(self.now, held, Parcel::Frame(key, answer));
            }
            Some(answer) => {
                self.net.follow(self.now, held, key, Way::Back, Parcel::Frame(key, answer));
            }
            None => self.close_from_venue(key),
        }
        self.venue_speaks();
    }

    fn rest(&mut self, key: RequestKey, request: &binance::HttpRequest, made: Made) {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let asked = Request {
            method: request.method.name(),
            path,
            query,
            body: &request.body,
            api_key: request.api_key.as_deref(),
            ip: HERE,
        };
        self.venue.auditor.origin = Origin::Trader(made);
        let reply = self.front.rest(&mut self.venue, self.now, &asked);
        self.venue.auditor.origin = Origin::Hand;
        self.venue_speaks();
        let (held, answer) = match reply.fate {
            Fate::Send(held) => {
                let headers = reply.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone()));
                let (status, body) = (reply.status, reply.body.into_bytes());
                (held, Ok(HttpReply { status, headers: headers.collect(), body }))
            }
            Fate::Drop => (Duration::ZERO, Err(NoAnswer::Lost("cut off".to_owned()))),
        };
        if !self.net.loses(self.net.weather.lost_answers) {
            self.net.post(self.now, held, Parcel::Answered(key, answer));
        }
    }

    /// Does something to the exchange.
    pub(super) fn act(&mut self, action: &Action) {
        // A wish that makes no sense at this moment is not fulfilled.
        let _ = self.front.act(&mut self.venue, self.now, action);
        self.venue_speaks();
    }

    /// What the venue has to say goes out to whoever listens.
    pub(super) fn venue_speaks(&mut self) {
        let mut market = std::mem::take(&mut self.market);
        self.venue.host.take_market(&mut market);
        market.drain(..).for_each(|event| self.front.market_event(&event));
        self.market = market;
        self.front.tick(&mut self.venue, self.now);
        let mut pushes = std::mem::take(&mut self.pushes);
        self.front.drain(&mut pushes);
        for push in pushes.drain(..) {
            self.deliver(&push);
        }
        self.pushes = pushes;
        if self.front.take_cut() {
            self.cut();
        }
    }

    fn deliver(&mut self, push: &Push) {
        let mut frames: Vec<(SocketKey, String)> = Vec::new();
        for (key, socket) in &self.net.sockets {
            let Some(Use::Streams { names, combined }) = &socket.used else { continue };
            for (name, _) in names.iter().filter(|(_, topic)| *topic == Some(push.topic)) {
                let user = matches!(push.topic, Topic::User(_));
                let lives = !user
                    || push.event == "listenKeyExpired"
                    || self.front.listener(name, self.now).is_some();
                if lives && !socket.dead {
                    let text = match combined {
                        true => format!(r#"{{"stream":"{name}","data":{}}}"#, push.text),
                        false => push.text.clone(),
                    };
                    frames.push((*key, text));
                }
            }
        }
        for (key, text) in frames {
            let none = Duration::ZERO;
            self.net.follow(self.now, none, key, Way::Back, Parcel::Frame(key, text));
        }
    }
}

/// Depth comes half as often a second as it really does five times: most of a run's time is messages.
fn calmer(topic: Topic) -> Topic {
    match topic {
        Topic::Depth(_) => Topic::Depth(500),
        other => other,
    }
}

/// Whether a frame of the WS API places or amends an order; the name of a new one.
fn order_frame(text: &str) -> Option<Option<ClientOrderId>> {
    if text.contains(r#""method":"order.place""#) {
        let rest = text.split_once(r#""newClientOrderId":""#).map_or("", |(_, rest)| rest);
        return Some(rest.split('"').next().and_then(|name| name.parse().ok()));
    }
    text.contains(r#""method":"order.modify""#).then_some(None)
}

/// The same of a request over REST.
fn order_request(method: &str, target: &str, body: &str) -> Option<Option<ClientOrderId>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.ends_with("/order") || !matches!(method, "POST" | "PUT") {
        return None;
    }
    let pairs = query.split('&').chain(body.split('&'));
    let name = pairs.filter_map(|pair| pair.strip_prefix("newClientOrderId=")).next();
    Some(name.filter(|_| method == "POST").and_then(|name| name.parse().ok()))
}
