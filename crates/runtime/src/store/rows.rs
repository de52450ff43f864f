//! Rows and tables: what is written, as data that both databases understand.

use std::fmt;
use std::sync::OnceLock;

use market::{Nanos, Usd};
use serde::{Deserialize, Serialize};

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// Nothing.
    Null,
    /// A number, an instant in nanoseconds, or 1 and 0 for yes and no.
    Int(i64),
    /// Text, exact decimals included.
    Text(String),
}

impl Value {
    /// Text without the one character that not every database can hold.
    pub fn text(text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self::Text(if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text })
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Int(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Null | Self::Text(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Usd> for Value {
    fn from(amount: Usd) -> Self {
        Self::Text(amount.to_string())
    }
}

impl From<market::Decimal> for Value {
    fn from(number: market::Decimal) -> Self {
        Self::Text(number.to_string())
    }
}

impl From<Nanos> for Value {
    fn from(at: Nanos) -> Self {
        Self::from(at.0)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Int(i64::from(yes))
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// What a row is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Table {
    /// Runs of the trader.
    Sessions,
    /// The last known state of every order.
    Orders,
    /// What became of orders, step by step.
    OrderEvents,
    /// Executions, each once.
    Fills,
    /// Position and PnL from time to time.
    PnlSnapshots,
    /// Modes, breaker, levels, refusals, anomalies.
    RiskEvents,
    /// What humans were told.
    Alerts,
    /// Configurations in force.
    ConfigVersions,
    /// Funding and transfers.
    CashFlows,
    /// Cash that moved between sessions, as the venue's income tells it.
    Income,
    /// Our books beside the venue's.
    Reconciliations,
    /// Later news of an order of an earlier session; a change of [`Table::Orders`], not a table.
    OrderNews,
    /// No order up to now is open any more; a change of [`Table::Orders`], not a table.
    OrdersGone,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Value::Int`].
    Int,
    /// [`Value::Int`], an instant in nanoseconds.
    Instant,
    /// [`Value::Text`].
    Text,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// What happens to a row that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    /// It stays: what has happened does not change.
    Stays,
    /// What is known now is added to it.
    Completed,
    /// A later one replaces it.
    Replaced,
}

struct Shape {
    name: &'static str,
    keys: &'static [&'static str],
    again: Again,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 11] = [
        Self::Sessions,
        Self::Orders,
        Self::OrderEvents,
        Self::Fills,
        Self::PnlSnapshots,
        Self::RiskEvents,
        Self::Alerts,
        Self::ConfigVersions,
        Self::CashFlows,
        Self::Income,
        Self::Reconciliations,
    ];

    /// Its name in the database.
    pub fn name(self) -> &'static str {
        self.shape().name
    }

    /// Its columns, in the order of the values of a row.
    pub fn columns(self) -> Vec<Column> {
        let column = |text: &'static str| match text.split_once(':') {
            Some((name, "t")) => Column { name, kind: Kind::Instant },
            Some((name, _)) => Column { name, kind: Kind::Int },
            None => Column { name: text, kind: Kind::Text },
        };
        self.spelled().split_ascii_whitespace().map(column).collect()
    }

    /// The place of a column.
    pub fn column(self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.name == name)
    }

    /// The columns that name a row.
    pub fn keys(self) -> &'static [&'static str] {
        self.shape().keys
    }

    /// The statement that writes a row once, however often it is run.
    pub(super) fn statement(self) -> &'static str {
        static STATEMENTS: OnceLock<Vec<String>> = OnceLock::new();
        let all = Self::ALL.into_iter().chain([Self::OrderNews, Self::OrdersGone]);
        let statements = STATEMENTS.get_or_init(|| all.map(Self::compose).collect());
        statements.get(self as usize).map_or("", String::as_str)
    }

    fn compose(self) -> String {
        match self {
            Self::OrderNews => return String::from(ORDER_NEWS),
            Self::OrdersGone => return String::from(ORDERS_GONE),
            _ => {}
        }
        let Shape { name, keys, again } = self.shape();
        let columns: Vec<&str> = self.columns().iter().map(|column| column.name).collect();
        let values: Vec<String> = (1..=columns.len()).map(|index| format!("${index}")).collect();
        let rest = columns.iter().filter(|column| !keys.contains(column));
        let then = match again {
            Again::Stays => String::from("NOTHING"),
            Again::Completed => {
                let set = |column: &&str| {
                    format!("{column} = COALESCE(excluded.{column}, {name}.{column})")
                };
                format!("UPDATE SET {}", rest.map(set).collect::<Vec<_>>().join(", "))
            }
            Again::Replaced => {
                let set = |column: &&str| format!("{column} = excluded.{column}");
                let set = rest.map(set).collect::<Vec<_>>().join(", ");
                format!("UPDATE SET {set} WHERE excluded.revision >= {name}.revision")
            }
        };
        format!(
            "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT ({}) DO {then}",
            columns.join(", "),
            values.join(", "),
            keys.join(", ")
        )
    }

    /// The statement that reads every row, in the order of its key.
    pub(super) fn select(self) -> String {
        let columns: Vec<&str> = self.columns().iter().map(|column| column.name).collect();
        format!(
            "SELECT {} FROM {} ORDER BY {}",
            columns.join(", "),
            self.name(),
            self.keys().join(", ")
        )
    }

    fn shape(self) -> Shape {
        let (name, keys, again): (_, &[&str], _) = match self {
            Self::Sessions => ("sessions", &["id"], Again::Completed),
            Self::Orders | Self::OrderNews | Self::OrdersGone => {
                ("orders", &["account", "client_id"], Again::Replaced)
            }
            Self::OrderEvents => ("order_events", &["session", "turn", "item"], Again::Stays),
            Self::Fills => ("fills", &["account", "instrument", "trade_id"], Again::Stays),
            Self::PnlSnapshots => {
                ("pnl_snapshots", &["session", "at_ns", "instrument"], Again::Completed)
            }
            Self::RiskEvents => ("risk_events", &["session", "turn", "item"], Again::Stays),
            Self::Alerts => ("alerts", &["session", "turn", "item"], Again::Stays),
            Self::ConfigVersions => ("config_versions", &["session", "number"], Again::Stays),
            Self::CashFlows => ("cash_flows", &["session", "turn", "item"], Again::Stays),
            Self::Income => ("income", &["account", "told_as", "venue_id"], Again::Stays),
            Self::Reconciliations => {
                ("reconciliations", &["session", "at_ns", "instrument", "cause"], Again::Stays)
            }
        };
        Shape { name, keys, again }
    }

    /// Names in order; `:n` marks a number, `:t` an instant, the others are text.
    fn spelled(self) -> &'static str {
        match self {
            Self::Sessions => {
                "id trader account number:n mode venue symbols version config_hash journal pid:n \
                 started_ns:t ended_ns:t ending turns:n fills:n turnover realized unrealized fees \
                 funding transfers pnl equity state_hash failure"
            }
            Self::Orders | Self::OrderNews | Self::OrdersGone => {
                "account client_id session instrument side kind price qty filled reduce_only:n \
                 state outcome reason amends:n ack_latency_ns:n placed_ns:t acked_ns:t ended_ns:t \
                 updated_ns:t revision:n"
            }
            Self::OrderEvents => {
                "session turn:n item:n at_ns:t instrument client_id event side price qty \
                 trade_id:n detail"
            }
            Self::Fills => {
                "account instrument trade_id:n session at_ns:t happened_ns:t client_id \
                 venue_order_id:n side price qty cumulative value maker:n fee position edge"
            }
            Self::PnlSnapshots => {
                "session at_ns:t instrument last:n mode position entry mark realized unrealized \
                 fees funding transfers pnl spread_capture inventory basis carried equity peak \
                 day_pnl drawdown fills:n turnover"
            }
            Self::RiskEvents => {
                "session turn:n item:n at_ns:t instrument event was becomes reason amount"
            }
            Self::Alerts => "session turn:n item:n at_ns:t level kind message",
            Self::ConfigVersions => "session number:n at_ns:t hash text",
            Self::CashFlows => {
                "session turn:n item:n at_ns:t account instrument kind amount source"
            }
            Self::Income => "account told_as venue_id:n session at_ns:t instrument kind amount",
            Self::Reconciliations => {
                "session at_ns:t instrument cause agrees:n orders_off:n position_off wallet_off \
                 position_ours position_venue wallet_ours wallet_venue orders_ours:n orders_venue:n \
                 fills_ours:n fills_venue:n"
            }
        }
    }
}

/// What a later session learns of an order: only what it has learned. An order that was placed in a
/// session of which nothing is known has no row, and its fills and events stand for it.
const ORDER_NEWS: &str = "UPDATE orders SET filled = COALESCE($1, filled), \
    state = CASE WHEN COALESCE($1, filled) = qty THEN 'done' ELSE COALESCE($2, state) END, \
    outcome = CASE WHEN COALESCE($1, filled) = qty THEN 'filled' ELSE COALESCE($3, outcome) END, \
    ended_ns = COALESCE($4, ended_ns), updated_ns = $5 \
    WHERE account = $6 AND client_id = $7 AND updated_ns <= $8";

/// When the venue has no order of ours any more, those of which we do not know how they ended are over too:
/// canceled by the dead-man's switch after a kill, or never sent.
const ORDERS_GONE: &str = "UPDATE orders SET state = 'gone', updated_ns = $1 \
    WHERE account = $2 AND state NOT IN ('done', 'gone') AND session IN (\
    SELECT earlier.id FROM sessions earlier JOIN sessions own \
    ON own.trader = earlier.trader AND earlier.started_ns <= own.started_ns WHERE own.id = $3)";

/// One row to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Where.
    pub table: Table,
    /// The cells, in the order of the table's columns.
    pub values: Vec<Value>,
    /// When it came to be; how late it is written is measured from here.
    pub queued: u64,
    /// Whether it may be left out when there is no room: one snapshot of many.
    pub spare: bool,
}

impl Row {
    pub(super) fn new(table: Table, values: Vec<Value>) -> Self {
        let row = Self { table, values, queued: crate::clock::now().0, spare: false };
        debug_assert!(row.is_sound(), "{table:?}");
        row
    }

    /// A row written by an older version has fewer cells.
    pub(super) fn is_sound(&self) -> bool {
        match self.table {
            Table::OrderNews => self.values.len() == 8,
            Table::OrdersGone => self.values.len() == 3,
            table => table.columns().len() == self.values.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_and_the_rows_name_the_same_columns() {
        let schema = include_str!("migrations/0001.sql");
        for table in Table::ALL {
            let begin = format!("CREATE TABLE {} (", table.name());
            let body = schema.split_once(&begin).unwrap().1.split_once("\n);").unwrap().0;
            let found: Vec<&str> = body
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with("PRIMARY KEY"))
                .filter_map(|line| line.split(' ').next())
                .collect();
            let wanted: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
            assert_eq!(found, wanted, "{}", table.name());
            for column in table.columns() {
                let kind = if column.kind == Kind::Text { "TEXT" } else { "BIGINT" };
                let line = format!("\n    {} {kind}", column.name);
                assert!(format!("\n{body}").contains(&line), "{}.{}", table.name(), column.name);
            }
        }
    }

    #[test]
    fn every_table_has_its_own_statement() {
        for table in Table::ALL {
            let begin = format!("INSERT INTO {} (", table.name());
            assert!(table.statement().starts_with(&begin), "{table:?}: {}", table.statement());
        }
        for change in [Table::OrderNews, Table::OrdersGone] {
            assert!(change.statement().starts_with("UPDATE orders"));
        }
    }

    #[test]
    fn no_cell_holds_what_a_database_refuses() {
        assert_eq!(Value::text("a\0b"), Value::Text(String::from("a\u{fffd}b")));
        assert_eq!(Value::from(u64::MAX), Value::Int(i64::MAX));
    }
}
