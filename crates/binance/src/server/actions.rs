//! Things done to the exchange from its control port.

use ::market::venue::VenueCommand;
use ::market::{Decimal, FinePrice, Nanos, Rate, Side, Usd};

use super::Machine;
use super::faults::{Action, Faults};
use super::front::Front;
use super::market::Funded;

/// No funding rate is larger: 3 %.
const RATE_MAX: i64 = 3_000_000;

impl Front {
    /// What goes wrong at present.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Other faults from now on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Does something to the exchange once.
    ///
    /// # Errors
    /// What is wrong with the wish.
    pub fn act(
        &mut self,
        machine: &mut dyn Machine,
        now: Nanos,
        action: &Action,
    ) -> Result<(), String> {
        self.now = now;
        self.absorb_events(machine);
        match action {
            Action::DropConnections => self.cut_all = true,
            Action::ExpireListenKey { api_key } => {
                let who = self.whose(api_key)?;
                self.expire_listen_key(who, now);
            }
            Action::Trade { api_key, side, price, quantity, by } => {
                let who = self.whose(api_key)?;
                let side = if side == "SELL" { Side::Sell } else { Side::Buy };
                let instrument = &self.config.instrument;
                let price = instrument.price(decimal(price)?).map_err(|e| e.to_string())?;
                let qty = instrument.qty(decimal(quantity)?).map_err(|e| e.to_string())?;
                if qty.is_zero() {
                    return Err("quantity is zero".to_owned());
                }
                self.accounts[who].hands.push_back(*by);
                machine.trade_for(who, side, price, qty);
            }
            Action::Transfer { api_key, amount } => {
                let (who, amount) = (self.whose(api_key)?, decimal(amount)?);
                machine.transfer(who, Usd::from_decimal(amount));
            }
            Action::Leverage { api_key, leverage } => {
                let who = self.whose(api_key)?;
                machine.set_leverage(who, *leverage);
                self.change_leverage(who, (*leverage).max(1), now);
            }
            Action::MarginType { api_key, isolated } => {
                let who = self.whose(api_key)?;
                self.change_margin_type(who, *isolated, now);
            }
            Action::MultiAssets { api_key, multi_assets } => {
                let who = self.whose(api_key)?;
                self.change_asset_mode(who, *multi_assets, now);
            }
            Action::Hedge { api_key, hedge } => {
                let who = self.whose(api_key)?;
                self.accounts[who].hedge = *hedge;
            }
            Action::Lock { api_key, locked } => {
                let who = self.whose(api_key)?;
                self.accounts[who].locked = *locked;
            }
            Action::CancelAll { api_key } => {
                let who = self.whose(api_key)?;
                let instrument = self.config.instrument.id;
                let command = VenueCommand::CancelAll { instrument };
                self.execute(machine, now, who, &command).map_err(|e| e.to_string())?;
            }
            Action::Mark { price } => {
                machine.set_mark(FinePrice::from_decimal(decimal(price)?));
            }
            Action::Funding { rate } => self.pay_funding(machine, now, rate.as_deref())?,
            Action::ReplayFills { api_key, count } => {
                let who = self.whose(api_key)?;
                self.replay_fills(who, *count);
            }
        }
        self.absorb_events(machine);
        Ok(())
    }

    fn pay_funding(
        &mut self,
        machine: &mut dyn Machine,
        now: Nanos,
        rate: Option<&str>,
    ) -> Result<(), String> {
        let rate = match rate {
            Some(text) => {
                let units = decimal(text)?.units();
                if units.unsigned_abs() > RATE_MAX.unsigned_abs() {
                    return Err(format!("a funding rate of {text} is beyond 3 %"));
                }
                Rate::new(units)
            }
            None => self.market.mark.map_or(Rate::ZERO, |(update, _)| update.funding_rate),
        };
        machine.pay_funding(rate);
        self.market.note_funding(Funded { at: now, rate, mark: machine.mark() });
        Ok(())
    }

    fn whose(&self, api_key: &str) -> Result<usize, String> {
        self.account_of(api_key).ok_or_else(|| format!("no account has the API key `{api_key}`"))
    }
}

fn decimal(text: &str) -> Result<Decimal, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}
