//! `cargo xtask fuzz`: runs the targets of `fuzz/` with nightly and cargo-fuzz.

use std::process;

use crate::{Stop, read, root, shell};

/// Seconds that a smoke run spends on each target.
pub(crate) const SMOKE_SECONDS: u32 = 5;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Build every target and run each for a short time; says so and does nothing without nightly or cargo-fuzz
    Smoke {
        /// Seconds for each target
        #[arg(long, default_value_t = SMOKE_SECONDS)]
        seconds: u32,
    },
    /// Run one target until it finds something
    Run {
        /// The target
        target: String,
        /// What to hand to libFuzzer, `-max_total_time=600` for instance
        #[arg(last = true)]
        options: Vec<String>,
    },
}

pub(crate) fn run(command: &Command) -> Result<(), Stop> {
    let targets = targets(&read("fuzz/Cargo.toml")?);
    match command {
        Command::Smoke { seconds } => {
            if let Some(missing) = missing() {
                println!("left out: the fuzz targets {}: {missing}", targets.join(", "));
                return Ok(());
            }
            let time = format!("-max_total_time={seconds}");
            // libFuzzer replays the committed corpus first, then makes up inputs until the time is over.
            targets.iter().try_for_each(|target| fuzz(target, &[&time, "-rss_limit_mb=2048", "-timeout=20"]))?;
            println!("fuzzed for {seconds} s each: {}", targets.join(", "));
            Ok(())
        }
        Command::Run { target, options } => {
            if !targets.contains(target) {
                return Err(Stop::new(format!("there is no target `{target}`; there are {}", targets.join(", "))));
            }
            if let Some(missing) = missing() {
                return Err(Stop::new(missing));
            }
            fuzz(target, &options.iter().map(String::as_str).collect::<Vec<_>>())
        }
    }
}

/// Returns the requirement that is missing, if any.
fn missing() -> Option<&'static str> {
    if !shell::works(&mut shell::cargo(&["+nightly", "--version"])) {
        Some("the nightly toolchain is not installed (`rustup toolchain install nightly`)")
    } else if !shell::works(&mut shell::cargo(&["+nightly", "fuzz", "--version"])) {
        Some("cargo-fuzz is not installed (`cargo install cargo-fuzz --locked`)")
    } else {
        None
    }
}

/// Runs a target over its committed corpus. New inputs go to a scratch folder, so that a run leaves the tree as it was.
fn fuzz(target: &str, options: &[&str]) -> Result<(), Stop> {
    let scratch = root().join("fuzz/target/corpus").join(target);
    std::fs::create_dir_all(&scratch).map_err(|error| Stop::new(format!("no folder for the corpus: {error}")))?;
    let mut command: process::Command = shell::cargo(&["+nightly", "fuzz", "run", target]);
    command.arg(scratch);
    let seeds = root().join("fuzz/corpus").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    shell::run(command.arg("--").args(options))
}

/// Returns the names of the targets: each `[[bin]]` of the manifest.
fn targets(manifest: &str) -> Vec<String> {
    let names = manifest.split("[[bin]]").skip(1).filter_map(|bin| {
        let line = bin.lines().find(|line| line.trim_start().starts_with("name"))?;
        line.split('"').nth(1).map(str::to_owned)
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn targets_are_read_from_the_manifest() {
        let manifest =
            "[package]\nname = \"fuzz\"\n[[bin]]\nname = \"paths\"\npath = \"x\"\n\n[[bin]]\nname = \"ops\"\n";
        assert_eq!(super::targets(manifest), ["paths", "ops"]);
    }
}
