//! Trades: from a taker and the book to fills on both accounts.

use market::venue::{ExpireReason, Fill, Outcome, TimeInForce, VenueReport};
use market::{Nanos, Price, Qty, Rate, Side, Trade, TradeId, VenueOrderId};

use crate::config::AccountId;
use crate::orders::State;
use crate::venue::{Liquidity, Match, Taker, Venue};

/// One account's half of a trade.
#[derive(Clone, Copy, Debug)]
struct Execution {
    trade: TradeId,
    side: Side,
    price: Price,
    qty: Qty,
    maker: bool,
}

impl Venue {
    /// Matches an accepted order up to `qty` and rests or ends what is left.
    pub(crate) fn enter<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        id: VenueOrderId,
        qty: Qty,
    ) {
        let order = self.account(account).order(id).expect("just accepted");
        let (side, limit, tif, capped) = (order.side, order.price, order.tif, qty < order.left());
        self.sweep(book, now, Taker { account, order: id, side }, limit, qty);
        let Some(order) = self.account(account).order(id) else {
            return; // filled
        };
        match tif {
            TimeInForce::Gtc | TimeInForce::PostOnly => {
                let place = book.rest(account, order);
                self.rests(account, id, place);
                self.trim_reduce_only(book, now, account);
            }
            TimeInForce::Ioc | TimeInForce::Fok => {
                let full = order.filled >= qty;
                let reason =
                    if capped && full { ExpireReason::ReduceOnly } else { ExpireReason::Unfilled };
                self.expire(now, account, id, reason);
            }
        }
    }

    fn rests(&mut self, account: AccountId, id: VenueOrderId, place: u64) {
        if let Some(order) = self.account_mut(account).order_mut(id) {
            order.state = State::Resting(place);
        }
    }

    /// Trades a taker up to `limit` and `qty`; returns what was executed.
    pub(crate) fn sweep<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        taker: Taker,
        limit: Price,
        qty: Qty,
    ) -> Qty {
        let mut left = qty;
        while !left.is_zero() {
            match book.take(taker.account, taker.side, limit, left) {
                None => break,
                Some(Match::Own(id)) => {
                    self.expire(now, taker.account, id, ExpireReason::SelfTrade);
                }
                Some(Match::Trade { maker, price, qty }) => {
                    left -= qty;
                    self.trade(book, now, taker, maker, price, qty);
                }
            }
        }
        qty - left
    }

    fn trade<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        taker: Taker,
        maker: Option<(AccountId, VenueOrderId)>,
        price: Price,
        qty: Qty,
    ) {
        let trade = TradeId(self.next_trade);
        self.next_trade += 1;
        self.prints.push(Trade { id: trade.0, price, qty, aggressor: taker.side });
        let fill = |side: Side, maker: bool| Execution { trade, side, price, qty, maker };
        if let Some((account, order)) = maker {
            self.book_fill(now, account, order, fill(taker.side.opposite(), true));
            self.trim_reduce_only(book, now, account);
        }
        self.book_fill(now, taker.account, taker.order, fill(taker.side, false));
        self.trim_reduce_only(book, now, taker.account);
    }

    /// A resting order of an account trades without a counterparty of ours: recorded markets.
    pub(crate) fn fill_resting<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        order: VenueOrderId,
        qty: Qty,
    ) {
        let Some((side, price)) = self.account(account).order(order).map(|o| (o.side, o.price))
        else {
            return;
        };
        let trade = TradeId(self.next_trade);
        self.next_trade += 1;
        self.book_fill(now, account, order, Execution { trade, side, price, qty, maker: true });
        self.trim_reduce_only(book, now, account);
    }

    /// A fill that belongs to no order of the account's own: liquidation, ADL, placed by hand.
    pub(crate) fn foreign_fill<L: Liquidity>(
        &mut self,
        book: &mut L,
        now: Nanos,
        account: AccountId,
        side: Side,
        price: Price,
        qty: Qty,
    ) {
        let (trade, order) = (TradeId(self.next_trade), self.order_id());
        self.next_trade += 1;
        self.crowd += qty.signed(side.opposite());
        self.book_fill(now, account, order, Execution { trade, side, price, qty, maker: false });
        self.trim_reduce_only(book, now, account);
    }

    fn book_fill(&mut self, now: Nanos, id: AccountId, order: VenueOrderId, trade: Execution) {
        if !id.has_ledger() {
            self.crowd += trade.qty.signed(trade.side);
            return;
        }
        let fees = self.terms.fees;
        let rate: Rate = if trade.maker { fees.maker } else { fees.taker };
        let index = self.accounts.binary_search_by_key(&id, |(id, _)| *id);
        let account = &mut self.accounts[index.expect("an account that was opened")].1;
        let instrument = &self.terms.instrument;
        let fee = account.ledger.fill(instrument, trade.side, trade.price, trade.qty, rate);
        let mut fill = Fill {
            trade_id: trade.trade,
            client_id: None,
            venue_id: order,
            side: trade.side,
            price: trade.price,
            qty: trade.qty,
            cumulative: trade.qty,
            maker: trade.maker,
            fee,
            ts_event: now,
        };
        let mut full = false;
        if let Some(order) = account.order_mut(order) {
            order.filled += trade.qty;
            (fill.client_id, fill.cumulative) = (order.client_id, order.filled);
            full = order.left().is_zero();
        }
        account.note_fill(order, fill);
        if full {
            account.end(now, order, Outcome::Filled);
        }
        self.news(id, VenueReport::Fill(fill));
    }

    /// Shrinks or expires resting reduce-only orders, newest first, to what the position allows.
    fn trim_reduce_only<L: Liquidity>(&mut self, book: &mut L, now: Nanos, id: AccountId) {
        if !id.has_ledger() {
            return;
        }
        for side in Side::BOTH {
            let account = self.account(id);
            let room = account.ledger.position.reducible_by(side);
            let mut excess = account.resting(side, true).saturating_sub(room);
            while !excess.is_zero() {
                let resting =
                    self.account(id).open_orders().filter_map(|order| match order.state {
                        State::Resting(place) if order.reduce_only && order.side == side => Some((
                            order.venue_id,
                            place,
                            order.left(),
                            order.client_id,
                            order.price,
                        )),
                        _ => None,
                    });
                let Some((order, place, left, client_id, price)) = resting.last() else {
                    break; // the rest is an order being matched right now
                };
                let by = left.min(excess);
                excess -= by;
                book.shrink(place, order, by);
                if by == left {
                    self.expire(now, id, order, ExpireReason::ReduceOnly);
                } else if let Some(order) = self.account_mut(id).order_mut(order) {
                    order.qty -= by;
                    let qty = order.qty;
                    if let Some(client_id) = client_id {
                        self.news(id, VenueReport::Amended { client_id, price, qty });
                    }
                }
            }
        }
    }
}
