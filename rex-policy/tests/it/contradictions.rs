//! Conditions that no request meets because of the head, of their context, or of what one fact implies about another.

use rex_policy::Severity;

use crate::impossible::{DOES, GET, READ, RUN, found, impossible, nothing};

const CONNECT: &str = "net::Action::\"connect\"";
const STOP: &str = "service::Action::\"stop\"";

/// Checks that a condition contradicts a head: refused in a `forbid`, reported in a `permit` with this help.
fn against(action: &str, head: &str, condition: &str, help: &str) {
    for effect in ["forbid", "permit"] {
        let text = format!("{effect} (principal, action == {action}, {head}) when {{ {condition} }};");
        let (refused, findings) = found(&text);
        let told = findings.iter().any(|one| {
            one.code == Some("REX014")
                && one.message.contains("true with what the head says")
                && one.help.as_deref().unwrap_or_default().contains(help)
        });
        assert!(told, "{text}\n{findings:#?}");
        assert_eq!(refused, effect == "forbid", "{text}\n{findings:#?}");
    }
}

/// Checks that nothing is reported for a condition with a head.
fn fits(action: &str, head: &str, condition: &str) {
    for effect in ["forbid", "permit"] {
        let text = format!("{effect} (principal, action == {action}, {head}) when {{ {condition} }};");
        let (_, findings) = found(&text);
        assert!(findings.iter().all(|one| one.code == Some("REX013")), "{text}\n{findings:#?}");
    }
}

#[test]
fn a_head_with_in_says_what_attributes_are() {
    let url = "resource in net::Url::\"https://a.example/x/\"";
    for (condition, help) in [
        ("resource.scheme == \"http\"", ""),
        ("resource.port == 80", ""),
        ("resource.port < 443", ""),
        ("resource.host == \"other\"", ""),
        ("resource.host like \"*.org\"", ""),
        ("resource.path == \"/y\"", "no resource in `net::Url::\"https://a.example/x/\"` has such a `path`"),
        ("resource.path like \"/y/*\"", "has such a `path`"),
        ("resource.url like \"http://b/*\"", "has such a `url`"),
        ("resource.url == \"https://a.example/y\"", "is not in"),
        ("resource in net::Url::\"https://b.example/\"", "nothing is both in"),
        ("resource == net::Url::\"https://a.example/y\"", "is not in"),
        ("!(resource in net::Url::\"https://a.example/\")", "is left out completely"),
        ("!(resource.url like \"https://a.example/*\")", "is left out completely"),
    ] {
        against(GET, url, condition, help);
        against(GET, &url.replace("resource in", "resource is net::Url in"), condition, help);
    }
    let page = "resource in net::Url::\"https://a.example/x\"";
    against(GET, page, "resource.path == \"/x/y\"", "has such a `path`");
    fits(GET, page, "resource.path == \"/x\" && resource.query == \"a=b\"");
    fits(GET, page, "resource.query like \"a=*\"");
    for condition in [
        "resource.scheme == \"https\" && resource.port == 443 && resource.host == \"a.example\"",
        "resource.path like \"/x/y/*\" && resource.query == \"\"",
        "resource.path like \"*.json\"",
        "resource.url like \"https://a.example/*\"",
        "resource in net::Url::\"https://a.example/x/y/\"",
        "!(resource in net::Url::\"https://a.example/x/y/\")",
    ] {
        fits(GET, url, condition);
    }
    for (action, head, condition) in [
        (READ, "resource in fs::Path::\"/srv\"", "resource.name == \"\""),
        (READ, "resource in fs::Path::\"/srv\"", "!(resource in fs::Path::\"/\")"),
        (READ, "resource in fs::Path::\"/srv/www\"", "!(resource.path like \"/srv/*\")"),
        (READ, "resource in fs::Path::\"/srv\"", "resource.path == \"/srv\" && resource.name == \"x\""),
        (READ, "resource is fs::Path", "resource.path like \"/srv/*\" && !(resource in fs::Path::\"/srv\")"),
        (RUN, "resource in process::Program::\"/usr/bin\"", "resource.path like \"/opt/*\""),
        (RUN, "resource in process::Program::\"/usr/bin\"", "resource.path == \"/usr/sbin/x\""),
        (CONNECT, "resource in net::Host::\"example.com\"", "resource.name == \"example.org\""),
        (CONNECT, "resource in net::Host::\"example.com\"", "resource.name like \"*.org\""),
        (CONNECT, "resource in net::Host::\"10.0.0.1\"", "context.network == \"public\""),
        (CONNECT, "resource == net::Host::\"10.0.0.1\"", "context.network == \"public\""),
        (STOP, "resource == service::Unit::\"a.service\"", "resource.kind == \"timer\""),
        (STOP, "resource == service::Unit::\"a.service\"", "resource.name like \"b*\""),
        (DOES, "resource == process::Process::\"42\"", "resource.pid == 43"),
        ("sys::Action::\"get_variable\"", "resource == sys::Variable::\"PATH\"", "resource.name == \"HOME\""),
        (
            "sys::Action::\"get_parameter\"",
            "resource == sys::Parameter::\"vm.swappiness\"",
            "resource.name like \"net.*\"",
        ),
    ] {
        let text = format!("forbid (principal, action == {action}, {head}) when {{ {condition} }};");
        let (refused, findings) = found(&text);
        assert!(refused && findings.iter().any(|one| one.code == Some("REX014")), "{text}\n{findings:#?}");
        let text = text.replace("forbid", "permit");
        let (refused, findings) = found(&text);
        assert!(!refused && findings.iter().any(|one| one.code == Some("REX014")), "{text}\n{findings:#?}");
    }
    fits(READ, "resource in fs::Path::\"/srv\"", "resource.name == \"srv\" || resource.path like \"/srv/*\"");
    fits(READ, "resource in fs::Path::\"/\"", "resource.name == \"\"");
    fits(READ, "resource in fs::Path::\"/srv\"", "resource in fs::Path::\"/srv/x\" && resource.extension == \"log\"");
    fits(
        CONNECT,
        "resource in net::Host::\"example.com\"",
        "resource.name like \"*.example.com\" && context.network == \"public\"",
    );
    fits(STOP, "resource == service::Unit::\"a.service\"", "resource.kind == \"service\"");
}

/// A part and its opposite, whatever the part is.
#[test]
fn what_is_asked_for_and_left_out_again_is_found() {
    for part in [
        "context.tags.contains(\"a=1\")",
        "context.tags.containsAny([\"a=1\", \"b=1\"])",
        "resource in fs::Path::\"/srv\"",
        "principal in Group::\"ops\"",
        "principal is Agent",
        "resource.name == resource.extension",
        "context.script like \"ab*\"",
        "(resource.name == \"a\" && context.tags.contains(\"a=1\"))",
        "(resource.name == \"a\" || context.tags.contains(\"a=1\"))",
    ] {
        impossible(READ, &format!("{part} && !({part})"), "", "");
        impossible(READ, &format!("!({part}) && resource.path like \"/x/*\" && {part}"), "", "");
        for effect in ["forbid", "permit"] {
            let always = format!("{effect} (principal, action == {READ}, resource) when {{ {part} || !({part}) }};");
            let (refused, findings) = found(&always);
            let told = findings.iter().any(|one| one.code == Some("REX014"));
            // A compound part is checked by its parts, each of which may hold.
            assert!((refused && told) || part.starts_with('('), "{always}\n{findings:#?}");
            let twice =
                format!("{effect} (principal, action == {READ}, resource) when {{ {part} }} unless {{ {part} }};");
            let (refused, findings) = found(&twice);
            assert_eq!(refused, effect == "forbid", "{twice}\n{findings:#?}");
            assert!(findings.iter().any(|one| one.code == Some("REX014")), "{twice}\n{findings:#?}");
        }
    }
    for condition in [
        "resource.name == resource.extension && resource.name != resource.extension",
        "resource.extension == resource.name && !(resource.name == resource.extension)",
        "context.tags.isEmpty() && context.tags.contains(\"a=1\")",
        "context.tags.containsAll([\"a=1\", \"b=1\"]) && !context.tags.contains(\"b=1\")",
        "context.tags.containsAny([\"a=1\"]) && !context.tags.contains(\"a=1\")",
        "resource.path like \"/srv/www/*\" && !(resource.path like \"/srv/*\")",
        "resource.name == \"a.log\" && !(resource.name like \"*.log\")",
        "!(resource.path like \"*\")",
        "(if resource.name == \"a\" then resource.extension == \"x\" else false) && resource.name == \"b\"",
    ] {
        impossible(READ, condition, "", "");
    }
    impossible(
        "process::Action::\"run\"",
        "context.count < 2 && context.arg2 like \"-*\"",
        "at once",
        "`arg2` is empty",
    );
    impossible("process::Action::\"run\"", "context.count < 2 && context.arg2 != \"\"", "at once", "`arg2` is empty");
    for condition in [
        "context.tags.contains(\"a=1\") && !context.tags.contains(\"b=1\")",
        "context.tags.containsAny([\"a=1\", \"b=1\"]) && !context.tags.contains(\"a=1\")",
        "resource in fs::Path::\"/srv\" && !(resource in fs::Path::\"/srv/keys\")",
        "principal in Group::\"ops\" && !(principal in Group::\"guests\")",
        "resource.path like \"/srv/*\" && !(resource.path like \"/srv/www/*\")",
        "if resource.name == \"a\" then resource.extension == \"\" else false",
        "resource.name == \"a\" || context.tags.contains(\"a=1\")",
        "resource.path like \"*\"",
    ] {
        let text = format!("permit (principal, action == {READ}, resource) when {{ {condition} }};");
        let findings: Vec<_> = found(&text).1.into_iter().filter(|one| one.code.is_some()).collect();
        assert!(findings.is_empty(), "{text}\n{findings:#?}");
    }
}

#[test]
fn networks_go_together_with_addresses() {
    for (condition, help) in [
        ("context.network == \"public\" && context.address.isInRange(ip(\"10.0.0.0/8\"))", "network `private`"),
        ("context.address.isLoopback() && context.network == \"public\"", "network `loopback`"),
        ("context.network == \"private\" && context.address.isLoopback()", "network `loopback`"),
        ("context.network == \"loopback\" && context.address.isInRange(ip(\"192.168.0.0/16\"))", "`private`"),
        ("context.network == \"private\" && context.address.isMulticast()", "`multicast`"),
        ("context.network == \"public\" && context.address.isInRange(ip(\"fe80::/10\"))", "`link_local`"),
        ("context.network == \"metadata\" && context.address.isInRange(ip(\"8.8.8.0/24\"))", "`public`"),
        (
            "[\"private\", \"loopback\"].contains(context.network) && context.address.isInRange(ip(\"8.8.0.0/16\"))",
            "`public`",
        ),
        ("context.network != \"private\" && context.address.isInRange(ip(\"172.16.0.0/12\"))", "`private`"),
        ("context.network == \"link_local\" && context.address == ip(\"169.254.169.254\")", "`metadata`"),
        ("resource == net::Host::\"127.0.0.1\" && context.network == \"public\"", "`loopback`"),
        ("resource.name == \"127.0.0.1\" && context.network == \"public\"", "`loopback`"),
    ] {
        impossible(CONNECT, condition, "at once", help);
    }
    for condition in [
        "context.network == \"private\" && context.address.isInRange(ip(\"10.0.0.0/8\"))",
        "context.network == \"metadata\" && context.address.isInRange(ip(\"169.254.0.0/16\"))",
        "context.network == \"public\" && !context.address.isInRange(ip(\"8.8.8.0/24\"))",
        "context.network == \"public\" && context.address.isIpv6()",
        "context.network == \"private\" && context.address.isInRange(ip(\"2002::/16\"))",
        "context.network == \"loopback\" && context.address.isLoopback()",
        "context.network == \"reserved\" && context.address.isInRange(ip(\"4000::/3\"))",
    ] {
        nothing(CONNECT, condition);
    }
}

/// Returns the severity and the message of each finding.
fn told(text: &str) -> Vec<(Severity, String)> {
    let mut all: Vec<_> = found(text)
        .1
        .into_iter()
        .filter(|one| one.code == Some("REX014"))
        .map(|one| (one.severity, one.message))
        .collect();
    all.sort();
    all
}

/// An alternative that the rest of the policy rules out is reported, and the others stay.
#[test]
fn an_alternative_that_never_applies_is_a_warning() {
    for (action, head, condition, message) in [
        (
            READ,
            "resource",
            "resource.name == \"a\" && (resource.name == \"b\" || resource.path like \"/x/*\")",
            "`resource.name == \"b\"`",
        ),
        (
            READ,
            "resource",
            "resource.name == \"a\" && (resource.extension == \"log\" || resource.path like \"/x/*\")",
            "`resource.extension == \"log\"`",
        ),
        (
            READ,
            "resource in fs::Path::\"/srv\"",
            "resource.path like \"/etc/*\" || resource.name == \"x\"",
            "`resource.path like \"/etc/*\"`",
        ),
        (
            READ,
            "resource == fs::Path::\"/srv/a.log\"",
            "resource.extension == \"key\" || context.tags.contains(\"a=1\")",
            "`resource.extension == \"key\"`",
        ),
        (
            READ,
            "resource",
            "action == fs::Action::\"write\" || resource.name == \"x\"",
            "`action == fs::Action::\"write\"`",
        ),
        (READ, "resource", "resource is net::Url || resource.name == \"x\"", "`resource is net::Url`"),
        (
            CONNECT,
            "resource",
            "context.network == \"public\" && (context.address.isLoopback() || context.port == 1)",
            "",
        ),
        (
            GET,
            "resource in net::Url::\"https://a.example/\"",
            "resource.host == \"b.example\" || resource.path == \"/x\"",
            "`resource.host == \"b.example\"`",
        ),
        (
            READ,
            "resource",
            "if resource.name == \"a\" then resource.extension == \"log\" else context.tags.contains(\"a=1\")",
            "`resource.extension == \"log\"`",
        ),
    ] {
        for effect in ["forbid", "permit"] {
            let text = format!("{effect} (principal, action == {action}, {head}) when {{ {condition} }};");
            let told = told(&text);
            assert!(!found(&text).0, "{text} {told:?}");
            assert!(
                matches!(&told[..], [(Severity::Warning, said)] if said.contains(message) && said.contains("never true with what else")),
                "{text}\n{told:#?}"
            );
        }
    }
    // If all are ruled out, nothing is left.
    for effect in ["forbid", "permit"] {
        let text = format!(
            "{effect} (principal, action == {READ}, resource in fs::Path::\"/srv\") when {{ resource.path like \"/etc/*\" || resource.path == \"/x\" }};"
        );
        assert_eq!(found(&text).0, effect == "forbid", "{text}");
    }
}

#[test]
fn what_is_left_out_and_could_not_be_there_is_a_warning() {
    for (head, unless) in [
        ("resource in fs::Path::\"/srv\"", "resource.path like \"/etc/*\""),
        ("resource in fs::Path::\"/srv\"", "resource in fs::Path::\"/etc\" || resource.name == \"x\""),
        ("resource == fs::Path::\"/srv/a.log\"", "resource.extension == \"key\""),
        ("resource in fs::Path::\"/srv\"", "resource.path like \"/etc/*\" && context.tags.contains(\"a=1\")"),
        ("resource is fs::Path", "action == fs::Action::\"write\" || resource.name == \"x\""),
    ] {
        for effect in ["forbid", "permit"] {
            let text = format!("{effect} (principal, action == {READ}, {head}) unless {{ {unless} }};");
            let told = told(&text);
            assert!(!found(&text).0, "{text} {told:?}");
            assert!(
                matches!(&told[..], [(Severity::Warning, said)] if said.contains("leaves out nothing")),
                "{text}\n{told:#?}"
            );
        }
    }
    // One of the alternatives contradicts itself.
    let text = format!(
        "permit (principal, action == {READ}, resource) unless {{ (resource.name == \"a\" && resource.name == \"b\") || resource.name == \"c\" }};"
    );
    let told = told(&text);
    assert!(
        matches!(&told[..], [(Severity::Error, said)] if said.contains("nothing is all of this at once")),
        "{told:#?}"
    );
    for unless in [
        "resource.path like \"/srv/keys/*\" || resource.extension == \"key\"",
        "resource in fs::Path::\"/srv/keys\"",
        "[\"key\", \"p12\", \"pem\", \"pfx\"].contains(resource.extension) || resource.path like \"*/.ssh/*\" || resource.name like \"id_*\"",
        "context.tags.contains(\"a=1\") && resource.name == \"x\"",
    ] {
        let text =
            format!("permit (principal, action == {READ}, resource in fs::Path::\"/srv\") unless {{ {unless} }};");
        assert!(found(&text).1.is_empty(), "{text}\n{:#?}", found(&text).1);
    }
}

mod universe {
    //! A condition that is reported to match nothing allows nobody, whatever the request.

    use proptest::prelude::*;
    use rex_core::action::{AnyAction, fs, net};
    use rex_core::net::{RemoteHost, Url};
    use rex_core::resource::AnyResource;
    use rex_core::{Authorize, Effect, Principal, Request, Subject};
    use rex_policy::Policy;

    use crate::impossible::{GET, READ, found};
    use crate::support::{NOON, compile_any, path};

    type Asked = (Subject, Box<dyn AnyAction>, Box<dyn AnyResource>);

    /// A kind of request: the action, heads, parts of conditions, and all possible requests.
    struct Kind {
        action: &'static str,
        heads: &'static [&'static str],
        atoms: &'static [&'static str],
        all: fn() -> Vec<Asked>,
    }

    fn subjects() -> Vec<Subject> {
        let tags: [&[&str]; 4] = [&[], &["a=1"], &["b=1"], &["a=1", "b=1"]];
        let with = |tags: &[&str]| Subject {
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            ..Subject::new(Principal::agent("a"))
        };
        let mut all: Vec<_> = tags.into_iter().map(with).collect();
        all.push(Subject::new(Principal::user("a")));
        all
    }

    fn files() -> Vec<Asked> {
        let names = ["a", "b", "a.log", "b.log", ".log", "log", "a.key", "x.b.log"];
        let above = ["", "/srv", "/srv/a", "/srv/b.log", "/etc"];
        let mut paths: Vec<String> =
            above.iter().flat_map(|above| names.iter().map(move |name| format!("{above}/{name}"))).collect();
        paths.extend(["/", "/srv", "/etc"].map(str::to_owned));
        let asked = |subject: &Subject, path: &str| -> Asked {
            (subject.clone(), Box::new(fs::Read {}), Box::new(self::path(path)))
        };
        subjects()
            .iter()
            .flat_map(|subject| paths.iter().map(|path| asked(subject, path)).collect::<Vec<_>>())
            .collect()
    }

    fn urls() -> Vec<Asked> {
        let mut all = Vec::new();
        for server in
            ["http://a.example", "https://a.example", "https://a.example:8443", "https://b.example", "http://10.0.0.1"]
        {
            for rest in
                ["/", "/x", "/x/", "/x/y", "/x?q=1", "/x/y?q=1", "/y/x", "/?q=/x/y", "/y?x=https://a.example/x/"]
            {
                let url = Url::parse(&format!("{server}{rest}")).unwrap();
                let subject = Subject::new(Principal::agent("a"));
                all.push((subject, Box::new(net::Get {}) as _, Box::new(url) as _));
            }
        }
        all
    }

    fn connections() -> Vec<Asked> {
        let mut all = Vec::new();
        for address in [
            "10.0.0.1",
            "10.1.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "169.254.1.1",
            "8.8.8.8",
            "224.0.0.1",
            "192.0.2.1",
            "::1",
            "fe80::1",
            "fd00::1",
            "2002:a00:1::",
            "2606::1",
            "ff02::1",
            "64:ff9b::a00:1",
            "100.64.0.1",
            "0.0.0.0",
            "240.0.0.1",
            "4000::1",
        ] {
            let address = address.parse().unwrap();
            for host in ["example.com", "www.example.com", RemoteHost::at(address).name()] {
                for port in [80, 443] {
                    let host = RemoteHost::parse(host).unwrap();
                    let subject = Subject::new(Principal::agent("a"));
                    all.push((subject, Box::new(net::Connect::to(address, port)) as _, Box::new(host) as _));
                }
            }
        }
        all
    }

    const KINDS: [Kind; 3] = [
        Kind {
            action: READ,
            heads: &[
                "resource",
                "resource in fs::Path::\"/srv\"",
                "resource in fs::Path::\"/srv/a\"",
                "resource in fs::Path::\"/\"",
                "resource == fs::Path::\"/srv/a.log\"",
                "resource is fs::Path in fs::Path::\"/srv/b.log\"",
            ],
            atoms: &[
                "resource.name == \"a.log\"",
                "resource.name == \"\"",
                "[\"a\", \"b\"].contains(resource.name)",
                "resource.name like \"*.log\"",
                "resource.name like \"a*\"",
                "resource.extension == \"log\"",
                "resource.extension == \"\"",
                "resource.path like \"/srv/*\"",
                "resource.path like \"*/a\"",
                "resource.path like \"/srv/a*\"",
                "resource.path == \"/srv/a\"",
                "resource.path like \"*\"",
                "resource in fs::Path::\"/srv\"",
                "resource in fs::Path::\"/srv/a\"",
                "resource in [fs::Path::\"/etc\", fs::Path::\"/srv/a\"]",
                "resource == fs::Path::\"/srv/a\"",
                "resource == fs::Path::\"/\"",
                "resource is fs::Path in fs::Path::\"/etc\"",
                "context.tags.contains(\"a=1\")",
                "context.tags.containsAny([\"a=1\", \"b=1\"])",
                "context.tags.containsAll([\"a=1\", \"b=1\"])",
                "context.tags.isEmpty()",
                "principal is Agent",
                "principal == Agent::\"a\"",
                "principal in Agent::\"a\"",
                "resource.name == resource.extension",
                "resource.name != resource.extension",
                "context.now < datetime(\"2030-01-01\")",
                "(if resource.name == \"a\" then resource.path like \"/srv/*\" else false)",
                "(if resource.name == \"a\" then true else resource.extension == \"log\")",
                "action == fs::Action::\"read\"",
                "action in [fs::Action::\"read\", fs::Action::\"list\"]",
            ],
            all: files,
        },
        Kind {
            action: GET,
            heads: &[
                "resource",
                "resource in net::Url::\"https://a.example/\"",
                "resource in net::Url::\"https://a.example/x\"",
                "resource in net::Url::\"https://a.example/x/\"",
                "resource in net::Url::\"https://a.example/x?q=1\"",
                "resource == net::Url::\"https://a.example/x/y\"",
            ],
            atoms: &[
                "resource.scheme == \"http\"",
                "resource.scheme == \"https\"",
                "resource.host == \"a.example\"",
                "resource.host like \"*.example\"",
                "resource.port == 443",
                "resource.port > 443",
                "resource.path == \"/x\"",
                "resource.path like \"/x/*\"",
                "resource.path like \"*/y\"",
                "resource.path like \"*x*\"",
                "resource.query == \"\"",
                "resource.query like \"q=*\"",
                "resource.url like \"https://a.example/*\"",
                "resource.url like \"*?q=*\"",
                "resource.url == \"https://a.example/x\"",
                "resource in net::Url::\"https://a.example/\"",
                "resource in net::Url::\"https://a.example/x/\"",
                "resource in net::Url::\"https://a.example/x\"",
                "resource == net::Url::\"https://a.example/x/y\"",
            ],
            all: urls,
        },
        Kind {
            action: "net::Action::\"connect\"",
            heads: &[
                "resource",
                "resource in net::Host::\"example.com\"",
                "resource in net::Host::\"10.0.0.1\"",
                "resource == net::Host::\"127.0.0.1\"",
            ],
            atoms: &[
                "context.network == \"public\"",
                "context.network == \"private\"",
                "[\"loopback\", \"link_local\"].contains(context.network)",
                "context.network == \"metadata\"",
                "context.address.isLoopback()",
                "context.address.isIpv4()",
                "context.address.isMulticast()",
                "context.address.isInRange(ip(\"10.0.0.0/8\"))",
                "context.address.isInRange(ip(\"2000::/3\"))",
                "context.address.isInRange(ip(\"169.254.0.0/16\"))",
                "context.address == ip(\"10.0.0.1\")",
                "context.port < 100",
                "resource.name == \"10.0.0.1\"",
                "resource.name like \"*.com\"",
                "resource in net::Host::\"com\"",
                "resource == net::Host::\"example.com\"",
            ],
            all: connections,
        },
    ];

    fn allowed(policy: &Policy, all: &[Asked]) -> Vec<bool> {
        let decide = |(subject, action, resource): &Asked| {
            let request = Request { subject, action: &**action, resource: &**resource, now: NOON };
            policy.decide(&request).effect == Effect::Allow
        };
        all.iter().map(decide).collect()
    }

    fn permit(kind: &Kind, head: usize, conditions: &str) -> String {
        let head = kind.heads[head % kind.heads.len()];
        format!("permit (principal, action == {}, {head}) {conditions};", kind.action)
    }

    fn told(text: &str) -> Vec<String> {
        let findings = found(text).1.into_iter().filter(|one| one.code == Some("REX014"));
        findings.map(|one| one.message).collect()
    }

    /// Asserts that the findings are right, and returns whether there are any.
    fn holds(kind: &Kind, head: usize, parts: &[(usize, bool)]) -> bool {
        let all = (kind.all)();
        let written: Vec<String> = parts
            .iter()
            .map(|(atom, holds)| {
                let atom = kind.atoms[atom % kind.atoms.len()];
                if *holds { atom.to_owned() } else { format!("!({atom})") }
            })
            .collect();
        let decide = |conditions: &str| {
            let text = permit(kind, head, conditions);
            // The validator refuses conditions that it finds impossible.
            compile_any(&text).ok().map(|policy| allowed(&policy, &all))
        };
        let none = |allowed: &Option<Vec<bool>>| allowed.as_ref().is_none_or(|all| !all.contains(&true));
        // For all parts at once, one finding is enough.
        let text = permit(kind, head, &format!("when {{ {} }}", written.join(" && ")));
        let said = told(&text);
        let never = |said: &&String| !said.ends_with("is always true") && !said.contains("never true with what else");
        let mut found = false;
        if said.iter().any(|said| never(&said)) {
            found = true;
            assert!(none(&decide(&format!("when {{ {} }}", written.join(" && ")))), "{text}\n{said:?}");
        }
        let (first, rest) = written.split_first().unwrap();
        // An `if` has its own alternatives.
        if !rest.is_empty() && written.iter().all(|part| !part.contains("(if ")) {
            // Each reported alternative never applies.
            let text = permit(kind, head, &format!("when {{ {first} && ({}) }}", rest.join(" || ")));
            let said: Vec<_> = told(&text)
                .into_iter()
                .filter(|said| said.contains("true with what else") && !said.contains("none of"))
                .collect();
            let idle = rest.iter().filter(|part| none(&decide(&format!("when {{ {first} && {part} }}")))).count();
            found |= !said.is_empty();
            let left_out = said.iter().filter(|said| said.contains("leaves out")).count();
            assert!(said.len() - left_out <= idle, "{text}\n{said:?}");
            if said.len() == rest.len() && left_out == 0 {
                assert!(none(&decide(&format!("when {{ {first} && ({}) }}", rest.join(" || ")))), "{text}\n{said:?}");
            }
            // An exception that leaves out nothing changes nothing.
            let text = permit(kind, head, &format!("when {{ {first} }} unless {{ {} }}", rest.join(" && ")));
            let said = told(&text);
            if said.iter().any(|said| said.contains("leaves out nothing")) && matches!(parts, [(_, true), (_, true)]) {
                found = true;
                let (with, without) = (
                    decide(&format!("when {{ {first} }} unless {{ {} }}", rest.join(" && "))),
                    decide(&format!("when {{ {first} }}")),
                );
                assert!(with == without || with.is_none(), "{text}\n{said:?}");
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
        #[test]
        fn what_is_told_never_to_apply_never_does(
            kind in 0..3_usize,
            head in 0..6_usize,
            parts in prop::collection::vec((0..40_usize, prop::bool::weighted(0.7)), 1..5),
        ) {
            holds(&KINDS[kind], head, &parts);
        }
    }

    /// Checks each pair of parts, and that enough is found.
    #[test]
    fn pairs_of_parts_are_told_where_they_never_apply() {
        for (kind, least) in KINDS.iter().zip([150, 60, 40]) {
            let mut found = 0;
            for (one, other) in (0..kind.atoms.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
                found += usize::from(holds(kind, one + other, &[(one, (one + other) % 4 != 0), (other, true)]));
            }
            assert!(found >= least, "{}: {found}", kind.action);
        }
    }
}

/// Other conditions that are never true, or always.
#[test]
fn truth_values_words_and_arguments_are_held_against_each_other() {
    for (action, condition) in [
        (READ, "(resource.name == \"a\") == true && resource.name == \"b\""),
        (READ, "(resource.name like \"a*\") != true && resource.name == \"ab\""),
        (READ, "context.tags.contains(\"a=1\") == false && context.tags.contains(\"a=1\")"),
        (GET, "resource.scheme != \"http\" && resource.scheme != \"https\""),
        (GET, "!(resource.scheme like \"http*\")"),
        (GET, "![\"http\", \"https\"].contains(resource.scheme)"),
        (GET, "!(resource.path like \"/*\")"),
        (GET, "resource.url like \"https://a.example:8443/*\" && resource.port == 443"),
        (GET, "resource.url like \"https://a.example/*\" && resource.port == 8443"),
        (READ, "!(resource.path like \"/*\")"),
        (READ, "!(resource in fs::Path::\"/\")"),
        (READ, "[\"a\"].contains(\"b\")"),
        (READ, "\"a\" like \"b*\""),
        (READ, "!(resource in resource)"),
        (READ, "principal in Agent::\"b\" && principal == Agent::\"a\""),
        (STOP, "resource in service::Unit::\"a.service\" && resource.kind == \"timer\""),
        (RUN, "context.stdin != true && context.stdin != false"),
        (RUN, "context.arguments like \"-u *\" && context.arg1 == \"-g\""),
        (RUN, "context.arguments like \"-u*\" && context.count == 0"),
        (RUN, "context.arguments like \"-u -g *\" && context.count < 3"),
        (RUN, "context.arguments != \"\" && context.count == 0"),
        (RUN, "context.arg2 == \"x\" && context.count == 1"),
    ] {
        impossible(action, condition, "", "");
        let unless = format!("forbid (principal, action == {action}, resource) unless {{ {condition} }};");
        assert!(
            found(&unless).1.iter().any(|one| one.code == Some("REX014"))
                || condition.contains("&&")
                || condition.starts_with('!'),
            "{unless}"
        );
    }
    for (action, condition) in [
        (READ, "(resource.name == \"a\") == true"),
        (READ, "(resource.name == \"a\") == (resource.extension == \"log\")"),
        (READ, "context.tags.contains(\"a=1\") == false && context.tags.contains(\"b=1\")"),
        (GET, "resource.scheme != \"http\""),
        (GET, "resource.path like \"/*\" && resource.scheme like \"http*\""),
        (GET, "resource.url like \"https://a.example:8443/*\" && resource.port == 8443"),
        (GET, "resource.url like \"https://a.example*\" && resource.port == 8443"),
        (READ, "resource in fs::Path::\"/\""),
        (READ, "principal in Agent::\"b\" || principal == Agent::\"a\""),
        (RUN, "context.stdin == true || context.stdin == false && context.count == 1"),
        (RUN, "context.arguments like \"-u *\" && context.arg1 == \"-u\" && context.count == 2"),
        (RUN, "context.arguments like \"'a b' *\" && context.arg1 == \"a b\""),
        (RUN, "context.arguments like \"-u*\" && context.arg1 == \"-ug\" && context.count == 1"),
        (RUN, "context.arguments like \"*\" && context.count == 0"),
    ] {
        let text = format!("permit (principal, action == {action}, resource) when {{ {condition} }};");
        let told: Vec<_> = found(&text).1.into_iter().filter(|one| one.code == Some("REX014")).collect();
        assert!(told.is_empty(), "{text}\n{told:#?}");
    }
}
