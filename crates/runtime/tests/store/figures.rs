//! Figures, on request: `cargo test --release -p runtime --test store figures -- --ignored --nocapture`.

use std::time::Duration;

use runtime::clock::Stopwatch;

use crate::databases::Base;
use crate::world::{Plan, Session};

#[test]
#[ignore = "takes a minute, and says how fast"]
fn writes_per_second_and_worst_lag() {
    Base::each(|base| {
        for (what, span, speed) in [
            ("as fast as possible", 3_600, runtime::Pace::Max),
            ("60 times real time", 600, runtime::Pace::Times(60.0)),
        ] {
            let number = span as u32;
            let span = Duration::from_secs(span);
            let plan = Plan { span, pace: speed, ..Plan::new(number) };
            let session = Session::open(&base.target, &base.spill(), plan).unwrap();
            let handle = session.handle.clone();
            let watch = Stopwatch::start();
            session.run(|_| {});
            let took = watch.elapsed().as_secs_f64();
            let stats = handle.stats();
            let rows: u64 = stats.rows.iter().map(|(_, count)| count).sum();
            eprintln!(
                "{}, {what}: {rows} rows in {took:.1} s ({:.0}/s), {} transactions, worst lag {:?}, \
                 thinned {}, lost {}",
                base.name,
                rows as f64 / took,
                stats.transactions,
                stats.worst_lag,
                stats.thinned,
                stats.lost,
            );
            assert_eq!((stats.lost, stats.failures), (0, 0));
        }
    });
}
