//! A venue that takes every order and never fills one, behind the exchange's own protocol: it
//! checks signatures and parameters as `trader exchange` does, so what it takes is a good order.

use std::net::{IpAddr, Ipv4Addr};

use binance::server::{
    AccountConfig, AccountEvent, Faults, Front, FrontConfig, LimitRules, Machine, Push, Request,
    Session, Standing, Topic,
};
use market::venue::{VenueCommand, VenueReport};
use market::{FinePrice, Instrument, Nanos, Price, Qty, Rate, Side, Usd, VenueOrderId};

use super::config::{KEY, instrument};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const MANY: u32 = 1_000_000_000;
const WALLET: Usd = Usd::new(100_000 * 1_000_000_000_000_000_000);

/// Protocol and machine together.
pub(crate) struct Venue {
    front: Front,
    machine: YesMachine,
    session: Session,
    /// Body of `GET /fapi/v1/depth`.
    snapshot: String,
    pushes: Vec<Push>,
}

impl Venue {
    pub(crate) fn new(start: Nanos, snapshot: &str) -> Self {
        let config = FrontConfig {
            instrument: instrument(),
            accounts: vec![AccountConfig::new(KEY.0, KEY.1, WALLET)],
            limits: LimitRules {
                weight_per_minute: MANY,
                orders_per_10s: MANY,
                orders_per_minute: MANY,
            },
            maker_fee: Rate::ZERO,
            taker_fee: Rate::ZERO,
            start,
            seed: 1,
            faults: Faults::default(),
        };
        let mut front = Front::new(config);
        front.listen(Topic::User(0), true);
        Self {
            front,
            machine: YesMachine { instrument: instrument(), placed: 0, events: Vec::new() },
            session: Session::new(start, false),
            snapshot: snapshot.to_owned(),
            pushes: Vec::new(),
        }
    }

    /// Status and body. `target` holds the query, if any.
    pub(crate) fn rest(
        &mut self,
        now: Nanos,
        method: &str,
        target: &str,
        body: &str,
        api_key: Option<&str>,
    ) -> (u16, String) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == "/fapi/v1/depth" {
            return (200, self.snapshot.clone());
        }
        let request = Request { method, path, query, body, api_key, ip: HERE };
        let reply = self.front.rest(&mut self.machine, now, &request);
        (reply.status, reply.body)
    }

    /// The answer to a frame of the WS API.
    ///
    /// # Panics
    /// When the order is not taken: then this measures something else than it says.
    pub(crate) fn ws_api(&mut self, now: Nanos, text: &str) -> String {
        let answer = self.front.ws_api(&mut self.machine, now, &mut self.session, HERE, text);
        let answer = answer.expect("the session goes on");
        // An order may be amended ten thousand times; then the desk places it anew.
        let is_good = answer.contains("\"status\":200") || answer.contains("\"code\":-5026");
        assert!(is_good, "{answer} to {text}");
        answer
    }

    /// What is to be told on the user stream.
    pub(crate) fn user_events(&mut self, now: Nanos) -> impl Iterator<Item = String> {
        self.front.tick(&mut self.machine, now);
        self.front.drain(&mut self.pushes);
        let told = |push: Push| matches!(push.topic, Topic::User(_)).then_some(push.text);
        self.pushes.drain(..).filter_map(told)
    }
}

struct YesMachine {
    instrument: Instrument,
    placed: i64,
    events: Vec<AccountEvent>,
}

impl YesMachine {
    fn answer(&mut self, now: Nanos, command: &VenueCommand) -> Option<VenueReport> {
        match command {
            VenueCommand::Place(order) => {
                self.placed += 1;
                let venue_id = VenueOrderId(self.placed);
                Some(VenueReport::Ack { client_id: order.client_id, venue_id })
            }
            VenueCommand::Amend(amend) => {
                let (client_id, price, qty) = (amend.client_id, amend.price, amend.qty);
                Some(VenueReport::Amended { client_id, price, qty })
            }
            VenueCommand::Cancel { client_id, .. } => {
                Some(VenueReport::Canceled { client_id: *client_id, filled: Qty::ZERO })
            }
            VenueCommand::ArmDeadMan { countdown, .. } => {
                Some(VenueReport::DeadManArmed { until: now + *countdown })
            }
            VenueCommand::CancelAll { .. }
            | VenueCommand::QueryOrder { .. }
            | VenueCommand::QueryAccount { .. } => None,
        }
    }
}

impl Machine for YesMachine {
    fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    fn execute(&mut self, account: usize, now: Nanos, command: &VenueCommand) {
        if let Some(report) = self.answer(now, command) {
            let after = self.standing(account);
            self.events.push(AccountEvent { account, at: now, report, after });
        }
    }

    fn take_events(&mut self, into: &mut Vec<AccountEvent>) {
        into.append(&mut self.events);
    }

    fn standing(&self, _: usize) -> Standing {
        Standing { wallet: WALLET, ..Standing::default() }
    }

    fn best(&self, _: Side) -> Option<Price> {
        None
    }

    fn mark(&self) -> FinePrice {
        FinePrice::ZERO
    }

    fn played(&self) -> Option<Nanos> {
        None
    }

    // What nobody asks for here.
    fn set_leverage(&mut self, _: usize, _: u32) {}
    fn transfer(&mut self, _: usize, _: Usd) {}
    fn trade_for(&mut self, _: usize, _: Side, _: Price, _: Qty) {}
    fn set_mark(&mut self, _: FinePrice) {}
    fn pay_funding(&mut self, _: Rate) {}
}
