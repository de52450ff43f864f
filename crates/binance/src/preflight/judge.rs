//! What each answer means.

use std::time::Duration;

use market::{Decimal, Position, Rate};

use super::{FEES_FAR_OFF, INSTRUMENT, Preflight, Question, Setting, State};
use crate::replies::{
    AccountConfig, AccountReply, CommissionRate, ExchangeInfo, KeyRights, OrderReply, Owner,
    PositionRow, SymbolConfig, SymbolStatus, TradingRule, VenueError, decode_fee_burn, one_way,
};
use crate::rest::MarginType;
use crate::wire::DecodeError;

/// Orders of others that are named.
const NAMED_MAX: usize = 5;

type Answer = Result<Vec<u8>, (u16, VenueError)>;

impl Preflight {
    pub(super) fn judge_clock(&mut self) {
        let offset = self.clock.offset().unwrap_or(0);
        let size = Duration::from_nanos(offset.unsigned_abs());
        let found = match offset {
            0.. => format!("{size:.1?} behind the venue's"),
            _ => format!("{size:.1?} ahead of the venue's"),
        };
        let off = size > self.wanted.max_clock_offset;
        let state = if off { State::Refused } else { State::Fine };
        let remedy = "set the clock: `chronyc makestep`, or `timedatectl set-ntp true`";
        self.note("clock", state, found, remedy);
    }

    /// Judges an answer. Returns whether it makes sense to ask on.
    pub(super) fn judge(&mut self, question: Question, answer: Answer) -> bool {
        let body = match answer {
            Ok(body) => body,
            Err((status, error)) => return self.judge_error(question, status, &error),
        };
        let judged = match question {
            Question::Rules => self.judge_rules(&body),
            Question::Account => self.judge_account(&body),
            Question::Key => self.judge_key(&body),
            Question::Symbol => self.judge_symbol(&body),
            Question::Fees => self.judge_fees(&body),
            Question::FeeBurn => self.judge_fee_burn(&body),
            Question::Restrictions => self.judge_restrictions(&body),
            Question::Assets => self.judge_assets(&body),
            Question::Orders => self.judge_orders(&body),
            Question::Position => self.judge_position(&body),
            Question::Apply(_) | Question::Time(_) | Question::Done => Ok(()),
        };
        if let Err(error) = judged {
            let remedy = "the venue speaks differently than expected: report it, with this text";
            self.note(name(question), State::Refused, error.to_string(), remedy);
        }
        self.instrument.is_some()
    }

    fn judge_error(&mut self, question: Question, status: u16, error: &VenueError) -> bool {
        let code = error.code.map_or(String::new(), |code| format!(" ({code})"));
        let found = match error.message.is_empty() {
            true => format!("HTTP {status}{code}"),
            false => format!("{}{code}", error.message),
        };
        let (state, remedy) = match error.code {
            // Already as wanted.
            Some(-4046 | -4059 | -4171) => return true,
            Some(-2014 | -2015) => (
                State::Refused,
                "the key is not accepted: is it of this network (mainnet, demo), is our address on \
                 its list, may it trade futures?",
            ),
            Some(-1022) => (State::Refused, "the secret does not belong to the key"),
            Some(-1021) => (
                State::Refused,
                "our time is refused: set the clock, or widen exchange.recv_window on a slow line",
            ),
            _ if matches!(question, Question::Key | Question::FeeBurn | Question::Restrictions) => {
                (State::Warning, "not known; make sure by hand")
            }
            _ if matches!(status, 418 | 429) => {
                (State::Refused, "too many requests from this address: wait, then try again")
            }
            _ => {
                (State::Refused, "the venue refuses to answer: try again, look at its status page")
            }
        };
        self.note(name(question), state, found, remedy);
        // Nothing signed will be answered.
        !matches!(error.code, Some(-2014 | -2015 | -1022 | -1021) if question != Question::Key)
            && (state == State::Warning || question != Question::Rules)
    }

    fn judge_rules(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let info = ExchangeInfo::decode(body)?;
        let symbol = self.wanted.symbol.clone();
        let Some(row) = info.symbol(&symbol) else {
            let broken = info.unreadable.iter().find(|(name, _)| *name == symbol);
            let found = match broken {
                Some((_, error)) => format!("its rules cannot be read: {error}"),
                None => format!("{symbol} is not listed"),
            };
            self.note("contract", State::Refused, found, "check strategy.symbol");
            return Ok(());
        };
        let rules = &row.rules;
        match &row.status {
            SymbolStatus::Trading => {
                let found = format!(
                    "{symbol}, tick {}, step {}, at least {} {}",
                    rules.tick, rules.step, rules.min_notional, rules.quote
                );
                self.note("contract", State::Fine, found, "");
            }
            SymbolStatus::Not(status) => {
                let found = format!("{symbol} is {status}, not TRADING");
                self.note("contract", State::Refused, found, "wait, or trade another contract");
            }
        }
        match row.instrument(INSTRUMENT) {
            Ok(instrument) => self.instrument = Some(instrument),
            Err(error) => {
                let remedy = "this contract cannot be traded by us";
                self.note("contract", State::Refused, error.to_string(), remedy);
            }
        }
        self.limits = info.rate_limits;
        Ok(())
    }

    fn judge_account(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let account = AccountConfig::decode(body)?;
        if !account.can_trade {
            let remedy = "enable futures for this account, or ask the venue why it is restricted";
            self.note("account", State::Refused, "may not trade".to_owned(), remedy);
        } else {
            self.note("account", State::Fine, "may trade".to_owned(), "");
        }
        self.wrong.retain(|setting| *setting != Setting::Mode);
        if account.dual_side == Some(true) {
            self.wrong.push(Setting::Mode);
            let remedy = "switch to one-way mode in the venue's preferences (no position, no order), \
                          or set exchange.apply_settings: true";
            self.note("position mode", State::Refused, "hedge mode".to_owned(), remedy);
        } else {
            self.note("position mode", State::Fine, "one-way".to_owned(), "");
        }
        if account.multi_assets == Some(true) {
            let remedy = "switch to single-asset mode in the venue's preferences: the wallet that we \
                          watch is not what stands behind the position otherwise";
            self.note("margin assets", State::Refused, "multi-assets mode".to_owned(), remedy);
        } else {
            self.note("margin assets", State::Fine, "single-asset mode".to_owned(), "");
        }
        Ok(())
    }

    fn judge_key(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let key = KeyRights::decode(body)?;
        if key.withdrawals {
            let (state, remedy) = match self.wanted.allow_withdrawals {
                true => (State::Warning, "accepted because of exchange.allow_withdrawals"),
                false => (
                    State::Refused,
                    "take the right to withdraw from this key (a stolen key must not empty the \
                     account), or set exchange.allow_withdrawals: true",
                ),
            };
            self.note("withdrawals", state, "the key may withdraw".to_owned(), remedy);
        } else {
            self.note("withdrawals", State::Fine, "the key may not withdraw".to_owned(), "");
        }
        if key.futures == Some(false) {
            let remedy = "enable futures for this key";
            self.note("key rights", State::Refused, "no futures".to_owned(), remedy);
        } else if key.ip_restricted == Some(false) {
            let remedy = "restrict the key to the addresses of this machine";
            self.note("key rights", State::Warning, "usable from anywhere".to_owned(), remedy);
        } else {
            self.note("key rights", State::Fine, "futures, restricted by address".to_owned(), "");
        }
        Ok(())
    }

    fn judge_symbol(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let rows = SymbolConfig::decode_list(body)?;
        let row = rows.iter().find(|row| row.symbol == self.wanted.symbol);
        let (margin, leverage) = row.map_or((None, None), |row| (row.margin, row.leverage));
        self.wrong.retain(|setting| *setting == Setting::Mode);
        let applies = "or set exchange.apply_settings: true (needs no position and no order)";
        if margin == Some(MarginType::Cross) {
            self.note("margin type", State::Fine, "cross".to_owned(), "");
        } else {
            self.wrong.push(Setting::Margin);
            let found = margin.map_or("not known", |_| "isolated").to_owned();
            let remedy =
                format!("set cross margin for {} at the venue, {applies}", self.wanted.symbol);
            self.note("margin type", State::Refused, found, &remedy);
        }
        let wanted = self.wanted.leverage;
        if leverage == Some(wanted) {
            self.note("leverage", State::Fine, format!("{wanted}x"), "");
        } else {
            self.wrong.push(Setting::Leverage);
            let found = leverage.map_or("not known".to_owned(), |leverage| {
                format!("{leverage}x, configured is {wanted}x")
            });
            let remedy = format!("set {wanted}x at the venue, or exchange.leverage, {applies}");
            self.note("leverage", State::Refused, found, &remedy);
        }
        Ok(())
    }

    fn judge_fees(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let found = CommissionRate::decode(body)?;
        let (maker, taker) = self.wanted.fees;
        let excess = |found: Rate, wanted: Rate| found.decimal().units() - wanted.decimal().units();
        let worse = excess(found.maker, maker).max(excess(found.taker, taker));
        let text = format!("maker {}, taker {}", found.maker.decimal(), found.taker.decimal());
        let (state, remedy) = if worse > FEES_FAR_OFF.decimal().units() {
            (State::Refused, "far above exchange.fees: correct these, and reconsider the spread")
        } else if worse > 0 {
            (State::Warning, "above exchange.fees; the venue's are used")
        } else {
            (State::Fine, "")
        };
        self.fees = Some((found.maker, found.taker));
        self.note("fees", state, text, remedy);
        Ok(())
    }

    fn judge_fee_burn(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let burns = decode_fee_burn(body)?;
        let (state, found) = match burns {
            true => (State::Warning, "paid in BNB"),
            false => (State::Fine, "paid in the quote currency"),
        };
        let remedy = "turn off paying fees in BNB: they would be missing from our PnL";
        self.note("fee currency", state, found.to_owned(), remedy);
        Ok(())
    }

    fn judge_restrictions(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let rules = TradingRule::decode_list(body)?;
        let ours = |rule: &&TradingRule| {
            rule.locked && (rule.about == "ACCOUNT" || rule.about == self.wanted.symbol)
        };
        let broken: Vec<String> = rules
            .iter()
            .filter(ours)
            .map(|rule| format!("{} of {} until {}", rule.name, rule.about, rule.recovers))
            .collect();
        if broken.is_empty() {
            self.note("restrictions", State::Fine, "none".to_owned(), "");
        } else {
            let remedy = "the venue takes only reducing orders: wait until then";
            self.note("restrictions", State::Refused, broken.join(", "), remedy);
        }
        Ok(())
    }

    fn judge_assets(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let account = AccountReply::decode(body)?;
        if account.in_credits_mode() {
            let remedy = "accounts in credits mode (BNFCR) are not supported: PnL would not be in the \
                          quote currency";
            self.note("credits", State::Refused, "BNFCR credits".to_owned(), remedy);
        }
        let Some(instrument) = &self.instrument else { return Ok(()) };
        let quote = instrument.rules().quote.clone();
        let wallet = account.asset(&quote).map_or(Decimal::ZERO, |row| row.wallet);
        let (state, remedy) = match wallet > Decimal::ZERO {
            true => (State::Fine, String::new()),
            false => (State::Refused, format!("transfer {quote} to the futures wallet")),
        };
        self.note("balance", state, format!("{wallet} {quote}"), &remedy);
        Ok(())
    }

    fn judge_orders(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let orders = OrderReply::decode_list(body)?;
        self.orders = orders.len();
        let (ours, others): (Vec<_>, Vec<_>) =
            orders.iter().partition(|order| matches!(order.owner, Owner::Ours(_)));
        let (state, found, remedy) = match (ours.len(), others.len()) {
            (0, 0) => (State::Fine, "none open".to_owned(), ""),
            (count, 0) => (
                State::Warning,
                format!("{count} of an earlier session"),
                "they are taken over and canceled",
            ),
            (count, foreign) => {
                let names: Vec<String> =
                    others.iter().take(NAMED_MAX).map(|o| o.venue_id.0.to_string()).collect();
                let found = format!("{count} of ours, {foreign} of others: {}", names.join(", "));
                (State::Warning, found, "orders of others are never touched; they are reported")
            }
        };
        self.note("orders", state, found, remedy);
        Ok(())
    }

    fn judge_position(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let rows = PositionRow::decode_list(body)?;
        let Some(instrument) = &self.instrument else { return Ok(()) };
        let Some(row) = one_way(&rows, instrument.symbol()) else {
            self.position = Position::new(1);
            let remedy = "close the hedge-mode positions";
            self.note("position", State::Refused, "hedge-mode positions".to_owned(), remedy);
            return Ok(());
        };
        let position = row.map_or(Ok(Position::ZERO), |row| row.position(instrument))?;
        self.position = position;
        let size = instrument.qty_decimal(position.abs());
        let found =
            format!("{} {}", instrument.position_decimal(position), instrument.rules().base);
        let (state, remedy) = if position == Position::ZERO {
            (State::Fine, "")
        } else if size > self.wanted.max_position {
            (State::Refused, "beyond risk.max_position: reduce it by hand, or raise the limit")
        } else {
            (State::Warning, "it is taken over")
        };
        self.note("position", state, found, remedy);
        Ok(())
    }
}

/// What an answer is about, when it is not there.
fn name(question: Question) -> &'static str {
    match question {
        Question::Time(_) => "clock",
        Question::Rules => "contract",
        Question::Account => "account",
        Question::Key => "withdrawals",
        Question::Symbol => "leverage",
        Question::Fees => "fees",
        Question::FeeBurn => "fee currency",
        Question::Restrictions => "restrictions",
        Question::Assets => "balance",
        Question::Orders => "orders",
        Question::Position => "position",
        Question::Apply(Setting::Mode) => "position mode",
        Question::Apply(Setting::Margin) => "margin type",
        Question::Apply(Setting::Leverage) => "leverage",
        Question::Done => "venue",
    }
}
