//! `rex policy test`: what it writes besides, and that it tests again.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::examples::{rex, root};

fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["host.cedar", "entities.json", "host.test.yaml"] {
        std::fs::copy(root().join("rex-cli/tests/cmd/policy-test/bad").join(name), dir.path().join(name)).unwrap();
    }
    dir
}

#[test]
fn junit_has_a_case_for_each() {
    let dir = folder();
    let file = dir.path().join("results.xml");
    let output = rex(&["policy", "test", dir.path().to_str().unwrap(), "--junit", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let xml = std::fs::read_to_string(file).unwrap();
    assert!(xml.contains("<testsuites name=\"rex policy test\" tests=\"4\" failures=\"4\""), "{xml}");
    assert_eq!((xml.matches("<testcase ").count(), xml.matches("</testcase>").count()), (4, 4), "{xml}");
    assert!(xml.contains("<failure message=\"expected ALLOW, got DENY\">"), "{xml}");
    assert!(xml.contains("Agent::&quot;triage&quot;") && !xml.contains("Agent::\"triage\""), "{xml}");
}

#[test]
fn a_change_is_tested() {
    let dir = folder();
    std::fs::create_dir(dir.path().join("more")).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_rex"))
        .args(["policy", "test", "--watch", dir.path().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line == "4 cases: 0 passed, 4 failed"));
    let case = "- name: denied\n  principal: User::\"x\"\n  action: fs::read\n  resource: /x\n  expect: deny\n";
    std::fs::write(dir.path().join("more/more.test.yaml"), case).unwrap();
    assert!(lines.any(|line| line == "5 cases: 1 passed, 4 failed"));
    std::fs::remove_file(dir.path().join("host.test.yaml")).unwrap();
    assert!(lines.any(|line| line == "1 cases: 1 passed, 0 failed"));
    child.kill().unwrap();
    child.wait().unwrap();
}
