//! What a run recorded, decided again.

use crate::examples::rex;

const SCRIPT: &str = "append(args.file, \"x\"); fs::stat(args.file); try { read(\"/etc/hostname\") } catch {}";
const OWN: &str = r#"
    @id("own") permit (principal == Agent::"a", action, resource in fs::Path::"DIR")
    when { context.tags.contains("ticket=7") && context.script != "" };
"#;

fn replay(policy: &str, journal: &str) -> (Option<i32>, serde_json::Value) {
    let output = rex(&["replay", journal, "--policy", policy, "--format", "json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn a_run_is_decided_again_as_it_was_and_otherwise_by_another_policy() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text.replace("DIR", dir.path().to_str().unwrap())).unwrap();
        path(name)
    };
    let own = write("own.cedar", OWN);
    let reads = write("reads.cedar", &OWN.replace("action,", "action in fs::Action::\"ReadOnly\","));
    let (journal, argument) = (path("journal"), format!("file={}", path("file")));
    let run = ["run", "-e", SCRIPT, "--policy", &own, "--principal", "Agent::\"a\"", "--tag", "ticket=7", "--arg"];
    let output = rex(&[&run[..], &[&argument, "--journal", &journal]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let (code, same) = replay(&own, &journal);
    assert_eq!(code, Some(0), "{same}");
    assert_eq!((&same["requests"], &same["denied"], &same["without_start"]), (&3.into(), &1.into(), &0.into()));
    assert_eq!((&same["changes"], &same["unread"]["lines"]), (&serde_json::json!([]), &0.into()));

    let (code, changed) = replay(&reads, &journal);
    assert_eq!((code, &changed["newly_denied"], &changed["newly_allowed"]), (Some(1), &1.into(), &0.into()));
    assert_eq!(changed["changes"][0]["action"], "fs::append");

    // Without its start, nobody knows the script and the tags of the run.
    let lines = std::fs::read_to_string(&journal).unwrap();
    let rest = write("rest", lines.split_once('\n').unwrap().1);
    let (code, lost) = replay(&own, &rest);
    assert_eq!((code, &lost["without_start"], &lost["newly_denied"]), (Some(1), &3.into(), &2.into()));
}
