//! The corpus of `tests/escapes/`: whatever a script, a compromised worker or a program does, it stays within the reach of its policy.
//! It runs as the user of the tests, as an ordinary user, and in a namespace of a user without privileges.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, chown};
use serde_json::Value;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escapes");
const PYTHON: &str = "/usr/bin/python3";
/// The user `nobody`, an ordinary user on every host.
const NOBODY: u32 = 65_534;

/// The user of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The user who runs the tests.
    Own,
    /// An ordinary user.
    Ordinary,
    /// An ordinary user, who is root in a namespace as in a container.
    Contained,
}

impl Who {
    /// Returns a command of this user; `None`, after a message, if this host cannot.
    pub(crate) fn command(self, program: &Path) -> Option<Command> {
        const TO_NOBODY: [&str; 5] = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
        let root = Uid::effective().is_root();
        let mut command = match self {
            Self::Own => return Some(Command::new(program)),
            Self::Ordinary if !root => {
                println!("left out: the tests run as an ordinary user already");
                return None;
            }
            Self::Contained if !root => Command::new("unshare"),
            Self::Ordinary | Self::Contained => Command::new("setpriv"),
        };
        if root {
            command.args(TO_NOBODY);
        }
        if self == Self::Contained {
            let spaces = Command::new("unshare").args(["-Ur", "true"]).status();
            if !spaces.is_ok_and(|status| status.success()) {
                println!("left out: this host gives nobody a namespace");
                return None;
            }
            if root {
                command.arg("unshare");
            }
            command.arg("-Ur");
        }
        command.arg(program);
        Some(command)
    }

    fn owner(self) -> Option<u32> {
        (self != Self::Own && Uid::effective().is_root()).then_some(NOBODY)
    }
}

/// The target of the attacks.
pub(crate) struct World {
    dir: tempfile::TempDir,
    who: Who,
    /// The version of Landlock that the kernel pretends to have; `None` for its own.
    landlock: Option<u8>,
}

/// Returns the policy that the kernel alone can enforce, and what only the gate enforces.
fn policies(w: &Path) -> (String, String) {
    let policy = format!(
        r#"
            @id("read") permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"{0}/open");
            @id("write") permit (
                principal,
                action in [fs::Action::"write", fs::Action::"create_dir", fs::Action::"remove", fs::Action::"rename"],
                resource in fs::Path::"{0}/out"
            );"#,
        w.display()
    );
    let more = format!(
        r#"
            @id("programs") @allow("processes")
            permit (principal, action == process::Action::"run", resource in process::Program::"/usr/bin")
            unless {{ context.arg1 == "-forbidden" }};
            @id("processes") permit (principal, action == process::Action::"list", resource);
            @id("note") permit (principal, action == fs::Action::"append", resource == fs::Path::"{0}/open/notes");
            @id("private") forbid (principal, action, resource in fs::Path::"{0}/open/private");"#,
        w.display()
    );
    (policy, more)
}

impl World {
    pub(crate) fn new(who: Who) -> Self {
        Self::with(who, None)
    }

    /// Creates a world, on a kernel with an older Landlock.
    pub(crate) fn with(who: Who, landlock: Option<u8>) -> Self {
        let world = Self { dir: tempfile::tempdir().unwrap(), who, landlock };
        let w = world.w();
        for dir in ["open/sub", "open/private", "out/dir", "secret/dir"] {
            std::fs::create_dir_all(w.join(dir)).unwrap();
        }
        for (file, text) in [
            ("secret/key", "SECRET-7f3a\n"),
            ("open/private/diary", "PRIVATE-7f3a\n"),
            ("open/app.log", "a line\n"),
            ("open/notes", ""),
        ] {
            std::fs::write(w.join(file), text).unwrap();
        }
        for (link, target) in [
            ("open/link", "../secret/key"),
            ("open/chain", "link"),
            ("open/dirlink", "../secret"),
            ("open/loop", "loop"),
            ("open/dangling", "../secret/none"),
            ("open/to-private", "private/diary"),
            ("out/link", "../open/app.log"),
            ("out/dangling", "../secret/new"),
            ("out/dirlink", "../secret"),
        ] {
            symlink(target, w.join(link)).unwrap();
        }
        symlink(w.join("secret/key"), w.join("open/absolute")).unwrap();
        let (policy, more) = policies(&w);
        std::fs::write(world.policy(), &policy).unwrap();
        std::fs::write(world.path("all.cedar"), policy + &more).unwrap();
        if landlock.is_some() {
            compile(&["-o"], "older.c", &world.path("older"));
        }
        std::fs::copy(format!("{CORPUS}/attacks.py"), w.join("open/attacks.py")).unwrap();
        std::fs::create_dir(world.path("bin")).unwrap();
        let built = Path::new(env!("CARGO_BIN_EXE_rex")).parent().unwrap();
        for program in ["rex", "examples/open-gate", "examples/inside"] {
            let (from, to) = (built.join(program), world.path("bin").join(Path::new(program).file_name().unwrap()));
            // Files that were built under a narrow umask cannot be opened there by others.
            let shared = std::fs::metadata(&from).unwrap().mode() & 0o5 == 0o5;
            if !shared || std::fs::hard_link(&from, &to).is_err() {
                std::fs::copy(&from, &to).unwrap();
                std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755)).unwrap();
            }
        }
        for (path, mode) in [
            (world.dir.path().to_owned(), 0o755),
            (world.path("bin"), 0o755),
            (world.policy(), 0o644),
            (world.path("all.cedar"), 0o644),
        ] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
        if let Some(owner) = who.owner() {
            walk(&w, &mut |path| {
                nix::unistd::fchownat(
                    nix::fcntl::AT_FDCWD,
                    path,
                    Some(Uid::from_raw(owner)),
                    Some(Gid::from_raw(owner)),
                    nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
                )
                .unwrap();
            });
            chown(&w, Some(Uid::from_raw(owner)), Some(Gid::from_raw(owner))).unwrap();
        }
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn w(&self) -> PathBuf {
        self.path("w")
    }

    fn policy(&self) -> PathBuf {
        self.path("policy.cedar")
    }

    /// Builds the attacks, as a library and as a program.
    fn build(&self) {
        for (options, output) in [(&["-shared", "-fPIC", "-o"][..], "attacks.so"), (&["-o"], "attacks")] {
            let output = self.path("bin").join(output);
            compile(options, "attacks.c", &output);
            // Other users start it, whatever the umask is.
            std::fs::set_permissions(output, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }

    pub(crate) fn command(&self, program: &str) -> Option<Command> {
        let program = self.path("bin").join(program);
        let mut command = match self.landlock {
            None => self.who.command(&program)?,
            Some(version) => {
                let mut command = self.who.command(&self.path("older"))?;
                command.arg(version.to_string()).arg(&program);
                command
            }
        };
        command.env("W", self.w()).current_dir("/");
        Some(command)
    }

    /// Returns the state of all that must not change.
    pub(crate) fn state(&self) -> BTreeMap<PathBuf, String> {
        let mut state = BTreeMap::new();
        walk(&self.w(), &mut |path| {
            let name = path.strip_prefix(self.w()).unwrap();
            if name == Path::new("open/notes") || (name.starts_with("out") && name != Path::new("out")) {
                return;
            }
            let metadata = path.symlink_metadata().unwrap();
            let kind = metadata.file_type();
            let content = match (kind.is_file(), kind.is_symlink()) {
                (true, _) => std::fs::read_to_string(path).unwrap(),
                (_, true) => path.read_link().unwrap().display().to_string(),
                _ => String::new(),
            };
            let attributes = (metadata.mode(), metadata.uid(), metadata.gid(), metadata.nlink(), metadata.mtime());
            state.insert(name.to_owned(), format!("{attributes:?} {content}"));
        });
        // Creating and removing files in it changes its times.
        state.remove(Path::new("out"));
        state
    }

    /// Checks for secrets in the output, and in the files that may be written.
    fn leaks(&self, output: &Output) -> bool {
        let mut leaks = [&output.stdout, &output.stderr].iter().any(|text| has_secret(text));
        walk(&self.w(), &mut |path| {
            let name = path.strip_prefix(self.w()).unwrap();
            if (name.starts_with("out") || name == Path::new("open/notes"))
                && path.symlink_metadata().unwrap().is_file()
            {
                leaks |= has_secret(&std::fs::read(path).unwrap());
            }
        });
        leaks
    }

    /// Runs `inside` for the rows of a table, and compares what each attack met with what is expected.
    fn attack(&self, rows: &[(String, String)], arguments: &[&str]) {
        let before = self.state();
        let Some(mut command) = self.command("inside") else { return };
        let output = command.args(arguments).args(rows.iter().map(|(name, _)| name)).output().unwrap();
        let met = met(&output);
        let missing = "nothing".to_owned();
        let mut wrong = Vec::new();
        for (name, expected) in rows {
            let met = met.get(name).unwrap_or(&missing);
            if !expected.split('|').any(|expected| expected == met) {
                wrong.push(format!("{name}: {met} instead of {expected}"));
            }
        }
        let after = self.state();
        let changed = before
            .iter()
            .chain(&after)
            .filter(|(name, state)| before.get(*name) != Some(*state) || after.get(*name) != Some(*state));
        wrong.extend(changed.map(|(name, state)| format!("{} was changed: {state}", name.display())));
        if self.leaks(&output) {
            wrong.push("the secret is out".to_owned());
        }
        println!("{self}: {} attacks, {} escapes", rows.len(), wrong.len());
        assert!(wrong.is_empty(), "{self}\n{}\n{output:?}", wrong.join("\n"));
        assert!(rows.len() > 30, "the table is read");
    }
}

/// Returns what each attack met, by its name.
fn met(output: &Output) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let word = |met: &str| match met.parse() {
        Ok(0) => "OK".to_owned(),
        Ok(errno) => format!("{:?}", Errno::from_raw(errno)),
        Err(_) => met.to_owned(),
    };
    lines.map(|(name, met)| (name.to_owned(), word(met))).collect()
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.landlock {
            None => write!(f, "{:?}", self.who),
            Some(version) => write!(f, "{:?}, Landlock of version {version}", self.who),
        }
    }
}

/// Builds a program of the corpus. On a kernel that was booted for tests, without a compiler, copies the one beside `rex`.
pub(crate) fn compile(options: &[&str], source: &str, to: &Path) {
    let built = Path::new(env!("CARGO_BIN_EXE_rex")).with_file_name(to.file_name().unwrap());
    if built.exists() {
        std::fs::copy(built, to).unwrap();
        return;
    }
    let mut compiler = Command::new("cc");
    compiler.args(["-Wall", "-Wextra", "-Werror", "-O1"]).args(options).arg(to).arg(format!("{CORPUS}/{source}"));
    assert!(compiler.status().unwrap().success());
}

pub(crate) fn walk(path: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(path).unwrap() {
        let entry = entry.unwrap();
        visit(&entry.path());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), visit);
        }
    }
}

fn has_secret(text: &[u8]) -> bool {
    text.windows(7).any(|window| window == b"SECRET-")
}

/// Reads a table: the names, and what the column expects.
fn table(command: &mut Command, column: usize) -> Vec<(String, String)> {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let row = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0].to_owned(), words[column].to_owned())
    };
    text.lines().map(row).collect()
}

#[track_caller]
fn a_worker_that_was_taken_over(who: Who, landlock: Option<u8>) {
    let world = World::with(who, landlock);
    world.build();
    let text = |path: PathBuf| path.display().to_string();
    let rows = table(&mut Command::new(world.path("bin/attacks")), 1);
    let library = text(world.path("bin/attacks.so"));
    world.attack(&rows, &["worker", &text(world.policy()), &library]);
}

#[track_caller]
fn a_program(who: Who, landlock: Option<u8>) {
    let world = World::with(who, landlock);
    world.build();
    let text = |path: PathBuf| path.display().to_string();
    let program = text(world.path("bin/attacks"));
    let rows = table(&mut Command::new(&program), 2);
    world.attack(&rows, &["program", &text(world.policy()), &program, "--"]);
}

#[track_caller]
fn a_program_in_python(who: Who, landlock: Option<u8>) {
    let world = World::with(who, landlock);
    let python = std::fs::canonicalize(PYTHON).unwrap().display().to_string();
    let script = world.w().join("open/attacks.py").display().to_string();
    let rows = table(Command::new(&python).arg(&script), 1);
    let policy = world.policy().display().to_string();
    // `-S`: without the modules that Python looks for at home.
    world.attack(&rows, &["program", &policy, &python, "-S", &script, "--"]);
}

/// Returns the factor of all time limits, for an emulated processor.
fn slowness() -> u64 {
    std::env::var("REX_TEST_SLOWNESS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// A script: its name, the expected end, `true` if only the gate can stop it, and its code.
type Case = (String, String, bool, String);

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(format!("{CORPUS}/scripts.rhai")).unwrap();
    let case = |text: &str| {
        let (head, code) = text.split_once('\n').unwrap();
        let (name, expected) = head.split_once(": ").unwrap();
        let alone = name.strip_suffix(" alone");
        (alone.unwrap_or(name).to_owned(), expected.to_owned(), alone.is_some(), code.to_owned())
    };
    text.split("//# ").skip(1).map(case).collect()
}

#[track_caller]
fn scripts(who: Who, landlock: Option<u8>, program: &str) {
    let world = World::with(who, landlock);
    let mut before = world.state();
    let open = program != "rex";
    let mut wrong = Vec::new();
    let cases = cases();
    let wall = format!("wall_ms={}", 5_000 * slowness());
    for (name, expected, alone, code) in &cases {
        let Some(mut command) = world.command(program) else { return };
        let output = command
            .args(["run", "--format", "json", "--principal", "Agent::\"x\"", "--limit", &wall, "-e", code])
            .args(["--limit", "output_bytes=100000", "--limit", "memory_bytes=67108864"])
            .arg(format!("--policy={}", world.path("all.cedar").display()))
            .arg(format!("--arg=w={}", world.w().display()))
            .arg(format!("--base={}", world.w().join("open").display()))
            .output()
            .unwrap();
        let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
            wrong.push(format!("{name}: no report: {output:?}"));
            continue;
        };
        let met = report["error"]["code"].as_str().unwrap_or("SUCCESS");
        if !open && !expected.split('|').any(|expected| expected == met) {
            wrong.push(format!("{name}: {met} instead of {expected}: {}", report["error"]["message"]));
        }
        if !(open && *alone) && String::from_utf8_lossy(&output.stdout).contains("PRIVATE-") {
            wrong.push(format!("{name}: it read what is forbidden"));
        }
        if world.leaks(&output) {
            wrong.push(format!("{name}: the secret is out"));
        }
        let after = world.state();
        let changed: Vec<_> = after
            .iter()
            .chain(&before)
            .filter(|(name, state)| before.get(*name) != Some(*state) || after.get(*name) != Some(*state))
            .collect();
        if !changed.is_empty() {
            wrong.push(format!("{name}: it changed {changed:?}"));
            before = after;
        }
    }
    println!("{world}: {} scripts of {program}, {} escapes", cases.len(), wrong.len());
    assert!(wrong.is_empty(), "{world}\n{}", wrong.join("\n"));
    assert!(cases.len() > 80 && has_no_process(&world), "{world}");
}

/// Checks that no process is left that names the world.
pub(crate) fn has_no_process(world: &World) -> bool {
    let name = world.dir.path().display().to_string();
    std::fs::read_dir("/proc").unwrap().all(|entry| {
        let line = std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_default();
        !String::from_utf8_lossy(&line).contains(&name)
    })
}

macro_rules! by_everybody {
    ($($who:ident: $variant:ident, $landlock:expr;)*) => { $(
        mod $who {
            use super::Who;

            #[test]
            fn a_worker_that_was_taken_over_stays_within_reach() {
                super::a_worker_that_was_taken_over(Who::$variant, $landlock);
            }
            #[test]
            fn a_program_stays_within_reach() {
                super::a_program(Who::$variant, $landlock);
            }
            #[test]
            fn a_program_in_python_stays_within_reach() {
                super::a_program_in_python(Who::$variant, $landlock);
            }
            #[test]
            fn scripts_do_what_is_permitted() {
                super::scripts(Who::$variant, $landlock, "rex");
            }
            #[test]
            fn scripts_stay_within_reach_without_the_gate() {
                super::scripts(Who::$variant, $landlock, "open-gate");
            }
        }
    )* };
}

// The versions of Ubuntu 22.04 and RHEL 9 (1), and of Debian 12 (2).
by_everybody! {
    own: Own, None;
    ordinary: Ordinary, None;
    contained: Contained, None;
    landlock_1: Own, Some(1);
    landlock_2: Own, Some(2);
}

#[test]
fn what_a_program_leaves_behind_ends_with_it() {
    let world = World::new(Who::Own);
    let python = std::fs::canonicalize(PYTHON).unwrap();
    // The children ignore all signals that they can, try to leave the group, and keep the output open.
    let code = "import os, signal, sys
for signal_ in range(1, 32):
    try: signal.signal(signal_, signal.SIG_IGN)
    except OSError: pass
if os.fork() == 0:
    try: os.setsid()
    except PermissionError: pass
    if os.fork() == 0: pass
    while True: pass
print('begun')";
    let policy = world.policy().display().to_string();
    let mut command = world.command("inside").unwrap();
    command.args(["forking", &policy]).arg(&python).args(["-S", "-c", code]).arg(world.w());
    // The pipe ends with the last process that holds it.
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"begun\n"[..]), "{output:?}");
    assert!(has_no_process(&world));
}

/// Checks that a permit to append lets neither a compromised worker nor a program truncate the file.
#[track_caller]
fn what_may_be_added_to_is_not_cut(landlock: Option<u8>) {
    let world = World::with(Who::Own, landlock);
    world.build();
    let (notes, policy) = (world.w().join("open/notes"), world.path("all.cedar").display().to_string());
    std::fs::write(&notes, "kept\n").unwrap();
    let names = ["truncate_notes", "truncate_notes_by_open"];
    for (how, what) in [("worker", &["attacks.so"][..]), ("program", &["attacks", "--"])] {
        let mut command = world.command("inside").unwrap();
        command.args([how, &policy]).arg(world.path("bin").join(what[0])).args(&what[1..]);
        let output = command.args(names).output().unwrap();
        let met = met(&output);
        let refused = |name| matches!(met.get(name).map(String::as_str), Some("EACCES" | "EPERM"));
        assert!(names.into_iter().all(refused), "{landlock:?} {how}: {output:?}");
        assert_eq!(std::fs::read_to_string(&notes).unwrap(), "kept\n", "{landlock:?} {how}");
    }
}

#[test]
fn no_kernel_lets_what_may_be_added_to_be_cut() {
    [None, Some(1), Some(2)].into_iter().for_each(what_may_be_added_to_is_not_cut);
}

#[test]
fn without_gate_and_kernel_the_secret_is_out() {
    let world = World::new(Who::Own);
    let run = |program: &str, confine: &str| {
        let code = r#"read(args.w + "/secret/key")"#;
        let mut command = world.command(program).unwrap();
        command.args(["run", "--format=json", "-e", code]).arg(format!("--policy={}", world.policy().display()));
        let output = command.arg(format!("--arg=w={}", world.w().display())).arg(confine).output().unwrap();
        world.leaks(&output)
    };
    assert!(run("open-gate", "--confine=off"), "this is what the others would find");
    assert!(!run("open-gate", "--confine=require") && !run("rex", "--confine=off"), "either holds it");
}
