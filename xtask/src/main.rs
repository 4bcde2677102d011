//! The chores of the workspace. `cargo xtask help` lists them.
#![forbid(unsafe_code)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for developers: it reads the tree, starts cargo, and talks to whoever called it"
)]

mod ci;
mod codegen;
mod fuzz;
mod kernels;
mod mutants;
mod policy;
mod shell;
mod startup;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of the Rex workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct XtaskArgs {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Write the files that are derived from the tables of actions and operations
    Codegen {
        /// Write nothing; fail where a file differs
        #[arg(long)]
        check: bool,
    },
    /// Validate policies against the schema; exit code 3 if one is rejected
    Policy(policy::PolicyArgs),
    /// Check what the compiler does not: dependency edges, file sizes, unlisted operations, threat rows without tests
    Tidy,
    /// Fuzz: all targets for a short time, or one for as long as you like
    Fuzz {
        #[command(subcommand)]
        command: fuzz::Command,
    },
    /// Try to escape: the corpus, the oracle of system calls, kills at random moments, kernels that lack parts
    Escapes {
        /// Hold 2,000 random runs against their policies instead of 100
        #[arg(long)]
        long: bool,
    },
    /// Run `doctor`, the README's example and the corpus of escapes on this kernel, and on Debian 12's in QEMU
    Kernels,
    /// Measure: `compare` holds operations against the usual tools, and prints a table
    Bench {
        /// The name of the bench; see `benches/README.md`
        name: String,
    },
    /// Write which functions each start of `rex` calls, for the linker; needs Valgrind
    Startup(startup::StartupArgs),
    /// Change the code in one place after the other, and see whether a test fails; needs cargo-mutants, and takes hours without FILES
    Mutants(mutants::MutantsArgs),
    /// Run every test: units, integration, documentation, examples
    Test,
    /// Run what continuous integration runs, or only the named steps
    Ci {
        /// The steps; all of them if none is named
        #[arg(value_enum)]
        steps: Vec<ci::Step>,
        /// Begin none of the steps macos, kernels and fuzz after this many minutes; they are printed as left out
        #[arg(long)]
        minutes: Option<u32>,
    },
}

/// The reason that a chore failed.
#[derive(Debug)]
struct Stop {
    message: String,
    exit: u8,
}

impl Stop {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), exit: 1 }
    }
}

fn main() -> ExitCode {
    let result = match XtaskArgs::parse().chore {
        Chore::Codegen { check } => codegen::run(check),
        Chore::Policy(args) => policy::run(&args),
        Chore::Tidy => tidy::run(),
        Chore::Fuzz { command } => fuzz::run(&command),
        Chore::Escapes { long } => test::escapes(long),
        Chore::Kernels => kernels::run(false),
        Chore::Bench { name } => shell::run(&mut shell::cargo(&["bench", "-p", "rex-benches", "--bench", &name])),
        Chore::Startup(args) => startup::run(&args),
        Chore::Mutants(args) => mutants::run(&args),
        Chore::Test => test::run(),
        Chore::Ci { steps, minutes } => ci::run(&steps, minutes),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            if !stop.message.is_empty() {
                eprintln!("error: {}", stop.message);
            }
            ExitCode::from(stop.exit)
        }
    }
}

/// Returns the directory of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

/// Reads a file of the workspace, by its name relative to the root.
fn read(name: &str) -> Result<String, Stop> {
    std::fs::read_to_string(root().join(name)).map_err(|error| Stop::new(format!("`{name}` cannot be read: {error}")))
}
