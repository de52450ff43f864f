//! What goes out, byte for byte.

use std::time::Duration;

use binance::queries::Work;
use binance::rest::{self, MarginType, OrderName, TradesFrom};
use binance::ws_api::{Auth, FrameError, InFlight, WsReply, logon_frame, session_frame};
use binance::{Credentials, Purpose, Request, Security};
use market::venue::{Amend, OrderKind, TimeInForce, VenueCommand};
use market::{ClientOrderId, InstrumentId, Nanos, Price, Qty, Side, TradeId, VenueOrderId};
use serde_json::{Value, json};

use super::{API_KEY, ED25519, ID, eth, hmac, order, quote, stamp};

/// Method, path, parameters without stamp and signature; checks that the signature is last and
/// covers what is sent.
fn sent(request: &Request) -> String {
    let http = request.http(Some(&hmac()), stamp()).unwrap();
    let text = format!("{} {} {}", http.method.name(), http.target, http.body);
    let text = text.trim_end();
    if request.security != Security::Signed {
        return text.to_owned();
    }
    let (signed, signature) = text.rsplit_once("&signature=").unwrap();
    let payload = signed.split([' ', '?']).next_back().unwrap();
    assert_eq!(hmac().sign(payload.as_bytes()), signature);
    let bare = signed.strip_suffix("recvWindow=5000&timestamp=1791000000000").unwrap();
    bare.trim_end_matches(['&', '?', ' ']).to_owned()
}

#[test]
fn orders() {
    let eth = eth();
    let limit = |tif| OrderKind::Limit { price: Price::new(261_050), tif };
    let id = "newClientOrderId=mm-0012abcd-00000007";
    let head = "POST /fapi/v1/order symbol=ETHUSDC&side=BUY&type=LIMIT";
    for (order, wanted) in [
        (quote(), format!("{head}&timeInForce=GTX&quantity=0.010&price=2610.50&{id}")),
        (
            order(limit(TimeInForce::Gtc), true),
            format!(
                "{head}&timeInForce=GTC&quantity=0.010&price=2610.50&reduceOnly=true&{id}\
                 &selfTradePreventionMode=EXPIRE_MAKER"
            ),
        ),
        (
            order(limit(TimeInForce::Ioc), false),
            format!(
                "{head}&timeInForce=IOC&quantity=0.010&price=2610.50&{id}\
                 &newOrderRespType=RESULT&selfTradePreventionMode=EXPIRE_MAKER"
            ),
        ),
        (
            order(OrderKind::Market, true),
            format!(
                "POST /fapi/v1/order symbol=ETHUSDC&side=BUY&type=MARKET&quantity=0.010\
                 &reduceOnly=true&{id}&newOrderRespType=RESULT"
            ),
        ),
    ] {
        let request = rest::place(&eth, &order);
        assert_eq!(sent(&request), wanted);
        assert_eq!((request.weight, request.order_cost.ten_seconds), (0, 1));
        assert!(!request.idempotent, "an order is never sent twice blindly");
        let purpose = if order.reduce_only { Purpose::Close } else { Purpose::Trade };
        assert_eq!(request.purpose, purpose);
    }
}

fn amendment() -> Amend {
    let (price, qty) = (Price::new(261_000), Qty::new(20));
    Amend { instrument: InstrumentId(0), client_id: ID, side: Side::Sell, price, qty }
}

#[test]
fn every_call_about_market_and_orders() {
    let eth = eth();
    let (s, id) = ("ETHUSDC", OrderName::Client(ID));
    let name = "origClientOrderId=mm-0012abcd-00000007";
    let long = OrderName::Venue(VenueOrderId(4_611_686_018_427_387_905));
    for (request, weight, wanted) in [
        (rest::exchange_info(), 1, "GET /fapi/v1/exchangeInfo".to_owned()),
        (rest::server_time(), 1, "GET /fapi/v1/time".to_owned()),
        (rest::depth(s, 1_000), 20, format!("GET /fapi/v1/depth?symbol={s}&limit=1000")),
        (rest::depth(s, 21), 2, format!("GET /fapi/v1/depth?symbol={s}&limit=50")),
        (rest::premium_index(s), 1, format!("GET /fapi/v1/premiumIndex?symbol={s}")),
        (rest::book_ticker(s), 2, format!("GET /fapi/v1/ticker/bookTicker?symbol={s}")),
        (
            rest::amend(&eth, &amendment()),
            0,
            format!("PUT /fapi/v1/order symbol={s}&side=SELL&{name}&quantity=0.020&price=2610.00"),
        ),
        (rest::cancel(s, id), 1, format!("DELETE /fapi/v1/order?symbol={s}&{name}")),
        (
            rest::query_order(s, long),
            1,
            format!("GET /fapi/v1/order?symbol={s}&orderId=4611686018427387905"),
        ),
        (rest::open_orders(Some(s)), 1, format!("GET /fapi/v1/openOrders?symbol={s}")),
        (rest::open_orders(None), 40, "GET /fapi/v1/openOrders".to_owned()),
        (rest::cancel_all(s), 1, format!("DELETE /fapi/v1/allOpenOrders?symbol={s}")),
        (
            rest::arm_dead_man(s, Duration::from_micros(29_999_001)),
            10,
            format!("POST /fapi/v1/countdownCancelAll symbol={s}&countdownTime=30000"),
        ),
        (
            rest::arm_dead_man(s, Duration::ZERO),
            10,
            format!("POST /fapi/v1/countdownCancelAll symbol={s}&countdownTime=0"),
        ),
    ] {
        check(&request, weight, &wanted);
    }
    let odd = rest::cancel_all("币安人生USDT");
    assert!(sent(&odd).ends_with("symbol=%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT"));
}

/// What is sent, what it weighs, and that it is refused without a key unless public.
fn check(request: &Request, weight: u32, wanted: &str) {
    assert_eq!(sent(request), wanted);
    assert_eq!(request.weight, weight, "{wanted}");
    let public = request.http(None, stamp()).is_ok();
    assert_eq!(public, request.security == Security::None, "{wanted}");
}

#[test]
fn every_call_about_the_account() {
    let s = "ETHUSDC";
    let at = Nanos::from_millis;
    for (request, weight, wanted) in [
        (rest::position_risk(s), 5, format!("GET /fapi/v3/positionRisk?symbol={s}")),
        (rest::position_risk_v2(s), 5, format!("GET /fapi/v2/positionRisk?symbol={s}")),
        (rest::account(), 5, "GET /fapi/v3/account".to_owned()),
        (rest::balance(), 5, "GET /fapi/v3/balance".to_owned()),
        (rest::account_config(), 5, "GET /fapi/v1/accountConfig".to_owned()),
        (rest::symbol_config(s), 5, format!("GET /fapi/v1/symbolConfig?symbol={s}")),
        (rest::commission_rate(s), 20, format!("GET /fapi/v1/commissionRate?symbol={s}")),
        (
            rest::user_trades(s, TradesFrom::Id(TradeId(9))),
            5,
            format!("GET /fapi/v1/userTrades?symbol={s}&fromId=9&limit=1000"),
        ),
        (
            rest::income(s, "FUNDING_FEE", at(1), at(2)),
            30,
            format!(
                "GET /fapi/v1/income?symbol={s}&incomeType=FUNDING_FEE&startTime=1&endTime=2\
                 &limit=1000"
            ),
        ),
        (rest::set_leverage(s, 5), 1, format!("POST /fapi/v1/leverage symbol={s}&leverage=5")),
        (
            rest::set_margin_type(s, MarginType::Cross),
            1,
            format!("POST /fapi/v1/marginType symbol={s}&marginType=CROSSED"),
        ),
        (rest::position_mode(), 30, "GET /fapi/v1/positionSide/dual".to_owned()),
        (
            rest::set_position_mode(false),
            1,
            "POST /fapi/v1/positionSide/dual dualSidePosition=false".to_owned(),
        ),
        (rest::multi_assets(), 30, "GET /fapi/v1/multiAssetsMargin".to_owned()),
        (
            rest::set_multi_assets(true),
            1,
            "POST /fapi/v1/multiAssetsMargin multiAssetsMargin=true".to_owned(),
        ),
        (rest::order_rate_limit(), 1, "GET /fapi/v1/rateLimit/order".to_owned()),
        (rest::trading_status(None), 10, "GET /fapi/v1/apiTradingStatus".to_owned()),
        (rest::create_listen_key(), 1, "POST /fapi/v1/listenKey".to_owned()),
        (rest::keep_listen_key(), 1, "PUT /fapi/v1/listenKey".to_owned()),
        (rest::close_listen_key(), 1, "DELETE /fapi/v1/listenKey".to_owned()),
    ] {
        check(&request, weight, &wanted);
    }
}

#[test]
fn batches() {
    let eth = eth();
    let request = rest::place_batch(&eth, &[quote(), quote()]).unwrap();
    let http = request.http(Some(&hmac()), stamp()).unwrap();
    let value = http.body.strip_prefix("batchOrders=").unwrap().split('&').next().unwrap();
    let text = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
    let one = json!({
        "symbol": "ETHUSDC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTX",
        "quantity": "0.010", "price": "2610.50", "newClientOrderId": "mm-0012abcd-00000007",
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!([one, one]));
    assert!(!text.contains(' '));
    assert_eq!(
        (request.weight, request.order_cost.ten_seconds, request.order_cost.minute),
        (5, 5, 1)
    );
    assert!(rest::place_batch(&eth, &[quote(); 6]).is_err());
    assert!(rest::amend_batch(&eth, &[]).is_err());
    assert!(rest::amend_batch(&eth, &[amendment()]).is_ok());
    let other = ClientOrderId { sequence: 8, ..ID };
    let cancels = rest::cancel_batch("ETHUSDC", &[ID, other]).unwrap();
    assert_eq!(
        sent(&cancels),
        "DELETE /fapi/v1/batchOrders?symbol=ETHUSDC&origClientOrderIdList=%5B%22mm-0012abcd-00000007\
         %22%2C%22mm-0012abcd-00000008%22%5D"
    );
    assert!(rest::cancel_batch("ETHUSDC", &[ID; 11]).is_err());
}

#[test]
fn ed25519_signatures_are_encoded_after_signing() {
    let key = Credentials::new("TESTKEY", ED25519).unwrap();
    let http = rest::balance().http(Some(&key), stamp()).unwrap();
    let signature = key.sign(b"recvWindow=5000&timestamp=1791000000000");
    let (_, sent) = http.target.rsplit_once("signature=").unwrap();
    assert!(!sent.contains(['+', '/', '=']), "{sent}");
    assert_eq!(percent_encoding::percent_decode_str(sent).decode_utf8().unwrap(), signature);
}

#[test]
fn printing_a_request_shows_no_secret() {
    let http = rest::place(&eth(), &quote()).http(Some(&hmac()), stamp()).unwrap();
    let shown = format!("{http:?}");
    assert!(shown.contains("symbol=ETHUSDC") && !shown.contains(API_KEY), "{shown}");
    let (_, signature) = http.body.rsplit_once("signature=").unwrap();
    assert!(!shown.contains(&signature[..8]), "{shown}");
}

#[test]
fn frames_of_the_ws_api() {
    let eth = eth();
    let mut frame = String::from("old");
    let key = hmac();
    rest::place(&eth, &quote()).frame(17, Auth::Signed(&key), stamp(), &mut frame).unwrap();
    let value: Value = serde_json::from_str(&frame).unwrap();
    let text = format!(
        "apiKey={API_KEY}&newClientOrderId={ID}&price=2610.50&quantity=0.010&recvWindow=5000\
         &side=BUY&symbol=ETHUSDC&timeInForce=GTX&timestamp=1791000000000&type=LIMIT"
    );
    let wanted = json!({ "id": "17", "method": "order.place", "params": {
        "apiKey": API_KEY, "newClientOrderId": ID.to_string(), "price": "2610.50",
        "quantity": "0.010", "recvWindow": 5000, "side": "BUY", "symbol": "ETHUSDC",
        "timeInForce": "GTX", "timestamp": 1_791_000_000_000_u64, "type": "LIMIT",
        "signature": key.sign(text.as_bytes()),
    } });
    assert_eq!(value, wanted);

    rest::cancel("ETHUSDC", OrderName::Venue(VenueOrderId(-5)))
        .frame(18, Auth::Session(&key), stamp(), &mut frame)
        .unwrap();
    assert_eq!(
        frame,
        r#"{"id":"18","method":"order.cancel","params":{"orderId":-5,"recvWindow":5000,"symbol":"ETHUSDC","timestamp":1791000000000}}"#
    );
    rest::create_listen_key().frame(19, Auth::Signed(&key), stamp(), &mut frame).unwrap();
    assert_eq!(
        frame,
        format!(
            r#"{{"id":"19","method":"userDataStream.start","params":{{"apiKey":"{API_KEY}"}}}}"#
        )
    );
    let refused = rest::cancel_all("ETHUSDC").frame(1, Auth::Signed(&key), stamp(), &mut frame);
    assert_eq!(refused, Err(FrameError::RestOnly("/fapi/v1/allOpenOrders")));
    session_frame(2, true, &mut frame);
    assert_eq!(frame, r#"{"id":"2","method":"session.logout","params":{}}"#);
}

#[test]
fn logon_of_the_facts() {
    let mut frame = String::new();
    let key = Credentials::ed25519("TESTKEY", ED25519).unwrap();
    logon_frame(1, &key, stamp(), &mut frame).unwrap();
    let value: Value = serde_json::from_str(&frame).unwrap();
    assert_eq!(
        value["params"]["signature"],
        "clP+Y9vCWR74NCfNWkzwogPwNR8UdV9qrBLlqz463wbMdyTRAV/vNDsOu0i4mGStuHcpOXY1d+g/RVZHNCeRDQ=="
    );
    assert_eq!(logon_frame(1, &hmac(), stamp(), &mut frame), Err(FrameError::LogonNeedsEd25519));
}

#[test]
fn replies_find_their_requests() {
    let mut flying = InFlight::default();
    let (now, second) = (Nanos::from_millis(1_000), Duration::from_secs(1));
    let (a, b, c) = (
        flying.send(now, second, 'a'),
        flying.send(now, second * 3, 'b'),
        flying.send(now, second, 'c'),
    );
    let text = format!(
        r#"{{"id":"{b}","status":200,"result":{{"orderId":1}},"rateLimits":[{{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":300,"count":4}},{{"rateLimitType":"NEW"}}]}}"#
    );
    let reply = WsReply::decode(text.as_bytes()).unwrap();
    assert_eq!((reply.id, reply.status, reply.limits.len()), (Some(b), 200, 1));
    assert_eq!((reply.limits[0].count, reply.limits[0].limit.limit), (4, 300));
    assert_eq!(flying.answered(b), Some('b'));
    assert_eq!(flying.answered(b), None, "twice");
    assert_eq!(flying.deadline(), Some(now + second));
    assert_eq!(flying.overdue(now + second), ['a', 'c']);
    assert!(flying.is_empty() && a < c);
    flying.send(now, second, 'd');
    assert_eq!(flying.take(|_| true), ['d']);

    let failed = r#"{"id":4,"status":400,"error":{"code":-2011,"msg":"Unknown order sent."}}"#;
    let failed = WsReply::decode(failed.as_bytes()).unwrap();
    assert_eq!(failed.result.unwrap_err().code, Some(-2011));
    let revoked = r#"{"id":null,"status":401,"error":{"code":-2015,"msg":"Invalid API-key"}}"#;
    assert_eq!(WsReply::decode(revoked.as_bytes()).unwrap().id, None);
    assert!(WsReply::decode(b"{}").is_err());
}

#[test]
fn commands_become_requests() {
    let eth = eth();
    let instrument = InstrumentId(0);
    let first = |command: &VenueCommand| match Work::for_command(&eth, command) {
        Work::One(request) => sent(&request),
        Work::Order(query) => sent(&query.request()),
        Work::Account(query) => sent(&query.request()),
    };
    let since = Some(TradeId(5));
    for (command, wanted) in [
        (VenueCommand::Place(quote()), "POST /fapi/v1/order symbol=ETHUSDC&side=BUY"),
        (VenueCommand::Amend(amendment()), "PUT /fapi/v1/order "),
        (VenueCommand::Cancel { instrument, client_id: ID }, "DELETE /fapi/v1/order?"),
        (VenueCommand::CancelAll { instrument }, "DELETE /fapi/v1/allOpenOrders?"),
        (
            VenueCommand::ArmDeadMan { instrument, countdown: Duration::from_secs(5) },
            "POST /fapi/v1/countdownCancelAll symbol=ETHUSDC&countdownTime=5000",
        ),
        (VenueCommand::QueryOrder { instrument, client_id: ID }, "GET /fapi/v1/order?"),
        (
            VenueCommand::QueryAccount { instrument, since, query: 3 },
            "GET /fapi/v1/userTrades?symbol=ETHUSDC&fromId=6&limit=1000",
        ),
    ] {
        let text = first(&command);
        assert!(text.starts_with(wanted), "{text}");
    }
}
