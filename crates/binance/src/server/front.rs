//! The exchange in front of a machine: who asks, may they, what for, and what to answer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ::market::venue::VenueCommand;
use ::market::{ClientOrderId, Instrument, MarketEvent, Nanos, Rate};
use serde_json::Value;

use super::account::{Account, AccountConfig};
use super::error::ApiError;
use super::faults::{Dice, Faults, Injected};
use super::limits::{LimitRules, Refused, Weights};
use super::market::Market;
use super::params::Params;
use super::routes::{self, Call, Security};
use super::streams::Topic;
use super::user_events::UserEvents;
use super::{AccountEvent, Machine};

/// `recvWindow` when none is sent, in milliseconds.
const RECV_WINDOW: i64 = 5_000;
/// How often orders are looked through for a good-till date that has come.
const GOOD_TILL_EVERY: Duration = Duration::from_millis(100);
/// The widest `recvWindow`.
const RECV_WINDOW_MAX: i64 = 60_000;
/// A listen key lives this long after it was made or kept alive.
pub(super) const LISTEN_KEY_LIFE: Duration = Duration::from_secs(3_600);

/// What an exchange is told at birth.
#[derive(Clone, Debug)]
pub struct FrontConfig {
    /// The contract.
    pub instrument: Instrument,
    /// The accounts, in the machine's order.
    pub accounts: Vec<AccountConfig>,
    /// Rate limits.
    pub limits: LimitRules,
    /// Fee rate of resting orders.
    pub maker_fee: Rate,
    /// Fee rate of orders that take.
    pub taker_fee: Rate,
    /// When the exchange opens; ids on the wire are derived from it so that they never repeat.
    pub start: Nanos,
    /// Seeds listen keys and faults.
    pub seed: u64,
    /// What goes wrong from the beginning.
    pub faults: Faults,
}

/// A request as it came over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET`, `POST`, `PUT`, `DELETE`.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// Raw.
    pub query: &'a str,
    /// Raw.
    pub body: &'a str,
    /// `X-MBX-APIKEY`.
    pub api_key: Option<&'a str>,
    /// Where it came from.
    pub ip: IpAddr,
}

/// What becomes of a reply on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is sent after this long.
    Send(Duration),
    /// The connection ends without it.
    Drop,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// JSON, except for pages from the edge.
    pub body: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What becomes of it.
    pub fate: Fate,
}

/// A message to whoever listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// To whom.
    pub topic: Topic,
    /// The event's name.
    pub event: &'static str,
    /// The bare message.
    pub text: String,
}

/// The protocol side of one exchange.
#[derive(Debug)]
pub struct Front {
    pub(super) config: FrontConfig,
    pub(super) accounts: Vec<Account>,
    keys: BTreeMap<String, usize>,
    pub(super) weights: Weights,
    pub(super) market: Market,
    pub(super) faults: Faults,
    pub(super) dice: Dice,
    pub(super) pushes: Vec<Push>,
    /// Topics somebody listens to, with the number of listeners.
    pub(super) wanted: BTreeMap<Topic, usize>,
    events: Vec<AccountEvent>,
    pub(super) user_events: UserEvents,
    /// Messages waiting to be drained that have been disguised already.
    pub(super) disguised: usize,
    /// When it was last called.
    pub(super) now: Nanos,
    good_till_due: Nanos,
    pub(super) order_base: i64,
    pub(super) trade_base: i64,
    next_listen_key: u64,
    /// Whether the edge should cut every connection now.
    pub(super) cut_all: bool,
    /// When to note again where the market is, and what of it is on disk already.
    pub(super) tape_due: Nanos,
    pub(super) minute_saved: u64,
    pub(super) funding_saved: Nanos,
}

impl Front {
    /// An exchange with flat accounts.
    pub fn new(config: FrontConfig) -> Self {
        let seconds = i64::try_from(config.start.as_millis() / 1_000).unwrap_or(0);
        let mut accounts: Vec<_> = config.accounts.iter().cloned().map(Account::new).collect();
        for account in &mut accounts {
            // Clients take a balance that was never updated for none at all.
            account.updated = config.start;
            account.note_income("TRANSFER", account.config.balance, config.start, None);
        }
        let keys = config.accounts.iter().enumerate();
        Self {
            keys: keys.map(|(index, account)| (account.api_key.clone(), index)).collect(),
            accounts,
            weights: Weights::default(),
            market: Market::new(&config.instrument, config.start),
            faults: config.faults.clone(),
            dice: Dice::new(config.seed),
            pushes: Vec::new(),
            wanted: BTreeMap::new(),
            events: Vec::new(),
            user_events: UserEvents::default(),
            disguised: 0,
            now: config.start,
            good_till_due: Nanos::ZERO,
            // Above 2^53, as the real ones are, so that no client gets away with floats.
            order_base: 8_000_000_000_000_000_000 + seconds * 100_000_000,
            trade_base: seconds * 1_000,
            next_listen_key: 1,
            cut_all: false,
            tape_due: Nanos::MAX,
            minute_saved: 0,
            funding_saved: Nanos::ZERO,
            config,
        }
    }

    /// The contract.
    pub fn instrument(&self) -> &Instrument {
        &self.config.instrument
    }

    /// Takes in a market event; whoever listens is told at [`Front::drain`].
    pub fn market_event(&mut self, event: &MarketEvent) {
        let silent = self.faults.silent_market;
        self.market.absorb(event, &self.wanted, &mut self.pushes, silent);
    }

    /// Lets everything happen that is due at `now`: gathered depth, candles, keys that expire.
    pub fn tick(&mut self, machine: &mut dyn Machine, now: Nanos) {
        self.now = now;
        self.absorb_events(machine);
        let silent = self.faults.silent_market;
        self.market.tick(now, &self.wanted, &mut self.pushes, silent);
        if self.faults.lose_depth > 0 {
            let (dice, chance) = (&mut self.dice, self.faults.lose_depth);
            self.pushes.retain(|p| !matches!(p.topic, Topic::Depth(_)) || !dice.chance(chance));
        }
        let good_till = now >= self.good_till_due;
        for index in 0..self.accounts.len() {
            let account = &mut self.accounts[index];
            // The machine has been there already.
            account.dead_man = account.dead_man.filter(|at| *at > now);
            if account.listen_key.as_ref().is_some_and(|(_, at)| *at <= now) {
                self.expire_listen_key(index, now);
            }
            if good_till {
                self.expire_good_till(machine, index, now);
            }
        }
        if good_till {
            self.good_till_due = now + GOOD_TILL_EVERY;
        }
        if self.faults.disguises() || self.faults.unknown_events > 0 {
            self.disguise_market();
        }
        self.release_user_events(now);
    }

    /// When to tick even if nothing else happens.
    pub fn next_tick(&self) -> Nanos {
        let held = self.user_events.next_due().unwrap_or(Nanos::MAX);
        self.market.next_tick().min(held)
    }

    /// How long the reply to a request is held back; a new draw for each.
    pub fn reply_delay(&mut self) -> Duration {
        self.dice.delay(&self.faults)
    }

    /// Share of a position's value that its margin balance must cover.
    pub fn maintenance(&self) -> Rate {
        super::holdings::MAINTENANCE
    }

    /// The messages since the last call.
    pub fn drain(&mut self, into: &mut Vec<Push>) {
        into.append(&mut self.pushes);
        self.disguised = 0;
    }

    /// Somebody listens to a topic from now on, or no longer.
    pub fn listen(&mut self, topic: Topic, listens: bool) {
        let count = self.wanted.entry(topic).or_default();
        *count = if listens { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            self.wanted.remove(&topic);
        }
    }

    /// The account whose living listen key this is.
    pub fn listener(&self, key: &str, now: Nanos) -> Option<usize> {
        self.accounts.iter().position(|account| account.has_key(key, now))
    }

    /// The account of an API key.
    pub(super) fn account_of(&self, api_key: &str) -> Option<usize> {
        self.keys.get(api_key).copied()
    }

    /// Answers an HTTP request.
    pub fn rest(&mut self, machine: &mut dyn Machine, now: Nanos, request: &Request) -> Reply {
        self.now = now;
        self.absorb_events(machine);
        let Some(route) = routes::find(request.method, request.path) else {
            return unknown_path(request);
        };
        let params = Params::from_http(request.query, request.body);
        let weight = route.weight.of(&params);
        let used = match self.admit(now, request.ip, weight) {
            Ok(used) => used,
            Err(refused) => return refusal(&refused),
        };
        let injected = self.dice.draw(&self.faults, request.method, request.path);
        if let Some(reply) = injected.before() {
            return reply;
        }
        let mut reply = match self.answer(machine, now, request, &route, &params) {
            Ok(mut value) => {
                if self.faults.disguises() {
                    self.dice.disguise(&self.faults, &mut value);
                }
                reply(200, &value)
            }
            Err(error) => reply(error.status, &error.body()),
        };
        reply.headers.push(("x-mbx-used-weight-1m", used.to_string()));
        if route.orders != (0, 0)
            && let Some(index) = request.api_key.and_then(|key| self.account_of(key))
        {
            let (seconds, minute) = self.accounts[index].counts.used(now);
            reply.headers.push(("x-mbx-order-count-10s", seconds.to_string()));
            reply.headers.push(("x-mbx-order-count-1m", minute.to_string()));
        }
        if let Some(other) = injected.after() {
            return other;
        }
        reply.fate = Fate::Send(self.reply_delay());
        reply
    }

    fn admit(&mut self, now: Nanos, ip: IpAddr, weight: u32) -> Result<u32, Refused> {
        if self.faults.ban {
            return Err(super::limits::banned(now + Duration::from_secs(120), now, ip));
        }
        if self.faults.too_many_requests {
            let error = ApiError::new(-1003, "Too many requests.").with_status(429);
            return Err(Refused { error, retry_after: 1 });
        }
        self.weights.charge(&self.config.limits, now, ip, weight)
    }

    fn answer(
        &mut self,
        machine: &mut dyn Machine,
        now: Nanos,
        request: &Request,
        route: &routes::Route,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let who = self.authenticate(now, request, route.security, params)?;
        if route.orders != (0, 0) {
            let limits = self.config.limits;
            self.accounts[who].counts.charge(&limits, now, route.orders)?;
        }
        (route.handler)(self, Call { machine, now, who, params })
    }

    /// Key, timestamp, signature: in this order.
    fn authenticate(
        &self,
        now: Nanos,
        request: &Request,
        security: Security,
        params: &Params,
    ) -> Result<usize, ApiError> {
        if security == Security::None {
            return Ok(0);
        }
        let who = self.check_key(request.api_key)?;
        if security == Security::Signed {
            check_time(self.faults.skewed(now), params)?;
            let signature = params.required("signature")?;
            let (query, body) =
                (unsigned(request.query.as_bytes()), unsigned(request.body.as_bytes()));
            let text: Vec<_> = query.iter().chain(&body).copied().collect();
            if !self.accounts[who].config.secret.verify(&text, signature) {
                return Err(bad_signature());
            }
        }
        Ok(who)
    }

    /// -2014 for what cannot be a key, -2015 for one that nobody has.
    pub(super) fn check_key(&self, key: Option<&str>) -> Result<usize, ApiError> {
        let key = key.filter(|key| !key.is_empty() && key.bytes().all(|b| b.is_ascii_graphic()));
        let Some(key) = key else {
            return Err(ApiError::new(-2014, "API-key format invalid.").with_status(401));
        };
        self.account_of(key).ok_or_else(|| {
            ApiError::new(-2015, "Invalid API-key, IP, or permissions for action.").with_status(401)
        })
    }

    /// Has the machine carry out a command and takes in what it says about it.
    pub(super) fn execute(
        &mut self,
        machine: &mut dyn Machine,
        now: Nanos,
        who: usize,
        command: &VenueCommand,
    ) -> Result<(), ApiError> {
        self.absorb_events(machine);
        self.accounts[who].refusal = None;
        machine.execute(who, now, command);
        self.absorb_events(machine);
        match self.accounts[who].refusal.take() {
            Some(reason) => Err(ApiError::from_machine(reason)),
            None => Ok(()),
        }
    }

    /// Takes in what the machine said to accounts.
    pub(super) fn absorb_events(&mut self, machine: &mut dyn Machine) {
        let mut events = std::mem::take(&mut self.events);
        machine.take_events(&mut events);
        if !events.is_empty() {
            self.absorb(&events);
            events.clear();
        }
        self.events = events;
    }

    /// A name for the machine that no other order has.
    pub(super) fn next_client_id(&mut self, who: usize) -> ClientOrderId {
        let account = &mut self.accounts[who];
        account.named = account.named.wrapping_add(1);
        ClientOrderId { session: who as u32, sequence: account.named }
    }

    /// Makes a listen key, or gives the present one, for another hour.
    pub(super) fn start_listen_key(&mut self, who: usize, now: Nanos) -> String {
        let until = now + LISTEN_KEY_LIFE;
        if let Some((key, expires)) = &mut self.accounts[who].listen_key
            && now < *expires
        {
            *expires = until;
            return key.clone();
        }
        let mut source = self.config.start.0 ^ self.next_listen_key.rotate_left(32) ^ who as u64;
        self.next_listen_key += 1;
        let mut key = String::new();
        while key.len() < 64 {
            source = source.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let digit = (source >> 58) as u8 % 36;
            key.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
        }
        self.accounts[who].listen_key = Some((key.clone(), until));
        key
    }

    /// Whether connections are to be cut now; asked once.
    pub fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.cut_all)
    }
}

/// The text that was signed: everything but the signature, byte for byte, without its `&`.
fn unsigned(text: &[u8]) -> Vec<&[u8]> {
    let is_signature = |part: &[u8]| part.starts_with(b"signature=");
    if !text.split(|byte| *byte == b'&').any(is_signature) {
        return vec![text];
    }
    let mut parts = Vec::new();
    for part in text.split(|byte| *byte == b'&').filter(|part| !is_signature(part)) {
        if !parts.is_empty() {
            parts.push(b"&".as_slice());
        }
        parts.push(part);
    }
    parts
}

/// The request must be neither from the future nor too old.
pub(super) fn check_time(now: Nanos, params: &Params) -> Result<(), ApiError> {
    let timestamp = params.integer("timestamp")?.ok_or_else(|| ApiError::missing("timestamp"))?;
    let window = params.integer("recvWindow")?.unwrap_or(RECV_WINDOW);
    if !(0..=RECV_WINDOW_MAX).contains(&window) {
        return Err(ApiError::new(-1131, "recvWindow must be less than 60000."));
    }
    let server = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    if timestamp >= server.saturating_add(1_000) {
        return Err(ApiError::new(
            -1021,
            "Timestamp for this request was 1000ms ahead of the server's time.",
        ));
    }
    if server.saturating_sub(timestamp) > window {
        return Err(ApiError::new(
            -1021,
            "Timestamp for this request is outside of the recvWindow.",
        ));
    }
    Ok(())
}

pub(super) fn bad_signature() -> ApiError {
    ApiError::new(-1022, "Signature for this request is not valid.")
}

fn reply(status: u16, body: &Value) -> Reply {
    let (body, headers) = (body.to_string(), Vec::new());
    Reply { status, body, headers, fate: Fate::Send(Duration::ZERO) }
}

fn refusal(refused: &Refused) -> Reply {
    let mut reply = reply(refused.error.status, &refused.error.body());
    reply.headers.push(("retry-after", refused.retry_after.to_string()));
    reply
}

fn unknown_path(request: &Request) -> Reply {
    if routes::knows_path(request.path) {
        let text = format!("Request method '{}' is not supported.", request.method);
        return reply(405, &ApiError::new(-1000, text).body());
    }
    let text = format!("Path {}, Method {} is invalid", request.path, request.method);
    reply(404, &ApiError::new(-5000, text).body())
}

impl Injected {
    /// What replaces the request altogether.
    fn before(&self) -> Option<Reply> {
        self.early.map(|fault| fault.reply())
    }

    /// What replaces the reply to a request that was carried out.
    fn after(&self) -> Option<Reply> {
        self.late.map(|fault| fault.reply())
    }
}
