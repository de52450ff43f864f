//! Keys that contradict each other, each by itself right.

use super::Config;
use super::read::Reader;
use super::value::{LogOutput, Network};

/// Sums of fractions may be off by their last digit.
const ROUNDING: f64 = 1e-12;

/// Reports every contradiction of a configuration whose values are all in range.
pub(super) fn contradictions(config: &Config, reader: &mut Reader<'_>) {
    let mut rules = Rules { reader };
    sizes(config, &mut rules);
    spreads(config, &mut rules);
    network(config, &mut rules);
    rates_and_times(config, &mut rules);
    ports_and_files(config, &mut rules);
}

struct Rules<'r, 'a> {
    reader: &'r mut Reader<'a>,
}

impl Rules<'_, '_> {
    /// Refuses `key` when `broken`; `relation` says how its value stands to that of `other`.
    fn refuse(&mut self, broken: bool, key: &str, relation: &str, other: &str, remedy: &str) {
        if broken && let Some(fault) = self.reader.clash(key, relation, other) {
            fault.remedy(remedy);
        }
    }

    /// Refuses that `key` is absent, because of what `reason` says.
    fn require(&mut self, key: &str, reason: &str, problem: &str, remedy: &str) {
        if self.reader.faults.mentions(key) {
            return;
        }
        if let Some(seen) = self.reader.values.get(reason) {
            let at = seen.at;
            self.reader.faults.add(at, key, problem).remedy(remedy);
        }
    }
}

fn sizes(config: &Config, rules: &mut Rules<'_, '_>) {
    let (strategy, risk) = (&config.strategy, &config.risk);
    rules.refuse(
        risk.max_position < strategy.max_inventory,
        "risk.max_position",
        "is less than",
        "strategy.max_inventory",
        "raise max_position, or lower max_inventory, which risk control would never let be reached",
    );
    rules.refuse(
        strategy.base_size > strategy.max_inventory,
        "strategy.base_size",
        "is more than",
        "strategy.max_inventory",
        "lower base_size: one fill would exceed the inventory allowed",
    );
    rules.refuse(
        strategy.base_size > risk.max_order_qty,
        "strategy.base_size",
        "is more than",
        "risk.max_order_qty",
        "lower base_size or raise max_order_qty: every order would be refused",
    );
    rules.refuse(
        risk.flatten.slippage > risk.price_collar,
        "risk.flatten.slippage",
        "is more than",
        "risk.price_collar",
        "lower slippage or raise price_collar: orders that close a position would be refused",
    );
    rules.refuse(
        risk.max_open_orders < 2 * strategy.levels,
        "risk.max_open_orders",
        "is less than two sides of",
        "strategy.levels",
        "raise max_open_orders to twice the levels, or quote fewer",
    );
}

fn spreads(config: &Config, rules: &mut Rules<'_, '_>) {
    let strategy = &config.strategy;
    let inverted = strategy.min_spread > strategy.max_spread;
    rules.refuse(
        inverted,
        "strategy.min_spread",
        "is more than",
        "strategy.max_spread",
        "swap them",
    );
    rules.refuse(
        !inverted && strategy.base_spread < strategy.min_spread,
        "strategy.base_spread",
        "is less than",
        "strategy.min_spread",
        "raise base_spread or lower min_spread",
    );
    rules.refuse(
        !inverted && strategy.base_spread > strategy.max_spread,
        "strategy.base_spread",
        "is more than",
        "strategy.max_spread",
        "lower base_spread or raise max_spread",
    );
    let collar = config.risk.price_collar.to_f64() + ROUNDING;
    let half = strategy.base_spread / 2.0;
    let shifted = half + strategy.skew_factor * strategy.base_spread;
    let outermost = shifted + f64::from(strategy.levels.saturating_sub(1)) * strategy.level_spacing;
    rules.refuse(
        half > collar,
        "strategy.base_spread",
        "puts quotes, at half of it, beyond",
        "risk.price_collar",
        "lower base_spread or raise price_collar: every order would be refused",
    );
    rules.refuse(
        half <= collar && shifted > collar,
        "strategy.skew_factor",
        "shifts quotes at full inventory beyond",
        "risk.price_collar",
        "lower skew_factor or base_spread, or raise price_collar",
    );
    rules.refuse(
        shifted <= collar && outermost > collar,
        "strategy.level_spacing",
        &format!("with {} levels puts the outermost rung beyond", strategy.levels),
        "risk.price_collar",
        "quote fewer levels, set them closer, or raise price_collar",
    );
    let volatility = &strategy.volatility;
    rules.refuse(
        volatility.floor > volatility.cap,
        "strategy.volatility.floor",
        "is more than",
        "strategy.volatility.cap",
        "swap them",
    );
}

fn network(config: &Config, rules: &mut Rules<'_, '_>) {
    let exchange = &config.exchange;
    rules.refuse(
        exchange.testnet && exchange.network != Network::Testnet,
        "exchange.testnet",
        "contradicts",
        "exchange.network",
        "remove one of them",
    );
    let custom = exchange.network == Network::Custom;
    if custom && exchange.base_url.is_none() {
        rules.require(
            "exchange.base_url",
            "exchange.network",
            "missing; network: custom needs it",
            "give the address of the exchange, such as http://127.0.0.1:8080",
        );
    }
    rules.refuse(
        !custom && exchange.base_url.is_some(),
        "exchange.base_url",
        "is not used with",
        "exchange.network",
        "set network: custom, or remove base_url",
    );
    let other = exchange.arm.as_ref().is_some_and(|arm| arm.symbol() != config.strategy.symbol);
    rules.refuse(
        other,
        "exchange.arm",
        "is for another instrument than",
        "strategy.symbol",
        "write the symbol that is to be traded",
    );
    rules.refuse(
        exchange.recv_window > exchange.ack_timeout,
        "exchange.recv_window",
        "is more than",
        "exchange.ack_timeout",
        "lower recv_window: what is in doubt must not be executed later",
    );
}

fn rates_and_times(config: &Config, rules: &mut Rules<'_, '_>) {
    let dead_man = &config.exchange.dead_man;
    rules.refuse(
        dead_man.refresh >= dead_man.countdown / 2,
        "exchange.dead_man.refresh",
        "is not less than half of",
        "exchange.dead_man.countdown",
        "refresh more often: one lost refresh must not cancel everything",
    );
    let risk = &config.risk;
    rules.refuse(
        risk.max_orders_per_second > risk.max_orders_per_minute,
        "risk.max_orders_per_second",
        "is more than",
        "risk.max_orders_per_minute",
        "lower the former or raise the latter",
    );
}

fn ports_and_files(config: &Config, rules: &mut Rules<'_, '_>) {
    let (monitoring, api, logging) = (&config.monitoring, &config.api, &config.logging);
    rules.refuse(
        monitoring.prometheus_port != 0 && monitoring.prometheus_port == api.listen.port(),
        "monitoring.prometheus_port",
        "is also the port of",
        "api.listen",
        "choose another port",
    );
    let tokenless = api.token.is_none() && api.token_file.is_none();
    if tokenless && !api.listen.ip().is_loopback() {
        rules.require(
            "api.token",
            "api.listen",
            &format!("missing; {} can be reached from elsewhere", api.listen),
            "give api.token or api.token_file, or listen on 127.0.0.1",
        );
    }
    if logging.outputs.contains(&LogOutput::File) && logging.file_path.is_none() {
        rules.require(
            "logging.file_path",
            "logging.outputs",
            "missing; logging.outputs contains file",
            "add file_path, or remove file from outputs",
        );
    }
}
