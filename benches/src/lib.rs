//! Parts that the benches share: policies of any size, and engines on this host, which is Linux.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, reason = "a bench that cannot set up its world has nothing to measure")]

use std::sync::Arc;

use rex_core::{Limits, Principal};
use rex_engine::{Engine, Input};
use rex_policy::{Policy, PolicyLimits, SourceText, Vocabulary};
use rex_sdk::HostOs;
use rex_sdk::host::HostOptions;

/// Returns a policy that permits reading below `dir`, among `others` that do not match.
#[must_use]
pub fn policy(dir: &str, others: usize) -> Policy {
    policy_of(
        format!(
            "@id(\"match\") permit (principal, action in [fs::Action::\"ReadOnly\", fs::Action::\"append\"], resource in fs::Path::\"{dir}\");\n"
        ),
        others,
    )
}

/// Returns a policy of this text, among `others` that do not match.
#[must_use]
pub fn policy_of(mut text: String, others: usize) -> Policy {
    for number in 0..others {
        text.push_str(&format!(
            "@id(\"other-{number}\") permit (principal, action == fs::Action::\"read\", resource in fs::Path::\"/srv/app-{number}\");\n"
        ));
    }
    let source = SourceText { name: "bench.cedar".to_owned(), text };
    let limits = PolicyLimits { policies: 100_000, ..PolicyLimits::default() };
    Policy::compile(&Vocabulary::rex(), &[source], None, &limits).expect("the policy is valid")
}

/// Returns fifty policies as somebody would write them for ten services: logs, configuration, reports, restarts, programs; and a guard.
#[must_use]
pub fn fifty() -> Policy {
    let mut text = String::new();
    for app in 0..10 {
        text.push_str(&format!(
            r#"
            @id("logs-{app}") permit (principal in Group::"team-{app}", action in fs::Action::"ReadOnly", resource in fs::Path::"/srv/app-{app}/logs")
            unless {{ resource.extension == "key" }};
            @id("config-{app}") permit (principal in Group::"team-{app}", action == fs::Action::"read", resource)
            when {{ resource.path like "/srv/app-{app}/etc/*.conf" }};
            @id("reports-{app}") permit (principal == Agent::"reporter-{app}", action in [fs::Action::"write", fs::Action::"append"],
              resource in fs::Path::"/srv/app-{app}/reports") when {{ context.bytes < 1000000 }};
            @id("restart-{app}") permit (principal in Group::"team-{app}", action == service::Action::"restart", resource)
            when {{ resource.name like "app-{app}-*" && context.tags.contains("change=approved") }};
            @id("run-{app}") permit (principal == Agent::"reporter-{app}", action == process::Action::"run",
              resource == process::Program::"/usr/bin/app-{app}") when {{ context.arguments like "--report *" }};
            "#
        ));
    }
    text.push_str(
        r#"@id("no-keys") forbid (principal, action, resource is fs::Path) when { resource.path like "*.key" };"#,
    );
    policy_of(text, 0)
}

/// Returns an engine on this host, with limits that allow long loops.
#[must_use]
pub fn engine() -> Engine {
    let limits = Limits {
        operations: u64::MAX,
        script_steps: u64::MAX,
        wall_ms: 600_000,
        read_bytes: u64::MAX,
        decisions: u64::MAX,
        memory_bytes: 1 << 30,
        ..Limits::default()
    };
    Engine::builder(Arc::new(HostOs::new(HostOptions::default())))
        .limits(limits)
        .build()
        .expect("the bench's allocator counts")
}

/// Returns the input of a run under a policy.
#[must_use]
pub fn input(policy: &Arc<Policy>) -> Input {
    Input::new(Principal::agent("bench"), policy.clone())
}
