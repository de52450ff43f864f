//! Files that are refused: each with its line, its key and what to do.

mod contradictions;

use std::path::PathBuf;

use expect_test::expect;
use ops::config::load;

use crate::{BASE, Scratch, added, broken, environment, faults, read};

#[test]
fn a_typo_names_the_key_meant() {
    broken(
        "base_spread: 0.001",
        "base_sprad: 0.001",
        expect![[r#"
        c.yaml:9: strategy.base_sprad: unknown key; did you mean base_spread?
    "#]],
    );
}

#[test]
fn unknown_keys_and_sections() {
    added(
        "strateggy: 1\nmax_position: 2\nzebra: {}\n",
        expect![[r#"
        c.yaml:19: strateggy: unknown key; did you mean strategy?
        c.yaml:20: max_position: unknown key; did you mean risk.max_position?
        c.yaml:21: zebra: unknown key; remove it; 'trader check --schema' lists every key
    "#]],
    );
    broken(
        "max_position: 0.1",
        "max_position: 0.1\n  base_size: 1\n  wibble: 2",
        expect![[r#"
        c.yaml:16: risk.base_size: unknown key; did you mean strategy.base_size?
        c.yaml:17: risk.wibble: unknown key; remove it; 'trader check --schema' lists every key
    "#]],
    );
    broken(
        "timeout: 5m",
        "timeout: 5m\n    quorum: 3",
        expect![[r#"
        c.yaml:19: risk.circuit_breaker.quorum: unknown key; known here: threshold, timeout
    "#]],
    );
}

#[test]
fn a_key_given_twice() {
    broken(
        "base_size: 0.01",
        "base_size: 0.01\n  base_spread: 0.002",
        expect![[r#"
        c.yaml:11: strategy.base_spread: given twice, first on line 9; keep line 9 or line 11
    "#]],
    );
    added(
        "risk: {}\n",
        expect![[r#"
        c.yaml:19: risk: given twice, first on line 12; keep line 12 or line 19
    "#]],
    );
}

#[test]
fn a_key_given_twice_on_one_line() {
    added(
        "api: { token: aaa, token: bbb }\n",
        expect![[r#"
        c.yaml:19: api.token: given twice on one line; keep one
    "#]],
    );
}

#[test]
fn a_suggestion_does_not_tell_what_the_environment_holds() {
    let env = |name: &str| match name {
        "SYMBOL" => Some(String::from("eth-usdc")),
        "LEVEL" => Some(String::from("inf")),
        "OUTPUT" => Some(String::from("stdou")),
        "TICK" => Some(String::from("77")),
        _ => None,
    };
    let text = BASE.replace("symbol: ETHUSDC", "symbol: ${SYMBOL}\n  tick_interval: ${TICK}")
        + "logging: { level: '${LEVEL}', outputs: ['${OUTPUT}'] }\n";
    let faults = ops::config::parse("c.yaml", text, &env).unwrap_err();
    expect![[r#"
        c.yaml:8: strategy.symbol: invalid value; found '${SYMBOL}'; wanted a symbol: 2 to 20 capital letters, digits and underscores; check the variable
        c.yaml:9: strategy.tick_interval: invalid value; found '${TICK}'; wanted a whole number with ms, s, m, h or d, from 10ms to 1h; check the variable
        c.yaml:20: logging.level: invalid value; found '${LEVEL}'; wanted trace, debug, info, warn or error; check the variable
        c.yaml:20: logging.outputs: invalid item; found '${OUTPUT}'; wanted stdout or file
    "#]].assert_eq(&format!("{faults}\n"));
}

#[test]
fn a_variable_inside_a_default() {
    broken(
        "base_size: 0.01",
        "base_size: ${NOTHING:-${WORD}}",
        expect![[r#"
        c.yaml:10: strategy.base_size: a '${' inside a default; wanted ${NAME} or ${NAME:-default}; write $${ for a literal ${
    "#]],
    );
}

#[test]
fn numbers_that_others_read_differently() {
    broken(
        "base_size: 0.01",
        "base_size: 00.01\n  min_spread: +0.001\n  levels: 010\n  tick_interval: 05s\n  skew_factor: 01",
        expect![[r#"
            c.yaml:10: strategy.base_size: invalid value; found '00.01'; wanted a number with at most 8 decimals, more than 0 (base asset); write it without leading zeros
            c.yaml:11: strategy.min_spread: invalid value; found '+0.001'; wanted a number, from 0 to 0.1 (fraction of mid); write 0.001 without the plus
            c.yaml:12: strategy.levels: invalid value; found '010'; wanted a whole number, from 1 to 10 (rungs per side); write it without leading zeros
            c.yaml:13: strategy.tick_interval: invalid value; found '05s'; wanted a whole number with ms, s, m, h or d, from 10ms to 1h; write it without leading zeros
            c.yaml:14: strategy.skew_factor: invalid value; found '01'; wanted a number, from 0 to 10 (multiple of base_spread); write it without leading zeros
        "#]],
    );
}

#[test]
fn a_tab_in_the_indentation() {
    broken(
        "base_size: 0.01",
        "\tbase_size: 0.01\n\tlevels: 2",
        expect![[r#"
        c.yaml:10: a tab in the indentation; indent with spaces
        c.yaml:11: a tab in the indentation; indent with spaces
    "#]],
    );
}

#[test]
fn an_empty_file() {
    faults(
        "",
        expect![[r#"
        c.yaml: the file holds no configuration; wanted at least the sections 'strategy:' and 'risk:'; start from configs/config.yaml
    "#]],
    );
    faults(
        "# nothing\n\n  # here\n",
        expect![[r#"
        c.yaml: the file holds no configuration; wanted at least the sections 'strategy:' and 'risk:'; start from configs/config.yaml
    "#]],
    );
    faults(
        "---\n",
        expect![[r#"
        c.yaml: the file holds no configuration; wanted at least the sections 'strategy:' and 'risk:'; start from configs/config.yaml
    "#]],
    );
}

#[test]
fn a_binary_file() {
    faults(
        b"\x7fELF\x02\x01\x01\x00\x00",
        expect![[r#"
        c.yaml:1: a control character: not text; found U+007F; is this the right file? if so, remove the character
    "#]],
    );
    faults(
        b"mode: paper\nexchange: \xff\xfe",
        expect![[r#"
        c.yaml:2: not a UTF-8 text file; found byte 0xff; is this the right file? if so, save it as UTF-8
    "#]],
    );
}

#[test]
fn a_file_that_is_too_large() {
    faults(
        "a".repeat((1 << 20) + 1),
        expect![[r#"
        c.yaml: the file is too large; found 1048577 bytes; wanted at most 1048576 bytes; is this the right file?
    "#]],
    );
    let scratch = Scratch::new("large");
    let path = scratch.file("large.yaml", "#".repeat(3 << 20));
    let shown = load(&path, &environment).unwrap_err().to_string();
    assert!(shown.contains("too large"), "{shown}");
    assert!(load(&PathBuf::from("/dev/zero"), &environment).is_err());
}

#[test]
fn nesting_without_end() {
    faults(
        format!("a: {}", "[".repeat(100)),
        expect![[r#"
        c.yaml:1: a: nested too deeply; wanted at most 16 levels; no key lies this deep
    "#]],
    );
    for bomb in ["[", "{a: ", "- ", "? ", "a: [", "{", "((", "!a ", "&a "] {
        let mut text = bomb.repeat((1 << 20) / bomb.len());
        assert!(read(&text).is_err());
        text.insert_str(0, "a: ");
        assert!(read(&text).is_err());
    }
}

#[test]
fn anchors_aliases_and_tags() {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nd: !!str 5\n";
    faults(
        bomb,
        expect![[r#"
        c.yaml:1: a: unknown key; remove it; 'trader check --schema' lists every key
        c.yaml:1: strategy: the section is missing or empty; wanted the keys name, symbol, base_spread, base_size, max_inventory; see configs/config.yaml
        c.yaml:1: risk: the section is missing or empty; wanted the keys daily_loss_limit, max_drawdown_limit, max_position, circuit_breaker.threshold, circuit_breaker.timeout; see configs/config.yaml
        c.yaml:1: a: anchors ('&name') are not supported; remove the anchor
        c.yaml:2: b: unknown key; remove it; 'trader check --schema' lists every key
        c.yaml:2: b: anchors ('&name') are not supported; remove the anchor
        c.yaml:2: b: aliases ('*name') are not supported; write the value out
        c.yaml:2: b: aliases ('*name') are not supported; write the value out
        c.yaml:3: c: unknown key; remove it; 'trader check --schema' lists every key
        c.yaml:3: c: aliases ('*name') are not supported; write the value out
        c.yaml:3: c: aliases ('*name') are not supported; write the value out
        c.yaml:4: d: unknown key; remove it; 'trader check --schema' lists every key
        c.yaml:4: d: tags ('!name') are not supported; remove the tag
    "#]],
    );
    faults(
        "a: *nothing\n",
        expect![[r#"
        c.yaml:1: a: not valid YAML: while parsing node, found unknown anchor; check indentation, quotes and brackets at or above this line
    "#]],
    );
}

#[test]
fn a_list_or_text_instead_of_sections() {
    faults(
        "- mode: paper\n",
        expect![[r#"
        c.yaml:1: the file is not a mapping of sections; found a list; wanted sections such as 'strategy:' and 'risk:'; see configs/config.yaml
    "#]],
    );
    faults(
        "paper\n",
        expect![[r#"
        c.yaml:1: the file is not a mapping of sections; found a single value; wanted sections such as 'strategy:' and 'risk:'; see configs/config.yaml
    "#]],
    );
}

#[test]
fn two_documents() {
    added(
        "---\nmode: live\n",
        expect![[r#"
        c.yaml:19: a second document; wanted one document; remove the '---'
    "#]],
    );
}

#[test]
fn text_that_is_not_yaml() {
    broken(
        "base_size: 0.01",
        "base_size: [0.01",
        expect![[r#"
        c.yaml:11: not valid YAML: illegal placement of ':' indicator; check indentation, quotes and brackets at or above this line
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: \"0.01",
        expect![[r#"
        c.yaml:10: strategy.base_size: not valid YAML: invalid indentation in quoted scalar; check indentation, quotes and brackets at or above this line
    "#]],
    );
    broken(
        "name: basic_mm",
        "name basic_mm",
        expect![[r#"
        c.yaml:8: not valid YAML: mapping values are not allowed in this context; check indentation, quotes and brackets at or above this line
    "#]],
    );
}

#[test]
fn a_key_that_is_a_list() {
    added(
        "? [a, b]\n: 1\n",
        expect![[r#"
        c.yaml:19: a key that is not text; quote the value if it contains brackets or '?'
    "#]],
    );
}

#[test]
fn a_file_that_is_not_there() {
    let faults = load(&PathBuf::from("/no/such/file.yaml"), &environment).unwrap_err();
    expect![[r#"
        /no/such/file.yaml: cannot read the file: No such file or directory (os error 2); check the path and its permissions
    "#]].assert_eq(&format!("{faults}\n"));
    assert!(load(&PathBuf::from("/"), &environment).is_err());
}

// Faults of one value.

#[test]
fn a_wrong_type() {
    broken(
        "base_spread: 0.001",
        "base_spread: wide",
        expect![[r#"
        c.yaml:9: strategy.base_spread: invalid value; found 'wide'; wanted a number, more than 0 and at most 0.1 (fraction of mid); write it plainly, such as 0.001
    "#]],
    );
    broken(
        "base_spread: 0.001",
        "base_spread: [0.001]",
        expect![[r#"
        c.yaml:9: strategy.base_spread: wrong type; found a list; wanted a number, more than 0 and at most 0.1 (fraction of mid); check the indentation
    "#]],
    );
    broken(
        "threshold: 5",
        "threshold: 5.5",
        expect![[r#"
        c.yaml:17: risk.circuit_breaker.threshold: invalid value; found '5.5'; wanted a whole number, from 1 to 1000 (failures in a row); write digits only
    "#]],
    );
    added(
        "logging: { outputs: stdout }\n",
        expect![[r#"
        c.yaml:19: logging.outputs: wrong type; found a single value; wanted a list of stdout or file, each once; write [stdout]
    "#]],
    );
    added(
        "logging: { outputs: [stdout, fil, [file]] }\n",
        expect![[r#"
        c.yaml:19: logging.outputs: invalid item; found 'fil'; wanted stdout or file; did you mean file?
        c.yaml:19: logging.outputs: invalid item; found a list; wanted stdout or file
    "#]],
    );
    added(
        "logging: { outputs: [] }\n",
        expect![[r#"
        c.yaml:19: logging.outputs: invalid value; found an empty list; wanted a list of stdout or file, each once
    "#]],
    );
    added(
        "logging: { outputs: [stdout, stdout] }\n",
        expect![[r#"
        c.yaml:19: logging.outputs: invalid value; found a list; wanted a list of stdout or file, each once; remove the second stdout
    "#]],
    );
    added(
        "data: { journal: yes }\n",
        expect![[r#"
        c.yaml:19: data.journal: wrong type; found a single value; wanted keys such as enabled, max_bytes, max_age; indent the keys of the section below it
    "#]],
    );
    added(
        "data: { journal: { enabled: yes } }\n",
        expect![[r#"
        c.yaml:19: data.journal.enabled: invalid value; found 'yes'; wanted true or false; did you mean true?
    "#]],
    );
}

#[test]
fn no_value() {
    broken(
        "symbol: ETHUSDC",
        "symbol:",
        expect![[r#"
        c.yaml:8: strategy.symbol: no value; wanted a symbol: 2 to 20 capital letters, digits and underscores; write a value or remove the line
    "#]],
    );
    broken(
        "symbol: ETHUSDC",
        "symbol: ''",
        expect![[r#"
        c.yaml:8: strategy.symbol: invalid value; found ''; wanted a symbol: 2 to 20 capital letters, digits and underscores; such as ETHUSDC
    "#]],
    );
}

#[test]
fn a_symbol_in_small_letters() {
    broken(
        "symbol: ETHUSDC",
        "symbol: eth/usdc",
        expect![[r#"
        c.yaml:8: strategy.symbol: invalid value; found 'eth/usdc'; wanted a symbol: 2 to 20 capital letters, digits and underscores; did you mean ETHUSDC?
    "#]],
    );
}

#[test]
fn numbers_out_of_range() {
    broken(
        "base_size: 0.01",
        "base_size: -0.01",
        expect![[r#"
        c.yaml:10: strategy.base_size: out of range; found '-0.01'; wanted a number with at most 8 decimals, more than 0 (base asset)
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0",
        expect![[r#"
        c.yaml:10: strategy.base_size: out of range; found '0'; wanted a number with at most 8 decimals, more than 0 (base asset)
    "#]],
    );
    broken(
        "base_spread: 0.001",
        "base_spread: 0.11",
        expect![[r#"
        c.yaml:9: strategy.base_spread: out of range; found '0.11'; wanted a number, more than 0 and at most 0.1 (fraction of mid)
    "#]],
    );
    broken(
        "max_drawdown_limit: 0.03",
        "max_drawdown_limit: 1.0",
        expect![[r#"
        c.yaml:14: risk.max_drawdown_limit: out of range; found '1.0'; wanted a number with at most 8 decimals, more than 0 and less than 1 (fraction of peak equity)
    "#]],
    );
    broken(
        "threshold: 5",
        "threshold: 0",
        expect![[r#"
        c.yaml:17: risk.circuit_breaker.threshold: out of range; found '0'; wanted a whole number, from 1 to 1000 (failures in a row)
    "#]],
    );
    broken(
        "timeout: 5m",
        "timeout: 2d",
        expect![[r#"
        c.yaml:18: risk.circuit_breaker.timeout: out of range; found '2d'; wanted a whole number with ms, s, m, h or d, from 1s to 1d
    "#]],
    );
    added(
        "monitoring: { prometheus_port: 70000 }\n",
        expect![[r#"
        c.yaml:19: monitoring.prometheus_port: invalid value; found '70000'; wanted a whole number from 0 to 65535
    "#]],
    );
    added(
        "monitoring: { prometheus_port: -1 }\n",
        expect![[r#"
        c.yaml:19: monitoring.prometheus_port: invalid value; found '-1'; wanted a whole number from 0 to 65535; write digits only
    "#]],
    );
    added(
        "exchange.fees: 1\nstrategy.levels: 3\nmonitoring: { api.listen: 1 }\n",
        expect![[r#"
            c.yaml:19: exchange.fees: unknown key; write sections as indented blocks, not with dots
            c.yaml:20: strategy.levels: unknown key; write sections as indented blocks, not with dots
            c.yaml:21: monitoring.api.listen: unknown key; write sections as indented blocks, not with dots
        "#]],
    );
}

#[test]
fn numbers_that_are_none() {
    for text in ["nan", ".nan", "inf", ".inf", "-.inf", "1e999", "0x10", "1_000", "1,5", "½", "1e"]
    {
        let shown = read(BASE.replace("0.001", text)).expect_err(text).to_string();
        assert!(shown.starts_with("c.yaml:9: strategy.base_spread: invalid value"), "{shown}");
    }
    broken(
        "base_spread: 0.001",
        "base_spread: .nan",
        expect![[r#"
        c.yaml:9: strategy.base_spread: invalid value; found '.nan'; wanted a number, more than 0 and at most 0.1 (fraction of mid); write it plainly, such as 0.001
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 99999999999999",
        expect![[r#"
        c.yaml:10: strategy.base_size: invalid value; found '99999999999999'; wanted a number with at most 8 decimals, more than 0 (base asset); number too large (at most 92,233,720,368)
    "#]],
    );
    broken(
        "base_size: 0.01",
        "base_size: 0.123456789",
        expect![[r#"
        c.yaml:10: strategy.base_size: invalid value; found '0.123456789'; wanted a number with at most 8 decimals, more than 0 (base asset); more than 8 decimals
    "#]],
    );
    broken(
        "threshold: 5",
        "threshold: 99999999999999999999999",
        expect![[r#"
        c.yaml:17: risk.circuit_breaker.threshold: invalid value; found '99999999999999999999999'; wanted a whole number, from 1 to 1000 (failures in a row)
    "#]],
    );
}

#[test]
fn durations() {
    broken(
        "timeout: 5m",
        "timeout: 5",
        expect![[r#"
        c.yaml:18: risk.circuit_breaker.timeout: invalid value; found '5'; wanted a whole number with ms, s, m, h or d, from 1s to 1d; add the unit, such as 5s
    "#]],
    );
    broken(
        "timeout: 5m",
        "timeout: 5min",
        expect![[r#"
        c.yaml:18: risk.circuit_breaker.timeout: invalid value; found '5min'; wanted a whole number with ms, s, m, h or d, from 1s to 1d; such as 250ms, 5s, 5m or 1h
    "#]],
    );
    broken(
        "timeout: 5m",
        "timeout: 1.5h",
        expect![[r#"
        c.yaml:18: risk.circuit_breaker.timeout: invalid value; found '1.5h'; wanted a whole number with ms, s, m, h or d, from 1s to 1d; such as 250ms, 5s, 5m or 1h
    "#]],
    );
    broken(
        "timeout: 5m",
        "timeout: 99999999999999999999d",
        expect![[r#"
        c.yaml:18: risk.circuit_breaker.timeout: invalid value; found '99999999999999999999d'; wanted a whole number with ms, s, m, h or d, from 1s to 1d; the number is too large
    "#]],
    );
    broken(
        "timeout: 5m",
        "timeout: soon",
        expect![[r#"
        c.yaml:18: risk.circuit_breaker.timeout: invalid value; found 'soon'; wanted a whole number with ms, s, m, h or d, from 1s to 1d; such as 250ms, 5s, 5m or 1h
    "#]],
    );
}

#[test]
fn unknown_words() {
    broken(
        "name: basic_mm",
        "name: Basic-MM",
        expect![[r#"
        c.yaml:7: strategy.name: invalid value; found 'Basic-MM'; wanted basic_mm; did you mean basic_mm?
    "#]],
    );
    broken(
        "mode: paper",
        "mode: real",
        expect![[r#"
        c.yaml:1: mode: invalid value; found 'real'; wanted paper or live
    "#]],
    );
    added(
        "strategy.volatility: x\n",
        expect![[r#"
        c.yaml:19: strategy.volatility: unknown key; write sections as indented blocks, not with dots
    "#]],
    );
    added(
        "logging: { level: warning }\n",
        expect![[r#"
        c.yaml:19: logging.level: invalid value; found 'warning'; wanted trace, debug, info, warn or error; did you mean warn?
    "#]],
    );
}

#[test]
fn variables_that_are_not_there() {
    broken(
        "symbol: ETHUSDC",
        "symbol: \"${SYMBOL}\"",
        expect![[r#"
        c.yaml:8: strategy.symbol: environment variable SYMBOL is not set; set SYMBOL, or give a default as ${SYMBOL:-value}
    "#]],
    );
    broken(
        "symbol: ETHUSDC",
        "symbol: \"${SYMBOL\"",
        expect![[r#"
        c.yaml:8: strategy.symbol: malformed '${'; wanted ${NAME} or ${NAME:-default}; write $${ for a literal ${
    "#]],
    );
    broken(
        "symbol: ETHUSDC",
        "symbol: \"${}\"",
        expect![[r#"
        c.yaml:8: strategy.symbol: malformed '${'; wanted ${NAME} or ${NAME:-default}; write $${ for a literal ${
    "#]],
    );
}

#[test]
fn missing_keys_and_sections() {
    broken(
        "symbol: ETHUSDC",
        "",
        expect![[r#"
        c.yaml:6: strategy.symbol: missing; wanted a symbol: 2 to 20 capital letters, digits and underscores; add it: instrument, as the venue spells it
    "#]],
    );
    faults(
        "mode: paper\n",
        expect![[r#"
        c.yaml:1: strategy: the section is missing or empty; wanted the keys name, symbol, base_spread, base_size, max_inventory; see configs/config.yaml
        c.yaml:1: risk: the section is missing or empty; wanted the keys daily_loss_limit, max_drawdown_limit, max_position, circuit_breaker.threshold, circuit_breaker.timeout; see configs/config.yaml
    "#]],
    );
    faults(
        "strategy:\nrisk: ~\n",
        expect![[r#"
        c.yaml:1: strategy: the section is missing or empty; wanted the keys name, symbol, base_spread, base_size, max_inventory; see configs/config.yaml
        c.yaml:2: risk: the section is missing or empty; wanted the keys daily_loss_limit, max_drawdown_limit, max_position, circuit_breaker.threshold, circuit_breaker.timeout; see configs/config.yaml
    "#]],
    );
}

#[test]
fn addresses() {
    added(
        "api: { listen: 'localhost:9100' }\n",
        expect![[r#"
        c.yaml:19: api.listen: invalid value; found 'localhost:9100'; wanted an IP address and a port; did you mean 127.0.0.1:9100?
    "#]],
    );
    added(
        "api: { listen: 9100 }\n",
        expect![[r#"
        c.yaml:19: api.listen: invalid value; found '9100'; wanted an IP address and a port; such as 127.0.0.1:9100
    "#]],
    );
}

#[test]
fn long_and_odd_values_are_shortened() {
    let long = "x".repeat(500);
    broken(
        "symbol: ETHUSDC",
        &format!("symbol: \"\\e[31m{long}\""),
        expect![[r#"
        c.yaml:8: strategy.symbol: invalid value; found '\u{1b}[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'; wanted a symbol: 2 to 20 capital letters, digits and underscores; such as ETHUSDC
    "#]],
    );
    added(
        &format!("\"a\\nb{long}\": 1\n"),
        expect![[r#"
        c.yaml:19: a\nbxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx: unknown key; remove it; 'trader check --schema' lists every key
    "#]],
    );
}
