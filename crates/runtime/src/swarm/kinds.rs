//! Everything that can go wrong in a swarm run, as a table.

use binance::server::Faults;

/// Who or what causes a trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// How the venue answers requests.
    Requests,
    /// How its streams behave.
    Streams,
    /// The way between.
    Network,
    /// Our own process and machine.
    Process,
    /// Whoever runs the trader.
    Operator,
    /// Others on the same account, and the account itself.
    Account,
    /// The market.
    Market,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Requests,
        Self::Streams,
        Self::Network,
        Self::Process,
        Self::Operator,
        Self::Account,
        Self::Market,
    ];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Streams => "streams",
            Self::Network => "network",
            Self::Process => "process",
            Self::Operator => "operator",
            Self::Account => "account",
            Self::Market => "market",
        }
    }
}

/// One kind of trouble.
#[derive(Debug)]
pub struct Kind {
    /// Its name, in reports.
    pub name: &'static str,
    /// Who causes it.
    pub class: Class,
    /// How long it lasts, shortest and longest, in milliseconds; zero for what happens once.
    pub lasts: (u64, u64),
    /// How strong, weakest and strongest; what it measures depends on the kind.
    pub level: (u64, u64),
    /// How often, relative to the others of its class.
    pub weight: u64,
}

const fn kind(
    name: &'static str,
    class: Class,
    weight: u64,
    lasts: (u64, u64),
    level: (u64, u64),
) -> Kind {
    Kind { name, class, lasts, level, weight }
}

/// From rare to always, in parts per million.
const OFTEN: (u64, u64) = (10_000, 500_000);
const ALWAYS: (u64, u64) = (200_000, 1_000_000);
const ON: (u64, u64) = (1, 1);
const ALL: u32 = 1_000_000;
const SHORT: (u64, u64) = (1_000, 20_000);
const LONG: (u64, u64) = (2_000, 60_000);
const ONCE: (u64, u64) = (0, 0);

use Class::{Account, Market, Network, Operator, Process, Requests, Streams};

/// All kinds. Names of the first two classes are those of the exchange's faults.
pub static KINDS: &[Kind] = &[
    kind("drop_before", Requests, 4, LONG, OFTEN),
    kind("drop_after", Requests, 6, LONG, OFTEN),
    kind("hang_before", Requests, 3, LONG, OFTEN),
    kind("hang_after", Requests, 4, LONG, OFTEN),
    kind("unavailable", Requests, 4, LONG, OFTEN),
    kind("unknown_before", Requests, 4, LONG, OFTEN),
    kind("unknown_after", Requests, 6, LONG, OFTEN),
    kind("timeout_before", Requests, 4, LONG, OFTEN),
    kind("timeout_after", Requests, 6, LONG, OFTEN),
    kind("unexpected_after", Requests, 6, LONG, OFTEN),
    kind("overload", Requests, 3, LONG, OFTEN),
    kind("bad_gateway", Requests, 4, LONG, OFTEN),
    kind("fail_query", Requests, 6, LONG, ALWAYS),
    kind("fail_dead_man", Requests, 4, LONG, ALWAYS),
    kind("refuse_cancel", Requests, 6, LONG, ALWAYS),
    kind("too_many_requests", Requests, 2, SHORT, ON),
    kind("ban", Requests, 1, (500, 5_000), ON),
    kind("maintenance", Requests, 2, (2_000, 90_000), ON),
    kind("clock_skew_ms", Requests, 2, LONG, (100, 4_000)),
    kind("reply_delay_ms", Requests, 4, LONG, (20, 4_000)),
    kind("reply_jitter_ms", Requests, 4, LONG, (20, 2_000)),
    kind("closed", Requests, 1, LONG, ON),
    kind("silent_market", Streams, 4, LONG, ON),
    kind("silent_user", Streams, 6, LONG, ON),
    kind("lose_user", Streams, 8, LONG, ALWAYS),
    kind("duplicate_user", Streams, 4, LONG, ALWAYS),
    kind("reorder_user", Streams, 6, LONG, ALWAYS),
    kind("user_delay_ms", Streams, 6, LONG, (20, 4_000)),
    kind("user_jitter_ms", Streams, 4, LONG, (20, 3_000)),
    kind("replay_fills", Streams, 4, LONG, ALWAYS),
    kind("lose_depth", Streams, 6, LONG, OFTEN),
    kind("refuse_sockets", Streams, 3, LONG, ON),
    kind("half_open", Streams, 3, (200, 5_000), ON),
    kind("connection_life_ms", Streams, 2, LONG, (2_000, 20_000)),
    kind("expire_listen_key", Streams, 3, ONCE, ON),
    kind("vary_numbers", Streams, 1, LONG, ALWAYS),
    kind("drop_fields", Streams, 1, LONG, ALWAYS),
    kind("unknown_fields", Streams, 1, LONG, ALWAYS),
    kind("unknown_events", Streams, 1, LONG, OFTEN),
    kind("latency_ms", Network, 6, LONG, (10, 1_500)),
    kind("jitter_ms", Network, 6, LONG, (10, 1_500)),
    kind("lost_requests", Network, 5, LONG, OFTEN),
    kind("lost_answers", Network, 6, LONG, OFTEN),
    kind("stall", Network, 5, (200, 8_000), ON),
    kind("cut", Network, 5, ONCE, ON),
    kind("cut_user", Network, 4, ONCE, ON),
    kind("dead_sockets", Network, 4, ONCE, ON),
    kind("unreachable", Network, 3, (1_000, 50_000), ON),
    kind("crash", Process, 10, (0, 40_000), ON),
    kind("crash_at_once", Process, 10, ONCE, (1, 400)),
    kind("power_loss", Process, 4, (2_000, 60_000), ON),
    kind("shutdown", Process, 3, (0, 20_000), ON),
    kind("pause_process", Process, 6, (200, 12_000), ON),
    kind("clock_ahead_ms", Process, 3, (2_000, 30_000), (50, 5_000)),
    kind("pause", Operator, 3, SHORT, ON),
    kind("halt", Operator, 5, LONG, ON),
    kind("flatten", Operator, 4, LONG, ON),
    kind("reset_breaker", Operator, 2, ONCE, ON),
    kind("halt_blind", Operator, 2, (80_000, 120_000), ON),
    kind("halt_refused", Operator, 2, (80_000, 120_000), ON),
    kind("limit_position", Operator, 6, (5_000, 120_000), (50, 600)),
    kind("limit_rate", Operator, 3, (5_000, 120_000), (1, 10)),
    kind("reconfigure", Operator, 3, (5_000, 120_000), (1, 1_000_000)),
    kind("hand_trade", Account, 6, ONCE, (1, 400)),
    kind("odd_trade", Account, 2, ONCE, (20, 400)),
    kind("hand_order", Account, 4, LONG, (1, 200)),
    kind("liquidation", Account, 1, (3_000, 20_000), (50, 200)),
    kind("deleverage", Account, 1, ONCE, (10, 100)),
    kind("transfer", Account, 4, ONCE, (1, 2_000)),
    kind("cancel_all_by_hand", Account, 4, ONCE, ON),
    kind("funding", Account, 3, ONCE, (1, 2_000)),
    kind("replay_fills_now", Account, 3, ONCE, (1, 20)),
    kind("lock", Account, 1, LONG, ON),
    kind("hedge", Account, 1, LONG, ON),
    kind("sweep", Market, 8, ONCE, (2, 80)),
    kind("flash_crash", Market, 3, ONCE, (100, 600)),
    kind("empty_side", Market, 2, ONCE, ON),
    kind("mark_jump", Market, 2, ONCE, (1, 300)),
];

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// Sets the exchange's fault of this name; false where there is none.
pub(super) fn set(faults: &mut Faults, name: &str, level: u64) -> bool {
    let ppm = u32::try_from(level).unwrap_or(u32::MAX);
    let on = level > 0;
    match name {
        "drop_before" => faults.drop_before = ppm,
        "drop_after" => faults.drop_after = ppm,
        "hang_before" => faults.hang_before = ppm,
        "hang_after" => faults.hang_after = ppm,
        "unavailable" => faults.unavailable = ppm,
        "unknown_before" => faults.unknown_before = ppm,
        "unknown_after" => faults.unknown_after = ppm,
        "timeout_before" => faults.timeout_before = ppm,
        "timeout_after" => faults.timeout_after = ppm,
        "unexpected_after" => faults.unexpected_after = ppm,
        "overload" => faults.overload = ppm,
        "bad_gateway" => faults.bad_gateway = ppm,
        "fail_query" => faults.fail_query = ppm,
        "fail_dead_man" => faults.fail_dead_man = ppm,
        "refuse_cancel" => faults.refuse_cancel = ppm,
        "too_many_requests" => faults.too_many_requests = on,
        "ban" => faults.ban = on,
        "maintenance" => faults.maintenance = on,
        // Either way, by the last digit.
        "clock_skew_ms" => {
            let sign = if level.is_multiple_of(2) { 1 } else { -1 };
            faults.clock_skew_ms = sign * level.cast_signed();
        }
        "reply_delay_ms" => faults.reply_delay_ms = level,
        "reply_jitter_ms" => faults.reply_jitter_ms = level,
        "closed" => faults.closed = on,
        // Told to cancel, and the venue says of every order that it does not know it; or it answers
        // neither cancels nor questions. Only the switch at the venue works.
        "halt_refused" => faults.refuse_cancel = ALL,
        "halt_blind" => (faults.unknown_before, faults.fail_query) = (ALL, ALL),
        "silent_market" => faults.silent_market = on,
        "silent_user" => faults.silent_user = on,
        "lose_user" => faults.lose_user = ppm,
        "duplicate_user" => faults.duplicate_user = ppm,
        "reorder_user" => faults.reorder_user = ppm,
        "user_delay_ms" => faults.user_delay_ms = level,
        "user_jitter_ms" => faults.user_jitter_ms = level,
        "replay_fills" => faults.replay_fills = ppm,
        "lose_depth" => faults.lose_depth = ppm,
        "refuse_sockets" => faults.refuse_sockets = on,
        "half_open" => faults.half_open = on,
        "connection_life_ms" => faults.connection_life_ms = level,
        "vary_numbers" => faults.vary_numbers = ppm,
        "drop_fields" => faults.drop_fields = ppm,
        "unknown_fields" => faults.unknown_fields = ppm,
        "unknown_events" => faults.unknown_events = ppm,
        _ => return false,
    }
    true
}
