//! Are large files read and searched at the speed of the usual tools, and appended to without being read?
//!
//! Budgets:
//! - append of one line to a 100 MB file: as to an empty one
//! - `fs::grep` on a 100 MB log: at most 1.3 times `rg -j1`, found in the same run
//! - `fs::read` of 100 MB: at most 2 times `cat` whose output is collected, peak memory at most 1.2 times its size
//!   (printed). `cat` into nowhere is there to compare: it keeps nothing, so it needs no memory for it.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a bench on real files, against real programs"
)]

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use rex_benches::{engine, input, policy};
use rex_core::Value;

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

const PATTERN: &str = "ERROR.*request [0-9]+7 in";
const SIZE: usize = 100_000_000;

fn log() -> String {
    let mut text = String::with_capacity(SIZE + 200);
    let mut number = 0;
    while text.len() < SIZE {
        let level = if number % 997 == 0 { "ERROR" } else { "INFO" };
        text.push_str(&format!(
            "2026-11-23T10:{:02}:{:02}Z {level} worker-{} handled request {number} in {} ms\n",
            number / 60 % 60,
            number % 60,
            number % 16,
            number % 431
        ));
        number += 1;
    }
    text
}

fn program(name: &str, args: &[&str]) -> Duration {
    let start = Instant::now();
    let status = Command::new(name).args(args).stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{name} failed");
    start.elapsed()
}

fn files(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let (log_path, empty, large) = (path("log"), path("empty"), path("large"));
    let log = log();
    std::fs::write(&log_path, &log).expect("a file");
    std::fs::write(&large, &log).expect("a file");
    std::fs::write(&empty, "").expect("a file");
    drop(log);
    let (engine, policy) = (engine(), Arc::new(policy(dir.path().to_str().expect("UTF-8"), 9)));
    let run = |script: &str| {
        let report = engine.run(script, input(&policy));
        assert!(report.outcome.is_ok(), "{:?}", report.outcome);
        report
    };

    let mut group = c.benchmark_group("append");
    for (name, path) in [("empty", &empty), ("100-MB", &large)] {
        group.bench_function(name, |b| {
            b.iter_custom(|count| {
                let report = run(&format!("for i in 0..{count} {{ append(\"{path}\", \"one more line\\n\"); }}"));
                Duration::from_micros(report.stats.duration_us)
            });
        });
    }
    group.finish();

    let mut group = c.benchmark_group("grep-100-MB");
    let script = format!("fs::grep(\"{log_path}\", \"{PATTERN}\", #{{max: 1_000_000}}).count");
    group.bench_function("fs::grep", |b| b.iter(|| run(&script)));
    if let Ok(counted) = Command::new("rg").args(["-c", PATTERN, &log_path]).output() {
        let counted = String::from_utf8_lossy(&counted.stdout).trim().parse().expect("a number");
        assert_eq!(run(&script).outcome.ok(), Some(Value::Int(counted)), "both find the same");
        group.bench_function("rg -j1", |b| {
            b.iter_custom(|count| (0..count).map(|_| program("rg", &["-j1", "-n", PATTERN, &log_path])).sum());
        });
    } else {
        eprintln!("left out: rg is not installed, so there is no reference for fs::grep");
    }
    group.finish();

    let mut group = c.benchmark_group("read-100-MB");
    let script = format!("fs::read(\"{log_path}\").bytes");
    let report = run(&script);
    let peak = report.stats.peak_memory_bytes.unwrap_or(0);
    eprintln!("peak memory of fs::read: {peak} bytes, {:.3} times the size", peak as f64 / SIZE as f64);
    group.bench_function("fs::read", |b| b.iter(|| run(&script)));
    group.bench_function("cat, collected", |b| {
        b.iter(|| Command::new("cat").arg(&log_path).output().expect("it starts").stdout.len());
    });
    group.bench_function("cat > /dev/null", |b| {
        b.iter_custom(|count| (0..count).map(|_| program("cat", &[&log_path])).sum());
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).measurement_time(Duration::from_secs(3)).without_plots();
    targets = files
}
criterion_main!(benches);
