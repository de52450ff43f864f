//! Events of the account.

use binance::UserEvent;
use binance::replies::Owner;
use binance::user_stream::{Note, Reports};
use market::venue::{ExpireReason, Fill, ForcedClose, RejectReason, RequestKind, VenueReport};
use market::{Decimal, Nanos, Price, Qty, Side, TradeId, Usd, VenueOrderId};

use super::{ID, eth};

/// An order update with these changes to a partly filled post-only order of ours.
pub(super) fn update(changes: &[(&str, &str)]) -> String {
    let text = format!(
        r#"{{"e":"ORDER_TRADE_UPDATE","T":1791000000200,"E":1791000000201,"o":{{"s":"ETHUSDC","c":"{ID}","S":"BUY","o":"LIMIT","f":"GTX","q":"0.100","p":"2610.50","ap":"2610.50","sp":"0","x":"TRADE","X":"PARTIALLY_FILLED","i":4611686018427387905,"l":"0.030","z":"0.030","L":"2610.50","n":"0","N":"USDC","T":1791000000200,"t":700123,"b":"182.735","a":"0","m":true,"R":false,"wt":"CONTRACT_PRICE","ot":"LIMIT","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,"V":"EXPIRE_MAKER","pm":"NONE","gtd":0,"er":"0"}}}}"#
    );
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (name, json) in changes {
        value["o"][*name] = serde_json::from_str(json).unwrap();
    }
    value.to_string()
}

fn reports(text: &str) -> Reports {
    UserEvent::decode(text.as_bytes()).unwrap().reports(&eth()).unwrap()
}

fn only(text: &str) -> VenueReport {
    let Reports { reports, notes } = reports(text);
    assert_eq!(notes, [], "{text}");
    let [report] = <[VenueReport; 1]>::try_from(reports).unwrap();
    report
}

fn fill() -> Fill {
    Fill {
        trade_id: TradeId(700_123),
        client_id: Some(ID),
        venue_id: VenueOrderId(4_611_686_018_427_387_905),
        side: Side::Buy,
        price: Price::new(261_050),
        qty: Qty::new(30),
        cumulative: Qty::new(30),
        maker: true,
        fee: Usd::ZERO,
        ts_event: Nanos::from_millis(1_791_000_000_200),
    }
}

#[test]
fn the_life_of_an_order() {
    assert_eq!(only(&update(&[])), VenueReport::Fill(fill()));
    let client_id = ID;
    let venue_id = fill().venue_id;
    let none = [("l", "\"0\""), ("t", "0")];
    let with = |more: &[(&str, &str)]| only(&update(&[&none[..], more].concat()));
    assert_eq!(
        with(&[("x", "\"NEW\""), ("X", "\"NEW\""), ("z", "\"0\"")]),
        VenueReport::Ack { client_id, venue_id }
    );
    assert_eq!(
        with(&[("x", "\"AMENDMENT\""), ("p", "\"2610.7\""), ("q", "\"0.2\""), ("M", "\"5\"")]),
        VenueReport::Amended { client_id, price: Price::new(261_070), qty: Qty::new(200) }
    );
    let filled = Qty::new(30);
    assert_eq!(
        with(&[("x", "\"CANCELED\""), ("X", "\"CANCELED\"")]),
        VenueReport::Canceled { client_id, filled }
    );
    assert_eq!(
        with(&[("x", "\"REJECTED\""), ("X", "\"REJECTED\"")]),
        VenueReport::Reject { client_id, request: RequestKind::Place, reason: RejectReason::Other }
    );
    // A name nobody knows, but a state that says enough.
    assert_eq!(
        with(&[("x", "\"REPLACED\""), ("X", "\"CANCELED\"")]),
        VenueReport::Canceled { client_id, filled }
    );
}

#[test]
fn why_orders_expire() {
    let expired = |status: &str, er: &str, tif: &str| {
        let report = only(&update(&[
            ("x", "\"EXPIRED\""),
            ("X", &format!("\"{status}\"")),
            ("f", &format!("\"{tif}\"")),
            ("er", er),
            ("l", "\"0\""),
            ("t", "0"),
        ]));
        let VenueReport::Expired { reason, filled, .. } = report else { panic!("{report:?}") };
        assert_eq!(filled, Qty::new(30));
        reason
    };
    for (status, er, tif, wanted) in [
        ("EXPIRED_IN_MATCH", "\"1\"", "GTC", ExpireReason::SelfTrade),
        ("EXPIRED_IN_MATCH", "null", "GTC", ExpireReason::SelfTrade),
        ("EXPIRED", "\"2\"", "IOC", ExpireReason::Unfilled),
        ("EXPIRED", "null", "IOC", ExpireReason::Unfilled),
        ("EXPIRED", "\"3\"", "IOC", ExpireReason::SelfTrade),
        ("EXPIRED", "\"4\"", "GTC", ExpireReason::ReduceOnly),
        ("EXPIRED", "\"5\"", "GTC", ExpireReason::Venue),
        ("EXPIRED", "\"7\"", "GTX", ExpireReason::Venue),
        ("EXPIRED", "9", "GTC", ExpireReason::Unfilled),
        ("EXPIRED", "\"0\"", "GTC", ExpireReason::Venue),
        ("EXPIRED", "\"0\"", "GTX", ExpireReason::Unfilled),
        ("EXPIRED", "\"new\"", "GTC", ExpireReason::Venue),
    ] {
        assert_eq!(expired(status, er, tif), wanted, "{status} {er} {tif}");
    }
}

#[test]
fn fees_rebates_and_fees_in_another_asset() {
    let fee = |changes: &[(&str, &str)]| {
        let VenueReport::Fill(fill) = only(&update(changes)) else { panic!("no fill") };
        fill.fee
    };
    assert_eq!(fee(&[("n", "\"-0.00313260\"")]), Usd::from_decimal("-0.0031326".parse().unwrap()));
    assert_eq!(fee(&[("n", "null"), ("N", "null")]), Usd::ZERO);
    let bnb = reports(&update(&[("n", "\"0.00000312\""), ("N", "\"BNB\"")]));
    assert_eq!(bnb.reports, [VenueReport::Fill(fill())]);
    let amount: Decimal = "0.00000312".parse().unwrap();
    let (trade_id, asset) = (TradeId(700_123), "BNB".to_owned());
    assert_eq!(bnb.notes, [Note::FeeNotInQuote { trade_id, asset, amount }]);
}

#[test]
fn orders_of_others_move_our_position_too() {
    let liquidation = Owner::Liquidation as fn(String) -> Owner;
    for (client, owner, forced) in [
        ("autoclose-1596107620040000020", liquidation, Some(ForcedClose::Liquidation)),
        ("adl_autoclose", Owner::Adl, Some(ForcedClose::Deleverage)),
        ("settlement_autoclose-7", Owner::Settlement, Some(ForcedClose::Settlement)),
        ("delivery_autoclose-7", Owner::Settlement, Some(ForcedClose::Settlement)),
        ("ios_abc", Owner::Manual, None),
        ("x-cvBPrNm9", Owner::Foreign, None),
        ("", Owner::Foreign, None),
    ] {
        let json = format!("\"{client}\"");
        let found = reports(&update(&[("c", &json), ("x", "\"CALCULATED\"")]));
        let fill_report = VenueReport::Fill(Fill { client_id: None, ..fill() });
        let forced = forced.map(|what| VenueReport::Forced { what });
        let expected: Vec<_> = forced.clone().into_iter().chain([fill_report]).collect();
        assert_eq!(found.reports, expected, "{client}");
        let venue_id = fill().venue_id;
        assert_eq!(found.notes, [Note::ForeignOrder { owner: owner(client.to_owned()), venue_id }]);
        let rests = reports(&update(&[("c", &json), ("x", "\"NEW\""), ("p", "\"0\"")]));
        assert_eq!(rests.reports, forced.into_iter().collect::<Vec<_>>(), "{client}");
        assert_eq!(rests.notes.len(), 1);
    }
}

#[test]
fn what_cannot_be_counted_is_noted_or_an_error() {
    let strange = reports(&update(&[("t", "0")]));
    assert!(matches!(strange.notes[..], [Note::FillWithoutId { .. }]), "{strange:?}");
    let strange = reports(&update(&[("x", "\"NOVEL\""), ("X", "\"NOVEL\"")]));
    assert!(matches!(strange.notes[..], [Note::UnknownState { .. }]), "{strange:?}");
    let off = UserEvent::decode(update(&[("L", "\"2610.505\"")]).as_bytes()).unwrap();
    assert!(off.reports(&eth()).unwrap_err().to_string().contains("`L`"));
    let other = reports(&update(&[("s", "\"BTCUSDT\""), ("L", "\"0.0000001\"")]));
    assert_eq!(other, Reports::default());
    for (name, json) in [("i", "\"x\""), ("S", "\"UP\""), ("z", "null"), ("T", "-1"), ("x", "1")] {
        assert!(UserEvent::decode(update(&[(name, json)]).as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn errors_do_not_tell_the_listen_key() {
    let key = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";
    for data in [update(&[("x", "7")]), update(&[("S", "null")]), r#"{"e":"TRADE_LITE"}"#.into()] {
        let frame = format!(r#"{{"stream":"{key}","data":{data}}}"#);
        let error = UserEvent::decode(frame.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("pqia"), "{error}");
        let cut = UserEvent::decode(&frame.as_bytes()[..frame.len() - 2]).unwrap_err();
        assert!(!cut.to_string().contains("pqia"), "{cut}");
    }
    let frame = format!(r#"{{"stream":"{key}","data":{}}}"#, update(&[]));
    assert_eq!(reports(&frame).reports, [VenueReport::Fill(fill())]);
    let unknown = format!(r#"{{"listenKey":"{key}"}}"#);
    let shown = format!("{:?}", UserEvent::decode(unknown.as_bytes()).unwrap());
    assert!(!shown.contains("pqia"), "{shown}");
}

fn account(reason: &str, body: &str) -> Reports {
    reports(&format!(
        r#"{{"e":"ACCOUNT_UPDATE","T":1,"E":2,"a":{{"m":"{reason}","B":[{{"a":"USDT","wb":"1","cw":"1","bc":"9"}},{{"a":"USDC","wb":"5000.00","cw":"5000.00","bc":"-1.25"}}],{body}}}}}"#
    ))
}

#[test]
fn money_that_no_fill_explains() {
    let amount = Usd::from_decimal("-1.25".parse().unwrap());
    let funding = VenueReport::Funding { amount };
    let position = |symbol: &str| {
        format!(r#""P":[{{"s":"{symbol}","pa":"0.030","ep":"2610.512345678","ps":"BOTH"}}]"#)
    };
    assert_eq!(account("FUNDING_FEE", r#""P":[]"#).reports, std::slice::from_ref(&funding));
    assert_eq!(
        account("FUNDING_FEE", r#""P":[],"S":"ETHUSDC""#).reports,
        std::slice::from_ref(&funding)
    );
    assert_eq!(account("FUNDING_FEE", &position("ETHUSDC")).reports, [funding]);
    for body in [r#""S":"BTCUSDC""#, &position("BTCUSDC")] {
        let other = account("FUNDING_FEE", body);
        assert_eq!(other.reports, []);
        assert!(
            matches!(&other.notes[..], [Note::OtherFunding { symbol, .. }] if symbol == "BTCUSDC")
        );
    }
    let transfer = VenueReport::Transfer { amount };
    for reason in ["DEPOSIT", "WITHDRAW", "ASSET_TRANSFER", "ADJUSTMENT", "NEW_REASON", "ORDER"] {
        assert_eq!(account(reason, "\"P\":null").reports, std::slice::from_ref(&transfer));
    }
    let inner = account("MARGIN_TRANSFER", "\"P\":[]");
    assert_eq!((inner.reports.len(), inner.notes.len()), (0, 1));
    let sample = r#"{"e":"ACCOUNT_UPDATE","T":1791000000200,"E":1791000000201,"a":{"B":[{"a":"USDC","wb":"5000.00","cw":"5000.00","bc":"0"}],"P":[{"s":"ETHUSDC","pa":"0.030","ep":"2610.5","cr":"0","up":"0.0048","mt":"cross","iw":"0","ps":"BOTH","ma":"USDC","bep":"2610.5"}],"m":"ORDER"}}"#;
    assert_eq!(reports(sample), Reports::default());
    let UserEvent::Account(sample) = UserEvent::decode(sample.as_bytes()).unwrap() else {
        panic!("not an account update")
    };
    assert_eq!(sample.positions[0].amount.to_string(), "0.03");
    assert_eq!(sample.balances[0].wallet.to_string(), "5000");
}

#[test]
fn every_other_event_is_known() {
    let decode = |text: &str| UserEvent::decode(text.as_bytes()).unwrap();
    for (text, wanted) in [
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"s":"ETHUSDC","l":25}}"#,
            UserEvent::Leverage { symbol: "ETHUSDC".to_owned(), leverage: 25 },
        ),
        (
            r#"{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ai":{"j":true}}"#,
            UserEvent::MultiAssets { on: true },
        ),
        (
            r#"{"e":"listenKeyExpired","E":5,"listenKey":"abc"}"#,
            UserEvent::ListenKeyExpired { ts_event: Nanos::from_millis(5) },
        ),
        (
            r#"{"e":"CONDITIONAL_ORDER_TRIGGER_REJECT","E":1,"T":1,"or":{"s":"ETHUSDC","i":9,"r":"why"}}"#,
            UserEvent::TriggerReject {
                symbol: "ETHUSDC".to_owned(),
                venue_id: VenueOrderId(9),
                reason: "why".to_owned(),
            },
        ),
        (
            r#"{"e":"GRID_UPDATE","T":1,"E":1,"gu":{"si":1,"st":"GRID","ss":"WORKING","s":"BTCUSDT"}}"#,
            UserEvent::Robot {
                event: "GRID_UPDATE".to_owned(),
                symbol: "BTCUSDT".to_owned(),
                status: "WORKING".to_owned(),
            },
        ),
        (r#"{"e":"NEW_THING","E":1}"#, UserEvent::Unknown { name: "NEW_THING".to_owned() }),
        (
            r#"{"result":null,"id":1}"#,
            UserEvent::Unknown { name: r#"{"result":null,"id":1}"#.into() },
        ),
    ] {
        assert_eq!(decode(text), wanted);
        assert_eq!(decode(text).reports(&eth()).unwrap(), Reports::default());
    }
    let lite = format!(
        r#"{{"e":"TRADE_LITE","E":9,"T":8,"s":"ETHUSDC","q":"0.1","p":"0","m":true,"c":"{ID}","S":"BUY","L":"2610.5","l":"0.03","t":700123,"i":4611686018427387905}}"#
    );
    let UserEvent::TradeLite(lite) = decode(&lite) else { panic!("no fill") };
    assert_eq!((lite.trade_id, lite.owner.ours()), (TradeId(700_123), Some(ID)));
    let call = r#"{"e":"MARGIN_CALL","E":1,"cw":"3.16","p":[{"s":"ETHUSDC","ps":"BOTH","pa":"-1.3","mt":"cross","iw":"0","mp":"187.1","up":"-1.1","mm":"1.6"}]}"#;
    let UserEvent::MarginCall(call) = decode(call) else { panic!("no call") };
    assert_eq!(call.positions[0].1.to_string(), "-1.3");
    let algo = r#"{"e":"ALGO_UPDATE","T":1,"E":1,"o":{"caid":"a","aid":5,"at":"CONDITIONAL","o":"STOP","s":"ETHUSDC","S":"SELL","X":"FINISHED","ai":"","aq":"0"}}"#;
    let UserEvent::Algo(algo) = decode(algo) else { panic!("no algo") };
    assert_eq!((algo.algo_id, algo.order_id), (5, None));
}
