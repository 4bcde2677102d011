//! `cargo xtask kernels`: the release binary on Debian 12's kernel, which has an older Landlock, and on the kernel of this machine.
//!
//! QEMU starts the kernel in software, without help of the processor, with an archive of what the tests need. `rex doctor`, the
//! example of the README and the corpus of `rex-cli/tests/escapes/` are run there.

mod image;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use image::Image;

use crate::{Stop, root, shell};

/// Maximum time of the other kernel from its start to its end.
const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// The folder of the unpacked kernel of Debian 12, below the root of the workspace.
const UNPACKED: &str = "target/kernels";
/// The start of the name of its file.
const VMLINUZ: &str = "vmlinuz-6.1.";
const QEMU: &str = "qemu-system-x86_64";
/// Programs that the corpus starts, or that start it.
const PROGRAMS: &[&str] = &[
    "sh", "dash", "mount", "cat", "cp", "tee", "rm", "mv", "chmod", "ln", "kill", "env", "find", "tar", "true", "su",
    "setpriv", "unshare", "python3",
];
/// Parts of Python's library that the corpus does not need.
const NOT_OF_PYTHON: &[&str] = &["test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "tkinter", "distutils"];
/// The example of the README.
const EXAMPLE: &[&str] = &[
    "run",
    "examples/log-triage/script.rhai",
    "--policy=examples/log-triage/policy.cedar",
    "--principal=Agent::\"triage\"",
];
/// The arguments of the tests, which are selected by module.
const TESTS: &[&str] = &["escapes::", "--nocapture", "--test-threads=2"];
/// Tests that are left out: those that treat this kernel as an older one, which another kernel is by itself; and, to save time, scripts
/// of users other than root: the attacks of a user try what a script of that user can do.
const NOT_THERE: &[&str] =
    &["--skip", "escapes::landlock_", "--skip", "ordinary::scripts", "--skip", "contained::scripts"];
/// Factor by which everything may take longer where the processor is emulated.
const SLOWNESS: u32 = 4;
/// The start of each line that the script of the other kernel writes about itself.
const MARK: &str = "==> ";

/// The programs to run.
struct Built {
    /// The command.
    rex: PathBuf,
    /// The tests, and the programs that they start, among them a `rex` that is replaced by the command there.
    tests: PathBuf,
    beside: PathBuf,
}

/// Runs the release binary on Debian's kernel and on this one; with `only_other` the binary of the tests, on Debian's alone.
pub(crate) fn run(only_other: bool) -> Result<(), Stop> {
    let kernel = match kernel() {
        Ok(kernel) => kernel,
        Err(missing) if only_other => {
            println!("left out: Debian 12's kernel: {missing}");
            return Ok(());
        }
        Err(missing) => return Err(Stop::new(missing)),
    };
    let built = build(!only_other)?;
    let mut told = Vec::new();
    if !only_other {
        told.push(here(&built)?);
    }
    told.push(there(&kernel, &built)?);
    println!();
    told.iter().for_each(|seen| println!("{}", seen.summary()));
    match told.iter().filter(|seen| !seen.is_well()).count() {
        0 => Ok(()),
        _ => Err(Stop::new("a kernel does not hold what Rex needs; see above")),
    }
}

/// Returns Debian 12's kernel, or what is missing.
fn kernel() -> Result<PathBuf, String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("it is started on Linux for x86_64 alone, whose programs it runs".to_owned());
    }
    if !shell::installed(QEMU) {
        return Err(format!("`{QEMU}` is not installed (Debian's package qemu-system-x86)"));
    }
    let boot = root().join(UNPACKED).join("boot");
    let files = fs::read_dir(boot).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_kernel = |file: &PathBuf| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(VMLINUZ));
    files.filter(is_kernel).max().ok_or_else(|| {
        format!(
            "it is not in `{UNPACKED}`: on Debian 12, `.ci/run kernel` puts it there (the package of the kernel that \
             linux-image-cloud-amd64 depends on, unpacked by `dpkg-deb --extract` and not installed)"
        )
    })
}

/// Builds the tests and, if `release`, the release binary, which takes longer than all else.
fn build(release: bool) -> Result<Built, Stop> {
    if release {
        shell::run(&mut shell::cargo(&["build", "--release", "--locked", "--package", "rex-cli", "--bin", "rex"]))?;
    }
    let beside = shell::build()?;
    // Of the whole workspace, to have the same features as the other tests.
    let args = ["test", "--workspace", "--locked", "--no-run", "--test", "it", "--message-format", "json"];
    let list = shell::output(&mut shell::cargo(&args))?;
    let tests = executable(&list).ok_or_else(|| Stop::new("cargo does not say where the tests are"))?;
    let target = beside.parent().unwrap_or(&beside);
    let rex = if release { target.join("release/rex") } else { beside.join("rex") };
    Ok(Built { rex, tests, beside })
}

/// Returns the tests of the command, from the output of `cargo --message-format json`.
fn executable(list: &str) -> Option<PathBuf> {
    let line = list.lines().find(|line| line.contains("/rex-cli#") && line.contains("\"kind\":[\"test\"]"))?;
    let (_, rest) = line.split_once("\"executable\":\"")?;
    rest.split_once('"').map(|(path, _)| PathBuf::from(path))
}

/// The results on one kernel.
#[derive(Debug, Default)]
struct Seen {
    name: String,
    /// The version of Landlock.
    landlock: Option<String>,
    /// Each command, and `true` if it succeeded.
    ended: Vec<(String, bool)>,
    attacks: u64,
    escapes: u64,
    time: Duration,
}

impl Seen {
    /// Notes a line of output.
    fn line(&mut self, line: &str) {
        if let Some(text) = line.strip_prefix(MARK).and_then(|text| text.strip_prefix("ended ")) {
            let (status, what) = text.split_once(' ').unwrap_or((text, ""));
            self.ended.push((what.to_owned(), status == "0"));
        } else if let Some(name) = line.strip_prefix("Linux ").filter(|_| self.name.is_empty()) {
            self.name = name.to_owned();
        } else if let Some((_, version)) = line.split_once("ok       Landlock, version ") {
            self.landlock = Some(version.to_owned());
        } else if let Some((head, escapes)) = line.strip_suffix(" escapes").and_then(|line| line.rsplit_once(", ")) {
            // `Own: 133 attacks, 0 escapes`, `Own: 90 scripts of rex, 0 escapes`
            let tried = head.rsplit_once(": ").and_then(|(_, tried)| tried.split(' ').next());
            self.attacks += tried.and_then(|tried| tried.parse::<u64>().ok()).unwrap_or(0);
            self.escapes += escapes.parse().unwrap_or(1);
        }
    }

    /// Returns whether everything was run, and succeeded. A test that fails prints no line of its own, so its end counts as an escape does.
    fn is_well(&self) -> bool {
        self.ended.len() == 3 && self.ended.iter().all(|(_, well)| *well) && self.escapes == 0 && self.attacks > 500
    }

    fn summary(&self) -> String {
        let ends = self.ended.iter().map(|(what, well)| format!("{what} {}", if *well { "ok" } else { "FAILED" }));
        let ends = ends.collect::<Vec<_>>().join(", ");
        let failed = self.ended.iter().any(|(_, well)| !well);
        let escapes = if failed && self.escapes == 0 { "unknown".to_owned() } else { self.escapes.to_string() };
        format!(
            "kernel {}, Landlock of version {}: {}; {} attacks, {escapes} escapes; {} s",
            self.name,
            self.landlock.as_deref().unwrap_or("?"),
            if ends.is_empty() { "nothing was run" } else { &ends },
            self.attacks,
            self.time.as_secs()
        )
    }
}

/// Runs the commands on the kernel of this machine.
fn here(built: &Built) -> Result<Seen, Stop> {
    let (mut seen, start) = (Seen::default(), Instant::now());
    let commands =
        [(&built.rex, &["doctor"][..], "doctor"), (&built.rex, EXAMPLE, "example"), (&built.tests, TESTS, "corpus")];
    for (program, args, what) in commands {
        let mut command = Command::new(program);
        // Cargo starts tests in the folder of their crate.
        command.args(args).current_dir(if what == "corpus" { root().join("rex-cli") } else { root() });
        let well = shell::watch(&mut command, shell::Stream::Out, |line| seen.line(line))?;
        seen.ended.push((what.to_owned(), well));
    }
    seen.time = start.elapsed();
    Ok(seen)
}

/// Runs the commands on another kernel.
fn there(kernel: &Path, built: &Built) -> Result<Seen, Stop> {
    let archive = root().join(UNPACKED).join("initramfs");
    let bytes = pack(built)?;
    println!("\nan archive of {} MiB for {}", bytes.len() >> 20, kernel.display());
    fs::write(&archive, bytes).map_err(|error| Stop::new(format!("`{}`: {error}", archive.display())))?;
    let mut command = Command::new(QEMU);
    command.args(["-accel", "tcg,thread=multi", "-cpu", "max,la57=off", "-smp", "2", "-m", "2048"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot", "-kernel"]);
    command.arg(kernel).arg("-initrd").arg(&archive);
    command.args(["-append", "console=ttyS0 panic=-1 loglevel=3 mitigations=off audit=0"]);
    println!("$ {}", shell::line(&command));
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let child = child.map_err(|error| Stop::new(format!("`{QEMU}` cannot be run: {error}")))?;
    let result = watch(child);
    drop(fs::remove_file(archive));
    result
}

/// Reads the output of the other kernel, until it ends or its time is over.
fn watch(mut child: Child) -> Result<Seen, Stop> {
    let (mut seen, start) = (Seen::default(), Instant::now());
    let (sender, lines) = mpsc::channel();
    let pipe = child.stdout.take();
    let reader = std::thread::spawn(move || {
        for bytes in pipe.into_iter().flat_map(|pipe| BufReader::new(pipe).split(b'\n')).map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&bytes).trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    let over = loop {
        match lines.recv_timeout(PATIENCE.saturating_sub(start.elapsed())) {
            Ok(line) => {
                println!("  {line}");
                seen.line(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break false,
            Err(RecvTimeoutError::Timeout) => break true,
        }
    };
    if over {
        drop(child.kill());
    }
    let ended = child.wait().map_err(|error| Stop::new(format!("`{QEMU}`: {error}")))?;
    drop(reader.join());
    seen.time = start.elapsed();
    if over {
        return Err(Stop::new(format!("the kernel did not end within {} minutes", PATIENCE.as_secs() / 60)));
    }
    if !ended.success() {
        return Err(Stop::new(format!("`{QEMU}` failed: {ended}")));
    }
    Ok(seen)
}

/// Returns the archive of everything that the other kernel needs, with the script that it starts first.
fn pack(built: &Built) -> Result<Vec<u8>, Stop> {
    let mut image = Image::default();
    for directory in ["/dev", "/proc", "/sys", "/run", "/var", "/etc"] {
        image.directory(Path::new(directory), 0o755);
    }
    image.directory(Path::new("/tmp"), 0o1777);
    image.directory(Path::new("/root"), 0o700);
    image.device(Path::new("/dev/console"), (5, 1));
    for program in PROGRAMS {
        image.program(&Path::new("/usr/bin").join(program))?;
    }
    image.program(Path::new("/usr/sbin/chroot"))?;
    // Their other names, which are links.
    ["/bin/sh", "/sbin/chroot"].into_iter().try_for_each(|name| image.take(Path::new(name), &[]))?;
    python(&mut image)?;
    for (name, mode, text) in [
        ("passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"),
        ("group", 0o644, "root:x:0:\nnogroup:x:65534:\n"),
        ("shadow", 0o600, "root:*:20000:0:99999:7:::\n"),
        ("hosts", 0o644, "127.0.0.1 localhost\n"),
        ("hostname", 0o644, "another\n"),
    ] {
        image.file(&Path::new("/etc").join(name), mode, text.as_bytes());
    }
    for part in ["rex-cli/tests/escapes", "examples/log-triage"] {
        image.take(&root().join(part), &[])?;
    }
    // Under the names that the tests expect.
    stripped(&mut image, &built.rex, &built.beside.join("rex"))?;
    stripped(&mut image, &built.tests, &built.tests)?;
    for example in ["open-gate", "inside"] {
        let program = built.beside.join("examples").join(example);
        stripped(&mut image, &program, &program)?;
    }
    corpus(&mut image, &built.beside)?;
    image.file(Path::new("/init"), 0o755, init(built).as_bytes());
    Ok(image.finish())
}

/// Adds Python with its library.
fn python(image: &mut Image) -> Result<(), Stop> {
    let ask = "import sys, sysconfig; print(sysconfig.get_path('stdlib'))";
    let library = shell::output(Command::new("/usr/bin/python3").args(["-S", "-c", ask]))?;
    let library = PathBuf::from(library.trim());
    image.take(&library, NOT_OF_PYTHON)?;
    // The modules that the attacks load, and the libraries of these.
    let modules = fs::read_dir(library.join("lib-dynload")).into_iter().flatten().flatten();
    modules.map(|entry| entry.path()).try_for_each(|module| image.libraries(&module))
}

/// Adds a program under another name, without the parts that only a debugger needs.
fn stripped(image: &mut Image, program: &Path, name: &Path) -> Result<(), Stop> {
    image.libraries(program)?;
    let small = root().join(UNPACKED).join("stripped");
    shell::output(Command::new("strip").arg("-o").arg(&small).arg(program))?;
    let contents = fs::read(&small).map_err(|error| Stop::new(format!("`{}`: {error}", small.display())))?;
    drop(fs::remove_file(small));
    image.file(name, 0o755, &contents);
    Ok(())
}

/// Adds the programs of the corpus that are in C: the other kernel has no compiler.
fn corpus(image: &mut Image, beside: &Path) -> Result<(), Stop> {
    let to = root().join(UNPACKED).join("compiled");
    for (options, source, name) in [
        (&["-shared", "-fPIC", "-o"][..], "attacks.c", "attacks.so"),
        (&["-o"], "attacks.c", "attacks"),
        (&["-o"], "without.c", "without"),
        (&["-o"], "older.c", "older"),
    ] {
        let source = root().join("rex-cli/tests/escapes").join(source);
        shell::output(Command::new("cc").arg("-O1").args(options).arg(&to).arg(source))?;
        image.libraries(&to)?;
        let contents = fs::read(&to).map_err(|error| Stop::new(format!("`{}`: {error}", to.display())))?;
        image.file(&beside.join(name), 0o755, &contents);
    }
    drop(fs::remove_file(to));
    Ok(())
}

/// Returns the script that the other kernel starts: it runs the three commands, and turns the machine off.
fn init(built: &Built) -> String {
    let quote = |words: &[&str]| words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    format!(
        "#!/bin/sh
export PATH=/usr/bin:/usr/sbin HOME=/root REX_TEST_SLOWNESS={SLOWNESS}
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
run() {{ what=$1; shift; echo \"$ $*\"; \"$@\" < /dev/null; echo \"{MARK}ended $? $what\"; }}
cd '{root}'
run doctor '{rex}' doctor
run example '{rex}' {example}
cd rex-cli
run corpus '{tests}' {args}
echo o > /proc/sysrq-trigger
read -r never
",
        root = root().display(),
        rex = built.beside.join("rex").display(),
        example = quote(EXAMPLE),
        tests = built.tests.display(),
        args = quote(&[TESTS, NOT_THERE].concat()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_says_is_understood() {
        let mut seen = Seen::default();
        for line in [
            "Linux 6.1.0-1-cloud-amd64",
            "files       ok       Landlock, version 2",
            "==> ended 0 doctor",
            "==> ended 0 example",
            "Own: 150 attacks, 0 escapes",
            "Own, Landlock of version 1: 400 scripts of open-gate, 0 escapes",
            "==> ended 0 corpus",
        ] {
            seen.line(line);
        }
        let summary = "kernel 6.1.0-1-cloud-amd64, Landlock of version 2: doctor ok, example ok, corpus ok; 550 attacks, 0 escapes; 0 s";
        assert!(seen.is_well() && seen.summary() == summary, "{}", seen.summary());
        seen.line("Own: 90 scripts of rex, 2 escapes");
        assert!(!seen.is_well() && seen.escapes == 2, "{seen:?}");
        let failed = Seen { ended: vec![("doctor".to_owned(), false)], ..Seen::default() };
        assert!(!failed.is_well() && failed.summary().contains("doctor FAILED; 0 attacks, unknown escapes"));
    }

    #[test]
    fn the_tests_are_found_in_what_cargo_writes() {
        let other =
            r#"{"package_id":"path+file:///w/rex-sdk#0.1.0","target":{"kind":["test"]},"executable":"/t/it-1"}"#;
        let ours = r#"{"package_id":"path+file:///w/rex-cli#0.1.0","target":{"kind":["test"]},"executable":"/t/it-2"}"#;
        assert_eq!(executable(&format!("{other}\n{ours}\n")), Some(PathBuf::from("/t/it-2")));
        assert_eq!(executable(other), None);
    }
}
