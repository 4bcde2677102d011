//! Groups and classes.

use expect_test::{Expect, expect};
use rex_core::action::fs;
use rex_core::{Effect, Principal, Subject};

use crate::support::{ask, compile_with, path, reads, restarts, triage, try_compile};

const ENTITIES: &str = r#"[
    {"uid": {"type": "Agent", "id": "triage"}, "parents": [{"type": "Group", "id": "analysts"}]},
    {"uid": {"type": "Group", "id": "analysts"}, "parents": [{"type": "Group", "id": "staff"}]},
    {"uid": {"__entity": {"type": "fs::Path", "id": "/srv/app/logs"}}, "attrs": {}, "parents": [{"type": "fs::Class", "id": "LogFile"}]},
    {"uid": {"type": "fs::Path", "id": "/srv/app/logs/secret"}, "parents": [{"type": "fs::Class", "id": "Secret"}]},
    {"uid": {"type": "fs::Class", "id": "LogFile"}, "parents": [{"type": "fs::Class", "id": "Readable"}]},
    {"uid": {"type": "service::Unit", "id": "nginx.service"}, "parents": [{"type": "service::Class", "id": "Web"}]},
    {"uid": {"type": "service::Class", "id": "Other"}}
]"#;

#[test]
fn many_entities_load_at_once_and_endless_chains_are_refused() {
    let entity = |kind: &str, id: String, above: String| {
        format!(r#"{{"uid": {{"type": "{kind}", "id": "{id}"}}, "parents": [{{"type": "{above}", "id": "x{id}"}}]}}"#)
    };
    let all = |entities: Vec<String>| format!("[{}]", entities.join(",\n"));
    let paths = (0..20_000).map(|number| entity("fs::Path", format!("/srv/{number}"), "fs::Class".to_owned()));
    let start = std::time::Instant::now();
    let policy = compile_with("permit (principal, action, resource);", &all(paths.collect()));
    assert!(start.elapsed() < std::time::Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(policy.len(), 1);
    let chain = (0..12_000).map(|n| {
        format!(r#"{{"uid": {{"type": "Group", "id": "g{n}"}}, "parents": [{{"type": "Group", "id": "g{}"}}]}}"#, n + 1)
    });
    let refused = try_compile("permit (principal, action, resource);", Some(&all(chain.collect()))).unwrap_err();
    assert!(refused.to_string().contains("more than 1000000 memberships"), "{refused}");
}

#[test]
fn groups_and_classes_are_inherited() {
    let policy = compile_with(
        r#"
        permit (principal in Group::"staff", action == fs::Action::"read", resource in fs::Class::"Readable")
        unless { resource in fs::Class::"Secret" };
        permit (principal in Group::"analysts", action == service::Action::"restart", resource in service::Class::"Web");
        "#,
        ENTITIES,
    );
    assert_eq!(policy.warnings().len(), 0, "{:?}", policy.warnings());
    for (file, allowed) in [
        ("/srv/app/logs", true),
        ("/srv/app/logs/a/b.log", true),
        ("/srv/app/logs/secret", false),
        ("/srv/app/logs/secret/deeper", false),
        ("/srv/app/logs/secrets", true),
        ("/srv/app/log", false),
        ("/srv/app", false),
    ] {
        assert_eq!(reads(&policy, file), allowed, "{file}");
    }
    assert!(restarts(&policy, "nginx") && !restarts(&policy, "ssh"));
    let stranger = Subject::new(Principal::user("triage"));
    assert_eq!(ask(&policy, &stranger, &fs::Read {}, &path("/srv/app/logs")).effect, Effect::Deny);
}

#[test]
fn conditions_look_at_groups_too() {
    let policy = compile_with(
        r#"
        permit (principal, action, resource) when { principal in Group::"staff" && action in fs::Action::"ReadOnly" };
        forbid (principal, action == fs::Action::"list", resource)
        when { fs::Path::"/srv/app/logs" in fs::Class::"Readable" && resource in [fs::Path::"/etc", fs::Path::"/srv"] };
        "#,
        ENTITIES,
    );
    assert!(reads(&policy, "/x"));
    assert_eq!(ask(&policy, &triage(), &fs::Remove {}, &path("/x")).effect, Effect::Deny);
    assert_eq!(ask(&policy, &triage(), &fs::List {}, &path("/srv/x")).effect, Effect::Deny);
    assert_eq!(ask(&policy, &triage(), &fs::List {}, &path("/var")).effect, Effect::Allow);
}

#[test]
fn a_class_that_nobody_declared_is_a_warning() {
    let policy =
        compile_with(r#"permit (principal in Group::"staf", action, resource in fs::Class::"Logs");"#, ENTITIES);
    let warnings: Vec<_> = policy.warnings().iter().map(ToString::to_string).collect();
    expect![[r#"
        [
            "nothing is in `fs::Class::\"Logs\"`",
            "nothing is in `Group::\"staf\"`",
        ]
    "#]]
    .assert_debug_eq(&warnings);
}

fn check(entities: &str, expected: Expect) {
    let rejected = try_compile("permit (principal, action, resource);", Some(entities)).unwrap_err();
    let help = rejected.findings[0].help.clone().unwrap_or_default();
    expected.assert_eq(&format!("{rejected}\n{help}"));
}

#[test]
fn a_file_of_another_shape_is_refused() {
    check(
        "[",
        expect![[r#"
            entities.json:1:1: this is not a JSON array of entities: EOF while parsing a list
            an entity looks like {"uid": {"type": "fs::Path", "id": "/srv/logs"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]}"#]],
    );
    check(
        "{}",
        expect![[r#"
            entities.json:1:1: this is not a JSON array of entities: invalid type: map, expected a sequence
            an entity looks like {"uid": {"type": "fs::Path", "id": "/srv/logs"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]}"#]],
    );
    check(
        &"[".repeat(100_000),
        expect![[r#"
            entities.json:1:128: this is not a JSON array of entities: recursion limit exceeded
            an entity looks like {"uid": {"type": "fs::Path", "id": "/srv/logs"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]}"#]],
    );
    check(
        r#"[{"uid": "x"}]"#,
        expect![[r#"
        entities.json: this is not an entity of the entities file
        an entity looks like {"uid": {"type": "fs::Path", "id": "/srv/logs"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]}"#]],
    );
    check(
        r#"[{"uid": {"type": "fs::Path", "id": "/x"}, "attrs": {"path": "/y"}}]"#,
        expect![[r#"
        entities.json:1:37: this is not an entity of the entities file
        an entity looks like {"uid": {"type": "fs::Path", "id": "/srv/logs"}, "parents": [{"type": "fs::Class", "id": "LogFile"}]}"#]],
    );
}

#[test]
fn entities_that_cannot_be_are_refused() {
    check(
        r#"[{"uid": {"type": "fs::Pth", "id": "/x"}}]"#,
        expect![[r#"
            entities.json:1:19: the entities file cannot declare a `fs::Pth`
            it can declare: Agent, Group, User, fs::Class, fs::Path, net::Class, net::Host, net::Url, process::Class, process::Process, process::Program, service::Class, service::Manager, service::Unit, sys::Class, sys::Host, sys::Parameter, sys::Variable"#]],
    );
    check(
        "[\n  {\"uid\": {\"type\": \"fs::Path\", \"id\": \"/x/../y\"}}]",
        expect![[r#"
        entities.json:2:38: `/x/../y` is never the id of a `fs::Path`
        did you mean `/y`?"#]],
    );
    check(
        r#"[{"uid": {"type": "fs::Path", "id": "x"}}]"#,
        expect![[r#"
            entities.json:1:37: the path `x` is relative, and there is no base directory
            the path of an entity is absolute: it starts with `/`"#]],
    );
    check(
        r#"[{"uid": {"type": "service::Unit", "id": "nginx"}}]"#,
        expect![[r#"
        entities.json:1:42: `nginx` is never the id of a `service::Unit`
        did you mean `nginx.service`?"#]],
    );
    check(
        r#"[{"uid": {"type": "fs::Action", "id": "read"}}]"#,
        expect![[r#"
            entities.json:1:19: the entities file cannot declare a `fs::Action`
            it can declare: Agent, Group, User, fs::Class, fs::Path, net::Class, net::Host, net::Url, process::Class, process::Process, process::Program, service::Class, service::Manager, service::Unit, sys::Class, sys::Host, sys::Parameter, sys::Variable"#]],
    );
    check(
        r#"[{"uid": {"type": "fs::Path", "id": "/x"}, "parents": [{"type": "fs::Path", "id": "/y"}]}]"#,
        expect![[r#"
            entities.json:1:83: a `fs::Path` cannot be put in a `fs::Path`
            a `fs::Path` can be put in a `fs::Class`"#]],
    );
    check(
        r#"[{"uid": {"type": "fs::Path", "id": "/x"}, "parents": [{"type": "service::Class", "id": "C"}]}]"#,
        expect![[r#"
            entities.json:1:89: a `fs::Path` cannot be put in a `service::Class`
            a `fs::Path` can be put in a `fs::Class`"#]],
    );
    check(
        r#"[{"uid": {"type": "Group", "id": "a"}, "parents": [{"type": "Group", "id": "b"}]},
            {"uid": {"type": "Group", "id": "b"}, "parents": [{"type": "Group", "id": "a"}]}]"#,
        expect![[r#"
            entities.json:1:34: `a` is a member of itself
        "#]],
    );
    check(
        r#"[{"uid": {"type": "Group", "id": "a"}}, {"uid": {"type": "Group", "id": "a"}}]"#,
        expect![[r#"
        entities.json:1:34: `Group::"a"` is declared twice
        give all of its parents in one entity"#]],
    );
}
