//! Rate limits: weight per address, orders per account, on windows of the clock.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use market::Nanos;
use serde_json::{Value, json};

use super::error::ApiError;

/// Addresses remembered at a time; a loopback exchange sees few.
const ADDRESSES_MAX: usize = 10_000;
/// Requests above the limit within one minute before the address is banned.
const STRIKES: u32 = 20;
/// The first ban; each further one is twice as long.
const BAN: Duration = Duration::from_secs(120);
/// The longest ban.
const BAN_MAX: Duration = Duration::from_secs(3 * 86_400);

/// What the venue allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitRules {
    /// Request weight per minute and address.
    pub weight_per_minute: u32,
    /// Orders per 10 s and account.
    pub orders_per_10s: u32,
    /// Orders per minute and account.
    pub orders_per_minute: u32,
}

impl Default for LimitRules {
    fn default() -> Self {
        Self { weight_per_minute: 2_400, orders_per_10s: 300, orders_per_minute: 1_200 }
    }
}

#[derive(Clone, Debug, Default)]
struct Caller {
    minute: u64,
    used: u32,
    strikes: u32,
    bans: u32,
    banned_until: Nanos,
}

/// Weight by address.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    callers: BTreeMap<IpAddr, Caller>,
}

/// Why a request was turned away at the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What to say.
    pub error: ApiError,
    /// `Retry-After`, in seconds.
    pub retry_after: u64,
}

impl Weights {
    /// Charges a request; says how much of this minute's weight is used up.
    ///
    /// # Errors
    /// 429 above the limit, 418 for those who go on regardless.
    pub fn charge(
        &mut self,
        rules: &LimitRules,
        now: Nanos,
        ip: IpAddr,
        weight: u32,
    ) -> Result<u32, Refused> {
        if self.callers.len() >= ADDRESSES_MAX && !self.callers.contains_key(&ip) {
            self.callers.retain(|_, caller| caller.banned_until > now);
        }
        let caller = self.callers.entry(ip).or_default();
        if now < caller.banned_until {
            return Err(banned(caller.banned_until, now, ip));
        }
        let minute = now.as_millis() / 60_000;
        if caller.minute != minute {
            (caller.minute, caller.used, caller.strikes) = (minute, 0, 0);
        }
        caller.used = caller.used.saturating_add(weight);
        if caller.used <= rules.weight_per_minute {
            return Ok(caller.used);
        }
        caller.strikes += 1;
        if caller.strikes > STRIKES {
            let span = (BAN * 2_u32.saturating_pow(caller.bans.min(12))).min(BAN_MAX);
            caller.bans += 1;
            caller.banned_until = now + span;
            return Err(banned(caller.banned_until, now, ip));
        }
        let text = format!(
            "Too many requests; current limit of IP({ip}) is {} requests per minute. Please use \
             the websocket for live updates to avoid polling the API.",
            rules.weight_per_minute
        );
        let retry_after = ((minute + 1) * 60_000 - now.as_millis()).div_ceil(1_000);
        Err(Refused { error: ApiError::new(-1003, text).with_status(429), retry_after })
    }

    /// What an address has used of this minute's weight.
    pub fn used(&self, now: Nanos, ip: IpAddr) -> u32 {
        let minute = now.as_millis() / 60_000;
        self.callers.get(&ip).filter(|caller| caller.minute == minute).map_or(0, |c| c.used)
    }
}

/// The refusal of a banned address.
pub(crate) fn banned(until: Nanos, now: Nanos, ip: IpAddr) -> Refused {
    let text = format!(
        "Way too many requests; IP({ip}) banned until {}. Please use the websocket for live \
         updates to avoid bans.",
        until.as_millis()
    );
    let retry_after = until.since(now).as_millis().div_ceil(1_000) as u64;
    Refused { error: ApiError::new(-1003, text).with_status(418), retry_after }
}

/// Orders placed and modified by one account.
#[derive(Clone, Copy, Debug, Default)]
pub struct OrderCounts {
    windows: [(u64, u32); 2],
}

impl OrderCounts {
    /// Counts on both windows.
    ///
    /// # Errors
    /// -1015, and nothing is counted.
    pub fn charge(
        &mut self,
        rules: &LimitRules,
        now: Nanos,
        (seconds, minute): (u32, u32),
    ) -> Result<(), ApiError> {
        self.turn(now);
        let [(_, in_10s), (_, in_minute)] = self.windows;
        if in_10s + seconds > rules.orders_per_10s {
            return Err(ApiError::too_many_orders_per("10 SECOND", rules.orders_per_10s));
        }
        if in_minute + minute > rules.orders_per_minute {
            return Err(ApiError::too_many_orders_per("1 MINUTE", rules.orders_per_minute));
        }
        self.windows[0].1 += seconds;
        self.windows[1].1 += minute;
        Ok(())
    }

    /// Used of 10 seconds and of the minute.
    pub fn used(&mut self, now: Nanos) -> (u32, u32) {
        self.turn(now);
        (self.windows[0].1, self.windows[1].1)
    }

    fn turn(&mut self, now: Nanos) {
        let millis = now.as_millis();
        for ((window, used), length) in self.windows.iter_mut().zip([10_000, 60_000]) {
            if *window != millis / length {
                (*window, *used) = (millis / length, 0);
            }
        }
    }
}

/// `rateLimits` rows; with counters where the WS API reports them.
pub(crate) fn weight_row(rules: &LimitRules, used: Option<u32>) -> Value {
    let limit = rules.weight_per_minute;
    match used {
        Some(count) => json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE",
            "intervalNum": 1, "limit": limit, "count": count}),
        None => json!({"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE",
            "intervalNum": 1, "limit": limit}),
    }
}

/// The two rows about orders.
pub(crate) fn order_rows(rules: &LimitRules, used: Option<(u32, u32)>) -> [Value; 2] {
    let row = |interval: &str, number: u32, limit: u32, count: Option<u32>| {
        let mut row = json!({"rateLimitType": "ORDERS", "interval": interval,
            "intervalNum": number, "limit": limit});
        if let Some(count) = count {
            row["count"] = count.into();
        }
        row
    };
    [
        row("SECOND", 10, rules.orders_per_10s, used.map(|(seconds, _)| seconds)),
        row("MINUTE", 1, rules.orders_per_minute, used.map(|(_, minute)| minute)),
    ]
}
