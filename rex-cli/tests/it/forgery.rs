//! A compromised worker that sends its supervisor what no other worker sends: it is ended, and the journal has nothing of it.

use serde_json::{Value, json};

use crate::escapes::{Who, World, has_no_process};

/// Runs a script whose worker sends this before its first record; returns why it was ended.
fn told(forged: &str) -> String {
    let world = World::new(Who::Own);
    let journal = world.path("journal");
    let output = world
        .command("open-gate")
        .unwrap()
        .args([
            "run",
            "--format=json",
            "--principal=Agent::\"x\"",
            "-e",
            "print(\"begin\"); loop { read(args.w + \"/open/app.log\") }",
        ])
        .arg(format!("--policy={}", world.path("policy.cedar").display()))
        .arg(format!("--journal={}", journal.display()))
        .arg(format!("--arg=w={}", world.w().display()))
        .args(["--limit=output_bytes=1000", "--limit=wall_ms=5000", "--limit=operations=10000000"])
        .arg("--limit=value_bytes=1000")
        .env("REX_FORGE", forged)
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(output.status.code(), Some(70), "{forged:.80}: {report}");
    assert_eq!(report["output"], json!(["begin"]), "{report}");
    assert!(has_no_process(&world));
    let text = std::fs::read_to_string(&journal).unwrap();
    for (number, line) in text.lines().enumerate() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&line["run"], line["sequence"].as_u64()), (&report["run_id"], Some(number as u64 + 1)), "{text}");
        assert_eq!(line["operation"], "fs::read", "{text}");
    }
    report["error"]["message"].as_str().unwrap().to_owned()
}

#[track_caller]
fn check(forged: &str, why: &str) {
    let message = told(forged);
    assert!(message.starts_with("the worker was killed: ") && message.contains(why), "{forged:.80}: {message}");
}

#[test]
fn records_of_nobody_are_no_records() {
    let line = json!({"run": "another", "sequence": 1, "principal": "Agent::\"x\"", "event": "decision", "operation": "forged", "time": "", "line": null});
    check("R:no record at all\n", "malformed record");
    check(&format!("R:{line}\n"), "does not follow the last record of this run");
    check(&format!("I:{line}\n"), "does not follow the last record of this run");
    check(&format!("R:{line}"), "does not follow the last record of this run");
    // Records about the journal itself are the supervisor's.
    for (event, key, value) in [("torn", "hash", "00"), ("checkpoint", "signature", "x"), ("decision", "prev", "00")] {
        let mut line = line.clone();
        (line["event"], line[key]) = (event.into(), value.into());
        check(&format!("R:{line}\n"), "malformed record");
    }
}

#[test]
fn nothing_is_done_without_a_line() {
    for ask in [
        json!({"restart": {"action": null, "resource": "nginx.service"}}),
        json!({"units": {"action": null, "resource": null}}),
        json!({"processes": {"action": null, "resource": null, "only": null, "interval_ms": null}}),
        json!({"signal": {"action": ["KILL"], "resource": [1, "", ["", "", ""], 0]}}),
    ] {
        check(&format!("S:{}", json!({"number": 1, "ask": ask})), "did not record");
    }
    check("S:please", "malformed request");
    check(r#"S:{"number":1,"ask":{"reboot":{}}}"#, "malformed request");
}

#[test]
fn what_no_worker_says_is_not_listened_to() {
    for kind in ["C", "W", "A", "N", "U"] {
        check(&format!("{kind}:{{}}"), "unexpected message");
    }
    check("F:{}", "malformed report");
    check(&format!("P:{}", "x".repeat(2_000)), "prints more");
    check("!xxxxxxxxxx", "malformed frame");
    check("!R\u{7f}\u{7f}\u{7f}\u{7f}", "malformed frame");
}

/// Each of these brackets would be 32 bytes or more of the supervisor's memory.
#[test]
fn a_report_of_more_than_a_run_can_make_is_not_read() {
    for kind in ["F", "S"] {
        check(&format!("{kind}:{}", "[".repeat(70_000)), "more messages than its run can produce");
    }
}

/// Fills the socket with answers.
#[test]
fn a_worker_that_reads_no_answers_keeps_nobody_waiting() {
    check("*5000:I:", "does not read");
}
