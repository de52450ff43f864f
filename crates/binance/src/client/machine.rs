//! The client put together: events to their parts, commands to requests, reactions to errors.

use std::collections::BTreeSet;
use std::time::Duration;

use market::venue::{Obstacle, RejectReason, RequestKind, VenueCommand, VenueReport};
use market::{ClientOrderId, InstrumentId, Nanos, TradeId};
use serde_json::Value;

use super::account::{self, Account, UserStats};
use super::feed::{Feed, FeedConfig, FeedStatus};
use super::orders::{Orders, Settled};
use super::requests::{Done, Failure, RequestStats, Requests};
use super::{ClientConfig, Effect, Event, HttpReply, Io, Level, NoAnswer, RequestId};
use super::{SocketId, Ticket};
use crate::limits::{Budget, Remaining};
use crate::listen_key::KeyAction;
use crate::queries::{AccountQuery, OrderQuery, Step};
use crate::reaction::{Executed, Reaction};
use crate::replies::{ExchangeInfo, OrderReply, decode_dead_man, decode_server_time, parse};
use crate::rest;
use crate::witness::{Witnesses, report_of_error, reports_of};

/// The contract's rules are read again at most this often; the answer has several megabytes.
const RULES_EVERY: Duration = Duration::from_secs(600);
/// While the contract is not trading, they are read this often.
const RULES_EVERY_HELD: Duration = Duration::from_secs(60);
/// Levels of a snapshot, the most that the venue gives.
const SNAPSHOT_LEVELS: u32 = 1_000;

/// The venue's side of a trader: everything it knows of the network.
pub struct Client {
    config: ClientConfig,
    names: u64,
    feed: Feed,
    account: Account,
    orders: Orders,
    requests: Requests<Ticket>,
    witnesses: Witnesses,
    /// The question about the account that is being answered.
    run: Option<Run>,
    runs: u64,
    /// The newest of our executions that an answer has named.
    newest: Option<TradeId>,
    /// Counts what makes an answer to an earlier question worthless.
    epoch: u64,
    obstacles: BTreeSet<Obstacle>,
    rules_wanted: bool,
    rules_asked: Option<Nanos>,
    closing: bool,
}

/// A question about the account under way.
#[derive(Clone, Copy, Debug)]
struct Run {
    id: u64,
    /// Number of the question, as asked last.
    query: u32,
    epoch: u64,
    /// Executions after this one are listed.
    since: Option<TradeId>,
    /// The last week had no execution; what is older is looked through for the newest, and is in the
    /// position already.
    older: bool,
}

/// The state of the link, for metrics and displays.
#[derive(Clone, Debug)]
pub struct Status {
    /// Market data.
    pub feed: FeedStatus,
    /// The user stream tells.
    pub user_up: bool,
    /// Since its last message.
    pub user_age: Option<Duration>,
    /// Its counts.
    pub user: UserStats,
    /// Orders go over the WS API.
    pub ws_api_up: bool,
    /// Requests on it without an answer.
    pub ws_api_in_flight: usize,
    /// Times it was lost.
    pub ws_api_reconnects: u64,
    /// REST requests.
    pub requests: RequestStats,
    /// What is left of the rate limits.
    pub budget: Vec<Remaining>,
    /// Until when the venue wants to hear nothing, from now.
    pub blocked: Option<Duration>,
    /// The venue's clock minus ours, nanoseconds.
    pub clock_offset: Option<i64>,
    /// How far off that may be.
    pub clock_uncertainty: Option<Duration>,
    /// The last round trip of a question for the time.
    pub round_trip: Option<Duration>,
    /// What forbids trading as usual.
    pub obstacles: Vec<Obstacle>,
}

impl Client {
    /// A client that has not begun.
    pub fn new(config: ClientConfig) -> Self {
        let ClientConfig { endpoints, instrument, seed, ack_timeout, .. } = &config;
        let feed = FeedConfig {
            endpoints: endpoints.clone(),
            instrument: instrument.clone(),
            copies: config.copies,
            seed: *seed,
        };
        let orders = Orders::new(endpoints.clone(), config.order_path, *ack_timeout, seed ^ 1);
        let account = Account::new(endpoints.clone(), instrument.clone(), seed ^ 2);
        let budget = Budget::new(&config.limits);
        let (clock, window) = (config.clock.clone(), config.window);
        let requests =
            Requests::new(config.credentials.clone(), budget, clock, window, *ack_timeout);
        Self {
            names: 0,
            feed: Feed::new(feed),
            account,
            orders,
            requests,
            witnesses: Witnesses::default(),
            run: None,
            runs: 0,
            newest: None,
            epoch: 0,
            obstacles: BTreeSet::new(),
            rules_wanted: false,
            rules_asked: None,
            closing: false,
            config,
        }
    }

    /// Opens everything.
    pub fn start(&mut self, now: Nanos, out: &mut Vec<Effect>) {
        self.with(now, out, |client, io| client.feed.start(io));
        self.on_time(now, out);
    }

    /// Takes in what happened on the network.
    pub fn on_event(&mut self, now: Nanos, event: Event<'_>, out: &mut Vec<Effect>) {
        self.with(now, out, |client, io| match event {
            Event::Opened(id) => client.opened(io, id),
            Event::Frame(id, frame) => client.frame(io, id, frame),
            Event::Heard(id) => {
                if client.feed.owns(id) {
                    client.feed.heard(io, id);
                } else {
                    client.account.heard(io, id);
                    client.orders.heard(io.now, id);
                }
            }
            Event::Closed(id, why) => client.closed(io, id, why),
            Event::Answered(id, reply) => client.answered(io, id, reply),
        });
    }

    /// Carries out what the engine wants.
    pub fn command(&mut self, now: Nanos, command: &VenueCommand, out: &mut Vec<Effect>) {
        self.with(now, out, |client, io| client.carry_out(io, command));
    }

    /// Acts on every deadline that has passed.
    pub fn on_time(&mut self, now: Nanos, out: &mut Vec<Effect>) {
        self.with(now, out, |client, io| {
            if client.closing {
                return client.requests.on_time(io);
            }
            if let Some(until) = client.requests.blocked_until(io.now) {
                client.account.keep_silent(until);
                client.orders.keep_silent(until);
            }
            client.feed.on_time(io);
            client.account.on_time(io);
            for (client_id, request) in client.orders.on_time(io) {
                client.in_doubt(io, client_id, request);
            }
            client.requests.on_time(io);
            client.ask(io);
            client.look(io);
        });
    }

    /// When [`on_time`](Self::on_time) has something to do.
    pub fn next_deadline(&self) -> Option<Nanos> {
        if self.closing {
            return self.requests.next_deadline();
        }
        let clock = (!self.requests.is_busy(|what| matches!(what, Ticket::Time(_))))
            .then(|| self.requests.time_due());
        [
            self.feed.next_deadline(),
            self.account.next_deadline(),
            self.orders.next_deadline(),
            self.requests.next_deadline(),
            clock,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Leaves: with `flat`, when no order of ours is left, the dead-man's switch is disarmed, so that
    /// it does not cancel what somebody else places afterwards. The listen key is left alone: the venue
    /// has one for all programs of an account, and forgets it within the hour if nobody keeps it.
    /// Nothing is reported any more; wait for [`is_closed`](Self::is_closed), within reason.
    pub fn close(&mut self, now: Nanos, flat: bool, out: &mut Vec<Effect>) {
        self.closing = true;
        self.with(now, out, |client, io| {
            let symbol = client.config.instrument.symbol();
            if flat {
                // A try to arm that is repeated would come after this.
                client.requests.abandon(|what| matches!(what, Ticket::DeadMan { .. }));
                let disarm = rest::arm_dead_man(symbol, Duration::ZERO);
                client.requests.insist(io, disarm, Ticket::Farewell);
            }
        });
    }

    /// Whether everything said on leaving was answered.
    pub fn is_closed(&self) -> bool {
        self.closing && !self.requests.is_busy(|what| matches!(what, Ticket::Farewell))
    }

    /// The state of the link.
    pub fn status(&self, now: Nanos) -> Status {
        let requests = &self.requests;
        Status {
            feed: self.feed.status(now),
            user_up: self.account.is_up(),
            user_age: self.account.last_message().map(|at| now.since(at)),
            user: self.account.stats(),
            ws_api_up: self.orders.is_up(),
            ws_api_in_flight: self.orders.in_flight(),
            ws_api_reconnects: self.orders.reconnects(),
            requests: requests.stats(),
            budget: requests.budget.remaining(requests.clock.server_time(now)),
            blocked: requests.blocked_until(now).map(|until| until.since(now)),
            clock_offset: requests.clock.offset(),
            clock_uncertainty: requests.clock.uncertainty(now),
            round_trip: requests.clock.round_trip(),
            obstacles: self.obstacles.iter().copied().collect(),
        }
    }

    /// Runs `work` and notes what it reported that makes earlier answers about the account old.
    fn with(
        &mut self,
        now: Nanos,
        out: &mut Vec<Effect>,
        work: impl FnOnce(&mut Self, &mut Io<'_>),
    ) {
        let (mut names, from) = (self.names, out.len());
        let mut io = Io { now, names: &mut names, out };
        work(self, &mut io);
        self.names = names;
        let upsets = |effect: &Effect| {
            matches!(
                effect,
                Effect::Report(
                    VenueReport::StreamDown
                        | VenueReport::StreamUp
                        | VenueReport::Resync
                        | VenueReport::InDoubt { .. }
                )
            )
        };
        if out[from..].iter().any(upsets) {
            self.epoch += 1;
        }
    }

    fn opened(&mut self, io: &mut Io<'_>, id: SocketId) {
        if self.feed.owns(id) {
            self.feed.opened(io, id);
        } else if self.account.owns(id) {
            self.account.opened(io, id);
        } else {
            self.orders.opened(io, &mut self.requests, id);
        }
    }

    fn frame(&mut self, io: &mut Io<'_>, id: SocketId, frame: &[u8]) {
        if self.feed.owns(id) {
            self.feed.frame(io, id, frame);
        } else if self.account.owns(id) {
            self.account.frame(io, id, frame, &mut self.witnesses);
            self.tell_resync(io);
        } else if let Some(settled) = self.orders.frame(io, &mut self.requests, id, frame) {
            self.settle(io, settled);
        }
    }

    fn closed(&mut self, io: &mut Io<'_>, id: SocketId, why: &str) {
        if self.feed.owns(id) {
            self.feed.closed(io, id, why);
        } else if self.account.owns(id) {
            self.account.closed(io, id, why);
        } else if self.orders.owns(id) {
            for (client_id, request) in self.orders.closed(io, id, why) {
                self.in_doubt(io, client_id, request);
            }
        }
    }

    fn tell_resync(&mut self, io: &mut Io<'_>) {
        if self.account.take_resync() {
            io.out.push(Effect::Report(VenueReport::Resync));
        }
    }

    fn in_doubt(&mut self, io: &mut Io<'_>, client_id: ClientOrderId, request: RequestKind) {
        io.out.push(Effect::Report(VenueReport::InDoubt { client_id, request }));
    }

    /// Asks what the client itself wants to know.
    fn ask(&mut self, io: &mut Io<'_>) {
        let requests = &mut self.requests;
        let is_asked = requests.is_busy(|what| matches!(what, Ticket::Time(_)));
        if io.now >= requests.time_due() && !is_asked {
            requests.on_time_asked(io.now);
            // Without budget it is asked a little later; the estimate ages slowly.
            let _ = requests.send(io, rest::server_time(), Ticket::Time(io.now));
        }
        if self.feed.wants_snapshot(io.now) {
            let symbol = self.config.instrument.symbol();
            let request = rest::depth(symbol, SNAPSHOT_LEVELS);
            self.feed.snapshot_sent(io);
            if requests.send(io, request, Ticket::Depth).is_err() {
                self.feed.on_snapshot(io, Err(()));
            }
        }
        if let Some(action) = self.account.key_action(io.now) {
            let request = match action {
                KeyAction::Create => rest::create_listen_key(),
                KeyAction::KeepAlive => rest::keep_listen_key(),
            };
            if requests.send(io, request, Ticket::Key).is_err() {
                self.account.on_key_failed(io, None);
            }
        }
        let every = match self.obstacles.contains(&Obstacle::Contract) {
            true => RULES_EVERY_HELD,
            false => RULES_EVERY,
        };
        let rested = self.rules_asked.is_none_or(|at| io.now.since(at) >= every);
        if self.rules_wanted && rested {
            self.rules_asked = Some(io.now);
            let request = rest::exchange_info().purpose(rest::Purpose::Background);
            let _ = requests.send(io, request, Ticket::Rules);
        }
    }

    /// Judges clock and bans, and tells when that changes.
    fn look(&mut self, io: &mut Io<'_>) {
        let banned = self.requests.blocked_until(io.now).is_some();
        self.hold(io, Obstacle::Banned, banned);
        if let Some(offset) = self.requests.clock.offset() {
            let offset = Duration::from_nanos(offset.unsigned_abs());
            let limit = self.config.clock_limit;
            // Once beyond the limit, it must come back by a fifth.
            let limit =
                if self.obstacles.contains(&Obstacle::Clock) { limit * 4 / 5 } else { limit };
            self.hold(io, Obstacle::Clock, offset > limit);
        }
        self.tell_resync(io);
    }

    fn hold(&mut self, io: &mut Io<'_>, what: Obstacle, holds: bool) {
        let news = if holds { self.obstacles.insert(what) } else { self.obstacles.remove(&what) };
        if news {
            io.out.push(Effect::Report(VenueReport::Obstacle { what, holds }));
            let (level, is) =
                if holds { (Level::Error, "holds") } else { (Level::Info, "is over") };
            io.log(level, format!("obstacle {} {is}", what.name()));
        }
    }

    fn carry_out(&mut self, io: &mut Io<'_>, command: &VenueCommand) {
        let instrument = &self.config.instrument;
        match command {
            VenueCommand::Place(order) => {
                let request = rest::place(instrument, order);
                self.send_order(io, request, order.client_id, RequestKind::Place);
            }
            VenueCommand::Amend(amend) => {
                let request = rest::amend(instrument, amend);
                self.send_order(io, request, amend.client_id, RequestKind::Amend);
            }
            VenueCommand::Cancel { client_id, .. } => {
                let same = |what: &Ticket| {
                    matches!(what, Ticket::Order { client_id: id, request: RequestKind::Cancel }
                        if id == client_id)
                };
                if !self.requests.waits(same) {
                    let name = rest::OrderName::Client(*client_id);
                    let request = rest::cancel(instrument.symbol(), name);
                    self.send_order(io, request, *client_id, RequestKind::Cancel);
                }
            }
            VenueCommand::CancelAll { .. } => {
                if !self.requests.waits(|what| matches!(what, Ticket::CancelAll)) {
                    let request = rest::cancel_all(instrument.symbol());
                    self.requests.insist(io, request, Ticket::CancelAll);
                }
            }
            VenueCommand::ArmDeadMan { countdown, .. } => {
                let request = rest::arm_dead_man(instrument.symbol(), *countdown);
                let ticket = Ticket::DeadMan { asked: io.now, countdown: *countdown };
                if self.requests.send(io, request, ticket).is_err() {
                    io.out.push(Effect::Report(VenueReport::DeadManFailed));
                }
            }
            VenueCommand::QueryOrder { client_id, .. } => {
                let query = OrderQuery::new(instrument, *client_id);
                self.ask_fate(io, query);
            }
            VenueCommand::QueryAccount { since, query, .. } => {
                self.ask_account(io, *since, *query);
            }
        }
    }

    fn send_order(
        &mut self,
        io: &mut Io<'_>,
        request: rest::Request,
        client_id: ClientOrderId,
        kind: RequestKind,
    ) {
        if !self.orders.send(io, &mut self.requests, request, client_id, kind) {
            let reason = RejectReason::RateLimit;
            let report = VenueReport::Reject { client_id, request: kind, reason };
            io.out.push(Effect::Report(report));
        }
    }

    fn ask_fate(&mut self, io: &mut Io<'_>, query: OrderQuery) {
        let request = query.request();
        if self.requests.send(io, request, Ticket::Fate(Box::new(query))).is_err() {
            io.out.push(Effect::Report(VenueReport::QueryFailed));
        }
    }

    /// A question that is being answered already, and whose answer will not be old news and lists as
    /// much, gets the new number; on a slow line no question would ever be answered otherwise.
    fn ask_account(&mut self, io: &mut Io<'_>, since: Option<TradeId>, query: u32) {
        let serves = |run: &Run| match (run.since, since) {
            (Some(from), Some(since)) => from <= since,
            (_, None) => true,
            (None, Some(_)) => false,
        };
        let epoch = self.epoch;
        if let Some(run) = self.run.as_mut().filter(|run| run.epoch == epoch && serves(run)) {
            run.query = query;
            return;
        }
        self.begin_run(io, Run { id: 0, query, epoch, since, older: false });
    }

    fn begin_run(&mut self, io: &mut Io<'_>, run: Run) {
        self.runs += 1;
        let since = if run.older { Some(TradeId(0)) } else { run.since };
        let (run, query) = (Run { id: self.runs, ..run }, run.query);
        let question = AccountQuery::new(&self.config.instrument, since, query);
        let request = question.request();
        let ticket = Ticket::Account(Box::new(question), run.id);
        if self.requests.send(io, request, ticket).is_err() {
            self.run = None;
            io.out.push(Effect::Report(VenueReport::QueryFailed));
        } else {
            self.run = Some(run);
        }
    }

    fn answered(&mut self, io: &mut Io<'_>, id: RequestId, reply: Result<HttpReply, NoAnswer>) {
        let Some(Done { what, result }) = self.requests.answered(io, id, reply) else { return };
        if let Err(failure) = &result
            && !matches!(what, Ticket::Farewell | Ticket::Time(_) | Ticket::Depth | Ticket::Key)
        {
            self.react(io, failure);
        }
        match what {
            Ticket::Time(sent) => self.on_time_told(io, sent, result),
            Ticket::Depth => {
                let body = result.as_deref().map_err(|_| ());
                self.feed.on_snapshot(io, body);
            }
            Ticket::Key => match result {
                Ok(body) => self.account.on_key(io, &body),
                Err(failure) => {
                    if failure.error.code != Some(-1125) {
                        self.react(io, &failure);
                    }
                    self.account.on_key_failed(io, Some(&failure));
                }
            },
            Ticket::Rules => self.on_rules(io, result),
            Ticket::Order { client_id, request } => {
                let result = result.and_then(|body| parse(&body).map_err(unreadable));
                self.settle(io, Settled { client_id, request, result });
            }
            Ticket::CancelAll | Ticket::Farewell => {}
            Ticket::DeadMan { asked, countdown } => {
                let armed = result.is_ok_and(|body| decode_dead_man(&body).is_ok());
                io.out.push(Effect::Report(match armed {
                    true => VenueReport::DeadManArmed { until: asked + countdown },
                    false => VenueReport::DeadManFailed,
                }));
            }
            Ticket::Fate(query) => self.on_fate(io, query, result),
            Ticket::Account(query, run) => self.on_account(io, query, run, result),
        }
    }

    fn on_time_told(&mut self, io: &mut Io<'_>, sent: Nanos, result: Result<Vec<u8>, Failure>) {
        if let Ok(Ok(server)) = result.map(|body| decode_server_time(&body)) {
            self.requests.on_server_time(sent, server, io.now);
            self.look(io);
        }
    }

    fn on_rules(&mut self, io: &mut Io<'_>, result: Result<Vec<u8>, Failure>) {
        let Ok(Ok(info)) = result.map(|body| ExchangeInfo::decode(&body)) else { return };
        let ours = &self.config.instrument;
        let row = info.symbol(ours.symbol());
        let same = row.is_some_and(|row| row.instrument(InstrumentId(0)).is_ok_and(|i| i == *ours));
        let trading = row.is_some_and(crate::replies::SymbolInfo::is_trading);
        if !same {
            io.log(
                Level::Error,
                "the contract's rules have changed: restart to trade by the new ones",
            );
        }
        let limits = info.rate_limits;
        self.requests.budget.set_limits(&limits);
        self.rules_wanted = same && !trading;
        self.hold(io, Obstacle::Contract, !(same && trading));
    }

    /// An order request has come to its end.
    fn settle(&mut self, io: &mut Io<'_>, settled: Settled) {
        let Settled { client_id, request, result } = settled;
        let reply = result.and_then(|value| self.read_reply(client_id, request, &value));
        match reply {
            Ok((at, reports)) => {
                for report in reports {
                    let told = account::is_told_by_stream(request, &report);
                    if let Some(report) = self.witnesses.admit(at, report) {
                        if told {
                            self.account.expect(io.now, client_id);
                        }
                        io.out.push(Effect::Report(report));
                    }
                }
            }
            Err(failure) => {
                self.react(io, &failure);
                if request == RequestKind::Cancel && failure.verdict.outcome == Executed::No {
                    self.orders.cancel_refused(io.now, client_id);
                }
                let report = report_of_error(request, client_id, &failure.verdict);
                let news = report.and_then(|report| self.witnesses.admit(io.now, report));
                io.out.extend(news.map(Effect::Report));
            }
        }
    }

    fn read_reply(
        &self,
        client_id: ClientOrderId,
        request: RequestKind,
        value: &Value,
    ) -> Result<(Nanos, Vec<VenueReport>), Failure> {
        let reply = OrderReply::of(value).map_err(unreadable)?;
        if reply.owner.ours() != Some(client_id) {
            return Err(unreadable("the reply names another order"));
        }
        let reports = reports_of(request, &reply, &self.config.instrument).map_err(unreadable)?;
        Ok((reply.updated, reports))
    }

    fn on_fate(
        &mut self,
        io: &mut Io<'_>,
        mut query: Box<OrderQuery>,
        result: Result<Vec<u8>, Failure>,
    ) {
        let answer = result.as_deref().map_err(|failure| &failure.error);
        match query.on_answer(answer) {
            Ok(Step::Ask(request)) => self.ask_fate_again(io, request, query),
            Ok(Step::Done(report)) => {
                let news = self.witnesses.admit(io.now, report);
                io.out.extend(news.map(Effect::Report));
            }
            Err(error) => self.query_failed(io, &error),
        }
    }

    fn ask_fate_again(&mut self, io: &mut Io<'_>, request: rest::Request, query: Box<OrderQuery>) {
        if self.requests.send(io, request, Ticket::Fate(query)).is_err() {
            io.out.push(Effect::Report(VenueReport::QueryFailed));
        }
    }

    fn on_account(
        &mut self,
        io: &mut Io<'_>,
        mut query: Box<AccountQuery>,
        id: u64,
        result: Result<Vec<u8>, Failure>,
    ) {
        let Some(run) = self.run.filter(|run| run.id == id) else { return };
        let answer = result.as_deref().map_err(|failure| &failure.error);
        match query.on_answer(answer) {
            Ok(Step::Ask(request)) => {
                if self.requests.send(io, request, Ticket::Account(query, id)).is_err() {
                    self.run = None;
                    io.out.push(Effect::Report(VenueReport::QueryFailed));
                }
            }
            Ok(Step::Done(report)) => {
                self.run = None;
                self.account_told(io, run, report);
            }
            Err(error) => {
                self.run = None;
                self.query_failed(io, &error);
            }
        }
    }

    /// Without an id to begin from, the venue lists the executions of a week only. Whoever took an
    /// older one for new afterwards would book it a second time.
    fn account_told(&mut self, io: &mut Io<'_>, run: Run, report: VenueReport) {
        let VenueReport::Account(mut state) = report else {
            return io.out.push(Effect::Report(report));
        };
        state.query = run.query;
        if run.older {
            state.fills.clear();
        }
        if run.since.is_none() {
            state.last_trade = state.last_trade.max(self.newest);
        }
        if run.since.is_none() && state.last_trade.is_none() && !run.older {
            return self.begin_run(io, Run { older: true, ..run });
        }
        self.newest = self.newest.max(state.last_trade);
        io.out.push(Effect::Report(VenueReport::Account(state)));
    }

    fn query_failed(&mut self, io: &mut Io<'_>, error: &crate::wire::DecodeError) {
        io.log(Level::Warn, format!("an answer about our account cannot be read: {error}"));
        io.out.push(Effect::Report(VenueReport::QueryFailed));
    }

    /// Does what an error asks of the client as a whole.
    fn react(&mut self, io: &mut Io<'_>, failure: &Failure) {
        match failure.verdict.reaction {
            Reaction::Halt => self.hold(io, Obstacle::Account, true),
            Reaction::OnlyReduce => self.hold(io, Obstacle::OnlyReduce, true),
            Reaction::StopSymbol => {
                self.rules_wanted = true;
                self.hold(io, Obstacle::Contract, true);
            }
            Reaction::RefreshRules => self.rules_wanted = true,
            Reaction::Resync => io.out.push(Effect::Report(VenueReport::Resync)),
            Reaction::SlowDown { .. } => self.look(io),
            Reaction::Proceed
            | Reaction::GiveUp
            | Reaction::Retry { .. }
            | Reaction::Query
            | Reaction::ResyncClock
            | Reaction::NewListenKey
            | Reaction::PauseOrders { .. }
            | Reaction::EaseOff { .. } => {}
        }
    }
}

/// A reply that says yes in words we cannot read: it may have been done.
fn unreadable(error: impl std::fmt::Display) -> Failure {
    let message = format!("the reply cannot be read: {error}");
    let verdict = crate::reaction::Verdict {
        outcome: Executed::Unknown,
        ..crate::reaction::judge_silence(true)
    };
    Failure { error: crate::replies::VenueError { code: None, message }, verdict }
}
