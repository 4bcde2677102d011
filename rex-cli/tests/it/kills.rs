//! Worker and supervisor killed at random moments: no effect without its record, no orphan, no half-written file, and if the
//! supervisor survives, a whole report.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::escapes::{Who, World, has_no_process};

/// A script that writes files, whole or not at all, and appends lines to one.
const SCRIPT: &str = r#"
    print("begin");
    let text = "";
    text.pad(20_000, "0123456789");
    for i in 0..100_000 {
        write(args.w + "/out/" + i, text);
        append(args.w + "/out/log", "line " + i + "\n");
        read(args.w + "/open/app.log");
    }
"#;
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Worker,
    Supervisor,
}

/// Waits for something that must happen.
fn wait_until(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < PATIENCE, "{what} takes too long");
        std::thread::yield_now();
    }
}

/// Returns the first child of a process.
fn worker_of(supervisor: &Child) -> Option<Pid> {
    let pid = supervisor.id();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Some(Pid::from_raw(children.split_whitespace().next()?.parse().ok()?))
}

/// Starts a run of [`SCRIPT`]; returns it with its worker and its journal.
fn start(world: &World, limits: &[&str]) -> (Child, Pid, PathBuf) {
    let (journal, policy) = (world.path("journal"), world.path("kills.cedar"));
    let permit = |action: &str, directory: &str| {
        let path = world.w().join(directory).display().to_string();
        format!("permit (principal, action in fs::Action::\"{action}\", resource in fs::Path::\"{path}\");\n")
    };
    std::fs::write(&policy, permit("ReadOnly", "open") + &permit("Mutating", "out")).unwrap();
    let supervisor = world
        .command("rex")
        .unwrap()
        .args(["run", "--format=json", "--principal=Agent::\"x\"", "-e", SCRIPT])
        .arg(format!("--policy={}", policy.display()))
        .arg(format!("--journal={}", journal.display()))
        .arg(format!("--arg=w={}", world.w().display()))
        .args(limits)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut worker = None;
    wait_until("a worker", || {
        worker = worker_of(&supervisor);
        worker.is_some()
    });
    (supervisor, worker.unwrap(), journal)
}

fn kill_at(victim: Victim, lines: usize) {
    let world = World::new(Who::Own);
    let (mut supervisor, worker, journal) = start(&world, &[]);
    let text = || std::fs::read(&journal).unwrap_or_default();
    wait_until("the journal", || text().iter().filter(|byte| **byte == b'\n').count() >= lines);
    match victim {
        Victim::Worker => kill(worker, Signal::SIGKILL).unwrap(),
        Victim::Supervisor => supervisor.kill().unwrap(),
    }
    let output = supervisor.wait_with_output().unwrap();
    if victim == Victim::Worker {
        assert_eq!(output.status.code(), Some(70), "{output:?}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["error"]["code"], "INTERNAL_EXCEPTION");
    }
    wait_until("the end of the worker", || has_no_process(&world));
    holds(&world, &text(), victim);
}

/// Checks that the journal has all effects, and that each of them is complete.
fn holds(world: &World, journal: &[u8], victim: Victim) {
    let mut verifier = rex_audit::Verifier::new();
    verifier.file("journal", journal).unwrap();
    let verdict = verifier.finish();
    assert!(verdict.is_intact() && verdict.torn.len() <= usize::from(victim == Victim::Supervisor), "{verdict:?}");
    let journal = String::from_utf8_lossy(journal);
    let mut written = BTreeSet::new();
    let mut appends = 0;
    for line in journal.split_inclusive('\n') {
        let Ok(line) = serde_json::from_str::<Value>(line) else {
            assert!(victim == Victim::Supervisor && !line.ends_with('\n'), "torn: {line}");
            continue;
        };
        if line["decision"] == "ALLOW" && line["action"] == "fs::write" {
            written.insert(line["resource"].as_str().unwrap().to_owned());
        }
        appends += usize::from(line["decision"] == "ALLOW" && line["action"] == "fs::append");
    }
    for entry in std::fs::read_dir(world.w().join("out")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "log" {
            let lines = std::fs::read_to_string(&path).unwrap();
            assert!(lines.lines().count() <= appends, "{lines}");
            assert!(lines.is_empty() || lines.ends_with('\n'), "{lines}");
        } else if name.parse::<u64>().is_ok() {
            assert_eq!(path.metadata().unwrap().len(), 20_000, "{name} is half written");
            assert!(written.contains(path.to_str().unwrap()), "{name} is not on record");
        } else {
            // A temporary file may remain, under its own name.
            assert!(["dir", "link", "dangling", "dirlink"].contains(&name) || name.contains(".rex-"), "{name}");
        }
    }
}

#[test]
fn however_a_worker_ends_there_is_a_report() {
    let limits = ["--limit=wall_ms=300"];
    for (signal, exit, code) in [
        (Signal::SIGSEGV, 70, "INTERNAL_EXCEPTION"),
        (Signal::SIGSYS, 70, "INTERNAL_EXCEPTION"),
        (Signal::SIGABRT, 70, "INTERNAL_EXCEPTION"),
        (Signal::SIGBUS, 70, "INTERNAL_EXCEPTION"),
        (Signal::SIGKILL, 70, "INTERNAL_EXCEPTION"),
        (Signal::SIGXCPU, 5, "LIMIT_EXCEEDED_EXCEPTION"),
        (Signal::SIGSTOP, 5, "LIMIT_EXCEEDED_EXCEPTION"),
    ] {
        let world = World::new(Who::Own);
        let (supervisor, worker, journal) = start(&world, &limits);
        wait_until("the journal", || journal.metadata().is_ok_and(|metadata| metadata.len() > 0));
        kill(worker, signal).unwrap();
        if matches!(signal, Signal::SIGSEGV | Signal::SIGBUS) {
            // Rust's handler for these returns, so that the fault is repeated.
            let status = || std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap_or_default();
            wait_until("the handler", || status().lines().any(|line| line == "ShdPnd:\t0000000000000000"));
            let _ = kill(worker, signal);
        }
        let output = supervisor.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((output.status.code(), &report["error"]["code"]), (Some(exit), &code.into()), "{signal}: {report}");
        assert_eq!(report["output"][0], "begin", "{signal}: {report}");
        assert!(report["stats"]["decisions"].as_u64() > Some(0) && has_no_process(&world), "{signal}: {report}");
        holds(&world, &std::fs::read(&journal).unwrap(), Victim::Worker);
    }
}

#[test]
fn killed_at_any_moment_nothing_is_half_done_or_unknown() {
    let run = |half: usize| {
        for number in (half..500).step_by(2) {
            // Spread over the beginning, in steps that have no common factor with other numbers here.
            let victim = if number % 4 < 2 { Victim::Worker } else { Victim::Supervisor };
            kill_at(victim, number * 37 % 61);
        }
    };
    std::thread::scope(|scope| {
        let halves = [scope.spawn(|| run(0)), scope.spawn(|| run(1))];
        halves.into_iter().for_each(|half| half.join().unwrap());
    });
}

/// Checks that a run was stopped by a signal; returns its report.
#[track_caller]
fn stopped(output: std::process::Output) -> Value {
    assert_eq!(output.status.code(), Some(143), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    assert_eq!(report["error"]["code"], "CANCELLED_EXCEPTION", "{report}");
    report
}

fn begun(journal: &std::path::Path) {
    wait_until("the journal", || journal.metadata().is_ok_and(|metadata| metadata.len() > 0));
}

#[test]
fn a_signal_to_all_processes_of_a_run_stops_it_as_one_to_the_run_does() {
    for round in 0..24 {
        let world = World::new(Who::Own);
        let (supervisor, worker, journal) = start(&world, &[]);
        begun(&journal);
        let own = Pid::from_raw(supervisor.id().try_into().unwrap());
        // In either order, as a service manager finds them; the supervisor forwards its own.
        let (first, second) = if round % 2 == 0 { (own, worker) } else { (worker, own) };
        kill(first, Signal::SIGTERM).unwrap();
        for _ in 0..round * 10 {
            std::thread::yield_now();
        }
        let _ = kill(second, Signal::SIGTERM);
        stopped(supervisor.wait_with_output().unwrap());
        wait_until("the end of the worker", || has_no_process(&world));
        holds(&world, &std::fs::read(&journal).unwrap(), Victim::Worker);
    }
}

#[test]
fn a_run_that_cannot_end_by_itself_is_stopped_all_the_same() {
    // A worker that hangs, like one that waits for a file system.
    let world = World::new(Who::Own);
    let (supervisor, worker, journal) = start(&world, &[]);
    begun(&journal);
    kill(worker, Signal::SIGSTOP).unwrap();
    kill(Pid::from_raw(supervisor.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    stopped(supervisor.wait_with_output().unwrap());

    // A journal that another process keeps locked.
    let world = World::new(Who::Own);
    let (supervisor, _, journal) = start(&world, &[]);
    begun(&journal);
    let lock = std::fs::File::open(&journal).unwrap();
    lock.lock().unwrap();
    kill(Pid::from_raw(supervisor.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    stopped(supervisor.wait_with_output().unwrap());
}

#[test]
fn a_run_that_waits_for_its_journal_is_stopped_before_it_begins() {
    let world = World::new(Who::Own);
    let journal = world.path("journal");
    let lock = std::fs::File::create(&journal).unwrap();
    lock.lock().unwrap();
    let policy = world.path("kills.cedar");
    std::fs::write(&policy, "").unwrap();
    let run = world
        .command("rex")
        .unwrap()
        .args(["run", "--format=json", "--principal=Agent::\"x\"", "-e", "1"])
        .arg(format!("--policy={}", policy.display()))
        .arg(format!("--journal={}", journal.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the handlers", || handles_sigterm(run.id()));
    kill(Pid::from_raw(run.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    stopped(run.wait_with_output().unwrap());
}

fn handles_sigterm(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:\t")?, 16).ok());
    caught.is_some_and(|caught| caught & (1 << (Signal::SIGTERM as i32 - 1)) != 0)
}

/// Returns the number of bytes that nobody has read yet.
fn waiting(pipe: &impl std::os::fd::AsFd) -> u64 {
    rustix::io::ioctl_fionread(pipe).unwrap()
}

#[test]
fn a_run_is_stopped_while_nobody_reads_a_pipe_of_it() {
    const FULL: u64 = 60_000;
    // Its journal is a pipe.
    let world = World::new(Who::Own);
    let (pipe, policy) = (world.path("pipe"), world.path("kills.cedar"));
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let directory = world.w().join("open");
    let permit = format!(
        "permit (principal, action in fs::Action::\"ReadOnly\", resource in fs::Path::\"{}\");",
        directory.display()
    );
    std::fs::write(&policy, permit).unwrap();
    let command = |script: &str| {
        let mut command = world.command("rex").unwrap();
        command
            .args(["run", "--format=json", "--principal=Agent::\"x\"", "-e", script])
            .arg(format!("--policy={}", policy.display()))
            .stdout(Stdio::piped());
        command
    };
    let reads = format!("for i in 0..10_000 {{ fs::exists(\"{}/app.log\"); }}", directory.display());
    let run = command(&reads).arg(format!("--journal={}", pipe.display())).spawn().unwrap();
    wait_until("a full pipe", || waiting(&reader) > FULL);
    kill(Pid::from_raw(run.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    stopped(run.wait_with_output().unwrap());
    // Its report is written to a pipe. The run has ended by then, and the signal has its default effect.
    let mut run = command("let t = \"\"; t.pad(100_000, \"x\"); t").spawn().unwrap();
    let stdout = run.stdout.take().unwrap();
    wait_until("a full pipe", || waiting(&stdout) > FULL);
    kill(Pid::from_raw(run.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let status = run.wait().unwrap();
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    assert!(status.code() == Some(143) || signal == Some(15), "{status:?}");
}
