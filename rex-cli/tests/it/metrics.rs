//! `rex run --metrics` and `--progress`.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const POLICY: &str =
    "@id(\"etc\") permit (principal, action == fs::Action::\"read\", resource == fs::Path::\"/etc/hostname\");";

pub(crate) fn rex(dir: &Path, script: &str, confine: &str) -> Command {
    let policy = dir.join("policy.cedar");
    if !policy.exists() {
        std::fs::write(&policy, POLICY).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_rex"));
    command.args(["run", "-e", script, "--confine", confine, "--policy"]).arg(policy).current_dir(dir);
    command
}

fn run(dir: &Path, script: &str, confine: &str) -> Output {
    rex(dir, script, confine).args(["--metrics", "rex.prom"]).output().unwrap()
}

fn metrics(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("rex.prom")).unwrap()
}

#[test]
fn runs_are_counted_with_those_before_them() {
    for confine in ["available", "off"] {
        let dir = tempfile::tempdir().unwrap();
        let fine = run(dir.path(), "read(\"/etc/hostname\"); 1", confine);
        assert_eq!((fine.status.code(), fine.stderr.len()), (Some(0), 0), "{fine:?}");
        assert_eq!(run(dir.path(), "read(\"/etc/passwd\")", confine).status.code(), Some(4));
        let limit = rex(dir.path(), "loop {}", confine)
            .args(["--limit", "script_steps=1000", "--metrics", "rex.prom", "--journal", "journal"])
            .output()
            .unwrap();
        assert_eq!(limit.status.code(), Some(5), "{limit:?}");
        let text = metrics(dir.path());
        for line in [
            "rex_runs_total{result=\"SUCCESS\"} 1",
            "rex_runs_total{result=\"ACCESS_DENIED_EXCEPTION\"} 1",
            "rex_runs_total{result=\"LIMIT_EXCEEDED_EXCEPTION\"} 1",
            "rex_decisions_total{decision=\"ALLOW\",action=\"fs::read\"} 1",
            "rex_policy_decisions_total{decision=\"ALLOW\",action=\"fs::read\",policy=\"etc\"} 1",
            "rex_policy_decisions_total{decision=\"DENY\",action=\"fs::read\",policy=\"\"} 1",
            "rex_operations_total{operation=\"fs::read\",result=\"SUCCESS\"} 1",
            "rex_operations_total{operation=\"fs::read\",result=\"ACCESS_DENIED_EXCEPTION\"} 1",
            "rex_limits_exceeded_total{of=\"run\"} 1",
            "rex_operation_duration_seconds_bucket{operation=\"fs::read\",le=\"+Inf\"} 2",
            "rex_script_duration_seconds_count 3",
        ] {
            assert!(text.lines().any(|one| one == line), "{confine}: {line}\n{text}");
        }
    }
}

#[test]
fn runs_at_the_same_time_are_all_counted() {
    let dir = tempfile::tempdir().unwrap();
    drop(rex(dir.path(), "1", "off"));
    let start = |_| rex(dir.path(), "1", "off").args(["--metrics", "rex.prom"]).stdout(Stdio::null()).spawn().unwrap();
    let children: Vec<_> = (0..12).map(start).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(metrics(dir.path()).contains("rex_runs_total{result=\"SUCCESS\"} 12\n"), "{}", metrics(dir.path()));
}

#[test]
fn a_file_of_somebody_elses_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rex.prom"), "node_load1 0.5\n").unwrap();
    let done = run(dir.path(), "1", "off");
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(
        told,
        "warning: the metrics `rex.prom` cannot be written: line 1 is not a metric of this version of Rex\n"
    );
    assert_eq!(metrics(dir.path()), "node_load1 0.5\n");
}

#[test]
fn progress_is_for_terminals() {
    let dir = tempfile::tempdir().unwrap();
    let script = "for i in 0..3000 { read(\"/etc/hostname\"); } 7";
    let piped = rex(dir.path(), script, "off").arg("--progress").output().unwrap();
    assert_eq!((piped.stdout.as_slice(), piped.stderr.as_slice()), (&b"7\n"[..], &b""[..]));
    let size = nix::pty::Winsize { ws_row: 24, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
    for confine in ["available", "off"] {
        let pty = nix::pty::openpty(&size, None).unwrap();
        let mut command = rex(dir.path(), script, confine);
        command.env("TERM", "xterm").arg("--progress").stdout(Stdio::piped()).stderr(pty.slave);
        let child = command.spawn().unwrap();
        // The last other handle of this end: reading ends with the child.
        drop(command);
        let (mut shown, mut master) = (Vec::new(), File::from(pty.master));
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            shown.extend_from_slice(&buffer[..count]);
        }
        let done = child.wait_with_output().unwrap();
        let shown = String::from_utf8_lossy(&shown);
        assert_eq!(done.stdout, b"7\n", "{shown}");
        assert!(shown.contains("operations, ") && shown.contains("fs::read /etc/hostname"), "{confine}: {shown:?}");
    }
}
