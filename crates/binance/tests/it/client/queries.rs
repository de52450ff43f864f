//! Questions of several requests, asked of a small venue that changes while it is asked.

use binance::queries::{AccountQuery, OrderQuery, Step};
use binance::replies::VenueError;
use market::venue::{AccountState, OrderFate, Outcome, VenueReport};
use market::{FinePrice, Position, Qty, TradeId, Usd, VenueOrderId};

use super::{ID, eth};

/// One of our executions: id, order, lots of 0.001.
type Row = (i64, i64, u64);

fn trade_rows(rows: &[Row]) -> String {
    let row = |(id, order, lots): &Row| {
        format!(
            r#"{{"symbol":"ETHUSDC","id":{id},"orderId":{order},"side":"BUY","price":"2610.50","qty":"0.{lots:03}","commission":"-0.01","commissionAsset":"USDC","time":1,"buyer":true,"maker":true}}"#
        )
    };
    format!("[{}]", rows.iter().map(row).collect::<Vec<_>>().join(","))
}

fn order_row(order: i64, client: &str, status: &str, filled: u64) -> String {
    format!(
        r#"{{"clientOrderId":"{client}","executedQty":"0.{filled:03}","orderId":{order},"origQty":"0.100","price":"2610.50","reduceOnly":false,"side":"BUY","status":"{status}","symbol":"ETHUSDC","timeInForce":"GTX","type":"LIMIT","updateTime":1}}"#
    )
}

/// Answers requests by path; `late` trades happen when the position is asked for.
struct Venue {
    trades: Vec<Row>,
    late: Vec<Row>,
    asked: Vec<String>,
}

impl Venue {
    fn answer(&mut self, request: &binance::Request) -> Result<String, VenueError> {
        let get = |name| request.params.get(name).map(|text| text.parse::<i64>().unwrap());
        self.asked.push(request.path.rsplit('/').next().unwrap().to_owned());
        let filled = |order: i64| -> u64 {
            self.trades.iter().filter(|row| row.1 == order).map(|row| row.2).sum()
        };
        match request.path {
            "/fapi/v1/userTrades" => {
                let rows: Vec<Row> = match (get("fromId"), get("orderId")) {
                    (Some(from), _) => {
                        self.trades.iter().filter(|r| r.0 >= from).copied().collect()
                    }
                    (_, Some(order)) => {
                        self.trades.iter().filter(|r| r.1 == order).copied().collect()
                    }
                    _ => self.trades.last().copied().into_iter().collect(),
                };
                Ok(trade_rows(&rows[..rows.len().min(1_000)]))
            }
            "/fapi/v1/order" => match get("orderId") {
                Some(1) => Ok(order_row(1, &ID.to_string(), "PARTIALLY_FILLED", filled(1))),
                Some(2) => Ok(order_row(2, "web_x", "FILLED", filled(2))),
                Some(_) => Err(VenueError { code: Some(-2013), message: String::new() }),
                None => Ok(order_row(1, &ID.to_string(), "PARTIALLY_FILLED", filled(1))),
            },
            "/fapi/v1/openOrders" => {
                Ok(format!("[{}]", order_row(1, &ID.to_string(), "PARTIALLY_FILLED", filled(1))))
            }
            "/fapi/v3/balance" => {
                Ok(r#"[{"asset":"USDT","balance":"7"},{"asset":"USDC","balance":"5000.5"}]"#.into())
            }
            "/fapi/v3/positionRisk" => {
                let lots: u64 = self.trades.iter().map(|row| row.2).sum();
                let reply = format!(
                    r#"[{{"symbol":"ETHUSDC","positionSide":"BOTH","positionAmt":"-0.{lots:03}","entryPrice":"2610.512345678901"}}]"#
                );
                if let Some(row) = self.late.pop() {
                    self.trades.push(row);
                }
                Ok(reply)
            }
            other => panic!("{other}"),
        }
    }

    fn account(&mut self, since: Option<i64>) -> VenueReport {
        let mut query = AccountQuery::new(&eth(), since.map(TradeId), 42);
        let mut request = query.request();
        for _ in 0..100 {
            let answer = self.answer(&request);
            match query.on_answer(answer.as_ref().map(String::as_bytes)).unwrap() {
                Step::Ask(next) => request = next,
                Step::Done(report) => return report,
            }
        }
        panic!("never done: {:?}", self.asked)
    }
}

fn venue(trades: &[Row], late: &[Row]) -> Venue {
    Venue { trades: trades.to_vec(), late: late.to_vec(), asked: Vec::new() }
}

fn state(report: VenueReport) -> AccountState {
    let VenueReport::Account(state) = report else { panic!("{report:?}") };
    state
}

#[test]
fn the_account_as_of_one_moment() {
    let mut venue = venue(&[(5, 1, 10), (6, 2, 3), (7, 1, 20), (8, 3, 1)], &[]);
    let state = state(venue.account(Some(5)));
    assert_eq!(
        venue.asked,
        [
            "userTrades",
            "order",
            "order",
            "order",
            "openOrders",
            "balance",
            "positionRisk",
            "userTrades"
        ]
    );
    assert_eq!(
        (state.query, state.position, state.last_trade),
        (42, Position::new(-34), Some(TradeId(8)))
    );
    assert_eq!(state.entry, FinePrice::new(261_051_234_568));
    assert_eq!(state.wallet, Usd::from_decimal("5000.5".parse().unwrap()), "USDC, not USDT");
    assert_eq!(state.open_orders[0].client_id, Some(ID));
    assert_eq!(state.open_orders[0].filled, Qty::new(30));
    let fills: Vec<_> = state
        .fills
        .iter()
        .map(|f| (f.trade_id.0, f.client_id, f.qty.raw(), f.cumulative.raw()))
        .collect();
    assert_eq!(fills, [(6, None, 3, 3), (7, Some(ID), 20, 30), (8, None, 1, 1)]);
    assert_eq!(state.fills[0].fee, Usd::from_decimal("-0.01".parse().unwrap()));
}

#[test]
fn a_fill_in_between_is_asked_about_again() {
    let mut venue = venue(&[(5, 1, 10)], &[(6, 1, 7)]);
    let state = state(venue.account(Some(5)));
    assert_eq!((state.position, state.last_trade), (Position::new(-17), Some(TradeId(6))));
    let fills: Vec<_> = state.fills.iter().map(|f| (f.trade_id.0, f.cumulative.raw())).collect();
    assert_eq!(fills, [(6, 17)]);
    let storm: Vec<Row> = (0..20).map(|id| (100 - id, 1, 1)).collect();
    let mut busy = self::venue(&[(5, 1, 10)], &storm);
    assert_eq!(busy.account(Some(5)), VenueReport::QueryFailed, "never of one moment");
}

#[test]
fn a_first_question_lists_no_fills_but_learns_the_newest() {
    let mut venue = venue(&[(5, 1, 10), (9, 1, 1)], &[]);
    let first = state(venue.account(None));
    assert_eq!((first.fills.len(), first.last_trade), (0, Some(TradeId(9))));
    let mut empty = self::venue(&[], &[]);
    assert_eq!(state(empty.account(None)).last_trade, None);
    assert_eq!(state(empty.account(Some(3))).last_trade, Some(TradeId(3)));
}

#[test]
fn pages_are_turned() {
    let rows: Vec<Row> = (1..=2_500).map(|id| (id, 1, 0)).collect();
    let mut venue = venue(&rows, &[]);
    let state = state(venue.account(Some(0)));
    assert_eq!((state.fills.len(), state.last_trade), (2_500, Some(TradeId(2_500))));
    assert_eq!(venue.asked.iter().filter(|path| *path == "userTrades").count(), 4);
}

#[test]
fn the_fate_of_an_order() {
    let mut query = OrderQuery::new(&eth(), ID);
    let mut venue = venue(&[(5, 1, 10), (6, 2, 3), (7, 1, 20)], &[]);
    let ask = |query: &mut OrderQuery, venue: &mut Venue| {
        let answer = venue.answer(&query.request());
        query.on_answer(answer.as_ref().map(String::as_bytes)).unwrap()
    };
    assert!(matches!(ask(&mut query, &mut venue), Step::Ask(_)));
    let Step::Done(VenueReport::Order { fate, fills, .. }) = ask(&mut query, &mut venue) else {
        panic!("not done")
    };
    let OrderFate::Open(open) = fate else { panic!("{fate:?}") };
    assert_eq!((open.filled, open.venue_id), (Qty::new(30), VenueOrderId(1)));
    let fills: Vec<_> = fills.iter().map(|f| (f.client_id, f.cumulative.raw())).collect();
    assert_eq!(fills, [(Some(ID), 10), (Some(ID), 30)]);

    let done = |answer: Result<&str, i64>| {
        let error =
            answer.err().map(|code| VenueError { code: Some(code), message: String::new() });
        let answer = answer.map(str::as_bytes).map_err(|_| error.as_ref().unwrap());
        match OrderQuery::new(&eth(), ID).on_answer(answer).unwrap() {
            Step::Done(report) => report,
            Step::Ask(request) => panic!("{request:?}"),
        }
    };
    let (client_id, fills) = (ID, vec![]);
    let fate = OrderFate::NotFound;
    assert_eq!(done(Err(-2013)), VenueReport::Order { client_id, fate, fills: fills.clone() });
    assert_eq!(done(Err(-1003)), VenueReport::QueryFailed);
    let fate = OrderFate::Closed { filled: Qty::ZERO, outcome: Outcome::Canceled };
    let canceled = order_row(1, &ID.to_string(), "CANCELED", 0);
    assert_eq!(done(Ok(&canceled)), VenueReport::Order { client_id, fate, fills });
    let other = order_row(1, "web_1", "CANCELED", 0);
    assert!(
        OrderQuery::new(&eth(), ID).on_answer(Ok(other.as_bytes())).is_err(),
        "another's order"
    );
}

#[test]
fn hedge_mode_positions_are_refused() {
    let mut query = AccountQuery::new(&eth(), None, 1);
    let bodies =
        ["[]", "[]", "[]", r#"[{"symbol":"ETHUSDC","positionSide":"LONG","positionAmt":"1"}]"#];
    for body in bodies {
        query.on_answer(Ok(body.as_bytes())).unwrap();
    }
    assert!(query.on_answer(Ok(b"[]")).is_err());
}
