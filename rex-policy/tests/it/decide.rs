//! Decisions (ATTACKS row 10 and the laws of DESIGN).

use expect_test::expect;
use rex_core::action::{fs, process, service, sys};
use rex_core::process::{Process, ProcessIdentity};
use rex_core::resource::{Host, ServiceManager, Unit};
use rex_core::{Authorize, Decision, Effect, Principal, Request, Subject, Timestamp};

use crate::support::{NOON, ask, ask_at, compile, compile_with, path, reads, restarts, triage, try_compile};

const EXAMPLE: &str = r#"
@id("read-logs") @reason("log triage reads, never writes")
permit (principal == Agent::"triage", action in fs::Action::"ReadOnly", resource in fs::Path::"/var/log")
unless { resource.extension == "key" };

@id("no-config") @reason("configuration changes go through review")
forbid (principal, action in fs::Action::"Mutating", resource in fs::Path::"/etc");

@id("all-else") permit (principal is User, action, resource);
"#;

#[test]
fn permits_forbids_and_nothing() {
    let policy = compile(EXAMPLE);
    assert_eq!(policy.warnings().len(), 0);
    assert!(reads(&policy, "/var/log/dpkg.log") && reads(&policy, "/var/log"));
    assert!(!reads(&policy, "/var/log/tls.key") && !reads(&policy, "/var/logs") && !reads(&policy, "/var"));
    let read = ask(&policy, &triage(), &fs::Read {}, &path("/var/log/x"));
    assert_eq!(read, Decision::allow(&["read-logs"]));
    let write = ask(&policy, &triage(), &fs::Write { bytes: 1 }, &path("/etc/hosts"));
    assert_eq!((write.effect, &*write.policies[0]), (Effect::Deny, "no-config"));
    assert_eq!(write.reason.as_deref(), Some("configuration changes go through review"));
    let alice = Subject::new(Principal::user("alice"));
    assert_eq!(ask(&policy, &alice, &fs::Remove {}, &path("/etc/hosts")), write);
    assert_eq!(ask(&policy, &alice, &fs::Remove {}, &path("/tmp/x")), Decision::allow(&["all-else"]));
    assert_eq!(ask(&policy, &alice, &sys::Disk {}, &Host), Decision::allow(&["all-else"]));
    assert_eq!(ask(&policy, &triage(), &service::List {}, &ServiceManager), Decision::deny(None));
}

#[test]
fn a_group_of_actions_equals_none_of_them() {
    let policy = compile(r#"permit (principal, action == fs::Action::"ReadOnly", resource);"#);
    assert_eq!(policy.warnings().len(), 1, "it can never apply");
    assert!(!reads(&policy, "/x"));
    assert!(reads(&compile(r#"permit (principal, action in fs::Action::"ReadOnly", resource);"#), "/x"));
}

#[test]
fn what_is_unknown_is_denied() {
    let all = compile("permit (principal, action, resource);");
    let stranger = Subject::new(Principal::parse(r#"Robot::"x""#).unwrap());
    let decision = ask(&all, &stranger, &fs::Read {}, &path("/x"));
    expect!["`Robot` is not a type of principal; the types are `Agent` and `User`"]
        .assert_eq(&decision.reason.unwrap());
    let decision = ask(&all, &triage(), &fs::Read {}, &Host);
    assert_eq!(decision.effect, Effect::Deny);
    expect!["`fs::read` is not an action on a `sys::Host`"].assert_eq(&decision.reason.unwrap());
    let decision = ask(&all, &triage(), &foreign::Poke {}, &path("/x"));
    assert_eq!(decision.effect, Effect::Deny);
    expect!["the policy knows no action `foreign::poke`"].assert_eq(&decision.reason.unwrap());
}

use rex_core::AbsPath;

rex_core::actions! {
    /// Not in Rex's table.
    static FOREIGN;
    /// Elsewhere.
    foreign {
        /// Poke it.
        Poke = "poke" on AbsPath {} in [];
    }
}

#[test]
fn the_foreign_table_is_used() {
    assert_eq!(FOREIGN.len(), 1);
}

/// Cedar skips a policy that is an error, so a `forbid` would fail open.
#[test]
fn a_forbid_that_fails_at_run_time_denies() {
    let policy = compile(
        r#"
        permit (principal, action, resource);
        @id("overflow") forbid (principal, action == fs::Action::"append", resource)
        when { context.bytes * 9223372036854775807 > 7 };
        "#,
    );
    assert_eq!(ask(&policy, &triage(), &fs::Append { bytes: 0 }, &path("/x")).effect, Effect::Allow);
    let decision = ask(&policy, &triage(), &fs::Append { bytes: 2 }, &path("/x"));
    assert_eq!((decision.effect, decision.policies.len()), (Effect::Deny, 0));
    expect!["policy `overflow` cannot be evaluated: integer overflow while attempting to multiply the values `2` and `9223372036854775807`"]
        .assert_eq(&decision.reason.unwrap());
    assert_eq!(ask(&policy, &triage(), &fs::Append { bytes: 1 }, &path("/x")).policies[0].as_ref(), "overflow");
}

/// An unknown attribute has no value: `resource.user == "root"` must not fail open if nobody knows the user.
#[test]
fn what_is_not_known_of_a_process_denies() {
    let policy = compile(
        r#"
        permit (principal, action == process::Action::"inspect", resource);
        permit (principal, action == process::Action::"signal", resource);
        @id("not-root") forbid (principal, action == process::Action::"signal", resource) when { resource.user == "root" };
        permit (principal, action == process::Action::"environ", resource) unless { resource.exe like "/usr/sbin/*" };
        "#,
    );
    let identity = |user: Option<&str>| ProcessIdentity {
        name: "x".to_owned(),
        user: user.map(str::to_owned),
        ..ProcessIdentity::default()
    };
    let signal = process::Signal { signal: "TERM".to_owned() };
    let decide = |user| ask(&policy, &triage(), &signal, &Process::new(7, identity(user)));
    assert_eq!((decide(Some("alice")).effect, decide(Some("root")).effect), (Effect::Allow, Effect::Deny));
    let decision = decide(None);
    assert_eq!(decision.effect, Effect::Deny);
    expect![[r#"policy `not-root` cannot be evaluated: `user` of `process::Process::"7"` is unknown"#]]
        .assert_eq(&decision.reason.unwrap());
    let unknown = Process::new(7, identity(None));
    assert_eq!(ask(&policy, &triage(), &process::Inspect {}, &unknown).effect, Effect::Allow, "no policy asks for it");
    assert_eq!(ask(&policy, &triage(), &process::Environ {}, &unknown).effect, Effect::Deny);
}

/// A permit that first checks whether the user is known leaves a process without one to other permits.
#[test]
fn a_permit_may_ask_whether_something_is_known() {
    let policy = |condition: &str| {
        compile(&format!(
            "permit (principal, action == process::Action::\"signal\", resource) when {{ {condition} }};
             permit (principal, action == process::Action::\"signal\", resource) when {{ resource.name == \"worker\" }};"
        ))
    };
    let signal = process::Signal { signal: "TERM".to_owned() };
    let decide = |policy: &rex_policy::Policy, name: &str, user: Option<&str>| {
        let identity =
            ProcessIdentity { name: name.to_owned(), user: user.map(str::to_owned), ..ProcessIdentity::default() };
        ask(policy, &triage(), &signal, &Process::new(7, identity)).effect
    };
    let (sure, unsure) = (policy("resource has user && resource.user == \"web\""), policy("resource.user == \"web\""));
    assert_eq!((decide(&sure, "x", Some("web")), decide(&sure, "x", Some("root"))), (Effect::Allow, Effect::Deny));
    assert_eq!((decide(&sure, "x", None), decide(&sure, "worker", None)), (Effect::Deny, Effect::Allow));
    assert_eq!(decide(&unsure, "worker", None), Effect::Deny, "what is not known is an error");
}

/// The index may not skip a policy that would be an error, whatever its later conjuncts say.
#[test]
fn an_error_before_a_prefix_is_not_skipped() {
    let policy = compile(
        r#"
        permit (principal, action, resource);
        @id("e") forbid (principal, action == fs::Action::"write", resource)
        when { context.bytes + 9223372036854775807 > 7 && resource.path like "/etc/*" };
        @id("f") forbid (principal, action == fs::Action::"append", resource)
        when { resource.path like "/etc/*" && context.bytes + 9223372036854775807 > 7 };
        "#,
    );
    let effect = |action: &dyn rex_core::action::AnyAction, file| ask(&policy, &triage(), action, &path(file)).effect;
    assert_eq!(effect(&fs::Write { bytes: 1 }, "/srv/x"), Effect::Deny);
    assert_eq!(effect(&fs::Write { bytes: 0 }, "/srv/x"), Effect::Allow);
    assert_eq!(effect(&fs::Append { bytes: 1 }, "/srv/x"), Effect::Allow);
    assert_eq!(effect(&fs::Append { bytes: 1 }, "/etc/x"), Effect::Deny);
}

#[test]
fn conditions_on_the_path() {
    let policy = compile(
        r#"
        permit (principal, action == fs::Action::"read", resource) when { resource.path like "/srv/*/log*" };
        permit (principal, action == fs::Action::"read", resource) when { resource.path like "/a\*b" || resource.name == "x" };
        permit (principal, action == fs::Action::"read", resource) when { resource == fs::Path::"/one" };
        permit (principal, action == fs::Action::"read", resource) when { resource in fs::Path::"/two" && resource.extension == "c" };
        permit (principal, action == fs::Action::"read", resource) when { resource.path like "*.md" };
        permit (principal, action == fs::Action::"read", resource) when { resource.path == "/exact" };
        permit (principal, action == fs::Action::"read", resource) when { resource.path like "/é*" };
        forbid (principal, action, resource is fs::Path) when { resource.path like "/srv/app/*" } unless { resource.name like "log*" };
        "#,
    );
    for (file, allowed) in [
        ("/srv/app/log", true),
        ("/srv/app/logs", true),
        ("/srv/app/x/log/y", false),
        ("/srv/b/x/log/y", true),
        ("/srv/log", false),
        ("/a*b", true),
        ("/acb", false),
        ("/q/x", true),
        ("/one", true),
        ("/one/two", false),
        ("/two/b.c", true),
        ("/two/b.d", false),
        ("/q/README.md", true),
        ("/exact", true),
        ("/exactly", false),
        ("/é/q", true),
        ("/è/q", false),
        ("/", false),
    ] {
        assert_eq!(reads(&policy, file), allowed, "{file}");
    }
}

#[test]
fn a_maintenance_window() {
    let policy = compile(
        r#"
        permit (principal, action == service::Action::"restart", resource)
        when { context.now >= datetime("2026-11-23T12:00:00Z") && context.now < datetime("2026-11-23T13:00:00Z") };
        forbid (principal, action == service::Action::"restart", resource)
        when { context.now.toTime() > duration("12h55m") };
        "#,
    );
    let nginx = Unit::parse("nginx").unwrap();
    let at = |micros: i64| {
        let now = Timestamp::from_micros(NOON.as_micros() + micros);
        ask_at(&policy, &triage(), &service::Restart {}, &nginx, now).effect
    };
    let minute = 60_000_000;
    assert_eq!(at(0), Effect::Allow);
    assert_eq!(at(12 * minute), Effect::Allow);
    assert_eq!(at(13 * minute), Effect::Deny);
    assert_eq!(at(18 * minute), Effect::Deny);
    assert_eq!(at(-43 * minute), Effect::Deny);
    assert_eq!(at(0), Effect::Allow, "an earlier denial was kept");
    // A time without a date is an error, and so a denial.
    assert_eq!(
        ask_at(&policy, &triage(), &service::Restart {}, &nginx, Timestamp::from_micros(i64::MAX)).effect,
        Effect::Deny
    );
    assert_eq!(
        ask_at(&policy, &triage(), &service::Restart {}, &nginx, Timestamp::from_micros(i64::MIN)).effect,
        Effect::Deny
    );
}

#[test]
fn tags_and_pinned_scripts() {
    let policy = compile(
        r#"
        permit (principal, action == fs::Action::"read", resource) when { context.tags.contains("ticket=7") };
        permit (principal, action == fs::Action::"remove", resource) when { context.script == "abc" };
        "#,
    );
    let file = path("/x");
    let mut subject = triage();
    assert_eq!(ask(&policy, &subject, &fs::Read {}, &file).effect, Effect::Deny);
    subject.tags = vec!["env=test".to_owned(), "ticket=7".to_owned()];
    assert_eq!(ask(&policy, &subject, &fs::Read {}, &file).effect, Effect::Allow);
    assert_eq!(ask(&policy, &subject, &fs::Remove {}, &file).effect, Effect::Deny);
    subject.script = "abc".to_owned();
    assert_eq!(ask(&policy, &subject, &fs::Remove {}, &file).effect, Effect::Allow);
    subject.tags = vec!["ticket=77".to_owned()];
    assert_eq!(ask(&policy, &subject, &fs::Read {}, &file).effect, Effect::Deny);
}

/// Everything that a decision depends on keeps decisions apart.
#[test]
fn the_cache_confuses_nothing() {
    let policy = compile(
        r#"
        permit (principal == Agent::"triage", action == fs::Action::"read", resource == fs::Path::"/x");
        permit (principal == User::"triage", action == fs::Action::"list", resource == fs::Path::"/x");
        permit (principal, action == fs::Action::"append", resource) when { context.bytes < 10 };
        permit (principal, action == service::Action::"start", resource == service::Unit::"x.service");
        "#,
    );
    let user = Subject::new(Principal::user("triage"));
    for _ in 0..3 {
        assert!(reads(&policy, "/x") && !reads(&policy, "/x/y") && !reads(&policy, "/"));
        assert_eq!(ask(&policy, &user, &fs::Read {}, &path("/x")).effect, Effect::Deny);
        assert_eq!(ask(&policy, &user, &fs::List {}, &path("/x")).effect, Effect::Allow);
        assert_eq!(ask(&policy, &triage(), &fs::List {}, &path("/x")).effect, Effect::Deny);
        assert_eq!(ask(&policy, &user, &fs::Append { bytes: 9 }, &path("/x")).effect, Effect::Allow);
        assert_eq!(ask(&policy, &user, &fs::Append { bytes: 10 }, &path("/x")).effect, Effect::Deny);
        assert_eq!(ask(&policy, &user, &service::Start {}, &Unit::parse("x").unwrap()).effect, Effect::Allow);
        assert_eq!(ask(&policy, &user, &service::Stop {}, &Unit::parse("x").unwrap()).effect, Effect::Deny);
    }
    for number in 0..10_000 {
        assert!(!restarts(&policy, &format!("u{}.service", number % 7)) && number < 10_000);
    }
    for number in 0..200 {
        let subject = Subject::new(Principal::agent(&format!("a{number}")));
        assert_eq!(ask(&policy, &subject, &fs::Read {}, &path("/x")).effect, Effect::Deny);
    }
}

/// The remedy of a denial is valid Cedar and allows the request.
#[test]
fn the_remedy_is_the_smallest_permit() {
    let policy = compile(EXAMPLE);
    let remedy = |subject: &Subject,
                  action: &dyn rex_core::action::AnyAction,
                  resource: &dyn rex_core::resource::AnyResource| {
        let request = Request { subject, action, resource, now: NOON };
        let decision = policy.decide(&request);
        policy.remedy(&request, &decision)
    };
    let permit = remedy(&triage(), &fs::Read {}, &path("/etc/hosts")).unwrap();
    expect![[r#"
        // `all-else` would permit it to each User; this run is for Agent::"triage"
        @id("triage-fs-read-hosts")
        @reason("needed for fs::read")
        permit (
          principal == Agent::"triage",
          action == fs::Action::"read",
          resource == fs::Path::"/etc/hosts"
        );"#]]
    .assert_eq(&permit);
    for file in
        ["/etc/hosts", "/q\"uo'te\\", "/new\nline\ttab\u{7f}\u{0}".trim_end_matches('\0'), "/*?[é\u{202d}🦖", "/"]
    {
        let permit = remedy(&triage(), &fs::Read {}, &path(file)).unwrap();
        if file.contains('\u{202d}') {
            assert!(permit.contains("no policy can name"), "{permit}");
        } else {
            assert!(reads(&crate::support::compile(&permit), file), "{permit}");
        }
    }
    let forbidden = remedy(&triage(), &fs::Write { bytes: 1 }, &path("/etc/hosts")).unwrap();
    expect!["no permit can override it: `no-config` forbids this; narrow it there, or do without"]
        .assert_eq(&forbidden);
    assert_eq!(remedy(&triage(), &fs::Read {}, &path("/var/log/x")), None);
    let robot = Subject::new(Principal::parse(r#"Robot::"x""#).unwrap());
    expect!["the request could not be evaluated: fix the error above, then retry (a permit does not help)"]
        .assert_eq(&remedy(&robot, &fs::Read {}, &path("/x")).unwrap());
}

/// Cedar decides this way with the schema and the entities.
#[test]
fn what_a_condition_names_has_its_parents() {
    let entities = r#"[
        {"uid": {"type": "fs::Path", "id": "/a"}, "parents": [{"type": "fs::Class", "id": "C"}]},
        {"uid": {"type": "fs::Path", "id": "/x/y"}, "parents": [{"type": "fs::Class", "id": "D"}]},
        {"uid": {"type": "fs::Class", "id": "C"}, "parents": [{"type": "fs::Class", "id": "E"}]},
        {"uid": {"type": "net::Host", "id": "example.com"}, "parents": [{"type": "net::Class", "id": "Known"}]},
        {"uid": {"type": "Agent", "id": "y"}, "parents": [{"type": "Group", "id": "g"}]},
        {"uid": {"type": "Group", "id": "g"}, "parents": [{"type": "Group", "id": "h"}]}
    ]"#;
    for (condition, holds) in [
        (r#"fs::Action::"write" in fs::Action::"Mutating""#, true),
        (r#"fs::Action::"read" in fs::Action::"Mutating""#, false),
        (r#"net::Action::"get" in [net::Action::"Mutating", net::Action::"Outbound"]"#, true),
        (r#"fs::Path::"/a/b" in fs::Class::"C""#, true),
        (r#"fs::Path::"/a/b/c" in fs::Class::"E""#, true),
        (r#"fs::Path::"/ab" in fs::Class::"C""#, false),
        (r#"fs::Path::"/x" in fs::Class::"D""#, false),
        (r#"[fs::Class::"C", fs::Class::"D"].contains(fs::Class::"E")"#, false),
        (r#"net::Host::"www.example.com" in net::Class::"Known""#, true),
        (r#"net::Host::"example.org" in net::Class::"Known""#, false),
        (r#"Agent::"y" in Group::"h""#, true),
        (r#"(if context.script == "" then fs::Path::"/a/b" else resource) in fs::Class::"C""#, true),
        (r#"(if context.script == "" then fs::Action::"stat" else action) in fs::Action::"ReadOnly""#, true),
    ] {
        // Next to another condition, so that it is not refused as one that never holds.
        let permit = format!(
            r#"permit (principal, action == fs::Action::"read", resource) when {{ context.script == "no" || {condition} }};"#
        );
        assert_eq!(reads(&compile_with(&permit, entities), "/y"), holds, "{condition}");
        let forbid = format!(
            "permit (principal, action, resource);\nforbid (principal, action == fs::Action::\"read\", resource) when {{ {condition} }};"
        );
        // A condition that never holds by the schema alone is refused.
        match try_compile(&forbid, Some(entities)) {
            Ok(policy) => assert_eq!(reads(&policy, "/y"), !holds, "{condition}"),
            Err(rejected) => assert!(!holds, "{rejected}"),
        }
    }
}
