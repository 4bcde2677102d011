//! The time that the command takes to start, decide nothing, and end; and the cost of confinement.
//!
//! Budget: `rex run -e 1 --confine off` with ten policies takes at most 7 times a fork and exec of `/bin/true` (aim: 4), and at
//! most 12 MB of memory. Confinement adds at most 1.5 ms to that, and 5 % to a permitted read; worker and supervisor together
//! take at most 24 MB; sending the line of an effect to the supervisor before the act takes at most 20 µs. Needs
//! `cargo build --profile dist -p rex-cli` before.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a bench of a real program"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

fn program(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?} failed");
    start.elapsed()
}

fn process(c: &mut Criterion) {
    // The bench is in `release/deps`, the command in `dist`.
    let this = std::env::current_exe().expect("this program has a path");
    let rex: PathBuf = this.ancestors().nth(3).expect("it lies in a target folder").join("dist/rex");
    if !rex.exists() {
        eprintln!("left out: build the command first, `cargo build --profile dist -p rex-cli`");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let policies: String = (0..10)
        .map(|number| format!("@id(\"p{number}\") permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv/app-{number}\");\n"))
        .collect();
    let policy = dir.path().join("ten.cedar");
    std::fs::write(&policy, policies).expect("a file");
    let command = |confine: &str| {
        let mut command = Command::new(&rex);
        command.args(["run", "-e", "1", confine, "--policy"]).arg(&policy);
        command
    };
    // First, while this process is small: a child starts with its size. Of a pair, the larger process counts.
    for confine in ["--confine=off", "--confine=require"] {
        program(&mut command(confine));
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).expect("usage");
        eprintln!("largest process, {confine}: {} KiB", usage.max_rss());
    }
    let mut group = c.benchmark_group("cold-start");
    group.bench_function("/bin/true", |b| {
        b.iter_custom(|count| (0..count).map(|_| program(&mut Command::new("/bin/true"))).sum());
    });
    for confine in ["--confine=off", "--confine=require"] {
        group.bench_function(format!("rex run -e 1 {confine}"), |b| {
            b.iter_custom(|count| (0..count).map(|_| program(&mut command(confine))).sum());
        });
    }
    group.finish();
    // Alternately, so that other load of the machine affects both.
    let mut turns: Vec<_> =
        (0..300).map(|_| ["--confine=off", "--confine=require"].map(|mode| program(&mut command(mode)))).collect();
    let mut median = |at: usize| {
        turns.sort_by_key(|turn| turn[at]);
        turns[turns.len() / 2][at].as_secs_f64() * 1e3
    };
    let (off, on) = (median(0), median(1));
    eprintln!("cold start, by turns: {off:.2} ms unconfined, {on:.2} ms confined: {:+.2} ms", on - off);
    confinement(&rex, dir.path());
}

/// Times the same script inside and outside of a confinement, alternately.
fn confinement(rex: &Path, dir: &Path) {
    const COUNT: u32 = 20_000;
    let file = dir.join("file");
    std::fs::write(&file, "sixty bytes of text, which is what a small file holds......\n").expect("a file");
    let (file, policy) = (file.display(), dir.join("all.cedar"));
    std::fs::write(&policy, format!("permit (principal, action, resource in fs::Path::\"{}\");", dir.display()))
        .expect("a file");
    let time = |code: &str, more: &[&str]| {
        let code = format!("for i in 0..{COUNT} {{ {code}; }}");
        let mut command = Command::new(rex);
        command
            .args(["run", "--format=json", "--limit=wall_ms=60000", "-e", &code, "--policy"])
            .arg(&policy)
            .args(more);
        let output = command.output().expect("it starts");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["status"], "SUCCESS", "{report}");
        report["stats"]["duration_us"].as_f64().expect("a number") / f64::from(COUNT)
    };
    let compare = |what: &str, code: &str, more: &[&str]| {
        let mut turns: Vec<_> = (0..9)
            .map(|_| ["off", "require"].map(|mode| time(code, &[more, &[&format!("--confine={mode}")]].concat())))
            .collect();
        turns.sort_by(|[a, b], [c, d]| (b / a).total_cmp(&(d / c)));
        let [off, on] = turns[turns.len() / 2];
        eprintln!("{what}: {off:.2} µs unconfined, {on:.2} µs confined: {:+.2} µs, {:.3} times", on - off, on / off);
    };
    compare("a permitted read of 60 bytes", &format!("read(\"{file}\")"), &[]);
    let journal = format!("--journal={}", dir.join("journal").display());
    compare("a permitted read, with a journal", &format!("read(\"{file}\")"), &[&journal]);
    compare("an append of a byte, with a journal", &format!("append(\"{file}-2\", \"x\")"), &[&journal]);
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(4)).without_plots();
    targets = process
}
criterion_main!(benches);
