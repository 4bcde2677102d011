//! `rex plan`, and runs that must follow a plan.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A policy that permits all that the tests do to files, except removing `keep`.
const POLICY: &str = r#"@id("files") permit (principal, action, resource in fs::Path::"DIR");
@id("keep") @reason("it is kept") forbid (principal, action == fs::Action::"remove", resource) when { resource.name == "keep" };
@id("units") permit (principal, action == service::Action::"restart", resource == service::Unit::"rex-none.service");
"#;

/// A directory with files that must not change, and one for the files of the test.
struct World {
    files: tempfile::TempDir,
    own: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { files: tempfile::tempdir().unwrap(), own: tempfile::tempdir().unwrap() };
        let dir = world.files.path();
        std::fs::create_dir(dir.join("logs")).unwrap();
        for (name, text) in
            [("config.yaml", "port: 8080\n"), ("keep", "kept\n"), ("logs/a.log", "one\n"), ("old", "x\n")]
        {
            std::fs::write(dir.join(name), text).unwrap();
            // Whatever the umask is, which a plan changes.
            std::fs::set_permissions(dir.join(name), PermissionsExt::from_mode(0o644)).unwrap();
        }
        symlink("config.yaml", dir.join("link")).unwrap();
        world.policy(POLICY);
        world
    }

    fn policy(&self, text: &str) {
        let text = text.replace("DIR", self.files.path().to_str().unwrap());
        std::fs::write(self.own.path().join("policy.cedar"), text).unwrap();
    }

    /// Runs a command of `rex` on a script, with relative paths from the files.
    fn rex(&self, verb: &str, script: &str, more: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rex"));
        command.args([verb, "-e", script, "--principal", "Agent::\"test\"", "--policy"]);
        command.arg(self.own.path().join("policy.cedar")).arg("--base").arg(self.files.path());
        if !more.contains(&"--confine") {
            command.args(["--confine", "available"]);
        }
        command.args(more).env_remove("DBUS_SESSION_BUS_ADDRESS").current_dir(self.own.path()).output().unwrap()
    }

    fn plan(&self, script: &str, more: &[&str]) -> (Option<i32>, Value) {
        let output = self.rex("plan", script, &[more, &["--format", "json"]].concat());
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        assert!(told["plan"].is_object(), "{told}");
        (output.status.code(), told)
    }

    fn hash(&self, script: &str, more: &[&str]) -> String {
        self.plan(script, more).1["plan"]["hash"].as_str().unwrap().to_owned()
    }

    /// Returns the state of the files: names, kinds, modes, owners, times, contents.
    fn state(&self) -> BTreeMap<String, String> {
        let mut state = BTreeMap::new();
        describe(self.files.path(), &mut state);
        state
    }
}

fn describe(path: &Path, state: &mut BTreeMap<String, String>) {
    let metadata = path.symlink_metadata().unwrap();
    let contents = match metadata.file_type() {
        kind if kind.is_symlink() => std::fs::read_link(path).unwrap().display().to_string(),
        kind if kind.is_file() => format!("{:?}", std::fs::read(path).unwrap()),
        _ => String::new(),
    };
    let (mode, uid, gid, inode) = (metadata.mode(), metadata.uid(), metadata.gid(), metadata.ino());
    let time = (metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec());
    state.insert(path.display().to_string(), format!("{mode:o} {uid} {gid} {inode} {time:?} {contents}"));
    if metadata.is_dir() {
        std::fs::read_dir(path).unwrap().for_each(|entry| describe(&entry.unwrap().path(), state));
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const EFFECTS: &str = r#"
    fs::write("config.yaml", read("config.yaml") + "host: a\n");
    fs::append("logs/a.log", "two\n");
    fs::create_dir("new");
    fs::write("new/b", "b\n");
    fs::rename("old", "new/old");
    fs::symlink("new/keep", "../keep");
    fs::chmod("keep", "0600");
    fs::touch("logs/a.log");
    fs::hard_link("keep", "also");
    fs::remove("link");
    fs::write("logs/c.bin", blob(3, 255));
    service::restart("rex-none");
    [read("config.yaml"), fs::list("new").len(), fs::exists("link")]
"#;

#[test]
fn a_plan_changes_nothing_and_says_what_would() {
    let world = World::new();
    let before = world.state();
    for confine in ["available", "off"] {
        let (code, told) = world.plan(EFFECTS, &["--confine", confine]);
        assert_eq!((code, &told["error"]), (Some(0), &Value::Null), "{told}");
        assert_eq!(world.state(), before, "{confine}");
        assert_eq!(told["value"], serde_json::json!(["port: 8080\nhost: a\n", 3, false]));
        let changes = told["plan"]["changes"].as_array().unwrap();
        let paths: Vec<_> = changes.iter().map(|change| change["path"].as_str().unwrap()).collect();
        let dir = world.files.path().to_str().unwrap();
        let names: Vec<_> = paths.iter().map(|path| path.strip_prefix(dir).unwrap()).collect();
        let expected = [
            "/also",
            "/config.yaml",
            "/keep",
            "/link",
            "/logs/a.log",
            "/logs/c.bin",
            "/new",
            "/new/b",
            "/new/keep",
            "/new/old",
            "/old",
        ];
        assert_eq!(names, expected);
        assert!(changes[1]["diff"].as_str().unwrap().contains("\n port: 8080\n+host: a\n"), "{}", changes[1]);
        assert_eq!(changes[5]["unknown"], "it is not text");
        let steps = told["plan"]["steps"].as_array().unwrap();
        let (first, last) = (&steps[0], steps.last().unwrap());
        assert_eq!((&first["action"], &first["line"]), (&"fs::write".into(), &2.into()));
        assert_eq!((&last["action"], &last["done"]["assumed"]), (&"service::restart".into(), &true.into()));
        assert_eq!(last["policies"], serde_json::json!(["units"]));
    }
}

#[test]
fn a_plan_for_people_has_steps_diffs_denials_and_what_would_permit_them() {
    let world = World::new();
    let script = "fs::write(\"config.yaml\", \"port: 9090\\n\");\nread(\"/etc/hostname\");\nfs::remove(\"keep\");";
    let output = world.rex("plan", script, &["--keep-going", "--color", "never"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap().replace(world.files.path().to_str().unwrap(), "DIR");
    for part in [
        "planned operations, in order:\n   1. fs::write DIR/config.yaml, 11 bytes, blake3 ",
        ", by `files` (line 1)\n",
        "files that would change:\n  ~ DIR/config.yaml\n",
        "      -port: 8080\n      +port: 9090\n",
        "denied:\n   1. fs::read /etc/hostname, no permit matches (line 2)\n   2. fs::remove DIR/keep, by `keep`: it is kept (line 3)\n",
        "add this to the policy to permit all of these; the script may then need more:\n",
        "// no permit can override `keep`, which forbids `fs::remove` on `DIR/keep`\n",
        "action == fs::Action::\"read\",\n  resource == fs::Path::\"/etc/hostname\"\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let last = text.lines().find(|line| line.starts_with("plan ")).unwrap();
    assert_eq!(last.len(), "plan ".len() + 64);
    assert!(!world.rex("plan", "1", &[]).stdout.contains(&b'\x1b'));
}

#[test]
fn all_denials_come_at_once_and_the_permits_let_it_pass() {
    let world = World::new();
    let script = r#"
        let text = read("/etc/hostname");
        let found = fs::grep("/etc/passwd", "root");
        if found.count == 0 { fs::append("/srv/rex-none", text); }
        service::stop("rex-none");
        process::run("/bin/true", ["--version"]).status
    "#;
    let (code, told) = world.plan(script, &[]);
    assert_eq!((code, told["plan"]["denials"].as_array().unwrap().len()), (Some(4), 1));
    let (code, told) = world.plan(script, &["--keep-going"]);
    let denials = told["plan"]["denials"].as_array().unwrap();
    assert_eq!((code, denials.len(), &told["value"]), (Some(4), 5, &0.into()), "{told}");
    let remedies = told["plan"]["remedies"].as_array().unwrap();
    assert!(remedies.iter().all(|remedy| remedy.as_str().unwrap().contains("\npermit (\n")), "{remedies:?}");
    world.policy(&format!("{POLICY}\n{}", told["plan"]["permits"].as_str().unwrap()));
    let (_, told) = world.plan(script, &["--keep-going"]);
    assert_eq!(told["plan"]["denials"], serde_json::json!([]), "{told}");
}

#[test]
fn a_run_does_what_was_planned() {
    let world = World::new();
    let script = r#"fs::write("config.yaml", read("config.yaml").to_upper()); fs::remove("old"); 7"#;
    let hash = world.hash(script, &["--out", "plan.json"]);
    assert_eq!(world.hash(script, &["--keep-going"]), hash);
    let output = world.rex("run", script, &["--plan", &hash, "--journal", "journal"]);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"7\n"[..]), "{output:?}");
    assert_eq!(std::fs::read_to_string(world.files.path().join("config.yaml")).unwrap(), "PORT: 8080\n");
    assert!(!world.files.path().join("old").exists());
    // Both the planning and the run are on record, with different ids.
    let journal = std::fs::read_to_string(world.own.path().join("journal")).unwrap();
    let (plan, run): (Vec<_>, Vec<_>) = journal.lines().partition(|line| line.contains("\"run\":\"plan-"));
    assert!(plan.len() > 5 && run.len() == plan.len(), "{journal}");
    // The run has changed what the plan was made from.
    let output = world.rex("run", script, &["--plan", "plan.json"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("changed: what it would do: `"), "{output:?}");
}

#[test]
fn a_run_is_refused_when_anything_changed() {
    let script = r#"if read("config.yaml") != "" { fs::write("old", `${args.text}\n`); }"#;
    let args = &["--arg", "text=new"][..];
    type Change = fn(&World);
    let rewrite: Change = |world| std::fs::write(world.files.path().join("config.yaml"), "port: 8081\n").unwrap();
    let remove: Change = |world| std::fs::remove_file(world.files.path().join("config.yaml")).unwrap();
    let policy: Change = |world| world.policy(&format!("{POLICY}\n// The same, with another comment."));
    let nothing: Change = |_| {};
    let tag = ["--tag", "ticket=1"];
    for (change, script_now, more, words) in [
        (nothing, script, args, ""),
        (rewrite, script, args, "what it reads: `DIR/config.yaml`"),
        (remove, script, args, "what it would do: `DIR/old`; what it reads: `DIR/config.yaml`"),
        (policy, script, args, "the policy"),
        (nothing, &format!("{script} // no"), args, "the script"),
        (nothing, script, &["--arg", "text=old"], "its arguments, or its base directory; what it would do: `DIR/old`"),
        (nothing, script, &[args, &tag].concat(), "on whose behalf it runs, or its tags"),
    ] {
        let world = World::new();
        let hash = world.hash(script, &[args, &["--out", "plan.json"]].concat());
        change(&world);
        let before = world.state();
        for plan in [hash.as_str(), "plan.json"] {
            let output = world.rex("run", script_now, &[more, &["--plan", plan]].concat());
            let told = stderr(&output).replace(world.files.path().to_str().unwrap(), "DIR");
            if words.is_empty() {
                assert_eq!(output.status.code(), Some(0), "{told}");
                std::fs::write(world.files.path().join("old"), "x\n").unwrap();
                continue;
            }
            assert_eq!(output.status.code(), Some(4), "{words}: {told}");
            assert_eq!(world.state(), before, "{words}");
            let expected = if plan == hash { "the plan has changed; it is now `" } else { words };
            assert!(told.contains(expected), "{expected}: {told}");
        }
    }
}

#[test]
fn a_plan_file_that_shows_something_else_is_refused() {
    let script = r#"fs::write("config.yaml", "port: 22\n"); fs::remove("old");"#;
    let world = World::new();
    world.hash(script, &["--out", "plan.json"]);
    let file = world.own.path().join("plan.json");
    let whole = std::fs::read(&file).unwrap();
    let before = world.state();
    // Forgeries that show something harmless under the hash of what would be done.
    type Forge = fn(&mut Value);
    let forgeries: &[Forge] = &[
        |plan| plan["steps"][0]["resource"] = "/tmp/harmless".into(),
        |plan| drop(plan["steps"].as_array_mut().unwrap().pop()),
        |plan| plan["steps"].as_array_mut().unwrap().reverse(),
        |plan| plan["steps"][1]["policies"] = Value::Array(Vec::new()),
        |plan| plan["changes"][0]["diff"] = "".into(),
        |plan| plan["changes"] = Value::Array(Vec::new()),
        |plan| plan["permits"] = "// none".into(),
    ];
    let refused = || {
        let output = world.rex("run", script, &["--plan", "plan.json"]);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(stderr(&output).contains("changed: details of the report"), "{output:?}");
    };
    for forge in forgeries {
        let mut told: Value = serde_json::from_slice(&whole).unwrap();
        forge(&mut told["plan"]);
        std::fs::write(&file, told.to_string()).unwrap();
        refused();
        assert_eq!(world.state(), before);
    }
    // The plan also shows what an effect meets, as what a file would lose.
    std::fs::write(&file, &whole).unwrap();
    std::fs::write(world.files.path().join("config.yaml"), "port: 8081\n").unwrap();
    refused();
    std::fs::write(world.files.path().join("config.yaml"), "port: 8080\n").unwrap();
    let output = world.rex("run", script, &["--plan", "plan.json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn what_a_plan_cannot_hold_is_told() {
    let world = World::new();
    world.policy(&format!(
        "{POLICY}permit (principal, action == process::Action::\"list\", resource == sys::Host::\"local\");"
    ));
    let looks = "let n = process::list().len(); fs::write(\"config.yaml\", if n > 0 { \"a\" } else { \"b\" });";
    let (code, told) = world.plan(looks, &[]);
    assert_eq!((code, &told["plan"]["unheld"]), (Some(0), &serde_json::json!(["process::list"])));
    let text = |script| String::from_utf8(world.rex("plan", script, &[]).stdout).unwrap();
    let shown = text(looks);
    assert!(
        shown.contains("the script reads state that changes by itself") && shown.contains("      process::list\n"),
        "{shown}"
    );
    let shown = text("process::list().len();");
    assert!(shown.starts_with("the plan does nothing\n") && shown.contains("process::list"), "{shown}");
    let (_, told) = world.plan("fs::write(\"config.yaml\", read(\"old\"));", &[]);
    assert_eq!(told["plan"]["unheld"], serde_json::json!([]));
    assert!(text("read(\"old\");").starts_with("the plan does nothing\n\nplan "));
}

#[test]
fn what_is_no_plan_is_refused() {
    let world = World::new();
    std::fs::write(world.own.path().join("bad.json"), "{\"plan\": 1}").unwrap();
    for (given, words) in [("none.json", "`none.json` cannot be read"), ("bad.json", "`bad.json` is not a plan")] {
        let output = world.rex("run", "fs::remove(\"old\")", &["--plan", given]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(words), "{output:?}");
    }
    assert!(world.files.path().join("old").exists());
    let output = world.rex("plan", "1", &["--out", "/nowhere/plan.json"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
