//! From what the machine says to accounts, to their records and their user events.

use std::collections::VecDeque;

use ::market::venue::{ExpireReason, Fill, VenueReport};
use ::market::{FinePrice, Instrument, Nanos, Position, Price, Qty, Side, Usd, VenueOrderId};
use serde::Serialize;
use serde_json::json;

use super::account::Account;
use super::faults::Hand;
use super::front::Front;
use super::record::{Amendment, OrderRecord, TradeRecord, money, side_text};
use super::{AccountEvent, Machine, Standing};

/// What a fill adds to an order event.
#[derive(Clone, Copy)]
struct Execution<'a> {
    fill: &'a Fill,
    realized: Usd,
}

/// `ORDER_TRADE_UPDATE`, the event that is sent most: its fields are those of the wire.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "names of the wire, where case tells fields apart")]
struct OrderEvent<'a> {
    e: &'static str,
    T: u64,
    E: u64,
    o: OrderBody<'a>,
}

#[derive(Serialize)]
#[expect(non_snake_case, reason = "names of the wire, where case tells fields apart")]
struct OrderBody<'a> {
    s: &'a str,
    c: &'a str,
    S: &'static str,
    o: &'static str,
    f: &'static str,
    q: String,
    p: String,
    ap: String,
    sp: &'static str,
    x: &'a str,
    X: &'static str,
    i: i64,
    l: String,
    z: String,
    L: String,
    n: String,
    N: &'a str,
    T: u64,
    t: i64,
    b: String,
    a: String,
    m: bool,
    R: bool,
    wt: &'static str,
    ot: &'static str,
    ps: &'static str,
    cp: bool,
    rp: String,
    pP: bool,
    si: u8,
    ss: u8,
    V: &'static str,
    pm: &'static str,
    gtd: u64,
    er: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    M: Option<String>,
}

/// A message as it is sent.
fn wire_text(message: &impl Serialize) -> String {
    match serde_json::to_string(message) {
        Ok(text) => text,
        Err(error) => unreachable!("fields with fixed names and plain values: {error}"),
    }
}

impl Account {
    /// The price at which closing would pay for the position's fees.
    pub(super) fn break_even(&self, instrument: &Instrument) -> FinePrice {
        let Standing { position, cost, .. } = self.standing;
        instrument.average_price(cost + self.open_fees, position)
    }
}

impl Front {
    /// Takes in reports of one step. Fills are announced in brief before anything else of the same
    /// account and instant, as the real venue does.
    pub(super) fn absorb(&mut self, events: &[AccountEvent]) {
        let mut announced = 0;
        for (index, event) in events.iter().enumerate() {
            if index >= announced {
                let same =
                    |other: &&AccountEvent| (other.account, other.at) == (event.account, event.at);
                let group = events[index..].iter().take_while(same);
                for event in group.clone() {
                    self.announce(event);
                }
                announced = index + group.count();
            }
            self.absorb_one(event);
        }
    }

    fn absorb_one(&mut self, event: &AccountEvent) {
        let (who, at) = (event.account, event.at);
        match &event.report {
            VenueReport::Ack { client_id, venue_id } => {
                if let Some(draft) = self.accounts[who].drafts.remove(client_id) {
                    let id = self.order_base + venue_id.0;
                    let record = OrderRecord { id, time: at, updated: at, ..draft };
                    self.accounts[who].insert(record);
                    self.order_event(who, id, at, "NEW", None, "0");
                }
            }
            VenueReport::Reject { reason, .. } => self.accounts[who].refusal = Some(*reason),
            VenueReport::Fill(fill) => self.absorb_fill(event, fill),
            VenueReport::Amended { client_id, price, qty } => {
                self.absorb_change(event, *client_id, *price, *qty);
            }
            VenueReport::Canceled { client_id, .. } => {
                if let Some(order) = self.live(who, *client_id, at) {
                    order.status = "CANCELED";
                    let id = order.id;
                    self.order_event(who, id, at, "CANCELED", None, "0");
                    self.accounts[who].closed(id);
                }
            }
            VenueReport::Expired { client_id, reason, .. } => {
                if let Some(order) = self.live(who, *client_id, at) {
                    let stp = *reason == ExpireReason::SelfTrade;
                    order.status = if stp { "EXPIRED_IN_MATCH" } else { "EXPIRED" };
                    let why = match (reason, order.kind) {
                        (ExpireReason::SelfTrade, _) => "1",
                        (ExpireReason::Unfilled, "MARKET") => "9",
                        (ExpireReason::Unfilled, _) => "2",
                        (ExpireReason::ReduceOnly, _) => "4",
                        (ExpireReason::Venue, _) => "7",
                    };
                    let id = order.id;
                    self.order_event(who, id, at, "EXPIRED", None, why);
                    self.accounts[who].closed(id);
                }
            }
            VenueReport::Funding { amount } => {
                self.accounts[who].note_income("FUNDING_FEE", *amount, at, None);
                self.cash_event(event, "FUNDING_FEE", *amount);
            }
            VenueReport::Transfer { amount } => {
                self.accounts[who].note_income("TRANSFER", *amount, at, None);
                let why = if *amount < Usd::ZERO { "WITHDRAW" } else { "DEPOSIT" };
                self.cash_event(event, why, *amount);
            }
            VenueReport::DeadManArmed { until } => {
                self.accounts[who].dead_man = Some(*until).filter(|until| *until < Nanos::MAX);
            }
            VenueReport::InDoubt { .. }
            | VenueReport::Order { .. }
            | VenueReport::Account(_)
            | VenueReport::QueryFailed
            | VenueReport::DeadManFailed
            | VenueReport::StreamUp
            | VenueReport::StreamDown
            | VenueReport::Resync
            | VenueReport::Obstacle { .. }
            | VenueReport::Forced { .. } => {}
        }
        self.accounts[who].standing = event.after;
    }

    fn absorb_change(
        &mut self,
        event: &AccountEvent,
        client: ::market::ClientOrderId,
        price: Price,
        qty: Qty,
    ) {
        let (who, at) = (event.account, event.at);
        let Some(order) = self.live(who, client, at) else {
            return;
        };
        let change = Amendment {
            at,
            price: (order.price, price),
            qty: (order.qty, qty),
            modify_id: order.modify_id,
        };
        order.note_amendment(change);
        order.moves += 1;
        (order.price, order.qty) = (price, qty);
        let id = order.id;
        self.accounts[who].unsaved.amended(id, change);
        self.order_event(who, id, at, "AMENDMENT", None, "0");
    }

    fn live(
        &mut self,
        who: usize,
        client: ::market::ClientOrderId,
        at: Nanos,
    ) -> Option<&mut OrderRecord> {
        let account = &mut self.accounts[who];
        let id = *account.by_client.get(&client)?;
        let order = account.order_mut(id)?;
        order.updated = at;
        Some(order)
    }

    fn absorb_fill(&mut self, event: &AccountEvent, fill: &Fill) {
        let (who, at) = (event.account, event.at);
        let id = self.order_base + fill.venue_id.0;
        if !self.accounts[who].orders.contains_key(&id) {
            self.adopt(who, id, fill, at);
        }
        let instrument = &self.config.instrument;
        let account = &mut self.accounts[who];
        if let Some(order) = account.order_mut(id) {
            order.filled = fill.cumulative;
            order.quote += instrument.notional(fill.price, fill.qty);
            order.updated = at;
            order.status = if order.left().is_zero() { "FILLED" } else { "PARTIALLY_FILLED" };
        }
        let realized = event.after.realized - account.standing.realized;
        let trade = TradeRecord {
            id: self.trade_base + fill.trade_id.0,
            order: id,
            side: fill.side,
            price: fill.price,
            qty: fill.qty,
            maker: fill.maker,
            fee: fill.fee,
            realized,
            at,
        };
        account.note_trade(trade);
        account.note_income("COMMISSION", -fill.fee, at, Some(trade.id));
        account.note_income("REALIZED_PNL", realized, at, Some(trade.id));
        let (before, after) = (account.standing.position, event.after.position);
        let flipped = before.side() != after.side();
        account.open_fees = if flipped { Usd::ZERO } else { account.open_fees };
        if !after.is_zero() {
            account.open_fees += fill.fee;
        }
        account.standing = event.after;
        account.updated = at;
        self.account_event(event, "ORDER", Usd::ZERO, true);
        self.order_event(who, id, at, "TRADE", Some(Execution { fill, realized }), "0");
        self.accounts[who].closed(id);
    }

    /// An order that somebody else placed for the account: the venue, or a person.
    fn adopt(&mut self, who: usize, id: i64, fill: &Fill, at: Nanos) {
        let hand = self.accounts[who].hands.pop_front().unwrap_or(Hand::Liquidation);
        let number = at.as_millis() * 1_000 + id.unsigned_abs() % 1_000;
        let text = format!("{}{number}", hand.prefix());
        self.accounts[who].insert(OrderRecord {
            id,
            client: None,
            text,
            side: fill.side,
            kind: "LIMIT",
            tif: "IOC",
            price: fill.price,
            qty: fill.qty,
            filled: Qty::ZERO,
            quote: Usd::ZERO,
            status: "NEW",
            reduce_only: false,
            stp: "NONE",
            price_match: "NONE",
            good_till: 0,
            time: at,
            updated: at,
            modify_id: None,
            moves: 0,
            amendments: VecDeque::new(),
        });
        self.order_event(who, id, at, "NEW", None, "0");
    }

    /// `TRADE_LITE`.
    fn announce(&mut self, event: &AccountEvent) {
        let VenueReport::Fill(fill) = &event.report else {
            return;
        };
        if !self.hears(event.account) {
            return;
        }
        let (instrument, account) = (&self.config.instrument, &self.accounts[event.account]);
        let id = self.order_base + fill.venue_id.0;
        let known = account.orders.get(&id);
        let draft = || fill.client_id.and_then(|client| account.drafts.get(&client));
        let Some(order) = known.or_else(draft) else {
            return;
        };
        let millis = event.at.as_millis();
        let message = json!({
            "e": "TRADE_LITE", "E": millis, "T": millis, "s": instrument.symbol(),
            "q": instrument.qty_text(order.qty), "p": order.price_text(instrument),
            "m": fill.maker, "c": order.text, "S": side_text(fill.side),
            "L": instrument.price_text(fill.price), "l": instrument.qty_text(fill.qty),
            "t": self.trade_base + fill.trade_id.0, "i": id,
        });
        self.push_user(event.account, "TRADE_LITE", message.to_string());
    }

    fn order_event(
        &mut self,
        who: usize,
        id: i64,
        at: Nanos,
        what: &str,
        execution: Option<Execution>,
        reason: &str,
    ) {
        if !self.hears(who) {
            return;
        }
        let (instrument, account) = (&self.config.instrument, &self.accounts[who]);
        let Some(order) = account.orders.get(&id) else {
            return;
        };
        let mut open = [Usd::ZERO; 2];
        for order in account.open_orders() {
            open[order.side.index()] += instrument.notional(order.price, order.left());
        }
        let nothing = || "0".to_owned();
        let fill = execution.map(|execution| execution.fill);
        let millis = at.as_millis();
        let modify_id = order.modify_id.filter(|_| what == "AMENDMENT");
        let body = OrderBody {
            s: instrument.symbol(),
            c: &order.text,
            S: side_text(order.side),
            o: order.kind,
            f: order.tif,
            q: instrument.qty_text(order.qty),
            p: order.price_text(instrument),
            ap: if order.filled.is_zero() { nothing() } else { order.average_text(instrument) },
            sp: "0",
            x: what,
            X: order.status,
            i: order.id,
            l: fill.map_or_else(nothing, |fill| instrument.qty_text(fill.qty)),
            z: instrument.qty_text(order.filled),
            L: fill.map_or_else(nothing, |fill| instrument.price_text(fill.price)),
            n: fill.map_or_else(nothing, |fill| fill.fee.to_string()),
            N: &instrument.rules().quote,
            T: millis,
            t: fill.map_or(0, |fill| self.trade_base + fill.trade_id.0),
            b: open[Side::Buy.index()].to_string(),
            a: open[Side::Sell.index()].to_string(),
            m: fill.is_some_and(|fill| fill.maker),
            R: order.reduce_only,
            wt: "CONTRACT_PRICE",
            ot: order.kind,
            ps: "BOTH",
            cp: false,
            rp: execution.map_or_else(nothing, |execution| execution.realized.to_string()),
            pP: false,
            si: 0,
            ss: 0,
            V: order.stp,
            pm: order.price_match,
            gtd: order.good_till,
            er: reason,
            M: modify_id.map(|id| id.to_string()),
        };
        let event = OrderEvent { e: "ORDER_TRADE_UPDATE", T: millis, E: millis, o: body };
        let text = wire_text(&event);
        if fill.is_some() {
            self.user_events.tell(who, &text);
        }
        self.push_user(who, "ORDER_TRADE_UPDATE", text);
    }

    /// Cash that moved without a trade.
    fn cash_event(&mut self, event: &AccountEvent, why: &'static str, amount: Usd) {
        self.accounts[event.account].standing = event.after;
        self.account_event(event, why, amount, false);
    }

    pub(super) fn account_event(
        &mut self,
        event: &AccountEvent,
        why: &str,
        change: Usd,
        holding: bool,
    ) {
        if !self.hears(event.account) {
            return;
        }
        let (instrument, account) = (&self.config.instrument, &self.accounts[event.account]);
        let Standing { position, entry, cost, wallet, realized } = event.after;
        let rules = instrument.rules();
        let wallet = money(wallet);
        let unrealized = match self.market.mark {
            Some((update, _)) if !position.is_zero() => {
                instrument.value_at(update.mark, position) - cost
            }
            _ => Usd::ZERO,
        };
        let amount = |position: Position| {
            let decimals = rules.step.decimals();
            instrument.position_decimal(position).padded(decimals).to_string()
        };
        let positions = if holding {
            json!([{
                "s": rules.symbol, "pa": amount(position), "ep": entry.to_string(),
                "cr": realized.to_string(), "up": money(unrealized),
                "mt": if account.isolated { "isolated" } else { "cross" }, "iw": "0",
                "ps": "BOTH", "ma": rules.quote,
                "bep": account.break_even(instrument).to_string(),
            }])
        } else {
            json!([])
        };
        let millis = event.at.as_millis();
        let mut body = json!({
            "B": [{"a": rules.quote, "wb": wallet, "cw": wallet, "bc": change.to_string()}],
            "P": positions, "m": why,
        });
        if why == "FUNDING_FEE" {
            body["S"] = rules.symbol.as_str().into();
        }
        let message = json!({"e": "ACCOUNT_UPDATE", "T": millis, "E": millis, "a": body});
        self.push_user(event.account, "ACCOUNT_UPDATE", message.to_string());
    }

    /// The listen key of an account ends now; its sockets stay open and fall silent.
    pub(super) fn expire_listen_key(&mut self, who: usize, now: Nanos) {
        if let Some((key, _)) = self.accounts[who].listen_key.take() {
            let message = json!({"e": "listenKeyExpired", "E": now.as_millis(), "listenKey": key});
            self.push_user(who, "listenKeyExpired", message.to_string());
        }
    }

    /// Cancels orders whose good-till date has come.
    pub(super) fn expire_good_till(&mut self, machine: &mut dyn Machine, who: usize, now: Nanos) {
        let due: Vec<_> = self.accounts[who]
            .open_orders()
            .filter(|order| order.good_till > 0 && order.good_till <= now.as_millis())
            .filter_map(|order| order.client)
            .collect();
        for client_id in due {
            let instrument = self.config.instrument.id;
            let command = ::market::venue::VenueCommand::Cancel { instrument, client_id };
            // It may have traded a moment ago; then there is nothing to cancel.
            let _ = self.execute(machine, now, who, &command);
        }
    }

    /// Wire number of an order of the machine.
    pub fn wire_order_id(&self, id: VenueOrderId) -> i64 {
        self.order_base + id.0
    }
}
