//! `cargo xtask mutants`: changes the code in one place after the other, and checks whether a test of its package fails.

use std::path::Path;

use crate::{Stop, root, shell};

/// The files that permit, hold or verify. `.cargo/mutants.toml` says how they are changed; `docs/mutants.md` lists mutants that survive.
const FILES: &[&str] = &[
    "rex-policy/src/index.rs",
    "rex-policy/src/evaluate.rs",
    "rex-policy/src/cache.rs",
    "rex-policy/src/reach.rs",
    "rex-core/src/grant.rs",
    "rex-core/src/path.rs",
    "rex-core/src/run.rs",
    "rex-core/src/limits.rs",
    "rex-core/src/reach.rs",
    "rex-audit/src/chain.rs",
    "rex-audit/src/verify.rs",
    "rex-engine/src/plan.rs",
    "rex-sdk/src/host/open.rs",
    "rex-sdk/src/host/resolve.rs",
];

/// The outcomes of a mutant, as cargo-mutants names its lists.
const ENDS: [&str; 4] = ["caught", "unviable", "missed", "timeout"];

#[derive(Debug, clap::Args)]
pub(crate) struct MutantsArgs {
    /// The files, relative to the root of the workspace; those of the decision path, the journal and the host if none is named
    files: Vec<String>,
}

pub(crate) fn run(args: &MutantsArgs) -> Result<(), Stop> {
    if !shell::works(&mut shell::cargo(&["mutants", "--version"])) {
        return Err(Stop::new("cargo-mutants is not installed (`cargo install cargo-mutants --locked`)"));
    }
    let all: Vec<_> = FILES.iter().map(|&name| name.to_owned()).collect();
    let files = if args.files.is_empty() { &all } else { &args.files };
    if let Some(missing) = files.iter().find(|name| !root().join(name).is_file()) {
        return Err(Stop::new(format!("there is no file `{missing}`")));
    }
    let out = root().join("target");
    let mut command = shell::cargo(&["mutants", "--output"]);
    command.arg(&out).args(files.iter().flat_map(|name| ["--file", name]));
    // It fails if a mutant survives. The table is there to be compared with `docs/mutants.md`.
    let result = shell::run(command.args(["--", "--locked"]));
    print!("{}", table(files, &ENDS.map(|end| list(&out, end))));
    result
}

fn list(out: &Path, end: &str) -> String {
    std::fs::read_to_string(out.join(format!("mutants.out/{end}.txt"))).unwrap_or_default()
}

/// Returns the rows of `docs/mutants.md`: the number of mutants of each file by outcome. A line of a list starts with `FILE:LINE:`.
fn table(files: &[String], lists: &[String; ENDS.len()]) -> String {
    let mut table = format!("\n| file | mutants | {} |\n|---|---|---|---|---|---|\n", ENDS.join(" | "));
    for name in files {
        let of = |list: &String| list.lines().filter(|line| line.starts_with(&format!("{name}:"))).count();
        let counts = lists.each_ref().map(of);
        let all = counts.iter().sum::<usize>();
        table += &format!("| `{name}` | {all} | {} |\n", counts.map(|count| count.to_string()).join(" | "));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutants_are_counted_by_their_file() {
        let lists = ["a.rs:1:2: x\na.rs:2:2: y\nb/a.rs:1:1: z\n", "", "b/a.rs:3:1: a.rs:\n", ""].map(str::to_owned);
        let files = ["a.rs", "b/a.rs"].map(str::to_owned);
        let table = table(&files, &lists);
        assert!(table.ends_with("| `a.rs` | 2 | 2 | 0 | 0 | 0 |\n| `b/a.rs` | 2 | 1 | 0 | 1 | 0 |\n"), "{table}");
    }

    #[test]
    fn the_files_are_there() {
        for name in FILES {
            assert!(root().join(name).is_file(), "{name}");
        }
    }
}
