//! Proofs, by a real solver.

use std::process::Command;

use expect_test::{Expect, expect};
use rex_cli::Cvc5;
use rex_policy::testing::{Verdicts, inputs, proofs_agree};
use rex_policy::{Policy, PolicyLimits, Proof, Prover, Solver, Source, Verdict, Vocabulary};

/// The solver; `None` where it is not installed, which `cargo xtask test` tells.
fn solver() -> Option<Cvc5> {
    Cvc5::start().ok()
}

fn compile(text: &str, entities: Option<&str>) -> Policy {
    let entities = entities.map(|text| Source::new("entities.json", text));
    let source = Source::new("test.cedar", text);
    Policy::compile(&Vocabulary::rex(), &[source], entities.as_ref(), &PolicyLimits::default())
        .unwrap_or_else(|rejected| panic!("{rejected}"))
}

fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Proved => "proved".to_owned(),
        Verdict::Refuted(it) => {
            let operations: Vec<_> = it.operations.iter().map(ToString::to_string).collect();
            operations.join(" and ")
        }
        Verdict::Undecided(why) => format!("undecided: {}", why.join("; ")),
    }
}

fn check_with(policy: &str, entities: Option<&str>, properties: &str, expected: Expect) {
    let Some(mut solver) = solver() else { return };
    let mut prover = Prover::new(&mut solver).unwrap();
    let proofs = prover.prove(&compile(policy, entities), &compile(properties, entities)).unwrap();
    let line = |Proof { property, verdict, .. }: &Proof| format!("{property}: {}\n", said(verdict));
    expected.assert_eq(&proofs.iter().map(line).collect::<String>());
}

fn check(policy: &str, properties: &str, expected: Expect) {
    check_with(policy, None, properties, expected);
}

#[test]
fn snapshots() {
    if solver().is_some() {
        trycmd::TestCases::new().case("tests/cmd/prove/*.trycmd").run();
    }
}

#[test]
fn commands_of_the_page_print_what_it_says() {
    if solver().is_some() {
        crate::policy_repo::check_page("docs/prove.md");
    }
}

#[test]
fn without_a_solver_the_command_says_what_is_missing() {
    let args = ["policy", "prove", "tests/cmd/prove/holds.cedar", "--policy", "tests/cmd/prove/shop.cedar"];
    let output = Command::new(env!("CARGO_BIN_EXE_rex")).args(args).env("CVC5", "/nowhere/cvc5").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("proofs need the solver `/nowhere/cvc5`, which `CVC5` names"), "{told}");
    assert!(told.contains("install Debian's package cvc5"), "{told}");
}

#[test]
fn a_solver_that_is_none_is_no_proof() {
    let args = ["policy", "prove", "tests/cmd/prove/holds.cedar", "--policy", "tests/cmd/prove/shop.cedar"];
    let output = Command::new(env!("CARGO_BIN_EXE_rex")).args(args).env("CVC5", "true").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn places_are_told_by_the_text_of_ids() {
    check(
        r#"permit (principal, action == fs::Action::"read", resource in fs::Path::"/var/log");
           permit (principal, action == net::Action::"get", resource in net::Url::"https://example.com/v1/");
           permit (principal, action == net::Action::"resolve", resource in net::Host::"example.com");
           permit (principal, action == service::Action::"stop", resource) when { resource.kind == "timer" };"#,
        r#"@id("ceiling") permit (principal, action, resource) when {
             (resource is fs::Path && (resource.path like "/var/log*" && !(resource in fs::Path::"/var/log2")))
             || (resource is net::Url && resource.scheme == "https" && resource.host == "example.com" && resource.url like "*/v1/*")
             || (resource is net::Host && resource.name like "*example.com")
             || (resource is service::Unit && resource.name like "*.timer")
           };
           @id("lib") forbid (principal, action, resource in fs::Path::"/var/lib");
           @id("x") forbid (principal, action, resource) when { resource is fs::Path && resource.name == "x" };
           @id("dot") forbid (principal, action, resource) when { resource is fs::Path && resource.path like "*/../*" };
           @id("host") forbid (principal, action, resource) when { resource is net::Url && resource.host like "*.org" };
           @id("hidden") forbid (principal, action, resource) when { resource is net::Host && resource.name like "badexample*" };"#,
        expect![[r#"
            ceiling: proved
            lib: proved
            x: fs::read("/var/log/x") by agent "anyone"
            dot: proved
            host: proved
            hidden: net::resolve("badexample.example.com") by agent "anyone"
        "#]],
    );
}

#[test]
fn members_are_free_without_an_entities_file_and_told_by_one() {
    let policy =
        r#"permit (principal in Group::"ops", action == fs::Action::"write", resource in fs::Class::"LogFile");"#;
    let properties = r#"@id("logs") permit (principal, action, resource in fs::Path::"/var/log");
        @id("agents") forbid (principal is User, action, resource);"#;
    check(
        policy,
        properties,
        expect![[r#"
        logs: fs::write("/") by agent "anyone", where Agent::"anyone" is in Group::"ops" and fs::Path::"/" is in fs::Class::"LogFile"
        agents: fs::write("/srv/example") by user "anyone", where User::"anyone" is in Group::"ops" and fs::Path::"/srv/example" is in fs::Class::"LogFile"
    "#]],
    );
    let entities = r#"[
        {"uid": {"type": "Agent", "id": "triage"}, "parents": [{"type": "Group", "id": "ops"}]},
        {"uid": {"type": "fs::Path", "id": "/var/log/shop"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]}
    ]"#;
    check_with(
        policy,
        Some(entities),
        properties,
        expect![[r#"
        logs: proved
        agents: proved
    "#]],
    );
}

#[test]
fn an_error_denies_and_is_told() {
    let policy = r#"
        @id("small") permit (principal, action == fs::Action::"write", resource) when { context.bytes * 2 < 10 };
        @id("late") permit (principal, action == fs::Action::"read", resource) when { context.now > datetime("2026-01-01") };"#;
    check(
        policy,
        r#"@id("any") @prove("no-error") permit (principal, action, resource);
           @id("few") @prove("no-error") permit (principal, action == fs::Action::"write", resource) when { context.bytes < 1000 && context.bytes >= 0 };
           @id("reads") @prove("no-error") permit (principal, action == fs::Action::"read", resource);"#,
        expect![[r#"
            any: fs::write("/srv/example") by agent "anyone" with bytes = 9223372036854775807
            few: proved
            reads: proved
        "#]],
    );
    let Some(mut solver) = solver() else { return };
    let mut prover = Prover::new(&mut solver).unwrap();
    let other = policy.replace("context.bytes * 2 < 10", "context.bytes < 5");
    let (policy, other) = (compile(policy, None), compile(&other, None));
    // What overflows is denied by one, and allowed by the other.
    expect![[r#"fs::write("/srv/example") by agent "anyone" with bytes = -4611686018427387905"#]]
        .assert_eq(&said(&prover.same(&policy, &other).unwrap()));
    expect!["undecided: fs::write by agent and 1 more: policy `small` may be an error there"]
        .assert_eq(&said(&prover.same(&policy, &policy).unwrap()));
}

#[test]
fn nothing_that_may_be_written_may_be_run() {
    let property = r#"@id("w^x") @prove("never-run") forbid (principal, action in fs::Action::"Mutating", resource);"#;
    let policy = |run: &str, forbid: &str| {
        format!(
            r#"permit (principal == Agent::"a", action == fs::Action::"write", resource in fs::Path::"/srv");
               permit (principal, action == process::Action::"run", resource) when {{ {run} }};
               {forbid}"#
        )
    };
    let (in_srv, elsewhere) = (r#"resource.path like "/srv/*/tool""#, r#"resource in process::Program::"/usr""#);
    check(
        &policy(in_srv, ""),
        property,
        expect![[r#"
        w^x: fs::write("/srv/A/tool") by agent "a" and process::run("/srv/A/tool") by agent "a"
    "#]],
    );
    check(&policy(elsewhere, ""), property, expect![["w^x: proved\n"]]);
    let guard = r#"forbid (principal, action in fs::Action::"Mutating", resource) when { resource is fs::Path && resource.name == "tool" };"#;
    check(&policy(in_srv, guard), property, expect![["w^x: proved\n"]]);
    check(&policy(&format!("{in_srv} && principal == User::\"a\""), ""), property, expect![["w^x: proved\n"]]);
}

#[test]
fn what_cannot_be_told_is_not_decided() {
    check(
        r#"@id("odd") permit (principal, action == fs::Action::"read", resource) when { fs::Path::"/a" in fs::Class::"C" };"#,
        r#"@id("etc") forbid (principal, action, resource in fs::Path::"/etc");
           @id("ceiling") permit (principal, action, resource in fs::Path::"/srv");"#,
        expect![[r#"
            ceiling: undecided: fs::read by agent and 1 more: policy `odd` cannot be told to a solver: `fs::Path::"/a" in fs::Class::"C"` does not say it of the request
            etc: undecided: fs::read by agent and 1 more: policy `odd` cannot be told to a solver: `fs::Path::"/a" in fs::Class::"C"` does not say it of the request
        "#]],
    );
}

/// What is proved holds of random requests, and enough is proved and refuted for that to be worth something.
#[test]
fn proofs_agree_with_decisions() {
    let Some(mut solver) = solver() else { return };
    let mut sum = Verdicts::default();
    for verdicts in inputs().take(60).filter_map(|data| proofs_agree(&data, &mut solver).unwrap()) {
        sum.iter_mut().zip(verdicts).for_each(|(sum, more)| *sum += more);
    }
    let [proved, refuted, undecided] = sum;
    assert!(proved > 25 && refuted > 25 && undecided < proved, "{sum:?}");
}

#[test]
fn fifty_policies_take_few_questions() {
    let Some(solver) = solver() else { return };
    let policies: String = (0..25)
        .map(|app| {
            format!(
                r#"permit (principal in Group::"team-{app}", action in fs::Action::"ReadOnly", resource in fs::Path::"/srv/app-{app}/logs")
                   unless {{ resource.extension == "key" }};
                   permit (principal == Agent::"reporter-{app}", action == fs::Action::"write", resource)
                   when {{ resource.path like "/srv/app-{app}/reports/*" && context.bytes < 1000000 }};"#
            )
        })
        .collect();
    let policy = compile(&policies, None);
    assert_eq!(policy.len(), 50);
    let properties = r#"
        @id("ceiling") permit (principal, action, resource in fs::Path::"/srv");
        @id("keys") forbid (principal is User, action in fs::Action::"Mutating", resource);
        @id("errors") @prove("no-error") permit (principal, action, resource);"#;
    let mut counting = Counting { solver, questions: 0 };
    let mut prover = Prover::new(&mut counting).unwrap();
    let proofs = prover.prove(&policy, &compile(properties, None)).unwrap();
    assert!(proofs.iter().all(|proof| matches!(proof.verdict, Verdict::Proved)), "{proofs:?}");
    // One for what is read, one for what is written, by each type of principal. The time is a matter of `cargo bench -p rex-benches`.
    assert!(counting.questions <= 4, "{} questions", counting.questions);
}

struct Counting {
    solver: Cvc5,
    questions: usize,
}

impl Solver for Counting {
    fn answer(&mut self, commands: &str) -> Result<String, String> {
        self.questions += 1;
        self.solver.answer(commands)
    }
}
