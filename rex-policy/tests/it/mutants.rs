//! Policies with one change each.

use rex_core::action::fs;
use rex_core::{Authorize, Effect, Request};
use rex_policy::Policy;

use crate::support::{NOON, compile, path, triage};

const TEXT: &str = r#"@id("p") permit (principal, action, resource in fs::Path::"/a")
when { (resource.name == "x" || resource.name == "y") && true }
unless { resource in fs::Path::"/a/b" };
@id("f") forbid (principal, action, resource == fs::Path::"/a/x");"#;

fn changes(policy: &Policy) -> Vec<String> {
    policy.mutants().iter().map(|mutant| format!("{}:{} {}", mutant.policy, mutant.line, mutant.change)).collect()
}

#[test]
fn each_part_is_dropped_and_each_effect_turned() {
    assert_eq!(
        changes(&compile(TEXT)),
        [
            "p:1 dropped",
            "p:1 as a `forbid`",
            "p:1 without its condition",
            "p:2 without `resource.name == \"x\"`",
            "p:2 without `resource.name == \"y\"`",
            "p:2 without `resource.name == \"x\" || resource.name == \"y\"`",
            "p:3 without `resource in fs::Path::\"/a/b\"`",
            "f:4 dropped",
            "f:4 as a `permit`",
        ]
    );
}

/// A mutant decides like the policy written with that change.
#[test]
fn a_mutant_decides_as_the_changed_policy_would() {
    let [p, f] = {
        let (p, f) = TEXT.split_once("\n@id(\"f\")").unwrap();
        [p.to_owned(), format!("@id(\"f\"){f}")]
    };
    let condition = p.split_once("when").unwrap().0.to_owned() + ";";
    let written = [
        f.clone(),
        format!("{}\n{f}", p.replace("permit", "forbid")),
        format!("{condition}\n{f}"),
        format!("{}\n{f}", p.replace("resource.name == \"x\"", "false")),
        format!("{}\n{f}", p.replace("resource.name == \"y\"", "false")),
        format!("{}\n{f}", p.replace("(resource.name == \"x\" || resource.name == \"y\") && true", "true")),
        format!("{}\n{f}", p.split_once("\nunless").unwrap().0.to_owned() + ";"),
        p.clone(),
        format!("{p}\n{}", f.replace("forbid", "permit")),
    ];
    let policy = compile(TEXT);
    let mutants = policy.mutants();
    assert_eq!(mutants.len(), written.len());
    let mut denied = 0;
    for (mutant, text) in mutants.iter().zip(written) {
        let changed = compile(&text);
        for file in ["/a/x", "/a/y", "/a/z", "/a/b/x", "/a/c/x", "/x"] {
            let (subject, file) = (triage(), path(file));
            let request = Request { subject: &subject, action: &fs::Read {}, resource: &file, now: NOON };
            let seen = policy.see(&request);
            assert_eq!(seen.decision(None), policy.decide(&request), "{text}");
            let decision = seen.decision(Some(mutant));
            assert_eq!(decision, changed.decide(&request), "{text} {}", file.as_str());
            assert!(seen.concerns(mutant) || decision == policy.decide(&request));
            denied += usize::from(decision.effect == Effect::Deny);
        }
    }
    assert!((10..50).contains(&denied), "{denied}");
}
