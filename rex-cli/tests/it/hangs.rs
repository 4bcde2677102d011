//! File systems that do not answer: a run that waits for one is stopped nevertheless. The file system is a real FUSE, which is served
//! from here.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use serde_json::Value;

/// The variable that is set if the test has its own mount namespace.
const INSIDE: &str = "REX_INSIDE_NAMESPACE";
/// Maximum time for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests of the kernel; see `linux/fuse.h`.
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const OPEN: u32 = 14;
const READ: u32 = 15;
const STATFS: u32 = 17;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const OPENDIR: u32 = 27;
const RELEASEDIR: u32 = 29;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

/// The permits besides reading: none could change a program.
const OTHERS: &str = r#"
    permit (principal, action == process::Action::"run", resource);
    permit (principal, action == sys::Action::"disk", resource);"#;

/// The node of the file, below the root, which is 1.
const FILE: u64 = 2;

/// A file system with one file, `file`, that takes all requests of one kind and answers none of them.
struct Mute {
    root: PathBuf,
    /// A message for each request taken.
    taken: Receiver<()>,
}

impl Mute {
    fn new(root: PathBuf, request: u32) -> Self {
        std::fs::create_dir(&root).unwrap();
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        mount(Some("mute"), &root, Some("fuse"), MsFlags::empty(), Some(options.as_str())).unwrap();
        let (told, taken) = channel();
        std::thread::spawn(move || serve(device, request, &told));
        Self { root, taken }
    }
}

impl Drop for Mute {
    /// Unmounts it; those who still wait get an error.
    fn drop(&mut self) {
        umount2(&self.root, MntFlags::MNT_FORCE | MntFlags::MNT_DETACH).unwrap();
    }
}

fn serve(mut device: File, mute: u32, told: &Sender<()>) {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match device.read(&mut buffer) {
            Ok(_) => {}
            // The process that asked does not wait any more.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR | libc::EAGAIN)) => continue,
            Err(_) => return,
        }
        let request = u32::from_ne_bytes(buffer[4..8].try_into().unwrap());
        if request == mute {
            told.send(()).unwrap_or_default();
            continue;
        }
        let node = u64::from_ne_bytes(buffer[16..24].try_into().unwrap());
        let (error, body) = match request {
            FORGET | BATCH_FORGET | INTERRUPT => continue,
            INIT => (0, fields(&[(4, 7), (4, 31), (4, 0), (4, 0), (2, 8), (2, 8), (4, 128 << 10), (4, 1), (36, 0)])),
            LOOKUP if buffer[40..].starts_with(b"file\0") => {
                (0, [fields(&[(8, FILE), (24, 0), (8, 0)]), attributes(FILE)].concat())
            }
            LOOKUP => (libc::ENOENT, Vec::new()),
            GETATTR => (0, [fields(&[(16, 0)]), attributes(node)].concat()),
            OPEN | OPENDIR => (0, fields(&[(16, 0)])),
            STATFS => (0, fields(&[(8, 1), (32, 0), (4, 4096), (4, 255), (4, 4096), (28, 0)])),
            READ | RELEASE | RELEASEDIR | FLUSH => (0, Vec::new()),
            _ => (libc::ENOSYS, Vec::new()),
        };
        let length = 16 + body.len() as u64;
        let mut answer = fields(&[(4, length), (4, (-i64::from(error)).cast_unsigned())]);
        answer.extend_from_slice(&buffer[8..16]);
        answer.extend_from_slice(&body);
        // The process that asked may be gone.
        let _ = device.write(&answer);
    }
}

/// Encodes numbers, each in its number of bytes.
fn fields(list: &[(usize, u64)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (width, number) in list {
        let number = number.to_ne_bytes();
        bytes.extend_from_slice(&number[..*width.min(&number.len())]);
        bytes.resize(bytes.len() + width.saturating_sub(number.len()), 0);
    }
    bytes
}

/// Encodes a `struct fuse_attr`: number, size, blocks, times, and then mode, links, owner, group, device, size of blocks, flags.
fn attributes(node: u64) -> Vec<u8> {
    let mode = if node == FILE { libc::S_IFREG | 0o755 } else { libc::S_IFDIR | 0o755 };
    fields(&[(8, node), (8, 100), (8, 1), (24, 0), (12, 0), (4, mode.into()), (4, 1), (12, 0), (4, 4096), (4, 0)])
}

#[test]
fn a_run_is_stopped_while_a_file_system_does_not_answer() {
    let spaces = if Uid::effective().is_root() { "-m" } else { "-Urm" };
    let made = Command::new("unshare").args([spaces, "true"]).status();
    if !made.is_ok_and(|status| status.success()) {
        println!("left out: this host gives nobody a mount namespace");
        return;
    }
    if OpenOptions::new().read(true).write(true).open("/dev/fuse").is_err() {
        println!("left out: there is no /dev/fuse that can be opened");
        return;
    }
    // No other process meets what hangs, and nothing of it remains.
    let output = Command::new("unshare")
        .arg(spaces)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "hangs::inside", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("every run was stopped"), "{said}");
}

/// Runs the test in its namespace; elsewhere it does nothing.
#[test]
fn inside() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    let read = "fs::read(args.m + \"/file\")";
    for (what, request, script) in [
        ("a name is looked up", LOOKUP, "fs::exists(args.m + \"/file\")"),
        ("a file is opened", OPEN, read),
        ("a file is read", READ, read),
        ("a file is closed", FLUSH, read),
        ("a directory is listed", OPENDIR, "fs::list(args.m)"),
        ("a program reads a file", READ, "process::run(\"/usr/bin/cat\", [args.m + \"/file\"])"),
        ("a program is looked at", READ, "process::run(args.m + \"/file\", [])"),
        ("the space is asked for", STATFS, "sys::disk()"),
    ] {
        stopped(what, request, script, "resource");
    }
    // The worker looks for the file before it looks at the script.
    stopped("a run is confined", LOOKUP, "1", "resource == fs::Path::\"{m}/file\"");
    println!("every run was stopped");
}

/// Stops a run that has made a request without an answer.
fn stopped(what: &str, request: u32, script: &str, resource: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mute = Mute::new(dir.path().join("m"), request);
    let policy = dir.path().join("policy.cedar");
    let resource = resource.replace("{m}", mute.root.to_str().unwrap());
    std::fs::write(&policy, format!("permit (principal, action in fs::Action::\"ReadOnly\", {resource});{OTHERS}"))
        .unwrap();
    let run = start(dir.path(), &mute.root, script);
    mute.taken.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"));
    kill(Pid::from_raw(run.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    let (sender, ended) = channel();
    std::thread::spawn(move || sender.send(run.wait_with_output()));
    let output = ended.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{what}: the run does not end")).unwrap();
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{what}: {error}: {output:?}"));
    let code = report["error"]["code"].as_str();
    assert_eq!((output.status.code(), code), (Some(143), Some("CANCELLED_EXCEPTION")), "{what}: {report}");
}

fn start(dir: &Path, root: &Path, script: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_rex"))
        .args(["run", "--format=json", "--principal=Agent::\"x\"", "-e", script])
        .arg(format!("--policy={}", dir.join("policy.cedar").display()))
        .arg(format!("--journal={}", dir.join("journal").display()))
        .arg(format!("--arg=m={}", root.display()))
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}
