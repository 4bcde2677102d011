//! A journal that continues in new files: nothing is lost, concurrent runs find the new one, and scripts change none.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::examples::rex;

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("all.cedar"), "@id(\"all\") permit (principal, action, resource);").unwrap();
        std::fs::create_dir(dir.path().join("log")).unwrap();
        Self { dir }
    }

    fn journal(&self) -> PathBuf {
        self.dir.path().join("log/journal")
    }

    fn command(&self, script: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rex"));
        command.args(["run", "--format=json", "-e", script, "--policy"]).arg(self.dir.path().join("all.cedar"));
        command.arg("--journal").arg(self.journal()).args(more).env_remove("NO_COLOR");
        command
    }

    fn run(&self, script: &str, more: &[&str]) -> Output {
        let output = self.command(script, more).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }

    fn verify(&self) -> (Option<i32>, Value) {
        verify(&[self.journal()])
    }

    /// Returns the names of the journal's files.
    fn files(&self) -> Vec<String> {
        let entries = self.journal().parent().unwrap().read_dir().unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn verify(files: &[PathBuf]) -> (Option<i32>, Value) {
    let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let output = rex(&[&["audit", "verify", "--format=json"], &files[..]].concat());
    let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (output.status.code(), verdict)
}

#[test]
fn runs_at_once_lose_no_line_when_the_journal_is_rotated() {
    let world = World::new();
    let script = "for i in 0..200 { fs::exists(\"/etc/\" + i) }";
    let rotations = [&["--journal-rotate=size=4kB"][..], &["--journal-rotate=size=9kB"], &[], &["--confine=off"]];
    let runs: Vec<_> = rotations
        .iter()
        .map(|rotation| world.command(script, rotation).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    let (code, verdict) = world.verify();
    let files = world.files();
    assert_eq!((code, &verdict["runs"], &verdict["unended"]), (Some(0), &4.into(), &0.into()), "{verdict}");
    assert_eq!(verdict["files"].as_u64(), Some(files.len() as u64), "{files:?}");
    assert!(files.len() > 5 && verdict["continues"].is_null(), "{files:?}");
    // Each run has a decision and an outcome per call, its start and its end; each file but the first has its first line.
    assert_eq!(verdict["lines"].as_u64(), Some(4 * 402 + files.len() as u64 - 1));
}

/// Checks that a journal that is rotated while it is verified is intact: the file that has the name first is the one that is read.
#[test]
fn a_journal_that_is_rotated_meanwhile_is_intact() {
    let world = World::new();
    world.run("1", &[]);
    let script = "for i in 0..2000 { fs::exists(\"/etc/\" + i) }";
    let mut writer = world.command(script, &["--journal-rotate=size=2kB"]).stdout(Stdio::null()).spawn().unwrap();
    let mut verdicts = Vec::new();
    while writer.try_wait().unwrap().is_none() {
        verdicts.push(world.verify());
    }
    assert!(verdicts.iter().all(|(code, _)| *code == Some(0)), "{verdicts:?}");
    assert!(world.files().len() > 5 && !verdicts.is_empty());
}

#[test]
fn what_is_missing_between_files_is_told() {
    let world = World::new();
    for _ in 0..4 {
        world.run("fs::exists(\"/etc\")", &["--journal-rotate", "size=1"]);
    }
    let files: Vec<_> = world.files().iter().map(|name| world.journal().with_file_name(name)).collect();
    let [newest, first, second, ..] = &files[..] else { panic!("{files:?}") };
    assert_eq!(verify(&[first.clone(), second.clone()]).0, Some(0));
    let (code, verdict) = verify(&[second.clone(), newest.clone()]);
    assert_eq!((code, &verdict["findings"][0]["kind"]), (Some(1), &"not_continued".into()), "{verdict}");
    let text = std::fs::read_to_string(second).unwrap();
    std::fs::write(second, text.replace("\"start\"", "\"stort\"").replace("decision", "decusion")).unwrap();
    let (code, verdict) = world.verify();
    assert_eq!(code, Some(1), "{verdict}");
    assert!(verdict["findings"][0]["file"].as_str().unwrap().ends_with("journal.000002"), "{verdict}");
    // Files are removed the oldest first: one that is gone between two others is a change.
    std::fs::remove_file(second).unwrap();
    let (code, verdict) = world.verify();
    assert_eq!((code, &verdict["findings"][0]["kind"]), (Some(1), &"not_continued".into()), "{verdict}");
    // The oldest files may be gone, which is reported.
    std::fs::remove_file(first).unwrap();
    let (code, verdict) = world.verify();
    assert_eq!((code, &verdict["continues"]), (Some(0), &"journal.000002".into()), "{verdict}");
}

#[test]
fn a_file_is_as_old_as_its_first_line() {
    let world = World::new();
    let (mut chain, mut bytes) = (rex_audit::Chain::after(rex_audit::LineHash::NONE), Vec::new());
    let old = r#"{"time":"2026-01-01T00:00:00Z","run":"r","sequence":1,"principal":"","event":"start"}"#;
    chain.link(old.as_bytes(), &mut bytes).unwrap();
    std::fs::write(world.journal(), &bytes).unwrap();
    for _ in 0..2 {
        world.run("1", &["--journal-rotate", "size=1GB,age=1h"]);
    }
    assert_eq!(world.files(), ["journal", "journal.000001"]);
    assert_eq!(std::fs::read(world.journal().with_file_name("journal.000001")).unwrap(), bytes);
    assert_eq!(world.verify().0, Some(0));
}

#[test]
fn a_script_changes_no_file_of_its_journal() {
    for confine in ["require", "off"] {
        let world = World::new();
        world.run("1", &["--journal-rotate", "size=1"]);
        let journal = world.journal().display().to_string();
        let script = format!(
            r#"
            const J = "{journal}";
            for i in 0..4 {{ write("{}", "x") }}
            for file in fs::list("{}") {{
                for act in [|f| fs::remove(f), |f| write(f, "x"), |f| append(f, "x"), |f| fs::rename(f, "{journal}x")] {{
                    try {{ act.call(file.path); print("done: " + file.path) }} catch (e) {{ print(e.code) }}
                }}
            }}
            "#,
            world.dir.path().join("other").display(),
            world.journal().parent().unwrap().display()
        );
        let output = world.run(&script, &["--confine", confine, "--journal-rotate", "size=1", "--durability=none"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let printed = report["output"].as_array().unwrap();
        assert!(printed.len() >= 4 * 4, "{report}");
        assert!(printed.iter().all(|line| line == "UNSUPPORTED_EXCEPTION"), "{report}");
        assert_eq!(world.verify().0, Some(0));
    }
}

#[test]
fn a_directory_with_the_name_of_the_next_file_is_moved_away() {
    let world = World::new();
    world.run("1", &[]);
    let next = world.journal().with_file_name(".journal.next");
    for _ in 0..3 {
        std::fs::create_dir(&next).unwrap();
        std::fs::write(next.join("kept"), "x").unwrap();
        world.run("1", &["--journal-rotate", "size=1"]);
        assert_eq!((world.verify().0, next.exists()), (Some(0), false));
    }
    let entries = std::fs::read_dir(next.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(entries.filter(|path| path.join("kept").exists()).count(), 3);
}

#[test]
fn who_is_killed_while_rotating_loses_nothing() {
    let world = World::new();
    world.run("1", &[]);
    let (journal, next) = (world.journal(), world.journal().with_file_name(".journal.next"));
    // Killed after the old file got its second name: the journal continues in it, and it keeps that name when it is rotated.
    std::fs::hard_link(&journal, journal.with_file_name("journal.000001")).unwrap();
    std::fs::write(&next, "{\"half").unwrap();
    world.run("1", &[]);
    assert_eq!((world.verify().0, world.verify().1["lines"].as_u64()), (Some(0), Some(4)));
    world.run("1", &["--journal-rotate", "size=1"]);
    let (code, verdict) = world.verify();
    assert_eq!((code, verdict["runs"].as_u64(), verdict["torn"].as_array().unwrap().len()), (Some(0), Some(3), 0));
    assert_eq!((next.exists(), world.files()), (false, vec!["journal".to_owned(), "journal.000001".to_owned()]));
    // Killed at any moment: acknowledged records are there.
    for turn in 0_u64..12 {
        let script = "for i in 0..2000 { fs::exists(\"/etc\") }";
        let mut run = world
            .command(script, &["--journal-rotate=size=500", "--durability=none"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let enough = world.files().len() as u64 + 1 + turn % 7;
        while (world.files().len() as u64) < enough && run.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        run.kill().unwrap();
        run.wait().unwrap();
        let (code, verdict) = world.verify();
        assert_eq!(code, Some(0), "{verdict}");
        assert!(verdict["continues"].is_null() && verdict["files"].as_u64() > Some(turn), "{verdict}");
    }
}

#[test]
fn a_link_leads_to_where_the_files_are() {
    let world = World::new();
    let link = world.dir.path().join("link");
    std::os::unix::fs::symlink(world.journal(), &link).unwrap();
    std::fs::write(world.journal(), "").unwrap();
    for _ in 0..2 {
        world.run("1", &["--journal-rotate", "size=1"]);
    }
    assert!(link.is_symlink() && world.files().contains(&"journal.000001".to_owned()), "{:?}", world.files());
    assert_eq!(world.verify().0, Some(0));
}
