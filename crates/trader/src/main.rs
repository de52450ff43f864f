//! The binary: parse, load, build, run.

mod build;
mod check;
mod cli;
mod data;
mod exchange;
mod export;
mod folder;
mod link;
mod live;
mod output;
mod reconcile;
mod remote;
mod replay;
mod server;
mod session;
mod signals;
mod simulate;
mod state;
mod status;
mod store;
mod summary;
mod tally;
mod what_if;

use std::process::ExitCode;
use std::thread::JoinHandle;

use clap::Parser;

use cli::{BreakerAction, Cli, Command, DataAction};

/// The error with its causes, each said once: many errors name their cause themselves.
fn explain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| {
        if text.is_empty() {
            cause
        } else if text.contains(&cause) {
            text
        } else {
            format!("{text}: {cause}")
        }
    })
}

#[expect(clippy::disallowed_methods, reason = "trading and signals have threads of their own")]
fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    std::thread::spawn(work)
}

/// All went well.
const FINE: u8 = 0;
/// The check or run failed.
const FAILED: u8 = 1;
/// Usage or configuration.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse_from(cli::arguments());
    let result = match cli.command {
        None => session::demo(&cli.demo),
        Some(Command::Run { config, arm_live }) => session::run(&config, arm_live),
        Some(Command::Reconcile { config, repair, json }) => {
            reconcile::reconcile(&config, repair, json)
        }
        Some(Command::Check { config, schema, json }) => {
            check::check(config.as_deref(), schema, json)
        }
        Some(Command::Replay { journal, verify, until, what_if, json }) => match &what_if[..] {
            [] => replay::replay(&journal, verify, until, json),
            set => what_if::ask(&journal, set, until, json),
        },
        Some(Command::Exchange(options)) => exchange::exchange(&options),
        Some(Command::Export(options)) => export::export(&options),
        Some(Command::Simulate(options)) => simulate::simulate(&options),
        Some(Command::Data { action: DataAction::Decode { file } }) => {
            data::decode(file.as_deref())
        }
        Some(Command::Status(at)) => remote::show(&at),
        Some(Command::Pause(at)) => remote::control(&at, "pause", &serde_json::json!({})),
        Some(Command::Resume { remote, clear_halt }) => remote::resume(&remote, clear_halt),
        Some(Command::Halt(at)) => remote::control(&at, "halt", &serde_json::json!({})),
        Some(Command::Flatten(at)) => remote::control(&at, "flatten", &serde_json::json!({})),
        Some(Command::Reload(at)) => remote::control(&at, "reload", &serde_json::json!({})),
        Some(Command::Breaker { action: BreakerAction::Reset(at) }) => {
            remote::control(&at, "breaker/reset", &serde_json::json!({}))
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::complain(format_args!("error: {}", explain(&error)));
            let usage = error.is::<ops::config::Faults>() || error.is::<session::Refused>();
            ExitCode::from(if usage { USAGE } else { FAILED })
        }
    }
}
