//! Reply and stream, in any order, tell one story.

use binance::reaction::{Answer, judge, judge_silence};
use binance::replies::{OrderReply, VenueError};
use binance::witness::{report_of_error, reports_of};
use binance::{UserEvent, Witnesses};
use market::venue::{RejectReason, RequestKind, VenueReport};
use market::{ClientOrderId, Nanos, Price, Qty, VenueOrderId};
use proptest::prelude::*;

use super::user_stream::update;
use super::{ID, eth};

fn at(millis: u64) -> Nanos {
    Nanos::from_millis(1_791_000_000_000 + millis)
}

pub(super) fn reply(status: &str, filled: &str, price: &str, updated: u64) -> OrderReply {
    let text = format!(
        r#"{{"clientOrderId":"{ID}","cumQty":"{filled}","executedQty":"{filled}","orderId":4611686018427387905,"origQty":"0.100","price":"{price}","reduceOnly":false,"side":"BUY","positionSide":"BOTH","status":"{status}","symbol":"ETHUSDC","timeInForce":"GTX","type":"LIMIT","origType":"LIMIT","updateTime":{updated}}}"#
    );
    OrderReply::decode(text.as_bytes()).unwrap()
}

fn of(request: RequestKind, status: &str, filled: &str) -> Vec<VenueReport> {
    reports_of(request, &reply(status, filled, "2610.50", 1), &eth()).unwrap()
}

#[test]
fn a_reply_says_what_the_stream_says() {
    use RequestKind::{Amend, Cancel, Place};
    let client_id = ID;
    let ack = VenueReport::Ack { client_id, venue_id: VenueOrderId(4_611_686_018_427_387_905) };
    let canceled = VenueReport::Canceled { client_id, filled: Qty::new(30) };
    assert_eq!(of(Place, "NEW", "0"), std::slice::from_ref(&ack));
    assert_eq!(
        of(Place, "FILLED", "0.1"),
        std::slice::from_ref(&ack),
        "fills come from the stream"
    );
    let expired = of(Place, "EXPIRED", "0");
    assert!(matches!(expired[..], [VenueReport::Ack { .. }, VenueReport::Expired { .. }]));
    assert!(matches!(of(Place, "REJECTED", "0")[..], [VenueReport::Reject { .. }]));
    assert_eq!(of(Cancel, "CANCELED", "0.030"), std::slice::from_ref(&canceled));
    assert_eq!(of(Amend, "CANCELED", "0.030"), [canceled], "amended to death");
    let (price, qty) = (Price::new(261_050), Qty::new(100));
    assert_eq!(of(Amend, "NEW", "0"), [VenueReport::Amended { client_id, price, qty }]);
    assert_eq!(of(Place, "NOVEL", "0"), [ack]);
    let stranger =
        OrderReply { owner: binance::replies::Owner::of("web_1"), ..reply("NEW", "0", "1", 1) };
    assert_eq!(reports_of(Place, &stranger, &eth()).unwrap(), []);
}

#[test]
fn errors_become_reports() {
    let report = |status, code| {
        let error = VenueError { code, message: String::new() };
        let verdict = judge(&Answer::new(status, &error, true, at(0)));
        report_of_error(RequestKind::Place, ID, &verdict)
    };
    let (client_id, request) = (ID, RequestKind::Place);
    let doubt = VenueReport::InDoubt { client_id, request };
    let reason = RejectReason::WouldTake;
    assert_eq!(report(400, Some(-5022)), Some(VenueReport::Reject { client_id, request, reason }));
    assert_eq!(report(503, None), Some(doubt.clone()));
    assert_eq!(report(400, Some(-1007)), Some(doubt.clone()));
    assert_eq!(report(200, None), None);
    assert_eq!(report_of_error(request, ID, &judge_silence(true)), Some(doubt));
}

/// Every fact of one order's life, told by both witnesses.
fn story() -> Vec<(Nanos, VenueReport)> {
    let eth = eth();
    let mut told = Vec::new();
    let mut stream = |time: u64, changes: &[(&str, &str)]| {
        let event = UserEvent::decode(update(changes).as_bytes()).unwrap();
        told.extend(
            event.reports(&eth).unwrap().reports.into_iter().map(|report| (at(time), report)),
        );
    };
    let none = [("l", "\"0\""), ("t", "0")];
    stream(1, &[("x", "\"NEW\""), none[0], none[1]]);
    stream(2, &[("x", "\"AMENDMENT\""), ("p", "\"2610.40\""), none[0], none[1]]);
    stream(3, &[]);
    stream(3, &[]);
    stream(4, &[("x", "\"CANCELED\""), none[0], none[1]]);
    for (request, status, price, time) in [
        (RequestKind::Place, "NEW", "2610.50", 1),
        (RequestKind::Amend, "NEW", "2610.40", 2),
        (RequestKind::Cancel, "CANCELED", "2610.40", 4),
    ] {
        let reply = reply(status, "0.030", price, time);
        told.extend(reports_of(request, &reply, &eth).unwrap().into_iter().map(|r| (at(time), r)));
    }
    told
}

#[test]
fn whoever_comes_second_says_nothing_new() {
    let mut witnesses = Witnesses::default();
    let heard = story().into_iter().filter_map(|(at, report)| witnesses.admit(at, report));
    let heard: Vec<VenueReport> = heard.collect();
    assert_eq!(heard.len(), 4, "ack, amendment, fill, cancel: {heard:?}");
    // An amendment from before the last one, told late.
    let mut witnesses = Witnesses::default();
    let amended =
        |price| VenueReport::Amended { client_id: ID, price: Price::new(price), qty: Qty::new(1) };
    assert!(witnesses.admit(at(1), amended(5)).is_some());
    assert!(witnesses.admit(at(2), amended(6)).is_some());
    assert!(witnesses.admit(at(1), amended(5)).is_none());
    assert!(witnesses.admit(at(3), amended(5)).is_some(), "back again is news");
}

#[test]
fn memory_is_bounded() {
    let mut witnesses = Witnesses::default();
    for sequence in 0..3 * Witnesses::ORDERS_MAX as u32 {
        let client_id = ClientOrderId { session: 1, sequence };
        let report = VenueReport::Canceled { client_id, filled: Qty::ZERO };
        assert!(witnesses.admit(at(0), report).is_some());
    }
    assert!(format!("{witnesses:?}").len() < 500 * Witnesses::ORDERS_MAX);
}

proptest! {
    #[test]
    fn any_order_of_telling_gives_each_fact_at_most_once(
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let story = story();
        prop_assert_eq!(story.len(), 8);
        let mut witnesses = Witnesses::default();
        let mut heard: Vec<VenueReport> = Vec::new();
        for index in order {
            let (at, report) = story[index].clone();
            if let Some(report) = witnesses.admit(at, report) {
                prop_assert!(!heard.contains(&report));
                heard.push(report);
            }
        }
        // What must never get lost: the fill and the end.
        let fills = heard.iter().filter(|r| matches!(r, VenueReport::Fill(_))).count();
        let ends = heard.iter().filter(|r| matches!(r, VenueReport::Canceled { .. })).count();
        prop_assert_eq!((fills, ends), (1, 1));
        let end = heard.iter().position(|r| matches!(r, VenueReport::Canceled { .. })).unwrap();
        let opened = heard[end..].iter().any(|r| matches!(r, VenueReport::Ack { .. } | VenueReport::Amended { .. }));
        prop_assert!(!opened, "what has ended opens again: {:?}", heard);
    }
}
