//! The only file that may read the clock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use market::Nanos;

/// What the clock was set forward by since it was first asked for, in nanoseconds.
static AHEAD: AtomicU64 = AtomicU64::new(0);
/// The wall clock when it was first asked for.
static BEGAN: OnceLock<(Nanos, Instant)> = OnceLock::new();
/// Differences from the wall clock that are let be: it is adjusted all the time.
const FOLLOW_BEYOND: Duration = Duration::from_millis(250);

/// Time since 1970, which never goes back: the wall clock when it is first asked for, and from then on
/// the time that has passed. A clock that is set back while we run does not set us back; one that is set
/// forward is followed by [`follow`].
#[expect(clippy::disallowed_methods, reason = "this is the one place where the clock is read")]
pub fn now() -> Nanos {
    let (began, instant) = BEGAN.get_or_init(|| (wall(), Instant::now()));
    *began + instant.elapsed() + Duration::from_nanos(AHEAD.load(Ordering::Relaxed))
}

/// Follows the wall clock when it has got ahead of us: it was set forward, or the machine slept, and time
/// that passes asleep is not counted otherwise. Returns by how much.
pub fn follow() -> Option<Duration> {
    let behind = wall().since(now());
    if behind <= FOLLOW_BEYOND {
        return None;
    }
    AHEAD.fetch_add(u64::try_from(behind.as_nanos()).unwrap_or(0), Ordering::Relaxed);
    Some(behind)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place where the clock is read")]
fn wall() -> Nanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Starts a thread that only waits and writes; nothing that trades.
///
/// # Errors
/// When the system has no room for another thread.
pub(crate) fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}

/// A stopwatch that never goes backwards.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place where the clock is read")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// How fast simulated time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As fast as the machine can; time jumps from event to event.
    Max,
    /// This many simulated seconds per second.
    Times(f64),
}

/// Maps wall time to simulated time.
#[derive(Debug)]
pub(crate) struct Timeline {
    pace: Pace,
    start: Nanos,
    watch: Stopwatch,
}

/// Why a wait ended.
pub(crate) enum Woken<T> {
    /// The awaited instant has come.
    Due,
    /// A message arrived first.
    Message(T),
    /// Nobody can send messages any more.
    Disconnected,
}

impl Timeline {
    /// Simulated time begins at `start` now.
    pub(crate) fn new(pace: Pace, start: Nanos) -> Self {
        Self { pace, start, watch: Stopwatch::start() }
    }

    /// Simulated time; `None` when it is not tied to the clock.
    pub(crate) fn now(&self) -> Option<Nanos> {
        match self.pace {
            Pace::Max => None,
            Pace::Times(speed) => Some(self.start + self.watch.elapsed().mul_f64(speed)),
        }
    }

    /// Waits until simulated time `until`, or until a message comes.
    pub(crate) fn wait<T>(&self, until: Nanos, messages: &Receiver<T>) -> Woken<T> {
        let span = match (self.pace, self.now()) {
            (Pace::Times(speed), Some(now)) => until.since(now).div_f64(speed),
            _ => Duration::ZERO,
        };
        match messages.recv_timeout(span) {
            Ok(message) => Woken::Message(message),
            Err(RecvTimeoutError::Timeout) => Woken::Due,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(span);
                Woken::Disconnected
            }
        }
    }
}
