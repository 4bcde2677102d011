//! The time of proofs about a policy that somebody would write.
//!
//! Budget: under a second for 50 policies and five properties of them, including the start of the solver. It needs cvc5, and measures
//! nothing without it.
#![expect(clippy::expect_used, reason = "a bench that cannot set up its world has nothing to measure")]

use criterion::{Criterion, criterion_group, criterion_main};
use rex_benches::fifty;
use rex_cli::Cvc5;
use rex_policy::{Policy, PolicyLimits, ProofVerdict, Prover, SourceText, Vocabulary};

const PROPERTIES: &str = r#"
    @id("ceiling") @prove("at-most") permit (principal, action, resource) when { resource is fs::Path && resource.path like "/srv/*" };
    @id("units") @prove("at-most") permit (principal, action, resource is service::Unit);
    @id("programs") @prove("at-most") permit (principal, action, resource is process::Program);
    @id("no-etc") @prove("never") forbid (principal, action, resource in fs::Path::"/etc");
    @id("no-keys") @prove("never") forbid (principal, action, resource) when { resource is fs::Path && resource.extension == "key" };
    @id("errors") @prove("no-error") permit (principal, action, resource);
    @id("programs-stay") @prove("never-run") forbid (principal, action in fs::Action::"Mutating", resource);
"#;

fn prove(c: &mut Criterion) {
    let properties = SourceText::new("properties.cedar", PROPERTIES);
    let properties = Policy::properties(&Vocabulary::rex(), &[properties], None, &PolicyLimits::default());
    let (policy, properties) = (fifty(), properties.expect("the properties are valid"));
    if Cvc5::start().is_err() {
        return;
    }
    let mut group = c.benchmark_group("prove");
    group.sample_size(10);
    group.bench_function("50-policies", |b| {
        b.iter(|| {
            let mut solver = Cvc5::start().expect("it has been started before");
            let mut prover = Prover::new(&mut solver).expect("it can be asked");
            let proofs = prover.prove(&policy, &properties).expect("it is decided");
            assert!(proofs.iter().all(|proof| matches!(proof.verdict, ProofVerdict::Proved)), "{proofs:?}");
        });
    });
    group.finish();
}

criterion_group!(benches, prove);
criterion_main!(benches);
