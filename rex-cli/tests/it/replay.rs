//! The requests that a run recorded, decided again.

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

    // Without its start, the script and the tags of the run are unknown.
    let lines = std::fs::read_to_string(&journal).unwrap();
    let rest = write("rest", lines.split_once('\n').unwrap().1);
    let output = rex(&["replay", &rest, "--policy", &own, "--format", "json", "--allow-broken-chain"]);
    let (code, lost): (_, serde_json::Value) = (output.status.code(), serde_json::from_slice(&output.stdout).unwrap());
    assert_eq!((code, &lost["without_start"], &lost["newly_denied"]), (Some(1), &3.into(), &2.into()));
}

/// A folder with a policy.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new(policy: &str) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap() };
        world.write("policy.cedar", policy);
        world
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text.replace("DIR", self.dir.path().to_str().unwrap())).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs `rex`; `%name` is replaced by a file of the folder.
    fn rex(&self, args: &[&str]) -> (Option<i32>, String) {
        let args: Vec<String> = args
            .iter()
            .map(|arg| arg.strip_prefix('%').map_or_else(|| (*arg).to_owned(), |name| self.path(name)))
            .collect();
        let output = rex(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    }

    fn run(&self, script: &str, principal: &str) {
        let script = script.replace("DIR", self.dir.path().to_str().unwrap());
        let run =
            ["run", "-e", &script, "--policy", "%policy.cedar", "--principal", principal, "--journal", "%journal"];
        let (code, text) = self.rex(&run);
        assert_eq!(code, Some(0), "{text}");
    }
}

const ALL: &str = r#"permit (principal, action, resource in fs::Path::"DIR");"#;

#[test]
fn a_principal_is_the_same_wherever_it_is_written() {
    for (typed, id) in [
        (r#"Agent::"o'brien""#, "o'brien"),
        ("Agent::o'brien", "o'brien"),
        (r#"Agent::"a \\ \"b\" é""#, "a \\ \"b\" é"),
        ("Agent::triage", "triage"),
    ] {
        let world = World::new(ALL);
        world.run("fs::stat(\"DIR\"); fs::append(\"DIR/x\", \"y\");", typed);
        let (code, text) = world.rex(&["replay", "%journal", "--policy", "%policy.cedar"]);
        assert_eq!((code, text.contains("all 2 requests on record")), (Some(0), true), "{typed} {text}");
        let (code, text) = world.rex(&["policy", "learn", "%journal"]);
        assert_eq!(
            (code, text.contains("2 permits from 2 requests: all recorded requests are allowed")),
            (Some(0), true),
            "{typed} {text}"
        );
        world.write("learned.cedar", text.split("2 permits").next().unwrap());
        let quoted = rex_core::Principal::agent(id).to_string();
        for name in [typed, &quoted, id] {
            let (code, text) = world.rex(&["audit", "query", "%journal", "--principal", name]);
            assert_eq!((code, text.lines().count() > 3), (Some(0), true), "{name} {text}");
        }
        let dir = world.path("");
        let ask = ["--principal", typed, "--action", "fs::stat", "--resource", dir.trim_end_matches('/')];
        let (code, text) = world.rex(&[&["policy", "ask", "--policy", "%learned.cedar"][..], &ask].concat());
        assert_eq!(code, Some(0), "{typed} {text}");
        let (code, text) = world.rex(&["policy", "reach", "--policy", "%learned.cedar", "--principal", typed]);
        assert_eq!((code, text.contains("append")), (Some(0), true), "{typed} {text}");
        let cases = format!(
            "- name: a\n  principal: {}\n  action: fs::stat\n  resource: DIR\n  expect: allow\n",
            serde_json::json!(quoted)
        );
        world.write("a.test.yaml", &cases);
        let (code, text) = world.rex(&["policy", "test", "%", "--policy", "%learned.cedar"]);
        assert_eq!(code, Some(0), "{typed} {text}");
    }
    let world = World::new(ALL);
    for typed in ["triage", "Agent::\"a", "Agent::a\"b", "Agent::a::b"] {
        let (code, text) = world.rex(&["policy", "reach", "--policy", "%policy.cedar", "--principal", typed]);
        assert_eq!(
            (code, text.contains("in a shell, put single quotes around it: 'Agent::\"")),
            (Some(2), true),
            "{text}"
        );
    }
}

#[test]
fn a_journal_of_an_earlier_version_is_read() {
    let world = World::new(ALL);
    world.run("fs::stat(\"DIR\");", r#"Agent::"o'brien""#);
    let older = world.read("journal").replace("o'brien", r"o\\'brien");
    world.write("older", &older);
    let (code, text) = world.rex(&["replay", "%older", "--policy", "%policy.cedar", "--allow-broken-chain"]);
    assert_eq!((code, text.contains("the 1 request on record would be decided as before")), (Some(0), true), "{text}");
    let (_, text) = world.rex(&["audit", "query", "%older", "--principal", "o'brien", "--format", "json"]);
    assert_eq!(text.lines().count(), older.lines().count(), "{text}");
}

#[test]
fn a_journal_that_was_changed_is_not_learned_from() {
    let world = World::new(ALL);
    world.run("fs::stat(\"DIR\"); fs::append(\"DIR/x\", \"y\");", "Agent::a");
    let journal = world.read("journal");
    let lines: Vec<&str> = journal.lines().collect();
    let forged = lines[1].replace(world.path("").trim_end_matches('/'), "/etc/shadow");
    let unchained = forged.rsplit_once(",\"prev\"").unwrap().0.to_owned() + "}";
    for (name, text) in [
        ("edited", journal.replace(lines[1], &forged)),
        ("without a line", journal.replace(&format!("{}\n", lines[1]), "")),
        ("added, without a chain", format!("{journal}{unchained}\n")),
        ("added, and as if torn", format!("{journal}{unchained}")),
        ("without any chain", format!("{unchained}\n")),
    ] {
        world.write("changed", &text);
        for command in [&["policy", "learn", "%changed"][..], &["replay", "%changed", "--policy", "%policy.cedar"]] {
            let (code, text) = world.rex(command);
            let shadow = command[0] == "policy" && text.contains("fs::Path::\"/etc/shadow");
            assert_eq!((code, shadow), (Some(6), false), "{name} {text}");
            let (code, text) = world.rex(&[command, &["--allow-broken-chain", "--allow-unread"]].concat());
            assert!([Some(0), Some(1)].contains(&code), "{name} {text}");
        }
    }
}

#[test]
fn a_line_that_cannot_be_read_is_counted_and_no_policy_is_learned() {
    let world = World::new(ALL);
    world.run("fs::stat(\"DIR\"); fs::append(\"DIR/x\", \"y\");", "Agent::a");
    // From a later version, with unknown actions; the chain is intact.
    let mut chain = rex_audit::Chain::after(rex_audit::LineHash::NONE);
    let mut later = Vec::new();
    for line in world.read("journal").lines() {
        let body = line.rsplit_once(",\"prev\"").unwrap().0.replace("fs::stat", "fs::frob");
        chain.link(format!("{body}}}").as_bytes(), &mut later).unwrap();
    }
    std::fs::write(world.path("later"), &later).unwrap();
    for command in [&["policy", "learn", "%later"][..], &["replay", "%later", "--policy", "%policy.cedar"]] {
        let (code, text) = world.rex(command);
        assert_eq!((code, text.contains("1 line could not be read or used")), (Some(6), true), "{text}");
        let (code, text) = world.rex(&[command, &["--allow-unread"]].concat());
        assert_eq!((code, text.contains("1 line is not understood, and skipped")), (Some(0), true), "{text}");
    }
    // A line that a killed writer left unfinished is not a missing one.
    let journal = world.read("journal");
    world.write("torn", &format!("{journal}{}", journal.get(..20).unwrap()));
    let (code, text) = world.rex(&["replay", "%torn", "--policy", "%policy.cedar"]);
    assert_eq!((code, text.contains("1 line is not understood")), (Some(0), true), "{text}");
}

/// Removes the last lines of a journal, which leaves its chain intact.
#[test]
fn a_run_without_its_end_is_told_and_no_policy_is_learned() {
    let world = World::new(ALL);
    world.run("fs::stat(\"DIR\"); fs::append(\"DIR/x\", \"y\");", "Agent::a");
    let journal = world.read("journal");
    let lines: Vec<&str> = journal.lines().collect();
    assert!(lines.last().unwrap().contains("\"event\":\"end\""), "{journal}");
    let cut = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let unchained: Vec<_> =
        lines.iter().map(|line| format!("{}}}", line.rsplit_once(",\"prev\"").unwrap().0)).collect();
    let unchained: Vec<&str> = unchained.iter().map(String::as_str).collect();
    for (text, options) in [
        (cut(&lines[..lines.len() - 1]), &[][..]),
        (cut(&lines[..lines.len() - 2]), &[]),
        (cut(&unchained[..lines.len() - 1]), &["--allow-broken-chain"]),
    ] {
        world.write("cut", &text);
        for command in [&["policy", "learn", "%cut"][..], &["replay", "%cut", "--policy", "%policy.cedar"]] {
            let (code, text) = world.rex(&[command, options].concat());
            assert_eq!((code, text.contains("1 run has no end in the journal")), (Some(6), true), "{text}");
            assert!(text.contains("is still running, was killed, or the end of the journal was removed"), "{text}");
            assert!(!text.contains("permit ("), "{text}");
            let (code, text) = world.rex(&[command, options, &["--allow-unread"]].concat());
            assert_eq!((code, text.contains("1 run has no end in the journal")), (Some(0), true), "{text}");
        }
    }
    // A run with its end is not reported.
    let (code, text) = world.rex(&["replay", "%journal", "--policy", "%policy.cedar"]);
    assert_eq!((code, text.contains("no end")), (Some(0), false), "{text}");
}

#[test]
fn what_is_redacted_is_not_claimed_as_learned() {
    let world = World::new(ALL);
    world.run("fs::stat(\"DIR\"); fs::append(\"DIR/password=hunter2\", \"y\");", "Agent::a");
    assert!(world.read("journal").contains("[redacted]"));
    let (code, text) = world.rex(&["policy", "learn", "%journal"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("all recorded requests are allowed except 1 request\nnot learned, because the journal redacted it: 1 request"), "{text}");
    let (code, text) = world.rex(&["replay", "%journal", "--policy", "%policy.cedar"]);
    assert_eq!((code, text.contains("it is redacted")), (Some(6), true), "{text}");
}

#[test]
fn what_was_learned_can_be_done_again() {
    let script = r#"
        let file = fs::temp_file("DIR/tmp", #{contents: "x", suffix: ".txt"});
        fs::read(file);
        fs::remove(file);
        fs::create_dir("DIR/out");
        fs::create_dir("DIR/out/deep");
        for name in ["a.log", "b.log"] { write("DIR/out/deep/" + name, name); read("DIR/out/deep/" + name); }
    "#;
    for breadth in ["exact", "siblings", "directory"] {
        let world = World::new(ALL);
        std::fs::create_dir(world.path("tmp")).unwrap();
        world.run(script, "Agent::a");
        let (code, text) = world.rex(&["policy", "learn", "%journal", "--breadth", breadth]);
        assert_eq!(code, Some(0), "{breadth} {text}");
        let policy: Vec<_> =
            text.lines().take_while(|line| !line.contains(" requests: all recorded requests are allowed")).collect();
        world.write("policy.cedar", &policy.join("\n"));
        std::fs::remove_dir_all(world.path("out")).unwrap();
        std::fs::remove_file(world.path("journal")).unwrap();
        world.run(script, "Agent::a");
    }
}
