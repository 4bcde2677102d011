//! The examples of the project, each run as its reader would. The output is in its `expected.txt`, with words in capitals for what
//! differs between machines.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use expect_test::expect_file;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn rex(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rex")).args(args).current_dir(root()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap().replace(root().to_str().unwrap(), "ROOT")
}

#[test]
fn log_triage() {
    let output = rex(&[
        "run",
        "examples/log-triage/script.rhai",
        "--policy",
        "examples/log-triage/policy.cedar",
        "--principal",
        r#"Agent::"triage""#,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let stdout = text(&output.stdout);
    let real = std::fs::read_to_string("/var/log/dpkg.log");
    let packages = real.map_or("not on this machine".to_owned(), |log| {
        let changes = [" install ", " upgrade ", " remove "];
        let count = log.lines().filter(|line| changes.iter().any(|change| line.contains(change))).count();
        format!("{count} packages installed, upgraded or removed")
    });
    assert!(stdout.contains(&format!("packages: {packages}\n")), "{stdout}\n{packages}");
    expect_file!["../../../examples/log-triage/expected.txt"].assert_eq(&stdout.replace(&packages, "PACKAGES"));
    assert!(!root().join("examples/log-triage/config.yaml").exists());
}

#[test]
fn denied_write() {
    let before = std::fs::read(root().join("examples/denied-write/config.yaml")).unwrap();
    let output = rex(&[
        "run",
        "examples/denied-write/script.rhai",
        "--policy",
        "examples/denied-write/policy.cedar",
        "--principal",
        r#"Agent::"operator""#,
        "--color",
        "never",
    ]);
    assert_eq!(output.status.code(), Some(4));
    let stderr = text(&output.stderr);
    let (drawn, stats) = stderr.trim_end().rsplit_once('\n').unwrap();
    assert!(stats.ends_with("2 operations, 2 decisions, 1 denied"), "{stats}");
    expect_file!["../../../examples/denied-write/expected.txt"].assert_eq(&format!("{drawn}\n"));
    assert_eq!(std::fs::read(root().join("examples/denied-write/config.yaml")).unwrap(), before);
}

#[test]
fn disk_space() {
    let args = |principal| {
        [
            "run",
            "examples/disk-space/script.rhai",
            "--policy",
            "examples/disk-space",
            "--entities",
            "examples/disk-space/entities.json",
            "--arg",
            "threshold=101",
            "--principal",
            principal,
        ]
    };
    let output = rex(&args(r#"Agent::"watch""#));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    expect_file!["../../../examples/disk-space/expected.txt"].assert_eq(&text(&output.stdout));
    assert_eq!(rex(&args(r#"Agent::"stranger""#)).status.code(), Some(4));
}
