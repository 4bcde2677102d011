//! The system calls of a run, as strace sees them, against the policy: for random policies and random scripts, a worker that is
//! confined touches only what the policy permits, and what is on the list below.
//!
//! On the list, and harmless: looks (without reading) at the directories on the way to what is permitted, and at the target of a
//! symbolic link in a permitted place; a temporary file beside one that may be written, under the name `.NAME.rex-XXXXXXXX`; opening
//! its directory to sync it; opening, without following links, the file that it replaces, whose owner, mode and attributes it
//! takes over; the probes of the confinement, all of which fail; and the calls of [`OF_ITSELF`], which touch the worker alone.
//! which fail; and the calls of [`OF_ITSELF`], which touch the worker alone.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use rex_core::action::fs;
use rex_core::{AbsPath, Action, Authorize, Effect, Principal, Request, Subject, Timestamp};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};

/// Calls about memory, threads, time, and open descriptors.
const OF_ITSELF: &[&str] = &[
    "brk",
    "clock_gettime",
    "clock_nanosleep",
    "clone",
    "clone3",
    "close",
    "exit",
    "exit_group",
    "fcntl",
    "fdatasync",
    "fstat",
    "fsync",
    "futex",
    "getdents64",
    "getpid",
    "getrandom",
    "gettid",
    "lseek",
    "madvise",
    "mmap",
    "mprotect",
    "mremap",
    "munmap",
    "ppoll",
    "poll",
    "prctl",
    "pread64",
    "prlimit64",
    "pwrite64",
    "read",
    "recvfrom",
    "restart_syscall",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "seccomp",
    "sendto",
    "set_robust_list",
    "sigaltstack",
    "write",
    "fadvise64",
    "capget",
];
/// Calls about the file behind a descriptor.
const OF_DESCRIPTORS: &[&str] =
    &["fchmod", "fchown", "fsetxattr", "fremovexattr", "fgetxattr", "flistxattr", "ftruncate", "utimensat", "fchownat"];
/// Probes, which must fail.
const PROBES: &[&str] = &["execve", "socket", "kill", "getpriority"];
/// Calls of scripts, with one path or two.
const CALLS: &[&str] = &[
    "fs::read(A)",
    "fs::read_bytes(A)",
    "fs::lines(A, #{max: 3, from_end: true})",
    "fs::tail(A, #{timeout: 1})",
    "fs::grep(A, \"x\")",
    "fs::count(A)",
    "fs::checksum(A)",
    "fs::strings(A)",
    "fs::elf(A)",
    "fs::expand(A, B)",
    "fs::gzip(A, B)",
    "fs::zstd(A, B)",
    "fs::diff(A, B)",
    "fs::exists(A)",
    "fs::stat(A)",
    "fs::read_link(A)",
    "fs::list(A, #{stat: true})",
    "fs::find(A)",
    "fs::walk(A)",
    "fs::du(A)",
    "fs::xattr(A, \"user.x\")",
    "fs::xattrs(A)",
    "fs::set_xattr(A, \"user.x\", #{value: \"y\"})",
    "fs::write(A, \"x\")",
    "fs::append(A, \"x\")",
    "fs::replace(A, \"x\", \"yz\")",
    "fs::truncate(A, #{size: 3})",
    "fs::touch(A)",
    "fs::chown(A, #{owner: \"0\"})",
    "fs::create_dir(A)",
    "fs::temp_file(A)",
    "fs::symlink(A, \"a\")",
    "fs::hard_link(A, B)",
    "fs::rename(A, B)",
    "fs::copy(A, B)",
    "fs::tar_create(A, B)",
    "fs::tar_list(A)",
    "fs::tar_extract(A, B)",
    "fs::remove(A)",
    "fs::remove_dir(A)",
    "fs::remove_all(A)",
];
const NAMES: [&str; 4] = ["a", "b", "ab", "c.key"];

/// A generator of numbers from a seed (xorshift64*; Vigna 2016), so that a failure can be reproduced.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % bound
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    /// Returns a path of the world, which has two levels.
    fn path(&mut self) -> String {
        let mut path = String::new();
        for _ in 0..=self.below(2) {
            path = format!("{path}/{}", self.one(&NAMES));
        }
        path
    }

    /// Returns some policies; if `broad`, most of what a script does succeeds.
    fn policy(&mut self, w: &str, broad: bool) -> String {
        const ACTIONS: [&str; 16] = [
            "read",
            "list",
            "stat",
            "get_xattr",
            "write",
            "append",
            "touch",
            "chown",
            "set_xattr",
            "symlink",
            "hard_link",
            "create_dir",
            "rename",
            "remove",
            "ReadOnly",
            "Mutating",
        ];
        let mut text = String::new();
        if broad {
            let all = "action in [fs::Action::\"ReadOnly\", fs::Action::\"Mutating\"]";
            text += &format!("@id(\"all\") permit (principal, {all}, resource in fs::Path::\"{w}\");\n");
        }
        for number in 0..=self.below(5) {
            let effect = if self.below(4) == 0 { "forbid" } else { "permit" };
            let action = self.one(&ACTIONS);
            let action = if action.starts_with(char::is_uppercase) {
                format!("in fs::Action::\"{action}\"")
            } else {
                format!("== fs::Action::\"{action}\"")
            };
            let path = if self.below(3) == 0 { String::new() } else { self.path() };
            let (resource, condition) = match self.below(5) {
                0 => (format!("== fs::Path::\"{w}{path}\""), String::new()),
                1 => (String::new(), format!("when {{ resource.path like \"{w}{path}*\" }}")),
                2 => (format!("in fs::Path::\"{w}\""), format!("when {{ resource.name == \"{}\" }}", self.one(&NAMES))),
                3 => (format!("in fs::Path::\"{w}{path}\""), "unless { resource.extension == \"key\" }".to_owned()),
                _ => (format!("in fs::Path::\"{w}{path}\""), String::new()),
            };
            text += &format!(
                "@id(\"p{number}\") {effect} (principal, action {action}, resource {resource}) {condition};\n"
            );
        }
        text
    }

    fn script(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..40 {
            let (a, b) = (self.path(), self.path());
            let call =
                self.one(CALLS).replace("A", &format!("args.w + \"{a}\"")).replace("B", &format!("args.w + \"{b}\""));
            text += &format!("try {{ {call}; }} catch {{}}\n");
        }
        text
    }

    /// Creates files, directories and links under all names.
    fn fill(&mut self, w: &Path) {
        for name in NAMES {
            let path = w.join(name);
            match self.below(3) {
                0 => std::fs::write(path, "some x\n").unwrap(),
                1 => std::os::unix::fs::symlink(format!("{}{}", w.display(), self.path()), path).unwrap(),
                _ => {
                    std::fs::create_dir(&path).unwrap();
                    for name in NAMES {
                        match self.below(4) {
                            0 => {}
                            1 => std::os::unix::fs::symlink(format!("..{}", self.path()), path.join(name)).unwrap(),
                            _ => std::fs::write(path.join(name), "some x\n").unwrap(),
                        }
                    }
                }
            }
        }
    }
}

/// The policy that judges calls.
struct Oracle {
    policy: Policy,
    subject: Subject,
    w: String,
}

impl Oracle {
    fn permits<A: Action<Resource = AbsPath>>(&self, action: &A, path: &str) -> bool {
        let resource = AbsPath::parse(path).unwrap();
        let request = Request { subject: &self.subject, action, resource: &resource, now: Timestamp::now() };
        self.policy.decide(&request).effect == Effect::Allow
    }

    fn writes(&self, path: &str) -> bool {
        self.permits(&fs::Write { bytes: 1 }, path) || self.permits(&fs::Append { bytes: 1 }, path)
    }

    fn changes(&self, path: &str) -> bool {
        self.writes(path)
            || self.permits(&fs::CreateDir {}, path)
            || self.permits(&fs::Rename {}, path)
            || self.permits(&fs::Remove {}, path)
            || self.permits(&fs::Symlink { target: "a".to_owned() }, path)
            || self.permits(&fs::HardLink {}, path)
            || self.keeps(path)
    }

    /// Returns whether the metadata of a file may be changed.
    fn keeps(&self, path: &str) -> bool {
        self.permits(&fs::Touch {}, path) || self.permits(&fs::Chown { uid: 0, gid: -1 }, path) || self.sets(path)
    }

    fn sets(&self, path: &str) -> bool {
        self.permits(&fs::SetXattr { name: "user.x".to_owned() }, path)
    }

    fn gets(&self, path: &str) -> bool {
        ["", "user.x"].iter().any(|name| self.permits(&fs::GetXattr { name: (*name).to_owned() }, path))
    }

    fn anything(&self, path: &str) -> bool {
        self.permits(&fs::Read {}, path)
            || self.permits(&fs::List {}, path)
            || self.permits(&fs::Stat {}, path)
            || self.gets(path)
            || self.changes(path)
    }

    /// Returns whether something can be permitted there or below.
    fn leads_somewhere(&self, path: &str, links: &[(String, String)]) -> bool {
        let names = || NAMES.into_iter().flat_map(|a| NAMES.map(|b| format!("{}/{a}/{b}", self.w)));
        let all = names().chain(NAMES.map(|a| format!("{}/{a}", self.w)));
        let below = |known: &str| known == path || known.starts_with(&format!("{path}/"));
        let mut all: Vec<String> =
            all.chain(links.iter().map(|(link, _)| link.clone())).filter(|path| self.anything(path)).collect();
        // The targets of links from there, and from there again.
        for _ in 0..8 {
            let further = links
                .iter()
                .filter(|(link, _)| all.iter().any(|known| known == link || known.starts_with(&format!("{link}/"))));
            let targets: Vec<String> = further.map(|(_, target)| target.clone()).collect();
            let moved = links.iter().flat_map(|(link, target)| {
                all.iter().filter_map(move |known| {
                    known.strip_prefix(&format!("{link}/")).map(|rest| format!("{target}/{rest}"))
                })
            });
            let more: Vec<String> = moved.chain(targets).filter(|path| !all.contains(path)).collect();
            all.extend(more);
        }
        all.iter().any(|known| below(known))
    }
}

/// Joins the target of a link to its directory, as the kernel would.
fn resolved(link: &Path) -> String {
    let target = link.read_link().unwrap();
    AbsPath::parse(link.parent().unwrap().to_str().unwrap())
        .unwrap()
        .resolve(target.to_str().unwrap())
        .unwrap()
        .to_string()
}

/// Returns the texts in quotes, each behind the directory that strace names before it.
fn paths(call: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = call;
    while let Some((before, after)) = rest.split_once('"') {
        let Some((text, next)) = after.split_once('"') else { break };
        let directory =
            before.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("/", |(name, _)| name);
        found.push(match text {
            "" | "." => directory.to_owned(),
            text if text.starts_with('/') => text.to_owned(),
            text => format!("{directory}/{text}"),
        });
        rest = next;
    }
    found
}

/// Returns the file that a temporary one is for.
fn behind(path: &str) -> Option<String> {
    let (directory, name) = path.rsplit_once('/')?;
    let (name, random) = name.strip_prefix('.')?.rsplit_once(".rex-")?;
    (random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| format!("{directory}/{name}"))
}

impl Oracle {
    /// Returns whether a call may read or change the metadata of a file.
    fn describes(&self, name: &str, path: &str) -> bool {
        let named = match name {
            "fgetxattr" | "flistxattr" => self.gets(path),
            "fsetxattr" | "fremovexattr" => self.sets(path),
            "utimensat" => return self.permits(&fs::Touch {}, path),
            "fchownat" => return self.permits(&fs::Chown { uid: 0, gid: -1 }, path),
            _ => false,
        };
        named || self.writes(behind(path).as_deref().unwrap_or(path))
    }

    /// Returns the reason why a confined worker must not make a call.
    fn objection(&self, call: &str, links: &[(String, String)]) -> Option<&'static str> {
        // strace splits a call that another one interrupts into two lines: the call, and its result.
        let (unfinished, resumed) = (call.ends_with("<unfinished ...>"), call.strip_prefix("<... "));
        if let Some((name, _)) = resumed.and_then(|rest| rest.split_once(" resumed>")) {
            return (PROBES.contains(&name) && !call.contains("= -1 EPERM")).then_some("a probe that worked");
        }
        let (name, arguments) = call.split_once('(')?;
        if OF_ITSELF.contains(&name) || call.starts_with("+++") || call.starts_with("---") {
            return None;
        }
        if PROBES.contains(&name) {
            return (!unfinished && !call.contains("= -1 EPERM")).then_some("a probe that worked");
        }
        if OF_DESCRIPTORS.contains(&name) {
            let path = arguments.split_once('<')?.1.split_once('>')?.0;
            return (!self.describes(name, path)).then_some("what is kept about a file");
        }
        let paths = paths(arguments);
        // The first path is the text of the link.
        let path = if name == "symlinkat" { paths.last()? } else { paths.first()? };
        let inside = path.starts_with(&format!("{}/", self.w));
        if !inside {
            let above = self.w == *path || self.w.starts_with(&format!("{path}/"));
            let probe = name == "openat" && path == "/" && (unfinished || call.contains("= -1 E"));
            let look = call.contains("O_PATH") || ["readlink", "readlinkat", "newfstatat", "statx"].contains(&name);
            return (!probe && !(above && (look || call.contains("O_DIRECTORY")))).then_some("outside of the world");
        }
        let owner = behind(path);
        match name {
            "openat2" if call.contains("O_CREAT") || call.contains("O_WRONLY") || call.contains("O_RDWR") => {
                let touched = call.contains("O_EXCL") && self.permits(&fs::Touch {}, path);
                (!touched && !self.writes(owner.as_ref().unwrap_or(path))).then_some("writes")
            }
            "openat2" if !call.contains("O_PATH") && call.contains("\".\"") => {
                let changed = |name: &str| self.changes(&format!("{path}/{name}"));
                (!NAMES.iter().any(|name| changed(name))).then_some("opens a directory that nothing is changed in")
            }
            "openat2" if !call.contains("O_PATH") && call.contains("O_DIRECTORY") => {
                (!self.permits(&fs::List {}, path)).then_some("lists")
            }
            "openat2" if !call.contains("O_PATH") => {
                let replaced = call.contains("O_NOFOLLOW") && self.writes(path);
                let about = self.gets(path) || self.sets(path);
                (!replaced && !about && !self.permits(&fs::Read {}, path)).then_some("reads")
            }
            "symlinkat" => {
                (!self.permits(&fs::Symlink { target: "a".to_owned() }, path)).then_some("makes a symbolic link")
            }
            "linkat" => {
                let linked =
                    self.permits(&fs::HardLink {}, path) && self.permits(&fs::Write { bytes: 1 }, paths.get(1)?);
                (!linked).then_some("makes a hard link")
            }
            "renameat" | "renameat2" => {
                let onto = paths.get(1)?;
                let moved = || self.permits(&fs::Rename {}, path) && self.permits(&fs::Write { bytes: 1 }, onto);
                (!owner.map_or_else(moved, |owner| owner == *onto && self.writes(onto))).then_some("renames")
            }
            "unlinkat" => {
                let removes = || self.permits(&fs::Remove {}, path);
                (!owner.map_or_else(removes, |owner| self.writes(&owner))).then_some("removes")
            }
            "mkdirat" => (!self.permits(&fs::CreateDir {}, path)).then_some("makes a directory"),
            "openat2" | "newfstatat" | "statx" | "readlink" | "readlinkat" | "fstatfs" | "statfs" => {
                let looks = owner.is_some_and(|owner| self.writes(&owner))
                    || self.anything(path)
                    || self.leads_somewhere(path, links);
                (!looks).then_some("looks")
            }
            _ => Some("a call that is on no list"),
        }
    }
}

/// Runs once; returns the number of calls of each name that the worker made.
fn run(seed: u64, program: &Path, broad: bool) -> Result<HashMap<String, usize>, String> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let dir = tempfile::tempdir().unwrap();
    let w = dir.path().join("w");
    std::fs::create_dir(&w).unwrap();
    random.fill(&w);
    let mut links = Vec::new();
    crate::escapes::walk(&w, &mut |path| {
        if path.is_symlink() {
            links.push((path.display().to_string(), resolved(path)));
        }
    });
    let text = random.policy(w.to_str().unwrap(), broad);
    let script = random.script();
    let (policy, trace) = (dir.path().join("policy.cedar"), dir.path().join("trace"));
    std::fs::write(&policy, &text).unwrap();
    let output = Command::new("strace")
        .args(["-f", "-y", "-qq", "-s", "4096", "-o"])
        .arg(&trace)
        .arg(program)
        .args(["run", "--principal", "Agent::\"x\"", "-e", &script])
        .args([format!("--policy={}", policy.display()), format!("--arg=w={}", w.display())])
        .output()
        .unwrap();
    let policy =
        Policy::compile(&Vocabulary::rex(), &[SourceText::new("policy", text.clone())], None, &PolicyLimits::default());
    let oracle =
        Oracle { policy: policy.unwrap(), subject: Subject::new(Principal::agent("x")), w: w.display().to_string() };
    let story = || format!("seed {seed}\n{text}\n{script}\n{output:?}");
    assert!(output.status.success(), "{}", story());
    let trace = std::fs::read_to_string(&trace).unwrap();
    let (before, confined) = trace.split_once("landlock_restrict_self").ok_or_else(story)?;
    let worker = before.rsplit('\n').next().unwrap().split_once(' ').unwrap().0;
    let threads = threads(&trace, worker);
    let calls = confined.lines().skip(1).filter_map(|line| line.split_once(' '));
    let mut seen = HashMap::new();
    for (pid, call) in calls.filter(|(pid, _)| threads.contains(pid)) {
        *seen.entry(call.trim().split('(').next().unwrap_or_default().to_owned()).or_default() += 1;
        // The supervisor's kill, which strace can take for the last call of the killed process.
        if call.contains(&format!("kill(-{pid}, SIGKILL <unfinished")) {
            continue;
        }
        if let Some(why) = oracle.objection(call.trim(), &links) {
            return Err(format!("{why}: {call} of {pid}\n{links:?}\n{}\n{trace}", story()));
        }
    }
    Ok(seen)
}

/// Returns a worker with its threads. A new thread may make its first call before the call that started it returns.
fn threads<'t>(trace: &'t str, worker: &'t str) -> HashSet<&'t str> {
    let started = |(pid, call): (&'t str, &'t str)| {
        let call = call.trim();
        let clones = call.starts_with("clone") || call.starts_with("<... clone");
        let (_, thread) = call.rsplit_once(" = ").filter(|_| clones)?;
        Some((pid, thread.split(' ').next()?))
    };
    let started: Vec<_> = trace.lines().filter_map(|line| line.split_once(' ')).filter_map(started).collect();
    let mut threads = HashSet::from([worker]);
    loop {
        let known = threads.len();
        for (pid, thread) in &started {
            if threads.contains(pid) {
                threads.insert(thread);
            }
        }
        if threads.len() == known {
            return threads;
        }
    }
}

fn has_strace() -> bool {
    let installed = Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success());
    if !installed {
        println!("left out: `strace` is not installed");
    }
    installed
}

#[test]
fn the_oracle_notices_an_open_gate() {
    if has_strace() {
        let program = Path::new(env!("CARGO_BIN_EXE_rex")).with_file_name("examples/open-gate");
        let noticed = (0..10).filter(|seed| run(*seed, &program, false).is_err()).count();
        assert_eq!(noticed, 10);
    }
}

#[test]
fn system_calls_touch_what_the_policy_permits() {
    if !has_strace() {
        return;
    }
    let rex = Path::new(env!("CARGO_BIN_EXE_rex"));
    let runs = std::env::var("REX_ORACLE_RUNS").map_or(100, |runs| runs.parse().unwrap());
    let halves = std::thread::scope(|scope| {
        let half = |start: u64| {
            move || (start..runs).step_by(2).map(|seed| run(seed, rex, seed % 3 == 0)).collect::<Result<Vec<_>, _>>()
        };
        let (even, odd) = (scope.spawn(half(0)), scope.spawn(half(1)));
        [even.join().unwrap(), odd.join().unwrap()]
    });
    let mut seen = HashMap::<String, usize>::new();
    for (name, count) in halves.into_iter().flat_map(|half| half.unwrap_or_else(|why| panic!("{why}"))).flatten() {
        *seen.entry(name).or_default() += count;
    }
    let calls: usize = seen.values().sum();
    println!("{runs} runs, {calls} system calls of confined workers");
    assert!(calls > 50 * usize::try_from(runs).unwrap(), "workers were seen");
    for name in
        ["mkdirat", "unlinkat", "symlinkat", "linkat", "utimensat", "fchownat", "fsetxattr", "fgetxattr", "ftruncate"]
    {
        assert!(seen.contains_key(name), "no script came to `{name}`: {seen:?}");
    }
}
