//! From what the engine tells to rows. The same for a session that runs and for one read back from its
//! journal, so that both give the same rows and each counts once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::{Note, Output, RecordedOutput};
use market::venue::{Amend, Fill, NewOrder, OrderKind, Outcome, VenueCommand};
use market::{ClientOrderId, Instrument, InstrumentId, Nanos, Position, Usd};

use super::order::{Order, Place, outcome_name, snake};
use super::record::{DeskRecord, PnlRecord, Record};
use super::rows::{Row, Table, Value};
use super::session::{Cause, Comparison};

/// Orders that have ended are remembered for late fills, this many.
const ENDED_MAX: usize = 4_096;
/// Makes rows of one session's records.
pub(super) struct Translator {
    /// The session's name in the store.
    session: String,
    account: String,
    instruments: Vec<Instrument>,
    orders: BTreeMap<ClientOrderId, Order>,
    ended: VecDeque<ClientOrderId>,
    /// Instruments that were compared with the venue in this session.
    compared: BTreeSet<InstrumentId>,
    rows: Vec<Row>,
}

/// One step of an order's history.
#[derive(Default)]
struct Step {
    event: &'static str,
    order: Option<ClientOrderId>,
    side: Value2,
    price: Value2,
    qty: Value2,
    trade: Value2,
    detail: Value2,
}

/// A cell that is empty unless filled.
type Value2 = Option<Value>;

impl Translator {
    pub(super) fn new(session: &str, account: &str, instruments: Vec<Instrument>) -> Self {
        Self {
            session: session.to_owned(),
            account: account.to_owned(),
            instruments,
            orders: BTreeMap::new(),
            ended: VecDeque::new(),
            compared: BTreeSet::new(),
            rows: Vec::new(),
        }
    }

    /// Takes a record in.
    pub(super) fn take(&mut self, record: Record) {
        match record {
            Record::Output { at, turn, item, output } => {
                self.output(Place { at, turn, item }, output);
            }
            Record::Transfer { at, turn, item, amount } => {
                let instrument = InstrumentId(0);
                self.cash(Place { at, turn, item }, instrument, "transfer", amount, "books");
            }
            Record::Pnl(record) => self.pnl(&record),
        }
    }

    /// The rows so far.
    pub(super) fn rows(&mut self) -> impl Iterator<Item = Row> {
        self.rows.drain(..)
    }

    fn output(&mut self, place: Place, output: RecordedOutput) {
        match output {
            Output::Venue(command) => self.command(place, &command),
            Output::Alert(alert) => {
                let mut cells = self.begin(place);
                cells.extend([
                    Value::from(snake(&alert.level)),
                    Value::from(snake(&alert.kind)),
                    Value::from(alert.message),
                ]);
                self.rows.push(Row::new(Table::Alerts, cells));
            }
            Output::Note(note) => self.note(place, note),
        }
    }

    fn command(&mut self, place: Place, command: &VenueCommand) {
        let instrument = command.instrument();
        let step = |event, client_id| Step { event, order: client_id, ..Step::default() };
        match command {
            VenueCommand::Place(order) => self.placed(place, order),
            VenueCommand::Amend(amend) => self.amended(place, amend),
            VenueCommand::Cancel { client_id, .. } => {
                self.step(place, instrument, step("cancel", Some(*client_id)));
                self.change(place, *client_id, |order| order.state = "pending_cancel");
            }
            VenueCommand::CancelAll { .. } => {
                self.step(place, instrument, step("cancel_all", None));
            }
            VenueCommand::QueryOrder { client_id, .. } => {
                self.step(place, instrument, step("query", Some(*client_id)));
            }
            VenueCommand::ArmDeadMan { .. } | VenueCommand::QueryAccount { .. } => {}
        }
    }

    fn placed(&mut self, place: Place, new: &NewOrder) {
        let Some(instrument) = self.instrument(new.instrument) else { return };
        let (price, detail) = match new.kind {
            OrderKind::Limit { price, tif } => (Some(price), snake(&tif)),
            OrderKind::Market => (None, String::from("market")),
        };
        let step = Step {
            event: "place",
            order: Some(new.client_id),
            side: Some(Value::from(new.side.to_string())),
            price: price.map(|price| instrument.price_decimal(price).into()),
            qty: Some(instrument.qty_decimal(new.qty).into()),
            trade: None,
            detail: Some(Value::from(detail)),
        };
        self.step(place, new.instrument, step);
        let order = Order {
            order: *new,
            price,
            qty: new.qty,
            before: None,
            filled: market::Qty::ZERO,
            state: "pending_new",
            outcome: None,
            reason: None,
            amends: 0,
            ack_latency: None,
            placed: place.at,
            acked: None,
            ended: None,
        };
        self.orders.insert(new.client_id, order);
        self.change(place, new.client_id, |_| {});
    }

    fn amended(&mut self, place: Place, amend: &Amend) {
        let Some(instrument) = self.instrument(amend.instrument) else { return };
        let step = Step {
            event: "amend",
            order: Some(amend.client_id),
            side: Some(Value::from(amend.side.to_string())),
            price: Some(instrument.price_decimal(amend.price).into()),
            qty: Some(instrument.qty_decimal(amend.qty).into()),
            ..Step::default()
        };
        self.step(place, amend.instrument, step);
        self.change(place, amend.client_id, |order| {
            order.before = Some((order.price, order.qty));
            (order.price, order.qty) = (Some(amend.price), amend.qty);
            order.amends += 1;
            order.state = "pending_amend";
        });
    }

    fn note(&mut self, place: Place, note: Note) {
        let plain = |event, client_id| Step { event, order: Some(client_id), ..Step::default() };
        match note {
            Note::Acked { instrument, client_id, latency } => {
                self.step(place, instrument, plain("ack", client_id));
                let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
                self.change(place, client_id, |order| {
                    order.ack_latency = Some(nanos);
                    order.acked = Some(place.at);
                    if order.state == "pending_new" {
                        order.state = "live";
                    }
                });
            }
            Note::Rejected { instrument, client_id, request, reason } => {
                let reason = format!("{}: {}", snake(&request), snake(&reason));
                let detail = Some(Value::from(reason.as_str()));
                self.step(place, instrument, Step { detail, ..plain("reject", client_id) });
                self.change(place, client_id, |order| order.rejected(request, reason));
            }
            Note::Filled { instrument, fill, position, edge } => {
                self.filled(place, instrument, &fill, Some((position, edge)));
            }
            Note::Ended { instrument, client_id, outcome } => {
                self.ended(place, instrument, client_id, outcome);
            }
            Note::InDoubt { instrument, client_id } => {
                self.step(place, instrument, plain("in_doubt", client_id));
                self.change(place, client_id, |order| order.state = "in_doubt");
            }
            Note::Funding { instrument, amount } => {
                self.cash(place, instrument, "funding", amount, "venue");
            }
            Note::Refused { .. }
            | Note::Anomaly { .. }
            | Note::Mode { .. }
            | Note::Breaker { .. }
            | Note::RiskLevel { .. }
            | Note::DayClosed { .. }
            | Note::Configured => self.risk(place, &note),
            Note::Compared { instrument, orders, position_off, wallet_off } => {
                self.compared(place, instrument, orders, position_off, wallet_off);
            }
            Note::Sent { .. } | Note::Quoted { .. } => {}
        }
    }

    fn ended(
        &mut self,
        place: Place,
        instrument: InstrumentId,
        client_id: ClientOrderId,
        outcome: Outcome,
    ) {
        let name = outcome_name(outcome);
        let step = Step {
            event: "end",
            order: Some(client_id),
            detail: Some(Value::from(name)),
            ..Step::default()
        };
        self.step(place, instrument, step);
        if !self.orders.contains_key(&client_id) {
            return self.news(place, client_id, Value::Null, Some(name));
        }
        self.change(place, client_id, |order| {
            order.state = "done";
            order.outcome = Some(name);
            order.ended = Some(place.at);
        });
        self.ended.push_back(client_id);
        if self.ended.len() > ENDED_MAX
            && let Some(oldest) = self.ended.pop_front()
        {
            self.orders.remove(&oldest);
        }
    }

    /// An execution. What it did to the position is not known when the venue told of it afterwards.
    fn filled(
        &mut self,
        place: Place,
        id: InstrumentId,
        fill: &Fill,
        effect: Option<(Position, Usd)>,
    ) {
        let Some(instrument) = self.instrument(id) else { return };
        let cumulative = Value::from(instrument.qty_decimal(fill.cumulative));
        let step = Step {
            event: "fill",
            order: fill.client_id,
            side: Some(Value::from(fill.side.to_string())),
            price: Some(instrument.price_decimal(fill.price).into()),
            qty: Some(instrument.qty_decimal(fill.qty).into()),
            trade: Some(Value::Int(fill.trade_id.0)),
            detail: None,
        };
        let row = fill_row(&self.session, &self.account, instrument, place.at, fill, effect);
        self.rows.push(row);
        self.step(place, id, step);
        let Some(client_id) = fill.client_id else { return };
        if self.orders.contains_key(&client_id) {
            self.change(place, client_id, |order| order.filled = order.filled.max(fill.cumulative));
        } else {
            self.news(place, client_id, cumulative, None);
        }
    }

    fn cash(
        &mut self,
        place: Place,
        instrument: InstrumentId,
        kind: &str,
        amount: Usd,
        source: &str,
    ) {
        let mut cells = self.begin(place);
        cells.extend([
            Value::from(self.account.as_str()),
            self.symbol(instrument),
            Value::from(kind),
            Value::from(amount),
            Value::from(source),
        ]);
        self.rows.push(Row::new(Table::CashFlows, cells));
    }

    fn risk(&mut self, place: Place, note: &Note) {
        let text = |text: &str| Value::from(text);
        let none = || Value::Null;
        let (instrument, event, was, becomes, reason, amount) = match note {
            Note::Refused { instrument, refusal } => {
                (Some(*instrument), "refused", none(), none(), text(refusal.name()), none())
            }
            Note::Anomaly { instrument } => {
                (Some(*instrument), "anomaly", none(), none(), none(), none())
            }
            Note::Mode { instrument, from, to, because } => {
                let why = because.map(|because| because.name()).into();
                (Some(*instrument), "mode", text(from.name()), text(to.name()), why, none())
            }
            Note::Breaker { from, to } => {
                (None, "breaker", text(from.name()), text(to.name()), none(), none())
            }
            Note::RiskLevel { from, to } => {
                (None, "risk_level", text(from.name()), text(to.name()), none(), none())
            }
            Note::DayClosed { day_pnl } => {
                (None, "day_closed", none(), none(), none(), Value::from(*day_pnl))
            }
            Note::Configured => (None, "configured", none(), none(), none(), none()),
            Note::Sent { .. }
            | Note::Acked { .. }
            | Note::Rejected { .. }
            | Note::Filled { .. }
            | Note::Ended { .. }
            | Note::InDoubt { .. }
            | Note::Funding { .. }
            | Note::Compared { .. }
            | Note::Quoted { .. } => return,
        };
        let mut cells = self.begin(place);
        let instrument = instrument.map_or(Value::Null, |id| self.symbol(id));
        cells.extend([instrument, Value::from(event), was, becomes, reason, amount]);
        self.rows.push(Row::new(Table::RiskEvents, cells));
    }

    /// The first comparison of a session, and each that finds a difference.
    fn compared(
        &mut self,
        place: Place,
        id: InstrumentId,
        orders: u32,
        position_off: Position,
        wallet_off: Usd,
    ) {
        let Some(instrument) = self.instrument(id) else { return };
        let agrees = orders == 0 && position_off == Position::ZERO && wallet_off.is_zero();
        let off = Comparison {
            agrees: Some(agrees),
            orders_off: Some(u64::from(orders)),
            position_off: Some(instrument.position_decimal(position_off)),
            wallet_off: Some(wallet_off),
            ..Comparison::default()
        };
        let is_first = !self.compared.contains(&id);
        let cause = if is_first { Cause::Start } else { Cause::Running };
        let row = off.row(&self.session, place.at, instrument.symbol(), cause);
        if is_first || !agrees {
            self.compared.insert(id);
            self.rows.push(row);
        }
    }

    fn pnl(&mut self, record: &PnlRecord) {
        for desk in &record.desks {
            let Some(instrument) = self.instrument(desk.instrument) else { continue };
            let values = pnl_values(&self.session, instrument, record, desk);
            let row = Row::new(Table::PnlSnapshots, values);
            self.rows.push(Row { spare: !record.last, ..row });
        }
    }

    fn step(&mut self, place: Place, instrument: InstrumentId, step: Step) {
        let Step { event, order, side, price, qty, trade, detail } = step;
        let mut cells = self.begin(place);
        cells.extend([
            self.symbol(instrument),
            order.map(|id| id.to_string()).into(),
            Value::from(event),
            side.into(),
            price.into(),
            qty.into(),
            trade.into(),
            detail.into(),
        ]);
        self.rows.push(Row::new(Table::OrderEvents, cells));
    }

    /// Changes what we know of an order of this session, and writes its new state.
    fn change(&mut self, place: Place, id: ClientOrderId, change: impl FnOnce(&mut Order)) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        let ended = order.ended.is_some();
        let state = order.state;
        change(order);
        if ended {
            // Late news do not bring it back to life.
            order.state = state;
        }
        let order = order.clone();
        let Some(instrument) = self.instrument(order.order.instrument) else { return };
        let values = order.values(&self.session, &self.account, instrument, place);
        self.rows.push(Row::new(Table::Orders, values));
    }

    /// News of an order of an earlier session.
    fn news(&mut self, place: Place, id: ClientOrderId, filled: Value, outcome: Option<&str>) {
        let values = vec![
            filled,
            outcome.map(|_| "done").into(),
            outcome.into(),
            outcome.map(|_| place.at).into(),
            Value::from(place.at),
            Value::from(self.account.as_str()),
            Value::from(id.to_string()),
            Value::from(place.at),
        ];
        self.rows.push(Row::new(Table::OrderNews, values));
    }

    fn begin(&self, place: Place) -> Vec<Value> {
        vec![
            Value::from(self.session.as_str()),
            Value::from(place.turn),
            Value::from(place.item),
            Value::from(place.at),
        ]
    }

    fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(usize::from(id.0))
    }

    fn symbol(&self, id: InstrumentId) -> Value {
        Value::from(self.instrument(id).map_or("?", Instrument::symbol))
    }
}

/// An execution as a row.
pub(super) fn fill_row(
    session: &str,
    account: &str,
    instrument: &Instrument,
    at: Nanos,
    fill: &Fill,
    effect: Option<(Position, Usd)>,
) -> Row {
    let values = vec![
        Value::from(account),
        Value::from(instrument.symbol()),
        Value::Int(fill.trade_id.0),
        Value::from(session),
        Value::from(at),
        Value::from(fill.ts_event),
        fill.client_id.map(|id| id.to_string()).into(),
        Value::Int(fill.venue_id.0),
        Value::from(fill.side.to_string()),
        Value::from(instrument.price_decimal(fill.price)),
        Value::from(instrument.qty_decimal(fill.qty)),
        Value::from(instrument.qty_decimal(fill.cumulative)),
        Value::from(instrument.notional(fill.price, fill.qty)),
        Value::from(fill.maker),
        Value::from(fill.fee),
        effect.map(|(position, _)| instrument.position_decimal(position)).into(),
        effect.map(|(_, edge)| edge).into(),
    ];
    Row::new(Table::Fills, values)
}

fn pnl_values(
    session: &str,
    instrument: &Instrument,
    record: &PnlRecord,
    desk: &DeskRecord,
) -> Vec<Value> {
    let (pnl, account) = (&desk.pnl, &record.account);
    vec![
        Value::from(session),
        Value::from(record.at),
        Value::from(instrument.symbol()),
        Value::from(record.last),
        Value::from(record.mode),
        Value::from(instrument.position_decimal(desk.position)),
        Value::from(desk.entry.decimal()),
        desk.mark.map(market::FinePrice::decimal).into(),
        Value::from(pnl.realized),
        Value::from(pnl.unrealized),
        Value::from(pnl.fees),
        Value::from(pnl.funding),
        Value::from(pnl.transfers),
        Value::from(pnl.total),
        Value::from(pnl.spread_capture),
        Value::from(pnl.inventory),
        Value::from(pnl.basis),
        Value::from(pnl.carried),
        Value::from(account.equity),
        Value::from(account.peak),
        Value::from(account.day),
        Value::from(account.drawdown),
        Value::from(desk.fills),
        Value::from(desk.turnover),
    ]
}
