//! Differences that examples alone show.

use rex_policy::DecisionChange;

use crate::support::compile;

const ALL: &str = r#"@id("all") permit (principal, action, resource);"#;

/// Checks that examples show that a `forbid` denies something, and that its absence allows it again.
#[track_caller]
fn shown(permit: &str, forbid: &str) {
    let (older, newer) = (compile(permit), compile(&format!("{permit} @id(\"no\") {forbid}")));
    let diff = older.diff(&newer);
    let denied = diff.differences.iter().any(|it| it.change == DecisionChange::Denied);
    assert!(denied && diff.untried == 0, "{forbid}: by {} requests", diff.requests);
    assert!(newer.diff(&older).differences.iter().any(|it| it.change == DecisionChange::Allowed), "{forbid}");
}

#[test]
fn conditions_on_parts_of_urls_are_met() {
    let site = r#"@id("site") permit (principal, action in [net::Action::"get", net::Action::"post"], resource in net::Url::"https://api.example.org/v1/");"#;
    for condition in [
        r#"resource.query like "*token=*""#,
        r#"resource.url like "*.zip""#,
        r#"resource.path like "*.zip""#,
        r#"resource.path like "/v1/admin/*" && resource.query != """#,
    ] {
        let forbid = format!(
            r#"forbid (principal, action == net::Action::"get", resource is net::Url) when {{ {condition} }};"#
        );
        shown(ALL, &forbid);
        shown(site, &forbid);
    }
    for condition in [
        r#"resource.host like "*.internal""#,
        r#"resource.port > 8000 && resource.path like "/admin/*""#,
        r#"resource.port < 1024 && resource.scheme == "http""#,
        r#"resource.host == "a.example" && resource.path == "/x" && resource.query == "y=1""#,
        r#"resource.url like "http://*/debug""#,
        r#"resource.host like "10.*""#,
    ] {
        shown(
            ALL,
            &format!(
                r#"forbid (principal, action == net::Action::"get", resource is net::Url) when {{ {condition} }};"#
            ),
        );
    }
}

#[test]
fn conditions_on_the_ends_of_names_are_met() {
    for (action, kind, condition) in [
        (r#"fs::Action::"read""#, "fs::Path", r#"resource.path like "*.zip""#),
        (r#"fs::Action::"read""#, "fs::Path", r#"resource.path like "*/.ssh/*""#),
        (r#"net::Action::"connect""#, "net::Host", r#"resource.name like "*.internal" && context.port > 8000"#),
        (r#"net::Action::"resolve""#, "net::Host", r#"resource.name like "*.internal""#),
        (r#"service::Action::"stop""#, "service::Unit", r#"resource.name like "*.timer""#),
        (r#"sys::Action::"get_parameter""#, "sys::Parameter", r#"resource.name like "*.forwarding""#),
    ] {
        shown(ALL, &format!("forbid (principal, action == {action}, resource is {kind}) when {{ {condition} }};"));
    }
}

#[test]
fn of_policies_that_no_request_is_made_of_nothing_is_known() {
    let older = compile(ALL);
    let other = |number| {
        format!(
            r#"@id("no{number}") forbid (principal, action, resource) when {{ context.tags.contains("a=1") && context.tags.contains("b={number}") }};"#
        )
    };
    let newer = compile(&format!("{ALL} {}", (0..60).map(other).collect::<String>()));
    assert!(older.diff(&newer).untried > 0);
    let same = older.diff(&compile(ALL));
    assert_eq!((same.requests, same.untried), (0, 0));
}
