//! One row per thing that can be wrong.

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
        asked.push(request.path);
        assert!(asked.len() < 40, "it ends: {asked:?}");
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

#[test]
fn every_misconfiguration_is_refused_with_its_remedy() {
    let rows: &[(&str, u16, &str, &[&str])] = &[
        ("/fapi/v1/time", 200, r#"{"serverTime":1790999995000}"#, &["clock"]),
        ("/fapi/v1/time", 200, r#"{"serverTime":1791000005000}"#, &["clock"]),
        ("/fapi/v1/time", 0, "connection refused", &["venue"]),
        ("/fapi/v1/time", 200, "<html>", &["venue"]),
        ("/fapi/v1/exchangeInfo", 200, r#"{"symbols":[],"rateLimits":[]}"#, &["contract"]),
        ("/fapi/v1/exchangeInfo", 503, "", &["contract"]),
        (
            "/fapi/v1/accountConfig",
            200,
            r#"{"canTrade":true,"dualSidePosition":true,"multiAssetsMargin":true}"#,
            &["position mode", "margin assets"],
        ),
        ("/fapi/v1/accountConfig", 200, r#"{"canTrade":false}"#, &["account"]),
        ("/fapi/v1/accountConfig", 400, r#"{"code":-2015,"msg":"Invalid API-key"}"#, &["account"]),
        ("/fapi/v1/accountConfig", 400, r#"{"code":-1022,"msg":"Signature"}"#, &["account"]),
        ("/fapi/v1/accountConfig", 400, r#"{"code":-1021,"msg":"Timestamp"}"#, &["account"]),
        ("/fapi/v1/accountConfig", 200, "[]", &["account"]),
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
    ];
    for (path, status, body, names) in rows {
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
    // With a position nothing is touched.
    let held =
        r#"[{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"0.5","entryPrice":"2600"}]"#;
    let special = |request: &Request, _| match request.path {
        "/fapi/v1/symbolConfig" => Some((200, wrong.to_owned())),
        "/fapi/v3/positionRisk" => Some((200, held.to_owned())),
        _ => None,
    };
    let (findings, asked) = run(apply, &special);
    assert!(findings.ready.is_none());
    assert!(!asked.contains(&"/fapi/v1/leverage"));
    // Without the word nothing is ever set.
    let (_, asked) = run(wanted(), &special);
    assert!(!asked.iter().any(|path| path.ends_with("leverage") || path.ends_with("marginType")));
}
