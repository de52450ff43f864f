//! Signals: SIGINT and SIGTERM stop, SIGHUP reads the configuration again or, without one, stops.

use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use engine::Control;
use market::Nanos;
use ops::api::{ControlRequest, ControlSink};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::on_thread;
use crate::output::complain;

/// Between two tries to hand over the order to stop, and two looks whether it is all over.
const TICK: Duration = Duration::from_millis(50);
/// Supervisors signal a process and its group, so one request may come twice; a person takes longer.
const ONE_REQUEST: Duration = Duration::from_millis(500);
/// Exit code of a process that was stopped at once, as shells have it for SIGINT.
const STOPPED: i32 = 130;

/// What SIGHUP means.
pub(crate) enum Hangup {
    /// The terminal is gone: stop.
    Stop,
    /// Read the configuration again.
    Reload(ControlSink),
}

/// Watches until told that it is over.
pub(crate) struct Signals {
    done: Sender<()>,
    thread: JoinHandle<()>,
}

impl Signals {
    /// Handles signals from now on.
    pub(crate) fn watch(controls: SyncSender<Control>, hangup: Hangup) -> Result<Self> {
        let (done, over) = std::sync::mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let sources = {
            let _guard = runtime.enter();
            // `nohup` asks not to be told of hangups.
            let hears = matches!(hangup, Hangup::Reload(_)) || !ignores_hangup();
            Sources {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                hangup: if hears { Some(signal(SignalKind::hangup())?) } else { None },
            }
        };
        let watch = Watch { controls, hangup, over, stop: Stop::No };
        let thread = on_thread(move || runtime.block_on(watch.run(sources)));
        Ok(Self { done, thread })
    }

    /// Ends the watch. What it held, such as the log, is given back.
    pub(crate) fn stop(self) {
        let _ = self.done.send(());
        let _ = self.thread.join();
    }
}

struct Sources {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

enum Heard {
    Stop,
    Hangup,
    Nothing,
}

impl Sources {
    async fn next(&mut self) -> Heard {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Heard::Stop,
            _ = self.terminate.recv() => Heard::Stop,
            _ = hangup => Heard::Hangup,
            () = tokio::time::sleep(TICK) => Heard::Nothing,
        }
    }
}

/// How far the order to stop has come.
enum Stop {
    /// Nobody wants to stop.
    No,
    /// Wanted; the trading thread has not taken the order yet.
    Wanted,
    /// The trading thread has it, since then.
    Ordered(Nanos),
}

struct Watch {
    controls: SyncSender<Control>,
    hangup: Hangup,
    over: Receiver<()>,
    stop: Stop,
}

impl Watch {
    async fn run(mut self, mut sources: Sources) {
        loop {
            let heard = sources.next().await;
            if self.over.try_recv() != Err(TryRecvError::Empty) {
                return;
            }
            match (heard, &self.hangup) {
                (Heard::Stop, _) | (Heard::Hangup, Hangup::Stop) => self.asked(),
                (Heard::Hangup, Hangup::Reload(sink)) => reload(sink),
                (Heard::Nothing, _) => {}
            }
            self.hand_over();
        }
    }

    /// The first request stops cleanly, the next one at once, but only when the order to stop has
    /// arrived: until then nothing has been canceled.
    fn asked(&mut self) {
        match self.stop {
            Stop::No => {
                self.stop = Stop::Wanted;
                complain(format_args!("stopping: canceling all orders (again to stop at once)"));
            }
            Stop::Wanted => {
                let id = std::process::id();
                complain(format_args!(
                    "still handing over the order to stop; kill -9 {id} leaves the orders to the \
                     dead-man's switch"
                ));
            }
            Stop::Ordered(since) if runtime::clock::now().since(since) < ONE_REQUEST => {}
            Stop::Ordered(_) => {
                complain(format_args!(
                    "stopped at once; orders may rest until the dead-man's switch fires"
                ));
                std::process::exit(STOPPED);
            }
        }
    }

    fn hand_over(&mut self) {
        if matches!(self.stop, Stop::Wanted) {
            match self.controls.try_send(Control::Shutdown) {
                Err(TrySendError::Full(_)) => {}
                Ok(()) | Err(TrySendError::Disconnected(_)) => {
                    self.stop = Stop::Ordered(runtime::clock::now());
                }
            }
        }
    }
}

fn reload(sink: &ControlSink) {
    match sink(ControlRequest::Reload) {
        Ok(()) => tracing::warn!(target: "risk", "RISK operator: reload (SIGHUP)"),
        Err(error) => {
            tracing::error!(target: "risk", %error, "RISK operator: reload (SIGHUP) failed");
        }
    }
}

/// Whether SIGHUP was ignored when the process started, as the kernel shows it.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_first_set(&status, "SigIgn:")
}

/// Whether a mask of signals in `/proc/self/status` has the first one, SIGHUP.
fn is_first_set(status: &str, key: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix(key));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn the_order_to_stop_is_handed_over_as_soon_as_there_is_room() {
        let (controls, taken) = sync_channel(1);
        let (_done, over) = std::sync::mpsc::channel();
        let mut watch =
            Watch { controls: controls.clone(), hangup: Hangup::Stop, over, stop: Stop::No };
        controls.send(Control::Pause).unwrap();
        for _ in 0..2 {
            watch.asked();
            watch.hand_over();
            assert!(matches!(watch.stop, Stop::Wanted), "a second request does not count yet");
        }
        assert_eq!(taken.recv(), Ok(Control::Pause));
        watch.hand_over();
        assert!(matches!(watch.stop, Stop::Ordered(_)));
        watch.asked();
        assert_eq!(taken.recv(), Ok(Control::Shutdown));
        watch.hand_over();
        assert!(taken.try_recv().is_err(), "once is enough");
    }

    #[test]
    fn nohup_is_seen() {
        assert!(is_first_set("Name:\tx\nSigIgn:\t0000000000001001\n", "SigIgn:"));
        assert!(!is_first_set("SigIgn:\t0000000000001000\n", "SigIgn:"));
        assert!(!is_first_set("", "SigIgn:"));
    }
}
