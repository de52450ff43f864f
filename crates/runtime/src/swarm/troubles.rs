//! Makes troubles happen, and ends them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use binance::Credentials;
use binance::server::{Action, Faults, Hand, Machine, Request};
use engine::{Control, EngineConfig};
use market::{FinePrice, Nanos, Price, Qty, Side};
use quoting::StrategyConfig;

use super::auditor::Rule;
use super::kinds;
use super::network::{SocketKey, Weather};
use super::plan::Planned;
use super::setup::{KEY, Setup, WHALE};
use super::witness::TRADER;
use super::world::World;

/// Where others on the account sit.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
/// How long an orderly end may take before it is a kill.
const ENDING_MAX: Duration = Duration::from_secs(15);
/// The venue takes prices up to so far from mark, in basis points; a little less.
const BAND_BPS: u64 = 480;
/// From here on people only reduce the position.
const HELD_ENOUGH: Qty = Qty::new(150);

/// What is wrong at present, and what is to be put right later.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    active: Vec<(Nanos, Planned)>,
    /// The trader is to be started then.
    start_at: Option<Nanos>,
    /// It is ending in good order, until then at most, and is started again so much later.
    ending: Option<(Nanos, Duration)>,
    /// The operator has not managed to resume yet.
    owes_resume: bool,
    owes_unpause: bool,
    /// The venue has traded in our place, after which the trader halts when it learns of it.
    forced: bool,
    /// The trader must be started anew to see that all is well again.
    owes_restart: bool,
    hand_orders: u64,
    /// Deaths so far, whatever the reason.
    pub(super) deaths: u64,
}

impl Troubles {
    /// When something here is due.
    pub(super) fn next_due(&self) -> Option<Nanos> {
        let ends = self.active.iter().map(|(end, _)| *end);
        ends.chain(self.start_at).min()
    }

    /// Begins a trouble.
    pub(super) fn begin(&mut self, world: &mut World, planned: Planned) {
        if !planned.lasts.is_zero() {
            self.active.push((world.now + planned.lasts, planned));
        }
        let name = planned.kind.name;
        if kinds::set(&mut Faults::default(), name, planned.level) {
            self.apply_faults(world);
            match name {
                "maintenance" => world.cut(),
                "halt_blind" | "halt_refused" => self.operator(world, &planned),
                _ => {}
            }
            return;
        }
        self.network(world, &planned);
        self.process(world, &planned);
        self.operator(world, &planned);
        self.account(world, &planned);
        market(world, &planned);
    }

    /// Ends what is over, and starts the trader when its time has come.
    pub(super) fn on_time(&mut self, world: &mut World) {
        let now = world.now;
        while let Some(index) = self.active.iter().position(|(end, _)| *end <= now) {
            let (_, planned) = self.active.swap_remove(index);
            self.end(world, &planned);
        }
        if let Some((limit, down)) = self.ending {
            let done = world.process.as_ref().is_none_or(|p| p.turn.engine().is_done());
            if done || now >= limit {
                self.ending = None;
                self.leave(world, done, down);
            }
        }
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            if world.process.is_none() {
                world.start(false);
            }
        }
    }

    /// Whether something must be looked at after every step.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Everything ends; what only an operator can put right, an operator does.
    pub(super) fn calm_down(&mut self, world: &mut World) {
        for (_, planned) in std::mem::take(&mut self.active) {
            self.end(world, &planned);
        }
        if self.ending.take().is_some() || std::mem::take(&mut self.owes_restart) {
            self.kill(world, false, Duration::ZERO);
        }
        self.start_at = None;
        world.net.weather = Weather::default();
        world.front.set_faults(Faults::default());
        if world.process.is_none() {
            world.start(false);
        }
        if let Some(process) = &mut world.process {
            process.asleep_until = Nanos::ZERO;
        }
        if std::mem::take(&mut self.owes_resume) {
            resume(world, true);
        }
        if std::mem::take(&mut self.owes_unpause) {
            resume(world, false);
        }
    }

    /// A trader that has halted by itself because of a forced close is told to go on.
    pub(super) fn after_a_forced_close(&mut self, world: &mut World) {
        let Some(process) = &world.process else { return };
        let (latches, _) = process.turn.engine().latched();
        if self.forced && latches.halted && !world.venue.auditor.is_halted() {
            self.forced = !resume(world, true);
        }
    }

    fn end(&mut self, world: &mut World, planned: &Planned) {
        let name = planned.kind.name;
        if kinds::set(&mut Faults::default(), name, planned.level) {
            self.apply_faults(world);
        }
        match name {
            "latency_ms" | "jitter_ms" | "lost_requests" | "lost_answers" | "unreachable" => {
                self.apply_weather(world);
            }
            "clock_ahead_ms" => self.kill(world, false, Duration::ZERO),
            "pause" => self.owes_unpause = !resume(world, false),
            "halt" | "halt_blind" | "halt_refused" | "flatten" | "liquidation" => {
                self.owes_resume = !resume(world, true)
            }
            "limit_position" | "limit_rate" | "reconfigure" => {
                let config = EngineConfig { session: world.lives, ..world.setup.engine.clone() };
                let told = configure(world, config);
                self.owes_restart |= !told && world.process.is_some();
            }
            "hand_order" => {
                let name = format!("web_{}", planned.at.as_micros());
                by_hand(world, TRADER, "DELETE", &format!("origClientOrderId={name}"));
            }
            "lock" | "hedge" => {
                world.act(&account_action(name, false));
                self.kill(world, false, Duration::ZERO);
            }
            _ => {}
        }
    }

    fn apply_faults(&self, world: &mut World) {
        let mut faults = Faults::default();
        for (_, planned) in &self.active {
            kinds::set(&mut faults, planned.kind.name, planned.level);
        }
        world.front.set_faults(faults);
    }

    fn apply_weather(&self, world: &mut World) {
        let mut weather =
            Weather { stalled_until: world.net.weather.stalled_until, ..Weather::default() };
        for (_, planned) in &self.active {
            let (level, span) = (planned.level, Duration::from_millis(planned.level));
            match planned.kind.name {
                "latency_ms" => weather.slow = weather.slow.max(span),
                "jitter_ms" => weather.jitter = weather.jitter.max(span),
                "lost_requests" => weather.lost_requests = weather.lost_requests.max(level),
                "lost_answers" => weather.lost_answers = weather.lost_answers.max(level),
                "unreachable" => weather.unreachable = true,
                _ => {}
            }
        }
        world.net.weather = weather;
    }

    fn network(&self, world: &mut World, planned: &Planned) {
        let now = world.now;
        match planned.kind.name {
            "latency_ms" | "jitter_ms" | "lost_requests" | "lost_answers" => {
                self.apply_weather(world);
            }
            "unreachable" => {
                self.apply_weather(world);
                deaden(world);
            }
            "stall" => {
                let until = &mut world.net.weather.stalled_until;
                *until = (*until).max(now + planned.lasts);
            }
            "cut" => world.cut(),
            "cut_user" => {
                let user = world.net.sockets.iter().filter(|(_, socket)| socket.user);
                for key in user.map(|(key, _)| *key).collect::<Vec<SocketKey>>() {
                    world.close_from_venue(key);
                }
            }
            "dead_sockets" => deaden(world),
            "expire_listen_key" => {
                world.act(&Action::ExpireListenKey { api_key: KEY.to_owned() });
            }
            _ => {}
        }
    }

    fn process(&mut self, world: &mut World, planned: &Planned) {
        match planned.kind.name {
            "crash" => self.kill(world, false, planned.lasts),
            "crash_at_once" => {
                // Between any two events.
                for _ in 0..planned.level {
                    world.advance(world.now + Duration::from_secs(1));
                    if world.venue.auditor.violation.is_some() {
                        return;
                    }
                }
                self.kill(world, planned.level.is_multiple_of(2), Duration::ZERO);
            }
            "power_loss" => {
                // Nobody says goodbye.
                deaden(world);
                self.kill(world, true, planned.lasts);
            }
            "shutdown" => self.shut_down(world, planned.lasts),
            "pause_process" => {
                if let Some(process) = &mut world.process {
                    process.asleep_until = process.asleep_until.max(world.now + planned.lasts);
                }
            }
            "clock_ahead_ms" => {
                if let Some(process) = &mut world.process {
                    process.ahead += Duration::from_millis(planned.level);
                    world.venue.auditor.clock_jumped(world.now);
                }
            }
            _ => {}
        }
    }

    /// The trader is told to stop.
    fn shut_down(&mut self, world: &mut World, down: Duration) {
        if self.ending.is_none() && control(world, Control::Shutdown) {
            world.venue.auditor.stopped(world.now, false);
            self.ending = Some((world.now + ENDING_MAX, down));
        }
    }

    /// The trader dies at this moment, and is started again after a while.
    fn kill(&mut self, world: &mut World, in_the_middle: bool, down: Duration) {
        self.ending = None;
        let Some(process) = world.end_life() else { return };
        drop(process);
        self.deaths += 1;
        let found = world.disk.die();
        world.venue.auditor.judge(Rule::Disk, world.now, found);
        match down.is_zero() {
            true => world.start(in_the_middle),
            false => self.start_at = Some(world.now + down),
        }
    }

    /// The trader ends in good order, or as good as it gets.
    fn leave(&mut self, world: &mut World, done: bool, down: Duration) {
        if !done {
            return self.kill(world, false, down);
        }
        let Some(process) = world.end_life() else { return };
        self.deaths += 1;
        let carry = process.turn.engine().carry();
        if let Some(carry) = carry {
            world.disk.keep(carry, true);
        }
        let finished = process.turn.finish().map(|_| ()).map_err(|error| error.to_string());
        let found = finished.and_then(|()| world.disk.end());
        world.venue.auditor.judge(Rule::Disk, world.now, found);
        self.start_at = Some(world.now + down.max(Duration::from_millis(1)));
    }

    fn operator(&mut self, world: &mut World, planned: &Planned) {
        let mut config = EngineConfig { session: world.lives, ..world.config.clone() };
        let limits = &mut config.desks[0].limits;
        match planned.kind.name {
            "pause" => pause(world),
            "halt" | "halt_blind" | "halt_refused" => {
                halt(world, Control::Halt);
            }
            "flatten" => {
                halt(world, Control::Flatten);
            }
            "reset_breaker" => {
                control(world, Control::ResetBreaker);
            }
            "limit_position" => {
                limits.max_position = Qty::new(planned.level);
                configure(world, config);
            }
            "limit_rate" => {
                limits.max_orders_per_second = planned.level as u32;
                limits.max_orders_per_minute = planned.level as u32 * 6;
                configure(world, config);
            }
            "reconfigure" => {
                let StrategyConfig::BasicMm(strategy) = &mut config.desks[0].strategy;
                strategy.base_spread = 0.0001 + planned.level as f64 / 1e9;
                strategy.levels = 1 + (planned.level % 3) as u8;
                configure(world, config);
            }
            _ => {}
        }
    }

    fn account(&mut self, world: &mut World, planned: &Planned) {
        let (name, level) = (planned.kind.name, planned.level);
        // Which way, by the last digit.
        let side = if level.is_multiple_of(2) { Side::Buy } else { Side::Sell };
        // People do not pile it up without end: nothing would be quoted then.
        let held = world.venue.standing(TRADER).position;
        let trades = match held.side() {
            Some(long) if held.abs() > HELD_ENOUGH => long.opposite(),
            _ => side,
        };
        let api_key = KEY.to_owned();
        match name {
            "hand_trade" => trade(world, trades, level, 0, Hand::Person),
            // At a price two percent off: a loss, or a gain.
            "odd_trade" => {
                let off = if (level / 2).is_multiple_of(2) { 200 } else { -200 };
                trade(world, trades, level, off, Hand::Person);
            }
            "liquidation" | "deleverage" => {
                let position = world.venue.standing(TRADER).position;
                let Some(held) = position.side() else { return };
                self.forced |= name == "liquidation";
                let hand = if name == "liquidation" { Hand::Liquidation } else { Hand::Deleverage };
                trade(world, held.opposite(), level.min(position.abs().raw()), 0, hand);
            }
            "hand_order" => {
                let name = format!("web_{}", planned.at.as_micros());
                let qty = world.setup.instrument().qty_text(Qty::new(level.max(10)));
                let Some(price) = beyond(world, side.opposite(), 40) else { return };
                let price = world.setup.instrument().price_text(price);
                let side = if side == Side::Buy { "BUY" } else { "SELL" };
                let query = format!(
                    "side={side}&type=LIMIT&timeInForce=GTC&quantity={qty}&price={price}\
                     &newClientOrderId={name}"
                );
                by_hand(world, TRADER, "POST", &query);
                self.hand_orders += 1;
            }
            "transfer" => {
                let sign = if side == Side::Buy { "" } else { "-" };
                let amount = format!("{sign}{}.25", level.min(500));
                world.act(&Action::Transfer { api_key, amount });
            }
            "cancel_all_by_hand" => world.act(&Action::CancelAll { api_key }),
            "funding" => {
                let rate = format!("{}0.{level:06}", if side == Side::Buy { "" } else { "-" });
                world.act(&Action::Funding { rate: Some(rate) });
            }
            "replay_fills_now" => {
                world.act(&Action::ReplayFills { api_key, count: level as usize });
            }
            "lock" | "hedge" => world.act(&account_action(name, true)),
            _ => {}
        }
    }
}

fn account_action(name: &str, holds: bool) -> Action {
    let api_key = KEY.to_owned();
    match name {
        "lock" => Action::Lock { api_key, locked: holds },
        _ => Action::Hedge { api_key, hedge: holds },
    }
}

fn deaden(world: &mut World) {
    world.net.sockets.values_mut().for_each(|socket| socket.dead = true);
}

/// An operator's wish reaches the trader, if it is awake.
pub(super) fn control(world: &mut World, wish: Control) -> bool {
    let now = world.now;
    let Some(process) = world.process.as_mut().filter(|process| process.asleep_until <= now) else {
        return false;
    };
    process.control(wish);
    world.think();
    true
}

fn pause(world: &mut World) {
    if control(world, Control::Pause) {
        world.venue.auditor.stopped(world.now, false);
    }
}

/// The trader halts, unless it says that it is too late.
fn halt(world: &mut World, wish: Control) {
    control(world, wish);
    let halted = world.process.as_ref().is_some_and(|p| p.turn.engine().latched().0.halted);
    if halted {
        world.venue.auditor.stopped(world.now, true);
    }
}

/// Quoting is allowed again.
pub(super) fn resume(world: &mut World, clear_halt: bool) -> bool {
    // What follows from it may leave in the same turn.
    let told = world.process.as_ref().is_some_and(|process| process.asleep_until <= world.now);
    if told {
        world.venue.auditor.resumed(clear_halt);
    }
    control(world, Control::Resume { clear_halt });
    // Whoever is stopping does not listen.
    let process = world.process.as_ref().filter(|_| told);
    process.is_some_and(|process| {
        let (latches, _) = process.turn.engine().latched();
        !(latches.paused || clear_halt && latches.halted)
    })
}

fn configure(world: &mut World, config: EngineConfig) -> bool {
    let awake = world.process.as_ref().is_some_and(|process| process.asleep_until <= world.now);
    // Whoever is not there to be told starts with it.
    world.config = config.clone();
    if awake {
        world.venue.auditor.configured(world.now, &config);
    }
    control(world, Control::Configure(Box::new(config)))
}

/// Somebody else trades on the account, so many basis points worse than the price of the moment.
fn trade(world: &mut World, side: Side, lots: u64, worse_bps: i64, by: Hand) {
    let Some(best) = world.venue.best(side.opposite()) else { return };
    let off = best.raw() / 10_000 * worse_bps * side.sign();
    let price = Price::new((best.raw() + off).max(1));
    let instrument = world.setup.instrument();
    let action = Action::Trade {
        api_key: KEY.to_owned(),
        side: if side == Side::Buy { "BUY" } else { "SELL" }.to_owned(),
        price: instrument.price_text(price),
        quantity: instrument.qty_text(Qty::new(lots.max(1))),
        by,
    };
    world.act(&action);
}

/// A price so far beyond the best of a side, away from the market.
fn beyond(world: &World, side: Side, bps: u64) -> Option<Price> {
    let best = world.venue.best(side).or_else(|| world.venue.best(side.opposite()))?;
    let reach = (best.raw() / 10_000).max(1) * bps.min(BAND_BPS).cast_signed();
    Some(side.away(best, market::Ticks::new(reach)))
}

/// A signed request of a person, past all faults.
fn by_hand(world: &mut World, account: usize, method: &str, query: &str) {
    let (key, credentials) = match account {
        WHALE => ("whale", Credentials::hmac("whale", "whale").ok()),
        _ => (KEY, Some(Setup::credentials())),
    };
    let Some(credentials) = credentials else { return };
    let symbol = world.setup.instrument().symbol();
    let stamp = world.now.as_millis();
    let text = format!("symbol={symbol}&{query}&recvWindow=60000&timestamp={stamp}");
    let query = format!("{text}&signature={}", credentials.sign(text.as_bytes()));
    let path = "/fapi/v1/order";
    let faults = world.front.faults().clone();
    world.front.set_faults(Faults::default());
    let request =
        Request { method, path, query: &query, body: "", api_key: Some(key), ip: ELSEWHERE };
    // Refused or not: a person may err.
    let _ = world.front.rest(&mut world.venue, world.now, &request);
    world.front.set_faults(faults);
    world.venue_speaks();
}

fn market(world: &mut World, planned: &Planned) {
    let level = planned.level;
    let side = if level.is_multiple_of(2) { Side::Buy } else { Side::Sell };
    let (reach, lots) = match planned.kind.name {
        "sweep" => (level, 30_000),
        "flash_crash" => (level, 3_000_000),
        "empty_side" => (BAND_BPS, 100_000_000),
        "mark_jump" => {
            let mark = world.venue.mark().raw();
            let by = mark / 10_000 * level.cast_signed() * side.sign();
            let price = FinePrice::new(mark + by).decimal().to_string();
            return world.act(&Action::Mark { price });
        }
        _ => return,
    };
    let Some(limit) = beyond(world, side.opposite(), reach) else { return };
    let instrument = world.setup.instrument();
    let query = format!(
        "side={}&type=LIMIT&timeInForce=IOC&quantity={}&price={}",
        if side == Side::Buy { "BUY" } else { "SELL" },
        instrument.qty_text(Qty::new(lots)),
        instrument.price_text(limit),
    );
    by_hand(world, WHALE, "POST", &query);
}
