//! A database that is locked, read-only, full, slow, gone: no panic, nothing lost, everything told.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::Control;
use runtime::store::{News, Table, Target};
use rusqlite::Connection;

use crate::databases::{Base, is_root};
use crate::sessions::agrees;
use crate::world::{Plan, Session, run, until};

/// Fails the database from the thirtieth to the sixtieth second of a session.
fn outage(base: &Base, plan: Plan, begin: impl Fn(), end: impl Fn()) {
    let session = format!("test-{:08x}", plan.number);
    let opened = Session::open(&base.target, &base.spill(), plan).unwrap();
    let (handle, name) = (opened.handle.clone(), base.name);
    let outcome = opened.run(|second| match second {
        30 => begin(),
        60 => {
            until("the failure is seen", || handle.stats().failures > 0);
            until("rows are safe in the file", || {
                let stats = handle.stats();
                stats.spilled > 0 && stats.queue == 0
            });
            end();
        }
        _ => {}
    });
    assert_eq!(outcome.heard.kinds(), ["store_failing", "store_recovered"], "{name}");
    agrees(base, &session, &outcome);
    assert_eq!(
        std::fs::metadata(base.spill()).unwrap().len(),
        8,
        "{name}: the file is empty again"
    );
    let kinds = base.texts(Table::Alerts, "kind");
    let own = kinds.iter().filter(|kind| kind.starts_with("store_")).count();
    assert_eq!(own, 2, "{name}: the store tells of its own failure");
}

#[test]
fn a_locked_file_is_waited_for() {
    let base = Base::sqlite();
    let Target::Sqlite(path) = &base.target else { unreachable!() };
    let other = std::cell::RefCell::new(None);
    outage(
        &base,
        Plan::new(1),
        || {
            let connection = Connection::open(path).unwrap();
            connection.busy_timeout(Duration::from_secs(10)).unwrap();
            connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
            *other.borrow_mut() = Some(connection);
        },
        || other.borrow_mut().take().unwrap().execute_batch("COMMIT").unwrap(),
    );
}

#[test]
fn a_server_that_is_killed_and_started_again() {
    let Some(mut base) = Base::postgres() else { return };
    let server = std::cell::RefCell::new(base.server.take().unwrap());
    outage(&base, Plan::new(2), || server.borrow_mut().kill(), || server.borrow_mut().start());
    base.server = Some(server.into_inner());
}

#[test]
fn a_server_that_does_not_answer() {
    let Some(base) = Base::postgres() else { return };
    let server = base.server.as_ref().unwrap();
    outage(&base, Plan::new(3), || server.freeze(true), || server.freeze(false));
}

#[test]
fn a_file_that_was_moved_away_is_noticed() {
    let base = Base::sqlite();
    let Target::Sqlite(path) = &base.target else { unreachable!() };
    let aside = path.with_extension("aside");
    let session = Session::open(&base.target, &base.spill(), Plan::new(4)).unwrap();
    let handle = session.handle.clone();
    let outcome = session.run(|second| {
        if second == 30 {
            std::fs::rename(path, &aside).unwrap();
            for end in ["-wal", "-shm"] {
                let name = |path: &Path| format!("{}{end}", path.display());
                let _ = std::fs::rename(name(path), name(&aside));
            }
        }
        if second == 60 {
            until("it is noticed", || handle.stats().failures > 0);
        }
    });
    assert_eq!(outcome.heard.kinds(), ["store_failing", "store_recovered"]);
    // One half is in the one, the other in the other.
    let fills = |path: &Path| {
        let base = Target::Sqlite(path.to_owned());
        let mut reader = runtime::store::Reader::open(&base).unwrap();
        crate::databases::rows(&mut reader, Table::Fills).unwrap().len()
    };
    assert_eq!(fills(path) + fills(&aside), outcome.said.fills.len());
}

#[test]
fn a_file_that_cannot_be_written_at_the_start() {
    let base = Base::sqlite();
    run(&base.target, &base.spill(), Plan::new(1));
    let Target::Sqlite(path) = &base.target else { unreachable!() };
    let lock = |locked: bool| match is_root() {
        // Not even root writes into an immutable file.
        true => {
            let flag = if locked { "+i" } else { "-i" };
            let status = Command::new("chattr").arg(flag).arg(path).status();
            status.is_ok_and(|status| status.success())
        }
        false => {
            let mut permissions = std::fs::metadata(path).unwrap().permissions();
            permissions.set_readonly(locked);
            std::fs::set_permissions(path, permissions).is_ok()
        }
    };
    if !lock(true) {
        eprintln!("SKIPPED: files cannot be made read-only here");
        return;
    }
    let session = Session::open(&base.target, &base.spill(), Plan::new(2)).unwrap();
    assert_eq!(session.heard.kinds(), ["store_failing"]);
    let handle = session.handle.clone();
    let outcome = session.run(|second| {
        if second == 60 {
            until("rows are safe in the file", || handle.stats().spilled > 0);
            assert!(lock(false));
        }
    });
    agrees(&base, "test-00000002", &outcome);
}

/// A small disk of its own.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(path: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "none"]).arg(path);
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("SKIPPED: no file system can be mounted here");
        }
        mounted.then_some(Self(path))
    }

    fn fill(&self, full: bool) {
        let filler = self.0.join("filler");
        if !full {
            std::fs::remove_file(filler).unwrap();
            return;
        }
        // Until there is no room for a byte.
        let mut file = std::fs::File::create(filler).unwrap();
        let mut block = vec![7_u8; 4_096];
        while !block.is_empty() {
            if std::io::Write::write(&mut file, &block).is_err() {
                block.truncate(block.len() / 2);
            }
        }
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    let base = Base::sqlite();
    let Some(disk) = SmallDisk::mount(&base.folder.0) else { return };
    let session = Session::open(&base.target, &base.spill(), Plan::new(6)).unwrap();
    let (handle, heard) = (session.handle.clone(), session.heard.clone());
    let outcome = session.run(|second| match second {
        30 => disk.fill(true),
        60 => {
            until("the failure is seen", || handle.stats().failures > 0);
            // Neither database nor file takes anything: rows wait in memory.
            until("the file is full too", || heard.kinds().contains(&"store_spill_failing"));
            assert!(handle.stats().queue > 0);
            disk.fill(false);
        }
        _ => {}
    });
    let kinds = outcome.heard.kinds();
    assert!(
        kinds.contains(&"store_failing") && kinds.contains(&"store_spill_failing"),
        "{kinds:?}"
    );
    assert!(kinds.contains(&"store_recovered") && !kinds.contains(&"store_lost"), "{kinds:?}");
    agrees(&base, "test-00000006", &outcome);
}

#[test]
fn a_disk_of_the_spill_file_that_is_full_does_not_matter_while_the_database_works() {
    let Some(base) = Base::postgres() else { return };
    let Some(disk) = SmallDisk::mount(&base.folder.0) else { return };
    let session = Session::open(&base.target, &base.spill(), Plan::new(8)).unwrap();
    disk.fill(true);
    let outcome = session.run(|_| {});
    assert_eq!(outcome.heard.kinds(), [""; 0]);
    agrees(&base, "test-00000008", &outcome);
}

#[test]
fn what_the_database_never_took_is_written_by_the_next_start() {
    Base::each(|base| {
        let blocked = base.folder.0.join("nowhere/store.sqlite");
        let target = match &base.target {
            Target::Sqlite(_) => Target::Sqlite(blocked),
            Target::Postgres { url, .. } => {
                let host = url.strip_suffix("/postgres").unwrap();
                let url = format!("{host}-gone/postgres");
                Target::Postgres { url, ca_file: None }
            }
        };
        let plan = Plan { close_limit: Duration::from_millis(200), ..Plan::new(1) };
        let outcome = run(&target, &base.spill(), plan);
        let heard = outcome.heard.all();
        assert!(
            matches!(heard[..], [News::Failing { .. }, News::Kept { rows, .. }] if rows > 100),
            "{}: {heard:?}",
            base.name
        );
        let next = run(&base.target, &base.spill(), Plan::new(2));
        assert_eq!(next.heard.kinds(), ["store_leftover"], "{}", base.name);
        agrees(base, "test-00000001", &outcome);
        agrees(base, "test-00000002", &next);
    });
}

#[test]
fn a_failure_that_lasts_halts_trading_when_told_so() {
    for (after, halts) in [(Some(Duration::from_millis(50)), true), (None, false)] {
        let base = Base::sqlite();
        let target = Target::Sqlite(base.folder.0.join("nowhere/store.sqlite"));
        let close_limit = Duration::from_millis(200);
        let plan = Plan { halt_after: after, close_limit, ..Plan::new(1) };
        let session = Session::open(&target, &base.spill(), plan).unwrap();
        let (handle, halted) = (session.handle.clone(), AtomicBool::new(false));
        if halts {
            until("trading is halted", || {
                let halt = session.halts.try_recv().is_ok_and(|control| control == Control::Halt);
                halted.fetch_or(halt, Ordering::Relaxed);
                halted.load(Ordering::Relaxed)
            });
        } else {
            until("it has failed twice", || handle.stats().failures > 2);
            assert!(session.halts.try_recv().is_err());
        }
        let heard = session.heard.clone();
        session.run(|_| {});
        assert_eq!(heard.kinds().contains(&"store_halt"), halts, "{:?}", heard.kinds());
    }
}
