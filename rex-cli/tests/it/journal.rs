//! The journal of runs: linked, signed, verified, and free of secrets.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use crate::examples::rex;

const ALL: &str = "@id(\"all\") permit (principal, action, resource);";

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("all.cedar"), ALL).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn run(&self, script: &str, more: &[&str]) -> Output {
        let (policy, journal) = (self.text("all.cedar"), self.text("journal"));
        let args = ["run", "--format=json", "-e", script, "--policy", &policy, "--journal", &journal];
        rex(&[&args[..], more].concat())
    }

    fn verify(&self, more: &[&str]) -> (Option<i32>, Value) {
        let journal = self.text("journal");
        let output = rex(&[&["audit", "verify", "--format=json", &journal], more].concat());
        let verdict = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output.status.code(), verdict)
    }
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// Checks that a run's end is not written without its signature, wherever the room for the file ends.
#[test]
fn a_full_disk_leaves_no_half_of_what_is_written_at_once() {
    let world = World::new();
    let key = world.text("key.pem");
    assert!(rex(&["audit", "keygen", &key]).status.success());
    let sizes = [(); 2].map(|()| {
        assert!(world.run("1", &["--checkpoint-key", &key]).status.success());
        std::fs::read(world.path("journal")).unwrap()
    });
    let [once, twice] = &sizes;
    let public = format!("{key}.pub");
    let mut failed = 0;
    for room in (once.len()..twice.len() + 8).step_by(16) {
        std::fs::write(world.path("journal"), once).unwrap();
        let output = Command::new("prlimit")
            .args([&format!("--fsize={room}"), env!("CARGO_BIN_EXE_rex"), "run", "-e", "1", "--confine=off"])
            .args(["--policy", &world.text("all.cedar"), "--journal", &world.text("journal"), "--checkpoint-key", &key])
            .output()
            .unwrap();
        failed += u32::from(!output.status.success());
        let (code, verdict) = world.verify(&["--key", &public]);
        assert_eq!(code, Some(0), "{room} of {} to {}: {verdict}", once.len(), twice.len());
    }
    assert!(failed > 10, "{failed}");
}

#[test]
fn what_was_changed_is_told() {
    let world = World::new();
    for _ in 0..2 {
        assert!(world.run("fs::exists(\"/etc\")", &[]).status.success());
    }
    let (code, verdict) = world.verify(&[]);
    assert_eq!(
        (code, &verdict["intact"], &verdict["lines"], &verdict["runs"]),
        (Some(0), &true.into(), &8.into(), &2.into())
    );
    let head = verdict["head"].as_str().unwrap().to_owned();
    let written = lines(&world.path("journal"));
    let put = |lines: &[String]| std::fs::write(world.path("journal"), lines.join("\n") + "\n").unwrap();
    let mut edited = written.clone();
    edited[1] = edited[1].replace("/etc", "/usr");
    put(&edited);
    let (code, verdict) = world.verify(&[]);
    assert_eq!(code, Some(1));
    let finding = &verdict["findings"][0];
    assert_eq!((&finding["kind"], &finding["line"], &finding["sequence"]), (&"edited".into(), &2.into(), &2.into()));
    let human = rex(&["audit", "verify", &world.text("journal")]);
    let human = String::from_utf8(human.stdout).unwrap();
    assert!(human.contains("journal:2: edited: ") && human.contains("changed: 8 lines, 2 runs\n"), "{human}");
    put(&written[..7]);
    assert_eq!(world.verify(&[]).0, Some(0), "a tail that was cut shows only");
    let (code, verdict) = world.verify(&["--head", &head]);
    assert_eq!((code, &verdict["findings"][0]["kind"]), (Some(1), &"missing".into()), "where the head is known");
    assert_eq!(rex(&["audit", "verify", "/nowhere"]).status.code(), Some(2));
    assert_eq!(rex(&["audit", "verify", "/dev/null", "--head", "x"]).status.code(), Some(2));
}

#[test]
fn who_has_no_key_writes_no_journal_anew() {
    let world = World::new();
    let (key, public) = (world.text("key"), world.text("key.pub"));
    assert!(rex(&["audit", "keygen", &key]).status.success());
    assert_eq!(rex(&["audit", "keygen", &key]).status.code(), Some(2), "a key is not replaced");
    for confine in ["require", "off"] {
        let output = world.run("fs::exists(\"/etc\")", &["--checkpoint-key", &key, "--confine", confine]);
        assert!(output.status.success(), "{output:?}");
    }
    assert!(world.run("fs::exists(\"/etc\")", &[]).status.success());
    let (code, verdict) = world.verify(&["--key", &public]);
    assert_eq!((code, &verdict["checkpoints"], &verdict["unsigned"]), (Some(1), &2.into(), &4.into()), "{verdict}");
    assert_eq!((&verdict["signed"]["line"], &verdict["findings"][0]["line"]), (&10.into(), &14.into()));
    assert_eq!(verdict["findings"][0]["kind"], "unsigned_run");
    // An honest run after it signs all lines, and does not make it honest.
    assert!(world.run("fs::exists(\"/etc\")", &["--checkpoint-key", &key]).status.success());
    let (code, verdict) = world.verify(&["--key", &public]);
    assert_eq!((code, &verdict["unsigned"], &verdict["more_findings"]), (Some(1), &0.into(), &0.into()), "{verdict}");
    assert_eq!((&verdict["findings"][0]["line"], verdict["findings"].as_array().unwrap().len()), (&14.into(), 1));
    std::fs::remove_file(world.path("journal")).unwrap();
    assert!(world.run("fs::exists(\"/etc\")", &[]).status.success());
    let (code, verdict) = world.verify(&["--key", &public]);
    assert_eq!((code, &verdict["findings"][0]["kind"]), (Some(1), &"unsigned".into()));
    // Others may read it, whatever the umask is.
    std::fs::set_permissions(&public, PermissionsExt::from_mode(0o644)).unwrap();
    for (bad, why) in [(public.as_str(), "users other than its owner"), ("/nowhere", "No such file")] {
        let output = world.run("1", &["--checkpoint-key", bad]);
        assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains(why), "{output:?}");
    }
    // An invalid key is found once the worker is there; the script has no turn.
    std::fs::write(&key, "no key").unwrap();
    let output = world.run(&format!("write(\"{}\", \"x\")", world.text("written")), &["--checkpoint-key", &key]);
    assert!(output.status.code() == Some(2) && !world.path("written").exists(), "{output:?}");
}

#[test]
fn a_line_does_not_wait_for_the_next_one() {
    let world = World::new();
    let (policy, journal) = (world.text("all.cedar"), world.text("journal"));
    let script = "fs::exists(\"/\"); sleep(600.0);";
    let args = ["run", "-e", script, "--policy", &policy, "--journal", &journal, "--limit", "wall=700s"];
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_rex")).args(args).spawn().unwrap();
    let written = || std::fs::read_to_string(&journal).unwrap_or_default().contains(r#""event":"outcome""#);
    while !written() && run.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    let ended = run.try_wait().unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(ended.is_none() && written());
}

#[test]
fn secrets_in_names_are_not_written() {
    let world = World::new();
    for confine in ["require", "off"] {
        let script =
            r#"try { read("/nowhere/password=hunter2") } catch { } try { read("/AKIAIOSFODNN7EXAMPLE") } catch { }"#;
        assert!(world.run(script, &["--confine", confine, "--tag", "token=hunter2"]).status.success());
    }
    let text = lines(&world.path("journal")).join("\n");
    assert!(!text.contains("hunter2") && !text.contains("AKIA"), "{text}");
    assert_eq!(text.matches("/nowhere/password=[redacted]\"").count(), 2, "{text}");
    assert_eq!(world.verify(&[]).0, Some(0));
}

#[test]
fn however_durable_the_lines_are_there() {
    let world = World::new();
    let script = format!("for i in 0..3 {{ append(\"{}\", \"x\") }}", world.text("log"));
    for (number, durability) in ["none", "batch", "each"].iter().enumerate() {
        assert!(world.run(&script, &["--durability", durability]).status.success());
        let (code, verdict) = world.verify(&[]);
        assert_eq!((code, &verdict["runs"], &verdict["unended"]), (Some(0), &(number + 1).into(), &0.into()));
    }
}

#[test]
fn what_is_no_journal_is_not_added_to() {
    let world = World::new();
    let effect = format!("write(\"{}\", \"x\")", world.text("effect"));
    for text in ["root:x:0:0:root:/root:/bin/bash\n", "not json", "\n"] {
        std::fs::write(world.path("journal"), text).unwrap();
        let output = world.run(&effect, &[]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("it is not a journal: it does not begin with a record"), "{message}");
        assert_eq!(std::fs::read_to_string(world.path("journal")).unwrap(), text);
    }
    assert!(!world.path("effect").exists());
}

/// Opens a pipe to read, with or without a writer.
fn opened(path: &Path) -> File {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

/// Waits until the pipe has data.
fn wait(pipe: &File) {
    let mut waited = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut waited, PollTimeout::from(10_000_u16)), Ok(1));
    rustix::io::ioctl_fionbio(pipe, false).unwrap();
}

#[test]
fn a_pipe_that_nobody_reads_is_no_journal() {
    let world = World::new();
    let (journal, effect) = (world.path("journal"), world.path("effect"));
    nix::unistd::mkfifo(&journal, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let script = format!("write(\"{}\", \"x\")", effect.display());
    let output = world.run(&script, &[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("a pipe without a reader"));
    assert!(!effect.exists());
    // With a reader, all of it arrives, also more than a pipe holds.
    let mut pipe = opened(&journal);
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        wait(&pipe);
        pipe.read_to_string(&mut text).unwrap();
        text
    });
    let script = format!("for i in 0..1000 {{ fs::exists(\"{}\") }}; {script}", effect.display());
    let output = world.run(&script, &[]);
    assert!(output.status.success(), "{output:?}");
    let text = reader.join().unwrap();
    assert_eq!(text.lines().count(), 2 + 2 * 1001, "{}", text.len());
    assert!(effect.exists());
}

#[test]
fn a_pipe_that_is_not_read_to_the_end_ends_the_run() {
    let world = World::new();
    let (journal, effect) = (world.path("journal"), world.path("effect"));
    nix::unistd::mkfifo(&journal, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut pipe = opened(&journal);
    let reader = std::thread::spawn(move || {
        wait(&pipe);
        pipe.read_exact(&mut [0]).unwrap();
    });
    let script = format!("for i in 0..5000 {{ fs::exists(\"/etc\") }}; write(\"{}\", \"x\")", effect.display());
    let output = world.run(&script, &[]);
    assert_eq!(output.status.code(), Some(70), "{output:?}");
    reader.join().unwrap();
    assert!(!effect.exists());
}
