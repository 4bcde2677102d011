//! How exposed a policy leaves what it protects.

use rex_core::Place;
use rex_policy::Exposure;

use crate::support::compile;

fn exposure(text: &str) -> Exposure {
    compile(text).exposure(None)
}

#[test]
fn the_worst_comes_first_and_nothing_is_nothing() {
    let nothing = exposure("forbid (principal, action, resource);");
    assert_eq!((nothing.percent, nothing.findings.len()), (0, 0));
    let all = exposure("permit (principal, action, resource);");
    assert_eq!(all.percent, 100);
    assert!(all.findings.iter().all(|finding| finding.widest.is_none()));
    let some = exposure(
        r#"permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"/var/log");
        permit (principal, action == service::Action::"restart", resource == service::Unit::"nginx.service");
        permit (principal, action in [fs::Action::"write", fs::Action::"append"], resource in fs::Path::"/etc");"#,
    );
    let told: Vec<_> = some.findings.iter().map(|one| (one.namespace, one.group, one.percent)).collect();
    assert_eq!(told, [("fs", "Mutating", 63), ("fs", "ReadOnly", 12), ("service", "Mutating", 9)]);
    assert_eq!((&some.findings[0].actions[..], some.percent), (&["write", "append"][..], 70));
    assert_eq!(some.findings[0].widest, Some(Place::Below("/etc".to_owned())));
}

#[test]
fn a_permit_more_never_lowers_it() {
    let permits = [
        r#"permit (principal, action == fs::Action::"read", resource == fs::Path::"/etc/hosts");"#,
        r#"permit (principal, action == fs::Action::"read", resource in fs::Path::"/srv/app");"#,
        r#"permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"/");"#,
        r#"permit (principal, action == net::Action::"get", resource);"#,
        r#"permit (principal, action in fs::Action::"Mutating", resource in fs::Path::"/srv/app");"#,
        r#"permit (principal, action == process::Action::"run", resource == process::Program::"/usr/bin/df");"#,
        "permit (principal, action, resource);",
    ];
    let (mut text, mut before) = (String::new(), 0);
    for permit in permits {
        text += permit;
        text += "\n";
        let now = exposure(&text).percent;
        assert!(now >= before, "{now} < {before}: {permit}");
        before = now;
    }
    assert_eq!(before, 100);
}
