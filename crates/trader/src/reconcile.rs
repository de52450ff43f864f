//! `trader reconcile`: our records beside the venue's, while no trader runs.
//!
//! A running trader compares by itself, every thirty seconds and after every doubt. This is for the time
//! in between: after a crash, before the next start.

use std::path::Path;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use engine::Carry;
use engine::carry::{CarriedDesk, Meanwhile};
use engine::ledger::Ledger;
use market::venue::{AccountState, OpenOrder};
use market::{ClientOrderId, Instrument, Position, Usd};
use ops::config::Mode;
use runtime::store::{Cause, Comparison};
use serde_json::json;

use crate::folder::Folder;
use crate::output::{complain, say};
use crate::{FAILED, FINE, explain, live, store};

/// The venue rounds every fill to 1e-8, and a session has many; the engine draws the same line.
const ROUNDING: Usd = Usd::new(100_000_000_000_000);

/// Between a comparison that differs and the one that counts.
const SECOND_LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// What a row says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Both sides agree.
    Same,
    /// Not a difference, but somebody should know.
    Note,
    /// The sides differ.
    Differs,
}

/// One thing compared.
struct Row {
    what: &'static str,
    ours: String,
    venue: String,
    verdict: Verdict,
    remark: String,
}

/// Compares; with `repair`, cancels what is left of ours and takes over what the venue says.
pub(crate) fn reconcile(path: &Path, repair: bool, as_json: bool) -> Result<u8> {
    let config = ops::config::load(path, &ops::config::process_env)?;
    if config.mode != Mode::Live {
        bail!("{}: mode is paper: there is no venue to compare with", path.display());
    }
    let folder = Folder::claim(&config.data.dir)?;
    let ready = live::ask_venue(&config)?;
    let account = live::account(&config, &ready)?;
    let carry = runtime::keeper::load(&folder.carry_path(), &account)?;
    let (net, credentials) = (live::net(&config)?, live::credentials(&config)?);
    let window = config.exchange.recv_window;
    let symbol = ready.instrument.symbol();
    let desk = carry.as_ref().and_then(|carry| carry.desks.iter().find(|d| d.symbol == symbol));
    let since = desk.map(|desk| desk.agreed.unwrap_or_default());
    let look = || -> Result<(AccountState, Vec<Row>, Comparison)> {
        let state = runtime::live::account(net.clone(), &credentials, window, &ready, since)?;
        let meanwhile = match &carry {
            Some(carry) => {
                runtime::live::income(net.clone(), &credentials, window, &ready, carry.at)?
            }
            None => Meanwhile::default(),
        };
        let rows = compare(&ready.instrument, desk, meanwhile, &state);
        let kept = comparison(&ready.instrument, desk, meanwhile, &state, &rows);
        Ok((state, rows, kept))
    };
    let (mut state, mut rows, mut kept) = look()?;
    if differing(&rows) {
        // The venue's own parts may lag behind each other.
        std::thread::sleep(SECOND_LOOK);
        (state, rows, kept) = look()?;
    }
    let differs = differing(&rows);
    let cause = if repair { Cause::Repaired } else { Cause::Asked };
    if let Err(error) = store::compared(&config, carry.as_ref(), &ready.instrument, cause, kept) {
        complain(format_args!("the comparison is not in the store: {}", explain(&error)));
    }
    if as_json {
        say(format_args!("{:#}", document(&rows, carry.as_ref())))?;
    } else {
        say(format_args!("{}", table(&rows)))?;
    }
    if !repair {
        return Ok(if differs { FAILED } else { FINE });
    }
    let left: Vec<ClientOrderId> =
        state.open_orders.iter().filter_map(|order| order.client_id).collect();
    let stuck = runtime::live::cancel(net.clone(), &credentials, window, &ready, &left)?;
    for (order, why) in &stuck {
        complain(format_args!("{order} could not be canceled: {why}"));
    }
    let state = runtime::live::account(net, &credentials, window, &ready, since)?;
    if let Some(mut carry) = carry {
        take_over(&mut carry, &ready.instrument, &state);
        runtime::keeper::save(&folder.carry_path(), &account, &carry)?;
        complain(format_args!(
            "our records are the venue's now; halts and limits stay as they are"
        ));
    }
    Ok(if stuck.is_empty() { FINE } else { FAILED })
}

fn differing(rows: &[Row]) -> bool {
    rows.iter().any(|row| row.verdict == Verdict::Differs)
}

/// Our books with what the venue tells of the time since, and how many fills that were.
fn books(
    instrument: &Instrument,
    desk: &CarriedDesk,
    meanwhile: Meanwhile,
    state: &AccountState,
) -> (Position, Usd, usize) {
    let mut ledger = Ledger::default();
    ledger.resume(instrument, (desk.position, desk.cost), desk.agreed, &desk.booked);
    let booked = |fill: &&market::venue::Fill| ledger.fill(instrument, fill, None);
    let new = state.fills.iter().filter(booked).count();
    let wallet = desk.wallet + ledger.cash() + meanwhile.funding + meanwhile.transfers;
    (ledger.position(), wallet, new)
}

/// The comparison as the store keeps it.
fn comparison(
    instrument: &Instrument,
    desk: Option<&CarriedDesk>,
    meanwhile: Meanwhile,
    state: &AccountState,
    rows: &[Row],
) -> Comparison {
    let decimal = |position| instrument.position_decimal(position);
    let ours = desk.map(|desk| books(instrument, desk, meanwhile, state));
    let open = state.open_orders.iter().filter(|order| order.client_id.is_some()).count() as u64;
    Comparison {
        agrees: ours.map(|_| !differing(rows)),
        orders_off: Some(open),
        position_off: ours.map(|(position, ..)| decimal(state.position - position)),
        wallet_off: ours.map(|(_, wallet, _)| state.wallet - wallet),
        position: (ours.map(|(position, ..)| decimal(position)), Some(decimal(state.position))),
        wallet: (ours.map(|(_, wallet, _)| wallet), Some(state.wallet)),
        orders: (Some(0), Some(open)),
        fills: (None, None),
    }
}

/// Every row, always in the same order.
fn compare(
    instrument: &Instrument,
    desk: Option<&CarriedDesk>,
    meanwhile: Meanwhile,
    state: &AccountState,
) -> Vec<Row> {
    let (base, quote) = (&instrument.rules().base, &instrument.rules().quote);
    let mut rows = Vec::new();
    let venue = format!("{} {base}", instrument.position_decimal(state.position));
    let wallet = format!("{:.8} {quote}", state.wallet);
    match desk {
        None => {
            let remark = String::from("nothing recorded yet: the next start takes it over");
            let ours = String::from("-");
            let (verdict, what) = (Verdict::Note, "position");
            rows.push(Row { what, ours: ours.clone(), venue, verdict, remark: remark.clone() });
            rows.push(Row { what: "wallet", ours, venue: wallet, verdict, remark });
        }
        Some(desk) => {
            let (position, expected, new) = books(instrument, desk, meanwhile, state);
            let same = position == state.position;
            let remark = match new {
                0 => String::new(),
                new => format!("{new} fills since the last record are in it"),
            };
            rows.push(Row {
                what: "position",
                ours: format!("{} {base}", instrument.position_decimal(position)),
                venue,
                verdict: if same { Verdict::Same } else { Verdict::Differs },
                remark,
            });
            let off = state.wallet - expected;
            let close = off.abs() <= ROUNDING;
            let moved = meanwhile.funding + meanwhile.transfers;
            rows.push(Row {
                what: "wallet",
                ours: format!("{expected:.8} {quote}"),
                venue: wallet,
                verdict: if close { Verdict::Same } else { Verdict::Differs },
                remark: match moved.is_zero() {
                    true => String::new(),
                    false => format!("{moved:.8} of funding and transfers since are in it"),
                },
            });
        }
    }
    rows.push(orders(&state.open_orders, true));
    rows.push(orders(&state.open_orders, false));
    rows
}

/// Open orders, ours or those of others.
fn orders(open: &[OpenOrder], ours: bool) -> Row {
    let names: Vec<String> = open
        .iter()
        .filter(|order| order.client_id.is_some() == ours)
        .map(|order| match order.client_id {
            Some(client_id) => client_id.to_string(),
            None => order.venue_id.0.to_string(),
        })
        .collect();
    let (what, remark) = match ours {
        true => ("our orders", "the next start takes them over and cancels them"),
        false => ("others' orders", "never touched"),
    };
    let none = names.is_empty();
    Row {
        what,
        ours: String::from(if ours { "none" } else { "-" }),
        venue: if none { String::from("none") } else { names.join(", ") },
        verdict: if none { Verdict::Same } else { Verdict::Note },
        remark: String::from(if none { "" } else { remark }),
    }
}

/// Our records become what the venue says; limits and latches stay.
fn take_over(carry: &mut Carry, instrument: &Instrument, state: &AccountState) {
    let mut ledger = Ledger::default();
    ledger.open(instrument, state.position, state.entry, state.last_trade);
    let desk = CarriedDesk {
        symbol: instrument.symbol().to_owned(),
        position: ledger.position(),
        cost: ledger.cost(),
        agreed: state.last_trade,
        booked: Vec::new(),
        wallet: state.wallet,
        drift: false,
    };
    carry.desks.retain(|known| known.symbol != desk.symbol);
    carry.desks.push(desk);
    carry.at = runtime::clock::now();
}

fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Same => "✓",
        Verdict::Note => "!",
        Verdict::Differs => "✗",
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["", "", "our records", "the venue", ""]);
    for Row { what, ours, venue, verdict, remark } in rows {
        table.add_row([sign(*verdict), what, ours, venue, remark]);
    }
    table
}

fn document(rows: &[Row], carry: Option<&Carry>) -> serde_json::Value {
    let row = |row: &Row| {
        json!({
            "what": row.what,
            "ours": row.ours,
            "venue": row.venue,
            "differs": row.verdict == Verdict::Differs,
            "remark": row.remark,
        })
    };
    json!({
        "recorded": carry.map(|carry| carry.at.to_string()),
        "agrees": !rows.iter().any(|row| row.verdict == Verdict::Differs),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use engine::ledger::Booked;
    use market::venue::Fill;
    use market::{
        Decimal, FinePrice, InstrumentId, Nanos, Position, Qty, Side, TradeId, VenueOrderId,
    };

    use super::*;

    fn usd(text: &str) -> Usd {
        Usd::from_decimal(text.parse::<Decimal>().unwrap())
    }

    fn eth() -> Instrument {
        Instrument::known(InstrumentId(0), "ETHUSDC").unwrap()
    }

    fn desk() -> CarriedDesk {
        CarriedDesk {
            symbol: "ETHUSDC".to_owned(),
            position: Position::ZERO,
            cost: Usd::ZERO,
            agreed: Some(TradeId(5)),
            booked: vec![Booked {
                trade_id: TradeId(7),
                side: Side::Buy,
                price: eth().price("2600".parse().unwrap()).unwrap(),
                qty: Qty::new(100),
                fee: usd("9"),
            }],
            wallet: usd("5000"),
            drift: false,
        }
    }

    /// Flat after a sale that we have not heard of: 1 gained, 0.02 paid.
    fn state() -> AccountState {
        let fill = |id: i64, side: Side, fee: &str| Fill {
            trade_id: TradeId(id),
            client_id: None,
            venue_id: VenueOrderId(1),
            side,
            price: eth().price("2610".parse().unwrap()).unwrap(),
            qty: Qty::new(100),
            cumulative: Qty::new(100),
            maker: true,
            fee: usd(fee),
            ts_event: Nanos::ZERO,
        };
        AccountState {
            query: 0,
            position: Position::ZERO,
            entry: FinePrice::ZERO,
            wallet: usd("5001.23"),
            open_orders: Vec::new(),
            fills: vec![fill(7, Side::Buy, "9"), fill(8, Side::Sell, "0.02")],
            last_trade: Some(TradeId(8)),
        }
    }

    fn verdicts(state: &AccountState) -> Vec<Verdict> {
        let meanwhile = Meanwhile { funding: usd("-0.75"), transfers: usd("1") };
        compare(&eth(), Some(&desk()), meanwhile, state).iter().map(|row| row.verdict).collect()
    }

    #[test]
    fn every_difference_has_its_row() {
        use Verdict::{Differs, Note, Same};
        assert_eq!(verdicts(&state()), [Same, Same, Same, Same]);
        let moved = AccountState { position: Position::new(1), ..state() };
        assert_eq!(verdicts(&moved), [Differs, Same, Same, Same]);
        let poorer = AccountState { wallet: usd("5001.22"), ..state() };
        assert_eq!(verdicts(&poorer), [Same, Differs, Same, Same]);
        let order = |client_id| OpenOrder {
            client_id,
            venue_id: VenueOrderId(9),
            side: Side::Buy,
            price: eth().price("2600".parse().unwrap()).unwrap(),
            qty: Qty::new(1),
            filled: Qty::ZERO,
            reduce_only: false,
        };
        let ours = ClientOrderId { session: 1, sequence: 1 };
        let open_orders = vec![order(None), order(Some(ours))];
        assert_eq!(verdicts(&AccountState { open_orders, ..state() }), [Same, Same, Note, Note]);
        let first = compare(&eth(), None, Meanwhile::default(), &state());
        assert_eq!(first[0].verdict, Note, "nothing recorded is no difference");
    }

    #[test]
    fn a_repair_takes_over_books_and_leaves_halts() {
        let mut carry = Carry {
            at: Nanos::ZERO,
            session: 1,
            latches: engine::carry::CarriedLatches { halted: true, ..Default::default() },
            baselines: None,
            breaker: engine::carry::CarriedBreaker {
                state: engine::risk::BreakerState::Closed,
                failures: 0,
                opened: 0,
                reason: String::new(),
            },
            desks: vec![desk()],
            meanwhile: Meanwhile::default(),
        };
        let entry = FinePrice::from_decimal("2605".parse().unwrap());
        let state = AccountState { position: Position::new(1), entry, ..state() };
        take_over(&mut carry, &eth(), &state);
        assert!(carry.latches.halted, "a halt is not repaired away");
        assert_eq!(carry.desks.len(), 1);
        assert_eq!(carry.desks[0].cost, usd("2.605"));
    }
}
