//! `rex policy test`: the files that it writes, and `--watch`.

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

/// Covers both policies by cases that pass whatever the condition is: none notices when the condition is dropped.
#[test]
fn mutants_that_no_case_notices_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "p.cedar",
        "@id(\"p\") permit (principal == Agent::\"a\", action == fs::Action::\"read\", resource in fs::Path::\"/srv\")\n\
         when { context.tags.contains(\"ok=1\") };\n\
         @id(\"f\") forbid (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv/x\");\n",
    );
    let case = |name: &str, rest: &str| format!("- name: {name}\n  principal: Agent::\"a\"\n{rest}\n");
    let some =
        case("tagged", "  action: fs::read\n  resource: /srv/y\n  tags: [ok=1]\n  expect: allow\n  policies: [p]")
            + &case("guarded", "  run: read(\"/srv/x\")\n  files: { /srv/x: \"\" }\n  expect: deny\n  policies: [f]");
    write("p.test.yaml", &some);
    let test = |args: &[&str]| {
        let args = [&["policy", "test", dir.path().to_str().unwrap()], args].concat();
        let output = rex(&args);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, out) = test(&[]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("covered: 2 of 2 policies, 0 of 1 clause, 66 %"), "{out}");
    let xml = dir.path().join("results.xml");
    let (code, out) = test(&["--mutate", "--junit", xml.to_str().unwrap()]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("p.cedar:2) without `context.tags.contains(\"ok=1\")`"), "{out}");
    assert!(out.contains("5 mutants: 4 noticed, 1 not noticed"), "{out}");
    let xml = std::fs::read_to_string(xml).unwrap();
    assert!(
        xml.contains("tests=\"7\" failures=\"1\"") && xml.contains("<failure message=\"no case notices it\"/>"),
        "{xml}"
    );
    let (code, out) = test(&["--mutate", "--format", "json"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("\"mutants\":{\"noticed\":4,\"survived\":[{\"policy\":\"p\""), "{out}");

    write(
        "p.test.yaml",
        &(some.clone() + &case("untagged", "  run: read(\"/srv/y\")\n  files: { /srv/y: \"\" }\n  expect: deny")),
    );
    let (code, out) = test(&["--mutate"]);
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("covered: 2 of 2 policies, 1 of 1 clause, 100 %\n5 mutants: 5 noticed, 0 not noticed"),
        "{out}"
    );

    // A case that fails shows nothing about mutants.
    write("p.test.yaml", &(some + &case("wrong", "  action: fs::read\n  resource: /srv/y\n  expect: allow")));
    let (code, out) = test(&["--mutate", "--format", "json"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("\"mutants\":null"), "{out}");
}

/// Checks that a script counts as denied if it catches a denial, or if its operation leaves out what is denied.
#[test]
fn a_script_that_goes_on_after_a_denial_was_denied() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write(
        "p.cedar",
        "@id(\"p\") permit (principal == Agent::\"a\", action in [fs::Action::\"read\", fs::Action::\"list\", fs::Action::\"stat\"], resource in fs::Path::\"/srv\");\n\
         @id(\"keys\") @reason(\"keys stay\") forbid (principal, action, resource in fs::Path::\"/srv/keys\");\n",
    );
    let run = |script: &str, expect: &str| {
        write(
            "p.test.yaml",
            &format!(
                "- name: goes on\n  principal: Agent::\"a\"\n  run: |\n    {}\n  files: {{ /srv/a: \"\", /srv/keys/k: \"\" }}\n{expect}",
                script.replace('\n', "\n    ")
            ),
        );
        let output = rex(&["policy", "test", dir.path().to_str().unwrap()]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let caught = "let x = 1;\ntry { read(\"/srv/keys/k\") } catch { }\nread(\"/srv/a\")";
    let named = "try { read(\"/srv/keys/k\") } catch (error) { print(error.code) }\ntry { read(\"/etc/x\") } catch { }";
    let walked = "fs::walk(\"/srv\")";
    let (allow, deny) = ("  expect: allow\n", "  expect: deny\n  policies: [keys]\n  reason: keys stay\n");
    let (code, out) = run(caught, allow);
    assert_eq!(code, Some(1), "{out}");
    let told = "expected ALLOW, got DENY: `fs::read` on `/srv/keys/k` in line 2 of the script denied, and the script continued";
    assert!(out.contains(told) && out.contains("expect `deny`"), "{out}");
    let (code, out) = run(named, allow);
    assert!(code == Some(1) && out.contains("line 1 of the script and 1 other request denied"), "{out}");
    assert_eq!(run(walked, allow).0, Some(1));
    for script in [caught, named, walked] {
        let (code, out) = run(script, deny);
        assert_eq!(code, Some(0), "{script}: {out}");
        let (code, out) = run(script, "  expect: deny\n  policies: [p]\n");
        assert_eq!(code, Some(1), "{script}: {out}");
    }
    assert_eq!(run("read(\"/srv/a\")", allow).0, Some(0));
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
    assert!(lines.any(|line| line == "1 case: 1 passed, 0 failed"));
    child.kill().unwrap();
    child.wait().unwrap();
}
