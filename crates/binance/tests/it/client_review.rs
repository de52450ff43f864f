//! The client alone, against answers that come late, twice, or say less than they should.

use std::time::Duration;

use binance::client::{
    Client, ClientConfig, Effect, Event, HttpReply, NoAnswer, OrderPath, RequestId, SocketId,
};
use binance::replies::{LimitKind, RateLimit};
use binance::{ClockSync, Credentials, Endpoints};
use market::venue::{AccountState, Obstacle, VenueCommand, VenueReport};
use market::{ClientOrderId, InstrumentId, Nanos, TradeId};

const START: Nanos = Nanos::from_millis(1_791_000_000_000);
const INSTRUMENT: InstrumentId = InstrumentId(0);
const ORDER: ClientOrderId = ClientOrderId { session: 7, sequence: 1 };
const LIST_NOTHING: &str = "[]";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A client over REST whose clock agrees with the venue's, and everything it wants done.
struct Rig {
    client: Client,
    now: Nanos,
    effects: Vec<Effect>,
    requests: Vec<(RequestId, String)>,
    sockets: Vec<(SocketId, String)>,
    reports: Vec<VenueReport>,
}

impl Rig {
    /// Started, nothing answered.
    fn new() -> Self {
        let limit = |kind, seconds, limit| RateLimit {
            kind,
            interval: Duration::from_secs(seconds),
            limit,
        };
        let mut clock = ClockSync::default();
        clock.sample(START, START, START + Duration::from_millis(1));
        let config = ClientConfig {
            endpoints: Endpoints::custom("http://venue").unwrap(),
            credentials: Credentials::hmac("key", "secret").unwrap(),
            instrument: crate::known("ETHUSDC"),
            limits: vec![
                limit(LimitKind::Weight, 60, 2_400),
                limit(LimitKind::Orders, 60, 1_200),
                limit(LimitKind::Orders, 10, 300),
            ],
            clock,
            clock_limit: seconds(1),
            window: Duration::from_millis(1_500),
            ack_timeout: seconds(2),
            order_path: OrderPath::Rest,
            copies: 1,
            seed: 1,
        };
        let mut rig = Self {
            client: Client::new(config),
            now: START + Duration::from_millis(2),
            effects: Vec::new(),
            requests: Vec::new(),
            sockets: Vec::new(),
            reports: Vec::new(),
        };
        rig.client.start(rig.now, &mut rig.effects);
        rig.sort();
        rig
    }

    /// Started, and the user stream is up.
    fn up() -> Self {
        let mut rig = Self::new();
        rig.answer("POST /fapi/v1/listenKey", r#"{"listenKey":"first"}"#);
        let socket = rig.socket("first");
        rig.event(Event::Opened(socket));
        assert_eq!(rig.told(), [VenueReport::StreamUp]);
        rig
    }

    fn sort(&mut self) {
        for effect in self.effects.drain(..) {
            match effect {
                Effect::Http { id, request, .. } => {
                    let body = format!("{}{}", request.target, request.body);
                    self.requests.push((id, format!("{} {body}", request.method.name())));
                }
                Effect::Open { socket, url } => self.sockets.push((socket, url)),
                Effect::Report(report) => self.reports.push(report),
                Effect::Market(_)
                | Effect::Log(_)
                | Effect::Send { .. }
                | Effect::Ping(_)
                | Effect::Close(_) => {}
            }
        }
    }

    fn event(&mut self, event: Event<'_>) {
        self.client.on_event(self.now, event, &mut self.effects);
        self.client.on_time(self.now, &mut self.effects);
        self.sort();
    }

    fn command(&mut self, command: &VenueCommand) {
        self.client.command(self.now, command, &mut self.effects);
        self.sort();
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        self.client.on_time(self.now, &mut self.effects);
        self.sort();
    }

    /// Takes the oldest request that begins so.
    #[track_caller]
    fn take(&mut self, begins: &str) -> (RequestId, String) {
        let place = self.requests.iter().position(|(_, text)| text.starts_with(begins));
        let place = place.unwrap_or_else(|| panic!("no {begins} among {:?}", self.requests));
        self.requests.remove(place)
    }

    /// Requests that begin so and wait for an answer.
    fn waiting(&self, begins: &str) -> usize {
        self.requests.iter().filter(|(_, text)| text.starts_with(begins)).count()
    }

    #[track_caller]
    fn answer(&mut self, begins: &str, body: &str) -> String {
        self.answer_as(begins, 200, body)
    }

    /// Answers the oldest request that begins so, and returns it.
    #[track_caller]
    fn answer_as(&mut self, begins: &str, status: u16, body: &str) -> String {
        let (id, text) = self.take(begins);
        let reply = HttpReply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        self.event(Event::Answered(id, Ok(reply)));
        text
    }

    /// The newest socket whose address holds this.
    #[track_caller]
    fn socket(&self, part: &str) -> SocketId {
        let mut found = self.sockets.iter().rev().filter(|(_, url)| url.contains(part));
        found.next().unwrap_or_else(|| panic!("no {part} among {:?}", self.sockets)).0
    }

    /// What was reported since the last call.
    fn told(&mut self) -> Vec<VenueReport> {
        std::mem::take(&mut self.reports)
    }

    fn ask_account(&mut self, since: Option<i64>, query: u32) {
        let since = since.map(TradeId);
        self.command(&VenueCommand::QueryAccount { instrument: INSTRUMENT, since, query });
    }

    /// Answers the rest of a question about the account, after its first list of executions.
    #[track_caller]
    fn answer_account(&mut self) {
        self.answer("GET /fapi/v1/openOrders", LIST_NOTHING);
        let balance =
            r#"[{"asset":"USDC","balance":"100","availableBalance":"100","updateTime":1}]"#;
        self.answer("GET /fapi/v3/balance", balance);
        self.answer("GET /fapi/v3/positionRisk", LIST_NOTHING);
        self.answer("GET /fapi/v1/userTrades", LIST_NOTHING);
    }

    /// The account as it was told, if it was.
    fn account(&mut self) -> Option<AccountState> {
        self.told().into_iter().find_map(|report| match report {
            VenueReport::Account(state) => Some(state),
            _ => None,
        })
    }
}

fn trade(id: i64) -> String {
    format!(
        r#"[{{"symbol":"ETHUSDC","id":{id},"orderId":5,"side":"BUY","price":"2600.00","qty":"0.010",
        "maker":true,"commission":"0","commissionAsset":"USDC","realizedPnl":"0","time":1}}]"#
    )
}

#[test]
fn an_execution_older_than_the_venues_week_is_not_taken_for_new() {
    let mut rig = Rig::up();
    // Asked without an id, the venue lists the last week, in which nothing was executed.
    rig.ask_account(None, 1);
    rig.answer("GET /fapi/v1/userTrades", LIST_NOTHING);
    rig.answer_account();
    assert_eq!(rig.account(), None, "what is older is looked for first");
    let asked = rig.answer("GET /fapi/v1/userTrades", &trade(77));
    assert!(asked.contains("fromId=1&"), "{asked}");
    rig.answer_as("GET /fapi/v1/order", 400, r#"{"code":-2013,"msg":"Order does not exist."}"#);
    rig.answer_account();
    let state = rig.account().unwrap();
    assert_eq!((state.query, state.last_trade, state.fills.len()), (1, Some(TradeId(77)), 0));

    // Asked again without an id, it is known.
    rig.ask_account(None, 2);
    rig.answer("GET /fapi/v1/userTrades", LIST_NOTHING);
    rig.answer_account();
    assert_eq!(rig.account().unwrap().last_trade, Some(TradeId(77)));
}

#[test]
fn an_account_that_never_traded_is_told_too() {
    let mut rig = Rig::up();
    rig.ask_account(None, 1);
    for _ in 0..2 {
        rig.answer("GET /fapi/v1/userTrades", LIST_NOTHING);
        rig.answer_account();
    }
    let state = rig.account().unwrap();
    assert!(state.query == 1 && state.last_trade <= Some(TradeId(0)), "{state:?}");
}

#[test]
fn a_question_that_lists_less_does_not_answer_one_that_wants_more() {
    let mut rig = Rig::up();
    rig.ask_account(None, 9);
    rig.ask_account(Some(5), 2);
    let lists = |rig: &Rig| rig.requests.iter().any(|(_, text)| text.contains("fromId=6&"));
    assert!(lists(&rig), "{:?}", rig.requests);
    let before = rig.waiting("GET /fapi/v1/userTrades");
    // The other way round one will do.
    rig.ask_account(None, 10);
    rig.ask_account(Some(8), 11);
    assert_eq!(rig.waiting("GET /fapi/v1/userTrades"), before);
}

#[test]
fn a_new_listen_key_tells_nothing_before_its_socket_is_open() {
    let mut rig = Rig::up();
    while rig.waiting("PUT /fapi/v1/listenKey") == 0 {
        rig.pass(seconds(20));
        rig.event(Event::Heard(rig.socket("first")));
    }
    assert_eq!(rig.told(), []);
    rig.answer("PUT /fapi/v1/listenKey", r#"{"listenKey":"second"}"#);
    assert_eq!(rig.told(), [VenueReport::StreamDown], "fills may be missed from here on");
    rig.event(Event::Opened(rig.socket("second")));
    assert_eq!(rig.told(), [VenueReport::StreamUp]);
}

#[test]
fn a_contract_that_refuses_everything_is_looked_up_once_a_minute() {
    let mut rig = Rig::up();
    let closed = r#"{"code":-4141,"msg":"Symbol is closed."}"#;
    for _ in 0..50 {
        rig.command(&VenueCommand::Cancel { instrument: INSTRUMENT, client_id: ORDER });
        rig.pass(seconds(2));
        rig.answer_as("DELETE /fapi/v1/order", 400, closed);
    }
    let rules = rig.waiting("GET /fapi/v1/exchangeInfo");
    assert!((1..=2).contains(&rules), "{rules} times megabytes of rules in 100 s");
    let obstacle = VenueReport::Obstacle { what: Obstacle::Contract, holds: true };
    assert_eq!(rig.told().iter().filter(|report| **report == obstacle).count(), 1);
}

#[test]
fn refused_cancels_keep_their_distance_and_the_last_one_leaves() {
    let mut rig = Rig::up();
    let cancel = VenueCommand::Cancel { instrument: INSTRUMENT, client_id: ORDER };
    let mut sent = Vec::new();
    rig.command(&cancel);
    for _ in 0..1_000 {
        if rig.waiting("DELETE /fapi/v1/order") > 0 {
            sent.push(rig.now.since(START).as_millis());
            rig.answer_as("DELETE /fapi/v1/order", 400, r#"{"code":-1130,"msg":"no"}"#);
        }
        if !rig.told().is_empty() {
            // Whoever hears the no wants it again at once, and once more.
            rig.command(&cancel);
            rig.command(&cancel);
        }
        rig.pass(Duration::from_millis(10));
    }
    let gaps: Vec<u128> = sent.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [100, 200, 400, 800, 1_600, 1_600, 1_600, 1_600, 1_600], "{sent:?}");
}

#[test]
fn a_time_that_cannot_be_told_is_not_asked_for_in_a_circle() {
    for (status, body) in [(404, "<html>"), (200, "<html>"), (200, r#"{"serverTime":1}"#)] {
        let mut rig = Rig::up();
        rig.pass(seconds(61));
        let mut asked = 0;
        for _ in 0..10_000 {
            while rig.waiting("GET /fapi/v1/time") > 0 {
                asked += 1;
                rig.answer_as("GET /fapi/v1/time", status, body);
            }
            rig.pass(Duration::from_millis(1));
        }
        assert!((1..=11).contains(&asked), "{status} {body}: {asked} times in ten seconds");
    }
}

#[test]
fn deadlines_lie_ahead_while_the_venue_wants_silence() {
    let mut rig = Rig::up();
    rig.command(&VenueCommand::Cancel { instrument: INSTRUMENT, client_id: ORDER });
    let until = (rig.now + seconds(600)).as_millis();
    let body = format!(r#"{{"code":-1003,"msg":"Way too many requests; banned until {until}."}}"#);
    rig.answer_as("DELETE /fapi/v1/order", 418, &body);
    let socket = rig.socket("first");
    rig.event(Event::Closed(socket, "cut"));
    let before = (rig.requests.len(), rig.sockets.len());
    let mut looks = 0;
    while rig.now < Nanos::from_millis(until) - seconds(1) {
        let next = rig.client.next_deadline().unwrap_or(Nanos::MAX);
        let step = next.since(rig.now).clamp(Duration::from_millis(1), seconds(1));
        rig.pass(step);
        looks += 1;
    }
    assert_eq!(rig.requests.len(), before.0);
    let private = rig.sockets[before.1..].iter().filter(|(_, url)| url.contains("/private"));
    assert_eq!(private.count(), 0);
    assert!(looks < 5_000, "{looks} looks in ten minutes");
    rig.pass(seconds(2));
    assert_eq!(rig.waiting("DELETE /fapi/v1/order"), 1, "the cancel was kept");
    assert!(rig.sockets.len() > before.1);
}

#[test]
fn who_has_disarmed_the_switch_does_not_arm_it_again() {
    let mut rig = Rig::up();
    let countdown = seconds(30);
    rig.command(&VenueCommand::ArmDeadMan { instrument: INSTRUMENT, countdown });
    let (armed, _) = rig.take("POST /fapi/v1/countdownCancelAll");
    rig.client.close(rig.now, true, &mut rig.effects);
    rig.event(Event::Answered(armed, Err(NoAnswer::Lost("time-out".to_owned()))));
    rig.pass(seconds(5));
    let (_, last) = rig.take("POST /fapi/v1/countdownCancelAll");
    assert!(last.contains("countdownTime=0"), "{last}");
    assert_eq!(rig.waiting("POST"), 0, "{:?}", rig.requests);
}

#[test]
fn what_nobody_asked_for_is_passed_over() {
    let mut rig = Rig::up();
    rig.command(&VenueCommand::Cancel { instrument: INSTRUMENT, client_id: ORDER });
    let (cancel, _) = rig.take("DELETE /fapi/v1/order");
    let no = HttpReply { status: 400, headers: Vec::new(), body: b"{\"code\":-2011}".to_vec() };
    rig.event(Event::Answered(cancel, Ok(no.clone())));
    assert_eq!(rig.told().len(), 1);
    // Twice, unknown, on sockets that are gone or never were, in the wrong order.
    rig.event(Event::Answered(cancel, Ok(no.clone())));
    rig.event(Event::Answered(RequestId(u64::MAX), Ok(no)));
    let strange = SocketId(u64::MAX);
    rig.event(Event::Opened(strange));
    rig.event(Event::Heard(strange));
    rig.event(Event::Closed(strange, "cut"));
    rig.event(Event::Frame(strange, br#"{"id":"1","status":200,"result":{}}"#));
    rig.event(Event::Frame(strange, b"\xff\x00"));
    assert_eq!(rig.told(), []);
    let socket = rig.socket("first");
    rig.event(Event::Closed(socket, "cut"));
    assert_eq!(rig.told(), [VenueReport::StreamDown]);
    rig.event(Event::Closed(socket, "cut"));
    rig.event(Event::Opened(socket));
    assert_eq!(rig.told(), []);
}
