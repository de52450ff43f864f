//! What outlives the process: changes of accounts as data, and an exchange made from them.
//!
//! What is kept is what was decided, not what was asked: orders, trades, income lines, holdings and
//! settings as they are after each batch of requests. Bringing an exchange back therefore decides
//! nothing anew and cannot decide differently. The market itself is not kept; a new one begins at
//! the last price, with numbers above all that were ever told.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::time::Duration;

use ::market::venue::TimeInForce;
use ::market::{ClientOrderId, FinePrice, Nanos, Price, Qty, Side, Usd, VenueOrderId};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::account::Account;
use super::front::{Front, FrontConfig};
use super::history::Bar;
use super::market::Funded;
use super::place::machine_tif;
use super::record::{Amendment, IncomeRecord, OrderRecord, TradeRecord};
use super::{Machine, Standing};

/// Between two notes about the market.
const TAPE_EVERY: Duration = Duration::from_secs(1);
/// More numbers than a market uses up between two such notes.
const NUMBERS: i64 = 10_000_000;

/// What changed since the last call of [`Front::take_changes`], or a whole exchange.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// In whole exchanges only.
    head: Option<Head>,
    tape: Option<Tape>,
    minutes: Vec<Bar>,
    funded: Vec<Funded>,
    accounts: Vec<AccountChanges>,
}

/// Which exchange it is.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    symbol: String,
    /// Fingerprints of the API keys, in the order of the accounts.
    keys: Vec<u64>,
}

/// Where the market is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Tape {
    at: Nanos,
    price: FinePrice,
    trade: i64,
    update: u64,
    joined: i64,
    /// What is added to the machine's numbers of trades and updates.
    bases: (i64, u64),
    /// How far a recording has been played.
    played: Option<Nanos>,
}

#[derive(Debug, Serialize, Deserialize)]
struct AccountChanges {
    /// Place in [`Head::keys`].
    who: u16,
    own: Option<Own>,
    orders: Vec<OrderRecord>,
    amended: Vec<(i64, Amendment)>,
    trades: Vec<TradeRecord>,
    income: Vec<IncomeRecord>,
}

/// Holdings and settings of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Own {
    standing: Standing,
    updated: Nanos,
    open_fees: Usd,
    leverage: u32,
    isolated: bool,
    hedge: bool,
    multi_assets: bool,
    fee_burn: bool,
    locked: bool,
    listen_key: Option<(String, Nanos)>,
    dead_man: Option<Nanos>,
    next_row: i64,
}

/// What of an account has changed since it was last taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Unsaved {
    /// Whether anybody takes it; if not, nothing is noted.
    keeps: bool,
    orders: Vec<i64>,
    amended: Vec<(i64, Amendment)>,
    pub(super) trades: usize,
    pub(super) income: usize,
    own: Option<Box<Own>>,
}

impl Unsaved {
    pub(super) fn order(&mut self, id: i64) {
        // The same order often changes several times in a row.
        if self.keeps && self.orders.last() != Some(&id) {
            self.orders.push(id);
        }
    }

    pub(super) fn amended(&mut self, id: i64, change: Amendment) {
        if self.keeps {
            self.amended.push((id, change));
        }
    }
}

impl Account {
    fn own(&self) -> Own {
        Own {
            standing: self.standing,
            updated: self.updated,
            open_fees: self.open_fees,
            leverage: self.leverage,
            isolated: self.isolated,
            hedge: self.hedge,
            multi_assets: self.multi_assets,
            fee_burn: self.fee_burn,
            locked: self.locked,
            listen_key: self.listen_key.clone(),
            dead_man: self.dead_man,
            next_row: self.next_row,
        }
    }

    fn bring_back(&mut self, own: Own) {
        self.standing = own.standing;
        self.updated = own.updated;
        self.open_fees = own.open_fees;
        self.leverage = own.leverage;
        self.isolated = own.isolated;
        self.hedge = own.hedge;
        self.multi_assets = own.multi_assets;
        self.fee_burn = own.fee_burn;
        self.locked = own.locked;
        self.listen_key = own.listen_key;
        self.dead_man = own.dead_man;
        self.next_row = own.next_row;
    }

    fn take_changes(&mut self, who: u16) -> Option<AccountChanges> {
        let own = self.own();
        let is_news = self.unsaved.own.as_deref() != Some(&own);
        let unsaved = &mut self.unsaved;
        let (trades, income) = (&self.trades, &self.income);
        let new_trades = trades.len().saturating_sub(std::mem::take(&mut unsaved.trades));
        let new_income = income.len().saturating_sub(std::mem::take(&mut unsaved.income));
        unsaved.orders.sort_unstable();
        unsaved.orders.dedup();
        let orders = unsaved.orders.drain(..).filter_map(|id| self.orders.get(&id).cloned());
        let changes = AccountChanges {
            who,
            own: is_news.then(|| own.clone()),
            orders: orders.collect(),
            amended: std::mem::take(&mut unsaved.amended),
            trades: trades.range(new_trades..).copied().collect(),
            income: income.range(new_income..).copied().collect(),
        };
        if is_news {
            unsaved.own = Some(Box::new(own));
        }
        // Trades and income change the holdings too.
        (is_news || !changes.orders.is_empty()).then_some(changes)
    }

    fn whole(&self, who: u16) -> AccountChanges {
        let amended = |order: &OrderRecord| {
            order.amendments.iter().map(|change| (order.id, *change)).collect::<Vec<_>>()
        };
        AccountChanges {
            who,
            own: Some(self.own()),
            orders: self.orders.values().cloned().collect(),
            amended: self.orders.values().flat_map(amended).collect(),
            trades: self.trades.iter().copied().collect(),
            income: self.income.iter().copied().collect(),
        }
    }

    fn apply(&mut self, changes: AccountChanges) {
        for record in changes.orders {
            let id = record.id;
            match self.orders.get_mut(&id) {
                Some(order) => {
                    let amendments = std::mem::take(&mut order.amendments);
                    *order = OrderRecord { amendments, ..record };
                }
                None => self.insert(record),
            }
            self.closed(id);
        }
        for (id, change) in changes.amended {
            if let Some(order) = self.orders.get_mut(&id) {
                order.note_amendment(change);
            }
        }
        changes.trades.into_iter().for_each(|trade| self.note_trade(trade));
        changes.income.into_iter().for_each(|line| self.push_income(line));
        if let Some(own) = changes.own {
            self.bring_back(own);
        }
    }
}

impl Front {
    /// From now on changes are noted for [`Front::take_changes`].
    pub fn keep_changes(&mut self) {
        for account in &mut self.accounts {
            account.unsaved = Unsaved { keeps: true, ..Unsaved::default() };
        }
        self.tape_due = Nanos::ZERO;
    }

    /// Everything about accounts that changed since the last call, and from time to time where the
    /// market is. Until it is on disk, nothing of it may be told to anybody.
    pub fn take_changes(&mut self, machine: &dyn Machine, now: Nanos) -> Option<Changes> {
        let accounts: Vec<_> = (0..).zip(&mut self.accounts).collect();
        let accounts = accounts.into_iter().filter_map(|(who, own)| own.take_changes(who));
        let mut changes = Changes { accounts: accounts.collect(), ..Changes::default() };
        if now >= self.tape_due
            && let Some(tape) = self.tape(machine, now)
        {
            self.tape_due = now + TAPE_EVERY;
            changes.tape = Some(tape);
            let minutes: Vec<_> =
                self.market.history.minutes_after(self.minute_saved).copied().collect();
            if let [over @ .., _] = minutes.as_slice()
                && let Some(last) = over.last()
            {
                self.minute_saved = last.start;
                changes.minutes = over.to_vec();
            }
            let funded = &self.market.funded;
            let new = funded.partition_point(|funded| funded.at <= self.funding_saved);
            changes.funded = funded[new..].to_vec();
            self.funding_saved = funded.last().map_or(self.funding_saved, |funded| funded.at);
        }
        let is_something = changes.tape.is_some() || !changes.accounts.is_empty();
        is_something.then_some(changes)
    }

    /// The whole exchange: where a file begins.
    pub fn whole(&self, machine: &dyn Machine, now: Nanos) -> Changes {
        let keys = self.accounts.iter().map(|account| fingerprint(&account.config.api_key));
        Changes {
            head: Some(Head {
                symbol: self.config.instrument.symbol().to_owned(),
                keys: keys.collect(),
            }),
            tape: self.tape(machine, now),
            minutes: self.market.history.minutes_after(0).copied().collect(),
            funded: self.market.funded.clone(),
            accounts: (0..).zip(&self.accounts).map(|(who, own)| own.whole(who)).collect(),
        }
    }

    fn tape(&self, machine: &dyn Machine, now: Nanos) -> Option<Tape> {
        let price = match (machine.best(Side::Buy), machine.best(Side::Sell)) {
            (Some(bid), Some(ask)) => self.config.instrument.mid(bid, ask),
            _ => machine.mark(),
        };
        let history = &self.market.history;
        (!price.is_zero()).then(|| Tape {
            at: now,
            price,
            trade: history.trades.back().map_or(self.trade_base, |print| print.id),
            update: self.market.wire_id(self.market.book.last_id()),
            joined: history.next_joined,
            bases: self.market.bases(),
            played: machine.played(),
        })
    }
}

/// Tells keys apart without being one.
fn fingerprint(api_key: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(api_key.as_bytes());
    hasher.finish()
}

/// Why an exchange cannot be brought back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SavedError {
    /// It traded something else.
    #[error("it holds an exchange for {found}, not {wanted}")]
    Symbol {
        /// What it traded.
        found: String,
        /// What it should.
        wanted: String,
    },
    /// Accounts whose keys were not given.
    #[error("it holds {0} account(s) with other API keys than those given")]
    Accounts(usize),
    /// What is wrong with the order of things.
    #[error("{0}")]
    Order(&'static str),
}

/// An order that rested when the exchange closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptOrder {
    /// The machine's name for it.
    pub client_id: ClientOrderId,
    /// The machine's number for it: zero or below, so that no new order has it.
    pub venue_id: VenueOrderId,
    /// Side.
    pub side: Side,
    /// Limit.
    pub price: Price,
    /// How long it stays.
    pub tif: TimeInForce,
    /// All of it.
    pub qty: Qty,
    /// How much has traded.
    pub filled: Qty,
    /// May only shrink the position.
    pub reduce_only: bool,
}

/// What the machine needs to know of an account that is brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which: index into [`FrontConfig::accounts`].
    pub account: usize,
    /// Holding and cash.
    pub standing: Standing,
    /// Initial margin is notional divided by this.
    pub leverage: u32,
    /// When the dead-man's switch goes off.
    pub dead_man: Option<Nanos>,
    /// Resting orders, in the order in which they came to their prices.
    pub orders: Vec<KeptOrder>,
}

/// An exchange on its way back: first whole, then change by change.
#[derive(Debug)]
pub struct Revival {
    front: Front,
    /// From the account's place on disk to its place here.
    places: Vec<usize>,
    known: BTreeMap<usize, Standing>,
    tape: Option<Tape>,
}

impl Revival {
    /// An exchange about which nothing is known yet.
    pub fn new(config: FrontConfig) -> Self {
        Self { front: Front::new(config), places: Vec::new(), known: BTreeMap::new(), tape: None }
    }

    /// Takes in the next changes.
    ///
    /// # Errors
    /// [`SavedError`] when they do not belong to this exchange.
    pub fn apply(&mut self, changes: Changes) -> Result<(), SavedError> {
        match (&changes.head, self.places.is_empty()) {
            (Some(head), true) => self.begin(head)?,
            (None, false) => {}
            (Some(_), false) => return Err(SavedError::Order("a second beginning")),
            (None, true) => return Err(SavedError::Order("the beginning is missing")),
        }
        for own in changes.accounts {
            let place = self.places.get(usize::from(own.who)).copied();
            let place = place.ok_or(SavedError::Order("an account out of nowhere"))?;
            self.front.accounts[place].apply(own);
        }
        let market = &mut self.front.market;
        changes.minutes.into_iter().for_each(|bar| market.history.bring_back(bar));
        changes.funded.into_iter().for_each(|funded| market.note_funding(funded));
        self.tape = changes.tape.or(self.tape);
        Ok(())
    }

    fn begin(&mut self, head: &Head) -> Result<(), SavedError> {
        let config = &self.front.config;
        let wanted = config.instrument.symbol();
        if head.symbol != wanted {
            let (found, wanted) = (head.symbol.clone(), wanted.to_owned());
            return Err(SavedError::Symbol { found, wanted });
        }
        let ours: Vec<_> = config.accounts.iter().map(|own| fingerprint(&own.api_key)).collect();
        let place = |key: &u64| ours.iter().position(|own| own == key);
        self.places = head.keys.iter().filter_map(place).collect();
        if self.places.len() != head.keys.len() {
            return Err(SavedError::Accounts(head.keys.len() - self.places.len()));
        }
        for &place in &self.places {
            // The first deposit is in what follows.
            let account = &mut self.front.accounts[place];
            account.income.clear();
            self.known.insert(place, account.standing);
        }
        Ok(())
    }

    /// The price at which the market was left, and how far a recording had been played.
    pub fn left_at(&self) -> Option<(FinePrice, Option<Nanos>)> {
        self.tape.map(|tape| (tape.price, tape.played))
    }

    /// The exchange, and what its machine has to know. A recording that goes on brings its numbers
    /// along; a market that begins anew counts from one, which must not be told twice.
    pub fn finish(mut self, recording_goes_on: bool) -> (Front, Vec<Kept>) {
        let front = &mut self.front;
        let trades = front.accounts.iter().flat_map(|own| own.trades.back()).map(|trade| trade.id);
        let last_trade = trades.max().unwrap_or(0);
        let orders = front.accounts.iter().flat_map(|own| own.orders.keys().next_back()).copied();
        front.order_base = front.order_base.max(orders.max().unwrap_or(0));
        if let Some(tape) = self.tape {
            let trade = last_trade.max(tape.trade).saturating_add(NUMBERS);
            front.trade_base = front.trade_base.max(trade);
            let joined = tape.joined.saturating_add(NUMBERS);
            let bases = if recording_goes_on && tape.played.is_some() {
                tape.bases
            } else {
                let update = tape.update.saturating_add(NUMBERS.unsigned_abs());
                let (trades, updates) = front.market.bases();
                (trades.max(trade), updates.max(update))
            };
            front.market.number_from(bases, joined);
        }
        front.trade_base = front.trade_base.max(last_trade);
        front.minute_saved = 0;
        let base = front.order_base;
        let mut kept = Vec::new();
        for &account in self.known.keys() {
            let own = &mut front.accounts[account];
            let clients = own.open_orders().filter_map(|order| order.client);
            own.named = clients.map(|client| client.sequence).max().unwrap_or(0);
            let mut orders: Vec<&OrderRecord> = own.open_orders().collect();
            orders.sort_by_key(|order| (arrived(order), order.id));
            let orders = orders.into_iter().filter_map(|order| kept_order(order, base));
            kept.push(Kept {
                account,
                standing: own.standing,
                leverage: own.leverage,
                dead_man: own.dead_man,
                orders: orders.collect(),
            });
        }
        (self.front, kept)
    }
}

/// When an order came to its price.
fn arrived(order: &OrderRecord) -> Nanos {
    order.amendments.back().map_or(order.time, |change| change.at)
}

fn kept_order(order: &OrderRecord, base: i64) -> Option<KeptOrder> {
    Some(KeptOrder {
        client_id: order.client?,
        venue_id: VenueOrderId(order.id - base),
        side: order.side,
        price: order.price,
        tif: machine_tif(order.tif),
        qty: order.qty,
        filled: order.filled,
        reduce_only: order.reduce_only,
    })
}
