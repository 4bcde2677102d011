//! The cost that Rex adds to a system call, and to a script.
//!
//! Budgets:
//! - a permitted read of a 60-byte file from Rhai: at most 1.5 times `bare`, plus 6 µs, under 1 policy and under 10,000
//! - a denied operation: at most 3 µs
//! - a warm run of `1`: at most 50 µs
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a bench on real files")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use rex_benches::{engine, input, policy};
use rex_engine::Engine;
use rex_policy::Policy;

#[global_allocator]
static ALLOCATOR: rex_engine::CountingAllocator = rex_engine::CountingAllocator;

/// Returns the time of `count` turns of a loop with this body in one run, less that of the empty loop.
fn looped(engine: &Engine, policy: &Arc<Policy>, body: &str, count: u64) -> Duration {
    let run = |body: &str| {
        let script = format!("for i in 0..{count} {{ {body} }}");
        let start = Instant::now();
        let report = engine.run(&script, input(policy));
        let elapsed = start.elapsed();
        assert!(report.outcome.is_ok(), "{:?}", report.outcome);
        elapsed
    };
    run(body).saturating_sub(run(""))
}

fn operations(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("sixty");
    std::fs::write(&path, [b'x'; 60]).expect("a file");
    let path = path.to_str().expect("UTF-8");
    let below = dir.path().to_str().expect("UTF-8");
    let engine = engine();
    let mut group = c.benchmark_group("read-60-bytes");
    group.bench_function("bare", |b| {
        let how = OpenHow::new()
            .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
            .resolve(ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        b.iter(|| {
            let file = openat2(AT_FDCWD, path, how).expect("it opens");
            let size = nix::sys::stat::fstat(&file).expect("it has a size").st_size;
            let mut buffer = [0; 256];
            assert_eq!(nix::unistd::read(&file, &mut buffer).expect("it reads") as i64, size);
            black_box(buffer);
        });
    });
    for others in [0, 9_999] {
        let policy = Arc::new(policy(below, others));
        let body = format!("read(\"{path}\");");
        group.bench_function(format!("rhai-{}-policies", others + 1), |b| {
            b.iter_custom(|count| looped(&engine, &policy, &body, count));
        });
    }
    group.finish();

    let mut group = c.benchmark_group("denied");
    for others in [0, 9_999] {
        let policy = Arc::new(policy(below, others));
        let body = "try { read(\"/etc/shadow\") } catch {}";
        group.bench_function(format!("{}-policies", others + 1), |b| {
            b.iter_custom(|count| looped(&engine, &policy, body, count));
        });
    }
    group.finish();

    let policy = Arc::new(policy(below, 9));
    c.bench_function("warm-run", |b| b.iter(|| engine.run("1", input(&policy))));
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3)).without_plots();
    targets = operations
}
criterion_main!(benches);
