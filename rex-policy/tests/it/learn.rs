//! A learned policy permits what it was learned from, and no other action and nobody else.

use std::collections::{BTreeMap, BTreeSet};

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rex_core::request::RequestSpec;
use rex_core::resource::FactKind;
use rex_core::{
    ACTIONS, ActionSpec, Authorize, Effect, Extent, Principal, ReachPlace, Request, RequestBuf, Subject, Value,
};
use rex_policy::{Breadth, LearnedPolicy, Learner, LintLevels, Policy, SourceText, formatted};

use crate::support::{NOON, compile, compile_any};

const BREADTHS: [Breadth; 3] = [Breadth::Exact, Breadth::Siblings, Breadth::Directory];

type Values = BTreeMap<String, Value>;

fn asked(who: &str, action: &str, resource: &str, attributes: Values, context: Values) -> RequestBuf {
    let subject = Subject::new(Principal::parse(who).unwrap());
    RequestBuf::new(ACTIONS, &RequestSpec { action, resource, attributes, context }, subject, NOON).unwrap()
}

fn learn(breadth: Breadth, keep: Option<&Policy>, all: &[RequestBuf]) -> LearnedPolicy {
    let mut learner = Learner::new(breadth, keep);
    for (line, asked) in all.iter().enumerate() {
        learner.see(&asked.request(), &format!("journal:{}", line + 1)).unwrap();
    }
    learner.learn()
}

fn allows(policy: &Policy, request: &Request<'_>) -> bool {
    policy.decide(request).effect == Effect::Allow
}

/// Generates words that are easy or hard to write in Cedar.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b1.log".to_owned()),
        Just("b2.log".to_owned()),
        Just("c.conf".to_owned()),
        Just("a*\"\\'\n\u{200b}é日e\u{301}".to_owned()),
        "[a-c0-2._*-]{1,6}".prop_filter("no dots", |text| text != "." && text != ".."),
    ]
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 0..4).prop_map(|parts| format!("/{}", parts.join("/")))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), word()]
}

fn resource(spec: &'static ActionSpec) -> BoxedStrategy<(String, Values)> {
    let id = |id: BoxedStrategy<String>| id.prop_map(|id| (id, Values::new())).boxed();
    match &*spec.resource.to_string() {
        "fs::Path" => id(path().boxed()),
        "process::Program" => (path(), text())
            .prop_map(|(path, sha256)| (path, Values::from([("sha256".to_owned(), sha256.into())])))
            .boxed(),
        "process::Process" => (1..4_u32, [text(), text(), text(), text()])
            .prop_map(|(pid, texts)| {
                let names = ["name", "exe", "user", "unit"].map(str::to_owned);
                (pid.to_string(), names.into_iter().zip(texts.map(Value::from)).collect())
            })
            .boxed(),
        "net::Host" => id("([a-c]{1,3}\\.){0,2}[a-c]{1,3}".boxed()),
        "net::Url" => {
            let part = "[a-c]{1,2}";
            let url = (part, prop::collection::vec(part, 0..3), prop::option::of("x=[0-3]"), any::<bool>());
            id(url
                .prop_map(|(host, path, query, slash)| {
                    let query = query.map_or(String::new(), |query| format!("?{query}"));
                    format!(
                        "https://{host}/{}{}{query}",
                        path.join("/"),
                        if slash && !path.is_empty() { "/" } else { "" }
                    )
                })
                .boxed())
        }
        "service::Unit" => id("[a-c]{1,2}(@[0-2])?\\.(service|timer)".boxed()),
        "service::Manager" => id(Just("default".to_owned()).boxed()),
        "sys::Host" => id(Just("local".to_owned()).boxed()),
        "sys::Parameter" => id("[a-c]\\.[a-c]".boxed()),
        "sys::Variable" => id("[A-C]{1,3}".boxed()),
        other => panic!("say what a `{other}` looks like"),
    }
}

fn fact(kind: FactKind) -> BoxedStrategy<Value> {
    match kind {
        FactKind::Long => {
            prop_oneof![Just(0), Just(420), Just(-1), Just(i64::MIN), any::<i64>()].prop_map(Value::from).boxed()
        }
        FactKind::Bool => any::<bool>().prop_map(Value::from).boxed(),
        FactKind::String => text().prop_map(Value::from).boxed(),
        // Cedar rejects version 4 addresses inside version 6, so every request with one is denied.
        FactKind::Ip => any::<std::net::IpAddr>().prop_map(|ip| ip.to_canonical().to_string().into()).boxed(),
    }
}

fn act(spec: &'static ActionSpec) -> BoxedStrategy<(String, Values, Values)> {
    let facts: Vec<_> = spec.context.iter().map(|known| fact(known.kind)).collect();
    let named = |facts: Vec<Value>| spec.context.iter().map(|known| known.name.to_owned()).zip(facts).collect();
    (resource(spec), facts).prop_map(move |((id, attributes), facts)| (id, attributes, named(facts))).boxed()
}

/// Generates requests of a few principals with any actions, mostly on files.
fn run() -> impl Strategy<Value = Vec<RequestBuf>> {
    let files: Vec<_> = ACTIONS.iter().copied().filter(|spec| spec.namespace == "fs").collect();
    let spec = prop_oneof![prop::sample::select(files), prop::sample::select(ACTIONS.to_vec())];
    let who = prop::sample::select(vec!["Agent::\"a\"", "Agent::\"b\"", "User::\"a\""]);
    let one = (who, spec).prop_flat_map(|(who, spec)| {
        act(spec).prop_map(move |(id, attributes, context)| asked(who, &spec.to_string(), &id, attributes, context))
    });
    prop::collection::vec(one, 1..40)
}

/// Returns who did what.
fn done(request: &Request<'_>) -> (String, String) {
    (request.subject.principal.to_string(), request.action.spec().to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rerun_is_permitted_and_no_other_action_and_nobody_else(seen in run(), others in run()) {
        let known: BTreeSet<_> = seen.iter().map(|asked| done(&asked.request())).collect();
        for breadth in BREADTHS {
            let learned = learn(breadth, None, &seen);
            // Random facts are often those that no request has.
            let policy = match compile_any(&learned.text) {
                Ok(policy) => policy,
                Err(rejected) => panic!("{rejected}\n{}", learned.text),
            };
            // A name in several scripts is the one that was seen, and gets a warning.
            let plain = !learned.text.contains("日");
            let other = policy.warnings().iter().all(|warning| warning.code.is_some());
            prop_assert!(!plain || other, "{:?}", policy.warnings());
            for asked in &seen {
                let request = asked.request();
                prop_assert!(allows(&policy, &request), "{request:?}\n{}", learned.text);
                let stranger = Subject::new(Principal::agent("stranger"));
                let by_stranger = allows(&policy, &Request { subject: &stranger, ..request });
                prop_assert!(!by_stranger, "{}", learned.text);
                for other in &others {
                    let other = Request { subject: request.subject, ..other.request() };
                    let unseen = !known.contains(&done(&other));
                    prop_assert!(!unseen || !allows(&policy, &other), "{other:?}\n{}", learned.text);
                }
            }
            // The root holds everything.
            for (action, extent) in policy.reach(None).iter().filter(|(action, _)| action.namespace == "fs") {
                let Extent::Within(places) = extent else { panic!("{action} reaches anything:\n{}", learned.text) };
                prop_assert!(!places.contains(&ReachPlace::Below("/".to_owned())), "{}", learned.text);
            }
        }
    }

    #[test]
    fn exactly_what_was_seen_of_files_is_permitted(seen in run(), others in run()) {
        let policy = compile(&learn(Breadth::Exact, None, &seen).text);
        let tell = |request: &Request<'_>| {
            let mut facts = String::new();
            request.action.facts(&mut |name, fact| if name != "bytes" { facts += &format!("{name}={fact:?} ") });
            (done(request), request.resource.id().to_owned(), facts)
        };
        let known: BTreeSet<_> = seen.iter().map(|asked| tell(&asked.request())).collect();
        for other in others.iter().map(RequestBuf::request).filter(|request| request.action.spec().namespace == "fs") {
            prop_assert_eq!(allows(&policy, &other), known.contains(&tell(&other)));
        }
    }
}

fn files(action: &str, paths: &[&str]) -> Vec<RequestBuf> {
    paths.iter().map(|path| asked("Agent::\"t\"", action, path, Values::new(), Values::new())).collect()
}

fn check(learned: &LearnedPolicy, expected: &Expect) {
    compile(&learned.text);
    expected.assert_eq(&learned.text);
}

const LOGS: [&str; 4] =
    ["/srv/logs/web-2026-11-23.log", "/srv/logs/web-2026-11-24.log", "/srv/logs/worker.log", "/etc/hosts"];

#[test]
fn siblings_of_one_name_and_of_one_extension() {
    check(
        &learn(Breadth::Siblings, None, &files("fs::read", &LOGS[..2])),
        &expect![[r#"
        // Learned from 2 requests; resources are generalized to their siblings. Read it before it decides.
        // From journal:1, journal:2.
        // Besides what was seen: other `web-*.log` directly in `/srv/logs`.
        @id("t-fs-read-srv-logs")
        @reason("learned from 2 requests")
        permit (
          principal == Agent::"t",
          action == fs::Action::"read",
          resource in fs::Path::"/srv/logs"
        )
        when { resource.name like "web-*.log" }
        unless { resource.path like "/srv/logs/*/*" };
    "#]],
    );
    check(
        &learn(Breadth::Siblings, None, &files("fs::read", &LOGS)),
        &expect![[r#"
        // Learned from 4 requests; resources are generalized to their siblings. Read it before it decides.
        // From journal:1, journal:2, journal:3.
        // Besides what was seen: other `.log` directly in `/srv/logs`.
        @id("t-fs-read-srv-logs")
        @reason("learned from 3 requests")
        permit (
          principal == Agent::"t",
          action == fs::Action::"read",
          resource in fs::Path::"/srv/logs"
        )
        when { resource.extension == "log" }
        unless { resource.path like "/srv/logs/*/*" };

        // From journal:4.
        @id("t-fs-read-etc-hosts")
        @reason("learned from 1 request")
        permit (
          principal == Agent::"t",
          action == fs::Action::"read",
          resource == fs::Path::"/etc/hosts"
        );
    "#]],
    );
}

#[test]
fn directories_are_deep_enough() {
    check(
        &learn(Breadth::Directory, None, &files("fs::read", &LOGS)),
        &expect![[r#"
            // Learned from 4 requests; resources are generalized to their directories. Read it before it decides.
            // From journal:1, journal:2, journal:3.
            // Besides what was seen: all else below `/srv/logs`, at any depth, but for keys.
            @id("t-fs-read-srv-logs")
            @reason("learned from 3 requests")
            permit (
              principal == Agent::"t",
              action == fs::Action::"read",
              resource in fs::Path::"/srv/logs"
            )
            unless
            {
              ["key", "p12", "pem", "pfx"].contains(resource.extension) ||
              resource.path like "*/.ssh/*" ||
              resource.path like "*/private/*" ||
              resource.name like "id_*" ||
              resource.name like "shadow*"
            };

            // From journal:4.
            @id("t-fs-read-etc-hosts")
            @reason("learned from 1 request")
            permit (
              principal == Agent::"t",
              action == fs::Action::"read",
              resource == fs::Path::"/etc/hosts"
            );
        "#]],
    );
    let learned = learn(
        Breadth::Directory,
        None,
        &files("fs::read", &["/a", "/b", "/etc/hosts", "/etc/shells", "/etc/a.conf", "/etc/b.conf"]),
    );
    check(
        &learned,
        &expect![[r#"
        // Learned from 6 requests; resources are generalized to their directories. Read it before it decides.
        // From journal:5, journal:6.
        // Besides what was seen: other `.conf` directly in `/etc`.
        @id("t-fs-read-etc")
        @reason("learned from 2 requests")
        permit (
          principal == Agent::"t",
          action == fs::Action::"read",
          resource in fs::Path::"/etc"
        )
        when { resource.extension == "conf" }
        unless { resource.path like "/etc/*/*" };

        // From journal:1, journal:2, journal:3 and 1 more.
        @id("t-fs-read")
        @reason("learned from 4 requests")
        permit (
          principal == Agent::"t",
          action == fs::Action::"read",
          resource
        )
        when
        {
          [fs::Path::"/a",
           fs::Path::"/b",
           fs::Path::"/etc/hosts",
           fs::Path::"/etc/shells"].contains(
              resource
            )
        };
    "#]],
    );
}

#[test]
fn actions_that_are_alike_are_one_permit_and_facts_are_asked_for() {
    let mut seen = files("fs::read", &["/srv/a", "/srv/b"]);
    seen.extend(files("fs::stat", &["/srv/b", "/srv/a"]));
    for (path, mode) in [("/srv/a", 0o644), ("/srv/b", 0o644), ("/srv/b", 0o600)] {
        let context = Values::from([("mode".to_owned(), Value::Int(mode))]);
        seen.push(asked("Agent::\"t\"", "fs::chmod", path, Values::new(), context));
    }
    for (uid, gid) in [(0, 0), (33, 33)] {
        let context = Values::from([("uid".to_owned(), Value::Int(uid)), ("gid".to_owned(), Value::Int(gid))]);
        seen.push(asked("Agent::\"t\"", "fs::chown", "/srv/a", Values::new(), context));
    }
    check(
        &learn(Breadth::Exact, None, &seen),
        &expect![[r#"
        // Learned from 9 requests; resources are not generalized. Read it before it decides.
        // From journal:5.
        @id("t-fs-chmod-srv-a")
        @reason("learned from 1 request")
        permit (
          principal == Agent::"t",
          action == fs::Action::"chmod",
          resource == fs::Path::"/srv/a"
        )
        when { context.mode == 420 };

        // From journal:8, journal:9.
        @id("t-fs-chown-srv-a")
        @reason("learned from 2 requests")
        permit (
          principal == Agent::"t",
          action == fs::Action::"chown",
          resource == fs::Path::"/srv/a"
        )
        when
        {
          ((context.uid == 0 && context.gid == 0) ||
           (context.uid == 33 && context.gid == 33))
        };

        // From journal:1, journal:2, journal:4 and 1 more.
        @id("t-fs-read-stat")
        @reason("learned from 4 requests")
        permit (
          principal == Agent::"t",
          action in [fs::Action::"read", fs::Action::"stat"],
          resource
        )
        when { [fs::Path::"/srv/a", fs::Path::"/srv/b"].contains(resource) };

        // From journal:6, journal:7.
        @id("t-fs-chmod-srv-b")
        @reason("learned from 2 requests")
        permit (
          principal == Agent::"t",
          action == fs::Action::"chmod",
          resource == fs::Path::"/srv/b"
        )
        when { [384, 420].contains(context.mode) };
    "#]],
    );
}

#[test]
fn processes_are_told_by_what_they_are() {
    let process = |pid: &str, name: &str| {
        let attributes = [("name", name), ("exe", "/usr/bin/shop"), ("user", "shop"), ("unit", "shop.service")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.into())).into();
        let context = Values::from([("signal".to_owned(), "TERM".into())]);
        asked("Agent::\"t\"", "process::signal", pid, attributes, context)
    };
    let seen = [process("7", "web"), process("8", "worker"), process("9", "web")];
    check(
        &learn(Breadth::Siblings, None, &seen),
        &expect![[r#"
            // Learned from 3 requests; resources are generalized to their siblings. Read it before it decides.
            // From journal:1, journal:2, journal:3.
            // Besides what was seen: other processes of the same program, user and unit.
            @id("t-process-signal")
            @reason("learned from 3 requests")
            permit (
              principal == Agent::"t",
              action == process::Action::"signal",
              resource
            )
            when
            {
              resource has exe &&
              resource.exe == "/usr/bin/shop" &&
              resource has user &&
              resource.user == "shop" &&
              resource has unit &&
              resource.unit == "shop.service" &&
              context.signal == "TERM"
            };
        "#]],
    );
}

fn started() -> RequestBuf {
    let spec = ACTIONS.iter().find(|spec| spec.to_string() == "process::run").unwrap();
    let fact = |fact: &rex_core::Attribute| match fact.kind {
        FactKind::Long => Value::Int(1),
        FactKind::Bool => false.into(),
        _ => "".into(),
    };
    let mut context: Values = spec.context.iter().map(|known| (known.name.to_owned(), fact(known))).collect();
    context.extend([("arguments", "/srv/job.sh"), ("directory", "/")].map(|(name, is)| (name.to_owned(), is.into())));
    asked("Agent::\"t\"", "process::run", "/bin/sh", Values::new(), context)
}

#[test]
fn what_a_forbid_holds_is_listed_and_the_forbid_is_kept() {
    let old = compile(
        r#"
        @id("read") permit (principal, action, resource in fs::Path::"/srv");
        @id("run") @allow("interpreter")
        permit (principal, action == process::Action::"run", resource == process::Program::"/bin/sh");
        // Nobody reads these.
        @id("no-keys") @reason("keys stay where they are")
        forbid (principal, action, resource in fs::Path::"/srv/logs/keys") unless { context.tags.contains("break=glass") };
        @id("t-fs-read-srv-www") forbid (principal, action, resource) when { resource is fs::Path && resource.extension == "key" };
        "#,
    );
    let mut seen = files("fs::read", &["/srv/logs/a.log", "/srv/logs/b.log", "/srv/www/a.html", "/srv/www/b.html"]);
    seen.push(started());
    let learned = learn(Breadth::Directory, Some(&old), &seen);
    assert_eq!(learned.held, [("/srv/logs".to_owned(), "no-keys".into())]);
    assert_eq!(learned.forbids.len(), 2);
    check(
        &learned,
        &expect![[r#"
            // Learned from 5 requests; resources are generalized to their directories. Read it before it decides.
            // From journal:3, journal:4.
            // Besides what was seen: all else below `/srv/www`, at any depth, but for keys.
            @id("t-fs-read-srv-www-2")
            @reason("learned from 2 requests")
            permit (
              principal == Agent::"t",
              action == fs::Action::"read",
              resource in fs::Path::"/srv/www"
            )
            unless
            {
              ["key", "p12", "pem", "pfx"].contains(resource.extension) ||
              resource.path like "*/.ssh/*" ||
              resource.path like "*/private/*" ||
              resource.name like "id_*" ||
              resource.name like "shadow*"
            };

            // From journal:1, journal:2.
            @id("t-fs-read")
            @reason("learned from 2 requests")
            permit (
              principal == Agent::"t",
              action == fs::Action::"read",
              resource
            )
            when
            {
              [fs::Path::"/srv/logs/a.log", fs::Path::"/srv/logs/b.log"].contains(resource)
            };

            // From journal:5.
            // Without `@allow`, the program is not started.
            @id("t-process-run-bin-sh")
            @reason("learned from 1 request")
            @allow("interpreter")
            permit (
              principal == Agent::"t",
              action == process::Action::"run",
              resource == process::Program::"/bin/sh"
            )
            when
            {
              context.arguments == "/srv/job.sh" &&
              context.environment == "" &&
              context.directory == "/" &&
              context.user == "" &&
              !context.stdin
            };

            // These forbids stay in force.
            @id("no-keys")
            @reason("keys stay where they are")
            forbid (
              principal,
              action,
              resource in fs::Path::"/srv/logs/keys"
            )
            unless { context.tags.contains("break=glass") };

            @id("t-fs-read-srv-www")
            forbid (principal, action, resource)
            when { resource is fs::Path && resource.extension == "key" };
        "#]],
    );
    let policy = compile(&learned.text);
    let keys = files("fs::read", &["/srv/logs/keys/a", "/srv/www/a.key"]);
    assert!(seen.iter().all(|asked| allows(&policy, &asked.request())));
    assert!(keys.iter().all(|asked| !allows(&policy, &asked.request())));
}

#[test]
fn what_no_policy_may_name_is_left_out_and_told() {
    let learned = learn(Breadth::Exact, None, &files("fs::read", &["/srv/a", "/srv/\u{202e}b"]));
    assert_eq!((learned.requests, &learned.unnamed[..]), (1, &["/srv/\u{202e}b".to_owned()][..]));
    compile(&learned.text);
}

fn breadths(action: &str, paths: &[&str], allowed: &[&str], denied: &[&str], breadths: &[Breadth]) {
    for breadth in breadths {
        let learned = learn(*breadth, None, &files(action, paths));
        let policy = compile(&learned.text);
        assert!(policy.warnings().is_empty(), "{:?}", policy.warnings());
        let is = |path: &&&str| allows(&policy, &files(action, &[path])[0].request());
        let lost: Vec<_> = paths.iter().chain(allowed).filter(|path| !is(path)).collect();
        let more: Vec<_> = denied.iter().filter(is).collect();
        assert!(lost.is_empty() && more.is_empty(), "{breadth:?}: {lost:?} {more:?}\n{}", learned.text);
    }
}

#[test]
fn keys_are_never_generalised() {
    let wide = [Breadth::Siblings, Breadth::Directory];
    for (seen, denied) in [
        (["/etc/ssl/private/a.pem", "/etc/ssl/private/b.pem"], "/etc/ssl/private/c.pem"),
        (["/srv/tls/a.key", "/srv/tls/b.key"], "/srv/tls/c.key"),
        (["/home/a/.ssh/config1", "/home/a/.ssh/config2"], "/home/a/.ssh/config3"),
        (["/etc/ssh/a.conf", "/etc/ssh/b.conf"], "/etc/ssh/c.conf"),
        (["/etc/a.bak", "/etc/b.bak"], "/etc/shadow.bak"),
        (["/etc/s1", "/etc/s2"], "/etc/shadow"),
        (["/etc/ssl/a.cnf", "/etc/ssl/b"], "/etc/ssl/private/c"),
        (["/srv/www/a", "/srv/www/b.txt"], "/srv/www/tls/server.key"),
        (["/home/a/x/y", "/home/a/x/z"], "/home/a/x/.ssh/authorized"),
        (["/var/spool/a", "/var/spool/b"], "/var/spool/cron/root"),
        (["/srv/app/.env.1", "/srv/app/.env.2"], "/srv/app/.env.3"),
    ] {
        breadths("fs::read", &seen, &[], &[denied], &wide);
    }
    let learned =
        learn(Breadth::Directory, None, &files("fs::read", &["/etc/ssl/private/a.pem", "/etc/ssl/private/b.pem"]));
    assert!(learned.text.contains("// Not generalized, since keys"), "{}", learned.text);
    // Also with that many files in a directory.
    let many: Vec<String> = (0..40).map(|number| format!("/etc/{}", "x".repeat(number + 1))).collect();
    breadths("fs::read", &many.iter().map(String::as_str).collect::<Vec<_>>(), &[], &["/etc/shadow", "/etc/y"], &wide);
}

#[test]
fn so_many_siblings_stand_for_all() {
    let many: Vec<String> = (0..40).map(|number| format!("/srv/data/{}", "x".repeat(number + 1))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    breadths("fs::read", &many, &["/srv/data/y"], &["/srv/data/y/z", "/srv/data"], &[Breadth::Siblings]);
    breadths("fs::read", &many, &[], &["/srv/data/y"], &[Breadth::Exact]);
    breadths("fs::read", &many[..30], &[], &["/srv/data/y"], &[Breadth::Siblings]);
}

#[test]
fn the_names_of_temporary_files_are_others_in_each_run() {
    let [one, two] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
    let (seen, next) = (format!("/srv/tmp/rex-{one}-3.txt"), format!("/srv/tmp/rex-{two}-12.txt"));
    let all = [Breadth::Exact, Breadth::Siblings, Breadth::Directory];
    let others = ["/srv/tmp/rex.txt", "/srv/tmp/rex-1/a.txt", "/srv/rex-1.txt"];
    breadths("fs::read", &[&seen], &[&next], &others, &all);
    let learned = learn(Breadth::Exact, None, &files("fs::read", &[&seen]));
    assert_eq!(learned.permits[0].beyond.as_deref(), Some("other `rex-*.txt` directly in `/srv/tmp`"));
}

#[test]
fn principals_that_do_the_same_are_one_permit() {
    let by = |who: &str, paths: &[&str]| {
        let one = |path: &&str| asked(who, "fs::read", path, Values::new(), Values::new());
        paths.iter().map(one).collect::<Vec<_>>()
    };
    let seen = [
        by("Agent::\"a\"", &["/srv/a.log", "/srv/b.log", "/srv/own"]),
        by("Agent::\"o'brien\"", &["/srv/a.log", "/srv/b.log"]),
        by("User::\"a\"", &["/srv/a.log", "/srv/b.log"]),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>();
    let learned = learn(Breadth::Siblings, None, &seen);
    check(
        &learned,
        &expect![[r#"
        // Learned from 7 requests; resources are generalized to their siblings. Read it before it decides.
        // From journal:3.
        @id("a-fs-read-srv-own")
        @reason("learned from 1 request")
        permit (
          principal == Agent::"a",
          action == fs::Action::"read",
          resource == fs::Path::"/srv/own"
        );

        // From journal:1, journal:2, journal:4 and 1 more.
        // Besides what was seen: other `.log` directly in `/srv`.
        @id("a-o-brien-fs-read-srv")
        @reason("learned from 4 requests")
        permit (
          principal is Agent,
          action == fs::Action::"read",
          resource in fs::Path::"/srv"
        )
        when
        {
          [Agent::"a", Agent::"o'brien"].contains(principal) &&
          resource.extension == "log"
        }
        unless { resource.path like "/srv/*/*" };

        // From journal:6, journal:7.
        // Besides what was seen: other `.log` directly in `/srv`.
        @id("a-fs-read-srv")
        @reason("learned from 2 requests")
        permit (
          principal == User::"a",
          action == fs::Action::"read",
          resource in fs::Path::"/srv"
        )
        when { resource.extension == "log" }
        unless { resource.path like "/srv/*/*" };
    "#]],
    );
    let policy = compile(&learned.text);
    assert!(policy.warnings().is_empty(), "{:?}", policy.warnings());
    // The reach, which a kernel enforces, is only for those.
    let reach = |principal: Principal| policy.reach(Some(&principal)).iter().count();
    assert_eq!([reach(Principal::agent("a")), reach(Principal::agent("z")), reach(Principal::user("z"))], [1, 0, 0]);
}

#[test]
fn what_there_is_no_room_for_is_left_out_and_told() {
    let mut learner = Learner::new(Breadth::Exact, None);
    let (mut full, mut number) = (0, 0);
    while full < 3 {
        let path = format!("/d{}/x", number % 60_000);
        full += usize::from(learner.see(&files("fs::read", &[&path])[0].request(), &number).is_err());
        number += 1;
    }
    // Known requests still have room.
    learner.see(&files("fs::read", &["/d1/x"])[0].request(), &number).unwrap();
    assert_eq!(learner.different(), number - 3);
    let learned = learner.learn();
    assert_eq!(learned.left_out, 3);
    assert!(learned.text.contains("// Incomplete: there was no room for 3 requests more"));
}

/// A name with a star is that name, and lints do not take it for a pattern.
#[test]
fn names_that_look_like_patterns_are_written_with_escapes() {
    for breadth in [Breadth::Exact, Breadth::Siblings, Breadth::Directory] {
        for paths in [
            &["/srv/app/*.log"][..],
            &["/srv/app/[id].tsx", "/srv/app/[name].tsx"],
            &["/srv/a/web-?-1.log", "/srv/a/web-?-2.log"],
            &["/srv/a/*1*.log", "/srv/a/*2*.log"],
            &["/srv/${USER}/a", "/srv/${USER}/b", "/srv/~/c"],
            &["/srv/{a,b}", "/srv/a.{x,y}/1", "/srv/a.{x,y}/2"],
            &["/srv/a.+b", "/srv/c'd*", "/srv/e\"f*", "/srv/g\\\\x41*"],
        ] {
            let asked = files("fs::read", paths);
            let learned = learn(breadth, None, &asked);
            let policy = compile(&learned.text);
            let found = policy.lints(&LintLevels::default());
            assert!(found.iter().all(|one| one.code != Some("REX012")), "{}\n{found:#?}", learned.text);
            for asked in &asked {
                assert!(allows(&policy, &asked.request()), "{}\n{asked:?}", learned.text);
            }
        }
    }
}

/// `rex policy fmt --check` accepts a learned policy unchanged.
#[test]
fn what_is_learned_is_laid_out() {
    let kept = compile(
        "@id(\"keys\") forbid (principal,action,resource is fs::Path) when { resource.extension == \"key\" };\n// About keys.\n",
    );
    let mut asked = files("fs::read", &["/srv/a.log", "/srv/b.log", "/srv/c/*", "/etc/hosts"]);
    asked.extend(files("fs::stat", &["/srv/a.log"]));
    asked.push(started());
    for keep in [None, Some(&kept)] {
        for breadth in [Breadth::Exact, Breadth::Siblings, Breadth::Directory] {
            for asked in [&asked[..], &asked[..1], &[]] {
                let text = learn(breadth, keep, asked).text;
                let source = SourceText::new("learned.cedar", text.clone());
                assert_eq!(formatted(&source).unwrap(), text);
            }
        }
    }
}

#[test]
fn what_a_program_needs_to_be_started_is_let_go() {
    for breadth in BREADTHS {
        let learned = learn(breadth, None, &[started()]);
        let policy = compile(&learned.text);
        assert_eq!(policy.outcome(&started().request()).effect, Effect::Allow, "{}", learned.text);
    }
    // A start that the kept policy permits without `@allow` is refused today, too.
    let old = compile(r#"permit (principal, action == process::Action::"run", resource);"#);
    let learned = learn(Breadth::Exact, Some(&old), &[started()]);
    assert_eq!(compile(&learned.text).outcome(&started().request()).effect, Effect::Deny, "{}", learned.text);
}

#[test]
fn a_path_that_names_a_process_is_told() {
    for breadth in BREADTHS {
        let seen = files("fs::read", &["/proc/self/status", "/proc/4242/status", "/proc/meminfo"]);
        let learned = learn(breadth, None, &seen);
        assert_eq!(learned.fleeting, ["/proc/4242/status"]);
        assert!(learned.text.contains("// A process is named by its number"), "{}", learned.text);
    }
    assert!(learn(Breadth::Exact, None, &files("fs::read", &["/proc/meminfo", "/proc/sys/1"])).fleeting.is_empty());
}

/// Returns a process whose program is unknown, like one of another user.
fn obscure(name: &str, exe: &str, unit: &str) -> RequestBuf {
    let known = [("name", name), ("exe", exe), ("user", "shop"), ("unit", unit)];
    let known = known.into_iter().filter(|(_, value)| *value != "unknown");
    let attributes = known.map(|(name, value)| (name.to_owned(), value.into())).collect();
    asked("Agent::\"t\"", "process::inspect", "7", attributes, Values::new())
}

#[test]
fn a_wider_breadth_permits_no_less_of_processes() {
    let seen = [
        obscure("a", "unknown", "s.service"),
        obscure("d", "", "s.service"),
        obscure("b", "/usr/bin/b", "s.service"),
        obscure("c", "/usr/bin/c", ""),
    ];
    let policies = BREADTHS.map(|breadth| compile(&learn(breadth, None, &seen).text));
    let others =
        [obscure("other", "", "s.service"), obscure("a", "/usr/bin/a", "s.service"), obscure("b", "", "s.service")];
    for process in seen.iter().chain(&others) {
        let allowed = policies.each_ref().map(|policy| allows(policy, &process.request()));
        assert!(allowed.is_sorted(), "{:?} {allowed:?}", process.request());
    }
    assert!(seen.iter().all(|process| policies.iter().all(|policy| allows(policy, &process.request()))));
}
