//! Places that did not exist when a run was confined.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn run(dir: &Path, script: &str) -> Value {
    run_with(
        dir,
        r#"@id("all") permit (principal, action in [fs::Action::"ReadOnly", fs::Action::"Mutating"], resource in fs::Path::"{0}/out");
           @id("closed") forbid (principal, action, resource in fs::Path::"{0}/out/closed");
           @id("text") forbid (principal, action == fs::Action::"read", resource) unless { resource.extension == "txt" };"#,
        script,
    )
}

/// Runs a script under a policy in which `{0}` is replaced by the directory.
fn run_with(dir: &Path, policy: &str, script: &str) -> Value {
    let base = dir.canonicalize().unwrap();
    let file = base.join("policy.cedar");
    std::fs::write(&file, policy.replace("{0}", base.to_str().unwrap())).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rex"))
        .args(["run", "--format=json", "--principal=Agent::\"x\"", "-e", script])
        .arg(format!("--policy={}", file.display()))
        .arg(format!("--base={}", base.display()))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

#[test]
fn what_comes_to_be_while_a_run_is_confined_can_be_read_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let report = run(
        dir.path(),
        r#"
            fs::create_dir("out/a/b", #{parents: true});
            fs::write("out/a/b/f.txt", "one\ntwo\n");
            fs::append("out/a/b/f.txt", "three\n");
            fs::copy("out/a/b/f.txt", "out/g.txt");
            fs::symlink("out/l.txt", "g.txt");
            let all = fs::find("out").entries.len();
            let names = fs::list("out/a").map(|entry| entry.name);
            [fs::read("out/g.txt"), fs::read("out/l.txt"), names, all, fs::grep("out/g.txt", "two").count, fs::checksum("out/g.txt").len()]
        "#,
    );
    let text = "one\ntwo\nthree\n";
    assert_eq!(report["value"], serde_json::json!([text, text, ["b"], 5, 1, 64]), "{report}");
    assert!(report["confinement"]["parts"].as_array().unwrap().iter().any(|part| part["part"] == "files"), "{report}");
}

#[test]
fn whatever_the_mask_is_nothing_that_is_made_can_be_written_by_others() {
    for confine in ["require", "off"] {
        for (mask, file, directory) in [("000", 0o644, 0o755), ("022", 0o644, 0o755), ("077", 0o600, 0o700)] {
            let dir = tempfile::tempdir().unwrap();
            let base = dir.path().canonicalize().unwrap();
            std::fs::write(base.join("policy.cedar"), "permit (principal, action, resource);").unwrap();
            let output = Command::new("sh")
                .args(["-c", &format!("umask {mask}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_rex")])
                .args(["run", "--policy=policy.cedar", "--journal=journal", &format!("--confine={confine}")])
                .args(["-e", "fs::write(\"f\", \"x\"); fs::create_dir(\"d\"); fs::copy(\"f\", \"g\"); fs::gzip(\"f\", \"f.gz\");"])
                .current_dir(&base)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            let mode = |name: &str| base.join(name).metadata().unwrap().permissions().mode() & 0o7777;
            let modes = [mode("f"), mode("g"), mode("f.gz"), mode("d"), mode("journal")];
            assert_eq!(modes, [file, file, file, directory, 0o600], "{confine} {mask}");
        }
    }
}

#[test]
fn a_place_in_a_new_place_can_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let report = run_with(
        dir.path(),
        r#"@id("way") permit (principal, action == fs::Action::"create_dir", resource) when { [fs::Path::"{0}/new", fs::Path::"{0}/new/er"].contains(resource) };
           @id("all") permit (principal, action, resource in fs::Path::"{0}/new/er/out");"#,
        r#"
            for path in ["new", "new/er", "new/er/out"] { fs::create_dir(path); }
            fs::write("new/er/out/f", "x");
            fs::append("new/er/out/f", "y");
            fs::rename("new/er/out/f", "new/er/out/g");
            fs::read("new/er/out/g")
        "#,
    );
    assert_eq!(report["value"], "xy", "{report}");
}

#[test]
fn what_is_forbidden_in_a_new_place_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    // Beside the new place, and in it.
    std::fs::write(dir.path().join("beside.txt"), "secret").unwrap();
    let report = run(
        dir.path(),
        r#"
            fs::create_dir("out");
            fs::write("out/key", "k");
            let codes = [];
            for path in ["out/key", "out/closed/f.txt", "beside.txt", "out/../beside.txt"] {
                try { codes.push(fs::read(path)); } catch (e) { codes.push(e.code); }
            }
            codes
        "#,
    );
    assert_eq!(report["value"], serde_json::json!(vec!["ACCESS_DENIED_EXCEPTION"; 4]), "{report}");
}

#[test]
fn the_very_directory_of_a_permit_can_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("out/deep")).unwrap();
    std::fs::create_dir(dir.path().join("beside")).unwrap();
    std::fs::write(dir.path().join("out/deep/file"), "x").unwrap();
    let policy = r#"@id("tree") permit (principal, action in [fs::Action::"list", fs::Action::"remove"], resource in fs::Path::"{0}/out");"#;
    let report = run_with(
        dir.path(),
        policy,
        r#"let n = fs::remove_all("out"); try { fs::remove("beside"); } catch (e) { return `${n} ${e.code}`; }"#,
    );
    assert_eq!(report["value"], "3 ACCESS_DENIED_EXCEPTION", "{report}");
    assert!(!dir.path().join("out").exists() && dir.path().join("beside").exists());
    // If the policy is not the obstacle, the error says what is.
    std::fs::create_dir_all(dir.path().join("out/full")).unwrap();
    let told = |operation: &str| {
        let script = format!("try {{ fs::{operation}(`out`); }} catch (e) {{ return e.message; }}");
        run_with(dir.path(), policy, &script)["value"].as_str().unwrap().to_owned()
    };
    assert!(told("remove_dir").contains("empty"), "{}", told("remove_dir"));
    assert!(told("remove").contains("is a directory"), "{}", told("remove"));
}

#[test]
fn a_move_that_the_confinement_refuses_says_so() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["from", "to"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("from/f"), "x").unwrap();
    let report = run_with(
        dir.path(),
        r#"@id("from") permit (principal, action in [fs::Action::"rename", fs::Action::"hard_link"], resource in fs::Path::"{0}/from");
           @id("to") permit (principal, action in [fs::Action::"write", fs::Action::"read"], resource in fs::Path::"{0}/to");"#,
        r#"
            let told = [];
            try { fs::rename("from/f", "to/f"); } catch (e) { told.push(e.message); }
            try { fs::hard_link("from/f", "to/f"); } catch (e) { told.push(e.message); }
            told
        "#,
    );
    let told: Vec<String> = serde_json::from_value(report["value"].clone()).unwrap();
    assert!(told.len() == 2 && told.iter().all(|message| message.contains("confinement")), "{report}");
}

#[test]
fn a_program_that_could_change_the_journal_is_not_started() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    std::fs::create_dir(base.join("out")).unwrap();
    let policy = format!(
        r#"@id("tool") permit (principal, action == process::Action::"run", resource == process::Program::"/usr/bin/truncate");
           @id("out") permit (principal, action, resource in fs::Path::"{}/out");"#,
        base.display()
    );
    std::fs::write(base.join("policy.cedar"), policy).unwrap();
    let run = |journal: &str| {
        let script =
            format!("process::run(\"/usr/bin/truncate\", [\"-s\", \"0\", \"{}\"])", base.join("out/f").display());
        let output = Command::new(env!("CARGO_BIN_EXE_rex"))
            .args(["run", "--format=json", "--principal=Agent::\"x\"", "-e", &script])
            .arg(format!("--policy={}", base.join("policy.cedar").display()))
            .arg(format!("--journal={}", base.join(journal).display()))
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["error"]["message"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(run("journal"), "");
    assert!(base.join("out/f").exists());
    for journal in ["out/journal", "out/deep/journal"] {
        std::fs::create_dir_all(base.join("out/deep")).unwrap();
        assert!(run(journal).contains("could change the journal"), "{}", run(journal));
    }
}

#[test]
fn a_program_starts_where_the_policy_lets_the_script_look_and_follows_no_link_there() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().canonicalize().unwrap();
    for name in ["secret/there", "open/real"] {
        std::fs::create_dir_all(base.join(name)).unwrap();
    }
    std::fs::write(base.join("secret/file"), "").unwrap();
    std::os::unix::fs::symlink("/etc", base.join("open/link")).unwrap();
    let report = run_with(
        dir.path(),
        r#"@id("pwd") permit (principal, action == process::Action::"run", resource == process::Program::"/usr/bin/pwd");
           @id("look") permit (principal, action == fs::Action::"list", resource in fs::Path::"{0}/open");"#,
        r#"
            let start = |directory| {
                let told = ();
                try { told = process::run("/usr/bin/pwd", ["-P"], #{directory: directory}).stdout; } catch (e) { told = e.code; }
                told
            };
            ["/", "open/real", "open/none", "open/link", "secret/there", "secret/file", "secret/none"].map(start)
        "#,
    );
    let real = format!("{}\n", base.join("open/real").display());
    let denied = "ACCESS_DENIED_EXCEPTION";
    let expected =
        serde_json::json!(["/\n", real, "UNSUPPORTED_EXCEPTION", "UNSUPPORTED_EXCEPTION", denied, denied, denied]);
    assert_eq!(report["value"], expected, "{report}");
}
