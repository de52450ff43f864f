//! The venue's account beside ours: carries out what the tables in [`crate::orders::reconcile`] say.

use market::venue::{AccountState, ForcedClose, OpenOrder};
use market::{ClientOrderId, Nanos, Position, Usd};

use super::{Context, Desk, STALE_RETRY};
use crate::orders::reconcile::{AccountRow, OrderRow, Ours, Seen, Theirs, account_row, order_row};
use crate::orders::{Event, Order, State};
use crate::output::{AlertKind, AlertLevel, Note};

/// Differences of the wallet that are the venue's rounding of single fills.
const WALLET_NOISE: Usd = Usd::new(100_000_000_000_000);

impl Desk {
    /// Compares the venue's account with ours. The first report of a session is taken over. Answers
    /// to earlier questions are old news: they may be from before an outage.
    pub(super) fn account_report(&mut self, ctx: &mut Context<'_>, state: &AccountState) {
        let Some(asked) = self.account.asked.filter(|_| state.query == self.account.query) else {
            return;
        };
        self.account.asked = None;
        if state.entry.raw() < 0 {
            return self.anomaly(ctx, "the account has a negative entry price");
        }
        if self.opened {
            state.fills.iter().for_each(|fill| self.filled(ctx, fill));
        } else if state.last_trade >= self.ledger.last_trade() {
            let spec = &self.config.instrument;
            self.ledger.open(spec, state.position, state.entry, state.last_trade);
            self.wallet = Some(state.wallet - self.ledger.cash());
            self.opened = true;
        }
        let outdated = state.last_trade < self.ledger.last_trade();
        let orders = if outdated { 0 } else { self.compare_orders(ctx, asked, state) };
        self.compare_account(ctx, state, outdated, orders);
    }

    /// Position and wallet. What an outdated answer says of them is not even noted.
    fn compare_account(
        &mut self,
        ctx: &mut Context<'_>,
        state: &AccountState,
        outdated: bool,
        orders: u32,
    ) {
        let (ours, wallet_off) = (self.ledger.position(), self.off(state));
        let (mut position, mut wallet) = (Seen::Equal, Seen::Equal);
        if !outdated {
            let off = (ours != state.position).then_some((ours, state.position));
            position = seen(&mut self.account.position_off, off);
            if position == Seen::Equal {
                let off = (!wallet_off.is_zero()).then_some(wallet_off);
                wallet = seen(&mut self.account.wallet_off, off);
            }
        }
        let row = account_row(outdated, position, wallet);
        self.account.known = match row {
            AccountRow::Retry => self.account.known,
            AccountRow::AskAgain => false,
            AccountRow::Agree | AccountRow::Watch | AccountRow::BookCash | AccountRow::Drift => {
                true
            }
        };
        self.account.due = match row {
            // Not in a storm.
            AccountRow::Retry | AccountRow::AskAgain => ctx.now + STALE_RETRY,
            AccountRow::Agree | AccountRow::Watch | AccountRow::BookCash | AccountRow::Drift => {
                ctx.now + self.config.reconcile_interval
            }
        };
        match row {
            AccountRow::Retry | AccountRow::AskAgain => {}
            AccountRow::Agree | AccountRow::Watch => self.agree(state),
            AccountRow::BookCash => {
                self.agree(state);
                self.book_cash(ctx, wallet_off);
            }
            AccountRow::Drift => self.drifted(ctx, state.position),
        }
        if !outdated {
            let (instrument, position_off) = (self.config.instrument.id, state.position - ours);
            ctx.note(Note::Compared { instrument, orders, position_off, wallet_off });
        }
    }

    fn agree(&mut self, state: &AccountState) {
        self.account.agreed = state.last_trade;
        self.ledger.settle(&self.config.instrument, state.last_trade);
    }

    /// What the venue's wallet has more than ours; zero where it is not ours alone to check, or where
    /// the difference is rounding.
    fn off(&self, state: &AccountState) -> Usd {
        let opening = self.wallet.filter(|_| self.sole);
        let off = opening.map_or(Usd::ZERO, |opening| state.wallet - opening - self.ledger.cash());
        if off.abs() <= WALLET_NOISE { Usd::ZERO } else { off }
    }

    fn drifted(&mut self, ctx: &mut Context<'_>, venue: Position) {
        if std::mem::replace(&mut self.drift, true) {
            return;
        }
        let spec = &self.config.instrument;
        let message = format!(
            "{}: position is {} by our fills but {} at the venue; trading is halted. Find the \
             cause, then `trader resume --clear-halt` takes over the venue's position",
            spec.symbol(),
            spec.position_decimal(self.ledger.position()),
            spec.position_decimal(venue),
        );
        ctx.alert(AlertLevel::Critical, AlertKind::Drift, message);
    }

    /// A cash flow that no report told us of is booked so that no limit is fooled: a loss as funding,
    /// a gain as a deposit.
    fn book_cash(&mut self, ctx: &mut Context<'_>, off: Usd) {
        self.account.wallet_off = None;
        if off < Usd::ZERO {
            self.ledger.funding(off);
        } else {
            self.transfer(off);
        }
        let symbol = self.config.instrument.symbol();
        let message = format!(
            "{symbol}: the venue's wallet differs by {off:.8} from our books; booked as {}",
            if off < Usd::ZERO { "funding paid" } else { "a deposit" },
        );
        ctx.alert(AlertLevel::Error, AlertKind::Drift, message);
    }

    /// Every order that either side has; returns how many differ.
    fn compare_orders(&mut self, ctx: &mut Context<'_>, asked: Nanos, state: &AccountState) -> u32 {
        let listed = |id: ClientOrderId| state.open_orders.iter().any(|o| o.client_id == Some(id));
        let absent: Vec<_> = self
            .orders
            .live()
            .iter()
            .filter(|order| !listed(order.client_id))
            .map(|order| (order.client_id, order_row(Ours::known(order, asked), Theirs::Absent)))
            .collect();
        let mut differing = 0;
        for (client_id, row) in absent {
            differing += u32::from(row.differs());
            if row == OrderRow::Ask {
                self.event(ctx, client_id, Event::NotFound);
            }
        }
        self.foreign.clear();
        for open in &state.open_orders {
            let record = open.client_id.and_then(|client_id| self.orders.get_mut(client_id));
            let row = match record {
                Some(order) => order_row(Ours::known(order, asked), Theirs::listed(order, open)),
                None => order_row(self.unknown(open.client_id, ctx.session), Theirs::Same),
            };
            differing += u32::from(row.differs());
            self.apply(ctx, row, open);
        }
        differing
    }

    fn unknown(&self, name: Option<ClientOrderId>, session: u32) -> Ours {
        let ours = Ours::unknown(name, session);
        if ours == Ours::Later && self.takes_later { Ours::Earlier } else { ours }
    }

    fn apply(&mut self, ctx: &mut Context<'_>, row: OrderRow, open: &OpenOrder) {
        match (row, open.client_id) {
            (OrderRow::Agree | OrderRow::Wait, _) => {}
            (OrderRow::Found, Some(client_id)) => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.filled = order.filled.max(open.filled);
                }
                self.lives(ctx, client_id);
                self.event(ctx, client_id, Event::FoundOpen);
            }
            (OrderRow::Ask, Some(client_id)) => {
                let (now, mut over) = (ctx.now, false);
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.filled = order.filled.max(open.filled);
                    order.ask_at = Some(now);
                    over = !order.state.is_exposed();
                }
                if over {
                    // Over for us, open there: one of the two is late.
                    self.event(ctx, client_id, Event::EndedShort);
                }
            }
            (OrderRow::Adopt, Some(client_id)) => self.adopt(ctx, client_id, open),
            (OrderRow::Intruder, Some(client_id)) => self.intruder(ctx, client_id, "is open"),
            (
                OrderRow::Leave
                | OrderRow::Found
                | OrderRow::Ask
                | OrderRow::Adopt
                | OrderRow::Intruder,
                _,
            ) => self.leave(ctx, open),
        }
    }

    fn leave(&mut self, ctx: &mut Context<'_>, open: &OpenOrder) {
        self.foreign.push(*open);
        let spec = &self.config.instrument;
        let message = format!(
            "{}: foreign order {} ({} {} @ {}) is open; it is left alone",
            spec.symbol(),
            open.venue_id.0,
            open.side,
            spec.qty_text(open.qty),
            spec.price_text(open.price),
        );
        ctx.alert(AlertLevel::Warning, AlertKind::ForeignOrder, message);
    }

    /// Another trader uses our names: two of them on one account would fight over it.
    pub(super) fn intruder(&mut self, ctx: &mut Context<'_>, name: ClientOrderId, what: &str) {
        if std::mem::replace(&mut self.halts, true) {
            return;
        }
        let message = format!(
            "{}: order {name} of a later session {what}: another trader runs on this account, or the \
             clock was set back; trading is halted. Stop the other one, then \
             `trader resume --clear-halt`",
            self.config.instrument.symbol(),
        );
        ctx.alert(AlertLevel::Critical, AlertKind::ForeignOrder, message);
    }

    /// The venue has traded in our place. Its fill tells the new position; whether to go on is for a
    /// person to say, but for auto-deleveraging, which only makes the position smaller.
    pub(super) fn forced(&mut self, ctx: &mut Context<'_>, what: ForcedClose) {
        let symbol = self.config.instrument.symbol();
        let message = match what {
            ForcedClose::Liquidation => format!(
                "{symbol}: the venue liquidates our position; trading is halted. Add margin or lower \
                 the limits, then `trader resume --clear-halt`"
            ),
            ForcedClose::Settlement => format!(
                "{symbol}: the venue settles the contract and closes our position; trading is halted"
            ),
            ForcedClose::Deleverage => format!(
                "{symbol}: the venue reduces our position by auto-deleveraging; quoting goes on with \
                 what is left"
            ),
        };
        let gentle = what == ForcedClose::Deleverage;
        self.halts |= !gentle;
        self.distrust(ctx.now);
        let level = if gentle { AlertLevel::Error } else { AlertLevel::Critical };
        ctx.alert(level, AlertKind::ForcedClose, message);
    }

    /// Whether something since the last call forbids trading until an operator allows it again.
    pub(crate) fn take_halt(&mut self) -> bool {
        std::mem::take(&mut self.halts)
    }

    /// An order under one of our names that we do not know: ours to manage, and to cancel if it does
    /// not fit the target.
    fn adopt(&mut self, ctx: &mut Context<'_>, client_id: ClientOrderId, open: &OpenOrder) {
        if client_id.session == ctx.session {
            // Impossible, but a name that is taken is not given again.
            *ctx.sequence = (*ctx.sequence).max(client_id.sequence);
        }
        self.orders.insert(Order {
            client_id,
            venue_id: Some(open.venue_id),
            side: open.side,
            price: open.price,
            qty: open.qty,
            amending: None,
            filled: open.filled,
            booked: open.filled,
            reduce_only: open.reduce_only,
            state: State::Live,
            created: ctx.now,
            changed: ctx.now,
            heard: ctx.now,
            asked: Nanos::ZERO,
            fleeting: false,
            acked: true,
            fixed: false,
            ask_at: None,
        });
        let message = format!("{client_id} of an earlier session is open and taken over");
        ctx.alert(AlertLevel::Info, AlertKind::ForeignOrder, message);
    }

    /// An operator accepts what the venue says: its position, and that orders of sessions that seem to
    /// be later are ours.
    pub(crate) fn accept_drift(&mut self) {
        self.takes_later = true;
        if self.drift {
            self.drift = false;
            self.opened = false;
            self.wallet = None;
            (self.account.position_off, self.account.wallet_off) = (None, None);
            self.account.doubt();
        }
    }
}

/// Compares a difference with the one before, which it replaces.
fn seen<T: Copy + PartialEq>(before: &mut Option<T>, off: Option<T>) -> Seen {
    let last = std::mem::replace(before, off);
    if off.is_none() {
        Seen::Equal
    } else if last == off {
        Seen::Again
    } else {
        Seen::Once
    }
}
