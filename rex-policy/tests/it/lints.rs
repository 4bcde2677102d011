//! Findings of the lints, and policies without findings.

use rex_core::action::{fs, net, process};
use rex_core::{AbsPath, Action, ActionSpec};
use rex_policy::{LINTS, Lint, LintLevels, Severity};

use crate::support::{NOON, compile, compile_with};

/// Returns the codes of the findings, except those about missing annotations.
fn found(text: &str) -> Vec<&'static str> {
    let allow = ["REX010", "REX011"].into_iter().filter_map(Lint::of).collect();
    let levels = LintLevels { allow, ..LintLevels::default() };
    compile(text).lints(&levels).iter().filter_map(|finding| finding.code).collect()
}

/// Returns levels with the actions that operations need, as the command line sets them.
fn with_operations() -> LintLevels {
    let operations: Vec<(&'static str, &'static [&'static ActionSpec])> = vec![
        ("net::get", &[net::Get::SPEC, net::Resolve::SPEC, net::Connect::SPEC]),
        ("net::post", &[net::Post::SPEC, net::Resolve::SPEC, net::Connect::SPEC]),
        ("net::tcp_check", &[net::Resolve::SPEC, net::Connect::SPEC]),
        ("net::resolve", &[net::Resolve::SPEC]),
        ("process::list", &[process::List::SPEC]),
        ("process::signal", &[process::List::SPEC, process::Signal::SPEC]),
        ("process::run", &[process::Run::SPEC]),
        ("fs::read", &[fs::Read::SPEC]),
        ("fs::write", &[fs::Write::SPEC]),
        ("fs::rename", &[fs::Rename::SPEC, fs::Write::SPEC]),
    ];
    let interpreter: fn(&AbsPath) -> bool = |path| path.name() == "bash";
    LintLevels { operations, interpreter: Some(interpreter), ..LintLevels::default() }
}

/// Each example in the table is found by its lint and by no other, and the better version by none.
#[test]
fn each_lint_finds_its_example_and_nothing_in_what_is_better() {
    for lint in LINTS {
        // Only this lint uses the operations.
        let levels = match lint.code {
            "REX016" => with_operations(),
            "REX019" => LintLevels { now: Some(NOON), ..LintLevels::default() },
            _ => LintLevels::default(),
        };
        let codes =
            |text| -> Vec<_> { compile(text).lints(&levels).iter().filter_map(|finding| finding.code).collect() };
        assert_eq!(codes(lint.example), [lint.code], "{}", lint.example);
        assert_eq!(codes(lint.better), [""; 0], "{}: {}", lint.code, lint.better);
    }
}

/// The caller supplies the time; without it, nothing has expired.
#[test]
fn an_expired_policy_is_told_with_the_day() {
    let policy = |effect: &str, time: &str| {
        compile(&format!(
            "@id(\"a\") @reason(\"r\") {effect} (principal == Agent::\"a\", action == fs::Action::\"read\", resource in fs::Path::\"/srv\") when {{ {time} }};"
        ))
    };
    let told = |effect: &str, time: &str, now| -> Vec<String> {
        let findings = policy(effect, time).lints(&LintLevels { now, ..LintLevels::default() });
        findings.iter().filter(|one| one.code == Some("REX019")).map(|one| one.message.clone()).collect()
    };
    let over = "context.now < datetime(\"2026-11-23T12:00:00Z\")";
    assert_eq!(
        told("permit", over, Some(NOON)),
        [
            "this permit has expired: `context.now < datetime(\"2026-11-23T12:00:00Z\")` never holds again, as today is 2026-11-23"
        ]
    );
    assert_eq!(told("permit", over, None), [""; 0]);
    assert!(told("forbid", over, Some(NOON))[0].starts_with("this forbid has expired: `context.now"));
    assert_eq!(told("permit", "context.now < datetime(\"2026-11-24\")", Some(NOON)), [""; 0]);
}

#[test]
fn codes_are_numbered_without_a_gap() {
    let numbered = (1..=LINTS.len()).map(|number| format!("REX{number:03}"));
    let mut codes: Vec<_> = LINTS.iter().map(|lint| lint.code).collect();
    codes.sort_unstable();
    assert_eq!(codes, numbered.collect::<Vec<_>>());
}

#[test]
fn a_lint_is_allowed_or_an_error_as_its_owner_wants() {
    let policy =
        compile("@id(\"a\")\npermit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv\");");
    let lint = |code| Lint::of(code).unwrap();
    let told = |allow, deny| -> Vec<_> {
        policy
            .lints(&LintLevels { allow, deny, ..LintLevels::default() })
            .iter()
            .map(|finding| (finding.code.unwrap(), finding.severity))
            .collect()
    };
    let (warning, error) = (Severity::Warning, Severity::Error);
    assert_eq!(told(vec![], vec![]), [("REX009", warning), ("REX011", warning)]);
    assert_eq!(told(vec![lint("rex009")], vec![]), [("REX011", warning)]);
    assert_eq!(told(vec![lint("REX011")], vec![lint("REX011")]), [("REX011", error), ("REX009", warning)]);
}

#[test]
fn a_place_in_the_policy_is_underlined() {
    let lint = Lint::of("REX006").unwrap();
    let policy = compile(lint.example);
    let finding = policy.lints(&LintLevels::default()).remove(0);
    assert_eq!((finding.line, finding.column), (3, 27));
    assert_eq!(finding.source_text().get(finding.offset..finding.offset + finding.length), Some("\"/var/log*\""));
}

/// A pattern that permits less if it matches more has no findings.
#[test]
fn what_narrows_may_be_broad() {
    let of = |effect: &str, kind: &str| {
        let other =
            "permit (principal == Agent::\"a\", action == fs::Action::\"read\", resource in fs::Path::\"/var\");";
        found(&format!(
            "{other}\n{effect} (principal == Agent::\"a\", action == fs::Action::\"read\", resource) {kind} {{ resource.path like \"/var/log*\" }};"
        ))
    };
    assert_eq!(of("permit", "when"), ["REX006"]);
    assert_eq!(of("permit", "unless"), [""; 0]);
    assert_eq!(of("forbid", "when"), [""; 0]);
    assert_eq!(of("forbid", "unless"), ["REX006"]);
}

#[test]
fn of_patterns_only_those_are_found_that_more_is_like() {
    let of = |attribute: &str, pattern: &str| {
        found(&format!(
            "permit (principal == Agent::\"a\", action == net::Action::\"get\", resource) when {{ resource.{attribute} like \"{pattern}\" }};"
        ))
    };
    for pattern in ["https://example.com/*", "https://example.com/v1?x=*"] {
        assert_eq!(of("url", pattern), [""; 0], "{pattern}");
    }
    for pattern in ["*", "https://*", "https://example.com*", "https://*.example.com/", "*example.com/v1/*"] {
        assert_eq!(of("url", pattern), ["REX008"], "{pattern}");
    }
    assert_eq!(of("url", "https://example.com/v1*"), ["REX006"]);
    assert_eq!(of("url", "https://example.com/*.json"), ["REX007"]);
    assert_eq!(of("host", "*.example.com"), [""; 0]);
    assert_eq!((of("host", "*example.com"), of("host", "example.*")), (vec!["REX008"], vec!["REX008"]));
}

const RUNS: &str =
    r#"permit (principal in Group::"ops", action == process::Action::"run", resource in process::Class::"Tools");"#;
const WRITES: &str =
    r#"permit (principal in Group::"ops", action in fs::Action::"Mutating", resource in fs::Path::"/opt");"#;

#[test]
fn a_program_that_may_be_written_is_found_through_classes_and_past_forbids() {
    let entities = r#"[
        {"uid": {"type": "Agent", "id": "a"}, "parents": [{"type": "Group", "id": "ops"}]},
        {"uid": {"type": "process::Program", "id": "/opt/bin/tool"}, "parents": [{"type": "process::Class", "id": "Tools"}]}
    ]"#;
    let found = |more: &str| -> Vec<_> {
        let policy = compile_with(&format!("{RUNS}\n{WRITES}\n{more}"), entities);
        let findings = policy.lints(&LintLevels::default());
        findings
            .iter()
            .filter(|finding| finding.code == Some("REX005"))
            .map(|finding| finding.message.clone())
            .collect()
    };
    let told = ["`/opt/bin/tool` or something below it, which `test.cedar:1` permits to run, may be written"];
    assert_eq!(found(""), told);
    assert_eq!(
        found("forbid (principal, action in fs::Action::\"Mutating\", resource in fs::Path::\"/opt/bin\");"),
        [""; 0]
    );
    assert_eq!(found("forbid (principal, action, resource in process::Class::\"Tools\");"), [""; 0]);
    assert_eq!(found("forbid (principal is User, action, resource in fs::Path::\"/opt/bin\");"), told);
    assert_eq!(found("forbid (principal, action == fs::Action::\"write\", resource in fs::Path::\"/opt/lib\");"), told);
}

#[test]
fn what_another_does_not_cover_is_not_shadowed() {
    const WIDE: &str =
        r#"permit (principal == Agent::"a", action in fs::Action::"ReadOnly", resource in fs::Path::"/srv")"#;
    let with = |more: &str| found(&format!("{WIDE};\n{more}"));
    let same = [
        r#"permit (principal == Agent::"a", action == fs::Action::"read", resource == fs::Path::"/srv/x");"#,
        r#"permit (principal == Agent::"a", action == fs::Action::"list", resource in fs::Path::"/srv") when { resource.name == "x" };"#,
    ];
    same.iter().for_each(|covered| assert_eq!(with(covered), ["REX002"], "{covered}"));
    assert_eq!(with(&format!("{WIDE};")), ["REX002"], "of two that say the same, one is told");
    for other in [
        r#"permit (principal == Agent::"b", action == fs::Action::"read", resource in fs::Path::"/srv");"#,
        r#"permit (principal == Agent::"a", action == fs::Action::"read", resource in fs::Path::"/srv2");"#,
        r#"permit (principal == Agent::"a", action == fs::Action::"remove", resource in fs::Path::"/srv/x");"#,
    ] {
        assert_eq!(with(other), [""; 0], "{other}");
    }
    let forbid = r#"forbid (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"/")"#;
    assert_eq!(with(&format!("{forbid};")), ["REX002"]);
    assert_eq!(with(&format!("{forbid} when {{ resource.name == \"x\" }};")), [""; 0]);
}

#[test]
fn a_forbid_takes_something_away_only_from_who_is_permitted_something() {
    let of = |who: &str| {
        let permit =
            "permit (principal == Agent::\"a\", action == fs::Action::\"read\", resource in fs::Path::\"/srv\");";
        found(&format!("{permit}\nforbid (principal{who}, action, resource in fs::Path::\"/srv/keys\");"))
    };
    assert_eq!((of(""), of(" == Agent::\"a\"")), (vec![], vec![]));
    assert_eq!(of(" == Agent::\"b\""), ["REX003"]);
}

/// A permit for the second action does not help if its condition excludes the need, or if a `forbid` does.
#[test]
fn what_an_operation_needs_besides_is_not_given_by_any_permit() {
    let told = |others: &str| {
        let get = "@id(\"get\") permit (principal == Agent::\"a\", action == net::Action::\"get\", resource in net::Url::\"https://a.example/\");";
        let policy = compile(&format!("{get}\n{others}"));
        let found = policy.lints(&with_operations()).into_iter();
        let found = found.filter(|one| one.code == Some("REX016") && one.policy.as_deref() == Some("get"));
        found.map(|one| format!("{}: {}", one.message, one.help.unwrap_or_default())).collect::<String>()
    };
    let permit = |action: &str, when: &str| {
        format!(
            "@id(\"{action}\") permit (principal == Agent::\"a\", action == net::Action::\"{action}\", resource == net::Host::\"a.example\") {when};\n"
        )
    };
    let (resolve, connect) = (permit("resolve", ""), permit("connect", ""));
    let forbid = |who: &str, action: &str, resource: &str| {
        format!("@id(\"f\") forbid ({who}, action == net::Action::\"{action}\", {resource});\n")
    };
    for (others, lacks) in [
        (format!("{resolve}{}", permit("connect", "when { context.port == 80 }")), "`net::connect` too"),
        (format!("{resolve}{}", permit("connect", "when { context.port > 443 }")), "`net::connect` too"),
        (format!("{resolve}{}", permit("connect", "unless { context.port == 443 }")), "`net::connect` too"),
        (format!("{connect}{}", permit("resolve", "when { context.record == \"MX\" }")), "`net::resolve` too"),
        (
            format!("{resolve}{connect}{}", forbid("principal", "connect", "resource == net::Host::\"a.example\"")),
            "`net::connect` too",
        ),
        (format!("{resolve}{connect}{}", forbid("principal", "connect", "resource")), "`net::connect` too"),
        (
            format!(
                "{resolve}{connect}{}",
                forbid("principal == Agent::\"a\"", "resolve", "resource in net::Host::\"example\"")
            ),
            "`net::resolve` too",
        ),
    ] {
        let told = told(&others);
        assert!(told.contains(lacks) && told.contains("a `forbid` takes it away"), "{others}\n{told}");
    }
    for others in [
        format!("{resolve}{connect}"),
        format!("{resolve}{}", permit("connect", "when { context.port == 443 && context.network == \"public\" }")),
        format!(
            "{resolve}{}{connect}",
            permit("connect", "when { context.port == 80 }").replace("\"connect\") p", "\"c\") p")
        ),
        format!("{connect}{}", permit("resolve", "unless { context.record == \"MX\" }")),
        format!("{resolve}{connect}{}", forbid("principal == Agent::\"b\"", "connect", "resource")),
        format!("{resolve}{connect}{}", forbid("principal", "connect", "resource == net::Host::\"b.example\"")),
    ] {
        assert_eq!(told(&others), "", "{others}");
    }
    assert!(told(&resolve).ends_with("resource == net::Host::\"a.example\"`"), "{}", told(&resolve));
}
