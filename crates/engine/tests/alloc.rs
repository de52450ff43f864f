//! A running engine allocates nothing: not for market events, not for requests, not for fills.

#[expect(dead_code, reason = "the bench of the other tests; few of its commands are needed here")]
#[path = "it/rig.rs"]
mod rig;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Duration;

use engine::{Engine, Input, Output};
use market::venue::{Fill, VenueCommand, VenueReport};
use market::{
    BookTicker, ClientOrderId, DepthDiff, FinePrice, InstrumentId, Level, MarkUpdate, MarketEvent,
    MarketKind, Nanos, Price, Qty, Rate, Side, Trade, TradeId, Usd, VenueOrderId,
};
use quoting::StrategyConfig;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator cannot be written without; this one only counts")]
// SAFETY: every call is handed on unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, hence from the system allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const DESK: InstrumentId = InstrumentId(0);
/// A turn of the loop below.
const TURN: Duration = Duration::from_millis(100);

fn level(price: i64, qty: u64) -> Level {
    Level { price: Price::new(price), qty: Qty::new(qty) }
}

/// The engine, a venue that confirms everything at once, and a market that walks.
struct Loop {
    engine: Engine,
    now: Nanos,
    out: Vec<Output>,
    replies: VecDeque<VenueReport>,
    /// Orders of ours as the venue has them: name, side, price, quantity.
    orders: Vec<(ClientOrderId, Side, Price, Qty)>,
    bid: i64,
    updates: u64,
    trades: i64,
    /// Places, amends, cancels, fills.
    seen: [u64; 4],
    allocated: u64,
}

impl Loop {
    fn new() -> Self {
        let mut config = rig::config();
        let StrategyConfig::BasicMm(strategy) = &mut config.desks[0].strategy;
        (strategy.levels, strategy.max_inventory) = (3, Qty::new(80));
        let mut rig = rig::Rig::new(config);
        rig.script("start\nbook 2599.99 2600.01");
        let orders = rig.sent.iter().map(|sent| {
            let order = sent.order;
            (order.client_id, order.side, rig::limit(&order), order.qty)
        });
        let mut world = Self {
            orders: orders.collect(),
            engine: rig.engine,
            now: rig.now,
            out: Vec::with_capacity(256),
            replies: VecDeque::with_capacity(256),
            bid: 259_999,
            updates: 1,
            trades: 0,
            seen: [0; 4],
            allocated: 0,
        };
        world.orders.reserve(64);
        for index in 0..world.orders.len() {
            let client_id = world.orders[index].0;
            world.replies.push_back(VenueReport::Ack { client_id, venue_id: VenueOrderId(1) });
        }
        world.hear();
        world
    }

    /// One step; only what the engine itself allocates is counted.
    fn step(&mut self, input: Input) {
        let batch = [input];
        self.out.clear();
        let before = ALLOCATIONS.get();
        self.engine.step(self.now, &batch, &mut self.out);
        self.allocated += ALLOCATIONS.get() - before;
        for index in 0..self.out.len() {
            if let Output::Venue(approved) = &self.out[index] {
                let command = approved.command().clone();
                self.confirm(&command);
            }
        }
    }

    fn confirm(&mut self, command: &VenueCommand) {
        let report = match command {
            VenueCommand::Place(order) => {
                self.seen[0] += 1;
                let client_id = order.client_id;
                self.orders.push((client_id, order.side, rig::limit(order), order.qty));
                VenueReport::Ack { client_id, venue_id: VenueOrderId(1) }
            }
            VenueCommand::Amend(amend) => {
                self.seen[1] += 1;
                let (client_id, price, qty) = (amend.client_id, amend.price, amend.qty);
                let order = self.orders.iter_mut().find(|order| order.0 == client_id).unwrap();
                (order.2, order.3) = (price, qty);
                VenueReport::Amended { client_id, price, qty }
            }
            VenueCommand::Cancel { client_id, .. } => {
                self.seen[2] += 1;
                self.orders.retain(|order| order.0 != *client_id);
                VenueReport::Canceled { client_id: *client_id, filled: Qty::ZERO }
            }
            VenueCommand::ArmDeadMan { countdown, .. } => {
                VenueReport::DeadManArmed { until: self.now + *countdown }
            }
            VenueCommand::QueryAccount { query, .. } => self.account(*query),
            other => panic!("{other:?}"),
        };
        self.replies.push_back(report);
    }

    fn account(&self, query: u32) -> VenueReport {
        let open = |order: &(ClientOrderId, Side, Price, Qty)| market::venue::OpenOrder {
            client_id: Some(order.0),
            venue_id: VenueOrderId(1),
            side: order.1,
            price: order.2,
            qty: order.3,
            filled: Qty::ZERO,
            reduce_only: false,
        };
        VenueReport::Account(market::venue::AccountState {
            query,
            position: self.position(),
            entry: FinePrice::ZERO,
            wallet: rig::usd("5000"),
            open_orders: self.orders.iter().map(open).collect(),
            fills: Vec::new(),
            last_trade: (self.trades > 0).then_some(TradeId(self.trades)),
        })
    }

    /// Buys and sells of one size take turns.
    fn position(&self) -> market::Position {
        market::Position::new(if self.trades % 2 == 1 { 10 } else { 0 })
    }

    fn hear(&mut self) {
        while let Some(report) = self.replies.pop_front() {
            self.step(Input::Venue(DESK, report));
        }
    }

    fn market(&mut self, kind: MarketKind) {
        let event = MarketEvent { instrument: DESK, ts_event: self.now, kind };
        self.step(Input::Market(event));
        self.hear();
    }

    /// The market moves by `ticks`: a diff, a ticker, a print and a mark.
    fn turn(&mut self, ticks: i64) {
        self.now = self.now + TURN;
        let (old, bid) = (self.bid, self.bid + ticks);
        // Whatever the move has overtaken is gone, on either side.
        let swept = (old.min(bid)..=old.max(bid) + 2).map(|price| level(price, 0));
        let bids = swept.clone().chain([level(bid, 7)]).collect();
        let asks = swept.chain([level(bid + 2, 9)]).collect();
        let (previous_id, id) = (self.updates, self.updates + 1);
        (self.bid, self.updates) = (bid, id);
        self.market(MarketKind::Diff(DepthDiff {
            first_id: id,
            last_id: id,
            previous_id,
            bids,
            asks,
        }));
        let (best_bid, best_ask) = (level(bid, 8), level(bid + 2, 9));
        let update_id = id + 1;
        self.market(MarketKind::Ticker(BookTicker { update_id, bid: best_bid, ask: best_ask }));
        let (price, qty, aggressor) = (Price::new(bid), Qty::new(3), Side::Sell);
        self.market(MarketKind::Trade(Trade { id: 1, price, qty, aggressor }));
        let mark = FinePrice::new(bid * 1_000_000);
        let (funding_rate, next_funding) = (Rate::ZERO, self.now);
        self.market(MarketKind::Mark(MarkUpdate { mark, index: mark, funding_rate, next_funding }));
    }

    /// The best order of the side whose turn it is trades in full.
    fn fill(&mut self) {
        let side = if self.trades % 2 == 0 { Side::Buy } else { Side::Sell };
        let own = self.orders.iter().filter(|order| order.1 == side);
        let best = own.reduce(|a, b| if side.is_better(b.2, a.2) { b } else { a });
        let Some(&(client_id, side, price, qty)) = best else { return };
        assert_eq!(qty, Qty::new(10));
        self.orders.retain(|order| order.0 != client_id);
        self.trades += 1;
        self.seen[3] += 1;
        let fill = Fill {
            trade_id: TradeId(self.trades),
            client_id: Some(client_id),
            venue_id: VenueOrderId(1),
            side,
            price,
            qty,
            cumulative: qty,
            maker: true,
            fee: Usd::ZERO,
            ts_event: self.now,
        };
        self.step(Input::Venue(DESK, VenueReport::Fill(fill)));
        self.hear();
    }
}

#[test]
fn a_running_engine_does_not_allocate() {
    let mut world = Loop::new();
    for phase in 0..2 {
        (world.allocated, world.seen) = (0, [0; 4]);
        for turn in 0..2_000_i64 {
            // Up and down by 30 ticks, a jump now and then, a fill every two seconds.
            world.turn(if turn % 50 == 49 { -58 } else { turn % 7 - 2 });
            if turn % 20 == 0 {
                world.fill();
            }
        }
        let [placed, amended, _, filled] = world.seen;
        assert!(placed > 50 && amended > 500 && filled > 50, "idle: {:?}", world.seen);
        assert!(phase == 0 || world.allocated == 0, "{} allocations", world.allocated);
    }
}
