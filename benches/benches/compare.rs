//! Is what an operator does with Rex about as fast as with the usual tools? `cargo xtask bench compare` prints the table.
//!
//! Each row runs the operation under 1 policy and under 1,000, and the tool, alternately, and takes the median of each. Every
//! directory, and every entry that is looked at, is authorized. The operation runs in this process, whose policy is loaded;
//! the tool is started each time, as usual; the program, by a bare `fork` and `exec` from this process.
//!
//! Budgets, as ratios to the tool: find 1.5, du 1.5, count 1.2, checksum 1.2, grep 1.3, grep of gzip 1.5, process list 2, start
//! of a program 2; and the last 10 lines of 1 GB within a millisecond.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a bench on real files, against real programs"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rex_benches::{input, policy_of};
use rex_core::{Limits, Principal, Value};
use rex_engine::Engine;
use rex_policy::Policy;
use rex_sdk::HostOs;

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

/// Number of entries of the tree.
const ENTRIES: usize = 50_000;
/// Size of the log, in bytes.
const LOG: usize = 100_000_000;
/// Size of the log whose end is read, in bytes.
const LONG_LOG: u64 = 1_000_000_000;
/// Number of runs of each.
const TURNS: usize = 9;
const PATTERN: &str = "ERROR.*request [0-9]+7 in";

/// One line of the table.
struct Row {
    name: &'static str,
    script: String,
    /// The command to compare with, and the maximum ratio to its time.
    tool: Option<(Vec<String>, f64)>,
}

fn main() -> ExitCode {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let root = fs::canonicalize(dir.path()).expect("a path");
    let path = |name: &str| root.join(name).to_str().expect("UTF-8").to_owned();
    tree(&root.join("tree"));
    log(&root.join("log"), LOG);
    long_log(&root.join("long"));
    let zipped = File::create(root.join("log.gz")).expect("a file");
    let zip = Command::new("gzip").args(["-c", &path("log")]).stdout(zipped).status().expect("it starts");
    assert!(zip.success(), "gzip failed");

    let one = Arc::new(policies(&root, 0));
    let thousand = Arc::new(policies(&root, 999));
    let engine = engine(&one);
    let (tree, log, gz, long) = (path("tree"), path("log"), path("log.gz"), path("long"));
    let words = |line: &[&str]| line.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let rows = [
        Row {
            name: "fs::find, 50,000 entries",
            script: format!("fs::find(\"{tree}\", #{{name: \"*.log\"}}).entries.len"),
            tool: Some((words(&["find", &tree, "-name", "*.log"]), 1.5)),
        },
        Row {
            name: "fs::du, 50,000 entries",
            script: format!("fs::du(\"{tree}\").allocated"),
            tool: Some((words(&["du", "-s", &tree]), 1.5)),
        },
        Row {
            name: "fs::count, 100 MB",
            script: format!("fs::count(\"{log}\").lines"),
            tool: Some((words(&["wc", &log]), 1.2)),
        },
        Row {
            name: "fs::checksum, 100 MB",
            script: format!("fs::checksum(\"{log}\")"),
            tool: Some((words(&["sha256sum", &log]), 1.2)),
        },
        Row {
            name: "fs::grep, 100 MB",
            script: format!("fs::grep(\"{log}\", \"{PATTERN}\", #{{max: 1_000_000}}).count"),
            tool: Some((words(&["rg", "-j1", "-n", PATTERN, &log]), 1.3)),
        },
        Row {
            name: "fs::grep, its gzip",
            script: format!("fs::grep(\"{gz}\", \"{PATTERN}\", #{{max: 1_000_000}}).count"),
            tool: Some((words(&["zgrep", "-E", PATTERN, &gz]), 1.5)),
        },
        Row {
            name: "fs::lines, last 10 of 1 GB",
            script: format!("fs::lines(\"{long}\", #{{max: 10, from_end: true}}).len"),
            tool: None,
        },
        Row {
            name: "process::list",
            script: "process::list(#{details: true}).len".to_owned(),
            tool: Some((words(&["ps", "aux"]), 2.0)),
        },
        Row {
            name: "process::run, /usr/bin/true",
            script: "process::run(\"/usr/bin/true\", []).status".to_owned(),
            tool: Some((words(&["/usr/bin/true"]), 2.0)),
        },
    ];
    println!("| operation | 1 policy | 1,000 policies | tool | ratio | budget | |\n|---|---|---|---|---|---|---|");
    let mut missed = 0;
    // A word, which criterion would take as well, selects the rows whose names contain it.
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    for row in rows.iter().filter(|row| word.as_ref().is_none_or(|word| row.name.contains(word))) {
        missed += u32::from(!show(&engine, row, &one, &thousand));
    }
    println!("\n{missed} of the budgets are missed");
    ExitCode::SUCCESS
}

/// Measures a row and prints it; returns whether it keeps its budget.
fn show(engine: &Engine, row: &Row, one: &Arc<Policy>, thousand: &Arc<Policy>) -> bool {
    let ours = |policy: &Arc<Policy>| {
        let start = Instant::now();
        let report = engine.run(&row.script, input(policy));
        let took = start.elapsed();
        match &report.outcome {
            // An operation that finds nothing would be fast.
            Ok(Value::Int(0)) if !row.name.contains("run") => panic_with(row.name, "it finds nothing"),
            Ok(_) => took,
            Err(error) => panic_with(row.name, &format!("{error:?}")),
        }
    };
    let theirs = |words: &[String]| {
        let (program, arguments) = words.split_first().expect("a program");
        let start = Instant::now();
        let mut command = Command::new(program);
        if row.name.starts_with("process::run") {
            // With a user that is set, the standard library uses `fork`, even for the current user.
            command.uid(nix::unistd::getuid().as_raw());
        }
        let status = command.args(arguments).stdout(Stdio::null()).status();
        let took = start.elapsed();
        assert!(status.is_ok_and(|status| status.success()), "{program} failed or is not installed");
        took
    };
    let (mut first, mut second, mut tool) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        first.push(ours(one));
        second.push(ours(thousand));
        tool.extend(row.tool.as_ref().map(|(words, _)| theirs(words)));
    }
    let (first, second) = (median(first), median(second));
    let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let mut line = format!("| {} | {} | {} ", row.name, ms(first), ms(second));
    let slower = first.max(second).as_secs_f64();
    let kept = match &row.tool {
        Some((words, budget)) => {
            let tool = median(tool);
            let ratio = slower / tool.as_secs_f64();
            let _ = write!(line, "| `{}` {} | {ratio:.2} | {budget} ", words.first().expect("a program"), ms(tool));
            ratio <= *budget
        }
        None => {
            let _ = write!(line, "| | | 1 ms ");
            slower <= 0.001
        }
    };
    println!("{line}| {} |", if kept { "" } else { "missed" });
    kept
}

fn panic_with(name: &str, why: &str) -> ! {
    println!("{name}: {why}");
    std::process::exit(1)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn policies(root: &Path, others: usize) -> Policy {
    let text = format!(
        "@id(\"files\") permit (principal, action in fs::Action::\"ReadOnly\", resource in fs::Path::\"{}\");\n\
         @id(\"processes\") permit (principal, action in process::Action::\"ReadOnly\", resource);\n\
         @id(\"true\") permit (principal, action == process::Action::\"run\", resource == process::Program::\"/usr/bin/true\");\n",
        root.display()
    );
    policy_of(text, others)
}

fn engine(policy: &Policy) -> Engine {
    let limits = Limits { wall_ms: 600_000, read_bytes: u64::MAX, memory_bytes: 1 << 30, ..Limits::default() };
    let host = HostOs::default().with_programs(policy.reach(Some(&Principal::agent("bench"))));
    Engine::builder(Arc::new(host)).limits(limits).build().expect("the bench's allocator counts")
}

/// Creates directories of 100 entries, four levels deep.
fn tree(root: &Path) {
    let mut made = 0;
    for number in 0.. {
        let dir = root.join(format!("a{}/b{}/c{}", number % 5, number / 5 % 10, number));
        fs::create_dir_all(&dir).expect("a directory");
        for file in 0..99 {
            let kind = if file % 10 == 0 { "log" } else { "txt" };
            fs::write(dir.join(format!("file-{file:02}.{kind}")), "contents\n").expect("a file");
        }
        made += 100;
        if made >= ENTRIES {
            return;
        }
    }
}

fn log(path: &Path, size: usize) {
    let mut text = String::with_capacity(size + 200);
    let mut number = 0;
    while text.len() < size {
        let level = if number % 997 == 0 { "ERROR" } else { "INFO" };
        let _ = writeln!(
            text,
            "2026-11-23T10:{:02}:{:02}Z {level} worker-{} handled request {number} in {} ms",
            number / 60 % 60,
            number % 60,
            number % 16,
            number % 431
        );
        number += 1;
    }
    fs::write(path, text).expect("a file");
}

fn long_log(path: &Path) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let line = "2026-11-23T10:00:00Z INFO worker-1 handled request 1 in 1 ms, and all was well\n".repeat(1_000);
    let mut left = LONG_LOG;
    while left > 0 {
        let count = left.min(line.len() as u64);
        file.write_all(line.as_bytes().get(..usize::try_from(count).expect("small")).expect("within")).expect("room");
        left -= count;
    }
}
