//! The reach of policies.

use expect_test::{Expect, expect};
use rex_core::{Attribute, Extent, Fact, FactKind, Principal, Reach, ReachPlace, Resource, ResourceSpec};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};

use crate::support::{compile, compile_with};

fn draw(reach: &Reach) -> String {
    reach.iter().map(|(action, extent)| format!("{action}: {}\n", places(extent))).collect()
}

fn places(extent: &Extent) -> String {
    match extent {
        Extent::Anything => "anything".to_owned(),
        Extent::Within(places) => places.iter().map(place).collect::<Vec<_>>().join(" "),
    }
}

fn place(place: &ReachPlace) -> String {
    match place {
        ReachPlace::Exactly(id) => id.clone(),
        ReachPlace::Below(id) => format!("{}/**", id.trim_end_matches('/')),
        ReachPlace::Prefix(text) => format!("{text}*"),
    }
}

fn check(policy: &Policy, expected: Expect) {
    expected.assert_eq(&draw(&policy.reach(None)));
}

#[test]
fn the_head_and_what_always_holds_are_the_bound() {
    check(
        &compile(
            r#"
            permit (principal, action == fs::Action::"read", resource == fs::Path::"/a/file");
            permit (principal, action == fs::Action::"list", resource in fs::Path::"/a");
            permit (principal, action == fs::Action::"stat", resource) when { resource.path like "/var/log/app-*.log" };
            permit (principal, action == fs::Action::"append", resource) when { resource in fs::Path::"/b" && context.bytes < 9 };
            permit (principal, action == service::Action::"restart", resource) when { resource.name like "web-*" };
            permit (principal, action == sys::Action::"disk", resource);
            "#,
        ),
        expect![[r#"
            fs::read: /a/file
            fs::list: /a/**
            fs::stat: /var/log/app-*
            fs::append: /b/**
            service::restart: web-*
            sys::disk: anything
        "#]],
    );
}

#[test]
fn where_no_bound_holds_for_sure_there_is_none() {
    for condition in [
        "resource.path like \"/a/*\" || context.bytes > 1",
        "!(resource.path like \"/a/*\")",
        "resource.extension == \"log\"",
        "resource.path like \"*.log\"",
        "if resource.path like \"/a/*\" then true else true",
    ] {
        let policy =
            compile(&format!("permit (principal, action == fs::Action::\"append\", resource) when {{ {condition} }};"));
        assert_eq!(draw(&policy.reach(None)), "fs::append: anything\n", "{condition}");
    }
    // Another bound of the same policy still holds.
    check(
        &compile(
            r#"permit (principal, action == fs::Action::"read", resource in fs::Path::"/a") when { resource.extension == "log" };"#,
        ),
        expect![[r#"
            fs::read: /a/**
        "#]],
    );
}

#[test]
fn what_lies_in_another_place_is_not_said_twice_and_forbids_take_nothing_away() {
    check(
        &compile(
            r#"
            permit (principal, action == fs::Action::"read", resource in fs::Path::"/a");
            permit (principal, action == fs::Action::"read", resource in fs::Path::"/a/b");
            permit (principal, action == fs::Action::"read", resource == fs::Path::"/a/c");
            permit (principal, action == fs::Action::"read", resource == fs::Path::"/ab");
            permit (principal, action == fs::Action::"ReadOnly", resource);
            forbid (principal, action, resource in fs::Path::"/a/b");
            "#,
        ),
        expect![[r#"
            fs::read: /ab /a/**
        "#]],
    );
}

#[test]
fn groups_and_classes_reach_what_the_owner_put_in_them() {
    let entities = r#"[
        {"uid": {"type": "Agent", "id": "x"}, "parents": [{"type": "Group", "id": "g"}]},
        {"uid": {"type": "fs::Path", "id": "/srv/logs"}, "parents": [{"type": "fs::Class", "id": "Log"}]},
        {"uid": {"type": "fs::Class", "id": "Log"}, "parents": [{"type": "fs::Class", "id": "Readable"}]},
        {"uid": {"type": "service::Unit", "id": "nginx.service"}, "parents": [{"type": "service::Class", "id": "Web"}]}
    ]"#;
    let policy = compile_with(
        r#"
        permit (principal in Group::"g", action == fs::Action::"read", resource in fs::Class::"Readable");
        permit (principal == User::"u", action == service::Action::"stop", resource in service::Class::"Web");
        "#,
        entities,
    );
    check(
        &policy,
        expect![[r#"
        fs::read: /srv/logs/**
        service::stop: nginx.service
    "#]],
    );
    let of = |principal| draw(&policy.reach(Some(&principal)));
    assert_eq!(of(Principal::agent("x")), "fs::read: /srv/logs/**\n");
    assert_eq!(of(Principal::agent("y")), "");
    assert_eq!(of(Principal::user("u")), "service::stop: nginx.service\n");
}

const HOST: &str = r#"
@id("read-app")
permit (principal == Agent::"triage", action in fs::Action::"ReadOnly", resource in fs::Path::"/srv/app")
unless { resource.extension == "key" };

@id("rotate")
permit (principal in Group::"operators", action in [fs::Action::"append", fs::Action::"rename"], resource in fs::Class::"LogFile");

@id("web")
permit (principal, action == service::Action::"restart", resource in service::Class::"Web")
when { context.tags.contains("ticket=7") };

@id("users") permit (principal is User, action in sys::Action::"ReadOnly", resource);

@id("no-secrets") @reason("they stay where they are")
forbid (principal, action, resource in fs::Path::"/srv/app/secrets");

@id("no-odd-logs")
forbid (principal, action in fs::Action::"Mutating", resource is fs::Path) unless { resource.name like "*.log" };

@id("no-config") forbid (principal, action in fs::Action::"Mutating", resource in fs::Path::"/etc");

@id("no-night") forbid (principal is User, action == service::Action::"restart", resource)
when { context.now.toTime() > duration("20h") };
"#;

const MEMBERS: &str = r#"[
    {"uid": {"type": "Agent", "id": "triage"}, "parents": [{"type": "Group", "id": "analysts"}]},
    {"uid": {"type": "User", "id": "ada"}, "parents": [{"type": "Group", "id": "admins"}]},
    {"uid": {"type": "Group", "id": "admins"}, "parents": [{"type": "Group", "id": "operators"}]},
    {"uid": {"type": "fs::Path", "id": "/var/log/app"}, "parents": [{"type": "fs::Class", "id": "AppLog"}]},
    {"uid": {"type": "fs::Path", "id": "/var/log/app/audit"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]},
    {"uid": {"type": "fs::Path", "id": "/var/log/web.log"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]},
    {"uid": {"type": "fs::Path", "id": "/var/mail"}, "parents": [{"type": "fs::Class", "id": "Mail"}]},
    {"uid": {"type": "fs::Class", "id": "AppLog"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]},
    {"uid": {"type": "service::Unit", "id": "nginx.service"}, "parents": [{"type": "service::Class", "id": "Web"}]}
]"#;

/// The reach of a typical policy is limited.
#[test]
fn a_typical_policy() {
    let policy = compile_with(HOST, MEMBERS);
    let of = |principal| draw(&policy.reach(Some(&principal)));
    expect![[r#"
        fs::read: /srv/app/**
        fs::list: /srv/app/**
        fs::stat: /srv/app/**
        fs::get_xattr: /srv/app/**
        service::restart: nginx.service
    "#]]
    .assert_eq(&of(Principal::agent("triage")));
    expect![[r#"
        fs::append: /var/log/app/** /var/log/web.log/**
        fs::rename: /var/log/app/** /var/log/web.log/**
        service::restart: nginx.service
        sys::disk: anything
        sys::inspect: anything
        sys::kernel_log: anything
        sys::accounts: anything
        sys::sessions: anything
        sys::get_parameter: anything
    "#]]
    .assert_eq(&of(Principal::user("ada")));
    expect![[r#"
        service::restart: nginx.service
    "#]]
    .assert_eq(&of(Principal::agent("stranger")));
    assert_eq!(of(Principal::parse("Robot::\"x\"").unwrap()), "", "it is denied everything");
    check(
        &policy,
        expect![[r#"
            fs::read: /srv/app/**
            fs::list: /srv/app/**
            fs::stat: /srv/app/**
            fs::append: /var/log/app/** /var/log/web.log/**
            fs::rename: /var/log/app/** /var/log/web.log/**
            fs::get_xattr: /srv/app/**
            service::restart: nginx.service
            sys::disk: anything
            sys::inspect: anything
            sys::kernel_log: anything
            sys::accounts: anything
            sys::sessions: anything
            sys::get_parameter: anything
        "#]],
    );
}

#[test]
fn forbids_that_cut_something_out_are_exceptions() {
    let policy = compile_with(HOST, MEMBERS);
    let of = |principal: Option<Principal>| -> String {
        let exceptions = policy.exceptions(principal.as_ref());
        let lines = exceptions.iter().flat_map(|exception| {
            let kind = if exception.conditional { "may" } else { "must not" };
            let reason = exception.reason.as_deref().unwrap_or("no reason");
            let line = move |(action, extent): &(&rex_core::ActionSpec, Extent)| {
                format!("{} ({kind}, {reason}): {action} on {}\n", exception.policy, places(extent))
            };
            exception.extents.iter().map(line)
        });
        lines.collect()
    };
    expect![[r#"
        no-secrets (must not, they stay where they are): fs::read on /srv/app/secrets/**
        no-secrets (must not, they stay where they are): fs::list on /srv/app/secrets/**
        no-secrets (must not, they stay where they are): fs::stat on /srv/app/secrets/**
        no-secrets (must not, they stay where they are): fs::get_xattr on /srv/app/secrets/**
    "#]]
    .assert_eq(&of(Some(Principal::agent("triage"))));
    expect![[r#"
        no-odd-logs (may, no reason): fs::append on /var/log/app/** /var/log/web.log/**
        no-odd-logs (may, no reason): fs::rename on /var/log/app/** /var/log/web.log/**
        no-night (may, no reason): service::restart on nginx.service
    "#]]
    .assert_eq(&of(Some(Principal::user("ada"))));
    assert_eq!(of(None).lines().count(), 7);
    assert_eq!(of(Some(Principal::agent("stranger"))), "");
}

/// Everything that a policy requires is a bound, not only what its index uses.
#[test]
fn all_that_holds_bounds_together() {
    for (policy, places) in [
        // The narrower one of head and condition.
        ("resource in fs::Path::\"/a/b\") when { resource.path like \"/a*\" }", "/a/b/**"),
        ("resource in fs::Path::\"/a\") when { resource.path like \"/a/b/*\" }", "/a/b/*"),
        (
            "resource in fs::Path::\"/a\") when { resource.path like \"/a*\" && resource in fs::Path::\"/a/b\" }",
            "/a/b/**",
        ),
        ("resource in fs::Class::\"LogFile\") when { resource.path like \"/var/log/w*\" }", "/var/log/web.log/**"),
        ("resource in fs::Path::\"/\") when { resource.path like \"/*\" }", "/**"),
        // Attributes other than the id say nothing about the place, and hide nothing that does.
        ("resource in fs::Path::\"/a\") when { resource.name like \"access*\" }", "/a/**"),
        ("resource) when { resource.name == \"a\" }", "anything"),
        ("resource) when { resource in fs::Path::\"/a\" && resource.name == \"very-telling\" }", "/a/**"),
        // A text without a wildcard is the whole id.
        ("resource) when { resource.path like \"/a/b\" }", "/a/b"),
        ("resource) when { \"/a/b\" == resource.path }", "/a/b"),
        ("resource) when { resource.path like \"/a\\*b\" }", "/a*b"),
        ("resource) when { resource.path like \"/*\" }", "/**"),
        ("resource) when { resource.path like \"*\" }", "anything"),
        ("resource is fs::Path in fs::Path::\"/a\")", "/a/**"),
        ("resource) when { resource is fs::Path in fs::Path::\"/a\" }", "/a/**"),
        ("resource) when { fs::Path::\"/a\" == resource }", "/a"),
        // Also after a part that can be an error: then nothing is allowed.
        ("resource) when { context.bytes * 2 > 4 && resource == fs::Path::\"/a\" }", "/a"),
        ("resource) unless { context.bytes > 4 } when { resource == fs::Path::\"/a\" }", "/a"),
        // A condition that never holds reaches nothing.
        ("resource in fs::Path::\"/a\") when { resource in fs::Path::\"/ab\" }", ""),
        ("resource in fs::Path::\"/a\") when { resource.path like \"/ab*\" }", ""),
        ("resource == fs::Path::\"/a\") when { resource.path == \"/b\" }", ""),
        ("resource in fs::Class::\"Empty\")", ""),
        // No bound, though it looks like one.
        // One of several.
        ("resource) when { resource.path like \"/a/*\" || resource.path like \"/b/*\" }", "/a/* /b/*"),
        ("resource) when { resource == fs::Path::\"/a\" || resource in fs::Path::\"/b\" }", "/a /b/**"),
        (
            "resource) when { resource == fs::Path::\"/a\" || fs::Path::\"/b\" == resource || resource.path == \"/c\" }",
            "/a /b /c",
        ),
        ("resource) when { [\"/a\", \"/b\"].contains(resource.path) }", "/a /b"),
        ("resource) when { resource in [fs::Path::\"/a\", fs::Path::\"/a/b\", fs::Path::\"/c\"] }", "/a/** /c/**"),
        ("resource in fs::Path::\"/a\") when { resource in [fs::Path::\"/a/b\", fs::Path::\"/c\"] }", "/a/b/**"),
        (
            "resource) when { (resource in fs::Path::\"/a\" && context.bytes > 1) || resource == fs::Path::\"/b\" }",
            "/b /a/**",
        ),
        (
            "resource) when { if context.bytes > 1 then resource == fs::Path::\"/a\" else resource == fs::Path::\"/b\" }",
            "/a /b",
        ),
        ("resource) when { if resource in fs::Path::\"/a\" then context.bytes > 1 else false }", "/a/**"),
        ("resource) unless { !(resource == fs::Path::\"/a\") }", "/a"),
        ("resource) when { resource == fs::Path::\"/a\" || context.bytes > 1 }", "anything"),
        ("resource) when { resource == fs::Path::\"/a\" || resource.name == \"b\" }", "anything"),
        ("resource) when { !(resource == fs::Path::\"/a\" || resource == fs::Path::\"/b\") }", "anything"),
        ("resource) unless { resource in fs::Path::\"/a\" }", "anything"),
        ("resource) when { !(resource in fs::Path::\"/a\") }", "anything"),
        ("resource) when { fs::Path::\"/a\" in fs::Class::\"LogFile\" }", "anything"),
    ] {
        let text = format!("permit (principal, action == fs::Action::\"append\", {policy};");
        let policy = compile_with(&text, MEMBERS);
        let expected = if places.is_empty() { String::new() } else { format!("fs::append: {places}\n") };
        assert_eq!(draw(&policy.reach(None)), expected, "{text}");
    }
}

#[test]
fn who_a_condition_is_about_bounds_too() {
    let entities = r#"[{"uid": {"type": "Agent", "id": "m"}, "parents": [{"type": "Group", "id": "g"}]}]"#;
    for (condition, [x, m, z]) in [
        (r#"[Agent::"x", Agent::"y"].contains(principal)"#, [true, false, false]),
        (r#"principal == Agent::"x""#, [true, false, false]),
        (r#"Agent::"x" == principal"#, [true, false, false]),
        (r#"principal in [Group::"g", Group::"h"]"#, [false, true, false]),
        (r#"principal in Group::"g" && context.tags.contains("a=b")"#, [false, true, false]),
        (r#"principal in Group::"g" || principal == Agent::"x""#, [true, true, true]),
        (r#"!(principal == Agent::"x")"#, [true, true, true]),
    ] {
        let text = format!(
            "permit (principal is Agent, action == fs::Action::\"read\", resource in fs::Path::\"/a\") when {{ {condition} }};"
        );
        let policy = compile_with(&text, entities);
        for (id, reaches) in [("x", x), ("m", m), ("z", z)] {
            let reach = policy.reach(Some(&Principal::agent(id)));
            assert_eq!(!draw(&reach).is_empty(), reaches, "{condition} {id}");
        }
        assert_eq!(draw(&policy.reach(Some(&Principal::user("x")))), "", "{condition}");
        assert_eq!(draw(&policy.reach(None)), "fs::read: /a/**\n");
    }
}

#[test]
fn a_resource_of_another_type_is_out_of_reach() {
    check(
        &compile(
            r#"
            permit (principal, action, resource is service::Manager);
            permit (principal, action, resource == service::Unit::"nginx.service");
            permit (principal, action, resource == fs::Path::"/a");
            "#,
        ),
        expect![[r#"
            fs::read: /a
            fs::list: /a
            fs::stat: /a
            fs::write: /a
            fs::append: /a
            fs::create_dir: /a
            fs::rename: /a
            fs::remove: /a
            fs::touch: /a
            fs::chmod: /a
            fs::chown: /a
            fs::symlink: /a
            fs::hard_link: /a
            fs::get_xattr: /a
            fs::set_xattr: /a
            service::list: anything
            service::status: nginx.service
            service::start: nginx.service
            service::stop: nginx.service
            service::restart: nginx.service
            service::reload: nginx.service
            service::enable: nginx.service
            service::disable: nginx.service
            service::mask: nginx.service
            service::reset_failed: nginx.service
            service::reload_daemon: anything
            service::logs: nginx.service
            sys::unmount: /a
        "#]],
    );
}

/// A parcel, whose `path` is its route and not its id, and which can change hands.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "a public trait names it")]
pub struct Parcel;

impl Resource for Parcel {
    const SPEC: &'static ResourceSpec = &ResourceSpec {
        namespace: "post",
        name: "Parcel",
        doc: "A parcel.",
        attributes: &[
            Attribute { name: "path", kind: FactKind::String, doc: "The way.", values: rex_core::ValueSet::Any },
            Attribute { name: "label", kind: FactKind::String, doc: "The id.", values: rex_core::ValueSet::Any },
        ],
        id_attribute: Some("label"),
        nested: true,
        class: None,
    };
    fn id(&self) -> &str {
        "p/1"
    }
    fn attributes<'a>(&'a self, visit: &mut dyn FnMut(&'static str, Fact<'a>)) {
        visit("path", Fact::String("/somewhere"));
    }
}

rex_core::actions! {
    /// The actions on parcels.
    static POST;
    /// Parcels.
    post {
        /// Open it.
        Open = "open" on Parcel {} in [];
    }
}

#[test]
fn another_program_says_which_attribute_is_the_id() {
    for (condition, places) in [
        ("resource.label like \"p/*\"", "p/*"),
        ("resource.label == \"p/1\"", "p/1"),
        ("resource.path like \"/a/*\"", "anything"),
        ("resource in post::Parcel::\"p\"", "p/**"),
        // The id does not say what lies in what, so it is unknown which is narrower.
        ("resource in post::Parcel::\"p\" && resource in post::Parcel::\"q/r\"", "p/**"),
    ] {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let sources = [SourceText::new("post.cedar", text)];
        let policy = Policy::compile(&Vocabulary::new(POST), &sources, None, &PolicyLimits::default()).unwrap();
        assert_eq!(draw(&policy.reach(None)), format!("post::open: {places}\n"), "{condition}");
    }
}
