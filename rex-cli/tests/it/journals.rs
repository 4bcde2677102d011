//! `rex audit`, which reads journals.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn line(run: &str) -> String {
    format!(
        r#"{{"time":"2026-11-23T12:42:29Z","run":"{run}","sequence":1,"principal":"Agent::\"t\"","operation":"","line":null,"event":"start","script":"","tags":[],"policy":null}}"#
    ) + "\n"
}

fn add(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Starts `rex audit tail -f`, and returns a function that reads its output.
fn follow(journal: &Path, args: &[&str]) -> (Child, impl FnMut() -> String + use<>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rex"))
        .args(["audit", "tail", "-f", "--format", "json"])
        .args(args)
        .arg(journal)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let next = move || {
        let line = lines.next().unwrap().unwrap();
        rex_audit::Entry::parse(line.as_bytes()).unwrap().run.into_owned()
    };
    (child, next)
}

#[test]
fn tail_follows_a_journal_through_truncation_and_rotation() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    add(&journal, &["a", "b", "c"].map(line).concat());
    let torn = line("d");
    let (begun, rest) = torn.split_at(20);
    add(&journal, begun);
    let (mut child, mut next) = follow(&journal, &["-n", "2"]);
    assert_eq!([next(), next()], ["b", "c"]);
    // The rest of the line that was being written.
    add(&journal, rest);
    assert_eq!(next(), "d");
    add(&journal, &line("e"));
    assert_eq!(next(), "e");
    // Copied and truncated, with an unfinished line.
    add(&journal, begun);
    fs::write(&journal, line("f")).unwrap();
    assert_eq!(next(), "f");
    // Renamed and created again, more than once.
    for run in ["g", "h", "i"] {
        add(&journal, &line(run));
        assert_eq!(next(), run);
        fs::rename(&journal, dir.path().join(format!("old-{run}"))).unwrap();
        let renamed = format!("new-{run}");
        add(&journal, &line(&renamed));
        assert_eq!(next(), renamed);
    }
    // Replaced by a file that was written elsewhere.
    let other = dir.path().join("other");
    fs::write(&other, line("j")).unwrap();
    fs::rename(&other, &journal).unwrap();
    assert_eq!(next(), "j");
    fs::remove_file(&journal).unwrap();
    add(&journal, &line("k"));
    assert_eq!(next(), "k");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn tail_follows_what_a_link_names() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    let (real, link) = (dir.path().join("real/journal"), dir.path().join("journal"));
    fs::write(&real, "").unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let (mut child, mut next) = follow(&link, &["--run", "b"]);
    add(&real, &["a", "b1"].map(line).concat());
    assert_eq!(next(), "b1");
    fs::rename(&real, dir.path().join("real/old")).unwrap();
    add(&real, &line("b2"));
    assert_eq!(next(), "b2");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn tail_ends_when_nobody_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    add(&journal, &line("a"));
    let (mut child, mut next) = follow(&journal, &[]);
    assert_eq!(next(), "a");
    // The reading end of its output.
    drop(next);
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_is_piped_away_is_no_mistake() {
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("journal");
    let mut file = File::create(&journal).unwrap();
    for _ in 0..20_000 {
        file.write_all(line("a").as_bytes()).unwrap();
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_rex"))
        .args(["audit", "query"])
        .arg(&journal)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("2026-11-23 12:42:29.000  a "), "{first}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
