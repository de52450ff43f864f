//! Databases that cannot be used, rows that do not fit.

use runtime::store::{News, StoreError, Table, Target};
use rusqlite::Connection;

use crate::databases::Base;
use crate::sessions::agrees;
use crate::world::{Plan, Session, run};

fn error(base: &Base, target: &Target, plan: Plan) -> String {
    let opened = Session::open(target, &base.spill(), plan);
    opened.err().map_or_else(|| panic!("it was opened"), |error| error.to_string())
}

#[test]
fn files_that_are_not_ours_stay_as_they_are() {
    let base = Base::sqlite();
    let Target::Sqlite(path) = &base.target else { unreachable!() };
    std::fs::write(
        path,
        "a letter to my aunt, long enough to be read as a header of a database, and longer",
    )
    .unwrap();
    let outcome = run(&base.target, &base.spill(), Plan::new(1));
    assert_eq!(outcome.heard.kinds(), ["store_damaged"]);
    agrees(&base, "test-00000001", &outcome);
    let aside = path.with_extension("sqlite.damaged-1");
    assert!(std::fs::read_to_string(aside).unwrap().starts_with("a letter"));

    std::fs::remove_file(path).unwrap();
    Connection::open(path).unwrap().execute_batch("CREATE TABLE aunts (name TEXT)").unwrap();
    let text = error(&base, &base.target, Plan::new(1));
    assert!(text.contains("another program"), "{text}");
}

#[test]
fn a_newer_schema_is_refused_with_what_to_do() {
    Base::each(|base| {
        run(&base.target, &base.spill(), Plan::new(1));
        match &base.target {
            Target::Sqlite(path) => {
                Connection::open(path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
            }
            Target::Postgres { .. } => {
                let change = "UPDATE schema_version SET version = 99 RETURNING version";
                base.reader().query(change, &[], &mut |_| Ok(())).unwrap();
            }
        }
        let text = error(base, &base.target, Plan::new(2));
        assert!(text.contains("version 99") && text.contains("newer program"), "{text}");
        assert!(!text.contains("not-shown"), "{text}");
    });
}

#[test]
fn two_sessions_of_one_name_are_refused() {
    Base::each(|base| {
        run(&base.target, &base.spill(), Plan::new(1));
        // The same trader again at the same time is the same session, going on.
        run(&base.target, &base.spill(), Plan::new(1));
        let change = "UPDATE sessions SET started_ns = 5 RETURNING id";
        base.reader().query(change, &[], &mut |_| Ok(())).unwrap();
        let opened = Session::open(&base.target, &base.spill(), Plan::new(1)).err();
        assert!(matches!(opened, Some(StoreError::Taken(_))), "{opened:?}");
        assert!(opened.unwrap().to_string().contains("store.trader"));
    });
}

#[test]
fn wrong_addresses_and_passwords_are_not_repeated() {
    let base = Base::sqlite();
    for url in ["postgres:/me:not-shown@host/db", "mysql://me:not-shown@host/db", "not-shown"] {
        let target = Target::Postgres { url: url.to_owned(), ca_file: None };
        let text = error(&base, &target, Plan::new(1));
        assert!(text.contains("store.url") && !text.contains("not-shown"), "{text}");
        assert!(!format!("{target:?} {target}").contains("not-shown"));
    }
    let Some(base) = Base::postgres() else { return };
    let Target::Postgres { url, .. } = &base.target else { unreachable!() };
    let url = url.replace("/postgres", "/no-such-database");
    let text = error(&base, &Target::Postgres { url, ca_file: None }, Plan::new(1));
    assert!(text.contains("no-such-database") && !text.contains("not-shown"), "{text}");
}

#[test]
fn a_row_that_does_not_fit_takes_no_other_with_it() {
    Base::each(|base| {
        run(&base.target, &base.spill(), Plan::new(1));
        match &base.target {
            Target::Sqlite(path) => Connection::open(path)
                .unwrap()
                .execute_batch(
                    "CREATE TRIGGER picky BEFORE INSERT ON cash_flows BEGIN \
                     SELECT RAISE(ABORT, 'no cash here'); END",
                )
                .unwrap(),
            Target::Postgres { .. } => {
                let change = "ALTER TABLE cash_flows ADD CONSTRAINT picky \
                              CHECK (session <> 'test-00000002')";
                base.reader().query(change, &[], &mut |_| Ok(())).unwrap();
            }
        }
        let outcome = run(&base.target, &base.spill(), Plan::new(2));
        let refused = outcome.heard.all();
        let refused: Vec<_> = refused
            .iter()
            .map(|news| match news {
                News::Refused { table, kept, .. } => (*table, kept.clone()),
                other => panic!("{other}"),
            })
            .collect();
        assert!(refused.len() >= outcome.said.funding.len(), "{}", base.name);
        assert!(!outcome.said.funding.is_empty());
        let (table, kept) = &refused[0];
        assert_eq!(*table, "cash_flows");
        let lines = std::fs::read_to_string(kept).unwrap();
        assert_eq!(lines.lines().count(), refused.len(), "{}: {lines}", base.name);
        let sessions = base.texts(Table::Fills, "session");
        let count = sessions.iter().filter(|session| *session == "test-00000002").count();
        assert_eq!(count, outcome.said.fills.len(), "{}", base.name);
    });
}

#[test]
fn a_damaged_file_makes_way_and_is_kept() {
    /// What happens to the bytes of a file.
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 3] = [
        ("cut off", |bytes| bytes.truncate(bytes.len() / 2)),
        ("overwritten behind the first page", |bytes| bytes[4_096..].fill(0xa5)),
        ("overwritten from the start", |bytes| bytes[..4_096].fill(0xa5)),
    ];
    for (what, damage) in damages {
        let base = Base::sqlite();
        let Target::Sqlite(path) = &base.target else { unreachable!() };
        run(&base.target, &base.spill(), Plan::new(3));
        let mut bytes = std::fs::read(path).unwrap();
        damage(&mut bytes);
        std::fs::write(path, &bytes).unwrap();
        let outcome = run(&base.target, &base.spill(), Plan::new(7));
        let kinds = outcome.heard.kinds();
        assert!(
            kinds.contains(&"store_damaged") && !kinds.contains(&"store_lost"),
            "{what}: {kinds:?}"
        );
        agrees(&base, "test-00000007", &outcome);
        let aside = std::fs::read(path.with_extension("sqlite.damaged-1")).unwrap();
        assert!(aside.len() >= bytes.len() / 2, "{what}");
        let names = base.texts(Table::Sessions, "id");
        assert_eq!(names, ["test-00000007"], "{what}: the new file knows its session");
    }
}
