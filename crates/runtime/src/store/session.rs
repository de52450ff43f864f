//! A session's own rows: how it began, how it ended, what both sides held then.

use std::path::PathBuf;

use engine::snapshot::PnlView;
use market::{Decimal, Instrument, Nanos, Usd};

use super::rows::{Row, Table, Value};
use crate::session::{Summary, VenueRecord};

/// What a session is.
#[derive(Clone, Debug)]
pub struct SessionRecord {
    /// Name of the trader; in a shared store each has its own.
    pub trader: String,
    /// Whose fills they are: venue and key, or the session itself on paper.
    pub account: String,
    /// The session's number, unique per trader.
    pub number: u32,
    /// `paper` or `live`.
    pub mode: String,
    /// What is traded against.
    pub venue: String,
    /// Version of the program.
    pub version: String,
    /// Hash of the configuration.
    pub config_hash: String,
    /// The configuration, without secrets.
    pub config_text: String,
    /// The session's journal.
    pub journal: Option<PathBuf>,
    /// When it began.
    pub started: Nanos,
}

impl SessionRecord {
    /// Its name in the store.
    pub fn id(&self) -> String {
        format!("{}-{:08x}", self.trader, self.number)
    }

    /// The row of a session that has begun.
    pub(super) fn begin(&self, instruments: &[Instrument]) -> Row {
        let mut values = vec![Value::Null; Table::Sessions.columns().len()];
        let symbols: Vec<&str> = instruments.iter().map(Instrument::symbol).collect();
        let journal = self.journal.as_ref().map(|path| path.display().to_string());
        let own = [
            Value::from(self.id()),
            Value::from(self.trader.as_str()),
            Value::from(self.account.as_str()),
            Value::from(self.number),
            Value::from(self.mode.as_str()),
            Value::from(self.venue.as_str()),
            Value::from(symbols.join(" ")),
            Value::from(self.version.as_str()),
            Value::from(self.config_hash.as_str()),
            Value::from(journal),
            Value::from(std::process::id()),
            Value::from(self.started),
        ];
        for (cell, value) in values.iter_mut().zip(own) {
            *cell = value;
        }
        Row::new(Table::Sessions, values)
    }

    /// Cash that moved before it.
    pub(super) fn income(&self, payment: &Payment) -> Row {
        let Payment { told_as, id, at, symbol, kind, amount } = payment;
        let values = vec![
            Value::from(self.account.as_str()),
            Value::from(told_as.as_str()),
            Value::from(*id),
            Value::from(self.id()),
            Value::from(*at),
            Value::from(symbol.as_str()),
            Value::from(*kind),
            Value::from(*amount),
        ];
        Row::new(Table::Income, values)
    }

    /// The configuration in force from some moment on.
    pub(super) fn config(&self, number: u64, at: Nanos, hash: &str, text: &str) -> Row {
        let values = vec![
            Value::from(self.id()),
            Value::from(number),
            Value::from(at),
            Value::from(hash),
            Value::from(text),
        ];
        Row::new(Table::ConfigVersions, values)
    }
}

/// Cash that moved while nobody watched, by the venue's own record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The venue's word for it, such as `FUNDING_FEE`.
    pub told_as: String,
    /// The venue's number, unique for the word and the account.
    pub id: i64,
    /// When.
    pub at: Nanos,
    /// Which instrument; empty when it concerns none.
    pub symbol: String,
    /// `funding`, or `transfer` for everything else.
    pub kind: &'static str,
    /// Signed.
    pub amount: Usd,
}

/// How a session ended.
#[derive(Clone, Copy, Debug)]
pub enum Ending<'a> {
    /// With a result.
    Summary {
        /// The result.
        summary: &'a Summary,
        /// Whether our books equal the venue's; `None` when the venue has not told.
        agrees: Option<bool>,
    },
    /// Without one.
    Failure {
        /// When.
        at: Nanos,
        /// Why.
        why: &'a str,
    },
}

impl Ending<'_> {
    /// The completed row of the session.
    pub(super) fn complete(&self, mut row: Row) -> Row {
        let mut set = |name: &str, value: Value| {
            if let Some(cell) =
                Table::Sessions.column(name).and_then(|index| row.values.get_mut(index))
            {
                *cell = value;
            }
        };
        match self {
            Self::Failure { at, why } => {
                set("ended_ns", Value::from(*at));
                set("ending", Value::from("failed"));
                set("failure", Value::from(*why));
            }
            Self::Summary { summary, .. } => {
                let (pnl, desks) = (&summary.snapshot.pnl, &summary.snapshot.desks);
                let fills = desks.iter().flat_map(|desk| desk.counters.fills).sum::<u64>();
                let turnover: Usd = desks.iter().flat_map(|d| d.counters.filled_value).sum();
                let failure = summary.failure.as_ref().map(ToString::to_string);
                set("ended_ns", Value::from(summary.span.1));
                set("ending", Value::from(if failure.is_some() { "failed" } else { "ended" }));
                set("turns", Value::from(summary.turns));
                set("fills", Value::from(fills));
                set("turnover", Value::from(turnover));
                set("realized", Value::from(pnl.realized));
                set("unrealized", Value::from(pnl.unrealized));
                set("fees", Value::from(pnl.fees));
                set("funding", Value::from(pnl.funding));
                set("transfers", Value::from(pnl.transfers));
                set("pnl", Value::from(pnl.total));
                set("equity", Value::from(pnl.equity));
                set("state_hash", Value::from(format!("{:016x}", summary.state_hash)));
                set("failure", Value::from(failure));
            }
        }
        row
    }

    /// What this says about orders of which we do not know how they ended.
    pub(super) fn gone(&self, session: &str, account: &str) -> Option<Row> {
        let Self::Summary { summary, .. } = self else { return None };
        let none_left = summary.truth.as_ref().is_some_and(|truth| truth.ours() == 0);
        let values = vec![Value::from(summary.span.1), Value::from(account), Value::from(session)];
        none_left.then(|| Row::new(Table::OrdersGone, values))
    }

    /// Our books beside the venue's, one row per instrument.
    pub(super) fn compared(&self, session: &str) -> Vec<Row> {
        let Self::Summary { summary, agrees } = self else { return Vec::new() };
        let (snapshot, truth) = (&summary.snapshot, summary.truth.as_ref());
        let row = |desk: &engine::snapshot::DeskView| {
            let decimal = |position| desk.instrument.position_decimal(position);
            let ours = wallet(&snapshot.pnl);
            let comparison = Comparison {
                agrees: *agrees,
                orders_off: truth.map(|truth| truth.ours().abs_diff(desk.orders.len()) as u64),
                position_off: truth.map(|truth| decimal(truth.position - desk.position)),
                wallet_off: truth.map(|truth| truth.wallet - ours),
                position: (Some(decimal(desk.position)), truth.map(|t| decimal(t.position))),
                wallet: (Some(ours), truth.map(|truth| truth.wallet)),
                orders: (Some(desk.orders.len() as u64), truth.map(|truth| truth.ours() as u64)),
                fills: (
                    Some(desk.counters.fills.iter().sum()),
                    truth.and_then(|truth: &VenueRecord| truth.fills),
                ),
            };
            comparison.row(session, summary.span.1, desk.instrument.symbol(), Cause::End)
        };
        snapshot.desks.iter().map(row).collect()
    }
}

/// Why our books and the venue's were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The first comparison of a session.
    Start,
    /// A later one; kept when something differs.
    Running,
    /// The end of a session.
    End,
    /// An operator asked, while no trader ran.
    Asked,
    /// An operator let our records take over what the venue says.
    Repaired,
}

impl Cause {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "session start",
            Self::Running => "running",
            Self::End => "session end",
            Self::Asked => "asked",
            Self::Repaired => "repaired",
        }
    }
}

/// Our books beside the venue's: what differs (the venue's less ours), and, where it is known, ours first
/// and then the venue's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Whether both agree; `None` when the venue has not told.
    pub agrees: Option<bool>,
    /// Orders that differ.
    pub orders_off: Option<u64>,
    /// Position.
    pub position_off: Option<Decimal>,
    /// Wallet balance.
    pub wallet_off: Option<Usd>,
    /// Position on both sides.
    pub position: (Option<Decimal>, Option<Decimal>),
    /// Wallet balance on both sides.
    pub wallet: (Option<Usd>, Option<Usd>),
    /// Open orders of ours on both sides.
    pub orders: (Option<u64>, Option<u64>),
    /// Fills on both sides.
    pub fills: (Option<u64>, Option<u64>),
}

impl Comparison {
    /// The row of a session, or of the session whose records were compared.
    pub(super) fn row(self, session: &str, at: Nanos, symbol: &str, cause: Cause) -> Row {
        let values = vec![
            Value::from(session),
            Value::from(at),
            Value::from(symbol),
            Value::from(cause.name()),
            self.agrees.into(),
            self.orders_off.into(),
            self.position_off.into(),
            self.wallet_off.into(),
            self.position.0.into(),
            self.position.1.into(),
            self.wallet.0.into(),
            self.wallet.1.into(),
            self.orders.0.into(),
            self.orders.1.into(),
            self.fills.0.into(),
            self.fills.1.into(),
        ];
        Row::new(Table::Reconciliations, values)
    }
}

/// The wallet by our books.
fn wallet(pnl: &PnlView) -> Usd {
    pnl.initial + pnl.realized - pnl.fees + pnl.funding + pnl.transfers
}
