//! The store beside the venue's own record: every fill, and the money to the last unit.
//!
//! [`agree`] is all that other tests need.

use std::collections::BTreeMap;
use std::time::Duration;

use binance::replies::{Income, UserTrade};
use binance::rest::{self, TradesFrom};
use engine::ledger::Ledger;
use market::venue::Fill;
use market::{Decimal, Instrument, InstrumentId, Nanos, Side, TradeId, Usd, VenueOrderId};
use runtime::clock::Stopwatch;
use runtime::store::{Reader, Table, Target, Value};

use crate::rig::{Desk, Exchange, PATIENCE, SYMBOL};

/// The venue rounds what it tells of an execution to this.
const UNIT: Usd = Usd::new(10_000_000_000);

/// What both sides agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Executions, each the same on both sides.
    pub(crate) fills: usize,
    /// What they come to, fees not included.
    pub(crate) realized: Usd,
}

/// Waits until the store of the folder's trader has every execution of the venue's account and nothing
/// else, with the same fees and results, and until all other payments add up. The trader may be running:
/// the store is a moment behind, so both are asked until they agree.
pub(crate) fn agree(desk: &Desk, exchange: &Exchange) -> Agreed {
    let watch = Stopwatch::start();
    loop {
        let difference = match compare(desk, exchange) {
            Ok(agreed) => return agreed,
            Err(difference) => difference,
        };
        let store = store(desk);
        assert!(watch.elapsed() < PATIENCE, "{store} and the venue do not agree: {difference}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The first difference.
fn compare(desk: &Desk, exchange: &Exchange) -> Result<Agreed, String> {
    let venue = trades(exchange);
    let ours = fills(desk)?;
    let ids = |ids: Vec<i64>| ids.iter().map(i64::to_string).collect::<Vec<_>>().join(" ");
    let missing: Vec<i64> = venue.keys().filter(|id| !ours.contains_key(id)).copied().collect();
    let foreign: Vec<i64> = ours.keys().filter(|id| !venue.contains_key(id)).copied().collect();
    if !missing.is_empty() || !foreign.is_empty() {
        return Err(format!("missing: {}; not the venue's: {}", ids(missing), ids(foreign)));
    }
    let instrument = Instrument::known(InstrumentId(0), SYMBOL).unwrap();
    let (mut ledger, mut realized) = (Ledger::default(), Usd::ZERO);
    for (trade, (at, fill)) in venue.values().zip(&ours) {
        let theirs = Usd::from_decimal(trade.realized);
        let same = instrument.price_decimal(fill.price) == trade.price
            && instrument.qty_decimal(fill.qty) == trade.qty
            && (fill.side, fill.maker, fill.venue_id) == (trade.side, trade.maker, trade.order_id)
            && fill.fee == Usd::from_decimal(trade.fee)
            && fill.ts_event.as_millis() == trade.time.as_millis();
        let before = ledger.realized();
        assert!(ledger.fill(&instrument, fill, None), "{at} is there once");
        let gained = ledger.realized() - before;
        if !same || (gained - theirs).abs() > UNIT {
            return Err(format!("{fill:?} with {gained} realized; the venue has {trade:?}"));
        }
        realized += theirs;
    }
    let rounding = UNIT * i64::try_from(venue.len()).unwrap();
    let income = income(exchange);
    let told = |kind: &str| income.get(kind).copied().unwrap_or_default();
    let off = |ours: Usd, kind: &str| (ours - told(kind)).abs() > rounding;
    if off(ledger.realized(), "REALIZED_PNL") || off(-ledger.fees(), "COMMISSION") {
        return Err(format!(
            "realized {} and fees {} of the store; the venue's income is {income:?}",
            ledger.realized(),
            ledger.fees()
        ));
    }
    let funding = funding(desk)?;
    if funding != told("FUNDING_FEE") {
        return Err(format!("funding {funding} of the store; the venue's income is {income:?}"));
    }
    Ok(Agreed { fills: venue.len(), realized })
}

/// Everything that the account has traded, by trade id.
fn trades(exchange: &Exchange) -> BTreeMap<i64, UserTrade> {
    let (mut found, mut from) = (BTreeMap::new(), 0);
    loop {
        let page = exchange.ask(&rest::user_trades(SYMBOL, TradesFrom::Id(TradeId(from))));
        let page = UserTrade::decode_list(page.to_string().as_bytes()).unwrap();
        let Some(last) = page.iter().map(|trade| trade.trade_id.0).max() else { return found };
        from = last + 1;
        found.extend(page.into_iter().map(|trade| (trade.trade_id.0, trade)));
    }
}

/// What the account has received, by the venue's word for it.
fn income(exchange: &Exchange) -> BTreeMap<String, Usd> {
    let (mut seen, mut sums, mut from) = (BTreeMap::new(), BTreeMap::new(), Nanos::ZERO);
    loop {
        let page = exchange.ask(&rest::income_since(from));
        let page = Income::decode_list(page.to_string().as_bytes()).unwrap();
        let before = seen.len();
        for row in &page {
            from = from.max(row.time);
            if seen.insert((row.kind.clone(), row.id), ()).is_none() {
                *sums.entry(row.kind.clone()).or_default() += Usd::from_decimal(row.amount);
            }
        }
        if seen.len() == before || page.len() < rest::INCOME_PAGE {
            return sums;
        }
    }
}

pub(crate) fn store(desk: &Desk) -> Target {
    Target::Sqlite(desk.path.join("data/store.sqlite"))
}

/// The rows of a query on the store.
pub(crate) fn query(desk: &Desk, query: &str) -> Result<Vec<Vec<Value>>, String> {
    let mut rows = Vec::new();
    let mut reader = Reader::open(&store(desk)).map_err(|error| error.to_string())?;
    let take = &mut |row: &[Value]| {
        rows.push(row.to_vec());
        Ok(())
    };
    reader.query(query, &[], take).map_err(|error| error.to_string())?;
    Ok(rows)
}

/// The executions in the store, by trade id.
fn fills(desk: &Desk) -> Result<BTreeMap<i64, Fill>, String> {
    let instrument = Instrument::known(InstrumentId(0), SYMBOL).unwrap();
    let column = |name: &str| Table::Fills.column(name).unwrap();
    let rows = query(desk, "SELECT * FROM fills ORDER BY account, trade_id")?;
    let accounts: Vec<&Value> = rows.iter().map(|row| &row[column("account")]).collect();
    assert!(accounts.windows(2).all(|pair| pair[0] == pair[1]), "one account, one name");
    let fill = |row: &Vec<Value>| {
        let text = |name: &str| row[column(name)].to_string();
        let number = |name: &str| row[column(name)].as_int().unwrap();
        let qty = |name: &str| instrument.qty(text(name).parse::<Decimal>().unwrap()).unwrap();
        let fill = Fill {
            trade_id: TradeId(number("trade_id")),
            client_id: text("client_id").parse().ok(),
            venue_id: VenueOrderId(number("venue_order_id")),
            side: if text("side") == "buy" { Side::Buy } else { Side::Sell },
            price: instrument.price(text("price").parse().unwrap()).unwrap(),
            qty: qty("qty"),
            cumulative: qty("cumulative"),
            maker: number("maker") == 1,
            fee: usd(&text("fee")),
            ts_event: Nanos(u64::try_from(number("happened_ns")).unwrap()),
        };
        (fill.trade_id.0, fill)
    };
    Ok(rows.iter().map(fill).collect())
}

/// All funding in the store.
fn funding(desk: &Desk) -> Result<Usd, String> {
    let rows = query(desk, "SELECT amount FROM cash WHERE kind = 'funding'")?;
    Ok(rows.iter().map(|row| usd(&row[0].to_string())).sum())
}

/// An exact decimal with up to eighteen places.
fn usd(text: &str) -> Usd {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    Usd::new(sign * format!("{whole}{fraction:0<18}").parse::<i128>().unwrap())
}
