//! Real processes and real programs.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests start processes behind Rex's back")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rex_core::action::{fs as files, process};
use rex_core::process::{Process, ProcessIdentity};
use rex_core::{
    AbsPath, Action, Authorize, Call, Code, Decision, Effect, Error, Extent, Limits, MemoryJournal, Principal, Reach,
    ReachPlace, Request, Run, Subject, Value,
};
use rex_sdk::host::HostOptions;
use rex_sdk::os::{OsError, Processes};
use rex_sdk::{HostOs, Session};
use tempfile::TempDir;

/// A policy that permits everything, with these `@allow` words.
struct Allowing(&'static str);

impl Authorize for Allowing {
    fn decide(&self, _: &Request<'_>) -> Decision {
        Decision { effect: Effect::Allow, allows: Some(self.0.into()), ..Decision::allow(&["rule"]) }
    }
}

struct World {
    os: HostOs,
    run: Run,
    base: AbsPath,
}

impl World {
    /// Lets programs read all files, and change those below `/tmp/none`.
    fn new(allows: &'static str) -> Self {
        Self::reaching(allows, &[])
    }

    fn reaching(allows: &'static str, written: &[&str]) -> Self {
        Self::limited(allows, written, Limits::default().written_bytes)
    }

    fn limited(allows: &'static str, written: &[&str], written_bytes: u64) -> Self {
        let written = written.iter().map(|place| ReachPlace::Below((*place).to_owned())).collect();
        let all = Extent::Within([ReachPlace::Below("/".to_owned())].into());
        let reach = Reach::new(vec![
            (files::Read::SPEC, all.clone()),
            (files::List::SPEC, all),
            (files::Write::SPEC, Extent::Within(written)),
        ]);
        let limits = Limits { wall_ms: 60_000, written_bytes, ..Limits::default() };
        let subject = Subject::new(Principal::agent("tester"));
        let run = Run::new("test", subject, Arc::new(Allowing(allows)), Arc::new(MemoryJournal::new(1_000)), limits);
        let os = HostOs::new(HostOptions::default()).with_programs(reach);
        Self { os, run, base: AbsPath::root() }
    }

    fn call(&self, operation: &str, args: Vec<Value>) -> Result<Value, Error> {
        Session::new(&self.run, &self.os, &self.base).call(&format!("process::{operation}"), args)
    }

    fn run(&self, program: &str, arguments: &[&str], options: Value) -> Result<Value, Error> {
        let arguments = arguments.iter().map(|&word| Value::from(word)).collect::<Vec<_>>();
        self.call("run", vec![program.into(), arguments.into(), options])
    }

    fn output(&self, program: &str, arguments: &[&str], options: Value) -> String {
        let result = self.run(program, arguments, options).unwrap();
        assert_eq!(result.get("success"), Some(&Value::Bool(true)), "{result}");
        text(&result, "stdout")
    }

    fn refused(&self, program: &str, arguments: &[&str], options: Value) -> String {
        let error = self.run(program, arguments, options).unwrap_err();
        assert_ne!(error.code, Code::AccessDenied);
        error.message
    }
}

fn none() -> Value {
    Value::map([])
}

fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{key}: {other:?} in {value}"),
    }
}

fn int(value: &Value, key: &str) -> i64 {
    match value.get(key) {
        Some(Value::Int(number)) => *number,
        other => panic!("{key}: {other:?} in {value}"),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(all) => all,
        other => panic!("{other}"),
    }
}

/// A process that is not a child of this one, in its own directory, with a file open. It ends with the test.
struct Stranger {
    pid: u32,
    shell: Child,
    directory: TempDir,
}

impl Stranger {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("held"), "").unwrap();
        let mut shell = Command::new("/bin/sh")
            .args(["-c", "REX_SECRET=hunter2 sleep 300 < held & echo $!; wait"])
            .current_dir(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let pid = line.trim().parse().unwrap();
        // The shell prints the number before the program is in place.
        while fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap() != "sleep\x00300\0" {
            std::thread::yield_now();
        }
        Self { pid, shell, directory }
    }

    fn number(&self) -> Value {
        Value::count(self.pid)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.pid).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        self.shell.wait().unwrap();
    }
}

#[test]
fn a_process_is_told_as_it_is() {
    let (world, stranger) = (World::new(""), Stranger::new());
    let told = world.call("get", vec![stranger.number()]).unwrap();
    assert_eq!(text(&told, "name"), "sleep");
    assert!(["running", "sleeping"].contains(&&*text(&told, "state")), "{told}");
    assert_eq!(int(&told, "parent"), i64::from(stranger.shell.id()));
    assert_eq!(list(told.get("arguments").unwrap()), ["sleep".into(), "300".into()]);
    assert!(text(&told, "exe").ends_with("/sleep") && int(&told, "memory") > 0);
    let own = fs::canonicalize(stranger.directory.path()).unwrap();
    assert_eq!(text(&told, "directory"), own.to_str().unwrap());
    assert!(told.get("namespaces").unwrap().get("net").is_some());

    let all = world.call("list", vec![Value::map([("name", "sleep".into())])]).unwrap();
    assert!(list(&all).iter().any(|entry| entry.get("pid") == Some(&stranger.number())));
    let limits = world.call("limits", vec![stranger.number()]).unwrap();
    assert!(list(&limits).iter().any(|limit| text(limit, "name") == "Max open files"), "{limits}");
    let tree = world.call("tree", vec![Value::map([("pid", Value::count(stranger.shell.id()))])]).unwrap();
    let depths: Vec<_> = list(&tree).iter().map(|row| (int(row, "depth"), int(row, "pid"))).collect();
    assert_eq!(depths, [(0, stranger.shell.id().into()), (1, stranger.pid.into())]);
    let top = world.call("top", vec![Value::map([("interval_ms", Value::Int(1)), ("max", Value::Int(3))])]).unwrap();
    assert!(list(&top).len() == 3 && list(&top)[0].get("cpu_percent").is_some());
}

#[test]
fn what_it_has_open_and_was_given_is_found() {
    let (world, stranger) = (World::new(""), Stranger::new());
    let held = fs::canonicalize(stranger.directory.path()).unwrap().join("held");
    let open = world.call("open_files", vec![stranger.number()]).unwrap();
    assert_eq!((int(&list(&open)[0], "descriptor"), text(&list(&open)[0], "name")), (0, held.to_str().unwrap().into()));
    let users = world.call("who_uses", vec![held.parent().unwrap().to_str().unwrap().into()]).unwrap();
    let pids: Vec<_> = list(users.get("processes").unwrap()).iter().map(|entry| int(entry, "pid")).collect();
    // The shell works there, and the other process has a file open.
    assert_eq!(pids, [stranger.shell.id(), stranger.pid].map(i64::from), "{users}");
    let users = world.call("who_uses", vec![held.to_str().unwrap().into()]).unwrap();
    assert_eq!(list(users.get("processes").unwrap()).len(), 1, "{users}");
    let environ = world.call("environ", vec![stranger.number()]).unwrap();
    assert_eq!(text(&environ, "REX_SECRET"), "hunter2");
}

#[test]
fn what_was_removed_and_is_open_is_found_with_its_size() {
    let (world, directory) = (World::new(""), tempfile::tempdir().unwrap());
    let path = fs::canonicalize(directory.path()).unwrap().join("gone.log");
    fs::write(&path, "x".repeat(100_000)).unwrap();
    let mut holder = Command::new("/bin/sleep").arg("300").stdin(fs::File::open(&path).unwrap()).spawn().unwrap();
    fs::remove_file(&path).unwrap();
    let open = world.call("open_files", vec![Value::count(holder.id())]).unwrap();
    let file = &list(&open)[0];
    assert_eq!((int(file, "size"), file.get("deleted")), (100_000, Some(&true.into())), "{open}");
    let users = world.call("who_uses", vec![path.to_str().unwrap().into()]).unwrap();
    let pids: Vec<_> = list(users.get("processes").unwrap()).iter().map(|entry| int(entry, "pid")).collect();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(pids, [i64::from(holder.id())], "{users}");
}

#[test]
fn a_long_name_finds_its_process_and_who_runs_or_maps_a_file_uses_it() {
    let (world, directory) = (World::new(""), tempfile::tempdir().unwrap());
    let place = fs::canonicalize(directory.path()).unwrap();
    let program = place.join("averyverylongprocessname");
    fs::copy("/bin/sleep", &program).unwrap();
    let mut running = Command::new(&program).arg("300").current_dir("/usr").spawn().unwrap();
    while !fs::read_link(format!("/proc/{}/exe", running.id())).is_ok_and(|exe| exe == program) {
        std::thread::yield_now();
    }
    let named = |name: &str| world.call("list", vec![Value::map([("name", name.into())])]).unwrap();
    let found = (list(&named("averyverylongprocessname")).len(), list(&named("averyverylongprogram")).len());
    let users = world.call("who_uses", vec![program.to_str().unwrap().into()]).unwrap();
    let below = world.call("who_uses", vec!["/usr".into()]).unwrap();
    running.kill().unwrap();
    running.wait().unwrap();
    assert_eq!(found, (1, 0));
    assert_eq!(int(&list(users.get("processes").unwrap())[0], "pid"), i64::from(running.id()), "{users}");
    let own = |entry: &&Value| int(entry, "pid") == i64::from(running.id());
    let used = list(below.get("processes").unwrap()).iter().find(own).unwrap().get("files").unwrap().to_string();
    assert!(used.contains(r#""/usr""#) && used.contains(".so"), "{used}");
}

#[test]
fn a_signal_reaches_the_one_that_was_decided_on() {
    let (world, stranger) = (World::new(""), Stranger::new());
    assert_eq!(
        world.call("wait", vec![stranger.number(), Value::map([("timeout", Value::Int(0))])]).unwrap(),
        false.into()
    );
    // The tests themselves may run with a nice value.
    let nice = || int(&world.call("get", vec![stranger.number()]).unwrap(), "nice");
    let before = nice();
    assert_eq!(world.call("set_priority", vec![stranger.number(), Value::Int(19)]).unwrap(), Value::Int(before));
    assert_eq!(nice(), 19);

    // A process with another identity is left alone.
    let grant = |identity: ProcessIdentity| {
        let process = Process::new(stranger.pid, identity);
        world.run.gate(Call::default()).permit(process::Signal { signal: "KILL".to_owned() }, process).unwrap()
    };
    let before = ProcessIdentity { name: "sleep".to_owned(), started: 1, ..ProcessIdentity::default() };
    let error = world.os.signal(grant(before), world.run.budget()).unwrap_err();
    assert!(matches!(error, OsError::Changed), "{error}");

    let dry = vec!["TERM".into(), Value::map([("exe", "/no/such".into())])];
    assert_eq!(list(world.call("signal_all", dry).unwrap().get("processes").unwrap()), []);
    world.call("signal", vec![stranger.number(), "sigterm".into()]).unwrap();
    assert_eq!(world.call("wait", vec![stranger.number()]).unwrap(), true.into());
    match world.call("get", vec![stranger.number()]) {
        // Its parent has not reaped it yet.
        Ok(told) => assert_eq!(text(&told, "state"), "zombie"),
        Err(gone) => assert_eq!(gone.message, format!("there is no process {}", stranger.pid)),
    }
}

#[test]
fn rex_does_not_signal_itself() {
    let world = World::new("");
    let mut child = Command::new("/bin/sleep").arg("300").spawn().unwrap();
    for pid in [std::process::id(), child.id()] {
        let error = world.call("signal", vec![Value::count(pid), "KILL".into()]).unwrap_err();
        assert!(error.message.ends_with("it is a process of Rex itself"), "{}", error.message);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // A thread has a number, but is not a process.
    let thread = nix::unistd::gettid().as_raw();
    let error = world.call("get", vec![i64::from(thread).into()]).unwrap_err();
    assert_eq!(error.code, Code::NotFound);
}

#[test]
fn a_program_that_fails_comes_with_what_it_could_open() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().canonicalize().unwrap();
    for name in ["open", "closed"] {
        fs::write(base.join(name), name).unwrap();
    }
    let (open, closed) = (base.join("open").display().to_string(), base.join("closed").display().to_string());
    let reach = Reach::new(vec![(files::Read::SPEC, Extent::Within([ReachPlace::Exactly(open.clone())].into()))]);
    let os = HostOs::new(HostOptions::default()).with_programs(reach);
    let world = World { os, ..World::new("") };
    let well = world.run("/usr/bin/cat", &[&open], none()).unwrap();
    assert_eq!((text(&well, "stdout").as_str(), well.get("help")), ("open", Some(&Value::Null)));
    let failed = world.run("/usr/bin/cat", &[&closed], none()).unwrap();
    assert_eq!(int(&failed, "status"), 1, "{failed}");
    assert_eq!(
        text(&failed, "help"),
        format!(
            "the program was confined to what the policy permits: besides itself and the libraries of the system, it could read `{open}` and change no file"
        )
    );
}

#[test]
fn a_program_gets_what_it_was_given_and_nothing_else() {
    let world = World::new("env:A interpreter");
    let words = ["a b", "", "*", "$HOME", "'", "--", "x\ny"];
    let arguments: Vec<_> = ["%s|"].iter().chain(&words).copied().collect();
    assert_eq!(world.output("/usr/bin/printf", &arguments, none()), words.map(|word| format!("{word}|")).concat());
    assert_eq!(
        world.output("/usr/bin/env", &[], Value::map([("environment", Value::map([("A", "1 2".into())]))])),
        "A=1 2\n"
    );
    assert_eq!(world.output("/usr/bin/env", &[], none()), "");
    assert_eq!(world.output("/usr/bin/pwd", &[], Value::map([("directory", "/usr".into())])), "/usr\n");
    assert_eq!(world.output("/usr/bin/cat", &[], Value::map([("stdin", "in".into())])), "in");
    assert_eq!(world.output("/usr/bin/cat", &[], none()), "");
    // The program that reads the list has it open itself.
    let open = world.output("/usr/bin/ls", &["/proc/self/fd"], none());
    assert_eq!(open.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    let status = world.output("/usr/bin/cat", &["/proc/self/status"], none());
    for line in ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.lines().any(|known| known == line), "{line}: {status}");
    }
    // The C library lets no program change whether its own two signals, and real-time signals, are ignored.
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 0x7fff_ffff, 0, "{status}");
}

#[test]
fn a_program_of_another_user_has_that_users_rights_alone() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let world = World::new("");
    let user = || Value::map([("user", "nobody".into())]);
    assert_eq!(world.output("/usr/bin/id", &["-u"], user()), "65534\n");
    assert_eq!(world.output("/usr/bin/id", &["-G"], user()), "65534\n");
    // Its writes are counted, although another user owns it.
    let writer = World::reaching("", &["/tmp/none"]);
    assert_eq!(writer.output("/usr/bin/id", &["-u"], user()), "65534\n");
    let shadow = world.run("/usr/bin/cat", &["/etc/shadow"], user()).unwrap();
    assert!(text(&shadow, "stderr").contains("Permission denied") && text(&shadow, "stdout").is_empty(), "{shadow}");
    let unknown = world.run("/usr/bin/true", &[], Value::map([("user", "no\nbody".into())])).unwrap_err();
    assert_eq!((unknown.code, &*unknown.message), (Code::NotFound, r"there is no user `no\nbody`"));
}

#[test]
fn output_is_bounded_and_nothing_hangs() {
    let world = World::new("interpreter processes");
    let options = Value::map([("max_output", Value::Int(1_000))]);
    let much = world.run("/usr/bin/head", &["-c", "1000000", "/dev/zero"], options).unwrap();
    assert_eq!((text(&much, "stdout").len(), int(&much, "stdout_discarded")), (1_000, 999_000));
    assert_eq!(much.get("truncated"), Some(&true.into()));
    // A call without a limit gets all output, or an error that says that the program has run.
    let all = world.run("/usr/bin/head", &["-c", "3000000", "/dev/zero"], none()).unwrap();
    assert_eq!((text(&all, "stdout").len(), all.get("truncated")), (3_000_000, Some(&false.into())));
    for options in [none(), Value::map([("max_output", "16MiB".into())])] {
        let error = world.run("/usr/bin/head", &["-c", "9000000", "/dev/zero"], options).unwrap_err();
        let expected = "the limit `program_output_bytes` of 8388608 bytes of output is exceeded; the program has run, and ended with status 0";
        assert_eq!((error.code, error.message.as_str()), (Code::LimitExceeded, expected));
        assert!(error.help.unwrap().contains("`--limit program_output=16MiB`"));
    }
    let words = "x".repeat(200_000);
    let error = world.run("/usr/bin/true", &[&words], none()).unwrap_err();
    assert!(error.message.contains("`program_words_bytes` of 131072") && error.help.unwrap().contains("`stdin`"));
    // It reads nothing of its input, which is longer than a pipe can hold.
    let options = Value::map([("stdin", "x".repeat(1 << 20).into())]);
    assert_eq!(world.output("/usr/bin/true", &[], options), "");

    let start = Instant::now();
    // The process that it leaves behind holds the pipe, and is ended with it.
    let script = "(while :; do :; done) & echo left";
    assert_eq!(world.output("/bin/dash", &["-c", script], none()), "left\n");
    // It ignores the signal, and so does its child.
    let script = "trap '' TERM; (trap '' TERM; while :; do :; done) & while :; do :; done";
    let late = world.run("/bin/dash", &["-c", script], Value::map([("timeout", Value::Int(1))])).unwrap();
    assert_eq!((late.get("timed_out"), text(&late, "signal")), (Some(&true.into()), "SIGKILL".to_owned()));
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn what_a_program_writes_counts_for_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().canonicalize().unwrap().display().to_string();
    let (file, pieces) = (format!("{place}/in"), format!("{place}/out"));
    fs::write(&file, vec![b'x'; 20_000]).unwrap();
    let world = |limit| World::limited("interpreter processes", &[&place], limit);
    let written = |world: &World| world.run.budget().bytes_written();
    let split = |world: &World| world.run("/usr/bin/split", &["-b", "900", "-a", "3", &file, &pieces], none());

    let enough = world(20_000);
    assert_eq!(int(&split(&enough).unwrap(), "status"), 0);
    assert_eq!(written(&enough), 20_000);
    // It may or may not have ended when Rex notices.
    let less = world(10_000);
    let error = split(&less).unwrap_err();
    assert!(
        error.is_fatal()
            && error
                .message
                .starts_with("the limit `written_bytes` of 10000 bytes written is exceeded; the program has run, and "),
        "{error}"
    );
    assert!((10_001..=20_000).contains(&written(&less)), "{}", written(&less));
    // Output is not a write to a file; nor is data between its processes, if they can write no file.
    let printed = world(1_000);
    printed.run("/usr/bin/head", &["-c", "3000000", "/dev/zero"], none()).unwrap();
    assert_eq!(written(&printed), 0);
    let nowhere = World::limited("interpreter processes", &[], 1_000);
    assert_eq!(
        nowhere.output("/bin/dash", &["-c", &format!("read x < {file}; echo $x | while read y; do :; done")], none()),
        ""
    );
    // No file gets longer than the rest of the limit.
    let input = || Value::map([("stdin", "x".repeat(20_000).into())]);
    let half = world(15_000);
    half.run.budget().count_written(5_000).unwrap();
    let error = half.run("/usr/bin/tee", &[&format!("{place}/one")], input()).unwrap_err();
    assert!(error.is_fatal() && error.message.ends_with("was ended by SIGXFSZ"), "{error}");
    assert_eq!((written(&half), fs::metadata(format!("{place}/one")).unwrap().len()), (15_000, 10_000));
}

#[test]
fn a_program_that_writes_too_much_is_ended() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().canonicalize().unwrap().display().to_string();
    let endless = format!("while :; do echo \"$1\" > {place}/x; done");
    let text = "x".repeat(50_000);
    // By itself; by a child; by an orphan.
    for script in [endless.clone(), format!("({endless}); :"), format!("(({endless}) &); while :; do :; done")] {
        let world = World::limited("interpreter processes", &[&place], 100_000);
        let error = world.run("/bin/dash", &["-c", &script, "dash", &text], none()).unwrap_err();
        assert!(error.is_fatal() && error.message.contains("`written_bytes`"), "{error}");
        assert!(error.message.ends_with("was ended by SIGKILL"), "{error}");
    }
}

#[test]
fn who_stops_the_run_stops_the_program() {
    let mut world = World::new("");
    let cancel = Arc::new(AtomicBool::new(false));
    world.run = Run::new(
        "test",
        Subject::new(Principal::agent("tester")),
        Arc::new(Allowing("")),
        Arc::new(MemoryJournal::new(1_000)),
        Limits { wall_ms: 60_000, ..Limits::default() },
    )
    .with_cancel(cancel.clone());
    let start = Instant::now();
    let stopper = std::thread::spawn(move || {
        while start.elapsed() < Duration::from_millis(200) {
            std::thread::yield_now();
        }
        cancel.store(true, Ordering::Relaxed);
    });
    let error = world.run("/usr/bin/sleep", &["300"], none()).unwrap_err();
    stopper.join().unwrap();
    assert_eq!(error.code, Code::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_program_under_another_name_is_not_that_program() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy");
    fs::copy("/usr/bin/true", &copy).unwrap();
    let (root, copy) = (directory.path().to_str().unwrap(), copy.to_str().unwrap());
    let world = World::reaching("", &[root]);
    assert!(world.refused(copy, &[], none()).contains("change or replace it"));
    assert_eq!(World::reaching("writable", &[root]).output(copy, &[], none()), "");

    for (program, why) in [
        ("/bin/dash", "it runs other programs, or a language"),
        ("/usr/bin/env", "it runs other programs, or a language"),
        ("/usr/bin/find", "it runs other programs, or a language"),
        ("/usr/bin/tar", "it runs other programs, or a language"),
        ("/usr/bin/python3", "it runs other programs, or a language"),
        ("/lib64/ld-linux-x86-64.so.2", "it is the dynamic loader"),
        ("/usr/bin/ldd", "it is a script"),
        ("/etc/passwd", "nobody may execute it"),
        ("/usr/bin", "it is a directory"),
    ] {
        // Not every machine has all of these programs.
        if fs::metadata(program).is_ok() {
            let message = world.refused(program, &[], none());
            assert!(message.contains(why), "{program}: {message}");
        }
    }
    for alias in ["/proc/self/root/usr/bin/true", "/proc/self/exe", "/dev/fd/0"] {
        assert!(world.run(alias, &[], none()).is_err(), "{alias}");
    }
    assert_eq!(world.run("/no/such", &[], none()).unwrap_err().code, Code::NotFound);
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(world.refused(fifo.to_str().unwrap(), &[], none()).contains("it is a fifo"));
}

#[test]
fn a_pin_holds() {
    let world = World::new("");
    let right = Command::new("/usr/bin/sha256sum").arg("/usr/bin/true").output().unwrap().stdout;
    let right = String::from_utf8(right).unwrap().split(' ').next().unwrap().to_owned();
    let pinned = |pin: &str| Value::map([("sha256", pin.into())]);
    assert_eq!(world.output("/usr/bin/true", &[], pinned(&right)), "");
    assert_eq!(world.output("/usr/bin/true", &[], pinned(&right.to_uppercase())), "");
    // Rex runs the file that it checked, with its arguments.
    let echo = Command::new("/usr/bin/sha256sum").arg("/usr/bin/echo").output().unwrap().stdout;
    let echo = String::from_utf8(echo).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(world.output("/usr/bin/echo", &["a", "b"], pinned(&echo)), "a b\n");
    assert!(world.refused("/usr/bin/false", &[], pinned(&right)).contains("not the pinned one"));
    assert!(world.refused("/usr/bin/true", &[], pinned("00")).contains("not a SHA-256"));
}

#[test]
fn a_variable_is_let_go_by_name() {
    let world = World::new("env:TZ env:A");
    let given = |name: &str| Value::map([("environment", Value::map([(name, "/tmp/x.so".into())]))]);
    for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "B", "A "] {
        assert!(world.refused("/usr/bin/true", &[], given(name)).contains("it would be given the variable"), "{name}");
    }
    assert_eq!(world.run("/usr/bin/true", &[], given("A=B")).unwrap_err().code, Code::Validation);
    assert_eq!(world.output("/usr/bin/true", &[], given("TZ")), "");
}

#[test]
fn nothing_runs_where_nothing_says_what_it_is_held_to() {
    let mut world = World::new("");
    world.os = HostOs::new(HostOptions::default());
    assert!(world.refused("/usr/bin/true", &[], none()).contains("there is nothing to confine a program to"));
}

#[test]
fn no_process_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("rex-left-behind");
    fs::copy("/usr/bin/sleep", &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let world = World::new("");
    let options = Value::map([("timeout", Value::Int(0))]);
    let late = world.run(program.to_str().unwrap(), &["300"], options).unwrap();
    assert_eq!(late.get("timed_out"), Some(&true.into()));
    let left = world.call("list", vec![Value::map([("exe", program.to_str().unwrap().into())])]).unwrap();
    assert_eq!(list(&left).iter().map(|entry| int(entry, "pid")).collect::<BTreeSet<_>>(), BTreeSet::new());
}
