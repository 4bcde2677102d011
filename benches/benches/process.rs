//! How long does the command take to start, decide nothing, and end?
//!
//! Budget: `rex run -e 1` with ten policies takes at most 7 times a fork and exec of `/bin/true` (aim: 4), and at most
//! 12 MB of memory. Needs `cargo build --release -p rex-cli` before.
#![expect(
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a bench of a real program"
)]

use std::path::PathBuf;
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
    // The bench lies in `release/deps`, the command in `release`.
    let this = std::env::current_exe().expect("this program has a path");
    let rex: PathBuf = this.ancestors().nth(2).expect("it lies in a target folder").join("rex");
    if !rex.exists() {
        eprintln!("left out: build the command first, `cargo build --release -p rex-cli`");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let policies: String = (0..10)
        .map(|number| format!("@id(\"p{number}\") permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv/app-{number}\");\n"))
        .collect();
    let policy = dir.path().join("ten.cedar");
    std::fs::write(&policy, policies).expect("a file");
    let command = || {
        let mut command = Command::new(&rex);
        command.args(["run", "-e", "1", "--policy"]).arg(&policy);
        command
    };
    let mut group = c.benchmark_group("cold-start");
    group.bench_function("/bin/true", |b| {
        b.iter_custom(|count| (0..count).map(|_| program(&mut Command::new("/bin/true"))).sum());
    });
    group.bench_function("rex run -e 1", |b| {
        b.iter_custom(|count| (0..count).map(|_| program(&mut command())).sum());
    });
    group.finish();
    program(&mut command());
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN).expect("usage");
    eprintln!("largest child: {} KiB", usage.max_rss());
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(4)).without_plots();
    targets = process
}
criterion_main!(benches);
