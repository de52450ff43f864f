//! Keys that are each right, and wrong together.

use expect_test::expect;

use crate::{BASE, added, broken, good};

#[test]
fn sizes_that_contradict_each_other() {
    broken(
        "max_position: 0.1",
        "max_position: 0.04",
        expect![[r#"
        c.yaml:15: risk.max_position: 0.04 is less than strategy.max_inventory 0.05 (line 11); raise max_position, or lower max_inventory, which risk control would never let be reached
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0.06",
        expect![[r#"
        c.yaml:10: strategy.base_size: 0.06 is more than strategy.max_inventory 0.05 (line 11); lower base_size: one fill would exceed the inventory allowed
    "#]],
    );
    broken(
        "max_position: 0.1",
        "max_position: 0.1\n  max_order_qty: 0.005",
        expect![[r#"
        c.yaml:10: strategy.base_size: 0.01 is more than risk.max_order_qty 0.005 (line 16); lower base_size or raise max_order_qty: every order would be refused
    "#]],
    );
    broken(
        "max_position: 0.1",
        "max_position: 0.1\n  max_open_orders: 1",
        expect![[r#"
        c.yaml:16: risk.max_open_orders: 1 is less than two sides of strategy.levels 1 (the default); raise max_open_orders to twice the levels, or quote fewer
    "#]],
    );
}

#[test]
fn spreads_that_contradict_each_other() {
    broken(
        "base_size: 0.01",
        "base_size: 0.01\n  min_spread: 0.06",
        expect![[r#"
        c.yaml:11: strategy.min_spread: 0.06 is more than strategy.max_spread 0.05 (the default); swap them
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0.01\n  min_spread: 0.002",
        expect![[r#"
        c.yaml:9: strategy.base_spread: 0.001 is less than strategy.min_spread 0.002 (line 11); raise base_spread or lower min_spread
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0.01\n  max_spread: 0.0005",
        expect![[r#"
        c.yaml:9: strategy.base_spread: 0.001 is more than strategy.max_spread 0.0005 (line 11); lower base_spread or raise max_spread
    "#]],
    );
    broken(
        "base_spread: 0.001",
        "base_spread: 0.05",
        expect![[r#"
        c.yaml:9: strategy.base_spread: 0.05 puts quotes, at half of it, beyond risk.price_collar 0.02 (the default); lower base_spread or raise price_collar: every order would be refused
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0.01\n  levels: 5\n  level_spacing: 0.01",
        expect![[r#"
        c.yaml:12: strategy.level_spacing: 0.01 with 5 levels puts the outermost rung beyond risk.price_collar 0.02 (the default); quote fewer levels, set them closer, or raise price_collar
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0.01\n  volatility: { floor: 0.001, cap: 0.0001 }",
        expect![[r#"
            c.yaml:11: strategy.volatility.floor: 0.001 is more than strategy.volatility.cap 0.0001 (line 11); swap them
        "#]],
    );
}

#[test]
fn what_the_collar_would_refuse() {
    broken(
        "base_spread: 0.001",
        "base_spread: 0.002\n  skew_factor: 10",
        expect![[r#"
        c.yaml:10: strategy.skew_factor: 10 shifts quotes at full inventory beyond risk.price_collar 0.02 (the default); lower skew_factor or base_spread, or raise price_collar
    "#]],
    );
    broken(
        "max_position: 0.1",
        "max_position: 0.1\n  flatten: { slippage: 0.03 }",
        expect![[r#"
        c.yaml:16: risk.flatten.slippage: 0.03 is more than risk.price_collar 0.02 (the default); lower slippage or raise price_collar: orders that close a position would be refused
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0.01\n  levels: 3\n  level_spacing: 0.005\n  skew_factor: 10",
        expect![[r#"
            c.yaml:12: strategy.level_spacing: 0.005 with 3 levels puts the outermost rung beyond risk.price_collar 0.02 (the default); quote fewer levels, set them closer, or raise price_collar
        "#]],
    );
}

#[test]
fn networks_that_contradict_each_other() {
    for (lines, fault) in [
        (
            "testnet: true\n  network: mainnet",
            expect![[r#"
            c.yaml:4: exchange.testnet: true contradicts exchange.network mainnet (line 5); remove one of them
        "#]],
        ),
        (
            "testnet: true\n  network: demo",
            expect![[r#"
            c.yaml:4: exchange.testnet: true contradicts exchange.network demo (line 5); remove one of them
        "#]],
        ),
        (
            "network: custom",
            expect![[r#"
            c.yaml:4: exchange.base_url: missing; network: custom needs it; give the address of the exchange, such as http://127.0.0.1:8080
        "#]],
        ),
        (
            "base_url: http://127.0.0.1:8080",
            expect![[r#"
            c.yaml:4: exchange.base_url: http://127.0.0.1:8080 is not used with exchange.network mainnet (the default); set network: custom, or remove base_url
        "#]],
        ),
        (
            "network: demo\n  base_url: http://127.0.0.1:8080",
            expect![[r#"
            c.yaml:5: exchange.base_url: http://127.0.0.1:8080 is not used with exchange.network demo (line 4); set network: custom, or remove base_url
        "#]],
        ),
        (
            "arm: BTCUSDC mainnet",
            expect![[r#"
            c.yaml:4: exchange.arm: BTCUSDC mainnet is for another instrument than strategy.symbol ETHUSDC (line 9); write the symbol that is to be traded
        "#]],
        ),
        (
            "arm: ETHUSDC",
            expect![[r#"
            c.yaml:4: exchange.arm: invalid value; found 'ETHUSDC'; wanted the symbol and the word mainnet; such as ETHUSDC mainnet
        "#]],
        ),
        (
            "arm: ethusdc mainnet",
            expect![[r#"
                c.yaml:4: exchange.arm: invalid value; found 'ethusdc mainnet'; wanted the symbol and the word mainnet; did you mean ETHUSDC mainnet?
            "#]],
        ),
    ] {
        broken("name: binance", &format!("name: binance\n  {lines}"), fault);
    }
}

#[test]
fn windows_and_limits_of_the_venue() {
    for (lines, fault) in [
        (
            "recv_window: 3s",
            expect![[r#"
            c.yaml:4: exchange.recv_window: 3s is more than exchange.ack_timeout 2s (the default); lower recv_window: what is in doubt must not be executed later
        "#]],
        ),
        (
            "ack_timeout: 1s",
            expect![[r#"
            c.yaml:4: exchange.recv_window: 1500ms is more than exchange.ack_timeout 1s (line 4); exchange.recv_window is the default; lower recv_window: what is in doubt must not be executed later
        "#]],
        ),
        (
            "connections: 3",
            expect![[r#"
            c.yaml:4: exchange.connections: out of range; found '3'; wanted a whole number, from 1 to 2 (connections per stream)
        "#]],
        ),
        (
            "leverage: 0",
            expect![[r#"
            c.yaml:4: exchange.leverage: out of range; found '0'; wanted a whole number, from 1 to 125
        "#]],
        ),
        (
            "max_clock_offset: 1m",
            expect![[r#"
            c.yaml:4: exchange.max_clock_offset: out of range; found '1m'; wanted a whole number with ms, s, m, h or d, from 10ms to 10s
        "#]],
        ),
    ] {
        broken("name: binance", &format!("name: binance\n  {lines}"), fault);
    }
}

#[test]
fn times_and_rates_that_contradict_each_other() {
    broken(
        "name: binance",
        "name: binance\n  dead_man: { refresh: 15s }",
        expect![[r#"
        c.yaml:4: exchange.dead_man.refresh: 15s is not less than half of exchange.dead_man.countdown 30s (the default); refresh more often: one lost refresh must not cancel everything
    "#]],
    );
    broken(
        "max_position: 0.1",
        "max_position: 0.1\n  max_orders_per_second: 30\n  max_orders_per_minute: 20",
        expect![[r#"
            c.yaml:16: risk.max_orders_per_second: 30 is more than risk.max_orders_per_minute 20 (line 17); lower the former or raise the latter
        "#]],
    );
}

#[test]
fn ports_and_files_that_contradict_each_other() {
    added(
        "monitoring: { prometheus_port: 9100 }\n",
        expect![[r#"
        c.yaml:19: monitoring.prometheus_port: 9100 is also the port of api.listen 127.0.0.1:9100 (the default); choose another port
    "#]],
    );
    added(
        "api: { listen: '127.0.0.1:9090' }\n",
        expect![[r#"
        c.yaml:19: monitoring.prometheus_port: 9090 is also the port of api.listen 127.0.0.1:9090 (line 19); monitoring.prometheus_port is the default; choose another port
    "#]],
    );
    added(
        "logging: { outputs: [file] }\n",
        expect![[r#"
        c.yaml:19: logging.file_path: missing; logging.outputs contains file; add file_path, or remove file from outputs
    "#]],
    );
    added(
        "api: { listen: '0.0.0.0:9200' }\n",
        expect![[r#"
        c.yaml:19: api.token: missing; 0.0.0.0:9200 can be reached from elsewhere; give api.token or api.token_file, or listen on 127.0.0.1
    "#]],
    );
    good(&format!(
        "{BASE}api: {{ listen: '127.0.0.1:0' }}\nmonitoring: {{ prometheus_port: 0 }}\n"
    ));
}
