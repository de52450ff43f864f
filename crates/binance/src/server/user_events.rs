//! User events on their way out, and what the faults make of them.

use std::collections::VecDeque;

use ::market::venue::VenueReport;
use ::market::{Nanos, Usd};
use serde_json::json;

use super::AccountEvent;
use super::disguise::unknown_event;
use super::front::{Front, Push};
use super::streams::Topic;

/// Executions remembered for being told again.
const FILLS_MAX: usize = 64;

/// User events that are held back, and executions that were told.
#[derive(Clone, Debug, Default)]
pub(super) struct UserEvents {
    held: VecDeque<(Nanos, Push)>,
    told: VecDeque<(usize, String)>,
}

impl UserEvents {
    /// When the next event has been held long enough.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        self.held.front().map(|(due, _)| *due)
    }

    /// Remembers an execution that is told.
    pub(super) fn tell(&mut self, who: usize, text: &str) {
        if self.told.len() >= FILLS_MAX {
            self.told.pop_front();
        }
        self.told.push_back((who, text.to_owned()));
    }
}

impl Front {
    /// Whether an event of this account would reach anybody.
    pub(super) fn hears(&self, who: usize) -> bool {
        !self.faults.silent_user && self.wanted.contains_key(&Topic::User(who))
    }

    /// Sends an event to an account, or what the faults make of it.
    pub(super) fn push_user(&mut self, who: usize, event: &'static str, mut text: String) {
        if !self.hears(who) || self.dice.chance(self.faults.lose_user) {
            return;
        }
        if self.faults.disguises()
            && let Ok(mut message) = serde_json::from_str(&text)
        {
            self.dice.disguise(&self.faults, &mut message);
            text = message.to_string();
        }
        let topic = Topic::User(who);
        if self.dice.chance(self.faults.unknown_events) {
            let text = unknown_event(self.now).to_string();
            self.send_user(Push { topic, event: "NEW_KIND_OF_EVENT", text }, false);
        }
        let push = Push { topic, event, text };
        if self.dice.chance(self.faults.duplicate_user) {
            self.send_user(push.clone(), false);
        }
        let swaps = self.dice.chance(self.faults.reorder_user);
        self.send_user(push, swaps);
        if self.dice.chance(self.faults.replay_fills) {
            let old: Vec<_> = self.told_to(who).collect();
            if !old.is_empty() {
                let pick = self.dice.next() as usize % old.len();
                self.tell_again(who, old[pick].clone());
            }
        }
    }

    /// Reports the last executions again.
    pub(super) fn replay_fills(&mut self, who: usize, count: usize) {
        let old: Vec<_> = self.told_to(who).collect();
        for text in old.into_iter().rev().take(count).rev() {
            self.tell_again(who, text);
        }
    }

    fn told_to(&self, who: usize) -> impl Iterator<Item = String> {
        let own = self.user_events.told.iter().filter(move |(own, _)| *own == who);
        own.map(|(_, text)| text.clone())
    }

    fn tell_again(&mut self, who: usize, text: String) {
        let (topic, event) = (Topic::User(who), "ORDER_TRADE_UPDATE");
        self.send_user(Push { topic, event, text }, false);
    }

    /// Sends a message now or later; if it `swaps`, before the one that went last.
    fn send_user(&mut self, push: Push, swaps: bool) {
        let (delay, jitter) = (self.faults.user_delay_ms, self.faults.user_jitter_ms);
        let held = &mut self.user_events.held;
        if delay == 0 && jitter == 0 && held.is_empty() {
            let last = self.pushes.len().saturating_sub(1);
            let behind = self.pushes.last().is_some_and(|before| before.topic == push.topic);
            self.pushes.insert(if swaps && behind { last } else { self.pushes.len() }, push);
            return;
        }
        let due = self.now + self.dice.span(delay, jitter);
        let due = held.back().map_or(due, |(before, _)| due.max(*before));
        match held.back_mut() {
            Some((_, before)) if swaps && before.topic == push.topic => {
                let before = std::mem::replace(before, push);
                held.push_back((due, before));
            }
            _ => held.push_back((due, push)),
        }
    }

    /// Lets out what has been held long enough.
    pub(super) fn release_user_events(&mut self, now: Nanos) {
        while self.user_events.held.front().is_some_and(|(due, _)| *due <= now) {
            self.pushes.extend(self.user_events.held.pop_front().map(|(_, push)| push));
        }
    }

    /// What the faults make of the market messages that have gathered since the last call.
    pub(super) fn disguise_market(&mut self) {
        let new = self.pushes.split_off(self.disguised.min(self.pushes.len()));
        for mut push in new {
            let is_market = !matches!(push.topic, Topic::User(_));
            if is_market && self.dice.chance(self.faults.unknown_events) {
                let (topic, text) = (push.topic, unknown_event(self.now).to_string());
                self.pushes.push(Push { topic, event: "NEW_KIND_OF_EVENT", text });
            }
            if is_market
                && self.faults.disguises()
                && let Ok(mut message) = serde_json::from_str(&push.text)
            {
                self.dice.disguise(&self.faults, &mut message);
                push.text = message.to_string();
            }
            self.pushes.push(push);
        }
        self.disguised = self.pushes.len();
    }

    /// Somebody else changed the margin type.
    pub(super) fn change_margin_type(&mut self, who: usize, isolated: bool, now: Nanos) {
        self.accounts[who].isolated = isolated;
        let event = AccountEvent {
            account: who,
            at: now,
            // Only what follows it is told.
            report: VenueReport::Resync,
            after: self.accounts[who].standing,
        };
        self.account_event(&event, "MARGIN_TYPE_CHANGE", Usd::ZERO, true);
    }

    /// Somebody changed the asset mode.
    pub(super) fn change_asset_mode(&mut self, who: usize, multi_assets: bool, now: Nanos) {
        self.accounts[who].multi_assets = multi_assets;
        let millis = now.as_millis();
        let event = json!({
            "e": "ACCOUNT_CONFIG_UPDATE", "T": millis, "E": millis, "ai": {"j": multi_assets},
        });
        self.push_user(who, "ACCOUNT_CONFIG_UPDATE", event.to_string());
    }

    /// Notes a leverage and tells the account.
    pub(super) fn change_leverage(&mut self, who: usize, leverage: u32, now: Nanos) {
        self.accounts[who].leverage = leverage;
        let (symbol, millis) = (self.config.instrument.symbol(), now.as_millis());
        let event = json!({
            "e": "ACCOUNT_CONFIG_UPDATE", "T": millis, "E": millis,
            "ac": {"s": symbol, "l": leverage},
        });
        self.push_user(who, "ACCOUNT_CONFIG_UPDATE", event.to_string());
    }
}
