//! One row per thing that can be wrong.

use proptest::prelude::*;

use super::*;

const NOW: Nanos = Nanos::from_millis(1_791_000_000_000);

fn wanted() -> Wanted {
    Wanted {
        symbol: "ETHUSDC".to_owned(),
        leverage: 5,
        max_clock_offset: Duration::from_secs(1),
        fees: (Rate::ZERO, Rate::new(40_000)),
        max_position: "1".parse().unwrap(),
        allow_withdrawals: false,
        apply_settings: false,
        has_permissions: true,
    }
}

const RULES: &str = r#"{"serverTime":1,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":2400}],"symbols":[{"symbol":"ETHUSDC","status":"TRADING","contractType":"PERPETUAL","baseAsset":"ETH","quoteAsset":"USDC","marginAsset":"USDC","pricePrecision":2,"quantityPrecision":3,"orderTypes":["LIMIT"],"timeInForce":["GTC","GTX"],"filters":[{"filterType":"PRICE_FILTER","minPrice":"0.01","maxPrice":"100000","tickSize":"0.01"},{"filterType":"LOT_SIZE","minQty":"0.001","maxQty":"8000","stepSize":"0.001"},{"filterType":"MARKET_LOT_SIZE","minQty":"0.001","maxQty":"700","stepSize":"0.001"},{"filterType":"MIN_NOTIONAL","notional":"20"},{"filterType":"MAX_NUM_ORDERS","limit":200},{"filterType":"PERCENT_PRICE","multiplierUp":"1.05","multiplierDown":"0.95","multiplierDecimal":"4"}]}]}"#;

/// The venue as it should be; a test replaces one answer.
fn answer(path: &str) -> String {
    let time = format!(r#"{{"serverTime":{}}}"#, NOW.as_millis());
    let text = match path {
        "/fapi/v1/time" => &time,
        "/fapi/v1/exchangeInfo" => RULES,
        "/fapi/v1/accountConfig" => {
            r#"{"canTrade":true,"dualSidePosition":false,"multiAssetsMargin":false,"feeTier":0}"#
        }
        "/sapi/v1/account/apiRestrictions" => {
            r#"{"ipRestrict":true,"enableFutures":true,"enableWithdrawals":false}"#
        }
        "/fapi/v1/symbolConfig" => {
            r#"[{"symbol":"ETHUSDC","marginType":"CROSSED","leverage":5,"maxNotionalValue":"1"}]"#
        }
        "/fapi/v1/commissionRate" => {
            r#"{"symbol":"ETHUSDC","makerCommissionRate":"0","takerCommissionRate":"0.0004"}"#
        }
        "/fapi/v1/feeBurn" => r#"{"feeBurn":false}"#,
        "/fapi/v1/positionSide/dual" => r#"{"dualSidePosition":false}"#,
        "/fapi/v1/multiAssetsMargin" => r#"{"multiAssetsMargin":false}"#,
        "/fapi/v1/apiTradingStatus" => r#"{"indicators":{},"updateTime":1}"#,
        "/fapi/v3/account" => {
            r#"{"assets":[{"asset":"USDC","walletBalance":"5000","availableBalance":"5000","updateTime":1}],"positions":[]}"#
        }
        "/fapi/v1/openOrders" | "/fapi/v3/positionRisk" => "[]",
        _ => r#"{"code":200,"msg":"success"}"#,
    };
    text.to_owned()
}

type Special<'a> = &'a dyn Fn(&Request, usize) -> Option<(u16, String)>;

/// Runs the questions; `special` may answer in place of the good venue. Returns the paths asked.
fn run(wanted: Wanted, special: Special<'_>) -> (Findings, Vec<&'static str>) {
    let mut preflight = Preflight::new(wanted);
    let mut asked = Vec::new();
    while let Some((host, request)) = preflight.request() {
        assert_eq!(host == Host::Permissions, request.path.starts_with("/sapi"));
        let before = asked.iter().filter(|path| **path == request.path).count();
        let (status, body) =
            special(&request, before).unwrap_or_else(|| (200, answer(request.path)));
        assert!(asked.len() < 60, "it ends: {asked:?}");
        asked.push(request.path);
        assert!(preflight.pause() <= PAUSE_MAX);
        assert!((0.0..=1.0).contains(&preflight.progress()));
        let reply = match status {
            0 => Err(NoAnswer::NotSent(body)),
            _ => Ok(HttpReply { status, headers: Vec::new(), body: body.into_bytes() }),
        };
        preflight.on_answer(NOW, NOW + Duration::from_millis(4), reply);
    }
    (preflight.findings(), asked)
}

fn refused(findings: &Findings) -> Vec<&'static str> {
    let refused = findings.checks.iter().filter(|check| check.state == State::Refused);
    refused
        .map(|check| {
            assert!(!check.remedy.is_empty() && !check.found.is_empty(), "{check:?}");
            check.name
        })
        .collect()
}

#[test]
fn a_venue_as_it_should_be() {
    let (findings, _) = run(wanted(), &|_, _| None);
    let ready = findings.ready.clone().expect("ready");
    assert_eq!(ready.instrument.symbol(), "ETHUSDC");
    assert_eq!(ready.limits.len(), 1);
    assert!(findings.checks.iter().all(|check| check.state == State::Fine), "{findings:?}");
}

/// Path, status and body of one answer, and which checks are refused for it.
type Row = (&'static str, u16, &'static str, &'static [&'static str]);

const REFUSED: &[Row] = &[
    ("/fapi/v1/time", 200, r#"{"serverTime":1790999995000}"#, &["clock"]),
    ("/fapi/v1/time", 200, r#"{"serverTime":1791000005000}"#, &["clock"]),
    ("/fapi/v1/time", 0, "connection refused", &["venue"]),
    ("/fapi/v1/time", 200, "<html>", &["venue"]),
    ("/fapi/v1/exchangeInfo", 200, r#"{"symbols":[],"rateLimits":[]}"#, &["contract"]),
    ("/fapi/v1/time", 0, "reset", &["venue"]),
    ("/fapi/v1/time", 403, "<html>", &["venue"]),
    ("/fapi/v1/exchangeInfo", 503, "", &["contract"]),
    ("/fapi/v1/exchangeInfo", 200, r#"{"symbols":7}"#, &["contract"]),
    ("/fapi/v1/exchangeInfo", 418, r#"{"code":-1003,"msg":"banned"}"#, &["venue"]),
    (
        "/fapi/v1/accountConfig",
        200,
        r#"{"canTrade":true,"dualSidePosition":true,"multiAssetsMargin":true}"#,
        &["position mode", "margin assets"],
    ),
    (
        "/fapi/v1/accountConfig",
        200,
        r#"{"canTrade":false,"dualSidePosition":false,"multiAssetsMargin":false}"#,
        &["account"],
    ),
    ("/fapi/v1/accountConfig", 400, r#"{"code":-2015,"msg":"Invalid API-key"}"#, &["API key"]),
    ("/fapi/v1/accountConfig", 401, r#"{"code":-2014,"msg":"Bad format"}"#, &["API key"]),
    ("/fapi/v1/accountConfig", 401, "", &["API key"]),
    ("/fapi/v1/accountConfig", 400, r#"{"code":-1022,"msg":"Signature"}"#, &["API key"]),
    ("/fapi/v1/accountConfig", 400, r#"{"code":-1021,"msg":"Timestamp"}"#, &["clock"]),
    ("/fapi/v1/accountConfig", 451, "", &["venue"]),
    ("/fapi/v1/accountConfig", 0, "cut", &["venue"]),
    ("/fapi/v1/accountConfig", 200, "[]", &["account"]),
    ("/fapi/v1/accountConfig", 200, r#"{"code":-1000,"msg":"Unknown"}"#, &["account"]),
    (
        "/sapi/v1/account/apiRestrictions",
        200,
        r#"{"ipRestrict":true,"enableFutures":false,"enableWithdrawals":true}"#,
        &["withdrawals", "key rights"],
    ),
    (
        "/fapi/v1/symbolConfig",
        200,
        r#"[{"symbol":"ETHUSDC","marginType":"ISOLATED","leverage":20}]"#,
        &["margin type", "leverage"],
    ),
    ("/fapi/v1/symbolConfig", 200, "[]", &["margin type", "leverage"]),
    (
        "/fapi/v1/commissionRate",
        200,
        r#"{"symbol":"ETHUSDC","makerCommissionRate":"0.001","takerCommissionRate":"0.001"}"#,
        &["fees"],
    ),
    (
        "/fapi/v1/apiTradingStatus",
        200,
        r#"{"indicators":{"ETHUSDC":[{"indicator":"GCR","isLocked":true,"plannedRecoverTime":1791000000000}]}}"#,
        &["restrictions"],
    ),
    ("/fapi/v3/account", 200, r#"{"assets":[]}"#, &["balance"]),
    ("/fapi/v1/commissionRate", 500, "", &["fees"]),
    ("/fapi/v1/openOrders", 500, "", &["orders"]),
    ("/fapi/v3/positionRisk", 500, "", &["position"]),
    (
        "/fapi/v3/account",
        200,
        r#"{"assets":[{"asset":"USDC","walletBalance":"5"},{"asset":"BNFCR","walletBalance":"9"}]}"#,
        &["credits"],
    ),
    (
        "/fapi/v3/positionRisk",
        200,
        r#"[{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"-2.000","entryPrice":"2600"}]"#,
        &["position"],
    ),
    (
        "/fapi/v3/positionRisk",
        200,
        r#"[{"symbol":"ETHUSDC","positionSide":"LONG","positionAmt":"0.1","entryPrice":"2600"}]"#,
        &["position"],
    ),
    (
        "/fapi/v3/positionRisk",
        200,
        r#"[{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"0.0001","entryPrice":"2600"}]"#,
        &["position"],
    ),
];

#[test]
fn every_misconfiguration_is_refused_with_its_remedy() {
    for (path, status, body, names) in REFUSED {
        let special =
            |request: &Request, _| (request.path == *path).then(|| (*status, (*body).to_owned()));
        let (findings, _) = run(wanted(), &special);
        assert!(findings.ready.is_none(), "{path} {body}");
        assert_eq!(refused(&findings), *names, "{path} {body}");
    }
}

#[test]
fn what_an_operator_should_know_does_not_stop_trading() {
    let rows = [
        ("/sapi/v1/account/apiRestrictions", 500, "", "withdrawals"),
        ("/sapi/v1/account/apiRestrictions", 0, "no route", "withdrawals"),
        ("/sapi/v1/account/apiRestrictions", 200, "[]", "withdrawals"),
        (
            "/sapi/v1/account/apiRestrictions",
            400,
            r#"{"code":-2015,"msg":"Invalid API-key"}"#,
            "withdrawals",
        ),
        (
            "/sapi/v1/account/apiRestrictions",
            200,
            r#"{"ipRestrict":true,"enableFutures":true,"enableWithdrawals":false,"permitsUniversalTransfer":true}"#,
            "key rights",
        ),
        ("/fapi/v1/feeBurn", 404, "", "fee currency"),
        ("/fapi/v1/apiTradingStatus", 404, "", "restrictions"),
        (
            "/fapi/v3/account",
            200,
            r#"{"assets":[{"asset":"USDC","walletBalance":"5","availableBalance":"0"}]}"#,
            "balance",
        ),
        (
            "/sapi/v1/account/apiRestrictions",
            200,
            r#"{"ipRestrict":false,"enableFutures":true,"enableWithdrawals":false}"#,
            "key rights",
        ),
        (
            "/fapi/v1/commissionRate",
            200,
            r#"{"symbol":"ETHUSDC","makerCommissionRate":"0.0002","takerCommissionRate":"0.0005"}"#,
            "fees",
        ),
        ("/fapi/v1/feeBurn", 200, r#"{"feeBurn":true}"#, "fee currency"),
        (
            "/fapi/v1/openOrders",
            200,
            r#"[{"symbol":"ETHUSDC","orderId":7,"clientOrderId":"web_abc","side":"BUY","status":"NEW","price":"1","origQty":"1","executedQty":"0","type":"LIMIT","timeInForce":"GTC","updateTime":1}]"#,
            "orders",
        ),
        (
            "/fapi/v3/positionRisk",
            200,
            r#"[{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"0.5","entryPrice":"2600"}]"#,
            "position",
        ),
    ];
    for (path, status, body, name) in rows {
        let special =
            |request: &Request, _| (request.path == path).then(|| (status, body.to_owned()));
        let (findings, _) = run(wanted(), &special);
        assert!(findings.ready.is_some(), "{path} {body}: {findings:?}");
        let warned = |check: &&Check| check.state == State::Warning;
        let warnings: Vec<_> = findings.checks.iter().filter(warned).map(|c| c.name).collect();
        assert_eq!(warnings, [name], "{path} {body}");
    }
    let accepted = Wanted { allow_withdrawals: true, ..wanted() };
    let body = r#"{"ipRestrict":true,"enableFutures":true,"enableWithdrawals":true}"#;
    let special =
        |request: &Request, _| request.path.starts_with("/sapi").then(|| (200, body.to_owned()));
    assert!(run(accepted, &special).0.ready.is_some());
}

#[test]
fn settings_are_applied_only_when_told_and_only_to_an_untouched_account() {
    let wrong = r#"[{"symbol":"ETHUSDC","marginType":"ISOLATED","leverage":20}]"#;
    let apply = Wanted { apply_settings: true, ..wanted() };
    // Set, then looked at again.
    let special = |request: &Request, before| {
        (request.path == "/fapi/v1/symbolConfig" && before == 0).then(|| (200, wrong.to_owned()))
    };
    let (findings, asked) = run(apply.clone(), &special);
    assert!(findings.ready.is_some(), "{findings:?}");
    assert!(asked.contains(&"/fapi/v1/leverage") && asked.contains(&"/fapi/v1/marginType"));
    // Set, and still wrong.
    let special = |request: &Request, _| {
        (request.path == "/fapi/v1/symbolConfig").then(|| (200, wrong.to_owned()))
    };
    assert_eq!(refused(&run(apply.clone(), &special).0), ["margin type", "leverage"]);
    // The venue does not let us: its reason is told.
    let special = |request: &Request, _| match request.path {
        "/fapi/v1/symbolConfig" => Some((200, wrong.to_owned())),
        "/fapi/v1/marginType" => Some((400, r#"{"code":-4047,"msg":"open orders"}"#.to_owned())),
        "/fapi/v1/leverage" => Some((400, r#"{"code":-4046,"msg":"No need"}"#.to_owned())),
        _ => None,
    };
    let (findings, _) = run(apply.clone(), &special);
    assert_eq!(refused(&findings), ["margin type", "leverage"]);
    let remedy = |name: &str| {
        findings.checks.iter().find(|check| check.name == name).unwrap().remedy.clone()
    };
    assert!(remedy("margin type").ends_with("was refused: open orders (-4047)"));
    assert!(remedy("leverage").ends_with("setting it changed nothing"));
    // With a position, an order, or when that is not known, nothing is touched.
    let held =
        r#"[{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"0.5","entryPrice":"2600"}]"#;
    let order = r#"[{"symbol":"ETHUSDC","orderId":7,"clientOrderId":"mm-00000001-00000001","side":"BUY","status":"NEW","price":"1","origQty":"1","executedQty":"0"}]"#;
    for (path, status, body) in [
        ("/fapi/v3/positionRisk", 200, held),
        ("/fapi/v3/positionRisk", 500, ""),
        ("/fapi/v1/openOrders", 200, order),
        ("/fapi/v1/openOrders", 500, ""),
        ("/fapi/v1/exchangeInfo", 200, r#"{"symbols":[]}"#),
    ] {
        let special = |request: &Request, _| match request.path {
            "/fapi/v1/symbolConfig" => Some((200, wrong.to_owned())),
            known if known == path => Some((status, body.to_owned())),
            _ => None,
        };
        for wanted in [apply.clone(), wanted()] {
            let (findings, asked) = run(wanted, &special);
            assert!(findings.ready.is_none());
            let set = |path: &&&str| matches!(**path, "/fapi/v1/leverage" | "/fapi/v1/marginType");
            assert_eq!(asked.iter().find(set), None, "{path} {body}");
        }
    }
}

#[test]
fn hedge_mode_is_left_when_told() {
    let hedge = r#"{"canTrade":true,"dualSidePosition":true,"multiAssetsMargin":false}"#;
    let special = |request: &Request, before| {
        (request.path == "/fapi/v1/accountConfig" && before == 0).then(|| (200, hedge.to_owned()))
    };
    let (findings, asked) = run(Wanted { apply_settings: true, ..wanted() }, &special);
    assert!(findings.ready.is_some(), "{findings:?}");
    assert_eq!(asked.iter().filter(|path| path.ends_with("positionSide/dual")).count(), 1);
    assert_eq!(refused(&run(wanted(), &special).0), ["position mode"]);
}

#[test]
fn modes_that_the_account_does_not_tell_are_asked_for() {
    let special = |mode: bool, assets: bool| {
        move |request: &Request, _| match request.path {
            "/fapi/v1/accountConfig" => Some((200, r#"{"canTrade":true}"#.to_owned())),
            "/fapi/v1/positionSide/dual" => {
                Some((200, format!(r#"{{"dualSidePosition":{mode}}}"#)))
            }
            "/fapi/v1/multiAssetsMargin" => {
                Some((200, format!(r#"{{"multiAssetsMargin":{assets}}}"#)))
            }
            _ => None,
        }
    };
    assert!(run(wanted(), &special(false, false)).0.ready.is_some());
    let names = refused(&run(wanted(), &special(true, true)).0);
    assert_eq!(names, ["position mode", "margin assets"]);
    let silent = |request: &Request, _| match request.path {
        "/fapi/v1/accountConfig" => Some((200, r#"{"canTrade":true}"#.to_owned())),
        "/fapi/v1/positionSide/dual" | "/fapi/v1/multiAssetsMargin" => Some((200, "{}".to_owned())),
        _ => None,
    };
    assert_eq!(refused(&run(wanted(), &silent).0), ["position mode", "margin assets"]);
}

#[test]
fn a_venue_that_falters_is_asked_again() {
    let faults = [
        (0, "reset"),
        (503, "Service Unavailable."),
        (502, "<html>Bad Gateway</html>"),
        (503, r#"{"code":-1008,"msg":"Server is currently overloaded"}"#),
        (408, r#"{"code":-1007,"msg":"Timeout"}"#),
        (400, r#"{"code":-1021,"msg":"Timestamp"}"#),
    ];
    let paths = [
        "/fapi/v1/time",
        "/fapi/v1/exchangeInfo",
        "/fapi/v1/accountConfig",
        "/fapi/v1/commissionRate",
        "/fapi/v3/positionRisk",
    ];
    for (status, body) in faults {
        for path in paths {
            let special = |request: &Request, before| {
                (request.path == path && before == 0).then(|| (status, body.to_owned()))
            };
            let (findings, asked) = run(wanted(), &special);
            assert!(findings.ready.is_some(), "{path} {body}: {findings:?}");
            let least = if path.ends_with("time") { 4 } else { 2 };
            assert!(asked.iter().filter(|asked| **asked == path).count() >= least);
        }
    }
}

#[test]
fn a_contract_that_does_not_exist_does_not_hide_the_rest() {
    let special = |request: &Request, _| match request.path {
        "/fapi/v1/exchangeInfo" => Some((200, r#"{"symbols":[]}"#.to_owned())),
        "/fapi/v1/accountConfig" => Some((
            200,
            r#"{"canTrade":false,"dualSidePosition":true,"multiAssetsMargin":true}"#.to_owned(),
        )),
        _ => None,
    };
    let (findings, asked) = run(wanted(), &special);
    assert_eq!(refused(&findings), ["contract", "account", "position mode", "margin assets"]);
    assert!(!asked.contains(&"/fapi/v1/symbolConfig"));
    for (status, name) in [("SETTLING", "SETTLING"), ("TRADING", "post-only")] {
        let rules = RULES.replace(r#","GTX""#, "").replace("TRADING", status);
        let special = |request: &Request, _| {
            (request.path == "/fapi/v1/exchangeInfo").then(|| (200, rules.clone()))
        };
        let (findings, _) = run(wanted(), &special);
        assert_eq!(refused(&findings), ["contract"]);
        assert!(findings.checks.iter().any(|check| check.found.contains(name)), "{findings:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_while_we_ask_is_no_clock() {
    let mut preflight = Preflight::new(wanted());
    while let Some((_, request)) = preflight.request() {
        let body = answer(request.path).into_bytes();
        let reply = HttpReply { status: 200, headers: Vec::new(), body };
        preflight.on_answer(NOW, Nanos(NOW.0 - 1), Ok(reply));
    }
    assert_eq!(refused(&preflight.findings()), ["clock"]);
}

#[test]
fn nothing_is_asked_of_a_host_that_is_not_there() {
    let (findings, asked) = run(Wanted { has_permissions: false, ..wanted() }, &|_, _| None);
    assert!(findings.ready.is_some());
    assert!(!asked.iter().any(|path| path.starts_with("/sapi")));
    assert!(findings.checks.iter().any(|check| check.state == State::Warning));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is answered, the questions end, nothing panics, nothing is set without the word,
    /// and trading begins only when nothing was refused.
    #[test]
    fn any_answers_come_to_an_end(
        answers in proptest::collection::vec((0..16_usize, 0..12_usize), 1..60),
        apply_settings: bool,
        has_permissions: bool,
    ) {
        let odd = [
            "", "[]", "{}", "null", "<html>", r#"{"code":-1021}"#, r#"{"code":-2015,"msg":"x"}"#,
            r#"{"code":-1003,"msg":"banned until 1791000999000"}"#, "[{}]", r#"{"serverTime":-1}"#,
            r#"{"canTrade":true}"#, r#"[{"symbol":"ETHUSDC","marginType":"X","leverage":"9"}]"#,
        ];
        let count = std::cell::Cell::new(0);
        let special = |_: &Request, _| {
            let (kind, which) = answers[count.get() % answers.len()];
            count.set(count.get() + 1);
            match kind {
                1 => Some((200, odd[which].to_owned())),
                2 => Some(([400, 401, 403, 404, 408, 418, 429, 451, 500, 502, 503, 200][which], odd[(which * 5) % 12].to_owned())),
                3 => Some((0, "reset".to_owned())),
                _ => None,
            }
        };
        let wanted = Wanted { apply_settings, has_permissions, ..wanted() };
        let (findings, asked) = run(wanted, &special);
        let sets = ["/fapi/v1/leverage", "/fapi/v1/marginType"];
        prop_assert!(apply_settings || !asked.iter().any(|path| sets.contains(path)));
        let clean = findings.checks.iter().all(|check| check.state != State::Refused);
        prop_assert_eq!(findings.ready.is_some(), clean);
    }
}
