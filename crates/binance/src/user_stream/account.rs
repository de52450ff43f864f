//! `ACCOUNT_UPDATE` and `MARGIN_CALL`.

use market::venue::VenueReport;
use market::{Decimal, Instrument, Nanos, Usd};

use super::{Note, Reports, items};
use crate::replies::Object;
use crate::wire::DecodeError;

/// `ACCOUNT_UPDATE`: only what changed is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountUpdate {
    /// `ORDER`, `FUNDING_FEE`, `DEPOSIT`, …
    pub reason: String,
    /// The contract it is about, where the venue says so (since 2026-08).
    pub symbol: Option<String>,
    /// Assets.
    pub balances: Vec<BalanceChange>,
    /// Positions.
    pub positions: Vec<PositionChange>,
    /// When the venue told.
    pub ts_event: Nanos,
}

/// An asset that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BalanceChange {
    /// Which.
    pub asset: String,
    /// Wallet balance now.
    pub wallet: Decimal,
    /// The change that is neither profit nor fee.
    pub change: Decimal,
}

/// A position that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionChange {
    /// Which contract.
    pub symbol: String,
    /// `BOTH`, `LONG` or `SHORT`.
    pub side: String,
    /// Signed holding.
    pub amount: Decimal,
    /// Average entry price.
    pub entry: Decimal,
    /// `cross` or `isolated`.
    pub margin: String,
}

/// `MARGIN_CALL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarginCall {
    /// Cross wallet balance, if the position is in cross margin.
    pub cross_wallet: Option<Decimal>,
    /// The contracts concerned and the signed holdings.
    pub positions: Vec<(String, Decimal)>,
}

impl AccountUpdate {
    pub(super) fn read(event: &Object<'_>) -> Result<Self, DecodeError> {
        let update = event.object("a")?;
        Ok(Self {
            reason: update.text("m")?.to_owned(),
            symbol: update.opt_text("S").map(str::to_owned),
            balances: items(update.list("B")?, |row| {
                Ok(BalanceChange {
                    asset: row.text("a")?.to_owned(),
                    wallet: row.rounded("wb")?.unwrap_or(Decimal::ZERO),
                    change: row.rounded("bc")?.unwrap_or(Decimal::ZERO),
                })
            })?,
            positions: items(update.list("P")?, |row| {
                Ok(PositionChange {
                    symbol: row.text("s")?.to_owned(),
                    side: row.opt_text("ps").unwrap_or("BOTH").to_owned(),
                    amount: row.decimal("pa")?,
                    entry: row.rounded("ep")?.unwrap_or(Decimal::ZERO),
                    margin: row.opt_text("mt").unwrap_or_default().to_owned(),
                })
            })?,
            ts_event: event.millis("E")?,
        })
    }

    /// Cash that neither fills nor fees explain, in the instrument's quote asset.
    pub(super) fn reports(&self, instrument: &Instrument) -> Reports {
        let mut out = Reports::default();
        let quote = instrument.rules().quote.as_str();
        let changes = self.balances.iter().filter(|row| row.asset == quote);
        for change in changes.map(|row| row.change).filter(|change| *change != Decimal::ZERO) {
            let amount = Usd::from_decimal(change);
            match self.reason.as_str() {
                "FUNDING_FEE" => match self.foreign_symbol(instrument) {
                    None => out.reports.push(VenueReport::Funding { amount }),
                    Some(symbol) => {
                        out.notes.push(Note::OtherFunding { symbol, amount: change });
                    }
                },
                // Between the wallet's own pockets: the balance as a whole stays.
                "MARGIN_TRANSFER" | "MARGIN_TYPE_CHANGE" => {
                    out.notes.push(Note::InnerTransfer { reason: self.reason.clone() });
                }
                // Deposits, withdrawals, adjustments, and whatever will be invented.
                _ => out.reports.push(VenueReport::Transfer { amount }),
            }
        }
        out
    }

    /// The contract it is about, when that is not ours. A cross position's funding names none on
    /// older feeds, and is taken as ours then.
    fn foreign_symbol(&self, instrument: &Instrument) -> Option<String> {
        let named = self.symbol.as_deref().or(match self.positions.as_slice() {
            [only] => Some(only.symbol.as_str()),
            _ => None,
        });
        named.filter(|symbol| *symbol != instrument.symbol()).map(str::to_owned)
    }
}

impl MarginCall {
    pub(super) fn read(event: &Object<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            cross_wallet: event.rounded("cw")?,
            positions: items(event.list("p")?, |row| {
                Ok((row.text("s")?.to_owned(), row.decimal("pa")?))
            })?,
        })
    }
}
