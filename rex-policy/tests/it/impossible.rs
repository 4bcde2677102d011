//! Policies that match nothing or everything: a `forbid` is refused, a `permit` gets a warning.

use rex_policy::{Finding, LintLevels, Severity};

use crate::support::{compile, try_compile};

pub(crate) const DOES: &str = "process::Action::\"signal\"";

/// Returns whether a policy is refused, and all findings in it.
pub(crate) fn found(text: &str) -> (bool, Vec<Finding>) {
    match try_compile(text, None) {
        Ok(policy) => (false, policy.warnings().iter().filter(|finding| finding.code.is_some()).cloned().collect()),
        Err(rejected) => (true, rejected.findings),
    }
}

/// Checks that a condition is refused in a `forbid` and reported in a `permit`, with these texts in the message and the help.
pub(crate) fn impossible(action: &str, condition: &str, said: &str, help: &str) {
    for (effect, refused) in [("forbid", true), ("permit", false)] {
        let text = format!("{effect} (principal, action == {action}, resource) when {{ {condition} }};");
        let (was_refused, findings) = found(&text);
        let told = findings.iter().any(|finding| {
            finding.message.contains(said) && finding.help.as_deref().unwrap_or_default().contains(help)
        });
        let all: Vec<_> = findings.iter().map(|finding| (&finding.message, &finding.help)).collect();
        assert!(told, "{text}\n{all:#?}");
        assert_eq!(was_refused, refused, "{text}\n{all:#?}");
    }
}

pub(crate) fn nothing(action: &str, condition: &str) {
    for effect in ["forbid", "permit"] {
        let text = format!("{effect} (principal, action == {action}, resource) when {{ {condition} }};");
        let (_, findings) = found(&text);
        assert!(findings.is_empty(), "{text}\n{:#?}", findings.iter().map(|one| &one.message).collect::<Vec<_>>());
    }
}

pub(crate) const READ: &str = "fs::Action::\"read\"";
pub(crate) const GET: &str = "net::Action::\"get\"";
pub(crate) const RUN: &str = "process::Action::\"run\"";

#[test]
fn a_value_that_is_never_there_is_told_with_the_one_that_is() {
    let signal = "`context.signal` is never `SIGTERM`";
    impossible(DOES, "context.signal == \"SIGTERM\"", signal, "did you mean `TERM`?");
    impossible(DOES, "\"SIGTERM\" == context.signal", signal, "did you mean `TERM`?");
    impossible(DOES, "[\"SIGTERM\", \"KILL\"].contains(context.signal)", signal, "did you mean `TERM`?");
    impossible(
        DOES,
        "resource.name == \"a\" && (context.signal == \"SIGTERM\" || context.signal == \"HUP\")",
        signal,
        "`TERM`",
    );
    impossible(DOES, "context.signal like \"SIG*\"", "is never like `SIG*`", "`HUP`");
    impossible(DOES, "context.signal == \"15\"", "never `15`", "`TERM`");
    impossible(DOES, "resource.user == \"0\"", "never `0`", "did you mean `root`?");
    impossible(DOES, "resource.unit == \"nginx\"", "never `nginx`", "did you mean `nginx.service`?");
    impossible(DOES, "resource.exe == \"nginx\"", "never `nginx`", "an absolute path");
    impossible(
        DOES,
        "resource.name == \"systemd-journald\"",
        "never `systemd-journald`",
        "did you mean `systemd-journal`?",
    );
    impossible(
        "service::Action::\"restart\"",
        "resource.name == \"shop-web\"",
        "never `shop-web`",
        "did you mean `shop-web.service`?",
    );
    impossible(
        "service::Action::\"restart\"",
        "resource.kind == \".service\"",
        "never `.service`",
        "did you mean `service`?",
    );
    impossible("service::Action::\"restart\"", "resource.name like \"shop-*.unit\"", "never like", "with its type");
    impossible(GET, "resource.scheme == \"https://\"", "never `https://`", "did you mean `https`?");
    impossible(GET, "resource.path == \"api/\"", "never `api/`", "did you mean `/api/`?");
    impossible(GET, "resource.path like \"v1/*\"", "never like `v1/*`", "first slash");
    impossible(GET, "resource.path like \"*?x=1\"", "never like", "without the query");
    impossible(
        GET,
        "resource.host == \"https://example.com\"",
        "never `https://example.com`",
        "did you mean `example.com`?",
    );
    impossible(GET, "resource.host == \"Example.com\"", "never `Example.com`", "did you mean `example.com`?");
    impossible(GET, "resource.query == \"?a=b\"", "never `?a=b`", "did you mean `a=b`?");
    impossible(
        "net::Action::\"connect\"",
        "context.network == \"privat\"",
        "never `privat`",
        "did you mean `private`?",
    );
    impossible("net::Action::\"connect\"", "context.network == \"internet\"", "never `internet`", "`public`");
    impossible("net::Action::\"connect\"", "context.port == 70000", "never true", "");
    impossible("net::Action::\"resolve\"", "context.record == \"mx\"", "never `mx`", "did you mean `MX`?");
    impossible(
        "net::Action::\"resolve\"",
        "context.server == \"192.0.2.53\"",
        "never `192.0.2.53`",
        "did you mean `192.0.2.53:53`?",
    );
    impossible(RUN, "resource.sha256 == \"deadbeef\"", "never `deadbeef`", "64 lower-case");
    impossible(RUN, "context.script == \"ABC\"", "never `ABC`", "64 lower-case");
    impossible(RUN, "context.directory == \"/srv/\"", "never `/srv/`", "did you mean `/srv`?");
    impossible(RUN, "context.user == \"1000\"", "never `1000`", "not the number");
    impossible(RUN, "context.arguments == \"-name *.log\"", "never `-name *.log`", "did you mean `-name '*.log'`?");
    impossible(RUN, "context.count < 0", "never true", "");
    impossible("process::Action::\"set_priority\"", "context.nice == -30", "never true", "");
    impossible("fs::Action::\"chmod\"", "context.mode == 5000", "never true", "");
    impossible(
        "fs::Action::\"set_xattr\"",
        "context.name == \"origin\"",
        "never `origin`",
        "did you mean `user.origin`?",
    );
    impossible(
        "sys::Action::\"set_parameter\"",
        "resource.name == \"net/ipv4/ip_forward\"",
        "never",
        "did you mean `net.ipv4.ip_forward`?",
    );
    impossible("sys::Action::\"get_variable\"", "resource.name == \"$PATH\"", "`$PATH`", "");
    for tag in [
        "context.tags.contains(\"urgent\")",
        "context.tags.containsAny([\"urgent\", \"a=b\"])",
        "context.tags.containsAll([\"urgent\"])",
        "[\"urgent\"].containsAll(context.tags)",
        "context.tags == [\"urgent\"]",
    ] {
        impossible(READ, tag, "`context.tags` is never `urgent`", "key=value");
    }
    // Whatever the action, the resource is not of that type.
    let typed = "forbid (principal, action, resource) when { resource is net::Url && resource.path == \"api\" };";
    assert!(found(typed).0, "{:?}", found(typed));
}

#[test]
fn values_that_can_be_there_are_left_alone() {
    for (action, condition) in [
        (DOES, "context.signal == \"TERM\" && resource.user == \"www-data\" && resource.unit like \"shop-*.service\""),
        (DOES, "resource.exe == \"\" || resource.name like \"kworker/*\" || resource.unit == \"\""),
        (GET, "resource.scheme == \"https\" && resource.host like \"*.example.com\" && resource.path like \"/v1/*\""),
        (GET, "resource.query like \"page=*\" || resource.query == \"\" || resource.port == 8443"),
        (GET, "resource.url like \"https://example.com/?q=*\""),
        ("net::Action::\"connect\"", "[\"private\", \"loopback\"].contains(context.network) && context.port <= 1024"),
        (RUN, "context.arguments == \"-name '*.log'\" || context.arguments like \"reload *\" || context.arg1 == \"*\""),
        (RUN, "context.user == \"\" && context.environment == \"\" && resource.sha256 == \"\""),
        (
            READ,
            "context.tags.contains(\"ticket=7\") && resource.path like \"/srv/*/x*\" && resource.name like \"*.tar.gz\"",
        ),
        (READ, "resource.extension == \"key\" || resource.path == \"/\" || resource.name == \"\""),
        ("fs::Action::\"chmod\"", "context.mode == 420 || context.mode <= 511"),
        ("fs::Action::\"chown\"", "context.uid == -1"),
    ] {
        nothing(action, condition);
    }
}

#[test]
fn what_leaves_out_nothing_is_refused_in_a_permit_too() {
    for condition in [
        "unless { context.signal == \"SIGKILL\" }",
        "when { context.signal != \"SIGKILL\" }",
        "when { !(context.signal == \"SIGKILL\") }",
    ] {
        for effect in ["permit", "forbid"] {
            let text = format!("{effect} (principal, action == {DOES}, resource) {condition};");
            assert!(found(&text).0, "{text}");
        }
    }
}

/// Checks that an id is refused in a `forbid` and reported in a `permit`, with the fix.
fn wild(head: &str, help: &str) {
    for (effect, refused) in [("forbid", true), ("permit", false)] {
        let text = format!("{effect} (principal, action, resource {head});");
        let (was_refused, findings) = found(&text);
        let all: Vec<_> = findings.iter().map(|finding| (&finding.message, &finding.help)).collect();
        assert!(
            findings.iter().any(|finding| finding.help.as_deref().unwrap_or_default().contains(help)),
            "{text}\n{all:#?}"
        );
        assert_eq!(was_refused, refused || head.contains("Host") || head.contains("Unit"), "{text}\n{all:#?}");
    }
}

#[test]
fn a_wildcard_in_an_id_is_told_with_what_to_write() {
    wild("== fs::Path::\"/etc/ssh/*_key\"", "when { resource.path like \"/etc/ssh/*_key\" }");
    wild("in fs::Path::\"/var/log/*\"", "`resource in fs::Path::\"/var/log\"`");
    wild("in fs::Path::\"/var/log/**\"", "`resource in fs::Path::\"/var/log\"`");
    wild("in fs::Path::\"/home/$USER\"", "no variables");
    wild("in fs::Path::\"/home/${USER}/x\"", "no variables");
    wild("in fs::Path::\"/home/{{ user }}/x\"", "no variables");
    wild("in fs::Path::\"/~/x\"", "home directory");
    wild("== fs::Path::\"/srv/web-?.log\"", "like \"/srv/web-*.log\"");
    wild("== fs::Path::\"/srv/web-[0-9].log\"", "like \"/srv/web-*.log\"");
    wild("== fs::Path::\"/srv/{a,b}.log\"", "`||`");
    wild("== process::Program::\"/usr/bin/python*\"", "like \"/usr/bin/python*\"");
    wild("== service::Unit::\"web-*.service\"", "resource.name like \"web-*.service\"");
    wild("== net::Host::\"*.example.com\"", "`resource in net::Host::\"example.com\"`");
    wild("== net::Url::\"https://example.com/*\"", "`resource in net::Url::\"https://example.com/\"`");
    // A sign that is written with an escape means the letter, and other letters mean themselves.
    for id in [
        "/srv/a\\u{2a}b",
        "/srv/a\\u{5b}id].tsx",
        "/srv/a#b",
        "/srv/100%",
        "/srv/a b",
        "/srv/(x)",
        "/srv/$x",
        "/srv/a~",
        "/srv/{x}",
    ] {
        let text = format!("forbid (principal, action, resource == fs::Path::\"{id}\");");
        assert!(found(&text).1.is_empty(), "{text}: {:?}", found(&text).1);
    }
    for text in [
        "forbid (principal == Agent::\"ci-*\", action, resource);",
        "forbid (principal == User::\"$USER\", action, resource);",
        "forbid (principal, action, resource is fs::Path) when { resource in [fs::Path::\"/a\", fs::Path::\"/b/*\"] };",
        "forbid (principal, action, resource is fs::Path) when { [fs::Path::\"/a\", fs::Path::\"/b/*\"].contains(resource) };",
        "permit (principal, action, resource is fs::Path) unless { resource == fs::Path::\"/b/*\" };",
    ] {
        assert!(found(text).0, "{text}");
    }
}

#[test]
fn a_pattern_of_another_language_is_told() {
    impossible(READ, "resource.name like \"web-?.log\"", "`?` in `web-?.log`", "like \"web-*.log\"");
    impossible(READ, "resource.path like \"/srv/**/*.log\"", "`**` in", "like \"/srv/*.log\"");
    impossible(READ, "resource.name like \"*.{log,txt}\"", "`{log,txt}`", "`||`");
    impossible(READ, "resource.name like \"[a-z]*\"", "`[a-z]`", "like");
    impossible(READ, "resource.name like \"^web\"", "`^`", "like");
    impossible(READ, "resource.name == \"*.log\"", "`*` in `*.log`", "like \"*.log\"");
    impossible(READ, "context.tags.contains(\"env=*\")", "`*` in `env=*`", "");
    impossible(
        "service::Action::\"restart\"",
        "resource.name == \"web-*.service\"",
        "`*` in",
        "like \"web-*.service\"",
    );
    nothing(READ, "resource.path like \"/srv/a\\*b/*\"");
    let twice =
        found(&format!("forbid (principal, action == {READ}, resource) when {{ resource.path like \"/srv/**\" }};"));
    assert!(!twice.0 && twice.1[0].message.contains("the same as `*`"), "{twice:?}");
}

#[test]
fn contradictions_and_what_is_always_true_are_found() {
    for condition in [
        "resource.extension == \"key\" && resource.extension == \"pem\"",
        "resource.extension == \"key\" && resource.name == \"x\" && resource.extension == \"pem\"",
        "!(resource.extension != \"key\" || resource.extension != \"pem\")",
        "context.now > datetime(\"2026-12-31\") && context.now < datetime(\"2026-01-01\")",
        "context.now.toTime() >= duration(\"22h\") && context.now.toTime() < duration(\"6h\")",
        "context.now.toTime() > duration(\"24h\")",
        "resource.name like \"*.key\" && resource.name like \"*.pem\"",
        "resource.name like \"*.key\" && resource.name == \"a.pem\"",
        "[\"a\", \"b\"].contains(resource.name) && resource.name == \"c\"",
        "[\"a\", \"b\"].contains(resource.name) && resource.name != \"a\" && resource.name != \"b\"",
        "resource == fs::Path::\"/a\" && resource == fs::Path::\"/b\"",
        "principal == Agent::\"a\" && principal == Agent::\"b\"",
        "resource.name == \"x\" && !(resource.name == \"x\")",
        "resource.name != resource.name",
        "1 == 2",
    ] {
        impossible(READ, condition, "", "");
    }
    impossible("net::Action::\"connect\"", "context.port > 1024 && context.port < 80", "at once", "never true");
    let window = "context.now.toTime() >= duration(\"22h\") && context.now.toTime() < duration(\"6h\")";
    impossible(READ, window, "at once", "over midnight, write `||`");
    for condition in [
        "resource.extension != \"key\" || resource.extension != \"pem\"",
        "!(resource.name == \"a\" && resource.name == \"b\")",
    ] {
        for effect in ["permit", "forbid"] {
            let text = format!("{effect} (principal, action == {READ}, resource) when {{ {condition} }};");
            assert!(found(&text).0, "{text}");
        }
    }
    for condition in [
        "1 == 1",
        "true",
        "resource.name == resource.name",
        "if true then resource.name == \"a\" else false",
        "resource.name == \"a\" || true",
    ] {
        let text = format!("permit (principal, action == {READ}, resource) when {{ {condition} }};");
        let (refused, findings) = found(&text);
        assert!(!refused && findings.iter().any(|finding| finding.code == Some("REX014")), "{text}");
    }
    let head = "(principal == Agent::\"a\", action == fs::Action::\"read\", resource == fs::Path::\"/srv/a.key\")";
    assert!(found(&format!("forbid {head} when {{ resource.extension == \"pem\" }};")).0);
    assert!(found(&format!("forbid {head} when {{ principal == Agent::\"b\" }};")).0);
    assert!(!found(&format!("forbid {head} when {{ resource.extension == \"key\" }};")).0);
    for condition in [
        "resource.extension == \"key\" || resource.extension == \"pem\"",
        "resource.extension != \"key\" && resource.extension != \"pem\"",
        "context.now > datetime(\"2026-01-01\") && context.now < datetime(\"2026-12-31\")",
        "context.now.toTime() >= duration(\"22h\") || context.now.toTime() < duration(\"6h\")",
        "resource.name like \"*.key\" && resource.name like \"a*\"",
        "resource.name == \"a\" && context.tags.contains(\"a=b\") && context.tags.contains(\"c=d\")",
        "resource in fs::Path::\"/a\" && resource in fs::Path::\"/a/b\"",
    ] {
        nothing(READ, condition);
    }
}

#[test]
fn octal_numbers_are_told() {
    let of = |condition: &str| {
        found(&format!("permit (principal, action == fs::Action::\"chmod\", resource) when {{ {condition} }};"))
    };
    for condition in ["context.mode == 0644", "context.mode <= 0755", "context.mode == 00600"] {
        assert!(of(condition).0, "{condition}");
    }
    let (refused, findings) = of("context.mode == 644");
    assert!(!refused && findings[0].help.as_deref() == Some("0644 in octal is 420 in decimal"), "{findings:?}");
    for condition in [
        "context.mode == 420",
        "context.mode <= 511",
        "context.mode == 0",
        "resource.name == \"0644\"",
        "context.mode == 10",
    ] {
        assert!(of(condition).1.is_empty(), "{condition}");
    }
}

#[test]
fn groups_and_classes_are_asked_for_by_in() {
    for (head, help) in [
        ("principal == Group::\"oncall\", action, resource", "`principal in Group::\"oncall\"`"),
        ("principal, action == fs::Action::\"ReadOnly\", resource", "`action in fs::Action::\"ReadOnly\"`"),
        ("principal, action, resource == fs::Class::\"Logs\"", "`resource in fs::Class::\"Logs\"`"),
    ] {
        for effect in ["forbid", "permit"] {
            let (refused, findings) = found(&format!("{effect} ({head});"));
            assert_eq!(refused, effect == "forbid", "{head}: {findings:?}");
            let told = |finding: &Finding| finding.help.as_deref().is_some_and(|said| said.contains(help));
            assert!(findings.iter().any(told), "{head}: {findings:#?}");
            assert!(findings.iter().all(|finding| !finding.message.starts_with("this policy never")), "{head}");
        }
    }
    for condition in
        ["principal == Group::\"oncall\"", "Group::\"oncall\" == principal", "[Group::\"oncall\"].contains(principal)"]
    {
        let text = format!("forbid (principal, action, resource) when {{ {condition} }};");
        assert!(found(&text).0, "{text}");
    }
}

#[test]
fn a_directory_of_urls_ends_with_a_slash() {
    let of = |id: &str| found(&format!("forbid (principal, action, resource in net::Url::\"{id}\");")).1;
    assert_eq!(
        of("https://example.com/v1")[0].help.as_deref(),
        Some("a directory of URLs ends with a slash: `net::Url::\"https://example.com/v1/\"`")
    );
    for id in [
        "https://example.com/v1/",
        "https://example.com/index.html",
        "https://example.com/",
        "https://example.com/v1?a=b",
    ] {
        assert!(of(id).is_empty(), "{id}");
    }
}

#[test]
fn names_below_links_of_every_host_are_told() {
    let of = |id: &str| found(&format!("permit (principal, action, resource in {id});")).1;
    assert!(of("fs::Path::\"/var/run/shop\"")[0].help.as_deref().unwrap().contains("`/run/shop`"));
    assert!(of("process::Program::\"/bin/ls\"")[0].help.as_deref().unwrap().contains("`/usr/bin/ls`"));
    for id in ["fs::Path::\"/binary\"", "fs::Path::\"/usr/bin\"", "fs::Path::\"/var/runs\"", "fs::Path::\"/run\""] {
        assert!(of(id).is_empty(), "{id}");
    }
}

#[test]
fn hidden_characters_are_refused_in_ids_and_texts() {
    for text in [
        "forbid (principal, action, resource == fs::Path::\"/etc/pass\u{200b}wd\");",
        "permit (principal, action, resource == fs::Path::\"/etc/p\u{430}sswd\");",
        "permit (principal == Agent::\"tri\u{ad}age\", action, resource);",
        "permit (principal, action, resource is fs::Path) when { resource.name == \"a\u{a0}b\" };",
        "permit (principal, action, resource in fs::Path::\"/srv\u{2215}x\");",
        "@id(\"a\u{200d}\") permit (principal, action, resource);",
    ] {
        let (refused, findings) = found(text);
        assert!(refused && findings.iter().any(|finding| finding.code == Some("REX018")), "{}", text.escape_unicode());
        assert!(
            findings.iter().all(|finding| finding.message.chars().all(|c| !('\u{200b}'..='\u{200f}').contains(&c)))
        );
    }
    for text in [
        "permit (principal, action, resource == fs::Path::\"/etc/pass\\u{200b}wd\");",
        "permit (principal, action, resource in fs::Path::\"/srv/\u{434}\u{430}\u{43d}\u{43d}\u{44b}\u{435}\");",
        "// Caf\u{e9}\npermit (principal, action, resource in fs::Path::\"/srv/caf\u{e9}\");",
    ] {
        assert!(found(text).1.is_empty(), "{}: {:?}", text.escape_unicode(), found(text).1);
    }
}

#[test]
fn a_policy_silences_warnings_and_never_errors() {
    let guard = |lint: &str| {
        format!(
            "@id(\"g\") @reason(\"r\") {lint} forbid (principal, action == fs::Action::\"read\", resource in fs::Path::\"/etc\");"
        )
    };
    let codes = |text: &str| -> Vec<_> {
        compile(text).lints(&LintLevels::default()).iter().filter_map(|finding| finding.code).collect()
    };
    assert_eq!(codes(&guard("")), ["REX003"]);
    assert_eq!(codes(&guard("@lint(\"REX003\")")), [""; 0]);
    assert_eq!(codes(&guard("@lint(\"rex001, REX003\")")), [""; 0]);
    assert_eq!(codes(&guard("@lint(\"REX001 REX002\")")), ["REX003"]);
    for unknown in ["@lint(\"REX999\")", "@lint(\"REX003; REX001\")", "@lint(\"\")"] {
        assert!(try_compile(&guard(unknown), None).is_err(), "{unknown}");
    }
    // A warning that is made an error stays one.
    let deny = LintLevels { deny: vec![rex_policy::Lint::of("REX003").unwrap()], ..LintLevels::default() };
    assert_eq!(compile(&guard("@lint(\"REX003\")")).lints(&deny)[0].severity, Severity::Error);
    assert_eq!(codes("@id(\"a\") @reason(\"r\") @lint(\"REX004\") permit (principal, action, resource);"), ["REX004"]);
    let wild = "@id(\"g\") @reason(\"r\") @lint(\"REX012\") permit (principal == Agent::\"a\", action == fs::Action::\"read\", resource == fs::Path::\"/srv/[id].tsx\");";
    assert_eq!(codes(wild), [""; 0]);
    assert!(try_compile(&wild.replace("permit", "forbid"), None).is_err());
}

#[test]
fn ids_of_the_entities_file_are_no_patterns() {
    let file = |id: &str| {
        let entities = format!(
            "[{{\"uid\": {{\"type\": \"fs::Path\", \"id\": \"{id}\"}}, \"parents\": [{{\"type\": \"fs::Class\", \"id\": \"Logs\"}}]}}]"
        );
        try_compile("permit (principal, action, resource in fs::Class::\"Logs\");", Some(&entities)).is_ok()
    };
    assert!(file("/var/log") && file("/var/log/\\u002a.log"));
    assert!(!file("/var/log/*.log") && !file("/home/$USER") && !file("/var/l\u{200b}og"));
}

/// A process whose user has no name has no `user`. A `forbid` that required it would let the signal pass, and so would an exception of a
/// permit. A permit that asks for it leaves such a process to others.
#[test]
fn what_may_be_unknown_is_not_asked_to_be_there() {
    let of = |policy: &str| {
        let text = policy.replace('@', &format!("(principal, action == {DOES}, resource)"));
        let (refused, findings) = found(&text);
        let told = findings.iter().any(|one| one.message.contains("is unknown"));
        assert_eq!(refused, told, "{text}: {findings:?}");
        told
    };
    for policy in [
        "forbid @ when { resource has user && resource.user == \"root\" };",
        "forbid @ when { resource has unit };",
        "forbid @ when { !(resource has exe) };",
        "forbid @ unless { resource has user && resource.user == \"root\" };",
        "permit @ when { !(resource has exe) };",
        "permit @ unless { resource has user && resource.user == \"root\" };",
        "permit @ when { if resource has user then resource.user == \"a\" else true };",
    ] {
        assert!(of(policy), "{policy}");
    }
    for policy in [
        "permit @ when { resource has user && resource.user == \"root\" };",
        "permit @ when { resource.unit == \"a.service\" || (resource has user && resource.user == \"root\") };",
        "permit @ unless { !(resource has unit) };",
        "permit @ when { if resource has user then resource.user == \"root\" else false };",
    ] {
        assert!(!of(policy), "{policy}");
    }
}

#[test]
fn an_address_in_brackets_and_a_long_name_of_the_kernel_are_no_mistakes() {
    for (action, condition) in [
        ("net::Action::\"resolve\"", "context.server == \"[::1]:53\""),
        ("process::Action::\"inspect\"", "resource.name == \"pool_workqueue_release\""),
    ] {
        let text = format!("forbid (principal, action == {action}, resource) when {{ {condition} }};");
        assert!(try_compile(&text, None).is_ok(), "{text}");
    }
    impossible("process::Action::\"inspect\"", "resource.name == \"averyverylongname\"", "never", "averyverylongna");
}
