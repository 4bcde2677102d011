//! `cargo xtask policy`: what a service owner's continuous integration calls.
//!
//! It is `rex policy check` and `rex policy test`, built when needed, so that there is one validator and one way to draw what it finds.

use std::path::{Path, PathBuf};
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
    let rex = shell::build()?.join("rex");
    let entities = |command: &mut Command| {
        if let Some(entities) = &args.entities {
            command.arg("--entities").arg(entities);
        }
    };
    let mut check = Command::new(&rex);
    check.args(["policy", "check"]).args(&args.paths);
    entities(&mut check);
    ended("rex policy check", &mut check)?;
    for folder in args.paths.iter().filter(|path| has_tests(path)) {
        let mut test = Command::new(&rex);
        test.args(["policy", "test"]).arg(folder);
        entities(&mut test);
        ended("rex policy test", &mut test)?;
    }
    Ok(())
}

/// Whether there are cases in a folder, which `rex policy test` runs.
fn has_tests(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => has_tests(&entry.path()),
        _ => entry.file_name().as_encoded_bytes().ends_with(b".test.yaml"),
    })
}

fn ended(name: &str, command: &mut Command) -> Result<(), Stop> {
    let status = command.status().map_err(|error| Stop::new(format!("`{name}` cannot be run: {error}")))?;
    let exit = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    // What it found is told already.
    if exit == 0 { Ok(()) } else { Err(Stop { message: String::new(), exit }) }
}
