//! `cargo xtask ci`: the steps of continuous integration.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::{Stop, codegen, fuzz, kernels, root, shell, test, tidy};

/// The word for a step that did not succeed.
const FAILED: &str = "FAILED";

/// A step, in the order in which they are run: those that take longest are last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Step {
    /// `cargo xtask test`
    Test,
    /// `cargo fmt --check`
    Fmt,
    /// `cargo clippy` on everything, and on the command without its host, with warnings as errors
    Clippy,
    /// `cargo doc`, with warnings as errors
    Doc,
    /// `cargo xtask codegen --check`
    Codegen,
    /// `cargo xtask tidy`
    Tidy,
    /// `cargo deny check bans licenses sources`, where cargo-deny is installed
    Deny,
    /// `cargo clippy` for macOS, where that target, cargo-zigbuild and Zig are installed
    Macos,
    /// `cargo xtask kernels` on Debian 12's kernel alone, with the programs that the tests use; where QEMU and that kernel are there
    Kernels,
    /// `cargo xtask fuzz smoke`, where nightly and cargo-fuzz are installed
    Fuzz,
}

impl Step {
    fn run(self) -> Result<(), Stop> {
        match self {
            Self::Test => test::run(),
            Self::Fmt => shell::run(&mut shell::cargo(&["fmt", "--all", "--check"])),
            Self::Clippy => {
                let with_host = ["--workspace", "--all-targets"];
                // What systems other than Linux get.
                let without = ["--package", "rex-cli", "--all-targets", "--no-default-features"];
                [&with_host[..], &without].iter().try_for_each(|what| {
                    let args = [&["clippy", "--locked"], *what, &["--", "-D", "warnings"]];
                    shell::run(&mut shell::cargo(&args.concat()))
                })
            }
            Self::Macos => macos(),
            Self::Doc => {
                // With the examples, Cargo chooses the same features of dependencies as for clippy, and builds none again.
                let args = ["doc", "--workspace", "--no-deps", "--lib", "--bins", "--examples", "--locked"];
                shell::run(shell::cargo(&args).env("RUSTDOCFLAGS", "-D warnings"))
            }
            Self::Codegen => codegen::run(true),
            Self::Tidy => tidy::run(),
            Self::Deny => deny(),
            Self::Kernels => kernels::run(true),
            Self::Fuzz => fuzz::run(&fuzz::Command::Smoke { seconds: fuzz::SMOKE_SECONDS }),
        }
    }

    /// Returns whether the step builds everything once more, for something other than this machine.
    fn is_long(self) -> bool {
        matches!(self, Self::Macos | Self::Kernels | Self::Fuzz)
    }
}

/// Runs all steps, even if one fails, and prints how each ended. After the deadline, no long step is begun.
pub(crate) fn run(steps: &[Step], minutes: Option<u32>) -> Result<(), Stop> {
    let steps = if steps.is_empty() { <Step as clap::ValueEnum>::value_variants() } else { steps };
    let deadline = minutes.map(|minutes| Instant::now() + Duration::from_secs(60) * minutes);
    let mut ended = Vec::new();
    for &step in steps {
        println!("\n==> {}", name(step));
        let start = Instant::now();
        if step.is_long() && deadline.is_some_and(|deadline| start >= deadline) {
            println!("left out: the time that `--minutes` allows is over; `cargo xtask ci {}` runs it", name(step));
            ended.push((step, Duration::ZERO, "left out"));
            continue;
        }
        let result = step.run();
        if let Err(stop) = &result {
            eprintln!("error: {}", stop.message);
        }
        ended.push((step, start.elapsed(), if result.is_ok() { "ok" } else { FAILED }));
    }
    println!("\n==> summary");
    for (step, time, end) in &ended {
        println!("{:<8} {:>5} s  {end}", name(*step), time.as_secs());
    }
    println!("{:<8} {:>5} s", "all", ended.iter().map(|(_, time, _)| *time).sum::<Duration>().as_secs());
    match ended.iter().filter(|(.., end)| *end == FAILED).count() {
        0 => Ok(()),
        failed => Err(Stop::new(format!("{failed} of {} steps failed", ended.len()))),
    }
}

fn name(step: Step) -> String {
    clap::ValueEnum::to_possible_value(&step).map_or(String::new(), |value| value.get_name().to_owned())
}

/// Checks all that `cargo build` and `cargo test` build for macOS; the benches measure Linux. Zig compiles the C code of dependencies.
fn macos() -> Result<(), Stop> {
    const TARGET: &str = "aarch64-apple-darwin";
    let targets = shell::output(Command::new("rustup").args(["target", "list", "--installed"])).unwrap_or_default();
    let missing = if !targets.lines().any(|target| target == TARGET) {
        "its standard library is not installed (`rustup target add aarch64-apple-darwin`)"
    } else if !shell::installed("cargo-zigbuild") {
        "cargo-zigbuild is not installed (`pip install cargo-zigbuild ziglang`)"
    } else {
        let what =
            ["clippy", "--workspace", "--lib", "--bins", "--tests", "--examples", "--locked", "--target", TARGET];
        let command = &mut Command::new("cargo-zigbuild");
        command.current_dir(root()).args(what).args(["--", "-D", "warnings"]);
        return shell::run(command);
    };
    println!("left out: the build for macOS: {missing}");
    Ok(())
}

fn deny() -> Result<(), Stop> {
    if !shell::works(&mut shell::cargo(&["deny", "--version"])) {
        println!("left out: licences and sources of dependencies: cargo-deny is not installed");
        return Ok(());
    }
    shell::run(&mut shell::cargo(&["deny", "--locked", "check", "bans", "licenses", "sources"]))
}
