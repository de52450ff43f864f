//! The log: JSON or text lines to standard output and to a rotated file, without stalling trading.
//!
//! Lines go through a bounded queue to a thread of their own. When a disk or pipe cannot keep up,
//! lines are dropped and counted; when it fails, failures are counted. Neither ever reaches the
//! caller. Code of other crates is logged from `warn` up only, whatever the level: libraries that
//! speak HTTP print whole requests at `debug`, signatures and keys included.

mod rotate;

use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, reload};

use crate::config::{Level, LogFormat, LogOutput, LoggingConfig};
use rotate::{Limits, RotatingFile};

/// Lines that may wait for a slow disk or pipe before more are dropped; a few megabytes.
const QUEUE_LINES: usize = 16_384;

/// Our own crates, whose lines follow the configured level.
const OWN_TARGETS: [&str; 12] = [
    "binance",
    "engine",
    "fill",
    "journal",
    "market",
    "ops",
    "order",
    "quoting",
    "risk",
    "runtime",
    "sim_exchange",
    "trader",
];

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The log file cannot be written.
    #[error(
        "cannot open the log file {}: {source}; check logging.file_path and its permissions",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `outputs` contains `file` but there is no path; a checked configuration has one.
    #[error("logging.outputs contains file, but logging.file_path is not given")]
    NoPath,
    /// The log was set up before.
    #[error("the log is already set up in this process")]
    Twice,
}

/// Where the output `stdout` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// To standard output.
    Stdout,
    /// To standard error, because standard output is a document.
    Stderr,
}

/// Keeps the log running; dropping it writes out what is queued. It has one owner, so that the last
/// lines do not depend on who else still looks at the [handle](LogHandle).
pub struct Log {
    /// For those who turn it or count its lines.
    pub handle: Arc<LogHandle>,
    _workers: Vec<WorkerGuard>,
}

/// Turns the log while it runs, and counts its lines.
pub struct LogHandle {
    filter: reload::Handle<Targets, Registry>,
    counts: Arc<Counts>,
    failures: Arc<Failures>,
    queues: Vec<ErrorCounter>,
}

/// Starts the log of this process.
pub fn init(config: &LoggingConfig, console: Console) -> Result<Log, LogError> {
    let (subscriber, log) = build(config, console)?;
    subscriber.try_init().map_err(|_| LogError::Twice)?;
    Ok(log)
}

impl LogHandle {
    /// Changes the level from the next line on.
    pub fn set_level(&self, level: Level) {
        // It fails only when the subscriber is gone, and then there is nothing to change.
        let _ = self.filter.reload(targets(level));
    }

    /// Lines logged so far at each level, most severe first.
    pub fn counts(&self) -> [(&'static str, u64); 5] {
        const NAMES: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
        std::array::from_fn(|i| (NAMES[i], self.counts.0[i].load(Ordering::Relaxed)))
    }

    /// Lines dropped because an output could not keep up.
    pub fn dropped_lines(&self) -> u64 {
        self.queues.iter().map(|queue| queue.dropped_lines() as u64).sum()
    }

    /// Lines lost, and rotations failed, because an output refused them (disk full, pipe closed).
    pub fn write_failures(&self) -> u64 {
        self.failures.count()
    }
}

/// Failed writes of all outputs.
#[derive(Debug, Default)]
struct Failures {
    count: AtomicU64,
}

impl Failures {
    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one. The first is told on standard error, the only place left to tell it.
    fn add(&self, what: &str, error: &io::Error) {
        if self.count.fetch_add(1, Ordering::Relaxed) == 0 {
            let remedy = "what is lost is counted in mm_log_write_failures_total";
            // Standard error may be gone as well.
            let _ = writeln!(io::stderr(), "the log cannot be written: {what}: {error}; {remedy}");
        }
    }
}

/// The subscriber with its handle, not yet installed.
fn build(
    config: &LoggingConfig,
    console: Console,
) -> Result<(impl Subscriber + Send + Sync, Log), LogError> {
    let failures = Arc::new(Failures::default());
    let counts = Arc::new(Counts::default());
    let (filter, filter_handle) = reload::Layer::new(targets(config.level));
    let (mut workers, mut queues) = (Vec::new(), Vec::new());
    let mut outputs: Vec<Box<dyn Layer<_> + Send + Sync>> = Vec::new();
    for output in &config.outputs {
        let (queue, prefixed, colours) = match output {
            LogOutput::Stdout => {
                let journal = std::env::var("JOURNAL_STREAM").ok();
                let prefixed = is_journal(journal.as_deref(), console.device());
                // Two outputs share the text of spans, so colours would leak into the file.
                let alone = config.outputs.len() == 1;
                let colours = alone && !prefixed && console.is_terminal();
                let stream = Stream { console, failures: Arc::clone(&failures) };
                (start("log-stdout", stream), prefixed, colours)
            }
            LogOutput::File => {
                let path = config.file_path.clone().ok_or(LogError::NoPath)?;
                let limits = Limits::of(config);
                let file = RotatingFile::open(path.clone(), limits, Arc::clone(&failures))
                    .map_err(|source| LogError::File { path, source })?;
                (start("log-file", file), false, false)
            }
        };
        let (writer, worker) = queue;
        queues.push(writer.error_counter());
        workers.push(worker);
        outputs.push(lines(config.format, Lines { writer, prefixed }, colours));
    }
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(CountLayer(Arc::clone(&counts)))
        .with(outputs);
    let handle = Arc::new(LogHandle { filter: filter_handle, counts, failures, queues });
    Ok((subscriber, Log { handle, _workers: workers }))
}

fn start(name: &str, writer: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE_LINES)
        .thread_name(name)
        .finish(writer)
}

fn targets(level: Level) -> Targets {
    let own = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    };
    Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_targets(OWN_TARGETS.map(|target| (target, own)))
}

fn lines<S>(format: LogFormat, writer: Lines, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a> + Send + Sync,
{
    match format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(writer)
            .boxed(),
        LogFormat::Pretty => fmt::layer().with_ansi(colours).with_writer(writer).boxed(),
    }
}

/// Counts the lines that pass the filter, for the metrics.
struct CountLayer(Arc<Counts>);

/// One counter per level, most severe first.
#[derive(Default)]
struct Counts([AtomicU64; 5]);

impl<S: Subscriber> Layer<S> for CountLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let index = match *event.metadata().level() {
            tracing::Level::ERROR => 0,
            tracing::Level::WARN => 1,
            tracing::Level::INFO => 2,
            tracing::Level::DEBUG => 3,
            tracing::Level::TRACE => 4,
        };
        self.0.0[index].fetch_add(1, Ordering::Relaxed);
    }
}

/// Standard output, or what stands in for it, that survives its reader.
struct Stream {
    console: Console,
    failures: Arc<Failures>,
}

impl Write for Stream {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let put = |stream: &mut dyn Write| stream.write_all(line).and_then(|()| stream.flush());
        let (name, written) = match self.console {
            Console::Stdout => ("standard output", put(&mut io::stdout().lock())),
            Console::Stderr => ("standard error", put(&mut io::stderr().lock())),
        };
        if let Err(error) = written {
            self.failures.add(name, &error);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes the writer of one log line.
struct Lines {
    writer: NonBlocking,
    /// Whether lines start with the priority that journald understands.
    prefixed: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { writer: self.writer.clone(), priority: None }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        let priority = self.prefixed.then(|| priority(*metadata.level()));
        Line { writer: self.writer.clone(), priority }
    }
}

/// The writer of one log line.
struct Line {
    writer: NonBlocking,
    priority: Option<u8>,
}

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match self.priority {
            None => self.writer.write_all(text)?,
            Some(priority) => self.writer.write_all(&with_priority(priority, text))?,
        }
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The syslog severity of a level, as in sd-daemon(3).
fn priority(level: tracing::Level) -> u8 {
    match level {
        tracing::Level::ERROR => 3,
        tracing::Level::WARN => 4,
        tracing::Level::INFO => 6,
        tracing::Level::DEBUG | tracing::Level::TRACE => 7,
    }
}

/// Every line of `text` with its priority in front.
fn with_priority(priority: u8, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 3);
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        out.extend([b'<', b'0' + priority, b'>']);
        out.extend(line);
    }
    out
}

/// Whether `JOURNAL_STREAM` (`device:inode`) names our output. A child whose output was redirected
/// inherits the variable, which is why systemd says to compare.
fn is_journal(journal_stream: Option<&str>, output: Option<(u64, u64)>) -> bool {
    let named = journal_stream.and_then(|stream| {
        let (device, inode) = stream.split_once(':')?;
        Some((device.parse().ok()?, inode.parse().ok()?))
    });
    named.is_some() && named == output
}

impl Console {
    fn device(self) -> Option<(u64, u64)> {
        let path = match self {
            Self::Stdout => "/proc/self/fd/1",
            Self::Stderr => "/proc/self/fd/2",
        };
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }
}

#[cfg(test)]
mod tests;
