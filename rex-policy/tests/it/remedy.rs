//! The smallest permit: for every action of the table, it allows the very request that was denied, and no neighbour of it.

use std::collections::BTreeMap;

use rex_core::asked::Written;
use rex_core::{ACTIONS, ActionSpec, Asked, Authorize, Effect, FactKind, Principal, Subject, Value};
use rex_policy::Policy;

use crate::support::{NOON, compile, try_compile};

/// Policies under which all of the requests below are denied, some of them nearly not.
const WORLD: &str = r#"@id("others") permit (principal == Agent::"other", action, resource);
@id("logs") permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"/srv")
when { context.tags.contains("ticket=7") } unless { resource.extension == "key" };
@id("agent-a-fs-read") permit (principal, action == fs::Action::"read", resource == fs::Path::"/nowhere");
@id("no-etc") forbid (principal, action in fs::Action::"Mutating", resource in fs::Path::"/etc");
@id("nginx") permit (principal, action == service::Action::"restart", resource == service::Unit::"nginx.service")
when { context.script == "abc" };"#;

/// Ids of resources of a type, each a neighbour of the first.
fn ids(spec: &ActionSpec) -> &'static [&'static str] {
    match &*spec.resource.to_string() {
        "fs::Path" => &["/srv/app/a \"b\"*.log", "/srv/app", "/srv/app/a \"b\"*.log/c", "/srv/app/a", "/srv/app/a.key"],
        "process::Program" => &["/usr/bin/tool", "/usr/bin", "/usr/bin/tool2"],
        "process::Process" => &["4242", "4243"],
        "service::Unit" => &["nginx.service", "nginx.socket", "nginx@x.service"],
        "service::Manager" => &["default"],
        "sys::Host" => &["local"],
        "sys::Parameter" => &["kernel.hostname", "kernel.domainname"],
        "sys::Variable" => &["PATH", "path"],
        "net::Host" => &["app.example.com", "example.com", "x.app.example.com"],
        "net::Url" => {
            &["https://example.com/v1", "https://example.com/v1?x", "https://example.com/v1/y", "http://example.com/v1"]
        }
        other => panic!("what is the id of a `{other}`?"),
    }
}

fn facts(spec: &ActionSpec) -> BTreeMap<String, Value> {
    let value = |kind| match kind {
        FactKind::Long => Value::Int(7),
        FactKind::Bool => Value::Bool(true),
        FactKind::String => Value::Text("a \"b\" \\ '*'\n\té".to_owned()),
        FactKind::Ip => Value::Text("192.0.2.1".to_owned()),
    };
    spec.context.iter().map(|fact| (fact.name.to_owned(), value(fact.kind))).collect()
}

fn other(value: &Value) -> Value {
    match value {
        Value::Int(value) => Value::Int(value + 1),
        Value::Bool(value) => Value::Bool(!value),
        Value::Text(text) if text.starts_with("192") => Value::Text("192.0.2.2".to_owned()),
        other => Value::Text(format!("{other:?}")),
    }
}

fn asked(principal: &Principal, spec: &ActionSpec, id: &str, context: BTreeMap<String, Value>) -> Asked {
    let written = Written { action: &spec.to_string(), resource: id, context, ..Written::default() };
    Asked::new(ACTIONS, &written, Subject::new(principal.clone()), NOON).unwrap()
}

/// A text with a unified diff applied.
fn applied(old: &str, diff: &str) -> String {
    let mut old = old.split_inclusive('\n');
    let (mut new, mut at) = (String::new(), 1);
    for line in diff.split_inclusive('\n').skip(2) {
        if let Some(hunk) = line.strip_prefix("@@ -") {
            let start: usize = hunk.split([',', ' ']).next().unwrap().parse().unwrap();
            while at < start {
                new += old.next().unwrap();
                at += 1;
            }
        } else if let Some(added) = line.strip_prefix('+') {
            new += added;
        } else if let Some(same) = line.strip_prefix(' ') {
            assert_eq!(old.next(), Some(same));
            new += same;
            at += 1;
        } else if line.starts_with('-') {
            // A last line without its end is replaced by one that has it.
            old.next();
            at += 1;
        } else {
            assert!(line.starts_with('\\'), "{diff}");
        }
    }
    new + &old.collect::<String>()
}

fn effect(policy: &Policy, asked: &Asked) -> Effect {
    let decision = policy.decide(&asked.request());
    assert_eq!(decision, policy.decide_fully(&asked.request()));
    decision.effect
}

/// What differs from a request in one thing.
fn neighbours(principal: &Principal, spec: &'static ActionSpec, id: &str) -> Vec<Asked> {
    let principals = [Principal::agent("a"), Principal::user("a"), Principal::agent("b"), Principal::user("b")];
    let mut all: Vec<_> = principals
        .iter()
        .filter(|other| *other != principal)
        .map(|other| asked(other, spec, id, facts(spec)))
        .collect();
    let actions = ACTIONS.iter().filter(|other| **other != spec && other.resource == spec.resource);
    all.extend(actions.map(|other| asked(principal, other, id, facts(other))));
    all.extend(ids(spec).iter().filter(|other| **other != id).map(|other| asked(principal, spec, other, facts(spec))));
    // Those are said by the fact that holds all of the arguments.
    let said = |name: &str| spec.name == "run" && (name == "count" || name.starts_with("arg") && name != "arguments");
    for name in facts(spec).into_keys().filter(|name| !said(name)) {
        let mut changed = facts(spec);
        changed.entry(name).and_modify(|value| *value = other(value));
        all.push(asked(principal, spec, id, changed));
    }
    all
}

#[test]
fn the_smallest_permit_allows_the_request_and_no_neighbour() {
    let policy = compile(WORLD);
    let (mut denials, mut refused) = (0, 0);
    for spec in ACTIONS {
        for (id, principal) in ids(spec)
            .iter()
            .take(3)
            .flat_map(|id| [Principal::agent("a"), Principal::user("a")].map(|principal| (*id, principal)))
        {
            let request = asked(&principal, spec, id, facts(spec));
            assert_eq!(effect(&policy, &request), Effect::Deny);
            let patch = policy.patch(&request.request()).unwrap();
            let new = applied(WORLD, &patch.diff);
            assert_eq!(new, format!("{WORLD}{}", patch.added));
            let remedy = policy.remedy(&request.request(), &policy.decide(&request.request())).unwrap();
            for text in [&new, &format!("{WORLD}\n{remedy}")] {
                let changed = try_compile(text, None).unwrap_or_else(|rejected| panic!("{text}\n{rejected}"));
                let decision = changed.decide(&request.request());
                assert_eq!(decision.effect, Effect::Allow, "{text}");
                assert!(text != &new || *decision.policies == [patch.id.as_str().into()]);
                for neighbour in neighbours(&principal, spec, id) {
                    assert_eq!(effect(&changed, &neighbour), Effect::Deny, "{text}\n{neighbour:?}");
                    refused += 1;
                }
            }
            denials += 1;
        }
    }
    assert!(denials >= 200 && refused >= 2_000, "{denials} denials, {refused} neighbours");
}

#[test]
fn fewer_bytes_are_let_go_too() {
    let policy = compile(WORLD);
    let spec = ACTIONS.iter().find(|spec| spec.to_string() == "fs::write").unwrap();
    let write = |bytes| {
        asked(&Principal::agent("a"), spec, "/srv/x", BTreeMap::from([("bytes".to_owned(), Value::Int(bytes))]))
    };
    let changed = compile(&(WORLD.to_owned() + &policy.patch(&write(7).request()).unwrap().added));
    assert_eq!([6, 7, 8].map(|bytes| effect(&changed, &write(bytes))), [Effect::Allow, Effect::Allow, Effect::Deny]);
}

#[test]
fn where_a_forbid_denies_no_permit_helps() {
    let policy = compile(WORLD);
    let spec = ACTIONS.iter().find(|spec| spec.to_string() == "fs::remove").unwrap();
    let request = asked(&Principal::agent("other"), spec, "/etc/hosts", BTreeMap::new());
    assert_eq!(policy.patch(&request.request()), None);
    let trace = policy.trace(&request.request());
    let names = |traced: &[rex_policy::Traced]| traced.iter().map(|traced| traced.id.to_string()).collect::<Vec<_>>();
    assert_eq!((names(&trace.deciding), names(&trace.near)), (vec!["no-etc".to_owned()], vec!["others".to_owned()]));
    assert!(trace.remedy.unwrap().contains("`no-etc` forbids this"));
}

/// What came near is told, and which part of its condition it was.
#[test]
fn what_came_near_is_told() {
    let policy = compile(WORLD);
    let read = ACTIONS.iter().find(|spec| spec.to_string() == "fs::read").unwrap();
    let request = asked(&Principal::agent("a"), read, "/srv/tls.key", BTreeMap::new());
    let trace = policy.trace(&request.request());
    assert!(trace.deciding.is_empty());
    let near: Vec<_> = trace.near.iter().map(|near| (&*near.id, near.line, near.misses.clone())).collect();
    assert_eq!(near, [("logs", 2, vec![]), ("others", 1, vec!["principal"]), ("agent-a-fs-read", 4, vec!["resource"])]);
    let parts = |parts: &[rex_policy::Part]| -> Vec<_> {
        parts.iter().map(|part| (part.text.clone(), part.holds.clone(), part.decided)).collect()
    };
    assert_eq!(
        parts(&trace.near[0].conjuncts),
        [
            ("context.tags.contains(\"ticket=7\")".to_owned(), Ok(false), false),
            ("unless { resource.extension == \"key\" }".to_owned(), Ok(false), false)
        ]
    );
    assert_eq!(
        parts(&trace.near[0].clauses),
        [
            ("context.tags.contains(\"ticket=7\")".to_owned(), Ok(false), false),
            ("resource.extension == \"key\"".to_owned(), Ok(true), false)
        ]
    );
    expect_test::expect![[r#"
        // `logs` would permit it, but for `context.tags.contains("ticket=7")` and `unless { resource.extension == "key" }`
        permit (
          principal == Agent::"a",
          action == fs::Action::"read",
          resource == fs::Path::"/srv/tls.key"
        );"#]]
    .assert_eq(&trace.remedy.unwrap());
}
