//! ATTACKS 33: kernels that lack what Rex needs. The operator learns what is missing and what that means, and unless the operator
//! allows it, nothing runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::escapes::compile;

/// Builds the launcher, and writes a policy.
fn prepare(dir: &Path) -> (PathBuf, String) {
    let launcher = dir.join("without");
    compile(&["-o"], "without.c", &launcher);
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

/// A kernel with an older Landlock, and a directory with files and a policy for them.
struct Older {
    dir: tempfile::TempDir,
    /// The version; `None` for this kernel's own.
    version: Option<u8>,
}

impl Older {
    fn new(version: Option<u8>) -> Self {
        let older = Self { dir: tempfile::tempdir().unwrap(), version };
        let base = older.base();
        compile(&["-o"], "older.c", &base.join("older"));
        for directory in ["out/d", "out/e", "open", "secret"] {
            std::fs::create_dir_all(base.join(directory)).unwrap();
        }
        for (file, text) in [("open/a", "abcdef"), ("secret/key", "SECRET")] {
            std::fs::write(base.join(file), text).unwrap();
        }
        for (link, target) in
            [("out/l", "f"), ("out/dl", "d"), ("out/to-secret", "../secret/key"), ("out/loop", "loop")]
        {
            std::os::unix::fs::symlink(target, base.join(link)).unwrap();
        }
        let policy = r#"
            permit (principal, action in [fs::Action::"ReadOnly", fs::Action::"Mutating"], resource in fs::Path::"{0}/out");
            permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"{0}/open");
            permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"/proc/self");
            permit (principal, action == process::Action::"run", resource == process::Program::"/usr/bin/cp");"#;
        std::fs::write(base.join("p.cedar"), policy.replace("{0}", base.to_str().unwrap())).unwrap();
        older
    }

    fn base(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    fn rex(&self, arguments: &[&str]) -> Output {
        let rex = env!("CARGO_BIN_EXE_rex");
        let mut command = match self.version {
            None => Command::new(rex),
            Some(version) => {
                let mut command = Command::new(self.base().join("older"));
                command.arg(version.to_string()).arg(rex);
                command
            }
        };
        command.args(arguments).output().unwrap()
    }

    fn run(&self, script: &str) -> Value {
        let (policy, base) = (self.base().join("p.cedar"), self.base());
        let policy = format!("--policy={}", policy.display());
        let base = format!("--base={}", base.display());
        let output = self.rex(&["run", "--format=json", "-e", script, &policy, &base]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }
}

const MOVES: &str = r#"fs::write("out/m", "x"); fs::rename("out/m", "out/d/m"); fs::read("out/d/m")"#;

#[track_caller]
fn check_older(version: u8, holders: &[&str]) {
    let older = Older::new(Some(version));
    let report = older.run(r#"fs::write("out/f", "abcdef"); fs::truncate("out/f", #{size: 3}); fs::read("out/f")"#);
    assert_eq!((&report["status"], &report["value"]), (&json!("SUCCESS"), &json!("abc")), "{report}");
    let confinement = &report["confinement"];
    assert_eq!((&confinement["mode"], &confinement["landlock"]), (&json!("require"), &json!(version)), "{report}");
    let parts = confinement["parts"].as_array().unwrap();
    assert!(parts.iter().all(|part| part["state"] == "VERIFIED"), "{report}");
    let by = |part: &Value| -> Vec<String> {
        part["by"]
            .as_array()
            .unwrap()
            .iter()
            .map(|by| by.as_str().unwrap().split(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(by(&parts[0]), holders, "{report}");

    let doctor = older.rex(&["doctor", "--format=json"]);
    let found: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    assert!(doctor.status.success() && found["ready"] == true, "{found}");
    let files = found["checks"].as_array().unwrap().iter().find(|check| check["name"] == "files").unwrap();
    assert_eq!(by(files), holders, "{found}");
    let said = String::from_utf8(older.rex(&["doctor"]).stdout).unwrap();
    assert!(said.contains(&format!("files       ok       Landlock, version {version}\n")), "{said}");
    assert!(
        said.contains("seccomp: no call of the worker truncates a file") && said.contains("Runs are confined"),
        "{said}"
    );
}

#[test]
fn landlock_of_version_1_is_enough() {
    check_older(1, &["Landlock, version 1", "seccomp", "the supervisor", "the kernel"]);
    let report = Older::new(Some(1)).run(MOVES);
    assert_eq!(report["error"]["code"], "UNSUPPORTED_EXCEPTION", "{report}");
    assert!(report["error"]["message"].as_str().unwrap().contains("before Linux 5.19"), "{report}");
}

#[test]
fn landlock_of_version_2_is_enough() {
    check_older(2, &["Landlock, version 2", "seccomp", "the supervisor"]);
    assert_eq!(Older::new(Some(2)).run(MOVES)["value"], "x");
}

/// Compares the results and the errors of what an older kernel does in another way.
#[test]
fn scripts_see_no_difference_on_an_older_kernel() {
    let scripts = [
        r#"fs::write("out/f", "abc"); fs::append("out/f", "def"); fs::truncate("out/f", #{size: 2}); fs::truncate("out/f", #{size: 4}); fs::read("out/l")"#,
        r#"fs::truncate("out/none", #{size: 2})"#,
        r#"fs::truncate("open/a", #{size: 2})"#,
        r#"fs::truncate("out/d", #{size: 2})"#,
        r#"fs::truncate("out/to-secret", #{size: 2})"#,
        r#"fs::truncate("out/f", #{size: -1})"#,
        r#"fs::write("out/f", "abc"); fs::truncate("out/f", #{size: 1000000000000})"#,
        r#"fs::write("out/f", "abc"); fs::truncate("out/l", #{size: 2}); fs::read("out/f")"#,
        r#"fs::read("out/to-secret")"#,
        r#"fs::read("secret/key")"#,
        r#"fs::read("out/loop")"#,
        r#"fs::read("out/d")"#,
        r#"fs::read("out/f/x")"#,
        r#"fs::read("/proc/self/root/etc/hostname")"#,
        r#"fs::read("/proc/self/exe")"#,
        r#"fs::write("out/dl/x", "1"); fs::list("out/d").map(|entry| entry.name)"#,
        r#"fs::find("out").entries.len()"#,
        r#"fs::stat("out/l").target"#,
        r#"fs::copy("open/a", "out/c"); fs::hard_link("out/c", "out/c2"); fs::remove("out/c"); fs::read("out/c2")"#,
        r#"fs::create_dir("out/n/m", #{parents: true}); fs::write("out/n/m/x", "1"); fs::remove_all("out/n"); fs::list("out").len()"#,
        r#"let cp = |from| process::run("/usr/bin/cp", [from, args.w + "/out/p"]).status; [cp.call(args.w + "/open/a"), cp.call(args.w + "/open/a")]"#,
    ];
    let seen = |version| {
        let older = Older::new(version);
        let base = older.base().display().to_string();
        scripts.map(|script| {
            let report = older.run(&script.replace("args.w", &format!("\"{base}\"")));
            let text = format!("{} {} {}", report["value"], report["error"]["code"], report["error"]["message"]);
            text.replace(&base, "BASE")
        })
    };
    let own = seen(None);
    assert!(
        own[0].starts_with("\"ab\\u0000\\u0000\"") && own.iter().filter(|seen| seen.starts_with("null")).count() > 8,
        "{own:#?}"
    );
    for version in [1, 2] {
        let seen = seen(Some(version));
        for (own, seen) in own.iter().zip(&seen) {
            assert_eq!(seen, own, "{version}");
        }
    }
}
