//! Single messages: what the recorded samples must read as, and small ones of every kind.

use binance::{Decoded, Decoder, Fault, Unknown};
use market::{
    BookTicker, DepthDiff, DepthSnapshot, FinePrice, InstrumentId, Level, MarketKind, Nanos, Price,
    Qty, Rate, Side,
};

use crate::{RECV, instrument, shared};

fn decoder() -> Decoder {
    Decoder::new(&[
        instrument(0, "ETHUSDC", "0.01", "0.001"),
        instrument(1, "BTCUSDT", "0.10", "0.001"),
        instrument(2, "ETHUSDT", "0.01", "0.001"),
        instrument(3, "XAUUSDT", "0.01", "0.001"),
        instrument(4, "LPTUSDT", "0.001", "0.1"),
    ])
}

fn level(price: i64, qty: u64) -> Level {
    Level { price: Price::new(price), qty: Qty::new(qty) }
}

/// Decodes a recorded sample; `None` where the samples are not.
fn recorded(name: &str) -> Option<Decoded> {
    let text = std::fs::read(shared(&format!("payloads/recorded/{name}"))?).unwrap();
    Some(decoder().decode(&text, RECV).unwrap())
}

fn kind(decoded: Decoded) -> (InstrumentId, Nanos, MarketKind) {
    match decoded {
        Decoded::Event(event) | Decoded::AggTrade(event) => {
            (event.instrument, event.ts_event, event.kind)
        }
        other => panic!("not an event: {other:?}"),
    }
}

#[test]
fn recorded_agg_trade() {
    let Some(decoded) = recorded("real_aggTrade.json") else { return };
    assert!(matches!(decoded, Decoded::AggTrade(_)));
    let (id, ts, MarketKind::Trade(trade)) = kind(decoded) else { panic!("no trade") };
    assert_eq!((id, ts), (InstrumentId(1), Nanos::from_millis(1_791_382_992_488)));
    assert_eq!(
        (trade.id, trade.price, trade.qty),
        (3_477_868_433, Price::new(830_917), Qty::new(22))
    );
    assert_eq!(trade.aggressor, Side::Buy);
}

#[test]
fn recorded_book_ticker() {
    let Some(decoded) = recorded("real_bookTicker.json") else { return };
    let (_, ts, MarketKind::Ticker(ticker)) = kind(decoded) else { panic!("no ticker") };
    assert_eq!(ts, Nanos::from_millis(1_791_382_994_658), "E, not T");
    let wanted = BookTicker {
        update_id: 11_757_092_630_476,
        bid: level(830_916, 4_215),
        ask: level(830_917, 3_763),
    };
    assert_eq!(ticker, wanted);
}

#[test]
fn recorded_partial_book_replaces() {
    let Some(decoded) = recorded("real_depth20_trimmed.json") else { return };
    let Decoded::Partial { instrument, snapshot, .. } = decoded else { panic!("{decoded:?}") };
    assert_eq!(instrument, InstrumentId(1));
    let wanted = DepthSnapshot {
        last_id: 11_757_092_625_654,
        bids: vec![level(830_916, 4_215), level(830_915, 200), level(830_914, 2)],
        asks: vec![level(830_917, 3_768), level(830_918, 2), level(830_920, 2)],
    };
    assert_eq!(snapshot, wanted);
}

#[test]
fn recorded_rest_depth() {
    let Some(path) = shared("payloads/recorded/real_depth_limit5.json") else { return };
    let body = std::fs::read(path).unwrap();
    let (ts, snapshot) = decoder().decode_snapshot(InstrumentId(1), &body, RECV).unwrap();
    assert_eq!(ts, Nanos::from_millis(1_791_382_991_286));
    assert_eq!(snapshot.last_id, 11_757_092_217_378);
    assert_eq!((snapshot.bids.len(), snapshot.asks.len()), (5, 5));
    assert_eq!(snapshot.asks[0].price - snapshot.bids[0].price, market::Ticks::new(1));

    // With several instruments the body alone does not tell which is meant.
    let decoded = decoder().decode(&body, RECV).unwrap();
    assert!(matches!(decoded, Decoded::Unknown { what: Unknown::Symbol, .. }));
}

#[test]
fn recorded_mark_prices() {
    let Some(decoded) = recorded("real_markPrice_1s.json") else { return };
    let (_, ts, MarketKind::Mark(mark)) = kind(decoded) else { panic!("no mark") };
    assert_eq!(ts, Nanos::from_millis(1_791_382_993_000));
    assert_eq!(mark.mark, FinePrice::new(8_308_430_000_000));
    assert_eq!(mark.index, FinePrice::new(8_312_365_891_304));
    assert_eq!(mark.funding_rate, Rate::new(78));
    assert_eq!(mark.next_funding, Nanos::from_millis(1_791_388_800_000));

    let decoded = recorded("real_markPrice_arr_subset.json").unwrap();
    let Decoded::Events(events) = decoded else { panic!("{decoded:?}") };
    assert_eq!(events.len(), 1, "of two symbols one is ours");
    assert_eq!(events[0].instrument, InstrumentId(3));
}

#[test]
fn recorded_funding_rollover() {
    let Some(path) = shared("payloads/recorded/real_mark_price_rollover.jsonl") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut decoder = decoder();
    let mut marks = Vec::new();
    for line in text.lines() {
        let (id, ts, MarketKind::Mark(mark)) = kind(decoder.decode(line.as_bytes(), RECV).unwrap())
        else {
            panic!("no mark")
        };
        marks.push((id, ts, mark));
    }
    let of = |id: u16| {
        marks
            .iter()
            .filter(move |m| m.0 == InstrumentId(id))
            .map(|m| (m.1, m.2))
            .collect::<Vec<_>>()
    };
    for (id, hours) in [(1, 8), (2, 8), (4, 4)] {
        let marks = of(id);
        let settled = Nanos::from_millis(1_790_755_200_000);
        assert!(marks.iter().any(|(ts, m)| *ts == settled && m.next_funding == settled));
        let (_, last) = marks.last().unwrap();
        assert_eq!(last.next_funding.since(settled).as_secs(), hours * 3_600);
    }
}

#[test]
fn other_recorded_messages_are_unknown_not_errors() {
    let Some(decoded) = recorded("real_kline_1m.json") else { return };
    assert_eq!(decoded, Decoded::Unknown { what: Unknown::EventType, name: "kline".to_owned() });
    for name in
        ["real_aggTrades.json", "real_demo_account_v3.json", "real_premiumIndex_subset.json"]
    {
        let decoded = recorded(name).unwrap();
        assert!(matches!(decoded, Decoded::Unknown { what: Unknown::NotAnEvent, .. }), "{name}");
    }
    for name in ["real_fundingRate.json", "real_exchangeInfo_mainnet_subset.json"] {
        assert!(matches!(recorded(name).unwrap(), Decoded::Unknown { .. }), "{name}");
    }
    let text = std::fs::read(shared("payloads/recorded/real_klines_1m.json").unwrap()).unwrap();
    assert_eq!(decoder().decode(&text, RECV).unwrap_err().fault, Fault::NotAnObject);
}

#[test]
fn key_order_unknown_fields_and_nulls_do_not_matter() {
    let plain = r#"{"stream":"ethusdc@depth@100ms","data":{"e":"depthUpdate","E":17,"T":16,"s":"ETHUSDC","U":10,"u":20,"pu":9,"b":[["2610.58","12.004"],["2610.20","0.000"]],"a":[]}}"#;
    let mut decoder = decoder();
    let wanted = decoder.decode(plain.as_bytes(), RECV).unwrap();
    let diff = DepthDiff {
        first_id: 10,
        last_id: 20,
        previous_id: 9,
        bids: vec![level(261_058, 12_004), level(261_020, 0)],
        asks: vec![],
    };
    let (instrument, ts_event) = (InstrumentId(0), Nanos::from_millis(17));
    assert_eq!(wanted, Decoded::Diff { instrument, ts_event, diff });
    for (same, scanned) in [
        (
            r#"{"data":{"pu":9,"a":[],"b":[["2610.58","12.004"],["2610.20","0"]],"u":20,"U":10,"s":"ETHUSDC","T":16,"E":17,"e":"depthUpdate"},"stream":"ethusdc@depth@100ms"}"#,
            false,
        ),
        (
            r#"{"e":"depthUpdate","E":17,"s":"ETHUSDC","U":10,"u":20,"pu":9,"b":[["2610.58","12.004"],["2610.2","0"]],"a":[]}"#,
            true,
        ),
        (
            r#"{"stream":"ethusdc@depth@100ms","data":{"e":"depthUpdate","E":17,"T":null,"s":"ETHUSDC","ps":null,"U":10,"u":20,"pu":9,"b":[["2610.58","12.004",[]],["2610.20","0.000"]],"a":[],"new":{"x":[1.5]}}}"#,
            false,
        ),
        (
            r#"{"stream":"ethusdc@depth@100ms","data":{"e":"depthUpdate","E":17,"s":"ETHUSDC","new":7,"U":10,"u":20,"pu":9,"b":[["2610.58","12.004"],["2610.20","0.000"]],"a":[],"st":1}}"#,
            true,
        ),
        (
            "{ \"e\": \"depthUp\\u0064ate\",\n \"E\": 17, \"s\": \"ETHUSDC\", \"U\": 10, \"u\": 20, \"pu\": 9, \"b\": [ [ \"2610.58\", \"12.004\" ], [ \"2610.2\", \"0\" ] ], \"a\": [ ] }\n",
            false,
        ),
    ] {
        assert_eq!(decoder.decode(same.as_bytes(), RECV).as_ref(), Ok(&wanted), "{same}");
        assert_eq!(decoder.decode_by_scanner(same.as_bytes(), RECV).is_some(), scanned, "{same}");
    }
}

#[test]
fn small_messages_of_every_kind() {
    let mut decoder = decoder();
    let mut unknown = |text: &str| match decoder.decode(text.as_bytes(), RECV).unwrap() {
        Decoded::Unknown { what, name } => (what, name),
        other => panic!("{text}: {other:?}"),
    };
    let reply = r#"{"result":null,"id":1}"#;
    assert_eq!(unknown(reply), (Unknown::NotAnEvent, String::new()));
    let other =
        r#"{"e":"bookTicker","u":1,"s":"BTCUSD_PERP","b":"1","B":"1","a":"2","A":"1","st":2}"#;
    assert_eq!(unknown(other), (Unknown::Symbol, "BTCUSD_PERP".to_owned()));
    let rpi = r#"{"stream":"ethusdc@rpiDepth@500ms","data":{"e":"depthUpdate","E":1,"s":"ETHUSDC","U":1,"u":2,"pu":0,"b":[],"a":[]}}"#;
    assert_eq!(unknown(rpi), (Unknown::Stream, "ethusdc@rpiDepth@500ms".to_owned()));
    let long = format!(r#"{{"e":"{}"}}"#, "é".repeat(500));
    assert!(unknown(&long).1.len() <= 67);

    let off_book = r#"{"e":"trade","E":2,"T":1,"s":"ETHUSDC","t":5,"p":"0","q":"0","X":"INSURANCE_FUND","m":true}"#;
    assert_eq!(decoder.decode(off_book.as_bytes(), RECV), Ok(Decoded::OffBook));
    assert_eq!(decoder.stats().off_book, 1);

    let spot = r#"{"stream":"ethusdt@bookTicker","data":{"u":7,"s":"ETHUSDT","b":"0.00","B":"0.000","a":"2683.81","A":"31.439"}}"#;
    let (_, ts, MarketKind::Ticker(ticker)) = kind(decoder.decode(spot.as_bytes(), RECV).unwrap())
    else {
        panic!("no ticker")
    };
    assert_eq!(ts, RECV, "it has no time of its own");
    assert_eq!(ticker.bid, level(0, 0), "an empty side");

    let no_funding = r#"{"e":"markPriceUpdate","E":1,"s":"ETHUSDC","p":"2610.66465506","i":"2611","r":"","T":0}"#;
    let (_, _, MarketKind::Mark(mark)) = kind(decoder.decode(no_funding.as_bytes(), RECV).unwrap())
    else {
        panic!("no mark")
    };
    assert_eq!((mark.funding_rate, mark.next_funding), (Rate::ZERO, Nanos::ZERO));
}

#[test]
fn malformed_messages_name_the_field_and_show_the_text() {
    let mut decoder = decoder();
    for (text, wanted) in [
        (
            r#"{"e":"trade","s":"ETHUSDC","t":1,"p":"2610.5x","q":"1","m":true}"#,
            "field `p`: not a plain decimal number (digits, one point, optional leading minus) in `2610.5x`",
        ),
        (
            r#"{"e":"trade","s":"ETHUSDC","t":1,"p":"2610.505","q":"1","m":true}"#,
            "field `p`: price 2610.505 is not a positive multiple of the tick 0.01 in `2610.505`",
        ),
        (
            r#"{"e":"trade","s":"ETHUSDC","t":1,"p":"2610.5","q":"-1","m":true}"#,
            "field `q`: quantity -1 is not a non-negative multiple of the step 0.001 in `-1`",
        ),
        (
            r#"{"e":"trade","s":"ETHUSDC","t":1,"p":2610.5,"q":"1","m":true}"#,
            "field `p` should be a decimal in quotes",
        ),
        (
            r#"{"e":"trade","s":"ETHUSDC","t":1,"p":"90000000000","q":"1","m":true}"#,
            "field `p` is larger than anything traded",
        ),
        (
            r#"{"e":"trade","s":"ETHUSDC","t":1.0,"p":"2610.5","q":"1","m":true}"#,
            "field `t` should be an integer of 64 bits",
        ),
        (
            r#"{"e":"trade","s":"ETHUSDC","t":1,"p":"2610.5","q":"1","m":"true"}"#,
            "field `m` should be true or false in `true`",
        ),
        (
            r#"{"e":"depthUpdate","E":1,"s":"ETHUSDC","u":2,"pu":0,"b":[],"a":[]}"#,
            "field `U` is missing",
        ),
        (
            r#"{"e":"depthUpdate","E":-1,"s":"ETHUSDC","U":1,"u":2,"pu":0,"b":[],"a":[]}"#,
            "field `E` should be a non-negative integer",
        ),
        (
            r#"{"e":"depthUpdate","E":1,"s":"ETHUSDC","U":1,"u":2,"pu":0,"b":[["1"]],"a":[]}"#,
            "field `b` should be a list of [price, quantity]",
        ),
        (r#"{"e":"depthUpdate","E":1,"E":1,"s":"ETHUSDC"}"#, "not valid JSON (duplicate field `E`"),
        (r#"{"e":"depthUpdate","E":1"#, "not valid JSON (EOF while parsing an object"),
        ("", "not valid JSON (EOF"),
        ("17", "neither a JSON object nor an array of objects in `17`"),
        ("[[1]]", "neither a JSON object nor an array of objects in `[[1]]`"),
        ("\u{0}\u{1}\u{ff}", "not valid JSON (expected value"),
    ] {
        let error = decoder.decode(text.as_bytes(), RECV).unwrap_err();
        assert!(error.to_string().starts_with(wanted), "{text}\n gives {error}");
        assert!(error.text.len() <= 163);
    }
    let long = format!(
        r#"{{"e":"trade","s":"ETHUSDC","t":1,"p":"{}","q":"1","m":true}}"#,
        "9".repeat(9_000)
    );
    assert!(decoder.decode(long.as_bytes(), RECV).unwrap_err().to_string().len() < 300);
    let deep = "[".repeat(100_000);
    assert!(decoder.decode(deep.as_bytes(), RECV).is_err());
    let deep = r#"{"data":"#.repeat(100_000);
    assert!(decoder.decode(deep.as_bytes(), RECV).is_err());
    assert_eq!(decoder.stats().malformed, 19);
}

#[test]
fn quantities_finer_than_the_step_are_refused_or_rounded_up() {
    let text = r#"{"e":"trade","E":1,"s":"ETHUSDC","t":1,"p":"2610.5","q":"0.0204","m":true}"#;
    assert!(matches!(
        decoder().decode(text.as_bytes(), RECV).unwrap_err().fault,
        Fault::OffGrid { field: "q", .. }
    ));
    let decoded = decoder().rounding_quantities().decode(text.as_bytes(), RECV).unwrap();
    let (_, _, MarketKind::Trade(trade)) = kind(decoded) else { panic!("no trade") };
    assert_eq!(trade.qty, Qty::new(21));
}
