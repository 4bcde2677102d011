//! The cost of a decision: does it depend on the number of policies?
//!
//! Budgets:
//! - a decision that was not made before: at most 5 µs (aim: 2), flat within 1.3 times from 1 to 10,000 policies that do
//!   not match
//! - the same decision again: at most 0.2 µs
//!
//! The reference is Cedar's own evaluation of every policy (`cedar-scan`).
#![expect(clippy::expect_used, reason = "a bench that cannot set up its world has nothing to measure")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rex_benches::{policy, policy_of};
use rex_core::action::fs;
use rex_core::{AbsPath, Authorize, Effect, Principal, Request, Subject, Timestamp};

const NOW: Timestamp = Timestamp::from_micros(1_795_437_749_000_000);

/// More than a principal's cache holds, so that a path is no longer in the cache when it is used again.
const PATHS: usize = 1 << 16;

fn decide(c: &mut Criterion) {
    let paths: Vec<_> =
        (0..PATHS).map(|number| AbsPath::parse(&format!("/srv/logs/app-{number}.log")).expect("a path")).collect();
    let elsewhere: Vec<_> =
        (0..PATHS).map(|number| AbsPath::parse(&format!("/etc/app-{number}.conf")).expect("a path")).collect();
    let subject = Subject::new(Principal::agent("bench"));
    let request = |resource| Request { subject: &subject, action: &fs::Read {}, resource, now: NOW };

    for others in [0, 10, 100, 1_000, 10_000] {
        let policy = policy("/srv/logs", others);
        let mut group = c.benchmark_group(format!("decide-{others}-others"));
        for (name, paths, effect) in [("permitted", &paths, Effect::Allow), ("denied", &elsewhere, Effect::Deny)] {
            let mut next = paths.iter().cycle();
            group.bench_function(name, |b| {
                b.iter(|| {
                    let path = next.next().expect("they go in a circle");
                    assert_eq!(policy.decide(black_box(&request(path))).effect, effect);
                });
            });
        }
        let path = paths.first().expect("there are some");
        group.bench_function("again", |b| b.iter(|| policy.decide(black_box(&request(path)))));
        group.bench_function("cedar-scan", |b| b.iter(|| policy.decide_fully(black_box(&request(path)))));
        group.finish();
    }

    for (name, condition) in [
        ("attribute", "unless { resource.extension == \"key\" }"),
        ("name", "when { resource.path like \"/srv/logs/*.log\" }"),
        ("time", "when { context.now > datetime(\"2026-01-01\") }"),
    ] {
        let policy = policy_of(format!("permit (principal, action, resource is fs::Path) {condition};\n"), 10_000);
        let mut next = paths.iter().cycle();
        c.bench_function(&format!("decide-by-condition/{name}"), |b| {
            b.iter(|| {
                let path = next.next().expect("they go in a circle");
                assert_eq!(policy.decide(black_box(&request(path))).effect, Effect::Allow);
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1)).without_plots();
    targets = decide
}
criterion_main!(benches);
