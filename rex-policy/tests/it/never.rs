//! Conditions that no request meets, by what one fact implies about another, or by the only form that a fact has.

use crate::impossible::{DOES, GET, READ, RUN, found, impossible, nothing};

const CONNECT: &str = "net::Action::\"connect\"";

#[test]
fn an_address_is_one_host() {
    let never = "`context.address` is never `10.0.0.0/8`";
    let range = "`context.address.isInRange(ip(\"10.0.0.0/8\"))`";
    impossible(CONNECT, "context.address == ip(\"10.0.0.0/8\")", never, range);
    impossible(CONNECT, "ip(\"10.0.0.0/8\") == context.address", never, range);
    impossible(CONNECT, "[ip(\"10.0.0.0/8\"), ip(\"10.0.0.1\")].contains(context.address)", never, range);
    impossible(CONNECT, "context.port == 443 || context.address == ip(\"10.0.0.0/8\")", never, range);
    impossible(CONNECT, "context.address == ip(\"::1/127\")", "is never `::1/127`", "isInRange");
    impossible(CONNECT, "context.address == ip(\"::ffff:a00:1\")", "is never", "did you mean `ip(\"10.0.0.1\")`?");
    impossible(CONNECT, "context.address.isInRange(ip(\"::ffff:a00:0/104\"))", "is never true", "");
    for effect in ["permit", "forbid"] {
        let text = format!(
            "{effect} (principal, action == {CONNECT}, resource) when {{ context.address != ip(\"10.0.0.0/8\") }};"
        );
        assert!(found(&text).0, "{text}");
    }
}

#[test]
fn addresses_of_two_networks_are_none() {
    for condition in [
        "context.address.isInRange(ip(\"10.0.0.0/8\")) && context.address.isInRange(ip(\"192.168.0.0/16\"))",
        "context.address.isInRange(ip(\"10.1.0.0/16\")) && !context.address.isInRange(ip(\"10.0.0.0/8\"))",
        "context.address.isIpv4() && context.address.isIpv6()",
        "context.address.isLoopback() && context.address == ip(\"10.0.0.1\")",
        "context.address.isMulticast() && context.address.isInRange(ip(\"10.0.0.0/8\"))",
        "context.address == ip(\"10.0.0.1\") && context.address == ip(\"10.0.0.2\")",
        "[ip(\"10.0.0.1\"), ip(\"10.0.0.3\")].contains(context.address) && context.address == ip(\"10.0.0.2\")",
    ] {
        impossible(CONNECT, condition, "at once", "");
    }
    for condition in [
        "context.address == ip(\"10.0.0.1\") || context.address == ip(\"10.0.0.2/32\")",
        "context.address.isInRange(ip(\"10.0.0.0/8\")) && !context.address.isInRange(ip(\"10.1.0.0/16\"))",
        "context.address.isIpv4() && context.address.isLoopback()",
        "[ip(\"10.0.0.1\"), ip(\"::1\")].contains(context.address) && context.address.isIpv6()",
    ] {
        nothing(CONNECT, condition);
    }
}

#[test]
fn a_time_is_there_for_one_millisecond() {
    let of = "`context.now` is `2026-12-31` for one millisecond";
    impossible(
        READ,
        "context.now == datetime(\"2026-12-31\")",
        of,
        "`context.now.toDate() == datetime(\"2026-12-31\")`",
    );
    impossible(READ, "context.now == datetime(\"2026-12-31T10:00:00Z\")", "one millisecond", "`>=` and `<`");
    impossible(READ, "context.now.toTime() == duration(\"22h\")", "one millisecond of each day", "`>=` and `<`");
    impossible(READ, "context.now.toDate() == datetime(\"2026-12-31T10:00:00Z\")", "is never", "the start of a day");
    nothing(READ, "context.now.toDate() == datetime(\"2026-12-31\")");
    nothing(READ, "context.now >= datetime(\"2026-12-31\") && context.now.toTime() < duration(\"22h\")");
}

/// Checks as [`impossible`] does, but a permit may be refused: for paths, an impossible value always was an error.
fn refused(action: &str, condition: &str, said: &str, help: &str) {
    for effect in LOOKS {
        let text = format!("{effect} (principal, action == {action}, resource) when {{ {condition} }};");
        let (was_refused, findings) = found(&text);
        let told = findings
            .iter()
            .any(|one| one.message.contains(said) && one.help.as_deref().unwrap_or_default().contains(help));
        assert!(told && (was_refused || effect == "permit"), "{text}\n{findings:#?}");
    }
}

const LOOKS: [&str; 2] = ["forbid", "permit"];

#[test]
fn attributes_of_one_thing_go_together() {
    for (action, condition, help) in [
        (
            READ,
            "resource.name == \"a.log\" && resource.extension == \"key\"",
            "`resource.extension` of `/a.log` is `log`",
        ),
        (READ, "resource.extension == \"key\" && [\"a.log\", \"b.pem\"].contains(resource.name)", "is `log`"),
        (READ, "resource.name == \"a.log\" && resource.extension != \"log\"", "is `log`"),
        (READ, "resource.name == \"Makefile\" && resource.extension == \"key\"", "is empty"),
        (READ, "resource.path == \"/srv/a.log\" && resource.name == \"b.log\"", "is `a.log`"),
        (READ, "resource.path == \"/srv/a.log\" && resource.name like \"b*\"", "is `a.log`"),
        (READ, "resource == fs::Path::\"/srv/a.log\" && resource.extension == \"key\"", "is `log`"),
        (READ, "resource.path like \"/srv/*.log\" && resource.extension == \"key\"", "no resource has such a `path`"),
        (READ, "resource.name like \"*.log\" && resource.extension == \"key\"", "no resource has"),
        (READ, "resource.path like \"/srv/app/*.log\" && resource.name == \"a.key\"", "no resource has"),
        (RUN, "resource.path == \"/usr/bin/id\" && resource.name == \"ls\"", "is `id`"),
        (RUN, "resource.path like \"/usr/bin/*.py\" && resource.name == \"ls\"", "no resource has"),
        (RUN, "context.arguments == \"reload now\" && context.count == 1", "all of them"),
        (RUN, "context.arguments == \"reload\" && context.arg1 == \"stop\"", "all of them"),
        (RUN, "context.count < 2 && context.arg2 == \"-x\"", "`arg2` is empty"),
        (GET, "resource.url == \"https://a.example/x\" && resource.host == \"b.example\"", "is `a.example`"),
        (GET, "resource.url == \"https://a.example/x\" && resource.port == 80", "is `443`"),
        (GET, "resource.url == \"https://a.example/x\" && resource.scheme == \"http\"", "is `https`"),
        (GET, "resource.url like \"https://a.example/*\" && resource.scheme == \"http\"", "no resource has"),
        (GET, "resource.url like \"https://a.example/*\" && resource.host == \"b.example\"", "no resource has"),
        (GET, "resource.url like \"https://a.example/v1/*\" && resource.path like \"/v2/*\"", "no resource has"),
        ("service::Action::\"stop\"", "resource.name == \"a.timer\" && resource.kind == \"service\"", "is `timer`"),
        ("service::Action::\"stop\"", "resource.name like \"*.timer\" && resource.kind == \"service\"", "no resource"),
        (CONNECT, "context.address == ip(\"10.0.0.1\") && context.network == \"public\"", "network `private`"),
        (CONNECT, "resource == net::Host::\"10.0.0.1\" && context.address == ip(\"10.0.0.2\")", "has that address"),
    ] {
        impossible(action, condition, "at once", help);
    }
    // The same for alternatives that leave out nothing.
    for effect in LOOKS {
        let text = format!(
            "{effect} (principal, action == {READ}, resource) when {{ resource.name != \"a.log\" || resource.extension != \"key\" }};"
        );
        assert!(found(&text).0, "{text}");
    }
}

#[test]
fn the_head_says_what_attributes_are() {
    for (head, condition) in [
        ("action == fs::Action::\"read\", resource == fs::Path::\"/x/a.log\"", "resource.extension == \"key\""),
        ("action == fs::Action::\"read\", resource == fs::Path::\"/x/a.log\"", "resource.extension != \"log\""),
        (
            "action == process::Action::\"run\", resource == process::Program::\"/usr/bin/id\"",
            "resource.name == \"ls\"",
        ),
        (
            "action == net::Action::\"get\", resource == net::Url::\"https://a.example/\"",
            "resource.host == \"b.example\"",
        ),
        (
            "action == net::Action::\"connect\", resource == net::Host::\"10.0.0.1\"",
            "context.address == ip(\"10.0.0.2\")",
        ),
    ] {
        for effect in LOOKS {
            let (refused, findings) = found(&format!("{effect} (principal, {head}) when {{ {condition} }};"));
            assert_eq!(refused, effect == "forbid", "{effect} {head} {condition}");
            assert!(findings.iter().any(|one| one.code == Some("REX014")), "{head} {condition}: {findings:?}");
        }
    }
}

#[test]
fn attributes_that_go_together_are_left_alone() {
    for (action, condition) in [
        (READ, "resource.name == \"a.log\" && resource.extension == \"log\""),
        (READ, "resource.name == \".key\" && resource.extension == \"key\""),
        (READ, "[\"a.log\", \"b.key\"].contains(resource.name) && resource.extension == \"key\""),
        (READ, "resource.path like \"/srv/*\" && resource.name like \"*.log\" && resource.extension == \"log\""),
        (READ, "resource.path like \"/srv/*/x\" && resource.name == \"x\""),
        (READ, "resource.name == \"Makefile\" && resource.extension == \"\""),
        (GET, "resource.scheme == \"https\" && resource.host == \"a.example\" && resource.path like \"/v1/*\""),
        (GET, "resource.url like \"https://a.example*\" && resource.port == 8443 && resource.query == \"\""),
        (GET, "resource.url == \"http://[::1]:8080/x\" && resource.host == \"::1\" && resource.port == 8080"),
        (GET, "resource.url like \"*?q=*\" && resource.query like \"q=*\""),
        (RUN, "resource.path == \"/usr/bin/id\" && resource.sha256 != \"\""),
        (RUN, "context.arguments == \"reload\" && context.count == 1 && context.arg2 == \"\""),
        (CONNECT, "context.address == ip(\"10.0.0.1\") && context.network == \"private\""),
    ] {
        nothing(action, condition);
    }
}

/// Every attribute and fact that is a path has only one spelling.
#[test]
fn paths_are_normalized_wherever_they_stand() {
    use rex_core::values::{DIRECTORY, PATH, PROGRAM, ValueSet};
    let forms = [&PATH, &PROGRAM, &DIRECTORY].map(ValueSet::Form);
    let mut seen = Vec::new();
    for spec in rex_core::ACTIONS {
        let of = |var: &str, all: &[rex_core::Attribute]| -> Vec<String> {
            let paths = all.iter().filter(|attribute| forms.contains(&attribute.values));
            paths.map(|attribute| format!("{var}.{}", attribute.name)).collect()
        };
        for term in [of("resource", spec.resource.attributes), of("context", spec.context)].concat() {
            let place = (spec.resource.to_string(), term.clone());
            if seen.contains(&place) {
                continue;
            }
            seen.push(place);
            let action = format!("{}::Action::\"{}\"", spec.namespace, spec.name);
            for text in ["/srv//x", "/srv/./x", "/srv/x/", "/srv/../x", "srv/x", "//srv", "/.", "/.."] {
                refused(&action, &format!("{term} == \"{text}\""), "never", "");
                refused(&action, &format!("[\"/srv\", \"{text}\"].contains({term})"), "never", "");
                refused(&action, &format!("{term} like \"{text}\""), "never", "");
            }
            for like in ["/srv//*", "/srv/./*", "*/../x", "/srv/*/./x", "/srv/*/x/", "srv/*", "*//*", "/../*"] {
                refused(&action, &format!("{term} like \"{like}\""), "never like", "");
            }
            nothing(&action, &format!("{term} like \"/srv/*\" || {term} == \"/srv/x\" || {term} like \"*/..x\""));
        }
    }
    let terms: Vec<_> = seen.iter().map(|(_, term)| &**term).collect();
    assert_eq!(terms, ["resource.path", "resource.exe", "resource.path", "context.directory"]);
}

#[test]
fn texts_below_links_of_every_host_are_told() {
    for (action, condition, instead) in [
        (READ, "resource.path == \"/var/run/shop.pid\"", "`/run/shop.pid`"),
        (READ, "resource.path like \"/var/run/*\"", "`/run/*`"),
        (READ, "[\"/bin/ls\", \"/usr/bin/id\"].contains(resource.path)", "`/usr/bin/ls`"),
        (DOES, "resource.exe == \"/sbin/init\"", "`/usr/sbin/init`"),
        (RUN, "context.directory == \"/bin\"", "`/usr/bin`"),
    ] {
        let (refused, findings) =
            found(&format!("permit (principal, action == {action}, resource) when {{ {condition} }};"));
        let told = findings
            .iter()
            .any(|one| one.code == Some("REX017") && one.help.as_deref().unwrap_or_default().contains(instead));
        assert!(told && !refused, "{condition}: {findings:?}");
    }
    nothing(READ, "resource.path like \"/binary/*\" || resource.path == \"/usr/bin/id\" || resource.path like \"/b*\"");
}

/// Deceptive letters are refused in policies and in the entities file: in keys, parents and texts.
#[test]
fn letters_that_look_like_others_are_refused_everywhere() {
    use crate::support::try_compile;
    for odd in ["\u{131}", "\u{fb01}", "\u{ff41}", "\u{430}", "a\u{200b}", "\u{3bf}ps", "a\u{ad}", "\u{1d41a}"] {
        for text in [
            format!("permit (principal, action, resource in fs::Path::\"/srv/f{odd}le\");"),
            format!("permit (principal in Group::\"o{odd}s\", action, resource);"),
            format!("permit (principal, action == {READ}, resource) when {{ resource.name == \"f{odd}le\" }};"),
            format!("permit (principal, action == {READ}, resource) when {{ resource.name like \"f{odd}le*\" }};"),
            format!(
                "permit (principal, action == {READ}, resource) when {{ context.tags.contains(\"env=f{odd}le\") }};"
            ),
        ] {
            let (refused, findings) = found(&text);
            let told = findings.iter().any(|one| one.code == Some("REX018"));
            assert!(refused && told, "{}: {findings:?}", text.escape_unicode());
        }
        let permit = "permit (principal in Group::\"ops\", action, resource in fs::Class::\"Logs\");";
        let agent = |id: &str, group: &str| {
            format!(
                r#"[{{"uid": {{"type": "Agent", "id": "{id}"}}, "parents": [{{"type": "Group", "id": "{group}"}}]}},
                    {{"uid": {{"type": "fs::Path", "id": "/srv/{id}"}}, "parents": [{{"type": "fs::Class", "id": "Logs"}}]}}]"#
            )
        };
        assert!(try_compile(permit, Some(&agent("fle", "ops"))).is_ok());
        for entities in [agent(&format!("f{odd}le"), "ops"), agent("fle", &format!("o{odd}s"))] {
            let rejected = try_compile(permit, Some(&entities)).unwrap_err();
            let told = rejected.findings.iter().any(|one| one.message.contains("holds"));
            assert!(told, "{}: {rejected}", entities.escape_unicode());
        }
    }
}

/// An escape is the letter that it represents, and a fact with a fixed case has no other.
#[test]
fn escapes_and_cases_are_looked_at_by_what_they_mean() {
    for (action, condition, help) in [
        (DOES, "context.signal == \"SIG\\u{54}ERM\"", "did you mean `TERM`?"),
        (READ, "resource.path == \"/srv\\u{2f}/x\"", "did you mean `/srv/x`?"),
        (READ, "resource.path like \"/srv\\x2f/*\"", "an absolute path"),
        (CONNECT, "context.address == ip(\"10.0.0.0\\u{2f}8\")", "isInRange"),
        (GET, "resource.scheme == \"HTTPS\"", "did you mean `https`?"),
        (GET, "resource.url like \"HTTPS://*\"", "in canonical form"),
        (GET, "resource.host like \"*.Example.com\"", "lower-case"),
        (GET, "resource.path == \"/caf%c3%a9\"", "did you mean `/caf%C3%A9`?"),
        (GET, "resource.path like \"/caf%c3%a9/*\"", "the path of a URL"),
        (RUN, "resource.sha256 like \"E3B0*\"", "64 lower-case"),
        (CONNECT, "context.network == \"Private\"", "did you mean `private`?"),
        (READ, "resource.path == \"/srv/caf\\\\xe9\"", "did you mean `/srv/caf\\\\xE9`?"),
        (READ, "resource.name like \"*caf\\\\xe9*\"", "did you mean"),
        (READ, "resource == fs::Path::\"/srv/caf\\\\xe9\"", "did you mean"),
    ] {
        refused(action, condition, "", help);
    }
    nothing(READ, "resource.path == \"/srv/caf\\\\xE9\" || resource.path == \"/srv/caf\\u{5c}xe9\"");
    nothing(READ, "resource in fs::Path::\"/srv/caf\\\\xE9\" || resource.name == \"a\\\\x41\"");
}

/// A case can only invent facts that a run can have.
#[test]
fn cases_take_no_facts_that_no_run_has() {
    let read = |rest: &str| {
        let text = format!("- name: a\n  principal: Agent::\"a\"\n  expect: deny\n{rest}");
        rex_policy::Case::read(&rex_policy::Vocabulary::rex(), &rex_policy::SourceText::new("a.test.yaml", text))
    };
    let script = "  run: fs::read(\"/a\")\n";
    let signal = "  action: process::signal\n  resource: \"7\"\n  attributes: {name: nginx}\n";
    for (rest, line, message, help) in [
        (format!("{signal}  context: {{signal: SIGKILL}}\n"), 7, "is never `SIGKILL`", "did you mean `KILL`?"),
        (format!("  tags: [urgent]\n{script}"), 4, "a tag is never `urgent`", "key=value"),
        ("  action: fs::read\n  resource: /etc//hosts\n".to_owned(), 5, "`/etc//hosts`", "did you mean `/etc/hosts`?"),
        ("  tags: [urgent]\n  action: fs::read\n  resource: /a\n".to_owned(), 4, "a tag is never", "key=value"),
        ("  script: abc\n  action: fs::read\n  resource: /a\n".to_owned(), 4, "the script is never", "64 lower-case"),
        (format!("  processes: {{7: {{exe: nginx}}}}\n{script}"), 4, "`exe` of", "an absolute path"),
        (format!("  processes: {{7: {{exe: /bin/x, user: \"0\"}}}}\n{script}"), 4, "`user` of", "did you mean `root`?"),
        (format!("  processes: {{7: {{exe: /bin/x, unit: x}}}}\n{script}"), 4, "`unit` of", "`x.service`?"),
        (format!("  files: {{/srv//a: x}}\n{script}"), 4, "`/srv//a` is not the path of a file", "without"),
    ] {
        let rejected = read(&rest).unwrap_err();
        let one = &rejected.findings[0];
        let told = one.message.contains(message) && one.help.as_deref().unwrap_or_default().contains(help);
        assert!(told && one.line == line, "{rest}{} {}: {:?}", one.line, one.message, one.help);
    }
    read(&format!("{signal}  context: {{signal: KILL}}\n  tags: [a=b]\n")).unwrap();
    read(&format!("  processes: {{7: {{exe: /bin/x, unit: x.service}}}}\n{script}")).unwrap();
}
