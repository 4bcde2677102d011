//! Proofs by a real solver.

use std::process::Command;

use expect_test::{Expect, expect};
use rex_cli::Cvc5;
use rex_policy::testing::{DifferenceCounts, VerdictCounts, differences_are_told, inputs, proofs_agree};
use rex_policy::{Policy, PolicyLimits, ProofVerdict, PropertyProof, Prover, Solver, SourceText, Vocabulary};

/// Starts the solver; `None` if it is not installed, which `cargo xtask test` reports.
fn solver() -> Option<Cvc5> {
    Cvc5::start().ok()
}

fn compile(text: &str, entities: Option<&str>) -> Policy {
    let entities = entities.map(|text| SourceText::new("entities.json", text));
    let source = SourceText::new("test.cedar", text);
    Policy::compile(&Vocabulary::rex(), &[source], entities.as_ref(), &PolicyLimits::default())
        .unwrap_or_else(|rejected| panic!("{rejected}"))
}

fn stated(text: &str, entities: Option<&str>) -> Policy {
    let entities = entities.map(|text| SourceText::new("entities.json", text));
    let source = SourceText::new("properties.cedar", text);
    Policy::properties(&Vocabulary::rex(), &[source], entities.as_ref(), &PolicyLimits::default())
        .unwrap_or_else(|rejected| panic!("{rejected}"))
}

fn said(verdict: &ProofVerdict) -> String {
    match verdict {
        ProofVerdict::Proved => "proved".to_owned(),
        ProofVerdict::Refuted(it) => {
            let operations: Vec<_> = it.operations.iter().map(ToString::to_string).collect();
            operations.join(" and ")
        }
        ProofVerdict::Undecided(why) => format!("undecided: {}", why.join("; ")),
        ProofVerdict::Vacuous(why) => format!("vacuous: {why}"),
    }
}

fn check_with(policy: &str, entities: Option<&str>, properties: &str, expected: Expect) {
    let Some(mut solver) = solver() else { return };
    let mut prover = Prover::new(&mut solver).unwrap();
    let proofs = prover.prove(&compile(policy, entities), &stated(properties, entities)).unwrap();
    let line = |PropertyProof { property, verdict, .. }: &PropertyProof| format!("{property}: {}\n", said(verdict));
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
        crate::policy_repo::check_page("docs/prove.md", &[]);
    }
}

#[test]
fn without_a_solver_the_command_says_what_is_missing() {
    let args = ["policy", "prove", "tests/cmd/prove/holds.cedar", "--policy", "tests/cmd/prove/shop.cedar"];
    let output = Command::new(env!("CARGO_BIN_EXE_rex")).args(args).env("CVC5", "/nowhere/cvc5").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("proofs need the solver `/nowhere/cvc5`, which `CVC5` names"), "{told}");
    assert!(told.contains("install the Debian package `cvc5`"), "{told}");
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
        r#"@id("ceiling") @prove("at-most") permit (principal, action, resource) when {
             (resource is fs::Path && (resource.path like "/var/log*" && !(resource in fs::Path::"/var/log2")))
             || (resource is net::Url && resource.scheme == "https" && resource.host == "example.com" && resource.url like "*/v1/*")
             || (resource is net::Host && resource.name like "*example.com")
             || (resource is service::Unit && resource.name like "*.timer")
           };
           @id("lib") @prove("never") forbid (principal, action, resource in fs::Path::"/var/lib");
           @id("x") @prove("never") forbid (principal, action, resource) when { resource is fs::Path && resource.name == "x" };
           @id("dot") @prove("never") forbid (principal, action, resource) when { resource is fs::Path && resource.path like "*/../*" };
           @id("host") @prove("never") forbid (principal, action, resource) when { resource is net::Url && resource.host like "*.org" };
           @id("hidden") @prove("never") forbid (principal, action, resource) when { resource is net::Host && resource.name like "badexample*" };"#,
        expect![[r#"
            ceiling: proved
            lib: proved
            x: fs::read("/var/log/x") by agent "anyone"
            dot: vacuous: it matches no request
            host: proved
            hidden: net::resolve("badexample.example.com") by agent "anyone"
        "#]],
    );
}

#[test]
fn members_are_free_without_an_entities_file_and_told_by_one() {
    let policy =
        r#"permit (principal in Group::"ops", action == fs::Action::"write", resource in fs::Class::"LogFile");"#;
    let properties = r#"@id("logs") @prove("at-most") permit (principal, action, resource in fs::Path::"/var/log");
        @id("agents") @prove("never") forbid (principal is User, action, resource);"#;
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
    // An overflow is denied by one policy, and allowed by the other.
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
        r#"@id("etc") @prove("never") forbid (principal, action, resource in fs::Path::"/etc");
           @id("ceiling") @prove("at-most") permit (principal, action, resource in fs::Path::"/srv");"#,
        expect![[r#"
            ceiling: undecided: fs::read by agent and 1 more: policy `odd` cannot be encoded for the solver: `fs::Path::"/a" in fs::Class::"C"` does not say it of the request
            etc: undecided: fs::read by agent and 1 more: policy `odd` cannot be encoded for the solver: `fs::Path::"/a" in fs::Class::"C"` does not say it of the request
        "#]],
    );
}

/// Checks that what is proved holds for random requests, and that enough is proved and refuted.
#[test]
fn proofs_agree_with_decisions() {
    let Some(mut solver) = solver() else { return };
    let mut sum = VerdictCounts::default();
    for verdicts in inputs().take(90).filter_map(|data| proofs_agree(&data, &mut solver).unwrap()) {
        sum.iter_mut().zip(verdicts).for_each(|(sum, more)| *sum += more);
    }
    let [proved, refuted, undecided] = sum;
    assert!(proved > 25 && refuted > 25 && undecided < proved, "{sum:?}");
}

/// Returns the differences, an example a line, and whether it is proved that there are no others.
fn told(older: &str, newer: &str) -> Option<(Vec<String>, bool)> {
    let mut solver = solver()?;
    let mut prover = Prover::new(&mut solver).unwrap();
    let diff = prover.diff(&compile(older, None), &compile(newer, None)).unwrap();
    assert_eq!(diff.proved, diff.undecided.is_empty(), "{diff:?}");
    Some((diff.differences.iter().map(|it| format!("{:?} {}", it.change, it.example)).collect(), diff.proved))
}

/// Checks that each part is in a reported difference, and that the differences are proved to be all.
fn tells(older: &str, newer: &str, parts: &[&str]) {
    let Some((told, proved)) = told(older, newer) else { return };
    for part in parts {
        assert!(told.iter().any(|line| line.contains(part)), "{part}: {told:#?}");
    }
    assert!(proved, "{told:#?}");
}

const READS: &str =
    r#"permit (principal == Agent::"a", action == fs::Action::"read", resource in fs::Path::"/var/log");"#;
/// A condition that no example is made for.
const ODD: &str = r#"resource.path like "/*/k*y" && resource.name like "*k1*" && resource.path like "*/etc/*""#;

/// Checks that a harmless change does not hide another.
#[test]
fn one_change_hides_no_other() {
    let reports =
        r#"permit (principal == Agent::"a", action == fs::Action::"read", resource in fs::Path::"/srv/reports");"#;
    let odd = format!(
        r#"permit (principal == Agent::"a", action == fs::Action::"read", resource is fs::Path) when {{ {ODD} && context.tags.contains("x=1") == false }};"#
    );
    tells(READS, &format!("{READS}\n{reports}\n{odd}"), &["fs::read(\"/srv/reports", "/etc/"]);
    // In one permit.
    let both = format!(
        r#"permit (principal == Agent::"a", action == fs::Action::"read", resource is fs::Path)
        when {{ resource in fs::Path::"/var/log" || resource in fs::Path::"/srv/reports" || ({ODD}) }};"#
    );
    tells(READS, &both, &["fs::read(\"/srv/reports", "/etc/"]);
    // By another type of principal, and in the other direction.
    let of = |principal: &str, place: &str| {
        format!(r#"permit ({principal}, action == fs::Action::"read", resource in fs::Path::"{place}");"#)
    };
    let any = of("principal", "/srv/b");
    tells(READS, &format!("{READS}\n{any}"), &["by agent", "by user"]);
    let users =
        format!(r#"permit (principal is User, action == fs::Action::"read", resource is fs::Path) when {{ {ODD} }};"#);
    tells(READS, &format!("{READS}\n{reports}\n{users}"), &["/srv/reports", "by user"]);
    tells(
        &format!("{READS}\n{odd}\n{}", of("principal == Agent::\"a\"", "/srv/old")),
        &format!("{READS}\n{reports}"),
        &["Allowed fs::read(\"/srv/reports", "Denied fs::read(\"/srv/old", "/etc/"],
    );
}

/// Drops a `forbid`, or gives it two exceptions, or takes two from a permit: each is reported.
#[test]
fn each_exception_is_told() {
    let all = r#"permit (principal == Agent::"a", action == fs::Action::"read", resource in fs::Path::"/srv");"#;
    let forbid = |unless: &str| {
        format!(
            r#"{all} @id("f") forbid (principal, action == fs::Action::"read", resource is fs::Path) unless {{ {unless} }};"#
        )
    };
    tells(
        &forbid("resource in fs::Path::\"/srv/a\""),
        &forbid(&format!("resource in fs::Path::\"/srv/a\" || resource in fs::Path::\"/srv/tmp\" || ({ODD})")),
        &["/srv/tmp", "/etc/"],
    );
    let permit = |unless: &str| {
        format!(
            r#"permit (principal == Agent::"a", action == fs::Action::"read", resource in fs::Path::"/srv") {unless};"#
        )
    };
    tells(
        &permit(&format!("unless {{ resource in fs::Path::\"/srv/tmp\" || ({ODD}) }}")),
        &permit(""),
        &["/srv/tmp", "/etc/"],
    );
    let two = r#"@id("f") forbid (principal, action, resource in fs::Path::"/srv/f"); @id("g") forbid (principal, action, resource in fs::Path::"/srv/g");"#;
    tells(&format!("{all} {two}"), all, &["/srv/f", "/srv/g"]);
}

/// Checks that several members that one clause adds are reported one by one.
#[test]
fn each_member_of_a_list_is_told() {
    let permit = |condition: &str| {
        format!(
            r#"permit (principal == Agent::"a", action == fs::Action::"read", resource is fs::Path) when {{ {condition} }};"#
        )
    };
    for (older, newer, parts) in [
        (
            r#"["x"].contains(resource.name)"#,
            r#"["x", "report.txt", "shadow"].contains(resource.name)"#,
            &["/report.txt\"", "/shadow\""],
        ),
        (
            r#"resource in [fs::Path::"/srv/a"]"#,
            r#"resource in [fs::Path::"/srv/a", fs::Path::"/srv/b", fs::Path::"/etc"]"#,
            &["\"/srv/b", "\"/etc"],
        ),
        (
            r#"resource in fs::Path::"/srv" && context.tags.contains("a=1")"#,
            r#"resource in fs::Path::"/srv" && context.tags.containsAny(["a=1", "b=2", "c=3"])"#,
            &["b=2", "c=3"],
        ),
        (
            r#"resource in fs::Path::"/srv" && !(["x", "y", "key"].contains(resource.name))"#,
            r#"resource in fs::Path::"/srv" && !(["x"].contains(resource.name))"#,
            &["/y\"", "/key\""],
        ),
    ] {
        tells(&permit(older), &permit(newer), parts);
    }
}

/// Checks that what would hold for every policy is not a proof.
#[test]
fn what_says_nothing_is_vacuous() {
    let policy = r#"permit (principal == Agent::"a", action in fs::Action::"ReadOnly", resource in fs::Path::"/srv");"#;
    check(
        policy,
        r#"@id("two") @prove("never") forbid (principal, action, resource is fs::Path)
           when { resource.extension == "key" && resource.extension == "pem" };
           @id("head") @prove("never") forbid (principal, action, resource in fs::Path::"/etc") when { resource in fs::Path::"/srv" };
           @id("time") @prove("never") forbid (principal, action, resource)
           when { context.now > datetime("2026-12-31") && context.now < datetime("2026-01-01") };
           @id("units") @prove("never-run") forbid (principal, action == service::Action::"restart", resource);
           @id("errors") @prove("no-error") permit (principal, action == fs::Action::"read", resource)
           when { resource.name == "a" && resource.name == "b" };
           @id("ceiling") @prove("at-most") permit (principal, action, resource is fs::Path);
           @id("dead") @prove("at-most") permit (principal is User, action, resource in fs::Path::"/srv")
           when { resource.name == "a" && resource.name == "b" };
           @id("says") @prove("never") forbid (principal is User, action, resource in fs::Path::"/etc");"#,
        expect![[r#"
            ceiling, dead: vacuous: `dead` matches no request
            two: vacuous: it matches no request
            head: vacuous: it matches no request
            time: vacuous: it matches no request
            units: vacuous: it matches no request
            errors: vacuous: it matches no request
            says: proved
        "#]],
    );
    check(
        policy,
        r#"@id("agents") @prove("at-most") permit (principal is Agent, action, resource);
           @id("others") @prove("at-most") permit (principal, action, resource) when { !(principal is Agent) || true };"#,
        expect![["agents, others: vacuous: it permits every request\n"]],
    );
    let entities = r#"[{"uid": {"type": "Agent", "id": "a"}, "parents": [{"type": "Group", "id": "contractor"}]}]"#;
    let property = r#"@id("p") @prove("never") forbid (principal in Group::"contractors", action, resource);"#;
    check_with(policy, Some(entities), property, expect![["p: vacuous: it matches no request\n"]]);
    check(
        policy,
        property,
        expect![["p: fs::read(\"/srv\") by agent \"a\", where Agent::\"a\" is in Group::\"contractors\"\n"]],
    );
}

/// Checks that what `@allow` lets through is a part of what is allowed.
#[test]
fn what_a_permit_lets_go_is_a_difference() {
    let run = |allow: &str, place: &str| {
        format!(
            r#"{allow} permit (principal == Agent::"a", action == process::Action::"run", resource in process::Program::"{place}");"#
        )
    };
    let (plain, letting) = (run("", "/usr/bin"), run(r#"@allow("interpreter env:HOME")"#, "/usr/bin"));
    let Some((told, proved)) = told(&plain, &letting) else { return };
    assert_eq!((told.len(), proved), (2, true), "{told:?}");
    assert!(told.iter().all(|line| line.starts_with("Allowed process::run(\"/usr/bin")), "{told:?}");
    // With a permit that lets the same through elsewhere.
    let older = format!("{plain}\n{}", run(r#"@allow("interpreter")"#, "/opt/a"));
    let newer = format!(
        "{plain}\n{}\n{}",
        run(r#"@allow("interpreter")"#, "/opt/a"),
        run(r#"@allow("interpreter")"#, "/usr/bin")
    );
    tells(&older, &newer, &["Allowed process::run(\"/usr/bin"]);
    let Some(mut solver) = solver() else { return };
    let mut prover = Prover::new(&mut solver).unwrap();
    let same = prover.same(&compile(&plain, None), &compile(&letting, None)).unwrap();
    assert!(matches!(same, ProofVerdict::Refuted(_)), "{same:?}");
}

/// Checks that a search for one difference is no proof that there is no other.
#[test]
fn the_first_differences_are_not_all() {
    let Some(mut solver) = solver() else { return };
    let permit = |directory: &str| {
        let head = r#"permit (principal, action == fs::Action::"read", resource in fs::Path::"#;
        format!("@id({directory:?}) {head}{directory:?});")
    };
    let (older, newer) = (compile(&permit("/a"), None), compile(&["/a", "/b", "/c"].map(permit).concat(), None));
    let mut prover = Prover::new(&mut solver).unwrap();
    let first = prover.first_differences(&older, &newer).unwrap();
    assert!(!first.proved && first.undecided.is_empty(), "{first:?}");
    let unproved: Vec<_> = first.examined.iter().filter(|it| !it.is_proved()).map(|it| it.action.to_string()).collect();
    assert!(unproved.iter().all(|action| action == "fs::read") && !unproved.is_empty(), "{unproved:?}");
    assert!(prover.diff(&older, &newer).unwrap().proved);
}

/// Checks that `--fail-on-new` passes changes that allow less.
#[test]
fn a_gate_can_be_about_what_is_newly_allowed() {
    if solver().is_none() {
        return;
    }
    let diff = |older: &str, newer: &str, more: &[&str]| {
        let (older, newer) = (format!("tests/cmd/prove/{older}"), format!("tests/cmd/prove/{newer}"));
        let args = [&["policy", "diff", &older, &newer], more].concat();
        Command::new(env!("CARGO_BIN_EXE_rex")).args(args).output().unwrap().status.code()
    };
    assert_eq!(diff("shop.cedar", "shop-split.cedar", &[]), Some(1));
    assert_eq!(diff("shop.cedar", "shop-split.cedar", &["--fail-on-new"]), Some(0));
    assert_eq!(diff("shop-split.cedar", "shop.cedar", &["--fail-on-new"]), Some(1));
    // A time limit needs a unit.
    assert_eq!(diff("shop.cedar", "shop-split.cedar", &["--fail-on-new", "--timeout", "5"]), Some(2));
}

#[test]
fn a_solver_that_was_named_and_cannot_start_is_not_done_without() {
    let args = ["policy", "diff", "tests/cmd/prove/shop.cedar", "tests/cmd/prove/shop.cedar"];
    let output = Command::new(env!("CARGO_BIN_EXE_rex")).args(args).env("CVC5", "/nowhere/cvc5").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("`--examples` compares without a solver"));
}

/// Checks that no difference between two random policies is hidden, whatever else differs.
#[test]
fn no_difference_is_hidden() {
    let Some(mut solver) = solver() else { return };
    let mut sum = DifferenceCounts::default();
    for told in inputs().take(40).filter_map(|data| differences_are_told(&data, &mut solver).unwrap()) {
        sum.iter_mut().zip(told).for_each(|(sum, more)| *sum += more);
    }
    let [found, told] = sum;
    assert!(found > 1_000 && told * 10 > found * 9, "{sum:?}");
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
        @id("ceiling") @prove("at-most") permit (principal, action, resource in fs::Path::"/srv");
        @id("keys") @prove("never") forbid (principal is User, action in fs::Action::"Mutating", resource);
        @id("errors") @prove("no-error") permit (principal, action, resource);"#;
    let mut counting = Counting { solver, questions: 0 };
    let mut prover = Prover::new(&mut counting).unwrap();
    let proofs = prover.prove(&policy, &stated(properties, None)).unwrap();
    assert!(proofs.iter().all(|proof| matches!(proof.verdict, ProofVerdict::Proved)), "{proofs:?}");
    // One for reads, one for writes, by each type of principal, and whether each property matches anything. `cargo bench -p rex-benches`
    // measures the time.
    assert!(counting.questions <= 8, "{} questions", counting.questions);
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
