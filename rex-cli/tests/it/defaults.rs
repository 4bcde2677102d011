//! Defaults by `rex.toml` and the environment, and what `rex init` writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const ALL: &str = "@id(\"all\") @reason(\"test\") permit (principal, action, resource);";

fn rex(dir: &Path, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rex"));
    for name in ["REX_POLICY", "REX_ENTITIES", "REX_PRINCIPAL", "REX_JOURNAL", "REX_BUS"] {
        command.env_remove(name);
    }
    command.current_dir(dir).envs(variables.iter().copied()).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs `rex` and returns its standard output, if it exits with 0.
#[track_caller]
fn succeeds(dir: &Path, variables: &[(&str, &str)], args: &[&str]) -> String {
    let output = rex(dir, variables, args);
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs `rex` and returns its standard error, if it exits with 2.
#[track_caller]
fn is_refused(dir: &Path, variables: &[(&str, &str)], args: &[&str]) -> String {
    let output = rex(dir, variables, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

/// A folder that only its owner can write, with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(path.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    dir
}

#[test]
fn the_nearest_file_is_taken_with_paths_relative_to_it() {
    let dir = folder(&[
        ("rex.toml", "policy = [\"all.cedar\"]\nprincipal = 'Agent::\"deep\"'\njournal = \"j.jsonl\"\n"),
        ("all.cedar", ALL),
        ("a/b/s.rhai", "1 + 1"),
        ("near/rex.toml", "policy = \"none.cedar\"\n"),
        ("near/none.cedar", "@id(\"none\") forbid (principal, action, resource);"),
        ("near/s.rhai", "read(\"/etc/hostname\")"),
    ]);
    let elsewhere = tempfile::tempdir().unwrap();
    let script = |name: &str| dir.path().join(name).display().to_string();
    assert_eq!(succeeds(elsewhere.path(), &[], &["run", &script("a/b/s.rhai")]), "2\n");
    let journal = fs::read_to_string(dir.path().join("j.jsonl")).unwrap();
    assert!(journal.contains("Agent::\\\"deep\\\""), "{journal}");
    let denied = rex(elsewhere.path(), &[], &["run", &script("near/s.rhai")]);
    assert_eq!(denied.status.code(), Some(4), "{}", text(&denied.stderr));
    // For code on the command line, the current folder counts.
    assert_eq!(succeeds(&dir.path().join("a"), &[], &["run", "-e", "3"]), "3\n");
    let refused = is_refused(elsewhere.path(), &[], &["run", "-e", "3"]);
    assert!(refused.contains("no policy was given") && refused.contains("rex.toml"), "{refused}");
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let dir = folder(&[
        ("rex.toml", "policy = \"file.cedar\"\nentities = \"e.json\"\nprincipal = 'Agent::\"file\"'\n"),
        ("file.cedar", ALL),
        ("env.cedar", "@id(\"env\") permit (principal == Agent::\"env\", action, resource);"),
        ("line.cedar", "@id(\"line\") permit (principal == Agent::\"line\", action, resource);"),
        ("e.json", "[]"),
    ]);
    let ask = ["policy", "ask", "--action", "fs::read", "--resource", "/etc/hostname"];
    let by = |variables: &[(&str, &str)], more: &[&str]| succeeds(dir.path(), variables, &[&ask[..], more].concat());
    assert!(by(&[], &[]).contains("`all`"));
    let variables = [("REX_POLICY", "env.cedar"), ("REX_PRINCIPAL", "Agent::env")];
    assert!(by(&variables, &[]).contains("`env`"));
    assert!(by(&variables, &["-p", "line.cedar", "--principal", "Agent::line"]).contains("`line`"));
    let shown = succeeds(dir.path(), &variables, &["config", "show", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let row = |name: &str| rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap().clone();
    assert_eq!(row("policy")["source"], "environment variable REX_POLICY");
    assert_eq!(row("principal")["value"], "Agent::env");
    // The entities of a file belong to its policy.
    assert_eq!(row("entities")["value"], serde_json::Value::Null);
    let shown = succeeds(dir.path(), &[], &["config", "show"]);
    assert!(shown.contains("e.json") && shown.contains("rex.toml"), "{shown}");
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let dir = folder(&[("rex.toml", "policy = \"all.cedar\"\n"), ("all.cedar", ALL)]);
    let file = dir.path().join("rex.toml");
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let run = || is_refused(dir.path(), &[], &["run", "-e", "1"]);
    mode(&file, 0o664);
    assert!(run().contains("can be written by others (mode 0664)"));
    mode(&file, 0o644);
    mode(dir.path(), 0o777);
    assert!(run().contains("can be written by others (mode 0777)"));
    // Anybody can add files there.
    mode(dir.path(), 0o1777);
    assert!(run().contains("can be written by others (mode 1777)"));
    mode(dir.path(), 0o755);
    // So it is with what the file names, and with the folders above.
    let policy = dir.path().join("all.cedar");
    mode(&policy, 0o646);
    assert!(run().contains("all.cedar` can be written by others (mode 0646)"));
    mode(&policy, 0o644);
    assert_eq!(succeeds(dir.path(), &[], &["run", "-e", "1"]), "1\n");
    fs::create_dir_all(dir.path().join("deep/policies")).unwrap();
    fs::write(dir.path().join("deep/rex.toml"), "policy = \"policies\"\n").unwrap();
    fs::copy(&policy, dir.path().join("deep/policies/p.cedar")).unwrap();
    let deep = dir.path().join("deep");
    let run_deep = || rex(&deep, &[], &["run", "-e", "1"]);
    for (folder, open) in [("deep/policies", 0o777), ("", 0o777), ("deep/policies", 0o1777)] {
        let folder = dir.path().join(folder);
        mode(&folder, open);
        let output = run_deep();
        assert_eq!(output.status.code(), Some(2), "{}", folder.display());
        assert!(text(&output.stderr).contains("can be written by others"), "{}", text(&output.stderr));
        mode(&folder, 0o755);
    }
    assert!(run_deep().status.success());
    // A link leads to a policy of others.
    let theirs = dir.path().join("theirs.cedar");
    fs::write(&theirs, ALL.replace("\"all\"", "\"more\"")).unwrap();
    mode(&theirs, 0o666);
    std::os::unix::fs::symlink(&theirs, deep.join("policies/more.cedar")).unwrap();
    let output = run_deep();
    assert!(text(&output.stderr).contains("theirs.cedar` can be written by others"), "{}", text(&output.stderr));
    mode(&theirs, 0o644);
    assert!(run_deep().status.success());
    // Whoever names a policy can do without the file.
    mode(&file, 0o666);
    let args = ["run", "-e", "1", "-p", "all.cedar", "--no-config"];
    assert_eq!(succeeds(dir.path(), &[], &args), "1\n");
    mode(&file, 0o644);
    fs::rename(&file, dir.path().join("other.toml")).unwrap();
    std::os::unix::fs::symlink("other.toml", &file).unwrap();
    assert!(run().contains("is not a regular file"));
    fs::remove_file(&file).unwrap();
    fs::write(&file, "policy = \"all.cedar\"\nprincpal = \"x\"\n").unwrap();
    mode(&file, 0o644);
    let refused = run();
    assert!(refused.contains("line 2") && refused.contains("princpal") && refused.contains("`principal`"), "{refused}");
    // A pipe is not waited for.
    fs::remove_file(&file).unwrap();
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert!(run().contains("is not a regular file"));
    fs::remove_file(&file).unwrap();
    if nix::unistd::geteuid().is_root() {
        // A link of another user could lead to a folder with a wider policy.
        fs::write(&file, "policy = \"all.cedar\"\n").unwrap();
        mode(&file, 0o644);
        fs::write(dir.path().join("s.rhai"), "1").unwrap();
        fs::create_dir(dir.path().join("theirs")).unwrap();
        let link = dir.path().join("theirs/here");
        std::os::unix::fs::symlink("..", &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        let refused = is_refused(dir.path(), &[], &["run", "theirs/here/s.rhai"]);
        assert!(refused.contains("is a link of the user 65534"), "{refused}");
        fs::write(&file, "policy = \"all.cedar\"\n").unwrap();
        nix::unistd::chown(&file, Some(65534.into()), None).unwrap();
        assert!(run().contains("belongs to the user 65534"));
    }
}

#[test]
fn an_option_about_a_journal_needs_one() {
    let dir = folder(&[("all.cedar", ALL)]);
    let refused = is_refused(dir.path(), &[], &["run", "-e", "1", "-p", "all.cedar", "--durability", "each"]);
    assert!(refused.contains("`--durability` needs a journal") && refused.contains("REX_JOURNAL"), "{refused}");
    let args = ["run", "-e", "1", "-p", "all.cedar", "--durability", "each"];
    assert_eq!(succeeds(dir.path(), &[("REX_JOURNAL", "j.jsonl")], &args), "1\n");
    assert!(dir.path().join("j.jsonl").exists());
}

#[test]
fn each_template_passes_its_checks_and_shows_a_denial() {
    let dir = tempfile::tempdir().unwrap();
    for (template, denied) in [("triage", 1), ("restart", 1), ("deploy", 1), ("empty", 1)] {
        let written = succeeds(dir.path(), &[], &["init", template, template]);
        assert!(written.contains("script.rhai") && written.contains("rex.toml"), "{written}");
        let there = dir.path().join(template);
        let checked = rex(&there, &[], &["policy", "check", "--script", "script.rhai"]);
        assert!(checked.status.success() && checked.stderr.is_empty(), "{template}: {}", text(&checked.stderr));
        let tested = succeeds(&there, &[], &["policy", "test", "."]);
        assert!(tested.contains(" 0 failed"), "{template}: {tested}");
        let report = rex(dir.path(), &[], &["run", &format!("{template}/script.rhai"), "--json"]);
        let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
        assert_eq!(report["status"], "SUCCESS", "{template}: {report}");
        assert_eq!(report["stats"]["denied"], denied, "{template}: {report}");
        let refused = is_refused(dir.path(), &[], &["init", template, template]);
        assert!(refused.contains("is there already, and nothing was written"), "{refused}");
    }
    let there = dir.path().join("linked");
    fs::create_dir(&there).unwrap();
    std::os::unix::fs::symlink("/", there.join("logs")).unwrap();
    let refused = is_refused(dir.path(), &[], &["init", "triage", "linked"]);
    assert!(refused.contains("logs` is not a folder, and nothing was written"), "{refused}");
    assert_eq!(fs::read_dir(&there).unwrap().count(), 1);
    let odd = is_refused(dir.path(), &[], &["init", "empty", "with\"quote"]);
    assert!(odd.contains("characters that a policy would have to escape"), "{odd}");
    assert!(!dir.path().join("with\"quote").exists());
}

#[test]
fn a_script_starts_itself() {
    let dir = folder(&[("rex.toml", "policy = \"all.cedar\"\n"), ("all.cedar", ALL)]);
    let script = dir.path().join("s");
    fs::write(&script, format!("#!{} run\nlet x = 2;\nx.nope()", env!("CARGO_BIN_EXE_rex"))).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(&script).current_dir("/").output().unwrap();
    // Its lines are counted with the first one.
    assert!(text(&output.stderr).contains("s:3:3"), "{}", text(&output.stderr));
}

#[test]
fn names_that_people_try_are_known_or_named() {
    let dir = folder(&[("all.cedar", ALL), ("s.rhai", "1")]);
    let run = |args: &[&str]| text(&rex(dir.path(), &[], args).stderr);
    for (args, hint) in [
        (&["run", "s.rhai", "-p", "all.cedar", "--dry-run"][..], "`rex plan SCRIPT`"),
        (&["run", "s.rhai", "-p", "all.cedar", "-v"], "`--progress`"),
        (&["run", "s.rhai", "-p", "all.cedar", "--user", "me"], "--principal"),
        (&["run", "s.rhai", "all.cedar"], "`--policy all.cedar`"),
        (&["s.rhai"], "`rex run s.rhai`"),
        (&["lint", "all.cedar"], "`rex policy check FILE_OR_DIR`"),
        (&["verify"], "`rex audit verify JOURNAL`"),
    ] {
        let told = run(args);
        assert!(told.contains(hint), "{args:?}: {told}");
    }
    assert_eq!(succeeds(dir.path(), &[], &["run", "s.rhai", "-p", "all.cedar", "--timeout", "5s"]), "1\n");
    let one = "@id(\"one\") @reason(\"test\") permit (principal == Agent::\"me\", action == fs::Action::\"read\", resource in fs::Path::\"/x\");";
    fs::write(dir.path().join("one.cedar"), one).unwrap();
    succeeds(dir.path(), &[], &["check", "one.cedar"]);
    succeeds(dir.path(), &[], &["fmt", "one.cedar"]);
    succeeds(dir.path(), &[], &["fmt", "--check", "one.cedar"]);
    let asked =
        ["ask", "-p", "all.cedar", "--principal", "Agent::me", "--action", "fs::read", "--resource", "/x", "--json"];
    let answer: serde_json::Value = serde_json::from_str(&succeeds(dir.path(), &[], &asked)).unwrap();
    assert_eq!(answer["decision"], "ALLOW", "{answer}");
    assert!(succeeds(dir.path(), &[], &["man", "policy", "check"]).contains("rex-policy-check"));
    assert!(succeeds(dir.path(), &[], &["ops", "json"]).contains("json::parse"));
    assert!(!succeeds(dir.path(), &[], &["ops", "fs"]).contains("net::get"));
    assert!(succeeds(dir.path(), &[], &["lang"]).starts_with("# The script language"));
    assert!(succeeds(dir.path(), &[], &["explain", "policies"]).contains("```cedar"));
    assert!(succeeds(dir.path(), &[], &["examples"]).contains("21"));
    assert!(succeeds(dir.path(), &[], &["examples", "1"]).contains("```cedar"));
}
