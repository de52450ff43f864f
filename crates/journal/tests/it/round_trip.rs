//! What is written is read, in any portion.

use std::time::Duration;

use engine::input::{Control, Input};
use engine::output::{Alert, AlertKind, AlertLevel, Note, RecordedOutput};
use journal::{Durability, Entry, Reader, Record, Retention, Tail, WriteError, Writer};
use market::venue::{
    AccountState, Fill, NewOrder, Obstacle, OrderKind, RejectReason, RequestKind, TimeInForce,
    VenueCommand, VenueReport,
};
use market::{
    BookTicker, ClientOrderId, FinePrice, InstrumentId, Level, MarkUpdate, MarketEvent, MarketKind,
    Nanos, Position, Price, Qty, Rate, Side, Trade, TradeId, Usd, VenueOrderId,
};
use proptest::prelude::*;

use crate::{CREATED, Scratch, cancel, diff, header, read};

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Buy), Just(Side::Sell)]
}

fn client_id() -> impl Strategy<Value = ClientOrderId> {
    (any::<u32>(), any::<u32>()).prop_map(|(session, sequence)| ClientOrderId { session, sequence })
}

fn level() -> impl Strategy<Value = Level> {
    (any::<i64>(), any::<u64>())
        .prop_map(|(price, qty)| Level { price: Price::new(price), qty: Qty::new(qty) })
}

fn market_kind() -> impl Strategy<Value = MarketKind> {
    prop_oneof![
        (any::<u64>(), level(), level()).prop_map(|(update_id, bid, ask)| {
            MarketKind::Ticker(BookTicker { update_id, bid, ask })
        }),
        (any::<i64>(), level(), side()).prop_map(|(id, level, aggressor)| {
            MarketKind::Trade(Trade { id, price: level.price, qty: level.qty, aggressor })
        }),
        (any::<i64>(), any::<i64>(), any::<i64>(), any::<u64>()).prop_map(|(m, i, r, t)| {
            MarketKind::Mark(MarkUpdate {
                mark: FinePrice::new(m),
                index: FinePrice::new(i),
                funding_rate: Rate::new(r),
                next_funding: Nanos(t),
            })
        }),
        Just(MarketKind::FeedDown),
        Just(MarketKind::FeedUp),
    ]
}

fn fill() -> impl Strategy<Value = Fill> {
    (any::<i64>(), prop::option::of(client_id()), side(), level(), any::<bool>(), any::<i128>())
        .prop_map(|(id, client_id, side, level, maker, fee)| Fill {
            trade_id: TradeId(id),
            client_id,
            venue_id: VenueOrderId(-id / 2),
            side,
            price: level.price,
            qty: level.qty,
            cumulative: level.qty,
            maker,
            fee: Usd::new(fee),
            ts_event: Nanos(7),
        })
}

fn report() -> impl Strategy<Value = VenueReport> {
    prop_oneof![
        fill().prop_map(VenueReport::Fill),
        client_id().prop_map(|client_id| VenueReport::Ack { client_id, venue_id: VenueOrderId(9) }),
        client_id().prop_map(|client_id| VenueReport::Reject {
            client_id,
            request: RequestKind::Amend,
            reason: RejectReason::WouldTake,
        }),
        (any::<i64>(), any::<i128>(), prop::collection::vec(fill(), 0..3)).prop_map(
            |(position, wallet, fills)| VenueReport::Account(AccountState {
                query: 7,
                position: Position::new(position),
                entry: FinePrice::ZERO,
                wallet: Usd::new(wallet),
                open_orders: Vec::new(),
                last_trade: fills.last().map(|fill| fill.trade_id),
                fills,
            })
        ),
        Just(VenueReport::StreamDown),
        Just(VenueReport::Obstacle { what: Obstacle::Clock, holds: true }),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let instrument = any::<u16>().prop_map(InstrumentId);
    prop_oneof![
        6 => (instrument.clone(), any::<u64>(), market_kind()).prop_map(|(instrument, ts, kind)| {
            Input::Market(MarketEvent { instrument, ts_event: Nanos(ts), kind })
        }),
        2 => (1_u64..1_000_000).prop_map(diff),
        3 => (instrument, report()).prop_map(|(id, report)| Input::Venue(id, report)),
        1 => any::<bool>().prop_map(|clear_halt| Input::Control(Control::Resume { clear_halt })),
        1 => Just(Input::Control(Control::Configure(Box::new(header(3).config)))),
    ]
}

fn output() -> impl Strategy<Value = RecordedOutput> {
    prop_oneof![
        any::<u32>().prop_map(cancel),
        (client_id(), side(), level(), any::<bool>()).prop_map(
            |(client_id, side, level, reduce)| {
                RecordedOutput::Venue(VenueCommand::Place(NewOrder {
                    instrument: InstrumentId(0),
                    client_id,
                    side,
                    qty: level.qty,
                    kind: OrderKind::Limit { price: level.price, tif: TimeInForce::PostOnly },
                    reduce_only: reduce,
                }))
            }
        ),
        ".{0,40}".prop_map(|message| RecordedOutput::Alert(Alert {
            level: AlertLevel::Error,
            kind: AlertKind::Anomaly,
            message,
        })),
        Just(RecordedOutput::Note(Note::Configured)),
    ]
}

type Turn = (u64, Vec<Input>, Vec<RecordedOutput>);

fn turn() -> impl Strategy<Value = Turn> {
    let outputs = prop::collection::vec(output(), 0..4);
    (any::<u64>(), prop::collection::vec(input(), 0..6), outputs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_is_written_is_read(
        turns in prop::collection::vec(turn(), 0..40),
        buffered in any::<bool>(),
        segment_bytes in prop_oneof![Just(u64::MAX), 100_u64..3_000],
        checkpoint_turns in 1_u64..9,
    ) {
        let scratch = Scratch::new();
        let durability = if buffered { Durability::Buffered } else { Durability::EachBatch };
        let retention = Retention { total_bytes: None, max_age: None, segment_bytes };
        let mut writer = Writer::create(&scratch.0, header(8), durability, retention).unwrap()
            .checkpoint_every(checkpoint_turns)
            .sync_every(Duration::from_secs(3_600));
        let mut wanted = Vec::new();
        for (index, (now, inputs, outputs)) in turns.into_iter().enumerate() {
            let (turn, now) = (index as u64 + 1, Nanos(now));
            writer.inputs(now, &inputs).unwrap();
            wanted.push(Record { turn, entry: Entry::Inputs { now, inputs } });
            writer.outputs(&outputs).unwrap();
            if !outputs.is_empty() {
                wanted.push(Record { turn, entry: Entry::Outputs(outputs) });
            }
            if writer.wants_checkpoint() {
                writer.checkpoint(turn * 17).unwrap();
                wanted.push(Record { turn, entry: Entry::Checkpoint(turn * 17) });
            }
        }
        writer.end(99).unwrap();
        wanted.push(Record { turn: writer.turn(), entry: Entry::End(99) });
        let reader = Reader::open(writer.dir()).unwrap();
        prop_assert_eq!(reader.header(), &header(8));
        let (records, tail) = read(&scratch.0);
        prop_assert_eq!(records, wanted);
        prop_assert_eq!(tail, Ok(Tail::Ended));
    }
}

#[test]
fn a_killed_process_loses_nothing_that_was_appended() {
    let scratch = Scratch::new();
    let retention = Retention::default();
    let mut writer =
        Writer::create(&scratch.0, header(1), Durability::EachBatch, retention).unwrap();
    for turn in 1..=50 {
        writer.inputs(CREATED, &[diff(turn)]).unwrap();
    }
    // SIGKILL runs no destructor.
    std::mem::forget(writer);
    let (records, tail) = read(&scratch.0);
    assert_eq!((records.len(), tail), (50, Ok(Tail::Open)));
}

#[test]
fn buffered_records_reach_the_file_when_the_writer_goes() {
    let scratch = Scratch::new();
    let retention = Retention::default();
    let mut writer =
        Writer::create(&scratch.0, header(1), Durability::Buffered, retention).unwrap();
    writer.inputs(CREATED, &[diff(1)]).unwrap();
    assert_eq!(read(&scratch.0).0.len(), 0);
    writer.flush().unwrap();
    assert_eq!(read(&scratch.0).0.len(), 1);
    writer.inputs(CREATED, &[diff(2)]).unwrap();
    drop(writer);
    assert_eq!(read(&scratch.0).0.len(), 2);
}

#[test]
fn checkpoints_are_due_at_the_start_and_every_so_often() {
    let scratch = Scratch::new();
    let retention = Retention::default();
    let mut writer =
        Writer::create(&scratch.0, header(1), Durability::Buffered, retention).unwrap();
    assert!(writer.wants_checkpoint());
    let mut due = Vec::new();
    for turn in 1..=2_500 {
        writer.inputs(CREATED, &[]).unwrap();
        writer.outputs::<RecordedOutput>(&[]).unwrap();
        if writer.wants_checkpoint() {
            writer.checkpoint(turn).unwrap();
            due.push(turn);
        }
    }
    assert_eq!(due, [1, 1_001, 2_001]);
    writer.end(0).unwrap();
    assert_eq!(writer.inputs(CREATED, &[]), Err(WriteError::Ended));
    assert_eq!(writer.failure(), None, "to have ended is no failure");
}

#[test]
fn a_repetitive_market_compresses_well() {
    let scratch = Scratch::new();
    let retention = Retention::default();
    let mut writer =
        Writer::create(&scratch.0, header(1), Durability::Buffered, retention).unwrap();
    let start = writer.segment_bytes();
    for turn in 1..=20_000_u64 {
        let now = Nanos(CREATED.0 + turn * 1_000_000);
        writer.inputs(now, &[diff(turn)]).unwrap();
    }
    let each = (writer.segment_bytes() - start) / 20_000;
    assert!(each < 60, "{each} bytes a turn, frame included");
}
