//! The example `restart-nginx` on a real systemd, which its `with-systemd.sh` starts beside the tests.

use std::env;
use std::process::{Command, Output};

use expect_test::expect_file;
use serde_json::Value;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/restart-nginx");

/// Runs the example for an agent; `None` if this host cannot. `$0` is `rex`, `$1` the agent.
fn restart(agent: &str) -> Option<Output> {
    // The service is up before the agent looks at it.
    const RUN: &str = r#"
        "$0" run --policy start.cedar --principal 'User::"root"' --bus "$REX_BUS" -e 'service::start("nginx")' >&2 &&
        "$0" run script.rhai --policy policy.cedar --principal "$1" --bus "$REX_BUS" --format json
    "#;
    let dir = tempfile::tempdir().unwrap();
    for file in ["script.rhai", "policy.cedar", "start.cedar"] {
        std::fs::copy(format!("{EXAMPLE}/{file}"), dir.path().join(file)).unwrap();
    }
    let output = Command::new(format!("{EXAMPLE}/with-systemd.sh"))
        .args(["sh", "-c", RUN, env!("CARGO_BIN_EXE_rex"), agent])
        .current_dir(dir.path())
        .output()
        .unwrap();
    if output.status.code() == Some(77) && env::var_os("REX_REQUIRE_SYSTEMD").is_none() {
        print!("{}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    Some(output)
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn the_operator_restarts_nginx() {
    let Some(output) = restart(r#"Agent::"operator""#) else { return };
    let report = report(&output);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(report["status"], "SUCCESS");
    let mut printed = String::new();
    for line in report["output"].as_array().unwrap() {
        let line = line.as_str().unwrap();
        printed += line.split_once(" since ").map_or(line, |(head, _)| head);
        printed += "\n";
    }
    printed += &serde_json::to_string_pretty(&report["value"]).unwrap();
    expect_file!["../../../examples/restart-nginx/expected.txt"].assert_eq(&format!("{printed}\n"));
}

#[test]
fn nobody_else_does() {
    let Some(output) = restart(r#"Agent::"triage""#) else { return };
    let report = report(&output);
    assert_eq!(output.status.code(), Some(4), "{report}");
    assert_eq!(report["status"], "ERROR");
    assert_eq!(report["error"]["code"], "ACCESS_DENIED_EXCEPTION");
    assert_eq!(report["error"]["resource"], "nginx.service");
    assert_eq!(report["stats"]["operations"], 1);
}
