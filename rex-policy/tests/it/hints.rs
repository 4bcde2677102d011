//! Common mistakes, and the help that is shown for them.

use crate::support::try_compile;

const HEAD: &str = "permit (principal, action == fs::Action::\"read\", resource)";

/// Mistakes with the help that is shown; `@` is replaced with the head of a policy.
const MISTAKES: &[(&str, &str)] = &[
    ("@", "a policy ends with `;`"),
    ("@\n@;", "a policy ends with `;`"),
    ("@ when { true } forbid (principal, action, resource);", "a policy ends with `;`"),
    ("# comment\n@;", "a comment starts with `//`"),
    ("/* c */ @;", "a comment starts with `//`"),
    ("@ when { resource.name == \"a\" and resource.name == \"b\" };", "`&&`"),
    ("@ when { resource.name == \"a\" or resource.name == \"b\" };", "`||`"),
    ("@ when { not resource.name == \"a\" };", "`!`"),
    ("@ when { resource.name matches \"a\" };", "like \"*.log\""),
    ("@ when { resource.name endsWith \"a\" };", "like \"*.log\""),
    ("@ when { resource.name.endsWith(\"a\") };", "like \"*.log\""),
    ("@ when { resource.name.startsWith(\"a\") };", "like \"/srv/*\""),
    ("@ when { startsWith(resource.name, \"a\") };", "like \"/srv/*\""),
    ("@ when { resource.name.matches(\"a\") };", "like \"*.log\""),
    ("@ when { resource.name.contains(\"a\") };", "like \"*.log\""),
    (
        "permit(who = Agent, action = \"read\", resource = LogFile);",
        "permit (principal == Agent::\"triage\", action ==",
    ),
    (
        "permit(principal = Agent::\"a\", action = fs::Action::\"read\", resource);",
        "permit (principal == Agent::\"triage\"",
    ),
    ("permit (principal in [Agent::\"a\", Agent::\"b\"], action, resource);", "when { [..].contains(principal) }"),
    ("permit (principal, action, resource in [fs::Path::\"/a\", fs::Path::\"/b\"]);", "when { resource in [..] }"),
    ("permit (principal == Agent::me, action, resource);", "`Agent::\"me\"`"),
    ("permit (principal == \"Agent::me\", action, resource);", "`Agent::\"me\"`"),
    ("permit (principal == Agent, action, resource);", "`Agent::\"..\"`"),
    ("permit (principal, action in [fs::Action::\"read\", \"list\"], resource);", "`fs::Action::\"list\"`"),
    ("permit (principal, action == Action::\"read\", resource);", "did you mean `fs::Action::\"read\"`?"),
    ("permit (principal, action == Action::\"list\", resource);", "`process::Action::\"list\"`"),
    (
        "permit (principal, action == systemd::Action::\"restart\", resource);",
        "did you mean `service::Action::\"restart\"`?",
    ),
    ("permit (principal, action == aws::Action::\"assume\", resource);", "`fs::Action::\"..\"`"),
    ("permit (principal, action == \"read\", resource);", "`fs::Action::\"read\"`"),
    ("permit (principal, action == read, resource);", "`fs::Action::\"read\"`"),
    ("permit (principal, action == fs::read, resource);", "`fs::Action::\"read\"`"),
    ("permit (principal, action == fs::Action::\"read_file\", resource);", "did you mean `fs::Action::\"read\"`?"),
    (
        "permit (principal, action == process::Action::\"kill_signal\", resource);",
        "did you mean `process::Action::\"signal\"`?",
    ),
    (
        "permit (principal, action in fs::Action::\"read\", fs::Action::\"list\", resource);",
        "`action in [fs::Action::\"read\", fs::Action::\"list\"]`",
    ),
    ("permit (principal, action, resource like \"/x/*\");", "when { resource.path like"),
    ("permit (principal, action, resource.path like \"/x/*\");", "when { resource.path like"),
    ("permit (principal, action, resource == \"/x\");", "`fs::Path::\"/x\"`"),
    ("permit (principal, action in [fs::Action::\"read\", sys::Action::\"disk\"], resource);", "one policy for each"),
    ("@ when { resource == \"/etc/passwd\" };", "`fs::Path::\"/srv/x\"`"),
    ("@ when { principal == \"a\" };", "`Agent::\"triage\"`"),
    ("@ when { resource in \"/etc\" };", "`resource in fs::Path::\"/srv\"`"),
    ("@ when { resource.name in [\"a\", \"b\"] };", "`[..].contains(..)`"),
    ("@ when { context.tags == \"a=b\" };", "`.contains(\"..\")`"),
    ("@ when { context.now > \"2026-01-01\" };", "datetime("),
    ("@ when { context.now > 5 };", "datetime("),
    ("@ when { context.now > duration(\"9h\") };", "context.now.toTime() >= duration(\"9h\")"),
    ("@ when { duration(\"9h\") < context.now };", "context.now.toTime() >= duration(\"9h\")"),
    ("@ when { context.now == duration(\"9h\") };", "context.now.toTime() >= duration(\"9h\")"),
    (
        "@ when { context.now.toTime() >= datetime(\"2026-01-01T09:00:00Z\") };",
        "context.now.toTime() >= duration(\"9h\")",
    ),
    ("@ when { context.now.toTime() >= datetime(\"09:00\") };", "context.now.toTime() >= duration(\"9h\")"),
    ("@ when { context.now.toTime() >= 9 };", "duration(\"9h30m\")"),
    ("@ when { context.now.toTime() >= \"09:00\" };", "duration(\"9h30m\")"),
    ("@ when { context.now.toTime() == \"09:00\" };", "duration(\"9h30m\")"),
    ("@ when { context.now.toTime() >= duration(\"09:00\") };", "duration(\"9h30m\")"),
    ("@ when { context.now.durationSince(datetime(\"2026-01-01\")) < 30 };", "duration(\"9h30m\")"),
    ("@ when { context.now.toTime() >= time(\"09:00\") };", "context.now.toTime() >= duration(\"9h\")"),
    (
        "@ when { context.now.toTime() in [duration(\"9h\"), duration(\"17h\")] };",
        "context.now.toTime() >= duration(\"9h\")",
    ),
    ("@ when { context.now.hour >= 9 };", "context.now.toTime() >= duration(\"9h\")"),
    ("@ when { context.now.hour() >= 9 };", "context.now.toTime() >= duration(\"9h\")"),
    ("@ when { context.time > duration(\"9h\") };", "context.now.toTime() >= duration(\"9h\")"),
    ("@ when { context.now == \"2026-01-01\" };", "context.now.toDate() == datetime(\"2026-01-01\")"),
    ("@ when { context.now like \"2026-*\" };", "context.now.toDate() == datetime(\"2026-01-01\")"),
    ("@ when { context.now + duration(\"1d\") > datetime(\"2026-01-01\") };", "context.now.offset(duration(\"1d\"))"),
    ("@ when resource.name == \"a\";", "`when { .. }`"),
    ("@ where { resource.name == \"a\" };", "`when { .. }`"),
    ("allow (principal, action, resource);", "did you mean `permit`?"),
    ("deny (principal, action, resource);", "did you mean `forbid`?"),
    ("@ when { if resource.name == \"a\" then true };", "`else`"),
    ("permit (principal, action == fs::Action::\"write\", resource) when { context.bytes < 1MB };", "no unit"),
    ("permit (principal, action == fs::Action::\"write\", resource) when { context.bytes < \"1\" };", "without quotes"),
    ("permit (principal, action == fs::Action::\"chmod\", resource) when { context.mode == 0o644 };", "0644 is 420"),
    ("@ when { True };", "did you mean `true`?"),
    ("@ when { null };", "there is no null"),
    ("@ when { path == \"/x\" };", "`resource.path`"),
    ("@ when { resource.path like \"/x/*\" || \"/y/*\" };", "whole comparison"),
    ("@ when { principal.groups.contains(\"a\") };", "`principal in Group::\"..\"`"),
    ("@ when { resource.pth == \"/x\" };", "did you mean `path`?"),
    ("@ when { resource.name < \"a\" };", "no order"),
    (
        "permit (principal, action == net::Action::\"connect\", resource) when { context.address == \"10.0.0.1\" };",
        "ip(\"10.0.0.1\")",
    ),
    (
        "permit (principal, action == net::Action::\"connect\", resource) when { context.address like \"10.*\" };",
        "isInRange",
    ),
    (
        "permit (principal, action == net::Action::\"connect\", resource) when { context.port == \"443\" };",
        "without quotes",
    ),
    (
        "permit (principal, action == net::Action::\"connect\", resource) when { context.port in [80, 443] };",
        "`[..].contains(..)`",
    ),
    (
        "permit (principal, action == net::Action::\"connect\", resource) when { context.prot == 443 };",
        "did you mean `port`?",
    ),
    ("permit (principal, action, resource == fs::Path::\"~/log\");", "home directory"),
    ("permit (principal, action, resource == fs::Path::\"log\");", "starts with `/`"),
    ("permit (principal, action, resource == fs::Path::'/log');", "double quotes"),
    ("permit (principal, action, resource == fs::Path::\u{201c}/log\u{201d});", "straight double quotes"),
];

#[test]
fn each_mistake_is_told_with_what_to_write() {
    let mut missing = String::new();
    for (policy, help) in MISTAKES {
        let policy = policy.replace('@', HEAD);
        let rejected = try_compile(&policy, None).unwrap_err();
        let told: Vec<_> =
            rejected.findings.iter().map(|finding| (finding.to_string(), finding.help.clone())).collect();
        if !told.iter().any(|(_, told)| told.as_deref().unwrap_or_default().contains(help)) {
            missing += &format!("{policy}\n  wanted: {help}\n  {told:?}\n");
        }
        for (message, help) in told {
            let all = format!("{message} {}", help.unwrap_or_default());
            for inner in ["__cedar", "template slot", "uid", "issues", "Cedar"] {
                assert!(!all.contains(inner), "{policy}: {all}");
            }
        }
    }
    assert_eq!(missing, "");
}

#[test]
fn words_that_are_let_go_are_joined_by_blanks() {
    let run = r#"permit (principal, action == process::Action::"run", resource);"#;
    let twice = try_compile(&format!(r#"@id("a") @allow("interpreter") @allow("processes") {run}"#), None).unwrap_err();
    let twice = &twice.findings[0];
    assert!(twice.to_string().contains("a policy has `@allow` twice"), "{twice}");
    assert!(twice.help.as_deref().unwrap_or_default().contains(r#"`@allow("interpreter processes")`"#), "{twice:?}");
    let policy = try_compile(&format!(r#"@id("a") @allow("interpreter, processes") {run}"#), None).unwrap();
    let comma = policy.warnings().iter().find(|warning| warning.to_string().contains("`@allow` has no word")).unwrap();
    assert!(comma.help.as_deref().unwrap_or_default().contains(r#"`@allow("interpreter processes")`"#), "{comma:?}");
}

#[test]
fn actions_of_two_namespaces_are_told_as_such() {
    let mixed = r#"permit (principal, action in [net::Action::"get", process::Action::"list"], resource);"#;
    let told = try_compile(mixed, None).unwrap_err();
    assert!(told.findings[0].to_string().contains("actions of `net` and of `process` are in one list"), "{told}");
    assert!(told.findings[0].help.as_deref().unwrap_or_default().contains("one policy for each namespace"), "{told}");
}
