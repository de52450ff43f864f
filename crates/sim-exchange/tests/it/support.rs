//! Short spellings for the other modules.

use std::time::Duration;

use market::venue::{
    Amend, Fill, NewOrder, OrderFate, OrderKind, TimeInForce, VenueCommand, VenueReport,
};
use market::{ClientOrderId, Instrument, InstrumentId, Nanos, Price, Qty, Side};
use sim_exchange::{AccountId, CrowdConfig, Injection, Latency, SimConfig, SimExchange, SimOutput};

pub(crate) const ID: InstrumentId = InstrumentId(0);
/// 2026-11-22 16:00:00.5 UTC: half a second after a funding stamp.
pub(crate) const START: Nanos = Nanos(1_795_363_200_500_000_000);

pub(crate) fn instrument() -> Instrument {
    Instrument::known(ID, "ETHUSDC").unwrap()
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn at(millis: u64) -> Nanos {
    START + ms(millis)
}

pub(crate) fn name(sequence: u32) -> ClientOrderId {
    ClientOrderId { session: 1, sequence }
}

/// Without a crowd and without delays.
pub(crate) fn quiet() -> SimConfig {
    let mut config = SimConfig::new(instrument(), 7, START);
    config.crowd = CrowdConfig::none();
    config.latency = Latency::ZERO;
    config
}

pub(crate) fn busy(seed: u64) -> SimConfig {
    SimConfig::new(instrument(), seed, START)
}

pub(crate) fn order(n: u32, side: Side, price: i64, qty: u64, tif: TimeInForce) -> NewOrder {
    NewOrder {
        instrument: ID,
        client_id: name(n),
        side,
        qty: Qty::new(qty),
        kind: OrderKind::Limit { price: Price::new(price), tif },
        reduce_only: false,
    }
}

pub(crate) fn place(n: u32, side: Side, price: i64, qty: u64, tif: TimeInForce) -> VenueCommand {
    VenueCommand::Place(order(n, side, price, qty, tif))
}

pub(crate) fn amend(n: u32, side: Side, price: i64, qty: u64) -> VenueCommand {
    let (price, qty) = (Price::new(price), Qty::new(qty));
    VenueCommand::Amend(Amend { instrument: ID, client_id: name(n), side, price, qty })
}

pub(crate) fn cancel(n: u32) -> VenueCommand {
    VenueCommand::Cancel { instrument: ID, client_id: name(n) }
}

/// Steps from deadline to deadline up to `until`.
pub(crate) fn run(sim: &mut SimExchange, until: Nanos, out: &mut Vec<SimOutput>) {
    while let Some(at) = sim.next_deadline().filter(|&at| at <= until) {
        sim.step(at, &[], out);
    }
    sim.step(until, &[], out);
}

/// Runs a script on a venue without crowd, delays or faults and compares what the trader hears.
pub(crate) fn check(script: &str, expected: expect_test::Expect) {
    expected.assert_eq(&play(quiet(), script).1);
}

/// Runs a script line by line; returns the venue and the transcript.
///
/// ```text
/// sell 10 @ 101 gtx #1 ro    the trader places order 1, reduce-only
/// market buy 10 #2           the same at market
/// amend #1 sell 12 @ 102     cancel #1    cancel all    query #1    account    account after 3
/// dead-man 500               in milliseconds
/// other: ...                 the same by the second account; its answers are not shown
/// wait 500                   in milliseconds
/// foreign buy 5 @ 100        a fill of no order of ours
/// print sell 5 @ 100         somebody takes
/// ```
/// Prices are ticks above 261 000, quantities lots, so that `10 @ 0` is 0.010 ETH at 2610.00.
pub(crate) fn play(config: SimConfig, script: &str) -> (SimExchange, String) {
    let mut sim = SimExchange::new(config);
    let (mut now, mut out, mut transcript) = (START, Vec::new(), String::new());
    run(&mut sim, now, &mut out);
    out.clear();
    for line in script.lines().map(|l| l.split("  ").map(str::trim)) {
        let Some(line) = line.into_iter().find(|part| !part.is_empty()) else { continue };
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["wait", millis] => now = now + ms(number(millis)),
            ["other:", ref rest @ ..] => {
                sim.command_as(AccountId::OTHER, now, &command(rest));
            }
            ["foreign", side, qty, "@", price] => sim.inject(Injection::ForeignFill {
                side: side_of(side),
                price: price_of(price),
                qty: Qty::new(number(qty)),
            }),
            ["print", side, qty, "@", price] => sim.inject(Injection::Trade {
                aggressor: side_of(side),
                price: price_of(price),
                qty: Qty::new(number(qty)),
            }),
            ref rest => {
                transcript += &format!("> {line}\n");
                sim.step(now, &[command(rest)], &mut out);
            }
        }
        run(&mut sim, now, &mut out);
        sim.assert_invariants();
        for output in out.drain(..) {
            if let SimOutput::Venue(report) = output {
                transcript += &format!("{}\n", say(&report));
            }
        }
    }
    (sim, transcript)
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.trim_start_matches('#').parse().unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn side_of(text: &str) -> Side {
    match text {
        "buy" => Side::Buy,
        "sell" => Side::Sell,
        other => panic!("not a side: {other}"),
    }
}

fn price_of(text: &str) -> Price {
    Price::new(261_000 + number::<i64>(text))
}

fn command(words: &[&str]) -> VenueCommand {
    match words {
        ["market", side, qty, id, rest @ ..] => VenueCommand::Place(NewOrder {
            kind: OrderKind::Market,
            reduce_only: rest.contains(&"ro"),
            ..order(number(id), side_of(side), 1, number(qty), TimeInForce::Ioc)
        }),
        ["amend", id, side, qty, "@", price] => {
            amend(number(id), side_of(side), price_of(price).raw(), number(qty))
        }
        ["cancel", "all"] => VenueCommand::CancelAll { instrument: ID },
        ["cancel", id] => cancel(number(id)),
        ["query", id] => VenueCommand::QueryOrder { instrument: ID, client_id: name(number(id)) },
        ["account"] => VenueCommand::QueryAccount { instrument: ID, since: None, query: 0 },
        ["account", "after", since] => VenueCommand::QueryAccount {
            instrument: ID,
            query: 0,
            since: Some(market::TradeId(number(since))),
        },
        ["dead-man", millis] => {
            VenueCommand::ArmDeadMan { instrument: ID, countdown: ms(number(millis)) }
        }
        [side, qty, "@", price, tif, id, rest @ ..] => {
            let tif = match *tif {
                "gtc" => TimeInForce::Gtc,
                "ioc" => TimeInForce::Ioc,
                "fok" => TimeInForce::Fok,
                "gtx" => TimeInForce::PostOnly,
                other => panic!("not a time in force: {other}"),
            };
            let price = price_of(price).raw();
            VenueCommand::Place(NewOrder {
                reduce_only: rest.contains(&"ro"),
                ..order(number(id), side_of(side), price, number(qty), tif)
            })
        }
        other => panic!("not a command: {other:?}"),
    }
}

/// One line per report.
pub(crate) fn say(report: &VenueReport) -> String {
    let p = |price: Price| price.raw() - 261_000;
    match report {
        VenueReport::Ack { client_id, .. } => format!("ack #{}", client_id.sequence),
        VenueReport::Reject { client_id, request, reason } => {
            format!("reject #{} {request:?}: {reason:?}", client_id.sequence)
        }
        VenueReport::Fill(fill) => say_fill(fill),
        VenueReport::Amended { client_id, price, qty } => {
            format!("amended #{} to {qty:?} @ {}", client_id.sequence, p(*price))
        }
        VenueReport::Canceled { client_id, filled } => {
            format!("canceled #{} filled {filled:?}", client_id.sequence)
        }
        VenueReport::Expired { client_id, filled, reason } => {
            format!("expired #{} filled {filled:?}: {reason:?}", client_id.sequence)
        }
        VenueReport::InDoubt { client_id, request } => {
            format!("in doubt #{} {request:?}", client_id.sequence)
        }
        VenueReport::Order { client_id, fate, fills } => {
            let fate = match fate {
                OrderFate::Open(o) => {
                    format!("open {} {:?} @ {} filled {:?}", o.side, o.qty, p(o.price), o.filled)
                }
                OrderFate::Closed { filled, outcome } => format!("{outcome:?} filled {filled:?}"),
                OrderFate::NotFound => "not found".to_owned(),
            };
            let fills: Vec<String> = fills.iter().map(say_fill).collect();
            format!("order #{}: {fate} [{}]", client_id.sequence, fills.join(", "))
        }
        VenueReport::Account(a) => format!(
            "account: position {:?} entry {} wallet {} open {} fills {:?} last {:?}",
            a.position,
            a.entry,
            a.wallet,
            a.open_orders.len(),
            a.fills.iter().map(|fill| fill.trade_id.0).collect::<Vec<_>>(),
            a.last_trade.map(|id| id.0),
        ),
        VenueReport::DeadManArmed { until } if *until == Nanos::MAX => "dead-man off".to_owned(),
        VenueReport::DeadManArmed { until } => {
            format!("dead-man in {} ms", until.since(START).as_millis())
        }
        other => format!("{other:?}"),
    }
}

fn say_fill(fill: &Fill) -> String {
    let id = fill.client_id.map_or("foreign".to_owned(), |id| format!("#{}", id.sequence));
    let role = if fill.maker { "maker" } else { "taker" };
    let (qty, sum) = (fill.qty, fill.cumulative);
    let price = fill.price.raw() - 261_000;
    let (side, fee, trade) = (fill.side, fill.fee, fill.trade_id.0);
    format!("fill {id} {side} {qty:?} @ {price} {role} fee {fee} (sum {sum:?}, trade {trade})")
}
