//! What each answer means.

use std::time::Duration;

use market::{Decimal, Nanos, Position, Rate};

use super::{FEES_FAR_OFF, Failure, INSTRUMENT, Preflight, Question, Setting, State};
use crate::reaction::{Reaction, Verdict};
use crate::replies::{
    AccountConfig, AccountReply, CommissionRate, ExchangeInfo, KeyRights, OrderReply, Owner,
    PositionRow, SymbolConfig, SymbolStatus, TradingRule, decode_fee_burn, decode_multi_assets,
    decode_position_mode, one_way,
};
use crate::rest::MarginType;
use crate::wire::DecodeError;

/// Orders of others that are named.
const NAMED_MAX: usize = 5;

impl Preflight {
    pub(super) fn judge_clock(&mut self, now: Nanos) {
        let remedy = "set the clock: `chronyc makestep`, or `timedatectl set-ntp true`";
        let (Some(offset), Some(doubt)) = (self.clock.offset(), self.clock.uncertainty(now)) else {
            let found = "it was set back while we asked".to_owned();
            return self.note("clock", State::Refused, found, remedy);
        };
        let size = Duration::from_nanos(offset.unsigned_abs());
        let side = if offset < 0 { "ahead of" } else { "behind" };
        let found = format!("{size:.1?} {side} the venue's, give or take {doubt:.1?}");
        if size > self.wanted.max_clock_offset {
            self.note("clock", State::Refused, found, remedy);
        } else if size + doubt > self.wanted.max_clock_offset {
            let remedy = "the way to the venue is too slow to tell: look at the network";
            self.note("clock", State::Warning, found, remedy);
        } else {
            self.note("clock", State::Fine, found, "");
        }
    }

    /// Judges an answer.
    pub(super) fn judge(&mut self, question: Question, body: &[u8]) {
        let judged = match question {
            Question::Rules => self.judge_rules(body),
            Question::Account => self.judge_account(body),
            Question::PositionMode => decode_position_mode(body).map(|on| self.judge_mode(on)),
            Question::AssetMode => decode_multi_assets(body).map(|on| self.judge_assets_mode(on)),
            Question::Key => self.judge_key(body),
            Question::Symbol => self.judge_symbol(body),
            Question::Fees => self.judge_fees(body),
            Question::FeeBurn => self.judge_fee_burn(body),
            Question::Restrictions => self.judge_restrictions(body),
            Question::Assets => self.judge_assets(body),
            Question::Orders => self.judge_orders(body),
            Question::Position => self.judge_position(body),
            Question::Apply(_) | Question::Time(_) | Question::Done => Ok(()),
        };
        if let Err(error) = judged {
            let remedy = "the venue speaks differently than expected: report it, with this text";
            let state = if is_optional(question) { State::Warning } else { State::Refused };
            self.note(name(question), state, error.to_string(), remedy);
        }
    }

    /// Judges that there is no answer. Returns whether it makes sense to ask on.
    pub(super) fn judge_failure(&mut self, question: Question, failure: &Failure) -> bool {
        let Failure { status, error, verdict } = failure;
        let code = error.code.map_or(String::new(), |code| format!(" ({code})"));
        let found = match error.message.is_empty() {
            true => format!("HTTP {status}{code}"),
            false => format!("{}{code}", error.message),
        };
        if is_optional(question) {
            let remedy = "could not be asked; make sure by hand";
            self.note(name(question), State::Warning, found, remedy);
            return true;
        }
        if let Question::Apply(setting) = question {
            self.denied.push((setting, found));
            return true;
        }
        let (what, remedy) = match (error.code, status) {
            (Some(-1021), _) => (
                "clock",
                "our time is refused: set the clock (`chronyc makestep`, or `timedatectl set-ntp \
                 true`), or widen exchange.recv_window on a slow line",
            ),
            (Some(-1022), _) => (
                "API key",
                "the secret does not belong to the key: look for a mixed-up or cut-off secret",
            ),
            (Some(-1002 | -2014 | -2015 | -2017), _) | (None, 401) => (
                "API key",
                "the key is not accepted: is it whole, of this network (mainnet, demo and testnet \
                 have keys of their own), allowed from our address, allowed to trade futures?",
            ),
            (_, 418 | 429) => return self.banned(found, verdict),
            (_, 403) => ("venue", "the firewall of the venue turned us away: wait some minutes"),
            (_, 451) => ("venue", "the venue does not serve the place that we ask from"),
            (None, 0) => ("venue", "check network, exchange.proxy and exchange.network (base_url)"),
            _ => {
                let remedy = "the venue does not answer this: try again, look at its status page";
                self.note(name(question), State::Refused, found, remedy);
                return !matches!(question, Question::Time(_));
            }
        };
        // Nothing that follows would be answered either.
        self.note(what, State::Refused, found, remedy);
        false
    }

    fn banned(&mut self, found: String, verdict: &Verdict) -> bool {
        let remedy = match verdict.reaction {
            Reaction::SlowDown { until } => {
                format!("too many requests from this address: start again after {until}")
            }
            _ => "too many requests from this address: wait, then start again".to_owned(),
        };
        self.note("venue", State::Refused, found, &remedy);
        false
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
        let post_only = |tif: &String| tif == "GTX";
        if let SymbolStatus::Not(status) = &row.status {
            let found = format!("{symbol} is {status}, not TRADING");
            self.note("contract", State::Refused, found, "wait, or trade another contract");
        } else if !row.times_in_force.iter().any(post_only) {
            let found = format!("{symbol} takes no post-only orders");
            self.note("contract", State::Refused, found, "trade another contract");
        } else {
            let found = format!(
                "{symbol}, tick {}, step {}, at least {} {}",
                rules.tick, rules.step, rules.min_notional, rules.quote
            );
            let (state, remedy) = match row.contract.ends_with("PERPETUAL") {
                true => (State::Fine, ""),
                false => (State::Warning, "not a perpetual: it ends, and pays no funding"),
            };
            self.note("contract", state, found, remedy);
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
        if let Some(on) = account.dual_side {
            self.judge_mode(on);
        }
        if let Some(on) = account.multi_assets {
            self.judge_assets_mode(on);
        }
        Ok(())
    }

    fn judge_mode(&mut self, hedge: bool) {
        self.hedge = Some(hedge);
        self.wrong.retain(|setting| *setting != Setting::Mode);
        if hedge {
            self.wrong.push(Setting::Mode);
            let remedy = self.by_hand(
                Setting::Mode,
                "switch to one-way mode in the venue's preferences (no position, no order)",
            );
            self.note("position mode", State::Refused, "hedge mode".to_owned(), &remedy);
        } else {
            self.note("position mode", State::Fine, "one-way".to_owned(), "");
        }
    }

    fn judge_assets_mode(&mut self, multi: bool) {
        self.multi_assets = Some(multi);
        if multi {
            let remedy = "switch to single-asset mode in the venue's preferences: the wallet that we \
                          watch is not what stands behind the position otherwise";
            self.note("margin assets", State::Refused, "multi-assets mode".to_owned(), remedy);
        } else {
            self.note("margin assets", State::Fine, "single-asset mode".to_owned(), "");
        }
    }

    /// What to do about a setting: by hand, or why we could not do it ourselves.
    fn by_hand(&self, setting: Setting, remedy: &str) -> String {
        let denied = self.denied.iter().find(|(which, _)| *which == setting);
        match denied {
            Some((_, why)) => format!("{remedy}; setting it was refused: {why}"),
            None if self.applied => format!("{remedy}; setting it changed nothing"),
            None if self.wanted.apply_settings => {
                format!("{remedy}; it is set only when there is neither position nor order")
            }
            None => format!("{remedy}, or set exchange.apply_settings: true"),
        }
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
        } else if key.transfers {
            let remedy = "take the right to transfer from this key: trading does not need it";
            self.note("key rights", State::Warning, "may move money".to_owned(), remedy);
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
        if margin == Some(MarginType::Cross) {
            self.note("margin type", State::Fine, "cross".to_owned(), "");
        } else {
            self.wrong.push(Setting::Margin);
            let found = margin.map_or("not known", |_| "isolated").to_owned();
            let remedy = format!("set cross margin for {} at the venue", self.wanted.symbol);
            let remedy = self.by_hand(Setting::Margin, &remedy);
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
            let remedy = format!("set {wanted}x at the venue, or correct exchange.leverage");
            let remedy = self.by_hand(Setting::Leverage, &remedy);
            self.note("leverage", State::Refused, found, &remedy);
        }
        Ok(())
    }

    fn judge_fees(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let found = CommissionRate::decode(body)?;
        let (maker, taker) = self.wanted.fees;
        let excess = |found: Rate, wanted: Rate| found.decimal().units() - wanted.decimal().units();
        let worse = excess(found.maker, maker).max(excess(found.taker, taker));
        let text = format!("maker {}, taker {}", found.maker, found.taker);
        let (state, remedy) = if worse > FEES_FAR_OFF.decimal().units() {
            (State::Refused, "far above exchange.fees: correct these, and reconsider the spreads")
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
        let row = account.asset(&quote);
        let wallet = row.map_or(Decimal::ZERO, |row| row.wallet);
        let free = row.map_or(Decimal::ZERO, |row| row.available);
        let found = format!("{wallet} {quote}, {free} of it free");
        if wallet <= Decimal::ZERO {
            let remedy = format!("transfer {quote} to the futures wallet");
            self.note("balance", State::Refused, found, &remedy);
        } else if free <= Decimal::ZERO {
            let remedy = "all of it is bound: the venue will refuse new orders for lack of margin";
            self.note("balance", State::Warning, found, remedy);
        } else {
            self.note("balance", State::Fine, found, "");
        }
        Ok(())
    }

    fn judge_orders(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let orders = OrderReply::decode_list(body)?;
        self.orders = Some(orders.len());
        let (ours, others): (Vec<_>, Vec<_>) =
            orders.iter().partition(|order| matches!(order.owner, Owner::Ours(_)));
        let (state, found, remedy) = match (ours.len(), others.len()) {
            (0, 0) => (State::Fine, "none open".to_owned(), ""),
            (count, 0) => (
                State::Warning,
                format!("{count} of an earlier session"),
                "they will be canceled at the start",
            ),
            (count, foreign) => {
                let named = others.iter().take(NAMED_MAX).map(|order| order.venue_id.0.to_string());
                let mut names: Vec<String> = named.collect();
                if foreign > NAMED_MAX {
                    names.push(format!("and {} more", foreign - NAMED_MAX));
                }
                let found = format!("{count} of ours, {foreign} of others: {}", names.join(", "));
                let remedy = "those of others are let be, but the dead-man's switch knows no owner: \
                              should we fall silent, it cancels them too; trade them elsewhere";
                (State::Warning, found, remedy)
            }
        };
        self.note("orders", state, found, remedy);
        Ok(())
    }

    fn judge_position(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let rows = PositionRow::decode_list(body)?;
        let Some(instrument) = &self.instrument else { return Ok(()) };
        let Some(row) = one_way(&rows, instrument.symbol()) else {
            let remedy = "close the hedge-mode positions";
            self.note("position", State::Refused, "hedge-mode positions".to_owned(), remedy);
            return Ok(());
        };
        let position = row.map_or(Ok(Position::ZERO), |row| row.position(instrument))?;
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
        self.position = Some(position);
        Ok(())
    }
}

/// Whether trading may begin without the answer.
fn is_optional(question: Question) -> bool {
    match question {
        Question::Key | Question::FeeBurn | Question::Restrictions => true,
        Question::Time(_)
        | Question::Rules
        | Question::Account
        | Question::PositionMode
        | Question::AssetMode
        | Question::Symbol
        | Question::Fees
        | Question::Assets
        | Question::Orders
        | Question::Position
        | Question::Apply(_)
        | Question::Done => false,
    }
}

/// What an answer is about, when it is not there.
fn name(question: Question) -> &'static str {
    match question {
        Question::Time(_) => "clock",
        Question::Rules => "contract",
        Question::Account => "account",
        Question::PositionMode => "position mode",
        Question::AssetMode => "margin assets",
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
