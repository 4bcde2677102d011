//! Coverage of policies and clauses.

use rex_core::action::fs;
use rex_core::{Authorize, Request};
use rex_policy::{Case, Coverage, Policy, RejectedPolicy, SourceText, Vocabulary};

use crate::support::{NOON, compile, path, triage};

/// Returns the coverage after reading these paths, as `decided: held/failed of each clause`.
fn seen(policy: &Policy, paths: &[&str]) -> Vec<String> {
    let (mut coverage, subject) = (Coverage::new(policy), triage());
    for file in paths {
        let file = path(file);
        let request = Request { subject: &subject, action: &fs::Read {}, resource: &file, now: NOON };
        coverage.observe(policy, &request, &policy.decide(&request));
    }
    let clauses = |policy: &rex_policy::CoveredPolicy| {
        policy.clauses.iter().map(|clause| format!("{}/{}", clause.held, clause.failed)).collect::<Vec<_>>().join(" ")
    };
    coverage.policies.iter().map(|policy| format!("{}: {}", policy.decided, clauses(policy))).collect()
}

#[test]
fn a_clause_that_did_not_decide_is_not_covered() {
    let policy = compile(
        r#"@id("p") permit (principal, action, resource in fs::Path::"/a")
        when { resource.name == "x" && resource in fs::Path::"/a/b" && true };
        @id("q") forbid (principal is User, action, resource is fs::Path) when { resource.extension == "key" };"#,
    );
    assert_eq!(seen(&policy, &["/elsewhere/x"]), ["0: 0/0 0/0", "0: 0/0"], "the head does not meet it");
    assert_eq!(seen(&policy, &["/a/b/y"]), ["0: 0/1 0/0", "0: 0/0"], "the second was not looked at");
    assert_eq!(seen(&policy, &["/a/y"]), ["0: 0/0 0/0", "0: 0/0"], "neither alone would have changed it");
    assert_eq!(seen(&policy, &["/a/x"]), ["0: 0/0 0/1", "0: 0/0"]);
    assert_eq!(seen(&policy, &["/a/b/x"]), ["1: 1/0 1/0", "0: 0/0"]);
    let mut coverage = Coverage::new(&policy);
    assert_eq!((coverage.of_policies(), coverage.of_clauses(), coverage.percent()), ((0, 2), (0, 3), 0));
    for file in ["/a/b/x", "/a/x", "/a/b/y"] {
        let (subject, file) = (triage(), path(file));
        let request = Request { subject: &subject, action: &fs::Read {}, resource: &file, now: NOON };
        coverage.observe(&policy, &request, &policy.decide(&request));
    }
    assert_eq!((coverage.of_policies(), coverage.of_clauses(), coverage.percent()), ((1, 2), (2, 3), 60));
}

/// A policy that matched but did not decide is not covered.
#[test]
fn a_permit_that_a_forbid_beat_is_not_covered() {
    let policy = compile("permit (principal, action, resource);\nforbid (principal, action, resource);");
    assert_eq!(seen(&policy, &["/x"]), ["0: ", "1: "]);
}

/// A clause counts only if it changes the decision and its policies; to change its own policy alone is not enough.
#[test]
fn a_clause_of_a_policy_that_did_not_decide_is_not_covered() {
    let policy = compile(
        r#"@id("p") permit (principal, action, resource in fs::Path::"/srv") when { resource.name == "y" };
        @id("f") forbid (principal, action, resource in fs::Path::"/srv/x");
        @id("q") permit (principal, action, resource in fs::Path::"/srv/q");"#,
    );
    assert_eq!(seen(&policy, &["/srv/y"]), ["1: 1/0", "0: ", "0: "]);
    assert_eq!(
        seen(&policy, &["/srv/x/z", "/srv/x/y"]),
        ["0: 0/0", "2: ", "0: "],
        "the forbid decides, whatever the clause"
    );
    assert_eq!(seen(&policy, &["/srv/z"]), ["0: 0/1", "0: ", "0: "]);
    assert_eq!(
        seen(&policy, &["/srv/q/y"]),
        ["1: 1/0", "0: ", "1: "],
        "without it, one policy less would have decided"
    );
    let guarded = compile(
        r#"@id("p") permit (principal, action, resource in fs::Path::"/srv") when { resource.name == "y" };
        @id("e") permit (principal, action, resource in fs::Path::"/srv/e")
        when { context.now.offset(duration("106751991167d")) > context.now };"#,
    );
    assert_eq!(seen(&guarded, &["/srv/e/y"]), ["0: 0/0", "0: 0/0"], "an error denies, whatever the clause");
}

#[test]
fn a_file_of_cases_is_bounded_and_plain() {
    let read = |text: &str| Case::read(&Vocabulary::rex(), &SourceText::new("t.test.yaml", text));
    let told =
        |text: &str| read(text).map(|cases| cases.len()).map_err(|RejectedPolicy { findings }| findings[0].to_string());
    assert_eq!(told("cases: []"), Ok(0));
    assert!(told("").is_err() && told("--- []\n--- []").is_err());
    assert_eq!(told("- &a {}"), Err("a file of cases has no anchors, aliases and tags".to_owned()));
    assert_eq!(told("- {name: a, name: b}"), Err("`name` occurs twice".to_owned()));
    assert_eq!(told("- 7"), Err("this is not a case".to_owned()));
    assert!(told(&"[".repeat(10_000)).is_err());
}
