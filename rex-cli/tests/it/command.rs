//! The command line: snapshots of its promises, exit codes, signals, and the journal.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::examples::{rex, root};

#[test]
fn snapshots() {
    trycmd::TestCases::new().env("CVC5", "").case("tests/cmd/*.trycmd").run();
}

fn policy(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("policy.cedar");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

const ALL: &str = "@id(\"all\") permit (principal, action, resource);";

#[test]
fn exit_codes_tell_endings_apart() {
    let (_dir, all) = policy(ALL);
    let (_dir, none) = policy("@id(\"none\") forbid (principal, action, resource);");
    let (_dir, typo) = policy("permit (principal, action == fs::Action::\"raed\", resource);");
    for (args, code) in [
        (&["run", "-e", "1", "--policy", &all][..], 0),
        (&["run", "-e", "throw 1", "--policy", &all], 1),
        (&["run", "-e", "let", "--policy", &all], 1),
        (&["run", "-e", "read(\"/nowhere/at/all\")", "--policy", &all], 1),
        (&["run", "--policy", &all], 2),
        (&["run", "/nowhere.rhai", "--policy", &all], 2),
        (&["run", "-e", "1", "--policy", "/nowhere.cedar"], 2),
        (&["run", "-e", "1", "--policy", &all, "--limit", "nope=1"], 2),
        (&["run", "-e", "1", "--policy", &all, "--limit", "wall_ms=many"], 2),
        (&["run", "-e", "1", "--policy", &all, "--principal", "me"], 2),
        (&["run", "-e", "1", "--policy", &all, "--principal", "Robot::\"x\""], 2),
        (&["run", "-e", "1", "--policy", &all, "--journal", "/nowhere/journal"], 2),
        (&["run", "-e", "1", "--policy", &typo], 3),
        (&["policy", "check", &typo], 3),
        (&["policy", "check", &all], 3),
        (&["policy", "check", &all, "--allow", "rex004"], 0),
        (&["policy", "check", &all, "--allow", "REX000"], 2),
        (&["policy", "check", &all, "--allow", "REX004", "--deny", "REX011"], 3),
        (&["run", "-e", "read(\"/etc/hostname\")", "--policy", &none], 4),
        (&["run", "-e", "loop {}", "--policy", &all, "--limit", "script_steps=1000"], 5),
        (&["run", "-e", "read(\"/etc/hostname\")", "--policy", &all, "--journal", "/dev/full"], 70),
        (&["ops", "fs::nope"], 2),
        (&["nope"], 2),
    ] {
        let output = rex(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn signals_end_a_run_with_its_report() {
    let (_dir, all) = policy(ALL);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rex"))
            .args(["run", "-", "--format", "json", "--policy", &all, "--limit", "wall_ms=60000"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let journal = tempfile::NamedTempFile::new().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let ready = journal.path().to_str().unwrap();
        std::io::Write::write_all(&mut stdin, format!("append(\"{ready}\", \"go\\n\"); loop {{}}").as_bytes()).unwrap();
        drop(stdin);
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::metadata(journal.path()).unwrap().len() == 0 {
            assert!(Instant::now() < deadline, "the script does not start");
            std::thread::yield_now();
        }
        let start = Instant::now();
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let mut report = String::new();
        child.stdout.take().unwrap().read_to_string(&mut report).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code));
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert!(report.contains("\"code\":\"CANCELLED_EXCEPTION\"") && report.contains("\"operations\":1"), "{report}");
    }
}

/// Returns whether a journal is intact.
fn intact(journal: &std::path::Path) -> bool {
    rex(&["audit", "verify", journal.to_str().unwrap()]).status.success()
}

#[test]
fn the_journal_has_every_decision_and_outcome() {
    let (dir, all) = policy(ALL);
    let journal = dir.path().join("journal");
    // A line that a killed run left unfinished damages no other.
    std::fs::write(&journal, "{\"time\":").unwrap();
    let journal_text = journal.to_str().unwrap();
    for _ in 0..2 {
        let script = "fs::exists(\"/etc\");\nfs::exists(\"/\");";
        assert!(rex(&["run", "-e", script, "--policy", &all, "--journal", journal_text]).status.success());
    }
    let file = std::fs::File::open(&journal).unwrap();
    let lines: Vec<String> = BufReader::new(file).lines().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 2 + 2 * 6);
    assert!(lines[1].contains("\"event\":\"torn\"") && intact(&journal));
    for line in &lines[2..] {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["time", "run", "sequence", "principal", "operation", "event"] {
            assert!(!record[key].is_null(), "{key}: {line}");
        }
        let event = record["event"].as_str().unwrap();
        assert_eq!(record["line"].is_null(), ["start", "end"].contains(&event), "{line}");
        match event {
            "start" => assert_eq!(record["policy"].as_str().unwrap().len(), 64),
            "end" => assert_eq!(record["result"], "SUCCESS"),
            "decision" => assert_eq!(record["decision"], "ALLOW"),
            "outcome" => assert_eq!(record["result"], "SUCCESS"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn two_runs_share_a_journal_line_by_line() {
    let (dir, all) = policy(ALL);
    let journal = dir.path().join("journal");
    let spawn = || {
        Command::new(env!("CARGO_BIN_EXE_rex"))
            .args(["run", "-e", "for i in 0..500 { fs::exists(\"/etc\"); }", "--policy", &all, "--journal"])
            .arg(&journal)
            .spawn()
            .unwrap()
    };
    let (mut one, mut two) = (spawn(), spawn());
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    let text = std::fs::read_to_string(&journal).unwrap();
    assert_eq!(text.lines().count(), 2_004);
    assert!(intact(&journal));
    assert!(text.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn a_journal_that_fills_up_stops_the_run_before_the_act() {
    let (dir, all) = policy(ALL);
    let target = dir.path().join("target");
    let script = format!("try {{ write(\"{}\", \"x\") }} catch (e) {{ }} print(\"on\")", target.display());
    let output = rex(&["run", "-e", &script, "--policy", &all, "--journal", "/dev/full", "--format", "json"]);
    assert_eq!(output.status.code(), Some(70));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["error"]["code"], "JOURNAL_EXCEPTION");
    assert_eq!(report["output"], serde_json::json!([]));
    assert!(!target.exists());
}

#[test]
fn a_journal_beyond_a_bound_of_the_shell_is_one_that_cannot_be_written() {
    let (dir, all) = policy(ALL);
    let journal = dir.path().join("journal");
    // The unit is 512 bytes or 1024.
    let command = format!(
        "ulimit -f 4; exec '{}' run -e 'for i in 0..100 {{ fs::exists(\"/\") }}' --policy '{all}' --journal '{}' --format json",
        env!("CARGO_BIN_EXE_rex"),
        journal.display()
    );
    let output = Command::new("sh").args(["-c", &command]).current_dir(root()).output().unwrap();
    assert_eq!(output.status.code(), Some(70), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["error"]["code"], "JOURNAL_EXCEPTION", "{report}");
    assert!(std::fs::metadata(&journal).unwrap().len() <= 4096);
}

#[test]
fn secrets_that_were_read_are_in_no_error() {
    let (dir, all) = policy(ALL);
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    let journal = dir.path().join("journal");
    let script =
        format!("let s = read(\"{0}\"); append(\"{0}\", s); fs::lines(\"{0}\", #{{nope: s}})", secret.display());
    let args = ["run", "-e", &script, "--policy", &all, "--journal", journal.to_str().unwrap()];
    let output = rex(&args);
    assert_eq!(output.status.code(), Some(1));
    let seen = [output.stdout, output.stderr, std::fs::read(&journal).unwrap()].concat();
    assert!(!String::from_utf8(seen).unwrap().contains("hunter2"));
}

#[test]
fn output_to_a_closed_pipe_is_no_panic() {
    let (_dir, all) = policy(ALL);
    let command =
        format!("'{}' run -e 'for i in 0..10000 {{ print(i) }}' --policy '{all}' | head -1", env!("CARGO_BIN_EXE_rex"));
    let output = Command::new("sh").args(["-c", &command]).current_dir(root()).output().unwrap();
    assert_eq!((output.stdout, output.stderr), (b"0\n".to_vec(), Vec::new()));
}

#[test]
fn scripts_come_from_standard_input_and_arguments_from_json() {
    let (dir, all) = policy(ALL);
    let json = dir.path().join("args.json");
    std::fs::write(&json, r#"{"n": 41, "deep": {"list": [1.5, null]}}"#).unwrap();
    let script = dir.path().join("s.rhai");
    std::fs::write(&script, "args.n + 1 + args.extra.len()").unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "'{}' run - --policy '{all}' --args '{}' --arg extra=abc < '{}'",
            env!("CARGO_BIN_EXE_rex"),
            json.display(),
            script.display()
        ))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "45\n");
}

#[test]
fn nothing_that_a_script_says_reaches_the_terminal_as_a_command_to_it() {
    let (_dir, policy) = policy("permit (principal, action, resource);");
    let escape = '\u{1b}';
    for script in [
        format!("print(\"a{escape}[2J\"); \"b\\x1b]0;t\\x07\""),
        "print(\"\\r\\u{202e}\"); [\"\\u{9b}\"]".to_owned(),
        format!("// {escape}[2J\nlet x = 1; /* \u{9b}\u{202e} */ throw \"c\\x1b[31m\""),
        "throw #{message: \"d\\x08\", help: \"\\x1b\"}".to_owned(),
        "read(\"/\\x1b[2J\")".to_owned(),
        format!("let {escape}"),
    ] {
        let output = rex(&["run", "-e", &script, "--policy", &policy, "--color", "never"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let bad = said.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!((bad, said.is_empty()), (None, false), "{script:?}: {said:?}");
    }
}

#[test]
fn a_script_cannot_change_its_own_journal() {
    let (dir, all) = policy(ALL);
    let journal = dir.path().join("j.jsonl");
    let name = journal.to_str().unwrap();
    for (number, act) in
        ["remove(J)", "write(J, \"{}\")", "append(J, \"{}\")", "rename(J, J + \"2\")"].iter().enumerate()
    {
        let script = format!("const J = \"{name}\"; try {{ fs::{act} }} catch (e) {{ print(e.code) }} {number}");
        for confine in ["require", "off"] {
            let args = ["run", "-e", &script, "--policy", &all, "--journal", name, "--confine", confine];
            let output = rex(&args);
            assert_eq!(String::from_utf8_lossy(&output.stdout), format!("UNSUPPORTED_EXCEPTION\n{number}\n"), "{act}");
        }
    }
    let lines = std::fs::read_to_string(&journal).unwrap();
    assert_eq!(lines.lines().filter(|line| line.contains("\"event\":\"decision\"")).count(), 8, "{lines}");
}

#[test]
fn no_policy_file_is_left_out_in_silence() {
    let (dir, all) = policy(ALL);
    let folder = dir.path().join("folder");
    std::fs::create_dir_all(folder.join("real")).unwrap();
    std::fs::write(folder.join("real/f.cedar"), "@id(\"f\") forbid (principal, action, resource);").unwrap();
    let run = |folder: &std::path::Path| {
        rex(&["run", "-e", "read(\"/etc/hostname\")", "--policy", &all, "--policy", folder.to_str().unwrap()])
    };
    assert_eq!(run(&folder).status.code(), Some(4));
    // Files that a deployment keeps beside the links to them are not read twice.
    std::fs::rename(folder.join("real"), folder.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/f.cedar", folder.join("f.cedar")).unwrap();
    assert_eq!(run(&folder).status.code(), Some(4));
    std::os::unix::fs::symlink("..data", folder.join("site")).unwrap();
    assert_eq!(run(&folder).status.code(), Some(2));
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    assert_eq!(run(&empty).status.code(), Some(2));
}

#[test]
fn a_signal_before_the_run_ends_the_command_as_it_ends_others() {
    let (_dir, all) = policy(ALL);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rex"));
    command.args(["run", "-", "--policy", &all]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn().unwrap();
    let status = loop {
        // The child may not have begun to read, which makes no difference.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id().try_into().unwrap()), nix::sys::signal::SIGTERM)
            .unwrap();
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::yield_now();
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let (_dir, all) = policy(ALL);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rex"));
    let status =
        command.args(["run", "-e", "1", "--policy", &all]).stdout(full).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(70));
}

#[test]
fn nothing_in_a_policy_reaches_the_terminal_as_a_command_to_it() {
    let (_dir, typo) =
        policy("// \u{1b}]0;pwned\u{7}\u{1b}[31m\npermit (principal, action == fs::Action::\"raed\", resource);");
    let output = rex(&["policy", "check", &typo, "--color", "never"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(!output.stderr.contains(&0x1b) && !output.stderr.contains(&7));
}
