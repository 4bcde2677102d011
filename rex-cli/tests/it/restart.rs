//! The example `restart-nginx` on a real systemd, which its `with-systemd.sh` starts beside the tests.

use std::env;
use std::process::{Command, Output};

use expect_test::expect_file;
use serde_json::Value;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/restart-nginx");

/// Starts the service before the agent looks at it. `$0` is `rex`, `$1` the agent.
macro_rules! started {
    ($then:literal) => {
        concat!(
            r#"
            "$0" run --policy start.cedar --principal 'User::"root"' --bus "$REX_BUS" -e 'service::start("nginx")' >&2 &&
            rex() { verb="$1"; agent="$2"; shift 2; "$rex" "$verb" --policy policy.cedar --principal "$agent" --bus "$REX_BUS" "$@"; } &&
            rex="$0" &&
            "#,
            $then
        )
    };
}

/// Runs the example for an agent; `None` if this host cannot.
fn restart(agent: &str) -> Option<Output> {
    example(agent, started!(r#"rex run "$1" script.rhai --format json"#))
}

fn example(agent: &str, commands: &str) -> Option<Output> {
    let dir = tempfile::tempdir().unwrap();
    for file in ["script.rhai", "policy.cedar", "start.cedar"] {
        std::fs::copy(format!("{EXAMPLE}/{file}"), dir.path().join(file)).unwrap();
    }
    let output = Command::new(format!("{EXAMPLE}/with-systemd.sh"))
        .args(["sh", "-c", commands, env!("CARGO_BIN_EXE_rex"), agent])
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

#[test]
fn a_plan_restarts_nothing() {
    const PLAN: &str = started!(
        r#"pid='service::status("nginx").main_pid' &&
        rex run "$1" -e "$pid" && rex plan "$1" script.rhai --format json && rex run "$1" -e "$pid""#
    );
    let Some(output) = example(r#"Agent::"operator""#, PLAN) else { return };
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let [before, plan, after] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    assert_eq!(before, after);
    let told: Value = serde_json::from_str(plan).unwrap();
    // The plan reads the state, and assumes the restart.
    assert_eq!(told["output"][0], "nginx.service is active");
    assert_eq!(told["value"], serde_json::json!({"unit": "nginx.service", "active": "active", "pid_changed": true}));
    let steps = told["plan"]["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[0]["done"]["assumed"]), (1, &true.into()), "{told}");
}
