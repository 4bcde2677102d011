//! `cargo xtask policy`: what a service owner's continuous integration calls.
//!
//! It is `rex check`, built when needed, so that there is one validator and one way to draw what it finds.

use std::path::PathBuf;
use std::process::Command;

use crate::{Stop, shell};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Policies: `*.cedar` files, or folders that are searched for them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Cedar entities as JSON: groups of principals, classes of resources
    #[arg(long, value_name = "FILE")]
    entities: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<(), Stop> {
    let mut command = Command::new(shell::build()?.join("rex"));
    command.arg("check");
    for path in &args.paths {
        command.arg("--policy").arg(path);
    }
    if let Some(entities) = &args.entities {
        command.arg("--entities").arg(entities);
    }
    let status = command.status().map_err(|error| Stop::new(format!("`rex check` cannot be run: {error}")))?;
    let exit = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    // What it found is drawn already.
    if exit == 0 { Ok(()) } else { Err(Stop { message: String::new(), exit }) }
}
