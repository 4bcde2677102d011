//! The example repository of policies: its checks pass, can fail, and print what its page shows.

use std::path::Path;
use std::process::{Command, Output};

use crate::examples::root;

/// Runs a shell command in a folder, with this `rex` on the path.
/// Runs a line without a solver, whether or not one is installed.
pub(crate) fn shell(folder: &Path, line: &str) -> Output {
    shell_with(folder, line, &[("CVC5", "")])
}

fn shell_with(folder: &Path, line: &str, variables: &[(&str, &str)]) -> Output {
    let bin = Path::new(env!("CARGO_BIN_EXE_rex")).parent().unwrap().to_str().unwrap();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

pub(crate) fn printed(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

/// Copies the repository, so that it can be changed.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let repo = root().join("examples/policy-repo");
    let status = Command::new("cp").arg("-r").arg(repo.join(".")).arg(dir.path()).status().unwrap();
    assert!(status.success());
    dir
}

#[test]
fn its_checks_hold() {
    let dir = copy();
    let output = shell(dir.path(), "./check");
    assert!(output.status.success(), "{}", printed(&output));
    assert!(std::fs::read_to_string(dir.path().join("results.xml")).unwrap().contains("failures=\"0\""));
}

#[test]
fn its_checks_fail_where_a_forbid_is_dropped_or_misspelt() {
    for (from, to, code, told) in [
        ("== \"key\" ||", "== \"pem\" ||", 1, "FAILED but no key in it"),
        ("\"Mutating\"", "\"Mutatnig\"", 3, "Mutatnig"),
    ] {
        let dir = copy();
        let file = dir.path().join("policies/guard.cedar");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        std::fs::write(&file, text.replace(from, to)).unwrap();
        let output = shell(dir.path(), "./check");
        assert_eq!(output.status.code(), Some(code), "{}", printed(&output));
        assert!(printed(&output).contains(told), "{}", printed(&output));
    }
}

/// Compares the output of the commands of a page with what it shows.
pub(crate) fn check_page(name: &str, variables: &[(&str, &str)]) {
    let dir = copy();
    let page = std::fs::read_to_string(root().join(name)).unwrap();
    let blocks: Vec<_> = page.split("```console\n$ ").skip(1).collect();
    assert!(blocks.len() > 2);
    for block in blocks {
        let (block, _) = block.split_once("\n```").unwrap();
        let (line, expected) = block.split_once('\n').unwrap();
        assert_eq!(printed(&shell_with(dir.path(), line, variables)).trim_end(), expected, "{line}");
    }
}

#[test]
fn commands_of_the_page_print_what_it_says() {
    check_page("docs/policy-as-code.md", &[("CVC5", "")]);
}

#[test]
fn the_hooks_pass_in_it() {
    let dir = copy();
    let hooks = std::fs::read_to_string(root().join(".pre-commit-hooks.yaml")).unwrap();
    let fields = |name: &str| {
        let lines = hooks.lines().map(str::trim);
        lines.filter_map(|line| line.strip_prefix(name)).map(str::to_owned).collect::<Vec<_>>()
    };
    let (entries, args) = (fields("entry: "), fields("args: ["));
    assert_eq!((entries.len(), args.len()), (2, 2));
    for (entry, args) in entries.iter().zip(args) {
        let line = format!("{entry} {}", args.trim_end_matches(']').replace(',', ""));
        let output = shell(dir.path(), &line);
        assert!(output.status.success(), "{line}: {}", printed(&output));
    }
}
