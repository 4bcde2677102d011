//! The smallest permit: for every action of the table, it allows exactly the denied request, and no neighbor of it.

use std::collections::BTreeMap;

use rex_core::request::RequestSpec;
use rex_core::{ACTIONS, ActionSpec, Attribute, Authorize, Effect, FactKind, Principal, RequestBuf, Subject, Value};
use rex_policy::Policy;

use crate::support::{NOON, compile, try_compile};

/// Policies that deny all requests below, some of them narrowly.
const WORLD: &str = r#"@id("others") permit (principal == Agent::"other", action, resource);
@id("logs") permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"/srv")
when { context.tags.contains("ticket=7") } unless { resource.extension == "key" };
@id("agent-a-fs-read") permit (principal, action == fs::Action::"read", resource == fs::Path::"/nowhere");
@id("no-etc") forbid (principal, action in fs::Action::"Mutating", resource in fs::Path::"/etc");
@id("nginx") permit (principal, action == service::Action::"restart", resource == service::Unit::"nginx.service")
when { context.script == "abc" };"#;

/// Returns ids of resources of a type, each a neighbor of the first.
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
    // The first text that such a fact can have, since lints report others as never true.
    let texts =
        ["a \"b\" \\ '*'\n\té", "user.a \"b\" '*'", "TERM", "public", "TXT", "192.0.2.1:53", "/srv/a b", "a", ""];
    let value = |fact: &Attribute| match fact.kind {
        FactKind::Long => Value::Int(7),
        FactKind::Bool => Value::Bool(true),
        FactKind::String => Value::Text(texts.iter().find(|text| fact.values.has(text)).expect(fact.name).to_string()),
        FactKind::Ip => Value::Text("192.0.2.1".to_owned()),
    };
    spec.context.iter().map(|fact| (fact.name.to_owned(), value(fact))).collect()
}

fn other(value: &Value) -> Value {
    match value {
        Value::Int(value) => Value::Int(value + 1),
        Value::Bool(value) => Value::Bool(!value),
        Value::Text(text) if text.starts_with("192") => Value::Text("192.0.2.2".to_owned()),
        other => Value::Text(format!("{other:?}")),
    }
}

fn asked(principal: &Principal, spec: &ActionSpec, id: &str, context: BTreeMap<String, Value>) -> RequestBuf {
    let written = RequestSpec { action: &spec.to_string(), resource: id, context, ..RequestSpec::default() };
    RequestBuf::new(ACTIONS, &written, Subject::new(principal.clone()), NOON).unwrap()
}

/// Returns a text with a unified diff applied.
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
            // A last line without a line end is replaced by one that has it.
            old.next();
            at += 1;
        } else {
            assert!(line.starts_with('\\'), "{diff}");
        }
    }
    new + &old.collect::<String>()
}

fn effect(policy: &Policy, asked: &RequestBuf) -> Effect {
    let decision = policy.decide(&asked.request());
    assert_eq!(decision, policy.decide_fully(&asked.request()));
    decision.effect
}

/// Returns requests that differ in one detail.
fn neighbours(principal: &Principal, spec: &'static ActionSpec, id: &str) -> Vec<RequestBuf> {
    let principals = [Principal::agent("a"), Principal::user("a"), Principal::agent("b"), Principal::user("b")];
    let mut all: Vec<_> = principals
        .iter()
        .filter(|other| *other != principal)
        .map(|other| asked(other, spec, id, facts(spec)))
        .collect();
    let actions = ACTIONS.iter().filter(|other| **other != spec && other.resource == spec.resource);
    all.extend(actions.map(|other| asked(principal, other, id, facts(other))));
    // The number of a process says nothing about it.
    let others = ids(spec).iter().filter(|other| **other != id && spec.resource.name != "Process");
    all.extend(others.map(|other| asked(principal, spec, other, facts(spec))));
    // `arguments` implies the others; the number of bytes and the address of a name change each time.
    let said = |name: &str| {
        let argument = name == "count" || name.starts_with("arg") && name != "arguments";
        (spec.name == "run" && argument) || name == "bytes" || name == "address"
    };
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
                assert!(text != &new || *decision.policies == [patch.ids[0].as_str().into()]);
                let findings = changed.lints(&rex_policy::LintLevels::default());
                let ours = |finding: &&rex_policy::Finding| finding.policy.as_deref() == Some(patch.ids[0].as_str());
                assert_eq!(findings.iter().find(ours).map(ToString::to_string), None, "{text}");
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
fn how_many_bytes_are_moved_is_not_asked_for() {
    let policy = compile(WORLD);
    let spec = ACTIONS.iter().find(|spec| spec.to_string() == "fs::write").unwrap();
    let write = |bytes| {
        asked(&Principal::agent("a"), spec, "/srv/x", BTreeMap::from([("bytes".to_owned(), Value::Int(bytes))]))
    };
    let patch = policy.patch(&write(7).request()).unwrap();
    let changed = compile(&(WORLD.to_owned() + &patch.added));
    assert_eq!([6, 7, 800].map(|bytes| effect(&changed, &write(bytes))), [Effect::Allow; 3]);
    assert_eq!(patch.beyond, ["any number of `bytes`", "any time, any script and any tags"]);
}

fn process(name: &str, exe: &str, user: &str) -> BTreeMap<String, Value> {
    [("name", name), ("exe", exe), ("user", user), ("unit", "nginx.service")]
        .map(|(name, text)| (name.to_owned(), text.into()))
        .into()
}

#[test]
fn a_process_is_named_by_what_it_is_and_never_by_its_number() {
    let policy = compile(WORLD);
    let asked = |id, attributes| {
        let context = BTreeMap::from([("signal".to_owned(), "TERM".into())]);
        let written = RequestSpec { action: "process::signal", resource: id, attributes, context };
        RequestBuf::new(ACTIONS, &written, Subject::new(Principal::agent("a")), NOON).unwrap()
    };
    let nginx = asked("4242", process("nginx", "/usr/sbin/nginx", "www-data"));
    let patch = policy.patch(&nginx.request()).unwrap();
    assert!(
        !patch.added.contains("4242") && patch.added.contains("resource.exe == \"/usr/sbin/nginx\""),
        "{}",
        patch.added
    );
    let changed = compile(&(WORLD.to_owned() + &patch.added));
    assert_eq!(effect(&changed, &asked("7", process("worker", "/usr/sbin/nginx", "www-data"))), Effect::Allow);
    assert_eq!(effect(&changed, &asked("4242", process("nginx", "/usr/sbin/nginx", "root"))), Effect::Deny);
    assert_eq!(effect(&changed, &asked("4242", process("nginx", "/tmp/nginx", "www-data"))), Effect::Deny);
    // A process that is not fully known is left to other permits.
    let named = r#"permit (principal, action == process::Action::"signal", resource) when { resource.name == "x" };"#;
    let both = compile(&format!("{WORLD}{named}{}", patch.added));
    let name = |name: &str| BTreeMap::from([("name".to_owned(), name.into())]);
    assert_eq!(["x", "y"].map(|known| effect(&both, &asked("7", name(known)))), [Effect::Allow, Effect::Deny]);
}

#[test]
fn a_slip_in_the_head_of_a_policy_is_told() {
    let told = |text: &str, action: &str, resource: &str| {
        let written = RequestSpec { action, resource, ..RequestSpec::default() };
        let asked = RequestBuf::new(ACTIONS, &written, Subject::new(Principal::user("root")), NOON).unwrap();
        let policy = compile(text);
        let remedy = policy.remedy(&asked.request(), &policy.decide(&asked.request())).unwrap();
        remedy.lines().next().unwrap().to_owned()
    };
    let read = "permit (principal == User::\"root\", action == fs::Action::\"read\", resource";
    for (text, action, line) in [
        (
            r#"@id("x") permit (principal == Agent::"me", action, resource in fs::Path::"/d");"#.to_owned(),
            "fs::read",
            "// `x` would permit it to Agent::\"me\"; this run is for User::\"root\"",
        ),
        (
            r#"@id("x") permit (principal is Agent, action, resource in fs::Path::"/d");"#.to_owned(),
            "fs::read",
            "// `x` would permit it to each Agent; this run is for User::\"root\"",
        ),
        (
            format!(r#"@id("x") {read} == fs::Path::"/d");"#),
            "fs::read",
            "// `x` is about `/d` itself; `resource in` takes what lies below, too",
        ),
        (
            format!(r#"@id("x") {read} == fs::Path::"/d/*.log");"#),
            "fs::read",
            "// `x` names `/d/*.log`: an id has no patterns; write `when { resource.path like .. }`",
        ),
        (
            format!(r#"@id("x") {read} in fs::Path::"/d");"#),
            "fs::list",
            "// `x` permits `fs::read` of it, not `fs::list`",
        ),
        (
            format!(r#"@id("x") {read} in fs::Path::"/d") when {{ context.now < datetime("2020-01-01") }};"#),
            "fs::read",
            "// `x` would permit it, but for `context.now < datetime(\"2020-01-01\")`",
        ),
        (format!(r#"@id("x") {read} in fs::Path::"/elsewhere");"#), "fs::read", "@id(\"root-fs-read-a-log\")"),
        (
            r#"@id("x") permit (principal, action == sys::Action::"inspect", resource);"#.to_owned(),
            "fs::read",
            "@id(\"root-fs-read-a-log\")",
        ),
    ] {
        assert_eq!(told(&text, action, "/d/a.log"), line);
    }
}

#[test]
fn a_program_that_no_run_starts_is_denied_with_the_word_that_lets_it_go() {
    let text = r#"@id("bin") permit (principal == Agent::"a", action == process::Action::"run", resource in process::Program::"/usr/bin");
@id("tmp") permit (principal == Agent::"a", action == process::Action::"run", resource in process::Program::"/srv");
@id("write") permit (principal == Agent::"a", action == fs::Action::"write", resource in fs::Path::"/srv");"#;
    let policy = compile(text);
    let spec = ACTIONS.iter().find(|spec| spec.to_string() == "process::run").unwrap();
    let run = |path, environment: &str| {
        let mut facts = facts(spec);
        facts.insert("environment".to_owned(), environment.into());
        asked(&Principal::agent("a"), spec, path, facts)
    };
    for (path, environment, word) in [
        ("/usr/bin/dash", "", "interpreter"),
        ("/usr/bin/python3.11", "", "interpreter"),
        ("/srv/tool", "", "writable"),
        ("/usr/bin/date", "TZ=UTC", "env:TZ"),
    ] {
        let request = run(path, environment);
        let decision = policy.outcome(&request.request());
        assert_eq!((policy.decide(&request.request()).effect, decision.effect), (Effect::Allow, Effect::Deny));
        assert!(decision.reason.unwrap().starts_with("the program is not started: "));
        let withheld: Vec<_> = policy.trace(&request.request()).withheld.into_iter().map(|one| one.word).collect();
        assert_eq!(withheld, [word]);
        let patch = policy.patch(&request.request()).unwrap();
        assert!(patch.added.contains(&format!("@allow(\"{word}\")")), "{}", patch.added);
        let changed = compile(&format!("{text}{}", patch.added));
        assert_eq!(changed.outcome(&request.request()).effect, Effect::Allow, "{}", patch.added);
    }
    assert_eq!(policy.outcome(&run("/usr/bin/date", "").request()).effect, Effect::Allow);
}

#[test]
fn where_a_forbid_denies_no_permit_helps() {
    let policy = compile(WORLD);
    let spec = ACTIONS.iter().find(|spec| spec.to_string() == "fs::remove").unwrap();
    let request = asked(&Principal::agent("other"), spec, "/etc/hosts", BTreeMap::new());
    assert_eq!(policy.patch(&request.request()), None);
    let trace = policy.trace(&request.request());
    let names =
        |traced: &[rex_policy::PolicyTrace]| traced.iter().map(|traced| traced.id.to_string()).collect::<Vec<_>>();
    assert_eq!((names(&trace.deciding), names(&trace.near)), (vec!["no-etc".to_owned()], vec!["others".to_owned()]));
    assert!(trace.remedy.unwrap().contains("`no-etc` forbids this"));
}

/// Policies that came near are reported, with the parts that failed.
#[test]
fn what_came_near_is_told() {
    let policy = compile(WORLD);
    let read = ACTIONS.iter().find(|spec| spec.to_string() == "fs::read").unwrap();
    let request = asked(&Principal::agent("a"), read, "/srv/tls.key", BTreeMap::new());
    let trace = policy.trace(&request.request());
    assert!(trace.deciding.is_empty());
    let near: Vec<_> = trace.near.iter().map(|near| (&*near.id, near.line, near.misses.clone())).collect();
    assert_eq!(near, [("logs", 2, vec![]), ("others", 1, vec!["principal"]), ("agent-a-fs-read", 4, vec!["resource"])]);
    let parts = |parts: &[rex_policy::ConditionPart]| -> Vec<_> {
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
        // `others` would permit it to Agent::"other"; this run is for Agent::"a"
        @id("a-fs-read-tls-key")
        @reason("needed for fs::read")
        permit (
          principal == Agent::"a",
          action == fs::Action::"read",
          resource == fs::Path::"/srv/tls.key"
        );"#]]
    .assert_eq(&trace.remedy.unwrap());
}

/// In a head, `==` matches only the entity itself, `in` also what is in it; `is` limits both.
#[test]
fn a_head_is_told_to_meet_what_it_meets() {
    let policy = compile(
        r#"
        @id("same") permit (principal == Agent::"a", action == fs::Action::"read", resource == fs::Path::"/opt");
        @id("tree") permit (principal == Agent::"a", action == fs::Action::"read", resource in fs::Path::"/etc");
        @id("group") permit (principal == Agent::"a", action in fs::Action::"ReadOnly", resource is fs::Path in fs::Path::"/srv");
        @id("user") permit (principal is User, action == fs::Action::"read", resource);
        "#,
    );
    for (agent, action, path, met) in [
        ("a", "fs::read", "/opt", "same"),
        ("a", "fs::read", "/opt/x", ""),
        ("a", "fs::read", "/", ""),
        ("a", "fs::read", "/etc", "tree"),
        ("a", "fs::read", "/etc/hosts", "tree"),
        ("a", "fs::read", "/etcetera", ""),
        ("a", "fs::stat", "/srv/x", "group"),
        ("a", "fs::remove", "/srv/x", ""),
        ("b", "fs::read", "/etc", ""),
    ] {
        let spec = ACTIONS.iter().find(|spec| spec.to_string() == action).unwrap();
        let request = asked(&Principal::agent(agent), spec, path, BTreeMap::new());
        let trace = policy.trace(&request.request());
        let all = trace.deciding.iter().chain(&trace.near);
        let found: Vec<_> = all.filter(|traced| traced.misses.is_empty()).map(|traced| &*traced.id).collect();
        assert_eq!(found.join(" "), met, "{agent} {action} {path}: {trace:#?}");
    }
}
