//! What goes wrong on purpose, as data.

use std::time::Duration;

use ::market::Nanos;
use serde::{Deserialize, Serialize};

use super::record::LIQUIDATION_PREFIX;

use super::front::{Fate, Reply};

/// How long a WebSocket lives if no fault shortens it: a day.
const CONNECTION_LIFE: Duration = Duration::from_secs(86_400);
/// How long a reply is held back that never comes.
const NEVER: Duration = Duration::from_secs(3_600);

/// Faults of the exchange. Chances are in parts per million (1 000 000 is always) and drawn per
/// request or message from the exchange's seed. `POST /faults` on the control port replaces them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Place, modify, cancel: the connection ends and nothing was done.
    pub drop_before: u32,
    /// Place, modify, cancel: done, but the connection ends without an answer.
    pub drop_after: u32,
    /// Any request: 503 "Service Unavailable.", nothing was done.
    pub unavailable: u32,
    /// Place, modify, cancel: 503 "Unknown error, ...", nothing was done.
    pub unknown_before: u32,
    /// Place, modify, cancel: done, but answered by 503 "Unknown error, ..." without a code.
    pub unknown_after: u32,
    /// Place, modify, cancel: done, but answered by 408 -1007.
    pub timeout_after: u32,
    /// Place, modify, cancel: not done, answered by 408 -1007.
    pub timeout_before: u32,
    /// Place, modify, cancel: done, but answered by -1006.
    pub unexpected_after: u32,
    /// Place and modify: 503 -1008, nothing was done.
    pub overload: u32,
    /// Any request: a 502 page of HTML, nothing was done.
    pub bad_gateway: u32,
    /// Place, modify, cancel over REST: not done, and no answer ever comes although the connection
    /// stays open.
    pub hang_before: u32,
    /// Place, modify, cancel over REST: done, and no answer ever comes although the connection stays
    /// open.
    pub hang_after: u32,
    /// Queries with a key: 500 -1001.
    pub fail_query: u32,
    /// `countdownCancelAll`: 503, not armed.
    pub fail_dead_man: u32,
    /// Cancels: -2011 although the order lives.
    pub refuse_cancel: u32,
    /// Every request is answered by 429 with `Retry-After: 1`.
    pub too_many_requests: bool,
    /// Every request is answered by 418 with a ban of two minutes.
    pub ban: bool,
    /// Every request is answered by 503, as in maintenance.
    pub maintenance: bool,
    /// The exchange judges and tells the time by a clock that is off by this much. Times of events
    /// stay right; `--clock-skew` shifts them too.
    pub clock_skew_ms: i64,
    /// Replies are held back by this much.
    pub reply_delay_ms: u64,
    /// And by up to this much more.
    pub reply_jitter_ms: u64,
    /// Market sockets stay open and say nothing.
    pub silent_market: bool,
    /// User data sockets stay open and say nothing.
    pub silent_user: bool,
    /// A message of the user data stream is lost.
    pub lose_user: u32,
    /// A message of the user data stream arrives twice.
    pub duplicate_user: u32,
    /// A message of the user data stream arrives after the one behind it.
    pub reorder_user: u32,
    /// Messages of the user data stream are held back by this much; their order stays.
    pub user_delay_ms: u64,
    /// And by up to this much more.
    pub user_jitter_ms: u64,
    /// After a message of the user data stream an old execution is reported again, word for word.
    pub replay_fills: u32,
    /// A message spells its decimal numbers in another way: `0.1` or `0.10000` for `0.100`.
    pub vary_numbers: u32,
    /// A message lacks the fields that are not needed to understand it.
    pub drop_fields: u32,
    /// A message has fields that no documentation knows, in every object.
    pub unknown_fields: u32,
    /// Before a message of a stream comes an event that no documentation knows.
    pub unknown_events: u32,
    /// A gathered depth update is lost, which breaks the chain.
    pub lose_depth: u32,
    /// New WebSocket connections are refused by 503.
    pub refuse_sockets: bool,
    /// WebSockets, those that are open and those that are opened, are dead from now on without
    /// being closed: no message, no pong, no end. They stay so when the fault is over.
    pub half_open: bool,
    /// WebSockets are closed when they get this old; 0 for 24 hours.
    pub connection_life_ms: u64,
    /// The symbol is not TRADING: orders are refused by -4141, `exchangeInfo` says SETTLING.
    pub closed: bool,
}

impl Faults {
    /// How old a WebSocket may get.
    pub fn connection_life(&self) -> Duration {
        match self.connection_life_ms {
            0 => CONNECTION_LIFE,
            millis => Duration::from_millis(millis).min(CONNECTION_LIFE),
        }
    }

    /// The time as the exchange sees it.
    pub(super) fn skewed(&self, now: Nanos) -> Nanos {
        let span = Duration::from_millis(self.clock_skew_ms.unsigned_abs());
        if self.clock_skew_ms < 0 { now - span } else { now + span }
    }
}

/// Who trades on an account besides its owner's programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hand {
    /// A person with the venue's app.
    #[default]
    Person,
    /// The venue's liquidation engine.
    Liquidation,
    /// Auto-deleveraging.
    Deleverage,
    /// Settlement of the contract.
    Settlement,
}

impl Hand {
    /// The beginning of the client ids that the venue gives to such orders (facts, 6.4).
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Person => "web_",
            Self::Liquidation => LIQUIDATION_PREFIX,
            Self::Deleverage => "adl_autoclose",
            Self::Settlement => "settlement_autoclose-",
        }
    }
}

/// Something done to the exchange once: `POST /actions` on the control port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Cut every connection, as after 24 hours.
    DropConnections,
    /// The listen key of an account expires now.
    ExpireListenKey {
        /// Whose.
        api_key: String,
    },
    /// The account trades by an order that is not its own.
    Trade {
        /// Whose.
        api_key: String,
        /// `BUY` or `SELL`.
        side: String,
        /// Decimal.
        price: String,
        /// Decimal.
        quantity: String,
        /// Who places that order.
        #[serde(default)]
        by: Hand,
    },
    /// Deposit or withdrawal.
    Transfer {
        /// Whose.
        api_key: String,
        /// Signed decimal.
        amount: String,
    },
    /// Somebody else changes the leverage of an account.
    Leverage {
        /// Whose.
        api_key: String,
        /// New.
        leverage: u32,
    },
    /// Somebody else changes the position mode of an account.
    Hedge {
        /// Whose.
        api_key: String,
        /// New.
        hedge: bool,
    },
    /// The account may only reduce from now on (-4400), or trade again.
    Lock {
        /// Whose.
        api_key: String,
        /// New.
        locked: bool,
    },
    /// All open orders of an account are canceled by somebody else.
    CancelAll {
        /// Whose.
        api_key: String,
    },
    /// Mark and index jump here.
    Mark {
        /// Decimal.
        price: String,
    },
    /// Somebody else changes the margin type of an account, orders and position or not.
    MarginType {
        /// Whose.
        api_key: String,
        /// New.
        isolated: bool,
    },
    /// Somebody else changes the asset mode of an account.
    MultiAssets {
        /// Whose.
        api_key: String,
        /// New.
        multi_assets: bool,
    },
    /// Funding is paid now to or by everybody with a position.
    Funding {
        /// Decimal; the running estimate if left out.
        #[serde(default)]
        rate: Option<String>,
    },
    /// The last executions of an account are reported again, word for word, oldest first.
    ReplayFills {
        /// Whose.
        api_key: String,
        /// How many.
        count: usize,
    },
}

/// One thing that happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Drop,
    Hang,
    Unavailable,
    Unknown,
    Timeout,
    Unexpected,
    Overload,
    BadGateway,
    Internal,
    CancelRefused,
}

impl Fault {
    pub(super) fn reply(self) -> Reply {
        let (status, body) = match self {
            Self::Drop | Self::Hang => (0, ""),
            Self::Unavailable => (503, r#"{"code":-1001,"msg":"Service Unavailable."}"#),
            // Seen in the wild without a code.
            Self::Unknown => {
                (503, r#"{"msg":"Unknown error, please check your request or try again later."}"#)
            }
            Self::Timeout => (
                408,
                r#"{"code":-1007,"msg":"Timeout waiting for response from backend server. Send status unknown; execution status unknown."}"#,
            ),
            Self::Unexpected => (
                500,
                r#"{"code":-1006,"msg":"An unexpected response was received from the message bus. Execution status unknown."}"#,
            ),
            Self::Overload => (
                503,
                r#"{"code":-1008,"msg":"Server is currently overloaded with other requests. Please try again in a few minutes."}"#,
            ),
            Self::BadGateway => (502, "<html><head><title>502 Bad Gateway</title></head></html>"),
            Self::Internal => (
                500,
                r#"{"code":-1001,"msg":"Internal error; unable to process your request. Please try again."}"#,
            ),
            Self::CancelRefused => (400, r#"{"code":-2011,"msg":"Unknown order sent."}"#),
        };
        let fate = match self {
            Self::Drop => Fate::Drop,
            Self::Hang => Fate::Send(NEVER),
            _ => Fate::Send(Duration::ZERO),
        };
        Reply { status, body: body.to_owned(), headers: Vec::new(), fate }
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Injected {
    /// Instead of carrying it out.
    pub(super) early: Option<Fault>,
    /// Instead of the reply.
    pub(super) late: Option<Fault>,
}

/// A stream of numbers, for faults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed ^ 0x9e37_79b9_7f4a_7c15 }
    }

    pub(super) fn next(&mut self) -> u64 {
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn chance(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.next() % 1_000_000 < u64::from(ppm)
    }

    pub(super) fn delay(&mut self, faults: &Faults) -> Duration {
        self.span(faults.reply_delay_ms, faults.reply_jitter_ms)
    }

    /// A fixed span and a random one. Draws nothing when nothing is random.
    pub(super) fn span(&mut self, fixed_ms: u64, jitter_ms: u64) -> Duration {
        let more = if jitter_ms == 0 { 0 } else { self.next() % jitter_ms.saturating_add(1) };
        Duration::from_millis(fixed_ms.saturating_add(more)).min(NEVER)
    }

    /// Decides about a request; WS API methods have no slash.
    pub(super) fn draw(&mut self, faults: &Faults, method: &str, path: &str) -> Injected {
        let order = method != "GET" && (path.contains("rder") || path.starts_with("order."));
        let cancel = method == "DELETE" && order;
        let dead_man = path.contains("countdown");
        let rest = order && path.starts_with('/');
        let query = method == "GET" && !path.contains("/ping") && !path.contains("/time");
        let early = [
            (faults.maintenance, 1_000_000, Fault::Unavailable),
            (true, faults.bad_gateway, Fault::BadGateway),
            (true, faults.unavailable, Fault::Unavailable),
            (order, faults.drop_before, Fault::Drop),
            (rest, faults.hang_before, Fault::Hang),
            (order, faults.unknown_before, Fault::Unknown),
            (order, faults.timeout_before, Fault::Timeout),
            (order && !cancel, faults.overload, Fault::Overload),
            (cancel, faults.refuse_cancel, Fault::CancelRefused),
            (dead_man, faults.fail_dead_man, Fault::Unavailable),
            (query, faults.fail_query, Fault::Internal),
        ];
        let late = [
            (order, faults.drop_after, Fault::Drop),
            (rest, faults.hang_after, Fault::Hang),
            (order, faults.unknown_after, Fault::Unknown),
            (order, faults.timeout_after, Fault::Timeout),
            (order, faults.unexpected_after, Fault::Unexpected),
        ];
        let mut injected = Injected::default();
        for (applies, ppm, fault) in early {
            if applies && self.chance(ppm) {
                injected.early = Some(fault);
                return injected;
            }
        }
        for (applies, ppm, fault) in late {
            if applies && self.chance(ppm) {
                injected.late = Some(fault);
                return injected;
            }
        }
        injected
    }
}
