//! ATTACKS 33: kernels that lack what Rex stands on. The operator is told what is missing and what it means, and without a word to
//! the contrary nothing runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Builds the launcher, and writes a policy.
fn prepare(dir: &Path) -> (PathBuf, String) {
    let launcher = dir.join("without");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escapes/without.c");
    assert!(Command::new("cc").args(["-Wall", "-Werror", "-o"]).arg(&launcher).arg(source).status().unwrap().success());
    let policy = dir.join("policy.cedar");
    std::fs::write(&policy, r#"permit (principal, action == fs::Action::"read", resource in fs::Path::"/etc");"#)
        .unwrap();
    (launcher, format!("--policy={}", policy.display()))
}

fn rex(launcher: &Path, calls: &[i64], arguments: &[&str]) -> Output {
    let calls = calls.iter().map(ToString::to_string);
    Command::new(launcher).args(calls).arg("--").arg(env!("CARGO_BIN_EXE_rex")).args(arguments).output().unwrap()
}

#[track_caller]
fn check(calls: &[i64], missing: &[&str], reason: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (launcher, policy) = prepare(dir.path());
    let rex = |arguments: &[&str]| rex(&launcher, calls, arguments);

    let refused = rex(&["run", &policy, "-e", "print(1)", "--format=json"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(refused.stdout.is_empty() && said.contains(reason) && said.contains("`rex doctor`"), "{said}");
    assert!(missing.iter().all(|part| said.contains(&format!("`{part}` does not hold"))), "{said}");

    let run = rex(&["run", &policy, "-e", "1", "--format=json", "--confine=available"]);
    let report: Value = serde_json::from_slice(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let parts = report["confinement"]["parts"].as_array().unwrap();
    let lacking: Vec<_> = parts.iter().filter(|part| part["state"] == "MISSING").collect();
    assert_eq!(lacking.iter().map(|part| &part["part"]).collect::<Vec<_>>(), missing, "{report}");
    assert!(run.status.success() && lacking.iter().all(|part| part["why"].is_string()), "{run:?}");

    let doctor = rex(&["doctor", "--format=json"]);
    let found: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let checks = found["checks"].as_array().unwrap().iter().filter(|check| check["required"] == true);
    let lacking: Vec<_> = checks.filter(|check| check["state"] == "MISSING").collect();
    assert_eq!(lacking.iter().map(|check| &check["name"]).collect::<Vec<_>>(), missing, "{found}");
    assert!(doctor.status.code() == Some(1) && found["ready"] == false, "{found}");
    assert!(lacking.iter().all(|check| check["remedy"].is_string() && check["without"].is_string()), "{found}");
}

#[test]
fn without_landlock() {
    check(&[libc::SYS_landlock_create_ruleset], &["files"], "Landlock");
}

#[test]
fn without_seccomp() {
    check(&[libc::SYS_seccomp], &["programs", "network", "signals", "calls"], "seccomp");
}

#[test]
fn without_resource_limits() {
    check(&[libc::SYS_prlimit64], &["privileges", "resources"], "RLIMIT_AS");
}

#[test]
fn without_openat2() {
    let dir = tempfile::tempdir().unwrap();
    let (launcher, policy) = prepare(dir.path());
    for confine in ["--confine=require", "--confine=off"] {
        let run = rex(
            &launcher,
            &[libc::SYS_openat2],
            &["run", &policy, "-e", "read(\"/etc/hostname\")", "--format=json", confine],
        );
        let report: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(report["error"]["code"], "UNSUPPORTED_EXCEPTION", "{report}");
        assert!(report["error"]["message"].as_str().unwrap().contains("openat2"), "{report}");
    }
    let doctor = rex(&launcher, &[libc::SYS_openat2], &["doctor"]);
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.code() == Some(1) && said.contains("openat2     MISSING"), "{said}");
}
