//! Mistakes of people who are new to policies, and correct policies of theirs.

use rex_policy::{Finding, LintLevels, Severity};

use crate::impossible::{DOES, GET, READ, RUN, found, impossible, nothing};
use crate::support::{compile, try_compile};

const CONNECT: &str = "net::Action::\"connect\"";
const PARAMETER: &str = "sys::Action::\"get_parameter\"";

/// Returns all findings in some policies, also if they are refused.
fn all(text: &str, entities: Option<&str>) -> Vec<Finding> {
    match try_compile(text, entities) {
        Ok(policy) => {
            let mut all = policy.lints(&LintLevels::default());
            all.extend(policy.warnings().iter().filter(|one| one.code.is_none()).cloned());
            all.retain(|one| !["REX010", "REX011"].contains(&one.code.unwrap_or_default()));
            all
        }
        Err(rejected) => rejected.findings,
    }
}

/// Checks that a policy has this finding and no other, with a text in the help.
fn one(text: &str, code: &str, severity: Severity, said: &str, help: &str) {
    let found = all(text, None);
    let told = matches!(&found[..], [one] if one.code == Some(code)
        && one.severity == severity
        && one.message.contains(said)
        && one.help.as_deref().unwrap_or_default().contains(help));
    assert!(told, "{text}\n{found:#?}");
}

fn fine(text: &str) {
    let found = all(text, None);
    assert!(found.is_empty(), "{text}\n{found:#?}");
}

const GROUPS: &str = r#"[
    {"uid": {"type": "Agent", "id": "deploy"}, "parents": [{"type": "Group", "id": "robots"}]},
    {"uid": {"type": "User", "id": "ana"}, "parents": [{"type": "Group", "id": "staff"}]},
    {"uid": {"type": "User", "id": "bob"}, "parents": [{"type": "Group", "id": "guests"}]},
    {"uid": {"type": "Group", "id": "robots"}, "parents": [{"type": "Group", "id": "all"}]}
]"#;

#[test]
fn a_forbid_for_nobody_that_a_permit_is_for_names_the_near_principal() {
    let permit = |principal: &str| {
        format!("permit ({principal}, action == fs::Action::\"read\", resource in fs::Path::\"/srv\");\n")
    };
    let forbid = |principal: &str| format!("forbid ({principal}, action, resource in fs::Path::\"/srv/x\");\n");
    let told = |permits: &[&str], forbids: &str| {
        let text = permits.iter().map(|one| permit(one)).collect::<String>() + &forbid(forbids);
        let found = all(&text, Some(GROUPS)).into_iter().filter(|one| one.code == Some("REX003"));
        let found = found.filter(|one| one.message.starts_with("no permit is for"));
        found.map(|one| format!("{}: {}", one.message, one.help.unwrap_or_default())).collect::<Vec<_>>().concat()
    };
    for (permits, forbids, whom, near) in [
        (
            &["principal == Agent::\"deploy\""][..],
            "principal == Agent::\"deplyo\"",
            "`Agent::\"deplyo\"`",
            "`Agent::\"deploy\"`",
        ),
        (
            &["principal == Agent::\"deploy\""],
            "principal == User::\"deploy\"",
            "`User::\"deploy\"`",
            "`Agent::\"deploy\"`",
        ),
        (&["principal in Group::\"robots\""], "principal in Group::\"guests\"", "anyone in `Group::\"guests\"`", ""),
        (&["principal in Group::\"staff\""], "principal == Agent::\"deploy\"", "`Agent::\"deploy\"`", ""),
        (&["principal == Agent::\"deploy\""], "principal is User", "a principal of the type `User`", ""),
        (&["principal is Agent"], "principal is User", "a principal of the type `User`", ""),
        (&["principal in Group::\"robots\""], "principal is User", "a principal of the type `User`", ""),
        (&["principal is Agent"], "principal in Group::\"staff\"", "anyone in `Group::\"staff\"`", ""),
        (&["principal is Agent"], "principal is User in Group::\"staff\"", "anyone in `Group::\"staff\"`", ""),
    ] {
        let told = told(permits, forbids);
        assert!(told.contains(&format!("no permit is for {whom}, so")), "{permits:?} {forbids}: {told}");
        assert_eq!(told.contains("did you mean"), !near.is_empty(), "{permits:?} {forbids}: {told}");
        assert!(told.contains(near) && told.contains("@lint(\"REX003\")"), "{permits:?} {forbids}: {told}");
    }
    for (permits, forbids) in [
        (&["principal == Agent::\"deploy\""][..], "principal"),
        (&["principal"], "principal == Agent::\"deplyo\""),
        (&["principal == Agent::\"x\"", "principal"], "principal == Agent::\"deplyo\""),
        (&[], "principal == Agent::\"deplyo\""),
        (&["principal == Agent::\"deploy\""], "principal == Agent::\"deploy\""),
        (&["principal == Agent::\"deploy\""], "principal is Agent"),
        (&["principal == Agent::\"deploy\""], "principal in Group::\"robots\""),
        (&["principal == Agent::\"deploy\""], "principal in Group::\"all\""),
        (&["principal in Group::\"all\""], "principal == Agent::\"deploy\""),
        (&["principal in Group::\"all\""], "principal in Group::\"robots\""),
        (&["principal in Group::\"robots\""], "principal is Agent"),
        (&["principal is User"], "principal in Group::\"staff\""),
        // The members of a group that the entities file does not name are unknown.
        (&["principal in Group::\"unknown\""], "principal == Agent::\"deploy\""),
        (&["principal == Agent::\"deploy\""], "principal in Group::\"unknown\""),
    ] {
        assert_eq!(told(permits, forbids), "", "{permits:?} {forbids}");
    }
    // Also if the principals are in the conditions.
    let permit = format!("permit (principal, action == {READ}, resource) when {{ principal == Agent::\"deploy\" }};");
    let forbid = format!("forbid (principal, action == {READ}, resource) when {{ principal == Agent::\"deplyo\" }};");
    let found = all(&format!("{permit}\n{forbid}"), None);
    assert!(found.iter().any(|one| one.message.contains("no permit is for `Agent::\"deplyo\"`")), "{found:#?}");
}

#[test]
fn a_value_inside_of_a_set_or_a_record_is_looked_at() {
    let signal = "`context.signal` is never `SIGTERM`";
    for condition in [
        "[\"SIGTERM\", \"HUP\"].contains(context.signal)",
        "[context.signal].contains(\"SIGTERM\")",
        "[context.signal].containsAny([\"SIGTERM\", \"HUP\"])",
        "[\"SIGTERM\", \"HUP\"].containsAny([context.signal])",
        "[\"SIGTERM\", \"HUP\"].containsAll([context.signal])",
        "[context.signal] == [\"SIGTERM\"]",
        "{signal: context.signal} == {signal: \"SIGTERM\"}",
        "{signal: context.signal}.signal == \"SIGTERM\"",
        "{all: [\"x\"], signal: \"SIGTERM\"} == {all: [resource.name], signal: context.signal}",
        "context.signal == (if resource.name == \"a\" then \"SIGTERM\" else \"HUP\")",
    ] {
        impossible(DOES, condition, signal, "did you mean `TERM`?");
    }
    impossible(GET, "[\"ftp\", \"https\"].contains(resource.scheme)", "never `ftp`", "one of `http`, `https`");
    impossible(CONNECT, "[443, 70000].contains(context.port)", "never `70000`", "from 0 to 65535");
    impossible(READ, "[\"ticket\"].containsAny(context.tags)", "never `ticket`", "key=value");
    impossible(READ, "context.tags == [\"ticket\"]", "never `ticket`", "key=value");
    nothing(DOES, "[\"TERM\", \"HUP\"].containsAny([context.signal])");
    nothing(DOES, "{signal: context.signal, unit: \"x\"} == {signal: \"TERM\", unit: resource.name}");
    nothing(CONNECT, "[443, 8443].contains(context.port)");
    // A value that one of the two never has, the other may have.
    nothing(RUN, "[context.user, context.arg1].contains(\"1000\")");
}

#[test]
fn a_pattern_that_no_spelling_of_a_url_has_is_told() {
    for (pattern, help) in [
        ("https://example.com:443/*", "did you mean `https://example.com/*`?"),
        ("http://example.com:80/v1/*", "did you mean `http://example.com/v1/*`?"),
        ("https://Example.com/*", "did you mean `https://example.com/*`?"),
        ("HTTPS://example.com/*", "did you mean `https://example.com/*`?"),
        ("http:/example.com/*", "did you mean `http://example.com/*`?"),
        ("https://example.com?q=*", "did you mean `https://example.com/?q=*`?"),
        (" https://example.com/*", "did you mean `https://example.com/*`?"),
        ("https://example.com/x#*", "did you mean `https://example.com/x`?"),
        ("https://example.com/a b*", "canonical form"),
        ("https://user@example.com/*", "canonical form"),
        ("https://example.com/../*", "canonical form"),
        ("https://a.example.com:0443/*", "canonical form"),
        ("example.com/*", "did you mean `https://example.com/*`?"),
    ] {
        impossible(GET, &format!("resource.url like \"{pattern}\""), "is never like", help);
    }
    for pattern in [
        "https://example.com/*",
        "https://example.com:8443/*",
        "http://example.com:443/*",
        "*:443/*",
        "https://*/v1/*",
        "*/health?*",
    ] {
        nothing(GET, &format!("resource.url like \"{pattern}\""));
    }
}

#[test]
fn an_attribute_that_is_always_there_is_no_question() {
    let never = |condition: &str, said: &str| impossible(READ, condition, said, "");
    never("resource has url", "`resource has url` is never true");
    never("!(resource has path)", "`resource has path` is always true");
    never("context has bytes", "`context has bytes` is never true");
    never("!(context has tags)", "`context has tags` is always true");
    never("principal has name", "never");
    for effect in ["permit", "forbid"] {
        let head = format!("{effect} (principal == Agent::\"a\", action == {READ}, resource in fs::Path::\"/srv\")");
        for condition in ["resource has path", "resource has path && resource.name == \"x\"", "context has now"] {
            let text = format!("{head} when {{ {condition} }};");
            let (refused, found) = found(&text);
            let told = matches!(&found[..], [one] if one.code == Some("REX014")
                && one.severity == Severity::Warning && one.message.contains("is always true"));
            assert!(told && !refused, "{text}\n{found:#?}");
        }
        let text = format!("{head} unless {{ resource has path }};");
        let (refused, found) = found(&text);
        assert!(found.iter().any(|one| one.message.contains("is always true")), "{text}\n{found:#?}");
        assert_eq!(refused, effect == "forbid", "{text}\n{found:#?}");
    }
    // If it depends on the action, and for a process, whose attributes may be unknown.
    let head = "permit (principal == Agent::\"a\", action";
    for text in [
        format!("{head}, resource) when {{ resource has path && resource.path like \"/srv/*\" }};"),
        format!("{head} == {DOES}, resource) when {{ resource has exe && resource.exe == \"/usr/bin/x\" }};"),
        format!("{head} in fs::Action::\"Mutating\", resource) when {{ !(context has bytes) || context.bytes < 9 }};"),
    ] {
        assert!(found(&text).1.is_empty(), "{text}\n{:#?}", found(&text).1);
    }
}

#[test]
fn patterns_are_held_against_texts() {
    for condition in [
        "resource.name like \"a*\" && resource.name == \"b\"",
        "resource.name == \"b\" && resource.name like \"a*\"",
        "resource.name like \"a\" && resource.name != \"a\"",
        "resource.name like \"a\" && resource.name like \"b\"",
        "resource.name like \"\" && resource.name != \"\"",
        "resource.name like \"\" && resource.name like \"a*\"",
        "resource.name != \"ab\" && [\"ab\"].contains(resource.name)",
        "!(resource.name like \"*\")",
        "resource.name == \"ab\" && !(resource.name like \"a*\")",
    ] {
        impossible(READ, condition, "", "");
    }
    impossible(GET, "resource.scheme like \"\"", "never", "`https`");
    for (condition, always) in [
        ("resource.name like \"*\"", "always true"),
        ("resource.extension like \"*\" && resource.name == \"x\"", "always true"),
    ] {
        one(
            &format!(
                "permit (principal == Agent::\"a\", action == {READ}, resource in fs::Path::\"/srv\") when {{ {condition} }};"
            ),
            "REX014",
            Severity::Warning,
            always,
            "",
        );
    }
    for condition in [
        "resource.name != \"ab\" || resource.name like \"a*\"",
        "!(resource.name like \"a*\") || resource.name != \"b\"",
        "resource.name like \"a\" || resource.name != \"a\"",
    ] {
        let text = format!("permit (principal, action == {READ}, resource) when {{ {condition} }};");
        let found = found(&text).1;
        assert!(found.iter().any(|one| one.message.contains("everything is one of these")), "{text}\n{found:#?}");
    }
    nothing(READ, "resource.name like \"a*\" && resource.name != \"a\"");
    nothing(READ, "resource.name like \"a*\" || resource.name == \"b\"");
    nothing(READ, "resource.name like \"\"");
}

#[test]
fn a_parameter_of_the_kernel_has_dots_and_a_leaf() {
    let told = |effect: &str, scope: &str| {
        let text = format!("{effect} (principal == Agent::\"a\", action == {PARAMETER}, resource {scope});");
        (all(&text, None), try_compile(&text, None).is_err(), text)
    };
    for (scope, said) in [
        ("== sys::Parameter::\"net\"", "a directory of parameters"),
        ("in sys::Parameter::\"kernel\"", "a directory of parameters"),
        ("in sys::Parameter::\"net.ipv4\"", "a directory of parameters"),
    ] {
        for effect in ["permit", "forbid"] {
            let (found, refused, text) = told(effect, scope);
            let help = |one: &Finding| one.help.clone().unwrap_or_default();
            let said =
                found.iter().any(|one| one.message.contains(said) && help(one).contains("resource.name like \""));
            assert!(said, "{text}\n{found:#?}");
            assert_eq!(refused, effect == "forbid", "{text}\n{found:#?}");
        }
    }
    for id in ["net/ipv4/ip_forward", "/net/ipv4", "net.ipv4.", "net..x"] {
        let (_, refused, text) = told("permit", &format!("== sys::Parameter::\"{id}\""));
        assert!(refused, "{text}");
    }
    impossible(PARAMETER, "resource.name like \"net/ipv4/*\"", "never like", "separated by dots");
    impossible(PARAMETER, "resource.name == \"net/ipv4/ip_forward\"", "never", "did you mean `net.ipv4.ip_forward`?");
    impossible(PARAMETER, "resource.name == \"vm\"", "never `vm`", "");
    nothing(PARAMETER, "resource.name like \"net.ipv4.conf.eth0/1.*\"");
    nothing(PARAMETER, "resource.name like \"net*\"");
    fine(&format!(
        "permit (principal == Agent::\"a\", action == {PARAMETER}, resource == sys::Parameter::\"vm.swappiness\");"
    ));
}

#[test]
fn an_id_that_nobody_filled_in_is_told() {
    let run = |id: &str| format!("resource == process::Program::\"{id}\"");
    for (action, principal, resource, said) in [
        (READ, "Agent::\"<name>\"", "resource in fs::Path::\"/srv\"".to_owned(), "`<name>` is not filled in"),
        (READ, "Agent::\"{name}\"", "resource in fs::Path::\"/srv\"".to_owned(), "`{name}` is not filled in"),
        (READ, "User::\"%s\"", "resource in fs::Path::\"/srv\"".to_owned(), "`%s` is not filled in"),
        (READ, "Agent::\"TODO\"", "resource in fs::Path::\"/srv\"".to_owned(), "`TODO` is not filled in"),
        (READ, "Agent::\" deploy\"", "resource in fs::Path::\"/srv\"".to_owned(), "at its start or end"),
        (READ, "Agent::\"deploy \"", "resource in fs::Path::\"/srv\"".to_owned(), "at its start or end"),
        (READ, "Agent::\"a\"", "resource in fs::Path::\"/home/<user>/x\"".to_owned(), "`<user>` in"),
        (READ, "Agent::\"a\"", "resource in fs::Path::\"/srv/%s\"".to_owned(), "`%s` in"),
        (READ, "Agent::\"a\"", "resource == fs::Path::\"/srv/x \"".to_owned(), "at its start or end"),
        (RUN, "Agent::\"a\"", run("/usr/bin/ls -l"), "blanks and all"),
        (RUN, "Agent::\"a\"", run("/opt/x/tool --all"), "blanks and all"),
        (RUN, "Agent::\"a\"", run("/usr/bin/systemctl restart nginx"), "blanks and all"),
    ] {
        for effect in ["permit", "forbid"] {
            let text = format!("{effect} (principal == {principal}, action == {action}, {resource});");
            let (refused, found) = found(&text);
            let told = found.iter().any(|one| one.code == Some("REX012") && one.message.contains(said));
            assert!(told, "{text}\n{found:#?}");
            assert_eq!(refused, effect == "forbid", "{text}\n{found:#?}");
        }
    }
    for id in [
        "/srv/a-{b,c}",
        "/srv/100%",
        "/srv/caf%C3%A9",
        "/srv/TODO",
        "/srv/{id}",
        "/srv/a < b",
        "/opt/My Tools/run",
        "/srv/a\\u{20}",
    ] {
        let text = format!("permit (principal == Agent::\"a\", action == {READ}, resource == fs::Path::\"{id}\");");
        let found: Vec<_> = all(&text, None).into_iter().filter(|one| !one.message.contains("`{b,c}`")).collect();
        assert!(found.is_empty(), "{text}\n{found:#?}");
    }
    for id in ["/opt/My Tools/run", "/usr/bin/ls\\u{20}-l"] {
        fine(&format!("permit (principal == Agent::\"a\", action == {RUN}, {});", run(id)));
    }
    impossible(RUN, "resource.path == \"/usr/bin/ls -l\"", "blanks and all", "context.arguments");
    impossible(READ, "resource.path like \"/home/<user>/*\"", "`<user>` in", "");
    impossible(RUN, "context.environment == \"PATH\"", "never `PATH`", "`NAME=value`");
    impossible(RUN, "context.environment like \"=x*\"", "never like", "`NAME=value`");
    nothing(RUN, "context.environment == \"TZ=UTC\"");
    nothing(RUN, "context.environment like \"*LANG=*\"");
}

#[test]
fn what_is_always_true_in_a_permit_is_told() {
    for condition in ["true", "resource == resource", "context.tags == context.tags", "1 == 1"] {
        one(
            &format!(
                "permit (principal == Agent::\"a\", action == {READ}, resource in fs::Path::\"/srv\") when {{ {condition} }};"
            ),
            "REX014",
            Severity::Warning,
            "is always true",
            "",
        );
    }
    let either = format!(
        "permit (principal == Agent::\"a\", action == {READ}, resource) when {{ resource.name == \"x\" || !(resource.name == \"x\") }};"
    );
    let found = found(&either).1;
    assert!(found.iter().any(|one| one.message.contains("everything is one of these")), "{found:#?}");
}

#[test]
fn all_types_of_principals_are_everybody() {
    let told = |condition: &str| {
        let text =
            format!("permit (principal, action == {READ}, resource in fs::Path::\"/srv\") when {{ {condition} }};");
        compile(&text).lints(&LintLevels::default()).iter().any(|one| one.code == Some("REX009"))
    };
    for condition in [
        "principal is Agent || principal is User",
        "(principal is User && resource.name == \"x\") || (principal is Agent && resource.name == \"x\")",
        "if principal is Agent then resource.name == \"x\" else resource.name == \"x\"",
        "resource.name == \"x\" && principal in principal",
    ] {
        assert!(told(condition), "{condition}");
    }
    for condition in [
        "principal is Agent",
        "principal is Agent && resource.name == \"x\" || principal is User",
        "principal == Agent::\"a\" || principal is User",
        "principal in Group::\"g\"",
    ] {
        assert!(!told(condition), "{condition}");
    }
}

/// An old name next to the real one is correct, and a policy that asks for queries accounts for them.
#[test]
fn what_is_named_beside_what_is_meant_is_no_mistake() {
    let permit = |action: &str, head: &str, condition: &str| {
        format!("permit (principal == Agent::\"a\", action == {action}, {head}) when {{ {condition} }};")
    };
    for condition in [
        "[process::Program::\"/bin/ls\", process::Program::\"/usr/bin/ls\"].contains(resource)",
        "resource in [process::Program::\"/bin/ls\", process::Program::\"/usr/bin/ls\"]",
        "resource == process::Program::\"/bin/ls\" || resource == process::Program::\"/usr/bin/ls\"",
        "[\"/bin/ls\", \"/usr/bin/ls\"].contains(resource.path)",
        "resource.path == \"/usr/bin/ls\" || resource.path == \"/bin/ls\"",
        "resource in [process::Program::\"/bin\", process::Program::\"/usr/bin\"]",
    ] {
        fine(&permit(RUN, "resource", condition));
    }
    for condition in [
        "[process::Program::\"/bin/ls\", process::Program::\"/usr/bin/id\"].contains(resource)",
        "resource.path == \"/bin/ls\" || resource.path == \"/usr/bin/id\"",
        "resource.path == \"/bin/ls\"",
    ] {
        let found = all(&permit(RUN, "resource", condition), None);
        assert!(found.iter().any(|one| one.code == Some("REX017")), "{condition}\n{found:#?}");
    }
    let url = "resource in net::Url::\"https://a.example/x\"";
    fine(&permit(GET, url, "resource.query like \"q=*\""));
    fine(&permit(GET, "resource", &format!("{url} && resource.query == \"q=1\"")));
    let found = all(&permit(GET, url, "resource.scheme == \"https\""), None);
    assert!(found.iter().any(|one| one.message.contains("nothing but its queries")), "{found:#?}");
}

#[test]
fn a_forbid_of_programs_of_root_is_told_of_those_without_a_user() {
    let told = |effect: &str, condition: &str| {
        let policy = format!("{effect} (principal == Agent::\"a\", action == {RUN}, resource) when {{ {condition} }};");
        let all = all(&format!("permit (principal == Agent::\"a\", action == {RUN}, resource);\n{policy}"), None);
        all.iter().any(|one| one.message.contains("also if that is `root`"))
    };
    assert!(told("forbid", "context.user == \"root\""));
    assert!(told("forbid", "[\"root\", \"bin\"].contains(context.user)"));
    for condition in [
        "[\"\", \"root\"].contains(context.user)",
        "context.user == \"\" || context.user == \"root\"",
        "context.user != \"root\"",
        "!(context.user == \"root\")",
        "context.user == \"bin\"",
    ] {
        assert!(!told("forbid", condition), "{condition}");
    }
    assert!(!told("permit", "context.user == \"root\""));
}
