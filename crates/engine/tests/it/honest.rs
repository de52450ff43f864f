//! The machine against a venue that never lies but answers late, twice, out of order or not at all.
//!
//! The judge knows only the venue's truth: what is held, and what could still trade.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use engine::{Control, Engine, EngineConfig, Input, Output};
use market::venue::{
    AccountState, Amend, ExpireReason, Fill, NewOrder, OpenOrder, OrderFate, OrderKind, Outcome,
    RejectReason, RequestKind, TimeInForce, VenueCommand, VenueReport,
};
use market::{
    ClientOrderId, DepthSnapshot, FinePrice, InstrumentId, Level, MarketEvent, MarketKind, Nanos,
    Position, Price, Qty, Side, TradeId, Usd, VenueOrderId,
};
use proptest::prelude::*;
use proptest::sample::Index;
use quoting::StrategyConfig;

use crate::rig::{START, cases, config, limit, usd};

const DESK: InstrumentId = InstrumentId(0);
const POSITION_MAX: i64 = 45;
/// Binance's `recvWindow`; not longer than our own patience (`ack_timeout`), or a request that we
/// have given up could still take effect.
const RECV_WINDOW: Duration = Duration::from_secs(2);

/// Three rungs, and a position limit that binds.
fn tight() -> EngineConfig {
    let mut config = config();
    let desk = &mut config.desks[0];
    desk.limits.max_position = Qty::new(POSITION_MAX as u64);
    config.breaker.threshold = 1_000;
    config.loss.daily_loss = usd("1000000");
    let StrategyConfig::BasicMm(strategy) = &mut desk.strategy;
    strategy.levels = 3;
    strategy.max_inventory = Qty::new(80);
    config
}

/// An order as the venue keeps it.
#[derive(Clone, Copy, Debug)]
struct Kept {
    order: NewOrder,
    price: Price,
    qty: Qty,
    filled: Qty,
    ended: Option<Outcome>,
}

impl Kept {
    fn left(&self) -> Qty {
        if self.ended.is_some() { Qty::ZERO } else { self.qty.saturating_sub(self.filled) }
    }

    fn listed(&self) -> OpenOrder {
        OpenOrder {
            client_id: Some(self.order.client_id),
            venue_id: VenueOrderId(i64::from(self.order.client_id.sequence)),
            side: self.order.side,
            price: self.price,
            qty: self.qty,
            filled: self.filled,
            reduce_only: self.order.reduce_only,
        }
    }
}

/// One thing that happens between us and the venue.
#[derive(Clone, Debug)]
enum Act {
    /// The oldest of our requests arrives.
    Arrive,
    /// It arrives, but all we hear is that nobody knows.
    ArriveUnheard,
    /// It never arrives.
    Vanish,
    /// A report reaches us, not always the oldest.
    Hear(Index),
    /// A report reaches us, and will again.
    HearTwice(Index),
    /// A report is lost.
    Lose(Index),
    /// Somebody trades with one of our orders.
    Trade(Index, u64),
    /// The market moves.
    Move(i64),
    /// The user stream breaks, with all that was on its way, and comes back.
    Break,
    Wait(u64),
}

struct World {
    engine: Engine,
    now: Nanos,
    orders: BTreeMap<ClientOrderId, Kept>,
    /// On their way to the venue, and since when.
    requests: VecDeque<(Nanos, VenueCommand)>,
    reports: VecDeque<VenueReport>,
    fills: Vec<Fill>,
    position: i64,
    bid: i64,
    updates: u64,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            engine: Engine::new(tight()),
            now: START,
            orders: BTreeMap::new(),
            requests: VecDeque::new(),
            reports: VecDeque::new(),
            fills: Vec::new(),
            position: 0,
            bid: 259_999,
            updates: 0,
        };
        world.tell(VenueReport::StreamUp);
        world.settle();
        world.show_book();
        assert_eq!(world.requests.len(), 6, "three rungs on either side");
        world
    }

    fn step(&mut self, batch: &[Input]) {
        let mut out = Vec::new();
        self.engine.step(self.now, batch, &mut out);
        self.requests.extend(out.into_iter().filter_map(|output| match output {
            Output::Venue(approved) => Some((self.now, approved.into_command())),
            Output::Alert(_) | Output::Note(_) => None,
        }));
        self.judge();
    }

    /// The worst that could come of the orders at the venue, on either side.
    fn judge(&self) {
        for side in Side::BOTH {
            let working = |kept: &&Kept| kept.order.side == side && !kept.order.reduce_only;
            let left: Qty = self.orders.values().filter(working).map(Kept::left).sum();
            let worst = self.position * side.sign() + left.raw() as i64;
            let position = self.position;
            assert!(worst <= POSITION_MAX, "{side}: holding {position}, {left:?} can still trade");
        }
    }

    fn tell(&mut self, report: VenueReport) {
        self.step(&[Input::Venue(DESK, report)]);
    }

    fn show_book(&mut self) {
        self.updates += 1;
        let level = |price| Level { price: Price::new(price), qty: Qty::new(9_000) };
        let (bids, asks) = (vec![level(self.bid)], vec![level(self.bid + 2)]);
        let kind = MarketKind::Snapshot(DepthSnapshot { last_id: self.updates, bids, asks });
        let event = MarketEvent { instrument: DESK, ts_event: self.now, kind };
        self.step(&[Input::Market(event)]);
    }

    fn arrive(&mut self) {
        let Some((sent, request)) = self.requests.pop_front() else { return };
        if self.now.since(sent) >= RECV_WINDOW {
            return self.too_late(&request);
        }
        match request {
            VenueCommand::Place(order) => self.place(order),
            VenueCommand::Amend(amend) => self.amend(&amend),
            VenueCommand::Cancel { client_id, .. } => {
                if !self.end(client_id, Outcome::Canceled) {
                    let (request, reason) = (RequestKind::Cancel, RejectReason::UnknownOrder);
                    self.reports.push_back(VenueReport::Reject { client_id, request, reason });
                }
            }
            VenueCommand::CancelAll { .. } => {
                for client_id in self.orders.keys().copied().collect::<Vec<_>>() {
                    self.end(client_id, Outcome::Canceled);
                }
            }
            VenueCommand::ArmDeadMan { countdown, .. } => {
                self.reports.push_back(VenueReport::DeadManArmed { until: self.now + countdown });
            }
            VenueCommand::QueryOrder { client_id, .. } => {
                let fate = match self.orders.get(&client_id) {
                    None => OrderFate::NotFound,
                    Some(kept) => match kept.ended {
                        None => OrderFate::Open(kept.listed()),
                        Some(outcome) => OrderFate::Closed { filled: kept.filled, outcome },
                    },
                };
                let own = |fill: &&Fill| fill.client_id == Some(client_id);
                let fills = self.fills.iter().filter(own).copied().collect();
                self.reports.push_back(VenueReport::Order { client_id, fate, fills });
            }
            VenueCommand::QueryAccount { since, query, .. } => self.account(since, query),
        }
    }

    /// A venue refuses what was under way for too long, so that what timed out is over.
    fn too_late(&mut self, request: &VenueCommand) {
        let (client_id, request) = match request {
            VenueCommand::Place(order) => (order.client_id, RequestKind::Place),
            VenueCommand::Amend(amend) => (amend.client_id, RequestKind::Amend),
            VenueCommand::Cancel { client_id, .. } => (*client_id, RequestKind::Cancel),
            _ => return,
        };
        let reason = RejectReason::Other;
        self.reports.push_back(VenueReport::Reject { client_id, request, reason });
    }

    fn account(&mut self, since: Option<TradeId>, query: u32) {
        let mut books = engine::ledger::Ledger::default();
        for fill in &self.fills {
            books.fill(&crate::rig::instrument(), fill, None);
        }
        let later = |fill: &&Fill| since.is_some_and(|since| fill.trade_id > since);
        let open = self.orders.values().filter(|kept| kept.ended.is_none());
        self.reports.push_back(VenueReport::Account(AccountState {
            query,
            position: Position::new(self.position),
            entry: FinePrice::from_decimal("2600".parse().unwrap()),
            wallet: usd("5000") + books.cash(),
            open_orders: open.map(Kept::listed).collect(),
            fills: self.fills.iter().filter(later).copied().collect(),
            last_trade: self.fills.last().map(|fill| fill.trade_id),
        }));
    }

    fn takes(&self, side: Side, price: Price) -> bool {
        let other = if side == Side::Buy { self.bid + 2 } else { self.bid };
        side.crosses(price, Price::new(other))
    }

    fn place(&mut self, order: NewOrder) {
        let (client_id, price) = (order.client_id, limit(&order));
        let OrderKind::Limit { tif, .. } = order.kind else { panic!("{order:?}") };
        let request = RequestKind::Place;
        assert!(!self.orders.contains_key(&client_id), "{client_id} is used twice");
        let (qty, filled) = (order.qty, Qty::ZERO);
        let mut kept = Kept { order, price, qty, filled, ended: None };
        if tif == TimeInForce::PostOnly && self.takes(order.side, price) {
            kept.ended = Some(Outcome::Rejected);
            let reason = RejectReason::WouldTake;
            self.reports.push_back(VenueReport::Reject { client_id, request, reason });
        } else {
            let venue_id = VenueOrderId(i64::from(client_id.sequence));
            self.reports.push_back(VenueReport::Ack { client_id, venue_id });
        }
        self.orders.insert(client_id, kept);
        if tif == TimeInForce::Ioc {
            self.trade(client_id, qty);
            self.end(client_id, Outcome::Expired);
        }
    }

    fn amend(&mut self, amend: &Amend) {
        let client_id = amend.client_id;
        let takes = self.takes(amend.side, amend.price);
        let kept = self.orders.get_mut(&client_id).filter(|kept| kept.ended.is_none());
        let reason = match kept {
            None => RejectReason::UnknownOrder,
            Some(_) if takes => RejectReason::WouldTake,
            Some(kept) if (kept.price, kept.qty) == (amend.price, amend.qty) => {
                RejectReason::NoChange
            }
            Some(kept) if amend.qty <= kept.filled => {
                self.end(client_id, Outcome::Canceled);
                return;
            }
            Some(kept) => {
                (kept.price, kept.qty) = (amend.price, amend.qty);
                let (price, qty) = (amend.price, amend.qty);
                self.reports.push_back(VenueReport::Amended { client_id, price, qty });
                return;
            }
        };
        let request = RequestKind::Amend;
        self.reports.push_back(VenueReport::Reject { client_id, request, reason });
    }

    /// Whether there was something to end.
    fn end(&mut self, client_id: ClientOrderId, outcome: Outcome) -> bool {
        let Some(kept) = self.orders.get_mut(&client_id).filter(|kept| kept.ended.is_none()) else {
            return false;
        };
        kept.ended = Some(outcome);
        let (filled, reason) = (kept.filled, ExpireReason::Unfilled);
        self.reports.push_back(match outcome {
            Outcome::Expired => VenueReport::Expired { client_id, filled, reason },
            _ => VenueReport::Canceled { client_id, filled },
        });
        true
    }

    fn trade(&mut self, client_id: ClientOrderId, lots: Qty) {
        let held = Position::new(self.position);
        let Some(kept) = self.orders.get_mut(&client_id) else { return };
        let side = kept.order.side;
        let room =
            if kept.order.reduce_only { held.reducible_by(side) } else { Qty::new(u64::MAX) };
        let qty = lots.min(kept.left()).min(room);
        if qty.is_zero() {
            return;
        }
        kept.filled += qty;
        if kept.left().is_zero() {
            kept.ended = Some(Outcome::Filled);
        }
        let fill = Fill {
            trade_id: TradeId(self.fills.len() as i64 + 1),
            client_id: Some(client_id),
            venue_id: VenueOrderId(i64::from(client_id.sequence)),
            side,
            price: kept.price,
            qty,
            cumulative: kept.filled,
            maker: true,
            fee: Usd::ZERO,
            ts_event: self.now,
        };
        self.position += qty.signed(side).raw();
        self.fills.push(fill);
        self.reports.push_back(VenueReport::Fill(fill));
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Arrive => self.arrive(),
            Act::ArriveUnheard => self.arrive_unheard(),
            Act::Vanish => {
                self.requests.pop_front();
            }
            Act::Hear(index) => {
                let report = self.pick(index).and_then(|index| self.reports.remove(index));
                report.into_iter().for_each(|report| self.tell(report));
            }
            Act::HearTwice(index) => {
                let report = self.pick(index).map(|index| self.reports[index].clone());
                report.into_iter().for_each(|report| self.tell(report));
            }
            Act::Lose(index) => {
                self.pick(index).and_then(|index| self.reports.remove(index));
            }
            Act::Trade(index, lots) => {
                let open = self.orders.values().filter(|kept| kept.ended.is_none());
                let open: Vec<ClientOrderId> = open.map(|kept| kept.order.client_id).collect();
                if !open.is_empty() {
                    self.trade(open[index.index(open.len())], Qty::new(*lots));
                }
            }
            Act::Move(ticks) => {
                self.bid += ticks;
                self.show_book();
            }
            Act::Break => {
                self.tell(VenueReport::StreamDown);
                self.reports.clear();
                self.tell(VenueReport::StreamUp);
            }
            Act::Wait(millis) => {
                self.now = self.now + Duration::from_millis(*millis);
                self.step(&[]);
            }
        }
        self.judge();
    }

    fn pick(&self, index: &Index) -> Option<usize> {
        (!self.reports.is_empty()).then(|| index.index(self.reports.len()))
    }

    /// The answer to a request is that its fate is unknown.
    fn arrive_unheard(&mut self) {
        let (client_id, request) = match self.requests.front().map(|(_, request)| request) {
            Some(VenueCommand::Place(order)) => (order.client_id, RequestKind::Place),
            Some(VenueCommand::Amend(amend)) => (amend.client_id, RequestKind::Amend),
            Some(VenueCommand::Cancel { client_id, .. }) => (*client_id, RequestKind::Cancel),
            _ => return self.arrive(),
        };
        let heard = self.reports.len();
        self.arrive();
        self.reports.truncate(heard);
        self.reports.push_back(VenueReport::InDoubt { client_id, request });
    }

    /// Everything under way arrives, in order, until nothing is.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            if let Some(report) = self.reports.pop_front() {
                self.tell(report);
            } else if self.requests.is_empty() {
                return;
            } else {
                self.arrive();
            }
        }
        panic!("never quiet: {:?}", self.requests);
    }

    /// Time passes from deadline to deadline, with a venue that works and a book that is alive.
    fn calm(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            let next = self.engine.next_deadline().unwrap();
            self.now = next.min(self.now + Duration::from_millis(500)).max(self.now);
            self.show_book();
            self.settle();
        }
    }

    fn held(&mut self) -> i64 {
        self.engine.snapshot().desks[0].position.raw()
    }

    fn open(&self) -> usize {
        self.orders.values().filter(|kept| kept.ended.is_none()).count()
    }
}

fn an_act(faults: bool) -> impl Strategy<Value = Act> {
    let index = any::<Index>;
    let rare = u32::from(faults);
    prop_oneof![
        10 => Just(Act::Arrive),
        rare => Just(Act::ArriveUnheard),
        rare => Just(Act::Vanish),
        10 => index().prop_map(Act::Hear),
        2 => index().prop_map(Act::HearTwice),
        2 * rare => index().prop_map(Act::Lose),
        5 => (index(), 1_u64..15).prop_map(|(index, lots)| Act::Trade(index, lots)),
        5 => (-300_i64..300).prop_map(Act::Move),
        rare => Just(Act::Break),
        4 => (1_u64..2_500).prop_map(Act::Wait),
    ]
}

proptest! {
    #![proptest_config(cases(1_200))]

    /// Late, repeated and disordered, but nothing lost: the limit holds at the venue at every moment,
    /// and when the storm is over both sides agree.
    #[test]
    fn late_and_disordered(acts in prop::collection::vec(an_act(false), 1..150)) {
        let mut world = World::new();
        acts.iter().for_each(|act| world.act(act));
        world.calm(Duration::from_secs(20));
        let position = world.position;
        prop_assert_eq!(world.held(), position);
        let ours = world.engine.snapshot().desks[0].orders.len();
        prop_assert_eq!(ours, world.open());
    }

    /// With losses as well; then a halt empties the venue.
    #[test]
    fn lost_and_in_doubt(acts in prop::collection::vec(an_act(true), 1..150)) {
        let mut world = World::new();
        acts.iter().for_each(|act| world.act(act));
        world.step(&[Input::Control(Control::Halt)]);
        world.settle();
        world.calm(Duration::from_secs(20));
        prop_assert_eq!(world.open(), 0, "{:?}", world.orders);
        prop_assert!(world.engine.snapshot().desks[0].orders.is_empty());
        world.calm(Duration::from_secs(70));
        let (held, position) = (world.held(), world.position);
        prop_assert_eq!(held, position, "every fill is found, whatever was lost");
    }
}
