//! `cargo xtask test`: runs every test, and reports what was left out.

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::shell::{self, Stream};
use crate::{Stop, root};

/// Programs that some tests need: name, what is not tested without it, and Debian's package.
const NEEDED: &[(&str, &str, &str)] = &[
    ("systemd", "services under a real service manager", "systemd"),
    ("dbus-daemon", "services under a real service manager", "dbus"),
    ("nginx", "the restart of a real nginx", "nginx-light"),
    ("systemd-analyze", "the exposure of the unit files", "systemd"),
    ("strace", "system calls of confined runs against their policies", "strace"),
    ("cvc5", "proofs about policies", "cvc5"),
    ("chromium", "the page of `rex audit report` in a browser", "chromium"),
];

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Runs the tests that try to get out, with their output.
pub(crate) fn escapes(long: bool) -> Result<(), Stop> {
    let runs = if long { "2000" } else { "100" };
    let args = ["test", "--locked", "--package", "rex-cli", "--test", "it", "--", "--nocapture", "--test-threads=2"];
    let modules = ["escapes", "oracle", "kills", "kernels"];
    shell::run(shell::cargo(&args).args(modules).env("REX_ORACLE_RUNS", runs))
}

pub(crate) fn run() -> Result<(), Stop> {
    let start = Instant::now();
    let mut all = Count::default();
    println!("builds and runs every test; the first build takes minutes, and names each crate as it goes");
    if shell::works(&mut shell::cargo(&["nextest", "--version"])) {
        let args = ["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--color", "never"];
        all.add(counted(&args, Stream::Err, nextest)?);
        all.add(counted(&["test", "--workspace", "--locked", "--no-fail-fast", "--doc"], Stream::Out, libtest)?);
    } else {
        all.add(counted(&["test", "--workspace", "--locked", "--no-fail-fast"], Stream::Out, libtest)?);
    }
    all.add(examples()?);
    println!();
    for (program, what, package) in NEEDED.iter().filter(|(program, ..)| !shell::installed(program)) {
        println!("left out: {what}: `{program}` is not installed (Debian's package {package})");
    }
    let Count { passed, failed, ignored } = all;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let time = start.elapsed().as_secs_f64();
    println!(
        "test result: {word}. {passed} passed; {failed} failed; {ignored} ignored; 0 measured; 0 filtered out; finished in {time:.2}s"
    );
    if failed == 0 { Ok(()) } else { Err(Stop::new(format!("{failed} tests failed"))) }
}

/// Runs cargo and adds up the counts in its output. A run that failed without a failed test counts as one failed test.
fn counted(args: &[&str], stream: Stream, parse: fn(&str) -> Option<Count>) -> Result<Count, Stop> {
    let mut count = Count::default();
    let well = shell::watch(&mut shell::cargo(args), stream, |line| count.add(parse(line).unwrap_or_default()))?;
    if !well && count.failed == 0 {
        count.failed = 1;
    }
    Ok(count)
}

/// Parses `test result: ok. 3 passed; 0 failed; 0 ignored; ...`
fn libtest(line: &str) -> Option<Count> {
    let line = line.strip_prefix("test result: ")?;
    Some(Count { passed: before(line, " passed"), failed: before(line, " failed"), ignored: before(line, " ignored") })
}

/// Parses `Summary [   0.012s] 3 tests run: 2 passed (1 slow), 1 failed, 4 skipped`
fn nextest(line: &str) -> Option<Count> {
    let line = line.trim_start().strip_prefix("Summary [")?;
    let failed = [" failed", " timed out", " exec failed"].map(|word| before(line, word)).iter().sum();
    Some(Count { passed: before(line, " passed"), failed, ignored: before(line, " skipped") })
}

/// Returns the number right before a word; 0 if the word is missing.
fn before(line: &str, word: &str) -> u64 {
    let Some((head, _)) = line.split_once(word) else { return 0 };
    head.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Runs the example programs of every crate. The tests have built them already.
fn examples() -> Result<Count, Stop> {
    let programs = shell::build()?.join("examples");
    let mut count = Count::default();
    for (name, program) in find_examples(&programs) {
        let ended = std::process::Command::new(&program).current_dir(root()).output();
        match ended {
            Ok(output) if output.status.success() => {
                println!("example {name} ... ok");
                count.passed += 1;
            }
            Ok(output) => {
                println!("example {name} ... FAILED: {}", output.status);
                print!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
                count.failed += 1;
            }
            Err(error) => {
                println!("example {name} ... FAILED: {}: {error}", program.display());
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

/// Returns the name and the program of each example: `rex-core/examples/thermostat.rs` is built as `thermostat`.
fn find_examples(programs: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for name in crate::tidy::rust_files(&root()) {
        if let Some((member, example)) = name.split_once("/examples/")
            && !member.contains('/')
            && let Some(example) = example.strip_suffix(".rs")
        {
            found.push((format!("{member}/{example}"), programs.join(example)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Count, libtest, nextest};

    #[test]
    fn the_lines_of_both_runners_are_understood() {
        let libtest = libtest("test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out");
        assert_eq!(libtest, Some(Count { passed: 12, failed: 3, ignored: 1 }));
        let nextest =
            nextest("     Summary [   1.012s] 8 tests run: 5 passed (1 slow), 2 failed, 1 timed out, 4 skipped");
        assert_eq!(nextest, Some(Count { passed: 5, failed: 3, ignored: 4 }));
        assert_eq!(super::libtest("running 3 tests"), None);
    }
}
