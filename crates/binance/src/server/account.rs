//! One account of the exchange.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ::market::venue::RejectReason;
use ::market::{ClientOrderId, Nanos, Side, Usd};

use super::faults::Hand;
use super::limits::OrderCounts;
use super::record::{IncomeRecord, OrderRecord, TradeRecord};
use super::saved::Unsaved;
use super::verify::Secret;
use super::{ApiError, Standing};

/// Orders remembered; the oldest that have ended are forgotten beyond that.
const ORDERS_MAX: usize = 100_000;
/// Trades remembered.
const TRADES_MAX: usize = 100_000;
/// Income lines remembered: a trade makes two.
const INCOME_MAX: usize = 2 * TRADES_MAX;
/// Queries do not find orders that ended without a fill longer ago than this.
const FORGOTTEN_MS: u64 = 3 * 86_400_000;

/// An account and its key, as the exchange is told at birth.
#[derive(Clone, Debug)]
pub struct AccountConfig {
    /// The API key.
    pub api_key: String,
    /// How its requests are signed.
    pub secret: Secret,
    /// First wallet balance in the quote currency.
    pub balance: Usd,
    /// First leverage.
    pub leverage: u32,
    /// Whether the key may withdraw.
    pub can_withdraw: bool,
    /// Whether the account is in hedge mode; orders need one-way mode.
    pub hedge: bool,
    /// Whether its margin is isolated.
    pub isolated: bool,
    /// Whether it is in multi-assets mode.
    pub multi_assets: bool,
}

impl AccountConfig {
    /// An HMAC key with leverage 20, one-way mode, and no right to withdraw.
    pub fn new(api_key: &str, secret: &str, balance: Usd) -> Self {
        Self {
            api_key: api_key.to_owned(),
            secret: Secret::hmac(secret),
            balance,
            leverage: 20,
            can_withdraw: false,
            hedge: false,
            isolated: false,
            multi_assets: false,
        }
    }
}

/// What the exchange keeps of an account.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) config: AccountConfig,
    pub(super) standing: Standing,
    /// When the holding last changed.
    pub(super) updated: Nanos,
    /// Fees of the present holding, for its break-even price.
    pub(super) open_fees: Usd,
    pub(super) leverage: u32,
    pub(super) isolated: bool,
    pub(super) hedge: bool,
    pub(super) multi_assets: bool,
    pub(super) fee_burn: bool,
    pub(super) locked: bool,
    pub(super) counts: OrderCounts,
    pub(super) listen_key: Option<(String, Nanos)>,
    /// When the dead-man's switch goes off.
    pub(super) dead_man: Option<Nanos>,
    /// On their way into the machine.
    pub(super) drafts: BTreeMap<ClientOrderId, OrderRecord>,
    pub(super) orders: BTreeMap<i64, OrderRecord>,
    pub(super) open: BTreeSet<i64>,
    pub(super) by_text: BTreeMap<String, i64>,
    pub(super) by_client: BTreeMap<ClientOrderId, i64>,
    pub(super) trades: VecDeque<TradeRecord>,
    pub(super) income: VecDeque<IncomeRecord>,
    /// The machine's last refusal.
    pub(super) refusal: Option<RejectReason>,
    /// Who placed the orders that are not the account's own and on their way, oldest first;
    /// liquidation where nobody is named.
    pub(super) hands: VecDeque<Hand>,
    /// Orders given a name by us.
    pub(super) named: u32,
    pub(super) next_row: i64,
    /// What has changed since it was last written to disk.
    pub(super) unsaved: Unsaved,
}

impl Account {
    pub(super) fn new(config: AccountConfig) -> Self {
        Self {
            standing: Standing { wallet: config.balance, ..Standing::default() },
            updated: Nanos::ZERO,
            open_fees: Usd::ZERO,
            leverage: config.leverage,
            isolated: config.isolated,
            hedge: config.hedge,
            multi_assets: config.multi_assets,
            fee_burn: false,
            locked: false,
            counts: OrderCounts::default(),
            listen_key: None,
            dead_man: None,
            drafts: BTreeMap::new(),
            orders: BTreeMap::new(),
            open: BTreeSet::new(),
            by_text: BTreeMap::new(),
            by_client: BTreeMap::new(),
            trades: VecDeque::new(),
            income: VecDeque::new(),
            refusal: None,
            hands: VecDeque::new(),
            named: 0,
            next_row: 1,
            unsaved: Unsaved::default(),
            config,
        }
    }

    pub(super) fn open_orders(&self) -> impl DoubleEndedIterator<Item = &OrderRecord> {
        self.open.iter().filter_map(|id| self.orders.get(id))
    }

    /// Takes in an order that the machine accepted.
    pub(super) fn insert(&mut self, record: OrderRecord) {
        if self.orders.len() >= ORDERS_MAX {
            self.forget_oldest();
        }
        if record.is_open() {
            self.open.insert(record.id);
            if let Some(client) = record.client {
                self.by_client.insert(client, record.id);
            }
        }
        self.by_text.insert(record.text.clone(), record.id);
        self.unsaved.order(record.id);
        self.orders.insert(record.id, record);
    }

    /// An order that is about to change.
    pub(super) fn order_mut(&mut self, id: i64) -> Option<&mut OrderRecord> {
        let order = self.orders.get_mut(&id)?;
        self.unsaved.order(id);
        Some(order)
    }

    /// Forgets the oldest order that has ended.
    fn forget_oldest(&mut self) {
        let oldest = self.orders.keys().find(|id| !self.open.contains(id)).copied();
        let Some(old) = oldest.and_then(|id| self.orders.remove(&id)) else {
            return;
        };
        if self.by_text.get(&old.text) == Some(&old.id) {
            self.by_text.remove(&old.text);
        }
    }

    /// Notes that an order is no longer open, if so.
    pub(super) fn closed(&mut self, id: i64) {
        if let Some(record) = self.orders.get(&id).filter(|record| !record.is_open()) {
            self.open.remove(&id);
            if let Some(client) = record.client {
                self.by_client.remove(&client);
            }
        }
    }

    /// The order that `orderId` or `origClientOrderId` names; the number wins.
    pub(super) fn find(
        &self,
        now: Nanos,
        id: Option<i64>,
        text: Option<&str>,
    ) -> Option<&OrderRecord> {
        let id = match (id, text) {
            (Some(id), _) => id,
            (None, Some(text)) => *self.by_text.get(text)?,
            (None, None) => return None,
        };
        self.orders.get(&id).filter(|order| {
            let ended = now.as_millis().saturating_sub(order.updated.as_millis());
            order.is_open() || !order.filled.is_zero() || ended <= FORGOTTEN_MS
        })
    }

    /// Whether an open order carries this name.
    pub(super) fn uses_text(&self, text: &str) -> bool {
        self.by_text.get(text).is_some_and(|id| self.open.contains(id))
    }

    pub(super) fn note_trade(&mut self, trade: TradeRecord) {
        if self.trades.len() >= TRADES_MAX {
            self.trades.pop_front();
        }
        self.unsaved.trades += 1;
        self.trades.push_back(trade);
    }

    pub(super) fn note_income(
        &mut self,
        kind: &'static str,
        amount: Usd,
        at: Nanos,
        trade: Option<i64>,
    ) {
        if amount == Usd::ZERO {
            return;
        }
        let id = self.next_row;
        self.next_row += 1;
        self.push_income(IncomeRecord { kind, amount, at, id, trade });
    }

    pub(super) fn push_income(&mut self, line: IncomeRecord) {
        if self.income.len() >= INCOME_MAX {
            self.income.pop_front();
        }
        self.unsaved.income += 1;
        self.income.push_back(line);
    }

    /// The account of a listen key that still lives.
    pub(super) fn has_key(&self, key: &str, now: Nanos) -> bool {
        self.listen_key.as_ref().is_some_and(|(own, until)| own == key && now < *until)
    }

    /// Refuses what a locked account may not do.
    pub(super) fn check_unlocked(&self, side: Side) -> Result<(), ApiError> {
        let reduces = !self.standing.position.reducible_by(side).is_zero();
        if self.locked && !reduces {
            return Err(ApiError::new(
                -4400,
                "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, \
                 please try again later.",
            ));
        }
        Ok(())
    }
}
