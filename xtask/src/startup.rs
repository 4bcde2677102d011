//! `cargo xtask startup`: the list of functions that each start of `rex` calls, for `rex-cli/build.rs`.
//!
//! Valgrind finds the calls. Without the list, the `dist` binary takes about twice the memory; an outdated list is no error, and costs
//! only a part of that.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Stop, root, shell};

const LIST: &str = "rex-cli/startup.ld";
/// Starts of all kinds: with a decision and without, of policies that Cedar's validator checks and others. Valgrind does not support
/// Landlock, so that it sees little of a worker.
const RUNS: &[(&str, &str, &str)] = &[
    ("1", "permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv\");", "off"),
    ("1", "permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv\");", "available"),
    (
        "fs::read(\"/proc/version\").trim()",
        "permit (principal, action == fs::Action::\"read\", resource) when { resource.path like \"/proc/*\" };",
        "off",
    ),
];
/// Functions that a worker calls to confine itself, and to talk with its supervisor.
const OF_WORKERS: &[&str] = &[
    "_ZN7rex_cli4host4link*",
    "_ZN7rex_cli4host4wire*",
    "_ZN7rex_cli4host9supervise*",
    "_ZN7rex_sdk4host7confine*",
    "_ZN8landlock*",
];

#[derive(Debug, clap::Args)]
pub(crate) struct StartupArgs {
    /// A `dist` binary with its symbols; one is built if none is named
    #[arg(long)]
    program: Option<PathBuf>,
}

pub(crate) fn run(args: &StartupArgs) -> Result<(), Stop> {
    if !shell::installed("valgrind") {
        return Err(Stop::new("valgrind is not installed"));
    }
    let program = args.program.clone().map_or_else(build, Ok)?;
    let folder = std::env::temp_dir().join(format!("rex-startup-{}", std::process::id()));
    let failed = |error: std::io::Error| Stop::new(format!("`{}`: {error}", folder.display()));
    fs::create_dir(&folder).map_err(failed)?;
    let mut called = Vec::new();
    // The functions of the first run are closest together.
    let traced = RUNS.iter().try_for_each(|run| {
        for function in trace(&program, &folder, run)? {
            if !called.contains(&function) {
                called.push(function);
            }
        }
        Ok(())
    });
    fs::remove_dir_all(&folder).map_err(failed)?;
    traced?;
    if called.is_empty() {
        return Err(Stop::new(format!("`{}` calls nothing that has a name", program.display())));
    }
    fs::write(root().join(LIST), list(&called)).map_err(|error| Stop::new(format!("`{LIST}`: {error}")))?;
    println!("{LIST}: {} functions", called.len());
    Ok(())
}

fn build() -> Result<PathBuf, Stop> {
    shell::run(&mut shell::cargo(&[
        "rustc",
        "--profile=dist",
        "-p",
        "rex-cli",
        "--bin",
        "rex",
        "--locked",
        "--",
        "-Cstrip=none",
    ]))?;
    // This program is in `debug`, next to `dist`.
    let this = std::env::current_exe().map_err(|error| Stop::new(format!("where are the programs? {error}")))?;
    Ok(this.ancestors().nth(2).unwrap_or(Path::new(".")).join("dist/rex"))
}

/// Returns the functions that a run calls.
fn trace(
    program: &Path,
    folder: &Path,
    (script, policy, confine): &(&str, &str, &str),
) -> Result<BTreeSet<String>, Stop> {
    let file = folder.join("policy.cedar");
    fs::write(&file, policy).map_err(|error| Stop::new(format!("`{}`: {error}", file.display())))?;
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind", "--demangle=no"]);
    command.arg(format!("--callgrind-out-file={}/%p.called", folder.display()));
    command.arg(program).args(["run", "-e", script, &format!("--confine={confine}"), "--policy"]).arg(&file);
    // Valgrind lacks some system calls, without which a run fails, or a worker.
    shell::works(&mut command);
    let mut called = BTreeSet::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "called") {
            called.extend(functions(&fs::read_to_string(&path).unwrap_or_default()));
        }
    }
    Ok(called)
}

/// Returns the functions of Rust in a profile of Callgrind, without the numbers by which their instances differ.
fn functions(profile: &str) -> BTreeSet<String> {
    let named = profile.lines().filter_map(|line| {
        let (_, name) = line.strip_prefix("fn=(").or_else(|| line.strip_prefix("cfn=("))?.split_once(") ")?;
        Some(name.split('\'').next().unwrap_or(name))
    });
    named.filter_map(pattern).collect()
}

/// Returns a name as a pattern, without the numbers of the versions of the compiler and of the crate:
/// `_ZN4rhai6engine6Engine7new_raw17h*`, `_RNvNtCs*_3std2io6stdout`.
fn pattern(name: &str) -> Option<String> {
    if let Some((path, _)) = name.strip_prefix("_ZN").and_then(|rest| rest.rsplit_once("17h")) {
        return Some(format!("_ZN{path}17h*"));
    }
    let mut parts = name.strip_prefix("_R")?.split("Cs");
    let mut pattern = format!("_R{}", parts.next().unwrap_or_default());
    for part in parts {
        let numbered = part.split_once('_').filter(|(number, rest)| {
            number.chars().all(|char| char.is_ascii_alphanumeric())
                && rest.starts_with(|char: char| char.is_ascii_digit())
        });
        match numbered {
            Some((_, rest)) => pattern.extend(["Cs*_", rest]),
            None => pattern.extend(["Cs", part]),
        }
    }
    Some(pattern)
}

/// Returns the list as a linker script.
fn list(called: &[String]) -> String {
    let mut text = String::from(
        "/* What each start of `rex` calls; `cargo xtask startup` writes it. */\nSECTIONS {\n  .text.start : {\n",
    );
    for pattern in OF_WORKERS.iter().copied().chain(called.iter().map(String::as_str)) {
        // INVARIANT: writing to a string does not fail.
        let _ = writeln!(text, "    *(.text.{pattern} .text.unlikely.{pattern})");
    }
    text.push_str("  }\n} INSERT BEFORE .text;\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_patterns_and_those_of_c_are_left_out() {
        let profile = "ob=(1) /tmp/rex\nfn=(3) _ZN4rhai6engine6Engine7new_raw17h0123456789abcdefE\n+3 4\n\
                       cfn=(4) _ZN4core3ptr4drop17hfedcba9876543210E.llvm.7'2\ncfn=(3)\nfn=(5) malloc\nfn=(6) _RNvNtCs1a2B_3std2io6stdout\n";
        let found = functions(profile);
        let found = Vec::from_iter(found);
        let patterns = ["_RNvNtCs*_3std2io6stdout", "_ZN4core3ptr4drop17h*", "_ZN4rhai6engine6Engine7new_raw17h*"];
        assert_eq!(found, patterns);
        let text = list(&found);
        assert!(
            text.contains("\n    *(.text._ZN4core3ptr4drop17h* .text.unlikely._ZN4core3ptr4drop17h*)\n")
                && text.ends_with("} INSERT BEFORE .text;\n")
        );
    }
}
