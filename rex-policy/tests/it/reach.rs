//! What a policy could ever permit.

use expect_test::{Expect, expect};
use rex_core::{Extent, Place, Principal, Reach};
use rex_policy::Policy;

use crate::support::{compile, compile_with};

fn draw(reach: &Reach) -> String {
    let mut text = String::new();
    for (action, extent) in reach.iter() {
        let places = match extent {
            Extent::Anything => "anything".to_owned(),
            Extent::Within(places) => places.iter().map(place).collect::<Vec<_>>().join(" "),
        };
        text += &format!("{action}: {places}\n");
    }
    text
}

fn place(place: &Place) -> String {
    match place {
        Place::Exactly(id) => id.clone(),
        Place::Below(id) => format!("{id}/**"),
        Place::Prefix(text) => format!("{text}*"),
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
