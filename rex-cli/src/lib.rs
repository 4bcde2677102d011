#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
// This is the program: it may use files, the environment and the terminal.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the command reads what its user names")]

mod args;
mod ask;
mod audit;
mod check;
mod config;
mod defaults;
mod diff;
mod draw;
mod examples;
mod exit;
mod explain;
mod failure;
mod fmt;
mod habits;
#[cfg(all(feature = "host", target_os = "linux"))]
mod host;
mod init;
mod learn;
mod listing;
mod load;
mod operation;
mod patience;
mod prove;
mod reach;
mod recorded;
mod replace;
mod replay;
mod risks;
mod rotation;
mod sarif;
#[cfg(feature = "prove")]
mod solver;
mod test;
#[cfg(any(test, not(all(feature = "host", target_os = "linux"))))]
mod unsupported;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use rex_core::Authorize;
use rex_policy::Policy;

use crate::args::{CliArgs, Color, Command, PolicyCommand, SchemaFormat};
use crate::exit::{Exit, Stop};
#[cfg(feature = "prove")]
pub use crate::solver::Cvc5;
#[cfg(not(all(feature = "host", target_os = "linux")))]
use crate::unsupported as host;

/// Runs the whole command: reads the arguments, acts on them, prints, and returns the exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    main_with(args, |policy| Arc::new(policy))
}

/// A function that turns a compiled policy into the authorizer of a run.
#[doc(hidden)]
pub type Decide = fn(Policy) -> Arc<dyn Authorize>;

/// Runs the command with another authorizer; the confinement is still compiled from the policy. By this, tests find out what the kernel
/// enforces on its own.
#[doc(hidden)]
pub fn main_with(args: impl IntoIterator<Item = OsString>, decide: Decide) -> ExitCode {
    let exit = match CliArgs::try_parse_from(habits::respelled(args)) {
        Ok(args) => dispatch(args, decide),
        Err(error) => {
            // clap prints help to standard output and errors to standard error. A closed pipe is not an error.
            drop(error.print());
            habits::hint(&error).into_iter().for_each(|hint| complain(&format!("\n  help: {hint}")));
            if error.use_stderr() { Exit::Usage } else { Exit::Success }
        }
    };
    exit.into()
}

fn dispatch(args: CliArgs, decide: Decide) -> Exit {
    let CliArgs { color, no_config, mut command } = args;
    let filled = defaults::fill(&mut command, no_config);
    let result = filled.and_then(|()| perform(command, color, decide));
    result.unwrap_or_else(|stop| {
        draw::message(color, &stop.message, stop.help.as_deref());
        stop.exit
    })
}

fn perform(command: Command, color: Color, decide: Decide) -> Result<Exit, Stop> {
    match command {
        Command::Run(args) => host::run(&args, color, decide),
        Command::Plan(args) => host::plan(&args, color, decide),
        Command::Explain(args) => explain::explain(&args),
        Command::Doctor(args) => host::doctor(&args),
        Command::Policy(PolicyCommand::Check(args)) | Command::Check(args) => check::check(&args, color),
        Command::Policy(PolicyCommand::Ask(args)) | Command::Ask(args) => ask::ask(&args, color),
        Command::Policy(PolicyCommand::Fmt(args)) | Command::Fmt(args) => fmt::fmt(&args, color),
        Command::Policy(PolicyCommand::Learn(args)) => learn::learn(&args, color),
        Command::Policy(PolicyCommand::Test(args)) | Command::Test(args) => test::test(&args, color),
        Command::Policy(PolicyCommand::Risks(args)) => risks::risks(&args, color),
        Command::Policy(PolicyCommand::Diff(args)) => diff::diff(&args, color),
        Command::Policy(PolicyCommand::Prove(args)) => prove::prove(&args, color),
        Command::Policy(PolicyCommand::Reach(args)) => reach::reach(&args, color),
        Command::Audit(command) => audit::audit(&command, color),
        Command::Replay(args) => replay::replay(&args, color),
        Command::Ops(args) => listing::ops(&args),
        Command::Lang => print(include_str!("../../docs/language.md")).map(|()| Exit::Success),
        Command::Config(command) => config::config(&command),
        Command::Init(args) => init::init(&args),
        Command::Examples(args) => examples::examples(&args),
        Command::Schema { format } => {
            let vocabulary = rex_policy::Vocabulary::rex();
            let text = match format {
                SchemaFormat::Cedar => vocabulary.schema_cedar(),
                SchemaFormat::Json => vocabulary.schema_json(),
            };
            print(&text).map(|()| Exit::Success)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut CliArgs::command(), "rex", &mut script);
            print(&String::from_utf8_lossy(&script)).map(|()| Exit::Success)
        }
        Command::Man { command } => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(manual(&command)?).render(&mut page);
            rendered
                .map_err(|error| Stop::internal(error.to_string()))
                .and_then(|()| print(&String::from_utf8_lossy(&page)))
                .map(|()| Exit::Success)
        }
    }
}

/// Returns the command whose manual page is asked for.
fn manual(names: &[String]) -> Result<clap::Command, Stop> {
    let mut command = CliArgs::command();
    command.build();
    for name in names.iter().flat_map(|name| name.split('-')) {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| {
            let names = command.get_subcommands().filter(|known| !known.is_hide_set()).map(clap::Command::get_name);
            Stop::usage(format!("`{}` has no command `{name}`", command.get_name().replace('-', " ")))
                .with_help(format!("expected one of: {}", names.collect::<Vec<_>>().join(", ")))
        })?;
    }
    Ok(command)
}

/// Prints to standard output. A reader that has gone away is not an error.
fn print(text: &str) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Stop::internal(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints to standard error.
fn complain(text: &str) {
    let mut err = std::io::stderr().lock();
    drop(writeln!(err, "{}", text.trim_end()));
}
