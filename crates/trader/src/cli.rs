//! The command line.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Parser, Subcommand};
use runtime::Pace;
use runtime::swarm::Profile;

/// A market maker for Binance USDⓈ-M perpetual futures.
///
/// Without a command: the demo, paper trading of ETHUSDC on the embedded simulated exchange.
#[derive(Debug, Parser)]
#[command(name = "trader", version = VERSION, args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  trader                                     the demo; console on http://127.0.0.1:9100/
  trader --seed 7 --speed max --for 10m      ten simulated minutes, as fast as possible
  trader --replay capture.gz --speed max     paper trading on recorded market data
  trader run --config configs/config.yaml    the market maker as configured
  trader check --config configs/config.yaml  what is wrong with a configuration
  trader replay data/journal/<session> --verify")]
pub(crate) struct Cli {
    /// What to do; nothing is the demo.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) demo: Demo,
}

const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("TRADER_COMMIT"), ")");

/// Options of the demo.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Seed of the simulated market; the same seed gives the same market.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Trade on recorded market data instead; several files are read one after the other.
    #[arg(long, value_name = "CAPTURE")]
    pub(crate) replay: Vec<PathBuf>,
    /// Simulated seconds per second, or `max` for as fast as possible (no console then).
    #[arg(long, value_name = "N|max", default_value = "1", value_parser = pace)]
    #[arg(allow_hyphen_values = true)]
    pub(crate) speed: Pace,
    /// Stop after this much simulated time, e.g. `90s`, `10m`, `1h`.
    #[arg(long = "for", value_name = "T", value_parser = span, allow_hyphen_values = true)]
    pub(crate) duration: Option<Duration>,
    /// Use this configuration instead of the demo's.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Replace a key of the configuration, e.g. `--set strategy.base_spread=0.0002`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
    /// Print the summary as one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the market maker as configured.
    #[command(after_help = "Example: trader run --config configs/config.yaml")]
    Run {
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Trade with real money, if the configuration says mode: live on mainnet.
        #[arg(long)]
        arm_live: bool,
    },
    /// Validate a configuration without trading; exit code 2 when something is wrong.
    #[command(after_help = "Example: trader check --config configs/config.yaml
Also spelled: trader -config configs/config.yaml -check")]
    Check {
        /// The configuration.
        #[arg(long, value_name = "FILE", required_unless_present = "schema")]
        config: Option<PathBuf>,
        /// Print the JSON Schema of configurations instead.
        #[arg(long)]
        schema: bool,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Re-run a recorded session; exit code 1 when the journal is damaged, after all that can be read.
    #[command(
        after_help = "Example: trader replay data/journal/00000001-20261122T214602770Z --verify
         trader replay data/journal/00000001-* --what-if strategy.base_spread=0.0004"
    )]
    Replay {
        /// The journal of the session: its folder, or one of its segments.
        journal: PathBuf,
        /// Exit with 1 at the first output that differs from the record, and show it.
        #[arg(long)]
        verify: bool,
        /// Stop before the first turn after this time (ISO 8601 in UTC, or ms since 1970) and print
        /// the engine's state then.
        #[arg(long, value_name = "TIME", value_parser = instant)]
        until: Option<market::Nanos>,
        /// Replace a key of the recorded configuration and compare: which decisions change first, and
        /// what would have come of it on a simulated venue. May be given several times.
        #[arg(long, value_name = "KEY=VALUE", value_parser = assignment, conflicts_with = "verify")]
        what_if: Vec<(String, String)>,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// The swarm test: simulated hours of trouble in seconds, judged by the venue's truth; exit code 1
    /// when a rule was broken.
    ///
    /// Trader, network and venue run in this process on simulated time. A seed decides the set-up and
    /// everything that goes wrong; the same seed does the same on every machine. An auditor that knows
    /// only the venue's truth checks every step, and after each round of trouble both sides must agree.
    /// A seed that fails is made small and printed with the command that repeats it.
    #[command(after_help = "Example: trader simulate --seeds 0..200 --hours 1
         trader simulate --seeds 0..1000 --faults harsh --json")]
    Simulate(Simulate),
    /// The simulated exchange: Binance's own REST, WebSocket, user-data and WS-API protocols on one
    /// address, for any Binance client.
    #[command(
        after_help = "Example: trader exchange --listen 127.0.0.1:8080 --api-key k --api-secret s
         trader exchange --state data/exchange --faults faults.json --control 127.0.0.1:8081"
    )]
    Exchange(Box<Exchange>),
    /// Market data and captured messages.
    #[command(after_help = "Example: zcat capture.gz | head | trader data decode")]
    Data {
        /// What to do with it.
        #[command(subcommand)]
        action: DataAction,
    },
    /// Show what a running trader does.
    #[command(after_help = "Example: trader status --json")]
    Status(Remote),
    /// Withdraw all quotes until resumed.
    #[command(after_help = "Example: trader pause")]
    Pause(Remote),
    /// Quote again after a pause; with --clear-halt also after a halt.
    #[command(after_help = "Example: trader resume --clear-halt")]
    Resume {
        #[command(flatten)]
        remote: Remote,
        /// Deliberately lift a halt, a latched drawdown or an accepted position difference too.
        #[arg(long)]
        clear_halt: bool,
    },
    /// Cancel everything and stay halted.
    #[command(after_help = "Example: trader halt")]
    Halt(Remote),
    /// Cancel everything, close the position with reduce-only orders, stay halted.
    #[command(after_help = "Example: trader flatten")]
    Flatten(Remote),
    /// Read the configuration file again and apply what may change while running.
    #[command(after_help = "Example: trader reload")]
    Reload(Remote),
    /// Compare our records with the venue's, while no trader runs; exit code 1 when they differ.
    #[command(after_help = "Example: trader reconcile --config configs/simulated.yaml")]
    Reconcile {
        /// The configuration of the trader whose records they are.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Cancel orders of ours that are open, and take over what the venue says.
        #[arg(long)]
        repair: bool,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the store as files for other programs: orders, fills, PnL and all else, one file per table.
    #[command(after_help = "Example: trader export --format parquet --out exported
         trader export --format csv --out exported --config configs/config.yaml
Also while a trader runs. Without --config and --store: data/store.sqlite.")]
    Export(Export),
    /// The circuit breaker.
    #[command(after_help = "Example: trader breaker reset")]
    Breaker {
        /// What to do with it.
        #[command(subcommand)]
        action: BreakerAction,
    },
}

/// What can be done with data.
#[derive(Debug, Subcommand)]
pub(crate) enum DataAction {
    /// Print what we understand of captured messages, one JSON document a line.
    #[command(after_help = "Example: trader data decode messages.jsonl")]
    Decode {
        /// The messages, one a line; `-` or nothing for standard input.
        file: Option<PathBuf>,
    },
}

/// Options of the simulated exchange.
#[derive(Args, Debug)]
pub(crate) struct Exchange {
    /// Where it listens.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// API key of its one account.
    #[arg(long, value_name = "K", default_value = "key")]
    pub(crate) api_key: String,
    /// Secret that signs the account's requests.
    #[arg(long, value_name = "S", conflicts_with = "api_secret_file")]
    pub(crate) api_secret: Option<String>,
    /// File with that secret, to keep it off the command line.
    #[arg(long, value_name = "FILE")]
    pub(crate) api_secret_file: Option<PathBuf>,
    /// First wallet balance in the quote currency.
    #[arg(long, value_name = "USDC", default_value = "10000")]
    pub(crate) balance: market::Decimal,
    /// What is traded.
    #[arg(long, value_name = "SYMBOL", default_value = "ETHUSDC")]
    pub(crate) symbol: String,
    /// Seed of the crowd; the same seed gives the same market.
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) seed: u64,
    /// Recorded market data in place of the crowd.
    #[arg(long, value_name = "DATA")]
    pub(crate) replay: Vec<PathBuf>,
    /// Folder in which accounts outlive the process, however it ends.
    ///
    /// Orders, trades, positions, balances, income, settings, listen keys and armed countdowns are
    /// written there before they are told to anybody; the next start with the same folder goes on
    /// with them. A countdown that has run down in between cancels at once. The market begins anew at
    /// the last price, resting orders in it at the tail of their queues; --balance, --leverage and
    /// the like count for accounts that are not in the folder yet. Request counters, bans and faults
    /// are not kept, and of each account no more than the last 100,000 orders and trades.
    #[arg(long, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// The key may withdraw, which a careful client refuses to run with.
    #[arg(long)]
    pub(crate) withdraw_enabled: bool,
    /// The account is in hedge mode.
    #[arg(long)]
    pub(crate) hedge: bool,
    /// First leverage of the account.
    #[arg(long, value_name = "N", default_value = "20")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=125))]
    pub(crate) leverage: u32,
    /// The account's margin is isolated.
    #[arg(long, conflicts_with = "multi_assets")]
    pub(crate) isolated: bool,
    /// The account is in multi-assets mode.
    #[arg(long)]
    pub(crate) multi_assets: bool,
    /// The exchange's clock is ahead by this much, or behind, e.g. `5s` or `-300ms`.
    #[arg(long, value_name = "T", value_parser = skew, allow_hyphen_values = true)]
    pub(crate) clock_skew: Option<i64>,
    /// What goes wrong, as JSON; docs/FAULTS.md has every name.
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// Where faults can be changed while it runs, and things done to the exchange.
    #[arg(long, value_name = "ADDR")]
    pub(crate) control: Option<SocketAddr>,
    /// Certificate chain, PEM; serves TLS together with --tls-key.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// Options of the swarm test.
#[derive(Args, Clone, Debug)]
pub(crate) struct Simulate {
    /// Seeds from A up to, not including, B.
    #[arg(long, value_name = "A..B", default_value = "0..20", value_parser = seeds)]
    pub(crate) seeds: Range<u64>,
    /// Simulated hours for each seed.
    #[arg(long, value_name = "H", default_value = "1", value_parser = hours)]
    pub(crate) hours: f64,
    /// What goes wrong, and how often.
    #[arg(long, value_name = "PROFILE", default_value = "default", value_parser = profiles())]
    pub(crate) faults: String,
    /// Break this behaviour of the trader on purpose, in a program that was built with `--features
    /// mutants`: the run must fail.
    #[arg(long, value_name = "NAME")]
    pub(crate) mutant: Option<String>,
    /// List what can be broken on purpose, and do nothing else.
    #[arg(long)]
    pub(crate) mutants: bool,
    /// Seeds run at the same time, each on one thread; by default as many as there are cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of an export.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// What files: csv or parquet.
    #[arg(long, value_name = "csv|parquet", value_parser = crate::export::format)]
    pub(crate) format: runtime::store::Format,
    /// Folder for the files; those of an earlier export are replaced.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// The configuration of the trader whose store it is.
    #[arg(long, value_name = "FILE", conflicts_with = "store")]
    pub(crate) config: Option<PathBuf>,
    /// A file of SQLite, or the address of a PostgreSQL database (others on this machine can read a
    /// password on the command line; --config hides it).
    #[arg(long, value_name = "PATH|URL")]
    pub(crate) store: Option<String>,
    /// Print the result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done with the breaker.
#[derive(Debug, Subcommand)]
pub(crate) enum BreakerAction {
    /// Close it now.
    #[command(after_help = "Example: trader breaker reset")]
    Reset(Remote),
}

/// Where the running trader is.
#[derive(Args, Debug)]
pub(crate) struct Remote {
    /// Address of its API.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9100")]
    pub(crate) api: SocketAddr,
    /// File that holds the API token; by default the environment's TRADER_TOKEN, else
    /// `data/api.token`.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print the raw answer.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The hand-over document spells long options with one dash, and `-check` as an option.
pub(crate) fn arguments() -> Vec<String> {
    let mut arguments: Vec<String> = std::env::args().collect();
    let check = arguments.iter().position(|argument| argument == "-check");
    if let Some(index) = check {
        arguments.remove(index);
        arguments.insert(1, String::from("check"));
    }
    for argument in &mut arguments {
        if argument == "-config" || argument.starts_with("-config=") {
            argument.insert(0, '-');
        }
    }
    arguments
}

fn pace(text: &str) -> Result<Pace, String> {
    match text {
        "max" => Ok(Pace::Max),
        number => match number.parse::<f64>() {
            Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(Pace::Times(speed)),
            _ => Err(String::from("a number from 0.01 to 1000, or max")),
        },
    }
}

fn span(text: &str) -> Result<Duration, String> {
    let wanted = || String::from("a number and a unit: 250ms, 90s, 10m, 1h or 1d");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wanted)?;
    let number: u64 = text[..split].parse().map_err(|_| wanted())?;
    let millis = match &text[split..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wanted()),
    };
    match number.checked_mul(millis) {
        Some(millis @ 1..=3_153_600_000_000) => Ok(Duration::from_millis(millis)),
        _ => Err(String::from("between 1ms and 100 years")),
    }
}

/// Milliseconds, ahead or behind.
fn skew(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    match i64::try_from(span(rest)?.as_millis()) {
        Ok(millis @ 0..=86_400_000) => Ok(sign * millis),
        _ => Err(String::from("at most 1d")),
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let wanted = || String::from("two numbers, the first below the second: 0..200");
    let (from, to) = text.split_once("..").ok_or_else(wanted)?;
    match (from.parse(), to.parse()) {
        (Ok(from), Ok(to)) if from < to => Ok(from..to),
        _ => Err(wanted()),
    }
}

fn hours(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(hours) if (0.05..=1_000.0).contains(&hours) => Ok(hours),
        _ => Err(String::from("a number from 0.05 to 1000")),
    }
}

/// Names of fault profiles, each with what it is for.
fn profiles() -> PossibleValuesParser {
    let profiles = Profile::ALL.into_iter();
    PossibleValuesParser::new(profiles.map(|p| PossibleValue::new(p.name).help(p.about)))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(String::from("KEY=VALUE, e.g. strategy.base_spread=0.0002")),
    }
}

fn instant(text: &str) -> Result<market::Nanos, String> {
    if let Ok(millis) = text.parse::<u64>() {
        return Ok(market::Nanos::from_millis(millis));
    }
    let wanted = || String::from("like 2026-11-22T20:36:00Z, or milliseconds since 1970");
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let numbers = |text: &str, separator: char| {
        text.split(separator).map(|part| part.parse::<f64>().ok()).collect::<Option<Vec<f64>>>()
    };
    let (date, time) = (numbers(date, '-'), numbers(time, ':'));
    match (date.as_deref(), time.as_deref()) {
        (Some([year, month, day]), Some([hour, minute, second])) => {
            let days = market::time::days_from_civil(*year as i64, *month as u32, *day as u32);
            let days = days.ok_or_else(wanted)?;
            let seconds = hour * 3_600.0 + minute * 60.0 + second;
            if !(0.0..86_400.0).contains(&seconds) {
                return Err(wanted());
            }
            Ok(market::Nanos(days * 86_400_000_000_000 + (seconds * 1e9) as u64))
        }
        _ => Err(wanted()),
    }
}
