//! A trader killed in the middle of writing: the next start completes what it had begun.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use engine::{Note, Output};
use journal::Entry;
use market::venue::Fill;
use market::{Nanos, Qty, Side, TradeId, Usd, VenueOrderId};
use runtime::Pace;
use runtime::store::{Booked, Table, Target, Value};

use crate::databases::Base;
use crate::sessions::agrees;
use crate::world::{Plan, Session, instrument, run, until};

const TARGET: &str = "STORE_TEST_TARGET";
const SPILL: &str = "STORE_TEST_SPILL";
const JOURNAL: &str = "STORE_TEST_JOURNAL";
const NUMBER: &str = "STORE_TEST_NUMBER";

/// Not a test: what the child of the tests below does.
#[test]
fn child() {
    let Ok(target) = std::env::var(TARGET) else { return };
    let target = match target.starts_with("postgres://") {
        true => Target::Postgres { url: target, ca_file: None },
        false => Target::Sqlite(target.into()),
    };
    let path = |name| PathBuf::from(std::env::var(name).unwrap());
    let number = std::env::var(NUMBER).unwrap().parse().unwrap();
    let plan = Plan {
        journal: Some(path(JOURNAL)),
        span: Duration::from_secs(3_600),
        pace: Pace::Times(60.0),
        ..Plan::new(number)
    };
    Session::open(&target, &path(SPILL), plan).unwrap().run(|_| {});
}

fn start(base: &Base, target: &Target, number: u32) -> Child {
    let target = match target {
        Target::Sqlite(path) => path.display().to_string(),
        Target::Postgres { url, .. } => url.clone(),
    };
    Command::new(std::env::current_exe().unwrap())
        .args(["killed::child", "--exact"])
        .env(TARGET, target)
        .env(SPILL, base.spill())
        .env(JOURNAL, base.folder.0.join("journal"))
        .env(NUMBER, number.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Fills, and other outputs that are kept, by the journal of a session.
fn journaled(folder: &Path, number: u32) -> (BTreeSet<i64>, usize) {
    let sessions = journal::sessions(folder).unwrap();
    let path = sessions.into_iter().find(|session| session.session == number).unwrap().path;
    let (mut fills, mut alerts) = (BTreeSet::new(), 0);
    for record in journal::Reader::open(path).unwrap() {
        let Entry::Outputs(outputs) = record.unwrap().entry else { continue };
        for output in outputs {
            match output {
                Output::Note(Note::Filled { fill, .. }) => drop(fills.insert(fill.trade_id.0)),
                Output::Alert(_) => alerts += 1,
                _ => {}
            }
        }
    }
    (fills, alerts)
}

fn stored(base: &Base, session: &str) -> BTreeSet<i64> {
    let rows = base.rows(Table::Fills).into_iter();
    let own = rows.filter(|row| row[3] == Value::from(session));
    own.filter_map(|row| row[2].as_int()).collect()
}

#[test]
fn nothing_is_lost_by_a_kill() {
    Base::each(|base| {
        let journal = base.folder.0.join("journal");
        for number in 1..=4_u32 {
            let mut child = start(base, &base.target, number);
            let session = format!("test-{number:08x}");
            // Ever later in the life of the session.
            let wanted = number as usize * 6;
            until("the child has traded", || {
                let reader = runtime::store::Reader::open(&base.target);
                let rows = reader.and_then(|mut r| crate::databases::rows(&mut r, Table::Fills));
                let rows = rows.unwrap_or_default();
                rows.iter().filter(|row| row[3] == Value::from(session.as_str())).count() >= wanted
            });
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let last = run(&base.target, &base.spill(), Plan::new(9));
        let kinds = last.heard.kinds();
        assert!(kinds.contains(&"store_completed"), "{}: {kinds:?}", base.name);
        agrees(base, "test-00000009", &last);
        for number in 1..=4_u32 {
            let session = format!("test-{number:08x}");
            let (fills, alerts) = journaled(&journal, number);
            assert_eq!(stored(base, &session), fills, "{}: {session}", base.name);
            let rows = base.rows(Table::Alerts).into_iter();
            let own = rows.filter(|row| row[0] == Value::from(session.as_str()));
            let told = own.filter(|row| row[1] != Value::Int(0)).count();
            assert_eq!(told, alerts, "{}: {session}", base.name);
        }
        let endings = base.texts(Table::Sessions, "ending");
        let completed = endings.iter().filter(|ending| *ending == "completed").count();
        assert_eq!((endings.len(), completed), (5, 4), "{endings:?}");
    });
}

#[test]
fn a_kill_while_the_database_is_away_loses_nothing_either() {
    let base = Base::sqlite();
    let away = Target::Sqlite(base.folder.0.join("nowhere/store.sqlite"));
    let mut child = start(&base, &away, 7);
    let size = || std::fs::metadata(base.spill()).map_or(0, |metadata| metadata.len());
    until("rows are in the file", || size() > 60_000);
    child.kill().unwrap();
    child.wait().unwrap();
    let next = run(&base.target, &base.spill(), Plan::new(2));
    assert_eq!(next.heard.kinds()[0], "store_leftover");
    // The session began while the database was away, so it is known from the file alone; the one after
    // completes it.
    let third = run(&base.target, &base.spill(), Plan::new(3));
    assert_eq!(third.heard.kinds(), ["store_completed"]);
    let (fills, _) = journaled(&base.folder.0.join("journal"), 7);
    assert!(!fills.is_empty());
    assert_eq!(stored(&base, "test-00000007"), fills);
}

#[test]
fn fills_that_only_the_venue_knows_are_fetched_once() {
    Base::each(|base| {
        let fill = |id: i64| Fill {
            trade_id: TradeId(id),
            client_id: None,
            venue_id: VenueOrderId(1),
            side: Side::Buy,
            price: instrument().price("2610".parse().unwrap()).unwrap(),
            qty: Qty::new(10),
            cumulative: Qty::new(10),
            maker: true,
            fee: Usd::ZERO,
            ts_event: Nanos(id as u64),
        };
        let booked = |known: &[i64]| Booked {
            instrument: instrument(),
            known: known.iter().copied().map(TradeId).collect(),
            ask: Box::new(move |since| {
                let since = since.map_or(0, |id| id.0);
                Ok((since + 1..=900_009).filter(|id| *id > 900_000).map(fill).collect())
            }),
        };
        let plan = |booked| Plan { booked: Some(booked), ..Plan::new(1) };
        let first = run(&base.target, &base.spill(), plan(booked(&[900_003, 900_005])));
        assert_eq!(first.heard.kinds(), ["store_fetched"], "{}", base.name);
        let there = |base: &Base| {
            let ids = base.column(Table::Fills, "trade_id");
            ids.iter().filter_map(Value::as_int).filter(|id| *id > 900_000).collect::<Vec<_>>()
        };
        // The engine asks for what comes after its last by itself.
        assert_eq!(there(base), (900_001..=900_005).collect::<Vec<_>>(), "{}", base.name);
        let again = run(&base.target, &base.spill(), plan(booked(&[900_003, 900_005])));
        assert_eq!(again.heard.kinds(), [""; 0], "{}", base.name);
        let deaf = Booked { ask: Box::new(|_| Err("not now".into())), ..booked(&[900_009]) };
        let deaf = run(&base.target, &base.spill(), plan(deaf));
        assert_eq!(deaf.heard.kinds(), ["store_unfetched"], "{}", base.name);
    });
}

#[test]
fn a_damaged_spill_file_is_put_aside_and_the_rest_is_written() {
    let base = Base::sqlite();
    let away = Target::Sqlite(base.folder.0.join("nowhere/store.sqlite"));
    let plan = Plan { close_limit: Duration::from_millis(200), ..Plan::new(1) };
    run(&away, &base.spill(), plan);
    let mut bytes = std::fs::read(base.spill()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(base.spill(), &bytes).unwrap();
    let next = run(&base.target, &base.spill(), Plan::new(2));
    assert_eq!(next.heard.kinds(), ["store_spill_damaged", "store_leftover"]);
    let aside = base.folder.0.join("spill.log.damaged-1");
    assert_eq!(std::fs::read(aside).unwrap(), bytes);
    assert!(!stored(&base, "test-00000001").is_empty());
}
