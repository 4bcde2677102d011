//! t
#![allow(
    clippy::all,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason
)]
use rex_core::{action::fs, *};
use rex_policy::*;
use std::time::Instant;
fn time<T>(name: &str, n: u32, mut f: impl FnMut(u32) -> T) {
    for i in 0..n / 10 + 1 {
        std::hint::black_box(f(i));
    }
    let mut best = f64::MAX;
    for _ in 0..5 {
        let t = Instant::now();
        for i in 0..n {
            std::hint::black_box(f(i));
        }
        best = best.min(t.elapsed().as_nanos() as f64 / n as f64);
    }
    println!("{name}: {best:.0} ns");
}
fn policy(others: usize, m: &str) -> Policy {
    let mut t = String::from(m);
    for i in 0..others {
        match i % 4 {
            0 => {
                t += &format!(
                    "permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv/app-{i}\");\n"
                )
            }
            1 => {
                t += &format!(
                    "permit (principal, action == fs::Action::\"read\", resource is fs::Path) when {{ resource.path like \"/srv/data-{i}/*\" }};\n"
                )
            }
            2 => t += &format!("forbid (principal == Agent::\"a{i}\", action == fs::Action::\"read\", resource);\n"),
            _ => {
                t += &format!(
                    "permit (principal, action == service::Action::\"restart\", resource == service::Unit::\"u{i}.service\");\n"
                )
            }
        }
    }
    Policy::compile(&Vocabulary::rex(), &[Source::new("b", t)], None, &PolicyLimits::default()).unwrap()
}
fn main() {
    let t = Instant::now();
    let p = policy(10, "");
    println!("first compile of 10 {:?}", t.elapsed());
    let t = Instant::now();
    let p2 = policy(10, "");
    println!("second compile of 10 {:?}", t.elapsed());
    let t = Instant::now();
    let pe = policy(1, "");
    println!("second compile of 1 {:?}", t.elapsed());
    let s = Subject::new(Principal::agent("triage"));
    let paths: Vec<AbsPath> = (0..20000).map(|i| AbsPath::parse(&format!("/var/log/app/f{i}.log")).unwrap()).collect();
    let m1 = "permit (principal == Agent::\"triage\", action in fs::Action::\"ReadOnly\", resource in fs::Path::\"/var/log\");\n";
    let m2 = "permit (principal == Agent::\"triage\", action in fs::Action::\"ReadOnly\", resource in fs::Path::\"/var/log\") when { resource.path like \"/var/log/*\" } unless { resource.extension == \"key\" };\n";
    let m3 = "permit (principal == Agent::\"triage\", action in fs::Action::\"ReadOnly\", resource in fs::Path::\"/var/log\") when { context.now < datetime(\"2030-01-01\") };\n";
    for (name, m) in [("none", ""), ("scope", m1), ("cond", m2), ("now", m3)] {
        for n in [1, 100, 10000] {
            let t = Instant::now();
            let p = policy(n, m);
            let c = t.elapsed();
            let ask = |i: u32| {
                p.decide(&Request {
                    subject: &s,
                    action: &fs::Read {},
                    resource: &paths[i as usize % paths.len()],
                    now: Timestamp::from_micros(1_795_437_749_000_000),
                })
            };
            let t = Instant::now();
            let d = ask(0);
            println!("{name} {n}: compile {c:?} first {:?} {:?}", t.elapsed(), d.effect);
            time(&format!("{name} uncached {n}"), 19999, ask);
            time(&format!("{name} cached {n}"), 20000, |_| ask(7));
        }
    }
    drop((p, p2, pe));
}
