//! One engine with live quotes, a book of a thousand levels a side, and a venue that says yes.
//!
//! Time moves as it does in a market (a diff every 50 ms, say), so the mean cost of a step contains
//! its share of the timers: decisions, the dead-man's switch, reconciliation.

use std::time::Duration;

use engine::config::EngineConfig;
use engine::{Input, Output};
use journal::Writer;
use market::venue::{AccountState, NewOrder, OpenOrder, OrderKind, VenueCommand, VenueReport};
use market::{
    BookTicker, DepthDiff, DepthSnapshot, FinePrice, InstrumentId, Level, MarketEvent, MarketKind,
    Nanos, Position, Price, Qty, Side, Ticks, Trade, VenueOrderId,
};
use runtime::Turn;

use super::config::{START, usd};

/// Levels per side, as many as a REST snapshot has.
pub(crate) const LEVELS: i64 = 1_000;
/// Best bid and ask of the book by depth.
pub(crate) const TOUCH: [Price; 2] = [Price::new(261_000), Price::new(261_001)];
/// Prepared diffs.
const RING: usize = 64;
/// How far the market moves when quotes are to follow, in ticks.
const SHIFT: i64 = 40;

/// What happens to the engine in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Twenty levels change behind the touch, every 50 ms.
    Diff,
    /// Sizes at the touch change, every 10 ms.
    Ticker,
    /// A print, every millisecond.
    Trade,
    /// Nothing but time, every millisecond.
    Timer,
    /// The touch moves so far that orders must follow, every 100 ms.
    Amend,
}

impl Scenario {
    const fn interval(self) -> Duration {
        match self {
            Self::Diff => Duration::from_millis(50),
            Self::Ticker => Duration::from_millis(10),
            Self::Trade | Self::Timer => Duration::from_millis(1),
            Self::Amend => Duration::from_millis(100),
        }
    }
}

/// The engine, its venue and the next facts.
pub(crate) struct Scene {
    turn: Turn,
    now: Nanos,
    venue: YesVenue,
    diffs: Vec<[Input; 1]>,
    /// The single fact of a ticker or trade step, overwritten in place.
    fact: [Input; 1],
    steps: usize,
    update_id: u64,
    /// Update id of the last diff, which the next one follows.
    depth_id: u64,
    fed: Nanos,
}

impl Scene {
    /// A warm engine with all its quotes acknowledged.
    pub(crate) fn new(config: EngineConfig, journal: Option<Writer>) -> Self {
        let mut scene = Self {
            turn: Turn::new(config, journal),
            now: START,
            venue: YesVenue::default(),
            diffs: diffs(RING, 20, |i| 5 + i as i64 / 2),
            fact: [market_input(MarketKind::FeedUp)],
            steps: 0,
            update_id: 1,
            depth_id: 1,
            fed: START,
        };
        scene.take(&[Input::Venue(InstrumentId(0), VenueReport::StreamUp)]);
        scene.take(&[market_input(MarketKind::FeedUp)]);
        scene.take(&[market_input(MarketKind::Snapshot(snapshot()))]);
        for _ in 0..200 {
            scene.now = scene.now + Duration::from_millis(100);
            scene.prepare_ticker(0);
            scene.feed();
            scene.settle();
        }
        assert_eq!(scene.venue.orders.len(), 6, "the demo quotes three rungs a side");
        scene.venue.moved = 0;
        scene
    }

    /// Makes the next fact ready; [`Scene::step`] then takes it in.
    pub(crate) fn prepare(&mut self, scenario: Scenario) {
        self.settle();
        self.now = self.now + scenario.interval();
        self.steps += 1;
        match scenario {
            Scenario::Diff => self.prepare_diff(),
            Scenario::Ticker => self.prepare_ticker(0),
            Scenario::Amend => self.prepare_ticker(SHIFT * (self.steps % 2) as i64),
            Scenario::Trade | Scenario::Timer => {
                if self.now.since(self.fed) >= Duration::from_secs(1) {
                    self.prepare_ticker(0);
                    self.feed();
                    self.settle();
                }
                self.prepare_trade();
            }
        }
    }

    /// One turn of the engine.
    pub(crate) fn step(&mut self, scenario: Scenario) {
        let batch: &[Input] = match scenario {
            Scenario::Diff => &self.diffs[self.steps % RING],
            Scenario::Ticker | Scenario::Trade | Scenario::Amend => &self.fact,
            Scenario::Timer => &[],
        };
        self.venue.hear(self.now, self.turn.run(self.now, batch));
    }

    /// Both.
    pub(crate) fn run(&mut self, scenario: Scenario) {
        self.prepare(scenario);
        self.step(scenario);
    }

    /// Places, amends and cancels since the engine was warm.
    pub(crate) fn moved(&self) -> u64 {
        self.venue.moved
    }

    pub(crate) fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    fn feed(&mut self) {
        self.venue.hear(self.now, self.turn.run(self.now, &self.fact));
    }

    fn take(&mut self, batch: &[Input]) {
        self.venue.hear(self.now, self.turn.run(self.now, batch));
        self.settle();
    }

    /// Lets the venue answer until nothing is asked any more.
    fn settle(&mut self) {
        while !self.venue.answers.is_empty() {
            let answers = std::mem::take(&mut self.venue.answers);
            self.venue.hear(self.now, self.turn.run(self.now, &answers));
        }
    }

    fn prepare_diff(&mut self) {
        self.update_id += 1;
        let [Input::Market(MarketEvent { kind: MarketKind::Diff(diff), .. })] =
            &mut self.diffs[self.steps % RING]
        else {
            unreachable!("only diffs there")
        };
        diff.first_id = self.update_id;
        diff.last_id = self.update_id;
        diff.previous_id = std::mem::replace(&mut self.depth_id, self.update_id);
    }

    fn prepare_ticker(&mut self, shift: i64) {
        self.update_id += 1;
        self.fed = self.now;
        let qty = Qty::new(5_000 + self.update_id % 8);
        let at = |side: Side| Level { price: TOUCH[side.index()] + Ticks::new(shift), qty };
        let ticker =
            BookTicker { update_id: self.update_id, bid: at(Side::Buy), ask: at(Side::Sell) };
        self.fact = [market_input(MarketKind::Ticker(ticker))];
    }

    fn prepare_trade(&mut self) {
        let (id, aggressor) = (self.steps as i64, Side::BOTH[self.steps % 2]);
        let price = TOUCH[aggressor.opposite().index()];
        let trade = Trade { id, price, qty: Qty::new(20), aggressor };
        self.fact = [market_input(MarketKind::Trade(trade))];
    }
}

/// Accepts everything at once and never fills.
#[derive(Default)]
struct YesVenue {
    orders: Vec<OpenOrder>,
    answers: Vec<Input>,
    moved: u64,
}

impl YesVenue {
    fn hear(&mut self, now: Nanos, outputs: &[Output]) {
        for output in outputs {
            if let Output::Venue(approved) = output {
                let report = self.answer(now, approved.command());
                self.answers.push(Input::Venue(InstrumentId(0), report));
            }
        }
    }

    fn answer(&mut self, now: Nanos, command: &VenueCommand) -> VenueReport {
        match command {
            VenueCommand::Place(order) => {
                self.moved += 1;
                let venue_id = VenueOrderId(i64::from(order.client_id.sequence));
                self.orders.push(resting(order, venue_id));
                VenueReport::Ack { client_id: order.client_id, venue_id }
            }
            VenueCommand::Amend(amend) => {
                self.moved += 1;
                let name = Some(amend.client_id);
                for order in self.orders.iter_mut().filter(|order| order.client_id == name) {
                    (order.price, order.qty) = (amend.price, amend.qty);
                }
                let (client_id, price, qty) = (amend.client_id, amend.price, amend.qty);
                VenueReport::Amended { client_id, price, qty }
            }
            VenueCommand::Cancel { client_id, .. } => {
                self.moved += 1;
                self.orders.retain(|order| order.client_id != Some(*client_id));
                VenueReport::Canceled { client_id: *client_id, filled: Qty::ZERO }
            }
            VenueCommand::ArmDeadMan { countdown, .. } => {
                VenueReport::DeadManArmed { until: now + *countdown }
            }
            VenueCommand::QueryAccount { query, .. } => VenueReport::Account(AccountState {
                query: *query,
                position: Position::ZERO,
                entry: FinePrice::ZERO,
                wallet: usd("5000"),
                open_orders: self.orders.clone(),
                fills: Vec::new(),
                last_trade: None,
            }),
            VenueCommand::QueryOrder { .. } | VenueCommand::CancelAll { .. } => {
                unreachable!("nothing here is ever in doubt")
            }
        }
    }
}

fn resting(order: &NewOrder, venue_id: VenueOrderId) -> OpenOrder {
    let OrderKind::Limit { price, .. } = order.kind else {
        unreachable!("quotes are limit orders")
    };
    OpenOrder {
        client_id: Some(order.client_id),
        venue_id,
        side: order.side,
        price,
        qty: order.qty,
        filled: Qty::ZERO,
        reduce_only: order.reduce_only,
    }
}

pub(crate) fn market_input(kind: MarketKind) -> Input {
    Input::Market(MarketEvent { instrument: InstrumentId(0), ts_event: START, kind })
}

/// [`LEVELS`] a side, a tick apart.
pub(crate) fn snapshot() -> DepthSnapshot {
    let ladder = |side: Side| {
        let at = |i| side.away(TOUCH[side.index()], Ticks::new(i));
        (0..LEVELS).map(|i| Level { price: at(i), qty: Qty::new(5_000) }).collect()
    };
    DepthSnapshot { last_id: 1, bids: ladder(Side::Buy), asks: ladder(Side::Sell) }
}

/// So many diffs of so many levels each, half a side, at the given distances from the touch. One
/// level in five goes away and comes back with the next diff. Ids are for the caller to fill in.
pub(crate) fn diffs(
    count: usize,
    levels: usize,
    distance: impl Fn(usize) -> i64,
) -> Vec<[Input; 1]> {
    let change = |number: usize, side: Side| {
        let level = |i: usize| {
            let gone = i % 10 >= 8 && number.is_multiple_of(2);
            let qty = if gone { 0 } else { 4_000 + (number * 31 + i * 7) as u64 % 2_000 };
            let price = side.away(TOUCH[side.index()], Ticks::new(distance(i)));
            Level { price, qty: Qty::new(qty) }
        };
        (side.index()..levels).step_by(2).map(level).collect::<Vec<_>>()
    };
    let diff = |number: usize| DepthDiff {
        first_id: 0,
        last_id: 0,
        previous_id: 0,
        bids: change(number, Side::Buy),
        asks: change(number, Side::Sell),
    };
    (0..count).map(|number| [market_input(MarketKind::Diff(diff(number)))]).collect()
}
