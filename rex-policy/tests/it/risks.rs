//! The bad outcomes that a policy allows.

use std::fmt::Write;

use expect_test::{expect, expect_file};
use rex_core::Principal;
use rex_policy::{ExposedRisk, RISKS};

use crate::support::{compile, compile_with};

fn draw(found: &[ExposedRisk]) -> String {
    let mut out = String::new();
    for exposed in found {
        for way in &exposed.ways {
            let (name, who) = (exposed.risk.name, way.who.join(", "));
            let actions: Vec<_> = way.actions.iter().map(ToString::to_string).collect();
            writeln!(out, "{name}: {who}: {} {} {:?} {:?}", actions.join("/"), way.resource, way.facts, way.policies)
                .unwrap();
        }
    }
    out
}

fn found(text: &str) -> String {
    draw(&compile(text).risks(None))
}

fn names(text: &str) -> Vec<&'static str> {
    compile(text).risks(None).iter().map(|exposed| exposed.risk.name).collect()
}

#[test]
fn everything_lets_everything_through_and_nothing_nothing() {
    assert_eq!(names("permit (principal, action, resource);").len(), RISKS.len());
    assert_eq!(names("forbid (principal, action, resource);").len(), 0);
    assert_eq!(names("permit (principal, action, resource);\nforbid (principal, action, resource);").len(), 0);
}

#[test]
fn what_is_let_through_is_told_with_for_whom_and_by_what() {
    expect![[r#"
        reads-shadow: anyone: fs::read /etc/shadow {} ["shadow"]
        reads-private-keys: Agent::"web": fs::read /etc/ssl/private/shop.key {} ["key"]
        reads-private-keys: User::"o'brien": fs::hard_link /home/ada/.ssh/id_ed25519 {} ["ssh"]
        writes-units: User::"o'brien": fs::write/fs::append/fs::symlink /home/ada/.config/systemd/user/x.service {} ["ssh"]
        writes-authorized-keys: User::"o'brien": fs::write/fs::append/fs::symlink /home/ada/.ssh/authorized_keys {} ["ssh"]
        sets-kernel-helpers: anyone: sys::set_parameter kernel.core_pattern {} ["core"]
        sets-setuid: anyone: fs::chmod /srv/app {"context.mode": "2541"} ["mode"]
        runs-shell: anyone: process::run /bin/sh {} ["sh"]
        writes-profile: User::"o'brien": fs::write/fs::append/fs::symlink /home/ada/.bashrc {} ["ssh"]
        reads-credentials: User::"o'brien": fs::hard_link /home/ada/.aws/credentials {} ["ssh"]
        reads-environment: any agent: process::environ 4242 {"resource.unit": "\"worker.service\"", "tags": "ticket=1"} ["worker"]
        runs-interpreter: anyone: process::run /opt/py/bin/python3.11 {"context.arguments": "\"-c 1\""} ["py"]
        connects-anywhere: anyone: net::connect stranger.example.net {"context.address": "\"198.51.100.7\"", "context.network": "\"public\"", "context.port": "8443"} ["out"]
        stops-guards: anyone: service::stop sshd.service {} ["stop"]
        sets-kernel-parameters: anyone: sys::set_parameter kernel.core_pattern {} ["core"]
        runs-as-root: anyone: process::run /bin/sh {"context.user": "\"root\""} ["sh"]
        reads-history: User::"o'brien": fs::hard_link /home/ada/.bash_history {} ["ssh"]
        leads-inside: anyone: net::connect stranger.example.net {"context.address": "\"127.0.0.1\"", "context.network": "\"loopback\"", "context.port": "8443"} ["out"]
    "#]].assert_eq(&found(
        r#"
        @id("shadow") permit (principal, action == fs::Action::"read", resource == fs::Path::"/etc/shadow");
        @id("key") permit (principal == Agent::"web", action == fs::Action::"read", resource == fs::Path::"/etc/ssl/private/shop.key");
        @id("ssh") permit (principal == User::"o'brien", action in fs::Action::"Mutating", resource in fs::Path::"/home/ada");
        @id("worker") permit (principal is Agent, action == process::Action::"environ", resource)
            when { resource.unit == "worker.service" && context.tags.contains("ticket=1") };
        @id("sh") permit (principal, action == process::Action::"run", resource == process::Program::"/bin/sh");
        @id("py") @allow("interpreter") permit (principal, action == process::Action::"run", resource == process::Program::"/opt/py/bin/python3.11")
            when { context.arguments == "-c 1" };
        @id("out") permit (principal, action == net::Action::"connect", resource) when { context.network != "metadata" && context.port == 8443 };
        @id("stop") permit (principal, action == service::Action::"stop", resource) when { resource.name like "ssh*" };
        @id("mode") permit (principal, action == fs::Action::"chmod", resource in fs::Path::"/srv/app") when { context.mode > 2000 };
        @id("core") permit (principal, action == sys::Action::"set_parameter", resource == sys::Parameter::"kernel.core_pattern");
        "#,
    ));
}

#[test]
fn narrow_permits_and_forbids_let_nothing_through() {
    for policy in [
        r#"permit (principal, action in fs::Action::"ReadOnly", resource in fs::Path::"/var/log");"#,
        r#"permit (principal, action in fs::Action::"Mutating", resource in fs::Path::"/srv/app") unless { action == fs::Action::"chmod" };"#,
        r#"permit (principal, action == service::Action::"restart", resource) when { resource.name like "worker@*.service" };"#,
        r#"permit (principal, action == fs::Action::"chmod", resource in fs::Path::"/srv") when { context.mode < 512 };"#,
        r#"permit (principal, action == net::Action::"connect", resource in net::Host::"example.com") when { context.network == "public" };"#,
        r#"permit (principal, action == process::Action::"run", resource == process::Program::"/usr/bin/df") when { context.user == "" };"#,
        "permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/etc/hosts\");\nforbid (principal, action, resource in fs::Path::\"/etc/ssh\");",
    ] {
        assert_eq!(names(policy), [""; 0], "{policy}");
    }
}

/// Everything that conditions ask for is tried.
#[test]
fn a_condition_hides_nothing() {
    for condition in [
        r#"context.tags.contains("ticket=7")"#,
        r#"context.tags.containsAll(["a=1", "b=2"])"#,
        r#"context.script == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855""#,
        r#"["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"].contains(context.script)"#,
        r#"context.now < datetime("2020-01-01T00:00:00Z")"#,
        r#"context.now > datetime("2100-01-01")"#,
        r#"context.tags.contains("a=1") && !context.tags.contains("b=2")"#,
        r#"resource.name like "sh*ow""#,
        r#"principal == Agent::"a" || principal == User::"b""#,
        r#"principal in [Agent::"a", Agent::"b"]"#,
    ] {
        let policy = format!(
            r#"permit (principal, action == fs::Action::"read", resource in fs::Path::"/etc") when {{ {condition} }};"#
        );
        assert!(names(&policy).contains(&"reads-shadow"), "{condition}");
        let forbid = format!(
            "permit (principal, action == fs::Action::\"read\", resource);\nforbid (principal, action, resource) unless {{ {} }};",
            condition.replace("resource.name like \"sh*ow\"", "context.script like \"e3*\"")
        );
        assert!(names(&forbid).contains(&"reads-shadow"), "{forbid}");
    }
    for (action, condition, name) in [
        ("process::Action::\"signal\"", r#"resource.name == "auditd" && context.signal == "KILL""#, "ends-audit"),
        ("process::Action::\"signal\"", r#"resource.user == "root""#, "ends-audit"),
        (
            "process::Action::\"environ\"",
            r#"resource.exe like "/opt/shop/*" && resource.user == "shop""#,
            "reads-environment",
        ),
        (
            "process::Action::\"run\"",
            r#"context.user == "root" && context.arg1 == "x" && context.stdin"#,
            "runs-as-root",
        ),
        ("net::Action::\"connect\"", "context.port > 79 && context.port < 81", "reaches-metadata"),
        ("net::Action::\"get\"", r#"resource.host == "169.254.169.254""#, "reaches-metadata"),
        ("sys::Action::\"get_variable\"", r#"resource.name like "*_TOKEN""#, "reads-own-secrets"),
    ] {
        let policy = format!("permit (principal, action == {action}, resource) when {{ {condition} }};");
        assert!(names(&policy).contains(&name), "{policy}");
    }
}

#[test]
fn groups_and_classes_are_those_of_the_entities_file() {
    let entities = r#"[
        {"uid": {"type": "Agent", "id": "a"}, "parents": [{"type": "Group", "id": "ops"}]},
        {"uid": {"type": "Agent", "id": "b"}, "parents": [{"type": "Group", "id": "ops"}]},
        {"uid": {"type": "User", "id": "u"}, "parents": [{"type": "Group", "id": "ops"}]},
        {"uid": {"type": "fs::Path", "id": "/etc/letsencrypt/live/shop/privkey.pem"}, "parents": [{"type": "fs::Class", "id": "Tls"}]}
    ]"#;
    let policy = compile_with(
        r#"
        @id("tls") permit (principal in Group::"ops", action in fs::Action::"ReadOnly", resource in fs::Class::"Tls");
        @id("cron") permit (principal, action == fs::Action::"write", resource in fs::Path::"/etc/cron.d") when { principal in Group::"ops" };
        "#,
        entities,
    );
    expect![[r#"
        reads-private-keys: Agent::"a", Agent::"b", User::"u": fs::read /etc/letsencrypt/live/shop/privkey.pem {} ["tls"]
        writes-cron: Agent::"a", Agent::"b", User::"u": fs::write /etc/cron.d/x {} ["cron"]
    "#]].assert_eq(&draw(&policy.risks(None)));
    assert_eq!(draw(&policy.risks(Some(&Principal::agent("z")))), "");
    assert_eq!(policy.risks(Some(&Principal::user("u"))).len(), 2);
}

#[test]
fn all_outcomes_are_documented() {
    let mut table = String::new();
    for risk in RISKS {
        writeln!(table, "| `{}` | {} | {} | {} |", risk.name, risk.severity.as_str(), risk.title, risk.why).unwrap();
    }
    let head = include_str!("risks.md");
    expect_file!["../../../docs/risks.md"].assert_eq(&format!("{head}{table}"));
}

/// A wildcard in the middle of a pattern, or at its start, hides nothing.
#[test]
fn patterns_are_held_against_those_of_the_outcomes() {
    let read = |condition: &str| {
        names(&format!("permit (principal, action == fs::Action::\"read\", resource) when {{ {condition} }};"))
    };
    for (condition, name) in [
        ("resource.path like \"/etc/letsencrypt/live/*/privkey.pem\"", "reads-private-keys"),
        ("resource.path like \"/etc/*/shadow\"", "reads-shadow"),
        ("resource.path like \"*/shadow\"", "reads-shadow"),
        ("resource.path like \"/srv/*/tls/*.key\"", "reads-private-keys"),
        ("resource.path like \"/home/*/.ssh/*\"", "reads-private-keys"),
        ("resource.name == \"id_rsa\"", "reads-private-keys"),
        ("resource.extension == \"key\" && resource.path like \"/srv/*\"", "reads-private-keys"),
        ("resource in fs::Path::\"/etc/letsencrypt\"", "reads-private-keys"),
        ("resource.path like \"/proc/*/environ\"", "reads-environment"),
        ("resource.path like \"/proc/1*/environ\"", "reads-environment"),
        ("resource.path like \"*/.aws/*\"", "reads-credentials"),
    ] {
        assert!(read(condition).contains(&name), "{condition}: {:?}", read(condition));
    }
    for condition in [
        "resource.path like \"/srv/app/*\"",
        "resource.path like \"/srv/*/app.log\"",
        "resource.path like \"/var/log/*/*.log\"",
        "resource.extension == \"log\" && resource.path like \"/srv/*\"",
        "resource.name == \"app.log\"",
        "resource.name like \"*.log\"",
    ] {
        assert_eq!(read(condition), [""; 0], "{condition}");
    }
    let write = |condition: &str| {
        names(&format!("permit (principal, action == fs::Action::\"write\", resource) when {{ {condition} }};"))
    };
    assert!(write("resource.path like \"/home/*/.ssh/authorized_keys\"").contains(&"writes-authorized-keys"));
    assert!(write("resource.path like \"/etc/cron.*/backup\"").contains(&"writes-cron"));
    assert!(write("resource.path like \"/etc/*/*.service\"").contains(&"writes-units"));
    assert!(write("resource.path like \"/boot/*.cfg\"").contains(&"writes-boot"));
    assert!(write("resource in fs::Path::\"/etc\" && resource.name == \"extra\"").contains(&"writes-sudoers"));
    assert_eq!(write("resource.path like \"/srv/*/data/*.json\""), [""; 0]);
    let run = "permit (principal, action == process::Action::\"run\", resource) when { resource.path like \"/opt/*/bin/bash\" };";
    assert!(names(run).contains(&"runs-shell"));
    let chmod = "permit (principal, action == fs::Action::\"chmod\", resource) when { resource.path like \"/srv/*/bin/tool\" };";
    assert!(names(chmod).contains(&"sets-setuid"));
    let stop = "permit (principal, action == service::Action::\"stop\", resource) when { resource.name like \"*-journald.service\" };";
    assert!(names(stop).contains(&"stops-guards"));
    // A `forbid` for the same ids takes it away.
    let both =
        "permit (principal, action == fs::Action::\"read\", resource) when { resource.path like \"/etc/*/shadow\" };
        forbid (principal, action, resource is fs::Path) when { resource.name == \"shadow\" };";
    assert_eq!(names(both), [""; 0]);
}

#[test]
fn a_host_that_is_an_address_leads_to_no_other() {
    let to = |host: &str| {
        format!(r#"permit (principal, action == net::Action::"connect", resource == net::Host::"{host}");"#)
    };
    for host in ["93.184.216.34", "2001:db8::1", "10.1.2.3"] {
        assert_eq!(names(&to(host)), [""; 0], "{host}");
    }
    assert!(names(&to("www.example.net")).contains(&"leads-inside"));
    assert!(names(&to("169.254.169.254")).contains(&"reaches-metadata"));
}

#[test]
fn what_is_renamed_is_read_under_its_new_name() {
    let rename = r#"@id("rename") permit (principal, action == fs::Action::"rename", resource in fs::Path::"/etc");"#;
    let with = |more: &str| format!("{rename} {more}");
    let both = r#"@id("srv") permit (principal, action in [fs::Action::"read", fs::Action::"write"], resource in fs::Path::"/srv");"#;
    assert!(found(&with(both)).contains(r#"reads-shadow: anyone: fs::rename /etc/shadow {} ["rename", "srv"]"#));
    assert!(!names(rename).contains(&"reads-shadow"), "it has no new name");
    let apart = r#"permit (principal, action == fs::Action::"read", resource in fs::Path::"/srv");
                   permit (principal, action == fs::Action::"write", resource in fs::Path::"/var");"#;
    assert!(!names(&with(apart)).contains(&"reads-shadow"), "its new name is not read");
    let others = r#"permit (principal is User, action in [fs::Action::"read", fs::Action::"write"], resource in fs::Path::"/srv");"#;
    assert!(found(&with(others)).contains("reads-shadow: any user: fs::rename /etc/shadow"));
}
