//! Questions that take several requests: the state of an order, the state of the account.
//!
//! Each is a small machine: it names the next request and takes its answer, until it can say what
//! the engine asked for. Whoever drives it sends, waits, and judges errors.

use std::collections::BTreeMap;

use market::venue::{Fill, OrderFate, VenueCommand, VenueReport};
use market::{ClientOrderId, Instrument, Qty, TradeId, VenueOrderId};

use crate::replies::{
    AssetRow, OrderReply, PositionRow, UserTrade, VenueError, account_state, lots, one_way,
};
use crate::rest::{self, OrderName, Request, TRADES_PAGE, TradesFrom};
use crate::wire::{DecodeError, Fault};

/// How a command is carried out.
#[derive(Clone, Debug)]
pub enum Work {
    /// One request.
    One(Request),
    /// A question about an order.
    Order(OrderQuery),
    /// A question about the account.
    Account(Box<AccountQuery>),
}

impl Work {
    /// How to carry out a command about this instrument.
    pub fn for_command(instrument: &Instrument, command: &VenueCommand) -> Self {
        let symbol = instrument.symbol();
        match command {
            VenueCommand::Place(order) => Self::One(rest::place(instrument, order)),
            VenueCommand::Amend(amend) => Self::One(rest::amend(instrument, amend)),
            VenueCommand::Cancel { client_id, .. } => {
                Self::One(rest::cancel(symbol, OrderName::Client(*client_id)))
            }
            VenueCommand::CancelAll { .. } => Self::One(rest::cancel_all(symbol)),
            VenueCommand::ArmDeadMan { countdown, .. } => {
                Self::One(rest::arm_dead_man(symbol, *countdown))
            }
            VenueCommand::QueryOrder { client_id, .. } => {
                Self::Order(OrderQuery::new(instrument, *client_id))
            }
            VenueCommand::QueryAccount { since, query, .. } => {
                Self::Account(Box::new(AccountQuery::new(instrument, *since, *query)))
            }
        }
    }
}

/// What comes after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Another request.
    Ask(Request),
    /// The report.
    Done(VenueReport),
}

/// What became of an order, with all its executions.
#[derive(Clone, Debug)]
pub struct OrderQuery {
    instrument: Instrument,
    client_id: ClientOrderId,
    fate: Option<(OrderFate, VenueOrderId)>,
}

impl OrderQuery {
    /// Begins with [`request`](Self::request).
    pub fn new(instrument: &Instrument, client_id: ClientOrderId) -> Self {
        Self { instrument: instrument.clone(), client_id, fate: None }
    }

    /// The request to send now.
    pub fn request(&self) -> Request {
        let symbol = self.instrument.symbol();
        match self.fate {
            None => rest::query_order(symbol, OrderName::Client(self.client_id)),
            Some((_, order)) => rest::user_trades(symbol, TradesFrom::Order(order)),
        }
    }

    /// Takes in the answer. -2013 means not found; any other error fails the query.
    ///
    /// # Errors
    /// [`DecodeError`] when the body cannot be read; the query has failed then.
    pub fn on_answer(&mut self, answer: Result<&[u8], &VenueError>) -> Result<Step, DecodeError> {
        let body = match answer {
            Ok(body) => body,
            Err(error) if error.code == Some(-2013) && self.fate.is_none() => {
                return Ok(self.done(OrderFate::NotFound, Vec::new()));
            }
            Err(_) => return Ok(Step::Done(VenueReport::QueryFailed)),
        };
        if let Some((fate, _)) = self.fate {
            let trades = UserTrade::decode_list(body)?;
            let fills = fills_of(&self.instrument, trades, |_| Some(self.client_id), |_| None)?;
            return Ok(self.done(fate, fills));
        }
        let order = OrderReply::decode(body)?;
        if order.owner.ours() != Some(self.client_id) {
            return Err(DecodeError::new(Fault::Missing("clientOrderId"), b"another order"));
        }
        let fate = order.fate(&self.instrument)?;
        let filled = match fate {
            OrderFate::Open(open) => open.filled,
            OrderFate::Closed { filled, .. } => filled,
            OrderFate::NotFound => Qty::ZERO,
        };
        if filled.is_zero() {
            return Ok(self.done(fate, Vec::new()));
        }
        self.fate = Some((fate, order.venue_id));
        Ok(Step::Ask(self.request()))
    }

    fn done(&self, fate: OrderFate, fills: Vec<Fill>) -> Step {
        Step::Done(VenueReport::Order { client_id: self.client_id, fate, fills })
    }
}

/// Open orders, position, wallet and missed fills, as of one moment.
///
/// The venue has no call that tells all of it at once. Executions are therefore listed first and
/// again at the end; if any came in between, everything after the first listing is asked again.
#[derive(Clone, Debug)]
pub struct AccountQuery {
    instrument: Instrument,
    /// Executions are listed from here on; `None` lists none but learns the newest.
    since: Option<TradeId>,
    /// Number of the question, repeated in the answer.
    query: u32,
    phase: Phase,
    trades: Vec<UserTrade>,
    last_trade: Option<TradeId>,
    orders: BTreeMap<VenueOrderId, Option<OrderReply>>,
    open: Vec<OrderReply>,
    assets: Vec<AssetRow>,
    positions: Vec<PositionRow>,
    rounds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Executions so far.
    Trades,
    /// The orders they belong to: names and filled quantities.
    Order(VenueOrderId),
    /// Open orders.
    Open,
    /// Wallet.
    Balance,
    /// Position.
    Position,
    /// Executions since.
    Again,
}

impl AccountQuery {
    /// Rounds after which the market is too fast to be caught; the query fails then.
    pub const ROUNDS_MAX: u32 = 5;
    /// Orders looked up for their names at most; beyond, a fill is reported without one.
    pub const ORDERS_MAX: usize = 200;

    /// Begins with [`request`](Self::request).
    pub fn new(instrument: &Instrument, since: Option<TradeId>, query: u32) -> Self {
        Self {
            instrument: instrument.clone(),
            since,
            query,
            phase: Phase::Trades,
            trades: Vec::new(),
            last_trade: since,
            orders: BTreeMap::new(),
            open: Vec::new(),
            assets: Vec::new(),
            positions: Vec::new(),
            rounds: 0,
        }
    }

    /// The request to send now.
    pub fn request(&self) -> Request {
        let symbol = self.instrument.symbol();
        match self.phase {
            Phase::Trades | Phase::Again => rest::user_trades(symbol, self.from()),
            Phase::Order(id) => rest::query_order(symbol, OrderName::Venue(id)),
            Phase::Open => rest::open_orders(Some(symbol)),
            Phase::Balance => rest::balance(),
            Phase::Position => rest::position_risk(symbol),
        }
    }

    /// Takes in the answer. An error fails the query, except that an order may be forgotten.
    ///
    /// # Errors
    /// [`DecodeError`] when a body cannot be read; the query has failed then.
    pub fn on_answer(&mut self, answer: Result<&[u8], &VenueError>) -> Result<Step, DecodeError> {
        let body = match (answer, self.phase) {
            (Ok(body), _) => body,
            (Err(error), Phase::Order(id)) if error.code == Some(-2013) => {
                self.orders.insert(id, None);
                return Ok(self.ask(self.after_trades()));
            }
            (Err(_), _) => return Ok(Step::Done(VenueReport::QueryFailed)),
        };
        match self.phase {
            Phase::Trades => {
                let full = self.take_trades(body)? >= TRADES_PAGE;
                let next = if full { Phase::Trades } else { self.after_trades() };
                Ok(self.ask(next))
            }
            Phase::Order(id) => {
                self.orders.insert(id, Some(OrderReply::decode(body)?));
                Ok(self.ask(self.after_trades()))
            }
            Phase::Open => {
                self.open = OrderReply::decode_list(body)?;
                Ok(self.ask(Phase::Balance))
            }
            Phase::Balance => {
                self.assets = AssetRow::decode_balance(body)?;
                Ok(self.ask(Phase::Position))
            }
            Phase::Position => {
                self.positions = PositionRow::decode_list(body)?;
                Ok(self.ask(Phase::Again))
            }
            Phase::Again => self.finish(body),
        }
    }

    fn ask(&mut self, phase: Phase) -> Step {
        self.phase = phase;
        Step::Ask(self.request())
    }

    fn from(&self) -> TradesFrom {
        match self.last_trade {
            Some(last) => TradesFrom::Id(TradeId(last.0.saturating_add(1))),
            None => TradesFrom::Newest(1),
        }
    }

    /// Adds executions not seen before. Returns how many rows there were.
    fn take_trades(&mut self, body: &[u8]) -> Result<usize, DecodeError> {
        let mut rows = UserTrade::decode_list(body)?;
        let count = rows.len();
        rows.sort_unstable_by_key(|trade| trade.trade_id);
        for trade in rows {
            if self.last_trade.is_none_or(|last| last < trade.trade_id) {
                self.last_trade = Some(trade.trade_id);
                if self.since.is_some() {
                    // What is known of its order is older than this execution.
                    self.orders.remove(&trade.order_id);
                    self.trades.push(trade);
                }
            }
        }
        Ok(count)
    }

    /// The next order whose name is wanted, or on to the open orders.
    fn after_trades(&self) -> Phase {
        let unknown = |id: &VenueOrderId| !self.orders.contains_key(id);
        let mut wanted = crate::replies::orders_of(&self.trades).into_iter().filter(unknown);
        match wanted.next() {
            Some(id) if self.orders.len() < Self::ORDERS_MAX => Phase::Order(id),
            _ => Phase::Open,
        }
    }

    fn finish(&mut self, body: &[u8]) -> Result<Step, DecodeError> {
        let before = self.last_trade;
        let rows = self.take_trades(body)?;
        if self.last_trade != before {
            self.rounds += 1;
            if self.rounds >= Self::ROUNDS_MAX {
                return Ok(Step::Done(VenueReport::QueryFailed));
            }
            let full = rows >= TRADES_PAGE;
            let next = if full { Phase::Trades } else { self.after_trades() };
            return Ok(self.ask(next));
        }
        if one_way(&self.positions, self.instrument.symbol()).is_none() {
            return Err(DecodeError::new(Fault::Missing("positionSide"), b"hedge-mode position"));
        }
        let mut state = account_state(&self.instrument, self.query, &self.positions, &self.assets)?;
        let known = |id: VenueOrderId| self.orders.get(&id).and_then(Option::as_ref);
        state.fills = fills_of(
            &self.instrument,
            std::mem::take(&mut self.trades),
            |id| known(id).and_then(|order| order.owner.ours()),
            |id| known(id).and_then(|o| lots(&self.instrument, "executedQty", o.filled).ok()),
        )?;
        let of_symbol = self.open.iter().filter(|o| o.symbol == self.instrument.symbol());
        state.open_orders =
            of_symbol.map(|order| order.open_order(&self.instrument)).collect::<Result<_, _>>()?;
        state.last_trade = self.last_trade;
        Ok(Step::Done(VenueReport::Account(state)))
    }
}

/// Executions as fills, ascending. What an order had filled before the first of them is what it
/// has filled in all less what is listed.
fn fills_of(
    instrument: &Instrument,
    mut trades: Vec<UserTrade>,
    name: impl Fn(VenueOrderId) -> Option<ClientOrderId>,
    filled: impl Fn(VenueOrderId) -> Option<Qty>,
) -> Result<Vec<Fill>, DecodeError> {
    trades.retain(|trade| trade.symbol == instrument.symbol());
    trades.sort_unstable_by_key(|trade| trade.trade_id);
    trades.dedup_by_key(|trade| trade.trade_id);
    let mut listed: BTreeMap<VenueOrderId, Qty> = BTreeMap::new();
    for trade in &trades {
        add(listed.entry(trade.order_id).or_default(), lots(instrument, "qty", trade.qty)?)?;
    }
    let mut running: BTreeMap<VenueOrderId, Qty> = BTreeMap::new();
    for (id, sum) in &listed {
        running.insert(*id, filled(*id).unwrap_or_default().saturating_sub(*sum));
    }
    let mut fills = Vec::with_capacity(trades.len());
    for trade in trades {
        let cumulative = running.entry(trade.order_id).or_default();
        add(cumulative, lots(instrument, "qty", trade.qty)?)?;
        fills.push(trade.fill(instrument, name(trade.order_id), *cumulative)?);
    }
    Ok(fills)
}

fn add(sum: &mut Qty, qty: Qty) -> Result<(), DecodeError> {
    let added = sum.checked_add(qty);
    *sum = added.ok_or_else(|| DecodeError::new(Fault::TooLarge("qty"), b"sum of executions"))?;
    Ok(())
}
