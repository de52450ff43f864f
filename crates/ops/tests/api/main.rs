//! The HTTP API through its sockets.

mod client;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use engine::input::Control;
use engine::output::AlertLevel;
use engine::risk::{Mode, Standstill};
use engine::snapshot::Snapshot;
use market::Usd;
use ops::api::{
    BODY_LIMIT, CONNECTIONS_MAX, ControlRequest, Health, HealthRules, Listeners, STREAMS_MAX,
    routes,
};
use ops::link::{LinkView, RateLimitView, StreamView};
use ops::metrics::{LINT_EXCEPTIONS, Metrics};
use ops::recorder::Recorder;
use ops::store::StoreView;

use client::{Server, TOKEN, clock, exchange, open};
use world::{World, events, troubled};

/// A server that has seen everything once.
fn lively() -> (Server, World) {
    let mut server = Server::start();
    let mut world = World::new(clock());
    server.recorder.outputs(world.now, &events());
    for _ in 0..40 {
        let outputs = world.pass(Duration::from_millis(250));
        server.recorder.outputs(world.now, &outputs);
        server.recorder.snapshot(world.snapshot());
        server.recorder.turn(12_000, 3);
    }
    (server, world)
}

#[test]
fn every_route_answers() {
    let (server, _) = lively();
    for (method, path) in routes() {
        if path == "/api/stream" {
            continue;
        }
        let body = if path.ends_with("log-level") { r#"{"level":"debug"}"# } else { "" };
        let (answer, expected) = match method {
            "get" => (server.get(path), 200),
            _ => (server.post(path, body), 202),
        };
        assert_eq!(answer.status, expected, "{method} {path}: {}", answer.body);
        for header in ["content-security-policy:", "nosniff", "cache-control: no-store"] {
            assert!(answer.head.contains(header), "{path} without {header}");
        }
        let json = path.starts_with("/api/") && path != "/api/config";
        if json || path == "/health" || path == "/ready" {
            answer.json();
        }
        let other = if method == "get" { server.post(path, "") } else { server.get(path) };
        assert_eq!(other.status, 405, "{path}");
        assert!(other.json()["remedy"].is_string());
    }
    let nothing = server.get("/api/nothing");
    assert_eq!(nothing.status, 404);
    assert!(nothing.json()["error"].as_str().unwrap().contains("/api/nothing"));
    assert_eq!(exchange(server.metrics, "GET", "/metrics", &[], "").status, 200);
    assert_eq!(exchange(server.metrics, "GET", "/api/status", &[], "").status, 404);
    assert_eq!(exchange(server.metrics, "POST", "/api/control/halt", &[], "").status, 404);
}

#[test]
fn before_the_first_snapshot_reads_say_so() {
    let server = Server::start();
    for path in ["/api/status", "/api/risk/status", "/api/orders", "/api/position", "/api/pnl"] {
        assert_eq!(server.get(path).status, 503, "{path}");
    }
    for path in ["/health", "/ready"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["reasons"].as_array().unwrap().len(), 2, "{}", answer.body);
    }
    for path in ["/api/fills", "/api/alerts", "/metrics", "/"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
}

#[test]
fn who_may_do_what() {
    let (server, _) = lively();
    let (right, wrong) = (format!("Bearer {TOKEN}"), format!("Bearer {TOKEN}x"));
    let own = format!("http://{}", server.api);
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let table: [(&str, &str, Headers<'_>, u16); 16] = [
        ("GET", "/api/status", &[], 200),
        ("GET", "/api/status", &[("Authorization", &right)], 200),
        ("GET", "/api/status", &[("Authorization", &wrong)], 401),
        ("GET", "/api/status", &[("X-Forwarded-For", "8.8.8.8")], 401),
        ("GET", "/", &[("X-Forwarded-For", "8.8.8.8")], 401),
        ("GET", "/metrics", &[("X-Forwarded-For", "8.8.8.8")], 401),
        ("GET", "/api/status", &[("X-Forwarded-For", "8.8.8.8"), ("Authorization", &right)], 200),
        ("GET", "/api/status", &[("Host", "evil.example")], 403),
        ("GET", "/api/status", &[("Host", "desk.example:9100")], 200),
        ("GET", "/api/status", &[("Host", "localhost:1")], 200),
        ("GET", "/api/status", &[("Origin", "http://evil.example")], 403),
        ("POST", "/api/control/pause", &[], 401),
        ("POST", "/api/control/pause", &[("Authorization", &wrong)], 401),
        ("POST", "/api/control/pause", &[("Authorization", &right), ("Origin", "null")], 403),
        ("POST", "/api/control/pause", &[("Authorization", &right), ("Host", "evil.example")], 403),
        ("POST", "/api/control/pause", &[("Authorization", &right), ("Origin", &own)], 202),
    ];
    for (method, path, headers, expected) in table {
        let answer = server.send(method, path, headers, "");
        assert_eq!(answer.status, expected, "{method} {path} {headers:?}: {}", answer.body);
        if expected >= 400 {
            let body = answer.json();
            assert!(body["error"].is_string() && body["remedy"].is_string(), "{body}");
            assert!(!answer.body.contains(TOKEN));
        }
        assert_eq!(answer.head.contains("www-authenticate: bearer"), expected == 401);
    }
    assert_eq!(server.asked.lock().unwrap().len(), 1, "only the permitted one arrived");
}

#[test]
fn control_arrives_in_order_and_nonsense_does_not() {
    let server = Server::start();
    let clear = r#"{"clear_halt": true}"#;
    let wanted = [
        ("pause", "", ControlRequest::Engine(Control::Pause)),
        ("resume", "{}", ControlRequest::Engine(Control::Resume { clear_halt: false })),
        ("resume", clear, ControlRequest::Engine(Control::Resume { clear_halt: true })),
        ("halt", "", ControlRequest::Engine(Control::Halt)),
        ("flatten", " ", ControlRequest::Engine(Control::Flatten)),
        ("breaker/reset", "", ControlRequest::Engine(Control::ResetBreaker)),
        ("reload", "", ControlRequest::Reload),
        ("log-level", r#"{"level":"debug"}"#, ControlRequest::LogLevel("debug".to_owned())),
    ];
    for (path, body, _) in &wanted {
        let answer = server.post(&format!("/api/control/{path}"), body);
        assert_eq!(answer.status, 202, "{path}: {}", answer.body);
    }
    let large = format!(r#"{{"clear_halt": true{}}}"#, " ".repeat(BODY_LIMIT));
    for (path, body, status) in [
        ("resume", "{", 400),
        ("resume", r#"{"clear_halt": "yes"}"#, 400),
        ("resume", r#"{"clear_halts": true}"#, 400),
        ("resume", "[true]", 400),
        ("halt", "[]", 400),
        ("halt", r#"{"really": true}"#, 400),
        ("log-level", "", 400),
        ("log-level", r#"{"level":"nonsense"}"#, 422),
        ("resume", &large, 413),
    ] {
        let answer = server.post(&format!("/api/control/{path}"), body);
        assert_eq!(answer.status, status, "{path} {:.40}: {}", body, answer.body);
        assert!(answer.json()["remedy"].is_string());
    }
    let asked = server.asked.lock().unwrap();
    assert_eq!(*asked, wanted.map(|(_, _, request)| request));
}

#[test]
fn the_document_lists_every_route_and_no_other() {
    let server = Server::start();
    let document = server.get("/api/openapi.json").json();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.clone(), path.clone()))
        })
        .collect();
    let real = routes().into_iter().map(|(m, p)| (m.to_owned(), p.to_owned())).collect();
    assert_eq!(documented, real);
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split(r#""$ref":""#).skip(1) {
        let pointer = reference.split('"').next().unwrap().trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

/// Every key of an answer is documented and every documented key is there.
#[test]
fn answers_have_the_documented_shape() {
    let (server, _) = lively();
    let document = server.get("/api/openapi.json").json();
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let schema = |name: &str| keys(&document["components"]["schemas"][name]["properties"]);
    let status = server.get("/api/status").json();
    let desk = &status["desks"][0];
    let fill = &server.get("/api/fills?limit=1").json()["fills"][0];
    let pnl = server.get("/api/pnl").json();
    for (name, value) in [
        ("Status", &status),
        ("Risk", &status["risk"]),
        ("Breaker", &status["risk"]["breaker"]),
        ("Limit", &status["risk"]["limits"][0]),
        ("Pnl", &status["pnl"]),
        ("Desk", desk),
        ("Book", &desk["book"]),
        ("Position", &desk["position"]),
        ("Quotes", &desk["quotes"]),
        ("Order", &desk["orders"][0]),
        ("Counters", &desk["counters"]),
        ("Fill", fill),
        ("Alert", &server.get("/api/alerts").json()["alerts"][0]),
        ("Point", &pnl["history"][0]),
        ("Health", &server.get("/health").json()),
    ] {
        assert_eq!(keys(value), schema(name), "{name}");
    }
}

#[test]
fn a_store_is_shown_and_measured_and_its_alerts_with_the_others() {
    let server = Server::start();
    assert!(!server.get("/metrics").body.contains("mm_store_"), "not every run has one");
    let view = StoreView {
        database: "postgres db/mm".to_owned(),
        failing_seconds: 2.5,
        spilled: 7,
        rows: [("fills", 3)].into(),
        ..StoreView::default()
    };
    let shown = view.clone();
    server.shared.has_store(Arc::new(move || shown.clone()));
    server.shared.alert(AlertLevel::Error, "store_failing", "the store cannot be written");
    let metrics = server.get("/metrics").body;
    for line in ["mm_store_up 0", "mm_store_spilled 7", r#"mm_store_rows_total{table="fills"} 3"#] {
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    let alerts = server.get("/api/alerts").json();
    let newest = &alerts["alerts"][0];
    assert!(newest["kind"] == "store_failing" && newest["level"] == "error", "{newest}");
    let document = server.get("/api/openapi.json").json();
    let documented = document["components"]["schemas"]["Store"]["properties"].as_object().unwrap();
    let shown = serde_json::to_value(view).unwrap();
    assert!(documented.keys().eq(shown.as_object().unwrap().keys()));
}

#[test]
fn the_link_to_a_venue_is_shown_and_measured() {
    let mut server = Server::start();
    let metrics = server.get("/metrics").body;
    assert!(!metrics.contains("mm_stream_up"), "paper trading has no link");
    server.recorder.link(LinkView {
        streams: vec![
            StreamView {
                name: "depth",
                up: true,
                age_seconds: Some(0.1),
                messages: 7,
                reconnects: 1,
            },
            StreamView { name: "user", ..StreamView::default() },
        ],
        limits: vec![RateLimitView { name: "weight_1m".to_owned(), limit: 2_400, left: 2_000 }],
        clock_offset_seconds: Some(-0.25),
        obstacles: vec!["clock_off"],
        ..LinkView::default()
    });
    let metrics = server.get("/metrics").body;
    for line in [
        r#"mm_stream_up{stream="depth"} 1"#,
        r#"mm_stream_up{stream="user"} 0"#,
        r#"mm_stream_messages_total{stream="depth"} 7"#,
        r#"mm_rate_limit_left{limit="weight_1m"} 2000"#,
        "mm_clock_offset_seconds -0.25",
        "mm_ws_api_up 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
    let document = server.get("/api/openapi.json").json();
    let documented = document["components"]["schemas"]["Link"]["properties"].as_object().unwrap();
    let shown = serde_json::to_value(LinkView::default()).unwrap();
    let keys = |map: &serde_json::Map<String, serde_json::Value>| -> BTreeSet<String> {
        map.keys().cloned().collect()
    };
    assert_eq!(keys(documented), keys(shown.as_object().unwrap()));
}

#[test]
fn money_is_exact_text_and_adds_up() {
    let (server, _) = lively();
    let status = server.get("/api/status").json();
    let history = server.get("/api/pnl?points=5&minutes=60").json()["history"].clone();
    assert!((2..=5).contains(&history.as_array().unwrap().len()), "{history}");
    for pnl in [&status["pnl"], &status["desks"][0]["pnl"], &history[1]] {
        let money = |key: &str| {
            let text = pnl[key].as_str().unwrap_or_else(|| panic!("{key} in {pnl}"));
            Usd::from_decimal(text.parse().unwrap())
        };
        assert!(!money("total").is_zero());
        assert_eq!(money("total"), money("realized") + money("unrealized"));
    }
    let desk = &status["desks"][0];
    assert_eq!(desk["position"]["max_inventory"], "0.05");
    assert_eq!(desk["book"]["bids"].as_array().unwrap().len(), 25);
    assert_eq!(server.get("/api/pnl?points=x").status, 400);
    assert_eq!(server.get("/api/fills?nonsense=1").status, 400);
}

fn health(change: impl FnOnce(&mut Snapshot, &mut Recorder)) -> Vec<String> {
    let mut server = Server::start();
    let mut snapshot = World::new(clock()).snapshot();
    server.recorder.turn(1_000, 1);
    change(&mut snapshot, &mut server.recorder);
    server.recorder.snapshot(snapshot);
    let answer = server.get("/health");
    let body = answer.json();
    let reasons: Vec<String> = serde_json::from_value(body["reasons"].clone()).unwrap();
    assert_eq!(answer.status, if reasons.is_empty() { 200 } else { 503 });
    let failed = body["checks"].as_array().unwrap().iter().filter(|check| check["ok"] == false);
    assert_eq!(failed.count(), reasons.len());
    reasons
}

#[test]
fn health_names_every_reason() {
    assert_eq!(health(|_, _| {}), [""; 0]);
    let reasons = health(|snapshot, _| *snapshot = troubled(snapshot.clone()));
    for (reason, expected) in reasons.iter().zip(["book: ", "user_stream: ", "breaker: "]) {
        assert!(reason.starts_with(expected), "{reasons:?}");
    }
    assert_eq!(reasons.len(), 3);
    for (stop, expected) in [
        (Standstill::DailyLoss, "daily_loss: daily_loss_limit reached"),
        (Standstill::Drawdown, "drawdown: max_drawdown_limit reached"),
        (Standstill::Drift, "drift: local and venue state differ"),
        (Standstill::DeadManUnarmed, "dead_man: dead-man's switch not armed"),
    ] {
        let reasons = health(|snapshot, _| {
            snapshot.desks[0].standstill = vec![stop];
            snapshot.mode = Mode::Halted;
        });
        assert_eq!(reasons, [expected]);
    }
    let unknown = health(|snapshot, _| snapshot.desks[0].position_known = false);
    assert_eq!(unknown, ["position: ETHUSDC: not confirmed by the venue"]);
    assert_eq!(health(|snapshot, _| snapshot.desks.clear()).len(), 3);
}

#[test]
fn what_an_operator_does_is_no_fault() {
    for stop in [Standstill::Paused, Standstill::OperatorHalt, Standstill::Warmup] {
        let reasons = health(|snapshot, _| {
            (snapshot.mode, snapshot.paused) = (Mode::Halted, true);
            snapshot.desks[0].standstill = vec![stop];
        });
        assert_eq!(reasons, [""; 0], "{stop}");
    }
}

#[test]
fn an_engine_that_hangs_is_unhealthy() {
    let (server, _) = lively();
    std::thread::sleep(Duration::from_millis(30));
    let impatient = HealthRules {
        max_turn_age: Duration::from_millis(1),
        max_snapshot_age: Duration::from_millis(1),
    };
    let reasons = Health::new(&server.shared, &impatient).reasons;
    assert!(reasons[0].starts_with("engine: the engine loop turned 0.0 s ago"), "{reasons:?}");
    assert!(reasons[1].starts_with("snapshot: "), "{reasons:?}");
    assert!(!Health::ready(&server.shared, &impatient).is_ok());
    assert!(Health::new(&server.shared, &HealthRules::default()).is_ok());
}

/// The exposition, sample by sample; panics at the first line that is not in the format.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let (mut kinds, mut family) = (BTreeMap::new(), String::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = help.split_once(' ').unwrap();
            assert!(help.len() > 10 && help.ends_with('.'), "help of {name}: {help}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            let again = kinds.insert(name.to_owned(), kind.to_owned());
            assert_eq!(again, None, "{name} twice");
            let exception = LINT_EXCEPTIONS.iter().any(|(own, _)| *own == name);
            assert!(exception || (kind == "counter") == name.ends_with("_total"), "{name} {kind}");
            family = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with(&family), "{series} outside {family}");
            let plain = series.chars().all(|c| c.is_ascii_graphic() || c == ' ');
            assert!(plain && !series.contains("mm-"), "{series}");
            let again = samples.insert(series.to_owned(), value.parse().unwrap());
            assert_eq!(again, None, "{series} twice");
        }
    }
    samples
}

#[test]
fn metrics_are_complete_from_the_start() {
    let server = Server::start();
    let fresh = samples(&server.get("/metrics").body);
    let (busy, _) = lively();
    let later = samples(&busy.get("/metrics").body);
    let missing: Vec<_> = later.keys().filter(|series| !fresh.contains_key(*series)).collect();
    assert_eq!(missing, [&""; 0], "not there from the start");
    assert!(later.len() < 500, "{} series", later.len());
    for name in [
        "trading_pnl_total",
        "realized_pnl",
        "unrealized_pnl",
        "current_position",
        "max_inventory",
        "order_latency_histogram_count",
        "risk_level",
    ] {
        assert!(fresh.contains_key(&format!("{name}{{symbol=\"ETHUSDC\"}}")), "{name}");
    }
    assert_eq!(fresh["mm_refusals_total{rule=\"max_position\",symbol=\"ETHUSDC\"}"], 0.0);
    assert_eq!(exchange(busy.metrics, "GET", "/metrics", &[], "").head.matches("0.0.4").count(), 1);
}

#[test]
fn metrics_say_what_happened() {
    let (server, world) = lively();
    let found = samples(&server.get("/metrics").body);
    let of = |name: &str| found[&format!("{name}{{symbol=\"ETHUSDC\"}}")];
    assert_eq!(
        of("trading_pnl_total"),
        of("realized_pnl") + of("unrealized_pnl"),
        "to the last bit"
    );
    assert!((of("trading_pnl_total") - world.pnl().total.to_f64()).abs() < 1e-9);
    assert_eq!(of("max_inventory"), 0.05);
    assert_eq!(of("risk_level"), 1.0);
    for (series, expected) in [
        ("order_latency_histogram_bucket{symbol=\"ETHUSDC\",le=\"2\"}", 0.0),
        ("mm_venue_rejects_total{reason=\"margin\",symbol=\"ETHUSDC\"}", 1.0),
        ("mm_refusals_total{rule=\"max_position\",symbol=\"ETHUSDC\"}", 1.0),
        ("mm_alerts_total{level=\"critical\"}", 1.0),
        ("mm_alerts_by_kind_total{kind=\"operator\"}", 1.0),
        ("mm_mode{mode=\"quoting\",symbol=\"ETHUSDC\"}", 1.0),
        ("mm_mode{mode=\"halted\",symbol=\"ETHUSDC\"}", 0.0),
        ("mm_breaker_state{state=\"closed\"}", 1.0),
        ("mm_limit_allowed{limit=\"daily_loss_limit\"}", 100.0),
        ("mm_log_messages_total{level=\"warn\"}", 2.0),
        ("mm_log_dropped_total", 4.0),
        ("mm_log_write_failures_total", 5.0),
        ("mm_turn_duration_seconds_count", 40.0),
        ("mm_inputs_total", 120.0),
        ("mm_book_synced{symbol=\"ETHUSDC\"}", 1.0),
    ] {
        assert_eq!(found.get(series), Some(&expected), "{series}");
    }
    let build = "mm_build_info{commit=\"abcdef0123\",config_hash=\"5eed5eed\",version=\"0.1.0\"}";
    assert_eq!(found[build], 1.0);
    for series in ["process_resident_memory_bytes", "process_threads", "process_open_fds"] {
        assert!(found[series] > 0.0, "{series}");
    }
}

#[test]
fn a_scrape_is_cheap() {
    let (server, _) = lively();
    let metrics = Metrics::new(server.shared.clone());
    let before = clock();
    (0..10).for_each(|_| assert!(!metrics.render().is_empty()));
    let each = clock().since(before) / 10;
    assert!(each < Duration::from_millis(50), "{each:?}");
}

/// Reads events until one of the name is there.
fn next_event(lines: &mut impl Iterator<Item = std::io::Result<String>>, name: &str) -> String {
    loop {
        let line = lines.next().expect("the stream goes on").unwrap();
        if line.trim() == format!("event: {name}") {
            let data = lines.next().unwrap().unwrap();
            return data.trim().strip_prefix("data: ").unwrap().to_owned();
        }
    }
}

#[test]
fn the_stream_delivers() {
    let (mut server, mut world) = lively();
    let stream = open(server.api, "GET", "/api/stream", &[], "");
    let mut lines = BufReader::new(stream).lines();
    let backlog: serde_json::Value =
        serde_json::from_str(&next_event(&mut lines, "fills")).unwrap();
    let alerts: serde_json::Value =
        serde_json::from_str(&next_event(&mut lines, "alerts")).unwrap();
    assert_eq!(alerts.as_array().unwrap().len(), 3);
    let status: serde_json::Value =
        serde_json::from_str(&next_event(&mut lines, "status")).unwrap();
    assert_eq!(status["desks"][0]["symbol"], "ETHUSDC");
    next_event(&mut lines, "status");
    let fill = loop {
        let outputs = world.pass(Duration::from_millis(250));
        server.recorder.outputs(world.now, &outputs);
        if server.shared.fills().written() > backlog.as_array().unwrap().len() as u64 {
            break next_event(&mut lines, "fills");
        }
    };
    let newest = &server.get("/api/fills?limit=1").json()["fills"][0];
    assert_eq!(serde_json::from_str::<serde_json::Value>(&fill).unwrap()[0], *newest);
    server.stop();
    assert!(lines.all(|line| line.is_ok()), "the stream ends with the server");
}

#[test]
fn streams_are_bounded_and_given_back() {
    let (server, _) = lively();
    let mut first = |_| {
        let mut lines = BufReader::new(open(server.api, "GET", "/api/stream", &[], "")).lines();
        next_event(&mut lines, "status");
        lines
    };
    let streams: Vec<_> = (0..STREAMS_MAX).map(&mut first).collect();
    let mut refused = open(server.api, "GET", "/api/stream", &[("Connection", "keep-alive")], "");
    let mut answer = String::new();
    refused.read_to_string(&mut answer).expect("the server closes the connection");
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_eq!(server.get("/health").status, 200, "others are still served");
    drop(streams);
    std::thread::sleep(Duration::from_millis(500));
    first(0);
}

#[test]
fn an_operator_gets_in_however_many_connections_are_held() {
    let (server, _) = lively();
    let streams: Vec<_> = (0..STREAMS_MAX)
        .map(|_| {
            let mut lines = BufReader::new(open(server.api, "GET", "/api/stream", &[], "")).lines();
            next_event(&mut lines, "status");
            lines
        })
        .collect();
    let hold = |text: &str| {
        let mut stream = TcpStream::connect(server.api).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    let half = format!("POST /api/control/halt HTTP/1.1\r\nHost: {}\r\n", server.api);
    let whole = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", server.api);
    let mut held = Vec::new();
    for text in ["", &half, &whole] {
        held.extend((0..CONNECTIONS_MAX).map(|_| hold(text)));
        let before = clock();
        assert_eq!(server.post("/api/control/pause", "").status, 202);
        assert!(clock().since(before) < Duration::from_secs(2), "held by {text:?}");
    }
    drop((held, streams));
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_request_that_never_ends_is_ended() {
    let server = Server::start();
    let before = clock();
    let mut slow = TcpStream::connect(server.api).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut byte = [0];
    let head = "GET /health HTTP/1.1\r\nX-Slow: ";
    slow.write_all(head.as_bytes()).unwrap();
    // A byte now and then does not keep it open.
    loop {
        if slow.write_all(b"x").is_err() {
            break;
        }
        match slow.read(&mut byte) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => break,
        }
        assert!(clock().since(before) < Duration::from_secs(9), "still open");
    }
    assert!(clock().since(before) > Duration::from_secs(3));
}

#[test]
fn one_host_and_no_more() {
    let (server, _) = lively();
    let (one, two) = (server.api.to_string(), "evil.example");
    for hosts in [[one.as_str(), two], [two, one.as_str()]] {
        let headers = hosts.map(|host| ("Host", host));
        assert_eq!(server.send("GET", "/api/status", &headers, "").status, 400);
    }
}

#[test]
fn the_hash_of_the_active_configuration_is_shown() {
    let (server, _) = lively();
    server.shared.configured(0xabc);
    let hash = "0000000000000abc";
    assert_eq!(server.get("/api/status").json()["config_hash"], hash);
    assert!(server.get("/metrics").body.contains(&format!("config_hash=\"{hash}\"")));
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_owner() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = Listeners::bind(address, None).await.unwrap_err().to_string();
    assert!(error.contains(&format!("cannot listen on {address} for the API")), "{error}");
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    assert!(error.contains("`api.listen`"), "{error}");
}

#[test]
fn the_console_is_one_page_that_loads_nothing() {
    let server = Server::start();
    let page = server.get("/");
    assert!(page.head.contains("text/html"));
    for part in ["/*CSS*/", "/*JS*/", "http://", "https://", "@import", "innerHTML", "src="] {
        // The name of the SVG format is an address that nobody fetches.
        let text = page.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains(part), "{part}");
    }
    assert!(!page.body.contains(TOKEN));
}

/// Serves a made-up market for a browser: `CONSOLE_SECONDS=600 cargo test -p ops --test api -- --ignored`.
#[test]
#[ignore = "for eyes"]
fn console_for_eyes() {
    let seconds = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let mut server = Server::start_at("127.0.0.1:19100");
    let history = Duration::from_secs(seconds("CONSOLE_HISTORY", 7_200));
    let mut world = World::new(clock() - history);
    let trouble = std::env::var("CONSOLE_TROUBLE").is_ok();
    while world.now < clock() {
        let outputs = world.pass(Duration::from_secs(1));
        server.recorder.outputs(world.now, &outputs);
        server.recorder.snapshot(world.snapshot());
    }
    server.recorder.outputs(world.now, &events());
    let end = clock() + Duration::from_secs(seconds("CONSOLE_SECONDS", 60));
    while clock() < end {
        let outputs = world.pass(clock().since(world.now));
        server.recorder.outputs(world.now, &outputs);
        let snapshot = world.snapshot();
        server.recorder.snapshot(if trouble { troubled(snapshot) } else { snapshot });
        server.recorder.turn(15_000, 2);
        for request in server.asked.lock().unwrap().drain(..) {
            println!("{request:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
